//! dh_venv_place: reads what dh_venv staged, plans, applies.

use std::path::Path;

use crate::apply;
use crate::debhelper::{pkgfile, snippet};
use crate::debian::{paragraph, substvars};
use crate::error::{Diagnostic, Error, Location, Result};
use crate::helper::venv::place::{self, Found, Outcome};
use crate::input;
use crate::plan::Plan;
use crate::run::Context;

/// dh_venv_place takes debhelper's options only.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct Options {}

/// The body of dh_venv_place.
pub fn run(context: &Context, _: Options) -> Result<()> {
    for binary in context.build.packages() {
        let package = binary.name.as_str();
        let stage = place::stage(package);
        let Some(text) = input::text(&stage.join("outcome.json"))? else {
            if super::has_venv(context, package)? && !context.build.no_act {
                return Err(Diagnostic::error(format!("the venv of package {package} has not been built"))
                    .hint("dh_venv does it, in the build target; debian/rules clean, then build again")
                    .into());
            }
            continue;
        };
        let outcome: Outcome = serde_json::from_str(&text).map_err(|_| {
            Error::from(
                Diagnostic::error("was not written by this version of dh_venv")
                    .at(Location::file(stage.join("outcome.json")))
                    .hint("debian/rules clean, then build again"),
            )
        })?;
        let root = context.build.temporary_directory(package);
        let mut taken = Vec::new();
        for (name, entry) in &outcome.commands {
            let link = root.join("usr/bin").join(name);
            let ours = place::link_target(&Path::new("/usr/bin").join(name), &outcome.prefix.join("bin").join(entry));
            if input::kind(&link)?.is_some_and(|kind| kind != input::Kind::Link(ours)) {
                taken.push((name.clone(), asked_for(context, package, name)?));
            }
        }
        let found = Found {
            substvars: input::text(&substvars::path(package))?,
            overrides: input::text(&root.join("usr/share/lintian/overrides").join(package))?,
            postinst: input::text(&context.build.debian(&format!("{package}.postinst.debhelper")))?,
            taken,
            manuals: manuals(&root)?,
            has_id_field: binary.field("XB-Venv-Id").is_some(),
        };
        let mut plan = Plan::default();
        if !context.build.options.only_scripts {
            plan = place::plan(package, &root, &outcome, &found)?;
        }
        for (script, body) in place::snippets(package, &outcome.prefix)? {
            let action =
                snippet::action(&context.build, package, script, context.tool, env!("CARGO_PKG_VERSION"), &body)?;
            plan.actions.extend(action);
        }
        apply::plan(&plan, &context.printer, context.build.no_act)?;
    }
    Ok(())
}

/// The line of the package's .venv file that lists a command.
fn asked_for(context: &Context, package: &str, command: &str) -> Result<Option<Location>> {
    let Some(file) = pkgfile::find(&context.build, package, "venv")? else { return Ok(None) };
    let (paragraphs, _) = paragraph::parse(&file.text, &file.path);
    let field = paragraphs.first().and_then(|paragraph| paragraph.get("Commands"));
    let mut words = field.into_iter().flat_map(|field| field.words());
    let found = words.find(|(_, word)| word.split('=').next() == Some(command));
    Ok(found.map(|(line, _)| Location::line(&file.path, line)))
}

/// Manual pages of a build tree, as paths from its root.
fn manuals(root: &Path) -> Result<Vec<String>> {
    let directory = root.join("usr/share/man");
    if !input::is_directory(&directory) {
        return Ok(Vec::new());
    }
    let pages = input::tree(&directory)?.into_iter().filter(|entry| entry.kind != input::Kind::Directory);
    Ok(pages.map(|entry| format!("usr/share/man/{}", entry.path.display())).collect())
}
