//! What `--json` prints where a command has no other result of its own.
//!
//! Owns these forms; each has its version in `schema`. deb-build-app(1), JSON, names them.

use std::path::Path;

use serde::Serialize;

use crate::error::{Diagnostic, Severity};

use super::environment::{Generation, Row};
use super::new;

/// Something that was written, or looked at: `lock`, `lock --check`.
#[derive(Debug, Serialize)]
pub struct Written<'a> {
    schema: u32,
    path: &'a Path,
    suites: Vec<&'a str>,
}

impl<'a> Written<'a> {
    /// A file for these suites.
    pub fn new(path: &'a Path, suites: Vec<&'a str>) -> Self {
        Self { schema: 1, path, suites }
    }
}

/// `new`.
#[derive(Debug, Serialize)]
pub struct Debianised<'a> {
    schema: u32,
    /// Whether the files are there now.
    written: bool,
    /// The suite to build for, where the default's Python is too old.
    suite: Option<&'static str>,
    files: Vec<NewFile<'a>>,
}

#[derive(Debug, Serialize)]
struct NewFile<'a> {
    path: &'a Path,
    why: &'a str,
    mode: String,
    /// Of a dry run.
    #[serde(skip_serializing_if = "Option::is_none")]
    contents: Option<&'a str>,
}

impl<'a> Debianised<'a> {
    /// What was written, or with `dry_run` would be.
    pub fn new(outcome: &'a new::Outcome, dry_run: bool) -> Self {
        let file = |file: &'a new::facts::File| NewFile {
            path: &file.path,
            why: file.why,
            mode: format!("{:04o}", file.mode),
            contents: dry_run.then_some(file.contents.as_str()),
        };
        Self { schema: 1, written: !dry_run, suite: outcome.suite, files: outcome.files.iter().map(file).collect() }
    }
}

/// `env create`, `env update`.
#[derive(Debug, Serialize)]
pub struct Made<'a> {
    schema: u32,
    environment: String,
    #[serde(flatten)]
    generation: &'a Generation,
    /// Whether it is another generation than before.
    changed: bool,
}

impl<'a> Made<'a> {
    /// The generation that sessions started now stand on.
    pub fn new(suite: &str, architecture: &str, generation: &'a Generation, changed: bool) -> Self {
        Self { schema: 1, environment: format!("{suite}/{architecture}"), generation, changed }
    }
}

/// `env remove`, `env gc`.
#[derive(Debug, Serialize)]
pub struct Removed<'a> {
    schema: u32,
    removed: &'a [Row],
}

impl<'a> Removed<'a> {
    /// Rows of `env list` that are there no longer.
    pub fn new(removed: &'a [Row]) -> Self {
        Self { schema: 1, removed }
    }
}

/// `vendor --check`.
#[derive(Debug, Serialize)]
pub struct Faults<'a> {
    schema: u32,
    /// The directory or tarball that was looked at.
    path: &'a Path,
    faults: Vec<Fault<'a>>,
}

#[derive(Debug, Serialize)]
struct Fault<'a> {
    severity: &'static str,
    message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<&'a Path>,
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<&'a str>,
}

impl<'a> Faults<'a> {
    /// What was found at `path`.
    pub fn new(path: &'a Path, faults: &'a [Diagnostic]) -> Self {
        let fault = |one: &'a Diagnostic| Fault {
            severity: if one.severity == Severity::Error { "error" } else { "warning" },
            message: &one.message,
            file: one.location.as_ref().map(|location| location.file.as_path()),
            line: one.location.as_ref().and_then(|location| location.line),
            hint: one.hint.as_deref(),
        };
        Self { schema: 1, path, faults: faults.iter().map(fault).collect() }
    }
}
