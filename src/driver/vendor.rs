//! `vendor`: the wheels and source archives that a build without a network needs.
//!
//! Owns debian/wheelhouse, its rows in debian/source/include-binaries and the
//! component tarball. Which files are taken is decided from the lock, for each
//! suite and architecture with the interpreter that is there.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use pep508_rs::MarkerEnvironment;
use serde::Serialize;

use crate::apply;
use crate::error::Item;
use crate::error::{Diagnostic, Error, Location, Result, Severity};
use crate::foreign::{FileName, Refused, Sha256, Url};
use crate::helper::venv::settings::{Settings, below};
use crate::input::{self, Beneath};
use crate::plan::Process;
use crate::python::interpreter::Interpreter;
use crate::python::lockfile::{self, Source};
use crate::python::name::normalise;
use crate::python::pyproject::Pyproject;
use crate::python::requirements::{self, Target as Asked};
use crate::python::specification;

use super::archive;
use super::context::Context;
use super::fetch;
use super::hold::Workroom;
use super::index::{self, Index, Offer};
use super::inspect::{hooks, native};
use super::lock::{self, Inputs, LOCK};
use super::source::{self, Changelog, Compression};
use super::target::{self, Suite};

/// Where the files lie, below the source directory.
pub const WHEELHOUSE: &str = "debian/wheelhouse";
const INCLUDE_BINARIES: &str = "debian/source/include-binaries";
/// The index where none is named.
const PYPI: &str = "https://pypi.org/simple";

/// What is asked for.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// Suites to build for.
    pub suites: Vec<Suite>,
    /// Architectures to build for, in Debian's names.
    pub architectures: Vec<String>,
    /// Package indexes, the primary one first.
    pub indexes: Vec<String>,
    /// Write an orig component tarball instead of debian/wheelhouse.
    pub component: bool,
    /// Whether code of the source may run where it cannot be contained.
    pub trusted: bool,
}

/// A file of the wheelhouse.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Vendored {
    /// File name.
    #[serde(serialize_with = "text")]
    pub file: FileName,
    /// sha256.
    #[serde(serialize_with = "text")]
    pub sha256: Sha256,
    /// Where it came from.
    #[serde(serialize_with = "shown")]
    pub url: Url,
    /// `bookworm/amd64`: for which targets it is there.
    #[serde(rename = "for")]
    pub targets: BTreeSet<String>,
}

fn text<S: serde::Serializer>(value: &impl AsRef<str>, serializer: S) -> std::result::Result<S::Ok, S::Error> {
    serializer.serialize_str(value.as_ref())
}

/// As a person may see it.
fn shown<S: serde::Serializer>(value: &Url, serializer: S) -> std::result::Result<S::Ok, S::Error> {
    serializer.collect_str(value)
}

/// What was written.
#[derive(Debug, Clone, Serialize)]
pub struct Outcome {
    /// Version of this form.
    pub schema: u32,
    /// The directory or tarball.
    pub path: PathBuf,
    /// What is in it.
    pub files: Vec<Vendored>,
}

struct Target {
    label: String,
    interpreter: Interpreter,
    markers: MarkerEnvironment,
}

/// One distribution that a target needs.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Pin {
    project: String,
    version: String,
    hashes: Vec<String>,
    /// Files that a lock of uv or pylock.toml names; none: the index says them.
    files: Vec<Offer>,
}

/// Fill the wheelhouse.
pub fn vendor(context: &Context<'_>, request: &Request) -> Result<Outcome> {
    let root = context.directory.clone();
    let mut inputs = lock::inputs(&root, &request.indexes)?;
    inputs.trusted = request.trusted;
    let targets = targets(request)?;
    if lock::stale(&root, &inputs, &request.suites)?.is_some() {
        lock::lock(context, &request.suites, &request.indexes, false, false, request.trusted)?;
    }
    let mut asked = BTreeSet::new();
    let files = loop {
        let pages = Pages::of(context, &inputs, &pins(&root, &inputs, &targets)?)?;
        let files = select(&root, &inputs, &targets, &pages)?;
        download(context, &files)?;
        let more = build_requirements(context, &files)?;
        if more.is_subset(&asked) {
            break files;
        }
        asked.extend(more);
        context.say(format!("source archives are built with {}", asked.iter().cloned().collect::<Vec<_>>().join(", ")));
        let text = lock::resolve(context, &root, &inputs, &request.suites, false, &asked)?;
        apply::write(&input::place(&root, LOCK)?, text.as_bytes(), 0o644)?;
    };
    warn_of_headers(context, &root, &files)?;
    let path = if request.component { component(context, &root, &files)? } else { wheelhouse(context, &root, &files)? };
    Ok(Outcome { schema: 1, path, files: files.into_values().collect() })
}

