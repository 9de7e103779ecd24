//! A git repository, asked through git itself.
//!
//! Owns what the driver knows of refs, trees and submodules. Changes no
//! repository but its own mirrors in the cache.

use std::path::{Path, PathBuf};

use crate::error::{Diagnostic, Error, Result};
use crate::input;
use crate::plan::Process;

use super::archive::Part;
use super::context::Context;

/// What is to be taken from a repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wanted {
    /// What is checked out.
    Head,
    /// A tag.
    Tag(String),
    /// A branch, local or of `origin`.
    Branch(String),
    /// A commit.
    Commit(String),
}

/// A repository: a work tree, a bare one, or a mirror of a remote one.
pub struct Repository<'a> {
    context: &'a Context<'a>,
    directory: PathBuf,
}

/// A submodule of a commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Submodule {
    /// Where it lies in the tree.
    pub path: PathBuf,
    /// Its commit.
    pub commit: String,
}

impl<'a> Repository<'a> {
    /// The repository at a path, or a mirror of the one at a URL.
    pub fn open(context: &'a Context<'a>, place: &str) -> Result<Self> {
        if is_remote(place) {
            return Self::mirror(context, place);
        }
        let repository = Self { context, directory: context.path(Path::new(place)) };
        let found = repository.git(["rev-parse", "--git-dir"])?;
        if found.success {
            return Ok(repository);
        }
        let words = super::context::last_words(&found.stderr);
        Err(Diagnostic::error(format!("{place} is no git repository: {words}"))
            .hint("name a repository, or a release archive with --archive")
            .into())
    }

    fn mirror(context: &'a Context<'a>, url: &str) -> Result<Self> {
        let name = crate::helper::venv::distribution::digest([url]);
        let directory = context.cache()?.join("git").join(&name[..16]);
        let repository = Self { context, directory: directory.clone() };
        if !input::is_directory(&directory) {
            let words = ["init", "--quiet", "--bare"].map(Into::into).into_iter().chain([directory.into()]);
            context.output("git init", Process::new::<std::ffi::OsString>("git", words))?;
        }
        context.say(format!("fetching {url}"));
        repository.ask([
            "fetch",
            "--quiet",
            "--force",
            "--prune",
            "--tags",
            url,
            "+refs/heads/*:refs/heads/*",
            "+HEAD:refs/remote-head",
        ])?;
        Ok(repository)
    }

    /// Whether files differ from what is committed, with the first lines of `git status`.
    pub fn dirt(&self) -> Result<Option<String>> {
        if self.ask(["rev-parse", "--is-bare-repository"])? == "true" {
            return Ok(None);
        }
        let status = self.ask(["status", "--porcelain", "--untracked-files=normal"])?;
        let lines: Vec<&str> = status.lines().map(str::trim).take(3).collect();
        Ok((!lines.is_empty()).then(|| lines.join(", ")))
    }

    /// The full id of the commit that is meant.
    pub fn commit(&self, wanted: &Wanted) -> Result<String> {
        let names = match wanted {
            Wanted::Head => vec!["HEAD".to_owned(), "refs/remote-head".to_owned()],
            Wanted::Tag(name) => vec![format!("refs/tags/{name}")],
            Wanted::Branch(name) => vec![format!("refs/heads/{name}"), format!("refs/remotes/origin/{name}")],
            Wanted::Commit(id) => vec![id.clone()],
        };
        for name in names {
            let found =
                self.git(["rev-parse", "--verify", "--quiet", "--end-of-options", &format!("{name}^{{commit}}")])?;
            if found.success {
                return Ok(text(&found.stdout));
            }
        }
        let what = match wanted {
            Wanted::Head => "no commit yet".to_owned(),
            Wanted::Tag(name) => format!("no tag '{name}'"),
            Wanted::Branch(name) => format!("no branch '{name}'"),
            Wanted::Commit(id) => format!("no commit '{id}'"),
        };
        Err(Diagnostic::error(format!("{} has {what}", self.directory.display()))
            .hint("'git tag --list' and 'git branch --all' show what there is; 'git fetch --tags' brings more")
            .into())
    }

    /// Whether a tag is signed, and by whom: `none`, `good KEY`, or `not verified: …`.
    pub fn signature(&self, tag: &str) -> Result<String> {
        let name = format!("refs/tags/{tag}");
        if self.ask(["cat-file", "-t", &name])? != "tag"
            || !self.ask(["cat-file", "tag", &name])?.contains("-----BEGIN ")
        {
            return Ok("none".to_owned());
        }
        let output = self.git(["verify-tag", "--raw", tag])?;
        let words = String::from_utf8_lossy(&output.stderr);
        let key = words.lines().find_map(|line| line.strip_prefix("[GNUPG:] VALIDSIG ")?.split(' ').next());
        Ok(match key {
            Some(key) if output.success => format!("good {key}"),
            None if output.success => "good".to_owned(),
            _ => format!("not verified: {}", super::context::last_words(&output.stderr)),
        })
    }

    /// When a commit was made, in seconds since the epoch.
    pub fn time(&self, commit: &str) -> Result<u64> {
        let time = self.ask(["show", "--no-patch", "--format=%ct", commit])?;
        time.parse().map_err(|_| Error::failed(format!("git gives '{time}' as the time of {commit}")))
    }

    /// Text of a file of a commit, where there is one.
    pub fn file(&self, commit: &str, path: &str) -> Result<Option<String>> {
        let output = self.git(["cat-file", "blob", &format!("{commit}:{path}")])?;
        Ok(output.success.then(|| String::from_utf8_lossy(&output.stdout).into_owned()))
    }

