//! The toolkit's own packages, as a build daemon has them installed.

use crate::harness::{Suite, build_session, toolkit_debs};
use crate::on_both_suites;

on_both_suites!(dh_venv_is_installed_whole);

fn dh_venv_is_installed_whole(suite: Suite) {
    let debs = toolkit_debs(suite);
    let deb = debs.iter().find(|deb| deb.to_string_lossy().contains("/dh-venv_")).expect("dh-venv");
    let session = build_session(suite);
    session.copy_in(deb, "/tmp/dh-venv.deb");
    let field = |name: &str| session.ok(&format!("dpkg-deb -f /tmp/dh-venv.deb {name}")).stdout.trim().to_owned();
    assert_eq!(field("Provides"), "dh-sequence-venv");
    assert_eq!(field("Multi-Arch"), "foreign");
    assert_eq!(field("Architecture"), session.ok("dpkg --print-architecture").stdout.trim());
    let depends = field("Depends");
    for name in ["debhelper", "dpkg-dev", "python3", "python3-pip", "python3-setuptools", "libc6"] {
        assert!(depends.split(", ").any(|item| item.split(' ').next() == Some(name)), "{name}: {depends}");
    }
    // No script, no trigger: nothing happens at installation.
    assert_eq!(session.ok("dpkg-deb -e /tmp/dh-venv.deb /tmp/control && ls /tmp/control").stdout, "control\nmd5sums\n");
    session.ok("dpkg -V dh-venv");

    for (name, hyphen) in [("dh_venv", "dh-venv"), ("dh_venv_place", "dh-venv-place")] {
        assert_eq!(session.ok(&format!("readlink /usr/bin/{hyphen}")).stdout.trim(), name);
        let version = session.ok(&format!("{hyphen} --version")).stdout;
        assert_eq!(version, format!("{name} {}\n", env!("CARGO_PKG_VERSION")));
        for page in [name, hyphen] {
            let text = session.ok(&format!("MANWIDTH=80 man --warnings {page} 2>&1")).stdout;
            assert!(text.contains(&format!("{} - ", name.replace('-', "\\-"))) && text.contains("SYNOPSIS"), "{text}");
            assert!(!text.contains("warning:"), "{text}");
            let completes = format!(
                "bash --norc -c '. /usr/share/bash-completion/completions/{page}; complete -p {page}'
                 grep -qw -- {page} /usr/share/zsh/vendor-completions/_{name}
                 grep -qw -- 'complete -c {page}' /usr/share/fish/vendor_completions.d/{page}.fish"
            );
            session.ok(&completes);
        }
    }
}
