//! One run of the driver on one source, and everything by which it shows that something got out.

use std::fs;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::case::{Case, Expect, lay_merged};
use crate::world::{Census, USER, Who, World, changes, count, sha256};

/// Longest that a run may take, beyond a time limit of its own.
const PATIENCE: u64 = 40;

/// One or several sources for a backend and a user.
#[derive(Debug, Clone)]
pub struct Job {
    pub name: String,
    pub cases: Vec<Case>,
    /// Sources that are built one after another, or one that does what all of them do.
    pub merged: bool,
    pub backend: &'static str,
    pub who: Who,
    /// A script that does outside, beside the driver, what no source must be able to do.
    pub planted: Option<String>,
}

/// What came of it.
#[derive(Debug, Clone, Default)]
pub struct Outcome {
    /// What got out: none, if all is well.
    pub out: Vec<String>,
    /// What was otherwise than expected.
    pub wrong: Vec<String>,
    /// Exit status or signal.
    pub status: i64,
    pub seconds: f64,
    /// The last words of the driver.
    pub said: String,
}

/// What the terminal's helper has seen.
struct Seen {
    status: i64,
    seconds: f64,
    ended: bool,
    typed: String,
    left: Vec<String>,
    shown: Vec<u8>,
}

impl Job {
    pub fn run(&self, world: &World) -> Outcome {
        let mut outcome = Outcome::default();
        let tries = self.cases.iter().filter(|_| !self.merged).map(|case| case.tries).max().unwrap_or(1);
        for _ in 0..tries {
            if self.merged {
                let case = Case {
                    expect: Expect::Builds,
                    limit: None,
                    package: None,
                    not: Vec::new(),
                    ..self.cases[0].clone()
                };
                self.once(world, &case, &mut outcome);
            } else {
                for case in &self.cases {
                    self.once(world, case, &mut outcome);
                }
            }
            if !outcome.out.is_empty() {
                break;
            }
        }
        outcome.out.dedup();
        outcome
    }

