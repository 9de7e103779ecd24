//! What is done to examples/zope and examples/grok under either service manager: the
//! cases 7 to 10 of services, and what the tests of ZEO clients ask with.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::harness::{Booted, Suite};
use crate::package::{Built, bootable};
use crate::zeo_client::server;

/// `ask URL [USER PASSWORD [TEXT]]` prints the status; a text is posted.
pub const ASK: &str = "\
import base64, sys, urllib.error, urllib.parse, urllib.request

class Stay(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *words):
        return None

request = urllib.request.Request(sys.argv[1])
if len(sys.argv) > 3:
    word = base64.b64encode(':'.join(sys.argv[2:4]).encode()).decode()
    request.add_header('Authorization', 'Basic ' + word)
if len(sys.argv) > 4:
    request.data = urllib.parse.urlencode({'text': sys.argv[4]}).encode()
try:
    reply = urllib.request.build_opener(Stay).open(request, timeout=30)
except urllib.error.HTTPError as error:
    reply = error
print(reply.status)
if reply.status == 200:
    print(reply.read().decode())
";

/// Notes when the first request is answered.
const FIRST: &str = "\
import time, urllib.request
while True:
    try:
        with urllib.request.urlopen('http://127.0.0.1:8080/board-health', timeout=30) as reply:
            if reply.status == 200:
                break
    except OSError:
        time.sleep(0.02)
with open('/var/tmp/first', 'w') as out:
    out.write(str(time.time()))
";

/// Collects command lines and environments of all processes until it is killed.
const WATCH: &str = "\
import glob, time
seen = set()
with open('/var/tmp/seen', 'wb') as out:
    while True:
        for name in glob.glob('/proc/[0-9]*/cmdline') + glob.glob('/proc/[0-9]*/environ'):
            try:
                text = open(name, 'rb').read()
            except OSError:
                continue
            if text not in seen:
                seen.add(text)
                out.write(text + b'\\n')
                out.flush()
        time.sleep(0.005)
";

/// An application as it is asked.
pub struct Site {
    pub package: &'static str,
    /// Where each instance says whether it serves.
    pub health: &'static [&'static str],
    /// Where managers write.
    pub add: &'static str,
}

pub const BOARD: Site = Site {
    package: "board",
    health: &["http://127.0.0.1:8080/board-health", "http://127.0.0.1:8081/board-health"],
    add: "http://127.0.0.1:8081/board-add",
};

pub const GUESTBOOK: Site = Site {
    package: "guestbook",
    health: &["http://127.0.0.1:8085/guestbook-health"],
    add: "http://127.0.0.1:8085/guestbook-add",
};

impl Site {
    /// The file with the first password.
    pub fn password_file(&self) -> String {
        format!("/var/lib/{}/initial-admin-password", self.package)
    }

    /// The password in that file.
    pub fn password(&self, system: &Booted) -> String {
        system.ok(&format!("tail -n 1 {}", self.password_file())).stdout.trim().to_owned()
    }

    /// The program in the package that asks and seeds, as the account that it runs as.
    pub fn client(&self) -> String {
        let package = self.package;
        format!(
            "setpriv --reuid={package} --regid={package} --init-groups /usr/lib/{package}/venv/bin/python \
             /usr/lib/{package}/zeoclient/run.py --config /etc/{package}/zeoclient.toml"
        )
    }

    /// Waits until each instance answers.
    #[track_caller]
    pub fn answers(&self, system: &Booted) {
        for health in self.health {
            let asked = format!("python3 /usr/local/bin/ask.py {health} | grep -x 200");
            system.until(Duration::from_secs(90), &asked);
        }
    }

    /// The status of a text written with this password.
    pub fn put(&self, system: &Booted, password: &str, text: &str) -> String {
        ask(system, &format!("{} admin '{password}' '{text}'", self.add)).trim().to_owned()
    }
}

/// What every start of the venv's Python runs, planted as a .pth file: where the application's
/// state has the file `die`, the next seeder kills itself before or after it sends a message
/// of ZEO's that is named there.
const DIE: &str = "\
import os, signal, socket, sys

