//! Systems that run: a session's files with their own systemd as the first process.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::image::repository;
use super::session::{Output, Session, refuse_what_cannot_fail};

/// A container with a systemd of its own and no network but loopback. It ends
/// with the handle on it; what it has written stays the session's.
pub struct Booted {
    session: Session,
    child: Child,
    /// The container's first process, as the host numbers it.
    init: u32,
}

impl Booted {
    /// Boots the session's files. systemd-sysv and dbus must be installed there.
    #[track_caller]
    pub fn new(session: Session) -> Booted {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        // The image says that no service is started in it; here they are.
        session.as_user("root").ok("rm -f /usr/sbin/policy-rc.d");
        let [image, state] = session.image_and_state();
        let name = format!("dba-{}-{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
        let log = std::fs::File::create(state.join("boot.log")).expect("boot.log");
        let child = Command::new(repository().join("tools/boot"))
            .args([image, state])
            .arg(name)
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("boot.log"))
            .stderr(log)
            .spawn()
            .expect("tools/boot cannot be started");
        let mut booted = Booted { session, child, init: 0 };
        booted.wait_until_running();
        booted
    }

    fn log(&self) -> PathBuf {
        self.session.image_and_state()[1].join("boot.log")
    }

    #[track_caller]
    fn wait_until_running(&mut self) {
        let deadline = Instant::now() + Duration::from_secs(60);
        let mut said = String::new();
        while Instant::now() < deadline {
            let ended = self.child.try_wait().expect("wait");
            assert!(ended.is_none(), "tools/boot ended: {}", std::fs::read_to_string(self.log()).unwrap_or_default());
            let pid = self.child.id();
            let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
            if let Some(init) = children.split_whitespace().next().and_then(|word| word.parse().ok()) {
                self.init = init;
                // `degraded` is a system that runs with some unit failed.
                said = self.run("systemctl is-system-running --wait").stdout;
                if matches!(said.trim(), "running" | "degraded") {
                    return;
                }
            }
            thread::sleep(Duration::from_millis(50));
        }
        panic!("the system did not come up: {said}\n{}", std::fs::read_to_string(self.log()).unwrap_or_default());
    }

    /// The session whose files these are. Its own commands must wait for the end of this system.
    pub fn session(&self) -> &Session {
        &self.session
    }

    /// A network of running systems: each has an interface `lan` with an address of
    /// 10.99.0.0/24, the first .1, the next .2 and so on. It is all in their own
    /// namespaces, the first one has the bridge, and it is gone with them.
    #[track_caller]
    pub fn connect(systems: &[&Booted]) {
        let ip = |system: &Booted, words: &str| {
            let output = Command::new("nsenter")
                .args(["--net", "--target", &system.init.to_string(), "--", "ip"])
                .args(words.split_whitespace())
                .output()
                .expect("nsenter cannot be started");
            assert!(output.status.success(), "ip {words}: {}", String::from_utf8_lossy(&output.stderr));
        };
        let hub = systems[0];
        ip(hub, "link add name lan type bridge");
        for (number, system) in (1..).zip(systems) {
            if number > 1 {
                ip(hub, &format!("link add name port{number} type veth peer name lan netns {}", system.init));
                ip(hub, &format!("link set dev port{number} master lan up"));
            }
            ip(system, &format!("address add 10.99.0.{number}/24 dev lan"));
            ip(system, "link set dev lan up");
        }
    }

    /// Runs a script with `bash -e -o pipefail` as root in the running system.
    #[track_caller]
    pub fn run(&self, script: &str) -> Output {
        refuse_what_cannot_fail(script);
        let began = Instant::now();
        let output = Command::new("nsenter")
            .args(["--all", "--target", &self.init.to_string(), "--"])
            .args(["env", "-i", "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"])
            .args(["HOME=/root", "LC_ALL=C.UTF-8", "DEBIAN_FRONTEND=noninteractive", "timeout", "-k", "5", "300"])
            .args(["bash", "-e", "-o", "pipefail", "-c", script])
            .stdin(Stdio::null())
            .output()
            .expect("nsenter cannot be started");
        Output {
            status: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
            elapsed: began.elapsed(),
        }
    }

    /// Runs a script that must succeed.
    #[track_caller]
    pub fn ok(&self, script: &str) -> Output {
        let output = self.run(script);
        assert!(output.success(), "{script}\n{}", output.dump());
        output
    }

    /// Runs a script that must fail with this status.
    #[track_caller]
    pub fn fails(&self, status: i32, script: &str) -> Output {
        let output = self.run(script);
        assert!(output.status == status, "status {status} expected\n{script}\n{}", output.dump());
        output
    }

    /// Repeats a script until it succeeds.
    #[track_caller]
    pub fn until(&self, limit: Duration, script: &str) -> Output {
        let deadline = Instant::now() + limit;
        loop {
            let output = self.run(script);
            if output.success() {
                return output;
            }
            assert!(Instant::now() < deadline, "not within {limit:?}: {script}\n{}", output.dump());
            thread::sleep(Duration::from_millis(100));
        }
    }
}

impl Drop for Booted {
    fn drop(&mut self) {
        // An orderly end where it takes a second; the kill ends the container's processes in any case.
        let _ = self.run("systemctl --force poweroff");
        let deadline = Instant::now() + Duration::from_secs(2);
        while Instant::now() < deadline && matches!(self.child.try_wait(), Ok(None)) {
            thread::sleep(Duration::from_millis(20));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
