//! `${venv:Depends}`: the interpreter, Debian's parts of the standard library,
//! and what the native libraries need, as dpkg-shlibdeps says.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use crate::apply;
use crate::digest::digest;
use crate::error::{Diagnostic, Error, Result};
use crate::helper::venv::linkage;
use crate::hex::hex;
use crate::input;
use crate::plan::{Action, Plan, Process};

use super::contents::Contents;
use super::workshop::Workshop;
use crate::apply::failed_child;

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
        let mut lines = vec!["dh-venv-shlibs 4".to_owned(), self.installed.clone()];
        // What dpkg-shlibdeps reads besides the files and the installed packages:
        // what a library's symbols file names as its Build-Depends-Package may raise a version.
        let source = &self.context.build.source;
        lines.extend(
            ["Build-Depends", "Build-Depends-Arch"].map(|name| source.field(name).unwrap_or_default().to_owned()),
        );
        lines.push(self.context.environment.text("DEB_BUILD_PROFILES").unwrap_or_default().to_owned());
        let local = input::bytes(&self.context.directory.join("debian/shlibs.local"))?.unwrap_or_default();
        lines.push(digest([String::from_utf8_lossy(&local).as_ref()]));
        lines.push(self.context.environment.text("LD_LIBRARY_PATH").unwrap_or_default().to_owned());
        // Of libraries that the source's own packages have already.
        for package in input::names(&self.context.directory.join("debian"))? {
            let package = Path::new("debian").join(package).join("DEBIAN");
            for name in ["shlibs", "symbols"].map(|name| package.join(name)) {
                if let Ok(Some(bytes)) = input::bytes(&self.context.directory.join(&name)) {
                    lines.push(format!("{} {}", name.display(), hex(&input::facts(&bytes).sha256)));
                }
            }
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
    fn known_native_depends(&self, libraries: &Libraries) -> Option<String> {
        if libraries.files.is_empty() { Some(String::new()) } else { self.cache.text(&libraries.key) }
    }

    /// Ask dpkg-shlibdeps beforehand what the package will want to know at the end,
    /// so that the answer is there. A fault is reported then, too.
    pub fn anticipate(&self, libraries: &Libraries) -> Result<()> {
        if self.known_native_depends(libraries).is_some() {
            return Ok(());
        }
        self.ask_shlibdeps(libraries).map_or(Ok(()), |text| self.cache.keep_text(&libraries.key, &text))
    }

    /// Ask dpkg-shlibdeps: with few questions, and where it complains, about each
    /// file, so that each fault is named.
    fn ask_shlibdeps(&self, libraries: &Libraries) -> Result<String> {
        let root = &libraries.root;
        let all: Vec<&Path> = libraries.files.iter().map(PathBuf::as_path).collect();
        let mut linkages = Vec::new();
        for path in &all {
            let bytes = input::bytes(&root.join(path))?.unwrap_or_default();
            linkages.push((*path, linkage::read(&bytes)));
        }
        let questions = linkage::questions(&linkages);
        let mut files: Vec<PathBuf> = questions.files.into_iter().map(|path| root.join(path)).collect();
        let mut plan = Plan::default();
        for (number, contents) in questions.demands.into_iter().enumerate() {
            let path = self.work.join(format!("libraries/{number}.so"));
            plan.push(Action::Write { path: path.clone(), contents, mode: 0o644 });
            files.push(path);
        }
        if files.is_empty() {
            return Ok(String::new());
        }
        self.apply(&plan)?;
        let each: Vec<PathBuf> = all.iter().map(|path| root.join(path)).collect();
        self.shlibdeps(root, &files, &all).or_else(|_| self.shlibdeps(root, &each, &all))
    }

    /// Ask about `files`; a library that they need may be any of `all`.
    fn shlibdeps(&self, root: &Path, files: &[PathBuf], all: &[&Path]) -> Result<String> {
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
            word.push(path);
            arguments.push(word);
        }
        let mut environment = self.context.environment.all().clone();
        // It need not find out again what is known.
        environment.insert("DEB_HOST_ARCH".into(), self.context.build.architectures.host()?.into());
        let process = Process::new("/usr/bin/dpkg-shlibdeps", arguments)
            .environment(&environment)
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
                failed_child("dpkg-shlibdeps", &output).into()
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
