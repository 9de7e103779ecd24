//! Locks of the driver: flock(2) on files, which the kernel lets go when their
//! owner dies, however it dies.
//!
//! Owns every lock and who is said to hold it. A lock file is never removed
//! while it may be held.

use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use nix::fcntl::{Flock, FlockArg};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::apply;
use crate::error::{Diagnostic, Error, Result};
use crate::input::Kind;

use super::context::Context;

/// A lock; it ends with this value.
#[derive(Debug)]
pub struct Held {
    file: Flock<File>,
}

impl Held {
    /// Hold `path` alone. `Err` with what the holder says of itself where it is
    /// held by another process.
    pub fn alone(path: &Path, owner: &str) -> Result<std::result::Result<Self, String>> {
        Ok(match take(path, FlockArg::LockExclusiveNonblock)? {
            Ok(mut held) => {
                held.sign(path, owner)?;
                Ok(held)
            }
            Err(mut file) => {
                let mut text = String::new();
                // The holder may be writing its name just now: then there is none yet.
                file.read_to_string(&mut text).map_err(|error| Error::io("read", path, &error))?;
                Err(text.trim().to_owned())
            }
        })
    }

    /// Hold `path` alone, and wait for it as long as it takes.
    pub fn wait(path: &Path, owner: &str) -> Result<Self> {
        match take(path, FlockArg::LockExclusive)? {
            Ok(mut held) => {
                held.sign(path, owner)?;
                Ok(held)
            }
            Err(_) => Err(Error::failed(format!("cannot wait for the lock {}", path.display()))),
        }
    }

    /// Hold `path` together with others.
    pub fn shared(path: &Path) -> Result<Self> {
        take(path, FlockArg::LockShared)?
            .map_err(|_| Error::failed(format!("cannot wait for the lock {}", path.display())))
    }

    fn sign(&mut self, path: &Path, owner: &str) -> Result<()> {
        let write = |file: &mut File| {
            file.set_len(0)?;
            file.seek(SeekFrom::Start(0))?;
            file.write_all(owner.as_bytes())
        };
        write(&mut self.file).map_err(|error| Error::io("write", path, &error))
    }
}

fn take(path: &Path, how: FlockArg) -> Result<std::result::Result<Held, File>> {
    if let Some(parent) = path.parent() {
        apply::directory(parent)?;
    }
    let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path);
    let mut file = file.map_err(|error| Error::io("open", path, &error))?;
    loop {
        match Flock::lock(file, how) {
            Ok(file) => return Ok(Ok(Held { file })),
            Err((same, nix::errno::Errno::EINTR)) => file = same,
            Err((same, nix::errno::Errno::EWOULDBLOCK)) => return Ok(Err(same)),
            Err((_, errno)) => return Err(Error::io("lock", path, &errno.into())),
        }
    }
}

/// Who has a lock's file open, `process 7 (deb-build-app build)` each: all that hold it, alone or
/// together. Of other users' processes only root learns (proc(5), fd).
pub fn users(path: &Path) -> Result<Vec<String>> {
    use std::os::fd::AsRawFd;
    let file = OpenOptions::new().read(true).open(path).map_err(|error| Error::io("open", path, &error))?;
    let descriptor = Path::new("/proc/self/fd").join(file.as_raw_fd().to_string());
    // As the kernel names it, whatever links lead there.
    let path = match crate::input::kind(&descriptor)? {
        Some(Kind::Link(path)) => path,
        _ => path.to_owned(),
    };
    let mut users = Vec::new();
    let own = std::process::id().to_string();
    let processes = crate::input::names(Path::new("/proc"))?;
    for pid in processes.iter().filter_map(|name| name.to_str()).filter(|name| *name != own) {
        if !pid.bytes().all(|byte| byte.is_ascii_digit()) {
            continue;
        }
        let process = Path::new("/proc").join(pid);
        // It may end at any moment, and it may be another user's.
        let descriptors = crate::input::names(&process.join("fd")).unwrap_or_default();
        let is_open = |name: &OsString| matches!(crate::input::kind(&process.join("fd").join(name)), Ok(Some(Kind::Link(to))) if to == path);
        if descriptors.iter().any(is_open) {
            let words = crate::input::bytes(&process.join("cmdline")).ok().flatten().unwrap_or_default();
            let words = String::from_utf8_lossy(&words).trim_end_matches('\0').replace('\0', " ");
            let words = words.rsplit_once("deb-build-app ").map_or(words.as_str(), |(_, words)| words);
            users.push(format!("process {pid} (deb-build-app {})", words.chars().take(60).collect::<String>()));
        }
    }
    Ok(users)
}

/// What a lock says of its owner.
pub fn owner(what: &str) -> String {
    format!("process {} {what}, since {}", std::process::id(), now())
}

/// Seconds since the epoch.
pub fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs())
}

