//! debian/control: stanzas, fields and their lines.
//!
//! Mirrors `_parse_debian_control` of debhelper's `Dh_Lib.pm`: the same files
//! are accepted and the same are errors (duplicate fields, duplicate packages,
//! names outside the grammar, unknown X-DH-Build-For-Type). Differences: every
//! fault of the file is reported, not only the first, and each names its line.

use std::collections::BTreeMap;
use std::path::Path;

use crate::error::{Diagnostic, Error, Location, Result};

/// A field: its name as written, its value, and where each line of it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    /// Name as written.
    pub name: String,
    /// First line and continuation lines, joined by `\n`, without the white
    /// space that introduces each; trimmed as a whole.
    pub value: String,
    /// Line of the field's name, from 1.
    pub line: usize,
    parts: Vec<(usize, String)>,
}

impl Field {
    /// The line of the file on which `words` stands in this field, else the field's own.
    pub fn line_of(&self, words: &str) -> usize {
        self.parts.iter().find(|(_, text)| text.contains(words)).map_or(self.line, |(line, _)| *line)
    }
}

/// A stanza's fields, in the order of the file.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Stanza {
    fields: Vec<Field>,
}

impl Stanza {
    /// A field by its name, in any case.
    pub fn get(&self, name: &str) -> Option<&Field> {
        self.fields.iter().find(|field| field.name.eq_ignore_ascii_case(name))
    }

    /// Every field, in order.
    pub fn fields(&self) -> &[Field] {
        &self.fields
    }

    fn value(&self, name: &str) -> Option<&str> {
        self.get(name).map(|field| field.value.as_str())
    }
}

/// The source stanza.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// Name of the source package.
    pub name: String,
    /// Line on which the stanza begins, from 1.
    pub line: usize,
    /// Its fields.
    pub stanza: Stanza,
}

impl Source {
    /// A field's value, by its name in any case.
    pub fn field(&self, name: &str) -> Option<&str> {
        self.stanza.value(name)
    }
}

/// A binary package's stanza.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Binary {
    /// Name of the package.
    pub name: String,
    /// The Architecture field, trimmed; empty where absent.
    pub architecture: String,
    /// Whether X-DH-Build-For-Type says `target`.
    pub for_target: bool,
    /// Line on which the stanza begins, from 1.
    pub line: usize,
    /// Its fields.
    pub stanza: Stanza,
}

impl Binary {
    /// A field's value, by its name in any case.
    pub fn field(&self, name: &str) -> Option<&str> {
        self.stanza.value(name)
    }

    /// Where a field stands; the stanza's first line where it has none of that name.
    pub fn location(&self, name: &str) -> Location {
        Location::line("debian/control", self.stanza.get(name).map_or(self.line, |field| field.line))
    }
}

/// All of debian/control.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Control {
    /// The first stanza.
    pub source: Source,
    /// The others, in order.
    pub binaries: Vec<Binary>,
}

/// Whether `name` is a package name: debhelper's PKGNAME_REGEX, policy 5.6.1.
pub fn is_package_name(name: &str) -> bool {
    let alphanumeric = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let mut characters = name.chars();
    characters.next().is_some_and(alphanumeric)
        && name.len() > 1
        && characters.all(|c| alphanumeric(c) || "-+.".contains(c))
}

/// Parse debian/control.
pub fn parse(text: &str) -> Result<Control> {
    let mut reader = Reader::default();
    let lines: Vec<&str> = text.lines().collect();
    for (index, line) in lines.iter().enumerate() {
        reader.line(index + 1, line);
    }
    reader.end_stanza();
    let mut faults = reader.faults;
    let mut stanzas = reader.stanzas.into_iter();

    let source = match stanzas.next() {
        Some((line, stanza)) => {
            let name = stanza.value("Source").map(str::to_owned);
            match name {
                Some(name) => {
                    if !is_package_name(&name) {
                        let at = stanza.get("Source").map_or(line, |field| field.line);
                        faults.push(fault(at, format!("'{name}' is not a source package name")).hint(GRAMMAR));
                    }
                    Some(Source { name, line, stanza })
                }
                None => {
                    faults.push(
                        fault(line, "the first stanza has no Source field")
                            .hint("begin debian/control with 'Source: NAME'"),
                    );
                    None
                }
            }
        }
        None => {
            faults.push(fault(1, "no Source field").hint("begin debian/control with 'Source: NAME'"));
            None
        }
    };

    let mut binaries: Vec<Binary> = Vec::new();
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    for (line, stanza) in stanzas {
        let Some(field) = stanza.get("Package").filter(|field| !field.value.is_empty()) else {
            faults
                .push(fault(line, "the stanza has no Package field").hint("each stanza after the first is a package"));
            continue;
        };
        let (name, at) = (field.value.clone(), field.line);
        if let Some(first) = seen.insert(name.clone(), at) {
            faults.push(
                fault(at, format!("package {name} has two stanzas"))
                    .hint(format!("the first is on line {first}: merge the two, or rename one")),
            );
        }
        if !is_package_name(&name) {
            faults.push(fault(at, format!("'{name}' is not a package name")).hint(GRAMMAR));
        }
        if let Some(fault) = second_package_type(&stanza) {
            faults.push(fault);
        }
        let for_type = stanza.get("X-DH-Build-For-Type").map_or(("host", line), |f| (f.value.as_str(), f.line));
        let for_target = match for_type {
            ("host", _) => false,
            ("target", _) => true,
            (other, at) => {
                faults.push(
                    fault(at, format!("X-DH-Build-For-Type of {name} is '{other}'")).hint("use 'host' or 'target'"),
                );
                false
            }
        };
        let architecture = stanza.value("Architecture").unwrap_or_default().to_owned();
        binaries.push(Binary { name, architecture, for_target, line, stanza });
    }

    match source {
        Some(source) if faults.is_empty() => Ok(Control { source, binaries }),
        _ => Err(Error::Failed(faults)),
    }
}

