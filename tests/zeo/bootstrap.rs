//! The first administrator: one, whoever makes it, whenever it is killed.

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::PoisonError;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::stand::{LOAD, Node, Process, Server, free_port, in_the_tree, program, python, run};

const PASSWORD: &str = "preseeded-by-an-administrator";

/// What a storage has when the administrator of this node is its only one, and
/// the password in the node's file is that administrator's.
#[track_caller]
fn assert_seeded_by(server: &Server, node: &Node) {
    let seen = server.look(&[format!("1={}", node.password_file().display())]);
    assert_eq!(seen["1"]["users"], json!(["admin"]));
    assert_eq!(seen["1"]["roles"], json!(["Manager"]));
    assert_eq!(seen["1"]["authenticates"], json!(true));
    assert_eq!(seen["1"]["marker"]["state"], "seeded");
    let mode = node.password_file().metadata().expect("the file").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

/// How often the seeders run at once: ZEO_ROUNDS; `make soak` runs twenty.
fn rounds() -> u32 {
    std::env::var("ZEO_ROUNDS").ok().and_then(|text| text.parse().ok()).unwrap_or(2)
}

#[test]
fn sixteen_at_once_make_one_administrator() {
    let rounds = rounds();
    let names: Vec<String> = (1..=rounds).map(|round| round.to_string()).collect();
    let server = Server::with(&names.iter().map(String::as_str).collect::<Vec<_>>(), "");
    for storage in &names {
        let more = "[bootstrap]\nframework = \"zope\"\n";
        let nodes: Vec<Node> = (0..16).map(|_| Node::new(&server.address(), storage, more)).collect();
        let _loud = LOAD.write().unwrap_or_else(PoisonError::into_inner);
        let seeders: Vec<Process> = nodes.iter().map(|node| node.spawn("seed --json")).collect();
        let made: Vec<bool> = seeders
            .into_iter()
            .map(|seeder| seeder.wait().ends_with(0).json()["changed"].as_bool().expect("a boolean"))
            .collect();
        assert_eq!(made.iter().filter(|made| **made).count(), 1, "storage {storage}: {made:?}");
        let with_file: Vec<&Node> = nodes.iter().filter(|node| !node.files().is_empty()).collect();
        assert_eq!(with_file.len(), 1, "storage {storage}");
        assert_eq!(with_file[0].files(), ["initial-admin-password"]);
        let seen = server.look(&[format!("{storage}={}", with_file[0].password_file().display())]);
        assert_eq!(seen[storage]["users"], json!(["admin"]));
        assert_eq!(seen[storage]["authenticates"], json!(true));
    }
    println!("{rounds} rounds of 16 seeders at once: one administrator each");
}

/// Lets the interpreter die before its nth write to a TCP socket; without N it says
/// at its end how many there were.
const DYING: &str = "\
import atexit, os, signal, socket, threading

lock, count, last = threading.Lock(), 0, int(os.environ.get('DIE_BEFORE', 0))

def counted(name):
    write = getattr(socket.socket, name)

    def method(self, *words):
        global count
        if self.family in (socket.AF_INET, socket.AF_INET6):
            with lock:
                count += 1
                if count == last:
                    os.kill(os.getpid(), signal.SIGKILL)
                    signal.pause()
        return write(self, *words)

    setattr(socket.socket, name, method)

for name in ('send', 'sendall', 'sendmsg', 'sendto', 'sendfile'):
    counted(name)
if not last:
    atexit.register(lambda: print('writes:', count))
";

/// A seeder that was killed, or was not since the point is past its end; and then run again.
struct Attempt {
    storage: String,
    node: Node,
    fired: bool,
}

impl Attempt {
    /// `command` runs, or is killed; then the same without a kill.
    fn new(what: &str, storage: &str, node: Node, command: &mut Command) -> Attempt {
        let output = command.stdin(Stdio::null()).output().expect("the seeder cannot be started");
        // strace ends as the process ended.
        let fired = output.status.signal() == Some(9);
        assert!(fired || output.status.success(), "{what}: {output:?}");
        let held = node.files();
        node.run("seed").ends_with(0);
        println!("{what}: killed {fired}, then on disk: {held:?}");
        Attempt { storage: storage.to_owned(), node, fired }
    }
}

/// A command with a sitecustomize of its own.
fn with_customization(command: &mut Command, dir: &Path) {
    let path = std::env::join_paths([dir, &crate::harness::repository().join("share/python")]).expect("a path");
    command.env("PYTHONPATH", path);
}

/// How many writes to a TCP socket the kernel has seen of a whole seeding, of any kind,
/// and how many the sitecustomize has.
fn writes(server: &Server, storage: &str, dir: &Path) -> (usize, usize) {
    let node = Node::new(&server.address(), storage, ZOPE);
    let seeder = node.command("seed");
    let log = node.state().with_extension("strace");
    let mut command = Command::new("strace");
    command.args(["-f", "-yy", "-e", "trace=write,writev,sendto,sendmsg,sendmmsg,sendfile,splice", "-o"]).arg(&log);
    command.arg("--").arg(seeder.get_program()).args(seeder.get_args());
    in_the_tree(&mut command);
    with_customization(&mut command, dir);
    let said = run(&mut command).ends_with(0);
    let counted = said.stdout.lines().find_map(|line| line.strip_prefix("writes: ")).expect("the number of writes");
    let log = std::fs::read_to_string(log).expect("strace's log");
    // The descriptor is the first argument of each, also of a call that another thread interrupts.
    let is_tcp = |line: &&str| line.split_once(',').is_some_and(|(start, _)| start.contains("<TCP"));
    (log.lines().filter(is_tcp).count(), counted.parse().expect("a number"))
}

const ZOPE: &str = "[bootstrap]\nframework = \"zope\"\n";

/// A seeder dies before each of its writes to the server; strace vouches that these are
/// all. `make soak` also kills it each time that it waits for something.
#[test]
fn killed_at_every_write_and_run_again() {
    let storages: Vec<String> = (1..=200).map(|number| number.to_string()).collect();
    let server = Server::with(&storages.iter().map(String::as_str).collect::<Vec<_>>(), "");
    let dir = tempfile::tempdir().expect("tempdir");
    std::fs::write(dir.path().join("sitecustomize.py"), DYING).expect("sitecustomize.py");
    let (seen, counted) = writes(&server, "1", dir.path());
    assert_eq!(seen, counted, "writes that the kernel has seen, and those that a seeder can be killed at");
    assert!(counted >= 15, "a seeder writes {counted} times only");

    let used = AtomicUsize::new(1);
    let node = || {
        let storage = storages[used.fetch_add(1, Ordering::Relaxed)].as_str();
        (storage, Node::new(&server.address(), storage, ZOPE))
    };
    let at_write = |ordinal: u32| {
        let (storage, node) = node();
        let mut command = node.quick("seed");
        with_customization(command.env("DIE_BEFORE", ordinal.to_string()), dir.path());
        Attempt::new(&format!("write {ordinal}"), storage, node, &mut command)
    };
    let at_wait = |ordinal: u32| {
        let (storage, node) = node();
        let seeder = node.command("seed");
        let mut command = Command::new("strace");
        command.args(["-f", "-o", "/dev/null", "-e", "trace=epoll_wait"]);
        command.args(["-e", &format!("inject=epoll_wait:signal=KILL:when={ordinal}"), "--"]);
        command.arg(seeder.get_program()).args(seeder.get_args());
        in_the_tree(&mut command);
        Attempt::new(&format!("wait {ordinal}"), storage, node, &mut command)
    };
    let mut attempts = every(&at_write);
    // A seeding writes as often each time, so that each write has had its kill.
    assert!(fired(&attempts) >= counted, "only {} kills at {counted} writes", fired(&attempts));
    if rounds() >= 20 {
        let waits = every(&at_wait);
        assert!(fired(&waits) >= 20, "only {} waits", fired(&waits));
        attempts.extend(waits);
    }
    for Attempt { node, storage, .. } in &attempts {
        assert_eq!(node.files(), ["initial-admin-password"], "storage {storage}");
    }
    let words: Vec<String> =
        attempts.iter().map(|it| format!("{}={}", it.storage, it.node.password_file().display())).collect();
    let seen = server.look(&words);
    for Attempt { storage, .. } in &attempts {
        assert_eq!(seen[storage]["users"], json!(["admin"]), "storage {storage}");
        assert_eq!(seen[storage]["authenticates"], json!(true), "storage {storage}");
    }
    println!(
        "{} killed, at each of {counted} writes among them: one administrator each, and the password on file works",
        fired(&attempts)
    );
}

/// Every point from the first on, two at a time: each half takes every second one, until it is past the end.
fn every(attempt: &(impl Fn(u32) -> Attempt + Sync)) -> Vec<Attempt> {
    let half = |first: u32| {
        let mut attempts = Vec::new();
        for ordinal in (first..).step_by(2) {
            attempts.push(attempt(ordinal));
            if attempts.last().is_some_and(|attempt| !attempt.fired) {
                break;
            }
        }
        attempts
    };
    let half = &half;
    std::thread::scope(|scope| {
        let halves = [1, 2].map(|first| scope.spawn(move || half(first)));
        halves.into_iter().flat_map(|half| half.join().expect("a half")).collect()
    })
}

fn fired(attempts: &[Attempt]) -> usize {
    attempts.iter().filter(|attempt| attempt.fired).count()
}

#[test]
fn a_changed_password_stays_changed() {
    let server = Server::new();
    let first = Node::zope(&server);
    first.run("seed").ends_with(0);
    assert_seeded_by(&server, &first);
    server.look(&["1:password=what the administrator chose".to_owned()]);
    let before = server.look(&["1".to_owned()]);

    let second = Node::zope(&server);
    for node in [&second, &first] {
        let said = node.run("seed --json").ends_with(0).json();
        assert_eq!(
            (&said["state"], &said["changed"], &said["password_file"]),
            (&json!("seeded"), &json!(false), &Value::Null)
        );
    }
    assert_eq!(second.files(), [] as [&str; 0]);
    assert_eq!(server.look(&["1".to_owned()]), before);
    // The file says that it no longer holds once the password was changed.
    let text = std::fs::read_to_string(first.password_file()).expect("the file");
    assert!(text.starts_with("# Password of 'admin'") && text.contains("until somebody changes it"), "{text}");
    // As after a purge: nothing local is left.
    std::fs::remove_file(first.password_file()).expect("the file");
    first.run("seed").ends_with(0);
    assert_eq!(first.files(), [] as [&str; 0]);
    assert_eq!(server.look(&["1".to_owned()]), before);
}

#[test]
fn a_database_with_users_is_adopted_as_it_is() {
    let server = Server::new();
    server.look(&["1:user=boss".to_owned()]);
    let before = server.look(&["1".to_owned()]);
    let node = Node::zope(&server);
    let said = node.run("seed --json").ends_with(0).json();
    assert_eq!((&said["state"], &said["changed"]), (&json!("adopted"), &json!(false)));
    let after = server.look(&["1".to_owned()]);
    assert_eq!(after["1"]["users"], json!(["boss"]));
    assert_eq!(after["1"]["serial"], before["1"]["serial"], "the users were written");
    assert_eq!(after["1"]["marker"]["state"], "adopted");
    assert_eq!(node.files(), [] as [&str; 0]);

    // Now or ever.
    server.look(&["1:delete".to_owned()]);
    node.run("seed").ends_with(0);
    assert_eq!(server.look(&["1".to_owned()])["1"]["users"], json!([]));
}

#[test]
fn a_server_that_is_away_is_for_later() {
    let mut server = Server::new();
    let node = Node::zope(&server);
    server.stop();
    let said = node.run("seed").ends_with(75);
    assert!(said.elapsed < Duration::from_secs(6) && said.stderr.contains("unreachable"), "{said:#?}");
    assert_eq!(node.files(), [] as [&str; 0]);
    server.start();
    node.run("seed").ends_with(0);
    assert_seeded_by(&server, &node);

    // One that hangs is the same; a wrong name is not.
    run(Command::new("kill").args(["-STOP", &server.pid().to_string()])).ends_with(0);
    let said = node.run("seed");
    run(Command::new("kill").args(["-CONT", &server.pid().to_string()])).ends_with(0);
    assert!(said.ends_with(75).elapsed < Duration::from_secs(8));
    node.configure(&server.address(), "none", "[bootstrap]\nframework = \"zope\"\n");
    let said = node.run("seed").ends_with(1);
    assert!(said.stderr.contains("no storage 'none'"), "{said:#?}");
    node.configure(&format!("127.0.0.1:{}", free_port()), "1", "[bootstrap]\nframework = \"zope\"\n");
    node.run("reset-admin").ends_with(75);
    node.run("upgrade").ends_with(1);
}

/// On a slow machine the time is up while Zope is being imported, by an unpickler that
/// wraps what it meets, or by a module that goes on without what it cannot import.
#[test]
fn a_time_limit_counts_whoever_catches_it() {
    const LIMITED: &str = "
import sys, time, types
from zeoclient import database, errors
def wrapped():
    try:
        time.sleep(20)
    except Exception as error:
        raise LookupError('a state cannot be loaded') from error
def gone_on():
    for _ in range(2):
        try:
            time.sleep(20)
        except Exception:
            pass
    time.sleep(20)
began = time.monotonic()
for work in wrapped, gone_on:
    try:
        with database._deadline(types.SimpleNamespace(name='main', servers=[]), 0.2):
            work()
    except errors.TryLater as error:
        print(work.__name__, error)
sys.exit(time.monotonic() - began > 15)
";
    let mut command = Command::new(python());
    command.args(["-c", LIMITED]);
    in_the_tree(&mut command);
    let said = run(&mut command).ends_with(0);
    let late = "the storage 'main' on  did not answer within 0.2 s";
    assert_eq!(said.stdout, format!("wrapped {late}\ngone_on {late}\n"), "{said:#?}");
}

/// Every argument and variable of a process and its children, while it runs.
fn sample(process: &mut Process) -> String {
    let mut seen = BTreeSet::new();
    let until = Instant::now() + Duration::from_secs(30);
    while process.0.try_wait().expect("wait").is_none() && Instant::now() < until {
        for file in ["cmdline", "environ"] {
            seen.insert(std::fs::read_to_string(format!("/proc/{}/{file}", process.0.id())).unwrap_or_default());
        }
    }
    seen.into_iter().collect()
}

#[test]
fn a_preseeded_password_is_seen_nowhere() {
    let server = Server::with(&["1", "2", "3"], "");
    let more = "[bootstrap]\nframework = \"zope\"\n";
    let credentials = tempfile::tempdir().expect("tempdir");
    let file = credentials.path().join("admin-password");
    std::fs::write(&file, format!("{PASSWORD}\n")).expect("the credential");
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).expect("mode");

    let node = |storage: &str| Node::new(&server.address(), storage, more);
    let by_credential = node("1");
    let mut command = by_credential.command("seed");
    command.env("CREDENTIALS_DIRECTORY", credentials.path());
    let by_file = node("2");
    let by_descriptor = node("3");
    let commands = [
        command,
        by_file.command(&format!("seed --password-file {}", file.display())),
        through_descriptor(&by_descriptor, &file),
    ];
    for mut command in commands {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut process = Process(command.spawn().expect("the seeder"));
        let sampled = sample(&mut process);
        let said = process.wait().ends_with(0);
        assert!(sampled.contains("zeoclient"), "nothing was sampled");
        assert!(!format!("{sampled}{said:?}").contains(PASSWORD), "{said:#?}");
    }
    for (node, storage) in [(&by_credential, "1"), (&by_file, "2"), (&by_descriptor, "3")] {
        assert_eq!(node.password(), PASSWORD);
        let seen = server.look(&[format!("{storage}={}", node.password_file().display())]);
        assert_eq!(seen[storage]["authenticates"], json!(true));
    }
    assert!(!server.log().contains(PASSWORD));
}