def arm(words):
    if '--config' not in words or not any('prepare' in word for word in words):
        return
    order = '/var/lib/' + words[words.index('--config') + 1].split('/')[2] + '/die'
    try:
        when, message = open(order).read().split()
    except OSError:
        return

    def die(at, data):
        data = b''.join(data) if isinstance(data, list) else data
        if at == when and message.encode() in bytes(data):
            os.unlink(order)
            os.kill(os.getpid(), signal.SIGKILL)

    def watched(name):
        write = getattr(socket.socket, name)

        def method(self, data, *words):
            if not isinstance(data, (bytes, bytearray, memoryview)):
                data = list(data)
            die('before', data)
            sent = write(self, data, *words)
            die('after', data)
            return sent

        setattr(socket.socket, name, method)

    for name in ('send', 'sendall', 'sendmsg'):
        watched(name)

arm(sys.orig_argv)
";

/// Moments of a seeder's death: its password is on disk and nothing sent; all sent and nothing
/// decided; the server has the administrator, and the file does not have its name yet.
/// All of them die in `make soak`.
const DEATHS: [&str; 3] = ["before tpc_begin", "before tpc_finish", "after tpc_finish"];

/// A system with server, probe tools and, at the side, the client's package.
/// The next version of it, where there is one, is beside it.
pub fn prepared(suite: Suite, client: &Built, next: Option<&Built>, more: &str) -> Booted {
    let session = bootable(suite);
    if !more.is_empty() {
        session.ok(&format!("apt-get install -qq -y -o Dpkg::Use-Pty=0 {more}"));
    }
    session.copy_in(server(suite).deb(), "/var/tmp/zeo-server.deb");
    session.copy_in(client.deb(), "/var/tmp/client.deb");
    if let Some(next) = next {
        session.copy_in(next.deb(), "/var/tmp/next.deb");
    }
    session.write("/usr/local/bin/ask.py", ASK);
    session.write("/usr/local/bin/watch.py", WATCH);
    session.write("/usr/local/bin/first.py", FIRST);
    session.write("/usr/local/lib/die.py", DIE);
    Booted::new(session)
}

pub fn ask(system: &Booted, words: &str) -> String {
    system.ok(&format!("python3 /usr/local/bin/ask.py {words}")).stdout
}

/// Its server away: dpkg is not kept waiting, and what is missing is said (case 9).
pub fn away(system: &Booted, site: &Site) {
    let (package, client) = (site.package, site.client());
    system.ok(&format!("dpkg --purge {package} && systemctl stop zeo-server && rm -rf /var/lib/zeo-server/*"));
    let began = Instant::now();
    system.ok("dpkg -i /var/tmp/client.deb");
    let waited = began.elapsed();
    assert!(waited < Duration::from_secs(60), "dpkg waited {waited:?} for the server");
    for words in ["appctl status", "appctl bootstrap status"] {
        let state = system.fails(3, &format!("{words} {package}"));
        assert!(state.stdout.contains("unreachable"), "{words}: {}", state.dump());
    }
    let later = system.fails(75, &format!("appctl bootstrap run {package}"));
    assert!(later.stderr.contains("unreachable"), "{}", later.dump());
    // As the health check of the service says it: this is not for now.
    let waits = system.fails(75, &format!("{client} health 0"));
    assert!(waits.stderr.contains("unreachable"), "{}", waits.dump());
    system.ok("systemctl start zeo-server || { journalctl --no-pager -n 30; false; }");
    site.answers(system);
    for (words, status) in [("health 0", 0), ("health 0 --json", 0), ("health 9", 2)] {
        let health = system.run(&format!("{client} {words}"));
        assert_eq!(health.status, status, "{words}: {}", health.dump());
    }
    assert_eq!(site.put(system, &site.password(system), "seeded later"), "303");
}

