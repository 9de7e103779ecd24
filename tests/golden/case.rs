//! One case: run the program on a copy of `in/`, compare what it said and left.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What a case directory may hold.
const PARTS: [&str; 9] = ["README.md", "args", "env", "in", "out", "plan", "removed", "status", "stderr"];

/// The clock of every case; files of `in/` carry it too.
const EPOCH: &str = "1700000000";

/// Keeps an empty directory in git; never compared. `out/.keep` alone says that
/// nothing is written.
const KEEP: &str = ".keep";

/// A directory of `tests/cases/<tool>/`.
pub struct Case {
    pub tool: String,
    pub name: String,
    dir: PathBuf,
}

/// A file as it is compared: links by their target, contents with the
/// temporary directories' names taken out, and whether it is executable.
#[derive(PartialEq, Eq, Clone)]
enum Entry {
    File { bytes: Vec<u8>, executable: bool },
    Link(PathBuf),
}

type Tree = BTreeMap<PathBuf, Entry>;

/// The temporary directories of a run.
struct Workplace {
    tree: tempfile::TempDir,
    cache: tempfile::TempDir,
}

impl Workplace {
    fn new() -> Result<Workplace, String> {
        let make = || tempfile::Builder::new().prefix("golden-").tempdir().map_err(|error| error.to_string());
        Ok(Workplace { tree: make()?, cache: make()? })
    }

    fn name(&self, text: &str) -> String {
        text.replace(&*self.tree.path().to_string_lossy(), "@DIR@")
            .replace(&*self.cache.path().to_string_lossy(), "@CACHE@")
    }

    fn fill(&self, text: &str) -> String {
        text.replace("@DIR@", &self.tree.path().to_string_lossy())
            .replace("@CACHE@", &self.cache.path().to_string_lossy())
    }
}

impl Case {
    pub fn new(dir: &Path) -> Case {
        let name = |path: Option<&Path>| path.and_then(Path::file_name).unwrap_or_default().to_string_lossy().into();
        Case { tool: name(dir.parent()), name: name(Some(dir)), dir: dir.to_owned() }
    }

    /// Runs the case; the error says everything that differs. With `update`, the
    /// expectations are rewritten instead.
    pub fn check(&self, program: &Path, update: bool) -> Result<(), String> {
        self.check_parts()?;
        if !program.is_file() {
            return Err(format!("{} is not there: is it a binary in Cargo.toml?", program.display()));
        }
        let place = Workplace::new()?;
        let before = match self.dir.join("in") {
            input if input.is_dir() => {
                copy(&input, place.tree.path())?;
                tree(place.tree.path(), &place)?
            }
            _ => Tree::new(),
        };
        let output = self.command(program, &place).output().map_err(|error| format!("cannot run: {error}"))?;
        let after = tree(place.tree.path(), &place)?;

        let status = output.status.code().map_or_else(|| output.status.to_string(), |code| code.to_string());
        let got = [
            ("status", if status == "0" { String::new() } else { format!("{status}\n") }),
            ("stderr", place.name(&String::from_utf8_lossy(&output.stderr))),
            ("plan", place.name(&String::from_utf8_lossy(&output.stdout))),
        ];
        let changed: Tree = after
            .iter()
            .filter(|(path, entry)| before.get(*path) != Some(entry))
            .map(|(path, entry)| (path.clone(), entry.clone()))
            .collect();
        let removed: String =
            before.keys().filter(|path| !after.contains_key(*path)).fold(String::new(), |mut s, path| {
                let _ = writeln!(s, "{}", path.display());
                s
            });
        if update { self.rewrite(&got, &changed, &removed) } else { self.compare(&got, &changed, &removed) }
    }

    fn check_parts(&self) -> Result<(), String> {
        let entries = std::fs::read_dir(&self.dir).map_err(|error| format!("{}: {error}", self.dir.display()))?;
        for entry in entries.flatten() {
            let name = entry.file_name();
            if !PARTS.iter().any(|part| name == *part) {
                return Err(format!("{}: a case holds only {}", entry.path().display(), PARTS.join(", ")));
            }
        }
        let (number, name) = self.name.split_at_checked(2).unwrap_or_default();
        if number.chars().all(|c| c.is_ascii_digit()) && name.len() > 1 && name.starts_with('-') {
            Ok(())
        } else {
            Err(format!("{}: the name of a case is NN-name", self.dir.display()))
        }
    }

