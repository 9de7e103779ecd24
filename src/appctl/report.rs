//! What appctl says about a package, as text and as JSON (schema 1). Pure.

use serde_json::{Map, Value as Json, json};

use super::decide::{Report, State};
use super::journal::{Need, Note};
use super::manager::{Action, Outcome};
use crate::configuration::layer::{Effective, Resolved};
use crate::configuration::setting::Setting;
use crate::configuration::value::Value;

/// The version of the JSON objects.
const SCHEMA: u32 = 1;

/// An object about a package, on a line of its own.
pub fn object(package: &str, parts: impl IntoIterator<Item = (&'static str, Json)>) -> String {
    let mut object = Map::new();
    object.insert("schema".to_owned(), SCHEMA.into());
    object.insert("package".to_owned(), package.into());
    object.extend(parts.into_iter().map(|(name, value)| (name.to_owned(), value)));
    format!("{}\n", Json::Object(object))
}

/// Settings, as JSON; a secret is masked.
pub fn settings<'a>(settings: impl Iterator<Item = (&'a Setting, &'a Resolved)>) -> Json {
    settings.map(|(setting, resolved)| self::setting(setting, resolved)).collect()
}

fn setting(setting: &Setting, resolved: &Resolved) -> Json {
    let kind = serde_json::to_value(setting).ok().and_then(|json| json.get("type").cloned());
    let mut object = json!({
        "name": setting.name,
        "type": kind,
        "value": null,
        "source": resolved.source,
        "location": resolved.location.as_ref().map(ToString::to_string),
    });
    if let Json::Object(object) = &mut object {
        if setting.is_secret() {
            object.insert("masked".to_owned(), true.into());
        } else {
            object.insert("value".to_owned(), value(&resolved.value));
        }
    }
    object
}

fn value(value: &Value) -> Json {
    match value {
        Value::Unset => Json::Null,
        Value::List(items) => items.clone().into(),
        Value::Integer(number) => (*number).into(),
        Value::Boolean(truth) => (*truth).into(),
        Value::Port(port) => (*port).into(),
        Value::Text(_) | Value::Hostport { .. } => value.to_string().into(),
    }
}

/// A setting's value for people; a secret is masked.
pub fn shown(setting: &Setting, resolved: &Resolved) -> String {
    match (&resolved.value, setting.is_secret()) {
        (Value::Unset, true) => String::new(),
        (_, true) => super::mask::MASKED.to_owned(),
        (value, false) => value.to_string(),
    }
}

/// Every setting on a line, in the form of the settings files, with its source.
pub fn listing(settings: &[Setting], effective: &Effective) -> String {
    let rows: Vec<(String, String)> = settings
        .iter()
        .filter_map(|setting| {
            let resolved = effective.get(&setting.name)?;
            let line = format!("{} = {}", setting.name, shown(setting, resolved)).trim_end().to_owned();
            Some((line, source(resolved)))
        })
        .collect();
    // One long value shall not push all the others' sources off the screen.
    let width = rows.iter().map(|(line, _)| line.chars().count()).filter(|width| *width <= 48).max().unwrap_or(0);
    rows.iter().map(|(line, source)| format!("{line:width$}  # {source}\n")).collect()
}

fn source(resolved: &Resolved) -> String {
    match &resolved.location {
        Some(location) => location.to_string(),
        None => serde_json::to_value(resolved.source)
            .ok()
            .and_then(|json| json.as_str().map(str::to_owned))
            .unwrap_or_default(),
    }
}

/// Files and links, as JSON.
pub fn files(reports: &[Report]) -> Json {
    json!(reports)
}

/// Programs, as JSON.
pub fn services(outcomes: &[Outcome]) -> Json {
    json!(outcomes)
}

/// The lines that a person wants to read about an apply.
pub fn lines(reports: &[Report]) -> Vec<String> {
    reports.iter().filter_map(line).collect()
}

fn line(report: &Report) -> Option<String> {
    let word = match report.state {
        State::New => "new",
        State::Changed => "changed",
        State::Removed if report.note.is_none() => "removed",
        State::Unchanged | State::Edited | State::Deleted | State::Removed => {
            return report.note.as_ref().map(|note| format!("{}: {note}", report.path));
        }
    };
    Some(format!("{}: {}", report.path, report.note.as_deref().unwrap_or(word)))
}

/// What was done about a program, where that is worth a line.
pub fn service(outcome: &Outcome) -> Option<String> {
    let what = match outcome.action {
        Action::Restarted => "restarted",
        Action::Reloaded => "reloaded",
        Action::Started => "started",
        Action::Stopped => "stopped",
        Action::Enabled => "enabled",
        Action::Disabled => "disabled",
        Action::NotRunning => "does not run; it is not started",
        Action::Forbidden => "not restarted, as policy-rc.d says",
        Action::UpToDate | Action::NoManager | Action::Failed => return None,
    };
    Some(format!("{}: {what}", outcome.unit))
}

/// The state of a path, as `appctl status` has it.
pub fn state(report: &Report) -> &'static str {
    match report.state {
        State::Unchanged => "unchanged",
        State::New => "missing; 'appctl config apply' makes it",
        State::Changed => "out of date; 'appctl config apply' changes it",
        State::Edited => "edited by you, and kept",
        State::Deleted => "deleted by you, and not made again ('appctl config restore' does it)",
        State::Removed => "no longer the package's; 'appctl config apply' takes it away",
    }
}

/// A program that has not taken over a change yet.
pub fn waiting(program: &str, note: &Note) -> String {
    let what = match note.need {
        Need::Restart => "restart",
        Need::Reload => "reload",
    };
    format!("{program}: waits for a {what}; 'appctl service converge' does it")
}
