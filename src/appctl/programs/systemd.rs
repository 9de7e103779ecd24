//! The programs that systemd runs, by systemctl(1).
//!
//! What deb-systemd-invoke(1p) asks before it acts in a maintainer script is
//! asked here, too: policy-rc.d for each unit, and whether an administrator has
//! disabled it. It knows nothing of instances, which are static units.

use std::time::Duration;

use super::settle::{self, Life, Wait};
use super::{Fleet, Row, Verb, listening};
use crate::appctl::fs::Kind;
use crate::appctl::manager::{self, Action, Outcome};
use crate::configuration::manifest::Backend;
use crate::configuration::program::{Choice, Service, Units};
use crate::error::{Diagnostic, Result};

/// A unit as systemd has it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Seen {
    active: String,
    sub: String,
    result: String,
    file: String,
    kind: String,
    restarts: u32,
    process: Option<u32>,
    needs_reload: bool,
    listen: Vec<String>,
}

/// The process that is systemd, where it runs.
const SYSTEMD: u32 = 1;

const PROPERTIES: &str =
    "--property=Id,ActiveState,SubState,Result,UnitFileState,Type,NRestarts,MainPID,NeedDaemonReload,Listen";

impl Seen {
    /// It runs, or will again without anybody's doing.
    pub(super) fn is_up(&self) -> bool {
        matches!(self.active.as_str(), "active" | "reloading" | "activating")
    }

    fn is_barred(&self) -> bool {
        self.file.starts_with("disabled") || self.file.starts_with("masked")
    }

    /// As a start that was asked for when it had started `restarts` times by itself.
    fn life(&self, restarts: u32) -> Life {
        match (self.active.as_str(), self.sub.as_str()) {
            ("active" | "reloading", _) if self.restarts <= restarts => Life::Up,
            // A oneshot is done.
            ("inactive", _) if self.result == "success" && self.kind == "oneshot" => Life::Up,
            ("activating", sub) if sub != "auto-restart" && self.restarts <= restarts => Life::Starting,
            _ => Life::Ended(format!("has ended ({})", self.result)),
        }
    }
}

/// Blocks of `systemctl show`, one a unit, in the order asked for.
pub fn seen(output: &str) -> Vec<Seen> {
    let block = |block: &str| {
        let mut seen = Seen::default();
        for (key, value) in block.lines().filter_map(|line| line.split_once('=')) {
            let value = value.to_owned();
            match key {
                "ActiveState" => seen.active = value,
                "SubState" => seen.sub = value,
                "Result" => seen.result = value,
                "UnitFileState" => seen.file = value,
                "Type" => seen.kind = value,
                "NRestarts" => seen.restarts = value.parse().unwrap_or_default(),
                "MainPID" => seen.process = value.parse().ok().filter(|process| *process != 0),
                "NeedDaemonReload" => seen.needs_reload = value == "yes",
                // `127.0.0.1:8000 (Stream)`
                "Listen" => seen.listen.extend(value.split_once(" (Stream)").map(|(address, _)| address.to_owned())),
                _ => {}
            }
        }
        seen
    };
    output.split("\n\n").filter(|text| !text.trim().is_empty()).map(block).collect()
}

