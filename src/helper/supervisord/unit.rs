//! The systemd backend: units from a program's description.
//!
//! A program is `PACKAGE-PROGRAM.service`, or `PACKAGE.service` where both have
//! one name; several processes are a template and a target that wants its
//! instances. What supervisord can say and systemd cannot is a fault unless the
//! program's `ignore` names the key. Directives of `[systemd:x]` replace those
//! made here; see [`merge`].

use std::path::Path;

use super::description::{Described, Description};
use super::expand::{self, Value};
use super::ini::Entry;
use super::places;
use super::program::{self, Kind, Process};
use super::section;
use super::value::{LogFile, Restart, signal_name};
use super::words;
use crate::configuration::place::is_normal;
use crate::error::{Diagnostic, Location};
use crate::foreign::printable_line;

/// Stands for the instance's name until the text is escaped.
const INSTANCE: char = '\u{f0000}';
/// Stands for the machine's name.
const HOST: char = '\u{f0001}';

/// What systemd needs for one program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Units {
    /// File names and texts.
    pub files: Vec<(String, String)>,
    /// What is started and stopped as a whole.
    pub unit: String,
    /// What is enabled.
    pub enable: Vec<String>,
    /// Sockets among the files.
    pub sockets: Vec<String>,
    /// The units of the processes, in order.
    pub instances: Vec<String>,
}

impl Units {
    /// Every unit that can run, in the order in which they are stopped.
    pub fn all(&self) -> Vec<String> {
        let mut all = self.sockets.clone();
        all.extend(self.instances.iter().cloned());
        if !all.contains(&self.unit) {
            all.push(self.unit.clone());
        }
        all
    }
}

/// The unit's name without its suffix.
pub fn stem(package: &str, program: &str) -> String {
    if package == program { package.to_owned() } else { format!("{package}-{program}") }
}

/// The unit that stands for the program as a whole.
pub fn whole(package: &str, described: &Described) -> String {
    let suffix = if described.program.processes.len() > 1 { "target" } else { "service" };
    format!("{}.{suffix}", stem(package, described.name()))
}

/// The hardening that every unit starts from; an exposure of 1.3 by
/// `systemd-analyze security`, with room for a capability within 1.5.
const HARDENING: [(&str, &str); 27] = [
    ("NoNewPrivileges", "yes"),
    ("ProtectSystem", "strict"),
    ("ProtectHome", "yes"),
    ("PrivateTmp", "yes"),
    ("PrivateDevices", "yes"),
    ("PrivateMounts", "yes"),
    ("ProtectKernelTunables", "yes"),
    ("ProtectKernelModules", "yes"),
    ("ProtectKernelLogs", "yes"),
    ("ProtectControlGroups", "yes"),
    ("ProtectClock", "yes"),
    ("ProtectHostname", "yes"),
    ("ProtectProc", "invisible"),
    ("RestrictAddressFamilies", "AF_UNIX AF_INET AF_INET6"),
    ("RestrictNamespaces", "yes"),
    ("RestrictRealtime", "yes"),
    ("RestrictSUIDSGID", "yes"),
    ("LockPersonality", "yes"),
    ("RemoveIPC", "yes"),
    ("CapabilityBoundingSet", ""),
    ("SystemCallArchitectures", "native"),
    ("SystemCallErrorNumber", "EPERM"),
    ("SystemCallFilter", "@system-service"),
    ("SystemCallFilter", "~@privileged @resources"),
    ("StateDirectoryMode", "0750"),
    ("CacheDirectoryMode", "0750"),
    ("LogsDirectoryMode", "0750"),
];

/// Directives whose values add up: one of `[systemd:x]` stands beside ours.
const ADDITIVE: [&str; 4] = ["Environment", "After", "Wants", "PartOf"];

type Directives = Vec<(String, String)>;

/// The units of a program, and every fault.
pub fn units(
    package: &str,
    description: &Description,
    described: &Described,
    file: &Path,
) -> (Option<Units>, Vec<Diagnostic>) {
    let mut writer = Writer { package, description, described, file, faults: Vec::new() };
    let units = writer.units();
    (units, writer.faults)
}

