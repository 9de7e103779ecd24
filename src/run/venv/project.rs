//! The project's own wheels: built from a copy of the source, kept in the
//! cache under everything that went into them.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Component, Path, PathBuf};

use crate::apply;
use crate::digest::digest;
use crate::error::Item;
use crate::error::{Diagnostic, Location, Result};
use crate::helper::venv::distribution::{self, Distribution};
use crate::helper::venv::installer::{self, BuildEnvironment};
use crate::helper::venv::settings::below;
use crate::hex::hex;
use crate::input::{self, Kind};
use crate::plan::{Action, Plan, Process};
use crate::python::interpreter::WheelName;
use crate::python::name::normalise;
use crate::python::pyproject::Pyproject;
use crate::python::version;

use super::workshop::Workshop;
use crate::apply::failed_child;

/// A wheel of the project.
#[derive(Debug, Clone)]
pub struct ProjectWheel {
    /// Normalised name.
    pub name: String,
    /// Version of the wheel.
    pub version: String,
    /// The file.
    pub path: PathBuf,
    /// The directory it was built from.
    pub project: Item,
}

/// Names directly under the source that are no part of the project.
const NOT_SOURCE: [&str; 7] = ["debian", ".git", ".hg", ".svn", ".bzr", ".pc", "wheelhouse"];

