//! The only module of appctl that reads or changes the file system.
//!
//! Works on descriptors: a path is walked once from the root's descriptor, and
//! everything after that is done to a name in the directory so found. Symbolic
//! links are followed only where nobody but root could have put them, so that a
//! service's user who plants one, or swaps a directory for one, gets a refusal
//! that names the path. Files are replaced by renaming (rename(2)), never written in
//! place. Decides nothing about contents.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

use nix::dir::Dir as Listing;
use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, OpenHow, ResolveFlag, openat, openat2, readlinkat, renameat};
use nix::sys::stat::{FileStat, Mode, SFlag, fchmod, fstat, fstatat, mkdirat};
use nix::unistd::{Gid, Uid, UnlinkatFlags, fchown, fsync, geteuid, symlinkat, unlinkat};

use crate::error::{Diagnostic, Error, Result};

/// The largest file that is read or replaced, in bytes.
pub const LARGEST: u64 = 16 << 20;

/// As many symbolic links as the kernel follows in one path (path_resolution(7)).
const MOST_LINKS: usize = 40;

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

/// The directory that all paths begin at: `/`, or that of `--root`.
#[derive(Debug)]
pub struct Root {
    fd: OwnedFd,
    path: PathBuf,
}

impl Root {
    /// Open the root directory.
    pub fn open(path: &Path) -> Result<Self> {
        let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        let fd = nix::fcntl::open(path, flags, Mode::empty()).map_err(|errno| failed("open", path, errno))?;
        Ok(Self { fd, path: path.to_owned() })
    }

    /// Whether it is the machine's own root, not that of `--root`.
    pub fn is_machine(&self) -> bool {
        self.path == Path::new("/")
    }

    /// The root as it was named.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// `path` as a message shows it and a process outside the root reaches it.
    pub fn outside(&self, path: &str) -> PathBuf {
        self.path.join(path.trim_start_matches('/'))
    }

    /// The directory at `path`; `None` where there is none.
    pub fn directory(&self, path: &str) -> Result<Option<Dir>> {
        let shown = self.outside(path);
        let relative = Path::new(path.trim_start_matches('/'));
        let relative = if relative.as_os_str().is_empty() { Path::new(".") } else { relative };
        let how = OpenHow::new()
            .flags(OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC)
            .resolve(ResolveFlag::RESOLVE_NO_SYMLINKS | ResolveFlag::RESOLVE_IN_ROOT);
        match openat2(&self.fd, relative, how) {
            Ok(fd) => Ok(Some(Dir { fd, path: shown })),
            Err(Errno::ENOENT) => Ok(None),
            // A link on the way, or a kernel or sandbox without openat2: step by step.
            Err(Errno::ELOOP | Errno::EAGAIN | Errno::ENOSYS | Errno::EPERM | Errno::EINVAL) => {
                Ok(self.walk(relative)?.map(|fd| Dir { fd, path: shown }))
            }
            Err(errno) => Err(failed("open", &shown, errno)),
        }
    }

    /// [`Self::directory`], one component after the other, following the links
    /// that only root can have made.
    fn walk(&self, relative: &Path) -> Result<Option<OwnedFd>> {
        let path_only = OFlag::O_PATH | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let shown = self.path.join(relative);
        let error = |errno| failed("open", &shown, errno);
        let mut above: Vec<OwnedFd> = Vec::new();
        let mut pending = names(relative);
        let mut links = 0;
        while let Some(name) = pending.pop() {
            if name == ".." {
                above.pop();
                continue;
            }
            let current = above.last().unwrap_or(&self.fd);
            let fd = match openat(current, name.as_os_str(), path_only, Mode::empty()) {
                Ok(fd) => fd,
                Err(Errno::ENOENT) => return Ok(None),
                Err(errno) => return Err(error(errno)),
            };
            let stat = fstat(&fd).map_err(error)?;
            match Kind::of(&stat) {
                Kind::Directory => above.push(fd),
                Kind::Link => {
                    let holder = fstat(current).map_err(error)?;
                    links += 1;
                    if links > MOST_LINKS {
                        return Err(error(Errno::ELOOP));
                    }
                    if !is_roots(&holder) || !is_owner_trusted(stat.st_uid) {
                        return Err(planted(&shown, &name, &holder));
                    }
                    let target = readlinkat(&fd, "").map_err(error)?;
                    if target.as_bytes().starts_with(b"/") {
                        above.clear();
                    }
                    pending.extend(names(Path::new(&target)));
                }
                Kind::File | Kind::Other => return Err(error(Errno::ENOTDIR)),
            }
        }
        let found = above.last().unwrap_or(&self.fd);
        let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        openat(found, ".", flags, Mode::empty()).map(Some).map_err(error)
    }

