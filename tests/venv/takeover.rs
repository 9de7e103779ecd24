//! The maintainer scripts of a package whose prefix may hold another tool's venv.

use std::process::Command;

use crate::room::{Room, run, tree};

/// A package at /opt/venvs/notes, placed.
fn placed() -> Room {
    let room = Room::new();
    room.tiny();
    room.venv("Prefix: /opt/venvs/notes\n");
    room.dh_venv(&[]).ok();
    room.place(&[]).ok();
    room
}

/// The script as dh_installdeb makes it of the snippet.
fn script(room: &Room, name: &str) -> std::path::PathBuf {
    let path = room.top().join(name);
    let snippet = room.read(&format!("debian/notes.{name}.debhelper"));
    std::fs::write(&path, format!("#!/bin/sh\nset -e\n{snippet}\nexit 0\n")).expect("write");
    path
}

#[test]
fn scripts_are_plain_and_short_and_only_where_needed() {
    let room = placed();
    for name in ["preinst", "postinst", "postrm"] {
        let script = script(&room, name);
        run(Command::new("shellcheck").args(["--shell=sh", "--severity=style"]).arg(&script)).ok();
        run(Command::new("dash").arg("-n").arg(&script)).ok();
        let snippet = room.read(&format!("debian/notes.{name}.debhelper"));
        assert!(snippet.lines().count() <= 15 + 2, "{snippet}");
    }
    assert!(!room.source().join("debian/notes.prerm.debhelper").exists());
    let plain = Room::new();
    plain.tiny();
    plain.dh_venv(&[]).ok();
    plain.place(&[]).ok();
    let silent = Room::new();
    silent.tiny();
    silent.venv("Prefix: /opt/venvs/notes\n");
    silent.dh_venv(&[]).ok();
    silent.place(&["--no-scripts"]).ok();
    for room in [plain, silent] {
        let names = std::fs::read_dir(room.source().join("debian")).expect("debian").flatten();
        let names: Vec<String> = names.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
        assert!(names.iter().all(|name| !name.ends_with(".debhelper") || name == ".debhelper"), "{names:?}");
    }
}

#[test]
fn scripts_work_below_dpkgs_root_and_nowhere_else() {
    let room = placed();
    let root = room.top().join("root");
    let venv = root.join("opt/venvs/notes");
    let call = |name: &str, arguments: &[&str]| {
        run(Command::new("sh").arg(script(&room, name)).args(arguments).env("DPKG_ROOT", &root)).ok();
        tree(&root).into_keys().collect::<Vec<String>>().join("\n")
    };
    std::fs::create_dir(&root).expect("mkdir");
    assert_eq!(call("preinst", &["install"]), "", "nothing is there, nothing happens");
    std::fs::create_dir_all(venv.join("lib/__pycache__")).expect("mkdir");
    std::fs::create_dir_all(venv.join("bin")).expect("mkdir");
    std::fs::write(venv.join("lib/__pycache__/words.pyc"), "").expect("write");
    std::fs::write(venv.join("pyvenv.cfg"), "").expect("write");
    std::os::unix::fs::symlink("lib", venv.join("lib64")).expect("symlink");
    std::os::unix::fs::symlink("/usr/bin/python3", venv.join("bin/python")).expect("symlink");
    let foreign = tree(&root).into_keys().collect::<Vec<String>>().join("\n");
    let without = "opt\nopt/venvs\nopt/venvs/notes\nopt/venvs/notes/bin\nopt/venvs/notes/bin/python\n\
                   opt/venvs/notes/lib\nopt/venvs/notes/pyvenv.cfg";
    let aside = without.replace("/lib\n", "/lib\nopt/venvs/notes/lib64.dh-venv-old\n");

    // Killed and run again, it comes to the same end.
    assert_eq!(call("preinst", &["upgrade", "1.0"]), aside);
    assert_eq!(call("preinst", &["upgrade", "1.0"]), aside);
    assert_eq!(call("postrm", &["abort-upgrade", "1.0", "2.0"]), aside.replace(".dh-venv-old", ""));
    assert_eq!(call("preinst", &["upgrade", "1.0"]), aside);
    assert_eq!(call("postinst", &["configure", "1.0"]), without);

    // With the id, the venv is one of ours.
    std::fs::create_dir(venv.join("lib/__pycache__")).expect("mkdir");
    std::fs::write(venv.join("lib/__pycache__/words.pyc"), "").expect("write");
    std::os::unix::fs::symlink("lib", venv.join("lib64")).expect("symlink");
    assert_eq!(tree(&root).into_keys().collect::<Vec<String>>().join("\n"), foreign);
    std::fs::create_dir_all(root.join("usr/lib/notes")).expect("mkdir");
    std::fs::write(root.join("usr/lib/notes/venv-id"), "").expect("write");
    let ours = format!("{foreign}\nusr\nusr/lib\nusr/lib/notes\nusr/lib/notes/venv-id");
    assert_eq!(call("preinst", &["upgrade", "1.0"]), ours);
}
