//! Lintian overrides for what a venv is.
//!
//! Owns the closed list of tags that a tree of wheels triggers by its nature.
//! Found by running lintian 2.116 (Debian 12) and 2.122 (Debian 13) over venvs of
//! flask, numpy, pandas, pillow, psycopg2-binary, lxml, cryptography, django,
//! sphinx, notebook, ZODB, matplotlib, scipy, uv and others. Only errors and
//! warnings are overridden; pedantic and informational tags are left alone.
//!
//! | tag | where | reason |
//! |---|---|---|
//! | `package-installs-python-pycache-dir` | each `__pycache__` | the package brings its bytecode: no trigger or maintainer script compiles a venv |
//! | `unstripped-binary-or-object` | each such ELF file | stripping a library that auditwheel has patched can corrupt it, and makes RECORD's hash wrong |
//! | `library-not-linked-against-libc`, `shared-library-lacks-prerequisites` | each such library | extension modules take these symbols from the interpreter that loads them |
//! | `program-not-linked-against-libc`, `statically-linked-binary` | each such program | programs in wheels are linked for all distributions |
//! | `custom-library-search-path`, `relative-library-search-path` | each such ELF file | the path of the wheel's builder, which is looked at in vain |
//! | `embedded-library` | the venv | manylinux wheels have to bring all libraries but a few (PEP 513) |
//! | `unusual-interpreter` | each script of `bin/`; modules | a script has to start the venv's own `bin/python` |
//! | `interpreter-not-absolute`, `script-uses-bin-env`, `wrong-path-for-interpreter`, `incorrect-path-for-interpreter`, `interpreter-in-usr-local`, `script-not-executable` | modules | first lines of modules that are imported and never run as programs |
//! | `package-contains-vcs-control-file` | each such file | part of a wheel as it was published |
//! | `embedded-javascript-library` | the venv | web assets are served from the wheel that was tested with them |
//! | `no-manual-page` | each command in /usr/bin that has none | PyPI has no manual pages |
//! | `unknown-field` | `Venv-Id`, where debian/control has it | the field is of this toolkit's own |
//!
//! Not overridden, since the packager has to judge: `license-problem-*`,
//! `truetype-font-prohibits-installable-embedding`, `duplicate-font-file`,
//! `privacy-breach-*`, `broken-gz`. Not needed, since dh_venv_place cures the cause:
//! `shared-library-is-executable`, `executable-not-elf-or-script`,
//! `absolute-symlink-in-top-level-folder`.
//!
//! lintian calls an override that does not match a *warning*
//! (`mismatched-override`) when the tag is found elsewhere. Thus a line with an
//! exact path is only written where the file's facts decide; tags that depend on
//! lists inside lintian, which differ by release, have one line for the venv.

use std::collections::BTreeSet;

use super::elf::{ElfFacts, ObjectKind};

/// A path in the package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Relative to the package's root, without leading or trailing slash.
    pub path: String,
    /// What it is.
    pub kind: Kind,
}

/// What a path is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// A directory.
    Directory,
    /// A symbolic link.
    Link,
    /// A regular file.
    File {
        /// Whether any execute bit is set.
        executable: bool,
        /// The first line after `#!`, where it begins so.
        shebang: Option<String>,
        /// Facts, where it is an ELF file.
        elf: Option<ElfFacts>,
    },
}

/// Version control files that lintian knows (data/files/vcs-control-files).
const VCS: [&str; 8] =
    [".gitignore", ".gitattributes", ".gitmodules", ".hgignore", ".hgtags", ".hgsigs", ".bzrignore", ".cvsignore"];

/// Interpreters that lintian knows, with the directory that it expects: the ones
/// that occur in wheels (data/scripts/interpreters, versioned-interpreters).
const INTERPRETERS: [(&str, &str); 10] = [
    ("sh", "/bin"),
    ("bash", "/bin"),
    ("dash", "/bin"),
    ("ksh", "/bin"),
    ("csh", "/bin"),
    ("tcsh", "/usr/bin"),
    ("perl", "/usr/bin"),
    ("node", "/usr/bin"),
    ("ruby", "/usr/bin"),
    ("make", "/usr/bin"),
];

