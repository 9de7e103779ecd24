//! The real programs: in a copy of a golden case's directory with one file changed, or
//! with changed arguments.
//!
//! Where the tests run as root, the programs run as nobody: what they would do to the
//! machine by mistake is not for a test to try.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use crate::corpus::root;
use crate::engine::{Failure, deadline, kept, minimised, runs, seed};
use crate::mutate::{LARGEST, Random, mutated};
use crate::parsers::steers;

/// Runs of each program in `make check`.
const RUNS: usize = 150;

/// How long a program may run; the machine may be busy with other things.
const PATIENCE: Duration = Duration::from_secs(30);

/// Who runs the programs where root runs the tests.
const NOBODY: u32 = 65534;

fn is_root() -> bool {
    nix::unistd::geteuid().is_root()
}

/// A file of a case.
#[derive(Clone)]
enum Content {
    File { bytes: Vec<u8>, mode: u32 },
    Link(PathBuf),
}

/// A case: what the program is given.
#[derive(Clone)]
struct Case {
    name: String,
    arguments: Vec<String>,
    environment: Vec<(String, String)>,
    /// What is on standard input.
    input: Vec<u8>,
    files: Vec<(PathBuf, Content)>,
}

fn tree(top: &Path) -> Vec<(PathBuf, Content)> {
    let mut found = Vec::new();
    let mut pending = vec![top.to_owned()];
    while let Some(directory) = pending.pop() {
        for entry in fs::read_dir(&directory).into_iter().flatten().flatten() {
            let path = entry.path();
            let name = path.strip_prefix(top).expect("it is below").to_owned();
            let kind = entry.file_type().expect("a kind");
            if kind.is_dir() {
                pending.push(path);
            } else if kind.is_symlink() {
                found.push((name, Content::Link(fs::read_link(path).expect("a link"))));
            } else if kind.is_file() {
                let mode = entry.metadata().expect("facts").mode() & 0o777;
                found.push((name, Content::File { bytes: fs::read(path).unwrap_or_default(), mode }));
            }
        }
    }
    found.sort_by(|a, b| a.0.cmp(&b.0));
    found
}

fn cases(tool: &str) -> Vec<Case> {
    let directory = root().join("tests/cases").join(tool);
    let mut names: Vec<PathBuf> = fs::read_dir(directory).expect("cases").flatten().map(|entry| entry.path()).collect();
    names.sort();
    let case = |path: PathBuf| {
        let lines = |part: &str| fs::read_to_string(path.join(part)).unwrap_or_default();
        let pair = |line: &str| line.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned()));
        Case {
            name: path.file_name().unwrap_or_default().to_string_lossy().into_owned(),
            arguments: lines("args").lines().map(str::to_owned).collect(),
            environment: lines("env").lines().filter_map(pair).collect(),
            input: Vec::new(),
            files: tree(&path.join("in")),
        }
    };
    names.into_iter().map(case).collect()
}

/// A place to run in. Around the working directory lies nothing but what is listed.
struct Room {
    top: tempfile::TempDir,
    program: PathBuf,
}

struct Ended {
    status: Option<i32>,
    said: String,
    printed: String,
}

impl Room {
    fn new(tool: &str) -> Self {
        let built = Path::new(match tool {
            "appctl" => env!("CARGO_BIN_EXE_appctl"),
            "deb-build-app" => env!("CARGO_BIN_EXE_deb-build-app"),
            "dh_appconfig" => env!("CARGO_BIN_EXE_dh_appconfig"),
            "dh_supervisord" => env!("CARGO_BIN_EXE_dh_supervisord"),
            "dh_venv" => env!("CARGO_BIN_EXE_dh_venv"),
            "dh_venv_place" => env!("CARGO_BIN_EXE_dh_venv_place"),
            _ => env!("CARGO_BIN_EXE_dh_zeoclient"),
        });
        let top = tempfile::Builder::new().prefix("fuzz-").tempdir().expect("a directory");
        // Nobody may not get where the programs were built.
        let program = top.path().join(tool);
        fs::hard_link(built, &program).or_else(|_| fs::copy(built, &program).map(drop)).expect("the program");
        let room = Self { top, program };
        fs::create_dir_all(room.cache()).expect("a directory");
        fs::create_dir_all(room.work()).expect("a directory");
        let mut path = room.work();
        while path.starts_with(room.top.path()) {
            room.own(&path);
            path.pop();
        }
        room.own(&room.cache());
        room
    }

