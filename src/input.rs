//! The only reader: file text, bytes and tree listings.
//!
//! Owns every read of the file system outside [`crate::apply`]. Decides
//! nothing about what it read.

#![expect(clippy::disallowed_methods, reason = "the one module that reads")]

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::{ErrorKind, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::error::{Error, Result};

/// What stands at a path; links are not followed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// A regular file.
    File {
        /// Permission bits.
        mode: u32,
        /// Bytes.
        size: u64,
    },
    /// A directory.
    Directory,
    /// A symbolic link and its target.
    Link(PathBuf),
    /// A socket, FIFO or device.
    Other,
}

/// One entry of a tree listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Path relative to the listed root.
    pub path: PathBuf,
    /// What it is.
    pub kind: Kind,
}

/// Text of a file, or `None` where there is none. Bytes that are not UTF-8 are an error.
pub fn text(path: &Path) -> Result<Option<String>> {
    match bytes(path)? {
        None => Ok(None),
        Some(bytes) => match String::from_utf8(bytes) {
            Ok(text) => Ok(Some(text)),
            Err(error) => {
                let line = error.as_bytes()[..error.utf8_error().valid_up_to()].iter().filter(|b| **b == b'\n').count();
                Err(crate::error::Diagnostic::error("not valid UTF-8")
                    .at(crate::error::Location::line(path, line + 1))
                    .hint("convert the file: iconv -t UTF-8")
                    .into())
            }
        },
    }
}

/// Bytes of a file, or `None` where there is none.
pub fn bytes(path: &Path) -> Result<Option<Vec<u8>>> {
    match std::fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => Ok(None),
        Err(error) => Err(Error::io("read", path, &error)),
    }
}

/// What stands at `path` (links not followed), or `None`.
pub fn kind(path: &Path) -> Result<Option<Kind>> {
    match std::fs::symlink_metadata(path) {
        Ok(metadata) => kind_of(path, &metadata).map(Some),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => Ok(None),
        Err(error) => Err(Error::io("examine", path, &error)),
    }
}

/// Whether a regular file stands there, links followed.
pub fn is_file(path: &Path) -> bool {
    path.is_file()
}

/// Whether a directory stands there, links followed.
pub fn is_directory(path: &Path) -> bool {
    path.is_dir()
}

/// Whether the file is there and someone may execute it (debhelper's `-x`).
pub fn is_executable(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|m| m.is_file() && m.permissions().mode() & 0o111 != 0)
}

/// Names in a directory, sorted; empty where there is no such directory.
pub fn names(path: &Path) -> Result<Vec<OsString>> {
    let listing = match std::fs::read_dir(path) {
        Ok(listing) => listing,
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => return Ok(Vec::new()),
        Err(error) => return Err(Error::io("list", path, &error)),
    };
    let mut names = Vec::new();
    for entry in listing {
        names.push(entry.map_err(|error| Error::io("list", path, &error))?.file_name());
    }
    names.sort();
    Ok(names)
}

/// Everything under `root`, sorted by path; directories stand before what is in them.
pub fn tree(root: &Path) -> Result<Vec<Entry>> {
    let mut entries = Vec::new();
    let mut pending = vec![PathBuf::new()];
    while let Some(directory) = pending.pop() {
        let absolute = root.join(&directory);
        let listing = std::fs::read_dir(&absolute).map_err(|error| Error::io("list", &absolute, &error))?;
        for entry in listing {
            let entry = entry.map_err(|error| Error::io("list", &absolute, &error))?;
            let path = directory.join(entry.file_name());
            let metadata = entry.metadata().map_err(|error| Error::io("examine", &root.join(&path), &error))?;
            let kind = kind_of(&root.join(&path), &metadata)?;
            if kind == Kind::Directory {
                pending.push(path.clone());
            }
            entries.push(Entry { path, kind });
        }
    }
    entries.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(entries)
}

/// Modification time.
pub fn modified(path: &Path) -> Result<std::time::SystemTime> {
    std::fs::symlink_metadata(path)
        .and_then(|metadata| metadata.modified())
        .map_err(|error| Error::io("examine", path, &error))
}

/// What one pass over a file's bytes tells.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Facts {
    /// Digest.
    pub sha256: [u8; 32],
    /// Bytes.
    pub size: u64,
    /// Which of the texts looked for it holds (indices into that list).
    pub found: Vec<usize>,
    /// How it begins.
    pub beginning: Beginning,
}

