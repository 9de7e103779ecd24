//! The dh add-on, under dh itself: debhelper of this machine, of trixie and of sid.
//!
//! dh_venv and dh_venv_place are stand-ins that note how they were called: what
//! is tested is the sequence, the options and the environment that dh gives them.

#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test writes packages, runs dh on them, and fails by panic"
)]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// Where a debhelper is; `None` is the installed one.
#[derive(Clone)]
struct Debhelper(Option<PathBuf>);

impl Debhelper {
    fn installed() -> Self {
        Self(None)
    }

    /// debhelper of a suite, fetched into the cache once.
    fn of(suite: &str) -> Self {
        let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from).unwrap_or_else(|| {
            PathBuf::from(std::env::var_os("HOME").expect("neither XDG_CACHE_HOME nor HOME is set")).join(".cache")
        });
        let name = if suite == "sid" { "debhelper-14".to_owned() } else { format!("debhelper-{suite}") };
        let directory = cache.join("deb-build-app").join(name);
        let status = Command::new(root().join("tests/contract/fetch-debhelper")).arg(suite).arg(&directory).status();
        assert!(status.expect("fetch-debhelper starts").success(), "fetch-debhelper has failed");
        Self(Some(directory))
    }
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// A source package with one package of each kind, both asking for nothing.
struct Source {
    directory: tempfile::TempDir,
    debhelper: Debhelper,
    environment: Vec<(String, String)>,
}

struct Run {
    success: bool,
    text: String,
}

impl Source {
    /// `field` is the one of the three Build-Depends that names the add-on.
    fn new(debhelper: &Debhelper, compat: u32, field: &str) -> Self {
        let source =
            Self { directory: tempfile::tempdir().unwrap(), debhelper: debhelper.clone(), environment: Vec::new() };
        let relations = match field {
            "Build-Depends" => format!("Build-Depends: debhelper-compat (= {compat}), dh-sequence-venv\n"),
            _ => format!("Build-Depends: debhelper-compat (= {compat})\n{field}: dh-sequence-venv\n"),
        };
        let package = |name: &str, architecture: &str| {
            format!("\nPackage: {name}\nArchitecture: {architecture}\nDepends: ${{misc:Depends}}\nDescription: x\n x\n")
        };
        source.write(
            "debian/control",
            &format!(
                "Source: foo\nMaintainer: A <a@example.org>\n{relations}Rules-Requires-Root: no\n{}{}",
                package("foo", "any"),
                package("foo-doc", "all")
            ),
        );
        source.write(
            "debian/changelog",
            "foo (1) unstable; urgency=low\n\n  * x\n\n -- A <a@example.org>  Sat, 21 Nov 2026 04:00:00 +0000\n",
        );
        source.rules("dh $@");
        for tool in ["dh_venv", "dh_venv_place"] {
            source.script(
                &format!("bin/{tool}"),
                &format!("#!/bin/sh\necho \"ran {tool} $*\"\nenv | grep ^DPKG_DEB_ | sort\n"),
            );
        }
        source
    }

