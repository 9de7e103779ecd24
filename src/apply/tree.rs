//! Whole trees: packed into one file with a digest, taken out again, given modes and times.
//!
//! The file is `sha256 of the rest, in hexadecimal, and a new line`, then a tar
//! archive. Truncated or foreign bytes are therefore always noticed.

#![expect(clippy::disallowed_methods, reason = "part of the one module that writes")]

use std::io::{BufWriter, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Component, Path};

use sha2::{Digest, Sha256};

use crate::error::{Error, Result};
use crate::hex::hex;
use crate::input::{self, Kind};

/// Length of the header: 64 hexadecimal digits and a new line.
const HEADER: usize = 65;

/// Writes through, and hashes what passes.
struct Hashing<W> {
    inner: W,
    hasher: Sha256,
}

impl<W: Write> Write for Hashing<W> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.hasher.update(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.inner.flush()
    }
}

impl<R: Read> Read for Hashing<R> {
    fn read(&mut self, bytes: &mut [u8]) -> std::io::Result<usize> {
        let read = self.inner.read(bytes)?;
        self.hasher.update(&bytes[..read]);
        Ok(read)
    }
}

/// Pack `tree` into `file`, which appears whole or not at all.
pub fn pack(tree: &Path, file: &Path) -> Result<()> {
    if let Some(parent) = file.parent() {
        super::directory(parent)?;
    }
    let temporary = file.with_extension(format!("{}.new", std::process::id()));
    let result = pack_into(tree, &temporary)
        .and_then(|()| std::fs::rename(&temporary, file).map_err(|error| Error::io("write", file, &error)));
    if result.is_err() {
        // Worthless now; the first error is the one to report.
        let _ = std::fs::remove_file(&temporary);
    }
    result
}

fn pack_into(tree: &Path, file: &Path) -> Result<()> {
    let failed = |error: std::io::Error| Error::io("write", file, &error);
    let mut out = super::fresh(file, 0o666).map_err(failed)?;
    out.write_all(&[b'0'; HEADER]).map_err(failed)?;
    let mut builder =
        tar::Builder::new(Hashing { inner: BufWriter::with_capacity(1 << 18, out), hasher: Sha256::new() });
    for entry in input::tree(tree)? {
        let mut header = tar::Header::new_gnu();
        header.set_mtime(0);
        match &entry.kind {
            Kind::Directory => {
                header.set_entry_type(tar::EntryType::Directory);
                header.set_mode(0o755);
                header.set_size(0);
                builder.append_data(&mut header, &entry.path, std::io::empty()).map_err(failed)?;
            }
            Kind::Link(target) => {
                header.set_entry_type(tar::EntryType::Symlink);
                header.set_mode(0o777);
                header.set_size(0);
                builder.append_link(&mut header, &entry.path, target).map_err(failed)?;
            }
            Kind::File { mode, size } => {
                header.set_entry_type(tar::EntryType::Regular);
                header.set_mode(*mode);
                header.set_size(*size);
                let path = tree.join(&entry.path);
                let source = std::fs::File::open(&path).map_err(|error| Error::io("read", &path, &error))?;
                builder.append_data(&mut header, &entry.path, source.take(*size)).map_err(failed)?;
            }
            Kind::Other => {
                return Err(Error::failed(format!("{} is no file, directory or link", entry.path.display())));
            }
        }
    }
    let hashing = builder.into_inner().map_err(failed)?;
    let digest = hex(&hashing.hasher.finalize());
    let mut out = hashing.inner.into_inner().map_err(|error| failed(error.into_error()))?;
    out.seek(SeekFrom::Start(0)).and_then(|_| out.write_all(format!("{digest}\n").as_bytes())).map_err(failed)
}

/// Take a packed tree out into `tree`, a directory that does not exist yet.
/// `false`, and nothing left behind, where the file is absent or not what was packed.
pub fn unpack(file: &Path, tree: &Path) -> Result<bool> {
    let Ok(mut source) = std::fs::File::open(file) else { return Ok(false) };
    let mut header = [0; HEADER];
    if source.read_exact(&mut header).is_err() {
        return Ok(false);
    }
    let reader = Hashing { inner: std::io::BufReader::with_capacity(1 << 18, source), hasher: Sha256::new() };
    let mut archive = tar::Archive::new(reader);
    match extract(&mut archive, tree) {
        Ok(()) => {}
        Err(Fault::Archive) => {
            super::remove(tree)?;
            return Ok(false);
        }
        Err(Fault::Tree(error)) => return Err(error),
    }
    let mut reader = archive.into_inner();
    // The rest after the archive's end mark belongs to the digest, too.
    let whole = std::io::copy(&mut reader, &mut std::io::sink()).is_ok();
    let digest = format!("{}\n", hex(&reader.hasher.finalize()));
    if !whole || digest.as_bytes() != header {
        super::remove(tree)?;
        return Ok(false);
    }
    Ok(true)
}

/// What stops an extraction: a bad archive, or a file system that refuses.
enum Fault {
    Archive,
    Tree(Error),
}

