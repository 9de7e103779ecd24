//! Names and places of a package's site: where everything lies on the machine.

use super::description::{Application, Description, Storage};

/// The directory of dh_appconfig's templates and others that a packager may write himself.
pub const SOURCE: &str = "debian/zeoclient";

/// A package with its description, and the names that follow from both.
#[derive(Debug, Clone, Copy)]
pub struct Site<'a> {
    /// The binary package.
    pub package: &'a str,
    /// Where its venv lies.
    pub prefix: &'a str,
    /// What the file says.
    pub description: &'a Description,
    /// Its application.
    pub application: &'a Application,
}

impl Site<'_> {
    /// The account that the application runs as.
    pub fn user(&self) -> &str {
        self.application.user.as_deref().unwrap_or(self.package)
    }

    /// The venv's interpreter.
    pub fn python(&self) -> String {
        format!("{}/bin/python", self.prefix)
    }

    /// Where share/python/zeoclient and its start lie.
    pub fn library(&self) -> String {
        format!("/usr/lib/{}/zeoclient", self.package)
    }

    /// A configuration file.
    pub fn configuration(&self, name: &str) -> String {
        format!("/etc/{}/{name}", self.package)
    }

    /// The command of share/python/zeoclient, with its configuration.
    pub fn client(&self) -> Vec<String> {
        let run = format!("{}/run.py", self.library());
        vec![self.python(), run, "--config".to_owned(), self.configuration("zeoclient.toml")]
    }

    /// The setting that says where an instance listens.
    pub fn listen(&self, instance: u16) -> String {
        if self.application.instances == 1 { "listen".to_owned() } else { format!("listen_{instance}") }
    }

    /// The storages, that of the administrator first.
    pub fn storages(&self) -> Vec<&Storage> {
        let mut all: Vec<&Storage> = self.description.storages.iter().collect();
        all.sort_by_key(|storage| storage.mount != "/");
        all
    }
}

/// The name of a storage's setting: the main storage's have no prefix.
pub fn setting(storage: &Storage, name: &str) -> String {
    if storage.mount == "/" { name.to_owned() } else { format!("{}_{name}", storage.label.replace('-', "_")) }
}
