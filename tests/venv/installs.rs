//! What each field does to the venv.

use std::io::BufRead;

use serde_json::json;

use crate::room::{BACKEND, Room, With, make_wheels, run, tiny, tree};

fn names(room: &Room) -> Vec<String> {
    let mut all: Vec<String> = std::fs::read_dir(room.site())
        .unwrap()
        .flatten()
        .map(|entry| entry.file_name().into_string().unwrap())
        .filter_map(|name| name.strip_suffix(".dist-info").map(str::to_owned))
        .collect();
    all.sort();
    all
}

#[test]
fn without_a_venv_file() {
    let room = Room::new();
    room.tiny();
    room.project("");
    room.dh_venv(&[]).ok();
    assert_eq!(names(&room), ["notes-1.0", "tiny-1.0"]);
    let script = std::fs::read_to_string(room.staged().join("bin/notes")).unwrap();
    assert!(script.starts_with("#!/usr/lib/notes/venv/bin/python\n"), "{script}");
    let stage = room.stage().display().to_string();
    for name in ["activate", "activate.csh", "activate.fish"] {
        let text = std::fs::read_to_string(room.staged().join("bin").join(name)).unwrap();
        assert!(text.contains("/usr/lib/notes/venv") && !text.contains(&stage), "{name}: {text}");
    }
    let shell = ". ./activate && echo \"$VIRTUAL_ENV ${PATH%%:*}\"";
    let bin = room.staged().join("bin");
    let output = run(std::process::Command::new("/bin/dash").args(["-e", "-c", shell]).current_dir(bin)).ok();
    assert_eq!(output.stdout, "/usr/lib/notes/venv /usr/lib/notes/venv/bin\n");
    room.place(&[]).ok();
    let substvars = room.read("debian/notes.substvars");
    assert!(substvars.contains("venv:Depends=python3, python3.") && substvars.contains(&room.id()), "{substvars}");
    assert!(room.source().join("debian/notes/usr/lib/notes/venv/bin/notes").is_file());
}

/// Python's own web server over a directory, on loopback, until it is dropped.
struct Server(std::process::Child, String);

