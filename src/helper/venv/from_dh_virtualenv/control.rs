//! debian/control with line numbers, as far as the hints need it.
//!
//! Owns stanzas, fields and the items of relation fields; judges nothing.
//! Source: Debian policy 5.1 and 7.1.

use super::shell::Word;

#[derive(Debug, Default)]
pub(super) struct Stanza {
    /// Its first line.
    pub line: usize,
    /// Name in lower case, line, value with its line feeds.
    fields: Vec<(String, usize, String)>,
}

/// All stanzas, the source's first.
#[derive(Debug, Default)]
pub(super) struct Control {
    stanzas: Vec<Stanza>,
}

impl Control {
    pub(super) fn read(text: &str) -> Self {
        let mut stanzas: Vec<Stanza> = Vec::new();
        let mut inside = false;
        for (index, line) in text.lines().enumerate() {
            if line.trim().is_empty() {
                inside = false;
            } else if line.starts_with('#') {
                // A comment inside a field counts as an empty line of its value.
                if let Some((_, _, value)) = stanzas.last_mut().filter(|_| inside).and_then(|s| s.fields.last_mut()) {
                    value.push('\n');
                }
            } else {
                if !inside {
                    stanzas.push(Stanza { line: index + 1, ..Stanza::default() });
                    inside = true;
                }
                let Some(stanza) = stanzas.last_mut() else { continue };
                if line.starts_with([' ', '\t']) {
                    if let Some((_, _, value)) = stanza.fields.last_mut() {
                        value.push('\n');
                        value.push_str(line);
                    }
                } else if let Some((name, value)) = line.split_once(':') {
                    stanza.fields.push((name.to_lowercase(), index + 1, value.to_owned()));
                }
            }
        }
        Self { stanzas }
    }

    /// The source's stanza.
    pub(super) fn source(&self) -> Option<&Stanza> {
        self.stanzas.iter().find(|stanza| stanza.field("Source").is_some())
    }

    /// The binary packages' stanzas.
    pub(super) fn packages(&self) -> impl Iterator<Item = &Stanza> {
        self.stanzas.iter().filter(|stanza| stanza.field("Package").is_some())
    }
}

impl Stanza {
    fn field(&self, name: &str) -> Option<&(String, usize, String)> {
        self.fields.iter().find(|(field, ..)| field.eq_ignore_ascii_case(name))
    }

    /// The source's or the package's name.
    pub(super) fn name(&self) -> Option<&str> {
        self.field("Package").or_else(|| self.field("Source")).map(|(_, _, value)| value.trim())
    }

    pub(super) fn is(&self, name: &str) -> bool {
        self.name() == Some(name)
    }

    /// The line on which a field begins.
    pub(super) fn line_of(&self, name: &str) -> Option<usize> {
        self.field(name).map(|(_, line, _)| *line)
    }

    /// The comma-separated items of a relation field, each with its line.
    pub(super) fn items(&self, name: &str) -> Vec<Word> {
        let Some((_, first, value)) = self.field(name) else { return Vec::new() };
        let mut line = *first;
        let mut items = Vec::new();
        for part in value.split(',') {
            let before = part.len() - part.trim_start().len();
            let at = line + part[..before].matches('\n').count();
            line += part.matches('\n').count();
            let text = part.split_whitespace().collect::<Vec<_>>().join(" ");
            if !text.is_empty() {
                items.push(Word { text, line: at });
            }
        }
        items
    }
}
