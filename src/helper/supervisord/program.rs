//! The programs of a file, read as supervisord reads them.
//!
//! Mirrors `process_groups_from_parser` and `processes_from_section` of
//! supervisor's options.py (4.2.5 and 4.3.0, which are alike here). Whether an
//! account or a directory exists is the target machine's affair and not asked.
//! Stricter: an unknown key or section, an empty command or one with an open
//! quotation mark, and a variable of supervisord's own environment other than
//! PATH are faults.

use std::collections::BTreeMap;

use super::expand::{self, Names, Value};
use super::ini::Entry;
use super::section::Reader;
use super::value::{self, LogFile, Restart};
use super::words;
use crate::error::nearest;

/// The sections that describe a program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `[program:x]`
    Program,
    /// `[fcgi-program:x]`
    Fcgi,
    /// `[eventlistener:x]`
    Listener,
}

impl Kind {
    /// The kind of a section, by what stands before the colon.
    pub fn of(word: &str) -> Option<Self> {
        match word {
            "program" => Some(Self::Program),
            "fcgi-program" => Some(Self::Fcgi),
            "eventlistener" => Some(Self::Listener),
            _ => None,
        }
    }

    /// What stands before the colon.
    pub fn word(self) -> &'static str {
        match self {
            Self::Program => "program",
            Self::Fcgi => "fcgi-program",
            Self::Listener => "eventlistener",
        }
    }
}

/// Keys of every kind of program.
pub const KEYS: [&str; 32] = [
    "command",
    "process_name",
    "numprocs",
    "numprocs_start",
    "priority",
    "autostart",
    "startsecs",
    "startretries",
    "autorestart",
    "exitcodes",
    "stopsignal",
    "stopwaitsecs",
    "stopasgroup",
    "killasgroup",
    "user",
    "redirect_stderr",
    "stdout_logfile",
    "stdout_logfile_maxbytes",
    "stdout_logfile_backups",
    "stdout_capture_maxbytes",
    "stdout_events_enabled",
    "stdout_syslog",
    "stderr_logfile",
    "stderr_logfile_maxbytes",
    "stderr_logfile_backups",
    "stderr_capture_maxbytes",
    "stderr_events_enabled",
    "stderr_syslog",
    "environment",
    "directory",
    "umask",
    "serverurl",
];

const FCGI_KEYS: [&str; 4] = ["socket", "socket_backlog", "socket_owner", "socket_mode"];
const LISTENER_KEYS: [&str; 3] = ["events", "buffer_size", "result_handler"];
const GROUP_KEYS: [&str; 2] = ["programs", "priority"];

/// A program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Program {
    /// Its kind.
    pub kind: Kind,
    /// Its name.
    pub name: String,
    /// Line of the header.
    pub line: usize,
    /// The keys that are given, with their lines.
    pub given: BTreeMap<String, usize>,
    /// `priority`
    pub priority: i64,
    /// `autostart`
    pub autostart: bool,
    /// `autorestart`
    pub autorestart: Restart,
    /// `startsecs`
    pub startsecs: u32,
    /// `startretries`
    pub startretries: i64,
    /// `exitcodes`
    pub exitcodes: Vec<u8>,
    /// `stopsignal`, a number.
    pub stopsignal: u8,
    /// `stopwaitsecs`
    pub stopwaitsecs: u32,
    /// `stopasgroup`
    pub stopasgroup: bool,
    /// `killasgroup`
    pub killasgroup: bool,
    /// `redirect_stderr`
    pub redirect_stderr: bool,
    /// `user`
    pub user: Option<String>,
    /// `umask`
    pub umask: Option<u32>,
    /// `serverurl`, unless AUTO.
    pub serverurl: Option<String>,
    /// `numprocs_start`
    pub first: i64,
    /// `stdout_capture_maxbytes`, `stderr_capture_maxbytes`
    pub capture: [u64; 2],
    /// `stdout_events_enabled`, `stderr_events_enabled`
    pub events: [bool; 2],
    /// The processes, as many as `numprocs` says.
    pub processes: Vec<Process>,
    /// An event listener's own keys.
    pub listener: Option<Listener>,
    /// A FastCGI program's own keys.
    pub socket: Option<Socket>,
}

