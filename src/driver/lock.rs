//! `lock`: one file that pins every distribution, with hashes, for all suites.
//!
//! Owns debian/requirements.lock and what goes into it: the requirements and
//! projects that dh_venv will install, and what building them takes. uv resolves.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::apply;
use crate::debian::{control, paragraph};
use crate::digest::digest;
use crate::error::{Diagnostic, Error, Location, Result, Severity};
use crate::foreign::printable_line;
use crate::helper::venv::cli::Options;
use crate::helper::venv::settings::{self, Present, Settings, below};
use crate::input;
use crate::plan::{Action, Process};
use crate::python::pyproject::Pyproject;

use super::context::{Context, last_words};
use super::hold::Workroom;
use super::index::Index;
use super::inspect::hooks;
use super::process::{self, Ended};
use super::session;
use super::session::ids::Ids;
use super::session::take::Take;
use super::session::{Bench, Bind, Upper};
use super::target::Suite;

/// The lock, below the source directory.
pub const LOCK: &str = "debian/requirements.lock";
/// Its name.
const NAME: &str = "requirements.lock";
/// How uv is run: in a copy of the source, with ids that nobody has.
const RESOLVE: &str = include_str!("../../share/driver/resolve.sh");
/// How it is run where no room can be made for it, and the source is trusted.
const TRUSTED: &str = include_str!("../../share/driver/trusted.sh");
/// What the former says when everything is ready for uv.
const READY: &str = "resolve: contained";
/// How long a resolution may take.
const LIMIT: Duration = Duration::from_secs(3600);
/// How its second line begins.
const INPUTS: &str = "# inputs: ";

/// What the venvs of a source are made of, before anything is resolved.
#[derive(Debug, Default)]
pub struct Inputs {
    /// Settings of each package with a venv.
    pub settings: Vec<Settings>,
    /// Files for uv: requirements, pyproject.toml, setup.py.
    files: BTreeSet<String>,
    /// Requirements that stand in no file of their own: Preinstall, build systems.
    lines: BTreeSet<String>,
    extras: BTreeSet<String>,
    groups: BTreeSet<String>,
    /// Indexes, the primary one first.
    pub indexes: Vec<Index>,
    /// Whether code of the source may run where it cannot be contained.
    pub trusted: bool,
}

/// Read what the venvs of the source in `root` are made of; `indexes` are the command line's.
pub fn inputs(root: &Path, indexes: &[String]) -> Result<Inputs> {
    let settings = settings(root)?;
    let ours = indexes.iter().map(|url| Index::ours(url)).collect::<std::result::Result<Vec<_>, _>>();
    let ours = ours.map_err(|refused| {
        Error::Usage(Diagnostic::error(format!("--index: {refused}")).hint("name it as https://HOST/simple"))
    })?;
    let mut inputs = Inputs { settings, indexes: ours.clone(), ..Inputs::default() };
    for settings in inputs.settings.clone() {
        inputs.take(root, &settings, &ours)?;
    }
    Ok(inputs)
}

/// The settings of each package with a venv of the source in `root`.
pub fn settings(root: &Path) -> Result<Vec<Settings>> {
    let text = input::within(root, "debian/control")?.ok_or_else(|| {
        Error::from(
            Diagnostic::error("there is no debian/control here").hint("run this in a source package's directory"),
        )
    })?;
    let control = control::parse(&text)?;
    let mut all = Vec::new();
    let single = control.binaries.len() == 1;
    for binary in &control.binaries {
        let names = [format!("debian/{}.venv", binary.name), "debian/venv".to_owned()];
        let found = names.iter().take(if single { 2 } else { 1 }).find(|name| input::is_file(&root.join(name)));
        if found.is_some() || single {
            all.push(settings_of(root, &binary.name, found.map(Path::new))?);
        }
    }
    Ok(all)
}

