//! `/usr/share/appctl/PACKAGE/programs.json`: the programs that a package runs,
//! written by dh_supervisord and read by appctl.
//!
//! It stands beside `manifest.json`, which dh_appconfig writes: either may be
//! there without the other, and appctl takes the programs of both (see
//! [`Programs::as_manifest`]). Types only; a file of a newer format than this
//! program knows is refused by number.
//!
//! ## What appctl makes of it
//!
//! - `appctl service converge PACKAGE` is the last word of the postinst. It
//!   compares this file with the copy of what it converged to last
//!   ([`LAST`] in `/var/lib/appctl/PACKAGE/`): units and groups that are only
//!   in the copy are stopped, disabled and forgotten (a program that is gone, or
//!   that has moved to the other backend); then what is here is started or
//!   restarted, once, in the order of [`Service::order`].
//! - A program of the backend `auto` goes to systemd where systemd is the
//!   machine's init (it runs, or `/sbin/init` of an image leads to it), else to
//!   supervisord. The postinst leaves enabling to appctl there, by the ways of
//!   the two backends: `deb-systemd-helper enable` for [`Units::enable`], and the
//!   link [`Fragment::link`] to [`Fragment::path`].
//! - Disabled under systemd is what systemctl(1) calls so. Under supervisord it
//!   is a section `[program:…]` ([`Group::section`]) with `autostart = false` in
//!   the administrator's file [`Fragment::disabled`], to which appctl makes the
//!   link [`Fragment::disabled_link`]. supervisord merges sections of one name,
//!   and the link sorts behind the package's own. A section of a program that is
//!   no longer here must be taken out before supervisord reads it again: a
//!   section without a command stops every update.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::manifest::{Backend, Program};

/// The newest format that this version knows.
pub const FORMAT: u32 = 1;

/// Name of the file under `/usr/share/appctl/PACKAGE/`.
pub const FILE: &str = "programs.json";

/// Name of appctl's copy under `/var/lib/appctl/PACKAGE/`.
pub const LAST: &str = "programs.json";

/// The programs of one package. The order of the list is the packager's.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Programs {
    /// Format, [`FORMAT`] at most.
    pub format: u32,
    /// The binary package.
    pub package: String,
    /// What supervisord reads; absent where no program can run under it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fragment: Option<Fragment>,
    /// The programs.
    pub programs: Vec<Service>,
    /// Directories in which root opens the programs' log files: they are root's.
    /// Packages that 0.1.0 has built gave them to the programs' accounts, who may
    /// have left links there, see `appctl mend-logs`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub log_directories: Vec<LogDirectory>,
}

/// A directory in which root opens log files.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogDirectory {
    /// Absolute path.
    pub path: String,
    /// The account whose programs log there.
    pub user: String,
    /// The group that may look into it; absent: everybody may pass through.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// The one directory in it that is the account's own.
    pub own: String,
}

impl Programs {
    /// The programs in the manifest's words, for those that go to `backend`:
    /// what `OnChange` of a file may name. Several processes of supervisord are
    /// words of one unit.
    pub fn as_manifest(&self, auto: Backend) -> Vec<Program> {
        let entries = self.programs.iter().filter_map(|service| {
            let backend = service.backend.chosen(auto);
            let unit = match backend {
                Backend::Systemd => service.systemd.as_ref().map(|units| units.unit.clone()),
                Backend::Supervisord => service.supervisord.as_ref().map(|group| {
                    let names =
                        service.instances.iter().map(|instance| format!("{}:{}", group.group, instance.process));
                    names.collect::<Vec<_>>().join(" ")
                }),
            }?;
            Some(Program { name: service.name.clone(), backend, unit })
        });
        entries.collect()
    }
}

/// The files through which supervisord learns of a package, absolute paths.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fragment {
    /// The fragment, a conffile.
    pub path: String,
    /// The link to it in supervisord's directory.
    pub link: String,
    /// The administrator's (and `appctl service disable`'s) file.
    pub disabled: String,
    /// The link to that one.
    pub disabled_link: String,
}

/// A program.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Service {
    /// Its name in debian/PACKAGE.supervisord.
    pub name: String,
    /// Who shall run it.
    pub backend: Choice,
    /// Place in the order of starts, from low to high; equal ones in the list's
    /// order. Stops go the other way.
    pub order: i64,
    /// Whether it starts by itself.
    pub autostart: bool,
    /// Seconds for which it must have stayed up to count as started.
    pub start_seconds: u32,
    /// Seconds that it may take to stop.
    pub stop_seconds: u32,
    /// What a start that fails means for the package's configuration.
    #[serde(default)]
    pub on_failure: OnFailure,
    /// The account that it runs as; absent: root.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// Its processes, at least one. They restart one after another.
    pub instances: Vec<Instance>,
    /// How systemd runs it; absent where it cannot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub systemd: Option<Units>,
    /// How supervisord runs it; absent where it cannot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub supervisord: Option<Group>,
}

/// The packager's choice of who runs a program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Choice {
    /// systemd.
    Systemd,
    /// supervisord.
    Supervisord,
    /// Decided on the machine.
    Auto,
}

impl Choice {
    /// The backend, where `auto` has been decided so.
    pub fn chosen(self, auto: Backend) -> Backend {
        match self {
            Self::Systemd => Backend::Systemd,
            Self::Supervisord => Backend::Supervisord,
            Self::Auto => auto,
        }
    }

    /// Whether systemd may run it.
    pub fn systemd(self) -> bool {
        self != Self::Supervisord
    }

    /// Whether supervisord may run it.
    pub fn supervisord(self) -> bool {
        self != Self::Systemd
    }
}

/// What a start that fails means for the package's configuration.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OnFailure {
    /// The package is configured; a warning names the program.
    #[default]
    Warn,
    /// The package stays half-configured.
    Fail,
}

/// One process of a program.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Instance {
    /// supervisord's name for it within the group: `web`, `web_00`.
    pub process: String,
    /// systemd's name for it; absent where systemd cannot run it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
    /// How to tell that it serves; absent: that it runs is enough.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub health: Option<Health>,
    /// Its log files, absolute; empty where supervisord or the journal keeps them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub logs: Vec<String>,
}

/// How to tell that a process serves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Health {
    /// What is asked.
    pub probe: Probe,
    /// Milliseconds between two questions.
    pub interval: u32,
    /// Milliseconds after which it counts as failed.
    pub deadline: u32,
    /// Whether a command may gain privileges by setuid programs.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub privileges: bool,
}

/// What is asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Probe {
    /// GET of an `http://` address answers with a status below 400.
    Http(String),
    /// `HOST:PORT` accepts a connection.
    Tcp(String),
    /// A socket in the file system accepts a connection.
    Unix(String),
    /// A command, as the program's account, ends with status 0.
    Command(Vec<String>),
}

/// A program under systemd.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Units {
    /// What is started and stopped: a service, or the target of all instances.
    pub unit: String,
    /// Units that are enabled: the one above, and sockets.
    pub enable: Vec<String>,
    /// Sockets that stay open over a restart.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sockets: Vec<String>,
}

/// A program under supervisord.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Group {
    /// The group that its processes are in.
    pub group: String,
    /// The section that describes it: `program:notes_web`.
    pub section: String,
}

/// The name of the supervisord group of a service that has one.
pub fn group_of(service: &Service) -> Option<&str> {
    service.supervisord.as_ref().map(|group| group.group.as_str())
}

/// The names of the supervisord groups of services.
pub fn groups(services: &[&Service]) -> BTreeSet<String> {
    services.iter().filter_map(|service| group_of(service)).map(str::to_owned).collect()
}