    fn command(&self, program: &Path, place: &Workplace) -> Command {
        let mut command = Command::new(program);
        command
            .args(self.read("args").lines().map(|word| place.fill(word)))
            .current_dir(place.tree.path())
            .stdin(Stdio::null())
            .env_clear()
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
            .env("HOME", "/nonexistent")
            .env("LC_ALL", "C.UTF-8")
            .env("SOURCE_DATE_EPOCH", EPOCH)
            .env("XDG_CACHE_HOME", place.cache.path());
        for line in self.read("env").lines() {
            if let Some((name, value)) = line.split_once('=') {
                command.env(name, place.fill(value));
            }
        }
        command
    }

    /// A part's text; a part that is not there is empty.
    fn read(&self, part: &str) -> String {
        std::fs::read_to_string(self.dir.join(part)).unwrap_or_default()
    }

    fn compare(&self, got: &[(&str, String)], changed: &Tree, removed: &str) -> Result<(), String> {
        let mut differences = String::new();
        for (part, text) in got {
            let expected = self.read(part);
            let expected = if *part == "status" && expected.trim() == "0" { String::new() } else { expected };
            differences += &diff(part, expected.as_bytes(), text.as_bytes());
        }
        let out = self.dir.join("out");
        if out.exists() {
            // Git keeps no empty directory: a file stands for "nothing is made or changed".
            let expected = if out.is_dir() { plain_tree(&out)? } else { Tree::new() };
            let paths: std::collections::BTreeSet<&PathBuf> = expected.keys().chain(changed.keys()).collect();
            for path in paths {
                differences += &entry_diff(path, expected.get(path), changed.get(path));
            }
            differences += &diff("removed", self.read("removed").as_bytes(), removed.as_bytes());
        }
        if differences.is_empty() { Ok(()) } else { Err(differences) }
    }

    fn rewrite(&self, got: &[(&str, String)], changed: &Tree, removed: &str) -> Result<(), String> {
        let io = |error: std::io::Error| format!("{}: {error}", self.dir.display());
        let write = |part: &str, text: &str| match text {
            "" => std::fs::remove_file(self.dir.join(part)).or_else(|error| match error.kind() {
                std::io::ErrorKind::NotFound => Ok(()),
                _ => Err(error),
            }),
            _ => std::fs::write(self.dir.join(part), text),
        };
        for (part, text) in got {
            write(part, text).map_err(io)?;
        }
        let out = self.dir.join("out");
        if !out.exists() {
            return Ok(());
        }
        write("removed", removed).map_err(io)?;
        if out.is_dir() { std::fs::remove_dir_all(&out) } else { std::fs::remove_file(&out) }.map_err(io)?;
        if changed.is_empty() {
            return std::fs::write(&out, "Nothing is made or changed.\n").map_err(io);
        }
        std::fs::create_dir(&out).map_err(io)?;
        if changed.is_empty() {
            std::fs::write(out.join(KEEP), "").map_err(io)?;
        }
        for (path, entry) in changed {
            let path = out.join(path);
            std::fs::create_dir_all(path.parent().unwrap_or(&out)).map_err(io)?;
            match entry {
                Entry::Link(target) => std::os::unix::fs::symlink(target, &path).map_err(io)?,
                Entry::File { bytes, executable } => {
                    std::fs::write(&path, bytes).map_err(io)?;
                    let mode = if *executable { 0o755 } else { 0o644 };
                    std::fs::set_permissions(&path, PermissionsExt::from_mode(mode)).map_err(io)?;
                }
            }
        }
        Ok(())
    }
}

/// Copies `in/`, everything dated to the cases' clock.
fn copy(from: &Path, to: &Path) -> Result<(), String> {
    let script = "cp -a --no-preserve=ownership,timestamps -- \"$1\"/. \"$2\" && find \"$2\" -name .keep -delete && find \"$2\" -exec touch -hd \"@$3\" {} +";
    let output = Command::new("sh")
        .args(["-c", script, "copy"])
        .args([from, to])
        .arg(EPOCH)
        .output()
        .map_err(|error| format!("sh: {error}"))?;
    if output.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&output.stderr).into_owned()) }
}

