//! From what an installer left to a tree that can be shipped.
//!
//! Reads the tree, lets [`crate::helper::venv::tree`] decide, applies, and
//! checks the result by reading it again.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::helper::venv::installer::{Files, Installer};
use crate::helper::venv::settings::Keep;
use crate::helper::venv::tree::{self, Frame, Installed};
use crate::input::{self, Beginning, Entry, Facts, Kind};
use crate::plan::{Action, Plan, Process};
use crate::python::metadata;

use super::contents::{Contents, Snapshot, contents};
use super::depends::Libraries;
use super::workshop::Workshop;

/// Whose turn it is.
pub enum Phase<'a> {
    /// The dependencies have been installed into a new venv.
    Dependencies,
    /// The project's distributions have been added to a tree that was like this.
    Project(&'a Contents),
    /// The packager's commands have changed or added these files; what belongs
    /// to no distribution is recorded as the given one's.
    Hooks(&'a BTreeSet<PathBuf>, Option<&'a Path>),
}

/// A tree that has its final files, but is not yet checked.
pub struct Draft {
    /// What is there; RECORD files still say what was installed.
    pub contents: Contents,
    /// Files that were changed or made on purpose.
    rewritten: BTreeSet<PathBuf>,
}

impl Workshop<'_> {
    /// Bring the tree at `root` into its final form, and check that it is.
    pub fn normalise(&self, root: &Path, phase: &Phase<'_>) -> Result<Snapshot> {
        let draft = self.draft(root, phase, |_| {})?;
        self.settle(root, phase, draft)
    }

    /// Remove, rewrite, strip and compile. Of the dependencies' libraries `ask` may
    /// find out something meanwhile: nothing more is done to them.
    pub fn draft(&self, root: &Path, phase: &Phase<'_>, ask: impl FnOnce(Libraries)) -> Result<Draft> {
        let frame = self.frame(root);
        let site = frame.site();
        let before = contents(root, &site)?;
        let new: Vec<&Installed> = match phase {
            Phase::Dependencies => before.distributions.iter().collect(),
            Phase::Project(known) => before.distributions.iter().filter(|one| !known.has(&one.directory)).collect(),
            Phase::Hooks(..) => Vec::new(),
        };
        let faults = tree::collisions(&before.distributions);
        if !faults.is_empty() {
            return Err(Error::Failed(faults));
        }
        let is_stale = |path: &Path| match phase {
            Phase::Dependencies => true,
            Phase::Project(_) => new.iter().any(|one| one.rows.contains_key(path) || path.starts_with(&one.directory)),
            Phase::Hooks(changed, _) => changed.contains(path),
        };
        let mut rewritten = BTreeSet::new();
        self.strip(root, &new, &mut rewritten)?;
        let mut plan =
            if matches!(phase, Phase::Dependencies) { self.own_copies(root, &new)? } else { Plan::default() };
        for path in tree::unwanted(&before.entries) {
            let byte_code = path.file_name() == Some(OsStr::new("__pycache__"));
            if !byte_code || matches!(phase, Phase::Dependencies) {
                plan.push(Action::Remove { path: root.join(path) });
            } else {
                // Byte code of earlier phases stays.
                for entry in before.entries.iter().filter(|entry| entry.path.parent() == Some(&path)) {
                    if is_stale(&entry.path) {
                        plan.push(Action::Remove { path: root.join(&entry.path) });
                    }
                }
            }
        }
        plan.extend(self.scripts(root, &frame, &before.entries, &new, &mut rewritten)?);
        if matches!(phase, Phase::Dependencies) {
            plan.extend(frame_files(root, &frame, &before.entries)?);
        }
        let mut removed = self.without_tests(root, &site, &before.entries, &new)?;
        plan.extend(Plan::new(removed.iter().map(|suite| Action::Remove { path: root.join(suite) })));
        let modules: BTreeSet<&PathBuf> = match phase {
            Phase::Hooks(changed, _) => changed.iter().collect(),
            _ => new.iter().flat_map(|one| one.rows.keys()).collect(),
        };
        if matches!(phase, Phase::Dependencies) {
            removed.extend(tree::unwanted(&before.entries));
            let files: Vec<Entry> = before.entries.iter().filter(|one| may_be_elf(one, &removed)).cloned().collect();
            ask(self.libraries(root, &before, elf_files(&input::beginnings(root, &files)?))?);
        }
        self.apply(&plan)?;
        self.compile(root, &new, &modules)?;
        Ok(Draft { contents: contents(root, &site)?, rewritten })
    }

    /// Give the tree its own copies of those files that uv has linked here and
    /// that no RECORD vouches for: metadata, which uv believes without a look, and
    /// rows without a digest. The others are compared with RECORD in every new
    /// tree, so that it is found where someone wrote into a shared file.
    fn own_copies(&self, root: &Path, new: &[&Installed]) -> Result<Plan> {
        let linked = matches!(self.installer, Installer::Uv { .. }) && self.files() == Files::Shared;
        let mut plan = Plan::default();
        for distribution in new.iter().filter(|_| linked) {
            let (to, from) = (root.join(&distribution.directory), self.work.join("metadata"));
            plan.push(Action::Rename { from: to.clone(), to: from.clone() });
            plan.push(Action::CopyTree { from: from.clone(), to, without: Vec::new() });
            plan.push(Action::Remove { path: from });
            let unsure = distribution.rows.iter().filter(|(_, row)| !row.hash.starts_with("sha256="));
            for path in unsure.map(|(path, _)| path).filter(|path| !path.starts_with(&distribution.directory)) {
                let path = root.join(path);
                if let (Some(Kind::File { mode, .. }), Some(contents)) = (input::kind(&path)?, input::bytes(&path)?) {
                    plan.push(Action::Write { path, contents, mode });
                }
            }
        }
        Ok(plan)
    }

    /// Check the tree, and write what depends on all of it: modes and RECORD files.
    pub fn settle(&self, root: &Path, phase: &Phase<'_>, draft: Draft) -> Result<Snapshot> {
        let Draft { contents: after, rewritten } = draft;
        let site = self.frame(root).site();
        let forbidden = self.forbidden();
        let mut entries: Vec<Entry> = match phase {
            // What was there before has been checked before.
            Phase::Project(known) => after.entries.into_iter().filter(|entry| !known.holds(&entry.path)).collect(),
            _ => after.entries,
        };
        let mut facts = input::survey(root, &entries, &forbidden)?;
        let (heir, excused) = match phase {
            Phase::Hooks(changed, heir) => (*heir, *changed),
            _ => (None, &rewritten),
        };
        let faults = tree::faults(&after.distributions, &facts, excused, &entries, &site, &forbidden);
        if !faults.is_empty() {
            return Err(Error::Failed(faults));
        }
        let mut plan = modes(root, &mut entries, &facts);
        for (path, text) in tree::records(&after.distributions, &facts, &site, heir) {
            let known = matches!(phase, Phase::Project(known) if path.parent().is_some_and(|parent| known.has(parent)));
            if !known {
                let contents = text.into_bytes();
                facts.insert(path.clone(), input::facts(&contents));
                plan.push(Action::Write { path: root.join(path), contents, mode: 0o644 });
            }
        }
        self.apply(&plan)?;
        Ok(Snapshot { entries, facts })
    }

    /// The tree's frame while it stands at `root`.
    pub fn frame<'a>(&'a self, root: &'a Path) -> Frame<'a> {
        Frame {
            stage: root,
            prefix: &self.settings.prefix,
            interpreter: &self.interpreter,
            package: &self.settings.package,
            system_site_packages: self.settings.system_site_packages,
        }
    }

    /// Scripts in bin/: those of entry points are written anew, the others get their interpreter line.
    fn scripts(
        &self,
        root: &Path,
        frame: &Frame<'_>,
        entries: &[Entry],
        new: &[&Installed],
        rewritten: &mut BTreeSet<PathBuf>,
    ) -> Result<Plan> {
        let mut plan = Plan::default();
        for distribution in new {
            let file = root.join(&distribution.directory).join("entry_points.txt");
            let points = input::text(&file)?.map(|text| metadata::entry_points(&text)).unwrap_or_default();
            for script in points {
                if !matches!(script.group.as_str(), "console_scripts" | "gui_scripts") || script.object.is_empty() {
                    continue;
                }
                let path = Path::new("bin").join(&script.name);
                let contents = frame.console_script(&script.module, &script.object)?.into_bytes();
                plan.push(Action::Write { path: root.join(&path), contents, mode: 0o755 });
                rewritten.insert(path);
            }
        }
        let claimed: BTreeSet<&Path> = new.iter().flat_map(|one| one.rows.keys().map(PathBuf::as_path)).collect();
        for entry in entries {
            let Kind::File { .. } = entry.kind else { continue };
            let path = entry.path.as_path();
            if path.parent() != Some(Path::new("bin")) || rewritten.contains(path) || !claimed.contains(path) {
                continue;
            }
            let contents = input::bytes(&root.join(path))?.unwrap_or_default();
            if let Some(contents) = frame.script(&contents) {
                plan.push(Action::Write { path: root.join(path), contents, mode: 0o755 });
                rewritten.insert(path.to_path_buf());
            }
        }
        Ok(plan)
    }

    /// Test suites that nothing needs.
    fn without_tests(&self, root: &Path, site: &Path, entries: &[Entry], new: &[&Installed]) -> Result<Vec<PathBuf>> {
        if self.settings.keep.contains(&Keep::Tests) {
            return Ok(Vec::new());
        }
        let mut suites: Vec<PathBuf> = tree::test_suites(entries, site)
            .into_iter()
            .filter(|suite| new.iter().any(|one| one.rows.keys().any(|path| path.starts_with(suite))))
            .collect();
        for entry in entries {
            if suites.is_empty() {
                break;
            }
            let outside = !suites.iter().any(|suite| entry.path.starts_with(suite));
            if entry.path.extension() == Some(OsStr::new("py")) && outside {
                let text = input::bytes(&root.join(&entry.path))?.unwrap_or_default();
                // Most do not have the word.
                if memchr::memmem::find(&text, tree::SUITE.as_bytes()).is_none() {
                    continue;
                }
                suites.retain(|suite| !tree::mentions_suite(&entry.path, &text, suite, site));
            }
        }
        Ok(suites)
    }

    /// Strip the libraries of distributions that were compiled here, as dh_strip
    /// would; those of ready-made wheels stay as they came. Only a wheel built
    /// on this machine has a plain `linux_*` platform tag (PEP 425, PEP 600).
    fn strip(&self, root: &Path, new: &[&Installed], rewritten: &mut BTreeSet<PathBuf>) -> Result<()> {
        if self.context.environment.build_option("nostrip").is_some() {
            return Ok(());
        }
        for distribution in new {
            let wheel = input::text(&root.join(&distribution.directory).join("WHEEL"))?.unwrap_or_default();
            if !wheel.lines().any(|line| line.starts_with("Tag:") && line.contains("-linux_")) {
                continue;
            }
            let libraries: Vec<&PathBuf> =
                distribution.rows.keys().filter(|path| path.extension() == Some(OsStr::new("so"))).collect();
            if libraries.is_empty() {
                continue;
            }
            let words = [
                "--strip-unneeded",
                "--remove-section=.comment",
                "--remove-section=.note",
                "--enable-deterministic-archives",
            ];
            // strip writes into the file that is there; uv's cache may share it.
            for library in &libraries {
                let path = root.join(library);
                let contents = input::bytes(&path)?.unwrap_or_default();
                self.apply(&Plan::new([Action::Write { path, contents, mode: 0o644 }]))?;
            }
            let arguments = words.iter().map(OsString::from).chain(libraries.iter().map(|path| root.join(path).into()));
            self.quietly("strip", &Process::new("/usr/bin/strip", arguments))?;
            rewritten.extend(libraries.into_iter().cloned());
        }
        Ok(())
    }

    /// Texts that must not be in any file: the build's directories and the builder's home.
    fn forbidden(&self) -> Vec<String> {
        let mut all: BTreeSet<String> = BTreeSet::new();
        let mut add = |path: &Path| {
            let text = path.to_string_lossy().into_owned();
            // "/", "/root", "/build" and the like stand in many a document.
            if path.components().count() > 2 {
                all.insert(text);
            }
        };
        add(&self.context.directory);
        add(&self.work);
        add(self.cache.root());
        // HOME may have been moved for the build; the account's own is meant, too.
        let account = users::get_user_by_uid(users::get_current_uid());
        if let Some(account) = &account {
            add(users::os::unix::UserExt::home_dir(account));
        }
        if let Some(home) = self.context.environment.text("HOME") {
            add(Path::new(home.trim_end_matches('/')));
        }
        all.into_iter().collect()
    }
}

