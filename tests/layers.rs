//! The modules of src/ import what ARCHITECTURE.md says, and nothing in a circle.
#![allow(clippy::disallowed_methods, reason = "a test reads sources")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

type Table = Vec<(String, BTreeSet<String>)>;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The rows of the table, in their order.
fn promised() -> Table {
    let text = std::fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    let rows = text.lines().skip_while(|line| *line != "| module | imports |").skip(2);
    let cells = rows.map_while(|row| row.strip_prefix("| ")?.strip_suffix('|')?.split_once('|'));
    let names =
        |cell: &str| cell.split(',').map(|name| name.trim().to_owned()).filter(|name| !name.is_empty()).collect();
    cells.map(|(module, imports)| (module.trim().to_owned(), names(imports))).collect()
}

fn files(directory: &Path) -> Vec<PathBuf> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()) {
        match entry.is_dir() {
            true => all.extend(files(&entry)),
            false => all.push(entry),
        }
    }
    all
}

/// The modules that a text names after `crate::`, tests and comments left out.
fn named(text: &str) -> BTreeSet<String> {
    let code = text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
    let code: Vec<&str> = code.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
    let mut names = BTreeSet::new();
    for after in code.join("\n").split("crate::").skip(1) {
        let group = after.strip_prefix('{').map(|group| group.split(';').next().unwrap_or_default());
        let parts = group.map_or_else(|| vec![after], |group| group.split(',').collect());
        let name =
            |part: &str| part.trim().chars().take_while(|c| c.is_ascii_lowercase() || *c == '_').collect::<String>();
        names.extend(parts.into_iter().map(name).filter(|name| !name.is_empty()));
    }
    names
}

/// What each module of src/ imports.
fn imported() -> BTreeMap<String, BTreeSet<String>> {
    let source = root().join("src");
    let mut all: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for file in files(&source) {
        let path = file.strip_prefix(&source).unwrap();
        let module = path.components().next().unwrap().as_os_str().to_string_lossy();
        let module = module.trim_end_matches(".rs").to_owned();
        let is_test = path.file_stem().is_some_and(|stem| stem == "tests");
        if ["lib", "bin"].contains(&module.as_str()) || is_test {
            continue;
        }
        let names = named(&std::fs::read_to_string(&file).unwrap());
        all.entry(module.clone()).or_default().extend(names.into_iter().filter(|name| *name != module));
    }
    all
}

#[test]
fn modules_import_what_the_table_says() {
    let promised: BTreeMap<String, BTreeSet<String>> = promised().into_iter().collect();
    assert_eq!(imported(), promised, "left: the code; right: ARCHITECTURE.md");
}

#[test]
fn each_row_knows_rows_above_it_alone() {
    let mut above = BTreeSet::new();
    for (module, imports) in promised() {
        let below: Vec<&String> = imports.difference(&above).collect();
        assert!(below.is_empty(), "{module} imports {below:?}, which are not above it");
        above.insert(module);
    }
}

#[test]
fn names_after_crate_are_found() {
    let text = "use crate::error::{A, B};\nuse crate::{debian::x, hex};\n// crate::comment\nfn f() { crate::plan::g() }\n\
                #[cfg(test)]\nmod tests { use crate::cli; }\n";
    assert_eq!(named(text), ["debian", "error", "hex", "plan"].map(str::to_owned).into());
}
