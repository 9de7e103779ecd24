//! tests/ACCEPTANCE.md against the sources: each test that it names exists.
//!
//! Whether the tests were also run is for `tools/acceptance` to say, at the end
//! of `make check`.
#![allow(clippy::disallowed_methods, reason = "a test reads the sources")]
#![allow(clippy::expect_used, reason = "a test fails by panicking")]

use std::path::{Path, PathBuf};

/// The rows of the map: what is promised, and the names in backticks.
fn rows(map: &str) -> Vec<(String, Vec<String>)> {
    let cells = map.lines().filter(|line| line.starts_with('|')).map(|line| line.split('|').collect::<Vec<_>>());
    cells
        .filter(|cells| cells.len() >= 4 && !cells[1].starts_with("---") && cells[1].trim() != "promised")
        .map(|cells| {
            let names = cells[2].split('`').skip(1).step_by(2).map(str::to_owned).collect();
            (cells[1].trim().to_owned(), names)
        })
        .collect()
}

fn sources(path: &Path, found: &mut Vec<PathBuf>) {
    if path.is_dir() {
        for entry in path.read_dir().expect("readable sources").flatten() {
            sources(&entry.path(), found);
        }
    } else if path.extension().is_some_and(|extension| extension == "rs") {
        found.push(path.to_owned());
    }
}

/// Whether the sources of a test binary have this test, or, where the name ends
/// with `*`, one that starts so.
fn exists(root: &Path, name: &str) -> bool {
    let Some((binary, test)) = name.split_once(' ') else { return false };
    if binary == "golden" && has_case(root, test) {
        return true;
    }
    let mut files = Vec::new();
    match binary {
        "lib" | "doc" => sources(&root.join("src"), &mut files),
        _ => {
            sources(&root.join(format!("src/bin/{binary}.rs")), &mut files);
            sources(&root.join(format!("tests/{binary}.rs")), &mut files);
            sources(&root.join("tests").join(binary), &mut files);
        }
    }
    let texts: Vec<String> = files.iter().filter_map(|file| std::fs::read_to_string(file).ok()).collect();
    let anywhere = |text: String| texts.iter().any(|source| source.contains(&text));
    let path = test.trim_end_matches('*').replace('/', "::");
    let module = |name: &str| {
        let file = format!("{name}.rs");
        anywhere(format!("mod {name}")) || files.iter().any(|path| path.ends_with(&file))
    };
    match path.rsplit_once("::") {
        // Modules made by a macro, such as `bookworm`, stand nowhere as files.
        Some((modules, "")) if test.ends_with('*') => {
            modules.split("::").all(module) || anywhere(format!("\"{modules}/"))
        }
        Some((_, last)) if test.ends_with('*') => anywhere(format!("fn {last}")),
        None if test.ends_with('*') => anywhere(format!("fn {path}")),
        Some((_, last)) => anywhere(format!("fn {last}(")),
        None => anywhere(format!("fn {path}(")),
    }
}

fn has_case(root: &Path, test: &str) -> bool {
    let (tool, case) = test.split_once('/').unwrap_or((test, ""));
    let dir = root.join("tests/cases").join(tool);
    match case.strip_suffix('*') {
        Some(prefix) => dir
            .read_dir()
            .into_iter()
            .flatten()
            .flatten()
            .any(|entry| entry.file_name().to_string_lossy().starts_with(prefix)),
        None => !case.is_empty() && dir.join(case).is_dir(),
    }
}

#[test]
fn each_named_test_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let map = std::fs::read_to_string(root.join("tests/ACCEPTANCE.md")).expect("tests/ACCEPTANCE.md");
    let rows = rows(&map);
    assert!(!rows.is_empty(), "the map has no rows");
    let mut faults = Vec::new();
    for (promise, names) in &rows {
        if names.is_empty() {
            faults.push(format!("no test for: {promise}"));
        }
        let missing = names.iter().filter(|name| !exists(root, name));
        faults.extend(missing.map(|name| format!("no such test: `{name}` for: {promise}")));
    }
    assert!(faults.is_empty(), "tests/ACCEPTANCE.md:\n{}", faults.join("\n"));
}

