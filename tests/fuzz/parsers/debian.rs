//! What debhelper's programs read of debian/, and the gate for foreign text.

use std::path::{Component, Path};

use deb_build_app::debian::{compat, control, paragraph, substvars};
use deb_build_app::driver::git;
use deb_build_app::error::nearest;
use deb_build_app::foreign::{DebianVersion, FileName, PackageName, Sha256, Url, printable, printable_line};
use deb_build_app::helper::venv;
use deb_build_app::{appctl, cli};

use super::{Outcome, all, is_clean, one_line, refused, said, same_text, steers, target, text};
use crate::corpus::seeds;

fn foreign_types(input: &[u8]) -> Outcome {
    let text = text(input);
    for text in text.split('\n').take(20).chain([text.as_str()]) {
        same_text(FileName::new, text)?;
        same_text(Sha256::new, text)?;
        same_text(Url::new, text)?;
        same_text(PackageName::new, text)?;
        same_text(DebianVersion::new, text)?;
        if let Ok(name) = FileName::new(text) {
            let parts: Vec<Component> = Path::new(name.as_str()).components().collect();
            hold!(matches!(parts.as_slice(), [Component::Normal(_)]), "a file name is a path");
            hold!(!name.as_str().starts_with(['-', '.']), "a file name is an option or hidden");
        }
        if let Ok(url) = Url::new(text) {
            let bad = |c: char| c.is_whitespace() || c.is_control() || "\"'<>\\".replace('\'', "").contains(c);
            hold!(!url.as_str().contains(bad) && url.is_remote(), "a URL ends early, or leads here");
        }
        if let Ok(version) = DebianVersion::new(text) {
            let name = format!("x_{}.dsc", version.in_file_names());
            hold!(FileName::new(&name).is_ok(), "a version that is no part of a file name");
        }
        let names = [PackageName::new(text).is_ok(), control::is_package_name(text), appctl::package::is_name(text)];
        hold!(text.len() > 128 || names == [names[0]; 3], "three minds about the name '{text}': {names:?}");
        if let Ok(remote) = git::remote::Remote::new(text) {
            hold!(!remote.as_str().starts_with('-') && !remote.as_str().contains(char::is_control), "a remote");
        }
    }
    for shown in [printable(&text), printable_line(&text)] {
        hold!(!shown.contains(steers), "it is not printable");
        hold!(printable(&shown) == shown, "printing twice changes it");
    }
    hold!(!printable_line(&text).contains('\n'), "a line has two lines");
    let word = text.split_whitespace().next().unwrap_or_default();
    nearest(word, ["Requirements", "Prefix", "Python", "System-Site-Packages"]);
    Ok(())
}

const NAMES: &[&str] = &[
    "notes\n1.0-1\nnotes_1.0-1_amd64.deb\nhttps://example.org/x-1.0.tar.gz#sha256=00\n",
    "2:1.0~rc1+dfsg-2+b1\nlib.x-1\nssh://git@host:22/a/b.git\ngit@host:a/b\n",
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
];

fn control_file(input: &[u8]) -> Outcome {
    let text = text(input);
    match control::parse(&text) {
        Ok(control) => {
            for binary in &control.binaries {
                hold!(control::is_package_name(&binary.name), "'{}' is no package's name", binary.name);
            }
            let lines = text.lines().count();
            let fields = control.binaries.iter().flat_map(|binary| binary.stanza.fields());
            for field in control.source.stanza.fields().iter().chain(fields) {
                hold!((1..=lines).contains(&field.line), "no such line: {}", field.line);
            }
            compat::level(&control.source, Some("13\n"), None).map(drop).or_else(|error| refused(&error, &text))
        }
        Err(error) => refused(&error, &text),
    }
}

fn paragraphs(input: &[u8]) -> Outcome {
    let text = text(input);
    let (read, faults) = paragraph::parse(&text, Path::new("debian/x"));
    said(&faults, &text)?;
    for field in read.iter().flat_map(|one| one.fields()) {
        hold!(!field.name.is_empty() && !field.name.contains(char::is_whitespace), "the name {:?}", field.name);
        for line in field.lines.iter().filter(|_| is_clean(&faults)) {
            one_line("a line of a field", &line.text.replace('\r', ""))?;
        }
    }
    Ok(())
}

fn substitution_variables(input: &[u8]) -> Outcome {
    let text = text(input);
    let item = text.lines().next().unwrap_or_default().to_owned() + "x";
    let added = substvars::add(&text, "venv:Depends", std::slice::from_ref(&item));
    if !item.contains(", ") {
        hold!(substvars::items(&added, "venv:Depends").contains(&item), "{item:?} is added and not there");
        let removed = substvars::remove(&added, "venv:Depends", std::slice::from_ref(&item));
        hold!(!substvars::items(&removed, "venv:Depends").contains(&item), "{item:?} is removed and there");
    }
    let gone = substvars::delete(&added, "venv:Depends");
    hold!(substvars::items(&gone, "venv:Depends").is_empty(), "a deleted variable has items");
    hold!(substvars::set(&text, "a:b", &text).lines().count() <= text.lines().count() + 1, "a value has two lines");
    deb_build_app::debian::script::wrapped("tool", "1", &text);
    Ok(())
}

fn debhelpers_options(input: &[u8]) -> Outcome {
    let text = text(input);
    let (first, rest) = text.split_once('\n').unwrap_or((&text, ""));
    let environment = deb_build_app::debian::environment::Environment::from_pairs([
        ("DH_OPTIONS", first),
        ("DH_INTERNAL_OPTIONS", rest),
        ("DEB_BUILD_OPTIONS", first),
        ("DEB_BUILD_PROFILES", rest),
    ]);
    environment.build_option("parallel");
    environment.build_profiles();
    let words: Vec<String> = rest.split_whitespace().take(200).map(str::to_owned).collect();
    let parsed = cli::parse::<venv::cli::Options>("dh_venv", &environment, &words);
    said(&[parsed.warnings.clone(), parsed.errors.clone()].concat(), &text.repeat(2))?;
    match parsed.own::<venv::cli::Options>("dh_venv") {
        Ok(_) => Ok(()),
        Err(error) => refused(&error, &text.repeat(2)),
    }
}

#[test]
fn what_they_promise_holds() {
    all(
        "debian",
        vec![
            target("foreign", seeds(&[], NAMES), foreign_types),
            target("debian::control", seeds(&["debian/control"], &[]), control_file),
            target("debian::paragraph", seeds(&[".venv", ".appconfig", ".zeoclient"], &[]), paragraphs),
            target(
                "debian::substvars",
                seeds(&[".substvars"], &["venv:Depends=a, b\nmisc:Depends?=c\n"]),
                substitution_variables,
            ),
            target(
                "cli",
                seeds(&["args"], &["--compress=xz -pnotes\n-v --no-act -O--prefix=/x -N notes --package=a b -k -Xx\n"]),
                debhelpers_options,
            ),
        ],
    );
}
