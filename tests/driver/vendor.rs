//! `lock` and `vendor` against a package index of their own, with the real uv;
//! what they collect is enough for dh_venv without a network.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::{fails, harness, names, ok, program, read, sh};

/// Makes the files and the pages of an index; yanks what it is told.
const INDEX: &str = r#"
import hashlib, os, sys, tarfile, io
files, pages, yanked = sys.argv[1], sys.argv[2], sys.argv[3:]
for name in sorted(os.listdir(files)):
    project = name.split("-")[0].lower()
    data = open(os.path.join(files, name), "rb").read()
    os.makedirs(os.path.join(pages, "simple", project), exist_ok=True)
    yank = ' data-yanked="withdrawn"' if name in yanked else ""
    with open(os.path.join(pages, "simple", project, "index.html"), "a") as page:
        page.write(f'<a href="../../{os.path.basename(files)}/{name}#sha256={hashlib.sha256(data).hexdigest()}"{yank}>{name}</a>\n')
"#;

/// A source archive that is built by tinybackend.
const SDIST: &str = r#"
import io, sys, tarfile
files = {"beta.py": "", "PKG-INFO": "Metadata-Version: 2.1\nName: beta\nVersion: 2.0\n",
    "pyproject.toml": '[build-system]\nrequires = ["tinybackend"]\nbuild-backend = "tinybackend"\n[project]\nname = "beta"\nversion = "2.0"\n'}
with tarfile.open(sys.argv[1], "w:gz") as archive:
    for path, text in files.items():
        entry = tarfile.TarInfo("beta-2.0/" + path)
        entry.size = len(text)
        archive.addfile(entry, io.BytesIO(text.encode()))
"#;

struct Room {
    work: tempfile::TempDir,
    server: Child,
    index: String,
}

