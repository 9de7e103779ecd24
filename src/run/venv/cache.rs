//! Where dh_venv keeps what it need not do twice: `${XDG_CACHE_HOME}/dh-venv`.
//!
//! Trees and wheels appear by rename and carry their digest, so that builds
//! may share the directory, be killed, or have it deleted under them. Where
//! no such directory can be made (HOME=/nonexistent), the build's own is used.
//!
//! A dependencies' tree is kept as a directory, `KEY.d`, and its listing with a
//! digest of every file, `KEY.sums`. It is handed out as hard links, which
//! costs hardly anything, after each file has been compared with the listing:
//! whatever has happened to the cache, or was done to a file through a link,
//! is noticed, and the tree is made anew. The byte code of a distribution is kept
//! by itself, `KEY.code`: a digest, and what compiling it gave.

use std::path::{Path, PathBuf};

use crate::apply::{self, tree};
use crate::digest::digest;
use crate::error::Result;
use crate::helper::venv::place::MTIME;
use crate::hex::hex;
use crate::input::{self, Kind};
use crate::message::Printer;
use crate::plan::{Action, Plan};
use crate::run::Environment;

use super::contents::Snapshot;

/// Trees, wheels and byte code together stay below this many bytes; the least recently used go first.
const LIMIT: u64 = 6 << 30;

/// So many small texts are kept, the least recently written going first.
const TEXTS_LIMIT: usize = 4096;

/// What one installer has downloaded stays below this many bytes, unpacked wheels included.
const DOWNLOADS_LIMIT: u64 = 4 << 30;

