//! examples/zope on two machines, over TLS on one with examples/zeo-server: installed
//! at once, asked all the time while the server is away and while one node after the
//! other is upgraded. What was acknowledged stays, and nothing takes longer than configured.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::Value;

use crate::configuration::runtime;
use crate::harness::{Booted, Suite, repository};
use crate::package::{Built, Source, built, target};
use crate::zeo_cases::{ASK, BOARD};
use crate::zeo_client::{board, server};

/// The setting `wait_timeout` on both nodes, in seconds.
const WAIT: f64 = 2.0;
/// What a loaded machine may take beyond that.
const SLACK: f64 = 3.0;
const PASSWORD: &str = "/var/lib/board/initial-admin-password";

/// How long the server is away: ZEO_OUTAGE, in seconds; `make soak` sets thirty.
fn outage() -> Duration {
    Duration::from_secs(std::env::var("ZEO_OUTAGE").ok().and_then(|text| text.parse().ok()).unwrap_or(8))
}

#[test]
fn two_nodes_share_a_server_that_goes_and_comes_back() {
    two_nodes(Suite::Bookworm);
}

/// Version 1.1: an upgrade that marks every notice with a star, each time that it runs.
fn newer(suite: Suite) -> Arc<Built> {
    built(suite, "example zope, 1.1", || {
        let read = |path: &str| std::fs::read_to_string(repository().join("examples/zope").join(path)).unwrap();
        let mut source = Source::example("zope", "board").version("1.1");
        for path in ["debian/board.zeoclient", "src/board/notices.py", "src/board/web.py"] {
            source = source.file(path, &read(path));
        }
        source
            .replace("debian/board.zeoclient", "Upgrade: 1.0", "Upgrade: 1.1")
            .replace(
                "src/board/notices.py",
                "    return len(plain)",
                "    for notice in notices:\n        notice[\"star\"] = notice.get(\"star\", \"\") + \"*\"\n    return len(plain)",
            )
            .replace("src/board/web.py", "(notice['text'])}</li>", "(notice['text'])}{notice.get('star', '')}</li>")
    })
}

/// A certificate for these names, signed by itself, and its key.
fn certificate(dir: &Path, name: &str, names: &str) -> [String; 2] {
    let files = ["pem", "key"].map(|ending| dir.join(format!("{name}.{ending}")));
    let status = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"])
        .args(["-addext", &format!("subjectAltName={names}"), "-subj", &format!("/CN={name}"), "-out"])
        .args([files[0].as_os_str(), "-keyout".as_ref(), files[1].as_os_str()])
        .stderr(Stdio::null())
        .status()
        .expect("openssl cannot be started");
    assert!(status.success());
    files.map(|file| std::fs::read_to_string(file).expect("openssl's file"))
}

/// Asks both instances of a node, one after another and again and again, and notes each answer.
const TRAFFIC: &str = "\
import base64, http.client, json, os, sys, threading, time

node, out = sys.argv[1], open('/var/tmp/traffic', 'a')
word = base64.b64encode(b'admin:' + open('/root/password', 'rb').read().strip()).decode()

def ask(port):
    number = 0
    while not os.path.exists('/var/tmp/stop'):
        number += 1
        token = f'{node}-{port}-{number}'
        for method, path in (('POST', '/board-add'), ('GET', '/board'), ('GET', '/board-health')):
            body = f'text={token}' if method == 'POST' else None
            headers = {'Authorization': 'Basic ' + word, 'Content-Type': 'application/x-www-form-urlencoded'}
            connection = http.client.HTTPConnection('127.0.0.1', port, timeout=90)
            began, status = time.time(), 0
            try:
                connection.request(method, path, body, headers)
                reply = connection.getresponse()
                reply.read()
                status = reply.status
            except (OSError, http.client.HTTPException) as error:
                token += f' ({error})'
            finally:
                connection.close()
            line = {'began': began, 'seconds': time.time() - began, 'status': status, 'path': path, 'token': token}
            out.write(json.dumps(line) + '\\n')
            out.flush()
            time.sleep(0.2)

threads = [threading.Thread(target=ask, args=(port,)) for port in (8080, 8081)]
for thread in threads:
    thread.start()
";

/// One request.
#[derive(Debug, Clone)]
struct Asked {
    began: f64,
    seconds: f64,
    status: u64,
    path: String,
    token: String,
}

fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock").as_secs_f64()
}

/// What has been asked on a node so far.
fn asked(node: &Booted) -> Vec<Asked> {
    let line = |line: &str| -> Asked {
        let json: Value = serde_json::from_str(line).expect("a line of the traffic");
        let number = |name: &str| json[name].as_f64().expect("a number");
        let text = |name: &str| json[name].as_str().expect("a text").to_owned();
        Asked {
            began: number("began"),
            seconds: number("seconds"),
            status: json["status"].as_u64().expect("a status"),
            path: text("path"),
            token: text("token"),
        }
    };
    node.ok("cat /var/tmp/traffic").stdout.lines().map(line).collect()
}

