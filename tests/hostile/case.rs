//! The sources on disk: what is attacked, how each is run, and what is expected.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::world::Values;

/// What the driver has to say to a source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expect {
    /// It is built: nothing of the attack makes a difference.
    Builds,
    /// It is refused, or its build fails, with these words in the message.
    Refused(String),
    /// Either, as long as nothing gets out.
    Either,
}

/// A directory of `sources/`.
#[derive(Debug, Clone)]
pub struct Case {
    /// `NN-name`.
    pub name: String,
    /// Its files.
    pub directory: PathBuf,
    /// What is expected.
    pub expect: Expect,
    /// The driver's command and its arguments, `build` where absent.
    pub command: Vec<String>,
    /// The time limit that is given with `--time-limit`, in seconds.
    pub limit: Option<u64>,
    /// Backends that are tried; all where absent.
    pub backends: Vec<String>,
    /// What it does while it is built may be done in one build together with others.
    pub merge: bool,
    /// Words that must not be in the driver's own files among the results, nor names of results.
    pub not: Vec<String>,
    /// The source that is built before it.
    pub after: Option<String>,
    /// Name of the source package where it is not the directory's.
    pub package: Option<String>,
    /// How often it is tried.
    pub tries: usize,
}

/// Every source, in order.
pub fn cases() -> Vec<Case> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/hostile/sources");
    let mut names: Vec<PathBuf> = fs::read_dir(&root).unwrap().map(|entry| entry.unwrap().path()).collect();
    names.sort();
    names.iter().map(|path| Case::read(path)).collect()
}

impl Case {
    fn read(directory: &Path) -> Case {
        let text = fs::read_to_string(directory.join("README")).unwrap();
        let field = |name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
            line.map(|value| value.trim().to_owned())
        };
        let words = |name: &str| -> Vec<String> {
            field(name).unwrap_or_default().split_whitespace().map(str::to_owned).collect()
        };
        assert!(field("Attacks").is_some(), "{}: README has no Attacks", directory.display());
        let expect = field("Expect").unwrap_or_default();
        let expect = match expect.split_once(':').unwrap_or((&expect, "")) {
            ("builds", _) => Expect::Builds,
            ("refused", message) => Expect::Refused(message.trim().to_owned()),
            ("either", _) => Expect::Either,
            _ => panic!("{}: Expect is '{expect}'", directory.display()),
        };
        let mut command = words("Command");
        if command.is_empty() {
            command = vec!["build".to_owned(), "--wait".to_owned()];
        }
        command.extend(words("Arguments"));
        command.extend(field("Check").map(|checks| format!("--check={checks}")));
        Case {
            name: directory.file_name().unwrap().to_string_lossy().into_owned(),
            directory: directory.to_owned(),
            expect,
            command,
            limit: field("Limit").map(|seconds| seconds.parse().unwrap()),
            backends: words("Backends"),
            merge: field("Merge").as_deref() == Some("yes"),
            not: words("Not"),
            after: field("After"),
            package: field("Name"),
            tries: field("Tries").map_or(1, |number| number.parse().unwrap()),
        }
    }

    /// Whether it runs the driver's build, which has backends.
    pub fn builds(&self) -> bool {
        self.command[0] == "build"
    }

    /// Whether something of it happens after the build itself, when results are taken.
    pub fn is_late(&self) -> bool {
        self.directory.join("debian/attack-last").exists()
    }

    /// Lay the skeleton and the files of the source into a directory.
    pub fn lay(&self, to: &Path, values: &Values) {
        let skeleton = self.directory.parent().unwrap().with_file_name("skeleton");
        copy(&skeleton, to, values);
        copy(&self.directory, to, values);
        for name in ["README", "setup"] {
            let _ = fs::remove_file(to.join(name));
        }
    }

    /// The script that makes what cannot be committed.
    pub fn setup(&self) -> Option<String> {
        fs::read_to_string(self.directory.join("setup")).ok()
    }
}

/// One source with what many do while they are built, one after another.
pub fn lay_merged(cases: &[Case], to: &Path, values: &Values) {
    let skeleton = cases[0].directory.parent().unwrap().with_file_name("skeleton");
    copy(&skeleton, to, values);
    for file in ["attack", "attack-last"] {
        let mut script = String::new();
        let place = to.join("debian").join(format!("{file}s"));
        fs::create_dir_all(&place).unwrap();
        for case in cases {
            let Ok(text) = fs::read_to_string(case.directory.join("debian").join(file)) else { continue };
            fs::write(place.join(&case.name), values.fill(&text)).unwrap();
            script.push_str(&format!(
                "echo 'attack {0}'\ntimeout -k 1 20 sh debian/{file}s/{0} </dev/null || true\n",
                case.name
            ));
        }
        fs::write(to.join("debian").join(file), script).unwrap();
    }
}

/// Copy a tree with the values filled in, in names and in texts.
fn copy(from: &Path, to: &Path, values: &Values) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(values.fill(&path.file_name().unwrap().to_string_lossy()));
        if path.is_dir() {
            copy(&path, &target, values);
            continue;
        }
        let bytes = fs::read(&path).unwrap();
        let bytes = match String::from_utf8(bytes) {
            Ok(text) => values.fill(&text).into_bytes(),
            Err(error) => error.into_bytes(),
        };
        fs::write(&target, bytes).unwrap();
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        fs::set_permissions(&target, fs::Permissions::from_mode(mode)).unwrap();
    }
}
