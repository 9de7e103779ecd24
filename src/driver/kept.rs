//! Virtual environments that are kept for the next builds of a source.
//!
//! Owns where they lie and who makes them. A build runs what others have written, so
//! nothing of what it leaves is ever kept: not its virtual environments, not its byte
//! code, not what its programs have answered. What is kept is made before the build, in
//! a session in which dh_venv alone runs (`dh_venv --fill`), from the wheels of the
//! source and the hashes of its lock. Its keys are digests of these bytes, so that a
//! source finds only what its own hashes have vouched for, whoever else calls himself
//! like it. Whether the modules can be imported, running them has to tell: in another
//! session, of which nothing comes back but whether it succeeded.
//!
//! A state is a layer that never changes while a session reads it; a build that adds
//! something makes the next one. The check `rebuild` reads none of it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use crate::apply;
use crate::digest::digest;
use crate::error::Result;
use crate::input::{self, Kind};
use crate::plan::Process;
use crate::run::venv::{is_code, is_whole};

use super::context::{Context, last_words};
use super::environment::{Base, Environments};
use super::hold::{Held, Workroom, owner};
use super::job::{BUILD_PLACE, Backend, Request, Variation};
use super::process::{self, Terms};
use super::session::{Bind, PROCESSES, Session, Step, Upper, memory};
use super::tree::Tree;

const COLLECT: &str = include_str!("../../share/driver/kept.sh");
/// Makes the directory for dh_venv's intermediate files.
const ROOM: &str = "mkdir /run/fill && chown builder: /run/fill";
/// Where that is.
const FILL: &str = "/run/fill";

/// dh_venv's cache, as the user of the session sees it.
const CACHE: &str = "home/builder/.cache/dh-venv";
/// How many virtual environments are kept of a source.
const MOST: usize = 6;
/// How many files of byte code are kept with them, and how many bytes, the latest made first.
const CODES: usize = 500;
const CODE: u64 = 256 << 20;
/// Below the cache. Up to 0.1.0 it was the other one: what builds had left.
const HOME: &str = "kept";
const TAINTED: &str = "venvs";

/// What is kept of a source, for a suite and architecture.
#[derive(Debug)]
pub struct Kept {
    home: PathBuf,
    state: Option<String>,
    _held: Option<Held>,
}

/// What is made before a build, and with what.
pub struct Filling<'a> {
    /// Of the command.
    pub context: &'a Context<'a>,
    /// Of the cache.
    pub environments: &'a Environments<'a>,
    /// What the build stands on.
    pub base: &'a Base,
    /// The source.
    pub tree: &'a Tree,
    /// The build.
    pub request: &'a Request,
    /// A directory of the build's own.
    pub work: &'a Path,
    /// The build's variables.
    pub variables: &'a BTreeMap<String, String>,
}

impl Kept {
    /// What is kept for a build; `None` where it shall use nothing of it.
    pub fn new(context: &Context<'_>, source: &str, request: &Request, base: Option<&Base>) -> Result<Option<Self>> {
        let usual = request.backend == Backend::Session && request.variation == Variation::Usual;
        let Some(base) = base.filter(|_| usual) else { return Ok(None) };
        // The layer with the tools decides what dh_venv is there.
        let tools = base.names.first().unwrap_or(&base.generation);
        let name = format!("{source}_{}_{}_{tools}", request.suite.name, request.architecture);
        apply::remove(&context.cache()?.join(TAINTED))?;
        Self::open(context.cache()?.join(HOME).join(name)).map(Some)
    }

    fn open(home: PathBuf) -> Result<Self> {
        let state = input::text(&home.join("latest"))?.map(|text| text.trim().to_owned());
        let held = state.as_ref().map(|state| Held::shared(&home.join(format!("{state}.lock")))).transpose()?;
        // It may have been replaced before it was held.
        let state = state.filter(|state| input::is_directory(&home.join(state)));
        Ok(Self { home, state, _held: held })
    }

    /// The layer to put on top of a session's.
    pub fn layer(&self) -> Option<PathBuf> {
        self.state.as_ref().map(|state| self.home.join(state))
    }

