//! `appctl service`: a package's programs are started, restarted, stopped,
//! enabled and disabled, each through the backend that runs it.
//!
//! What there is stands in `programs.json` ([`crate::configuration::program`]),
//! what was there last in the copy of it in the package's state. [`systemd`] and
//! [`supervisord`] speak to the service managers, [`health`] to the programs;
//! [`settle`] waits until a start has come to something.

pub mod health;
pub mod listening;
pub mod logs;
pub mod moves;
pub mod orphans;
pub mod settle;
pub mod supervisord;
pub mod systemd;

use std::cell::RefCell;
use std::ffi::OsString;
use std::time::Duration;

use serde_json::json;

use super::accounts::Accounts;
use super::machine::{Ending, Machine};
use super::manager::{self, Action, Outcome};
use super::process::Ended;
use super::store::{Store, Unfinished};
use super::{package, report};
use crate::configuration::manifest::Backend;
use crate::configuration::program::{OnFailure, Programs, Service};
use crate::error::{Diagnostic, Error, Result, nearest};

/// As much as is read of the end of a log file, in bytes.
const MOST_OF_A_LOG: u64 = 8 << 10;

/// As many characters of a line of it as a message shows.
const LONGEST_LINE: usize = 400;

/// What is asked for by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    /// Start what does not run.
    Start,
    /// Stop what runs.
    Stop,
    /// Stop and start, one process after another.
    Restart,
    /// Let it start by itself.
    Enable,
    /// Keep it from starting by itself, and stop it.
    Disable,
}

/// `appctl mend-logs`: before root opens a package's log files.
pub fn mend_logs(machine: &Machine, package: &str) -> Result<Ending> {
    if let Some(programs) = package::programs(&machine.root, package)? {
        logs::mend(machine, &programs)?;
    }
    Ok(Ending::Done)
}

/// A package's programs on a machine.
pub struct Fleet<'a> {
    pub(super) machine: &'a Machine,
    /// What is installed.
    pub programs: Programs,
    /// What was there when this was last done.
    last: Option<Programs>,
    /// Who runs what is decided here.
    auto: Backend,
    store: Option<&'a Store>,
    /// What is under way, so that a run after one that was killed finishes it.
    unfinished: RefCell<Unfinished>,
}

impl<'a> Fleet<'a> {
    /// The programs of `package`; `None` where it has none.
    pub fn open(machine: &'a Machine, package: &str, store: Option<&'a Store>) -> Result<Option<Self>> {
        let Some(programs) = package::programs(&machine.root, package)? else { return Ok(None) };
        let last = store.map(Store::programs).transpose()?.flatten();
        let unfinished = RefCell::new(store.map(Store::unfinished).transpose()?.unwrap_or_default());
        Ok(Some(Self { machine, programs, last, auto: package::auto(&machine.root)?, store, unfinished }))
    }

    /// Put down that these processes are stopped and are to run again.
    fn interrupt(&self, processes: &[&str]) -> Result<()> {
        self.unfinished.borrow_mut().run.extend(processes.iter().map(|process| (*process).to_owned()));
        self.keep_unfinished()
    }

    /// Put down that these processes are new names of stopped ones.
    fn leave_at_rest(&self, processes: &[&str]) -> Result<()> {
        self.unfinished.borrow_mut().rest.extend(processes.iter().map(|process| (*process).to_owned()));
        self.keep_unfinished()
    }

    /// They run again, or have failed to.
    fn resume(&self, processes: &[&str]) -> Result<()> {
        if processes.iter().any(|process| self.was_interrupted(process)) {
            self.unfinished.borrow_mut().run.retain(|process| !processes.contains(&process.as_str()));
            return self.keep_unfinished();
        }
        Ok(())
    }

    fn keep_unfinished(&self) -> Result<()> {
        self.store.map_or(Ok(()), |store| store.write_unfinished(&self.unfinished.borrow()))
    }

    fn was_interrupted(&self, process: &str) -> bool {
        self.unfinished.borrow().run.contains(process)
    }

    fn is_at_rest(&self, process: &str) -> bool {
        self.unfinished.borrow().rest.contains(process)
    }

