//! What a build and a checked package have in their hands, and what of it is taken.

use std::process::Command;

use crate::room::Source;
use crate::{names, ok, read};

fn log(source: &Source, name: &str) -> String {
    String::from_utf8(read(source.results(name).join("build.log"))).unwrap()
}

/// No line of this asks what the driver says: the kernel does.
const LOOK: [&str; 6] = [
    "echo keys $$(grep -c dba-canary /proc/keys || true)",
    "echo map $$(tr -s ' ' </proc/self/uid_map)",
    "grep -E 'Cap(Prm|Eff|Bnd|Amb|Inh)|NoNewPrivs' /proc/self/status",
    "echo descriptors $$(for n in /proc/self/fd/*; do echo $${n##*/}; done | grep -v -e '^[0-3]$$' || true)",
    "echo terminal $$(! sh -c ': </dev/tty' 2>/dev/null || echo opened)",
    "echo writable $$(for n in /proc/sys/kernel/core_pattern /proc/sysrq-trigger /proc/sys/vm/drop_caches; do [ ! -w $$n ] || echo $$n; done)",
];

#[test]
fn a_builder_has_ids_of_its_own_and_no_powers_in_every_backend() {
    let source = Source::new("dba-powerless", &LOOK);
    std::fs::write(source.work.path().join("secret"), "").unwrap();
    for backend in ["session", "sbuild", "pbuilder"] {
        let mut words = Command::new("sh");
        let program = source.program(&["build", "--backend", backend]);
        // As a shell's redirection, or debconf, leaves it.
        words.args(["-euc", "exec 7<../secret; exec \"$@\"", "sh"]).arg(program.get_program()).args(program.get_args());
        words.current_dir(source.path());
        words.envs(program.get_envs().filter_map(|(name, value)| Some((name, value?))));
        ok(&mut words);
        let log = log(&source, "dba-powerless");
        let row = |start: &str| {
            let row = log.lines().find(|line| line.starts_with(start));
            row.unwrap_or_else(|| panic!("{backend}: no {start} in {log}")).to_owned()
        };
        let map = row("map ");
        assert!(!map.starts_with("map 0 0 ") && map.split(' ').nth(2).unwrap().parse::<u32>().unwrap() > 0, "{map}");
        assert!(row("CapEff:").ends_with("0000000000000000"), "{backend}: {log}");
        assert!(row("CapPrm:").ends_with("0000000000000000"), "{backend}: {log}");
        assert!(row("CapAmb:").ends_with("0000000000000000"), "{backend}: {log}");
        assert_eq!(row("NoNewPrivs:"), "NoNewPrivs:\t1", "{backend}");
        if backend == "session" {
            assert!(row("CapBnd:").ends_with("0000000000000000"), "{log}");
        }
        assert_eq!(row("descriptors"), "descriptors", "{backend}");
        assert_eq!(row("terminal"), "terminal", "{backend}");
        assert_eq!(row("keys"), "keys 0", "{backend}");
        assert_eq!(row("writable"), "writable", "{backend}");
    }
}

#[test]
fn a_result_is_what_the_expected_changes_file_lists() {
    let fake =
        "sum=$$(sha256sum ../secret | cut -d' ' -f1); printf 'Format: 1.8\\nChecksums-Sha256:\\n %s 7 secret\\n' $$sum";
    let lines = [
        "echo forged >../build.log; echo forged >../manifest.json; echo forged >../secret",
        &format!("({fake}) >../aaa_1.0_amd64.changes"),
        "mkfifo ../dba-forger_1.0_source.changes; ln -s /etc/shadow ../shadow.deb; truncate -s 2T ../huge.deb",
    ];
    let source = Source::new("dba-forger", &lines);
    let printed = ok(&mut source.program(&["build"]));
    let results = source.results("dba-forger");
    assert_eq!(printed.trim(), results.join("dba-forger_1.0_amd64.changes").to_string_lossy());
    let expected = ["build.log", "dba-forger_1.0.dsc", "dba-forger_1.0.tar.xz", "dba-forger_1.0_all.deb"];
    let expected =
        [&expected[..], &["dba-forger_1.0_amd64.buildinfo", "dba-forger_1.0_amd64.changes", "manifest.json"]];
    assert_eq!(names(&results), expected.concat());
    assert!(log(&source, "dba-forger").contains("dpkg-buildpackage: info: source package"));
    assert!(!String::from_utf8(read(results.join("manifest.json"))).unwrap().contains("forged"));
}

#[test]
fn a_package_that_needs_the_machine_s_powers_is_not_called_bad() {
    let source = Source::new("dba-powerful", &[]);
    let script = "#!/bin/sh\nset -e\nmknod /var/lib/node c 1 3\nrm /var/lib/node\n#DEBHELPER#\n";
    std::fs::write(source.path().join("debian/postinst"), script).unwrap();
    ok(&mut source.program(&["build"]));
    let changes = source.results("dba-powerful").join("dba-powerful_1.0_amd64.changes").to_string_lossy().into_owned();
    let output = source.program(&["--json", "check", "--only", "install", &changes]).output().unwrap();
    // No failure, and no success either: what a package prints must not decide that.
    assert_eq!(output.status.code(), Some(3));
    let table = String::from_utf8(output.stdout).unwrap();
    let verdicts: serde_json::Value = serde_json::from_str(&table).unwrap();
    assert_eq!(verdicts[0]["result"], "untestable", "{table}");
    let found = verdicts[0]["found"].as_str().unwrap();
    assert!(found.starts_with("not testable contained: it makes device nodes"), "{found}");
    // A word of trust.
    let words = ["--json", "check", "--only", "install", "--privileged-check", &changes];
    assert!(ok(&mut source.program(&words)).contains("\"passed\""));
}

#[test]
fn a_package_that_is_checked_has_none_of_the_machine_s_powers() {
    let source = Source::new("dba-checked", &[]);
    let script = "#!/bin/sh\nset -e\n! (: >>/proc/sys/kernel/core_pattern) 2>/dev/null\n\
                  [ \"$(tr -s ' ' </proc/self/uid_map | cut -d' ' -f3)\" != 0 ]\n\
                  ! nsenter -t 1 -m -U true 2>/dev/null || [ \"$(cat /proc/1/comm)\" = systemd ]\n\
                  ! mount -t tmpfs -o remount,rw none /sys 2>/dev/null\n#DEBHELPER#\n";
    std::fs::write(source.path().join("debian/postinst"), script).unwrap();
    ok(&mut source.program(&["build"]));
    let changes = source.results("dba-checked").join("dba-checked_1.0_amd64.changes").to_string_lossy().into_owned();
    assert!(ok(&mut source.program(&["check", "--only", "install", &changes])).contains("passed"));
}
