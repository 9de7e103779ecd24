//! SIGKILL at every system call of appctl that changes the file system, then the
//! same commands again: always the same tree as without the kill, and nothing
//! half-written to be seen at any time.
//!
//! A run is traced first; each point is then a run of its own, on a copy of the
//! same beginning, that strace(1) kills on entering that call. Every point is
//! logged with its command, system call and ordinal in `target/tmp/appctl-faults.log`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::io::Write;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use crate::machine::{Machine, Tree, notes};

/// System calls that change a file system, or have it on the disk.
const CALLS: &str =
    "openat,mkdirat,unlinkat,renameat,renameat2,symlinkat,linkat,fchown,fchownat,fchmod,fchmodat,write,fsync,ftruncate";

/// Files that a reader may look at at any time.
const VISIBLE: [&str; 3] = ["/etc/notes/notes.ini", "/etc/notes/workers.conf", "/etc/notes/settings.d/60-appctl.conf"];

/// What is compared in the end.
const COMPARED: [&str; 3] = ["/etc", "/var", "/run"];

/// A beginning and the commands that start from it.
struct Scenario {
    name: &'static str,
    begin: Machine,
    commands: Vec<(Vec<&'static str>, &'static str)>,
}

/// Where a run is killed.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Point {
    command: usize,
    call: String,
    ordinal: usize,
    detail: String,
}

impl fmt::Display for Point {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "command {} {} #{} {}", self.command, self.call, self.ordinal, self.detail)
    }
}

const CONFIGURE: [&str; 6] = ["maint", "postinst", "notes", "configure", "", "--answers"];
const CONVERGE: [&str; 3] = ["service", "converge", "notes"];
const ANSWERS: &str = "listen=0.0.0.0:9000\nworkers=4\n";

/// First installation, with an answer from debconf.
fn install() -> Scenario {
    let begin = Machine::with_notes();
    let mut manifest = notes();
    let hash =
        serde_json::json!({"name": "hash", "type": "password-hash", "from": "session_key", "scheme": "yescrypt"});
    manifest["settings"].as_array_mut().unwrap().push(hash);
    begin.install(&manifest);
    begin.template("notes.ini.hbs", "[server]\nlisten = {{listen}}\nkey = {{session_key}}\nhash = {{hash}}\n");
    Scenario { name: "install", begin, commands: vec![(CONFIGURE.to_vec(), ANSWERS), (CONVERGE.to_vec(), "")] }
}

/// A new version: one file changes contents and owner, an edited one is merged,
/// an edited one is kept, one is deleted, others are gone, a link and a directory change.
fn upgrade() -> Scenario {
    let file = |name: &str| {
        serde_json::json!({"path": format!("/etc/notes/{name}"), "template": name, "escape": "none",
            "owner": "root", "group": "root", "mode": "0644"})
    };
    let begin = Machine::with_notes();
    let mut manifest = notes();
    let mut files = manifest["files"].as_array().unwrap().clone();
    files.extend(["kept", "deleted", "gone", "gone-edited"].map(file));
    manifest["files"] = files.clone().into();
    manifest["directories"]
        .as_array_mut()
        .unwrap()
        .push(serde_json::json!({"path": "/var/lib/notes-gone", "owner": "notes", "group": "notes", "mode": "0750"}));
    begin.install(&manifest);
    for name in ["kept", "deleted", "gone", "gone-edited"] {
        begin.template(name, "version = 1\n");
    }
    begin.configure().ok();
    begin.appctl(&CONVERGE).ok();
    begin.write("/etc/notes/kept", "mine\n");
    begin.write("/etc/notes/gone-edited", "mine\n");
    begin.remove("/etc/notes/deleted");
    let merged = begin.read("/etc/notes/workers.conf").replace("# seven", "# mine");
    begin.write("/etc/notes/workers.conf", &merged);
    files.truncate(4);
    files[0]["mode"] = "0600".into();
    files[0]["owner"] = "notes".into();
    let mut manifest = notes();
    manifest["files"] = files.into();
    manifest["links"][0]["target"] = "workers.conf".into();
    manifest["directories"][0]["mode"] = "0700".into();
    manifest["directories"][0]["group"] = "root".into();
    begin.install(&manifest);
    begin.template("notes.ini.hbs", "[server]\n; version 2\nlisten = {{listen}}\nkey = {{session_key}}\n");
    begin.template("workers.conf.hbs", "# one\n# 2\n# three\nworkers={{workers}}\n# five\n# six\n# seven\n");
    for name in ["kept", "deleted"] {
        begin.template(name, "version = 2\n");
    }
    Scenario { name: "upgrade", begin, commands: vec![(CONFIGURE.to_vec(), ANSWERS), (CONVERGE.to_vec(), "")] }
}

