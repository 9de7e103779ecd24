//! A git repository, asked through git itself.
//!
//! Owns what the driver knows of refs, trees and submodules, and every start of git
//! ([`process`]). A source's repository is read as a [`snapshot`], so that git obeys
//! nothing of it; what is fetched goes into mirrors in the cache, one for each URL,
//! whose configuration is ours.

pub mod remote;
pub mod snapshot;
pub mod submodule;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use crate::error::{Diagnostic, Error, Result};
use crate::foreign::without_passwords;
use crate::input;
use crate::plan::Process;

use super::archive::Part;
use super::context::Context;
use super::hold::Workroom;
use remote::{Remote, is_remote};
use snapshot::{Depth, Place};
use submodule::{Submodule, relative_url};

/// What git is always told, over every configuration.
const OVER: [(&str, &str); 11] = [
    ("core.fsmonitor", "false"),
    ("core.hooksPath", "/dev/null"),
    ("core.attributesFile", "/dev/null"),
    ("core.pager", "cat"),
    ("protocol.ext.allow", "never"),
    ("submodule.recurse", "false"),
    ("fetch.recurseSubmodules", "false"),
    ("fetch.fsckObjects", "true"),
    ("gc.autoDetach", "false"),
    ("http.followRedirects", "initial"),
    ("advice.detachedHead", "false"),
];

/// Faults of old commits that many good repositories have, and that harm nobody who
/// reads them. What names submodules, paths and `.git` stays an error.
const OLD: [&str; 13] = [
    "badDate",
    "badDateOverflow",
    "badEmail",
    "badName",
    "badTimezone",
    "missingEmail",
    "missingNameBeforeEmail",
    "missingSpaceBeforeDate",
    "missingSpaceBeforeEmail",
    "missingTaggerEntry",
    "multipleAuthors",
    "zeroPaddedDate",
    "zeroPaddedFilemode",
];

/// Most files and directories of a commit; the largest projects have some 500,000.
const MOST_FILES: usize = 1_000_000;
/// Most bytes of a list of them, and of anything else that git prints but an archive.
const MOST_LISTED: u64 = 256 << 20;

/// Most objects whose ids begin alike that are looked at.
const MOST_ALIKE: usize = 64;

/// How long git may take to read a repository of this machine: it waits for what
/// writes into a FIFO that is called .gitignore.
const LOCAL: std::time::Duration = std::time::Duration::from_secs(600);

/// git in a repository of ours: a snapshot or a mirror. It has no configuration but that
/// one's, runs nothing on its behalf, and asks no network.
pub fn process<A: Into<OsString>>(
    repository: &Path,
    work_tree: Option<&Path>,
    words: impl IntoIterator<Item = A>,
) -> Process {
    let mut process = Process::new("git", words).directory(work_tree.unwrap_or(Path::new("/")));
    let mut set = |name: &str, value: OsString| drop(process.environment.insert(name.into(), value));
    set("GIT_DIR", repository.into());
    if let Some(tree) = work_tree {
        set("GIT_WORK_TREE", tree.into());
    }
    let old = OLD.map(|name| (format!("fetch.fsck.{name}"), "ignore"));
    let pairs = OVER.map(|(key, value)| (key.to_owned(), value)).into_iter().chain(old);
    let mut count = 0;
    for (key, value) in pairs {
        set(&format!("GIT_CONFIG_KEY_{count}"), key.into());
        set(&format!("GIT_CONFIG_VALUE_{count}"), value.into());
        count += 1;
    }
    for (name, value) in [
        ("GIT_CONFIG_COUNT", count.to_string().as_str()),
        ("GIT_CONFIG_NOSYSTEM", "1"),
        ("GIT_CONFIG_GLOBAL", "/dev/null"),
        ("GIT_ATTR_NOSYSTEM", "1"),
        ("GIT_NO_REPLACE_OBJECTS", "1"),
        ("GIT_NO_LAZY_FETCH", "1"),
        ("GIT_OPTIONAL_LOCKS", "0"),
        ("GIT_TERMINAL_PROMPT", "0"),
        ("GIT_PAGER", "cat"),
        ("GIT_EDITOR", "false"),
        // None at all.
        ("GIT_ALLOW_PROTOCOL", "none"),
    ] {
        set(name, value.into());
    }
    process
}

/// The same with the configuration of the machine and of whoever runs this: proxies,
/// passwords, other names of servers and the keys that sign are his word, and trusted.
/// Other machines may be asked, and nothing else.
fn trusting(mut process: Process) -> Process {
    for name in ["GIT_CONFIG_NOSYSTEM", "GIT_CONFIG_GLOBAL"] {
        process.environment.remove(std::ffi::OsStr::new(name));
    }
    process.environment.insert("GIT_ALLOW_PROTOCOL".into(), "https:http:ssh:git".into());
    process
}

