//! A Pyramid application with two storages on examples/zeo-server, one of them over a
//! second server's socket file, and beside it an application of no framework, with a
//! template of its own and two instances on that second server. Each seeds by a function
//! of its own, and both answer in time while their server is away.

use std::time::Duration;

use crate::harness::{Booted, Suite};
use crate::package::{Source, bootable, built};
use crate::zeo_cases::ASK;
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

/// What a framework that dh_zeoclient does not know is: a program that opens what
/// zodb.conf says.
const KIOSK: &str = "\
import base64, hashlib, sys

import transaction
import waitress
import ZODB.config
from ZEO.Exceptions import ClientDisconnected


def digest(password):
    return hashlib.sha256(password.encode()).hexdigest()


def seed(root, user, password):
    if 'kiosk' in root:
        return False
    root['kiosk'] = digest(password)
    return True


class Kiosk:
    def __init__(self, number):
        self.number = number
        self.database = ZODB.config.databaseFromURL('/etc/kiosk/zodb.conf')

    def __call__(self, environ, start_response):
        try:
            status, text = self.answer(environ)
        except ClientDisconnected:
            status, text = '503 Service Unavailable', 'no server'
        start_response(status, [('Content-Type', 'text/plain')])
        return [text.encode()]

    def answer(self, environ):
        with self.database.transaction() as connection:
            root = connection.root()
            if environ['REQUEST_METHOD'] == 'POST':
                word = environ.get('HTTP_AUTHORIZATION', ' ').partition(' ')[2]
                password = base64.b64decode(word).decode().partition(':')[2]
                if root['kiosk'] != digest(password):
                    return '401 Unauthorized', 'no'
                root['text'] = environ['wsgi.input'].read().decode()
            return '200 OK', f\"{self.number} {root.get('text')}\"


def main():
    host, port, number = sys.argv[1:]
    waitress.serve(Kiosk(number), host=host, port=int(port))
";

