//! What a package ships for its programs: files, snippets, dependencies.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde::Serialize;

use super::description::{Described, Description};
use super::places::{self, Use};
use super::unit::{self, Units};
use super::value::LogFile;
use super::{fragment, group_name, health, section_name};
use crate::configuration::place::{Place, is_normal};
use crate::configuration::program::{Choice, FILE, FORMAT, Fragment, Group, Instance, LogDirectory, Programs, Service};
use crate::debian::script::Script;
use crate::error::{Diagnostic, Error, Location, Result, Severity};
use crate::foreign::printable_line;
use crate::render::render;

/// What the source package says besides.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Found {
    /// Accounts that other files of the package make.
    pub accounts: BTreeSet<String>,
    /// Files of sysusers.d whose accounts may not be there yet when this helper's
    /// directories are made: dh_appconfig's snippet can stand behind ours.
    pub sysusers: Vec<String>,
    /// Of [`log_directories`], those that the package ships.
    pub directories: BTreeSet<String>,
    /// Directories that other files of the package give to accounts, with these.
    pub declared: BTreeMap<String, String>,
}

/// What is to be done for a package.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Absolute paths in the package, with their contents. Mode 0644.
    pub files: BTreeMap<String, String>,
    /// Snippets, in the order in which they are added.
    pub snippets: Vec<Snippet>,
    /// Items of `${misc:Depends}`.
    pub depends: Vec<String>,
    /// What the packager should know.
    pub warnings: Vec<Diagnostic>,
}

/// A part of a maintainer script.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snippet {
    /// The script.
    pub script: Script,
    /// Whether it belongs to the part that starts and stops services.
    pub service: bool,
    /// Its text.
    pub body: String,
}

/// The accounts of base-passwd that programs run as; no package makes them.
const STATIC_ACCOUNTS: [&str; 18] = [
    "root", "daemon", "bin", "sys", "sync", "games", "man", "lp", "mail", "news", "uucp", "proxy", "www-data",
    "backup", "list", "irc", "gnats", "nobody",
];

/// Directories of root's that are there on every machine, as far as logs go.
const KNOWN_DIRECTORIES: [&str; 3] = ["/var/log", "/var/log/supervisor", "/run"];

/// Everything for `package`, or every fault. `file` is where the description stands.
pub fn plan(package: &str, description: &Description, file: &Path, found: &Found) -> Result<Outcome> {
    let mut planner = Planner { package, description, file, found, faults: Vec::new(), outcome: Outcome::default() };
    let programs = planner.programs();
    planner.accounts();
    planner.working_directories();
    planner.places();
    planner.devices();
    if planner.faults.iter().any(|fault| fault.severity == Severity::Error) {
        return Err(Error::Failed(planner.faults));
    }
    planner.outcome.warnings = std::mem::take(&mut planner.faults);
    planner.files(&programs)?;
    planner.snippets(&programs)?;
    planner.depends();
    Ok(planner.outcome)
}

/// The directories in which log files of the description stand.
pub fn log_directories(description: &Description) -> BTreeSet<String> {
    description.programs.iter().flat_map(logs).map(|log| log.directory().to_owned()).collect()
}

/// The log files that root opens for a program.
fn logs(described: &Described) -> Vec<Place> {
    let mut all = Vec::new();
    for opened in places::opened(described).into_iter().filter(|opened| opened.what == Use::Log && opened.is_whole) {
        all.extend(opened.place.ok().filter(|place| !all.contains(place)));
    }
    all
}

struct Planner<'a> {
    package: &'a str,
    description: &'a Description,
    file: &'a Path,
    found: &'a Found,
    faults: Vec<Diagnostic>,
    outcome: Outcome,
}

