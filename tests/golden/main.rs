//! Golden cases: each directory `tests/cases/<tool>/NN-name/` is a test.
//!
//! A test binary without libtest's harness, so that every case is counted and
//! named like any other test; it understands libtest's `--list`, `--exact`,
//! `--skip` and name filters. CONTRIBUTING.md says what a case consists of.
//! Only `make update-golden` (UPDATE_GOLDEN=1) rewrites what a case expects.
#![allow(clippy::disallowed_methods, reason = "tests read, write and start processes")]
#![allow(clippy::expect_used, reason = "a test fails by panicking")]
#![allow(clippy::print_stdout, reason = "it reports as libtest does")]

mod case;
mod selftest;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use case::Case;

/// What the command line asks for.
#[derive(Default)]
struct Selection {
    list: bool,
    exact: bool,
    filters: Vec<String>,
    skip: Vec<String>,
}

impl Selection {
    fn from_args(args: impl Iterator<Item = String>) -> Selection {
        let mut selection = Selection::default();
        let mut args = args.peekable();
        while let Some(arg) = args.next() {
            match arg.as_str() {
                "--list" => selection.list = true,
                "--exact" => selection.exact = true,
                "--skip" => selection.skip.extend(args.next()),
                "--test-threads" | "--format" | "--color" => drop(args.next()),
                option if option.starts_with('-') => {}
                _ => selection.filters.push(arg),
            }
        }
        selection
    }

    fn takes(&self, name: &str) -> bool {
        let matches = |filter: &String| if self.exact { name == filter } else { name.contains(filter.as_str()) };
        (self.filters.is_empty() || self.filters.iter().any(matches)) && !self.skip.iter().any(matches)
    }
}

type Test = (String, Box<dyn Fn() -> Result<(), String>>);

fn main() -> ExitCode {
    let selection = Selection::from_args(std::env::args().skip(1));
    let update = std::env::var_os("UPDATE_GOLDEN").is_some_and(|value| value == "1");
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut tests = selftest::tests();
    tests.push(("every_tool_has_cases".to_owned(), Box::new(|| every_tool_has_cases(root))));
    tests.push(("every_error_has_a_cure".to_owned(), Box::new(|| every_error_has_a_cure(root))));
    for case in cases(&root.join("tests/cases")) {
        let program = binary(&case.tool);
        tests.push((format!("{}/{}", case.tool, case.name), Box::new(move || case.check(&program, update))));
    }
    let (chosen, filtered): (Vec<Test>, Vec<Test>) = tests.into_iter().partition(|(name, _)| selection.takes(name));
    if selection.list {
        chosen.iter().for_each(|(name, _)| println!("{name}: test"));
        println!("\n{} tests, 0 benchmarks", chosen.len());
        return ExitCode::SUCCESS;
    }

    println!("\nrunning {} tests", chosen.len());
    let total = chosen.len();
    let began = std::time::Instant::now();
    let mut failures = Vec::new();
    for (name, test) in chosen {
        match test() {
            Ok(()) => println!("test {name} ... ok"),
            Err(why) => {
                println!("test {name} ... FAILED");
                failures.push((name, why));
            }
        }
    }
    if !failures.is_empty() {
        println!("\nfailures:\n");
        failures.iter().for_each(|(name, why)| println!("---- {name} ----\n{}\n", why.trim_end()));
    }
    println!(
        "\ntest result: {}. {} passed; {} failed; 0 ignored; 0 measured; {} filtered out; finished in {:.2}s\n",
        if failures.is_empty() { "ok" } else { "FAILED" },
        total - failures.len(),
        failures.len(),
        filtered.len(),
        began.elapsed().as_secs_f64()
    );
    if failures.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// The cases below a directory, by tool and name.
fn cases(dir: &Path) -> Vec<Case> {
    let tools = directories(dir);
    let cases = tools.iter().flat_map(|tool| directories(tool));
    cases.map(|dir| Case::new(&dir)).collect()
}

fn directories(dir: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
    let mut found: Vec<PathBuf> = entries.map(|entry| entry.path()).filter(|path| path.is_dir()).collect();
    found.sort();
    found
}

/// Cargo has put the programs beside the directory of the test binaries.
fn binary(tool: &str) -> PathBuf {
    let exe = std::env::current_exe().expect("the path of this test binary");
    let dir = exe.parent().and_then(Path::parent).expect("target/<profile>/deps");
    dir.join(tool)
}

/// Cases whose message is its own cure: it names the words that are right.
const SELF_EXPLAINING: [&str; 1] = ["appctl/12-unknown-command"];

/// What a program calls an error is followed by a hint, before the next error.
fn every_error_has_a_cure(root: &Path) -> Result<(), String> {
    let mut bare = Vec::new();
    for case in cases(&root.join("tests/cases")) {
        let name = format!("{}/{}", case.tool, case.name);
        if SELF_EXPLAINING.contains(&name.as_str()) {
            continue;
        }
        let file = root.join("tests/cases").join(&name).join("stderr");
        let text = std::fs::read_to_string(file).unwrap_or_default();
        let mut open: Option<&str> = None;
        for line in text.lines() {
            let says = |word: &str| line.starts_with(word) || line.contains(&format!(": {word}"));
            if says("error: ") {
                bare.extend(open.replace(line).map(|line| format!("{name}: {line}")));
            } else if says("hint: ") {
                open = None;
            }
        }
        bare.extend(open.map(|line| format!("{name}: {line}")));
    }
    if bare.is_empty() { Ok(()) } else { Err(format!("errors without a hint:\n{}", bare.join("\n"))) }
}

/// Each program of the crate has a case, and each directory of cases a program.
fn every_tool_has_cases(root: &Path) -> Result<(), String> {
    let entries = std::fs::read_dir(root.join("src/bin")).into_iter().flatten().flatten();
    let programs = entries.filter_map(|entry| Some(entry.path().file_stem()?.to_str()?.to_owned()));
    let mut missing: Vec<String> = programs
        .filter(|program| directories(&root.join("tests/cases").join(program)).is_empty())
        .map(|program| format!("tests/cases/{program}/ has no case"))
        .collect();
    for dir in directories(&root.join("tests/cases")) {
        let tool = dir.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if !root.join(format!("src/bin/{tool}.rs")).is_file() {
            missing.push(format!("tests/cases/{tool}/ belongs to no program of src/bin"));
        }
    }
    missing.sort();
    if missing.is_empty() { Ok(()) } else { Err(missing.join("\n")) }
}
