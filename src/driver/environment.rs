//! Build environments: what sessions stand on.
//!
//! Owns the generations of each suite's minimal system, and the layers on top of
//! them: the build tools, and one for each set of build dependencies. None of
//! them changes once it is there; a session holds a lock on each one that it
//! reads. A layer's name is the hash of what it was made from.

mod collection;
mod notes;

use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::apply;
use crate::debian::control::Control;
use crate::digest::digest;
use crate::error::{Diagnostic, Error, Result};
use crate::foreign::{Architecture, FileName, Id, SuiteName};
use crate::helper::venv::installer::ca_bundle;
use crate::hex::hex;
use crate::input::{self, Kind};
use crate::plan::{Action, Process};

use super::context::Context;
use super::deb;
use super::hold::{Held, Workroom, now, owner};
use super::job::LOG;
use super::json::json;
use super::process;
use super::results::Place;
use super::session::{self, Bench, Bind, PROCESSES, Session, Step, Upper};
use super::target;

const BOOTSTRAP: &str = include_str!("../../share/driver/bootstrap.sh");
const TOOLS: &str = include_str!("../../share/driver/tools.sh");
/// Name of uv among an environment's own files.
const UV: &str = "uv";
const PACK: &str = include_str!("../../share/driver/pack.sh");
const DEPENDENCIES: &str = include_str!("../../share/driver/dependencies.sh");

pub use collection::Row;
use notes::{ANEW, noted, read};
pub use notes::{Generation, Note, Recipe};

/// A stack of directories to start sessions on, held while this value lives.
pub struct Base {
    /// Directories, the uppermost first.
    pub layers: Vec<PathBuf>,
    /// Generation of the minimal system.
    pub generation: String,
    /// Names of the layers, the lowest first.
    pub names: Vec<String>,
    held: Vec<Held>,
}

/// The environments of a cache directory.
pub struct Environments<'a> {
    context: &'a Context<'a>,
    root: PathBuf,
    /// Where the log of what fails is kept.
    logs: Option<(Place, String)>,
}

impl<'a> Environments<'a> {
    /// Those of the context's cache.
    pub fn new(context: &'a Context<'a>) -> Result<Self> {
        let root = context.cache()?.join("environments");
        Ok(Self { context, logs: None, root })
    }

    /// The same, with the log of what fails in this directory.
    pub fn logging_to(mut self, home: Place, name: String) -> Self {
        self.logs = Some((home, name));
        self
    }

    /// The directory of an environment: the one place where its names become a path.
    fn home(&self, suite: &str, architecture: &str) -> Result<PathBuf> {
        let (suite, architecture) = (SuiteName::new(suite)?, Architecture::new(architecture)?);
        Ok(self.root.join(format!("{suite}-{architecture}")))
    }

    /// Make an environment; `debs` are package files to install into it. Its generation, and whether that is another one than before.
    pub fn create(&self, mut recipe: Recipe, debs: &[PathBuf]) -> Result<(Generation, bool)> {
        self.runnable(&recipe.architecture)?;
        let home = self.home(&recipe.suite, &recipe.architecture)?;
        let before = input::text(&home.join("latest"))?.unwrap_or_default();
        for path in self.package_files(debs)? {
            let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            self.take(&home, FileName::new(&name)?.to_string(), &path, &mut recipe)?;
        }
        if recipe.architecture == self.context.architecture()? {
            if let Some(path) = self.uv()? {
                self.take(&home, UV.to_owned(), &path, &mut recipe)?;
            }
        }
        self.index(&home.join("debs"), &recipe)?;
        apply::write(&home.join("recipe.json"), json(&recipe)?.as_bytes(), 0o644)?;
        let generation = self.generate(&recipe)?;
        self.tools(&recipe.suite, &recipe.architecture)?;
        let changed = generation.id != before.trim();
        Ok((generation, changed))
    }

