//! supervisord's INI dialect, with the line of everything and no comment lost.
//!
//! Mirrors `_read` of Python's configparser as supervisor's
//! `UnhosedConfigParser` sets it up (options.py): `=` and `:`, inline comments
//! after white space, continuation by indentation, keys in lower case. The
//! sections `[systemd…]` hold unit files' lines instead (systemd.syntax(7)).
//! Knows no section and no key. Stricter than supervisor: a section or key that
//! stands twice, `[DEFAULT]` and text after `]` are faults.

use std::collections::BTreeMap;
use std::path::Path;

use crate::error::{Diagnostic, Location};

/// A file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Document {
    /// Its lines as they are.
    pub lines: Vec<String>,
    /// Its sections, in order.
    pub sections: Vec<Section>,
}

/// A section.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Section {
    /// What stands between the brackets.
    pub name: String,
    /// Line of the header, from 1.
    pub line: usize,
    /// The first line that belongs to it: that of the comment above the header.
    pub from: usize,
    /// The last line that belongs to it.
    pub to: usize,
    /// Its entries, in order.
    pub entries: Vec<Entry>,
}

impl Section {
    /// An entry by its key.
    pub fn get(&self, key: &str) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.key == key)
    }

    /// `program:web` is (`program`, `web`); a name without a colon has no second part.
    pub fn parts(&self) -> (&str, Option<&str>) {
        match self.name.split_once(':') {
            Some((kind, name)) => (kind, Some(name)),
            None => (&self.name, None),
        }
    }
}

/// A key and its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The key: in lower case, except in a `[systemd…]` section.
    pub key: String,
    /// The value's lines, joined by `\n`, without comments and the white space around.
    pub value: String,
    /// Line of the key, from 1.
    pub line: usize,
    /// The value's last line.
    pub to: usize,
}

/// Parse `text`, the contents of `file`. Where there are faults, the document holds what could be read.
pub fn parse(text: &str, file: &Path) -> (Document, Vec<Diagnostic>) {
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    let mut reader = Reader { file, document: Document::default(), faults: Vec::new(), indent: 0, open: false };
    for (index, line) in text.lines().enumerate() {
        // No value has a use for one, and all of them are lines of other files.
        if line.contains(|c: char| c.is_control() && c != '\t') {
            let hint = "remove it: the line shows it as \\x and two digits";
            reader.fault(index + 1, format!("a control character: {}", line.trim()), hint);
        } else {
            reader.line(index + 1, line);
        }
        reader.document.lines.push(line.to_owned());
    }
    reader.finish();
    (reader.document, reader.faults)
}

struct Reader<'a> {
    file: &'a Path,
    document: Document,
    faults: Vec<Diagnostic>,
    /// Indentation of the last header or key: what stands deeper continues it.
    indent: usize,
    /// Whether the last entry may be continued.
    open: bool,
}

impl Reader<'_> {
    fn fault(&mut self, line: usize, message: impl Into<String>, hint: impl Into<String>) {
        self.faults.push(Diagnostic::error(message).at(Location::line(self.file, line)).hint(hint));
    }

    fn section(&mut self) -> Option<&mut Section> {
        self.document.sections.last_mut()
    }

    fn in_unit(&self) -> bool {
        self.document.sections.last().is_some_and(|section| section.name.starts_with("systemd"))
    }

    fn line(&mut self, number: usize, line: &str) {
        if self.in_unit() && !is_header(line.trim()) {
            return self.unit_line(number, line);
        }
        let comment = comment_start(line);
        let value = line[..comment.unwrap_or(line.len())].trim();
        if value.is_empty() {
            // An empty line may stand inside a value.
            if comment.is_none() && self.open {
                if let Some(entry) = self.section().and_then(|section| section.entries.last_mut()) {
                    entry.value.push('\n');
                }
            }
            return;
        }
        let indent = line.chars().take_while(|c| c.is_whitespace()).count();
        if self.open && indent > self.indent {
            if let Some(entry) = self.section().and_then(|section| section.entries.last_mut()) {
                entry.value.push('\n');
                entry.value.push_str(value);
                entry.to = number;
            }
            return;
        }
        self.indent = indent;
        if is_header(value) { self.header(number, value) } else { self.option(number, value) }
    }

    fn header(&mut self, number: usize, value: &str) {
        self.open = false;
        let end = value.rfind(']').unwrap_or(value.len());
        let (name, rest) = (value[1..end].to_owned(), value[end + 1..].trim());
        if !rest.is_empty() {
            self.fault(number, format!("text after the section [{name}]: {rest}"), "put it on a line of its own");
        }
        if name == "DEFAULT" {
            self.fault(number, "the section [DEFAULT] would change every package's programs", "write the keys out");
        }
        let is_unit = name.starts_with("systemd");
        if let Some(first) = self.document.sections.iter().find(|section| section.name == name && !is_unit) {
            let hint = format!("the first is on line {}: merge the two", first.line);
            self.fault(number, format!("the section [{name}] stands twice"), hint);
        }
        let above = self.document.lines.iter().rev().take_while(|line| line.trim_start().starts_with(['#', ';']));
        let from = number - above.count();
        self.document.sections.push(Section { name, line: number, from, to: number, entries: Vec::new() });
    }

    fn option(&mut self, number: usize, value: &str) {
        let split = value.find(['=', ':']).map(|at| (value[..at].trim_end(), value[at + 1..].trim()));
        let Some((key, text)) = split.filter(|(key, _)| !key.is_empty()) else {
            self.open = false;
            return self.fault(
                number,
                format!("neither a section nor 'key = value': {value}"),
                "a line that continues a value is indented deeper than its key",
            );
        };
        let key = key.to_lowercase();
        self.open = true;
        self.entry(number, key, text.to_owned(), false);
    }

    fn entry(&mut self, number: usize, key: String, value: String, repeatable: bool) {
        let Some(section) = self.section() else {
            self.open = false;
            return self.fault(
                number,
                format!("'{key}' stands before the first section"),
                "begin the file with [x-supervisord] and format = 1",
            );
        };
        let twice = section.get(&key).filter(|_| !repeatable).map(|first| (first.line, section.name.clone()));
        section.entries.push(Entry { key: key.clone(), value, line: number, to: number });
        if let Some((first, name)) = twice {
            self.fault(
                number,
                format!("'{key}' stands twice in [{name}]"),
                format!("it is on line {first} already: keep one"),
            );
        }
    }

    /// A line of a unit file: repeated keys are kept, a backslash continues.
    fn unit_line(&mut self, number: usize, line: &str) {
        let text = line.trim();
        let continued = std::mem::replace(&mut self.open, false);
        if text.is_empty() || text.starts_with(['#', ';']) {
            self.open = continued && !text.is_empty();
            return;
        }
        let goes_on = text.ends_with('\\');
        let text = text.strip_suffix('\\').unwrap_or(text).trim_end();
        if continued {
            if let Some(entry) = self.section().and_then(|section| section.entries.last_mut()) {
                entry.value.push(' ');
                entry.value.push_str(text);
                entry.to = number;
            }
        } else if let Some((key, value)) = text.split_once('=').filter(|(key, _)| is_directive(key.trim())) {
            self.entry(number, key.trim().to_owned(), value.trim().to_owned(), true);
        } else {
            self.fault(
                number,
                format!("no directive of a unit: {text}"),
                "write 'Directive=value', as in systemd.exec(5)",
            );
        }
        self.open = goes_on;
    }

    fn finish(&mut self) {
        let ends: Vec<usize> = self.document.sections.iter().skip(1).map(|next| next.from - 1).collect();
        let last = self.document.lines.len();
        for (section, end) in self.document.sections.iter_mut().zip(ends.into_iter().chain([last])) {
            section.to = end;
            for entry in &mut section.entries {
                entry.value.truncate(entry.value.trim_end().len());
            }
        }
    }
}

