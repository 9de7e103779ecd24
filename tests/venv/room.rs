//! A source package of its own for each test, and the programs run in it.

use std::collections::BTreeMap;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::harness;

const CONTROL: &str = "\
Source: notes
Section: python
Priority: optional
Maintainer: Anna Person <anna@example.org>
Build-Depends: debhelper-compat (= 13), dh-sequence-venv

Package: notes
Architecture: any
Depends: ${misc:Depends}, ${venv:Depends}
Description: keeps notes
 An application for tests.
";

const CHANGELOG: &str = "\
notes (1.0-1) unstable; urgency=medium

  * A test.

 -- Anna Person <anna@example.org>  Tue, 14 Nov 2023 22:13:20 +0000
";

/// A build backend that needs nothing, in the source's root.
pub const BACKEND: &str = include_str!("backend.py");

/// The installer that a run finds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum With {
    Uv,
    Pip,
}

/// What a run left.
#[derive(Debug)]
pub struct Output {
    pub status: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Output {
    #[track_caller]
    pub fn ok(self) -> Output {
        assert_eq!(self.status, Some(0), "{}{}", self.stdout, self.stderr);
        self
    }

    /// A failure with this exit status, whose messages hold all of these.
    #[track_caller]
    pub fn fails(self, status: i32, parts: &[&str]) -> Output {
        assert_eq!(self.status, Some(status), "{}{}", self.stdout, self.stderr);
        for part in parts {
            assert!(self.stderr.contains(part), "'{part}' is not in:\n{}", self.stderr);
        }
        for rust in ["panicked", "os error", "RUST_BACKTRACE", "unwrap"] {
            let ours = self.stderr.lines().filter(|line| line.starts_with("dh_venv"));
            assert!(ours.clone().all(|line| !line.contains(rust)), "{}", self.stderr);
        }
        self
    }
}

/// A tree: path → mode and digest, or link target.
pub type Tree = BTreeMap<String, String>;

pub struct Room {
    root: tempfile::TempDir,
    source: PathBuf,
    cache: PathBuf,
}

impl Room {
    pub fn new() -> Room {
        Room::named("source")
    }

    /// A room whose source directory has this name.
    pub fn named(name: &str) -> Room {
        let root = tempfile::Builder::new().prefix("venv-test-").tempdir().expect("a temporary directory");
        // Others than root walk through it, too.
        std::fs::set_permissions(root.path(), PermissionsExt::from_mode(0o755)).expect("chmod");
        let room = Room { source: root.path().join(name), cache: root.path().join("cache"), root };
        room.file("debian/control", CONTROL).file("debian/changelog", CHANGELOG);
        std::fs::create_dir(room.root.path().join("home")).expect("mkdir");
        room
    }

    /// A room in a directory that is there, and stays.
    pub fn sharing(mut self, cache: &Path) -> Room {
        self.cache = cache.to_owned();
        self
    }

    pub fn top(&self) -> &Path {
        self.root.path()
    }

    pub fn source(&self) -> &Path {
        &self.source
    }

    pub fn cache(&self) -> &Path {
        &self.cache
    }

    pub fn stage(&self) -> PathBuf {
        self.source.join("debian/.debhelper/generated/_source/dh_venv/notes")
    }

    pub fn staged(&self) -> PathBuf {
        self.stage().join("venv")
    }

    /// site-packages of the staged venv.
    pub fn site(&self) -> PathBuf {
        let lib = self.staged().join("lib");
        let python = std::fs::read_dir(&lib).expect("lib").flatten().next().expect("lib/python3.N");
        python.path().join("site-packages")
    }

    pub fn file(&self, path: &str, text: &str) -> &Room {
        let path = self.source.join(path);
        std::fs::create_dir_all(path.parent().expect("a parent")).expect("mkdir");
        std::fs::write(path, text).expect("write");
        self
    }

    pub fn venv(&self, text: &str) -> &Room {
        self.file("debian/notes.venv", text)
    }

    pub fn replace(&self, path: &str, from: &str, to: &str) -> &Room {
        let text = self.read(path);
        assert!(text.contains(from), "{path}: {text}");
        self.file(path, &text.replace(from, to))
    }

    pub fn read(&self, path: &str) -> String {
        std::fs::read_to_string(self.source.join(path)).expect(path)
    }

    /// A project with a package `notes` and a command, built without any requirement.
    pub fn project(&self, more: &str) -> &Room {
        self.file("backend.py", BACKEND).file("notes.py", "def main():\n    print('notes')\n").file(
            "pyproject.toml",
            &format!(
                "[build-system]\nrequires = []\nbuild-backend = \"backend\"\nbackend-path = [\".\"]\n\n\
                 [project]\nname = \"notes\"\nversion = \"1.0\"\n\n{more}"
            ),
        )
    }

    /// Wheels into debian/wheelhouse; their digests by name.
    pub fn wheels(&self, items: &Value) -> BTreeMap<String, String> {
        make_wheels(&self.source.join("debian/wheelhouse"), items)
    }