/// A process of a program, everything expanded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Process {
    /// `process_name`
    pub name: String,
    /// `command`
    pub command: String,
    /// `directory`
    pub directory: Option<String>,
    /// `environment`, in order.
    pub environment: Vec<(String, String)>,
    /// Standard output and standard error.
    pub streams: [Stream; 2],
}

/// Where a stream goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stream {
    /// `…_logfile`
    pub file: LogFile,
    /// `…_logfile_maxbytes`
    pub maxbytes: u64,
    /// `…_logfile_backups`
    pub backups: i64,
    /// `…_syslog`
    pub syslog: bool,
}

/// An event listener's own keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listener {
    /// `events`, sorted.
    pub events: Vec<String>,
    /// `buffer_size`
    pub buffer_size: i64,
    /// `result_handler`
    pub result_handler: String,
}

/// A FastCGI program's own keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Socket {
    /// `socket`: `unix:///path` or `tcp://host:port`.
    pub address: String,
    /// `socket_backlog`
    pub backlog: Option<i64>,
    /// `socket_owner`
    pub owner: Option<String>,
    /// `socket_mode`; 0700 where it is not given, for a path.
    pub mode: Option<u32>,
}

/// `[group:x]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// Its name.
    pub name: String,
    /// Line of the header.
    pub line: usize,
    /// Its programs.
    pub programs: Vec<String>,
    /// `priority`
    pub priority: i64,
}

/// The names that supervisord knows in every section of a file in `here`.
pub fn everywhere(here: &str) -> Names {
    let path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
    let text = |text: &str| Value::Text(text.to_owned());
    Names::from([("here".to_owned(), text(here)), ("ENV_PATH".to_owned(), text(path))])
}

/// The names of a program's section besides those of [`everywhere`].
pub fn own(program: &str, group: &str, host: Value) -> Names {
    let text = |text: &str| Value::Text(text.to_owned());
    Names::from([
        ("program_name".to_owned(), text(program)),
        ("group_name".to_owned(), text(group)),
        ("host_node_name".to_owned(), host),
    ])
}

