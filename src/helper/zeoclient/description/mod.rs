//! `debian/PKG.zeoclient`: from its stanzas to storages, the application, its
//! administrator and its upgrade, each value checked.
//!
//! Owns the grammar. What is generated from a [`Description`] is not decided here.

mod application;
mod bootstrap;
mod storage;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::Path;

pub use self::application::{Application, Framework};
pub use self::bootstrap::{Bootstrap, Maker, Upgrade};
pub use self::storage::{BlobDir, Server, Storage, Tls, size_text};

use crate::debian::field::{self, Fields, Word};
use crate::debian::paragraph;
use crate::error::{Diagnostic, Location, nearest};

/// The compatibility level of the format that this version knows.
const FORMAT: u32 = 1;

/// What a stanza can begin with, and the other fields of each.
pub const FIELDS: [(&str, &[&str]); 4] = [
    (
        "Storage",
        &[
            "Server",
            "Name",
            "Mount",
            "Wait-Timeout",
            "Cache-Size",
            "Persistent-Cache",
            "Blob-Dir",
            "Blob-Cache-Size",
            "TLS",
            "TLS-CA",
            "TLS-Cert",
            "TLS-Key",
            "TLS-Server-Name",
        ],
    ),
    (
        "Application",
        &["Framework", "Instances", "Listen", "Health", "Ini", "Use", "Zcml", "Command", "User", "Backend"],
    ),
    ("Bootstrap", &["Admin-User", "Seed"]),
    ("Upgrade", &["Command", "Restartable", "New-Storage"]),
];

/// What the file says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Description {
    /// Storages, in order; the one mounted at `/` is among them.
    pub storages: Vec<Storage>,
    /// The application.
    pub application: Option<Application>,
    /// Its administrator.
    pub bootstrap: Option<Bootstrap>,
    /// Its upgrade.
    pub upgrade: Option<Upgrade>,
}

/// Parse the text of `file`. Every fault is in the list; the description holds
/// what could be read.
pub fn parse(text: &str, file: &Path) -> (Description, Vec<Diagnostic>) {
    let (paragraphs, mut faults) = paragraph::parse(text, file);
    let mut description = Description::default();
    let mut once = BTreeMap::new();
    for (index, paragraph) in paragraphs.iter().enumerate() {
        let Some(first) = paragraph.fields().first() else { continue };
        if first.name.eq_ignore_ascii_case("Format") {
            faults.extend(field::header(paragraph, file, index, FORMAT));
            continue;
        }
        let kind = stanzas().find(|name| name.eq_ignore_ascii_case(&first.name));
        let mut fields = Fields::new(file, paragraph);
        match kind {
            Some("Storage") => description.storages.extend(storage::read(&mut fields)),
            Some("Application") => description.application = application::read(&mut fields).or(description.application),
            Some("Bootstrap") => description.bootstrap = bootstrap::read(&mut fields).or(description.bootstrap),
            Some("Upgrade") => description.upgrade = bootstrap::upgrade(&mut fields).or(description.upgrade),
            _ => {
                faults.push(no_stanza(&first.name).at(Location::line(file, first.line)));
                continue;
            }
        }
        if let Some(before) = kind.filter(|name| *name != "Storage").and_then(|name| once.insert(name, first.line)) {
            fields.fault(
                first.line,
                format!("a second stanza {}", first.name),
                format!("the first is on line {before}"),
            );
        }
        faults.extend(fields.finish(&[]));
    }
    if !paragraphs.iter().flat_map(paragraph::Paragraph::fields).any(|field| field.name.eq_ignore_ascii_case("Storage"))
    {
        description.storages.push(storage::main());
    }
    faults.extend(together(&mut description, file, once.contains_key("Application")));
    faults.sort_by(|a, b| a.location.cmp(&b.location));
    (description, faults)
}

fn stanzas() -> impl Iterator<Item = &'static str> {
    FIELDS.iter().map(|(first, _)| *first)
}

fn no_stanza(name: &str) -> Diagnostic {
    let fault = Diagnostic::error(format!("a stanza cannot begin with field '{name}'"));
    fault.hint(match nearest(name, stanzas()) {
        Some(near) => format!("did you mean '{near}'?"),
        None => format!("it begins with one of {}", stanzas().collect::<Vec<_>>().join(", ")),
    })
}

fn host_and_port(text: &str) -> Option<(String, u16)> {
    let (host, port) = text.rsplit_once(':')?;
    let bare = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let host = bare.or((!host.contains(':')).then_some(host)).filter(|host| !host.is_empty())?;
    let port = port.parse().ok().filter(|port| *port > 0)?;
    Some((host.to_owned(), port))
}

