//! What systemd and supervisord do for programs beyond running them: sockets,
//! several processes, FastCGI, events, log files, and who runs what.

use std::time::Duration;

use super::{LIMIT, RUNNING, ask, beacons, booted, starts};
use crate::configuration::runtime;
use crate::harness::{Kind, Session, Suite};
use crate::on_suites;

on_suites!(
    both: [two_processes_share_a_socket_that_stays_open],
    bookworm: [fastcgi_programs_and_event_listeners_run_under_supervisord, what_a_dead_supervisord_left_does_not_run_beside_the_new],
    trixie: [auto_goes_to_the_manager_that_the_machine_has, a_log_file_is_written_and_rotated],
);

fn two_processes_share_a_socket_that_stays_open(suite: Suite) {
    let system = booted(suite, &["units", "pair", "pair-moved"]);
    system.ok("dpkg -i /var/tmp/pair.deb <&-");
    system.ok("systemctl is-active beacon-web.socket beacon-web.target beacon-web@0 beacon-web@1");
    system.ok("test \"$(systemctl show -p Type --value beacon-web@1)\" = notify && test $(running) = 2");
    assert_eq!(starts(&system, "web"), 2);
    // The kernel holds connections while both are away.
    let opened = "systemctl show -p ActiveEnterTimestampMonotonic --value beacon-web.socket";
    let since = system.ok(opened).stdout;
    system.ok(&format!("systemctl stop beacon-web@0 beacon-web@1 && {}", ask(8000)));
    system.until(LIMIT, "systemctl is-active beacon-web@0");
    system.ok("appctl service start beacon && appctl service status beacon");
    // An upgrade restarts one after the other: never both are away.
    let before = starts(&system, "web");
    system.ok("dpkg -i /var/tmp/pair.deb <&-");
    assert_eq!(starts(&system, "web"), before + 2);
    assert_eq!(system.ok(opened).stdout, since, "the socket was closed");
    let journal = "journalctl --no-pager -o cat -u 'beacon-web@*' | grep -E '^(Stopping|Started) ' | tail -n 4";
    let order = system.ok(journal).stdout;
    let order: Vec<&str> = order.lines().filter_map(|line| line.split_whitespace().next()).collect();
    assert_eq!(order, ["Stopping", "Started", "Stopping", "Started"]);
    // One that was stopped by hand stays so.
    system.ok("systemctl stop beacon-web@1 && dpkg -i /var/tmp/pair.deb <&- && ! systemctl is-active beacon-web@1");
    system.ok("systemctl start beacon-web@1");
    // Another address: the old one is closed, the new one opened, in one restart.
    let before = starts(&system, "web");
    system.ok(&format!("dpkg -i /var/tmp/pair-moved.deb <&- && {} && appctl service status beacon", ask(8003)));
    system.fails(1, &ask(8000));
    assert_eq!(starts(&system, "web"), before + 2);
    // From two to one of the same name, which goes on.
    system.ok(&format!("dpkg -i /var/tmp/units.deb <&- && {}", ask(8000)));
    system.ok("! systemctl is-active beacon-web.socket beacon-web.target beacon-web@0 beacon-web@1");
    system.ok("test $(running web) = 1 && dpkg -i /var/tmp/pair.deb <&- && test $(running web) = 2");
    // A socket that is stopped, too, lets nobody in; disabled, it stays so after a boot.
    system.ok("appctl service disable beacon && test $(running) = 0");
    system.fails(1, &ask(8000));
    system.ok("! systemctl is-enabled beacon-web.socket beacon-web.target");
    system.ok("dpkg -i /var/tmp/pair.deb <&- && test $(running) = 0 && ! systemctl is-active beacon-web.socket");
    system.ok("dpkg --purge beacon <&- && ! find /etc/systemd /run/systemd/units | grep beacon");
}

fn fastcgi_programs_and_event_listeners_run_under_supervisord(suite: Suite) {
    let system = booted(suite, &["zoo", "fragment"]);
    system.ok(&format!("dpkg -i /var/tmp/zoo.deb <&- && {} && appctl service status beacon", ask(8002)));
    system.ok(
        "supervisorctl status beacon_page:page_00 beacon_page:page_01 beacon_ears:ears && test $(running page) = 2",
    );
    // supervisord holds the FastCGI programs' socket while they restart.
    system.ok(&format!(
        "supervisorctl stop beacon_page:page_00 && {} && supervisorctl start beacon_page:page_00",
        ask(8002)
    ));
    system.until(LIMIT, "grep PROCESS_STATE_STOPPED /var/lib/beacon/events");
    let before = (starts(&system, "page"), starts(&system, "ears"));
    system.ok("dpkg -i /var/tmp/zoo.deb <&- && appctl service status beacon && test $(running) = 3");
    assert_eq!((starts(&system, "page"), starts(&system, "ears")), (before.0 + 2, before.1 + 1));
    // The groups of what is gone go, too.
    system.ok("dpkg -i /var/tmp/fragment.deb <&- && appctl service status beacon && test $(running) = 2");
    system.ok("! supervisorctl status 2>&1 | grep -E 'ears|page' && dpkg --purge beacon <&- && test $(running) = 0");
}

