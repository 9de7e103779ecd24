//! A copy of what a repository knows, in a directory of our own.
//!
//! Owns finding a repository's directory and reading it as data. git(1) never sees
//! the repository itself: no configuration, hook, attribute, graft or replacement
//! of it is there to be obeyed, and no alternate, link or `.git` file can lead git
//! to another repository. What is copied is refs, the index, exclusions and, by
//! descriptor, the names of its objects.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

use crate::apply;
use crate::error::{Diagnostic, Error, Result};
use crate::input::{self, Beneath, Kind, Shape};

use super::super::context::Context;
use super::super::hold::Workroom;
use super::process;

/// Most bytes of all objects that have to be copied, where they cannot be linked.
const MOST: u64 = 64 << 30;

/// A repository's directories, opened.
#[derive(Debug)]
pub struct Place {
    /// Its own: HEAD and index.
    own: Beneath,
    /// The one that work trees share, where it is another.
    common: Option<Beneath>,
    /// The work tree, where it has one.
    pub work_tree: Option<PathBuf>,
    /// The directory that was asked for, below the work tree.
    pub prefix: PathBuf,
}

/// How much is copied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// What says which files there are: the index, and what is not to be in it.
    Files,
    /// Everything.
    History,
}

impl Place {
    /// The repository that a directory belongs to; `None` where it belongs to none.
    pub fn find(context: &Context<'_>, directory: &Path) -> Result<Option<Self>> {
        let asked = Beneath::open(directory)?;
        for tree in directory.ancestors() {
            let above = tree != directory;
            let root = Beneath::open(tree)?;
            let found = match input::kind(&tree.join(".git"))? {
                Some(Kind::Directory) => root.below(Path::new(".git"))?.map(|own| (own, None)),
                Some(Kind::File { .. }) => Some(elsewhere(context, &root)?),
                Some(_) => return Err(stranger(tree, "it is a link")),
                None if !above && is_repository(&asked)? => {
                    return Ok(Some(Self { own: asked, common: None, work_tree: None, prefix: PathBuf::new() }));
                }
                None => None,
            };
            let Some((own, common)) = found else { continue };
            if !is_repository(common.as_ref().unwrap_or(&own))? {
                continue;
            }
            // What a stranger has put above, as into /tmp, says nothing about this directory.
            let trusted = [asked.owner()?, nix::unistd::geteuid().as_raw(), 0];
            if above && !trusted.contains(&own.owner()?) {
                return Ok(None);
            }
            let prefix = directory.strip_prefix(tree).unwrap_or(Path::new("")).to_owned();
            return Ok(Some(Self { own, common, work_tree: Some(tree.to_owned()), prefix }));
        }
        Ok(None)
    }

    /// The repository of a submodule that is checked out at `path` of this one's work tree.
    pub fn submodule(&self, path: &Path) -> Result<Option<Self>> {
        let Some(tree) = &self.work_tree else { return Ok(None) };
        let Some(root) = Beneath::open(tree)?.below(path)? else { return Ok(None) };
        let (tree, prefix) = (tree.join(path), PathBuf::new());
        if let Some(own) = root.below(Path::new(".git"))? {
            return Ok(Some(Self { own, common: None, work_tree: Some(tree), prefix }));
        }
        let Some(target) = git_file(&root)? else { return Ok(None) };
        // git puts it below the repository that it belongs to, and nowhere else.
        for home in [Some(&self.own), self.common.as_ref()].into_iter().flatten() {
            let modules = lexical(&home.path().join("modules"));
            if let Ok(below) = target.strip_prefix(&modules) {
                let own = home.below(&Path::new("modules").join(below))?;
                return Ok(own.map(|own| Self { own, common: None, work_tree: Some(tree), prefix }));
            }
        }
        Err(stranger(&tree, "it leads out of the repository that this is a submodule of"))
    }

    fn common(&self) -> &Beneath {
        self.common.as_ref().unwrap_or(&self.own)
    }

    /// A setting of its configuration, as a text that nobody obeys.
    pub fn setting(&self, context: &Context<'_>, key: &str) -> Result<Option<String>> {
        setting(context, self.common(), key)
    }

