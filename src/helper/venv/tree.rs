//! The installed tree: which files go, which are rewritten, and what must hold
//! at the end. Pure functions over listings, file contents and digests.
//!
//! Paths are relative to the venv; `site` is `lib/python3.N/site-packages`.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::path::{Component, Path, PathBuf};

use serde_json::json;

use crate::error::{Diagnostic, Result};
use crate::listing::{Entry, Facts, Kind};
use crate::python::interpreter::Interpreter;
use crate::python::record::{self, Row};
use crate::render::render;

/// What makes one venv's files differ from another's.
#[derive(Debug, Clone)]
pub struct Frame<'a> {
    /// Where the venv stands while it is built, absolute.
    pub stage: &'a Path,
    /// Where it stands when installed, absolute.
    pub prefix: &'a Path,
    /// Its interpreter.
    pub interpreter: &'a Interpreter,
    /// Shown in an activated shell's prompt.
    pub package: &'a str,
    /// Whether Debian's Python packages are visible.
    pub system_site_packages: bool,
}

impl Frame<'_> {
    /// `lib/python3.N/site-packages`.
    pub fn site(&self) -> PathBuf {
        Path::new("lib").join(self.interpreter.name()).join("site-packages")
    }

    /// pyvenv.cfg without what differs between builds. Only the minor version
    /// counts: a security update of the interpreter changes nothing here.
    pub fn pyvenv_cfg(&self) -> Result<String> {
        let target = self.interpreter.target();
        let home = target.parent().unwrap_or(Path::new("/usr/bin")).to_string_lossy().into_owned();
        let values = json!({
            "home": home,
            "system_site_packages": self.system_site_packages,
            "version": self.interpreter.minor(),
            "package": self.package,
        });
        render("venv/pyvenv.cfg", &values)
    }

    /// The links to the interpreter: path in the venv and target.
    pub fn interpreter_links(&self) -> Vec<(PathBuf, PathBuf)> {
        let name = self.interpreter.name();
        vec![
            ("bin/python".into(), self.interpreter.target()),
            ("bin/python3".into(), "python".into()),
            (Path::new("bin").join(name), "python".into()),
        ]
    }

    /// The line that starts a script, without its end of line. Kernels cut it
    /// at 127 bytes on old releases, so a long one goes through sh, in the form
    /// that pip and setuptools use.
    pub fn shebang(&self, arguments: &str) -> String {
        let interpreter = self.prefix.join("bin/python");
        let arguments = if arguments.is_empty() { String::new() } else { format!(" {arguments}") };
        let line = format!("#!{}{arguments}", interpreter.display());
        if line.len() < 127 {
            line
        } else {
            format!("#!/bin/sh\n'''exec' {}{arguments} \"$0\" \"$@\"\n' '''", interpreter.display())
        }
    }

    /// The script of a console or GUI entry point, the same from every installer.
    pub fn console_script(&self, module: &str, attribute: &str) -> Result<String> {
        let first = attribute.split('.').next().unwrap_or(attribute);
        let values = json!({ "shebang": self.shebang(""), "module": module, "first": first, "attribute": attribute });
        render("venv/console-script.py", &values)
    }

    /// A file of bin/ with its interpreter line pointing into the installed
    /// venv, or `None` where it is no Python script.
    pub fn script(&self, contents: &[u8]) -> Option<Vec<u8>> {
        let rest = contents.strip_prefix(b"#!")?;
        let (line, body) = split_line(rest);
        let line = String::from_utf8_lossy(line);
        let line = line.trim();
        if line == "/bin/sh" {
            // '''exec' /long/path/python "$0" "$@"  ⏎  ' '''
            let (second, after) = split_line(body);
            let (third, after) = split_line(after);
            let second = String::from_utf8_lossy(second);
            let command = second.strip_prefix("'''exec' ")?.strip_suffix(" \"$0\" \"$@\"")?;
            if third != b"' '''" {
                return None;
            }
            let arguments = python_arguments(command)?;
            return Some(joined(&self.shebang(arguments), after));
        }
        let arguments = python_arguments(line)?;
        Some(joined(&self.shebang(arguments), body))
    }

    /// A text with every mention of the stage replaced by the prefix.
    pub fn relocated(&self, contents: &[u8]) -> Vec<u8> {
        let prefix = self.prefix.as_os_str().as_encoded_bytes();
        // A stage with a space in its path stands quoted in the activate files.
        let quoted = format!("'{}'", self.stage.display());
        let contents = replace(contents, quoted.as_bytes(), prefix);
        replace(&contents, self.stage.as_os_str().as_encoded_bytes(), prefix)
    }
}