/// The lines of an override file (without newlines), sorted, for `package`, whose
/// venv is at `prefix` (`usr/lib/notes/venv`). `entries`: the venv, the links to
/// it in usr/bin and the package's manual pages.
pub fn overrides(package: &str, prefix: &str, entries: &[Entry]) -> Vec<String> {
    let prefix = prefix.trim_matches('/');
    let inside = format!("{prefix}/");
    let manuals: BTreeSet<&str> = entries
        .iter()
        .filter_map(|entry| entry.path.strip_prefix("usr/share/man/man"))
        .filter_map(|page| page.split_once('/'))
        .filter_map(|(_, page)| page.strip_suffix(".gz").unwrap_or(page).rsplit_once('.'))
        .map(|(name, _)| name)
        .collect();
    let mut lines = Lines { package, lines: BTreeSet::new() };
    for entry in entries {
        if let Some(command) = entry.path.strip_prefix("usr/bin/") {
            if !manuals.contains(command) {
                lines.exact("no-manual-page", &entry.path);
            }
            continue;
        }
        let Some(below) = entry.path.strip_prefix(&inside) else { continue };
        let name = entry.path.rsplit('/').next().unwrap_or_default();
        match &entry.kind {
            Kind::Directory if name == "__pycache__" => {
                lines.exact("package-installs-python-pycache-dir", &format!("{}/", entry.path));
            }
            Kind::Directory | Kind::Link => {}
            Kind::File { executable, shebang, elf } => {
                if VCS.contains(&name) {
                    lines.exact("package-contains-vcs-control-file", &entry.path);
                }
                if name.ends_with(".js") {
                    lines.anywhere("embedded-javascript-library", prefix);
                }
                if let Some(facts) = elf {
                    binary(&mut lines, &entry.path, prefix, facts);
                } else if let Some(shebang) = shebang {
                    if below.starts_with("bin/") {
                        command(&mut lines, &entry.path, prefix, shebang);
                    } else {
                        script(&mut lines, name, prefix, shebang, *executable);
                    }
                }
            }
        }
    }
    lines.lines.into_iter().collect()
}

struct Lines<'p> {
    package: &'p str,
    lines: BTreeSet<String>,
}

impl Lines<'_> {
    fn exact(&mut self, tag: &str, path: &str) {
        self.lines.insert(format!("{}: {tag} [{}]", self.package, pattern(path)));
    }

    /// With any text between tag and path.
    fn exact_with_context(&mut self, tag: &str, path: &str) {
        self.lines.insert(format!("{}: {tag} * [{}]", self.package, pattern(path)));
    }

    fn anywhere(&mut self, tag: &str, prefix: &str) {
        self.lines.insert(format!("{}: {tag} * [{prefix}/*]", self.package));
    }

    fn anywhere_bare(&mut self, tag: &str, prefix: &str) {
        self.lines.insert(format!("{}: {tag} [{prefix}/*]", self.package));
    }
}

/// A path as override pattern: white space would split the context.
fn pattern(path: &str) -> String {
    path.chars().map(|c| if c.is_whitespace() { '?' } else { c }).collect()
}

/// The conditions of lintian's Binaries/{DebugSymbols,Prerequisites,Static,Rpath}.pm.
fn binary(lines: &mut Lines<'_>, path: &str, prefix: &str, facts: &ElfFacts) {
    let object = path.ends_with(".o") || path.ends_with(".ko");
    if facts.has_symtab && !object {
        lines.exact("unstripped-binary-or-object", path);
    }
    lines.anywhere("embedded-library", prefix);
    let libc = facts.needed.iter().any(|library| library.starts_with("libc.so."));
    let cxx = facts.needed.iter().any(|library| library.starts_with("libstdc++.so."));
    match (facts.kind, facts.needed.is_empty()) {
        (ObjectKind::Shared, true) => lines.exact("shared-library-lacks-prerequisites", path),
        (ObjectKind::Shared, false) if !libc && !names_libc(path) => {
            lines.exact("library-not-linked-against-libc", path);
        }
        (ObjectKind::Executable, true) if !path.ends_with("-static") && !path.ends_with(".static") => {
            lines.exact("statically-linked-binary", path);
        }
        (ObjectKind::Executable, false) if !libc && !cxx => lines.exact("program-not-linked-against-libc", path),
        _ => {}
    }
    let foreign = |directory: &&String| !directory.starts_with("$ORIGIN") && !directory.starts_with("${ORIGIN}");
    for directory in facts.rpath.iter().chain(&facts.runpath).filter(foreign) {
        if directory.starts_with('/') {
            lines.exact_with_context("custom-library-search-path", path);
        } else if !directory.is_empty() {
            lines.exact_with_context("relative-library-search-path", path);
        }
    }
}

