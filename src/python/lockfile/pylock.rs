//! `pylock.toml` (PEP 751), lock version 1.x.
//!
//! Owns the choice of packages by markers, extras and groups. The format is a
//! flat list, so there is no graph to walk.

use std::collections::BTreeSet;
use std::path::PathBuf;

use pep508_rs::MarkerEnvironment;
use toml::de::DeTable;

use super::super::name::normalise;
use super::document::{Document, Value, array, string, strings, table};
use super::marker::{Context, set_extra, set_group};
use super::uv::{bad_marker, candidates, file_name, requires_python, truth};
use super::{File, Pinned, Source, finish};
use crate::error::Diagnostic;

type Faults = Vec<Diagnostic>;

/// See [`super::pylock`].
pub(super) fn read(
    document: &Document<'_>,
    extras: &[String],
    groups: &[String],
    environment: &MarkerEnvironment,
) -> Result<Vec<Pinned>, Faults> {
    let root = document.root();
    version(document)?;
    let mut context = Context::new(environment);
    let mut faults = Vec::new();
    for name in chosen(document, extras, "extra", "extras", &mut faults) {
        context.activate(&set_extra(&name));
    }
    let default = strings(root, "default-groups").map(|(_, name)| normalise(name));
    for name in chosen(document, groups, "group", "dependency-groups", &mut faults).into_iter().chain(default) {
        context.activate(&set_group(&name));
    }
    if let Some(value) = root.get("requires-python") {
        requires_python(document, value, environment, None).map_or_else(|fault| faults.push(*fault), |()| ());
    }
    environments(document, &context, &mut faults);
    if !faults.is_empty() {
        return Err(faults);
    }

    let mut pinned = Vec::new();
    for value in array(root, "packages") {
        let Some(package) = value.get_ref().as_table() else { continue };
        if let Some(marker) = string(package, "marker") {
            match context.holds_with_sets(marker) {
                Ok(true) => {}
                Ok(false) => continue,
                Err(message) => {
                    faults.push(bad_marker(document, value, marker, &message));
                    continue;
                }
            }
        }
        match one(document, value, package, environment) {
            Ok(one) => pinned.push(one),
            Err(fault) => faults.push(*fault),
        }
    }
    // PEP 751, "Installation": more than one applicable entry of a name is an error.
    finish(pinned, document, faults, "write the lock file again; extras or groups may exclude each other")
}

fn version(document: &Document<'_>) -> Result<(), Faults> {
    let value = document.root().get("lock-version");
    match value.and_then(|value| value.get_ref().as_str()) {
        // PEP 751, "lock-version": tools read any 1.x.
        Some(text) if text == "1" || text.starts_with("1.") => Ok(()),
        Some(text) => Err(vec![
            document
                .fault_near(value, format!("pylock version {text} is unknown"))
                .hint("dh_venv reads version 1.x (PEP 751); write the lock with a tool that makes it"),
        ]),
        None => Err(vec![
            document
                .fault_near(value, "no lock-version: this is not a pylock.toml")
                .hint("name a file made by 'uv export --format pylock.toml', 'pip lock' or 'pdm lock'"),
        ]),
    }
}

/// The extras or groups asked for, each of which the file must declare.
fn chosen(document: &Document<'_>, names: &[String], what: &str, key: &str, faults: &mut Faults) -> BTreeSet<String> {
    let known: BTreeSet<String> = strings(document.root(), key).map(|(_, name)| normalise(name)).collect();
    for name in names.iter().filter(|name| !known.contains(&normalise(name))) {
        let message = format!("the lock has no {what} '{name}'");
        let hint = if known.is_empty() {
            format!("this lock declares no {what}s ('{key}'): name the {what} when the lock is written, not here")
        } else {
            candidates(&normalise(name), &known, what)
        };
        faults.push(document.fault_near(document.root().get(key), message).hint(hint));
    }
    names.iter().map(|name| normalise(name)).collect()
}

/// PEP 751, "environments": one of them has to hold.
fn environments(document: &Document<'_>, context: &Context<'_>, faults: &mut Faults) {
    let listed: Vec<_> = strings(document.root(), "environments").collect();
    let mut any = listed.is_empty();
    for (value, marker) in &listed {
        match context.holds_with_sets(marker) {
            Ok(holds) => any |= holds,
            Err(message) => faults.push(bad_marker(document, value, marker, &message)),
        }
    }
    if let (false, Some((first, _))) = (any, listed.first()) {
        faults.push(
            document
                .fault(first, "the lock was made for other environments than this one")
                .hint("write the lock for Debian's interpreter and this architecture"),
        );
    }
}

