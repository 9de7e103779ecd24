//! examples/zope on examples/zeo-server: installed together, by systemd and by
//! supervisord, its administrator made exactly once.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::configuration::runtime;
use crate::harness::{Booted, Suite, repository};
use crate::on_suites;
use crate::package::{Built, Source, built, target};

on_suites!(
    both: [lintian_is_content_with_the_zope_and_grok_examples],
    bookworm: [under_systemd_the_administrator_is_made_once_and_stays],
    trixie: [under_supervisord_the_same, grok_lets_its_principal_write],
);

pub fn server(suite: Suite) -> Arc<Built> {
    built(suite, "example zeo-server", || Source::example("zeo-server", "zeo-server"))
}

pub fn board(suite: Suite) -> Arc<Built> {
    built(suite, "example zope", || Source::example("zope", "board"))
}

pub fn guestbook(suite: Suite) -> Arc<Built> {
    built(suite, "example grok", || Source::example("grok", "guestbook"))
}

/// The example for supervisord.
fn supervised(suite: Suite) -> Arc<Built> {
    built(suite, "example zope, supervised", || {
        let description = std::fs::read_to_string(repository().join("examples/zope/debian/board.zeoclient")).unwrap();
        let description = description.replace("Framework: zope\n", "Framework: zope\nBackend: supervisord\n");
        Source::example("zope", "board").file("debian/board.zeoclient", &description)
    })
}

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

const PASSWORD: &str = "/var/lib/board/initial-admin-password";

fn lintian_is_content_with_the_zope_and_grok_examples(suite: Suite) {
    crate::examples::assert_lintian_is_content(&board(suite));
    crate::examples::assert_lintian_is_content(&guestbook(suite));
}

/// A system with server, probe tools and, at the side, the client's package.
fn prepared(suite: Suite, client: &Built, more: &str) -> Booted {
    let session = target(suite);
    session.ok(&format!("apt-get install -qq -y -o Dpkg::Use-Pty=0 systemd-sysv dbus {more}"));
    session.install(&[runtime(suite)]);
    session.copy_in(server(suite).deb(), "/var/tmp/zeo-server.deb");
    session.copy_in(client.deb(), "/var/tmp/client.deb");
    session.write("/usr/local/bin/ask.py", ASK);
    session.write("/usr/local/bin/watch.py", WATCH);
    session.write("/usr/local/bin/first.py", FIRST);
    Booted::new(session)
}

fn ask(system: &Booted, words: &str) -> String {
    system.ok(&format!("python3 /usr/local/bin/ask.py {words}")).stdout
}

/// Waits until both instances answer.
pub fn answers(system: &Booted) {
    for port in [8080, 8081] {
        let health = format!("python3 /usr/local/bin/ask.py http://127.0.0.1:{port}/board-health | grep -x 200");
        system.until(Duration::from_secs(90), &health);
    }
}

/// The status of a notice put up with this password.
pub fn put(system: &Booted, password: &str, text: &str) -> String {
    ask(system, &format!("http://127.0.0.1:8081/board-add admin '{password}' '{text}'")).trim().to_owned()
}

/// Installs the client where its server is up. The figure counts on a quiet machine only,
/// so that the limit here is a generous one.
#[expect(clippy::print_stdout, reason = "the figure is shown with the result")]
fn time_to_the_first_answer(system: &Booted) {
    system.ok("systemd-run --quiet --unit=first python3 /usr/local/bin/first.py && sleep 0.3");
    let timed =
        system.ok("date +%s.%N >/var/tmp/began; dpkg -i /var/tmp/client.deb >&2; cat /var/tmp/began; date +%s.%N");
    let first = system.until(Duration::from_secs(60), "cat /var/tmp/first").stdout;
    let times: Vec<f64> =
        format!("{}{first}", timed.stdout).split_whitespace().map(|word| word.parse().expect("a time")).collect();
    let (answer, whole) = (times[2] - times[0], times[1] - times[0]);
    println!("dpkg -i of the Zope example: first answer after {answer:.2} s, both instances serve after {whole:.2} s");
    assert!(answer < 40.0 && whole < 60.0, "{answer} s, {whole} s: {}", timed.dump());
}

