//! Exact distributions: from an installer's resolution to names, versions and
//! hashes; the venv id and the cache key that follow from them.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::PathBuf;

use serde::Deserialize;

use crate::digest::digest;
use crate::error::{Diagnostic, Error, Result};
use crate::python::interpreter::Interpreter;
use crate::python::name::normalise;

/// One distribution to install: nothing about it floats.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Distribution {
    /// Normalised name (PEP 503).
    pub name: String,
    /// Version, or the empty string where only the file says it.
    pub version: String,
    /// `sha256:…` of the files that may be installed, sorted.
    pub hashes: Vec<String>,
    /// A direct reference (URL, path or VCS with its commit) instead of an index.
    pub direct: Option<String>,
    /// Marker text (PEP 508), kept for the installer to evaluate.
    pub marker: Option<String>,
    /// Whether it has to be built from source, as far as is known.
    pub source: bool,
    /// The packager's own line, where it is to be taken as it stands.
    pub line: Option<String>,
}

impl Distribution {
    /// As a line of a requirements file, hashes included.
    pub fn requirement(&self) -> String {
        if let Some(line) = &self.line {
            return line.clone();
        }
        let mut line = match &self.direct {
            Some(url) => format!("{} @ {url}", self.name),
            None => format!("{}=={}", self.name, self.version),
        };
        if let Some(marker) = &self.marker {
            let _ = write!(line, " ; {marker}");
        }
        for hash in &self.hashes {
            let _ = write!(line, " --hash={hash}");
        }
        line
    }

    /// Whether it has to be built, as far as is known: no index was asked for a pin.
    pub fn is_built(&self) -> bool {
        let direct = self.direct.as_deref().map(|direct| direct.split(['#', '?']).next().unwrap_or_default());
        self.source || direct.is_some_and(|path| !path.ends_with(".whl"))
    }

    /// Whether the same description always means the same bytes: it has a hash, or names a commit.
    pub fn is_fixed(&self) -> bool {
        let commit = self.direct.as_deref().and_then(|direct| direct.split('#').next()?.rsplit('@').next());
        let is_commit = |text: &str| text.len() >= 40 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        !self.hashes.is_empty() || commit.is_some_and(is_commit)
    }

    /// As it enters the venv id.
    fn identity(&self) -> String {
        // Where a file was downloaded from does not change what it is.
        let origin = if self.hashes.is_empty() { self.direct.as_deref().unwrap_or_default() } else { "" };
        format!(
            "distribution {} {} {origin} {} {}",
            self.name,
            self.version,
            self.hashes.join(","),
            self.marker.as_deref().unwrap_or_default()
        )
    }
}

/// pip's installation report (`pip install --dry-run --report -`).
#[derive(Deserialize)]
struct Report {
    install: Vec<ReportItem>,
}

#[derive(Deserialize)]
struct ReportItem {
    metadata: ReportMetadata,
    download_info: DownloadInfo,
    #[serde(default)]
    is_direct: bool,
}

#[derive(Deserialize)]
struct ReportMetadata {
    name: String,
    version: String,
}

#[derive(Deserialize)]
struct DownloadInfo {
    url: String,
    archive_info: Option<ArchiveInfo>,
    vcs_info: Option<VcsInfo>,
    dir_info: Option<BTreeMap<String, serde_json::Value>>,
}

