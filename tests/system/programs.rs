//! Programs of an installed package under a real systemd and a real supervisord
//! of the suite: each starts once, what an administrator has decided stays so, a
//! program moves between the two, and nothing of it is left at the end.
//!
//! `beacon` runs Python under both; each start of a program writes a line.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

use crate::harness::{Booted, Kind, Session, Suite, repository};
use crate::on_both_suites;

on_both_suites!(
    case_04_each_program_starts_once_and_what_is_stopped_stays_so,
    case_04_without_a_manager_nothing_fails_and_nothing_starts,
    case_11_a_program_moves_between_the_backends,
    a_program_that_does_not_serve_fails_the_installation_where_it_shall,
);

const LIMIT: Duration = Duration::from_secs(20);

/// A program that notes each of its starts, then serves.
const PROGRAM: &str = r#"#!/usr/bin/python3
import http.server, os, sys, time
with open("/var/lib/beacon/starts." + sys.argv[1], "a") as file:
    print(os.getpid(), os.getcwd(), oct(os.umask(0o27)), os.environ.get("COLOUR"), file=file)
if sys.argv[1] == "web":
    http.server.ThreadingHTTPServer(("127.0.0.1", 8000), http.server.SimpleHTTPRequestHandler).serve_forever()
while True:
    time.sleep(60)
"#;

fn description(web: &str, worker: &str, more: &str) -> String {
    let program = |name: &str, backend: &str| {
        format!(
            "[program:{name}]\ncommand = /usr/bin/beacon {name}\ndirectory = /usr/share\nuser = beacon\n\
             environment = COLOUR=\"red, %% green\"\n\n[x-program:{name}]\nbackend = {backend}\n"
        )
    };
    let health = "health = http://127.0.0.1:8000/\n";
    format!("[x-supervisord]\nformat = 1\n\n{}{health}{more}\n{}", program("web", web), program("worker", worker))
}

/// Builds `beacon` with dh and the helper of this tree.
fn beacon(directory: &Path, version: &str, description: &str) -> PathBuf {
    let source = directory.join(format!("beacon-{version}"));
    let debian = source.join("debian");
    fs::create_dir_all(&debian).unwrap();
    let write = |path: PathBuf, text: &str| fs::write(path, text).unwrap();
    write(source.join("beacon"), PROGRAM);
    write(
        debian.join("control"),
        "Source: beacon\nMaintainer: A <a@example.org>\nRules-Requires-Root: no\n\
         Build-Depends: debhelper-compat (= 13), dh-sequence-supervisord\n\n\
         Package: beacon\nArchitecture: all\nDepends: ${misc:Depends}\nDescription: beacon\n Beacon.\n",
    );
    let dated = "-- A <a@example.org>  Sat, 21 Nov 2026 04:00:00 +0000";
    write(debian.join("changelog"), &format!("beacon ({version}) unstable; urgency=low\n\n  * x\n\n {dated}\n"));
    write(debian.join("install"), "beacon usr/bin\n");
    write(debian.join("beacon.supervisord"), description);
    fs::set_permissions(source.join("beacon"), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let programs = Path::new(env!("CARGO_BIN_EXE_dh_supervisord")).parent().unwrap();
    host(
        Command::new("dh")
            .arg("binary")
            .current_dir(&source)
            .env("PERL5LIB", repository().join("share/perl5"))
            .env("PATH", format!("{}:/usr/sbin:/usr/bin:/sbin:/bin", programs.display())),
    );
    directory.join(format!("beacon_{version}_all.deb"))
}

fn host(command: &mut Command) {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}\n{}", String::from_utf8_lossy(&output.stderr));
}

