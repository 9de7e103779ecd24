//! dh_zeoclient: reads debian/PACKAGE.zeoclient, plans, applies.
//!
//! What dh_appconfig and dh_supervisord are to do is left for them in
//! debian/.debhelper/generated; see [`crate::debhelper::contribution`].

use std::path::{Path, PathBuf};

use crate::apply;
use crate::debhelper::contribution;
use crate::debhelper::generated;
use crate::debhelper::pkgfile::{self, Variants};
use crate::debhelper::snippet;
use crate::debian::control::Binary;
use crate::debian::paragraph;
use crate::debian::script::Script;
use crate::error::{Diagnostic, Error, Location, Result, Severity, nearest};
use crate::helper::zeoclient::cli::Options;
use crate::helper::zeoclient::description;
use crate::helper::zeoclient::plan::{self, Found, Outcome};
use crate::helper::zeoclient::site::{SOURCE, Site};
use crate::helper::zeoclient::texts;
use crate::input;
use crate::plan::{Action, Plan};
use crate::run::Context;

const VERSION: &str = env!("CARGO_PKG_VERSION");
const VARIANTS: Variants = Variants { named: true, by_architecture: true };

/// The body of dh_zeoclient.
pub fn run(context: &Context, _: Options) -> Result<()> {
    let mut faults = Vec::new();
    let mut outcomes = Vec::new();
    for binary in context.build.packages() {
        match outcome(context, binary) {
            Ok(outcome) => outcomes.push((binary.name.as_str(), outcome)),
            Err(error) => faults.extend(error.diagnostics().to_vec()),
        }
    }
    if !faults.is_empty() {
        return Err(Error::Failed(faults));
    }
    outcomes.iter().try_for_each(|(package, outcome)| install(context, package, outcome.as_ref()))
}

/// What a package gets; `None` where it has no description.
fn outcome(context: &Context, binary: &Binary) -> Result<Option<Outcome>> {
    let build = &context.build;
    let package = binary.name.as_str();
    let Some(file) = pkgfile::find_as(build, package, "zeoclient", VARIANTS)? else { return Ok(None) };
    for warning in &file.warnings {
        context.printer.diagnostic(warning);
    }
    let (description, mut faults) = description::parse(&file.text, &file.path);
    faults.extend(sequence(context, &file.path)?);
    let Some(application) = description.application.as_ref().filter(|_| !description.storages.is_empty()) else {
        return Err(Error::Failed(faults));
    };
    let prefix = prefix(context, package)?;
    let site = Site { package, prefix: &prefix, description: &description, application };
    let found = found(context, package)?;
    faults.extend(look(context, &site, &found, &file.path)?);
    if faults.iter().any(|fault| fault.severity == Severity::Error) {
        faults.sort_by(|a, b| a.location.cmp(&b.location));
        return Err(Error::Failed(faults));
    }
    faults.iter().for_each(|warning| context.printer.diagnostic(warning));
    plan::plan(&site, &found).map(Some)
}

/// Where the package's venv lies: as dh_venv, which reports what is wrong with it.
fn prefix(context: &Context, package: &str) -> Result<String> {
    let field = match pkgfile::find_as(&context.build, package, "venv", VARIANTS)? {
        Some(file) => {
            let (paragraphs, _) = paragraph::parse(&file.text, &file.path);
            paragraphs.iter().find_map(|paragraph| paragraph.get("Prefix")).map(paragraph::Field::value)
        }
        None => None,
    };
    Ok(field.unwrap_or_else(|| format!("/usr/lib/{package}/venv")).trim_end_matches('/').to_owned())
}

/// The other helpers must run, or what is left for them would be lost without a word.
fn sequence(context: &Context, file: &Path) -> Result<Vec<Diagnostic>> {
    let build = &context.build;
    let control = input::text(&build.debian("control"))?.unwrap_or_default();
    let rules = input::text(&build.debian("rules"))?.unwrap_or_default();
    let mut faults = Vec::new();
    for name in ["appconfig", "supervisord"] {
        if !control.contains(&format!("dh-sequence-{name}")) && !rules.contains(name) {
            faults.push(
                Diagnostic::error(format!("dh_{name} does not run, and has a part of this to do"))
                    .at(Location::line(file, 1))
                    .hint(format!("add dh-sequence-{name} to Build-Depends")),
            );
        }
    }
    Ok(faults)
}