    /// The directory that holds `path`, and its name there; `None` where that directory is not there.
    pub fn parent(&self, path: &str) -> Result<Option<(Dir, String)>> {
        let (above, name) = split(path);
        Ok(self.directory(above)?.map(|directory| (directory, name.to_owned())))
    }

    /// [`Self::parent`], made with mode 0755 where it is missing.
    pub fn make_parent(&self, path: &str) -> Result<(Dir, String)> {
        let (above, name) = split(path);
        for missing in self.missing_above(path)? {
            if let Some((directory, name)) = self.parent(&missing)? {
                directory.make_directory(&name, 0o755)?;
            }
        }
        match self.directory(above)? {
            Some(directory) => Ok((directory, name.to_owned())),
            None => Err(failed("open", &self.outside(above), Errno::ENOENT)),
        }
    }

    /// The directories above `path` that are not there, the highest first.
    pub fn missing_above(&self, path: &str) -> Result<Vec<String>> {
        let mut missing = Vec::new();
        let mut above = split(path).0;
        while !above.is_empty() && self.directory(above)?.is_none() {
            missing.push(above.to_owned());
            above = split(above).0;
        }
        missing.reverse();
        Ok(missing)
    }

    /// What is at `path`, itself and not what a link leads to; `None`: nothing.
    pub fn kind(&self, path: &str) -> Result<Option<Kind>> {
        match self.parent(path)? {
            Some((directory, name)) => directory.kind(&name),
            None => Ok(None),
        }
    }

    /// The regular file at `path`; `None` where nothing is. It is one that may be
    /// replaced: see [`Dir::read`] for what is refused.
    pub fn read(&self, path: &str) -> Result<Option<Contents>> {
        match self.parent(path)? {
            Some((directory, name)) => directory.read(&name),
            None => Ok(None),
        }
    }

    /// The bytes of a file that is only read, such as a manifest or an
    /// administrator's settings: it may have several links, and be reached by
    /// symbolic links where only root can have put them.
    pub fn input(&self, path: &str) -> Result<Option<Vec<u8>>> {
        let mut path = path.to_owned();
        for _ in 0..MOST_LINKS {
            let Some((directory, name)) = self.parent(&path)? else { return Ok(None) };
            let Some(stat) = directory.stat(&name)? else { return Ok(None) };
            if Kind::of(&stat) != Kind::Link {
                return Ok(directory.read_any(&name, false)?.map(|contents| contents.bytes));
            }
            let holder = fstat(&directory.fd).map_err(|errno| directory.error("inspect", "", errno))?;
            if !is_roots(&holder) || !is_owner_trusted(stat.st_uid) {
                return Err(planted(&self.outside(&path), OsStr::new(&name), &holder));
            }
            let target = directory.link(&name)?.unwrap_or_default();
            path = if target.starts_with('/') { target } else { format!("{}/{target}", split(&path).0) };
        }
        Err(failed("read", &self.outside(&path), Errno::ELOOP))
    }

    /// The text of a file, as [`Self::input`] reads it.
    pub fn text(&self, path: &str) -> Result<Option<String>> {
        match self.input(path)? {
            None => Ok(None),
            Some(bytes) => match String::from_utf8(bytes) {
                Ok(text) => Ok(Some(text)),
                Err(_) => Err(Diagnostic::error(format!("{} is not UTF-8", self.outside(path).display()))
                    .hint("save the file as UTF-8")
                    .into()),
            },
        }
    }

    /// The names in the directory at `path`, as [`Dir::names`].
    pub fn names(&self, path: &str) -> Result<Option<Vec<String>>> {
        self.directory(path)?.map(|directory| directory.names()).transpose()
    }
}

/// An open directory.
#[derive(Debug)]
pub struct Dir {
    fd: OwnedFd,
    path: PathBuf,
}

impl Dir {
    /// Where it was found, for messages.
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn error(&self, operation: &str, name: &str, errno: Errno) -> Error {
        failed(operation, &self.path.join(name), errno)
    }

