//! Each description of the corpus through both backends: supervisor's parser
//! takes the fragment with the same values, systemd-analyze the units, and
//! ShellCheck the snippets.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use deb_build_app::configuration::program::Programs;
use deb_build_app::helper::supervisord::program::Kind;
use deb_build_app::helper::supervisord::{plan, words};
use serde_json::{Value, json};

use super::oracle::{Oracle, VERSIONS, run};
use super::{PACKAGE, corpus, parser, planned};

#[test]
fn fragments_have_the_described_values() {
    for version in VERSIONS {
        let mut oracle = Oracle::new(version);
        for (name, text) in corpus() {
            let (description, outcome) = planned(&name, &text);
            let fragment = &outcome.files[&plan::files(PACKAGE).path];
            let groups = oracle.groups(&[("app.conf", fragment)]).unwrap_or_else(|why| panic!("{name}: {why}"));
            assert_eq!(groups.keys().cloned().collect::<Vec<_>>(), expected_groups(&description), "{name}");
            for described in &description.programs {
                let mut wanted = parser::processes(&described.program);
                for process in &mut wanted {
                    if process["umask"].is_null() {
                        process["umask"] = json!(0o027);
                    }
                }
                for process in wanted {
                    let found = groups.values().flat_map(|group| group["processes"].as_array().unwrap());
                    let found: Vec<&Value> = found.filter(|found| found["name"] == process["name"]).collect();
                    assert_eq!(found, [&process], "{name}");
                }
            }
        }
    }
}

fn expected_groups(description: &deb_build_app::helper::supervisord::description::Description) -> Vec<String> {
    let of = |kind: Kind, name: &str| match kind {
        Kind::Program => PACKAGE.to_owned(),
        // Its socket is a group's of its own.
        Kind::Fcgi | Kind::Listener => format!("{PACKAGE}_{name}"),
    };
    let mut groups: Vec<String> =
        description.programs.iter().map(|described| of(described.program.kind, described.name())).collect();
    groups.sort();
    groups.dedup();
    groups
}

/// `appctl service disable` writes a section of one key behind the package's own.
#[test]
fn a_disabled_program_is_disabled_by_a_section_of_one_key() {
    let text = "[program:web]\ncommand = /bin/web\n[program:worker]\ncommand = /bin/worker\n";
    let (_, outcome) = planned("two", text);
    let files = plan::files(PACKAGE);
    let name = |path: &str| Path::new(path).file_name().unwrap().to_string_lossy().into_owned();
    let (link, disabled) = (name(&files.link), name(&files.disabled_link));
    for version in VERSIONS {
        let section = "[program:app_web]\nautostart = false\n";
        let groups =
            Oracle::new(version).groups(&[(&link, &outcome.files[&files.path]), (&disabled, section)]).unwrap();
        let starts: BTreeMap<&str, bool> = groups[PACKAGE]["processes"]
            .as_array()
            .unwrap()
            .iter()
            .map(|process| (process["name"].as_str().unwrap(), process["autostart"].as_bool().unwrap()))
            .collect();
        assert_eq!(starts, BTreeMap::from([("web", false), ("worker", true)]));
    }
}

/// A root with systemd's own units, and in turn those of each description.
struct Machine {
    root: tempfile::TempDir,
    installed: Vec<PathBuf>,
}

impl Machine {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        let units = root.path().join("usr/lib/systemd/system");
        fs::create_dir_all(&units).unwrap();
        for entry in fs::read_dir("/usr/lib/systemd/system").unwrap().map(Result::unwrap) {
            if entry.file_type().unwrap().is_file() {
                fs::copy(entry.path(), units.join(entry.file_name())).unwrap();
            }
        }
        symlink("usr/lib", root.path().join("lib")).unwrap();
        Self { root, installed: Vec::new() }
    }

    fn put(&mut self, path: &str, contents: &str, mode: u32) {
        let path = self.root.path().join(path.trim_start_matches('/'));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, contents).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        self.installed.push(path);
    }

    /// Installs a description's files instead of the last one's, and something to execute; gives its units.
    fn install(&mut self, name: &str, text: &str) -> BTreeSet<String> {
        for path in self.installed.drain(..) {
            fs::remove_file(path).unwrap();
        }
        let (description, outcome) = planned(name, text);
        for (path, contents) in &outcome.files {
            self.put(path, contents, 0o644);
        }
        let commands = description.programs.iter().map(|described| &described.program.processes[0].command);
        let programs: BTreeSet<String> = commands.map(|command| words::command(command).unwrap().remove(0)).collect();
        for program in programs {
            self.put(&program, "#!/bin/sh\n", 0o755);
        }
        let text = &outcome.files[&format!("/usr/share/appctl/{PACKAGE}/programs.json")];
        let programs: Programs = serde_json::from_str(text).unwrap();
        let units = programs.programs.into_iter().flat_map(|service| {
            let instances = service.instances.into_iter().map(|instance| instance.unit.unwrap());
            service.systemd.unwrap().enable.into_iter().chain(instances)
        });
        units.collect()
    }
}

