//! dh_venv in builds of many shapes: what debhelper, the source tree and the
//! user's surroundings may look like.

use std::process::Command;

use crate::harness::{Output, Session, Suite, repository};
use crate::on_suites;
use crate::package::{Source, binary, build, built_greet, fetch_wheels, greet, workshop};

on_suites!(
    both: [
        builds_without_any_venv_file,
        case_01_arch_and_indep_builds_with_and_without_override,
        case_02_and_03_python3_foo_and_a_second_package_selected_with_p_and_n,
        case_03_venv_shared_by_packages_is_built_once,
        case_04_two_builds_and_clean_leave_the_tree_and_quilt_unchanged,
        case_07_wheelhouse_with_build_requirements_needs_no_network,
        case_12_foreign_interpreter_and_active_venv_do_not_matter,
        case_13_no_home_read_only_source_and_spaces_in_its_path,
        case_19_setup_py_pyproject_and_failing_makefile_build_with_plain_dh,
        case_20_nothing_runs_as_root_or_fakeroot,
        case_21_versions_come_from_the_changelog_without_git,
        case_22_dh_python3_leaves_the_venv_untouched,
        case_23_split_parts_of_the_standard_library_are_dependencies
    ],
    bookworm: [],
    trixie: [missing_compiler_is_one_message_with_requirement_line_and_cure],
);

const WORK: &str = "/home/builder/work/greet";

/// The names of the packages in a directory, sorted, without those of debug symbols.
fn debs(session: &Session, dir: &str) -> String {
    session.ok(&format!("cd '{dir}' && ls *.deb | grep -v dbgsym | cut -d_ -f1 | LC_ALL=C sort | tr '\\n' ' '")).stdout
}

/// Member names of a .deb.
fn contents(session: &Session, deb: &str) -> String {
    session.ok(&format!("dpkg-deb -c {deb} | awk '{{print $6 $7 $8}}'")).stdout
}

fn depends(session: &Session, deb: &str) -> Vec<String> {
    let text = session.ok(&format!("dpkg-deb -f {deb} Depends")).stdout;
    text.trim().split(", ").map(str::to_owned).collect()
}

/// Puts a package's files where they belong, in the system it was built in.
fn unpacked(session: &Session, deb: &str) {
    session.as_user("root").in_dir("/").ok(&format!("dpkg-deb -x {deb} /"));
}

fn builds_without_any_venv_file(suite: Suite) {
    let session = workshop(suite).offline();
    let source = Source { wheels: greet().wheels, ..Source::new("greet") }.file("requirements.txt", "greet==1.0\n");
    source.build(&session);
    unpacked(&session, "/home/builder/work/greet_1.0_*.deb");
    assert_eq!(session.ok("/usr/lib/greet/venv/bin/greet").stdout, "hello from 1.0\n");
}

fn case_01_arch_and_indep_builds_with_and_without_override(suite: Suite) {
    let session = workshop(suite).offline();
    let source = greet()
        .more("debian/control", &binary("greet-all", "all"))
        .more("debian/control", &binary("greet-doc", "all").replace(", ${venv:Depends}", ""))
        .file("debian/greet-all.venv", "Format: 1\nRequirements: requirements.txt\n");
    let overrides = "\noverride_dh_venv:\n\tdh_venv --requirements=requirements.txt\n";
    for (dir, source) in [("plain", source.clone()), ("override", source.more("debian/rules", overrides))] {
        for (option, expected) in [("-B", "greet "), ("-A", "greet-all greet-doc ")] {
            let place = format!("/home/builder/{dir}{option}");
            source.unpack(&session, &format!("{place}/greet"));
            session.in_dir(&format!("{place}/greet")).ok(&format!("dpkg-buildpackage -us -uc {option} 2>&1"));
            assert_eq!(debs(&session, &place), expected, "{dir} {option}");
            let first = expected.split(' ').next().expect("a name");
            let members = contents(&session, &format!("{place}/{first}_1.0_*.deb"));
            assert!(members.contains(&format!("./usr/lib/{first}/venv/bin/greet\n")), "{dir} {option}: {members}");
        }
    }
}

