//! What else in debian/rules and debian/control was there for dh_virtualenv's sake.
//!
//! Owns the hints about overrides, build dependencies and hand-written
//! dependencies; changes nothing but `Commands` and `Compression`.

use std::path::Path;

use super::Notes;
use super::control::{Control, Stanza};
use super::makefile::Makefile;
use super::settings::Settings;
use super::shell::{self, Word};

/// Steps that never see the venv, and why nothing has to be excluded from them.
const STEPS: &[&str] =
    &["dh_strip", "dh_strip_nondeterminism", "dh_shlibdeps", "dh_makeshlibs", "dh_dwz", "dh_fixperms"];

/// Steps that dh-virtualenv's add-on took out of the sequence.
const REMOVED: &[&str] = &["dh_auto_build", "dh_auto_clean", "dh_auto_install", "dh_auto_test"];

/// Steps that debhelper no longer has.
const GONE: &[&str] = &["dh_python2", "dh_pysupport", "dh_pycentral"];

/// Looks at every target of `rules`.
pub(super) fn rules(makefile: &Makefile, all: &mut [Settings], notes: &mut Notes) {
    for rule in &makefile.rules {
        for target in &rule.targets {
            let Some(step) = step(target) else { continue };
            let commands: Vec<Vec<Word>> = rule
                .recipe
                .iter()
                .flat_map(|line| shell::commands(&makefile.expand(&line.text, Some(target)).text, line.line))
                .collect();
            let own =
                |command: &&Vec<Word>| !matches!(command[0].text.as_str(), ":" | "true") && command[0].text != step;
            let others = commands.iter().filter(own).count();
            if STEPS.contains(&step) {
                let what =
                    if others == 0 { "is not needed for the venv" } else { "has parts that the venv does not need" };
                notes.warn(
                    rule.line,
                    format!("'{target}' {what}"),
                    format!("the venv is put into the package after {step} has run; keep what is for other files"),
                );
            } else if REMOVED.contains(&step) {
                notes.warn(
                    rule.line,
                    format!("'{target}' runs again"),
                    format!("dh-virtualenv took {step} out of the sequence, dh_venv does not: remove the target or make sure that you want it"),
                );
            } else if GONE.contains(&step) {
                notes.warn(
                    rule.line,
                    format!("'{target}' has no effect"),
                    "debhelper has no such step any more: remove the target",
                );
            } else if step == "dh_builddeb" {
                commands.iter().for_each(|command| compression(command, all, notes));
            } else if step == "dh_link" {
                commands.iter().for_each(|command| links(command, all, notes));
            }
        }
    }
}

/// `override_dh_x-arch` → `dh_x`.
fn step(target: &str) -> Option<&str> {
    let rest = ["override_", "execute_before_", "execute_after_"].iter().find_map(|word| target.strip_prefix(word))?;
    Some(rest.strip_suffix("-arch").or_else(|| rest.strip_suffix("-indep")).unwrap_or(rest))
}

/// `dh_builddeb -- -Zxz` → `Compression: xz`.
fn compression(command: &[Word], all: &mut [Settings], notes: &mut Notes) {
    for word in command.iter().filter(|word| word.text.starts_with("-Z")) {
        let kind = &word.text[2..];
        if matches!(kind, "xz" | "zstd" | "none") {
            for settings in all.iter_mut() {
                settings.compression = Some(kind.to_owned());
            }
            let hint = "remove the override: it would keep the level that was meant for zstd";
            notes.warn(word.line, format!("'{}' has become Compression", word.text), hint);
        } else {
            let hint = "Compression knows zstd, xz and none";
            notes.warn(word.line, format!("'{}' has no counterpart", word.text), hint);
        }
    }
}

/// `dh_link opt/venvs/x/bin/y usr/bin/z` → `Commands: z=y`.
fn links(command: &[Word], all: &mut [Settings], notes: &mut Notes) {
    for pair in command.windows(2) {
        let (from, to) = (pair[0].text.trim_start_matches('/'), pair[1].text.trim_start_matches('/'));
        let Some(name) = to.strip_prefix("usr/bin/").filter(|name| !name.is_empty()) else { continue };
        for settings in all.iter_mut() {
            let bin = format!("{}/bin/", settings.prefix.trim_start_matches('/'));
            if let Some(entry) = from.strip_prefix(&bin) {
                let item = if entry == name { name.to_owned() } else { format!("{name}={entry}") };
                settings.commands.push(item);
                notes.warn(
                    pair[0].line,
                    format!("the link /usr/bin/{name} has become Commands"),
                    "remove it from the override",
                );
            }
        }
    }
}

/// Looks at the dependencies.
pub(super) fn control(control: &Control, packages: &[String], file: &Path, notes: &mut Notes) {
    if let Some(source) = control.source() {
        build_depends(source, file, notes);
    }
    for stanza in control.packages().filter(|stanza| packages.iter().any(|name| stanza.is(name))) {
        let name = stanza.name().unwrap_or_default();
        let depends = stanza.items("Depends");
        if !depends.iter().any(|item| item.text.starts_with("${venv:Depends}")) {
            notes.warn_in(
                file,
                stanza.line_of("Depends").unwrap_or(stanza.line),
                format!("Depends of {name} lacks ${{venv:Depends}}"),
                "add it: it brings the interpreter and the native libraries",
            );
        }
        for item in depends.into_iter().chain(stanza.items("Pre-Depends")) {
            let package = item.text.split(|c: char| " (:[|".contains(c)).next().unwrap_or_default().to_owned();
            let minor = package.strip_prefix("python3").is_some_and(|minor| minor.starts_with('.'));
            let range = matches!(package.as_str(), "python3" | "python3-minimal") && item.text.contains('(');
            let old = matches!(package.as_str(), "python" | "python2" | "python2.7" | "python-minimal");
            let plain = matches!(package.as_str(), "python3" | "${python3");
            if plain || minor || range || old {
                let mut hint =
                    "remove it: ${venv:Depends} names the interpreter that the venv was made with".to_owned();
                if range {
                    hint.push_str("; a range on python3 makes a release upgrade remove the application");
                }
                notes.warn_in(file, item.line, format!("'{}' need not be written by hand", item.text), hint);
            }
        }
    }
}

fn build_depends(source: &Stanza, file: &Path, notes: &mut Notes) {
    let mut compat = false;
    let mut addon = false;
    for field in ["Build-Depends", "Build-Depends-Arch", "Build-Depends-Indep"] {
        for item in source.items(field) {
            let package = item.text.split(|c: char| " (:[|".contains(c)).next().unwrap_or_default();
            compat |= package == "debhelper-compat";
            addon |= package == "dh-sequence-venv";
            let hint = match package {
                "dh-virtualenv" => "write dh-sequence-venv instead",
                "virtualenv" | "python-virtualenv" | "python3-virtualenv" | "python3-venv" | "python3-pip" => {
                    "remove it: dh-venv brings what it needs"
                }
                "dh-systemd" => "remove it: debhelper has taken it over",
                _ => continue,
            };
            notes.warn_in(file, item.line, format!("'{}' in {field} is not needed", item.text), hint);
        }
    }
    let line = source.line_of("Build-Depends").unwrap_or(source.line);
    if !addon {
        notes.warn_in(file, line, "Build-Depends lacks dh-sequence-venv", "add it; 'dh $@' then runs dh_venv");
    }
    if !compat {
        let hint = "add 'debhelper-compat (= 13)' and remove debian/compat and the dependency on debhelper";
        notes.warn_in(file, line, "Build-Depends lacks debhelper-compat", hint);
    }
}