struct Writer<'a> {
    package: &'a str,
    description: &'a Description,
    described: &'a Described,
    file: &'a Path,
    faults: Vec<Diagnostic>,
}

impl Writer<'_> {
    fn fault(&mut self, key: &str, message: String, hint: impl Into<String>) {
        let program = &self.described.program;
        let line = program.given.get(key).copied().filter(|line| *line > 0).unwrap_or(program.line);
        self.faults.push(Diagnostic::error(message).at(Location::line(self.file, line)).hint(hint));
    }

    fn units(&mut self) -> Option<Units> {
        let program = &self.described.program;
        if program.kind == Kind::Listener {
            self.fault(
                "events",
                format!("'{}' is an event listener, which only supervisord can run", program.name),
                "give it backend = supervisord",
            );
            return None;
        }
        self.refuse_what_is_lost();
        let (format, process) = (self.instance_format(), self.process());
        let (format, process) = (format?, process?);
        let stem = stem(self.package, &program.name);
        let several = program.processes.len() > 1;
        let service = if several { format!("{stem}@.service") } else { format!("{stem}.service") };
        let mut instances = Vec::new();
        for (number, _) in (program.first..).zip(&program.processes) {
            let name = expand::number(&format, number).ok()?;
            instances.push(if several { format!("{stem}@{name}.service") } else { service.clone() });
        }
        let socket = self.socket(&stem, &instances);
        let sockets: Vec<String> = socket.iter().map(|(name, _)| name.clone()).collect();
        let text = self.service(&process, &stem, several, &sockets)?;
        let unit = whole(self.package, self.described);
        let mut files = vec![(service, text)];
        if several {
            files.push((unit.clone(), self.target(&instances)));
        }
        files.extend(socket);
        let enable = [unit.clone()].into_iter().chain(sockets.iter().cloned()).collect();
        Some(Units { files, unit, enable, sockets, instances })
    }

    /// Keys that systemd has no words for, where they ask for what is not the default.
    fn refuse_what_is_lost(&mut self) {
        let program = &self.described.program;
        let lost = [
            ("startsecs", program.startsecs != 1, "systemd counts a program as started at once"),
            ("startretries", program.startretries != 3, "systemd tries without end"),
            ("stdout_capture_maxbytes", program.capture[0] > 0, "there are no events under systemd"),
            ("stderr_capture_maxbytes", program.capture[1] > 0, "there are no events under systemd"),
            ("stdout_events_enabled", program.events[0], "there are no events under systemd"),
            ("stderr_events_enabled", program.events[1], "there are no events under systemd"),
            (
                "serverurl",
                program.serverurl.as_ref().is_some_and(|url| !url.is_empty()),
                "there is no supervisord to reach",
            ),
        ];
        for (key, asked, why) in lost {
            if asked && !self.described.extra.ignore.contains_key(key) {
                self.fault(
                    key,
                    format!("'{key}' of '{}' is lost under systemd: {why}", program.name),
                    format!("to give it up there, write ignore = {key} into [x-program:{}]", program.name),
                );
            }
        }
    }

    /// How the number of a process is written: an instance of a unit has one name.
    fn instance_format(&mut self) -> Option<String> {
        let section = &self.description.document.sections[self.described.section];
        let mut found: Vec<(String, String)> = Vec::new();
        for entry in section.entries.iter().filter(|entry| entry.key != "process_name") {
            for format in expand::formats(&entry.value, "process_num") {
                let format = if ["s", "i", "u"].contains(&format.as_str()) { "d".to_owned() } else { format };
                if !found.iter().any(|(known, _)| *known == format) {
                    found.push((format, entry.key.clone()));
                }
            }
        }
        if let [(first, _), (second, key), ..] = found.as_slice() {
            let (message, key) = (
                format!("the number of a process is written as %(process_num){first} and as %(process_num){second}"),
                key.clone(),
            );
            self.fault(&key, message, "an instance of a unit has one name: write it in one way");
            return None;
        }
        Some(found.into_iter().next().map_or_else(|| "d".to_owned(), |(format, _)| format))
    }

    /// The process with what is known later in its place.
    fn process(&mut self) -> Option<Process> {
        let program = &self.described.program;
        let mut names = program::own(
            &program.name,
            &super::group_name(self.package, program.kind, &program.name),
            Value::Later(HOST),
        );
        let count = program.processes.len();
        let number = if count > 1 { Value::Later(INSTANCE) } else { Value::Number(program.first) };
        names.insert("process_num".to_owned(), number);
        names.insert("numprocs".to_owned(), Value::Number(i64::try_from(count).unwrap_or_default()));
        let section = &self.description.document.sections[self.described.section];
        let mut reader = section::Reader::new(section, self.file);
        let process = reader.process(&program.name, &names, program.redirect_stderr);
        for fault in reader.faults {
            let message = format!("under systemd, {}", fault.message);
            self.faults.push(Diagnostic { message, ..fault });
        }
        process
    }

    fn service(&mut self, process: &Process, stem: &str, several: bool, sockets: &[String]) -> Option<String> {
        let described = self.described;
        let program = &described.program;
        // All faults before the first one ends it.
        let command = self.command(&process.command);
        let directory = process.directory.as_ref().map(|directory| self.path("directory", directory));
        let streams = [self.stream(process, 0), self.stream(process, 1)];
        let mut service: Directives = Vec::new();
        let mut set = |key: &str, value: String| service.push((key.to_owned(), value));
        set("Type", if described.extra.notify { "notify" } else { "exec" }.to_owned());
        set("ExecStart", command?);
        if let Some(directory) = directory {
            set("WorkingDirectory", directory?);
        }
        for (name, value) in &process.environment {
            set("Environment", quoted(&format!("{name}={value}")));
        }
        if let Some(user) = described.account() {
            set("User", user.clone());
        }
        set("UMask", format!("{:04o}", program.umask.unwrap_or(super::fragment::UMASK)));
        for (key, value) in restart(program) {
            set(key, value);
        }
        set("RestartSec", "5s".to_owned());
        set("KillSignal", signal_name(program.stopsignal));
        set("KillMode", if program.stopasgroup { "control-group" } else { "mixed" }.to_owned());
        set("TimeoutStopSec", format!("{}s", program.stopwaitsecs));
        for socket in sockets {
            set("Sockets", socket.clone());
        }
        if program.kind == Kind::Fcgi {
            set("StandardInput", "socket".to_owned());
        }
        let [output, error] = streams;
        set("StandardOutput", output?);
        set("StandardError", error?);
        let own = places::directories(self.package, self.description, described);
        for key in ["StateDirectory", "CacheDirectory", "LogsDirectory", "RuntimeDirectory"] {
            // systemd gives these to the account; one in which root opens log files stays root's.
            let is_roots = key == "LogsDirectory"
                && described.account().is_some_and(|user| user != "root")
                && places::rooted(self.package, self.description).contains(&own);
            set(key, if is_roots { format!("{own}/{}", places::OWN) } else { own.clone() });
        }
        // The end of one process must not take the directory from the others.
        set("RuntimeDirectoryPreserve", "yes".to_owned());
        for (key, value) in HARDENING {
            set(key, value.to_owned());
        }
        let service = merge(service, described.directives.get("systemd"));
        let unit = merge(self.unit_part(stem, several), described.directives.get("systemd-unit"));
        let mut text = self.head();
        text.push_str(&section("Unit", &unit));
        text.push_str(&section("Service", &service));
        if !several {
            text.push_str(&section("Install", &self.install("multi-user.target")));
        }
        Some(text)
    }

    fn head(&self) -> String {
        format!(
            "# Made by dh_supervisord from [{}:{}] of debian/{}.supervisord.\n",
            self.described.program.kind.word(),
            self.described.name(),
            self.package
        )
    }

    fn unit_part(&self, stem: &str, several: bool) -> Directives {
        let mut unit = vec![("Description".to_owned(), self.title(several))];
        unit.push(("After".to_owned(), "network.target".to_owned()));
        for other in &self.description.programs {
            if other.backend.systemd() && other.program.priority < self.described.program.priority {
                unit.push(("After".to_owned(), whole(self.package, other)));
            }
        }
        if several {
            unit.push(("PartOf".to_owned(), format!("{stem}.target")));
        }
        unit.push(("StartLimitIntervalSec".to_owned(), "0".to_owned()));
        unit
    }

    fn title(&self, instance: bool) -> String {
        let name = self.described.name();
        let title = match &self.described.extra.description {
            Some(text) => text.clone(),
            None if name == self.package => name.to_owned(),
            None => format!("{} ({name})", self.package),
        };
        format!("{}{}", title.replace('%', "%%"), if instance { ", process %i" } else { "" })
    }

    fn install(&self, wanted_by: &str) -> Directives {
        let own = vec![("WantedBy".to_owned(), wanted_by.to_owned())];
        merge(own, self.described.directives.get("systemd-install"))
    }

    fn target(&self, instances: &[String]) -> String {
        let mut unit = vec![("Description".to_owned(), self.title(false))];
        unit.extend(instances.iter().map(|instance| ("Wants".to_owned(), instance.clone())));
        unit.extend(instances.iter().map(|instance| ("After".to_owned(), instance.clone())));
        format!("{}{}{}", self.head(), section("Unit", &unit), section("Install", &self.install("multi-user.target")))
    }

    fn socket(&self, stem: &str, instances: &[String]) -> Option<(String, String)> {
        let program = &self.described.program;
        let mut socket: Directives = Vec::new();
        let mut set = |key: &str, value: String| socket.push((key.to_owned(), value));
        let mut mode = None;
        if let Some(ours) = &self.described.socket {
            ours.listen.iter().for_each(|address| set("ListenStream", address.replace('%', "%%")));
            let user = ours.user.clone().or_else(|| self.described.account().cloned());
            if ours.listen.iter().any(|address| address.starts_with('/')) {
                user.into_iter().for_each(|user| set("SocketUser", user));
                ours.group.iter().for_each(|group| set("SocketGroup", group.clone()));
                mode = ours.mode.or(Some(0o660));
            }
            ours.backlog.iter().for_each(|backlog| set("Backlog", backlog.to_string()));
            ours.name.iter().for_each(|name| set("FileDescriptorName", name.clone()));
        } else if let Some(fcgi) = &program.socket {
            let address = fcgi.address.strip_prefix("unix://").or_else(|| fcgi.address.strip_prefix("tcp://"));
            let address = address.unwrap_or(&fcgi.address).replace('%', "%%");
            // systemd.socket(5) knows addresses, no names.
            set("ListenStream", address.replacen("localhost:", "127.0.0.1:", 1));
            if fcgi.address.starts_with("unix://") {
                let owner = fcgi.owner.as_ref().or(self.described.account());
                let (user, group) = owner.map(|owner| owner.split_once(':').unwrap_or((owner, ""))).unwrap_or_default();
                [("SocketUser", user), ("SocketGroup", group)]
                    .into_iter()
                    .filter(|(_, name)| !name.is_empty())
                    .for_each(|(key, name)| set(key, name.to_owned()));
                mode = fcgi.mode;
            }
            fcgi.backlog.iter().for_each(|backlog| set("Backlog", backlog.to_string()));
        } else {
            return None;
        }
        mode.iter().for_each(|mode| set("SocketMode", format!("{mode:04o}")));
        if let [first, _, ..] = instances {
            set("Service", first.clone());
        }
        let unit = vec![("Description".to_owned(), format!("{}, socket", self.title(false)))];
        let install = vec![("WantedBy".to_owned(), "sockets.target".to_owned())];
        let text = format!(
            "{}{}{}{}",
            self.head(),
            section("Unit", &unit),
            section("Socket", &socket),
            section("Install", &install)
        );
        Some((format!("{stem}.socket"), text))
    }

    fn command(&mut self, command: &str) -> Option<String> {
        let words = words::command(command).ok()?;
        let program = words.first()?;
        if !program.starts_with('/') || program.contains(['\'', '"', '\\', '$']) {
            self.fault(
                "command",
                format!("under systemd, the program '{program}' needs an absolute path without quotation marks"),
                "write where the package installs it: /usr/bin/…",
            );
            return None;
        }
        // The colon: supervisord replaces no $VARIABLE in a command, and so systemd shall not.
        let colon = if words.iter().any(|word| word.contains('$')) { ":" } else { "" };
        let words: Vec<String> = words.iter().map(|word| quoted(word)).collect();
        Some(format!("{colon}{}", words.join(" ")))
    }

    /// A path in a directive that takes the rest of the line.
    fn path(&mut self, key: &str, path: &str) -> Option<String> {
        if !path.starts_with('/') || path.trim() != path || path.contains(char::is_control) {
            self.fault(
                key,
                format!("under systemd, '{key}' is '{}', which is no absolute path", printable_line(path)),
                "begin it with /",
            );
            return None;
        }
        Some(specifiers(&path.replace('%', "%%")))
    }

    fn stream(&mut self, process: &Process, index: usize) -> Option<String> {
        if index == 1 && self.described.program.redirect_stderr {
            return Some("inherit".to_owned());
        }
        let stream = &process.streams[index];
        match &stream.file {
            _ if stream.syslog => Some("journal".to_owned()),
            LogFile::None => Some("null".to_owned()),
            LogFile::Path(path) if !places::is_log(path) => Some("journal".to_owned()),
            LogFile::Path(path) => {
                // What is no such path is told for both backends at once.
                is_normal(path).ok()?;
                let key = ["stdout_logfile", "stderr_logfile"][index];
                self.path(key, path).map(|path| format!("append:{path}"))
            }
            LogFile::Automatic | LogFile::Syslog => Some("journal".to_owned()),
        }
    }
}

