//! The programs that supervisord runs, by supervisorctl.
//!
//! Where only code has changed, one process after another starts again. A change
//! of configuration is taken over as the reference has it: note who runs, stop
//! the group, `update` it, start who ran, stop again who did not. That starts
//! each program once. supervisord rereads all of its files for that, so another
//! package's faulty file is reported and leaves the old configuration.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::settle::{self, Life, Wait};
use super::{Fleet, Row, Verb, orphans};
use crate::appctl::accounts::Accounts;
use crate::appctl::fs::{Attributes, Kind};
use crate::appctl::manager::{self, Action, Outcome};
use crate::appctl::process::Ended;
use crate::appctl::store;
use crate::configuration::manifest::Backend;
use crate::configuration::program::{Choice, Fragment, Group, Service, group_of, groups};
use crate::error::{Diagnostic, Result};

/// A process's state in supervisord's word for it, and its number.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct State {
    word: String,
    process: Option<u32>,
    said: String,
}

impl State {
    /// It runs, or somebody wants it to: who stops one that cannot start makes it STOPPED.
    pub fn is_up(&self) -> bool {
        matches!(self.word.as_str(), "RUNNING" | "STARTING" | "BACKOFF" | "FATAL")
    }
}

/// Processes (`group:name`) and their states.
pub type States = BTreeMap<String, State>;

/// What supervisord says when it reads all files again.
enum Reread {
    /// The groups that differ from what runs.
    Changed(BTreeSet<String>),
    /// A file at fault, maybe another package's.
    Refused(String),
}

const CONFIGURATION: &str = "/etc/supervisor/supervisord.conf";

