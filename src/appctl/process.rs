//! The only starter of processes of appctl: a child with an environment of its
//! own, no standard input, a time limit, and a process group that ends with it.
//!
//! What a service's user may have written, or have taken over, is [`Whose::Foreign`]:
//! it has a session of its own, so no terminal that it could type into (TIOCSTI),
//! and whatever it has started ends with it, wherever that has gone: appctl is the
//! parent of its orphans (PR_SET_CHILD_SUBREAPER, prctl(2)) and leaves none.

#![expect(clippy::disallowed_methods, reason = "the one module of appctl that starts processes")]

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::prctl::set_child_subreaper;
use nix::sys::signal::{Signal, kill, killpg};
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid, waitpid};
use nix::unistd::{Pid, getpid, getsid, pipe2};

use super::fs::failed;
use crate::error::{Diagnostic, Error, Result};

/// As much as is kept of what a child prints, in bytes.
const MOST_OUTPUT: usize = 64 << 10;

/// How often a child that holds its output open is looked at.
const PULSE: Duration = Duration::from_millis(20);

/// How long what a child has left may take to be gone.
const SWEEP: Duration = Duration::from_secs(10);

/// The foreign children that are under way: what is no stray.
static UNDER_WAY: Mutex<BTreeSet<i32>> = Mutex::new(BTreeSet::new());

/// Who has written what a child runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whose {
    /// The system: a service manager, dpkg.
    System,
    /// A package or a service's user.
    Foreign,
}

/// What a child may become that has not been trusted with more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Privileges {
    /// What it is: no setuid program, file capability or capability of root's gives it more.
    Fixed,
    /// Whatever setuid programs make of it.
    Gained,
}

/// The options of setpriv(1) that keep a child what it is. An account other than
/// root loses the capabilities that it could ever gain, but for `kept`.
pub fn confined(privileges: Privileges, is_roots: bool, kept: &str) -> Vec<OsString> {
    let mut options = vec![OsString::from("--pdeathsig=KILL")];
    if privileges == Privileges::Fixed {
        options.push("--no-new-privs".into());
        if !is_roots && may_drop() {
            options.push("--inh-caps=-all".into());
            options.push(format!("--bounding-set=-all{kept}").into());
        }
    }
    options
}

/// Whether the bounding set can be changed here (CAP_SETPCAP): not in every container.
#[expect(clippy::disallowed_methods, reason = "a file of the kernel's about this process")]
fn may_drop() -> bool {
    const SETPCAP: u64 = 1 << 8;
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let effective = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    effective.and_then(|digits| u64::from_str_radix(digits.trim(), 16).ok()).is_some_and(|all| all & SETPCAP != 0)
}

/// A child to be run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Child {
    /// Program and arguments.
    pub words: Vec<OsString>,
    /// Its whole environment.
    pub environment: BTreeMap<OsString, OsString>,
    /// Its working directory.
    pub directory: PathBuf,
    /// How long it may take.
    pub limit: Duration,
    /// Who has written it.
    pub whose: Whose,
}

/// How a child ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    /// Its exit status; 128 and the signal for one that a signal ended; `None`
    /// where it was not done in time.
    pub status: Option<i32>,
    /// What it printed, on both of its outputs.
    pub output: String,
}

impl Ended {
    /// Whether the exit status was 0.
    pub fn is_success(&self) -> bool {
        self.status == Some(0)
    }
}

/// Run a child to its end, or to its limit.
pub fn run(child: &Child) -> Result<Ended> {
    run_with(child, None)
}

