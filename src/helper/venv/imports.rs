//! Which of Debian's split parts of the standard library a venv needs.
//!
//! Owns the way from the modules of site-packages to package names. No Python
//! parser and no execution: statements are found line by line
//! (`statements`), and followed from the roots as the interpreter would.
//!
//! An import that is always carried out, in a module that is always loaded, is a
//! dependency. One that is guarded (in a `try`, an `if`, a function) or stands in
//! a module that is only loaded by such an import may well never run, and its
//! author counts on its failing: that is a note. What nothing imports is silent,
//! so matplotlib alone does not bring Tk, nor numpy 1.x distutils.
//!
//! | import | Debian 12 (3.11) | Debian 13 (3.13) |
//! |---|---|---|
//! | `tkinter`, `_tkinter`, `turtle` | python3-tk | python3-tk |
//! | `dbm.gnu`, `_gdbm` | python3-gdbm | python3-gdbm |
//! | `idlelib` | idle-python3.11 | idle-python3.13 |
//! | `ensurepip` | python3.11-venv | python3.13-venv |
//! | `distutils.*` but `distutils.version` | python3-distutils | gone (3.12) |
//! | `lib2to3` | python3-lib2to3 | gone (3.13) |

mod statements;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use statements::Import;

/// What the scan concludes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Needs {
    /// Package → the first import that needs it.
    pub depends: BTreeMap<String, Place>,
    /// Imports that need a package only if they are carried out; in order of module and line.
    pub notes: Vec<Note>,
    /// Imports, always carried out, of what this Python does not have any more.
    pub gone: Vec<Place>,
}

/// An import in a module.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// Path relative to site-packages.
    pub file: String,
    /// Line, from 1.
    pub line: usize,
    /// What is imported: `dbm.gnu`.
    pub import: String,
}

/// An import that may never be carried out.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Note {
    /// Where.
    pub place: Place,
    /// The package that it would need.
    pub package: String,
}

struct Module<'f> {
    file: &'f str,
    /// Source; empty for extension modules.
    bytes: &'f [u8],
    is_package: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Need {
    Package(&'static str),
    Versioned(&'static str, &'static str),
    Gone,
}

/// Scan the modules of a venv.
///
/// `files` are paths relative to site-packages with their contents (others than
/// modules are ignored). `roots` are modules or packages that the application
/// starts from: its own, and the modules of entry points; each stands for all
/// that lies below it, test directories excepted. Where it is empty, loading each
/// top-level module is what counts. `python` is the interpreter's version.
pub fn scan<'f>(files: impl IntoIterator<Item = (&'f str, &'f [u8])>, roots: &[String], python: (u8, u8)) -> Needs {
    let mut modules: BTreeMap<String, Module<'f>> = BTreeMap::new();
    for (file, bytes) in files {
        if let Some((name, module)) = module(file, bytes) {
            // A package wins over a module of the same name, as in the interpreter.
            if module.is_package || !modules.contains_key(&name) {
                modules.insert(name, module);
            }
        }
    }
    Scan { python, patched: modules.contains_key("_distutils_hack"), modules }.run(roots)
}

struct Scan<'f> {
    modules: BTreeMap<String, Module<'f>>,
    python: (u8, u8),
    /// setuptools puts its own distutils in the standard library's place.
    patched: bool,
}

impl<'f> Scan<'f> {
    fn run(&self, roots: &[String]) -> Needs {
        let mut needs = Needs::default();
        let mut notes = BTreeSet::new();
        let mut seen: BTreeSet<&str> = BTreeSet::new();
        let mut certain: VecDeque<&str> = VecDeque::new();
        let mut possible: VecDeque<&str> = VecDeque::new();
        for name in self.modules.keys().filter(|name| is_root(name, roots)) {
            self.load(name, &mut |loaded| {
                if seen.insert(loaded) {
                    certain.push_back(loaded);
                }
            });
        }
        // All that is loaded for certain comes first, so that it is never taken for merely possible.
        loop {
            let (name, sure) = match (certain.pop_front(), possible.pop_front()) {
                (Some(name), later) => {
                    possible.extend(later);
                    possible.rotate_right(usize::from(later.is_some()));
                    (name, true)
                }
                (None, Some(name)) if seen.insert(name) => (name, false),
                (None, Some(_)) => continue,
                (None, None) => break,
            };
            let Some(module) = self.modules.get(name) else { continue };
            for import in statements::imports(module.bytes) {
                let sure = sure && !import.guarded;
                for (target, need) in self.targets(name, module, &import) {
                    let place = Place { file: module.file.to_owned(), line: import.line, import: target.clone() };
                    match need {
                        Some(Need::Gone) if sure => needs.gone.push(place),
                        Some(Need::Gone) | None => {}
                        Some(need) if sure => self.add(&mut needs.depends, need, place),
                        Some(need) => {
                            notes.insert(Note { place, package: self.package(need) });
                        }
                    }
                    self.load(&target, &mut |loaded| {
                        if sure && seen.insert(loaded) {
                            certain.push_back(loaded);
                        } else if !sure && !seen.contains(loaded) {
                            possible.push_back(loaded);
                        }
                    });
                }
            }
        }
        needs.gone.sort();
        needs.notes = notes.into_iter().filter(|note| !needs.depends.contains_key(&note.package)).collect();
        needs
    }