/// A setting of the repository at a directory as a text, else of the user's own configuration.
pub fn setting(context: &Context<'_>, directory: &Path, key: &str) -> Option<String> {
    let place = Place::find(context, directory).ok().flatten();
    if let Some(text) = place.and_then(|place| place.setting(context, key).ok().flatten()) {
        return Some(text);
    }
    let words = ["config", "--get", key];
    let output = context.attempt(trusting(process(Path::new("/nonexistent"), None, words))).ok()?;
    let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    Some(text).filter(|text| output.success && !text.is_empty() && !text.contains(char::is_control))
}

/// Names of the files below a directory that git knows or would add, ended by NUL, as
/// the repository says that the directory is part of; `None` where none does.
pub fn files(context: &Context<'_>, directory: &Path) -> Result<Option<Vec<u8>>> {
    // A file .git that leads to another repository says nothing about this directory.
    let Some(place) = Place::find(context, directory).ok().flatten() else { return Ok(None) };
    let Some(tree) = &place.work_tree else { return Ok(None) };
    let room = Workroom::new(context, &context.cache()?.join("work"))?;
    let copy = place.copy(context, &room, Depth::Files)?;
    let listing = ["ls-files", "-z", "--cached", "--others", "--exclude-standard"];
    let listed = context.attempt_within(LOCAL, process(&copy, Some(tree), listing).directory(directory));
    Ok(listed.ok().filter(|output| output.success && !output.stdout.is_empty()).map(|output| output.stdout))
}

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

/// A repository of ours that can be asked: a snapshot of one of this machine, or a
/// mirror of a remote one.
pub struct Repository<'a> {
    context: &'a Context<'a>,
    /// What messages call it.
    name: String,
    directory: PathBuf,
    /// Of a snapshot.
    place: Option<Place>,
    /// Where it comes from, for relative URLs.
    origin: Option<String>,
    _room: Option<Workroom>,
}

impl<'a> Repository<'a> {
    /// The repository at a path, or a mirror of the one at a URL.
    pub fn open(context: &'a Context<'a>, place: &str) -> Result<Self> {
        // A file: URL of the command line is a path; git itself gets none.
        let local = place.strip_prefix("file://");
        if local.is_none() && is_remote(place) {
            let url = Remote::new(place).map_err(|why| Error::Usage(Diagnostic::error(why)))?;
            return Self::mirror(context, &url);
        }
        let directory = context.path(Path::new(local.unwrap_or(place)));
        let none = |why: &str| {
            Error::from(
                Diagnostic::error(format!("{} is no git repository{why}", without_passwords(place)))
                    .hint("name a repository, or a release archive with --archive"),
            )
        };
        if !input::is_directory(&directory) {
            return Err(none(": there is no such directory"));
        }
        let mut found = Place::find(context, &directory)?.ok_or_else(|| none(""))?;
        if local.is_some() {
            found.work_tree = None;
            found.prefix = PathBuf::new();
        }
        Self::of(context, directory.display().to_string(), found)
    }

    fn of(context: &'a Context<'a>, name: String, place: Place) -> Result<Self> {
        let room = Workroom::new(context, &context.cache()?.join("work"))?;
        let directory = place.copy(context, &room, Depth::History)?;
        let origin = place.setting(context, "remote.origin.url")?;
        Ok(Self { context, name, directory, place: Some(place), origin, _room: Some(room) })
    }

    fn mirror(context: &'a Context<'a>, url: &Remote) -> Result<Self> {
        let name = crate::digest::digest([url.as_str()]);
        let directory = context.cache()?.join("git").join(&name[..32]);
        let mirror = Self {
            context,
            name: without_passwords(url.as_str()).into_owned(),
            directory: directory.clone(),
            place: None,
            origin: Some(url.as_str().to_owned()),
            _room: None,
        };
        // No template: a new repository has nothing in it that runs.
        let words = ["init", "--quiet", "--bare", "--template="];
        if !input::is_directory(&directory.join("refs")) {
            crate::apply::directory(&directory)?;
            context.output("git init", process(&directory, None, words))?;
        }
        context.say(format!("fetching {}", mirror.name));
        mirror.fetch(&[
            "--force",
            "--prune",
            "--tags",
            "--",
            url.as_str(),
            "+refs/heads/*:refs/heads/*",
            "+HEAD:refs/remote-head",
        ])?;
        Ok(mirror)
    }

