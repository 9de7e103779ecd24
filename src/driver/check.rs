//! `check`: what is built is looked at, built again, and installed and booted.
//!
//! Owns the checks, their order and their summary. Each one runs in a session of
//! its own; its log stays beside what was checked.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde::Serialize;

use crate::apply;
use crate::error::{Diagnostic, Error, Result};
use crate::helper::venv::distribution::hex;
use crate::input;
use crate::plan::Process;

use super::build::{self, checksums};
use super::context::{Context, last_words};
use super::environment::{Base, Environments, PROCESSES};
use super::fetch::json;
use super::hold::Workroom;
use super::process;
use super::session::{Bind, Session, Step, Upper};
use super::shell_session::memory;
use super::target::Suite;

const LINTIAN: &str = include_str!("../../share/driver/lintian.sh");
const INIT_SYSTEM: &str = include_str!("../../share/driver/init-system.sh");
const INSTALL: &str = include_str!("../../share/driver/install.sh");
const BOOTED: &str = include_str!("../../share/driver/booted.sh");
/// How long a check may take.
const LIMIT: Duration = Duration::from_secs(3600);

/// A check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Check {
    /// lintian of the suite finds no error.
    Lintian,
    /// A second build gives the same packages, byte for byte.
    Rebuild,
    /// The packages install into a minimal system with systemd, it boots, their
    /// services run, and a purge leaves nothing of them behind.
    Install,
}

/// All of them, in order.
pub const ALL: [Check; 3] = [Check::Lintian, Check::Rebuild, Check::Install];

impl Check {
    /// Its name on the command line and in the summary.
    pub fn name(self) -> &'static str {
        match self {
            Self::Lintian => "lintian",
            Self::Rebuild => "rebuild",
            Self::Install => "install",
        }
    }
}

/// What is asked for.
#[derive(Debug, Clone)]
pub struct Request {
    /// The .changes file.
    pub changes: PathBuf,
    /// Suite that it was built for.
    pub suite: Suite,
    /// Architecture that it was built for.
    pub architecture: String,
    /// Which checks.
    pub checks: Vec<Check>,
    /// How it was built; where absent, the source package of the .changes is built again.
    pub build: Option<build::Request>,
}

/// A row of the summary.
#[derive(Debug, Clone, Serialize)]
pub struct Verdict {
    /// Which check.
    pub check: &'static str,
    /// Whether it holds.
    pub passed: bool,
    /// What was found, in a sentence.
    pub found: String,
    /// Seconds.
    pub seconds: f64,
    /// The log, beside the .changes file.
    pub log: String,
}

/// Carry out the checks; a verdict each.
pub fn check(context: &Context<'_>, request: &Request) -> Result<Vec<Verdict>> {
    let text = input::text(&request.changes)?
        .ok_or_else(|| Error::failed(format!("there is no file {}", request.changes.display())))?;
    let files: Vec<String> = checksums(&text, &request.changes).into_keys().collect();
    let directory = request.changes.parent().map(Path::to_owned).unwrap_or_default();
    let work = Workroom::new(&context.cache()?.join("work"))?;
    let environments = Environments::new(context)?;
    let checker = Checker { context, request, environments, directory, files, work: work.path() };
    let mut verdicts = Vec::new();
    for check in &request.checks {
        context.say(format!("checking: {}", check.name()));
        let began = Instant::now();
        let log = format!("check-{}.log", check.name());
        apply::remove(&checker.directory.join(&log))?;
        let found = checker.one(*check, &checker.directory.join(&log))?;
        let (passed, found) = match found {
            Ok(found) => (true, found),
            Err(found) => (false, found),
        };
        verdicts.push(Verdict { check: check.name(), passed, found, seconds: began.elapsed().as_secs_f64(), log });
    }
    apply::write(&checker.directory.join("checks.json"), json(&verdicts)?.as_bytes(), 0o644)?;
    Ok(verdicts)
}

/// What a check has found: good or bad, in a sentence.
type Found = std::result::Result<String, String>;

struct Checker<'a> {
    context: &'a Context<'a>,
    request: &'a Request,
    environments: Environments<'a>,
    directory: PathBuf,
    files: Vec<String>,
    work: &'a Path,
}

