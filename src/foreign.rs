//! The gate for foreign text: what a source, an index, a package or a service
//! says becomes a path, an option, a URL, a line of another format or a line on
//! a terminal only through here.
//!
//! Each type can be made by validation alone and keeps what it has validated, so
//! a function that takes one need not ask again. Reads and writes nothing.

mod text;

use std::borrow::Cow;
use std::fmt::{Display, Formatter};

pub use text::{line, lines, printable, printable_line, too_deep, without_passwords};

/// Why a text was refused: what it is, and what it should have been.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    what: &'static str,
    text: String,
    why: &'static str,
}

/// As many characters of a refused text as a message shows.
const SHOWN: usize = 80;

impl Display for Refused {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        let text = without_passwords(&self.text);
        let shown: String = text.chars().take(SHOWN).collect();
        let more = if shown.len() < text.len() { "…" } else { "" };
        write!(f, "'{}{more}' is no {}: {}", printable_line(&shown), self.what, self.why)
    }
}

impl std::error::Error for Refused {}

impl From<Refused> for crate::error::Error {
    fn from(refused: Refused) -> Self {
        crate::error::Diagnostic::error(refused.to_string()).into()
    }
}

fn refuse<T>(what: &'static str, text: &str, why: &'static str) -> Result<T, Refused> {
    Err(Refused { what, text: text.to_owned(), why })
}

/// What most texts are shown as.
fn whole(text: &str) -> Cow<'_, str> {
    Cow::Borrowed(text)
}

/// A text type that is made by `new` alone.
macro_rules! validated {
    ($name:ident) => {
        validated!($name, whole);
    };
    ($name:ident, $shown:expr) => {
        impl $name {
            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl AsRef<std::path::Path> for $name {
            fn as_ref(&self) -> &std::path::Path {
                self.0.as_ref()
            }
        }

        impl Display for $name {
            fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
                let shown: fn(&str) -> Cow<'_, str> = $shown;
                f.write_str(&shown(&self.0))
            }
        }

        impl std::str::FromStr for $name {
            type Err = Refused;

            fn from_str(text: &str) -> Result<Self, Refused> {
                Self::new(text)
            }
        }
    };
}

/// A sha256 in lower-case hexadecimal: 64 digits, so a plain file name as well.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sha256(String);
validated!(Sha256);

impl Sha256 {
    /// From 64 hexadecimal digits; capital ones become small.
    pub fn new(text: &str) -> Result<Self, Refused> {
        if text.len() != 64 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return refuse("sha256", text, "it has 64 hexadecimal digits");
        }
        Ok(Self(text.to_ascii_lowercase()))
    }

    /// Of a digest's bytes.
    pub fn of(digest: &[u8; 32]) -> Self {
        Self(crate::hex::hex(digest))
    }
}

/// The name of a file in one directory: never a path, an option or a hidden file,
/// and of no character that means something to a shell, a list or a terminal.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileName(String);
validated!(FileName);

impl FileName {
    /// Letters, digits and `._+~!@%=,:-`, at most 255 of them; neither `.` nor `-` comes first.
    /// Wheels, source archives and what dpkg-genchanges lists are named so.
    pub fn new(text: &str) -> Result<Self, Refused> {
        let plain = |c: char| c.is_ascii_alphanumeric() || "._+~!@%=,:-".contains(c);
        match () {
            () if text.is_empty() || text.len() > 255 => refuse("file name", text, "it has 1 to 255 characters"),
            () if text.starts_with(['.', '-']) => refuse("file name", text, "it begins with a letter or a digit"),
            () if !text.chars().all(plain) => {
                refuse("file name", text, "it has letters, digits and . _ + ~ ! @ % = , : - only")
            }
            () => Ok(Self(text.to_owned())),
        }
    }
}

/// Where a URL may lead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// Another machine: `https:` and `http:`. For what a source or an index says.
    Network,
    /// This machine's files as well: `file:`. For what the command line says.
    Everywhere,
}

/// A URL that may be fetched. It has no character that could end it early where it
/// stands in a line, an option or quotation marks (RFC 3986, section 2). What is shown
/// of it has no password; `as_str` is for use.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Url(String);
validated!(Url, without_passwords);

impl Url {
    /// A URL of network schemes, for what foreigners say.
    pub fn new(text: &str) -> Result<Self, Refused> {
        Self::within(text, Reach::Network)
    }

