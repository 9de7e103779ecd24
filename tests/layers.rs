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

/// The modules of src/ by their paths, `run::venv::cache`, each with its code.
fn modules() -> BTreeMap<String, String> {
    let source = root().join("src");
    let mut all = BTreeMap::new();
    for file in files(&source) {
        let path = file.strip_prefix(&source).unwrap().with_extension("");
        let names: Vec<String> = path.iter().map(|name| name.to_string_lossy().into_owned()).collect();
        let names = names.strip_suffix(&["mod".to_owned()]).unwrap_or(&names);
        if ["lib", "bin"].contains(&names[0].as_str()) || names.last().is_some_and(|name| name == "tests") {
            continue;
        }
        let text = std::fs::read_to_string(&file).unwrap();
        let code = text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
        let code: Vec<&str> = code.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
        all.insert(names.join("::"), code.join("\n"));
    }
    all
}

/// The paths of a `use`, groups taken apart.
fn paths(text: &str) -> Vec<String> {
    let Some((before, group)) = text.split_once('{') else { return vec![text.trim().to_owned()] };
    let group = group.rsplit_once('}').map_or(group, |(group, _)| group);
    let mut parts = vec![String::new()];
    let mut depth = 0;
    for c in group.chars() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(String::new());
                continue;
            }
            _ => {}
        }
        parts.last_mut().unwrap().push(c);
    }
    let parts = parts.iter().filter(|part| !part.trim().is_empty());
    parts.flat_map(|part| paths(part.trim())).map(|path| format!("{}{path}", before.trim())).collect()
}

/// Which modules each one names.
fn graph(modules: &BTreeMap<String, String>) -> BTreeMap<&str, BTreeSet<&str>> {
    let word = |c: char| c.is_alphanumeric() || c == '_' || c == ':';
    let mut graph = BTreeMap::new();
    for (module, code) in modules {
        let mut named: Vec<String> = Vec::new();
        for item in code.split("use ").skip(1) {
            named.extend(paths(item.split(';').next().unwrap_or_default()));
        }
        for start in ["crate::", "super::"] {
            named
                .extend(code.match_indices(start).map(|(at, _)| code[at..].chars().take_while(|c| word(*c)).collect()));
        }
        let own: Vec<&str> = module.split("::").collect();
        let found = named.iter().filter_map(|path| {
            let mut place = own.clone();
            let mut rest = path.split("::").peekable();
            match rest.peek().copied()? {
                "crate" => place.clear(),
                "super" | "self" => {}
                child if modules.contains_key(&format!("{module}::{child}")) => place.push("self"),
                _ => return None,
            }
            for name in rest {
                match name {
                    "crate" | "self" => {}
                    "super" => drop(place.pop()),
                    name => place.push(name),
                }
            }
            place.retain(|name| *name != "self");
            // The longest beginning that is a module.
            (1..=place.len()).rev().find_map(|count| modules.get_key_value(&place[..count].join("::")))
        });
        let found: BTreeSet<&str> = found.map(|(name, _)| name.as_str()).filter(|name| name != module).collect();
        graph.insert(module.as_str(), found);
    }
    graph
}

/// Whether one of them is the other's own part, in which it has put what it is made of.
fn is_part(one: &str, other: &str) -> bool {
    one.strip_prefix(other).is_some_and(|rest| rest.starts_with("::"))
}

#[test]
fn no_files_import_each_other_in_a_circle() {
    let modules = modules();
    let graph = graph(&modules);
    let mut circles = Vec::new();
    for start in graph.keys() {
        // What can be reached, without steps between a module and its own parts upwards.
        let (mut open, mut seen) = (vec![*start], BTreeSet::new());
        while let Some(one) = open.pop() {
            let next = graph[one].iter().filter(|other| !is_part(one, other));
            open.extend(next.filter(|other| seen.insert(**other)));
        }
        if seen.contains(start) {
            circles.push(*start);
        }
    }
    assert!(circles.is_empty(), "in circles: {circles:?}");
    assert!(graph["run::venv::assemble"].contains("run::venv::depends"), "nothing is read: {graph:?}");
}
