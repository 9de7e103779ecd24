//! What builds: a session of the driver's own, sbuild, pbuilder, or this very machine.
//!
//! Owns how the others are called. sbuild and pbuilder get the environment that a
//! session stands on, build dependencies included, as an archive; so they build
//! with the same packages, without a network, and the same .deb comes out.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::apply;
use crate::error::{Diagnostic, Error, Result};
use crate::input;
use crate::plan::{Action, Process};

use super::context::{Context, last_words};
use super::environment::{Base, Environments};
use super::job::{BUILD_PLACE, Backend, PREPARE};
use super::process;
use super::session::take::Take;
use super::session::{self, Bench, Bind, PROCESSES, Session, Step, Upper};
use super::tree::Tree;

const HOST: &str = include_str!("../../share/driver/host.sh");
const SBUILD: &str = include_str!("../../share/driver/sbuild.sh");
const PBUILDER: &str = include_str!("../../share/driver/pbuilder.sh");

/// How long making a source package may take.
const LIMIT: Duration = Duration::from_secs(3600);

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
    /// What is fetched, from a directory of the build's.
    pub take: &'a dyn Fn(&str) -> Take,
}

impl Backend {
    /// Say what cannot be kept from a source, before it happens; refuse it as root
    /// unless somebody trusts the source.
    pub fn admit(self, context: &Context<'_>, trust: bool) -> Result<()> {
        if self != Self::Host {
            return Ok(());
        }
        if !nix::unistd::geteuid().is_root() {
            context.warn(
                Diagnostic::warning("--backend host: the source can do whatever you can do on this machine")
                    .hint("leave --backend out to build it where it can reach nothing of yours"),
            );
            return Ok(());
        }
        if !trust {
            return Err(Diagnostic::error("--backend host gives the source this machine's files, and root starts it")
                .hint(
                    "leave --backend out, or build as an ordinary user; --trust-source says that you trust the source",
                )
                .into());
        }
        context.warn(Diagnostic::warning(
            "--backend host: the source sees this machine's files and processes as nobody does; it is trusted",
        ));
        Ok(())
    }

    /// The build, as [`super::process::contained`] takes it.
    pub fn process(self, context: &Context<'_>, environments: &Environments<'_>, job: &Job<'_>) -> Result<Process> {
        let bench = match self {
            Self::Session | Self::Host => self.on_the_host(context, job)?,
            Self::Sbuild => self.with_archive(context, environments, job, SBUILD)?,
            Self::Pbuilder => self.with_archive(context, environments, job, PBUILDER)?,
        };
        bench.process()
    }

    fn environment(context: &Context<'_>, job: &Job<'_>) -> BTreeMap<String, PathBuf> {
        let mut all = context.for_bench(false);
        all.extend(job.environment.iter().map(|(name, value)| (name.clone(), PathBuf::from(value))));
        all
    }

    fn on_the_host(self, context: &Context<'_>, job: &Job<'_>) -> Result<Bench> {
        let own = job.work.join("host");
        let (upper, place) = match nix::unistd::geteuid().is_root() {
            true => (Upper::Memory(job.room), PathBuf::from("/mnt/build")),
            false => {
                apply::directory(&own)?;
                (Upper::Directory(own.clone()), own.join("build"))
            }
        };
        let words = ["sh", "-euc", HOST, self.name()].map(PathBuf::from);
        let mut command = words.to_vec();
        command.extend([job.tree.path.clone(), job.tree.origs.clone(), place]);
        command.extend([job.tree.directory_name().into(), job.kind.into()]);
        Ok(Bench {
            contained: false,
            network: job.network,
            upper,
            directories: Vec::new(),
            binds: Vec::new(),
            command,
            environment: Self::environment(context, job),
            take: Some((job.take)("/build")),
        })
    }

    /// sbuild and pbuilder, which unpack their own system. What they build they build below
    /// ids that are nobody's, as what they are started with.
    fn with_archive(
        self,
        context: &Context<'_>,
        environments: &Environments<'_>,
        job: &Job<'_>,
        script: &str,
    ) -> Result<Bench> {
        let base = job.base.ok_or_else(|| Error::bug("a backend without an environment"))?;
        let dsc = source_package(context, environments, base, job)?;
        let bind = |from: &Path, to: &str| Bind { from: from.to_owned(), to: to.into(), writable: false };
        let package = dsc.parent().unwrap_or(job.work);
        let name = dsc.file_name().unwrap_or_default();
        let words = ["sh", "-euc", script, self.name()].map(PathBuf::from);
        let mut command = words.to_vec();
        command.push(Path::new("/mnt/in").join(name));
        let ids = session::ids()?.count - 1;
        command.extend([job.kind, job.suite, job.architecture].map(PathBuf::from));
        command.extend([PathBuf::from(if job.network { "yes" } else { "no" }), ids.to_string().into()]);
        let directories = [("home", 0o755), ("out", 0o755), ("place", 0o755), ("hooks", 0o755), ("tmp", 0o1777)];
        Ok(Bench {
            contained: true,
            network: job.network,
            upper: Upper::Memory(job.room),
            directories: directories.map(|(name, mode)| (name.to_owned(), mode)).to_vec(),
            binds: vec![bind(package, "/mnt/in"), bind(&environments.archive(base)?, "/mnt/base.tar")],
            command,
            environment: Self::environment(context, job),
            take: Some((job.take)("/out")),
        })
    }
}

/// The .dsc of the tree, made now: in a session, as the source says how (dpkg-source(1)).
fn source_package(
    context: &Context<'_>,
    environments: &Environments<'_>,
    base: &Base,
    job: &Job<'_>,
) -> Result<PathBuf> {
    if !job.tree.has_source()? {
        return Err(Diagnostic::error("sbuild and pbuilder build source packages, and the orig tarball is not there")
            .hint("make it with: deb-build-app fetch")
            .into());
    }
    let place = job.work.join("source-package");
    apply::directory(&place)?;
    apply::action(&Action::Mode { path: place.clone(), mode: 0o755 })?;
    let changelog = &job.tree.changelog;
    let dsc = format!("{}_{}.dsc", changelog.source, changelog.file_version());
    let bind = |from: &Path, to: &str| Bind { from: from.to_owned(), to: to.into(), writable: false };
    let name = job.tree.directory_name();
    let session = Session {
        layers: base.layers.clone(),
        upper: Upper::Memory(job.room),
        mount_point: environments.mount_point()?,
        network: false,
        binds: vec![bind(&job.tree.path, "/run/source"), bind(&job.tree.origs, "/run/origs")],
        commands: vec![
            Step::script(PREPARE, &[&name]),
            Step::of("builder", BUILD_PLACE, &["dpkg-source", "--build", &name]),
        ],
        take: Some(Take {
            from: BUILD_PLACE.into(),
            index: vec![dsc.clone()],
            to: place.clone(),
            most: job.room,
            alone: false,
        }),
        processes: PROCESSES,
        interactive: false,
        boot: None,
    };
    let log = job.work.join("source-package.log");
    let task = context.begin("making the source package");
    let ended = process::contained(&session.process()?, &log, Some(LIMIT), &mut |line| task.line(line))?;
    drop(task);
    if ended.success() {
        return Ok(place.join(dsc));
    }
    let words = last_words(&input::bytes(&log)?.unwrap_or_default());
    Err(Error::failed(format!("dpkg-source cannot make the source package ({ended}): {words}")))
}
