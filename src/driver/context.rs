//! What every command of the driver works with.
//!
//! Owns the environment that its children get, where its caches lie, and how a
//! command tells what it is doing. Prints nothing.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::{Component, Path, PathBuf};
use std::time::Duration;

use crate::apply;
use crate::debian::environment::Environment;
use crate::error::{Diagnostic, Error, Result};
use crate::input;
use crate::plan::Process;

/// Something worth telling while a command runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// What is being done.
    Note(String),
    /// A fault that does not end the command.
    Warning(Diagnostic),
    /// A line of the log of a task as it grows.
    Line(String, String),
    /// A task begins that may take long; it has this name until it ends.
    Began(String),
    /// A task has ended.
    Ended(String),
}

/// Whether root is only that of a user namespace (user_namespaces(7)).
pub fn is_rootless() -> bool {
    let map = input::text(Path::new("/proc/self/uid_map")).ok().flatten().unwrap_or_default();
    let words: Vec<&str> = map.split_whitespace().collect();
    words != ["0", "0", "4294967295"]
}

/// What every command of the driver works with.
pub struct Context<'a> {
    /// The environment of this process.
    pub environment: Environment,
    /// The working directory, absolute.
    pub directory: PathBuf,
    /// Takes each [`Event`] as it happens.
    pub tell: &'a (dyn Fn(Event) + Sync),
}

/// Something that takes a while and is under way as long as this value lives.
pub struct Task<'a> {
    name: String,
    tell: &'a (dyn Fn(Event) + Sync),
}

impl Task<'_> {
    /// Tell of a line that its log has got.
    pub fn line(&self, text: &str) {
        (self.tell)(Event::Line(self.name.clone(), text.to_owned()));
    }
}

impl Drop for Task<'_> {
    fn drop(&mut self) {
        (self.tell)(Event::Ended(self.name.clone()));
    }
}