impl Drop for Room {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

impl Room {
    fn new() -> Room {
        let work = tempfile::tempdir().unwrap();
        let root = work.path();
        let backend = include_str!("../venv/backend.py")
            .replace("notes", "beta")
            .replace("1.0", "2.0")
            .replace("Wheel-Version: 2.0", "Wheel-Version: 1.0");
        let wheels = serde_json::json!([
            {"name": "alpha", "version": "1.0", "files": {"alpha.py": "x = 1\n"}, "requires": ["gamma; python_version < '3.12'"]},
            {"name": "alpha", "version": "1.1", "files": {"alpha.py": "x = 2\n"}},
            {"name": "gamma", "version": "1.0", "files": {"gamma.py": ""}},
            {"name": "tinybackend", "version": "1.0", "files": {"tinybackend.py": backend}},
        ]);
        let mut make = Command::new("/usr/bin/python3");
        make.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/venv/wheels.py")).arg(root.join("files"));
        let mut make = make.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
        make.stdin.take().unwrap().write_all(wheels.to_string().as_bytes()).unwrap();
        assert!(make.wait().unwrap().success());
        sh(root, &format!("/usr/bin/python3 -c '{}' files/beta-2.0.tar.gz", SDIST.replace('\'', "'\\''")));
        let mut server = Command::new("/usr/bin/python3")
            .args(["-u", "-m", "http.server", "--bind", "127.0.0.1", "0"])
            .current_dir(root)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(server.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let port = line.split_whitespace().nth(5).expect("the server says its port").to_owned();
        let room = Room { work, server, index: format!("http://127.0.0.1:{port}/simple") };
        room.pages(&[]);
        room.source();
        room
    }

    fn path(&self) -> &Path {
        self.work.path()
    }

    fn pages(&self, yanked: &[&str]) {
        let _ = std::fs::remove_dir_all(self.path().join("simple"));
        sh(
            self.path(),
            &format!("/usr/bin/python3 -c '{}' files . {}", INDEX.replace('\'', "'\\''"), yanked.join(" ")),
        );
    }

    fn source(&self) {
        sh(
            self.path(),
            "mkdir -p app/debian
             cd app
             printf 'Source: app\\nMaintainer: A <a@example.org>\\nBuild-Depends: debhelper-compat (= 13)\\n\\nPackage: app\\nArchitecture: any\\nDepends: ${venv:Depends}\\nDescription: x\\n' > debian/control
             printf 'app (1.0-1) unstable; urgency=low\\n\\n  * x\\n\\n -- A <a@example.org>  Tue, 14 Nov 2023 22:13:20 +0000\\n' > debian/changelog
             printf 'alpha==1.0\\nbeta\\n' > requirements.txt",
        );
    }

    fn app(&self) -> PathBuf {
        self.path().join("app")
    }

    /// A directory with a program uv.
    fn uv(&self) -> PathBuf {
        let bin = self.path().join("bin");
        std::fs::create_dir_all(&bin).unwrap();
        let _ = std::os::unix::fs::symlink(harness::uv(), bin.join("uv"));
        bin
    }

    fn program(&self, words: &[&str]) -> Command {
        let mut command = program(&self.app());
        let path = std::env::var("PATH").unwrap();
        command.env("PATH", format!("{}:{path}", self.uv().display())).env("XDG_CACHE_HOME", self.path().join("cache"));
        command.env("UV_CACHE_DIR", self.path().join("uv")).args(words).args(["--index", &self.index]);
        command
    }
}

#[test]
fn a_wheelhouse_serves_every_suite_and_needs_no_network() {
    let room = Room::new();
    ok(&mut room.program(&["vendor", "-s", "bookworm", "-s", "trixie"]));
    let wheelhouse = room.app().join("debian/wheelhouse");
    let expected = [
        "alpha-1.0-py3-none-any.whl",
        "beta-2.0.tar.gz",
        "gamma-1.0-py3-none-any.whl",
        "tinybackend-1.0-py3-none-any.whl",
    ];
    assert_eq!(names(&wheelhouse), expected);
    let lock = String::from_utf8(read(room.app().join("debian/requirements.lock"))).unwrap();
    assert!(lock.contains("alpha==1.0") && lock.contains("python_full_version < '3.12'"), "{lock}");
    let rows = String::from_utf8(read(room.app().join("debian/source/include-binaries"))).unwrap();
    assert_eq!(rows, expected.map(|name| format!("debian/wheelhouse/{name}\n")).concat());
    ok(&mut room.program(&["vendor", "--check", "-s", "bookworm", "-s", "trixie"]));

    // Trixie alone has no use for gamma.
    ok(&mut room.program(&["vendor", "-s", "trixie"]));
    assert!(!wheelhouse.join("gamma-1.0-py3-none-any.whl").exists());

    ok(&mut room.program(&["vendor", "-s", "bookworm"]));
    let output = Command::new("unshare")
        .args(["--net", "env", "-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C.UTF-8"])
        .arg(format!("HOME={}", room.path().display()))
        .arg(Path::new(env!("CARGO_BIN_EXE_deb-build-app")).with_file_name("dh_venv"))
        .current_dir(room.app())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let found = sh(&room.app(), "find debian/.debhelper -name alpha.py -o -name 'beta-2.0.dist-info'");
    assert_eq!(found.lines().count(), 2, "{found}");
}

#[test]
fn a_kept_download_that_has_been_changed_is_downloaded_again() {
    let room = Room::new();
    ok(&mut room.program(&["vendor", "-s", "bookworm"]));
    let wheelhouse = room.app().join("debian/wheelhouse");
    let expected: Vec<_> = names(&wheelhouse).iter().map(|name| read(wheelhouse.join(name))).collect();
    let files = room.path().join("cache/deb-build-app/files");
    for name in names(&files) {
        std::fs::write(files.join(name), "poison").unwrap();
    }
    std::fs::remove_dir_all(&wheelhouse).unwrap();
    let output = room.program(&["vendor", "-s", "bookworm"]).output().unwrap();
    let said = crate::words(&output);
    assert!(output.status.success() && said.contains("is not the file that it was kept as"), "{said}");
    let found: Vec<_> = names(&wheelhouse).iter().map(|name| read(wheelhouse.join(name))).collect();
    assert_eq!(expected, found);
}

#[test]
fn check_names_what_is_stale_missing_altered_or_yanked() {
    let room = Room::new();
    ok(&mut room.program(&["vendor", "-s", "bookworm"]));
    let before = read(room.app().join("debian/requirements.lock"));
    let wheelhouse = room.app().join("debian/wheelhouse");
    std::fs::write(wheelhouse.join("old-0.1-py3-none-any.whl"), "").unwrap();
    std::fs::write(wheelhouse.join("gamma-1.0-py3-none-any.whl"), "other").unwrap();
    std::fs::remove_file(wheelhouse.join("beta-2.0.tar.gz")).unwrap();
    room.pages(&["alpha-1.0-py3-none-any.whl"]);
    let words = fails(&mut room.program(&["vendor", "--check", "-s", "bookworm"]), 1);
    for expected in [
        "beta-2.0.tar.gz is not in debian/wheelhouse, for bookworm/",
        "gamma-1.0-py3-none-any.whl is not the file that the lock means",
        "old-0.1-py3-none-any.whl is stale",
        "alpha-1.0-py3-none-any.whl was yanked: withdrawn",
    ] {
        assert!(words.contains(expected), "{expected}\n{words}");
    }
    assert_eq!(read(room.app().join("debian/requirements.lock")), before, "--check changes nothing");

    std::fs::write(room.app().join("requirements.txt"), "alpha\n").unwrap();
    let words = fails(&mut room.program(&["lock", "--check", "-s", "bookworm"]), 1);
    assert!(words.contains("debian/requirements.lock:2: the lock was made from other requirements"), "{words}");
    // What fits is kept, unless something newer is asked for.
    let json = ok(&mut room.program(&["--json", "lock", "-s", "bookworm"]));
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["path"].as_str(), room.app().join("debian/requirements.lock").to_str());
    assert_eq!(json["suites"], serde_json::json!(["bookworm"]));
    let lock = || String::from_utf8(read(room.app().join("debian/requirements.lock"))).unwrap();
    assert!(lock().contains("alpha==1.0"), "{}", lock());
    ok(&mut room.program(&["lock", "--upgrade", "-s", "bookworm"]));
    assert!(lock().contains("alpha==1.1") && !lock().contains("beta"), "{}", lock());
}

#[test]
fn a_component_tarball_is_the_same_every_time() {
    let room = Room::new();
    let path = room.path().join("app_1.0.orig-wheelhouse.tar.xz");
    ok(&mut room.program(&["vendor", "--component", "-s", "bookworm"]));
    let first = read(&path);
    ok(&mut room.program(&["vendor", "--component", "-s", "bookworm"]));
    assert_eq!(first, read(&path));
    let listed = sh(room.path(), "tar -tJf app_1.0.orig-wheelhouse.tar.xz");
    assert!(listed.starts_with("wheelhouse/\nwheelhouse/alpha-1.0-py3-none-any.whl\n"), "{listed}");
    assert!(!room.app().join("debian/wheelhouse").exists());
    // Where there is no debian/wheelhouse, that is what is looked at.
    let report = |output: &std::process::Output| serde_json::from_slice::<serde_json::Value>(&output.stdout).unwrap();
    let output = room.program(&["--json", "vendor", "--check", "-s", "bookworm"]).output().unwrap();
    assert!(output.status.success(), "{}", crate::words(&output));
    assert_eq!(report(&output)["faults"], serde_json::json!([]));
    room.pages(&["alpha-1.0-py3-none-any.whl"]);
    sh(
        room.path(),
        "tar -xJf app_1.0.orig-wheelhouse.tar.xz
         rm wheelhouse/beta*
         touch wheelhouse/old-1.0-py3-none-any.whl
         tar -cJf app_1.0.orig-wheelhouse.tar.xz wheelhouse",
    );
    let output = room.program(&["--json", "vendor", "--check", "--component", "-s", "bookworm"]).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", crate::words(&output));
    let report = report(&output);
    assert_eq!(report["path"].as_str(), path.to_str());
    let messages: Vec<&str> =
        report["faults"].as_array().unwrap().iter().map(|one| one["message"].as_str().unwrap()).collect();
    let tarball = "app_1.0.orig-wheelhouse.tar.xz";
    assert_eq!(
        messages,
        [
            format!("beta-2.0.tar.gz is not in {tarball}, for bookworm/amd64"),
            format!("{tarball}/old-1.0-py3-none-any.whl is stale: the lock does not ask for it"),
            "alpha-1.0-py3-none-any.whl was yanked: withdrawn".to_owned(),
        ]
    );
    std::fs::remove_file(path).unwrap();
    let words = fails(&mut room.program(&["vendor", "--check", "--component", "-s", "bookworm"]), 1);
    assert!(words.contains("deb-build-app vendor --component"), "{words}");
}

#[test]
fn a_changed_file_of_the_index_is_refused() {
    let room = Room::new();
    ok(&mut room.program(&["lock", "-s", "bookworm"]));
    let alpha = room.path().join("files/alpha-1.0-py3-none-any.whl");
    std::fs::write(&alpha, "evil").unwrap();
    let words = fails(&mut room.program(&["vendor", "-s", "bookworm"]), 1);
    assert!(words.contains("the lock says"), "{words}");
    room.pages(&[]);
    let words = fails(&mut room.program(&["vendor", "-s", "bookworm"]), 1);
    assert!(words.contains("alpha 1.0 has neither a wheel"), "{words}");
    assert!(!room.app().join("debian/wheelhouse").exists());
}

#[test]
fn what_a_lock_or_an_index_says_is_no_path_and_no_option() {
    let room = Room::new();
    let (app, evil) = (room.app(), room.path().join("evil"));
    std::fs::write(app.join("debian/app.venv"), "Format: 1\nProject: none\nLock: pylock.toml\n").unwrap();
    std::fs::remove_file(app.join("requirements.txt")).unwrap();
    let sum = sh(room.path(), "sha256sum files/alpha-1.0*").split(' ').next().unwrap().to_owned();
    let good = format!("{}/files/alpha-1.0-py3-none-any.whl", room.index.trim_end_matches("/simple"));
    let path = evil.display().to_string();
    let name = "alpha-1.0-py3-none-any.whl";
    let cases = [
        (good.clone(), name.to_owned(), path.clone()),
        (format!("{good}\\noutput = \\\"{path}\\\""), name.to_owned(), sum.clone()),
        (format!("file://{}/files/{name}", room.path().display()), name.to_owned(), sum.clone()),
        (good.clone(), format!("../../../evil/{name}"), sum.clone()),
        (good.clone(), "-alpha-1.0-py3-none-any.whl".to_owned(), sum.clone()),
    ];
    for (url, name, sum) in cases {
        let lock = format!(
            "lock-version = '1.0'\n[[packages]]\nname = 'alpha'\nversion = '1.0'\nwheels = [{{name = \"{name}\", url = \"{url}\", hashes = {{sha256 = \"{sum}\"}}}}]\n"
        );
        std::fs::write(app.join("pylock.toml"), lock).unwrap();
        let said = fails(&mut room.program(&["vendor", "-s", "bookworm"]), 1);
        assert!(said.contains("pylock.toml:2: "), "{said}");
        assert!(!evil.exists() && !app.join("debian/wheelhouse").exists());
    }
    // An index of this machine is nothing that a source may name.
    let venv = format!("Format: 1\nProject: none\nLock: pylock.toml\nIndex: file://{}/simple\n", room.path().display());
    std::fs::write(app.join("debian/app.venv"), venv).unwrap();
    let said = fails(&mut room.program(&["vendor", "-s", "bookworm"]), 1);
    assert!(said.contains("debian/app.venv:4: ") && said.contains("--index URL"), "{said}");

    // A page whose names lead elsewhere.
    std::fs::write(app.join("debian/app.venv"), "Format: 1\nProject: none\nRequirements: requirements.txt\n").unwrap();
    std::fs::write(app.join("requirements.txt"), "alpha==1.0\n").unwrap();
    let page = room.path().join("simple/alpha/index.html");
    ok(&mut room.program(&["lock", "-s", "bookworm"]));
    let text = String::from_utf8(read(&page)).unwrap();
    std::fs::write(&page, text.replace(">alpha-1.0-py3-none-any.whl<", ">alpha-1.0-py3-none-any/../../../evil.whl<"))
        .unwrap();
    let said = fails(&mut room.program(&["vendor", "-s", "bookworm"]), 1);
    assert!(said.contains("offers what is passed over") && said.contains("alpha 1.0 has neither a wheel"), "{said}");
    assert!(names(room.path()).iter().all(|name| !name.starts_with("evil")));
}

/// What a project runs to say what it needs: it looks around, and leaves a process.
const BACKEND: &str = r#"
import os, subprocess, sys
def seen(path):
    try:
        return os.listdir(path) if os.path.isdir(path) else open(path, "rb").read(4)
    except OSError as error:
        return type(error).__name__
def prepare_metadata_for_build_wheel(directory, settings=None):
    places = ["/root", "/home/builder", "/var", "/srv", "/run", "SECRET", "/etc/shadow", "/dev/tty", "/old"]
    status = [row for row in open("/proc/self/status") if row.startswith(("CapEff", "CapBnd", "NoNewPrivs"))]
    report = [repr((place, seen(place))) for place in places] + status + sorted(os.environ)
    script = "while :; do ln -sfn /etc/hostname debian/requirements.lock; done"
    subprocess.Popen(["sh", "-c", script], start_new_session=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    info = os.path.join(directory, "app-1.0.dist-info")
    os.mkdir(info)
    with open(os.path.join(info, "METADATA"), "w") as file:
        file.write("Metadata-Version: 2.1\nName: app\nVersion: 1.0\n")
    if os.path.exists("tell"):
        sys.exit("REPORT " + " ".join(row.strip() for row in report))
    return "app-1.0.dist-info"
"#;

#[test]
fn code_that_says_what_a_project_needs_sees_and_leaves_nothing() {
    let room = Room::new();
    let app = room.app();
    let secret = room.path().join("secret");
    std::fs::write(&secret, "mine").unwrap();
    std::fs::write(app.join("backend.py"), BACKEND.replace("SECRET", &secret.display().to_string())).unwrap();
    let pyproject = "[build-system]\nrequires = []\nbuild-backend = 'backend'\nbackend-path = ['.']\n\
                     [project]\nname = 'app'\ndynamic = ['version', 'dependencies']\n";
    std::fs::write(app.join("pyproject.toml"), pyproject).unwrap();
    std::fs::remove_file(app.join("requirements.txt")).unwrap();
    std::fs::write(app.join("tell"), "").unwrap();
    std::fs::copy(env!("CARGO_BIN_EXE_deb-build-app"), room.path().join("driver")).unwrap();
    std::fs::copy(harness::uv(), room.path().join("uv-of-nobody")).unwrap();
    sh(
        room.path(),
        "mkdir bin2 && mv uv-of-nobody bin2/uv && cp -a app app2 && chmod 755 . bin2 && chown -R nobody app2 secret",
    );
    let path = std::env::var("PATH").unwrap();
    for user in ["root", "nobody"] {
        let mark = format!("LEFT={}-{user}", std::process::id());
        let (mut command, directory) = match user {
            "root" => (Command::new(env!("CARGO_BIN_EXE_deb-build-app")), app.clone()),
            _ => (Command::new("setpriv"), room.path().join("app2")),
        };
        if user == "nobody" {
            command.args(["--reuid=nobody", "--regid=nogroup", "--clear-groups", "../driver"]);
        }
        let home = directory.join("home");
        command.current_dir(&directory).args(["lock", "-s", "bookworm", "--index", &room.index]);
        command.env("PATH", format!("{}:{path}", room.path().join("bin2").display()));
        command.env("HOME", &home).env("XDG_CACHE_HOME", &home).env("LEFT", &mark[5..]).env("TOKEN", "1");
        let said = fails(&mut command, 1);
        for place in ["/root", "/srv", "/run", "/etc/shadow", "/dev/tty", &secret.display().to_string()] {
            assert!(said.contains(&format!("('{place}', 'FileNotFoundError')")), "{user}: {place}\n{said}");
        }
        assert!(said.contains("('/old', [])"), "{said}");
        for row in ["NoNewPrivs:\t1", "CapEff:\t0000000000000000", "CapBnd:\t0000000000000000"] {
            assert!(said.contains(row), "{said}");
        }
        assert!(!said.contains("TOKEN"), "{said}");
        // What it has left is dead, and the lock is no link to what that meant.
        std::fs::remove_file(directory.join("tell")).unwrap();
        for _ in 0..3 {
            let output = command.output().unwrap();
            let lock = std::fs::read_to_string(directory.join("debian/requirements.lock")).unwrap_or_default();
            let own = std::fs::read_to_string("/etc/hostname").unwrap_or_default();
            assert!(own.trim().is_empty() || !lock.contains(own.trim()), "{lock}\n{}", crate::words(&output));
            assert_eq!(marked(&mark), [] as [String; 0]);
        }
    }
}

/// What it could get at besides files: keys, passwords of indexes, the machine's memory.
const THIEF: &str = r#"
import ctypes, glob, os, resource, sys
def look():
    libc = ctypes.CDLL(None, use_errno=True)
    for ring in (-3, -4):
        key = libc.syscall(250, 10, ctypes.c_int(ring), b"user", b"dba-canary", ctypes.c_int(0))
        yield "key %d %d" % (ring, key)
    yield "map " + " ".join(open("/proc/self/uid_map").read().split())
    yield "processes %d" % resource.getrlimit(resource.RLIMIT_NPROC)[0]
    for place in ("/tmp", "/home", "/source"):
        room = os.statvfs(place)
        yield "room %s %d" % (place, room.f_blocks * room.f_frsize)
    places = glob.glob("/proc/[0-9]*/cmdline") + glob.glob("/proc/[0-9]*/environ")
    places += [os.path.join(top, name) for top, _, names in os.walk("/home") for name in names]
    for place in places + ["/proc/%d/mem" % os.getppid(), "/proc/%d/fd/0" % os.getppid(), "/dev/fd/0"]:
        try:
            with open(place, "rb") as file:
                found = file.name.endswith("/mem") or b"SECRET-CANARY" in file.read()
        except OSError:
            continue
        if found:
            yield "found in " + place
def x(*words, **more):
    sys.exit("REPORT; %s; END" % "; ".join(look()))
get_requires_for_build_wheel = prepare_metadata_for_build_wheel = build_wheel = x
"#;

/// A command after a login: with a session keyring that has a key.
const LOGIN: &str = r#"
import ctypes, os, sys
libc = ctypes.CDLL(None)
assert libc.syscall(250, 1, None) > 0
assert libc.syscall(248, b"user", b"dba-canary", b"x", ctypes.c_size_t(1), ctypes.c_int(-3)) > 0
os.execvp(sys.argv[1], sys.argv[1:])
"#;

#[test]
fn code_that_says_what_a_project_needs_has_limits_and_neither_keys_nor_passwords() {
    let room = Room::new();
    let app = room.app();
    std::fs::write(app.join("backend.py"), THIEF).unwrap();
    let pyproject = "[build-system]\nrequires = ['tinybackend']\nbuild-backend = 'backend'\nbackend-path = ['.']\n\
                     [project]\nname = 'app'\ndynamic = ['version', 'dependencies']\n";
    std::fs::write(app.join("pyproject.toml"), pyproject).unwrap();
    std::fs::remove_file(app.join("requirements.txt")).unwrap();
    std::fs::copy(env!("CARGO_BIN_EXE_deb-build-app"), room.path().join("driver")).unwrap();
    std::fs::copy(harness::uv(), room.path().join("uv-of-nobody")).unwrap();
    sh(
        room.path(),
        "mkdir bin2 && mv uv-of-nobody bin2/uv && cp -a app app2 && chmod 755 . bin2 && chown -R nobody app2",
    );
    let path = std::env::var("PATH").unwrap();
    let index = room.index.replace("://", "://user:SECRET-CANARY@");
    for user in ["root", "nobody"] {
        let home = room.path().join(if user == "root" { "app" } else { "app2" });
        let mut command = Command::new("setpriv");
        let ids: &[&str] = if user == "root" { &[] } else { &["--reuid=nobody", "--regid=nogroup", "--clear-groups"] };
        command.args(ids).args([
            "/usr/bin/python3",
            "-c",
            LOGIN,
            "../driver",
            "lock",
            "-s",
            "bookworm",
            "--index",
            &index,
        ]);
        command.current_dir(&home).env("HOME", home.join("home")).env("XDG_CACHE_HOME", home.join("home"));
        let said = fails(command.env("PATH", format!("{}:{path}", room.path().join("bin2").display())), 1);
        let report: Vec<&str> = said.split("REPORT; ").nth(1).unwrap_or_else(|| panic!("{said}")).split("; ").collect();
        assert!(report.contains(&"key -3 -1") && report.contains(&"key -4 -1"), "{user}: {said}");
        assert!(report.contains(&"processes 4096"), "{user}: {said}");
        let map = report.iter().find_map(|row| row.strip_prefix("map ")).unwrap();
        assert!(!map.starts_with("0 0 ") && (user != "root" || map.starts_with("0 1879048192 ")), "{user}: {map}");
        let rooms = report.iter().filter_map(|row| row.strip_prefix("room ")?.split(' ').nth(1)?.parse::<u64>().ok());
        let memory = std::fs::read_to_string("/proc/meminfo").unwrap();
        let memory: u64 = memory.split_whitespace().nth(1).unwrap().parse().unwrap();
        let rooms: Vec<u64> = rooms.collect();
        assert!(rooms.len() == 3 && rooms.iter().all(|room| *room < memory * 1024), "{user}: {said}");
        assert!(!said.contains("found in") && !said.contains("SECRET-CANARY"), "{user}: {said}");
    }
}

#[test]
fn where_nothing_can_be_contained_a_source_is_resolved_if_it_is_trusted() {
    let room = Room::new();
    std::fs::copy(env!("CARGO_BIN_EXE_deb-build-app"), room.path().join("driver")).unwrap();
    std::fs::copy(harness::uv(), room.path().join("uv-of-nobody")).unwrap();
    sh(room.path(), "mkdir bin2 && mv uv-of-nobody bin2/uv && chmod 755 . bin2 && chown -R nobody app");
    let path = format!("{}:{}", room.path().join("bin2").display(), std::env::var("PATH").unwrap());
    let lock = |more: &str| {
        // A namespace that has all ids, and in which none can be made.
        let script = r#"
            rm -f ../go; mkfifo ../go
            unshare --user sh -euc 'read -r _ <../go; exec "$@"' sh sh -euc 'echo 0 >/proc/sys/user/max_user_namespaces
                exec setpriv --reuid=65534 --regid=65534 --clear-groups ../driver lock -s bookworm --index "$@"' sh "$@" &
            while [ "$(readlink /proc/$!/ns/user)" = "$(readlink /proc/$$/ns/user)" ]; do sleep 0.01; done
            for name in uid gid; do echo 0 0 65536 >/proc/$!/${name}_map; done
            echo >../go
            wait $!"#;
        let mut command = Command::new("sh");
        command.args(["-euc", script, "sh", &room.index]).args(more.split_whitespace());
        command.current_dir(room.app()).env("PATH", &path).env("HOME", room.app()).env_remove("XDG_CACHE_HOME");
        command
    };
    let said = fails(&mut lock(""), 1);
    assert!(said.contains("cannot be contained here: unshare") && said.contains("--trust-source"), "{said}");
    ok(&mut lock("--trust-source"));
    let lock = std::fs::read_to_string(room.app().join("debian/requirements.lock")).unwrap();
    assert!(lock.contains("alpha==1.0"), "{lock}");
}

/// Processes of any user with this mark in their environment.
fn marked(mark: &str) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let environment = std::fs::read(entry.path().join("environ")).unwrap_or_default();
        if String::from_utf8_lossy(&environment).contains(mark) {
            let words = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
            found.push(String::from_utf8_lossy(&words).replace('\0', " "));
        }
    }
    found
}