    /// A commit's tree and those of its submodules, as tar archives.
    pub fn tree(&self, commit: &str) -> Result<(Vec<Part>, Vec<Submodule>)> {
        let mut parts = Vec::new();
        let mut submodules = Vec::new();
        self.collect(commit, Path::new(""), &mut parts, &mut submodules)?;
        Ok((parts, submodules))
    }

    fn collect(&self, commit: &str, below: &Path, parts: &mut Vec<Part>, found: &mut Vec<Submodule>) -> Result<()> {
        // tar.umask: the archive's modes do not follow the user's configuration.
        let archive = self.git(["-c", "tar.umask=0022", "archive", "--format=tar", commit])?;
        if !archive.success {
            let words = super::context::last_words(&archive.stderr);
            return Err(Error::failed(format!("git archive {commit} failed: {words}")));
        }
        parts.push(Part { directory: below.to_owned(), bytes: archive.stdout });
        for submodule in self.submodules(commit)? {
            let path = below.join(&submodule.path);
            let repository = self.submodule(commit, &submodule)?;
            repository.collect(&submodule.commit, &path, parts, found)?;
            found.push(Submodule { path, commit: submodule.commit });
        }
        Ok(())
    }

    fn submodules(&self, commit: &str) -> Result<Vec<Submodule>> {
        let listing = self.ask(["ls-tree", "-r", "-z", "--full-tree", commit])?;
        Ok(listing
            .split('\0')
            .filter_map(|row| {
                let (facts, path) = row.split_once('\t')?;
                let commit = facts.strip_prefix("160000 commit ")?;
                Some(Submodule { path: path.into(), commit: commit.to_owned() })
            })
            .collect())
    }

    /// The repository of a submodule: where it is checked out, else a mirror of its URL.
    fn submodule(&self, commit: &str, submodule: &Submodule) -> Result<Repository<'a>> {
        let checked_out = Repository { context: self.context, directory: self.directory.join(&submodule.path) };
        let object = format!("{}^{{commit}}", submodule.commit);
        if input::kind(&checked_out.directory.join(".git"))?.is_some()
            && checked_out.git(["cat-file", "-e", &object])?.success
        {
            return Ok(checked_out);
        }
        let url = self.submodule_url(commit, &submodule.path)?;
        let mirror = Self::mirror(self.context, &url)?;
        if !mirror.git(["cat-file", "-e", &object])?.success {
            // A commit that no branch or tag reaches any more.
            mirror.ask(["fetch", "--quiet", &url, &submodule.commit])?;
        }
        Ok(mirror)
    }

    fn submodule_url(&self, commit: &str, path: &Path) -> Result<String> {
        let blob = format!("{commit}:.gitmodules");
        let listing = self.git(["config", "--blob", &blob, "--null", "--list"])?;
        let listing = text(&listing.stdout);
        let rows: Vec<(&str, &str)> = listing.split('\0').filter_map(|row| row.split_once('\n')).collect();
        let section =
            rows.iter().find_map(|(key, value)| (Path::new(value) == path).then_some(key.strip_suffix(".path")?));
        let url = section.and_then(|section| {
            let key = format!("{section}.url");
            rows.iter().find_map(|(name, value)| (*name == key).then_some(*value))
        });
        let Some(url) = url else {
            return Err(Diagnostic::error(format!("submodule {} has no URL in .gitmodules", path.display()))
                .hint("check it out: git submodule update --init")
                .into());
        };
        if !url.starts_with("./") && !url.starts_with("../") {
            return Ok(url.to_owned());
        }
        let origin = self.git(["remote", "get-url", "origin"])?;
        let base = if origin.success { text(&origin.stdout) } else { self.directory.to_string_lossy().into_owned() };
        Ok(relative_url(&base, url))
    }

    fn git<const N: usize>(&self, words: [&str; N]) -> Result<crate::apply::Output> {
        let process = Process::new("git", words).directory(&self.directory);
        self.context.attempt(process)
    }

    fn ask<const N: usize>(&self, words: [&str; N]) -> Result<String> {
        let what = format!("git {}", words[0]);
        let process = Process::new("git", words).directory(&self.directory);
        self.context.output(&what, process).map(|bytes| text(&bytes))
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).trim_end_matches('\n').to_owned()
}

/// Whether git takes it for another machine's repository, or a URL: `https://…`, `git@host:path`.
pub fn is_remote(place: &str) -> bool {
    if place.contains("://") {
        return true;
    }
    match place.split_once(':') {
        Some((host, _)) => host.contains('@') && !host.contains('/'),
        None => false,
    }
}

/// `../b` against `https://host/a` is `https://host/b` (git-submodule(1), "relative").
fn relative_url(base: &str, relative: &str) -> String {
    let mut base = base.trim_end_matches('/').to_owned();
    let mut rest = relative;
    loop {
        if let Some(next) = rest.strip_prefix("../") {
            let end = base.rfind(['/', ':']).unwrap_or_default();
            base.truncate(end);
            rest = next;
        } else if let Some(next) = rest.strip_prefix("./") {
            rest = next;
        } else {
            return format!("{base}/{rest}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_told_from_paths() {
        for url in ["https://host/x.git", "file:///x", "git@host:x.git"] {
            assert!(is_remote(url), "{url}");
        }
        for path in [".", "/a/b", "../x:y", "a@b/c:d"] {
            assert!(!is_remote(path), "{path}");
        }
    }

    #[test]
    fn relative_urls_are_git_s() {
        assert_eq!(relative_url("https://host/group/app", "../lib"), "https://host/group/lib");
        assert_eq!(relative_url("/srv/app/", "./sub"), "/srv/app/sub");
    }
}
