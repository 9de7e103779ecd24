//! A small system in a directory: accounts, a package with a configuration, and
//! appctl to work on it with `--root`, or inside it with `/` as its root.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use tempfile::TempDir;

/// The accounts of the small system; they differ from this machine's.
pub const NOTES: (u32, u32) = (61998, 61997);

/// What a command left.
#[derive(Debug)]
pub struct Output {
    pub status: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Output {
    #[track_caller]
    pub fn ok(self) -> Self {
        self.is(0)
    }

    #[track_caller]
    pub fn is(self, status: i32) -> Self {
        assert_eq!(self.status, status, "{self:#?}");
        self
    }

    /// Standard output as one JSON object.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap()
    }
}

pub struct Machine {
    directory: TempDir,
}

/// A file of a tree: kind and contents, owner, group and mode.
pub type Tree = BTreeMap<String, (String, u32, u32, u32)>;

impl Machine {
    pub fn new() -> Self {
        assert!(nix::unistd::geteuid().is_root(), "these tests need root: run them with tools/as-root");
        let directory = tempfile::Builder::new().prefix("appctl-").tempdir().unwrap();
        fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let machine = Self { directory };
        let (uid, gid) = NOTES;
        machine.write(
            "/etc/passwd",
            &format!(
                "root:x:0:0:root:/root:/bin/sh\nnotes:x:{uid}:{gid}::/:/bin/false\nnobody:x:65534:65534::/:/bin/false\n"
            ),
        );
        machine.write("/etc/group", &format!("root:x:0:\nnotes:x:{gid}:\nextra:x:61500:notes\n"));
        for path in ["/run", "/var/lib", "/proc", "/dev"] {
            fs::create_dir_all(machine.path(path)).unwrap();
        }
        machine
    }

    /// One with the package `notes`, as [`notes`] has it.
    pub fn with_notes() -> Self {
        let machine = Self::new();
        machine.install(&notes());
        machine.template("notes.ini.hbs", "[server]\nlisten = {{listen}}\nkey = {{session_key}}\n");
        machine.template("workers.conf.hbs", "# one\n# two\n# three\nworkers={{workers}}\n# five\n# six\n# seven\n");
        machine
    }

    /// The package's manifest, as dpkg would have unpacked it.
    pub fn install(&self, manifest: &Value) {
        let package = manifest["package"].as_str().unwrap();
        self.write(&format!("/usr/share/appctl/{package}/manifest.json"), &manifest.to_string());
    }

    pub fn template(&self, name: &str, text: &str) {
        self.write(&format!("/usr/share/appctl/notes/templates/{name}"), text);
    }

    pub fn path(&self, path: &str) -> PathBuf {
        self.directory.path().join(path.trim_start_matches('/'))
    }

