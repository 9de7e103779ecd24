//! What `-v` prints against what the program itself did, as strace saw it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path, PathBuf};

use crate::room::{Room, With, run};

/// System calls that change a file system, and those that tell children from threads.
const CALLS: &str = "trace=open,openat,creat,mkdir,mkdirat,rename,renameat,renameat2,unlink,unlinkat,rmdir,symlink,\
                     symlinkat,link,linkat,chmod,fchmod,fchmodat,utimensat,truncate,ftruncate,clone,clone3";

/// A printed action: the path it is about, whether all below belongs to it, and another path.
#[derive(Debug)]
struct Printed {
    line: String,
    word: String,
    paths: Vec<PathBuf>,
    tree: bool,
}

fn absolute(source: &Path, text: &str) -> PathBuf {
    let mut path = PathBuf::new();
    for part in source.join(text).components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => drop(path.pop()),
            other => path.push(other),
        }
    }
    path
}

/// The actions among the lines; a line of a process is none.
fn printed(source: &Path, stdout: &str) -> Vec<Printed> {
    let mut all = Vec::new();
    for line in stdout.lines().filter_map(|line| line.strip_prefix('\t')) {
        let words: Vec<&str> = line.split(' ').collect();
        let (paths, tree): (Vec<&str>, bool) = match words[..] {
            ["install", _, "-d", path] => (vec![path], false),
            ["write", path, "(mode", ..] | ["append", "to", path, ..] | ["chmod", _, path] => (vec![path], false),
            ["ln", _, _, path] => (vec![path], false),
            ["rm", _, path] | ["touch", _, _, _, path, ..] => (vec![path], true),
            ["mv", from, to] => (vec![from, to], true),
            ["cp", _, _, to] | ["fill", to, ..] => (vec![to], true),
            ["tar", "-x", _, _, "-C", to] => (vec![to], true),
            ["tar", "-c", "-f", file, ..] => (vec![file], false),
            _ => continue,
        };
        let paths = paths.into_iter().map(|path| absolute(source, path)).collect();
        all.push(Printed { line: line.to_owned(), word: words[0].to_owned(), paths, tree });
    }
    all
}

/// Whether an action explains that the program called `call` on `path`.
fn covers(action: &Printed, path: &Path, call: &str) -> bool {
    let temporary = |of: &Path| {
        let (name, of_name) = (path.file_name().unwrap_or_default(), of.file_name().unwrap_or_default());
        let stem = of_name.to_string_lossy().split('.').next().unwrap_or_default().to_owned();
        let name = name.to_string_lossy();
        path.parent() == of.parent() && name.starts_with(&stem) && name.ends_with(".new")
    };
    let removes = call.starts_with("unlink") || call == "rmdir";
    action.paths.iter().any(|of| {
        let makes_parent = of.starts_with(path) && path != of && call.starts_with("mkdir");
        match action.word.as_str() {
            "rm" => removes && path.starts_with(of),
            "touch" => call == "utimensat" && path.starts_with(of),
            "chmod" => call.contains("chmod") && path == of,
            "install" => call.starts_with("mkdir") && of.starts_with(path),
            "mv" => (call.starts_with("rename") && path == of) || makes_parent,
            "ln" => ((call.starts_with("symlink") || removes) && path == of) || makes_parent,
            "cp" => path.starts_with(of) || makes_parent,
            // Byte code: its files, and the directory for them.
            "fill" => {
                let is_directory = path.file_name().is_some_and(|name| name == "__pycache__");
                let is_inside = path.parent().is_some_and(|parent| parent.ends_with("__pycache__"));
                let fits = if is_directory { call.starts_with("mkdir") } else { is_inside && !call.contains("rename") };
                fits && path.starts_with(of)
            }
            "tar" if action.tree => path.starts_with(of) || makes_parent,
            _ => path == of || temporary(of) || makes_parent,
        }
    })
}

/// Paths that the program's own threads changed, each with the calls that did.
fn touched(source: &Path, trace: &str) -> BTreeMap<PathBuf, BTreeSet<String>> {
    // Calls that another thread interrupted stand on two lines.
    let mut pending: BTreeMap<&str, String> = BTreeMap::new();
    let mut calls: Vec<(&str, String)> = Vec::new();
    for line in trace.lines() {
        let Some((pid, rest)) = line.split_once(' ') else { continue };
        let rest = rest.trim_start();
        if let Some(begun) = rest.strip_suffix(" <unfinished ...>") {
            pending.insert(pid, begun.to_owned());
        } else if let Some((_, end)) = rest.strip_prefix("<... ").and_then(|rest| rest.split_once(" resumed>")) {
            calls.push((pid, pending.remove(pid).unwrap_or_default() + end));
        } else {
            calls.push((pid, rest.to_owned()));
        }
    }
    // Our threads are those that our threads made; everything else is a child's.
    let mut own: BTreeSet<String> = calls.first().map(|(pid, _)| (*pid).to_owned()).into_iter().collect();
    loop {
        let made = calls.iter().filter(|(pid, call)| own.contains(*pid) && call.contains("CLONE_THREAD"));
        let made = made.filter_map(|(_, call)| call.rsplit_once(" = ")?.1.split('<').next().map(str::trim));
        let more: Vec<String> = made.filter(|tid| !own.contains(*tid)).map(str::to_owned).collect();
        if more.is_empty() {
            break;
        }
        own.extend(more);
    }
    let mut found: BTreeMap<PathBuf, BTreeSet<String>> = BTreeMap::new();
    for (pid, call) in &calls {
        let Some((name, rest)) = call.split_once('(') else { continue };
        let failed = call.rsplit_once(" = ").is_none_or(|(_, status)| status.starts_with('-'));
        let reads = name.starts_with("open")
            && !["O_WRONLY", "O_RDWR", "O_CREAT", "O_TRUNC"].iter().any(|flag| rest.contains(flag));
        if !own.contains(*pid) || name.starts_with("clone") || failed || reads {
            continue;
        }
        for path in paths(source, name, rest) {
            found.entry(path).or_default().insert(name.to_owned());
        }
    }
    found.retain(|path, _| path.starts_with(source));
    found
}