    /// A URL of the schemes that may be had from there.
    pub fn within(text: &str, reach: Reach) -> Result<Self, Refused> {
        let Some((scheme, rest)) = text.split_once("://") else {
            return refuse("URL", text, "it begins with https:// or http://");
        };
        let known: &[&str] = match reach {
            Reach::Network => &["https", "http"],
            Reach::Everywhere => &["https", "http", "file"],
        };
        let scheme = scheme.to_ascii_lowercase();
        if !known.contains(&scheme.as_str()) {
            return refuse("URL", text, "only https:// and http:// are fetched from there");
        }
        let bad = |c: char| c.is_control() || c.is_whitespace() || "\"<>\\^`{|}".contains(c);
        if text.len() > 4096 || text.contains(bad) {
            return refuse("URL", text, "white space, control characters and \" < > \\ ^ ` { | } are escaped in URLs");
        }
        let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
        if host.starts_with('-') || (host.is_empty() && scheme != "file") {
            return refuse("URL", text, "it names no host");
        }
        Ok(Self(text.to_owned()))
    }

    /// Whether it names a user, with a password or as a token.
    pub fn has_password(&self) -> bool {
        matches!(without_passwords(&self.0), Cow::Owned(_))
    }

    /// Whether it leads to another machine.
    pub fn is_remote(&self) -> bool {
        !self.0.get(..5).is_some_and(|start| start.eq_ignore_ascii_case("file:"))
    }
}

/// The name of a package, source or binary (policy 5.6.1, 5.6.7): lower-case letters,
/// digits, `+`, `-` and `.`, at least two, the first a letter or a digit.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PackageName(String);
validated!(PackageName);

impl PackageName {
    /// From its text.
    pub fn new(text: &str) -> Result<Self, Refused> {
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "+-.".contains(c);
        let first = text.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit());
        if !(2..=128).contains(&text.len()) || !first || !text.chars().all(plain) {
            return refuse(
                "package name",
                text,
                "it has lower-case letters, digits, + - . and at least two (policy 5.6.1)",
            );
        }
        Ok(Self(text.to_owned()))
    }
}

/// The version of a Debian package by dpkg's own grammar (deb-version(7)):
/// `[EPOCH:]UPSTREAM[-REVISION]`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct DebianVersion(String);
validated!(DebianVersion);

impl DebianVersion {
    /// From its text.
    pub fn new(text: &str) -> Result<Self, Refused> {
        const WHAT: &str = "version";
        let (epoch, rest) = text.split_once(':').map_or((None, text), |(epoch, rest)| (Some(epoch), rest));
        if epoch.is_some_and(|epoch| epoch.is_empty() || epoch.parse::<i32>().is_err() || epoch.starts_with(['+', '-']))
        {
            return refuse(WHAT, text, "its epoch is a number (deb-version(7))");
        }
        let (upstream, revision) = rest.rsplit_once('-').map_or((rest, None), |(one, two)| (one, Some(two)));
        if !upstream.starts_with(|c: char| c.is_ascii_digit()) {
            return refuse(WHAT, text, "it begins with a digit (deb-version(7))");
        }
        let of = |more: &'static str| move |c: char| c.is_ascii_alphanumeric() || more.contains(c);
        if text.len() > 200 || !upstream.chars().all(of(".+-~:")) || (epoch.is_none() && upstream.contains(':')) {
            return refuse(WHAT, text, "it has letters, digits and . + - ~ (deb-version(7))");
        }
        if revision.is_some_and(|revision| revision.is_empty() || !revision.chars().all(of(".+~"))) {
            return refuse(WHAT, text, "its revision has letters, digits and . + ~ (deb-version(7))");
        }
        Ok(Self(text.to_owned()))
    }

    /// Without the epoch, as it names files.
    pub fn in_file_names(&self) -> &str {
        self.0.split_once(':').map_or(&self.0, |(_, rest)| rest)
    }
}

/// What a package may depend on (policy 7.1): `NAME[:ARCHITECTURE] [(RELATION VERSION)]`, and
/// others instead after `|`. Written anew, so that nothing else is in it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Relation(String);
validated!(Relation);

impl Relation {
    /// From one part of a field, between commas.
    pub fn new(text: &str) -> Result<Self, Refused> {
        let parts: Option<Vec<String>> = text.split('|').map(alternative).collect();
        match parts {
            Some(parts) => Ok(Self(parts.join(" | "))),
            None => refuse("relation", text, "it is a package's name and, in brackets, a version (policy 7.1)"),
        }
    }

    /// The names of the packages any of which will do.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.split(" | ").map(|one| one.split([' ', ':']).next().unwrap_or_default())
    }
}