#[test]
fn a_renamed_test_is_noticed() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    assert!(exists(root, "acceptance a_renamed_test_is_noticed"));
    for name in ["acceptance a_renamed_test", "acceptance other::*", "golden dh_venv/99-none", "nothing", "lib none::*"]
    {
        assert!(!exists(root, name), "{name}");
    }
    assert_eq!(
        rows("| promised | tests |\n|---|---|\n| x | `a b`, `c d` |"),
        [("x".to_owned(), vec!["a b".to_owned(), "c d".to_owned()])]
    );
}

/// What tools/acceptance says of a map with one row, of the test `lib a::b`.
fn judged(log: &str) -> (bool, String) {
    let dir = tempfile::tempdir().expect("a directory");
    let (map, file) = (dir.path().join("map"), dir.path().join("log"));
    std::fs::write(&map, "| promised | tests |\n|---|---|\n| it | `lib a::b` |\n").expect("written");
    std::fs::write(&file, format!("     Running unittests src/lib.rs (x)\n\nrunning 2 tests\n{log}")).expect("written");
    let tool = Path::new(env!("CARGO_MANIFEST_DIR")).join("tools/acceptance");
    let output = std::process::Command::new(tool).args([&map, &file]).output().expect("it runs");
    (output.status.success(), String::from_utf8_lossy(&output.stdout).into_owned())
}

#[test]
fn a_verdict_that_was_cut_off_is_taken_from_the_whole() {
    const WHOLE: &str = "\ntest result: ok. 2 passed; 0 failed; 0 ignored; 0 measured\n";
    const FAILED: &str = "\ntest result: FAILED. 1 passed; 1 failed; 0 ignored; 0 measured\n";
    const IGNORED: &str = "\ntest result: ok. 1 passed; 0 failed; 1 ignored; 0 measured\n";
    for (log, shown) in [
        (format!("test a::b ... ok\ntest a::c ... ok\n{WHOLE}"), true),
        (format!("noise test a::b ... ok\ntest a::c ... ok\n{WHOLE}"), true),
        (format!("test a::b - should panic ... ok\n{WHOLE}"), true),
        (format!("test a::b ... noise\nok\ntest a::c ... ok\n{WHOLE}"), true),
        (format!("test a::b ... noise\nok\ntest a::c ... FAILED\n{FAILED}"), false),
        (format!("test a::b ... noise\nignored\ntest a::c ... ok\n{IGNORED}"), false),
        (format!("test a::b ... ignored, slow\n{IGNORED}"), false),
        (format!("test a::b ... FAILED\n{FAILED}"), false),
        (format!("test a::c ... ok\n{WHOLE}"), false),
        // A binary that ended before it said anything of the whole.
        ("test a::b ... noise\n".to_owned(), false),
    ] {
        let (success, text) = judged(&log);
        assert_eq!(success, shown, "{log}\n{text}");
        assert_eq!(text.contains("not shown: it: "), !shown, "{text}");
    }
}

#[test]
fn a_name_that_no_test_has_is_noticed_before_the_tests() {
    let dir = tempfile::tempdir().expect("a directory");
    let (map, file) = (dir.path().join("map"), dir.path().join("list"));
    std::fs::write(&file, "     Running unittests src/lib.rs (x)\na::trixie::b: test\n\n1 test, 0 benchmarks\n")
        .expect("written");
    let tool = Path::new(env!("CARGO_MANIFEST_DIR")).join("tools/acceptance");
    for (name, known) in
        [("lib a::trixie::b", true), ("lib a::*", true), ("lib a::b*", false), ("lib a::trixie", false)]
    {
        std::fs::write(&map, format!("| promised | tests |\n|---|---|\n| it | `{name}` |\n")).expect("written");
        let output = std::process::Command::new(&tool).arg("--listed").args([&map, &file]).output().expect("it runs");
        let text = String::from_utf8_lossy(&output.stdout);
        assert_eq!(output.status.success(), known, "{name}\n{text}");
        assert_eq!(text.contains(&format!("not run: [{name}]")), !known, "{text}");
    }
}
