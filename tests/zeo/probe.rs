//! The probe: what it says of each kind of server, and how soon.

use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::PoisonError;
use std::thread;
use std::time::Duration;

use crate::harness::repository;
use crate::stand::{LOAD, Node, Said, Server, free_port, program, run};

/// No answer of the probe may take longer.
const LIMIT: Duration = Duration::from_secs(6);

fn probe(address: &str, storage: &str, more: &str) -> Said {
    let _quiet = LOAD.read().unwrap_or_else(PoisonError::into_inner);
    let said = Node::new(address, storage, more).run("probe --json");
    assert!(said.elapsed < LIMIT, "{said:#?}");
    said
}

/// The exit status, the word of the result, and the monitoring plugin's status.
fn answers(address: &str, storage: &str) -> (i32, String, i32) {
    let said = probe(address, storage, "");
    let word = said.json()["result"].as_str().expect("a word").to_owned();
    let _quiet = LOAD.read().unwrap_or_else(PoisonError::into_inner);
    let plugin = Node::new(address, storage, "").run("probe --plugin");
    assert!(plugin.elapsed < LIMIT && plugin.stdout.starts_with("ZEO "), "{plugin:#?}");
    (said.status, word, plugin.status)
}

/// A listener that does this to each connection, for ever.
fn listener(behave: impl Fn(TcpStream) + Send + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("bind");
    let address = listener.local_addr().expect("an address").to_string();
    thread::spawn(move || {
        for connection in listener.incoming().flatten() {
            behave(connection);
        }
    });
    address
}

/// Keeps a connection open until the process ends.
fn hold(connection: TcpStream) {
    std::mem::forget(connection);
}

/// A certificate of its own for 127.0.0.1, and its key.
fn certificate(dir: &Path, name: &str) -> (PathBuf, PathBuf) {
    let (cert, key) = (dir.join(format!("{name}.pem")), dir.join(format!("{name}.key")));
    let mut command = Command::new("openssl");
    command.args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"]);
    command.args(["-addext", "subjectAltName=IP:127.0.0.1", "-subj", &format!("/CN={name}")]);
    run(command.arg("-out").arg(&cert).arg("-keyout").arg(&key)).ends_with(0);
    (cert, key)
}

struct Secured {
    server: Server,
    dir: tempfile::TempDir,
}

/// A server that asks its clients for the certificate `node`, or its own.
fn secured() -> Secured {
    let dir = tempfile::tempdir().expect("tempdir");
    let (cert, key) = certificate(dir.path(), "server");
    let (node, _) = certificate(dir.path(), "node");
    certificate(dir.path(), "stranger");
    let clients = dir.path().join("clients.pem");
    let both = [&node, &cert].map(|file| std::fs::read_to_string(file).expect("a certificate")).concat();
    std::fs::write(&clients, both).expect("clients.pem");
    let ssl = format!(
        "  <ssl>\n    certificate {}\n    key {}\n    authenticate {}\n  </ssl>\n",
        cert.display(),
        key.display(),
        clients.display()
    );
    Secured { server: Server::with(&["1"], &ssl), dir }
}

impl Secured {
    fn tls(&self, ca: &str, node: &str) -> String {
        let dir = self.dir.path().display();
        let own = match node {
            "" => String::new(),
            name => format!("cert = \"{dir}/{name}.pem\"\nkey = \"{dir}/{name}.key\"\n"),
        };
        format!("[storage.tls]\nca = \"{dir}/{ca}.pem\"\n{own}")
    }
}

#[test]
fn five_states_have_five_results() {
    let closed = format!("127.0.0.1:{}", free_port());
    assert_eq!(answers(&closed, "1"), (11, "unreachable".to_owned(), 2));

    assert_eq!(answers(&listener(hold), "1"), (12, "mute".to_owned(), 2));

    let secured = secured();
    assert_eq!(answers(&secured.server.address(), "1"), (13, "tls-expected".to_owned(), 2));

    let server = Server::with(&["1", "two"], "");
    server.look(&["two:fill".to_owned()]);
    for _ in 0..2 {
        // Asking does not make it non-empty.
        assert_eq!(answers(&server.address(), "1"), (10, "empty".to_owned(), 1));
    }
    assert_eq!(answers(&server.address(), "two"), (0, "data".to_owned(), 0));
    let status = Node::new(&server.address(), "1", "").run("status --json").ends_with(0).json();
    assert_eq!(status["storages"][0]["result"], "empty");
    assert_eq!(answers(&server.address(), "1").1, "empty");
}

#[test]
fn over_tls_with_both_certificates() {
    let secured = secured();
    let address = secured.server.address();
    assert_eq!(probe(&address, "1", &secured.tls("server", "node")).ends_with(10).json()["result"], "empty");
    for (ca, node, word) in [
        ("server", "", "certificate"),
        ("server", "stranger", "certificate"),
        ("stranger", "node", "self-signed certificate"),
    ] {
        let said = probe(&address, "1", &secured.tls(ca, node)).ends_with(1).json();
        let detail = said["storages"][0]["servers"][0]["detail"].as_str().expect("a reason").to_lowercase();
        assert!(detail.contains(word), "{ca}, {node}: {detail}");
    }
    let plain = Server::new();
    let said = probe(&plain.address(), "1", &secured.tls("server", "node")).ends_with(1);
    assert!(said.stdout.contains("does not speak it"), "{said:#?}");
}

