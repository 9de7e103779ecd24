//! Cases 3, 4, 5, 6 and 11 of the services: each program starts once, what an
//! administrator has decided stays so, a program moves between the two managers,
//! and nothing of it is left at the end.

use super::{LIMIT, ask, beacons, booted, starts, system};
use crate::configuration::tap;
use crate::harness::{Booted, Suite};
use crate::on_suites;

on_suites!(
    both: [
        case_04_each_program_starts_once_and_what_is_stopped_stays_so,
        case_04_without_a_manager_nothing_fails_and_nothing_starts,
        case_04_a_program_that_does_not_come_up_is_named_with_its_last_lines,
        case_11_programs_move_between_the_backends
    ],
    bookworm: [case_03_what_runs_after_a_script_has_failed, case_11_what_is_stopped_or_disabled_stays_so_on_the_other_side],
    trixie: [],
);

/// Under both managers: always one process of each program, of the version that is installed.
fn case_03_what_runs_after_a_script_has_failed(suite: Suite) {
    let session = system(suite, &[]);
    for version in ["split", "blue"] {
        tap(&session, &beacons(suite)[version], version, &format!("/var/tmp/{version}.deb"));
    }
    let system = Booted::new(session);
    system.until(LIMIT, "supervisorctl status; test $? != 4");
    let dpkg = |command: &str, failing: &str| {
        system.ok(&format!("rm -f /var/tmp/fails* && for script in {failing}; do touch /var/tmp/fails-$script; done"));
        system.run(&format!("dpkg {command} <&- 2>&1")).status
    };
    let colour = |program: &str| system.ok(&format!("tail -n1 /var/lib/beacon/starts.{program}")).stdout;
    let one_of_each = |colours: &str| {
        system.ok("appctl service status beacon && test $(running web) = 1 && test $(running worker) = 1");
        system.ok("supervisorctl status beacon:worker | grep RUNNING && systemctl is-active beacon-web");
        system.ok(&ask(8000));
        assert!(["web", "worker"].iter().all(|program| colour(program).contains(colours)), "{colours} expected");
        (starts(&system, "web"), starts(&system, "worker"))
    };
    assert_eq!(dpkg("-i /var/tmp/split.deb", ""), 0);
    assert_eq!(one_of_each("red"), (1, 1));
    // Given up before anything of the new version is there: as policy has it for services,
    // abort-upgrade starts them anew.
    for (at, failing) in (2..).zip(["blue-preinst-upgrade", "split-prerm-upgrade blue-prerm-failed-upgrade"]) {
        assert_eq!(dpkg("-i /var/tmp/blue.deb", failing), 1, "{failing}");
        assert_eq!(one_of_each("red"), (at, at), "{failing}");
    }
    // An old prerm that fails keeps nothing of the upgrade from being done, once.
    assert_eq!(dpkg("-i /var/tmp/blue.deb", "split-prerm-upgrade"), 0);
    assert_eq!(one_of_each("blue"), (4, 4));
    // Removal given up after the programs have been stopped.
    assert_eq!(dpkg("--remove beacon", "blue-prerm-remove"), 1);
    assert_eq!(one_of_each("blue"), (5, 5));
    // Stopped stays stopped, whatever fails.
    system.ok("appctl service stop beacon worker");
    assert_eq!(dpkg("-i /var/tmp/split.deb", "blue-prerm-upgrade split-preinst-upgrade"), 1);
    system.ok("test $(running worker) = 0 && test $(running web) = 1");
    assert_eq!(dpkg("-i /var/tmp/split.deb", "blue-prerm-upgrade"), 0);
    system.ok("test $(running worker) = 0 && test $(running web) = 1");
    assert!(colour("web").contains("red"));
    assert_eq!(dpkg("--remove beacon", ""), 0);
    system.ok("test $(running) = 0");
}

