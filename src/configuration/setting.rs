//! A setting: its name, its type, its default, and what is said about it.

use serde::{Deserialize, Serialize};

/// The type of a setting, with what only that type has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Kind {
    /// Any text on one line.
    String {
        /// Regular expression that the whole value must match.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pattern: Option<String>,
    },
    /// Words separated by commas or white space; a template loops over them.
    List,
    /// A whole number.
    Integer {
        /// The smallest allowed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        min: Option<i64>,
        /// The largest allowed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        max: Option<i64>,
    },
    /// yes, no, true, false, on, off, 1 or 0 in any case; rendered as `true` or `false`.
    Boolean,
    /// A TCP or UDP port, 1 to 65535.
    Port,
    /// `HOST:PORT`; an IPv6 address in brackets. Templates also have `name.host` and `name.port`.
    Hostport,
    /// An absolute path without `..`.
    Path,
    /// An absolute URL with a scheme and a host.
    Url,
    /// One of a list of words.
    Enum {
        /// The words, in the order in which they are offered.
        choices: Vec<String>,
    },
    /// A generated secret of the machine's own; reaches only files that not everyone can read.
    Secret {
        /// Length in characters.
        length: usize,
    },
    /// The crypt(5) hash of a secret setting.
    PasswordHash {
        /// Name of the secret setting.
        from: String,
        /// How it is hashed.
        scheme: Scheme,
    },
}

/// How a password is hashed (crypt(5)).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scheme {
    /// `$y$`, Debian's own default.
    Yescrypt,
    /// `$2b$`, which most web frameworks read.
    Bcrypt,
}

/// Priority of a debconf question (debconf-devel(7)).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Priority {
    /// Trivial; the default is right for nearly everyone.
    Low,
    /// A reasonable default exists.
    Medium,
    /// No reasonable default.
    High,
    /// Will break without an answer.
    Critical,
}

/// A setting.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Setting {
    /// Its name: a lower-case letter, then lower-case letters, digits and `_`.
    pub name: String,
    /// Its type.
    #[serde(flatten)]
    pub kind: Kind,
    /// The package's default, as an administrator would write it; always valid. A
    /// setting without one is empty until a layer gives it (a secret: until it is generated).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<String>,
    /// The first line of the description.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// The debconf priority at which it is asked; absent: never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ask: Option<Priority>,
}
