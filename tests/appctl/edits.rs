//! What an administrator has edited, deleted or given another owner, across new versions.

use std::os::unix::fs::{PermissionsExt, chown};

use crate::machine::{Machine, notes};

const INI: &str = "/etc/notes/notes.ini";
const WORKERS: &str = "/etc/notes/workers.conf";

fn installed() -> Machine {
    let machine = Machine::with_notes();
    machine.configure().ok();
    machine
}

/// A new version of the package: its template has one line more.
fn upgrade(machine: &Machine) -> String {
    machine.template("notes.ini.hbs", "[server]\nlisten = {{listen}}\nkey = {{session_key}}\nnew = 2\n");
    machine.configure().ok().stderr
}

#[test]
fn an_untouched_file_is_brought_up_to_date() {
    let machine = installed();
    assert_eq!(upgrade(&machine), "appctl: /etc/notes/notes.ini: changed\n");
    assert!(machine.read(INI).ends_with("new = 2\n"));
}

#[test]
fn an_edited_file_is_kept_with_the_new_version_beside_it() {
    let machine = installed();
    machine.write(INI, "mine\n");
    let said = upgrade(&machine);
    assert!(said.contains("you have edited it; it is kept") && said.contains("notes.ini.appctl-new"), "{said}");
    assert_eq!(machine.read(INI), "mine\n");
    let beside = format!("{INI}.appctl-new");
    assert!(machine.read(&beside).ends_with("new = 2\n"));
    assert_eq!(machine.attributes(&beside), machine.attributes(INI));
    // Once read and thrown away, it does not come back until there is something new.
    machine.remove(&beside);
    machine.appctl(&["config", "set", "notes", "workers=7"]).ok();
    assert!(!machine.exists(&beside));
    machine.appctl(&["config", "set", "notes", "listen=0.0.0.0:3"]).ok();
    assert!(machine.exists(&beside));
    // Taken over, it is not needed any longer.
    std::fs::copy(machine.path(&beside), machine.path(INI)).unwrap();
    machine.appctl(&["config", "set", "notes", "workers=8"]).ok();
    assert!(!machine.exists(&beside));
}

#[test]
fn a_deleted_file_stays_deleted() {
    let machine = installed();
    machine.remove(INI);
    machine.remove("/etc/notes/current");
    assert!(upgrade(&machine).contains("you have deleted it; it stays deleted"));
    machine.appctl(&["config", "apply"]).ok();
    assert!(!machine.exists(INI) && !machine.exists("/etc/notes/current"));
}

#[test]
fn an_owner_and_a_mode_of_the_administrator_s_stay() {
    let machine = installed();
    chown(machine.path(INI), None, Some(61500)).unwrap();
    std::fs::set_permissions(machine.path(INI), std::fs::Permissions::from_mode(0o600)).unwrap();
    std::fs::set_permissions(machine.path("/var/lib/notes"), std::fs::Permissions::from_mode(0o711)).unwrap();
    upgrade(&machine);
    assert!(machine.read(INI).ends_with("new = 2\n"));
    assert_eq!(machine.attributes(INI), (0, 61500, 0o600));
    assert_eq!(machine.attributes("/var/lib/notes").2, 0o711);
}

#[test]
fn a_new_owner_of_the_package_s_reaches_what_was_left_alone() {
    let machine = installed();
    let mut changed = notes();
    changed["files"][0]["mode"] = "0600".into();
    changed["directories"][0]["mode"] = "0700".into();
    machine.install(&changed);
    machine.configure().ok();
    assert_eq!(machine.attributes(INI).2, 0o600);
    assert_eq!(machine.attributes("/var/lib/notes").2, 0o700);
}

#[test]
fn edits_are_merged_where_the_package_says_so_and_kept_where_they_conflict() {
    let machine = installed();
    let mine = machine.read(WORKERS).replace("# seven", "# mine");
    machine.write(WORKERS, &mine);
    machine.appctl(&["config", "set", "notes", "workers=9"]).ok();
    assert_eq!(machine.read(WORKERS), mine.replace("workers=2", "workers=9"));
    machine.appctl(&["config", "set", "notes", "workers=10"]).ok();
    assert_eq!(machine.read(WORKERS), mine.replace("workers=2", "workers=10"));
    machine.write(WORKERS, "workers=mine\n");
    machine.appctl(&["config", "set", "notes", "workers=11"]).ok();
    assert_eq!(machine.read(WORKERS), "workers=mine\n");
    assert!(machine.read(&format!("{WORKERS}.appctl-new")).contains("workers=11\n"));
}

#[test]
fn what_a_new_version_has_no_longer_goes_or_is_set_aside() {
    for edited in [false, true] {
        let machine = installed();
        if edited {
            machine.write(WORKERS, "mine\n");
        }
        let mut smaller = notes();
        smaller["files"].as_array_mut().unwrap().remove(1);
        smaller["links"] = serde_json::json!([]);
        smaller["directories"] = serde_json::json!([]);
        machine.install(&smaller);
        machine.template("notes.ini.hbs", "{{workers}} {{listen}} {{session_key}}\n");
        machine.configure().ok();
        assert!(!machine.exists(WORKERS) && !machine.exists("/etc/notes/current") && !machine.exists("/var/lib/notes"));
        assert_eq!(machine.exists(&format!("{WORKERS}.appctl-old")), edited);
        if edited {
            assert_eq!(machine.read(&format!("{WORKERS}.appctl-old")), "mine\n");
        }
    }
}

#[test]
fn a_path_that_became_a_conffile_is_dpkg_s() {
    let machine = installed();
    machine.write(WORKERS, "the conffile of the new version\n");
    machine.write("/var/lib/dpkg/info/notes.list", &format!("/.\n/etc\n{WORKERS}\n"));
    let status = "Package: notes\nStatus: install ok installed\nMaintainer: x <x@x.invalid>\nArchitecture: all\n\
                  Version: 2\nDescription: x\n";
    machine.write("/var/lib/dpkg/status", status);
    let mut smaller = notes();
    smaller["files"].as_array_mut().unwrap().remove(1);
    machine.install(&smaller);
    machine.template("notes.ini.hbs", "{{workers}} {{listen}} {{session_key}}\n");
    machine.configure().ok();
    assert_eq!(machine.read(WORKERS), "the conffile of the new version\n");
}

#[test]
fn a_file_that_was_there_first_is_the_administrator_s() {
    let machine = Machine::with_notes();
    machine.write(INI, "older than the package\n");
    machine.configure().ok();
    assert_eq!(machine.read(INI), "older than the package\n");
    assert!(machine.exists(&format!("{INI}.appctl-new")));
}

#[test]
fn a_setting_that_the_package_has_no_longer_does_not_stop_an_upgrade() {
    let machine = installed();
    machine.appctl(&["config", "set", "notes", "workers=9", "listen=0.0.0.0:5"]).ok();
    let mut smaller = notes();
    smaller["settings"].as_array_mut().unwrap().remove(1);
    machine.install(&smaller);
    machine.template("workers.conf.hbs", "none\n");
    machine.configure().ok();
    assert!(machine.read(INI).contains("listen = 0.0.0.0:5\n"));
}

#[test]
fn a_directory_that_an_administrator_keeps_elsewhere_is_used_there() {
    let machine = Machine::with_notes();
    std::fs::create_dir_all(machine.path("/srv/notes")).unwrap();
    std::os::unix::fs::symlink("/srv/notes", machine.path("/var/lib/notes")).unwrap();
    machine.configure().ok();
    assert!(machine.path("/var/lib/notes").is_symlink());
    assert_eq!(machine.attributes("/srv/notes").2, 0o750);
}
