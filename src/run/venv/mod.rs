//! dh_venv and dh_venv_place: the order of things.
//!
//! settings → inputs → project wheels → exact distributions → the
//! dependencies' tree (from the cache, or installed and normalised) → the
//! project on top → the packager's commands and tests → what the package
//! must say about it. Decisions are in [`crate::helper::venv`].

mod assemble;
mod cache;
mod compile;
mod contents;
mod depends;
mod describe;
mod fill;
mod install;
pub mod place;
mod project;
mod resolve;
mod trial;
mod workshop;

pub use cache::{is_code, is_whole};

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use debian_control::lossless::relations::Relations;

use crate::apply;
use crate::debhelper::pkgfile;
use crate::digest::digest;
use crate::error::{Diagnostic, Error, Result, Severity};
use crate::helper::venv::bytecode;
use crate::helper::venv::cli::Options;
use crate::helper::venv::distribution::{self, Shape};
use crate::helper::venv::installer::{self, Files, Installer};
use crate::helper::venv::place::Outcome;
use crate::helper::venv::settings::{self, Keep, Present, Settings};
use crate::helper::venv::tree;
use crate::input::{self, Beginning, Facts};
use crate::plan::{Action, Plan, Process};
use crate::run::Context;

use assemble::Phase;
use contents::{Contents, Snapshot};
use install::Built;
use project::ProjectWheel;
use resolve::Wanted;
use trial::{Attempt, Failure};
use workshop::Workshop;

/// The body of dh_venv.
pub fn run(context: &Context, options: Options) -> Result<()> {
    if let Some(rules) = &options.from_dh_virtualenv {
        return from_dh_virtualenv(context, rules);
    }
    // Maintainer scripts are dh_venv_place's.
    if context.build.options.only_scripts {
        return Ok(());
    }
    for settings in requests(context, &options)? {
        if context.build.no_act {
            context.printer.plan(&outline(&settings));
            continue;
        }
        let work = match &options.fill {
            // The source is only read.
            Some(room) => Path::new(room).join(&settings.package).join("work"),
            None => context.directory.join(crate::helper::venv::place::stage(&settings.package)).join("work"),
        };
        let result = Workshop::open(context, &settings, work.clone()).and_then(|workshop| match options.fill {
            Some(_) if options.tried => workshop.try_kept(),
            Some(_) => {
                workshop.fill().unwrap_or_else(|error| workshop.tell_unfilled(&error));
                Ok(())
            }
            None => workshop.build(),
        });
        // What is left of a failed run helps nobody find its cause: the messages do.
        let cleaned = apply::plan(&Plan::new([Action::Remove { path: work }]), &context.printer, false);
        result?;
        cleaned?;
    }
    Ok(())
}

/// What `--no-act` can show: what will be decided on the way is not known yet.
fn outline(settings: &Settings) -> Plan {
    let stage = crate::helper::venv::place::stage(&settings.package);
    Plan::new([
        Action::Remove { path: stage.join("venv") },
        Action::Directory { path: stage.join("venv") },
        Action::Write { path: stage.join("outcome.json"), contents: Vec::new(), mode: 0o644 },
    ])
}

fn from_dh_virtualenv(context: &Context, rules: &str) -> Result<()> {
    let path = Path::new(rules);
    let Some(text) = input::text(path)? else {
        return Err(Diagnostic::error(format!("there is no file {rules}"))
            .hint("give the path of the debian/rules that calls dh_virtualenv: --from-dh-virtualenv=debian/rules")
            .into());
    };
    let control = input::text(Path::new("debian/control"))?.unwrap_or_default();
    let converted = crate::helper::venv::from_dh_virtualenv::convert(&text, path, &control);
    if converted.notes.iter().any(|note| note.severity == Severity::Error) {
        return Err(Error::Failed(converted.notes));
    }
    for note in &converted.notes {
        context.printer.diagnostic(note);
    }
    context.printer.output(&converted.venv);
    Ok(())
}

