//! Sessions: a root file system of read-only layers and a writable one on top,
//! in namespaces of its own, and commands run there one after another.
//!
//! Owns every mount. The driver starts itself again through unshare(1)
//! ([`Session::process`]); that second self is the first process of the new
//! namespaces ([`init`]), makes the mounts, runs the commands, collects orphans,
//! and takes everything with it when it ends. Nothing is ever mounted in the
//! driver's own namespace. Needs root.

#![expect(clippy::disallowed_methods, reason = "it makes mount points and starts commands inside")]
#![expect(clippy::print_stderr, reason = "as first process of a session it has nobody to return an error to")]

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::Read;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sys::personality::{self, Persona};
use nix::sys::resource::{Resource, setrlimit};
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{Pid, pivot_root, sethostname};
use serde::{Deserialize, Serialize};

use super::context::is_rootless;
use crate::error::{Diagnostic, Error, Result};
use crate::plan::Process;

/// First argument of the driver's second self.
pub const INIT: &str = "--first-process-of-a-session";
/// Waits until a booted system has come up.
const BOOTED: &str = include_str!("../../share/driver/booted.sh");
/// Exit status of a session that could not be set up.
const NOT_SET_UP: i32 = 125;

/// A root file system and what is run in it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Session {
    /// Directories that are read, the uppermost first.
    pub layers: Vec<PathBuf>,
    /// Where changes go.
    pub upper: Upper,
    /// An empty directory to mount on; it may serve many sessions at once.
    pub mount_point: PathBuf,
    /// Whether the host's network is there.
    pub network: bool,
    /// Files and directories of the host to show.
    pub binds: Vec<Bind>,
    /// Run in order; the first that fails ends the session.
    pub commands: Vec<Step>,
    /// Most processes of an unprivileged user.
    pub processes: u64,
    /// Whether a command has the terminal.
    pub interactive: bool,
    /// Boot the system in a container, without a network, and run the commands'
    /// scripts there, as root.
    pub boot: bool,
}

/// Where changes of a session go.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum Upper {
    /// Into memory, at most so many bytes; gone when the session ends.
    Memory(u64),
    /// Into `upper` of this directory, which gets `work` as well.
    Directory(PathBuf),
}

/// A file or directory of the host that a session sees.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Bind {
    /// On the host.
    pub from: PathBuf,
    /// In the session, absolute.
    pub to: PathBuf,
    /// Whether it may be changed from inside.
    pub writable: bool,
}

/// A command of a session.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Step {
    /// User of the image.
    pub user: String,
    /// Where it starts, absolute.
    pub directory: PathBuf,
    /// Variables besides PATH, HOME, USER, LOGNAME, LC_ALL.
    pub environment: BTreeMap<String, String>,
    /// Program and arguments.
    pub command: Vec<String>,
    /// In a booted session: whether the system is shut down and booted before it.
    #[serde(default)]
    pub after_boot: bool,
}

impl Step {
    /// A program and its arguments, as a user of the image.
    pub fn of(user: &str, directory: impl Into<PathBuf>, command: &[&str]) -> Self {
        let command = command.iter().map(|word| (*word).to_owned()).collect();
        let (directory, environment) = (directory.into(), BTreeMap::new());
        Self { user: user.to_owned(), directory, environment, command, after_boot: false }
    }

    /// A script for `sh -eu`, as root, in `/`; `words` are its `$1` and so on.
    pub fn script(text: &str, words: &[&str]) -> Self {
        let command: Vec<&str> = ["sh", "-euc", text, "sh"].into_iter().chain(words.iter().copied()).collect();
        Self::of("root", "/", &command)
    }
}

impl Session {
    /// The driver's second self, as [`super::process::contained`] takes it.
    pub fn process(&self) -> Result<Process> {
        if !nix::unistd::geteuid().is_root() {
            return Err(Diagnostic::error("build environments need root or user namespaces")
                .hint("run it through sudo, or install uidmap and enter the user in /etc/subuid and /etc/subgid")
                .into());
        }
        let text = serde_json::to_string(self)
            .map_err(|error| Error::failed(format!("cannot describe a session: {error}")))?;
        // The words are put after CONTAINED: options of unshare come first.
        let mut words: Vec<OsString> = vec!["--uts".into()];
        words.extend((!self.network).then(|| "--net".into()));
        let own = std::env::current_exe().map_err(|error| Error::io("find", Path::new("/proc/self/exe"), &error))?;
        words.extend([own.into(), INIT.into(), text.into()]);
        let mut process = Process::new("--ipc", words);
        process.environment = [("PATH".into(), PATH.into())].into();
        Ok(process)
    }
}

