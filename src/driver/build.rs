//! `build`: from a source tree to packages, in a session without a network.
//!
//! Owns the stages of a build, the lock that keeps two builds of one source for
//! one architecture apart, and the directory of results: it appears whole, with
//! log and manifest, and a failed build leaves the one before it as it was.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Instant;

use serde::Serialize;

use crate::apply;
use crate::error::{Diagnostic, Error, Result};
use crate::hex::hex;
use crate::input::{self, Beneath, Kind};
use crate::plan::Process;

use super::backend;
use super::context::{Context, last_words};
use super::environment::{Base, Environments};
use super::hold::{Held, Workroom, now, owner};
use super::job::{BUILD_PLACE, Backend, LOG, PREPARE, Request, Variation};
use super::json::json;
use super::kept::{Filling, Kept};
use super::process::{self, Ended, Terms};
use super::results::Place;
use super::session::take::Take;
use super::session::{self, Bind, PROCESSES, Session, Step, Upper, memory};
use super::tree::{self, Tree};
use super::vendor;

/// The file manifest.json of a build.
#[derive(Debug, Clone, Serialize)]
pub struct Manifest {
    /// Version of this form.
    pub schema: u32,
    /// `built`, or what failed.
    pub result: String,
    /// Source package.
    pub source: String,
    /// Whole version.
    pub version: String,
    /// Suite and architecture.
    pub suite: String,
    /// Architecture built for.
    pub architecture: String,
    /// By what it was built.
    pub backend: &'static str,
    /// sha256 over the source tree.
    pub tree: String,
    /// Full commit id, where one was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    /// Generation of the minimal system.
    pub generation: String,
    /// Layers on it, the lowest first.
    pub layers: Vec<String>,
    /// Whether the build had a network.
    pub network: bool,
    /// What was run, as the user builder.
    pub command: Vec<String>,
    /// Its variables.
    pub environment: BTreeMap<String, String>,
    /// Seconds since the epoch.
    pub started: u64,
    /// Seconds of each stage.
    pub seconds: BTreeMap<&'static str, f64>,
    /// Version of this program.
    pub builder: &'static str,
    /// Files that were built.
    pub outputs: Vec<Output>,
}

/// A file that was built.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Output {
    /// Name.
    pub file: String,
    /// Bytes.
    pub size: u64,
    /// sha256.
    pub sha256: String,
}

/// What a build leaves.
#[derive(Debug, Clone)]
pub struct Built {
    /// Directory of the results.
    pub directory: PathBuf,
    /// The .changes file in it.
    pub changes: String,
    /// What is in manifest.json.
    pub manifest: Manifest,
}

impl Manifest {
    /// Of a build that has come to nothing yet, and took so long.
    fn of(request: &Request, tree: &Tree, seconds: BTreeMap<&'static str, f64>) -> Self {
        Self {
            schema: 1,
            result: String::new(),
            source: tree.changelog.source.to_string(),
            version: tree.changelog.version.to_string(),
            suite: request.suite.name.to_owned(),
            architecture: request.architecture.clone(),
            backend: request.backend.name(),
            tree: tree.digest.clone(),
            commit: tree.commit.clone(),
            generation: String::new(),
            layers: Vec::new(),
            network: request.network,
            command: Vec::new(),
            environment: BTreeMap::new(),
            started: now().saturating_sub(seconds.values().sum::<f64>() as u64),
            seconds,
            builder: env!("CARGO_PKG_VERSION"),
            outputs: Vec::new(),
        }
    }
}

/// Name of the description of a build among the results.
const MANIFEST: &str = "manifest.json";

/// Build.
pub fn build(context: &Context<'_>, request: &Request) -> Result<Built> {
    prepare(context, request)?.build(request)
}

/// A source that is ready to be built, with what it is built on, and its lock.
pub struct Ready<'a> {
    context: &'a Context<'a>,
    tree: Tree,
    kind: String,
    environments: Environments<'a>,
    base: Option<Base>,
    work: Workroom,
    seconds: f64,
    _lock: Held,
}

