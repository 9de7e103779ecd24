//! `new`: a debian/ for a project that has none.
//!
//! Collects what there is to know of a project, has [`debian`] plan the files, and
//! writes them. Runs none of the project's code, and changes nothing that is there.

pub mod debian;
pub mod facts;
mod services;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use crate::apply;
use crate::error::{Diagnostic, Error, Result};
use crate::input::{self, Beneath, Kind};
use crate::plan::Process;
use crate::python::version;

use super::context::Context;
use super::git::{self, snapshot::Place};
use super::inspect::forge::{self, Repository};
use super::inspect::{self, Project, generated, native, requirements, service};
use super::source;
use super::target::SUITES;
use facts::{Facts, File, Requirements, Zope};

/// Names at the top of a project that are no part of the program.
const NOT_PROGRAM: [&str; 19] = [
    "build",
    "debian",
    "dist",
    "doc",
    "docs",
    "dockerfile",
    "examples",
    "license",
    "licence",
    "makefile",
    "node_modules",
    "pkg-info",
    "procfile",
    "pyproject.toml",
    "readme",
    "requirements",
    "test",
    "tests",
    "venv",
];
/// What a file of requirements has that is for developers.
const DEVELOPERS: [&str; 14] = [
    "black",
    "build",
    "coverage",
    "flake8",
    "isort",
    "mypy",
    "nox",
    "pre-commit",
    "pylint",
    "pytest",
    "ruff",
    "sphinx",
    "tox",
    "twine",
];
/// Files of code that are read; a project with more is not looked through to its end.
const MOST: usize = 2000;

/// Inspect the project in the working directory and write its debian/, or only
/// say what would be written. A file that is there is an error, and nothing is written.
pub fn new(context: &Context<'_>, name: Option<&str>, dry_run: bool) -> Result<Outcome> {
    let facts = facts(context, name)?;
    let suite = suite_for(context, &facts.project);
    let files = debian::plan(&facts);
    let mut faults = Vec::new();
    for file in &files {
        if input::kind(&input::place(&context.directory, &file.path.to_string_lossy())?)?.is_some() {
            faults
                .push(Diagnostic::error(format!("{} is there already", file.path.display())).hint(
                    "nothing was written: new never overwrites; build with what is there, or move it away first",
                ));
        }
    }
    if !faults.is_empty() {
        return Err(Error::Failed(faults));
    }
    if !dry_run {
        for file in &files {
            apply::write(&context.directory.join(&file.path), file.contents.as_bytes(), file.mode)?;
        }
    }
    Ok(Outcome { files, suite })
}

/// What was written, or would be.
#[derive(Debug)]
pub struct Outcome {
    /// The files.
    pub files: Vec<File>,
    /// The suite to build for, where the default's Python is too old.
    pub suite: Option<&'static str>,
}

/// A project's directory.
struct Root<'a> {
    context: &'a Context<'a>,
    path: &'a Path,
}