    /// The same directory, with a descriptor of its own.
    pub fn try_clone(&self) -> Result<Self> {
        let fd = self.fd.try_clone().map_err(|error| self.error("open", "", from_io(&error)))?;
        Ok(Self { fd, path: self.path.clone() })
    }

    /// Owner and mode of the directory itself.
    pub fn attributes(&self) -> Result<Attributes> {
        fstat(&self.fd).map(|stat| Attributes::from(&stat)).map_err(|errno| self.error("inspect", "", errno))
    }

    /// Give the directory an owner and a mode.
    pub fn set_attributes(&self, wanted: Attributes) -> Result<()> {
        self.give(&self.fd, "", wanted)
    }

    fn stat(&self, name: &str) -> Result<Option<FileStat>> {
        match fstatat(&self.fd, name, AtFlags::AT_SYMLINK_NOFOLLOW) {
            Ok(stat) => Ok(Some(stat)),
            Err(Errno::ENOENT) => Ok(None),
            Err(errno) => Err(self.error("inspect", name, errno)),
        }
    }

    /// What `name` is, itself and not what a link leads to; `None`: nothing.
    pub fn kind(&self, name: &str) -> Result<Option<Kind>> {
        Ok(self.stat(name)?.as_ref().map(Kind::of))
    }

    /// The regular file `name`; `None` where nothing is. Anything else, a file
    /// with several links and one larger than [`LARGEST`] are refused.
    pub fn read(&self, name: &str) -> Result<Option<Contents>> {
        self.read_any(name, true)
    }

    fn read_any(&self, name: &str, alone: bool) -> Result<Option<Contents>> {
        let Some(stat) = self.stat(name)? else { return Ok(None) };
        self.refuse_unless_plain(name, &stat, alone)?;
        // O_NONBLOCK: what was a file a moment ago may be a FIFO now.
        let flags = OFlag::O_RDONLY | OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_NOCTTY | OFlag::O_CLOEXEC;
        let fd = match openat(&self.fd, name, flags, Mode::empty()) {
            Ok(fd) => fd,
            Err(Errno::ENOENT) => return Ok(None),
            Err(errno) => return Err(self.error("read", name, errno)),
        };
        let stat = fstat(&fd).map_err(|errno| self.error("inspect", name, errno))?;
        self.refuse_unless_plain(name, &stat, alone)?;
        let mut bytes = Vec::new();
        File::from(fd)
            .take(LARGEST + 1)
            .read_to_end(&mut bytes)
            .map_err(|error| self.error("read", name, from_io(&error)))?;
        if bytes.len() as u64 > LARGEST {
            return Err(self.refusal(name, "is larger than 16 MB"));
        }
        Ok(Some(Contents { bytes, attributes: Attributes::from(&stat) }))
    }

    fn refuse_unless_plain(&self, name: &str, stat: &FileStat, alone: bool) -> Result<()> {
        match Kind::of(stat) {
            Kind::File if alone && stat.st_nlink > 1 => Err(self.refusal(name, "is a file with several hard links")),
            Kind::File if stat.st_size as u64 > LARGEST => Err(self.refusal(name, "is larger than 16 MB")),
            Kind::File => Ok(()),
            Kind::Link => Err(self.refusal(name, "is a symbolic link")),
            Kind::Directory => Err(self.refusal(name, "is a directory")),
            Kind::Other => Err(self.refusal(name, "is neither a file nor a directory")),
        }
    }

    fn refusal(&self, name: &str, what: &str) -> Error {
        Diagnostic::error(format!("{} {what}; it is left alone", self.path.join(name).display()))
            .hint("move it away, or put a regular file in its place")
            .into()
    }

    /// Write `bytes` beside `name`, where [`Self::commit`] finds them: owner and
    /// mode are set before the first byte, and the bytes are on the disk on return.
    pub fn stage(&self, name: &str, bytes: &[u8], attributes: Attributes) -> Result<()> {
        if PLANTED_BUG {
            return self.overwrite(name, bytes, attributes);
        }
        let temporary = temporary(name);
        self.unlink(&temporary)?;
        let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let fd = openat(&self.fd, temporary.as_str(), flags, Mode::from_bits_truncate(0o600))
            .map_err(|errno| self.error("create", &temporary, errno))?;
        let written = self.fill(fd, &temporary, bytes, attributes);
        if written.is_err() {
            // Worthless now; the first error is the one to report.
            let _ = self.unlink(&temporary);
        }
        written
    }

