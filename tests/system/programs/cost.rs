//! What installing, upgrading and removing programs takes, against
//! dh_installsystemd's own snippets for the same units, and against an empty
//! postinst where no service manager runs.

use serde_json::Value;

use super::system;
use crate::harness::{Booted, Session, Suite};
use crate::package::workshop;

/// Two programs each, which count as up as soon as they run: waiting for a
/// program is what its description asks for, and no cost.
const DESCRIPTION: &str = "[x-supervisord]\nformat = 1\nbackend = systemd\n
[program:one]\ncommand = /usr/bin/sleep infinity\nuser = NAME\nstartsecs = 0\n
[x-program:one]\nignore = startsecs\n
[program:two]\ncommand = /usr/bin/sleep infinity\nuser = NAME\nstartsecs = 0\n
[x-program:two]\nignore = startsecs\n";

/// `ours` by dh_supervisord, `theirs` with the units, accounts and directories
/// that it has made for that, by debhelper's own programs, and `empty`.
fn packages(suite: Suite) -> Session {
    let session = workshop(suite);
    let mut control = String::from(
        "Source: cost\nMaintainer: A <a@example.org>\nBuild-Depends: debhelper-compat (= 13), \
         dh-sequence-supervisord, dh-sequence-installsysusers\n",
    );
    for package in ["ours", "theirs", "empty"] {
        control +=
            &format!("\nPackage: {package}\nArchitecture: all\nDepends: ${{misc:Depends}}\nDescription: x\n x\n");
    }
    session.write("cost/debian/control", &control);
    session.write("cost/debian/ours.supervisord", &DESCRIPTION.replace("NAME", "ours"));
    session.write("cost/debian/empty.postinst", "#!/bin/sh\nset -e\n\n#DEBHELPER#\n");
    session.write("cost/debian/rules", "#!/usr/bin/make -f\n%:\n\tdh $@\n");
    session.write(
        "cost/debian/changelog",
        "cost (1.0) unstable; urgency=medium\n\n  * Built by a test.\n\n -- A <a@example.org>  Fri, 20 Nov 2026 12:00:00 +0000\n",
    );
    session.ok(
        "cd cost
        chmod 755 debian/rules
        dh_supervisord -pours
        mkdir units
        for name in one two; do
            sed 's/\\bours\\b/theirs/g' debian/ours/usr/lib/systemd/system/ours-$name.service >units/theirs-$name.service
            echo units/theirs-$name.service usr/lib/systemd/system >>debian/theirs.install
        done
        sed 's/\\bours\\b/theirs/g' debian/ours/usr/lib/sysusers.d/*.conf >debian/theirs.sysusers
        sed 's/\\bours\\b/theirs/g' debian/ours/usr/lib/tmpfiles.d/*.conf >debian/theirs.tmpfiles
        debian/rules clean
        dpkg-buildpackage -us -uc -b 2>&1
        grep -q deb-systemd-invoke debian/theirs/DEBIAN/postinst
        grep -q appctl debian/ours/DEBIAN/postinst
        ! grep -q systemd debian/empty/DEBIAN/postinst",
    );
    session
}

/// `COST_ROUNDS` says how often (3).
#[test]
#[expect(clippy::print_stdout, reason = "the figures are for the log")]
fn programs_cost_little_more_than_their_units() {
    let rounds: u32 = std::env::var("COST_ROUNDS").map_or(3, |text| text.parse().expect("a number"));
    let suite = Suite::Trixie;
    // What is promised is 100 ms on a quiet machine (`make soak`); this one may have other work.
    let limit: i64 = std::env::var("COST_LIMIT").map_or(400, |limit| limit.parse().expect("COST_LIMIT is a number"));
    let built = packages(suite);
    let session = system(suite, &[]);
    let directory = tempfile::tempdir().unwrap();
    for name in ["ours", "theirs", "empty"] {
        let deb = format!("{name}_1.0_all.deb");
        built.copy_out(&format!("/home/builder/{deb}"), &directory.path().join(&deb));
        session.copy_in(&directory.path().join(&deb), &format!("/var/tmp/{name}.deb"));
    }
    session.write("/var/tmp/cost.py", include_str!("cost.py"));
    let measure = |debs: [&str; 2]| {
        format!("python3 /var/tmp/cost.py {rounds} /var/tmp/{}.deb /var/tmp/{}.deb", debs[0], debs[1])
    };
    let dead: Value = serde_json::from_str(&session.ok(&measure(["ours", "empty"])).stdout).unwrap();
    println!("no service manager, ms [least, median]: {dead}");
    let system = Booted::new(session);
    let live: Value = serde_json::from_str(&system.ok(&measure(["ours", "theirs"])).stdout).unwrap();
    println!("systemd, ms [least, median]: {live}");
    let least = |found: &Value, name: &str, step: &str| found[name][step][0].as_i64().unwrap();
    for step in ["install", "upgrade", "remove", "purge"] {
        let over = least(&live, "ours", step) - least(&live, "theirs", step);
        let over_empty = least(&dead, "ours", step) - least(&dead, "empty", step);
        println!("{step}: {over} ms more than dh_installsystemd, {over_empty} ms more than an empty postinst");
        assert!(over <= limit && over_empty <= limit, "{step}: {live} {dead}");
    }
}
