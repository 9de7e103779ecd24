//! Sessions: commands in a chroot image, through `tools/session`.
//!
//! A [`Session`] is a writable layer over an image and over what it was forked from. Each command gets namespaces
//! of its own and nothing stays mounted between two of them, so a test that
//! panics, or is killed, leaves only files, which the next run removes.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, Once, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::image::{self, Kind, Suite};

/// What a command left.
#[derive(Debug, Clone)]
pub struct Output {
    /// The exit status; 128 + signal for a command that a signal ended, -1 for
    /// one whose session was killed.
    pub status: i32,
    pub stdout: String,
    pub stderr: String,
    pub elapsed: Duration,
}

impl Output {
    pub fn success(&self) -> bool {
        self.status == 0
    }

    /// Everything, for the message of an assertion.
    pub fn dump(&self) -> String {
        format!(
            "status {} after {:.1} s\n--- stdout ---\n{}\n--- stderr ---\n{}",
            self.status,
            self.elapsed.as_secs_f64(),
            self.stdout.trim_end(),
            self.stderr.trim_end()
        )
    }
}

/// The writable layer; removed with the last handle on it.
struct State {
    suite: Suite,
    image: PathBuf,
    own: Layer,
    /// What it had become when it was forked last, the newest first; never written again.
    below: Mutex<Vec<Arc<Layer>>>,
}

/// A directory of a session or of several, removed with the last of them.
struct Layer(PathBuf);

impl Layer {
    fn new() -> Layer {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        static SWEEP: Once = Once::new();
        let sessions = Path::new(env!("CARGO_TARGET_TMPDIR")).join("sessions");
        SWEEP.call_once(|| remove_dead(&sessions));
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let dir = sessions.join(format!("{}-{number}", std::process::id()));
        std::fs::create_dir_all(&dir).expect("cannot create the session's directory");
        Layer(dir)
    }
}