    pub fn write(&self, path: &str, text: &str) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    pub fn read(&self, path: &str) -> String {
        fs::read_to_string(self.path(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    pub fn exists(&self, path: &str) -> bool {
        self.path(path).symlink_metadata().is_ok()
    }

    pub fn remove(&self, path: &str) {
        fs::remove_file(self.path(path)).unwrap();
    }

    /// Owner, group and mode.
    pub fn attributes(&self, path: &str) -> (u32, u32, u32) {
        let metadata = self.path(path).symlink_metadata().unwrap();
        (metadata.uid(), metadata.gid(), metadata.mode() & 0o7777)
    }

    pub fn appctl(&self, words: &[&str]) -> Output {
        self.appctl_with(words, "")
    }

    pub fn appctl_with(&self, words: &[&str], input: &str) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_appctl"));
        command.arg("--root").arg(self.directory.path()).args(words);
        output(command, input)
    }

    /// appctl with the small system as its `/`: this machine's programs are bound
    /// into it for the one call, and `extra` shell code runs before.
    pub fn inside(&self, extra: &str, words: &[&str]) -> Output {
        output(self.with_programs(&[], "chroot \"$root\" /bin/sh -c", extra, words), "")
    }

    /// [`Self::inside`] on a terminal, which has both outputs.
    pub fn on_a_terminal(&self, words: &[&str]) -> Output {
        let terminal = ["python3", "-c", "import pty, sys; sys.exit(pty.spawn(sys.argv[1:]) >> 8)"];
        output(self.with_programs(&terminal, "chroot \"$root\" /bin/sh -c", "", words), "")
    }

    /// appctl beside the small system, which has this machine's programs; its
    /// directory is where appctl starts.
    pub fn beside(&self, words: &[&str]) -> Output {
        let here = "cd \"$root\" && exec \"$program\" \"$@\"; exit;";
        output(self.with_programs(&[], here, "", words), "")
    }

    fn with_programs(&self, before: &[&str], how: &str, extra: &str, words: &[&str]) -> Command {
        let script = format!(
            "set -e
            root=$1; program=$2; extra=$3; shift 3
            for path in bin sbin lib lib64; do
                [ ! -L \"/$path\" ] || ln -sfn \"$(readlink \"/$path\")\" \"$root/$path\"
            done
            for path in usr/bin usr/sbin usr/lib usr/lib64 usr/share/perl usr/share/perl5 dev; do
                [ -d \"/$path\" ] || continue
                mkdir -p \"$root/$path\"
                mount --bind \"/$path\" \"$root/$path\"
            done
            mount -t proc proc \"$root/proc\"
            : >\"$root/run/appctl-program\"
            mount --bind \"$program\" \"$root/run/appctl-program\"
            {how} \"$extra\"' exec /run/appctl-program \"$@\"' appctl \"$@\""
        );
        let mut all = before.to_vec();
        all.extend(["unshare", "--mount", "--pid", "--fork", "sh", "-c", &script, "sh"]);
        let mut command = Command::new(all[0]);
        command.args(&all[1..]);
        command.arg(self.directory.path()).arg(env!("CARGO_BIN_EXE_appctl")).arg(extra).args(words);
        command
    }

    /// postinst configure.
    pub fn configure(&self) -> Output {
        self.appctl(&["maint", "postinst", "notes", "configure", ""])
    }

    /// Everything below `paths`: contents, link targets, owners and modes.
    pub fn tree(&self, paths: &[&str]) -> Tree {
        let mut tree = Tree::new();
        for path in paths {
            walk(self.directory.path(), &self.path(path), &mut tree);
        }
        tree
    }
}

fn walk(root: &Path, path: &Path, tree: &mut Tree) {
    let Ok(metadata) = path.symlink_metadata() else { return };
    let contents = if metadata.is_dir() {
        for entry in fs::read_dir(path).unwrap() {
            walk(root, &entry.unwrap().path(), tree);
        }
        "directory".to_owned()
    } else if metadata.is_symlink() {
        format!("link to {}", fs::read_link(path).unwrap().display())
    } else if metadata.is_file() {
        format!("file: {}", String::from_utf8_lossy(&fs::read(path).unwrap()))
    } else {
        "something else".to_owned()
    };
    let name = format!("/{}", path.strip_prefix(root).unwrap().display());
    tree.insert(name, (contents, metadata.uid(), metadata.gid(), metadata.mode() & 0o7777));
}

pub fn output(mut command: Command, input: &str) -> Output {
    command.env_remove("DPKG_ROOT").env_remove("DPKG_MAINTSCRIPT_PACKAGE");
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("cannot be started");
    // Who reads no input may close it early.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    let output = child.wait_with_output().unwrap();
    Output {
        status: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

/// A package with two files, a directory, a link, a secret and a hash.
pub fn notes() -> Value {
    json!({
        "format": 1,
        "package": "notes",
        "settings": [
            {"name": "listen", "type": "hostport", "default": "127.0.0.1:8000"},
            {"name": "workers", "type": "integer", "min": 1, "max": 64, "default": "2"},
            {"name": "session_key", "type": "secret", "length": 48},
        ],
        "files": [
            {"path": "/etc/notes/notes.ini", "template": "notes.ini.hbs", "escape": "ini", "owner": "root",
             "group": "notes", "mode": "0640", "on_change": {"action": "restart", "programs": []}},
            {"path": "/etc/notes/workers.conf", "template": "workers.conf.hbs", "escape": "none", "owner": "root",
             "group": "root", "mode": "0644", "local_edit": "merge"},
        ],
        "directories": [{"path": "/var/lib/notes", "owner": "notes", "group": "notes", "mode": "0750"}],
        "links": [{"path": "/etc/notes/current", "target": "notes.ini"}],
        "users": [{"name": "notes"}],
        "programs": [{"name": "web", "backend": "systemd", "unit": "notes-web.service"}],
    })
}