fn case_02_and_03_python3_foo_and_a_second_package_selected_with_p_and_n(suite: Suite) {
    let session = workshop(suite).offline();
    let source = Source { wheels: greet().wheels, ..Source::new("python3-foo") }
        .more("debian/control", &binary("foo-tools", "any"))
        .file("requirements.txt", "greet\n")
        .file("words.txt", "words\n")
        .file("debian/python3-foo.venv", "Format: 1\nRequirements: requirements.txt\n")
        .file("debian/foo-tools.venv", "Format: 1\nRequirements: words.txt\n")
        .more(
            "debian/rules",
            "\noverride_dh_venv:\n\tdh_venv -ppython3-foo --commands=foo=greet\n\tdh_venv -Npython3-foo --keep=tests\n",
        );
    source.build(&session);
    let first = contents(&session, "work/python3-foo_1.0_*.deb");
    let tools = contents(&session, "work/foo-tools_1.0_*.deb");
    assert!(first.contains("./usr/lib/python3-foo/venv/bin/greet\n") && first.contains("./usr/bin/foo->"), "{first}");
    assert!(tools.contains("./usr/lib/foo-tools/venv/lib/"), "{tools}");
    assert!(tools.contains("/words.py\n") && !tools.contains("greet") && !tools.contains("./usr/bin/"), "{tools}");
}

fn case_03_venv_shared_by_packages_is_built_once(suite: Suite) {
    let session = workshop(suite).offline().env("DH_VERBOSE", "1");
    let part = |name: &str| binary(name, "any").replace("${venv:Depends}", "greet (= ${binary:Version})");
    let source = greet()
        .more("debian/control", &part("greet-web"))
        .more("debian/control", &part("greet-worker"))
        .file("debian/greet-web.links", "usr/lib/greet/venv/bin/greet usr/bin/greet-web\n")
        .file("debian/greet-worker.links", "usr/lib/greet/venv/bin/greet usr/bin/greet-worker\n");
    let log = source.build(&session).stdout;
    assert_eq!(debs(&session, "/home/builder/work"), "greet greet-web greet-worker ");
    let installs = log.lines().filter(|line| line.contains(" pip install ")).count();
    assert_eq!(installs, 1, "{log}");
    for name in ["greet-web", "greet-worker"] {
        let members = contents(&session, &format!("work/{name}_1.0_*.deb"));
        assert!(!members.contains("./usr/lib/"), "{members}");
    }
}

