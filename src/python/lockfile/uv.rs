//! `uv.lock`, version 1.
//!
//! Owns the walk from the root project through uv's package graph, as
//! `Installable::to_resolution` in uv's `installable.rs` does it; differences:
//! groups are only those that are named, and a lock whose hashes are missing is
//! refused.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use pep440_rs::VersionSpecifiers;
use pep508_rs::MarkerEnvironment;
use toml::de::{DeTable, DeValue};

use super::super::name::normalise;
use super::document::{Document, Value, array, boolean, string, strings, table};
use super::marker::{Context, conflict_extra, conflict_group, conflict_project};
use super::{File, Pinned, Source, finish};
use crate::error::{Diagnostic, nearest};

type Faults = Vec<Diagnostic>;

/// One `[[package]]`.
struct Package<'d, 't> {
    value: &'d Value<'t>,
    table: &'d DeTable<'t>,
    name: String,
}

/// The lock with its packages by name.
struct Lock<'d, 't> {
    document: &'d Document<'t>,
    packages: Vec<Package<'d, 't>>,
    by_name: BTreeMap<String, Vec<usize>>,
}

/// A package to visit, with one of its extras or without.
type Visit = (usize, Option<String>);

/// See [`super::uv_lock`].
pub(super) fn read(
    document: &Document<'_>,
    project: &str,
    extras: &[String],
    groups: &[String],
    environment: &MarkerEnvironment,
) -> Result<Vec<Pinned>, Faults> {
    header(document, environment)?;
    let lock = Lock::new(document);
    let root = lock.root(project)?;
    let extras = lock.chosen(root, extras, "extra", "optional-dependencies", Some("provides-extras"))?;
    let groups = lock.chosen(root, groups, "group", "dev-dependencies", None)?;
    lock.conflicts(root, &extras, &groups)?;

    let name = &lock.packages[root].name;
    let mut context = Context::new(environment);
    context.activate(&conflict_project(name));
    for extra in &extras {
        context.activate(&conflict_extra(name, extra));
    }
    for group in &groups {
        context.activate(&conflict_group(name, group));
    }
    // Which of two versions a dependency means can depend on an extra that is
    // switched on elsewhere in the graph, so those are collected first.
    if document.root().contains_key("conflicts") {
        lock.walk(root, &extras, &groups, &mut context, true)?;
    }
    let seen = lock.walk(root, &extras, &groups, &mut context, false)?;

    let mut pinned = Vec::new();
    let mut faults = Vec::new();
    for index in seen.into_iter().filter(|index| *index != root) {
        match lock.pinned(index) {
            Ok(one) => pinned.push(one),
            Err(fault) => faults.push(*fault),
        }
    }
    finish(pinned, document, faults, "run 'uv lock' again; extras or groups that exclude each other cannot be combined")
}

/// Lock version, Python version and platform.
fn header(document: &Document<'_>, environment: &MarkerEnvironment) -> Result<(), Faults> {
    let root = document.root();
    let version = root.get("version");
    let number = version.and_then(|value| value.get_ref().as_integer()).map(|integer| integer.as_str().to_owned());
    match number.as_deref() {
        Some("1") => {}
        Some(other) => {
            return Err(vec![
                document
                    .fault_near(version, format!("uv lock version {other} is unknown"))
                    .hint("dh_venv reads version 1; write the lock with a uv that makes it, or use 'uv export'"),
            ]);
        }
        None => {
            return Err(vec![
                document
                    .fault_near(version, "no lock version: this is not a uv.lock")
                    .hint("name a file made by 'uv lock', or one called pylock.toml"),
            ]);
        }
    }
    let mut faults = Vec::new();
    if let Some(value) = root.get("requires-python") {
        requires_python(document, value, environment, None).map_or_else(|fault| faults.push(*fault), |()| ());
    }
    let context = Context::new(environment);
    let mut supported = strings(root, "supported-markers").peekable();
    if let Some((first, _)) = supported.peek().copied() {
        let mut any = false;
        for (value, marker) in supported {
            match context.holds(marker) {
                Ok(holds) => any |= holds,
                Err(message) => faults.push(bad_marker(document, value, marker, &message)),
            }
        }
        if !any && faults.is_empty() {
            faults.push(
                document
                    .fault(first, "the lock was made for other platforms than this one (supported-markers)")
                    .hint("add this platform to 'environments' in [tool.uv] and run 'uv lock'"),
            );
        }
    }
    if faults.is_empty() { Ok(()) } else { Err(faults) }
}