    /// Fail where programs of an architecture do not run on this machine.
    fn runnable(&self, architecture: &str) -> Result<()> {
        let Some(emulator) = target::emulator(&self.context.architecture()?, architecture)? else { return Ok(()) };
        let entry = input::text(&Path::new("/proc/sys/fs/binfmt_misc").join(&emulator))?.unwrap_or_default();
        let flags = entry.lines().find_map(|line| line.strip_prefix("flags: ")).unwrap_or_default();
        let what = match (entry.starts_with("enabled"), flags.contains('F')) {
            (true, true) => return Ok(()),
            (true, false) => format!("{emulator} is not in reach of a build environment: it lacks the flag F"),
            _ => format!("programs of {architecture} do not run on this machine: the kernel knows no {emulator}"),
        };
        let hint = "apt-get install qemu-user-static (from trixie on qemu-user-binfmt), in a container on its host; \
                    binfmt_misc must be mounted on /proc/sys/fs/binfmt_misc";
        Err(Diagnostic::error(what).hint(hint).into())
    }

    /// Package files, those of directories included.
    fn package_files(&self, named: &[PathBuf]) -> Result<Vec<PathBuf>> {
        let mut files = Vec::new();
        for path in named.iter().map(|path| self.context.path(path)) {
            if input::is_directory(&path) {
                let names = input::names(&path)?;
                let debs = names.iter().filter(|name| name.as_bytes().ends_with(b".deb"));
                let before = files.len();
                files.extend(debs.map(|name| path.join(name)));
                if files.len() == before {
                    return Err(Diagnostic::error(format!("there is no .deb in {}", path.display()))
                        .hint("name the directory that they are in; 'make debs' puts each suite's into one of its own")
                        .into());
                }
            } else if path.as_os_str().as_bytes().ends_with(b".deb") {
                files.push(path);
            } else {
                return Err(Diagnostic::error(format!("{} is no .deb and no directory of some", path.display()))
                    .hint("--deb takes package files, and directories with package files")
                    .into());
            }
        }
        Ok(files)
    }

    /// Keep a file for every build.
    fn take(&self, home: &Path, name: String, path: &Path, recipe: &mut Recipe) -> Result<()> {
        let bytes = input::bytes(path)?.ok_or_else(|| Error::failed(format!("there is no file {}", path.display())))?;
        let debs = home.join("debs");
        apply::write(&debs.join(&name), &bytes, 0o644)?;
        // Sessions read it, as somebody else than who made it, whatever the umask.
        apply::action(&Action::Mode { path: debs, mode: 0o755 })?;
        recipe.debs.insert(name, hex(&input::digest(path)?));
        Ok(())
    }

    /// This machine's uv, which needs nothing but a C library. A script that looks for it is none.
    fn uv(&self) -> Result<Option<PathBuf>> {
        let found = self.context.attempt(Process::new("sh", ["-c", "command -v uv"]))?;
        let path = PathBuf::from(String::from_utf8_lossy(&found.stdout).trim());
        let real = found.success && input::bytes(&path)?.is_some_and(|bytes| bytes.starts_with(b"\x7fELF"));
        Ok(real.then_some(path))
    }

    /// The file Packages, by which apt finds the environment's own package files.
    fn index(&self, debs: &Path, recipe: &Recipe) -> Result<()> {
        let mut text = String::new();
        for (name, sum) in recipe.debs.iter().filter(|(name, _)| name.ends_with(".deb")) {
            let path = debs.join(name);
            let Some(Kind::File { size, .. }) = input::kind(&path)? else { continue };
            let control = deb::control(self.context, &path)?.trim().to_owned();
            text.push_str(&format!("{control}\nFilename: ./{name}\nSize: {size}\nSHA256: {sum}\n\n"));
        }
        if recipe.debs.is_empty() { Ok(()) } else { apply::write(&debs.join("Packages"), text.as_bytes(), 0o644) }
    }

    /// The environment's own package files, as an archive for apt at /run/debs;
    /// what decides them, and how to show them. Nothing where there are none.
    pub fn repository(&self, suite: &str, architecture: &str) -> Result<(Vec<String>, Vec<Bind>)> {
        let recipe = self.recipe(suite, architecture)?;
        if recipe.debs.is_empty() {
            return Ok((Vec::new(), Vec::new()));
        }
        let from = self.home(suite, architecture)?.join("debs");
        if input::kind(&from.join("Packages"))?.is_none() {
            self.index(&from, &recipe)?;
        }
        let inputs = recipe.debs.iter().map(|(name, sum)| format!("{name} {sum}")).collect();
        Ok((inputs, vec![Bind { from, to: "/run/debs".into(), writable: false }]))
    }

