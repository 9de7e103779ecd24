//! One requirement of a requirements file.
//!
//! Owns the grammar of a single entry (PEP 508 and pip's paths and URLs) and
//! what can be asked of it.

use std::path::PathBuf;
use std::str::FromStr;

use pep440_rs::{Operator, VersionSpecifiers};

use super::super::name::{is_valid, normalise};
use super::super::specification;
use crate::error::{Diagnostic, Location};

/// A requirement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Normalised name, where the entry has one.
    pub name: Option<String>,
    /// Normalised extras, in order.
    pub extras: Vec<String>,
    /// What is asked for.
    pub target: Target,
    /// Environment marker, without the semicolon.
    pub marker: Option<String>,
    /// Values of `--hash`, in order: `sha256:…`.
    pub hashes: Vec<String>,
    /// Other options of this entry, `--config-settings=…`.
    pub options: Vec<String>,
    /// Whether `-e` stood before it.
    pub editable: bool,
    /// The entry as written, without options.
    pub text: String,
    /// Where it stands.
    pub location: Location,
}

/// What a requirement asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// Versions from an index: `>=1,<2`; empty where any will do.
    Versions(String),
    /// A URL, a repository's (`git+https://…`) included.
    Url(String),
    /// A local archive.
    Archive(PathBuf),
    /// A local directory, relative to the source directory.
    Directory(PathBuf),
}

const ARCHIVES: [&str; 8] = [".whl", ".zip", ".tar.gz", ".tgz", ".tar.bz2", ".tbz", ".tar.xz", ".tar"];
const REPOSITORIES: [&str; 4] = ["git+", "hg+", "svn+", "bzr+"];

impl Entry {
    /// Read one entry.
    pub(super) fn parse(
        text: &str,
        hashes: Vec<String>,
        options: Vec<String>,
        editable: bool,
        location: &Location,
    ) -> Result<Self, Box<Diagnostic>> {
        let fault = |message: String, hint: &str| Box::new(Diagnostic::error(message).at(location.clone()).hint(hint));
        for hash in &hashes {
            // pip's manual, "Secure installs": sha256, sha384 and sha512; weaker ones are refused by it, too.
            let (algorithm, hex) = hash.split_once(':').unwrap_or((hash, ""));
            let length = match algorithm {
                "sha256" => 64,
                "sha384" => 96,
                "sha512" => 128,
                _ => return Err(fault(format!("'{hash}' is no hash that counts"), "use sha256, sha384 or sha512")),
            };
            if hex.len() != length || !hex.bytes().all(|b| b.is_ascii_hexdigit()) {
                return Err(fault(
                    format!("'{hash}' is no {algorithm}: it has to have {length} hexadecimal digits"),
                    "copy the hash again",
                ));
            }
        }
        let (body, marker) = split_marker(text);
        if let Some(marker) = marker {
            if let Err(why) = specification::marker(marker) {
                return Err(fault(
                    format!("cannot read the marker \"{marker}\": {why}"),
                    "see PEP 508 for what a marker can say",
                ));
            }
        }
        let (name, extras, target) = match parts(body) {
            // After -e, a word without a slash is a directory, too.
            Some((Some(_), extras, Target::Versions(versions))) if editable && versions.is_empty() => {
                (None, extras, local(body.split('[').next().unwrap_or(body)))
            }
            Some(parts) => parts,
            None => {
                return Err(fault(
                    format!("'{body}' is no requirement"),
                    "write name, name==version, name @ URL, a URL or a path that begins with ./",
                ));
            }
        };
        if editable && !matches!(target, Target::Directory(_)) {
            return Err(fault(
                format!("-e {text} cannot be packaged: it would link to a checkout"),
                "list the directory in 'Project', or drop -e",
            ));
        }
        if let Target::Versions(versions) = &target {
            if versions.starts_with("===") && versions[3..].trim().is_empty() {
                return Err(fault(format!("'{body}' has no version after ==="), "write the version, or drop ==="));
            }
            if let Err(error) = specifiers(versions) {
                return Err(fault(format!("'{versions}' is no version range: {error}"), "see PEP 440"));
            }
        }
        Ok(Self {
            name,
            extras,
            target,
            marker: marker.map(str::to_owned),
            hashes,
            options,
            editable,
            text: text.to_owned(),
            location: location.clone(),
        })
    }

    /// Whether one version or one archive is meant.
    pub fn is_exact(&self) -> bool {
        match &self.target {
            Target::Url(_) | Target::Archive(_) => true,
            Target::Directory(_) => false,
            Target::Versions(versions) if versions.starts_with("===") => true,
            Target::Versions(versions) => specifiers(versions).is_ok_and(
                |all| matches!(&all[..], [one] if matches!(one.operator(), Operator::Equal | Operator::ExactEqual)),
            ),
        }
    }

    /// Whether a hash that pip trusts goes with it; a URL may hold it in its fragment.
    pub fn has_strong_hash(&self) -> bool {
        let in_fragment = match &self.target {
            Target::Url(url) => url.split_once('#').is_some_and(|(_, fragment)| {
                fragment.split('&').any(|part| ["sha256=", "sha384=", "sha512="].iter().any(|a| part.starts_with(a)))
            }),
            _ => false,
        };
        in_fragment || !self.hashes.is_empty()
    }

