//! `dh_venv --fill`: the cache filled before a build begins, by trusted code alone.
//!
//! The driver keeps for later builds only what this has made, in a session of its
//! own: trees, byte code and answers that follow from the digests which the source's
//! lock vouches for. So nothing of the source and nothing of a wheel may run here.
//! There are no hooks, no projects, no archives to build, no installer, and no
//! interpreter that looks at the venv (`-I -S` everywhere). What cannot be made like
//! that is left to the build.
//!
//! Whether modules can be imported is found out by `--tried`, which runs them: in a
//! session from which only its exit status comes back.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use crate::apply;
use crate::error::{Diagnostic, Error, Result};
use crate::helper::venv::distribution::Distribution;
use crate::helper::venv::installer::{Files, Installer};
use crate::hex::hex;
use crate::input;
use crate::parallel;
use crate::plan::{Action, Plan, Process};
use crate::python::interpreter::WheelName;
use crate::python::metadata::{self, Metadata};
use crate::python::name::normalise;
use crate::python::specification;
use crate::python::version;

use super::contents::{self, Contents};
use super::install::Built;
use super::resolve::Wanted;
use super::trial::Attempt;
use super::workshop::Workshop;
use crate::apply::failed_child;

/// Unpacks wheels.
const UNPACK: &str = include_str!("../../../share/python/unpack.py");

/// A file of a wheelhouse that a lock's hashes allow.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Offer {
    /// Of what it is, normalised.
    name: String,
    /// Where it is.
    path: PathBuf,
    /// Its digest, in hexadecimal.
    pub sha256: String,
}

/// A wheel to unpack, and what the installer calls the directory of its headers.
#[derive(Debug)]
struct Chosen<'a> {
    offer: &'a Offer,
    headers: String,
}