/// Whether the environment's Python is one that the lock was made for.
pub(super) fn requires_python(
    document: &Document<'_>,
    value: &Value<'_>,
    environment: &MarkerEnvironment,
    package: Option<&str>,
) -> Result<(), Box<Diagnostic>> {
    let wanted = value.get_ref().as_str().unwrap_or_default();
    let whose = package.map_or_else(|| "the lock".to_owned(), |name| format!("'{name}'"));
    match VersionSpecifiers::from_str(wanted) {
        Err(_) => Err(Box::new(document.fault(value, format!("requires-python '{wanted}' is no version range")))),
        Ok(range) if range.contains(environment.python_full_version()) => Ok(()),
        Ok(_) => Err(Box::new(
            document
                .fault(
                    value,
                    format!(
                        "{whose} is for Python {wanted}, and the venv's Python is {}",
                        environment.python_full_version()
                    ),
                )
                .hint("choose another interpreter with 'Python', or lock again with a wider requires-python"),
        )),
    }
}

/// A marker that cannot be read.
pub(super) fn bad_marker(document: &Document<'_>, value: &Value<'_>, marker: &str, message: &str) -> Diagnostic {
    document
        .fault(value, format!("cannot read the marker \"{marker}\": {message}"))
        .hint("write the lock file again with the tool that made it")
}

impl<'d, 't> Lock<'d, 't> {
    fn new(document: &'d Document<'t>) -> Self {
        let mut packages = Vec::new();
        let mut by_name: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        // `distribution` is what the first locks of version 1 called it.
        for value in array(document.root(), "package").iter().chain(array(document.root(), "distribution")) {
            if let Some(table) = value.get_ref().as_table() {
                let name = normalise(string(table, "name").unwrap_or_default());
                by_name.entry(name.clone()).or_default().push(packages.len());
                packages.push(Package { value, table, name });
            }
        }
        Self { document, packages, by_name }
    }

    /// The root project: a package with this name that is a directory.
    fn root(&self, project: &str) -> Result<usize, Faults> {
        let wanted = normalise(project);
        if let Some(index) = self.by_name.get(&wanted).and_then(|all| all.first()) {
            return Ok(*index);
        }
        let local: Vec<&str> = self
            .packages
            .iter()
            .filter(|package| {
                table(package.table, "source")
                    .is_some_and(|source| source.contains_key("editable") || source.contains_key("virtual"))
            })
            .map(|package| package.name.as_str())
            .collect();
        let fault = self.document.fault_at_line(1, format!("the lock has no project '{wanted}'"));
        Err(vec![match (nearest(&wanted, local.iter().copied()), local.is_empty()) {
            (Some(near), _) => fault.hint(format!("did you mean '{near}'?")),
            (None, false) => fault.hint(format!("its projects are: {}", local.join(", "))),
            (None, true) => fault.hint("run 'uv lock' in the project's directory"),
        }])
    }

    /// The extras or groups asked for, normalised, each of which must exist.
    fn chosen(
        &self,
        root: usize,
        names: &[String],
        what: &str,
        key: &str,
        provided: Option<&str>,
    ) -> Result<BTreeSet<String>, Faults> {
        let root = &self.packages[root];
        let mut known: BTreeSet<String> = BTreeSet::new();
        let metadata = table(root.table, "metadata");
        if let Some(provided) = provided {
            known.extend(metadata.into_iter().flat_map(|m| strings(m, provided)).map(|(_, name)| normalise(name)));
        } else if let Some(declared) = metadata.and_then(|metadata| table(metadata, "requires-dev")) {
            // A group whose dependencies are all for other platforms has no table of its own.
            known.extend(declared.keys().map(|name| normalise(name.get_ref())));
        }
        for table in self.tables(root.table, key) {
            known.extend(table.keys().map(|name| normalise(name.get_ref())));
        }
        let mut chosen = BTreeSet::new();
        let mut faults = Vec::new();
        for name in names {
            let wanted = normalise(name);
            if !known.contains(&wanted) {
                let fault = self.document.fault(root.value, format!("'{}' has no {what} '{name}'", root.name));
                faults.push(fault.hint(candidates(&wanted, &known, what)));
            }
            chosen.insert(wanted);
        }
        if faults.is_empty() { Ok(chosen) } else { Err(faults) }
    }