    /// Whether it comes from a version control system.
    pub fn is_repository(&self) -> bool {
        matches!(&self.target, Target::Url(url) if REPOSITORIES.iter().any(|scheme| url.starts_with(scheme)))
    }

    /// The entry as lines of a requirements file.
    pub fn line(&self) -> String {
        let mut line = self.text.clone();
        for option in &self.options {
            line.push_str(" \\\n    ");
            line.push_str(&quoted(option));
        }
        for hash in &self.hashes {
            line.push_str(" \\\n    --hash=");
            line.push_str(hash);
        }
        line
    }
}

/// One word for shlex, quoted where needed.
fn quoted(word: &str) -> String {
    if word.chars().any(|c| c.is_whitespace() || matches!(c, '"' | '\'' | '\\' | '#')) {
        format!("\"{}\"", word.replace('\\', "\\\\").replace('"', "\\\""))
    } else {
        word.to_owned()
    }
}

fn specifiers(versions: &str) -> Result<Vec<pep440_rs::VersionSpecifier>, String> {
    if versions.is_empty() || versions.starts_with("===") {
        return Ok(Vec::new());
    }
    match VersionSpecifiers::from_str(versions) {
        Ok(all) => Ok(all.iter().cloned().collect()),
        Err(error) => Err(error.to_string().lines().next().unwrap_or_default().to_owned()),
    }
}

/// The part before the marker, and the marker. In a URL a semicolon may be part
/// of it, so there it needs white space before or after.
fn split_marker(text: &str) -> (&str, Option<&str>) {
    let url = text.contains("://") || text.contains(" @ ") || text.starts_with("file:");
    let at = text.match_indices(';').map(|(at, _)| at).find(|at| {
        !url || text[..*at].ends_with(char::is_whitespace) || text[at + 1..].starts_with(char::is_whitespace)
    });
    match at {
        Some(at) => (text[..at].trim(), Some(text[at + 1..].trim()).filter(|marker| !marker.is_empty())),
        None => (text.trim(), None),
    }
}

type Parts = (Option<String>, Vec<String>, Target);

fn parts(body: &str) -> Option<Parts> {
    if is_url(body) {
        let name = body.split_once("#egg=").map(|(_, egg)| egg.split(['&', '[']).next().unwrap_or(egg));
        let target = match body.strip_prefix("file:") {
            Some(path) => local(path.trim_start_matches("//").split('#').next().unwrap_or(path)),
            None => Target::Url(body.to_owned()),
        };
        return Some((name.filter(|name| is_valid(name)).map(normalise), Vec::new(), target));
    }
    if body.starts_with(['.', '/', '~']) || ARCHIVES.iter().any(|suffix| body.ends_with(suffix)) && !body.contains('@')
    {
        let (path, extras) = with_extras(body)?;
        return Some((None, extras, local(path)));
    }
    let end = body.find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))).unwrap_or(body.len());
    let (name, rest) = body.split_at(end);
    if !is_valid(name) {
        return None;
    }
    if rest.starts_with('/') {
        let (path, extras) = with_extras(body)?;
        return Some((None, extras, local(path)));
    }
    let rest = rest.trim_start();
    let (extras, rest) = match rest.strip_prefix('[') {
        Some(inner) => {
            let (inner, rest) = inner.split_once(']')?;
            (names(inner)?, rest.trim_start())
        }
        None => (Vec::new(), rest),
    };
    let target = match rest.strip_prefix('@') {
        Some(url) => {
            let url = url.trim();
            match url.strip_prefix("file:") {
                Some(path) => local(path.trim_start_matches("//").split('#').next().unwrap_or(path)),
                None if is_url(url) => Target::Url(url.to_owned()),
                None => local(url),
            }
        }
        None => {
            let versions = rest.strip_prefix('(').and_then(|inner| inner.strip_suffix(')')).unwrap_or(rest).trim();
            if !versions.is_empty() && !versions.starts_with(['=', '<', '>', '!', '~']) {
                return None;
            }
            Target::Versions(versions.to_owned())
        }
    };
    Some((Some(normalise(name)), extras, target))
}

fn is_url(text: &str) -> bool {
    let scheme = text.split_once(':').map_or("", |(scheme, _)| scheme);
    let plain = !scheme.is_empty() && scheme.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'));
    plain && (text[scheme.len()..].starts_with("://") || scheme == "file" || scheme.contains('+'))
}

/// `path[a,b]` as path and extras.
fn with_extras(text: &str) -> Option<(&str, Vec<String>)> {
    match text.strip_suffix(']').and_then(|text| text.rsplit_once('[')) {
        Some((path, inner)) => Some((path, names(inner)?)),
        None => Some((text, Vec::new())),
    }
}

fn names(list: &str) -> Option<Vec<String>> {
    let all: Vec<&str> = list.split(',').map(str::trim).filter(|name| !name.is_empty()).collect();
    all.iter().all(|name| is_valid(name)).then(|| all.into_iter().map(normalise).collect())
}

fn local(path: &str) -> Target {
    let archive = ARCHIVES.iter().any(|suffix| path.ends_with(suffix));
    if archive { Target::Archive(PathBuf::from(path)) } else { Target::Directory(PathBuf::from(path)) }
}