fn configured() -> Machine {
    let begin = Machine::with_notes();
    begin.configure().ok();
    begin.appctl(&CONVERGE).ok();
    begin
}

/// `config set` by an administrator.
fn set() -> Scenario {
    let words = vec!["config", "set", "notes", "listen=0.0.0.0:9000", "workers=9"];
    Scenario { name: "set", begin: configured(), commands: vec![(words, "")] }
}

/// A secret of the administrator's.
fn secret() -> Scenario {
    let words = vec!["config", "set", "notes", "session_key", "--stdin"];
    Scenario { name: "secret", begin: configured(), commands: vec![(words, "a-secret-of-my-own\n")] }
}

/// A copy of a machine in a directory of its own.
fn copy(machine: &Machine) -> Machine {
    let copy = Machine::new();
    let status = Command::new("cp").arg("-a").arg(machine.path("/.")).arg(copy.path("/")).status().unwrap();
    assert!(status.success());
    copy
}

struct Explorer<'a> {
    program: &'a Path,
    scenario: &'a Scenario,
    reference: Tree,
    points: Vec<Point>,
    allowed: BTreeMap<&'static str, BTreeSet<String>>,
}

impl<'a> Explorer<'a> {
    /// Run once under strace, to know the points and the end.
    fn new(program: &'a Path, scenario: &'a Scenario) -> Self {
        let machine = copy(&scenario.begin);
        let mut points = Vec::new();
        for (number, (words, input)) in scenario.commands.iter().enumerate() {
            let log = machine.path("/trace");
            let status = strace(program, &machine, words, input, &["-y", "-o", log.to_str().unwrap()]);
            assert_eq!(status, Some(0), "{}: {words:?}", scenario.name);
            points.extend(self::points(number, &std::fs::read_to_string(&log).unwrap()));
            std::fs::remove_file(log).unwrap();
        }
        let mut allowed: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
        let end = normalised(&machine);
        for path in VISIBLE {
            let begin = normalised(&scenario.begin);
            let seen = [&begin, &end].into_iter().filter_map(|tree| Some(tree.get(path)?.0.clone()));
            allowed.insert(path, seen.collect());
        }
        Self { program, scenario, reference: end, points, allowed }
    }

    /// Kill at a point, look, run again, look again. What is wrong, if anything.
    fn visit(&self, point: &Point) -> Result<(), String> {
        let machine = copy(&self.scenario.begin);
        let (words, input) = &self.scenario.commands[point.command];
        for (words, input) in &self.scenario.commands[..point.command] {
            run(self.program, &machine, words, input)?;
        }
        let log = machine.path("/trace");
        let inject = format!("inject={}:signal=KILL:when={}", point.call, point.ordinal);
        let watching = AtomicBool::new(true);
        let (status, seen) = std::thread::scope(|scope| {
            let poller = scope.spawn(|| self.poll(&machine, &watching));
            let status = strace(self.program, &machine, words, input, &["-e", &inject, "-o", log.to_str().unwrap()]);
            watching.store(false, Ordering::Relaxed);
            (status, poller.join().unwrap())
        });
        seen?;
        let trace = std::fs::read_to_string(&log).unwrap();
        let fired = trace.lines().filter(|line| line.starts_with(&format!("{}(", point.call))).count();
        if status.is_some() || fired != point.ordinal || !trace.contains("+++ killed by SIGKILL +++") {
            return Err(format!("the point did not fire: status {status:?}, {fired} calls"));
        }
        std::fs::remove_file(log).unwrap();
        self.look(&machine)?;
        let secrets = secrets(&machine);
        for (words, input) in &self.scenario.commands {
            run(self.program, &machine, words, input)?;
        }
        if secrets.as_ref().is_some_and(|before| lost(before, &self::secrets(&machine).unwrap_or_default())) {
            return Err("a secret changed".to_owned());
        }
        let end = normalised(&machine);
        if end != self.reference {
            return Err(format!("another end: {}", difference(&self.reference, &end)));
        }
        Ok(())
    }

    /// What a reader sees while appctl works.
    fn poll(&self, machine: &Machine, watching: &AtomicBool) -> Result<(), String> {
        while watching.load(Ordering::Relaxed) {
            self.look(machine)?;
        }
        Ok(())
    }

