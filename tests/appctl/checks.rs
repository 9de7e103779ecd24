//! `Check:`: who runs it, with what, and what becomes of a refusal.

use crate::machine::{Machine, NOTES, notes};

fn with_check(command: &str) -> Machine {
    let machine = Machine::with_notes();
    let mut manifest = notes();
    manifest["files"][0]["check"] = command.into();
    machine.install(&manifest);
    machine
}

const CONFIGURE: [&str; 5] = ["maint", "postinst", "notes", "configure", ""];

#[test]
fn it_runs_as_the_service_s_user_with_nothing_of_ours() {
    let machine = with_check(
        "{ id -u; id -g; id -G; pwd; env | sort; cat; ls -ld . {{file}}; touch {{file}}.own; \
         grep Groups /proc/self/status; } 2>&1 | sed 's/^/check: /'; false",
    );
    let output = machine.inside("SECRET=leaked ", &CONFIGURE).is(1);
    let said = &output.stderr;
    for line in [
        format!("check: {}\n\tcheck: {}\n\tcheck: {} 61500", NOTES.0, NOTES.1, NOTES.1),
        "check: /run/appctl-notes-check\n".to_owned(),
        "check: HOME=/run/appctl-notes-check\n".to_owned(),
        "-rw-r----- 1 root  notes".to_owned(),
        "drwx------ 2 notes notes".to_owned(),
    ] {
        assert!(said.contains(&line), "{line}: {said}");
    }
    assert!(!said.contains("leaked"), "{said}");
    assert!(!machine.exists("/run/appctl-notes-check") && !machine.exists("/etc/notes"));
}

#[test]
fn check_user_says_who_runs_it() {
    let machine = Machine::with_notes();
    let mut manifest = notes();
    manifest["files"][0]["check"] = "id -un; cat {{file}}; false".into();
    manifest["files"][0]["check_user"] = "nobody".into();
    machine.install(&manifest);
    let said = machine.inside("", &CONFIGURE).is(1).stderr;
    assert!(said.contains("\tnobody\n") && said.contains("\tlisten = 127.0.0.1:8000"), "{said}");
    manifest["files"][0]["check_user"] = "somebody".into();
    machine.install(&manifest);
    let said = machine.inside("", &CONFIGURE).is(1).stderr;
    assert!(said.contains("there is no user 'somebody'") && said.contains("hint: "), "{said}");
}

#[test]
fn a_refusal_leaves_everything_as_it_was_and_names_file_and_setting() {
    let machine = with_check("! grep -q 0.0.0.0 {{file}} || { echo \"bad: $(cat {{file}})\"; exit 3; }");
    machine.inside("", &CONFIGURE).ok();
    let before = machine.tree(&["/etc", "/var"]);
    let output = machine.inside("", &["config", "set", "notes", "listen=0.0.0.0:1"]).is(1);
    let said = &output.stderr;
    assert!(said.contains("the check of /etc/notes/notes.ini refuses the new contents: exit status 3"), "{said}");
    assert!(said.contains("'listen' (/etc/notes/settings.d/60-appctl.conf:4)"), "{said}");
    assert!(said.contains("key = ********"), "{said}");
    assert!(machine.tree(&["/etc", "/var"]) == before);
    machine.inside("", &["config", "set", "notes", "listen=127.0.0.1:1"]).ok();
    machine.inside("", &["config", "check", "notes"]).ok();
}

/// Waits for the limit of a minute, once.
#[test]
fn a_check_that_does_not_end_is_ended_and_named() {
    let machine = with_check(
        "grep -q 127.0.0.1 {{file}} || { sleep 1234 & echo \"$! waits\"; trap : TERM; sleep 1234; echo done; }",
    );
    machine.inside("", &CONFIGURE).ok();
    let before = machine.tree(&["/etc", "/var"]);
    let began = std::time::Instant::now();
    // The namespace, which would end them, too, is there as long as this shell.
    let look =
        "/run/appctl-program \"$@\"; status=$?; grep -lzx '123[4]' /proc/[0-9]*/cmdline >/run/left; exit $status;";
    let output = machine.inside(look, &["config", "set", "notes", "listen=0.0.0.0:1"]).is(1);
    let (said, took) = (&output.stderr, began.elapsed().as_secs());
    assert!((60..90).contains(&took), "{took} s");
    assert!(
        said.contains("the check of /etc/notes/notes.ini refuses the new contents: no answer in 60 seconds"),
        "{said}"
    );
    assert!(said.contains("'listen' (/etc/notes/settings.d/60-appctl.conf:4)") && said.contains(" waits\n"), "{said}");
    assert!(machine.tree(&["/etc", "/var"]) == before);
    assert!(!machine.exists("/run/appctl-notes-check"));
    assert_eq!(machine.read("/run/left"), "");
}

#[test]
fn unchanged_contents_are_not_checked_again() {
    let machine = with_check("test ! -e /run/refuse");
    machine.inside("", &CONFIGURE).ok();
    machine.write("/run/refuse", "");
    machine.inside("", &CONFIGURE).ok();
    machine.inside("", &["config", "set", "notes", "workers=5"]).ok();
    machine.inside("", &["config", "check", "notes"]).is(1);
    machine.inside("", &["config", "set", "notes", "listen=0.0.0.0:1"]).is(1);
}

