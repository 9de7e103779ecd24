//! The source tree that is built: a copy of the working directory, or of a commit.
//!
//! Owns what of a directory belongs to the source, and what debian/ says of it.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};

use crate::apply;
use crate::debian::control::{self, Control};
use crate::digest::digest;
use crate::error::{Diagnostic, Error, Result};
use crate::foreign::FileName;
use crate::hex::hex;
use crate::input::{self, Beneath, Kind, Shape};
use crate::plan::Process;

use super::archive;
use super::context::Context;
use super::fetch::{self, refuse_dirt};
use super::git::{Repository, Wanted};
use super::source::{CHANGELOG, Changelog};
use super::vendor;

/// Files that are made, and that git may have been told to ignore.
const MADE: [&str; 3] = ["debian/wheelhouse", "debian/source/include-binaries", "debian/requirements.lock"];

/// Where dh_venv finds wheels by itself.
const WHEELHOUSES: [&str; 2] = [vendor::WHEELHOUSE, "wheelhouse"];

/// A source tree in a directory of this run's own.
#[derive(Debug)]
pub struct Tree {
    /// The tree.
    pub path: PathBuf,
    /// Directory of the orig tarballs; it may be empty.
    pub origs: PathBuf,
    /// debian/control.
    pub control: Control,
    /// First line of debian/changelog.
    pub changelog: Changelog,
    /// sha256 over names, modes and contents.
    pub digest: String,
    /// What the digest is over: `PATH MODE SHA256` of each file, and so on.
    rows: Vec<String>,
    /// Full commit id, where the tree is a commit's.
    pub commit: Option<String>,
}

/// Copy the source in `directory` into `work`: what is there now, or what `wanted` names.
pub fn copy(
    context: &Context<'_>,
    directory: &Path,
    wanted: Option<&Wanted>,
    allow_dirty: bool,
    work: &Path,
) -> Result<Tree> {
    let (path, origs) = (work.join("tree"), work.join("origs"));
    apply::directory(&path)?;
    apply::directory(&origs)?;
    let commit = match wanted {
        Some(wanted) => Some(check_out(context, directory, wanted, allow_dirty, work, &path)?),
        None => {
            copy_files(context, directory, &path)?;
            None
        }
    };
    let (control, changelog) = describe(&path)?;
    let mut tree = Tree { digest: String::new(), rows: Vec::new(), path, origs, control, changelog, commit };
    tree.find_origs(context, directory, wanted, allow_dirty)?;
    tree.unpack_components(context, work)?;
    tree.survey()?;
    Ok(tree)
}

fn describe(path: &Path) -> Result<(Control, Changelog)> {
    let none = |name: &str| {
        Error::from(
            Diagnostic::error(format!("the source has no {name}"))
                .hint("dh_make(1) or debhelper(7) say how a package begins"),
        )
    };
    let control = input::within(path, "debian/control")?.ok_or_else(|| none("debian/control"))?;
    let changelog = input::within(path, CHANGELOG)?.ok_or_else(|| none(CHANGELOG))?;
    let changelog = Changelog::parse(&changelog).map_err(|fault| Error::from(*fault))?;
    Ok((control::parse(&control)?, changelog))
}

fn check_out(
    context: &Context<'_>,
    directory: &Path,
    wanted: &Wanted,
    allow_dirty: bool,
    work: &Path,
    path: &Path,
) -> Result<String> {
    let repository = Repository::open(context, &directory.to_string_lossy())?;
    refuse_dirt(&repository, allow_dirty)?;
    let commit = repository.commit(wanted)?;
    let (parts, _) = repository.tree(&commit)?;
    let packed = work.join("tree.tar");
    apply::write(&packed, &archive::join(&parts, "source", repository.time(&commit)?)?, 0o644)?;
    let words = ["--no-same-owner", "--strip-components=1", "-xf", "../tree.tar"];
    context.output("tar", Process::new("tar", words).directory(path))?;
    apply::remove(&packed)?;
    Ok(commit)
}

/// Most bytes of a source tree.
const MOST: u64 = 16 << 30;

