//! `lock`: one file that pins every distribution, with hashes, for all suites.
//!
//! Owns debian/requirements.lock and what goes into it: the requirements and
//! projects that dh_venv will install, and what building them takes. uv resolves.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::apply;
use crate::debian::{control, paragraph};
use crate::error::{Diagnostic, Error, Location, Result, Severity};
use crate::foreign::printable_line;
use crate::helper::venv::cli::Options;
use crate::helper::venv::distribution::digest;
use crate::helper::venv::pyproject::Pyproject;
use crate::helper::venv::settings::{self, Present, Settings, below};
use crate::input;
use crate::plan::Process;

use super::context::{Context, last_words};
use super::index::Index;
use super::inspect::hooks;
use super::target::Suite;

/// The lock, below the source directory.
pub const LOCK: &str = "debian/requirements.lock";
/// How uv is run: in a copy of the source, never as root.
const RESOLVE: &str = include_str!("../../share/driver/resolve.sh");
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

    /// The call of uv; `more` are requirements of source archives. What stands in no file is given on standard input.
    fn process(&self, root: &Path, python: &str, upgrade: bool, more: &BTreeSet<String>) -> Process {
        let mut words: Vec<String> =
            ["pip", "compile", "--universal", "--generate-hashes", "--no-header", "--no-annotate"]
                .map(str::to_owned)
                .into();
        words.extend(["--no-python-downloads", "--quiet", "--no-config"].map(str::to_owned));
        words.extend(["--python-version".to_owned(), python.to_owned()]);
        words.extend(self.extras.iter().map(|extra| format!("--extra={extra}")));
        words.extend(self.groups.iter().map(|group| format!("--group={group}")));
        let mut indexes = self.indexes.iter();
        words.extend(indexes.next().map(|url| format!("--default-index={}", url.as_str())));
        words.extend(indexes.map(|url| format!("--index={}", url.as_str())));
        words.extend(upgrade.then(|| "--upgrade".to_owned()));
        words.push(format!("--output-file={LOCK}"));
        // Whatever they are called, they are no options.
        words.extend(self.files.iter().map(|file| format!("./{file}")));
        words.push("-".to_owned());
        let lines: Vec<&str> = self.lines.iter().chain(more).map(String::as_str).collect();
        let trusted = if self.trusted { "1" } else { "0" };
        let script = ["-c", RESOLVE, "resolve", trusted, "uv"].map(str::to_owned).into_iter().chain(words);
        Process::new("sh", script).directory(root).input(lines.join("\n") + "\n")
    }
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
    let ran = context.attempt(inputs.process(root, &python, upgrade, more))?;
    if ran.status.ends_with("status 77") {
        let words = last_words(&ran.stderr);
        return Err(Diagnostic::error(format!("code of the source cannot be contained here: {words}"))
            .hint("allow user namespaces (kernel.unprivileged_userns_clone), or trust it with all that is yours: --trust-source")
            .into());
    }
    if ran.success && ran.stdout.len() as u64 > input::TEXT {
        return Err(Error::failed(format!("the resolution has more than {} MB", input::TEXT >> 20)));
    }
    if !ran.success {
        let words = last_words(&ran.stderr);
        let hint = match words.contains("uv: not found") {
            true => "uv is not installed: it is on PyPI, and examples/uv makes a package of it",
            false => "correct the requirements, or name the index that has them: --index URL",
        };
        return Err(Diagnostic::error(format!("the requirements cannot be resolved: {words}")).hint(hint).into());
    }
    let pins = String::from_utf8_lossy(&ran.stdout).into_owned();
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