/// PER_LINUX32 of personality(2).
const LINUX32: i32 = 8;

/// Whether a program is one of ELF for 32 bits (elf(5), EI_CLASS).
fn is_of_32_bits(program: &Path) -> bool {
    let mut start = [0; 5];
    let read = std::fs::File::open(program).and_then(|mut file| file.read_exact(&mut start));
    read.is_ok() && start == *b"\x7fELF\x01"
}

const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// `main` of the first process of a session.
pub fn init(text: &str) -> i32 {
    let session: Session = match serde_json::from_str(text) {
        Ok(session) => session,
        Err(error) => return refuse(&format!("unreadable description: {error}")),
    };
    if !session.interactive {
        follow_the_driver();
    }
    match session.set_up() {
        Ok(()) if session.boot => session.boot().unwrap_or_else(|fault| refuse(&fault)),
        Ok(()) => session.run(),
        Err(fault) => refuse(&fault),
    }
}

fn refuse(fault: &str) -> i32 {
    eprintln!("session: error: {fault}");
    NOT_SET_UP
}

/// Standard input closes when the driver is gone: then so is this process, and
/// with it the namespace.
fn follow_the_driver() {
    std::thread::spawn(|| {
        let mut byte = [0];
        while matches!(std::io::stdin().read(&mut byte), Ok(1)) {}
        std::process::exit(NOT_SET_UP);
    });
}

type Outcome<T> = std::result::Result<T, String>;

impl Session {
    fn set_up(&self) -> Outcome<()> {
        nix::sys::stat::umask(nix::sys::stat::Mode::from_bits_truncate(0o022));
        if !self.network {
            let up = Command::new("ip").args(["link", "set", "lo", "up"]).status();
            up.ok().filter(|status| status.success()).ok_or("'ip link set lo up' failed: is iproute2 installed?")?;
        }
        let size = match self.upper {
            Upper::Memory(bytes) => bytes,
            Upper::Directory(_) => 1 << 20,
        };
        tmpfs(&self.mount_point, &format!("mode=755,size={size}"))?;
        std::env::set_current_dir(&self.mount_point).map_err(|error| error.to_string())?;
        self.mount_overlay()?;
        // On a machine of 64 bits, uname(2) is to say what the programs are made for.
        if is_of_32_bits(Path::new("root/usr/bin/dpkg")) {
            personality::set(Persona::from_bits_retain(LINUX32)).map_err(|errno| format!("personality: {errno}"))?;
        }
        if self.boot {
            // That of the process namespace that this is the first process of.
            return mount(Some("proc"), "/proc", Some("proc"), MsFlags::empty(), None::<&str>)
                .map_err(|errno| format!("proc: {errno}"));
        }
        std::env::set_current_dir("root").map_err(|error| error.to_string())?;
        mount_system()?;
        if self.network {
            for name in ["etc/resolv.conf", "etc/hosts"] {
                bind(&Path::new("/").join(name), Path::new(name), false)?;
            }
        }
        for one in &self.binds {
            bind(&one.from, one.to.strip_prefix("/").unwrap_or(&one.to), one.writable)?;
        }
        sethostname("localhost").map_err(|errno| format!("sethostname: {errno}"))?;
        enter()
    }

    /// Relative names only, so that no character of a path can upset the options.
    fn mount_overlay(&self) -> Outcome<()> {
        let mut lower = Vec::new();
        for (number, layer) in self.layers.iter().enumerate() {
            let name = format!("l{number}");
            bind(layer, Path::new(&name), false)?;
            lower.push(name);
        }
        let top = match &self.upper {
            Upper::Memory(_) => "memory",
            Upper::Directory(directory) => {
                make_directory(Path::new("disk"))?;
                attach(directory, Path::new("disk"))?;
                "disk"
            }
        };
        for name in [format!("{top}/upper"), format!("{top}/work"), "root".to_owned()] {
            make_directory(Path::new(&name))?;
        }
        // Attributes that are trusted are not for root of a user namespace.
        let marks = if is_rootless() { ",userxattr" } else { "" };
        let options = format!("lowerdir={},upperdir={top}/upper,workdir={top}/work{marks}", lower.join(":"));
        // Never written back: what is half done is thrown away.
        let volatile = format!("{options},volatile");
        let attempt = |data: &str| mount(Some("session"), "root", Some("overlay"), MsFlags::empty(), Some(data));
        attempt(&volatile).or_else(|_| attempt(&options)).map_err(|errno| {
            format!("cannot mount an overlay: {errno}; the cache must not lie on an overlay itself: set XDG_CACHE_HOME")
        })
    }