#[test]
fn systemd_takes_every_unit() {
    let mut machine = Machine::new();
    for (name, text) in corpus() {
        let units = machine.install(&name, &text);
        let option = format!("--root={}", machine.root.path().display());
        let said = run(Command::new("systemd-analyze")
            .args(["verify", "--man=no", "--recursive-errors=no", &option])
            .args(&units)
            .env("SYSTEMD_LOG_LEVEL", "warning"));
        let about_ours = said.lines().find(|line| line.contains(PACKAGE));
        assert_eq!(about_ours, None, "{name}");
    }
}

#[test]
fn every_service_is_confined() {
    let mut machine = Machine::new();
    for (name, text) in corpus() {
        machine.install(&name, &text);
        let is_service = |path: &&PathBuf| path.extension().is_some_and(|extension| extension == "service");
        machine.installed.iter().filter(is_service).for_each(|path| assert_confined(path));
    }
}

#[test]
fn every_service_of_the_golden_cases_is_confined() {
    let mut found = 0;
    for tool in ["dh_supervisord", "dh_zeoclient"] {
        let cases = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases").join(tool);
        for case in fs::read_dir(cases).unwrap().map(|entry| entry.unwrap().path()) {
            for package in fs::read_dir(case.join("out/debian")).into_iter().flatten().map(Result::unwrap) {
                let units = package.path().join("usr/lib/systemd/system");
                for unit in fs::read_dir(units).into_iter().flatten().map(|entry| entry.unwrap().path()) {
                    if unit.extension().is_some_and(|extension| extension == "service") {
                        assert_confined(&unit);
                        found += 1;
                    }
                }
            }
        }
    }
    assert!(found >= 10, "{found} units");
}

/// An exposure of at most 1.5.
#[track_caller]
fn assert_confined(path: &Path) {
    // A template is looked at as one of its instances.
    let file = path.file_name().unwrap().to_string_lossy().replace("@.", "@1.");
    let copy = tempfile::tempdir().unwrap();
    fs::copy(path, copy.path().join(&file)).unwrap();
    let said = run(Command::new("systemd-analyze")
        .args(["security", "--offline=true", "--threshold=15", "--no-pager"])
        .arg(copy.path().join(&file)));
    assert!(said.contains("OK"), "{}: {said}", path.display());
}

#[test]
fn snippets_are_plain_sh_and_short() {
    let directory = tempfile::tempdir().unwrap();
    for (name, text) in corpus() {
        for backend in ["supervisord", "systemd", "auto"] {
            let text = text.replace("backend = auto", &format!("backend = {backend}"));
            if backend == "supervisord" && (text.contains("[systemd") || text.contains("[x-socket")) {
                continue;
            }
            let (_, outcome) = planned(&name, &text);
            let mut scripts: BTreeMap<String, String> = BTreeMap::new();
            for snippet in outcome.snippets {
                let key = format!("{}{}", snippet.script.name(), if snippet.service { ".service" } else { "" });
                scripts.entry(key).or_default().push_str(&snippet.body);
            }
            for (script, body) in scripts {
                let lines = body.lines().count();
                assert!(lines <= 40, "{name} {backend} {script}: {lines} lines");
                fs::write(
                    directory.path().join(format!("{name}-{backend}.{script}")),
                    format!("#!/bin/sh\nset -e\n{body}"),
                )
                .unwrap();
            }
        }
    }
    let files: Vec<PathBuf> = fs::read_dir(directory.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(files.len() > 300);
    for file in &files {
        run(Command::new("dash").arg("-n").arg(file));
    }
    run(Command::new("shellcheck").args(["-s", "sh"]).args(&files));
}
