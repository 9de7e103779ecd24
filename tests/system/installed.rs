//! Packages with a venv, installed, used, upgraded and purged.

use crate::harness::{Kind, Session, Suite, repository};
use crate::on_both_suites;
use crate::package::{Source, built, built_greet, greet, target, workshop};

on_both_suites!(
    case_09_script_runs_through_usr_bin_as_ordinary_user_from_dash,
    case_10_upgrade_that_drops_a_dependency_and_purge_leave_nothing,
    case_11_links_of_an_older_layout_never_lead_into_the_systems_python,
    case_18_root_finds_no_pip_and_writes_nothing_below_the_prefix,
);

fn case_09_script_runs_through_usr_bin_as_ordinary_user_from_dash(suite: Suite) {
    let session = target(suite);
    session.install(&[built_greet(suite).deb()]);
    let alice = session.as_user("alice");
    assert_eq!(alice.ok("readlink /usr/bin/greet").stdout, "../lib/greet/venv/bin/greet\n");
    assert_eq!(alice.ok("cd / && dash -c greet").stdout, "hello from 1.0\n");
    assert_eq!(alice.ok("cd / && env -i /usr/bin/greet").stdout, "hello from 1.0\n");
}

/// Version 2.0 of `greet`, without the dependency.
fn greet_2() -> Source {
    Source::new("greet")
        .version("2.0")
        .file("requirements.txt", "greet\n")
        .file("debian/greet.venv", "Format: 1\nRequirements: requirements.txt\nCommands: greet\n")
        .wheel(
            "greet",
            "2.0",
            "",
            &[
                ("greet/__init__.py", "def main():\n    print('hello from 2.0')\n"),
                ("entry_points.txt", "[console_scripts]\ngreet = greet:main\n"),
            ],
        )
}

/// The same, where dh-virtualenv would have put it.
fn greet_2_in_opt() -> Source {
    greet_2().more("debian/greet.venv", "Prefix: /opt/venvs/greet\n")
}

fn case_10_upgrade_that_drops_a_dependency_and_purge_leave_nothing(suite: Suite) {
    let session = target(suite);
    session.install(&[built_greet(suite).deb()]);
    assert_eq!(session.ok("greet").stdout, "hello from 1.0\n");
    session.install(&[built(suite, "greet 2", greet_2).deb()]);
    assert_eq!(session.ok("greet").stdout, "hello from 2.0\n");
    session.fails(1, "/usr/lib/greet/venv/bin/python -c 'import words'");
    session.ok("! find / -xdev -path '*venv*words*' | grep . && dpkg -V greet");
    session.ok("apt-get purge -qq -y greet && ! test -e /usr/lib/greet && ! test -e /usr/bin/greet");
    session.ok("! find /usr /etc /var/lib /opt -xdev -name '*greet*' | grep .");
}