    /// Every visible file is the old one or the new one, never a part of either.
    fn look(&self, machine: &Machine) -> Result<(), String> {
        for (path, allowed) in &self.allowed {
            let Ok(text) = std::fs::read_to_string(machine.path(path)) else { continue };
            let text = format!("file: {}", masked(&text));
            if !allowed.contains(&text) {
                return Err(format!("half of {path} is there: {text:?}"));
            }
        }
        Ok(())
    }

    /// All points, two at a time; what was wrong where.
    fn explore(&self, stop_at_first: bool) -> Vec<String> {
        let next = AtomicUsize::new(0);
        let faults = Mutex::new(Vec::new());
        let log = Mutex::new(log());
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    while let Some(point) = self.points.get(next.fetch_add(1, Ordering::Relaxed)) {
                        let result = self.visit(point);
                        let word = result.as_ref().err().map_or("same end", String::as_str);
                        writeln!(log.lock().unwrap(), "{} {point}: {word}", self.scenario.name).unwrap();
                        if let Err(fault) = result {
                            faults.lock().unwrap().push(format!("{} {point}: {fault}", self.scenario.name));
                            if stop_at_first {
                                next.store(usize::MAX / 2, Ordering::Relaxed);
                            }
                        }
                    }
                });
            }
        });
        faults.into_inner().unwrap()
    }
}

fn log() -> std::fs::File {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("appctl-faults.log");
    std::fs::File::options().create(true).append(true).open(path).unwrap()
}

/// The exit status; `None` where a signal ended it.
fn strace(program: &Path, machine: &Machine, words: &[&str], input: &str, options: &[&str]) -> Option<i32> {
    let mut command = Command::new("strace");
    command.args(["-e", &format!("trace={CALLS}")]).args(options).arg(program);
    command.arg("--root").arg(machine.path("/")).args(words).env_remove("DPKG_ROOT");
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("strace is installed");
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    let status = child.wait().unwrap();
    status.code().filter(|_| status.signal().is_none())
}

fn run(program: &Path, machine: &Machine, words: &[&str], input: &str) -> Result<(), String> {
    let mut command = Command::new(program);
    command.arg("--root").arg(machine.path("/")).args(words);
    let output = crate::machine::output(command, input);
    if output.status == 0 { Ok(()) } else { Err(format!("{words:?}: {output:?}")) }
}

/// The calls of a trace that change something, each with its ordinal among all calls of its name.
fn points(command: usize, trace: &str) -> Vec<Point> {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    let mut points = Vec::new();
    for line in trace.lines() {
        let Some((call, rest)) = line.split_once('(') else { continue };
        let count = counts.entry(call).or_default();
        *count += 1;
        let changes = match call {
            "openat" => rest.contains("O_CREAT"),
            "write" => !rest.starts_with("1<") && !rest.starts_with("2<"),
            _ => true,
        };
        if changes && !line.contains(" = -1 ") {
            let detail = rest.rsplit('/').next().unwrap_or_default().chars().take(40).collect();
            points.push(Point { command, call: call.to_owned(), ordinal: *count, detail });
        }
    }
    points
}

/// Secrets and hashes are random: their places are compared, not their letters.
fn masked(text: &str) -> String {
    let line = |line: &str| match line.split_once(" = ") {
        Some((key @ ("key" | "hash"), value))
            if value.len() == 48 || value.starts_with("$y$j9T$") && value.len() == 73 =>
        {
            format!("{key} = random\n")
        }
        _ => format!("{line}\n"),
    };
    // A file that lacks its last letters is no less half-written for it.
    let end = if text.ends_with('\n') || text.is_empty() { "" } else { "(no end of line)" };
    text.lines().map(line).collect::<String>() + end
}

fn secrets(machine: &Machine) -> Option<BTreeMap<String, String>> {
    let text = std::fs::read_to_string(machine.path("/var/lib/appctl/notes/secrets.json")).ok()?;
    let json: serde_json::Value = serde_json::from_str(&text).ok()?;
    let secrets = json["secrets"].as_object()?;
    Some(secrets.iter().map(|(name, value)| (name.clone(), value.as_str().unwrap_or_default().to_owned())).collect())
}

/// Whether a generated secret is another one now.
fn lost(before: &BTreeMap<String, String>, after: &BTreeMap<String, String>) -> bool {
    before.iter().any(|(name, value)| {
        after.get(name) != Some(value) && after.get(name).map(String::as_str) != Some("a-secret-of-my-own")
    })
}

