//! A section while it is read: what stands in it, and the faults found so far.
//!
//! [`super::program`] adds the reading of supervisord's sections, whose values
//! are expanded, and [`super::settings`] that of ours.

use std::collections::HashSet;
use std::path::Path;

use super::ini::Section;
use crate::error::{Diagnostic, Location, nearest};

/// A section with everything that its reading needs; faults are collected once each.
pub struct Reader<'a> {
    pub(super) section: &'a Section,
    file: &'a Path,
    /// The faults found.
    pub faults: Vec<Diagnostic>,
    /// Line and message of each: a section may have as many faults as lines.
    known: HashSet<(usize, String)>,
}

impl<'a> Reader<'a> {
    /// A reader of `section` of `file`.
    pub fn new(section: &'a Section, file: &'a Path) -> Self {
        Self { section, file, faults: Vec::new(), known: HashSet::new() }
    }

    pub(super) fn fault(&mut self, line: usize, message: impl Into<String>, hint: Option<&str>) {
        let fault = Diagnostic::error(message).at(Location::line(self.file, line));
        let fault = match hint {
            Some(hint) => fault.hint(hint),
            None => fault,
        };
        if self.known.insert((line, fault.message.clone())) {
            self.faults.push(fault);
        }
    }

    /// The line of a key, or of the header where it is not given.
    pub(super) fn line(&self, key: &str) -> usize {
        self.section.get(key).map_or(self.section.line, |entry| entry.line)
    }

    /// Every key must be one of these.
    pub(super) fn known_keys(&mut self, known: &[&[&'static str]]) {
        let all: Vec<&str> = known.iter().flat_map(|keys| keys.iter().copied()).collect();
        for entry in &self.section.entries {
            if !all.contains(&entry.key.as_str()) {
                let hint = nearest(&entry.key, all.iter().copied()).map_or_else(
                    || format!("[{}] has: {}", self.section.name, all.join(" ")),
                    |near| format!("did you mean '{near}'?"),
                );
                self.fault(entry.line, format!("unknown key '{}'", entry.key), Some(&hint));
            }
        }
    }
}
