//! A package's side of the configuration: its manifest, its templates, and the
//! settings files of the administrator, as they were read.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::fs::{Attributes, Kind, Root};
use crate::configuration::layer::{self, Effective, Layer};
use crate::configuration::manifest::{self, Backend, File, Manifest};
use crate::configuration::program::{self, Programs};
use crate::configuration::template::Template;
use crate::error::{Diagnostic, Error, Location, Result, nearest};

/// Where the manifests are.
const MANIFESTS: &str = "/usr/share/appctl";

/// What a package has installed.
#[derive(Debug, Clone)]
pub struct Package {
    /// Its name.
    pub name: String,
    /// Its manifest.
    pub manifest: Manifest,
    /// The manifest as it was read.
    pub bytes: Vec<u8>,
    /// The templates' texts by name.
    pub templates: BTreeMap<String, String>,
}

/// Whether `name` can be a binary package's (policy 5.6.1); nothing else is ever
/// made part of a path.
pub fn is_name(name: &str) -> bool {
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "+-.".contains(c);
    name.len() >= 2 && name.chars().all(allowed) && name.starts_with(|c: char| c.is_ascii_alphanumeric())
}

/// The packages that have something for appctl: settings or programs.
pub fn known(root: &Root) -> Result<Vec<String>> {
    let mut packages = root.names(MANIFESTS)?.unwrap_or_default();
    packages.retain(|name| is_name(name));
    Ok(packages)
}

/// The packages that have a manifest.
pub fn all(root: &Root) -> Result<Vec<String>> {
    let mut with_manifest = Vec::new();
    for name in known(root)? {
        if root.kind(&format!("{MANIFESTS}/{name}/manifest.json"))?.is_some() {
            with_manifest.push(name);
        }
    }
    Ok(with_manifest)
}

impl Package {
    /// Read the manifest of `name`, and every template that it names.
    pub fn load(root: &Root, name: &str) -> Result<Self> {
        if !is_name(name) {
            return Err(Error::Usage(
                Diagnostic::error(format!("'{}' is no package's name", name.escape_default()))
                    .hint("lower-case letters, digits, '+', '-' and '.'; see policy 5.6.1"),
            ));
        }
        let path = format!("{MANIFESTS}/{name}/manifest.json");
        let Some(bytes) = root.input(&path)? else { return Err(unknown(root, name)) };
        let shown = root.outside(&path);
        let damaged = |what: String| {
            Error::from(
                Diagnostic::error(format!("{}: {what}", shown.display()))
                    .hint(format!("install the package again: apt-get install --reinstall {name}")),
            )
        };
        let format = serde_json::from_slice::<Format>(&bytes).map_err(|error| damaged(error.to_string()))?;
        if format.format > manifest::FORMAT {
            return Err(Diagnostic::error(format!(
                "{} has format {}; this appctl knows {}",
                shown.display(),
                format.format,
                manifest::FORMAT
            ))
            .hint("upgrade appctl")
            .into());
        }
        let manifest: Manifest = serde_json::from_slice(&bytes).map_err(|error| damaged(error.to_string()))?;
        if manifest.package != name {
            return Err(damaged(format!("it is the manifest of '{}'", manifest.package)));
        }
        if let Some(path) = paths(&manifest).find(|path| !is_path(path)) {
            return Err(damaged(format!("'{}' is no absolute path", path.escape_default())));
        }
        let mut manifest = manifest;
        if let Some(programs) = programs(root, name)? {
            let described = programs.as_manifest(auto(root)?);
            manifest.programs.retain(|program| !described.iter().any(|other| other.name == program.name));
            manifest.programs.extend(described);
        }
        let templates = templates(root, name, &manifest)?;
        Ok(Self { name: name.to_owned(), manifest, bytes, templates })
    }

    /// The template of a file, parsed; faults name the template.
    pub fn template(&self, file: &File) -> Result<Template> {
        let text = self.templates.get(&file.template).map(String::as_str).unwrap_or_default();
        let path = format!("{MANIFESTS}/{}/templates/{}", self.name, file.template);
        Template::parse(text, Path::new(&path), file.escape).map_err(Error::Failed)
    }