impl Checker<'_> {
    fn one(&self, check: Check, log: &Path) -> Result<Found> {
        match check {
            Check::Lintian => self.lintian(log),
            Check::Rebuild => self.rebuild(log),
            Check::Install => self.install(log),
        }
    }

    fn lintian(&self, log: &Path) -> Result<Found> {
        let tools = self.environments.tools(self.request.suite.name, &self.request.architecture)?;
        let base = self.environments.layer(tools, "lintian", &[], Step::script(LINTIAN, &[]), Vec::new())?;
        let name = self.request.changes.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let command = ["lintian", "--no-cfg", "--tag-display-limit", "0", "--fail-on", "error", &name];
        let step = Step {
            user: "builder".into(),
            directory: "/run/result".into(),
            environment: Default::default(),
            command: command.map(str::to_owned).to_vec(),
        };
        let binds = vec![Bind { from: self.directory.clone(), to: "/run/result".into(), writable: false }];
        let ended = self.run(&base, binds, step, false, log)?;
        let text = String::from_utf8_lossy(&input::bytes(log)?.unwrap_or_default()).into_owned();
        let (errors, warnings) = (tags(&text, "E"), tags(&text, "W"));
        let found = format!("{errors} errors, {warnings} warnings");
        Ok(match ended {
            // Status 2: there are errors, and whether they count is decided here.
            Ended::Bad(words) if !words.starts_with("exit status 2") => Err(words),
            _ if errors > 0 => Err(found),
            _ => Ok(found),
        })
    }

    fn rebuild(&self, log: &Path) -> Result<Found> {
        let output = self.work.join("rebuilt");
        let mut request = match &self.request.build {
            Some(request) => request.clone(),
            None => match self.source()? {
                Some(source) => self.build_request(source),
                None => return Ok(Err("there is no source package to build again".to_owned())),
            },
        };
        request.output = output;
        request.wait = true;
        let built = match build::build(self.context, &request) {
            Ok(built) => built,
            Err(error) => return Ok(Err(error.diagnostics().first().map(ToString::to_string).unwrap_or_default())),
        };
        apply::write(log, &input::bytes(&built.directory.join("build.log"))?.unwrap_or_default(), 0o644)?;
        let mut differing = Vec::new();
        for name in self.packages() {
            let again = built.directory.join(&name);
            let same =
                input::kind(&again)?.is_some() && input::digest(&again)? == input::digest(&self.directory.join(&name))?;
            if !same {
                self.compare(&name, &again, log)?;
                differing.push(name);
            }
        }
        Ok(match differing.is_empty() {
            true => Ok("the same packages, byte for byte".to_owned()),
            false => Err(format!("not the same: {}", differing.join(", "))),
        })
    }

    /// What differs, in the log: by diffoscope where it is, else by sha256.
    fn compare(&self, name: &str, again: &Path, log: &Path) -> Result<()> {
        let first = self.directory.join(name);
        let words = [first.as_os_str(), again.as_os_str()].map(std::ffi::OsStr::to_owned);
        let text = match self.context.attempt(Process::new::<std::ffi::OsString>("diffoscope", words)) {
            Ok(output) => output.stdout,
            Err(_) => {
                let sum =
                    |path: &Path| input::digest(path).map(|digest| hex(&digest)).unwrap_or_else(|_| "none".to_owned());
                format!("{name}: sha256 {} and {}; install diffoscope to see what differs\n", sum(&first), sum(again))
                    .into()
            }
        };
        apply::action(&crate::plan::Action::Append { path: log.to_owned(), contents: text })
    }

    /// The source package of the .changes, unpacked.
    fn source(&self) -> Result<Option<PathBuf>> {
        let Some(dsc) = self.files.iter().find(|name| name.ends_with(".dsc")) else { return Ok(None) };
        let path = self.work.join("source/unpacked");
        apply::directory(&self.work.join("source"))?;
        let words = ["-x".into(), "--no-check".into(), self.directory.join(dsc).into_os_string(), path.clone().into()];
        self.context.output("dpkg-source", Process::new::<std::ffi::OsString>("dpkg-source", words))?;
        for name in self.files.iter().filter(|name| name.contains(".orig")) {
            let bytes = input::bytes(&self.directory.join(name))?.unwrap_or_default();
            apply::write(&self.work.join("source").join(name), &bytes, 0o644)?;
        }
        Ok(Some(path))
    }

    fn build_request(&self, source: PathBuf) -> build::Request {
        build::Request {
            source,
            wanted: None,
            allow_dirty: false,
            suite: self.request.suite,
            architecture: self.request.architecture.clone(),
            output: PathBuf::new(),
            kind: None,
            wait: true,
            limit: None,
            network: false,
            vendor: false,
            room: None,
        }
    }

    fn packages(&self) -> Vec<String> {
        let debug = |name: &str| name.contains("-dbgsym_");
        self.files.iter().filter(|name| name.ends_with(".deb") && !debug(name)).cloned().collect()
    }

    fn install(&self, log: &Path) -> Result<Found> {
        let (suite, architecture) = (self.request.suite.name, self.request.architecture.as_str());
        let minimal = self.environments.minimal(suite, architecture)?;
        let system =
            self.environments.layer(minimal, "init system", &[], Step::script(INIT_SYSTEM, &[]), Vec::new())?;
        let packages = self.packages();
        let mut inputs = Vec::new();
        for name in &packages {
            inputs.push(format!("{name} {}", hex(&input::digest(&self.directory.join(name))?)));
        }
        let paths: Vec<String> = packages.iter().map(|name| format!("/run/result/{name}")).collect();
        let paths: Vec<&str> = paths.iter().map(String::as_str).collect();
        let bind = Bind { from: self.directory.clone(), to: "/run/result".into(), writable: false };
        let installed =
            self.environments.layer(system, "installed packages", &inputs, Step::script(INSTALL, &paths), vec![bind]);
        let base = match installed {
            Ok(base) => base,
            Err(error) => {
                let words = error.diagnostics().iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
                apply::write(log, format!("{words}\n").as_bytes(), 0o644)?;
                return Ok(Err(words));
            }
        };
        let names: Vec<&str> = packages.iter().filter_map(|name| name.split('_').next()).collect();
        let ended = self.run(&base, Vec::new(), Step::script(BOOTED, &names), true, log);
        self.environments.forget(base)?;
        let ended = ended?;
        let text = String::from_utf8_lossy(&input::bytes(log)?.unwrap_or_default()).into_owned();
        let services = text.lines().filter(|line| line.ends_with(" is active")).count();
        Ok(match ended {
            Ended::Good => Ok(format!("installed, booted with {services} services, purged")),
            Ended::Bad(words) => Err(words),
        })
    }

    fn run(&self, base: &Base, binds: Vec<Bind>, step: Step, boot: bool, log: &Path) -> Result<Ended> {
        let session = Session {
            layers: base.layers.clone(),
            upper: Upper::Memory(memory()?),
            mount_point: self.environments.mount_point()?,
            network: false,
            binds,
            commands: vec![step],
            processes: PROCESSES,
            interactive: false,
            boot,
        };
        let mut tell = |line: &str| self.context.line(line);
        let ended = process::contained(&session.process()?, log, Some(LIMIT), &mut tell)?;
        if ended.success() {
            return Ok(Ended::Good);
        }
        let words = last_words(&input::bytes(log)?.unwrap_or_default());
        Ok(Ended::Bad(format!("{ended}: {words}")))
    }
}

