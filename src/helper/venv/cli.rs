//! dh_venv's own command line: every field of `debian/PKG.venv` as an option.
//!
//! debhelper's options are in [`crate::cli`]. What the words mean is decided
//! in [`super::settings`].

use clap::Args;

/// Options of dh_venv. Each replaces the field of its name; given again, it appends.
#[derive(Debug, Clone, Default, Args)]
pub struct Options {
    /// Directories to install, relative to the source directory; "none" for requirements only
    #[arg(long, value_name = "DIR")]
    pub project: Vec<String>,
    /// Requirement files; hashes in them are honoured
    #[arg(long, value_name = "FILE")]
    pub requirements: Vec<String>,
    /// Lock file: uv.lock or pylock.toml
    #[arg(long, value_name = "FILE")]
    pub lock: Vec<String>,
    /// Extras of the project to install
    #[arg(long, value_name = "NAME")]
    pub extras: Vec<String>,
    /// Dependency groups of the project to install
    #[arg(long, value_name = "NAME")]
    pub groups: Vec<String>,
    /// A requirement to install before all others
    #[arg(long, value_name = "REQUIREMENT")]
    pub preinstall: Vec<String>,
    /// Interpreter: python3, python3.N or an absolute path
    #[arg(long, value_name = "PYTHON")]
    pub python: Vec<String>,
    /// Installer: auto, uv or pip
    #[arg(long, value_name = "NAME")]
    pub installer: Vec<String>,
    /// Directory of wheels and source archives; implies --offline=yes
    #[arg(long, value_name = "DIR")]
    pub wheelhouse: Vec<String>,
    /// Package index; the first one given is the primary index
    #[arg(long, value_name = "URL")]
    pub index: Vec<String>,
    /// Where the venv is installed
    #[arg(long, value_name = "PATH")]
    pub prefix: Vec<String>,
    /// A link in /usr/bin to a script of the venv
    #[arg(long, value_name = "NAME[=SCRIPT]")]
    pub commands: Vec<String>,
    /// Whether the venv sees Debian's own Python packages: yes or no
    #[arg(long, value_name = "YES|NO")]
    pub system_site_packages: Vec<String>,
    /// What is not removed or left out: pip, setuptools, tests
    #[arg(long, value_name = "NAME")]
    pub keep: Vec<String>,
    /// Byte code: unchecked-hash, checked-hash or none
    #[arg(long, value_name = "MODE")]
    pub bytecode: Vec<String>,
    /// A command to run in the finished venv, whose results are shipped
    #[arg(long, value_name = "COMMAND")]
    pub after_install: Vec<String>,
    /// Forbid the network: yes or no
    #[arg(long, value_name = "YES|NO")]
    pub offline: Vec<String>,
    /// Compression of the .deb: zstd, xz or none (read by the add-on from the file only)
    #[arg(long, value_name = "NAME", hide = true)]
    pub compression: Vec<String>,
    /// Layout of the venv: fixed
    #[arg(long, value_name = "NAME")]
    pub layout: Vec<String>,
    /// A command run as a test in the finished venv
    #[arg(long, value_name = "COMMAND")]
    pub test: Vec<String>,
    /// Print the .venv file that a dh-virtualenv debian/rules amounts to, and end
    #[arg(long, value_name = "RULES", num_args = 0..=1, default_missing_value = "debian/rules", require_equals = true)]
    pub from_dh_virtualenv: Option<String>,
    /// Only fill the cache with what follows from hashes alone; intermediate files go below DIR (for the driver)
    #[arg(long, value_name = "DIR", hide = true)]
    pub fill: Option<String>,
    /// With --fill: only try what has been filled
    #[arg(long, requires = "fill", hide = true)]
    pub tried: bool,
}

impl Options {
    /// Name in the file and values, for each field that was given as an option.
    pub fn given(&self) -> Vec<(&'static str, &[String])> {
        let all: [(&'static str, &Vec<String>); 20] = [
            ("Project", &self.project),
            ("Requirements", &self.requirements),
            ("Lock", &self.lock),
            ("Extras", &self.extras),
            ("Groups", &self.groups),
            ("Preinstall", &self.preinstall),
            ("Python", &self.python),
            ("Installer", &self.installer),
            ("Wheelhouse", &self.wheelhouse),
            ("Index", &self.index),
            ("Prefix", &self.prefix),
            ("Commands", &self.commands),
            ("System-Site-Packages", &self.system_site_packages),
            ("Keep", &self.keep),
            ("Bytecode", &self.bytecode),
            ("After-Install", &self.after_install),
            ("Offline", &self.offline),
            ("Compression", &self.compression),
            ("Layout", &self.layout),
            ("Test", &self.test),
        ];
        all.into_iter()
            .filter(|(_, values)| !values.is_empty())
            .map(|(name, values)| (name, values.as_slice()))
            .collect()
    }
}
