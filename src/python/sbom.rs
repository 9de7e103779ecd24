//! What a venv is made of: a CycloneDX 1.5 document, and the licence texts.
//!
//! Owns the mapping from installed metadata to components and the choice of
//! licence files. Equal inputs give equal bytes: the serial number comes from the
//! venv's id, and there is no timestamp, which would tell the changelog's date.

use std::collections::{BTreeMap, BTreeSet};

use cyclonedx_bom::external_models::normalized_string::NormalizedString;
use cyclonedx_bom::external_models::spdx::{SpdxExpression, SpdxIdentifier};
use cyclonedx_bom::external_models::uri::{Purl, Uri as Address};
use cyclonedx_bom::models::bom::{Bom, UrnUuid};
use cyclonedx_bom::models::component::{Classification, Component, Components};
use cyclonedx_bom::models::dependency::{Dependencies, Dependency};
use cyclonedx_bom::models::external_reference::{ExternalReference, ExternalReferenceType, ExternalReferences, Uri};
use cyclonedx_bom::models::hash::{Hash, HashAlgorithm, HashValue, Hashes};
use cyclonedx_bom::models::license::{License, LicenseChoice, LicenseIdentifier, Licenses};
use cyclonedx_bom::models::metadata::Metadata as Head;
use pep508_rs::{ExtraName, MarkerEnvironment};
use sha2::{Digest, Sha256};

use super::metadata::Metadata;
use super::name::normalise;
use super::specification;
use crate::error::{Error, Result};
use crate::hex::hex;

/// One installed distribution.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Installed {
    /// Its METADATA.
    pub metadata: Metadata,
    /// `sha256:…` of the files from which it was installed, where known.
    pub hashes: Vec<String>,
}

/// What the document as a whole is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subject<'s> {
    /// Binary package.
    pub package: &'s str,
    /// Its Debian version.
    pub version: &'s str,
    /// The venv's id.
    pub venv_id: &'s str,
}

/// The document, ending in a line feed.
///
/// `environment` decides which `Requires-Dist` count; a dependency under an extra
/// counts where it is installed.
pub fn cyclonedx(subject: &Subject<'_>, installed: &[Installed], environment: &MarkerEnvironment) -> Result<String> {
    let wrong = |error: &dyn std::fmt::Display| Error::failed(format!("cannot write the bill of materials: {error}"));
    let distributions: BTreeMap<String, &Installed> =
        installed.iter().map(|one| (normalise(&one.metadata.name), one)).collect();
    let mut references: BTreeMap<&str, String> = BTreeMap::new();
    let mut components = Vec::new();
    for (name, one) in &distributions {
        let component = component(name, one).map_err(|error| wrong(&error))?;
        references.insert(name, component.bom_ref.clone().unwrap_or_default());
        components.push(component);
    }

    let root = format!("{}@{}", subject.package, subject.version);
    let mut dependencies = Vec::new();
    let mut required = BTreeSet::new();
    for (name, one) in &distributions {
        let needs: BTreeSet<String> = requires(&one.metadata, environment)
            .into_iter()
            .filter(|need| need != name)
            .filter_map(|need| references.get(need.as_str()).cloned())
            .collect();
        required.extend(needs.iter().cloned());
        let dependency_ref = references[name.as_str()].clone();
        dependencies.push(Dependency { dependency_ref, dependencies: needs.into_iter().collect() });
    }
    let top = references.values().filter(|reference| !required.contains(*reference)).cloned().collect();
    dependencies.insert(0, Dependency { dependency_ref: root.clone(), dependencies: top });

    let application = Component::new(Classification::Application, subject.package, subject.version, Some(root));
    let bom = Bom {
        serial_number: Some(UrnUuid::new(serial(subject)).map_err(|_| wrong(&"serial number"))?),
        metadata: Some(Head { component: Some(application), ..Head::default() }),
        components: Some(Components(components)),
        dependencies: Some(Dependencies(dependencies)),
        ..Bom::default()
    };
    let mut bytes = Vec::new();
    bom.output_as_json_v1_5(&mut bytes).map_err(|error| wrong(&error))?;
    bytes.push(b'\n');
    String::from_utf8(bytes).map_err(|error| wrong(&error))
}

fn component(name: &str, one: &Installed) -> std::result::Result<Component, String> {
    let metadata = &one.metadata;
    let purl = Purl::new("pypi", name, &metadata.version).map_err(|error| error.to_string())?;
    let mut component =
        Component::new(Classification::Library, &metadata.name, &metadata.version, Some(purl.to_string()));
    component.purl = Some(purl);
    if !metadata.summary.is_empty() {
        component.description = Some(NormalizedString::new(&metadata.summary));
    }
    let licences = licence(metadata);
    if !licences.is_empty() {
        component.licenses = Some(Licenses(licences));
    }
    let hashes: BTreeSet<&String> = one.hashes.iter().collect();
    let hashes: Vec<Hash> = hashes.into_iter().filter_map(|hash| checksum(hash)).collect();
    if !hashes.is_empty() {
        component.hashes = Some(Hashes(hashes));
    }
    if let Some(Ok(url)) = metadata.home_page.as_ref().map(|page| Address::try_from(page.clone())) {
        let website = ExternalReference::new(ExternalReferenceType::Website, Uri::Url(url));
        component.external_references = Some(ExternalReferences(vec![website]));
    }
    Ok(component)
}

