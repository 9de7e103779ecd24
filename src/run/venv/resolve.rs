//! From the settings' inputs to exact distributions.
//!
//! Requirement files that pin and hash everything, and lock files, are taken
//! as they are. Anything else is resolved anew at every build, by the
//! installer itself, and what floated is named in a warning.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use crate::apply;
use crate::error::Item;
use crate::error::{Diagnostic, Error, Location, Result, Severity};
use crate::helper::venv::complaint;
use crate::helper::venv::distribution::Distribution;
use crate::helper::venv::installer::{self, Sources};
use crate::helper::venv::settings::Keep;
use crate::input;
use crate::python::lockfile::{self, Pinned, Source};
use crate::python::name::normalise;
use crate::python::requirements::{self, Requirements, Target};

use super::project::ProjectWheel;
use super::workshop::Workshop;
use crate::apply::failed_child;

/// What is to be installed besides the project.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    /// The distributions.
    pub distributions: Vec<Distribution>,
    /// The options of the requirement files, for the installer.
    pub sources: Sources,
    /// Names that the inputs name themselves, with their places.
    pub places: BTreeMap<String, Location>,
}

/// The inputs, read.
pub struct Inputs {
    files: Vec<Requirements>,
    /// Local directories among the requirements: projects of their own.
    pub directories: Vec<Item>,
    /// Distributions of a lock file.
    locked: Option<Vec<Pinned>>,
    /// Requirements of dependency groups.
    groups: Vec<String>,
}

