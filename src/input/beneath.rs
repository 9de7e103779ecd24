//! Directories that somebody else may change: what is below them is reached by
//! descriptor (openat2(2)).

use std::ffi::OsString;
use std::fs::File;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{OFlag, OpenHow, ResolveFlag};
use nix::sys::stat::Mode;

use super::{CAREFUL, Kind, Shape, TEXT, all, descriptor, kind, regular, shapes, utf8};
use crate::error::{Error, Result};

/// A directory whose owner may be another one than who reads: paths below it never
/// lead out of it, whatever links and renames there are (openat2(2)).
#[derive(Debug)]
pub struct Beneath {
    root: OwnedFd,
    path: PathBuf,
}

impl Beneath {
    /// The directory at a path; links to it are followed.
    pub fn open(path: &Path) -> Result<Self> {
        let flags = OFlag::O_DIRECTORY | OFlag::O_RDONLY | OFlag::O_CLOEXEC;
        let root =
            nix::fcntl::open(path, flags, Mode::empty()).map_err(|errno| Error::io("open", path, &errno.into()))?;
        Ok(Self { root, path: path.to_owned() })
    }

    /// Where it is, for messages.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The path of a name in it, to be written: whatever becomes of the directory's own
    /// names meanwhile, it stays this directory. Valid in this process, as long as this value is.
    pub fn entry(&self, name: &str) -> PathBuf {
        descriptor(&self.root).join(name)
    }

    /// A directory below it, reached over no link; `None` where there is none.
    pub fn below(&self, below: &Path) -> Result<Option<Self>> {
        let root = self.at(below, OFlag::O_DIRECTORY | OFlag::O_RDONLY, ResolveFlag::RESOLVE_NO_SYMLINKS)?;
        Ok(root.map(|root| Self { root, path: self.path.join(below) }))
    }

    fn at(&self, below: &Path, flags: OFlag, resolve: ResolveFlag) -> Result<Option<OwnedFd>> {
        let below = if below.as_os_str().is_empty() { Path::new(".") } else { below };
        let resolve = resolve | ResolveFlag::RESOLVE_BENEATH | ResolveFlag::RESOLVE_NO_MAGICLINKS;
        let how = OpenHow::new().flags(flags | CAREFUL).resolve(resolve);
        let path = || self.path.join(below);
        loop {
            return match nix::fcntl::openat2(&self.root, below, how) {
                Ok(descriptor) => Ok(Some(descriptor)),
                // Somebody renames directories just now.
                Err(Errno::EAGAIN | Errno::EINTR) => continue,
                // ELOOP: a link, where none is followed. ENXIO: a socket, or a FIFO that nobody reads.
                Err(Errno::ENOENT | Errno::ENOTDIR | Errno::ELOOP | Errno::ENXIO) => Ok(None),
                Err(Errno::EXDEV) => {
                    Err(crate::error::Diagnostic::error("this leads out of the directory that it is in")
                        .at(crate::error::Location::file(path()))
                        .hint(format!("put the file itself there: nothing outside of {} is read", self.path.display()))
                        .into())
                }
                Err(errno) => Err(Error::io("open", &path(), &errno.into())),
            };
        }
    }

    /// The regular file at a path over no link; `None` for everything else.
    pub fn file(&self, below: &Path) -> Result<Option<File>> {
        let file = self.at(below, OFlag::O_RDONLY, ResolveFlag::RESOLVE_NO_SYMLINKS)?.map(File::from);
        Ok(file.filter(|file| file.metadata().is_ok_and(|metadata| metadata.is_file())))
    }

    /// Bytes of [`Self::file`].
    pub fn bytes(&self, below: &Path, most: u64) -> Result<Option<Vec<u8>>> {
        let file = self.file(below)?;
        let failed = |error| Error::io("read", &self.path.join(below), &error);
        file.map(|file| all(file, most)).transpose().map_err(failed)
    }

    /// Names in a directory below it with their shapes, sorted; empty where there is none.
    pub fn shapes(&self, below: &Path) -> Result<Vec<(OsString, Shape)>> {
        let Some(directory) = self.below(below)? else { return Ok(Vec::new()) };
        shapes(&descriptor(&directory.root))
    }

    /// What a link holds; `None` where there is none.
    pub fn link(&self, below: &Path) -> Result<Option<PathBuf>> {
        let parent = below.parent().unwrap_or(Path::new(""));
        let (Some(directory), Some(name)) = (self.below(parent)?, below.file_name()) else { return Ok(None) };
        match nix::fcntl::readlinkat(&directory.root, name) {
            Ok(target) => Ok(Some(target.into())),
            Err(Errno::EINVAL | Errno::ENOENT) => Ok(None),
            Err(errno) => Err(Error::io("read link", &self.path.join(below), &errno.into())),
        }
    }

    /// Text of a file, over links that stay within; `None` where there is none.
    pub fn text(&self, below: &Path) -> Result<Option<String>> {
        let path = self.path.join(below);
        self.within(below)?.map(|bytes| utf8(&path, bytes)).transpose()
    }

    /// Bytes of the same, at most [`TEXT`].
    pub fn within(&self, below: &Path) -> Result<Option<Vec<u8>>> {
        let failed = |error| Error::io("read", &self.path.join(below), &error);
        let file = self.at(below, OFlag::O_RDONLY, ResolveFlag::empty())?.map(File::from);
        file.map(|file| regular(file).and_then(|file| all(file, TEXT))).transpose().map_err(failed)
    }

    /// Owner of the directory itself.
    pub fn owner(&self) -> Result<u32> {
        let failed = |errno: Errno| Error::io("examine", &self.path, &errno.into());
        nix::sys::stat::fstat(&self.root).map(|stat| stat.st_uid).map_err(failed)
    }

    /// Whether both are the same directory.
    pub fn is(&self, other: &Self) -> bool {
        let of = |one: &Self| nix::sys::stat::fstat(&one.root).map(|stat| (stat.st_dev, stat.st_ino));
        matches!((of(self), of(other)), (Ok(one), Ok(two)) if one == two)
    }
}

/// Text of a file of a source, which leads nowhere else. See [`Beneath::text`].
pub fn within(root: &Path, below: &str) -> Result<Option<String>> {
    if kind(root)?.is_none() { Ok(None) } else { Beneath::open(root)?.text(Path::new(below)) }
}

/// Where something of a source is written: no directory between the source and it is a
/// link, or what is written (and what is removed to make room) would be somebody else's.
pub fn place(root: &Path, below: &str) -> Result<PathBuf> {
    let way: Vec<&Path> = Path::new(below).ancestors().skip(1).collect();
    for part in way.into_iter().rev().filter(|part| !part.as_os_str().is_empty()) {
        let path = root.join(part);
        if matches!(kind(&path)?, Some(Kind::Link(_))) {
            return Err(crate::error::Diagnostic::error("this is a link, and nothing is written behind one")
                .at(crate::error::Location::file(path))
                .hint("put a directory there instead")
                .into());
        }
    }
    Ok(root.join(below))
}
