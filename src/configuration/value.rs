//! Values: from the text that a person writes to something with a type, and back.
//!
//! Owns [`Value`], its canonical text and [`Setting::parse`]. Where a value
//! comes from is [`super::layer`]'s, how it is written into a file
//! [`super::escape`]'s.

use std::fmt;
use std::net::Ipv6Addr;

use super::setting::{Kind, Setting};
use crate::error::nearest;

/// A value that its setting's type accepts. Its display is the canonical text,
/// which [`Setting::parse`] reads back as the same value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// No layer gives one: it renders as nothing and is false in a condition.
    Unset,
    /// string, path, url, enum, secret and password-hash.
    Text(String),
    /// list.
    List(Vec<String>),
    /// integer.
    Integer(i64),
    /// boolean.
    Boolean(bool),
    /// port.
    Port(u16),
    /// hostport.
    Hostport {
        /// Name or address; an IPv6 address without its brackets.
        host: String,
        /// Port.
        port: u16,
    },
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unset => Ok(()),
            Self::Text(text) => f.write_str(text),
            Self::List(items) => f.write_str(&items.join(", ")),
            Self::Integer(number) => write!(f, "{number}"),
            Self::Boolean(truth) => write!(f, "{truth}"),
            Self::Port(port) => write!(f, "{port}"),
            Self::Hostport { host, port } if host.contains(':') => write!(f, "[{host}]:{port}"),
            Self::Hostport { host, port } => write!(f, "{host}:{port}"),
        }
    }
}

/// Words that stand for true, then those for false.
const BOOLEANS: [[&str; 4]; 2] = [["yes", "true", "on", "1"], ["no", "false", "off", "0"]];

impl Setting {
    /// Whether `name` can be a setting's: a lower-case letter, then lower-case
    /// letters, digits and `_`, and no word of the templates' language.
    pub fn is_name(name: &str) -> bool {
        name.starts_with(|c: char| c.is_ascii_lowercase())
            && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
            && !["as", "else", "false", "null", "this", "true"].contains(&name)
    }

    /// Whether the value must not be seen by everyone: a secret or what is made of one.
    pub fn is_secret(&self) -> bool {
        matches!(self.kind, Kind::Secret { .. } | Kind::PasswordHash { .. })
    }

    /// The value that `text` stands for. ASCII white space around it is no part
    /// of it. The error says what is expected, never what was given.
    pub fn parse(&self, text: &str) -> Result<Value, String> {
        let text = text.trim_ascii();
        if text.chars().any(|c| c.is_control() && c != '\t') {
            return Err("one line without control characters is expected".to_owned());
        }
        match &self.kind {
            Kind::String { pattern } => match pattern {
                Some(pattern) if !matches_whole(pattern, text)? => {
                    Err(format!("text that matches {pattern} is expected"))
                }
                _ => Ok(Value::Text(text.to_owned())),
            },
            Kind::List => {
                let words = text.split(|c: char| c == ',' || c.is_ascii_whitespace());
                Ok(Value::List(words.filter(|word| !word.is_empty()).map(str::to_owned).collect()))
            }
            Kind::Integer { min, max } => integer(text, *min, *max),
            Kind::Boolean => boolean(text),
            Kind::Port => port(text).map(Value::Port).ok_or_else(|| "a port, 1 to 65535, is expected".to_owned()),
            Kind::Hostport => hostport(text)
                .ok_or_else(|| "HOST:PORT is expected, for example 127.0.0.1:8000 or [::1]:8000".to_owned()),
            Kind::Path if is_path(text) => Ok(Value::Text(text.to_owned())),
            Kind::Path => Err("an absolute path without '..' is expected".to_owned()),
            Kind::Url if is_url(text) => Ok(Value::Text(text.to_owned())),
            Kind::Url => Err("a URL with scheme and host is expected, for example https://example.org/".to_owned()),
            Kind::Enum { choices } => choice(text, choices),
            Kind::Secret { .. } | Kind::PasswordHash { .. } if text.is_empty() => {
                Err("a secret that is not empty is expected".to_owned())
            }
            Kind::Secret { .. } | Kind::PasswordHash { .. } => Ok(Value::Text(text.to_owned())),
        }
    }
}

