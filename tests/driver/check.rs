//! `check`: good packages pass, and each check finds what it is there for.

use crate::room::Source;
use crate::{fails, names, ok, read};

fn with_service(name: &str, command: &str) -> Source {
    let source = Source::new(name, &[]);
    let unit = format!(
        "[Unit]\nDescription=A service\n\n[Service]\nExecStart={command}\n\n[Install]\nWantedBy=multi-user.target\n"
    );
    std::fs::write(source.path().join(format!("debian/{name}.service")), unit).unwrap();
    source
}

/// Each check and what came of it.
fn rows(verdicts: &serde_json::Value) -> Vec<(&str, &str)> {
    verdicts
        .as_array()
        .unwrap()
        .iter()
        .map(|row| (row["check"].as_str().unwrap(), row["result"].as_str().unwrap()))
        .collect()
}

#[test]
fn a_good_package_passes_every_check() {
    let source = with_service("dba-good", "/bin/sleep infinity");
    ok(&mut source.program(&["build", "--check"]));
    let results = source.results("dba-good");
    let verdicts: serde_json::Value = serde_json::from_slice(&read(results.join("checks.json"))).unwrap();
    assert_eq!(rows(&verdicts), [("lintian", "passed"), ("rebuild", "passed"), ("install", "passed")]);
    assert_eq!(verdicts[2]["found"], "installed, booted with 1 service, purged");
    assert!(names(&results).contains(&"check-lintian.log".to_owned()));
    // Once more from the source package that the .changes names.
    let changes = results.join("dba-good_1.0_amd64.changes").to_string_lossy().into_owned();
    let json = ok(&mut source.program(&["--json", "check", "--only", "rebuild", &changes]));
    assert!(json.contains("byte for byte"), "{json}");
    // The verdict is what was asked for, also of one that says nothing else.
    let table = ok(&mut source.program(&["--quiet", "check", "--only", "lintian", &changes]));
    assert!(table.lines().any(|line| line.contains("lintian") && line.contains("passed")), "{table}");
}

#[test]
fn a_service_that_dies_fails_the_install_check() {
    let source = with_service("dba-dying", "/bin/false");
    ok(&mut source.program(&["build"]));
    let changes = source.results("dba-dying").join("dba-dying_1.0_amd64.changes").to_string_lossy().into_owned();
    let words = fails(&mut source.program(&["check", "--only", "install", &changes]), 1);
    assert!(words.contains("the check install failed"), "{words}");
    let log = String::from_utf8(read(source.results("dba-dying").join("check-install.log"))).unwrap();
    assert!(log.contains("dba-dying.service is failed"), "{log}");
}