    /// The programs that a backend runs, in the order of their starts.
    pub(super) fn of<'p>(&self, programs: &'p Programs, backend: Backend) -> Vec<&'p Service> {
        let mut of: Vec<&Service> =
            programs.programs.iter().filter(|service| service.backend.chosen(self.auto) == backend).collect();
        of.sort_by_key(|service| service.order);
        of
    }

    /// Whether `service` was there, under the same backend, when this was last done.
    pub(super) fn is_known(&self, service: &Service, backend: Backend) -> bool {
        let Some(last) = &self.last else { return false };
        self.of(last, backend).iter().any(|known| known.name == service.name)
    }

    /// Whether a process called so, by either manager, was a part of `service` when this was last done.
    pub(super) fn had_instance(&self, service: &Service, process: &str) -> bool {
        let same = |known: &&Service| known.name == service.name;
        let known = self.last.iter().flat_map(|last| &last.programs).find(same);
        let instances = known.iter().flat_map(|known| &known.instances);
        instances
            .flat_map(|instance| [Some(&instance.process), instance.unit.as_ref()])
            .flatten()
            .any(|name| name == process)
    }

    /// Whether what runs may be of an older version: in the postinst always.
    pub(super) fn is_stale(&self) -> bool {
        self.machine.in_maintainer_script
            || self.last.as_ref() != Some(&self.programs)
            || !self.unfinished.borrow().is_empty()
    }

    /// Stop what is no longer here, start what is new, restart what runs; once.
    pub fn converge(&self, store: &Store) -> Result<Vec<Outcome>> {
        let mut outcomes = Vec::new();
        logs::mend(self.machine, &self.programs)?;
        self.carry()?;
        // First all that stops: a program that moves must not run twice.
        self.leave_systemd()?;
        outcomes.extend(self.leave_supervisord()?);
        outcomes.extend(self.converge_systemd()?);
        outcomes.extend(self.converge_supervisord()?);
        store.write_programs(&self.programs)?;
        self.unfinished.borrow_mut().rest.clear();
        self.keep_unfinished()?;
        Ok(outcomes)
    }

    /// Run a service manager's program on this machine. Its starts and stops wait
    /// for as long as the slowest of the programs may take.
    pub(super) fn run(&self, words: &[&str]) -> Result<Ended> {
        let root = &self.machine.root;
        let mut environment = self.machine.environment.clone();
        if !root.is_machine() {
            // deb-systemd-helper(1p) works on another root by this alone.
            environment.insert("DPKG_ROOT".into(), root.path().as_os_str().to_owned());
        }
        if words.first() == Some(&"deb-systemd-helper") {
            // It does nothing for others; a person may finish what a postinst has begun.
            let package = || OsString::from(&self.programs.package);
            environment.entry("DPKG_MAINTSCRIPT_PACKAGE".into()).or_insert_with(package);
        }
        manager::run_within(patience(&self.programs, self.last.as_ref()), environment, words)
    }

    /// What the last converge left, for the backends to compare with.
    pub(super) fn before(&self, backend: Backend) -> Vec<&Service> {
        self.last.as_ref().map(|last| self.of(last, backend)).unwrap_or_default()
    }

    /// Do `verb` to the program called `name`, or to all of them.
    pub fn act(&self, verb: Verb, name: Option<&str>) -> Result<Vec<Outcome>> {
        let mut outcomes = Vec::new();
        for backend in [Backend::Systemd, Backend::Supervisord] {
            let mut services = self.of(&self.programs, backend);
            services.retain(|service| name.is_none_or(|name| service.name == name));
            if matches!(verb, Verb::Stop | Verb::Disable) {
                services.reverse();
            }
            for service in services {
                outcomes.extend(match backend {
                    Backend::Systemd => self.systemd_act(verb, service)?,
                    Backend::Supervisord => self.supervisord_act(verb, service)?,
                });
            }
        }
        if matches!(verb, Verb::Start | Verb::Restart) {
            for outcome in outcomes.iter_mut().filter(|outcome| outcome.action == Action::NoManager) {
                self.nobody_starts(outcome);
            }
        }
        if let (Some(name), true) = (name, outcomes.is_empty()) {
            let names = || self.programs.programs.iter().map(|service| service.name.as_str());
            let hint = nearest(name, names()).map_or_else(
                || format!("its programs: {}", names().collect::<Vec<_>>().join(" ")),
                |near| format!("did you mean '{near}'?"),
            );
            let message = format!("the package '{}' has no program '{name}'", self.programs.package);
            return Err(Error::Usage(Diagnostic::error(message).hint(hint)));
        }
        Ok(outcomes)
    }

    /// A person who asks for a start is told that nobody is there to do it.
    fn nobody_starts(&self, outcome: &mut Outcome) {
        let service = self.programs.programs.iter().find(|service| service.name == outcome.program);
        let backend = service.map_or(Backend::Systemd, |service| service.backend.chosen(self.auto));
        let (why, hint) = match backend {
            _ if !self.machine.root.is_machine() => {
                ("it is another machine's", "start it there; 'enable' and 'disable' work with --root")
            }
            Backend::Systemd => ("systemd does not run here", "it starts when the machine boots with systemd"),
            Backend::Supervisord => {
                ("no supervisord answers", "see 'systemctl status supervisor'; is supervisor installed?")
            }
        };
        let text = format!("'{}' of package {} is not started: {why}", outcome.program, self.programs.package);
        outcome.action = Action::Failed;
        outcome.fault = Some(Diagnostic::error(text).hint(hint));
    }

    /// Each process and its state in the manager's words; whether all run that should.
    pub fn status(&self, name: Option<&str>) -> Result<Ending> {
        let mut rows = self.systemd_status()?;
        rows.extend(self.supervisord_status()?);
        rows.retain(|row| name.is_none_or(|name| row.program == name));
        let is_well = rows.iter().all(|row| row.is_well);
        if self.machine.json {
            let rows: Vec<_> = rows
                .iter()
                .map(
                    |row| json!({"program": row.program, "unit": row.unit, "backend": row.backend, "state": row.state}),
                )
                .collect();
            let parts = [("services", rows.into()), ("degraded", (!is_well).into())];
            self.machine.printer.json(&report::object(&self.programs.package, parts));
        } else {
            let text: String =
                rows.iter().map(|row| format!("{}  {}  {}\n", row.program, row.unit, row.state)).collect();
            self.machine.printer.output(&text);
        }
        Ok(if is_well { Ending::Done } else { Ending::Differs })
    }

    /// What a start came to: `why` it failed, or that it did not.
    pub(super) fn settled(&self, service: &Service, unit: &str, action: Action, why: Option<String>) -> Outcome {
        let fault = why.map(|why| {
            let several = if service.instances.len() > 1 { format!(" ({unit})") } else { String::new() };
            Diagnostic::error(format!("'{}'{several} of package {} {why}", service.name, self.programs.package))
        });
        self.outcome(service, unit, action, fault)
    }

    /// Let what the program called `name` has not read yet of its configuration
    /// be read; `None` where it is none of these programs.
    pub fn renew(
        &self,
        name: &str,
        reload: bool,
        has_read: &dyn Fn(Option<u32>) -> bool,
    ) -> Option<Result<Vec<Outcome>>> {
        let service = self.programs.programs.iter().find(|service| service.name == name)?;
        Some(match service.backend.chosen(self.auto) {
            Backend::Systemd => self.renew_units(service, reload, has_read),
            Backend::Supervisord => self.renew_processes(service, has_read),
        })
    }

    /// A failure comes with the last lines that the program has logged.
    pub(super) fn outcome(&self, service: &Service, unit: &str, action: Action, fault: Option<Diagnostic>) -> Outcome {
        let action = if fault.is_some() { Action::Failed } else { action };
        let fault = fault.map(|fault| {
            let lines = self.last_lines(service, unit);
            let shown: String = lines.iter().map(|line| format!("\n\t{line}")).collect();
            Diagnostic { message: format!("{}{shown}", fault.message), ..fault }
        });
        Outcome { program: service.name.clone(), unit: unit.to_owned(), action, fault }
    }

    /// Of the file that it logs to, else of what its manager keeps.
    fn last_lines(&self, service: &Service, unit: &str) -> Vec<String> {
        let is_it = |name: &str| name == unit || unit.rsplit(':').next() == Some(name);
        let instance = service
            .instances
            .iter()
            .find(|instance| is_it(&instance.process) || instance.unit.as_deref().is_some_and(is_it));
        let logs = instance.map(|instance| instance.logs.as_slice()).unwrap_or_default();
        for log in logs.iter().rev() {
            let lines = last_of(&self.log_end(service, log).unwrap_or_default());
            if !lines.is_empty() {
                return lines;
            }
        }
        let manager: Vec<Vec<&str>> = match service.backend.chosen(self.auto) {
            Backend::Systemd => {
                vec![vec!["journalctl", "--quiet", "--no-pager", "--output=cat", "--lines=10", "--unit", unit]]
            }
            // supervisord reads by name, as root: nothing but what it has put into its own directory.
            Backend::Supervisord if logs.is_empty() => ["stderr", "stdout"]
                .map(|stream| vec!["supervisorctl", "tail", "-2000", unit, stream])
                .into_iter()
                .collect(),
            Backend::Supervisord => Vec::new(),
        };
        for words in manager {
            // What cannot be shown is not worth a second failure.
            let ended = self.run(&words).ok().filter(super::process::Ended::is_success);
            let lines = last_of(&ended.map(|ended| ended.output).unwrap_or_default());
            if !lines.is_empty() {
                return lines;
            }
        }
        Vec::new()
    }

    /// The end of a log file, by descriptor: no link of the service's user leads us
    /// elsewhere, and no FIFO of his makes us wait.
    fn log_end(&self, service: &Service, log: &str) -> Option<String> {
        let root = &self.machine.root;
        let owner = service.user.as_deref().and_then(|user| {
            let accounts = Accounts::parse(&root.text("/etc/passwd").ok()??, "");
            accounts.user(user).ok().map(|user| user.uid)
        });
        let (directory, name) = root.parent(log).ok()??;
        let bytes = directory.tail(&name, MOST_OF_A_LOG, owner.unwrap_or_default()).ok()??;
        Some(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// Whether a program that has failed fails the package's configuration.
    pub fn is_fatal(&self, outcome: &Outcome) -> bool {
        outcome.action == Action::Failed
            && self
                .programs
                .programs
                .iter()
                .any(|service| service.name == outcome.program && service.on_failure == OnFailure::Fail)
    }
}

/// The last lines of a text that are not empty.
fn last_of(text: &str) -> Vec<String> {
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    lines[lines.len().saturating_sub(10)..].iter().map(|line| line.chars().take(LONGEST_LINE).collect()).collect()
}

/// How long one call of a service manager may take: what a manager needs by
/// itself, and the longest stop and start that these programs are allowed.
fn patience(programs: &Programs, last: Option<&Programs>) -> Duration {
    let all = || programs.programs.iter().chain(last.iter().flat_map(|last| &last.programs));
    let longest = |seconds: fn(&Service) -> u32| all().map(seconds).max().unwrap_or_default();
    let own = longest(|service| service.stop_seconds).saturating_add(longest(|service| service.start_seconds));
    manager::LIMIT.saturating_add(Duration::from_secs(own.into()))
}

/// A line of `appctl service status`.
pub struct Row {
    program: String,
    unit: String,
    backend: Backend,
    state: String,
    is_well: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manager_is_waited_for_as_long_as_its_slowest_program() {
        let of = |seconds: &[(u32, u32)]| {
            let one = |(stop, start): &(u32, u32)| {
                serde_json::json!({"name": "a", "backend": "systemd", "order": 0, "autostart": true, "instances": [],
                    "start_seconds": start, "stop_seconds": stop})
            };
            let programs: Vec<_> = seconds.iter().map(one).collect();
            let text = serde_json::json!({"format": 1, "package": "a", "programs": programs});
            serde_json::from_value::<Programs>(text).expect("programs")
        };
        let seconds = |now: &Programs, last: Option<&Programs>| patience(now, last).as_secs();
        assert_eq!(seconds(&of(&[]), None), 120);
        assert_eq!(seconds(&of(&[(10, 1), (3600, 0), (5, 30)]), None), 120 + 3600 + 30);
        // What is gone has to stop, too.
        assert_eq!(seconds(&of(&[(10, 1)]), Some(&of(&[(600, 2)]))), 120 + 600 + 2);
    }
}