/// Whether the regular expression matches all of the text.
fn matches_whole(pattern: &str, text: &str) -> Result<bool, String> {
    let whole = regex_lite::Regex::new(&format!("^(?:{pattern})$"));
    whole.map(|regex| regex.is_match(text)).map_err(|error| format!("'{pattern}' is no regular expression: {error}"))
}

fn integer(text: &str, min: Option<i64>, max: Option<i64>) -> Result<Value, String> {
    let number = text.parse::<i64>().ok();
    match number.filter(|number| min.is_none_or(|min| min <= *number) && max.is_none_or(|max| *number <= max)) {
        Some(number) => Ok(Value::Integer(number)),
        None => Err(match (min, max) {
            (Some(min), Some(max)) => format!("a whole number from {min} to {max} is expected"),
            (Some(min), None) => format!("a whole number, {min} or more, is expected"),
            (None, Some(max)) => format!("a whole number, {max} or less, is expected"),
            (None, None) => "a whole number is expected".to_owned(),
        }),
    }
}

fn boolean(text: &str) -> Result<Value, String> {
    let lower = text.to_ascii_lowercase();
    match BOOLEANS.iter().position(|words| words.contains(&lower.as_str())) {
        Some(at) => Ok(Value::Boolean(at == 0)),
        None => Err("yes or no is expected (also true, false, on, off, 1, 0)".to_owned()),
    }
}

/// Digits only: `parse` alone takes `+80`, too.
fn port(text: &str) -> Option<u16> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|port| digits && *port != 0)
}

fn hostport(text: &str) -> Option<Value> {
    let (host, port) = text.rsplit_once(':')?;
    let port = self::port(port)?;
    let host = match host.strip_prefix('[') {
        Some(rest) => rest.strip_suffix(']').filter(|address| address.parse::<Ipv6Addr>().is_ok())?,
        None => Some(host).filter(|host| *host == "*" || is_host(host))?,
    };
    Some(Value::Hostport { host: host.to_owned(), port })
}

/// Whether it is a name or an IPv4 address: labels of letters, digits, `-`, `_`.
fn is_host(host: &str) -> bool {
    let label = |label: &str| {
        !label.is_empty()
            && !label.starts_with('-')
            && label.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_')
    };
    host.len() <= 253 && host.strip_suffix('.').unwrap_or(host).split('.').all(label)
}

fn is_path(text: &str) -> bool {
    text.starts_with('/') && !text.contains(char::is_control) && text.split('/').all(|part| part != "..")
}

/// `scheme://[user@]host[:port][/…]` (RFC 3986, section 3).
fn is_url(text: &str) -> bool {
    let Some((scheme, rest)) = text.split_once("://") else { return false };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let host = match host.rsplit_once(':') {
        Some((name, digits)) if !digits.ends_with(']') => Some(name).filter(|_| port(digits).is_some()),
        _ => Some(host),
    };
    let is_bracketed = |host: &str| {
        host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).is_some_and(|a| a.parse::<Ipv6Addr>().is_ok())
    };
    scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c))
        && !text.contains(char::is_whitespace)
        && host.is_some_and(|host| is_host(host) || is_bracketed(host))
}