/// A directory of this run's own. It goes with this value; what a killed run
/// left is removed by the next one.
#[derive(Debug)]
pub struct Workroom {
    path: PathBuf,
    held: Option<Held>,
}

impl Workroom {
    /// A new one below `parent`; those whose owners are dead are removed. What
    /// cannot be removed is in nobody's way: that is told, and no more.
    pub fn new(context: &Context<'_>, parent: &Path) -> Result<Self> {
        apply::directory(parent)?;
        let _one_at_a_time = gate(parent)?;
        for name in crate::input::names(parent)? {
            let path = parent.join(&name);
            if name == ".lock" {
                continue;
            }
            let swept = Held::alone(&path.join("lock"), "").and_then(|held| match held {
                Ok(_held) => apply::remove(&path),
                Err(_) => Ok(()),
            });
            if let Err(error) = swept {
                let why = error.diagnostics().iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
                let fault = Diagnostic::warning(format!("what an earlier run has left stays: {why}"));
                context.warn(fault.hint(format!("remove it: rm -rf -- {}", path.display())));
            }
        }
        let mut number = 0;
        let path = loop {
            let path = parent.join(format!("{}.{number}", std::process::id()));
            if crate::input::kind(&path)?.is_none() {
                break path;
            }
            number += 1;
        };
        let held = Held::shared(&path.join("lock"))?;
        Ok(Self { path, held: Some(held) })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// One run at a time makes, looks through or removes rooms below `parent`.
fn gate(parent: &Path) -> Result<Held> {
    Held::wait(&parent.join(".lock"), "")
}

impl Drop for Workroom {
    fn drop(&mut self) {
        // No other run may look for the dead meanwhile: it would find this room half
        // removed. What cannot be removed now is removed by the next run.
        let parent = self.path.parent().unwrap_or(&self.path);
        let _one_at_a_time = gate(parent);
        let _ = apply::remove(&self.path);
        self.held.take();
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "a test starts another holder")]
mod tests {
    use super::*;
    use crate::input::is_directory;

    fn context() -> Context<'static> {
        let environment = crate::debian::environment::Environment::from_pairs::<String, String>([]);
        Context { environment, directory: "/".into(), tell: &|_| {} }
    }

    #[test]
    fn a_second_holder_learns_who_the_first_is() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("notes_amd64.lock");
        let first = Held::alone(&path, "process 7").unwrap().unwrap();
        assert_eq!(Held::alone(&path, "process 8").unwrap().unwrap_err(), "process 7");
        drop(first);
        assert!(Held::alone(&path, "process 8").unwrap().is_ok());
        // Together: nobody has signed, and the kernel knows who has it open.
        let mut other = std::process::Command::new("sh");
        let mut other = other.args(["-c", "exec 9<\"$1\"; flock -s 9; echo held; cat", "sh"]).arg(&path);
        other = other.stdin(std::process::Stdio::piped()).stdout(std::process::Stdio::piped());
        let mut other = other.spawn().unwrap();
        other.stdout.take().unwrap().read_exact(&mut [0; 5]).unwrap();
        let users = users(&path).unwrap();
        assert!(users.iter().any(|user| user.starts_with(&format!("process {} (", other.id()))), "{users:?}");
        drop(other.stdin.take());
        other.wait().unwrap();
    }

    #[test]
    fn rooms_of_the_dead_are_swept_and_those_of_the_living_stay() {
        let parent = tempfile::tempdir().unwrap();
        let living = Workroom::new(&context(), parent.path()).unwrap();
        let dead = parent.path().join("99.0");
        apply::directory(&dead).unwrap();
        let other = Workroom::new(&context(), parent.path()).unwrap();
        assert!(is_directory(living.path()) && is_directory(other.path()) && !is_directory(&dead));
        let path = other.path().to_owned();
        drop(other);
        assert!(!is_directory(&path));
    }

    /// Nobody can remove what another file system is mounted on; here, the lock is a directory.
    #[test]
    fn what_cannot_be_removed_is_told_and_in_nobody_s_way() {
        let parent = tempfile::tempdir().unwrap();
        apply::directory(&parent.path().join("99.0/lock")).unwrap();
        let told = std::sync::Mutex::new(Vec::new());
        let tell = |event| told.lock().unwrap().push(event);
        let room = Workroom::new(&Context { tell: &tell, ..context() }, parent.path()).unwrap();
        assert!(is_directory(room.path()));
        let told = format!("{:?}", told.lock().unwrap());
        assert!(told.contains("what an earlier run has left stays") && told.contains("99.0"), "{told}");
    }

    #[test]
    fn rooms_come_and_go_at_once() {
        let parent = tempfile::tempdir().unwrap();
        let come_and_go = || (0..200).try_for_each(|_| Workroom::new(&context(), parent.path()).map(drop));
        std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(come_and_go)).collect();
            threads.into_iter().for_each(|thread| thread.join().unwrap().unwrap());
        });
    }
}
