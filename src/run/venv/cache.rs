//! Where dh_venv keeps what it need not do twice: `${XDG_CACHE_HOME}/dh-venv`.
//!
//! Trees and wheels appear by rename and carry their digest, so that builds
//! may share the directory, be killed, or have it deleted under them. Where
//! no such directory can be made (HOME=/nonexistent), the build's own is used.

use std::path::{Path, PathBuf};

use crate::apply::{self, tree};
use crate::error::Result;
use crate::input::{self, Kind};
use crate::run::Environment;

/// Trees and wheels together stay below this many bytes; the least recently used go first.
const LIMIT: u64 = 6 << 30;

/// The cache of one build.
#[derive(Debug, Clone)]
pub struct Cache {
    root: PathBuf,
}

impl Cache {
    /// The user's cache, or one in `fallback` where there can be none.
    pub fn open(environment: &Environment, fallback: &Path) -> Result<Self> {
        let absolute = |name: &str| environment.text(name).filter(|text| text.starts_with('/')).map(PathBuf::from);
        let base = absolute("XDG_CACHE_HOME").or_else(|| absolute("HOME").map(|home| home.join(".cache")));
        if let Some(base) = base {
            let root = base.join("dh-venv");
            if apply::directory(&root.join("trees")).is_ok() && apply::is_writable(&root.join("trees")) {
                return Ok(Self { root });
            }
        }
        let root = fallback.join("cache");
        apply::directory(&root.join("trees"))?;
        Ok(Self { root })
    }

    /// Download caches of the installers.
    pub fn downloads(&self) -> PathBuf {
        self.root.join("downloads")
    }

    /// The top, for the search for leaked paths.
    pub fn root(&self) -> &Path {
        &self.root
    }

    fn tree_file(&self, key: &str) -> PathBuf {
        self.root.join("trees").join(format!("{key}.tree"))
    }

    /// Put the tree of `key` at `to`; `false` where it is not cached, or damaged (then it is dropped).
    pub fn restore(&self, key: &str, to: &Path) -> Result<bool> {
        let file = self.tree_file(key);
        if tree::unpack(&file, to)? {
            // Recently used; a cache that may only be read is none the worse.
            let _ = apply::touch(&file);
            return Ok(true);
        }
        if input::kind(&file)?.is_some() {
            apply::remove(&file)?;
        }
        Ok(false)
    }

    /// Keep `from` as the tree of `key`, and drop what is over the limit.
    pub fn store(&self, key: &str, from: &Path) -> Result<()> {
        forgiving(&|| tree::pack(from, &self.tree_file(key)))?;
        self.shrink(&self.tree_file(key))
    }

    /// A small text kept under a key (results of slow questions).
    pub fn text(&self, key: &str) -> Option<String> {
        let text = input::text(&self.root.join("texts").join(key)).ok()??;
        let (digest, body) = text.split_once('\n')?;
        (digest == crate::helper::venv::distribution::digest([body])).then(|| body.to_owned())
    }

    /// Keep a small text.
    pub fn keep_text(&self, key: &str, body: &str) -> Result<()> {
        let digest = crate::helper::venv::distribution::digest([body]);
        let path = self.root.join("texts").join(key);
        forgiving(&|| apply::write(&path, format!("{digest}\n{body}").as_bytes(), 0o644))
    }

    fn shrink(&self, keep: &Path) -> Result<()> {
        let directory = self.root.join("trees");
        let mut files = Vec::new();
        for name in input::names(&directory)? {
            let path = directory.join(name);
            // Another build may have removed it meanwhile.
            if let (Ok(Some(Kind::File { size, .. })), Ok(time)) = (input::kind(&path), input::modified(&path)) {
                files.push((time, size, path));
            }
        }
        files.sort();
        let mut total: u64 = files.iter().map(|(_, size, _)| size).sum();
        for (_, size, path) in files {
            if total <= LIMIT {
                break;
            }
            if path != keep {
                apply::remove(&path)?;
                total -= size;
            }
        }
        Ok(())
    }
}

/// A write to the cache, which may be deleted at any moment: tried once more,
/// and then given up. The build does not need it; only a full disk, which it
/// would soon meet elsewhere, is an error.
fn forgiving(write: &dyn Fn() -> Result<()>) -> Result<()> {
    match write().or_else(|_| write()) {
        Err(error) if error.is_full_disk() => Err(error),
        _ => Ok(()),
    }
}
