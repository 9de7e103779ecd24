//! `${venv:Depends}`: the interpreter, Debian's parts of the standard library,
//! and what the native libraries need, as dpkg-shlibdeps says.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use crate::apply;
use crate::error::{Diagnostic, Error, Result};
use crate::helper::venv::distribution::digest;
use crate::input::Beginning;
use crate::plan::Process;

use super::assemble::{Contents, failure};
use super::workshop::Workshop;

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

    /// What the ELF files at `root` need. The answer is kept under the
    /// tree's digest and the installed packages' versions.
    pub fn native_depends(
        &self,
        root: &Path,
        contents: &Contents,
        beginnings: &BTreeMap<PathBuf, Beginning>,
    ) -> Result<Vec<String>> {
        let files: Vec<&PathBuf> = beginnings.iter().filter(|(_, start)| start.elf).map(|(path, _)| path).collect();
        if files.is_empty() {
            return Ok(Vec::new());
        }
        let lines = ["dh-venv-shlibs 1".to_owned(), self.installed.clone(), contents.digest()];
        let key = digest(lines.iter().map(String::as_str));
        let text = match self.cache.text(&key) {
            Some(text) => text,
            None => {
                let text = self.shlibdeps(root, &files)?;
                self.cache.keep_text(&key, &text)?;
                text
            }
        };
        Ok(text.split(", ").map(str::trim).filter(|item| !item.is_empty()).map(str::to_owned).collect())
    }

    fn shlibdeps(&self, root: &Path, files: &[&PathBuf]) -> Result<String> {
        let mut arguments: Vec<OsString> = vec!["-O".into(), "--ignore-missing-info".into()];
        // Libraries that a wheel carries without an RPATH to them.
        let carried: BTreeSet<&Path> = files
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
