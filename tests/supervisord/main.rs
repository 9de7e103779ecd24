//! dh_supervisord against the programs whose languages it speaks: supervisor's
//! own parser (Debian bookworm's version and trixie's), systemd-analyze and the shell.

#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test reads and writes files, starts programs, and fails by panic"
)]

mod backends;
mod oracle;
mod package;
mod parser;

use std::fs;
use std::path::PathBuf;

use deb_build_app::helper::supervisord::description::Description;
use deb_build_app::helper::supervisord::{description, plan};

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// The programs of tests/data/programs: name and text.
fn corpus() -> Vec<(String, String)> {
    let mut files: Vec<PathBuf> =
        fs::read_dir(root().join("tests/data/programs")).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let named =
        |path: PathBuf| (path.file_stem().unwrap().to_string_lossy().into_owned(), fs::read_to_string(&path).unwrap());
    files.into_iter().map(named).collect()
}

/// The package that the corpus is written for.
const PACKAGE: &str = "app";

fn described(name: &str, text: &str) -> Description {
    let path = PathBuf::from(format!("debian/{name}.supervisord"));
    let (description, faults) = description::read(PACKAGE, text, &path);
    assert_eq!(faults, [], "{name}");
    description
}

fn planned(name: &str, text: &str) -> (Description, plan::Outcome) {
    let description = described(name, text);
    let found = plan::Found::default();
    let outcome = plan::plan(PACKAGE, &description, &PathBuf::from(name), &found).unwrap_or_else(|error| {
        panic!("{name}: {:#?}", error.diagnostics());
    });
    (description, outcome)
}

#[test]
fn the_corpus_has_forty_descriptions() {
    assert_eq!(corpus().len(), 40);
}