impl Server {
    fn over(directory: &std::path::Path) -> Server {
        let mut child = std::process::Command::new("/usr/bin/python3")
            .args(["-I", "-u", "-m", "http.server", "0", "--bind", "127.0.0.1", "--directory"])
            .arg(directory)
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::null())
            .spawn()
            .expect("/usr/bin/python3");
        let mut line = String::new();
        std::io::BufReader::new(child.stdout.take().expect("stdout")).read_line(&mut line).expect("a line");
        let port = line.split_once(" port ").and_then(|(_, rest)| rest.split(' ').next()).expect(&line);
        let address = format!("http://127.0.0.1:{port}");
        Server(child, address)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn an_index_and_what_came_from_it() {
    let room = Room::new();
    let place = room.top().join("index/simple");
    let hash = make_wheels(&place.join("tiny"), &json!([tiny("tiny")]))["tiny"].clone();
    make_wheels(&place.join("other"), &json!([tiny("other")]));
    let server = Server::over(&room.top().join("index"));
    let index = format!("Index: {}/simple\n", server.1);
    room.file("requirements.txt", "tiny\n").venv(&index);
    for with in [With::Uv, With::Pip] {
        let output = room.dh_venv_with(with, &[]).ok();
        for line in [
            "dh_venv: warning: requirements.txt: not pinned with hashes, so chosen now: tiny 1.0\n",
            "dh_venv: from the network, or kept of an earlier download: tiny 1.0\n",
        ] {
            assert!(output.stderr.contains(line), "{line}: {}", output.stderr);
        }
        assert_eq!(names(&room), ["tiny-1.0"]);
    }
    // Pinned, nothing floats; what is fetched is told all the same.
    room.file("requirements.txt", &format!("tiny==1.0 --hash=sha256:{hash}\n"));
    std::fs::remove_dir_all(room.cache()).unwrap();
    let output = room.dh_venv(&[]).ok();
    assert!(
        output.stderr.contains("dh_venv: from the network") && !output.stderr.contains("warning"),
        "{}",
        output.stderr
    );
    // Beside a wheelhouse an index counts only where the field says so.
    room.wheels(&json!([tiny("own")]));
    room.file("requirements.txt", "own\nother\n").venv(&format!("{index}Offline: no\n"));
    for with in [With::Uv, With::Pip] {
        room.dh_venv_with(with, &[]).ok();
        assert_eq!(names(&room), ["other-1.0", "own-1.0"]);
    }
    room.venv("Wheelhouse: debian/wheelhouse\n");
    room.dh_venv(&[]).fails(1, &["error: requirements.txt:2: resolving other failed", "hint: the wheelhouse has no"]);
}

#[test]
fn a_wheelhouse_of_another_name_and_other_values_that_are_right() {
    let room = Room::new();
    room.tiny();
    let root = room.source();
    let minor = std::fs::read_link("/usr/bin/python3").unwrap().display().to_string();
    std::fs::rename(root.join("debian/wheelhouse"), root.join("wheelhouse")).unwrap();
    room.venv(&format!("Python: {minor}\n"));
    let output = room.dh_venv(&[]).ok();
    assert!(!output.stderr.contains("from the network"), "{}", output.stderr);
    let first = room.id();
    std::fs::rename(root.join("wheelhouse"), root.join("files")).unwrap();
    room.venv("Wheelhouse: files\nPython: /usr/bin/python3\n");
    room.dh_venv(&[]).ok();
    assert_eq!(room.id(), first);
    // An option replaces its field, given twice it is a list.
    room.file("more.txt", "").venv("Wheelhouse: files\nRequirements: missing.txt\n");
    room.dh_venv(&["--requirements=more.txt", "--requirements=requirements.txt"]).ok();
    assert_eq!(names(&room), ["tiny-1.0"]);
    room.venv("Offline: yes\nRequirements: requirements.txt\n");
    room.dh_venv(&[]).fails(1, &["error: requirements.txt:1: resolving tiny failed", "hint: "]);
}

#[test]
fn two_projects_each_with_its_requirements() {
    let room = Room::new();
    room.wheels(&json!([tiny("tiny"), tiny("other")]));
    for (name, requirement) in [("server", "tiny"), ("client", "other")] {
        let own = |text: &str| text.replace("notes", name);
        room.file(&format!("{name}/backend.py"), &own(BACKEND))
            .file(&format!("{name}/{name}.py"), "def main():\n    pass\n")
            .file(&format!("{name}/requirements.txt"), &format!("{requirement}==1.0\n"))
            .file(
                &format!("{name}/pyproject.toml"),
                "[build-system]\nrequires = []\nbuild-backend = \"backend\"\nbackend-path = [\".\"]\n",
            );
    }
    room.file("requirements.txt", "not-this-one\n").venv("Project: server client\n");
    for with in [With::Uv, With::Pip] {
        room.dh_venv_with(with, &[]).ok();
        assert_eq!(names(&room), ["client-1.0", "other-1.0", "server-1.0", "tiny-1.0"]);
    }
}

/// A project whose lock has an extra and a group.
fn locked(lock: impl Fn(&dyn Fn(&str) -> String) -> (&'static str, String)) -> Room {
    let room = Room::new();
    room.project("optional-dependencies = { server = [\"served\"] }\n[dependency-groups]\ndev = [\"debugger\"]\n");
    let hashes = room.wheels(&json!([tiny("tiny"), tiny("served"), tiny("debugger")]));
    let (name, text) = lock(&|name| hashes[name].clone());
    room.file(name, &text);
    room
}

fn lock_is_read(room: &Room, lock: &str) {
    let mut ids = Vec::new();
    for (more, expected) in [
        ("", &["notes-1.0", "tiny-1.0"][..]),
        ("Extras: server\n", &["notes-1.0", "served-1.0", "tiny-1.0"]),
        ("Groups: dev\n", &["debugger-1.0", "notes-1.0", "tiny-1.0"]),
    ] {
        let file = if more.starts_with("Extras") { "[\"Provides-Extra: server\"]" } else { "[]" };
        room.file("EXTRA.json", file).venv(&format!("Lock: {lock}\n{more}"));
        // pip has no reader for these files: ours is behind both installers.
        for with in if more.is_empty() { &[With::Uv, With::Pip][..] } else { &[With::Uv] } {
            let output = room.dh_venv_with(*with, &[]).ok();
            assert!(!output.stderr.contains("not pinned"), "{}", output.stderr);
            assert_eq!(names(room), expected, "{more}");
            ids.push(room.id());
        }
    }
    assert_eq!(ids[0], ids[1]);
    assert!(ids[1] != ids[2] && ids[2] != ids[3] && ids[1] != ids[3], "{ids:?}");
}

#[test]
fn a_uv_lock() {
    let room = locked(|hash| {
        let package = |name: &str| {
            format!(
                "\n[[package]]\nname = \"{name}\"\nversion = \"1.0\"\nsource = {{ registry = \"https://index.invalid/simple\" }}\n\
                 wheels = [\n    {{ url = \"https://index.invalid/{name}-1.0-py3-none-any.whl\", hash = \"sha256:{}\" }},\n]\n",
                hash(name)
            )
        };
        let own = "\n[[package]]\nname = \"notes\"\nversion = \"1.0\"\nsource = { virtual = \".\" }\n\
                   dependencies = [\n    { name = \"tiny\" },\n]\n\n[package.optional-dependencies]\n\
                   server = [\n    { name = \"served\" },\n]\n\n[package.dev-dependencies]\n\
                   dev = [\n    { name = \"debugger\" },\n]\n";
        let own = own.replace("virtual", "editable");
        let all = [package("debugger"), own, package("served"), package("tiny")].concat();
        ("uv.lock", format!("version = 1\nrevision = 3\nrequires-python = \">=3.11\"\n{all}"))
    });
    lock_is_read(&room, "uv.lock");
}

#[test]
fn a_pylock() {
    let room = locked(|hash| {
        let package = |name: &str, marker: &str| {
            format!(
                "\n[[packages]]\nname = \"{name}\"\nversion = \"1.0\"\n{marker}\
                 wheels = [{{ url = \"https://index.invalid/{name}-1.0-py3-none-any.whl\", hashes = {{ sha256 = \"{}\" }} }}]\n",
                hash(name)
            )
        };
        let all = [
            package("debugger", "marker = \"'dev' in dependency_groups\"\n"),
            package("served", "marker = \"'server' in extras\"\n"),
            package("tiny", ""),
        ]
        .concat();
        let head =
            "lock-version = \"1.0\"\ncreated-by = \"tests\"\nextras = [\"server\"]\ndependency-groups = [\"dev\"]\n";
        ("pylock.toml", format!("{head}{all}"))
    });
    lock_is_read(&room, "pylock.toml");
}

#[test]
fn extras_and_groups_are_resolved() {
    let room = Room::new();
    room.project("[dependency-groups]\ndev = [\"tiny\"]\n")
        .file("EXTRA.json", "[\"Provides-Extra: server\", \"Requires-Dist: served; extra == 'server'\"]")
        .venv("Extras: server\nGroups: dev\n");
    room.wheels(&json!([tiny("tiny"), tiny("served")]));
    for with in [With::Uv, With::Pip] {
        let output = room.dh_venv_with(with, &[]).ok();
        assert_eq!(names(&room), ["notes-1.0", "served-1.0", "tiny-1.0"]);
        // The wheelhouse is part of the source: what it holds is pinned by it.
        assert!(!output.stderr.contains("warning"), "{}", output.stderr);
    }
}

#[test]
fn preinstall_comes_first() {
    let room = Room::new();
    room.tiny();
    room.wheels(&json!([tiny("early")]));
    room.venv("Preinstall: early==1.0\nRequirements: requirements.txt\n");
    for with in [With::Uv, With::Pip] {
        let output = room.dh_venv_with(with, &["-v"]).ok();
        assert_eq!(names(&room), ["early-1.0", "tiny-1.0"]);
        let place = |file: &str| output.stdout.find(file).unwrap_or_else(|| panic!("{file}: {}", output.stdout));
        assert!(place("preinstall.txt") < place("/requirements.txt\n"), "{}", output.stdout);
        std::fs::remove_dir_all(room.cache()).unwrap();
    }
}

#[test]
fn system_site_packages() {
    let room = Room::new();
    room.tiny();
    let cfg = |room: &Room| std::fs::read_to_string(room.staged().join("pyvenv.cfg")).unwrap();
    room.dh_venv(&[]).ok();
    assert!(cfg(&room).contains("include-system-site-packages = false\n"));
    let without = room.id();
    room.venv("System-Site-Packages: yes\n");
    room.dh_venv(&[]).ok();
    assert!(cfg(&room).contains("include-system-site-packages = true\n"));
    assert_ne!(room.id(), without);
}

#[test]
fn what_is_kept() {
    let room = Room::new();
    let suite =
        json!({"tiny/__init__.py": "", "tiny/tests/__init__.py": "", "tiny/tests/test_tiny.py": "import tiny\n"});
    room.wheels(&json!([tiny("pip"), tiny("setuptools"), {"name": "tiny", "version": "1.0", "files": suite}]));
    room.file("requirements.txt", "tiny==1.0\n");
    room.dh_venv(&[]).ok();
    assert_eq!(names(&room), ["tiny-1.0"]);
    assert!(!room.site().join("tiny/tests").exists());
    let record = std::fs::read_to_string(room.site().join("tiny-1.0.dist-info/RECORD")).unwrap();
    assert!(record.contains("tiny/__init__.py,") && !record.contains("tests"), "{record}");
    room.venv("Keep: pip setuptools tests\n");
    room.dh_venv(&[]).ok();
    assert_eq!(names(&room), ["pip-1.0", "setuptools-1.0", "tiny-1.0"]);
    assert!(room.site().join("tiny/tests/test_tiny.py").is_file());
}

/// The flags of a module's byte code (PEP 552), or `None` where there is none.
fn flags(room: &Room) -> Option<u8> {
    let cached = std::fs::read_dir(room.site().join("__pycache__")).ok()?.flatten().next()?;
    Some(std::fs::read(cached.path()).unwrap()[4])
}

#[test]
fn byte_code_of_each_kind() {
    let room = Room::new();
    room.tiny();
    for (word, expected) in [("unchecked-hash", Some(1)), ("checked-hash", Some(3)), ("none", None)] {
        room.venv(&format!("Bytecode: {word}\n"));
        room.dh_venv(&[]).ok();
        assert_eq!(flags(&room), expected, "{word}");
    }
}

#[test]
fn byte_code_names_the_installed_file() {
    let room = Room::new();
    room.tiny();
    room.project("").venv("Prefix: /opt/venvs/notes\n");
    room.dh_venv(&[]).ok();
    let script = "import marshal, pathlib, sys, importlib.util
root = pathlib.Path(sys.argv[1])
count = 0
def check(code, expected):
    assert code.co_filename == expected, (code.co_filename, expected)
    for const in code.co_consts:
        if hasattr(const, 'co_filename'):
            check(const, expected)
for pyc in root.rglob('*.pyc'):
    data = pyc.read_bytes()
    source = pathlib.Path(importlib.util.source_from_cache(str(pyc)))
    assert data[:4] == importlib.util.MAGIC_NUMBER, pyc
    assert int.from_bytes(data[4:8], 'little') == 1, pyc
    assert data[8:16] == importlib.util.source_hash(source.read_bytes()), pyc
    check(marshal.loads(data[16:]), '/opt/venvs/notes/' + str(source.relative_to(root)))
    count += 1
print(count)";
    let output = run(std::process::Command::new("/usr/bin/python3").args(["-I", "-c", script]).arg(room.staged())).ok();
    assert_eq!(output.stdout, "2\n");
}

#[test]
fn commands_after_the_installation() {
    let room = Room::new();
    room.tiny();
    room.project("").venv(
        "After-Install: notes > \"$VIRTUAL_ENV\"/greeting\n\
         \x20cd \"$VIRTUAL_ENV\"/lib/python3*/site-packages && echo 'MADE = True' > made.py\n\
         \x20echo 'VALUE = 2' > \"$(python -c 'import tiny; print(tiny.__file__)')\"\n",
    );
    for with in [With::Uv, With::Pip] {
        room.dh_venv_with(with, &[]).ok();
        assert_eq!(std::fs::read_to_string(room.staged().join("greeting")).unwrap(), "notes\n");
        let record = |name: &str| std::fs::read_to_string(room.site().join(name).join("RECORD")).unwrap();
        assert!(record("notes-1.0.dist-info").contains("made.py,sha256="));
        // sha256 of "VALUE = 2\n", as RECORD has it.
        let expected = "tiny.py,sha256=";
        let row = record("tiny-1.0.dist-info");
        assert!(row.contains(expected) && row.contains(",10\n"), "{row}");
        let cached = tree(&room.site().join("__pycache__"));
        assert!(cached.keys().any(|name| name.starts_with("made.")), "{cached:?}");
    }
    // The changed module's byte code is that of the change.
    let script = "import sys; sys.path.insert(0, sys.argv[1]); import tiny; print(tiny.VALUE)";
    let output = run(std::process::Command::new("/usr/bin/python3").args(["-I", "-c", script]).arg(room.site())).ok();
    assert_eq!(output.stdout, "2\n");
}

#[test]
fn tests_run_unless_nocheck() {
    let room = Room::new();
    room.tiny();
    room.project("").venv("Test: notes\n python -c 'import tiny' && touch ran\n");
    let output = room.dh_venv(&[]).ok();
    assert!(output.stderr.contains("notes\n"), "{}", output.stderr);
    assert!(room.source().join("ran").exists());
    std::fs::remove_file(room.source().join("ran")).unwrap();
    run(room.command("dh_venv", With::Uv).env("DEB_BUILD_OPTIONS", "nocheck")).ok();
    assert!(!room.source().join("ran").exists());
}

#[test]
fn offline_from_a_wheelhouse() {
    let room = Room::new();
    let hash = room.tiny();
    room.project("");
    for (text, with) in [("tiny\n".to_owned(), With::Uv), (format!("tiny==1.0 --hash=sha256:{hash}\n"), With::Pip)] {
        room.file("requirements.txt", &text);
        let _ = std::fs::remove_dir_all(room.cache());
        let mut command = std::process::Command::new("unshare");
        command.args(["--map-root-user", "--net", env!("CARGO_BIN_EXE_dh_venv")]);
        room.prepare(&mut command, with);
        run(&mut command).ok();
        assert_eq!(names(&room), ["notes-1.0", "tiny-1.0"]);
    }
}

/// As `deb-build-app new` writes it where a project's requirements.txt is its developers'.
#[test]
fn a_file_without_a_requirement_leaves_it_to_the_project() {
    let room = Room::new();
    room.tiny();
    room.project("")
        .file("requirements.txt", "# The project says it itself.\n")
        .file("EXTRA.json", "[\"Requires-Dist: tiny>=1\"]");
    for with in [With::Uv, With::Pip] {
        let _ = std::fs::remove_dir_all(room.cache());
        room.dh_venv_with(with, &[]).ok();
        assert_eq!(names(&room), ["notes-1.0", "tiny-1.0"]);
    }
}

#[test]
fn what_is_converted_from_dh_virtualenv_is_accepted() {
    let room = Room::new();
    room.project("").file("requirements.txt", "").file("requirements-dev.txt", "");
    for arguments in [
        "",
        "--python /usr/bin/python3 --preinstall=wheel --extras server",
        "--requirements requirements-dev.txt --extra-index-url https://index.invalid/simple",
        "--use-system-packages --upgrade-pip --setuptools --no-test",
        "--install-suffix other --builtin-venv --skip-install",
    ] {
        let rules = format!(
            "export DH_VIRTUALENV_INSTALL_ROOT=/opt/venvs\n%:\n\tdh $@ --with python-virtualenv\n\n\
             override_dh_virtualenv:\n\tdh_virtualenv {arguments}\n"
        );
        room.file("debian/rules", &rules);
        let _ = std::fs::remove_file(room.source().join("debian/notes.venv"));
        let converted = room.dh_venv(&["--from-dh-virtualenv"]).ok();
        room.venv(&converted.stdout);
        let output = room.dh_venv(&["--no-act"]);
        assert_eq!(output.status, Some(0), "{arguments}: {}\n{}", output.stderr, converted.stdout);
    }
}