    /// Deep enough for a few `../` to stay within.
    fn work(&self) -> PathBuf {
        self.top.path().join("a/b/c/d/e/work")
    }

    fn cache(&self) -> PathBuf {
        self.top.path().join("cache")
    }

    fn own(&self, path: &Path) {
        if is_root() {
            chown(path, Some(NOBODY), Some(NOBODY)).expect("an owner");
        }
    }

    fn fill(&self, case: &Case) {
        let work = self.work();
        fs::remove_dir_all(&work).expect("the last run's files go");
        fs::create_dir(&work).expect("a directory");
        self.own(&work);
        for (name, content) in &case.files {
            let path = work.join(name);
            let mut missing = Vec::new();
            let mut above = path.parent();
            while let Some(directory) = above.filter(|directory| !directory.exists()) {
                missing.push(directory.to_owned());
                above = directory.parent();
            }
            for directory in missing.iter().rev() {
                fs::create_dir(directory).expect("a directory");
                self.own(directory);
            }
            match content {
                Content::Link(target) => symlink(target, &path).expect("a link"),
                Content::File { bytes, mode } => {
                    fs::write(&path, bytes).expect("a file");
                    fs::set_permissions(&path, fs::Permissions::from_mode(*mode)).expect("a mode");
                    self.own(&path);
                }
            }
        }
    }

    /// What lies around the working directory.
    fn around(&self) -> BTreeSet<PathBuf> {
        let mut found = BTreeSet::new();
        let mut pending = vec![self.top.path().to_owned()];
        while let Some(directory) = pending.pop() {
            for entry in fs::read_dir(&directory).into_iter().flatten().flatten() {
                let path = entry.path();
                if entry.file_type().is_ok_and(|kind| kind.is_dir()) && path != self.work() && path != self.cache() {
                    pending.push(path.clone());
                }
                found.insert(path);
            }
        }
        found
    }

    fn run(&self, case: &Case) -> Result<Ended, String> {
        let output = |name: &str| self.top.path().join(name);
        let file = |name: &str| fs::File::create(output(name)).expect("a file");
        let fill = |text: &String| text.replace("@DIR@", &self.work().to_string_lossy());
        fs::write(self.top.path().join("stdin"), &case.input).expect("a file");
        let mut command = Command::new(&self.program);
        command
            .args(case.arguments.iter().map(fill))
            .current_dir(self.work())
            .stdin(fs::File::open(self.top.path().join("stdin")).expect("a file"))
            .stdout(file("stdout"))
            .stderr(file("stderr"))
            .env_clear()
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
            .env("HOME", "/nonexistent")
            .env("LC_ALL", "C.UTF-8")
            .env("SOURCE_DATE_EPOCH", "1700000000")
            .env("XDG_CACHE_HOME", self.cache())
            .process_group(0);
        command.envs(case.environment.iter().map(|(name, value)| (name, fill(value))));
        if is_root() {
            command.uid(NOBODY).gid(NOBODY);
        }
        let mut child = command.spawn().map_err(|error| format!("it does not start: {error}"))?;
        let began = Instant::now();
        let status = loop {
            if let Some(status) = child.try_wait().map_err(|error| error.to_string())? {
                break status;
            }
            if began.elapsed() > PATIENCE {
                let group = nix::unistd::Pid::from_raw(-i32::try_from(child.id()).unwrap_or_default());
                let _ = nix::sys::signal::kill(group, nix::sys::signal::Signal::SIGKILL);
                let _ = child.wait();
                return Err("it does not end".to_owned());
            }
            std::thread::sleep(Duration::from_millis(2));
        };
        let text = |name: &str| String::from_utf8_lossy(&fs::read(output(name)).unwrap_or_default()).into_owned();
        if let Some(signal) = status.signal() {
            return Err(format!("signal {signal} ends it: {}", text("stderr")));
        }
        Ok(Ended { status: status.code(), said: text("stderr"), printed: text("stdout") })
    }