    /// The values that count.
    pub fn effective(&self, files: &SettingsFiles, secrets: &BTreeMap<String, String>) -> Result<Effective> {
        let (layers, mut faults) = files.layers(self);
        let (effective, more) = layer::effective(&self.name, &self.manifest.settings, &layers, secrets);
        faults.extend(more);
        if faults.is_empty() { Ok(effective) } else { Err(Error::Failed(faults)) }
    }
}

/// What every format of the manifest has.
#[derive(serde::Deserialize)]
struct Format {
    format: u32,
}

fn unknown(root: &Root, name: &str) -> Error {
    let known = all(root).unwrap_or_default();
    let fault = Diagnostic::error(format!("the package '{name}' has no configuration that appctl knows"));
    match nearest(name, known.iter().map(String::as_str)) {
        Some(near) => fault.hint(format!("did you mean '{near}'?")),
        None => fault.hint(format!("is it installed? {MANIFESTS} has the packages that appctl knows")),
    }
    .into()
}

fn templates(root: &Root, name: &str, manifest: &Manifest) -> Result<BTreeMap<String, String>> {
    let mut templates = BTreeMap::new();
    for file in &manifest.files {
        let path = format!("{MANIFESTS}/{name}/templates/{}", file.template);
        if !is_path(&path) {
            return Err(Diagnostic::error(format!("'{}' is no template's name", file.template.escape_default()))
                .hint(format!("install the package again: apt-get install --reinstall {name}"))
                .into());
        }
        if !templates.contains_key(&file.template) {
            let Some(text) = root.text(&path)? else {
                return Err(Diagnostic::error(format!("{} is missing", root.outside(&path).display()))
                    .hint(format!("install the package again: apt-get install --reinstall {name}"))
                    .into());
            };
            templates.insert(file.template.clone(), text);
        }
    }
    Ok(templates)
}

fn paths(manifest: &Manifest) -> impl Iterator<Item = &str> {
    let files = manifest.files.iter().map(|file| file.path.as_str());
    let directories = manifest.directories.iter().map(|directory| directory.path.as_str());
    files.chain(directories).chain(manifest.links.iter().map(|link| link.path.as_str()))
}

/// Whether it is absolute, names something, and has no `.` or `..`, no `//` and no control character.
fn is_path(path: &str) -> bool {
    path.strip_prefix('/').is_some_and(|rest| rest.split('/').all(|part| !["", ".", ".."].contains(&part)))
        && !path.contains(char::is_control)
}

/// Permission bits from octal digits, with the ids.
pub fn attributes(path: &str, uid: u32, gid: u32, mode: &str) -> Result<Attributes> {
    match u32::from_str_radix(mode, 8) {
        Ok(mode) if mode <= 0o7777 => Ok(Attributes { uid, gid, mode }),
        _ => Err(Diagnostic::error(format!("the mode '{mode}' of {path} is not octal"))
            .hint("the package's manifest is damaged; install the package again")
            .into()),
    }
}

/// The files of `/etc/PACKAGE/settings.d`, by name, which is their order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SettingsFiles {
    /// Their texts.
    pub texts: BTreeMap<String, String>,
    /// Paths of the files beside them that nobody reads, though their names may
    /// have been meant to count.
    pub overlooked: Vec<PathBuf>,
}

impl SettingsFiles {
    /// Read them.
    pub fn read(root: &Root, package: &str) -> Result<Self> {
        let directory = directory(package);
        let mut texts = BTreeMap::new();
        let mut overlooked = Vec::new();
        for name in root.names(&directory)?.unwrap_or_default() {
            let path = format!("{directory}/{name}");
            if layer::is_overlooked(&name) && root.kind(&path)? == Some(Kind::File) {
                overlooked.push(root.outside(&path));
            } else if layer::is_layer(&name) {
                match root.text(&path)? {
                    Some(text) => {
                        texts.insert(name, text);
                    }
                    // Its values would be missing in silence.
                    None if root.kind(&path)? == Some(Kind::Link) => {
                        let shown = root.outside(&path);
                        return Err(Diagnostic::error(format!("{} is a link that leads nowhere", shown.display()))
                            .hint("remove it, or bring back what it leads to")
                            .into());
                    }
                    None => {}
                }
            }
        }
        Ok(Self { texts, overlooked })
    }

    /// A warning for each file that nobody reads.
    pub fn warnings(&self) -> impl Iterator<Item = Diagnostic> {
        self.overlooked.iter().map(|path| {
            Diagnostic::warning(format!("{} is not read: its name does not end in .conf", path.display()))
                .hint("rename it; or add .disabled after .conf where that is wanted")
        })
    }

