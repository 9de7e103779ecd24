//! Where dh_venv keeps what it need not do twice: `${XDG_CACHE_HOME}/dh-venv`.
//!
//! Trees and wheels appear by rename and carry their digest, so that builds
//! may share the directory, be killed, or have it deleted under them. Where
//! no such directory can be made (HOME=/nonexistent), the build's own is used.

use std::path::{Path, PathBuf};

use crate::apply::{self, tree};
use crate::error::Result;
use crate::input::{self, Kind};
use crate::message::Printer;
use crate::plan::{Action, Plan};
use crate::run::Environment;

/// Trees and wheels together stay below this many bytes; the least recently used go first.
const LIMIT: u64 = 6 << 30;

/// The cache of one build.
#[derive(Debug, Clone)]
pub struct Cache {
    root: PathBuf,
    printer: Printer,
}

impl Cache {
    /// The user's cache, or one in `fallback` where there can be none.
    pub fn open(environment: &Environment, fallback: &Path, printer: &Printer) -> Result<Self> {
        let absolute = |name: &str| environment.text(name).filter(|text| text.starts_with('/')).map(PathBuf::from);
        let base = absolute("XDG_CACHE_HOME").or_else(|| absolute("HOME").map(|home| home.join(".cache")));
        if let Some(base) = base {
            let root = base.join("dh-venv");
            if apply::directory(&root.join("trees")).is_ok() && apply::is_writable(&root.join("trees")) {
                return Ok(Self { root, printer: printer.clone() });
            }
        }
        let root = fallback.join("cache");
        apply::plan(&Plan::new([Action::Directory { path: root.join("trees") }]), printer, false)?;
        Ok(Self { root, printer: printer.clone() })
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
        if input::kind(&file)?.is_none() {
            return Ok(false);
        }
        self.printer.plan(&Plan::new([Action::Unpack { file: file.clone(), tree: to.to_path_buf() }]));
        if tree::unpack(&file, to)? {
            // Recently used; a cache that may only be read is none the worse.
            let _ = apply::touch(&file);
            return Ok(true);
        }
        self.apply(Action::Remove { path: file })?;
        Ok(false)
    }

    /// Keep `from` as the tree of `key`, and drop what is over the limit.
    pub fn store(&self, key: &str, from: &Path) -> Result<()> {
        let action = Action::Pack { tree: from.to_path_buf(), file: self.tree_file(key) };
        forgiving(&|| self.apply(action.clone()))?;
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
        let action = Action::Write { path, contents: format!("{digest}\n{body}").into_bytes(), mode: 0o644 };
        forgiving(&|| self.apply(action.clone()))
    }

    fn apply(&self, action: Action) -> Result<()> {
        apply::plan(&Plan::new([action]), &self.printer, false)
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
                self.apply(Action::Remove { path })?;
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
