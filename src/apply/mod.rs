//! The helpers' only writer and process runner.
//!
//! Carries out [`Plan`]s in order, shows each action before it happens, and
//! stops at the first failure. Decides nothing.

#![expect(clippy::disallowed_methods, reason = "the one module that writes and starts processes")]

mod removal;
pub mod tree;

use std::ffi::OsStr;
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::error::{Diagnostic, Error, Result};
use crate::input::{self, Kind, Shape};
use crate::message::Printer;
use crate::plan::{Action, Plan, Process};

/// What a finished child left.
#[derive(Debug, Clone)]
pub struct Output {
    /// Whether its exit status was 0.
    pub success: bool,
    /// `exit status 1`, `signal 9 (SIGKILL)` …
    pub status: String,
    /// Standard output.
    pub stdout: Vec<u8>,
    /// Standard error.
    pub stderr: Vec<u8>,
    /// Whether it was killed, for it printed more than was wanted.
    pub cut: bool,
}

/// Show `plan` and, unless `no_act`, carry it out.
pub fn plan(plan: &Plan, printer: &Printer, no_act: bool) -> Result<()> {
    for action in &plan.actions {
        printer.action(action);
        if !no_act {
            self::action(action)?;
        }
    }
    Ok(())
}

/// Carry out one action.
pub fn action(action: &Action) -> Result<()> {
    match action {
        Action::Directory { path } => directory(path),
        Action::Write { path, contents, mode } => write(path, contents, *mode),
        Action::Fill { tree, files } => fill(tree, files),
        Action::Append { path, contents } => append(path, contents),
        Action::Symlink { path, target } => symlink(path, target),
        Action::Remove { path } => remove(path),
        Action::Mode { path, mode } => tree::set_mode(path, *mode),
        Action::Times { tree, epoch } => tree::set_times(tree, *epoch),
        Action::Rename { from, to } => rename(from, to),
        Action::CopyTree { from, to, without } => copy_tree(from, to, without),
        Action::LinkTree { from, to } => link_tree(from, to),
        Action::Pack { tree, file } => tree::pack(tree, file),
        Action::Unpack { file, tree } => tree::unpack(file, tree).map(|_| ()),
        Action::Run(process) => run(process),
    }
}

/// Run a child and keep what it prints. Only a child that cannot be started is an error.
pub fn capture(process: &Process) -> Result<Output> {
    capture_at_most(process, u64::MAX)
}

/// As many bytes of standard error as are kept.
const MOST_SAID: u64 = 64 << 20;

/// The same; a child that prints more bytes is killed.
pub fn capture_at_most(process: &Process, most: u64) -> Result<Output> {
    use std::io::Read;
    let mut child = command(process)
        .stdin(if process.input.is_some() { Stdio::piped() } else { Stdio::null() })
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| Error::io("run", Path::new(&process.program), &error))?;
    let failed = |error: std::io::Error| Error::io("talk to", Path::new(&process.program), &error);
    // A thread feeds the child, so that neither side can block the other.
    let feeder = process.input.clone().zip(child.stdin.take()).map(|(bytes, mut pipe)| {
        std::thread::spawn(move || match pipe.write_all(&bytes) {
            // A child that does not want its input may close it early.
            Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
            other => other,
        })
    });
    // Another one takes what it says meanwhile, to the end, so that it never waits.
    let said = child.stderr.take().map(|mut pipe| {
        std::thread::spawn(move || {
            let mut bytes = Vec::new();
            pipe.by_ref().take(MOST_SAID).read_to_end(&mut bytes)?;
            std::io::copy(&mut pipe, &mut std::io::sink()).map(|_| bytes)
        })
    });
    let mut stdout = Vec::new();
    if let Some(pipe) = child.stdout.take() {
        pipe.take(most.saturating_add(1)).read_to_end(&mut stdout).map_err(failed)?;
    }
    let cut = stdout.len() as u64 > most;
    if cut {
        child.kill().map_err(failed)?;
    }
    let status = child.wait().map_err(failed)?;
    let stderr = match said.map(std::thread::JoinHandle::join) {
        Some(Ok(bytes)) => bytes.map_err(failed)?,
        _ => Vec::new(),
    };
    if let Some(feeder) = feeder {
        match feeder.join() {
            Ok(written) => written.map_err(failed)?,
            Err(_) => {
                return Err(Error::failed(format!("the writer to {} panicked", process.program.to_string_lossy())));
            }
        }
    }
    Ok(Output { success: status.success() && !cut, status: words(status), stdout, stderr, cut })
}

