//! What is in the packages: native libraries, bytes that do not depend on
//! where and when they were built, records that verify.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::harness::{Session, Suite, repository};
use crate::on_suites;
use crate::package::{self, Built, Source, built, copy_debs, fetch_wheels, pinned, target, workshop};

on_suites!(
    both: [
        case_08_native_wheels_build_import_and_depend_exactly,
        own_extensions_depend_on_the_libraries_that_each_of_them_wants,
        case_16_no_build_path_anywhere_and_every_record_row_verifies
    ],
    bookworm: [case_15_flask_and_gunicorn_are_byte_identical_wherever_and_whenever_built],
    trixie: [case_15_numpy_and_pandas_are_byte_identical_wherever_and_whenever_built],
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
    let mut each = asked_about_each_file(&built.session, &built.dir);
    each.extend(["python3".to_owned(), python.clone()]);
    assert_eq!(depends.iter().map(|item| (*item).to_owned()).collect::<BTreeSet<_>>(), each);
    // With this suite's Python, too, byte code can be moved: it is kept of each of the seven.
    let kept = built.session.ok("ls \"${XDG_CACHE_HOME:-$HOME/.cache}\"/dh-venv/trees/*.code").stdout;
    assert_eq!(kept.lines().count(), 7, "{kept}");
    let control = built.session.ok(&format!("rm -rf control && dpkg-deb -e {} control && ls control", built.inside()));
    assert_eq!(control.stdout, "control\nmd5sums\n", "no shlibs file, no trigger, no script");

    let target = target(suite);
    target.install(&[built.deb()]);
    target.ok("cd /
        /usr/lib/natives/venv/bin/python -c '
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

/// What dpkg-shlibdeps answers when it is asked about every ELF file of the package
/// that has been built in `dir`.
fn asked_about_each_file(session: &Session, dir: &str) -> BTreeSet<String> {
    let script = "files=$(find debian/*/usr/lib -type f -name '*.so*')
        bundled=$(find debian/*/usr/lib -type f -name 'lib*.so*' -printf '-l%h\\n' | sort -u)
        dpkg-shlibdeps -O --ignore-missing-info $bundled $(printf ' -e%s' $files) 2>/dev/null |
            sed -n 's/^shlibs:Depends=//p'";
    let text = session.in_dir(dir).ok(script).stdout;
    let items: BTreeSet<String> = text.trim().split(", ").map(str::to_owned).collect();
    assert!(items.iter().any(|item| item.starts_with("libc6 (>= ")), "{text}");
    items
}

/// Extension modules on libraries of Debian whose symbols have no versions, alone and
/// together, and one on a library of its own that has a symbol of sqlite's name.
fn linked() -> Source {
    let module = |name: &str, symbols: &[&str]| {
        let declared: String = symbols.iter().map(|symbol| format!("extern int {symbol}(void);\n")).collect();
        let called: Vec<String> = symbols.iter().map(|symbol| format!("{symbol}()")).collect();
        format!(
            "#include <Python.h>\n{declared}static PyObject *call(PyObject *self, PyObject *none) {{\n\
             return PyLong_FromLong((long)({})); }}\n\
             static PyMethodDef methods[] = {{{{\"call\", call, METH_NOARGS, NULL}}, {{NULL, NULL, 0, NULL}}}};\n\
             static struct PyModuleDef module = {{PyModuleDef_HEAD_INIT, \"{name}\", NULL, -1, methods}};\n\
             PyMODINIT_FUNC PyInit_{name}(void) {{ return PyModule_Create(&module); }}\n",
            called.join(" + ")
        )
    };
    Source::new("linked")
        .replace("debian/control", "dh-sequence-venv", "dh-sequence-venv, libyaml-dev (>= 0.2.4)")
        .file(
            "pyproject.toml",
            "[build-system]\nrequires = [\"setuptools>=77\"]\nbuild-backend = \"setuptools.build_meta\"\n\n\
             [project]\nname = \"linked\"\nversion = \"1.0\"\n",
        )
        .file(
            "setup.py",
            "import os, subprocess\nfrom setuptools import Extension, setup\n\nos.makedirs('bundled', exist_ok=True)\n\
             subprocess.run('gcc -shared -fPIC -o bundled/libown-0a1b2c3d.so own.c'.split(), check=True)\n\
             sqlite, yaml, zlib = '-l:libsqlite3.so.0', '-l:libyaml-0.so.2', '-l:libz.so.1'\n\
             own = ['-Lbundled', '-l:libown-0a1b2c3d.so', '-Wl,-rpath,$ORIGIN/bundled']\n\
             flags = {'old': [sqlite], 'new': [sqlite], 'text': [yaml], 'both': [zlib, yaml], 'mine': own}\n\
             setup(packages=['bundled'], package_data={'bundled': ['*']}, ext_modules=[\n    \
             Extension(name, [name + '.c'], extra_link_args=['-Wl,--no-as-needed', *more])\n    \
             for name, more in flags.items()])\n",
        )
        .file("own.c", "int sqlite3_error_offset(void) { return 0; }\n")
        .file("old.c", &module("old", &["sqlite3_libversion_number"]))
        .file("new.c", &module("new", &["sqlite3_libversion_number", "sqlite3_sourceid"]))
        .file("text.c", &module("text", &["yaml_get_version"]))
        .file("both.c", &module("both", &["zlibVersion", "inflateGetDictionary", "yaml_get_version"]))
        .file("mine.c", &module("mine", &["sqlite3_error_offset"]))
}

fn own_extensions_depend_on_the_libraries_that_each_of_them_wants(suite: Suite) {
    let session = workshop(suite);
    session.as_user("root").ok("apt-get install -qq -y -o Dpkg::Use-Pty=0 libyaml-dev");
    fetch_wheels(&session, "wheels", "setuptools==80.9.0");
    let session = session.offline();
    let dir = "/home/builder/work/linked";
    for (source, version) in [(linked(), "0.2.4"), (linked().replace("debian/control", "0.2.4", "0.2.5"), "0.2.5")] {
        source.unpack(&session, dir);
        session.ok(&format!("rm -rf {dir}/debian/wheelhouse && cp -r wheels {dir}/debian/wheelhouse"));
        package::build(&session, dir);
        let depends = session.ok("dpkg-deb -f work/linked_1.0_*.deb Depends").stdout;
        let mut depends: BTreeSet<String> = depends.trim().split(", ").map(str::to_owned).collect();
        assert!(depends.remove("python3") && depends.remove(&format!("python{}", suite.python())), "{depends:?}");
        assert_eq!(depends, asked_about_each_file(&session, dir));
        // zlib's own symbols count, and what the library of the wheel has is not sqlite's.
        assert!(depends.contains("zlib1g (>= 1:1.2.8)"), "{depends:?}");
        assert!(depends.contains("libsqlite3-0 (>= 3.6.18)"), "{depends:?}");
        // libyaml's symbols file names libyaml-dev, whose version in Build-Depends counts.
        assert!(depends.contains(&format!("libyaml-0-2 (>= {version})")), "{depends:?}");
    }
}

/// A workshop with a second user, the wheels of `source` in /srv/wheels, and
/// faketime. All builds are offline: certificates would
/// have ended by then.
fn workshop_with_clock(suite: Suite, source: &Source) -> Session {
    let session = workshop(suite);
    session.write("/tmp/pins", &source.files["requirements.txt"]);
    let root = session.as_user("root");
    root.ok("apt-get install -qq -y -o Dpkg::Use-Pty=0 faketime
        useradd --create-home --uid 4242 anna
        install -d -o builder /srv/wheels");
    session.ok(
        "python3 -m pip download --quiet --no-deps --only-binary :all: --require-hashes -r /tmp/pins -d /srv/wheels",
    );
    session.offline().timeout(std::time::Duration::from_secs(240))
}

/// Builds in this directory as this user, with a clock that is this many days
/// ahead for every program. libfaketime's LD_PRELOAD would not do: dh_venv keeps
/// it from its children.
fn build(session: &Session, dir: &str, days: u64, command: &str) -> String {
    let root = session.as_user("root");
    root.ok(&format!("echo +{days}d >/etc/faketimerc; ls /usr/lib/*/faketime/libfaketime.so.1 >/etc/ld.so.preload"));
    // Root's semaphore is of no use to others; what files say of their times stays.
    let log = session
        .in_dir(dir)
        .ok(&format!("unset FAKETIME_SHARED; export NO_FAKE_STAT=1; date +%s; {command} 2>&1"))
        .stdout;
    root.ok("rm /etc/ld.so.preload");
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("a clock").as_secs();
    let seen: u64 = log.lines().next().expect("a line").parse().expect("seconds");
    assert!(seen.abs_diff(now + days * 86400) < 600, "{seen} is not {days} days after {now}");
    log
}

/// Whether the build took the venv from the cache, and the digest of its .deb.
fn digest(session: &Session, source: &Source, dir: &str, days: u64, jobs: u32) -> String {
    session.ok(&format!("rm -rf {dir} {dir}_*.deb"));
    source.unpack(session, dir);
    session.ok(&format!("ln -s /srv/wheels {dir}/debian/wheelhouse"));
    let log = build(session, dir, days, &format!("dpkg-buildpackage -us -uc -b -j{jobs}"));
    let cached = if log.contains("come from the cache") { "hit" } else { "miss" };
    let digest = session.ok(&format!("sha256sum <{dir}_1.0_*.deb")).stdout;
    format!("{cached} {}", digest.split(' ').next().expect("a digest"))
}

const NEAR: &str = "/home/builder/s/site";
const FAR: &str = "/home/anna/a/much/longer/directory/than/the/other/one/site";

/// Two directories of different length, two users with homes and caches of their
/// own, two dates, locales and time zones, one job and two, with the venv in the
/// cache and without: `more` builds further ones.
fn identical(session: &Session, source: &Source, more: impl FnOnce() -> Vec<String>) {
    let anna = session.as_user("anna").env("LC_ALL", "C").env("TZ", "Asia/Tokyo");
    let mut found = vec![digest(session, source, NEAR, 0, 1)];
    found.push(digest(session, source, NEAR, 400, 2));
    found.push(digest(&anna, source, FAR, 400, 2));
    found.extend(more());
    let (ways, digests): (Vec<&str>, Vec<&str>) = found.iter().filter_map(|one| one.split_once(' ')).unzip();
    assert_eq!(ways[..3], ["miss", "hit", "miss"]);
    if digests.iter().any(|digest| *digest != digests[0]) {
        let differing = session.as_user("root").run(&format!(
            "cd /tmp
             dpkg-deb -R /home/builder/s/site_1.0_*.deb one
             dpkg-deb -R {FAR}/../site_1.0_*.deb two
             diff -rq --no-dereference one two; dpkg-deb -c /home/builder/s/site_1.0_*.deb >c1
             dpkg-deb -c {FAR}/../site_1.0_*.deb >c2; diff c1 c2 | head -40"
        ));
        panic!("{found:?}\n{}", differing.dump());
    }
}

fn case_15_flask_and_gunicorn_are_byte_identical_wherever_and_whenever_built(suite: Suite) {
    let source = flask();
    let session = workshop_with_clock(suite, &source);
    identical(&session, &source, || {
        // pip does the work where no uv is found.
        let pip = session.env("PATH", "/usr/bin:/bin");
        vec![digest(&pip, &source, NEAR, 800, 1)]
    });
    only_times_follow_source_date_epoch(&session);
}

/// The package that is there, built again as if its changelog were older.
fn only_times_follow_source_date_epoch(session: &Session) {
    let listing = |deb: &str| {
        let listing = session.ok(&format!("dpkg-deb -c {deb}")).stdout;
        let fields = listing.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
        // Mode, owner, size, date, time, name.
        let (what, times): (Vec<String>, Vec<String>) =
            fields.map(|f| ([&f[..3], &f[5..]].concat().join(" "), f[3..5].join(" "))).unzip();
        (what, times)
    };
    session.ok("rm -rf older && mkdir older && mv s/site_1.0_*.deb older/younger.deb");
    session.in_dir(NEAR).ok("SOURCE_DATE_EPOCH=1500000000 dpkg-buildpackage -us -uc -b 2>&1");
    session.ok("mv s/site_1.0_*.deb older/older.deb
        cd older
        if cmp older.deb younger.deb; then exit 9; fi
        dpkg-deb -R older.deb a && dpkg-deb -R younger.deb b && diff -r --no-dereference a b");
    let (older, younger) = (listing("older/older.deb"), listing("older/younger.deb"));
    assert_eq!(older.0, younger.0);
    assert_ne!(older.1, younger.1);
}

fn case_15_numpy_and_pandas_are_byte_identical_wherever_and_whenever_built(suite: Suite) {
    let source = flask().file("requirements.txt", &pinned("pandas.txt"));
    identical(&workshop_with_clock(suite, &source), &source, Vec::new);
}

fn case_16_no_build_path_anywhere_and_every_record_row_verifies(suite: Suite) {
    let natives = built_natives(suite);
    let notes = built(suite, "example flask", || Source::example("flask", "notes"));
    for (built, wheel) in [(&natives, "numpy"), (&notes, "flask")] {
        let session = built.session.bind(&repository().join("tests/system/check-package.py"), "/srv/check.py");
        let package = built.field("Package");
        session.ok(&format!(
            "rm -rf /tmp/x
             dpkg-deb -R {} /tmp/x
             python3 /srv/check.py /tmp/x /usr/lib/{package}/venv {} /home/builder .debhelper /var/cache/session",
            built.inside(),
            built.dir
        ));
        let python = suite.python();
        session.ok(&format!(
            "python3 - /tmp/x/usr/lib/{package} {wheel} {python} <<'end'
import glob, json, re, sys
home, wheel, python = sys.argv[1:]
sbom = json.load(open(home + '/sbom.cdx.json'))
assert sbom['specVersion'] == '1.5', sbom['specVersion']
(one,) = [part for part in sbom['components'] if part['purl'].startswith(f'pkg:pypi/{{wheel}}@')]
(digest, *_) = [found['content'] for found in one['hashes'] if found['alg'] == 'SHA-256']
assert re.fullmatch('[0-9a-f]{{64}}', digest), digest
installed = glob.glob(f'{{home}}/venv/lib/python{{python}}/site-packages/*.dist-info')
assert len(sbom['components']) == len(installed), (sbom, installed)
assert glob.glob(f'{{home}}/licenses/{{wheel}}*/**/LICENSE*', recursive=True), glob.glob(home + '/licenses/*')
end"
        ));
        let id = session.ok(&format!("cat /tmp/x/usr/lib/{package}/venv-id")).stdout;
        assert!(id.len() == 65 && id.trim().bytes().all(|digit| digit.is_ascii_hexdigit()), "{id}");
        // The field is there where debian/control asks for it.
        assert_eq!(built.field("Venv-Id"), if package == "notes" { id.trim() } else { "" });
    }
    assert!(!copy_debs(&notes.session, "/home/builder/work").is_empty());
}