impl Fleet<'_> {
    /// The states of all processes; `None` where no supervisord answers.
    pub(super) fn states(&self) -> Result<Option<States>> {
        let root = &self.machine.root;
        if !root.is_machine() || root.kind("/usr/bin/supervisorctl")?.is_none() {
            return Ok(None);
        }
        // Python's start is a long way to hear that there is no socket.
        let configuration = root.text(CONFIGURATION).ok().flatten().unwrap_or_default();
        if let Some(path) = socket(&configuration) {
            if root.kind(path)?.is_none() {
                return Ok(None);
            }
        }
        let ended = self.supervisorctl(&["status"])?;
        // 0: all run, 3: some do not, 4: nobody answers.
        Ok(matches!(ended.status, Some(0 | 3)).then(|| states(&ended.output)))
    }

    fn reread(&self) -> Result<Reread> {
        let output = self.supervisorctl(&["reread"])?.output;
        Ok(match refusal(&output) {
            Some(line) => Reread::Refused(line),
            None => Reread::Changed(
                output.lines().filter_map(|line| line.split_once(": ")).map(|(group, _)| group.to_owned()).collect(),
            ),
        })
    }

    fn supervisorctl(&self, words: &[&str]) -> Result<Ended> {
        let words: Vec<&str> = ["supervisorctl"].into_iter().chain(words.iter().copied()).collect();
        self.run(&words)
    }

    /// Take away what supervisord shall no longer read, and stop what it shall no longer run.
    pub(super) fn leave_supervisord(&self) -> Result<Vec<Outcome>> {
        let here = self.of(&self.programs, Backend::Supervisord);
        if let (true, Some(fragment)) = (here.is_empty(), &self.programs.fragment) {
            self.unlink(fragment)?;
        }
        let before = self.before(Backend::Supervisord);
        let gone: Vec<&Service> =
            before.iter().filter(|old| !here.iter().any(|new| new.name == old.name)).copied().collect();
        if gone.is_empty() || !self.is_allowed("stop")? {
            return Ok(Vec::new());
        }
        let is_there = self.states()?.is_some();
        for process in gone.iter().flat_map(|service| processes(service)).filter(|_| is_there) {
            self.supervisorctl(&["stop", &process])?;
        }
        for group in groups(&before).difference(&groups(&here)) {
            if is_there {
                self.supervisorctl(&["remove", group])?;
            }
        }
        // Those that stay are started again afterwards.
        orphans::end(self.machine, &groups(&before), &before)?;
        Ok(Vec::new())
    }

    /// Start or restart what supervisord runs.
    pub(super) fn converge_supervisord(&self) -> Result<Vec<Outcome>> {
        let services = self.of(&self.programs, Backend::Supervisord);
        let Some(fragment) = self.programs.fragment.as_ref().filter(|_| !services.is_empty()) else {
            return Ok(Vec::new());
        };
        if services.iter().any(|service| service.backend == Choice::Auto) {
            self.link(fragment)?;
        }
        self.prune_disabled(fragment)?;
        if !self.is_stale() || !self.machine.root.is_machine() {
            return Ok(Vec::new());
        }
        self.warn_of_namesakes(fragment, &services)?;
        if !self.is_allowed("restart")? {
            let forbidden = |service: &&Service| self.outcome(service, &service.name, Action::Forbidden, None);
            return Ok(services.iter().map(forbidden).collect());
        }
        orphans::end(self.machine, &groups(&services), &services)?;
        let mut outcomes = Vec::new();
        for group in groups(&services) {
            // Asked for each group: supervisord may go away meanwhile.
            let Some(before) = self.states()? else { break };
            outcomes.extend(self.converge_group(&group, &services, &before)?);
        }
        Ok(outcomes)
    }

    fn converge_group(&self, group: &str, services: &[&Service], before: &States) -> Result<Vec<Outcome>> {
        let members: Vec<(&Service, usize, String)> = services
            .iter()
            .filter(|service| group_of(service) == Some(group))
            .flat_map(|service| processes(service).into_iter().enumerate().map(|(index, name)| (*service, index, name)))
            .collect();
        let ran: Vec<&str> = members
            .iter()
            .map(|(_, _, process)| process.as_str())
            .filter(|process| before.get(*process).is_some_and(State::is_up) || self.was_interrupted(process))
            .collect();
        let prefix = format!("{group}:");
        let is_there = before.keys().any(|process| process == group || process.starts_with(&prefix));
        let (is_new, refused) = match self.reread()? {
            Reread::Changed(groups) => (groups.contains(group), None),
            Reread::Refused(line) => (false, Some(line)),
        };
        let mut outcomes = Vec::new();
        if is_new {
            self.interrupt(&ran)?;
            if is_there {
                self.supervisorctl(&["stop", &format!("{group}:*")])?;
            }
            self.supervisorctl(&["update", group])?;
        }
        let mut waiting = Vec::new();
        for (service, index, process) in &members {
            let has_begun = || Ok::<_, crate::error::Error>(self.states()?.is_some_and(|now| has_begun(&now, process)));
            let is_there = before.contains_key(process);
            let (was_up, was_known) = (ran.contains(&process.as_str()), is_there || self.is_at_rest(process));
            if was_up && !is_new && !is_there {
                // supervisord does not know it, and takes nothing new now.
                waiting.push(process.as_str());
                outcomes.push(self.outcome(service, process, Action::NotRunning, None));
                continue;
            }
            outcomes.push(if was_up && is_new {
                self.started(service, *index, process, Action::Restarted)?
            } else if was_up {
                self.restarted(service, *index, process)?
            } else if was_known && is_new {
                self.supervisorctl(&["stop", process])?;
                self.outcome(service, process, Action::NotRunning, None)
            } else if is_new && has_begun()? {
                // New ones start by themselves, where nothing forbids it.
                self.started(service, *index, process, Action::Started)?
            } else {
                self.outcome(service, process, Action::NotRunning, None)
            });
            let has_failed = outcomes.last().is_some_and(|outcome| outcome.action == Action::Failed);
            if has_failed && !is_new && service.instances.len() > index + 1 {
                // The others of this program still serve, with the code that they have.
                break;
            }
        }
        self.resume(&ran.into_iter().filter(|process| !waiting.contains(process)).collect::<Vec<_>>())?;
        if let Some(line) = refused {
            self.machine.printer.diagnostic(
                &Diagnostic::warning(format!("supervisord takes no change of group {group}: {line}")).hint(
                    "correct the file that it names, which may be another package's, then 'supervisorctl update'",
                ),
            );
        }
        Ok(outcomes)
    }

    /// Stop and start; a kill in between is made good by the next converge.
    fn restarted(&self, service: &Service, index: usize, process: &str) -> Result<Outcome> {
        self.interrupt(&[process])?;
        self.supervisorctl(&["stop", process])?;
        let outcome = self.started(service, index, process, Action::Restarted)?;
        self.resume(&[process])?;
        Ok(outcome)
    }

    /// `start` waits for startsecs and says how it went; one that runs already is waited for here.
    fn started(&self, service: &Service, index: usize, process: &str, action: Action) -> Result<Outcome> {
        let ended = self.supervisorctl(&["start", process])?;
        let health = service.instances.get(index).and_then(|instance| instance.health.as_ref());
        // It ends with 0 for one that supervisord has just begun to start by itself, too.
        let runs_already = ended.output.contains("already started");
        if !ended.is_success() && !runs_already && health.is_none() {
            let why = ended.output.lines().next().unwrap_or("supervisord gives no reason").to_owned();
            let fault = Diagnostic::error(format!(
                "'{}' of package {} does not start: {why}",
                service.name, self.programs.package
            ))
            .hint(format!("see 'supervisorctl tail {process} stderr'"));
            return Ok(self.outcome(service, process, action, Some(fault)));
        }
        if ended.is_success() && !runs_already && health.is_none() {
            return Ok(self.outcome(service, process, action, None));
        }
        let why = settle::watch(self.machine, service, Wait { health, stay: Duration::ZERO }, || {
            let states = self.states()?;
            Ok(match states.as_ref().and_then(|states| states.get(process)) {
                Some(state) => life(state, service.start_seconds),
                None => Life::Ended("has no supervisord any more".to_owned()),
            })
        })?;
        Ok(self.settled(service, process, action, why))
    }

    /// Let those of a program's processes that have not read its configuration
    /// start again; supervisord has no reload of a program.
    pub(super) fn renew_processes(
        &self,
        service: &Service,
        has_read: &dyn Fn(Option<u32>) -> bool,
    ) -> Result<Vec<Outcome>> {
        let one = |action| Ok(vec![self.outcome(service, &processes(service).join(" "), action, None)]);
        let Some(states) = self.states()? else { return one(Action::NoManager) };
        let up: Vec<(usize, String)> = (0..)
            .zip(processes(service))
            .filter(|(_, process)| states.get(process).is_some_and(State::is_up) || self.was_interrupted(process))
            .collect();
        if up.is_empty() {
            return one(Action::NotRunning);
        }
        let is_due = |process: &String| !has_read(states.get(process).and_then(|state| state.process));
        let due: Vec<(usize, String)> = up.into_iter().filter(|(_, process)| is_due(process)).collect();
        if due.is_empty() {
            return one(Action::UpToDate);
        }
        if !self.is_allowed("restart")? {
            return one(Action::Forbidden);
        }
        let mut outcomes = Vec::new();
        for (index, process) in due {
            outcomes.push(self.restarted(service, index, &process)?);
            if outcomes.last().is_some_and(|outcome| outcome.action == Action::Failed) {
                break;
            }
        }
        Ok(outcomes)
    }

    /// What policy-rc.d(8) says; it binds maintainer scripts alone.
    fn is_allowed(&self, verb: &str) -> Result<bool> {
        if self.machine.in_maintainer_script {
            manager::is_allowed(self.machine, manager::SUPERVISOR, verb)
        } else {
            Ok(true)
        }
    }

    /// The link to the fragment, unless an administrator has removed it.
    fn link(&self, fragment: &Fragment) -> Result<()> {
        let root = &self.machine.root;
        let mark = format!("{}/linked", store::path(&self.programs.package));
        let Some((directory, name)) = root.parent(&fragment.link)? else { return Ok(()) };
        match directory.kind(&name)? {
            Some(Kind::Link) => {}
            None if root.kind(&mark)?.is_some() => {}
            None => {
                if let Some(missing) = self.missing()? {
                    self.says_why(&format!("{missing} is missing"), "make it, then 'appctl service converge'");
                    return Ok(());
                }
                directory.put_link(&name, &fragment.path)?;
            }
            Some(_) => {
                self.says_why(&format!("{} is not a link to {}", fragment.link, fragment.path), "move it away");
                return Ok(());
            }
        }
        let (state, mark) = root.make_parent(&mark)?;
        state.replace(&mark, b"", store::private())
    }

    /// What supervisord would stumble over, and take no change of any package.
    fn missing(&self) -> Result<Option<String>> {
        let root = &self.machine.root;
        let services = self.of(&self.programs, Backend::Supervisord);
        let accounts: BTreeSet<&String> = services.iter().filter_map(|service| service.user.as_ref()).collect();
        // Whatever a name in there is written in, it is not a package's account.
        let known = root.input("/etc/passwd")?.unwrap_or_default();
        let known = Accounts::parse(&String::from_utf8_lossy(&known), "");
        for account in accounts {
            let elsewhere = || self.run(&["getent", "passwd", account]).map(|ended| ended.is_success());
            if known.user(account).is_err() && !(root.is_machine() && elsewhere()?) {
                return Ok(Some(format!("the account {account}")));
            }
        }
        let logs = services.iter().flat_map(|service| &service.instances).flat_map(|instance| &instance.logs);
        for directory in logs.filter_map(|log| log.rsplit_once('/')).map(|(directory, _)| directory) {
            if root.kind(directory)? != Some(Kind::Directory) {
                return Ok(Some(directory.to_owned()));
            }
        }
        Ok(None)
    }

    /// supervisord makes one of sections of one name, whoever's they are.
    fn warn_of_namesakes(&self, fragment: &Fragment, services: &[&Service]) -> Result<()> {
        let root = &self.machine.root;
        let mut own: BTreeSet<String> = groups(services).iter().map(|group| format!("group:{group}")).collect();
        own.extend(sections_of(services));
        let Some((directory, _)) = fragment.link.rsplit_once('/') else { return Ok(()) };
        let others = root.names(directory)?.unwrap_or_default();
        for path in others.iter().filter(|name| name.ends_with(".conf")).map(|name| format!("{directory}/{name}")) {
            if path == fragment.link || path == fragment.disabled_link {
                continue;
            }
            // One that cannot be read is another's, and supervisord's to complain of.
            let text = root.text(&path).ok().flatten().unwrap_or_default();
            let mut sections = text.lines().filter_map(|line| line.trim().strip_prefix('[')?.strip_suffix(']'));
            if let Some(section) = sections.find(|section| own.contains(*section)) {
                let text = format!("{path} has a section [{section}], too: supervisord makes one of both");
                self.machine.printer.diagnostic(
                    &Diagnostic::warning(text)
                        .hint(format!("give it another name there: {} has that one", self.programs.package)),
                );
            }
        }
        Ok(())
    }

    fn says_why(&self, why: &str, hint: &str) {
        let text = format!("{}: supervisord does not get its programs: {why}", self.programs.package);
        self.machine.printer.diagnostic(&Diagnostic::warning(text).hint(hint));
    }

    fn unlink(&self, fragment: &Fragment) -> Result<()> {
        let mark = format!("{}/linked", store::path(&self.programs.package));
        for path in [&fragment.link, &fragment.disabled_link, &mark] {
            if let Some((directory, name)) = self.machine.root.parent(path)? {
                directory.unlink(&name)?;
            }
        }
        Ok(())
    }

    /// A section of a program that is gone would stop every update: it has no command.
    pub(super) fn prune_disabled(&self, fragment: &Fragment) -> Result<()> {
        let sections = self.disabled(fragment)?;
        let known = sections_of(&self.of(&self.programs, Backend::Supervisord));
        self.write_disabled(fragment, &sections.intersection(&known).cloned().collect())
    }

    pub(super) fn disabled(&self, fragment: &Fragment) -> Result<BTreeSet<String>> {
        let text = self.machine.root.text(&fragment.disabled)?.unwrap_or_default();
        let section = |line: &str| Some(line.trim().strip_prefix('[')?.strip_suffix(']')?.to_owned());
        Ok(text.lines().filter_map(section).collect())
    }

    pub(super) fn write_disabled(&self, fragment: &Fragment, sections: &BTreeSet<String>) -> Result<()> {
        let root = &self.machine.root;
        let place = root.parent(&fragment.disabled_link)?;
        if sections.is_empty() {
            for path in [&fragment.disabled_link, &fragment.disabled] {
                if let Some((directory, name)) = root.parent(path)? {
                    directory.unlink(&name)?;
                }
            }
            return Ok(());
        }
        let mut text = "# Programs that do not start by themselves, by 'appctl service disable'.\n".to_owned();
        text.extend(sections.iter().map(|section| format!("\n[{section}]\nautostart = false\n")));
        let (directory, name) = root.make_parent(&fragment.disabled)?;
        directory.replace(&name, text.as_bytes(), Attributes { mode: 0o644, ..store::private() })?;
        let Some((directory, name)) = place else { return Ok(()) };
        // Without the fragment the sections would have no command.
        match root.kind(&fragment.link)?.is_some() {
            true => directory.put_link(&name, &fragment.disabled),
            false => directory.unlink(&name),
        }
    }

    /// What a person has asked for.
    pub(super) fn supervisord_act(&self, verb: Verb, service: &Service) -> Result<Vec<Outcome>> {
        let Some(Group { group, section }) = &service.supervisord else { return Ok(Vec::new()) };
        if let (Verb::Enable | Verb::Disable, Some(fragment)) = (verb, &self.programs.fragment) {
            let mut sections = self.disabled(fragment)?;
            if verb == Verb::Enable {
                sections.remove(section);
            } else {
                sections.insert(section.clone());
            }
            self.write_disabled(fragment, &sections)?;
            if verb == Verb::Enable {
                return Ok(vec![self.outcome(service, group, Action::Enabled, None)]);
            }
        }
        let Some(known) = self.states()? else {
            let action = if verb == Verb::Disable { Action::Disabled } else { Action::NoManager };
            return Ok(vec![self.outcome(service, group, action, None)]);
        };
        // Installed where policy-rc.d forbids a start, supervisord has not heard of it yet.
        if matches!(verb, Verb::Start | Verb::Restart) && !processes(service).iter().any(|one| known.contains_key(one))
        {
            if let Reread::Changed(groups) = self.reread()? {
                if groups.contains(group) {
                    self.supervisorctl(&["update", group])?;
                }
            }
        }
        let mut outcomes = Vec::new();
        for (index, instance) in service.instances.iter().enumerate() {
            let process = name(group, &instance.process);
            outcomes.push(match verb {
                Verb::Start | Verb::Enable => self.started(service, index, &process, Action::Started)?,
                Verb::Stop | Verb::Disable => {
                    self.resume(&[&process])?;
                    self.supervisorctl(&["stop", &process])?;
                    let action = if verb == Verb::Stop { Action::Stopped } else { Action::Disabled };
                    self.outcome(service, &process, action, None)
                }
                Verb::Restart => self.restarted(service, index, &process)?,
            });
            if outcomes.last().is_some_and(|outcome| outcome.action == Action::Failed) {
                break;
            }
        }
        Ok(outcomes)
    }

    /// Each process with supervisord's word for its state.
    pub(super) fn supervisord_status(&self) -> Result<Vec<Row>> {
        let services = self.of(&self.programs, Backend::Supervisord);
        if services.is_empty() {
            return Ok(Vec::new());
        }
        let states = self.states()?;
        let mut rows = Vec::new();
        for service in services {
            for instance in &service.instances {
                let process = name(group_of(service).unwrap_or_default(), &instance.process);
                let state = match &states {
                    Some(states) => states.get(&process).map_or("unknown to supervisord", |state| state.word.as_str()),
                    None => "no supervisord answers",
                };
                rows.push(Row {
                    program: service.name.clone(),
                    is_well: state == "RUNNING",
                    state: state.to_owned(),
                    unit: process,
                    backend: Backend::Supervisord,
                });
            }
        }
        Ok(rows)
    }
}

