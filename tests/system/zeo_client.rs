//! examples/zope on examples/zeo-server: installed together, by systemd and by
//! supervisord, its administrator made exactly once.

use std::sync::Arc;
use std::time::Duration;

use crate::harness::{Booted, Suite, repository};
use crate::on_suites;
use crate::package::{Built, Source, built, built_like};
use crate::zeo_cases::{
    BOARD, GUESTBOOK, Site, a_new_password_stays, ask, away, json, many_seed_and_one_is_killed, nothing_is_left,
    prepared, probes, seen_nowhere,
};

const PASSWORD: &str = "/var/lib/board/initial-admin-password";

on_suites!(
    both: [],
    bookworm: [under_systemd_the_administrator_is_made_once_and_stays, lintian_is_content_with_the_zope_example],
    trixie: [
        under_supervisord_the_same,
        grok_lets_its_principal_write,
        lintian_is_content_with_the_grok_example
    ],
);

pub fn server(suite: Suite) -> Arc<Built> {
    built(suite, "example zeo-server", || Source::example("zeo-server", "zeo-server"))
}

pub fn board(suite: Suite) -> Arc<Built> {
    built(suite, "example zope", || Source::example("zope", "board"))
}

pub fn guestbook(suite: Suite) -> Arc<Built> {
    built(suite, "example grok", || Source::example("grok", "guestbook"))
}

/// The example for supervisord, with a second storage, which Zope mounts: one of its servers is not there.
fn supervised(suite: Suite) -> Arc<Built> {
    const ARCHIVE: &str = "\nStorage: archive\nServer: 127.0.0.1:8109 127.0.0.1:8100\nName: archive\nMount: /archive\n";
    const MOUNTING: &str = "products-zodbmountpoint==3.0 \\\n    \
         --hash=sha256:36ad4dfdc40bc589f53ea2bf9f68fec7761933be16bb5eb779e1baf1e3c18cfe\n";
    built(suite, "example zope, supervised", || {
        let read = |path: &str| std::fs::read_to_string(repository().join("examples/zope").join(path)).unwrap();
        Source::example("zope", "board")
            .file("debian/board.zeoclient", &read("debian/board.zeoclient"))
            .replace("debian/board.zeoclient", "Framework: zope\n", "Framework: zope\nBackend: supervisord\n")
            .more("debian/board.zeoclient", ARCHIVE)
            .file("requirements.txt", &read("requirements.txt"))
            .more("requirements.txt", MOUNTING)
    })
}

/// The Grok example as an application that PasteDeploy loads, with a site.zcml and an ini file of its own, for supervisord.
fn pasted(suite: Suite) -> Arc<Built> {
    built_like(&guestbook(suite), "example grok, by paste", || {
        let read = |path: &str| std::fs::read_to_string(repository().join(path)).unwrap();
        let site = read("share/templates/zeoclient/site-grok.zcml.hbs");
        let (start, end) = (site.find("{{#each").expect("a list"), site.find("{{/each}}\n").expect("its end"));
        let site = format!("{}  <include package=\"guestbook\" />\n{}", &site[..start], &site[end + 10..]);
        Source::example("grok", "guestbook")
            .version("1.1")
            .file("debian/guestbook.zeoclient", &read("examples/grok/debian/guestbook.zeoclient"))
            .replace(
                "debian/guestbook.zeoclient",
                "Framework: grok\nZcml: guestbook\n",
                "Framework: paste\nUse: egg:guestbook#main\nBackend: supervisord\n",
            )
            .replace("debian/guestbook.zeoclient", "8100\n", "8100\nWait-Timeout: 2\n")
            .file("debian/zeoclient/site.zcml", &site)
    })
}

fn lintian_is_content_with_the_zope_example(suite: Suite) {
    crate::examples::assert_lintian_is_content(&board(suite));
}

fn lintian_is_content_with_the_grok_example(suite: Suite) {
    crate::examples::assert_lintian_is_content(&guestbook(suite));
}

