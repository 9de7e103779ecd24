//! Source packages that the tests write, build and share.
//!
//! A [`Source`] is a tree of files with a debian/ that works; a [`Built`] is
//! what one build of it left, made once a suite for all tests that ask.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use crate::harness::{Kind, Output, Session, Suite, repository, toolkit_debs};

/// A system to build in, with the toolkit installed and uv on the path.
pub fn workshop(suite: Suite) -> Session {
    static MADE: [OnceLock<Session>; 2] = [OnceLock::new(), OnceLock::new()];
    let made = MADE[suite as usize].get_or_init(|| {
        let session = Session::new(suite, Kind::Build);
        install_toolkit(&session);
        session.copy_in(&repository().join("tests/system/make-wheel.py"), "/usr/local/bin/make-wheel.py");
        session
    });
    made.fork().install_uv().as_user("builder")
}

/// Installs the toolkit's own packages.
fn install_toolkit(session: &Session) {
    session.install(&toolkit_debs(session.suite()));
}

/// A minimal system with Debian's python3 and nothing to build with, offline.
pub fn target(suite: Suite) -> Session {
    static MADE: [OnceLock<Session>; 2] = [OnceLock::new(), OnceLock::new()];
    let made = MADE[suite as usize].get_or_init(|| {
        let session = Session::new(suite, Kind::Run).offline();
        session.ok("apt-get install -qq -y -o Dpkg::Use-Pty=0 python3; useradd --create-home alice");
        session
    });
    made.fork()
}

/// The same with appctl and what boots it; a copy for each test.
pub fn bootable(suite: Suite) -> Session {
    static MADE: [OnceLock<Session>; 2] = [OnceLock::new(), OnceLock::new()];
    let made = MADE[suite as usize].get_or_init(|| {
        let session = target(suite);
        session.ok("apt-get install -qq -y -o Dpkg::Use-Pty=0 systemd-sysv dbus");
        let is_appctl =
            |deb: &&PathBuf| deb.file_name().is_some_and(|name| name.to_string_lossy().starts_with("appctl_"));
        let debs = toolkit_debs(suite);
        session.install(&[debs.iter().find(is_appctl).expect("appctl's package")]);
        session
    });
    made.fork()
}

/// A word for the shell.
pub fn quote(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}

/// A source package: paths and texts.
#[derive(Clone)]
pub struct Source {
    pub name: String,
    pub version: String,
    pub files: BTreeMap<String, String>,
    pub tree: Option<PathBuf>,
    /// Wheels for debian/wheelhouse: arguments of make-wheel.py.
    pub wheels: Vec<Vec<String>>,
}

impl Source {
    /// One binary package of the source's name that has a venv, and `dh $@`.
    pub fn new(name: &str) -> Source {
        let control = format!(
            "Source: {name}\nSection: misc\nPriority: optional\nMaintainer: Anna Beispiel <anna@example.org>\n\
             Build-Depends: debhelper-compat (= 13), dh-sequence-venv\nStandards-Version: 4.6.2\n\
             Rules-Requires-Root: no\n{}",
            binary(name, "any")
        );
        let source = Source {
            name: name.to_owned(),
            version: String::new(),
            files: BTreeMap::new(),
            tree: None,
            wheels: Vec::new(),
        };
        source
            .file("debian/control", &control)
            .file("debian/rules", "#!/usr/bin/make -f\n\n%:\n\tdh $@\n")
            .file("debian/source/format", "3.0 (native)\n")
            .version("1.0")
    }

    /// A tree of the repository, as it is.
    pub fn example(name: &str, package: &str) -> Source {
        let tree = repository().join("examples").join(name);
        Source {
            name: package.to_owned(),
            version: "0".to_owned(),
            files: BTreeMap::new(),
            tree: Some(tree),
            wheels: Vec::new(),
        }
    }

    #[must_use]
    pub fn file(mut self, path: &str, text: &str) -> Source {
        self.files.insert(path.to_owned(), text.to_owned());
        self
    }

    /// Appends to a file.
    #[must_use]
    pub fn more(mut self, path: &str, text: &str) -> Source {
        self.files.entry(path.to_owned()).or_default().push_str(text);
        self
    }

