//! The only reader: file text, bytes and tree listings.
//!
//! Owns every read of the file system outside [`crate::apply`]. Decides
//! nothing about what it read.

#![expect(clippy::disallowed_methods, reason = "the one module that reads")]

mod beneath;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::File;
use std::io::{ErrorKind, Read};
use std::os::fd::AsFd;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use nix::fcntl::OFlag;
use sha2::{Digest, Sha256};

use crate::error::{Error, Result};
pub use crate::listing::{Beginning, Entry, Facts, Kind};
use crate::parallel;

/// Most bytes of a file of text.
pub const TEXT: u64 = 64 << 20;
/// Most bytes of a wheel, an archive or another file that is no text.
pub const ARCHIVE: u64 = 4 << 30;

/// Most names in a path below a source or a tree: deeper, programs run out of descriptors, of
/// stack, and of bytes for a path.
const DEPTH: usize = 128;

/// Fail for a path that is too deep below `root`.
pub fn refuse_deep(root: &Path, below: &Path) -> Result<()> {
    if below.components().nth(DEPTH).is_none() {
        return Ok(());
    }
    let start: PathBuf = below.components().take(8).collect();
    let fault = format!("{}/… is more than {DEPTH} directories deep", root.join(start).display());
    Err(crate::error::Diagnostic::error(fault).hint("remove it, or move what is in there further up").into())
}

/// Text of a file, or `None` where there is none. Bytes that are not UTF-8 are an
/// error, and so are more than [`TEXT`] of them. Links are followed.
pub fn text(path: &Path) -> Result<Option<String>> {
    read(path, TEXT)?.map(|bytes| utf8(path, bytes)).transpose()
}

fn utf8(path: &Path, bytes: Vec<u8>) -> Result<String> {
    String::from_utf8(bytes).map_err(|error| {
        let line = error.as_bytes()[..error.utf8_error().valid_up_to()].iter().filter(|b| **b == b'\n').count();
        crate::error::Diagnostic::error("not valid UTF-8")
            .at(crate::error::Location::line(path, line + 1))
            .hint("convert the file: iconv -t UTF-8")
            .into()
    })
}

/// Bytes of a file, or `None` where there is none; at most [`ARCHIVE`] of them. Links are followed.
pub fn bytes(path: &Path) -> Result<Option<Vec<u8>>> {
    read(path, ARCHIVE)
}

fn read(path: &Path, most: u64) -> Result<Option<Vec<u8>>> {
    match open(path).and_then(|file| all(file, most)) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => Ok(None),
        Err(error) => Err(Error::io("read", path, &error)),
    }
}

/// How a file is opened whose kind is not known: a FIFO waits for nobody, a
/// terminal becomes nobody's.
const CAREFUL: OFlag = OFlag::O_NONBLOCK.union(OFlag::O_NOCTTY).union(OFlag::O_CLOEXEC);

/// Open a regular file. Whatever else stands there is an error, at once.
fn open(path: &Path) -> std::io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt;
    regular(File::options().read(true).custom_flags(CAREFUL.bits()).open(path)?)
}

fn regular(file: File) -> std::io::Result<File> {
    let kind = file.metadata()?.file_type();
    match () {
        () if kind.is_file() => Ok(file),
        () if kind.is_dir() => Err(nix::errno::Errno::EISDIR.into()),
        () => Err(std::io::Error::other("it is a FIFO, a socket or a device, and no file")),
    }
}

/// All bytes of a file, which may grow meanwhile.
fn all(file: File, most: u64) -> std::io::Result<Vec<u8>> {
    let size = file.metadata()?.len();
    let mut bytes = Vec::new();
    if size <= most {
        bytes.reserve(usize::try_from(size).unwrap_or_default());
        file.take(most + 1).read_to_end(&mut bytes)?;
    }
    if size > most || bytes.len() as u64 > most { Err(too_large(most)) } else { Ok(bytes) }
}

fn too_large(most: u64) -> std::io::Error {
    std::io::Error::other(format!("it has more than {} MB, the most that is read of such a file", most >> 20))
}

pub use beneath::{Beneath, place, within};

/// The path under which an open file or directory is found again, whatever its names are.
pub fn descriptor(open: &impl AsFd) -> PathBuf {
    use std::os::fd::AsRawFd;
    Path::new("/proc/self/fd").join(open.as_fd().as_raw_fd().to_string())
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

/// What kind of thing a directory entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Shape {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link.
    Link,
    /// A socket, FIFO or device.
    Other,
}