    /// Parsed, in order, with every fault of the grammar. In our own file,
    /// settings that the package has no longer do not count.
    fn layers(&self, package: &Package) -> (Vec<Layer>, Vec<Diagnostic>) {
        let mut faults = Vec::new();
        let mut layers = Vec::new();
        for (name, text) in &self.texts {
            let (mut layer, more) = Layer::parse(text, format!("{}/{name}", directory(&package.name)));
            faults.extend(more);
            if name == layer::OWN {
                layer.entries.retain(|entry| layer::find(&package.manifest.settings, &entry.key).is_ok());
            }
            layers.push(layer);
        }
        (layers, faults)
    }

    /// What our own file says, by setting; settings that the package has no longer are left out.
    pub fn own(&self, package: &Package) -> BTreeMap<String, String> {
        let Some(text) = self.texts.get(layer::OWN) else { return BTreeMap::new() };
        let (layer, _) = Layer::parse(text, layer::OWN);
        let known = layer.entries.into_iter();
        known
            .filter(|entry| layer::find(&package.manifest.settings, &entry.key).is_ok())
            .map(|entry| (entry.key, entry.text))
            .collect()
    }

    /// The same with other values in our own file; without any, without the file.
    pub fn set_own(&mut self, package: &str, values: &BTreeMap<String, String>) {
        if values.is_empty() {
            self.texts.remove(layer::OWN);
        } else {
            self.texts.insert(layer::OWN.to_owned(), layer::own_text(package, values));
        }
    }
}

/// `/etc/PACKAGE/settings.d`.
fn directory(package: &str) -> String {
    layer::directory(package).to_string_lossy().into_owned()
}

/// `/etc/PACKAGE/settings.d/60-appctl.conf`.
pub fn own_path(package: &str) -> String {
    layer::own_path(package).to_string_lossy().into_owned()
}

/// The programs of `package`; `None` where it has none.
pub fn programs(root: &Root, name: &str) -> Result<Option<Programs>> {
    if !is_name(name) {
        return Ok(None);
    }
    let path = format!("{MANIFESTS}/{name}/{}", program::FILE);
    let Some(contents) = root.read(&path)? else { return Ok(None) };
    read_programs(&contents.bytes, root, &path, name).map(Some)
}

fn read_programs(bytes: &[u8], root: &Root, path: &str, name: &str) -> Result<Programs> {
    let programs: Programs = serde_json::from_slice(bytes).map_err(|error| {
        Diagnostic::error(format!("it cannot be read: {error}"))
            .at(Location::file(root.outside(path)))
            .hint(format!("install the package again: apt-get install --reinstall {name}"))
    })?;
    if programs.format > program::FORMAT {
        return Err(Diagnostic::error(format!("format {}; this appctl knows {}", programs.format, program::FORMAT))
            .at(Location::file(root.outside(path)))
            .hint("upgrade appctl")
            .into());
    }
    Ok(programs)
}

/// systemd where it is the machine's init: it runs, or an image's /sbin/init is it.
pub fn auto(root: &Root) -> Result<Backend> {
    if root.is_machine() && root.kind("/run/systemd/system")? == Some(Kind::Directory) {
        return Ok(Backend::Systemd);
    }
    let init = match root.parent("/sbin/init")? {
        Some((directory, name)) => directory.link(&name)?,
        None => None,
    };
    let is_systemd = init.is_some_and(|target| target.ends_with("/systemd"));
    let has_other = root.kind("/usr/bin/supervisord")?.is_some();
    Ok(if is_systemd || !has_other { Backend::Systemd } else { Backend::Supervisord })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_debian_s() {
        assert!(is_name("notes") && is_name("libstdc++6") && is_name("0ad") && is_name("a.b"));
        assert!(!is_name("a") && !is_name("../x") && !is_name("a/b") && !is_name("Notes") && !is_name(".."));
        assert!(!is_name("-notes") && !is_name("notes\n"));
    }

    #[test]
    fn paths_are_absolute_and_plain() {
        assert!(is_path("/etc/notes/a b.ini"));
        for path in ["etc", "/", "/etc/../x", "/etc//x", "/etc/x/", "/etc/./x", "/etc/x\ny"] {
            assert!(!is_path(path), "{path:?}");
        }
    }
}
