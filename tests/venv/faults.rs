//! Inputs that fail only once something is installed: the message, its place, its cure.

use serde_json::json;

use crate::room::{Room, With, run, tiny};

/// The same fault with either installer.
#[track_caller]
fn with_both(room: &Room, parts: &[&str]) {
    for with in [With::Uv, With::Pip] {
        room.dh_venv_with(with, &[]).fails(1, parts);
        room.nothing_staged();
    }
}

#[test]
fn a_hash_that_does_not_match() {
    let room = Room::new();
    room.tiny();
    room.file("requirements.txt", &format!("# pinned\ntiny==1.0 --hash=sha256:{}\n", "0".repeat(64)));
    with_both(
        &room,
        &["error: requirements.txt:2: installing tiny failed", "hint: the file is not the one whose hash"],
    );
}

#[test]
fn versions_that_exclude_each_other() {
    let room = Room::new();
    let user = json!({"name": "user", "version": "1.0", "requires": ["tiny<1"], "files": {"user.py": ""}});
    room.wheels(&json!([tiny("tiny"), tiny("other"), user]));
    room.file("requirements.txt", "other==1.0\nuser==1.0\ntiny==1.0\n");
    for with in [With::Uv, With::Pip] {
        let hint = "hint: no set of versions meets all requirements: relax one of user (requirements.txt:2), tiny (requirements.txt:3)\n";
        room.dh_venv_with(with, &[])
            .fails(1, &["error: requirements.txt:", ": resolving the requirements failed", hint]);
        room.nothing_staged();
    }
}

#[test]
fn a_wheel_that_the_wheelhouse_lacks() {
    let room = Room::new();
    room.tiny();
    room.file("requirements.txt", "tiny==1.0\n\nabsent==2.0\n");
    with_both(
        &room,
        &[
            "error: requirements.txt:3: resolving absent failed",
            "hint: the wheelhouse has no such file: fill it with 'deb-build-app vendor'",
        ],
    );
}

#[test]
fn a_pinned_wheel_that_the_wheelhouse_lacks() {
    let room = Room::new();
    let hash = room.tiny();
    let other = "1".repeat(64);
    room.file(
        "requirements.txt",
        &format!("tiny==1.0 --hash=sha256:{hash}\nabsent==2.0 \\\n    --hash=sha256:{other}\n"),
    );
    with_both(
        &room,
        &[
            "error: requirements.txt:2: installing absent failed",
            "hint: the wheelhouse has no such file: fill it with 'deb-build-app vendor'",
        ],
    );
}

#[test]
fn a_distribution_that_needs_a_compiler() {
    let room = Room::new();
    let backend = "import sys\n\ndef build_wheel(*args, **kwargs):\n    sys.exit(\"error: command \
                   'x86_64-linux-gnu-gcc' failed: No such file or directory\")\n\
                   prepare_metadata_for_build_wheel = build_wheel\n";
    room.wheels(&json!([{"name": "native", "version": "1.0", "backend": backend}]));
    room.file("requirements.txt", "native==1.0\n");
    with_both(&room, &["error: requirements.txt:1: ", "hint: a distribution has to be compiled: add build-essential"]);
}

#[test]
fn two_wheels_with_one_path() {
    let room = Room::new();
    let wheel =
        |name: &str| json!({"name": name, "version": "1.0", "files": {"shared.py": format!("NAME = '{name}'\n")}});
    room.wheels(&json!([wheel("one"), wheel("two")]));
    room.file("requirements.txt", "one==1.0\ntwo==1.0\n");
    with_both(
        &room,
        &["site-packages/shared.py is claimed by two distributions: one-1.0 and two-1.0", "hint: only one"],
    );
}

#[test]
fn a_file_that_is_not_what_the_wheel_declares() {
    let room = Room::new();
    room.wheels(
        &json!([{"name": "tiny", "version": "1.0", "files": {"tiny.py": "VALUE = 1\n"}, "damaged": "tiny.py"}]),
    );
    room.file("requirements.txt", "tiny==1.0\n");
    with_both(
        &room,
        &["site-packages/tiny.py is not the file that tiny-1.0 declares in its RECORD", "hint: the wheel is"],
    );
}

#[test]
fn a_link_out_of_the_venv() {
    let room = Room::new();
    room.tiny();
    room.venv("After-Install: ln -s /etc/hostname \"$VIRTUAL_ENV\"/share\n");
    room.dh_venv(&[]).fails(1, &["share is a link to /etc/hostname, outside the venv", "hint: ship a copy"]);
    room.nothing_staged();
}

#[test]
fn an_elf_file_in_a_package_for_all_architectures() {
    let room = Room::new();
    room.wheels(&json!([{"name": "tiny", "version": "1.0", "files": {"tiny/blob.so": "\u{7f}ELF no more"}}]));
    room.file("requirements.txt", "tiny==1.0\n").replace("debian/control", "Architecture: any", "Architecture: all");
    room.dh_venv(&[]).fails(
        1,
        &[
            "error: debian/control:8: package notes is 'Architecture: all', but ",
            "site-packages/tiny/blob.so is compiled for one architecture",
            "hint: write 'Architecture: any'",
        ],
    );
    room.nothing_staged();
}

#[test]
fn a_command_without_a_script() {
    let room = Room::new();
    room.project("").venv("Commands: notes\n admin=note\n");
    room.dh_venv(&[]).fails(
        1,
        &[
            "error: debian/notes.venv:2: the venv has no script 'note' for the command 'admin'",
            "hint: did you mean 'notes'?",
        ],
    );
    room.nothing_staged();
}