    /// Replaces a word of a file that has it.
    #[must_use]
    pub fn replace(mut self, path: &str, from: &str, to: &str) -> Source {
        let text = self.files.get_mut(path).unwrap_or_else(|| panic!("no {path}"));
        assert!(text.contains(from), "{path} has no {from}");
        *text = text.replace(from, to);
        self
    }

    /// Leaves a file out.
    #[must_use]
    pub fn without(mut self, path: &str) -> Source {
        assert!(self.files.remove(path).is_some(), "no {path}");
        self
    }

    #[must_use]
    pub fn version(mut self, version: &str) -> Source {
        self.version = version.to_owned();
        let text = format!(
            "{} ({version}) unstable; urgency=medium\n\n  * Built by a test.\n\n \
             -- Anna Beispiel <anna@example.org>  Fri, 20 Nov 2026 12:00:00 +0000\n",
            self.name
        );
        self.file("debian/changelog", &text)
    }

    /// Puts a wheel into debian/wheelhouse: name, version, requirements with
    /// commas between, files.
    #[must_use]
    pub fn wheel(mut self, name: &str, version: &str, requires: &str, files: &[(&str, &str)]) -> Source {
        let mut words = vec![name.to_owned(), version.to_owned(), requires.to_owned()];
        words.extend(files.iter().flat_map(|(path, text)| [(*path).to_owned(), (*text).to_owned()]));
        self.wheels.push(words);
        self
    }

    /// Writes the tree into a session, as its user's.
    pub fn unpack(&self, session: &Session, dir: &str) {
        let host = tempfile::tempdir().expect("tempdir");
        let dir = dir.trim_end_matches('/');
        if let Some(tree) = &self.tree {
            session.copy_in(tree, dir);
        }
        if !self.files.is_empty() {
            for (path, text) in &self.files {
                let file = host.path().join("tree").join(path);
                std::fs::create_dir_all(file.parent().expect("parent")).expect("mkdir");
                std::fs::write(&file, text).expect("write");
            }
            session.copy_in(&host.path().join("tree"), dir);
        }
        let mut script = format!("cd {} && chmod 755 debian/rules\n", quote(dir));
        for words in &self.wheels {
            let words: Vec<String> = words.iter().map(|word| quote(word)).collect();
            script += &format!("python3 /usr/local/bin/make-wheel.py debian/wheelhouse {}\n", words.join(" "));
        }
        session.ok(&script);
    }

    /// Unpacks in a directory of the user's home and builds all binary packages.
    #[track_caller]
    pub fn build(&self, session: &Session) -> Output {
        self.build_in(session, &format!("/home/builder/work/{}", self.name))
    }

    #[track_caller]
    pub fn build_in(&self, session: &Session, dir: &str) -> Output {
        self.unpack(session, dir);
        build(session, dir)
    }
}

/// `dpkg-buildpackage -us -uc -b` in a directory.
#[track_caller]
pub fn build(session: &Session, dir: &str) -> Output {
    session.in_dir(dir).ok("dpkg-buildpackage -us -uc -b 2>&1")
}

/// Wheels of these requirements, put into a wheelhouse; the one step with a network.
pub fn fetch_wheels(session: &Session, dir: &str, requirements: &str) {
    session.ok(&format!("python3 -m pip download --quiet --only-binary :all: --dest {dir} {requirements}"));
}

/// A stanza of a binary package with a venv.
pub fn binary(name: &str, architecture: &str) -> String {
    format!(
        "\nPackage: {name}\nArchitecture: {architecture}\n\
         Depends: ${{misc:Depends}}, ${{shlibs:Depends}}, ${{venv:Depends}}\n\
         Description: application with an environment of its own\n It is built and installed by a test.\n"
    )
}

/// The smallest application: one dependency from the wheelhouse, which has a
/// command; builds without a network.
pub fn greet() -> Source {
    Source::new("greet")
        .file("requirements.txt", "greet\n")
        .file("debian/greet.venv", "Format: 1\nRequirements: requirements.txt\nCommands: greet\n")
        .wheel(
            "greet",
            "1.0",
            "words",
            &[
                ("greet/__init__.py", "from words import HELLO\n\n\ndef main():\n    print(HELLO)\n"),
                ("entry_points.txt", "[console_scripts]\ngreet = greet:main\n"),
            ],
        )
        .wheel("words", "1.0", "", &[("words.py", "HELLO = 'hello from 1.0'\n")])
}