#[derive(Deserialize)]
struct ArchiveInfo {
    hash: Option<String>,
    #[serde(default)]
    hashes: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct VcsInfo {
    vcs: String,
    commit_id: String,
}

/// The distributions of pip's report, without those named in `own` (the project itself).
pub fn from_pip_report(report: &[u8], own: &BTreeSet<String>) -> Result<Vec<Distribution>> {
    let report: Report = serde_json::from_slice(report)
        .map_err(|error| Error::failed(format!("cannot understand pip's installation report: {error}")))?;
    let mut all = Vec::new();
    for item in report.install {
        let name = normalise(&item.metadata.name);
        if own.contains(&name) {
            continue;
        }
        let info = item.download_info;
        let hash = info.archive_info.as_ref().and_then(|archive| {
            let modern = archive.hashes.get("sha256").map(|hex| format!("sha256:{hex}"));
            modern.or_else(|| archive.hash.as_ref()?.strip_prefix("sha256=").map(|hex| format!("sha256:{hex}")))
        });
        let file = info.url.rsplit('/').next().unwrap_or_default();
        let direct = match (&info.vcs_info, &info.dir_info) {
            (Some(vcs), _) => Some(format!("{}+{}@{}", vcs.vcs, info.url, vcs.commit_id)),
            (None, Some(_)) => Some(info.url.clone()),
            (None, None) => item.is_direct.then(|| info.url.clone()),
        };
        all.push(Distribution {
            name,
            version: item.metadata.version,
            source: !file.ends_with(".whl"),
            hashes: hash.into_iter().collect(),
            direct,
            marker: None,
            line: None,
        });
    }
    all.sort();
    Ok(all)
}

/// The parts of a pylock.toml (PEP 751) that uv writes for one environment.
#[derive(Deserialize)]
struct Pylock {
    #[serde(default)]
    packages: Vec<PylockPackage>,
}

#[derive(Deserialize)]
struct PylockPackage {
    name: String,
    version: Option<String>,
    #[serde(default)]
    wheels: Vec<PylockFile>,
    sdist: Option<PylockFile>,
    archive: Option<PylockFile>,
    vcs: Option<PylockVcs>,
    directory: Option<PylockDirectory>,
}

#[derive(Deserialize)]
struct PylockFile {
    url: Option<String>,
    path: Option<String>,
    name: Option<String>,
    #[serde(default)]
    hashes: BTreeMap<String, String>,
}

impl PylockFile {
    fn file_name(&self) -> &str {
        let place = self.name.as_deref().or(self.path.as_deref()).or(self.url.as_deref()).unwrap_or_default();
        place.rsplit('/').next().unwrap_or_default()
    }

    fn hash(&self) -> Option<String> {
        self.hashes.get("sha256").map(|hex| format!("sha256:{hex}"))
    }
}

#[derive(Deserialize)]
struct PylockVcs {
    #[serde(rename = "type")]
    kind: String,
    url: Option<String>,
    #[serde(rename = "commit-id")]
    commit: String,
}

#[derive(Deserialize)]
struct PylockDirectory {
    path: String,
}

/// The distributions of a resolution that uv wrote as pylock.toml, without `own`.
///
/// uv lists every file of a release; the one that `interpreter` would install
/// is chosen here, so that the venv id does not change when a wheel for
/// another platform is added to an index, and is the same as with pip.
pub fn from_uv_pylock(text: &str, interpreter: &Interpreter, own: &BTreeSet<String>) -> Result<Vec<Distribution>> {
    let lock: Pylock = toml::from_str(text)
        .map_err(|error| Error::failed(format!("cannot understand uv's resolution: {}", error.message())))?;
    let mut all = Vec::new();
    for package in lock.packages {
        let name = normalise(&package.name);
        if own.contains(&name) {
            continue;
        }
        let version = package.version.clone().unwrap_or_default();
        let mut direct = None;
        let best = interpreter.best_wheel(package.wheels.iter().map(PylockFile::file_name));
        let file = if let Some(archive) = &package.archive {
            direct = archive.url.clone().or_else(|| archive.path.clone());
            Some(archive)
        } else if let Some(best) = best {
            package.wheels.get(best)
        } else {
            package.sdist.as_ref()
        };
        if let Some(vcs) = &package.vcs {
            direct = Some(format!("{}+{}@{}", vcs.kind, vcs.url.as_deref().unwrap_or_default(), vcs.commit));
        } else if let Some(directory) = &package.directory {
            direct = Some(directory.path.clone());
        } else if file.is_none() {
            return Err(Diagnostic::error(format!(
                "{name} {version} has neither a wheel for {} nor a source archive",
                interpreter.name()
            ))
            .hint("choose a version that has one, or add a wheel to the wheelhouse")
            .into());
        }
        all.push(Distribution {
            source: file.is_none_or(|file| !file.file_name().ends_with(".whl")),
            hashes: file.and_then(PylockFile::hash).into_iter().collect(),
            name,
            version,
            direct,
            marker: None,
            line: None,
        });
    }
    all.sort();
    Ok(all)
}

/// What decides the finished tree besides the distributions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shape {
    /// `3.11`.
    pub python: String,
    /// Debian architecture, `amd64`.
    pub architecture: String,
    /// Final path.
    pub prefix: PathBuf,
    /// The options that change the tree, as `name=value`, sorted.
    pub options: Vec<String>,
}

impl Shape {
    fn lines(&self) -> Vec<String> {
        let mut lines = vec![
            format!("python {}", self.python),
            format!("architecture {}", self.architecture),
            format!("prefix {}", self.prefix.display()),
        ];
        lines.extend(self.options.iter().map(|option| format!("option {option}")));
        lines
    }
}

