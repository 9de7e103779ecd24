//! The only printer: messages to standard error, actions of `-v` to standard output.
//!
//! Format and colours follow debhelper's `Dh_Lib.pm` (`error`, `warning`,
//! `verbose_print`): `TOOL: error: …`, a tab before each shown action.

use std::io::{IsTerminal, Write};

use crate::error::{Diagnostic, Error, Severity};
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
        self.plain(&format!("{}: {word}: {diagnostic}\n", self.tool));
        if let Some(hint) = &diagnostic.hint {
            self.plain(&format!("{}: {}: {hint}\n", self.tool, self.paint("hint", "36")));
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

    /// Text that was asked for (`--version`, `--from-dh-virtualenv`), as it is.
    pub fn output(&self, text: &str) {
        // A reader that has gone away, as in `… | head`, wants no more; print! would panic.
        let mut out = std::io::stdout().lock();
        let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    }

    /// Text for standard error, as it is.
    pub fn plain(&self, text: &str) {
        let _ = std::io::stderr().write_all(text.as_bytes());
    }

    fn paint(&self, word: &str, code: &str) -> String {
        if self.colour { format!("\x1b[1;{code}m{word}\x1b[0m") } else { word.to_owned() }
    }
}