/// [`run`] with a standard input that a pipe can hold.
pub fn run_with(child: &Child, input: Option<&[u8]>) -> Result<Ended> {
    let mut words = child.words.clone();
    if child.whose == Whose::Foreign {
        // It replaces itself, as the child leads no group: the process stays the same.
        words.insert(0, "setsid".into());
    }
    let Some((program, arguments)) = words.split_first().filter(|_| !child.words.is_empty()) else {
        return Err(Error::bug("an empty command cannot be run"));
    };
    let cannot = |errno| failed("run", Path::new(program), errno);
    let (reader, writer) = pipe2(OFlag::O_CLOEXEC).map_err(cannot)?;
    // Our end alone: a child does not expect that its output cannot be written now.
    fcntl(&reader, FcntlArg::F_SETFL(OFlag::O_NONBLOCK)).map_err(cannot)?;
    let stdin = match input {
        Some(input) => {
            let (given, mut giver) =
                pipe2(OFlag::O_CLOEXEC).map(|(read, write)| (read, File::from(write))).map_err(cannot)?;
            // Nobody reads yet: what does not fit is a fault, not a wait without end.
            fcntl(&giver, FcntlArg::F_SETFL(OFlag::O_NONBLOCK)).map_err(cannot)?;
            giver.write_all(input).map_err(|error| cannot(errno(&error)))?;
            Stdio::from(given)
        }
        None => Stdio::null(),
    };
    let again = writer.try_clone().map_err(|error| cannot(errno(&error)))?;
    let mut command = Command::new(program);
    command
        .args(arguments)
        .env_clear()
        .envs(&child.environment)
        .current_dir(&child.directory)
        .stdin(stdin)
        .stdout(again)
        .stderr(writer);
    let mut running = match child.whose {
        Whose::System => command.process_group(0).spawn(),
        Whose::Foreign => {
            let mut under_way = UNDER_WAY.lock().unwrap_or_else(PoisonError::into_inner);
            set_child_subreaper(true).map_err(cannot)?;
            command.spawn().inspect(|running| {
                under_way.extend(i32::try_from(running.id()));
            })
        }
    }
    .map_err(|error| cannot(errno(&error)))?;
    // The writing ends that the command holds would keep the pipe open.
    drop(command);
    let pid = Pid::from_raw(i32::try_from(running.id()).map_err(|_| cannot(Errno::ESRCH))?);
    let deadline = Instant::now() + child.limit;
    let mut reader = File::from(reader);
    let mut output = Vec::new();
    let in_time = loop {
        let open = drain(&mut reader, &mut output);
        if has_ended(pid).map_err(cannot)? {
            drain(&mut reader, &mut output);
            break true;
        }
        let now = Instant::now();
        if now >= deadline {
            break false;
        }
        let pause = PULSE.min(deadline - now);
        if open { wait_for_output(&reader, pause) } else { std::thread::sleep(pause / 4) }
    };
    // The child is not reaped yet, so its number is still its group's. What it
    // has left running in there ends, too; no such group is as good.
    let _ = killpg(pid, Signal::SIGKILL);
    let _ = kill(pid, Signal::SIGKILL);
    let status = running.wait();
    if child.whose == Whose::Foreign {
        UNDER_WAY.lock().unwrap_or_else(PoisonError::into_inner).remove(&pid.as_raw());
        end_strays(&child.words)?;
        // A service manager's daemon is nobody's stray.
        let under_way = UNDER_WAY.lock().unwrap_or_else(PoisonError::into_inner);
        if under_way.is_empty() {
            set_child_subreaper(false).map_err(cannot)?;
        }
    }
    let status = status.map_err(|error| cannot(errno(&error)))?;
    let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal));
    Ok(Ended { status: code.filter(|_| in_time), output: String::from_utf8_lossy(&output).into_owned() })
}

/// End what foreign children have left: our children of other sessions. Whoever
/// has come from a foreign child can never enter our session again (setsid(2)).
fn end_strays(words: &[OsString]) -> Result<()> {
    let own = getsid(None).ok();
    let deadline = Instant::now() + SWEEP;
    loop {
        let strays: Vec<Pid> = {
            let under_way = UNDER_WAY.lock().unwrap_or_else(PoisonError::into_inner);
            let is_stray = |pid: &Pid| getsid(Some(*pid)).is_ok_and(|session| Some(session) != own);
            children().into_iter().filter(|pid| !under_way.contains(&pid.as_raw())).filter(is_stray).collect()
        };
        if strays.is_empty() {
            return Ok(());
        }
        for stray in &strays {
            // The group as a whole: what it starts meanwhile is in it, or is found the next time.
            if let Ok(group) = nix::unistd::getpgid(Some(*stray)) {
                let _ = killpg(group, Signal::SIGKILL);
            }
            let _ = kill(*stray, Signal::SIGKILL);
            let _ = waitpid(*stray, Some(WaitPidFlag::WNOHANG));
        }
        if Instant::now() >= deadline {
            let all: Vec<String> = strays.iter().map(ToString::to_string).collect();
            let command = words.iter().map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ");
            return Err(Diagnostic::error(format!("'{command}' has left processes that do not end"))
                .hint(format!("look at them: ps -fp {}", all.join(",")))
                .into());
        }
        std::thread::sleep(Duration::from_micros(200));
    }
}

/// The children of this process, those of threads and adopted ones, too.
#[expect(clippy::disallowed_methods, reason = "listings of the kernel's about this process")]
fn children() -> BTreeSet<Pid> {
    let tasks = std::fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    let lists: Vec<String> =
        tasks.filter_map(|task| std::fs::read_to_string(task.path().join("children")).ok()).collect();
    if !lists.is_empty() {
        let pids = lists.iter().flat_map(|list| list.split_whitespace()).filter_map(|pid| pid.parse().ok());
        return pids.map(Pid::from_raw).collect();
    }
    // A kernel without CONFIG_PROC_CHILDREN.
    let own = getpid().as_raw().to_string();
    let processes = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let is_child = |stat: &str| {
        let parent = stat.rsplit_once(')').and_then(|(_, rest)| rest.split_whitespace().nth(1));
        parent == Some(own.as_str())
    };
    processes
        .filter_map(|process| process.file_name().to_str()?.parse().ok())
        .filter(|pid: &i32| std::fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| is_child(&stat)))
        .map(Pid::from_raw)
        .collect()
}

