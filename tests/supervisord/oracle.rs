//! supervisor's own parser, as a process that answers.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Mutex;

use serde_json::{Value, json};

use super::root;

/// Debian bookworm's version of supervisor, and trixie's.
pub const VERSIONS: [&str; 2] = ["4.2.5", "4.3.0"];

/// One parser.
pub struct Oracle {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    /// Where the files are included from.
    pub here: tempfile::TempDir,
}

impl Oracle {
    /// The parser of a version, installed into the cache once.
    pub fn new(version: &str) -> Self {
        let python = installed(version).join("bin/python");
        let mut child = Command::new(python)
            .arg(root().join("tests/supervisord/oracle.py"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the oracle starts");
        let (input, output) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
        Self { child, input, output, here: tempfile::tempdir().unwrap() }
    }

    /// The groups by name, or why the files are refused.
    pub fn groups(&mut self, files: &[(&str, &str)]) -> Result<BTreeMap<String, Value>, String> {
        let files: BTreeMap<&str, &str> = files.iter().copied().collect();
        let request = json!({ "here": self.here.path(), "files": files });
        writeln!(self.input, "{request}").expect("the oracle listens");
        let mut line = String::new();
        self.output.read_line(&mut line).expect("the oracle answers");
        let answer: Value = serde_json::from_str(&line).unwrap_or_else(|_| panic!("the oracle said {line:?}"));
        assert!(answer.get("broken").is_none(), "{answer}");
        if let Some(error) = answer.get("error") {
            return Err(error.as_str().unwrap().to_owned());
        }
        let groups = answer["groups"].as_array().unwrap();
        Ok(groups.iter().map(|group| (group["name"].as_str().unwrap().to_owned(), group.clone())).collect())
    }
}

impl Drop for Oracle {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A venv with that version of supervisor, in the cache.
fn installed(version: &str) -> PathBuf {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _guard = ONE_AT_A_TIME.lock().unwrap();
    let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from).unwrap_or_else(|| {
        PathBuf::from(std::env::var_os("HOME").expect("neither XDG_CACHE_HOME nor HOME is set")).join(".cache")
    });
    let venv = cache.join("deb-build-app").join(format!("supervisor-{version}"));
    let done = venv.join("complete");
    if !done.is_file() {
        let _ = fs::remove_dir_all(&venv);
        fs::create_dir_all(venv.parent().unwrap()).unwrap();
        run(Command::new("/usr/bin/python3").args(["-m", "venv"]).arg(&venv));
        // 4.2 imports pkg_resources, which newer setuptools do not have.
        let packages = [format!("supervisor=={version}"), "setuptools<80".to_owned()];
        run(Command::new(venv.join("bin/pip"))
            .args(["install", "--quiet"])
            .args(packages)
            .env_remove("PIP_FIND_LINKS"));
        fs::write(done, "").unwrap();
    }
    venv
}

/// Runs a program that must succeed.
pub fn run(command: &mut Command) -> String {
    let output = command.stdin(Stdio::null()).output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{command:?}: {}\n{said}", output.status);
    said
}

/// Where the files stand, as text.
pub fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}
