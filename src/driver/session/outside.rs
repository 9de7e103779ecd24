//! The driver's second self: it makes what a session sees, starts the one inside,
//! and fetches what that has left.
//!
//! Owns every mount but those that only the one inside may make. It has the
//! driver's own powers, so it never starts a program of a session's file system,
//! never follows a link in one, and opens nothing there before the last process
//! inside has ended.

#![expect(clippy::disallowed_methods, reason = "it makes mount points and starts the one inside")]

use std::io::Read;
use std::os::unix::fs::{FileTypeExt, PermissionsExt, symlink};
use std::path::{Component, Path, PathBuf};
use std::process::{Child, Command, Stdio};

use nix::mount::{MsFlags, mount};
use nix::sys::personality::{self, Persona};
use nix::unistd::sethostname;

use super::groups;
use super::ids::Ids;
use super::{Bench, Bind, Boot, INSIDE, Job, NOT_SET_UP, Outcome, PATH, Session, Step, Upper, take};
use crate::driver::context::is_rootless;

/// Waits until a booted system has come up.
const BOOTED: &str = include_str!("../../../share/driver/booted.sh");
/// PER_LINUX32 of personality(2).
const LINUX32: i32 = 8;

/// What it does; its exit status.
pub(super) fn main(job: &Job) -> Outcome<i32> {
    nix::sys::stat::umask(nix::sys::stat::Mode::from_bits_truncate(0o022));
    // What boots is not started by the third self.
    super::own_keys()?;
    match job {
        Job::System(session) => {
            if !session.interactive {
                follow_the_driver();
            }
            session.run(job)
        }
        Job::Host(bench) => {
            follow_the_driver();
            bench.run(job)
        }
    }
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

impl Session {
    fn run(&self, job: &Job) -> Outcome<i32> {
        let ids = Ids::own()?;
        own_processes()?;
        let size = match self.upper {
            Upper::Memory(bytes) => bytes,
            Upper::Directory(_) => 1 << 20,
        };
        tmpfs(&self.mount_point, &format!("mode=755,size={size}"))?;
        std::env::set_current_dir(&self.mount_point).map_err(|error| error.to_string())?;
        self.mount_overlay(ids)?;
        // On a machine of 64 bits, uname(2) is to say what the programs are made for.
        if is_of_32_bits(Path::new("root/usr/bin/dpkg")) {
            personality::set(Persona::from_bits_retain(LINUX32)).map_err(|errno| format!("personality: {errno}"))?;
        }
        if let Some(boot) = self.boot {
            return self.boot(boot, ids);
        }
        self.furnish(ids)?;
        sethostname("localhost").map_err(|errno| format!("sethostname: {errno}"))?;
        let status = inside(job, Some(ids), self.network, self.interactive)?;
        if let (0, Some(take)) = (status, &self.take) {
            take::take(take, Path::new("root"))?;
        }
        Ok(status)
    }

    /// Relative names only, so that no character of a path can upset the options.
    fn mount_overlay(&self, ids: Ids) -> Outcome<()> {
        let mut lower = Vec::new();
        for (number, layer) in self.layers.iter().enumerate() {
            let name = format!("l{number}");
            std::fs::create_dir(&name).map_err(|error| format!("{name}: {error}"))?;
            attach(layer, Path::new(&name), false)?;
            lower.push(name);
        }
        let top = match &self.upper {
            Upper::Memory(_) => "memory",
            Upper::Directory(directory) => {
                make_directory(Path::new("disk"))?;
                attach(directory, Path::new("disk"), true)?;
                "disk"
            }
        };
        for name in [format!("{top}/upper"), format!("{top}/work"), "root".to_owned()] {
            make_directory(Path::new(&name))?;
        }
        ids.hand_over(Path::new(&format!("{top}/upper")), 0)?;
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

    /// Devices, and what of the host is shown.
    fn furnish(&self, ids: Ids) -> Outcome<()> {
        let root = Path::new("root");
        for name in ["proc", "dev", "mnt"] {
            place(root, Path::new(name), true, ids)?;
        }
        let (owner, dev) = (ids.id(0), root.join("dev"));
        tmpfs(&dev, &format!("mode=755,size=1m,uid={owner},gid={owner}"))?;
        for name in ["pts", "shm"] {
            place(&dev, Path::new(name), true, ids)?;
        }
        match self.upper {
            // One room for all that is written.
            Upper::Memory(_) => {
                make_directory(Path::new("shm"))?;
                ids.hand_over(Path::new("shm"), 0)?;
                std::fs::set_permissions("shm", std::fs::Permissions::from_mode(0o1777))
                    .map_err(|error| format!("shm: {error}"))?;
                attach(Path::new("shm"), &dev.join("shm"), true)?;
            }
            Upper::Directory(_) => tmpfs(&dev.join("shm"), &format!("mode=1777,uid={owner},gid={owner}"))?,
        }
        for name in ["null", "zero", "full", "random", "urandom", "tty"] {
            attach(&Path::new("/dev").join(name), &place(&dev, Path::new(name), false, ids)?, true)?;
        }
        let links =
            [("pts/ptmx", "ptmx"), ("/proc/self/fd", "fd"), ("fd/0", "stdin"), ("fd/1", "stdout"), ("fd/2", "stderr")];
        for (target, name) in links {
            symlink(target, dev.join(name)).map_err(|error| format!("dev/{name}: {error}"))?;
        }
        if self.network {
            for name in ["etc/resolv.conf", "etc/hosts"] {
                attach(&Path::new("/").join(name), &place(root, Path::new(name), false, ids)?, false)?;
            }
        }
        self.binds.iter().try_for_each(|one| show(one, root, ids))
    }

    /// Start the system with systemd-nspawn, and run the commands' words in it.
    fn boot(&self, boot: Boot, ids: Ids) -> Outcome<i32> {
        let come_up = Step::script(BOOTED, &[]);
        groups::own();
        let (mut container, mut leader) = self.start(boot, ids)?;
        let mut booted = true;
        for step in &self.commands {
            if step.after_boot {
                shut_down(&mut container, &leader)?;
                (container, leader) = self.start(boot, ids)?;
                booted = true;
            }
            for step in std::mem::take(&mut booted).then_some(&come_up).into_iter().chain([step]) {
                let status = enter(&leader, boot, &step.command)?;
                if status != 0 {
                    return Ok(status);
                }
            }
        }
        // The container ends with this process.
        Ok(0)
    }

    /// The container and the id of its first process.
    fn start(&self, boot: Boot, ids: Ids) -> Outcome<(Child, String)> {
        let words = ["--quiet", "--directory=root", "--machine=session", "--register=no", "--keep-unit"];
        let more = ["--private-network", "--resolv-conf=off", "--console=pipe", "--boot"];
        let mut container = Command::new("systemd-nspawn");
        container.args(words).args(more).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        match boot {
            // The layers have these ids already.
            Boot::Contained => {
                container.arg(format!("--private-users={}:{}", ids.first, ids.count));
                container.arg("--private-users-ownership=off");
            }
            Boot::Privileged => {}
        }
        for one in &self.binds {
            let escaped = |path: &Path| path.to_string_lossy().replace('\\', "\\\\").replace(':', "\\:");
            let option = if one.writable { "--bind" } else { "--bind-ro" };
            container.arg(format!("{option}={}:{}", escaped(&one.from), escaped(&one.to)));
        }
        let mut container = container.spawn().map_err(|error| format!("cannot run systemd-nspawn: {error}"))?;
        let leader = leader(&mut container)?;
        Ok((container, leader))
    }
}

impl Bench {
    fn run(&self, job: &Job) -> Outcome<i32> {
        let ids = if self.contained { Some(Ids::own()?) } else { None };
        let mnt = Path::new("/mnt");
        // An ordinary user without a namespace of his own has no mounts either; what
        // he is given is where it is.
        let base = match &self.upper {
            Upper::Directory(directory) if !nix::unistd::geteuid().is_root() => directory.clone(),
            upper => {
                own_processes()?;
                match upper {
                    Upper::Memory(bytes) => tmpfs(mnt, &format!("mode=755,size={bytes}"))?,
                    Upper::Directory(directory) => attach(directory, mnt, true)?,
                }
                ids.map_or(Ok(()), |ids| ids.hand_over(mnt, 0))?;
                mnt.to_owned()
            }
        };
        for (name, mode) in &self.directories {
            let path = base.join(name);
            std::fs::create_dir_all(&path)
                .and_then(|()| std::fs::set_permissions(&path, std::fs::Permissions::from_mode(*mode)))
                .map_err(|error| format!("{}: {error}", path.display()))?;
            ids.map_or(Ok(()), |ids| ids.hand_over(&path, 0))?;
        }
        let machine = Ids { first: 0, count: 1 };
        self.binds.iter().try_for_each(|one| show(one, Path::new("/"), ids.unwrap_or(machine)))?;
        let status = inside(job, ids, self.network, false)?;
        if let (0, Some(take)) = (status, &self.take) {
            take::take(take, &base)?;
        }
        Ok(status)
    }
}

/// Start the driver's third self and wait for its end; its exit status. Whatever it
/// has started is gone by then: the kernel ends a process namespace with its first process.
fn inside(job: &Job, ids: Option<Ids>, network: bool, interactive: bool) -> Outcome<i32> {
    let text = serde_json::to_string(job).map_err(|error| format!("cannot describe a session: {error}"))?;
    let own = std::env::current_exe().map_err(|error| format!("/proc/self/exe: {error}"))?;
    let mut command = Command::new("unshare");
    match ids {
        // The powers are kept until the ids are there; the first process has no name for itself before.
        Some(_) => command.args(["--user", "--keep-caps"]),
        None if nix::unistd::geteuid().is_root() => &mut command,
        None => command.args(["--user", "--map-current-user", "--keep-caps"]),
    };
    command.args(["--mount", "--pid", "--fork", "--kill-child=KILL", "--ipc", "--uts"]);
    command.args((!network).then_some("--net")).arg(own).arg(INSIDE).arg(text);
    command.env_clear().env("PATH", PATH);
    if !interactive {
        command.stdin(Stdio::null());
    }
    let mut child = command.spawn().map_err(|error| format!("cannot run unshare: {error}"))?;
    if let Some(ids) = ids {
        if let Err(fault) = ids.give(&child) {
            let _ = child.kill();
            let _ = child.wait();
            return Err(fault);
        }
    }
    use std::os::unix::process::ExitStatusExt;
    let status = child.wait().map_err(|error| format!("wait: {error}"))?;
    Ok(status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or_default()))
}

/// Run a command in a container that boots or has booted; its exit status.
fn enter(leader: &str, boot: Boot, words: &[String]) -> Outcome<i32> {
    let mut command = Command::new("nsenter");
    command.args(["-t", leader]).args((boot == Boot::Contained).then_some("-U"));
    command.args(["-m", "-u", "-i", "-n", "-p", "--"]).args(words);
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

/// Whether a program is one of ELF for 32 bits (elf(5), EI_CLASS).
fn is_of_32_bits(program: &Path) -> bool {
    let mut start = [0; 5];
    let read = std::fs::File::open(program).and_then(|mut file| file.read_exact(&mut start));
    read.is_ok() && start == *b"\x7fELF\x01"
}

/// The processes of the namespace that this is the first process of, at /proc.
fn own_processes() -> Outcome<()> {
    mount(Some("proc"), "/proc", Some("proc"), MsFlags::empty(), None::<&str>).map_err(|errno| format!("proc: {errno}"))
}

fn tmpfs(path: &Path, options: &str) -> Outcome<()> {
    mount(Some("tmpfs"), path, Some("tmpfs"), MsFlags::MS_NOSUID, Some(options))
        .map_err(|errno| format!("tmpfs on {}: {errno}", path.display()))
}

/// Show something of the host below `root`.
fn show(bind: &Bind, root: &Path, ids: Ids) -> Outcome<()> {
    let to = bind.to.strip_prefix("/").unwrap_or(&bind.to);
    let to = place(root, to, bind.from.is_dir(), ids)?;
    if bind.writable {
        ids.hand_over(&bind.from, 0)?;
    }
    attach(&bind.from, &to, bind.writable)
}

/// A directory or an empty file of the session's root to mount on, made where it is
/// missing. A link in the way is no place: it could lead out.
fn place(root: &Path, below: &Path, directory: bool, ids: Ids) -> Outcome<PathBuf> {
    let names: Vec<&std::ffi::OsStr> = below
        .components()
        .map(|component| match component {
            Component::Normal(name) => Ok(name),
            _ => Err(format!("{} is no place in a session", below.display())),
        })
        .collect::<Outcome<_>>()?;
    let mut path = root.to_owned();
    for (index, name) in names.iter().enumerate() {
        path.push(name);
        let is_file = index + 1 == names.len() && !directory;
        let said = |error: std::io::Error| format!("{}: {error}", path.display());
        match std::fs::symlink_metadata(&path) {
            Ok(there) if is_file && there.is_symlink() => std::fs::remove_file(&path).map_err(said)?,
            Ok(there) if there.is_dir() == is_file => {
                return Err(format!("{} is not what a session mounts on", path.display()));
            }
            Ok(_) => continue,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(said(error)),
        }
        match is_file {
            true => std::fs::File::create_new(&path).map(drop),
            false => std::fs::create_dir(&path),
        }
        .map_err(said)?;
        ids.hand_over(&path, 0)?;
    }
    Ok(path)
}

fn attach(from: &Path, to: &Path, writable: bool) -> Outcome<()> {
    mount(Some(from), to, None::<&str>, MsFlags::MS_BIND, None::<&str>)
        .map_err(|errno| format!("showing {} at {}: {errno}", from.display(), to.display()))?;
    // A device is wanted as one; in what is shown of files, a node of a source's is none.
    let is_device = std::fs::metadata(from).is_ok_and(|facts| facts.file_type().is_char_device());
    let mut flags = MsFlags::MS_REMOUNT | MsFlags::MS_BIND | MsFlags::MS_NOSUID;
    flags.set(MsFlags::MS_NODEV, !is_device);
    flags.set(MsFlags::MS_RDONLY, !writable);
    // What is forbidden where it comes from stays so: in a user namespace it has to.
    let there = rustix::fs::statvfs(to).map_err(|error| format!("{}: {error}", to.display()))?.f_flag;
    for (has, flag) in [
        (rustix::fs::StatVfsMountFlags::RDONLY, MsFlags::MS_RDONLY),
        (rustix::fs::StatVfsMountFlags::NODEV, MsFlags::MS_NODEV),
        (rustix::fs::StatVfsMountFlags::NOEXEC, MsFlags::MS_NOEXEC),
    ] {
        flags.set(flag, flags.contains(flag) || there.contains(has));
    }
    mount(None::<&str>, to, None::<&str>, flags, None::<&str>)
        .map_err(|errno| format!("the options of {}: {errno}", to.display()))
}

fn make_directory(path: &Path) -> Outcome<()> {
    std::fs::create_dir_all(path).map_err(|error| format!("{}: {error}", path.display()))
}