/// What git knows or would add, and what is made; everything but git's own where there
/// is no git, or where the directory is one that a repository around it ignores.
///
/// Whoever owns the directory may change it meanwhile, and may not be who runs this:
/// each file is opened beneath it, over no link, and links are copied as they are.
fn copy_files(context: &Context<'_>, directory: &Path, path: &Path) -> Result<()> {
    use std::os::unix::ffi::OsStrExt;
    let source = Beneath::open(directory)?;
    let mut copy = Copy { source: &source, owner: source.owner()?, to: path, room: MOST, links: BTreeMap::new() };
    match super::git::files(context, directory)? {
        Some(names) => {
            for name in names.split(|byte| *byte == 0).filter(|name| !name.is_empty()) {
                copy.name(Path::new(std::ffi::OsStr::from_bytes(name)))?;
            }
            for name in MADE {
                copy.name(Path::new(name))?;
                for (file, _) in source.shapes(Path::new(name))? {
                    copy.name(&Path::new(name).join(file))?;
                }
            }
        }
        None => copy.all()?,
    }
    copy.links()
}

/// A copy that is being made.
struct Copy<'a> {
    source: &'a Beneath,
    owner: u32,
    to: &'a Path,
    room: u64,
    links: BTreeMap<PathBuf, PathBuf>,
}

impl Copy<'_> {
    /// A file or a link, where it is still there. A submodule is a directory, and stays out.
    fn name(&mut self, name: &Path) -> Result<()> {
        let plain = name.components().all(|part| matches!(part, Component::Normal(_)));
        input::refuse_deep(self.source.path(), name)?;
        if !plain || input::kind(&self.to.join(name))?.is_some() {
            return Ok(());
        }
        if let Some(file) = self.source.file(name)? {
            let facts =
                file.metadata().map_err(|error| Error::io("examine", &self.source.path().join(name), &error))?;
            self.refuse_of_others(name, &facts)?;
            let to = self.to.join(name);
            to.parent().map_or(Ok(()), apply::directory)?;
            self.room -= apply::copy(&file, &to, facts.mode() & 0o777, self.room)?;
        } else if let Some(target) = self.source.link(name)? {
            self.links.insert(name.to_owned(), target);
        }
        Ok(())
    }

    /// Where links to other users' files can be made (fs.protected_hardlinks), root would read for them.
    fn refuse_of_others(&self, name: &Path, facts: &std::fs::Metadata) -> Result<()> {
        let readable = facts.mode() & 0o004 != 0 || facts.uid() == self.owner;
        if facts.nlink() < 2 || readable || self.owner == nix::unistd::geteuid().as_raw() {
            return Ok(());
        }
        let path = self.source.path().join(name);
        Err(Diagnostic::error(format!("{} is a second name of a file of another user", path.display()))
            .hint("replace it by a copy of yours")
            .into())
    }

    /// Everything but `.git` at the top.
    fn all(&mut self) -> Result<()> {
        let mut pending = vec![PathBuf::new()];
        while let Some(directory) = pending.pop() {
            apply::directory(&self.to.join(&directory))?;
            for (name, shape) in self.source.shapes(&directory)? {
                let path = directory.join(name);
                match shape {
                    Shape::Directory if path == Path::new(".git") => {}
                    Shape::Directory => {
                        input::refuse_deep(self.source.path(), &path)?;
                        pending.push(path);
                    }
                    Shape::File | Shape::Link => self.name(&path)?,
                    // Sockets, FIFOs and devices belong to a running program.
                    Shape::Other => {}
                }
            }
        }
        Ok(())
    }

    /// The links come last, when nothing more is written that they could lead elsewhere.
    fn links(self) -> Result<()> {
        for parent in self.links.keys().filter_map(|path| path.parent()) {
            apply::directory(&self.to.join(parent))?;
        }
        self.links.iter().try_for_each(|(path, target)| apply::symlink(&self.to.join(path), target))
    }
}

fn rows(path: &Path) -> Result<Vec<String>> {
    let entries = input::tree(path)?;
    let facts = input::survey(path, &entries, &[])?;
    Ok(entries
        .iter()
        .map(|entry| {
            let what = match &entry.kind {
                Kind::Directory => "directory".to_owned(),
                Kind::Link(target) => format!("link {}", target.display()),
                Kind::File { mode, .. } => {
                    let sum = facts.get(&entry.path).map(|facts| hex(&facts.sha256)).unwrap_or_default();
                    format!("{} {sum}", if mode & 0o111 != 0 { "755" } else { "644" })
                }
                Kind::Other => "other".to_owned(),
            };
            format!("{} {what}", entry.path.display())
        })
        .collect())
}

