//! Carries out a [`Decision`], so that it can be interrupted anywhere.
//!
//! The order: `owned` (so that purge knows whatever may come to be), the journal
//! with what is going to be, every new content beside its place, then the
//! renames (secrets first, then our settings file, then the files), then the journal
//! with what is. Until the first rename, a failure leaves everything as it was;
//! after it, the next run goes on from the journal, see [`recover`].

use std::collections::{BTreeMap, BTreeSet};

use super::decide::{Decision, Step, aside};
use super::fs::{Attributes, Dir, Extended, Kind, PLANTED_BUG, Root, split, temporary};
use super::journal::{Clock, Journal, Need, Pending};
use super::machine::Machine;
use super::secrets::Secrets;
use super::service;
use super::store::{self, Store, encoded, private};
use crate::configuration::manifest::{Manifest, Purge};
use crate::error::{Error, Result};

/// What is carried out besides a decision.
#[derive(Debug, Default)]
pub struct Besides {
    /// The secrets, where they have changed.
    pub secrets: Option<Secrets>,
    /// Our settings file's path and new text, where it has changed; without a text it goes.
    pub own: Option<(String, Option<String>)>,
}

impl Besides {
    /// Whether there is nothing.
    pub fn is_nothing(&self) -> bool {
        self.secrets.is_none() && self.own.is_none()
    }
}

/// Finish what an interrupted run has left: what it has put in place is ours,
/// what it has not reached is dropped. Whether there was anything.
pub fn recover(machine: &Machine, manifest: &Manifest, store: &Store, journal: &mut Journal) -> Result<bool> {
    let Some(pending) = journal.pending.take() else {
        store.sweep()?;
        return Ok(false);
    };
    journal.inputs.clear();
    if PLANTED_BUG {
        return Ok(true);
    }
    let root = &machine.root;
    let mut changed = Vec::new();
    for (path, file) in &pending.files {
        // What cannot be read now is refused later, by name.
        let found = root.read(path).ok().flatten();
        if found.is_some_and(|found| file.is(&found.bytes, found.attributes)) {
            finish_rendered(store, path)?;
            journal.files.insert(path.clone(), file.record.clone());
            changed.extend(service::programs(manifest, &file.on_change));
        }
    }
    journal.note(changed, &service::now(machine));
    for (path, wanted) in &pending.directories {
        if let Some(found) = root.directory(path)? {
            journal.settle_directory(path, *wanted, found.attributes()?);
        }
    }
    for (path, target) in &pending.links {
        if link(root, path)?.as_ref() == Some(target) {
            journal.links.insert(path.clone(), target.clone());
        }
    }
    for path in pending.staged.iter().chain(pending.links.keys()) {
        if let Some((directory, name)) = root.parent(path)? {
            directory.drop_staged(&name)?;
        }
    }
    store.sweep()?;
    Ok(true)
}

/// A merged file is not what was rendered for it, so that copy is still needed.
fn finish_rendered(store: &Store, path: &str) -> Result<()> {
    let rendered = store.rendered_directory()?;
    let name = encoded(path);
    if rendered.kind(&temporary(&name))?.is_some() { rendered.commit(&name) } else { Ok(()) }
}

fn link(root: &Root, path: &str) -> Result<Option<String>> {
    match root.parent(path)? {
        Some((directory, name)) => directory.link(&name),
        None => Ok(None),
    }
}

/// Bring the decision about. `journal` is what is known before, and is what is
/// known after it; without an error it is on the disk, too.
pub fn carry_out(
    machine: &Machine,
    manifest: &Manifest,
    store: &Store,
    journal: &mut Journal,
    decision: &Decision,
    besides: &Besides,
    after: Journal,
) -> Result<()> {
    own(&machine.root, manifest, store, decision, besides)?;
    journal.pending = Some(pending(decision, besides));
    journal.inputs.clear();
    store.write_journal(journal)?;
    let mut places = Places::default();
    if let Err(error) = stage(machine, store, decision, besides, &mut places) {
        // As it was, as far as that can be said; the first error is the one to report.
        let _ = places.undo(&machine.root);
        let _ = store.sweep();
        journal.pending = None;
        let _ = store.write_journal(journal);
        return Err(error);
    }
    commit(machine, store, decision, besides, &mut places)?;
    *journal = after;
    let changed: Vec<(String, Need)> =
        decision.files.values().flat_map(|file| service::programs(manifest, &file.on_change)).collect();
    let now: Clock = service::now(machine);
    journal.note(changed, &now);
    store.write_journal(journal)
}

