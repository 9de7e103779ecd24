//! A whole debian/PACKAGE.supervisord: every section read, and held against the others.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::expand;
use super::health;
use super::ini::{self, Document, Entry, Section};
use super::program::{Group, Kind, Program};
use super::section;
use super::settings::{Extra, Header, Socket};
use crate::configuration::program::Choice;
use crate::error::{Diagnostic, Location, nearest};

/// Where Debian's supervisord looks for fragments, and so what `%(here)s` is in one.
pub const HERE: &str = "/etc/supervisor/conf.d";

/// The sections that this file may have.
const SECTIONS: [&str; 10] = [
    "program",
    "group",
    "eventlistener",
    "fcgi-program",
    "x-supervisord",
    "x-program",
    "x-socket",
    "systemd",
    "systemd-unit",
    "systemd-install",
];

/// Sections of supervisord that configure itself.
const SERVER: [&str; 7] =
    ["supervisord", "supervisorctl", "include", "unix_http_server", "inet_http_server", "rpcinterface", "ctlplugin"];

/// A file, read.
#[derive(Debug, Clone)]
pub struct Description {
    /// Its lines and sections; `instances` has become `numprocs`.
    pub document: Document,
    /// `[x-supervisord]`
    pub header: Header,
    /// The programs, in the file's order.
    pub programs: Vec<Described>,
    /// `[group:x]`
    pub group: Option<Group>,
}

/// A program with everything that the file says about it.
#[derive(Debug, Clone)]
pub struct Described {
    /// What supervisord knows of it.
    pub program: Program,
    /// Who runs it.
    pub backend: Choice,
    /// `[x-program:x]`
    pub extra: Extra,
    /// `[x-socket:x]`
    pub socket: Option<Socket>,
    /// `[systemd:x]`, `[systemd-unit:x]`, `[systemd-install:x]`, by the word before the colon.
    pub directives: BTreeMap<String, Vec<Entry>>,
    /// Index of its section in the document.
    pub section: usize,
}

impl Described {
    /// Its name.
    pub fn name(&self) -> &str {
        &self.program.name
    }

    /// The account that it works as: `user`, or what it becomes by itself.
    pub fn account(&self) -> Option<&String> {
        self.extra.account.as_ref().or(self.program.user.as_ref())
    }
}

impl Description {
    /// Whether any program may run under systemd.
    pub fn systemd(&self) -> bool {
        self.programs.iter().any(|program| program.backend.systemd())
    }

    /// Whether any program may run under supervisord.
    pub fn supervisord(&self) -> bool {
        self.programs.iter().any(|program| program.backend.supervisord())
    }

    /// Whether any program's backend is decided on the machine.
    pub fn auto(&self) -> bool {
        self.programs.iter().any(|program| program.backend == Choice::Auto)
    }
}

/// Read `text`, the contents of `file`, for `package`: the description, and every fault.
pub fn read(package: &str, text: &str, file: &Path) -> (Description, Vec<Diagnostic>) {
    let (document, faults) = ini::parse(text, file);
    let mut reader = Reader { package, file, document, faults };
    reader.known_sections();
    let header = reader.header();
    let extras = reader.by_program("x-program", |reader| reader.extra());
    let sockets = reader.by_program("x-socket", |reader| reader.socket());
    for (name, extra) in &extras {
        reader.instances(name, extra);
    }
    let group = reader.group();
    let mut programs = Vec::new();
    for (index, section) in reader.document.sections.clone().iter().enumerate() {
        let Some(kind) = Kind::of(section.parts().0) else { continue };
        let mut own = section::Reader::new(section, file);
        let name = section.parts().1.unwrap_or_default().trim();
        let program = own.program(kind, Some(&super::group_name(package, kind, name)), HERE);
        reader.faults.append(&mut own.faults);
        let extra = extras.get(name).cloned().unwrap_or_default();
        programs.push(Described {
            backend: extra.backend.unwrap_or(header.backend),
            extra: if extra.line == 0 { Extra { interval: 250, deadline: 30_000, ..extra } } else { extra },
            socket: sockets.get(name).cloned(),
            directives: reader.directives(name),
            section: index,
            program,
        });
    }
    reader.members(group.as_ref(), &programs);
    reader.agreement(&programs);
    for described in &programs {
        reader.faults.extend(health::checks(package, &described.program, &described.extra, file).err());
    }
    let mut faults = reader.faults;
    faults.sort_by_key(|fault| fault.location.as_ref().and_then(|location| location.line));
    (Description { document: reader.document, header, programs, group }, faults)
}

struct Reader<'a> {
    package: &'a str,
    file: &'a Path,
    document: Document,
    faults: Vec<Diagnostic>,
}

