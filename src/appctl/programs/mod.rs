//! `appctl service`: a package's programs are started, restarted, stopped,
//! enabled and disabled, each through the backend that runs it.
//!
//! What there is stands in `programs.json` ([`crate::configuration::program`]),
//! what was there last in the copy of it in the package's state. [`systemd`] and
//! [`supervisord`] speak to the service managers, [`health`] to the programs;
//! [`settle`] waits until a start has come to something.

pub mod health;
pub mod listening;
pub mod orphans;
pub mod settle;
pub mod supervisord;
pub mod systemd;

use std::cell::RefCell;
use std::collections::BTreeSet;

use serde_json::json;

use super::fs::{Kind, Root};
use super::service::{self, Action, Outcome};
use super::store::Store;
use super::{Ending, Machine, package, report};
use crate::configuration::manifest::Backend;
use crate::configuration::program::{FILE, FORMAT, OnFailure, Programs, Service};
use crate::error::{Diagnostic, Error, Location, Result, nearest};

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

/// The programs of `package`; `None` where it has none.
pub fn load(root: &Root, name: &str) -> Result<Option<Programs>> {
    if !package::is_name(name) {
        return Ok(None);
    }
    let path = format!("/usr/share/appctl/{name}/{FILE}");
    let Some(contents) = root.read(&path)? else { return Ok(None) };
    read(&contents.bytes, root, &path, name).map(Some)
}

fn read(bytes: &[u8], root: &Root, path: &str, name: &str) -> Result<Programs> {
    let programs: Programs = serde_json::from_slice(bytes).map_err(|error| {
        Diagnostic::error(format!("it cannot be read: {error}"))
            .at(Location::file(root.outside(path)))
            .hint(format!("install the package again: apt-get install --reinstall {name}"))
    })?;
    if programs.format > FORMAT {
        return Err(Diagnostic::error(format!("format {}; this appctl knows {FORMAT}", programs.format))
            .at(Location::file(root.outside(path)))
            .hint("upgrade appctl")
            .into());
    }
    Ok(programs)
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
    /// Processes that ran, were stopped, and are to run again: what a run that
    /// was killed has left undone.
    interrupted: RefCell<BTreeSet<String>>,
}

impl<'a> Fleet<'a> {
    /// The programs of `package`; `None` where it has none.
    pub fn open(machine: &'a Machine, package: &str, store: Option<&'a Store>) -> Result<Option<Self>> {
        let Some(programs) = load(&machine.root, package)? else { return Ok(None) };
        let last = store.map(Store::programs).transpose()?.flatten();
        let interrupted = RefCell::new(store.map(Store::interrupted).transpose()?.unwrap_or_default());
        Ok(Some(Self { machine, programs, last, auto: auto(&machine.root)?, store, interrupted }))
    }

    /// Put down that these processes are stopped and are to run again.
    fn interrupt(&self, processes: &[&str]) -> Result<()> {
        self.interrupted.borrow_mut().extend(processes.iter().map(|process| (*process).to_owned()));
        self.keep_interrupted()
    }

    /// They run again, or have failed to.
    fn resume(&self, processes: &[&str]) -> Result<()> {
        if processes.iter().any(|process| self.was_interrupted(process)) {
            self.interrupted.borrow_mut().retain(|process| !processes.contains(&process.as_str()));
            return self.keep_interrupted();
        }
        Ok(())
    }

    fn keep_interrupted(&self) -> Result<()> {
        self.store.map_or(Ok(()), |store| store.write_interrupted(&self.interrupted.borrow()))
    }

    fn was_interrupted(&self, process: &str) -> bool {
        self.interrupted.borrow().contains(process)
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
            || !self.interrupted.borrow().is_empty()
    }

    /// Stop what is no longer here, start what is new, restart what runs; once.
    pub fn converge(&self, store: &Store) -> Result<Vec<Outcome>> {
        let mut outcomes = Vec::new();
        // First all that stops: a program that moves must not run twice.
        self.leave_systemd()?;
        outcomes.extend(self.leave_supervisord()?);
        outcomes.extend(self.converge_systemd()?);
        outcomes.extend(self.converge_supervisord()?);
        store.write_programs(&self.programs)?;
        Ok(outcomes)
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
            self.machine.printer.output(&report::object(&self.programs.package, parts));
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
        let manager: [Vec<&str>; 2] = match service.backend.chosen(self.auto) {
            Backend::Systemd => {
                [vec!["journalctl", "--quiet", "--no-pager", "--output=cat", "--lines=10", "--unit", unit], Vec::new()]
            }
            Backend::Supervisord => {
                ["stderr", "stdout"].map(|stream| vec!["supervisorctl", "tail", "-2000", unit, stream])
            }
        };
        let files = logs.iter().rev().map(|log| vec!["tail", "-n", "10", "--", log.as_str()]);
        for words in files.chain(manager).filter(|words| !words.is_empty()) {
            // What cannot be shown is not worth a second failure.
            let ended = service::run(self.machine, &words).ok().filter(super::process::Ended::is_success);
            let output = ended.map(|ended| ended.output).unwrap_or_default();
            let lines: Vec<String> = output.lines().filter(|line| !line.trim().is_empty()).map(str::to_owned).collect();
            if !lines.is_empty() {
                return lines[lines.len().saturating_sub(10)..].to_vec();
            }
        }
        Vec::new()
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

/// A line of `appctl service status`.
pub struct Row {
    program: String,
    unit: String,
    backend: Backend,
    state: String,
    is_well: bool,
}

/// systemd where it is the machine's init: it runs, or an image's /sbin/init is it.
pub(super) fn auto(root: &Root) -> Result<Backend> {
    if root.is_machine() && root.kind("/run/systemd/system")? == Some(Kind::Directory) {
        return Ok(Backend::Systemd);
    }
    let init = match root.parent("/sbin/init")? {
        Some((directory, name)) => directory.link(&name)?,
        None => None,
    };
    let is_systemd = init.is_some_and(|target| target.ends_with("/systemd"));
    let has_other = root.kind("/usr/bin/supervisord")?.is_some();
    Ok(if is_systemd || !has_other { Backend::Systemd } else { Backend::Supervisord })
}