fn alternative(text: &str) -> Option<String> {
    let (name, version) = match text.trim().split_once('(') {
        Some((name, rest)) => (name.trim(), Some(rest.strip_suffix(')')?.trim())),
        None => (text.trim(), None),
    };
    let (bare, architecture) = name.split_once(':').map_or((name, None), |(bare, rest)| (bare, Some(rest)));
    PackageName::new(bare).ok()?;
    architecture.map_or(Some(()), |text| Architecture::new(text).ok().map(|_| ()))?;
    let Some(version) = version else { return Some(name.to_owned()) };
    let number = version.trim_start_matches(['<', '=', '>']);
    let operator = &version[..version.len() - number.len()];
    let number = DebianVersion::new(number.trim()).ok()?;
    // `<` and `>` mean `<=` and `>=` to dpkg, and are written so no longer.
    ["<<", "<=", "=", ">=", ">>", "<", ">"].contains(&operator).then(|| format!("{name} ({operator} {number})"))
}

/// Debian's name of an architecture, as dpkg's grammar has it: lower-case letters, digits and
/// hyphens, the first no hyphen.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Architecture(String);
validated!(Architecture);

impl Architecture {
    /// From its text.
    pub fn new(text: &str) -> Result<Self, Refused> {
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if !(1..=64).contains(&text.len()) || text.starts_with('-') || !text.chars().all(plain) {
            return refuse("architecture", text, "it has lower-case letters, digits and - (dpkg-architecture -L)");
        }
        Ok(Self(text.to_owned()))
    }
}

/// The codename of a suite: letters, digits, `-` and `.`; the first a letter or a digit.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SuiteName(String);
validated!(SuiteName);

impl SuiteName {
    /// From its text.
    pub fn new(text: &str) -> Result<Self, Refused> {
        let plain = |c: char| c.is_ascii_alphanumeric() || "-.".contains(c);
        if !(1..=64).contains(&text.len()) || text.starts_with(['-', '.']) || !text.chars().all(plain) {
            return refuse("suite", text, "it has letters, digits, - and .");
        }
        Ok(Self(text.to_owned()))
    }
}

/// The id that the driver has given something in its cache: the beginning of a digest.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Id(String);
validated!(Id);