    /// Have there what the build can use, as far as it can be made without running
    /// anything of the source's. What cannot be made is the build's to make, or to
    /// complain about.
    pub fn fill(&mut self, filling: &Filling<'_>) -> Result<()> {
        let Filling { context, base, tree, request, variables, .. } = *filling;
        if !tree.has_venv() || request.network {
            return Ok(());
        }
        let mut inputs = vec![tree.venv_inputs(), base.generation.clone()];
        inputs.extend(base.names.iter().cloned());
        inputs.extend(variables.iter().map(|(name, value)| format!("{name}={value}")));
        let inputs = digest(inputs.iter().map(String::as_str));
        // Only whether it is worth a session: what a build finds, its own keys decide.
        if self.is_filled(&inputs)? {
            return Ok(());
        }
        let from = filling.work.join("kept");
        apply::directory(&from)?;
        let _task = context.begin("keeping the virtual environments that hashes decide");
        if filling.makes(self, &from)? {
            if filling.tries(self, &from)? {
                vouch(&from)?;
            }
            self.take(context, &from)?;
            *self = Self::open(self.home.clone())?;
            self.note_filled(&inputs)?;
        }
        apply::remove(&from)
    }

    /// Lines of digests of inputs, the newest first, each with the keys that were there then.
    fn filled(&self) -> Result<Vec<String>> {
        Ok(input::text(&self.home.join("filled"))?.unwrap_or_default().lines().map(str::to_owned).collect())
    }

    fn is_filled(&self, inputs: &str) -> Result<bool> {
        let keys = self.keys()?;
        let lines = self.filled()?;
        let line = lines.iter().find_map(|line| line.strip_prefix(inputs));
        Ok(line.is_some_and(|line| line.split_whitespace().all(|key| keys.iter().any(|one| one == key))))
    }

    fn note_filled(&self, inputs: &str) -> Result<()> {
        let mut lines = self.filled()?;
        lines.retain(|line| !line.starts_with(inputs));
        lines.insert(0, [&[inputs.to_owned()], &self.keys()?[..]].concat().join(" "));
        lines.truncate(MOST);
        apply::write(&self.home.join("filled"), (lines.join("\n") + "\n").as_bytes(), 0o644)
    }

    /// Keys of the virtual environments and the byte code that need not be copied again.
    fn known(&self) -> Result<Vec<String>> {
        let mut all = self.keys()?;
        all.extend(self.earlier("code")?.into_iter().map(|(key, _)| key));
        Ok(all)
    }

    /// Keys of the virtual environments, the newest first.
    fn keys(&self) -> Result<Vec<String>> {
        Ok(self.earlier("sums")?.into_iter().map(|(key, _)| key).collect())
    }

    /// What [`listed`] says of the state that is there.
    fn earlier(&self, suffix: &str) -> Result<Vec<(String, u64)>> {
        self.layer().map_or_else(|| Ok(Vec::new()), |layer| listed(&layer, suffix))
    }

    /// Take what has been made in `from`, as far as it is whole.
    fn take(&self, context: &Context<'_>, from: &Path) -> Result<()> {
        let trees = from.join(CACHE).join("trees");
        let mut new = Vec::new();
        for name in input::names(&trees)? {
            let Some(key) = name.to_str().and_then(|name| name.strip_suffix(".sums")) else { continue };
            let plain = key.bytes().all(|byte| byte.is_ascii_hexdigit());
            if plain && is_whole(&trees.join(format!("{key}.d")), &trees.join(&name))? {
                new.push(key.to_owned());
            }
        }
        new.truncate(MOST);
        let texts = self.texts(from)?;
        let more = |path: &String| self.layer().is_none_or(|layer| !input::is_file(&layer.join(path)));
        if new.is_empty() && listed(from, "code")?.is_empty() && !texts.iter().any(more) {
            return Ok(());
        }
        let old: Vec<String> = self.keys()?.into_iter().take(MOST - new.len()).collect();
        let mut room = (CODES, CODE);
        let mut fits = |(_, size): &(String, u64)| {
            let left = room.0.checked_sub(1).zip(room.1.checked_sub(*size));
            room = left.unwrap_or(room);
            left.is_some()
        };
        let mut codes = Vec::new();
        for one in listed(from, "code")? {
            if fits(&one) && is_code(&from.join(code(&one.0)))? {
                codes.push(one.0);
            }
        }
        let mut earlier = self.earlier("code")?;
        earlier.retain(|one| !codes.contains(&one.0) && fits(one));
        let earlier: Vec<String> = earlier.into_iter().map(|(key, _)| key).collect();
        let all: BTreeSet<&str> =
            [&new, &old, &codes, &earlier, &texts].into_iter().flatten().map(String::as_str).collect();
        let next = digest(all)[..32].to_owned();
        let work = Workroom::new(context, &self.home.join("work"))?;
        let fresh = work.path().join("state");
        apply::directory(&fresh)?;
        let both = |key: &String| ["d", "sums"].map(|suffix| format!("{CACHE}/trees/{key}.{suffix}"));
        let paths =
            new.iter().flat_map(both).chain(texts.iter().cloned()).chain(codes.iter().map(|key| code(key))).collect();
        copy(context, from, "-a", paths, &fresh)?;
        let paths: Vec<String> = old.iter().flat_map(both).chain(earlier.iter().map(|key| code(key))).collect();
        if let Some(layer) = self.layer().filter(|_| !paths.is_empty()) {
            copy(context, &layer, "-al", paths, &fresh)?;
        }
        let _one_at_a_time = Held::wait(&self.home.join("lock"), &owner("keeps virtual environments"))?;
        if input::kind(&self.home.join(&next))?.is_none() {
            apply::rename(&fresh, &self.home.join(&next))?;
        }
        apply::write(&self.home.join("latest"), format!("{next}\n").as_bytes(), 0o644)?;
        self.sweep(&next)
    }

