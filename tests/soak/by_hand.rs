//! examples/zope brought onto a machine by hand, as long as there are no packages:
//! the steps of such a deployment, each with its time, for comparison with `dpkg -i`
//! in `system zeo_client`.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use crate::harness::{Kind, Session, Suite, repository};

const ZOPE_CONF: &str = "\
%import ZEO
instancehome /srv/board-1.0/instance
<zodb_db main>
  mount-point /
  <clientstorage>
    server 127.0.0.1:@SERVER@
    storage 1
    wait-timeout 5
    blob-dir /srv/board-1.0/instance/blobs
    blob-cache-size 512MB
  </clientstorage>
</zodb_db>
";

const ZOPE_INI: &str = "\
[app:zope]
use = egg:Zope#main
zope_conf = /srv/board-1.0/instance/etc/zope.conf
[server:main]
use = egg:waitress#main
host = 127.0.0.1
port = @PORT@
[pipeline:main]
pipeline =
    egg:Zope#httpexceptions
    zope
";

const SITE_ZCML: &str = "\
<configure xmlns=\"http://namespaces.zope.org/zope\" xmlns:five=\"http://namespaces.zope.org/five\">
  <include package=\"Zope2.App\" />
  <five:loadProducts file=\"meta.zcml\" />
  <five:loadProducts />
  <include package=\"board\" />
  <five:loadProductsOverrides />
</configure>
";

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a port").port()
}

#[test]
fn steps_and_seconds() {
    let session = Session::new(Suite::Bookworm, Kind::Build);
    session.copy_in(&repository().join("examples/zope"), "/root/release/board-1.0");
    session.copy_in(&repository().join("examples/zeo-server/requirements.txt"), "/root/zeo.txt");
    let (server, web) = (free_port(), free_port());
    session.write("/root/zope.conf", &ZOPE_CONF.replace("@SERVER@", &server.to_string()));
    session.write("/root/zope.ini", &ZOPE_INI.replace("@PORT@", &web.to_string()));
    session.write("/root/site.zcml", SITE_ZCML);
    session.write(
        "/root/zeo.conf",
        &format!(
            "<zeo>\n  address 127.0.0.1:{server}\n</zeo>\n<filestorage 1>\n  path /root/Data.fs\n</filestorage>\n"
        ),
    );
    // The server is there already; the archive lies where wget would have put it.
    session.ok("tar -C /root/release -czf /root/board-1.0.tar.gz board-1.0
        python3 -m venv /root/zeo && /root/zeo/bin/pip install --quiet --require-hashes -r /root/zeo.txt");
    let machine = session.timeout(Duration::from_secs(1800)).spawn("exec /root/zeo/bin/runzeo -C /root/zeo.conf");
    machine.until(Duration::from_secs(30), &format!("(echo >/dev/tcp/127.0.0.1/{server}) 2>/dev/null"));

    let start = format!(
        "cd /srv/board-1.0/instance
         setsid ../env/bin/runwsgi etc/zope.ini >log 2>&1 </dev/null &
         until python3 -c 'import urllib.request as it; it.urlopen(\"http://127.0.0.1:{web}/board-health\")' 2>/dev/null; do
             kill -0 $! || {{ cat log >&2; exit 1; }}
             sleep 0.05
         done"
    );
    let steps = [
        ("unpack the release", "mkdir -p /srv && tar -C /srv -xzf /root/board-1.0.tar.gz"),
        ("make an environment", "cd /srv/board-1.0 && python3 -m venv env"),
        (
            "install what is required",
            "cd /srv/board-1.0 && env/bin/pip install --quiet --require-hashes -r requirements.txt",
        ),
        ("install the application", "cd /srv/board-1.0 && env/bin/pip install --quiet --no-deps ."),
        ("run its tests", "cd /srv/board-1.0 && env/bin/python -m unittest discover -s tests 2>&1"),
        ("make an instance", "cd /srv/board-1.0 && env/bin/mkwsgiinstance -d instance -u admin:first"),
        (
            "write its configuration",
            "cd /srv/board-1.0/instance && cp /root/zope.conf /root/zope.ini /root/site.zcml etc/ && mkdir -p blobs && rm -f inituser",
        ),
        (
            "make an administrator",
            "cd /srv/board-1.0 && env/bin/addzopeuser -c instance/etc/zope.conf admin a-password-on-the-command-line",
        ),
        ("start it, and wait for its first answer", start.as_str()),
    ];
    let began = Instant::now();
    println!("{:<42} seconds", "step");
    for (number, (what, script)) in (1..).zip(steps) {
        let output = machine.inside(script);
        assert!(output.success(), "{what}: {}", output.dump());
        println!("{:<42} {:7.1}", format!("{number}. {what}"), output.elapsed.as_secs_f64());
    }
    println!("{:<42} {:7.1}", "in all, without what a person reads and types", began.elapsed().as_secs_f64());
    machine.kill();
}
