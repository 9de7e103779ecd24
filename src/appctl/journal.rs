//! `/var/lib/appctl/PACKAGE/journal`: what appctl has done to the machine, and
//! what it is about to do.
//!
//! Holds hashes, never contents. Before anything is changed, the journal says
//! under `pending` what each path is going to be; when all is done, the records
//! say so and `pending` is gone. A run that finds `pending` compares it with what
//! is there: what agrees was put there by the interrupted run and is recorded as
//! ours, what does not agree was not reached. So a file that was renamed into
//! place but not yet noted is never taken for an administrator's edit. Text and
//! values only; [`super::store`] reads and writes it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::fs::Attributes;
use crate::configuration::manifest::OnChange;
use crate::hex::hex;

/// The newest format of the journal that this version knows.
pub const FORMAT: u32 = 1;

/// SHA-256, in hexadecimal digits.
pub fn digest(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// What is known of a package.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Journal {
    /// Format, [`FORMAT`] at most.
    pub format: u32,
    /// Digest of everything that decided the last run; empty: not known.
    #[serde(default)]
    pub inputs: String,
    /// Files that were rendered, by path.
    #[serde(default)]
    pub files: BTreeMap<String, FileRecord>,
    /// Directories that were made or found, with what they were given.
    #[serde(default)]
    pub directories: BTreeMap<String, Attributes>,
    /// Links that were made, with what they held.
    #[serde(default)]
    pub links: BTreeMap<String, String>,
    /// Programs whose configuration has changed since they were last taken care of.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub changed: BTreeMap<String, Note>,
    /// What a run is about to do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pending: Option<Pending>,
}

/// A rendered file, as it was last given to the administrator.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileRecord {
    /// Digest of what was rendered last, whether or not it was put in place.
    pub rendered: String,
    /// Owner and mode that it was given; what differs was changed by the administrator.
    pub attributes: Attributes,
    /// Digest of the `.appctl-new` that was put beside it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub beside: Option<String>,
}

/// A program has to read its configuration again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Note {
    /// How.
    pub need: Need,
    /// When the last change was in place, by [`Clock`]; a process that started
    /// later has read it.
    pub at: Clock,
}

/// How a program takes over a change; the greater one includes the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Need {
    /// It reads its configuration again.
    Reload,
    /// It starts again.
    Restart,
}

/// A moment of a machine's run.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Clock {
    /// `/proc/sys/kernel/random/boot_id`; empty where it is not known.
    pub boot: String,
    /// Nanoseconds since boot (CLOCK_BOOTTIME).
    pub nanoseconds: u64,
}

/// What a run is about to do, written before it does anything.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pending {
    /// Files whose new contents may lie beside them under their temporary name.
    pub staged: Vec<String>,
    /// What files will be.
    pub files: BTreeMap<String, PendingFile>,
    /// What directories will be given.
    pub directories: BTreeMap<String, Attributes>,
    /// What links will hold.
    pub links: BTreeMap<String, String>,
}

/// What a file will be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PendingFile {
    /// Digest of the bytes that are put in place.
    pub bytes: String,
    /// Owner and mode that it gets.
    pub attributes: Attributes,
    /// Its record once that is done.
    pub record: FileRecord,
    /// What its change needs.
    #[serde(default)]
    pub on_change: OnChange,
}

impl PendingFile {
    /// Whether the file that is there is the one that was to be put there.
    pub fn is(&self, bytes: &[u8], attributes: Attributes) -> bool {
        self.attributes == attributes && self.bytes == digest(bytes)
    }
}

impl Journal {
    /// Note that these programs have to take over a change.
    pub fn note(&mut self, programs: impl IntoIterator<Item = (String, Need)>, at: &Clock) {
        for (program, need) in programs {
            let note = self.changed.entry(program).or_insert_with(|| Note { need, at: at.clone() });
            note.need = note.need.max(need);
            note.at = at.clone();
        }
    }

    /// A directory that an interrupted run may have given only half of what it
    /// wanted: what it has is ours where it is either the old or the new.
    pub fn settle_directory(&mut self, path: &str, wanted: Attributes, found: Attributes) {
        let Some(known) = self.directories.get_mut(path) else { return };
        let ours = |known: u32, wanted: u32, found: u32| if found == wanted { found } else { known };
        *known = Attributes {
            uid: ours(known.uid, wanted.uid, found.uid),
            gid: ours(known.gid, wanted.gid, found.gid),
            mode: ours(known.mode, wanted.mode, found.mode),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_restart_is_never_forgotten_for_a_reload() {
        let mut journal = Journal::default();
        let clock = |nanoseconds| Clock { boot: String::new(), nanoseconds };
        journal.note([("web".to_owned(), Need::Restart)], &clock(1));
        journal.note([("web".to_owned(), Need::Reload)], &clock(2));
        assert_eq!(journal.changed["web"], Note { need: Need::Restart, at: clock(2) });
    }

    #[test]
    fn half_of_a_directory_s_change_is_ours_and_the_rest_the_administrator_s() {
        let mut journal = Journal::default();
        let attributes = |uid, gid, mode| Attributes { uid, gid, mode };
        journal.directories.insert("/d".to_owned(), attributes(0, 0, 0o755));
        journal.settle_directory("/d", attributes(7, 7, 0o750), attributes(7, 0, 0o700));
        assert_eq!(journal.directories["/d"], attributes(7, 0, 0o755));
    }

    #[test]
    fn digests_are_sha256() {
        assert!(digest(b"").starts_with("e3b0c44298fc1c14"));
    }
}