impl Root<'_> {
    /// Text of a file, whatever its bytes; empty where there is none.
    fn text(&self, name: &str) -> Result<String> {
        let bytes = Beneath::open(self.path)?.within(Path::new(name))?.unwrap_or_default();
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    fn first(&self, names: &[&str]) -> Option<String> {
        names.iter().find(|name| input::is_file(&self.path.join(name))).map(|name| (*name).to_owned())
    }

    /// The egg-info that setuptools leaves in a release archive.
    fn egg_info(&self) -> Result<Option<String>> {
        for below in ["", "src", "lib"] {
            for name in input::names(&self.path.join(below))? {
                let name = name.to_string_lossy().into_owned();
                if name.ends_with(".egg-info") && input::is_directory(&self.path.join(below).join(&name)) {
                    return Ok(Some(if below.is_empty() { name } else { format!("{below}/{name}") }));
                }
            }
        }
        Ok(None)
    }

    /// The text of the licence: the file at the top that has the plainest name.
    fn licence(&self) -> Result<Option<String>> {
        let mut found = Vec::new();
        for name in input::names(self.path)? {
            let Some(name) = name.to_str() else { continue };
            let lower = name.to_lowercase();
            let rank = ["license", "licence", "copying", "unlicense"].iter().position(|stem| lower.starts_with(stem));
            let code = [".py", ".json", ".toml", ".html"].iter().any(|end| lower.ends_with(end));
            if let Some(rank) = rank.filter(|_| !code && input::is_file(&self.path.join(name))) {
                let plain = [".txt", ".md", ".rst"].iter().find_map(|end| lower.strip_suffix(end)).unwrap_or(&lower);
                found.push((plain.len(), rank, name.to_owned()));
            }
        }
        let text = found.into_iter().min().map(|(_, _, name)| self.text(&name)).transpose()?;
        Ok(text.map(|text| crate::foreign::lines(&text)))
    }

    /// Where the project has a manual page of its own for each of its programs.
    fn manuals(&self, scripts: &BTreeSet<String>) -> Result<BTreeMap<String, String>> {
        let mut found = BTreeMap::new();
        for below in ["", "man", "man/man1", "docs/man", "doc/man", "docs", "doc", "share/man/man1"] {
            for script in scripts {
                let path = if below.is_empty() { format!("{script}.1") } else { format!("{below}/{script}.1") };
                if input::is_file(&self.path.join(&path)) {
                    found.entry(script.clone()).or_insert(path);
                }
            }
        }
        Ok(found)
    }

    /// Whether lintian would miss the source of a file.
    fn has_generated(&self) -> Result<bool> {
        for entry in input::tree(self.path)? {
            let Some(name) = entry.path.to_str() else { continue };
            let aside = name.starts_with(".git/") || name.starts_with("debian/");
            let looked_at = matches!(entry.kind, Kind::File { .. }) && !aside && generated::may_be(name);
            if looked_at
                && generated::is(
                    name,
                    &Beneath::open(self.path)?.bytes(&entry.path, input::ARCHIVE)?.unwrap_or_default(),
                )
            {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn project(&self) -> Result<Project> {
        let egg = self.egg_info()?;
        let mut project = inspect::pyproject(&self.text("pyproject.toml")?)
            .or(inspect::setup_cfg(&self.text("setup.cfg")?))
            .or(inspect::setup_py(&self.text("setup.py")?))
            .or(inspect::pkg_info(&self.text("PKG-INFO")?));
        if let Some(egg) = egg {
            // What the build system has computed is more than what can be read from code.
            let scripts = inspect::entry_points(&self.text(&format!("{egg}/entry_points.txt"))?);
            if !scripts.is_empty() {
                project.scripts = scripts.into_iter().chain(project.script_files.clone()).collect();
            }
            let requires = inspect::egg_requires(&self.text(&format!("{egg}/requires.txt"))?);
            if !requires.is_empty() {
                project.dependencies = Some(requires);
            }
            project = project.or(inspect::pkg_info(&self.text(&format!("{egg}/PKG-INFO"))?));
        }
        project.scripts.retain(|name| is_command(name));
        Ok(project.plain())
    }

    fn requirements(&self, project: &Project, installable: bool) -> Result<Requirements> {
        let lock = self.first(&["uv.lock", "pylock.toml"]);
        if let Some(lock) = lock.filter(|lock| lock != "uv.lock" || project.name.is_some()) {
            return Ok(Requirements::Lock(lock));
        }
        let file = self.first(&[
            "requirements.txt",
            "requirements/production.txt",
            "requirements/prod.txt",
            "requirements/base.txt",
            "requirements/requirements.txt",
        ]);
        let at_top = file.as_deref() == Some("requirements.txt");
        if let Some(file) = &file {
            let text = self.text(file)?;
            let plain = requirements::is_plain(&text);
            // With pins it is what is deployed, unless it lacks what the project asks for, or has
            // developers' tools; else the project's own metadata says more, where it has any.
            let names = requirements::requirement_names(std::slice::from_ref(&text));
            let declared = requirements::requirement_names(project.dependencies.as_deref().unwrap_or_default());
            let deployed = declared.is_subset(&names) && !DEVELOPERS.iter().any(|tool| names.contains(*tool));
            let pinned = requirements::is_pinned(&text) == Some(true) && plain && deployed;
            if !installable || pinned || (project.dependencies.is_none() && plain) {
                return Ok(Requirements::File(file.clone()));
            }
        }
        if installable {
            return Ok(if at_top { Requirements::ProjectNotFile } else { Requirements::Project });
        }
        if let Some(rows) = requirements::pipfile(&self.text("Pipfile")?) {
            return Ok(Requirements::Listed(rows));
        }
        Ok(project.dependencies.clone().map_or(Requirements::Project, Requirements::Listed))
    }

    /// What is at the top and belongs to a program that is no installable project.
    fn sources(&self) -> Result<Vec<String>> {
        let mut names = Vec::new();
        for name in input::names(self.path)? {
            let Some(name) = name.to_str() else { continue };
            let lower = name.to_lowercase();
            let stem = lower.split('.').next().unwrap_or_default();
            let about = ["md", "rst", "lock", "cfg", "ini", "yml", "yaml", "toml"]
                .iter()
                .any(|end| lower.ends_with(&format!(".{end}")));
            let file = matches!(input::kind(&self.path.join(name))?, Some(Kind::File { .. }));
            let skipped =
                lower.starts_with(['.', '_']) || NOT_PROGRAM.contains(&stem) || NOT_PROGRAM.contains(&lower.as_str());
            let aside = file && about || lower.starts_with("requirements");
            if !skipped && !aside && !is_word(name) {
                let what = format!("'{}' is not installed", crate::foreign::printable_line(name));
                self.context.warn(
                    Diagnostic::warning(what)
                        .hint("debhelper takes characters of its name for something else: rename it"),
                );
            } else if !skipped && !aside {
                names.push(name.to_owned());
            }
        }
        Ok(names)
    }

    /// The modules of the program: dotted name and text.
    fn modules(&self, sources: &[String]) -> Result<Vec<(String, String)>> {
        let mut modules = Vec::new();
        for top in sources {
            let path = self.path.join(top);
            let mut files = vec![top.clone()];
            if input::is_directory(&path) {
                let tree = input::tree(&path)?;
                files = tree.iter().map(|entry| format!("{top}/{}", entry.path.display())).collect();
            }
            for file in files.into_iter().filter(|file| file.ends_with(".py")) {
                let below = file.strip_prefix("src/").or_else(|| file.strip_prefix("lib/")).unwrap_or(&file);
                let parts: Vec<&str> = below.trim_end_matches(".py").split('/').collect();
                let aside = |part: &&str| {
                    [
                        "tests",
                        "test",
                        "testing",
                        "examples",
                        "docs",
                        "setup",
                        "conftest",
                        "migrations",
                        "template",
                        "templates",
                        "project_template",
                    ]
                    .contains(part)
                };
                if modules.len() >= MOST || parts.iter().any(|part| aside(part) || !is_identifier(part)) {
                    continue;
                }
                let dotted = parts.join(".");
                modules.push((dotted.trim_end_matches(".__init__").to_owned(), self.text(&file)?));
            }
        }
        Ok(modules)
    }
}

fn is_identifier(part: &str) -> bool {
    part.chars().all(|c| c.is_alphanumeric() || c == '_') && !part.starts_with(|c: char| c.is_ascii_digit())
}

/// Whether a name means itself in a list of debhelper's and in a field: no pattern, no
/// substitution, no option, no comment.
fn is_word(name: &str) -> bool {
    name.chars().all(|c| c.is_alphanumeric() || "-_.+@~,=%".contains(c)) && !name.starts_with('-')
}

/// Whether a name can be one of /usr/bin and of a manual page.
fn is_command(name: &str) -> bool {
    !name.is_empty()
        && name.chars().all(|c| c.is_ascii_alphanumeric() || "-_.+".contains(c))
        && !name.starts_with(['-', '.'])
}

fn facts(context: &Context<'_>, name: Option<&str>) -> Result<Facts> {
    let root = Root { context, path: &context.directory };
    let project = root.project()?;
    let pyproject = root.text("pyproject.toml")?;
    let setup = input::is_file(&root.path.join("setup.py"));
    let installable = setup || inspect::is_buildable(&pyproject) || root.is_package(&project);
    let requirements = root.requirements(&project, installable)?;
    if !installable && requirements == Requirements::Project {
        return Err(Diagnostic::error(
            "there is no pyproject.toml, setup.py, requirements.txt or Pipfile here that says what to install",
        )
        .hint("run this in the directory of a Python project")
        .into());
    }
    let directory = root.path.file_name().map(|name| name.to_string_lossy().into_owned());
    let package = name.map(str::to_owned).or(project.name.clone()).or(directory);
    let package = package.as_deref().and_then(source::package_name).ok_or_else(|| {
        Error::from(Diagnostic::error("the project has no name that Debian allows").hint("give one with --name"))
    })?;
    let sources = root.sources()?;
    let modules = root.modules(&sources)?;
    let zope = root.zope(&project, &requirements, &sources)?;
    // Zope's own server serves it, as dh_zeoclient has it.
    let services = if zope.is_some() { Vec::new() } else { root.services(&project, &modules)? };
    let licence = root.licence()?;
    let mut module = None;
    if installable && project.scripts.is_empty() && services.is_empty() && zope.is_none() {
        module = runnable(&project, &modules);
        if module.is_none() {
            context.warn(
                Diagnostic::warning("the project has no program: what is installed is its virtual environment")
                    .hint(format!("name what shall be in /usr/bin in the field Commands of debian/{package}.venv")),
            );
        }
    }
    let programs = project.scripts.iter().cloned().chain(module.as_ref().map(|_| package.clone())).collect();
    let epoch =
        context.environment.text("SOURCE_DATE_EPOCH").map_or_else(|| super::hold::now().to_string(), str::to_owned);
    let date = |format: &str| -> Result<String> {
        let words = ["-u", "-d", &format!("@{epoch}"), format].map(str::to_owned);
        Ok(String::from_utf8_lossy(&context.output("date", Process::new("date", words))?).trim().to_owned())
    };
    let variables = match services.is_empty() {
        true => BTreeSet::new(),
        false => modules.iter().flat_map(|(_, text)| service::variables(text)).collect(),
    };
    let maintainer = crate::foreign::line(&maintainer(context, &project)?);
    Ok(Facts {
        version: package_version(&root, &project, &package, &pyproject)?,
        maintainer,
        undeclared: root.undeclared(&project, &requirements, &modules, zope.as_ref())?,
        date: date("-R")?,
        year: date("+%Y")?,
        sources: if installable { Vec::new() } else { sources },
        rust: warn_of_rust(context, &pyproject),
        modules: modules.iter().flat_map(|(_, text)| native::imported(text)).collect(),
        repository: repository(context)?,
        project,
        package,
        requirements,
        installable,
        licence,
        module,
        manuals: root.manuals(&programs)?,
        generated: root.has_generated()?,
        services,
        zope,
        variables,
    })
}

/// A project with Rust in it is compiled by cargo, which fetches crates.
fn warn_of_rust(context: &Context<'_>, pyproject: &str) -> bool {
    let rust =
        inspect::build_requires(pyproject).iter().any(|name| ["maturin", "setuptools-rust"].contains(&name.as_str()));
    if rust {
        context
            .warn(Diagnostic::warning("the project is compiled by cargo, which takes crates from the network").hint(
                "vendor its crates (cargo vendor) into the source, or leave the network to the build: --network",
            ));
    }
    rust
}

/// The package at the top that `python -m` can run: the project's own, else the only one.
fn runnable(project: &Project, modules: &[(String, String)]) -> Option<String> {
    let own = project.name.as_deref().unwrap_or_default().to_lowercase().replace(['-', '.'], "_");
    let found: Vec<&str> = modules
        .iter()
        .filter_map(|(module, _)| module.strip_suffix(".__main__").filter(|package| !package.contains('.')))
        .collect();
    let named = found.iter().find(|package| package.to_lowercase() == own);
    named.or(found.first().filter(|_| found.len() == 1)).map(|package| (*package).to_owned())
}

impl Root<'_> {
    /// Whether a pyproject.toml without a build system, which setuptools builds then, has one package to build.
    fn is_package(&self, project: &Project) -> bool {
        let Some(name) = &project.name else { return false };
        let name = name.replace(['-', '.'], "_");
        let there = |path: String| input::is_file(&self.path.join(path));
        [name.clone(), name.to_lowercase()].iter().any(|name| {
            there(format!("{name}/__init__.py"))
                || there(format!("src/{name}/__init__.py"))
                || there(format!("{name}.py"))
        })
    }

    /// The Procfile's processes, else what serves the application that is found in the code.
    fn services(&self, project: &Project, modules: &[(String, String)]) -> Result<Vec<service::Service>> {
        let services = service::of_procfile(&self.text("Procfile")?);
        if !services.is_empty() {
            return Ok(services);
        }
        let name = project.name.as_deref().map(crate::python::name::normalise).unwrap_or_default();
        // Frameworks and their extensions have such objects for others.
        let library = ["flask", "django", "fastapi", "celery", "starlette", "quart", "wagtail"]
            .iter()
            .any(|one| name.starts_with(one));
        if library {
            return Ok(Vec::new());
        }
        // A release with commands of its own is started by one of them.
        if !project.scripts.is_empty() {
            return Ok(Vec::new());
        }
        let found = modules.iter().flat_map(|(module, text)| service::applications(module, text)).collect();
        Ok(service::of_applications(&found))
    }

    /// Zope or Grok, where the project asks for it: then its data is on a ZEO server.
    fn zope(&self, project: &Project, requirements: &Requirements, sources: &[String]) -> Result<Option<Zope>> {
        let mut names = requirements::requirement_names(project.dependencies.as_deref().unwrap_or_default());
        if let Requirements::File(file) = requirements {
            names.extend(requirements::requirement_names(&[self.text(file)?]));
        }
        let framework = ["grok", "zope"].into_iter().find(|name| names.contains(*name));
        let Some(framework) = framework else { return Ok(None) };
        let mut zcml = Vec::new();
        for top in sources {
            let below = input::names(&self.path.join(top))?;
            let inside = below.iter().filter(|_| top == "src").map(|name| format!("src/{}", name.to_string_lossy()));
            for package in [top.clone()].into_iter().chain(inside) {
                if package.split('/').all(is_word) && input::is_file(&self.path.join(&package).join("configure.zcml")) {
                    zcml.push(package.trim_start_matches("src/").to_owned());
                }
            }
        }
        Ok(Some(Zope { framework, zcml }))
    }

    /// What the code imports and nothing declares: setuptools' pkg_resources, which
    /// virtual environments do not have. Servers that a file of requirements names
    /// are in it, too, so that they are not asked for again.
    fn undeclared(
        &self,
        project: &Project,
        requirements: &Requirements,
        modules: &[(String, String)],
        zope: Option<&Zope>,
    ) -> Result<BTreeSet<String>> {
        let mut names = BTreeSet::new();
        if zope.is_some() {
            // What speaks with the ZEO server, and with browsers.
            let declared = requirements::requirement_names(project.dependencies.as_deref().unwrap_or_default());
            let needed = ["waitress", "zeo"].into_iter().filter(|name| !declared.contains(*name));
            names.extend(needed.map(str::to_owned));
        }
        // Its setup.py, too, is run with the setuptools that is there.
        let setup = self.text("setup.py")?;
        let mut texts = modules.iter().map(|(_, text)| text).chain([&setup]);
        let imports = |line: &str| {
            let line = line.trim_start();
            line.starts_with("import pkg_resources") || line.starts_with("from pkg_resources")
        };
        // Whoever says which setuptools he wants gets it.
        let bounded = project.dependencies.iter().flatten().any(|row| {
            requirements::requirement_names(std::slice::from_ref(row)).contains("setuptools")
                && row.contains(['<', '>', '=', '~'])
        });
        if texts.any(|text| text.lines().any(imports)) && !bounded {
            names.insert("setuptools".to_owned());
        }
        if let Requirements::File(file) | Requirements::Lock(file) = requirements {
            let text = self.text(file)?.to_lowercase();
            let named = |name: &&&str| {
                text.lines().any(|line| line.trim_start().trim_start_matches("name = \"").starts_with(**name))
            };
            if named(&&"setuptools") {
                names.clear();
            }
            names.extend(services::SERVERS.iter().filter(named).map(|name| (*name).to_owned()));
        }
        Ok(names)
    }
}

/// Suites whose Python is too old for the project are named. The first that is
/// not, where the one that is built for by default is among them.
fn suite_for(context: &Context<'_>, project: &Project) -> Option<&'static str> {
    let wanted = project.requires_python.as_deref()?;
    let specifiers = wanted.parse::<pep440_rs::VersionSpecifiers>().ok()?;
    let fits = |suite: &super::target::Suite| {
        let (major, minor, patch) = suite.python;
        specifiers.contains(&pep440_rs::Version::new([u64::from(major), u64::from(minor), u64::from(patch)]))
    };
    let (good, bad): (Vec<_>, Vec<_>) = SUITES.iter().partition(|suite| fits(suite));
    if bad.is_empty() {
        return None;
    }
    let names =
        |suites: &[&super::target::Suite]| suites.iter().map(|suite| suite.name).collect::<Vec<_>>().join(" and ");
    let hint = match good.is_empty() {
        true => "no suite has such a Python".to_owned(),
        false => format!("build it for {}", names(&good)),
    };
    let fault = Diagnostic::warning(format!("the project is for Python {wanted}, which {} does not have", names(&bad)));
    context.warn(fault.hint(hint));
    good.first().map(|suite| suite.name).filter(|name| *name != SUITES[0].name)
}

/// The project's version, else the one that its code or the newest tag names, else 0.1.
fn package_version(root: &Root<'_>, project: &Project, package: &str, pyproject: &str) -> Result<String> {
    if let Some(version) = project.version.as_deref().and_then(version::to_debian) {
        return Ok(version);
    }
    for place in inspect::version_places(pyproject) {
        if let Some(version) = inspect::version_in(&root.text(&place)?).as_deref().and_then(version::to_debian) {
            return Ok(version);
        }
    }
    // PKG-INFO is only read where the files above say nothing of a version, and has it computed.
    let noted = inspect::pkg_info(&root.text("PKG-INFO")?).version;
    if let Some(version) = noted.as_deref().and_then(version::to_debian) {
        return Ok(version);
    }
    // A project that is in no repository has no tags.
    let repository = git::Repository::open(root.context, &root.path.to_string_lossy());
    let tag = repository.ok().and_then(|repository| repository.newest_tag().ok().flatten());
    if let Some(version) = tag.and_then(|tag| source::version_of_tag(&tag, package)) {
        return Ok(version);
    }
    root.context.warn(
        Diagnostic::warning("the project's version is not known without running its code")
            .hint("0.1 is taken: correct debian/changelog"),
    );
    Ok("0.1".to_owned())
}

/// Where the repository of which this directory is the top comes from.
fn repository(context: &Context<'_>) -> Result<Option<Repository>> {
    // A project in a directory of another repository is not what is at its remote.
    if input::kind(&context.directory.join(".git"))?.is_none() {
        return Ok(None);
    }
    let place = Place::find(context, &context.directory).ok().flatten();
    let url = place.and_then(|place| place.setting(context, "remote.origin.url").ok().flatten());
    Ok(forge::repository(&url.unwrap_or_default()))
}

/// DEBFULLNAME and DEBEMAIL, else git's user, else the author.
fn maintainer(context: &Context<'_>, project: &Project) -> Result<String> {
    let environment = &context.environment;
    if let Some((name, address)) = environment.filled("DEBFULLNAME").zip(environment.filled("DEBEMAIL")) {
        return Ok(format!("{name} <{address}>"));
    }
    let ask = |key: &str| git::setting(context, &context.directory, key);
    let own = ask("user.name").zip(ask("user.email")).map(|(name, address)| format!("{name} <{address}>"));
    own.or_else(|| project.author.clone().filter(|author| author.contains('@'))).ok_or_else(|| {
        Diagnostic::error("it is not known who maintains the package")
            .hint("set DEBFULLNAME and DEBEMAIL, or git's user.name and user.email")
            .into()
    })
}