/// What is there, the wheelhouse or the component tarball, and its every fault: what is stale,
/// missing, superfluous, altered, yanked.
pub fn check(context: &Context<'_>, request: &Request) -> Result<(PathBuf, Vec<Diagnostic>)> {
    let root = context.directory.clone();
    let inputs = lock::inputs(&root, &request.indexes)?;
    let work = Workroom::new(context, &context.cache()?.join("work"))?;
    let place = place(context, request, &root, work.path())?;
    let Place { path, files: directory, name: place } = &place;
    let tarball = directory.starts_with(work.path());
    let again =
        if tarball { "make it anew: deb-build-app vendor --component" } else { "fill it anew: deb-build-app vendor" };
    let mut faults = Vec::new();
    faults.extend(lock::stale(&root, &inputs, &request.suites)?);
    let targets = targets(request)?;
    let pins = pins(&root, &inputs, &targets)?;
    let pages = Pages::of(context, &inputs, &pins)?;
    let wanted = select(&root, &inputs, &targets, &pages)?;
    for (name, file) in &wanted {
        let path = directory.join(name.as_str());
        if input::kind(&path)?.is_none() {
            let targets = file.targets.iter().cloned().collect::<Vec<_>>().join(", ");
            faults.push(Diagnostic::error(format!("{name} is not in {place}, for {targets}")).hint(again));
        } else if Sha256::of(&input::digest(&path)?) != file.sha256 {
            faults.push(Diagnostic::error(format!("{place}/{name} is not the file that the lock means")).hint(again));
        }
    }
    for name in input::names(directory)? {
        let name = name.to_string_lossy().into_owned();
        if !wanted.keys().any(|one| one.as_str() == name) {
            faults
                .push(Diagnostic::error(format!("{place}/{name} is stale: the lock does not ask for it")).hint(again));
        }
    }
    for offer in pages.all().filter(|offer| wanted.contains_key(&offer.name)) {
        if let Some(reason) = &offer.yanked {
            let reason = if reason.is_empty() { "no reason is given" } else { reason };
            let fault = Diagnostic::error(format!("{} was yanked: {reason}", offer.name));
            faults.push(fault.hint("take another version: deb-build-app lock --upgrade, then deb-build-app vendor"));
        }
    }
    Ok((path.clone(), faults))
}

/// What `check` looks at.
struct Place {
    /// The wheelhouse, or the tarball.
    path: PathBuf,
    /// The directory with its files.
    files: PathBuf,
    /// What it is called in messages.
    name: String,
}

/// The wheelhouse, unless there is none or the tarball is asked for: that is unpacked below `work`.
fn place(context: &Context<'_>, request: &Request, root: &Path, work: &Path) -> Result<Place> {
    let wheelhouse = own_wheelhouse(root)?;
    let own = Place { path: wheelhouse.clone(), files: wheelhouse.clone(), name: WHEELHOUSE.to_owned() };
    if !request.component && input::is_directory(&wheelhouse) {
        return Ok(own);
    }
    let path = component_path(context, root);
    match path {
        Ok(path) if input::is_file(&path) => {
            let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            let words = [
                "--no-same-owner".into(),
                "--no-same-permissions".into(),
                "-xJf".into(),
                path.clone().into_os_string(),
            ];
            let unpack = Process::new::<std::ffi::OsString>("tar", words).directory(work);
            context.output(&format!("unpacking {name}"), unpack)?;
            Ok(Place { path, files: work.join("wheelhouse"), name })
        }
        Ok(path) if request.component => Err(Diagnostic::error(format!("there is no file {}", path.display()))
            .hint("make it: deb-build-app vendor --component")
            .into()),
        Err(error) if request.component => Err(error),
        _ => Ok(own),
    }
}

