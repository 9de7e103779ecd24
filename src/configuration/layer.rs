//! Layers: where a setting's value comes from.
//!
//! Owns the grammar of `/etc/PACKAGE/settings.d/*.conf`, the order of the
//! layers and the text of the one file there that is ours. Reads and writes no
//! file: the texts are handed in.
//!
//! The grammar: UTF-8; a line whose first non-blank character is `#` is a
//! comment; `key = value` is split at the first `=` and trimmed; there are no
//! quotes, sections or continuation lines. A key twice in a file, an unknown
//! key and a bad value are errors.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::setting::{Kind, Setting};
use super::value::Value;
use crate::error::{Diagnostic, Location, nearest};

/// The file in settings.d that `appctl config set` and debconf's answers go to.
pub const OWN: &str = "60-appctl.conf";

/// Whether a file of settings.d counts: `*.conf`, not hidden. They are read in
/// the order of their names' bytes; the last one wins.
pub fn is_layer(name: &str) -> bool {
    name.ends_with(".conf") && !name.starts_with('.')
}

/// Whether a file of settings.d that is no layer looks as if it were meant to be
/// one: neither hidden, nor an explanation, nor put aside (`site.conf.bak`, `site~`).
pub fn is_overlooked(name: &str) -> bool {
    let aside = name.starts_with('.') || name.starts_with("README") || name.ends_with('~') || name.contains(".conf.");
    !is_layer(name) && !aside
}

/// `key = value` on a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Name of the setting, as written.
    pub key: String,
    /// The value's text, trimmed.
    pub text: String,
    /// Line, from 1.
    pub line: usize,
}

/// A file of settings.d.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layer {
    /// Its path, for messages; the last component decides its [`Source`].
    pub file: PathBuf,
    /// Its entries, in order.
    pub entries: Vec<Entry>,
}

impl Layer {
    /// Parse the text of `file`. Every fault of the grammar is in the list;
    /// the entries are those that could be read.
    pub fn parse(text: &str, file: impl Into<PathBuf>) -> (Self, Vec<Diagnostic>) {
        let file = file.into();
        let mut entries: Vec<Entry> = Vec::new();
        let mut faults = Vec::new();
        // Some editors begin UTF-8 with a byte order mark.
        for (index, line) in text.trim_start_matches('\u{feff}').lines().enumerate() {
            let line = line.trim_ascii();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let number = index + 1;
            let fault = |message: String| Diagnostic::error(message).at(Location::line(&file, number));
            let Some((key, value)) = line.split_once('=') else {
                faults.push(
                    fault("a line without '='".to_owned()).hint("write 'key = value'; a comment begins with '#'"),
                );
                continue;
            };
            let key = key.trim_ascii();
            match entries.iter().find(|entry| entry.key == key) {
                Some(first) => faults.push(
                    fault(format!("'{key}' is given twice"))
                        .hint(format!("it is on line {} already: remove one of the two", first.line)),
                ),
                None => {
                    entries.push(Entry { key: key.to_owned(), text: value.trim_ascii().to_owned(), line: number });
                }
            }
        }
        (Self { file, entries }, faults)
    }

    fn source(&self) -> Source {
        if self.file.file_name().is_some_and(|name| name == OWN) { Source::Set } else { Source::SettingsD }
    }
}

/// The layer that a value comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Source {
    /// The package.
    Default,
    /// An administrator's file in settings.d.
    #[serde(rename = "settings.d")]
    SettingsD,
    /// [`OWN`]: `appctl config set`, or an answer in debconf.
    Set,
    /// The machine's own secrets.
    Generated,
}

/// A setting with the value that counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolved {
    /// The value; [`Value::Unset`] where no layer has one.
    pub value: Value,
    /// The layer.
    pub source: Source,
    /// File and line, where it is from a file.
    pub location: Option<Location>,
}

/// Every setting of a package with the value that counts, by name.
pub type Effective = BTreeMap<String, Resolved>;