    /// The newest generation of an environment, made now, and whether that is another one than before.
    pub fn update(&self, suite: &str, architecture: &str) -> Result<(Generation, bool)> {
        let recipe = self.recipe(suite, architecture)?;
        self.runnable(architecture)?;
        let before =
            input::text(&self.home(suite, architecture)?.join("latest"))?.unwrap_or_default().trim().to_owned();
        let generation = self.generate(&recipe)?;
        self.tools(suite, architecture)?;
        let changed = generation.id != before;
        Ok((generation, changed))
    }

    fn recipe(&self, suite: &str, architecture: &str) -> Result<Recipe> {
        let path = self.home(suite, architecture)?.join("recipe.json");
        let recipe: Option<Recipe> = read(&path)?;
        // Its names become paths: those of packages, and its own.
        if let Some(recipe) = &recipe {
            let other = (recipe.suite.as_str(), recipe.architecture.as_str()) != (suite, architecture);
            let bad = recipe.debs.keys().find_map(|name| FileName::new(name).err());
            if other || bad.is_some() {
                let why = bad.map_or_else(|| "it is of another environment".to_owned(), |refused| refused.to_string());
                return Err(Diagnostic::error(format!("{}: {why}", path.display())).hint(ANEW).into());
            }
        }
        recipe.ok_or_else(|| {
            Diagnostic::error(format!("there is no environment {suite}/{architecture}"))
                .hint(format!("make it: deb-build-app env create {suite} --arch {architecture}"))
                .into()
        })
    }

    fn latest(&self, suite: &str, architecture: &str) -> Result<Generation> {
        let home = self.home(suite, architecture)?;
        self.recipe(suite, architecture)?;
        let id = input::text(&home.join("latest"))?.unwrap_or_default();
        let found = match Id::new(id.trim()) {
            // A note that is no note of it is as good as none: env update makes it anew.
            Ok(id) => noted(&home.join("generations"), &id).ok().flatten(),
            Err(_) => None,
        };
        let fault = |what: &str| {
            Diagnostic::error(format!("the environment {suite}/{architecture} {what}"))
                .hint(format!("make it anew: deb-build-app env update {suite} --arch {architecture}"))
        };
        match found {
            None => Err(fault("was never finished").into()),
            Some(found) if found.ids != file_ids()? => Err(fault(
                "has files of ids that sessions do not have here: an earlier version made it, or /etc/subuid has changed",
            )
            .into()),
            Some(found) => Ok(found),
        }
    }

    fn generate(&self, recipe: &Recipe) -> Result<Generation> {
        let home = self.home(&recipe.suite, &recipe.architecture)?;
        let _one_at_a_time = Held::wait(&home.join("lock"), &owner("makes a generation"))?;
        let work = Workroom::new(self.context, &home.join("work"))?;
        let (sources, options) = (work.path().join("sources.list"), work.path().join("apt.conf"));
        apply::write(&sources, recipe.sources.as_bytes(), 0o644)?;
        apply::write(&options, self.apt_options()?.as_bytes(), 0o644)?;
        // The system is made with the ids that sessions have: only an archive keeps those
        // that its files are to have in there.
        let from = match &recipe.from {
            Some(from) if input::is_directory(from) => Some(self.packed(from, work.path())?),
            from => from.clone(),
        };
        let system = work.path().join("system");
        apply::directory(&system)?;
        let show =
            |from: &Path, name: &str| Bind { from: from.to_owned(), to: Path::new("/mnt").join(name), writable: false };
        let mut binds = vec![show(&sources, "sources.list"), show(&options, "apt.conf")];
        binds.extend(from.as_deref().map(|from| show(from, "from")));
        let words = ["sh", "-euc", BOOTSTRAP, "bootstrap", &recipe.suite, &recipe.architecture].map(PathBuf::from);
        let mut command = words.to_vec();
        command.push(ca_bundle().to_owned());
        let bench = Bench {
            contained: true,
            network: true,
            upper: Upper::Directory(system.clone()),
            directories: vec![("tmp".to_owned(), 0o1777)],
            binds,
            command,
            environment: self.context.for_bench(true),
            take: None,
        };
        self.contained(
            &format!("making {}/{}", recipe.suite, recipe.architecture),
            &bench.process()?,
            &work.path().join("log"),
        )?;
        let packages = input::text(&system.join("packages"))?.unwrap_or_default();
        let ids = file_ids()?;
        let id = digest([json(recipe)?.as_str(), &packages, &format!("ids {ids}")])[..12].to_owned();
        let generation = Generation { id: id.clone(), created: now(), packages: packages.lines().count(), ids };
        let place = home.join("generations").join(&id);
        // One with other files, or with a note that says nothing, makes way.
        let there = read::<Generation>(&place.join("generation.json")).ok().flatten();
        if there.is_none_or(|there| there.ids != ids) {
            apply::remove(&place)?;
            let note = work.path().join("generation.json");
            apply::write(&note, json(&generation)?.as_bytes(), 0o644)?;
            // The directory appears whole: its note is moved in first.
            let ready = work.path().join("ready");
            apply::directory(&ready)?;
            apply::rename(&note, &ready.join("generation.json"))?;
            apply::rename(&system.join("system"), &ready.join("root"))?;
            apply::rename(&ready, &place)?;
        }
        apply::write(&home.join("latest"), format!("{id}\n").as_bytes(), 0o644)?;
        noted(&home.join("generations"), &Id::new(&id)?)?
            .ok_or_else(|| Error::failed(format!("{} has vanished", place.display())))
    }

