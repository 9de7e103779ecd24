//! Requirements files, in pip's syntax.
//!
//! Owns the reading of what `pip install -r` reads ("Requirements File Format"
//! in pip's manual; `pip/_internal/req/req_file.py`): continuation lines,
//! comments, `-r` and `-c`, options, hashes, `${VARIABLES}`. Opens no file: the
//! caller hands texts over. Decides nothing about versions.
//!
//! Differences from pip: a file included from a URL, `-e` of anything but a
//! local directory and an unknown option are errors; `-e DIR` is a plain local
//! project, since a package can hold no link to its source.

mod entry;
mod lines;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path, PathBuf};

use crate::error::{Diagnostic, Error, Location, Result, nearest};

pub use entry::{Entry, Target};

/// Everything that a requirements file and its includes say.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Requirements {
    /// What is to be installed, in order.
    pub entries: Vec<Entry>,
    /// What `-c` files say about versions, in order.
    pub constraints: Vec<Entry>,
    /// Options for the run as a whole, in order.
    pub options: Vec<GlobalOption>,
    /// Every file read, in order, each once.
    pub files: Vec<PathBuf>,
}

/// An option line such as `--index-url URL`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GlobalOption {
    /// Long name: `--index-url`, `--find-links`, `--no-index` …
    pub name: &'static str,
    /// Its value, for those that take one. `--find-links` may be relative to the file's directory.
    pub value: Option<String>,
    /// Where it stands.
    pub location: Location,
}

/// Options of pip that concern the whole run, and whether they take a value.
const GLOBAL: [(&str, Option<&str>, bool); 11] = [
    ("--index-url", Some("-i"), true),
    ("--extra-index-url", None, true),
    ("--no-index", None, false),
    ("--find-links", Some("-f"), true),
    ("--no-binary", None, true),
    ("--only-binary", None, true),
    ("--prefer-binary", None, false),
    ("--require-hashes", None, false),
    ("--pre", None, false),
    ("--trusted-host", None, true),
    ("--use-feature", None, true),
];

/// Read `file` and what it includes.
///
/// `open` gives a file's text, `None` where there is none. `variables` are what
/// `${NAME}` may name; an unknown one stays as it is, as with pip. All faults
/// are returned, with what could be read in spite of them.
pub fn read(
    file: &Path,
    open: &dyn Fn(&Path) -> Result<Option<String>>,
    variables: &BTreeMap<String, String>,
) -> (Requirements, Vec<Diagnostic>) {
    let mut reader =
        Reader { open, variables, requirements: Requirements::default(), faults: Vec::new(), stack: Vec::new() };
    reader.file(file, None, false);
    (reader.requirements, reader.faults)
}

struct Reader<'r> {
    open: &'r dyn Fn(&Path) -> Result<Option<String>>,
    variables: &'r BTreeMap<String, String>,
    requirements: Requirements,
    faults: Vec<Diagnostic>,
    /// Files being read, outermost first.
    stack: Vec<PathBuf>,
}