/// Run a child with our standard output (sent to standard error, which is
/// where a helper's children may print) and error; a non-zero status is an error.
pub fn run(process: &Process) -> Result<()> {
    let mut command = command(process);
    if let Some(bytes) = &process.input {
        let output = capture(process)?;
        std::io::stderr()
            .write_all(&output.stdout)
            .and_then(|()| std::io::stderr().write_all(&output.stderr))
            .map_err(|error| Error::io("write to", Path::new("standard error"), &error))?;
        let _ = bytes;
        return if output.success { Ok(()) } else { Err(failure(process, &output.status)) };
    }
    let to_stderr = nix::unistd::dup(std::io::stderr())
        .map_err(|errno| Error::io("duplicate", Path::new("standard error"), &errno.into()))?;
    let status = command
        .stdin(Stdio::null())
        .stdout(Stdio::from(to_stderr))
        .status()
        .map_err(|error| Error::io("run", Path::new(&process.program), &error))?;
    if status.success() { Ok(()) } else { Err(failure(process, &words(status))) }
}

/// `exit status 1`, `signal 9 (SIGKILL)`.
fn words(status: std::process::ExitStatus) -> String {
    status.to_string().replace(": ", " ")
}

fn failure(process: &Process, status: &str) -> Error {
    Diagnostic::error(format!("{process}: {status}")).into()
}

/// One diagnostic for a child that failed, with the end of what it said.
pub fn failed_child(what: &str, output: &Output) -> Diagnostic {
    let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    let lines: Vec<&str> = text.trim_end().lines().collect();
    let tail = lines[lines.len().saturating_sub(25)..].join("\n    ");
    Diagnostic::error(format!("{what} failed ({}):\n    {tail}", output.status))
}

fn command(process: &Process) -> Command {
    let mut command = Command::new(&process.program);
    command.args(&process.arguments).env_clear().envs(&process.environment);
    if let Some(directory) = &process.directory {
        command.current_dir(directory);
    }
    command
}

/// Make a directory with its parents.
pub fn directory(path: &Path) -> Result<()> {
    std::fs::create_dir_all(path).map_err(|error| Error::io("create directory", path, &error))
}

/// Write a file so that a reader sees the old bytes or the new, never a part.
pub fn write(path: &Path, contents: &[u8], mode: u32) -> Result<()> {
    if let Some(parent) = path.parent() {
        directory(parent)?;
    }
    let mut name = path.file_name().map(OsStr::to_owned).unwrap_or_default();
    name.push(format!(".{}.new", std::process::id()));
    let temporary = path.with_file_name(name);
    let result = (|| {
        let mut file = fresh(&temporary, mode)?;
        file.write_all(contents)?;
        file.set_permissions(std::fs::Permissions::from_mode(mode))?;
        drop(file);
        std::fs::rename(&temporary, path)
    })();
    result.map_err(|error| {
        // The temporary file is worthless now; the first error is the one to report.
        let _ = std::fs::remove_file(&temporary);
        Error::io("write", path, &error)
    })
}

/// A new file, never what lies or leads there already.
pub(crate) fn fresh(path: &Path, mode: u32) -> std::io::Result<std::fs::File> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true).mode(mode);
    options.open(path).or_else(|error| match error.kind() {
        // A killed run's, or a link that somebody has put there: removed, not followed.
        ErrorKind::AlreadyExists => std::fs::remove_file(path).and_then(|()| options.open(path)),
        _ => Err(error),
    })
}

/// Copy an open file to a new one, as old as it is; at most `most` bytes, else
/// nothing stays. Returns their number.
pub fn copy(from: &std::fs::File, to: &Path, mode: u32, most: u64) -> Result<u64> {
    use std::io::Read;
    let copied = (|| {
        let metadata = from.metadata()?;
        if metadata.len() > most {
            return Err(std::io::Error::other(format!("there is room for {} MB more", most >> 20)));
        }
        let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(mode).open(to)?;
        let size = std::io::copy(&mut from.take(most), &mut file)?;
        file.set_permissions(std::fs::Permissions::from_mode(mode))?;
        file.set_modified(metadata.modified()?)?;
        Ok(size)
    })();
    copied.map_err(|error| Error::io("copy to", to, &error))
}

/// Give an open file a name of ours; a copy of it where it cannot have one.
pub fn link(from: &std::fs::File, to: &Path, most: u64) -> Result<u64> {
    use nix::fcntl::{AT_FDCWD, AtFlags};
    // By descriptor: its name may mean another file by now.
    let path = input::descriptor(from);
    match nix::unistd::linkat(AT_FDCWD, &path, AT_FDCWD, to, AtFlags::AT_SYMLINK_FOLLOW) {
        Ok(()) => Ok(0),
        Err(_) => copy(from, to, 0o644, most),
    }
}

