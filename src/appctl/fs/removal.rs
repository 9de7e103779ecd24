//! Removes a directory that belonged to somebody else, with whatever is in it.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;

use nix::dir::Dir as Listing;
use nix::errno::Errno;
use nix::fcntl::{OFlag, openat, renameat};
use nix::sys::stat::Mode;
use nix::unistd::{UnlinkatFlags, getegid, geteuid, unlinkat};

use super::{Attributes, Dir, Kind};
use crate::error::Result;

impl Dir {
    /// Remove `name` with everything below it, following no link.
    ///
    /// However deep it is, few descriptors are open at a time, and whoever still
    /// works in it cannot keep it from becoming empty: each directory is taken from
    /// its owner before it is listed.
    pub fn remove_tree(&self, name: &str) -> Result<()> {
        match self.kind(name)? {
            Some(Kind::Directory) => {}
            _ => return self.unlink(name),
        }
        let top = self.open(name)?;
        top.take()?;
        let mut lifted = 0_u64;
        loop {
            let entries = top.entries()?;
            if entries.is_empty() {
                break;
            }
            for entry in entries {
                top.remove_entry(&entry, &mut lifted)?;
            }
        }
        self.remove_empty(name).map(|_| ())
    }

    /// Remove an entry. The directories in a directory are lifted to this one, for later.
    fn remove_entry(&self, entry: &OsStr, lifted: &mut u64) -> Result<()> {
        let error = |errno| self.error("remove", &entry.to_string_lossy(), errno);
        match unlinkat(&self.fd, entry, UnlinkatFlags::NoRemoveDir) {
            Ok(()) | Err(Errno::ENOENT) => return Ok(()),
            Err(Errno::EISDIR) => {}
            Err(errno) => return Err(error(errno)),
        }
        let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let below = match openat(&self.fd, entry, flags, Mode::empty()) {
            Ok(fd) => Self::new(fd, self.path().join(entry), entry.into()),
            Err(Errno::ENOENT | Errno::ENOTDIR | Errno::ELOOP) => return Ok(()),
            Err(errno) => return Err(error(errno)),
        };
        below.take()?;
        for inner in below.entries()? {
            match unlinkat(&below.fd, inner.as_os_str(), UnlinkatFlags::NoRemoveDir) {
                Ok(()) | Err(Errno::ENOENT) => {}
                Err(Errno::EISDIR) => self.lift(&below, &inner, lifted)?,
                Err(errno) => return Err(below.error("remove", &inner.to_string_lossy(), errno)),
            }
        }
        match unlinkat(&self.fd, entry, UnlinkatFlags::RemoveDir) {
            Ok(()) | Err(Errno::ENOENT | Errno::ENOTEMPTY | Errno::ENOTDIR) => Ok(()),
            Err(errno) => Err(error(errno)),
        }
    }

    fn lift(&self, from: &Self, name: &OsStr, lifted: &mut u64) -> Result<()> {
        loop {
            *lifted += 1;
            match renameat(&from.fd, name, &self.fd, format!(".lifted-{lifted}").as_str()) {
                Ok(()) | Err(Errno::ENOENT) => return Ok(()),
                // The name is taken.
                Err(Errno::ENOTEMPTY | Errno::EEXIST | Errno::ENOTDIR) => {}
                Err(errno) => return Err(from.error("remove", &name.to_string_lossy(), errno)),
            }
        }
    }

    /// From now on nobody else can put anything into the directory.
    fn take(&self) -> Result<()> {
        self.set_attributes(Attributes { uid: geteuid().as_raw(), gid: getegid().as_raw(), mode: 0o700 })
    }

    /// All names in the directory, whatever bytes they are made of.
    pub(super) fn entries(&self) -> Result<Vec<OsString>> {
        let error = |errno| self.error("list", "", errno);
        let again = openat(&self.fd, ".", OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC, Mode::empty());
        let mut listing = Listing::from_fd(again.map_err(error)?).map_err(error)?;
        let mut names = Vec::new();
        for entry in listing.iter() {
            let entry = entry.map_err(error)?;
            let name = OsStr::from_bytes(entry.file_name().to_bytes());
            if name != "." && name != ".." {
                names.push(name.to_owned());
            }
        }
        Ok(names)
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "a test makes and looks at directories")]
mod tests {
    use std::path::Path;

    use super::super::Root;

    /// Deeper than descriptors are allowed, with names that are no text and no links followed.
    #[test]
    fn whatever_is_there_goes_and_nothing_else() {
        let scratch = tempfile::tempdir().unwrap();
        let at = |name: &str| scratch.path().join(name);
        std::fs::create_dir(at("kept")).unwrap();
        std::fs::write(at("kept/file"), "").unwrap();
        std::fs::create_dir(at("tree")).unwrap();
        std::os::unix::fs::symlink(at("kept"), at("tree/link")).unwrap();
        let made = std::process::Command::new("perl")
            .args([
                "-e",
                "chdir \"$ARGV[0]/tree\"; open F, '>', \"a\\377\"; mkdir '.lifted-1'; open F, '>', '.lifted-2';
                for (1 .. 3000) { mkdir 'd' or die; chdir 'd' or die; open F, '>', 'f' }",
            ])
            .arg(scratch.path())
            .status()
            .unwrap();
        assert!(made.success());
        let root = Root::open(Path::new(scratch.path())).unwrap();
        root.directory("/").unwrap().unwrap().remove_tree("tree").unwrap();
        assert!(!at("tree").exists() && at("kept/file").exists());
    }
}