impl Workshop<'_> {
    /// Read requirement files, lock and groups. All faults are reported at once.
    pub fn read_inputs(&self) -> Result<Inputs> {
        let mut faults = Vec::new();
        let mut files = Vec::new();
        let mut directories = Vec::new();
        let variables: BTreeMap<String, String> = self
            .context
            .environment
            .all()
            .iter()
            .filter_map(|(name, value)| Some((name.to_str()?.to_owned(), value.to_str()?.to_owned())))
            .collect();
        for item in &self.settings.requirements {
            if input::kind(&self.context.directory.join(&item.text))?.is_none() {
                faults.push(
                    item.error(format!("there is no requirements file '{}'", item.text))
                        .hint("correct the name, or drop it from Requirements"),
                );
                continue;
            }
            let open = |path: &Path| input::text(&self.context.directory.join(path));
            let (read, found) = requirements::read(Path::new(&item.text), &open, &variables);
            faults.extend(found);
            for (entry, path) in read.directories() {
                directories.push(Item { text: path.display().to_string(), location: Some(entry.location.clone()) });
            }
            files.push(read);
        }
        let mut groups = Vec::new();
        if self.settings.lock.is_none() {
            for group in &self.settings.groups {
                let project = self.settings.projects.first().map_or(".", |project| project.text.as_str());
                match self.pyproject(project).and_then(|file| file.group(group)) {
                    Ok(found) => groups.extend(found),
                    Err(error) => faults.extend(error.diagnostics().iter().cloned()),
                }
            }
        }
        let locked = match self.settings.lock.as_ref().map(|lock| self.read_lock(lock)) {
            None => None,
            Some(Ok(all)) => Some(all),
            Some(Err(error)) => {
                faults.extend(error.diagnostics().iter().cloned());
                None
            }
        };
        for pinned in locked.iter().flatten() {
            if let Source::Directory { path, dependencies_only: false, .. } = &pinned.source {
                let lock = self.settings.lock.as_ref().map(|lock| lock.text.clone()).unwrap_or_default();
                directories
                    .push(Item { text: path.display().to_string(), location: Some(Location::line(lock, pinned.line)) });
            }
        }
        if faults.iter().any(|fault| fault.severity == Severity::Error) {
            return Err(Error::Failed(faults));
        }
        for warning in &faults {
            self.context.printer.diagnostic(warning);
        }
        Ok(Inputs { files, directories, locked, groups })
    }

    fn read_lock(&self, lock: &Item) -> Result<Vec<Pinned>> {
        let Some(text) = input::text(&self.context.directory.join(&lock.text))? else {
            return Err(lock
                .error(format!("there is no lock file '{}'", lock.text))
                .hint("make it with 'uv lock', or correct the name in Lock")
                .into());
        };
        let file = Path::new(&lock.text);
        let environment = self.interpreter.marker_environment()?;
        let texts = |items: &[Item]| items.iter().map(|item| item.text.clone()).collect::<Vec<_>>();
        let (extras, groups) = (texts(&self.settings.extras), texts(&self.settings.groups));
        let name = file.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if name == "uv.lock" {
            let directory = file.parent().filter(|parent| !parent.as_os_str().is_empty());
            let pyproject = self.pyproject(directory.and_then(Path::to_str).unwrap_or("."))?;
            let Some(project) = &pyproject.name else {
                return Err(lock
                    .error(format!("{} has no [project] name to find in {}", pyproject.file.display(), lock.text))
                    .into());
            };
            lockfile::uv_lock(&text, file, project, &extras, &groups, &environment)
        } else if name.starts_with("pylock.") && name.ends_with(".toml") {
            lockfile::pylock(&text, file, &extras, &groups, &environment)
        } else {
            Err(lock
                .error(format!("Lock is a uv.lock or pylock.toml file, not '{}'", lock.text))
                .hint("other lock files can be exported: 'uv export' or 'pip lock', or as requirements with hashes")
                .into())
        }
    }

    /// The exact distributions to install besides the project's wheels.
    pub fn wanted(&self, inputs: &Inputs, wheels: &[ProjectWheel]) -> Result<Wanted> {
        let own: BTreeSet<String> = wheels.iter().map(|wheel| wheel.name.clone()).collect();
        let (mut wanted, whole) = self.pinned(inputs, &own)?;
        if whole {
            return Ok(wanted);
        }
        let tools = self.tools();
        let mut lines: Vec<String> = self.settings.preinstall.iter().map(|item| item.text.clone()).collect();
        lines.extend(wanted.distributions.iter().map(Distribution::requirement));
        for file in &inputs.files {
            lines.extend(file.entries.iter().filter(|e| !matches!(e.target, Target::Directory(_))).map(|e| e.line()));
        }
        lines.extend(inputs.groups.iter().cloned());
        lines.extend(tools.iter().map(|name| (*name).to_owned()));
        for wheel in wheels {
            lines.push(format!("{}{} @ file://{}", wheel.name, self.extras_of(wheel), encode(&wheel.path)));
        }
        let constraints: String = inputs.files.iter().map(Requirements::constraints_text).collect();
        if !constraints.is_empty() {
            let file = self.note("constraints.txt", &constraints)?;
            lines.push(format!("-c {}", encode(&file)));
        }
        if lines.is_empty() {
            return Ok(wanted);
        }
        wanted.distributions = self.resolve(&lines, &own, &wanted)?;
        if self.settings.wheelhouse.is_none() {
            self.warn_of_floating(&wanted.distributions);
        }
        Ok(wanted)
    }

    /// What the inputs pin themselves, apart from the project's `own` distributions, and
    /// whether that is all of it: then nobody has to be asked.
    pub fn pinned(&self, inputs: &Inputs, own: &BTreeSet<String>) -> Result<(Wanted, bool)> {
        let mut wanted = Wanted { sources: self.with_options(&inputs.files), ..Wanted::default() };
        for entry in inputs.files.iter().flat_map(|file| &file.entries) {
            if let Some(name) = &entry.name {
                wanted.places.entry(normalise(name)).or_insert_with(|| entry.location.clone());
            }
        }
        let tools = self.tools();
        if let Some(locked) = &inputs.locked {
            wanted.distributions = locked.iter().filter(|one| !own.contains(&one.name)).filter_map(from_lock).collect();
            let lock = self.settings.lock.as_ref().map(|lock| lock.text.clone()).unwrap_or_default();
            wanted.places = locked.iter().map(|one| (one.name.clone(), Location::line(&lock, one.line))).collect();
            if self.settings.preinstall.is_empty() && tools.is_empty() {
                return Ok((wanted, true));
            }
        }
        // Files without a requirement leave it to the project to say what it depends on.
        let listed = inputs.files.iter().any(|file| !file.entries.is_empty());
        let mut pinned = listed || inputs.locked.is_some();
        for file in &inputs.files {
            pinned &= file.fully_pinned()? || file.entries.is_empty();
        }
        let floating = !self.settings.preinstall.is_empty() || !inputs.groups.is_empty() || !tools.is_empty();
        let whole = pinned && !floating;
        if whole {
            wanted.distributions = inputs.files.iter().flat_map(|file| &file.entries).filter_map(from_entry).collect();
            wanted.distributions.sort();
            wanted.distributions.dedup();
        }
        Ok((wanted, whole))
    }

    /// Installers that the venv shall keep.
    fn tools(&self) -> Vec<&'static str> {
        let all = [(Keep::Pip, "pip"), (Keep::Setuptools, "setuptools")];
        all.into_iter().filter(|(keep, _)| self.settings.keep.contains(keep)).map(|(_, name)| name).collect()
    }

    fn extras_of(&self, wheel: &ProjectWheel) -> String {
        let is_first = self.settings.projects.first() == Some(&wheel.project);
        let extras: Vec<&str> = self.settings.extras.iter().map(|item| item.text.as_str()).collect();
        if is_first && !extras.is_empty() { format!("[{}]", extras.join(",")) } else { String::new() }
    }

    fn resolve(&self, lines: &[String], own: &BTreeSet<String>, wanted: &Wanted) -> Result<Vec<Distribution>> {
        let file = self.note("requirements.in", &(lines.join("\n") + "\n"))?;
        let python = self.bare_venv("resolve-venv", false)?;
        let process = installer::resolve(&self.installer, &python, &file, &wanted.sources);
        let process = self.with_environment(&process).directory(&self.context.directory);
        self.context.printer.plan(&crate::plan::Plan::new([crate::plan::Action::Run(process.clone())]));
        let mut output = apply::capture(&process)?;
        if output.success {
            return self.resolved(&output.stdout, own);
        }
        let messages = String::from_utf8_lossy(&output.stderr);
        output.stderr = complaint::with_lines(&messages, &file.to_string_lossy(), lines).into_bytes();
        Err(self.complaint("resolving", &output, &wanted.places).into())
    }

    /// The fault of an installer that failed while `doing` something to the
    /// requirements: with the one that it blames, its place, and a cure.
    pub fn complaint(&self, doing: &str, output: &apply::Output, places: &BTreeMap<String, Location>) -> Diagnostic {
        let messages = String::from_utf8_lossy(&output.stderr);
        let blamed = complaint::blamed(&messages, places.keys().map(String::as_str));
        let what = match blamed.as_slice() {
            [one] => one,
            _ => "the requirements",
        };
        let fault = failed_child(&format!("{doing} {what}"), output);
        let only = places.values().next().filter(|_| places.len() == 1);
        let fault =
            match (blamed.first().and_then(|name| places.get(*name)).or(only), self.settings.requirements.first()) {
                (Some(place), _) => fault.at(place.clone()),
                (None, Some(item)) => fault.at(Location::file(&item.text)),
                (None, None) => fault,
            };
        if blamed.len() > 1 && complaint::is_conflict(&messages) {
            let sides = blamed.iter().filter_map(|name| Some(format!("{name} ({})", places.get(*name)?)));
            let sides = sides.collect::<Vec<_>>().join(", ");
            return fault.hint(format!("no set of versions meets all requirements: relax one of {sides}"));
        }
        self.explain(fault, output)
    }

    /// The fault with the cure for what an installer said, where there is one.
    pub fn explain(&self, fault: Diagnostic, output: &apply::Output) -> Diagnostic {
        match complaint::cure(&String::from_utf8_lossy(&output.stderr), self.settings.offline) {
            Some(cure) => fault.hint(cure),
            None => fault,
        }
    }

    fn warn_of_floating(&self, distributions: &[Distribution]) {
        if distributions.is_empty() {
            return;
        }
        let names: Vec<String> = distributions.iter().map(|one| format!("{} {}", one.name, one.version)).collect();
        let fault = Diagnostic::warning(format!("not pinned with hashes, so chosen now: {}", names.join(", ")));
        let fault = match self.settings.requirements.first() {
            Some(item) => fault.at(Location::file(&item.text)),
            None => fault,
        };
        self.context.printer.diagnostic(&fault.hint(
            "pin them: 'uv pip compile --generate-hashes', a lock file, or a wheelhouse; then two builds are the same",
        ));
    }

    /// The settings' sources and the options that requirement files carry.
    fn with_options(&self, files: &[Requirements]) -> Sources {
        let mut sources = self.sources();
        let explicit = !sources.indexes.is_empty();
        let mut primary: Option<String> = None;
        let mut extra = Vec::new();
        for (directory, option) in files
            .iter()
            .flat_map(|file| file.options.iter())
            .map(|option| (option.location.file.parent().map(Path::to_path_buf).unwrap_or_default(), option))
        {
            let value = option.value.clone().unwrap_or_default();
            match option.name {
                "--index-url" => primary = Some(value),
                "--extra-index-url" => extra.push(value),
                "--no-index" => sources.offline = true,
                "--find-links" if value.contains("://") => sources.find_links.push(PathBuf::from(value)),
                "--find-links" => {
                    sources.find_links.push(self.context.directory.join(directory).join(value));
                }
                "--pre" => sources.pre = true,
                "--no-binary" => sources.no_binary.push(value),
                "--only-binary" => sources.only_binary.push(value),
                _ => {}
            }
        }
        // The field decides where both speak.
        if !explicit {
            sources.indexes = primary.into_iter().chain(extra).collect();
        }
        sources
    }
}