fn under_systemd_the_administrator_is_made_once_and_stays(suite: Suite) {
    let client = board(suite);
    let system = prepared(suite, &client, "");
    system.ok("dpkg -i /var/tmp/zeo-server.deb && appctl status --json >/dev/null");
    time_to_the_first_answer(&system);

    // As a new one, and every process is looked at all the time.
    system.ok(
        "dpkg --purge board && systemctl stop zeo-server && rm -rf /var/lib/zeo-server/* && systemctl start zeo-server",
    );
    system.ok("systemd-run --quiet --unit=watch python3 /usr/local/bin/watch.py");
    let installed = system.ok("dpkg -i /var/tmp/client.deb");
    answers(&system);
    for unit in ["board@0", "board@1"] {
        system.ok(&format!("systemctl is-active {unit} && systemd-analyze security --threshold=15 {unit}.service"));
    }
    assert_eq!(system.ok(&format!("stat -c '%U %a' {PASSWORD}")).stdout, "board 600\n");
    let first = system.ok(&format!("tail -n 1 {PASSWORD}")).stdout.trim().to_owned();
    // What systemd has handed over, not one that the seeder has made up itself.
    system.ok(&format!("test \"$(tail -n 1 {PASSWORD})\" = \"$(cat /etc/board/admin-password)\""));
    // The watcher has seen the seeder, and the password is where only root and the account can read.
    system.ok("systemctl stop watch && grep -aq zeoclient/run.py /var/tmp/seen");
    let readable = format!(
        "find / -xdev -type f -perm -o+r -size -999k -exec grep -lF -- '{first}' {{}} + | grep -v ^/var/tmp/seen"
    );
    assert_eq!(system.run(&readable).stdout, "");
    let places = "grep -rlF -- \"$(tail -n 1 /var/lib/board/initial-admin-password)\" /var/tmp/seen /var/log /run/log 2>/dev/null";
    assert_eq!(system.run(places).stdout, "", "{}", installed.dump());
    let journal = "journalctl --no-pager | grep -cF -- \"$(tail -n 1 /var/lib/board/initial-admin-password)\"";
    assert_eq!(system.run(journal).stdout, "0\n");
    assert_eq!(put(&system, &first, "It runs"), "303");
    assert_eq!(put(&system, "not-the-password-of-anybody", "no"), "401");
    assert!(ask(&system, "http://127.0.0.1:8080/board").contains("It runs"));

    let status = system.ok("appctl bootstrap status board").stdout;
    assert!(status.contains("storage main on 127.0.0.1:8100: data"), "{status}");
    assert!(status.contains("administrator: 'admin', made by board on"), "{status}");
    assert!(status.contains("data: version 1.0"), "{status}");
    assert!(system.ok("appctl status board").stdout.contains("storage main on 127.0.0.1:8100: data"));
    probes(&system);
    // An instance has a cache and blobs of its own.
    system.ok("ls -d /var/cache/board/0/*blobs* /var/cache/board/1/*blobs*");
    let told = |words: &str| -> serde_json::Value {
        let told = serde_json::from_str(&system.ok(words).stdout).unwrap_or_else(|error| panic!("{words}: {error}"));
        let it: &serde_json::Value = &told;
        assert_eq!((&it["schema"], &it["package"]), (&1.into(), &"board".into()), "{words}: {it}");
        told
    };
    assert_eq!(told("appctl --json bootstrap status board")["storages"][0]["result"], "data");
    assert_eq!(told("appctl --json status board")["storages"][0]["result"], "data");
    told("appctl --json bootstrap run board");
    // Whoever has read it can be sure that the machine no longer has it.
    told("appctl --json bootstrap ack board");
    system.ok(&format!("! test -e {PASSWORD} && ! grep -rqF -- '{first}' /etc/board /var/lib/appctl/board"));

    // A new password, which no restart, reinstallation or second installation changes.
    let second = "another-password-of-thirty-two-";
    let reset = told(&format!("printf '%s' '{second}' | appctl --json bootstrap reset-admin board --stdin"));
    assert!(!reset.to_string().contains(second), "{reset}");
    let stays = |what: &str| {
        answers(&system);
        assert_eq!(put(&system, second, what), "303", "{what}");
        assert_eq!(put(&system, &first, what), "401", "{what}");
        system.ok(&format!("! test -e {PASSWORD} || grep -qF '{second}' {PASSWORD}"));
    };
    stays("at once");
    system.ok("appctl service restart board");
    stays("after a restart");
    system.ok("dpkg -i /var/tmp/client.deb");
    stays("after an installation over it");
    system.ok("dpkg --purge board");
    nothing_is_left(&system);
    system.ok("dpkg -i /var/tmp/client.deb");
    stays("after purge and installation");

    // One of two servers is enough.
    system.ok("appctl config set board 'server=127.0.0.1:1 127.0.0.1:8100'");
    stays("with a server that is not there");
    away(&system);
}