    /// A directory with a system as an archive.
    fn packed(&self, directory: &Path, work: &Path) -> Result<PathBuf> {
        let archive = work.join("from.tar");
        let words = ["-c", "--one-file-system", "--numeric-owner", "--xattrs", "--xattrs-include=security.capability"];
        let mut words: Vec<std::ffi::OsString> = words.map(Into::into).to_vec();
        words.extend(["-f".into(), archive.clone().into(), "-C".into(), directory.into(), ".".into()]);
        self.context.output("tar", Process::new::<std::ffi::OsString>("tar", words))?;
        Ok(archive)
    }

    /// How this machine reaches its mirror: proxies and dates, nothing else.
    fn apt_options(&self) -> Result<String> {
        let dump =
            self.context.output("apt-config", Process::new("apt-config", ["dump", "--format", "%F \"%v\";%n"]))?;
        let dump = String::from_utf8_lossy(&dump).into_owned();
        let kept = |line: &&str| {
            let names = [
                "Acquire::http::Proxy ",
                "Acquire::https::Proxy ",
                "Acquire::Check-Valid-Until ",
                "Acquire::Check-Date ",
            ];
            names.iter().any(|name| line.starts_with(name))
        };
        let own = "Acquire::Languages \"none\";\nAcquire::Retries \"3\";\nAPT::Install-Recommends \"false\";\n";
        Ok(dump.lines().filter(kept).map(|line| format!("{line}\n")).collect::<String>() + own)
    }

    /// sources.list for a suite, from the mirror that this machine's apt uses.
    pub fn sources(&self, suite: &str, mirror: Option<&str>) -> Result<String> {
        if let Some(mirror) = mirror {
            return Ok(format!("deb {mirror} {suite} main\n"));
        }
        let words = ["indextargets", "--format", "$(LABEL)|$(COMPONENT)|$(REPO_URI)", "Created-By: Packages"];
        let rows = self.context.output("apt-get indextargets", Process::new("apt-get", words))?;
        let rows = String::from_utf8_lossy(&rows).into_owned();
        let of = |label: &str| {
            rows.lines().find_map(|row| row.strip_prefix(label)?.strip_prefix("|main|")).map(str::to_owned)
        };
        let Some(main) = of("Debian") else {
            return Err(Diagnostic::error("this machine's apt has no Debian archive to take the mirror from")
                .hint("name one with --mirror, or run apt-get update")
                .into());
        };
        let mut text = format!("deb {main} {suite} main\n");
        if suite != "sid" {
            text.push_str(&format!("deb {main} {suite}-updates main\n"));
            text.extend(of("Debian-Security").map(|uri| format!("deb {uri} {suite}-security main\n")));
        }
        Ok(text)
    }

