//! Sources that try to get out of their build: each is run, for real, with every backend, by
//! root and by an ordinary user, and nothing of the machine may be read, changed or outlived.
//!
//! `HOSTILE_MATRIX=full` runs each alone everywhere, as `make soak` does; otherwise what can be
//! tried in one build is. `HOSTILE_BACKENDS="session host"` leaves out the others. `HOSTILE_ONLY=56` runs those whose name has that, `HOSTILE_TABLE=FILE`
//! writes what came of each as a table, `HOSTILE_KEEP=DIR` what was shown where something was found.
#![allow(clippy::disallowed_methods, reason = "tests read, write and start processes")]
#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(clippy::print_stdout, reason = "the numbers of what was run")]

#[path = "../harness/mod.rs"]
mod harness;

mod case;
mod run;
mod world;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Instant;

use case::Case;
use run::{Job, Outcome};
use world::{Who, World};

/// Results that are links, or change while they are taken.
const UNSTEADY: [&str; 2] = ["53-output-links", "56-race-collection"];

const BACKENDS: [&str; 4] = ["session", "sbuild", "pbuilder", "host"];

/// Runs a script with `sh -eu` in a directory; it must succeed.
#[track_caller]
fn sh(directory: &Path, script: &str) -> String {
    let output = Command::new("sh").args(["-euc", script]).current_dir(directory).output().expect("sh starts");
    let words = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{script}\n{words}");
    String::from_utf8(output.stdout).unwrap()
}

/// The cache that tests/driver makes its environment in.
fn cache() -> &'static Path {
    static CACHE: OnceLock<PathBuf> = OnceLock::new();
    CACHE.get_or_init(|| {
        let cache = harness::cache_dir().join("driver");
        std::fs::create_dir_all(&cache).unwrap();
        let image = harness::image_directory(harness::Suite::Bookworm, harness::Kind::Run);
        let recipe = cache.join("deb-build-app/environments/bookworm-amd64/recipe.json");
        let recipe = std::fs::read_to_string(recipe).unwrap_or_default();
        if !recipe.contains(&format!("\"{}\"", image.display())) {
            let mut command = Command::new(env!("CARGO_BIN_EXE_deb-build-app"));
            command.env("XDG_CACHE_HOME", &cache).args(["env", "create", "bookworm", "--from"]).arg(&image);
            let output = command.output().unwrap();
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        }
        cache
    })
}

