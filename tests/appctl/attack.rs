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