fn case_04_two_builds_and_clean_leave_the_tree_and_quilt_unchanged(suite: Suite) {
    let session = workshop(suite).offline();
    let source = greet()
        .version("1.0-1")
        .file("debian/source/format", "3.0 (quilt)\n")
        .file(
            "debian/source/include-binaries",
            "debian/wheelhouse/greet-1.0-py3-none-any.whl\ndebian/wheelhouse/words-1.0-py3-none-any.whl\n",
        )
        .file("README", "patched\n")
        .file("debian/patches/series", "readme\n")
        .file("debian/patches/readme", "--- a/README\n+++ b/README\n@@ -1 +1 @@\n-plain\n+patched\n");
    source.unpack(&session, WORK);
    session.ok("cd work
        mkdir orig
        cp -a greet/. orig/greet-1.0
        cd orig
        rm -r greet-1.0/debian
        echo plain >greet-1.0/README && tar -czf ../greet_1.0.orig.tar.gz greet-1.0 && cd .. && rm -r orig");
    let list = "cd work/greet && find . -path ./.pc -prune -o -printf '%p %y %m %l ' -a \\( -type f -exec sha256sum {} \\; -o -printf '\\n' \\) | LC_ALL=C sort";
    let before = session.ok(list).stdout;
    // Source and binaries, then again over what the first build left.
    for _ in 0..2 {
        session.in_dir(WORK).ok("dpkg-buildpackage -us -uc -F 2>&1");
    }
    session.in_dir(WORK).ok("dpkg-buildpackage -us -uc -b -nc 2>&1 && debian/rules clean");
    assert_eq!(session.ok(list).stdout, before);
    session.ok("cd work && dpkg-source -x greet_1.0-1.dsc x && diff -r --exclude=.pc greet x");
}

/// A project with a command, built by setuptools.
fn project(name: &str) -> Source {
    Source::new(name)
        .file(
            "pyproject.toml",
            &format!(
                "[build-system]\nrequires = [\"setuptools>=77\"]\nbuild-backend = \"setuptools.build_meta\"\n\n\
                 [project]\nname = \"{name}\"\nversion = \"1.0\"\n\n[project.scripts]\n{name} = \"{name}:main\"\n\n\
                 [tool.setuptools]\npy-modules = [\"{name}\"]\n"
            ),
        )
        .file(&format!("{name}.py"), "def main():\n    print('hello from the project')\n")
        .file(&format!("debian/{name}.venv"), &format!("Format: 1\nCommands: {name}\n"))
}

fn case_07_wheelhouse_with_build_requirements_needs_no_network(suite: Suite) {
    let session = workshop(suite);
    let source = project("greeter")
        .replace("pyproject.toml", "version = \"1.0\"", "version = \"1.0\"\ndependencies = [\"words\"]")
        .wheel("words", "1.0", "", &[("words.py", "HELLO = 'hello'\n")]);
    let dir = "/home/builder/work/greeter";
    source.unpack(&session, dir);
    fetch_wheels(&session, "work/greeter/debian/wheelhouse", "setuptools==80.9.0");
    let offline = session.offline().cold_downloads();
    for installer in ["uv", "pip"] {
        offline.ok(&format!("cd {dir} && printf 'Format: 1\\nInstaller: {installer}\\n' >debian/greeter.venv"));
        build(&offline, dir);
        let members = contents(&session, "work/greeter_1.0_*.deb");
        for name in ["greeter.py", "words.py", "bin/greeter"] {
            assert!(members.contains(&format!("/{name}\n")), "{installer}: {members}");
        }
        assert!(!members.contains("setuptools"), "{installer}: {members}");
    }
}

fn case_12_foreign_interpreter_and_active_venv_do_not_matter(suite: Suite) {
    let session = workshop(suite).offline();
    session.ok("mkdir -p pyenv/bin
        for name in python python3 pip pip3; do
            printf '#!/bin/sh\\necho \"$0 $*\" >>/home/builder/called\\nexit 1\\n' >pyenv/bin/$name
            chmod 755 pyenv/bin/$name
        done
        python3 -m venv --without-pip mine");
    let odd = session
        .env("PATH", "/home/builder/pyenv/bin:/home/builder/mine/bin:/usr/local/bin:/usr/bin:/bin")
        .env("VIRTUAL_ENV", "/home/builder/mine")
        .env("PYTHONPATH", "/home/builder/pyenv")
        .env("PYTHONHOME", "/home/builder/mine");
    greet().unpack(&session, WORK);
    build(&odd, WORK);
    session.ok("! cat called");
    unpacked(&session, "/home/builder/work/greet_1.0_*.deb");
    let python = suite.python();
    session.ok(&format!(
        "cd /usr/lib/greet/venv
         test \"$(readlink -f bin/python)\" = /usr/bin/python{python}
         grep -q '^home = /usr/bin$' pyvenv.cfg
         test -z \"$(grep -rE 'mine|pyenv' . || true)\"
         head -n 1 bin/greet | grep '^#!/usr/lib/greet/venv/bin/python' && greet"
    ));
}

fn case_13_no_home_read_only_source_and_spaces_in_its_path(suite: Suite) {
    let session = workshop(suite).offline();
    let (parent, dir) = ("/srv/path with spaces", "/srv/path with spaces/greet 1.0");
    greet().unpack(&session, dir);
    session.as_user("root").ok(&format!(
        "cd '{dir}' && chown -R root: . && chmod -R a-w . && chown builder '{parent}' && chown -R builder: debian && chmod -R u+w debian"
    ));
    session.fails(1, &format!("touch '{dir}/file'"));
    session.in_dir(dir).ok("env -u XDG_CACHE_HOME HOME=/nonexistent dpkg-buildpackage -us -uc -b 2>&1");
    unpacked(&session, "'/srv/path with spaces/'greet_1.0_*.deb");
    assert_eq!(session.ok("! grep -r 'with spaces' /usr/lib/greet && greet").stdout, "hello from 1.0\n");
}

/// A root that debhelper's own build systems would claim.
fn crowded() -> Source {
    project("greeter")
        .file("setup.py", "from setuptools import setup\n\nsetup()\n")
        .file("Makefile", "fail:\n\techo developers only; false\n\nclean test install: fail\n")
}

fn case_19_setup_py_pyproject_and_failing_makefile_build_with_plain_dh(suite: Suite) {
    let session = workshop(suite);
    fetch_wheels(&session, "wheels", "setuptools==80.9.0");
    let cache = std::env::var_os("XDG_CACHE_HOME").map_or_else(
        || std::path::PathBuf::from(std::env::var_os("HOME").expect("HOME")).join(".cache"),
        std::path::PathBuf::from,
    );
    let newer = cache.join("deb-build-app/debhelper-14");
    let fetched =
        Command::new(repository().join("tests/contract/fetch-debhelper")).arg("sid").arg(&newer).output().expect("sh");
    assert!(fetched.status.success(), "{}", String::from_utf8_lossy(&fetched.stderr));
    let session = session.offline().bind(&newer, "/opt/debhelper");
    let newest = session
        .env("PERL5LIB", "/opt/debhelper/usr/share/perl5")
        .env("PATH", "/opt/debhelper/usr/bin:/usr/local/bin:/usr/bin:/bin");
    for (level, session) in [("13", &session), ("14", &newest)] {
        let dir = format!("/home/builder/{level}/greeter");
        let mut source = crowded().replace("debian/control", "(= 13)", &format!("(= {level})"));
        if level == "14" {
            // From this level on dh_gencontrol adds it by itself.
            source = source.replace("debian/control", ", ${venv:Depends}", "");
        }
        source.unpack(session, &dir);
        session.ok(&format!("cp -r wheels {dir}/debian/wheelhouse && cp -a {dir} {dir}.orig"));
        // -d: the newer debhelper is used, not installed.
        session.in_dir(&dir).ok("dpkg-buildpackage -d -us -uc -b 2>&1");
        let members = contents(session, &format!("{level}/greeter_1.0_*.deb"));
        assert!(members.contains("./usr/lib/greeter/venv/bin/greeter\n"), "{members}");
        assert!(!members.contains("dist-packages"), "{members}");
        let python = format!("python{}", suite.python());
        assert!(depends(session, &format!("{level}/greeter_1.0_*.deb")).contains(&python), "{level}");
        session.in_dir(&dir).ok(&format!("debian/rules clean && diff -r . {dir}.orig"));
    }
    let dir = "/home/builder/make/greeter";
    crowded().replace("debian/rules", "dh $@", "dh $@ --buildsystem=makefile").unpack(&session, dir);
    session.ok(&format!("cp -r wheels {dir}/debian/wheelhouse"));
    let output: Output = session.in_dir(dir).run("debian/rules build 2>&1");
    assert!(!output.success() && output.stdout.contains("developers only"), "{}", output.dump());

    // setup.py alone, built by Debian's setuptools where nothing else is at hand.
    let dir = "/home/builder/alone/greeter";
    let setup = "from setuptools import setup\n\nsetup(name='greeter', version='1.0', py_modules=['greeter'],
      entry_points={'console_scripts': ['greeter = greeter:main']})\n";
    let mut alone = project("greeter").file("setup.py", setup);
    alone.files.remove("pyproject.toml");
    alone.unpack(&session, dir);
    for installer in ["uv", "pip"] {
        session.ok(&format!(
            "cd {dir} && printf 'Format: 1\\nOffline: yes\\nInstaller: {installer}\\n' >debian/greeter.venv && dh_venv
             test -x debian/.debhelper/generated/_source/dh_venv/greeter/venv/bin/greeter && dh_clean && ls"
        ));
    }
}

/// An extension module that needs nothing but Python.
const MODULE: &str = "#include <Python.h>\nstatic struct PyModuleDef module = {PyModuleDef_HEAD_INIT, \"native\"};\n\
                      PyMODINIT_FUNC PyInit_native(void) { return PyModule_Create(&module); }\n";

/// A program that was started, as strace -v tells it.
struct Start<'a> {
    /// Last part of the program's path.
    name: &'a str,
    arguments: Vec<&'a str>,
    environment: &'a str,
}