fn checksum(hash: &str) -> Option<Hash> {
    let (algorithm, hex) = hash.split_once(':')?;
    let alg = match algorithm {
        "sha256" => HashAlgorithm::SHA_256,
        "sha384" => HashAlgorithm::SHA_384,
        "sha512" => HashAlgorithm::SHA_512,
        _ => return None,
    };
    Some(Hash { alg, content: HashValue(hex.to_owned()) })
}

/// An SPDX expression where the metadata has one, else names.
fn licence(metadata: &Metadata) -> Vec<LicenseChoice> {
    if let Some(Ok(expression)) = metadata.license_expression.clone().map(SpdxExpression::try_from) {
        return vec![LicenseChoice::Expression(expression)];
    }
    let mut names: BTreeSet<&str> =
        metadata.classifiers.iter().filter_map(|c| c.strip_prefix("License :: ")?.rsplit(" :: ").next()).collect();
    // "OSI Approved" alone says nothing, and a whole text is in the licence files.
    names.remove("OSI Approved");
    let short = metadata.license.as_deref().filter(|text| !text.contains('\n') && text.len() <= 100);
    if let Some(text) = short.or(metadata.license_expression.as_deref()) {
        if names.is_empty() || SpdxIdentifier::try_from(text.to_owned()).is_ok() {
            names = BTreeSet::from([text]);
        }
    }
    let choice = |name: &str| {
        let license_identifier = match SpdxIdentifier::try_from(name.to_owned()) {
            Ok(identifier) => LicenseIdentifier::SpdxId(identifier),
            Err(_) => LicenseIdentifier::Name(NormalizedString::new(name)),
        };
        let nothing =
            License { bom_ref: None, license_identifier, text: None, url: None, licensing: None, properties: None };
        LicenseChoice::License(nothing)
    };
    names.into_iter().map(choice).collect()
}

/// Normalised names that `metadata` requires here.
fn requires(metadata: &Metadata, environment: &MarkerEnvironment) -> BTreeSet<String> {
    let extras: Vec<ExtraName> =
        metadata.provides_extra.iter().filter_map(|extra| ExtraName::new(extra.clone()).ok()).collect();
    metadata
        .requires_dist
        .iter()
        .filter_map(|text| specification::requirement(text).ok())
        .filter(|requirement| requirement.marker.evaluate(environment, &extras))
        .map(|requirement| normalise(requirement.name.as_ref()))
        .collect()
}

/// A UUID (version 8, RFC 9562) of the venv in this package's version.
fn serial(subject: &Subject<'_>) -> String {
    let digest = Sha256::new()
        .chain_update(subject.venv_id)
        .chain_update("\n")
        .chain_update(subject.package)
        .chain_update("\n")
        .chain_update(subject.version)
        .finalize();
    let mut bytes = [0u8; 16];
    bytes.copy_from_slice(&digest[..16]);
    bytes[6] = bytes[6] & 0x0f | 0x80;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let hex = hex(&bytes);
    format!("urn:uuid:{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}

/// Which of the files of a distribution are licence texts, and what each is called
/// in the package: `<name>/<file>`, sorted.
///
/// `files` are the paths of its RECORD, `metadata` its METADATA. Texts stand in
/// `*.dist-info/licenses/` (PEP 639), or directly in the dist-info, where older
/// tools put them; a text in the modules' directories counts, too.
pub fn licences<'f>(metadata: &Metadata, files: impl IntoIterator<Item = &'f str>) -> Vec<(String, String)> {
    let name = normalise(&metadata.name);
    let mut chosen: BTreeMap<String, String> = BTreeMap::new();
    let mut paths: Vec<&str> =
        files.into_iter().filter(|path| !path.starts_with("../") && !path.starts_with('/')).collect();
    paths.sort_unstable();
    for path in paths {
        let (directory, rest) = path.split_once('/').unwrap_or(("", path));
        let in_info = directory.ends_with(".dist-info") || directory.ends_with(".egg-info");
        let below =
            if in_info { rest.strip_prefix("licenses/").or_else(|| rest.strip_prefix("license_files/")) } else { None };
        let to = match below {
            Some(below) => below.to_owned(),
            None if in_info && (is_licence(rest) || metadata.license_files.iter().any(|file| file == rest)) => {
                rest.to_owned()
            }
            None if !in_info && is_licence(path) => path.to_owned(),
            None => continue,
        };
        chosen.entry(to).or_insert_with(|| path.to_owned());
    }
    chosen.into_iter().map(|(to, from)| (from, format!("{name}/{to}"))).collect()
}

fn is_licence(path: &str) -> bool {
    let base = path.rsplit('/').next().unwrap_or_default();
    let upper = base.to_ascii_uppercase();
    let stem = ["LICENSE", "LICENCE", "COPYING", "NOTICE", "AUTHORS", "COPYRIGHT"];
    let Some(rest) = stem.iter().find_map(|stem| upper.strip_prefix(stem)) else { return false };
    let code = [".PY", ".PYC", ".SO", ".JS", ".HTML", ".JSON", ".PYI"].iter().any(|suffix| upper.ends_with(suffix));
    !code && (rest.is_empty() || rest.starts_with(['.', '-', '_', 'S']))
}

#[cfg(test)]
mod tests;