/// Its server away: dpkg is not kept waiting, and what is missing is said.
fn away(system: &Booted) {
    system.ok("dpkg --purge board && systemctl stop zeo-server && rm -rf /var/lib/zeo-server/*");
    let began = Instant::now();
    system.ok("dpkg -i /var/tmp/client.deb");
    let waited = began.elapsed();
    assert!(waited < Duration::from_secs(60), "dpkg waited {waited:?} for the server");
    for words in ["appctl status board", "appctl bootstrap status board"] {
        let state = system.fails(3, words);
        assert!(state.stdout.contains("unreachable"), "{words}: {}", state.dump());
    }
    let later = system.fails(75, "appctl bootstrap run board");
    assert!(later.stderr.contains("unreachable"), "{}", later.dump());
    system.ok("systemctl start zeo-server");
    answers(system);
    let third = system.ok(&format!("tail -n 1 {PASSWORD}")).stdout.trim().to_owned();
    assert_eq!(put(system, &third, "seeded later"), "303");
}

/// After a purge: each place by itself, with what is in it.
fn nothing_is_left(system: &Booted) {
    let places = ["/etc/board", "/var/lib/board", "/var/cache/board", "/var/log/board", "/var/lib/appctl/board"];
    let left = system.run(&format!("find {} -ls 2>/dev/null", places.join(" ")));
    assert_eq!(left.stdout, "", "left after purge");
}

