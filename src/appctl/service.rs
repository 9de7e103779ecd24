//! `appctl service converge`: programs whose configuration has changed start
//! again, or read it again; each at most once, and only if it runs.
//!
//! What changed is noted in the journal when it is in place. A program that
//! started after that, because dpkg's own snippets or a person have restarted
//! it, has read it already and is left alone; so is one that does not run.

use nix::time::ClockId;
use nix::unistd::{SysconfVar, sysconf};

use super::fs::Kind;
use super::journal::{Clock, Journal, Need, Note};
use super::machine::Machine;
use super::manager::{Action, Outcome, SUPERVISOR, is_allowed, run};
use super::process::Ended;
use super::programs::Fleet;
use crate::configuration::manifest::{Backend, Manifest, OnChange, Program};
use crate::error::{Diagnostic, Result};

/// How deb-systemd-invoke(1p) says that policy-rc.d has forbidden it.
const FORBIDDEN: &str = "returned 101";

/// A program as its service manager sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Seen {
    /// There is no such service manager here.
    NoManager,
    /// It does not run.
    Stopped,
    /// It runs, with this process where there is one.
    Running(Option<u32>),
}

/// The programs that a change concerns, and what they need.
pub fn programs(manifest: &Manifest, on_change: &OnChange) -> Vec<(String, Need)> {
    let (names, need) = match on_change {
        OnChange::Restart(names) => (names, Need::Restart),
        OnChange::Reload(names) => (names, Need::Reload),
        OnChange::None => return Vec::new(),
    };
    if names.is_empty() {
        return manifest.programs.iter().map(|program| (program.name.clone(), need)).collect();
    }
    names.iter().map(|name| (name.clone(), need)).collect()
}

/// The moment, for a note. Without /proc the boot has no name.
pub fn now(machine: &Machine) -> Clock {
    let boot = machine.root.text("/proc/sys/kernel/random/boot_id").ok().flatten().unwrap_or_default();
    Clock { boot: boot.trim().to_owned(), nanoseconds: since_boot() }
}

fn since_boot() -> u64 {
    let Ok(now) = ClockId::CLOCK_BOOTTIME.now() else { return 0 };
    let part = |number: i64| u64::try_from(number).unwrap_or(0);
    part(now.tv_sec()).saturating_mul(1_000_000_000).saturating_add(part(now.tv_nsec()))
}

/// Take care of every note of the journal; those that are done are gone afterwards.
/// Programs of the `fleet` go process by process.
pub fn converge(
    machine: &Machine,
    manifest: &Manifest,
    fleet: Option<&Fleet<'_>>,
    journal: &mut Journal,
) -> Vec<Outcome> {
    let mut outcomes = Vec::new();
    let current = now(machine);
    for (name, note) in std::mem::take(&mut journal.changed) {
        let has_read =
            |process: Option<u32>| has_read(&note, &current, process.and_then(|process| started(machine, process)));
        if let Some(done) = fleet.and_then(|fleet| fleet.renew(&name, note.need == Need::Reload, &has_read)) {
            let done = done.unwrap_or_else(|error| {
                let fault = error.diagnostics().first().cloned();
                vec![Outcome { program: name.clone(), unit: name.clone(), action: Action::Failed, fault }]
            });
            if done.iter().any(|outcome| outcome.action == Action::Failed) {
                journal.changed.insert(name, note);
            }
            outcomes.extend(done);
            continue;
        }
        let program = program(manifest, &name);
        let (action, fault) = match one(machine, &program, &note, &current) {
            Ok(action) => (action, None),
            Err(error) => (Action::Failed, error.diagnostics().first().cloned()),
        };
        if action == Action::Failed {
            journal.changed.insert(name.clone(), note);
        }
        outcomes.push(Outcome { program: name, unit: program.unit, action, fault });
    }
    outcomes
}

