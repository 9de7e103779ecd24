//! What is kept between builds: nothing that another source, or an earlier version of
//! the same one, could have left.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{OnceLock, RwLock};

use crate::room::Source;
use crate::{fails, harness, names, ok, program, read};

/// Alters all that dh_venv keeps so that it still looks whole, and the installers' caches.
const HOSTILE: &str = r#"
import hashlib, os, pathlib, re
home = pathlib.Path.home()
cache = home / ".cache/dh-venv"
def sha(data):
    return hashlib.sha256(data).hexdigest()
def altered(data):
    return data.replace(b"said by tiny", b"SAID BY EVIL")
for sums in (cache / "trees").glob("*.sums"):
    lines = sums.read_text().splitlines()[:-1]
    for number, line in enumerate(lines):
        if line.startswith("file "):
            _, mode, _, path = line.split(" ", 3)
            file = sums.with_suffix(".d") / path
            data = altered(file.read_bytes())
            file.unlink()
            file.write_bytes(data)
            file.chmod(int(mode, 8))
            lines[number] = f"file {mode} {sha(data)} {path}"
    body = "\n".join(lines)
    sums.unlink()
    digest = sha((body + "\n").encode())
    sums.write_text(f"{body}\n{digest}\n")
for code in (cache / "trees").glob("*.code"):
    body = altered(code.read_bytes().split(b"\n", 1)[1])
    code.unlink()
    code.write_bytes(sha(body).encode() + b"\n" + body)
for text in (cache / "texts").iterdir():
    body = text.read_text().split("\n", 1)[1]
    if not body.startswith("{") and body != "imported":
        text.unlink()
        digest = sha(b"evil-package\n")
        text.write_text(digest + "\nevil-package")
for name in ["uv", "pip", "dh-venv/downloads"]:
    place = home / ".cache" / name
    place.mkdir(parents=True, exist_ok=True)
    (place / "planted").write_text("evil")
print("altered", len(list((cache / "trees").glob("*.sums"))))
"#;

/// A cache of these tests' own, with an environment that has dh-venv.
fn cache() -> &'static Path {
    static CACHE: OnceLock<PathBuf> = OnceLock::new();
    CACHE.get_or_init(|| {
        let cache = harness::cache_dir().join("driver-kept");
        std::fs::create_dir_all(&cache).unwrap();
        let image = harness::image_directory(harness::Suite::Bookworm, harness::Kind::Run);
        let mut command = program(&cache);
        command.env("XDG_CACHE_HOME", &cache).args(["env", "create", "bookworm", "--from"]).arg(&image);
        for deb in harness::toolkit_debs(harness::Suite::Bookworm) {
            if deb.to_string_lossy().contains("dh-venv_") {
                command.arg("--deb").arg(deb);
            }
        }
        ok(&mut command);
        cache
    })
}

/// Builds at once are none of what these tests are about, but one of them plants what
/// any build removes.
static BUILDS: RwLock<()> = RwLock::new(());

/// A source called `name` with a virtual environment of one wheel, and these lines after dh_venv.
fn source(name: &str, after: &str) -> Source {
    let source = Source::new(name, &[]);
    let directory = source.path();
    let write = |file: &str, text: &str| std::fs::write(directory.join(file), text).unwrap();
    let control = std::fs::read_to_string(directory.join("debian/control")).unwrap();
    let control = control.replace("debhelper-compat (= 13)", "debhelper-compat (= 13), dh-sequence-venv");
    write("debian/control", &control.replace("${misc:Depends}", "${misc:Depends}, ${venv:Depends}"));
    write("debian/rules", &format!("#!/usr/bin/make -f\n%:\n\tdh $@\noverride_dh_venv:\n\tdh_venv\n{after}"));
    write("debian/hostile.py", HOSTILE);
    write(&format!("debian/{name}.venv"), "Format: 1\nProject: none\nRequirements: requirements.txt\n");
    let wheels = serde_json::json!([{"name": "tiny", "version": "1.0", "files": {
        "tiny.py": "VALUE = 'said by tiny'\n", "evil.pth": "import os; os.environ.setdefault('EVIL', '1')\n"}}]);
    let mut make = Command::new("/usr/bin/python3");
    make.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/venv/wheels.py"));
    make.arg(directory.join("debian/wheelhouse")).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut make = make.spawn().unwrap();
    make.stdin.take().unwrap().write_all(wheels.to_string().as_bytes()).unwrap();
    let sums: serde_json::Value = serde_json::from_slice(&make.wait_with_output().unwrap().stdout).unwrap();
    write("requirements.txt", &format!("tiny==1.0 --hash=sha256:{}\n", sums["tiny"].as_str().unwrap()));
    write("debian/source/include-binaries", "debian/wheelhouse/tiny-1.0-py3-none-any.whl\n");
    source
}

/// Build it; the package and the log.
fn build(source: &Source, name: &str, version: &str) -> (Vec<u8>, String) {
    let _shared = BUILDS.read();
    ok(source.program(&["build"]).env("XDG_CACHE_HOME", cache()));
    let results = source.work.path().join(format!("build-area/bookworm/{name}/{version}/amd64"));
    let log = String::from_utf8(read(results.join("build.log"))).unwrap();
    (read(results.join(format!("{name}_{version}_all.deb"))), log)
}

