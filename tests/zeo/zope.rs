//! The code of examples/zope: two instances on one server, asked over HTTP. Their
//! configuration is of this test; the shipped templates run in tests/system/zeo_client.rs.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::harness::repository;
use crate::stand::{Node, Process, Server, free_port, program, run};

/// An instance of the example: a process that serves, configured by the templates of tests/zeo/zope.
struct Instance {
    dir: tempfile::TempDir,
    port: u16,
    process: Option<Process>,
}

fn example() -> PathBuf {
    repository().join("examples/zope")
}

/// A template with its variables replaced.
fn render(name: &str, values: &[(&str, &str)]) -> String {
    let mut text = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/zeo/zope").join(name))
        .expect("the template");
    for (variable, value) in values {
        text = text.replace(&format!("{{{{{variable}}}}}"), value);
    }
    assert!(!text.contains("{{"), "{name}: a variable is left:\n{text}");
    text
}

impl Instance {
    fn new(server: &Server) -> Instance {
        let dir = tempfile::tempdir().expect("tempdir");
        let path = |name: &str| dir.path().join(name).display().to_string();
        for name in ["etc", "blobs"] {
            std::fs::create_dir(dir.path().join(name)).expect("mkdir");
        }
        let port = free_port();
        let write = |name: &str, text: String| std::fs::write(dir.path().join(name), text).expect("write");
        write("etc/site.zcml", render("site.zcml", &[]));
        let conf = [
            ("instance_home", path("")),
            ("server", server.address()),
            ("storage", "1".to_owned()),
            ("wait_timeout", "5".to_owned()),
            ("cache_size", "20MB".to_owned()),
            ("blob_dir", path("blobs")),
            ("blob_cache_size", "512MB".to_owned()),
        ];
        let conf: Vec<(&str, &str)> = conf.iter().map(|(name, value)| (*name, value.as_str())).collect();
        write("zope.conf", render("zope.conf.hbs", &conf));
        let (zope_conf, port_text) = (path("zope.conf"), port.to_string());
        let ini = [("zope_conf", zope_conf.as_str()), ("host", "127.0.0.1"), ("port", port_text.as_str())];
        write("zope.ini", render("zope.ini.hbs", &ini));
        let mut instance = Instance { dir, port, process: None };
        instance.start();
        instance
    }

    /// Starts it, again where it ran; as a service does, it is tried again where it ends.
    fn start(&mut self) {
        self.process = None;
        let until = Instant::now() + Duration::from_secs(90);
        while self.get("/board-health", None) != 200 {
            assert!(Instant::now() < until, "no instance: {}", self.log());
            if !self.process.as_mut().is_some_and(|process| matches!(process.0.try_wait(), Ok(None))) {
                self.process = Some(self.spawn());
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    fn spawn(&self) -> Process {
        let log = std::fs::File::create(self.dir.path().join("log")).expect("log");
        let child = program("runwsgi")
            .arg(self.dir.path().join("zope.ini"))
            .env(
                "PYTHONPATH",
                std::env::join_paths([example().join("src"), repository().join("share/python")]).expect("a path"),
            )
            .env("PYTHONPYCACHEPREFIX", Path::new(env!("CARGO_TARGET_TMPDIR")).join("zeo-pycache"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("runwsgi");
        Process(child)
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("log")).unwrap_or_default()
    }

    /// The status and the body of an answer; 0 where there is none.
    fn ask(&self, request: &str, password: Option<&str>) -> (u16, String) {
        let script = "import base64, sys; print(base64.b64encode(('admin:' + sys.argv[1]).encode()).decode())";
        let authorization = password.map_or_else(String::new, |password| {
            let words = run(program("python").args(["-c", script, password])).ends_with(0).stdout;
            format!("Authorization: Basic {}\r\n", words.trim())
        });
        let (head, body) = request.split_once("\r\n").unwrap_or((request, ""));
        let Ok(mut connection) = TcpStream::connect(("127.0.0.1", self.port)) else { return (0, String::new()) };
        connection.set_read_timeout(Some(Duration::from_secs(20))).expect("a time limit");
        let text = format!(
            "{head} HTTP/1.0\r\nHost: 127.0.0.1:{}\r\n{authorization}\
             Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{body}",
            self.port,
            body.len()
        );
        let mut answer = String::new();
        if connection.write_all(text.as_bytes()).and_then(|()| connection.read_to_string(&mut answer)).is_err() {
            return (0, answer);
        }
        let status = answer.split(' ').nth(1).and_then(|word| word.parse().ok()).unwrap_or(0);
        (status, answer)
    }

    fn get(&self, path: &str, password: Option<&str>) -> u16 {
        self.ask(&format!("GET {path}"), password).0
    }
}

#[test]
fn two_instances_show_the_same_and_a_password_stays_changed() {
    const CHOSEN: &str = "chosen by the administrator";
    let mut server = Server::new();
    let node = Node::zope(&server);
    node.run("seed").ends_with(0);
    let first = node.password();
    let (mut one, two) = (Instance::new(&server), Instance::new(&server));
    let page = "/manage_workspace";
    let asked = |instance: &Instance, password| instance.get(page, password);
    assert_eq!(asked(&one, None), 401);
    assert_eq!(asked(&one, Some("wrong")), 401);
    assert!([200, 302].contains(&asked(&one, Some(&first))), "{}", one.log());

    assert_eq!(one.ask("POST /board-add\r\ntext=On+both", Some(&first)).0, 303, "{}", one.log());
    let until = Instant::now() + Duration::from_secs(5);
    while !two.ask("GET /board", None).1.contains("<li>On both</li>") {
        assert!(Instant::now() < until, "the other instance does not show it");
    }

    // As in the ZMI; then a restart, a purge that leaves no file, and a second node.
    server.look(&[format!("1:password={CHOSEN}")]);
    std::fs::remove_file(node.password_file()).expect("the file");
    for node in [&node, &Node::zope(&server)] {
        node.run("seed").ends_with(0);
    }
    one.start();
    for instance in [&one, &two] {
        assert_eq!(asked(instance, Some(&first)), 401);
        assert!([200, 302].contains(&asked(instance, Some(CHOSEN))));
    }

    // The server is away for a while: refused within the time limit, and back by itself.
    server.stop();
    let began = Instant::now();
    // wait-timeout is 5 s.
    assert_eq!(one.get("/board-health", None), 503, "{}", one.log());
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    // Also where the application does not see to it: the publisher's three repetitions would take 20 s and more.
    let began = Instant::now();
    let (status, answer) = one.ask("POST /board-add\r\ntext=While+it+is+away", Some(CHOSEN));
    assert!(status == 503 && answer.contains("Retry-After: "), "{answer}\n{}", one.log());
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    server.start();
    let until = Instant::now() + Duration::from_secs(30);
    while one.get("/board-health", None) != 200 {
        assert!(Instant::now() < until, "it does not come back: {}", one.log());
        std::thread::sleep(Duration::from_millis(200));
    }
    assert!(two.ask("GET /board", None).1.contains("<li>On both</li>"));
}
