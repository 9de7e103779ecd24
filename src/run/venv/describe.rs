//! What the package says about its venv: requirements met, split parts of the
//! standard library, documents, lintian overrides.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use pep508_rs::{ExtraName, Requirement, VerbatimUrl, VersionOrUrl};

use crate::error::{Diagnostic, Error, Result};
use crate::helper::venv::dist_info::Metadata;
use crate::helper::venv::name::normalise;
use crate::input::{self, Facts};
use crate::plan::{Action, Plan};

use super::assemble::Contents;
use super::project::ProjectWheel;
use super::workshop::Workshop;

impl Workshop<'_> {
    /// METADATA of every distribution, by dist-info directory.
    pub fn metadata(&self, venv: &Path, contents: &Contents) -> Result<BTreeMap<PathBuf, Metadata>> {
        let mut all = BTreeMap::new();
        for one in &contents.distributions {
            let text = input::bytes(&venv.join(&one.directory).join("METADATA"))?.unwrap_or_default();
            all.insert(one.directory.clone(), Metadata::parse(&String::from_utf8_lossy(&text)));
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
                    if !metadata.extras.contains(&normalise(&item.text)) {
                        let fault = item.error(format!("{} has no extra '{}'", metadata.name, item.text));
                        faults.push(fault.hint(format!("it has: {}", metadata.extras.join(", "))));
                    }
                }
                asked.filter_map(|item| ExtraName::from_str(&item.text).ok()).collect()
            } else {
                Vec::new()
            };
            for text in &metadata.requires {
                // What pip could install, but this parser does not read, is not judged.
                let Ok(requirement) = Requirement::<VerbatimUrl>::from_str(text) else { continue };
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
    pub fn standard_library_depends(
        &self,
        _venv: &Path,
        _contents: &Contents,
        _known: &BTreeSet<PathBuf>,
    ) -> Result<Vec<String>> {
        Ok(Vec::new())
    }

    /// Lintian overrides for what a venv is.
    pub fn overrides(
        &self,
        _venv: &Path,
        _contents: &Contents,
        _facts: &BTreeMap<PathBuf, Facts>,
    ) -> Result<Vec<String>> {
        Ok(Vec::new())
    }

    /// Files beside the venv: its id.
    pub fn documents(&self, stage: &Path, id: &str, _venv: &Path, _contents: &Contents) -> Result<Plan> {
        let home = stage.join("files/usr/lib").join(&self.settings.package);
        Ok(Plan::new([Action::Write {
            path: home.join("venv-id"),
            contents: format!("{id}\n").into_bytes(),
            mode: 0o644,
        }]))
    }
}