/// The program called `name`; one that the manifest does not list is a unit.
fn program(manifest: &Manifest, name: &str) -> Program {
    manifest.programs.iter().find(|program| program.name == name).cloned().unwrap_or_else(|| {
        let unit = if name.contains('.') { name.to_owned() } else { format!("{name}.service") };
        Program { name: name.to_owned(), backend: Backend::Systemd, unit }
    })
}

fn one(machine: &Machine, program: &Program, note: &Note, current: &Clock) -> Result<Action> {
    if !machine.root.is_machine() {
        return Ok(Action::NoManager);
    }
    let process = match look(machine, program)? {
        Seen::NoManager => return Ok(Action::NoManager),
        Seen::Stopped => return Ok(Action::NotRunning),
        Seen::Running(process) => process,
    };
    if has_read(note, current, process.and_then(|process| started(machine, process))) {
        return Ok(Action::UpToDate);
    }
    match program.backend {
        Backend::Systemd => systemd(machine, program, note.need),
        Backend::Supervisord => supervisord(machine, program),
    }
}

/// Whether a process that started at this moment has read what changed at the note's.
fn has_read(note: &Note, current: &Clock, started: Option<u64>) -> bool {
    if note.at.boot != current.boot {
        return true;
    }
    started.is_some_and(|started| started >= note.at.nanoseconds)
}

/// When a process started, in nanoseconds since boot (proc(5), field 22 of stat).
fn started(machine: &Machine, process: u32) -> Option<u64> {
    let stat = machine.root.text(&format!("/proc/{process}/stat")).ok()??;
    let ticks = start_ticks(&stat)?;
    let per_second = sysconf(SysconfVar::CLK_TCK).ok()?.and_then(|ticks| u64::try_from(ticks).ok())?;
    Some(ticks.saturating_mul(1_000_000_000_u64.checked_div(per_second)?))
}

fn start_ticks(stat: &str) -> Option<u64> {
    // The name of the program, in parentheses, may hold anything.
    let (_, rest) = stat.rsplit_once(')')?;
    rest.split_whitespace().nth(19)?.parse().ok()
}

fn look(machine: &Machine, program: &Program) -> Result<Seen> {
    match program.backend {
        Backend::Systemd => {
            if machine.root.kind("/run/systemd/system")? != Some(Kind::Directory) {
                return Ok(Seen::NoManager);
            }
            let words = ["systemctl", "show", "--property=ActiveState,MainPID", "--", &program.unit];
            Ok(systemd_state(&run(machine, &words)?.output))
        }
        Backend::Supervisord => {
            if machine.root.kind("/usr/bin/supervisorctl")?.is_none() {
                return Ok(Seen::NoManager);
            }
            Ok(supervisord_state(&run(machine, &supervisorctl("status", program))?))
        }
    }
}

fn systemd_state(output: &str) -> Seen {
    let value = |key: &str| output.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
    match value("ActiveState") {
        Some("active" | "reloading" | "activating") => {
            Seen::Running(value("MainPID").and_then(|number| number.parse().ok()).filter(|process| *process != 0))
        }
        _ => Seen::Stopped,
    }
}

/// `group:process  RUNNING  pid 123, uptime 0:00:05`; exit status 4 where no supervisord answers.
fn supervisord_state(ended: &Ended) -> Seen {
    if ended.status == Some(4) {
        return Seen::NoManager;
    }
    let running = |line: &&str| matches!(line.split_whitespace().nth(1), Some("RUNNING" | "STARTING"));
    match ended.output.lines().find(running) {
        Some(line) => {
            let after = line.split_whitespace().skip_while(|word| *word != "pid").nth(1);
            Seen::Running(after.and_then(|number| number.trim_end_matches(',').parse().ok()))
        }
        None => Seen::Stopped,
    }
}

