//! `debian/PKG.appconfig`: from its stanzas to settings, files, directories,
//! links and accounts, each with its lines.
//!
//! Owns the grammar of the fields and what can be said about one stanza alone.
//! How the stanzas fit together, and with the package, is [`super::check`]'s.

mod path;
mod setting;

pub use path::fitting;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::configuration::manifest::{Directory, Escape, File, Link, User};
use crate::configuration::setting::Setting;
use crate::debian::field::{self, Fields};
use crate::debian::paragraph::{self, Paragraph};
use crate::error::{Diagnostic, Location, nearest};

/// The compatibility level of the format that this version knows.
const FORMAT: u32 = 1;

/// The fields of each stanza, the one that begins it first.
pub const STANZAS: [(&str, &[&str]); 5] = [
    (
        "Setting",
        &["Type", "Default", "Description", "Ask", "Min", "Max", "Choices", "Pattern", "Length", "From", "Scheme"],
    ),
    (
        "File",
        &[
            "Template",
            "Escape",
            "Owner",
            "Group",
            "Mode",
            "Check",
            "Check-User",
            "Check-Privileges",
            "On-Change",
            "Local-Edit",
        ],
    ),
    ("Directory", &["Owner", "Group", "Mode", "Purge"]),
    ("Link", &["Target"]),
    ("User", &["Home"]),
];

/// Names of the types, as [`Kind`] has them.
pub const TYPES: [&str; 11] =
    ["string", "list", "integer", "boolean", "port", "hostport", "path", "url", "enum", "secret", "password-hash"];

/// Fields of a setting that one type has.
const OF_TYPES: [(&str, &str); 7] = [
    ("Min", "type integer"),
    ("Max", "type integer"),
    ("Choices", "type enum"),
    ("Pattern", "type string"),
    ("Length", "type secret"),
    ("From", "type password-hash"),
    ("Scheme", "type password-hash"),
];

/// How values may be written, by the word in the file.
pub const ESCAPES: [(&str, Escape); 8] = [
    ("ini", Escape::Ini),
    ("toml", Escape::Toml),
    ("json", Escape::Json),
    ("yaml", Escape::Yaml),
    ("shell", Escape::Shell),
    ("zconfig", Escape::Zconfig),
    ("systemd", Escape::Systemd),
    ("none", Escape::None),
];

/// Something that a stanza describes, and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placed<T> {
    /// What it describes.
    pub item: T,
    /// Line of the first field, from 1.
    pub line: usize,
    /// Lines of the fields, by their names in [`STANZAS`].
    pub lines: BTreeMap<&'static str, usize>,
}

impl<T> Placed<T> {
    /// The line of a field, else of the stanza.
    pub fn line_of(&self, field: &str) -> usize {
        self.lines.get(field).copied().unwrap_or(self.line)
    }
}

/// A setting and what is said about it at length.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Described {
    /// The setting.
    pub setting: Setting,
    /// The lines of the description after the first; `.` is an empty line.
    pub long: Vec<String>,
}

/// Everything in a file. The order of each list is the packager's.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Description {
    /// The file, from the source directory.
    pub file: PathBuf,
    /// Settings.
    pub settings: Vec<Placed<Described>>,
    /// Files.
    pub files: Vec<Placed<File>>,
    /// Directories.
    pub directories: Vec<Placed<Directory>>,
    /// Links.
    pub links: Vec<Placed<Link>>,
    /// Accounts.
    pub users: Vec<Placed<User>>,
    /// Whether there are settings that could not be made out: a name that is not
    /// known may be one of theirs.
    pub is_partial: bool,
}

impl Description {
    /// A line of the file.
    pub fn at(&self, line: usize) -> Location {
        Location::line(&self.file, line)
    }

    /// The settings, without what is said about them.
    pub fn plain_settings(&self) -> Vec<Setting> {
        self.settings.iter().map(|placed| placed.item.setting.clone()).collect()
    }

    /// The settings that debconf asks.
    pub fn asked(&self) -> impl Iterator<Item = &Described> {
        self.settings.iter().map(|placed| &placed.item).filter(|described| described.setting.ask.is_some())
    }
}

/// Parse the text of `file`. Every fault is in the list; the description holds
/// what could be read.
pub fn parse(text: &str, file: &Path) -> (Description, Vec<Diagnostic>) {
    let (paragraphs, mut faults) = paragraph::parse(text, file);
    let is_partial = !faults.is_empty();
    let mut description = Description { file: file.to_owned(), is_partial, ..Description::default() };
    for (index, paragraph) in paragraphs.iter().enumerate() {
        let Some(first) = paragraph.fields().first() else { continue };
        if first.name.eq_ignore_ascii_case("Format") {
            faults.extend(field::header(paragraph, file, index, FORMAT));
            continue;
        }
        let kind = STANZAS.iter().map(|(name, _)| *name).find(|name| name.eq_ignore_ascii_case(&first.name));
        let mut fields = Fields::new(file, paragraph);
        match kind {
            Some("Setting") => {
                let setting = setting::read(&mut fields);
                description.is_partial |= setting.is_none();
                description.settings.extend(setting.map(|item| placed(paragraph, item)));
            }
            Some("File") => description.files.extend(path::file(&mut fields).map(|item| placed(paragraph, item))),
            Some("Directory") => {
                description.directories.extend(path::directory(&mut fields).map(|item| placed(paragraph, item)));
            }
            Some("Link") => description.links.extend(path::link(&mut fields).map(|item| placed(paragraph, item))),
            Some("User") => description.users.extend(path::user(&mut fields).map(|item| placed(paragraph, item))),
            _ => {
                description.is_partial = true;
                let names = || STANZAS.iter().map(|(name, _)| *name);
                let fault = Diagnostic::error(format!("a stanza cannot begin with field '{}'", first.name));
                faults.push(fault.at(Location::line(file, first.line)).hint(match nearest(&first.name, names()) {
                    Some(near) => format!("did you mean '{near}'?"),
                    None => format!("it begins with one of {}", names().collect::<Vec<_>>().join(", ")),
                }));
                continue;
            }
        }
        let others: &[(&str, &str)] = if kind == Some("Setting") { &OF_TYPES } else { &[] };
        faults.extend(fields.finish(others));
    }
    faults.sort_by(|a, b| a.location.cmp(&b.location));
    (description, faults)
}

fn placed<T>(paragraph: &Paragraph, item: T) -> Placed<T> {
    let known = STANZAS.iter().flat_map(|(first, fields)| std::iter::once(first).chain(*fields));
    let lines = known.filter_map(|name| paragraph.get(name).map(|field| (*name, field.line))).collect();
    Placed { item, line: paragraph.line(), lines }
}