fn settings_of(root: &Path, package: &str, file: Option<&Path>) -> Result<Settings> {
    let mut paragraphs = Vec::new();
    let mut faults = Vec::new();
    if let Some(file) = file {
        let text = input::within(root, &file.to_string_lossy())?.unwrap_or_default();
        (paragraphs, faults) = paragraph::parse(&text, file);
    }
    let field = paragraphs.first().and_then(|one| one.get("Project"));
    let named: Vec<String> =
        field.into_iter().flat_map(|field| field.words().map(|(_, word)| word.to_owned())).collect();
    // The wheelhouse is what the lock will fill: it decides nothing here.
    let present = Present::find(&named, |name| input::is_file(&root.join(name)), |_| false);
    let pair = file.map(|file| (file, paragraphs.as_slice()));
    let (settings, found) = settings::read(package, pair, &Options::default(), &present);
    faults.extend(found);
    faults.retain(|fault| fault.severity == Severity::Error);
    match settings {
        Some(settings) if faults.is_empty() => Ok(settings),
        _ => Err(Error::Failed(faults)),
    }
}

impl Inputs {
    fn take(&mut self, root: &Path, settings: &Settings, ours: &[Index]) -> Result<()> {
        for item in &settings.indexes {
            let index = Index::foreign(&item.text, ours).map_err(|refused| {
                let fault = item.error(refused.to_string());
                Error::from(fault.hint("an index of this machine is named on the command line, too: --index URL"))
            })?;
            self.indexes.push(index);
        }
        self.lines.extend(settings.preinstall.iter().map(|item| item.text.clone()));
        self.files.extend(settings.requirements.iter().map(|item| item.text.clone()));
        for project in &settings.projects {
            let pyproject = below(&project.text, "pyproject.toml");
            let setup = below(&project.text, "setup.py");
            let text = input::within(root, &pyproject)?;
            let parsed = text.as_deref().map(|text| Pyproject::parse(text, Path::new(&pyproject))).transpose()?;
            self.lines.extend(parsed.unwrap_or_default().build_requires);
            let read = |name: &str| -> Result<String> {
                Ok(input::within(root, &below(&project.text, name))?.unwrap_or_default())
            };
            let hooks = hooks::requires(text.as_deref().unwrap_or_default(), &read("setup.py")?, &read("setup.cfg")?);
            self.lines.extend(hooks);
            // Of a project with a lock, the lock says what it depends on.
            if settings.lock.is_none() {
                self.files.insert(if text.is_some() { pyproject } else { setup });
            }
        }
        if settings.lock.is_none() {
            self.extras.extend(settings.extras.iter().map(|item| item.text.clone()));
            self.groups.extend(settings.groups.iter().map(|item| item.text.clone()));
        }
        Ok(())
    }

    /// sha256 over all that decides the lock.
    pub fn digest(&self, root: &Path, python: &str) -> Result<String> {
        let mut lines = vec![format!("python {python}")];
        for file in &self.files {
            let text = input::within(root, file)?;
            let text = text.ok_or_else(|| Error::failed(format!("there is no file {file}")))?;
            lines.push(format!("{file} {}", digest([text.as_str()])));
        }
        for (name, set) in [("line", &self.lines), ("extra", &self.extras), ("group", &self.groups)] {
            lines.extend(set.iter().map(|text| format!("{name} {text}")));
        }
        Ok(digest(lines.iter().map(String::as_str)))
    }

    /// The call of uv. Indexes with a password are no words of it: it could be read there.
    fn words(&self, python: &str, upgrade: bool) -> Vec<String> {
        let mut words: Vec<String> =
            ["/uv", "pip", "compile", "--universal", "--generate-hashes", "--no-header", "--no-annotate"]
                .map(str::to_owned)
                .into();
        words.extend(["--no-python-downloads", "--quiet", "--no-config"].map(str::to_owned));
        words.extend(["--python-version".to_owned(), python.to_owned()]);
        words.extend(self.extras.iter().map(|extra| format!("--extra={extra}")));
        words.extend(self.groups.iter().map(|group| format!("--group={group}")));
        let open = self.indexes.iter().enumerate().filter(|(_, index)| !index.has_password());
        words.extend(open.map(|(number, index)| match number {
            0 => format!("--default-index={}", index.as_str()),
            _ => format!("--index={}", index.as_str()),
        }));
        words.extend(upgrade.then(|| "--upgrade".to_owned()));
        words.push(format!("--output-file={LOCK}"));
        // Whatever they are called, they are no options.
        words.extend(self.files.iter().map(|file| format!("./{file}")));
        words.push("-".to_owned());
        words
    }

