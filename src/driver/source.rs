//! Names and versions of source packages: text in, values out.
//!
//! Owns what a changelog's first line, a tag and the name of a release archive
//! say. Reads nothing.

use std::fmt::Display;

use crate::debian::control::is_package_name;
use crate::error::{Diagnostic, Location};
use crate::foreign::{DebianVersion, PackageName};

/// Where a source says its name and version.
pub const CHANGELOG: &str = "debian/changelog";

/// What the first entry of a debian/changelog says (deb-changelog(5)).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changelog {
    /// Source package.
    pub source: PackageName,
    /// Whole version.
    pub version: DebianVersion,
}

impl Changelog {
    /// `notes (1.0-2) unstable; urgency=medium` → `notes`, `1.0-2`.
    ///
    /// The heading is what Dpkg::Changelog::Entry::Debian takes for one. dpkg skips
    /// lines before it that it does not understand, with a warning; here they are an
    /// error, so that no line is a heading for one program and garbage for the other.
    pub fn parse(text: &str) -> Result<Self, Box<Diagnostic>> {
        let blank = |line: &str| line.bytes().all(|byte| byte.is_ascii_whitespace());
        let Some((number, line)) = text.split('\n').enumerate().find(|(_, line)| !blank(line)) else {
            return Err(Box::new(
                Diagnostic::error(format!("{CHANGELOG} has no entry")).hint("dch --create writes one"),
            ));
        };
        let fault = |why: &dyn Display| {
            Box::new(
                Diagnostic::error(format!("this is no heading of an entry: {why}"))
                    .at(Location::line(CHANGELOG, number + 1))
                    .hint("it is 'SOURCE (VERSION) DISTRIBUTION; urgency=medium' (deb-changelog(5)); dch(1) writes it"),
            )
        };
        let Some((source, version)) = heading(line) else {
            return Err(fault(&"dpkg would pass over it"));
        };
        let source = PackageName::new(source).map_err(|refused| fault(&refused))?;
        let version = DebianVersion::new(version).map_err(|refused| fault(&refused))?;
        Ok(Self { source, version })
    }

    /// The version without epoch and Debian revision: what names an orig tarball.
    pub fn upstream(&self) -> &str {
        upstream(self.version.as_str())
    }

    /// The version without epoch: what names files.
    pub fn file_version(&self) -> &str {
        self.version.in_file_names()
    }

    /// Whether the version has a Debian revision.
    pub fn has_revision(&self) -> bool {
        self.version.as_str().contains('-')
    }
}

/// Source and version of a heading: `$regex_header` of Dpkg::Changelog::Entry::Debian.
fn heading(line: &str) -> Option<(&str, &str)> {
    let (source, rest) = line.split_once(" (")?;
    let (version, rest) = rest.split_once(')')?;
    let (distributions, options) = rest.split_once(';')?;
    let plain = |c: char| c.is_ascii_alphanumeric() || "-+.".contains(c);
    let mut names = distributions.split([' ', '\t']).filter(|name| !name.is_empty()).peekable();
    let good = distributions.starts_with([' ', '\t'])
        && names.peek().is_some()
        && names.all(|name| name.chars().all(plain))
        && !version.contains(['(', ' ', '\t'])
        && !options.trim_end().contains(char::is_control);
    good.then_some((source, version))
}

/// An upstream version that somebody gave, as it names an orig tarball.
pub fn upstream_version(text: &str) -> Result<DebianVersion, Diagnostic> {
    let refused = |why: String| Err(Diagnostic::error(why).hint("an upstream version is like 1.0~rc1"));
    match DebianVersion::new(text) {
        Ok(_) if text.contains(':') => refused(format!("'{text}' has an epoch, which names no file")),
        Ok(version) => Ok(version),
        Err(error) => refused(error.to_string()),
    }
}

/// A version without epoch and Debian revision.
fn upstream(version: &str) -> &str {
    let version = version.split_once(':').map_or(version, |(_, rest)| rest);
    version.rsplit_once('-').map_or(version, |(upstream, _)| upstream)
}

