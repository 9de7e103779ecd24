//! The toolkit's own packages, as a build daemon has them installed.

use crate::harness::{Suite, build_session, toolkit_debs};
use crate::on_both_suites;

on_both_suites!(every_package_is_installed_whole);

/// A package of the toolkit: its name and that of its add-on, its programs with their
/// second names, and what it depends on.
struct Package {
    name: &'static str,
    addon: Option<&'static str>,
    programs: &'static [(&'static str, &'static str)],
    depends: &'static [&'static str],
}

const PACKAGES: [Package; 6] = [
    Package {
        name: "dh-venv",
        addon: Some("venv"),
        programs: &[("dh_venv", "dh-venv"), ("dh_venv_place", "dh-venv-place")],
        depends: &["debhelper", "dpkg-dev", "python3", "python3-pip", "python3-setuptools", "libc6"],
    },
    Package {
        name: "dh-appconfig",
        addon: Some("appconfig"),
        programs: &[("dh_appconfig", "dh-appconfig")],
        depends: &["debhelper", "po-debconf", "libc6"],
    },
    Package {
        name: "dh-supervisord",
        addon: Some("supervisord"),
        programs: &[("dh_supervisord", "dh-supervisord")],
        depends: &["debhelper", "libc6"],
    },
    Package {
        name: "dh-zeoclient",
        addon: Some("zeoclient"),
        programs: &[("dh_zeoclient", "dh-zeoclient")],
        depends: &["debhelper", "dh-appconfig", "dh-supervisord", "libc6"],
    },
    Package { name: "appctl", addon: None, programs: &[("appctl", "appctl")], depends: &["libc6"] },
    Package {
        name: "deb-build-app",
        addon: None,
        programs: &[("deb-build-app", "deb-build-app")],
        depends: &["dpkg-dev", "iproute2", "mmdebstrap", "util-linux", "xz-utils", "libc6"],
    },
];

fn every_package_is_installed_whole(suite: Suite) {
    let debs = toolkit_debs(suite);
    assert_eq!(debs.len(), PACKAGES.len(), "{debs:?}");
    let session = build_session(suite);
    let architecture = session.ok("dpkg --print-architecture").stdout;
    for package in &PACKAGES {
        let name = package.name;
        let deb = debs.iter().find(|deb| deb.to_string_lossy().contains(&format!("/{name}_")));
        session.copy_in(deb.unwrap_or_else(|| panic!("no {name}")), "/tmp/this.deb");
        let fields = session.ok("dpkg-deb -f /tmp/this.deb Provides Multi-Arch Architecture Depends").stdout;
        let field = |name: &str| {
            let line = fields.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
            line.unwrap_or_default()
        };
        assert_eq!(field("Provides"), package.addon.map(|addon| format!("dh-sequence-{addon}")).unwrap_or_default());
        assert_eq!(field("Multi-Arch"), "foreign", "{name}");
        assert_eq!(field("Architecture"), architecture.trim(), "{name}");
        let depends = field("Depends");
        for one in package.depends {
            assert!(depends.split(", ").any(|item| item.split(' ').next() == Some(one)), "{name}: {one}: {depends}");
        }
        // No trigger, and no script but appctl's, which tell systemd of its drop-in.
        let scripts = if name == "appctl" { "postinst\npostrm\n" } else { "" };
        let control = session.ok("rm -rf /tmp/control && dpkg-deb -e /tmp/this.deb /tmp/control && ls /tmp/control");
        assert_eq!(control.stdout, format!("control\nmd5sums\n{scripts}"), "{name}");
        session.ok(&format!("dpkg -V {name}"));
        if let Some(addon) = package.addon {
            session.ok(&format!("test -e /usr/share/perl5/Debian/Debhelper/Sequence/{addon}.pm"));
        }
        for (program, second) in package.programs {
            if second != program {
                assert_eq!(session.ok(&format!("readlink /usr/bin/{second}")).stdout.trim(), *program);
            }
            let version = session.ok(&format!("{second} --version")).stdout;
            assert_eq!(version, format!("{program} {}\n", env!("CARGO_PKG_VERSION")));
            for page in [program, second] {
                let text = session.ok(&format!("MANWIDTH=80 man --warnings {page} 2>&1")).stdout;
                let title = format!("{} - ", program.replace('-', "\\-"));
                let plain = format!("{program} - ");
                assert!((text.contains(&title) || text.contains(&plain)) && text.contains("SYNOPSIS"), "{text}");
                assert!(!text.contains("warning:"), "{text}");
                session.ok(&format!(
                    "bash --norc -c '. /usr/share/bash-completion/completions/{page}; complete -p {page}'
                     grep -qw -- {page} /usr/share/zsh/vendor-completions/_{program}
                     grep -qw -- 'complete -c {page}' /usr/share/fish/vendor_completions.d/{page}.fish"
                ));
            }
        }
    }
}
