//! A service's user who plants links, FIFOs and other directories while root's
//! appctl applies: nothing outside his own directory is ever touched, and appctl
//! neither follows nor hangs.

use std::fs;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::json;

use crate::machine::{Machine, NOTES};

/// How long each kind of attack goes on.
const TIME: Duration = Duration::from_millis(2500);

/// The longest that one apply may take.
const LIMIT: Duration = Duration::from_secs(10);

/// The attacker's loop, in Perl, as Debian has it everywhere. `$d` is his directory.
fn attacker(machine: &Machine, body: &str) -> Child {
    let script = format!(
        "use POSIX qw(mkfifo); my ($d, $r) = @ARGV; my $f = \"$d/conf/app.ini\"; my $t = \"$d/conf/.app.ini.appctl-tmp\";
         sub clear {{ for (@_) {{ unlink $_ or rmdir $_ }} }}
         while (1) {{ {body} }}"
    );
    Command::new("setpriv")
        .args([&format!("--reuid={}", NOTES.0), &format!("--regid={}", NOTES.1), "--clear-groups", "--pdeathsig=KILL"])
        .args(["perl", "-e", &script])
        .args([machine.path("/var/lib/notes"), machine.path("/")])
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

fn victim() -> Machine {
    let machine = Machine::new();
    machine.install(&json!({
        "format": 1, "package": "notes",
        "settings": [{"name": "number", "type": "integer"}, {"name": "key", "type": "secret", "length": 32}],
        "files": [{"path": "/var/lib/notes/conf/app.ini", "template": "app.ini.hbs", "escape": "ini",
                   "owner": "notes", "group": "notes", "mode": "0600"}],
        "directories": [
            {"path": "/var/lib/notes", "owner": "notes", "group": "notes", "mode": "0755"},
            {"path": "/var/lib/notes/conf", "owner": "notes", "group": "notes", "mode": "0755"},
        ],
        "users": [{"name": "notes"}],
    }));
    machine.template("app.ini.hbs", "number = {{number}}\nkey = {{key}}\n");
    machine.write("/etc/private/app.ini", "root's own\n");
    machine.write("/etc/private/.app.ini.appctl-tmp", "root's own\n");
    machine.write("/etc/canary", "root's own\n");
    machine.configure().ok();
    machine
}

/// Applies while the attacker works; how many went through and how many were refused.
fn apply_under(body: &str) -> (u32, u32) {
    let machine = victim();
    let before = machine.tree(&["/etc/private", "/etc/canary", "/usr"]);
    let mut child = attacker(&machine, body);
    let began = Instant::now();
    let (mut done, mut refused) = (0, 0);
    let mut number = 0;
    while began.elapsed() < TIME {
        number += 1;
        machine.write("/etc/notes/settings.d/50-a.conf", &format!("number = {number}\n"));
        // As at a first installation: everything is made, given to its owner and written.
        fs::remove_dir_all(machine.path("/var/lib/appctl")).unwrap();
        let one = Instant::now();
        let output = machine.configure();
        assert!(one.elapsed() < LIMIT, "{output:?}");
        match output.status {
            0 => done += 1,
            1 => {
                assert!(output.stderr.contains(" /") && output.stderr.contains("/var/lib/notes"), "{output:?}");
                refused += 1;
            }
            _ => panic!("{output:?}"),
        }
    }
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(machine.tree(&["/etc/private", "/etc/canary", "/usr"]) == before);
    let foreign =
        |(path, entry): &(&String, &(String, u32, u32, u32))| !path.starts_with("/var/lib/notes") && entry.1 == NOTES.0;
    let outside = machine.tree(&["/etc", "/usr", "/run", "/var"]);
    assert_eq!(outside.iter().find(foreign), None);
    (done, refused)
}

fn apply_under_both_ways(body: &str) {
    let (done, refused) = apply_under(body);
    assert!(done > 0 && refused > 0, "{done} done, {refused} refused: the attack did not reach appctl");
}

#[test]
fn symbolic_links() {
    apply_under_both_ways(
        "symlink \"$r/etc/canary\", $f; select undef, undef, undef, 0.002; clear $f; select undef, undef, undef, 0.002;",
    );
}

#[test]
fn fifos() {
    apply_under_both_ways(
        "mkfifo $f, 0666; select undef, undef, undef, 0.002; clear $f; select undef, undef, undef, 0.002;",
    );
}

#[test]
fn hard_links() {
    apply_under_both_ways(
        "open my $o, '>', \"$d/other\"; close $o; link \"$d/other\", $f; select undef, undef, undef, 0.002; clear $f; select undef, undef, undef, 0.002;",
    );
}

/// The name under which new contents wait: whatever is there is replaced, never opened.
#[test]
fn links_and_directories_at_the_temporary_name() {
    let (done, _) = apply_under("symlink \"$r/etc/canary\", $t; mkfifo $t, 0666; clear $t; mkdir $t; clear $t, $f;");
    assert!(done > 0);
}

#[test]
fn a_directory_swapped_for_a_link() {
    apply_under_both_ways(
        "rename \"$d/conf\", \"$d/away\"; symlink \"$r/etc/private\", \"$d/conf\"; select undef, undef, undef, 0.002;
         clear \"$d/conf\"; rename \"$d/away\", \"$d/conf\"; clear $f; select undef, undef, undef, 0.002;",
    );
}

/// What no race is needed for.
#[test]
fn what_is_no_plain_file_is_refused_by_name() {
    let machine = victim();
    let path = machine.path("/var/lib/notes/conf/app.ini");
    type Plant = fn(&Machine);
    let refusals: [(&str, Plant); 5] = [
        ("is a symbolic link", |machine| {
            std::os::unix::fs::symlink("/etc/canary", machine.path("/var/lib/notes/conf/app.ini")).unwrap();
        }),
        ("is a directory", |machine| fs::create_dir(machine.path("/var/lib/notes/conf/app.ini")).unwrap()),
        ("is neither a file nor a directory", |machine| {
            nix::unistd::mkfifo(&machine.path("/var/lib/notes/conf/app.ini"), nix::sys::stat::Mode::S_IRWXU).unwrap();
        }),
        ("several hard links", |machine| {
            fs::hard_link(machine.path("/etc/canary"), machine.path("/var/lib/notes/conf/app.ini")).unwrap();
        }),
        ("larger than 16 MB", |machine| {
            let file = fs::File::create(machine.path("/var/lib/notes/conf/app.ini")).unwrap();
            file.set_len((16 << 20) + 1).unwrap();
        }),
    ];
    for (word, plant) in refusals {
        let _ = fs::remove_file(&path).or_else(|_| fs::remove_dir(&path));
        plant(&machine);
        let output = machine.appctl(&["config", "set", "notes", "number=7"]).is(1);
        assert!(output.stderr.contains(word) && output.stderr.contains("/var/lib/notes/conf/app.ini"), "{output:?}");
        assert_eq!(machine.read("/etc/canary"), "root's own\n");
        assert!(!machine.exists("/etc/notes/settings.d/60-appctl.conf"));
    }
}

/// A link where only root can put one is the administrator's way; the service's user's is not followed.
#[test]
fn links_are_followed_only_where_root_put_them() {
    let machine = victim();
    fs::rename(machine.path("/var/lib/notes/conf"), machine.path("/srv-conf")).unwrap();
    std::os::unix::fs::symlink("/srv-conf", machine.path("/var/lib/notes/conf")).unwrap();
    let output = machine.appctl(&["config", "set", "notes", "number=7"]).is(1);
    assert!(output.stderr.contains("not followed") && output.stderr.contains(&NOTES.0.to_string()), "{output:?}");
    std::os::unix::fs::chown(machine.path("/var/lib/notes"), Some(0), Some(0)).unwrap();
    machine.appctl(&["config", "set", "notes", "number=7"]).ok();
    assert!(machine.read("/srv-conf/app.ini").contains("number = 7"));
}

/// A kernel, or a sandbox, without openat2(2): every path is walked step by step, to the same end.
#[test]
fn without_openat2_nothing_is_different() {
    let machine = victim();
    let expected = machine.tree(&["/etc", "/var/lib/notes"]);
    let walk = |machine: &Machine| {
        let mut strace = Command::new("strace");
        strace.args(["-o", "/dev/null", "-e", "trace=openat2", "-e", "inject=openat2:error=ENOSYS"]);
        strace.args([env!("CARGO_BIN_EXE_appctl"), "--root"]).arg(machine.path("/"));
        strace.args(["config", "set", "notes", "number=8"]);
        crate::machine::output(strace, "")
    };
    walk(&machine).ok();
    machine.appctl(&["config", "unset", "notes", "number"]).ok();
    let mut after = machine.tree(&["/etc", "/var/lib/notes"]);
    after.retain(|path, _| !path.starts_with("/etc/notes"));
    assert!(after == expected, "{after:#?}");
    fs::rename(machine.path("/var/lib/notes/conf"), machine.path("/var/lib/notes/away")).unwrap();
    std::os::unix::fs::symlink("away", machine.path("/var/lib/notes/conf")).unwrap();
    assert!(walk(&machine).is(1).stderr.contains("not followed"));
}

/// root's file, with a secret, in a directory of the service's user.
fn guarded() -> Machine {
    let machine = Machine::new();
    machine.install(&json!({
        "format": 1, "package": "notes",
        "settings": [{"name": "number", "type": "integer"}, {"name": "key", "type": "secret", "length": 32}],
        "files": [{"path": "/var/lib/notes/root.ini", "template": "app.ini.hbs", "escape": "ini",
                   "owner": "root", "group": "root", "mode": "0600"}],
        "directories": [{"path": "/var/lib/notes", "owner": "notes", "group": "notes", "mode": "0755", "purge": "keep"}],
        "users": [{"name": "notes"}],
    }));
    machine.template("app.ini.hbs", "number = {{number}}\nkey = {{key}}\n");
    machine.write("/var/lib/notes/README", "");
    std::os::unix::fs::chown(machine.path("/var/lib/notes"), Some(NOTES.0), Some(NOTES.1)).unwrap();
    machine
}

/// The user may put a file of his own in the place of root's, before the package is
/// configured or afterwards. He does not get what root was to have.
#[test]
fn a_file_in_the_place_of_root_s_does_not_get_its_secrets() {
    for before in [true, false] {
        let machine = guarded();
        let file = "/var/lib/notes/root.ini";
        if !before {
            machine.configure().ok();
            machine.remove(file);
        }
        machine.write(file, "his own\n");
        fs::set_permissions(machine.path(file), std::os::unix::fs::PermissionsExt::from_mode(0o666)).unwrap();
        std::os::unix::fs::chown(machine.path(file), Some(NOTES.0), Some(NOTES.1)).unwrap();
        let planted = machine.attributes(file);
        let said = machine.appctl(&["config", "set", "notes", "number=7"]).ok().stderr;
        assert!(said.contains(&format!("user {} has put another file there", NOTES.0)), "{said}");
        assert_eq!((machine.read(file).as_str(), machine.attributes(file)), ("his own\n", planted));
        let beside = format!("{file}.appctl-new");
        assert!(machine.read(&beside).contains("number = 7"));
        assert_eq!(machine.attributes(&beside), (0, 0, 0o600));
    }
}

/// A name that is needed only for an edited file is looked at before anything is changed.
#[test]
fn a_directory_at_the_name_of_a_new_version_stops_everything() {
    let machine = victim();
    machine.write("/var/lib/notes/conf/app.ini", "edited\n");
    fs::create_dir_all(machine.path("/var/lib/notes/conf/app.ini.appctl-new/x")).unwrap();
    let before = machine.tree(&["/etc", "/var/lib/notes"]);
    let said = machine.appctl(&["config", "set", "notes", "number=7"]).is(1).stderr;
    assert!(said.contains("app.ini.appctl-new is a directory"), "{said}");
    assert!(machine.tree(&["/etc", "/var/lib/notes"]) == before);
}

/// The snippet of a package with files, as dh_appconfig writes it.
fn purge(machine: &Machine) -> crate::machine::Output {
    let snippet = "tests/cases/dh_appconfig/06-directories-links-users/out/debian/notes.postrm.debhelper";
    // What runs it takes DPKG_ROOT out of the environment.
    let mut dash = Command::new("env");
    dash.arg(format!("DPKG_ROOT={}", machine.path("/").display().to_string().trim_end_matches('/')));
    dash.args(["dash", "-e", snippet, "purge"]).current_dir(env!("CARGO_MANIFEST_DIR"));
    crate::machine::output(dash, "").ok()
}

/// At purge, too, when there is no runtime any more.
#[test]
fn purge_removes_nothing_through_a_link_of_the_service_s_user() {
    let machine = victim();
    let before = machine.tree(&["/etc/private", "/etc/canary"]);
    fs::rename(machine.path("/var/lib/notes/conf"), machine.path("/var/lib/notes/away")).unwrap();
    // DPKG_ROOT is no chroot: the link that would lead there on the machine itself.
    std::os::unix::fs::symlink(machine.path("/etc/private"), machine.path("/var/lib/notes/conf")).unwrap();
    let said = purge(&machine).stderr;
    assert!(said.contains("/var/lib/notes/conf/app.ini stays: a link leads there"), "{said}");
    assert!(machine.tree(&["/etc/private", "/etc/canary"]) == before);
    assert!(!machine.exists("/var/lib/appctl/notes"));
}

#[test]
fn purge_removes_what_was_made_and_finds_it_behind_an_administrator_s_link() {
    for link in [false, true] {
        let machine = victim();
        let mut conf = "/var/lib/notes/conf";
        if link {
            std::os::unix::fs::chown(machine.path("/var/lib/notes"), Some(0), Some(0)).unwrap();
            fs::rename(machine.path(conf), machine.path("/srv-conf")).unwrap();
            std::os::unix::fs::symlink("/srv-conf", machine.path(conf)).unwrap();
            conf = "/srv-conf";
        }
        machine.appctl(&["maint", "prerm", "notes", "remove"]).ok();
        assert!(machine.exists(&format!("{conf}/app.ini")));
        purge(&machine);
        assert!(!machine.exists(&format!("{conf}/app.ini")) && !machine.exists("/var/lib/appctl/notes"));
        assert!(!machine.exists("/etc/notes"));
    }
}

/// A check runs as the service's user, who may leave anything in its directory.
#[test]
fn what_a_check_leaves_behind_is_removed_whatever_it_is() {
    let machine = victim();
    let dig = "perl -e 'mkdir \"\\377\"; for (1 .. 2000) { mkdir q(d) or exit 1; chdir q(d); open F, q(>), q(f) }; chdir; symlink q(/etc), q(link)'";
    let mut manifest: serde_json::Value =
        serde_json::from_str(&machine.read("/usr/share/appctl/notes/manifest.json")).unwrap();
    manifest["files"][0]["check"] = dig.into();
    machine.install(&manifest);
    for number in ["1", "2"] {
        machine.inside("", &["config", "set", "notes", &format!("number={number}")]).ok();
        assert!(!machine.exists("/run/appctl-notes-check"));
    }
}

const LOGS: &str = "/var/log/notes";

/// A package whose programs log to `/var/log/notes`, which an older version gave to their account.
fn logging() -> Machine {
    let machine = Machine::new();
    let service = |name: &str, backend: &str| {
        json!({"name": name, "backend": backend, "order": 1, "autostart": true, "start_seconds": 1, "stop_seconds": 1,
               "user": "notes", "instances": [{"process": name, "logs": [format!("{LOGS}/{name}.log")]}]})
    };
    let programs = json!({"format": 1, "package": "notes",
        "programs": [service("web", "systemd"), service("work", "supervisord")],
        "log_directories": [{"path": LOGS, "user": "notes", "group": "notes", "own": "app"}]});
    machine.write("/usr/share/appctl/notes/programs.json", &programs.to_string());
    machine.write("/etc/canary", "root's own\n");
    machine.write(&format!("{LOGS}/web.log"), "one\n");
    for path in [LOGS.to_owned(), format!("{LOGS}/web.log")] {
        std::os::unix::fs::chown(machine.path(&path), Some(NOTES.0), Some(NOTES.1)).unwrap();
    }
    machine
}

#[test]
fn a_log_directory_becomes_root_s_with_nothing_planted_in_it() {
    let machine = logging();
    let at = |name: &str| machine.path(&format!("{LOGS}/{name}"));
    let own = |name: &str| std::os::unix::fs::lchown(at(name), Some(NOTES.0), Some(NOTES.1)).unwrap();
    let link = |name: &str| {
        std::os::unix::fs::symlink(machine.path("/etc/canary"), at(name)).unwrap();
        own(name);
    };
    let file = |name: &str| fs::write(at(name), name).unwrap();
    // A file in the place of root's, with a secret: what it is not may not be given away.
    fs::rename(at("web.log"), at("web.log.1")).unwrap();
    file("web.log");
    link("web.log.2");
    nix::unistd::mkfifo(&at("web.log.3"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    fs::create_dir_all(at("web.log.4/below")).unwrap();
    link("app");
    // supervisord's own, and what the program has written by itself.
    file("work.log");
    fs::hard_link(machine.path("/etc/canary"), at("work.log.1")).unwrap();
    link("mine");
    file("own.txt");
    own("own.txt");
    let outside = machine.tree(&["/etc", "/usr"]);
    let said = machine.appctl(&["mend-logs", "notes"]).ok().stderr;
    assert!(said.contains("what is no log file of 'notes' is put aside") && said.contains("hint: "), "{said}");
    assert_eq!(machine.attributes(LOGS), (0, NOTES.1, 0o750));
    let left = |name: &str| machine.exists(&format!("{LOGS}/{name}"));
    for gone in ["web.log", "web.log.2", "web.log.3", "web.log.4", "app", "work.log.1"] {
        assert!(!left(gone), "{gone}: {said}");
    }
    for kept in ["web.log.1", "work.log", "mine", "own.txt"] {
        assert!(left(kept), "{kept}: {said}");
    }
    assert!(machine.tree(&["/etc", "/usr"]) == outside);
    // From now on it is root's, and what an administrator puts there stays.
    std::os::unix::fs::symlink("/srv/web.log", at("web.log")).unwrap();
    assert_eq!(machine.appctl(&["mend-logs", "notes"]).ok().stderr, "");
    assert!(left("web.log"));
    // A directory in which root opens nothing is the program's, and is left alone.
    let other = logging();
    let path = "/usr/share/appctl/notes/programs.json";
    let programs = other.read(path).replace("log_directories", "nothing");
    other.write(path, &programs);
    other.appctl(&["mend-logs", "notes"]).ok();
    assert_eq!(other.attributes(LOGS).0, NOTES.0);
}

/// The account swaps whatever it can while root takes the directory.
#[test]
fn a_log_directory_is_taken_while_its_account_works_in_it() {
    let machine = logging();
    let outside = machine.tree(&["/etc", "/usr"]);
    let logs = "/var/log/notes/web.log";
    let body = "my $l = \"$r/var/log/notes\"; symlink \"$r/etc/canary\", \"$l/new\"; rename \"$l/new\", \"$l/web.log\";
        mkdir \"$l/web.log.1\"; rmdir \"$l/web.log.1\"; mkfifo \"$l/web.log.2\", 0666; clear \"$l/web.log.2\";
        open my $o, '>', \"$l/other\"; close $o; rename \"$l/other\", \"$l/web.log\";";
    let mut child = attacker(&machine, body);
    let began = Instant::now();
    let mut aside = 0;
    while began.elapsed() < TIME {
        std::os::unix::fs::chown(machine.path(LOGS), Some(NOTES.0), Some(NOTES.1)).unwrap();
        std::thread::sleep(Duration::from_millis(20));
        let said = machine.appctl(&["mend-logs", "notes"]).ok().stderr;
        aside += usize::from(said.contains("put aside"));
        // As systemd and supervisord open it.
        let kind = machine.path(logs).symlink_metadata();
        assert!(kind.as_ref().is_ok_and(fs::Metadata::is_file) || kind.is_err(), "{kind:?} {said}");
        fs::OpenOptions::new().append(true).create(true).open(machine.path(logs)).unwrap();
    }
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(aside > 0, "the attack did not reach appctl");
    assert!(machine.tree(&["/etc", "/usr"]) == outside);
}

/// A snippet of a golden case, run by dash for a root that has this mounted within.
fn snippet(machine: &Machine, case: &str, mount: &str) -> crate::machine::Output {
    let root = machine.path("/").display().to_string().trim_end_matches('/').to_owned();
    let script = "[ -z \"$2\" ] || mount -t tmpfs tmpfs \"$DPKG_ROOT$2\"; exec timeout 60 dash -e \"$1\" purge";
    let mut command = Command::new("unshare");
    command.args(["--mount", "env", &format!("DPKG_ROOT={root}"), "sh", "-c", script, "sh", case, mount]);
    command.current_dir(env!("CARGO_MANIFEST_DIR"));
    crate::machine::output(command, "")
}

/// Nothing under a name of ours keeps a package from being purged: not a directory, not
/// a mount, not tens of thousands of files; and nothing behind it is deleted.
#[test]
fn a_purge_ends_whatever_was_planted() {
    let machine = Machine::new();
    machine.write("/etc/canary/file", "root's own\n");
    let outside = machine.tree(&["/etc"]);
    let canary = machine.path("/etc/canary");
    // ZEO clients: the first password's names.
    let state = "/var/lib/board";
    fs::create_dir_all(machine.path(&format!("{state}/initial-admin-password/below"))).unwrap();
    std::os::unix::fs::symlink(&canary, machine.path(&format!("{state}/.zeoclient.lock"))).unwrap();
    fs::create_dir(machine.path(&format!("{state}/.initial-admin-password.-rf\n/"))).unwrap();
    let many = "for (1 .. 40_000) { symlink '/etc', \"$ARGV[0]/.initial-admin-password.$_\" or die }";
    let made = Command::new("perl").args(["-e", many]).arg(machine.path(state)).status().unwrap();
    assert!(made.success());
    snippet(&machine, "tests/cases/dh_zeoclient/01-zope/out/debian/board.postrm.debhelper", "").ok();
    assert!(!machine.exists(state));
    // Programs: their logs, caches and sockets.
    for directory in
        ["/var/log/notes", "/var/cache/notes/a b/mounted", "/run/notes", "/etc/notes/supervisord-disabled.conf"]
    {
        fs::create_dir_all(machine.path(directory)).unwrap();
    }
    std::os::unix::fs::symlink(&canary, machine.path("/var/cache/notes/link")).unwrap();
    let case = "tests/cases/dh_supervisord/07-log-file-for-systemd/out/debian/notes.postrm.debhelper";
    // Somebody goes on making names in there.
    fs::create_dir_all(machine.path("/var/log/notes/app")).unwrap();
    std::os::unix::fs::chown(machine.path("/var/log/notes/app"), Some(NOTES.0), Some(NOTES.1)).unwrap();
    let mut child = attacker(&machine, "open my $o, '>', \"$r/var/log/notes/app/\" . int(rand(1000)); close $o;");
    std::thread::sleep(Duration::from_millis(100));
    let said = snippet(&machine, case, "/var/cache/notes/a b/mounted").ok().stderr;
    assert!(said.contains("notes: something stays in /var/log, /var/cache or /run"), "{said}");
    assert!(!machine.exists("/var/log/notes") && !machine.exists("/run/notes"));
    child.kill().unwrap();
    child.wait().unwrap();
    // Configuration: names of appctl's own beside a file, and the settings behind a link.
    let victim = victim();
    victim.write("/etc/canary-settings/60-appctl.conf", "another's\n");
    for name in ["app.ini.appctl-new", "app.ini.appctl-old", ".app.ini.appctl-tmp"] {
        fs::create_dir_all(victim.path(&format!("/var/lib/notes/conf/{name}/below"))).unwrap();
    }
    let _ = fs::remove_dir_all(victim.path("/etc/notes/settings.d"));
    fs::create_dir_all(victim.path("/etc/notes")).unwrap();
    std::os::unix::fs::symlink(victim.path("/etc/canary-settings"), victim.path("/etc/notes/settings.d")).unwrap();
    let said = purge(&victim).stderr;
    assert!(said.contains("/etc/notes/settings.d/60-appctl.conf stays: a link leads there"), "{said}");
    assert_eq!(victim.read("/etc/canary-settings/60-appctl.conf"), "another's\n");
    assert!(!victim.exists("/var/lib/notes/conf") && !victim.exists("/var/lib/appctl/notes"));
    let mut after = machine.tree(&["/etc"]);
    after.retain(|path, _| !path.starts_with("/etc/notes"));
    assert!(after == outside);
}
