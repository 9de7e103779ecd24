//! debconf's templates through po-debconf: `--update-po`, a translation, a build.

use std::path::Path;
use std::process::Command;

use crate::run;

const CONTROL: &str = "Source: notes\nMaintainer: A <a@example.org>\nBuild-Depends: debhelper-compat (= 13)\n\n\
    Package: notes\nArchitecture: all\nDepends: ${misc:Depends}\nDescription: x\n x\n";
const CONFIGURATION: &str = "Format: 1\n\nSetting: listen\nType: hostport\nDescription: Address\nAsk: high\n\n\
    File: /etc/notes/notes.ini\n";

fn dh_appconfig(directory: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_dh_appconfig"));
    command.current_dir(directory).env_remove("DH_OPTIONS").env("LC_ALL", "C.UTF-8");
    command
}

#[test]
fn a_translation_reaches_the_package_and_a_stale_one_does_not() {
    let source = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = source.path().join("debian").join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    write("control", CONTROL);
    write("notes.appconfig", CONFIGURATION);
    write("appconfig/notes.ini.hbs", "listen = {{listen}}\n");

    run(dh_appconfig(source.path()).arg("--update-po"));
    let pot = std::fs::read_to_string(source.path().join("debian/po/templates.pot")).unwrap();
    assert!(pot.contains("msgid \"Address:\""), "{pot}");
    let head = "msgid \"\"\nmsgstr \"Content-Type: text/plain; charset=UTF-8\\nLanguage: de\\n\"\n";
    write(
        "po/de.po",
        &format!("{head}\n#. Type: string\n#. Description\nmsgid \"Address:\"\nmsgstr \"Adresse für alle\"\n"),
    );
    // Translators work on what is committed: a second run takes them along.
    run(dh_appconfig(source.path()).arg("--update-po"));
    run(&mut dh_appconfig(source.path()));
    let templates = std::fs::read_to_string(source.path().join("debian/notes/DEBIAN/templates")).unwrap();
    assert!(templates.contains("\nDescription-de.UTF-8: Adresse für alle\n"), "{templates}");
    assert!(templates.contains("\nDescription: Address:\n"), "{templates}");

    write("notes.appconfig", &CONFIGURATION.replace("Address", "Another"));
    let refused = dh_appconfig(source.path()).output().unwrap();
    assert_eq!(refused.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("dh_appconfig --update-po"), "{refused:?}");

    // What asks nothing any more has nothing to translate.
    write("notes.appconfig", &CONFIGURATION.replace("Ask: high\n", ""));
    run(dh_appconfig(source.path()).arg("--update-po"));
    assert!(!source.path().join("debian/appconfig/notes.templates").exists());
    assert_eq!(std::fs::read_to_string(source.path().join("debian/po/POTFILES.in")).unwrap(), "");
    run(&mut dh_appconfig(source.path()));
}