fn auto_goes_to_the_manager_that_the_machine_has(suite: Suite) {
    let system = booted(suite, &["auto"]);
    system.ok(&format!("dpkg -i /var/tmp/auto.deb <&- && {} && test $(running) = 2", ask(8000)));
    system.ok("systemctl is-active beacon-web beacon-worker && systemctl is-enabled beacon-web");
    system.ok("! test -e /etc/supervisor/conf.d/beacon.conf && appctl service disable beacon web");
    system.ok("dpkg -i /var/tmp/auto.deb <&- && test $(running) = 1 && ! systemctl is-enabled beacon-web");
    system.ok("dpkg --purge beacon <&- && test $(running) = 0");
    drop(system);
    // A container whose first process is supervisord.
    let session = Session::new(suite, Kind::Run);
    session.ok(
        "apt-get install -qq -y --no-install-recommends -o Dpkg::Use-Pty=0 supervisor systemd-standalone-sysusers \
        systemd-standalone-tmpfiles || apt-get install -qq -y --no-install-recommends supervisor",
    );
    session.install(&[runtime(suite)]);
    session.ok(RUNNING);
    session.copy_in(&beacons(suite)["auto"], "/var/tmp/auto.deb");
    let container = session
        .spawn("rm -f /usr/sbin/policy-rc.d && exec /usr/bin/supervisord -n -c /etc/supervisor/supervisord.conf");
    container.until(LIMIT, "supervisorctl status; test $? != 4");
    let inside = |script: &str| {
        let output = container.inside(script);
        assert!(output.success(), "{script}\n{}", output.dump());
    };
    inside("! test -d /run/systemd/system && dpkg -i /var/tmp/auto.deb <&-");
    inside(&format!("{} && supervisorctl status beacon:web beacon:worker && test $(running) = 2", ask(8000)));
    inside("! find /etc/systemd/system -name '*beacon*' | grep .");
    inside("appctl service disable beacon web && dpkg -i /var/tmp/auto.deb <&- && test $(running) = 1");
    inside("dpkg --purge beacon <&- && test $(running) = 0 && ! ls /etc/supervisor/conf.d/*beacon*");
    container.kill();
}

fn a_log_file_is_written_and_rotated(suite: Suite) {
    let system = booted(suite, &["logs"]);
    system.ok("dpkg -i /var/tmp/logs.deb <&-");
    system.ok(&ask(8000));
    let log = "/var/log/beacon/web.log";
    system.ok(&format!("test \"$(stat -c '%U:%G %a' {log})\" = 'beacon:beacon 640'"));
    // Both streams are in it.
    system.ok(&format!("grep -q 'web begins' {log} && grep -q request {log}"));
    let fill = "python3 -c 'import urllib.request as u
for n in range(200): u.urlopen(\"http://127.0.0.1:8000/\").read()'";
    system.ok(&format!("{fill} && test $(stat -c %s {log}) -gt 1024"));
    system.ok(&format!("logrotate /etc/logrotate.conf && test -s {log}.1 && test $(stat -c %s {log}) -lt 1024"));
    // It goes on writing into the same file.
    system
        .ok(&format!("{} && grep -q request {log} && dpkg --purge beacon <&- && ! test -e /var/log/beacon", ask(8000)));
}

/// supervisord is killed; Debian's unit leaves its children, and would start them once more.
fn what_a_dead_supervisord_left_does_not_run_beside_the_new(suite: Suite) {
    let system = booted(suite, &["fragment"]);
    system.ok("printf '[program:other]\ncommand=sleep 9999\n' >/etc/supervisor/conf.d/other.conf && supervisorctl update other");
    system.ok("dpkg -i /var/tmp/fragment.deb <&- && test $(running) = 2");
    let kill = "systemctl kill --kill-whom=main -s KILL supervisor && sleep 0.5 && test $(running) = 2";
    let answers = "supervisorctl status; test $? != 4";
    // It ends before the next one starts it anew; what belongs to no package goes on.
    let (web, worker) = (starts(&system, "web"), starts(&system, "worker"));
    let stray = system.ok(&format!("supervisorctl pid other && {kill}")).stdout;
    system.ok("systemctl reset-failed supervisor; systemctl restart supervisor");
    system.until(LIMIT, "appctl service status beacon");
    system.ok(&format!("test $(running) = 2 && {}", ask(8000)));
    assert_eq!((starts(&system, "web"), starts(&system, "worker")), (web + 1, worker + 1));
    system.ok("journalctl --unit supervisor >/tmp/said && grep -F 'beacon: ended what a supervisord' /tmp/said");
    system.ok(&format!("kill {}", stray.trim()));
    // One that systemd does not start finds the port of the web program taken by the one that is left.
    system.ok(kill);
    system.ok("systemctl stop supervisor; supervisord -c /etc/supervisor/supervisord.conf");
    system.until(LIMIT, answers);
    let said = system.ok("dpkg -i /var/tmp/fragment.deb <&- 2>&1").stdout;
    assert!(said.contains("beacon: ended what a supervisord which is gone had left"), "{said}");
    system.ok(&format!("appctl service status beacon && test $(running) = 2 && {}", ask(8000)));
    // Dead, and not yet started again: a removal ends what it has left.
    system.ok("kill -KILL $(cat /run/supervisord.pid) && sleep 0.5 && test $(running) = 2 && dpkg -r beacon <&-");
    std::thread::sleep(Duration::from_millis(200));
    system.ok("test $(running) = 0");
}
