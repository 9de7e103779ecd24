//! What decides a new debian/, and the files that come of it: values alone.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::super::inspect::Project;
use super::super::inspect::forge::Repository;
use super::super::inspect::service::Service;

/// A file that is to be written, below the project's directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// Path.
    pub path: PathBuf,
    /// All of its text.
    pub contents: String,
    /// Permission bits.
    pub mode: u32,
    /// Why it is there, in a line.
    pub why: &'static str,
}

/// What decides the files.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Facts {
    /// What the project says of itself.
    pub project: Project,
    /// Where its repository can be read, as its git remote says.
    pub repository: Option<Repository>,
    /// Name of the source and binary package.
    pub package: String,
    /// Version, as Debian writes it.
    pub version: String,
    /// `Name <address>`.
    pub maintainer: String,
    /// Where the requirements come from.
    pub requirements: Requirements,
    /// Whether the directory is an installable project.
    pub installable: bool,
    /// Files and directories at the top that are the program, where it is not installable.
    pub sources: Vec<String>,
    /// Distributions that the code needs although nothing says so.
    pub undeclared: BTreeSet<String>,
    /// The package that `python -m` runs, where the project has no other program.
    pub module: Option<String>,
    /// Manual pages that the project has: of each program, the file.
    pub manuals: BTreeMap<String, String>,
    /// Whether it has files that are made from others: smaller scripts, pages with long lines, binaries.
    pub generated: bool,
    /// The licence's text, where there is one.
    pub licence: Option<String>,
    /// Programs that run all the time.
    pub services: Vec<Service>,
    /// The framework of an application whose data is on a ZEO server.
    pub zope: Option<Zope>,
    /// Whether cargo compiles a part of it.
    pub rust: bool,
    /// Packages of Debian with parts of Python's own library that the code imports.
    pub modules: BTreeSet<&'static str>,
    /// Environment variables that the code reads.
    pub variables: BTreeSet<String>,
    /// Date of the changelog entry, as `date -R` prints it.
    pub date: String,
    /// Year of the copyright notice, where the licence's text has none.
    pub year: String,
}

/// An application of Zope or Grok.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Zope {
    /// dh_zeoclient's name of the framework.
    pub framework: &'static str,
    /// Its packages with a configure.zcml.
    pub zcml: Vec<String>,
}

/// Where the requirements come from.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Requirements {
    /// From the project's own metadata alone.
    #[default]
    Project,
    /// From the project's metadata, although there is a requirements.txt, which is for developers.
    ProjectNotFile,
    /// From a file.
    File(String),
    /// From a lock of uv or a pylock.toml.
    Lock(String),
    /// These, which stand in a file of another form.
    Listed(Vec<String>),
}

/// A file of debian/.
pub fn file(path: &str, why: &'static str, contents: String) -> File {
    File { path: Path::new("debian").join(path), contents, mode: 0o644, why }
}
