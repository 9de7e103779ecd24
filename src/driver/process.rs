//! Children that run for long: their output goes to a log as it comes, they have
//! a time limit, and they die with the driver.
//!
//! Owns starting and ending them. What a child in namespaces does there is
//! [`super::session`]'s.

#![expect(clippy::disallowed_methods, reason = "it starts children and writes their logs")]

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::File;
use std::io::{IsTerminal, Read, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::time::Duration;

use crate::error::{Error, Result};
use crate::foreign::printable;
use crate::plan::{Process, quote};

/// How a child ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ended {
    /// With this exit status.
    Status(i32),
    /// By this signal.
    Signal(i32),
    /// It was ended at its time limit.
    TimeLimit(Duration),
}

impl Ended {
    /// Whether it ended with status 0.
    pub fn success(&self) -> bool {
        *self == Self::Status(0)
    }
}

impl std::fmt::Display for Ended {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Status(status) => write!(f, "exit status {status}"),
            Self::Signal(number) => write!(f, "signal {number}"),
            Self::TimeLimit(limit) => write!(f, "ended at its time limit of {} s", limit.as_secs()),
        }
    }
}

/// What kills a child's whole process tree when the driver dies: words to put
/// before a command. unshare kills what it has started when it dies itself. The
/// child has a session of its own (setsid(2)): no terminal is its, and nothing can
/// be typed into one (TIOCSTI).
pub const CONTAINED: [&str; 10] = [
    "setsid",
    "setpriv",
    "--pdeathsig",
    "KILL",
    "unshare",
    "--mount",
    "--propagation=private",
    "--pid",
    "--fork",
    "--kill-child=KILL",
];

/// The same for an ordinary user, who stays the one that he is.
const CONTAINED_OF_A_USER: [&str; 2] = ["--user", "--map-current-user"];

/// A short-lived program of the host, which may work on foreign data, so that it does
/// not outlive the driver: killed with it, and where a process namespace can be had,
/// all that it has started, too. It has no terminal, and no program gives it powers.
pub fn bound(process: Process) -> Process {
    static NAMESPACE: std::sync::OnceLock<Option<&'static [&'static str]>> = std::sync::OnceLock::new();
    let possible = |words: &[&str]| {
        let tried = Command::new(words[0]).args(&words[1..]).arg("true").stderr(Stdio::null()).status();
        tried.is_ok_and(|status| status.success())
    };
    // An ordinary user has one within a user namespace; root of a container may have none.
    let namespace = NAMESPACE.get_or_init(|| [&OF_ROOT[..], &OF_A_USER[..]].into_iter().find(|words| possible(words)));
    // Root's may own and read every file, and nothing else: make no device, mount nothing.
    static POWERS: std::sync::OnceLock<bool> = std::sync::OnceLock::new();
    let is_powerful = *POWERS.get_or_init(|| nix::unistd::geteuid().is_root() && possible(&OF_FILES));
    let words = DYING.iter().chain(namespace.unwrap_or_default()).skip(1);
    let words = words.chain(if is_powerful { &OF_FILES[..] } else { &[] }).map(OsString::from);
    let arguments = words.chain([process.program]).chain(process.arguments).collect();
    Process { program: DYING[0].into(), arguments, ..process }
}

/// Words to put before a program that dies with the one that has started it.
const DYING: [&str; 5] = ["setsid", "setpriv", "--no-new-privs", "--pdeathsig", "KILL"];

/// Words that leave a program of root's the capabilities that files need.
const OF_FILES: [&str; 3] =
    ["setpriv", "--inh-caps=-all", "--bounding-set=-all,+chown,+dac_override,+dac_read_search,+fowner,+fsetid,+kill"];

/// Words that give a program a process namespace.
const OF_ROOT: [&str; 4] = ["unshare", "--pid", "--fork", "--kill-child=KILL"];

/// The same for an ordinary user, who stays the one that he is.
const OF_A_USER: [&str; 6] = ["unshare", "--user", "--map-current-user", "--pid", "--fork", "--kill-child=KILL"];

/// Run a child in a process namespace of its own; `log` gets what it prints, and
/// `line` each line. Its standard input is a pipe that closes when the driver dies.
pub fn contained(process: &Process, log: &Path, limit: Option<Duration>, line: &mut dyn FnMut(&str)) -> Result<Ended> {
    contained_on(process, log, Terms { limit, ..Terms::default() }, line)
}

/// How a child runs beside others.
#[derive(Debug, Clone, Copy, Default)]
pub struct Terms<'a> {
    /// How long it may take.
    pub limit: Option<Duration>,
    /// Killed once this is true.
    pub unwanted: Option<&'a AtomicBool>,
    /// Whether others, which take longest, get the processors first (nice(1)).
    pub patient: bool,
}