/// Write new files, with the directories that they need. What is there in place
/// of one goes: written into, it would change in a cache, too, that has a link to it.
fn fill(tree: &Path, files: &[(PathBuf, Vec<u8>)]) -> Result<()> {
    let mut made = None;
    for (path, contents) in files {
        let path = tree.join(path);
        let parent = path.parent().unwrap_or(tree);
        if made.as_deref() != Some(parent) {
            directory(parent)?;
            made = Some(parent.to_path_buf());
        }
        let written = fresh(&path, 0o644).and_then(|mut file| {
            file.write_all(contents)?;
            file.set_permissions(std::fs::Permissions::from_mode(0o644))
        });
        written.map_err(|error| Error::io("write", &path, &error))?;
    }
    Ok(())
}

fn append(path: &Path, contents: &[u8]) -> Result<()> {
    let mut all = input::bytes(path)?.unwrap_or_default();
    all.extend_from_slice(contents);
    write(path, &all, 0o644)
}

/// Make a symbolic link; it replaces a file or a link, and no directory.
pub fn symlink(path: &Path, target: &Path) -> Result<()> {
    if let Some(parent) = path.parent() {
        directory(parent)?;
    }
    match input::kind(path)? {
        Some(Kind::Directory) => {
            return Err(Error::failed(format!("cannot put a link at {}: a directory is there", path.display())));
        }
        Some(_) => remove(path)?,
        None => {}
    }
    std::os::unix::fs::symlink(target, path).map_err(|error| Error::io("create link", path, &error))
}

/// Remove a file, a link or a tree; nothing there is fine.
pub fn remove(path: &Path) -> Result<()> {
    let result = match std::fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_dir() => removal::tree(path),
        Ok(_) => std::fs::remove_file(path),
        Err(error) => Err(error),
    };
    match result {
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => Ok(()),
        other => other.map_err(|error| Error::io("remove", path, &error)),
    }
}

/// Give a file the present time as its modification time.
pub fn touch(path: &Path) -> Result<()> {
    std::fs::File::options()
        .append(true)
        .open(path)
        .and_then(|file| file.set_modified(std::time::SystemTime::now()))
        .map_err(|error| Error::io("touch", path, &error))
}

/// Whether files can be made in a directory, found out by making one.
pub fn is_writable(directory: &Path) -> bool {
    let probe = directory.join(format!(".probe.{}", std::process::id()));
    fresh(&probe, 0o600).is_ok() && std::fs::remove_file(&probe).is_ok()
}

/// Make one directory, which must not be there; what is there in its place goes first.
pub fn fresh_directory(path: &Path) -> Result<()> {
    remove(path)?;
    std::fs::create_dir(path).map_err(|error| Error::io("create directory", path, &error))
}

/// Move a file or tree within one file system.
pub fn rename(from: &Path, to: &Path) -> Result<()> {
    if let Some(parent) = to.parent() {
        directory(parent)?;
    }
    std::fs::rename(from, to).map_err(|error| Error::io(&format!("move {} to", from.display()), to, &error))
}

fn copy_tree(from: &Path, to: &Path, without: &[std::ffi::OsString]) -> Result<()> {
    place_tree(from, to, without, &|source, target| std::fs::copy(source, target).map(|_| ()))
}

fn link_tree(from: &Path, to: &Path) -> Result<()> {
    place_tree(from, to, &[], &|source, target| {
        let link = || std::fs::hard_link(source, target);
        let linked = link().or_else(|error| match error.kind() {
            ErrorKind::AlreadyExists => std::fs::remove_file(target).and_then(|()| link()),
            _ => Err(error),
        });
        match linked {
            // EXDEV, EPERM, EMLINK: the file system cannot; a copy is as good.
            Err(error) if error.kind() != ErrorKind::StorageFull => std::fs::copy(source, target).map(|_| ()),
            other => other,
        }
    })
}

type PlaceFile<'a> = &'a dyn Fn(&Path, &Path) -> std::io::Result<()>;

fn place_tree(from: &Path, to: &Path, without: &[std::ffi::OsString], place: PlaceFile<'_>) -> Result<()> {
    directory(to)?;
    let mut pending = vec![PathBuf::new()];
    while let Some(below) = pending.pop() {
        for (name, shape) in input::shapes(&from.join(&below))? {
            if below.as_os_str().is_empty() && without.contains(&name) {
                continue;
            }
            let path = below.join(&name);
            let (source, target) = (from.join(&path), to.join(&path));
            match shape {
                Shape::Directory => {
                    directory(&target)?;
                    pending.push(path);
                }
                Shape::Link => {
                    if let Some(Kind::Link(link)) = input::kind(&source)? {
                        symlink(&target, &link)?;
                    }
                }
                Shape::File => place(&source, &target).map_err(|error| Error::io("copy to", &target, &error))?,
                // Sockets and FIFOs belong to a running program, not to a package.
                Shape::Other => {}
            }
        }
    }
    Ok(())
}