impl Start<'_> {
    /// `12 execve("/usr/bin/gcc", ["gcc", "-c"], ["PATH=/bin"]) = 0`; what failed is none.
    fn parse(line: &str) -> Option<Start<'_>> {
        let (program, rest) = line.strip_suffix(" = 0")?.split_once("execve(\"")?.1.split_once("\", [")?;
        let (arguments, environment) = rest.split_once("], [")?;
        let arguments = arguments.split("\", \"").map(|word| word.trim_matches('"')).collect();
        Some(Start { name: program.rsplit('/').next()?, arguments, environment })
    }

    /// What policy wants done as an ordinary user: `None` is no part of making the venv.
    fn work(&self) -> Option<&'static str> {
        let last = self.arguments.last().copied().unwrap_or_default();
        match self.name {
            "uv" => Some("uv"),
            "true" if last == "as a test" => Some("test"),
            // dpkg-architecture asks the compiler for its name; that compiles nothing.
            _ if last == "-dumpmachine" => None,
            "cc1" => Some("cc1"),
            "as" | "collect2" | "ld" => Some("binutils"),
            name if name == "cc" || name.contains("gcc") => Some("gcc"),
            name if name.starts_with("python") && self.arguments.contains(&"pip") => Some("pip"),
            name if name.starts_with("python") && self.arguments.iter().any(|word| word.contains("_in_process")) => {
                Some("backend")
            }
            _ => None,
        }
    }
}