fn pending(decision: &Decision, besides: &Besides) -> Pending {
    let mut pending = Pending { files: decision.files.clone(), ..Pending::default() };
    pending.staged.extend(besides.own.iter().map(|(path, _)| path.clone()));
    for step in &decision.steps {
        match step {
            Step::Directory { path, attributes } => {
                pending.directories.insert(path.clone(), *attributes);
            }
            Step::Place { path, .. } => pending.staged.push(path.clone()),
            Step::Link { path, target } => {
                pending.links.insert(path.clone(), target.clone());
            }
            Step::Remove { .. } | Step::SetAside { .. } | Step::RemoveDirectory { .. } => {}
        }
    }
    pending
}

/// Note in `owned` whatever may come to be, with the directories above it that are
/// missing. Purge follows no link, so the paths are those without.
pub fn own(root: &Root, manifest: &Manifest, store: &Store, decision: &Decision, besides: &Besides) -> Result<()> {
    let before = store.owned()?;
    let mut owned: BTreeSet<String> = before.clone();
    let mut paths: Vec<String> = besides.own.iter().map(|(path, _)| path.clone()).collect();
    for step in &decision.steps {
        match step {
            Step::Directory { path, .. } | Step::Place { path, .. } | Step::Link { path, .. } => {
                paths.push(path.clone())
            }
            Step::SetAside { path } => paths.push(aside(path)),
            Step::Remove { .. } | Step::RemoveDirectory { .. } => {}
        }
    }
    for path in paths {
        for missing in root.missing_above(&path)? {
            owned.insert(root.real(&missing)?);
        }
        owned.insert(root.real(&path)?);
    }
    owned.retain(|path| !path.ends_with(store::WHOLE));
    for directory in manifest.directories.iter().filter(|directory| directory.purge == Purge::Remove) {
        owned.insert(root.real(&directory.path)? + store::WHOLE);
    }
    if owned == before { Ok(()) } else { store.write_owned(&owned) }
}

/// Bring `owned` up to date with the links that an administrator has put up since.
pub fn settle_owned(root: &Root, store: &Store) -> Result<()> {
    let before = store.owned()?;
    // What somebody else has put a link in the way of stays as it is noted, and purge leaves it alone.
    let settled = before.iter().map(|path| match path.strip_suffix(store::WHOLE) {
        Some(whole) => root.real(whole).map_or_else(|_| path.clone(), |real| real + store::WHOLE),
        None => root.real(path).unwrap_or_else(|_| path.clone()),
    });
    let settled: BTreeSet<String> = settled.collect();
    if settled == before { Ok(()) } else { store.write_owned(&settled) }
}

/// The directories that are worked in, each open once.
#[derive(Debug, Default)]
struct Places {
    open: BTreeMap<String, Dir>,
    staged: Vec<(String, String)>,
    made: Vec<String>,
}

impl Places {
    /// The directory of `path`, made where it is missing, and the name there.
    fn place<'a, 'b>(&'a mut self, root: &Root, path: &'b str) -> Result<(&'a Dir, &'b str)> {
        let (above, name) = split(path);
        if !self.open.contains_key(above) {
            self.made.extend(root.missing_above(path)?);
            self.open.insert(above.to_owned(), root.make_parent(path)?.0);
        }
        match self.open.get(above) {
            Some(directory) => Ok((directory, name)),
            None => Err(Error::bug(format!("{above} was lost"))),
        }
    }

    fn stage(
        &mut self,
        root: &Root,
        path: &str,
        contents: &[u8],
        attributes: Attributes,
        extended: Option<&Extended>,
    ) -> Result<()> {
        let (above, name) = split(path);
        self.staged.push((above.to_owned(), name.to_owned()));
        self.place(root, path)?.0.stage(name, contents, attributes, extended)
    }