impl Drop for Layer {
    fn drop(&mut self) {
        // What cannot be removed now is removed by the next run's sweep.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

impl State {
    fn new(suite: Suite, image: PathBuf) -> State {
        State { suite, image, own: Layer::new(), below: Mutex::default() }
    }

    /// For tools/session and tools/boot: the layers below, one a line.
    fn list(&self, name: &str, below: &[Arc<Layer>]) -> PathBuf {
        let path = self.own.0.join(name);
        let lines: String = below.iter().map(|layer| format!("{}/upper\n", layer.0.display())).collect();
        std::fs::write(&path, lines).expect("cannot write the session's layers");
        path
    }

    /// From here on what there is lies in a layer that others can stand on.
    fn freeze(&self) -> Vec<Arc<Layer>> {
        let mut below = self.below.lock().unwrap_or_else(PoisonError::into_inner);
        let upper = self.own.0.join("upper");
        if upper.is_dir() {
            let layer = Layer::new();
            below.insert(0, Arc::new(layer));
            let list = self.list("below.new", &below);
            // Both or, where the test is killed, a session that nobody uses again.
            let status = Command::new("flock")
                .arg(self.own.0.join("lock"))
                .args(["sh", "-ec", "mv \"$1\" \"$2\" && mv \"$3\" \"$4\"", "sh"])
                .args([&upper, &below[0].0.join("upper"), &list, &self.own.0.join("below")])
                .status()
                .expect("flock cannot be started");
            assert!(status.success(), "the session's files cannot be shared");
        }
        below.clone()
    }
}

/// Removes the layers of test processes that were killed.
fn remove_dead(sessions: &Path) {
    for entry in std::fs::read_dir(sessions).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let pid = name.to_string_lossy().split('-').next().unwrap_or_default().to_owned();
        if !Path::new("/proc").join(pid).exists() {
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
}

/// A handle on a session, and how its commands are run. The methods that change
/// the how return another handle on the same files:
///
/// ```ignore
/// let session = Session::new(Suite::Trixie, Kind::Run);
/// session.ok("useradd alice");
/// let alice = session.as_user("alice").offline();
/// assert_eq!(alice.ok("id -un").stdout, "alice\n");
/// ```
#[derive(Clone)]
pub struct Session {
    state: Arc<State>,
    user: String,
    dir: Option<String>,
    environment: BTreeMap<String, String>,
    options: Vec<OsString>,
    timeout: Duration,
    shared_downloads: bool,
}

impl Session {
    /// A fresh system. Commands run as root, in root's home, with the host's
    /// network; in images to build in, what pip and uv download is kept for all.
    pub fn new(suite: Suite, kind: Kind) -> Session {
        Session {
            state: Arc::new(State::new(suite, image::image(suite, kind))),
            user: "root".to_owned(),
            dir: None,
            environment: BTreeMap::new(),
            options: Vec::new(),
            timeout: Duration::from_secs(900),
            shared_downloads: kind != Kind::Run,
        }
    }

    pub fn suite(&self) -> Suite {
        self.state.suite
    }

    /// The first two arguments of `tools/session` for this session.
    pub fn image_and_state(&self) -> [&Path; 2] {
        [&self.state.image, &self.state.own.0]
    }

    /// A second system that starts with what this one has become; both go their
    /// own way from here. Nothing is copied. Waits for a running command; not for a
    /// booted system, which must not be forked.
    #[must_use]
    pub fn fork(&self) -> Session {
        let state = State::new(self.state.suite, self.state.image.clone());
        let below = self.state.freeze();
        state.list("below", &below);
        *state.below.lock().unwrap_or_else(PoisonError::into_inner) = below;
        Session { state: Arc::new(state), ..self.clone() }
    }

    /// Commands run as this user of the system, in the user's home.
    #[must_use]
    pub fn as_user(&self, name: &str) -> Session {
        Session { user: name.to_owned(), ..self.clone() }
    }

    /// Commands have no network but loopback.
    #[must_use]
    pub fn offline(&self) -> Session {
        self.with_option(["--offline"])
    }

    /// Commands start in this directory.
    #[must_use]
    pub fn in_dir(&self, dir: &str) -> Session {
        Session { dir: Some(dir.to_owned()), ..self.clone() }
    }

    /// Sets a variable; nothing of the host's environment is there otherwise.
    #[must_use]
    pub fn env(&self, name: &str, value: &str) -> Session {
        let mut session = self.clone();
        session.environment.insert(name.to_owned(), value.to_owned());
        session
    }

    /// pip and uv start with empty caches, which are the session's own.
    #[must_use]
    pub fn cold_downloads(&self) -> Session {
        Session { shared_downloads: false, ..self.clone() }
    }

    /// A file system of its own for each command, of a size such as `8m`, empty
    /// when the command starts.
    #[must_use]
    pub fn with_tmpfs(&self, path: &str, size: &str) -> Session {
        self.with_option(["--tmpfs".to_owned(), format!("{path}:{size}")])
    }

    /// Shows a file or directory of the host, for reading.
    #[must_use]
    pub fn bind(&self, host: &Path, inside: &str) -> Session {
        self.with_bind(host, inside, ":ro")
    }

    /// Shows a file or directory of the host, for writing too.
    #[must_use]
    pub fn bind_writable(&self, host: &Path, inside: &str) -> Session {
        self.with_bind(host, inside, "")
    }

    /// Commands longer than this are killed, and fail the test (default 15
    /// minutes).
    #[must_use]
    pub fn timeout(&self, timeout: Duration) -> Session {
        Session { timeout, ..self.clone() }
    }

    /// Puts `/usr/local/bin/uv` there, the version that the tests are pinned to.
    #[must_use]
    pub fn install_uv(&self) -> Session {
        self.bind(&image::uv(), "/usr/local/bin/uv")
    }

    /// Installs packages of the host with apt-get, in one call.
    pub fn install<P: AsRef<Path>>(&self, debs: &[P]) -> Output {
        let root = self.as_user("root");
        let names = debs.iter().map(|deb| {
            let name = deb.as_ref().file_name().expect("a .deb has a name").to_string_lossy().into_owned();
            root.copy_in(deb.as_ref(), &format!("/var/tmp/debs/{name}"));
            format!("/var/tmp/debs/{name}")
        });
        let names: Vec<String> = names.collect();
        root.ok(&format!("apt-get install -qq -y --allow-downgrades -o Dpkg::Use-Pty=0 {}", names.join(" ")))
    }

    /// Runs a script with `bash -e -o pipefail`.
    #[track_caller]
    pub fn run(&self, script: &str) -> Output {
        self.spawn(script).wait()
    }

    /// Runs a script that must succeed.
    #[track_caller]
    pub fn ok(&self, script: &str) -> Output {
        let output = self.run(script);
        assert!(output.success(), "{}", self.report(script, &output));
        output
    }

    /// Runs a script that must fail with this status.
    #[track_caller]
    pub fn fails(&self, status: i32, script: &str) -> Output {
        let output = self.run(script);
        assert!(output.status == status, "status {status} expected\n{}", self.report(script, &output));
        output
    }

    /// Starts a script and returns at once. Another command of the same session
    /// waits until it has ended; [`Running::inside`] does not.
    #[track_caller]
    pub fn spawn(&self, script: &str) -> Running {
        self.start(script, &self.options, None)
    }

    /// The text of a file.
    #[track_caller]
    pub fn read(&self, path: &str) -> String {
        self.as_user("root").in_dir("/").ok(&format!("cat -- '{path}'")).stdout
    }

    /// Writes a file, owned by the session's user; directories are made.
    #[track_caller]
    pub fn write(&self, path: &str, text: &str) {
        let script = format!("mkdir -p -- \"$(dirname -- '{path}')\" && cat > '{path}'");
        let output = self.start(&script, &self.options, Some(text)).wait();
        assert!(output.success(), "{}", self.report(&script, &output));
    }

    /// Copies a file or a directory of the host to this very path, modes and
    /// links kept; it then belongs to the session's user. Directories are made,
    /// and are the user's, too.
    #[track_caller]
    pub fn copy_in(&self, host: &Path, path: &str) {
        let (user, dir) = (&self.user, path.rsplit_once('/').map_or("", |(dir, _)| dir));
        self.as_user("root").in_dir("/").bind(host, "/dev/host").ok(&format!(
            "[ -d '{dir}/' ] || install -d -o {user} -g \"$(id -gn {user})\" -- '{dir}'
             if [ -d /dev/host ]; then mkdir -p -- '{path}'; cp -a -- /dev/host/. '{path}'
             else cp -a -- /dev/host '{path}'; fi
             chown -hR {user}: -- '{path}'"
        ));
    }

    /// Copies a file or a directory out to this very path of the host.
    #[track_caller]
    pub fn copy_out(&self, path: &str, host: &Path) {
        let dir = host.parent().expect("a path with a directory");
        let name = host.file_name().expect("a path with a name").to_string_lossy();
        std::fs::create_dir_all(dir).expect("cannot create the directory to copy to");
        self.as_user("root")
            .in_dir("/")
            .bind_writable(dir, "/dev/host")
            .ok(&format!("cp -aT -- '{path}' '/dev/host/{name}'"));
    }

    fn with_option<const N: usize>(&self, words: [impl Into<OsString>; N]) -> Session {
        let mut session = self.clone();
        session.options.extend(words.map(Into::into));
        session
    }

    fn with_bind(&self, host: &Path, inside: &str, suffix: &str) -> Session {
        let mut bind = host.as_os_str().to_owned();
        bind.push(format!(":{inside}{suffix}"));
        self.with_option([OsString::from("--bind"), bind])
    }

    #[track_caller]
    fn start(&self, script: &str, options: &[OsString], input: Option<&str>) -> Running {
        refuse_what_cannot_fail(script);
        let mut command = Command::new(image::repository().join("tools/session"));
        command.args(self.image_and_state()).args(options).args(["--user", &self.user]);
        if let Some(dir) = &self.dir {
            command.args(["--chdir", dir]);
        }
        for (name, value) in &self.environment {
            command.arg("--env").arg(format!("{name}={value}"));
        }
        if self.shared_downloads {
            command.arg("--cache").arg(image::cache_dir().join("downloads"));
        }
        command.args(["--", "bash", "-e", "-o", "pipefail", "-c", script]);
        Running::start(command, self.clone(), script, input)
    }

    fn report(&self, script: &str, output: &Output) -> String {
        format!("{} as {}: {script}\n{}", self.state.suite, self.user, output.dump())
    }
}

/// `bash -e` passes over a command that stands after `!`: an assertion written so
/// counts on a script's last line alone.
#[track_caller]
pub(super) fn refuse_what_cannot_fail(script: &str) {
    let mut lines = script.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')).peekable();
    while let Some(line) = lines.next() {
        let passed_over =
            line.contains("do ! ") || line.starts_with("! ") && !line.contains("||") && lines.peek().is_some();
        assert!(!passed_over, "this line cannot fail: {line}");
    }
}

/// A command under way. Dropping it kills it, with all that it started.
pub struct Running {
    child: Child,
    session: Session,
    script: String,
    began: Instant,
    stdout: Option<JoinHandle<Vec<u8>>>,
    stderr: Option<JoinHandle<Vec<u8>>>,
}

impl Running {
    fn start(mut command: Command, session: Session, script: &str, input: Option<&str>) -> Running {
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command.stdin(if input.is_some() { Stdio::piped() } else { Stdio::null() });
        let mut child = command.spawn().expect("tools/session cannot be started");
        if let (Some(mut pipe), Some(text)) = (child.stdin.take(), input) {
            // A command that does not read its input shows in its status.
            let _ = pipe.write_all(text.as_bytes());
        }
        let stdout = child.stdout.take().map(collect);
        let stderr = child.stderr.take().map(collect);
        Running { child, session, script: script.to_owned(), began: Instant::now(), stdout, stderr }
    }

    /// Waits for the end.
    #[track_caller]
    pub fn wait(mut self) -> Output {
        use std::os::unix::process::ExitStatusExt;
        let status = loop {
            if let Some(status) = self.child.try_wait().expect("wait") {
                break status;
            }
            if self.began.elapsed() > self.session.timeout {
                let _ = self.child.kill();
                let _ = self.child.wait();
                let output = self.output(-1);
                panic!("killed at its time limit: {}", self.session.report(&self.script, &output));
            }
            thread::sleep(Duration::from_millis(5));
        };
        let status = status.code().unwrap_or_else(|| status.signal().map_or(-1, |_| -1));
        self.output(status)
    }

    /// Kills the session with SIGKILL, as the loss of the machine's power would
    /// end it, and returns what it had said.
    pub fn kill(mut self) -> Output {
        let _ = self.child.kill();
        let _ = self.child.wait();
        self.output(-1)
    }

    /// Whether the command is still under way.
    pub fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Runs a script as root beside the running command: same files, same
    /// processes, same network.
    #[track_caller]
    pub fn inside(&self, script: &str) -> Output {
        refuse_what_cannot_fail(script);
        let first = self.first_process();
        let mut command = Command::new("nsenter");
        command.arg(format!("--target={first}"));
        command.args(["--mount", "--uts", "--ipc", "--net", "--pid", "--", "env", "-i", "LC_ALL=C.UTF-8"]);
        command.args([
            "HOME=/root",
            "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "bash",
            "-e",
            "-o",
            "pipefail",
            "-c",
        ]);
        command.arg(script);
        Running::start(command, self.session.clone(), script, None).wait()
    }

    /// Runs a script inside until it succeeds, for as long as this.
    #[track_caller]
    pub fn until(&self, limit: Duration, script: &str) -> Output {
        let began = Instant::now();
        loop {
            let output = self.inside(script);
            if output.success() {
                return output;
            }
            assert!(began.elapsed() < limit, "not within {limit:?}: {}", self.session.report(script, &output));
            thread::sleep(Duration::from_millis(50));
        }
    }

    /// The host's id of the first process in the session, once it has left the
    /// host's files behind.
    #[track_caller]
    fn first_process(&self) -> u32 {
        let began = Instant::now();
        let unshare = self.child.id();
        while began.elapsed() < Duration::from_secs(20) {
            let children = std::fs::read_to_string(format!("/proc/{unshare}/task/{unshare}/children"));
            let first = children.ok().and_then(|list| list.split_whitespace().next()?.parse().ok());
            if let Some(first) = first {
                let mounts = std::fs::read_to_string(format!("/proc/{first}/mounts")).unwrap_or_default();
                if mounts.lines().any(|line| line.starts_with("session / overlay"))
                    && !mounts.lines().any(|line| line.contains(" /mnt"))
                {
                    return first;
                }
            }
            thread::sleep(Duration::from_millis(10));
        }
        panic!("the session did not start: {}", self.script);
    }

    fn output(&mut self, status: i32) -> Output {
        let elapsed = self.began.elapsed();
        let text = |thread: Option<JoinHandle<Vec<u8>>>| {
            let bytes = thread.map(|thread| thread.join().unwrap_or_default()).unwrap_or_default();
            String::from_utf8_lossy(&bytes).into_owned()
        };
        Output { status, stdout: text(self.stdout.take()), stderr: text(self.stderr.take()), elapsed }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn collect(mut pipe: impl Read + Send + 'static) -> JoinHandle<Vec<u8>> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        let _ = pipe.read_to_end(&mut bytes);
        bytes
    })
}