/// When it starts again. `Restart=always` without the expected exit statuses is
/// supervisord's `unexpected` to the letter; `on-failure` would take death by
/// SIGTERM for an end without fault.
fn restart(program: &program::Program) -> Vec<(&'static str, String)> {
    let codes: Vec<String> = program.exitcodes.iter().map(ToString::to_string).collect();
    let mut all = match program.autorestart {
        Restart::Never => vec![("Restart", "no".to_owned())],
        Restart::Always => vec![("Restart", "always".to_owned())],
        Restart::Unexpected => {
            let prevent = (!codes.is_empty()).then(|| ("RestartPreventExitStatus", codes.join(" ")));
            [("Restart", "always".to_owned())].into_iter().chain(prevent).collect()
        }
    };
    let other: Vec<String> = codes.into_iter().filter(|code| code != "0").collect();
    if !other.is_empty() {
        all.push(("SuccessExitStatus", other.join(" ")));
    }
    all
}

/// Our directives with the packager's: a directive that he gives replaces all of
/// ours of that name, in the order given; those of [`ADDITIVE`] are added.
fn merge(mut own: Directives, given: Option<&Vec<Entry>>) -> Directives {
    let given = given.map(Vec::as_slice).unwrap_or_default();
    own.retain(|(key, _)| ADDITIVE.contains(&key.as_str()) || !given.iter().any(|entry| entry.key == *key));
    own.extend(given.iter().map(|entry| (entry.key.clone(), entry.value.clone())));
    own
}

