//! The path at which root opens or makes something for a program: a log file, a
//! socket, a file that a service manager reads.
//!
//! It stands in units, tmpfiles.d(5), logrotate(8)'s files and shell snippets, each
//! with a language of its own, so only a path that means the same in all of them is one.

use std::fmt;

use crate::foreign::printable_line;

/// Such a path, validated.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(transparent)]
pub struct Place(String);

/// Why a text is no such path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoPlace {
    text: String,
    why: &'static str,
}

impl fmt::Display for NoPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "'{}' {}", printable_line(&self.text), self.why)
    }
}

impl Place {
    /// What each part of such a path has.
    pub const CURE: &'static str = "write an absolute path of letters, digits and . _ + @ : = , -, without '..'";

    /// From a text: absolute, normalised, and of plain characters.
    pub fn new(text: &str) -> Result<Self, NoPlace> {
        let refuse = |why| Err(NoPlace { text: text.to_owned(), why });
        let plain = |c: char| c.is_ascii_alphanumeric() || "/._+@:=,-".contains(c);
        match is_normal(text) {
            Err(why) => refuse(why),
            Ok(()) if !text.chars().all(plain) => refuse("has a character that means something elsewhere"),
            Ok(()) => Ok(Self(text.to_owned())),
        }
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The directory that it stands in.
    pub fn directory(&self) -> &str {
        match self.0.rsplit_once('/') {
            Some((above, _)) if !above.is_empty() => above,
            _ => "/",
        }
    }

    /// Whether it stands somewhere below a directory.
    pub fn is_below(&self, directory: &str) -> bool {
        self.0.strip_prefix(directory).is_some_and(|rest| rest.starts_with('/'))
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Whether a path is absolute, names something and leads straight there; else why not.
pub fn is_normal(path: &str) -> Result<(), &'static str> {
    let Some(rest) = path.strip_prefix('/') else { return Err("is no absolute path") };
    if path.contains(char::is_control) {
        return Err("has a control character");
    }
    if rest.split('/').any(|part| part == "..") {
        return Err("has '..' in it");
    }
    if path.len() > 4095 || rest.split('/').any(|part| part.is_empty() || part == "." || part.len() > 255) {
        return Err("does not lead straight to its end");
    }
    Ok(())
}

/// Name of dh_appconfig's file in sysusers.d and tmpfiles.d; another one than that
/// of debhelper's own dh_installsysusers and dh_installtmpfiles.
pub fn appconfig_file(package: &str) -> String {
    format!("{package}-appconfig.conf")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_plain_in_every_language() {
        let place = Place::new("/var/log/notes/web_00.log").unwrap();
        assert_eq!(
            (place.directory(), place.is_below("/var/log"), place.is_below("/var/lo")),
            ("/var/log/notes", true, false)
        );
        assert_eq!(Place::new("/x").unwrap().directory(), "/");
        let bad = [
            "", "x", "/", "/a/", "//a", "/a/../b", "/a/./b", "/a b", "/a'b", "/a{b", "/a*", "/a\nb", "/a%b", "/a\"",
            "/a\\b", "/a$b", "/a;b", "/a#b", "/a\u{1b}", "/ä", "/a~", "/..",
        ];
        for bad in bad {
            assert!(Place::new(bad).is_err(), "{bad:?}");
        }
        assert_eq!(Place::new("/a\u{1b}").unwrap_err().to_string(), "'/a\\x1b' has a control character");
    }
}