impl Planner<'_> {
    fn fault(&mut self, line: usize, message: String, hint: impl Into<String>) {
        self.faults.push(Diagnostic::error(message).at(Location::line(self.file, line)).hint(hint));
    }

    fn programs(&mut self) -> Programs {
        let mut all = Programs {
            format: FORMAT,
            package: self.package.to_owned(),
            fragment: self.description.supervisord().then(|| files(self.package)),
            programs: Vec::new(),
            log_directories: self.log_directories(),
        };
        for described in &self.description.programs {
            let units = described.backend.systemd().then(|| {
                let (units, faults) = unit::units(self.package, self.description, described, self.file);
                self.faults.extend(faults);
                units
            });
            let units = units.flatten();
            match health::checks(self.package, &described.program, &described.extra, self.file) {
                Ok(checks) => all.programs.push(service(self.package, described, units.as_ref(), checks)),
                Err(fault) => self.faults.push(fault),
            }
            if let Some(units) = units {
                for (name, text) in units.files {
                    self.outcome.files.insert(format!("/usr/lib/systemd/system/{name}"), text);
                }
            }
        }
        all
    }

    /// Accounts that installing the package makes.
    fn made(&self) -> BTreeSet<&str> {
        let users = self.description.programs.iter().filter_map(|described| described.account().map(String::as_str));
        users
            .filter(|user| self.description.header.accounts && !STATIC_ACCOUNTS.contains(user))
            .filter(|user| !user.chars().all(|c| c.is_ascii_digit()) && !self.found.accounts.contains(*user))
            .collect()
    }

    fn accounts(&mut self) {
        for described in &self.description.programs {
            let program = &described.program;
            let Some(user) = described.account() else {
                let warning = Diagnostic::warning(format!("'{}' runs as root", program.name))
                    .at(Location::line(self.file, program.line))
                    .hint("add user = NAME; the account is made at installation");
                self.faults.push(warning);
                continue;
            };
            let line = program.given.get("user").copied().unwrap_or(program.line);
            let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-_".contains(c);
            if user.is_empty() || user.len() > 31 || !user.chars().all(plain) || user.starts_with('-') {
                self.fault(line, format!("'user' is '{user}'"), "lower-case letters, digits, '-' and '_', at most 31");
            } else if user.chars().all(|c| c.is_ascii_digit()) {
                self.fault(
                    line,
                    format!("'user' is the number {user}"),
                    "write a name: numbers differ between machines",
                );
            }
        }
    }

    /// Debian's supervisord is a service of systemd's: its standard output is no
    /// file that can be opened, and the program would not start.
    fn devices(&mut self) {
        for described in self.description.programs.iter().filter(|described| described.backend == Choice::Supervisord) {
            let given = &described.program.given;
            let streams = described.program.processes.iter().flat_map(|process| &process.streams);
            let device = streams.filter_map(|stream| match &stream.file {
                LogFile::Path(path) if path.starts_with("/dev/") && path != "/dev/null" => Some(path),
                _ => None,
            });
            let Some(path) = device.into_iter().next() else { continue };
            let line = ["stdout_logfile", "stderr_logfile"].into_iter().find_map(|key| given.get(key));
            let warning = Diagnostic::warning(format!("{path} cannot be opened by a supervisord that systemd runs"))
                .at(Location::line(self.file, *line.unwrap_or(&described.program.line)))
                .hint("leave the log file out, or name one: supervisord keeps the output itself");
            self.faults.push(warning);
        }
    }

    fn working_directories(&mut self) {
        for described in &self.description.programs {
            let program = &described.program;
            let directories = program.processes.iter().filter_map(|process| process.directory.as_deref());
            // What is not absolute is supervisord's own affair, and systemd's fault.
            let wrong = directories.filter(|directory| directory.starts_with('/') && *directory != "/");
            let wrong = wrong.filter_map(|directory| {
                let why = is_normal(directory.trim_end_matches('/')).err()?;
                Some((directory, why))
            });
            let Some((directory, why)) = wrong.into_iter().next() else { continue };
            let line = program.given.get("directory").copied().unwrap_or(program.line);
            self.fault(
                line,
                format!("'directory' is '{}', which {why}", printable_line(directory)),
                "write the absolute path that is meant",
            );
        }
    }

    /// What root opens stands where nobody else can put a link; and supervisord refuses
    /// every package's changes where the directory of one log is missing.
    fn places(&mut self) {
        let own: BTreeSet<String> = self.directories().into_keys().map(|name| format!("/var/log/{name}")).collect();
        let foreign = places::foreign(self.package, self.description, &self.found.declared);
        for described in &self.description.programs {
            for opened in places::opened(described) {
                let word = opened.what.word();
                let place = match opened.place {
                    Ok(place) => place,
                    Err(why) => {
                        self.fault(opened.line, format!("the path of {word} {why}"), Place::CURE);
                        continue;
                    }
                };
                let holder = foreign.iter().rev().find(|(directory, _)| place.is_below(directory));
                if let Some((directory, account)) = holder {
                    let whose = account.as_ref().map_or("everybody".to_owned(), |account| format!("'{account}'"));
                    let message = format!(
                        "{word} {place} stands in {directory}, where {whose} may put a link: root opens what it leads to"
                    );
                    self.fault(opened.line, message, self.cure(opened.what, directory));
                    continue;
                }
                let directory = place.directory();
                let is_there = KNOWN_DIRECTORIES.contains(&directory)
                    || own.contains(directory)
                    || self.found.directories.contains(directory);
                if opened.what == Use::Log && opened.is_whole && !is_there {
                    self.fault(
                        opened.line,
                        format!("the log file {place} stands in a directory that is not there"),
                        format!(
                            "log to /var/log/{}/, or ship the directory (debian/{}.dirs)",
                            self.package, self.package
                        ),
                    );
                }
            }
        }
    }

    fn cure(&self, what: Use, directory: &str) -> String {
        let package = self.package;
        match what {
            Use::Log if directory == format!("/var/log/{package}") => {
                format!("leave {directory} to root: what the program itself writes goes to {directory}/{}", places::OWN)
            }
            Use::Log => format!("log to /var/log/{package}/, which is root's, or leave the log file out"),
            Use::Socket => format!("use a name in /run itself, such as /run/{package}.sock"),
            Use::Input => format!("put the file into /etc/{package}/, and leave that directory to root"),
        }
    }

    /// The account of a directory below /var/log in which root opens files.
    fn rooted(&self) -> BTreeMap<String, String> {
        let rooted = places::rooted(self.package, self.description);
        let named = self.directories().into_iter().filter(|(name, _)| rooted.contains(name));
        named.filter_map(|(name, user)| user.filter(|user| user != "root").map(|user| (name, user))).collect()
    }

    fn log_directories(&self) -> Vec<LogDirectory> {
        let of = |(name, user): (String, String)| LogDirectory {
            path: format!("/var/log/{name}"),
            group: Some(self.group(&user).to_owned()).filter(|group| group != "-"),
            user,
            own: places::OWN.to_owned(),
        };
        self.rooted().into_iter().map(of).collect()
    }

    /// Names of directories, and whose they are.
    fn directories(&self) -> BTreeMap<String, Option<String>> {
        let of = |described: &Described| {
            (places::directories(self.package, self.description, described), described.account().cloned())
        };
        self.description.programs.iter().map(of).collect()
    }

    fn put(&mut self, path: String, text: String) {
        self.outcome.files.insert(path, text);
    }

    fn files(&mut self, programs: &Programs) -> Result<()> {
        let package = self.package;
        let json = serde_json::to_string_pretty(programs)
            .map_err(|error| Error::failed(format!("cannot write the programs down: {error}")))?;
        self.put(format!("/usr/share/appctl/{package}/{FILE}"), json + "\n");
        if let Some(text) = fragment::text(package, self.description) {
            self.put(files(package).path, text);
        }
        let accounts: String =
            self.made().iter().map(|user| format!("u {user} - \"{package}\" /var/lib/{package}\n")).collect();
        if !accounts.is_empty() {
            self.put(format!("/usr/lib/sysusers.d/{}", configuration(package)), accounts);
        }
        self.put(format!("/usr/lib/tmpfiles.d/{}", configuration(package)), self.tmpfiles());
        let rotated = self.rotated();
        if !rotated.is_empty() {
            let text = render("supervisord/logrotate", &serde_json::json!({ "logs": rotated }))?;
            self.put(format!("/etc/logrotate.d/{package}-programs"), text);
        }
        Ok(())
    }

    /// The group of an account, where it is known to have its name.
    fn group<'a>(&self, user: &'a str) -> &'a str {
        let named = self.made().contains(user) || self.found.accounts.contains(user);
        match user {
            "nobody" | "sync" => "nogroup",
            _ if named || STATIC_ACCOUNTS.contains(&user) => user,
            _ => "-",
        }
    }

    fn tmpfiles(&self) -> String {
        let mut text = String::new();
        let rooted = self.rooted();
        for (name, user) in self.directories() {
            let user = user.as_deref().unwrap_or("root");
            let group = self.group(user);
            for (directory, mode) in
                [("/var/lib", "0750"), ("/var/cache", "0750"), ("/var/log", "0750"), ("/run", "0755")]
            {
                if directory == "/var/log" && rooted.contains_key(&name) {
                    // Without a group of the account's that is known, it passes as everybody.
                    let mode = if group == "-" { "0751" } else { mode };
                    text.push_str(&format!("d {directory}/{name} {mode} root {group} -\n"));
                    text.push_str(&format!("d {directory}/{name}/{} 0750 {user} {group} -\n", places::OWN));
                    continue;
                }
                text.push_str(&format!("d {directory}/{name} {mode} {user} {group} -\n"));
            }
        }
        for log in self.rotated() {
            let (user, group) = (log.user.as_deref().unwrap_or("root"), log.group.as_deref().unwrap_or("-"));
            text.push_str(&format!("f {} 0640 {user} {group} -\n", log.path));
        }
        text
    }

    /// Log files that systemd writes and nobody rotates; supervisord rotates its own.
    fn rotated(&self) -> Vec<Rotated> {
        let mut all: Vec<Rotated> = Vec::new();
        for described in self.description.programs.iter().filter(|described| described.backend.systemd()) {
            let user = described.account().cloned().filter(|user| user != "root");
            let group = user.as_deref().map(|user| self.group(user).to_owned()).filter(|group| group != "-");
            for stream in described.program.processes.iter().flat_map(|process| &process.streams) {
                let LogFile::Path(path) = &stream.file else { continue };
                let Ok(path) = Place::new(path) else { continue };
                if !places::is_log(path.as_str()) || stream.maxbytes == 0 || all.iter().any(|log| log.path == path) {
                    continue;
                }
                let (user, group) = (user.clone().filter(|_| group.is_some()), group.clone());
                all.push(Rotated { path, size: stream.maxbytes, backups: stream.backups.max(0), user, group });
            }
        }
        all
    }

    fn add(&mut self, script: Script, service: bool, template: &str, data: &impl Serialize) -> Result<()> {
        let body = render(&format!("supervisord/{template}.sh"), data)?;
        self.outcome.snippets.push(Snippet { script, service, body });
        Ok(())
    }

    fn snippets(&mut self, programs: &Programs) -> Result<()> {
        let data = self.data(programs);
        self.add(Script::Postinst, false, "postinst", &data)?;
        if !data.enable.is_empty() || !data.known.is_empty() {
            self.add(Script::Postinst, true, "postinst-enable", &data)?;
        }
        if data.fragments && !self.description.auto() {
            self.add(Script::Postinst, true, "postinst-link", &data)?;
        }
        self.add(Script::Postinst, true, "postinst-converge", &data)?;
        self.add(Script::Prerm, true, "stop", &data)?;
        // Each of these stands before what was added earlier.
        self.add(Script::Postrm, false, "postrm", &data)?;
        // A version that was unpacked and never configured is removed by this script alone.
        self.add(Script::Postrm, false, "stop", &Data { is_gone: true, ..data })
    }

    fn data(&self, programs: &Programs) -> Data {
        let files = files(self.package);
        let systemd = |wanted: bool| {
            let of = programs.programs.iter().filter(move |service| {
                // appctl enables what is decided on the machine.
                service.backend == Choice::Systemd && service.autostart == wanted
            });
            of.filter_map(|service| service.systemd.as_ref()).flat_map(|units| units.enable.clone()).collect()
        };
        let under_supervisord = self.description.programs.iter().filter(|described| described.backend.supervisord());
        let groups: BTreeSet<String> = programs
            .programs
            .iter()
            .filter_map(|service| service.supervisord.clone())
            .map(|group| group.group)
            .collect();
        let own = (!self.made().is_empty()).then(|| configuration(self.package)).into_iter();
        Data {
            package: self.package.to_owned(),
            is_gone: false,
            fragments: self.description.supervisord(),
            configuration: configuration(self.package),
            sysusers: own.chain(self.found.sysusers.iter().cloned()).collect(),
            enable: systemd(true),
            known: systemd(false),
            units: self.units(),
            groups: groups.into_iter().collect(),
            users: under_supervisord
                .clone()
                .filter_map(|described| described.account().cloned())
                .collect::<BTreeSet<_>>()
                .into_iter()
                .collect(),
            log_directories: under_supervisord
                .flat_map(logs)
                .map(|log| log.directory().to_owned())
                .collect::<BTreeSet<_>>()
                .into_iter()
                .collect(),
            directories: self.directories().into_keys().collect(),
            mends: !self.rooted().is_empty(),
            state: format!("/var/lib/appctl/{}", self.package),
            fragment: files.path,
            link: files.link,
            disabled: files.disabled,
            disabled_link: files.disabled_link,
        }
    }

    /// Every unit that is to be stopped, but for templates.
    fn units(&self) -> Vec<String> {
        let mut all = Vec::new();
        for described in self.description.programs.iter().filter(|described| described.backend.systemd()) {
            let (units, _) = unit::units(self.package, self.description, described, self.file);
            all.extend(units.map(|units| units.all()).unwrap_or_default());
        }
        all
    }

    fn depends(&mut self) {
        // What the snippets call, from the version on that has it.
        let runtime = if self.rooted().is_empty() { "appctl" } else { "appctl (>= 0.1.0)" };
        let mut add = |item: &str| self.outcome.depends.push(item.to_owned());
        add(runtime);
        add("systemd | systemd-standalone-tmpfiles | systemd-tmpfiles");
        if self.description.auto() {
            add("systemd-sysv | supervisor");
        } else if self.description.supervisord() {
            add("supervisor");
        }
        if !self.made().is_empty() {
            self.outcome.depends.push("systemd | systemd-standalone-sysusers | systemd-sysusers".to_owned());
        }
    }
}

