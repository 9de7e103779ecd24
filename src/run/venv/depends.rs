//! `${venv:Depends}`: the interpreter, Debian's parts of the standard library,
//! and what the native libraries need, as dpkg-shlibdeps says.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use crate::apply;
use crate::error::{Diagnostic, Error, Result};
use crate::helper::venv::distribution::digest;
use crate::helper::venv::linkage;
use crate::hex::hex;
use crate::input;
use crate::plan::Process;

use super::assemble::{Contents, failure};
use super::workshop::Workshop;

/// The ELF files of a tree, as the question what they need.
pub struct Libraries {
    root: PathBuf,
    files: BTreeSet<PathBuf>,
    /// Where the answer is kept: a digest of all that decides it.
    pub key: String,
}

impl Workshop<'_> {
    /// The packages that the interpreter comes from.
    pub fn interpreter_depends(&self) -> Result<Vec<String>> {
        if self.interpreter.is_debian() {
            return Ok(vec!["python3".to_owned(), self.interpreter.name()]);
        }
        let target = self.interpreter.target();
        let process = Process::new("/usr/bin/dpkg-query", ["--search".into(), OsString::from(&target)])
            .environment(&self.environment);
        let output = apply::capture(&process)?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let package = text.split(':').next().filter(|_| output.success).map(str::trim);
        match package {
            Some(package) if !package.is_empty() => Ok(vec![package.to_owned()]),
            _ => Err(self
                .settings
                .python
                .error(format!("the interpreter {} belongs to no Debian package", target.display()))
                .hint("the installed package could not depend on it: use a packaged interpreter")
                .into()),
        }
    }

    /// The question what the ELF files of a tree need.
    pub fn libraries(&self, root: &Path, contents: &Contents, files: BTreeSet<PathBuf>) -> Result<Libraries> {
        let mut lines = vec!["dh-venv-shlibs 2".to_owned(), self.installed.clone()];
        // What dpkg-shlibdeps reads besides the files and the installed packages.
        for name in ["debian/control", "debian/shlibs.local"] {
            let text = input::bytes(&self.context.directory.join(name))?.unwrap_or_default();
            lines.push(digest([String::from_utf8_lossy(&text).as_ref()]));
        }
        let rows = contents.distributions.iter().flat_map(|one| &one.rows);
        let hashes: BTreeMap<&PathBuf, &str> = rows.map(|(path, row)| (path, row.hash.as_str())).collect();
        for path in &files {
            let hash = match hashes.get(path) {
                Some(hash) if !hash.is_empty() => (*hash).to_owned(),
                _ => hex(&input::digest(&root.join(path))?),
            };
            lines.push(format!("{} {hash}", path.display()));
        }
        let key = digest(lines.iter().map(String::as_str));
        Ok(Libraries { root: root.to_path_buf(), files, key })
    }

    /// What the ELF files need: the kept answer, or dpkg-shlibdeps' own.
    pub fn native_depends(&self, libraries: &Libraries) -> Result<Vec<String>> {
        let text = match self.known_native_depends(libraries) {
            Some(text) => text,
            None => {
                let text = self.ask_shlibdeps(libraries)?;
                self.cache.keep_text(&libraries.key, &text)?;
                text
            }
        };
        Ok(text.split(", ").map(str::trim).filter(|item| !item.is_empty()).map(str::to_owned).collect())
    }

    /// The kept answer, where there is one.
    pub fn known_native_depends(&self, libraries: &Libraries) -> Option<String> {
        if libraries.files.is_empty() { Some(String::new()) } else { self.cache.text(&libraries.key) }
    }

    /// Ask dpkg-shlibdeps: of the few files that stand for all, and where it
    /// complains, of all, so that each fault is named.
    pub fn ask_shlibdeps(&self, libraries: &Libraries) -> Result<String> {
        let root = &libraries.root;
        let all: Vec<&Path> = libraries.files.iter().map(PathBuf::as_path).collect();
        let mut linkages = Vec::new();
        for path in &all {
            let bytes = input::bytes(&root.join(path))?.unwrap_or_default();
            linkages.push((*path, linkage::read(path, &bytes)));
        }
        let few: Vec<&Path> = linkage::representatives(linkages).into_iter().collect();
        self.shlibdeps(root, &few, &all).or_else(|_| self.shlibdeps(root, &all, &all))
    }

    /// Ask about `files`; a library that they need may be any of `all`.
    fn shlibdeps(&self, root: &Path, files: &[&Path], all: &[&Path]) -> Result<String> {
        let mut arguments: Vec<OsString> = vec!["-O".into(), "--ignore-missing-info".into()];
        // Libraries that a wheel carries without an RPATH to them.
        let carried: BTreeSet<&Path> = all
            .iter()
            .filter(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("lib")))
            .filter_map(|path| path.parent())
            .collect();
        for directory in carried {
            let mut word = OsString::from("-l");
            word.push(root.join(directory));
            arguments.push(word);
        }
        for path in files {
            let mut word = OsString::from("-e");
            word.push(root.join(path));
            arguments.push(word);
        }
        let process = Process::new("/usr/bin/dpkg-shlibdeps", arguments)
            .environment(&self.context.environment.all().clone())
            .directory(&self.context.directory);
        let output = apply::capture(&process)?;
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        if !output.success {
            let faults: Vec<Diagnostic> = said
                .lines()
                .filter_map(|line| line.split_once("cannot find library ").map(|(_, rest)| rest))
                .map(|rest| {
                    let (library, rest) = rest.split_once(" needed by ").unwrap_or((rest, ""));
                    let file = rest.split(" (").next().unwrap_or_default();
                    let file = file.strip_prefix(&*root.to_string_lossy()).unwrap_or(file).trim_start_matches('/');
                    Diagnostic::error(format!("{file} needs {library}, which is not there")).hint(format!(
                        "add the package that has {library} to Build-Depends, or use a wheel that carries it"
                    ))
                })
                .collect();
            return Err(if faults.is_empty() {
                failure("dpkg-shlibdeps", &output).into()
            } else {
                Error::Failed(faults)
            });
        }
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let items: BTreeSet<String> = text
            .lines()
            .filter_map(|line| line.strip_prefix("shlibs:Depends="))
            .flat_map(|value| value.split(','))
            .map(|item| item.trim().to_owned())
            .filter(|item| !item.is_empty())
            .collect();
        Ok(items.into_iter().collect::<Vec<_>>().join(", "))
    }
}
