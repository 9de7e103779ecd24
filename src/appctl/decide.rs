//! What an apply does to each path, decided from values alone.
//!
//! [`decide`] takes what the manifest and the settings make ([`Wanted`]), what
//! the journal knows, and what is on the disk ([`Snapshot`]), and gives a
//! [`Decision`]: steps in the order in which they are safe, and a word about each
//! path. Nothing here reads or writes a file.
//!
//! The rules, which are ucf(1)'s without its questions: what the administrator
//! has edited is kept, and the new version put beside it; what he has deleted
//! stays deleted; an owner or mode that he has changed stays.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::effort;
use super::fs::{ACCESS_LIST, Attributes, Contents, Extended};
use super::journal::{FileRecord, Journal, PendingFile, digest};
use crate::configuration::manifest::OnChange;

/// What a file, a link and a directory shall be.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wanted {
    /// Files, in the manifest's order.
    pub files: Vec<WantedFile>,
    /// Files that the administrator wants back as the package has them.
    pub restored: BTreeSet<String>,
    /// Directories and what they are given.
    pub directories: BTreeMap<String, Attributes>,
    /// Those whose owner and mode the administrator has said (dpkg-statoverride(1)).
    pub overridden: BTreeSet<String>,
    /// Links and what they hold.
    pub links: BTreeMap<String, String>,
}

/// What a file shall be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WantedFile {
    /// Its path.
    pub path: String,
    /// Its rendered contents.
    pub contents: Vec<u8>,
    /// Owner and mode.
    pub attributes: Attributes,
    /// Whether the administrator has said so (dpkg-statoverride(1)): then it has them, whatever is found.
    pub overridden: bool,
    /// Whether an edit is merged.
    pub merge: bool,
    /// What a change of it needs.
    pub on_change: OnChange,
}

/// What is on the disk.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// Files that are there.
    pub files: BTreeMap<String, Contents>,
    /// What was rendered last, for the files that may be merged.
    pub rendered: BTreeMap<String, Vec<u8>>,
    /// Digests of the `.appctl-new` that are there and known to the journal.
    pub beside: BTreeMap<String, String>,
    /// Directories that are there.
    pub directories: BTreeMap<String, Attributes>,
    /// Links that are there and what they hold; `None`: something else is there.
    pub links: BTreeMap<String, Option<String>>,
    /// Paths that the package itself ships now: dpkg's, not ours.
    pub shipped: BTreeSet<String>,
}

/// How an administrator finds a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// As it was.
    Unchanged,
    /// It was not there before.
    New,
    /// It has, or would get, other contents, owner or mode.
    Changed,
    /// The administrator has edited it.
    Edited,
    /// The administrator has deleted it.
    Deleted,
    /// The package has it no longer.
    Removed,
}

/// A path and its state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// The path.
    pub path: String,
    /// Its state.
    pub state: State,
    /// What was done about it, for people.
    #[serde(skip)]
    pub note: Option<String>,
}

/// One thing to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Make the directory, or give it an owner and a mode.
    Directory {
        /// Its path.
        path: String,
        /// Owner and mode.
        attributes: Attributes,
    },
    /// Replace the file in one step.
    Place {
        /// Its path.
        path: String,
        /// Its new contents.
        contents: Vec<u8>,
        /// Owner and mode.
        attributes: Attributes,
        /// Extended attributes of the file that it replaces; `None`: it is a new one.
        extended: Option<Extended>,
    },
    /// Remove the file.
    Remove {
        /// Its path.
        path: String,
    },
    /// Rename the file to its name with `.appctl-old`.
    SetAside {
        /// Its path.
        path: String,
    },
    /// Make the link hold this.
    Link {
        /// Its path.
        path: String,
        /// What it holds.
        target: String,
    },
    /// Remove the directory if it is empty.
    RemoveDirectory {
        /// Its path.
        path: String,
    },
}

/// What is going to be done.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Decision {
    /// What to do, in this order.
    pub steps: Vec<Step>,
    /// A word about each path.
    pub reports: Vec<Report>,
    /// What the files that are replaced will be.
    pub files: BTreeMap<String, PendingFile>,
    /// New versions to keep in `rendered/`, by path; `None`: no longer kept.
    pub rendered: BTreeMap<String, Option<Vec<u8>>>,
    /// What the journal knows of files afterwards.
    pub records: BTreeMap<String, FileRecord>,
    /// Files that are put in place by a merge.
    pub merged: BTreeSet<String>,
}