    /// Small texts with a checksum of their own.
    fn texts(&self, from: &Path) -> Result<Vec<String>> {
        let mut texts = Vec::new();
        for name in input::names(&from.join(CACHE).join("texts"))? {
            let Some(name) = name.to_str() else { continue };
            let path = format!("{CACHE}/texts/{name}");
            if !matches!(input::kind(&from.join(&path))?, Some(Kind::File { size, .. }) if size < 1 << 20) {
                continue;
            }
            let text = input::bytes(&from.join(&path))?.unwrap_or_default();
            let text = String::from_utf8_lossy(&text).into_owned();
            texts.extend(text.split_once('\n').filter(|(sum, body)| digest([*body]) == *sum).map(|_| path));
        }
        Ok(texts)
    }

    /// Remove the states before this one that no session reads.
    fn sweep(&self, latest: &str) -> Result<()> {
        for name in input::names(&self.home)? {
            let name = name.to_string_lossy().into_owned();
            let state = [12, 32].contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_hexdigit());
            if state && name != latest && self.state.as_deref() != Some(name.as_str()) {
                if let Ok(_held) = Held::alone(&self.home.join(format!("{name}.lock")), &owner("removes it"))? {
                    apply::remove(&self.home.join(&name))?;
                }
            }
        }
        Ok(())
    }
}

impl Filling<'_> {
    /// Have dh_venv make what follows from hashes, into `from`; whether it could say what.
    fn makes(&self, kept: &Kept, from: &Path) -> Result<bool> {
        let into = Bind { from: from.to_owned(), to: "/run/kept".into(), writable: true };
        let keys = kept.known()?;
        let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
        self.run(kept.layer(), vec![into], &[], vec![Step::script(COLLECT, &keys)])
    }

    /// Import the modules of what has been made in `from`; whether that went well, if
    /// there was something that had not been tried.
    fn tries(&self, kept: &Kept, from: &Path) -> Result<bool> {
        if input::names(&from.join(CACHE).join("untried"))?.is_empty() {
            return Ok(false);
        }
        let layers = [from.to_owned()].into_iter().chain(kept.layer());
        self.run(layers, Vec::new(), &["--tried"], Vec::new())
    }

    /// Run dh_venv alone, on a source that can only be read.
    fn run(
        &self,
        layers: impl IntoIterator<Item = PathBuf>,
        mut binds: Vec<Bind>,
        words: &[&str],
        after: Vec<Step>,
    ) -> Result<bool> {
        // At the same place as in the build: no file may name it.
        let place = Path::new(BUILD_PLACE).join(self.tree.directory_name());
        binds.push(Bind { from: self.tree.path.clone(), to: place.clone(), writable: false });
        let command = [&["dh_venv", "--fill", FILL], words].concat();
        let step = Step { environment: self.variables.clone(), ..Step::of("builder", place, &command) };
        let session = Session {
            layers: layers.into_iter().chain(self.base.layers.iter().cloned()).collect(),
            upper: Upper::Memory(self.request.room.map_or_else(memory, Ok)?),
            mount_point: self.environments.mount_point()?,
            network: false,
            binds,
            commands: [vec![Step::script(ROOM, &[]), step], after].concat(),
            take: None,
            processes: PROCESSES,
            interactive: false,
            boot: None,
        };
        let log = self.work.join("kept.log");
        let (limit, unwanted) = (self.request.limit, self.request.unwanted.as_deref());
        let terms = Terms { limit, unwanted, patient: false };
        let ended = process::contained_on(&session.process()?, &log, terms, &mut |_| {})?;
        if !ended.success() {
            let said = last_words(&input::bytes(&log)?.unwrap_or_default());
            self.context.say(format!("nothing is kept for the next build ({ended}): {said}"));
        }
        Ok(ended.success())
    }
}

