//! Case 5 of the services: forty descriptions after public projects'
//! documentation, through both backends, and the real processes compared.

use std::collections::BTreeMap;
use std::fs;

use super::system;
use crate::harness::{Booted, Suite, repository};
use crate::on_suites;
use crate::package::{quote, workshop};

on_suites!(
    both: [],
    bookworm: [],
    trixie: [case_05_forty_descriptions_give_the_same_processes_on_both_backends],
);

/// The descriptions, each as a package of its own, so that all run at once.
fn descriptions() -> BTreeMap<String, String> {
    let directory = repository().join("tests/data/programs");
    let mut paths: Vec<_> = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let named = (1..).zip(paths).map(|(number, path)| {
        let text = fs::read_to_string(path).unwrap();
        // How long it must stay up is lost under systemd, and would be waited for here.
        let text = text.replace("startsecs = 10", "startsecs = 2");
        // A supervisord that systemd runs has the journal's socket there, which cannot be opened.
        let text = text.replace("= /dev/fd/1", "= AUTO").replace("= /dev/stderr", "= AUTO");
        (format!("app{number:02}"), text)
    });
    named.collect()
}

#[expect(clippy::print_stdout, reason = "a line a program in the log")]
fn case_05_forty_descriptions_give_the_same_processes_on_both_backends(suite: Suite) {
    let all = descriptions();
    assert_eq!(all.len(), 40);
    let session = workshop(suite);
    let mut control =
        String::from("Source: forty\nMaintainer: A <a@example.org>\nBuild-Depends: debhelper-compat (= 13)\n");
    for (package, text) in &all {
        control +=
            &format!("\nPackage: {package}\nArchitecture: all\nDepends: ${{misc:Depends}}\nDescription: x\n x\n");
        session.write(&format!("forty/debian/{package}.supervisord"), text);
    }
    session.write("forty/debian/control", &control);
    // Addresses are the machine's, names the package's.
    session.ok(&format!(
        "cd forty
        for package in {}; do
            sed -E -i \"s/\\\\bapp\\\\b/$package/g; s/:8000( |$)/:80${{package#app}}\\\\1/\" debian/$package.supervisord
        done
        dh_supervisord && mkdir out && mv debian/app??/ out && tar -cf ../forty.tar -C out .",
        all.keys().cloned().collect::<Vec<_>>().join(" ")
    ));
    let directory = tempfile::tempdir().unwrap();
    let tar = directory.path().join("forty.tar");
    session.copy_out("/home/builder/forty.tar", &tar);
    let system = system(suite, &["split"]);
    system.copy_in(&tar, "/var/tmp/forty.tar");
    system.write("/usr/local/lib/forty.py", include_str!("forty.py"));
    // The venv alone: its Python runs what the descriptions name.
    system.ok(
        "dpkg-deb -x /var/tmp/split.deb /
        mkdir /var/tmp/forty
        tar -xf /var/tmp/forty.tar -C /var/tmp/forty
        sed -i '1s,.*,#!/usr/lib/beacon/venv/bin/python,' /usr/local/lib/forty.py && chmod 755 /usr/local/lib/forty.py",
    );
    let system = Booted::new(system);
    system.ok("echo '127.0.0.1 localhost' >/etc/hosts");
    system.until(super::LIMIT, "supervisorctl status; test $? != 4");
    let output = system.run(&format!("{} /usr/local/lib/forty.py /var/tmp/forty", quote("/usr/bin/python3")));
    print!("{}{}", output.stderr, output.stdout);
    assert!(output.success(), "{}", output.dump());
    assert!(output.stdout.contains("40 descriptions, "), "{}", output.dump());
}