/// Every process of a build in which fakeroot plays root: strace sees them all.
fn case_20_nothing_runs_as_root_or_fakeroot(suite: Suite) {
    let session = workshop(suite);
    fetch_wheels(&session, "wheels", "setuptools==80.9.0");
    let session = session.offline();
    let source = project("greeter")
        .replace("debian/control", "Rules-Requires-Root: no\n", "Rules-Requires-Root: binary-targets\n")
        .file(
            "setup.py",
            "import os\nfrom setuptools import Extension, setup\n\nopen('/var/tmp/users', 'a').write(f'{os.getuid()}\\n')\n\
             setup(ext_modules=[Extension(\"quick\", [\"quick.c\"])])\n",
        )
        .file("quick.c", &MODULE.replace("native", "quick"))
        .more("debian/greeter.venv", "Test: id -u >>/var/tmp/users; /usr/bin/true 'as a test'\n");
    let user = session.ok("id -u").stdout;
    // Each installer in each way, on one suite or the other.
    let installers = if suite == Suite::Bookworm { ["uv", "pip"] } else { ["pip", "uv"] };
    let ways =
        [("package", "dpkg-buildpackage -rfakeroot -us -uc -b 2>&1"), ("binary", "fakeroot debian/rules binary 2>&1")];
    for ((way, command), installer) in ways.into_iter().zip(installers) {
        let dir = format!("/home/builder/{way}-{installer}/greeter");
        source.clone().more("debian/greeter.venv", &format!("Installer: {installer}\n")).unpack(&session, &dir);
        session.ok(&format!("cp -r wheels {dir}/debian/wheelhouse; rm -f /var/tmp/users"));
        let strace = "strace -f --seccomp-bpf -v -s 100000 -e trace=execve -e signal=none -o /var/tmp/trace";
        session.in_dir(&dir).ok(&format!("{strace} {command}"));
        let trace = session.read("/var/tmp/trace");
        let starts: Vec<Start<'_>> = trace.lines().filter_map(Start::parse).collect();
        // Root is played at all, and not for any of the work.
        assert!(starts.iter().any(|start| start.environment.contains("\"FAKEROOTKEY=")), "{way}: no fakeroot");
        for wanted in [installer, "gcc", "cc1", "binutils", "test"] {
            assert!(starts.iter().any(|start| start.work() == Some(wanted)), "{way}, {installer}: no {wanted}");
        }
        for start in starts.iter().filter(|start| start.work().is_some()) {
            let played = ["\"FAKEROOTKEY=", "\"LD_PRELOAD="].iter().any(|name| start.environment.contains(name));
            assert!(!played, "{way}, {installer}: {} {:?} {}", start.name, start.arguments, start.environment);
        }
        let users = session.read("/var/tmp/users");
        assert!(users.lines().count() >= 2 && users.lines().all(|line| line == user.trim()), "{users}");
    }
}

