//! The archive of a source: tar bytes in, tar bytes out.
//!
//! Owns what makes an orig tarball the same from run to run and from machine to
//! machine: sorted names, one time, root as owner, modes 0755 and 0644. Reads no
//! file.

use std::collections::BTreeMap;
use std::io::{Cursor, Read};
use std::path::{Component, Path, PathBuf};

use crate::error::{Diagnostic, Error, Result};
use crate::foreign::printable_line;

/// A tar archive and the directory of the source tree that it fills.
pub struct Part {
    /// Below the top of the tree; empty for the top itself.
    pub directory: PathBuf,
    /// The archive, uncompressed.
    pub bytes: Vec<u8>,
}

enum Content {
    Directory,
    File { executable: bool, bytes: Vec<u8> },
    Link(PathBuf),
}

/// One archive of several, each below its directory, all below `top`; `time` is
/// every entry's, in seconds since the epoch.
pub fn join(parts: &[Part], top: &str, time: u64) -> Result<Vec<u8>> {
    let mut entries = BTreeMap::new();
    for part in parts {
        collect(part, &mut entries)?;
    }
    let mut builder = tar::Builder::new(Vec::new());
    append(&mut builder, Path::new(top), &Content::Directory, time)?;
    for (path, content) in &entries {
        append(&mut builder, &Path::new(top).join(path), content, time)?;
    }
    builder.into_inner().map_err(|error| failed(&error))
}

/// An archive of files of one directory, `top`, by name; as old as the epoch.
pub fn of_files(files: &[(String, Vec<u8>)], top: &str) -> Result<Vec<u8>> {
    let mut builder = tar::Builder::new(Vec::new());
    append(&mut builder, Path::new(top), &Content::Directory, 0)?;
    for (name, bytes) in files {
        let content = Content::File { executable: false, bytes: bytes.clone() };
        append(&mut builder, &Path::new(top).join(name), &content, 0)?;
    }
    builder.into_inner().map_err(|error| failed(&error))
}

fn collect(part: &Part, entries: &mut BTreeMap<PathBuf, Content>) -> Result<()> {
    let mut archive = tar::Archive::new(Cursor::new(&part.bytes));
    for entry in archive.entries().map_err(|error| failed(&error))? {
        let mut entry = entry.map_err(|error| failed(&error))?;
        let path = part.directory.join(entry.path().map_err(|error| failed(&error))?);
        let kind = entry.header().entry_type();
        let content = if kind.is_dir() {
            Content::Directory
        } else if kind.is_symlink() {
            let target = entry.link_name().map_err(|error| failed(&error))?;
            Content::Link(target.map(|target| target.into_owned()).unwrap_or_default())
        } else if kind.is_file() {
            let executable = entry.header().mode().map_err(|error| failed(&error))? & 0o111 != 0;
            let mut bytes = Vec::new();
            entry.read_to_end(&mut bytes).map_err(|error| failed(&error))?;
            Content::File { executable, bytes }
        } else {
            // git's header with the commit's id: it is noted elsewhere.
            continue;
        };
        // `./` and the like.
        let path: PathBuf = path.components().filter(|part| *part != Component::CurDir).collect();
        if path.as_os_str().is_empty() {
            continue;
        }
        if !is_plain(&path) {
            return Err(hostile(&path, "it leads out of the tree, or is git's own"));
        }
        entries.insert(path, content);
    }
    for path in entries.keys() {
        let inside = |above: &Path| matches!(entries.get(above), None | Some(Content::Directory));
        if !path.ancestors().skip(1).all(inside) {
            return Err(hostile(path, "it is below a file or a link"));
        }
    }
    Ok(())
}

/// No git makes such a tree: whoever did meant to write elsewhere when it is unpacked.
fn hostile(path: &Path, why: &str) -> Error {
    let path = path.to_string_lossy();
    let fault = Diagnostic::error(format!("the source has an entry '{}': {why}", printable_line(&path)));
    fault.hint("look at the commit: git ls-tree -r, git fsck").into()
}

fn append(builder: &mut tar::Builder<Vec<u8>>, path: &Path, content: &Content, time: u64) -> Result<()> {
    let mut header = tar::Header::new_gnu();
    header.set_mtime(time);
    header.set_uid(0);
    header.set_gid(0);
    let (kind, mode, bytes): (_, _, &[u8]) = match content {
        Content::Directory => (tar::EntryType::Directory, 0o755, &[]),
        Content::Link(_) => (tar::EntryType::Symlink, 0o777, &[]),
        Content::File { executable, bytes } => {
            (tar::EntryType::Regular, if *executable { 0o755 } else { 0o644 }, bytes)
        }
    };
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_size(bytes.len() as u64);
    let result = match content {
        Content::Link(target) => builder.append_link(&mut header, path, target),
        // With a slash at the end, as tar(1) writes directories.
        Content::Directory => builder.append_data(&mut header, path.join(""), bytes),
        Content::File { .. } => builder.append_data(&mut header, path, bytes),
    };
    result.map_err(|error| failed(&error))
}

