//! `appctl maint`: what generated maintainer scripts call, in the words of policy chapter 6.

use crate::machine::Machine;

const OWN: &str = "/etc/notes/settings.d/60-appctl.conf";

fn answer(machine: &Machine, answers: &str) -> crate::machine::Output {
    machine.appctl_with(&["maint", "postinst", "notes", "configure", "", "--answers"], answers)
}

#[test]
fn answers_are_kept_and_rejected_ones_named() {
    let machine = Machine::with_notes();
    let output =
        answer(&machine, "listen=0.0.0.0:80\nworkers=many\nnothing=1\nsession_key=from debconf = \n\nworkers=3\n").ok();
    assert_eq!(output.stdout, "workers\nnothing\n");
    assert!(!format!("{output:?}").contains("from debconf"));
    let ini = machine.read("/etc/notes/notes.ini");
    assert!(ini.contains("listen = 0.0.0.0:80\nkey = from debconf =\n"), "{ini}");
    assert!(machine.read(OWN).ends_with("\nlisten = 0.0.0.0:80\n"));
    assert!(machine.read("/etc/notes/workers.conf").contains("workers=2\n"));
}

#[test]
fn answers_that_change_nothing_are_not_written() {
    let machine = Machine::with_notes();
    answer(&machine, "listen=127.0.0.1:8000\nworkers=2\nsession_key=\n").ok();
    assert!(!machine.exists(OWN));
    machine.write("/etc/notes/settings.d/10-site.conf", "listen = 10.0.0.1:1\n");
    answer(&machine, "listen=10.0.0.1:1\n").ok();
    assert!(!machine.exists(OWN));
}

#[test]
fn scripts_are_called_as_policy_says() {
    let machine = Machine::with_notes();
    machine.configure().ok();
    let before = machine.tree(&["/etc", "/var"]);
    for words in [
        vec!["prerm", "notes", "upgrade", "2"],
        vec!["prerm", "notes", "remove"],
        vec!["prerm", "notes", "remove", "in-favour", "other", "1"],
        vec!["prerm", "notes", "deconfigure", "in-favour", "other", "1", "removing", "x", "1"],
        vec!["prerm", "notes", "failed-upgrade", "1", "2"],
        vec!["prerm", "notes", "something-new", "--with", "words"],
        vec!["postrm", "notes", "remove"],
        vec!["postrm", "notes", "purge"],
        vec!["postrm", "notes", "upgrade", "2"],
        vec!["postrm", "notes", "abort-install"],
        vec!["postrm", "notes", "abort-upgrade", "1", "2"],
        vec!["postrm", "notes", "disappear", "other", "1"],
        vec!["postinst", "notes", "abort-upgrade", "2"],
        vec!["postinst", "notes", "abort-remove"],
        vec!["postinst", "notes", "abort-deconfigure", "in-favour", "x", "1"],
    ] {
        let words: Vec<&str> = std::iter::once("maint").chain(words).collect();
        let output = machine.appctl(&words).ok();
        assert_eq!((output.stdout.as_str(), output.stderr.as_str()), ("", ""), "{words:?}");
    }
    assert!(machine.tree(&["/etc", "/var"]) == before);
    machine.appctl(&["maint", "postinst", "notes", "explode"]).is(2);
    machine.appctl(&["maint", "preinst", "notes", "install"]).is(2);
}

#[test]
fn a_failure_says_what_to_do_then() {
    let machine = Machine::with_notes();
    machine.write("/etc/notes/settings.d/50-a.conf", "listen = nowhere\n");
    let output = machine.configure().is(1);
    assert!(output.stderr.contains("/etc/notes/settings.d/50-a.conf:1"), "{}", output.stderr);
    assert!(output.stderr.contains("dpkg --configure notes"), "{}", output.stderr);
}

#[test]
fn dpkg_root_is_the_root() {
    let machine = Machine::with_notes();
    let mut command = std::process::Command::new("env");
    command.arg(format!("DPKG_ROOT={}", machine.path("/").display()));
    command.args([env!("CARGO_BIN_EXE_appctl"), "maint", "postinst", "notes", "configure", ""]);
    crate::machine::output(command, "").ok();
    assert!(machine.exists("/etc/notes/notes.ini"));
}

#[test]
fn a_note_for_a_service_outlives_a_kill_and_is_gone_after_the_converge() {
    let machine = Machine::with_notes();
    machine.configure().ok();
    assert!(machine.read("/var/lib/appctl/notes/journal").contains("\"web\""));
    // Nothing runs in another root, so nothing has an old configuration.
    let output = machine.appctl(&["--json", "service", "converge", "notes"]).ok().json();
    assert_eq!(output["services"][0]["action"], "no-manager");
    assert!(!machine.read("/var/lib/appctl/notes/journal").contains("\"web\""));
}
