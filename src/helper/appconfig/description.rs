//! `debian/PKG.appconfig`: from its stanzas to settings, files, directories,
//! links and accounts, each with its lines.
//!
//! Owns the grammar of the fields and what can be said about one stanza alone.
//! How the stanzas fit together, and with the package, is [`super::check`]'s.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::configuration::manifest::{Directory, Escape, File, Link, LocalEdit, OnChange, Purge, User};
use crate::configuration::setting::{Kind, Priority, Scheme, Setting};
use crate::debian::field::{self, Fields, Word};
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
    ("File", &["Template", "Escape", "Owner", "Group", "Mode", "Check", "Check-User", "On-Change", "Local-Edit"]),
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
    let mut description = Description { file: file.to_owned(), ..Description::default() };
    for (index, paragraph) in paragraphs.iter().enumerate() {
        let Some(first) = paragraph.fields().first() else { continue };
        if first.name.eq_ignore_ascii_case("Format") {
            faults.extend(field::header(paragraph, file, index, FORMAT));
            continue;
        }
        let kind = STANZAS.iter().map(|(name, _)| *name).find(|name| name.eq_ignore_ascii_case(&first.name));
        let mut fields = Fields::new(file, paragraph);
        match kind {
            Some("Setting") => description.settings.extend(setting(&mut fields).map(|item| placed(paragraph, item))),
            Some("File") => description.files.extend(self::file(&mut fields).map(|item| placed(paragraph, item))),
            Some("Directory") => {
                description.directories.extend(directory(&mut fields).map(|item| placed(paragraph, item)));
            }
            Some("Link") => description.links.extend(link(&mut fields).map(|item| placed(paragraph, item))),
            Some("User") => description.users.extend(user(&mut fields).map(|item| placed(paragraph, item))),
            _ => {
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

fn setting(fields: &mut Fields) -> Option<Described> {
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

fn file(fields: &mut Fields) -> Option<File> {
    let path = path(fields, "File");
    let written = fields.word("File").map(|word| word.text).unwrap_or_default();
    let base = written.rsplit('/').next().unwrap_or_default();
    let template = fields.word("Template").map_or_else(|| format!("{base}.hbs"), |word| word.text);
    if template.contains('/') || template.starts_with('.') {
        let hint = "the templates lie in debian/appconfig: give the file's name there";
        fields.fault(fields.line("Template"), format!("Template is a name, not '{template}'"), hint);
    }
    let escape = escape(fields, &written);
    let owner = account(fields, "Owner", "root");
    let group = account(fields, "Group", "root");
    let mode = fields.mode("Mode", "0644", 0o777);
    let check = check(fields);
    let check_user = fields.word("Check-User").map(|word| word.text);
    let on_change = on_change(fields);
    let local_edit = fields.choice("Local-Edit", &[("keep", LocalEdit::Keep), ("merge", LocalEdit::Merge)]);
    Some(File {
        path: path?,
        template,
        escape: escape?,
        owner,
        group,
        mode,
        check,
        check_user,
        on_change,
        local_edit: local_edit.unwrap_or_default(),
    })
}

/// The field, else what the file's name says beyond doubt.
fn escape(fields: &mut Fields, path: &str) -> Option<Escape> {
    if fields.field("Escape").is_some() {
        return fields.choice("Escape", &ESCAPES);
    }
    if let [only] = fitting(path) {
        return Some(*only);
    }
    fields.required("Escape", "say how values are written: ini, toml, json, yaml, shell, zconfig, systemd or none");
    None
}

/// The escapers that fit a file's name; empty where it says nothing.
pub fn fitting(path: &str) -> &'static [Escape] {
    let name = path.rsplit('/').next().unwrap_or_default();
    match name.rsplit_once('.').map(|(_, extension)| extension) {
        Some("ini" | "cfg") => &[Escape::Ini],
        Some("toml") => &[Escape::Toml],
        Some("json") => &[Escape::Json],
        Some("yaml" | "yml") => &[Escape::Yaml],
        Some("sh") => &[Escape::Shell],
        Some("env") => &[Escape::Systemd, Escape::Shell],
        Some("conf") if matches!(name, "zope.conf" | "zeo.conf") => &[Escape::Zconfig],
        _ if path.starts_with("/etc/default/") => &[Escape::Shell, Escape::Systemd],
        _ => &[],
    }
}

fn check(fields: &mut Fields) -> Option<String> {
    let word = fields.word("Check")?;
    let rest = word.text.replace("{{file}}", "");
    if rest == word.text {
        fields.fault(word.line, "Check does not name the file", "write {{file}} where the command takes its path");
    }
    if rest.contains("{{") {
        fields.fault(word.line, "Check knows {{file}} only", "values are in the file that is checked");
    }
    if !word.text.starts_with('/') {
        let hint = "it is run without a PATH of the administrator's: /usr/bin/…";
        fields.fault(word.line, "Check begins with an absolute path", hint);
    }
    Some(word.text)
}

fn on_change(fields: &mut Fields) -> OnChange {
    let Some(word) = fields.word("On-Change") else { return OnChange::None };
    let mut words = word.text.split(|c: char| c.is_whitespace() || c == ',').filter(|word| !word.is_empty());
    let action = words.next().unwrap_or_default();
    let programs: Vec<String> = words.map(str::to_owned).collect();
    match action {
        "restart" => OnChange::Restart(programs),
        "reload" => OnChange::Reload(programs),
        "none" if programs.is_empty() => OnChange::None,
        _ => {
            let hint = "write 'restart', 'reload' or 'none'; names of programs may follow the first two";
            fields.fault(word.line, format!("On-Change cannot be '{}'", word.text), hint);
            OnChange::None
        }
    }
}

fn directory(fields: &mut Fields) -> Option<Directory> {
    let path = path(fields, "Directory");
    let owner = account(fields, "Owner", "root");
    let group = account(fields, "Group", "root");
    let mode = fields.mode("Mode", "0755", 0o7777);
    let purge = fields.choice("Purge", &[("keep", Purge::Keep), ("remove", Purge::Remove)]).unwrap_or_default();
    Some(Directory { path: path?, owner, group, mode, purge })
}

fn link(fields: &mut Fields) -> Option<Link> {
    let path = path(fields, "Link");
    let target = fields.required("Target", "say where the link leads: 'Target: /usr/share/…'");
    Some(Link { path: path?, target: target?.text })
}

fn user(fields: &mut Fields) -> Option<User> {
    let name = fields.word("User");
    if let Some(name) = name.as_ref().filter(|name| !is_account(&name.text)) {
        fields.fault(name.line, format!("'{}' cannot name an account", name.text), ACCOUNT);
    }
    let home = match fields.field("Home") {
        Some(_) => Some(path(fields, "Home")?),
        None => None,
    };
    Some(User { name: name.filter(|name| is_account(&name.text))?.text, home })
}

/// What systemd-sysusers(8) and adduser(8) both accept.
const ACCOUNT: &str = "a name is a lower-case letter or '_', then lower-case letters, digits, '_' and '-', 31 at most";

fn is_account(name: &str) -> bool {
    let first = |c: char| c.is_ascii_lowercase() || c == '_';
    name.len() < 32 && name.starts_with(first) && name.chars().all(|c| first(c) || c.is_ascii_digit() || c == '-')
}

fn account(fields: &mut Fields, field: &'static str, default: &str) -> String {
    let Some(word) = fields.word(field) else { return default.to_owned() };
    if !is_account(&word.text) {
        fields.fault(word.line, format!("{field} '{}' is no account", word.text), ACCOUNT);
    }
    word.text
}

/// An absolute path of the kind that can be owned: no component that leads
/// elsewhere, no character that a shell, tmpfiles.d(5) or a list of lines interprets.
fn path(fields: &mut Fields, field: &'static str) -> Option<String> {
    let word = fields.word(field)?;
    let safe = |c: char| c.is_ascii_alphanumeric() || "._+-@:,~=".contains(c);
    let plain = |part: &str| !matches!(part, "" | "." | "..") && part.chars().all(safe);
    let good = word.text.strip_prefix('/').is_some_and(|rest| rest.split('/').all(plain));
    if !good {
        fields.fault(
            word.line,
            format!("{field} is an absolute path, not '{}'", word.text),
            "letters, digits and ._+-@:,~= between slashes; no '..', and no slash at the end",
        );
    }
    good.then_some(word.text)
}