impl Decision {
    /// Whether nothing on the disk differs from what it shall be.
    pub fn is_nothing(&self) -> bool {
        self.steps.is_empty()
    }
}

/// The path of the new version of an edited file.
pub fn beside(path: &str) -> String {
    format!("{path}.appctl-new")
}

/// The path of an edited file that the package has no longer.
pub fn aside(path: &str) -> String {
    format!("{path}.appctl-old")
}

/// Decide for every path. `unmergeable`: edited files that are kept although
/// they could be merged, because their check has refused the result.
pub fn decide(wanted: &Wanted, journal: &Journal, snapshot: &Snapshot, unmergeable: &BTreeSet<String>) -> Decision {
    let mut decision = Decision::default();
    directories(wanted, journal, snapshot, &mut decision);
    for file in &wanted.files {
        let record = journal.files.get(&file.path);
        match (record, snapshot.files.get(&file.path)) {
            (None, None) => absent(file, None, &mut decision),
            (Some(_), None) if wanted.restored.contains(&file.path) => {
                absent(file, Some("it is back".to_owned()), &mut decision)
            }
            (record, Some(found)) if wanted.restored.contains(&file.path) && found.bytes != file.contents => {
                restored(file, record, found, snapshot, &mut decision)
            }
            (Some(record), None) => deleted(file, record, snapshot, &mut decision),
            (record, Some(found)) => present(file, record, found, snapshot, unmergeable, &mut decision),
        }
    }
    links(wanted, journal, snapshot, &mut decision);
    gone(wanted, journal, snapshot, &mut decision);
    decision
}

/// A directory without a record is given what the manifest says, as the package
/// may ship it; later, only what the administrator has left alone follows the manifest.
fn directories(wanted: &Wanted, journal: &Journal, snapshot: &Snapshot, decision: &mut Decision) {
    for (path, attributes) in &wanted.directories {
        let found = snapshot.directories.get(path);
        let attributes = match (journal.directories.get(path), found) {
            (Some(record), Some(found)) if !wanted.overridden.contains(path) => kept(*record, *found, *attributes),
            _ => *attributes,
        };
        if found != Some(&attributes) {
            decision.steps.push(Step::Directory { path: path.clone(), attributes });
        }
    }
}

fn absent(file: &WantedFile, note: Option<String>, decision: &mut Decision) {
    let record = FileRecord { rendered: digest(&file.contents), attributes: file.attributes, beside: None };
    place(file, &file.contents, (file.attributes, None), &record, decision);
    conclude(file, State::New, note, record, true, decision);
}

fn deleted(file: &WantedFile, record: &FileRecord, snapshot: &Snapshot, decision: &mut Decision) {
    remove_beside(&file.path, record, snapshot, decision);
    let new = FileRecord { rendered: digest(&file.contents), beside: None, ..record.clone() };
    let is_new = new.rendered != record.rendered;
    let note =
        is_new.then(|| "you have deleted it; it stays deleted ('appctl config restore' brings it back)".to_owned());
    conclude(file, State::Deleted, note, new, is_new, decision);
}

/// What is there is put aside, and is not lost; its owner and mode stay an administrator's.
fn restored(
    file: &WantedFile,
    record: Option<&FileRecord>,
    found: &Contents,
    snapshot: &Snapshot,
    decision: &mut Decision,
) {
    let is_planted = found.is_planted(record.map_or(file.attributes, |record| record.attributes).uid);
    let attributes = if is_planted { file.attributes } else { lasting(file, record, found) };
    let extended = (!is_planted).then(|| found.extended.clone());
    let new = FileRecord { rendered: digest(&file.contents), attributes: file.attributes, beside: None };
    if let Some(record) = record {
        remove_beside(&file.path, record, snapshot, decision);
    }
    let path = aside(&file.path);
    let note = format!("it is the package's again; what was there is now {path}");
    let (contents, kept) = (found.bytes.clone(), found.attributes);
    decision.steps.push(Step::Place { path, contents, attributes: kept, extended: Some(found.extended.clone()) });
    place(file, &file.contents, (attributes, extended), &new, decision);
    conclude(file, State::Changed, Some(note), new, true, decision);
}

