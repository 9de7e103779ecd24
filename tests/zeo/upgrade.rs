//! The upgrade of a storage: once for each version, on one node, and told where it broke off.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::stand::{Node, Process, Server, run};

/// An application whose upgrade notes each of its runs.
struct Application {
    server: Server,
    dir: tempfile::TempDir,
}

impl Application {
    fn new() -> Application {
        Application { server: Server::new(), dir: tempfile::tempdir().expect("tempdir") }
    }

    fn log(&self) -> PathBuf {
        self.dir.path().join("log")
    }

    /// The runs so far: what each noted.
    fn runs(&self) -> Vec<String> {
        std::fs::read_to_string(self.log()).unwrap_or_default().lines().map(str::to_owned).collect()
    }

    fn node(&self, version: &str, then: &str, more: &str) -> Node {
        let node = Node::new(&self.server.address(), "1", "");
        self.install(&node, version, then, more);
        node
    }

    /// Another version of the code on a node.
    fn install(&self, node: &Node, version: &str, then: &str, more: &str) {
        let script = format!("echo \"from '$UPGRADE_FROM' to $UPGRADE_TO\" >> {}; {then}", self.log().display());
        let mut text = String::new();
        writeln!(text, "[upgrade]\nversion = \"{version}\"\ncommand = [\"sh\", \"-c\", {}]", json!(script)).unwrap();
        node.configure(&self.server.address(), "1", &(text + more));
    }

