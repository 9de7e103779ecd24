//! dh_venv_place: reads what dh_venv staged, plans, applies.

use crate::apply;
use crate::debian::substvars;
use crate::error::{Diagnostic, Error, Result};
use crate::helper::venv::place::{self, Found, Outcome};
use crate::input;
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
        let outcome: Outcome = serde_json::from_str(&text)
            .map_err(|error| Error::failed(format!("{}: {error}", stage.join("outcome.json").display())))?;
        let root = context.build.temporary_directory(package);
        let mut taken = Vec::new();
        for (name, entry) in &outcome.commands {
            let link = root.join("usr/bin").join(name);
            let ours = place::link_target(
                &std::path::Path::new("/usr/bin").join(name),
                &outcome.prefix.join("bin").join(entry),
            );
            if input::kind(&link)?.is_some_and(|kind| kind != input::Kind::Link(ours)) {
                taken.push(name.clone());
            }
        }
        let found = Found {
            substvars: input::text(&substvars::path(package))?,
            overrides: input::text(&root.join("usr/share/lintian/overrides").join(package))?,
            postinst: input::text(&context.build.debian(&format!("{package}.postinst.debhelper")))?,
            taken,
            epoch: context.environment.text("SOURCE_DATE_EPOCH").and_then(|text| text.parse().ok()),
        };
        let plan = place::plan(package, &root, &outcome, &found)?;
        apply::plan(&plan, &context.printer, context.build.no_act)?;
    }
    Ok(())
}