fn targets(request: &Request) -> Result<Vec<Target>> {
    let mut targets = Vec::new();
    for suite in &request.suites {
        for architecture in &request.architectures {
            let interpreter = target::interpreter(*suite, architecture)?;
            let markers = interpreter.marker_environment()?;
            targets.push(Target { label: format!("{}/{architecture}", suite.name), interpreter, markers });
        }
    }
    Ok(targets)
}

/// The distributions of each target, in the order of `targets`.
fn pins(root: &Path, inputs: &Inputs, targets: &[Target]) -> Result<Vec<BTreeSet<Pin>>> {
    let (requirements, mut faults) =
        requirements::read(Path::new(LOCK), &|path| Beneath::open(root)?.text(path), &BTreeMap::new());
    let mut all = vec![BTreeSet::new(); targets.len()];
    for entry in &requirements.entries {
        let version = match &entry.target {
            Asked::Versions(text) => text.strip_prefix("==").map(str::to_owned),
            // Local directories are part of the source.
            Asked::Directory(_) => continue,
            Asked::Url(_) | Asked::Archive(_) => None,
        };
        let (Some(project), Some(version)) = (entry.name.clone(), version) else {
            faults.push(
                Diagnostic::error(format!("'{}' comes from no package index", entry.text))
                    .at(entry.location.clone())
                    .hint("put its wheel into debian/wheelhouse by hand, or ask upstream for a release on an index"),
            );
            continue;
        };
        let marker = entry.marker.as_deref().map(specification::marker).transpose();
        let marker = marker.map_err(|error| Error::failed(format!("{LOCK}: {}: {error}", entry.text)))?;
        for (target, pins) in targets.iter().zip(&mut all) {
            if marker.as_ref().is_none_or(|marker| marker.evaluate(&target.markers, &[])) {
                let (project, version) = (project.clone(), version.clone());
                pins.insert(Pin { project, version, hashes: entry.hashes.clone(), files: Vec::new() });
            }
        }
    }
    for settings in inputs.settings.iter().filter(|settings| settings.lock.is_some()) {
        for (target, pins) in targets.iter().zip(&mut all) {
            pins.extend(locked(root, settings, &target.markers)?);
        }
    }
    if faults.iter().any(|fault| fault.severity == Severity::Error) { Err(Error::Failed(faults)) } else { Ok(all) }
}

/// What a package's own lock pins for a target.
fn locked(root: &Path, settings: &Settings, markers: &MarkerEnvironment) -> Result<Vec<Pin>> {
    let Some(item) = &settings.lock else { return Ok(Vec::new()) };
    let file = Path::new(&item.text);
    let text = input::within(root, &item.text)?
        .ok_or_else(|| Error::from(item.error(format!("there is no file '{}'", item.text))))?;
    let texts = |items: &[Item]| items.iter().map(|item| item.text.clone()).collect::<Vec<_>>();
    let (extras, groups) = (texts(&settings.extras), texts(&settings.groups));
    let pinned = if file.ends_with("uv.lock") {
        let directory = file.parent().and_then(Path::to_str).filter(|parent| !parent.is_empty()).unwrap_or(".");
        let pyproject = below(directory, "pyproject.toml");
        let parsed = Pyproject::parse(&input::within(root, &pyproject)?.unwrap_or_default(), Path::new(&pyproject))?;
        let project =
            parsed.name.ok_or_else(|| Error::from(item.error(format!("{pyproject} has no [project] name"))))?;
        lockfile::uv_lock(&text, file, &project, &extras, &groups, markers)?
    } else {
        lockfile::pylock(&text, file, &extras, &groups, markers)?
    };
    let mut pins = Vec::new();
    for one in pinned {
        let version = match (&one.source, one.version) {
            (Source::Directory { .. }, _) => continue,
            (Source::Index { .. } | Source::Url { .. }, Some(version)) => version,
            _ => {
                return Err(item
                    .error(format!("{} comes from no package index: put its wheel into {WHEELHOUSE}", one.name))
                    .into());
            }
        };
        let offer = |file: &lockfile::File| -> std::result::Result<Offer, Refused> {
            Ok(Offer {
                name: FileName::new(&file.name)?,
                url: Url::new(&file.location)?,
                sha256: file.hash.strip_prefix("sha256:").map(Sha256::new).transpose()?,
                yanked: None,
            })
        };
        let files = one.files.iter().map(offer).collect::<std::result::Result<_, _>>().map_err(|refused| {
            let fault = Diagnostic::error(format!("{} {version}: {refused}", one.name));
            Error::from(fault.at(Location::line(file, one.line)).hint("write the lock anew, from an index"))
        })?;
        pins.push(Pin { project: normalise(&one.name), version, hashes: one.hashes, files });
    }
    Ok(pins)
}

