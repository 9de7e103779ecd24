//! What the package says about its venv: requirements met, split parts of the
//! standard library, documents, lintian overrides.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use pep508_rs::{ExtraName, VersionOrUrl};

use crate::digest::digest;
use crate::error::{Diagnostic, Error, Result};
use crate::helper::venv::elf;
use crate::helper::venv::imports;
use crate::helper::venv::lintian;
use crate::input::{self, Beginning, Kind};
use crate::plan::{Action, Plan};
use crate::python::metadata::Metadata;
use crate::python::name::normalise;
use crate::python::sbom;
use crate::python::specification;

use super::contents::Contents;
use super::project::ProjectWheel;
use super::resolve::Wanted;
use super::workshop::Workshop;

impl Workshop<'_> {
    /// METADATA of every distribution, by dist-info directory.
    pub fn metadata(&self, venv: &Path, contents: &Contents) -> Result<BTreeMap<PathBuf, Metadata>> {
        let mut all = BTreeMap::new();
        for one in &contents.distributions {
            let text = input::bytes(&venv.join(&one.directory).join("METADATA"))?.unwrap_or_default();
            all.insert(one.directory.clone(), Metadata::read(&String::from_utf8_lossy(&text)));
        }
        Ok(all)
    }

    /// Every requirement of every distribution must be met within the venv, as `pip check` has it.
    pub fn check_requirements(&self, all: &BTreeMap<PathBuf, Metadata>, wheels: &[ProjectWheel]) -> Result<()> {
        let environment = self.interpreter.marker_environment()?;
        let versions: BTreeMap<String, &str> =
            all.values().map(|metadata| (normalise(&metadata.name), metadata.version.as_str())).collect();
        let mut faults = Vec::new();
        for metadata in all.values() {
            let name = normalise(&metadata.name);
            let own = wheels.iter().find(|wheel| wheel.name == name);
            let is_first = own.is_some_and(|wheel| self.settings.projects.first() == Some(&wheel.project));
            let extras: Vec<ExtraName> = if is_first {
                let asked = self.settings.extras.iter();
                for item in asked.clone() {
                    if !metadata.provides_extra.contains(&normalise(&item.text)) {
                        let fault = item.error(format!("{} has no extra '{}'", metadata.name, item.text));
                        faults.push(fault.hint(format!("it has: {}", metadata.provides_extra.join(", "))));
                    }
                }
                asked.filter_map(|item| ExtraName::from_str(&item.text).ok()).collect()
            } else {
                Vec::new()
            };
            for text in &metadata.requires_dist {
                // What pip could install, but this parser does not read, is not judged.
                let Ok(requirement) = specification::requirement(text) else { continue };
                if !requirement.evaluate_markers(&environment, &extras) {
                    continue;
                }
                let wanted = normalise(requirement.name.as_ref());
                match versions.get(&wanted) {
                    None if self.settings.system_site_packages => {}
                    None => faults.push(
                        Diagnostic::error(format!("{} {} requires {text}, which is not in the venv", metadata.name, metadata.version))
                            .hint(match self.settings.requirements.first() {
                                Some(item) => format!("add {wanted} with version and hash to {} ('uv pip compile --generate-hashes' writes them all)", item.text),
                                None => "add it to the requirements".to_owned(),
                            }),
                    ),
                    Some(version) => {
                        let parsed = pep440_rs::Version::from_str(version);
                        if let (Some(VersionOrUrl::VersionSpecifier(range)), Ok(parsed)) = (&requirement.version_or_url, parsed) {
                            if !range.contains(&parsed) {
                                self.context.printer.diagnostic(&Diagnostic::warning(format!(
                                    "{} {} requires {text}, but the venv has {wanted} {version}",
                                    metadata.name, metadata.version
                                )));
                            }
                        }
                    }
                }
            }
        }
        if faults.is_empty() { Ok(()) } else { Err(Error::Failed(faults)) }
    }

    /// Debian's split parts of the standard library that the application imports.
    pub fn standard_library_depends(&self, venv: &Path, contents: &Contents, known: &Contents) -> Result<Vec<String>> {
        if !self.interpreter.is_debian() {
            return Ok(Vec::new());
        }
        let site = self.frame(venv).site();
        let key = digest(["dh-venv-stdlib 1", &self.interpreter.minor(), &contents.digest(), &known.digest()]);
        if let Some(text) = self.cache.text(&key) {
            return Ok(text.lines().map(str::to_owned).collect());
        }
        let mut files = Vec::new();
        for entry in &contents.entries {
            let Ok(inside) = entry.path.strip_prefix(&site) else { continue };
            let is_source = inside.extension().is_some_and(|extension| extension == "py");
            let Some(name) = inside.to_str().filter(|_| matches!(entry.kind, Kind::File { .. })) else { continue };
            let bytes = if is_source { input::bytes(&venv.join(&entry.path))?.unwrap_or_default() } else { Vec::new() };
            files.push((name, bytes));
        }
        let roots: BTreeSet<String> = contents
            .distributions
            .iter()
            .filter(|one| !known.has(&one.directory))
            .flat_map(|one| one.rows.keys())
            .filter_map(|path| path.strip_prefix(&site).ok()?.components().next()?.as_os_str().to_str())
            .filter(|first| !first.ends_with(".dist-info"))
            .map(|first| first.split('.').next().unwrap_or(first).to_owned())
            .collect();
        let roots: Vec<String> = roots.into_iter().collect();
        let (major, minor, _) = self.interpreter.version;
        let needs = imports::scan(files.iter().map(|(name, bytes)| (*name, bytes.as_slice())), &roots, (major, minor));
        for gone in &needs.gone {
            self.context.printer.diagnostic(
                &Diagnostic::warning(format!(
                    "{}:{} imports {}, which {} does not have any more",
                    gone.file,
                    gone.line,
                    gone.import,
                    self.interpreter.name()
                ))
                .hint("the module fails when it is loaded: update the distribution it belongs to"),
            );
        }
        let packages: Vec<String> = needs.depends.into_keys().collect();
        self.cache.keep_text(&key, &packages.join("\n"))?;
        Ok(packages)
    }

    /// Lintian overrides for what a venv is.
    pub fn overrides(
        &self,
        venv: &Path,
        contents: &Contents,
        beginnings: &BTreeMap<PathBuf, Beginning>,
    ) -> Result<Vec<String>> {
        let prefix = self.settings.prefix.strip_prefix("/").unwrap_or(&self.settings.prefix);
        let mut entries = Vec::new();
        for entry in &contents.entries {
            let kind = match &entry.kind {
                Kind::Directory => lintian::Kind::Directory,
                Kind::File { mode, .. } => {
                    let beginning = beginnings.get(&entry.path).cloned().unwrap_or_default();
                    let bytes = if beginning.elf { input::bytes(&venv.join(&entry.path))? } else { None };
                    lintian::Kind::File {
                        executable: mode & 0o111 != 0,
                        shebang: beginning.shebang,
                        elf: bytes.and_then(|bytes| elf::inspect(&bytes)),
                    }
                }
                _ => lintian::Kind::Link,
            };
            entries.push(lintian::Entry { path: prefix.join(&entry.path).to_string_lossy().into_owned(), kind });
        }
        Ok(lintian::overrides(&self.settings.package, &prefix.to_string_lossy(), &entries))
    }

    /// Files beside the venv: its id, the bill of materials, the third-party licences.
    pub fn documents(
        &self,
        stage: &Path,
        id: &str,
        contents: &Contents,
        metadata: &BTreeMap<PathBuf, Metadata>,
        wanted: &Wanted,
    ) -> Result<Plan> {
        let package = self.settings.package.as_str();
        let home = stage.join("files/usr/lib").join(package);
        let hashes: BTreeMap<&str, &Vec<String>> =
            wanted.distributions.iter().map(|one| (one.name.as_str(), &one.hashes)).collect();
        let installed: Vec<sbom::Installed> = metadata
            .values()
            .map(|one| sbom::Installed {
                hashes: hashes.get(normalise(&one.name).as_str()).map(|all| (*all).clone()).unwrap_or_default(),
                metadata: one.clone(),
            })
            .collect();
        let version = self.debian_version()?;
        let subject = sbom::Subject { package, version: &version, venv_id: id };
        let document = sbom::cyclonedx(&subject, &installed, &self.interpreter.marker_environment()?)?;
        let write = |path: PathBuf, contents: Vec<u8>| Action::Write { path, contents, mode: 0o644 };
        let mut plan = Plan::new([
            write(home.join("venv-id"), format!("{id}\n").into_bytes()),
            write(home.join("sbom.cdx.json"), document.into_bytes()),
        ]);
        let venv = stage.join("venv");
        let site = self.frame(&venv).site();
        for one in &contents.distributions {
            let Some(metadata) = metadata.get(&one.directory) else { continue };
            let files: Vec<&str> = one.rows.keys().filter_map(|path| path.strip_prefix(&site).ok()?.to_str()).collect();
            for (from, to) in sbom::licences(metadata, files) {
                if let Some(bytes) = input::bytes(&venv.join(&site).join(from))? {
                    plan.push(write(home.join("licenses").join(to), bytes));
                }
            }
        }
        Ok(plan)
    }
}