/// The ordinary user's environment, made once from the same image.
fn prepare_user(world: &World) {
    let image = harness::image_directory(harness::Suite::Bookworm, harness::Kind::Run);
    let cache = world::user_cache();
    let note = cache.join("image");
    // As one can use it who has these ids.
    let wanted = format!("{} {}\n", image.display(), std::fs::read_to_string(world.path().join("etc/subuid")).unwrap());
    if std::fs::read_to_string(&note).unwrap_or_default() == wanted {
        return;
    }
    let (path, id) = (world.path().display(), world::USER.1);
    sh(
        Path::new("/"),
        &format!(
            "rm -rf '{cache}' && mkdir -p '{cache}' && chown {id}:{id} '{cache}'
             tar -C '{image}' --numeric-owner -cf {path}/system.tar . && chmod 644 {path}/system.tar",
            cache = cache.display(),
            image = image.display()
        ),
    );
    let words = ["env", "create", "bookworm", "--from", &format!("{path}/system.tar")].map(str::to_owned);
    let call = world.call(Who::Ordinary, Path::new("/"), &words);
    let output = Command::new(&call[0]).args(&call[1..]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    std::fs::remove_file(world.path().join("system.tar")).unwrap();
    std::fs::write(&note, wanted).unwrap();
}

fn is_full() -> bool {
    std::env::var("HOSTILE_MATRIX").is_ok_and(|word| word == "full")
}

/// What is run: everything everywhere, or each source at least once by root and what many do at once elsewhere.
fn jobs(all: &[Case]) -> Vec<Job> {
    let only = std::env::var("HOSTILE_ONLY").unwrap_or_default();
    let before: BTreeSet<&String> = all.iter().filter_map(|case| case.after.as_ref()).collect();
    let chosen: Vec<&Case> =
        all.iter().filter(|case| !before.contains(&case.name) && case.name.contains(&only)).collect();
    let mut jobs = Vec::new();
    let backends = std::env::var("HOSTILE_BACKENDS").unwrap_or_else(|_| BACKENDS.join(" "));
    for backend in BACKENDS.into_iter().filter(|backend| backends.contains(backend)) {
        for who in [Who::Root, Who::Ordinary] {
            let full = is_full();
            let mut together = Vec::new();
            for case in &chosen {
                let named = case.backends.iter().any(|one| one == backend);
                if !(case.backends.is_empty() || named) || !(case.builds() || backend == "session") {
                    continue;
                }
                // pbuilder looks at results itself, and fails; the others' attacks are tried all the same.
                let apart = backend == "pbuilder" && UNSTEADY.contains(&case.name.as_str());
                if case.merge && !full && !apart {
                    together.push((*case).clone());
                    continue;
                }
                // What the driver reads before a build is the same whatever builds it.
                let wanted = match (backend, who) {
                    ("session", _) => true,
                    ("host", Who::Root) => case.is_late() && case.limit.is_none(),
                    // Those that are over before a system is unpacked.
                    ("pbuilder", Who::Root) if apart => true,
                    (_, Who::Root) => ["80-source-format-git", "81-quilt-links"].contains(&case.name.as_str()),
                    _ => false,
                };
                if !full && !wanted {
                    continue;
                }
                let first = all.iter().find(|one| Some(&one.name) == case.after.as_ref());
                let cases = first.into_iter().chain([*case]).cloned().collect();
                jobs.push(Job { name: case.name.clone(), cases, merged: false, backend, who, planted: None });
            }
            if !together.is_empty() {
                jobs.push(Job {
                    name: "merged".to_owned(),
                    cases: together,
                    merged: true,
                    backend,
                    who,
                    planted: None,
                });
            }
        }
    }
    // What takes longest begins first.
    jobs.sort_by_key(|job| ["sbuild", "pbuilder", "session", "host"].iter().position(|one| *one == job.backend));
    jobs
}

/// Run them, a few at a time; outcomes in the order of the jobs.
fn run_all(world: &World, jobs: &[Job]) -> Vec<Outcome> {
    let next = Mutex::new(0);
    let outcomes = Mutex::new(BTreeMap::new());
    let at_once = std::env::var("HOSTILE_JOBS").ok().and_then(|number| number.parse().ok()).unwrap_or(3);
    std::thread::scope(|scope| {
        for _ in 0..at_once {
            scope.spawn(|| {
                loop {
                    let number = {
                        let mut next = next.lock().unwrap();
                        *next += 1;
                        *next - 1
                    };
                    let Some(job) = jobs.get(number) else { return };
                    let outcome = job.run(world);
                    outcomes.lock().unwrap().insert(number, outcome);
                }
            });
        }
    });
    outcomes.into_inner().unwrap().into_values().collect()
}

/// A row for each source and a column for each backend and user.
fn table(jobs: &[Job], outcomes: &[Outcome]) -> String {
    let columns: Vec<(&str, Who)> =
        BACKENDS.iter().flat_map(|backend| [(*backend, Who::Root), (*backend, Who::Ordinary)]).collect();
    let mut text = String::from("| source |");
    columns.iter().for_each(|(backend, who)| write!(text, " {backend} {} |", who.name()).unwrap());
    text.push_str(" what was found |\n|---|");
    text.push_str(&"---|".repeat(columns.len() + 1));
    text.push('\n');
    let names: BTreeSet<&String> = jobs.iter().map(|job| &job.name).collect();
    for name in names {
        write!(text, "| {name} |").unwrap();
        let mut found = BTreeSet::new();
        for (backend, who) in &columns {
            let at = jobs.iter().position(|job| job.name == *name && job.backend == *backend && job.who == *who);
            let word = at.map_or("", |at| match &outcomes[at] {
                one if !one.out.is_empty() => "**OUT**",
                one if !one.wrong.is_empty() => "wrong",
                one if one.status == 0 => "built",
                _ => "refused",
            });
            write!(text, " {word} |").unwrap();
            found.extend(at.into_iter().flat_map(|at| outcomes[at].out.iter().chain(&outcomes[at].wrong).cloned()));
        }
        let found: Vec<String> = found.into_iter().take(6).map(|one| one.replace('|', "/")).collect();
        writeln!(text, " {} |", found.join("; ")).unwrap();
    }
    text.push('\n');
    for (job, outcome) in jobs.iter().zip(outcomes) {
        let (seconds, said) = (outcome.seconds, &outcome.said);
        writeln!(text, "- {} {} {}: {seconds:.1} s, {} {said}", job.name, job.backend, job.who.name(), outcome.status)
            .unwrap();
    }
    text
}

/// The machine is looked at by one at a time.
static ALONE: Mutex<()> = Mutex::new(());

#[test]
fn nothing_gets_out() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let began = Instant::now();
    let world = World::new();
    cache();
    prepare_user(&world);
    let all = case::cases();
    assert!(all.len() >= 40, "{} sources", all.len());
    let jobs = jobs(&all);
    assert!(!jobs.is_empty(), "nothing is run");
    let prepared = began.elapsed().as_secs_f64();
    let mounts = || std::fs::read_to_string("/proc/self/mountinfo").unwrap().lines().count();
    let (machine, mounted) = (world::machine(), mounts());
    let outcomes = run_all(&world, &jobs);
    let changed = world::changes(&machine, &world::machine());
    let runs: usize = jobs.iter().map(|job| job.cases.len()).sum();
    let pairs: BTreeSet<_> = jobs.iter().map(|job| (job.backend, job.who)).collect();
    println!(
        "hostile: {} sources, {} backends and users, {runs} attacks in {} runs of the driver, {prepared:.0} s + {:.0} s",
        all.len(),
        pairs.len(),
        jobs.len(),
        began.elapsed().as_secs_f64() - prepared
    );
    if let Some(path) = std::env::var_os("HOSTILE_TABLE") {
        std::fs::write(path, table(&jobs, &outcomes)).unwrap();
    }
    let mut faults = String::new();
    for (job, outcome) in jobs.iter().zip(&outcomes).filter(|(_, one)| !one.out.is_empty() || !one.wrong.is_empty()) {
        let all: Vec<&String> = outcome.out.iter().chain(&outcome.wrong).collect();
        writeln!(faults, "{} {} {}: {all:?}", job.name, job.backend, job.who.name()).unwrap();
    }
    for line in &changed {
        writeln!(faults, "the machine: {line}").unwrap();
    }
    assert_eq!(mounts(), mounted, "a mount is left");
    assert!(faults.is_empty(), "\n{faults}");
}

