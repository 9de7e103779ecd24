//! The example's maintainer scripts, killed at every point: `fault-points.py`
//! finds the points, kills, and compares what is left. Each point, with what it
//! took, is a line of `target/faults/NAME.log`.

use std::fs::File;
use std::io::Write;
use std::sync::OnceLock;

use crate::configuration::system;
use crate::harness::{Output, Session, Suite, planted_appctl, repository, target_dir};
use crate::package::{Source, built};

/// A system in which the example's version 1.0 and a second version lie in
/// /fault, their scripts and appctl traced, and everything that they need is installed.
fn laboratory(suite: Suite) -> Session {
    static MADE: [OnceLock<Session>; 2] = [const { OnceLock::new() }; 2];
    MADE[suite as usize].get_or_init(|| equipped(suite)).fork()
}

fn equipped(suite: Suite) -> Session {
    let notes = built(suite, "example flask", || Source::example("flask", "notes"));
    let session = system(suite);
    session.install(&[notes.deb()]);
    session.ok("apt-get install -qq -y -o Dpkg::Use-Pty=0 strace && dpkg --purge notes && mkdir /fault /point");
    session.copy_in(notes.deb(), "/fault/first.deb");
    session.copy_in(&repository().join("tests/system/fault-points.py"), "/fault/fault-points.py");
    session.ok("echo 'notes notes/listen string 127.0.0.1:8080' | debconf-set-selections
        printf '%s\\n' /etc/notes/notes.toml /etc/notes/settings.d/60-appctl.conf \
            /etc/systemd/system/notes.socket.d/listen.conf >/fault/watch
        dpkg-deb -R /fault/first.deb /fault/tree
        sed -i 's/^Version: .*/Version: 1.1/' /fault/tree/DEBIAN/control
        for template in notes.toml listen.conf; do
            echo '# The second version.' >>/fault/tree/usr/share/appctl/notes/templates/$template.hbs
        done
        dpkg-deb -Znone -b /fault/tree /fault/second.deb
        for deb in first second; do python3 /fault/fault-points.py --wrap /fault/$deb.deb; done
        rm -r /fault/tree /fault/unpacked && mkdir /fault/log && : >/fault/inject");
    session
}

/// A scenario: what is done under faults, what would follow if nothing happened, and
/// what must bring it to its end if something did.
struct Scenario {
    name: &'static str,
    start: &'static str,
    rest: &'static str,
    end: &'static str,
}

const CONFIGURE: Scenario = Scenario {
    name: "configure",
    start: "dpkg --configure notes",
    rest: "",
    end: "dpkg --configure -a && appctl config diff notes",
};
/// An upgrade up to where its postinst begins, which has a scenario of its own, so
/// that not every point of that has to unpack the package again.
const UNPACK: Scenario = Scenario {
    name: "unpack",
    start: "dpkg --unpack /fault/second.deb",
    rest: "dpkg --configure notes",
    end: "dpkg --configure -a; dpkg -i /fault/second.deb && appctl config diff notes",
};
const UPGRADE: Scenario = Scenario { name: "upgrade", ..CONFIGURE };
const REMOVE: Scenario = Scenario {
    name: "remove",
    start: "dpkg --remove notes",
    rest: "",
    end: "dpkg --configure -a; dpkg --remove notes",
};
const PURGE: Scenario =
    Scenario { name: "purge", start: "dpkg --purge notes", rest: "", end: "dpkg --configure -a; dpkg --purge notes" };

/// The log of a test, where it can be read afterwards.
fn log(name: &str) -> File {
    let directory = target_dir().join("faults");
    std::fs::create_dir_all(&directory).expect("target/faults");
    File::create(directory.join(name).with_extension("log")).expect("a log")
}

/// Every point of a scenario, or as `options` say; each is a line of the log.
#[expect(clippy::print_stdout, reason = "each point is a line of the log")]
fn explore(session: &Session, options: &str, scenario: &Scenario, log: &mut File) -> Output {
    let Scenario { name, start, rest, end } = scenario;
    let output =
        session.run(&format!("python3 /fault/fault-points.py {options} --then '{rest}' '{name}' '{start}' '{end}'"));
    print!("{}", output.stdout);
    log.write_all(output.stdout.as_bytes()).expect("a log");
    output
}

/// All of them in their order, each from where the one before has ended; how many points there were.
#[track_caller]
fn visit(suite: Suite, options: &str) -> usize {
    let session = laboratory(suite);
    let mut log = log(suite.name());
    session.ok("dpkg --unpack /fault/first.deb");
    let mut points = 0;
    for scenario in [CONFIGURE, UNPACK, UPGRADE, REMOVE, PURGE] {
        let output = explore(&session, options, &scenario, &mut log);
        assert!(output.success(), "{}", output.dump());
        let last = output.stdout.lines().last().unwrap_or_default();
        let count: Option<usize> = last.split_whitespace().nth(1).and_then(|word| word.parse().ok());
        points += count.unwrap_or_else(|| panic!("no count in {last}"));
        session.ok(scenario.start);
    }
    points
}

#[test]
fn a_script_killed_at_any_point_and_run_again_reaches_the_same_end() {
    let points = visit(Suite::Trixie, "");
    assert!(points >= 150, "{points} points");
}

/// The same programs with older dpkg, debconf and dash; all its points are in `make soak`.
#[test]
fn on_bookworm_every_eighth_point() {
    let every = std::env::var("FAULT_EVERY").map_or(8, |every| every.parse().expect("a number"));
    let points = visit(Suite::Bookworm, &format!("--every {every}"));
    assert!(points >= 150 / every, "{points} points");
}

/// appctl writes in place and does not heed its journal: that would be noticed.
#[test]
fn a_planted_bug_is_found() {
    let session = laboratory(Suite::Trixie);
    session.copy_in(&planted_appctl(), "/usr/bin/appctl.real");
    let mut log = log("planted");
    session.ok("dpkg --unpack /fault/first.deb");
    for scenario in [CONFIGURE, UPGRADE] {
        let output = explore(&session, "--until-red", &scenario, &mut log);
        let red = output.stdout.lines().rev().nth(1).unwrap_or_default();
        assert!(!output.success() && !output.stdout.contains("did not fire"), "{}", output.dump());
        let signs = ["half-written", ", wanted ", "END fails", "secrets have changed"];
        assert!(signs.iter().any(|sign| red.contains(sign)), "{red}");
        session.ok(&format!("{} && dpkg --unpack /fault/second.deb", scenario.start));
    }
}
