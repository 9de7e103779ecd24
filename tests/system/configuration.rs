//! Configuration of installed packages: what an administrator decides survives.
//!
//! `lamp` is a package with one of everything that dh_appconfig knows and a
//! service that does nothing; examples/flask is the one that people copy.

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use crate::harness::{Booted, Session, Suite, toolkit_debs};
use crate::on_suites;
use crate::package::{Built, Source, binary, built, target};

on_suites!(
    both: [
        case_01_an_edit_and_a_deletion_survive_an_upgrade,
        case_01_an_upgrade_without_a_change_touches_neither_files_nor_processes,
        case_02_purge_without_the_runtime_leaves_nothing,
        case_03_a_failing_script_leaves_what_policy_says,
        case_03_what_runs_after_a_script_has_failed,
        case_03_a_package_that_disappears_takes_no_configuration_with_it,
        case_10_no_secret_shows_while_installing,
        an_answer_in_debconf_is_a_setting_and_a_wrong_one_is_refused,
        config_set_changes_all_or_nothing_and_restarts_once,
        the_example_serves_as_it_is_configured,
        five_files_cost_little_more_than_an_empty_postinst
    ],
    bookworm: [a_question_is_asked_and_its_answer_reaches_the_file, what_is_given_up_needs_no_runtime],
    trixie: [a_reload_keeps_the_process_and_policy_binds_scripts_alone],
);

const APPCONFIG: &str = "\
Format: 1

Setting: colour
Type: enum
Choices: red green blue
Default: red
Ask: medium
Description: Colour of the lamp

Setting: level
Type: integer
Min: 1
Max: 9
Default: 5
Ask: high
Description: Brightness

Setting: greeting
Type: string
Default: Good day
Description: What it says

Setting: token
Type: secret
Length: 40
Description: Key of the interface

Setting: password
Type: secret
Length: 24
Ask: high
Description: Password of the administrator

Setting: password_hash
Type: password-hash
From: password
Scheme: yescrypt
Description: What the lamp compares with

User: lamp
Home: /var/lib/lamp

Directory: /var/lib/lamp
Owner: lamp
Group: lamp
Mode: 0750
Purge: remove

Directory: /srv/lamp
Owner: lamp
Mode: 0750
Purge: keep

File: /etc/lamp/lamp.ini
Template: lamp.ini.hbs
Escape: ini
Owner: root
Group: lamp
Mode: 0640
Check: /usr/bin/grep -q ^level {{file}}
On-Change: restart lamp

File: /etc/lamp/greeting.conf
Template: greeting.conf.hbs
Escape: shell
Mode: 0644
On-Change: reload lamp

File: /etc/lamp/merged.ini
Template: merged.ini.hbs
Escape: ini
Mode: 0644
Local-Edit: merge

File: /etc/lamp/shade.conf
Template: shade.conf.hbs
Escape: ini
Mode: 0644

Link: /etc/lamp/current.ini
Target: lamp.ini
";

const LAMP_INI: &str = "[lamp]\ncolour = {{colour}}\nlevel = {{level}}\ntoken = {{token}}\nhash = {{password_hash}}\n";

/// It reads its greeting when it starts and at SIGHUP, and says so.
const LAMP: &str = "\
greet() { cat /etc/lamp/greeting.conf >>/var/lib/lamp/said; }
trap greet HUP
greet
sleep infinity &
while :; do wait $! && exit; done
";

/// One of everything, in a version of its own.
fn lamp(version: &str) -> Source {
    Source::new("lamp")
        .replace("debian/control", "dh-sequence-venv", "dh-sequence-appconfig")
        .replace("debian/control", "${shlibs:Depends}, ${venv:Depends}", "init-system-helpers")
        .replace("debian/control", "Architecture: any", "Architecture: all")
        .file(
            "debian/rules",
            "#!/usr/bin/make -f\n\n%:\n\tdh $@\n\n# The restart is what the configuration decides.\n\
             override_dh_installsystemd:\n\tdh_installsystemd --no-stop-on-upgrade --no-restart-after-upgrade\n",
        )
        .file("debian/lamp.appconfig", APPCONFIG)
        .file("debian/appconfig/lamp.ini.hbs", LAMP_INI)
        .file("debian/appconfig/greeting.conf.hbs", "GREETING={{greeting}}\n")
        .file("debian/appconfig/shade.conf.hbs", "shade = {{level}}\n")
        .file("debian/appconfig/merged.ini.hbs", "[first]\na = 1\nb = 2\nc = 3\n\n[second]\nd = 4\ne = 5\nf = 6\n")
        .file(
            "debian/lamp.service",
            "[Unit]\nDescription=Lamp\n\n[Service]\nUser=lamp\nExecStart=/bin/sh /usr/share/lamp/lamp.sh\n\
             ExecReload=/bin/sh -c 'kill -HUP $MAINPID'\n\n[Install]\nWantedBy=multi-user.target\n",
        )
        .file("lamp.sh", LAMP)
        .file("debian/lamp.install", "lamp.sh usr/share/lamp\n")
        .version(version)
}

/// Every template has changed, and one file is no longer wanted.
fn lamp_2() -> Source {
    let gone = "File: /etc/lamp/greeting.conf\nTemplate: greeting.conf.hbs\nEscape: shell\nMode: 0644\n\
        On-Change: reload lamp\n\n";
    lamp("2.0")
        .replace("debian/appconfig/lamp.ini.hbs", "[lamp]", "# Second version.\n[lamp]")
        .replace("debian/appconfig/merged.ini.hbs", "f = 6", "f = 7")
        .replace("debian/appconfig/shade.conf.hbs", "shade", "# Second version.\nshade")
        .replace("debian/lamp.appconfig", gone, "")
        .replace(
            "debian/lamp.appconfig",
            "Setting: greeting\nType: string\nDefault: Good day\nDescription: What it says\n\n",
            "",
        )
        .without("debian/appconfig/greeting.conf.hbs")
}

fn first(suite: Suite) -> Arc<Built> {
    built(suite, "lamp 1.0", || lamp("1.0"))
}

fn second(suite: Suite) -> Arc<Built> {
    built(suite, "lamp 2.0", lamp_2)
}