/// The same, on these terms.
pub fn contained_on(process: &Process, log: &Path, terms: Terms<'_>, line: &mut dyn FnMut(&str)) -> Result<Ended> {
    let Terms { limit, unwanted, patient } = terms;
    let failed = |error: std::io::Error| Error::io("run", Path::new(&process.program), &error);
    let pipe = nix::unistd::pipe2(nix::fcntl::OFlag::O_CLOEXEC).map_err(|errno| failed(errno.into()))?;
    let (reader, writer) = (File::from(pipe.0), pipe.1);
    let mut command = Command::new(if patient { "nice" } else { CONTAINED[0] });
    command.args(&CONTAINED[usize::from(!patient)..]);
    if !nix::unistd::geteuid().is_root() {
        command.args(CONTAINED_OF_A_USER);
    }
    command.arg(&process.program).args(&process.arguments);
    command.env_clear().envs(&process.environment);
    command.stdin(Stdio::piped()).stdout(writer.try_clone().map_err(failed)?).stderr(writer);
    let mut child = command.spawn().map_err(failed)?;
    // The command holds the pipe's other end: without it, the end is never seen.
    drop(command);
    // What prints faster than it is shown waits.
    let (sender, receiver) = mpsc::sync_channel(MOST_WAITING);
    let file = File::options().create(true).append(true).open(log).map_err(|error| Error::io("write", log, &error))?;
    let copier = std::thread::spawn(move || copy(reader, file, &sender));
    let deadline = limit.map(|limit| std::time::Instant::now() + limit);
    let (mut late, mut killed) = (false, false);
    loop {
        let left = deadline.map(|at| at.saturating_duration_since(std::time::Instant::now()));
        let tick = unwanted.map(|_| Duration::from_millis(100));
        let next = match [left, tick].into_iter().flatten().min().filter(|_| !killed) {
            Some(time) => receiver.recv_timeout(time),
            None => receiver.recv().map_err(|_| mpsc::RecvTimeoutError::Disconnected),
        };
        match next {
            Ok(text) if !killed => line(&text),
            Ok(_) | Err(mpsc::RecvTimeoutError::Timeout) => {}
            Err(mpsc::RecvTimeoutError::Disconnected) => break,
        }
        // Looked at after each line, too: one that never stops printing ends in time as well.
        if !killed {
            late = deadline.is_some_and(|at| std::time::Instant::now() >= at);
            killed = late || unwanted.is_some_and(|flag| flag.load(Ordering::Relaxed));
            if killed {
                child.kill().map_err(failed)?;
            }
        }
    }
    let ended = wait(&mut child).map_err(failed)?;
    match copier.join() {
        Ok(result) => result.map_err(|error| Error::io("write", log, &error))?,
        Err(_) => return Err(Error::failed("the log's writer panicked")),
    }
    Ok(match limit {
        Some(limit) if late => Ended::TimeLimit(limit),
        _ => ended,
    })
}

/// Run a child of a contained kind with what it reads and prints. A terminal is one
/// of its own, made by script(1): what runs there could type into ours.
pub fn interactive(process: &Process) -> Result<Ended> {
    let failed = |error: std::io::Error| Error::io("run", Path::new(&process.program), &error);
    let terminal = std::io::stdin().is_terminal();
    // script(1) gives a session of its own, with its terminal.
    let words = CONTAINED[usize::from(terminal)..].iter().map(OsString::from);
    let words = words.chain([process.program.clone()]).chain(process.arguments.iter().cloned());
    let mut command = if terminal {
        // Its shell gets the words as they are.
        let mut command = Command::new("script");
        let quoted: Vec<String> = words.map(|word| quote(&word.to_string_lossy())).collect();
        command.args(["--quiet", "--return", "--command", &quoted.join(" "), "/dev/null"]);
        command.env_clear().envs(&process.environment).env("SHELL", "/bin/sh");
        command
    } else {
        let mut words = words;
        let mut command = Command::new(words.next().unwrap_or_default());
        command.args(words).env_clear().envs(&process.environment);
        command
    };
    wait(&mut command.spawn().map_err(failed)?).map_err(failed)
}

/// Run this very program with its arguments again, as root of a user namespace of
/// its own; its exit status. `None` where no such namespace can be had.
pub fn in_user_namespace(environment: &BTreeMap<OsString, OsString>) -> Option<u8> {
    let own = std::env::current_exe().ok()?;
    // Behind our own id, which is 0 there, all that we have: unshare's `auto` leaves one out
    // for it, and then sbuild has no id for nobody.
    let ranges = [("users", "uid"), ("groups", "gid")].map(|(kind, name)| {
        let range = subordinate(Path::new("/etc").join(format!("sub{name}")).as_path());
        range.map_or(format!("--map-{kind}=auto"), |(first, count)| format!("--map-{kind}={first},1,{count}"))
    });
    let words = ["--user", "--map-root-user", "--setgroups=allow"].into_iter();
    let words: Vec<&str> = words.chain(ranges.iter().map(String::as_str)).collect();
    // Only tried: what it says where it cannot is for nobody.
    let possible = Command::new("unshare").args(&words).arg("true").stderr(Stdio::null()).status();
    if !possible.ok()?.success() {
        return None;
    }
    // Where this process is killed, that one is, and with it all that it has started.
    let mut command = Command::new("setpriv");
    command
        .args(["--pdeathsig", "KILL", "unshare"])
        .args(words)
        .args(["--kill-child=KILL", "--fork"])
        .arg(own)
        .args(std::env::args_os().skip(1))
        .env_clear()
        .envs(environment);
    let status = command.status().ok()?;
    Some(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1))
}

