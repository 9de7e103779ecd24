//! The machine that appctl works on, and how a run on it ends.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::process::ExitCode;

use super::fs::Root;
use crate::message::Printer;

/// The machine that is worked on, and how it is spoken about.
#[derive(Debug)]
pub struct Machine {
    /// The directory that all paths begin at.
    pub root: Root,
    /// The environment, for service managers.
    pub environment: BTreeMap<OsString, OsString>,
    /// Whether dpkg runs us in a maintainer script.
    pub in_maintainer_script: bool,
    /// Whether we are root.
    pub is_root: bool,
    /// Where messages go.
    pub printer: Printer,
    /// Whether answers are JSON.
    pub json: bool,
}

/// How a run without a fault ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Ending {
    /// All is well.
    Done,
    /// Something differs, or waits to be done.
    Differs,
    /// Something failed, and has been said.
    Failed,
}

impl From<Ending> for ExitCode {
    fn from(ending: Ending) -> Self {
        Self::from(match ending {
            Ending::Done => 0,
            Ending::Differs => 3,
            Ending::Failed => 1,
        })
    }
}
