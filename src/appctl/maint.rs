//! `appctl maint SCRIPT PACKAGE ARGUMENTS…`: the part of a maintainer script
//! (policy chapter 6) that is appctl's. The arguments are frozen with the
//! manifest's format, as packages that call it stay on machines for years.
//!
//! Only `postinst configure` does anything that can fail. What a later version of
//! dpkg may call prerm and postrm with is none of our business: exit status 0.

use std::io::{BufRead, Read};

use super::cli::Maint;
use super::work::{Access, Change, Work};
use super::{Ending, LONGEST_VALUE, Machine, accept, apply, report};
use crate::configuration::layer::{self, Effective};
use crate::configuration::setting::Setting;
use crate::error::{Diagnostic, Error, Result};

/// The option after which debconf's answers come on standard input.
const ANSWERS: &str = "--answers";

/// Do the script's part.
pub fn run(machine: &Machine, call: &Maint) -> Result<Ending> {
    let ending = part(machine, call)?;
    if machine.json && !is_configure(call) {
        machine.printer.json(&report::object(&call.package, []));
    }
    Ok(ending)
}

fn is_configure(call: &Maint) -> bool {
    call.script == "postinst" && call.arguments.first().is_some_and(|action| action == "configure")
}

fn part(machine: &Machine, call: &Maint) -> Result<Ending> {
    let action = call.arguments.first().map(String::as_str).unwrap_or_default();
    match (call.script.as_str(), action) {
        ("postinst", "configure") => {
            let done = configure(machine, call);
            let Err(error @ Error::Failed(_)) = done else { return done };
            machine.printer.error(&error);
            machine.printer.note(&format!("when that is put right: dpkg --configure {}", call.package));
            Ok(Ending::Failed)
        }
        ("postinst", "abort-upgrade" | "abort-remove" | "abort-deconfigure" | "triggered") => Ok(Ending::Done),
        ("postinst", _) => Err(Error::Usage(
            Diagnostic::error(format!("postinst called with unknown argument '{action}'")).hint("see policy 6.5"),
        )),
        ("prerm", "remove") => settle(machine, &call.package),
        ("prerm" | "postrm", _) => Ok(Ending::Done),
        (script, _) => Err(Error::Usage(
            Diagnostic::error(format!("'{script}' is no maintainer script that appctl has a part in"))
                .hint("postinst, prerm or postrm"),
        )),
    }
}

fn configure(machine: &Machine, call: &Maint) -> Result<Ending> {
    let answers = if call.arguments.iter().any(|word| word == ANSWERS) { answers()? } else { Vec::new() };
    let mut work = Work::open(machine, &call.package, Access::Write)?;
    let mut change = Change::default();
    let mut rejected = Vec::new();
    if !answers.is_empty() {
        let effective = work.effective()?;
        for (key, text) in &answers {
            if let Err(fault) = take(&work.package.manifest.settings, &effective, key, text, &mut change) {
                machine.printer.diagnostic(&Diagnostic { severity: crate::error::Severity::Warning, ..fault });
                rejected.push(key.as_str());
            }
        }
    }
    if !machine.json {
        // For the script, whatever comes of the rest.
        rejected.iter().for_each(|key| machine.printer.output(&format!("{key}\n")));
    }
    work.change(&change);
    // The converge comes last in the script, in a call of its own.
    let applied = apply(machine, &mut work, &change)?;
    if machine.json {
        let parts = [("files", report::files(&applied.reports)), ("rejected", rejected.into())];
        machine.printer.json(&report::object(&call.package, parts));
    }
    Ok(Ending::Done)
}

/// Take an answer into the change, if it differs from what counts already. An
/// empty one is none where it is a secret, or where the type has no empty value.
fn take(
    settings: &[Setting],
    effective: &Effective,
    key: &str,
    text: &str,
    change: &mut Change,
) -> std::result::Result<(), Diagnostic> {
    let setting = layer::find(settings, key)?;
    if text.is_empty() && (setting.is_secret() || setting.parse(text).is_err()) {
        return Ok(());
    }
    let mut one = Change::default();
    accept(setting, text, &mut one)?;
    let counts = effective.get(key).map(|resolved| resolved.value.to_string());
    let differs = |value: &String| counts.as_ref() != Some(value);
    change.set.extend(one.set.into_iter().filter(|(_, value)| differs(value)));
    change.secrets.extend(one.secrets.into_iter().filter(|(_, value)| differs(value)));
    Ok(())
}

/// `key=value` lines, up to an empty line or the end; whoever writes them may keep the pipe open.
fn answers() -> Result<Vec<(String, String)>> {
    let mut answers = Vec::new();
    for line in std::io::stdin().lock().take(LONGEST_VALUE).lines() {
        let line = line.map_err(|error| {
            Diagnostic::error(format!("cannot read the answers from standard input: {error}"))
                .hint("answers are UTF-8: run dpkg-reconfigure in a UTF-8 locale")
        })?;
        if line.is_empty() {
            break;
        }
        answers.extend(line.split_once('=').map(|(key, value)| (key.to_owned(), value.to_owned())));
    }
    Ok(answers)
}

/// Before a removal: nothing is left for purge to miss, neither of an interrupted
/// run nor behind an administrator's links.
fn settle(machine: &Machine, package: &str) -> Result<Ending> {
    let work = Work::open(machine, package, Access::Finish)?;
    work.settle()?;
    work.settle_owned()?;
    Ok(Ending::Done)
}