fn split_line(text: &[u8]) -> (&[u8], &[u8]) {
    match memchr::memchr(b'\n', text) {
        Some(at) => (&text[..at], &text[at + 1..]),
        None => (text, &[]),
    }
}

fn joined(head: &str, body: &[u8]) -> Vec<u8> {
    let mut out = head.as_bytes().to_vec();
    out.push(b'\n');
    out.extend_from_slice(body);
    out
}

/// The arguments after a Python interpreter in an interpreter line (`#!` and
/// `env` removed), or `None` where another program is named.
fn python_arguments(line: &str) -> Option<&str> {
    let (mut program, mut arguments) = first_word(line);
    if Path::new(program).file_name() == Some(OsStr::new("env")) {
        arguments = arguments.strip_prefix("-S").unwrap_or(arguments).trim_start();
        (program, arguments) = first_word(arguments);
    }
    let name = Path::new(program).file_name()?.to_str()?;
    let known = ["pythonw", "python", "pypy", "ipy", "jython"];
    let version = known.iter().find_map(|interpreter| name.strip_prefix(interpreter))?;
    version.bytes().all(|b| b.is_ascii_digit() || b == b'.').then_some(arguments)
}

/// The first word, which may stand in double quotes, and the rest.
fn first_word(line: &str) -> (&str, &str) {
    if let Some((word, rest)) = line.strip_prefix('"').and_then(|quoted| quoted.split_once('"')) {
        return (word, rest.trim());
    }
    let (word, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
    (word, rest.trim())
}

/// `text` with every `from` replaced by `to`.
pub fn replace(text: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut at = 0;
    for found in memchr::memmem::find_iter(text, from) {
        out.extend_from_slice(&text[at..found]);
        out.extend_from_slice(to);
        at = found + from.len();
    }
    out.extend_from_slice(&text[at..]);
    out
}

/// Names in a `*.dist-info` that tell who installed and from where, not what.
const INSTALLER_FILES: [&str; 5] = ["INSTALLER", "REQUESTED", "direct_url.json", "uv_cache.json", "uv_build.json"];

/// What an installer leaves that has no place in a package: sorted, top-most
/// paths only.
pub fn unwanted(entries: &[Entry]) -> Vec<PathBuf> {
    let mut all: Vec<PathBuf> = Vec::new();
    for entry in entries {
        if all.last().is_some_and(|last| entry.path.starts_with(last)) {
            continue;
        }
        let path = entry.path.as_path();
        let name = path.file_name().and_then(OsStr::to_str).unwrap_or_default();
        let parent = path.parent().and_then(Path::file_name).and_then(OsStr::to_str).unwrap_or_default();
        let top = path.components().count() == 1;
        let goes = (top && matches!(name, "lib64" | ".lock" | ".gitignore" | "CACHEDIR.TAG" | "include"))
            || name == "__pycache__"
            || path == Path::new("bin/Activate.ps1")
            || (parent.ends_with(".dist-info") && INSTALLER_FILES.contains(&name));
        // include/ holds headers where a wheel ships some; the empty one of venv goes.
        let headers = name == "include"
            && entries.iter().any(|other| other.path.starts_with(path) && matches!(other.kind, Kind::File { .. }));
        if goes && !headers {
            all.push(entry.path.clone());
        }
    }
    all
}

/// What directories with test suites are called.
pub const SUITE: &str = "tests";

/// Directories called `tests` that hold a test suite: some `test_*.py`, `*_test.py` or conftest.py.
pub fn test_suites(entries: &[Entry], site: &Path) -> Vec<PathBuf> {
    let mut suites: Vec<PathBuf> = Vec::new();
    for entry in entries {
        let below_one = suites.last().is_some_and(|last| entry.path.starts_with(last));
        let named = entry.path.file_name() == Some(OsStr::new(SUITE)) && entry.path.starts_with(site);
        if below_one || !named || entry.kind != Kind::Directory {
            continue;
        }
        let is_suite = entries.iter().filter(|other| other.path.starts_with(&entry.path)).any(|other| {
            let name = other.path.file_name().and_then(OsStr::to_str).unwrap_or_default();
            name == "conftest.py"
                || (name.ends_with(".py") && (name.starts_with("test_") || name.ends_with("_test.py")))
        });
        if is_suite {
            suites.push(entry.path.clone());
        }
    }
    suites
}

/// Whether a module (its path and text) mentions the test suite `suite`: by its
/// dotted name, or by a relative import from inside the same distribution.
/// Strings count, too: a suite that is kept in vain costs only room.
pub fn mentions_suite(path: &Path, text: &[u8], suite: &Path, site: &Path) -> bool {
    let (Ok(path), Ok(suite)) = (path.strip_prefix(site), suite.strip_prefix(site)) else { return false };
    let holds = |needle: &str| memchr::memmem::find(text, needle.as_bytes()).is_some();
    if holds(&dotted(suite)) {
        return true;
    }
    let inside = path.components().next() == suite.components().next();
    inside && [".tests import", "from . import tests", "from .tests"].into_iter().any(holds)
}

fn dotted(path: &Path) -> String {
    let parts: Vec<String> = path.components().map(|part| part.as_os_str().to_string_lossy().into_owned()).collect();
    parts.join(".")
}

/// An installed distribution: its dist-info directory and the files it claims.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Installed {
    /// `lib/python3.N/site-packages/NAME-VERSION.dist-info`.
    pub directory: PathBuf,
    /// RECORD as the installer wrote it, paths relative to the venv.
    pub rows: BTreeMap<PathBuf, Row>,
}