    fn wait_for_runs(&self, count: usize) {
        let until = Instant::now() + Duration::from_secs(20);
        while self.runs().len() < count {
            assert!(Instant::now() < until, "{:?}", self.runs());
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

fn kill(process: Process) {
    run(Command::new("kill").args(["-KILL", &process.0.id().to_string()])).ends_with(0);
    process.wait();
}

/// The process whose id is in a file.
fn process_in(file: &Path) -> PathBuf {
    let until = Instant::now() + Duration::from_secs(20);
    loop {
        let text = std::fs::read_to_string(file).unwrap_or_default();
        if text.ends_with('\n') {
            return Path::new("/proc").join(text.trim());
        }
        assert!(Instant::now() < until, "no {}", file.display());
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn two_nodes_at_once_run_it_once() {
    let application = Application::new();
    let nodes: Vec<Node> = (0..4).map(|_| application.node("1.10", "sleep 2", "")).collect();
    let running: Vec<Process> = nodes.iter().map(|node| node.spawn("upgrade --json")).collect();
    let ran: Vec<bool> =
        running.into_iter().map(|one| one.wait().ends_with(0).json()["ran"].as_bool().unwrap()).collect();
    assert_eq!(ran.iter().filter(|ran| **ran).count(), 1, "{ran:?}");
    assert_eq!(application.runs(), ["from '' to 1.10"]);
    let status = nodes[0].run("status --json").json();
    assert_eq!(status["upgrade"]["version"], "1.10");
    assert_eq!(status["upgrade"]["running"], json!(null));

    // Twice on one machine, as two instances of a service start it.
    application.install(&nodes[0], "1.11", "sleep 1", "");
    let both = [nodes[0].spawn("upgrade"), nodes[0].spawn("upgrade")];
    for one in both {
        one.wait().ends_with(0);
    }
    assert_eq!(application.runs(), ["from '' to 1.10", "from '1.10' to 1.11"]);

    // Older code: 1.9 is before 1.11, though not by its letters.
    application.install(&nodes[1], "1.9", "", "");
    let refused = nodes[1].run("upgrade").ends_with(3);
    assert!(refused.stderr.contains("upgraded to 1.11") && refused.stderr.contains("for 1.9"), "{refused:#?}");
    assert_eq!(application.runs().len(), 2);
}

#[test]
fn a_killed_upgrade_is_found_and_told() {
    let application = Application::new();
    let pid = application.dir.path().join("pid");
    let node = application.node("2", &format!("echo $$ > {}; exec sleep 300", pid.display()), "");
    let other = application.node("2", "", "");
    let older = application.node("1", "", "");
    let process = node.spawn("upgrade --silence 3");
    application.wait_for_runs(1);
    let refused = older.run("upgrade").ends_with(3);
    assert!(refused.stderr.contains("an upgrade to 2 was begun"), "{refused:#?}");
    kill(process);

    // The command ends with it; its own machine knows at once, another one when the pulse stands still.
    let began = Instant::now();
    let told = node.run("upgrade").ends_with(4);
    assert!(told.stderr.contains("was interrupted") && told.stderr.contains("--again notes"), "{told:#?}");
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    let told = other.run("upgrade --silence 3").ends_with(4);
    assert!(told.stderr.contains("was interrupted"), "{told:#?}");
    let status = other.run("status").ends_with(0);
    assert!(status.stdout.contains("an upgrade to 2 by"), "{status:#?}");
    assert_eq!(application.runs().len(), 1);
    assert!(!process_in(&pid).exists(), "the command still runs");

    let again = other.run("upgrade --again --silence 3 --json").ends_with(0);
    assert_eq!(again.json()["ran"], true);
    assert_eq!(application.runs(), ["from '' to 2", "from '' to 2"]);
    assert_eq!(node.run("upgrade --json").ends_with(0).json()["ran"], false);
}

/// A process of the command that outlives its shell still works on the data.
#[test]
fn what_a_killed_upgrade_left_running_is_no_interruption() {
    let application = Application::new();
    let pid = application.dir.path().join("pid");
    let script = format!("sleep 300 >/dev/null 2>&1 & echo $! > {}; wait", pid.display());
    let node = application.node("2", &script, "restartable = true\n");
    let process = node.spawn("upgrade");
    let left = process_in(&pid);
    kill(process);
    let busy = node.run("upgrade --wait 0.5").ends_with(75);
    assert!(busy.stderr.contains("still runs on this machine"), "{busy:#?}");
    run(Command::new("kill").arg(left.file_name().unwrap())).ends_with(0);
    application.install(&node, "2", "", "restartable = true\n");
    assert_eq!(node.run("upgrade --json").ends_with(0).json()["ran"], true);
}

#[test]
fn one_that_may_run_again_does() {
    let application = Application::new();
    let node = application.node("2", "exec sleep 300", "restartable = true\n");
    let process = node.spawn("upgrade");
    application.wait_for_runs(1);
    kill(process);
    application.install(&node, "2", "", "restartable = true\n");
    assert_eq!(node.run("upgrade --json").ends_with(0).json()["ran"], true);
    assert_eq!(application.runs().len(), 2);
}

#[test]
fn a_failing_one_is_not_repeated_unasked() {
    let application = Application::new();
    let node = application.node("2", "exit 7", "");
    let failed = node.run("upgrade").ends_with(1);
    assert!(failed.stderr.contains("ended with status 7"), "{failed:#?}");
    for node in [&node, &application.node("2", "", "")] {
        let told = node.run("upgrade").ends_with(4);
        assert!(told.stderr.contains("has failed (ended with status 7)"), "{told:#?}");
    }
    assert_eq!(application.runs().len(), 1);
    application.install(&node, "2", "", "");
    node.run("upgrade --again").ends_with(0);
    // Packages of a later version find the version that it made.
    application.install(&node, "3", "", "");
    node.run("upgrade").ends_with(0);
    assert_eq!(application.runs().last().map(String::as_str), Some("from '2' to 3"));
}

#[test]
fn a_long_one_is_waited_for_and_outlives_the_server() {
    let mut application = Application::new();
    let go = application.dir.path().join("go");
    let node = application.node("2", &format!("until [ -e {} ]; do sleep 0.1; done", go.display()), "");
    let other = application.node("2", "", "");
    let long = node.spawn("upgrade --json --silence 2");
    application.wait_for_runs(1);
    // It beats: longer than the silence of a dead one, it is not taken for dead.
    let waiting = other.spawn("upgrade --json --silence 2");
    std::thread::sleep(Duration::from_millis(3500));
    let impatient = application.node("2", "", "").run("upgrade --wait 0.5 --silence 2").ends_with(75);
    assert!(impatient.stderr.contains("is still at the upgrade"), "{impatient:#?}");
    application.server.stop();
    std::thread::sleep(Duration::from_millis(500));
    application.server.start();
    std::fs::write(go, "").expect("go");
    assert_eq!(long.wait().ends_with(0).json()["ran"], true);
    // The other one has lost its connection, or not noticed.
    let waited = waiting.wait();
    assert!([0, 75].contains(&waited.status), "{waited:#?}");
    assert_eq!(other.run("upgrade --json").ends_with(0).json()["ran"], false);
    assert_eq!(application.runs().len(), 1);
}