impl Ready<'_> {
    /// Build it, as it was prepared for; several times at once, if the requests have places,
    /// variations and ends of their own.
    pub fn build(&self, request: &Request) -> Result<Built> {
        let kept = Kept::new(self.context, self.tree.changelog.source.as_str(), request, self.base.as_ref())?;
        let build = Build {
            context: self.context,
            request,
            tree: &self.tree,
            kind: self.kind.clone(),
            base: self.base.as_ref(),
            kept,
            work: self.work.path().join(format!("{:?}", request.variation).to_lowercase()),
        };
        build.run(&self.environments, self.seconds)
    }
}

/// Copy a source, lock it, and have all there that a build of it takes.
pub fn prepare<'a>(context: &'a Context<'a>, request: &Request) -> Result<Ready<'a>> {
    let began = Instant::now();
    request.backend.admit(context, request.trust)?;
    let work = Workroom::new(context, &context.cache()?.join("work"))?;
    let mut tree = tree::copy(context, &request.source, request.wanted.as_ref(), request.allow_dirty, work.path())?;
    let _lock = lock(context, &tree, request)?;
    // Without a network, a virtual environment is made of wheels that are there.
    let lacking = !request.vendor && !request.network && request.backend != Backend::Host && tree.lacks_wheels()?;
    if lacking {
        context.say("the source has no wheelhouse: collecting the wheels that it needs, as --vendor does");
    }
    if request.vendor || lacking {
        let wanted = vendor::Request {
            suites: vec![request.suite],
            architectures: vec![request.architecture.clone()],
            trusted: request.trust,
            ..vendor::Request::default()
        };
        let vendored = tree.vendor(context, &wanted);
        vendored.map_err(|error| unbuilt(context, request, &tree, began, error))?;
    }
    let kind = match &request.kind {
        Some(kind) => kind.clone(),
        None if tree.has_source()? => "full".to_owned(),
        None => "binary".to_owned(),
    };
    let environments = Environments::new(context)?.logging_to(home(context, request, &tree)?, request.beside("failed"));
    let base = match request.backend {
        Backend::Host => None,
        _ => {
            let base = environments.dependencies(request.suite.name, &request.architecture, &tree.control, &kind);
            Some(base.map_err(|error| unbuilt(context, request, &tree, began, error))?)
        }
    };
    if request.backend != Backend::Host {
        // Nothing of it is anybody's on this machine from here on.
        session::hand_over(&tree.path)?;
        session::hand_over(&tree.origs)?;
    }
    let seconds = began.elapsed().as_secs_f64();
    Ok(Ready { context, tree, kind, environments, base, work, seconds, _lock })
}

/// The directory that results of this version are in, opened.
fn home(context: &Context<'_>, request: &Request, tree: &Tree) -> Result<Place> {
    let below = [request.suite.name, tree.changelog.source.as_str(), tree.changelog.file_version()];
    Place::make(&context.path(&request.output), &below)
}

/// What could not even be begun leaves a manifest and a log as well: the log of
/// what has failed, where there is one, else what is said here. Returns the fault.
fn unbuilt(context: &Context<'_>, request: &Request, tree: &Tree, began: Instant, error: Error) -> Error {
    let seconds = began.elapsed().as_secs_f64();
    let said: Vec<String> = error.diagnostics().iter().map(ToString::to_string).collect();
    let result = said.first().cloned().unwrap_or_default();
    let manifest = Manifest { result, ..Manifest::of(request, tree, [("prepare", seconds)].into()) };
    let (home, name) = (home(context, request, tree), request.beside("failed"));
    let keep = || -> Result<()> {
        let home = home?;
        // A log without a manifest is of what has just failed, others are of an earlier build.
        let failed = match home.there(&name)? {
            Some(there) if there.file(LOG.as_ref())?.is_some() && there.file(MANIFEST.as_ref())?.is_none() => there,
            _ => {
                let failed = home.fresh(&name)?;
                apply::write(&failed.entry(LOG), format!("{}\n", said.join("\n")).as_bytes(), 0o644)?;
                failed
            }
        };
        apply::write(&failed.entry(MANIFEST), json(&manifest)?.as_bytes(), 0o644)
    };
    if let Err(other) = keep() {
        other.diagnostics().iter().for_each(|one| context.warn(one.clone()));
    }
    error
}