/// The values of `package` that count: the defaults, then `layers` in the order given, then
/// `secrets` (by name). Every fault is in the list; a setting with a fault in
/// one layer keeps what the layers below it say.
pub fn effective(
    package: &str,
    settings: &[Setting],
    layers: &[Layer],
    secrets: &BTreeMap<String, String>,
) -> (Effective, Vec<Diagnostic>) {
    let mut faults = Vec::new();
    let mut all = Effective::new();
    for setting in settings {
        // A default is checked at build time; a manifest that holds a bad one is no input of people's.
        let default = setting.default.as_deref().and_then(|text| setting.parse(text).ok());
        let value = default.unwrap_or_else(|| unset(setting));
        all.insert(setting.name.clone(), Resolved { value, source: Source::Default, location: None });
    }
    for layer in layers {
        for entry in &layer.entries {
            let location = Location::line(&layer.file, entry.line);
            match value(package, settings, entry) {
                Ok(value) => {
                    let resolved = Resolved { value, source: layer.source(), location: Some(location) };
                    all.insert(entry.key.clone(), resolved);
                }
                Err(fault) => faults.push(fault.at(location)),
            }
        }
    }
    for setting in settings.iter().filter(|setting| setting.is_secret()) {
        if let Some(secret) = secrets.get(&setting.name) {
            let value = Value::Text(secret.clone());
            all.insert(setting.name.clone(), Resolved { value, source: Source::Generated, location: None });
        }
    }
    (all, faults)
}

fn unset(setting: &Setting) -> Value {
    if setting.kind == Kind::List { Value::List(Vec::new()) } else { Value::Unset }
}

/// The value of an entry, or the fault, still without its place.
fn value(package: &str, settings: &[Setting], entry: &Entry) -> Result<Value, Diagnostic> {
    let setting = find(settings, &entry.key)?;
    match &setting.kind {
        Kind::Secret { .. } => Err(Diagnostic::error(format!("'{}' is a secret and does not belong here", entry.key))
            .hint(format!("remove the line; store it with 'appctl config set {package} {} --stdin'", entry.key))),
        Kind::PasswordHash { from, .. } => Err(Diagnostic::error(format!("'{}' is computed from '{from}'", entry.key))
            .hint(format!("remove the line, and set '{from}'"))),
        _ => setting.parse(&entry.text).map_err(|reason| {
            Diagnostic::error(format!("bad value of '{}': {reason}", entry.key)).hint("correct the line, or remove it")
        }),
    }
}

/// The setting called `key`, or a fault that names the nearest.
pub fn find<'a>(settings: &'a [Setting], key: &str) -> Result<&'a Setting, Diagnostic> {
    settings.iter().find(|setting| setting.name == key).ok_or_else(|| {
        let names = || settings.iter().map(|setting| setting.name.as_str());
        let hint = match nearest(key, names()) {
            Some(near) => format!("did you mean '{near}'?"),
            None if settings.is_empty() => "the package has no settings".to_owned(),
            None => format!("there are: {}", names().collect::<Vec<_>>().join(", ")),
        };
        Diagnostic::error(format!("unknown setting '{key}'")).hint(hint)
    })
}

/// The text of [`OWN`] with these values (canonical text by name). [`Layer::parse`] reads it back.
pub fn own_text(package: &str, values: &BTreeMap<String, String>) -> String {
    let mut text = format!(
        "# Settings of {package}: from \"appctl config set\" and from debconf's answers,\n\
         # which rewrite this file. Write settings of your own into another file here,\n\
         # such as 70-local.conf: the last one in the order of the names wins.\n"
    );
    for (key, value) in values {
        text.push_str(format!("{key} = {value}").trim_ascii_end());
        text.push('\n');
    }
    text
}

/// The path of [`OWN`] for a package, from the root directory.
pub fn own_path(package: &str) -> PathBuf {
    directory(package).join(OWN)
}