/// The text that is kept of a tree whose modules have been imported.
pub const TRIED: &str = "imported";

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

    /// The installers' download caches that have grown over the limit: only they
    /// know what is in them, so that such a cache is emptied as a whole. They are
    /// large trees, looked at once a day.
    pub fn overgrown_downloads(&self) -> Result<Vec<PathBuf>> {
        const DAY: std::time::Duration = std::time::Duration::from_secs(86_400);
        let stamp = self.downloads().join("checked");
        let recent = |time: std::time::SystemTime| time.elapsed().is_ok_and(|age| age < DAY);
        if input::modified(&stamp).is_ok_and(recent) {
            return Ok(Vec::new());
        }
        forgiving(&|| self.apply(Action::Write { path: stamp.clone(), contents: Vec::new(), mode: 0o644 }))?;
        let mut overgrown = Vec::new();
        for name in ["pip", "uv"] {
            let directory = self.downloads().join(name);
            // Absent, or changed by another build meanwhile: another day, then.
            let sizes = input::tree(&directory).unwrap_or_default().into_iter().map(|entry| match entry.kind {
                Kind::File { size, .. } => size,
                _ => 0,
            });
            if sizes.sum::<u64>() > DOWNLOADS_LIMIT {
                overgrown.push(directory);
            }
        }
        Ok(overgrown)
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

    fn directory(&self, key: &str) -> (PathBuf, PathBuf) {
        let trees = self.root.join("trees");
        (trees.join(format!("{key}.d")), trees.join(format!("{key}.sums")))
    }

    /// Put the kept directory of `key` at `to`, as hard links, or as copies where
    /// `apart`; `None` where it is not there, or not what was kept.
    pub fn restore_directory(&self, key: &str, to: &Path, apart: bool) -> Result<Option<Snapshot>> {
        let (directory, sums) = self.directory(key);
        let Ok(Some(kept)) = input::text(&sums) else { return Ok(None) };
        // Deleted by someone meanwhile is the same as not there.
        if let Some(snapshot) = survey(&directory).ok().filter(|snapshot| listing(snapshot) == kept) {
            match self.apply(place(&directory, to, apart)) {
                Ok(()) => {
                    let _ = apply::touch(&sums);
                    return Ok(Some(snapshot));
                }
                Err(error) if error.is_full_disk() => return Err(error),
                Err(_) => self.apply(Action::Remove { path: to.to_path_buf() })?,
            }
        }
        for path in [sums, directory] {
            forgiving(&|| self.apply(Action::Remove { path: path.clone() }))?;
        }
        Ok(None)
    }

    /// Keep `from`, of which `snapshot` was taken, as the directory of `key`. All of
    /// its files get one modification time: what is shared between builds cannot
    /// have that of one of them.
    pub fn store_directory(&self, key: &str, from: &Path, snapshot: &Snapshot, apart: bool) -> Result<()> {
        let (directory, sums) = self.directory(key);
        let text = listing(snapshot);
        let fresh = directory.with_extension(format!("{}.new", std::process::id()));
        let keep = || -> Result<()> {
            self.apply(Action::Remove { path: fresh.clone() })?;
            self.apply(place(from, &fresh, apart))?;
            self.apply(Action::Times { tree: fresh.clone(), epoch: MTIME })?;
            // Another build may have kept the same tree meanwhile: its listing goes first.
            self.apply(Action::Remove { path: sums.clone() })?;
            self.apply(Action::Remove { path: directory.clone() })?;
            self.apply(Action::Rename { from: fresh.clone(), to: directory.clone() })?;
            self.apply(Action::Write { path: sums.clone(), contents: text.clone().into_bytes(), mode: 0o644 })
        };
        forgiving(&keep)?;
        // What a second failure may have left is in nobody's way, but takes room.
        forgiving(&|| self.apply(Action::Remove { path: fresh.clone() }))?;
        self.shrink(&sums)
    }

    fn code_file(&self, key: &str) -> PathBuf {
        self.root.join("trees").join(format!("{key}.code"))
    }

    /// Byte code kept under a key.
    pub fn code(&self, key: &str) -> Option<Vec<u8>> {
        let file = self.code_file(key);
        let body = kept_code(&file).ok()??;
        // Recently used; a cache that may only be read is none the worse.
        let _ = apply::touch(&file);
        Some(body)
    }

    /// Keep byte code.
    pub fn keep_code(&self, key: &str, body: &[u8]) -> Result<()> {
        let contents = [&code_head(body), body].concat();
        let action = Action::Write { path: self.code_file(key), contents, mode: 0o644 };
        forgiving(&|| self.apply(action.clone()))
    }

    /// Drop what is over the limit.
    pub fn bound(&self) -> Result<()> {
        self.shrink(Path::new(""))
    }

    /// A small text kept under a key (results of slow questions).
    pub fn text(&self, key: &str) -> Option<String> {
        let text = input::text(&self.root.join("texts").join(key)).ok()??;
        let (digest, body) = text.split_once('\n')?;
        (digest == crate::digest::digest([body])).then(|| body.to_owned())
    }

    /// Keep a small text.
    pub fn keep_text(&self, key: &str, body: &str) -> Result<()> {
        self.keep_in("texts", key, body)
    }

    /// Put down what [`Self::keep_text`] would keep once modules have been imported:
    /// the driver keeps it when they have.
    pub fn keep_untried(&self, key: &str) -> Result<()> {
        self.keep_in("untried", key, TRIED)
    }

    fn keep_in(&self, directory: &str, key: &str, body: &str) -> Result<()> {
        let digest = crate::digest::digest([body]);
        let path = self.root.join(directory).join(key);
        let action = Action::Write { path, contents: format!("{digest}\n{body}").into_bytes(), mode: 0o644 };
        forgiving(&|| self.apply(action.clone()))
    }

    fn apply(&self, action: Action) -> Result<()> {
        apply::plan(&Plan::new([action]), &self.printer, false)
    }

    fn shrink(&self, keep: &Path) -> Result<()> {
        self.shrink_texts(TEXTS_LIMIT)?;
        let trees = self.root.join("trees");
        let mut all = Vec::new();
        for name in input::names(&trees)? {
            let path = trees.join(name);
            // Another build may have removed it meanwhile.
            let (Ok(Some(Kind::File { size, .. })), Ok(time)) = (input::kind(&path), input::modified(&path)) else {
                continue;
            };
            let listing = path.extension().is_some_and(|extension| extension == "sums");
            let listing = listing.then(|| input::text(&path).ok().flatten()).flatten();
            let size = listing.and_then(|text| text.lines().next()?.parse().ok()).unwrap_or(size);
            all.push((time, size, path));
        }
        all.sort();
        let mut total: u64 = all.iter().map(|(_, size, _)| size).sum();
        for (_, size, path) in all {
            if total <= LIMIT {
                break;
            }
            if path != keep {
                self.apply(Action::Remove { path: path.clone() })?;
                if path.extension().is_some_and(|extension| extension == "sums") {
                    self.apply(Action::Remove { path: path.with_extension("d") })?;
                }
                total -= size;
            }
        }
        Ok(())
    }
}

impl Cache {
    fn shrink_texts(&self, limit: usize) -> Result<()> {
        let directory = self.root.join("texts");
        // Absent, or removed by another build meanwhile.
        let names = input::names(&directory).unwrap_or_default();
        if names.len() <= limit {
            return Ok(());
        }
        let paths = names.iter().map(|name| directory.join(name));
        let mut all: Vec<_> = paths.filter_map(|path| Some((input::modified(&path).ok()?, path))).collect();
        all.sort();
        // A few more than need be, so that this is not done again at once.
        for (_, path) in all.iter().take(all.len().saturating_sub(limit - limit / 16)) {
            forgiving(&|| self.apply(Action::Remove { path: path.clone() }))?;
        }
        Ok(())
    }
}

/// The line before kept byte code: its digest.
fn code_head(body: &[u8]) -> Vec<u8> {
    format!("{}\n", hex(&input::facts(body).sha256)).into_bytes()
}

/// The byte code in a file of the cache; `None` where it is not what was kept.
fn kept_code(file: &Path) -> Result<Option<Vec<u8>>> {
    let Some(mut bytes) = input::bytes(file)? else { return Ok(None) };
    let Some(end) = bytes.iter().position(|byte| *byte == b'\n') else { return Ok(None) };
    let body = bytes.split_off(end + 1);
    Ok((bytes == code_head(&body)).then_some(body))
}