    /// Copy it to below `room`; returns the new repository's directory.
    pub fn copy(&self, context: &Context<'_>, room: &Workroom, depth: Depth) -> Result<PathBuf> {
        let to = room.path().join("git");
        for name in ["objects/info", "objects/pack", "refs", "info"] {
            apply::directory(&to.join(name))?;
        }
        let text = |key: &str| self.setting(context, key);
        let hash = text("extensions.objectFormat")?.unwrap_or_else(|| "sha1".to_owned());
        if text("extensions.refStorage")?.is_some_and(|form| form != "files") {
            return Err(Diagnostic::error(format!(
                "{} keeps its refs in a form of its own",
                self.common().path().display()
            ))
            .hint("git refs migrate --ref-format=files")
            .into());
        }
        let extension = if hash == "sha256" { "[extensions]\n\tobjectFormat = sha256\n" } else { "" };
        let (version, bare) = (u8::from(!extension.is_empty()), self.work_tree.is_none());
        let config = format!("[core]\n\trepositoryFormatVersion = {version}\n\tbare = {bare}\n{extension}");
        apply::write(&to.join("config"), config.as_bytes(), 0o644)?;
        self.refs(&to)?;
        let mut names: Vec<_> = self.own.shapes(Path::new(""))?.into_iter().map(|(name, _)| name).collect();
        names.retain(|name| name == "index" || name.to_string_lossy().starts_with("sharedindex."));
        for name in names {
            if let Some(file) = self.own.file(Path::new(&name))? {
                // As old as it is: what was changed at that moment is compared byte by byte.
                apply::copy(&file, &to.join(&name), 0o644, input::ARCHIVE)?;
            }
        }
        for name in ["shallow", "info/exclude"] {
            if let Some(bytes) = self.common().bytes(Path::new(name), input::TEXT)? {
                apply::write(&to.join(name), &bytes, 0o644)?;
            }
        }
        if depth == Depth::History {
            self.objects(&to.join("objects"))?;
        }
        Ok(to)
    }

    fn refs(&self, to: &Path) -> Result<()> {
        let packed = self.common().bytes(Path::new("packed-refs"), input::TEXT)?.unwrap_or_default();
        let mut refs = packed_refs(&String::from_utf8_lossy(&packed));
        let mut pending = vec![PathBuf::from("refs")];
        while let Some(directory) = pending.pop() {
            for (name, shape) in self.common().shapes(&directory)? {
                let path = directory.join(name);
                match shape {
                    Shape::Directory => pending.push(path),
                    Shape::File => {
                        let bytes = self.common().bytes(&path, 4096)?.unwrap_or_default();
                        let id = String::from_utf8_lossy(&bytes).trim().to_owned();
                        if let Some(name) = path.to_str().filter(|_| is_id(&id)) {
                            refs.insert(name.to_owned(), id);
                        }
                    }
                    _ => {}
                }
            }
        }
        // A replacement shows another object than the one that is named.
        refs.retain(|name, _| is_ref(name) && !name.starts_with("refs/replace/"));
        let rows: String = refs.iter().map(|(name, id)| format!("{id} {name}\n")).collect();
        apply::write(&to.join("packed-refs"), rows.as_bytes(), 0o644)?;
        let head = self.own.bytes(Path::new("HEAD"), 4096)?.unwrap_or_default();
        let head = String::from_utf8_lossy(&head).trim().to_owned();
        let known = is_id(&head) || head.strip_prefix("ref:").is_some_and(|name| is_ref(name.trim()));
        let head = if known { head } else { "ref: refs/heads/none".to_owned() };
        apply::write(&to.join("HEAD"), format!("{head}\n").as_bytes(), 0o644)
    }

    /// Its objects, each under a name of ours.
    fn objects(&self, to: &Path) -> Result<()> {
        let common = self.common();
        let borrowed = common.bytes(Path::new("objects/info/alternates"), input::TEXT)?.unwrap_or_default();
        if borrowed.split(|byte| *byte == b'\n').any(|row| !row.is_empty() && !row.starts_with(b"#")) {
            let what = format!("{} borrows objects from another repository", common.path().display());
            return Err(Diagnostic::error(what)
                .hint("that one may be private: bring its objects here with 'git repack -a -d', then remove objects/info/alternates")
                .into());
        }
        let mut room = MOST;
        for (name, shape) in common.shapes(Path::new("objects"))? {
            let Some(name) = name.to_str().filter(|_| shape == Shape::Directory) else { continue };
            let wanted = |file: &str| match name {
                "pack" => [".pack", ".idx", ".rev"].iter().any(|end| file.ends_with(end)),
                _ => is_hex(file) && [38, 62].contains(&file.len()),
            };
            if name != "pack" && !(is_hex(name) && name.len() == 2) {
                continue;
            }
            let below = Path::new("objects").join(name);
            for (file, _) in common.shapes(&below)? {
                let Some(file) = file.to_str().filter(|file| wanted(file)) else { continue };
                if let Some(open) = common.file(&below.join(file))? {
                    apply::directory(&to.join(name))?;
                    room -= apply::link(&open, &to.join(name).join(file), room)?;
                }
            }
        }
        Ok(())
    }
}

/// The rows of packed-refs (gitrepository-layout(5)): id and name.
pub fn packed_refs(text: &str) -> BTreeMap<String, String> {
    let rows = text.lines().filter_map(|row| row.split_once(' ')).filter(|(id, _)| is_id(id));
    rows.map(|(id, name)| (name.to_owned(), id.to_owned())).collect()
}