    /// The table of extras or groups of a package, under either of its names.
    fn tables(&self, package: &'d DeTable<'t>, key: &str) -> impl Iterator<Item = &'d DeTable<'t>> {
        let old = if key == "dev-dependencies" { table(package, "dependency-groups") } else { None };
        table(package, key).into_iter().chain(old)
    }

    /// Refuse what the project says cannot be combined.
    fn conflicts(&self, root: usize, extras: &BTreeSet<String>, groups: &BTreeSet<String>) -> Result<(), Faults> {
        let root = &self.packages[root].name;
        let mut faults = Vec::new();
        for set in array(self.document.root(), "conflicts") {
            let items = set.get_ref().as_array().into_iter().flatten().filter_map(|item| item.get_ref().as_table());
            let active: Vec<String> = items
                .filter(|item| string(item, "package").is_some_and(|package| normalise(package) == *root))
                .filter_map(|item| match (string(item, "extra"), string(item, "group")) {
                    (Some(extra), _) => extras.contains(&normalise(extra)).then(|| format!("extra '{extra}'")),
                    (_, Some(group)) => groups.contains(&normalise(group)).then(|| format!("group '{group}'")),
                    (None, None) => Some(format!("project '{root}'")),
                })
                .collect();
            if active.len() > 1 {
                faults.push(
                    self.document
                        .fault(set, format!("{} exclude each other", active.join(" and ")))
                        .hint("choose one of them"),
                );
            }
        }
        if faults.is_empty() { Ok(()) } else { Err(faults) }
    }

    /// Breadth first from the root; returns the packages met. While `collecting`,
    /// the extras met are switched on for conflict markers.
    fn walk(
        &self,
        root: usize,
        extras: &BTreeSet<String>,
        groups: &BTreeSet<String>,
        context: &mut Context<'_>,
        collecting: bool,
    ) -> Result<BTreeSet<usize>, Faults> {
        let mut queue: VecDeque<Visit> = VecDeque::from([(root, None)]);
        queue.extend(extras.iter().map(|extra| (root, Some(extra.clone()))));
        let mut visited: BTreeSet<Visit> = queue.iter().cloned().collect();
        let mut met = BTreeSet::new();
        let mut faults = Vec::new();
        for group in groups {
            for dependencies in self.tables(self.packages[root].table, "dev-dependencies") {
                self.enqueue(lookup(dependencies, group), context, collecting, &mut queue, &mut visited, &mut faults);
            }
        }
        while let Some((index, extra)) = queue.pop_front() {
            met.insert(index);
            let package = self.packages[index].table;
            let dependencies = match &extra {
                None => array(package, "dependencies"),
                Some(extra) => {
                    table(package, "optional-dependencies").map_or(&[][..], |optional| lookup(optional, extra))
                }
            };
            self.enqueue(dependencies, context, collecting, &mut queue, &mut visited, &mut faults);
        }
        if faults.is_empty() { Ok(met) } else { Err(faults) }
    }