/// The first field of a stanza, as a name: a lower-case letter, then those, digits and `-`.
fn name(fields: &mut Fields, field: &'static str) -> Option<String> {
    let word = fields.word(field)?;
    let fits = word.text.starts_with(|c: char| c.is_ascii_lowercase())
        && word.text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
    if !fits {
        let message = format!("'{}' is no name", word.text);
        fields.fault(word.line, message, "it has lower-case letters, digits and '-', a letter first");
    }
    fits.then_some(word.text)
}

fn absolute(fields: &mut Fields, field: &'static str) -> Option<String> {
    let word = fields.word(field)?;
    let fits = word.text.starts_with('/') && !word.text.contains(char::is_whitespace);
    if !fits {
        fields.fault(word.line, format!("{field} is not an absolute path: {}", word.text), "begin it with '/'");
    }
    fits.then_some(word.text)
}

/// The words of a command that starts with an absolute path and needs no shell.
fn words(fields: &mut Fields, command: Word) -> Vec<String> {
    let words: Vec<String> = command.text.split_whitespace().map(str::to_owned).collect();
    if !words.first().is_some_and(|program| program.starts_with('/')) {
        fields.fault(command.line, "the command is not an absolute path", "write /usr/lib/PACKAGE/venv/bin/PROGRAM");
    }
    if let Some(odd) = words.iter().find(|word| word.contains(['"', '\'', '\\', '$'])) {
        let message = format!("the command is not read by a shell: {odd}");
        fields.fault(command.line, message, "give the words as they are, or name a script");
    }
    words
}

fn truth(fields: &mut Fields, field: &'static str) -> Option<bool> {
    fields.choice(field, &[("yes", true), ("no", false)])
}

fn within(fields: &mut Fields, field: &'static str, least: u32, most: u32) -> Option<u32> {
    let number = fields.number(field)?;
    let fits = u32::try_from(number).ok().filter(|number| (least..=most).contains(number));
    if fits.is_none() {
        let line = fields.line(field);
        fields.fault(line, format!("{field} cannot be {number}"), format!("it is between {least} and {most}"));
    }
    fits
}

/// What can be said only about all stanzas; mounts that were left out are filled in.
fn together(description: &mut Description, file: &Path, has_application: bool) -> Vec<Diagnostic> {
    let mut faults = Vec::new();
    let mut fault = |line: usize, message: String, hint: &str| {
        faults.push(Diagnostic::error(message).at(Location::line(file, line)).hint(hint));
    };
    if !has_application {
        fault(
            1,
            "there is no stanza Application".to_owned(),
            "write one, such as 'Application: web' and its framework",
        );
    }
    let framework = description.application.as_ref().map(|application| application.framework);
    let mounts = framework.is_none_or(|framework| framework == Framework::Zope);
    let mut labels = BTreeMap::new();
    let mut places = BTreeMap::new();
    for (index, storage) in description.storages.iter_mut().enumerate() {
        let line = storage.line;
        if let Some(before) = labels.insert(storage.label.clone(), line) {
            fault(line, format!("a second storage '{}'", storage.label), &format!("the first is on line {before}"));
        }
        match (storage.mount.is_empty(), index) {
            (true, 0) => storage.mount = "/".to_owned(),
            (true, _) if !mounts => storage.mount = format!("/{}", storage.label),
            (true, _) => {
                let hint = "say where the application has it, for example 'Mount: /archive'";
                fault(line, format!("the storage '{}' lacks field Mount", storage.label), hint);
                continue;
            }
            (false, _) if !mounts && storage.mount != "/" => {
                fault(
                    line,
                    "only Zope mounts storages".to_owned(),
                    "remove Mount: the application finds it by its name",
                );
            }
            (false, _) => {}
        }
        if let Some(before) = places.insert(storage.mount.clone(), line) {
            let message = format!("a second storage at {}", storage.mount);
            fault(line, message, &format!("the first is on line {before}"));
        }
    }
    if !places.contains_key("/") && !places.is_empty() {
        let line = description.storages.first().map_or(1, |storage| storage.line);
        fault(line, "no storage is mounted at /".to_owned(), "give one 'Mount: /': it has the administrator");
    }
    if let (Some(framework), Some(bootstrap)) = (framework, &description.bootstrap) {
        let fits = match bootstrap.maker {
            Maker::Zope => framework == Framework::Zope,
            Maker::Grok => matches!(framework, Framework::Grok | Framework::Paste),
            Maker::Custom(_) => true,
        };
        if !fits {
            let message = "this framework has no such administrator".to_owned();
            fault(bootstrap.line, message, "choose the framework's own, or 'Bootstrap: custom' with a Seed");
        }
    }
    faults
}