fn plain_tree(root: &Path) -> Result<Tree, String> {
    let mut found = Tree::new();
    let mut pending = vec![root.to_owned()];
    while let Some(dir) = pending.pop() {
        let entries = std::fs::read_dir(&dir).map_err(|error| format!("{}: {error}", dir.display()))?;
        for entry in entries.flatten() {
            let path = entry.path();
            let broken = |error: std::io::Error| format!("{}: {error}", path.display());
            let kind = entry.file_type().map_err(broken)?;
            if kind.is_dir() {
                pending.push(path);
                continue;
            }
            if path.file_name().is_some_and(|name| name == KEEP) {
                continue;
            }
            let name = path.strip_prefix(root).unwrap_or(&path).to_owned();
            let entry = if kind.is_symlink() {
                Entry::Link(std::fs::read_link(&path).map_err(broken)?)
            } else {
                let mode = entry.metadata().map_err(broken)?.permissions().mode();
                Entry::File { bytes: std::fs::read(&path).map_err(broken)?, executable: mode & 0o100 != 0 }
            };
            found.insert(name, entry);
        }
    }
    Ok(found)
}

/// Python modules that programs install as they are, by contents: a case names them.
fn shipped() -> &'static BTreeMap<Vec<u8>, String> {
    static SHIPPED: std::sync::OnceLock<BTreeMap<Vec<u8>, String>> = std::sync::OnceLock::new();
    SHIPPED.get_or_init(|| {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("share/python");
        let files = plain_tree(&root).expect("share/python is read");
        let named = files.into_iter().filter_map(|(path, entry)| match entry {
            Entry::File { bytes, .. } => Some((bytes, format!("share/python/{}", path.display()))),
            Entry::Link(_) => None,
        });
        named.collect()
    })
}

fn tree(root: &Path, place: &Workplace) -> Result<Tree, String> {
    let mut found = plain_tree(root)?;
    for entry in found.values_mut() {
        let Entry::File { bytes, .. } = entry else { continue };
        if let Some(name) = shipped().get(bytes) {
            *bytes = format!("@FILE {name}@\n").into_bytes();
        } else if let Ok(text) = std::str::from_utf8(bytes) {
            *bytes = place.name(text).into_bytes();
        }
    }
    Ok(found)
}

fn entry_diff(path: &Path, expected: Option<&Entry>, got: Option<&Entry>) -> String {
    let name = format!("out/{}", path.display());
    match (expected, got) {
        (expected, got) if expected == got => String::new(),
        (Some(_), None) => format!("{name}: expected, but neither made nor changed\n"),
        (Some(Entry::Link(a)), Some(Entry::Link(b))) => format!("{name}: -> {}, not {}\n", b.display(), a.display()),
        (Some(Entry::File { bytes: a, executable: x }), Some(Entry::File { bytes: b, executable: y })) => {
            let mode = if x == y { String::new() } else { format!("{name}: executable: {y}, not {x}\n") };
            mode + &diff(&name, a, b)
        }
        (None, Some(Entry::File { bytes, .. })) => format!("{name}: not expected\n") + &diff(&name, b"", bytes),
        (None, Some(Entry::Link(target))) => format!("{name}: not expected: -> {}\n", target.display()),
        _ => format!("{name}: a link, or a file, but not the one expected\n"),
    }
}

/// A unified diff; nothing where both are the same.
fn diff(name: &str, expected: &[u8], got: &[u8]) -> String {
    if expected == got {
        return String::new();
    }
    let show = || -> std::io::Result<String> {
        let dir = tempfile::tempdir()?;
        std::fs::write(dir.path().join("expected"), expected)?;
        std::fs::write(dir.path().join("got"), got)?;
        let output = Command::new("diff")
            .args(["-u", &format!("--label={name} (expected)"), &format!("--label={name}"), "expected", "got"])
            .current_dir(dir.path())
            .output()?;
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    };
    show().unwrap_or_else(|error| format!("{name} differs (diff: {error})\n"))
}