/// The name of the package's files in sysusers.d and tmpfiles.d.
fn configuration(package: &str) -> String {
    format!("{package}-programs.conf")
}

/// Where supervisord's files of a package are.
pub fn files(package: &str) -> Fragment {
    Fragment {
        path: format!("/etc/{package}/supervisord.conf"),
        link: format!("/etc/supervisor/conf.d/{package}.conf"),
        disabled: format!("/etc/{package}/supervisord-disabled.conf"),
        // Behind the other one in the order in which supervisord reads.
        disabled_link: format!("/etc/supervisor/conf.d/{package}.conf.disabled.conf"),
    }
}

fn service(
    package: &str,
    described: &Described,
    units: Option<&Units>,
    checks: Vec<Option<crate::configuration::program::Health>>,
) -> Service {
    let program = &described.program;
    let group = group_name(package, program.kind, &program.name);
    // Those that the packager's directives name; each process has those of its streams.
    let streams = program.processes.iter().flat_map(|process| &process.streams).map(|stream| &stream.file);
    let streams: BTreeSet<&str> = streams
        .filter_map(|file| match file {
            LogFile::Path(path) => Some(path.as_str()),
            _ => None,
        })
        .collect();
    let directives: Vec<Place> = logs(described).into_iter().filter(|log| !streams.contains(log.as_str())).collect();
    let instances = program.processes.iter().zip(checks).enumerate().map(|(index, (process, health))| Instance {
        process: process.name.clone(),
        unit: units.and_then(|units| units.instances.get(index).cloned()),
        health,
        logs: process
            .streams
            .iter()
            .filter_map(|stream| match &stream.file {
                LogFile::Path(path) if places::is_log(path) => Some(path.clone()),
                _ => None,
            })
            .chain(directives.iter().map(ToString::to_string))
            .collect(),
    });
    Service {
        name: program.name.clone(),
        backend: described.backend,
        order: program.priority,
        autostart: program.autostart,
        start_seconds: program.startsecs,
        stop_seconds: program.stopwaitsecs,
        on_failure: described.extra.on_failure,
        user: described.account().cloned(),
        instances: instances.collect(),
        systemd: units.map(|units| crate::configuration::program::Units {
            unit: units.unit.clone(),
            enable: units.enable.clone(),
            sockets: units.sockets.clone(),
        }),
        supervisord: described.backend.supervisord().then(|| Group {
            group,
            section: format!("{}:{}", program.kind.word(), section_name(package, &program.name)),
        }),
    }
}

/// A log file for logrotate(8).
#[derive(Debug, Serialize)]
struct Rotated {
    path: Place,
    size: u64,
    backups: i64,
    user: Option<String>,
    group: Option<String>,
}

/// What the snippets are filled with.
#[derive(Debug, Serialize)]
struct Data {
    package: String,
    /// Whether the units' files are gone by then.
    is_gone: bool,
    /// Whether supervisord gets a file.
    fragments: bool,
    configuration: String,
    sysusers: Vec<String>,
    enable: Vec<String>,
    known: Vec<String>,
    units: Vec<String>,
    groups: Vec<String>,
    users: Vec<String>,
    log_directories: Vec<String>,
    directories: Vec<String>,
    /// Whether root opens log files in a directory that may have been an account's.
    mends: bool,
    state: String,
    fragment: String,
    link: String,
    disabled: String,
    disabled_link: String,
}