/// The seeder with a file open as its descriptor 9.
fn through_descriptor(node: &Node, file: &Path) -> Command {
    let seeder = node.command("seed --password-fd 9");
    let mut command = Command::new("sh");
    command.args(["-c", "file=$1; shift; exec \"$@\" 9<\"$file\"", "sh"]).arg(file);
    command.arg(seeder.get_program()).args(seeder.get_args());
    in_the_tree(&mut command);
    command
}

#[test]
fn a_bad_password_is_refused_and_not_repeated() {
    let server = Server::new();
    let node = Node::zope(&server);
    let dir = tempfile::tempdir().expect("tempdir");
    let write = |text: &[u8], mode: u32| -> PathBuf {
        let file = dir.path().join("password");
        std::fs::write(&file, text).expect("write");
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(mode)).expect("mode");
        file
    };
    for (text, mode, word) in [
        (b"too-short-for-this" as &[u8], 0o600, "less than 24"),
        (b"long enough, but with\na line break", 0o600, "line break"),
        (b"long enough, but not \xff in UTF-8", 0o600, "UTF-8"),
        (b"{SSHA}long enough, but it looks hashed", 0o600, "looks like a hash"),
        (b"long enough, but for everyone", 0o644, "can be read by others"),
    ] {
        let file = write(text, mode);
        let said = node.run(&format!("seed --password-file {}", file.display()));
        assert!([1, 2].contains(&said.status) && said.stderr.contains(word), "{said:#?}");
        assert!(!said.stderr.contains("enough, but") && !said.stderr.contains("too-short-for"), "{said:#?}");
    }
    assert_eq!(server.look(&["1".to_owned()])["1"]["users"], json!([]));
    node.run("seed").ends_with(0);
    assert_eq!(node.files(), ["initial-admin-password"], "what the refusals left must go");
    assert_seeded_by(&server, &node);
}