/// A name that Debian allows for a source package (policy 5.6.1), made from another one.
pub fn package_name(name: &str) -> Option<String> {
    let mut text = String::new();
    for c in name.trim().to_lowercase().chars() {
        match c {
            'a'..='z' | '0'..='9' | '+' | '.' | '-' => text.push(c),
            _ => text.push('-'),
        }
    }
    let text = text.trim_matches(['-', '.', '+']).to_owned();
    is_package_name(&text).then_some(text)
}

/// The upstream version that a tag names: `v1.0rc1`, `release-1.0rc1`,
/// `notes-1.0rc1`, `debian/1.0rc1-1` → `1.0~rc1`. `None` where it names none.
pub fn version_of_tag(tag: &str, name: &str) -> Option<String> {
    let lower = tag.to_lowercase();
    let last = lower.rsplit('/').next().unwrap_or_default();
    let start = last
        .strip_prefix(&name.to_lowercase())
        .map(|rest| rest.trim_start_matches(['-', '_']))
        .unwrap_or(last)
        .trim_start_matches("release")
        .trim_start_matches("version")
        .trim_start_matches(['-', '_', '.'])
        .trim_start_matches('v')
        .trim_start_matches(['-', '_', '.']);
    let text = if tag.starts_with("debian/") { upstream(start) } else { start };
    debian_version(text)
}

/// A Python or plain version as Debian sorts it; `None` for what is no version.
pub fn debian_version(text: &str) -> Option<String> {
    if !text.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    let allowed = |c: char| c.is_ascii_alphanumeric() || ".+~".contains(c);
    let text = text.replace(['_', '-'], ".");
    if !text.chars().all(allowed) {
        return None;
    }
    // PEP 440's pre-releases sort before the release; Debian says so with a tilde.
    let mut result = String::new();
    let mut rest = text.as_str();
    while let Some(c) = rest.chars().next() {
        let words = ["alpha", "beta", "rc", "dev", "pre", "a", "b"];
        let before_is_digit = result.ends_with(|c: char| c.is_ascii_digit() || c == '.');
        let word = words.iter().find(|word| rest.starts_with(*word) && followed_by_number(&rest[word.len()..]));
        match word {
            Some(word) if before_is_digit => {
                let trimmed = result.trim_end_matches('.').len();
                result.truncate(trimmed);
                result.push('~');
                result.push_str(word);
                rest = &rest[word.len()..];
            }
            _ => {
                result.push(c);
                rest = &rest[c.len_utf8()..];
            }
        }
    }
    Some(result)
}

fn followed_by_number(rest: &str) -> bool {
    rest.is_empty() || rest.trim_start_matches('.').starts_with(|c: char| c.is_ascii_digit())
}

/// How dpkg-source lets an orig tarball be compressed (dpkg-source(1)).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    /// `.tar.gz`
    Gzip,
    /// `.tar.bz2`
    Bzip2,
    /// `.tar.xz`
    Xz,
}

impl Compression {
    /// What stands after `.tar.` in a file's name.
    pub fn suffix(self) -> &'static str {
        match self {
            Self::Gzip => "gz",
            Self::Bzip2 => "bz2",
            Self::Xz => "xz",
        }
    }

    /// From a file's first bytes.
    pub fn of(bytes: &[u8]) -> Option<Self> {
        let magic: [(&[u8], Self); 3] = [(b"\x1f\x8b", Self::Gzip), (b"BZh", Self::Bzip2), (b"\xfd7zXZ\0", Self::Xz)];
        magic.into_iter().find(|(magic, _)| bytes.starts_with(magic)).map(|(_, compression)| compression)
    }
}

/// Name and version that a release archive's file name has: `Notes-1.0rc1.tar.gz` → `notes`, `1.0~rc1`.
pub fn of_archive(file: &str) -> Option<(String, String)> {
    let endings = [".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz"];
    let stem = endings.iter().find_map(|ending| file.strip_suffix(ending))?;
    let (name, version) = stem.rsplit_once('-')?;
    Some((package_name(name)?, debian_version(version.trim_start_matches('v'))?))
}