/// Our first range of a file of subordinate ids (subuid(5)): its first id and their number.
fn subordinate(file: &Path) -> Option<(u32, u32)> {
    let id = nix::unistd::geteuid();
    let name = nix::unistd::User::from_uid(id).ok().flatten().map(|user| user.name);
    let text = crate::input::text(file).ok().flatten()?;
    text.lines().find_map(|line| {
        let mut fields = line.split(':');
        let owner = fields.next()?;
        let range = (fields.next()?.parse().ok()?, fields.next()?.trim().parse().ok()?);
        (Some(owner) == name.as_deref() || owner == id.to_string()).then_some(range)
    })
}

fn wait(child: &mut Child) -> std::io::Result<Ended> {
    use std::os::unix::process::ExitStatusExt;
    let status = child.wait()?;
    Ok(status.code().map_or_else(|| Ended::Signal(status.signal().unwrap_or_default()), Ended::Status))
}

/// As many bytes of a log as are kept: a build that prints without end fills no disk.
const MOST_LOG: usize = 256 << 20;
/// As many lines as wait to be shown.
const MOST_WAITING: usize = 1024;
/// As many bytes of a line as are waited for.
const MOST_LINE: usize = 64 << 10;

/// Copy to the log, line by line, until nobody can write any more: every process is
/// gone then. What steers a terminal is written out, as somebody will look at it on one.
fn copy(mut from: impl Read, mut log: impl Write, lines: &mpsc::SyncSender<String>) -> std::io::Result<()> {
    let mut buffer = [0; 1 << 14];
    let mut rest: Vec<u8> = Vec::new();
    let mut room = MOST_LOG;
    loop {
        let read = from.read(&mut buffer)?;
        rest.extend_from_slice(&buffer[..read]);
        let whole = match rest.iter().rposition(|byte| *byte == b'\n') {
            Some(end) => end + 1,
            None if read == 0 || rest.len() > MOST_LINE => rest.len(),
            None => 0,
        };
        let text: Vec<u8> = rest.drain(..if read == 0 { rest.len() } else { whole }).collect();
        let text = String::from_utf8_lossy(&text);
        let text = printable(&text);
        // More is read all the same, or who prints it would wait.
        if room > 0 {
            let part = text.len().min(room);
            log.write_all(&text.as_bytes()[..part])?;
            room -= part;
            if room == 0 {
                log.write_all(b"\nThe log ends here: it is too long.\n")?;
            }
        }
        for line in text.lines() {
            // Nobody may be listening any more; the log is what counts.
            let _ = lines.send(line.trim_end().to_owned());
        }
        if read == 0 {
            return Ok(());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn copied(bytes: &[u8]) -> (String, Vec<String>) {
        let (sender, receiver) = mpsc::sync_channel(MOST_WAITING);
        let mut log = Vec::new();
        let lines = std::thread::spawn(move || receiver.into_iter().collect());
        copy(bytes, &mut log, &sender).unwrap();
        drop(sender);
        (String::from_utf8(log).unwrap(), lines.join().unwrap())
    }

    #[test]
    fn tools_on_foreign_data_make_no_devices_and_start_nothing_more_powerful() {
        let script = "grep -E '^(CapEff|CapBnd|NoNewPrivs)' /proc/self/status";
        let process = Process::new("sh", ["-c", script]);
        let process = Process { environment: [("PATH".into(), "/usr/bin:/bin".into())].into(), ..process };
        let said = String::from_utf8(crate::apply::capture(&bound(process)).unwrap().stdout).unwrap();
        let set = |name: &str| {
            let digits = said.lines().find_map(|line| line.strip_prefix(name)).unwrap().trim();
            u64::from_str_radix(digits, 16).unwrap()
        };
        // capabilities(7): chown, dac_override, dac_read_search, fowner, fsetid, kill.
        assert_eq!(set("CapEff:") & !0b11_1111, 0, "{said}");
        if nix::unistd::geteuid().is_root() {
            assert_eq!(set("CapBnd:") & 1 << 27, 0, "mknod: {said}");
        }
        assert_eq!(set("NoNewPrivs:"), 1, "{said}");
    }

    #[test]
    fn a_log_steers_no_terminal_and_keeps_every_line() {
        let (log, lines) = copied(b"one\n\x1b]0;title\x07two\r\nlast \xff");
        assert_eq!(log, "one\n\\x1b]0;title\\x07two\\r\nlast \u{fffd}");
        assert_eq!(lines, ["one", "\\x1b]0;title\\x07two\\r", "last \u{fffd}"]);
    }

    #[test]
    fn a_log_without_end_is_cut_and_read_on() {
        let (log, _) = copied(&vec![b'x'; MOST_LOG + (1 << 20)]);
        assert!(log.len() < MOST_LOG + 100 && log.ends_with("The log ends here: it is too long.\n"));
    }
}
