//! What is noted beside environments and layers: the files recipe.json, generation.json
//! and layer.json.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::error::{Diagnostic, Result};
use crate::foreign::Id;
use crate::input;

/// How an environment is made: what `env create` was told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recipe {
    /// Codename of the suite.
    pub suite: String,
    /// Debian's name of the architecture.
    pub architecture: String,
    /// sources.list of the environment.
    pub sources: String,
    /// A directory or archive of a system to start from, instead of mmdebstrap.
    pub from: Option<PathBuf>,
    /// Packages of the archive that every build gets.
    pub include: Vec<String>,
    /// sha256 of each package file that every build gets, by file name; `uv` is that program.
    pub debs: BTreeMap<String, String>,
}

/// One state of a suite's minimal system.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Generation {
    /// Hash of the recipe and of the installed packages.
    pub id: String,
    /// Seconds since the epoch.
    pub created: u64,
    /// How many packages are installed.
    pub packages: usize,
    /// What the session's root is on this machine: its files are its.
    #[serde(default)]
    pub ids: u32,
}

/// What is noted of a layer.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Note {
    /// Generation that it stands on.
    pub generation: String,
    /// What it is for: `tools`, `notes`, `lintian`.
    pub purpose: String,
    /// Seconds since the epoch.
    pub created: u64,
}

/// The cure of a note that says what no version of this program has written.
pub(super) const ANEW: &str = "remove the environment's directory and make it anew: deb-build-app env create";

/// The note of a generation: it names the directory that it is in, and so no other.
pub(super) fn noted(generations: &Path, id: &Id) -> Result<Option<Generation>> {
    let path = generations.join(id).join("generation.json");
    match read::<Generation>(&path)? {
        Some(found) if found.id != id.as_str() => {
            let refused = format!("{}: it is of another generation", path.display());
            Err(Diagnostic::error(refused).hint(ANEW).into())
        }
        found => Ok(found),
    }
}

pub(super) fn read<T: DeserializeOwned>(path: &Path) -> Result<Option<T>> {
    let Some(text) = input::text(path)? else { return Ok(None) };
    serde_json::from_str(&text)
        .map(Some)
        .map_err(|error| Diagnostic::error(format!("{} cannot be read: {error}", path.display())).hint(ANEW).into())
}
