//! pyproject.toml: build requirements (PEP 518), dependency groups (PEP 735), the project's name.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::name::normalise;
use crate::error::Item;
use crate::error::{Diagnostic, Error, Location, Result, nearest};

/// What dh_venv needs of a pyproject.toml.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pyproject {
    /// Where it was read.
    pub file: PathBuf,
    /// `[project] name`, normalised.
    pub name: Option<String>,
    /// `[build-system] requires`; setuptools where it says nothing (PEP 517).
    pub build_requires: Vec<String>,
    /// `[build-system] build-backend`.
    pub backend: String,
    groups: BTreeMap<String, Vec<GroupItem>>,
    build_line: Option<usize>,
}

impl Default for Pyproject {
    fn default() -> Self {
        Self {
            file: PathBuf::from("setup.py"),
            name: None,
            build_requires: vec!["setuptools>=40.8.0".to_owned(), "wheel".to_owned()],
            backend: "setuptools.build_meta".to_owned(),
            groups: BTreeMap::new(),
            build_line: None,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
enum GroupItem {
    Requirement(String),
    Include {
        #[serde(rename = "include-group")]
        group: String,
    },
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct File {
    project: Option<Project>,
    build_system: Option<BuildSystem>,
    #[serde(default)]
    dependency_groups: BTreeMap<String, Vec<GroupItem>>,
}

#[derive(Deserialize)]
struct Project {
    name: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct BuildSystem {
    requires: Option<Vec<String>>,
    build_backend: Option<String>,
}

impl Pyproject {
    /// From the text of `file`.
    pub fn parse(text: &str, file: &Path) -> Result<Self> {
        if let Some(line) = crate::foreign::too_deep(text) {
            return Err(Diagnostic::error("more brackets are open here than anybody writes")
                .at(Location::line(file, line))
                .hint("close those that were opened before")
                .into());
        }
        let parsed: File = toml::from_str(text).map_err(|error| {
            let line = error.span().map_or(1, |span| text[..span.start].lines().count().max(1));
            Error::from(
                Diagnostic::error(format!("cannot be read: {}", error.message().replace('\n', "; ")))
                    .at(Location::line(file, line))
                    .hint("pyproject.toml is TOML, its fields are in the Python packaging user guide"),
            )
        })?;
        let default = Self::default();
        let (requires, backend) = match parsed.build_system {
            Some(system) => (system.requires, system.build_backend),
            None => (None, None),
        };
        Ok(Self {
            file: file.to_path_buf(),
            name: parsed.project.and_then(|project| project.name).map(|name| normalise(&name)),
            build_requires: requires.unwrap_or(default.build_requires),
            backend: backend.unwrap_or(default.backend),
            groups: parsed.dependency_groups.into_iter().map(|(name, items)| (normalise(&name), items)).collect(),
            build_line: text.lines().position(|line| line.trim() == "[build-system]").map(|line| line + 1),
        })
    }

    /// Where the build requirements stand.
    pub fn location(&self) -> Location {
        Location { file: self.file.clone(), line: self.build_line }
    }

    /// The backend's top-level module.
    pub fn backend_module(&self) -> &str {
        self.backend.split([':', '.']).next().unwrap_or(&self.backend)
    }

    /// The requirements of a dependency group, those of included groups among them.
    pub fn group(&self, group: &Item) -> Result<Vec<String>> {
        let mut out = Vec::new();
        self.collect(group, &normalise(&group.text), &mut BTreeSet::new(), &mut out)?;
        Ok(out)
    }

    fn collect(&self, asked: &Item, name: &str, seen: &mut BTreeSet<String>, out: &mut Vec<String>) -> Result<()> {
        if !seen.insert(name.to_owned()) {
            return Ok(());
        }
        let Some(items) = self.groups.get(name) else {
            let fault = asked.error(format!("{} has no dependency group '{name}'", self.file.display()));
            let hint = match nearest(name, self.groups.keys().map(String::as_str)) {
                Some(near) => format!("did you mean '{near}'?"),
                None => "see its table [dependency-groups]".to_owned(),
            };
            return Err(fault.hint(hint).into());
        };
        for item in items {
            match item {
                GroupItem::Requirement(text) => out.push(text.clone()),
                GroupItem::Include { group } => self.collect(asked, &normalise(group), seen, out)?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_include_groups() {
        let text = "[dependency-groups]\ntest = ['pytest', {include-group='Base_x'}]\nbase-x = ['six', {include-group='test'}]\n";
        let file = Pyproject::parse(text, Path::new("pyproject.toml")).unwrap();
        assert_eq!(file.group(&Item::plain("test")).unwrap(), ["pytest", "six"]);
        let error = file.group(&Item::plain("tests")).unwrap_err();
        assert_eq!(error.diagnostics()[0].hint.as_deref(), Some("did you mean 'test'?"));
    }

    #[test]
    fn setuptools_is_the_default_and_errors_have_lines() {
        let file = Pyproject::parse("[project]\nname='A_b'\n", Path::new("p")).unwrap();
        assert_eq!(file.backend_module(), "setuptools");
        assert_eq!(file.name.as_deref(), Some("a-b"));
        let error = Pyproject::parse("[project]\nname=\n", Path::new("p")).unwrap_err();
        assert_eq!(error.diagnostics()[0].location, Some(Location::line("p", 2)));
    }
}
