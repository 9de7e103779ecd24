//! Names and versions of source packages: text in, values out.
//!
//! Owns what a changelog's first line, a tag and the name of a release archive
//! say. Reads nothing.

use crate::debian::control::is_package_name;

/// What the first entry of a debian/changelog says (deb-changelog(5)).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changelog {
    /// Source package.
    pub source: String,
    /// Whole version.
    pub version: String,
}

impl Changelog {
    /// `notes (1.0-2) unstable; urgency=medium` → `notes`, `1.0-2`.
    pub fn parse(text: &str) -> Option<Self> {
        let line = text.lines().find(|line| !line.trim().is_empty())?;
        let (source, rest) = line.split_once(" (")?;
        let (version, _) = rest.split_once(')')?;
        let known = is_package_name(source) && !version.is_empty();
        known.then(|| Self { source: source.to_owned(), version: version.to_owned() })
    }

    /// The version without epoch and Debian revision: what names an orig tarball.
    pub fn upstream(&self) -> &str {
        upstream(&self.version)
    }

    /// The version without epoch: what names files.
    pub fn file_version(&self) -> &str {
        self.version.split_once(':').map_or(&self.version, |(_, rest)| rest)
    }

    /// Whether the version has a Debian revision.
    pub fn has_revision(&self) -> bool {
        self.version.contains('-')
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
pub fn orig_name(source: &str, version: &str, compression: Compression) -> String {
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
        assert_eq!(Changelog::parse("Notes 1.0"), None);
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