fn sections_of(services: &[&Service]) -> BTreeSet<String> {
    services.iter().filter_map(|service| Some(service.supervisord.as_ref()?.section.clone())).collect()
}

/// supervisord shows a process called as its group by that name alone.
fn name(group: &str, process: &str) -> String {
    if group == process { process.to_owned() } else { format!("{group}:{process}") }
}

/// Why an update was refused. A file at fault comes as an exception of
/// supervisorctl's own: `error: <class …>, <Fault 92: 'CANT_REREAD: …'>: file: …`.
pub fn refusal(output: &str) -> Option<String> {
    let line = output.lines().find(|line| line.to_ascii_lowercase().starts_with("error"))?;
    let inner = line.split_once("CANT_REREAD: ").and_then(|(_, rest)| rest.split_once(['>']));
    Some(inner.map_or(line, |(why, _)| why.trim_end_matches(['\'', '"'])).to_owned())
}

/// Whether supervisord has started it, whatever came of it.
fn has_begun(states: &States, process: &str) -> bool {
    states.get(process).is_some_and(|state| state.is_up() || state.word == "EXITED")
}

/// As a start that was asked for.
fn life(state: &State, start_seconds: u32) -> Life {
    match state.word.as_str() {
        "RUNNING" => Life::Up,
        "STARTING" => Life::Starting,
        // Up at once, and done since.
        "EXITED" if start_seconds == 0 => Life::Up,
        _ => Life::Ended(format!("has ended (supervisord: {})", state.said)),
    }
}