    fn fetch(&self, words: &[&str]) -> Result<()> {
        let words = ["fetch", "--quiet"].iter().chain(words).copied();
        self.context.output("git fetch", trusting(process(&self.directory, None, words))).map(|_| ())
    }

    /// The newest tag that what is checked out comes after.
    pub fn newest_tag(&self) -> Result<Option<String>> {
        let found = self.git(["describe", "--tags", "--abbrev=0"])?;
        Ok(Some(text(&found.stdout)).filter(|_| found.success))
    }

    /// Whether files differ from what is committed, with the first lines of `git status`.
    pub fn dirt(&self) -> Result<Option<String>> {
        let Some(place) = &self.place else { return Ok(None) };
        if place.work_tree.is_none() {
            return Ok(None);
        }
        let has_commit = self.git(["rev-parse", "--verify", "--quiet", "HEAD^{commit}"])?.success;
        if has_commit {
            self.listing("HEAD")?;
        }
        // Within a submodule, git would go by that one's own configuration.
        let words = ["status", "--porcelain", "--untracked-files=normal", "--ignore-submodules=all"];
        let status = self.ask(words)?;
        let mut lines: Vec<String> = status.lines().map(|line| line.trim().to_owned()).take(3).collect();
        if !has_commit {
            return Ok((!lines.is_empty()).then(|| lines.join(", ")));
        }
        for submodule in self.submodules("HEAD")? {
            let Some(inner) = place.submodule(&place.prefix.join(&submodule.path))? else { continue };
            let inner = Self::of(self.context, submodule.path.display().to_string(), inner)?;
            let moved = inner.commit(&Wanted::Head).is_ok_and(|commit| commit != submodule.commit);
            if lines.len() < 3 && (moved || inner.dirt()?.is_some()) {
                lines.push(format!("M {}", submodule.path.display()));
            }
        }
        Ok((!lines.is_empty()).then(|| lines.join(", ")))
    }

    /// The full id of the commit that is meant.
    pub fn commit(&self, wanted: &Wanted) -> Result<String> {
        let names = match wanted {
            Wanted::Head => vec!["HEAD".to_owned(), "refs/remote-head".to_owned()],
            Wanted::Tag(name) => vec![format!("refs/tags/{name}")],
            Wanted::Branch(name) => vec![format!("refs/heads/{name}"), format!("refs/remotes/origin/{name}")],
            // HEAD and its like are no branch's and no tag's name here.
            Wanted::Commit(id) if id == "HEAD" || id.starts_with("HEAD~") || id.starts_with("HEAD^") => {
                vec![id.clone()]
            }
            Wanted::Commit(id) => return self.commit_of_id(id),
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
        Err(Diagnostic::error(format!("{} has {what}", self.name))
            .hint("'git tag --list' and 'git branch --all' show what there is; 'git fetch --tags' brings more")
            .into())
    }

    /// The commit whose id begins so. git would look for a branch or a tag of this name, too.
    fn commit_of_id(&self, id: &str) -> Result<String> {
        let id = id.to_ascii_lowercase();
        let fault = |what: &str, hint: &str| {
            Error::from(Diagnostic::error(format!("{}: {what}", self.name)).hint(hint.to_owned()))
        };
        if !(4..=64).contains(&id.len()) || !id.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            let what = format!("'{}' is no id of a commit", crate::foreign::printable_line(&id));
            return Err(fault(&what, "it has 4 to 64 hexadecimal digits; --tag and --branch take names"));
        }
        let listed = self.git(["rev-parse", &format!("--disambiguate={id}")])?;
        let mut found = Vec::new();
        for object in text(&listed.stdout).lines().filter(|object| object.starts_with(&id)).take(MOST_ALIKE) {
            if self.ask(["cat-file", "-t", object])? == "commit" {
                found.push(object.to_owned());
            }
        }
        match found.as_slice() {
            [one] => Ok(one.clone()),
            [] => {
                Err(fault(&format!("no commit '{id}'"), "'git log --all' shows what there is; 'git fetch' brings more"))
            }
            _ => Err(fault(&format!("several commits begin with '{id}'"), "give more digits of the one that is meant")),
        }
    }

