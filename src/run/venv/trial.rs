//! The finished venv tried out: the packager's commands, the tests, its
//! scripts and its modules.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use crate::apply;
use crate::digest::digest;
use crate::error::Item;
use crate::error::{Diagnostic, Error, Result};
use crate::helper::venv::tree::Installed;
use crate::input::{self, Kind};
use crate::plan::{Action, Plan, Process};
use crate::python::name::normalise;
use crate::render::render;

use super::assemble::Phase;
use super::cache::TRIED;
use super::contents::{self, Contents};
use super::workshop::Workshop;
use crate::apply::failed_child;

/// Imports modules and tells which fail.
const IMPORTS: &str = include_str!("../../../share/python/imports.py");

/// A module that cannot be imported, the kind of exception, and what it says.
#[derive(Debug, serde::Deserialize)]
pub struct Failure(String, String, String);

/// How modules are tried.
#[derive(Debug, Clone, Copy)]
pub enum Attempt {
    /// Each by itself.
    Each,
    /// Not again where another module's import has loaded it.
    Once,
}

impl Workshop<'_> {
    /// Environment of the packager's commands: the venv is active. The scripts
    /// of bin/ name the final prefix, so PATH finds stand-ins that start them
    /// with the interpreter of the stage.
    fn activated(&self, venv: &Path) -> Result<BTreeMap<OsString, OsString>> {
        let shims = self.work.join("bin");
        let mut plan = Plan::new([Action::Remove { path: shims.clone() }]);
        for entry in input::names(&venv.join("bin"))? {
            let path = venv.join("bin").join(&entry);
            let name = entry.to_string_lossy().into_owned();
            let shim = shims.join(&entry);
            let script = input::bytes(&path)?.unwrap_or_default();
            if matches!(input::kind(&path)?, Some(Kind::File { .. }))
                && script.starts_with(b"#!")
                && !name.starts_with("activate")
            {
                let words = serde_json::json!({ "interpreter": venv.join("bin/python"), "script": path });
                let text = render("venv/stand-in.sh", &words)?;
                plan.push(Action::Write { path: shim, contents: text.into_bytes(), mode: 0o755 });
            }
        }
        self.apply(&plan)?;
        let mut environment = self.environment.clone();
        let old = environment.get(OsStr::new("PATH")).cloned().unwrap_or_default();
        let mut path = OsString::from(&shims);
        path.push(":");
        path.push(venv.join("bin"));
        path.push(":");
        path.push(old);
        environment.insert("PATH".into(), path);
        environment.insert("VIRTUAL_ENV".into(), venv.into());
        environment.insert("DH_VENV_PREFIX".into(), self.settings.prefix.clone().into());
        Ok(environment)
    }

    /// After-Install: what the commands change and add is part of the venv.
    pub fn hooks(&self, venv: &Path, known: &Contents) -> Result<()> {
        if self.settings.after_install.is_empty() {
            return Ok(());
        }
        let before = input::survey(venv, &input::tree(venv)?, &[])?;
        let environment = self.activated(venv)?;
        for item in &self.settings.after_install {
            self.command("After-Install", item, &environment)?;
        }
        let after = input::survey(venv, &input::tree(venv)?, &[])?;
        let changed: BTreeSet<PathBuf> = after
            .iter()
            .filter(|(path, facts)| before.get(*path).map(|old| old.sha256) != Some(facts.sha256))
            .map(|(path, _)| path.clone())
            .collect();
        let contents = contents::contents(venv, &self.frame(venv).site())?;
        let own = contents.distributions.iter().find(|one| !known.has(&one.directory));
        let heir = own.or(contents.distributions.first()).map(|one| one.directory.clone());
        self.normalise(venv, &Phase::Hooks(&changed, heir.as_deref()))?;
        Ok(())
    }

    /// Test: commands in the finished venv, which must leave it as it is.
    pub fn tests(&self, venv: &Path) -> Result<()> {
        let nocheck = self.context.environment.build_option("nocheck").is_some();
        if self.settings.tests.is_empty() || nocheck {
            return Ok(());
        }
        let state = || -> Result<_> {
            let entries = input::tree(venv)?;
            let facts = input::survey(venv, &entries, &[])?;
            Ok((entries, facts))
        };
        let (entries, facts) = state()?;
        let known: BTreeSet<&PathBuf> = entries.iter().map(|entry| &entry.path).collect();
        let environment = self.activated(venv)?;
        for item in &self.settings.tests {
            self.command("Test", item, &environment)?;
            let (now, now_facts) = state()?;
            // Byte code is what an interpreter leaves where a test has it write some.
            let is_byte_code = |path: &Path| path.components().any(|part| part.as_os_str() == "__pycache__");
            let (rubbish, added): (Vec<_>, Vec<_>) =
                now.iter().filter(|entry| !known.contains(&entry.path)).partition(|entry| is_byte_code(&entry.path));
            let removals = rubbish.iter().rev().map(|entry| Action::Remove { path: venv.join(&entry.path) });
            self.apply(&Plan::new(removals))?;
            let same = |path: &PathBuf| facts.get(path).map(|f| f.sha256) == now_facts.get(path).map(|f| f.sha256);
            let changed = entries.iter().find(|entry| !now.contains(entry) || !same(&entry.path));
            if let Some(entry) = added.first().copied().or(changed) {
                return Err(item
                    .error(format!("the Test command changed {} in the venv: {}", entry.path.display(), item.text))
                    .hint("tests must not write into the package; do lasting changes in After-Install")
                    .into());
            }
        }
        Ok(())
    }

    fn command(&self, field: &str, item: &Item, environment: &BTreeMap<OsString, OsString>) -> Result<()> {
        let process = Process::new("/bin/sh", ["-e", "-c", item.text.as_str()])
            .environment(environment)
            .directory(&self.context.directory);
        self.context.printer.note(&format!("{field}: {}", item.text));
        apply::run(&process).map_err(|error| {
            let reason = error.diagnostics().first().map(|fault| fault.message.clone()).unwrap_or_default();
            let status = reason.rsplit(": ").next().unwrap_or_default().to_owned();
            item.error(format!("{field} command failed ({status}): {}", item.text))
                .hint("its output stands above; the venv is active, the directory is that of the source")
                .into()
        })
    }

    pub fn check_commands(&self, venv: &Path) -> Result<()> {
        let scripts: Vec<String> =
            input::names(&venv.join("bin"))?.iter().map(|name| name.to_string_lossy().into_owned()).collect();
        let faults: Vec<Diagnostic> = self
            .settings
            .commands
            .iter()
            .filter(|link| !scripts.contains(&link.entry))
            .map(|link| {
                let item = Item { text: link.entry.clone(), location: link.location.clone() };
                let fault =
                    item.error(format!("the venv has no script '{}' for the command '{}'", link.entry, link.name));
                let hint = match crate::error::nearest(&link.entry, scripts.iter().map(String::as_str)) {
                    Some(near) => format!("did you mean '{near}'?"),
                    None => format!("scripts are: {}", scripts.join(", ")),
                };
                fault.hint(hint)
            })
            .collect();
        if faults.is_empty() { Ok(()) } else { Err(Error::Failed(faults)) }
    }

    /// Import the project's top-level modules, and where commands have changed
    /// the venv, all; a success is remembered.
    pub fn check_imports(&self, venv: &Path, contents: &Contents, known: &Contents) -> Result<()> {
        let key = self.trial_key(contents);
        if self.cache.text(&key).is_some() {
            return Ok(());
        }
        let own = self.modules(contents, |one| !known.has(&one.directory));
        let all = self.modules(contents, |one| !self.settings.after_install.is_empty() || !known.has(&one.directory));
        let failures = self.try_imports(venv, &all, Attempt::Each)?;
        self.judge(failures, &own)?;
        self.cache.keep_text(&key, TRIED)
    }

    /// Whether the dependencies' modules have been imported before.
    pub fn dependencies_tried(&self, contents: &Contents) -> bool {
        self.cache.text(&self.trial_key(contents)).is_some()
    }

    /// The dependencies' top-level modules: first those of the distributions that
    /// no other one requires, which load most of the rest.
    pub fn dependency_modules(&self, venv: &Path, contents: &Contents) -> Result<Vec<String>> {
        let metadata = self.metadata(venv, contents)?;
        let required: BTreeSet<String> = metadata
            .values()
            .flat_map(|one| &one.requires_dist)
            .filter(|text| !text.contains("extra"))
            .map(|text| normalise(text.split(|c: char| " <>=!~;[(@".contains(c)).next().unwrap_or_default()))
            .collect();
        let is_required =
            |one: &Installed| metadata.get(&one.directory).is_some_and(|own| required.contains(&normalise(&own.name)));
        let mut all: Vec<&Installed> = contents.distributions.iter().collect();
        all.sort_by_key(|one| (is_required(one), std::cmp::Reverse(one.rows.len())));
        let mut modules = Vec::new();
        for one in all {
            let more = self.modules(contents, |other| other.directory == one.directory);
            modules.extend(more.into_iter().filter(|module| !modules.contains(module)).collect::<Vec<_>>());
        }
        Ok(modules)
    }

    /// Of the dependencies' failures only a missing library is one of the package.
    pub fn judge_dependencies(&self, contents: &Contents, failures: Vec<Failure>) -> Result<()> {
        self.judge(failures, &[])?;
        self.cache.keep_text(&self.trial_key(contents), TRIED)
    }

    /// Where it is kept that a tree's modules can be imported.
    pub fn trial_key(&self, contents: &Contents) -> String {
        digest(["dh-venv-imports 2", &self.interpreter.minor(), &self.installed, &contents.digest()])
    }

    /// Top-level modules that are there, of some distributions.
    fn modules(&self, contents: &Contents, of: impl Fn(&Installed) -> bool) -> Vec<String> {
        let site = Path::new("lib").join(self.interpreter.name()).join("site-packages");
        let suffix = format!(".{}.so", self.interpreter.soabi);
        let rows = contents.distributions.iter().filter(|one| of(one)).flat_map(|one| one.rows.keys());
        let there =
            rows.filter_map(|path| top_level(path.strip_prefix(&site).ok()?, &suffix).filter(|_| contents.holds(path)));
        there.collect::<BTreeSet<String>>().into_iter().collect()
    }

    /// Import modules; those that fail.
    pub fn try_imports(&self, venv: &Path, modules: &[String], attempt: Attempt) -> Result<Vec<Failure>> {
        if modules.is_empty() {
            return Ok(Vec::new());
        }
        let word = match attempt {
            Attempt::Each => "each",
            Attempt::Once => "once",
        };
        // -B: the finished venv gets no byte code that was not asked for.
        let mut arguments = ["-I", "-B", "-c", IMPORTS, word].map(OsString::from).to_vec();
        arguments.push(self.jobs().to_string().into());
        arguments.extend(modules.iter().map(OsString::from));
        let process =
            Process::new(venv.join("bin/python"), arguments).environment(&self.environment).directory(&self.work);
        let output = apply::capture(&process)?;
        serde_json::from_slice(&output.stdout).map_err(|_| Error::from(failed_child("importing the modules", &output)))
    }

    fn judge(&self, failures: Vec<Failure>, own: &[String]) -> Result<()> {
        let mut faults = Vec::new();
        for Failure(module, kind, text) in failures {
            let missing_library = text.contains("cannot open shared object file");
            let is_error = (own.contains(&module) && kind == "ImportError") || missing_library;
            let message = format!("module {module} cannot be imported: {text}");
            if is_error {
                let hint = if missing_library {
                    "the library is not installed: add its package to Build-Depends, or use a wheel that carries it"
                } else {
                    "a requirement is missing, or the module needs something that only the target machine has"
                };
                let fault = Diagnostic::error(message).hint(hint);
                // One project's module is that project's; of several, the name must do.
                faults.push(match self.settings.projects.as_slice() {
                    [project] if own.contains(&module) => fault.at(self.project_file(project)),
                    _ => fault,
                });
            } else if own.contains(&module) {
                self.context.printer.diagnostic(&Diagnostic::warning(message));
            }
        }
        if faults.is_empty() { Ok(()) } else { Err(Error::Failed(faults)) }
    }
}

/// The module that a file of site-packages makes importable at the top level.
fn top_level(path: &Path, extension: &str) -> Option<String> {
    let mut parts = path.components().map(|part| part.as_os_str().to_str());
    let first = parts.next()??;
    let name = match parts.next() {
        Some(second) if second == Some("__init__.py") && parts.next().is_none() => first,
        Some(_) => return None,
        None => first
            .strip_suffix(".py")
            .or_else(|| first.strip_suffix(extension))
            .or_else(|| first.strip_suffix(".abi3.so"))?,
    };
    let plain = !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || c == '_');
    // Modules that are run at start, or only by their own tools, are no API.
    (plain && !name.starts_with("__") && name != "conftest" && name != "setup").then(|| name.to_owned())
}
