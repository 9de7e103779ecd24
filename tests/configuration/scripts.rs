//! The generated maintainer scripts, as the golden cases have them.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::{root, run};

/// Every script of every case, put together as dh_installdeb does: the
/// snippets, then, in postinst, the part of services.
fn scripts() -> Vec<(String, String)> {
    let cases = root().join("tests/cases/dh_appconfig");
    let mut all = Vec::new();
    for case in entries(&cases) {
        let debian = case.join("out/debian");
        if !debian.is_dir() {
            continue;
        }
        for file in entries(&debian) {
            let name = file.file_name().unwrap().to_str().unwrap();
            let Some((package, script)) = name.strip_suffix(".debhelper").and_then(|rest| rest.rsplit_once('.')) else {
                continue;
            };
            let service = debian.join(".debhelper/generated").join(package).join(format!("{script}.service"));
            let text = format!(
                "#!/bin/sh\nset -e\n{}{}",
                read(&file),
                if service.exists() { read(&service) } else { String::new() }
            );
            all.push((format!("{}/{package}.{script}", case.file_name().unwrap().to_str().unwrap()), text));
            let config = debian.join(package).join("DEBIAN/config");
            if script == "postinst" && config.exists() {
                all.push((format!("{}/{package}.config", case.file_name().unwrap().to_str().unwrap()), read(&config)));
            }
        }
    }
    all
}

fn entries(directory: &Path) -> Vec<PathBuf> {
    let mut all: Vec<PathBuf> = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    all.sort();
    all
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap()
}

#[test]
fn every_script_passes_shellcheck_and_dash() {
    let directory = tempfile::tempdir().unwrap();
    let scripts = scripts();
    for kind in [".config", ".postinst", ".prerm", ".postrm"] {
        assert!(scripts.iter().filter(|(name, _)| name.ends_with(kind)).count() >= 3, "{kind}");
    }
    let mut files = Vec::new();
    for (name, text) in &scripts {
        let path = directory.path().join(name.replace('/', "-"));
        std::fs::write(&path, text).unwrap();
        run(Command::new("dash").arg("-n").arg(&path));
        files.push(path);
    }
    // The packager's own config script is not ours to check.
    files.retain(|path| !path.to_string_lossy().contains("packagers-own"));
    run(Command::new("shellcheck").args(["-s", "sh"]).args(&files));
}

#[test]
fn the_scripts_of_the_example_are_short() {
    let example: Vec<_> = scripts().into_iter().filter(|(name, _)| name.starts_with("01-example/")).collect();
    assert_eq!(example.len(), 4);
    for (name, text) in example {
        let lines = text.lines().count();
        assert!(lines <= 40, "{name} has {lines} lines:\n{text}");
    }
}
