//! The stanzas of what stands at a path: files, directories, links; and of accounts.

use super::ESCAPES;
use crate::configuration::manifest::{Directory, Escape, File, Link, LocalEdit, OnChange, Purge, User};
use crate::debian::field::Fields;

/// The stanza of a file; `None` where it cannot be made out.
pub fn file(fields: &mut Fields) -> Option<File> {
    let path = path(fields, "File");
    let written = fields.field("File").map(|field| field.value()).unwrap_or_default();
    let base = written.rsplit('/').next().unwrap_or_default();
    let template = fields.word("Template").map_or_else(|| format!("{base}.hbs"), |word| word.text);
    if fields.field("Template").is_some() && (template.contains('/') || template.starts_with('.')) {
        let hint = "the templates lie in debian/appconfig: give the file's name there";
        fields.fault(fields.line("Template"), format!("Template is a name, not '{template}'"), hint);
    }
    let escape = escape(fields, &written);
    let owner = account(fields, "Owner", "root");
    let group = account(fields, "Group", "root");
    let mode = fields.mode("Mode", "0644", 0o777);
    let check = check(fields);
    let check_user = fields.word("Check-User").map(|word| word.text);
    let check_privileges = fields.choice("Check-Privileges", &[("yes", true), ("no", false)]).unwrap_or_default();
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
        check_privileges,
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

/// The stanza of a directory; `None` where it cannot be made out.
pub fn directory(fields: &mut Fields) -> Option<Directory> {
    let path = path(fields, "Directory");
    let owner = account(fields, "Owner", "root");
    let group = account(fields, "Group", "root");
    let mode = fields.mode("Mode", "0755", 0o7777);
    let purge = fields.choice("Purge", &[("keep", Purge::Keep), ("remove", Purge::Remove)]).unwrap_or_default();
    Some(Directory { path: path?, owner, group, mode, purge })
}

/// The stanza of a link; `None` where it cannot be made out.
pub fn link(fields: &mut Fields) -> Option<Link> {
    let path = path(fields, "Link");
    let target = fields.required("Target", "say where the link leads: 'Target: /usr/share/…'");
    Some(Link { path: path?, target: target?.text })
}

/// The stanza of an account; `None` where it cannot be made out.
pub fn user(fields: &mut Fields) -> Option<User> {
    let name = fields.word("User");
    if let Some(name) = name.as_ref().filter(|name| !is_account(&name.text)) {
        fields.fault(name.line, format!("'{}' cannot name an account", name.text), ACCOUNT);
    }
    if let Some(name) = name.as_ref().filter(|name| name.text == "root") {
        let cure = "name an account of the application's own; Owner and Group may say root without a stanza";
        fields.fault(name.line, "'root' is no service's account".to_owned(), cure);
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
