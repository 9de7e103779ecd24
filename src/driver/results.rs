//! Where results go, in directories that may lie in somebody else's.
//!
//! Owns the way to them: from the directory that the user names on, no link is
//! followed, and what was opened once stays where things are written, whatever its
//! owner renames meanwhile.

use std::path::{Path, PathBuf};

use crate::apply;
use crate::error::{Diagnostic, Error, Location, Result};
use crate::input::Beneath;

/// The directory that a source's results for one version lie in.
#[derive(Debug)]
pub struct Place {
    home: Beneath,
}

impl Place {
    /// Made where it is missing: these names below the one that the user has named.
    pub fn make(output: &Path, below: &[&str]) -> Result<Self> {
        apply::directory(output)?;
        let mut home = Beneath::open(output)?;
        for name in below {
            apply::directory(&home.entry(name))?;
            home = open(&home, name)?;
        }
        Ok(Self { home })
    }

    /// One that is there.
    pub fn of(directory: &Path) -> Result<Self> {
        let directory = if directory.as_os_str().is_empty() { Path::new(".") } else { directory };
        Ok(Self { home: Beneath::open(directory)? })
    }

    /// Its path, for messages.
    pub fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    /// A directory of it that is there.
    pub fn there(&self, name: &str) -> Result<Option<Beneath>> {
        self.home.below(Path::new(name))
    }

    /// An empty directory in it; what has this name goes.
    pub fn fresh(&self, name: &str) -> Result<Beneath> {
        apply::fresh_directory(&self.home.entry(name))?;
        open(&self.home, name)
    }

    /// Give a directory of it its final name; what has that goes.
    pub fn finish(&self, directory: &Beneath, from: &str, to: &str) -> Result<()> {
        apply::remove(&self.home.entry(to))?;
        apply::rename(&self.home.entry(from), &self.home.entry(to))?;
        match self.home.below(Path::new(to))? {
            Some(found) if found.is(directory) => Ok(()),
            _ => Err(exchanged(&self.path(to))),
        }
    }

    /// Write a file in it.
    pub fn write(&self, name: &str, contents: &[u8]) -> Result<()> {
        apply::write(&self.home.entry(name), contents, 0o644)
    }

    /// Remove what has this name.
    pub fn remove(&self, name: &str) -> Result<()> {
        apply::remove(&self.home.entry(name))
    }
}

fn open(home: &Beneath, name: &str) -> Result<Beneath> {
    home.below(Path::new(name))?.ok_or_else(|| exchanged(&home.path().join(name)))
}

fn exchanged(path: &Path) -> Error {
    Diagnostic::error("this is a link, or was exchanged while it was in use: no results are written there")
        .at(Location::file(path.to_owned()))
        .hint("remove it, or name a directory of your own with -o")
        .into()
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "a test makes links")]
mod tests {
    use super::*;

    #[test]
    fn results_go_where_they_were_to_go_or_nowhere() {
        let room = tempfile::tempdir().unwrap();
        let (output, outside) = (room.path().join("out"), room.path().join("outside"));
        std::fs::create_dir_all(&outside).unwrap();
        let place = Place::make(&output, &["bookworm", "notes"]).unwrap();
        let part = place.fresh("amd64.part").unwrap();
        // Its owner renames everything and puts links there.
        std::fs::rename(output.join("bookworm/notes"), output.join("bookworm/away")).unwrap();
        std::os::unix::fs::symlink(&outside, output.join("bookworm/notes")).unwrap();
        apply::write(&part.entry("x.deb"), b"x", 0o644).unwrap();
        place.finish(&part, "amd64.part", "amd64").unwrap();
        assert!(output.join("bookworm/away/amd64/x.deb").exists());
        assert_eq!(std::fs::read_dir(&outside).unwrap().count(), 0);
        assert!(
            Place::make(&output, &["bookworm", "notes"]).unwrap_err().diagnostics()[0]
                .to_string()
                .contains("exchanged")
        );
        // Another directory in place of the one that was filled is no result.
        let place = Place::make(&output, &["bookworm", "other"]).unwrap();
        let part = place.fresh("amd64.part").unwrap();
        std::fs::rename(output.join("bookworm/other/amd64.part"), room.path().join("stolen")).unwrap();
        std::fs::create_dir(output.join("bookworm/other/amd64.part")).unwrap();
        assert!(
            place.finish(&part, "amd64.part", "amd64").unwrap_err().diagnostics()[0].to_string().contains("exchanged")
        );
    }

    #[test]
    fn a_link_at_a_temporary_name_is_not_followed() {
        let room = tempfile::tempdir().unwrap();
        let victim = room.path().join("victim");
        std::os::unix::fs::symlink(&victim, room.path().join(format!("file.{}.new", std::process::id()))).unwrap();
        apply::write(&room.path().join("file"), b"x", 0o644).unwrap();
        assert!(!victim.exists() && std::fs::symlink_metadata(room.path().join("file")).unwrap().is_file());
    }
}
