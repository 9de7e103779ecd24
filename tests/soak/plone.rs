//! examples/plone: built with its constraints, or with those of a release of Plone
//! (`PLONE_CONSTRAINTS`), installed on a machine with a ZEO server. What is installed has
//! the versions that the constraints name; the site is made by the installation, its pages
//! are fetched, and a second start changes nothing.

use std::time::{Duration, Instant};

use crate::harness::{Booted, Suite, repository};
use crate::package::{Built, Source, bootable, workshop};

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

/// Lists what is installed in a directory: a name and a version a line.
const INSTALLED: &str = "\
import importlib.metadata, sys
for it in importlib.metadata.distributions(path=[sys.argv[1]]):
    print(it.name, it.version)
";

/// `versions.py CONSTRAINTS INSTALLED` compares each distribution with the constraint that
/// applies to it, and prints what differs. It takes what it needs from pip's wheel.
const VERSIONS: &str = "\
import glob, sys
sys.path.insert(0, glob.glob('/usr/share/python-wheels/pip-*.whl')[0])
from pip._vendor.packaging.requirements import Requirement
from pip._vendor.packaging.utils import canonicalize_name

wanted = {}
for line in open(sys.argv[1]):
    line = line.partition('#')[0].strip()
    if line:
        requirement = Requirement(line)
        if requirement.marker is None or requirement.marker.evaluate():
            wanted[canonicalize_name(requirement.name)] = requirement.specifier
for line in open(sys.argv[2]):
    name, version = line.split()
    specifier = wanted.get(canonicalize_name(name))
    if name != 'intranet' and (specifier is None or not specifier.contains(version, prereleases=True)):
        print(f'{name} {version} is constrained to {specifier}')
";

/// The constraints to build with, whole, and the version of Plone that they name.
fn constraints() -> (String, String) {
    let file = std::env::var_os("PLONE_CONSTRAINTS")
        .filter(|name| !name.is_empty())
        .map_or_else(|| repository().join("examples/plone/constraints.txt"), std::path::PathBuf::from);
    let text = std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    let plone = text.lines().find_map(|line| {
        let (name, version) = line.split_once("==")?;
        (name.replace('.', "-").eq_ignore_ascii_case("products-cmfplone")).then(|| version.trim().to_owned())
    });
    let version = plone.unwrap_or_else(|| panic!("{} names no Products.CMFPlone", file.display()));
    (text, version)
}

#[test]
fn a_site_is_made_and_serves() {
    let suite = Suite::Bookworm;
    let began = Instant::now();
    let server = Built::new(workshop(suite), &Source::example("zeo-server", "zeo-server"));
    let (constraints, version) = constraints();
    let read = |path: &str| std::fs::read_to_string(repository().join("examples/plone").join(path)).unwrap();
    let client = read("debian/intranet.zeoclient");
    let number = client.lines().find(|line| line.starts_with("Upgrade: ")).expect("an upgrade").to_owned();
    let source = Source::example("plone", "intranet")
        .file("constraints.txt", &constraints)
        .file("debian/intranet.zeoclient", &client)
        .replace("debian/intranet.zeoclient", &number, &format!("Upgrade: {version}"));
    let plone = Built::new(workshop(suite), &source);
    let size = plone.deb().metadata().expect("the package").len() / 1_000_000;
    println!("Plone {version} built in {:.0} s, server included: {size} MB", began.elapsed().as_secs_f64());

    let session = bootable(suite);
    session.copy_in(server.deb(), "/var/tmp/zeo-server.deb");
    session.copy_in(plone.deb(), "/var/tmp/intranet.deb");
    session.write("/usr/local/bin/ask.py", ASK);
    session.write("/usr/local/bin/installed.py", INSTALLED);
    let system = Booted::new(session);
    system.ok("dpkg -i /var/tmp/zeo-server.deb");
    system.ok("apt-get install -qq -y -o Dpkg::Use-Pty=0 $(dpkg-deb -f /var/tmp/intranet.deb Depends | tr ',' '\\n' | sed 's/ *(.*//; s/^ *//' | grep -v '|') </dev/null");
    let began = Instant::now();
    let installed = system.ok("dpkg -i /var/tmp/intranet.deb");
    println!("dpkg -i: {:.1} s\n{}", installed.elapsed.as_secs_f64(), installed.dump());
    let site_packages = "/usr/lib/intranet/venv/lib/python3.*/site-packages";
    let found = system.ok(&format!("python3 /usr/local/bin/installed.py {site_packages}")).stdout;
    let is_plone = |line: &&str| line.strip_suffix(&version).is_some_and(|name| name == "Products.CMFPlone ");
    assert_eq!(found.lines().filter(is_plone).count(), 1, "{found}");
    // All but the project itself.
    let count = found.lines().count() - 1;
    assert!(count > 200, "{found}");
    plone.session.write("/tmp/constraints.txt", &constraints);
    plone.session.write("/tmp/installed", &found);
    plone.session.write("/tmp/versions.py", VERSIONS);
    let differs = plone.session.ok("python3 /tmp/versions.py /tmp/constraints.txt /tmp/installed").stdout;
    assert_eq!(differs, "", "of {count} distributions");
    println!("{count} distributions, each with the version that its constraint names");
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
    assert!(status.contains(&format!("data: version {version}")), "{status}");
    // Neither a restart nor an installation over it makes another site or password.
    let made = system.ok("journalctl --no-pager | grep -c 'the site /Plone has been made'").stdout;
    assert_eq!(made, "1\n");
    system.ok("dpkg -i /var/tmp/intranet.deb && appctl service restart intranet");
    system.until(Duration::from_secs(120), &format!("python3 /usr/local/bin/ask.py {page} | grep -q '^200'"));
    assert!(panel(&password).contains("Plone 6"));
    assert_eq!(system.ok("journalctl --no-pager | grep -c 'the site /Plone has been made'").stdout, made);
}