/// `notes_1.0.orig.tar.xz`.
pub fn orig_name(source: &PackageName, version: &DebianVersion, compression: Compression) -> String {
    format!("{source}_{version}.orig.tar.{}", compression.suffix())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changelogs_name_source_and_versions() {
        let changelog = Changelog::parse("\nnotes (1:1.0~rc1-2+b1) unstable; urgency=low\n").unwrap();
        assert_eq!((changelog.source.as_str(), changelog.upstream()), ("notes", "1.0~rc1"));
        assert_eq!(changelog.file_version(), "1.0~rc1-2+b1");
        assert!(Changelog::parse("Notes 1.0").is_err());
    }

    /// What dpkg-parsechangelog takes for garbage is the first entry of nobody.
    #[test]
    fn a_heading_is_one_for_dpkg_or_an_error() {
        let real = "notes (1.0-1) unstable; urgency=low\n";
        for good in [
            "notes (1.0-1) unstable; urgency=low",
            "notes (1:1.0~rc1-2) bookworm trixie; urgency=low, binary-only=yes",
            "notes (1.0) UNRELEASED;",
            "\n \t\nnotes (1.0) x;",
            "notes (1.0) x; urgency=low\r",
        ] {
            assert!(Changelog::parse(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "notes (1.0-x/../../..) unstable; urgency=low",
            "notes (1.0-x/../../..)",
            "notes (1.0-1)",
            "notes (1.0-1) unstable",
            "notes (1.0-1); urgency=low",
            "notes (1.0-1)unstable; urgency=low",
            " notes (1.0-1) unstable; urgency=low",
            "notes  (1.0-1) unstable; urgency=low",
            "notes (1.0 -1) unstable; urgency=low",
            "notes (1.0-1) ../x; urgency=low",
            "../notes (1.0-1) unstable; urgency=low",
            "NOTES (1.0-1) unstable; urgency=low",
            "notes (x) unstable; urgency=low",
            "# notes (1.0-1) unstable; urgency=low",
            "notes (1.0-1) unstable; urgency=\u{1b}[2J",
            "\u{a0}",
        ] {
            assert!(
                Changelog::parse(&format!("{bad}\n{}", if bad.is_empty() { "" } else { real })).is_err(),
                "{bad:?}"
            );
        }
        let fault = Changelog::parse("\ngarbage\nnotes (1.0-1) unstable; urgency=low\n").unwrap_err();
        assert!(fault.to_string().starts_with("debian/changelog:2: "), "{fault}");
    }

    #[test]
    fn upstream_versions_name_files() {
        assert!(upstream_version("1.0~rc1").is_ok());
        for bad in ["", "1.0/../x", "1:1.0", "x", "1.0\n"] {
            assert!(upstream_version(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn tags_are_understood_as_people_write_them() {
        for (tag, version) in [
            ("v1.0", "1.0"),
            ("1.0rc1", "1.0~rc1"),
            ("notes-2.0.1b2", "2.0.1~b2"),
            ("release-3.1", "3.1"),
            ("upstream/1.2.dev3", "1.2~dev3"),
            ("debian/1.2-4", "1.2"),
            ("v1_2", "1.2"),
            ("1.0.post1", "1.0.post1"),
            ("1.0a", "1.0~a"),
        ] {
            assert_eq!(version_of_tag(tag, "notes").as_deref(), Some(version), "{tag}");
        }
        assert_eq!(version_of_tag("latest", "notes"), None);
        assert_eq!(version_of_tag("v1.0;rm", "notes"), None);
    }

    #[test]
    fn archives_are_named_after_what_is_in_them() {
        let pair = |name: &str, version: &str| Some((name.to_owned(), version.to_owned()));
        assert_eq!(of_archive("Flask_Login-0.6.3.tar.gz"), pair("flask-login", "0.6.3"));
        assert_eq!(of_archive("zope.interface-6.0rc1.tar.xz"), pair("zope.interface", "6.0~rc1"));
        assert_eq!(of_archive("notes.zip"), None);
    }

    #[test]
    fn names_become_debian_s() {
        assert_eq!(package_name("My_App").as_deref(), Some("my-app"));
        assert_eq!(package_name("--"), None);
    }
}