const KIOSK_PROJECT: &str = "\
[build-system]
requires = [\"setuptools>=61\"]
build-backend = \"setuptools.build_meta\"

[project]
name = \"kiosk\"
version = \"1.0\"

[project.scripts]
kiosk = \"kiosk:main\"

[tool.setuptools]
py-modules = [\"kiosk\"]
";

const KIOSK_CLIENT: &str = "\
Format: 1

Storage: main
Server: /run/zeo-server/socket
Name: old
Wait-Timeout: 2

Application: web
Framework: custom
Instances: 2
Listen: 127.0.0.1:9010
Command: /usr/lib/kiosk/venv/bin/kiosk {host} {port} {instance}
Health: /

Bootstrap: custom
Seed: kiosk:seed
";

/// Instead of the one that dh_zeoclient would make: without blobs.
const KIOSK_ZODB: &str = "\
# A template of the packager's.
%import ZEO
<zodb main>
  <clientstorage>
{{#each server}}
    server {{this}}
{{/each}}
    storage {{storage}}
    wait-timeout {{wait_timeout}}
  </clientstorage>
</zodb>
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
Wait-Timeout: 2
Blob-Dir: none

Application: web
Framework: pyramid
Listen: 127.0.0.1:9000
Health: /page

Bootstrap: custom
Seed: ledger:seed
";

/// What Wait-Timeout says of the second server's storage, and what a loaded machine may add.
const LIMIT: Duration = Duration::from_secs(2 + 3);

fn source(name: &str) -> Source {
    let sequences = "dh-sequence-venv, dh-sequence-appconfig, dh-sequence-supervisord, dh-sequence-zeoclient";
    Source::new(name)
        .replace("debian/control", "dh-sequence-venv", sequences)
        .file(&format!("debian/{name}.venv"), "Format: 1\nRequirements: requirements.txt\n")
}

/// A second server, which listens on a file that everybody may use.
const SECOND: &str = "\
    systemd-run --quiet --unit=second --uid=zeo-server \
        /usr/lib/zeo-server/venv/bin/runzeo -C /etc/zeo-server/second.conf
    until test -S /run/zeo-server/socket; do sleep 0.1; done
    chmod 755 /run/zeo-server
    chmod 666 /run/zeo-server/socket";

#[test]
fn pyramid_and_custom_with_storages_and_seeds_of_their_own() {
    let suite = Suite::Bookworm;
    let ledger = built(suite, "pyramid", || {
        source("ledger")
            .file("pyproject.toml", PROJECT)
            .file("ledger.py", APPLICATION)
            .file("requirements.txt", REQUIREMENTS)
            .file("debian/ledger.zeoclient", CLIENT)
    });
    let kiosk = built(suite, "custom", || {
        source("kiosk")
            .file("pyproject.toml", KIOSK_PROJECT)
            .file("kiosk.py", KIOSK)
            .file("requirements.txt", "waitress==3.0.2\nZEO==6.2\n")
            .file("debian/kiosk.zeoclient", KIOSK_CLIENT)
            .file("debian/zeoclient/zodb.conf.hbs", KIOSK_ZODB)
    });
    let session = bootable(suite);
    session.copy_in(server(suite).deb(), "/var/tmp/zeo-server.deb");
    session.copy_in(ledger.deb(), "/var/tmp/ledger.deb");
    session.copy_in(kiosk.deb(), "/var/tmp/kiosk.deb");
    session.write("/usr/local/bin/ask.py", ASK);
    session.write(
        "/etc/zeo-server/second.conf",
        "<zeo>\n  address /run/zeo-server/socket\n</zeo>\n<filestorage old>\n  path /var/lib/zeo-server/old.fs\n</filestorage>\n",
    );
    let system = Booted::new(session);
    system.ok(&format!("dpkg -i /var/tmp/zeo-server.deb\n{SECOND}"));
    system.ok("dpkg -i /var/tmp/ledger.deb /var/tmp/kiosk.deb");
    let ask = |page: &str, words: &str| {
        let asked = system.ok(&format!("python3 /usr/local/bin/ask.py http://127.0.0.1:{page} {words}"));
        assert!(asked.elapsed < LIMIT, "{page} {words}: {:?}", asked.elapsed);
        asked.stdout
    };
    let answers = || {
        for page in ["9000/page", "9010/", "9011/"] {
            let asked = format!("python3 /usr/local/bin/ask.py http://127.0.0.1:{page} | grep -x 200");
            system.until(Duration::from_secs(60), &asked);
        }
    };
    answers();
    for unit in ["ledger-web", "kiosk-web@0", "kiosk-web@1"] {
        system.ok(&format!("systemctl is-active {unit} && systemd-analyze security --threshold=15 {unit}.service"));
    }
    system.ok("grep -q \"of the packager's\" /etc/kiosk/zodb.conf");
    let [password, other] = ["ledger", "kiosk"].map(|package| {
        system.ok(&format!("tail -n 1 /var/lib/{package}/initial-admin-password")).stdout.trim().to_owned()
    });
    assert_ne!(password, other);
    for page in ["9000/page", "9010/"] {
        assert_eq!(ask(page, "admin 'not-the-password-of-anybody' no").trim(), "401");
    }
    assert!(ask("9000/page", &format!("admin '{password}' both")).contains("both both"));
    assert!(ask("9010/", &format!("admin '{other}' here")).contains("0 text=here"));
    system.until(Duration::from_secs(10), "python3 /usr/local/bin/ask.py http://127.0.0.1:9011/ | grep '1 text=here'");
    system.ok("appctl service restart ledger");
    system.ok("appctl service restart kiosk");
    answers();
    assert!(ask("9000/page", "").contains("both both"));
    assert!(ask("9011/", "").contains("1 text=here"));
    let status = system.ok("appctl status ledger").stdout;
    for storage in ["storage main on 127.0.0.1:8100: data", "storage archive on /run/zeo-server/socket: data"] {
        assert!(status.contains(storage), "{status}");
    }

    // One of the two servers is away: it is said which, and each request is answered in time;
    // what would write into both writes into none.
    system.ok("systemctl stop second");
    let status = system.fails(3, "appctl status ledger").stdout;
    assert!(status.contains("storage archive on /run/zeo-server/socket: unreachable"), "{status}");
    assert!(status.contains("storage main on 127.0.0.1:8100: data"), "{status}");
    assert_eq!(ask("9010/", &format!("admin '{other}' away")).trim(), "503");
    assert_eq!(ask("9000/page", &format!("admin '{password}' away")).trim(), "500");
    for page in ["9000/page", "9010/", "9011/"] {
        ask(page, "");
    }
    system.ok(SECOND);
    answers();
    assert!(ask("9000/page", "").contains("both both"));
    // A client looks for its server again every few seconds.
    for (page, password, text) in [("9000/page", &password, "again again"), ("9010/", &other, "0 text=again")] {
        let write = format!("python3 /usr/local/bin/ask.py http://127.0.0.1:{page} admin '{password}' again");
        system.until(Duration::from_secs(30), &format!("{write} | grep '{text}'"));
    }
}
