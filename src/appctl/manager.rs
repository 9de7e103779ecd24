//! Service managers: what they are told, how long they may take, and what came of it.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::time::Duration;

use serde::Serialize;

use super::machine::Machine;
use super::process::{self, Child, Ended, Whose};
use crate::error::{Diagnostic, Result};

/// How long a service manager may take for one program.
pub const LIMIT: Duration = Duration::from_secs(120);

/// What was done about a program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    /// It started again.
    Restarted,
    /// It read its configuration again.
    Reloaded,
    /// It has started since the change.
    UpToDate,
    /// It does not run, and stays so.
    NotRunning,
    /// policy-rc.d says no.
    Forbidden,
    /// Nothing runs in this root.
    NoManager,
    /// It runs now.
    Started,
    /// It does not run any more.
    Stopped,
    /// It starts by itself from now on.
    Enabled,
    /// It does not start by itself any more, and does not run.
    Disabled,
    /// It did not start.
    Failed,
}

/// A program and what was done about it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Outcome {
    /// Its name.
    pub program: String,
    /// Its name for the service manager.
    pub unit: String,
    /// What was done.
    pub action: Action,
    /// What went wrong.
    #[serde(skip)]
    pub fault: Option<Diagnostic>,
}

/// The service that policy-rc.d(8) is asked about for supervisor's programs.
pub const SUPERVISOR: &str = "supervisor";

/// What policy-rc.d(8) says about a service: only 0 and 104 are a yes.
pub fn is_allowed(machine: &Machine, service: &str, verb: &str) -> Result<bool> {
    const POLICY: &str = "/usr/sbin/policy-rc.d";
    if machine.root.kind(POLICY)?.is_none() {
        return Ok(true);
    }
    Ok(matches!(run(machine, &[POLICY, service, verb])?.status, Some(0 | 104)))
}

/// Run a program of a service manager, with the whole environment.
pub fn run(machine: &Machine, words: &[&str]) -> Result<Ended> {
    run_within(LIMIT, machine.environment.clone(), words)
}

/// The same with another limit and environment.
pub fn run_within(limit: Duration, environment: BTreeMap<OsString, OsString>, words: &[&str]) -> Result<Ended> {
    let words = words.iter().map(OsString::from).collect();
    process::run(&Child { words, environment, directory: "/".into(), limit, whose: Whose::System })
}