fn systemd(machine: &Machine, program: &Program, need: Need) -> Result<Action> {
    let (verb, action) = match need {
        Need::Restart => ("restart", Action::Restarted),
        Need::Reload => ("reload-or-restart", Action::Reloaded),
    };
    // deb-systemd-invoke asks policy-rc.d, which binds maintainer scripts alone.
    let tool = if machine.in_maintainer_script { "deb-systemd-invoke" } else { "systemctl" };
    let ended = run(machine, &[tool, verb, &program.unit])?;
    if machine.in_maintainer_script && ended.output.contains(FORBIDDEN) {
        return Ok(Action::Forbidden);
    }
    succeeded(program, &ended, action, &format!("systemctl status {}", program.unit))
}

fn supervisord(machine: &Machine, program: &Program) -> Result<Action> {
    if machine.in_maintainer_script && !is_allowed(machine, SUPERVISOR, "restart")? {
        return Ok(Action::Forbidden);
    }
    // supervisord has no reload of a program.
    let ended = run(machine, &supervisorctl("restart", program))?;
    succeeded(program, &ended, Action::Restarted, &format!("supervisorctl tail {} stderr", program.unit))
}

fn supervisorctl<'a>(verb: &'a str, program: &'a Program) -> Vec<&'a str> {
    ["supervisorctl", verb].into_iter().chain(program.unit.split_whitespace()).collect()
}

fn succeeded(program: &Program, ended: &Ended, action: Action, look: &str) -> Result<Action> {
    if ended.is_success() {
        return Ok(action);
    }
    let shown: String = ended.output.lines().take(10).map(|line| format!("\n\t{line}")).collect();
    Err(Diagnostic::error(format!("{} did not start again with its new configuration{shown}", program.unit))
        .hint(format!("see '{look}'"))
        .into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn note(boot: &str, nanoseconds: u64) -> Note {
        Note { need: Need::Restart, at: Clock { boot: boot.to_owned(), nanoseconds } }
    }

    #[test]
    fn what_started_after_the_change_has_read_it() {
        let now = Clock { boot: "b".to_owned(), nanoseconds: 100 };
        assert!(has_read(&note("b", 50), &now, Some(60)));
        assert!(!has_read(&note("b", 50), &now, Some(40)));
        assert!(!has_read(&note("b", 50), &now, None));
        assert!(has_read(&note("a", 50), &now, Some(40)), "the machine has booted since");
    }

    #[test]
    fn states_of_both_managers_are_understood() {
        assert_eq!(systemd_state("ActiveState=active\nMainPID=7\n"), Seen::Running(Some(7)));
        assert_eq!(systemd_state("MainPID=0\nActiveState=active\n"), Seen::Running(None));
        assert_eq!(systemd_state("ActiveState=failed\nMainPID=0\n"), Seen::Stopped);
        let ended = |status, output: &str| Ended { status: Some(status), output: output.to_owned() };
        let line = "notes:web                        RUNNING   pid 4711, uptime 0:01:02\n";
        assert_eq!(supervisord_state(&ended(0, line)), Seen::Running(Some(4711)));
        assert_eq!(supervisord_state(&ended(3, "notes:web STOPPED Nov 21 11:00 AM\n")), Seen::Stopped);
        assert_eq!(supervisord_state(&ended(4, "unix:///run/x.sock no such file\n")), Seen::NoManager);
    }

    #[test]
    fn the_start_of_a_process_is_found_behind_any_name() {
        let stat = "12 (a) b (c) S 1 12 12 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 98765 1 2";
        assert_eq!(start_ticks(stat), Some(98765));
    }

    #[test]
    fn no_program_named_means_all() {
        let program = |name: &str| Program { name: name.to_owned(), backend: Backend::Systemd, unit: name.to_owned() };
        let manifest = Manifest { programs: vec![program("web"), program("worker")], ..Manifest::default() };
        assert_eq!(programs(&manifest, &OnChange::Restart(Vec::new())).len(), 2);
        assert_eq!(programs(&manifest, &OnChange::Reload(vec!["web".to_owned()])), [("web".to_owned(), Need::Reload)]);
        assert!(programs(&manifest, &OnChange::None).is_empty());
    }
}
