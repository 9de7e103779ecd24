//! debconf's templates and po-debconf(7): what translators get, and what comes
//! back from them.

use std::path::Path;

use super::{read, source};
use crate::apply;
use crate::error::{Diagnostic, Error, Location, Result};
use crate::helper::appconfig::check;
use crate::helper::appconfig::debconf;
use crate::helper::appconfig::description::{self, Description};
use crate::input;
use crate::plan::{Action, Plan, Process};
use crate::run::Context;

/// Where the translations lie.
const PO: &str = "debian/po";

/// The templates of debconf with the translations of debian/po.
pub fn merged(context: &Context, package: &str, description: &Description) -> Result<String> {
    let Some(current) = debconf::for_translators(package, description) else { return Ok(String::new()) };
    if !input::is_directory(&context.build.directory.join(PO)) {
        return Ok(debconf::untranslated(package, description).unwrap_or_default());
    }
    let committed = debconf::committed(package);
    if read(context, &committed)?.as_deref() != Some(&current) {
        return Err(Diagnostic::error(format!("is not what {} makes it", description.file.display()))
            .at(Location::file(committed))
            .hint("run 'dh_appconfig --update-po' and commit what it changes")
            .into());
    }
    let process = po_process(context, "po2debconf", &committed);
    let output = apply::capture(&process)?;
    if !output.success {
        let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        return Err(Diagnostic::error(format!("po2debconf failed ({}): {said}", output.status))
            .at(Location::file(committed))
            .hint("debconf-updatepo(1) brings debian/po up to date")
            .into());
    }
    String::from_utf8(output.stdout).map_err(|_| Error::failed(format!("{process}: what it prints is not UTF-8")))
}

fn po_process(context: &Context, program: &str, file: &Path) -> Process {
    let arguments = [format!("--podir={PO}"), file.to_string_lossy().into_owned()];
    let given = arguments.into_iter().filter(|argument| !argument.is_empty());
    let process = Process::new(program, given).environment(context.environment.all());
    match context.build.directory.as_os_str().is_empty() {
        true => process,
        false => process.directory(&context.build.directory),
    }
}

/// Write the templates that translators work on, and let debconf-updatepo take
/// them over; a package that asks nothing any more loses its own.
pub fn update(context: &Context) -> Result<()> {
    let potfiles = Path::new(PO).join("POTFILES.in");
    let before = read(context, &potfiles)?.unwrap_or_default();
    let mut lines: Vec<String> = before.lines().map(str::to_owned).collect();
    let mut plan = Plan::default();
    let mut faults = Vec::new();
    for binary in &context.build.binaries {
        let name = binary.name.as_str();
        let Some(source) = source(context, name)? else { continue };
        let (description, mut found) = description::parse(&source.text, &source.path);
        source.locate(&mut found);
        faults.extend(found);
        let line = debconf::potfiles_line(name);
        let path = context.build.directory.join(debconf::committed(name));
        let listed = lines.contains(&line);
        match debconf::for_translators(name, &description) {
            Some(text) => {
                lines.extend((!listed).then_some(line));
                plan.push(Action::Write { path, contents: text.into_bytes(), mode: 0o644 });
            }
            None if listed => {
                lines.retain(|known| *known != line);
                plan.push(Action::Remove { path });
            }
            None => {}
        }
    }
    if check::has_errors(&faults) {
        return Err(Error::Failed(faults));
    }
    if plan.actions.is_empty() {
        return Err(Diagnostic::error("no package asks anything").hint("give a setting the field Ask").into());
    }
    let contents: String = lines.iter().flat_map(|line| [line, "\n"]).collect();
    let path = context.build.directory.join(potfiles);
    plan.push(Action::Write { path, contents: contents.into_bytes(), mode: 0o644 });
    // xgettext has nothing to say about no file at all.
    if !lines.is_empty() {
        plan.push(Action::Run(po_process(context, "debconf-updatepo", Path::new(""))));
    }
    apply::plan(&plan, &context.printer, context.build.no_act)
}