impl Reader<'_> {
    /// Read one file. `from`: the line that names it. `constraint`: whether a `-c` led here.
    fn file(&mut self, file: &Path, from: Option<&Location>, constraint: bool) {
        let file = lexically_clean(file);
        let at = |diagnostic: Diagnostic| match from {
            Some(location) => diagnostic.at(location.clone()),
            None => diagnostic,
        };
        if self.stack.contains(&file) {
            self.faults.push(
                at(Diagnostic::error(format!("{} includes itself", file.display()))).hint("remove one of the -r lines"),
            );
            return;
        }
        let text = match (self.open)(&file) {
            Ok(Some(text)) => text,
            Ok(None) => {
                let missing = Diagnostic::error(format!("no file {}", file.display()));
                self.faults.push(at(missing).hint("-r and -c are relative to the file that they stand in"));
                return;
            }
            Err(error) => {
                self.faults.extend(error.diagnostics().iter().cloned());
                return;
            }
        };
        if !self.requirements.files.contains(&file) {
            self.requirements.files.push(file.clone());
        }
        self.stack.push(file.clone());
        for (number, line) in lines::logical(&text) {
            let line = lines::expand(&line, self.variables);
            self.line(&line, &Location::line(&file, number), constraint);
        }
        self.stack.pop();
    }

    fn line(&mut self, line: &str, location: &Location, constraint: bool) {
        let (requirement, options) = lines::split_options(line);
        let words = match lines::words(options) {
            Ok(words) => words,
            Err(message) => {
                self.faults.push(Diagnostic::error(message).at(location.clone()).hint("close the quotation"));
                return;
            }
        };
        if requirement.is_empty() {
            self.options(words, location, constraint);
        } else {
            let mut hashes = Vec::new();
            let mut other = Vec::new();
            let mut words = words.into_iter().peekable();
            while let Some(word) = words.next() {
                let (name, inline) = split_value(&word);
                let Some(name) = ["--hash", "--config-settings", "--config-setting", "--global-option"]
                    .into_iter()
                    .find(|known| *known == name)
                    .or((name == "-C").then_some("--config-settings"))
                else {
                    self.unknown(&word, location, "only --hash and --config-settings can follow a requirement");
                    return;
                };
                let Some(value) = inline.or_else(|| words.next()) else {
                    self.no_value(name, location);
                    return;
                };
                if name == "--hash" {
                    hashes.push(value);
                } else {
                    other.push(format!("{name}={value}"));
                }
            }
            self.entry(requirement, hashes, other, false, location, constraint);
        }
    }

    fn options(&mut self, words: Vec<String>, location: &Location, constraint: bool) {
        let mut words = words.into_iter();
        while let Some(word) = words.next() {
            let (name, mut inline) = split_value(&word);
            if let Some((long, _, valued)) = GLOBAL
                .iter()
                .find(|(long, short, _)| name == *long || short.is_some_and(|short| name == short))
                .or_else(|| (name == "--pypi-url").then_some(&GLOBAL[0]))
            {
                let value = if *valued { inline.take().or_else(|| words.next()) } else { None };
                if *valued && value.is_none() {
                    return self.no_value(long, location);
                }
                if inline.is_some() {
                    return self.unknown(&word, location, &format!("{long} takes no value"));
                }
                self.requirements.options.push(GlobalOption { name: long, value, location: location.clone() });
                continue;
            }
            let include = match name {
                "-r" | "--requirement" => Some(constraint),
                "-c" | "--constraint" => Some(true),
                _ => None,
            };
            let editable = matches!(name, "-e" | "--editable");
            if include.is_none() && !editable {
                let known = GLOBAL.iter().map(|(long, ..)| *long);
                let near = nearest(name, known.chain(["--requirement", "--constraint", "--editable"]));
                let hint = near.map_or_else(
                    || "options of the installer's command line have no effect here".to_owned(),
                    |near| format!("did you mean '{near}'?"),
                );
                return self.unknown(&word, location, &hint);
            }
            let Some(value) = inline.or_else(|| words.next()) else {
                return self.no_value(name, location);
            };
            match include {
                Some(constraint) => self.include(&value, location, constraint),
                None => self.entry(&value, Vec::new(), Vec::new(), true, location, constraint),
            }
        }
    }

    fn include(&mut self, target: &str, location: &Location, constraint: bool) {
        if target.contains("://") && !target.starts_with("file:") {
            self.faults.push(
                Diagnostic::error(format!("a requirements file from a URL: {target}"))
                    .at(location.clone())
                    .hint("put the file into the source; a build takes nothing unpinned from the network"),
            );
            return;
        }
        let target = target.strip_prefix("file://").unwrap_or(target);
        let directory = location.file.parent().unwrap_or_else(|| Path::new(""));
        self.file(&directory.join(target), Some(location), constraint);
    }

    fn entry(
        &mut self,
        text: &str,
        hashes: Vec<String>,
        options: Vec<String>,
        editable: bool,
        location: &Location,
        constraint: bool,
    ) {
        match Entry::parse(text, hashes, options, editable, location) {
            Err(fault) => self.faults.push(*fault),
            Ok(entry) if constraint => {
                // pip's manual, "Constraints Files": neither extras nor unnamed nor editable ones.
                if entry.name.is_none() || entry.editable || !entry.extras.is_empty() {
                    self.faults.push(
                        Diagnostic::error(format!("'{}' cannot be a constraint", entry.text))
                            .at(location.clone())
                            .hint("a constraint is a name with a version, without extras and without -e"),
                    );
                } else {
                    self.requirements.constraints.push(entry);
                }
            }
            Ok(entry) => self.requirements.entries.push(entry),
        }
    }

    fn unknown(&mut self, word: &str, location: &Location, hint: &str) {
        self.faults
            .push(Diagnostic::error(format!("option '{word}' is not supported")).at(location.clone()).hint(hint));
    }

    fn no_value(&mut self, name: &str, location: &Location) {
        self.faults.push(
            Diagnostic::error(format!("{name} has no value"))
                .at(location.clone())
                .hint("write it on the same line, or end the line with a backslash"),
        );
    }
}

