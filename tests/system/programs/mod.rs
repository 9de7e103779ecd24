//! Programs of installed packages under a real systemd and a real supervisord of
//! the suite.
//!
//! `beacon` is a package whose programs run Python from a venv that dh_venv has
//! built. It is built once a suite, in one version for each way of describing
//! its programs; the tests install one after another.

mod cases;
mod chaos;
mod cost;
mod exposure;
mod forty;
mod hostile;
mod live;
mod rolling;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::OnceLock;
use std::time::Duration;

use crate::configuration::runtime;
use crate::harness::{Booted, Kind, Session, Suite};
use crate::package::{Source, copy_debs, workshop};

const LIMIT: Duration = Duration::from_secs(20);

const HEAD: &str = "[x-supervisord]\nformat = 1\n\n";

/// A program's section, and the beginning of its `[x-program]`.
fn program(name: &str, arguments: &str, backend: &str) -> String {
    format!(
        "[program:{name}]\ncommand = /usr/lib/beacon/venv/bin/beacon {name} {arguments}\ndirectory = /usr/share\n\
         user = beacon\nenvironment = COLOUR=\"red, %% green\"\n\n[x-program:{name}]\nbackend = {backend}\n"
    )
}

fn both(web: &str, worker: &str) -> String {
    let health = "health = http://127.0.0.1:8000/\n";
    format!("{HEAD}{}{health}\n{}", program("web", "web 8000", web), program("worker", "work", worker))
}

/// Two of a program behind one socket, ready when they say so.
fn pair(port: u16) -> String {
    format!(
        "{HEAD}{}instances = 2\nnotify = yes\nhealth = http://127.0.0.1:{port}/\n\n\
         [x-socket:web]\nlisten = 127.0.0.1:{port}\n",
        program("web", "passed 3 0.2", "systemd")
    )
}

fn three(web: &str) -> String {
    let workers = program("worker", "work", "supervisord");
    format!("{HEAD}{workers}instances = 3\n\n{}", program("web", "web 8000", web))
}

/// Two processes each, that may be told apart.
fn picky() -> String {
    let two = |name: &str, backend: &str| {
        let numbers = "numprocs = 2\nprocess_name = %(program_name)s_%(process_num)d\n\n[x-program";
        program(name, "picky %(process_num)d", backend).replacen("\n[x-program", numbers, 1)
    };
    format!("{HEAD}{}\n{}", two("web", "systemd"), two("worker", "supervisord"))
}

/// The versions, by their names: each is a way to describe the programs.
fn descriptions() -> BTreeMap<&'static str, String> {
    let deaf = |more: &str| {
        let health = "health = http://127.0.0.1:8001/\nhealth-deadline = 2\n";
        format!("{HEAD}{}{health}{more}", program("web", "web 8000", "systemd"))
    };
    let listener = "[eventlistener:ears]\ncommand = /usr/lib/beacon/venv/bin/beacon ears events\nuser = beacon\n\
         events = PROCESS_STATE\n\n";
    let fcgi = "[fcgi-program:page]\nsocket = tcp://127.0.0.1:8002\n\
         command = /usr/lib/beacon/venv/bin/beacon page passed 0 0\nuser = beacon\nnumprocs = 2\n\
         process_name = %(program_name)s_%(process_num)02d\n\n";
    let logs =
        "stdout_logfile = /var/log/beacon/web.log\nstdout_logfile_maxbytes = 1KB\nredirect_stderr = true\n\n[x-program";
    let blue = || both("systemd", "supervisord").replace("red, %%", "blue, %%");
    BTreeMap::from([
        ("split", both("systemd", "supervisord")),
        ("split-again", both("systemd", "supervisord")),
        ("blue", blue()),
        ("blue-again", blue()),
        ("units", both("systemd", "systemd")),
        ("fragment", both("supervisord", "supervisord")),
        ("auto", both("auto", "auto")),
        ("deaf", deaf("")),
        ("deaf-fails", deaf("on-failure = fail\n")),
        ("deaf-fails-too", deaf("on-failure = fail\n").replace("= systemd", "= supervisord")),
        ("dies", format!("{HEAD}{}\n{}", program("one", "dies", "systemd"), program("two", "dies", "supervisord"))),
        ("pair", pair(8000)),
        ("pair-moved", pair(8003)),
        ("three", three("supervisord")),
        ("one-moved", three("systemd")),
        ("picky", picky()),
        ("zoo", format!("{HEAD}{listener}{fcgi}")),
        ("logs", format!("{HEAD}{}", program("web", "web 8000", "systemd").replace("\n[x-program", logs))),
        ("logs-kept", format!("{HEAD}{}", program("web", "web 8000", "supervisord").replace("\n[x-program", logs))),
    ])
}