/// Processes with this in their words.
fn asking(address: &str) -> Vec<String> {
    let all = std::fs::read_dir("/proc").unwrap().flatten();
    let words = all.map(|entry| std::fs::read(entry.path().join("cmdline")).unwrap_or_default());
    let words = words.map(|words| String::from_utf8_lossy(&words).replace('\0', " "));
    words.filter(|words| words.contains(address)).collect()
}

/// Against a server that never answers: what the driver has started on the host is
/// waiting when the driver, or its child, is killed.
#[test]
fn killed_while_it_waits_for_a_server_the_driver_leaves_no_helper() {
    let room = Room::new();
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", silent.local_addr().unwrap());
    // A user who cannot reach root's caches.
    std::fs::copy(harness::uv(), room.path().join("uv-of-nobody")).unwrap();
    sh(
        room.path(),
        "mkdir bin2 && mv uv-of-nobody bin2/uv && cp -a app app2 && chmod 755 . bin2 && chown -R nobody app2",
    );
    std::fs::copy(env!("CARGO_BIN_EXE_deb-build-app"), room.path().join("driver")).unwrap();
    let archive = format!("{address}/app-1.0.tar.gz");
    let repository = format!("{address}/app.git");
    let commands: [&[&str]; 3] =
        [&["fetch", "--archive", &archive], &["fetch", &repository, "--tag", "v1.0"], &["vendor", "--index", &address]];
    for (number, words) in commands.into_iter().enumerate() {
        for victim in ["driver", "child", "driver of nobody"] {
            let mark = format!("KILLED={}-{number}-{victim}", std::process::id());
            let mut command = Command::new(match victim {
                "driver of nobody" => "setpriv",
                _ => env!("CARGO_BIN_EXE_deb-build-app"),
            });
            let (mut bin, mut app) = ("bin", "app");
            if victim == "driver of nobody" {
                command.args(["--reuid=nobody", "--regid=nogroup", "--clear-groups", "../driver"]);
                (bin, app) = ("bin2", "app2");
            } else {
                room.uv();
            }
            let path = std::env::var("PATH").unwrap();
            command.current_dir(room.path().join(app)).args(words).stdin(Stdio::null());
            command.env("PATH", format!("{}:{path}", room.path().join(bin).display())).env("KILLED", &mark[7..]);
            let home = room.path().join(app).join("home");
            command.env("HOME", &home).env("XDG_CACHE_HOME", &home).env("TMPDIR", room.path().join(app));
            // None of the connections of the one before.
            silent.set_nonblocking(true).unwrap();
            while silent.accept().is_ok() {}
            silent.set_nonblocking(false).unwrap();
            let mut driver = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
            // It waits for an answer now.
            let waiting = silent.accept().unwrap();
            // What resolves has no variable of ours, but asks there.
            let left = || [marked(&mark), asking(&address)].concat();
            assert!(left().len() > 1, "{words:?}: {:?}", left());
            match victim {
                "child" => {
                    drop(sh(Path::new("/"), &format!("kill -KILL $(cat /proc/{0}/task/{0}/children)", driver.id())))
                }
                _ => driver.kill().unwrap(),
            }
            let status = driver.wait().unwrap();
            let began = std::time::Instant::now();
            while !left().is_empty() {
                let late = began.elapsed() > std::time::Duration::from_secs(2);
                assert!(!late, "left by {words:?}, {victim} killed: {:?}", left());
                std::thread::sleep(std::time::Duration::from_millis(10));
            }
            if victim == "child" {
                assert_eq!(status.code(), Some(1), "{words:?}");
            }
            drop(waiting);
        }
    }
    // What lay in the way of the next run is gone after it.
    let left = sh(&room.path().join("app2"), "ls -d home/deb-build-app/work/*");
    assert!(left.lines().count() > 0, "{left}");
    let mut command = room.program(&["vendor", "-s", "bookworm"]);
    ok(command.env("XDG_CACHE_HOME", room.path().join("app2/home")));
    let left = sh(&room.path().join("app2"), "ls -d home/deb-build-app/work/* 2>/dev/null || true");
    assert_eq!(left, "");
}