/// Installs the client where its server is up. The figure counts on a quiet machine only:
/// `make soak` sets FIRST_ANSWER=6, and the limit is a generous one without it.
#[expect(clippy::print_stdout, reason = "the figure is shown with the result")]
fn time_to_the_first_answer(system: &Booted) {
    system.ok("systemd-run --quiet --unit=first python3 /usr/local/bin/first.py && sleep 0.3");
    let timed =
        system.ok("date +%s.%N >/var/tmp/began; dpkg -i /var/tmp/client.deb >&2; cat /var/tmp/began; date +%s.%N");
    let first = system.until(Duration::from_secs(60), "cat /var/tmp/first").stdout;
    let times: Vec<f64> =
        format!("{}{first}", timed.stdout).split_whitespace().map(|word| word.parse().expect("a time")).collect();
    let (answer, whole) = (times[2] - times[0], times[1] - times[0]);
    println!("dpkg -i of the Zope example: first answer after {answer:.2} s, both instances serve after {whole:.2} s");
    let limit = std::env::var("FIRST_ANSWER").ok().map_or(40.0, |text| text.parse().expect("FIRST_ANSWER: seconds"));
    assert!(answer < limit && whole < limit + 20.0, "{answer} s, {whole} s: {}", timed.dump());
}

fn under_systemd_the_administrator_is_made_once_and_stays(suite: Suite) {
    let client = board(suite);
    let system = prepared(suite, &client, None, "");
    system.ok("dpkg -i /var/tmp/zeo-server.deb && appctl status --json >/dev/null");
    time_to_the_first_answer(&system);

    // As a new one.
    system.ok(
        "dpkg --purge board && systemctl stop zeo-server && rm -rf /var/lib/zeo-server/* && systemctl start zeo-server",
    );
    let first = seen_nowhere(&system, &BOARD);
    for unit in ["board@0", "board@1"] {
        system.ok(&format!("systemctl is-active {unit} && systemd-analyze security --threshold=15 {unit}.service"));
    }
    assert_eq!(system.ok(&format!("stat -c '%U %a' {PASSWORD}")).stdout, "board 600\n");
    // What systemd has handed over, not one that the seeder has made up itself.
    assert_eq!(system.ok("cat /etc/board/admin-password").stdout.trim(), first);
    assert_eq!(BOARD.put(&system, &first, "It runs"), "303");
    assert_eq!(BOARD.put(&system, "not-the-password-of-anybody", "no"), "401");
    assert!(ask(&system, "http://127.0.0.1:8080/board").contains("It runs"));

    let status = system.ok("appctl bootstrap status board").stdout;
    assert!(status.contains("storage main on 127.0.0.1:8100: data"), "{status}");
    assert!(status.contains("administrator: 'admin', made by board on"), "{status}");
    assert!(status.contains("data: version 1.0"), "{status}");
    assert!(system.ok("appctl status board").stdout.contains("storage main on 127.0.0.1:8100: data"));
    probes(&system, &BOARD);
    // One of two servers is enough.
    let set = system.ok("appctl config set board 'server=127.0.0.1:1 127.0.0.1:8100'");
    assert!(set.elapsed < Duration::from_secs(60), "it serves and nobody notices: {}", set.dump());
    BOARD.answers(&system);
    assert_eq!(BOARD.put(&system, &first, "with a server that is not there"), "303");
    // An instance has a cache and blobs of its own.
    system.ok("ls -d /var/cache/board/0/*blobs* /var/cache/board/1/*blobs*");
    let told = |words: &str| -> serde_json::Value {
        let it = json(&system.ok(words).stdout);
        assert_eq!((&it["schema"], &it["package"]), (&1.into(), &"board".into()), "{words}: {it}");
        it
    };
    assert_eq!(told("appctl --json bootstrap status board")["storages"][0]["result"], "data");
    assert_eq!(told("appctl --json status board")["storages"][0]["result"], "data");
    told("appctl --json bootstrap run board");
    // Whoever has read it can be sure that the machine no longer has it.
    told("appctl --json bootstrap ack board");
    system.ok(&format!("! test -e {PASSWORD} && ! grep -rqF -- '{first}' /etc/board /var/lib/appctl/board"));

    // Without its file the credential is empty, and a service starts all the same.
    system.ok("rm -f /etc/board/admin-password && systemctl restart board@0 && systemctl is-active board@0");
    let complaints = system.run("journalctl --no-pager | grep -i 'invalid syntax'");
    assert_eq!(complaints.stdout, "", "what systemd does not understand");

    a_new_password_stays(&system, &BOARD, &first, "another-password-of-thirty-two-");
    many_seed_and_one_is_killed(&system, &BOARD, &["after tpc_finish"]);
    away(&system, &BOARD);
}