/// A path for a file: URL.
fn encode(path: &Path) -> String {
    path.to_string_lossy().replace('%', "%25").replace(' ', "%20").replace('#', "%23").replace('?', "%3F")
}

fn from_lock(pinned: &Pinned) -> Option<Distribution> {
    let direct = match &pinned.source {
        Source::Index { .. } => None,
        Source::Directory { .. } => return None,
        _ => pinned.requirement().map(|text| {
            let text = text.split(" \\\n").next().unwrap_or_default().to_owned();
            text.split_once(" @ ").map_or(text.clone(), |(_, url)| url.to_owned())
        }),
    };
    Some(Distribution {
        name: pinned.name.clone(),
        version: pinned.version.clone().unwrap_or_default(),
        hashes: pinned.hashes.clone(),
        direct,
        marker: None,
        line: None,
        source: !pinned.files.is_empty() && !pinned.files.iter().any(|file| file.name.ends_with(".whl")),
    })
}

fn from_entry(entry: &requirements::Entry) -> Option<Distribution> {
    if matches!(entry.target, Target::Directory(_)) {
        return None;
    }
    let mut hashes = entry.hashes.clone();
    hashes.sort();
    let (version, direct) = match &entry.target {
        Target::Versions(versions) => (versions.trim_start_matches('=').trim().to_owned(), None),
        Target::Url(url) => (String::new(), Some(url.clone())),
        Target::Archive(path) | Target::Directory(path) => (String::new(), Some(path.display().to_string())),
    };
    Some(Distribution {
        name: entry.name.clone().unwrap_or_default(),
        version,
        hashes,
        direct,
        marker: entry.marker.clone(),
        source: false,
        line: Some(entry.line()),
    })
}