/// The tree in the end. The state's files hold what is random: of them it is
/// compared which are there, and that nothing is pending.
fn normalised(machine: &Machine) -> Tree {
    let mut tree = machine.tree(&COMPARED);
    for (path, entry) in &mut tree {
        if path.ends_with("/journal") {
            let journal: serde_json::Value =
                serde_json::from_str(entry.0.trim_start_matches("file: ")).unwrap_or_default();
            let keys = |name: &str| journal[name].as_object().map(|all| all.keys().cloned().collect::<Vec<_>>());
            let known = ["files", "directories", "links", "changed"].map(keys);
            entry.0 = format!("{known:?} {:?}", journal.get("pending"));
        } else if path.ends_with("/secrets.json") {
            entry.0 = "secrets".to_owned();
        } else {
            entry.0 = masked(&entry.0).trim_end_matches('\n').to_owned();
            if entry.0.starts_with("file: ") {
                entry.0.push('\n');
            }
        }
    }
    tree
}

fn difference(expected: &Tree, found: &Tree) -> String {
    let paths: BTreeSet<&String> = expected.keys().chain(found.keys()).collect();
    let differing = paths.into_iter().filter(|path| expected.get(*path) != found.get(*path));
    differing.map(|path| format!("\n  {path}: {:?} became {:?}", expected.get(path), found.get(path))).collect()
}

fn always_the_same_end(scenario: &Scenario, least: usize) {
    let explorer = Explorer::new(Path::new(env!("CARGO_BIN_EXE_appctl")), scenario);
    assert!(explorer.points.len() >= least, "{} points", explorer.points.len());
    println!("{}: {} points", scenario.name, explorer.points.len());
    let faults = explorer.explore(false);
    assert!(faults.is_empty(), "{} of {} points:\n{}", faults.len(), explorer.points.len(), faults.join("\n"));
}

#[test]
fn a_killed_installation_ends_as_any_other() {
    always_the_same_end(&install(), 60);
}

#[test]
fn a_killed_upgrade_ends_as_any_other() {
    always_the_same_end(&upgrade(), 60);
}

#[test]
fn a_killed_set_ends_as_any_other() {
    always_the_same_end(&set(), 30);
}

#[test]
fn a_killed_change_of_a_secret_ends_as_any_other() {
    always_the_same_end(&secret(), 20);
}

/// The disk is full at every call that needs room: before the first rename
/// nothing is different then, and nothing is left behind; with room again, the
/// same command ends as any other.
#[test]
fn a_full_disk_leaves_everything_as_it_was() {
    let scenario = set();
    let program = Path::new(env!("CARGO_BIN_EXE_appctl"));
    let explorer = Explorer::new(program, &scenario);
    let staging = explorer.points.iter().take_while(|point| !point.detail.contains("\"60-appctl.conf\""));
    let needs_room = |point: &&Point| ["openat", "write", "mkdirat", "fsync"].contains(&point.call.as_str());
    let points: Vec<&Point> = staging.filter(needs_room).collect();
    assert!(points.len() > 15, "{} points", points.len());
    let (words, input) = &scenario.commands[0];
    let before = scenario.begin.tree(&["/etc"]);
    for point in points {
        let machine = copy(&scenario.begin);
        let inject = format!("inject={}:error=ENOSPC:when={}", point.call, point.ordinal);
        assert_eq!(strace(program, &machine, words, input, &["-e", &inject, "-o", "/dev/null"]), Some(1), "{point}");
        let after = machine.tree(&["/etc"]);
        assert!(after == before, "{point}: {}", difference(&before, &after));
        run(program, &machine, words, input).unwrap();
        let end = normalised(&machine);
        assert!(end == explorer.reference, "{point}: {}", difference(&explorer.reference, &end));
    }
}

/// appctl with a fault of its own: contents written in place, the journal not heeded.
#[test]
fn a_planted_bug_is_found() {
    let program = crate::harness::planted_appctl();
    for scenario in [install(), upgrade(), set()] {
        let explorer = Explorer::new(&program, &scenario);
        assert!(!explorer.explore(true).is_empty(), "{}: nobody noticed", scenario.name);
    }
    let scenario = set();
    let faults = Explorer::new(&program, &scenario).explore(false).join("\n");
    for sign in ["half of /etc/notes/notes.ini is there", "another end"] {
        assert!(faults.contains(sign), "{sign}:\n{faults}");
    }
}
