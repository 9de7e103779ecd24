//! The programs that supervisord runs, by supervisorctl.
//!
//! A change of configuration is taken over as the reference has it: note who
//! runs, stop the group, `update` it, start who ran, stop again who did not.
//! That starts each program once. supervisord rereads all of its files for that,
//! so another package's faulty file is reported and leaves the old configuration.

use std::collections::{BTreeMap, BTreeSet};

use super::{Fleet, Row, Verb};
use crate::appctl::fs::Attributes;
use crate::appctl::process::Ended;
use crate::appctl::service::{self, Action, Outcome};
use crate::appctl::store;
use crate::configuration::manifest::Backend;
use crate::configuration::program::{Choice, Fragment, Group, Service};
use crate::error::{Diagnostic, Result};

/// Processes (`group:name`) and supervisord's word for their state.
type States = BTreeMap<String, String>;

impl Fleet<'_> {
    /// The states of all processes; `None` where no supervisord answers.
    fn states(&self) -> Result<Option<States>> {
        let root = &self.machine.root;
        if !root.is_machine() || root.kind("/usr/bin/supervisorctl")?.is_none() {
            return Ok(None);
        }
        let ended = self.supervisorctl(&["status"])?;
        // 0: all run, 3: some do not, 4: nobody answers.
        Ok(matches!(ended.status, Some(0 | 3)).then(|| states(&ended.output)))
    }

    fn supervisorctl(&self, words: &[&str]) -> Result<Ended> {
        let words: Vec<&str> = ["supervisorctl"].into_iter().chain(words.iter().copied()).collect();
        service::run(self.machine, &words)
    }

    /// Take away what supervisord shall no longer read, and stop what it shall no longer run.
    pub(super) fn leave_supervisord(&self) -> Result<Vec<Outcome>> {
        let here = groups(&self.of(&self.programs, Backend::Supervisord));
        if let (true, Some(fragment)) = (here.is_empty(), &self.programs.fragment) {
            self.unlink(fragment)?;
        }
        let gone: Vec<String> =
            groups(&self.before(Backend::Supervisord)).into_iter().filter(|group| !here.contains(group)).collect();
        if gone.is_empty() || self.states()?.is_none() || !self.is_allowed("stop")? {
            return Ok(Vec::new());
        }
        for group in gone {
            self.supervisorctl(&["stop", &format!("{group}:*")])?;
            self.supervisorctl(&["remove", &group])?;
        }
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
        if !self.is_stale() {
            return Ok(Vec::new());
        }
        let Some(before) = self.states()? else { return Ok(Vec::new()) };
        if !self.is_allowed("restart")? {
            let forbidden = |service: &&Service| self.outcome(service, &service.name, Action::Forbidden, None);
            return Ok(services.iter().map(forbidden).collect());
        }
        let mut outcomes = Vec::new();
        for group in groups(&services) {
            outcomes.extend(self.converge_group(&group, &services, &before)?);
        }
        Ok(outcomes)
    }

    fn converge_group(&self, group: &str, services: &[&Service], before: &States) -> Result<Vec<Outcome>> {
        let prefix = format!("{group}:");
        let was_there = before.keys().any(|process| process.starts_with(&prefix));
        if was_there {
            self.supervisorctl(&["stop", &format!("{group}:*")])?;
        }
        let updated = self.supervisorctl(&["update", group])?;
        let refused = refusal(&updated.output);
        let mut outcomes = Vec::new();
        for service in services.iter().filter(|service| group_of(service) == Some(group)) {
            for (index, instance) in service.instances.iter().enumerate() {
                let process = name(group, &instance.process);
                let ran = before.get(&process).map(|state| is_up(state));
                outcomes.push(match ran {
                    Some(true) => self.started(service, index, &process, Action::Restarted)?,
                    // New ones start by themselves, where nothing forbids it.
                    None if was_there && refused.is_some() => self.outcome(service, &process, Action::NotRunning, None),
                    None if self.has_begun(&process)? => self.started(service, index, &process, Action::Started)?,
                    None => self.outcome(service, &process, Action::NotRunning, None),
                    Some(false) => {
                        self.supervisorctl(&["stop", &process])?;
                        self.outcome(service, &process, Action::NotRunning, None)
                    }
                });
            }
        }
        if let Some(line) = refused {
            self.machine.printer.diagnostic(
                &Diagnostic::warning(format!("supervisord takes no change of group {group}: {line}")).hint(
                    "correct the file that it names, which may be another package's, then 'supervisorctl update'",
                ),
            );
        }
        Ok(outcomes)
    }

    fn has_begun(&self, process: &str) -> Result<bool> {
        let now = self.states()?.unwrap_or_default();
        Ok(now.get(process).is_some_and(|state| is_up(state) || state == "FATAL" || state == "EXITED"))
    }

    /// `start` waits for startsecs and says how it went; one that runs already is fine.
    fn started(&self, service: &Service, index: usize, process: &str, action: Action) -> Result<Outcome> {
        let ended = self.supervisorctl(&["start", process])?;
        if ended.is_success() || ended.output.contains("already started") {
            return Ok(self.settled(service, index, process, action));
        }
        let why = ended.output.lines().next().unwrap_or("supervisord gives no reason").to_owned();
        let fault = Diagnostic::error(format!("{process} does not start: {why}"))
            .hint(format!("see 'supervisorctl tail {process} stderr'"));
        Ok(self.outcome(service, process, action, Some(fault)))
    }

    /// What policy-rc.d(8) says; it binds maintainer scripts alone.
    fn is_allowed(&self, verb: &str) -> Result<bool> {
        if self.machine.in_maintainer_script { service::is_allowed(self.machine, verb) } else { Ok(true) }
    }

    /// The link to the fragment, unless an administrator has removed it.
    fn link(&self, fragment: &Fragment) -> Result<()> {
        let root = &self.machine.root;
        let mark = format!("{}/linked", store::path(&self.programs.package));
        let Some((directory, name)) = root.parent(&fragment.link)? else { return Ok(()) };
        if directory.kind(&name)?.is_none() && root.kind(&mark)?.is_none() {
            directory.put_link(&name, &fragment.path)?;
        }
        let (state, mark) = root.make_parent(&mark)?;
        state.replace(&mark, b"", store::private())
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
    fn prune_disabled(&self, fragment: &Fragment) -> Result<()> {
        let sections = self.disabled(fragment)?;
        let services = self.of(&self.programs, Backend::Supervisord);
        let known: BTreeSet<String> = services
            .iter()
            .filter_map(|service| service.supervisord.as_ref())
            .map(|group| group.section.clone())
            .collect();
        self.write_disabled(fragment, &sections.intersection(&known).cloned().collect())
    }

    fn disabled(&self, fragment: &Fragment) -> Result<BTreeSet<String>> {
        let text = self.machine.root.text(&fragment.disabled)?.unwrap_or_default();
        let section = |line: &str| Some(line.trim().strip_prefix('[')?.strip_suffix(']')?.to_owned());
        Ok(text.lines().filter_map(section).collect())
    }

    fn write_disabled(&self, fragment: &Fragment, sections: &BTreeSet<String>) -> Result<()> {
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
        if self.states()?.is_none() {
            let action = if verb == Verb::Disable { Action::Disabled } else { Action::NoManager };
            return Ok(vec![self.outcome(service, group, action, None)]);
        }
        let mut outcomes = Vec::new();
        for (index, instance) in service.instances.iter().enumerate() {
            let process = name(group, &instance.process);
            outcomes.push(match verb {
                Verb::Start | Verb::Enable => self.started(service, index, &process, Action::Started)?,
                Verb::Stop | Verb::Disable => {
                    self.supervisorctl(&["stop", &process])?;
                    let action = if verb == Verb::Stop { Action::Stopped } else { Action::Disabled };
                    self.outcome(service, &process, action, None)
                }
                Verb::Restart => {
                    self.supervisorctl(&["stop", &process])?;
                    self.started(service, index, &process, Action::Restarted)?
                }
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
                    Some(states) => states.get(&process).map_or("unknown to supervisord", String::as_str),
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

fn group_of(service: &Service) -> Option<&str> {
    service.supervisord.as_ref().map(|group| group.group.as_str())
}

fn groups(services: &[&Service]) -> BTreeSet<String> {
    services.iter().filter_map(|service| group_of(service)).map(str::to_owned).collect()
}

/// supervisord shows a process called as its group by that name alone.
fn name(group: &str, process: &str) -> String {
    if group == process { process.to_owned() } else { format!("{group}:{process}") }
}

/// Why an update was refused. A file at fault comes as an exception of
/// supervisorctl's own: `error: <class …>, <Fault 92: 'CANT_REREAD: …'>: file: …`.
fn refusal(output: &str) -> Option<String> {
    let line = output.lines().find(|line| line.to_ascii_lowercase().starts_with("error"))?;
    let inner = line.split_once("CANT_REREAD: ").and_then(|(_, rest)| rest.split_once(['>']));
    Some(inner.map_or(line, |(why, _)| why.trim_end_matches(['\'', '"'])).to_owned())
}

fn is_up(state: &str) -> bool {
    matches!(state, "RUNNING" | "STARTING" | "BACKOFF")
}

/// `group:process  RUNNING  pid 123, uptime 0:00:05`, a line each.
fn states(output: &str) -> States {
    let pair = |line: &str| {
        let mut words = line.split_whitespace();
        Some((words.next()?.to_owned(), words.next()?.to_owned()))
    };
    output.lines().filter_map(pair).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_are_read_from_every_line() {
        let all = states("notes:web    RUNNING   pid 7, uptime 0:00:05\nnotes        STOPPED   Nov 21 11:00 AM\n");
        assert!(is_up(&all["notes:web"]));
        assert!(!is_up(&all["notes"]));
        let fault = "error: <class 'xmlrpc.client.Fault'>, <Fault 92: \"CANT_REREAD: Invalid user name x\">: file: y";
        assert_eq!(refusal(fault).as_deref(), Some("Invalid user name x"));
        assert_eq!(refusal("notes: stopped\nnotes: updated process group\n"), None);
        assert_eq!((name("notes", "notes"), name("notes", "web")), ("notes".to_owned(), "notes:web".to_owned()));
    }
}
