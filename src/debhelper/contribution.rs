//! What one helper leaves for another to do: a further input beside the
//! packager's own, in debian/.debhelper/generated/PACKAGE.
//!
//! The helper that reads it appends it to the packager's file; a fault behind the
//! end of that one is a fault in the other. Knows no helper.

use std::path::PathBuf;

use super::build::Build;
use super::generated;
use crate::error::{Diagnostic, Location, Result};
use crate::input;

/// The further input of the helper that reads `name`.
pub fn path(build: &Build, package: &str, name: &str) -> PathBuf {
    generated::path(build, package, &format!("contributed.{name}"))
}

/// Whether there is one.
pub fn is_there(build: &Build, package: &str, name: &str) -> bool {
    input::is_file(&path(build, package, name))
}

/// Templates that it names.
pub fn templates(build: &Build, package: &str) -> PathBuf {
    generated::path(build, package, "contributed.templates")
}

/// A file and what was contributed to it, as one text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Joined {
    /// The packager's file; the contribution itself where there is none.
    pub path: PathBuf,
    /// The whole text.
    pub text: String,
    /// The contribution, and how many lines stand before it.
    second: Option<(PathBuf, usize)>,
}

/// The packager's file, `own` from the source directory, with what was contributed; `None` where there is neither.
pub fn join(build: &Build, package: &str, name: &str, own: Option<PathBuf>) -> Result<Option<Joined>> {
    let further = path(build, package, name);
    let text = input::text(&further)?;
    let Some(own) = own else {
        return Ok(text.map(|text| Joined { path: further, text, second: None }));
    };
    let first = input::text(&build.directory.join(&own))?.unwrap_or_default();
    Ok(Some(match text {
        Some(text) => {
            let first = first.trim_end_matches('\n');
            let before = first.lines().count();
            Joined { path: own, text: format!("{first}\n{text}"), second: Some((further, before)) }
        }
        None => Joined { path: own, text: first, second: None },
    }))
}

impl Joined {
    /// Let faults that stand in the contribution name that file and its lines.
    pub fn locate(&self, faults: &mut [Diagnostic]) {
        let Some((second, before)) = &self.second else { return };
        for fault in faults {
            let Some(location) = fault.location.as_ref().filter(|location| location.file == self.path) else {
                continue;
            };
            if let Some(line) = location.line.and_then(|line| line.checked_sub(*before)).filter(|line| *line > 0) {
                fault.location = Some(Location::line(second, line));
            }
        }
    }
}