#[test]
fn status_acknowledgement_and_reset() {
    let server = Server::new();
    let node = Node::zope(&server);
    node.run("seed").ends_with(0);
    let first = node.password();
    let status = node.run("status --json").ends_with(0).json();
    assert_eq!(status["bootstrap"]["state"], "seeded");
    assert_eq!(status["bootstrap"]["user"], "admin");
    assert_eq!(status["bootstrap"]["claim"], Value::Null);
    assert_eq!(status["password_file"], json!(node.password_file()));
    assert!(!status.to_string().contains(&first));
    assert!(node.run("status").ends_with(0).stdout.contains("administrator: 'admin', made by notes"));

    assert_eq!(node.run("ack --json").ends_with(0).json()["deleted"], true);
    assert_eq!(node.run("ack --json").ends_with(0).json()["deleted"], false);
    assert_eq!(node.files(), [] as [&str; 0]);
    assert_eq!(node.run("status --json").json()["password_file"], Value::Null);

    let other = Node::zope(&server);
    let said = other.run("reset-admin").ends_with(0);
    assert_ne!(other.password(), first);
    assert!(!said.stdout.contains(&other.password()));
    assert_seeded_by(&server, &other);
    // Also where the administrator was deleted.
    server.look(&["1:delete".to_owned()]);
    node.run("reset-admin").ends_with(0);
    assert_seeded_by(&server, &node);
}