/// The probe as its manual page has it, its statuses and those of a monitoring plugin.
fn probes(system: &Booted) {
    let probe = "setpriv --reuid=board --regid=board --init-groups /usr/lib/board/venv/bin/python \
         /usr/lib/board/zeoclient/run.py --config /etc/board/zeoclient.toml probe";
    system.ok("systemd-run --quiet --unit=mute python3 -c 'import socket, time
mute = socket.create_server((\"127.0.0.1\", 8199))
time.sleep(999)'");
    system.until(Duration::from_secs(20), "ss -Hltn sport = 8199 | grep 8199 || grep -q :2007 /proc/net/tcp");
    for (server, status, plugin, word) in
        [("8100", 0, 0, "data"), ("1", 11, 2, "unreachable"), ("8199", 12, 2, "mute"), ("22222", 11, 2, "unreachable")]
    {
        let asked = format!("{probe} --server 127.0.0.1:{server}");
        let (one, other) = (system.run(&asked), system.run(&format!("{asked} --plugin")));
        assert_eq!((one.status, other.status), (status, plugin), "{}{}", one.dump(), other.dump());
        assert!(one.stdout.contains(word) && other.stdout.starts_with("ZEO "), "{}{}", one.dump(), other.dump());
    }
    system.ok("systemctl stop mute");
    let unknown = system.run(&format!("{probe} --storage none --plugin"));
    assert_eq!(unknown.status, 3, "{}", unknown.dump());
}

fn under_supervisord_the_same(suite: Suite) {
    let client = supervised(suite);
    let system = prepared(suite, &client, "supervisor");
    // The password as an administrator may give it beforehand.
    let preseeded = "a-password-that-was-preseeded-32";
    system.ok(&format!("echo 'board board/admin_password password {preseeded}' | debconf-set-selections"));
    system.ok("systemd-run --quiet --unit=watch python3 /usr/local/bin/watch.py");
    system.ok("dpkg -i /var/tmp/zeo-server.deb && dpkg -i /var/tmp/client.deb");
    answers(&system);
    system.ok("systemctl stop watch && grep -aq zeoclient/run.py /var/tmp/seen");
    let places = "/var/tmp/seen /var/log /run/log /var/cache/debconf";
    assert_eq!(system.run(&format!("grep -rlF -- '{preseeded}' {places} 2>/dev/null")).stdout, "");
    let status = system.ok("supervisorctl status").stdout;
    assert_eq!(status.lines().filter(|line| line.contains("RUNNING")).count(), 2, "{status}");
    // Both serve as the package's own user, though supervisord has started them as root.
    system.ok("for pid in $(supervisorctl pid all); do test \"$(stat -c %U /proc/$pid)\" = board; done");
    let password = preseeded.to_owned();
    assert_eq!(put(&system, &password, "It runs"), "303");
    assert_eq!(put(&system, "not-the-password-of-anybody", "no"), "401");
    let setting = "a-password-of-the-setting-itself";
    system.ok(&format!("printf '%s' '{setting}' | appctl config set board --stdin admin_password"));
    system.ok("appctl service restart board");
    answers(&system);
    assert_eq!(put(&system, &password, "the setting is for the first time"), "303");
    away(&system);
    system.ok("dpkg --purge board && ! test -e /etc/supervisor/conf.d/board.conf");
    nothing_is_left(&system);
    assert_eq!(system.ok("supervisorctl status").stdout, "");
}

fn grok_lets_its_principal_write(suite: Suite) {
    let client = guestbook(suite);
    let system = prepared(suite, &client, "");
    system.ok("dpkg -i /var/tmp/zeo-server.deb && dpkg -i /var/tmp/client.deb");
    let health = "python3 /usr/local/bin/ask.py http://127.0.0.1:8085/guestbook-health | grep -x 200";
    system.until(Duration::from_secs(90), health);
    let unit = "guestbook";
    system.ok(&format!("systemctl is-active {unit} && systemd-analyze security --threshold=15 {unit}.service"));
    let password = system.ok("tail -n 1 /var/lib/guestbook/initial-admin-password").stdout.trim().to_owned();
    let write = |password: &str| {
        ask(&system, &format!("http://127.0.0.1:8085/guestbook-add admin '{password}' written")).trim().to_owned()
    };
    assert_eq!(write("not-the-password-of-anybody"), "401");
    assert_eq!(write(&password), "303");
    assert!(ask(&system, "http://127.0.0.1:8085/guestbook").contains("<li>written</li>"));
    // What a day's deployment by hand asks for: status, stop, start.
    system.ok("appctl status guestbook && appctl service status guestbook && appctl service stop guestbook");
    system.fails(1, "python3 /usr/local/bin/ask.py http://127.0.0.1:8085/guestbook-health");
    system.fails(3, "appctl service status guestbook");
    system.ok("appctl service start guestbook");
    system.until(Duration::from_secs(90), health);
    assert!(ask(&system, "http://127.0.0.1:8085/guestbook").contains("<li>written</li>"));
}
