//! The readers against uv's own export of real lock files (tests/data/lock).

use std::collections::BTreeMap;
use std::str::FromStr;

use pep508_rs::{MarkerEnvironmentBuilder, MarkerTree};
use proptest::prelude::*;

use super::*;

fn environment(python: &str) -> MarkerEnvironment {
    let minor = python.rsplit_once('.').unwrap().0;
    MarkerEnvironment::try_from(MarkerEnvironmentBuilder {
        implementation_name: "cpython",
        implementation_version: python,
        os_name: "posix",
        platform_machine: "x86_64",
        platform_python_implementation: "CPython",
        platform_release: "6.1.0",
        platform_system: "Linux",
        platform_version: "#1 SMP",
        python_full_version: python,
        python_version: minor,
        sys_platform: "linux",
    })
    .unwrap()
}

fn strings(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

fn uv(text: &str, project: &str, extras: &[&str], groups: &[&str], python: &str) -> Result<Vec<Pinned>> {
    uv_lock(text, Path::new("uv.lock"), project, &strings(extras), &strings(groups), &environment(python))
}

fn pep751(text: &str, extras: &[&str], groups: &[&str], python: &str) -> Result<Vec<Pinned>> {
    pylock(text, Path::new("pylock.toml"), &strings(extras), &strings(groups), &environment(python))
}

/// Requirement without hashes and marker → its hashes, as far as the marker holds.
fn exported(text: &str, python: &str) -> BTreeMap<String, Vec<String>> {
    let text = text.replace("\\\n", " ");
    let mut entries = BTreeMap::new();
    for line in text.lines().filter(|line| !line.trim().is_empty() && !line.starts_with('#')) {
        let (entry, hashes) = line.split_once("--hash=").map_or((line, ""), |(entry, rest)| (entry, rest));
        let (entry, marker) = entry.split_once(" ; ").map_or((entry, None), |(entry, marker)| (entry, Some(marker)));
        if marker.is_some_and(|m| !MarkerTree::from_str(m.trim()).unwrap().evaluate(&environment(python), &[])) {
            continue;
        }
        let mut hashes: Vec<String> =
            hashes.split("--hash=").map(|h| h.trim().to_owned()).filter(|h| !h.is_empty()).collect();
        hashes.sort();
        entries.insert(entry.trim().trim_start_matches("-e ").to_owned(), hashes);
    }
    entries
}

fn ours(pinned: &[Pinned]) -> BTreeMap<String, Vec<String>> {
    let text: Vec<String> = pinned.iter().filter_map(Pinned::requirement).collect();
    exported(&text.join("\n"), "3.11.2")
}

const NOTES: &str = include_str!("../../../tests/data/lock/notes.uv.lock");
const WORKSPACE: &str = include_str!("../../../tests/data/lock/ws.uv.lock");
const CONFLICTS: &str = include_str!("../../../tests/data/lock/conflicts.uv.lock");

#[test]
fn uv_export_chooses_the_same_distributions_and_hashes() {
    type Case<'a> = (&'a str, &'a str, &'a [&'a str], &'a [&'a str], &'a str);
    let cases: [Case<'_>; 10] = [
        (NOTES, "notes-app", &[], &[], include_str!("../../../tests/data/lock/notes.plain.txt")),
        (NOTES, "Notes.App", &["pg"], &["dev"], include_str!("../../../tests/data/lock/notes.pg-dev.txt")),
        (
            NOTES,
            "notes_app",
            &["all", "old"],
            &["docs", "lint"],
            include_str!("../../../tests/data/lock/notes.all.txt"),
        ),
        (NOTES, "notes-app", &["async", "new"], &[], include_str!("../../../tests/data/lock/notes.new.txt")),
        (WORKSPACE, "ws-root", &[], &[], include_str!("../../../tests/data/lock/ws.plain.txt")),
        (WORKSPACE, "ws-root", &[], &["dev"], include_str!("../../../tests/data/lock/ws.dev.txt")),
        (CONFLICTS, "conflicts", &[], &[], include_str!("../../../tests/data/lock/conflicts.plain.txt")),
        (CONFLICTS, "conflicts", &["old"], &[], include_str!("../../../tests/data/lock/conflicts.old.txt")),
        (CONFLICTS, "conflicts", &["new"], &[], include_str!("../../../tests/data/lock/conflicts.new.txt")),
        (CONFLICTS, "conflicts", &[], &["legacy"], include_str!("../../../tests/data/lock/conflicts.legacy.txt")),
    ];
    for (lock, project, extras, groups, oracle) in cases {
        for python in ["3.11.2", "3.13.5"] {
            let pinned = uv(lock, project, extras, groups, python).unwrap();
            assert_eq!(ours(&pinned), exported(oracle, python), "{project} {extras:?} {groups:?} {python}");
        }
    }
}

#[test]
fn a_pylock_and_the_uv_lock_it_came_from_agree() {
    let pylock = include_str!("../../../tests/data/lock/notes.pylock.toml");
    for python in ["3.11.2", "3.13.5"] {
        let from_uv = uv(NOTES, "notes-app", &["all", "old"], &["dev"], python).unwrap();
        let from_pylock = pep751(pylock, &[], &[], python).unwrap();
        assert_eq!(ours(&from_pylock), ours(&from_uv));
        assert!(from_pylock.iter().all(|pinned| !pinned.files.is_empty()));
    }
}

#[test]
fn local_projects_and_repositories_are_told_apart() {
    let find = |all: &[Pinned], name: &str| all.iter().find(|pinned| pinned.name == name).unwrap().source.clone();
    let pylock = include_str!("../../../tests/data/lock/ws.pylock.toml");
    let uv = uv(WORKSPACE, "ws-root", &[], &["dev"], "3.11.2").unwrap();
    let pylock = pep751(pylock, &[], &[], "3.11.2").unwrap();
    assert_eq!(ours(&uv), ours(&pylock));
    for all in [&uv, &pylock] {
        let directory =
            |path: &str, editable| Source::Directory { path: path.into(), editable, dependencies_only: false };
        assert_eq!(find(all, "core-lib"), directory("packages/core", true));
        assert_eq!(find(all, "localdep"), directory("vendor/localdep", false));
        assert!(matches!(find(all, "six"), Source::Url { url, .. } if url.ends_with(".whl")));
        assert!(matches!(
            find(all, "gitdep"),
            Source::Git { url, commit, .. } if url == "https://example.invalid/gitdep" && commit.len() == 40
        ));
    }
    assert!(uv.iter().all(|pinned| pinned.name != "ws-root"));
}

#[test]
fn exactly_one_version_for_each_python() {
    let numpy = |python| {
        let all = uv(WORKSPACE, "ws-root", &[], &[], python).unwrap();
        all.iter().find(|pinned| pinned.name == "numpy").unwrap().version.clone().unwrap()
    };
    assert!(numpy("3.11.2").starts_with("1.") && numpy("3.13.5").starts_with("2."));
}

/// The only fault: `file:line: message`, and its hint.
fn fault(result: Result<Vec<Pinned>>) -> (String, String) {
    let error = result.unwrap_err();
    let [one] = error.diagnostics() else { panic!("{error:?}") };
    (one.to_string(), one.hint.clone().unwrap_or_default())
}

#[test]
fn names_that_do_not_exist_are_pointed_at() {
    let line = NOTES.lines().position(|line| line == "name = \"notes-app\"").unwrap();
    let (message, hint) = fault(uv(NOTES, "notes-app", &["pgg"], &[], "3.11.2"));
    assert_eq!(message, format!("uv.lock:{line}: 'notes-app' has no extra 'pgg'"));
    assert_eq!(hint, "did you mean 'pg'?");
    let (message, hint) = fault(uv(NOTES, "notes-app", &[], &["production"], "3.11.2"));
    assert!(message.ends_with("'notes-app' has no group 'production'"), "{message}");
    assert_eq!(hint, "it has: dev, docs, lint");
    let (message, hint) = fault(uv(NOTES, "note-app", &[], &[], "3.11.2"));
    assert_eq!(message, "uv.lock:1: the lock has no project 'note-app'");
    assert_eq!(hint, "did you mean 'notes-app'?");
}

#[test]
fn what_excludes_each_other_is_refused() {
    let (message, _) = fault(uv(NOTES, "notes-app", &["old", "new"], &[], "3.11.2"));
    assert_eq!(message, "uv.lock:4: extra 'new' and extra 'old' exclude each other");
}

#[test]
fn another_python_is_named_with_the_range() {
    let (message, hint) = fault(uv(NOTES, "notes-app", &[], &[], "3.9.2"));
    assert_eq!(message, "uv.lock:3: the lock is for Python >=3.11, and the venv's Python is 3.9.2");
    assert!(hint.contains("'Python'"));
    let (message, _) = fault(pep751("lock-version = \"1.0\"\nrequires-python = \">=3.12\"\n", &[], &[], "3.11.2"));
    assert_eq!(message, "pylock.toml:2: the lock is for Python >=3.12, and the venv's Python is 3.11.2");
}

#[test]
fn other_formats_are_refused() {
    assert_eq!(fault(uv("version = 2\n", "a", &[], &[], "3.11.2")).0, "uv.lock:1: uv lock version 2 is unknown");
    assert!(fault(uv("x = 1\n", "a", &[], &[], "3.11.2")).0.contains("this is not a uv.lock"));
    assert!(fault(uv("x = \n", "a", &[], &[], "3.11.2")).0.starts_with("uv.lock:1: not TOML"));
    let (message, _) = fault(pep751("# x\nlock-version = \"2.0\"\n", &[], &[], "3.11.2"));
    assert_eq!(message, "pylock.toml:2: pylock version 2.0 is unknown");
    assert!(fault(pep751("[x]\n", &[], &[], "3.11.2")).0.contains("not a pylock.toml"));
}

const SMALL: &str = r#"version = 1
requires-python = ">=3.11"

[[package]]
name = "app"
version = "1"
source = { virtual = "." }
dependencies = [{ name = "dep", marker = "MARKER" }, { name = "other" }]

[[package]]
name = "dep"
version = "2"
source = { registry = "https://example.invalid/simple" }
wheels = [
    { url = "https://example.invalid/dep-2-py3-none-any.whl" },
]
"#;

#[test]
fn a_file_without_hash_and_a_missing_package_are_separate_faults() {
    let error = uv(SMALL, "app", &[], &[], "3.11.2").unwrap_err();
    let [marker, missing] = error.diagnostics() else { panic!("{error:?}") };
    assert!(marker.to_string().starts_with("uv.lock:8: cannot read the marker \"MARKER\""), "{marker}");
    assert_eq!(missing.to_string(), "uv.lock:8: the lock has no package 'other'");
    let text = SMALL.replace("MARKER", "os_name == 'posix'");
    assert_eq!(fault(uv(&text, "app", &[], &[], "3.11.2")).0, "uv.lock:8: the lock has no package 'other'");
    let text = text.replace(", { name = \"other\" }", "");
    let (message, _) = fault(uv(&text, "app", &[], &[], "3.11.2"));
    assert_eq!(message, "uv.lock:15: 'dep-2-py3-none-any.whl' of 'dep' has no hash");
    let weak = text.replace(".whl\" }", ".whl\", hash = \"md5:00\" }");
    assert!(fault(uv(&weak, "app", &[], &[], "3.11.2")).0.contains("only the weak hash 'md5:00'"));
    let windows = text.replace("posix", "nt");
    assert_eq!(uv(&windows, "app", &[], &[], "3.11.2").unwrap(), []);
    let ignored = text.replace("os_name == 'posix'", "os_name ~= 'posix'");
    assert!(fault(uv(&ignored, "app", &[], &[], "3.11.2")).0.contains("cannot read the marker"));
}

/// With hashes of their full length.
fn sets() -> String {
    SETS.replace("AB", &"AB".repeat(64)).replace("cd", &"cd".repeat(32))
}

const SETS: &str = r#"lock-version = "1.0"
extras = ["fast", "Slow"]
dependency-groups = ["dev", "base"]
default-groups = ["base"]
environments = ["sys_platform == 'linux'"]

[[packages]]
name = "a"
version = "1"
marker = "'slow' in extras or 'dev' in dependency_groups"
sdist = { name = "a-1.tar.gz", url = "https://example.invalid/x", hashes = { sha512 = "AB" } }

[[packages]]
name = "b"
version = "2"
marker = "'slow' not in extras and 'base' in dependency_groups"
archive = { path = "b.zip", hashes = { sha256 = "cd", md5 = "00" } }
"#;

#[test]
fn extras_and_groups_of_pep_751_choose_packages() {
    let names = |extras: &[&str], groups: &[&str]| -> Vec<String> {
        pep751(&sets(), extras, groups, "3.11.2").unwrap().into_iter().map(|pinned| pinned.name).collect()
    };
    assert_eq!(names(&[], &[]), ["b"]);
    assert_eq!(names(&["slow"], &[]), ["a"]);
    assert_eq!(names(&["FAST"], &["dev"]), ["a", "b"]);
    let all = pep751(&sets(), &[], &["dev"], "3.11.2").unwrap();
    assert_eq!(
        (all[0].hashes[0].as_str(), all[0].files[0].name.as_str()),
        (format!("sha512:{}", "ab".repeat(64)).as_str(), "a-1.tar.gz")
    );
    assert_eq!(
        (all[1].hashes.as_slice(), &all[1].source),
        (&[format!("sha256:{}", "cd".repeat(32))][..], &Source::Path("b.zip".into()))
    );
    let (message, hint) = fault(pep751(&sets(), &["fats"], &[], "3.11.2"));
    assert_eq!(
        (message.as_str(), hint.as_str()),
        ("pylock.toml:2: the lock has no extra 'fats'", "did you mean 'fast'?")
    );
    let other = sets().replace("linux", "darwin");
    assert!(fault(pep751(&other, &[], &[], "3.11.2")).0.starts_with("pylock.toml:5: the lock was made for other"));
    let twice = sets().replace("\"b\"", "\"A\"");
    let (message, _) = fault(pep751(&twice, &[], &["dev"], "3.11.2"));
    assert_eq!(message, "pylock.toml:13: 'a' stands here as 2 and in line 7 as 1, and this environment would get both");
}

#[test]
fn requirement_lines_name_subdirectories() {
    let text = r#"lock-version = "1.0"
packages = [
  { name = "g", vcs = { type = "git", url = "https://example.invalid/r.git", commit-id = "abc", subdirectory = "lib" } },
  { name = "d", directory = { path = "../x", subdirectory = "y" } },
]
"#;
    let all = pep751(text, &[], &[], "3.11.2").unwrap();
    let lines: Vec<_> = all.iter().map(|pinned| pinned.requirement().unwrap()).collect();
    assert_eq!(lines, ["./../x/y", "g @ git+https://example.invalid/r.git@abc#subdirectory=lib"]);
    assert!(fault(pep751(&text.replace("\"git\"", "\"hg\""), &[], &[], "3.11.2")).0.contains("comes from 'hg'"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    /// Whatever is cut out of a lock, the readers answer and do not panic.
    #[test]
    fn damaged_locks_never_panic(from in 0usize..1400, length in 0usize..300) {
        for text in [SMALL, SETS] {
            let cut: String = text.chars().take(from).chain(text.chars().skip(from + length)).collect();
            let _ = uv(&cut, "app", &[], &[], "3.11.2");
            let _ = pep751(&cut, &["fast"], &[], "3.11.2");
        }
    }
}

#[test]
fn what_would_be_more_than_one_line_for_pip_is_refused() {
    let lock = |version: &str, hash: &str| {
        format!(
            "lock-version = \"1.0\"\ncreated-by = \"x\"\n[[packages]]\nname = \"a\"\nversion = \"{version}\"\n\
             [[packages.wheels]]\nname = \"a-1-py3-none-any.whl\"\nhashes = {{ sha256 = \"{hash}\" }}\n"
        )
    };
    let good = "0".repeat(64);
    let read = |version: &str, hash: &str| pep751(&lock(version, hash), &[], &[], "3.11.2");
    assert_eq!(
        read("1+x-2", &good).unwrap()[0].requirement().unwrap(),
        format!("a==1+x-2 \\\n    --hash=sha256:{good}")
    );
    for (version, hash) in [("1\\n--index-url=https://x/", good.as_str()), ("1", ""), ("1", "0\\n-e .")] {
        assert!(read(version, hash).is_err(), "{version} {hash}");
    }
}