    /// The minimal system of an environment.
    pub fn minimal(&self, suite: &str, architecture: &str) -> Result<Base> {
        let mut generation = self.latest(suite, architecture)?;
        loop {
            let held = vec![Held::shared(&self.locks().join(&generation.id))?];
            // An update and a gc may have come before the lock.
            let now = self.latest(suite, architecture)?;
            if now.id == generation.id {
                let place = self.home(suite, architecture)?.join("generations").join(&generation.id);
                return Ok(Base {
                    layers: vec![place.join("root")],
                    generation: generation.id,
                    names: Vec::new(),
                    held,
                });
            }
            generation = now;
        }
    }

    /// The minimal system with the build tools on top.
    pub fn tools(&self, suite: &str, architecture: &str) -> Result<Base> {
        let recipe = self.recipe(suite, architecture)?;
        let minimal = self.minimal(suite, architecture)?;
        let mut inputs = recipe.include.clone();
        inputs.extend(recipe.debs.iter().map(|(name, sum)| format!("{name} {sum}")));
        let mut words = recipe.include.clone();
        let debs = recipe.debs.keys().filter(|name| name.ends_with(".deb"));
        words.extend(debs.map(|name| format!("/run/debs/{name}")));
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let debs = self.home(suite, architecture)?.join("debs");
        let bind = Bind { from: debs.clone(), to: "/run/debs".into(), writable: false };
        let binds = if recipe.debs.is_empty() { Vec::new() } else { vec![bind] };
        self.layer(minimal, "tools", &inputs, Step::script(TOOLS, &words), binds)
    }

    /// The build tools with what a source's debian/control asks for on top. `kind`
    /// is dpkg-buildpackage's `--build`.
    pub fn dependencies(&self, suite: &str, architecture: &str, control: &Control, kind: &str) -> Result<Base> {
        let tools = self.tools(suite, architecture)?;
        let fields = [
            "Build-Depends",
            "Build-Depends-Arch",
            "Build-Depends-Indep",
            "Build-Conflicts",
            "Build-Conflicts-Arch",
            "Build-Conflicts-Indep",
        ];
        let mut inputs = Vec::new();
        let mut text = format!(
            "Source: {}\nMaintainer: nobody <nobody@localhost>\nStandards-Version: 4.6.2\n",
            control.source.name
        );
        for field in fields {
            let value =
                control.source.field(field).unwrap_or_default().split_whitespace().collect::<Vec<_>>().join(" ");
            if !value.is_empty() {
                text.push_str(&format!("{field}: {value}\n"));
            }
            inputs.push(value);
        }
        text.push_str(&format!("\nPackage: {}\nArchitecture: any\nDescription: stand-in\n", control.source.name));
        let options: &[&str] = match kind {
            "any" => &["--arch-only"],
            "all" => &["--indep-only"],
            _ => &[],
        };
        inputs.extend(options.iter().map(|option| (*option).to_owned()));
        let work = Workroom::new(self.context, &self.root.join("work"))?;
        apply::write(&work.path().join("source/debian/control"), text.as_bytes(), 0o644)?;
        session::hand_over(&work.path().join("source"))?;
        let bind = Bind { from: work.path().join("source"), to: "/run/source".into(), writable: false };
        self.layer(tools, &control.source.name, &inputs, Step::script(DEPENDENCIES, options), vec![bind])
    }

    /// A layer on top of `base`, from the cache or made now by running `step`
    /// with the network. `inputs` are all that decides what it becomes.
    pub fn layer(
        &self,
        mut base: Base,
        purpose: &str,
        inputs: &[String],
        step: Step,
        binds: Vec<Bind>,
    ) -> Result<Base> {
        let parent = base.names.last().unwrap_or(&base.generation).clone();
        let lines = [parent.as_str(), &step.command[2]].into_iter().chain(inputs.iter().map(String::as_str));
        let name = digest(lines)[..32].to_owned();
        let place = self.root.join("layers").join(&name);
        base.held.push(Held::shared(&self.locks().join(&name))?);
        if input::kind(&place)?.is_none() {
            let _one_at_a_time = Held::wait(&self.locks().join(format!("{name}.making")), &owner("makes a layer"))?;
            if input::kind(&place)?.is_none() {
                self.make_layer(&base, purpose, &place, step, binds)?;
            }
        } else {
            apply::touch(&place.join("layer.json"))?;
        }
        base.layers.insert(0, place.join("upper"));
        base.names.push(name);
        Ok(base)
    }

