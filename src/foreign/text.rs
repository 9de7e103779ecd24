//! Foreign text on its way to a terminal, a log, another file or a parser.

use std::borrow::Cow;
use std::fmt::Write;

/// Text for a terminal or a log: each control character but the ends of lines and
/// tabulators is written out (`\x1b`), and so is what turns the direction of text.
/// Many lines stay many lines: use [`printable_line`] where one is meant.
pub fn printable(text: &str) -> Cow<'_, str> {
    escape(text, |c| c != '\n' && c != '\t')
}

/// [`printable`] for a text that must stay in its line.
pub fn printable_line(text: &str) -> Cow<'_, str> {
    escape(text, |c| c != '\t')
}

fn escape(text: &str, counts: impl Fn(char) -> bool) -> Cow<'_, str> {
    let bad = |c: char| steers(c) && counts(c);
    if !text.contains(bad) {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match c {
            _ if !bad(c) => escaped.push(c),
            '\n' => escaped.push_str("\\n"),
            '\r' => escaped.push_str("\\r"),
            _ if (c as u32) < 0x100 => {
                let _ = write!(escaped, "\\x{:02x}", c as u32);
            }
            _ => {
                let _ = write!(escaped, "\\u{{{:x}}}", c as u32);
            }
        }
    }
    Cow::Owned(escaped)
}

/// Whether a character steers a terminal: C0, DEL and C1 controls, line and paragraph
/// separators, and the marks that turn the direction of text (Unicode, UAX 9).
fn steers(c: char) -> bool {
    c.is_control() || matches!(c, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// A text with each password of a URL in it hidden: `https://user:***@host/`. A user
/// without a password is hidden, too, where that can be a token: with https and http.
pub fn without_passwords(text: &str) -> Cow<'_, str> {
    let mut shown = String::new();
    let mut rest = text;
    while let Some(at) = rest.find("://").map(|at| at + 3) {
        let (before, after) = rest.split_at(at);
        let end = after.find(|c: char| c.is_whitespace() || "/?#'\"<>".contains(c)).unwrap_or(after.len());
        let is_web = ["https://", "http://"].iter().any(|scheme| before.to_ascii_lowercase().ends_with(scheme));
        shown.push_str(before);
        rest = after;
        if let Some((user, _)) = after[..end].rsplit_once('@') {
            match user.split_once(':') {
                Some((user, _)) => shown.extend([user, ":***"]),
                None => shown.push_str(if is_web { "***" } else { user }),
            }
            rest = &after[user.len()..];
        }
    }
    shown.push_str(rest);
    if shown == text { Cow::Borrowed(text) } else { Cow::Owned(shown) }
}

/// A text of a foreigner as one line of another format: no character in it ends a
/// line or steers a terminal, and white space is single.
pub fn line(text: &str) -> String {
    let words: Vec<&str> =
        text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty()).collect();
    // What is left are the marks that turn the direction of text.
    words.join(" ").replace(steers, "")
}

/// The same for a text of many lines.
pub fn lines(text: &str) -> String {
    text.replace(|c| steers(c) && !matches!(c, '\n' | '\t'), "")
}

/// As many brackets in one another as a parser that calls itself is given.
const DEEP: usize = 100;

/// The line on which more than 100 brackets of a text in TOML or JSON are open: its
/// parser would run out of stack. Brackets in strings and comments do not count.
pub fn too_deep(text: &str) -> Option<usize> {
    let mut depth = 0_usize;
    for (number, line) in text.lines().enumerate() {
        let (mut quote, mut escaped) = (None, false);
        for c in line.chars() {
            match (quote, c) {
                (Some('"'), '\\') if !escaped => {
                    escaped = true;
                    continue;
                }
                (Some(open), c) if c == open && !escaped => quote = None,
                (None, '"' | '\'') => quote = Some(c),
                (None, '#') => break,
                (None, '[' | '{') => depth += 1,
                (None, ']' | '}') => depth = depth.saturating_sub(1),
                _ => {}
            }
            escaped = false;
        }
        if depth > DEEP {
            return Some(number + 1);
        }
    }
    None
}
