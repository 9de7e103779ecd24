//! Parsers of the library, one by one, and what must hold of what they accept.

macro_rules! hold {
    ($holds:expr, $($why:tt)*) => {
        if !$holds {
            return Err(format!($($why)*));
        }
    };
}

mod configuration;
mod debian;
mod driver;
mod runtime;
mod supervisord;
mod venv;

use std::fmt::Display;
use std::path::{Component, Path};
use std::time::Instant;

use deb_build_app::driver::target as suites;
use deb_build_app::error::{Diagnostic, Error, Severity};
use deb_build_app::foreign::printable;
use deb_build_app::python::interpreter::Interpreter;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::engine::{Check, LIMIT, Target, deadline, kept, runs};

/// Runs of each parser in `make check`.
pub const RUNS: usize = 500;

type Outcome = Result<(), String>;

/// All of a group, each until its first failure.
fn all(group: &str, targets: Vec<Target>) {
    let end = deadline();
    let mut faults = Vec::new();
    let mut done = 0;
    for (at, target) in targets.iter().enumerate() {
        // Each has its share of the time that is left.
        let share = |end: Instant| {
            let left = end.saturating_duration_since(Instant::now());
            Instant::now() + left / u32::try_from(targets.len() - at).unwrap_or(1)
        };
        match target.run(runs(RUNS), end.map(share)) {
            Ok(runs) => done += runs,
            Err(failure) => faults.push(failure.report()),
        }
    }
    println!("fuzz {group}: {} parsers, {done} inputs, FUZZ_SEED={}", targets.len(), crate::engine::seed());
    assert!(faults.is_empty(), "\n{}\n(inputs are in {})", faults.join("\n"), kept().display());
}

fn target(name: &'static str, seeds: Vec<Vec<u8>>, check: Check) -> Target {
    Target { name, seeds, check, limit: LIMIT }
}

fn text(input: &[u8]) -> String {
    String::from_utf8_lossy(input).into_owned()
}

/// Whether a character would steer a terminal; written anew here, against `foreign`.
pub fn steers(c: char) -> bool {
    let code = c as u32;
    (code < 0x20 && c != '\n' && c != '\t')
        || (0x7f..0xa0).contains(&code)
        || (0x202a..=0x202e).contains(&code)
        || (0x2066..=0x2069).contains(&code)
        || code == 0x2028
        || code == 0x2029
}

fn one_line(what: &str, text: &str) -> Outcome {
    hold!(!text.contains(['\n', '\r', '\0']), "{what} has more than one line: {text:?}");
    Ok(())
}

fn absolute(what: &str, path: &str) -> Outcome {
    let climbs = Path::new(path).components().any(|part| part == Component::ParentDir);
    hold!(path.starts_with('/') && !climbs, "{what} is no absolute path: {path:?}");
    hold!(!path.contains(char::is_control), "{what} has control characters: {path:?}");
    Ok(())
}

/// Messages say something, name a line that there is, and do not grow beyond all measure.
fn said(faults: &[Diagnostic], text: &str) -> Outcome {
    let lines = text.split(['\n', '\r']).count() + 1;
    let mut size = 0;
    for fault in faults {
        hold!(!fault.message.is_empty(), "a fault without words");
        size += fault.message.len() + fault.hint.as_ref().map_or(0, String::len);
        let line = fault.location.as_ref().and_then(|location| location.line);
        hold!(line.is_none_or(|line| (1..=lines).contains(&line)), "no such line as in: {fault}");
        let shown = printable(&fault.to_string()).into_owned() + &printable(fault.hint.as_deref().unwrap_or_default());
        hold!(!shown.contains(steers), "a message with control characters");
    }
    hold!(size <= 200 * text.len() + (1 << 20), "faults of {size} bytes about {} bytes", text.len());
    Ok(())
}

fn refused(error: &Error, text: &str) -> Outcome {
    hold!(!error.diagnostics().is_empty(), "an error without a fault");
    said(error.diagnostics(), text)
}

fn is_clean(faults: &[Diagnostic]) -> bool {
    faults.iter().all(|fault| fault.severity != Severity::Error)
}

fn again<T: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug>(input: &[u8]) -> Result<Option<T>, String> {
    let Ok(read) = serde_json::from_slice::<T>(input) else { return Ok(None) };
    let text = serde_json::to_string(&read).map_err(|error| format!("not written: {error}"))?;
    let second: T = serde_json::from_str(&text).map_err(|error| format!("not read again: {error}"))?;
    hold!(second == read, "another value is read again");
    Ok(Some(read))
}

fn same_text<T: Display, E: Display>(read: fn(&str) -> Result<T, E>, text: &str) -> Outcome {
    match read(text) {
        Ok(accepted) => {
            let printed = accepted.to_string();
            let second = read(&printed).map_err(|error| format!("'{printed}' is not accepted again: {error}"))?;
            hold!(second.to_string() == printed, "'{printed}' changes");
            one_line("what was accepted", &printed)
        }
        Err(error) => {
            let shown = error.to_string();
            hold!(!shown.contains(steers), "a refusal with control characters: {shown:?}");
            hold!(shown.len() < 2000, "a refusal of {} bytes", shown.len());
            Ok(())
        }
    }
}

/// Of bookworm, on amd64.
fn interpreter() -> Interpreter {
    suites::interpreter(suites::SUITES[0], "amd64").expect("a table")
}