impl Workshop<'_> {
    /// Wheels of the settings' projects and of the other local `directories`, built or from the cache.
    pub fn project_wheels(&self, directories: &[Item]) -> Result<Vec<ProjectWheel>> {
        let mut projects: Vec<&Item> = self.settings.projects.iter().collect();
        for directory in directories {
            if !projects.iter().any(|other| same_directory(&other.text, &directory.text)) {
                projects.push(directory);
            }
        }
        if projects.is_empty() {
            return Ok(Vec::new());
        }
        let source = self.source_digest()?;
        projects.into_iter().map(|project| self.project_wheel(project, &source)).collect()
    }

    fn project_wheel(&self, project: &Item, source: &str) -> Result<ProjectWheel> {
        let pyproject = self.pyproject(&project.text)?;
        let requirements = self.build_requirements(&pyproject)?;
        let version = self.changelog_version()?;
        let key = digest([
            "dh-venv-wheel 1",
            env!("CARGO_PKG_VERSION"),
            source,
            &project.text,
            &self.interpreter.soabi,
            &self.interpreter.minor(),
            &self.installer.label(),
            requirements.as_ref().map_or("system".to_owned(), BuildRequirements::pins).as_str(),
            version.as_deref().unwrap_or_default(),
            self.context.environment.text("SOURCE_DATE_EPOCH").unwrap_or_default(),
            &self.build_inputs()?,
        ]);
        let out = self.work.join("wheels").join(normalise(&project.text));
        if !self.cache.restore(&key, &out)? {
            self.build_wheel(project, requirements.as_ref(), version.as_deref(), &out)?;
            self.cache.store(&key, &out)?;
        }
        let file = input::names(&out)?.into_iter().find(|name| name.to_string_lossy().ends_with(".whl"));
        let name = file.as_ref().and_then(|file| file.to_str()?.parse::<WheelName>().ok());
        let (Some(file), Some(name)) = (file, name) else {
            return Err(project
                .error(format!("building '{}' left no wheel", project.text))
                .hint("its build backend has to write one (PEP 517): 'pip wheel --no-deps .' there shows what it does")
                .into());
        };
        let wheel = ProjectWheel {
            name: normalise(&name.name),
            version: name.version,
            path: out.join(file),
            project: project.clone(),
        };
        if let Some(expected) = version.filter(|expected| !version::same(expected, &wheel.version)) {
            self.context.printer.diagnostic(
                &Diagnostic::warning(format!(
                    "{} says version {}, debian/changelog says {expected}",
                    wheel.name, wheel.version
                ))
                .at(Location::line("debian/changelog", 1))
                .hint("make them agree, or users see two versions of one thing"),
            );
        }
        Ok(wheel)
    }

    /// The file that makes a directory a project, for messages about it.
    pub fn project_file(&self, project: &Item) -> Location {
        let mut files = ["pyproject.toml", "setup.py"].into_iter().map(|name| below(&project.text, name));
        let file = files.find(|file| input::is_file(&self.context.directory.join(file)));
        Location::file(file.unwrap_or_else(|| project.text.clone()))
    }

    /// pyproject.toml of a project, or an empty one.
    pub fn pyproject(&self, project: &str) -> Result<Pyproject> {
        let path = below(project, "pyproject.toml");
        match input::text(&self.context.directory.join(&path))? {
            Some(text) => Pyproject::parse(&text, Path::new(&path)),
            None => Ok(Pyproject::default()),
        }
    }

    /// The exact build requirements, or `None` where Debian's own packages shall build it.
    fn build_requirements(&self, pyproject: &Pyproject) -> Result<Option<BuildRequirements>> {
        let wanted = pyproject.build_requires.join("\n");
        if wanted.is_empty() {
            return Ok(Some(BuildRequirements(Vec::new())));
        }
        let file = self.note("build-requirements.txt", &wanted)?;
        let python = self.bare_venv("build-venv", false)?;
        let process = installer::resolve(&self.installer, &python, &file, &self.sources());
        let output = apply::capture(&self.with_environment(&process))?;
        if output.success {
            let found = self.resolved(&output.stdout, &Default::default())?;
            return Ok(Some(BuildRequirements(found)));
        }
        // Without network, and without the backend in the wheelhouse: Debian's own.
        let backend = pyproject.backend_module();
        let check =
            Process::new(self.interpreter.target(), ["-I", "-c", &format!("import {backend}")].map(OsString::from))
                .environment(&self.environment);
        if self.settings.offline && apply::capture(&check)?.success {
            return Ok(None);
        }
        let fault = failed_child("resolving the project's build requirements", &output).at(pyproject.location());
        Err(fault
            .hint(if self.settings.offline {
                format!(
                    "put {} into the wheelhouse, or add Debian's package of it (python3-{backend}) to Build-Depends",
                    pyproject.build_requires.join(", ")
                )
            } else {
                "correct [build-system] requires, or put the wheels into debian/wheelhouse".to_owned()
            })
            .into())
    }

    fn build_wheel(
        &self,
        project: &Item,
        requirements: Option<&BuildRequirements>,
        version: Option<&str>,
        out: &Path,
    ) -> Result<()> {
        self.tell_what_is_fetched(requirements.map_or(&[], |all| &all.0), &self.sources());
        let copy = self.work.join("source");
        let mut plan = Plan::default();
        plan.push(Action::Remove { path: copy.clone() });
        plan.push(Action::CopyTree {
            from: self.context.directory.clone(),
            to: copy.clone(),
            without: NOT_SOURCE.map(OsString::from).to_vec(),
        });
        plan.push(Action::Directory { path: out.to_path_buf() });
        self.apply(&plan)?;
        let build = match requirements {
            Some(all) => BuildEnvironment::Isolated {
                constraints: self.note("build-constraints.txt", &all.pins())?,
                wheels: all.0.iter().filter(|one| !one.is_built()).map(|one| one.name.clone()).collect(),
            },
            None => BuildEnvironment::System,
        };
        let python = self.bare_venv("build-venv", build == BuildEnvironment::System)?;
        let mut process =
            installer::wheel(&self.installer, &python, &copy.join(&project.text), out, &self.sources(), &build);
        process.environment.extend(self.build_flags()?);
        if requirements.is_some_and(|all| all.0.iter().any(Distribution::is_built)) {
            // What uv builds for the build stays in a cache of this build's own.
            process.environment.insert("UV_CACHE_DIR".into(), self.work.join("uv").into());
        }
        if let Some(version) = version {
            for name in ["SETUPTOOLS_SCM_PRETEND_VERSION", "PBR_VERSION", "PDM_BUILD_SCM_VERSION"] {
                process.environment.insert(name.into(), version.into());
            }
        }
        let output = apply::capture(&self.with_environment(&process))?;
        self.context.printer.plan(&Plan::new([Action::Run(process)]));
        if output.success {
            return Ok(());
        }
        let fault = failed_child(&format!("building the project in '{}'", project.text), &output)
            .at(self.project_file(project))
            .hint("what its build backend says stands above; 'pip wheel --no-deps .' there shows the same");
        Err(self.explain(fault, &output).into())
    }

    /// A venv with nothing in it, for `--python` of the installers; made once.
    pub fn bare_venv(&self, name: &str, system_site_packages: bool) -> Result<PathBuf> {
        let name = if system_site_packages { format!("{name}-system") } else { name.to_owned() };
        let directory = self.work.join(name);
        if input::kind(&directory)?.is_none() {
            let process = installer::make_venv(
                &self.interpreter.target(),
                &directory,
                &self.settings.package,
                system_site_packages,
            );
            self.quietly("making a venv", &process)?;
        }
        Ok(directory.join("bin/python"))
    }

    /// Digest of all that the project's build can read of the source.
    fn source_digest(&self) -> Result<String> {
        let root = &self.context.directory;
        let mut lines = Vec::new();
        for top in input::names(root)? {
            if NOT_SOURCE.iter().any(|name| top == *name) {
                continue;
            }
            let path = root.join(&top);
            let label = top.to_string_lossy().into_owned();
            match input::kind(&path)? {
                Some(Kind::File { mode, .. }) => {
                    lines.push(format!("{label} {mode:o} {}", hex(&input::digest(&path)?)));
                }
                Some(Kind::Link(target)) => lines.push(format!("{label} -> {}", target.display())),
                Some(Kind::Directory) => {
                    let entries = input::tree(&path)?;
                    let facts = input::survey(&path, &entries, &[])?;
                    for entry in &entries {
                        let digest = facts.get(&entry.path).map(|facts| hex(&facts.sha256)).unwrap_or_default();
                        let kind = match &entry.kind {
                            Kind::File { mode, .. } => format!("{mode:o}"),
                            other => format!("{other:?}"),
                        };
                        lines.push(format!("{label}/{} {kind} {digest}", entry.path.display()));
                    }
                }
                _ => {}
            }
        }
        Ok(digest(lines.iter().map(String::as_str)))
    }

    /// What a build from source depends on besides its source: installed packages,
    /// flags, and whatever else of the environment a build may look at.
    pub fn build_inputs(&self) -> Result<String> {
        let mut lines = vec![self.installed.clone()];
        lines.extend(installer::decisive(self.context.environment.all()));
        // dpkg-buildflags(1), FILES.
        let own = |name: &str| self.context.environment.text(name).map(PathBuf::from);
        let home = own("XDG_CONFIG_HOME").or_else(|| own("HOME").map(|home| home.join(".config")));
        for directory in [Some(PathBuf::from("/etc")), home].into_iter().flatten() {
            let text = input::bytes(&directory.join("dpkg/buildflags.conf")).ok().flatten().unwrap_or_default();
            lines.push(digest([String::from_utf8_lossy(&text).as_ref()]));
        }
        Ok(digest(lines.iter().map(String::as_str)))
    }

    /// Compiler flags as policy 4.9.1 and dpkg-buildflags want them, without
    /// debugging data: it would name the build's directories and is not shipped.
    pub fn build_flags(&self) -> Result<BTreeMap<OsString, OsString>> {
        let process = Process::new("/usr/bin/dpkg-buildflags", Vec::<OsString>::new())
            .environment(&self.context.environment.all().clone());
        let output = apply::capture(&process)?;
        if !output.success {
            return Err(failed_child("dpkg-buildflags", &output).into());
        }
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let map = format!("-g0 -ffile-prefix-map={}=.", self.work.display());
        Ok(text
            .lines()
            .filter_map(|line| line.split_once('='))
            .map(|(name, value)| {
                let compiles = matches!(name, "CFLAGS" | "CXXFLAGS");
                // A path with a space cannot be said in CFLAGS; then only -g0 protects.
                let more = if self.work.to_string_lossy().contains(' ') { "-g0" } else { &map };
                let value = if compiles { format!("{value} {more}") } else { value.to_owned() };
                (name.into(), value.into())
            })
            .collect())
    }

    /// The version in the first line of debian/changelog (deb-changelog(5)).
    pub fn debian_version(&self) -> Result<String> {
        let text = input::text(&self.context.directory.join("debian/changelog"))?.unwrap_or_default();
        let first = text.lines().next().unwrap_or_default();
        match first.split_once('(').and_then(|(_, rest)| rest.split_once(')')) {
            Some((version, _)) => Ok(version.to_owned()),
            None => Err(Diagnostic::error("the first line does not read 'PACKAGE (VERSION) …'")
                .at(Location::line("debian/changelog", 1))
                .hint("dch(1) writes it")
                .into()),
        }
    }

    /// The upstream version of debian/changelog as PEP 440 writes it, where it can be.
    fn changelog_version(&self) -> Result<Option<String>> {
        Ok(version::from_debian(&self.debian_version()?))
    }

    /// A resolution by either installer, without `own`.
    pub fn resolved(&self, output: &[u8], own: &std::collections::BTreeSet<String>) -> Result<Vec<Distribution>> {
        match &self.installer {
            installer::Installer::Uv { .. } => {
                distribution::from_uv_pylock(&String::from_utf8_lossy(output), &self.interpreter, own)
            }
            installer::Installer::Pip { .. } => distribution::from_pip_report(output, own),
        }
    }
}

/// What a project is built with.
struct BuildRequirements(Vec<Distribution>);

impl BuildRequirements {
    /// As exact lines of a constraints file.
    fn pins(&self) -> String {
        let pin = |one: &Distribution| match &one.direct {
            Some(url) => format!("{} @ {url}", one.name),
            None => format!("{}=={}", one.name, one.version),
        };
        self.0.iter().map(pin).collect::<Vec<_>>().join("\n")
    }
}

/// Whether two relative directories are one: `.`, `./` and the empty path are.
fn same_directory(a: &str, b: &str) -> bool {
    let plain =
        |text: &str| Path::new(text).components().filter(|part| *part != Component::CurDir).collect::<PathBuf>();
    plain(a) == plain(b)
}