/// The venv id: which venv this is, whoever installed it and whenever.
///
/// `project` is the digest of what the project's own distributions installed.
pub fn venv_id(distributions: &[Distribution], shape: &Shape, project: &str) -> String {
    let mut lines = vec!["dh-venv-id 1".to_owned()];
    lines.extend(shape.lines());
    lines.extend(sorted_identities(distributions));
    lines.push(format!("project {project}"));
    digest(lines.iter().map(String::as_str))
}

/// The key under which the dependencies' tree is cached: the id's parts and
/// everything else that could make another tree.
pub fn cache_key(distributions: &[Distribution], shape: &Shape, makers: &[String]) -> String {
    let mut lines = vec!["dh-venv-tree 1".to_owned()];
    lines.extend(shape.lines());
    lines.extend(sorted_identities(distributions));
    lines.extend(makers.iter().map(|maker| format!("maker {maker}")));
    digest(lines.iter().map(String::as_str))
}

/// What the distributions are, whatever their order.
pub fn sorted_identities(distributions: &[Distribution]) -> Vec<String> {
    let mut all: Vec<String> = distributions.iter().map(Distribution::identity).collect();
    all.sort();
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flask() -> Distribution {
        Distribution {
            name: "flask".into(),
            version: "3.1.3".into(),
            hashes: vec!["sha256:aa".into()],
            direct: None,
            marker: None,
            source: false,
            line: None,
        }
    }

    fn shape() -> Shape {
        Shape {
            python: "3.11".into(),
            architecture: "amd64".into(),
            prefix: "/usr/lib/notes/venv".into(),
            options: Vec::new(),
        }
    }

    #[test]
    fn pip_and_uv_give_the_same_distribution() {
        let report = br#"{"install":[{"metadata":{"name":"Flask","version":"3.1.3"},"is_direct":false,
          "download_info":{"url":"https://h.invalid/flask-3.1.3-py3-none-any.whl","archive_info":{"hashes":{"sha256":"aa"}}}}]}"#;
        assert_eq!(from_pip_report(report, &BTreeSet::new()).unwrap(), [flask()]);
        let own = BTreeSet::from(["flask".to_owned()]);
        assert!(from_pip_report(report, &own).unwrap().is_empty());
    }

    #[test]
    fn what_has_to_be_built_and_what_is_fixed() {
        let direct = |direct: &str| Distribution { direct: Some(direct.into()), hashes: Vec::new(), ..flask() };
        let commit = "0123456789abcdef0123456789abcdef01234567";
        assert!(!flask().is_built() && flask().is_fixed());
        assert!(!direct("https://h.invalid/a-1.0-py3-none-any.whl#x").is_built());
        let archive = direct("https://h.invalid/a-1.0.tar.gz");
        assert!(archive.is_built() && !archive.is_fixed());
        assert!(direct(&format!("git+https://h.invalid/a@{commit}#subdirectory=b")).is_fixed());
        assert!(!direct("git+https://h.invalid/a@main").is_fixed());
    }

    #[test]
    fn the_cache_key_holds_installer_versions_and_shape() {
        let makers = |installer: &str, version: &str| vec![installer.to_owned(), version.to_owned()];
        let key = |shape: &Shape, makers: &[String]| cache_key(&[flask()], shape, makers);
        let all = [
            key(&shape(), &makers("uv 0.13.8", "dh-venv 0.1.0")),
            key(&shape(), &makers("uv 0.13.9", "dh-venv 0.1.0")),
            key(&shape(), &makers("pip 25.1", "dh-venv 0.1.0")),
            key(&shape(), &makers("uv 0.13.8", "dh-venv 0.1.1")),
            key(&Shape { python: "3.13".into(), ..shape() }, &makers("uv 0.13.8", "dh-venv 0.1.0")),
            key(&Shape { options: vec!["bytecode=none".into()], ..shape() }, &makers("uv 0.13.8", "dh-venv 0.1.0")),
        ];
        assert_eq!(BTreeSet::from_iter(&all).len(), all.len());
        assert_eq!(all[0], key(&shape(), &makers("uv 0.13.8", "dh-venv 0.1.0")));
    }

    #[test]
    fn the_id_depends_on_hashes_and_not_on_order() {
        let shape = shape();
        let mut other = flask();
        other.name = "gunicorn".into();
        let id = venv_id(&[flask(), other.clone()], &shape, "");
        assert_eq!(id, venv_id(&[other.clone(), flask()], &shape, ""));
        other.hashes = vec!["sha256:bb".into()];
        assert_ne!(id, venv_id(&[flask(), other], &shape, ""));
    }
}
