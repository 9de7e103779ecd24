//! debian/ agrees with the crate that it packages.

#![expect(clippy::disallowed_methods, clippy::unwrap_used, reason = "a test reads the files it compares")]

use std::fs;
use std::path::PathBuf;

fn read(name: &str) -> String {
    fs::read_to_string(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(name)).unwrap()
}

#[test]
fn the_changelog_s_version_is_the_crate_s() {
    let changelog = read("debian/changelog");
    let first = changelog.lines().next().unwrap_or_default();
    assert!(first.starts_with(concat!("deb-build-app (", env!("CARGO_PKG_VERSION"), ")")), "{first}");
}

/// The words of the changelog's items; it is the project's own.
#[test]
fn every_item_of_the_changelog_says_of_which_kind_it_is() {
    for item in read("debian/changelog").lines().filter_map(|line| line.strip_prefix("  * ")) {
        assert!(["Added: ", "Changed: ", "Fixed: ", "Security: "].iter().any(|word| item.starts_with(word)), "{item}");
    }
}

/// dh_missing would say so, but only once the package is built.
#[test]
fn every_program_and_its_manual_page_are_installed() {
    let names = fs::read_dir(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("debian")).unwrap();
    let names: Vec<String> = names.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    let all = |suffix: &str| -> String {
        names.iter().filter(|name| name.ends_with(suffix)).map(|name| read(&format!("debian/{name}"))).collect()
    };
    let (installed, pages, links) = (all(".install"), all(".manpages"), all(".links"));
    let manifest = read("Cargo.toml");
    let sections = manifest.split("[[bin]]\n").skip(1).map(|rest| rest.split("\n\n").next().unwrap_or_default());
    // One that is for the tests alone is in no package.
    let programs =
        sections.filter(|section| !section.contains("planted-bug")).filter_map(|rest| rest.split('"').nth(1));
    for program in programs {
        assert!(installed.lines().any(|line| line == format!("usr/bin/{program}")), "{program}");
        assert!(pages.lines().any(|line| line == format!("man/{program}.1")), "{program}");
        let hyphen = program.replace('_', "-");
        let is_link =
            |line: &str| line.split_whitespace().eq([format!("usr/bin/{program}"), format!("usr/bin/{hyphen}")]);
        assert!(hyphen == program || links.lines().any(is_link), "{hyphen}");
    }
}
