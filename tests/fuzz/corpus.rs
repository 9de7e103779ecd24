//! Seeds: the files that the golden cases, the examples and the tests' data have.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use crate::mutate::LARGEST;

pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every file of at most 64 KiB in a few directories, sorted by path.
fn files() -> &'static [(PathBuf, Vec<u8>)] {
    static FILES: OnceLock<Vec<(PathBuf, Vec<u8>)>> = OnceLock::new();
    FILES.get_or_init(|| {
        let mut found = Vec::new();
        let mut pending: Vec<PathBuf> =
            ["tests/cases", "tests/data", "examples", "debian", "share"].iter().map(|name| root().join(name)).collect();
        while let Some(directory) = pending.pop() {
            for entry in std::fs::read_dir(&directory).into_iter().flatten().flatten() {
                let Ok(kind) = entry.file_type() else { continue };
                if kind.is_dir() {
                    pending.push(entry.path());
                } else if kind.is_file() {
                    let bytes = std::fs::read(entry.path()).unwrap_or_default();
                    if bytes.len() <= LARGEST {
                        found.push((entry.path(), bytes));
                    }
                }
            }
        }
        found.sort();
        found
    })
}

/// Contents of the files whose path ends in one of `endings`, each once; then the `own`.
pub fn seeds(endings: &[&str], own: &[&str]) -> Vec<Vec<u8>> {
    let fits = |path: &Path| path.to_str().is_some_and(|path| endings.iter().any(|ending| path.ends_with(ending)));
    let mut all: Vec<Vec<u8>> = files().iter().filter(|(path, _)| fits(path)).map(|(_, bytes)| bytes.clone()).collect();
    all.extend(own.iter().map(|text| text.as_bytes().to_vec()));
    all.sort_by(|a, b| (a.len(), a).cmp(&(b.len(), b)));
    all.dedup();
    // The smaller ones say as much, and are mutated where it counts.
    all.truncate(40);
    all
}
