//! What many ELF files want of Debian's libraries, as a few questions to
//! dpkg-shlibdeps.
//!
//! dpkg-shlibdeps looks up each undefined symbol of a file in the libraries that
//! the file needs, in their order, and keeps the highest version that any of them
//! asks for; of each library that is needed at all it wants the lowest. It takes
//! its time for every file, most of all for large ones. Wheels come with dozens of
//! extension modules and with large libraries of their own, but with few lists of
//! needed libraries: what all files with the same list want is put into one small
//! ELF file that wants just that.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::elf::{self, ElfFacts, ObjectKind, Wanted};

/// What every object file has of its compiler, whatever it is linked with.
const TOOLCHAIN: [&str; 5] = [
    "__cxa_finalize",
    "__gmon_start__",
    "_ITM_deregisterTMCloneTable",
    "_ITM_registerTMCloneTable",
    "_Jv_RegisterClasses",
];

/// What one file asks of its libraries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Linkage {
    facts: ElfFacts,
    wanted: BTreeSet<Wanted>,
}

/// The linkage of an ELF file; `None` where it has to be asked about itself: its
/// headers do not tell all, it brings its own search path, or it is a program, which
/// has copies of its libraries' variables (`R_*_COPY`).
pub fn read(bytes: &[u8]) -> Option<Linkage> {
    let facts = elf::inspect(bytes)?;
    let mut wanted = elf::undefined(bytes)?;
    // dpkg-shlibdeps knows no $ORIGIN for files outside of a package's own tree.
    let searches = facts.rpath.iter().chain(&facts.runpath).any(|directory| !directory.contains("ORIGIN"));
    if searches || facts.is_damaged || facts.kind != ObjectKind::Shared || facts.interpreter.is_some() {
        return None;
    }
    // The interpreter's own symbols come from the program that loads the module.
    let is_module = !facts.needed.iter().any(|library| library.starts_with("libpython"));
    wanted.retain(|symbol| !(is_module && (symbol.name.starts_with("Py") || symbol.name.starts_with("_Py"))));
    wanted.retain(|symbol| symbol.version.is_some() || !TOOLCHAIN.contains(&symbol.name.as_str()));
    Some(Linkage { facts, wanted })
}

/// What dpkg-shlibdeps is asked about.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Questions<'a> {
    /// Files themselves.
    pub files: BTreeSet<&'a Path>,
    /// ELF files that want what others want.
    pub demands: Vec<Vec<u8>>,
}

/// The questions that give the answer to all `files`.
pub fn questions<'a>(files: &[(&'a Path, Option<Linkage>)]) -> Questions<'a> {
    let names: BTreeSet<&str> = files.iter().filter_map(|(path, _)| path.file_name()?.to_str()).collect();
    let is_foreign = |library: &&String| !(names.contains(library.as_str()) && is_bundled(library));
    let mut questions = Questions::default();
    let mut demands: BTreeMap<_, (&ElfFacts, Vec<&Path>, BTreeSet<Wanted>)> = BTreeMap::new();
    for (path, linkage) in files {
        let Some(Linkage { facts, wanted }) = linkage else {
            questions.files.insert(path);
            continue;
        };
        let needed: Vec<String> = facts.needed.iter().filter(is_foreign).cloned().collect();
        let kind = (facts.machine, facts.is_64, facts.little_endian, facts.abi);
        let demand = demands.entry((kind, needed)).or_insert_with(|| (facts, Vec::new(), BTreeSet::new()));
        demand.1.push(path);
        demand.2.extend(wanted.iter().cloned());
    }
    // Who needs nothing of others has no dependency.
    for ((_, needed), (facts, paths, wanted)) in demands.into_iter().filter(|((_, needed), _)| !needed.is_empty()) {
        match elf::demanding(facts, &needed, &wanted) {
            Some(demand) => questions.demands.push(demand),
            None => questions.files.extend(paths),
        }
    }
    questions
}

/// Whether this is the name of a library that a wheel brings along for itself:
/// auditwheel puts eight digits of a hash into it, so that it is no other one's.
fn is_bundled(library: &str) -> bool {
    let stem = library.split(".so").next().unwrap_or_default();
    let digits = stem.rsplit('-').next().unwrap_or_default();
    stem != digits && digits.len() == 8 && digits.bytes().all(|byte| byte.is_ascii_hexdigit())
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "a test reads the machine's own libraries")]
mod tests {
    use super::*;

