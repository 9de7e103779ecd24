//! A Pyramid application with two storages on examples/zeo-server, one of them over
//! the server's socket file; its administrator is made by a function of its own.

use std::time::Duration;

use crate::configuration::runtime;
use crate::harness::{Booted, Suite};
use crate::package::{Source, built, target};
use crate::zeo_client::server;

const APPLICATION: &str = "\
import base64, hashlib

from pyramid.config import Configurator
from pyramid.response import Response
from pyramid_zodbconn import get_connection


def digest(password):
    return hashlib.sha256(password.encode()).hexdigest()


def seed(root, user, password):
    if 'users' in root:
        return False
    root['users'] = {user: digest(password)}
    return True


def page(request):
    main, archive = get_connection(request).root(), get_connection(request, 'archive').root()
    if request.method == 'POST':
        kind, _, word = request.headers.get('Authorization', ' ').partition(' ')
        user, _, password = base64.b64decode(word).decode().partition(':')
        if main['users'].get(user) != digest(password):
            return Response('no', status=401)
        main['text'] = archive['copy'] = request.POST['text']
    return Response(f\"{main.get('text')} {archive.get('copy')}\")


def main(global_config, **settings):
    config = Configurator(settings=settings)
    config.include('pyramid_tm')
    config.add_route('page', '/page')
    config.add_view(page, route_name='page')
    return config.make_wsgi_app()
";

const PROJECT: &str = "\
[build-system]
requires = [\"setuptools>=61\"]
build-backend = \"setuptools.build_meta\"

[project]
name = \"ledger\"
version = \"1.0\"

[project.entry-points.\"paste.app_factory\"]
main = \"ledger:main\"

[tool.setuptools]
py-modules = [\"ledger\"]
";

/// pyramid 2.0 imports pkg_resources, which later setuptools do not have.
const REQUIREMENTS: &str = "\
pyramid==2.0.2
pyramid-zodbconn==0.8.1
pyramid-tm==2.5
plaster-pastedeploy==1.0.1
setuptools<81
waitress==3.0.2
ZEO==6.2
";

const CLIENT: &str = "\
Format: 1

Storage: main
Wait-Timeout: 5

Storage: archive
Server: /run/zeo-server/socket
Name: old
Blob-Dir: none

Application: web
Framework: pyramid
Listen: 127.0.0.1:9000
Health: /page

Bootstrap: custom
Seed: ledger:seed
";

#[test]
fn two_storages_and_a_seed_of_its_own() {
    let suite = Suite::Bookworm;
    let ledger = built(suite, "pyramid", || {
        let sequences = "dh-sequence-venv, dh-sequence-appconfig, dh-sequence-supervisord, dh-sequence-zeoclient";
        Source::new("ledger")
            .replace("debian/control", "dh-sequence-venv", sequences)
            .file("pyproject.toml", PROJECT)
            .file("ledger.py", APPLICATION)
            .file("requirements.txt", REQUIREMENTS)
            .file("debian/ledger.venv", "Format: 1\nRequirements: requirements.txt\n")
            .file("debian/ledger.zeoclient", CLIENT)
    });
    let session = target(suite);
    session.ok("apt-get install -qq -y -o Dpkg::Use-Pty=0 systemd-sysv dbus");
    session.install(&[runtime(suite)]);
    session.copy_in(server(suite).deb(), "/var/tmp/zeo-server.deb");
    session.copy_in(ledger.deb(), "/var/tmp/ledger.deb");
    session.write("/usr/local/bin/ask.py", crate::zeo_client::ASK);
    // A second server, which listens on a file.
    session.write(
        "/etc/zeo-server/second.conf",
        "<zeo>\n  address /run/zeo-server/socket\n</zeo>\n<filestorage old>\n  path /var/lib/zeo-server/old.fs\n</filestorage>\n",
    );
    let system = Booted::new(session);
    system.ok("dpkg -i /var/tmp/zeo-server.deb
        systemd-run --quiet --unit=second --uid=zeo-server /usr/lib/zeo-server/venv/bin/runzeo -C /etc/zeo-server/second.conf
        until test -S /run/zeo-server/socket; do sleep 0.1; done
        chmod 755 /run/zeo-server && chmod 666 /run/zeo-server/socket");
    system.ok("dpkg -i /var/tmp/ledger.deb");
    let ask =
        |words: &str| system.ok(&format!("python3 /usr/local/bin/ask.py http://127.0.0.1:9000/page {words}")).stdout;
    system.until(Duration::from_secs(60), "python3 /usr/local/bin/ask.py http://127.0.0.1:9000/page | grep -x 200");
    system.ok("systemctl is-active ledger-web && systemd-analyze security --threshold=15 ledger-web.service");
    let password = system.ok("tail -n 1 /var/lib/ledger/initial-admin-password").stdout.trim().to_owned();
    assert_eq!(ask("admin 'not-the-password-of-anybody' no").trim(), "401");
    assert!(ask(&format!("admin '{password}' 'In both'")).contains("In both In both"));
    system.ok("appctl service restart ledger");
    system.until(Duration::from_secs(60), "python3 /usr/local/bin/ask.py http://127.0.0.1:9000/page | grep -x 200");
    assert!(ask("").contains("In both In both"));
    let status = system.ok("appctl status ledger").stdout;
    for storage in ["storage main on 127.0.0.1:8100: data", "storage archive on /run/zeo-server/socket: data"] {
        assert!(status.contains(storage), "{status}");
    }

    // One of the two is away: it is said which, and the other serves on.
    system.ok("systemctl stop second");
    let status = system.run("appctl status ledger").stdout;
    assert!(status.contains("storage archive on /run/zeo-server/socket: unreachable"), "{status}");
    assert!(status.contains("storage main on 127.0.0.1:8100: data"), "{status}");
}