    /// Start the system with systemd-nspawn, and run the commands' words in it.
    fn boot(&self) -> Outcome<i32> {
        let come_up = Step::script(BOOTED, &[]);
        let (mut container, mut leader) = self.start()?;
        let mut booted = true;
        for step in &self.commands {
            if step.after_boot {
                shut_down(&mut container, &leader)?;
                (container, leader) = self.start()?;
                booted = true;
            }
            for step in std::mem::take(&mut booted).then_some(&come_up).into_iter().chain([step]) {
                let status = inside(&leader, &step.command)?;
                if status != 0 {
                    return Ok(status);
                }
            }
        }
        // The container ends with this process.
        Ok(0)
    }

    /// The container and the id of its first process.
    fn start(&self) -> Outcome<(Child, String)> {
        let words = ["--quiet", "--directory=root", "--machine=session", "--register=no", "--keep-unit"];
        let more = ["--private-network", "--resolv-conf=off", "--console=pipe", "--boot"];
        let mut container = Command::new("systemd-nspawn");
        container.args(words).args(more).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        for one in &self.binds {
            let escaped = |path: &Path| path.to_string_lossy().replace('\\', "\\\\").replace(':', "\\:");
            let option = if one.writable { "--bind" } else { "--bind-ro" };
            container.arg(format!("{option}={}:{}", escaped(&one.from), escaped(&one.to)));
        }
        let mut container = container.spawn().map_err(|error| format!("cannot run systemd-nspawn: {error}"))?;
        let leader = leader(&mut container)?;
        Ok((container, leader))
    }

    fn run(&self) -> i32 {
        for step in &self.commands {
            match self.step(step) {
                Ok(0) => {}
                Ok(status) => return status,
                Err(fault) => return refuse(&fault),
            }
        }
        0
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
        if uid != 0 {
            // The limit counts for unprivileged users only.
            setrlimit(Resource::RLIMIT_NPROC, self.processes, self.processes)
                .map_err(|errno| format!("setrlimit: {errno}"))?;
            command.uid(uid).gid(gid);
        }
        let child = command
            .spawn()
            .map_err(|error| format!("cannot run {program} in {}: {error}", step.directory.display()))?;
        let status = collect(Pid::from_raw(child.id() as i32))?;
        end_the_rest(program);
        Ok(status)
    }
}

/// Run a command in a container that boots or has booted; its exit status.
fn inside(leader: &str, words: &[String]) -> Outcome<i32> {
    let mut command = Command::new("nsenter");
    command.args(["-t", leader, "-m", "-u", "-i", "-n", "-p", "--"]).args(words);
    command.env_clear().envs([("PATH", PATH), ("LC_ALL", "C.UTF-8"), ("HOME", "/root")]).stdin(Stdio::null());
    let status = command.status().map_err(|error| format!("cannot run nsenter: {error}"))?;
    Ok(status.code().unwrap_or(1))
}