impl Requirements {
    /// Whether every requirement names one version (or URL) and a hash. `false`
    /// where none has a hash and none is demanded.
    ///
    /// Half of both is an error that names each requirement at fault, as pip
    /// refuses it too ("Secure installs": hashes for one means hashes for all).
    /// Local directories have no hash and are not counted.
    pub fn fully_pinned(&self) -> Result<bool> {
        let counted: Vec<&Entry> =
            self.entries.iter().filter(|entry| !matches!(entry.target, Target::Directory(_))).collect();
        let demanded = self.options.iter().any(|option| option.name == "--require-hashes");
        let hashed = |entry: &Entry| {
            entry.has_strong_hash()
                || self.constraints.iter().any(|other| other.name == entry.name && other.has_strong_hash())
        };
        if !demanded && !counted.iter().any(|entry| hashed(entry)) {
            return Ok(false);
        }
        let mut faults = Vec::new();
        for entry in &counted {
            let fault = |message: String| Diagnostic::error(message).at(entry.location.clone());
            if entry.is_repository() {
                faults.push(
                    fault(format!("'{}' is a repository, which has no hash", entry.text))
                        .hint("name an archive of it with a hash, or a directory in 'Project'"),
                );
            } else if !hashed(entry) {
                faults.push(
                    fault(format!("'{}' has no hash, and others have", entry.text))
                        .hint("give every requirement --hash=sha256:… ('uv pip compile --generate-hashes'), or none"),
                );
            } else if !entry.is_exact() {
                faults.push(
                    fault(format!("'{}' has a hash but not one version", entry.text))
                        .hint("write name==version; hashes hold for files of one version"),
                );
            }
        }
        if faults.is_empty() { Ok(true) } else { Err(Error::Failed(faults)) }
    }

    /// Local projects, in order: each has to be built and copied by itself.
    pub fn directories(&self) -> impl Iterator<Item = (&Entry, &Path)> {
        self.entries.iter().filter_map(|entry| match &entry.target {
            Target::Directory(path) => Some((entry, path.as_path())),
            _ => None,
        })
    }

    /// One requirements file that means the same, without includes and without
    /// local directories ([`Self::directories`]): options first, then the
    /// requirements as they were written. Lines that repeat are dropped.
    pub fn to_text(&self) -> String {
        let options = self.options.iter().map(GlobalOption::line);
        let entries =
            self.entries.iter().filter(|entry| !matches!(entry.target, Target::Directory(_))).map(Entry::line);
        unrepeated(options.chain(entries))
    }

    /// The constraints as one file; empty where there are none.
    pub fn constraints_text(&self) -> String {
        unrepeated(self.constraints.iter().map(Entry::line))
    }
}

impl GlobalOption {
    fn line(&self) -> String {
        match &self.value {
            Some(value) => format!("{} {value}", self.name),
            None => self.name.to_owned(),
        }
    }
}

fn unrepeated(lines: impl Iterator<Item = String>) -> String {
    let mut seen = BTreeSet::new();
    let mut text = String::new();
    for line in lines {
        if !seen.contains(&line) {
            text.push_str(&line);
            text.push('\n');
            seen.insert(line);
        }
    }
    text
}

/// `--name=value` or `-nvalue` as name and value.
fn split_value(word: &str) -> (&str, Option<String>) {
    if word.starts_with("--") {
        return word.split_once('=').map_or((word, None), |(name, value)| (name, Some(value.to_owned())));
    }
    match word.char_indices().nth(2) {
        Some((at, _)) => (&word[..at], Some(word[at..].trim_start_matches('=').to_owned())),
        None => (word, None),
    }
}

/// `a/./b/../c` as `a/c`, so that one file has one name.
fn lexically_clean(path: &Path) -> PathBuf {
    let mut clean = PathBuf::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir if matches!(clean.components().next_back(), Some(Component::Normal(_))) => {
                clean.pop();
            }
            other => clean.push(other),
        }
    }
    clean
}

#[cfg(test)]
mod tests;
