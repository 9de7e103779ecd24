//! What is fetched from where a build has been: the files that an index (a .changes
//! or .dsc file) of a known name lists, and no others.
//!
//! Nobody runs there any more. Still every name is opened by descriptor, below
//! the session's root, through no link and into no other file system (openat2(2));
//! what is no regular file, or larger than it may be, is refused.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, Mode, OFlags, ResolveFlags, openat2};
use serde::{Deserialize, Serialize};
use sha2::Digest;

use super::Outcome;
use crate::driver::changes;
use crate::foreign::{FileName, Sha256};

/// What is to be fetched.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Take {
    /// Directory of the session, absolute.
    pub from: PathBuf,
    /// Names that the index may have, the likeliest first.
    pub index: Vec<String>,
    /// Directory of the host.
    pub to: PathBuf,
    /// Most bytes in all.
    pub most: u64,
    /// Whether the index is all that is fetched: a file of any kind.
    #[serde(default)]
    pub alone: bool,
}

/// As many bytes as an index may have.
const MOST_INDEX: u64 = 16 << 20;

/// Fetch it from the session whose root is at `root`, or from any directory whose names others may change.
pub fn take(take: &Take, root: &Path) -> Outcome<()> {
    let from = match take.from.strip_prefix("/").unwrap_or(&take.from) {
        here if here.as_os_str().is_empty() => Path::new("."),
        from => from,
    };
    let root = open(CWD, root, OFlags::DIRECTORY, ResolveFlags::empty())
        .map_err(|error| format!("the session's root: {error}"))?;
    let place = below(&root, from, OFlags::DIRECTORY).map_err(|error| refused(&take.from, error))?;
    let mut found = None;
    for name in &take.index {
        let name = FileName::new(name).map_err(|refused| refused.to_string())?;
        match below(&place, name.as_ref(), OFlags::empty()) {
            Ok(file) => {
                found = Some((name, file));
                break;
            }
            Err(rustix::io::Errno::NOENT) => {}
            Err(error) => return Err(refused(&take.from.join(name.as_str()), error)),
        }
    }
    let Some((name, file)) = found else {
        return Err(format!("the build has left no {}", take.index.first().map(String::as_str).unwrap_or_default()));
    };
    if take.alone {
        return copy(regular(file, &name, take.most)?, &take.to.join(name.as_str())).map(|_| ());
    }
    let mut text = Vec::new();
    regular(file, &name, MOST_INDEX)?.read_to_end(&mut text).map_err(|error| format!("{name}: {error}"))?;
    let text = String::from_utf8(text).map_err(|_| format!("{name} is not UTF-8"))?;
    let listed = changes::listed(&text, name.as_str()).map_err(|fault| format!("{name}: {fault}"))?;
    let mut left = take.most;
    for one in &listed {
        if changes::is_ours(&one.name) {
            return Err(format!("{name} lists {}, which is a name of deb-build-app's own files", one.name));
        }
        left = left.checked_sub(one.size).ok_or_else(|| format!("{name} lists more than {} bytes", take.most))?;
        let file = below(&place, one.name.as_ref(), OFlags::empty())
            .map_err(|error| refused(&take.from.join(one.name.as_str()), error))?;
        let sum = copy(regular(file, &one.name, one.size)?, &take.to.join(one.name.as_str()))?;
        if sum != (one.size, one.sha256.clone()) {
            return Err(format!("{} is not the file that {name} describes", one.name));
        }
    }
    copy(text.as_bytes(), &take.to.join(name.as_str())).map(|_| ())
}

fn refused(path: &Path, error: rustix::io::Errno) -> String {
    match error {
        rustix::io::Errno::LOOP | rustix::io::Errno::NOTDIR => {
            format!("{} is a link, or behind one: it is not taken", path.display())
        }
        rustix::io::Errno::XDEV => format!("{} leads out of its directory: it is not taken", path.display()),
        error => format!("{}: {error}", path.display()),
    }
}

fn below(directory: &OwnedFd, path: &Path, more: OFlags) -> rustix::io::Result<OwnedFd> {
    let ways = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS | ResolveFlags::NO_XDEV;
    open(directory, path, more, ways)
}

fn open(directory: impl AsFd, path: &Path, more: OFlags, ways: ResolveFlags) -> rustix::io::Result<OwnedFd> {
    // Never waits for a writer of a FIFO, never becomes a terminal's process.
    let how = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::NOFOLLOW | more;
    openat2(directory, path, how, Mode::empty(), ways)
}

