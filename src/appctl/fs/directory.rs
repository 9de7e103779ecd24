//! An open directory, and what is done to the names in it.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, openat, readlinkat, renameat};
use nix::sys::stat::{FileStat, Mode, SFlag, fchmod, fstat, fstatat, mkdirat};
use nix::unistd::{Gid, Uid, UnlinkatFlags, fchown, fsync, symlinkat, unlinkat};
use rustix::fs::{StatxAttributes, StatxFlags, statx};

use super::{
    Attributes, Contents, Extended, Holding, Kind, LARGEST, PLANTED_BUG, TEMPORARY, extended, failed, from_io,
    is_roots, temporary,
};
use crate::error::{Diagnostic, Error, Result};

/// An open directory.
#[derive(Debug)]
pub struct Dir {
    pub(super) fd: OwnedFd,
    path: PathBuf,
    real: PathBuf,
}

impl Dir {
    /// One that the root has found.
    pub(super) fn new(fd: OwnedFd, path: PathBuf, real: PathBuf) -> Self {
        Self { fd, path, real }
    }

    /// Its path below the root, on which there is no link; empty for the root.
    pub fn real(&self) -> String {
        let real = self.real.to_string_lossy();
        if real.is_empty() { String::new() } else { format!("/{real}") }
    }

    /// Where it was found, for messages.
    pub fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn error(&self, operation: &str, name: &str, errno: Errno) -> Error {
        failed(operation, &self.path.join(name), errno)
    }

    /// Owner and mode of the directory itself.
    pub fn attributes(&self) -> Result<Attributes> {
        self.own_stat().map(|stat| Attributes::from(&stat))
    }

    /// Nobody but its owner may look into it, whatever chmod(1) has been told.
    pub fn close_to_others(&self) -> Result<()> {
        let found = self.attributes()?;
        let closed = Attributes { mode: found.mode & !0o077, ..found };
        if found == closed { Ok(()) } else { self.set_attributes(closed) }
    }

    pub(super) fn own_stat(&self) -> Result<FileStat> {
        fstat(&self.fd).map_err(|errno| self.error("inspect", "", errno))
    }

    /// Give the directory an owner and a mode.
    pub fn set_attributes(&self, wanted: Attributes) -> Result<()> {
        self.give(&self.fd, "", wanted)
    }

