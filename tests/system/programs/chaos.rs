//! Installation, upgrade, change, removal and purge, killed at points that
//! `fault-points.py` finds, while supervisord is up, down, or killed, too: each
//! program runs once at the end, and the same files are there.

use std::io::Write;
use std::thread;

use serde_json::Value;

use super::{LIMIT, system};
use crate::harness::{Booted, Output, Session, Suite, repository};

/// Systems at a time: a point mostly waits.
const SYSTEMS: usize = 4;

/// Points of one command, which has five minutes.
const STEPS: usize = 10;

/// The package in four versions, and what kills it.
fn laboratory(suite: Suite) -> Session {
    let versions = ["blue", "blue-again", "split", "split-again"];
    let session = system(suite, &versions);
    session.ok("apt-get install -qq -y -o Dpkg::Use-Pty=0 strace && mkdir -p /fault/log && : >/fault/inject");
    session.copy_in(&repository().join("tests/system/fault-points.py"), "/fault/fault-points.py");
    session.write("/fault/chaos.py", include_str!("chaos.py"));
    session.ok(&format!(
        "cd /fault
        for version in {}; do
            cp /var/tmp/$version.deb .
            python3 fault-points.py --wrap /fault/$version.deb processes
        done",
        versions.join(" ")
    ));
    session
}

/// `CHAOS_POINTS` says how many (40; 0: all), `CHAOS_SEED` which (else new ones
/// each time), and its parity the suite.
#[test]
#[expect(clippy::print_stdout, reason = "each point is a line of the log")]
fn killed_at_sampled_points_each_program_runs_once_at_the_end() {
    let number = |name: &str, other: usize| std::env::var(name).map_or(other, |text| text.parse().expect(name));
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    let seed = number("CHAOS_SEED", usize::try_from(now.as_secs()).unwrap());
    let count = number("CHAOS_POINTS", 40);
    let suite = if seed % 2 == 0 { Suite::Bookworm } else { Suite::Trixie };
    say(&format!("CHAOS_SEED={seed}"));
    let laboratory = laboratory(suite);
    let systems: Vec<Booted> = (0..SYSTEMS).map(|_| Booted::new(laboratory.fork())).collect();
    systems[0].until(LIMIT, "supervisorctl status; test $? != 4");
    let points = systems[0].ok("python3 /fault/chaos.py find").stdout;
    let found: Value = serde_json::from_str(&points).unwrap();
    // Those at which it is up are also those at which it is killed, in two ways.
    let weight = |point: &Value| if point[1] == "down" { 1 } else { 3 };
    let all: usize = found["points"].as_array().unwrap().iter().map(weight).sum();
    say(&format!("CHAOS_SEED={seed} ({suite}): {all} points in all"));
    let explore = |part: usize, system: &Booted| {
        system.ok(&format!("cat >/fault/points.json <<'E_O_F'\n{points}\nE_O_F"));
        let visit = |first: usize| {
            let output = system.run(&format!(
                "python3 /fault/chaos.py visit {seed} {count} {part} {SYSTEMS} {first} {STEPS} </fault/points.json"
            ));
            print!("{}", output.stdout);
            output
        };
        let mut outputs = Vec::new();
        // The last of them finds nothing left to do.
        while outputs.last().is_none_or(|output: &Output| !output.stdout.starts_with("0 points, ")) {
            outputs.push(visit(outputs.len() * STEPS));
            assert!(outputs.len() < 999, "no end of points");
        }
        outputs
    };
    let outputs = thread::scope(|scope| {
        let threads: Vec<_> =
            systems.iter().enumerate().map(|(part, system)| scope.spawn(move || explore(part, system))).collect();
        threads.into_iter().flat_map(|thread| thread.join().expect("a thread")).collect::<Vec<_>>()
    });
    let mut sums = [0; 3];
    for output in &outputs {
        let last = output.stdout.lines().last().unwrap_or_default();
        let numbers: Vec<usize> = last.split_whitespace().filter_map(|word| word.parse().ok()).collect();
        assert_eq!(numbers.len(), 3, "{}", output.dump());
        (0..3).for_each(|index| sums[index] += numbers[index]);
    }
    let [visited, fired, failed] = sums;
    say(&format!("CHAOS_SEED={seed} ({suite}): {visited} points, {fired} fired, {failed} failed"));
    assert!(failed == 0 && outputs.iter().all(Output::success), "CHAOS_SEED={seed}: {failed} failed");
    assert_eq!(visited, if count == 0 { all } else { count });
    // How often something is asked for until it is there differs from run to run.
    assert!(fired * 10 >= visited * 8, "{fired} of {visited} fired");
}

/// Into the log of a run that passes, too, which does not show what a test prints.
fn say(text: &str) {
    std::io::stderr().write_all(format!("{text}\n").as_bytes()).unwrap();
}
