//! Distributions that are built from source: when they are built again, and when not.

use crate::harness::{Session, Suite};
use crate::on_suites;
use crate::package::{greet, workshop};

on_suites!(both: [], bookworm: [], trixie: [what_decides_a_compiled_module_has_it_compiled_again]);

const WORK: &str = "/home/builder/work/greet";

/// An extension module that tells the flags it was compiled with.
const MODULE: &str = "#include <Python.h>
#ifndef FLAG
#define FLAG 0
#endif
static PyObject *value(PyObject *self, PyObject *unused) { return PyLong_FromLong(EDITION + FLAG); }
static PyMethodDef methods[] = {{\"value\", value, METH_NOARGS, NULL}, {NULL}};
static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, \"native\", NULL, -1, methods};
PyMODINIT_FUNC PyInit_native(void) { return PyModule_Create(&module); }
";

const SETUP: &str = "from setuptools import Extension, setup\n\n\
                     setup(name=\"native\", version=\"1.0\", ext_modules=[Extension(\"native\", [\"native.c\"])])\n";

/// The source archive in the wheelhouse, always with the same name and time.
fn archive(session: &Session, edition: u32) {
    session.write("/tmp/native.c", &MODULE.replace("EDITION", &edition.to_string()));
    session.in_dir("/home/builder/native").ok(&format!(
        "cp /tmp/native.c .
         python3 setup.py -q sdist --dist-dir {WORK}/debian/wheelhouse
         touch -d 2020-01-01 {WORK}/debian/wheelhouse/native-1.0.tar.gz"
    ));
}

/// What a run of dh_venv with these flags said, and the value of the module that it left.
fn made(session: &Session, flags: &str) -> (Said, String) {
    let output = session.in_dir(WORK).env("DEB_CFLAGS_APPEND", flags).ok("dh_venv");
    let said = match output.stderr.as_str() {
        text if text.contains("native 1.0 is built from source") => Said::Built,
        text if text.contains("come from the cache") => Said::Kept,
        _ => Said::Nothing,
    };
    let python = "debian/.debhelper/generated/_source/dh_venv/greet/venv/bin/python";
    let value = session.in_dir(WORK).ok(&format!("{python} -c 'import native; print(native.value())'")).stdout;
    (said, value.trim().to_owned())
}

#[derive(Debug, PartialEq, Eq)]
enum Said {
    /// The module was compiled.
    Built,
    /// The whole venv was in the cache.
    Kept,
    /// Neither: its wheel was in the cache.
    Nothing,
}

fn what_decides_a_compiled_module_has_it_compiled_again(suite: Suite) {
    use Said::{Built, Kept, Nothing};
    let session = workshop(suite);
    session.ok(&format!(
        "python3 -m pip download --quiet --only-binary :all: --dest {WORK}/debian/wheelhouse setuptools==80.9.0"
    ));
    let (online, session) = (session.clone(), session.offline());
    greet().file("requirements.txt", "greet==1.0\nnative==1.0\n").unpack(&session, WORK);
    session.ok("mkdir native");
    session.write("/home/builder/native/setup.py", SETUP);
    session.write(
        "/home/builder/native/pyproject.toml",
        "[build-system]\nrequires = [\"setuptools>=77\"]\nbuild-backend = \"setuptools.build_meta\"\n",
    );
    let expected = |said: Said, value: u32| (said, value.to_string());
    archive(&session, 100);
    for (installer, now, next) in [("uv", 100, 200), ("pip", 200, 300)] {
        session.ok(&format!(
            "printf 'Format: 1\nInstaller: {installer}\n' >{WORK}/debian/greet.venv
             printf 'greet==1.0\nnative==1.0\n' >{WORK}/requirements.txt"
        ));
        // pip finds the wheel that was built with uv: it is dh_venv's.
        let first = if installer == "uv" { Built } else { Nothing };
        assert_eq!(made(&session, ""), expected(first, now), "{installer}");
        assert_eq!(made(&session, ""), expected(Kept, now), "{installer}");
        assert_eq!(made(&session, "-DFLAG=1"), expected(Built, now + 1), "{installer}");
        assert_eq!(made(&session, ""), expected(Kept, now), "{installer}");
        // Another archive at the same place, as old as the first.
        archive(&session, next);
        assert_eq!(made(&session, ""), expected(Built, next), "{installer}");
        // Pinned by a hash, it is the same archive still.
        session.in_dir(WORK).ok("cd debian/wheelhouse
                 for file in greet-*.whl words-*.whl native-*.tar.gz; do
                 printf '%s==1.0 --hash=sha256:%s\n' \"${file%%-*}\" \"$(sha256sum <\"$file\" | cut -d' ' -f1)\"
             done >../../requirements.txt");
        assert_eq!(made(&session, ""), expected(Kept, next), "{installer}");
        assert_eq!(made(&session, "-DFLAG=2"), expected(Built, next + 2), "{installer}");
        // What only tells who builds does not decide.
        assert_eq!(made(&session.env("CI_JOB_ID", "7"), "-DFLAG=2"), expected(Kept, next + 2), "{installer}");
    }
    // What is installed does.
    online.as_user("root").ok("apt-get install -qq -y -o Dpkg::Use-Pty=0 hello");
    assert_eq!(made(&session, "-DFLAG=2"), expected(Built, 302));
}
