//! Whether the stanzas fit together, and with what the package ships.

use std::collections::BTreeMap;

use super::description::{Description, Placed, fitting};
use crate::configuration::layer;
use crate::configuration::manifest::{Escape, File};
use crate::configuration::setting::Kind;
use crate::configuration::template::{Template, Use};
use crate::error::{Diagnostic, Location, Severity, nearest};

/// What stands at a path of the package's build tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shipped {
    /// A directory.
    Directory,
    /// A regular file that dpkg treats as a conffile.
    Conffile,
    /// Any other file, or a link.
    File,
}

/// Where nothing is rendered: dpkg's own, the kernel's, and our state.
const FOREIGN: [&str; 12] = [
    "/usr/",
    "/bin/",
    "/sbin/",
    "/lib/",
    "/lib64/",
    "/boot/",
    "/proc/",
    "/sys/",
    "/dev/",
    "/tmp/",
    "/var/tmp/",
    "/var/lib/appctl/",
];

/// Every fault between stanzas, and with the package's tree (`shipped`, by
/// absolute path).
pub fn stanzas(package: &str, description: &Description, shipped: &BTreeMap<String, Shipped>) -> Vec<Diagnostic> {
    let mut check = Check { description, faults: Vec::new() };
    check.names();
    check.hashes();
    check.paths(package, shipped);
    check.accounts();
    for file in &description.files {
        check.name(file);
    }
    check.faults
}

/// Every fault between the settings and the templates that use them. `templates`:
/// those that could be parsed, by the index of their file.
pub fn uses(description: &Description, templates: &BTreeMap<usize, Template>) -> Vec<Diagnostic> {
    let mut check = Check { description, faults: Vec::new() };
    for (index, template) in templates {
        for used in template.uses() {
            check.used(template, used);
        }
        if let Some(file) = description.files.get(*index) {
            check.secrets(file, template);
        }
    }
    check.faults
}

/// What a packager has probably forgotten: a setting that nothing uses, and, where
/// the package has services, a file whose change none of them follows. It says
/// something only where all the rest is sound.
pub fn forgotten(
    package: &str,
    has_services: bool,
    description: &Description,
    templates: &BTreeMap<usize, Template>,
) -> Vec<Diagnostic> {
    let mut check = Check { description, faults: Vec::new() };
    check.unused(templates);
    if has_services {
        check.without_a_follow_up(package);
    }
    check.faults
}

struct Check<'a> {
    description: &'a Description,
    faults: Vec<Diagnostic>,
}