/// lintian's `m{/libc\b}`.
fn names_libc(path: &str) -> bool {
    path.match_indices("/libc")
        .any(|(at, word)| !path[at + word.len()..].starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_'))
}

/// A script in the venv's bin directory.
fn command(lines: &mut Lines<'_>, path: &str, prefix: &str, shebang: &str) {
    let interpreter = shebang.split_whitespace().next().unwrap_or_default();
    // lintian knows python3 and python3.N, but not python.
    if interpreter.strip_prefix('/') == Some(&format!("{prefix}/bin/python")) {
        lines.exact_with_context("unusual-interpreter", path);
    } else if interpreter.strip_prefix('/').is_some_and(|name| name.starts_with(&format!("{prefix}/bin/python"))) {
        lines.exact_with_context("wrong-path-for-interpreter", path);
    }
}

/// The conditions of lintian's Scripts.pm, for a module or data file.
fn script(lines: &mut Lines<'_>, name: &str, prefix: &str, shebang: &str, executable: bool) {
    let mut words = shebang.split_whitespace();
    let mut interpreter = words.next().unwrap_or_default();
    let env = interpreter == "/usr/bin/env";
    if env {
        interpreter = words.find(|word| !word.starts_with('-') && !word.contains('=')).unwrap_or_default();
    }
    let absolute = env || interpreter.starts_with('/');
    if interpreter.is_empty() || !(absolute || executable) {
        return;
    }
    if !absolute {
        lines.anywhere("interpreter-not-absolute", prefix);
    }
    if !executable && ![".py", ".pm", ".in", ".erb", ".ex"].iter().any(|suffix| name.contains(suffix)) {
        lines.anywhere_bare("script-not-executable", prefix);
    }
    let base = interpreter.rsplit('/').next().unwrap_or_default();
    let python = base.strip_prefix("python").is_some_and(|version| version.starts_with(['2', '3']));
    let expected = if python {
        Some("/usr/bin")
    } else {
        INTERPRETERS.iter().find(|(known, _)| *known == base).map(|(_, directory)| *directory)
    };
    match expected {
        Some("/usr/bin") if base == "perl" => {
            if env || interpreter != "/usr/bin/perl" {
                lines.anywhere("incorrect-path-for-interpreter", prefix);
                lines.anywhere("wrong-path-for-interpreter", prefix);
            }
        }
        Some(directory) => {
            if !env && interpreter != format!("{directory}/{base}") {
                lines.anywhere("wrong-path-for-interpreter", prefix);
            }
        }
        None if interpreter.starts_with("/usr/local/") => lines.anywhere("interpreter-in-usr-local", prefix),
        None if interpreter == "/bin/env" => lines.anywhere("script-uses-bin-env", prefix),
        None => lines.anywhere("unusual-interpreter", &format!("{prefix}/lib")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn file(path: &str, executable: bool, shebang: Option<&str>, elf: Option<ElfFacts>) -> Entry {
        Entry { path: path.into(), kind: Kind::File { executable, shebang: shebang.map(Into::into), elf } }
    }

    fn library(needed: &[&str]) -> ElfFacts {
        let needed = needed.iter().map(|name| (*name).to_owned()).collect();
        ElfFacts { kind: ObjectKind::Shared, needed, is_dynamic: true, ..ElfFacts::default() }
    }

    fn lines(entries: &[Entry]) -> Vec<String> {
        let all = overrides("app", "/usr/lib/app/venv/", entries);
        all.into_iter().map(|line| line.replace("usr/lib/app/venv", "V").replacen("app: ", "", 1)).collect()
    }

    const V: &str = "usr/lib/app/venv";

    #[test]
    fn bytecode_directories_end_in_a_slash() {
        let directory = |path: String| Entry { path, kind: Kind::Directory };
        let entries = [directory(format!("{V}/lib/__pycache__")), directory("usr/lib/app/__pycache__".into())];
        assert_eq!(lines(&entries), ["package-installs-python-pycache-dir [V/lib/__pycache__/]"]);
    }

    #[test]
    fn libraries_by_their_facts() {
        let so = |name: &str, facts| file(&format!("{V}/{name}"), false, None, Some(facts));
        let search = ElfFacts { runpath: vec!["$ORIGIN/x".into(), "/opt/x".into()], ..library(&["libc.so.6"]) };
        let entries = [
            so("a.so", ElfFacts { has_symtab: true, ..library(&["libc.so.6"]) }),
            so("b c.so", library(&["libm.so.6"])),
            so("d.so", library(&[])),
            so("libc-1.so", library(&["libm.so.6"])),
            so("e.so", search),
            so("x.o", ElfFacts { has_symtab: true, kind: ObjectKind::Relocatable, ..ElfFacts::default() }),
            so("bin/p", ElfFacts { kind: ObjectKind::Executable, ..ElfFacts::default() }),
        ];
        assert_eq!(
            lines(&entries),
            [
                "custom-library-search-path * [V/e.so]",
                "embedded-library * [V/*]",
                "library-not-linked-against-libc [V/b?c.so]",
                "shared-library-lacks-prerequisites [V/d.so]",
                "statically-linked-binary [V/bin/p]",
                "unstripped-binary-or-object [V/a.so]",
            ]
        );
    }

    #[test]
    fn scripts_by_their_first_line() {
        let module = |shebang, executable| file(&format!("{V}/lib/m.py"), executable, Some(shebang), None);
        let own = file(&format!("{V}/bin/tool"), true, Some("/usr/lib/app/venv/bin/python"), None);
        let shell = file(&format!("{V}/bin/sh-tool"), true, Some("/bin/sh"), None);
        assert_eq!(lines(&[own, shell]), ["unusual-interpreter * [V/bin/tool]"]);
        for (shebang, executable, expected) in [
            ("/usr/bin/env python", false, "unusual-interpreter * [V/lib/*]"),
            ("/usr/bin/env python3", false, ""),
            ("/usr/bin/python3 -E", false, ""),
            ("/bin/env python", false, "script-uses-bin-env * [V/*]"),
            ("python", false, ""),
            ("<<PYTHON>>", true, "interpreter-not-absolute * [V/*]\nunusual-interpreter * [V/lib/*]"),
            ("/usr/local/bin/foo", false, "interpreter-in-usr-local * [V/*]"),
            ("/usr/bin/bash", false, "wrong-path-for-interpreter * [V/*]"),
        ] {
            assert_eq!(lines(&[module(shebang, executable)]).join("\n"), expected, "{shebang}");
        }
        let data = file(&format!("{V}/lib/yarn.js"), false, Some("/usr/bin/env node"), None);
        assert_eq!(lines(&[data]), ["embedded-javascript-library * [V/*]", "script-not-executable [V/*]"]);
    }

    #[test]
    fn commands_without_manual_page() {
        let link = |path: &str| Entry { path: path.into(), kind: Kind::Link };
        let page = file("usr/share/man/man1/notes.1.gz", false, None, None);
        assert_eq!(lines(&[link("usr/bin/notes"), link("usr/bin/uv"), page]), ["no-manual-page [usr/bin/uv]"]);
    }

    proptest! {
        #[test]
        fn any_first_line_is_answered(shebang in "\\PC{0,30}", executable: bool) {
            lines(&[file(&format!("{V}/lib/x"), executable, Some(&shebang), None)]);
            lines(&[file(&format!("{V}/bin/x"), executable, Some(&shebang), None)]);
        }
    }
}