    fn add(&self, depends: &mut BTreeMap<String, Place>, need: Need, place: Place) {
        let first = depends.entry(self.package(need)).or_insert_with(|| place.clone());
        if place < *first {
            *first = place;
        }
    }

    fn package(&self, need: Need) -> String {
        match need {
            Need::Package(name) => name.to_owned(),
            Need::Versioned(before, after) => format!("{before}{}.{}{after}", self.python.0, self.python.1),
            Need::Gone => String::new(),
        }
    }

    /// The module and every package around it, where they are in the venv.
    fn load<'s>(&'s self, name: &str, visit: &mut impl FnMut(&'s str)) {
        for end in name.match_indices('.').map(|(at, _)| at).chain([name.len()]) {
            if let Some((known, _)) = self.modules.get_key_value(&name[..end]) {
                visit(known);
            }
        }
    }

    /// Absolute names of what an import may load, with what Debian needs for each.
    fn targets(&self, name: &str, module: &Module<'_>, import: &Import) -> Vec<(String, Option<Need>)> {
        let Some(base) = absolute(name, module.is_package, import.level, &import.module) else { return Vec::new() };
        let top = base.split('.').next().unwrap_or_default();
        let watched = import.level == 0 && is_watched(top);
        if !watched && !self.modules.contains_key(top) {
            return Vec::new();
        }
        let mut targets = Vec::with_capacity(1 + import.names.len());
        let need = if watched { self.need(&base) } else { None };
        for imported in &import.names {
            let target = format!("{base}.{imported}");
            let inner = if watched && need.is_none() { self.need(&target) } else { None };
            if inner.is_some() || self.modules.contains_key(&target) {
                targets.push((target, inner));
            }
        }
        targets.insert(0, (base, need));
        targets
    }

    /// What an import of the standard library's `module` needs.
    fn need(&self, module: &str) -> Option<Need> {
        let (top, rest) = module.split_once('.').unwrap_or((module, ""));
        match top {
            "tkinter" | "_tkinter" | "turtle" => Some(Need::Package("python3-tk")),
            "_gdbm" => Some(Need::Package("python3-gdbm")),
            "dbm" => (rest == "gnu").then_some(Need::Package("python3-gdbm")),
            "idlelib" => Some(Need::Versioned("idle-python", "")),
            "ensurepip" => Some(Need::Versioned("python", "-venv")),
            "lib2to3" if self.python >= (3, 13) => Some(Need::Gone),
            "lib2to3" => Some(Need::Package("python3-lib2to3")),
            "distutils" if self.patched => None,
            "distutils" if self.python >= (3, 12) => Some(Need::Gone),
            // libpython3.11-stdlib itself has these two.
            "distutils" if rest.is_empty() || rest == "version" || rest.starts_with("version.") => None,
            "distutils" => Some(Need::Package("python3-distutils")),
            _ => None,
        }
    }
}

fn is_watched(top: &str) -> bool {
    matches!(
        top,
        "tkinter" | "_tkinter" | "turtle" | "_gdbm" | "dbm" | "idlelib" | "ensurepip" | "lib2to3" | "distutils"
    )
}

fn is_root(module: &str, roots: &[String]) -> bool {
    if roots.is_empty() {
        return !module.contains('.');
    }
    let below = |root: &String| {
        let rest = module.strip_prefix(root.as_str())?;
        rest.is_empty().then_some(rest).or_else(|| rest.strip_prefix('.'))
    };
    roots
        .iter()
        .filter_map(below)
        .any(|rest| !rest.split('.').any(|part| matches!(part, "tests" | "test" | "conftest")))
}

/// Module name and kind of a file under site-packages.
fn module<'f>(file: &'f str, bytes: &'f [u8]) -> Option<(String, Module<'f>)> {
    let (directory, base) = file.rsplit_once('/').unwrap_or(("", file));
    let (stem, bytes) = match base.strip_suffix(".py") {
        Some(stem) => (stem, bytes),
        // `x.cpython-311-x86_64-linux-gnu.so`, `x.abi3.so`, `x.so`
        None => (base.strip_suffix(".so")?.split('.').next()?, &b""[..]),
    };
    let valid = |part: &str| !part.is_empty() && !part.contains(['.', '-']);
    if !valid(stem) || !(directory.is_empty() || directory.split('/').all(valid)) {
        return None;
    }
    let parent = directory.replace('/', ".");
    let is_package = stem == "__init__" && !parent.is_empty();
    let name = match (is_package, parent.is_empty()) {
        (true, _) => parent,
        (false, true) => stem.to_owned(),
        (false, false) => format!("{parent}.{stem}"),
    };
    Some((name, Module { file, bytes, is_package }))
}

/// The absolute name of `module`, imported with `level` leading dots by `name`.
fn absolute(name: &str, is_package: bool, level: usize, module: &str) -> Option<String> {
    if level == 0 {
        return Some(module.to_owned());
    }
    let up = level - usize::from(is_package);
    let mut base = name;
    for _ in 0..up {
        base = base.rsplit_once('.')?.0;
    }
    Some(if module.is_empty() { base.to_owned() } else { format!("{base}.{module}") })
}

#[cfg(test)]
mod tests;