#[test]
fn an_extra_that_the_project_lacks() {
    let room = Room::new();
    room.project("").file("EXTRA.json", "[\"Provides-Extra: server\"]").venv("Extras: servers\n");
    room.dh_venv(&[]).fails(1, &["error: debian/notes.venv:1: notes has no extra 'servers'", "hint: it has: server"]);
    room.nothing_staged();
}

#[test]
fn a_requirement_of_the_project_that_the_lock_lacks() {
    let room = Room::new();
    room.project("").file("EXTRA.json", "[\"Requires-Dist: tiny>=1\"]");
    let hash = room.wheels(&json!([tiny("other")]))["other"].clone();
    room.file("requirements.txt", &format!("other==1.0 --hash=sha256:{hash}\n"));
    room.dh_venv(&[]).fails(
        1,
        &[
            "notes 1.0 requires tiny>=1, which is not in the venv",
            "hint: add tiny with version and hash to requirements.txt",
        ],
    );
    room.nothing_staged();
}

#[test]
fn a_module_that_cannot_be_imported() {
    let room = Room::new();
    room.project("").file("notes.py", "import no_such_module\n");
    room.dh_venv(&[]).fails(
        1,
        &[
            "error: pyproject.toml: module notes cannot be imported: ",
            "No module named 'no_such_module'",
            "hint: a requirement",
        ],
    );
    room.nothing_staged();
}

#[test]
fn a_project_that_does_not_build() {
    let room = Room::new();
    room.project("").file("backend.py", "def build_wheel(*args):\n    raise SystemExit('no luck today')\n");
    with_both(
        &room,
        &["error: pyproject.toml: building the project in '.' failed", "no luck today", "hint: what its build backend"],
    );
}

#[test]
fn an_interpreter_of_no_package() {
    let room = Room::new();
    room.tiny();
    let python = room.top().join("python3.copy");
    std::fs::copy("/usr/bin/python3", &python).unwrap();
    room.venv(&format!("Format: 1\nPython: {}\n", python.display()));
    let expected =
        ["error: debian/notes.venv:2: the interpreter ", " belongs to no Debian package", "hint: the installed"];
    room.dh_venv(&[]).fails(1, &expected);
    room.nothing_staged();
}

#[test]
fn an_installer_that_is_not_there() {
    let room = Room::new();
    room.tiny();
    room.venv("Format: 1\nInstaller: uv\n");
    let expected = ["error: debian/notes.venv:2: uv is not installed", "hint: install uv, or use 'Installer: auto'"];
    room.dh_venv_with(With::Pip, &[]).fails(1, &expected);
    room.nothing_staged();
}

#[test]
fn build_requirements_that_the_wheelhouse_lacks() {
    let room = Room::new();
    room.tiny();
    room.file(
        "pyproject.toml",
        "# builds with something that nobody has\n[build-system]\nrequires = [\"no-such-backend\"]\nbuild-backend = \"no_such_backend\"\n",
    );
    with_both(
        &room,
        &[
            "error: pyproject.toml:2: resolving the project's build requirements failed",
            "hint: put no-such-backend into the wheelhouse",
        ],
    );
}

#[test]
fn a_command_after_the_installation_that_fails() {
    let room = Room::new();
    room.tiny();
    room.venv("After-Install: true\n echo working; exit 3\n");
    room.dh_venv(&[])
        .fails(1, &["working\n", "error: debian/notes.venv:2: After-Install command failed (exit status 3)"]);
    room.nothing_staged();
}

#[test]
fn a_file_with_the_build_directory_in_it() {
    let room = Room::new();
    room.tiny();
    room.venv("After-Install: pwd > \"$VIRTUAL_ENV\"/where\n");
    let path = room.source().display().to_string();
    room.dh_venv(&[]).fails(1, &[&format!("error: where holds the path {path} of this build")]);
    room.nothing_staged();
}

#[test]
fn a_test_that_writes_into_the_venv() {
    let room = Room::new();
    room.tiny();
    room.venv("Test: true\n echo '# more' >> \"$VIRTUAL_ENV\"/pyvenv.cfg\n");
    room.dh_venv(&[]).fails(
        1,
        &["error: debian/notes.venv:2: the Test command changed pyvenv.cfg in the venv", "hint: tests must not write"],
    );
    room.nothing_staged();
    room.venv("Test: sed -i s/1/2/ \"$VIRTUAL_ENV\"/lib/python3*/site-packages/tiny.py\n");
    room.dh_venv(&[]).fails(1, &["debian/notes.venv:1: ", "tiny.py"]);
    room.nothing_staged();
    room.venv("Test: touch \"$VIRTUAL_ENV\"/left-over\n");
    room.dh_venv(&[]).fails(1, &["debian/notes.venv:1: ", "left-over"]);
    room.nothing_staged();
}

#[test]
fn a_test_that_fails() {
    let room = Room::new();
    room.tiny();
    room.venv("Test: python -c 'import tiny; assert tiny.VALUE == 2'\n");
    room.dh_venv(&[]).fails(1, &["AssertionError", "error: debian/notes.venv:1: Test command failed (exit status 1)"]);
    room.nothing_staged();
}

#[test]
fn no_network_and_no_wheelhouse() {
    let room = Room::new();
    room.file("requirements.txt", "tiny==1.0\n");
    for with in [With::Uv, With::Pip] {
        let mut command = std::process::Command::new("unshare");
        command.args(["--map-root-user", "--net", env!("CARGO_BIN_EXE_dh_venv")]);
        room.prepare(&mut command, with);
        run(&mut command)
            .fails(1, &["error: requirements.txt", "hint: there is no network here: run 'deb-build-app vendor'"]);
        room.nothing_staged();
    }
}
