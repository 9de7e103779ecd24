//! A package built with dh: the add-on's place, conffiles, and the order of the scripts.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::oracle::run;
use super::root;

const CONTROL: &str = "Source: notes
Maintainer: A <a@example.org>
Build-Depends: debhelper-compat (= 13), dh-sequence-supervisord
Rules-Requires-Root: no

Package: notes
Architecture: all
Depends: ${misc:Depends}
Description: notes
 Notes.
";

const PROGRAMS: &str = "[x-supervisord]
format = 1
backend = systemd

[program:web]
command = /usr/bin/notes-web
user = notes

[program:worker]
command = /usr/bin/notes-worker
user = notes
[x-program:worker]
backend = supervisord
";

/// Builds the package with debhelper of this machine; gives its control files' directory.
fn built(directory: &Path) {
    let debian = directory.join("debian");
    fs::create_dir_all(debian.join("source")).unwrap();
    let write = |name: &str, text: &str| fs::write(debian.join(name), text).unwrap();
    write("control", CONTROL);
    write("notes.supervisord", PROGRAMS);
    // A unit of the packager's own, which dh_installsystemd takes care of.
    write(
        "notes.service",
        "[Unit]\nDescription=own\n[Service]\nExecStart=/bin/true\n[Install]\nWantedBy=multi-user.target\n",
    );
    write(
        "changelog",
        "notes (1) unstable; urgency=low\n\n  * x\n\n -- A <a@example.org>  Sat, 21 Nov 2026 04:00:00 +0000\n",
    );
    let perl = [root().join("share/perl5").display().to_string(), std::env::var("PERL5LIB").unwrap_or_default()];
    let programs = Path::new(env!("CARGO_BIN_EXE_dh_supervisord")).parent().unwrap();
    let path = format!("{}:/usr/sbin:/usr/bin:/sbin:/bin", programs.display());
    run(Command::new("dh")
        .arg("binary")
        .current_dir(directory)
        .env("PERL5LIB", perl.join(":"))
        .env("PATH", path)
        .env("SOURCE_DATE_EPOCH", "1700000000"));
    let deb = directory.parent().unwrap().join("notes_1_all.deb");
    run(Command::new("dpkg-deb").arg("--raw-extract").arg(deb).arg(directory.join("raw")));
}

#[test]
fn dh_puts_everything_into_its_place() {
    let parent = tempfile::tempdir().unwrap();
    let source = parent.path().join("notes");
    fs::create_dir(&source).unwrap();
    built(&source);
    let raw = source.join("raw");
    let text = |name: &str| fs::read_to_string(raw.join(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
    assert_eq!(text("DEBIAN/conffiles"), "/etc/notes/supervisord.conf\n");
    assert!(text("DEBIAN/control").contains("Depends: appctl, supervisor, systemd | systemd-standalone-sysusers"));
    let postinst = text("DEBIAN/postinst");
    let order = [
        "systemd-sysusers",
        "systemd-tmpfiles",
        // dh_installsystemd's, for the packager's own unit alone.
        "deb-systemd-helper --quiet was-enabled 'notes.service'",
        "deb-systemd-helper was-enabled notes-web.service",
        "ln -sfn /etc/notes/supervisord.conf",
        "service converge notes",
    ];
    let places: Vec<usize> = order
        .iter()
        .map(|words| postinst.find(words).unwrap_or_else(|| panic!("no '{words}' in\n{postinst}")))
        .collect();
    assert!(places.is_sorted(), "{postinst}");
    assert!(!postinst.contains("deb-systemd-invoke start notes-web"), "only converge starts");
    assert!(!postinst.contains("'notes-web.service'"), "dh_installsystemd has found our unit");
    for script in ["postinst", "prerm", "postrm"] {
        run(Command::new("shellcheck").args(["-s", "sh", "-e", "SC1091"]).arg(raw.join("DEBIAN").join(script)));
    }
    let mode = |name: &str| {
        use std::os::unix::fs::PermissionsExt;
        fs::metadata(raw.join(name)).unwrap().permissions().mode() & 0o7777
    };
    assert_eq!(mode("usr/lib/systemd/system/notes-web.service"), 0o644);
    assert!(raw.join("usr/share/appctl/notes/programs.json").is_file());
}
