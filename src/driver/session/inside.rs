//! The driver's third self: the first process of namespaces with ids of their own.
//! It enters the session's root, runs the commands one after another, collects
//! orphans, and takes everything with it when it ends.
//!
//! Has no powers outside; what it runs has none that it lacks.

#![expect(clippy::disallowed_methods, reason = "it starts commands inside")]

use std::path::Path;
use std::process::{Child, Command, Stdio};

use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sys::resource::{Resource, setrlimit};
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{Pid, pivot_root};
use rustix::thread::{
    CapabilitySet, CapabilitySets, capabilities, clear_ambient_capability_set, remove_capability_from_bounding_set,
    set_capabilities, set_no_new_privs,
};

use super::ids::Ids;

use super::{Bench, Job, Outcome, PATH, PROCESSES, Session, Step, warn};

/// What it does; its exit status.
pub(super) fn main(job: &Job) -> Outcome<i32> {
    let (contained, network) = match job {
        Job::System(session) => (true, session.network),
        Job::Host(bench) => (bench.contained, bench.network),
    };
    if contained {
        Ids::become_root()?;
    }
    if !network {
        let up = Command::new("ip").args(["link", "set", "lo", "up"]).status();
        up.ok().filter(|status| status.success()).ok_or("'ip link set lo up' failed: is iproute2 installed?")?;
    }
    keep_powers_here()?;
    super::own_keys()?;
    // A program that crashes is not described to one of the host's: 1 byte is none (core(5)).
    setrlimit(Resource::RLIMIT_CORE, 1, 1).map_err(|errno| format!("setrlimit: {errno}"))?;
    // Root of a user namespace has no more than others (setrlimit(2)).
    let most = match job {
        Job::System(session) => session.processes,
        Job::Host(_) => PROCESSES,
    };
    if contained {
        setrlimit(Resource::RLIMIT_NPROC, most, most).map_err(|errno| format!("setrlimit: {errno}"))?;
    }
    match job {
        Job::System(session) => session.run_inside(),
        Job::Host(bench) => bench.run_inside(),
    }
}

/// No program that is run gets powers by inheritance.
fn keep_powers_here() -> Outcome<()> {
    let said = |error: rustix::io::Errno| format!("capabilities: {error}");
    clear_ambient_capability_set().map_err(said)?;
    let own = capabilities(None).map_err(said)?;
    set_capabilities(None, CapabilitySets { inheritable: CapabilitySet::empty(), ..own }).map_err(said)
}

impl Session {
    fn run_inside(&self) -> Outcome<i32> {
        let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
        mount(Some("proc"), "root/proc", Some("proc"), flags, None::<&str>)
            .map_err(|errno| format!("proc: {errno}"))?;
        let options = "newinstance,ptmxmode=666,mode=620";
        mount(Some("devpts"), "root/dev/pts", Some("devpts"), MsFlags::MS_NOSUID | MsFlags::MS_NOEXEC, Some(options))
            .map_err(|errno| format!("devpts: {errno}"))?;
        enter()?;
        for step in &self.commands {
            match self.step(step)? {
                0 => {}
                status => return Ok(status),
            }
        }
        Ok(0)
    }

    fn step(&self, step: &Step) -> Outcome<i32> {
        let (uid, gid, home) = account(&step.user)?;
        let Some((program, arguments)) = step.command.split_first() else { return Err("an empty command".to_owned()) };
        let mut command = Command::new(program);
        command.args(arguments).current_dir(&step.directory).env_clear();
        command.envs([
            ("PATH", PATH),
            ("LC_ALL", "C.UTF-8"),
            ("HOME", &home),
            ("USER", &step.user),
            ("LOGNAME", &step.user),
        ]);
        command.envs(&step.environment);
        if !self.interactive {
            command.stdin(Stdio::null());
        }
        let spawned = if uid == 0 {
            command.spawn()
        } else {
            use std::os::unix::process::CommandExt;
            command.uid(uid).gid(gid);
            confined(command)
        };
        let child =
            spawned.map_err(|error| format!("cannot run {program} in {}: {error}", step.directory.display()))?;
        let status = collect(Pid::from_raw(child.id() as i32))?;
        end_the_rest(program);
        Ok(status)
    }
}