/// What is kept of a source, in the place of 0.1.0, too.
fn kept(name: &str) -> Vec<PathBuf> {
    let homes = ["kept", "venvs"].map(|home| cache().join("deb-build-app").join(home));
    let below = |home: &PathBuf| names(home).iter().map(|one| home.join(one)).collect::<Vec<_>>();
    let all = homes.iter().flat_map(below);
    all.filter(|home| home.file_name().unwrap().to_string_lossy().starts_with(&format!("{name}_"))).collect()
}

fn forget(name: &str) {
    kept(name).iter().for_each(|home| std::fs::remove_dir_all(home).unwrap());
}

const CACHED: &str = "come from the cache";

#[test]
fn a_source_that_calls_itself_like_another_leaves_it_nothing() {
    let name = "dba-victim";
    let next = |source: &Source| {
        let path = source.path().join("debian/changelog");
        let text = std::fs::read_to_string(&path).unwrap();
        let entry = text.replace("(1.0)", "(1.1)");
        std::fs::write(&path, format!("{entry}\n{text}")).unwrap();
    };
    forget(name);
    // Alone, each version with nothing that is kept.
    let alone = source(name, "");
    let first = build(&alone, name, "1.0").0;
    forget(name);
    next(&alone);
    let second = build(&alone, name, "1.1").0;
    forget(name);

    // Another one of this name, which alters all that it finds before it ends well.
    let hostile = source(name, "\tpython3 debian/hostile.py\n");
    for _ in 0..2 {
        let (deb, log) = build(&hostile, name, "1.0");
        assert!(log.contains("altered 1"), "{log}");
        assert!(!deb.is_empty());
    }
    let victim = source(name, "");
    let (deb, log) = build(&victim, name, "1.0");
    assert!(deb == first, "the package has changed");
    assert!(log.contains(CACHED), "nothing was kept: {log}");
    next(&victim);
    let (deb, log) = build(&victim, name, "1.1");
    assert!(deb == second, "the package of the next version has changed");
    assert!(log.contains(CACHED), "nothing was kept: {log}");
    let evil = ["-rl", "-e", "SAID BY EVIL", "-e", "evil-package", "-e", "planted"];
    let found = Command::new("grep").args(evil).args(kept(name)).arg("/dev/null").output().unwrap();
    assert_eq!(String::from_utf8_lossy(&found.stdout), "", "something flowed back");
}

#[test]
fn a_first_build_has_its_virtual_environment_from_the_fill_and_a_second_skips_it() {
    let name = "dba-filled";
    forget(name);
    let source = source(name, "");
    let tell = |source: &Source| {
        let _shared = BUILDS.read();
        let output = source.program(&["build"]).env("XDG_CACHE_HOME", cache()).output().unwrap();
        assert!(output.status.success(), "{}", crate::words(&output));
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    let filled = "keeping the virtual environments";
    let said = tell(&source);
    assert!(said.contains(filled), "{said}");
    let log = source.results(name).join("build.log");
    assert!(String::from_utf8(read(&log)).unwrap().contains(CACHED));
    let said = tell(&source);
    assert!(!said.contains(filled), "{said}");
    assert!(String::from_utf8(read(&log)).unwrap().contains(CACHED));
    // A change of the project's own code is none of what is kept.
    std::fs::write(source.path().join("data"), "y\n").unwrap();
    let said = tell(&source);
    assert!(!said.contains(filled), "{said}");
    // A wrong hash is the build's to complain about, and nothing is kept of it.
    let sum = "0123456789abcdef".repeat(4);
    std::fs::write(source.path().join("requirements.txt"), format!("tiny==1.0 --hash=sha256:{sum}\n")).unwrap();
    let words = fails(source.program(&["build"]).env("XDG_CACHE_HOME", cache()), 1);
    assert!(words.contains(&sum) || words.contains("hash was recorded"), "{words}");
}

#[test]
fn what_version_0_1_0_has_kept_is_removed_unread() {
    let name = "dba-tainted";
    let source = source(name, "");
    let (expected, _) = build(&source, name, "1.0");
    let old = cache().join("deb-build-app/venvs");
    let alone = BUILDS.write();
    for home in kept(name) {
        let to = old.join(home.file_name().unwrap());
        std::fs::create_dir_all(&old).unwrap();
        std::fs::rename(&home, &to).unwrap();
        let state = std::fs::read_to_string(to.join("latest")).unwrap();
        let trees = to.join(state.trim()).join("home/builder/.cache/dh-venv/trees");
        std::fs::write(trees.join("planted"), "SAID BY EVIL").unwrap();
    }
    let gone = || {
        ok(source.program(&["build"]).env("XDG_CACHE_HOME", cache()));
        !old.exists()
    };
    assert!(gone());
    drop(alone);
    let (deb, _) = build(&source, name, "1.0");
    assert!(deb == expected);
    assert_eq!(kept(name).len(), 1);
}