fn is_hex(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn is_id(text: &str) -> bool {
    is_hex(text) && [40, 64].contains(&text.len())
}

/// Whether a ref can have this name (git-check-ref-format(1)), as far as it matters in a list.
pub fn is_ref(name: &str) -> bool {
    let bad = |c: char| c.is_control() || " ~^:?*[\\".contains(c);
    name.starts_with("refs/")
        && !name.contains(bad)
        && name.split('/').all(|part| !part.is_empty() && !part.starts_with('.') && !part.ends_with(".lock"))
        && !name.contains("..")
}

/// Whether a directory is one of git's.
fn is_repository(directory: &Beneath) -> Result<bool> {
    let head = directory.file(Path::new("HEAD"))?.is_some();
    Ok(head && directory.below(Path::new("objects"))?.is_some() && directory.below(Path::new("refs"))?.is_some())
}

/// A setting of a repository's configuration. git reads one file, follows no
/// `include`, and is in no repository while it does.
fn setting(context: &Context<'_>, directory: &Beneath, key: &str) -> Result<Option<String>> {
    let bytes = directory.bytes(Path::new("config"), 1 << 20)?.unwrap_or_default();
    // Most have none of what is looked for, and starting a program takes its time.
    let last = key.rsplit('.').next().unwrap_or(key).to_lowercase();
    if !String::from_utf8_lossy(&bytes).to_lowercase().contains(&last) {
        return Ok(None);
    }
    let words = ["config", "--file", "-", "--no-includes", "--null", "--get", key];
    let output = context.attempt(process(Path::new("/nonexistent"), None, words).input(bytes))?;
    let text = String::from_utf8_lossy(&output.stdout).trim_end_matches('\0').to_owned();
    Ok(Some(text).filter(|text| output.success && !text.is_empty() && !text.contains(char::is_control)))
}

/// Where the file `.git` of a work tree leads: `gitdir: PATH`.
fn git_file(root: &Beneath) -> Result<Option<PathBuf>> {
    let bytes = root.bytes(Path::new(".git"), 1 << 16)?.unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes).into_owned();
    Ok(text.strip_prefix("gitdir:").map(|path| lexical(&root.path().join(path.trim()))))
}

/// The repository that a file `.git` leads to. Anybody can write such a file, so that
/// one has to know of this work tree: git notes it in the configuration of a submodule
/// and beside the HEAD of a further work tree (gitrepository-layout(5)).
fn elsewhere(context: &Context<'_>, root: &Beneath) -> Result<(Beneath, Option<Beneath>)> {
    let no = |why: &str| stranger(root.path(), why);
    let target = git_file(root)?.ok_or_else(|| no("it names no directory"))?;
    if !input::is_directory(&target) {
        return Err(no("there is no such directory"));
    }
    let own = Beneath::open(&target)?;
    let same = |path: PathBuf| Beneath::open(&path).is_ok_and(|other| other.is(root));
    if let Some(text) = own.bytes(Path::new("gitdir"), 1 << 16)? {
        let note = target.join(String::from_utf8_lossy(&text).trim());
        let (Some(tree), Some(name)) = (note.parent(), target.file_name()) else { return Err(no("it is damaged")) };
        let common = target.parent().and_then(Path::parent).map(Beneath::open).transpose()?;
        let common = common.ok_or_else(|| no("it is damaged"))?;
        let known = common.below(&Path::new("worktrees").join(name))?.is_some_and(|other| other.is(&own));
        if known && same(tree.to_owned()) {
            return Ok((own, Some(common)));
        }
    } else if let Some(tree) = setting(context, &own, "core.worktree")? {
        if same(lexical(&target.join(tree))) {
            return Ok((own, None));
        }
    }
    Err(no("that repository does not know of this work tree"))
}

fn stranger(tree: &Path, why: &str) -> Error {
    Diagnostic::error(format!("{} is no repository's: {why}", tree.join(".git").display()))
        .hint("remove it, or make the work tree with 'git worktree add', 'git submodule update' or 'git clone'")
        .into()
}

/// Without `.` and `..`, as a text.
fn lexical(path: &Path) -> PathBuf {
    let mut clean = PathBuf::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir => drop(clean.pop()),
            other => clean.push(other),
        }
    }
    clean
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::driver::archive::is_plain;

    #[test]
    fn names_of_refs_and_paths_are_plain() {
        for good in ["refs/heads/main", "refs/tags/v1.0", "refs/remotes/origin/a-b"] {
            assert!(is_ref(good), "{good}");
        }
        for bad in ["HEAD", "refs/heads/../../config", "refs/heads/a b", "refs/heads/a\nb", "refs//x", "refs/x.lock"] {
            assert!(!is_ref(bad), "{bad:?}");
        }
        for (path, plain) in [("a/b", true), ("", false), ("../a", false), ("/a", false), ("a/.GIT/x", false)] {
            assert_eq!(is_plain(Path::new(path)), plain, "{path}");
        }
    }
}