fn case_21_versions_come_from_the_changelog_without_git(suite: Suite) {
    let session = workshop(suite);
    fetch_wheels(&session, "wheels", "setuptools==80.9.0 setuptools-scm==9.2.2 pbr==6.1.1");
    let session = session.offline();
    let fixed =
        project("greeter").version("1.0~rc1-1").replace("pyproject.toml", "version = \"1.0\"", "version = \"1.0rc1\"");
    let dynamic = project("greeter")
        .version("1.0~rc1-1")
        .replace("pyproject.toml", "version = \"1.0\"", "dynamic = [\"version\"]")
        .replace("pyproject.toml", "\"setuptools>=77\"", "\"setuptools>=77\", \"setuptools-scm>=8\"")
        .more("pyproject.toml", "\n[tool.setuptools_scm]\n");
    let pbr = project("greeter")
        .version("1.0~rc1-1")
        .file(
            "pyproject.toml",
            "[build-system]\nrequires = [\"setuptools>=77\", \"pbr>=6\"]\nbuild-backend = \"pbr.build\"\n",
        )
        .file("setup.py", "import setuptools\n\nsetuptools.setup(pbr=True)\n")
        .file(
            "setup.cfg",
            "[metadata]\nname = greeter\n\n[files]\nmodules = greeter\n\n\
             [entry_points]\nconsole_scripts =\n    greeter = greeter:main\n",
        );
    for (name, source) in [("fixed", fixed), ("dynamic", dynamic), ("pbr", pbr)] {
        let dir = format!("/home/builder/{name}/greeter");
        let source = source.file("debian/source/format", "3.0 (quilt)\n");
        source.unpack(&session, &dir);
        session.ok(&format!("cp -r wheels {dir}/debian/wheelhouse"));
        let log = build(&session, &dir).stdout;
        assert!(!log.contains("warning: greeter"), "{log}");
        let members = contents(&session, &format!("{name}/greeter_1.0~rc1-1_*.deb"));
        assert!(members.contains("/greeter-1.0rc1.dist-info/METADATA\n"), "{name}: {members}");
    }
}