fn present(
    file: &WantedFile,
    record: Option<&FileRecord>,
    found: &Contents,
    snapshot: &Snapshot,
    unmergeable: &BTreeSet<String>,
    decision: &mut Decision,
) {
    let rendered = digest(&file.contents);
    let is_known = record.is_some_and(|record| record.rendered == rendered);
    let is_untouched = record.is_some_and(|record| record.rendered == digest(&found.bytes));
    // A file that a service's user has put in the place of ours says nothing about what an
    // administrator wants; what is ours does not get its owner.
    let is_planted = found.is_planted(record.map_or(file.attributes, |record| record.attributes).uid);
    let attributes = if is_planted { file.attributes } else { lasting(file, record, found) };
    let extended = (!is_planted).then(|| found.extended.clone());
    let mut new =
        FileRecord { rendered, attributes: file.attributes, beside: record.and_then(|record| record.beside.clone()) };
    if is_untouched || found.bytes == file.contents {
        if let Some(record) = record {
            remove_beside(&file.path, record, snapshot, decision);
        }
        new.beside = None;
        let is_same = found.bytes == file.contents && attributes == found.attributes;
        if !is_same {
            place(file, &file.contents, (attributes, extended), &new, decision);
        }
        let state = if is_same { State::Unchanged } else { State::Changed };
        return conclude(file, state, None, new, !is_known, decision);
    }
    let merged = match record {
        Some(record) if file.merge && !is_known && !is_planted && !unmergeable.contains(&file.path) => {
            merge(record, snapshot.rendered.get(&file.path), found, file)
        }
        _ => None,
    };
    let note = match &merged {
        Some(_) => Some("you have edited it; the new version is merged into it".to_owned()),
        None if is_known => None,
        None => {
            let who = if is_planted {
                format!("user {} has put another file there", found.attributes.uid)
            } else {
                "you have edited it".to_owned()
            };
            Some(format!("{who}; it is kept, and the new version is in {}", beside(&file.path)))
        }
    };
    if merged.is_some() {
        if let Some(record) = record {
            remove_beside(&file.path, record, snapshot, decision);
        }
        new.beside = None;
        decision.merged.insert(file.path.clone());
    } else if !is_known {
        // It may hold secrets that the edited file does not: no one else gets to read it.
        let attributes = Attributes { mode: attributes.mode & file.attributes.mode, ..attributes };
        let path = beside(&file.path);
        decision.steps.push(Step::Place { path, contents: file.contents.clone(), attributes, extended: None });
        new.beside = Some(new.rendered.clone());
    }
    let contents = merged.as_ref().unwrap_or(&found.bytes);
    if !is_planted && (*contents != found.bytes || attributes != found.attributes) {
        place(file, contents, (attributes, extended), &new, decision);
    }
    conclude(file, State::Edited, note, new, !is_known, decision);
}

/// The three-way merge; `None` where the base is not known, or it conflicts, or would take too long.
fn merge(record: &FileRecord, base: Option<&Vec<u8>>, found: &Contents, file: &WantedFile) -> Option<Vec<u8>> {
    let base = base.filter(|base| digest(base) == record.rendered)?;
    let text = |bytes| std::str::from_utf8(bytes).ok();
    let (base, edited, new) = (text(base)?, text(&found.bytes)?, text(&file.contents)?);
    let is_bounded = effort::is_comparable(base, edited) && effort::is_comparable(base, new);
    is_bounded.then(|| diffy::merge(base, edited, new))?.ok().map(String::into_bytes)
}

/// The owner and mode of a file that is there: what an administrator has given it stays.
fn lasting(file: &WantedFile, record: Option<&FileRecord>, found: &Contents) -> Attributes {
    match record {
        _ if file.overridden => file.attributes,
        None => found.attributes,
        Some(record) => {
            let kept = kept(record.attributes, found.attributes, file.attributes);
            // Its group bits are the list's mask (acl(5)): another mode would change what the list grants.
            let mode = if found.extended.contains_key(ACCESS_LIST) { found.attributes.mode } else { kept.mode };
            Attributes { mode, ..kept }
        }
    }
}