    /// Whether a tag is signed, and by whom: `none`, `good KEY`, or `not verified: …`.
    pub fn signature(&self, tag: &str) -> Result<String> {
        let name = format!("refs/tags/{tag}");
        if self.ask(["cat-file", "-t", &name])? != "tag" {
            return Ok("none".to_owned());
        }
        let object = self.ask(["cat-file", "tag", &name])?;
        if !object.contains("-----BEGIN ") {
            return Ok("none".to_owned());
        }
        // Signed is the object, not the ref: whoever keeps the repository lets any ref lead to it.
        let head = object.split("\n\n").next().unwrap_or_default();
        let own = head.lines().find_map(|line| line.strip_prefix("tag ")).unwrap_or_default();
        if own != tag {
            let own = crate::foreign::printable_line(own).into_owned();
            return Err(Diagnostic::error(format!(
                "{}: what the tag '{tag}' leads to is signed as '{own}'",
                self.name
            ))
            .hint("somebody has given an older release a new name: ask upstream, and do not build it")
            .into());
        }
        let words = ["verify-tag", "--raw", "--", &name];
        let output = self.context.attempt(trusting(process(&self.directory, None, words)))?;
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
        let time = self.ask(["show", "--no-patch", "--format=%ct", "--end-of-options", commit])?;
        time.parse().map_err(|_| Error::failed(format!("git gives '{time}' as the time of {commit}")))
    }

    /// Text of a file of a commit, where there is one.
    pub fn file(&self, commit: &str, path: &str) -> Result<Option<String>> {
        let output = self.git(["cat-file", "blob", &self.named(commit, Path::new(path))])?;
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
        let submodules = self.submodules(commit)?;
        // tar.umask: the archive's modes do not follow a configuration.
        let top = self.named(commit, Path::new(""));
        let words = ["-c", "tar.umask=0022", "archive", "--format=tar", "--end-of-options", &top];
        let archive = self.context.attempt_within(LOCAL, self.process(words))?;
        if !archive.success {
            let words = super::context::last_words(&archive.stderr);
            return Err(Error::failed(format!("git archive {commit} failed: {words}")));
        }
        parts.push(Part { directory: below.to_owned(), bytes: archive.stdout });
        for submodule in submodules {
            let path = below.join(&submodule.path);
            let repository = self.submodule(commit, &submodule)?;
            repository.collect(&submodule.commit, &path, parts, found)?;
            found.push(Submodule { path, commit: submodule.commit });
        }
        Ok(())
    }

    /// What git calls a file or the tree of a commit, below the directory that was asked for.
    fn named(&self, commit: &str, path: &Path) -> String {
        let prefix = self.place.as_ref().map(|place| place.prefix.clone()).unwrap_or_default();
        let path = prefix.join(path);
        if path.as_os_str().is_empty() { commit.to_owned() } else { format!("{commit}:{}", path.display()) }
    }

    /// What is in a tree, before anything is made of it: a few objects can stand for
    /// more files than any disk has.
    fn listing(&self, tree: &str) -> Result<String> {
        // Directories, too: a tree can be all of them.
        let words = ["ls-tree", "-r", "-t", "-z", "--end-of-options", tree];
        let output = self.context.attempt_limited(LOCAL, MOST_LISTED, self.process(words))?;
        let too_much = |what: String| {
            Error::from(
                Diagnostic::error(format!("{} has {what} in {tree}", self.name))
                    .hint("it is no source that a package is made of: look at what it repeats"),
            )
        };
        if output.cut {
            return Err(too_much(format!("more than {} MB of file names", MOST_LISTED >> 20)));
        }
        if !output.success {
            let words = super::context::last_words(&output.stderr);
            return Err(Error::failed(format!("git ls-tree failed ({}): {words}", output.status)));
        }
        let listing = text(&output.stdout);
        let mut blobs: BTreeMap<&str, u64> = BTreeMap::new();
        let mut files = 0;
        for row in listing.split('\0').filter(|row| !row.is_empty()) {
            files += 1;
            let mut facts = row.split_whitespace().skip(1);
            if let (Some("blob"), Some(id)) = (facts.next(), facts.next()) {
                *blobs.entry(id).or_default() += 1;
            }
        }
        if files > MOST_FILES {
            return Err(too_much(format!("more than {MOST_FILES} files")));
        }
        let ids: String = blobs.keys().map(|id| format!("{id}\n")).collect();
        let sizes = self.process(["cat-file", "--batch-check=%(objectsize)"]).input(ids);
        let sizes = text(&self.context.attempt_limited(LOCAL, MOST_LISTED, sizes)?.stdout);
        let sizes = sizes.lines().map(|size| size.parse::<u64>().unwrap_or_default());
        let bytes =
            sizes.zip(blobs.values()).fold(0_u64, |sum, (size, times)| sum.saturating_add(size.saturating_mul(*times)));
        if bytes > input::ARCHIVE {
            return Err(too_much(format!("more than {} MB", input::ARCHIVE >> 20)));
        }
        Ok(listing)
    }