/// A venv's modules are imported with what the package depends on alone. One that
/// lacks an extra of its own is none of the package's faults.
#[test]
fn a_module_that_needs_what_no_dependency_brings_fails_the_install_check() {
    let source = Source::new("dba-modules", &[]);
    let site = "venv/lib/python3.11/site-packages";
    let record =
        "fine.py,,\nextra/__init__.py,,\nwindow.py,,\nwindow-1.0.dist-info/METADATA,,\nwindow-1.0.dist-info/RECORD,,\n";
    for (path, text) in [
        ("venv/pyvenv.cfg", "home = /usr/bin\n"),
        (&format!("{site}/fine.py"), "import json\n"),
        (&format!("{site}/extra/__init__.py"), "import an_extra_that_is_not_there\n"),
        (&format!("{site}/window.py"), "import tkinter\n"),
        (&format!("{site}/window-1.0.dist-info/METADATA"), "Metadata-Version: 2.1\nName: window\nVersion: 1.0\n"),
        (&format!("{site}/window-1.0.dist-info/RECORD"), record),
    ] {
        let path = source.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    std::fs::create_dir_all(source.path().join("venv/bin")).unwrap();
    std::os::unix::fs::symlink("/usr/bin/python3", source.path().join("venv/bin/python")).unwrap();
    std::fs::write(source.path().join("debian/install"), "venv usr/lib/dba-modules\n").unwrap();
    let control = source.path().join("debian/control");
    let text = String::from_utf8(read(control.clone())).unwrap();
    std::fs::write(&control, text.replace("${misc:Depends}", "${misc:Depends}, python3")).unwrap();
    ok(&mut source.program(&["build"]));
    let changes = source.results("dba-modules").join("dba-modules_1.0_amd64.changes").to_string_lossy().into_owned();
    fails(&mut source.program(&["check", "--only", "install", &changes]), 1);
    let log = String::from_utf8(read(source.results("dba-modules").join("check-install.log"))).unwrap();
    assert!(log.contains("module window cannot be imported: ModuleNotFoundError: No module named 'tkinter'"), "{log}");
    assert!(log.contains("dba-modules: 3 modules tried, 1 lack what no dependency brings"), "{log}");
}

#[test]
fn what_is_never_the_same_and_what_policy_forbids_is_found() {
    let source = Source::new("dba-random", &["date +%N > data"]);
    std::fs::remove_file(source.path().join("debian/copyright")).unwrap();
    ok(&mut source.program(&["build"]));
    let changes = source.results("dba-random").join("dba-random_1.0_amd64.changes").to_string_lossy().into_owned();
    let words = fails(&mut source.program(&["check", "--only", "rebuild", "--only", "lintian", &changes]), 1);
    assert!(words.contains("not the same: dba-random_1.0_all.deb"), "{words}");
    // diffoscope names the file within.
    let log = String::from_utf8(read(source.results("dba-random").join("check-rebuild.log"))).unwrap();
    assert!(log.contains("usr/share/dba-random/data"), "{log}");
    // Killed while it runs, the driver takes it along.
    let mut driver = source.program(&["check", "--only", "rebuild", &changes]).spawn().unwrap();
    let mine = |line: &String| line.contains("diffoscope") && line.contains("dba-random");
    let running = || crate::build::commands().into_iter().any(|line| mine(&line));
    let began = std::time::Instant::now();
    while !running() {
        assert!(began.elapsed().as_secs() < 60, "diffoscope was never started");
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    driver.kill().unwrap();
    driver.wait().unwrap();
    let began = std::time::Instant::now();
    while running() {
        assert!(began.elapsed().as_secs() < 2, "{:?}", crate::build::commands());
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    assert!(words.contains("the check lintian failed: 1 error"), "{words}");
}

#[test]
fn debians_own_checks_run_and_find_what_is_left_behind() {
    let source = Source::new("dba-tested", &[]);
    std::fs::create_dir(source.path().join("debian/tests")).unwrap();
    let tests = "Test-Command: grep x /usr/share/dba-tested/data\nDepends: @\n";
    std::fs::write(source.path().join("debian/tests/control"), tests).unwrap();
    ok(&mut source.program(&["build", "--check=piuparts,autopkgtest"]));
    let results = source.results("dba-tested");
    let verdicts: serde_json::Value = serde_json::from_slice(&read(results.join("checks.json"))).unwrap();
    assert_eq!(rows(&verdicts), [("piuparts", "passed"), ("autopkgtest", "passed")]);
    assert_eq!(verdicts[1]["found"], "1 tests passed, 0 failed, 0 skipped");

    let untidy = "#!/bin/sh\nset -e\ntouch /var/lib/left\n#DEBHELPER#\n";
    std::fs::write(source.path().join("debian/postinst"), untidy).unwrap();
    let failing = tests.replace("grep x", "grep y");
    std::fs::write(source.path().join("debian/tests/control"), failing).unwrap();
    let words = fails(&mut source.program(&["build", "--check=piuparts,autopkgtest"]), 1);
    assert!(words.contains("the check piuparts failed"), "{words}");
    assert!(words.contains("the check autopkgtest failed: 0 tests passed, 1 failed"), "{words}");
    let log = String::from_utf8(read(results.join("check-piuparts.log"))).unwrap();
    assert!(log.contains("/var/lib/left"), "{log}");
}

#[test]
fn a_service_that_runs_and_does_not_answer_fails_the_install_check() {
    let source = with_service("dba-mute", "/bin/sleep infinity\nX-Health=http://127.0.0.1:8765/");
    ok(&mut source.program(&["build"]));
    let changes = source.results("dba-mute").join("dba-mute_1.0_amd64.changes").to_string_lossy().into_owned();
    fails(&mut source.program(&["check", "--only", "install", &changes]), 1);
    let log = String::from_utf8(read(source.results("dba-mute").join("check-install.log"))).unwrap();
    assert!(log.contains("http://127.0.0.1:8765/ does not answer"), "{log}");
}

/// dpkg-deb would refuse to make such a package, and so it is made by hand.
#[test]
fn a_package_whose_dependency_is_an_option_of_apt_is_refused() {
    let source = Source::new("dba-option", &[]);
    let place = source.path();
    let script = "mkdir r; cd r; printf '%s\\n' 'Package: dba-option' 'Version: 1.0' 'Architecture: all' \
                  'Maintainer: M <m@example.org>' 'Depends: -oDPkg::Pre-Install-Pkgs::=/usr/bin/id' 'Description: x' ' y' >control; \
                  tar -czf control.tar.gz ./control; tar -czf data.tar.gz -T /dev/null; echo 2.0 >debian-binary; \
                  ar rc dba-option_1.0_all.deb debian-binary control.tar.gz data.tar.gz; \
                  { printf '%s\\n' 'Format: 1.8' 'Source: dba-option' 'Binary: dba-option' 'Architecture: all' 'Version: 1.0' \
                  'Distribution: unstable' 'Checksums-Sha256:'; \
                  echo \" $(sha256sum <dba-option_1.0_all.deb | cut -d' ' -f1) $(stat -c %s dba-option_1.0_all.deb) dba-option_1.0_all.deb\"; \
                  } >dba-option_1.0_all.changes";
    crate::sh(&place, script);
    let changes = place.join("r/dba-option_1.0_all.changes").to_string_lossy().into_owned();
    let words = fails(&mut source.program(&["check", "--only", "install", &changes]), 1);
    let refused = "dba-option_1.0_all.deb: Depends: '-oDPkg::Pre-Install-Pkgs::=/usr/bin/id' is no relation";
    assert!(words.contains(refused), "{words}");
}