/// Owner, group and mode: each as wanted where it is what we gave, else as the administrator has it.
fn kept(given: Attributes, found: Attributes, wanted: Attributes) -> Attributes {
    let keep = |given: u32, found: u32, wanted: u32| if given == found { wanted } else { found };
    Attributes {
        uid: keep(given.uid, found.uid, wanted.uid),
        gid: keep(given.gid, found.gid, wanted.gid),
        mode: keep(given.mode, found.mode, wanted.mode),
    }
}

fn place(
    file: &WantedFile,
    contents: &[u8],
    (attributes, extended): (Attributes, Option<Extended>),
    record: &FileRecord,
    decision: &mut Decision,
) {
    decision.steps.push(Step::Place { path: file.path.clone(), contents: contents.to_vec(), attributes, extended });
    decision.files.insert(
        file.path.clone(),
        PendingFile { bytes: digest(contents), attributes, record: record.clone(), on_change: file.on_change.clone() },
    );
}

fn conclude(
    file: &WantedFile,
    state: State,
    note: Option<String>,
    record: FileRecord,
    is_new: bool,
    decision: &mut Decision,
) {
    if is_new {
        decision.rendered.insert(file.path.clone(), Some(file.contents.clone()));
    }
    decision.reports.push(Report { path: file.path.clone(), state, note });
    decision.records.insert(file.path.clone(), record);
}

fn remove_beside(path: &str, record: &FileRecord, snapshot: &Snapshot, decision: &mut Decision) {
    if record.beside.is_some() && record.beside.as_ref() == snapshot.beside.get(path) {
        decision.steps.push(Step::Remove { path: beside(path) });
    }
}

/// A link that holds something else than we put there is the administrator's, as
/// is one that he has deleted.
fn links(wanted: &Wanted, journal: &Journal, snapshot: &Snapshot, decision: &mut Decision) {
    for (path, target) in &wanted.links {
        let record = journal.links.get(path);
        let (state, note) = match (record, snapshot.links.get(path)) {
            (_, Some(Some(found))) if found == target => (State::Unchanged, None),
            (None, None) => (State::New, None),
            (Some(_), None) => (State::Deleted, None),
            (Some(record), Some(Some(found))) if found == record => (State::Changed, None),
            (record, Some(_)) if record == Some(target) => (State::Edited, None),
            (_, Some(_)) => {
                (State::Edited, Some(format!("it is not ours and is kept; the package wants a link to {target}")))
            }
        };
        if matches!(state, State::New | State::Changed) {
            decision.steps.push(Step::Link { path: path.clone(), target: target.clone() });
        }
        decision.reports.push(Report { path: path.clone(), state, note });
    }
}

/// What the package has no longer.
fn gone(wanted: &Wanted, journal: &Journal, snapshot: &Snapshot, decision: &mut Decision) {
    for (path, record) in &journal.files {
        if wanted.files.iter().any(|file| file.path == *path) {
            continue;
        }
        decision.rendered.insert(path.clone(), None);
        if snapshot.shipped.contains(path) {
            continue;
        }
        remove_beside(path, record, snapshot, decision);
        let note = match snapshot.files.get(path) {
            None => continue,
            Some(found) if digest(&found.bytes) == record.rendered => {
                decision.steps.push(Step::Remove { path: path.clone() });
                "the package has it no longer; it is removed".to_owned()
            }
            Some(_) => {
                decision.steps.push(Step::SetAside { path: path.clone() });
                format!("the package has it no longer; as you have edited it, it is now {}", aside(path))
            }
        };
        decision.reports.push(Report { path: path.clone(), state: State::Removed, note: Some(note) });
    }
    for (path, target) in &journal.links {
        let is_ours = snapshot.links.get(path) == Some(&Some(target.clone()));
        if !wanted.links.contains_key(path) && is_ours && !snapshot.shipped.contains(path) {
            decision.steps.push(Step::Remove { path: path.clone() });
            decision.reports.push(Report { path: path.clone(), state: State::Removed, note: None });
        }
    }
    for path in journal.directories.keys().rev() {
        let is_there = snapshot.directories.contains_key(path);
        if !wanted.directories.contains_key(path) && is_there && !snapshot.shipped.contains(path) {
            decision.steps.push(Step::RemoveDirectory { path: path.clone() });
        }
    }
}

#[cfg(test)]
mod tests;
