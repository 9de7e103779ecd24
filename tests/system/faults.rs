//! The example's maintainer scripts, killed at every point: `fault-points.py`
//! finds the points, kills, and compares what is left.

use crate::configuration::system;
use crate::harness::{Session, Suite, repository};
use crate::package::{Source, built};

/// A system in which the example's version 1.0 and a second version lie in
/// /fault, their scripts and appctl traced, and everything that they need is installed.
fn laboratory(suite: Suite) -> Session {
    let notes = built(suite, "example flask", || Source::example("flask", "notes"));
    let session = system(suite);
    session.install(&[notes.deb()]);
    session.ok("apt-get install -qq -y -o Dpkg::Use-Pty=0 strace && dpkg --purge notes && mkdir /fault /point");
    session.copy_in(notes.deb(), "/fault/first.deb");
    session.copy_in(&repository().join("tests/system/fault-points.py"), "/fault/fault-points.py");
    session.ok("echo 'notes notes/listen string 127.0.0.1:8080' | debconf-set-selections
        printf '%s\\n' /etc/notes/notes.toml /etc/notes/service.env >/fault/watch
        dpkg-deb -R /fault/first.deb /fault/tree
        sed -i 's/^Version: .*/Version: 1.1/' /fault/tree/DEBIAN/control
        for template in notes.toml service.env; do
            echo '# The second version.' >>/fault/tree/usr/share/appctl/notes/templates/$template.hbs
        done
        dpkg-deb -Znone -b /fault/tree /fault/second.deb
        for deb in first second; do python3 /fault/fault-points.py --wrap /fault/$deb.deb; done
        mkdir /fault/log && : >/fault/inject");
    session
}

/// One scenario; returns how many points there were.
#[track_caller]
#[expect(clippy::print_stdout, reason = "each point is a line of the log")]
fn scenario(session: &Session, name: &str, start: &str, end: &str) -> usize {
    let output = session.run(&format!("python3 /fault/fault-points.py '{name}' '{start}' '{end}'"));
    print!("{}", output.stdout);
    assert!(output.success(), "{}", output.dump());
    let last = output.stdout.lines().last().unwrap_or_default();
    let count = last.split_whitespace().nth(1).and_then(|word| word.parse().ok());
    count.unwrap_or_else(|| panic!("no count in {last}"))
}

#[test]
fn a_script_killed_at_any_point_and_run_again_reaches_the_same_end() {
    let session = laboratory(Suite::Trixie);
    let settled = "appctl status notes && appctl config diff notes";
    session.ok("dpkg --unpack /fault/first.deb");
    let mut points =
        scenario(&session, "configure", "dpkg --configure notes", &format!("dpkg --configure -a && {settled}"));
    session.ok("dpkg --configure notes");
    let upgrade = "dpkg -i /fault/second.deb";
    points += scenario(&session, "upgrade", upgrade, &format!("dpkg --configure -a; {upgrade} && {settled}"));
    session.ok(upgrade);
    points += scenario(&session, "remove", "dpkg --remove notes", "dpkg --configure -a; dpkg --remove notes");
    points += scenario(&session, "purge", "dpkg --purge notes", "dpkg --configure -a; dpkg --purge notes");
    assert!(points >= 150, "{points} points");
}