#[test]
fn an_application_seeds_by_a_function_of_its_own() {
    let server = Server::with(&["1", "2"], "");
    let dir = tempfile::tempdir().expect("tempdir");
    let module = "def seed(root, user, password):\n    if 'users' in root:\n        return False\n\
                  \x20   root['users'] = {user: len(password)}\n    return True\n\n\n\
                  def reset(root, user, password):\n    root['users'] = {user: -len(password)}\n\n\nseed.reset = reset\n";
    std::fs::write(dir.path().join("setup_of_mine.py"), module).expect("the module");
    let node =
        Node::new(&server.address(), "1", "[bootstrap]\nframework = \"custom\"\nseed = \"setup_of_mine:seed\"\n");
    let run_with_module = |node: &Node, arguments: &str| {
        let mut command = node.command(arguments);
        let path = std::env::join_paths([
            dir.path(),
            &PathBuf::from(
                command
                    .get_envs()
                    .find(|(name, _)| *name == "PYTHONPATH")
                    .and_then(|(_, value)| value)
                    .expect("a path"),
            ),
        ]);
        run(command.env("PYTHONPATH", path.expect("a path")))
    };
    assert_eq!(run_with_module(&node, "seed --json").ends_with(0).json()["changed"], true);
    assert_eq!(run_with_module(&node, "seed --json").ends_with(0).json()["changed"], false);
    run_with_module(&node, "reset-admin").ends_with(0);
    let users = "import sys, ZEO; print(dict(ZEO.connection((sys.argv[1], int(sys.argv[2]))).root()['users']))";
    let address = server.address();
    let (host, port) = address.rsplit_once(':').expect("an address");
    let said = run(program("python").args(["-c", users, host, port])).ends_with(0);
    assert_eq!(said.stdout.trim(), "{'admin': -32}");
    node.configure(&address, "1", "[bootstrap]\nframework = \"custom\"\nseed = \"setup_of_mine:sow\"\n");
    // The marker is there: nothing is loaded any more.
    run_with_module(&node, "seed").ends_with(0);
    let node = Node::new(&address, "2", "[bootstrap]\nframework = \"custom\"\nseed = \"setup_of_mine:sow\"\n");
    assert!(run_with_module(&node, "seed").ends_with(2).stderr.contains("sow"));
}
