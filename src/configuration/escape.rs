//! Escapers: a value as a format's own parser reads it back, or a refusal.
//!
//! Owns what each of [`Escape`]'s formats can carry. `tests/configuration`
//! holds every escaper against the real parser.

use std::fmt;
use std::fmt::Write;

use super::manifest::Escape;
use crate::plan::quote;

/// Why a format cannot carry a value; never the value itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refusal(&'static str);

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

/// The longest value in bytes that still fits into a process's environment as
/// one variable with a name (MAX_ARG_STRLEN of execve(2) is 128 KiB).
const ENVIRONMENT: usize = 127 * 1024;

impl Escape {
    /// `text` as it must stand in a file of this format.
    ///
    /// No format carries NUL. `ini` and `zconfig` take the rest of a line, so a
    /// line break, or white space at either end, is refused.
    pub fn escape(self, text: &str) -> Result<String, Refusal> {
        if text.contains('\0') {
            return Err(Refusal("a NUL character, which no configuration can carry"));
        }
        match self {
            // configparser's BasicInterpolation, which is its default.
            Self::Ini => rest_of_line(text).map(|()| text.replace('%', "%%")),
            Self::Zconfig => rest_of_line(text).map(|()| text.replace('$', "$$")),
            Self::Toml => Ok(in_quotes(text, char::is_control)),
            // RFC 8259, section 7: the C0 set. The others are escaped for the reader's eye.
            Self::Json => Ok(in_quotes(text, |c| c.is_control() || is_line_break(c))),
            Self::Yaml => Ok(in_quotes(text, is_special_in_yaml)),
            Self::Shell => Ok(quote(text)),
            Self::Systemd => systemd(text),
            Self::None => Ok(text.to_owned()),
        }
    }
}

/// Python's parsers of lines break them at LF, CR and CRLF, and strip what
/// `str.isspace` calls white space.
fn rest_of_line(text: &str) -> Result<(), Refusal> {
    let space = |c: char| c.is_whitespace() || ('\x1c'..='\x1f').contains(&c);
    if text.contains(['\n', '\r']) {
        return Err(Refusal("a line break, where the format has room for one line"));
    }
    if text.starts_with(space) || text.ends_with(space) {
        return Err(Refusal("white space at the beginning or the end, which the format's parser removes"));
    }
    Ok(())
}

fn is_line_break(c: char) -> bool {
    matches!(c, '\u{85}' | '\u{2028}' | '\u{2029}')
}

/// What YAML 1.1 does not print as it is (its production 1, c-printable), and line breaks.
fn is_special_in_yaml(c: char) -> bool {
    c.is_control() || is_line_break(c) || matches!(c, '\u{feff}' | '\u{fffe}' | '\u{ffff}')
}

/// The inside of a string in double quotes, with the escapes that TOML, JSON and
/// YAML have in common. All of what is special lies in the basic plane.
fn in_quotes(text: &str, special: impl Fn(char) -> bool) -> String {
    let mut escaped = String::with_capacity(text.len() + 2);
    for c in text.chars() {
        match c {
            '"' | '\\' => escaped.extend(['\\', c]),
            '\n' => escaped.push_str("\\n"),
            '\r' => escaped.push_str("\\r"),
            '\t' => escaped.push_str("\\t"),
            c if special(c) => {
                let _ = write!(escaped, "\\u{:04x}", u32::from(c));
            }
            c => escaped.push(c),
        }
    }
    escaped
}

/// systemd.exec(5), EnvironmentFile=: in double quotes a backslash stands
/// before `"`, `\`, `` ` `` and `$` (SHELL_NEED_ESCAPE of systemd's escape.h).
/// The manager drops a variable whose value is not its kind of UTF-8
/// (env_value_is_valid of its env-util.c): refused here.
fn systemd(text: &str) -> Result<String, Refusal> {
    if text.chars().any(is_noncharacter) {
        return Err(Refusal("a Unicode noncharacter, which systemd accepts in no environment"));
    }
    if text.len() > ENVIRONMENT {
        return Err(Refusal("more than 127 KiB, which no environment variable can hold"));
    }
    let plain = |c: char| c.is_alphanumeric() || "%+,-./:=@_".contains(c);
    if text.chars().all(plain) {
        return Ok(text.to_owned());
    }
    let mut escaped = String::with_capacity(text.len() + 2);
    escaped.push('"');
    for c in text.chars() {
        if "\"\\`$".contains(c) {
            escaped.push('\\');
        }
        escaped.push(c);
    }
    escaped.push('"');
    Ok(escaped)
}

fn is_noncharacter(c: char) -> bool {
    let code = u32::from(c);
    (0xfdd0..=0xfdef).contains(&code) || code & 0xfffe == 0xfffe
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_format_has_its_own_way() {
        let text = "a b%$\"'\\#;{{é";
        let escaped = |escape: Escape| escape.escape(text).unwrap();
        assert_eq!(escaped(Escape::Ini), "a b%%$\"'\\#;{{é");
        assert_eq!(escaped(Escape::Zconfig), "a b%$$\"'\\#;{{é");
        for escape in [Escape::Toml, Escape::Json, Escape::Yaml] {
            assert_eq!(escaped(escape), "a b%$\\\"'\\\\#;{{é");
        }
        assert_eq!(escaped(Escape::Shell), "'a b%$\"'\\''\\#;{{é'");
        assert_eq!(escaped(Escape::Systemd), "\"a b%\\$\\\"'\\\\#;{{é\"");
        assert_eq!(escaped(Escape::None), text);
    }

    #[test]
    fn line_breaks_are_carried_or_refused() {
        for escape in [Escape::Ini, Escape::Zconfig] {
            assert!(escape.escape("a\nb").is_err());
            assert!(escape.escape(" a").is_err());
            assert!(escape.escape("a\u{a0}").is_err());
        }
        assert_eq!(Escape::Toml.escape("a\n\x07").unwrap(), "a\\n\\u0007");
        assert_eq!(Escape::Yaml.escape("\u{2028}\u{feff}\u{7f}").unwrap(), "\\u2028\\ufeff\\u007f");
        assert_eq!(Escape::Shell.escape("a\nb").unwrap(), "'a\nb'");
        assert_eq!(Escape::Systemd.escape("a\nb").unwrap(), "\"a\nb\"");
        assert!(Escape::Systemd.escape("a\u{fdd0}b").is_err());
        assert!(Escape::None.escape("a\0").is_err());
    }

    #[test]
    fn plain_words_stay_as_they_are() {
        let all =
            [Escape::Ini, Escape::Toml, Escape::Json, Escape::Yaml, Escape::Shell, Escape::Zconfig, Escape::Systemd];
        for escape in all {
            assert_eq!(escape.escape("127.0.0.1:8000").unwrap(), "127.0.0.1:8000");
        }
        assert_eq!(Escape::Shell.escape("").unwrap(), "''");
        assert_eq!(Escape::Systemd.escape("").unwrap(), "");
    }
}