/// Keep of what was imported that it can be.
fn vouch(from: &Path) -> Result<()> {
    let untried = from.join(CACHE).join("untried");
    for name in input::names(&untried)? {
        apply::rename(&untried.join(&name), &from.join(CACHE).join("texts").join(&name))?;
    }
    Ok(())
}

/// Keys of the files `KEY.suffix` in a cache, the newest first, and their sizes.
fn listed(root: &Path, suffix: &str) -> Result<Vec<(String, u64)>> {
    let trees = root.join(CACHE).join("trees");
    let mut all = Vec::new();
    for name in input::names(&trees)? {
        let path = trees.join(&name);
        let key = name.to_str().and_then(|name| name.strip_suffix(suffix)?.strip_suffix('.'));
        let Some(key) = key.filter(|key| key.bytes().all(|byte| byte.is_ascii_hexdigit())) else { continue };
        if let Some(Kind::File { size, .. }) = input::kind(&path)? {
            all.push((std::cmp::Reverse(input::modified(&path)?), key.to_owned(), size));
        }
    }
    all.sort();
    Ok(all.into_iter().map(|(_, key, size)| (key, size)).collect())
}

/// Where byte code lies in a cache.
fn code(key: &str) -> String {
    format!("{CACHE}/trees/{key}.code")
}

