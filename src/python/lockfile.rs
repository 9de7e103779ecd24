//! Lock files: which distributions one environment gets, with their hashes.
//!
//! Owns the reading of `uv.lock` (version 1, every revision) and `pylock.toml`
//! (PEP 751) from text. Walks the graph, evaluates markers, leaves out what the
//! environment does not need. Opens no file and resolves nothing: what the lock
//! does not say is an error that points into it.
//!
//! Both readers take exactly the groups that are named. uv installs the group
//! `dev` where nothing is said; a package for users must not, so here it has to
//! be asked for. `pylock.toml` may name default groups of its own (PEP 751,
//! `default-groups`): those are what its author wants installed, and count.

mod document;
mod marker;
mod pylock;
mod uv;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use pep508_rs::MarkerEnvironment;

use super::name::is_valid;
use crate::error::{Diagnostic, Error, Result};

/// One distribution that a lock gives to the environment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pinned {
    /// Normalised name (PEP 503).
    pub name: String,
    /// Version, where the lock has one (a local project may have none).
    pub version: Option<String>,
    /// Where it comes from.
    pub source: Source,
    /// `sha256:…` of every file that may be taken for it; sorted, each once.
    pub hashes: Vec<String>,
    /// The files that may be taken for it, sorted by name.
    pub files: Vec<File>,
    /// Line of the lock (from 1) at which the distribution stands.
    pub line: usize,
}

/// Where a distribution comes from.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Source {
    /// A package index.
    Index {
        /// The index's URL, or the directory of a flat one; empty where the lock does not say.
        url: String,
    },
    /// An archive at a URL.
    Url {
        /// The URL.
        url: String,
        /// Directory in the archive that holds the project.
        subdirectory: Option<String>,
    },
    /// A git repository at one commit.
    Git {
        /// URL or path of the repository.
        url: String,
        /// Full object id.
        commit: String,
        /// Directory in the repository that holds the project.
        subdirectory: Option<String>,
    },
    /// An archive beside the lock.
    Path(PathBuf),
    /// A directory beside the lock: a workspace member or another local project.
    Directory {
        /// Relative to the lock, as it has it.
        path: PathBuf,
        /// Whether the lock wants it editable, which a package cannot be.
        editable: bool,
        /// Whether it is a project without a build system, of which only the dependencies count.
        dependencies_only: bool,
    },
}

/// One file of a distribution.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct File {
    /// Last component: `flask-3.1.3-py3-none-any.whl`.
    pub name: String,
    /// URL or path, as the lock has it.
    pub location: String,
    /// `sha256:…`, or a longer algorithm where the lock has only that.
    pub hash: String,
}

impl Pinned {
    /// Whether each text of it stays the one thing that it is in a requirements file,
    /// where a line's end, a blank or ` --` begins something else; else what does not.
    fn is_plain(&self) -> std::result::Result<(), String> {
        let refuse = |what: &str, text: &str| Err(format!("{what} that is none: '{text}'"));
        let word = |text: &str| !text.starts_with('-') && !text.contains(|c: char| c.is_whitespace() || c.is_control());
        let straight = |path: &Path| {
            let text = path.to_string_lossy();
            !text.contains(char::is_control) && !text.contains(" -") && !text.contains(" #")
        };
        if !is_valid(&self.name) {
            return refuse("a name", &self.name);
        }
        let inner = |c: char| c.is_ascii_alphanumeric() || "._+!-".contains(c);
        if let Some(version) = self.version.as_ref().filter(|version| !version.chars().all(inner)) {
            return refuse("a version", version);
        }
        for hash in self.hashes.iter().chain(self.files.iter().map(|file| &file.hash)) {
            let (algorithm, hex) = hash.split_once(':').unwrap_or((hash, ""));
            let length = match algorithm {
                "sha256" => 64,
                "sha384" => 96,
                "sha512" => 128,
                _ => 0,
            };
            if hex.len() != length || !hex.bytes().all(|byte| byte.is_ascii_hexdigit()) {
                return refuse("a hash", hash);
            }
        }
        if let Some(file) = self.files.iter().find(|file| file.name.contains(|c: char| c == '/' || c.is_control())) {
            return refuse("a file name", &file.name);
        }
        match &self.source {
            Source::Url { url, .. } | Source::Git { url, .. } if !word(url) => refuse("a URL", url),
            Source::Git { commit, .. } if !commit.chars().all(|c| c.is_ascii_alphanumeric()) => {
                refuse("a commit", commit)
            }
            Source::Url { subdirectory: Some(directory), .. } | Source::Git { subdirectory: Some(directory), .. }
                if !word(directory) =>
            {
                refuse("a directory", directory)
            }
            Source::Path(path) | Source::Directory { path, .. } if !straight(path) => {
                refuse("a path", &path.to_string_lossy())
            }
            _ => Ok(()),
        }
    }

