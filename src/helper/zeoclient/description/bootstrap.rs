//! The stanzas of the administrator and of the upgrade.

use super::{truth, words};
use crate::debian::field::{Fields, Word};

/// Who makes the first administrator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Maker {
    /// A user in Zope's acl_users.
    Zope,
    /// A principal of zope.pluggableauth.
    Grok,
    /// A function of the application, `MODULE:FUNCTION`.
    Custom(String),
}

/// The first administrator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bootstrap {
    /// How it is made.
    pub maker: Maker,
    /// Its name.
    pub user: String,
    /// Line of the stanza, from 1.
    pub line: usize,
}

/// What runs once for each storage and version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upgrade {
    /// Version of the data, as dpkg orders versions.
    pub version: String,
    /// Program and arguments.
    pub command: Vec<String>,
    /// Whether an interrupted one may simply run again.
    pub restartable: bool,
    /// Whether it runs on a storage without any data, too.
    pub on_new: bool,
    /// Line of the stanza, from 1.
    pub line: usize,
}

/// The stanza of an administrator; `None` where it cannot be made out.
pub(super) fn read(fields: &mut Fields) -> Option<Bootstrap> {
    let line = fields.line("Bootstrap");
    let kind = fields.choice("Bootstrap", &[("zope", "zope"), ("grok", "grok"), ("custom", "custom")]);
    let user = fields.word("Admin-User").and_then(|word| user(fields, word)).unwrap_or_else(|| "admin".to_owned());
    let seed = fields.word("Seed").and_then(|word| function(fields, word));
    let maker = match (kind?, seed) {
        ("custom", Some(seed)) => Maker::Custom(seed),
        ("custom", None) => {
            if fields.field("Seed").is_none() {
                fields.fault(line, "the stanza of Bootstrap lacks field Seed", "write 'Seed: MODULE:FUNCTION'");
            }
            return None;
        }
        (kind, seed) => {
            if seed.is_some() {
                let line = fields.line("Seed");
                fields.fault(line, "field Seed does not belong here", "it is for 'Bootstrap: custom'");
            }
            if kind == "zope" { Maker::Zope } else { Maker::Grok }
        }
    };
    Some(Bootstrap { maker, user, line })
}

fn user(fields: &mut Fields, word: Word) -> Option<String> {
    if word.text.contains(':') {
        fields.fault(word.line, "the administrator's name has a colon", "HTTP's authentication ends the name there");
        return None;
    }
    Some(word.text)
}

/// `MODULE:FUNCTION`, as entry points are written.
fn function(fields: &mut Fields, word: Word) -> Option<String> {
    let identifier = |part: &str| {
        !part.starts_with(|c: char| c.is_ascii_digit())
            && !part.is_empty()
            && part.chars().all(|c| c.is_alphanumeric() || c == '_')
    };
    let fits = word
        .text
        .split_once(':')
        .is_some_and(|(module, function)| module.split('.').all(identifier) && identifier(function));
    if !fits {
        fields.fault(word.line, format!("'{}' is no function", word.text), "write MODULE:FUNCTION");
    }
    fits.then_some(word.text)
}

/// The stanza of an upgrade; `None` where it cannot be made out.
pub(super) fn upgrade(fields: &mut Fields) -> Option<Upgrade> {
    let line = fields.line("Upgrade");
    let version = fields.word("Upgrade").and_then(|word| version(fields, word));
    let command = fields.required("Command", "name the program that upgrades the data, and its arguments");
    let restartable = truth(fields, "Restartable").unwrap_or(false);
    let on_new = fields.choice("New-Storage", &[("run", true), ("skip", false)]).unwrap_or(true);
    let command = words(fields, command?);
    Some(Upgrade { version: version?, command, restartable, on_new, line })
}

/// The upstream part of a version (deb-version(7)).
fn version(fields: &mut Fields, word: Word) -> Option<String> {
    let fits = word.text.starts_with(|c: char| c.is_ascii_digit())
        && word.text.chars().all(|c| c.is_ascii_alphanumeric() || ".+~-".contains(c));
    if !fits {
        fields.fault(word.line, format!("'{}' is no version", word.text), "it begins with a digit, for example 1.2");
    }
    fits.then_some(word.text)
}
