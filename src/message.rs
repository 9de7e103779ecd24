//! The only printer: messages to standard error, actions of `-v` to standard output.
//!
//! Whatever is printed passes [`crate::foreign`]: no file name, log line, database
//! or program steers the terminal or the log that it ends up on. Colours are added
//! after that, and JSON has an escape of its own.
//!
//! Format and colours follow debhelper's `Dh_Lib.pm` (`error`, `warning`,
//! `verbose_print`): `TOOL: error: …`, a tab before each shown action.

use std::io::{IsTerminal, Write};

use crate::error::{Diagnostic, Error, Severity};
use crate::foreign::{printable, printable_line};
use crate::plan::{Action, Plan};

/// Prints for one tool; knows how loud and how colourful it may be.
#[derive(Debug, Clone)]
pub struct Printer {
    tool: String,
    verbose: bool,
    quiet: bool,
    colour: bool,
}

impl Printer {
    /// A printer for `tool`. `colour`: `Some` where the environment has decided
    /// (DH_COLORS, DPKG_COLORS, NO_COLOR), else a terminal gets colours.
    pub fn new(tool: &str, verbose: bool, quiet: bool, colour: Option<bool>) -> Self {
        let colour = colour.unwrap_or_else(|| std::io::stderr().is_terminal());
        Self { tool: tool.to_owned(), verbose, quiet, colour }
    }

    /// One error or warning, with its hint on a line of its own.
    pub fn diagnostic(&self, diagnostic: &Diagnostic) {
        let (word, code) = match diagnostic.severity {
            Severity::Error => ("error", "31"),
            Severity::Warning => ("warning", "33"),
        };
        let word = self.paint(word, code);
        say(&format!("{}: {word}: {}\n", self.tool, printable(&diagnostic.to_string())));
        if let Some(hint) = &diagnostic.hint {
            say(&format!("{}: {}: {}\n", self.tool, self.paint("hint", "36"), printable(hint)));
        }
    }

    /// Every fault of an error, each as its own message.
    pub fn error(&self, error: &Error) {
        for diagnostic in error.diagnostics() {
            self.diagnostic(diagnostic);
        }
    }

    /// A line about the run that is no fault; silent under DH_QUIET or `terse`.
    pub fn note(&self, text: &str) {
        if !self.quiet {
            self.plain(&format!("{}: {text}\n", self.tool));
        }
    }

    /// The plan, as `-v` and `--no-act` show it: one tab-indented line an action.
    pub fn plan(&self, plan: &Plan) {
        plan.actions.iter().for_each(|action| self.action(action));
    }

    /// One action of a plan.
    pub fn action(&self, action: &Action) {
        if self.verbose && !self.quiet {
            for line in action.to_string().lines() {
                self.output(&format!("\t{line}\n"));
            }
        }
    }

    /// Text that was asked for (`--version`, `--from-dh-virtualenv`), made printable.
    pub fn output(&self, text: &str) {
        answer(&printable(text));
    }

    /// JSON that was asked for: what would steer a terminal is escaped as JSON does it.
    pub fn json(&self, text: &str) {
        answer(&json(text));
    }

    /// Text for standard error, made printable.
    pub fn plain(&self, text: &str) {
        say(&printable(text));
    }

    fn paint(&self, word: &str, code: &str) -> String {
        if self.colour { format!("\x1b[1;{code}m{word}\x1b[0m") } else { word.to_owned() }
    }
}

fn answer(text: &str) {
    // A reader that has gone away, as in `… | head`, wants no more; print! would panic.
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

fn say(text: &str) {
    let _ = std::io::stderr().write_all(text.as_bytes());
}

/// JSON's own escapes (RFC 8259, section 7) for what its writer leaves as it is: such
/// characters stand in strings alone, but for the ends of lines between values.
fn json(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    let mut buffer = [0; 4];
    for c in text.chars() {
        let is_plain = c == '\n' || printable_line(c.encode_utf8(&mut buffer)).len() == c.len_utf8();
        if is_plain { escaped.push(c) } else { escaped.push_str(&format!("\\u{:04x}", c as u32)) }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::json;

    #[test]
    fn json_stays_json() {
        let value = serde_json::json!({"a": "\u{1b}[2J\u{7f}\u{9b}\u{202e}ü\n", "b": [1]});
        for text in [value.to_string(), serde_json::to_string_pretty(&value).unwrap()] {
            let escaped = json(&text);
            assert!(!escaped.contains(|c: char| c.is_control() && c != '\n') && !escaped.contains('\u{202e}'));
            assert_eq!(serde_json::from_str::<serde_json::Value>(&escaped).unwrap(), value);
        }
    }
}
