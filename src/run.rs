//! The shell of every helper: arguments → read → plan → show or apply → exit code.
//!
//! Owns the one reading of the process environment and the exit status.
//! Mirrors `init` and `END` of debhelper's `Dh_Lib.pm`; what a helper does is
//! in its body.

#[cfg(feature = "appconfig")]
pub mod appconfig;
#[cfg(feature = "supervisord")]
pub mod supervisord;
#[cfg(feature = "venv")]
pub mod venv;
#[cfg(feature = "zeoclient")]
pub mod zeoclient;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

pub use crate::debian::environment::Environment;

use crate::debhelper::build::Build;
use crate::error::{Diagnostic, Error, Result};
use crate::message::Printer;
use crate::plan::{Action, Plan};
use crate::{apply, cli};

impl Environment {
    /// The environment of this process.
    #[expect(clippy::disallowed_methods, reason = "the environment is read here and nowhere else")]
    pub fn read() -> Self {
        Self::from_pairs(std::env::vars_os())
    }

    /// Whether messages have colours, where the environment says so: DH_COLORS,
    /// else DPKG_COLORS, else NO_COLOR (`_color` of `Dh_Lib.pm`).
    pub(crate) fn colour(&self) -> Option<bool> {
        match self.text("DH_COLORS").or_else(|| self.text("DPKG_COLORS")) {
            Some("auto") => None,
            Some("always") => Some(true),
            Some(_) => Some(false),
            None => self.get("NO_COLOR").map(|_| false),
        }
    }
}

/// What a helper works with.
#[derive(Debug, Clone)]
pub struct Context {
    /// Name of the helper, whatever it was called as.
    pub tool: &'static str,
    /// The environment.
    pub environment: Environment,
    /// The source package's directory: the working directory, absolute.
    pub directory: PathBuf,
    /// What was read about the build.
    pub build: Build,
    /// Where messages go.
    pub printer: Printer,
}

/// How a run without a fault ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The body has run.
    Done,
    /// No package is to be acted on; a warning says why.
    Nothing,
    /// `--help` or `--version`.
    Answered,
}

/// Run a helper: `main` of every `dh_*` program. `O` are its own options.
///
/// Exit status 0: done, or nothing to do. 1: something failed. 2: the command
/// line is wrong.
pub fn helper<O: clap::Args>(tool: &'static str, body: impl FnOnce(&Context, O) -> Result<()>) -> ExitCode {
    let environment = Environment::read();
    let printer = Printer::new(tool, false, false, environment.colour());
    match arguments().and_then(|arguments| within(tool, environment, &arguments, Path::new(""), body)) {
        Ok(_) => ExitCode::SUCCESS,
        Err(error) => {
            printer.error(&error);
            ExitCode::from(error.exit_status())
        }
    }
}

/// [`helper`] with everything that the process gives it as values. `directory`
/// is where debian/ is; empty: the working directory.
pub fn within<O: clap::Args>(
    tool: &'static str,
    environment: Environment,
    arguments: &[String],
    directory: &Path,
    body: impl FnOnce(&Context, O) -> Result<()>,
) -> Result<Outcome> {
    let loud = Printer::new(tool, false, false, environment.colour());
    for name in ["DH_INTERNAL_OPTIONS", "DH_OPTIONS"] {
        if environment.get(name).is_some() && environment.text(name).is_none() {
            return Err(Error::Usage(Diagnostic::error(format!("{name} is not UTF-8")).hint("use names in UTF-8")));
        }
    }
    let parsed = cli::parse::<O>(tool, &environment, arguments);
    if parsed.help {
        loud.output(&cli::command::<O>(tool).render_help().to_string());
        return Ok(Outcome::Answered);
    }
    if parsed.version {
        loud.output(&format!("{tool} {}\n", env!("CARGO_PKG_VERSION")));
        return Ok(Outcome::Answered);
    }
    for warning in &parsed.warnings {
        loud.diagnostic(warning);
    }
    if let Some(fault) = parsed.errors.first() {
        return Err(Error::Usage(fault.clone()));
    }
    let own = parsed.own::<O>(tool)?;
    let build = Build::read(tool, &parsed, &environment, directory)?;
    for warning in &build.warnings {
        loud.diagnostic(warning);
    }
    if build.selected.is_empty() {
        return Ok(Outcome::Nothing);
    }
    // -v wins over DH_QUIET for what is shown, as in debhelper's verbose_print.
    let printer = Printer::new(tool, build.verbose, build.quiet && !build.verbose, environment.colour());
    let directory = if directory.as_os_str().is_empty() { working_directory()? } else { directory.to_owned() };
    let context = Context { tool, environment, directory, build, printer };
    body(&context, own)?;
    log(&context)?;
    Ok(Outcome::Done)
}

/// For `--remaining-packages`: in an override target, a helper that has done
/// its work says so in debian/PACKAGE.debhelper.log.
fn log(context: &Context) -> Result<()> {
    let build = &context.build;
    let in_override = context.environment.filled("DH_INTERNAL_OVERRIDE").is_some_and(|value| value != "0");
    if !in_override || build.no_act {
        return Ok(());
    }
    for package in &build.selected {
        let contents = format!("{}\n", context.tool).into_bytes();
        apply::plan(&Plan::new([Action::Append { path: build.log(package), contents }]), &context.printer, false)?;
    }
    Ok(())
}

fn arguments() -> Result<Vec<String>> {
    std::env::args_os()
        .skip(1)
        .map(|word| {
            word.into_string().map_err(|word| {
                Error::Usage(
                    Diagnostic::error(format!("the argument '{}' is not UTF-8", word.to_string_lossy()))
                        .hint("use names in UTF-8"),
                )
            })
        })
        .collect()
}

#[expect(clippy::disallowed_methods, reason = "asked once, here")]
pub(crate) fn working_directory() -> Result<PathBuf> {
    std::env::current_dir().map_err(|error| Error::io("find", Path::new("the working directory"), &error))
}

#[cfg(test)]
mod tests {
    use super::Environment;

    #[test]
    fn the_first_variable_about_colours_decides() {
        for (pairs, expected) in [
            (&[][..], None),
            (&[("NO_COLOR", "")], Some(false)),
            (&[("DPKG_COLORS", "always"), ("NO_COLOR", "1")], Some(true)),
            (&[("DPKG_COLORS", "never")], Some(false)),
            (&[("DH_COLORS", "auto"), ("DPKG_COLORS", "always"), ("NO_COLOR", "1")], None),
            (&[("DH_COLORS", "always"), ("DPKG_COLORS", "never")], Some(true)),
        ] {
            let environment = Environment::from_pairs(pairs.iter().copied());
            assert_eq!(environment.colour(), expected, "{pairs:?}");
        }
    }
}