fn case_04_each_program_starts_once_and_what_is_stopped_stays_so(suite: Suite) {
    let system = booted(suite, &["split", "split-again", "blue", "blue-again"]);
    system.ok(
        "printf '[program:other]\\ncommand=sleep 9999\\n' >/etc/supervisor/conf.d/other.conf && supervisorctl update other",
    );
    let other = "supervisorctl pid other";
    let others = system.ok(other).stdout;
    system.ok("dpkg -i /var/tmp/split.deb <&-");
    // Serving, and RUNNING, when the installation ends; not later.
    system.ok(&ask(8000));
    system.ok("appctl service status beacon && systemctl is-enabled beacon-web.service");
    system.ok("supervisorctl status beacon:worker | grep RUNNING");
    assert_eq!((starts(&system, "web"), starts(&system, "worker")), (1, 1));
    // Case 5: the same of everything under both, and both are the venv's Python.
    let line = |program: &str| {
        let text = system.ok(&format!("tail -n1 /var/lib/beacon/starts.{program}")).stdout;
        text.trim().split_once(' ').unwrap().1.to_owned()
    };
    assert_eq!(line("web"), "/usr/lib/beacon/venv /usr/share 0o27 red, % green");
    assert_eq!(line("web"), line("worker"));
    // Case 6: it answers under its hardening.
    system.ok("systemd-analyze security --threshold=15 beacon-web.service");
    // Code alone, then configuration.
    system.ok("dpkg -i /var/tmp/split-again.deb <&-");
    assert_eq!((starts(&system, "web"), starts(&system, "worker")), (2, 2));
    system.ok("dpkg -i /var/tmp/blue.deb <&-");
    assert_eq!((starts(&system, "web"), starts(&system, "worker")), (3, 3));
    assert_eq!(line("worker"), "/usr/lib/beacon/venv /usr/share 0o27 blue, % green");
    // Stopped stays stopped; one of them alone, too, and over a change of its configuration.
    system.ok("appctl service stop beacon");
    system.ok("dpkg -i /var/tmp/blue-again.deb <&-");
    system.fails(3, "appctl service status beacon");
    assert_eq!((starts(&system, "web"), starts(&system, "worker")), (3, 3));
    system.ok("test $(running) = 0");
    system.ok("appctl service start beacon web && appctl service status beacon web && test $(running worker) = 0");
    system.ok("printf 'stopasgroup=true\\n' >>/etc/supervisor/conf.d/other.conf && dpkg -i /var/tmp/split.deb <&-");
    system.ok("test $(running worker) = 0 && test $(running web) = 1");
    assert_eq!(starts(&system, "web"), 5);
    assert_eq!(system.ok(other).stdout, others, "another's change has been taken over");
    system.ok("dpkg -i /var/tmp/blue-again.deb <&- && appctl service stop beacon web");
    // A restart starts what is stopped, under both.
    system.ok("appctl service restart beacon && test $(running web) = 1 && test $(running worker) = 1");
    system.ok(
        "appctl service status beacon && appctl --json service stop beacon worker | grep '\"action\": *\"stopped\"'",
    );
    system.ok("appctl service start beacon worker && appctl service status beacon");
    assert_eq!(system.ok(other).stdout, others, "another group has restarted");
    // Disabled stays so over an upgrade and a start of the manager, and stands in the configuration.
    system.ok("appctl service disable beacon && dpkg -i /var/tmp/blue.deb <&- && systemctl restart supervisor");
    system.until(LIMIT, "supervisorctl status other | grep RUNNING");
    system.ok("test $(running) = 0 && ! systemctl is-enabled beacon-web.service");
    system.ok("grep -A1 'program:beacon_worker' /etc/supervisor/conf.d/*.disabled.conf | grep 'autostart = false'");
    // The other one alone is allowed again.
    system.ok("appctl service enable beacon worker && ! systemctl is-enabled beacon-web.service");
    system.ok("! test -e /etc/beacon/supervisord-disabled.conf");
    system.ok("appctl service enable beacon && appctl service start beacon && appctl service status beacon");
    let others = system.ok(other).stdout;
    // Removed, and another package's file is at fault.
    system.ok("printf '[program:bad]\\nuser=nobody-at-all\\ncommand=x\\n\\n[group:beacon]\\nprograms=bad\\n' \
         >/etc/supervisor/conf.d/bad.conf");
    system.ok("dpkg -r beacon <&- && test $(running) = 0 && ! test -L /etc/supervisor/conf.d/beacon.conf");
    system.ok("! supervisorctl status 2>&1 | grep beacon");
    // With it, an installation ends well, and says so.
    let said = system.ok("dpkg -i /var/tmp/blue-again.deb <&- 2>&1").stdout;
    assert!(said.contains("takes no change of group beacon") && said.contains("bad.conf"), "{said}");
    assert!(said.contains("conf.d/bad.conf has a section [group:beacon], too"), "{said}");
    assert_eq!(system.ok(other).stdout, others);
    system.ok("rm /etc/supervisor/conf.d/bad.conf && dpkg --purge beacon <&-");
    system.ok("test $(running) = 0 && ! ls -d /etc/beacon /var/log/beacon /var/cache/beacon /var/lib/appctl/beacon");
    system.ok("! find /etc/systemd /etc/supervisor /var/lib/systemd/deb-systemd-helper-enabled | grep beacon");
}