    /// The line(s) of a requirements file that mean this distribution: `None`
    /// for a project without a build system, of which there is nothing to install.
    pub fn requirement(&self) -> Option<String> {
        let fragment = |subdirectory: &Option<String>| match subdirectory {
            Some(directory) => format!("#subdirectory={directory}"),
            None => String::new(),
        };
        let mut text = match &self.source {
            Source::Index { .. } => format!("{}=={}", self.name, self.version.as_deref()?),
            Source::Url { url, subdirectory } => format!("{} @ {url}{}", self.name, fragment(subdirectory)),
            Source::Git { url, commit, subdirectory } => {
                format!("{} @ git+{url}@{commit}{}", self.name, fragment(subdirectory))
            }
            Source::Directory { dependencies_only: true, .. } => return None,
            Source::Path(path) | Source::Directory { path, .. } if path.is_absolute() => path.display().to_string(),
            // Without "./" pip would take it for a name.
            Source::Path(path) | Source::Directory { path, .. } => format!("./{}", path.display()),
        };
        for hash in &self.hashes {
            text.push_str(" \\\n    --hash=");
            text.push_str(hash);
        }
        Some(text)
    }
}

/// Read a `uv.lock`.
///
/// `file` is what messages call it. `project` is the root, which is left out of
/// the result, as uv's `--no-emit-project` does; other workspace members that it
/// needs are [`Source::Directory`]. Every fault found is in the error.
pub fn uv_lock(
    text: &str,
    file: &Path,
    project: &str,
    extras: &[String],
    groups: &[String],
    environment: &MarkerEnvironment,
) -> Result<Vec<Pinned>> {
    uv::read(&document::Document::parse(text, file)?, project, extras, groups, environment).map_err(Error::Failed)
}

/// Read a `pylock.toml` (PEP 751).
///
/// `file` is what messages call it. Every fault found is in the error.
pub fn pylock(
    text: &str,
    file: &Path,
    extras: &[String],
    groups: &[String],
    environment: &MarkerEnvironment,
) -> Result<Vec<Pinned>> {
    pylock::read(&document::Document::parse(text, file)?, extras, groups, environment).map_err(Error::Failed)
}

/// Sort, and refuse two distributions of one name.
fn finish(
    mut pinned: Vec<Pinned>,
    document: &document::Document<'_>,
    mut faults: Vec<Diagnostic>,
    cure: &str,
) -> std::result::Result<Vec<Pinned>, Vec<Diagnostic>> {
    pinned.sort_by(|a, b| (&a.name, &a.version, a.line).cmp(&(&b.name, &b.version, b.line)));
    let mut lines: BTreeMap<&str, &Pinned> = BTreeMap::new();
    for one in &pinned {
        if let Err(what) = one.is_plain() {
            let message = format!("'{}' has {what}", one.name);
            faults.push(document.fault_at_line(one.line, message).hint("write the lock file again with its tool"));
        }
        if let Some(other) = lines.insert(&one.name, one) {
            let version = |pinned: &Pinned| pinned.version.clone().unwrap_or_else(|| "without a version".to_owned());
            faults.push(
                document
                    .fault_at_line(
                        one.line,
                        format!(
                            "'{}' stands here as {} and in line {} as {}, and this environment would get both",
                            one.name,
                            version(one),
                            other.line,
                            version(other)
                        ),
                    )
                    .hint(cure),
            );
        }
    }
    if faults.is_empty() { Ok(pinned) } else { Err(faults) }
}

#[cfg(test)]
mod tests;