/// The paths among a call's arguments: `DIRECTORY_FD<path>, "name"` or `"path"`.
fn paths(source: &Path, name: &str, arguments: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut base = source.to_owned();
    let mut rest = arguments.rsplit_once(" = ").map_or(arguments, |(arguments, _)| arguments);
    while let Some(at) = rest.find(['<', '"']) {
        let end = if rest[at..].starts_with('<') { '>' } else { '"' };
        let Some((inside, after)) = rest[at + 1..].split_once(end) else { break };
        if end == '>' {
            base = PathBuf::from(inside);
            if name == "fchmod" || name == "ftruncate" {
                found.push(base.clone());
            }
        } else {
            found.push(absolute(&base, inside));
            source.clone_into(&mut base);
        }
        rest = after;
    }
    // The text of a symbolic link is no path that is touched; link's first is read only.
    if name.starts_with("symlink") || name.starts_with("link") {
        found.drain(..found.len().saturating_sub(1));
    }
    found
}

/// Runs a program under strace with -v and compares.
#[track_caller]
fn compare(room: &Room, program: &str, arguments: &[&str]) {
    let log = room.top().join("trace");
    let mut command = std::process::Command::new("strace");
    command
        .args(["-f", "--seccomp-bpf", "-y", "-qq", "-e", CALLS, "-o"])
        .arg(&log)
        .arg(program)
        .arg("-v")
        .args(arguments);
    room.prepare(&mut command, With::Uv);
    let output = run(&mut command).ok();
    let trace = String::from_utf8_lossy(&std::fs::read(&log).expect("strace's output")).into_owned();
    let actions = printed(room.source(), &output.stdout);
    assert!(!actions.is_empty(), "{}", output.stdout);
    let touched = touched(room.source(), &trace);
    assert!(!touched.is_empty(), "strace saw nothing");
    let unexplained = |left_out: &str| -> Vec<String> {
        let explained = |path: &Path, call: &str| {
            actions.iter().any(|action| action.word != left_out && covers(action, path, call))
        };
        let calls = touched.iter().flat_map(|(path, calls)| calls.iter().map(move |call| (path, call)));
        calls
            .filter(|(path, call)| !explained(path, call))
            .map(|(path, call)| format!("not printed: {call} {}", path.display()))
            .collect()
    };
    let mut faults = unexplained("");
    // The comparison itself: were the writes not printed, it would say so.
    assert!(!unexplained("write").is_empty(), "the comparison overlooks what is not printed");
    for action in actions.iter().filter(|action| action.paths.iter().all(|path| path.starts_with(room.source()))) {
        for path in &action.paths {
            let happened = touched.contains_key(path)
                || (action.tree && touched.keys().any(|other| other.starts_with(path)))
                || (matches!(action.word.as_str(), "rm" | "install") && path.exists() == (action.word == "install"));
            if !happened {
                faults.push(format!("printed, but not done: {}", action.line));
            }
        }
    }
    assert!(faults.is_empty(), "{}\n--- printed\n{}", faults.join("\n"), output.stdout);
}

#[test]
fn everything_done_is_printed_and_everything_printed_is_done() {
    let room = Room::new();
    room.tiny();
    room.project("").venv(
        "Commands: notes\nAfter-Install: touch \"$VIRTUAL_ENV\"/made\nTest: notes\nRequirements: requirements.txt\nProject: .\n",
    );
    // Installed, then from the cache, then without a cache of the user's.
    compare(&room, env!("CARGO_BIN_EXE_dh_venv"), &[]);
    compare(&room, env!("CARGO_BIN_EXE_dh_venv"), &[]);
    compare(&room, env!("CARGO_BIN_EXE_dh_venv_place"), &[]);
    compare(&room, env!("CARGO_BIN_EXE_dh_venv_place"), &[]);
    std::fs::remove_dir_all(room.cache()).expect("the cache");
    std::fs::write(room.cache(), "no directory").expect("write");
    compare(&room, env!("CARGO_BIN_EXE_dh_venv"), &[]);
}

#[test]
fn what_no_act_shows_is_what_is_done() {
    let room = Room::new();
    room.tiny();
    room.dh_venv(&[]).ok();
    let shown = room.place(&["--no-act", "-v"]).ok();
    assert!(!room.source().join("debian/notes").exists());
    assert_eq!(room.place(&["-v"]).ok().stdout, shown.stdout);
}
