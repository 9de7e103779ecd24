//! The unit tests and golden cases once more, as an ordinary user: `make check`
//! may run as root, for whom no file is unreadable and no directory closed.

use std::path::PathBuf;

use crate::harness::{Kind, Session, Suite, repository, target_dir};

/// The newest test binary of this name beside our own. The driver's program has
/// the library's name, so a binary counts only if it lists tests.
fn binary(name: &str) -> PathBuf {
    let own = std::env::current_exe().expect("our own path");
    let beside = std::fs::read_dir(own.parent().expect("a directory")).expect("target/debug/deps").flatten();
    let mut binaries: Vec<PathBuf> = beside
        .map(|entry| entry.path())
        .filter(|path| {
            let stem = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            stem.strip_prefix(name).and_then(|rest| rest.strip_prefix('-')).is_some_and(|hash| !hash.contains('.'))
        })
        .collect();
    binaries.sort_by_key(|path| path.metadata().and_then(|data| data.modified()).expect("a time"));
    let lists_tests = |path: &PathBuf| {
        let mut list = std::process::Command::new(path);
        let output = list.args(["--list", "--format", "terse"]).current_dir(repository()).output();
        String::from_utf8_lossy(&output.expect("a program").stdout).contains(": test\n")
    };
    let newest = binaries.into_iter().rev().find(lists_tests);
    newest.unwrap_or_else(|| panic!("there is no {name}: `cargo test --no-run` makes it"))
}

#[test]
fn units_and_golden_cases_pass_for_an_ordinary_user() {
    // Programs of this machine run where its C library is.
    let release = std::fs::read_to_string("/etc/os-release").expect("os-release");
    let is_bookworm = release.lines().any(|line| line == "VERSION_CODENAME=bookworm");
    let suite = if is_bookworm { Suite::Bookworm } else { Suite::Trixie };
    let here = |path: &std::path::Path| path.to_str().expect("UTF-8").to_owned();
    let session = Session::new(suite, Kind::Build)
        .offline()
        .bind(repository(), &here(repository()))
        .bind(target_dir(), &here(target_dir()))
        .as_user("builder");
    session.fails(1, &format!("touch {}/file", here(repository())));
    for name in ["deb_build_app", "golden"] {
        let output = session.in_dir(&here(repository())).ok(&here(&binary(name)));
        assert!(output.stdout.contains(" 0 failed; 0 ignored;"), "{}", output.dump());
    }
}