/// What the indexes offer, by project.
struct Pages(BTreeMap<String, Vec<Offer>>);

impl Pages {
    /// Ask each index in turn for what the ones before do not have.
    fn of(context: &Context<'_>, inputs: &Inputs, pins: &[BTreeSet<Pin>]) -> Result<Self> {
        let mut missing: BTreeSet<&str> = pins.iter().flatten().map(|pin| pin.project.as_str()).collect();
        let mut pages = BTreeMap::new();
        let default = [Index::ours(PYPI)?];
        let indexes = if inputs.indexes.is_empty() { &default[..] } else { &inputs.indexes };
        let work = Workroom::new(context, &context.cache()?.join("work"))?;
        for index in indexes {
            let _task =
                (!missing.is_empty()).then(|| context.begin(format!("asking {index} for {} projects", missing.len())));
            let mut wanted = Vec::new();
            for project in &missing {
                // It is below the work directory and part of a URL.
                FileName::new(project)?;
                wanted.push((index.page(project)?, work.path().join(project)));
            }
            let said = transfer(context, &wanted, PAGE)?;
            for project in missing.clone() {
                if let Some(page) = input::text(&work.path().join(project))? {
                    let (offers, faults) = index::offers(&page, index, &index.page(project)?);
                    faults.into_iter().for_each(|fault| context.warn(fault));
                    pages.insert(project.to_owned(), offers);
                    missing.remove(project);
                }
            }
            if pages.is_empty() && !missing.is_empty() {
                return Err(Diagnostic::error(format!("the index {index} cannot be read: {said}"))
                    .hint("check the network, or name another index with --index")
                    .into());
            }
        }
        Ok(Self(pages))
    }

    fn all(&self) -> impl Iterator<Item = &Offer> {
        self.0.values().flatten()
    }
}

/// The file of each pin for each target, by name.
fn select(root: &Path, inputs: &Inputs, targets: &[Target], pages: &Pages) -> Result<BTreeMap<FileName, Vendored>> {
    let mut files: BTreeMap<FileName, Vendored> = BTreeMap::new();
    let mut faults = Vec::new();
    for (target, pins) in targets.iter().zip(pins(root, inputs, targets)?) {
        for pin in pins {
            let offered = pages.0.get(&pin.project).map(Vec::as_slice).unwrap_or_default();
            let offers = if pin.files.is_empty() { offered } else { &pin.files };
            let chosen = index::choose(offers, &pin.project, &pin.version, &pin.hashes, &target.interpreter);
            let Some((offer, sha256)) = chosen.and_then(|offer| Some((offer, offer.sha256.clone()?))) else {
                faults.push(
                    Diagnostic::error(format!(
                        "{} {} has neither a wheel for {} nor a source archive with the locked hashes",
                        pin.project, pin.version, target.label
                    ))
                    .hint("take another version, leave the target out, or lock anew: deb-build-app lock --upgrade"),
                );
                continue;
            };
            let (file, url) = (offer.name.clone(), offer.url.clone());
            let new = Vendored { file: file.clone(), sha256, url, targets: BTreeSet::new() };
            files.entry(file).or_insert(new).targets.insert(target.label.clone());
        }
    }
    if faults.is_empty() { Ok(files) } else { Err(Error::Failed(faults)) }
}

fn kept(context: &Context<'_>, file: &Vendored) -> Result<PathBuf> {
    Ok(context.cache()?.join("files").join(file.sha256.as_str()))
}