impl Installed {
    /// `NAME-VERSION`.
    pub fn label(&self) -> String {
        self.directory.file_stem().unwrap_or_default().to_string_lossy().into_owned()
    }
}

/// A distribution from its RECORD's text.
pub fn installed(directory: &Path, record: &str, site: &Path) -> Installed {
    let rows = record::parse(record).into_iter().map(|(path, row)| (resolved(&site.join(path)), row)).collect();
    Installed { directory: directory.to_path_buf(), rows }
}

/// `a/b/../c` → `a/c`, by the words alone.
fn resolved(path: &Path) -> PathBuf {
    let mut out = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => drop(out.pop()),
            Component::CurDir => {}
            other => out.push(other),
        }
    }
    out
}

/// Paths that two distributions claim with different contents, as errors.
pub fn collisions(all: &[Installed]) -> Vec<Diagnostic> {
    let mut owners: BTreeMap<&Path, (&Installed, &Row)> = BTreeMap::new();
    let mut faults = Vec::new();
    for distribution in all {
        for (path, row) in &distribution.rows {
            if path.components().any(|part| part.as_os_str() == "__pycache__") {
                continue;
            }
            if let Some((other, theirs)) = owners.insert(path, (distribution, row)) {
                if theirs.hash != row.hash {
                    faults.push(
                        Diagnostic::error(format!(
                            "{} is claimed by two distributions: {} and {}",
                            path.display(),
                            other.label(),
                            distribution.label()
                        ))
                        .hint("only one of the two can be in this venv: drop one from the requirements"),
                    );
                }
            }
        }
    }
    faults
}

/// The RECORD files as they must be for the files that are there: every row
/// sorted, with a true digest; byte code has no row (PEP 376 allows that).
/// Files that nobody claims go to `heir`, the distribution whose commands made them.
pub fn records(
    all: &[Installed],
    facts: &BTreeMap<PathBuf, Facts>,
    site: &Path,
    heir: Option<&Path>,
) -> BTreeMap<PathBuf, String> {
    let up: PathBuf = site.components().map(|_| Component::ParentDir).collect();
    let row_path = |path: &Path| match path.strip_prefix(site) {
        Ok(inside) => inside.to_string_lossy().into_owned(),
        Err(_) => up.join(path).to_string_lossy().into_owned(),
    };
    let claimed: BTreeSet<&Path> = all.iter().flat_map(|one| one.rows.keys().map(PathBuf::as_path)).collect();
    let mut texts = BTreeMap::new();
    for distribution in all {
        let record = distribution.directory.join("RECORD");
        let mut rows = BTreeMap::new();
        let own = distribution.rows.keys().map(PathBuf::as_path);
        let found: Vec<&Path> = if heir == Some(distribution.directory.as_path()) {
            own.chain(
                facts.keys().map(PathBuf::as_path).filter(|path| path.starts_with(site) && !claimed.contains(path)),
            )
            .collect()
        } else {
            own.collect()
        };
        for path in found {
            if path == record || path.extension() == Some(OsStr::new("pyc")) {
                continue;
            }
            if let Some(facts) = facts.get(path) {
                let row = Row { hash: record::hash_field(&facts.sha256), size: facts.size.to_string() };
                rows.insert(row_path(path), row);
            }
        }
        rows.insert(row_path(&record), Row::default());
        texts.insert(record, record::write(&rows));
    }
    texts
}