/// After a purge: each place by itself, with what is in it.
pub fn nothing_is_left(system: &Booted, site: &Site) {
    let places = ["/etc/", "/var/lib/", "/var/cache/", "/var/log/", "/var/lib/appctl/"];
    let places: Vec<String> = places.iter().map(|place| format!("{place}{}", site.package)).collect();
    let left = system.run(&format!("find {} -ls 2>/dev/null", places.join(" ")));
    assert_eq!(left.stdout, "", "left after purge");
}

/// The server's storages as new, while no instance runs.
fn emptied(system: &Booted, site: &Site) {
    let package = site.package;
    system.ok(&format!(
        "appctl service stop {package}
        systemctl stop zeo-server
        rm -rf /var/lib/zeo-server/* {}
        systemctl start zeo-server",
        site.password_file()
    ));
    let empty = system.until(Duration::from_secs(20), &format!("appctl bootstrap status {package}")).stdout;
    assert!(empty.contains("storage main on 127.0.0.1:8100: empty"), "{empty}");
    // No instance runs, but nothing hinders one: that is a failure, and not for later.
    let stopped = system.fails(1, &format!("{} health 0", site.client()));
    assert!(stopped.stderr.contains("connection refused"), "{}", stopped.dump());
}

/// A new password by an administrator, which no restart, reinstallation or second
/// installation changes (case 9). `first` is the one that was made.
pub fn a_new_password_stays(system: &Booted, site: &Site, first: &str, second: &str) {
    let package = site.package;
    let reset = system.ok(&format!("printf '%s' '{second}' | appctl --json bootstrap reset-admin {package} --stdin"));
    assert_eq!(json(&reset.stdout)["changed"], true);
    assert!(!reset.stdout.contains(second), "{}", reset.dump());
    let stays = |what: &str| {
        site.answers(system);
        assert_eq!(site.put(system, second, what), "303", "{what}");
        assert_eq!(site.put(system, first, what), "401", "{what}");
        let shown = system.run(&format!("tail -n 1 {}", site.password_file()));
        assert!(!shown.success() || shown.stdout.trim() == second, "{what}: another password is on file");
    };
    stays("at once");
    system.ok(&format!("appctl service restart {package}"));
    stays("after a restart");
    system.ok("dpkg -i /var/tmp/client.deb");
    stays("after an installation over it");
    system.ok(&format!("dpkg --purge {package}"));
    nothing_is_left(system, site);
    // What is left of the machine is its name: so this is another node.
    system.ok("hostname another");
    system.ok("dpkg -i /var/tmp/client.deb");
    stays("after purge and installation");
}

/// Eight seeders at once, then one that is killed while the service starts it (case 8), at
/// each of these moments.
pub fn many_seed_and_one_is_killed(system: &Booted, site: &Site, deaths: &[&str]) {
    let package = site.package;
    emptied(system, site);
    system.ok(&format!(
        "for number in 1 2 3 4 5 6 7 8; do
            appctl --json bootstrap run {package} >/var/tmp/run.$number &
        done
        wait"
    ));
    let said = system.ok("cat /var/tmp/run.*").stdout;
    let made: Vec<bool> =
        said.lines().map(|line| json(line)["changed"].as_bool().unwrap_or_else(|| panic!("{line}"))).collect();
    assert_eq!((made.len(), made.iter().filter(|made| **made).count()), (8, 1), "{said}");

    for death in if cfg!(feature = "soak") { &DEATHS[..] } else { deaths } {
        one_is_killed(system, site, death);
    }
}

/// A seeder dies while its service starts; the service manager starts it again by itself.
fn one_is_killed(system: &Booted, site: &Site, death: &str) {
    let package = site.package;
    emptied(system, site);
    let plant = format!("$(echo /usr/lib/{package}/venv/lib/python3.*/site-packages)/die.pth");
    system.ok(&format!(
        "echo 'import sys; exec(open(\"/usr/local/lib/die.py\").read(), {{}})' >{plant}
        echo {death} >/var/lib/{package}/die
        (appctl service start {package} >/var/tmp/started 2>&1 &)"
    ));
    let dead = format!(
        "test ! -e /var/lib/{package}/die || {{ cat /var/tmp/started; appctl service status {package}; false; }}"
    );
    system.until(Duration::from_secs(60), &dead);
    site.answers(system);
    // Read to its end: journalctl would fail where grep goes away.
    system.ok("{ journalctl --no-pager; cat /var/log/supervisor/supervisord.log 2>/dev/null || true; } |
        grep -E 'status=9/KILL|SIGKILL' >/dev/null");
    assert_eq!(site.put(system, &site.password(system), "after a kill"), "303", "{death}");
    let status = system.ok(&format!("appctl bootstrap status {package}")).stdout;
    assert!(status.contains(&format!("administrator: 'admin', made by {package} on")), "{status}");
    let pending = format!("find /var/lib/{package} -name '.initial-admin-password.*'");
    assert_eq!(system.ok(&pending).stdout, "", "{death}");
    system.ok(&format!("rm {plant}"));
}

/// The probe as its manual page has it, its statuses and those of a monitoring plugin;
/// and a server that is mute as appctl tells it (case 7).
pub fn probes(system: &Booted, site: &Site) {
    let (package, client) = (site.package, site.client());
    system.ok("systemd-run --quiet --unit=mute python3 -c 'import socket, time
mute = socket.create_server((\"127.0.0.1\", 8199))
time.sleep(999)'");
    system.until(Duration::from_secs(20), "ss -Hltn sport = 8199 | grep 8199 || grep -q :2007 /proc/net/tcp");
    for (server, status, plugin, word) in
        [("8100", 0, 0, "data"), ("1", 11, 2, "unreachable"), ("8199", 12, 2, "mute"), ("22222", 11, 2, "unreachable")]
    {
        let asked = format!("{client} probe --server 127.0.0.1:{server}");
        let (one, other) = (system.run(&asked), system.run(&format!("{asked} --plugin")));
        assert_eq!((one.status, other.status), (status, plugin), "{}{}", one.dump(), other.dump());
        assert!(one.stdout.contains(word) && other.stdout.starts_with("ZEO "), "{}{}", one.dump(), other.dump());
    }
    let unknown = system.run(&format!("{client} probe --storage none --plugin"));
    assert_eq!(unknown.status, 3, "{}", unknown.dump());

    let set = system.run(&format!("appctl config set {package} server=127.0.0.1:8199"));
    for words in ["appctl status", "appctl bootstrap status"] {
        let state = system.fails(3, &format!("{words} {package}"));
        assert!(state.stdout.contains("storage main on 127.0.0.1:8199: mute"), "{}{}", set.dump(), state.dump());
        assert!(state.elapsed < Duration::from_secs(6), "{words}: {:?}", state.elapsed);
    }
    let waits = system.fails(75, &format!("{client} health 0"));
    assert!(waits.stderr.contains("mute"), "{}", waits.dump());
    system.ok("systemctl stop mute");
}

/// Installs the client while each process's arguments and environment are looked at; no
/// password is in them, nor in a log, nor where anybody can read it (case 10).
pub fn seen_nowhere(system: &Booted, site: &Site) -> String {
    system.ok("systemd-run --quiet --unit=watch python3 /usr/local/bin/watch.py");
    let installed = system.ok("dpkg -i /var/tmp/client.deb");
    site.answers(system);
    let password = site.password(system);
    // The watcher has seen the seeder, and the password is where only root and the account can read.
    system.ok("systemctl stop watch && grep -aq zeoclient/run.py /var/tmp/seen");
    let readable = format!(
        "find / -xdev -type f -perm -o+r -size -999k -exec grep -lF -- '{password}' {{}} + | grep -v ^/var/tmp/seen"
    );
    assert_eq!(system.run(&readable).stdout, "");
    let places = "/var/tmp/seen /var/log /run/log /var/cache/debconf";
    let found = system.run(&format!("grep -rlF -- '{password}' {places} 2>/dev/null"));
    assert_eq!(found.stdout, "", "{}", installed.dump());
    assert_eq!(system.run(&format!("journalctl --no-pager | grep -cF -- '{password}'")).stdout, "0\n");
    password
}

/// One line of JSON.
#[track_caller]
pub fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}