fn is_header(value: &str) -> bool {
    value.starts_with('[') && value.rfind(']').is_some_and(|at| at > 1)
}

fn is_directive(key: &str) -> bool {
    key.starts_with(|c: char| c.is_ascii_uppercase()) && key.chars().all(|c| c.is_ascii_alphanumeric())
}

/// Where a comment begins: `#` or `;` at the line's beginning or after white
/// space. The next sign of each kind is looked at in turn, and the first turn that
/// finds one ends the search, as in configparser.
fn comment_start(line: &str) -> Option<usize> {
    if line.trim_start().starts_with(['#', ';']) {
        return Some(0);
    }
    let mut from: BTreeMap<char, usize> = BTreeMap::from([('#', 0), (';', 0)]);
    while !from.is_empty() {
        let mut found = None::<usize>;
        for sign in ['#', ';'] {
            let Some(start) = from.get(&sign).copied() else { continue };
            let Some(at) = line[start..].find(sign).map(|at| at + start) else {
                from.remove(&sign);
                continue;
            };
            from.insert(sign, at + 1);
            if line[..at].ends_with(char::is_whitespace) {
                found = Some(found.map_or(at, |other| other.min(at)));
            }
        }
        if found.is_some() {
            return found;
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_comments_and_continuations() {
        let text = "; head\n\n# about web\n[program:web] ; x\nCommand = /bin/x a;b ; c\n  more # no\n\n\n  last\nuser: y\n\n\
                    # units\n[systemd:web]\nEnvironment=A=1 \\\n  B=2\nEnvironment=C=[3]\n";
        let (document, faults) = parse(text, Path::new("debian/a.supervisord"));
        assert_eq!(faults, []);
        let web = &document.sections[0];
        assert_eq!((web.line, web.from, web.to), (4, 3, 11));
        assert_eq!(web.get("command").unwrap().value, "/bin/x a;b\nmore\n\n\nlast");
        assert_eq!((web.get("command").unwrap().line, web.get("command").unwrap().to), (5, 9));
        assert_eq!(web.get("user").unwrap().value, "y");
        let unit: Vec<&str> = document.sections[1].entries.iter().map(|entry| entry.value.as_str()).collect();
        assert_eq!(unit, ["A=1 B=2", "C=[3]"]);
    }

    #[test]
    fn faults_name_the_line() {
        let text = "a = 1\n[program:x]\nuser = a\nuser = b\nnonsense\n[program:x]\n[DEFAULT]\n[systemd:x]\nnot this\n\
                    user=\u{1b}\n";
        let (_, faults) = parse(text, Path::new("f"));
        let shown: Vec<String> = faults.iter().map(ToString::to_string).collect();
        assert_eq!(
            shown,
            [
                "f:1: 'a' stands before the first section",
                "f:4: 'user' stands twice in [program:x]",
                "f:5: neither a section nor 'key = value': nonsense",
                "f:6: the section [program:x] stands twice",
                "f:7: the section [DEFAULT] would change every package's programs",
                "f:9: no directive of a unit: not this",
                "f:10: a control character: user=\u{1b}",
            ]
        );
    }
}
