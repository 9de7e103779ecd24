//! A venv as it stands on the disk: its listing and its distributions.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use crate::digest::digest;
use crate::error::{Error, Result};
use crate::helper::venv::tree::{self, Installed};
use crate::input::{self, Entry, Facts, Kind};

/// A tree as it stands: listing, distributions.
pub struct Contents {
    /// All entries.
    pub entries: Vec<Entry>,
    /// The distributions in it.
    pub distributions: Vec<Installed>,
}

impl Contents {
    /// Whether a distribution with this dist-info directory is there.
    pub fn has(&self, directory: &Path) -> bool {
        self.distributions.iter().any(|one| one.directory == directory)
    }

    /// Whether this very path is there.
    pub fn holds(&self, path: &Path) -> bool {
        self.entries.binary_search_by(|entry| entry.path.as_path().cmp(path)).is_ok()
    }

    /// Digest of all that the RECORD files declare: of the tree, that is, byte code apart.
    pub fn digest(&self) -> String {
        let lines = self.distributions.iter().flat_map(|one| {
            one.rows.iter().map(|(path, row)| format!("{} {} {}", one.directory.display(), path.display(), row.hash))
        });
        digest(lines.collect::<Vec<_>>().iter().map(String::as_str))
    }
}

/// Read a venv's listing and RECORD files.
pub fn contents(root: &Path, site: &Path) -> Result<Contents> {
    listed(root, site, input::tree(root)?)
}

/// Read the RECORD files of a venv with this listing.
pub fn listed(root: &Path, site: &Path, entries: Vec<Entry>) -> Result<Contents> {
    let mut distributions = Vec::new();
    for entry in &entries {
        let is_info = entry.path.extension() == Some(OsStr::new("dist-info")) && entry.path.parent() == Some(site);
        if is_info && entry.kind == Kind::Directory {
            let record = root.join(&entry.path).join("RECORD");
            let text = input::text(&record)?.ok_or_else(|| {
                Error::failed(format!("{} has no RECORD: its installation is incomplete", entry.path.display()))
            })?;
            distributions.push(tree::installed(&entry.path, &text, site));
        }
    }
    Ok(Contents { entries, distributions })
}

/// A checked tree: its listing, and what one pass over its bytes told.
#[derive(Default)]
pub struct Snapshot {
    /// All entries that the phase is about.
    pub entries: Vec<Entry>,
    /// Facts of their files.
    pub facts: BTreeMap<PathBuf, Facts>,
}