fn one(
    document: &Document<'_>,
    value: &Value<'_>,
    package: &DeTable<'_>,
    environment: &MarkerEnvironment,
) -> Result<Pinned, Box<Diagnostic>> {
    let name = normalise(string(package, "name").unwrap_or_default());
    let fault = |message: String, hint: &str| Box::new(document.fault(value, message).hint(hint));
    if name.is_empty() {
        return Err(fault("a package without a name".to_owned(), "write the lock file again"));
    }
    if let Some(range) = package.get("requires-python") {
        requires_python(document, range, environment, Some(&name))?;
    }
    let version = string(package, "version").map(str::to_owned);
    let location = |table: &DeTable<'_>| {
        string(table, "url").or_else(|| string(table, "path")).or_else(|| string(table, "name")).map(str::to_owned)
    };
    let subdirectory = |table: &DeTable<'_>| string(table, "subdirectory").map(str::to_owned);
    let mut files = Vec::new();
    let mut hashes = BTreeSet::new();
    let mut add = |value: &Value<'_>, table: &DeTable<'_>| -> Result<(), Box<Diagnostic>> {
        let location = location(table).unwrap_or_default();
        let file = string(table, "name").map_or_else(|| file_name(&location), str::to_owned);
        let found = strong_hashes(table);
        let Some(hash) = found.first().cloned() else {
            return Err(Box::new(
                document
                    .fault(value, format!("'{file}' of '{name}' has no sha256, sha384 or sha512 hash"))
                    .hint("write the lock from an index that gives sha256"),
            ));
        };
        hashes.extend(found);
        files.push(File { name: file, location, hash });
        Ok(())
    };

    let source = if let Some(vcs) = table(package, "vcs") {
        let kind = string(vcs, "type").unwrap_or_default();
        if kind != "git" {
            return Err(fault(format!("'{name}' comes from '{kind}'"), "dh_venv knows git; lock an archive instead"));
        }
        match (string(vcs, "url").or_else(|| string(vcs, "path")), string(vcs, "commit-id")) {
            (Some(url), Some(commit)) => {
                Source::Git { url: url.to_owned(), commit: commit.to_owned(), subdirectory: subdirectory(vcs) }
            }
            _ => return Err(fault(format!("'{name}' has a git source without url or commit-id"), "lock it again")),
        }
    } else if let Some(directory) = table(package, "directory") {
        let mut path = PathBuf::from(string(directory, "path").unwrap_or("."));
        if let Some(below) = subdirectory(directory) {
            path.push(below);
        }
        Source::Directory { path, editable: truth(directory, "editable"), dependencies_only: false }
    } else if let Some(value) = package.get("archive") {
        let empty = DeTable::new();
        let archive = value.get_ref().as_table().unwrap_or(&empty);
        add(value, archive)?;
        match (string(archive, "url"), string(archive, "path")) {
            (Some(url), _) => Source::Url { url: url.to_owned(), subdirectory: subdirectory(archive) },
            (None, Some(path)) => Source::Path(PathBuf::from(path)),
            (None, None) => {
                return Err(fault(format!("the archive of '{name}' has neither url nor path"), "lock it again"));
            }
        }
    } else {
        let listed = package.get("sdist").into_iter().chain(array(package, "wheels"));
        for value in listed {
            if let Some(table) = value.get_ref().as_table() {
                add(value, table)?;
            }
        }
        if version.is_none() {
            return Err(fault(format!("'{name}' has no version"), "lock it again"));
        }
        Source::Index { url: string(package, "index").unwrap_or_default().to_owned() }
    };
    if files.is_empty() && matches!(source, Source::Index { .. }) {
        return Err(fault(format!("'{name}' has no files in the lock"), "lock it again"));
    }
    files.sort();
    Ok(Pinned { name, version, source, hashes: hashes.into_iter().collect(), files, line: document.line(value) })
}

/// The hashes of a file that pip accepts, sha256 first.
fn strong_hashes(file: &DeTable<'_>) -> Vec<String> {
    let Some(hashes) = table(file, "hashes") else { return Vec::new() };
    ["sha256", "sha384", "sha512"]
        .iter()
        .filter_map(|algorithm| string(hashes, algorithm).map(|hex| format!("{algorithm}:{}", hex.to_lowercase())))
        .collect()
}