    /// Runs the program on a case, and holds what it did against the rules.
    fn check(&self, case: &Case) -> Result<(), String> {
        self.fill(case);
        let before = self.around();
        let ended = self.run(case)?;
        let mut after = self.around();
        for name in ["stdin", "stdout", "stderr"] {
            after.remove(&self.top.path().join(name));
        }
        if let Some(path) = after.difference(&before).find(|path| !before.contains(*path)) {
            return Err(format!("it writes outside: {}", path.display()));
        }
        let Ended { status, said, printed } = ended;
        if !matches!(status, Some(0..=3 | 75)) {
            return Err(format!("exit status {status:?}: {said}"));
        }
        if said.contains("panicked") {
            return Err(format!("it panics: {said}"));
        }
        if let Some(c) = said.chars().find(|c| steers(*c)) {
            return Err(format!("raw control characters in what it says: {c:?} in {said:?}"));
        }
        if let Some(c) = printed.chars().find(|c| steers(*c)) {
            return Err(format!("raw control characters in what it prints: {c:?} in {printed:?}"));
        }
        let names = case.files.iter().filter_map(|(path, _)| path.file_name()).filter_map(|name| name.to_str());
        let words = ["--", "debian/", "hint:", "Usage:"].into_iter().chain(names);
        // 3 is an answer: something differs, or does not run.
        if !matches!(status, Some(0 | 3))
            && !words.clone().any(|word| said.contains(word))
            && !case.arguments.contains(&"--json".to_owned())
        {
            return Err(format!("a failure that names neither file nor option: {said:?}"));
        }
        if said.len() > 200 * LARGEST {
            return Err(format!("it says {} bytes", said.len()));
        }
        Ok(())
    }
}

/// What one run changes: a file of the case, its arguments, or what it is told.
enum Part {
    File(usize),
    Arguments,
    Input,
}

impl Case {
    /// The case with `input` in place of a part.
    fn with(&self, part: &Part, input: &[u8], first: &[&str]) -> Self {
        let mut case = self.clone();
        match part {
            Part::File(at) => {
                if let Content::File { bytes, .. } = &mut case.files[*at].1 {
                    input.clone_into(bytes);
                }
            }
            Part::Input => input.clone_into(&mut case.input),
            Part::Arguments => {
                let text = String::from_utf8_lossy(input).replace('\0', "");
                // A command line has its limits (execve(2)).
                let short = |word: &str| word.chars().take(20_000).collect();
                case.arguments = text.split('\n').filter(|word| !word.is_empty()).take(500).map(short).collect();
            }
        }
        case.arguments.splice(0..0, first.iter().map(|word| (*word).to_owned()));
        case
    }
}

/// Whether a changed command line is tried: not where it would build, ask the network or wait for long.
fn is_tried(tool: &str, case: &Case) -> bool {
    let long = ["build", "check", "lock", "vendor", "env", "fetch"];
    tool != "deb-build-app" || !case.arguments.iter().any(|word| long.contains(&word.as_str()))
}

fn fuzz(tool: &str, cases: &[Case], usual: usize) {
    assert!(!cases.is_empty(), "{tool} has no cases");
    let room = Room::new(tool);
    let mut random = Random::new(seed(), tool);
    let until = deadline();
    let mut done = 0;
    for run in 0..runs(usual) {
        if until.is_some_and(|until| Instant::now() > until) {
            break;
        }
        let case = random.choose(cases);
        // What is executable is a program of the packager's, which would be run.
        let fits = |content: &Content| matches!(content, Content::File { bytes, mode } if mode & 0o111 == 0 && bytes.len() <= LARGEST);
        let files: Vec<usize> = (0..case.files.len()).filter(|at| fits(&case.files[*at].1)).collect();
        let part = match () {
            () if !case.input.is_empty() && !random.one_in(4) => Part::Input,
            () if files.is_empty() || random.one_in(6) => Part::Arguments,
            () => Part::File(*random.choose(&files)),
        };
        let seeds: Vec<Vec<u8>> = match part {
            Part::Arguments => vec![case.arguments.join("\n").into_bytes()],
            Part::Input => vec![case.input.clone()],
            Part::File(at) => {
                let ending = case.files[at].0.extension();
                let like = cases.iter().flat_map(|case| &case.files).filter(|(path, _)| path.extension() == ending);
                let bytes = |content: &Content| match content {
                    Content::File { bytes, mode } if mode & 0o111 == 0 && bytes.len() <= LARGEST => Some(bytes.clone()),
                    _ => None,
                };
                // Mostly itself; the others are there to be spliced with.
                let own = std::iter::repeat_n(bytes(&case.files[at].1).unwrap_or_default(), 8);
                own.chain(like.filter_map(|(_, content)| bytes(content)).take(8)).collect()
            }
        };
        let input = mutated(&mut random, &seeds);
        let first: &[&str] = match (tool, &part) {
            ("appctl", Part::Arguments) if !case.arguments.iter().any(|word| word == "--root") => &["--root", "."],
            ("dh_venv", _) => &["--no-act"],
            (tool, Part::Arguments) if tool.starts_with("dh_") => &["--no-act"],
            _ => &[],
        };
        let check = |input: &[u8]| match case.with(&part, input, first) {
            case if is_tried(tool, &case) || !matches!(part, Part::Arguments) => room.check(&case),
            _ => Ok(()),
        };
        if let Err(why) = check(&input) {
            let (input, why) = minimised(&check, &input, &why, PATIENCE);
            let place = match part {
                Part::File(at) => case.files[at].0.display().to_string(),
                Part::Arguments => "arguments".to_owned(),
                Part::Input => "standard input".to_owned(),
            };
            let target = format!("{tool} {} {place}", case.name);
            panic!("\n{}\n(inputs are in {})", Failure { target, why, input, run }.report(), kept().display());
        }
        done += 1;
    }
    println!("fuzz {tool}: {done} runs, FUZZ_SEED={}", seed());
}

