//! A service that has been taken over: its account plants whatever it can in every
//! directory that it owns, before an upgrade from a package of 0.1.0, while it runs,
//! and before removal and purge. Nothing of root's outside is read, written or
//! deleted, and dpkg ends in time.

use super::{LIMIT, ask, booted};
use crate::harness::{Booted, Suite};
use crate::on_suites;

on_suites!(
    both: [],
    bookworm: [],
    trixie: [nothing_of_root_s_is_reached_from_a_service_s_directories],
);

/// Makes /var/tmp/old.deb of a version as 0.1.0 would have built it: the account has the
/// log directory, systemd gives it back at each start, logrotate works as the account,
/// and nothing is mended.
const OLD: &str = r##"
import json, os, pathlib, re, subprocess, sys

os.chdir("/var/tmp")
subprocess.run("rm -rf old", shell=True, check=True)
subprocess.run(["dpkg-deb", "-R", f"{sys.argv[1]}.deb", "old"], check=True)
os.chdir("old")


def change(path, *pairs):
    file = pathlib.Path(path)
    if not file.exists():
        return
    text = file.read_text()
    for before, after in pairs:
        text = re.sub(before, after, text, flags=re.M)
    file.write_text(text)


change("DEBIAN/control", (r"^Version: .*", "Version: 0"), (r"appctl \(>= [^)]*\)", "appctl"))
change(
    "usr/lib/tmpfiles.d/beacon-programs.conf",
    (r"^d /var/log/beacon/app .*\n", ""),
    (r"^(d /var/log/beacon 0750) root", r"\1 beacon"),
)
change("usr/lib/systemd/system/beacon-web.service", (r"^LogsDirectory=.*", "LogsDirectory=beacon"))
change("etc/logrotate.d/beacon-programs", (r"^}", "\tsu beacon beacon\n}"))
change("DEBIAN/postinst", (r"^# Root opens log files there.*\nif .*\n.*mend-logs.*\nfi\n", ""))
assert "mend-logs" not in pathlib.Path("DEBIAN/postinst").read_text()
path = pathlib.Path("usr/share/appctl/beacon/programs.json")
programs = json.loads(path.read_text())
programs.pop("log_directories", None)
path.write_text(json.dumps(programs))
subprocess.run(["dpkg-deb", "-b", ".", "../old.deb"], check=True, stdout=subprocess.DEVNULL)
"##;

/// What the account has nothing to do with: contents, owners, modes, times.
const OUTSIDE: &str = r"
find /root /home /usr/local /etc /srv /opt -xdev -path /etc -o \
    -path '/etc/systemd/system*' -o -path '/etc/supervisor*' -o -path '/etc/beacon*' -o -path '/etc/logrotate.d*' -o \
    -printf '%p %u:%g %m %T@ %l\n' | sort
find /root /etc/cron.d /etc/shadow /etc/passwd /usr/local -type f -exec sha256sum {} + | sort
";

/// What the account leaves in each of its directories.
const PLANT: &str = r#"
use POSIX qw(mkfifo); use Socket;
my @targets = qw(/root/canary /etc/cron.d/planted /etc/shadow /root);
for my $d (qw(/var/lib/beacon /var/cache/beacon /run/beacon /var/log/beacon /var/log/beacon/app)) {
    chdir $d or next;
    my $n = 0;
    for my $name ("web.log.1", "web.log.2.gz", "app", "initial-admin-password", "-rf", "\e[2J\n'x", ".lock") {
        symlink $targets[$n++ % @targets], $name;
    }
    mkfifo "fifo.log", 0666; mkfifo "web.log.3", 0666;
    mkdir "web.log.4"; mkdir "web.log.4/x"; mkdir "web.log.\e[2J";
    link "/etc/passwd", "hard"; link "/root/canary", "hard2";
    socket(my $s, PF_UNIX, SOCK_STREAM, 0); bind($s, sockaddr_un("full.sock")); listen($s, 0);
    open my $f, '>', "many.$_" for 1 .. 200;
    # What stands where a log file is.
    rename "web.log", "away.log"; symlink "/root/canary", "web.log";
    for (1 .. 500) { mkdir "deep" or last; chdir "deep" }
}
"#;

