//! What builds: a session of the driver's own, sbuild, pbuilder, or this very machine.
//!
//! Owns how the others are called. sbuild and pbuilder get the environment that a
//! session stands on, build dependencies included, as an archive; so they build
//! with the same packages, without a network, and the same .deb comes out.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use clap::ValueEnum;

use crate::apply;
use crate::error::{Diagnostic, Error, Result};
use crate::input;
use crate::plan::Process;

use super::context::Context;
use super::environment::{Base, Environments};
use super::tree::Tree;

const HOST: &str = include_str!("../../share/driver/host.sh");
const SBUILD: &str = include_str!("../../share/driver/sbuild.sh");
const PBUILDER: &str = include_str!("../../share/driver/pbuilder.sh");

/// What builds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum Backend {
    /// A session of the driver's own
    #[default]
    Session,
    /// sbuild, in its mode unshare
    Sbuild,
    /// pbuilder
    Pbuilder,
    /// This machine as it is, build dependencies included
    Host,
}

/// A build for one of the others.
pub struct Job<'a> {
    /// What it stands on.
    pub base: Option<&'a Base>,
    /// Codename of the suite.
    pub suite: &'a str,
    /// Debian's name of the architecture.
    pub architecture: &'a str,
    /// The source.
    pub tree: &'a Tree,
    /// dpkg-buildpackage's `--build`.
    pub kind: &'a str,
    /// Whether the build has a network.
    pub network: bool,
    /// Most bytes that it may write.
    pub room: u64,
    /// Its variables.
    pub environment: &'a BTreeMap<String, String>,
    /// Directory of this run.
    pub work: &'a Path,
    /// Where results go.
    pub part: &'a Path,
}

impl Backend {
    /// Its name on the command line and in manifests.
    pub fn name(self) -> &'static str {
        match self {
            Self::Session => "session",
            Self::Sbuild => "sbuild",
            Self::Pbuilder => "pbuilder",
            Self::Host => "host",
        }
    }

    /// The build, as [`super::process::contained`] takes it.
    pub fn process(self, context: &Context<'_>, environments: &Environments<'_>, job: &Job<'_>) -> Result<Process> {
        let (script, input): (_, OsString) = match self {
            Self::Session | Self::Host => (HOST, job.tree.origs.clone().into()),
            Self::Sbuild => (SBUILD, source_package(context, job)?.into()),
            Self::Pbuilder => (PBUILDER, source_package(context, job)?.into()),
        };
        let archive = match job.base.filter(|_| self != Self::Host) {
            Some(base) => {
                if !nix::unistd::geteuid().is_root() || context.is_rootless() {
                    return Err(Diagnostic::error(format!("the backend {} needs root", self.name()))
                        .hint("run it through sudo, or leave --backend out")
                        .into());
                }
                environments.archive(base)?
            }
            None => PathBuf::new(),
        };
        let mut words: Vec<OsString> = Vec::new();
        // sbuild and pbuilder cut the build off themselves.
        words.extend((self == Self::Host && !job.network).then(|| "--net".into()));
        words.extend(["sh", "-euc", script, self.name()].map(OsString::from));
        words.extend([job.tree.path.clone().into(), input, job.part.as_os_str().to_owned()]);
        words.extend([job.tree.directory_name(), job.kind.to_owned(), job.room.to_string()].map(OsString::from));
        words.extend([archive.into(), job.suite.into(), job.architecture.into()]);
        words.push(if job.network { "yes".into() } else { "no".into() });
        let mut process = Process::new("--ipc", words);
        process.environment = context.children();
        process.environment.extend(job.environment.iter().map(|(name, value)| (name.into(), value.into())));
        Ok(process)
    }
}

/// The .dsc of the tree, made now.
fn source_package(context: &Context<'_>, job: &Job<'_>) -> Result<PathBuf> {
    if !job.tree.has_source()? {
        return Err(Diagnostic::error("sbuild and pbuilder build source packages, and the orig tarball is not there")
            .hint("make it with: deb-build-app fetch")
            .into());
    }
    let place = job.work.join("source-package");
    let tree = place.join(job.tree.directory_name());
    apply::directory(&place)?;
    let words = ["-a".into(), job.tree.path.clone().into_os_string(), tree.clone().into()];
    context.output("cp", Process::new::<OsString>("cp", words))?;
    for name in input::names(&job.tree.origs)? {
        let bytes = input::bytes(&job.tree.origs.join(&name))?.unwrap_or_default();
        apply::write(&place.join(&name), &bytes, 0o644)?;
    }
    let words = ["--build".into(), tree.into_os_string()];
    context.output("dpkg-source --build", Process::new::<OsString>("dpkg-source", words).directory(&place))?;
    let names = input::names(&place)?;
    let dsc = names.into_iter().find(|name| name.to_string_lossy().ends_with(".dsc"));
    dsc.map(|name| place.join(name)).ok_or_else(|| Error::failed("dpkg-source has left no .dsc file"))
}
