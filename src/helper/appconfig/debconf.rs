//! debconf's questions: templates and their translations, and the config script's data.
//!
//! The templates are debconf-devel(7)'s format; `_Description` marks what
//! po-debconf(7) translates. The file for translators is committed in the
//! source, see [`committed`], because debian/po refers to it.

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::description::{Described, Description};
use crate::configuration::setting::{Kind, Priority};
use crate::configuration::value::Value;
use crate::plan::quote;

/// Said by both files that are ours.
const HEAD: &str = "# Made by dh_appconfig --update-po from";

/// Where a package's templates for translators are, from the source directory.
pub fn committed(package: &str) -> PathBuf {
    Path::new("debian/appconfig").join(format!("{package}.templates"))
}

/// The line of debian/po/POTFILES.in, whose paths begin in debian/.
pub fn potfiles_line(package: &str) -> String {
    format!("[type: gettext/rfc822deb] appconfig/{package}.templates")
}

/// The templates, marked for translation; `None` where nothing is asked.
pub fn for_translators(package: &str, description: &Description) -> Option<String> {
    let text = templates(package, description, "_")?;
    Some(format!("{HEAD} {}: change it there.\n\n{text}", description.file.display()))
}

/// The templates in their final form, untranslated; `None` where nothing is asked.
pub fn untranslated(package: &str, description: &Description) -> Option<String> {
    templates(package, description, "")
}

fn templates(package: &str, description: &Description, mark: &str) -> Option<String> {
    let stanzas: Vec<String> = description.asked().map(|described| stanza(package, described, mark)).collect();
    (!stanzas.is_empty()).then(|| stanzas.join("\n"))
}

fn stanza(package: &str, described: &Described, mark: &str) -> String {
    let setting = &described.setting;
    let mut text = format!("Template: {package}/{}\n", setting.name);
    match &setting.kind {
        Kind::Boolean => text.push_str("Type: boolean\n"),
        Kind::Enum { choices } => text.push_str(&format!("Type: select\nChoices: {}\n", choices.join(", "))),
        Kind::Secret { .. } => text.push_str("Type: password\n"),
        _ => text.push_str("Type: string\n"),
    }
    if let Some(default) = start(described) {
        text.push_str(&format!("Default: {default}\n"));
    }
    text.push_str(&format!("{mark}Description: {}\n", prompt(&setting.description, setting.kind == Kind::Boolean)));
    let mut long = described.long.clone();
    if matches!(setting.kind, Kind::Secret { .. }) {
        if !long.is_empty() {
            long.push(".".to_owned());
        }
        long.push("If this is left empty, a secret is generated.".to_owned());
    }
    for line in &long {
        text.push_str(&format!(" {line}\n"));
    }
    text
}

/// The first line as a question or as the label of a field, which debconf shows
/// it as (developer's reference, 6.5.4.2).
fn prompt(description: &str, boolean: bool) -> String {
    match description.chars().last() {
        Some(':' | '?') => description.to_owned(),
        _ if boolean => format!("{description}?"),
        _ => format!("{description}:"),
    }
}

/// The default as debconf has it: canonical, so that a boolean is `true` or `false`.
fn start(described: &Described) -> Option<String> {
    let text = described.setting.default.as_deref()?;
    described.setting.parse(text).ok().as_ref().map(Value::to_string).filter(|text| !text.is_empty())
}

/// A question as the config script and postinst have it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Question {
    /// Name of the setting.
    pub key: String,
    /// Priority.
    pub priority: Priority,
    /// The default, quoted for a shell.
    pub default: String,
    /// Whether it is a secret, which debconf must not keep.
    pub secret: bool,
    /// Whether it is a boolean, whose words are many in settings.d and two in debconf.
    pub boolean: bool,
}

/// The questions, in the order of the file.
pub fn questions(description: &Description) -> Vec<Question> {
    description
        .asked()
        .filter_map(|described| {
            let setting = &described.setting;
            Some(Question {
                key: setting.name.clone(),
                priority: setting.ask?,
                default: quote(&start(described).unwrap_or_default()),
                secret: setting.is_secret(),
                boolean: setting.kind == Kind::Boolean,
            })
        })
        .collect()
}
