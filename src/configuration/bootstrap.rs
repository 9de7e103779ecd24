//! `/usr/share/appctl/PACKAGE/zeoclient.json`: how appctl reaches what
//! dh_zeoclient has put into a package, and its database's administrator.

use serde::{Deserialize, Serialize};

/// The newest format that this version knows.
pub const FORMAT: u32 = 1;

/// Name of the file under `/usr/share/appctl/PACKAGE/`.
pub const FILE: &str = "zeoclient.json";

/// A package that is a client of a ZEO server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Client {
    /// Format, [`FORMAT`] at most.
    pub format: u32,
    /// The binary package.
    pub package: String,
    /// The account that its programs run as; commands run as that one, too.
    pub user: String,
    /// The program that asks and seeds, with its first arguments.
    pub command: Vec<String>,
    /// Where the first administrator's password comes from; absent where the
    /// package makes none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<Password>,
}

/// A password that the machine has made, or been given.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Password {
    /// The setting that holds it, a secret.
    pub setting: String,
    /// The file that it is rendered to, root's alone.
    pub file: String,
}
