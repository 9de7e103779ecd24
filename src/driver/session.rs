//! Sessions: commands in a root file system of read-only layers and a writable
//! one on top, or of the host's own programs, where a source can get at nothing
//! else.
//!
//! Owns what is described; nothing is mounted or started here. The driver starts
//! itself twice for a session, through unshare(1), so that nothing is ever mounted
//! in its own namespace:
//!
//! - [`outside`] has the driver's own ids. It makes the mounts, gives the ids to
//!   the one inside, and fetches results once nothing inside lives any more.
//! - [`inside`] is the first process of a user, mount, process and network
//!   namespace whose ids ([`ids`]) are nobody's on the machine. Foreign code runs
//!   below it alone.

mod groups;
pub mod ids;
pub mod inside;
pub mod outside;
pub mod take;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::error::{Diagnostic, Error, Result};
use crate::plan::Process;
use ids::Ids;
use take::Take;

/// Most processes that a user of a session may have, root of it, too.
pub const PROCESSES: u64 = 4096;

/// First argument of the driver's second self, the one outside.
pub const OUTSIDE: &str = "--outside-of-a-session";
/// First argument of its third self, the one inside.
pub const INSIDE: &str = "--first-process-of-a-session";
/// Exit status of a session that could not be set up.
const NOT_SET_UP: i32 = 125;
/// Where sessions and the tools that they run look for programs.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// What goes wrong in a self that has nobody to return an error to.
type Outcome<T> = std::result::Result<T, String>;

/// What the driver's other selves are told.
#[derive(Debug, Clone, Serialize, Deserialize)]
enum Job {
    System(Session),
    Host(Bench),
}

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
    /// Fetched afterwards, where all commands have succeeded.
    pub take: Option<Take>,
    /// Most processes of an unprivileged user.
    pub processes: u64,
    /// Whether a command has the terminal.
    pub interactive: bool,
    /// Boot the system in a container, without a network, and run the commands'
    /// scripts there, as root.
    pub boot: Option<Boot>,
}

/// How a system boots.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Boot {
    /// With ids of its own.
    Contained,
    /// With root's powers over the machine: for packages that somebody trusts.
    Privileged,
}

/// Programs of the host that work on foreign data or start foreign code themselves:
/// mmdebstrap, sbuild, pbuilder. They see the machine's files as nobody in particular
/// would, and write below /mnt. With ids of their own, /mnt/tmp is their /tmp.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Bench {
    /// Whether they get ids of their own; otherwise they are whoever runs the driver.
    pub contained: bool,
    /// Whether the host's network is there.
    pub network: bool,
    /// What /mnt is: so many bytes of memory, or a directory.
    pub upper: Upper,
    /// Directories to make below /mnt.
    pub directories: Vec<(String, u32)>,
    /// Files and directories of the host to show there.
    pub binds: Vec<Bind>,
    /// Program and arguments.
    pub command: Vec<OsText>,
    /// Its variables.
    pub environment: BTreeMap<String, OsText>,
    /// Fetched afterwards, where it has succeeded.
    pub take: Option<Take>,
}

/// A word that need not be UTF-8.
pub type OsText = PathBuf;

/// Where changes of a session go.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum Upper {
    /// Into memory, at most so many bytes; gone when the session ends.
    Memory(u64),
    /// Into `upper` of this directory, which gets `work` as well; of a [`Bench`] into the directory itself.
    Directory(PathBuf),
}

/// A file or directory of the host that a session sees.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Bind {
    /// On the host.
    pub from: PathBuf,
    /// In the session, absolute.
    pub to: PathBuf,
    /// Whether it may be changed from inside; it is given to the session's root then.
    pub writable: bool,
}

/// A command of a session.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Step {
    /// User of the image. Whoever is not root runs confined: without capabilities,
    /// and no program gives it any (PR_SET_NO_NEW_PRIVS).
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
        needs_root()?;
        second_self(&Job::System(self.clone()), ["--ipc", "--uts"].as_slice())
    }
}