impl Tree {
    fn survey(&mut self) -> Result<()> {
        self.rows = rows(&self.path)?;
        self.digest = digest(self.rows.iter().map(String::as_str));
        Ok(())
    }

    /// Digest of what may decide the virtual environments without the project: all but
    /// what hardly says what is installed. A hint, no key: see [`super::kept`].
    pub fn venv_inputs(&self) -> String {
        let counts = |row: &&String| {
            let path = row.rsplitn(3, ' ').last().unwrap_or_default();
            let (directory, name) = path.rsplit_once('/').unwrap_or(("", path));
            let ending = name.rsplit_once('.').map_or("", |(_, ending)| ending);
            let of_debian = directory == "debian" && !matches!(name, "changelog" | "rules" | "copyright");
            of_debian || matches!(ending, "txt" | "in" | "lock" | "toml" | "whl" | "venv")
        };
        digest(self.rows.iter().filter(counts).map(String::as_str))
    }

    /// Whether a source package can be built, too: it is native, or its orig tarball is there.
    pub fn has_source(&self) -> Result<bool> {
        Ok(!self.changelog.has_revision() || !input::names(&self.origs)?.is_empty())
    }

    /// `notes-1.0`.
    pub fn directory_name(&self) -> String {
        format!("{}-{}", self.changelog.source, self.changelog.upstream())
    }

    /// Orig tarballs from beside the source directory; of a commit, its own.
    fn find_origs(
        &self,
        context: &Context<'_>,
        directory: &Path,
        wanted: Option<&Wanted>,
        allow_dirty: bool,
    ) -> Result<()> {
        if !self.changelog.has_revision() {
            return Ok(());
        }
        let beginning = format!("{}_{}.orig", self.changelog.source, self.changelog.upstream());
        let beside = Beneath::open(&context.path(&directory.join("..")))?;
        let owner = Beneath::open(directory)?.owner()?;
        for (name, _) in beside.shapes(Path::new(""))? {
            let text = name.to_string_lossy().into_owned();
            let tarball = text.contains(".tar.") && !text.ends_with(".json");
            if text.starts_with(&beginning) && tarball {
                let Some(file) = beside.file(Path::new(&name))? else {
                    let fault = Diagnostic::error(format!("{} is no file", beside.path().join(&name).display()));
                    return Err(fault
                        .hint("an orig tarball is a file, and no link: put the tarball itself there")
                        .into());
                };
                let path = beside.path().join(&name);
                let facts = file.metadata().map_err(|error| Error::io("examine", &path, &error))?;
                refuse_orig_of_others(&path, facts.uid(), owner)?;
                let to = self.origs.join(FileName::new(&text)?.as_str());
                apply::copy(&file, &to, 0o644, input::ARCHIVE)?;
            }
        }
        if wanted.is_some() && input::names(&self.origs)?.is_empty() {
            let request = fetch::Request {
                wanted: wanted.cloned(),
                repository: directory.to_string_lossy().into_owned(),
                version: Some(self.changelog.upstream().to_owned()),
                output: self.origs.clone(),
                allow_dirty,
                ..fetch::Request::default()
            };
            let fetched = fetch::fetch(context, &request)?;
            let note = format!("{}.json", fetched.provenance.file);
            apply::remove(&self.origs.join(note))?;
        }
        Ok(())
    }

