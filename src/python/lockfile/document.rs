//! A TOML document whose values know their lines.
//!
//! Owns the way from a value to `file:line`; knows no lock format.

use std::path::{Path, PathBuf};

use toml::Spanned;
use toml::de::{DeArray, DeTable, DeValue};

use crate::error::{Diagnostic, Location, Result};

/// A value and where it stands.
pub(super) type Value<'t> = Spanned<DeValue<'t>>;

/// A parsed file.
pub(super) struct Document<'t> {
    text: &'t str,
    file: PathBuf,
    root: Spanned<DeTable<'t>>,
}

impl<'t> Document<'t> {
    /// Parse `text`, which messages call `file`.
    pub(super) fn parse(text: &'t str, file: &Path) -> Result<Self> {
        if let Some(line) = crate::foreign::too_deep(text) {
            return Err(Diagnostic::error("more brackets are open here than any tool writes")
                .at(Location::line(file, line))
                .hint("write the lock file again with the tool that made it")
                .into());
        }
        match DeTable::parse(text) {
            Ok(root) => Ok(Self { text, file: file.to_owned(), root }),
            Err(error) => {
                let line = error.span().map(|span| line_of(text, span.start));
                let location = Location { file: file.to_owned(), line };
                Err(Diagnostic::error(format!("not TOML: {}", error.message().replace('\n', "; ")))
                    .at(location)
                    .hint("write the lock file again with the tool that made it")
                    .into())
            }
        }
    }

    /// The top table.
    pub(super) fn root(&self) -> &DeTable<'t> {
        self.root.get_ref()
    }

    /// The line (from 1) at which `value` begins.
    pub(super) fn line<T>(&self, value: &Spanned<T>) -> usize {
        line_of(self.text, value.span().start)
    }

    /// An error at `value`.
    pub(super) fn fault<T>(&self, value: &Spanned<T>, message: impl Into<String>) -> Diagnostic {
        self.fault_at_line(self.line(value), message)
    }

    /// An error at a line.
    pub(super) fn fault_at_line(&self, line: usize, message: impl Into<String>) -> Diagnostic {
        Diagnostic::error(message).at(Location::line(&self.file, line))
    }

    /// An error about the file as a whole, or at the value where there is one.
    pub(super) fn fault_near<T>(&self, value: Option<&Spanned<T>>, message: impl Into<String>) -> Diagnostic {
        match value {
            Some(value) => self.fault(value, message),
            None => Diagnostic::error(message).at(Location::file(&self.file)),
        }
    }
}

/// A string under `key`.
pub(super) fn string<'a>(table: &'a DeTable<'_>, key: &str) -> Option<&'a str> {
    table.get(key)?.get_ref().as_str()
}

/// A boolean under `key`.
pub(super) fn boolean(table: &DeTable<'_>, key: &str) -> Option<bool> {
    table.get(key)?.get_ref().as_bool()
}

/// A table under `key`.
pub(super) fn table<'a, 't>(table: &'a DeTable<'t>, key: &str) -> Option<&'a DeTable<'t>> {
    table.get(key)?.get_ref().as_table()
}

/// The items of an array under `key`; none where it is absent.
pub(super) fn array<'a, 't>(table: &'a DeTable<'t>, key: &str) -> &'a [Value<'t>] {
    table.get(key).and_then(|value| value.get_ref().as_array()).map_or(&[], |array: &DeArray<'t>| array)
}

/// The strings of an array under `key`, each with its place.
pub(super) fn strings<'a, 't>(table: &'a DeTable<'t>, key: &str) -> impl Iterator<Item = (&'a Value<'t>, &'a str)> {
    array(table, key).iter().filter_map(|value| Some((value, value.get_ref().as_str()?)))
}

fn line_of(text: &str, offset: usize) -> usize {
    1 + memchr::memchr_iter(b'\n', &text.as_bytes()[..offset.min(text.len())]).count()
}