fn under_supervisord_the_same(suite: Suite) {
    let client = supervised(suite);
    let system = prepared(suite, &client, None, "supervisor");
    system.ok("dpkg -i /var/tmp/zeo-server.deb
        printf '<filestorage archive>\n  path /var/lib/zeo-server/archive.fs\n</filestorage>\n' >>/etc/zeo-server/zeo.conf
        systemctl restart zeo-server");
    // The password as an administrator may give it beforehand.
    let preseeded = "a-password-that-was-preseeded-32";
    system.ok(&format!("echo 'board board/admin_password password {preseeded}' | debconf-set-selections"));
    assert_eq!(seen_nowhere(&system, &BOARD), preseeded);
    let status = system.ok("supervisorctl status").stdout;
    assert_eq!(status.lines().filter(|line| line.contains("RUNNING")).count(), 2, "{status}");
    // Both serve as the package's own user, though supervisord has started them as root.
    system.ok("for pid in $(supervisorctl pid all); do test \"$(stat -c %U /proc/$pid)\" = board; done");
    assert_eq!(BOARD.put(&system, preseeded, "It runs"), "303");
    assert_eq!(BOARD.put(&system, "not-the-password-of-anybody", "no"), "401");
    let setting = "a-password-of-the-setting-itself";
    system.ok(&format!("printf '%s' '{setting}' | appctl config set board --stdin admin_password"));
    system.ok("appctl service restart board");
    BOARD.answers(&system);
    assert_eq!(BOARD.put(&system, preseeded, "the setting is for the first time"), "303");
    each_storage_has_its_own(&system, preseeded);

    a_new_password_stays(&system, &BOARD, preseeded, "another-password-of-thirty-two-");
    many_seed_and_one_is_killed(&system, &BOARD, &["before tpc_finish"]);
    away(&system, &BOARD);
    gone_from_supervisord(&system, &BOARD);
}

/// A folder is made through each mount point, by one instance: the other shows both, and
/// each is in the storage that is mounted there. Of the archive's two servers one is away.
fn each_storage_has_its_own(system: &Booted, password: &str) {
    let asks = |port: u16, path: &str| ask(system, &format!("'http://127.0.0.1:{port}{path}' admin '{password}'"));
    // As in the ZMI, once for a database.
    let mounted = asks(8080, "/manage_addProduct/ZODBMountPoint/manage_addMounts?paths:list=/archive");
    assert_eq!(mounted.trim(), "302");
    for (place, title) in [("", "kept-at-the-root"), ("/archive", "kept-in-the-archive")] {
        let made = asks(8080, &format!("{place}/manage_addProduct/OFSP/manage_addFolder?id=folder&title={title}"));
        assert!(made.starts_with("200") || made.starts_with("302"), "{made}");
        let shown = asks(8081, &format!("{place}/folder/title_or_id"));
        assert_eq!(shown.split_whitespace().collect::<Vec<_>>(), ["200", title]);
    }
    let holds = |title: &str| system.ok(&format!("cd /var/lib/zeo-server && grep -laF {title} *.fs")).stdout;
    assert_eq!(holds("kept-at-the-root"), "Data.fs\n");
    assert_eq!(holds("kept-in-the-archive"), "archive.fs\n");
    let status = system.ok("appctl status board").stdout;
    for line in [
        "storage main on 127.0.0.1:8100: data",
        "storage archive on 127.0.0.1:8100: data",
        "storage archive on 127.0.0.1:8109: unreachable",
    ] {
        assert!(status.contains(line), "{line}: {status}");
    }
}

/// Purged, it has left supervisord without a trace.
fn gone_from_supervisord(system: &Booted, site: &Site) {
    let package = site.package;
    system.ok(&format!("dpkg --purge {package} && ! test -e /etc/supervisor/conf.d/{package}.conf"));
    nothing_is_left(system, site);
    assert_eq!(system.ok("supervisorctl status").stdout, "");
}

fn grok_lets_its_principal_write(suite: Suite) {
    let (client, by_paste) = (guestbook(suite), pasted(suite));
    let system = prepared(suite, &client, Some(&by_paste), "supervisor");
    system.ok("dpkg -i /var/tmp/zeo-server.deb");
    let password = seen_nowhere(&system, &GUESTBOOK);
    let unit = "guestbook";
    system.ok(&format!("systemctl is-active {unit} && systemd-analyze security --threshold=15 {unit}.service"));
    assert_eq!(GUESTBOOK.put(&system, "not-the-password-of-anybody", "no"), "401");
    assert_eq!(GUESTBOOK.put(&system, &password, "written"), "303");
    let shows = |text: &str| ask(&system, "http://127.0.0.1:8085/guestbook").contains(&format!("<li>{text}</li>"));
    assert!(shows("written"));
    // What a day's deployment by hand asks for: status, stop, start.
    system.ok("appctl status guestbook && appctl service status guestbook && appctl service stop guestbook");
    system.fails(1, &format!("python3 /usr/local/bin/ask.py {}", GUESTBOOK.health[0]));
    system.fails(3, "appctl service status guestbook");
    system.ok("appctl service start guestbook");
    GUESTBOOK.answers(&system);
    assert!(shows("written"));

    // The next version: the same application as one that PasteDeploy loads, by supervisord.
    system.ok("mv /var/tmp/next.deb /var/tmp/client.deb");
    system.ok("dpkg -i /var/tmp/client.deb");
    GUESTBOOK.answers(&system);
    assert_eq!(system.ok("supervisorctl status").stdout.matches("RUNNING").count(), 1);
    system.ok("test \"$(systemctl is-active guestbook || true)\" != active");
    assert!(shows("written"));
    refuses_in_time(&system, &password);
    a_new_password_stays(&system, &GUESTBOOK, &password, "another-password-of-thirty-two-");
    many_seed_and_one_is_killed(&system, &GUESTBOOK, &["after tpc_finish"]);
    away(&system, &GUESTBOOK);
    gone_from_supervisord(&system, &GUESTBOOK);
}

/// The server away: each request is refused once wait-timeout is over, though the publisher
/// would try it four times; and it is back by itself.
fn refuses_in_time(system: &Booted, password: &str) {
    // Wait-Timeout, and what a loaded machine may add.
    const LIMIT: Duration = Duration::from_secs(2 + 3);
    system.ok("systemctl stop zeo-server");
    let write = format!("{} admin '{password}' away", GUESTBOOK.add);
    for words in [GUESTBOOK.health[0], write.as_str()] {
        let asked = system.ok(&format!("python3 /usr/local/bin/ask.py {words}"));
        assert_eq!(asked.stdout.trim(), "503", "{words}");
        assert!(asked.elapsed < LIMIT, "{words}: {:?}", asked.elapsed);
    }
    system.fails(3, "appctl status guestbook");
    system.ok("systemctl start zeo-server");
    GUESTBOOK.answers(system);
    assert_eq!(GUESTBOOK.put(system, password, "back"), "303");
}
