//! examples/zope on two machines, over TLS on one with examples/zeo-server: installed
//! at once, asked all the time while the server is away and while one node after the
//! other is upgraded, the first with an interruption. What was acknowledged stays, and no
//! request takes longer than configured.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::Value;

use crate::harness::{Booted, Suite, repository};
use crate::package::{Built, Source, bootable, built_like};
use crate::zeo_cases::{ASK, BOARD};
use crate::zeo_client::{board, server};

/// How long any request may take, whatever happens meanwhile: the setting `wait_timeout` of
/// both nodes, and what a loaded machine may take beyond that, in seconds.
const LIMIT: f64 = 2.0 + 3.0;
const PASSWORD: &str = "/var/lib/board/initial-admin-password";

/// How long the server is away: ZEO_OUTAGE, in seconds; `make soak` sets thirty.
fn outage() -> Duration {
    Duration::from_secs(std::env::var("ZEO_OUTAGE").ok().and_then(|text| text.parse().ok()).unwrap_or(8))
}

#[test]
fn two_nodes_share_a_server_that_goes_and_comes_back() {
    two_nodes(Suite::Bookworm);
}

/// Version 1.1: an upgrade that marks every notice with a star, each time that it runs. It
/// waits for as long as it is told to, and does not say that it may simply run again.
fn newer(suite: Suite) -> Arc<Built> {
    built_like(&board(suite), "example zope, 1.1", || {
        let read = |path: &str| std::fs::read_to_string(repository().join("examples/zope").join(path)).unwrap();
        let mut source = Source::example("zope", "board").version("1.1");
        for path in ["debian/board.zeoclient", "src/board/notices.py", "src/board/web.py"] {
            source = source.file(path, &read(path));
        }
        source
            .replace("debian/board.zeoclient", "Upgrade: 1.0", "Upgrade: 1.1")
            .replace("debian/board.zeoclient", "Restartable: yes\n", "")
            .replace(
                "src/board/notices.py",
                "    plain = [",
                "    import os\n    while os.path.exists(\"/var/lib/board/hold\"):\n        time.sleep(0.05)\n    plain = [",
            )
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
    let base = bootable(suite);
    let dir = tempfile::tempdir().expect("tempdir");
    let [server_pem, server_key] = certificate(dir.path(), "server", "IP:10.99.0.1");
    let nodes = ["one", "two"].map(|name| certificate(dir.path(), name, &format!("DNS:{name}")));

    let hub = base.fork();
    hub.copy_in(server(suite).deb(), "/var/tmp/zeo-server.deb");
    hub.write("/etc/zeo-server/server.pem", &server_pem);
    hub.write("/etc/zeo-server/server.key", &server_key);
    hub.write("/etc/zeo-server/clients.pem", &[&nodes[0][0], &nodes[1][0], &server_pem].map(String::as_str).concat());

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

    for (name, node) in nodes {
        node.ok(&format!("hostname {name}"));
    }
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

    // One node after the other. The upgrade of the data is killed on the first: that is found
    // and told, and it runs again when it is said so.
    one.ok("touch /var/lib/board/hold");
    one.ok("systemd-run --quiet --unit=newer dpkg -i /var/tmp/newer.deb");
    let under_way = "appctl bootstrap status board >/var/tmp/state || test $? = 3
        grep 'an upgrade to 1.1 by one .*under way' /var/tmp/state";
    two.until(Duration::from_secs(60), under_way);
    two.fails(3, "appctl bootstrap status board");
    older_code_is_refused(&two, "an upgrade to 1.1 was begun by one");
    // All of it, as a machine that is switched off ends it. The command by hand: in a container
    // on a host with the old control groups, systemd cannot list a service's processes.
    one.run(
        "systemctl kill --signal=KILL board@0 board@1 || true
        kill -KILL $(grep -lz '^UPGRADE_TO=' /proc/[0-9]*/environ 2>/dev/null | cut -d / -f 3)",
    );
    one.until(Duration::from_secs(60), "journalctl -u 'board@*' --no-pager | grep 'begun by one .* was interrupted'");
    for (status, words) in [(75, format!("{} health 0", BOARD.client())), (1, "appctl bootstrap upgrade board".into())]
    {
        let told = one.fails(status, &words);
        assert!(told.stderr.contains("begun by one") && told.stderr.contains("was interrupted"), "{}", told.dump());
    }
    one.until(Duration::from_secs(120), "! systemctl is-active newer && dpkg -s board | grep -x 'Version: 1.1'");
    one.ok("rm /var/lib/board/hold");
    let again_by_hand = one.ok("appctl bootstrap upgrade --again board").stdout;
    assert!(again_by_hand.contains("the data has been upgraded to 1.1"), "{again_by_hand}");
    serves(&one);
    let upgraded = now();
    writes_since(&one, upgraded);
    writes_since(&two, upgraded);

    // Older code that runs goes on, and does not start any more.
    older_code_is_refused(&two, "the data has been upgraded to 1.1 by one");
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
        let known = node.ok("appctl bootstrap upgrade board").stdout;
        assert!(known.contains("the data has version 1.1"), "{known}");
    }
    // By hand, and by no start of an instance.
    for (name, node) in nodes {
        node.ok(&format!("! journalctl -u 'board@*' --no-pager | grep 'the data has been upgraded to 1.1$' # {name}"));
    }
    assert_eq!(administrator(), made);

    let shown = notices(&one);
    assert_eq!(shown, notices(&two));
    let all: Vec<Asked> = nodes.iter().flat_map(|(_, node)| asked(node)).collect();
    // How many answers of each status, by what went on meanwhile.
    let mut counts: BTreeMap<(&str, u64), (u32, f64)> = BTreeMap::new();
    for one in &all {
        let ended = one.began + one.seconds;
        let phase = match () {
            () if ended < gone => "1 before",
            () if one.began < back => "2 away",
            () if ended < again => "3 back",
            () => "4 upgrade",
        };
        let (count, longest) = counts.entry((phase, one.status)).or_default();
        *count += 1;
        *longest = longest.max(one.seconds);
        assert!([0, 200, 303, 500, 503].contains(&one.status), "{one:?}");
        assert!(one.seconds < LIMIT, "longer than wait_timeout: {phase}: {one:?}");
        if one.path == "/board-add" && one.status == 303 {
            let stars = shown.get(&one.token).unwrap_or_else(|| panic!("acknowledged and lost: {one:?}"));
            assert!(*stars <= 1, "upgraded twice: {one:?}");
            assert!(*stars == 1 || ended > again, "not upgraded: {one:?}");
        }
        // Nobody refuses where no node starts again; 500 is a conflict that did not end.
        if ended < again {
            assert!(one.status != 0, "{one:?}");
            assert!(one.status != 503 || one.began < back + LIMIT, "{one:?}");
        }
    }
    println!("{} requests, the server away for {:.1} s; phase, status, number, longest:", all.len(), back - gone);
    for ((phase, status), (count, longest)) in &counts {
        println!("{phase:<10} {status:>3} {count:>5} {longest:>6.2} s");
    }
    assert!(counts.contains_key(&("2 away", 503)), "the server was not away");

    // Without TLS: the fifth thing that a server can be found to be.
    two.run("appctl config set board tls=no");
    for (status, words) in [(3, "appctl status board".to_owned()), (75, format!("{} health 0", BOARD.client()))] {
        let told = two.fails(status, &words);
        assert!(format!("{}{}", told.stdout, told.stderr).contains("tls-expected"), "{}", told.dump());
    }
    two.ok("appctl config unset board tls");
    serves(&two);
}

/// A node whose code is older than the data is told so.
fn older_code_is_refused(node: &Booted, why: &str) {
    let refused = node.fails(1, "appctl bootstrap upgrade board");
    assert!(refused.stderr.contains(why) && refused.stderr.contains("is for 1.0"), "{}", refused.dump());
}

/// The same on both at once.
fn at_once<R: Send>(nodes: &[(&str, &Booted); 2], work: impl Fn(&Booted) -> R + Sync) {
    thread::scope(|scope| {
        for (_, node) in nodes {
            scope.spawn(|| work(node));
        }
    });
}