    /// What stands in no file, for uv's standard input; `more` are requirements of source archives.
    fn text(&self, more: &BTreeSet<String>) -> String {
        let secret = self.indexes.iter().enumerate().filter(|(_, index)| index.has_password());
        let indexes = secret.map(|(number, index)| match number {
            0 => format!("--index-url {}", index.as_str()),
            _ => format!("--extra-index-url {}", index.as_str()),
        });
        indexes.chain(self.lines.iter().chain(more).cloned()).map(|line| format!("{line}\n")).collect()
    }
}

/// What uv has left.
struct Ran {
    /// Whether it could be contained.
    contained: bool,
    /// What was said.
    words: String,
    lock: Option<Vec<u8>>,
    late: bool,
}

/// Uv's run over a copy of a source.
struct Run<'a> {
    context: &'a Context<'a>,
    work: Workroom,
    words: Vec<String>,
    /// Directories of this machine that are indexes.
    directories: Vec<PathBuf>,
    room: u64,
}

impl<'a> Run<'a> {
    fn new(context: &'a Context<'a>, root: &Path, words: Vec<String>, lines: &str) -> Result<Self> {
        let uv = program(context, "uv").ok_or_else(|| {
            Error::from(
                Diagnostic::error("the requirements cannot be resolved: uv: not found")
                    .hint("uv is not installed: it is on PyPI, and examples/uv makes a package of it"),
            )
        })?;
        let work = Workroom::new(context, &context.cache()?.join("work"))?;
        let directories = words.iter().filter_map(|word| {
            let (option, url) = word.split_once('=')?;
            let path = url.strip_prefix("file://").filter(|path| path.starts_with('/'))?;
            ["--default-index", "--index"].contains(&option).then(|| PathBuf::from(path))
        });
        let directories = directories.collect();
        let run = Self { context, work, words, directories, room: session::memory()? };
        let given = run.given();
        apply::directory(&given)?;
        apply::directory(&run.work.path().join("out"))?;
        let program = input::bytes(&uv)?.ok_or_else(|| Error::failed(format!("{} is no file", uv.display())))?;
        apply::write(&given.join("uv"), &program, 0o700)?;
        apply::write(&given.join("lines"), lines.as_bytes(), 0o600)?;
        if let Some(path) = context.environment.filled("SSL_CERT_FILE") {
            if let Some(bytes) = input::bytes(&context.directory.join(path))? {
                apply::write(&given.join("certificates"), &bytes, 0o600)?;
            }
        }
        let archive = given.join("source.tar");
        let limit = format!("--fsize={}", run.room);
        let words = ["-c", "--exclude-vcs", "--exclude=./target", "--exclude=./debian/wheelhouse", "-f"];
        let words = [limit.as_str(), "tar"].into_iter().chain(words).map(OsString::from);
        let words = words.chain([archive.clone().into(), ".".into()]);
        // What tar cannot read, it leaves out, and says so: a requirement that is there is found.
        let said = context.attempt(Process::new("prlimit", words).directory(root))?;
        if said.status.contains("signal") || said.status.ends_with("status 153") {
            let fault = format!("the source has more than {} MB", run.room >> 20);
            return Err(Diagnostic::error(fault).hint("remove what does not belong to it").into());
        }
        apply::action(&Action::Mode { path: archive, mode: 0o600 })?;
        Ok(run)
    }

    fn given(&self) -> PathBuf {
        self.work.path().join("given")
    }