fn failed(error: &std::io::Error) -> Error {
    Error::failed(format!("the source's archive cannot be made: {error}"))
}

/// Whether a path of a tree stays below its top, and out of git's own directory there.
pub fn is_plain(path: &Path) -> bool {
    let own = |name: &std::ffi::OsStr| name.eq_ignore_ascii_case(".git");
    let mut parts = path.components().peekable();
    parts.peek().is_some() && parts.all(|part| matches!(part, Component::Normal(name) if !own(name)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn archive(entries: &[(&str, u32, &str)]) -> Vec<u8> {
        let mut builder = tar::Builder::new(Vec::new());
        for (path, mode, text) in entries {
            let mut header = tar::Header::new_gnu();
            header.set_mode(*mode);
            header.set_mtime(*mode as u64);
            header.set_uid(1000);
            header.set_size(text.len() as u64);
            builder.append_data(&mut header, path, text.as_bytes()).unwrap();
        }
        builder.into_inner().unwrap()
    }

    #[test]
    fn an_entry_that_would_be_written_elsewhere_is_refused() {
        let raw = |rows: &[(&str, tar::EntryType, &str)]| {
            let mut builder = tar::Builder::new(Vec::new());
            for (path, kind, target) in rows {
                let mut header = tar::Header::new_gnu();
                header.as_gnu_mut().unwrap().name[..path.len()].copy_from_slice(path.as_bytes());
                header.as_gnu_mut().unwrap().linkname[..target.len()].copy_from_slice(target.as_bytes());
                header.set_entry_type(*kind);
                header.set_mode(0o644);
                header.set_size(0);
                header.set_cksum();
                builder.append(&header, &[][..]).unwrap();
            }
            Part { directory: "".into(), bytes: builder.into_inner().unwrap() }
        };
        let (file, link) = (tar::EntryType::Regular, tar::EntryType::Symlink);
        type Row = (&'static str, tar::EntryType, &'static str);
        let cases: [(&[Row], &str); 5] = [
            (&[("../x", file, "")], "leads out"),
            (&[("a/../../x", file, "")], "leads out"),
            (&[("/etc/x", file, "")], "leads out"),
            (&[("a/.git/config", file, "")], "git's own"),
            (&[("a", link, "/etc"), ("a/x", file, "")], "below a file or a link"),
        ];
        for (rows, why) in cases {
            let said = join(&[raw(rows)], "x-1", 0).unwrap_err().diagnostics()[0].to_string();
            assert!(said.contains(why), "{said}");
        }
        assert!(join(&[raw(&[("a", link, "/etc"), ("b", file, "")])], "x-1", 0).is_ok());
    }

    #[test]
    fn order_owner_and_time_of_the_parts_do_not_show() {
        let one = [
            Part { directory: "".into(), bytes: archive(&[("b", 0o600, "b"), ("a/x", 0o755, "x")]) },
            Part { directory: "sub".into(), bytes: archive(&[("s", 0o644, "s")]) },
        ];
        let two = [
            Part { directory: "sub".into(), bytes: archive(&[("s", 0o640, "s")]) },
            Part { directory: "".into(), bytes: archive(&[("a/x", 0o711, "x"), ("b", 0o644, "b")]) },
        ];
        let joined = join(&one, "notes-1.0", 7).unwrap();
        assert_eq!(joined, join(&two, "notes-1.0", 7).unwrap());
        let mut archive = tar::Archive::new(Cursor::new(&joined));
        let listed: Vec<(String, u32, u64, u64)> = archive
            .entries()
            .unwrap()
            .map(|entry| {
                let entry = entry.unwrap();
                let header = entry.header();
                let path = entry.path().unwrap().to_string_lossy().into_owned();
                (path, header.mode().unwrap(), header.mtime().unwrap(), header.uid().unwrap())
            })
            .collect();
        let row = |path: &str, mode| (path.to_owned(), mode, 7, 0);
        let expected = [
            row("notes-1.0/", 0o755),
            row("notes-1.0/a/x", 0o755),
            row("notes-1.0/b", 0o644),
            row("notes-1.0/sub/s", 0o644),
        ];
        assert_eq!(listed, expected);
    }
}