/// Have every file in the cache, under its checksum.
fn download(context: &Context<'_>, files: &BTreeMap<FileName, Vendored>) -> Result<()> {
    let work = Workroom::new(context, &context.cache()?.join("work"))?;
    let mut wanted = Vec::new();
    for file in files.values() {
        let path = kept(context, file)?;
        let there = input::kind(&path)?.is_some();
        // Its name says what it must be, whatever has happened to it since.
        if !there || Sha256::of(&input::digest(&path)?) != file.sha256 {
            if there {
                let fault = Diagnostic::warning(format!("{} is not the file that it was kept as", path.display()));
                context.warn(fault.hint(format!("it is downloaded again, for {}; who writes there?", file.file)));
            }
            wanted.push((file, work.path().join(file.sha256.as_str()), path));
        }
    }
    if wanted.is_empty() {
        return Ok(());
    }
    let _task = context.begin(format!("downloading {} files", wanted.len()));
    let urls: Vec<(Url, PathBuf)> = wanted.iter().map(|(file, part, _)| (file.url.clone(), part.clone())).collect();
    let said = transfer(context, &urls, input::ARCHIVE)?;
    for (file, part, path) in &wanted {
        if input::kind(part)?.is_none() {
            return Err(Error::failed(format!("{} cannot be downloaded: {said}", file.url)));
        }
        let found = Sha256::of(&input::digest(part)?);
        if found != file.sha256 {
            return Err(Diagnostic::error(format!("{} has sha256 {found}, the lock says {}", file.url, file.sha256))
                .hint("the index serves another file than when the lock was made: find out why before you go on")
                .into());
        }
        apply::rename(part, path)?;
    }
    Ok(())
}

/// Most bytes of a page of an index; the largest projects have some megabytes.
const PAGE: u64 = 256 << 20;

/// Fetch URLs into files of at most `most` bytes, several at a time. What cannot be
/// fetched leaves no file; curl's last words are returned.
fn transfer(context: &Context<'_>, wanted: &[(Url, PathBuf)], most: u64) -> Result<String> {
    if wanted.is_empty() {
        return Ok(String::new());
    }
    let output = fetch::transfer(context, wanted, most, &["--parallel", "--parallel-max", "8", "--create-dirs"])?;
    Ok(super::context::last_words(&output.stderr))
}

/// What building the source archives among the files takes.
fn build_requirements(context: &Context<'_>, files: &BTreeMap<FileName, Vendored>) -> Result<BTreeSet<String>> {
    let mut all = BTreeSet::new();
    for file in files.values().filter(|file| !file.file.as_str().ends_with(".whl")) {
        let path = kept(context, file)?;
        let read = |name: &str| -> Result<Option<String>> {
            if file.file.as_str().ends_with(".zip") { Ok(None) } else { member(context, &path, name) }
        };
        let pyproject = read("pyproject.toml")?;
        let (setup, cfg) = (read("setup.py")?.unwrap_or_default(), read("setup.cfg")?.unwrap_or_default());
        all.extend(hooks::requires(pyproject.as_deref().unwrap_or_default(), &setup, &cfg));
        match pyproject {
            Some(text) => all.extend(Pyproject::parse(&text, Path::new(file.file.as_str()))?.build_requires),
            None => all.extend(["setuptools".to_owned(), "wheel".to_owned()]),
        }
    }
    Ok(all)
}

/// Source archives whose C libraries' headers the build does not depend on are named.
fn warn_of_headers(context: &Context<'_>, root: &Path, files: &BTreeMap<FileName, Vendored>) -> Result<()> {
    let control = input::within(root, "debian/control")?.unwrap_or_default();
    let words: BTreeSet<&str> = control.split([' ', ',', '|', '(', '\n', '\t']).collect();
    for file in files.keys().map(FileName::as_str).filter(|name| !name.ends_with(".whl")) {
        let name = normalise(file.rsplit_once('-').map_or(file, |(name, _)| name));
        let missing: Vec<&str> = native::headers(&name).iter().copied().filter(|one| !words.contains(one)).collect();
        if !missing.is_empty() {
            let fault = Diagnostic::warning(format!("{name} has no wheel here, and is compiled"));
            context.warn(fault.hint(format!("add to Build-Depends in debian/control: {}", missing.join(", "))));
        }
    }
    Ok(())
}

/// A file at the top of a source archive.
fn member(context: &Context<'_>, archive: &Path, name: &str) -> Result<Option<String>> {
    let words = ["-x", "-O", "--wildcards", "--no-wildcards-match-slash", "-f"];
    let words = words.iter().map(|word| (*word).into());
    let words = words.chain([archive.as_os_str().to_owned(), format!("*/{name}").into()]);
    let output = context.attempt(Process::new::<std::ffi::OsString>("tar", words))?;
    Ok(output.success.then(|| String::from_utf8_lossy(&output.stdout).into_owned()))
}

