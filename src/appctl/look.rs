//! What is on the disk of all that a package has had or shall have. Reads, and changes
//! nothing.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::time::Duration;

use super::decide::{self, Snapshot, Wanted};
use super::fs::{Kind, Root};
use super::journal::{FileRecord, Journal, digest};
use super::process::{self, Child, Whose};
use super::store::Store;
use crate::error::{Diagnostic, Result};

/// Where is looked.
pub struct Look<'a> {
    /// The directory that all paths begin at.
    pub root: &'a Root,
    /// The package's name.
    pub package: &'a str,
    /// What the package has had.
    pub journal: &'a Journal,
    /// Where what was rendered is kept.
    pub store: Option<&'a Store>,
}

impl Look<'_> {
    /// What is there of what is wanted, and of what is wanted no longer.
    pub fn snapshot(&self, wanted: &Wanted) -> Result<Snapshot> {
        let root = self.root;
        let mut snapshot = Snapshot::default();
        for file in &wanted.files {
            if let Some(found) = root.read(&file.path)? {
                if file.merge {
                    self.add_base(&file.path, &found.bytes, &mut snapshot)?;
                }
                snapshot.files.insert(file.path.clone(), found);
            }
        }
        for (path, record) in &self.journal.files {
            self.add_known(path, record, &mut snapshot)?;
        }
        for path in wanted.directories.keys().chain(self.journal.directories.keys()) {
            if let Some(found) = root.directory(path)? {
                snapshot.directories.insert(path.clone(), found.attributes()?);
            }
        }
        for path in wanted.links.keys().chain(self.journal.links.keys()) {
            let Some((directory, name)) = root.parent(path)? else { continue };
            if directory.kind(&name)?.is_some() {
                snapshot.links.insert(path.clone(), directory.link(&name)?);
            }
        }
        let gone = self.gone(wanted);
        if !gone.is_empty() {
            snapshot.shipped = shipped(root, self.package, gone)?;
        }
        Ok(snapshot)
    }

    fn add_base(&self, path: &str, found: &[u8], snapshot: &mut Snapshot) -> Result<()> {
        let is_edited = self.journal.files.get(path).is_some_and(|record| record.rendered != digest(found));
        if let (true, Some(store)) = (is_edited, self.store) {
            if let Some(base) = store.rendered(path)? {
                snapshot.rendered.insert(path.to_owned(), base);
            }
        }
        Ok(())
    }

    fn add_known(&self, path: &str, record: &FileRecord, snapshot: &mut Snapshot) -> Result<()> {
        let root = self.root;
        if !snapshot.files.contains_key(path) && root.kind(path)? == Some(Kind::File) {
            snapshot.files.extend(root.read(path)?.map(|found| (path.to_owned(), found)));
        }
        let beside = decide::beside(path);
        if record.beside.is_some() && root.kind(&beside)? == Some(Kind::File) {
            snapshot.beside.extend(root.read(&beside)?.map(|found| (path.to_owned(), digest(&found.bytes))));
        }
        Ok(())
    }

    /// What the package has had and has no longer.
    fn gone(&self, wanted: &Wanted) -> BTreeSet<&str> {
        let files = self.journal.files.keys().filter(|path| !wanted.files.iter().any(|file| file.path == **path));
        let links = self.journal.links.keys().filter(|path| !wanted.links.contains_key(*path));
        let directories = self.journal.directories.keys().filter(|path| !wanted.directories.contains_key(*path));
        files.chain(links).chain(directories).map(String::as_str).collect()
    }
}

/// Those of the paths that the package ships now, as dpkg-query(1) knows it.
fn shipped(root: &Root, package: &str, paths: BTreeSet<&str>) -> Result<BTreeSet<String>> {
    let mut words: Vec<OsString> = vec!["dpkg-query".into(), "--root".into(), root.path().into()];
    words.extend(["--search", "--"].into_iter().chain(paths).map(OsString::from));
    let environment = [("PATH", "/usr/sbin:/usr/bin:/sbin:/bin"), ("LC_ALL", "C")];
    let environment = environment.into_iter().map(|(name, value)| (name.into(), value.into())).collect();
    let child =
        Child { words, environment, directory: "/".into(), limit: Duration::from_secs(60), whose: Whose::System };
    let ended = process::run(&child)?;
    // 1: some of them belong to no package.
    if !matches!(ended.status, Some(0 | 1)) {
        return Err(Diagnostic::error(format!(
            "dpkg-query cannot tell whose files these are: {}",
            ended.output.trim()
        ))
        .hint("run 'dpkg --audit', and 'dpkg --configure -a' afterwards")
        .into());
    }
    // `PACKAGE[:ARCHITECTURE][, …]: PATH`
    let is_ours = |name: &str| name.split(':').next() == Some(package);
    let lines = ended.output.lines().filter_map(|line| line.split_once(": "));
    Ok(lines.filter(|(names, _)| names.split(", ").any(is_ours)).map(|(_, path)| path.to_owned()).collect())
}