    fn once(&self, world: &World, case: &Case, outcome: &mut Outcome) {
        static RUNS: AtomicUsize = AtomicUsize::new(0);
        let prefix = format!("run-{}", RUNS.fetch_add(1, Ordering::Relaxed));
        let made =
            tempfile::Builder::new().prefix(&prefix).rand_bytes(0).tempdir_in(world.path().join("runs")).unwrap();
        let run = made.path();
        let own = format!("h-{}-{}-{}", self.name, self.backend, self.who.name());
        let package = case.package.clone().unwrap_or(own);
        let values = world.values(self.who, &package, run);
        let app = run.join("app");
        fs::set_permissions(run, fs::Permissions::from_mode(0o755)).unwrap();
        for name in ["outside", "build-area/bookworm/bystander/1.0/amd64"] {
            fs::create_dir_all(run.join(name)).unwrap();
        }
        fs::write(run.join("outside/keep"), "kept\n").unwrap();
        fs::write(run.join("build-area/bookworm/bystander/1.0/amd64/results"), &world.tokens["victim"]).unwrap();
        if self.merged {
            lay_merged(&self.cases, &app, &values);
        } else {
            case.lay(&app, &values);
        }
        if self.who == Who::Ordinary {
            let script = format!("chown -R {0}:{0} '{1}'", USER.1, run.display());
            crate::sh(Path::new("/"), &script);
        }
        if let Some(script) = case.setup().filter(|_| !self.merged) {
            let id = if self.who == Who::Root { 0 } else { USER.1 };
            let output = Command::new("setpriv")
                .args([&format!("--reuid={id}"), &format!("--regid={id}"), "--clear-groups"])
                .args(["sh", "-euc", &script])
                .current_dir(&app)
                .env("HOME", run)
                .envs(&values.0)
                .output()
                .unwrap();
            let words = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(output.status.success(), "setup of {}: {words}", case.name);
        }
        let mut words = case.command.clone();
        if case.builds() {
            words.extend(["--backend".to_owned(), self.backend.to_owned()]);
            // sbuild and pbuilder unpack a system first.
            let slow = u64::from(["sbuild", "pbuilder"].contains(&self.backend)) * 2 * PATIENCE;
            let limit = case.limit.unwrap_or(PATIENCE) + slow;
            words.push(format!("--time-limit={limit}s"));
        }
        let results = run.join("build-area/bookworm").join(&package);
        let before = census(run, &results);
        let mut call = world.call(self.who, &app, &words);
        let mut patience = case.limit.map_or(2 * PATIENCE, |limit| limit + PATIENCE / 3);
        patience += u64::from(["sbuild", "pbuilder"].contains(&self.backend)) * 2 * PATIENCE;
        if let Some(script) = &self.planted {
            let script = values.fill(script).replace("@RESULTS@", &results.join("1.0/amd64").to_string_lossy());
            let around = format!("\"$@\"; status=$?\n{script}\nexit $status");
            call.splice(0..0, ["sh".to_owned(), "-c".to_owned(), around, "sh".to_owned()]);
            patience = 10;
        }
        let seen = on_a_terminal(&run.join("report"), patience, &call, &world.tokens["key"]);
        fs::remove_file(run.join("report")).unwrap();
        let scope = Scope { host_user: self.backend == "host" && self.who == Who::Ordinary };
        judge(world, case, &scope, run, &results, &before, &seen, outcome);
        if outcome.out.is_empty() && outcome.wrong.is_empty() && std::env::var_os("HOSTILE_KEEP_ALL").is_none() {
            return;
        }
        // The last run's is kept to be read, if somebody wants to.
        if let Some(place) = std::env::var_os("HOSTILE_KEEP") {
            let place = Path::new(&place).join(format!("{}-{}-{}", self.name, self.backend, self.who.name()));
            let _ = fs::remove_dir_all(&place);
            fs::create_dir_all(&place).unwrap();
            fs::write(place.join("shown"), &seen.shown).unwrap();
            fs::write(place.join("found"), format!("{outcome:#?}")).unwrap();
            for log in logs(&results) {
                fs::copy(&log, place.join(log.file_name().unwrap())).unwrap();
            }
        }
    }
}

/// What an ordinary user's build on the host itself can do is what the user can do, and said to be so.
struct Scope {
    host_user: bool,
}

/// What is beside the source and its own results, and the source itself but for git's index.
fn census(run: &Path, results: &Path) -> Census {
    let mut all = Census::new();
    let skip = |path: &Path| {
        let name = path.file_name().unwrap_or_default();
        path == results || path == run || name == "report" || name == "index" || name == ".git"
    };
    for entry in fs::read_dir(run).unwrap().flatten() {
        count(&entry.path(), &skip, &mut all);
    }
    // Directories that the driver may make results in.
    for directory in [run.join("build-area"), run.join("build-area/bookworm")] {
        all.remove(&directory);
    }
    all
}