impl Reader<'_> {
    /// The value of a key, expanded.
    fn text(&mut self, key: &str, names: &Names) -> Option<String> {
        let entry = self.section.get(key)?.clone();
        self.expanded(&entry, &entry.value, names)
    }

    fn expanded(&mut self, entry: &Entry, text: &str, names: &Names) -> Option<String> {
        match expand::expand(text, names) {
            Ok(expanded) => Some(expanded),
            Err(why) => {
                let known: Vec<&str> = names.keys().map(String::as_str).collect();
                let hint = format!("known names: {}", known.join(" "));
                self.fault(entry.line, format!("'{}' does not expand: {why}", entry.key), Some(&hint));
                None
            }
        }
    }

    fn typed<T>(&mut self, key: &str, names: &Names, default: T, read: impl Fn(&str) -> Result<T, String>) -> T {
        let Some(text) = self.text(key, names) else { return default };
        match read(&text) {
            Ok(value) => value,
            Err(why) => {
                let cure = "correct it, or leave it out: then supervisord's default counts";
                self.fault(self.line(key), format!("'{key}' is {why}"), Some(cure));
                default
            }
        }
    }

    /// The group of this section.
    pub fn group(&mut self, here: &str) -> Group {
        self.known_keys(&[&GROUP_KEYS]);
        let names = everywhere(here);
        let name = self.own_name();
        let programs = self.text("programs", &names).map(|text| value::list(&text)).unwrap_or_default();
        let priority = self.typed("priority", &names, 999, value::integer);
        Group { name, line: self.section.line, programs, priority }
    }

    fn own_name(&mut self) -> String {
        let name = self.section.parts().1.unwrap_or_default().to_owned();
        match value::process_name(&name) {
            Ok(name) => name,
            Err(why) => {
                self.fault(self.section.line, format!("the section's name is {why}"), Some("give it another name"));
                name
            }
        }
    }

    /// The program of this section, as a member of `group`.
    pub fn program(&mut self, kind: Kind, group: Option<&str>, here: &str) -> Program {
        let special: &[&str] = match kind {
            Kind::Program => &[],
            Kind::Fcgi => &FCGI_KEYS,
            Kind::Listener => &LISTENER_KEYS,
        };
        self.known_keys(&[&KEYS, special]);
        let name = self.own_name();
        let outer = everywhere(here);
        let mut names = outer.clone();
        names.extend(own(&name, group.unwrap_or(&name), Value::Text("localhost".to_owned())));
        let stopasgroup = self.typed("stopasgroup", &names, false, value::boolean);
        let count = self.typed("numprocs", &names, 1, value::integer);
        let first = self.typed("numprocs_start", &names, 0, value::integer);
        let auto = |text: &String| text.trim().eq_ignore_ascii_case("auto");
        let priority = if kind == Kind::Listener { -1 } else { 999 };
        let mut program = Program {
            kind,
            line: self.section.line,
            given: self.section.entries.iter().map(|entry| (entry.key.clone(), entry.line)).collect(),
            priority: self.typed("priority", &outer, priority, value::integer),
            autostart: self.typed("autostart", &names, true, value::boolean),
            autorestart: self.typed("autorestart", &names, Restart::Unexpected, value::restart),
            startsecs: self.typed("startsecs", &names, 1, value::seconds),
            startretries: self.typed("startretries", &names, 3, value::integer),
            exitcodes: self.typed("exitcodes", &names, vec![0], value::exit_codes),
            stopsignal: self.typed("stopsignal", &names, 15, value::signal),
            stopwaitsecs: self.typed("stopwaitsecs", &names, 10, value::seconds),
            stopasgroup,
            killasgroup: self.typed("killasgroup", &names, stopasgroup, value::boolean),
            redirect_stderr: self.typed("redirect_stderr", &names, false, value::boolean),
            user: self.text("user", &names),
            umask: self.typed("umask", &names, None, |text| value::octal(text).map(Some)),
            serverurl: self.text("serverurl", &names).filter(|url| !auto(url)),
            first,
            capture: ["stdout", "stderr"]
                .map(|stream| self.typed(&format!("{stream}_capture_maxbytes"), &names, 0, value::byte_size)),
            events: ["stdout", "stderr"]
                .map(|stream| self.typed(&format!("{stream}_events_enabled"), &names, false, value::boolean)),
            processes: Vec::new(),
            listener: (kind == Kind::Listener).then(|| self.listener(&outer)),
            socket: None,
            name,
        };
        if kind == Kind::Fcgi {
            let mut outer = outer.clone();
            outer.insert("program_name".to_owned(), Value::Text(program.name.clone()));
            program.socket = self.fastcgi_socket(&outer);
        }
        self.relations(&program, count);
        for number in first..first.saturating_add(count.clamp(0, MOST)) {
            names.insert("process_num".to_owned(), Value::Number(number));
            names.insert("numprocs".to_owned(), Value::Number(count));
            let process = self.process(&program.name, &names, program.redirect_stderr);
            program.processes.extend(process);
        }
        program
    }

    /// What two keys say together.
    fn relations(&mut self, program: &Program, count: i64) {
        let line = |key: &str| program.given.get(key).copied().unwrap_or(program.line);
        if !(1..=MOST).contains(&count) {
            self.fault(line("numprocs"), format!("'numprocs' is {count}"), Some("from 1 to 100"));
        }
        let numbered = self.section.get("process_name").is_some_and(|name| name.value.contains("%(process_num)"));
        if count > 1 && !numbered {
            self.fault(
                line("process_name"),
                "several processes of one name: 'numprocs' is above 1, and 'process_name' has no %(process_num)",
                Some("add process_name = %(program_name)s_%(process_num)02d"),
            );
        }
        if program.stopasgroup && !program.killasgroup {
            self.fault(
                line("killasgroup"),
                "'stopasgroup' is true and 'killasgroup' false",
                Some("leave 'killasgroup' out: it follows"),
            );
        }
        if program.kind == Kind::Listener && program.redirect_stderr {
            self.fault(
                line("redirect_stderr"),
                "an event listener cannot redirect its standard error: it would break the protocol",
                Some("remove redirect_stderr"),
            );
        }
    }

    /// One process. `names` are all names; those of the `environment` are added.
    pub fn process(&mut self, program: &str, names: &Names, redirect: bool) -> Option<Process> {
        let mut names = names.clone();
        let environment = self.environment(&names);
        for (name, value) in &environment {
            names.insert(format!("ENV_{name}"), Value::Text(value.clone()));
        }
        let directory = self.text("directory", &names);
        let mut streams = ["stdout", "stderr"].map(|stream| self.stream(stream, &names));
        if redirect {
            streams[1].file = LogFile::None;
        }
        let name = match self.section.get("process_name").cloned() {
            Some(entry) => self.expanded(&entry, entry.value.trim(), &names)?,
            None => program.to_owned(),
        };
        if let Err(why) = value::process_name(&name) {
            let line = self.line("process_name");
            self.fault(line, format!("'process_name' is {why}"), Some("give it another name"));
        }
        let command = self.command(&names)?;
        Some(Process { name, command, directory, environment, streams })
    }

    fn command(&mut self, names: &Names) -> Option<String> {
        let Some(entry) = self.section.get("command").cloned() else {
            self.fault(self.section.line, format!("[{}] has no command", self.section.name), Some("add command = …"));
            return None;
        };
        let command = self.expanded(&entry, &entry.value, names)?;
        match words::command(&command) {
            Ok(words) if words.is_empty() => {
                self.fault(entry.line, "'command' is empty", Some("name a program and its arguments"))
            }
            Ok(_) => {}
            Err(why) => self.fault(entry.line, format!("'command' has {why}"), Some("quote it as for a shell")),
        }
        Some(command)
    }

    fn environment(&mut self, names: &Names) -> Vec<(String, String)> {
        let Some(entry) = self.section.get("environment").cloned() else { return Vec::new() };
        let Some(text) = self.expanded(&entry, &entry.value, names) else { return Vec::new() };
        let is_name = |name: &str| {
            name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
                && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        };
        match words::pairs(&text) {
            Ok(pairs) => {
                for (name, _) in pairs.iter().filter(|(name, _)| !is_name(name)) {
                    let hint = "letters, digits and '_', and no digit at the beginning";
                    self.fault(entry.line, format!("'{name}' in 'environment' is no variable's name"), Some(hint));
                }
                pairs
            }
            Err(why) => {
                let hint = "write NAME=\"value\",OTHER=\"value\"";
                self.fault(entry.line, format!("'environment' does not read as variables: {why}"), Some(hint));
                Vec::new()
            }
        }
    }

    fn stream(&mut self, stream: &str, names: &Names) -> Stream {
        let key = |what: &str| format!("{stream}_{what}");
        // supervisor expands this one twice.
        let file = self.section.get(&key("logfile")).cloned().and_then(|entry| {
            let once = self.expanded(&entry, &entry.value, names)?;
            self.expanded(&entry, &once, names)
        });
        let file = file.map_or(LogFile::Automatic, |text| value::log_file(&text));
        let syslog = self.typed(&key("syslog"), names, false, value::boolean);
        let by_name = file == LogFile::Syslog;
        Stream {
            file: if by_name { LogFile::None } else { file },
            maxbytes: self.typed(&key("logfile_maxbytes"), names, 50 << 20, value::byte_size),
            backups: self.typed(&key("logfile_backups"), names, 10, value::integer),
            syslog: syslog || by_name,
        }
    }

    fn listener(&mut self, names: &Names) -> Listener {
        let mut events: Vec<String> = value::list(&self.text("events", names).unwrap_or_default())
            .iter()
            .map(|name| name.to_uppercase())
            .collect();
        events.sort();
        events.dedup();
        let line = self.line("events");
        if events.is_empty() {
            self.fault(line, format!("[{}] has no events", self.section.name), Some("add events = PROCESS_STATE"));
        }
        for event in &events {
            if !value::EVENTS.contains(&event.as_str()) {
                let hint = nearest(event, value::EVENTS).map(|near| format!("did you mean '{near}'?"));
                self.fault(line, format!("unknown event '{event}'"), hint.as_deref());
            }
        }
        let buffer_size = self.typed("buffer_size", names, 10, |text| match value::integer(text)? {
            ..1 => Err(format!("'{text}', and it is at least 1")),
            size => Ok(size),
        });
        let result_handler = self.typed("result_handler", names, DEFAULT_HANDLER.to_owned(), |text| {
            let (module, name) = text.split_once(':').unwrap_or_default();
            let plain = |word: &str| !word.is_empty() && !word.contains(char::is_whitespace);
            if plain(module) && plain(name) { Ok(text.to_owned()) } else { Err(format!("'{text}', not module:name")) }
        });
        Listener { events, buffer_size, result_handler }
    }

    fn fastcgi_socket(&mut self, names: &Names) -> Option<Socket> {
        let backlog = self.typed("socket_backlog", names, None, |text| match value::integer(text)? {
            number @ 1..=65535 => Ok(Some(number)),
            _ => Err(format!("'{text}', and it is from 1 to 65535")),
        });
        let mode = self.typed("socket_mode", names, None, |text| value::octal(text).map(Some));
        let owner = self.text("socket_owner", names);
        let Some(entry) = self.section.get("socket").cloned().filter(|entry| !entry.value.is_empty()) else {
            self.fault(
                self.section.line,
                format!("[{}] has no socket", self.section.name),
                Some("add socket = unix:///run/…/x.sock"),
            );
            return None;
        };
        let address = self.expanded(&entry, &entry.value, names)?;
        if let Some(path) = address.strip_prefix("unix://") {
            if !path.starts_with('/') {
                self.fault(
                    entry.line,
                    format!("'socket' is '{address}', which is no absolute path"),
                    Some("begin it with /"),
                );
            }
            return Some(Socket { address, backlog, owner, mode: mode.or(Some(0o700)) });
        }
        if !is_tcp(&address) {
            let hint = "write unix:///absolute/path or tcp://host:port";
            self.fault(entry.line, format!("'socket' is '{address}'"), Some(hint));
        }
        for key in ["socket_owner", "socket_mode"] {
            if let Some(given) = self.section.get(key) {
                let line = given.line;
                self.fault(line, format!("'{key}' belongs to a socket in the file system"), Some("leave it out"));
            }
        }
        Some(Socket { address: address.to_lowercase(), backlog, owner, mode })
    }
}

/// The most processes of one program that are taken for meant.
const MOST: i64 = 100;

/// What supervisor uses where nothing is given.
pub const DEFAULT_HANDLER: &str = "supervisor.dispatchers:default_handler";

fn is_tcp(address: &str) -> bool {
    let Some((host, port)) = address.strip_prefix("tcp://").and_then(|rest| rest.split_once(':')) else { return false };
    let number = port.parse::<u16>().is_ok_and(|port| port > 0) && port.chars().all(|c| c.is_ascii_digit());
    number && !host.is_empty() && !host.contains(char::is_whitespace)
}
