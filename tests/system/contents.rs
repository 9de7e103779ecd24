//! What is in the packages: native libraries, bytes that do not depend on
//! where and when they were built, records that verify.

use std::sync::Arc;

use crate::harness::{Session, Suite, repository};
use crate::on_both_suites;
use crate::package::{Built, Source, built, copy_debs, pinned, target, workshop};

on_both_suites!(
    case_08_native_wheels_build_import_and_depend_exactly,
    case_15_flask_and_gunicorn_are_byte_identical_wherever_and_whenever_built,
    case_16_no_build_path_anywhere_and_every_record_row_verifies,
);

fn natives() -> Source {
    let pins = std::fs::read_to_string(repository().join("tests/data/native.txt")).expect("tests/data/native.txt");
    Source::new("natives").file("requirements.txt", &pins)
}

fn built_natives(suite: Suite) -> Arc<Built> {
    built(suite, "natives", natives)
}

fn flask() -> Source {
    Source::new("site")
        .file("requirements.txt", &pinned("flask.txt"))
        .file("debian/site.venv", "Format: 1\nRequirements: requirements.txt\nCommands: flask\n gunicorn\n")
}

fn case_08_native_wheels_build_import_and_depend_exactly(suite: Suite) {
    let built = built_natives(suite);
    let depends = built.field("Depends");
    let mut depends: Vec<&str> = depends.split(", ").collect();
    depends.sort_unstable();
    let python = format!("python{}", suite.python());
    let names: Vec<&str> = depends.iter().map(|item| item.split(' ').next().expect("a word")).collect();
    // What the wheels bring along themselves is no dependency.
    let mut expected = vec!["libc6", "libgcc-s1", "libstdc++6", "python3", &python, "zlib1g"];
    expected.sort_unstable();
    assert_eq!(names, expected, "{depends:?}");
    assert!(depends.iter().any(|item| item.starts_with("libc6 (>= 2.")), "{depends:?}");
    let control = built.session.ok(&format!("rm -rf control && dpkg-deb -e {} control && ls control", built.inside()));
    assert_eq!(control.stdout, "control\nmd5sums\n", "no shlibs file, no trigger, no script");

    let target = target(suite);
    target.install(&[built.deb()]);
    target.ok("cd / && /usr/lib/natives/venv/bin/python -c '
import io, numpy, psycopg2, lxml.etree, PIL.Image, PIL._imagingft, cryptography.fernet
assert numpy.linalg.inv(numpy.eye(3)).trace() == 3
assert lxml.etree.fromstring(\"<a><b/></a>\").xpath(\"count(//b)\") == 1
for kind in (\"JPEG\", \"PNG\", \"WEBP\", \"TIFF\"):
    PIL.Image.new(\"RGB\", (8, 8)).save(io.BytesIO(), kind)
key = cryptography.fernet.Fernet(cryptography.fernet.Fernet.generate_key())
assert key.decrypt(key.encrypt(b\"x\")) == b\"x\"
try:
    psycopg2.connect(host=\"127.0.0.1\", port=1)
except psycopg2.OperationalError:
    pass
'");
}

/// Builds in this directory as this user, and returns the digest of the .deb.
fn digest(session: &Session, source: &Source, dir: &str, jobs: u32) -> String {
    source.unpack(session, dir);
    let command = format!("rm -f ../*.deb; umask 0022; dpkg-buildpackage -us -uc -b -j{jobs} 2>&1");
    session.in_dir(dir).ok(&command);
    session.in_dir(dir).ok("sha256sum <../site_1.0_*.deb").stdout
}

/// Two directories of different length, two users with caches of their own, two
/// times, one job and two, with the venv in the cache and without.
fn identical(session: &Session, source: &Source) {
    let anna = session.as_user("anna");
    session.as_user("root").ok("useradd --create-home --uid 4242 anna && umask 022");
    let far = "/home/anna/a/much/longer/directory/than/the/other/one/site";
    let first = digest(session, source, "/home/builder/s/site", 1);
    let cached = digest(session, source, "/home/builder/s/site", 2);
    let other = digest(&anna.env("LC_ALL", "C").env("TZ", "Asia/Tokyo"), source, far, 2);
    let found = [&first, &cached, &other];
    if found.iter().any(|digest| **digest != first) {
        let differing = session.as_user("root").run(&format!(
            "cd /tmp && dpkg-deb -R /home/builder/s/site_1.0_*.deb one && dpkg-deb -R {far}/../site_1.0_*.deb two
             diff -rq --no-dereference one two; dpkg-deb -c /home/builder/s/site_1.0_*.deb >c1
             dpkg-deb -c {far}/../site_1.0_*.deb >c2; diff c1 c2 | head -40"
        ));
        panic!("first, from the cache, by another user: {found:?}\n{}", differing.dump());
    }
}

fn case_15_flask_and_gunicorn_are_byte_identical_wherever_and_whenever_built(suite: Suite) {
    identical(&workshop(suite), &flask());
}

#[test]
fn case_15_numpy_and_pandas_are_byte_identical_wherever_and_whenever_built() {
    identical(&workshop(Suite::Bookworm), &flask().file("requirements.txt", &pinned("pandas.txt")));
}

fn case_16_no_build_path_anywhere_and_every_record_row_verifies(suite: Suite) {
    let natives = built_natives(suite);
    let notes = built(suite, "example flask", || Source::example("flask", "notes"));
    for built in [&natives, &notes] {
        let session = built.session.bind(&repository().join("tests/system/check-package.py"), "/srv/check.py");
        let package = built.field("Package");
        session.ok(&format!(
            "rm -rf /tmp/x && dpkg-deb -R {} /tmp/x
             python3 /srv/check.py /tmp/x /usr/lib/{package}/venv {} /home/builder .debhelper /var/cache/session",
            built.inside(),
            built.dir
        ));
    }
    assert!(!copy_debs(&notes.session, "/home/builder/work").is_empty());
}