/// `group:process  RUNNING  pid 123, uptime 0:00:05`, a line each.
pub fn states(output: &str) -> States {
    let pair = |line: &str| {
        let (name, rest) = line.split_once(char::is_whitespace)?;
        let mut words = rest.split_whitespace();
        let word = words.next()?.to_owned();
        let process =
            words.skip_while(|word| *word != "pid").nth(1).and_then(|word| word.trim_end_matches(',').parse().ok());
        let said = rest.split_whitespace().collect::<Vec<_>>().join(" ");
        Some((name.to_owned(), State { word, process, said }))
    };
    output.lines().filter_map(pair).collect()
}

/// The socket that supervisorctl speaks to, where it is one in the file system.
pub fn socket(configuration: &str) -> Option<&str> {
    let mut lines = configuration.lines().map(str::trim).skip_while(|line| *line != "[supervisorctl]").skip(1);
    let section = lines.by_ref().take_while(|line| !line.starts_with('['));
    let url = section.filter_map(|line| line.split_once('=')).find(|(key, _)| key.trim() == "serverurl")?.1;
    let path = url.split(" ;").next()?.trim().strip_prefix("unix://")?;
    path.starts_with('/').then_some(path)
}

/// A program's processes by their names for supervisorctl.
pub(super) fn processes(service: &Service) -> Vec<String> {
    let group = group_of(service).unwrap_or_default();
    service.instances.iter().map(|instance| name(group, &instance.process)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_are_read_from_every_line() {
        let all = states("notes:web    RUNNING   pid 7, uptime 0:00:05\nnotes        STOPPED   Nov 21 11:00 AM\n");
        assert!(all["notes:web"].is_up() && all["notes:web"].process == Some(7));
        assert!(!all["notes"].is_up());
        assert_eq!(life(&all["notes"], 1), Life::Ended("has ended (supervisord: STOPPED Nov 21 11:00 AM)".to_owned()));
        let exited = &states("a:b  EXITED  Nov 21 11:00 AM")["a:b"];
        assert_eq!((life(exited, 0), life(exited, 1) == Life::Up), (Life::Up, false));
        let file = "[unix_http_server]\nfile=/x\n[supervisorctl]\nserverurl = unix:///run/s.sock ; ours\n[include]\n";
        assert_eq!(socket(file), Some("/run/s.sock"));
        assert_eq!(socket("[supervisorctl]\nserverurl=http://localhost:9001\n"), None);
        let fault = "error: <class 'xmlrpc.client.Fault'>, <Fault 92: \"CANT_REREAD: Invalid user name x\">: file: y";
        assert_eq!(refusal(fault).as_deref(), Some("Invalid user name x"));
        assert_eq!(refusal("notes: stopped\nnotes: updated process group\n"), None);
        assert_eq!((name("notes", "notes"), name("notes", "web")), ("notes".to_owned(), "notes:web".to_owned()));
    }
}
