//! Which of many ELF files tell dpkg-shlibdeps all that the others would.
//!
//! dpkg-shlibdeps looks up each undefined symbol of a file in the libraries
//! that the file needs, and keeps the highest version that any of them asks
//! for. A file with the same libraries as another, and no symbol that others
//! do not have, adds nothing. Wheels come with dozens of such extension modules.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::elf;

/// Where a file's symbols are looked up: machine, class, byte order, the
/// libraries needed and the directories they are searched in.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Scope {
    format: (u16, bool, bool),
    needed: Vec<String>,
    search: Vec<String>,
}

/// What one file asks of its libraries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Linkage {
    scope: Scope,
    undefined: BTreeSet<String>,
}

/// The linkage of the ELF file `path`; `None` where its headers do not tell.
pub fn read(path: &Path, bytes: &[u8]) -> Option<Linkage> {
    let facts = elf::inspect(bytes)?;
    let mut undefined = elf::undefined(bytes)?;
    let mut needed = facts.needed;
    needed.sort();
    // The interpreter's own symbols come from the program that loads the module.
    if !needed.iter().any(|library| library.starts_with("libpython")) {
        undefined.retain(|symbol| !symbol.starts_with("Py") && !symbol.starts_with("_Py"));
    }
    let origin = path.parent().unwrap_or(Path::new("")).to_string_lossy();
    let absolute = |directory: &String| directory.replace("${ORIGIN}", &origin).replace("$ORIGIN", &origin);
    let search = facts.rpath.iter().chain(&facts.runpath).map(absolute).collect();
    let format = (facts.machine, facts.is_64, facts.little_endian);
    Some(Linkage { scope: Scope { format, needed, search }, undefined })
}

/// Files, in order, that together need what all of them need. A file without
/// a known linkage stands for itself.
pub fn representatives<'a>(files: impl IntoIterator<Item = (&'a Path, Option<Linkage>)>) -> BTreeSet<&'a Path> {
    let mut chosen = BTreeSet::new();
    let mut scopes: BTreeMap<Scope, Vec<(&Path, BTreeSet<String>)>> = BTreeMap::new();
    for (path, linkage) in files {
        match linkage {
            Some(Linkage { scope, undefined }) => scopes.entry(scope).or_default().push((path, undefined)),
            None => drop(chosen.insert(path)),
        }
    }
    for mut members in scopes.into_values() {
        members.sort_by(|(a, more), (b, less)| less.len().cmp(&more.len()).then(a.cmp(b)));
        let mut seen: Option<BTreeSet<String>> = None;
        for (path, undefined) in members {
            match &mut seen {
                None => seen = Some(undefined),
                Some(seen) if undefined.is_subset(seen) => continue,
                Some(seen) => seen.extend(undefined),
            }
            chosen.insert(path);
        }
    }
    chosen
}

#[cfg(test)]
mod tests {
    use super::*;

    fn linkage(needed: &[&str], undefined: &[&str]) -> Option<Linkage> {
        let texts = |all: &[&str]| all.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        let scope = Scope { format: (62, true, true), needed: texts(needed), search: Vec::new() };
        Some(Linkage { scope, undefined: texts(undefined).into_iter().collect() })
    }

    fn chosen(files: &[(&str, Option<Linkage>)]) -> Vec<String> {
        let files = files.iter().map(|(path, linkage)| (Path::new(*path), linkage.clone()));
        representatives(files).iter().map(|path| path.display().to_string()).collect()
    }

    #[test]
    fn a_file_whose_symbols_others_have_is_left_out() {
        let c = &["libc.so.6"];
        let files = [
            ("a.so", linkage(c, &["memcpy@GLIBC_2.14"])),
            ("b.so", linkage(c, &["memcpy@GLIBC_2.14", "exp@GLIBC_2.29"])),
            ("c.so", linkage(c, &["free@GLIBC_2.2.5", "memcpy@GLIBC_2.14"])),
            ("d.so", linkage(c, &["exp@GLIBC_2.29", "free@GLIBC_2.2.5"])),
        ];
        assert_eq!(chosen(&files), ["b.so", "c.so"]);
    }

    #[test]
    fn other_libraries_and_unreadable_files_stand_for_themselves() {
        let files = [
            ("a.so", linkage(&["libc.so.6", "libm.so.6"], &[])),
            ("b.so", linkage(&["libc.so.6"], &[])),
            ("c.so", linkage(&["libc.so.6"], &[])),
            ("d.so", None),
        ];
        assert_eq!(chosen(&files), ["a.so", "b.so", "d.so"]);
    }
}