impl Context<'_> {
    /// Tell what is being done.
    pub fn say(&self, text: impl Into<String>) {
        (self.tell)(Event::Note(text.into()));
    }

    /// Tell that a task begins; it ends with the value.
    pub fn begin(&self, task: impl Into<String>) -> Task<'_> {
        let name = task.into();
        (self.tell)(Event::Began(name.clone()));
        Task { name, tell: self.tell }
    }

    /// Tell of a fault that does not end the command.
    pub fn warn(&self, diagnostic: Diagnostic) {
        (self.tell)(Event::Warning(diagnostic));
    }

    /// `${XDG_CACHE_HOME:-~/.cache}/deb-build-app`, which may be deleted at any time.
    pub fn cache(&self) -> Result<PathBuf> {
        let home = || self.environment.filled("HOME").map(|home| Path::new(home).join(".cache"));
        let base = self.environment.filled("XDG_CACHE_HOME").map(PathBuf::from).or_else(home);
        let base = base.ok_or_else(|| {
            Error::from(
                Diagnostic::error("neither XDG_CACHE_HOME nor HOME is set").hint("set one of them: caches lie there"),
            )
        })?;
        Ok(self.directory.join(base).join("deb-build-app"))
    }

    /// The environment of children on the host: this process's, in the C locale,
    /// without the variables by which git's hooks point to another repository and
    /// without those that steer what is run: the loader, interpreters, and the programs
    /// that take options from a variable.
    pub fn children(&self) -> BTreeMap<OsString, OsString> {
        let stray = |name: &str| {
            STRAY.iter().any(|one| one.strip_suffix('*').map_or(*one == name, |start| name.starts_with(start)))
        };
        let mut all = self.environment.all().clone();
        all.retain(|name, _| !stray(&name.to_string_lossy()));
        all.insert("LC_ALL".into(), "C.UTF-8".into());
        // An ordinary user's has no place for chroot, and he may be root of a user namespace.
        let mut path = all.remove(OsStr::new("PATH")).unwrap_or_default();
        for place in ["/usr/sbin", "/sbin"].map(Path::new) {
            if !std::env::split_paths(&path).any(|one| one == place) {
                path.push(if path.is_empty() { "" } else { ":" });
                path.push(place);
            }
        }
        all.insert("PATH".into(), path);
        all
    }

    /// The environment of a bench of [`super::session`]: a home that is there, the way to
    /// programs, and proxies where it fetches something for us. What else this process
    /// has may be secret, and a build could read it.
    pub fn for_bench(&self, proxies: bool) -> BTreeMap<String, PathBuf> {
        let is_proxy = |name: &str| proxies && name.to_ascii_lowercase().ends_with("_proxy");
        let all = self.children().into_iter();
        let all = all.filter_map(|(name, value)| Some((name.into_string().ok()?, value.into())));
        let mut all: BTreeMap<String, PathBuf> =
            all.filter(|(name, _)| ["LC_ALL", "PATH"].contains(&name.as_str()) || is_proxy(name)).collect();
        all.insert("HOME".to_owned(), "/mnt".into());
        all
    }

    /// Run a program of the host and return what it prints; a program that fails
    /// is an error that names `what` it was to do and carries its last words.
    pub fn output(&self, what: &str, process: Process) -> Result<Vec<u8>> {
        let output = self.attempt(process)?;
        if output.success {
            return Ok(output.stdout);
        }
        Err(Diagnostic::error(format!("{what} failed ({}): {}", output.status, last_words(&output.stderr))).into())
    }

    /// Run a program of the host; that it fails is for the caller to judge.
    pub fn attempt(&self, process: Process) -> Result<apply::Output> {
        self.attempt_within(LONGEST, process)
    }

    /// The same for a program that is killed after this time.
    pub fn attempt_within(&self, limit: Duration, process: Process) -> Result<apply::Output> {
        let what = process.program.to_string_lossy().into_owned();
        let output = self.attempt_limited(limit, input::ARCHIVE, process)?;
        if output.cut {
            return Err(Error::failed(format!("{what} printed more than {} MB", input::ARCHIVE >> 20)));
        }
        Ok(output)
    }

    /// The same for a program that is killed after so many bytes as well, which it says.
    pub fn attempt_limited(&self, limit: Duration, most: u64, mut process: Process) -> Result<apply::Output> {
        // What a caller sets goes before what this process has.
        let mut environment = self.children();
        environment.append(&mut process.environment);
        process.environment = environment;
        self.find(&process)?;
        let what = process.program.to_string_lossy().into_owned();
        let words = ["--signal=KILL".to_owned(), limit.as_secs().to_string()].map(OsString::from);
        let arguments = words.into_iter().chain([process.program]).chain(process.arguments).collect();
        let process = Process { program: "timeout".into(), arguments, ..process };
        let output = apply::capture_at_most(&super::process::bound(process), most)?;
        // timeout(1) ends as what it has started was ended: by SIGKILL.
        if output.status.ends_with("status 137") && !output.cut {
            let fault = format!("{what} was killed: it took longer than {} s, or all memory", limit.as_secs());
            return Err(Diagnostic::error(fault).hint("look for a file in the source that never ends").into());
        }
        Ok(output)
    }

    /// Fail where a program is not installed that another one starts.
    pub fn needs(&self, program: &str) -> Result<()> {
        let words: [&str; 0] = [];
        self.find(&Process::new(program, words).environment(&self.children()))
    }

    /// Fail where a program is not installed; [`super::process::bound`] would say it in other words.
    fn find(&self, process: &Process) -> Result<()> {
        let path = process.environment.get(OsStr::new("PATH")).cloned().unwrap_or_default();
        let program = Path::new(&process.program);
        if std::env::split_paths(&path).any(|place| input::is_file(&place.join(program))) {
            return Ok(());
        }
        Err(self.missing(process, Error::io("run", program, &nix::errno::Errno::ENOENT.into())))
    }

    /// An error at starting a program, with the package that has it.
    fn missing(&self, process: &Process, error: Error) -> Error {
        let program = process.program.to_string_lossy().into_owned();
        let Error::Failed(mut faults) = error else { return error };
        if let (Some(fault), Some((_, package))) =
            (faults.first_mut(), PACKAGES.iter().find(|(name, _)| *name == program))
        {
            fault.hint = Some(format!("apt-get install {package}"));
        }
        Error::Failed(faults)
    }

    /// Whether root is only that of a user namespace.
    pub fn is_rootless(&self) -> bool {
        is_rootless()
    }

    /// Debian's name of this machine's architecture.
    pub fn architecture(&self) -> Result<String> {
        let output = self.output("dpkg --print-architecture", Process::new("dpkg", ["--print-architecture"]))?;
        Ok(String::from_utf8_lossy(&output).trim().to_owned())
    }

    /// A path of the command line, made absolute, without `.` and `..`.
    pub fn path(&self, path: &Path) -> PathBuf {
        let mut clean = PathBuf::new();
        for component in self.directory.join(path).components() {
            match component {
                Component::CurDir => {}
                Component::ParentDir => drop(clean.pop()),
                other => clean.push(other),
            }
        }
        clean
    }
}

/// How long a program of the host may take: a download of some gigabytes, a resolution.
const LONGEST: Duration = Duration::from_secs(3 * 3600);

/// Variables that no child gets; a `*` stands for any rest.
const STRAY: [&str; 22] = [
    "BASH_ENV",
    "BASH_FUNC_*",
    "BZIP*",
    "CDPATH",
    "ENV",
    "GIT_*",
    "GREP_*",
    "GZIP*",
    "IFS",
    "LD_*",
    "LS_*",
    "PERL*",
    "PIP_*",
    "POSIXLY_CORRECT",
    "PYTHON*",
    "SHELLOPTS",
    "TAPE",
    "TAR_*",
    "UV_*",
    "XZ_*",
    "ZIP*",
    "ZSTD_*",
];

/// Programs that not every machine has, and their packages.
const PACKAGES: [(&str, &str); 9] = [
    ("curl", "curl"),
    ("git", "git"),
    ("gpgv", "gpgv"),
    ("ip", "iproute2"),
    ("mmdebstrap", "mmdebstrap"),
    ("systemd-nspawn", "systemd-container"),
    ("uv", "pipx && pipx install uv"),
    ("unshare", "util-linux"),
    ("xz", "xz-utils"),
];

/// The last lines that a program printed, joined: what a message has room for.
pub fn last_words(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let tail = &lines[lines.len().saturating_sub(6)..];
    if tail.is_empty() {
        return "it said nothing".to_owned();
    }
    crate::foreign::without_passwords(&tail.join(" / ")).into_owned()
}