const GRAMMAR: &str = "a name has lower-case letters, digits, '+', '-' and '.', and at least two characters";

fn fault(line: usize, message: impl Into<String>) -> Diagnostic {
    Diagnostic::error(message).at(Location::line(Path::new("debian/control"), line))
}

/// Package-Type and its X-, XB-, XC- spellings are one field.
fn second_package_type(stanza: &Stanza) -> Option<Diagnostic> {
    let is_type = |field: &&Field| {
        let name = field.name.to_ascii_lowercase();
        match name.strip_suffix("package-type") {
            Some("") => true,
            Some(prefix) => prefix
                .strip_prefix('x')
                .and_then(|rest| rest.strip_suffix('-'))
                .is_some_and(|letters| letters.chars().all(|c| c == 'b' || c == 'c')),
            None => false,
        }
    };
    let mut types = stanza.fields.iter().filter(is_type);
    let first = types.next()?;
    let second = types.next()?;
    Some(
        fault(second.line, format!("{} is the second Package-Type of the stanza", second.name))
            .hint(format!("the first is on line {}: keep one", first.line)),
    )
}

#[derive(Default)]
struct Reader {
    stanzas: Vec<(usize, Stanza)>,
    current: Option<(usize, Stanza)>,
    faults: Vec<Diagnostic>,
}

impl Reader {
    fn line(&mut self, number: usize, line: &str) {
        let line = line.trim_end();
        // debhelper takes an indented '#' for a comment in the source stanza only.
        let comment = if self.stanzas.is_empty() { line.trim_start() } else { line };
        if comment.starts_with('#') {
            return;
        }
        if line.is_empty() {
            self.end_stanza();
        } else if let Some(continuation) = line.strip_prefix(char::is_whitespace) {
            match self.current.as_mut().and_then(|(_, stanza)| stanza.fields.last_mut()) {
                Some(field) => field.parts.push((number, continuation.to_owned())),
                None => self.faults.push(
                    fault(number, "a continuation line without a field")
                        .hint("begin the line with 'Field:', or remove its leading white space"),
                ),
            }
        } else {
            self.field(number, line);
        }
    }

    fn field(&mut self, number: usize, line: &str) {
        let Some((name, value)) = line.split_once(':').filter(|(name, _)| is_field_name(name)) else {
            self.faults.push(
                fault(number, format!("neither a field nor a continuation line: {line}"))
                    .hint("write 'Field: value', or indent the line"),
            );
            return;
        };
        let (_, stanza) = self.current.get_or_insert_with(|| (number, Stanza::default()));
        if let Some(first) = stanza.get(name) {
            self.faults.push(
                fault(number, format!("field {name} appears twice in the stanza"))
                    .hint(format!("it is on line {} already: merge the two", first.line)),
            );
        }
        stanza.fields.push(Field {
            name: name.to_owned(),
            value: String::new(),
            line: number,
            parts: vec![(number, value.trim_start().to_owned())],
        });
    }

    fn end_stanza(&mut self) {
        if let Some((line, mut stanza)) = self.current.take() {
            for field in &mut stanza.fields {
                let texts: Vec<&str> = field.parts.iter().map(|(_, text)| text.as_str()).collect();
                field.value = texts.join("\n").trim().to_owned();
            }
            self.stanzas.push((line, stanza));
        }
    }
}

/// Policy 5.1, as debhelper's DEB822_FIELD_REGEX has it.
fn is_field_name(name: &str) -> bool {
    let first = |b: u8| matches!(b, 0x21 | 0x22 | 0x24..=0x2C | 0x2F..=0x39 | 0x3B..=0x7F);
    let next = |b: u8| matches!(b, 0x21..=0x39 | 0x3B..=0x7F);
    name.bytes().next().is_some_and(first) && name.bytes().skip(1).all(next)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_found_in_any_case_with_their_lines() {
        let control = parse(
            "# top\nSource: notes\nBuild-Depends: debhelper-compat (= 13),\n# in between\n dh-sequence-venv\n\n\
             Package: notes\nArchitecture: any\nDescription: short\n long\n .\n more\n",
        )
        .unwrap();
        assert_eq!(control.source.name, "notes");
        assert_eq!(control.source.field("build-depends"), Some("debhelper-compat (= 13),\ndh-sequence-venv"));
        assert_eq!(control.source.stanza.get("Build-Depends").unwrap().line_of("dh-sequence-venv"), 5);
        assert_eq!(control.binaries[0].field("DESCRIPTION"), Some("short\nlong\n.\nmore"));
        assert_eq!(control.binaries[0].line, 7);
    }

    #[test]
    fn every_fault_is_reported_with_its_line() {
        let error = parse("Source: notes\nSection: a\nSection: b\n\nPackage: n\n\nArchitecture: any\n").unwrap_err();
        let shown: Vec<String> = error.diagnostics().iter().map(ToString::to_string).collect();
        assert_eq!(
            shown,
            [
                "debian/control:3: field Section appears twice in the stanza",
                "debian/control:5: 'n' is not a package name",
                "debian/control:7: the stanza has no Package field",
            ]
        );
    }
}