/// A package's settings.d, from the root directory.
pub fn directory(package: &str) -> PathBuf {
    Path::new("/etc").join(package).join("settings.d")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings() -> Vec<Setting> {
        let text = r#"[
            {"name": "listen", "type": "hostport", "default": "127.0.0.1:8000"},
            {"name": "workers", "type": "integer", "min": 1, "max": 8},
            {"name": "hosts", "type": "list"},
            {"name": "key", "type": "secret", "length": 48},
            {"name": "hash", "type": "password-hash", "from": "key", "scheme": "yescrypt"}
        ]"#;
        serde_json::from_str(text).unwrap()
    }

    fn layer(name: &str, text: &str) -> Layer {
        let (layer, faults) = Layer::parse(text, Path::new("/etc/notes/settings.d").join(name));
        assert_eq!(faults, []);
        layer
    }

    fn messages(faults: &[Diagnostic]) -> Vec<String> {
        faults.iter().map(|fault| format!("{fault} ({})", fault.hint.as_deref().unwrap_or_default())).collect()
    }

    #[test]
    fn files_put_aside_are_not_missed() {
        let overlooked = |name: &&str| is_overlooked(name);
        let names = ["70-site", "site.ini", "70-site.conf", ".70-site.swp", "README", "site~", "site.conf.dpkg-old"];
        assert_eq!(names.iter().copied().filter(overlooked).collect::<Vec<_>>(), ["70-site", "site.ini"]);
    }

    #[test]
    fn the_last_layer_wins() {
        let layers =
            [layer("10-site.conf", "  # site\n\nlisten=0.0.0.0:1\nworkers = 2\n"), layer(OWN, "listen = [::]:9000 \n")];
        let secrets = BTreeMap::from([("key".to_owned(), "s".to_owned())]);
        let (all, faults) = effective("notes", &settings(), &layers, &secrets);
        assert_eq!(faults, []);
        let shown: Vec<String> = all
            .iter()
            .map(|(name, found)| {
                let line = found.location.as_ref().and_then(|place| place.line).unwrap_or_default();
                format!("{name}={} {:?} {line}", found.value, found.source)
            })
            .collect();
        assert_eq!(
            shown,
            [
                "hash= Default 0",
                "hosts= Default 0",
                "key=s Generated 0",
                "listen=[::]:9000 Set 1",
                "workers=2 SettingsD 4"
            ]
        );
        assert_eq!(all["hosts"].value, Value::List(Vec::new()));
        assert_eq!(all["hash"].value, Value::Unset);
    }

    #[test]
    fn faults_of_the_grammar_name_the_line() {
        let (layer, faults) = Layer::parse("a=1\n[x]\na = 2 = 3\nb = # no comment\n", "settings.d/a.conf");
        assert_eq!(
            messages(&faults),
            [
                "settings.d/a.conf:2: a line without '=' (write 'key = value'; a comment begins with '#')",
                "settings.d/a.conf:3: 'a' is given twice (it is on line 1 already: remove one of the two)",
            ]
        );
        assert_eq!(layer.entries[1].text, "# no comment");
    }

    #[test]
    fn faults_of_the_values_name_file_line_and_cure() {
        let layers = [layer("a.conf", "workers = 9\nlistn = x\nkey = hunter2\nhash = x\nlisten = 0.0.0.0:1")];
        let (all, faults) = effective("notes", &settings(), &layers, &BTreeMap::new());
        let file = "/etc/notes/settings.d/a.conf";
        assert_eq!(
            messages(&faults),
            [
                format!(
                    "{file}:1: bad value of 'workers': a whole number from 1 to 8 is expected (correct the line, or remove it)"
                ),
                format!("{file}:2: unknown setting 'listn' (did you mean 'listen'?)"),
                format!(
                    "{file}:3: 'key' is a secret and does not belong here (remove the line; store it with 'appctl config set notes key --stdin')"
                ),
                format!("{file}:4: 'hash' is computed from 'key' (remove the line, and set 'key')"),
            ]
        );
        assert_eq!(all["listen"].source, Source::SettingsD);
    }

    #[test]
    fn our_own_file_is_read_back() {
        let values = BTreeMap::from([
            ("listen".to_owned(), "0.0.0.0:9000".to_owned()),
            ("empty".to_owned(), String::new()),
            ("odd".to_owned(), "a = # b".to_owned()),
        ]);
        let text = own_text("notes", &values);
        assert!(text.contains("\nempty =\nlisten = 0.0.0.0:9000\nodd = a = # b\n"), "{text}");
        let (layer, faults) = Layer::parse(&text, own_path("notes"));
        assert_eq!(faults, []);
        assert_eq!(layer.source(), Source::Set);
        assert_eq!(layer.entries.into_iter().map(|entry| (entry.key, entry.text)).collect::<BTreeMap<_, _>>(), values);
    }

    proptest::proptest! {
        /// Whatever a type accepts comes back from our own file as the same value.
        #[test]
        fn accepted_values_survive_our_own_file(text in "(?s)[ -~]{0,30}|.{0,30}", list: bool) {
            let kind = if list { Kind::List } else { Kind::String { pattern: None } };
            let setting = Setting { name: "x".to_owned(), kind, default: None, description: String::new(), ask: None };
            if let Ok(value) = setting.parse(&text) {
                let written = own_text("notes", &BTreeMap::from([("x".to_owned(), value.to_string())]));
                let (layer, faults) = Layer::parse(&written, own_path("notes"));
                proptest::prop_assert_eq!(faults, []);
                proptest::prop_assert_eq!(setting.parse(&layer.entries[0].text), Ok(value));
            }
        }
    }

    #[test]
    fn only_visible_conf_files_count() {
        assert!(is_layer("60-appctl.conf"));
        assert!(!is_layer(".60-appctl.conf") && !is_layer("README") && !is_layer("a.conf.dpkg-new"));
    }
}