/// One build of a source for an architecture at a time.
fn lock(context: &Context<'_>, tree: &Tree, request: &Request) -> Result<Held> {
    let (source, architecture) = (&tree.changelog.source, &request.architecture);
    let path = context.cache()?.join("locks").join(format!("{source}_{architecture}"));
    let own = owner(&format!("builds {source} {} for {}", tree.changelog.version, request.suite.name));
    match Held::alone(&path, &own)? {
        Ok(held) => Ok(held),
        Err(other) if request.wait => {
            context.say(format!("waiting: {other}"));
            Held::wait(&path, &own)
        }
        Err(other) => Err(Error::Locked(
            Diagnostic::error(format!("{source} for {architecture} is being built: {other}"))
                .hint("wait for it with --wait; a lock whose owner has died counts no longer"),
        )),
    }
}

struct Build<'a> {
    context: &'a Context<'a>,
    request: &'a Request,
    tree: &'a Tree,
    kind: String,
    base: Option<&'a Base>,
    kept: Option<Kept>,
    /// Of this build alone.
    work: PathBuf,
}

impl Build<'_> {
    fn run(mut self, environments: &Environments<'_>, prepared: f64) -> Result<Built> {
        let began = Instant::now();
        let home = home(self.context, self.request, self.tree)?;
        let (name, partial) = (self.request.architecture.as_str(), self.request.beside("part"));
        let part = home.fresh(&partial)?;
        let taken = self.work.join("results");
        apply::directory(&taken)?;
        let (step, environment) = self.step()?;
        if let (Some(kept), Some(base)) = (&mut self.kept, self.base) {
            let Self { context, request, tree, ref work, .. } = self;
            kept.fill(&Filling { context, environments, base, tree, request, work, variables: &environment })?;
        }
        let command = step.command.clone();
        let process = self.process(&taken, environments, step)?;
        let log = part.entry(LOG);
        let again = if self.request.variation == Variation::Other { " again" } else { "" };
        let (source, version) = (&self.tree.changelog.source, &self.tree.changelog.version);
        let task = self.context.begin(format!("building {source} {version}{again}"));
        let (limit, unwanted) = (self.request.limit, self.request.unwanted.as_deref());
        let terms = Terms { limit, unwanted, patient: unwanted.is_some() };
        let ended = process::contained_on(&process, &log, terms, &mut |line| task.line(line))?;
        drop(task);
        let changes = self.changes(&taken)?;
        let outputs = if ended.success() { outputs(&taken)? } else { Vec::new() };
        let found = Beneath::open(&taken)?;
        for one in input::names(&taken)? {
            if let Some(file) = found.file(one.as_ref())? {
                apply::link(&file, &part.entry(&one.to_string_lossy()), u64::MAX)?;
            }
        }
        let seconds = [("prepare", prepared), ("build", began.elapsed().as_secs_f64())].into();
        let manifest = Manifest {
            result: if ended.success() { "built".to_owned() } else { ended.to_string() },
            generation: self.base.as_ref().map_or_else(|| "host".to_owned(), |base| base.generation.clone()),
            layers: self.base.as_ref().map(|base| base.names.clone()).unwrap_or_default(),
            command,
            environment,
            outputs,
            ..Manifest::of(self.request, self.tree, seconds)
        };
        let checked = match changes.filter(|_| ended.success()) {
            Some(changes) => Ok(changes),
            None => Err(self.failure(&home, &log, &ended)?),
        };
        apply::write(&part.entry(MANIFEST), json(&manifest)?.as_bytes(), 0o644)?;
        let name = if checked.is_ok() { name.to_owned() } else { self.request.beside("failed") };
        home.finish(&part, &partial, &name)?;
        Ok(Built { changes: checked?, directory: home.path(&name), manifest })
    }

    /// The build itself: what is run, and its variables.
    fn step(&self) -> Result<(Step, BTreeMap<String, String>)> {
        let environment = &self.context.environment;
        let other = self.request.variation == Variation::Other;
        let processors = std::thread::available_parallelism().map_or(1, usize::from) + usize::from(other);
        let options = environment.text("DEB_BUILD_OPTIONS").map_or(format!("parallel={processors}"), str::to_owned);
        let mut variables = BTreeMap::from([("DEB_BUILD_OPTIONS".to_owned(), options)]);
        // A zone that needs no file, and that is a day apart for most of the world.
        variables.extend(other.then(|| ("TZ".to_owned(), "DBA-14".to_owned())));
        let profiles = environment.filled("DEB_BUILD_PROFILES");
        variables.extend(profiles.map(|profiles| ("DEB_BUILD_PROFILES".to_owned(), profiles.to_owned())));
        let kind = format!("--build={}", self.kind);
        let mut command = ["dpkg-buildpackage", "-us", "-uc", &kind].map(str::to_owned).to_vec();
        if other {
            command.splice(0..0, ["sh", "-euc", "umask 002; exec \"$@\"", "sh"].map(str::to_owned));
        }
        let directory = Path::new(BUILD_PLACE).join(self.tree.directory_name());
        let step = Step { environment: variables.clone(), command, ..Step::of("builder", directory, &[]) };
        Ok((step, variables))
    }

    /// Names that the .changes file may have (dpkg-genchanges(1)), the likeliest first: what
    /// other tools make of a build of `Architecture: all` alone is called after either.
    fn changes_names(&self) -> Vec<String> {
        let changelog = &self.tree.changelog;
        let name = |of: &str| format!("{}_{}_{of}.changes", changelog.source, changelog.file_version());
        let mut names = vec![name(&self.request.architecture)];
        if self.kind == "all" {
            names.insert(0, name("all"));
        }
        names
    }

    /// The name that it has.
    fn changes(&self, part: &Path) -> Result<Option<String>> {
        for name in self.changes_names() {
            if input::kind(&part.join(&name))?.is_some() {
                return Ok(Some(name));
            }
        }
        Ok(None)
    }

    /// What builds, as [`process::contained`] takes it; results go to `part`.
    fn process(&self, part: &Path, environments: &Environments<'_>, step: Step) -> Result<Process> {
        let most = self.request.room.map_or_else(memory, Ok)?;
        let take = |from: &str| Take {
            from: from.into(),
            index: self.changes_names(),
            to: part.to_owned(),
            most,
            alone: false,
        };
        let Some(base) = self.base.filter(|_| self.request.backend == Backend::Session) else {
            let job = backend::Job {
                base: self.base,
                suite: self.request.suite.name,
                architecture: &self.request.architecture,
                tree: self.tree,
                kind: &self.kind,
                network: self.request.network,
                room: most,
                environment: &step.environment,
                work: &self.work,
                take: &take,
            };
            return self.request.backend.process(self.context, environments, &job);
        };
        let bind = |from: &Path, to: &str, writable| Bind { from: from.to_owned(), to: to.into(), writable };
        let mut layers = base.layers.clone();
        let binds = vec![bind(&self.tree.path, "/run/source", false), bind(&self.tree.origs, "/run/origs", false)];
        layers.splice(0..0, self.kept.as_ref().and_then(Kept::layer));
        let session = Session {
            layers,
            upper: Upper::Memory(most),
            mount_point: environments.mount_point()?,
            network: self.request.network,
            binds,
            commands: vec![Step::script(PREPARE, &[&self.tree.directory_name()]), step],
            take: Some(take(BUILD_PLACE)),
            processes: PROCESSES,
            interactive: false,
            boot: None,
        };
        session.process()
    }

    fn failure(&self, home: &Place, log: &Path, ended: &Ended) -> Result<Error> {
        let words = last_words(&input::bytes(log)?.unwrap_or_default());
        let kept = home.path(&self.request.beside("failed")).join(LOG);
        let what = format!("{} could not be built ({ended}): {words}", self.tree.changelog.source);
        let cure = match self.request.room {
            Some(room) if words.contains("No space left on device") || words.contains("file system is full") => {
                format!("the build may have filled its room of {} MB: give it more with --room; ", room / 1_000_000)
            }
            _ => String::new(),
        };
        Ok(Diagnostic::error(what).hint(format!("{cure}the whole log is {}", kept.display())).into())
    }
}

/// Every file that the session handed out.
fn outputs(directory: &Path) -> Result<Vec<Output>> {
    let mut outputs = Vec::new();
    for name in input::names(directory)? {
        let path = directory.join(&name);
        if let Some(Kind::File { size, .. }) = input::kind(&path)?.filter(|_| name != LOG) {
            let file = name.to_string_lossy().into_owned();
            outputs.push(Output { file, size, sha256: hex(&input::digest(&path)?) });
        }
    }
    Ok(outputs)
}