/// Swaps names for as long as it lives, and lives on in a session of its own.
const SWAP: &str = r#"
use POSIX qw(setsid mkfifo); exit if fork; setsid; exit if fork;
open STDIN, '<', '/dev/null'; open STDOUT, '>', '/dev/null'; open STDERR, '>', '/dev/null';
my $end = time + 180;
while (time < $end) {
    for my $d (qw(/var/log/beacon /var/cache/beacon /var/lib/beacon /run/beacon /var/log/beacon/app)) {
        symlink "/etc/cron.d/planted", "$d/.s"; rename "$d/.s", "$d/web.log";
        symlink "/root", "$d/.t"; rename "$d/.t", "$d/app"; mkdir "$d/web.log.1"; rmdir "$d/web.log.1";
        open my $f, '>', "$d/.f"; rename "$d/.f", "$d/web.log"; mkfifo "$d/.g", 0666; rename "$d/.g", "$d/web.log.2";
    }
    select undef, undef, undef, 0.002;
}
"#;

const AS_BEACON: &str = "setpriv --reuid beacon --regid beacon --init-groups perl";

fn attack(system: &Booted, version: &str) {
    let is_untouched = |when: &str| {
        let said = system.run("sh /run/outside >/run/now && diff /run/before /run/now");
        assert!(said.success(), "{version}, {when}: {}", said.dump());
    };
    let in_time = |words: &str| system.ok(&format!("timeout 60 {words} <&-"));
    system.ok(&format!("python3 /run/old {version}"));
    in_time("dpkg -i /var/tmp/old.deb");
    system.until(LIMIT, &ask(8000));
    system.ok("test \"$(stat -c %U /var/log/beacon)\" = beacon");
    system.ok("echo root >/root/canary; chmod 600 /root/canary; sh /run/outside >/run/before");
    system.ok(&format!("{AS_BEACON} /run/plant && {AS_BEACON} /run/swap"));
    // The upgrade, under attack.
    let said = in_time(&format!("dpkg -i /var/tmp/{version}.deb 2>&1")).stdout;
    assert!(said.contains("put aside") && !said.contains('\u{1b}'), "{said}");
    is_untouched("upgrade");
    system.ok("test \"$(stat -c '%U:%G %a' /var/log/beacon)\" = 'root:beacon 750'");
    system.until(LIMIT, &ask(8000));
    let log = "/var/log/beacon/web.log";
    system.until(LIMIT, &format!("test -f {log} && test ! -L {log} && grep -q request {log}"));
    let again = "-e 'exit !(symlink q(/root/canary), q(/var/log/beacon/x) or rename q(/var/log/beacon/web.log), q(/var/log/beacon/y))'";
    system.fails(1, &format!("{AS_BEACON} {again}"));
    // What it writes by itself has a place.
    system.ok(&format!("{AS_BEACON} -e 'open F, q(>), q(/var/log/beacon/app/own.log) or die $!'"));
    // It runs on: restarts, rotation.
    in_time("appctl service restart beacon");
    system.until(LIMIT, &ask(8000));
    system.ok("timeout 60 logrotate -f /etc/logrotate.conf");
    is_untouched("restart and rotation");
    // Once more, removal, purge.
    in_time(&format!("dpkg -i /var/tmp/{version}.deb"));
    system.ok(&format!("{AS_BEACON} /run/plant"));
    in_time("dpkg -r beacon");
    is_untouched("removal");
    in_time("dpkg --purge beacon");
    is_untouched("purge");
    system.ok("test ! -e /var/log/beacon && test -e /var/lib/beacon");
    system.ok("for process in $(find /proc -maxdepth 1 -name '[0-9]*' -user beacon -printf '%f '); do kill -KILL $process; done
               sleep 0.2; rm -rf /var/lib/beacon /run/beacon /var/cache/beacon");
}

fn nothing_of_root_s_is_reached_from_a_service_s_directories(suite: Suite) {
    let system = booted(suite, &["logs", "logs-kept"]);
    for (name, text) in [("outside", OUTSIDE), ("plant", PLANT), ("swap", SWAP), ("old", OLD)] {
        system.ok(&format!("cat >/run/{name} <<'END'\n{text}\nEND\nchmod 755 /run/{name}"));
    }
    attack(&system, "logs");
    attack(&system, "logs-kept");
}