    /// Take away what was staged, and the directories that were made for it.
    fn undo(&self, root: &Root) -> Result<()> {
        for (above, name) in &self.staged {
            if let Some(directory) = self.open.get(above) {
                directory.drop_staged(name)?;
            }
        }
        for path in self.made.iter().rev() {
            if let Some((directory, name)) = root.parent(path)? {
                directory.remove_empty(&name)?;
            }
        }
        Ok(())
    }

    /// A directory of the administrator's choice, which he has put a link to, is as good.
    fn directory(&mut self, root: &Root, path: &str, attributes: Attributes) -> Result<()> {
        if let Some(found) = root.directory(path)? {
            return found.set_attributes(attributes);
        }
        let (above, name) = self.place(root, path)?;
        above.make_directory(name, 0o700)?;
        above.open(name)?.set_attributes(attributes)?;
        self.made.push(path.to_owned());
        Ok(())
    }

    fn sync(&self) -> Result<()> {
        self.open.values().try_for_each(Dir::sync)
    }
}

/// Everything that takes room, before anything counts.
fn stage(machine: &Machine, store: &Store, decision: &Decision, besides: &Besides, places: &mut Places) -> Result<()> {
    let root = &machine.root;
    for step in &decision.steps {
        match step {
            Step::Directory { path, attributes } => places.directory(root, path, *attributes)?,
            Step::Place { path, contents, attributes, extended } => {
                places.stage(root, path, contents, *attributes, extended.as_ref())?
            }
            Step::SetAside { path } => {
                let aside = aside(path);
                let (directory, name) = places.place(root, &aside)?;
                directory.refuse_lasting(name)?;
            }
            _ => {}
        }
    }
    if let Some((path, Some(text))) = &besides.own {
        places.stage(root, path, text.as_bytes(), private(), None)?;
    }
    if let Some(secrets) = &besides.secrets {
        store.stage_secrets(secrets)?;
    }
    let kept = decision.rendered.iter().filter_map(|(path, contents)| Some((path, contents.as_ref()?)));
    for (path, contents) in kept {
        store.rendered_directory()?.stage(&encoded(path), contents, private(), None)?;
    }
    Ok(())
}

/// The renames, and what only takes away.
fn commit(machine: &Machine, store: &Store, decision: &Decision, besides: &Besides, places: &mut Places) -> Result<()> {
    let root = &machine.root;
    if besides.secrets.is_some() {
        store.commit_secrets()?;
    }
    if let Some((path, text)) = &besides.own {
        let (directory, name) = places.place(root, path)?;
        if text.is_some() { directory.commit(name)? } else { directory.unlink(name)? }
    }
    let rendered = if decision.rendered.is_empty() { None } else { Some(store.rendered_directory()?) };
    for step in &decision.steps {
        step_done(root, step, places)?;
        if let (Step::Place { path, .. }, Some(rendered)) = (step, &rendered) {
            if decision.rendered.get(path).is_some_and(Option::is_some) {
                rendered.commit(&encoded(path))?;
            }
        }
    }
    places.sync()?;
    let Some(rendered) = rendered else { return Ok(()) };
    for (path, contents) in &decision.rendered {
        let name = encoded(path);
        match contents {
            Some(_) if rendered.kind(&temporary(&name))?.is_some() => rendered.commit(&name)?,
            Some(_) => {}
            None => rendered.unlink(&name)?,
        }
    }
    rendered.sync()
}

fn step_done(root: &Root, step: &Step, places: &mut Places) -> Result<()> {
    match step {
        Step::Directory { .. } => Ok(()),
        Step::Place { path, .. } => {
            let (directory, name) = places.place(root, path)?;
            directory.commit(name)
        }
        Step::Remove { path } => match root.parent(path)? {
            Some((directory, name)) if directory.kind(&name)? != Some(Kind::Directory) => {
                directory.unlink(&name)?;
                directory.sync()
            }
            _ => Ok(()),
        },
        Step::SetAside { path } => {
            let (directory, name) = places.place(root, path)?;
            directory.rename(name, split(&aside(path)).1)
        }
        Step::Link { path, target } => {
            let (directory, name) = places.place(root, path)?;
            directory.put_link(name, target)
        }
        Step::RemoveDirectory { path } => match root.parent(path)? {
            Some((directory, name)) => directory.remove_empty(&name).map(|_| ()),
            None => Ok(()),
        },
    }
}