/// Facts of every regular file of a listing, by path; `texts` are looked for in each.
pub fn survey(root: &Path, entries: &[Entry], texts: &[String]) -> Result<BTreeMap<PathBuf, Facts>> {
    let files: Vec<&Entry> = entries.iter().filter(|entry| matches!(entry.kind, Kind::File { .. })).collect();
    let finders: Vec<_> = texts.iter().map(|text| memchr::memmem::Finder::new(text.as_bytes())).collect();
    let next = std::sync::atomic::AtomicUsize::new(0);
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(8);
    let work = || -> Result<Vec<(PathBuf, Facts)>> {
        let mut own = Vec::new();
        let mut bytes = Vec::new();
        while let Some(entry) = files.get(next.fetch_add(1, std::sync::atomic::Ordering::Relaxed)) {
            let path = root.join(&entry.path);
            bytes.clear();
            std::fs::File::open(&path)
                .and_then(|mut file| file.read_to_end(&mut bytes))
                .map_err(|error| Error::io("read", &path, &error))?;
            own.push((entry.path.clone(), facts(&bytes, &finders)));
        }
        Ok(own)
    };
    let parts = std::thread::scope(|scope| {
        let handles: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        handles.into_iter().map(|handle| handle.join()).collect::<Vec<_>>()
    });
    let mut all = BTreeMap::new();
    for part in parts {
        match part {
            Ok(facts) => all.extend(facts?),
            Err(panic) => std::panic::resume_unwind(panic),
        }
    }
    Ok(all)
}

fn facts(bytes: &[u8], finders: &[memchr::memmem::Finder<'_>]) -> Facts {
    Facts {
        sha256: Sha256::digest(bytes).into(),
        size: bytes.len() as u64,
        found: finders
            .iter()
            .enumerate()
            .filter(|(_, finder)| finder.find(bytes).is_some())
            .map(|(at, _)| at)
            .collect(),
        beginning: beginning(&bytes[..bytes.len().min(256)]),
    }
}

/// How a file begins.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Beginning {
    /// Interpreter line without `#!`, where it has one.
    pub shebang: Option<String>,
    /// Whether it begins as an ELF file.
    pub elf: bool,
}

/// How every regular file of a listing begins, by path.
pub fn beginnings(root: &Path, entries: &[Entry]) -> Result<BTreeMap<PathBuf, Beginning>> {
    let mut all = BTreeMap::new();
    for entry in entries.iter().filter(|entry| matches!(entry.kind, Kind::File { .. })) {
        let path = root.join(&entry.path);
        let mut bytes = Vec::new();
        std::fs::File::open(&path)
            .and_then(|file| file.take(256).read_to_end(&mut bytes))
            .map_err(|error| Error::io("read", &path, &error))?;
        all.insert(entry.path.clone(), beginning(&bytes));
    }
    Ok(all)
}

fn beginning(bytes: &[u8]) -> Beginning {
    let shebang = bytes.strip_prefix(b"#!").map(|rest| {
        let line = rest.split(|byte| *byte == b'\n').next().unwrap_or_default();
        String::from_utf8_lossy(line).trim().to_owned()
    });
    Beginning { shebang, elf: bytes.starts_with(b"\x7fELF") }
}

/// sha256 of a file.
pub fn digest(path: &Path) -> Result<[u8; 32]> {
    let failed = |error: std::io::Error| Error::io("read", path, &error);
    let mut file = std::fs::File::open(path).map_err(failed)?;
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 1 << 18];
    loop {
        match file.read(&mut buffer).map_err(failed)? {
            0 => break,
            read => hasher.update(&buffer[..read]),
        }
    }
    Ok(hasher.finalize().into())
}

fn kind_of(path: &Path, metadata: &std::fs::Metadata) -> Result<Kind> {
    let file_type = metadata.file_type();
    Ok(if file_type.is_symlink() {
        Kind::Link(std::fs::read_link(path).map_err(|error| Error::io("read link", path, &error))?)
    } else if file_type.is_dir() {
        Kind::Directory
    } else if file_type.is_file() {
        Kind::File { mode: metadata.permissions().mode() & 0o7777, size: metadata.len() }
    } else {
        Kind::Other
    })
}
