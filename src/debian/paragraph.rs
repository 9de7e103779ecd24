//! Our deb822 input files (debian/PACKAGE.venv …), with the line of everything.
//!
//! Parses with deb822-lossless (policy 5.1: stanzas, continuation lines,
//! comments in column one) and adds what it does not tell: faults with lines,
//! and duplicate fields. Knows no field.

use std::collections::BTreeMap;
use std::path::Path;

use deb822_lossless::Deb822;

use crate::error::{Diagnostic, Location};

/// One line of a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Line of the file, from 1.
    pub number: usize,
    /// Its text, without the white space around it.
    pub text: String,
}

/// A field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    /// Name as written.
    pub name: String,
    /// Line of the name, from 1.
    pub line: usize,
    /// The value's lines; the first one only where it is not empty, comments never.
    pub lines: Vec<Line>,
}

impl Field {
    /// The lines, joined by `\n`.
    pub fn value(&self) -> String {
        self.lines.iter().map(|line| line.text.as_str()).collect::<Vec<_>>().join("\n")
    }

    /// The words of the value, each with its line.
    pub fn words(&self) -> impl Iterator<Item = (usize, &str)> {
        self.lines.iter().flat_map(|line| line.text.split_whitespace().map(move |word| (line.number, word)))
    }
}

/// A stanza.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Paragraph {
    fields: Vec<Field>,
}

impl Paragraph {
    /// The fields, in order. A duplicate is here, too; [`parse`] has reported it.
    pub fn fields(&self) -> &[Field] {
        &self.fields
    }

    /// A field by its name, in any case.
    pub fn get(&self, name: &str) -> Option<&Field> {
        self.fields.iter().find(|field| field.name.eq_ignore_ascii_case(name))
    }

    /// The first field's line, from 1.
    pub fn line(&self) -> usize {
        self.fields.first().map_or(1, |field| field.line)
    }
}

/// Parse `text`, the contents of `file`. Where there are faults, the stanzas hold what could be read.
pub fn parse(text: &str, file: &Path) -> (Vec<Paragraph>, Vec<Diagnostic>) {
    let starts = LineStarts::new(text);
    let parsed = Deb822::parse(text);
    let mut faults: BTreeMap<usize, Diagnostic> = BTreeMap::new();
    for error in parsed.positioned_errors() {
        let number = starts.number(error.range.start().into());
        faults.entry(number).or_insert_with(|| explain(starts.text(text, number)).at(Location::line(file, number)));
    }
    // Programs take them for the end of a word, terminals for an order; no field has a use for one.
    for (at, line) in text.split('\n').enumerate() {
        if line.trim_end_matches('\r').contains(|c: char| c.is_control() && c != '\t') {
            let fault = Diagnostic::error(format!("a control character: {}", line.trim()));
            faults.entry(at + 1).or_insert_with(|| {
                fault.at(Location::line(file, at + 1)).hint("remove it: the line shows it as \\x and two digits")
            });
        }
    }
    let mut paragraphs = Vec::new();
    for stanza in parsed.tree().paragraphs() {
        let mut paragraph = Paragraph::default();
        for entry in stanza.entries() {
            let Some(name) = entry.key() else { continue };
            let line = entry.key_range().map_or(1, |range| starts.number(range.start().into()));
            // A line with a fault of its own is no field: one fault, one message.
            if faults.contains_key(&line) {
                continue;
            }
            if let Some(first) = paragraph.get(&name) {
                let message = format!("field {name} appears twice");
                let hint = format!("it is on line {} already: merge the two", first.line);
                faults
                    .entry(line)
                    .or_insert_with(|| Diagnostic::error(message).at(Location::line(file, line)).hint(hint));
            }
            let lines = entry.value_line_ranges().into_iter().map(|range| {
                let number = starts.number(range.start().into());
                let words = text.get(usize::from(range.start())..usize::from(range.end())).unwrap_or_default();
                Line { number, text: words.trim().to_owned() }
            });
            let lines = lines.filter(|found| !(found.text.is_empty() && found.number == line)).collect();
            paragraph.fields.push(Field { name, line, lines });
        }
        paragraphs.push(paragraph);
    }
    (paragraphs, faults.into_values().collect())
}

/// What is wrong with a line, in the words of someone who writes it.
fn explain(line: &str) -> Diagnostic {
    if line.starts_with([' ', '\t']) {
        return Diagnostic::error("a continuation line without a field")
            .hint("begin the line with 'Field:', or remove its leading white space");
    }
    let words = line.trim();
    match words.split_once(':') {
        Some(("", _)) => Diagnostic::error(format!("no field name before the colon: {words}")),
        Some((name, _)) => Diagnostic::error(format!("'{name}' is not a field name"))
            .hint("a field name has no white space and does not begin with '#' or '-'"),
        None => Diagnostic::error(format!("neither a field nor a continuation line: {words}"))
            .hint("write 'Field: value'; indent the line if it continues the field above"),
    }
}

struct LineStarts(Vec<usize>);

impl LineStarts {
    fn new(text: &str) -> Self {
        Self(std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect())
    }

    fn number(&self, offset: usize) -> usize {
        self.0.partition_point(|start| *start <= offset)
    }

    fn text<'a>(&self, text: &'a str, number: usize) -> &'a str {
        let from = self.0.get(number.wrapping_sub(1)).copied().unwrap_or(text.len());
        text.get(from..).and_then(|rest| rest.lines().next()).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(text: &str) -> Vec<String> {
        parse(text, Path::new("debian/a.venv")).1.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn every_line_of_a_value_knows_its_place() {
        let text = "# top\nFormat: 1\nTest:\n  first one\n# between\n second\nPython: 3.11 \n\n\nStorage: x\n a\n";
        let (paragraphs, faults) = parse(text, Path::new("debian/a.venv"));
        assert_eq!(faults, []);
        assert_eq!(paragraphs.len(), 2);
        let test = paragraphs[0].get("test").unwrap();
        assert_eq!(test.value(), "first one\nsecond");
        assert_eq!((test.line, test.lines[0].number, test.lines[1].number), (3, 4, 6));
        assert_eq!(test.words().collect::<Vec<_>>(), [(4, "first"), (4, "one"), (6, "second")]);
        assert_eq!(paragraphs[0].get("Python").unwrap().value(), "3.11");
        assert_eq!(paragraphs[1].fields()[0].value(), "x\na");
        assert_eq!(paragraphs[1].line(), 10);
    }

    #[test]
    fn faults_name_the_line() {
        assert_eq!(faults("Format: 1\nformat: 2\n"), ["debian/a.venv:2: field format appears twice"]);
        assert_eq!(faults(" x\n"), ["debian/a.venv:1: a continuation line without a field"]);
        assert_eq!(
            faults("Format: 1\nPython 3\n"),
            ["debian/a.venv:2: neither a field nor a continuation line: Python 3"]
        );
        assert_eq!(faults("Format: 1\r\nTest:\ta\n"), [] as [&str; 0]);
        assert_eq!(faults("a: 1\nb: \0\n"), ["debian/a.venv:2: a control character: b: \0"]);
        assert_eq!(faults(""), [] as [&str; 0]);
    }
}