/// A system with supervisor and appctl, and each package at /var/tmp.
fn system(suite: Suite, packages: &[(&str, String)]) -> Session {
    static MADE: [OnceLock<Session>; 2] = [const { OnceLock::new() }; 2];
    let made = MADE[suite as usize].get_or_init(|| {
        let session = Session::new(suite, Kind::Run);
        session.ok("apt-get install -qq -y -o Dpkg::Use-Pty=0 systemd-sysv dbus supervisor");
        session.copy_in(Path::new(env!("CARGO_BIN_EXE_appctl")), "/usr/bin/appctl");
        // The package's name, for the dependency of the others.
        session.ok("mkdir -p /tmp/e/DEBIAN && cd /tmp/e && printf '%s\\n' 'Package: appctl' 'Version: 1' \
            'Architecture: all' 'Maintainer: x <x@x.invalid>' 'Description: by hand' >DEBIAN/control
            dpkg-deb -b . /tmp/e.deb && dpkg -i /tmp/e.deb");
        session.ok(RUNNING);
        session
    });
    let session = made.fork();
    let directory = tempfile::tempdir().unwrap();
    for (version, description) in packages {
        let deb = beacon(directory.path(), version, description);
        session.copy_in(&deb, &format!("/var/tmp/{version}.deb"));
    }
    session
}

fn starts(system: &Booted, program: &str) -> usize {
    system.ok(&format!("cat /var/lib/beacon/starts.{program} 2>/dev/null || true")).stdout.lines().count()
}

/// `running`: how many processes of the package there are.
const RUNNING: &str = "cat >/usr/local/bin/running <<'E'
#!/bin/sh
grep -zlx '/usr/bin/beac[o]n' /proc/[0-9]*/cmdline 2>/dev/null | wc -l
E
chmod +x /usr/local/bin/running";

const WEB: &str = "python3 -c 'import urllib.request as u; u.urlopen(\"http://127.0.0.1:8000/\")'";

fn case_04_each_program_starts_once_and_what_is_stopped_stays_so(suite: Suite) {
    let same = description("systemd", "supervisord", "");
    let changed = same.replace("red, %%", "blue, %%");
    let session = system(suite, &[("1", same.clone()), ("2", same), ("3", changed.clone()), ("4", changed)]);
    let system = Booted::new(session);
    system.until(LIMIT, "supervisorctl status; test $? != 4");
    system.ok("printf '[program:other]\\ncommand=sleep 9999\\n' >/etc/supervisor/conf.d/other.conf && supervisorctl update other");
    let other = "supervisorctl pid other";
    let others = system.ok(other).stdout;
    system.ok("dpkg -i /var/tmp/1.deb <&-");
    system.ok(WEB);
    assert_eq!((starts(&system, "web"), starts(&system, "worker")), (1, 1));
    system.until(LIMIT, "appctl service status beacon && systemctl is-enabled beacon-web.service");
    // The same of everything under both, but for what the managers themselves add.
    let line = |program: &str| {
        let text = system.ok(&format!("tail -n1 /var/lib/beacon/starts.{program}")).stdout;
        text.trim().split_once(' ').unwrap().1.to_owned()
    };
    assert_eq!(line("web"), "/usr/share 0o27 red, % green");
    assert_eq!(line("web"), line("worker"));
    // Code alone, then configuration.
    system.ok("dpkg -i /var/tmp/2.deb <&-");
    assert_eq!((starts(&system, "web"), starts(&system, "worker")), (2, 2));
    system.ok("dpkg -i /var/tmp/3.deb <&-");
    assert_eq!((starts(&system, "web"), starts(&system, "worker")), (3, 3));
    assert_eq!(line("worker"), "/usr/share 0o27 blue, % green");
    // Stopped stays stopped.
    system.ok("appctl service stop beacon");
    system.ok("dpkg -i /var/tmp/4.deb <&-");
    system.fails(3, "appctl service status beacon");
    assert_eq!(starts(&system, "web"), 3);
    system.ok("test $(running) = 0");
    system.ok("appctl service start beacon && appctl service status beacon");
    assert_eq!(system.ok(other).stdout, others, "another group has restarted");
    // Disabled stays so over an upgrade and a start of the manager.
    system.ok("appctl service disable beacon && dpkg -i /var/tmp/3.deb <&- && systemctl restart supervisor");
    system.until(LIMIT, "supervisorctl status other | grep RUNNING");
    system.ok("test $(running) = 0 && ! systemctl is-enabled beacon-web.service");
    system.ok("appctl service enable beacon && appctl service start beacon && appctl service status beacon");
    let others = system.ok(other).stdout;
    // Removed, and another package's file is at fault.
    system.ok("printf '[program:bad]\\nuser=nobody-at-all\\ncommand=x\\n' >/etc/supervisor/conf.d/bad.conf");
    system.ok("dpkg -r beacon <&- && test $(running) = 0 && ! test -L /etc/supervisor/conf.d/beacon.conf");
    system.ok("! supervisorctl status 2>&1 | grep beacon");
    // With it, an installation ends well, and says so.
    let said = system.ok("dpkg -i /var/tmp/4.deb <&- 2>&1").stdout;
    assert!(said.contains("takes no change of group beacon"), "{said}");
    assert_eq!(system.ok(other).stdout, others);
    system.ok("rm /etc/supervisor/conf.d/bad.conf && dpkg --purge beacon <&-");
    system.ok("test $(running) = 0 && ! ls -d /etc/beacon /var/log/beacon /var/cache/beacon /var/lib/appctl/beacon");
    system.ok("! find /etc/systemd /etc/supervisor /var/lib/systemd/deb-systemd-helper-enabled | grep beacon");
}

fn case_04_without_a_manager_nothing_fails_and_nothing_starts(suite: Suite) {
    let session = system(suite, &[("1", description("systemd", "supervisord", ""))]);
    session.ok("dpkg -i /var/tmp/1.deb <&- && test -L /etc/supervisor/conf.d/beacon.conf");
    session.ok("! test -e /var/lib/beacon/starts.web && appctl service stop beacon");
    session.ok("test -L /etc/systemd/system/multi-user.target.wants/beacon-web.service");
    session.ok("dpkg --purge beacon <&- && ! test -L /etc/supervisor/conf.d/beacon.conf && ! test -e /etc/beacon");
    // policy-rc.d says no to a running one.
    let system = Booted::new(session);
    system.ok("printf '#!/bin/sh\\nexit 101\\n' >/usr/sbin/policy-rc.d && chmod +x /usr/sbin/policy-rc.d");
    system.until(LIMIT, "supervisorctl status; test $? != 4");
    system.ok("dpkg -i /var/tmp/1.deb <&- && sleep 2 && ! test -e /var/lib/beacon/starts.web");
    system.ok("! test -e /var/lib/beacon/starts.worker");
}

fn case_11_a_program_moves_between_the_backends(suite: Suite) {
    let there = description("systemd", "supervisord", "");
    let here = description("systemd", "systemd", "");
    let back = description("supervisord", "supervisord", "");
    let system = Booted::new(system(suite, &[("1", there), ("2", here), ("3", back)]));
    system.until(LIMIT, "supervisorctl status; test $? != 4");
    system.ok("dpkg -i /var/tmp/1.deb <&-");
    system.ok("dpkg -i /var/tmp/2.deb <&-");
    system.ok("systemctl is-active beacon-worker && ! supervisorctl status 2>&1 | grep beacon");
    system.ok("! test -L /etc/supervisor/conf.d/beacon.conf && test $(running) = 2");
    assert_eq!((starts(&system, "web"), starts(&system, "worker")), (2, 2));
    system.ok("dpkg -i /var/tmp/3.deb <&-");
    system.ok("supervisorctl status beacon:worker beacon:web && test $(running) = 2");
    system.ok("! systemctl is-active beacon-worker beacon-web && ! find /etc/systemd | grep beacon");
    assert_eq!((starts(&system, "web"), starts(&system, "worker")), (3, 3));
}

fn a_program_that_does_not_serve_fails_the_installation_where_it_shall(suite: Suite) {
    let deaf =
        |more: &str| description("systemd", "systemd", &format!("health-deadline = 2\n{more}")).replace("8000", "8001");
    let system = Booted::new(system(suite, &[("1", deaf("")), ("2", deaf("on-failure = fail\n"))]));
    let said = system.ok("dpkg -i /var/tmp/1.deb <&- 2>&1").stdout;
    assert!(said.contains("'web' of package beacon has started and does not serve"), "{said}");
    let output = system.run("dpkg -i /var/tmp/2.deb <&- 2>&1");
    assert!(!output.success(), "{}", output.dump());
    system.ok("dpkg -s beacon | grep -q 'half-configured'");
}