    /// A wheel with one module of its name, and a requirements.txt that wants it.
    pub fn tiny(&self) -> String {
        self.file("requirements.txt", "tiny==1.0\n");
        self.wheels(&json!([tiny("tiny")]))["tiny"].clone()
    }

    pub fn command(&self, tool: &str, with: With) -> Command {
        let program = match tool {
            "dh_venv" => env!("CARGO_BIN_EXE_dh_venv"),
            _ => env!("CARGO_BIN_EXE_dh_venv_place"),
        };
        let mut command = Command::new(program);
        self.prepare(&mut command, with);
        command
    }

    /// Directory and environment for a program in this room.
    pub fn prepare(&self, command: &mut Command, with: With) {
        let path = match with {
            With::Pip => "/usr/sbin:/usr/bin:/sbin:/bin".to_owned(),
            With::Uv => format!("/usr/sbin:/usr/bin:/sbin:/bin:{}", uv_directory().display()),
        };
        command
            .current_dir(&self.source)
            .stdin(Stdio::null())
            .env_clear()
            .env("PATH", path)
            .env("HOME", self.root.path().join("home"))
            .env("LC_ALL", "C.UTF-8")
            .env("SOURCE_DATE_EPOCH", "1700000000")
            .env("XDG_CACHE_HOME", &self.cache);
    }

    pub fn dh_venv(&self, arguments: &[&str]) -> Output {
        self.dh_venv_with(With::Uv, arguments)
    }

    pub fn dh_venv_with(&self, with: With, arguments: &[&str]) -> Output {
        run(self.command("dh_venv", with).args(arguments))
    }

    pub fn place(&self, arguments: &[&str]) -> Output {
        run(self.command("dh_venv_place", With::Uv).args(arguments))
    }

    /// The staged tree with what stands beside it.
    pub fn tree(&self) -> Tree {
        tree(&self.stage())
    }

    /// The value of a field of outcome.json.
    pub fn id(&self) -> String {
        let text = std::fs::read_to_string(self.stage().join("outcome.json")).expect("outcome.json");
        let outcome: Value = serde_json::from_str(&text).expect("JSON");
        outcome["id"].as_str().expect("id").to_owned()
    }

    /// Nothing that dh_venv_place would take for a finished venv.
    #[track_caller]
    pub fn nothing_staged(&self) {
        assert!(!self.stage().join("outcome.json").exists());
    }
}

pub fn tiny(name: &str) -> Value {
    json!({"name": name, "version": "1.0", "files": {format!("{name}.py"): "VALUE = 1\n"}})
}

pub fn make_wheels(directory: &Path, items: &Value) -> BTreeMap<String, String> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/venv/wheels.py");
    let mut child = Command::new("/usr/bin/python3")
        .arg("-I")
        .args([&script, directory])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("/usr/bin/python3");
    child.stdin.take().expect("stdin").write_all(items.to_string().as_bytes()).expect("write");
    let output = child.wait_with_output().expect("wheels.py");
    serde_json::from_slice(&output.stdout).expect("digests")
}

#[track_caller]
pub fn run(command: &mut Command) -> Output {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    Output {
        status: output.status.code(),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// A directory that has uv, for PATH.
fn uv_directory() -> PathBuf {
    let uv = harness::uv();
    let directory = harness::target_dir().join("tmp/uv-bin");
    std::fs::create_dir_all(&directory).expect("mkdir");
    let link = directory.join("uv");
    if std::fs::read_link(&link).ok().as_deref() != Some(&uv) {
        let part = directory.join(format!("uv.{}.{:?}", std::process::id(), std::thread::current().id()));
        std::os::unix::fs::symlink(&uv, &part).expect("symlink");
        std::fs::rename(&part, &link).expect("rename");
    }
    directory
}

pub fn tree(root: &Path) -> Tree {
    let mut all = Tree::new();
    let mut pending = vec![root.to_owned()];
    while let Some(directory) = pending.pop() {
        for entry in std::fs::read_dir(&directory).expect("a tree").flatten() {
            let path = entry.path();
            let metadata = entry.metadata().expect("metadata");
            let mode = metadata.permissions().mode() & 0o7777;
            let text = if metadata.is_symlink() {
                format!("-> {}", std::fs::read_link(&path).expect("link").display())
            } else if metadata.is_dir() {
                pending.push(path.clone());
                format!("{mode:o} directory")
            } else {
                let digest = Sha256::digest(std::fs::read(&path).expect("read"));
                let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
                format!("{mode:o} {hex}")
            };
            all.insert(path.strip_prefix(root).expect("inside").display().to_string(), text);
        }
    }
    all
}

/// Both trees are the same; says what differs.
#[track_caller]
pub fn assert_same(what: &str, a: &Tree, b: &Tree) {
    let mut lines = Vec::new();
    for path in a.keys().chain(b.keys()).collect::<std::collections::BTreeSet<_>>() {
        if a.get(path) != b.get(path) {
            lines.push(format!("{path}: {:?} / {:?}", a.get(path), b.get(path)));
        }
    }
    assert!(lines.is_empty(), "{what}:\n{}", lines.join("\n"));
}