/// Names in a directory with their shapes, sorted.
pub fn shapes(path: &Path) -> Result<Vec<(OsString, Shape)>> {
    let failed = |error: std::io::Error| Error::io("list", path, &error);
    let mut all = Vec::new();
    for entry in std::fs::read_dir(path).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let kind = entry.file_type().map_err(failed)?;
        let shape = match () {
            () if kind.is_file() => Shape::File,
            () if kind.is_dir() => Shape::Directory,
            () if kind.is_symlink() => Shape::Link,
            () => Shape::Other,
        };
        all.push((entry.file_name(), shape));
    }
    all.sort();
    Ok(all)
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
                refuse_deep(root, &path)?;
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

/// Facts of every regular file of a listing, by path; `texts` are looked for in each.
pub fn survey(root: &Path, entries: &[Entry], texts: &[String]) -> Result<BTreeMap<PathBuf, Facts>> {
    let files: Vec<&Entry> = entries.iter().filter(|entry| matches!(entry.kind, Kind::File { .. })).collect();
    let finders: Vec<_> = texts.iter().map(|text| memchr::memmem::Finder::new(text.as_bytes())).collect();
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(8);
    let all = parallel::each(
        threads,
        &files,
        || vec![0; CHUNK],
        |buffer, entry| {
            let path = root.join(&entry.path);
            let facts = open(&path)
                .and_then(|file| read_facts(file, &finders, buffer))
                .map_err(|error| Error::io("read", &path, &error))?;
            Ok((entry.path.clone(), facts))
        },
    )?;
    Ok(all.into_iter().collect())
}

/// Facts of a file with these bytes; no texts are looked for.
pub fn facts(bytes: &[u8]) -> Facts {
    Facts {
        sha256: Sha256::digest(bytes).into(),
        size: bytes.len() as u64,
        found: Vec::new(),
        beginning: beginning(&bytes[..bytes.len().min(BEGINNING)]),
    }
}

/// Files are read in pieces of this size: a processor's cache holds one while it
/// is hashed and searched.
const CHUNK: usize = 1 << 18;

/// Bytes that tell how a file begins.
const BEGINNING: usize = 256;

