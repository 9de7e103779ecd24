//! `/var/lib/appctl/PACKAGE`: the lock, the journal, the secrets, what was
//! rendered last, and the list of what purge removes.
//!
//! All of it is readable by root alone. Whoever holds a [`Store`] holds the
//! package's lock. Decides nothing.

use std::collections::BTreeSet;
use std::fs::File;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};
use nix::unistd::{getegid, geteuid};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::fs::{Attributes, Dir, Root};
use super::journal::{self, Journal, digest};
use super::secrets::{self, Secrets};
use crate::configuration::program::{self, Programs};
use crate::error::{Diagnostic, Error, Result};

/// How long another appctl is waited for.
const PATIENCE: Duration = Duration::from_secs(30);

/// The longest name of a file in `rendered/`, in bytes (NAME_MAX less the temporary name's).
const LONGEST: usize = 200;

const JOURNAL: &str = "journal";
const LOCK: &str = "lock";
const OWNED: &str = "owned";
const RENDERED: &str = "rendered";
/// At the end of a path in `owned`: purge removes the directory with all that is in it.
pub const WHOLE: &str = "/";
const INTERRUPTED: &str = "interrupted.json";
/// Name of the file with the secrets.
pub const SECRETS: &str = "secrets.json";

/// Processes that a converge is busy with, by their names for the manager that
/// is to run them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unfinished {
    /// They ran, and are to run again.
    #[serde(default)]
    pub run: BTreeSet<String>,
    /// Somebody had stopped them under other names: they are to stay so.
    #[serde(default)]
    pub rest: BTreeSet<String>,
}

impl Unfinished {
    /// Nothing is under way.
    pub fn is_empty(&self) -> bool {
        self.run.is_empty() && self.rest.is_empty()
    }
}

/// A package's state, locked.
#[derive(Debug)]
pub struct Store {
    directory: Dir,
    _lock: Flock<File>,
}

/// Owner and mode of everything in the state directory: ours alone.
pub fn private() -> Attributes {
    Attributes { uid: geteuid().as_raw(), gid: getegid().as_raw(), mode: 0o600 }
}

/// The state directory of a package.
pub fn path(package: &str) -> String {
    format!("/var/lib/appctl/{package}")
}

impl Store {
    /// Lock the state of `package`; `None` where there is none and `create` does not ask for one.
    ///
    /// # Errors
    /// [`Error::Locked`] where another appctl has it for 30 seconds.
    pub fn open(root: &Root, package: &str, create: bool) -> Result<Option<Self>> {
        let path = path(package);
        let directory = match root.directory(&path)? {
            Some(directory) => directory,
            None if create => {
                let (above, name) = root.make_parent(&path)?;
                above.make_directory(&name, 0o700)?;
                above.open(&name)?
            }
            None => return Ok(None),
        };
        directory.close_to_others()?;
        let lock = lock(directory.lock_file(LOCK)?, package)?;
        Ok(Some(Self { directory, _lock: lock }))
    }

    /// The programs as they were converged to last; `None` where they never were.
    pub fn programs(&self) -> Result<Option<Programs>> {
        self.json(program::LAST)
    }

    /// Keep the programs that have been converged to.
    pub fn write_programs(&self, programs: &Programs) -> Result<()> {
        self.directory.replace(program::LAST, &self.bytes(program::LAST, programs)?, private())
    }

    /// What a run that was killed has left undone.
    pub fn unfinished(&self) -> Result<Unfinished> {
        Ok(self.json(INTERRUPTED)?.unwrap_or_default())
    }

    /// Keep what is under way, or that nothing is.
    pub fn write_unfinished(&self, unfinished: &Unfinished) -> Result<()> {
        if unfinished.is_empty() {
            return self.directory.unlink(INTERRUPTED);
        }
        self.directory.replace(INTERRUPTED, &self.bytes(INTERRUPTED, unfinished)?, private())
    }

    /// The journal; an empty one where there is none.
    pub fn journal(&self) -> Result<Journal> {
        let journal: Journal = self.json(JOURNAL)?.unwrap_or_default();
        self.refuse_newer(JOURNAL, journal.format, journal::FORMAT)?;
        Ok(journal)
    }

    /// Put the journal on the disk.
    pub fn write_journal(&self, journal: &Journal) -> Result<()> {
        self.directory.replace(
            JOURNAL,
            &self.bytes(JOURNAL, &Journal { format: journal::FORMAT, ..journal.clone() })?,
            private(),
        )
    }

    /// The secrets; none where there is no file.
    pub fn secrets(&self) -> Result<Secrets> {
        let secrets: Secrets = self.json(SECRETS)?.unwrap_or_default();
        self.refuse_newer(SECRETS, secrets.format, secrets::FORMAT)?;
        Ok(secrets)
    }

