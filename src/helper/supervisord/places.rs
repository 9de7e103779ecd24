//! What root opens for a package's programs, and in whose directories: supervisord
//! and systemd open log files, make sockets and read files before they become the
//! program's account. In a directory of that account a link of its own would lead
//! them anywhere.

use std::collections::{BTreeMap, BTreeSet};

use super::description::{Described, Description};
use super::ini::Entry;
use super::value::LogFile;
use crate::configuration::place::{NoPlace, Place, is_normal};

/// Name of the program's own directory below one of log files that is root's.
pub const OWN: &str = "app";

/// Directories in which everybody may make a name.
const EVERYBODY: [&str; 6] = ["/tmp", "/var/tmp", "/dev/shm", "/run/lock", "/var/lock", "/dev/mqueue"];

/// What names the directories that a program owns: the package, and for a program
/// of another account than the first one's the unit.
pub fn directories(package: &str, description: &Description, described: &Described) -> String {
    let first = description.programs.first().map(Described::account);
    if first == Some(described.account()) { package.to_owned() } else { format!("{package}-{}", described.name()) }
}

/// Whether a log file is one, and not another name of supervisord's own output.
pub fn is_log(path: &str) -> bool {
    !path.starts_with("/dev/") && !path.starts_with("/proc/self/fd/")
}

/// What root does with a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Use {
    /// A log file, opened for writing.
    Log,
    /// A socket that is made, and given to an account.
    Socket,
    /// A file that is read.
    Input,
}

impl Use {
    /// What a message calls it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Log => "the log file",
            Self::Socket => "the socket",
            Self::Input => "the file",
        }
    }
}

/// A path that root opens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opened {
    /// What for.
    pub what: Use,
    /// The path, or why it is none.
    pub place: Result<Place, NoPlace>,
    /// Line of the key.
    pub line: usize,
    /// Whether it is the same for every process: nothing that systemd fills in is left.
    pub is_whole: bool,
}

/// Everything that root opens for a program.
pub fn opened(described: &Described) -> Vec<Opened> {
    let program = &described.program;
    let mut all: Vec<Opened> = Vec::new();
    let mut add = |what, text: &str, line: usize| {
        let opened = Opened { what, place: Place::new(text), line, is_whole: true };
        if !all.contains(&opened) {
            all.push(opened);
        }
    };
    let line = |key: &str| program.given.get(key).copied().filter(|line| *line > 0).unwrap_or(program.line);
    for process in &program.processes {
        for (stream, key) in process.streams.iter().zip(["stdout_logfile", "stderr_logfile"]) {
            match &stream.file {
                LogFile::Path(path) if is_log(path) => add(Use::Log, path, line(key)),
                _ => {}
            }
        }
    }
    if let Some(path) = program.socket.as_ref().and_then(|socket| socket.address.strip_prefix("unix://")) {
        add(Use::Socket, path, line("socket"));
    }
    if let Some(socket) = &described.socket {
        for address in socket.listen.iter().filter(|address| address.starts_with('/')) {
            add(Use::Socket, address, socket.line);
        }
    }
    for entry in described.directives.get("systemd").into_iter().flatten() {
        all.extend(directive(entry));
    }
    all
}

/// What a directive of a unit has systemd open (systemd.exec(5)).
fn directive(entry: &Entry) -> Option<Opened> {
    let value = entry.value.trim();
    let (what, path) = match entry.key.as_str() {
        "StandardOutput" | "StandardError" => {
            (Use::Log, ["append:", "file:", "truncate:"].iter().find_map(|kind| value.strip_prefix(kind))?)
        }
        "StandardInput" => (Use::Input, value.strip_prefix("file:")?),
        "EnvironmentFile" => (Use::Input, value.strip_prefix('-').unwrap_or(value)),
        // Without a path, or with a name, it comes from systemd's own directories.
        "LoadCredential" | "LoadCredentialEncrypted" => {
            (Use::Input, value.split_once(':').map(|(_, path)| path).filter(|path| path.starts_with('/'))?)
        }
        _ => return None,
    };
    if path.is_empty() {
        return None;
    }
    let mut text = path.to_owned();
    for (specifier, directory) in [
        ("%L", "/var/log"),
        ("%S", "/var/lib"),
        ("%C", "/var/cache"),
        ("%t", "/run"),
        ("%T", "/tmp"),
        ("%V", "/var/tmp"),
    ] {
        text = text.replace(specifier, directory);
    }
    // What is left is filled in by systemd, or is a pattern: it stands for a name.
    let known: String = text.chars().filter(|c| !"%*?[]".contains(*c)).collect();
    let place = match is_normal(&text) {
        Ok(()) => Place::new(&known),
        Err(_) => Place::new(&text),
    };
    Some(Opened { what, place, line: entry.line, is_whole: known == text })
}

/// The names below /var/log that root opens log files in: they are root's.
pub fn rooted(package: &str, description: &Description) -> BTreeSet<String> {
    let names: BTreeSet<String> =
        description.programs.iter().map(|described| directories(package, description, described)).collect();
    let logs: Vec<Place> = description
        .programs
        .iter()
        .flat_map(opened)
        .filter(|opened| opened.what == Use::Log)
        .filter_map(|opened| opened.place.ok())
        .collect();
    names.into_iter().filter(|name| logs.iter().any(|log| log.is_below(&format!("/var/log/{name}")))).collect()
}

/// The directories that belong to others than root, each with its account; `None`: everybody's.
pub fn foreign(
    package: &str,
    description: &Description,
    declared: &BTreeMap<String, String>,
) -> BTreeMap<String, Option<String>> {
    let mut all: BTreeMap<String, Option<String>> =
        EVERYBODY.iter().map(|directory| ((*directory).to_owned(), None)).collect();
    let rooted = rooted(package, description);
    for described in &description.programs {
        let Some(user) = described.account().filter(|user| *user != "root") else { continue };
        let name = directories(package, description, described);
        let mut add = |directory: String| all.insert(directory, Some(user.clone()));
        for above in ["/var/lib", "/var/cache", "/run", "/var/run"] {
            add(format!("{above}/{name}"));
        }
        add(if rooted.contains(&name) { format!("/var/log/{name}/{OWN}") } else { format!("/var/log/{name}") });
        for entry in described.directives.get("systemd").into_iter().flatten() {
            let above = match entry.key.as_str() {
                "StateDirectory" => "/var/lib",
                "CacheDirectory" => "/var/cache",
                "LogsDirectory" => "/var/log",
                "RuntimeDirectory" => "/run",
                _ => continue,
            };
            for word in entry.value.split_whitespace() {
                add(format!("{above}/{}", word.split(':').next().unwrap_or(word)));
            }
        }
    }
    all.extend(declared.iter().map(|(directory, owner)| (directory.clone(), Some(owner.clone()))));
    all
}