impl Bench {
    fn run_inside(&self) -> Outcome<i32> {
        mount(Some("proc"), "/proc", Some("proc"), MsFlags::empty(), None::<&str>)
            .map_err(|errno| format!("proc: {errno}"))?;
        if self.contained {
            // The machine's are for its users' programs to be found in, not for these.
            for name in ["/tmp", "/var/tmp", "/dev/shm"] {
                mount(Some("/mnt/tmp"), name, None::<&str>, MsFlags::MS_BIND, None::<&str>)
                    .map_err(|errno| format!("{name}: {errno}"))?;
            }
        }
        let Some((program, arguments)) = self.command.split_first() else { return Err("an empty command".to_owned()) };
        set_no_new_privs(true).map_err(|error| format!("no_new_privs: {error}"))?;
        let mut command = Command::new(program);
        command.args(arguments).env_clear().envs(&self.environment).stdin(Stdio::null());
        let child = command.spawn().map_err(|error| format!("cannot run {}: {error}", program.display()))?;
        let status = collect(Pid::from_raw(child.id() as i32))?;
        end_the_rest(&program.to_string_lossy());
        Ok(status)
    }
}

/// Start a command that gets no capability, whatever it runs: capabilities and the
/// ban on new ones are a thread's, and are inherited from the one that starts.
fn confined(mut command: Command) -> std::io::Result<Child> {
    let start = move || {
        for capability in CapabilitySet::all().iter() {
            // A kernel that is older than a capability does not know it.
            if let Err(error) = remove_capability_from_bounding_set(capability) {
                if error != rustix::io::Errno::INVAL {
                    return Err(error.into());
                }
            }
        }
        set_no_new_privs(true)?;
        command.spawn()
    };
    std::thread::spawn(start).join().unwrap_or_else(|_| Err(std::io::Error::other("the starter panicked")))
}

/// Make the session's root that of everything, and let the host's go.
fn enter() -> Outcome<()> {
    // What came with the namespace is locked to where it is; a view of it is not.
    mount(Some("root"), "root", None::<&str>, MsFlags::MS_BIND | MsFlags::MS_REC, None::<&str>)
        .map_err(|errno| format!("showing the root to itself: {errno}"))?;
    std::env::set_current_dir("root").map_err(|error| error.to_string())?;
    pivot_root(".", "mnt").map_err(|errno| format!("pivot_root: {errno}"))?;
    std::env::set_current_dir("/").map_err(|error| error.to_string())?;
    umount2("/mnt", MntFlags::MNT_DETACH).map_err(|errno| format!("umount: {errno}"))
}

/// Wait for a child, and for every orphan that ends meanwhile.
fn collect(child: Pid) -> Outcome<i32> {
    loop {
        match waitpid(None, None) {
            Ok(WaitStatus::Exited(pid, status)) if pid == child => return Ok(status),
            Ok(WaitStatus::Signaled(pid, signal, _)) if pid == child => return Ok(128 + signal as i32),
            Ok(_) | Err(nix::errno::Errno::EINTR) => {}
            Err(errno) => return Err(format!("wait: {errno}")),
        }
    }
}

/// End what a command has left running, and say so.
fn end_the_rest(program: &str) {
    let left: Vec<String> = processes().into_iter().map(|(pid, name)| format!("{name} ({pid})")).collect();
    if !left.is_empty() {
        let shown = left.iter().take(10).cloned().collect::<Vec<_>>().join(", ");
        let more = if left.len() > 10 { format!(" and {} more", left.len() - 10) } else { String::new() };
        warn(&format!("{program} left {shown}{more} running: ended now"));
    }
    // Every process of this namespace but this one.
    let _ = kill(Pid::from_raw(-1), Signal::SIGKILL);
    while waitpid(None, None).is_ok() {}
}

fn processes() -> Vec<(i32, String)> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok()).filter(|pid| *pid != 1);
    pids.filter_map(|pid| Some((pid, std::fs::read_to_string(format!("/proc/{pid}/comm")).ok()?.trim().to_owned())))
        .collect()
}

/// User id, group id and home of a user of the image.
fn account(name: &str) -> Outcome<(u32, u32, String)> {
    let text = std::fs::read_to_string(Path::new("/etc/passwd")).map_err(|error| format!("/etc/passwd: {error}"))?;
    let row = text.lines().map(|line| line.split(':').collect::<Vec<_>>()).find(|row| row.first() == Some(&name));
    row.and_then(|row| Some((row.get(2)?.parse().ok()?, row.get(3)?.parse().ok()?, (*row.get(5)?).to_owned())))
        .ok_or_else(|| format!("the environment has no user {name}"))
}
