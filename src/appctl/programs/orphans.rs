//! Processes that a supervisord which was killed has left behind: Debian's unit
//! ends supervisord alone (KillMode=process), and the next supervisord starts
//! each program beside them. They are known by the environment that supervisord
//! gives its children, and by having none of it among their ancestors.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::appctl::Machine;
use crate::appctl::service;
use crate::error::Result;

/// A process of a group, and its parent.
type Found = BTreeMap<i32, i32>;

/// End what is left of `group`, within `patience`; how many processes there were.
pub fn end(machine: &Machine, group: &str, patience: Duration) -> Result<usize> {
    let first = of(machine, group)?;
    // A master ends its own children.
    let masters = first.iter().filter(|(_, parent)| !first.contains_key(parent)).map(|(process, _)| *process);
    send(masters, Signal::SIGTERM);
    let deadline = Instant::now() + patience;
    let mut left = first.clone();
    while !left.is_empty() {
        if Instant::now() >= deadline {
            send(left.keys().copied(), Signal::SIGKILL);
            break;
        }
        std::thread::sleep(Duration::from_millis(50));
        left = of(machine, group)?;
    }
    Ok(first.len())
}

/// A process that is gone already is as good.
fn send(processes: impl Iterator<Item = i32>, signal: Signal) {
    for process in processes {
        let _ = kill(Pid::from_raw(process), signal);
    }
}

fn of(machine: &Machine, group: &str) -> Result<Found> {
    let names = machine.root.names("/proc")?.unwrap_or_default();
    let wanted = format!("SUPERVISOR_GROUP_NAME={group}");
    let mut found = Found::new();
    for process in names.iter().filter_map(|name| name.parse::<i32>().ok()) {
        // One that has ended meanwhile cannot be read.
        let environment = machine.root.input(&format!("/proc/{process}/environ")).ok().flatten().unwrap_or_default();
        let is_member = environment.split(|byte| *byte == 0).any(|variable| variable == wanted.as_bytes());
        if let Some(parent) = parent(machine, process).filter(|_| is_member) {
            if !is_supervised(machine, parent) && is_in_our_root(machine, process)? {
                found.insert(process, parent);
            }
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
    let ended = service::run(machine, &["stat", "--dereference", "--format=%d:%i", "--", &root, "/"])?;
    let mut lines = ended.output.lines();
    Ok(ended.is_success() && lines.next() == lines.next())
}