impl Check<'_> {
    fn error(&mut self, line: usize, message: String, hint: impl Into<String>) {
        self.faults.push(Diagnostic::error(message).at(self.description.at(line)).hint(hint));
    }

    fn warning(&mut self, line: usize, message: String, hint: impl Into<String>) {
        self.faults.push(Diagnostic::warning(message).at(self.description.at(line)).hint(hint));
    }

    fn names(&mut self) {
        let description = self.description;
        let settings = description.settings.iter().map(|s| (format!("setting '{}'", s.item.setting.name), s.line));
        let users = description.users.iter().map(|u| (format!("user '{}'", u.item.name), u.line));
        let mut seen = BTreeMap::new();
        for (what, line) in settings.chain(users) {
            if let Some(first) = seen.get(&what) {
                self.error(
                    line,
                    format!("{what} appears twice"),
                    format!("it is on line {first} already: merge the two"),
                );
            } else {
                seen.insert(what, line);
            }
        }
    }

    fn hashes(&mut self) {
        let description = self.description;
        for placed in &description.settings {
            let Kind::PasswordHash { from, .. } = &placed.item.setting.kind else { continue };
            let line = placed.line_of("From");
            match description.settings.iter().find(|other| other.item.setting.name == *from) {
                Some(other) if matches!(other.item.setting.kind, Kind::Secret { .. }) => {}
                Some(_) => {
                    self.error(line, format!("'{from}' is no secret"), "a hash is made from a setting of type secret")
                }
                None => {
                    let secrets = description.settings.iter().map(|other| other.item.setting.name.as_str());
                    let hint = nearest(from, secrets).map_or_else(
                        || "add a stanza with 'Type: secret'".to_owned(),
                        |near| format!("did you mean '{near}'?"),
                    );
                    self.error(line, format!("unknown setting '{from}'"), hint);
                }
            }
        }
    }

    fn paths(&mut self, package: &str, shipped: &BTreeMap<String, Shipped>) {
        let description = self.description;
        let files = description.files.iter().map(|f| (&f.item.path, f.line_of("File"), false));
        let directories = description.directories.iter().map(|d| (&d.item.path, d.line_of("Directory"), true));
        let links = description.links.iter().map(|l| (&l.item.path, l.line_of("Link"), false));
        let mut all: Vec<_> = files.chain(directories).chain(links).collect();
        all.sort_by_key(|(_, line, _)| *line);
        let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
        for (path, line, is_directory) in all {
            if let Some(first) = seen.get(path.as_str()) {
                let hint = format!("it is on line {first} already: one path, one stanza");
                self.error(line, format!("{path} appears twice"), hint);
                continue;
            }
            seen.insert(path, line);
            self.place(package, path, line);
            self.shipped(
                path,
                line,
                shipped.get(path).copied().filter(|it| !(is_directory && *it == Shipped::Directory)),
            );
        }
    }

    /// A path where nothing of ours may stand.
    fn place(&mut self, package: &str, path: &str, line: usize) {
        let settings = layer::directory(package).to_string_lossy().into_owned();
        let below = |directory: &str| format!("{path}/").starts_with(directory);
        let is_in_root = path.trim_start_matches('/').split('/').count() == 1;
        if is_in_root || FOREIGN.iter().any(|directory| below(directory)) {
            let hint = format!("choose a path below /etc/{package} or /var/lib/{package}");
            self.error(line, format!("{path} is no place for configuration"), hint);
        } else if below(&format!("{settings}/")) {
            let hint = format!("choose another path below /etc/{package}");
            self.error(line, format!("{settings} belongs to the administrator's settings"), hint);
        }
    }

    /// A path at which the package itself has something.
    fn shipped(&mut self, path: &str, line: usize, what: Option<Shipped>) {
        let (what, hint) = match what {
            None => return,
            Some(Shipped::Conffile) => (
                "a conffile of the package, too",
                "dpkg would ask about every change: do not install it, or remove this stanza",
            ),
            Some(Shipped::File) => {
                ("a file of the package, too", "dpkg would overwrite it: do not install it, or remove this stanza")
            }
            Some(Shipped::Directory) => ("a directory of the package, too", "choose another path"),
        };
        self.error(line, format!("{path} is {what}"), hint);
    }

    /// Whether the file's name says another format than its escaper.
    fn name(&mut self, placed: &Placed<File>) {
        let file = &placed.item;
        let fits = fitting(&file.path);
        if !fits.is_empty() && !fits.contains(&file.escape) && file.escape != Escape::None {
            let (word, wanted) = (word(file.escape), word(fits[0]));
            self.warning(
                placed.line_of("Escape"),
                format!("{} is written with Escape {word}", file.path),
                format!("its name asks for 'Escape: {wanted}'"),
            );
        }
    }

    /// Names that are nearly those of the package's own accounts.
    fn accounts(&mut self) {
        let description = self.description;
        let of_files = description.files.iter().flat_map(|placed| {
            let file = &placed.item;
            let all =
                [("Owner", Some(&file.owner)), ("Group", Some(&file.group)), ("Check-User", file.check_user.as_ref())];
            all.map(|(field, name)| (placed.line_of(field), field, name))
        });
        let of_directories = description.directories.iter().flat_map(|placed| {
            let all = [("Owner", &placed.item.owner), ("Group", &placed.item.group)];
            all.map(|(field, name)| (placed.line_of(field), field, Some(name)))
        });
        for (line, field, name) in of_files.chain(of_directories).collect::<Vec<_>>() {
            let Some(name) = name else { continue };
            let users = description.users.iter().map(|user| user.item.name.as_str());
            let known = name == "root" || users.clone().any(|user| user == name);
            if let Some(near) = nearest(name, users).filter(|_| !known) {
                self.warning(
                    line,
                    format!("{field} '{name}' is no account of the package"),
                    format!("did you mean '{near}'?"),
                );
            }
        }
    }

    fn used(&mut self, template: &Template, used: &Use) {
        let at = Location::line(template.file(), used.line);
        let settings = self.description.plain_settings();
        match layer::find(&settings, &used.name) {
            Err(_) if self.description.is_partial => {}
            Err(fault) => self.faults.push(fault.at(at)),
            Ok(setting) => {
                if let Some(part) = used.part.as_ref().filter(|_| setting.kind != Kind::Hostport) {
                    let message = format!("'{}' has no part '{part}'", used.name);
                    self.faults.push(Diagnostic::error(message).at(at).hint("only a hostport has 'host' and 'port'"));
                }
            }
        }
    }

    /// A secret reaches only files that not everyone can read.
    fn secrets(&mut self, placed: &Placed<File>, template: &Template) {
        let file = &placed.item;
        let everyone = u32::from_str_radix(&file.mode, 8).is_ok_and(|bits| bits & 0o007 != 0);
        if !everyone {
            return;
        }
        let secret = |used: &&Use| {
            let named = self.description.settings.iter().find(|other| other.item.setting.name == used.name);
            named.is_some_and(|other| other.item.setting.is_secret())
        };
        if let Some(used) = template.uses().iter().find(secret) {
            let message = format!(
                "everyone could read the secret '{}' in {} (mode {}), where {}:{} puts it",
                used.name,
                file.path,
                file.mode,
                template.file().display(),
                used.line
            );
            self.error(placed.line_of("Mode"), message, "write 'Mode: 0640' and the service's group as Group");
        }
    }

    /// Nothing follows a change of a file unless its stanza says so, which is easily forgotten.
    fn without_a_follow_up(&mut self, package: &str) {
        let own = format!("/etc/{package}/");
        for placed in &self.description.files {
            let path = &placed.item.path;
            if path.starts_with(&own) && !placed.lines.contains_key("On-Change") {
                let hint = "write 'On-Change: restart', or 'On-Change: none' where nothing has to be";
                self.warning(placed.line, format!("no service is restarted when {path} has changed"), hint);
            }
        }
    }

    fn unused(&mut self, templates: &BTreeMap<usize, Template>) {
        let description = self.description;
        for placed in &description.settings {
            let name = &placed.item.setting.name;
            let in_template = templates.values().flat_map(Template::uses).any(|used| used.name == *name);
            let in_hash = description
                .settings
                .iter()
                .any(|other| matches!(&other.item.setting.kind, Kind::PasswordHash { from, .. } if from == name));
            if !in_template && !in_hash {
                let hint = format!("write '{{{{{name}}}}}' into a template, or remove the stanza");
                self.warning(placed.line, format!("nothing uses setting '{name}'"), hint);
            }
        }
    }
}

fn word(escape: Escape) -> &'static str {
    super::description::ESCAPES.iter().find(|(_, known)| *known == escape).map_or("none", |(word, _)| word)
}

/// Whether one of them is an error.
pub fn has_errors(faults: &[Diagnostic]) -> bool {
    faults.iter().any(|fault| fault.severity == Severity::Error)
}