    /// What [`PLANTED_BUG`] does instead of [`Self::stage`].
    fn overwrite(&self, name: &str, bytes: &[u8], attributes: Attributes) -> Result<()> {
        let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_TRUNC | OFlag::O_CLOEXEC;
        let fd = openat(&self.fd, name, flags, Mode::from_bits_truncate(0o600))
            .map_err(|errno| self.error("create", name, errno))?;
        let mut file = File::from(fd);
        for part in bytes.chunks(bytes.len() / 2 + 1) {
            file.write_all(part).map_err(|error| self.error("write", name, from_io(&error)))?;
        }
        self.give(&file, name, attributes)
    }

    fn fill(&self, fd: OwnedFd, name: &str, bytes: &[u8], attributes: Attributes) -> Result<()> {
        self.give(&fd, name, attributes)?;
        let mut file = File::from(fd);
        file.write_all(bytes).map_err(|error| self.error("write", name, from_io(&error)))?;
        fsync(&file).map_err(|errno| self.error("write", name, errno))
    }

    /// Owner and mode by descriptor, each only where it is not so already:
    /// chown(2) clears the set-id bits, so the mode comes last.
    fn give(&self, fd: impl AsFd, name: &str, wanted: Attributes) -> Result<()> {
        let stat = fstat(&fd).map_err(|errno| self.error("inspect", name, errno))?;
        if (stat.st_uid, stat.st_gid) != (wanted.uid, wanted.gid) {
            fchown(&fd, Some(Uid::from_raw(wanted.uid)), Some(Gid::from_raw(wanted.gid)))
                .map_err(|errno| self.error("change the owner of", name, errno))?;
        }
        if stat.st_mode & 0o7777 != wanted.mode || stat.st_mode & 0o6000 != 0 {
            fchmod(&fd, Mode::from_bits_truncate(wanted.mode))
                .map_err(|errno| self.error("change the mode of", name, errno))?;
        }
        Ok(())
    }

    /// Put what [`Self::stage`] wrote in the place of `name`, in one step.
    pub fn commit(&self, name: &str) -> Result<()> {
        if PLANTED_BUG && self.kind(&temporary(name))?.is_none() {
            return Ok(());
        }
        self.rename(&temporary(name), name)
    }

    /// Drop what [`Self::stage`] wrote, if it is still there.
    pub fn drop_staged(&self, name: &str) -> Result<()> {
        self.unlink(&temporary(name))
    }

    /// Write `name` whole, readable by its owner alone.
    pub fn replace(&self, name: &str, bytes: &[u8], attributes: Attributes) -> Result<()> {
        self.stage(name, bytes, attributes)?;
        self.commit(name)?;
        self.sync()
    }

    /// Rename within the directory; what has the new name is replaced.
    pub fn rename(&self, from: &str, to: &str) -> Result<()> {
        renameat(&self.fd, from, &self.fd, to).map_err(|errno| self.error("rename to", to, errno))
    }

    /// Remove `name`, which is no directory; nothing there is fine.
    pub fn unlink(&self, name: &str) -> Result<()> {
        match unlinkat(&self.fd, name, UnlinkatFlags::NoRemoveDir) {
            Ok(()) | Err(Errno::ENOENT) => Ok(()),
            Err(errno) => Err(self.error("remove", name, errno)),
        }
    }

    /// Remove the directory `name` if it is empty; whether it is gone.
    pub fn remove_empty(&self, name: &str) -> Result<bool> {
        match unlinkat(&self.fd, name, UnlinkatFlags::RemoveDir) {
            Ok(()) | Err(Errno::ENOENT) => Ok(true),
            Err(Errno::ENOTEMPTY | Errno::EEXIST | Errno::EBUSY | Errno::ENOTDIR) => Ok(false),
            Err(errno) => Err(self.error("remove", name, errno)),
        }
    }

    /// Remove `name` with everything below it, following no link.
    pub fn remove_tree(&self, name: &str) -> Result<()> {
        if self.kind(name)? == Some(Kind::Directory) {
            let below = self.open(name)?;
            for entry in below.names()? {
                below.remove_tree(&entry)?;
            }
            self.remove_empty(name).map(|_| ())
        } else {
            self.unlink(name)
        }
    }

