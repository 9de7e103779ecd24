//! The only starter of processes of appctl: a child with an environment of its
//! own, no standard input, a time limit, and a process group that ends with it.

#![expect(clippy::disallowed_methods, reason = "the one module of appctl that starts processes")]

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{Signal, killpg};
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid};
use nix::unistd::{Pid, pipe2};

use super::fs::failed;
use crate::error::{Error, Result};

/// As much as is kept of what a child prints, in bytes.
const MOST_OUTPUT: usize = 64 << 10;

/// How often a child that holds its output open is looked at.
const PULSE: Duration = Duration::from_millis(20);

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
    let Some((program, arguments)) = child.words.split_first() else {
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
        .stderr(writer)
        .process_group(0);
    let mut running = command.spawn().map_err(|error| cannot(errno(&error)))?;
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
    let status = running.wait().map_err(|error| cannot(errno(&error)))?;
    let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal));
    Ok(Ended { status: code.filter(|_| in_time), output: String::from_utf8_lossy(&output).into_owned() })
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
        run(&Child { words, environment: BTreeMap::new(), directory: "/".into(), limit }).unwrap()
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
}
