//! Processes that a supervisord which was killed has left behind: Debian's unit
//! ends supervisord alone (KillMode=process), and the next supervisord would start
//! each program beside them. So supervisor.service ends them before it starts
//! ([`end_all`]), and a converge does ([`end`]), whoever starts supervisord there.
//! They are known by the environment that supervisord gives its children, and by
//! having none of it among their ancestors.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::appctl::machine::Machine;
use crate::appctl::manager;
use crate::appctl::package;
use crate::appctl::store;
use crate::configuration::program::{LAST, Programs, Service, groups};
use crate::error::Result;

/// The longest that supervisord's start waits for all of them, within systemd's 90 s.
const LONGEST: Duration = Duration::from_secs(60);

/// Processes of groups, with their parents and groups.
type Found = BTreeMap<i32, (i32, String)>;

/// End what a supervisord that is gone has left of any package's programs.
pub fn end_all(machine: &Machine) -> Result<()> {
    if !machine.root.is_machine() {
        return Ok(());
    }
    // One that is damaged keeps nobody from starting, and is reported by a converge.
    // The lock is not waited for: who holds it may wait for supervisord's start.
    let last = |name: &str| {
        let bytes = machine.root.input(&format!("{}/{LAST}", store::path(name))).ok()??;
        serde_json::from_slice::<Programs>(&bytes).ok()
    };
    let services: Vec<Service> = package::known(&machine.root)?
        .iter()
        .flat_map(|name| [package::programs(&machine.root, name).ok().flatten(), last(name)])
        .flatten()
        .flat_map(|programs| programs.programs)
        .collect();
    let services: Vec<&Service> = services.iter().collect();
    end_within(machine, &groups(&services), patience(&services).min(LONGEST))
}

/// End what is left of `groups`, within the time that the slowest of `services` may take.
pub fn end(machine: &Machine, groups: &BTreeSet<String>, services: &[&Service]) -> Result<()> {
    end_within(machine, groups, patience(services))
}

fn patience(services: &[&Service]) -> Duration {
    Duration::from_secs(services.iter().map(|service| service.stop_seconds).max().unwrap_or(10).into())
}

fn end_within(machine: &Machine, groups: &BTreeSet<String>, patience: Duration) -> Result<()> {
    let ended = terminate(machine, groups, patience)?;
    for group in groups {
        let of: Vec<String> = ended.iter().filter(|(_, (_, of))| of == group).map(|(id, _)| id.to_string()).collect();
        if !of.is_empty() {
            let note = format!("{group}: ended what a supervisord which is gone had left (process {})", of.join(", "));
            machine.printer.note(&note);
        }
    }
    Ok(())
}

fn terminate(machine: &Machine, groups: &BTreeSet<String>, patience: Duration) -> Result<Found> {
    let first = of(machine, groups)?;
    // A master ends its own children.
    let masters = first.iter().filter(|(_, (parent, _))| !first.contains_key(parent)).map(|(process, _)| *process);
    send(masters, Signal::SIGTERM);
    let deadline = Instant::now() + patience;
    let mut left = first.clone();
    while !left.is_empty() {
        if Instant::now() >= deadline {
            send(left.keys().copied(), Signal::SIGKILL);
            break;
        }
        std::thread::sleep(Duration::from_millis(50));
        left = of(machine, groups)?;
    }
    Ok(first)
}

/// A process that is gone already is as good.
fn send(processes: impl Iterator<Item = i32>, signal: Signal) {
    for process in processes {
        let _ = kill(Pid::from_raw(process), signal);
    }
}

fn of(machine: &Machine, groups: &BTreeSet<String>) -> Result<Found> {
    const VARIABLE: &str = "SUPERVISOR_GROUP_NAME=";
    let mut found = Found::new();
    if groups.is_empty() {
        return Ok(found);
    }
    let names = machine.root.names("/proc")?.unwrap_or_default();
    for process in names.iter().filter_map(|name| name.parse::<i32>().ok()) {
        // One that has ended meanwhile cannot be read.
        let environment = machine.root.input(&format!("/proc/{process}/environ")).ok().flatten().unwrap_or_default();
        let mut variables = environment.split(|byte| *byte == 0);
        let group = variables.find_map(|variable| variable.strip_prefix(VARIABLE.as_bytes()));
        let Some(group) = group.and_then(|name| groups.get(&*String::from_utf8_lossy(name))) else { continue };
        let Some(parent) = parent(machine, process) else { continue };
        if !is_supervised(machine, parent) && is_in_our_root(machine, process)? {
            found.insert(process, (parent, group.clone()));
        }
    }
    Ok(found)
}

fn parent(machine: &Machine, process: i32) -> Option<i32> {
    let stat = machine.root.text(&format!("/proc/{process}/stat")).ok()??;
    let (_, rest) = stat.rsplit_once(')')?;
    let mut words = rest.split_whitespace();
    // A zombie is nobody's duplicate.
    if words.next() == Some("Z") { None } else { words.next()?.parse().ok() }
}

fn is_supervised(machine: &Machine, mut process: i32) -> bool {
    while process > 1 {
        let command = machine.root.input(&format!("/proc/{process}/cmdline")).ok().flatten().unwrap_or_default();
        if String::from_utf8_lossy(&command).contains("supervisord") {
            return true;
        }
        process = parent(machine, process).unwrap_or(0);
    }
    false
}

/// The processes of a machine show in /proc of a chroot on it, and a container's in that of its host.
fn is_in_our_root(machine: &Machine, process: i32) -> Result<bool> {
    let root = format!("/proc/{process}/root/");
    let ended = manager::run(machine, &["stat", "--dereference", "--format=%d:%i", "--", &root, "/"])?;
    let mut lines = ended.output.lines();
    Ok(ended.is_success() && lines.next() == lines.next())
}