    fn make_layer(&self, base: &Base, purpose: &str, place: &Path, step: Step, binds: Vec<Bind>) -> Result<()> {
        let work = Workroom::new(self.context, &self.root.join("layers/work"))?;
        let top = work.path().join("layer");
        apply::directory(&top)?;
        let session = Session {
            layers: base.layers.clone(),
            upper: Upper::Directory(top.clone()),
            mount_point: self.mount_point()?,
            network: true,
            binds,
            commands: vec![step],
            take: None,
            processes: PROCESSES,
            interactive: false,
            boot: None,
        };
        self.contained(&format!("installing what {purpose} needs"), &session.process()?, &work.path().join("log"))?;
        apply::remove(&top.join("work"))?;
        let note = Note { generation: base.generation.clone(), purpose: purpose.to_owned(), created: now() };
        apply::write(&top.join("layer.json"), json(&note)?.as_bytes(), 0o644)?;
        apply::rename(&top, place)
    }

    fn contained(&self, what: &str, command: &Process, log: &Path) -> Result<()> {
        let task = self.context.begin(what);
        let ended = process::contained(command, log, Some(Duration::from_secs(3600)), &mut |line| task.line(line))?;
        drop(task);
        if ended.success() {
            return Ok(());
        }
        let words = input::bytes(log)?.unwrap_or_default();
        let kept = match &self.logs {
            Some((home, name)) => {
                apply::write(&home.fresh(name)?.entry(LOG), &words, 0o644)?;
                home.path(name).join(LOG)
            }
            None => {
                let kept = self.root.join("failed").join(LOG);
                apply::write(&kept, &words, 0o644)?;
                kept
            }
        };
        Err(Diagnostic::error(format!("{what} failed ({ended}): {}", super::context::last_words(&words)))
            .hint(match cure(&String::from_utf8_lossy(&words)) {
                Some(cure) => format!("{cure}; the whole log is {}", kept.display()),
                None => format!("the whole log is {}", kept.display()),
            })
            .into())
    }

    /// A base as one tar archive, for tools that unpack their systems.
    pub fn archive(&self, base: &Base) -> Result<PathBuf> {
        let name = base.names.last().unwrap_or(&base.generation);
        let path = self.root.join("archives").join(format!("{name}.tar"));
        if input::kind(&path)?.is_some() {
            apply::touch(&path)?;
            return Ok(path);
        }
        let work = Workroom::new(self.context, &self.root.join("archives/work"))?;
        let out = work.path().join("out");
        apply::directory(&out)?;
        let session = Session {
            layers: base.layers.clone(),
            upper: Upper::Memory(1 << 20),
            mount_point: self.mount_point()?,
            network: false,
            binds: vec![Bind { from: out.clone(), to: "/run/archive".into(), writable: true }],
            commands: vec![Step::script(PACK, &[])],
            take: None,
            processes: PROCESSES,
            interactive: false,
            boot: None,
        };
        self.contained("packing the environment", &session.process()?, &work.path().join("log"))?;
        apply::rename(&out.join("system.tar"), &path)?;
        Ok(path)
    }

    /// An empty directory for sessions to mount on.
    pub fn mount_point(&self) -> Result<PathBuf> {
        let path = self.root.join("mount");
        apply::directory(&path)?;
        Ok(path)
    }

    fn locks(&self) -> PathBuf {
        self.root.join("locks")
    }
}

/// What the ids of sessions are on the machine: files keep those.
fn file_ids() -> Result<u32> {
    session::ids()?.on_the_machine().map_err(Error::failed)
}

/// What cures a failed installation, by what it said.
fn cure(words: &str) -> Option<&'static str> {
    const ADD_ONS: [&str; 4] =
        ["dh-sequence-venv", "dh-sequence-appconfig", "dh-sequence-supervisord", "dh-sequence-zeoclient"];
    const FETCHES: [&str; 4] = ["Failed to fetch", "Could not resolve", "Could not connect", "Temporary failure"];
    let says = |any: &[&str]| any.iter().any(|one| words.contains(one));
    match () {
        () if says(&ADD_ONS) && words.contains("not installable") => {
            Some("the environment lacks the toolkit: deb-build-app env create SUITE --deb DIRECTORY, with its packages")
        }
        () if says(&FETCHES) => Some("is the mirror reachable?"),
        () => None,
    }
}

#[cfg(test)]
mod tests;