/// What a build left.
pub struct Built {
    /// The system it was built in, as the user who built it.
    pub session: Session,
    /// The unpacked and built source there.
    pub dir: String,
    /// The packages, on the host.
    pub debs: Vec<PathBuf>,
    name: String,
    #[allow(dead_code, reason = "for the message of an assertion")]
    pub log: String,
}

impl Built {
    pub fn new(session: Session, source: &Source) -> Built {
        let dir = format!("/home/builder/work/{}", source.name);
        let log = source.build_in(&session, &dir).stdout;
        let debs = copy_debs(&session, "/home/builder/work");
        Built { session, dir, debs, name: source.name.clone(), log }
    }

    /// The .deb called as the source.
    pub fn deb(&self) -> &Path {
        self.package(&self.name)
    }

    /// The .deb of a binary package.
    pub fn package(&self, name: &str) -> &Path {
        let is_it = |deb: &&PathBuf| {
            deb.file_name().is_some_and(|file| file.to_string_lossy().starts_with(&format!("{name}_")))
        };
        let debs: Vec<&PathBuf> = self.debs.iter().filter(is_it).collect();
        assert_eq!(debs.len(), 1, "{name}: {:?}", self.debs);
        debs[0]
    }

    /// The path of the .deb in the session that it was built in.
    pub fn inside(&self) -> String {
        format!("/home/builder/work/{}", self.deb().file_name().expect("a name").to_string_lossy())
    }

    /// A field of the package's control file.
    pub fn field(&self, name: &str) -> String {
        self.session.ok(&format!("dpkg-deb -f {} {name}", self.inside())).stdout.trim().to_owned()
    }
}

/// Copies the packages in a directory of a session to the host, where they stay
/// until the sessions of this process are swept away.
pub fn copy_debs(session: &Session, dir: &str) -> Vec<PathBuf> {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let name = format!("{}-debs-{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
    session.ok(&format!("rm -rf /tmp/debs && mkdir /tmp/debs && cp -p {}/*.deb /tmp/debs/", quote(dir)));
    let out = Path::new(env!("CARGO_TARGET_TMPDIR")).join("sessions").join(name);
    session.copy_out("/tmp/debs", &out);
    let mut debs: Vec<PathBuf> =
        std::fs::read_dir(&out).expect("the packages").flatten().map(|entry| entry.path()).collect();
    debs.sort();
    debs
}

/// The build of a source that several tests look at, made by the first.
pub fn built(suite: Suite, key: &'static str, source: impl FnOnce() -> Source) -> Arc<Built> {
    made(suite, key, || Built::new(workshop(suite), &source()))
}

fn made(suite: Suite, key: &'static str, make: impl FnOnce() -> Built) -> Arc<Built> {
    type Slot = Arc<OnceLock<Arc<Built>>>;
    static MADE: Mutex<BTreeMap<(Suite, &'static str), Slot>> = Mutex::new(BTreeMap::new());
    let slot = {
        let mut made = MADE.lock().unwrap_or_else(PoisonError::into_inner);
        made.entry((suite, key)).or_default().clone()
    };
    slot.get_or_init(|| Arc::new(make())).clone()
}

/// The build of a source that has the requirements of another one: in a copy of the system
/// of that one's build, where the cache has them. Made by the first that asks, as by [`built`].
pub fn built_like(of: &Built, key: &'static str, source: impl FnOnce() -> Source) -> Arc<Built> {
    made(of.session.suite(), key, || {
        let session = of.session.fork();
        session.ok("rm -rf work");
        Built::new(session, &source())
    })
}

/// The application of [`greet`].
pub fn built_greet(suite: Suite) -> Arc<Built> {
    built(suite, "greet", greet)
}

/// Requirements of one of tools/bench-data's sets.
pub fn pinned(file: &str) -> String {
    std::fs::read_to_string(repository().join("tools/bench-data").join(file)).expect("tools/bench-data")
}
