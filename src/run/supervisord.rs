//! dh_supervisord: reads debian/PACKAGE.supervisord, plans, applies.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use crate::apply;
use crate::debhelper::pkgfile::{self, Variants};
use crate::debhelper::{contribution, snippet};
use crate::debian::{paragraph, substvars};
use crate::error::{Diagnostic, Error, Result};
use crate::helper::supervisord::cli::Options;
use crate::helper::supervisord::description::{self, Description};
use crate::helper::supervisord::plan::{self, Found, Outcome};
use crate::input;
use crate::plan::{Action, Plan};
use crate::run::Context;

const VARIANTS: Variants = Variants { named: true, by_architecture: true };
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The body of dh_supervisord.
pub fn run(context: &Context, _: Options) -> Result<()> {
    let mut faults = Vec::new();
    let mut outcomes = Vec::new();
    for package in &context.build.selected {
        match outcome(context, package) {
            Ok(Some(outcome)) => outcomes.push((package.as_str(), outcome)),
            Ok(None) => {}
            Err(error) => faults.extend(error.diagnostics().to_vec()),
        }
    }
    if !faults.is_empty() {
        return Err(Error::Failed(faults));
    }
    for (package, outcome) in outcomes {
        for warning in &outcome.warnings {
            context.printer.diagnostic(warning);
        }
        install(context, package, &outcome)?;
    }
    Ok(())
}

/// What a package gets; `None` where it has no description.
fn outcome(context: &Context, package: &str) -> Result<Option<Outcome>> {
    let build = &context.build;
    // The text as it is: `${PORT}` in it is no substitution of debhelper's.
    let path = pkgfile::path(build, package, "supervisord", VARIANTS)?;
    let Some(source) = contribution::join(build, package, "supervisord", path)? else { return Ok(None) };
    let (description, mut faults) = description::read(package, &source.text, &source.path);
    if !faults.is_empty() {
        source.locate(&mut faults);
        return Err(Error::Failed(faults));
    }
    let found = found(context, package, &description)?;
    match plan::plan(package, &description, &source.path, &found) {
        Ok(mut outcome) => {
            source.locate(&mut outcome.warnings);
            Ok(Some(outcome))
        }
        Err(Error::Failed(mut faults)) => {
            source.locate(&mut faults);
            Err(Error::Failed(faults))
        }
        Err(error) => Err(error),
    }
}

fn found(context: &Context, package: &str, description: &Description) -> Result<Found> {
    let build = &context.build;
    let root = build.temporary_directory(package);
    let mut accounts = BTreeSet::new();
    let mut sysusers = Vec::new();
    if let Some(path) = pkgfile::path(build, package, "sysusers", VARIANTS)? {
        let text = input::text(&build.directory.join(path))?.unwrap_or_default();
        let lines = text.lines().map(str::split_whitespace);
        let names = lines.filter_map(|mut words| words.next().filter(|kind| kind.starts_with('u')).and(words.next()));
        accounts.extend(names.map(|name| name.trim_matches('"').to_owned()));
    }
    let mut declared = BTreeMap::new();
    if let Some(path) = pkgfile::path(build, package, "tmpfiles", VARIANTS)? {
        let text = input::text(&build.directory.join(path))?.unwrap_or_default();
        declared.extend(text.lines().filter_map(given_away));
    }
    let path = pkgfile::path(build, package, "appconfig", VARIANTS)?;
    if let Some(source) = contribution::join(build, package, "appconfig", path)? {
        // Its faults are dh_appconfig's to report.
        let (paragraphs, _) = paragraph::parse(&source.text, &source.path);
        let value = |name: &str, from: &paragraph::Paragraph| from.get(name).map(paragraph::Field::value);
        declared.extend(paragraphs.iter().filter_map(|stanza| {
            let owner = value("Owner", stanza).filter(|owner| owner != "root")?;
            Some((value("Directory", stanza)?.trim_end_matches('/').to_owned(), owner))
        }));
        let before = accounts.len();
        accounts.extend(paragraphs.iter().filter_map(|paragraph| paragraph.get("User")).map(paragraph::Field::value));
        if accounts.len() > before {
            sysusers.push(crate::configuration::place::appconfig_file(package));
        }
    }
    let shipped = |directory: &String| input::is_directory(&inside(&root, directory));
    let directories = plan::log_directories(description).into_iter().filter(shipped).collect();
    Ok(Found { accounts, sysusers, directories, declared })
}

/// The directory that a line of tmpfiles.d(5) gives to another account than root, and that account.
fn given_away(line: &str) -> Option<(String, String)> {
    let mut words = line.split_whitespace().map(|word| word.trim_matches('"'));
    let (kind, path) = (words.next()?, words.next()?);
    let owner = words.nth(1)?;
    let is_directory = kind.starts_with(['d', 'D', 'e', 'v', 'q', 'Q', 'z', 'Z']);
    let is_roots = ["-", "root", "0"].contains(&owner.trim_start_matches([':', '~']));
    (is_directory && !is_roots).then(|| (path.trim_end_matches('/').to_owned(), owner.to_owned()))
}

fn inside(root: &Path, path: &str) -> PathBuf {
    root.join(path.trim_start_matches('/'))
}

fn install(context: &Context, package: &str, outcome: &Outcome) -> Result<()> {
    let build = &context.build;
    let root = build.temporary_directory(package);
    if !build.options.only_scripts {
        let mut plan = Plan::default();
        for (path, text) in &outcome.files {
            let path = inside(&root, path);
            taken(&path, text)?;
            plan.push(Action::Write { path, contents: text.clone().into_bytes(), mode: 0o644 });
        }
        apply::plan(&plan, &context.printer, build.no_act)?;
    }
    // One after another: each reads what the one before it has written.
    for part in &outcome.snippets {
        let add = if part.service { snippet::service_action } else { snippet::action };
        let action = add(build, package, part.script, context.tool, VERSION, &part.body)?;
        apply::plan(&Plan::new(action), &context.printer, build.no_act)?;
    }
    if build.options.no_scripts {
        return Ok(());
    }
    let existing = input::text(&build.directory.join(substvars::path(package)))?;
    let action = substvars::action(existing, package, "misc:Depends", &outcome.depends);
    apply::plan(&Plan::new([action]), &context.printer, build.no_act)
}

/// A file of another hand in the package is not overwritten.
fn taken(path: &Path, text: &str) -> Result<()> {
    match input::bytes(path)? {
        Some(bytes) if bytes != text.as_bytes() => {
            Err(Diagnostic::error(format!("{} is in the package already", path.display()))
                .hint("leave it to dh_supervisord, or rename the program")
                .into())
        }
        _ => Ok(()),
    }
}