type Beacons = BTreeMap<&'static str, PathBuf>;

/// The package in every version, on the host. The number of a version is its place in the list.
fn beacons(suite: Suite) -> &'static Beacons {
    static MADE: [OnceLock<Beacons>; 2] = [const { OnceLock::new() }; 2];
    MADE[suite as usize].get_or_init(|| {
        let session = workshop(suite);
        let module = include_str!("beacon.py");
        let mut source = Source::new("beacon")
            .replace("debian/control", "dh-sequence-venv", "dh-sequence-supervisord, dh-sequence-venv")
            .file("requirements.txt", "beacon\n")
            .file("debian/beacon.venv", "Format: 1\nRequirements: requirements.txt\n")
            .wheel(
                "beacon",
                "1.0",
                "",
                &[("beacon.py", module), ("entry_points.txt", "[console_scripts]\nbeacon = beacon:main\n")],
            );
        let mut script = String::from("cd work/beacon\n");
        for (number, (name, description)) in (1..).zip(descriptions()) {
            source = source.file(&format!("versions/{name}"), &description);
            // The venv stays from build to build; only the last steps run again.
            script += &format!(
                "cp versions/{name} debian/beacon.supervisord
                 sed -i '1s/(.*)/({number})/' debian/changelog
                 dpkg-buildpackage -us -uc -b -nc >../log 2>&1 || {{ cat ../log; exit 1; }}\n"
            );
        }
        source.unpack(&session, "/home/builder/work/beacon");
        session.ok(&script);
        let debs = copy_debs(&session, "/home/builder/work");
        let of = |number: usize| {
            let start = format!("beacon_{number}_");
            let is_it = |deb: &&PathBuf| deb.file_name().is_some_and(|name| name.to_string_lossy().starts_with(&start));
            debs.iter().find(is_it).unwrap_or_else(|| panic!("no {start}: {debs:?}")).clone()
        };
        descriptions().into_keys().enumerate().map(|(at, name)| (name, of(at + 1))).collect()
    })
}

/// A system with supervisor and appctl's package, and the versions named at /var/tmp.
fn system(suite: Suite, versions: &[&str]) -> Session {
    static MADE: [OnceLock<Session>; 2] = [const { OnceLock::new() }; 2];
    let made = MADE[suite as usize].get_or_init(|| {
        let session = Session::new(suite, Kind::Run);
        session.ok("apt-get install -qq -y -o Dpkg::Use-Pty=0 systemd-sysv dbus supervisor logrotate python3");
        session.install(&[runtime(suite)]);
        session.ok(RUNNING);
        session
    });
    let session = made.fork();
    for version in versions {
        session.copy_in(&beacons(suite)[version], &format!("/var/tmp/{version}.deb"));
    }
    session
}

/// That system, with a supervisord that answers.
fn booted(suite: Suite, versions: &[&str]) -> Booted {
    let system = Booted::new(system(suite, versions));
    system.until(LIMIT, "supervisorctl status; test $? != 4");
    system
}

/// How often a program has started.
fn starts(system: &Booted, program: &str) -> usize {
    system.ok(&format!("cat /var/lib/beacon/starts.{program} 2>/dev/null || true")).stdout.lines().count()
}

/// `running [PROGRAM]`: how many processes of the package, or of one of its programs, there are.
const RUNNING: &str = "cat >/usr/local/bin/running <<'E'
#!/bin/sh
set -- ${1:-.} $(grep -lzx '/usr/lib/beacon/venv/bin/beaco[n]' /proc/[0-9]*/cmdline 2>/dev/null)
name=$1; shift
[ $# = 0 ] && echo 0 || grep -lzx \"$name.*\" \"$@\" 2>/dev/null | wc -l
E
chmod +x /usr/local/bin/running";

/// Asks a port, and prints the number of the process that answers.
fn ask(port: u16) -> String {
    format!("python3 -c 'import urllib.request as u; print(u.urlopen(\"http://127.0.0.1:{port}/\").read().decode())'")
}