/// Whether a package gets a venv: it has a .venv file, or it is the source's
/// only binary package and the source holds a Python project or requirements.
pub fn has_venv(context: &Context, package: &str) -> Result<bool> {
    if pkgfile::find(&context.build, package, "venv")?.is_some() {
        return Ok(true);
    }
    let present = present(context, &[]);
    let by_default = context.build.binaries.len() == 1 && !any_file(context)?;
    Ok(by_default && (!present.projects.is_empty() || !present.requirements.is_empty()))
}

fn any_file(context: &Context) -> Result<bool> {
    for binary in &context.build.binaries {
        if pkgfile::find(&context.build, &binary.name, "venv")?.is_some() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Settings of every selected package that gets a venv. All faults are reported at once.
fn requests(context: &Context, options: &Options) -> Result<Vec<Settings>> {
    let mut faults = Vec::new();
    let mut all = Vec::new();
    let any_file = any_file(context)?;
    let single = context.build.binaries.len() == 1;
    for binary in context.build.packages() {
        let file = pkgfile::find(&context.build, &binary.name, "venv")?;
        let asked = !options.given().is_empty() && (single || context.build.selected.len() == 1);
        if file.is_none() && !asked && (any_file || !single) {
            continue;
        }
        let mut paragraphs = Vec::new();
        if let Some(file) = &file {
            let (parsed, found) = crate::debian::paragraph::parse(&file.text, &file.path);
            faults.extend(file.warnings.iter().cloned());
            faults.extend(found);
            paragraphs = parsed;
        }
        let mut named: Vec<String> = options.project.clone();
        let field = paragraphs.first().and_then(|paragraph| paragraph.get("Project"));
        named.extend(field.into_iter().flat_map(|field| field.words().map(|(_, word)| word.to_owned())));
        let present = present(context, &named);
        let pair = file.as_ref().map(|file| (file.path.as_path(), paragraphs.as_slice()));
        let (settings, found) = settings::read(&binary.name, pair, options, &present);
        faults.extend(found);
        // From level 14 on, dh_gencontrol adds every ${…:Depends} by itself.
        let by_hand = context.build.compat < 14;
        if by_hand && !lists_venv_depends(binary.field("Depends")) && !lists_venv_depends(binary.field("Pre-Depends")) {
            faults.push(
                Diagnostic::error(format!(
                    "package {} has a venv, but its Depends lacks ${{venv:Depends}}",
                    binary.name
                ))
                .at(binary.location("Depends"))
                .hint("add ${venv:Depends} to Depends: without it the package installs where it cannot run"),
            );
        }
        all.extend(settings);
    }
    if all.is_empty() && faults.is_empty() && !any_file && !single {
        faults.push(
            Diagnostic::error("no package has a venv")
                .hint("write debian/PACKAGE.venv for the package that shall get it; dh_venv(1) has the fields"),
        );
    }
    if let Some(fault) =
        faults.iter().find(|fault| fault.severity == Severity::Error && settings::is_about_option(fault))
    {
        return Err(Error::Usage(fault.clone()));
    }
    if faults.iter().any(|fault| fault.severity == Severity::Error) {
        return Err(Error::Failed(faults));
    }
    for warning in &faults {
        context.printer.diagnostic(warning);
    }
    Ok(all)
}

/// Whether a relationship field has `${venv:Depends}` as one of its items.
fn lists_venv_depends(field: Option<&str>) -> bool {
    let Some(text) = field else { return false };
    let (relations, _) = Relations::parse_relaxed(text, true);
    relations.substvars().any(|item| item == "${venv:Depends}")
}

/// The result of a thread, whose panic is this one's.
fn finished<T>(thread: std::thread::ScopedJoinHandle<'_, Result<T>>) -> Result<T> {
    thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

/// What of the source decides defaults.
fn present(context: &Context, named: &[String]) -> Present {
    let root = &context.directory;
    Present::find(named, |name| input::is_file(&root.join(name)), |name| input::is_directory(&root.join(name)))
}

/// The finished venv, as it was read.
struct Finished<'a> {
    /// What was there before the project and the packager's commands.
    known: &'a Contents,
    /// What is there.
    contents: &'a Contents,
    /// How its files begin.
    beginnings: &'a BTreeMap<PathBuf, Beginning>,
}

impl Workshop<'_> {
    fn build(&self) -> Result<()> {
        let settings = self.settings;
        if let Some(wheelhouse) = &settings.wheelhouse {
            if !input::is_directory(&self.context.directory.join(&wheelhouse.text)) {
                return Err(wheelhouse
                    .error(format!("there is no directory '{}'", wheelhouse.text))
                    .hint("correct the field Wheelhouse, or drop it and run 'deb-build-app vendor', which fills debian/wheelhouse")
                    .into());
            }
        }
        let inputs = self.read_inputs()?;
        let wheels = self.project_wheels(&inputs.directories)?;
        let wanted = self.wanted(&inputs, &wheels)?;
        let stage = self.context.directory.join(crate::helper::venv::place::stage(&settings.package));
        let venv = stage.join("venv");
        let mut plan = Plan::default();
        for name in ["venv", "files", "outcome.json"] {
            plan.push(Action::Remove { path: stage.join(name) });
        }
        self.apply(&plan)?;
        let (known, facts) =
            self.dependencies(&wanted, &venv, wheels.is_empty() && self.settings.after_install.is_empty())?;
        if !wheels.is_empty() {
            self.install_project(&wheels, &wanted, &venv)?;
            self.normalise(&venv, &Phase::Project(&known))?;
        }
        self.hooks(&venv, &known)?;
        self.check_commands(&venv)?;
        if wheels.is_empty() && settings.after_install.is_empty() {
            self.tests(&venv)?;
            let beginnings = facts.into_iter().map(|(path, facts)| (path, facts.beginning)).collect();
            let finished = Finished { known: &known, contents: &known, beginnings: &beginnings };
            return self.describe(&stage, &wanted, &wheels, &finished);
        }
        let contents = contents::contents(&venv, &self.frame(&venv).site())?;
        self.check_imports(&venv, &contents, &known)?;
        self.tests(&venv)?;
        let beginnings = input::beginnings(&venv, &contents.entries)?;
        let finished = Finished { known: &known, contents: &contents, beginnings: &beginnings };
        self.describe(&stage, &wanted, &wheels, &finished)
    }

    /// The dependencies' tree at `venv`: from the cache, or installed, normalised and
    /// kept. Whether they are the `whole` venv decides what else is worth a try beforehand.
    fn dependencies(&self, wanted: &Wanted, venv: &Path, whole: bool) -> Result<(Contents, BTreeMap<PathBuf, Facts>)> {
        let apart = self.files() == Files::Apart;
        let site = self.frame(venv).site();
        let built = self.known_built(wanted);
        let kept = match &built {
            Some(built) => self.cache.restore_directory(&self.tree_key(wanted, built)?, venv, apart)?,
            None => None,
        };
        let built = built.unwrap_or_default();
        if let Some(snapshot) = kept {
            self.context.printer.note(&format!("the dependencies of {} come from the cache", self.settings.package));
            let contents = contents::listed(venv, &site, snapshot.entries)?;
            if !self.dependencies_tried(&contents) {
                let failures = self.try_imports(venv, &self.dependency_modules(venv, &contents)?, Attempt::Once)?;
                self.judge_dependencies(&contents, failures)?;
            }
            return Ok((contents, snapshot.facts));
        }
        // Installed beside, and moved when it is whole.
        let fresh = self.work.join("fresh");
        let (contents, facts, failures) = match self.fresh_tree(wanted, &fresh, &built, self.files(), whole) {
            // Someone wrote into a file that uv's cache shared with an earlier package.
            Err(Error::Failed(faults)) if self.files() == Files::Shared && tree::tells_of_altered(&faults) => {
                self.apply(&Plan::new([Action::Remove { path: fresh.clone() }]))?;
                let second =
                    self.fresh_tree(wanted, &fresh, &built, Files::Anew, whole).map_err(|_| Error::Failed(faults))?;
                self.clean_installer_cache()?;
                second
            }
            first => first?,
        };
        self.judge_dependencies(&contents, failures)?;
        self.bound_downloads()?;
        self.apply(&Plan::new([Action::Rename { from: fresh, to: venv.to_path_buf() }]))?;
        Ok((contents, facts))
    }

    /// The key of the dependencies' tree, of which these were `built` from source.
    fn tree_key(&self, wanted: &Wanted, built: &Built) -> Result<String> {
        let mut makers = vec![
            self.installer.label(),
            concat!("dh-venv ", env!("CARGO_PKG_VERSION")).to_owned(),
            format!("interpreter {} {}", self.interpreter.target().display(), self.interpreter.soabi),
            format!("package {}", self.settings.package),
            digest([bytecode::COMPILE]),
        ];
        if !built.is_empty() {
            makers.push(self.build_inputs()?);
        }
        // What lies in the wheelhouse decides which of the hashes that a lock allows it is.
        makers.extend(self.offered(wanted)?.into_iter().map(|offer| format!("offered {}", offer.sha256)));
        makers.extend(self.context.environment.build_option("nostrip").map(|_| "nostrip".to_owned()));
        Ok(distribution::cache_key(&wanted.distributions, &self.shape()?, &makers))
    }

    /// Install and normalise the dependencies at `fresh` and keep them; try their
    /// modules meanwhile. `known` have to be built.
    fn fresh_tree(
        &self,
        wanted: &Wanted,
        fresh: &Path,
        known: &Built,
        files: Files,
        whole: bool,
    ) -> Result<(Contents, BTreeMap<PathBuf, Facts>, Vec<Failure>)> {
        self.made_tree(wanted, fresh, whole, true, || self.install(wanted, fresh, files, known))
    }

    /// The same, by whatever puts the distributions into the empty venv at `fresh` and
    /// says which it has built; `tries` where their modules are tried.
    fn made_tree(
        &self,
        wanted: &Wanted,
        fresh: &Path,
        whole: bool,
        tries: bool,
        put: impl FnOnce() -> Result<Built>,
    ) -> Result<(Contents, BTreeMap<PathBuf, Facts>, Vec<Failure>)> {
        let process = installer::make_venv(
            &self.interpreter.target(),
            fresh,
            &self.settings.package,
            self.settings.system_site_packages,
        );
        // The key wants the architecture, about which dpkg-architecture thinks for a while.
        let built = std::thread::scope(|scope| {
            scope.spawn(|| self.context.build.architectures.host().is_ok());
            self.quietly("making a venv", &process)?;
            put()
        })?;
        let key = self.tree_key(wanted, &built)?;
        std::thread::scope(|scope| {
            let mut asked = None;
            let draft = self.draft(fresh, &Phase::Dependencies, |libraries| {
                asked = Some(scope.spawn(move || self.anticipate(&libraries)));
            })?;
            let modules = self.dependency_modules(fresh, &draft.contents)?;
            let trial = tries.then(|| scope.spawn(move || self.try_imports(fresh, &modules, Attempt::Once)));
            let snapshot = self.settle(fresh, &Phase::Dependencies, draft)?;
            self.cache.store_directory(&key, fresh, &snapshot, self.files() == Files::Apart)?;
            let Snapshot { entries, facts } = snapshot;
            let contents = contents::listed(fresh, &self.frame(fresh).site(), entries)?;
            if whole {
                // Asked for what is kept of it: the package will want to know at the end.
                self.standard_library_depends(fresh, &contents, &contents)?;
            }
            let failures = trial.map_or_else(|| Ok(Vec::new()), finished)?;
            asked.map_or(Ok(()), finished)?;
            Ok((contents, facts, failures))
        })
    }

    /// Have uv download everything anew next time.
    fn clean_installer_cache(&self) -> Result<()> {
        if let Installer::Uv { program, .. } = &self.installer {
            self.quietly("cleaning the cache of uv", &Process::new(program, ["cache", "clean"]))?;
        }
        Ok(())
    }

    /// Empty what the installers have downloaded where it has become too much.
    /// uv does that itself, as it waits for other builds that use its cache;
    /// pip finds a missing file no worse than one that it never had. The build
    /// is none the worse where it fails.
    fn bound_downloads(&self) -> Result<()> {
        for directory in self.cache.overgrown_downloads()? {
            let emptied = match installer::clean(&self.installer, &directory) {
                Some(process) => self.quietly("emptying uv's cache", &process).map(|_| ()),
                None => self.apply(&Plan::new([Action::Remove { path: directory }])),
            };
            for fault in emptied.as_ref().err().into_iter().flat_map(Error::diagnostics) {
                self.context.printer.diagnostic(&Diagnostic { severity: Severity::Warning, ..fault.clone() });
            }
        }
        Ok(())
    }

    /// What decides the tree besides the distributions, for id and key.
    fn shape(&self) -> Result<Shape> {
        Ok(Shape {
            python: self.interpreter.minor(),
            architecture: self.context.build.architectures.host()?.to_owned(),
            prefix: self.settings.prefix.clone(),
            options: self.tree_options(),
        })
    }

    /// The options that change the tree.
    fn tree_options(&self) -> Vec<String> {
        let settings = self.settings;
        let mut options = vec![
            format!("bytecode={}", settings.bytecode.word()),
            format!("system-site-packages={}", settings.system_site_packages),
        ];
        if settings.keep.contains(&Keep::Tests) {
            options.push("keep=tests".to_owned());
        }
        options
    }

    /// Leave what dh_venv_place needs.
    fn describe(&self, stage: &Path, wanted: &Wanted, wheels: &[ProjectWheel], finished: &Finished<'_>) -> Result<()> {
        let Finished { known, contents, beginnings } = *finished;
        let venv = stage.join("venv");
        let has_elf = beginnings.iter().find(|(_, beginning)| beginning.elf);
        let binary = self.context.build.binaries.iter().find(|binary| binary.name == self.settings.package);
        if let (Some((path, _)), Some(binary)) = (has_elf, binary.filter(|binary| binary.architecture == "all")) {
            return Err(Diagnostic::error(format!(
                "package {} is 'Architecture: all', but {} is compiled for one architecture",
                self.settings.package,
                path.display()
            ))
            .at(binary.location("Architecture"))
            .hint("write 'Architecture: any'")
            .into());
        }
        let metadata = self.metadata(&venv, contents)?;
        self.check_requirements(&metadata, wheels)?;
        let mut depends = self.interpreter_depends()?;
        depends.extend(self.standard_library_depends(&venv, contents, known)?);
        let libraries = self.libraries(&venv, contents, assemble::elf_files(beginnings))?;
        depends.extend(self.native_depends(&libraries)?);
        depends.sort();
        depends.dedup();
        // The project's part of the id: what it installed, without who built it.
        let mut rows: Vec<String> = Vec::new();
        for one in contents.distributions.iter().filter(|one| !known.has(&one.directory)) {
            for (path, row) in &one.rows {
                let name = path.file_name().and_then(OsStr::to_str).unwrap_or_default();
                if !matches!(name, "WHEEL" | "RECORD") {
                    rows.push(format!("{} {}", path.display(), row.hash));
                }
            }
        }
        let shape = self.shape()?;
        let id = distribution::venv_id(&wanted.distributions, &shape, &digest(rows.iter().map(String::as_str)));
        let outcome = Outcome {
            prefix: self.settings.prefix.clone(),
            overrides: self.overrides(&venv, contents, beginnings)?,
            interpreter: self.interpreter.target(),
            commands: self.settings.commands.iter().map(|link| (link.name.clone(), link.entry.clone())).collect(),
            depends,
            id,
        };
        let mut plan = self.documents(stage, &outcome.id, contents, &metadata, wanted)?;
        let mut text = serde_json::to_string_pretty(&outcome).map_err(|error| Error::failed(error.to_string()))?;
        text.push('\n');
        plan.push(Action::Write { path: stage.join("outcome.json"), contents: text.into_bytes(), mode: 0o644 });
        self.apply(&plan)
    }
}