    /// Component tarballs whose directory the tree lacks, as dpkg-source(1) unpacks them.
    fn unpack_components(&self, context: &Context<'_>, work: &Path) -> Result<()> {
        let beginning = format!("{}_{}.orig-", self.changelog.source, self.changelog.upstream());
        for name in input::names(&self.origs)? {
            let Some(name) = name.to_str() else { continue };
            let Some((component, _)) = name.strip_prefix(&beginning).and_then(|rest| rest.split_once(".tar.")) else {
                continue;
            };
            let (unpacked, place) = (work.join("component"), self.path.join(component));
            if name.ends_with(".asc") || input::kind(&place)?.is_some() {
                continue;
            }
            // dpkg-source(1): letters, digits and hyphens.
            if component.is_empty() || !component.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-') {
                return Err(Diagnostic::error(format!("{name} is named after no component"))
                    .hint("a component's name has letters, digits and hyphens (dpkg-source(1))")
                    .into());
            }
            apply::directory(&unpacked)?;
            let words = [
                "--no-same-owner".into(),
                "--no-same-permissions".into(),
                "-xf".into(),
                self.origs.join(name).into_os_string(),
            ];
            let process = Process::new::<std::ffi::OsString>("tar", words).directory(&unpacked);
            context.output(&format!("unpacking {name}"), process)?;
            // A directory that all of it is in is left out.
            let inside = input::names(&unpacked)?;
            match inside.as_slice() {
                [one] if input::is_directory(&unpacked.join(one)) => apply::rename(&unpacked.join(one), &place)?,
                _ => apply::rename(&unpacked, &place)?,
            }
            apply::remove(&unpacked)?;
        }
        Ok(())
    }

    /// Whether dh_venv will run, and has no directory of wheels to take from.
    pub fn lacks_wheels(&self) -> Result<bool> {
        let there = WHEELHOUSES.iter().any(|name| input::is_directory(&self.path.join(name)));
        let component =
            input::names(&self.origs)?.iter().any(|name| name.to_string_lossy().contains(".orig-wheelhouse."));
        let named = || -> Result<bool> {
            let settings = super::lock::settings(&self.path)?;
            Ok(settings.iter().any(|settings| settings.wheelhouse.is_some() || settings.offline))
        };
        Ok(self.has_venv() && !there && !component && !named()?)
    }

    /// Whether dh_venv will run.
    pub fn has_venv(&self) -> bool {
        let needed = ["Build-Depends", "Build-Depends-Arch", "Build-Depends-Indep"];
        let needed = needed.iter().filter_map(|field| self.control.source.field(field));
        needed.flat_map(|text| text.split([',', '|'])).any(|relation| {
            let name = relation.trim().split([' ', '(', ':', '[', '<']).next().unwrap_or_default();
            ["dh-sequence-venv", "dh-venv"].contains(&name)
        })
    }

    /// Fill debian/wheelhouse of the copy.
    pub fn vendor(&mut self, context: &Context<'_>, request: &vendor::Request) -> Result<()> {
        let inside =
            Context { environment: context.environment.clone(), directory: self.path.clone(), tell: context.tell };
        vendor::vendor(&inside, request)?;
        self.survey()
    }
}

