//! What the tests stand on: the Python with the real packages, ZEO servers, and
//! nodes, each with its configuration and its state.

use std::io::Read;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{OnceLock, RwLock};
use std::time::{Duration, Instant};

use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::harness::{cache_dir, repository, uv};

/// Held for writing by a test that fills the machine with processes, for reading
/// by one that looks at the clock.
pub static LOAD: RwLock<()> = RwLock::new(());

/// The interpreter of an environment with requirements.txt installed. It is made
/// once, by Debian's Python, and lasts until the requirements change.
pub fn python() -> &'static Path {
    static MADE: OnceLock<PathBuf> = OnceLock::new();
    MADE.get_or_init(|| {
        let requirements = repository().join("tests/zeo/requirements.txt");
        let hash = Sha256::digest(std::fs::read(&requirements).expect("requirements.txt"));
        let name: String = hash.iter().take(6).map(|byte| format!("{byte:02x}")).collect();
        let dir = cache_dir().join("zeo");
        std::fs::create_dir_all(&dir).expect("the cache's directory");
        let venv = dir.join(name);
        // `made` is the last file: what a killed run left is made anew.
        let script = "[ -e \"$1/made\" ] && exit
            rm -rf \"$1\" && /usr/bin/python3 -m venv --without-pip \"$1\"
            \"$2\" pip install --quiet --python \"$1/bin/python\" --compile-bytecode \
                --require-hashes --only-binary :all: --requirement \"$3\"
            touch \"$1/made\"";
        let mut command = Command::new("flock");
        command.arg(dir.join("lock")).args(["sh", "-e", "-c", script, "sh"]).arg(&venv).arg(uv()).arg(&requirements);
        for (name, _) in std::env::vars_os().filter(|(name, _)| {
            let name = name.to_string_lossy();
            name.starts_with("PIP_") || name.starts_with("UV_") || name.starts_with("PYTHON")
        }) {
            command.env_remove(name);
        }
        let output = command.output().expect("flock cannot be started");
        assert!(output.status.success(), "no environment: {}", String::from_utf8_lossy(&output.stderr));
        venv.join("bin/python")
    })
}

/// A program of the environment.
pub fn program(name: &str) -> Command {
    python();
    Command::new(python().with_file_name(name))
}

/// The words that make Python ask a process that has loaded Zope and ZEO (forked.py)
/// for a child that is the program: loading takes longer than all else that a seeder does.
pub fn forked() -> Command {
    static NAME: OnceLock<(String, Process)> = OnceLock::new();
    let script = repository().join("tests/zeo/forked.py");
    let (name, _) = NAME.get_or_init(|| {
        let name = format!("deb-build-app-zeo-{}", std::process::id());
        let mut command = program("python");
        command.arg(&script).args(["serve", &name]);
        in_the_tree(&mut command);
        // It ends when this process, and with it the pipe, does.
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("forked.py can be started");
        let mut said = [0; 6];
        child.stdout.as_mut().expect("its output").read_exact(&mut said).expect("forked.py says that it is ready");
        assert_eq!(&said, b"ready\n");
        (name, Process(child))
    });
    let mut command = program("python");
    command.args(["-I", "-S"]).arg(script).args(["ask", name]);
    command
}

/// What a program left.
#[derive(Debug)]
pub struct Said {
    pub status: i32,
    pub stdout: String,
    pub stderr: String,
    pub elapsed: Duration,
}

impl Said {
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    #[track_caller]
    pub fn ends_with(self, status: i32) -> Said {
        assert_eq!(self.status, status, "{self:#?}");
        self
    }
}

/// Runs a command to its end.
pub fn run(command: &mut Command) -> Said {
    let began = Instant::now();
    let output = command.stdin(Stdio::null()).output().expect("the command can be started");
    said(output, began)
}

fn said(output: std::process::Output, began: Instant) -> Said {
    Said {
        status: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        elapsed: began.elapsed(),
    }
}

/// A port of loopback that nobody listens on.
pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a port").port()
}