fn found(context: &Context, package: &str) -> Result<Found> {
    let build = &context.build;
    let mut templates = Vec::new();
    for directory in ["debian/appconfig", SOURCE] {
        let names = input::names(&build.directory.join(directory))?;
        templates.extend(names.iter().map(|name| name.to_string_lossy().into_owned()));
    }
    let mut settings = Vec::new();
    if let Some(path) = pkgfile::path(build, package, "appconfig", VARIANTS)? {
        let text = input::text(&build.directory.join(&path))?.unwrap_or_default();
        // Its faults are dh_appconfig's to report.
        let (paragraphs, _) = paragraph::parse(&text, &path);
        settings
            .extend(paragraphs.iter().filter_map(|paragraph| paragraph.get("Setting")).map(paragraph::Field::value));
    }
    Ok(Found {
        templates,
        site: input::text(&build.directory.join(SOURCE).join("site.zcml"))?,
        settings,
        supervisord: pkgfile::path(build, package, "supervisord", VARIANTS)?.is_some(),
    })
}

/// What the description names and the source must have.
fn look(context: &Context, site: &Site<'_>, found: &Found, file: &Path) -> Result<Vec<Diagnostic>> {
    let mut faults = Vec::new();
    let mut fault = |line: usize, message: String, hint: String| {
        faults.push(Diagnostic::error(message).at(Location::line(file, line)).hint(hint));
    };
    if let Some((name, line)) = site.application.ini.as_ref().filter(|(name, _)| !found.templates.contains(name)) {
        let hint = match nearest(name, found.templates.iter().map(String::as_str)) {
            Some(near) => format!("did you mean '{near}'?"),
            None => format!("write {SOURCE}/{name}, or leave out Ini: there is one for each framework"),
        };
        fault(*line, format!("there is no template {SOURCE}/{name}"), hint);
    }
    // The venv is there where dh_venv has run: in a build, not in a trial by hand.
    let venv = generated_venv(context, site.package);
    if input::is_directory(&venv) {
        let line = site.application.line;
        let named = [
            texts::server_program(site),
            site.description.upgrade.as_ref().and_then(|upgrade| {
                let program = upgrade.command.first()?;
                program.strip_prefix(site.prefix)?.strip_prefix('/').map(str::to_owned)
            }),
        ];
        for program in named.into_iter().flatten() {
            if !input::is_file(&venv.join(&program)) {
                let message = format!("the venv has no {program}");
                fault(line, message, "name the distribution that has it in the application's requirements".to_owned());
            }
        }
        let libraries = input::names(&venv.join("lib"))?;
        let has_zeo = libraries.iter().any(|name| {
            let packages = venv.join("lib").join(name).join("site-packages");
            input::is_directory(&packages.join("ZEO"))
        });
        if !has_zeo {
            fault(line, "the venv has no ZEO".to_owned(), "add ZEO to the application's requirements".to_owned());
        }
    }
    Ok(faults)
}

/// Where dh_venv has left the venv.
fn generated_venv(context: &Context, package: &str) -> PathBuf {
    generated::path(&context.build, generated::SOURCE, "dh_venv").join(package).join("venv")
}

fn install(context: &Context, package: &str, outcome: Option<&Outcome>) -> Result<()> {
    let build = &context.build;
    let Some(outcome) = outcome else { return Ok(()) };
    let mut plan = Plan::default();
    let texts = [("appconfig", &outcome.appconfig), ("supervisord", &outcome.supervisord)];
    for (name, text) in texts {
        let path = contribution::path(build, package, name);
        plan.push(Action::Write { path, contents: text.clone().into_bytes(), mode: 0o644 });
    }
    for (name, text) in &outcome.templates {
        let path = contribution::templates(build, package).join(name);
        plan.push(Action::Write { path, contents: text.clone().into_bytes(), mode: 0o644 });
    }
    let root = build.temporary_directory(package);
    for (path, (text, mode)) in &outcome.files {
        let path = root.join(path.trim_start_matches('/'));
        plan.push(Action::Write { path, contents: text.clone().into_bytes(), mode: *mode });
    }
    if !build.options.only_scripts {
        apply::plan(&plan, &context.printer, build.no_act)?;
    }
    let action = snippet::action(build, package, Script::Postrm, context.tool, VERSION, &outcome.postrm)?;
    apply::plan(&Plan::new(action), &context.printer, build.no_act)
}