/// What the venv module made: configuration, links to the interpreter, files to source.
fn frame_files(root: &Path, frame: &Frame<'_>, entries: &[Entry]) -> Result<Plan> {
    let mut plan = Plan::default();
    let cfg = frame.pyvenv_cfg()?.into_bytes();
    plan.push(Action::Write { path: root.join("pyvenv.cfg"), contents: cfg, mode: 0o644 });
    for (path, target) in frame.interpreter_links() {
        plan.push(Action::Symlink { path: root.join(path), target });
    }
    for entry in entries {
        let name = entry.path.file_name().and_then(OsStr::to_str).unwrap_or_default();
        if entry.path.parent() == Some(Path::new("bin")) && name.starts_with("activate") {
            let path = root.join(&entry.path);
            let contents = frame.relocated(&input::bytes(&path)?.unwrap_or_default());
            plan.push(Action::Write { path, contents, mode: 0o644 });
        }
    }
    Ok(plan)
}

/// The files that begin as ELF files.
pub fn elf_files(beginnings: &BTreeMap<PathBuf, Beginning>) -> BTreeSet<PathBuf> {
    beginnings.iter().filter(|(_, beginning)| beginning.elf).map(|(path, _)| path.clone()).collect()
}

/// Whether it is worth a look: no Python module, and nothing that has been removed.
fn may_be_elf(entry: &Entry, removed: &[PathBuf]) -> bool {
    let is_module = entry.path.extension().is_some_and(|extension| matches!(extension.to_str(), Some("py" | "pyc")));
    matches!(entry.kind, Kind::File { .. }) && !is_module && !removed.iter().any(|top| entry.path.starts_with(top))
}

/// Give the entries the modes that they have in the package, here and by the plan returned.
fn modes(root: &Path, entries: &mut [Entry], facts: &BTreeMap<PathBuf, Facts>) -> Plan {
    let mut plan = Plan::default();
    for entry in entries {
        if let Kind::File { mode, .. } = &mut entry.kind {
            let right = tree::mode(&entry.path, *mode, facts.get(&entry.path));
            if right != *mode {
                *mode = right;
                plan.push(Action::Mode { path: root.join(&entry.path), mode: right });
            }
        }
    }
    plan
}