    fn path(&self) -> &Path {
        self.directory.path()
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn script(&self, name: &str, text: &str) {
        self.write(name, text);
        fs::set_permissions(self.path().join(name), fs::Permissions::from_mode(0o755)).unwrap();
    }

    fn rules(&self, recipe: &str) {
        self.script("debian/rules", &format!("#!/usr/bin/make -f\n%:\n\t{recipe}\n"));
    }

    /// A root that debhelper's own build systems die on.
    fn python_project(&self) {
        self.write("setup.py", "raise SystemExit('setup.py was run')\n");
        self.write("pyproject.toml", "[project]\nname = 'foo'\nversion = '1'\n");
        self.write("Makefile", "all clean install test:\n\tfalse\n");
    }

    fn with(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    fn run(&self, program: &str, arguments: &[&str]) -> Run {
        let mut path = format!("{}/bin:", self.path().display());
        let mut perl = root().join("share/perl5").display().to_string();
        if let Some(tree) = &self.debhelper.0 {
            path += &format!("{}/usr/bin:", tree.display());
            perl += &format!(":{}/usr/share/perl5", tree.display());
        }
        perl += &format!(":{}/perl", self.path().display());
        let output = Command::new("/usr/bin/env")
            .arg(program)
            .args(arguments)
            .current_dir(self.path())
            .env_clear()
            .env("PATH", path + "/usr/bin:/bin:/usr/sbin:/sbin")
            .env("PERL5LIB", perl)
            .env("HOME", "/nonexistent")
            .env("LC_ALL", "C.UTF-8")
            .env("DEB_RULES_REQUIRES_ROOT", "no")
            .env("SOURCE_DATE_EPOCH", "1700000000")
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        Run { success: output.status.success(), text }
    }

    /// A target of debian/rules that must succeed; what it printed.
    fn make(&self, target: &str) -> String {
        let run = self.run("debian/rules", &[target]);
        assert!(run.success, "debian/rules {target}:\n{}", run.text);
        run.text
    }

    /// The commands of a sequence, in order, each with its options.
    fn sequence(&self, name: &str, options: &[&str]) -> Vec<String> {
        let run = self.run("dh", &[&[name, "--no-act"], options].concat());
        assert!(run.success, "dh {name}:\n{}", run.text);
        run.text.lines().map(|line| line.trim().to_owned()).collect()
    }
}

/// Each debhelper with the compat levels that are supported on it.
fn all() -> &'static [(Debhelper, u32)] {
    static ALL: OnceLock<Vec<(Debhelper, u32)>> = OnceLock::new();
    ALL.get_or_init(|| {
        let sid = Debhelper::of("sid");
        vec![(Debhelper::installed(), 13), (Debhelper::of("trixie"), 13), (sid.clone(), 13), (sid, 14)]
    })
}

fn position(commands: &[String], command: &str) -> Option<usize> {
    commands.iter().position(|line| line.split_whitespace().next() == Some(command))
}

fn ran(text: &str) -> Vec<&str> {
    text.lines().filter_map(|line| line.strip_prefix("ran ")).map(str::trim_end).collect()
}

#[test]
fn both_commands_stand_at_their_places_from_each_build_depends_field() {
    for (debhelper, compat) in all() {
        for (field, sequences, without) in [
            ("Build-Depends", ["binary", "binary-arch", "binary-indep"].as_slice(), [].as_slice()),
            ("Build-Depends-Arch", &["binary", "binary-arch"], &["binary-indep"]),
            ("Build-Depends-Indep", &["binary", "binary-indep"], &["binary-arch"]),
        ] {
            let source = Source::new(debhelper, *compat, field);
            // Conditional add-ons cannot keep setup.py away; see dh_venv(1).
            if field == "Build-Depends" {
                source.python_project();
            }
            for sequence in sequences {
                let commands = source.sequence(sequence, &["--buildsystem=none"]);
                let at = |command| position(&commands, command);
                let venv = at("dh_venv").unwrap_or_else(|| panic!("{field} {sequence}: {commands:?}"));
                assert_eq!(at("dh_auto_test"), Some(venv + 1), "{field} {sequence}");
                let place = at("dh_venv_place").unwrap();
                assert_eq!(at("dh_installdeb"), Some(place + 1), "{field} {sequence}");
                for earlier in ["dh_prep", "dh_strip_nondeterminism", "dh_fixperms", "dh_missing"] {
                    assert!(at(earlier) < Some(place), "{field} {sequence} {earlier}");
                }
                for late in ["dh_gencontrol", "dh_md5sums", "dh_builddeb"] {
                    assert!(at(late) > Some(place), "{field} {sequence} {late}");
                }
                if *sequence != "binary-indep" {
                    for earlier in ["dh_strip", "dh_makeshlibs", "dh_shlibdeps"] {
                        assert!(at(earlier).is_some() && at(earlier) < Some(place), "{field} {sequence} {earlier}");
                    }
                }
            }
            for sequence in without {
                let commands = source.sequence(sequence, &[]);
                assert_eq!((position(&commands, "dh_venv"), position(&commands, "dh_venv_place")), (None, None));
            }
            let clean = source.sequence("clean", &["--buildsystem=none"]);
            assert_eq!((position(&clean, "dh_venv"), position(&clean, "dh_venv_place")), (None, None));
        }
    }
}

#[test]
fn a_root_with_setup_py_and_a_failing_makefile_builds_and_cleans() {
    for (debhelper, compat) in all() {
        let source = Source::new(debhelper, *compat, "Build-Depends");
        source.python_project();
        source.make("clean");
        assert_eq!(ran(&source.make("build")), ["dh_venv"]);
        assert_eq!(ran(&source.make("binary")), ["dh_venv_place"]);
        source.make("clean");
        // What dpkg-buildpackage -B and -A run.
        for (target, option) in [("binary-arch", "-a"), ("binary-indep", "-i")] {
            let venv = source.sequence(target, &[]).into_iter().filter(|line| line.starts_with("dh_venv"));
            assert_eq!(venv.collect::<Vec<_>>(), [format!("dh_venv {option}"), format!("dh_venv_place {option}")]);
        }
    }
}

#[test]
fn loaded_conditionally_the_packager_names_the_build_system() {
    for (debhelper, compat) in all() {
        for (field, option, other) in
            [("Build-Depends-Arch", "-a", "binary-indep"), ("Build-Depends-Indep", "-i", "binary-arch")]
        {
            let source = Source::new(debhelper, *compat, field);
            source.python_project();
            source.rules("dh $@ --buildsystem=none");
            source.make("clean");
            let both = source.make("binary");
            let expected = ["dh_venv", "dh_venv_place"].map(|tool| format!("{tool} {option} -O--buildsystem=none"));
            assert_eq!(ran(&both), expected, "{field}");
            source.make("clean");
            assert_eq!(ran(&source.make(other)), [""; 0], "{field}");
            source.make("clean");
        }
    }
}

#[test]
fn an_explicit_build_system_wins() {
    for (debhelper, compat) in all() {
        for (recipe, environment) in
            [("dh $@ --buildsystem=makefile", ""), ("dh $@ -S makefile", ""), ("dh $@", "--buildsystem=makefile")]
        {
            let source = Source::new(debhelper, *compat, "Build-Depends").with("DH_OPTIONS", environment);
            source.python_project();
            source.write("Makefile", "all:\n\ttouch made\nclean:\n\trm -f made\n");
            source.rules(recipe);
            source.make("build");
            assert!(source.path().join("made").exists(), "{recipe} {environment}");
        }
    }
}

#[test]
fn debhelpers_build_systems_are_kept_out_of_python_projects_only() {
    let cases: [(&[&str], bool); 9] = [
        (&["pyproject.toml"], true),
        (&["setup.py", "Makefile"], true),
        (&["setup.cfg"], true),
        (&["requirements.txt", "Makefile"], true),
        (&["manage.py", "GNUmakefile"], true),
        (&["requirements.txt"], false),
        (&["Makefile"], false),
        (&["requirements.txt", "Makefile", "CMakeLists.txt"], false),
        (&["requirements.txt", "Makefile", "configure"], false),
    ];
    for (files, expected) in cases {
        let source = Source::new(&Debhelper::installed(), 13, "Build-Depends");
        for file in files {
            source.write(file, "");
        }
        for (sequence, step) in [("build", "configure"), ("build", "build"), ("build", "test"), ("clean", "clean")] {
            let command = format!("dh_auto_{step}");
            let commands = source.sequence(sequence, &[]);
            let line = &commands[position(&commands, &command).unwrap()];
            assert_eq!(line.ends_with("--buildsystem=none"), expected, "{files:?}: {line}");
        }
    }
}

/// The compressor variables that dh_venv saw, without their prefix.
fn compressor(source: &Source) -> String {
    let text = source.make("build");
    text.lines().filter_map(|line| line.strip_prefix("DPKG_DEB_")).collect::<Vec<_>>().join(" ")
}

#[test]
fn the_compressor_is_the_field_s_unless_the_packager_has_chosen() {
    let zstd = "COMPRESSOR_LEVEL=6 COMPRESSOR_TYPE=zstd THREADS_MAX=1";
    let xz = "COMPRESSOR_LEVEL=6 COMPRESSOR_TYPE=xz THREADS_MAX=1";
    let fields: [(&[(&str, &str)], &str); 7] = [
        (&[], zstd),
        (&[("foo.venv", "Format: 1\n")], zstd),
        (&[("foo.venv", "Format: 1\nCompression: xz\n")], xz),
        (&[("foo.venv", "compression :  XZ \n")], xz),
        (&[("foo.venv", "Compression: none\n")], "COMPRESSOR_TYPE=none THREADS_MAX=1"),
        (&[("foo.venv", "Compression: xz\n"), ("foo-doc.venv", "Prefix: /x\n")], xz),
        (&[("venv", "# Compression: none\nTest: a\n Compression: none\nCompression: xz\n")], xz),
    ];
    for (files, expected) in fields {
        let source = Source::new(&Debhelper::installed(), 13, "Build-Depends");
        for (name, text) in files {
            source.write(&format!("debian/{name}"), text);
        }
        assert_eq!(compressor(&source), expected, "{files:?}");
    }
    for (name, value, expected) in [
        ("DPKG_DEB_COMPRESSOR_TYPE", "gzip", "COMPRESSOR_TYPE=gzip THREADS_MAX=1"),
        ("DPKG_DEB_COMPRESSOR_LEVEL", "3", "COMPRESSOR_LEVEL=3 THREADS_MAX=1"),
        ("DPKG_DEB_THREADS_MAX", "4", "COMPRESSOR_LEVEL=6 COMPRESSOR_TYPE=zstd THREADS_MAX=4"),
    ] {
        let source = Source::new(&Debhelper::installed(), 13, "Build-Depends").with(name, value);
        assert_eq!(compressor(&source), expected);
    }
}

#[test]
fn two_files_that_disagree_on_the_compressor_are_an_error() {
    let source = Source::new(&Debhelper::installed(), 13, "Build-Depends");
    source.write("debian/foo.venv", "Format: 1\nCompression: zstd\n");
    source.write("debian/foo-doc.venv", "Compression: xz\n");
    let run = source.run("debian/rules", &["build"]);
    assert!(!run.success);
    assert!(
        run.text.contains("debian/foo.venv:2: Compression is zstd here and xz in debian/foo-doc.venv:1"),
        "{}",
        run.text
    );
}

#[test]
fn an_add_on_that_removes_an_anchor_is_an_error() {
    for (debhelper, compat) in all() {
        let source = Source::new(debhelper, *compat, "Build-Depends");
        source.write("perl/Debian/Debhelper/Sequence/gone.pm", "remove_command('dh_auto_test');\n1;\n");
        let run = source.run("dh", &["build", "--without", "venv", "--with", "gone,venv"]);
        assert!(!run.success && run.text.contains("another add-on has removed dh_auto_test"), "{}", run.text);
    }
}

/// `dh_appconfig` where it stands in the sequence, with the add-on appconfig instead of venv.
const APPCONFIG: [&str; 5] = ["--buildsystem=none", "--without", "venv", "--with", "appconfig"];

#[test]
fn dh_appconfig_runs_after_all_that_installs_and_before_the_scripts_are_put_together() {
    for (debhelper, compat) in all() {
        let source = Source::new(debhelper, *compat, "Build-Depends");
        source.script("bin/dh_appconfig", "#!/bin/sh\n");
        for file in ["service", "init", "config", "templates", "install"] {
            source.write(&format!("debian/foo.{file}"), "x\n");
        }
        for sequence in ["binary", "binary-arch", "binary-indep"] {
            let commands = source.sequence(sequence, &APPCONFIG);
            let at = |command| position(&commands, command);
            let own = at("dh_appconfig").unwrap_or_else(|| panic!("{sequence}: {commands:?}"));
            for earlier in ["dh_install", "dh_installdebconf", "dh_installinit", "dh_installsystemd"] {
                assert!(at(earlier).is_none_or(|at| at < own), "{sequence} {earlier}");
            }
            assert!(at("dh_installsystemd").is_some() || sequence == "binary-indep", "{commands:?}");
            for late in ["dh_fixperms", "dh_installdeb", "dh_gencontrol"] {
                assert!(at(late) > Some(own), "{sequence} {late}");
            }
        }
    }
}

/// dh reads the promise in the program itself.
#[test]
fn dh_leaves_dh_appconfig_out_where_no_package_has_a_file() {
    for (debhelper, compat) in all() {
        // Under --no-act dh leaves nothing out, but for its own tests.
        let source = Source::new(debhelper, *compat, "Build-Depends").with("DH_INTERNAL_TEST_CAN_SKIP", "1");
        std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_dh_appconfig"), source.path().join("bin/dh_appconfig")).unwrap();
        assert_eq!(position(&source.sequence("binary", &APPCONFIG), "dh_appconfig"), None);
        source.write("debian/foo-doc.appconfig", "Format: 1\n");
        assert!(position(&source.sequence("binary", &APPCONFIG), "dh_appconfig").is_some());
    }
}

/// Whoever is named first: dh_zeoclient leaves something for both others, and so runs before them.
#[test]
fn dh_zeoclient_runs_before_those_that_it_leaves_something_for() {
    let orders = [
        "zeoclient,appconfig,supervisord",
        "zeoclient,supervisord,appconfig",
        "appconfig,zeoclient,supervisord",
        "appconfig,supervisord,zeoclient",
        "supervisord,zeoclient,appconfig",
        "supervisord,appconfig,zeoclient",
    ];
    for (debhelper, compat) in all() {
        let source = Source::new(debhelper, *compat, "Build-Depends");
        for tool in ["dh_appconfig", "dh_supervisord", "dh_zeoclient"] {
            source.script(&format!("bin/{tool}"), "#!/bin/sh\n");
        }
        let check = |what: &str, options: &[&str]| {
            let commands = source.sequence("binary", options);
            let at = |command| position(&commands, command).unwrap_or_else(|| panic!("{what}: no {command}"));
            let own = at("dh_zeoclient");
            for later in ["dh_installsystemd", "dh_supervisord", "dh_appconfig", "dh_venv_place", "dh_installdeb"] {
                assert!(own < at(later), "{what}: {later}: {commands:?}");
            }
            for earlier in ["dh_venv", "dh_auto_install", "dh_prep"] {
                assert!(at(earlier) < own, "{what}: {earlier}: {commands:?}");
            }
        };
        for order in orders {
            check(order, &["--buildsystem=none", "--with", order]);
        }
        let control = std::fs::read_to_string(source.path().join("debian/control")).unwrap();
        for order in orders {
            let sequences: String = order.split(',').map(|name| format!(", dh-sequence-{name}")).collect();
            source
                .write("debian/control", &control.replace("dh-sequence-venv", &format!("dh-sequence-venv{sequences}")));
            check(&sequences, &["--buildsystem=none"]);
        }
    }
}
