//! The check `install`: into a minimal system that has booted, as an
//! administrator would; its modules imported; then the next boot, then a purge.

use std::path::Path;

use crate::apply;
use crate::debian::paragraph;
use crate::error::{Diagnostic, Error, Result};
use crate::foreign::{PackageName, Refused, Relation};
use crate::input;

use super::super::context::Task;
use super::super::deb;
use super::super::session::{Boot, Step};
use super::{Checker, Ended, Found, Outcome, Run, counted};

const INIT_SYSTEM: &str = include_str!("../../../share/driver/init-system.sh");
const RUNTIME: &str = include_str!("../../../share/driver/runtime.sh");
const INSTALL: &str = include_str!("../../../share/driver/install.sh");
const IMPORTS: &str = include_str!("../../../share/driver/imports.sh");
/// Imports modules and tells which fail.
const PROGRAM: &str = include_str!("../../../share/python/imports.py");
const SERVICES: &str = include_str!("../../../share/driver/services.sh");
const PURGE: &str = include_str!("../../../share/driver/purge.sh");

impl Checker<'_> {
    pub(super) fn install(&self, log: &Path, task: &Task<'_>) -> Result<Found> {
        let (suite, architecture) = (self.request.suite.name, self.request.architecture.as_str());
        let packages = self.packages();
        if packages.is_empty() {
            return Ok(Found(Outcome::None, "there is no package to install".to_owned()));
        }
        if !nix::unistd::geteuid().is_root() || self.context.is_rootless() {
            return Ok(Found(Outcome::None, "a system boots only where root started this".to_owned()));
        }
        let minimal = self.environments.minimal(suite, architecture)?;
        let system = Step::script(INIT_SYSTEM, &[]);
        let mut base = self.environments.layer(minimal, "init system", &[], system, Vec::new())?;
        let (names, wanted) = match self.dependencies(&packages) {
            Ok(both) => both,
            Err(error) => return self.unfit(log, &error),
        };
        if !wanted.is_empty() {
            let (inputs, binds) = self.environments.repository(suite, architecture)?;
            let inputs: Vec<String> = inputs.into_iter().chain([wanted.clone()]).collect();
            let step = Step::script(RUNTIME, &[&wanted]);
            base = match self.environments.layer(base, "runtime dependencies", &inputs, step, binds) {
                Ok(base) => base,
                Err(error) => return self.unfit(log, &error),
            };
        }
        let boot = if self.request.privileged { Boot::Privileged } else { Boot::Contained };
        if boot == Boot::Privileged {
            self.context.warn(
                Diagnostic::warning("--privileged-check: the packages run with root's powers over this machine")
                    .hint("leave it out unless you trust them"),
            );
        }
        let paths: Vec<String> = packages.iter().map(|name| format!("/run/result/{name}")).collect();
        let paths: Vec<&str> = paths.iter().map(String::as_str).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let again = Step { after_boot: true, ..Step::script(SERVICES, &names) };
        let modules: Vec<&str> = std::iter::once(PROGRAM).chain(names.iter().copied()).collect();
        let steps = vec![
            Step::script(INSTALL, &paths),
            Step::script(IMPORTS, &modules),
            Step::script(SERVICES, &names),
            again,
            Step::script(PURGE, &names),
        ];
        let run = Run { base: &base, binds: vec![self.result()], steps, network: false, boot: Some(boot) };
        let ended = self.run(run, log, task)?;
        let text = String::from_utf8_lossy(&input::bytes(log)?.unwrap_or_default()).into_owned();
        // Each is looked at twice: after the installation and after the next boot.
        let count = |ending: &str| text.lines().filter(|line| line.ends_with(ending)).count() / 2;
        let (services, answers) = (count(" is active"), count(" answers"));
        Ok(match ended {
            Ended::Good => {
                let answers = if answers == 0 {
                    String::new()
                } else {
                    format!(", {} answered", counted(answers, "health check"))
                };
                Found::good(format!("installed, booted with {}{answers}, purged", counted(services, "service")))
            }
            Ended::Bad(_, words) => match untestable(&text).filter(|_| boot == Boot::Contained) {
                Some(why) => Found(Outcome::Untestable, format!("not testable contained: {why}")),
                None => Found::bad(words),
            },
        })
    }

    /// What is wrong with the packages before anything is installed.
    fn unfit(&self, log: &Path, error: &Error) -> Result<Found> {
        let words = error.diagnostics().iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
        apply::write(log, format!("{words}\n").as_bytes(), 0o644)?;
        Ok(Found::bad(words))
    }

    /// Names of the packages, and what they depend on outside themselves, as `apt-get satisfy` takes it.
    fn dependencies(&self, packages: &[&str]) -> Result<(Vec<String>, String)> {
        let mut names = Vec::new();
        let mut clauses = std::collections::BTreeSet::new();
        for file in packages {
            let text = deb::control(self.context, &self.copies.join(file))?;
            let (paragraphs, _) = paragraph::parse(&text, Path::new(file));
            let Some(control) = paragraphs.first() else { continue };
            let value = |name: &str| control.get(name).map(|field| field.value()).unwrap_or_default();
            let fault = |field: &str, refused: Refused| {
                let fault = Diagnostic::error(format!("{file}: {field}: {refused}"));
                Error::from(fault.hint("dpkg-deb --build makes no such package: build it anew"))
            };
            names.push(PackageName::new(&value("Package")).map_err(|refused| fault("Package", refused))?.to_string());
            for field in ["Pre-Depends", "Depends"] {
                for clause in value(field).split(',').filter(|clause| !clause.trim().is_empty()) {
                    clauses.insert(Relation::new(clause).map_err(|refused| fault(field, refused))?);
                }
            }
        }
        clauses.retain(|clause| !clause.names().any(|one| names.iter().any(|name| name == one)));
        let clauses: Vec<&str> = clauses.iter().map(Relation::as_str).collect();
        Ok((names, clauses.join(", ")))
    }
}

/// What a log says of something that ids of its own make impossible for a package
/// (user_namespaces(7), systemd.exec(5) "Process Exit Codes"), though it may be right.
fn untestable(log: &str) -> Option<&'static str> {
    let has = |one: &str, other: &str| log.lines().any(|line| line.contains(one) && line.contains(other));
    match () {
        () if has("mknod", "Operation not permitted") => Some("it makes device nodes"),
        () if has("mount", "permission denied") || has("mount", "Operation not permitted") => Some("it mounts"),
        () if log.contains("status=201/NICE") => Some("a service wants a negative nice value"),
        () if log.contains("status=213/OOM_ADJUST") => Some("a service wants to be spared when memory runs out"),
        () if log.contains("status=214/SETSCHEDULER") => Some("a service wants a real-time scheduler"),
        () if log.contains("status=205/LIMITS") => Some("a service wants limits beyond the machine's"),
        () if has("chown", "Invalid argument") => Some("it has files of ids above 65535"),
        () if has("sysctl", "ermission denied") || has("/proc/sys", "ermission denied") => {
            Some("it sets the kernel's parameters")
        }
        () => None,
    }
}
