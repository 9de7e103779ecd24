//! The fields of our deb822 files: the header, and stanzas whose fields are
//! taken out one by one, each fault with its line. Knows no field but Format.

use std::collections::BTreeSet;
use std::path::Path;

use super::paragraph::{Field, Paragraph};
use crate::error::{Diagnostic, Location, nearest};

/// A stanza while it is read: every field is asked for once; what is left over
/// is unknown, or does not belong there.
#[derive(Debug)]
pub struct Fields<'a> {
    file: &'a Path,
    paragraph: &'a Paragraph,
    asked: BTreeSet<&'static str>,
    faults: Vec<Diagnostic>,
}

/// A value of one line, and that line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Word {
    /// The value.
    pub text: String,
    /// Line of the file, from 1.
    pub line: usize,
}

impl<'a> Fields<'a> {
    /// The fields of a stanza of `file`.
    pub fn new(file: &'a Path, paragraph: &'a Paragraph) -> Self {
        Self { file, paragraph, asked: BTreeSet::new(), faults: Vec::new() }
    }

    /// Note a fault on a line.
    pub fn fault(&mut self, line: usize, message: impl Into<String>, hint: impl Into<String>) {
        self.faults.push(Diagnostic::error(message).at(Location::line(self.file, line)).hint(hint));
    }

    /// The field as it is.
    pub fn field(&mut self, name: &'static str) -> Option<&'a Field> {
        self.asked.insert(name);
        self.paragraph.get(name)
    }

    /// The line of the field, else of the stanza.
    pub fn line(&self, name: &str) -> usize {
        self.paragraph.get(name).map_or(self.paragraph.line(), |field| field.line)
    }

    /// The value of a field that has one line. Without a value, or with
    /// several lines, it is a fault.
    pub fn word(&mut self, name: &'static str) -> Option<Word> {
        let field = self.field(name)?;
        match field.lines.as_slice() {
            [] => self.fault(field.line, format!("field {name} has no value"), "give it a value or remove it"),
            [one] => return Some(Word { text: one.text.clone(), line: one.number }),
            [_, second, ..] => {
                self.fault(second.number, format!("field {name} has one line"), "write it on one line");
            }
        }
        None
    }

    /// [`Self::word`] for a field that may be empty.
    pub fn text(&mut self, name: &'static str) -> Option<Word> {
        match self.field(name)? {
            field if field.lines.is_empty() => Some(Word { text: String::new(), line: field.line }),
            _ => self.word(name),
        }
    }

    /// [`Self::word`] for a field that must be there.
    pub fn required(&mut self, name: &'static str, hint: &str) -> Option<Word> {
        if self.paragraph.get(name).is_none() {
            self.asked.insert(name);
            let first = self.paragraph.fields().first().map(|field| field.name.clone()).unwrap_or_default();
            self.fault(self.paragraph.line(), format!("the stanza of {first} lacks field {name}"), hint);
            return None;
        }
        self.word(name)
    }

    /// One of some words.
    pub fn choice<T: Copy>(&mut self, name: &'static str, choices: &[(&str, T)]) -> Option<T> {
        let word = self.word(name)?;
        let found = choices.iter().find(|(choice, _)| *choice == word.text).map(|(_, value)| *value);
        if found.is_none() {
            let names = || choices.iter().map(|(choice, _)| *choice);
            let hint = match nearest(&word.text, names()) {
                Some(near) => format!("did you mean '{near}'?"),
                None => format!("there are: {}", names().collect::<Vec<_>>().join(", ")),
            };
            self.fault(word.line, format!("{name} cannot be '{}'", word.text), hint);
        }
        found
    }

    /// A whole number.
    pub fn number(&mut self, name: &'static str) -> Option<i64> {
        let word = self.word(name)?;
        let number = word.text.parse().ok();
        if number.is_none() {
            self.fault(word.line, format!("{name} is a whole number, not '{}'", word.text), "write digits only");
        }
        number
    }

    /// Permission bits, as octal digits with the leading zero.
    pub fn mode(&mut self, name: &'static str, default: &str, largest: u32) -> String {
        let Some(word) = self.word(name) else { return default.to_owned() };
        match u32::from_str_radix(&word.text, 8) {
            Ok(bits) if bits <= largest && (3..=4).contains(&word.text.len()) => format!("{bits:04o}"),
            _ => {
                let message = format!("{name} is three or four octal digits up to {largest:04o}, not '{}'", word.text);
                self.fault(word.line, message, format!("for example {name}: {default}"));
                default.to_owned()
            }
        }
    }

    /// The faults so far.
    pub fn faults(self) -> Vec<Diagnostic> {
        self.faults
    }

    /// Every fault, with those of fields that nobody has asked for. `others`:
    /// fields that other stanzas of this kind may have, and which.
    pub fn finish(mut self, others: &[(&'static str, &str)]) -> Vec<Diagnostic> {
        for field in self.paragraph.fields() {
            if self.asked.iter().any(|name| name.eq_ignore_ascii_case(&field.name)) {
                continue;
            }
            if let Some((name, owner)) = others.iter().find(|(name, _)| name.eq_ignore_ascii_case(&field.name)) {
                self.fault(field.line, format!("field {name} does not belong here"), format!("it is for {owner}"));
                continue;
            }
            let hint = match nearest(&field.name, self.asked.iter().copied()) {
                Some(near) => format!("did you mean '{near}'?"),
                None => format!("dh_{}(1) lists the fields", extension(self.file)),
            };
            self.fault(field.line, format!("unknown field '{}'", field.name), hint);
        }
        self.faults
    }
}

/// The faults of the stanza with the format's level, the file's `index`th from
/// 0. `newest`: the level that this version knows.
pub fn header(paragraph: &Paragraph, file: &Path, index: usize, newest: u32) -> Vec<Diagnostic> {
    let mut fields = Fields::new(file, paragraph);
    if let Some(word) = fields.word("Format") {
        if index > 0 {
            fields.fault(word.line, "Format stands first in the file", "move it to the top");
        }
        match word.text.parse::<u32>() {
            Ok(format) if (1..=newest).contains(&format) => {}
            Ok(format) if format > newest => fields.fault(
                word.line,
                format!("format {format} is newer than this dh_{}, which knows {newest}", extension(file)),
                format!("build-depend on a newer dh-sequence-{}", extension(file)),
            ),
            _ => fields.fault(word.line, format!("'{}' is no format", word.text), format!("write 'Format: {newest}'")),
        }
    }
    if let Some(other) = paragraph.fields().get(1) {
        let line = other.line;
        fields.fault(line, format!("field {} stands in the header", other.name), "put an empty line above it");
        return fields.faults();
    }
    fields.finish(&[])
}

/// The part of `debian/PKG.WORD` that names the helper: WORD.
fn extension(file: &Path) -> String {
    file.extension().unwrap_or_default().to_string_lossy().into_owned()
}
