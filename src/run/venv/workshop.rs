//! The place where one package's venv is made: its interpreter, its installer,
//! its directories, and the environment of its children.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use crate::apply;
use crate::digest::digest;
use crate::error::Item;
use crate::error::{Diagnostic, Error, Result};
use crate::helper::venv::installer::{self, Files, Installer, Rooms, Sources};
use crate::helper::venv::settings::{Settings, Wanted};
use crate::input;
use crate::plan::{Action, Plan, Process};
use crate::python::interpreter::{Interpreter, PROBE};
use crate::run::Context;

use super::cache::Cache;
use crate::apply::failed_child;

/// Everything that making one venv needs.
pub struct Workshop<'a> {
    /// The build.
    pub context: &'a Context,
    /// What the venv shall be.
    pub settings: &'a Settings,
    /// Its interpreter.
    pub interpreter: Interpreter,
    /// Who installs.
    pub installer: Installer,
    /// The children's environment.
    pub environment: BTreeMap<OsString, OsString>,
    /// Directory of this run's intermediate files, absolute; removed at the end.
    pub work: PathBuf,
    /// The user's cache.
    pub cache: Cache,
    /// Digest of the installed Debian packages.
    pub installed: String,
}

impl<'a> Workshop<'a> {
    /// Find interpreter and installer, make the directories.
    pub fn open(context: &'a Context, settings: &'a Settings, work: PathBuf) -> Result<Self> {
        let rooms =
            Rooms { home: work.join("home"), temporary: work.join("tmp"), uv: PathBuf::new(), pip: work.join("pip") };
        let mut plan = Plan::default();
        // First of all what vouches for an earlier venv: whatever ends this run, nothing stale is placed.
        if let Some(stage) = work.parent() {
            plan.push(Action::Remove { path: stage.join("outcome.json") });
        }
        plan.push(Action::Remove { path: work.clone() });
        for directory in [&rooms.home, &rooms.temporary] {
            plan.push(Action::Directory { path: directory.clone() });
        }
        apply::plan(&plan, &context.printer, false)?;
        let cache = Cache::open(&context.environment, &work, &context.printer)?;
        let rooms = Rooms { uv: cache.downloads().join("uv"), ..rooms };
        share_downloads(context, &cache, &rooms.pip)?;
        let host_index = context.environment.text("DH_VENV_HOST_INDEX") == Some("1");
        let has_ca = input::is_file(installer::ca_bundle());
        let mut environment = installer::environment(context.environment.all(), &rooms, host_index, has_ca);
        // Passwords for indexes are the builder's own, although HOME is moved.
        let netrc = context.environment.text("HOME").map(|home| Path::new(home).join(".netrc"));
        if let Some(netrc) = netrc.filter(|path| input::is_file(path)) {
            environment.entry("NETRC".into()).or_insert_with(|| netrc.into());
        }
        let installed = installed_packages(&environment)?;
        let interpreter = probe(&settings.python, &environment, &cache, &installed)?;
        let installer = find_installer(context, settings, &environment)?;
        Ok(Self { context, settings, interpreter, installer, environment, work, cache, installed })
    }

    /// Show a plan and carry it out.
    pub fn apply(&self, plan: &Plan) -> Result<()> {
        apply::plan(plan, &self.context.printer, false)
    }

    /// Run a child whose output matters only where it fails.
    pub fn quietly(&self, what: &str, process: &Process) -> Result<apply::Output> {
        let process = self.with_environment(process);
        self.context.printer.plan(&Plan::new([Action::Run(process.clone())]));
        let output = apply::capture(&process)?;
        if output.success { Ok(output) } else { Err(failed_child(what, &output).into()) }
    }

    /// The process in our children's environment; what it sets itself stays.
    pub fn with_environment(&self, process: &Process) -> Process {
        let mut all = self.environment.clone();
        all.extend(process.environment.clone());
        process.clone().environment(&all)
    }

    /// How many children may work at once: `parallel=N`, else one a processor.
    pub fn jobs(&self) -> usize {
        let given = self.context.environment.build_option("parallel").flatten().and_then(|n| n.parse().ok());
        given.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from)).max(1)
    }

    /// Whether files may be shared with a cache. The packager's commands may
    /// write into them; then the venv has its own.
    pub fn files(&self) -> Files {
        if self.settings.after_install.is_empty() { Files::Shared } else { Files::Apart }
    }

    /// Where distributions come from.
    pub fn sources(&self) -> Sources {
        Sources {
            indexes: self.settings.indexes.iter().map(|item| item.text.clone()).collect(),
            find_links: self.settings.wheelhouse.iter().map(|item| self.context.directory.join(&item.text)).collect(),
            offline: self.settings.offline,
            ..Sources::default()
        }
    }

    /// A file in the working directory.
    pub fn note(&self, name: &str, text: &str) -> Result<PathBuf> {
        let path = self.work.join(name);
        let contents = text.as_bytes().to_vec();
        self.apply(&Plan::new([Action::Write { path: path.clone(), contents, mode: 0o644 }]))?;
        Ok(path)
    }
}