impl Workshop<'_> {
    /// Have the tree of the dependencies in the cache, where hashes alone decide it.
    pub fn fill(&self) -> Result<()> {
        let Some((wanted, offers)) = self.pinned_wheels()? else { return Ok(()) };
        let chosen = self.chosen(&wanted, &offers)?;
        let venv = self.work.join("filled");
        let key = self.tree_key(&wanted, &Built::new())?;
        let contents = match self.cache.restore_directory(&key, &venv, self.files() == Files::Apart)? {
            Some(snapshot) => contents::listed(&venv, &self.frame(&venv).site(), snapshot.entries)?,
            None => {
                let settings = self.settings;
                let whole = settings.projects.is_empty() && settings.after_install.is_empty();
                let put = || self.unpack(&venv, &chosen).map(|()| Built::new());
                self.made_tree(&wanted, &venv, whole, false, put)?.0
            }
        };
        self.keep_built(&wanted, &Built::new())?;
        if self.dependencies_tried(&contents) {
            return Ok(());
        }
        self.cache.keep_untried(&self.trial_key(&contents))
    }

    /// Import the modules of the tree that has been filled in, as the build would.
    pub fn try_kept(&self) -> Result<()> {
        let Some((wanted, _)) = self.pinned_wheels()? else { return Ok(()) };
        let venv = self.work.join("filled");
        let key = self.tree_key(&wanted, &Built::new())?;
        let Some(snapshot) = self.cache.restore_directory(&key, &venv, false)? else { return Ok(()) };
        let contents = contents::listed(&venv, &self.frame(&venv).site(), snapshot.entries)?;
        let failures = self.try_imports(&venv, &self.dependency_modules(&venv, &contents)?, Attempt::Once)?;
        self.judge_dependencies(&contents, failures)
    }

    /// The dependencies, where all of them have hashes and lie in a wheelhouse, and no
    /// index has a say.
    fn pinned_wheels(&self) -> Result<Option<(Wanted, Vec<Offer>)>> {
        let left = |why: &str| {
            self.context.printer.note(&format!("nothing is kept for package {}: {why}", self.settings.package));
            Ok(None)
        };
        // A path of the source's own would be run as interpreter.
        if !self.interpreter.is_debian() || Path::new(&self.settings.python.text).components().count() > 1 {
            return left("its interpreter is not Debian's");
        }
        let inputs = self.read_inputs()?;
        let (wanted, whole) = self.pinned(&inputs, &BTreeSet::new())?;
        if !whole {
            return left("its requirements are not all pinned with hashes");
        }
        if !wanted.sources.offline {
            return left("an index has a say in what is installed");
        }
        let offers = self.offered(&wanted)?;
        Ok(Some((wanted, offers)))
    }

    /// The wheel of each distribution, as an installer would choose it.
    fn chosen<'a>(&self, wanted: &Wanted, offers: &'a [Offer]) -> Result<Vec<Chosen<'a>>> {
        let environment = self.interpreter.marker_environment()?;
        let mut all = Vec::new();
        for one in &wanted.distributions {
            let marker = one.marker.as_deref().map(specification::marker).transpose();
            let marker = marker.map_err(|error| Error::failed(format!("{}: {error}", one.name)))?;
            if marker.is_some_and(|marker| !marker.evaluate(&environment, &[])) {
                continue;
            }
            let name = normalise(&one.name);
            let left = |why: &str| Error::failed(format!("{name} is left to the installer: {why}"));
            if one.direct.is_some() || one.is_built() || wanted.sources.demand_source(&name) {
                return Err(left("it is no wheel of a wheelhouse"));
            }
            if name == "pip" {
                return Err(left("it has a say in how its scripts are called"));
            }
            let fitting: Vec<(&Offer, &str)> = offers.iter().filter_map(|offer| fits(offer, one)).collect();
            let best = self.interpreter.best_wheel(fitting.iter().map(|(_, file)| *file));
            let Some((offer, _)) = best.and_then(|best| fitting.get(best)) else {
                return Err(left("no wheel here has one of its hashes"));
            };
            // pip takes the name as it was asked for.
            let as_asked = matches!(self.installer, Installer::Pip { .. });
            all.push(Chosen { offer, headers: if as_asked { one.name.clone() } else { name } });
        }
        Ok(all)
    }

    /// Files of the wheelhouses that hashes of the lock allow, each once, in order.
    pub fn offered(&self, wanted: &Wanted) -> Result<Vec<Offer>> {
        let mut hashes: BTreeMap<String, BTreeSet<&str>> = BTreeMap::new();
        for one in wanted.distributions.iter().filter(|one| wanted.sources.offline && !one.name.is_empty()) {
            let sums = one.hashes.iter().filter_map(|hash| hash.strip_prefix("sha256:"));
            hashes.entry(normalise(&one.name)).or_default().extend(sums);
        }
        let mut files = Vec::new();
        for directory in &wanted.sources.find_links {
            // It may be an address, or not there.
            for file in input::names(directory).unwrap_or_default() {
                let Some(text) = file.to_str() else { continue };
                let wheel = text.ends_with(".whl").then(|| text.split_once('-')).flatten();
                let name = normalise(wheel.or_else(|| text.rsplit_once('-')).map_or(text, |(name, _)| name));
                if hashes.contains_key(&name) {
                    files.push((name, directory.join(&file)));
                }
            }
        }
        let offers = parallel::each(
            self.jobs(),
            &files,
            || (),
            |(), (name, path)| {
                let sha256 = hex(&input::digest(path)?);
                let allowed = hashes.get(name).is_some_and(|all| all.contains(sha256.as_str()));
                Ok(allowed.then(|| Offer { name: name.clone(), path: path.clone(), sha256 }))
            },
        )?;
        let mut offers: Vec<Offer> = offers.into_iter().flatten().collect();
        offers.sort();
        Ok(offers)
    }

    /// Unpack wheels into the new venv at `venv`, with rows for the scripts that an
    /// installer writes.
    fn unpack(&self, venv: &Path, chosen: &[Chosen<'_>]) -> Result<()> {
        let frame = self.frame(venv);
        let site = frame.site();
        let wheels: Vec<serde_json::Value> = chosen
            .iter()
            .map(|one| serde_json::json!({"path": one.offer.path, "sha256": one.offer.sha256, "name": one.headers}))
            .collect();
        let request = serde_json::json!({
            "root": venv,
            "site": site,
            "python": venv.join("bin/python"),
            "headers": Path::new("include/site").join(self.interpreter.name()),
            "jobs": self.jobs(),
            "wheels": wheels,
        });
        let process = Process::new("/usr/bin/python3", ["-I", "-S", "-c", UNPACK].map(OsString::from))
            .environment(&self.environment)
            .directory(&self.work)
            .input(request.to_string());
        self.context.printer.plan(&Plan::new([Action::Run(process.clone())]));
        let output = apply::capture(&process)?;
        if !output.success {
            return Err(failed_child("unpacking the wheels", &output).into());
        }
        let contents = contents::contents(venv, &site)?;
        if contents.distributions.len() != chosen.len() {
            return Err(Error::failed("the wheels are not those of the distributions that were asked for"));
        }
        self.check_unpacked(venv, &contents, chosen)?;
        self.record_scripts(venv, &contents)
    }

    /// An installer would refuse what is not what it was asked for, or not for this Python.
    fn check_unpacked(&self, venv: &Path, contents: &Contents, chosen: &[Chosen<'_>]) -> Result<()> {
        let python = self.interpreter.markers.get("python_full_version").map(String::as_str).unwrap_or_default();
        for one in &contents.distributions {
            let text = input::text(&venv.join(&one.directory).join("METADATA"))?.unwrap_or_default();
            let own = Metadata::read(&text);
            let of = chosen.iter().find(|chosen| chosen.offer.name == normalise(&own.name));
            let file = of.and_then(|chosen| chosen.offer.path.file_name()?.to_str()?.parse::<WheelName>().ok());
            if !file.is_some_and(|file| version::same(&file.version, &own.version)) {
                return Err(Error::failed(format!("{} calls itself {} {}", one.label(), own.name, own.version)));
            }
            let suits = |wanted: &String| {
                let wanted = wanted.parse::<pep440_rs::VersionSpecifiers>().ok();
                wanted.zip(python.parse().ok()).is_some_and(|(wanted, python)| wanted.contains(&python))
            };
            if !own.requires_python.as_ref().is_none_or(suits) {
                return Err(Error::failed(format!("{} is for another Python", one.label())));
            }
        }
        Ok(())
    }

    /// Installers write scripts for entry points, and rows for them; their contents are
    /// the tree's to decide.
    fn record_scripts(&self, venv: &Path, contents: &Contents) -> Result<()> {
        let up = "../".repeat(self.frame(venv).site().components().count());
        let mut names: BTreeSet<String> =
            input::names(&venv.join("bin"))?.iter().map(|name| name.to_string_lossy().into_owned()).collect();
        let mut plan = Plan::default();
        for one in &contents.distributions {
            let directory = venv.join(&one.directory);
            let text = input::text(&directory.join("entry_points.txt"))?.unwrap_or_default();
            let mut rows = String::new();
            for script in metadata::entry_points(&text) {
                if !matches!(script.group.as_str(), "console_scripts" | "gui_scripts") {
                    continue;
                }
                let plain = |c: char| c.is_ascii_alphanumeric() || "._-+".contains(c);
                let usual = script.name.chars().all(plain) && !matches!(script.name.as_str(), "" | "." | "..");
                let special = script.name == "easy_install" || script.object.is_empty();
                if !usual || special || !names.insert(script.name.clone()) {
                    return Err(Error::failed(format!("{}: the script '{}' is unusual", one.label(), script.name)));
                }
                rows.push_str(&format!("{up}bin/{},,\n", script.name));
            }
            if !rows.is_empty() {
                let path = directory.join("RECORD");
                let contents = format!("{}{rows}", input::text(&path)?.unwrap_or_default()).into_bytes();
                plan.push(Action::Write { path, contents, mode: 0o644 });
            }
        }
        self.apply(&plan)
    }

    /// What could not be filled in is the build's to do, and to complain about.
    pub fn tell_unfilled(&self, error: &Error) {
        let package = &self.settings.package;
        for Diagnostic { message, .. } in error.diagnostics() {
            self.context.printer.note(&format!("nothing is kept for package {package}: {message}"));
        }
    }
}

/// The offer and its file's name, where it is a wheel of this very distribution.
fn fits<'a>(offer: &'a Offer, one: &Distribution) -> Option<(&'a Offer, &'a str)> {
    let file = offer.path.file_name()?.to_str()?;
    let wheel = file.parse::<WheelName>().ok()?;
    let same = offer.name == normalise(&one.name) && version::same(&wheel.version, &one.version);
    let allowed = one.hashes.iter().any(|hash| hash.strip_prefix("sha256:") == Some(&offer.sha256));
    (same && allowed).then_some((offer, file))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_wheel_of_the_same_version_with_an_allowed_hash_fits() {
        let one = Distribution {
            name: "Foo_Bar".into(),
            version: "1.0".into(),
            hashes: vec!["sha256:aa".into()],
            direct: None,
            marker: None,
            source: false,
            line: None,
        };
        let offer = |file: &str, sha256: &str| Offer {
            name: "foo-bar".into(),
            path: Path::new("/wheelhouse").join(file),
            sha256: sha256.into(),
        };
        let fits = |file: &str, sha256: &str| fits(&offer(file, sha256), &one).is_some();
        assert!(fits("foo_bar-1.0.0-py3-none-any.whl", "aa"));
        assert!(!fits("foo_bar-1.0-py3-none-any.whl", "bb"));
        assert!(!fits("foo_bar-1.1-py3-none-any.whl", "aa"));
        assert!(!fits("foo_bar-1.0.tar.gz", "aa"));
    }
}