    fn linkage(needed: &[&str], wanted: &[&str]) -> Option<Linkage> {
        let wanted = wanted.iter().map(|text| {
            let mut parts = text.split('@').map(str::to_owned);
            let name = parts.next().unwrap();
            Wanted { name, version: parts.next().zip(parts.next()) }
        });
        let needed = needed.iter().map(|name| (*name).to_owned()).collect();
        let facts = ElfFacts { machine: 62, is_64: true, little_endian: true, needed, ..ElfFacts::default() };
        Some(Linkage { facts, wanted: wanted.collect() })
    }

    /// Paths, and of each demand the libraries and symbols.
    fn asked(files: &[(&str, Option<Linkage>)]) -> Vec<String> {
        let files: Vec<_> = files.iter().map(|(path, linkage)| (Path::new(*path), linkage.clone())).collect();
        let questions = questions(&files);
        let mut all: Vec<String> = questions.files.iter().map(|path| path.display().to_string()).collect();
        for demand in &questions.demands {
            let wanted = elf::undefined(demand).unwrap();
            let wanted = wanted.iter().map(|symbol| match &symbol.version {
                Some((version, file)) => format!("{}@{version}@{file}", symbol.name),
                None => symbol.name.clone(),
            });
            let needed = elf::inspect(demand).unwrap().needed;
            all.push(format!("{}: {}", needed.join(" "), wanted.collect::<Vec<_>>().join(" ")));
        }
        all
    }

    #[test]
    fn files_that_need_the_same_libraries_are_asked_about_together() {
        let files = [
            ("a.so", linkage(&["libc.so.6"], &["memcpy@GLIBC_2.14@libc.so.6", "own"])),
            ("b.so", linkage(&["libm.so.6", "libc.so.6"], &["exp@GLIBC_2.29@libm.so.6"])),
            ("c.so", linkage(&["libc.so.6"], &["memcpy@GLIBC_2.14@libc.so.6", "free@GLIBC_2.2.5@libc.so.6"])),
            ("d.so", linkage(&["libz.so.1"], &[])),
            ("e.so", None),
            ("f.so", linkage(&[], &["own"])),
        ];
        let expected = [
            "e.so",
            "libc.so.6: free@GLIBC_2.2.5@libc.so.6 memcpy@GLIBC_2.14@libc.so.6 own",
            "libm.so.6 libc.so.6: exp@GLIBC_2.29@libm.so.6",
            "libz.so.1: ",
        ];
        assert_eq!(asked(&files), expected);
    }

    #[test]
    fn the_order_of_libraries_is_the_files_own() {
        // The first that has the symbol is the one that counts.
        let files = [
            ("a.so", linkage(&["libb.so", "liba.so"], &["foo"])),
            ("b.so", linkage(&["liba.so", "libb.so"], &["bar"])),
        ];
        assert_eq!(asked(&files), ["liba.so libb.so: bar", "libb.so liba.so: foo"]);
    }

    #[test]
    fn a_file_whose_libraries_cannot_be_read_is_asked_about_itself() {
        let own = std::fs::read("/proc/self/exe").unwrap();
        let library = std::fs::read_dir("/usr/lib").unwrap().flatten().map(|entry| entry.path().join("libm.so.6"));
        let library = library.filter_map(|path| std::fs::read(path).ok()).next().expect("a libm.so.6");
        assert!(read(&library).is_some());
        // A program, and a library without its section headers (e_shoff, e_shnum of a 64-bit file).
        assert_eq!(read(&own), None);
        let mut bare = library.clone();
        bare[0x28..0x30].fill(0);
        bare[0x3c..0x3e].fill(0);
        assert_eq!(read(&bare), None);
    }

    #[test]
    fn a_library_that_a_wheel_brings_is_nobody_elses() {
        let files = [
            ("x.libs/libz-0a1b2c3d.so.1", linkage(&["libc.so.6"], &[])),
            ("x.libs/libplain.so.1", linkage(&[], &[])),
            ("x/a.so", linkage(&["libz-0a1b2c3d.so.1"], &["inflate"])),
            ("x/b.so", linkage(&["libplain.so.1", "liblost-0a1b2c3d.so.1"], &[])),
        ];
        // One that is not there is asked for, so that somebody says so.
        assert_eq!(asked(&files), ["libc.so.6: ", "libplain.so.1 liblost-0a1b2c3d.so.1: "]);
    }
}