/// Whether a file of the cache holds byte code as it was kept. For who takes a cache
/// that somebody else has written.
pub fn is_code(file: &Path) -> Result<bool> {
    let plain = matches!(input::kind(file)?, Some(Kind::File { mode, .. }) if mode & 0o7000 == 0);
    Ok(plain && kept_code(file)?.is_some())
}

/// Link or copy a whole tree.
fn place(from: &Path, to: &Path, apart: bool) -> Action {
    let (from, to) = (from.to_path_buf(), to.to_path_buf());
    if apart { Action::CopyTree { from, to, without: Vec::new() } } else { Action::LinkTree { from, to } }
}

/// Whether a kept directory is as its listing says, and holds nothing but
/// directories, links and files without special modes. For who takes a cache that
/// somebody else has written.
pub fn is_whole(directory: &Path, sums: &Path) -> Result<bool> {
    let plain = |entry: &input::Entry| match entry.kind {
        Kind::File { mode, .. } => mode & 0o7000 == 0,
        Kind::Directory | Kind::Link(_) => true,
        Kind::Other => false,
    };
    let (Some(Kind::Directory), Some(Kind::File { .. })) = (input::kind(directory)?, input::kind(sums)?) else {
        return Ok(false);
    };
    let snapshot = survey(directory)?;
    Ok(snapshot.entries.iter().all(plain) && input::bytes(sums)? == Some(listing(&snapshot).into_bytes()))
}

fn survey(root: &Path) -> Result<Snapshot> {
    let entries = input::tree(root)?;
    let facts = input::survey(root, &entries, &[])?;
    Ok(Snapshot { entries, facts })
}

/// Bytes in all, and every entry with its kind, mode and digest.
fn listing(Snapshot { entries, facts }: &Snapshot) -> String {
    let mut lines = vec![facts.values().map(|facts| facts.size).sum::<u64>().to_string()];
    for entry in entries {
        let path = entry.path.to_string_lossy();
        lines.push(match &entry.kind {
            Kind::Directory => format!("directory {path}"),
            Kind::Link(target) => format!("link {path} {}", target.display()),
            Kind::File { mode, .. } => {
                let digest = facts.get(&entry.path).map(|facts| hex(&facts.sha256)).unwrap_or_default();
                format!("file {mode:o} {digest} {path}")
            }
            Kind::Other => format!("other {path}"),
        });
    }
    let body = lines.join("\n");
    format!("{body}\n{}\n", digest([body.as_str()]))
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

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "a test makes the files that it looks at")]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::*;

    /// A file of `size` bytes that takes no room, written `age` seconds ago.
    fn sparse(path: &Path, size: u64, age: u64) {
        let file = std::fs::File::create(path).unwrap();
        file.set_len(size).unwrap();
        file.set_modified(SystemTime::now() - Duration::from_secs(age)).unwrap();
    }

    #[test]
    fn of_many_small_texts_the_oldest_go() {
        let room = tempfile::tempdir().unwrap();
        let texts = room.path().join("texts");
        std::fs::create_dir_all(&texts).unwrap();
        let cache = Cache { root: room.path().to_path_buf(), printer: Printer::new("test", false, false, Some(false)) };
        for number in 0..=32 {
            sparse(&texts.join(number.to_string()), 1, 32 - number);
        }
        cache.shrink_texts(33).unwrap();
        assert_eq!(input::names(&texts).unwrap().len(), 33);
        cache.shrink_texts(32).unwrap();
        assert_eq!(input::names(&texts).unwrap().len(), 30);
        assert!(texts.join("3").exists() && !texts.join("2").exists());
    }

    #[test]
    fn what_is_over_the_limit_goes_the_least_recently_used_first() {
        let room = tempfile::tempdir().unwrap();
        let root = room.path().to_path_buf();
        let cache = Cache { root: root.clone(), printer: Printer::new("test", false, false, Some(false)) };
        let trees = root.join("trees");
        std::fs::create_dir_all(trees.join("b.d/lib")).unwrap();
        std::fs::create_dir_all(root.join("source")).unwrap();
        sparse(&trees.join("a.tree"), 2 << 30, 30);
        // A directory counts with the size that its listing tells.
        std::fs::write(trees.join("b.sums"), format!("{}\nmore\n", 3_u64 << 30)).unwrap();
        let listing = std::fs::File::options().write(true).open(trees.join("b.sums")).unwrap();
        listing.set_modified(SystemTime::now() - Duration::from_secs(20)).unwrap();
        sparse(&trees.join("c.tree"), 3 << 30, 10);
        cache.store("new", &root.join("source")).unwrap();
        let left = || {
            let names = input::names(&trees).unwrap();
            names.into_iter().map(|name| name.into_string().unwrap()).collect::<Vec<_>>().join(" ")
        };
        // 8 GiB and the new one: without the oldest they are a little over 6.
        assert_eq!(left(), "c.tree new.tree");
        cache.store("newer", &root.join("source")).unwrap();
        assert_eq!(left(), "c.tree new.tree newer.tree");
    }
}