/// A process that dies with its handle.
pub struct Process(pub Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Process {
    #[track_caller]
    pub fn wait(self) -> Said {
        let began = Instant::now();
        let mut process = self;
        let mut pipes = (process.0.stdout.take(), process.0.stderr.take());
        let mut text = (String::new(), String::new());
        if let Some(pipe) = &mut pipes.0 {
            pipe.read_to_string(&mut text.0).expect("standard output");
        }
        if let Some(pipe) = &mut pipes.1 {
            pipe.read_to_string(&mut text.1).expect("standard error");
        }
        let status = process.0.wait().expect("wait").code().unwrap_or(-1);
        Said { status, stdout: text.0, stderr: text.1, elapsed: began.elapsed() }
    }
}

/// A ZEO server with file storages.
pub struct Server {
    dir: tempfile::TempDir,
    port: u16,
    process: Option<Process>,
}

impl Server {
    /// A server that answers, with the storage `1`.
    pub fn new() -> Server {
        Server::with(&["1"], "")
    }

    /// A server with these storages, and with more lines in its `<zeo>` section.
    pub fn with(storages: &[&str], zeo: &str) -> Server {
        let dir = tempfile::tempdir().expect("tempdir");
        let port = free_port();
        let mut text = format!("<zeo>\n  address 127.0.0.1:{port}\n{zeo}</zeo>\n");
        for name in storages {
            text += &format!("<filestorage {name}>\n  path {}/{name}.fs\n</filestorage>\n", dir.path().display());
        }
        let mut server = Server { dir, port, process: None };
        std::fs::write(server.config(), text).expect("zeo.conf");
        server.start();
        server
    }

    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    pub fn start(&mut self) {
        let log = std::fs::File::create(self.dir.path().join("log")).expect("log");
        let child = program("runzeo")
            .arg("-C")
            .arg(self.config())
            .current_dir(self.dir.path())
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("log"))
            .stderr(log)
            .spawn()
            .expect("runzeo");
        self.process = Some(Process(child));
        let until = Instant::now() + Duration::from_secs(30);
        let address = SocketAddr::from(([127, 0, 0, 1], self.port));
        while TcpStream::connect_timeout(&address, Duration::from_secs(1)).is_err() {
            assert!(Instant::now() < until, "no server: {}", self.log());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Kills it; what it has is on disk.
    pub fn stop(&mut self) {
        self.process = None;
    }

    pub fn config(&self) -> PathBuf {
        self.dir.path().join("zeo.conf")
    }

    pub fn pid(&self) -> u32 {
        self.process.as_ref().expect("a running server").0.id()
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("log")).unwrap_or_default()
    }

    /// What look.py finds, or does.
    #[track_caller]
    pub fn look(&self, words: &[String]) -> Value {
        let script = repository().join("tests/zeo/look.py");
        let looked = run(forked().arg(script).arg(self.address()).args(words));
        looked.ends_with(0).json()
    }
}

/// A machine that runs the application: a configuration, and a directory of the
/// service's user.
pub struct Node {
    dir: tempfile::TempDir,
}

impl Node {
    /// With `storage` of a server and further lines of TOML.
    pub fn new(address: &str, storage: &str, more: &str) -> Node {
        let dir = tempfile::tempdir().expect("tempdir");
        std::fs::create_dir(dir.path().join("state")).expect("state");
        let node = Node { dir };
        node.configure(address, storage, more);
        node
    }

    /// Whose administrator is Zope's.
    pub fn zope(server: &Server) -> Node {
        Node::new(&server.address(), "1", "[bootstrap]\nframework = \"zope\"\n")
    }

    pub fn configure(&self, address: &str, storage: &str, more: &str) {
        let text = format!(
            "format = 1\npackage = \"notes\"\nstate = \"{}\"\n\n[[storage]]\nservers = \"{address}\"\n\
             storage = \"{storage}\"\n{more}",
            self.state().display()
        );
        std::fs::write(self.config(), text).expect("the configuration");
    }

    pub fn config(&self) -> PathBuf {
        self.dir.path().join("zeoclient.toml")
    }

    pub fn state(&self) -> PathBuf {
        self.dir.path().join("state")
    }

    pub fn password_file(&self) -> PathBuf {
        self.state().join("initial-admin-password")
    }

    pub fn password(&self) -> String {
        let text = std::fs::read_to_string(self.password_file()).expect("the password's file");
        text.lines().last().expect("a password").to_owned()
    }

    /// Everything in the state directory but the locks.
    pub fn files(&self) -> Vec<String> {
        let mut names: Vec<String> = std::fs::read_dir(self.state())
            .expect("state")
            .map(|entry| entry.expect("state").file_name().to_string_lossy().into_owned())
            .filter(|name| !name.ends_with(".lock"))
            .collect();
        names.sort();
        names
    }

    /// zeoclient with arguments separated by white space, started as a service starts it.
    pub fn command(&self, arguments: &str) -> Command {
        self.with(program("python"), arguments)
    }

    /// The same in a child of a process that has loaded what it needs.
    pub fn quick(&self, arguments: &str) -> Command {
        self.with(forked(), arguments)
    }

    fn with(&self, mut python: Command, arguments: &str) -> Command {
        python.args(["-m", "zeoclient", "--config"]).arg(self.config()).args(arguments.split_whitespace());
        in_the_tree(&mut python);
        python
    }

    /// What takes its time to load is [`Self::quick`].
    fn chosen(&self, arguments: &str) -> Command {
        match arguments.split_whitespace().next() {
            Some("seed" | "reset-admin" | "ack" | "status") => self.quick(arguments),
            _ => self.command(arguments),
        }
    }

    pub fn run(&self, arguments: &str) -> Said {
        run(&mut self.chosen(arguments))
    }

    pub fn spawn(&self, arguments: &str) -> Process {
        let mut command = self.chosen(arguments);
        Process(
            command
                .stdin(Stdio::null())
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn()
                .expect("zeoclient can be started"),
        )
    }
}

/// Lets a command find share/python and leave no byte code there.
pub fn in_the_tree(command: &mut Command) {
    command.env("PYTHONPATH", repository().join("share/python"));
    command.env("PYTHONPYCACHEPREFIX", Path::new(env!("CARGO_TARGET_TMPDIR")).join("zeo-pycache"));
    command.env_remove("CREDENTIALS_DIRECTORY");
}