fn case_04_without_a_manager_nothing_fails_and_nothing_starts(suite: Suite) {
    let session = system(suite, &["auto", "split"]);
    session.ok("dpkg -i /var/tmp/split.deb <&- && test -L /etc/supervisor/conf.d/beacon.conf");
    session.ok("! test -e /var/lib/beacon/starts.web && appctl service stop beacon");
    session.ok("test -L /etc/systemd/system/multi-user.target.wants/beacon-web.service");
    // Nobody is there to do what a person asks for.
    let said = session.fails(1, "appctl service start beacon web 2>&1").stdout;
    assert!(said.contains("'web' of package beacon is not started: systemd does not run here"), "{said}");
    let said = session.fails(1, "appctl service restart beacon worker 2>&1").stdout;
    assert!(said.contains("no supervisord answers"), "{said}");
    // A link that an administrator has removed stays away; another's file of that name is not touched.
    session.ok("rm /etc/supervisor/conf.d/beacon.conf && dpkg -i /var/tmp/split.deb <&-");
    session.ok("! test -e /etc/supervisor/conf.d/beacon.conf");
    session.ok("dpkg --purge beacon <&- && echo mine >/etc/supervisor/conf.d/beacon.conf");
    let said = session.ok("dpkg -i /var/tmp/split.deb <&- 2>&1").stdout;
    assert!(said.contains("/etc/supervisor/conf.d/beacon.conf is no link"), "{said}");
    session.ok("grep mine /etc/supervisor/conf.d/beacon.conf && rm /etc/supervisor/conf.d/beacon.conf");
    // Unpacked and then removed: only the postrm has run.
    session.ok("dpkg --unpack /var/tmp/split.deb <&- && dpkg -r beacon <&- && dpkg -i /var/tmp/split.deb <&-");
    session.ok("test -L /etc/supervisor/conf.d/beacon.conf");
    // Another root is enabled there, and nothing is asked of this machine.
    session.ok("mkdir -p /var/tmp/other/sbin && ln -s /lib/systemd/systemd /var/tmp/other/sbin/init");
    session.ok("dpkg-deb -x /var/tmp/auto.deb /var/tmp/other && appctl --root=/var/tmp/other service converge beacon");
    session.ok("test -L /var/tmp/other/etc/systemd/system/multi-user.target.wants/beacon-worker.service");
    session.ok("! test -e /etc/systemd/system/multi-user.target.wants/beacon-worker.service");
    session.ok("appctl --root=/var/tmp/other service disable beacon worker");
    session.ok("! test -L /var/tmp/other/etc/systemd/system/multi-user.target.wants/beacon-worker.service");
    // supervisord takes no change of any package while one names an account that is not there.
    session.ok("mkdir -p /var/tmp/bare/etc/supervisor/conf.d /var/tmp/bare/usr/bin && dpkg-deb -x /var/tmp/auto.deb /var/tmp/bare");
    session.ok("touch /var/tmp/bare/usr/bin/supervisord && grep -v ^beacon: /etc/passwd >/var/tmp/bare/etc/passwd");
    let converge = "appctl --root=/var/tmp/bare service converge beacon 2>&1";
    let said = session.ok(converge).stdout;
    assert!(said.contains("supervisord does not get its programs: the account beacon is missing"), "{said}");
    session.ok("! test -e /var/tmp/bare/etc/supervisor/conf.d/beacon.conf");
    session.ok("cp /etc/passwd /var/tmp/bare/etc/passwd && mkdir -p /var/tmp/bare/var/log/supervisor");
    session.ok(&format!("{converge} && test -L /var/tmp/bare/etc/supervisor/conf.d/beacon.conf"));
    session.ok("dpkg --purge beacon <&- && ! test -L /etc/supervisor/conf.d/beacon.conf && ! test -e /etc/beacon");
    // policy-rc.d says no to a running one.
    let system = Booted::new(session);
    system.ok("printf '#!/bin/sh\\nexit 101\\n' >/usr/sbin/policy-rc.d && chmod +x /usr/sbin/policy-rc.d");
    system.until(LIMIT, "supervisorctl status; test $? != 4");
    system.ok("dpkg -i /var/tmp/split.deb <&- && sleep 2 && ! test -e /var/lib/beacon/starts.web");
    // Nor does it let a removal stop anything; a person is not bound by it.
    system.ok("! test -e /var/lib/beacon/starts.worker && appctl service start beacon && test $(running) = 2");
    system.ok("dpkg -r beacon <&- && test $(running) = 2 && systemctl stop beacon-web && supervisorctl stop beacon:*");
    system.ok("dpkg --purge beacon <&- && rm -r /usr/sbin/policy-rc.d /var/lib/beacon && test $(running) = 0");
    system.ok("supervisorctl update beacon");
    // supervisord is masked, and then not there at all: what it would run waits.
    system.ok("systemctl mask --now supervisor && dpkg -i /var/tmp/split.deb <&-");
    assert_eq!((starts(&system, "web"), starts(&system, "worker")), (1, 0));
    system.ok("systemctl unmask supervisor && systemctl start supervisor");
    system.until(LIMIT, "test $(running worker) = 1");
}