/// Whether the child is a zombie now; it stays one.
fn has_ended(pid: Pid) -> nix::Result<bool> {
    let flags = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG | WaitPidFlag::WNOWAIT;
    Ok(!matches!(waitid(Id::Pid(pid), flags)?, WaitStatus::StillAlive))
}

/// Take what is there; whether more may come.
fn drain(reader: &mut File, output: &mut Vec<u8>) -> bool {
    let mut buffer = [0_u8; 4096];
    loop {
        match reader.read(&mut buffer) {
            Ok(0) => return false,
            Ok(count) => {
                let room = MOST_OUTPUT.saturating_sub(output.len());
                output.extend(buffer.iter().take(count.min(room)));
            }
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return error.kind() == std::io::ErrorKind::WouldBlock,
        }
    }
}

fn wait_for_output(reader: &File, pause: Duration) {
    let mut one = [PollFd::new(reader.as_fd(), PollFlags::POLLIN)];
    // However it ends, the caller looks again.
    let _ = poll(&mut one, PollTimeout::try_from(pause).unwrap_or(PollTimeout::ZERO));
}

fn errno(error: &std::io::Error) -> Errno {
    error.raw_os_error().map_or(Errno::EIO, Errno::from_raw)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str, limit: Duration) -> Ended {
        let words = ["/bin/sh", "-c", script].map(OsString::from).to_vec();
        run(&Child { words, environment: BTreeMap::new(), directory: "/".into(), limit, whose: Whose::Foreign })
            .unwrap()
    }

    #[test]
    fn status_and_both_outputs_are_kept_and_nothing_is_inherited() {
        let ended = shell("echo one; echo two >&2; cat; echo \"home=$HOME\"; exit 3", Duration::from_secs(10));
        assert_eq!(ended, Ended { status: Some(3), output: "one\ntwo\nhome=\n".to_owned() });
    }

    #[test]
    fn a_child_that_takes_too_long_ends_with_all_that_it_started() {
        let began = Instant::now();
        let ended = shell("sleep 60 & echo $!; sleep 60", Duration::from_millis(200));
        assert_eq!(ended.status, None);
        assert!(began.elapsed() < Duration::from_secs(10));
        let stray = ended.output.trim().to_owned();
        std::thread::sleep(Duration::from_millis(100));
        let stat = std::fs::read_to_string(format!("/proc/{stray}/stat")).unwrap_or_default();
        assert!(stat.is_empty() || stat.contains(") Z "), "{stat}");
    }

    #[test]
    fn a_process_left_behind_does_not_hold_the_caller_up() {
        let began = Instant::now();
        assert!(shell("sleep 60 & exit 0", Duration::from_secs(30)).is_success());
        assert!(began.elapsed() < Duration::from_secs(10));
    }

    #[test]
    fn much_output_neither_blocks_nor_fills_the_memory() {
        let ended = shell("yes | head -c 1000000", Duration::from_secs(30));
        assert_eq!((ended.status, ended.output.len()), (Some(0), MOST_OUTPUT));
    }

    /// One that leaves the group, the session and its parents, and closes its outputs.
    #[test]
    fn whatever_a_foreign_child_has_started_ends_with_it() {
        let away = "setsid sh -c '(setsid sleep 4321 >/dev/null 2>&1 </dev/null & echo $!)' & wait";
        let ended = shell(away, Duration::from_secs(10));
        let stray = ended.output.trim().to_owned();
        assert!(stray.parse::<u32>().is_ok(), "{ended:?}");
        let stat = std::fs::read_to_string(format!("/proc/{stray}/stat")).unwrap_or_default();
        assert!(!stat.contains("(sleep)"), "{stat}");
    }

    /// One that is never the same process for long.
    #[test]
    fn a_chain_of_processes_ends_too() {
        let chain = "exec perl -e 'use POSIX; if (fork) { exit 0 } while (1) { setsid; fork and exit 0 }'";
        let began = Instant::now();
        assert!(shell(chain, Duration::from_secs(10)).is_success());
        assert!(began.elapsed() < SWEEP, "{:?}", began.elapsed());
    }

    #[test]
    fn a_foreign_child_leads_a_session_without_a_terminal() {
        let ended = shell("cut -d' ' -f1,6,7 /proc/$$/stat; : </dev/tty", Duration::from_secs(10));
        let words: Vec<&str> = ended.output.split_whitespace().collect();
        assert!(!ended.is_success() && words[0] == words[1] && words[2] == "0", "{ended:?}");
    }
}