fn section(name: &str, directives: &Directives) -> String {
    let lines: String = directives.iter().map(|(key, value)| format!("{key}={value}\n")).collect();
    format!("\n[{name}]\n{lines}")
}

/// A word of ExecStart= or Environment= (systemd.syntax(7), QUOTING).
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "@%+,-./:=_{}~^?*&|!<>#[]()".contains(c) || c == INSTANCE || c == HOST;
    let escaped = escaped(word);
    // A word of one semicolon separates commands; a $ is taken as it is, see `command`.
    if !word.is_empty() && word.chars().all(|c| plain(c) || c == '$') { escaped } else { format!("\"{escaped}\"") }
}

/// Text in which systemd finds nothing of its own but our specifiers.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\\' => escaped.push_str("\\\\"),
            '"' => escaped.push_str("\\\""),
            '\n' => escaped.push_str("\\n"),
            '\t' => escaped.push_str("\\t"),
            '\r' => escaped.push_str("\\r"),
            '%' => escaped.push_str("%%"),
            c if c.is_ascii_control() => escaped.push_str(&format!("\\x{:02x}", u32::from(c))),
            c => escaped.push(c),
        }
    }
    specifiers(&escaped)
}

fn specifiers(text: &str) -> String {
    text.replace(INSTANCE, "%i").replace(HOST, "%H")
}