/// Copy or link paths below `from` to the same ones below `to`, with owners and modes of all directories above them.
fn copy(context: &Context<'_>, from: &Path, how: &str, paths: Vec<String>, to: &Path) -> Result<()> {
    let mut words = vec![how.to_owned(), "--parents".to_owned(), "--".to_owned()];
    words.extend(paths);
    words.push(to.to_string_lossy().into_owned());
    context.output("keeping virtual environments", Process::new("cp", words).directory(from)).map(|_| ())
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "a test plants files")]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::debian::environment::Environment;

    /// A virtual environment as dh_venv keeps it, with its listing.
    fn venv(session: &Path, key: &str) -> PathBuf {
        let trees = session.join(CACHE).join("trees");
        let tree = trees.join(format!("{key}.d"));
        fs::create_dir_all(tree.join("bin")).unwrap();
        fs::write(tree.join("bin/notes"), key).unwrap();
        fs::set_permissions(tree.join("bin/notes"), fs::Permissions::from_mode(0o755)).unwrap();
        let size = key.len();
        // What run::venv::cache::listing writes.
        let body = format!("{size}\ndirectory bin\nfile 755 {} bin/notes", sha256(key));
        fs::write(trees.join(format!("{key}.sums")), format!("{body}\n{}\n", digest([body.as_str()]))).unwrap();
        tree
    }

    fn sha256(text: &str) -> String {
        use sha2::{Digest, Sha256};
        crate::hex::hex(&Sha256::digest(text))
    }

    /// What is kept in `home` now.
    fn kept(home: &Path) -> Kept {
        Kept::open(home.to_owned()).unwrap()
    }

    #[test]
    fn only_what_is_as_its_listing_says_is_kept() {
        let room = tempfile::tempdir().unwrap();
        let (home, tell) = (room.path().join("home"), |_| {});
        let context = Context { environment: Environment::read(), directory: room.path().to_owned(), tell: &tell };
        let session = room.path().join("session");
        // Nothing at all is nothing.
        kept(&home).take(&context, &session).unwrap();
        assert!(kept(&home).layer().is_none());

        let good = venv(&session, "a1");
        fs::write(venv(&session, "b2").join("bin/notes"), "other").unwrap();
        fs::write(venv(&session, "c3").join("added"), "").unwrap();
        let root = venv(&session, "d4").join("bin/notes");
        fs::set_permissions(root, fs::Permissions::from_mode(0o4755)).unwrap();
        let trees = session.join(CACHE).join("trees");
        venv(&session, "e5");
        fs::write(trees.join("e5.sums"), "unsigned\n").unwrap();
        venv(&session, "f6");
        fs::remove_dir_all(trees.join("f6.d")).unwrap();
        std::os::unix::fs::symlink(&good, trees.join("f6.d")).unwrap();
        // No key of dh_venv's.
        venv(&session, "..x");
        let code = |name: &str, text: &str| fs::write(trees.join(name), text).unwrap();
        code("c0.code", &format!("{}\ncode", sha256("code")));
        code("c1.code", &format!("{}\ncodes", sha256("code")));
        code("..y.code", &format!("{}\ncode", sha256("code")));
        std::os::unix::fs::symlink("c0.code", trees.join("c2.code")).unwrap();
        code("c3.code", &format!("{}\ncode", sha256("code")));
        fs::set_permissions(trees.join("c3.code"), fs::Permissions::from_mode(0o4644)).unwrap();
        kept(&home).take(&context, &session).unwrap();
        let layer = kept(&home).layer().unwrap();
        assert_eq!(kept(&home).keys().unwrap(), ["a1"]);
        let names = input::names(&layer.join(CACHE).join("trees")).unwrap();
        assert_eq!(names, ["a1.d", "a1.sums", "c0.code"]);
        assert_eq!(fs::read(layer.join(CACHE).join("trees/a1.d/bin/notes")).unwrap(), b"a1");
        // The next state has the code of the one before, but nothing too large.
        let next = room.path().join("next");
        venv(&next, "a2");
        fs::File::create(next.join(CACHE).join("trees/c5.code")).unwrap().set_len(CODE + 1).unwrap();
        fs::write(next.join(CACHE).join("trees/c4.code"), format!("{}\nnew", sha256("new"))).unwrap();
        kept(&home).take(&context, &next).unwrap();
        let names = input::names(&kept(&home).layer().unwrap().join(CACHE).join("trees")).unwrap();
        assert_eq!(names, ["a1.d", "a1.sums", "a2.d", "a2.sums", "c0.code", "c4.code"]);
        assert_eq!(kept(&home).known().unwrap(), ["a2", "a1", "c4", "c0"]);
        // A later change in the session is not one of what is kept.
        fs::write(good.join("bin/notes"), "later").unwrap();
        assert_eq!(fs::read(layer.join(CACHE).join("trees/a1.d/bin/notes")).unwrap(), b"a1");
    }

    #[test]
    fn states_follow_one_another_and_what_is_read_stays() {
        let room = tempfile::tempdir().unwrap();
        let (home, tell) = (room.path().join("home"), |_| {});
        let context = Context { environment: Environment::read(), directory: room.path().to_owned(), tell: &tell };
        let mut before = None;
        let reader = {
            let first = room.path().join("0");
            venv(&first, "a0");
            kept(&home).take(&context, &first).unwrap();
            kept(&home)
        };
        for number in 1..=MOST + 1 {
            let session = room.path().join(number.to_string());
            venv(&session, &format!("a{number}"));
            kept(&home).take(&context, &session).unwrap();
            before = Some(kept(&home));
        }
        // No more than that, the newest among them, and the first is gone.
        let keys = before.unwrap().keys().unwrap();
        assert_eq!(keys.len(), MOST, "{keys:?}");
        assert!(keys.contains(&format!("a{}", MOST + 1)) && !keys.contains(&"a0".to_owned()), "{keys:?}");
        // Who reads the first state still has it; afterwards the next one sweeps it.
        let first = reader.layer().unwrap();
        assert!(input::is_directory(&first));
        drop(reader);
        let session = room.path().join("last");
        venv(&session, "b0");
        kept(&home).take(&context, &session).unwrap();
        assert!(!input::is_directory(&first));
    }
}