    pub(super) fn stat(&self, name: &str) -> Result<Option<FileStat>> {
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

    /// Who owns what `name` is, and what that is; `None`: nothing.
    pub fn holding(&self, name: &str) -> Result<Option<Holding>> {
        let of = |stat: FileStat| Holding {
            uid: stat.st_uid,
            links: stat.st_nlink,
            is_file: Kind::of(&stat) == Kind::File,
            is_directory: Kind::of(&stat) == Kind::Directory,
        };
        Ok(self.stat(name)?.map(of))
    }

    /// Whether only root can change what names there are in the directory.
    pub fn is_roots(&self) -> Result<bool> {
        Ok(is_roots(&self.own_stat()?))
    }

    /// The regular file `name`; `None` where nothing is. Anything else, a file
    /// with several links and one larger than [`LARGEST`] are refused.
    pub fn read(&self, name: &str) -> Result<Option<Contents>> {
        self.read_any(name, true)
    }

    pub(super) fn read_any(&self, name: &str, alone: bool) -> Result<Option<Contents>> {
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
        let extended = extended::of(&fd).map_err(|errno| self.error("inspect", name, errno))?;
        let is_roots = is_roots(&self.own_stat()?);
        let mut bytes = Vec::new();
        File::from(fd)
            .take(LARGEST + 1)
            .read_to_end(&mut bytes)
            .map_err(|error| self.error("read", name, from_io(&error)))?;
        if bytes.len() as u64 > LARGEST {
            return Err(self.refusal(name, "is larger than 16 MB"));
        }
        Ok(Some(Contents { bytes, attributes: Attributes::from(&stat), extended, is_roots }))
    }

    /// The end of the file `name`, at most `most` bytes; `None` where it is nothing
    /// that only root or `owner` can have put there: a link, a FIFO, a file with other
    /// names where not root alone says what is in the directory.
    pub fn tail(&self, name: &str, most: u64, owner: u32) -> Result<Option<Vec<u8>>> {
        let flags = OFlag::O_RDONLY | OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_NOCTTY | OFlag::O_CLOEXEC;
        let Ok(fd) = openat(&self.fd, name, flags, Mode::empty()) else { return Ok(None) };
        let stat = fstat(&fd).map_err(|errno| self.error("inspect", name, errno))?;
        let is_theirs = is_roots(&self.own_stat()?) || (stat.st_nlink == 1 && stat.st_uid == owner);
        if Kind::of(&stat) != Kind::File || !is_theirs {
            return Ok(None);
        }
        let mut file = File::from(fd);
        let start = u64::try_from(stat.st_size).unwrap_or_default().saturating_sub(most);
        let mut bytes = Vec::new();
        let read = file.seek(SeekFrom::Start(start)).and_then(|_| file.take(most).read_to_end(&mut bytes));
        read.map_err(|error| self.error("read", name, from_io(&error)))?;
        Ok(Some(bytes))
    }

    /// A descriptor that stands for the socket `name` and nothing else (O_PATH, open(2)).
    pub fn socket(&self, name: &str) -> Result<Option<OwnedFd>> {
        let flags = OFlag::O_PATH | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let fd = match openat(&self.fd, name, flags, Mode::empty()) {
            Ok(fd) => fd,
            Err(Errno::ENOENT) => return Ok(None),
            Err(errno) => return Err(self.error("open", name, errno)),
        };
        let stat = fstat(&fd).map_err(|errno| self.error("inspect", name, errno))?;
        let kind = SFlag::from_bits_truncate(stat.st_mode) & SFlag::S_IFMT;
        if kind == SFlag::S_IFSOCK { Ok(Some(fd)) } else { Err(self.refusal(name, "is no socket")) }
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

    /// Write `bytes` beside `name`, where [`Self::commit`] finds them: owner, mode
    /// and extended attributes are set before the first byte, and the bytes are on
    /// the disk on return. Without `extended` a file has what its directory gives it.
    pub fn stage(&self, name: &str, bytes: &[u8], attributes: Attributes, extended: Option<&Extended>) -> Result<()> {
        if PLANTED_BUG {
            return self.overwrite(name, bytes, attributes);
        }
        self.refuse_lasting(name)?;
        let temporary = temporary(name);
        self.unlink(&temporary)?;
        let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let fd = openat(&self.fd, temporary.as_str(), flags, Mode::from_bits_truncate(0o600))
            .map_err(|errno| self.error("create", &temporary, errno))?;
        let written = self.fill(fd, &temporary, bytes, attributes, extended);
        if written.is_err() {
            // Worthless now; the first error is the one to report.
            let _ = self.unlink(&temporary);
        }
        written
    }

    /// What cannot be replaced is found out before anything is: a directory, and
    /// what chattr(1) protects.
    pub fn refuse_lasting(&self, name: &str) -> Result<()> {
        if self.kind(name)? == Some(Kind::Directory) {
            return Err(self.refusal(name, "is a directory"));
        }
        // Old kernels and some file systems do not say; then the rename fails.
        let found = statx(&self.fd, name, rustix::fs::AtFlags::SYMLINK_NOFOLLOW, StatxFlags::empty());
        let locked = StatxAttributes::IMMUTABLE | StatxAttributes::APPEND;
        if !found.is_ok_and(|found| found.stx_attributes.intersects(locked)) {
            return Ok(());
        }
        let path = self.path.join(name);
        Err(Diagnostic::error(format!("{} is protected by chattr(1), and would have to change", path.display()))
            .hint(format!("chattr -i -a {}, then run this again", path.display()))
            .into())
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

    fn fill(
        &self,
        fd: OwnedFd,
        name: &str,
        bytes: &[u8],
        attributes: Attributes,
        extended: Option<&Extended>,
    ) -> Result<()> {
        if let Some(extended) = extended {
            extended::give(&fd, extended).map_err(|errno| self.error("set attributes of", name, errno))?;
        }
        // The mode comes last: an access control list has one, too.
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
        self.stage(name, bytes, attributes, None)?;
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
            Ok(fd) => Ok(Self { fd, path: self.path.join(name), real: self.real.join(name) }),
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
        let mut names: Vec<String> = self.entries()?.into_iter().filter_map(|name| name.into_string().ok()).collect();
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

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "a test makes files")]
mod tests {
    use super::super::Root;

    #[test]
    fn the_end_of_a_file_is_read_and_of_nothing_else() {
        let scratch = tempfile::tempdir().unwrap();
        let at = |name: &str| scratch.path().join(name);
        std::fs::write(at("log"), "one\ntwo\nthree\n").unwrap();
        std::os::unix::fs::symlink("log", at("link")).unwrap();
        nix::unistd::mkfifo(&at("fifo"), nix::sys::stat::Mode::S_IRWXU).unwrap();
        let root = Root::open(scratch.path()).unwrap();
        let directory = root.directory("/").unwrap().unwrap();
        let own = nix::unistd::geteuid().as_raw();
        let end = |name: &str| directory.tail(name, 6, own).unwrap();
        assert_eq!(end("log").as_deref(), Some(b"three\n".as_slice()));
        assert_eq!((end("link"), end("fifo"), end("none")), (None, None, None));
        // Where others may put a name, one file has one.
        std::fs::hard_link(at("log"), at("other")).unwrap();
        assert!(end("other").is_some());
        std::fs::set_permissions(scratch.path(), std::os::unix::fs::PermissionsExt::from_mode(0o777)).unwrap();
        assert!(end("other").is_none());
    }
}