fn contents(context: &Context<'_>, file: &Vendored) -> Result<Vec<u8>> {
    let path = kept(context, file)?;
    input::bytes(&path)?.ok_or_else(|| Error::failed(format!("{} has vanished from the cache", path.display())))
}

/// debian/wheelhouse, which is a directory of the source's, if it is there.
fn own_wheelhouse(root: &Path) -> Result<PathBuf> {
    input::place(root, &format!("{WHEELHOUSE}/any")).map(|_| root.join(WHEELHOUSE))
}

fn wheelhouse(context: &Context<'_>, root: &Path, files: &BTreeMap<FileName, Vendored>) -> Result<PathBuf> {
    let directory = own_wheelhouse(root)?;
    apply::directory(&directory)?;
    // Held from here on: what is removed and written is in this directory, whatever its names are.
    let held = input::Beneath::open(root)?.below(Path::new(WHEELHOUSE))?;
    let held = held.ok_or_else(|| Error::failed(format!("{} is no directory any more", directory.display())))?;
    for name in input::names(&directory)? {
        let name = name.to_string_lossy().into_owned();
        if !files.keys().any(|one| one.as_str() == name) {
            context.say(format!("removing {WHEELHOUSE}/{name}"));
            apply::remove(&held.entry(&name))?;
        }
    }
    for file in files.values() {
        let path = held.entry(file.file.as_str());
        if input::kind(&path)?.is_none() || Sha256::of(&input::digest(&path)?) != file.sha256 {
            apply::write(&path, &contents(context, file)?, 0o644)?;
        }
    }
    let list = input::place(root, INCLUDE_BINARIES)?;
    let text = include_binaries(&input::within(root, INCLUDE_BINARIES)?.unwrap_or_default(), files.keys());
    apply::write(&list, text.as_bytes(), 0o644)?;
    Ok(directory)
}

/// debian/source/include-binaries with the rows of the wheelhouse, the others kept.
fn include_binaries<'a>(existing: &str, files: impl Iterator<Item = &'a FileName>) -> String {
    let own = |line: &&str| !line.starts_with(&format!("{WHEELHOUSE}/"));
    let kept = existing.lines().filter(own).map(str::to_owned);
    let rows: Vec<String> = kept.chain(files.map(|file| format!("{WHEELHOUSE}/{file}"))).collect();
    rows.iter().map(|row| format!("{row}\n")).collect()
}

/// `../NAME_VERSION.orig-wheelhouse.tar.xz`, which dpkg-source unpacks to wheelhouse/.
fn component_path(context: &Context<'_>, root: &Path) -> Result<PathBuf> {
    let text = input::within(root, source::CHANGELOG)?;
    let changelog = Changelog::parse(&text.unwrap_or_default()).map_err(|fault| Error::from(*fault))?;
    let version = source::upstream_version(changelog.upstream())?;
    let name = source::orig_name(&changelog.source, &version, Compression::Xz);
    Ok(context.path(&root.join("..").join(name.replace(".orig.tar.", ".orig-wheelhouse.tar."))))
}

/// The component tarball with these files.
fn component(context: &Context<'_>, root: &Path, files: &BTreeMap<FileName, Vendored>) -> Result<PathBuf> {
    let path = component_path(context, root)?;
    let mut part = Vec::new();
    for file in files.values() {
        part.push((file.file.to_string(), contents(context, file)?));
    }
    let bytes = archive::of_files(&part, "wheelhouse")?;
    // What is inside is compressed already.
    let bytes = context.output("xz", Process::new("xz", ["-0", "--threads=1", "-c"]).input(bytes))?;
    apply::write(&path, &bytes, 0o644)?;
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_of_others_in_include_binaries_stay() {
        let files = ["b.whl", "c.whl"].map(|name| FileName::new(name).unwrap());
        let text = include_binaries("debian/logo.png\ndebian/wheelhouse/a.whl\n", files.iter());
        assert_eq!(text, "debian/logo.png\ndebian/wheelhouse/b.whl\ndebian/wheelhouse/c.whl\n");
    }
}
