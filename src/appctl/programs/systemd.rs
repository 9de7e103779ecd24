//! The programs that systemd runs, by systemctl(1); in a maintainer script by
//! deb-systemd-invoke(1p), which asks policy-rc.d, and knows what is disabled.

use super::{Fleet, Row, Verb};
use crate::appctl::fs::Kind;
use crate::appctl::service::{self, Action, FORBIDDEN, Outcome};
use crate::configuration::manifest::Backend;
use crate::configuration::program::{Choice, Service, Units};
use crate::error::{Diagnostic, Result};

impl Fleet<'_> {
    /// Whether systemd runs here.
    fn has_systemd(&self) -> Result<bool> {
        let root = &self.machine.root;
        Ok(root.is_machine() && root.kind("/run/systemd/system")? == Some(Kind::Directory))
    }

    /// Stop, and forget as enabled, the units of programs that are gone or run elsewhere now.
    pub(super) fn leave_systemd(&self) -> Result<()> {
        let here: Vec<String> = self.of(&self.programs, Backend::Systemd).into_iter().flat_map(all_units).collect();
        let gone: Vec<String> =
            self.before(Backend::Systemd).into_iter().flat_map(all_units).filter(|unit| !here.contains(unit)).collect();
        if gone.is_empty() || !self.machine.root.is_machine() {
            return Ok(());
        }
        if self.has_systemd()? {
            self.systemctl("stop", &gone)?;
        }
        for unit in &gone {
            service::run(self.machine, &["deb-systemd-helper", "purge", unit])?;
        }
        Ok(())
    }

    /// Start or restart what systemd runs.
    pub(super) fn converge_systemd(&self) -> Result<Vec<Outcome>> {
        let services = self.of(&self.programs, Backend::Systemd);
        for service in services.iter().filter(|service| service.backend == Choice::Auto && service.autostart) {
            self.enable_once(service)?;
        }
        if services.is_empty() || !self.has_systemd()? {
            return Ok(Vec::new());
        }
        if self.is_stale() {
            service::run(self.machine, &["systemctl", "--system", "daemon-reload"])?;
        }
        let mut outcomes = Vec::new();
        for service in services {
            outcomes.extend(self.converge_unit(service)?);
        }
        Ok(outcomes)
    }

    /// The package's own enabling, for what is decided on the machine: once, and
    /// never against the administrator.
    fn enable_once(&self, service: &Service) -> Result<()> {
        for unit in service.systemd.iter().flat_map(|units| &units.enable) {
            let is_enabled = service::run(self.machine, &["deb-systemd-helper", "--quiet", "was-enabled", unit])?;
            let verb = if is_enabled.is_success() { "enable" } else { "update-state" };
            service::run(self.machine, &["deb-systemd-helper", verb, unit])?;
        }
        Ok(())
    }

    fn converge_unit(&self, service: &Service) -> Result<Vec<Outcome>> {
        let Some(units) = &service.systemd else { return Ok(Vec::new()) };
        let running: Vec<bool> = instances(service).map(|unit| self.is_active(unit)).collect::<Result<_>>()?;
        if running.iter().any(|running| *running) {
            return if self.is_stale() { self.restart_units(service, units, &running) } else { Ok(Vec::new()) };
        }
        if self.is_known(service, Backend::Systemd) {
            return Ok(vec![self.outcome(service, &units.unit, Action::NotRunning, None)]);
        }
        if service.autostart { self.start_units(service, units) } else { Ok(Vec::new()) }
    }

    fn is_active(&self, unit: &str) -> Result<bool> {
        let shown =
            service::run(self.machine, &["systemctl", "show", "--property=ActiveState", "--value", "--", unit])?;
        Ok(matches!(shown.output.trim(), "active" | "reloading" | "activating"))
    }

    fn start_units(&self, service: &Service, units: &Units) -> Result<Vec<Outcome>> {
        let all: Vec<String> = units.sockets.iter().chain([&units.unit]).cloned().collect();
        let ended = self.systemctl("start", &all)?;
        if self.machine.in_maintainer_script && ended.output.contains(FORBIDDEN) {
            return Ok(vec![self.outcome(service, &units.unit, Action::Forbidden, None)]);
        }
        let fault = (!ended.is_success()).then(|| self.failed(&units.unit, &ended.output));
        if fault.is_some() {
            return Ok(vec![self.outcome(service, &units.unit, Action::Started, fault)]);
        }
        let started = (0..).zip(instances(service));
        // deb-systemd-invoke passes over what an administrator has disabled.
        started
            .map(|(index, unit)| {
                Ok(match self.is_active(unit)? {
                    true => self.settled(service, index, unit, Action::Started),
                    false => self.outcome(service, unit, Action::NotRunning, None),
                })
            })
            .collect()
    }

    /// One process after another, the next one only when the last one serves.
    fn restart_units(&self, service: &Service, units: &Units, running: &[bool]) -> Result<Vec<Outcome>> {
        let mut outcomes = Vec::new();
        for (index, unit) in (0..).zip(instances(service)) {
            if !running.get(index).copied().unwrap_or_default() {
                continue;
            }
            let ended = self.systemctl("restart", &[unit.to_owned()])?;
            if self.machine.in_maintainer_script && ended.output.contains(FORBIDDEN) {
                return Ok(vec![self.outcome(service, &units.unit, Action::Forbidden, None)]);
            }
            let outcome = match ended.is_success() {
                true => self.settled(service, index, unit, Action::Restarted),
                false => self.outcome(service, unit, Action::Restarted, Some(self.failed(unit, &ended.output))),
            };
            let has_failed = outcome.action == Action::Failed;
            outcomes.push(outcome);
            if has_failed {
                break;
            }
        }
        Ok(outcomes)
    }

    fn failed(&self, unit: &str, output: &str) -> Diagnostic {
        let first = output.lines().next().unwrap_or("systemd gives no reason");
        Diagnostic::error(format!("{unit} does not start: {first}")).hint(format!("see 'systemctl status {unit}'"))
    }

    fn systemctl(&self, verb: &str, units: &[String]) -> Result<crate::appctl::process::Ended> {
        let tool = if self.machine.in_maintainer_script { "deb-systemd-invoke" } else { "systemctl" };
        let words: Vec<&str> = [tool, verb].into_iter().chain(units.iter().map(String::as_str)).collect();
        service::run(self.machine, &words)
    }

    /// What a person has asked for.
    pub(super) fn systemd_act(&self, verb: Verb, service: &Service) -> Result<Vec<Outcome>> {
        let Some(units) = &service.systemd else { return Ok(Vec::new()) };
        let (word, action) = match verb {
            Verb::Enable => ("enable", Action::Enabled),
            Verb::Disable => ("disable", Action::Disabled),
            Verb::Stop => ("stop", Action::Stopped),
            Verb::Start | Verb::Restart => ("start", Action::Started),
        };
        if matches!(verb, Verb::Enable | Verb::Disable) && self.machine.root.is_machine() {
            let words: Vec<&str> =
                ["systemctl", word].into_iter().chain(units.enable.iter().map(String::as_str)).collect();
            let ended = service::run(self.machine, &words)?;
            let fault = (!ended.is_success()).then(|| self.failed(&units.unit, &ended.output));
            if fault.is_some() || verb == Verb::Enable {
                return Ok(vec![self.outcome(service, &units.unit, action, fault)]);
            }
        }
        if !self.has_systemd()? {
            return Ok(vec![self.outcome(service, &units.unit, Action::NoManager, None)]);
        }
        match verb {
            Verb::Stop | Verb::Disable => {
                let ended = self.systemctl("stop", &all_units(service))?;
                let fault = (!ended.is_success()).then(|| self.failed(&units.unit, &ended.output));
                Ok(vec![self.outcome(service, &units.unit, action, fault)])
            }
            Verb::Restart => {
                let running: Vec<bool> = instances(service).map(|unit| self.is_active(unit)).collect::<Result<_>>()?;
                match running.iter().all(|running| !running) {
                    true => self.start_units(service, units),
                    false => self.restart_units(service, units, &running),
                }
            }
            Verb::Start | Verb::Enable => self.start_units(service, units),
        }
    }

    /// Each process with systemd's word for its state.
    pub(super) fn systemd_status(&self) -> Result<Vec<Row>> {
        let mut rows = Vec::new();
        let here = self.has_systemd()?;
        for service in self.of(&self.programs, Backend::Systemd) {
            for unit in instances(service) {
                let state = match here {
                    true => {
                        service::run(self.machine, &["systemctl", "is-active", "--", unit])?.output.trim().to_owned()
                    }
                    false => "no systemd runs here".to_owned(),
                };
                rows.push(Row {
                    program: service.name.clone(),
                    unit: unit.to_owned(),
                    backend: Backend::Systemd,
                    is_well: state == "active",
                    state,
                });
            }
        }
        Ok(rows)
    }
}

fn instances(service: &Service) -> impl Iterator<Item = &str> {
    service.instances.iter().filter_map(|instance| instance.unit.as_deref())
}

/// Everything of a program that can run; sockets first, so that nothing wakes it again.
fn all_units(service: &Service) -> Vec<String> {
    let Some(units) = &service.systemd else { return Vec::new() };
    let mut all = units.sockets.clone();
    all.extend(instances(service).map(str::to_owned));
    if !all.contains(&units.unit) {
        all.push(units.unit.clone());
    }
    all
}
