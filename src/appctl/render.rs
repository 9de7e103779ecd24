//! What a package's files, directories and links shall be: manifest, templates,
//! values and accounts made into a [`Wanted`]. Pure.

use std::collections::BTreeMap;

use super::accounts::Accounts;
use super::decide::{Wanted, WantedFile};
use super::mask::{MASKED, Mask};
use super::overrides::Overrides;
use super::package::{Package, attributes};
use crate::configuration::layer::Effective;
use crate::configuration::manifest::{Escape, File, LocalEdit};
use crate::configuration::template::{Data, Template};
use crate::configuration::value::Value;
use crate::error::{Diagnostic, Error, Result};

/// What is wanted, and what is needed to speak about it.
#[derive(Clone, Default)]
pub struct Rendering {
    /// Every path and what it shall be.
    pub wanted: Wanted,
    /// What has to be hidden, by file.
    pub masks: BTreeMap<String, Mask>,
    /// The settings that a file is made of, by file.
    pub uses: BTreeMap<String, Vec<String>>,
}

/// Owners and modes of files and directories, the administrator's overrides before
/// the package's; nothing is rendered yet.
pub fn attributes_of(package: &Package, accounts: &Accounts, overrides: &Overrides) -> Result<Wanted> {
    let mut wanted = Wanted::default();
    for file in &package.manifest.files {
        let (uid, gid) = (accounts.user(&file.owner)?.uid, accounts.group(&file.group)?);
        let said = overrides.of(&file.path, accounts)?;
        wanted.files.push(WantedFile {
            path: file.path.clone(),
            contents: Vec::new(),
            attributes: said.map_or_else(|| attributes(&file.path, uid, gid, &file.mode), Ok)?,
            overridden: said.is_some(),
            merge: file.local_edit == LocalEdit::Merge,
            on_change: file.on_change.clone(),
        });
    }
    for directory in &package.manifest.directories {
        let (uid, gid) = (accounts.user(&directory.owner)?.uid, accounts.group(&directory.group)?);
        let said = overrides.of(&directory.path, accounts)?;
        let attributes = said.map_or_else(|| attributes(&directory.path, uid, gid, &directory.mode), Ok)?;
        wanted.overridden.extend(said.map(|_| directory.path.clone()));
        wanted.directories.insert(directory.path.clone(), attributes);
    }
    for link in &package.manifest.links {
        wanted.links.insert(link.path.clone(), link.target.clone());
    }
    Ok(wanted)
}

/// Render every file into `wanted`. All faults of all files are reported at once.
pub fn render(package: &Package, mut wanted: Wanted, effective: &Effective) -> Result<Rendering> {
    let data = Data::new(effective.iter().map(|(name, resolved)| (name.as_str(), &resolved.value)));
    let secrets = secrets(package, effective);
    let hidden = hidden(effective, &secrets);
    let mut rendering = Rendering::default();
    let mut faults = Vec::new();
    for (file, wanted) in package.manifest.files.iter().zip(&mut wanted.files) {
        match one(package, file, &data, &hidden, &secrets) {
            Ok(One { contents, mask, uses }) => {
                wanted.contents = contents;
                rendering.masks.insert(file.path.clone(), mask);
                rendering.uses.insert(file.path.clone(), uses);
            }
            Err(error) => faults.extend(error.diagnostics().iter().cloned()),
        }
    }
    rendering.wanted = wanted;
    if faults.is_empty() { Ok(rendering) } else { Err(Error::Failed(faults)) }
}

struct One {
    contents: Vec<u8>,
    mask: Mask,
    uses: Vec<String>,
}

fn one(package: &Package, file: &File, data: &Data, hidden: &Data, secrets: &BTreeMap<String, String>) -> Result<One> {
    let template = package.template(file)?;
    let contents = template.render(data).map_err(Error::Failed)?.into_bytes();
    let mut uses: Vec<String> = template.uses().iter().map(|one| one.name.clone()).collect();
    uses.sort_unstable();
    uses.dedup();
    let mask = mask(file, &template, &uses, hidden, secrets)?;
    Ok(One { contents, mask, uses })
}

/// What has to be hidden in a file. One that everybody may read gets no secret at
/// all: dh_appconfig refuses that at build time, and this is what holds here.
fn mask(
    file: &File,
    template: &Template,
    uses: &[String],
    hidden: &Data,
    secrets: &BTreeMap<String, String>,
) -> Result<Mask> {
    let Some(secret) = uses.iter().find(|name| secrets.contains_key(*name)) else { return Ok(Mask::default()) };
    if u32::from_str_radix(&file.mode, 8).is_ok_and(|mode| mode & 0o004 != 0) {
        return Err(Diagnostic::error(format!(
            "{} is for everybody to read and would hold the secret '{secret}'",
            file.path
        ))
        .hint("the package has to give the file a mode such as 0640")
        .into());
    }
    let masked = template.render(hidden).map_err(Error::Failed)?;
    Ok(Mask::new(spellings(secrets.values(), file.escape), &masked))
}

/// The secrets that have a value.
fn secrets(package: &Package, effective: &Effective) -> BTreeMap<String, String> {
    let secret = package.manifest.settings.iter().filter(|setting| setting.is_secret());
    secret
        .filter_map(|setting| effective.get(&setting.name).map(|found| (setting.name.clone(), found.value.to_string())))
        .filter(|(_, value)| !value.is_empty())
        .collect()
}

/// The values with every secret replaced.
fn hidden(effective: &Effective, secrets: &BTreeMap<String, String>) -> Data {
    let masked = Value::Text(MASKED.to_owned());
    Data::new(
        effective.iter().map(|(name, resolved)| {
            (name.as_str(), if secrets.contains_key(name) { &masked } else { &resolved.value })
        }),
    )
}

/// Each value as it is, and as it stands in a file.
fn spellings<'a>(values: impl Iterator<Item = &'a String>, escape: Escape) -> Vec<String> {
    values
        .flat_map(|value| [Some(value.clone()), escape.escape(value).ok().map(|text| text.to_string())])
        .flatten()
        .collect()
}