impl Reader<'_> {
    fn fault(&mut self, line: usize, message: impl Into<String>, hint: impl Into<String>) {
        self.faults.push(Diagnostic::error(message).at(Location::line(self.file, line)).hint(hint));
    }

    fn named(&self, word: &str) -> Vec<Section> {
        self.document.sections.iter().filter(|section| section.parts().0 == word).cloned().collect()
    }

    fn names(&self) -> Vec<String> {
        let program = |section: &Section| {
            let (word, name) = section.parts();
            Kind::of(word).and(name).map(|name| name.trim().to_owned())
        };
        self.document.sections.iter().filter_map(program).collect()
    }

    fn known_sections(&mut self) {
        let names = self.names();
        for section in self.document.sections.clone() {
            let (word, name) = section.parts();
            let line = section.line;
            if SERVER.contains(&word) {
                self.fault(
                    line,
                    format!("the section [{}] configures supervisord itself, for every package", section.name),
                    "leave it to the administrator's /etc/supervisor/supervisord.conf",
                );
            } else if !SECTIONS.contains(&word) {
                let hint = nearest(word, SECTIONS).map_or_else(
                    || format!("sections: {}", SECTIONS.join(" ")),
                    |near| format!("did you mean [{near}{}]?", name.map(|name| format!(":{name}")).unwrap_or_default()),
                );
                self.fault(line, format!("unknown section [{}]", section.name), hint);
            } else if name.is_some_and(|name| !is_name(name.trim())) || (name.is_none() && word != "x-supervisord") {
                self.fault(
                    line,
                    format!("the section [{}] has no usable name", section.name),
                    "a name has letters, digits, '-', '_' and '.', and begins with a letter or digit",
                );
            } else if word == "x-supervisord" && name.is_some() {
                self.fault(line, format!("unknown section [{}]", section.name), "write [x-supervisord]");
            } else if let Some(name) = name.filter(|_| word.starts_with("x-") || word.starts_with("systemd")) {
                if !names.iter().any(|known| known == name.trim()) {
                    let hint = nearest(name, names.iter().map(String::as_str))
                        .map_or_else(|| format!("add [program:{name}]"), |near| format!("did you mean '{near}'?"));
                    self.fault(line, format!("[{}] is about a program that is not here", section.name), hint);
                }
            }
        }
        let mut seen: BTreeSet<&str> = BTreeSet::new();
        let (mut sections, mut repeated) = (BTreeSet::new(), BTreeSet::new());
        for section in &self.document.sections {
            if let ("program" | "fcgi-program" | "eventlistener", Some(name)) = section.parts() {
                if !sections.insert(&section.name) {
                    repeated.insert(name.to_owned());
                }
            }
        }
        for name in &names {
            // A section that stands twice has its fault already.
            if !seen.insert(name) && !repeated.contains(name) {
                let section = self.document.sections.iter().rev().find(|section| section.parts().1 == Some(name));
                let line = section.map_or(1, |section| section.line);
                self.fault(line, format!("'{name}' names two programs"), "rename one of them");
            }
        }
        if names.is_empty() {
            self.fault(1, "the file describes no program", "add [program:NAME] with command = …");
        }
    }

    fn header(&mut self) -> Header {
        let Some(section) = self.named("x-supervisord").into_iter().next() else { return Header::default() };
        let mut reader = section::Reader::new(&section, self.file);
        let header = reader.header();
        self.faults.append(&mut reader.faults);
        if self.document.sections.first().is_some_and(|first| first.name != section.name) {
            self.fault(section.line, "[x-supervisord] is not the first section", "move it to the top of the file");
        }
        header
    }

    fn by_program<T>(&mut self, word: &str, read: impl Fn(&mut section::Reader<'_>) -> T) -> BTreeMap<String, T> {
        let mut all = BTreeMap::new();
        for section in self.named(word) {
            let mut reader = section::Reader::new(&section, self.file);
            let value = read(&mut reader);
            self.faults.append(&mut reader.faults);
            all.insert(section.parts().1.unwrap_or_default().trim().to_owned(), value);
        }
        all
    }

    /// `instances = 3` is `numprocs = 3` and a name with the number in it.
    fn instances(&mut self, name: &str, extra: &Extra) {
        let Some((count, line)) = extra.instances else { return };
        let is_it = |section: &&mut Section| Kind::of(section.parts().0).is_some() && section.parts().1 == Some(name);
        let Some(section) = self.document.sections.iter_mut().find(is_it) else { return };
        if let Some(numprocs) = section.get("numprocs").filter(|numprocs| numprocs.value != count.to_string()) {
            let (at, value) = (numprocs.line, numprocs.value.clone());
            return self.fault(
                line,
                format!("'instances' is {count}, and 'numprocs' on line {at} is {value}"),
                "keep one of the two",
            );
        }
        // Line 0: added. The fragment writes such entries below the header.
        let mut add = |key: &str, value: String| {
            if section.get(key).is_none() {
                section.entries.push(Entry { key: key.to_owned(), value, line: 0, to: 0 });
            }
        };
        add("numprocs", count.to_string());
        if count > 1 {
            add("process_name", "%(program_name)s_%(process_num)02d".to_owned());
        }
    }

    fn group(&mut self) -> Option<Group> {
        let mut groups = self.named("group").into_iter();
        let section = groups.next()?;
        let mut reader = section::Reader::new(&section, self.file);
        let group = reader.group(HERE);
        self.faults.append(&mut reader.faults);
        if group.name != self.package {
            let hint = format!("write [group:{}]: group names are shared by the whole machine", self.package);
            self.fault(section.line, format!("the group is called '{}', not as the package", group.name), hint);
        }
        for other in groups {
            self.fault(other.line, "a second group: a package has one", "put all programs into the first");
        }
        Some(group)
    }

    fn members(&mut self, group: Option<&Group>, programs: &[Described]) {
        let Some(group) = group else { return };
        let line = self
            .named("group")
            .first()
            .and_then(|section| section.get("programs").map(|entry| entry.line))
            .unwrap_or(group.line);
        let of =
            |kind: Kind| programs.iter().filter(move |described| described.program.kind == kind).map(Described::name);
        for name in of(Kind::Fcgi).filter(|name| group.programs.iter().any(|member| member == name)) {
            let message = format!("the group names '{name}', which supervisord would start without its socket there");
            self.fault(line, message, "take it out: a FastCGI program is a group of its own");
        }
        let members: Vec<&str> = of(Kind::Program).collect();
        let all: Vec<&str> = members.iter().copied().chain(of(Kind::Fcgi)).collect();
        for name in group.programs.iter().filter(|name| !all.contains(&name.as_str())) {
            let hint = nearest(name, members.iter().copied())
                .map_or_else(|| format!("programs: {}", members.join(" ")), |near| format!("did you mean '{near}'?"));
            self.fault(line, format!("the group names '{name}', which is no program here"), hint);
        }
        for name in members.iter().filter(|name| !group.programs.iter().any(|member| member == *name)) {
            self.fault(line, format!("the group lacks '{name}'"), "a package's programs are one group: add it");
        }
    }

    fn directives(&self, name: &str) -> BTreeMap<String, Vec<Entry>> {
        let about = |section: &&Section| section.parts().0.starts_with("systemd") && section.parts().1 == Some(name);
        let mut all: BTreeMap<String, Vec<Entry>> = BTreeMap::new();
        for section in self.document.sections.iter().filter(about) {
            // As in a unit file, what stands in two sections of one name stands in one.
            all.entry(section.parts().0.to_owned()).or_default().extend(section.entries.iter().cloned());
        }
        all
    }

    /// What programs must agree about, and what a backend cannot have.
    fn agreement(&mut self, programs: &[Described]) {
        let of = |choice: Choice| programs.iter().find(move |program| program.backend == choice);
        if let (Some(fixed), Some(auto)) = (of(Choice::Supervisord), of(Choice::Auto)) {
            let message =
                format!("'{}' is for supervisord, and '{}' is decided on the machine", fixed.name(), auto.name());
            let line = auto.extra.line.max(auto.program.line);
            self.fault(line, message, "supervisord reads one file of a package: give both the same backend");
        }
        let mut processes: BTreeMap<String, &str> = BTreeMap::new();
        for described in programs {
            let (name, line) = (described.name(), described.program.line);
            for process in &described.program.processes {
                let key = format!("{}:{}", super::group_name(self.package, described.program.kind, name), process.name);
                if let Some(other) = processes.insert(key, name).filter(|other| *other != name) {
                    let message = format!("'{name}' and '{other}' both have a process '{}'", process.name);
                    self.fault(line, message, "give them different values of process_name");
                }
            }
            if let (Some(socket), Choice::Supervisord) = (&described.socket, described.backend) {
                let message =
                    format!("[x-socket:{name}], but '{name}' runs under supervisord, which passes no sockets");
                self.fault(socket.line, message, "give it backend = systemd or auto");
            }
            if described.backend == Choice::Supervisord && !described.directives.is_empty() {
                let hint = "give it backend = systemd or auto, or remove the section";
                self.fault(line, format!("[systemd…:{name}], but '{name}' runs under supervisord"), hint);
            }
            // The fragment has other names of sections, and so the program's in their place.
            let section = self.document.sections[described.section].clone();
            let is_cut = |entry: &&Entry| {
                let formats = expand::formats(&entry.value, "program_name");
                formats.iter().any(|format| format != "s")
            };
            if let Some(entry) = section.entries.iter().find(is_cut) {
                let message = format!("'{}' formats the program's name", entry.key);
                self.fault(entry.line, message, "write %(program_name)s, or the name itself");
            }
            if described.socket.is_some() && described.program.kind == Kind::Fcgi {
                let hint = "remove [x-socket]: the program's own socket is passed to it";
                self.fault(line, format!("'{name}' has two sockets"), hint);
            }
        }
    }
}

/// Whether `name` can be a program's, in a section and in a unit's name.
fn is_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
}