fn case_18_root_finds_no_pip_and_writes_nothing_below_the_prefix(suite: Suite) {
    let session = target(suite);
    session.install(&[built_greet(suite).deb()]);
    let list = "cd /usr/lib/greet && find . -printf '%p %y %s %T@ %l\\n' | LC_ALL=C sort";
    let before = session.ok(list).stdout;
    assert!(before.contains("words.cpython-"), "no bytecode is shipped:\n{before}");
    for name in ["pip", "setuptools", "wheel", "pkg_resources", "easy_install", "_distutils_hack"] {
        assert!(!before.contains(&format!("/{name}")), "{name} is in the package:\n{before}");
    }
    assert_eq!(session.ok("greet").stdout, "hello from 1.0\n");
    session.ok("/usr/lib/greet/venv/bin/python -c 'import greet, words, sys
for module in greet, words: assert module.__cached__ and open(module.__cached__, \"rb\")'");
    assert_eq!(session.ok(list).stdout, before);
}

/// A package whose venv has links into the system's Python, as virtualenv made them.
fn linked_package(session: &Session, version: &str) {
    let python = session.suite().python();
    session.ok(&format!(
        "rm -rf /tmp/linked && mkdir -p /tmp/linked/DEBIAN /tmp/linked/opt/venvs/greet/bin
         cd /tmp/linked/opt/venvs/greet
         mkdir -p lib/python{python}/site-packages include
         ln -s lib lib64
         ln -s /usr/include/python{python} include/python{python}
         for name in encodings lib-dynload collections; do
             ln -s /usr/lib/python{python}/$name lib/python{python}/$name
         done
         ln -s /usr/bin/python3 bin/python
         printf '%s\\n' 'Package: greet' 'Version: {version}' 'Architecture: all' 'Depends: python3' \
             'Maintainer: x <x@x.invalid>' 'Description: x' >/tmp/linked/DEBIAN/control
         dpkg-deb --root-owner-group -b /tmp/linked /tmp/linked.deb"
    ));
}

fn case_11_links_of_an_older_layout_never_lead_into_the_systems_python(suite: Suite) {
    let built = built(suite, "greet 2 in /opt/venvs", greet_2_in_opt);
    let session = target(suite);
    session.ok("find /usr/lib/python3* /usr/include -type f -print0 | LC_ALL=C sort -z | xargs -0 md5sum >/tmp/sums");
    let unchanged = || {
        session.ok("find /usr/lib/python3* /usr/include -type f -print0 | LC_ALL=C sort -z | xargs -0 md5sum >/tmp/now
            diff -u /tmp/sums /tmp/now");
    };
    linked_package(&session, "1.0");
    session.ok("dpkg -i /tmp/linked.deb");
    session.install(&[built.deb()]);
    unchanged();
    assert_eq!(session.ok("greet").stdout, "hello from 2.0\n");
    session.ok("dpkg -V greet");
    // And back: links where directories are.
    linked_package(&session, "3.0");
    session.ok("dpkg -i /tmp/linked.deb");
    unchanged();
    session.ok("dpkg --purge greet");
    unchanged();
}

#[test]
fn case_17_bookworm_package_is_refused_by_apt_on_trixie() {
    let built = built_greet(Suite::Bookworm);
    let depends = built.field("Depends");
    assert!(depends.split(", ").any(|item| item == "python3.11"), "{depends}");
    let session = target(Suite::Trixie);
    let name = built.deb().file_name().expect("name").to_string_lossy().into_owned();
    session.copy_in(built.deb(), &format!("/var/tmp/{name}"));
    let output = session.fails(100, &format!("apt-get install -y /var/tmp/{name}"));
    assert!((output.stdout + &output.stderr).contains("Depends: python3.11 but it is not installable"));
    session.fails(1, "dpkg -s greet");
}

#[test]
fn case_17_full_upgrade_to_trixie_keeps_the_application() {
    let trixie = Session::new(Suite::Trixie, Kind::Run);
    let lists = tempfile::tempdir_in(repository().join("target")).expect("tempdir");
    trixie.copy_out("/var/lib/apt/lists", &lists.path().join("lists"));
    trixie.copy_out("/etc/apt/sources.list.d", &lists.path().join("sources"));
    let session = target(Suite::Bookworm);
    session.install(&[built_greet(Suite::Bookworm).deb()]);
    session.ok("rm -rf /var/lib/apt/lists /etc/apt/sources.list*");
    session.copy_in(&lists.path().join("lists"), "/var/lib/apt/lists");
    session.copy_in(&lists.path().join("sources"), "/etc/apt/sources.list.d");
    let plan = session.ok("apt-get -s full-upgrade").stdout;
    assert!(plan.lines().any(|line| line.starts_with("Inst python3 [3.11") && line.contains("(3.13")), "{plan}");
    for package in ["greet", "python3.11", "python3.11-minimal", "libpython3.11-stdlib"] {
        assert!(!plan.contains(&format!("\nRemv {package} ")), "{plan}");
    }
}

/// dh-virtualenv is in bookworm, and not in trixie.
#[test]
fn case_24_takes_over_from_a_dh_virtualenv_package_with_bytecode_of_root() {
    let suite = Suite::Bookworm;
    let theirs = greet()
        .replace("debian/control", "dh-sequence-venv", "dh-virtualenv")
        .replace("debian/control", "${venv:Depends}", "python3")
        .replace("debian/control", "Rules-Requires-Root: no\n", "")
        .file(
            "debian/rules",
            "#!/usr/bin/make -f\n\n%:\n\tdh $@ --with python-virtualenv\n\noverride_dh_virtualenv:\n\
             \tdh_virtualenv --python /usr/bin/python3 --skip-install --use-system-packages \
             --extra-pip-arg=--no-index --extra-pip-arg=--find-links=$(CURDIR)/debian/wheelhouse\n",
        );
    let session = workshop(suite);
    session.as_user("root").ok("apt-get install -qq -y -o Dpkg::Use-Pty=0 dh-virtualenv virtualenv");
    theirs.build(&session);
    let old = crate::package::copy_debs(&session, "/home/builder/work");
    let ours = built(suite, "greet 2 in /opt/venvs", greet_2_in_opt);

    let session = target(suite);
    session.install(&old);
    assert_eq!(session.ok("/opt/venvs/greet/bin/greet").stdout, "hello from 1.0\n");
    session.ok("/opt/venvs/greet/bin/python -m compileall -q /opt/venvs/greet || true
        find /opt/venvs/greet -path '*/words*.pyc' | grep .");
    session.install(&[ours.deb()]);
    assert_eq!(session.ok("greet").stdout, "hello from 2.0\n");
    session.ok("dpkg -V greet");
    session.fails(1, "/opt/venvs/greet/bin/python -c 'import words'");
    let installed = "import importlib.metadata as m; print(sorted(d.name for d in m.distributions()))";
    assert_eq!(session.ok(&format!("/opt/venvs/greet/bin/python -c '{installed}'")).stdout, "['greet']\n");
    // dpkg removes what it owns; root's bytecode of modules that are gone does no harm.
    let strays = "find /opt/venvs/greet ! -type d | LC_ALL=C sort | while read -r file; do
        dpkg -S \"$file\" >/dev/null 2>&1 || echo \"$file\"; done";
    let strays = session.ok(strays).stdout;
    assert!(strays.lines().all(|path| path.contains("/__pycache__/") && path.ends_with(".pyc")), "{strays}");
    session.ok("apt-get purge -qq -y greet && ! find /opt/venvs/greet ! -type d ! -name '*.pyc' | grep .");
}
