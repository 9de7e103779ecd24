//! Exact distributions into a venv: ready-made wheels by the installer, and
//! those that have to be built here first.
//!
//! Owns what may be built and where the result is kept: in dh_venv's cache,
//! under everything that decides it, never in the installers' own caches.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::apply;
use crate::digest::digest;
use crate::error::{Diagnostic, Error, Result};
use crate::helper::venv::complaint;
use crate::helper::venv::distribution::{self, Distribution};
use crate::helper::venv::installer::{self, Files, Sources};
use crate::input;
use crate::plan::{Action, Plan, Process};
use crate::python::name::normalise;

use super::project::ProjectWheel;
use super::resolve::Wanted;
use super::workshop::Workshop;

/// Normalised names of distributions that were built from source.
pub type Built = BTreeSet<String>;

impl Workshop<'_> {
    /// What had to be built when these distributions were last installed;
    /// `None` where they never were.
    pub fn known_built(&self, wanted: &Wanted) -> Option<Built> {
        self.cache.text(&self.built_key(wanted)).map(|text| text.lines().map(str::to_owned).collect())
    }

    fn built_key(&self, wanted: &Wanted) -> String {
        let interpreter = format!("{} {}", self.interpreter.target().display(), self.interpreter.soabi);
        let demands = wanted.sources.no_binary.join(" ");
        let lines = distribution::sorted_identities(&wanted.distributions);
        let head = ["dh-venv-built 1", &self.installer.label(), &interpreter, &demands];
        digest(head.into_iter().chain(lines.iter().map(String::as_str)))
    }

    /// Install the exact distributions; the names of those that were built for it,
    /// which begin with `known`.
    pub fn install(&self, wanted: &Wanted, venv: &Path, files: Files, known: &Built) -> Result<Built> {
        let preinstall: BTreeSet<String> = self
            .settings
            .preinstall
            .iter()
            .map(|item| normalise(item.text.split(['=', '<', '>', '~', '!', '[', ' ', ';']).next().unwrap_or_default()))
            .collect();
        let (first, rest): (Vec<&Distribution>, Vec<&Distribution>) =
            wanted.distributions.iter().partition(|one| preinstall.contains(&one.name));
        self.tell_what_is_fetched(&wanted.distributions, &wanted.sources);
        let mut built = known.clone();
        for (name, part) in [("preinstall", first), ("requirements", rest)] {
            self.install_part(name, part, wanted, venv, files, &mut built)?;
        }
        self.keep_built(wanted, &built)?;
        Ok(built)
    }

    /// Keep what had to be built for these distributions.
    pub fn keep_built(&self, wanted: &Wanted, built: &Built) -> Result<()> {
        self.cache.keep_text(&self.built_key(wanted), &built.iter().cloned().collect::<Vec<_>>().join("\n"))
    }

    /// A line with what comes from the network, where it may: from an index, or
    /// from what an earlier build downloaded there.
    pub fn tell_what_is_fetched(&self, all: &[Distribution], sources: &Sources) {
        if sources.offline || all.is_empty() {
            return;
        }
        let names: Vec<String> = all.iter().map(|one| format!("{} {}", one.name, one.version)).collect();
        let names: Vec<&str> = names.iter().map(|name| name.trim()).collect();
        self.context.printer.note(&format!("from the network, or kept of an earlier download: {}", names.join(", ")));
    }

    fn install_part(
        &self,
        name: &str,
        part: Vec<&Distribution>,
        wanted: &Wanted,
        venv: &Path,
        files: Files,
        built: &mut Built,
    ) -> Result<()> {
        let (mut sources, mut wheels): (Vec<&Distribution>, Vec<&Distribution>) = part.into_iter().partition(|one| {
            let name = normalise(&one.name);
            one.is_built() || wanted.sources.demand_source(&name) || built.contains(&name)
        });
        while !wheels.is_empty() {
            let lines: Vec<String> = wheels.iter().map(|one| one.requirement()).collect();
            let hashed = wheels.iter().all(|one| !one.hashes.is_empty());
            let output = self.run_installer(name, &lines, wanted, venv, hashed, files)?;
            if output.success {
                break;
            }
            // A pin does not say whether it has a wheel here: the installer finds out.
            let names: Vec<String> = wheels.iter().map(|one| normalise(&one.name)).collect();
            let messages = String::from_utf8_lossy(&output.stderr);
            let lacking = complaint::without_wheel(&messages, names.iter().map(String::as_str));
            let Some(at) = names.iter().position(|name| lacking.contains(&name.as_str())) else {
                return Err(self.complaint("installing", &output, &wanted.places).into());
            };
            sources.push(wheels.remove(at));
        }
        sources.sort();
        let mut lines = Vec::new();
        for one in sources {
            lines.extend(self.source_wheel(one, wanted)?.map(|path| path.display().to_string()));
            built.insert(normalise(&one.name));
        }
        self.install_files(name, &lines, wanted, venv)
    }

    /// Install the project's own wheels.
    pub fn install_project(&self, wheels: &[ProjectWheel], wanted: &Wanted, venv: &Path) -> Result<()> {
        let lines: Vec<String> = wheels.iter().map(|wheel| wheel.path.display().to_string()).collect();
        self.install_files("project", &lines, wanted, venv)
    }

    /// Install wheels that lie here.
    fn install_files(&self, name: &str, lines: &[String], wanted: &Wanted, venv: &Path) -> Result<()> {
        if lines.is_empty() {
            return Ok(());
        }
        let output = self.run_installer(&format!("{name}-files"), lines, wanted, venv, false, Files::Apart)?;
        if output.success { Ok(()) } else { Err(self.complaint("installing", &output, &wanted.places).into()) }
    }

    fn run_installer(
        &self,
        name: &str,
        lines: &[String],
        wanted: &Wanted,
        venv: &Path,
        hashed: bool,
        files: Files,
    ) -> Result<apply::Output> {
        let file = self.note(&format!("{name}.txt"), &(lines.join("\n") + "\n"))?;
        let python = venv.join("bin/python");
        let process = installer::install(&self.installer, &python, &file, &wanted.sources, hashed, files);
        self.capture(process.directory(&self.context.directory))
    }

    /// Run a child of which it matters what it says.
    fn capture(&self, process: Process) -> Result<apply::Output> {
        let process = self.with_environment(&process);
        self.context.printer.plan(&Plan::new([Action::Run(process.clone())]));
        apply::capture(&process)
    }

    /// The wheel of a distribution that has to be built, from the cache or built
    /// now; `None` where its marker excludes it.
    fn source_wheel(&self, one: &Distribution, wanted: &Wanted) -> Result<Option<PathBuf>> {
        let name = normalise(&one.name);
        let out = self.work.join("source-wheels").join(if name.is_empty() { "unnamed" } else { &name });
        // A name or an address alone may be another thing tomorrow.
        let key = match one.is_fixed() {
            true => Some(self.source_key(one)?),
            false => None,
        };
        if let Some(key) = &key {
            if self.cache.restore(key, &out)? {
                return self.wheel_in(&out);
            }
        }
        self.context.printer.note(&format!("{name} {} is built from source", one.version));
        self.apply(&Plan::new([Action::Remove { path: out.clone() }, Action::Directory { path: out.clone() }]))?;
        let file = self.note("source.txt", &format!("{}\n", one.requirement()))?;
        let python = self.bare_venv("build-venv", false)?;
        let hashed = !one.hashes.is_empty();
        let mut process = installer::source_wheels(&python, &file, &out, &wanted.sources, hashed);
        process.environment.extend(self.build_flags()?);
        let output = self.capture(process.directory(&self.context.directory))?;
        if !output.success {
            return Err(self.complaint("installing", &output, &wanted.places).into());
        }
        let wheel = self.wheel_in(&out)?;
        if wheel.is_none() && one.marker.is_none() && one.line.is_none() {
            return Err(Error::from(Diagnostic::error(format!("building {name} {} left no wheel", one.version)).hint(
                "its build backend is at fault: choose another version, or put a wheel into debian/wheelhouse",
            )));
        }
        if let Some(key) = key.filter(|_| wheel.is_some()) {
            self.cache.store(&key, &out)?;
        }
        Ok(wheel)
    }

    fn wheel_in(&self, directory: &Path) -> Result<Option<PathBuf>> {
        let names = input::names(directory)?;
        Ok(names.iter().find(|name| name.to_string_lossy().ends_with(".whl")).map(|name| directory.join(name)))
    }

    /// All that decides the wheel of one source distribution.
    fn source_key(&self, one: &Distribution) -> Result<String> {
        Ok(digest([
            "dh-venv-source-wheel 1",
            env!("CARGO_PKG_VERSION"),
            &distribution::sorted_identities(std::slice::from_ref(one)).concat(),
            &self.interpreter.soabi,
            &self.interpreter.minor(),
            &self.interpreter.target().to_string_lossy(),
            &self.build_inputs()?,
        ]))
    }
}