    /// In a room of its own: with ids that nobody has, where such can be had, else as
    /// the user who runs the driver, who sees nothing of his own there.
    fn contained(&self) -> Result<Ran> {
        let unable = |words: String| Ran { contained: false, words, lock: None, late: false };
        let ids = match nix::unistd::geteuid().is_root().then(Ids::own).transpose() {
            Ok(ids) => ids,
            Err(fault) => return Ok(unable(fault)),
        };
        let (place, given) = match ids {
            Some(_) => (PathBuf::from("/mnt"), PathBuf::from("/mnt/given")),
            None => (self.work.path().join("place"), self.given()),
        };
        let mut binds = Vec::new();
        if let Some(ids) = ids {
            for name in ["uv", "lines", "certificates", "source.tar"].map(|name| self.given().join(name)) {
                if input::is_file(&name) {
                    if let Err(fault) = ids.hand_over(&name, 0) {
                        return Ok(unable(fault));
                    }
                }
            }
            let bind = |from: &Path, to: String| Bind { from: from.to_owned(), to: to.into(), writable: false };
            binds.push(bind(&self.given(), "/mnt/given".to_owned()));
            let all = self.directories.iter().enumerate();
            let there = all.filter(|(_, path)| input::is_directory(path));
            binds.extend(there.map(|(number, path)| bind(path, format!("/mnt/index/{number}"))));
        } else {
            apply::directory(&place)?;
        }
        let within = ["unshare", "--user", "--map-root-user", "--mount", "--propagation=private"];
        let within = if ids.is_some() { &[][..] } else { &within[..] };
        let mut command: Vec<PathBuf> =
            within.iter().chain(&["sh", "-euc", RESOLVE, "resolve"]).map(PathBuf::from).collect();
        let size = if ids.is_some() { 0 } else { self.room };
        command.extend([place.clone(), given, size.to_string().into()]);
        command.extend(self.words.iter().map(PathBuf::from));
        let from = if ids.is_some() { "/room/root/source/debian" } else { "/out" };
        let (index, to) = (vec![NAME.to_owned()], self.work.path().join("out"));
        let bench = Bench {
            contained: ids.is_some(),
            network: true,
            upper: if ids.is_some() { Upper::Memory(self.room) } else { Upper::Directory(place) },
            directories: if ids.is_some() { vec![("tmp".to_owned(), 0o1777)] } else { Vec::new() },
            binds,
            command,
            environment: self.context.for_bench(true),
            take: Some(Take { from: from.into(), index, to: to.clone(), most: input::TEXT, alone: true }),
        };
        let log = self.work.path().join("log");
        let ended = process::contained(&bench.process()?, &log, Some(LIMIT), &mut |_| {})?;
        let said = input::bytes(&log)?.unwrap_or_default();
        let said = String::from_utf8_lossy(&said);
        let lines = said.lines().filter(|line| *line != READY && !line.starts_with("session: warning: "));
        let words = lines.collect::<Vec<_>>().join("\n");
        let lock = if ended.success() { input::bytes(&to.join(NAME))? } else { None };
        let contained = said.lines().any(|line| line == READY);
        Ok(Ran { contained, words, lock, late: matches!(ended, Ended::TimeLimit(_)) })
    }

    /// With the rights of whoever runs the driver.
    fn trusted(&self) -> Result<Ran> {
        let words = ["-c", TRUSTED, "trusted"].map(OsString::from).into_iter().chain([self.given().into()]);
        let words = words.chain(self.words.iter().map(OsString::from));
        let ran = self.context.attempt_within(LIMIT, Process::new("sh", words))?;
        let lock = ran.success.then_some(ran.stdout);
        Ok(Ran { contained: true, words: String::from_utf8_lossy(&ran.stderr).into_owned(), lock, late: false })
    }
}

/// Where a program lies.
fn program(context: &Context<'_>, name: &str) -> Option<PathBuf> {
    let path = context.children().get(OsStr::new("PATH")).cloned().unwrap_or_default();
    let found = std::env::split_paths(&path).map(|place| place.join(name)).find(|path| input::is_executable(path))?;
    Some(found)
}