fn case_22_dh_python3_leaves_the_venv_untouched(suite: Suite) {
    let plain = built_greet(suite);
    let session = workshop(suite).offline();
    greet()
        .replace("debian/control", "dh-sequence-venv", "dh-sequence-venv, dh-python, python3")
        .replace("debian/control", "${venv:Depends}", "${venv:Depends}, ${python3:Depends}")
        .replace("debian/rules", "dh $@", "dh $@ --with python3,venv")
        .build(&session);
    session.copy_in(plain.deb(), "/tmp/plain.deb");
    session.ok("dpkg-deb -x /tmp/plain.deb plain
        dpkg-deb -x work/greet_1.0_*.deb x
        diff -r --no-dereference plain/usr/lib/greet x/usr/lib/greet");
    session.ok("dpkg-deb -e work/greet_1.0_*.deb control && ! grep -r py3compile control");
    assert_eq!(depends(&session, "work/greet_1.0_*.deb"), depends(&session, "/tmp/plain.deb"));
}

fn case_23_split_parts_of_the_standard_library_are_dependencies(suite: Suite) {
    let session = workshop(suite).offline();
    let old = if suite == Suite::Bookworm { "import distutils.core\n" } else { "" };
    Source::new("greet")
        .file("requirements.txt", "parts\n")
        .wheel(
            "parts",
            "1.0",
            "",
            &[
                ("parts/__init__.py", &format!("import tkinter\nimport dbm.gnu\n{old}")),
                // What is guarded may fail, and its author knows.
                ("parts/other.py", "try:\n    import lib2to3.pytree\nexcept ImportError:\n    pass\n"),
            ],
        )
        .build(&session);
    let depends = depends(&session, "work/greet_1.0_*.deb");
    let python = format!("python{}", suite.python());
    let mut expected = vec!["python3", "python3-gdbm", "python3-tk", &python];
    if suite == Suite::Bookworm {
        expected.insert(1, "python3-distutils");
    }
    let mut found: Vec<&str> = depends.iter().map(String::as_str).collect();
    found.sort_unstable();
    expected.sort_unstable();
    assert_eq!(found, expected);
    let target = crate::package::target(suite);
    target.install(&crate::package::copy_debs(&session, "/home/builder/work"));
    target.ok("cd / && /usr/lib/greet/venv/bin/python -c 'import parts'");
}

/// A source archive with an extension in C, made and built by setuptools.
fn missing_compiler_is_one_message_with_requirement_line_and_cure(suite: Suite) {
    let session = workshop(suite);
    fetch_wheels(&session, "work/greet/debian/wheelhouse", "setuptools==80.9.0");
    let session = session.offline();
    greet()
        .file("requirements.txt", "greet==1.0\n# compiled\nnative==1.0\n")
        .file("native/pyproject.toml", "[build-system]\nrequires = [\"setuptools>=77\"]\nbuild-backend = \"setuptools.build_meta\"\n")
        .file("native/setup.py", "from setuptools import Extension, setup\n\nsetup(name=\"native\", version=\"1.0\", ext_modules=[Extension(\"native\", [\"native.c\"])])\n")
        .file("native/native.c", MODULE)
        .unpack(&session, WORK);
    session.ok(
        "cd work/greet/native && python3 setup.py -q sdist --dist-dir ../debian/wheelhouse && cd .. && rm -r native",
    );
    let without = session.fork();
    without.as_user("root").ok("rm -f /usr/bin/*gcc* /usr/bin/*cc /usr/bin/*g++* && ! command -v gcc cc c99");
    let elsewhere = session.env("CC", "/opt/no-such/compiler");
    for (session, why) in [(without, "gcc is absent"), (elsewhere, "CC leads nowhere")] {
        for installer in ["uv", "pip"] {
            session.ok(&format!("printf 'Format: 1\nInstaller: {installer}\n' >{WORK}/debian/greet.venv"));
            let output = session.in_dir(WORK).fails(1, "dh_venv");
            let errors: Vec<&str> = output.stderr.lines().filter(|line| line.starts_with("dh_venv: error:")).collect();
            assert_eq!(
                errors,
                ["dh_venv: error: requirements.txt:3: installing native failed (exit status 1):"],
                "{why}, {installer}: {}",
                output.dump()
            );
            let cure = "dh_venv: hint: a distribution has to be compiled: add build-essential and python3-dev to Build-Depends, or use a wheel";
            assert!(output.stderr.lines().any(|line| line == cure), "{why}, {installer}: {}", output.dump());
            session.ok(&format!("! test -e {WORK}/debian/.debhelper/generated/_source/dh_venv/greet/outcome.json"));
        }
    }
    // With the compiler, the very same source builds.
    build(&session, WORK);
}