impl Id {
    /// From its text.
    pub fn new(text: &str) -> Result<Self, Refused> {
        let plain = |c: char| matches!(c, '0'..='9' | 'a'..='f');
        if !(8..=64).contains(&text.len()) || !text.chars().all(plain) {
            return refuse("id", text, "it has 8 to 64 hexadecimal digits");
        }
        Ok(Self(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_too_deep_for_a_parser_is_seen_before() {
        assert_eq!(too_deep("a = [[1], {b = \"[[[[\"}] # [[[\n"), None);
        assert_eq!(too_deep(&format!("x = {}", "[".repeat(101))), Some(1));
        // Inline tables that never end, as a parser that goes on after faults sees them.
        assert_eq!(too_deep(&"license = { file week\"\n".repeat(200)), Some(101));
        assert_eq!(too_deep(&"a = [1]\n".repeat(1000)), None);
    }

    #[test]
    fn digests_are_hexadecimal_of_their_length() {
        let good = "aB".repeat(32);
        assert_eq!(Sha256::new(&good).unwrap().as_str(), "ab".repeat(32));
        for bad in
            ["", "/etc/passwd", &"a".repeat(63), &"a".repeat(65), &format!("{}/", "a".repeat(63)), &"é".repeat(32)]
        {
            assert!(Sha256::new(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn file_names_are_no_paths_and_no_options() {
        for good in ["notes-1.0-py3-none-any.whl", "notes_1.0~rc1-1+b1_amd64.deb", "a@b%3a1!2.0.tar.gz"] {
            assert_eq!(FileName::new(good).unwrap().as_str(), good);
        }
        let long = "a".repeat(256);
        for bad in ["", ".", "..", ".x", "-x", "a/b", "/a", "a\0b", "a\nb", "a b", "a\u{1b}b", "ä", "a;b", "a'b", &long]
        {
            assert!(FileName::new(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn urls_have_an_allowed_scheme_and_cannot_end_early() {
        for good in ["https://host/x-1.0.tar.gz?a=b#sha256=00", "http://user:pw@[::1]:80/", "HTTPS://host/%20"] {
            assert_eq!(Url::new(good).unwrap().as_str(), good);
        }
        let bad = [
            "",
            "host",
            "file:///etc/shadow",
            "ftp://host/",
            "ext::sh -c x",
            "https://",
            "https:///x",
            "-x://host",
            "--upload-pack=x",
            "https://host/\nurl = \"file:///etc/shadow\"",
            "https://host/\r",
            "https://host/a b",
            "https://host/\"",
            "https://host/\\",
            "https://-oProxyCommand=x/",
            "https://host/\u{85}",
            "https://host/{a,b}",
        ];
        for bad in bad {
            assert!(Url::new(bad).is_err(), "{bad:?}");
        }
        assert!(!Url::within("file:///x", Reach::Everywhere).unwrap().is_remote());
        assert!(Url::within("ssh://x", Reach::Everywhere).is_err());
    }

    #[test]
    fn what_is_shown_of_a_url_has_no_password() {
        for (url, shown) in [
            ("https://user:pw@host/x@y", "https://user:***@host/x@y"),
            ("https://user:p@w@host", "https://user:***@host"),
            ("HTTPS://token@host/", "HTTPS://***@host/"),
            ("https://host/a:b@c", "https://host/a:b@c"),
            (
                "curl: (22) http://u:p@h/ 'http://u:p@h?x' ssh://git@h/",
                "curl: (22) http://u:***@h/ 'http://u:***@h?x' ssh://git@h/",
            ),
            ("ssh://git:pw@h/ git@h:x", "ssh://git:***@h/ git@h:x"),
        ] {
            assert_eq!(without_passwords(url), shown);
        }
        let url = Url::new("https://user:pw@host/").unwrap();
        assert_eq!((url.to_string().as_str(), url.as_str()), ("https://user:***@host/", "https://user:pw@host/"));
        assert!(url.has_password() && !Url::new("https://host/a@b").unwrap().has_password());
        let refused = Url::new("ftp://user:pw@host/").unwrap_err().to_string();
        assert!(!refused.contains("pw"), "{refused}");
    }

    #[test]
    fn names_and_versions_are_debian_s() {
        for good in ["notes", "g++", "0ad", "lib.x-1"] {
            assert!(PackageName::new(good).is_ok(), "{good}");
        }
        for bad in ["", "n", "Notes", "-notes", ".notes", "no_tes", "../x", "no tes", "notes\n"] {
            assert!(PackageName::new(bad).is_err(), "{bad:?}");
        }
        for good in ["1.0", "1:1.0~rc1-2+b1", "0", "1.0-1-2", "2:1:0-1"] {
            assert!(DebianVersion::new(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "x",
            ":1",
            "a:1",
            "-1:1",
            "1.0-",
            "1.0/../..",
            "1.0-x/../..",
            "1.0 ",
            "1.0\n",
            "1_0",
            "é1",
            "1:",
            "99999999999:1",
        ] {
            assert!(DebianVersion::new(bad).is_err(), "{bad:?}");
        }
        assert_eq!(DebianVersion::new("2:1.0-1").unwrap().in_file_names(), "1.0-1");
    }

    #[test]
    fn relations_are_names_and_versions() {
        for (text, written) in [
            ("python3.11", "python3.11"),
            (" libc6 (>=2.36) ", "libc6 (>= 2.36)"),
            ("python3:any (<< 3.12)|g++ | x11", "python3:any (<< 3.12) | g++ | x11"),
        ] {
            assert_eq!(Relation::new(text).unwrap().as_str(), written);
        }
        let names = Relation::new("python3:any (<< 3.12) | g++").unwrap();
        assert_eq!(names.names().collect::<Vec<_>>(), ["python3", "g++"]);
        for bad in [
            "",
            "|",
            "a1 |",
            "-oDPkg::Pre-Install-Pkgs::=x",
            "--help",
            "a1 -o",
            "a1 (>= 1) x",
            "a1 (1)",
            "a1 (=> 1)",
            "a1 (>= -x)",
            "a1:-x",
            "a1 (>= 1",
            "../a1.deb",
            "a1\n(",
        ] {
            assert!(Relation::new(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn names_in_a_cache_are_no_paths() {
        for good in ["amd64", "kfreebsd-amd64", "all"] {
            assert!(Architecture::new(good).is_ok(), "{good}");
        }
        for good in ["bookworm", "trixie-backports", "Debian12.1"] {
            assert!(SuiteName::new(good).is_ok(), "{good}");
        }
        for bad in ["", ".", "..", "-x", "amd64/../..", "a b", "a\n", "/a", ".a", "a_b", "é"] {
            assert!(Architecture::new(bad).is_err() && SuiteName::new(bad).is_err(), "{bad:?}");
        }
        assert!(Architecture::new("AMD64").is_err() && Id::new("0123456789ab").is_ok());
        for bad in ["", "g", "..", "../../0123456789", "0123456789AB", "0123456789ab\n"] {
            assert!(Id::new(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn what_steers_a_terminal_is_written_out() {
        assert_eq!(printable("plain ü\n\ttext"), "plain ü\n\ttext");
        assert_eq!(printable("\u{1b}]0;x\u{7}\r\u{7f}\u{9b}\u{202e}"), "\\x1b]0;x\\x07\\r\\x7f\\x9b\\u{202e}");
        assert_eq!(printable_line("a\nb"), "a\\nb");
        let refused = FileName::new("\u{1b}[2J/x").unwrap_err().to_string();
        assert!(refused.starts_with("'\\x1b[2J/x' is no file name"), "{refused}");
    }
}