/// Waits until a node has written since then, through each instance.
fn writes_since(node: &Booted, since: f64) {
    let deadline = now() + 60.0;
    loop {
        let written = |port: &str| {
            let is_it = |one: &&Asked| one.began > since && one.status == 303 && one.token.contains(port);
            asked(node).iter().find(is_it).is_some()
        };
        if written("-8080-") && written("-8081-") {
            return;
        }
        assert!(now() < deadline, "no writes: {:?}", asked(node).last());
        thread::sleep(Duration::from_millis(300));
    }
}

/// Waits until both instances of a node answer; where they do not, its log says why.
fn serves(node: &Booted) {
    let deadline = now() + 90.0;
    for port in [8080, 8081] {
        let health = format!("python3 /usr/local/bin/ask.py http://127.0.0.1:{port}/board-health | grep -x 200");
        while !node.run(&health).success() {
            let log = "journalctl --no-pager -n 120 -u 'board@*'";
            assert!(now() < deadline, "{port} does not answer:\n{}", node.run(log).stdout);
            thread::sleep(Duration::from_millis(200));
        }
    }
}

/// The board: texts and the stars behind them.
fn notices(node: &Booted) -> BTreeMap<String, usize> {
    let page = node.ok("python3 /usr/local/bin/ask.py http://127.0.0.1:8080/board").stdout;
    let items = page.lines().filter_map(|line| line.strip_prefix("<li>")?.strip_suffix("</li>"));
    let mut notices = BTreeMap::new();
    for item in items {
        let text = item.trim_end_matches('*');
        let twice = notices.insert(text.to_owned(), item.len() - text.len());
        assert_eq!(twice, None, "twice on the board: {item}");
    }
    notices
}

/// The server's machine and two nodes, in one network; nothing is installed yet.
fn machines(suite: Suite) -> [Booted; 3] {
    let base = target(suite);
    base.ok("apt-get install -qq -y -o Dpkg::Use-Pty=0 systemd-sysv dbus");
    let dir = tempfile::tempdir().expect("tempdir");
    let [server_pem, server_key] = certificate(dir.path(), "server", "IP:10.99.0.1");
    let nodes = ["one", "two"].map(|name| certificate(dir.path(), name, &format!("DNS:{name}")));

    let hub = base.fork();
    hub.copy_in(server(suite).deb(), "/var/tmp/zeo-server.deb");
    hub.write("/etc/zeo-server/server.pem", &server_pem);
    hub.write("/etc/zeo-server/server.key", &server_key);
    hub.write("/etc/zeo-server/clients.pem", &[&nodes[0][0], &nodes[1][0], &server_pem].map(String::as_str).concat());

    base.install(&[runtime(suite)]);
    base.copy_in(board(suite).deb(), "/var/tmp/client.deb");
    base.copy_in(newer(suite).deb(), "/var/tmp/newer.deb");
    base.write("/usr/local/bin/ask.py", ASK);
    base.write("/usr/local/bin/traffic.py", TRAFFIC);
    base.write("/etc/ssl/zeo-ca.pem", &server_pem);
    // Before the package comes: where its server is, and an account that may read the key.
    base.write(
        "/etc/board/settings.d/20-site.conf",
        "server = 10.99.0.1:8100\nwait_timeout = 2\ntls = yes\ntls_ca = /etc/ssl/zeo-ca.pem\n\
         tls_cert = /etc/ssl/node.pem\ntls_key = /etc/ssl/node.key\n",
    );
    base.ok("useradd --system --home-dir /var/lib/board --shell /usr/sbin/nologin board");
    let [one, two] = nodes.map(|[pem, key]| {
        let session = base.fork();
        session.write("/etc/ssl/node.pem", &pem);
        session.write("/etc/ssl/node.key", &key);
        session.ok("chgrp board /etc/ssl/node.key && chmod 640 /etc/ssl/node.key");
        session
    });
    thread::scope(|scope| {
        let booting = [hub, one, two].map(|session| scope.spawn(move || Booted::new(session)));
        booting.map(|system| system.join().expect("a system"))
    })
}

