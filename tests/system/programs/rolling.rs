//! The example under load: two gunicorn processes restart one after the other
//! while a client asks 200 times a second.

use serde_json::Value;

use super::{LIMIT, system};
use crate::harness::{Booted, Suite};
use crate::on_suites;
use crate::package::{Source, built};

on_suites!(
    both: [],
    bookworm: [],
    trixie: [a_rolling_restart_loses_no_request_with_a_socket],
);

/// What the client saw while `command` ran.
#[expect(clippy::print_stdout, reason = "the figures are for the log")]
fn under_load(system: &Booted, what: &str, port: u16, command: &str) -> Value {
    let log = if port == 8001 { "/var/log/supervisor/supervisord.log" } else { "" };
    let output = system.ok(&format!(
        "rm -f /tmp/enough
        python3 /var/tmp/rolling.py http://127.0.0.1:{port}/health 200 /tmp/enough {log} >/tmp/result &
        sleep 1; {command} >/tmp/said 2>&1 && ended=0 || ended=$?; sleep 1; touch /tmp/enough; wait
        cat /tmp/result; [ $ended = 0 ] || {{ cat /tmp/said >&2; exit 1; }}"
    ));
    println!("{what}: {}", output.stdout.trim());
    let seen: Value = serde_json::from_str(&output.stdout).unwrap();
    // The client itself had the time to send them.
    assert!(seen["rate"].as_u64().unwrap() >= 190 && seen["sent"].as_u64().unwrap() > 400, "{seen}");
    seen
}

fn a_rolling_restart_loses_no_request_with_a_socket(suite: Suite) {
    let notes = built(suite, "example flask", || Source::example("flask", "notes"));
    let session = system(suite, &[]);
    session.install(&[notes.deb(), notes.package("notes-supervisord")]);
    session.copy_in(notes.deb(), "/var/tmp/notes.deb");
    session.copy_in(notes.package("notes-supervisord"), "/var/tmp/notes-supervisord.deb");
    session.write("/var/tmp/rolling.py", include_str!("rolling.py"));
    let system = Booted::new(session);
    system.until(LIMIT, "appctl service status notes && appctl service status notes-supervisord");
    system.until(LIMIT, "/usr/bin/notes check-health");
    // It serves under its hardening, in both of its processes.
    system.ok("systemd-analyze security --threshold=15 notes@0.service notes@1.service");
    let started = "systemctl show -p ExecMainStartTimestampMonotonic --value notes@0 notes@1";
    let before = system.ok(started).stdout;
    let seen = under_load(&system, "appctl service restart, with a socket", 8000, "appctl service restart notes");
    assert_eq!(seen["failed"], 0, "{seen}");
    let after = system.ok(started).stdout;
    for (old, new) in before.split_whitespace().zip(after.split_whitespace()) {
        assert_ne!(old, new, "not restarted");
    }
    // Without one: what was in a process's hands, or in its queue, while it ended, and then of the other.
    let pids = "supervisorctl status 'notes-supervisord:*' | grep -o 'pid [0-9]*'";
    let before = system.ok(pids).stdout;
    let restart = "appctl service restart notes-supervisord";
    let seen = under_load(&system, "appctl service restart, without a socket", 8001, restart);
    assert_eq!((seen["ends"].as_object().unwrap().len(), &seen["others"]), (2, &0.into()), "{seen}");
    assert_eq!(seen["apart"], true, "{seen}");
    // What one that ends has in its hands and its queue: few, where the machine lets it end at once.
    // Somebody always listened.
    for end in seen["ends"].as_object().unwrap().values() {
        let (failed, seconds) = (end["failed"].as_u64().unwrap(), end["seconds"].as_f64().unwrap());
        assert!(seconds > 1.0 || failed <= 10, "{seen}");
    }
    assert!(!seen["faults"].to_string().contains("ConnectionRefused"), "{seen}");
    assert_eq!(before.lines().count(), 2, "{before}");
    assert!(system.ok(pids).stdout.lines().all(|line| !before.contains(line)), "not restarted");
    // In an upgrade files change before the restart: measured, and not promised.
    for (package, port) in [("notes", 8000), ("notes-supervisord", 8001)] {
        let upgrade = format!("dpkg -i /var/tmp/{package}.deb <&-");
        under_load(&system, &format!("upgrade of {package}"), port, &upgrade);
        system.ok(&format!("appctl service status {package}"));
    }
}