    fn submodules(&self, commit: &str) -> Result<Vec<Submodule>> {
        let listing = self.listing(&self.named(commit, Path::new("")))?;
        submodule::all(&listing).map_err(|path| {
            let fault = format!("{} has a submodule at '{}'", self.name, path.display());
            Diagnostic::error(fault).hint("no repository of a good will has: look at it").into()
        })
    }

    /// The repository of a submodule: where it is checked out, else a mirror of its URL.
    fn submodule(&self, commit: &str, submodule: &Submodule) -> Result<Repository<'a>> {
        let object = format!("{}^{{commit}}", submodule.commit);
        let path = &submodule.path;
        let inside = match &self.place {
            Some(place) => place.submodule(&place.prefix.join(path))?,
            None => None,
        };
        if let Some(inside) = inside {
            let checked_out = Self::of(self.context, path.display().to_string(), inside)?;
            if checked_out.git(["cat-file", "-e", &object])?.success {
                return Ok(checked_out);
            }
        }
        let url = self.submodule_url(commit, path)?;
        let mirror = Self::mirror(self.context, &url)?;
        if !mirror.git(["cat-file", "-e", &object])?.success {
            // A commit that no branch or tag reaches any more.
            mirror.fetch(&["--", url.as_str(), &submodule.commit])?;
        }
        Ok(mirror)
    }

    fn submodule_url(&self, commit: &str, path: &Path) -> Result<Remote> {
        let prefix = self.place.as_ref().map(|place| place.prefix.clone()).unwrap_or_default();
        let path = prefix.join(path);
        let blob = format!("{commit}:.gitmodules");
        let listing = self.git(["config", "--blob", &blob, "--no-includes", "--null", "--list"])?;
        let listing = text(&listing.stdout);
        let url = submodule::url(&listing, &path);
        let cure = "check it out first, if you trust where it comes from: git submodule update --init";
        let refused = |why: String| {
            Error::from(Diagnostic::error(format!("submodule {} of {}: {why}", path.display(), self.name)).hint(cure))
        };
        let Some(url) = url else {
            return Err(refused("it has no URL in .gitmodules".to_owned()));
        };
        if !url.starts_with("./") && !url.starts_with("../") {
            return Remote::new(url).map_err(refused);
        }
        // Beside a repository of this machine are others, which may be private.
        match self.origin.as_deref().map(Remote::new) {
            Some(Ok(base)) => Remote::new(&relative_url(base.as_str(), url)).map_err(refused),
            _ => Err(refused(format!("'{}' is beside a repository that is on this machine", without_passwords(url)))),
        }
    }

    fn process<const N: usize>(&self, words: [&str; N]) -> Process {
        let tree = self.place.as_ref().and_then(|place| place.work_tree.as_deref());
        process(&self.directory, tree, words)
    }

    fn git<const N: usize>(&self, words: [&str; N]) -> Result<crate::apply::Output> {
        let output = self.context.attempt_limited(LOCAL, MOST_LISTED, self.process(words))?;
        if output.cut {
            let fault = format!("git {} has more than {} MB to say of {}", words[0], MOST_LISTED >> 20, self.name);
            return Err(Diagnostic::error(fault).hint("look at what it has in it").into());
        }
        Ok(output)
    }

    fn ask<const N: usize>(&self, words: [&str; N]) -> Result<String> {
        let what = format!("git {}", words[0]);
        let output = self.git(words)?;
        if output.success {
            return Ok(text(&output.stdout));
        }
        let words = super::context::last_words(&output.stderr);
        Err(Error::failed(format!("{what} failed ({}): {words}", output.status)))
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).trim_end_matches('\n').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn git_is_told_to_obey_nobody() {
        let text = |process: &Process, name: &str| {
            process.environment.get(std::ffi::OsStr::new(name)).map(|value| value.to_string_lossy().into_owned())
        };
        let plain = process(Path::new("/mirror"), None, ["fetch"]);
        assert_eq!(text(&plain, "GIT_CONFIG_GLOBAL").as_deref(), Some("/dev/null"));
        assert_eq!(text(&plain, "GIT_ALLOW_PROTOCOL").as_deref(), Some("none"));
        assert_eq!(text(&plain, "GIT_CONFIG_KEY_1").as_deref(), Some("core.hooksPath"));
        let trusting = trusting(plain);
        assert_eq!(text(&trusting, "GIT_CONFIG_GLOBAL"), None);
        assert_eq!(text(&trusting, "GIT_ALLOW_PROTOCOL").as_deref(), Some("https:http:ssh:git"));
    }
}