/// The oldest interpreter of the suites: uv resolves for it and all newer ones.
pub fn python_of(suites: &[Suite]) -> String {
    suites.iter().min_by_key(|suite| suite.python).map(Suite::python_minor).unwrap_or_default()
}

/// Resolve, and return the lock's text. Pins of the lock that is there are kept
/// where they fit, unless `upgrade`. `more` are requirements of source archives.
pub fn resolve(
    context: &Context<'_>,
    root: &Path,
    inputs: &Inputs,
    suites: &[Suite],
    upgrade: bool,
    more: &BTreeSet<String>,
) -> Result<String> {
    let python = python_of(suites);
    let digest = inputs.digest(root, &python)?;
    let _task = context.begin(format!("resolving for python {python} and newer"));
    if let Some(bad) = inputs.lines.iter().chain(more).find(|line| line.contains(char::is_control)) {
        return Err(Diagnostic::error(format!("'{}' is no requirement", printable_line(bad)))
            .hint("it has a control character: correct it in the project's pyproject.toml")
            .into());
    }
    let run = Run::new(context, root, inputs.words(&python, upgrade), &inputs.text(more))?;
    let mut ran = run.contained()?;
    if !ran.contained && inputs.trusted {
        ran = run.trusted()?;
    }
    let words = last_words(ran.words.as_bytes());
    if !ran.contained {
        return Err(Diagnostic::error(format!("code of the source cannot be contained here: {words}"))
            .hint("allow user namespaces (kernel.unprivileged_userns_clone), or trust it with all that is yours: --trust-source")
            .into());
    }
    let Some(lock) = ran.lock else {
        let words = if ran.late { format!("it took longer than {} s", LIMIT.as_secs()) } else { words };
        return Err(Diagnostic::error(format!("the requirements cannot be resolved: {words}"))
            .hint("correct the requirements, or name the index that has them: --index URL")
            .into());
    };
    if lock.len() as u64 > input::TEXT {
        return Err(Error::failed(format!("the resolution has more than {} MB", input::TEXT >> 20)));
    }
    let pins = String::from_utf8_lossy(&lock).into_owned();
    let own = |line: &&str| !line.starts_with('#');
    let pins: String = pins.lines().filter(own).map(|line| format!("{line}\n")).collect();
    Ok(format!("# Made by deb-build-app lock; used by deb-build-app vendor.\n{INPUTS}{digest}\n{pins}"))
}

/// Write the lock, or with `check` say whether it is out of date. Returns its path.
pub fn lock(
    context: &Context<'_>,
    suites: &[Suite],
    indexes: &[String],
    upgrade: bool,
    check: bool,
    trusted: bool,
) -> Result<PathBuf> {
    let root = &context.directory;
    let path = input::place(root, LOCK)?;
    let inputs = Inputs { trusted, ..inputs(root, indexes)? };
    if check {
        stale(root, &inputs, suites)?.map_or(Ok(()), |fault| Err(Error::from(fault)))?;
        return Ok(path);
    }
    let text = resolve(context, root, &inputs, suites, upgrade, &BTreeSet::new())?;
    apply::write(&path, text.as_bytes(), 0o644)?;
    Ok(path)
}

/// What is wrong with the lock: there is none, or it was made from other inputs.
pub fn stale(root: &Path, inputs: &Inputs, suites: &[Suite]) -> Result<Option<Diagnostic>> {
    let Some(text) = input::within(root, LOCK)? else {
        return Ok(Some(Diagnostic::error(format!("there is no {LOCK}")).hint("make it: deb-build-app lock")));
    };
    let noted = text.lines().find_map(|line| line.strip_prefix(INPUTS));
    if noted == Some(inputs.digest(root, &python_of(suites))?.as_str()) {
        return Ok(None);
    }
    Ok(Some(
        Diagnostic::error("the lock was made from other requirements or for other suites")
            .at(Location::line(LOCK, 2))
            .hint("make it anew: deb-build-app lock, then deb-build-app vendor"),
    ))
}
