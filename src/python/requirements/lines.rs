//! The lines of a requirements file, before they mean anything.
//!
//! Owns continuation, comments, variables and the shell-like splitting of
//! options, as `preprocess` in pip's `req_file.py` has them.

use std::collections::BTreeMap;

/// Logical lines that are neither empty nor comments, with the number (from 1)
/// of the physical line on which each begins.
pub(super) fn logical(text: &str) -> Vec<(usize, String)> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut lines = Vec::new();
    let mut open: Option<(usize, String)> = None;
    for (index, line) in text.lines().enumerate() {
        // A comment line ends a continued line: the joined text is cut at its '#'.
        let comment = line.trim_start().starts_with('#');
        let (number, mut joined) = open.take().unwrap_or((index + 1, String::new()));
        if comment {
            joined.push(' ');
        }
        match line.strip_suffix('\\').filter(|_| !comment) {
            Some(start) => {
                joined.push_str(start);
                open = Some((number, joined));
            }
            None => {
                joined.push_str(line);
                lines.push((number, joined));
            }
        }
    }
    lines.extend(open);
    lines
        .into_iter()
        .filter_map(|(number, line)| {
            let line = without_comment(&line).trim();
            (!line.is_empty()).then(|| (number, line.to_owned()))
        })
        .collect()
}

/// Cut at the first `#` that begins the line or follows white space; the `#` of
/// a URL's fragment stays.
fn without_comment(line: &str) -> &str {
    let mut before_is_space = true;
    for (at, character) in line.char_indices() {
        if character == '#' && before_is_space {
            return &line[..at];
        }
        before_is_space = character.is_whitespace();
    }
    line
}

/// Replace `${NAME}` (upper case letters, digits, underscores only).
pub(super) fn expand(line: &str, variables: &BTreeMap<String, String>) -> String {
    let mut expanded = String::with_capacity(line.len());
    let mut rest = line;
    while let Some(start) = rest.find("${") {
        let (before, after) = rest.split_at(start);
        expanded.push_str(before);
        let name = after[2..].split_once('}').map(|(name, _)| name);
        let valid = name.filter(|name| {
            !name.is_empty() && name.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_')
        });
        match valid.and_then(|name| variables.get(name).filter(|value| !value.is_empty()).map(|v| (name, v))) {
            Some((name, value)) => {
                expanded.push_str(value);
                rest = &after[name.len() + 3..];
            }
            None => {
                expanded.push_str("${");
                rest = &after[2..];
            }
        }
    }
    expanded.push_str(rest);
    expanded
}

/// The requirement, and the options that begin at the first word with a `-`.
pub(super) fn split_options(line: &str) -> (&str, &str) {
    let mut previous_is_space = true;
    for (at, character) in line.char_indices() {
        if character == '-' && previous_is_space {
            return (line[..at].trim_end(), &line[at..]);
        }
        previous_is_space = character.is_whitespace();
    }
    (line, "")
}

/// Words as a shell splits them, with quotes and backslashes (Python's `shlex.split`).
pub(super) fn words(text: &str) -> Result<Vec<String>, String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        match character {
            c if c.is_whitespace() => words.extend(word.take()),
            '\'' => {
                let word = word.get_or_insert_default();
                loop {
                    match characters.next() {
                        Some('\'') => break,
                        Some(c) => word.push(c),
                        None => return Err("a quotation is not closed".to_owned()),
                    }
                }
            }
            '"' => {
                let word = word.get_or_insert_default();
                loop {
                    match characters.next() {
                        Some('"') => break,
                        Some('\\') => match characters.next() {
                            Some(c @ ('"' | '\\')) => word.push(c),
                            Some(c) => word.extend(['\\', c]),
                            None => return Err("a quotation is not closed".to_owned()),
                        },
                        Some(c) => word.push(c),
                        None => return Err("a quotation is not closed".to_owned()),
                    }
                }
            }
            '\\' => match characters.next() {
                Some(c) => word.get_or_insert_default().push(c),
                None => return Err("a backslash at the end escapes nothing".to_owned()),
            },
            c => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    Ok(words)
}
