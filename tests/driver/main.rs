//! deb-build-app on real repositories, real archives and real build environments.
#![allow(clippy::disallowed_methods, reason = "tests read, write and start processes")]
#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../harness/mod.rs"]
mod harness;

mod build;
mod check;
mod contain;
#[cfg(feature = "soak")]
mod environments;
mod fetch;
mod kept;
mod new;
mod room;
mod vendor;

use std::path::Path;
use std::process::{Command, Output};

/// The program under test, in a directory, with the test's own caches where told.
fn program(directory: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_deb-build-app"));
    command.current_dir(directory).env("GIT_CONFIG_GLOBAL", "/dev/null");
    command
}

/// What it printed to standard output; it must succeed.
#[track_caller]
fn ok(command: &mut Command) -> String {
    let output = command.output().expect("the program starts");
    assert!(output.status.success(), "{command:?}\n{}", words(&output));
    String::from_utf8(output.stdout).unwrap()
}

/// What it printed to standard error; it must fail with this status.
#[track_caller]
fn fails(command: &mut Command, status: i32) -> String {
    let output = command.output().expect("the program starts");
    assert_eq!(output.status.code(), Some(status), "{command:?}\n{}", words(&output));
    String::from_utf8(output.stderr).unwrap()
}

fn words(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// Runs a script with `sh -eu` in a directory; it must succeed.
#[track_caller]
fn sh(directory: &Path, script: &str) -> String {
    let output = Command::new("sh")
        .args(["-euc", script])
        .current_dir(directory)
        .envs([
            ("GIT_CONFIG_GLOBAL", "/dev/null"),
            ("GIT_AUTHOR_NAME", "Test"),
            ("GIT_AUTHOR_EMAIL", "test@example.org"),
            ("GIT_COMMITTER_NAME", "Test"),
            ("GIT_COMMITTER_EMAIL", "test@example.org"),
        ])
        .output()
        .expect("sh starts");
    assert!(output.status.success(), "{script}\n{}", words(&output));
    String::from_utf8(output.stdout).unwrap()
}

/// A file's bytes.
fn read(path: impl AsRef<Path>) -> Vec<u8> {
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.as_ref().display()))
}

/// Names in a directory, sorted.
fn names(path: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(path).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries.map(|entry| entry.file_name().into_string().unwrap()).collect();
    names.sort();
    names
}