    /// Queue those of `dependencies` whose markers hold.
    fn enqueue(
        &self,
        dependencies: &'d [Value<'t>],
        context: &mut Context<'_>,
        collecting: bool,
        queue: &mut VecDeque<Visit>,
        visited: &mut BTreeSet<Visit>,
        faults: &mut Faults,
    ) {
        for value in dependencies {
            let Some(dependency) = value.get_ref().as_table() else { continue };
            let name = normalise(string(dependency, "name").unwrap_or_default());
            // uv calls the list `extra`; its first locks had `extras`.
            let extras: Vec<String> =
                strings(dependency, "extra").chain(strings(dependency, "extras")).map(|(_, e)| normalise(e)).collect();
            if let Some(marker) = string(dependency, "marker") {
                let mut here = context.clone();
                if collecting {
                    for extra in &extras {
                        here.activate(&conflict_extra(&name, extra));
                    }
                }
                match here.holds(marker) {
                    Ok(true) => {}
                    Ok(false) => continue,
                    Err(message) => {
                        faults.push(bad_marker(self.document, value, marker, &message));
                        continue;
                    }
                }
            }
            if collecting {
                for extra in &extras {
                    context.activate(&conflict_extra(&name, extra));
                }
            }
            match self.find(value, dependency, &name) {
                Ok(index) => {
                    for extra in std::iter::once(None).chain(extras.into_iter().map(Some)) {
                        if visited.insert((index, extra.clone())) {
                            queue.push_back((index, extra));
                        }
                    }
                }
                Err(fault) => faults.push(*fault),
            }
        }
    }

    /// The one package that a dependency means.
    fn find(&self, value: &Value<'t>, dependency: &DeTable<'t>, name: &str) -> Result<usize, Box<Diagnostic>> {
        let cure = "run 'uv lock' again";
        let all = self.by_name.get(name).map_or(&[][..], Vec::as_slice);
        let version = string(dependency, "version");
        let source = dependency.get("source");
        let mut matching = all.iter().copied().filter(|index| {
            let package = self.packages[*index].table;
            (version.is_none() || version == string(package, "version"))
                && source.is_none_or(|source| {
                    package.get("source").is_some_and(|other| same(source.get_ref(), other.get_ref()))
                })
        });
        match (matching.next(), matching.next()) {
            (Some(index), None) => Ok(index),
            (Some(_), Some(_)) => Err(Box::new(
                self.document
                    .fault(value, format!("more than one package in the lock could be meant by '{name}'"))
                    .hint(cure),
            )),
            (None, _) => {
                let version = version.map(|version| format!(" {version}")).unwrap_or_default();
                Err(Box::new(
                    self.document.fault(value, format!("the lock has no package '{name}'{version}")).hint(cure),
                ))
            }
        }
    }

    fn pinned(&self, index: usize) -> Result<Pinned, Box<Diagnostic>> {
        let package = &self.packages[index];
        let source = self.source(package)?;
        let version = string(package.table, "version").map(str::to_owned);
        if matches!(source, Source::Index { .. }) && version.is_none() {
            let message = format!("'{}' has no version", package.name);
            return Err(Box::new(self.document.fault(package.value, message).hint("run 'uv lock' again")));
        }
        let hashed = matches!(source, Source::Index { .. } | Source::Url { .. } | Source::Path(_));
        let mut files = Vec::new();
        if hashed {
            let listed = package.table.get("sdist").into_iter().chain(array(package.table, "wheels"));
            for value in listed {
                files.push(self.file(package, &source, value)?);
            }
            if files.is_empty() {
                return Err(Box::new(
                    self.document
                        .fault(package.value, format!("'{}' has no files in the lock", package.name))
                        .hint("run 'uv lock' again, with an index that has the distribution"),
                ));
            }
        }
        files.sort();
        let hashes: BTreeSet<String> = files.iter().map(|file| file.hash.clone()).collect();
        Ok(Pinned {
            name: package.name.clone(),
            version,
            source,
            hashes: hashes.into_iter().collect(),
            files,
            line: self.document.line(package.value),
        })
    }

    fn source(&self, package: &Package<'d, 't>) -> Result<Source, Box<Diagnostic>> {
        let unknown = |what: &str| {
            let message = format!("'{}' has {what}", package.name);
            let cure = "dh_venv knows registry, url, git, path, directory, editable and virtual; use 'uv export'";
            Box::new(self.document.fault(package.value, message).hint(cure))
        };
        let source = table(package.table, "source").ok_or_else(|| unknown("no source"))?;
        let subdirectory = string(source, "subdirectory").map(str::to_owned);
        let directory = |path: &str, editable, dependencies_only| Source::Directory {
            path: PathBuf::from(path),
            editable,
            dependencies_only,
        };
        if let Some(url) = string(source, "registry") {
            Ok(Source::Index { url: url.to_owned() })
        } else if let Some(url) = string(source, "url") {
            Ok(Source::Url { url: url.to_owned(), subdirectory })
        } else if let Some(url) = string(source, "git") {
            git(url).ok_or_else(|| unknown("a git source without a commit"))
        } else if let Some(path) = string(source, "path") {
            Ok(Source::Path(PathBuf::from(path)))
        } else if let Some(path) = string(source, "directory") {
            Ok(directory(path, false, false))
        } else if let Some(path) = string(source, "editable") {
            Ok(directory(path, true, false))
        } else if let Some(path) = string(source, "virtual") {
            Ok(directory(path, false, true))
        } else {
            Err(unknown("a source of an unknown kind"))
        }
    }

    fn file(&self, package: &Package<'_, '_>, source: &Source, value: &Value<'t>) -> Result<File, Box<Diagnostic>> {
        let empty = DeTable::new();
        let file = value.get_ref().as_table().unwrap_or(&empty);
        let location = match (string(file, "url").or_else(|| string(file, "path")), source) {
            (Some(location), _) => location.to_owned(),
            (None, Source::Url { url, .. }) => url.clone(),
            (None, Source::Path(path)) => path.display().to_string(),
            (None, _) => string(file, "filename").unwrap_or_default().to_owned(),
        };
        let name = string(file, "filename").map_or_else(|| file_name(&location), str::to_owned);
        let Some(hash) = string(file, "hash") else {
            return Err(Box::new(
                self.document
                    .fault(value, format!("'{name}' of '{}' has no hash", package.name))
                    .hint("the index gives none; lock from one that does, or put the files into a wheelhouse"),
            ));
        };
        // Only these are taken by pip's --hash (pip documentation, "Hash-checking mode").
        if !["sha256:", "sha384:", "sha512:"].iter().any(|algorithm| hash.starts_with(algorithm)) {
            return Err(Box::new(
                self.document
                    .fault(value, format!("'{name}' of '{}' has only the weak hash '{hash}'", package.name))
                    .hint("lock from an index that gives sha256"),
            ));
        }
        Ok(File { name, location, hash: hash.to_owned() })
    }
}