/// A cache for pip that shares what was downloaded with other builds, but not
/// the wheels that pip has built: it finds those by the archive's address alone.
fn share_downloads(context: &Context, cache: &Cache, own: &Path) -> Result<()> {
    let mut plan = Plan::default();
    // pip calls it `http` up to 23.2.
    for name in ["http", "http-v2"] {
        let shared = cache.downloads().join("pip").join(name);
        plan.push(Action::Directory { path: shared.clone() });
        plan.push(Action::Symlink { path: own.join(name), target: shared });
    }
    apply::plan(&plan, &context.printer, false)
}

/// Ask an interpreter what it is.
fn probe(
    python: &Item,
    environment: &BTreeMap<OsString, OsString>,
    cache: &Cache,
    installed: &str,
) -> Result<Interpreter> {
    let path = if python.text.starts_with('/') {
        PathBuf::from(&python.text)
    } else {
        Path::new("/usr/bin").join(&python.text)
    };
    if !input::is_executable(&path) {
        let fault = python.error(format!("there is no interpreter {}", path.display()));
        let hint = match path.file_name().and_then(|name| name.to_str()) {
            Some(name) if path.parent() == Some(Path::new("/usr/bin")) => {
                format!("add {name} to Build-Depends, or choose one that the release has with the field Python")
            }
            _ => "name an interpreter that is installed, for example /usr/bin/python3".to_owned(),
        };
        return Err(fault.hint(hint).into());
    }
    // What dpkg installed answers the same until dpkg changes it.
    let is_debian = path.parent() == Some(Path::new("/usr/bin"));
    let key = digest(["dh-venv-probe 1", PROBE, &path.to_string_lossy(), installed]);
    let answer = match cache.text(&key).filter(|_| is_debian) {
        Some(text) => text.into_bytes(),
        None => {
            let process = Process::new(&path, ["-I", "-S", "-c", PROBE].map(OsString::from)).environment(environment);
            let output = apply::capture(&process)?;
            if !output.success {
                return Err(failed_child(&format!("asking {} what it is", path.display()), &output).into());
            }
            output.stdout
        }
    };
    let interpreter = Interpreter::parse(&path, &answer)?;
    cache.keep_text(&key, &String::from_utf8_lossy(&answer))?;
    if interpreter.tags.is_empty() {
        return Err(Diagnostic::error("python3-pip is not installed")
            .hint("install python3-pip; dh-venv depends on it")
            .into());
    }
    Ok(interpreter)
}

/// Digest of names, versions, architectures and states of the installed Debian
/// packages. dpkg-query says them: the files of dpkg's database are its own.
pub fn installed_packages(environment: &BTreeMap<OsString, OsString>) -> Result<String> {
    let format = r"--showformat=${Package} ${Version} ${Architecture} ${Status}\n";
    let process = Process::new("/usr/bin/dpkg-query", ["--show", format]).environment(environment);
    let output = apply::capture(&process)?;
    if !output.success {
        return Err(failed_child("asking dpkg what is installed", &output).into());
    }
    Ok(digest(String::from_utf8_lossy(&output.stdout).lines()))
}

fn find_installer(
    context: &Context,
    settings: &Settings,
    environment: &BTreeMap<OsString, OsString>,
) -> Result<Installer> {
    let wanted = settings.installer;
    let version = |process: Process, place: usize| -> Result<Option<String>> {
        // Where it starts, python3 -m looks for modules: not in the source.
        let output = apply::capture(&process.environment(environment).directory("/"))?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        Ok(text.split_whitespace().nth(place).filter(|_| output.success).map(str::to_owned))
    };
    if wanted != Wanted::Pip {
        let path = context.environment.text("PATH").unwrap_or_default();
        let mut places = vec!["/usr/bin"];
        places.extend(path.split(':').filter(|place| place.starts_with('/')));
        let found = places.into_iter().map(|place| Path::new(place).join("uv")).find(|uv| input::is_executable(uv));
        if let Some(program) = found {
            if let Some(version) = version(Process::new(&program, ["--version"]), 1)? {
                return Ok(Installer::Uv { program, version });
            }
        }
        if wanted == Wanted::Uv {
            let chosen = Item { text: "uv".to_owned(), location: settings.installer_place.clone() };
            return Err(chosen
                .error("uv is not installed")
                .hint("install uv, or use 'Installer: auto', which takes pip where uv is missing")
                .into());
        }
    }
    match version(Process::new("/usr/bin/python3", ["-m", "pip", "--version"]), 1)? {
        Some(version) => Ok(Installer::Pip { version }),
        None => Err(Error::from(Diagnostic::error("neither uv nor pip is installed").hint("install python3-pip"))),
    }
}