#[test]
fn a_merge_that_a_check_refuses_is_not_made() {
    let machine = Machine::with_notes();
    let mut manifest = notes();
    manifest["files"][1]["check"] = "! grep -q mine {{file}}".into();
    machine.install(&manifest);
    machine.inside("", &CONFIGURE).ok();
    let mine = machine.read("/etc/notes/workers.conf").replace("# seven", "# mine");
    machine.write("/etc/notes/workers.conf", &mine);
    machine.inside("", &["config", "set", "notes", "workers=9"]).ok();
    assert_eq!(machine.read("/etc/notes/workers.conf"), mine);
    assert!(machine.read("/etc/notes/workers.conf.appctl-new").contains("workers=9\n"));
}

#[test]
fn in_another_root_it_runs_there_or_says_that_it_did_not() {
    let machine = with_check("true");
    let output = machine.configure().ok();
    assert!(output.stderr.contains("/etc/notes/notes.ini is not checked"), "{}", output.stderr);
    assert!(machine.exists("/etc/notes/notes.ini"));
}

/// Where dev.tty.legacy_tiocsti is 1, who opens the terminal types into root's shell.
#[test]
fn it_has_no_terminal_to_type_into() {
    let machine = with_check(
        "perl -e 'open T, q(+<), q(/dev/tty) or exit 0; ioctl T, 0x5412, $_ for split //, qq(exit\\n); exit 3'",
    );
    let output = machine.on_a_terminal(&CONFIGURE).ok();
    assert!(machine.exists("/etc/notes/notes.ini"), "{output:?}");
}

#[test]
fn no_setuid_program_gives_it_more_unless_the_packager_says_so() {
    let bare = "grep -q 'NoNewPrivs:.1' /proc/self/status && grep -q 'CapBnd:.0*$' /proc/self/status";
    let machine = with_check(bare);
    machine.inside("", &CONFIGURE).ok();
    let machine = with_check(bare);
    let mut manifest = notes();
    manifest["files"][0]["check"] = bare.into();
    manifest["files"][0]["check_privileges"] = true.into();
    machine.install(&manifest);
    machine.inside("", &CONFIGURE).is(1);
}

/// Relative or not: the root that is meant is meant for its programs, too.
#[test]
fn it_runs_in_the_root_that_is_named() {
    let machine = with_check("{ id -u; cat /etc/which; grep NoNewPrivs /proc/self/status; } >&2; exit 3");
    machine.write("/etc/which", "this one\n");
    let directory = machine.path("/");
    for root in [".", "./etc/..", directory.to_str().unwrap()] {
        let said = machine.beside(&["--root", root, "maint", "postinst", "notes", "configure", ""]).is(1).stderr;
        let expected = format!("exit status 3\n\t{}\n\tthis one\n\tNoNewPrivs:\t1\n", NOTES.0);
        assert!(said.contains(&expected), "{root}: {said}");
    }
}

#[test]
fn every_command_takes_a_relative_root() {
    let machine = Machine::with_notes();
    machine.configure().ok();
    machine.write("/etc/notes/settings.d/50-a.conf", "listen = 0.0.0.0:1\n");
    let directory = machine.path("/");
    let absolute = directory.to_str().unwrap();
    let commands: [&[&str]; 9] = [
        &["status", "notes"],
        &["config", "show", "notes"],
        &["config", "diff", "notes"],
        &["config", "check", "notes"],
        &["--json", "status", "notes"],
        &["service", "status", "notes"],
        &["bootstrap", "status", "notes"],
        &["config", "show", "none"],
        &["mend-logs", "notes"],
    ];
    for command in commands {
        let with = |root: &str| {
            let mut words = vec!["--root", root];
            words.extend(command);
            let output = machine.beside(&words);
            (output.status, output.stdout, output.stderr)
        };
        assert_eq!(with("."), with(absolute), "{command:?}");
    }
}

/// What foreigners print reaches a terminal or a log made printable.
#[test]
fn what_a_check_and_a_file_say_steers_no_terminal() {
    let machine = with_check("printf 'a\\033[2Jb\\302\\233c\\r\\n'; exit 1");
    let said = machine.inside("", &CONFIGURE).is(1).stderr;
    assert!(said.contains("\ta\\x1b[2Jb\\x9bc"), "{said}");
    let machine = Machine::with_notes();
    machine.configure().ok();
    let edited = machine.read("/etc/notes/workers.conf").replace("# two", "# \u{1b}]0;owned\u{7}\u{7f}");
    machine.write("/etc/notes/workers.conf", &edited);
    machine.write("/etc/notes/settings.d/50-a.conf", "workers = 7\n");
    for words in [&["config", "diff", "notes"][..], &["--json", "config", "diff", "notes"]] {
        let output = machine.appctl(words);
        let steers = |c: char| c.is_control() && c != '\n' && c != '\t';
        assert!(!output.stdout.contains(steers) && !output.stderr.contains(steers), "{output:?}");
        if words[0] == "--json" {
            assert!(output.json()["schema"] == 1);
        } else {
            assert!(output.stdout.contains("\\x1b]0;owned\\x07\\x7f"), "{output:?}");
        }
    }
}