    /// Have the secrets on the disk beside the present ones.
    pub fn stage_secrets(&self, secrets: &Secrets) -> Result<()> {
        let bytes = self.bytes(SECRETS, &Secrets { format: secrets::FORMAT, ..secrets.clone() })?;
        self.directory.stage(SECRETS, &bytes, private(), None)
    }

    /// Let what [`Self::stage_secrets`] wrote count.
    pub fn commit_secrets(&self) -> Result<()> {
        self.directory.commit(SECRETS)?;
        self.directory.sync()
    }

    /// The paths that purge removes.
    pub fn owned(&self) -> Result<BTreeSet<String>> {
        let text = self.directory.read(OWNED)?.map(|contents| contents.bytes).unwrap_or_default();
        Ok(String::from_utf8_lossy(&text).lines().map(str::to_owned).collect())
    }

    /// Write the paths that purge removes: one a line, whatever is in a
    /// directory before the directory.
    pub fn write_owned(&self, paths: &BTreeSet<String>) -> Result<()> {
        let text: String = paths.iter().rev().map(|path| format!("{path}\n")).collect();
        self.directory.replace(OWNED, text.as_bytes(), private())
    }

    /// What was rendered for `path` last; `None` where it is not known.
    pub fn rendered(&self, path: &str) -> Result<Option<Vec<u8>>> {
        match self.directory.kind(RENDERED)? {
            Some(_) => Ok(self.rendered_directory()?.read(&encoded(path))?.map(|contents| contents.bytes)),
            None => Ok(None),
        }
    }

    /// The directory of what was rendered; made where it is missing.
    pub fn rendered_directory(&self) -> Result<Dir> {
        if self.directory.kind(RENDERED)?.is_none() {
            self.directory.make_directory(RENDERED, 0o700)?;
        }
        self.directory.open(RENDERED)
    }

    /// Remove what interrupted runs have left in the state directory.
    pub fn sweep(&self) -> Result<()> {
        self.directory.sweep()?;
        match self.directory.kind(RENDERED)? {
            Some(_) => self.rendered_directory()?.sweep(),
            None => Ok(()),
        }
    }

    fn json<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>> {
        let Some(contents) = self.directory.read(name)? else { return Ok(None) };
        // The parser's own words may show what it has read.
        serde_json::from_slice(&contents.bytes).map(Some).map_err(|error| {
            let path = self.directory.path().join(name);
            let otherwise = match name {
                SECRETS => {
                    "move it away, and new secrets are made: what was signed or stored with the old ones is lost"
                }
                program::LAST => "move it away, and the programs are looked at anew",
                _ => "move it away, and what is on the disk counts as edited",
            };
            Diagnostic::error(format!("{} is damaged in line {}", path.display(), error.line()))
                .hint(format!("restore it from a backup; without one, {otherwise}"))
                .into()
        })
    }

    fn bytes(&self, name: &str, value: &impl Serialize) -> Result<Vec<u8>> {
        let text = serde_json::to_string_pretty(value).map_err(|error| {
            Error::bug(format!("cannot write {}: {error}", self.directory.path().join(name).display()))
        })?;
        Ok((text + "\n").into_bytes())
    }

    fn refuse_newer(&self, name: &str, format: u32, known: u32) -> Result<()> {
        if format <= known {
            return Ok(());
        }
        let path = self.directory.path().join(name);
        Err(Diagnostic::error(format!("{} has format {format}; this appctl knows {known}", path.display()))
            .hint("install the newer appctl again")
            .into())
    }
}

/// The name in `rendered/` for a path: without its first `/`, the others as `%2F`.
pub fn encoded(path: &str) -> String {
    let name = path.trim_start_matches('/').replace('%', "%25").replace('/', "%2F");
    if name.len() > LONGEST { digest(path.as_bytes()) } else { name }
}

fn lock(file: File, package: &str) -> Result<Flock<File>> {
    let began = Instant::now();
    let mut file = file;
    loop {
        match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(lock) => return Ok(lock),
            Err((again, Errno::EWOULDBLOCK | Errno::EINTR)) if began.elapsed() < PATIENCE => file = again,
            Err((_, Errno::EWOULDBLOCK | Errno::EINTR)) => {
                return Err(Error::Locked(
                    Diagnostic::error(format!("another appctl has been working on {package} for 30 seconds"))
                        .hint("wait until it has ended, then run this again"),
                ));
            }
            Err((_, errno)) => {
                return Err(Diagnostic::error(format!("cannot lock the state of {package}: {}", errno.desc()))
                    .hint(format!("look at the file system of {}", path(package)))
                    .into());
            }
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_rendered_files_are_distinct_and_short() {
        assert_eq!(encoded("/etc/notes/a%b.ini"), "etc%2Fnotes%2Fa%25b.ini");
        assert_ne!(encoded("/etc/a%2Fb"), encoded("/etc/a/b"));
        assert_eq!(encoded(&format!("/{}", "x".repeat(300))).len(), 64);
    }
}