/// In a directory like /tmp, anybody puts a component beside somebody else's source.
fn refuse_orig_of_others(path: &Path, uid: u32, owner: u32) -> Result<()> {
    let own = nix::unistd::geteuid().as_raw();
    if [0, own, owner].contains(&uid) {
        return Ok(());
    }
    let user = nix::unistd::User::from_uid(uid.into()).ok().flatten();
    let name = user.map_or_else(|| format!("the user id {uid}"), |user| format!("the user {}", user.name));
    let fault = format!("{} belongs to {name}, and not to root, you, or the owner of the source", path.display());
    let hint =
        format!("remove it; if you trust what is in it: chown {own} {}", crate::plan::quote(&path.to_string_lossy()));
    Err(Diagnostic::error(fault).hint(hint).into())
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "a test plants files and makes a repository")]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;
    use crate::debian::environment::Environment;

    /// A source beside a file of somebody else's, and where it is copied to.
    fn copied(plant: impl Fn(&Path)) -> (tempfile::TempDir, Result<()>) {
        let room = tempfile::tempdir().unwrap();
        let (source, to) = (room.path().join("source"), room.path().join("to"));
        for directory in [&source, &to, &room.path().join("private")] {
            fs::create_dir_all(directory).unwrap();
        }
        fs::write(room.path().join("private/secret"), "secret").unwrap();
        fs::write(source.join("plain"), "plain").unwrap();
        plant(&source);
        let mut environment = Environment::read().all().clone();
        environment.insert("XDG_CACHE_HOME".into(), room.path().join("cache").into());
        let context =
            Context { environment: Environment::from_pairs(environment), directory: source.clone(), tell: &|_| {} };
        let copied = copy_files(&context, &source, &to);
        (room, copied)
    }

    fn git(directory: &Path, words: &[&str]) {
        let output = std::process::Command::new("git").args(words).current_dir(directory).output().unwrap();
        assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
    }

    /// No file that a name leads to elsewhere comes in, however it does.
    #[test]
    fn a_copy_has_no_file_of_another_place() {
        let secret = |room: &tempfile::TempDir| {
            let to = room.path().join("to");
            let entries = input::tree(&to).unwrap();
            let facts = input::survey(&to, &entries, &["secret".to_owned()]).unwrap();
            facts.values().any(|facts| !facts.found.is_empty())
        };
        // The index says dir/secret, and dir has become a link.
        let (room, result) = copied(|source| {
            git(source, &["init", "-q"]);
            fs::create_dir(source.join("dir")).unwrap();
            fs::write(source.join("dir/secret"), "x").unwrap();
            git(source, &["add", "-A"]);
            fs::remove_dir_all(source.join("dir")).unwrap();
            symlink("../private", source.join("dir")).unwrap();
        });
        result.unwrap();
        assert!(!secret(&room) && room.path().join("to/plain").is_file());
        assert_eq!(fs::read_link(room.path().join("to/dir")).unwrap(), Path::new("../private"));
        // Made files in a directory that is a link, and no repository at all.
        for repository in [true, false] {
            let (room, result) = copied(|source| {
                if repository {
                    git(source, &["init", "-q"]);
                }
                fs::create_dir(source.join("debian")).unwrap();
                symlink("../../private", source.join("debian/wheelhouse")).unwrap();
                symlink("/etc/passwd", source.join("link")).unwrap();
                nix::unistd::mkfifo(&source.join("fifo"), nix::sys::stat::Mode::S_IRWXU).unwrap();
            });
            result.unwrap();
            assert!(!secret(&room) && !room.path().join("to/fifo").exists());
            assert_eq!(fs::read_link(room.path().join("to/link")).unwrap(), Path::new("/etc/passwd"));
        }
    }

    /// What is made to be too deep for whoever copies, surveys or removes it.
    #[test]
    fn a_tree_that_is_too_deep_is_refused_by_name() {
        for repository in [true, false] {
            let (_room, result) = copied(|source| {
                let deep = source.join("deep").join(["a"; 150].join("/"));
                fs::create_dir_all(&deep).unwrap();
                fs::write(deep.join("file"), "").unwrap();
                if repository {
                    git(source, &["init", "-q"]);
                    git(source, &["add", "-A"]);
                }
            });
            let said = result.unwrap_err().diagnostics()[0].to_string();
            assert!(said.contains("source/deep/a/a/a/a/a/a/a/… is more than 128 directories deep"), "{said}");
        }
    }

    #[test]
    fn an_orig_tarball_of_a_stranger_is_not_taken() {
        let own = nix::unistd::geteuid().as_raw();
        for good in [0, own, 61_000] {
            refuse_orig_of_others(Path::new("/tmp/x_1.orig.tar.gz"), good, 61_000).unwrap();
        }
        let said = refuse_orig_of_others(Path::new("/tmp/x_1.orig.tar.gz"), 61_001, 61_000).unwrap_err();
        let fault = &said.diagnostics()[0];
        assert!(fault.to_string().starts_with("/tmp/x_1.orig.tar.gz belongs to the user id 61001, and not"), "{fault}");
        let cure = format!("chown {own} /tmp/x_1.orig.tar.gz");
        assert!(fault.hint.as_ref().unwrap().ends_with(&cure), "{fault:?}");
    }

    #[test]
    fn a_copy_has_an_end_and_modes_that_raise_nobody() {
        use std::os::unix::fs::PermissionsExt;
        let (room, result) = copied(|source| {
            let mode = fs::Permissions::from_mode(0o6755);
            fs::set_permissions(source.join("plain"), mode).unwrap();
        });
        result.unwrap();
        assert_eq!(fs::metadata(room.path().join("to/plain")).unwrap().permissions().mode() & 0o7777, 0o755);
        let (_room, result) = copied(|source| fs::File::create(source.join("huge")).unwrap().set_len(2 << 40).unwrap());
        let said = result.unwrap_err().diagnostics()[0].to_string();
        assert!(said.contains("huge: there is room for"), "{said}");
    }
}