macro_rules! of_cases {
    ($($tool:ident)*) => {
        $(#[test]
        fn $tool() {
            fuzz(stringify!($tool), &cases(stringify!($tool)), RUNS);
        })*
    };
}

of_cases!(dh_appconfig dh_supervisord dh_venv dh_venv_place dh_zeoclient);

#[test]
fn deb_build_app() {
    fuzz("deb-build-app", &cases("deb-build-app"), RUNS);
}

/// The root of a package that has been configured: state, settings and what was rendered.
fn configured() -> Vec<(PathBuf, Content)> {
    let room = Room::new("appctl");
    let mut case = cases("appctl").into_iter().find(|case| case.name.starts_with("13-")).expect("a case");
    let id = if is_root() { NOBODY } else { nix::unistd::geteuid().as_raw() };
    let group = if is_root() { NOBODY } else { nix::unistd::getegid().as_raw() };
    for (path, content) in &mut case.files {
        let Content::File { bytes, .. } = content else { continue };
        if path.ends_with("etc/passwd") {
            *bytes = format!("root:x:{id}:{group}::/:/bin/sh\nnotes:x:{id}:{group}::/:/bin/false\n").into_bytes();
        } else if path.ends_with("etc/group") {
            *bytes = format!("root:x:{group}:\nnotes:x:{group}:\n").into_bytes();
        }
    }
    case.arguments = ["--root", ".", "config", "apply", "notes"].map(str::to_owned).to_vec();
    room.fill(&case);
    let ended = room.run(&case).expect("it runs");
    assert_eq!(ended.status, Some(0), "{}{}", ended.said, ended.printed);
    tree(&room.work())
}

#[test]
fn appctl() {
    let files = configured();
    assert!(files.iter().any(|(path, _)| path.ends_with("var/lib/appctl/notes/journal")), "there is a journal");
    let commands: [&[&str]; 14] = [
        &["status"],
        &["--json", "status"],
        &["config", "show", "notes"],
        &["--json", "config", "show", "notes"],
        &["config", "diff", "notes"],
        &["config", "apply", "notes"],
        &["config", "check", "notes"],
        &["config", "set", "notes", "listen=127.0.0.1:81"],
        &["config", "restore", "notes", "/etc/notes/notes.ini"],
        &["maint", "postinst", "notes", "configure", "1.0"],
        &["maint", "prerm", "notes", "remove"],
        &["maint", "postinst", "notes", "configure", "1.0", "--answers"],
        &["config", "set", "notes", "listen", "--stdin"],
        &["words", "config", "set", "notes", ""],
    ];
    let with_state = commands.iter().map(|words| Case {
        name: words.join("-"),
        arguments: ["--root", "."].iter().chain(*words).map(|word| (*word).to_owned()).collect(),
        environment: Vec::new(),
        input: match words {
            [.., "--answers"] => b"listen=127.0.0.1:81\ndebug=yes\n\nx=y\n".to_vec(),
            [.., "--stdin"] => b"[::1]:81".to_vec(),
            _ => Vec::new(),
        },
        files: files.clone(),
    });
    let all: Vec<Case> = with_state.chain(cases("appctl")).collect();
    fuzz("appctl", &all, 2 * RUNS);
}
