//! The templates rendered at build time: with the defaults, with every fixture,
//! and with a quotation mark in each text, so that a mistake fails the build and
//! not a server.

use std::collections::BTreeMap;

use super::description::{Description, Placed};
use crate::configuration::layer::{self, Layer};
use crate::configuration::manifest::{Escape, File};
use crate::configuration::setting::{Kind, Scheme, Setting};
use crate::configuration::template::{Data, Template};
use crate::configuration::value::Value;
use crate::error::{Diagnostic, Location};

/// Values by the settings' names.
type Values = BTreeMap<String, Value>;

/// Render everything of `package`. `templates`: by the index of their file; `fixtures`: the
/// layers of debian/appconfig/fixtures. Every fault is in the list.
pub fn trial(
    package: &str,
    description: &Description,
    templates: &BTreeMap<usize, Template>,
    fixtures: &[Layer],
) -> Vec<Diagnostic> {
    let settings = description.plain_settings();
    let secrets = sample_secrets(&settings);
    let values = |layers: &[Layer]| -> (Values, Vec<Diagnostic>) {
        let (effective, faults) = layer::effective(package, &settings, layers, &secrets);
        (effective.into_iter().map(|(name, resolved)| (name, resolved.value)).collect(), faults)
    };
    let (defaults, mut faults) = values(&[]);
    let mut sound = BTreeMap::new();
    for (index, template) in templates {
        let Some(file) = description.files.get(*index) else { continue };
        match rendered(description, file, template, &defaults, "with the defaults") {
            Ok(()) => drop(sound.insert(*index, template)),
            Err(found) => faults.extend(found),
        }
    }
    for fixture in fixtures {
        let (values, found) = values(std::slice::from_ref(fixture));
        faults.extend(found);
        let with = format!("with {}", fixture.file.display());
        for (index, template) in &sound {
            faults.extend(
                rendered(description, &description.files[*index], template, &values, &with).err().into_iter().flatten(),
            );
        }
    }
    for (index, template) in &sound {
        faults.extend(quotes(&settings, &description.files[*index], template, &defaults));
    }
    faults
}

/// What stands for the machine's own secrets.
fn sample_secrets(settings: &[Setting]) -> BTreeMap<String, String> {
    let sample = |setting: &Setting| match setting.kind {
        Kind::Secret { length } => Some("s".repeat(length)),
        Kind::PasswordHash { scheme: Scheme::Yescrypt, .. } => Some(format!("$y$j9T$.{}", "h".repeat(64))),
        Kind::PasswordHash { scheme: Scheme::Bcrypt, .. } => Some(format!("$2b$12$.{}", "h".repeat(52))),
        _ => None,
    };
    settings.iter().filter_map(|setting| Some((setting.name.clone(), sample(setting)?))).collect()
}

fn rendered(
    description: &Description,
    file: &Placed<File>,
    template: &Template,
    values: &Values,
    with: &str,
) -> Result<(), Vec<Diagnostic>> {
    let text = template.render(&data(values)).map_err(|mut faults| {
        for fault in &mut faults {
            fault.message = format!("{} ({with})", fault.message);
        }
        faults
    })?;
    let Some((format, line, reason)) = parse(file.item.escape, &text) else { return Ok(()) };
    let shown = text.lines().nth(line.saturating_sub(1)).unwrap_or_default().trim();
    let fault = Diagnostic::error(format!("rendered {with}, it is no {format}: {reason}, in '{shown}'"))
        .at(Location::file(template.file()));
    let unset = template.uses().iter().find(|used| values.get(&used.name) == Some(&Value::Unset));
    Err(vec![match unset {
        Some(used) if !shown.is_empty() => {
            let stanza = description.settings.iter().find(|placed| placed.item.setting.name == used.name);
            let line = stanza.map_or(1, |placed| placed.line);
            fault.hint(format!("'{}' is empty ({}): give it a Default?", used.name, description.at(line)))
        }
        _ => fault.hint("correct the template; text stands between double quotes: \"{{name}}\""),
    }])
}

fn data(values: &Values) -> Data {
    Data::new(values.iter().map(|(name, value)| (name.as_str(), value)))
}

/// What a parser of the format says against a text: the format, the line, the reason.
fn parse(escape: Escape, text: &str) -> Option<(&'static str, usize, String)> {
    match escape {
        Escape::Toml => {
            let error = text.parse::<toml::Table>().err()?;
            let before = error.span().map_or(0, |span| span.start.min(text.len()));
            let line = text.as_bytes()[..before].iter().filter(|byte| **byte == b'\n').count() + 1;
            Some(("TOML", line, error.message().replace('\n', " ")))
        }
        Escape::Json => {
            let error = serde_json::from_str::<serde_json::Value>(text).err()?;
            Some(("JSON", error.line(), error.to_string()))
        }
        _ => None,
    }
}

/// TOML and JSON once more for each setting that may hold any text, with a
/// quotation mark in it: where the template has no quotes around the name, the
/// default alone may hide that.
fn quotes(settings: &[Setting], file: &Placed<File>, template: &Template, defaults: &Values) -> Vec<Diagnostic> {
    let mut faults: Vec<Diagnostic> = Vec::new();
    for setting in settings {
        let probe = match setting.kind {
            Kind::String { pattern: None } | Kind::Path | Kind::Secret { .. } => Value::Text("/a\"b".to_owned()),
            Kind::List => Value::List(vec!["a\"b".to_owned(), "c".to_owned()]),
            _ => continue,
        };
        let Some(used) = template.uses().iter().find(|used| used.name == setting.name) else { continue };
        let mut values = defaults.clone();
        values.insert(setting.name.clone(), probe);
        let Ok(text) = template.render(&data(&values)) else { continue };
        if let Some((format, ..)) = parse(file.item.escape, &text) {
            faults.push(
                Diagnostic::error(format!("a quotation mark in '{}' would make it no {format}", setting.name))
                    .at(Location::line(template.file(), used.line))
                    .hint("put the name between double quotes, where the escaper expects it"),
            );
        }
    }
    faults
}
