//! A helper's config file: which one counts, and its text.
//!
//! Mirrors `pkgfile` and the reading part of `filedoublearray` in debhelper's
//! `Dh_Lib.pm` (14.5). In compat 14 a helper must opt into `--name` and
//! architecture-qualified files; [`find`] does, [`find_as`] lets the caller
//! choose. Differences: the warnings on an unprefixed file come with the file
//! that is used, not for one that only lies there; an executable file is run by
//! its path as written (13.11 resolved links), and what it writes to standard
//! error is shown as a warning.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::arch::Machine;
use super::build::Build;
use super::substitution::{self, Origin};
use crate::error::{Diagnostic, Error, Location, Result};
use crate::plan::Process;
use crate::{apply, input};

/// A config file and its text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigFile {
    /// Path from the source directory.
    pub path: PathBuf,
    /// Its text, or its output where it is executable; after `${…}` in both cases.
    pub text: String,
    /// Whether it was run.
    pub executable: bool,
    /// What is to be said about it.
    pub warnings: Vec<Diagnostic>,
}

/// What a helper has opted into; compat 13 has both for every helper.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Variants {
    /// `debian/PACKAGE.NAME.FILE`, with `--name`.
    pub named: bool,
    /// `debian/PACKAGE.FILE.ARCHITECTURE`.
    pub by_architecture: bool,
}

/// The config file `name` of `package`, read; `None` where it has none.
pub fn find(build: &Build, package: &str, name: &str) -> Result<Option<ConfigFile>> {
    find_as(build, package, name, Variants { named: true, by_architecture: true })
}

/// [`find`], for a helper that opts into `variants` only.
pub fn find_as(build: &Build, package: &str, name: &str, variants: Variants) -> Result<Option<ConfigFile>> {
    let Some((path, warnings)) = choose(build, package, name, variants)? else { return Ok(None) };
    read(build, path, warnings).map(Some)
}

/// The path of the config file that counts, from the source directory.
pub fn path(build: &Build, package: &str, name: &str, variants: Variants) -> Result<Option<PathBuf>> {
    Ok(choose(build, package, name, variants)?.map(|(path, _)| path))
}

fn choose(build: &Build, package: &str, name: &str, variants: Variants) -> Result<Option<(PathBuf, Vec<Diagnostic>)>> {
    let always = build.compat <= 13;
    let prefix = build.options.name.as_deref().filter(|_| always || variants.named);
    let file = prefix.map_or_else(|| name.to_owned(), |prefix| format!("{prefix}.{name}"));
    let is_file = |path: &Path| input::is_file(&build.directory.join(path));
    let debian = Path::new("debian");

    // The architecture may cost a process: ask only where such a file lies there.
    let qualified = format!("{package}.{file}.");
    if (always || variants.by_architecture)
        && input::names(&build.debian(""))?.iter().any(|name| name.to_string_lossy().starts_with(&qualified))
    {
        let target = build.binaries.iter().any(|binary| binary.name == package && binary.for_target);
        let machine = if target { Machine::Target } else { Machine::Host };
        for suffix in [build.architectures.name(machine)?, build.architectures.os(machine)?] {
            let path = debian.join(format!("{qualified}{suffix}"));
            if is_file(&path) {
                return Ok(Some((path, Vec::new())));
            }
        }
    }
    let path = debian.join(format!("{package}.{file}"));
    if is_file(&path) {
        return Ok(Some((path, Vec::new())));
    }
    let path = debian.join(&file);
    if build.main_package().name != package || !is_file(&path) {
        return Ok(None);
    }
    let mut warnings = Vec::new();
    if build.compat >= 14 && (build.binaries.len() > 1 || build.options.name.is_some()) {
        warnings.push(
            Diagnostic::warning("a config file without a package's name is deprecated")
                .at(Location::file(&path))
                .hint(format!("rename it to debian/{package}.{file}; compat 15 will refuse it")),
        );
    }
    Ok(Some((path, warnings)))
}

fn read(build: &Build, path: PathBuf, mut warnings: Vec<Diagnostic>) -> Result<ConfigFile> {
    let absolute = build.directory.join(&path);
    if !input::is_executable(&absolute) {
        let text = input::text(&absolute)?.unwrap_or_default();
        let text = substitution::expand(build, &path, Origin::File, &text)?;
        return Ok(ConfigFile { path, text, executable: false, warnings });
    }
    let mut environment = build.environment.all().clone();
    environment.insert(OsString::from("DH_CONFIG_ACT_ON_PACKAGES"), build.selected.join(",").into());
    // A path with a slash is run as it is; the PATH is not searched.
    let program = if build.directory.as_os_str().is_empty() { Path::new(".").join(&path) } else { absolute.clone() };
    let mut process = if is_plain_script(&absolute)? {
        Process::new("/bin/sh", [program])
    } else {
        Process::new(program, [] as [OsString; 0])
    }
    .environment(&environment);
    if !build.directory.as_os_str().is_empty() {
        process = process.directory(&build.directory);
    }
    let output = apply::capture(&process).map_err(|error| {
        let reason = error.diagnostics().first().map(ToString::to_string).unwrap_or_default();
        Diagnostic::error(format!("the executable config file does not start: {reason}"))
            .at(Location::file(&path))
            .hint("check its first line; where it is not meant to be a program: chmod a-x")
    })?;
    let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    if !output.success {
        let words = if said.is_empty() { String::new() } else { format!(": {said}") };
        return Err(Diagnostic::error(format!("the executable config file failed ({}){words}", output.status))
            .at(Location::file(&path))
            .hint("run it by hand, or, where it is not meant to be a program: chmod a-x")
            .into());
    }
    let fault = |line: usize, message: &str, hint: &str| -> Error {
        Diagnostic::error(format!("output of the executable config file, line {line}: {message}"))
            .at(Location::file(&path))
            .hint(hint)
            .into()
    };
    let text = String::from_utf8(output.stdout).map_err(|error| {
        let line = error.as_bytes()[..error.utf8_error().valid_up_to()].iter().filter(|b| **b == b'\n').count();
        fault(line + 1, "not valid UTF-8", "let it print UTF-8")
    })?;
    if let Some(index) = text.lines().position(|line| !line.is_empty() && line.trim().is_empty()) {
        return Err(fault(
            index + 1,
            "nothing but white space",
            "let it print the line without white space, or not at all",
        ));
    }
    let text = substitution::expand(build, &path, Origin::Output, &text)?;
    if !said.is_empty() {
        warnings.push(Diagnostic::warning(said).at(Location::file(&path)));
    }
    Ok(ConfigFile { path, text, executable: true, warnings })
}

/// Whether the kernel would refuse the file and execvp(3), which Perl uses,
/// would hand it to the shell: text without an interpreter line.
fn is_plain_script(path: &Path) -> Result<bool> {
    let bytes = input::bytes(path)?.unwrap_or_default();
    let start = &bytes[..bytes.len().min(80)];
    Ok(!start.starts_with(b"#!") && !start.starts_with(b"\x7fELF") && !start.contains(&0))
}