/// The file, if it is one and no larger than it should be; no more of it is read.
fn regular(file: OwnedFd, name: &FileName, most: u64) -> Outcome<impl Read> {
    let file = File::from(file);
    let there = file.metadata().map_err(|error| format!("{name}: {error}"))?;
    if !there.is_file() {
        return Err(format!("{name} is no regular file: it is not taken"));
    }
    if there.len() > most {
        return Err(format!("{name} has {} bytes, more than {most}: it is not taken", there.len()));
    }
    Ok(file.take(most + 1))
}

/// Write a new file; how much it was, and its digest.
fn copy(mut from: impl Read, to: &Path) -> Outcome<(u64, Sha256)> {
    let said = |error: std::io::Error| format!("{}: {error}", to.display());
    let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o644).open(to).map_err(said)?;
    let (mut buffer, mut size, mut digest) = (vec![0; 1 << 18], 0, sha2::Sha256::new());
    loop {
        let read = from.read(&mut buffer).map_err(said)?;
        if read == 0 {
            return Ok((size, Sha256::of(&digest.finalize().into())));
        }
        file.write_all(&buffer[..read]).map_err(said)?;
        digest.update(&buffer[..read]);
        size += read as u64;
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "a test makes what is to be taken")]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::symlink;

    fn room(deb: &str) -> (tempfile::TempDir, Take) {
        let room = tempfile::tempdir().unwrap();
        for name in ["root/build/place", "out", "secret"] {
            fs::create_dir_all(room.path().join(name)).unwrap();
        }
        fs::write(room.path().join("secret/key"), "secret").unwrap();
        let place = room.path().join("root/build/place");
        fs::write(place.join("x_1_all.deb"), deb).unwrap();
        fs::write(place.join("aaa.changes"), "Checksums-Sha256:\n").unwrap();
        let sum = crate::hex::hex(&sha2::Sha256::digest(b"deb"));
        fs::write(place.join("x_1_all.changes"), format!("Format: 1.8\nChecksums-Sha256:\n {sum} 3 x_1_all.deb\n"))
            .unwrap();
        let (from, to) = ("/build/place".into(), room.path().join("out"));
        let index = vec!["x_1_amd64.changes".to_owned(), "x_1_all.changes".to_owned()];
        (room, Take { from, to, index, most: 1000, alone: false })
    }

    fn said(room: &tempfile::TempDir, take: &Take) -> String {
        super::take(take, &room.path().join("root")).unwrap_err()
    }

    #[test]
    fn what_the_known_index_lists_is_taken_and_nothing_else() {
        let (room, take) = room("deb");
        super::take(&take, &room.path().join("root")).unwrap();
        let mut names: Vec<_> = fs::read_dir(&take.to).unwrap().map(|one| one.unwrap().file_name()).collect();
        names.sort();
        assert_eq!(names, ["x_1_all.changes", "x_1_all.deb"]);
    }

    #[test]
    fn links_fifos_and_large_files_are_not_taken() {
        let (one, take) = room("dob");
        assert!(said(&one, &take).contains("is not the file"));
        let (one, take) = room("debs");
        assert!(said(&one, &take).contains("more than 3"));
        let (one, take) = room("deb");
        let (place, secret) = (one.path().join("root/build/place"), one.path().join("secret/key"));
        fs::remove_file(place.join("x_1_all.deb")).unwrap();
        symlink(&secret, place.join("x_1_all.deb")).unwrap();
        assert!(said(&one, &take).contains("is a link"));
        fs::remove_file(place.join("x_1_all.deb")).unwrap();
        nix::unistd::mkfifo(&place.join("x_1_all.deb"), nix::sys::stat::Mode::S_IRWXU).unwrap();
        assert!(said(&one, &take).contains("no regular file"));
        // The directory itself, swapped for a link.
        fs::rename(&place, one.path().join("root/build/other")).unwrap();
        symlink(one.path().join("secret"), &place).unwrap();
        assert!(said(&one, &take).contains("is a link"));
        let take = Take { index: vec!["../x.changes".to_owned()], ..take };
        assert!(said(&one, &take).contains("is a link"));
    }

    #[test]
    fn an_index_that_lists_paths_or_our_names_is_refused() {
        for name in ["../../x", "/etc/passwd", "build.log", "manifest.json", "-x", "a b", "check-x.log"] {
            let (one, take) = room("deb");
            let changes = one.path().join("root/build/place/x_1_all.changes");
            fs::write(changes, format!("Format: 1.8\nChecksums-Sha256:\n {} 3 {name}\n", "a".repeat(64))).unwrap();
            assert!(super::take(&take, &one.path().join("root")).is_err(), "{name}");
            assert!(!take.to.join("x_1_all.changes").exists());
        }
    }
}
