//! The only modules of appctl that read or change the file system.
//!
//! They work on descriptors: a path is walked once from the root's descriptor
//! ([`Root`]), and everything after that is done to a name in the directory so
//! found ([`Dir`]). Symbolic links are followed only where nobody but root could
//! have put them, so that a service's user who plants one, or swaps a directory
//! for one, gets a refusal that names the path. Files are replaced by renaming
//! (rename(2)), never written in place. Decides nothing about contents.

mod directory;
mod extended;
mod removal;
mod root;

use std::path::Path;

use nix::errno::Errno;
use nix::sys::stat::{FileStat, SFlag};
use nix::unistd::geteuid;

pub use self::directory::Dir;
pub use self::extended::{ACCESS_LIST, Extended};
pub use self::root::Root;
use crate::error::{Diagnostic, Error};

/// The largest file that is read or replaced, in bytes.
pub const LARGEST: u64 = 16 << 20;

/// Compiled into the tests' own build alone: contents are written in place, without
/// fsync(2) and rename(2), and the journal is not heeded. The tests must notice.
pub const PLANTED_BUG: bool = cfg!(feature = "planted-bug");

/// End of the name under which new contents wait for their rename.
const TEMPORARY: &str = ".appctl-tmp";

/// Who owns a file or directory, and its permission bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Attributes {
    /// User id.
    pub uid: u32,
    /// Group id.
    pub gid: u32,
    /// Permission bits, the lowest twelve of `st_mode`.
    pub mode: u32,
}

impl From<&FileStat> for Attributes {
    fn from(stat: &FileStat) -> Self {
        Self { uid: stat.st_uid, gid: stat.st_gid, mode: stat.st_mode & 0o7777 }
    }
}

/// A regular file as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contents {
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// Its owner and mode.
    pub attributes: Attributes,
    /// The extended attributes that it keeps when it is replaced.
    pub extended: Extended,
    /// Whether nobody but root can have put it where it is.
    pub is_roots: bool,
}

impl Contents {
    /// Whether somebody may have put it there who is neither root nor `owner`.
    pub fn is_planted(&self, owner: u32) -> bool {
        let uid = self.attributes.uid;
        !self.is_roots && uid != owner && !is_owner_trusted(uid)
    }
}

/// Who owns what a name in a directory is, and what that is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Holding {
    /// User id.
    pub uid: u32,
    /// How many names it has.
    pub links: u64,
    /// Whether it is a regular file.
    pub is_file: bool,
    /// Whether it is a directory.
    pub is_directory: bool,
}

/// What a name in a directory is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link.
    Link,
    /// Anything else: a FIFO, a socket, a device.
    Other,
}

impl Kind {
    fn of(stat: &FileStat) -> Self {
        match SFlag::from_bits_truncate(stat.st_mode) & SFlag::S_IFMT {
            SFlag::S_IFREG => Self::File,
            SFlag::S_IFDIR => Self::Directory,
            SFlag::S_IFLNK => Self::Link,
            _ => Self::Other,
        }
    }
}

/// The name under which the new contents of `name` wait.
pub fn temporary(name: &str) -> String {
    format!(".{name}{TEMPORARY}")
}

/// Directory and name of an absolute path; the directory of `/x` is empty.
pub fn split(path: &str) -> (&str, &str) {
    path.trim_end_matches('/').rsplit_once('/').unwrap_or(("", path))
}

/// Whether only root can change what names a directory has.
fn is_roots(stat: &FileStat) -> bool {
    is_owner_trusted(stat.st_uid) && stat.st_mode & 0o022 == 0
}

/// root; also ourselves, for who works in a root of his own.
fn is_owner_trusted(uid: u32) -> bool {
    uid == 0 || uid == geteuid().as_raw()
}

fn from_io(error: &std::io::Error) -> Errno {
    Errno::from_raw(error.raw_os_error().unwrap_or(nix::libc::EIO))
}

/// An error of the system, with what was tried, on what, and what to do.
pub fn failed(operation: &str, path: &Path, errno: Errno) -> Error {
    let shown = path.to_string_lossy();
    let shown = if shown.len() > 1 { shown.trim_end_matches('/') } else { &shown };
    let fault = Diagnostic::error(format!("cannot {operation} {shown}: {}", errno.desc()));
    match errno {
        Errno::EACCES | Errno::EPERM if !geteuid().is_root() => fault.hint("run appctl as root"),
        Errno::ENOSPC | Errno::EDQUOT => fault.hint("free some room on that file system, then run it again"),
        Errno::EROFS => fault.hint("mount that file system writable, then run it again"),
        _ => fault.hint("look at the path with ls -ld, and run it again"),
    }
    .into()
}
