//! What dh_appconfig puts into a package: the manifest with its templates, the
//! administrator's documentation, accounts, debconf's files and relations.

use std::collections::BTreeMap;
use std::path::Path;

use super::description::Description;
use super::{account, documentation};
use crate::configuration::manifest::{self, Manifest, Program};
use crate::debian::script;
use crate::debian::substvars;
use crate::error::{Diagnostic, Location, Result};
use crate::plan::{Action, Plan};

/// The first appctl that reads what this dh_appconfig writes.
const APPCTL: &str = "appctl (>= 0.1~)";
/// As dh_installdebconf has it.
const DEBCONF: &str = "debconf (>= 0.5) | debconf-2.0";
/// Whoever brings systemd-sysusers(8).
const SYSUSERS: &str = "systemd | systemd-standalone-sysusers | systemd-sysusers";

/// What is in the build already, as far as it matters.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Found {
    /// debian/PKG.substvars.
    pub substvars: Option<String>,
    /// DEBIAN/config of the package: the packager's own, by dh_installdebconf.
    pub config: Option<String>,
    /// DEBIAN/templates of the package, likewise.
    pub templates: Option<String>,
}

/// debconf's part of a package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Questions {
    /// The templates, with their translations.
    pub templates: String,
    /// The body of the config script.
    pub config: String,
}

/// The manifest.
pub fn manifest(package: &str, description: &Description, programs: Vec<Program>) -> Manifest {
    Manifest {
        format: manifest::FORMAT,
        package: package.to_owned(),
        settings: description.plain_settings(),
        files: description.files.iter().map(|placed| placed.item.clone()).collect(),
        directories: description.directories.iter().map(|placed| placed.item.clone()).collect(),
        links: description.links.iter().map(|placed| placed.item.clone()).collect(),
        users: description.users.iter().map(|placed| placed.item.clone()).collect(),
        programs,
    }
}

/// Files of the package under `root`, its build tree. `templates`: name and text.
pub fn files(
    root: &Path,
    description: &Description,
    manifest: &Manifest,
    templates: &BTreeMap<String, String>,
) -> Result<Plan> {
    let package = manifest.package.as_str();
    let json = serde_json::to_string_pretty(manifest)
        .map_err(|error| Diagnostic::error(format!("cannot write the manifest: {error}")))?;
    let own = root.join("usr/share/appctl").join(package);
    let write = |path: std::path::PathBuf, text: &str| Action::Write { path, contents: text.into(), mode: 0o644 };
    let mut plan = Plan::new([write(own.join("manifest.json"), &format!("{json}\n"))]);
    for (name, text) in templates {
        plan.push(write(own.join("templates").join(name), text));
    }
    if !manifest.settings.is_empty() {
        plan.push(write(own.join("settings.conf"), &documentation::settings_file(package, description)));
        // A link is no conffile: dpkg replaces it without a question.
        plan.push(Action::Symlink {
            path: root.join("etc").join(package).join("settings.d/README"),
            target: format!("/usr/share/appctl/{package}/settings.conf").into(),
        });
    }
    let name = crate::configuration::place::appconfig_file(package);
    if let Some(text) = account::sysusers(package, description) {
        plan.push(write(root.join("usr/lib/sysusers.d").join(&name), &text));
    }
    if let Some(text) = account::tmpfiles(description) {
        plan.push(write(root.join("usr/lib/tmpfiles.d").join(&name), &text));
    }
    Ok(plan)
}

/// debian/PKG.substvars with what the package needs at run time.
pub fn relations(found: &Found, manifest: &Manifest, asks: bool) -> Action {
    let mut items = vec![APPCTL.to_owned()];
    items.extend(asks.then(|| DEBCONF.to_owned()));
    items.extend((!manifest.users.is_empty()).then(|| SYSUSERS.to_owned()));
    substvars::action(found.substvars.clone(), &manifest.package, "misc:Depends", &items)
}

/// DEBIAN/config and DEBIAN/templates, behind what the packager has there.
pub fn questions(root: &Path, package: &str, tool: &str, ours: &Questions, found: &Found) -> Result<Plan> {
    let config = root.join("DEBIAN/config");
    let head = format!("# Automatically added by {tool}/");
    let theirs = found.config.as_deref().unwrap_or("#!/bin/sh\n");
    let theirs = theirs.split(&head).next().unwrap_or_default();
    if !is_shell(theirs) {
        return Err(Diagnostic::error(format!("the config script of package {package} is no shell script"))
            .at(Location::file(&config))
            .hint("write it in sh, or ask its questions through settings in the .appconfig file")
            .into());
    }
    let body = script::wrapped(tool, env!("CARGO_PKG_VERSION"), &ours.config);
    let names: Vec<&str> = template_names(&ours.templates).collect();
    let kept = found.templates.as_deref().unwrap_or_default().split("\n\n").map(|stanza| stanza.trim_matches('\n'));
    let mut stanzas: Vec<&str> =
        kept.filter(|stanza| !stanza.is_empty() && !template_names(stanza).any(|name| names.contains(&name))).collect();
    stanzas.push(ours.templates.trim_matches('\n'));
    let templates = format!("{}\n", stanzas.join("\n\n"));
    Ok(Plan::new([
        Action::Write { path: root.join("DEBIAN/templates"), contents: templates.into_bytes(), mode: 0o644 },
        Action::Write { path: config, contents: format!("{theirs}{body}").into_bytes(), mode: 0o755 },
    ]))
}

/// Whether a script's first line names a shell: `#!/bin/sh -e`.
fn is_shell(script: &str) -> bool {
    let first = script.lines().next().unwrap_or_default();
    let interpreter = first.strip_prefix("#!").and_then(|words| words.split_whitespace().next());
    interpreter.is_some_and(|interpreter| interpreter.ends_with("sh"))
}

fn template_names(text: &str) -> impl Iterator<Item = &str> {
    text.lines().filter_map(|line| line.strip_prefix("Template:")).map(str::trim)
}