/// The build has no network: what a virtual environment is made of is there before it begins.
#[test]
fn a_build_without_a_wheelhouse_collects_the_wheels_itself() {
    let room = Room::new();
    let source = crate::room::Source::new("dba-wheels", &["ls debian/wheelhouse || ls wheelhouse"]);
    let debian = source.path().join("debian");
    let control = std::fs::read_to_string(debian.join("control")).unwrap();
    // Names dh-venv, and builds without: whether it installs is shown elsewhere.
    let control = control.replace("debhelper-compat (= 13)", "debhelper-compat (= 13), dh-venv | make");
    std::fs::write(debian.join("control"), control).unwrap();
    let venv = format!("Format: 1\nProject: none\nRequirements: requirements.txt\nIndex: {}\n", room.index);
    std::fs::write(debian.join("dba-wheels.venv"), venv).unwrap();
    std::fs::write(source.path().join("requirements.txt"), "alpha==1.0\n").unwrap();
    let build = || {
        let path = format!("{}:{}", room.uv().display(), std::env::var("PATH").unwrap());
        let mut command = source.program(&["build"]);
        ok(command.env("PATH", path).env("UV_CACHE_DIR", room.path().join("uv")));
        String::from_utf8(read(source.results("dba-wheels").join("build.log"))).unwrap()
    };
    assert!(build().contains("\nalpha-1.0-py3-none-any.whl\n"));
    assert!(!debian.join("wheelhouse").exists(), "only the copy that is built gets them");
    std::fs::create_dir(debian.join("wheelhouse")).unwrap();
    std::fs::write(debian.join("wheelhouse/own-1.0-py3-none-any.whl"), "").unwrap();
    let log = build();
    assert!(log.contains("\nown-1.0-py3-none-any.whl\n") && !log.contains("alpha"), "{log}");

    // A component tarball beside the orig tarball is enough, too.
    sh(
        &source.path(),
        "rm -r debian/wheelhouse && echo '3.0 (quilt)' > debian/source/format && sed -i '1s/1.0/1.0-1/' debian/changelog
         tar -cJf ../dba-wheels_1.0.orig.tar.xz --exclude=debian ../app",
    );
    let mut command = source.program(&["vendor", "--component", "-s", "bookworm"]);
    let path = format!("{}:{}", room.uv().display(), std::env::var("PATH").unwrap());
    ok(command.env("PATH", path).env("UV_CACHE_DIR", room.path().join("uv")));
    drop(room);
    ok(&mut source.program(&["build"]));
    let results = source.work.path().join("build-area/bookworm/dba-wheels/1.0-1/amd64");
    assert!(names(&results).contains(&"dba-wheels_1.0.orig-wheelhouse.tar.xz".to_owned()), "{:?}", names(&results));
    let log = String::from_utf8(read(results.join("build.log"))).unwrap();
    assert!(log.contains("\nalpha-1.0-py3-none-any.whl\n"), "{log}");
}