    /// What the symbolic link `name` holds; `None` where it is no link.
    pub fn link(&self, name: &str) -> Result<Option<String>> {
        match readlinkat(&self.fd, name) {
            Ok(target) => Ok(Some(target.to_string_lossy().into_owned())),
            Err(Errno::ENOENT | Errno::EINVAL) => Ok(None),
            Err(errno) => Err(self.error("read", name, errno)),
        }
    }

    /// Make `name` a symbolic link that holds `target`, in one step.
    pub fn put_link(&self, name: &str, target: &str) -> Result<()> {
        let temporary = temporary(name);
        self.unlink(&temporary)?;
        symlinkat(target, &self.fd, temporary.as_str()).map_err(|errno| self.error("create", &temporary, errno))?;
        self.commit(name)
    }

    /// Make the directory `name`; one that is there already is fine.
    pub fn make_directory(&self, name: &str, mode: u32) -> Result<()> {
        match mkdirat(&self.fd, name, Mode::from_bits_truncate(mode)) {
            Ok(()) | Err(Errno::EEXIST) => Ok(()),
            Err(errno) => Err(self.error("create the directory", name, errno)),
        }
    }

    /// The directory `name`, which must be one and no link.
    pub fn open(&self, name: &str) -> Result<Self> {
        let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        match openat(&self.fd, name, flags, Mode::empty()) {
            Ok(fd) => Ok(Self { fd, path: self.path.join(name) }),
            Err(Errno::ENOTDIR | Errno::ELOOP) => {
                Err(Diagnostic::error(format!("{} is no directory; it is left alone", self.path.join(name).display()))
                    .hint("move it away, or put a directory in its place")
                    .into())
            }
            Err(errno) => Err(self.error("open", name, errno)),
        }
    }

    /// The names in the directory, sorted; those that are not UTF-8 are left out.
    pub fn names(&self) -> Result<Vec<String>> {
        let error = |errno| self.error("list", "", errno);
        let again = openat(&self.fd, ".", OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC, Mode::empty());
        let mut listing = Listing::from_fd(again.map_err(error)?).map_err(error)?;
        let mut names = Vec::new();
        for entry in listing.iter() {
            let entry = entry.map_err(error)?;
            if let Ok(name) = entry.file_name().to_str() {
                if name != "." && name != ".." {
                    names.push(name.to_owned());
                }
            }
        }
        names.sort_unstable();
        Ok(names)
    }

    /// The file `name` for locking: opened, and made with mode 0600 only where it is missing.
    pub fn lock_file(&self, name: &str) -> Result<File> {
        let open = |more| {
            let flags = OFlag::O_RDWR | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC | more;
            openat(&self.fd, name, flags, Mode::from_bits_truncate(0o600))
        };
        match open(OFlag::empty()) {
            Err(Errno::ENOENT) => open(OFlag::O_CREAT),
            other => other,
        }
        .map(File::from)
        .map_err(|errno| self.error("open", name, errno))
    }

    /// Remove what interrupted runs have left in the directory.
    pub fn sweep(&self) -> Result<()> {
        for name in self.names()? {
            if name.ends_with(TEMPORARY) {
                self.unlink(&name)?;
            }
        }
        Ok(())
    }

    /// Have the directory's names on the disk.
    pub fn sync(&self) -> Result<()> {
        fsync(&self.fd).map_err(|errno| self.error("write", "", errno))
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

/// The names of a path, last first; `.` and the root are left out.
fn names(path: &Path) -> Vec<OsString> {
    path.components()
        .rev()
        .filter_map(|component| match component {
            Component::Normal(name) => Some(name.to_owned()),
            Component::ParentDir => Some(OsString::from("..")),
            _ => None,
        })
        .collect()
}

/// Whether only root can change what names a directory has.
fn is_roots(stat: &FileStat) -> bool {
    is_owner_trusted(stat.st_uid) && stat.st_mode & 0o022 == 0
}

/// root; also ourselves, for who works in a root of his own.
fn is_owner_trusted(uid: u32) -> bool {
    uid == 0 || uid == geteuid().as_raw()
}

fn planted(path: &Path, name: &OsStr, holder: &FileStat) -> Error {
    Diagnostic::error(format!(
        "on the way to {}, {} is a symbolic link where user {} could have put it; it is not followed",
        path.display(),
        name.to_string_lossy(),
        holder.st_uid
    ))
    .hint("put a directory in its place; mount(8) --bind reaches another disk")
    .into()
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