fn case_04_a_program_that_does_not_come_up_is_named_with_its_last_lines(suite: Suite) {
    let system = booted(suite, &["deaf", "deaf-fails", "deaf-fails-too", "dies", "picky", "split"]);
    let said = system.ok("dpkg -i /var/tmp/dies.deb <&- 2>&1").stdout;
    for name in ["one", "two"] {
        assert!(said.contains(&format!("'{name}' of package beacon")), "{name}: {said}");
        assert!(said.contains(&format!("\t{name}: there is no such module")), "{name}: {said}");
    }
    // Both managers go on trying, each at its own moments.
    let shown = system.fails(3, "appctl service status beacon").stdout;
    assert!(["STARTING", "BACKOFF", "FATAL"].iter().any(|word| shown.contains(word)), "{shown}");
    let said = system.fails(1, "appctl service restart beacon two 2>&1").stdout;
    assert!(said.contains("there is no such module"), "{said}");
    // One that runs and does not serve; at first with a warning, then as a failure of the installation.
    let said = system.ok("dpkg -i /var/tmp/deaf.deb <&- 2>&1").stdout;
    assert!(said.contains("'web' of package beacon has started and does not serve"), "{said}");
    assert!(said.contains("\tweb begins"), "{said}");
    for version in ["deaf-fails", "deaf-fails-too"] {
        let output = system.run(&format!("dpkg -i /var/tmp/{version}.deb <&- 2>&1"));
        assert!(!output.success() && output.stdout.contains("does not serve"), "{version}: {}", output.dump());
        system.ok("dpkg -s beacon | grep -q 'half-configured'");
    }
    // Where the first of two does not come up, the other goes on as it was.
    system.ok("dpkg -i /var/tmp/picky.deb <&- && appctl service status beacon && test $(running) = 4");
    let second = "systemctl show -p MainPID --value beacon-web@1 && supervisorctl pid beacon:worker_1";
    let before = system.ok(second).stdout;
    let said = system.ok("touch /var/lib/beacon/no-first && dpkg -i /var/tmp/picky.deb <&- 2>&1").stdout;
    for (name, unit) in [("web", "beacon-web@0.service"), ("worker", "worker_0")] {
        assert!(said.contains(&format!("'{name}'")) && said.contains(unit), "{said}");
    }
    assert_eq!(system.ok(second).stdout, before, "{said}");
    system.ok("rm /var/lib/beacon/no-first && dpkg -i /var/tmp/picky.deb <&- && appctl service status beacon");
    assert_ne!(system.ok(second).stdout, before);
    // Put right by the next version, which dpkg then configures.
    system.ok("dpkg -i /var/tmp/split.deb <&- && appctl service status beacon");
    system.ok("test $(running web) = 1 && test $(running worker) = 1 && test $(running) = 2");
}

