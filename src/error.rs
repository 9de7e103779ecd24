//! What can go wrong, as values: where, what, and what to do about it.
//!
//! Owns [`Location`], [`Diagnostic`] and [`Error`]. Prints nothing (that is
//! [`crate::message`]) and converts no `io::Error` by itself: an I/O error
//! always names the operation and the path, see [`Error::io`].

use std::fmt;
use std::path::{Path, PathBuf};

/// A place in a file that a message points to.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Location {
    /// Path as the user knows it (relative to the source directory).
    pub file: PathBuf,
    /// Line, counted from 1, where one is known.
    pub line: Option<usize>,
}

impl Location {
    /// A file as a whole.
    pub fn file(file: impl Into<PathBuf>) -> Self {
        Self { file: file.into(), line: None }
    }

    /// A line (from 1) of a file.
    pub fn line(file: impl Into<PathBuf>, line: usize) -> Self {
        Self { file: file.into(), line: Some(line) }
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file.display())?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        Ok(())
    }
}

/// How bad a diagnostic is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// The run fails.
    Error,
    /// The run goes on.
    Warning,
}

/// One fault, in one message: where it is, what it is, how to cure it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// Error or warning.
    pub severity: Severity,
    /// Where the fault is, if it is in a file.
    pub location: Option<Location>,
    /// One sentence without a full stop, beginning in lower case.
    pub message: String,
    /// What the reader should do next.
    pub hint: Option<String>,
}

impl Diagnostic {
    /// An error without a place.
    pub fn error(message: impl Into<String>) -> Self {
        Self { severity: Severity::Error, location: None, message: message.into(), hint: None }
    }

    /// A warning without a place.
    pub fn warning(message: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(message) }
    }

    /// The same, pointing at `location`.
    #[must_use]
    pub fn at(mut self, location: Location) -> Self {
        self.location = Some(location);
        self
    }

    /// The same, with a cure.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(location) = &self.location {
            write!(f, "{location}: ")?;
        }
        f.write_str(&self.message)
    }
}

/// A value and where it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// The value.
    pub text: String,
    /// File and line, or the option; a default has none.
    pub location: Option<Location>,
}

impl Item {
    /// A default.
    pub fn plain(text: impl Into<String>) -> Self {
        Self { text: text.into(), location: None }
    }

    /// An error about this value, pointing at it.
    pub fn error(&self, message: impl Into<String>) -> Diagnostic {
        let diagnostic = Diagnostic::error(message);
        match &self.location {
            Some(location) => diagnostic.at(location.clone()),
            None => diagnostic,
        }
    }
}

/// Why a run ends without having done its work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Error {
    /// The command line is wrong: exit status 2.
    Usage(Diagnostic),
    /// Something failed: exit status 1. Every fault found is in the list.
    Failed(Vec<Diagnostic>),
    /// Nothing failed, but something could not be tried: exit status 3.
    Untested(Vec<Diagnostic>),
    /// Another process has the lock: exit status 75 (`EX_TEMPFAIL` of sysexits(3)).
    Locked(Diagnostic),
}

/// The crate's result.
pub type Result<T> = std::result::Result<T, Error>;

/// How the hint of a full disk begins.
const FULL: &str = "the file system is full";

impl Error {
    /// A failure with one fault.
    pub fn failed(message: impl Into<String>) -> Self {
        Self::Failed(vec![Diagnostic::error(message)])
    }

    /// What no input should lead to.
    pub fn bug(message: impl Into<String>) -> Self {
        let hint = "this is a fault of the program's: report it, with the command and what stood before this line";
        Diagnostic::error(message).hint(hint).into()
    }

    /// A wrong command line.
    pub fn usage(message: impl Into<String>) -> Self {
        Self::Usage(Diagnostic::error(message))
    }

    /// An I/O error, with what was tried and on what: `cannot read debian/control: …`.
    pub fn io(operation: &str, path: &Path, error: &std::io::Error) -> Self {
        let diagnostic = Diagnostic::error(format!("cannot {operation} {}: {}", path.display(), reason(error)));
        Self::Failed(vec![match error.kind() {
            std::io::ErrorKind::StorageFull => diagnostic
                .hint(format!("{FULL}: free some room there, or set XDG_CACHE_HOME to a directory on a larger one")),
            std::io::ErrorKind::ReadOnlyFilesystem | std::io::ErrorKind::PermissionDenied => {
                diagnostic.hint("check owner, mode and mount options of the directory")
            }
            _ => diagnostic,
        }])
    }

    /// Whether a file system had no room left.
    pub fn is_full_disk(&self) -> bool {
        self.diagnostics().iter().any(|fault| fault.hint.as_deref().is_some_and(|hint| hint.starts_with(FULL)))
    }

    /// The faults, whatever the kind.
    pub fn diagnostics(&self) -> &[Diagnostic] {
        match self {
            Self::Usage(one) | Self::Locked(one) => std::slice::from_ref(one),
            Self::Failed(all) | Self::Untested(all) => all,
        }
    }

    /// Exit status: 2 for a wrong command line, 3 for what could not be tried, 75 for a lock, else 1.
    pub fn exit_status(&self) -> u8 {
        match self {
            Self::Usage(_) => 2,
            Self::Failed(_) => 1,
            Self::Untested(_) => 3,
            Self::Locked(_) => 75,
        }
    }
}

impl From<Diagnostic> for Error {
    fn from(diagnostic: Diagnostic) -> Self {
        Self::Failed(vec![diagnostic])
    }
}

/// The system's words for an I/O error, without Rust's `(os error 2)`.
fn reason(error: &std::io::Error) -> String {
    let text = error.to_string();
    match text.split_once(" (os error") {
        Some((words, _)) => words.to_owned(),
        None => text,
    }
}

/// The longest word for which there is a suggestion, in bytes.
const LONGEST: usize = 200;

/// The candidate nearest to `word` by edit distance, where it is near enough to be meant.
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    // The distance takes the product of the lengths, and nothing that is meant is so long.
    if word.len() > LONGEST {
        return None;
    }
    let lower = word.to_lowercase();
    let length = lower.chars().count();
    candidates
        .into_iter()
        // The distance is at least that of the lengths, which is found at once.
        .filter(|candidate| candidate.chars().count().abs_diff(length) <= 1 + candidate.len() / 4)
        .map(|candidate| (distance(&lower, &candidate.to_lowercase()), candidate))
        .filter(|(distance, candidate)| *distance <= 1 + candidate.len() / 4)
        .min()
        .map(|(_, candidate)| candidate)
}

/// Levenshtein distance.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, ca) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, cb) in b.iter().enumerate() {
            let substituted = diagonal + usize::from(ca != *cb);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nearest_word_is_offered_only_when_near() {
        let fields = ["Requirements", "Prefix", "Python"];
        assert_eq!(nearest("Requirement", fields), Some("Requirements"));
        assert_eq!(nearest("pyhton", fields), Some("Python"));
        assert_eq!(nearest("Colour", fields), None);
        assert_eq!(nearest(&"0".repeat(64 << 20), fields), None);
    }

    #[test]
    fn a_location_reads_as_compilers_print_it() {
        let diagnostic = Diagnostic::error("unknown field 'X'").at(Location::line("debian/a.venv", 7));
        assert_eq!(diagnostic.to_string(), "debian/a.venv:7: unknown field 'X'");
    }
}
