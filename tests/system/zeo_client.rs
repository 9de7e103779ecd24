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
    system.ok("systemctl stop watch");
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
    system.ok(&format!("appctl bootstrap ack board && ! test -e {PASSWORD}"));

    // A new password, which no restart, reinstallation or second installation changes.
    let second = "another-password-of-thirty-two-";
    system.ok(&format!("printf '%s' '{second}' | appctl bootstrap reset-admin board --stdin"));
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
    system.ok("dpkg --purge board && ! ls -A /var/lib/board 2>&1 | grep password && ! test -e /etc/board && ! test -e /var/cache/board");
    system.ok("dpkg -i /var/tmp/client.deb");
    stays("after purge and installation");

    // Its server away: dpkg is not kept waiting, and what is missing is said.
    system.ok("dpkg --purge board && systemctl stop zeo-server && rm -rf /var/lib/zeo-server/*");
    let began = Instant::now();
    system.ok("dpkg -i /var/tmp/client.deb");
    let waited = began.elapsed();
    assert!(waited < Duration::from_secs(60), "dpkg waited {waited:?} for the server");
    let state = system.run("appctl service status board || true; appctl status board || true");
    assert!(state.stdout.contains("unreachable"), "{}", state.dump());
    let later = system.fails(75, "appctl bootstrap run board");
    assert!(later.stderr.contains("unreachable"), "{}", later.dump());
    system.ok("systemctl start zeo-server");
    answers(&system);
    let third = system.ok(&format!("tail -n 1 {PASSWORD}")).stdout.trim().to_owned();
    assert_eq!(put(&system, &third, "seeded later"), "303");
}

fn under_supervisord_the_same(suite: Suite) {
    let client = supervised(suite);
    let system = prepared(suite, &client, "supervisor");
    system.ok("dpkg -i /var/tmp/zeo-server.deb && dpkg -i /var/tmp/client.deb");
    answers(&system);
    let status = system.ok("supervisorctl status").stdout;
    assert_eq!(status.lines().filter(|line| line.contains("RUNNING")).count(), 2, "{status}");
    // Both serve as the package's own user, though supervisord has started them as root.
    system.ok("for pid in $(supervisorctl pid all); do test \"$(stat -c %U /proc/$pid)\" = board; done");
    let password = system.ok(&format!("tail -n 1 {PASSWORD}")).stdout.trim().to_owned();
    assert_eq!(put(&system, &password, "It runs"), "303");
    assert_eq!(put(&system, "not-the-password-of-anybody", "no"), "401");
    let setting = "a-password-of-the-setting-itself";
    system.ok(&format!("printf '%s' '{setting}' | appctl config set board --stdin admin_password"));
    system.ok("appctl service restart board");
    answers(&system);
    assert_eq!(put(&system, &password, "the setting is for the first time"), "303");
    system.ok("dpkg --purge board && ! ls -A /var/lib/board 2>&1 | grep password && ! test -e /etc/supervisor/conf.d/board.conf");
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
    system.ok("appctl service start guestbook");
    system.until(Duration::from_secs(90), health);
    assert!(ask(&system, "http://127.0.0.1:8085/guestbook").contains("<li>written</li>"));
}
