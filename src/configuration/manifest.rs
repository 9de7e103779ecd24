//! `/usr/share/appctl/PACKAGE/manifest.json`: what a package has configured,
//! written by dh_appconfig and read by appctl.
//!
//! The templates stand beside it, in `templates/`. A manifest of a newer
//! format than this program knows is refused by number.

use serde::{Deserialize, Serialize};

use super::setting::Setting;

/// The newest format of the manifest that this version knows.
pub const FORMAT: u32 = 1;

/// The manifest of one package. The order of each list is the packager's.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// Format, [`FORMAT`] at most.
    pub format: u32,
    /// The binary package.
    pub package: String,
    /// Its settings.
    #[serde(default)]
    pub settings: Vec<Setting>,
    /// Files rendered from templates.
    #[serde(default)]
    pub files: Vec<File>,
    /// Directories that the package needs.
    #[serde(default)]
    pub directories: Vec<Directory>,
    /// Symbolic links.
    #[serde(default)]
    pub links: Vec<Link>,
    /// Accounts that exist before anything is written (made by systemd-sysusers).
    #[serde(default)]
    pub users: Vec<User>,
    /// The programs that `OnChange` names, as the service manager knows them.
    #[serde(default)]
    pub programs: Vec<Program>,
}

/// A program that runs as a service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Program {
    /// Its name in the packager's files.
    pub name: String,
    /// Who runs it.
    pub backend: Backend,
    /// systemd: the unit (`notes-web.service`); supervisord: `group:process`.
    pub unit: String,
}

/// A service manager.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Backend {
    /// systemd.
    Systemd,
    /// supervisord.
    Supervisord,
}

/// A file rendered from a template.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct File {
    /// Absolute path on the machine.
    pub path: String,
    /// Name of the template under `templates/`.
    pub template: String,
    /// How values are written into it.
    pub escape: Escape,
    /// Account that owns it.
    pub owner: String,
    /// Its group.
    pub group: String,
    /// Permission bits, in octal digits: `0640`.
    pub mode: String,
    /// A command that accepts or refuses the new contents; `{{file}}` is their path.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub check: Option<String>,
    /// The account that runs the check; the first of `users`, else `nobody`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub check_user: Option<String>,
    /// Whether the check may gain privileges by setuid programs.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub check_privileges: bool,
    /// What a change of it needs.
    #[serde(default)]
    pub on_change: OnChange,
    /// What is done where the administrator has edited it.
    #[serde(default)]
    pub local_edit: LocalEdit,
}

/// How values are written into a file, so that the format's parser reads them back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Escape {
    /// Python's configparser: the rest of a line.
    Ini,
    /// TOML 1.0: the inside of a basic string, `"{{x}}"`.
    Toml,
    /// JSON: the inside of a string, `"{{x}}"`.
    Json,
    /// YAML 1.1 and 1.2: the inside of a double-quoted scalar, `"{{x}}"`.
    Yaml,
    /// POSIX sh: a whole word, quoted where it needs to be.
    Shell,
    /// ZConfig: the rest of a line.
    Zconfig,
    /// systemd's EnvironmentFile=: a whole value, quoted where it needs to be.
    Systemd,
    /// As it is.
    None,
}

/// What a change of a file needs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "action", content = "programs", rename_all = "kebab-case")]
pub enum OnChange {
    /// These programs (units or supervisord programs of the package; none named: all) start again.
    Restart(Vec<String>),
    /// These programs read their configuration again.
    Reload(Vec<String>),
    /// Nothing.
    #[default]
    None,
}

/// What is done where the administrator has edited a rendered file.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LocalEdit {
    /// Kept; the new version is put beside it.
    #[default]
    Keep,
    /// Merged three ways; kept where that conflicts.
    Merge,
}

/// A directory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Directory {
    /// Absolute path.
    pub path: String,
    /// Account that owns it.
    pub owner: String,
    /// Its group.
    pub group: String,
    /// Permission bits, in octal digits.
    pub mode: String,
    /// Whether purge removes it with what is in it.
    #[serde(default)]
    pub purge: Purge,
}

/// What purge does with a directory.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Purge {
    /// It stays where anything is in it.
    #[default]
    Keep,
    /// It goes with everything in it.
    Remove,
}

/// A symbolic link.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Link {
    /// Absolute path of the link.
    pub path: String,
    /// What it holds.
    pub target: String,
}

/// An account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    /// Name of the account and of its group.
    pub name: String,
    /// Home directory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub home: Option<String>,
}