impl Bench {
    /// The driver's second self, as [`super::process::contained`] takes it.
    pub fn process(&self) -> Result<Process> {
        if self.contained {
            needs_root()?;
        }
        second_self(&Job::Host(self.clone()), ["--ipc"].as_slice())
    }
}

fn needs_root() -> Result<()> {
    if nix::unistd::geteuid().is_root() {
        return Ok(());
    }
    Err(Diagnostic::error("build environments need root or user namespaces")
        .hint("run it through sudo, or install uidmap and enter the user in /etc/subuid and /etc/subgid")
        .into())
}

/// `options` are unshare's: the words are put after [`super::process::CONTAINED`].
fn second_self(job: &Job, options: &[&str]) -> Result<Process> {
    let text =
        serde_json::to_string(job).map_err(|error| Error::failed(format!("cannot describe a session: {error}")))?;
    let own = std::env::current_exe().map_err(|error| Error::io("find", Path::new("/proc/self/exe"), &error))?;
    let mut words: Vec<OsString> = options[1..].iter().map(OsString::from).collect();
    words.extend([own.into(), OUTSIDE.into(), text.into()]);
    let mut process = Process::new(options[0], words);
    process.environment = [("PATH".into(), PATH.into())].into();
    Ok(process)
}

/// Give a tree that was made for a session to its root.
pub fn hand_over(path: &Path) -> Result<()> {
    ids()?.hand_over_all(path).map_err(Error::failed)
}

/// The ids of sessions of this process.
pub fn ids() -> Result<Ids> {
    Ids::own().map_err(|fault| {
        Diagnostic::error(format!("a build cannot get ids of its own: {fault}"))
            .hint("give the user 65536 ids in /etc/subuid and /etc/subgid; a container needs as many")
            .into()
    })
}

/// `main` of the driver's other selves; `None` where this is neither.
pub fn main(mut words: impl Iterator<Item = String>) -> Option<i32> {
    let which = words.next()?;
    let main = match which.as_str() {
        OUTSIDE => outside::main,
        INSIDE => inside::main,
        _ => return None,
    };
    Some(match words.next().ok_or_else(|| "no description".to_owned()).and_then(|text| read(&text)) {
        Ok(job) => main(&job).unwrap_or_else(|fault| refuse(&fault)),
        Err(fault) => refuse(&fault),
    })
}

fn read(text: &str) -> Outcome<Job> {
    serde_json::from_str(text).map_err(|error| format!("unreadable description: {error}"))
}

#[expect(clippy::print_stderr, reason = "as first process of a session it has nobody to return an error to")]
fn refuse(fault: &str) -> i32 {
    eprintln!("session: error: {}", crate::foreign::printable(fault));
    NOT_SET_UP
}

#[expect(clippy::print_stderr, reason = "the session's log is its standard error")]
fn warn(text: &str) {
    eprintln!("session: warning: {}", crate::foreign::printable_line(text));
}

/// How much a session may keep in memory: three quarters of what is free now (proc(5), meminfo).
pub fn memory() -> Result<u64> {
    let text = crate::input::text(Path::new("/proc/meminfo"))?.unwrap_or_default();
    let row = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"));
    let kilobytes = row.and_then(|row| row.split_whitespace().next()?.parse::<u64>().ok()).unwrap_or(1 << 20);
    Ok(kilobytes * 1024 / 4 * 3)
}

/// Keys of whoever runs the driver are not for whoever has inherited the ring (keyrings(7)).
fn own_keys() -> Outcome<()> {
    let Err(error) = keyutils::Keyring::join_anonymous_session() else { return Ok(()) };
    // Where the kernel has no keys, or a container's filter keeps everybody from them,
    // there is nothing to lose.
    let none = [nix::errno::Errno::ENOSYS, nix::errno::Errno::EPERM].map(|errno| errno as i32);
    if none.contains(&error.0) { Ok(()) } else { Err(format!("keyring: {error}")) }
}
