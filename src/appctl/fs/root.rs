//! The root that all paths begin at, and the walk from it.

use std::ffi::{OsStr, OsString};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{OFlag, OpenHow, ResolveFlag, openat, openat2, readlinkat};
use nix::sys::stat::{FileStat, Mode, fstat};

use super::{Contents, Dir, Kind, failed, from_io, is_owner_trusted, is_roots, split};
use crate::error::{Diagnostic, Error, Result};

/// As many symbolic links as the kernel follows in one path (path_resolution(7)).
const MOST_LINKS: usize = 40;

/// The directory that all paths begin at: `/`, or that of `--root`.
#[derive(Debug)]
pub struct Root {
    fd: OwnedFd,
    path: PathBuf,
}

impl Root {
    /// Open the root directory. From here on it has an absolute name without links:
    /// whoever is told where it is may stand in another directory.
    #[expect(clippy::disallowed_methods, reason = "the edge at which a path given by a person becomes a root")]
    pub fn open(path: &Path) -> Result<Self> {
        let path = &path.canonicalize().map_err(|error| failed("open", path, from_io(&error)))?;
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
            Ok(fd) => Ok(Some(Dir::new(fd, shown, lexical(relative)))),
            Err(Errno::ENOENT) => Ok(None),
            // A link on the way, or a kernel or sandbox without openat2: step by step.
            Err(Errno::ELOOP | Errno::EAGAIN | Errno::ENOSYS | Errno::EPERM | Errno::EINVAL) => {
                Ok(self.walk(relative)?.map(|(fd, real)| Dir::new(fd, shown, real)))
            }
            Err(errno) => Err(failed("open", &shown, errno)),
        }
    }

    /// [`Self::directory`], one component after the other, following the links
    /// that only root can have made; also the path without them.
    fn walk(&self, relative: &Path) -> Result<Option<(OwnedFd, PathBuf)>> {
        let path_only = OFlag::O_PATH | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let shown = self.path.join(relative);
        let error = |errno| failed("open", &shown, errno);
        let mut above: Vec<(OwnedFd, OsString)> = Vec::new();
        let mut pending = names(relative);
        let mut links = 0;
        while let Some(name) = pending.pop() {
            if name == ".." {
                above.pop();
                continue;
            }
            let current = above.last().map_or(&self.fd, |(fd, _)| fd);
            let fd = match openat(current, name.as_os_str(), path_only, Mode::empty()) {
                Ok(fd) => fd,
                Err(Errno::ENOENT) => return Ok(None),
                Err(errno) => return Err(error(errno)),
            };
            let stat = fstat(&fd).map_err(error)?;
            match Kind::of(&stat) {
                Kind::Directory => above.push((fd, name)),
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
        let found = above.last().map_or(&self.fd, |(fd, _)| fd);
        let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        let fd = openat(found, ".", flags, Mode::empty()).map_err(error)?;
        Ok(Some((fd, above.iter().map(|(_, name)| name).collect())))
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

    /// `path` without the links in the directories above it, as far as these are there.
    pub fn real(&self, path: &str) -> Result<String> {
        let (mut above, _) = split(path);
        loop {
            let directory = self.directory(above)?;
            match directory {
                Some(directory) => return Ok(directory.real() + path.strip_prefix(above).unwrap_or(path)),
                None => above = split(above).0,
            }
        }
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
            let holder = directory.own_stat()?;
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

/// A path that has no links.
fn lexical(relative: &Path) -> PathBuf {
    relative.components().filter(|component| *component != Component::CurDir).collect()
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