fn extract<R: Read>(archive: &mut tar::Archive<R>, tree: &Path) -> std::result::Result<(), Fault> {
    super::directory(tree).map_err(Fault::Tree)?;
    let bad = |_| Fault::Archive;
    for entry in archive.entries().map_err(bad)? {
        let mut entry = entry.map_err(bad)?;
        let path = entry.path().map_err(bad)?.into_owned();
        if !path.components().all(|part| matches!(part, Component::Normal(_))) {
            return Err(Fault::Archive);
        }
        let target = tree.join(&path);
        let refused = |error: std::io::Error| Fault::Tree(Error::io("write", &target, &error));
        match entry.header().entry_type() {
            tar::EntryType::Directory => std::fs::create_dir(&target).map_err(refused)?,
            tar::EntryType::Symlink => {
                let link = entry.link_name().map_err(bad)?.ok_or(Fault::Archive)?;
                std::os::unix::fs::symlink(link, &target).map_err(refused)?;
            }
            tar::EntryType::Regular => {
                let mode = entry.header().mode().map_err(bad)?;
                let size = entry.size();
                let mut out = std::fs::OpenOptions::new()
                    .write(true)
                    .create_new(true)
                    .mode(mode)
                    .open(&target)
                    .map_err(refused)?;
                let mut bytes = Vec::with_capacity(usize::try_from(size).unwrap_or(0).min(1 << 24));
                while entry.by_ref().take(1 << 24).read_to_end(&mut bytes).map_err(bad)? > 0 {
                    out.write_all(&bytes).map_err(refused)?;
                    bytes.clear();
                }
            }
            _ => return Err(Fault::Archive),
        }
    }
    Ok(())
}

/// Give a file its permission bits.
pub fn set_mode(path: &Path, mode: u32) -> Result<()> {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode))
        .map_err(|error| Error::io("change the mode of", path, &error))
}

/// Give everything under `tree`, itself included, one modification time
/// (seconds since the epoch), so that it does not tell how a file came there.
pub fn set_times(tree: &Path, epoch: i64) -> Result<()> {
    let time = nix::sys::time::TimeSpec::new(epoch, 0);
    let set = |path: &Path| {
        nix::sys::stat::utimensat(
            nix::fcntl::AT_FDCWD,
            path,
            &time,
            &time,
            nix::sys::stat::UtimensatFlags::NoFollowSymlink,
        )
        .map_err(|errno| Error::io("set the time of", path, &errno.into()))
    };
    // Looking costs less than setting.
    let right = |path: &Path| {
        std::fs::symlink_metadata(path).is_ok_and(|metadata| (metadata.mtime(), metadata.mtime_nsec()) == (epoch, 0))
    };
    let entries = input::tree(tree)?;
    let paths = entries.iter().map(|entry| tree.join(&entry.path)).chain([tree.to_path_buf()]);
    for path in paths.filter(|path| !right(path)) {
        set(&path)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> (tempfile::TempDir, std::path::PathBuf, std::path::PathBuf) {
        let room = tempfile::tempdir().unwrap();
        let tree = room.path().join("tree");
        std::fs::create_dir_all(tree.join("bin/deep")).unwrap();
        std::fs::write(tree.join("bin/run"), b"#!/bin/sh\n").unwrap();
        set_mode(&tree.join("bin/run"), 0o755).unwrap();
        std::fs::write(tree.join("bin/deep").join("n".repeat(180)), vec![7; 100_000]).unwrap();
        std::os::unix::fs::symlink("run", tree.join("bin/link")).unwrap();
        let file = room.path().join("cache/x.tree");
        pack(&tree, &file).unwrap();
        (room, tree, file)
    }

    #[test]
    fn a_packed_tree_comes_out_as_it_went_in() {
        let (room, tree, file) = sample();
        let out = room.path().join("out");
        assert!(unpack(&file, &out).unwrap());
        let before = input::tree(&tree).unwrap();
        assert_eq!(before, input::tree(&out).unwrap());
        assert_eq!(input::survey(&tree, &before, &[]).unwrap(), input::survey(&out, &before, &[]).unwrap());
    }

    #[test]
    fn a_damaged_file_is_no_tree() {
        let (room, _, file) = sample();
        let good = std::fs::read(&file).unwrap();
        let out = room.path().join("out");
        for cut in [0, 10, HEADER, HEADER + 700, good.len() - 600, good.len() - 1] {
            std::fs::write(&file, &good[..cut]).unwrap();
            assert!(!unpack(&file, &out).unwrap(), "cut at {cut}");
            assert_eq!(input::kind(&out).unwrap(), None);
        }
        let mut flipped = good.clone();
        flipped[HEADER + 1600] ^= 1;
        std::fs::write(&file, &flipped).unwrap();
        assert!(!unpack(&file, &out).unwrap());
        assert_eq!(input::kind(&out).unwrap(), None);
        std::fs::write(&file, b"something else\n".repeat(300)).unwrap();
        assert!(!unpack(&file, &out).unwrap());
    }

    #[test]
    fn times_are_set_on_links_and_directories_too() {
        use std::os::unix::fs::MetadataExt;
        let (_room, tree, _) = sample();
        set_times(&tree, 86_400).unwrap();
        for path in [tree.clone(), tree.join("bin"), tree.join("bin/link"), tree.join("bin/run")] {
            assert_eq!(std::fs::symlink_metadata(path).unwrap().mtime(), 86_400);
        }
    }
}