/// Whether the interpreter's cache holds this file: it is compiled here, from its source.
fn is_byte_code(path: &Path) -> bool {
    path.parent().and_then(Path::file_name) == Some(OsStr::new("__pycache__"))
}

/// What is said of a file whose bytes are not those that its wheel declares.
const ALTERED: &str = "is not the file that";

/// Whether one of the faults is a file that is not as its wheel declares it.
pub fn tells_of_altered(faults: &[Diagnostic]) -> bool {
    faults.iter().any(|fault| fault.message.contains(ALTERED))
}

/// What must not be, in a finished tree: files whose bytes are not those that
/// their wheel declares, files without owner, leaked paths, links out of the tree.
/// `excused` are files that were changed or made on purpose.
pub fn faults(
    all: &[Installed],
    facts: &BTreeMap<PathBuf, Facts>,
    excused: &BTreeSet<PathBuf>,
    entries: &[Entry],
    site: &Path,
    forbidden: &[String],
) -> Vec<Diagnostic> {
    let mut faults = Vec::new();
    let mut claimed: BTreeSet<&Path> = BTreeSet::new();
    for distribution in all {
        for (path, row) in &distribution.rows {
            claimed.insert(path);
            let Some(facts) = facts.get(path) else { continue };
            // Byte code that a wheel brings along (numpy's does) is made anew here.
            let declared = row.hash.starts_with("sha256=") && !excused.contains(path) && !is_byte_code(path);
            if declared && row.hash.trim_end_matches('=') != record::hash_field(&facts.sha256) {
                faults.push(
                    Diagnostic::error(format!(
                        "{} {ALTERED} {} declares in its RECORD",
                        path.display(),
                        distribution.label()
                    ))
                    .hint("the wheel is damaged or another distribution wrote over the file"),
                );
            }
        }
    }
    for (path, facts) in facts {
        for found in &facts.found {
            faults.push(
                Diagnostic::error(format!("{} holds the path {} of this build", path.display(), forbidden[*found]))
                    .hint("the file was generated with the build directory in it; such a package works nowhere else"),
            );
        }
        let owned = claimed.contains(path.as_path())
            || excused.contains(path)
            || path.extension() == Some(OsStr::new("pyc"))
            || path.file_name() == Some(OsStr::new("RECORD"));
        if path.starts_with(site) && !owned {
            faults.push(
                Diagnostic::error(format!("{} belongs to no distribution", path.display()))
                    .hint("an installer's hook wrote it; install it through the distribution's own files"),
            );
        }
    }
    for entry in entries {
        match &entry.kind {
            Kind::Other => {
                faults.push(
                    Diagnostic::error(format!("{} is no file, directory or link", entry.path.display()))
                        .hint("no package can carry it: remove it in After-Install"),
                );
            }
            Kind::Link(target) if target.is_absolute() && !entry.path.starts_with("bin") => faults.push(
                Diagnostic::error(format!(
                    "{} is a link to {}, outside the venv",
                    entry.path.display(),
                    target.display()
                ))
                .hint("ship a copy, or make the link relative"),
            ),
            Kind::File { mode, .. } if mode & 0o6000 != 0 => faults.push(
                Diagnostic::error(format!("{} is setuid or setgid", entry.path.display()))
                    .hint("a venv must not carry privileges: clear the bits"),
            ),
            _ => {}
        }
    }
    faults
}

/// The mode that a file of the venv has in the package.
pub fn mode(path: &Path, mode: u32, facts: Option<&Facts>) -> u32 {
    let runs = mode & 0o111 != 0;
    let is_script = facts.is_some_and(|facts| facts.beginning.shebang.is_some() || facts.beginning.elf);
    // Libraries are not executed (policy 10.2), scripts of bin/ are, whatever the archive said.
    let is_library = path.extension().is_some_and(|e| e == "so") || path.to_string_lossy().contains(".so.");
    if (runs && is_script && !is_library) || (path.parent() == Some(Path::new("bin")) && is_script) {
        0o755
    } else {
        0o644
    }
}

#[cfg(test)]
mod tests;
