//! The stanza of a setting.

use super::{Described, OF_TYPES, TYPES};
use crate::configuration::setting::{Kind, Priority, Scheme, Setting};
use crate::debian::field::{Fields, Word};
use crate::error::nearest;

/// The setting of a stanza; `None` where it cannot be made out.
pub fn read(fields: &mut Fields) -> Option<Described> {
    let name = fields.word("Setting");
    if let Some(name) = name.as_ref().filter(|name| !Setting::is_name(&name.text)) {
        fields.fault(
            name.line,
            format!("'{}' cannot name a setting", name.text),
            "a name is a lower-case letter, then lower-case letters, digits and '_'; this, else, as, true, false and null are taken",
        );
    }
    let (short, long) = said(fields);
    let priorities = [
        ("low", Priority::Low),
        ("medium", Priority::Medium),
        ("high", Priority::High),
        ("critical", Priority::Critical),
    ];
    let ask = fields.choice("Ask", &priorities);
    let default = fields.text("Default");
    let kind = kind(fields)?;
    let name = name.filter(|name| Setting::is_name(&name.text))?.text;
    let setting =
        Setting { name, kind, default: default.as_ref().map(|word| word.text.clone()), description: short, ask };
    alone(fields, &setting, default.as_ref());
    Some(Described { setting, long })
}

/// What can be wrong with a setting on its own.
fn alone(fields: &mut Fields, setting: &Setting, default: Option<&Word>) {
    match (default, &setting.kind) {
        (Some(word), Kind::Secret { .. } | Kind::PasswordHash { .. }) => fields.fault(
            word.line,
            "a secret has no default",
            "remove the line: a secret in the package would be the same on all machines; each makes its own",
        ),
        (Some(word), _) => {
            if let Err(reason) = setting.parse(&word.text) {
                fields.fault(
                    word.line,
                    format!("the default does not fit the type: {reason}"),
                    "correct one of the two",
                );
            }
        }
        (None, _) => {}
    }
    if setting.ask.is_some() && matches!(setting.kind, Kind::PasswordHash { .. }) {
        fields.fault(fields.line("Ask"), "a hash cannot be asked", "ask for the secret that it is made from");
    }
    if setting.ask.is_some() && setting.description.is_empty() {
        fields.fault(fields.line("Ask"), "a question needs a Description", "add the field: debconf shows it");
    }
}

fn said(fields: &mut Fields) -> (String, Vec<String>) {
    let Some(field) = fields.field("Description") else { return Default::default() };
    let mut lines = field.lines.iter().peekable();
    let short = match lines.next_if(|line| line.number == field.line) {
        Some(first) => first.text.clone(),
        None => {
            fields.fault(field.line, "the description has no first line", "say on the line of the field what it is");
            String::new()
        }
    };
    (short, lines.map(|line| line.text.clone()).collect())
}

fn kind(fields: &mut Fields) -> Option<Kind> {
    let hint = format!("the types are {}", TYPES.join(", "));
    let word = fields.required("Type", &hint)?;
    Some(match word.text.as_str() {
        "string" => Kind::String { pattern: pattern(fields) },
        "list" => Kind::List,
        "integer" => {
            let (min, max) = (fields.number("Min"), fields.number("Max"));
            if min.zip(max).is_some_and(|(min, max)| min > max) {
                fields.fault(fields.line("Max"), "Max is less than Min", "exchange them");
            }
            Kind::Integer { min, max }
        }
        "boolean" => Kind::Boolean,
        "port" => Kind::Port,
        "hostport" => Kind::Hostport,
        "path" => Kind::Path,
        "url" => Kind::Url,
        "enum" => Kind::Enum { choices: choices(fields) },
        "secret" => Kind::Secret { length: length(fields) },
        "password-hash" => {
            let from = fields.required("From", "name the secret that is hashed: 'From: admin_password'");
            let schemes = [("yescrypt", Scheme::Yescrypt), ("bcrypt", Scheme::Bcrypt)];
            let scheme = fields.choice("Scheme", &schemes).unwrap_or(Scheme::Yescrypt);
            Kind::PasswordHash { from: from?.text, scheme }
        }
        other => {
            let hint = nearest(other, TYPES).map_or(hint, |near| format!("did you mean '{near}'?"));
            fields.fault(word.line, format!("unknown type '{other}'"), hint);
            // Whatever stands beside it may belong to the type that was meant.
            for (name, _) in OF_TYPES {
                let _ = fields.field(name);
            }
            return None;
        }
    })
}

fn pattern(fields: &mut Fields) -> Option<String> {
    let word = fields.word("Pattern")?;
    if let Err(error) = regex_lite::Regex::new(&word.text) {
        fields.fault(
            word.line,
            format!("Pattern is no regular expression: {error}"),
            "the syntax is that of the Rust crate regex-lite; the whole value must match",
        );
        return None;
    }
    Some(word.text)
}

fn choices(fields: &mut Fields) -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    if fields.required("Choices", "list the words: 'Choices: debug info warning'").is_none() {
        return all;
    }
    let Some(field) = fields.field("Choices") else { return all };
    for (line, words) in field.words() {
        for word in words.split(',').filter(|word| !word.is_empty()) {
            if all.iter().any(|known| known == word) {
                fields.fault(line, format!("Choices lists '{word}' twice"), "remove one of the two");
            } else {
                all.push(word.to_owned());
            }
        }
    }
    all
}

fn length(fields: &mut Fields) -> usize {
    const DEFAULT: usize = 48;
    let Some(length) = fields.number("Length") else { return DEFAULT };
    match usize::try_from(length) {
        Ok(length) if (16..=1024).contains(&length) => length,
        _ => {
            let message = format!("a secret has 16 to 1024 characters, not {length}");
            fields.fault(fields.line("Length"), message, format!("remove the line: {DEFAULT} is the default"));
            DEFAULT
        }
    }
}
