//! The shells' completions, asked as the shells ask them.

use std::path::Path;
use std::process::Command;

use crate::machine::{Machine, output};

/// What a shell offers for a line about the package `notes` in another root; the
/// script has the line in `$1` and the completion's file in `$2`.
fn offered(shell: &str, arguments: &[&str], script: &str, file: &str, machine: &Machine, rest: &str) -> Vec<String> {
    let program = Path::new(env!("CARGO_BIN_EXE_appctl"));
    let line = format!("appctl --root {} {rest}", machine.path("/").display());
    let mut command = Command::new(shell);
    command.args(arguments).args(["-c", script]);
    if shell == "bash" {
        command.arg(shell);
    }
    command.arg(line).arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("share/completions").join(file));
    command.env("PATH", format!("{}:/usr/bin:/bin", program.parent().unwrap().display()));
    let said = output(command, "").ok();
    said.stdout.lines().map(str::to_owned).collect()
}

fn bash(machine: &Machine, rest: &str) -> Vec<String> {
    // compopt is for a shell that completes.
    let script = "compopt() { :; }; . \"$2\"; COMP_LINE=$1 COMP_POINT=${#1}; _appctl appctl
        printf '%s\\n' \"${COMPREPLY[@]}\"";
    offered("bash", &["--norc", "--noprofile"], script, "bash/appctl", machine, rest)
}

fn fish(machine: &Machine, rest: &str) -> Vec<String> {
    let script = "source $argv[2]; complete --do-complete $argv[1]";
    let all = offered("fish", &["--no-config"], script, "fish/appctl.fish", machine, rest);
    all.iter().map(|line| line.split('\t').next().unwrap_or_default().to_owned()).collect()
}

#[test]
fn bash_and_fish_offer_what_may_come_next() {
    let machine = Machine::with_notes();
    for ask in [bash, fish] {
        assert_eq!(ask(&machine, "config show no"), ["notes"]);
        assert_eq!(ask(&machine, "config set notes lis"), ["listen="]);
        assert_eq!(ask(&machine, "config unset notes wor"), ["workers"]);
        let files = ["/etc/notes/notes.ini", "/etc/notes/workers.conf"];
        assert_eq!(ask(&machine, "config restore notes /etc/notes/"), files);
        let mut commands = ask(&machine, "config s");
        commands.sort();
        assert_eq!(commands, ["set", "show"]);
    }
    // readline has split the word at the equals sign.
    assert_eq!(bash(&machine, "config set notes listen=127"), ["127.0.0.1:8000"]);
}