#[expect(clippy::print_stdout, reason = "what was asked is shown with the result")]
fn two_nodes(suite: Suite) {
    let [hub, one, two] = machines(suite);
    let nodes = [("one", &one), ("two", &two)];
    Booted::connect(&[&hub, &one, &two]);
    hub.ok("dpkg -i /var/tmp/zeo-server.deb
        chgrp zeo-server /etc/zeo-server/server.key && chmod 640 /etc/zeo-server/server.key
        sed -i 's|^  address .*|  address 10.99.0.1:8100\\n  <ssl>\\n    certificate /etc/zeo-server/server.pem\\n    \
            key /etc/zeo-server/server.key\\n    authenticate /etc/zeo-server/clients.pem\\n  </ssl>|' \
            /etc/zeo-server/zeo.conf
        systemctl restart zeo-server && systemctl is-active zeo-server");

    // Both at once: one administrator, whose password both know.
    at_once(&nodes, |node| node.ok("dpkg -i /var/tmp/client.deb"));
    for (_, node) in nodes {
        serves(node);
    }
    let holders: Vec<&Booted> =
        nodes.iter().map(|(_, node)| *node).filter(|node| node.run(&format!("test -e {PASSWORD}")).success()).collect();
    assert_eq!(holders.len(), 1, "files with a first password");
    let password = holders[0].ok(&format!("tail -n 1 {PASSWORD}")).stdout.trim().to_owned();
    let administrator = || {
        let [first, second] = nodes.map(|(_, node)| {
            let status = node.ok("appctl bootstrap status board").stdout;
            status.lines().find(|line| line.starts_with("administrator: ")).unwrap_or_default().to_owned()
        });
        assert_eq!(first, second);
        first
    };
    let made = administrator();
    assert!(made.starts_with("administrator: 'admin', made by board on "), "{made}");

    // What one writes the other shows.
    assert_eq!(BOARD.put(&one, &password, "From one"), "303");
    assert_eq!(BOARD.put(&two, &password, "From two"), "303");
    for (_, node) in nodes {
        let both = "page=$(python3 /usr/local/bin/ask.py http://127.0.0.1:8080/board)
            grep -q 'From one' <<<\"$page\" && grep -q 'From two' <<<\"$page\"";
        node.until(Duration::from_secs(10), both);
    }

    for (name, node) in nodes {
        node.ok(&format!(
            "umask 077 && printf %s '{password}' >/root/password && : >/var/tmp/traffic
             systemd-run --quiet --unit=traffic python3 /usr/local/bin/traffic.py {name}"
        ));
        writes_since(node, 0.0);
    }

    // The server goes away, and comes back; no node starts again for that.
    let processes = || nodes.map(|(_, node)| node.ok("systemctl show -P MainPID board@0 board@1").stdout);
    let before = processes();
    let gone = now();
    hub.ok("systemctl stop zeo-server");
    thread::sleep(outage());
    let back = now();
    hub.ok("systemctl start zeo-server");
    for (_, node) in nodes {
        writes_since(node, back);
    }
    assert_eq!(processes(), before, "a node has started again");
    let again = now();

    // One node after the other. The data is upgraded once, by the first; older code that
    // runs goes on, and does not start any more.
    one.ok("dpkg -i /var/tmp/newer.deb");
    let upgraded = now();
    serves(&one);
    writes_since(&one, upgraded);
    writes_since(&two, upgraded);
    two.run("systemctl restart board@1");
    let why = "journalctl -u board@1 --no-pager | grep 'the data has been upgraded to 1.1 by'";
    two.until(Duration::from_secs(30), why);
    assert!(
        two.run("appctl status board").stdout.contains("failed") || !two.run("systemctl is-active board@1").success()
    );
    two.ok("dpkg -i /var/tmp/newer.deb");
    serves(&two);
    let done = now();
    for (_, node) in nodes {
        writes_since(node, done);
        node.ok("touch /var/tmp/stop");
        node.until(Duration::from_secs(90), "! systemctl is-active --quiet traffic");
        let status = node.ok("appctl bootstrap status board").stdout;
        assert!(status.contains("data: version 1.1"), "{status}");
    }
    let ran = nodes.map(|(_, node)| {
        let count = node.run("journalctl --no-pager | grep -c 'the data has been upgraded to 1.1$'").stdout;
        count.trim().parse::<u32>().expect("a number")
    });
    assert_eq!(ran, [1, 0], "who has upgraded the data");
    assert_eq!(administrator(), made);

    let shown = notices(&one);
    assert_eq!(shown, notices(&two));
    let mut refused = 0;
    let mut slowest: BTreeMap<u64, f64> = BTreeMap::new();
    let all: Vec<Asked> = nodes.iter().flat_map(|(_, node)| asked(node)).collect();
    for one in &all {
        let longest = slowest.entry(one.status).or_default();
        *longest = longest.max(one.seconds);
        assert!([0, 200, 303, 500, 503].contains(&one.status), "{one:?}");
        if one.path == "/board-add" && one.status == 303 {
            let stars = shown.get(&one.token).unwrap_or_else(|| panic!("acknowledged and lost: {one:?}"));
            assert!(*stars <= 1, "upgraded twice: {one:?}");
            assert!(*stars == 1 || one.began + one.seconds > again, "not upgraded: {one:?}");
        }
        // Nobody refuses where no node starts again; 500 is a conflict that did not end.
        let is_away = one.began + one.seconds > gone && one.began < back;
        if one.began + one.seconds < again {
            assert!(one.status != 0, "{one:?}");
            assert!(one.status != 503 || one.began < back + WAIT + SLACK, "{one:?}");
        }
        if is_away {
            refused += u32::from(one.status == 503);
            assert!(one.seconds < WAIT + SLACK, "longer than wait_timeout: {one:?}");
        }
    }
    assert!(refused > 0, "the server was not away");
    println!(
        "{} requests, of which {refused} refused while the server was away for {:.1} s; the slowest of each status: {slowest:.2?}",
        all.len(),
        back - gone
    );
}

/// The same on both at once.
fn at_once<R: Send>(nodes: &[(&str, &Booted); 2], work: impl Fn(&Booted) -> R + Sync) {
    thread::scope(|scope| {
        for (_, node) in nodes {
            scope.spawn(|| work(node));
        }
    });
}