fn case_11_programs_move_between_the_backends(suite: Suite) {
    let system = booted(suite, &["split", "units", "fragment", "three", "one-moved"]);
    system.ok("dpkg -i /var/tmp/split.deb <&-");
    system.ok("dpkg -i /var/tmp/units.deb <&-");
    system.ok("systemctl is-active beacon-worker && ! supervisorctl status 2>&1 | grep beacon");
    system.ok("! test -L /etc/supervisor/conf.d/beacon.conf && test $(running) = 2");
    assert_eq!((starts(&system, "web"), starts(&system, "worker")), (2, 2));
    system.ok("dpkg -i /var/tmp/fragment.deb <&-");
    system.ok("supervisorctl status beacon:worker beacon:web && test $(running) = 2");
    system.ok("! systemctl is-active beacon-worker beacon-web && ! find /etc/systemd | grep beacon");
    assert_eq!((starts(&system, "web"), starts(&system, "worker")), (3, 3));
    // One of them becomes three, and is not stopped by that.
    system.ok("dpkg -i /var/tmp/three.deb <&- && supervisorctl status beacon:worker_00 beacon:worker_02 beacon:web");
    assert_eq!((starts(&system, "web"), starts(&system, "worker")), (4, 6));
    // One of a group moves, the others stay: it never runs twice.
    system.ok("dpkg -i /var/tmp/one-moved.deb <&- && appctl service status beacon");
    assert_eq!((starts(&system, "web"), starts(&system, "worker")), (5, 9));
    system.ok("test $(running web) = 1 && test $(running worker) = 3");
    system.ok("dpkg -i /var/tmp/three.deb <&- && appctl service status beacon");
    assert_eq!(starts(&system, "web"), 6);
    system.ok("test $(running web) = 1 && test $(running worker) = 3");
}

/// That so many processes of each run; where not, what does and what the managers say.
#[track_caller]
fn assert_running(system: &Booted, worker: usize, web: usize) {
    let count = |program: &str| system.ok(&format!("running {program}")).stdout.trim().to_owned();
    let found = (count("worker"), count("web"));
    if found != (worker.to_string(), web.to_string()) {
        let state = system.run(
            "for process in /proc/[0-9]*; do echo \"$process $(tr '\\0' ' ' <$process/cmdline)\"; done
             supervisorctl status || true
             systemctl list-units --no-pager 'beacon*'
             journalctl --no-pager -n 60",
        );
        panic!("{worker} and {web} processes expected, {found:?} found\n{}", state.dump());
    }
}

fn case_11_what_is_stopped_or_disabled_stays_so_on_the_other_side(suite: Suite) {
    let system = booted(suite, &["split", "units", "fragment", "three", "pair"]);
    let install = |version: &str| system.ok(&format!("dpkg -i /var/tmp/{version}.deb <&- 2>&1")).stdout;
    install("split");
    // From supervisord to systemd and back, disabled; the other program goes on.
    system.ok("appctl service disable beacon worker");
    install("units");
    assert_running(&system, 0, 1);
    system.ok("! systemctl is-enabled beacon-worker");
    system.ok("! test -e /etc/beacon/supervisord-disabled.conf");
    install("units");
    assert_running(&system, 0, 1);
    system.ok("! systemctl is-enabled beacon-worker");
    install("fragment");
    assert_running(&system, 0, 1);
    system.ok("grep -A1 'program:beacon_worker' /etc/supervisor/conf.d/*.disabled.conf | grep 'autostart = false'");
    system.ok("systemctl restart supervisor");
    system.until(LIMIT, "supervisorctl status beacon:web | grep RUNNING");
    assert_running(&system, 0, 1);
    assert_eq!(starts(&system, "worker"), 1);
    // Enabled again, and stopped: in both directions, and with other processes.
    system
        .ok("appctl service enable beacon && appctl service start beacon worker && appctl service stop beacon worker");
    install("units");
    system.ok("systemctl is-enabled beacon-worker");
    assert_running(&system, 0, 1);
    install("three");
    assert_running(&system, 0, 1);
    system.ok("appctl service start beacon worker");
    assert_running(&system, 3, 1);
    system.ok("appctl service stop beacon worker");
    install("fragment");
    assert_running(&system, 0, 1);
    // One under systemd becomes two with a socket: neither is enabled nor started.
    install("units");
    system.ok("appctl service disable beacon web");
    install("pair");
    system.ok("test $(running web) = 0 && ! systemctl is-active beacon-web.socket beacon-web@0");
    system.ok("! find /etc/systemd/system -name 'beacon-web*' | grep .");
    system.ok("appctl service enable beacon && appctl service start beacon && appctl service status beacon");
}
