//! What dh_appconfig and appctl write, against those who read it: the real
//! parsers of every format, the shells, debconf's own tools.
#![allow(clippy::disallowed_methods, reason = "tests read, write and start processes")]
#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(clippy::print_stdout, reason = "it says how many values were refused")]
#![allow(missing_docs, reason = "tests")]

mod escapers;
mod scripts;
mod translations;

use std::path::PathBuf;
use std::process::{Command, Output};

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Run to the end; a failure shows what was said.
fn run(command: &mut Command) -> Output {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(
        output.status.success(),
        "{command:?}: {}\n{}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    output
}
