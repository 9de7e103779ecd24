//! examples/plone: built with its pins, installed on a machine with a ZEO server; the
//! site is made by the installation, its pages are fetched, and a second start changes nothing.

use std::time::{Duration, Instant};

use crate::harness::{Booted, Suite, toolkit_debs};
use crate::package::{Built, Source, target, workshop};

/// `ask URL [USER PASSWORD]` prints the status and the body.
const ASK: &str = "\
import base64, sys, urllib.error, urllib.request
request = urllib.request.Request(sys.argv[1])
if len(sys.argv) > 2:
    word = base64.b64encode(':'.join(sys.argv[2:4]).encode()).decode()
    request.add_header('Authorization', 'Basic ' + word)
try:
    reply = urllib.request.urlopen(request, timeout=60)
except urllib.error.HTTPError as error:
    reply = error
print(reply.status, reply.url)
print(reply.read().decode())
";

#[test]
fn a_site_is_made_and_serves() {
    let suite = Suite::Bookworm;
    let began = Instant::now();
    let server = Built::new(workshop(suite), &Source::example("zeo-server", "zeo-server"));
    let plone = Built::new(workshop(suite), &Source::example("plone", "intranet"));
    let size = plone.deb().metadata().expect("the package").len() / 1_000_000;
    println!("built in {:.0} s, server included: {size} MB", began.elapsed().as_secs_f64());

    let session = target(suite);
    session.ok("apt-get install -qq -y -o Dpkg::Use-Pty=0 systemd-sysv dbus");
    let is_appctl =
        |deb: &&std::path::PathBuf| deb.file_name().is_some_and(|it| it.to_string_lossy().starts_with("appctl_"));
    let debs = toolkit_debs(suite);
    session.install(&[debs.iter().find(is_appctl).expect("appctl's package")]);
    session.copy_in(server.deb(), "/var/tmp/zeo-server.deb");
    session.copy_in(plone.deb(), "/var/tmp/intranet.deb");
    session.write("/usr/local/bin/ask.py", ASK);
    let system = Booted::new(session);
    system.ok("dpkg -i /var/tmp/zeo-server.deb");
    system.ok("apt-get install -qq -y -o Dpkg::Use-Pty=0 $(dpkg-deb -f /var/tmp/intranet.deb Depends | tr ',' '\\n' | sed 's/ *(.*//; s/^ *//' | grep -v '|') </dev/null");
    let began = Instant::now();
    let installed = system.ok("dpkg -i /var/tmp/intranet.deb");
    println!("dpkg -i: {:.1} s\n{}", installed.elapsed.as_secs_f64(), installed.dump());
    let page = "http://127.0.0.1:8090/Plone";
    system.until(Duration::from_secs(240), &format!("python3 /usr/local/bin/ask.py {page} | grep -q '^200'"));
    println!("from the start of dpkg to the site's first page: {:.1} s", began.elapsed().as_secs_f64());
    let text = system.ok(&format!("python3 /usr/local/bin/ask.py {page}")).stdout;
    assert!(text.contains("<title>Intranet</title>") && text.contains("Plone"), "{text}");
    system
        .until(Duration::from_secs(120), "python3 /usr/local/bin/ask.py http://127.0.0.1:8091/Plone | grep -q '^200'");

    let password = system.ok("tail -n 1 /var/lib/intranet/initial-admin-password").stdout.trim().to_owned();
    let panel = |password: &str| {
        let words = format!("{page}/@@overview-controlpanel admin '{password}'");
        system.ok(&format!("python3 /usr/local/bin/ask.py {words}")).stdout
    };
    assert!(panel(&password).contains("Plone 6"), "{}", panel(&password));
    assert!(!panel("not-the-password-of-anybody").contains("Plone 6"));

    let status = system.ok("appctl bootstrap status intranet").stdout;
    assert!(status.contains("data: 6.2.0, this code: 6.2.0") || status.contains("data: version 6.2.0"), "{status}");
    // Neither a restart nor an installation over it makes another site or password.
    let made = system.ok("journalctl --no-pager | grep -c 'the site /Plone has been made'").stdout;
    assert_eq!(made, "1\n");
    system.ok("dpkg -i /var/tmp/intranet.deb && appctl service restart intranet");
    system.until(Duration::from_secs(120), &format!("python3 /usr/local/bin/ask.py {page} | grep -q '^200'"));
    assert!(panel(&password).contains("Plone 6"));
    assert_eq!(system.ok("journalctl --no-pager | grep -c 'the site /Plone has been made'").stdout, made);
}