/// The dependencies under an extra's or group's name, however that is spelt.
fn lookup<'a, 't>(table: &'a DeTable<'t>, name: &str) -> &'a [Value<'t>] {
    let found = table.iter().find(|(key, _)| normalise(key.get_ref()) == name);
    found.and_then(|(_, value)| value.get_ref().as_array()).map_or(&[], |array| array)
}

/// What a name that does not exist may have meant.
pub(super) fn candidates(wanted: &str, known: &BTreeSet<String>, what: &str) -> String {
    if let Some(near) = nearest(wanted, known.iter().map(String::as_str)) {
        format!("did you mean '{near}'?")
    } else if known.is_empty() {
        format!("it has no {what}s")
    } else {
        format!("it has: {}", known.iter().map(String::as_str).collect::<Vec<_>>().join(", "))
    }
}

/// `https://host/repo?subdirectory=lib&rev=v1#<commit>`.
fn git(text: &str) -> Option<Source> {
    let (address, commit) = text.rsplit_once('#')?;
    let (url, query) = address.split_once('?').unwrap_or((address, ""));
    let subdirectory = query.split('&').find_map(|pair| pair.strip_prefix("subdirectory=")).map(percent_decoded);
    (!commit.is_empty()).then(|| Source::Git { url: url.to_owned(), commit: commit.to_owned(), subdirectory })
}

/// The last component of a URL or path, without query and fragment.
pub(super) fn file_name(location: &str) -> String {
    let end = location.find(['?', '#']).unwrap_or(location.len());
    let path = percent_decoded(&location[..end]);
    Path::new(&path).file_name().map_or_else(|| path.clone(), |name| name.to_string_lossy().into_owned())
}

/// `%2F` as `/`; what is no valid escape stays.
fn percent_decoded(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let escape = bytes.get(at + 1..at + 3).and_then(|hex| std::str::from_utf8(hex).ok());
        match escape.filter(|_| bytes[at] == b'%').and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(byte) => {
                decoded.push(byte);
                at += 3;
            }
            None => {
                decoded.push(bytes[at]);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

/// Whether two sources are the same, wherever they stand.
fn same(a: &DeValue<'_>, b: &DeValue<'_>) -> bool {
    match (a, b) {
        (DeValue::Table(a), DeValue::Table(b)) => {
            a.len() == b.len()
                && a.iter().all(|(key, value)| {
                    b.get(key.get_ref().as_ref()).is_some_and(|other| same(value.get_ref(), other.get_ref()))
                })
        }
        (DeValue::String(a), DeValue::String(b)) => a == b,
        (DeValue::Boolean(a), DeValue::Boolean(b)) => a == b,
        _ => false,
    }
}

/// Whether the lock may be meant for `key` at all, used by both readers.
pub(super) fn truth(table: &DeTable<'_>, key: &str) -> bool {
    boolean(table, key).unwrap_or(false)
}