/// How many tags of a severity lintian has named. That members compressed with
/// zstd are malformed is its opinion of the archive's needs, not a fault: dpkg of
/// every suite reads them, and dh_venv makes them.
fn tags(text: &str, severity: &str) -> usize {
    let own = format!("{severity}: ");
    let zstd = |line: &&str| line.contains(" malformed-deb-archive ") && line.contains(".tar.zst not ");
    text.lines().filter(|line| line.starts_with(&own)).filter(|line| !zstd(line)).count()
}

enum Ended {
    Good,
    Bad(String),
}

/// The summary as a table.
pub fn table(verdicts: &[Verdict]) -> String {
    let row = |verdict: &Verdict| {
        let word = if verdict.passed { "passed" } else { "FAILED" };
        format!("{:<10} {word:<8} {:>7.1} s  {}\n", verdict.check, verdict.seconds, verdict.found)
    };
    verdicts.iter().map(row).collect()
}

/// An error where a check has failed.
pub fn judge(verdicts: &[Verdict]) -> Result<()> {
    let failed: Vec<&Verdict> = verdicts.iter().filter(|verdict| !verdict.passed).collect();
    if failed.is_empty() {
        return Ok(());
    }
    let fault = |verdict: &&Verdict| {
        Diagnostic::error(format!("the check {} failed: {}", verdict.check, verdict.found))
            .hint(format!("its log is {} beside the .changes file", verdict.log))
    };
    Err(Error::Failed(failed.iter().map(fault).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zstd_is_no_error_and_everything_else_is() {
        let text = "E: notes: malformed-deb-archive second (official) member control.tar.zst not control.tar.(gz|xz)\n\
                    E: notes: malformed-deb-archive newline at the end\nW: notes: no-manual-page\nE: x: no-copyright-file\n";
        assert_eq!((tags(text, "E"), tags(text, "W")), (2, 1));
    }

    #[test]
    fn the_summary_names_what_failed() {
        let verdict =
            |passed| Verdict { check: "rebuild", passed, found: "so".into(), seconds: 1.25, log: "x.log".into() };
        assert_eq!(
            table(&[verdict(true), verdict(false)]),
            "rebuild    passed       1.2 s  so\nrebuild    FAILED       1.2 s  so\n"
        );
        assert!(judge(&[verdict(true)]).is_ok());
        assert_eq!(judge(&[verdict(false)]).unwrap_err().diagnostics()[0].message, "the check rebuild failed: so");
    }
}