fn choice(text: &str, choices: &[String]) -> Result<Value, String> {
    if choices.iter().any(|choice| choice == text) {
        return Ok(Value::Text(text.to_owned()));
    }
    let all = choices.join(", ");
    Err(match nearest(text, choices.iter().map(String::as_str)) {
        Some(near) => format!("one of {all} is expected: perhaps {near}"),
        None => format!("one of {all} is expected"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn setting(kind: Kind) -> Setting {
        Setting { name: "x".to_owned(), kind, default: None, description: String::new(), ask: None }
    }

    /// The canonical text of what is read, or the reason.
    fn read(kind: &Kind, text: &str) -> Result<String, String> {
        let setting = setting(kind.clone());
        let value = setting.parse(text)?;
        assert_eq!(setting.parse(&value.to_string()).as_ref(), Ok(&value), "{value} is read back");
        Ok(value.to_string())
    }

    /// A type; what it accepts, with the canonical text; what it refuses.
    type Row<'a> = (Kind, &'a [(&'a str, &'a str)], &'a [&'a str]);

    #[test]
    fn each_type_accepts_and_refuses() {
        let word = |text: &str| text.to_owned();
        let kinds: [Row; 9] = [
            (
                Kind::String { pattern: None },
                &[("", ""), (" a # b ", "a # b"), ("a\tb", "a\tb")],
                &["a\nb", "\0", "a\x07"],
            ),
            (Kind::List, &[("", ""), ("a,b  c,", "a, b, c")], &["a\u{85}b"]),
            (
                Kind::Integer { min: Some(-1), max: Some(10) },
                &[("-1", "-1"), ("10", "10"), ("007", "7")],
                &["11", "-2", "1.0", "", "x", "99999999999999999999"],
            ),
            (Kind::Boolean, &[("Yes", "true"), ("OFF", "false"), ("1", "true")], &["", "ja", "2"]),
            (Kind::Port, &[("80", "80"), ("080", "80")], &["0", "65536", "+1", "-1", ""]),
            (
                Kind::Hostport,
                &[
                    ("127.0.0.1:8000", "127.0.0.1:8000"),
                    ("[::1]:80", "[::1]:80"),
                    ("*:1", "*:1"),
                    ("db_1.example.org:5432", "db_1.example.org:5432"),
                ],
                &["::1:80", "localhost", ":80", "a b:80", "[::1]", "[x]:1", "host:0", "-a:1", "a..b:1"],
            ),
            (
                Kind::Path,
                &[("/a/b", "/a/b"), ("/", "/"), ("/a b..c", "/a b..c")],
                &["a", "", "/a/../b", "/..", "~/x", "/\tb"],
            ),
            (
                Kind::Url,
                &[
                    ("https://u:p@example.org:80/x?y", "https://u:p@example.org:80/x?y"),
                    ("ldap://[::1]", "ldap://[::1]"),
                    ("http://[::1]:80/", "http://[::1]:80/"),
                ],
                &["https://", "sqlite:///x", "x", "http://a b/", "http://a:x/", "://a", "1x://a"],
            ),
            (Kind::Enum { choices: vec![word("debug"), word("info")] }, &[("info", "info")], &["Info", "", "warning"]),
        ];
        for (kind, good, bad) in kinds {
            for (text, canonical) in good {
                assert_eq!(read(&kind, text).as_deref(), Ok(*canonical), "{kind:?} {text:?}");
            }
            for text in bad {
                let reason = read(&kind, text).expect_err(text);
                assert!(reason.contains("expected"), "{reason}");
            }
        }
    }

    #[test]
    fn a_pattern_matches_the_whole_value() {
        let kind = |pattern: &str| Kind::String { pattern: Some(pattern.to_owned()) };
        assert!(read(&kind("a|bc"), "bc").is_ok());
        assert!(read(&kind("a|bc"), "ac").is_err());
        assert!(read(&kind("("), "x").unwrap_err().contains("no regular expression"));
    }

    #[test]
    fn a_refusal_never_repeats_the_value() {
        let secret = setting(Kind::Secret { length: 8 });
        assert!(!secret.parse("hunter2\nx").unwrap_err().contains("hunter2"));
        assert_eq!(secret.parse(" "), Err("a secret that is not empty is expected".to_owned()));
    }

    #[test]
    fn a_choice_names_the_nearest() {
        let kind = Kind::Enum { choices: vec!["debug".into(), "info".into()] };
        assert_eq!(read(&kind, "Debug"), Err("one of debug, info is expected: perhaps debug".to_owned()));
    }

    #[test]
    fn names() {
        for name in ["a", "listen", "db_2"] {
            assert!(Setting::is_name(name));
        }
        for name in ["", "A", "2a", "_a", "a-b", "this", "ä"] {
            assert!(!Setting::is_name(name));
        }
    }
}