/// examples/zeo-server's packing is a client of its own server.
#[test]
fn the_servers_own_tools_pass_its_tls() {
    let secured = secured();
    let source = repository().join("examples/zeo-server/src");
    let script = "import sys; from zeo_server.command import main; sys.exit(main(sys.argv[1:]))";
    let mut command = program("python");
    command.env("PYTHONPATH", source).env("PYTHONDONTWRITEBYTECODE", "1").args(["-c", script, "--config"]);
    let said = run(command.arg(secured.server.config()).arg("pack")).ends_with(0);
    assert_eq!(said.stderr, "");
}

#[test]
fn what_is_no_zeo_server_is_said_to_be_none() {
    let server = Server::new();
    let said = probe(&server.address(), "two", "").ends_with(1);
    assert!(said.stdout.contains("no storage 'two' (it has: 1)"), "{said:#?}");
    assert_eq!(answers(&server.address(), "two"), (1, "failed".to_owned(), 3));

    let web = listener(|mut connection| {
        let _ = connection.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n");
        hold(connection);
    });
    assert!(probe(&web, "1", "").ends_with(1).stdout.contains("not a ZEO server"));

    // As a proxy whose server is away.
    assert_eq!(probe(&listener(drop), "1", "").ends_with(11).json()["result"], "unreachable");

    // It greets, and hangs.
    let hung = listener(|mut connection| {
        let _ = connection.write_all(b"\0\0\0\x02Z5");
        hold(connection);
    });
    assert_eq!(probe(&hung, "1", "").ends_with(12).json()["result"], "mute");

    let slow = listener(|mut connection| {
        thread::spawn(move || {
            thread::sleep(Duration::from_secs(1));
            let _ = connection.write_all(b"\0\0\0\x02Z5\0\0\0\x2b{\"1\": {\"last-transaction\": \"040d2a0612d0\"}}");
            hold(connection);
        });
    });
    assert_eq!(probe(&slow, "1", "").ends_with(0).json()["result"], "data");
}

#[test]
fn tls_is_known_by_its_records_and_nothing_else() {
    // A record in pieces, as from a slow line; the first connection never gets a word.
    let pieces = listener(|mut connection| {
        thread::spawn(move || {
            let mut byte = [0];
            if std::io::Read::read(&mut connection, &mut byte).is_ok_and(|count| count == 1) {
                for piece in [b"\x15", b"\x03"] {
                    let _ = connection.write_all(piece);
                    thread::sleep(Duration::from_millis(200));
                }
            }
            hold(connection);
        });
    });
    assert_eq!(answers(&pieces, "1"), (13, "tls-expected".to_owned(), 2));

    // It holds the first connection and throws out each second one: with and without a word.
    for word in [b"" as &[u8], b"no"] {
        let first = std::sync::atomic::AtomicBool::new(true);
        let one_only = listener(move |mut connection| {
            if first.swap(false, std::sync::atomic::Ordering::Relaxed) {
                hold(connection);
            } else {
                let _ = connection.write_all(word);
            }
        });
        assert_eq!(probe(&one_only, "1", "").ends_with(12).json()["result"], "mute");
    }

    // Configured for TLS, and the server takes the connection and is mute.
    let secured = secured();
    let said = probe(&listener(hold), "1", &secured.tls("server", "node")).ends_with(12);
    assert_eq!(said.json()["result"], "mute");
}

#[test]
fn a_stopped_server_is_mute_not_slow_for_ever() {
    let server = Server::new();
    let stop = |signal: &str| run(Command::new("kill").args([signal, &server.pid().to_string()])).ends_with(0);
    stop("-STOP");
    let said = probe(&server.address(), "1", "");
    stop("-CONT");
    assert_eq!(said.ends_with(12).json()["result"], "mute");
}

#[test]
fn any_server_of_a_storage_will_do() {
    let server = Server::new();
    let dead = format!("127.0.0.1:{}", free_port());
    let node = Node::new(&format!("{dead} {}", server.address()), "1", "");
    let found = node.run("probe --json").ends_with(10).json();
    assert_eq!(found["storages"][0]["servers"][0]["server"], server.address());
    assert_eq!(found["storages"][0]["servers"][1]["result"], "unreachable");
    node.run(&format!("probe --server {dead}")).ends_with(11);

    // The worst of several storages counts; one may be asked alone.
    let more = format!("[[storage]]\nname = \"other\"\nmount = \"/other\"\nservers = [\"{dead}\"]\n");
    let node = Node::new(&server.address(), "1", &more);
    node.run("probe").ends_with(11);
    node.run("probe --storage main").ends_with(10);
    node.run("probe --storage none").ends_with(2);
}

#[test]
fn a_wrong_configuration_is_named() {
    for (more, word) in [
        ("mount = \"/x\"\n", "no storage has mount"),
        ("servers-list = 1\n", "unknown key servers-list"),
        ("wait-timeout = 0\n", "wait-timeout"),
        ("wait-timeout = true\n", "wrong type"),
        ("[bootstrap]\nframework = \"plone\"\n", "framework is none of"),
        ("[bootstrap]\nframework = \"custom\"\n", "seed = "),
        ("[upgrade]\nversion = \"1\"\ncommand = []\n", "command"),
        ("[storage.tls]\nca = \"/no/such/ca.pem\"\n", "/no/such/ca.pem"),
    ] {
        let said = Node::new("127.0.0.1:1", "1", more).run("probe").ends_with(2);
        assert!(said.stderr.contains(word), "{more}: {said:#?}");
    }
    let said = Node::new("localhost", "1", "").run("probe").ends_with(2);
    assert!(said.stderr.contains("hint: write HOST:PORT"), "{said:#?}");
}