#[allow(clippy::too_many_arguments, reason = "all that a run leaves")]
fn judge(
    world: &World,
    case: &Case,
    scope: &Scope,
    run: &Path,
    results: &Path,
    before: &Census,
    seen: &Seen,
    outcome: &mut Outcome,
) {
    let mut out = Vec::new();
    // Secrets, in what was shown and in every file that the run has left, packed or not.
    let hidden = |kind: &str| !scope.host_user || kind == "root";
    for (kind, token) in world.tokens.iter().filter(|(kind, _)| hidden(kind)) {
        if has(&seen.shown, token.as_bytes()) {
            out.push(format!("the secret '{kind}' is shown"));
        }
    }
    for kind in ["root", "user"].into_iter().filter(|kind| hidden(kind)) {
        let sum = sha256(&format!("{}\n", world.tokens[kind]));
        if has(&seen.shown, sum.as_bytes()) {
            out.push(format!("the checksum of the file with the secret '{kind}' is shown: it was read"));
        }
    }
    // Of all sources: one may give itself another's name.
    let read = search(&run.join("build-area"), run, world).into_iter().filter(|(_, place)| place != "results");
    let read: Vec<_> = read.collect();
    out.extend(
        read.iter().filter(|(kind, _)| hidden(kind)).map(|(kind, place)| format!("the secret '{kind}' is in {place}")),
    );
    // What the payloads found themselves.
    let mut texts = vec![seen.shown.clone()];
    for log in logs(results) {
        texts.push(fs::read(log).unwrap_or_default());
    }
    for text in &texts {
        for line in String::from_utf8_lossy(text).lines() {
            if let Some((before, words)) = line.split_once("ESCAPED: ").filter(|_| !scope.host_user) {
                if before.len() < 60 && !before.contains(['"', '\'']) {
                    out.push(words.chars().filter(|c| !c.is_control()).take(100).collect());
                }
            }
        }
    }
    if !seen.typed.is_empty() {
        out.push(format!("typed into the terminal: {:?}", seen.typed.chars().take(12).collect::<String>()));
    }
    for (sequence, name) in [
        (&b"\x1b]0;dba-escaped"[..], "an escape sequence"),
        (b"\x1b[2Jdba", "an escape sequence"),
        (b"dba \xc2\x9b", "a control character of C1"),
        (b"\xe2\x80\xae", "a character that turns the line round"),
    ] {
        if has(&seen.shown, sequence) {
            out.push(format!("{name} of the source reaches the terminal"));
        }
    }
    if !seen.left.is_empty() {
        out.push(format!("left running: {}", seen.left.join(", ").chars().take(100).collect::<String>()));
    }
    if seen.ended {
        out.push(format!("did not end within {:.0} s", seen.seconds));
    }
    if !scope.host_user {
        let found = changes(before, &census(run, results));
        let relative = |text: String| text.replace(&format!("{}/", run.display()), "");
        let own = case.command[0] != "build";
        // `vendor` and `lock` write into the source, which is what they are for.
        out.extend(found.into_iter().map(relative).filter(|text| !(own && text.contains(" app"))));
    }
    out.extend(odd_results(results, case));
    out.sort();
    outcome.out.extend(out);
    outcome.status = seen.status;
    outcome.seconds = outcome.seconds.max(seen.seconds);
    let shown = plain(&seen.shown);
    outcome.said = shown.lines().rev().find(|line| line.contains("error:")).unwrap_or_default().to_owned();
    let all = shown.replace(['\r', '\n'], " ");
    match (&case.expect, seen.status) {
        (_, _) if seen.ended => {}
        (_, status) if ![0, 1, 2, 3].contains(&status) => outcome.wrong.push(format!("ended with {status}")),
        (Expect::Refused(_), 0) => outcome.wrong.push("was built".to_owned()),
        (Expect::Refused(words), _) if !all.contains(words.as_str()) => {
            outcome.wrong.push(format!("does not say '{words}'"))
        }
        // A refusal of the backend itself is one that says how to go on.
        (Expect::Builds, status) if status != 0 && !refused_whole(&all) => {
            outcome.wrong.push(format!("was not built: {}", outcome.said));
        }
        _ => {}
    }
}

/// Whether no source would be built in this way: by that user, with that backend.
fn refused_whole(said: &str) -> bool {
    ["--trust-source", "--privileged-check", " needs root"].iter().any(|words| said.contains(words))
}

/// Without escape sequences.
fn plain(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).chars().filter(|c| !c.is_control() || *c == '\n').collect()
}

fn has(text: &[u8], word: &[u8]) -> bool {
    memchr::memmem::find(text, word).is_some()
}

fn on_a_terminal(report: &Path, seconds: u64, call: &[String], key: &str) -> Seen {
    let output = Command::new("/usr/bin/python3")
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/hostile/terminal.py"))
        .arg(report)
        .arg(seconds.to_string())
        .args(call)
        .env("DBA_KEY", key)
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .unwrap();
    assert!(output.status.success(), "terminal.py: {}", output.status);
    let facts: serde_json::Value = serde_json::from_slice(&fs::read(report).unwrap()).unwrap();
    let left = facts["left"].as_array().unwrap().iter().map(|line| line.as_str().unwrap().to_owned()).collect();
    Seen {
        status: facts["status"].as_i64().unwrap(),
        seconds: facts["seconds"].as_f64().unwrap(),
        ended: facts["ended"].as_bool().unwrap(),
        typed: facts["typed"].as_str().unwrap().to_owned(),
        left,
        shown: output.stdout,
    }
}

