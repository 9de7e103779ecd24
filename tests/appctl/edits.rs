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

/// The way back, which there must be from an edit that was none too good.
#[test]
fn a_file_is_the_package_s_again_where_someone_asks_for_it() {
    let machine = installed();
    let (ini, workers) = (machine.read(INI), machine.read(WORKERS));
    machine.write(INI, "mine\n");
    std::fs::set_permissions(machine.path(INI), PermissionsExt::from_mode(0o600)).unwrap();
    upgrade(&machine);
    machine.remove(WORKERS);
    let said = machine.appctl(&["config", "restore", "notes", INI, WORKERS]).ok().stderr;
    assert!(said.contains(&format!("what was there is now {INI}.appctl-old")), "{said}");
    assert_eq!((machine.read(INI), machine.read(WORKERS)), (ini + "new = 2\n", workers));
    assert_eq!(machine.attributes(INI).2, 0o600);
    assert_eq!(machine.read(&format!("{INI}.appctl-old")), "mine\n");
    assert_eq!(machine.attributes(&format!("{INI}.appctl-old")).2, 0o600);
    assert!(!machine.exists(&format!("{INI}.appctl-new")));
    machine.appctl(&["config", "diff", "notes"]).ok();
    // What is as the package has it is left alone, and follows it again.
    let before = machine.tree(&["/etc"]);
    machine.appctl(&["config", "restore", "notes", INI]).ok();
    assert!(machine.tree(&["/etc"]) == before);
    machine.appctl(&["config", "set", "notes", "listen=0.0.0.0:9"]).ok();
    assert!(machine.read(INI).contains("0.0.0.0:9"));
    let refused = machine.appctl(&["config", "restore", "notes", "/etc/notes/note.ini"]).is(1).stderr;
    assert!(refused.contains("did you mean '/etc/notes/notes.ini'?"), "{refused}");
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

/// An access control list (acl(5)) as the kernel has it: tag, permissions, id.
fn access_list(entries: &[(u16, u16, u32)]) -> Vec<u8> {
    let entry = |(tag, permissions, id): &(u16, u16, u32)| {
        [&tag.to_le_bytes()[..], &permissions.to_le_bytes(), &id.to_le_bytes()].concat()
    };
    std::iter::once(2_u32.to_le_bytes().to_vec()).chain(entries.iter().map(entry)).flatten().collect()
}

fn attribute(machine: &Machine, path: &str, name: &str) -> Option<Vec<u8>> {
    let mut value = vec![0; 4096];
    let length = rustix::fs::lgetxattr(machine.path(path), name, &mut value[..]).ok()?;
    value.truncate(length);
    Some(value)
}

fn set_attribute(machine: &Machine, path: &str, name: &str, value: &[u8]) {
    rustix::fs::lsetxattr(machine.path(path), name, value, rustix::fs::XattrFlags::empty()).unwrap();
}

const ACCESS: &str = "system.posix_acl_access";
const NOBODY: u32 = u32::MAX;

/// The owning group may read; the mask, which stat(2) shows in its place, also lets write.
#[test]
fn an_access_list_and_attributes_of_the_administrator_s_stay() {
    let list = access_list(&[(1, 6, NOBODY), (2, 6, 65534), (4, 4, NOBODY), (16, 6, NOBODY), (32, 0, NOBODY)]);
    let machine = installed();
    set_attribute(&machine, INI, ACCESS, &list);
    set_attribute(&machine, INI, "user.note", b"ask me first");
    assert_eq!(machine.attributes(INI).2, 0o660);
    upgrade(&machine);
    assert!(machine.read(INI).ends_with("new = 2\n"));
    assert_eq!(attribute(&machine, INI, ACCESS).as_ref(), Some(&list));
    assert_eq!(attribute(&machine, INI, "user.note").as_deref(), Some(&b"ask me first"[..]));
    assert_eq!(machine.attributes(INI), (0, crate::machine::NOTES.1, 0o660));
    // What the list grants is not taken back by a new mode of the package's.
    let mut changed = notes();
    changed["files"][0]["mode"] = "0600".into();
    machine.install(&changed);
    machine.configure().ok();
    assert_eq!(attribute(&machine, INI, ACCESS), Some(list));
    // The new version of an edited file is for those who could read it without the list.
    machine.write(INI, "mine\n");
    machine.appctl(&["config", "set", "notes", "listen=0.0.0.0:4"]).ok();
    let beside = format!("{INI}.appctl-new");
    assert_eq!((machine.attributes(&beside).2, attribute(&machine, &beside, ACCESS)), (0o600, None));
}

/// A list that the directory gives its new files is the administrator's wish, too;
/// one that was taken from a file stays away.
#[test]
fn a_directory_s_default_list_reaches_new_files_alone() {
    let list = access_list(&[(1, 7, NOBODY), (2, 4, 65534), (4, 5, NOBODY), (16, 5, NOBODY), (32, 0, NOBODY)]);
    let machine = Machine::with_notes();
    machine.write("/etc/notes/README", "");
    set_attribute(&machine, "/etc/notes", "system.posix_acl_default", &list);
    machine.configure().ok();
    assert!(attribute(&machine, INI, ACCESS).is_some());
    assert_eq!(machine.attributes(INI).2, 0o640);
    rustix::fs::lremovexattr(machine.path(INI), ACCESS).unwrap();
    upgrade(&machine);
    assert_eq!(attribute(&machine, INI, ACCESS), None);
}

/// dpkg-statoverride(1): policy 10.9.1.
#[test]
fn an_override_of_the_administrator_s_counts_until_it_is_taken_back() {
    let machine = installed();
    let said = "root extra 0600 /etc/notes/notes.ini\n#61000 root 0711 /var/lib/notes\n";
    machine.write("/var/lib/dpkg/statoverride", said);
    machine.appctl(&["config", "diff", "notes"]).is(3);
    machine.configure().ok();
    assert_eq!(machine.attributes(INI), (0, 61500, 0o600));
    assert_eq!(machine.attributes("/var/lib/notes"), (61000, 0, 0o711));
    let mut changed = notes();
    changed["files"][0]["mode"] = "0644".into();
    changed["files"][0]["owner"] = "notes".into();
    machine.install(&changed);
    machine.template("notes.ini.hbs", "listen = {{listen}}\n");
    machine.configure().ok();
    assert_eq!(machine.read(INI), "listen = 127.0.0.1:8000\n");
    assert_eq!(machine.attributes(INI), (0, 61500, 0o600));
    machine.write("/var/lib/dpkg/statoverride", "");
    machine.configure().ok();
    assert_eq!(machine.attributes(INI), (crate::machine::NOTES.0, crate::machine::NOTES.1, 0o644));
    assert_eq!(machine.attributes("/var/lib/notes").2, 0o750);
    machine.write("/var/lib/dpkg/statoverride", "root ghost 0600 /etc/notes/notes.ini\n");
    let refused = machine.configure().is(1).stderr;
    assert!(refused.contains("'ghost'") && refused.contains("dpkg-statoverride --remove"), "{refused}");
}

#[test]
fn what_chattr_protects_stops_a_change_before_anything_is_changed() {
    let machine = installed();
    let chattr = |flag: &str, name: &str| {
        let status = std::process::Command::new("chattr").arg(flag).arg(machine.path(name)).status();
        assert!(status.unwrap().success());
    };
    // Where the package ships it.
    machine.write("/etc/notes/settings.d/README", "");
    // The one that comes second.
    chattr("+i", WORKERS);
    let before = machine.tree(&["/etc"]);
    let refused = machine.appctl(&["config", "set", "notes", "listen=0.0.0.0:5", "workers=9"]);
    let untouched = machine.tree(&["/etc"]) == before;
    let unconcerned = machine.appctl(&["config", "set", "notes", "listen=0.0.0.0:6"]);
    chattr("-i", WORKERS);
    let said = refused.is(1).stderr;
    assert!(said.contains("chattr -i -a") && said.contains("workers.conf"), "{said}");
    assert!(untouched);
    unconcerned.ok();
    machine.appctl(&["config", "unset", "notes", "listen"]).ok();
    assert!(machine.tree(&["/etc"]) == before);
}

#[test]
fn accounts_are_found_in_a_file_that_is_not_utf_8() {
    let machine = Machine::with_notes();
    let passwd =
        [b"j\xf6rg:x:1000:1000:J\xf6rg:/:/bin/sh\n".to_vec(), machine.read("/etc/passwd").into_bytes()].concat();
    std::fs::write(machine.path("/etc/passwd"), passwd).unwrap();
    machine.configure().ok();
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