/// What systemd(1) takes for a power-off; then the container's end.
fn shut_down(container: &mut Child, leader: &str) -> Outcome<()> {
    let sent = Command::new("kill").args(["-s", "RTMIN+4", leader]).status();
    sent.ok().filter(|status| status.success()).ok_or("the container cannot be told to shut down")?;
    for _ in 0..3000 {
        if container.try_wait().map_err(|error| error.to_string())?.is_some() {
            return Ok(());
        }
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    Err("the container did not shut down within 60 s".to_owned())
}

/// The id of a container's first process, once it has become systemd.
fn leader(container: &mut Child) -> Outcome<String> {
    let children = format!("/proc/{0}/task/{0}/children", container.id());
    for _ in 0..600 {
        if let Some(status) = container.try_wait().map_err(|error| error.to_string())? {
            // systemd(1) of sid, from version 258 on.
            let old = !Path::new("/sys/fs/cgroup/cgroup.controllers").exists();
            let more =
                if old { ", and does its systemd boot on a machine with control groups of version 1?" } else { "?" };
            return Err(format!("systemd-nspawn ended with {status}: does the image have systemd-sysv{more}"));
        }
        let listed = std::fs::read_to_string(&children).unwrap_or_default();
        if let Some(first) = listed.split_whitespace().next() {
            let name = std::fs::read_to_string(format!("/proc/{first}/comm")).unwrap_or_default();
            if name.trim() == "systemd" {
                return Ok(first.to_owned());
            }
        }
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    Err("the container did not start within 12 s".to_owned())
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
        eprintln!("session: warning: {program} left {} running: ended now", left.join(", "));
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
    let text = std::fs::read_to_string("/etc/passwd").map_err(|error| format!("/etc/passwd: {error}"))?;
    let row = text.lines().map(|line| line.split(':').collect::<Vec<_>>()).find(|row| row.first() == Some(&name));
    row.and_then(|row| Some((row.get(2)?.parse().ok()?, row.get(3)?.parse().ok()?, (*row.get(5)?).to_owned())))
        .ok_or_else(|| format!("the environment has no user {name}"))
}

fn mount_system() -> Outcome<()> {
    for name in ["proc", "dev", "mnt"] {
        make_directory(Path::new(name))?;
    }
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    mount(Some("proc"), "proc", Some("proc"), flags, None::<&str>).map_err(|errno| format!("proc: {errno}"))?;
    tmpfs(Path::new("dev"), "mode=755,size=1m")?;
    for name in ["dev/pts", "dev/shm"] {
        make_directory(Path::new(name))?;
    }
    let options = "newinstance,ptmxmode=666,mode=620";
    mount(Some("devpts"), "dev/pts", Some("devpts"), MsFlags::MS_NOSUID | MsFlags::MS_NOEXEC, Some(options))
        .map_err(|errno| format!("devpts: {errno}"))?;
    tmpfs(Path::new("dev/shm"), "mode=1777")?;
    for name in ["null", "zero", "full", "random", "urandom", "tty"] {
        bind(&Path::new("/dev").join(name), &Path::new("dev").join(name), true)?;
    }
    let links =
        [("pts/ptmx", "ptmx"), ("/proc/self/fd", "fd"), ("fd/0", "stdin"), ("fd/1", "stdout"), ("fd/2", "stderr")];
    for (target, name) in links {
        std::os::unix::fs::symlink(target, Path::new("dev").join(name))
            .map_err(|error| format!("dev/{name}: {error}"))?;
    }
    Ok(())
}

/// Make the current directory the root of everything.
fn enter() -> Outcome<()> {
    pivot_root(".", "mnt").map_err(|errno| format!("pivot_root: {errno}"))?;
    std::env::set_current_dir("/").map_err(|error| error.to_string())?;
    umount2("/mnt", MntFlags::MNT_DETACH).map_err(|errno| format!("umount: {errno}"))
}

fn tmpfs(path: &Path, options: &str) -> Outcome<()> {
    mount(Some("tmpfs"), path, Some("tmpfs"), MsFlags::MS_NOSUID, Some(options))
        .map_err(|errno| format!("tmpfs on {}: {errno}", path.display()))
}

/// Show `from` at `to`, which is made like it.
fn bind(from: &Path, to: &Path, writable: bool) -> Outcome<()> {
    if from.is_dir() {
        make_directory(to)?;
    } else if !to.exists() {
        to.parent().map_or(Ok(()), make_directory)?;
        std::fs::write(to, "").map_err(|error| format!("{}: {error}", to.display()))?;
    }
    attach(from, to)?;
    if writable {
        return Ok(());
    }
    mount(None::<&str>, to, None::<&str>, MsFlags::MS_REMOUNT | MsFlags::MS_BIND | MsFlags::MS_RDONLY, None::<&str>)
        .map_err(|errno| format!("making {} read-only: {errno}", to.display()))
}

fn attach(from: &Path, to: &Path) -> Outcome<()> {
    mount(Some(from), to, None::<&str>, MsFlags::MS_BIND, None::<&str>)
        .map_err(|errno| format!("showing {} at {}: {errno}", from.display(), to.display()))
}

fn make_directory(path: &Path) -> Outcome<()> {
    std::fs::create_dir_all(path).map_err(|error| format!("{}: {error}", path.display()))
}