/// What a source would do that got out, and by which words it is found.
const PLANTED: [(&str, &str); 13] = [
    ("cat @CANARY@", "is shown"),
    ("sha256sum @CANARY@", "it was read"),
    ("touch @OUTSIDE@/made", "made outside/made"),
    ("rm @OUTSIDE@/keep", "removed outside/keep"),
    ("echo more >>@OUTSIDE@/../app/data", "changed app/data"),
    (
        "echo more >>@OUTSIDE@/../build-area/bookworm/bystander/1.0/amd64/results",
        "changed build-area/bookworm/bystander",
    ),
    ("gzip -c <@CANARY@ >@RESULTS@/$(basename @RESULTS@).gz", "is in "),
    ("cp @RESULTS@/*.deb @RESULTS@/setuid.deb; chmod 4755 @RESULTS@/setuid.deb", "setuid.deb is setuid"),
    ("ln -s @CANARY@ @RESULTS@/link.deb", "link.deb is no plain file"),
    ("setsid sleep 987.654 </dev/null >/dev/null 2>&1 &", "left running: sleep 987.654"),
    ("printf '\\033]0;dba-escaped\\007'", "an escape sequence"),
    (
        "perl -e 'open my $t, \"+<\", \"/dev/tty\"; ioctl($t, 0x5412, $_) for split //, \"dba-typed\"'",
        "typed into the terminal",
    ),
    ("echo 'ESCAPED: a payload says so'", "a payload says so"),
];

#[test]
fn what_gets_out_is_found() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let world = World::new();
    cache();
    let all = case::cases();
    let harmless = all.iter().find(|case| case.name.ends_with("-listener")).unwrap();
    let script: String = PLANTED.iter().map(|(script, _)| format!("{script}\n")).collect();
    let job = |name: &str, planted: Option<String>| Job {
        name: name.to_owned(),
        cases: vec![harmless.clone()],
        merged: false,
        backend: "session",
        who: Who::Root,
        planted,
    };
    let outcome = job("planted", Some(script)).run(&world);
    for (script, words) in PLANTED {
        assert!(outcome.out.iter().any(|one| one.contains(words)), "{script}: no '{words}' in {:#?}", outcome.out);
    }
    let outcome = job("endless", Some("sleep 987".to_owned())).run(&world);
    assert!(outcome.out.iter().any(|one| one.contains("did not end")), "{:#?}", outcome.out);
    // The same source alone is not suspected of any of it.
    let outcome = job("harmless", None).run(&world);
    assert!(outcome.out.is_empty() && outcome.wrong.is_empty(), "{outcome:#?}");
    // The machine's own files.
    let before = world::machine();
    let made = tempfile::Builder::new().prefix("dba-escaped-").tempfile_in("/var/tmp").unwrap();
    let changed = world::changes(&before, &world::machine());
    assert_eq!(changed, [format!("made {}", made.path().display())]);
}