/// One pass over a file. The end of each piece is kept in front of the next, so
/// that no text is missed between two.
fn read_facts(
    mut file: impl Read,
    finders: &[memchr::memmem::Finder<'_>],
    buffer: &mut [u8],
) -> std::io::Result<Facts> {
    let overlap = finders.iter().map(|finder| finder.needle().len()).max().unwrap_or_default().min(CHUNK / 2);
    let mut facts = Facts::default();
    let mut hasher = Sha256::new();
    let mut kept = 0;
    loop {
        let mut filled = kept;
        while filled < buffer.len() {
            match file.read(&mut buffer[filled..]) {
                Ok(0) => break,
                Ok(read) => filled += read,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        if facts.size == 0 {
            facts.beginning = beginning(&buffer[..filled.min(BEGINNING)]);
        }
        hasher.update(&buffer[kept..filled]);
        facts.size += (filled - kept) as u64;
        if facts.size > ARCHIVE {
            return Err(too_large(ARCHIVE));
        }
        for (at, finder) in finders.iter().enumerate() {
            if !facts.found.contains(&at) && finder.find(&buffer[..filled]).is_some() {
                facts.found.push(at);
            }
        }
        if filled < buffer.len() {
            break;
        }
        buffer.copy_within(filled - overlap..filled, 0);
        kept = overlap;
    }
    facts.found.sort_unstable();
    facts.sha256 = hasher.finalize().into();
    Ok(facts)
}

/// How every regular file of a listing begins, by path.
pub fn beginnings(root: &Path, entries: &[Entry]) -> Result<BTreeMap<PathBuf, Beginning>> {
    let mut all = BTreeMap::new();
    for entry in entries.iter().filter(|entry| matches!(entry.kind, Kind::File { .. })) {
        let path = root.join(&entry.path);
        let mut bytes = Vec::new();
        open(&path)
            .and_then(|file| file.take(BEGINNING as u64).read_to_end(&mut bytes))
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

/// sha256 of a file of at most [`ARCHIVE`] bytes.
pub fn digest(path: &Path) -> Result<[u8; 32]> {
    let failed = |error: std::io::Error| Error::io("read", path, &error);
    let mut file = open(path).map_err(failed)?;
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 1 << 18];
    let mut size = 0;
    loop {
        match file.read(&mut buffer).map_err(failed)? {
            0 => break,
            read => {
                hasher.update(&buffer[..read]);
                size += read as u64;
            }
        }
        // A sparse file costs whoever made it nothing.
        if size > ARCHIVE || (size == CHUNK as u64 && file.metadata().map_err(failed)?.len() > ARCHIVE) {
            return Err(failed(too_large(ARCHIVE)));
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

#[cfg(test)]
mod tests {
    use super::*;

    fn said<T: std::fmt::Debug>(result: Result<T>) -> String {
        result.unwrap_err().diagnostics().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn nothing_but_a_file_of_a_bounded_size_is_read() {
        let room = tempfile::tempdir().unwrap();
        let at = |name: &str| room.path().join(name);
        nix::unistd::mkfifo(&at("fifo"), nix::sys::stat::Mode::S_IRWXU).unwrap();
        std::os::unix::fs::symlink("fifo", at("link")).unwrap();
        for name in ["fifo", "link"] {
            assert!(said(text(&at(name))).contains("it is a FIFO"), "{name}");
            assert!(said(bytes(&at(name))).contains("it is a FIFO"), "{name}");
            assert!(said(digest(&at(name))).contains("it is a FIFO"), "{name}");
        }
        assert!(said(bytes(Path::new("/dev/zero"))).contains("a device"));
        File::create(at("huge")).unwrap().set_len(2 << 40).unwrap();
        assert!(said(text(&at("huge"))).contains("huge: it has more than 64 MB"));
        assert!(said(bytes(&at("huge"))).contains("more than 4096 MB"));
        assert!(said(digest(&at("huge"))).contains("more than 4096 MB"));
        assert_eq!(text(&at("none")).unwrap(), None);
    }

    #[test]
    fn what_is_beneath_a_directory_leads_nowhere_else() {
        let room = tempfile::tempdir().unwrap();
        let root = room.path().join("source");
        std::fs::create_dir_all(root.join("a")).unwrap();
        std::fs::write(root.join("a/file"), "inside").unwrap();
        std::fs::write(room.path().join("secret"), "outside").unwrap();
        for (link, target) in [("in", "a/file"), ("up", "../secret"), ("dir", ".."), ("abs", "/etc/passwd")] {
            std::os::unix::fs::symlink(target, root.join(link)).unwrap();
        }
        nix::unistd::mkfifo(&root.join("fifo"), nix::sys::stat::Mode::S_IRWXU).unwrap();
        let source = Beneath::open(&root).unwrap();
        assert_eq!(source.text(Path::new("in")).unwrap().as_deref(), Some("inside"));
        assert_eq!(source.text(Path::new("none")).unwrap(), None);
        for path in ["up", "dir/secret", "abs", "../secret", "/etc/passwd", "a/../../secret"] {
            assert!(said(source.text(Path::new(path))).contains("leads out of"), "{path}");
        }
        assert!(said(source.text(Path::new("fifo"))).contains("it is a FIFO"));
        // Where no link is followed at all, a link is no file.
        for path in ["in", "dir/secret", "fifo", "a"] {
            assert!(source.file(Path::new(path)).unwrap().is_none(), "{path}");
        }
        assert_eq!(source.bytes(Path::new("a/file"), 6).unwrap().as_deref(), Some(&b"inside"[..]));
        assert!(said(source.bytes(Path::new("a/file"), 5)).contains("a/file"));
        assert_eq!(source.link(Path::new("up")).unwrap(), Some("../secret".into()));
        assert_eq!(source.shapes(Path::new("a")).unwrap(), [("file".into(), Shape::File)]);
        assert_eq!(source.shapes(Path::new("dir")).unwrap(), []);
    }

    #[test]
    fn a_text_across_two_pieces_is_found_and_the_digest_is_of_all() {
        let texts = ["/build/notes", "/home/anna"];
        let finders: Vec<_> = texts.iter().map(|text| memchr::memmem::Finder::new(text.as_bytes())).collect();
        let mut buffer = vec![0; CHUNK];
        for at in [0, CHUNK - 5, CHUNK - 1, CHUNK, 2 * CHUNK - 20, 2 * CHUNK - 12] {
            let mut bytes = vec![b'x'; 2 * CHUNK];
            bytes[at..(at + 12).min(2 * CHUNK)].copy_from_slice(&b"/build/notes"[..12.min(2 * CHUNK - at)]);
            let read = read_facts(bytes.as_slice(), &finders, &mut buffer).unwrap();
            assert_eq!(read, Facts { found: vec![0], ..facts(&bytes) }, "{at}");
        }
        assert_eq!(read_facts(&b""[..], &finders, &mut buffer).unwrap(), facts(b""));
    }
}