fn files(directory: &Path) -> Vec<PathBuf> {
    let mut all = Vec::new();
    let mut open = vec![directory.to_owned()];
    while let Some(one) = open.pop() {
        for entry in fs::read_dir(&one).into_iter().flatten().flatten() {
            if entry.file_type().unwrap().is_dir() {
                open.push(entry.path());
            }
            all.push(entry.path());
        }
    }
    all
}

fn logs(results: &Path) -> Vec<PathBuf> {
    let is_log = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "log");
    let small =
        |path: &PathBuf| fs::symlink_metadata(path).is_ok_and(|facts| facts.is_file() && facts.len() < 128 << 20);
    files(results).into_iter().filter(is_log).filter(small).collect()
}

/// Secrets in the results, with packages and archives unpacked: kind and file.
fn search(results: &Path, run: &Path, world: &World) -> Vec<(String, String)> {
    let patterns: Vec<String> = world.tokens.values().cloned().collect();
    let words = run.join("words");
    fs::write(&words, patterns.join("\n") + "\n").unwrap();
    // What is large here is empty: sparse files and logs that are filled on purpose.
    let script = "find \"$1\" -type f -size -64M 2>/dev/null | while IFS= read -r file; do
            {
                cat \"$file\"
                case $file in
                *.deb) dpkg-deb --fsys-tarfile \"$file\"; dpkg-deb --ctrl-tarfile \"$file\" ;;
                *.xz) xz -dcq \"$file\" ;;
                *.gz) gzip -dcq \"$file\" ;;
                *.zst) zstd -dcq \"$file\" ;;
                esac
            } 2>/dev/null | grep -aoFf \"$2\" | sort -u | sed \"s|^|${file##*/} |\"
        done";
    let output =
        Command::new("timeout").args(["60", "sh", "-c", script, "sh"]).arg(results).arg(&words).output().unwrap();
    fs::remove_file(&words).unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let found = |line: &str| {
        let (file, token) = line.rsplit_once(' ')?;
        let kind = world.tokens.iter().find(|(_, one)| *one == token)?.0;
        Some(((*kind).to_owned(), file.to_owned()))
    };
    text.lines().filter_map(found).collect()
}

/// What a directory of results must never have.
fn odd_results(results: &Path, case: &Case) -> Vec<String> {
    let mut all = Vec::new();
    let package = results.file_name().unwrap().to_string_lossy().into_owned();
    for path in files(results) {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let Ok(facts) = fs::symlink_metadata(&path) else { continue };
        let shown: String = name.chars().map(|c| if c.is_control() { '?' } else { c }).take(40).collect();
        let kind = facts.file_type();
        if kind.is_symlink() || kind.is_fifo() || kind.is_socket() || kind.is_block_device() || kind.is_char_device() {
            all.push(format!("the result {shown} is no plain file"));
        }
        if kind.is_file() && facts.permissions().mode() & 0o6000 != 0 {
            all.push(format!("the result {shown} is setuid"));
        }
        let own = ["build.log", "manifest.json", "checks.json", "sbom.json"].contains(&name.as_str());
        let known = own || name.starts_with(&format!("{package}_")) || name.starts_with("check-");
        if kind.is_file() && !known {
            all.push(format!("{shown} is among the results"));
        }
        if case.not.contains(&name) {
            all.push(format!("{shown} is taken for a result"));
        }
        if kind.is_file() && own && name != "build.log" {
            let text = fs::read_to_string(&path).unwrap_or_default();
            all.extend(case.not.iter().filter(|word| text.contains(*word)).map(|_| format!("{shown} is the source's")));
        }
    }
    if all.len() > 5 {
        all.truncate(5);
    }
    all
}
