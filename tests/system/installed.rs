//! Packages with a venv, installed, used, upgraded and purged.

use std::path::PathBuf;

use crate::harness::{Kind, Session, Suite, cache_dir, repository};
use crate::on_both_suites;
use crate::package::{Source, built, built_greet, copy_debs, greet, target, workshop};

on_both_suites!(
    case_09_script_runs_through_usr_bin_as_ordinary_user_from_dash,
    case_10_upgrade_that_drops_a_dependency_and_purge_leave_nothing,
    case_11_links_of_an_older_layout_never_lead_into_the_systems_python,
    case_18_root_finds_no_pip_and_writes_nothing_below_the_prefix,
    case_24_takes_over_from_a_venv_with_bytecode_and_links_of_root,
    case_24_moves_to_the_default_prefix_and_leaves_nothing_behind,
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
                ("plugins/__init__.py", "NAME = 'of 2.0'\n"),
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
        "rm -rf /tmp/linked
         mkdir -p /tmp/linked/DEBIAN /tmp/linked/opt/venvs/greet/bin
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

/// Remembers the files of the system's Python; what is returned demands that
/// they are the same.
fn systems_python(session: &Session) -> impl Fn() {
    let sums = "find /usr/lib/python3* /usr/include -type f ! -path '*/plugins/__pycache__/*' -print0 | LC_ALL=C sort -z | xargs -0 md5sum";
    session.ok(&format!("{sums} >/tmp/sums"));
    let session = session.clone();
    move || drop(session.ok(&format!("{sums} | diff -u /tmp/sums -")))
}

fn case_11_links_of_an_older_layout_never_lead_into_the_systems_python(suite: Suite) {
    let built = built(suite, "greet 2 in /opt/venvs", greet_2_in_opt);
    let session = target(suite);
    let unchanged = systems_python(&session);
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

/// A real release upgrade of a minimal system with the application on it.
#[test]
fn case_17_full_upgrade_to_trixie_keeps_the_application() {
    let trixie = Session::new(Suite::Trixie, Kind::Run);
    let lists = tempfile::tempdir_in(repository().join("target")).expect("tempdir");
    trixie.copy_out("/var/lib/apt/lists", &lists.path().join("lists"));
    trixie.copy_out("/etc/apt/sources.list.d", &lists.path().join("sources"));
    let session = Session::new(Suite::Bookworm, Kind::Run);
    session.install(&[built_greet(Suite::Bookworm).deb()]);
    session.ok("useradd --create-home alice && rm -rf /var/lib/apt/lists /etc/apt/sources.list*");
    session.copy_in(&lists.path().join("lists"), "/var/lib/apt/lists");
    session.copy_in(&lists.path().join("sources"), "/etc/apt/sources.list.d");

    // What is downloaded is kept for the next time, one upgrade after the other.
    let archives = cache_dir().join("upgrade");
    std::fs::create_dir_all(archives.join("partial")).expect("mkdir");
    let upgrading = session.bind_writable(&archives, "/var/cache/apt/archives");
    upgrading.ok("exec 9>/var/cache/apt/archives/busy && flock 9
        apt-get full-upgrade -y -o Dpkg::Use-Pty=0 -o Dpkg::Options::=--force-confold </dev/null 2>&1
        apt-get autoclean -qq");
    assert_eq!(session.ok("python3 -c 'import sys; print(*sys.version_info[:2], sep=\".\")'").stdout, "3.13\n");
    let states = "dpkg-query -W -f '${Package} ${db:Status-Status}\\n' greet python3.11 python3.11-minimal";
    assert_eq!(session.ok(states).stdout, "greet installed\npython3.11 installed\npython3.11-minimal installed\n");
    session.ok("apt-get check && dpkg -V greet && ! dpkg --audit | grep .");
    assert_eq!(session.as_user("alice").ok("greet").stdout, "hello from 1.0\n");
    // apt knows that the application needs its Python, and when it does not any more.
    let unneeded = || session.ok("apt-get -s autoremove").stdout;
    assert!(!unneeded().contains("python3.11"), "{}", unneeded());
    session.install(&[built(Suite::Trixie, "greet", greet).deb()]);
    assert_eq!(session.as_user("alice").ok("greet").stdout, "hello from 1.0\n");
    assert_eq!(session.ok("readlink /usr/lib/greet/venv/bin/python").stdout, "../../../../bin/python3.13\n");
    assert!(unneeded().contains("Remv python3.11 "), "{}", unneeded());
}

/// Version 1.0 of `greet` from Python's own venv, as `dh_virtualenv --builtin-venv` lays it out.
fn package_of_a_plain_venv(suite: Suite) -> Vec<PathBuf> {
    let session = workshop(suite).offline();
    greet().unpack(&session, "/home/builder/work/greet");
    session.as_user("root").ok("python3 -m venv /opt/venvs/greet
        /opt/venvs/greet/bin/pip install --quiet --no-index --find-links /home/builder/work/greet/debian/wheelhouse greet
        cd /home/builder/work
        mkdir -p x/DEBIAN x/opt/venvs
        cp -a /opt/venvs/greet x/opt/venvs/
        find x -name __pycache__ -prune -exec rm -r {} +
        printf '%s\n' 'Package: greet' 'Version: 1.0' 'Architecture: all' 'Depends: python3' \
            'Maintainer: x <x@x.invalid>' 'Description: x' >x/DEBIAN/control
        dpkg-deb --root-owner-group -b x greet_1.0_all.deb");
    copy_debs(&session, "/home/builder/work")
}

/// Version 1.0 of `greet`, built by dh_virtualenv, which is in bookworm and not in trixie.
fn package_of_dh_virtualenv() -> Vec<PathBuf> {
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
    let session = workshop(Suite::Bookworm);
    session.as_user("root").ok("apt-get install -qq -y -o Dpkg::Use-Pty=0 dh-virtualenv virtualenv");
    theirs.build(&session);
    copy_debs(&session, "/home/builder/work")
}

fn case_24_takes_over_from_a_venv_with_bytecode_and_links_of_root(suite: Suite) {
    takes_over(suite, &package_of_a_plain_venv(suite));
}

/// The preinst that dh_venv(1) has for it.
fn preinst_of_the_manual() -> String {
    let manual = std::fs::read_to_string(repository().join("man/dh_venv.1")).expect("manual");
    let (_, rest) = manual.split_once(".nf\n#!/bin/sh\n").expect("a script in the manual");
    let (script, _) = rest.split_once("\n.fi\n").expect("its end");
    format!("#!/bin/sh\n{}\n", script.replace("\\-", "-").replace("notes", "greet"))
}

fn greet_2_with_a_preinst() -> Source {
    greet_2().file("debian/greet.preinst", &preinst_of_the_manual())
}

fn case_24_moves_to_the_default_prefix_and_leaves_nothing_behind(suite: Suite) {
    let ours = built(suite, "greet 2 with a preinst", greet_2_with_a_preinst);
    let session = target(suite);
    session.install(&package_of_a_plain_venv(suite));
    session.ok("/opt/venvs/greet/bin/python -m compileall -q /opt/venvs/greet || true
        find /opt/venvs/greet -path '*/words*.pyc' | grep .");
    session.install(&[ours.deb()]);
    assert_eq!(session.ok("greet").stdout, "hello from 2.0\n");
    session.ok("dpkg -V greet && ! test -e /opt/venvs/greet");
    session.ok("apt-get purge -qq -y greet && ! test -e /usr/lib/greet");
}

#[test]
fn case_24_takes_over_from_a_dh_virtualenv_package() {
    takes_over(Suite::Bookworm, &package_of_dh_virtualenv());
}

/// An installed version 1.0 in /opt/venvs, with what root has added to it,
/// becomes ours: not at all where unpacking fails, else wholly.
fn takes_over(suite: Suite, old: &[PathBuf]) {
    let ours = built(suite, "greet 2 in /opt/venvs", greet_2_in_opt);
    let session = target(suite);
    session.install(old);
    // Root's byte code, and links to a package of Debian's: one stands where 2.0 has a directory.
    session.ok("mkdir -p /usr/lib/python3/dist-packages/plugins
        echo \"NAME = 'of Debian'\" >/usr/lib/python3/dist-packages/plugins/__init__.py
        cd /opt/venvs/greet/lib/python3.*/site-packages
        ln -s /usr/lib/python3/dist-packages/plugins plugins
        ln -s /usr/lib/python3/dist-packages/plugins extras");
    let unchanged = systems_python(&session);
    let works = || {
        assert_eq!(session.ok("/opt/venvs/greet/bin/greet").stdout, "hello from 1.0\n");
        let imports = "/opt/venvs/greet/bin/python -c 'import plugins, extras; print(plugins.NAME, extras.NAME)'";
        assert_eq!(session.ok(imports).stdout, "of Debian of Debian\n");
    };
    session.ok("/opt/venvs/greet/bin/python -m compileall -q /opt/venvs/greet || true
        find /opt/venvs/greet -path '*/words*.pyc' | grep .");
    works();

    // Unpacking fails at /usr/bin/greet, when the venv has been unpacked already.
    session.ok("mkdir -p /tmp/blocker/DEBIAN /tmp/blocker/usr/bin
        touch /tmp/blocker/usr/bin/greet
        printf '%s\n' 'Package: blocker' 'Version: 1' 'Architecture: all' 'Maintainer: x <x@x.invalid>' \
            'Description: x' >/tmp/blocker/DEBIAN/control
        dpkg-deb -b /tmp/blocker && dpkg -i /tmp/blocker.deb");
    session.copy_in(ours.deb(), "/tmp/ours.deb");
    let failed = session.fails(1, "dpkg -i /tmp/ours.deb");
    assert!(failed.stderr.contains("trying to overwrite '/usr/bin/greet'"), "{}", failed.dump());
    assert_eq!(session.ok("dpkg-query -W greet").stdout, "greet\t1.0\n");
    session.ok("dpkg -V greet && ! find /opt/venvs -name '*.dh-venv-old' | grep .");
    works();
    unchanged();

    session.ok("dpkg --purge blocker");
    session.install(&[ours.deb()]);
    unchanged();
    assert_eq!(session.ok("greet").stdout, "hello from 2.0\n");
    session.ok("dpkg -V greet");
    for module in ["words", "extras", "pip"] {
        let output = session.fails(1, &format!("/opt/venvs/greet/bin/python -c 'import {module}'"));
        assert!(output.stderr.contains("ModuleNotFoundError"), "{}", output.dump());
    }
    let installed =
        "import importlib.metadata as m, plugins; print(plugins.NAME, sorted(d.name for d in m.distributions()))";
    assert_eq!(session.ok(&format!("/opt/venvs/greet/bin/python -I -c '{installed}'")).stdout, "of 2.0 ['greet']\n");
    let strays =
        "find /opt/venvs/greet | while read -r file; do dpkg -S \"$file\" >/dev/null 2>&1 || echo \"$file\"; done";
    assert_eq!(session.ok(strays).stdout, "");
    // An upgrade of our own leaves its byte code and links alone.
    session.ok("before=$(find /opt/venvs/greet | LC_ALL=C sort)
        /var/lib/dpkg/info/greet.preinst upgrade 2.0
        test \"$before\" = \"$(find /opt/venvs/greet | LC_ALL=C sort)\" && apt-get install -qq -y --reinstall /tmp/ours.deb");
    session.ok("apt-get purge -qq -y greet && ! test -e /opt/venvs/greet");
    unchanged();

    // Unpacked only, then removed: the links that were put aside go, too.
    session.install(old);
    session.ok(
        "cd /opt/venvs/greet/lib/python3.*/site-packages
        ln -s /usr/lib/python3/dist-packages/plugins plugins
        dpkg --unpack /tmp/ours.deb && test -L plugins.dh-venv-old && dpkg --purge greet && ! test -e /opt/venvs/greet",
    );
    unchanged();
}