/// The three versions in a system, as `/var/tmp/lamp_VERSION.deb`; 1.1 is 1.0 but for its number.
fn put_versions(session: &Session) {
    session.copy_in(first(session.suite()).deb(), "/var/tmp/lamp_1.0.deb");
    session.copy_in(second(session.suite()).deb(), "/var/tmp/lamp_2.0.deb");
    session.ok("dpkg-deb -R /var/tmp/lamp_1.0.deb /tmp/again
        sed -i 's/^Version: .*/Version: 1.1/' /tmp/again/DEBIAN/control
        dpkg-deb -Znone -b /tmp/again /var/tmp/lamp_1.1.deb");
}

/// appctl's package.
pub fn runtime(suite: Suite) -> PathBuf {
    let is_appctl = |deb: &PathBuf| deb.file_name().is_some_and(|name| name.to_string_lossy().starts_with("appctl_"));
    toolkit_debs(suite).into_iter().find(is_appctl).expect("appctl's package")
}

/// A system with the runtime, a neighbour that uses ucf, and debconf that asks nobody.
pub fn system(suite: Suite) -> Session {
    static MADE: [OnceLock<Session>; 2] = [const { OnceLock::new() }; 2];
    let made = MADE[suite as usize].get_or_init(|| {
        let session = target(suite);
        session.install(&[runtime(suite)]);
        session.ok("apt-get install -qq -y -o Dpkg::Use-Pty=0 systemd-sysv dbus ucf
            mkdir -p /usr/share/neighbour
            echo 'shade = yes' >/usr/share/neighbour/curtain.conf
            ucf /usr/share/neighbour/curtain.conf /etc/curtain.conf");
        session
    });
    made.fork()
}

/// Installs a package as an unattended upgrade does: nobody to ask, nothing to read.
#[track_caller]
fn unattended(session: &Session, built: &Built) -> String {
    let name = format!("/var/tmp/{}", built.deb().file_name().expect("a name").to_string_lossy());
    session.copy_in(built.deb(), &name);
    let output = session.ok(&format!("dpkg -i {name} <&- 2>&1"));
    output.stdout
}

/// Content, owner, mode and time of everything below /etc/lamp, apart from the directories' times.
const STATE: &str = "cd /etc/lamp
    find . -type f -printf '%p %u:%g %m %T@ ' -exec sha256sum {} + | LC_ALL=C sort;
    find . ! -type f -printf '%p %u:%g %m %l\\n' | LC_ALL=C sort";

fn case_01_an_edit_and_a_deletion_survive_an_upgrade(suite: Suite) {
    let session = system(suite);
    unattended(&session, &first(suite));
    session.ok("test \"$(stat -c '%U:%G %a' /etc/lamp/lamp.ini)\" = 'root:lamp 640'
        grep -qx 'GREETING=.*Good day.*' /etc/lamp/greeting.conf
        test \"$(readlink /etc/lamp/current.ini)\" = lamp.ini
        cd /etc/lamp
        sed -i 's/^level = 5/level = 6/' lamp.ini
        chmod 600 lamp.ini
        chown lamp:lamp lamp.ini
        sed -i 's/^a = 1/a = 10/' merged.ini
        rm greeting.conf shade.conf
        cp -p lamp.ini /tmp/edited");
    let log = unattended(&session, &second(suite));
    session.ok("cd /etc/lamp
        cmp lamp.ini /tmp/edited
        test \"$(stat -c '%U:%G %a %Y' lamp.ini)\" = \"$(stat -c '%U:%G %a %Y' /tmp/edited)\"
        grep -q 'Second version' lamp.ini.appctl-new
        test \"$(stat -c '%U:%G %a' lamp.ini.appctl-new)\" = 'lamp:lamp 600'
        test ! -e greeting.conf
        test ! -e greeting.conf.appctl-new
        test ! -e shade.conf
        test ! -e shade.conf.appctl-new
        grep -qx 'a = 10' merged.ini && grep -qx 'f = 7' merged.ini");
    assert!(log.contains("/etc/lamp/lamp.ini.appctl-new"), "the new version is not announced:\n{log}");
    // A deletion stays one, also where the file is still wanted.
    session.ok("rm /etc/lamp/merged.ini && dpkg-reconfigure -fnoninteractive lamp && ! test -e /etc/lamp/merged.ini");
    session.ok("grep -qx 'shade = yes' /etc/curtain.conf && dpkg --audit && test -z \"$(dpkg --audit)\"");
}

fn case_01_an_upgrade_without_a_change_touches_neither_files_nor_processes(suite: Suite) {
    let session = system(suite);
    put_versions(&session);
    let system = Booted::new(session);
    let pid = "systemctl show --value -p MainPID lamp";
    let starts = "journalctl -b --no-pager -o cat -u lamp | grep -c '^Started '";
    system.ok("dpkg -i /var/tmp/lamp_1.0.deb <&-");
    let (state, process) = (system.ok(STATE).stdout, system.ok(pid).stdout);
    assert_ne!(process, "0\n", "the service does not run");
    assert_eq!(system.ok(starts).stdout, "1\n", "the first install starts it once");
    std::thread::sleep(Duration::from_millis(1100));
    system.ok("dpkg -i /var/tmp/lamp_1.1.deb <&-");
    assert_eq!(system.ok(STATE).stdout, state);
    assert_eq!(system.ok(pid).stdout, process);
    system.ok("dpkg -i /var/tmp/lamp_2.0.deb <&-");
    assert_ne!(system.ok(pid).stdout, process, "a change of its file starts it again");
    assert_eq!(system.ok(starts).stdout, "2\n", "and does so once");
}

fn case_02_purge_without_the_runtime_leaves_nothing(suite: Suite) {
    let session = system(suite);
    let before = session.ok(LISTING).stdout;
    session.ok(
        "printf 'lamp lamp/password password first-secret-of-lamp\nlamp lamp/colour select blue\n' | debconf-set-selections",
    );
    unattended(&session, &first(suite));
    session.ok("grep -qx 'colour = blue' /etc/lamp/settings.d/60-appctl.conf");
    let token = session.ok("sed -n 's/^token = //p' /etc/lamp/lamp.ini").stdout.trim().to_owned();
    assert_eq!(token.len(), 40, "{token}");
    session.ok("echo 'mine = yes' >/etc/lamp/settings.d/README.local
        echo 'colour = green' >/etc/lamp/settings.d/70-mine.conf
        sed -i 's/^level = 5/level = 6/' /etc/lamp/lamp.ini
        echo x >/var/lib/lamp/data
        echo precious >/srv/lamp/data");
    unattended(&session, &second(suite));
    session.ok("test -e /etc/lamp/lamp.ini.appctl-new
        dpkg --purge --force-depends appctl
        dpkg --purge --force-all ucf debconf 2>&1
        dpkg --purge lamp");
    let found = session.ok(&format!(
        "grep -rslF -e '{token}' -e first-secret-of-lamp /etc /var /run /tmp /root /usr/share/lamp || true"
    ));
    assert_eq!(found.stdout, "", "a purged package's secret is left");
    // What the administrator made is hers; accounts stay (policy 9.2 and its users' practice).
    let left = session.ok("find /etc/lamp ! -type d | LC_ALL=C sort").stdout;
    assert_eq!(left, "/etc/lamp/settings.d/70-mine.conf\n/etc/lamp/settings.d/README.local\n");
    // A directory that is declared as kept stays with what is in it, the other one goes.
    session.ok("test \"$(stat -c %U:%a /srv/lamp)\" = lamp:750
        grep -x precious /srv/lamp/data
        test ! -e /var/lib/lamp && rm -r /srv/lamp");
    session.ok("getent passwd lamp && rm -r /etc/lamp");
    let after = session.ok(LISTING).stdout;
    let left: Vec<&str> = after.lines().filter(|line| !before.lines().any(|old| old == *line)).collect();
    assert!(left.is_empty(), "left behind: {left:#?}");
}

/// Everything that has the package's name, or is the runtime's.
const LISTING: &str = "find /etc /var/lib /var/log /usr /run /srv -xdev \\( -name '*lamp*' -o -path '*appctl*' -o -name '*.dpkg-*' \\) \
    ! -path '/var/lib/dpkg/*' | LC_ALL=C sort";

fn case_03_a_failing_script_leaves_what_policy_says(suite: Suite) {
    let session = system(suite);
    unattended(&session, &first(suite));
    let before = session.ok(STATE).stdout;
    // Each script of the new version, or of the old one, fails once.
    for script in ["preinst", "postinst", "prerm"] {
        session.copy_in(second(suite).deb(), "/var/tmp/new.deb");
        session.ok(&format!(
            "rm -rf /tmp/broken
             dpkg-deb -R /var/tmp/new.deb /tmp/broken
             cd /tmp/broken/DEBIAN
             test -e {script} || printf '#!/bin/sh\\nset -e\\n' >{script}
             chmod 755 {script}
             sed -i '1a test -e /tmp/lucky || exit 7' {script}
             dpkg-deb -b /tmp/broken /tmp/broken.deb >/dev/null"
        ));
        session.ok("rm -f /tmp/lucky");
        match script {
            "preinst" => {
                session.fails(1, "dpkg -i /tmp/broken.deb <&- 2>&1");
                session.ok("test \"$(dpkg-query -W -f '${Version} ${db:Status-Status}' lamp)\" = '1.0 installed'");
                assert_eq!(session.ok(STATE).stdout, before, "the old version's configuration stands");
            }
            "postinst" => {
                session.fails(1, "dpkg -i /tmp/broken.deb <&- 2>&1");
                session
                    .ok("test \"$(dpkg-query -W -f '${Version} ${db:Status-Status}' lamp)\" = '2.0 half-configured'");
                session.ok("touch /tmp/lucky && dpkg --configure -a <&-");
                session.ok("grep -q 'Second version' /etc/lamp/lamp.ini && ! test -e /etc/lamp/greeting.conf");
            }
            _ => {
                session.ok("touch /tmp/lucky && dpkg -i /tmp/broken.deb <&- && rm /tmp/lucky");
                session.fails(1, "dpkg --remove lamp 2>&1");
                session.ok("test \"$(dpkg-query -W -f '${db:Status-Status}' lamp)\" = installed");
                session.ok("grep -q 'Second version' /etc/lamp/lamp.ini && touch /tmp/lucky && dpkg --remove lamp");
            }
        }
    }
    // Removed, not purged: the configuration waits for the package to come back.
    let token = session.ok("grep ^token /etc/lamp/lamp.ini").stdout;
    unattended(&session, &second(suite));
    assert_eq!(session.ok("grep ^token /etc/lamp/lamp.ini").stdout, token);
    session.ok("test -z \"$(dpkg --audit)\"");
    // Unpacked, never configured, removed: only postrm remove runs.
    session.ok("dpkg --purge lamp && dpkg --unpack /var/tmp/new.deb && dpkg --remove lamp && dpkg --purge lamp");
    session.ok("! test -e /etc/lamp && ! test -e /var/lib/appctl/lamp");
    // Configured, then a newer version unpacked and removed: the secrets are there for the next one.
    session.copy_in(first(suite).deb(), "/var/tmp/old.deb");
    session.ok("dpkg -i /var/tmp/old.deb <&-
        grep ^token /etc/lamp/lamp.ini >/tmp/token
        dpkg --unpack /var/tmp/new.deb
        dpkg --remove lamp
        dpkg -i /var/tmp/new.deb <&-
        grep ^token /etc/lamp/lamp.ini | cmp - /tmp/token
        grep -q 'Second version' /etc/lamp/lamp.ini
        test -z \"$(dpkg --audit)\"");
    // With debconf there, its questions go, too.
    session.ok("grep -q '^Name: lamp/' /var/cache/debconf/config.dat && dpkg --purge lamp");
    session.ok("! grep -h lamp/ /var/cache/debconf/*.dat");
}

/// What dpkg calls, in the order of its table (policy 6.6), and what then runs.
fn case_03_what_runs_after_a_script_has_failed(suite: Suite) {
    let session = system(suite);
    for (version, built) in [("1.0", first(suite)), ("2.0", second(suite))] {
        tap(&session, built.deb(), version, &format!("/var/tmp/{version}.deb"));
    }
    let system = Booted::new(session);
    // `dpkg COMMAND` where these scripts fail, its exit status, and what it has called.
    let calls = |command: &str, failing: &[&str]| -> (i32, Vec<String>) {
        system.ok(&format!(
            "rm -f /var/tmp/fails* /var/tmp/calls; : >/var/tmp/calls; for script in {}; do
            touch /var/tmp/fails-$script; done",
            failing.join(" ")
        ));
        let status = system.run(&format!("dpkg {command} <&- 2>&1")).status;
        (status, system.ok("cat /var/tmp/calls").stdout.lines().map(str::to_owned).collect())
    };
    let pid = || system.ok("systemctl show --value -p MainPID lamp").stdout.trim().to_owned();
    let starts = || system.ok("journalctl -b --no-pager -o cat -u lamp | grep -c '^Started '").stdout.trim().to_owned();
    let status = || system.ok("dpkg-query -W -f '${Version} ${db:Status-Status}' lamp").stdout;
    assert_eq!(calls("-i /var/tmp/1.0.deb", &[]).0, 0);
    let (state, process) = (system.ok(STATE).stdout, pid());
    assert_eq!(starts(), "1");
    // The new version is given up: the old one goes on, untouched.
    let old_prerm = "1.0 prerm upgrade 2.0";
    for (failing, wanted) in [
        (
            vec!["2.0-preinst-upgrade"],
            vec![
                old_prerm,
                "2.0 preinst upgrade 1.0 2.0",
                "2.0 postrm abort-upgrade 1.0 2.0",
                "1.0 postinst abort-upgrade 2.0",
            ],
        ),
        (
            vec!["1.0-prerm-upgrade", "2.0-prerm-failed-upgrade"],
            vec![old_prerm, "2.0 prerm failed-upgrade 1.0 2.0", "1.0 postinst abort-upgrade 2.0"],
        ),
    ] {
        assert_eq!(calls("-i /var/tmp/2.0.deb", &failing), (1, wanted.into_iter().map(str::to_owned).collect()));
        assert_eq!(
            (status().as_str(), pid(), starts().as_str()),
            ("1.0 installed", process.clone(), "1"),
            "{failing:?}"
        );
        assert_eq!(system.ok(STATE).stdout, state, "{failing:?}");
    }
    // The old prerm fails, the new one stands in for it, and the new postinst fails at its very end.
    let (code, called) = calls("-i /var/tmp/2.0.deb", &["1.0-prerm-upgrade", "2.0-postinst-configure"]);
    assert_eq!((code, status().as_str()), (1, "2.0 half-configured"));
    assert_eq!(
        called,
        [
            old_prerm,
            "2.0 prerm failed-upgrade 1.0 2.0",
            "2.0 preinst upgrade 1.0 2.0",
            "1.0 postrm upgrade 2.0",
            "2.0 postinst configure 1.0",
        ]
    );
    let upgraded = pid();
    assert_ne!(upgraded, process);
    assert_eq!(calls("--configure -a", &[]), (0, vec!["2.0 postinst configure 1.0".to_owned()]));
    assert_eq!((status().as_str(), pid(), starts().as_str()), ("2.0 installed", upgraded, "2"));
    system.ok("grep -q 'Second version' /etc/lamp/lamp.ini
        grep ^token /etc/lamp/lamp.ini >/var/tmp/token
        test ! -e /etc/lamp/greeting.conf");
    // What the prerm has stopped runs again where the removal is given up.
    let (code, called) = calls("--remove lamp", &["2.0-prerm-remove"]);
    assert_eq!((code, status().as_str()), (1, "2.0 installed"));
    assert_eq!(called, ["2.0 prerm remove", "2.0 postinst abort-remove"]);
    assert_eq!((system.ok("systemctl is-active lamp").stdout.as_str(), starts().as_str()), ("active\n", "3"));
    // Removed, nothing runs; back again, it does, with what it had.
    assert_eq!(calls("--remove lamp", &[]), (0, vec!["2.0 prerm remove".to_owned(), "2.0 postrm remove".to_owned()]));
    let left = system.ok("grep -lszx '/usr/share/lamp/lamp.s[h]' /proc/[0-9]*/cmdline || true").stdout;
    assert_eq!(left, "");
    assert_eq!(calls("-i /var/tmp/2.0.deb", &[]).1, ["2.0 preinst install 2.0 2.0", "2.0 postinst configure 2.0"]);
    assert_eq!((system.ok("systemctl is-active lamp").stdout.as_str(), starts().as_str()), ("active\n", "4"));
    system.ok("grep ^token /etc/lamp/lamp.ini | cmp - /var/tmp/token && test -z \"$(dpkg --audit)\"");
    // Wholly replaced by another package, its service is that one's.
    let process = pid();
    system.ok("rm -rf /tmp/heir
        dpkg-deb -R /var/tmp/2.0.deb /tmp/heir
        cd /tmp/heir
        printf '%s\\n' 'Package: lantern' 'Version: 1' 'Architecture: all' 'Replaces: lamp' \
            'Maintainer: x <x@x.invalid>' 'Description: replaces all of lamp' >DEBIAN/control
        find DEBIAN -type f ! -name control -delete
        dpkg-deb -b /tmp/heir /tmp/heir.deb");
    assert_eq!(calls("-i /tmp/heir.deb", &[]), (0, vec!["2.0 postrm disappear lantern 1".to_owned()]));
    assert_eq!((pid(), starts().as_str()), (process, "4"));
    system.ok("grep ^token /etc/lamp/lamp.ini | cmp - /var/tmp/token");
}

/// A package whose scripts say how they are called, and fail at their end where
/// `/var/tmp/fails-VERSION-SCRIPT-ACTION` is.
pub fn tap(session: &Session, deb: &Path, version: &str, path: &str) {
    session.copy_in(deb, path);
    session.ok(&format!(
        "rm -rf /tmp/tapped
         dpkg-deb -R {path} /tmp/tapped
         cd /tmp/tapped/DEBIAN
         for script in preinst postinst prerm postrm; do
             [ -e $script ] || printf '#!/bin/sh\nset -e\n' >$script
             # debconf starts a postinst anew, which is one call of dpkg's.
             sed -i '2i [ -n \"${{DEBIAN_HAS_FRONTEND-}}\" ] || echo \"{version} '$script' $*\" >>/var/tmp/calls' $script
             echo '[ ! -e \"/var/tmp/fails-{version}-'$script'-$1\" ] || exit 7' >>$script
             chmod 755 $script
         done
         dpkg-deb -Znone -b /tmp/tapped {path} >/dev/null"
    ));
}

fn case_03_a_package_that_disappears_takes_no_configuration_with_it(suite: Suite) {
    let session = system(suite);
    unattended(&session, &first(suite));
    let state = session.ok(STATE).stdout;
    // A package that replaces all of lamp's files.
    session.copy_in(first(suite).deb(), "/var/tmp/old.deb");
    session.ok("rm -rf /tmp/heir
        dpkg-deb -R /var/tmp/old.deb /tmp/heir
        cd /tmp/heir
        printf '%s\\n' 'Package: lantern' 'Version: 1' 'Architecture: all' 'Replaces: lamp' \
            'Maintainer: x <x@x.invalid>' 'Description: replaces all of lamp' >DEBIAN/control
        find DEBIAN -type f ! -name control -delete
        dpkg-deb -b /tmp/heir /tmp/heir.deb
        dpkg -i /tmp/heir.deb
        test \"$(dpkg-query -W -f '${db:Status-Status}' lamp)\" = not-installed");
    assert_eq!(session.ok(STATE).stdout, state);
}

fn case_10_no_secret_shows_while_installing(suite: Suite) {
    let session = system(suite);
    session.copy_in(first(suite).deb(), "/var/tmp/lamp.deb");
    session.ok("echo 'lamp lamp/password password first-secret-of-lamp' | debconf-set-selections");
    let system = Booted::new(session);
    // Every process's command line and environment, as often as possible, while dpkg works.
    system.ok("cat >/tmp/sample <<'E'
import os, sys
seen = set()
while not os.path.exists('/tmp/stop'):
    for pid in filter(str.isdigit, os.listdir('/proc')):
        for name in ('cmdline', 'environ'):
            try:
                with open(f'/proc/{pid}/{name}', 'rb') as stream:
                    seen.add(stream.read())
            except OSError:
                pass
with open('/tmp/samples', 'wb') as stream:
    stream.write(b'\\n'.join(sorted(seen)))
E
        python3 /tmp/sample & sampler=$!
        dpkg -i /var/tmp/lamp.deb <&- >/var/log/install.log 2>&1
        appctl config set lamp level=7 >>/var/log/install.log 2>&1
        touch /tmp/stop && wait $sampler");
    let samples = system.ok("tr '\\0' ' ' </tmp/samples").stdout;
    system.ok("rm /tmp/samples");
    assert!(samples.contains("appctl maint postinst lamp"), "the sampler has not seen appctl:\n{samples}");
    let token = system.ok("sed -n 's/^token = //p' /etc/lamp/lamp.ini").stdout.trim().to_owned();
    assert_eq!(token.len(), 40);
    system.ok("sed -n 's/^hash = //p' /etc/lamp/lamp.ini | grep '^\\$y\\$'");
    for secret in [token.as_str(), "first-secret-of-lamp"] {
        assert!(!samples.contains(secret), "a command line or environment has it");
        // grep's status is 2 where a directory is missing, found or not: its output tells.
        let found = system.ok(&format!(
            "grep -rslF -D skip '{secret}' /var/log /var/cache/debconf /var/lib/ucf /run /tmp || true
            journalctl -b --no-pager >/root/journal
            grep -F '{secret}' /root/journal || true
            rm /root/journal"
        ));
        assert_eq!(found.stdout, "", "a log or a cache has a secret");
    }
    // Only files that are not world-readable have it.
    let found = system.ok(&format!("find / -xdev -type f -perm -4 -exec grep -lF '{token}' {{}} + || true"));
    assert_eq!(found.stdout, "", "everyone can read a secret");
    assert!(
        system
            .ok(&format!("find /etc/lamp -type f -exec grep -lF '{token}' {{}} + || true"))
            .stdout
            .contains("lamp.ini")
    );
}

fn an_answer_in_debconf_is_a_setting_and_a_wrong_one_is_refused(suite: Suite) {
    let session = system(suite);
    session.ok("printf '%s\\n' 'lamp lamp/colour select blue' 'lamp lamp/level string 99' | debconf-set-selections");
    let log = unattended(&session, &first(suite));
    session.ok("grep -qx 'colour = blue' /etc/lamp/lamp.ini
        grep -qx 'level = 5' /etc/lamp/lamp.ini
        grep -q '^colour = blue$' /etc/lamp/settings.d/60-appctl.conf
        test \"$(stat -c '%U:%G %a' /etc/lamp/settings.d/60-appctl.conf)\" = 'root:root 600'");
    assert!(log.contains("level") && log.contains("1 to 9"), "the refusal is not explained:\n{log}");
    let seen = session.ok("echo 'FGET lamp/level seen' | debconf-communicate lamp").stdout;
    assert_eq!(seen, "0 false\n", "a refused answer is asked again");
    // What stands in /etc decides; a later configure does not bring the old answer back.
    session.ok("echo 'colour = green' >/etc/lamp/settings.d/70-site.conf
        dpkg-reconfigure -fnoninteractive lamp
        grep -qx 'colour = green' /etc/lamp/lamp.ini
        appctl config show lamp colour | grep -q green");
    // The question has the value that counts, and our file what was said before.
    assert_eq!(session.ok("echo 'GET lamp/colour' | debconf-communicate lamp").stdout, "0 green\n");
    session.ok("grep -q '^colour = blue$' /etc/lamp/settings.d/60-appctl.conf && dpkg --purge lamp && rm -r /etc/lamp");
    // Nobody has seen this one: it is no answer.
    session.ok("echo 'lamp lamp/colour select green' | debconf-set-selections
        echo 'FSET lamp/colour seen false' | debconf-communicate lamp");
    unattended(&session, &first(suite));
    session.ok("grep -qx 'colour = red' /etc/lamp/lamp.ini && ! test -e /etc/lamp/settings.d/60-appctl.conf");
}

fn config_set_changes_all_or_nothing_and_restarts_once(suite: Suite) {
    let session = system(suite);
    session.copy_in(first(suite).deb(), "/var/tmp/lamp.deb");
    let system = Booted::new(session);
    system.ok("dpkg -i /var/tmp/lamp.deb <&-");
    let state = system.ok(STATE).stdout;
    let starts = "journalctl -b --no-pager -o cat -u lamp | grep -c '^Started '";
    system.fails(1, "appctl config set lamp level=0");
    system.fails(1, "appctl config set lamp colour=pink level=3");
    let refusal = system.fails(2, "appctl config set lamp token=abc");
    assert!(refusal.stderr.contains("--stdin"), "{}", refusal.stderr);
    assert_eq!(system.ok(STATE).stdout, state, "a refused change changes nothing");
    // The check refuses what the template makes of it.
    system.ok("sed -i 's/^level/brightness/' /usr/share/appctl/lamp/templates/lamp.ini.hbs");
    let failed = system.fails(1, "appctl config set lamp level=3");
    assert!(failed.stderr.contains("/etc/lamp/lamp.ini"), "{}", failed.stderr);
    system.ok("sed -i 's/^brightness/level/' /usr/share/appctl/lamp/templates/lamp.ini.hbs");
    assert_eq!(system.ok(STATE).stdout, state);
    assert_eq!(system.ok(starts).stdout, "1\n");
    system.ok("appctl config set lamp level=3 colour=green");
    system.ok("grep -qx 'level = 3' /etc/lamp/lamp.ini && grep -qx 'colour = green' /etc/lamp/lamp.ini");
    assert_eq!(system.ok(starts).stdout, "2\n");
    // A service that does not come up with it is told of; the change is in place.
    system.ok("mkdir -p /run/systemd/system/lamp.service.d
        cd /run/systemd/system/lamp.service.d
        printf '[Service]\nExecStartPre=/bin/false\n' >fails.conf && systemctl daemon-reload");
    let failed = system.fails(1, "appctl config set lamp level=2");
    assert!(failed.stderr.contains("systemctl status lamp"), "{}", failed.stderr);
    system.ok("grep -qx 'level = 2' /etc/lamp/lamp.ini
        rm /run/systemd/system/lamp.service.d/fails.conf
        systemctl daemon-reload && systemctl start lamp && appctl config set lamp level=3");
    // systemd refuses a sixth start within ten seconds; this makes it count anew.
    system.ok("systemctl reset-failed lamp");
    let token = system.ok("sed -n 's/^token = //p' /etc/lamp/lamp.ini").stdout;
    system.ok("sed -i 's/^level = 3/level = 4/' /etc/lamp/settings.d/60-appctl.conf");
    let shown = system.fails(3, "appctl config diff lamp").stdout;
    assert!(shown.contains("+level = 4") && !shown.contains(token.trim()), "{shown}");
    system.ok("printf %s a-new-secret-for-the-lamp | appctl config set lamp password --stdin");
    // What the system's own crypt(3) says of the hash.
    system.ok("perl -e 'my ($hash) = `cat /etc/lamp/lamp.ini` =~ /^hash = (.*)$/m; $hash =~ s/%%/%/g;
        exit(crypt(\"a-new-secret-for-the-lamp\", $hash) ne $hash)'");
}

/// Where it is stopped in vain, nothing is done: with the dependency that does it gone, or only unpacked.
fn what_is_given_up_needs_no_runtime(suite: Suite) {
    let notes = built(suite, "example flask", || Source::example("flask", "notes"));
    let session = system(suite);
    let packages = [("lamp", first(suite).deb().to_owned())]
        .into_iter()
        .chain(["notes", "notes-supervisord"].map(|name| (name, notes.package(name).to_owned())));
    let packages: Vec<_> = packages.collect();
    session.copy_in(&runtime(suite), "/var/tmp/appctl.deb");
    for (name, deb) in &packages {
        session.install(&[deb]);
        // For what they depend on.
        session.ok(&format!("dpkg --purge {name}"));
        tap(&session, deb, "any", &format!("/var/tmp/{name}.deb"));
    }
    let called = |name: &str, command: &str, failing: &str| {
        session.ok(&format!("rm -f /var/tmp/fails* && : >/var/tmp/calls && touch /var/tmp/fails-any-{failing}"));
        let output = session.run(&format!("dpkg --force-depends {command} <&- 2>&1"));
        assert!(!output.success(), "{name}: {command}: {}", output.dump());
        // Besides the script that was to fail, none has.
        let failed: Vec<&str> = output.stdout.lines().filter(|line| line.contains("returned error")).collect();
        assert_eq!(failed.len(), 1, "{name}: {command}: {}", output.dump());
        session.ok("rm -f /var/tmp/fails*");
        session.ok("sed 's/^any //; s/ in-favour.*//; s/ [0-9].*//' /var/tmp/calls").stdout.replace('\n', ", ")
    };
    // Gone, then unpacked and not configured.
    for runtime in
        ["dpkg --purge --force-depends appctl && test ! -e /usr/bin/appctl", "dpkg --unpack /var/tmp/appctl.deb"]
    {
        for (name, _) in &packages {
            session.ok(&format!("dpkg -i /var/tmp/appctl.deb && rm -rf /etc/{name}"));
            session.ok(&format!(
                "{runtime}
                mkdir -p /tmp/rival/DEBIAN
                cd /tmp/rival/DEBIAN
                printf '%s\\n' 'Package: rival' 'Version: 1' 'Architecture: all' 'Breaks: {name}' \
                    'Maintainer: x <x@x.invalid>' 'Description: breaks it' >control
                printf '#!/bin/sh\\nexit 7\\n' >preinst && chmod 755 preinst
                dpkg-deb -b /tmp/rival /var/tmp/rival.deb"
            ));
            let deb = format!("/var/tmp/{name}.deb");
            let call = |command: &str, failing: &str| called(name, command, failing);
            let said = call(&format!("-i {deb}"), "preinst-install");
            assert_eq!(said, "preinst install, postrm abort-install, ", "{name}");
            // Only appctl itself configures.
            session.ok(&format!("dpkg -i /var/tmp/appctl.deb && dpkg -i {deb} <&- && {runtime}"));
            let said = call(&format!("-i {deb}"), "preinst-upgrade");
            assert_eq!(
                said, "prerm upgrade, preinst upgrade, postrm abort-upgrade, postinst abort-upgrade, ",
                "{name}"
            );
            let said = call(&format!("--remove {name}"), "prerm-remove");
            assert_eq!(said, "prerm remove, postinst abort-remove, ", "{name}");
            let said = call("--auto-deconfigure -i /var/tmp/rival.deb", "nothing");
            assert_eq!(said, "prerm deconfigure, postinst abort-deconfigure, ", "{name}");
            session.ok(&format!(
                "test \"$(dpkg-query -W -f '${{db:Status-Status}}' {name})\" = installed
                dpkg --purge {name} <&- && test ! -e /var/lib/appctl/{name}"
            ));
        }
    }
}

fn a_question_is_asked_and_its_answer_reaches_the_file(suite: Suite) {
    let notes = built(suite, "example flask", || Source::example("flask", "notes"));
    let session = system(suite);
    session.copy_in(notes.deb(), "/var/tmp/notes.deb");
    session.install(&[notes.deb()]);
    // A person at a terminal: waits for the question, then types.
    session.write("/var/tmp/person.py", PERSON);
    session.ok("printf '#!/bin/sh\\ncat \"$1\"; sed -i s/127.0.0.1:8123/[::1]:8124/ \"$1\"\\n' >/var/tmp/editor
        chmod 755 /var/tmp/editor");
    let person = |frontend: &str, priority: &str, answers: &str, command: &str| {
        let variables =
            format!("DEBIAN_FRONTEND={frontend} DEBIAN_PRIORITY={priority} EDITOR=/var/tmp/editor TERM=dumb");
        session.ok(&format!("{variables} timeout 120 python3 /var/tmp/person.py '{answers}' {command}")).stdout
    };
    let purge = "dpkg --purge notes && echo PURGE | debconf-communicate notes";
    // It is no important question: by default nobody is asked.
    session.ok(purge);
    let said = person("readline", "high", "", "dpkg -i /var/tmp/notes.deb");
    assert!(!said.contains("listens on"), "{said}");
    session.ok("grep -x 'listen = \"127.0.0.1:8000\"' /etc/notes/notes.toml
        test ! -e /etc/notes/settings.d/60-appctl.conf");
    session.ok(purge);
    let said = person("readline", "medium", "127.0.0.1:8123", "dpkg -i /var/tmp/notes.deb");
    assert!(said.contains("Address that the notes service listens on"), "{said}");
    assert!(said.contains("The service does not ask who its visitors are"), "{said}");
    let stands = "grep -x 'listen = \"127.0.0.1:8123\"' /etc/notes/notes.toml
        grep -x 'listen = 127.0.0.1:8123' /etc/notes/settings.d/60-appctl.conf
        grep -x 'ListenStream=127.0.0.1:8123' /etc/systemd/system/notes.socket.d/listen.conf";
    session.ok(stands);
    // An answer that is none is named, and nothing changes; nor does it where none is given.
    let said = person("readline", "medium", "nowhere", "dpkg-reconfigure notes");
    assert!(said.contains("bad value of 'listen'"), "{said}");
    session.ok(stands);
    person("readline", "medium", "nothing", "dpkg-reconfigure notes");
    session.ok(stands);
    // Asked again, it begins with what counts.
    let said = person("editor", "medium", "", "dpkg-reconfigure notes");
    assert!(said.contains("notes/listen=\"127.0.0.1:8123\""), "{said}");
    session.ok("grep -x 'listen = \"\\[::1\\]:8124\"' /etc/notes/notes.toml
        grep -x 'listen = \\[::1\\]:8124' /etc/notes/settings.d/60-appctl.conf");
}

/// Runs a command on a terminal of its own, and answers what it asks about an address.
const PERSON: &str = "\
import os, pty, sys
answers, *command = sys.argv[1:]
answers = answers.split()
child, terminal = pty.fork()
if not child:
    os.execvp(command[0], command)
said, asked = b'', 0
while True:
    try:
        some = os.read(terminal, 4096)
    except OSError:
        break
    if not some:
        break
    said += some
    if answers and b'listens on' in said[asked:] and said.endswith((b': ', b'] ')):
        os.write(terminal, answers.pop(0).replace('nothing', '').encode() + b'\\n')
        asked = len(said)
sys.stdout.write(said.decode(errors='replace').replace('\\r', ''))
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
";

fn a_reload_keeps_the_process_and_policy_binds_scripts_alone(suite: Suite) {
    let session = system(suite);
    put_versions(&session);
    let system = Booted::new(session);
    system.ok("dpkg -i /var/tmp/lamp_1.0.deb <&-");
    let pid = || system.ok("systemctl show --value -p MainPID lamp").stdout.trim().to_owned();
    let has_said = |wanted: &str| {
        system.until(Duration::from_secs(10), &format!("tail -n 1 /var/lib/lamp/said | grep {wanted}"));
        system.ok("wc -l </var/lib/lamp/said").stdout.trim().to_owned()
    };
    let process = pid();
    assert_eq!(has_said("Good.*day"), "1");
    // By a person, and by a maintainer script after a change in the site's own file: read again, once.
    let said = system.ok("appctl config set lamp greeting=Hello 2>&1").stdout;
    assert!(said.contains("lamp.service: reloaded"), "{said}");
    assert_eq!((has_said("Hello").as_str(), pid()), ("2", process.clone()));
    system.ok("echo 'greeting = Welcome' >/etc/lamp/settings.d/70-site.conf && dpkg -i /var/tmp/lamp_1.1.deb <&-");
    assert_eq!((has_said("Welcome").as_str(), pid()), ("3", process.clone()));
    system.ok("dpkg -i /var/tmp/lamp_1.1.deb <&-");
    assert_eq!((has_said("Welcome").as_str(), pid()), ("3", process.clone()));
    // Both at once is a restart, which reads everything.
    system.ok("rm /etc/lamp/settings.d/70-site.conf && appctl config set lamp level=7 greeting=Bye");
    let restarted = pid();
    assert_ne!(restarted, process);
    assert_eq!(has_said("Bye"), "4");
    // A policy forbids: scripts heed it, for restarts and for reloads; what a person asks for is done.
    system.ok("printf '#!/bin/sh\\nexit 101\\n' >/usr/sbin/policy-rc.d && chmod 755 /usr/sbin/policy-rc.d
        echo 'greeting = Silence' >/etc/lamp/settings.d/70-site.conf
        dpkg -i /var/tmp/lamp_1.1.deb <&-
        grep Silence /etc/lamp/greeting.conf");
    assert_eq!((has_said("Bye").as_str(), pid()), ("4", restarted.clone()));
    system.ok("rm /etc/lamp/settings.d/70-site.conf
        dpkg -i /var/tmp/lamp_2.0.deb <&-
        grep 'Second version' /etc/lamp/lamp.ini");
    assert_eq!((has_said("Bye").as_str(), pid()), ("4", restarted.clone()));
    let said = system.ok("appctl config set lamp level=2 2>&1").stdout;
    assert!(said.contains("lamp.service: restarted"), "{said}");
    assert_ne!(pid(), restarted);
    system.ok("systemctl is-active lamp");
}

fn the_example_serves_as_it_is_configured(suite: Suite) {
    let notes = built(suite, "example flask", || Source::example("flask", "notes"));
    let session = system(suite);
    // Preseeded, as an installer does.
    session.ok("echo 'notes notes/listen string 127.0.0.1:8765' | debconf-set-selections");
    session.install(&[notes.deb()]);
    session.copy_in(notes.deb(), "/var/tmp/notes.deb");
    session.ok("dpkg-deb -R /var/tmp/notes.deb /tmp/newer
        sed -i 's/^Version: .*/Version: 99/' /tmp/newer/DEBIAN/control
        dpkg-deb -Znone -b /tmp/newer /var/tmp/newer.deb");
    let system = Booted::new(session);
    let ask = |address: &str| {
        format!(
            "python3 -c 'import urllib.request as r; print(r.urlopen(\"http://{address}/health\").read().decode())'"
        )
    };
    // What is listened on: the address in hexadecimal, state 0A.
    let listening = |port: u16| format!("grep -i ' 0100007F:{port:04X} 00000000:0000 0A ' /proc/net/tcp");
    system.until(Duration::from_secs(30), &ask("127.0.0.1:8765"));
    system.ok(&listening(8765));
    system.fails(1, &listening(8000));
    system.fails(1, &ask("127.0.0.1:8000"));
    // The key is in its file, which others cannot read, and is the one that appctl has made.
    system.ok("test \"$(stat -c '%U:%G %a' /etc/notes/notes.toml)\" = 'root:notes 640'
        sed -n 's/^session_key = \"\\(.*\\)\"$/\\1/p' /etc/notes/notes.toml >/root/key
        grep -Ex '[A-Za-z0-9_-]{48}' /root/key
        test \"$(stat -c '%U:%G %a' /var/lib/appctl/notes/secrets.json)\" = 'root:root 600'
        grep -Ff /root/key /var/lib/appctl/notes/secrets.json");
    system.ok("appctl config set notes listen=127.0.0.1:9000");
    system.until(Duration::from_secs(30), &ask("127.0.0.1:9000"));
    system.ok(&listening(9000));
    system.fails(1, &listening(8765));
    system.ok("dpkg -V notes && systemctl is-active notes.target notes.socket notes@0 notes@1");
    // An address that somebody else has: it is said, the change stands, and the old value is the way back.
    system.ok("systemd-run --quiet --unit=other python3 -m http.server --bind 127.0.0.1 9100");
    system.until(Duration::from_secs(30), &listening(9100));
    let failed = system.fails(1, "appctl config set notes listen=127.0.0.1:9100");
    assert!(failed.stderr.contains("notes.socket does not start"), "{}", failed.stderr);
    system
        .ok("grep -x 'listen = \"127.0.0.1:9100\"' /etc/notes/notes.toml && test $(appctl status notes | wc -l) -gt 1");
    system.ok("appctl config set notes listen=127.0.0.1:9000");
    system.ok(&ask("127.0.0.1:9000"));
    system.ok("systemctl stop other && systemctl is-active notes.target notes.socket notes@0 notes@1");
    // Where a program can read its files again, that is what is done to each of its processes.
    system.ok("mkdir -p /run/systemd/system/notes@.service.d
        cd /run/systemd/system/notes@.service.d
        printf '[Service]\\nExecReload=/bin/sh -c \"kill -HUP $MAINPID\"\\n' >reload.conf && systemctl daemon-reload
        sed -i 's/\"restart\"/\"reload\"/' /usr/share/appctl/notes/manifest.json");
    let processes = || system.ok("systemctl show --value -p MainPID notes@0 notes@1").stdout;
    let before = processes();
    let said = system.ok("appctl config set notes database=/var/lib/notes/other.db 2>&1").stdout;
    assert!(said.contains("notes@0.service: reloaded") && said.contains("notes@1.service: reloaded"), "{said}");
    assert_eq!(processes(), before);
    system.until(Duration::from_secs(30), &ask("127.0.0.1:9000"));
    // The static file is dpkg's: edited, it is kept over an upgrade, and so is the key.
    system.ok("dpkg-query -W -f '${Conffiles}' notes | grep '^ /etc/notes/logging.ini '
        echo '; mine' >>/etc/notes/logging.ini
        cp -p /etc/notes/logging.ini /root/mine
        dpkg -i /var/tmp/newer.deb <&-
        cmp /etc/notes/logging.ini /root/mine
        grep -Ff /root/key /etc/notes/notes.toml");
    system.until(Duration::from_secs(30), &ask("127.0.0.1:9000"));
    system.ok("dpkg --purge notes <&- && test ! -e /etc/notes && test ! -e /var/lib/appctl/notes");
}

/// Two packages of five files from ten settings; nothing is asked, or one of them.
fn five() -> Source {
    let mut source = Source::new("five")
        .replace("debian/control", "dh-sequence-venv", "dh-sequence-appconfig")
        .more("debian/control", &binary("asked", "any"))
        .replace("debian/control", "${shlibs:Depends}, ${venv:Depends}", "init-system-helpers")
        .replace("debian/control", "Architecture: any", "Architecture: all");
    for (name, question) in [("five", ""), ("asked", "Description: A number\nAsk: medium\n")] {
        let settings: String = (0..10)
            .map(|n| {
                format!("Setting: value_{n}\nType: integer\nDefault: {n}\n{}\n", if n == 0 { question } else { "" })
            })
            .collect();
        let files: String = (0..5).map(|n| format!("File: /etc/{name}/{n}.ini\n\n")).collect();
        source = source.file(&format!("debian/{name}.appconfig"), &format!("Format: 1\n\n{settings}{files}"));
    }
    for n in 0..5 {
        let text = format!("[part]\na = {{{{value_{n}}}}}\nb = {{{{value_{}}}}}\n", n + 5);
        source = source.file(&format!("debian/appconfig/{n}.ini.hbs"), &text);
    }
    source
}

/// What a question adds is debconf's own time, and is said.
#[expect(clippy::print_stdout, reason = "the figures are wanted, not only whether they suffice")]
fn five_files_cost_little_more_than_an_empty_postinst(suite: Suite) {
    let session = system(suite);
    for name in ["five", "asked"] {
        session.copy_in(built(suite, "five", five).package(name), &format!("/var/tmp/{name}.deb"));
    }
    session.ok("mkdir -p /tmp/none/DEBIAN
        cd /tmp/none/DEBIAN
        printf '%s\\n' 'Package: none' 'Version: 1' 'Architecture: all' 'Maintainer: x <x@x.invalid>' \
            'Description: does nothing' >control
        printf '#!/bin/sh\\nset -e\\n' >postinst && chmod 755 postinst
        dpkg-deb -b /tmp/none /var/tmp/none.deb");
    // The least of several, in turns: what else runs on the machine only adds.
    let times = session
        .ok("for turn in $(seq 9); do
            for package in none five asked; do
                dpkg --unpack /var/tmp/$package.deb >/dev/null
                began=$(date +%s%N)
                dpkg --configure $package >/dev/null <&-
                echo $package $((($(date +%s%N) - began) / 1000000))
                dpkg --purge $package >/dev/null
            done
        done")
        .stdout;
    let least = |name: &str| -> u32 {
        let of = times.lines().filter_map(|line| line.strip_prefix(name)?.trim().parse().ok());
        of.min().unwrap_or_else(|| panic!("no times of {name}:\n{times}"))
    };
    let (none, five, asked) = (least("none"), least("five"), least("asked"));
    println!(
        "dpkg --configure on {suite:?}: {none} ms with an empty postinst, {five} ms with five files, \
         {asked} ms where debconf asks for one of their settings"
    );
    assert!(five <= none + 60, "{five} ms, {none} ms for an empty postinst:\n{times}");
}
