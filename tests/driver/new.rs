//! `new`: what is written for projects of different kinds, and that nothing is overwritten.

use std::path::Path;
use std::process::Command;

use crate::{fails, names, ok, program, read, sh};

fn new(directory: &Path, words: &[&str]) -> Command {
    let mut command = program(directory);
    command.env("DEBFULLNAME", "A Person").env("DEBEMAIL", "a@example.org").env("SOURCE_DATE_EPOCH", "1700000000");
    command.arg("new").args(words);
    command
}

/// A copy of examples/flask without its debian/, as a developer has it.
fn notes() -> tempfile::TempDir {
    let work = tempfile::tempdir().unwrap();
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/flask");
    sh(work.path(), &format!("cp -a '{}/.' . && rm -r debian", example.display()));
    work
}

#[test]
fn a_debian_directory_that_dpkg_and_debhelper_understand() {
    let work = notes();
    std::fs::write(work.path().join("Procfile"), "web: gunicorn notes.web:app --bind 127.0.0.1:$PORT\n").unwrap();
    sh(work.path(), "git init -q . && git remote add origin https://user:token@github.com/a/notes.git");
    let printed = ok(&mut new(work.path(), &[]));
    let debian = work.path().join("debian");
    let expected = [
        "appconfig",
        "changelog",
        "control",
        "copyright",
        "notes-health",
        "notes.1",
        "notes.appconfig",
        "notes.install",
        "notes.manpages",
        "notes.supervisord",
        "notes.venv",
        "rules",
        "source",
    ];
    assert_eq!(names(&debian), expected);
    assert_eq!(printed.lines().count(), expected.len(), "a line for each file: {printed}");
    let text = |name: &str| String::from_utf8(read(debian.join(name))).unwrap();
    assert_eq!(text("notes.venv"), "Format: 1\nRequirements: requirements.txt\nCommands: notes\n");
    let fields = "Vcs-Git: https://github.com/a/notes.git\nVcs-Browser: https://github.com/a/notes\n";
    assert!(text("control").contains(fields), "{}", text("control"));
    let programs = text("notes.supervisord");
    assert!(
        programs.contains("ExecStart=/usr/lib/notes/venv/bin/gunicorn notes.web:app --bind 127.0.0.1:${PORT}\n"),
        "{programs}"
    );
    // The real tools read it: changelog, control, rules, manual page.
    let source = sh(
        work.path(),
        "dpkg-parsechangelog -S Source -S Version && dh_listpackages && debian/rules --dry-run build >/dev/null",
    );
    assert!(source.contains("notes"), "{source}");
    assert_eq!(
        sh(work.path(), "dpkg-parsechangelog -S Version; dpkg-parsechangelog -S Timestamp"),
        "1.0\n1700000000\n"
    );
    assert_eq!(sh(work.path(), "LC_ALL=C.UTF-8 man --warnings -l -Tutf8 -Z debian/notes.1 2>&1 >/dev/null"), "");
    sh(work.path(), "dpkg-source --build . >/dev/null");
}

#[test]
fn nothing_is_overwritten_and_a_dry_run_writes_nothing() {
    let work = notes();
    let shown = ok(&mut new(work.path(), &["--dry-run"]));
    assert!(shown.contains("\t               dh-sequence-venv"), "{shown}");
    let json: serde_json::Value = serde_json::from_str(&ok(&mut new(work.path(), &["--dry-run", "--json"]))).unwrap();
    assert_eq!(json["written"], false);
    let rules = json["files"].as_array().unwrap().iter().find(|file| file["path"] == "debian/rules").unwrap();
    assert_eq!((&rules["mode"], &rules["contents"]), (&"0755".into(), &"#!/usr/bin/make -f\n\n%:\n\tdh $@\n".into()));
    assert!(!work.path().join("debian").exists());
    std::fs::create_dir(work.path().join("debian")).unwrap();
    std::fs::write(work.path().join("debian/rules"), "mine").unwrap();
    let words = fails(&mut new(work.path(), &[]), 1);
    assert!(words.contains("debian/rules is there already"), "{words}");
    assert_eq!(names(&work.path().join("debian")), ["rules"]);
    assert_eq!(read(work.path().join("debian/rules")), b"mine");
}

#[test]
fn requirements_alone_are_enough_and_nothing_is_too_little() {
    let work = tempfile::tempdir().unwrap();
    let words = fails(&mut new(work.path(), &[]), 1);
    assert!(words.contains("there is no pyproject.toml, setup.py, requirements.txt or Pipfile here"), "{words}");
    std::fs::write(work.path().join("requirements.txt"), "flask\n").unwrap();
    ok(&mut new(work.path(), &["--name", "My_App"]));
    let venv = String::from_utf8(read(work.path().join("debian/my-app.venv"))).unwrap();
    assert_eq!(venv, "Format: 1\nProject: none\nRequirements: requirements.txt\n");
}

/// examples/zope without its debian/, as its developers have it.
#[test]
fn an_application_of_zope_becomes_a_client_of_a_zeo_server() {
    let work = tempfile::tempdir().unwrap();
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/zope");
    sh(work.path(), &format!("cp -a '{}/.' . && rm -r debian", example.display()));
    ok(&mut new(work.path(), &[]));
    let text = |name: &str| String::from_utf8(read(work.path().join("debian").join(name))).unwrap();
    assert_eq!(
        text("board.zeoclient"),
        "Format: 1\n\nStorage: main\nServer: 127.0.0.1:8100\n\nApplication: board\nFramework: zope\nZcml: board\n\
         Listen: 127.0.0.1:8080\n\nBootstrap: zope\nAdmin-User: admin\n"
    );
    assert!(text("control").contains("               dh-sequence-zeoclient"), "{}", text("control"));
    assert!(text("control").contains("\nSuggests: zeo-server\n"), "{}", text("control"));
    // The helper itself takes it.
    let helper = Path::new(env!("CARGO_BIN_EXE_deb-build-app")).with_file_name("dh_zeoclient");
    ok(Command::new(helper).args(["--no-act", "-v"]).current_dir(work.path()));
}