impl Fleet<'_> {
    /// Whether systemd runs here.
    pub(super) fn has_systemd(&self) -> Result<bool> {
        let root = &self.machine.root;
        Ok(root.is_machine() && root.kind("/run/systemd/system")? == Some(Kind::Directory))
    }

    pub(super) fn see<'u>(&self, units: impl IntoIterator<Item = &'u str>) -> Result<Vec<Seen>> {
        let words: Vec<&str> = ["systemctl", "show", PROPERTIES, "--"].into_iter().chain(units).collect();
        let count = words.len().saturating_sub(4);
        if count == 0 {
            return Ok(Vec::new());
        }
        let mut all = seen(&self.run(&words)?.output);
        all.resize(count, Seen::default());
        Ok(all)
    }

    fn look_at(&self, unit: &str) -> Result<Seen> {
        Ok(self.see([unit])?.into_iter().next().unwrap_or_default())
    }

    fn reload_manager(&self) -> Result<()> {
        self.run(&["systemctl", "--system", "daemon-reload"]).map(|_| ())
    }

    /// Stop, and forget as enabled, the units of programs that are gone or run elsewhere now.
    pub(super) fn leave_systemd(&self) -> Result<()> {
        let here: Vec<String> = self.of(&self.programs, Backend::Systemd).into_iter().flat_map(all_units).collect();
        let gone: Vec<String> =
            self.before(Backend::Systemd).into_iter().flat_map(all_units).filter(|unit| !here.contains(unit)).collect();
        if gone.is_empty() || !self.machine.root.is_machine() {
            return Ok(());
        }
        if self.has_systemd()? && self.permits("stop", &gone)? {
            self.systemctl("stop", &gone)?;
        }
        for unit in &gone {
            self.run(&["deb-systemd-helper", "purge", unit])?;
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
            self.reload_manager()?;
        }
        let mut outcomes = Vec::new();
        for service in services {
            outcomes.extend(self.converge_unit(service)?);
        }
        Ok(outcomes)
    }

    /// The package's own enabling, for what is decided on the machine: once, and
    /// never against the administrator.
    pub(super) fn enable_once(&self, service: &Service) -> Result<()> {
        for unit in service.systemd.iter().flat_map(|units| &units.enable) {
            let is_enabled = self.run(&["deb-systemd-helper", "--quiet", "was-enabled", unit])?;
            let verb = if is_enabled.is_success() { "enable" } else { "update-state" };
            self.run(&["deb-systemd-helper", verb, unit])?;
        }
        Ok(())
    }

    fn converge_unit(&self, service: &Service) -> Result<Vec<Outcome>> {
        let Some(units) = &service.systemd else { return Ok(Vec::new()) };
        let seen = self.see(instances(service))?;
        let ran: Vec<&str> = instances(service)
            .zip(&seen)
            .filter(|(unit, seen)| seen.is_up() || self.was_interrupted(unit))
            .map(|(unit, _)| unit)
            .collect();
        if !ran.is_empty() {
            let new = instances(service).filter(|unit| !self.had_instance(service, unit));
            let all: Vec<&str> = instances(service).filter(|unit| ran.contains(unit)).chain(new).collect();
            return if self.is_stale() { self.restart_units(service, units, &all) } else { Ok(Vec::new()) };
        }
        if self.is_known(service, Backend::Systemd) || instances(service).any(|unit| self.is_at_rest(unit)) {
            return Ok(vec![self.outcome(service, &units.unit, Action::NotRunning, None)]);
        }
        if service.autostart { self.start_units(service, units) } else { Ok(Vec::new()) }
    }

    /// Sockets first, then one process after another; the whole at the end.
    fn start_units(&self, service: &Service, units: &Units) -> Result<Vec<Outcome>> {
        if !self.permits("start", std::slice::from_ref(&units.unit))? {
            return Ok(vec![self.outcome(service, &units.unit, Action::Forbidden, None)]);
        }
        // What an administrator has disabled is left to her.
        if self.machine.in_maintainer_script && self.look_at(&units.unit)?.is_barred() {
            return Ok(vec![self.outcome(service, &units.unit, Action::NotRunning, None)]);
        }
        if let Some(fault) = self.do_all("start", &units.sockets)? {
            return Ok(vec![self.outcome(service, &units.unit, Action::Started, Some(fault))]);
        }
        let mut outcomes = Vec::new();
        for (index, unit) in (0..).zip(instances(service)) {
            outcomes.push(self.do_one("start", service, index, unit, Action::Started)?);
            if outcomes.last().is_some_and(|outcome| outcome.action == Action::Failed) {
                break;
            }
        }
        // A target also starts the rest where one has failed; systemd goes on trying all of them.
        self.start_whole(service, units)?;
        Ok(outcomes)
    }

    fn start_whole(&self, service: &Service, units: &Units) -> Result<()> {
        // Where it is up already, a start would wake what somebody has stopped.
        if !instances(service).any(|unit| unit == units.unit) && !self.look_at(&units.unit)?.is_up() {
            self.run(&["systemctl", "start", "--no-block", "--", &units.unit])?;
        }
        Ok(())
    }

    /// One process after another, the next one only when the last one serves.
    fn restart_units(&self, service: &Service, units: &Units, which: &[&str]) -> Result<Vec<Outcome>> {
        if !self.permits("restart", std::slice::from_ref(&units.unit))? {
            return Ok(vec![self.outcome(service, &units.unit, Action::Forbidden, None)]);
        }
        // A socket cannot be opened while its service runs.
        let reopens = !self.are_open(&units.sockets)?;
        if reopens {
            self.interrupt(which)?;
            let all: Vec<String> = instances(service).map(str::to_owned).collect();
            let fault = match self.do_all("stop", &all)? {
                None => self.do_all("restart", &units.sockets)?,
                some => some,
            };
            if fault.is_some() {
                return Ok(vec![self.outcome(service, &units.unit, Action::Restarted, fault)]);
            }
        }
        let mut outcomes = Vec::new();
        for (index, unit) in (0..).zip(instances(service)) {
            if !which.contains(&unit) {
                continue;
            }
            outcomes.push(self.do_one("restart", service, index, unit, Action::Restarted)?);
            if !reopens && outcomes.last().is_some_and(|outcome| outcome.action == Action::Failed) {
                break;
            }
        }
        self.start_whole(service, units)?;
        self.resume(which)?;
        Ok(outcomes)
    }

    /// Whether systemd listens on every address of these sockets: it closes one that its
    /// configuration no longer has, although a service that runs goes on listening there,
    /// and opens none for one that is new.
    fn are_open(&self, sockets: &[String]) -> Result<bool> {
        let seen = self.see(sockets.iter().map(String::as_str))?;
        if seen.iter().any(|socket| !socket.is_up()) {
            return Ok(false);
        }
        let addresses = seen.iter().flat_map(|socket| &socket.listen);
        Ok(listening::all(&self.machine.root, SYSTEMD, addresses.map(String::as_str)))
    }

    fn do_all(&self, verb: &str, units: &[String]) -> Result<Option<Diagnostic>> {
        let Some(first) = units.first() else { return Ok(None) };
        let ended = self.systemctl(verb, units)?;
        Ok((!ended.is_success()).then(|| failed(first, verb, &ended.output)))
    }

    /// Start or restart a process, and wait until it serves.
    fn do_one(&self, verb: &str, service: &Service, index: usize, unit: &str, action: Action) -> Result<Outcome> {
        let restarts = self.look_at(unit)?.restarts;
        let ended = self.systemctl(verb, &[unit.to_owned()])?;
        if !ended.is_success() {
            let fault = failed(unit, verb, &ended.output);
            return Ok(self.outcome(service, unit, action, Some(fault)));
        }
        let health = service.instances.get(index).and_then(|instance| instance.health.as_ref());
        let begun = self.look_at(unit)?;
        // What says that it is ready has been waited for. Behind one address
        // another instance may answer for one that is ending.
        let is_sure = matches!(begun.kind.as_str(), "notify" | "notify-reload" | "oneshot" | "forking");
        let stay =
            if is_sure || (health.is_some() && service.instances.len() == 1) { 0 } else { service.start_seconds };
        // NRestarts counts from a start that was asked for, but goes on where systemd was about
        // to start it again.
        let restarts = restarts.min(begun.restarts);
        let wait = Wait { health, stay: Duration::from_secs(stay.into()) };
        let mut first = Some(begun);
        let why = settle::watch(self.machine, service, wait, || {
            Ok(match first.take() {
                Some(seen) => seen,
                None => self.look_at(unit)?,
            }
            .life(restarts))
        })?;
        Ok(self.settled(service, unit, action, why))
    }

    fn systemctl(&self, verb: &str, units: &[String]) -> Result<crate::appctl::process::Ended> {
        let root = &self.machine.root;
        // enable and disable can be done to another root as well.
        let elsewhere = (!root.is_machine()).then(|| format!("--root={}", root.path().display()));
        let words = ["systemctl"].into_iter().chain(elsewhere.as_deref()).chain([verb, "--"]);
        self.run(&words.chain(units.iter().map(String::as_str)).collect::<Vec<_>>())
    }

    /// What policy-rc.d(8) says of these units; it binds maintainer scripts alone.
    pub(super) fn permits(&self, verb: &str, units: &[String]) -> Result<bool> {
        if !self.machine.in_maintainer_script {
            return Ok(true);
        }
        for unit in units {
            if !manager::is_allowed(self.machine, unit, verb)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Let those of a program's processes that have not read its configuration
    /// since `has_read` restart, or read it again.
    pub(super) fn renew_units(
        &self,
        service: &Service,
        reload: bool,
        has_read: &dyn Fn(Option<u32>) -> bool,
    ) -> Result<Vec<Outcome>> {
        let Some(units) = &service.systemd else { return Ok(Vec::new()) };
        if !self.has_systemd()? {
            return Ok(vec![self.outcome(service, &units.unit, Action::NoManager, None)]);
        }
        let all: Vec<&str> = instances(service).chain(units.sockets.iter().map(String::as_str)).collect();
        if self.see(all)?.iter().any(|seen| seen.needs_reload) {
            self.reload_manager()?;
        }
        let seen = self.see(instances(service))?;
        let up: Vec<(&str, &Seen)> =
            instances(service).zip(&seen).filter(|(unit, seen)| seen.is_up() || self.was_interrupted(unit)).collect();
        if up.is_empty() {
            return Ok(vec![self.outcome(service, &units.unit, Action::NotRunning, None)]);
        }
        let is_open = self.are_open(&units.sockets)?;
        let due: Vec<&str> =
            up.iter().filter(|(_, seen)| !is_open || !has_read(seen.process)).map(|(unit, _)| *unit).collect();
        if due.is_empty() {
            return Ok(vec![self.outcome(service, &units.unit, Action::UpToDate, None)]);
        }
        if !reload || !is_open {
            return self.restart_units(service, units, &due);
        }
        if !self.permits("restart", std::slice::from_ref(&units.unit))? {
            return Ok(vec![self.outcome(service, &units.unit, Action::Forbidden, None)]);
        }
        let mut outcomes = Vec::new();
        for (index, unit) in (0..).zip(instances(service)).filter(|(_, unit)| due.contains(unit)) {
            outcomes.push(self.do_one("reload-or-restart", service, index, unit, Action::Reloaded)?);
        }
        Ok(outcomes)
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
        if matches!(verb, Verb::Enable | Verb::Disable) {
            let fault = self.do_all(word, &units.enable)?;
            if fault.is_some() || verb == Verb::Enable {
                return Ok(vec![self.outcome(service, &units.unit, action, fault)]);
            }
        }
        if !self.has_systemd()? {
            let action = if verb == Verb::Disable { Action::Disabled } else { Action::NoManager };
            return Ok(vec![self.outcome(service, &units.unit, action, None)]);
        }
        match verb {
            Verb::Stop | Verb::Disable => {
                let fault = self.do_all("stop", &all_units(service))?;
                Ok(vec![self.outcome(service, &units.unit, action, fault)])
            }
            Verb::Restart => self.restart_units(service, units, &instances(service).collect::<Vec<_>>()),
            Verb::Start | Verb::Enable => self.start_units(service, units),
        }
    }

    /// Each process with systemd's word for its state.
    pub(super) fn systemd_status(&self) -> Result<Vec<Row>> {
        let mut rows = Vec::new();
        let here = self.has_systemd()?;
        for service in self.of(&self.programs, Backend::Systemd) {
            let seen = if here { self.see(instances(service))? } else { Vec::new() };
            for (index, unit) in instances(service).enumerate() {
                let seen = seen.get(index);
                rows.push(Row {
                    program: service.name.clone(),
                    unit: unit.to_owned(),
                    backend: Backend::Systemd,
                    is_well: seen.is_some_and(|seen| seen.active == "active" || seen.life(u32::MAX) == Life::Up),
                    state: seen.map_or_else(|| "no systemd runs here".to_owned(), state),
                });
            }
        }
        Ok(rows)
    }
}

/// `active`, `activating (auto-restart)`, `inactive, disabled`.
fn state(seen: &Seen) -> String {
    let sub = if matches!(seen.active.as_str(), "activating" | "failed") && seen.sub != seen.active {
        format!(" ({})", seen.sub)
    } else {
        String::new()
    };
    let barred = if seen.is_barred() { format!(", {}", seen.file) } else { String::new() };
    format!("{}{sub}{barred}", seen.active)
}

fn failed(unit: &str, verb: &str, output: &str) -> Diagnostic {
    let first = output.lines().next().unwrap_or("systemd gives no reason");
    let what = match verb {
        "start" | "restart" => "does not start".to_owned(),
        "reload-or-restart" => "does not read its configuration again".to_owned(),
        other => format!("cannot be done '{other}' to"),
    };
    Diagnostic::error(format!("{unit} {what}: {first}")).hint(format!("see 'systemctl status {unit}'"))
}

pub(super) fn instances(service: &Service) -> impl Iterator<Item = &str> {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_read_from_their_blocks() {
        let all = seen(
            "Type=notify\nNRestarts=0\nMainPID=7\nResult=success\nId=a.service\nActiveState=active\n\
             SubState=running\nUnitFileState=disabled\nNeedDaemonReload=yes\n\n\
             Listen=127.0.0.1:8000 (Stream)\nListen=/run/a (Stream)\nActiveState=inactive\nUnitFileState=enabled\n",
        );
        assert_eq!(all.len(), 2);
        assert!(all[0].is_up() && all[0].is_barred() && all[0].needs_reload && all[0].process == Some(7));
        assert_eq!(all[1].listen, ["127.0.0.1:8000", "/run/a"]);
        assert!(!all[1].is_up() && !all[1].is_barred());
    }

    #[test]
    fn a_process_that_came_back_has_ended() {
        let seen = |active: &str, sub: &str, restarts| Seen {
            active: active.to_owned(),
            sub: sub.to_owned(),
            restarts,
            result: "exit-code".to_owned(),
            ..Seen::default()
        };
        assert_eq!(seen("active", "running", 0).life(0), Life::Up);
        assert_eq!(seen("activating", "start-pre", 0).life(0), Life::Starting);
        assert!(matches!(seen("active", "running", 1).life(0), Life::Ended(_)));
        assert!(matches!(seen("activating", "auto-restart", 0).life(0), Life::Ended(_)));
        assert_eq!(state(&seen("activating", "auto-restart", 0)), "activating (auto-restart)");
    }
}
