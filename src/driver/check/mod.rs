//! `check`: what is built is looked at, built again, and installed and booted.
//!
//! Owns the checks, what they are called, and their summary. Each one runs in
//! sessions of its own, all of them at once; its log stays beside what was checked.

mod install;
mod outside;
mod rebuild;

pub use rebuild::{Again, build_and_check};

use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use serde::Serialize;

use crate::apply;
use crate::error::{Diagnostic, Error, Result};
use crate::input;

use super::changes;
use super::context::{Context, Task, last_words};
use super::environment::{Base, Environments};
use super::hold::Workroom;
use super::json::json;
use super::process;
use super::results::Place;
use super::session::take::{self, Take};
use super::session::{self, Bind, Boot, PROCESSES, Session, Step, Upper, memory};
use super::target::Suite;

const INSTALL_TOOL: &str = include_str!("../../../share/driver/install-tool.sh");
/// How long a check may take.
const LIMIT: Duration = Duration::from_secs(3600);

/// A check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Check {
    /// lintian of the suite finds no error.
    Lintian,
    /// A second build, under other circumstances, gives the same packages, byte for byte.
    Rebuild,
    /// The packages install into a minimal system that has booted, their services
    /// run and answer, also after the next boot, and a purge leaves nothing of them behind.
    Install,
    /// piuparts of the suite finds nothing left behind.
    Piuparts,
    /// The tests of debian/tests pass.
    Autopkgtest,
}

/// All of them, in order.
pub const ALL: [Check; 5] = [Check::Lintian, Check::Rebuild, Check::Install, Check::Piuparts, Check::Autopkgtest];
/// Those that run where nothing is said.
pub const DEFAULT: [Check; 3] = [Check::Lintian, Check::Rebuild, Check::Install];

impl Check {
    /// Its name on the command line and in the summary.
    pub fn name(self) -> &'static str {
        match self {
            Self::Lintian => "lintian",
            Self::Rebuild => "rebuild",
            Self::Install => "install",
            Self::Piuparts => "piuparts",
            Self::Autopkgtest => "autopkgtest",
        }
    }

    /// `default`, `all`, or names with commas between them.
    pub fn named(words: &str) -> Result<Vec<Self>> {
        let mut checks = Vec::new();
        for word in words.split(',').map(str::trim) {
            match (word, ALL.into_iter().find(|one| one.name() == word)) {
                ("all", _) => checks.extend(ALL),
                ("default", _) => checks.extend(DEFAULT),
                (_, Some(one)) => checks.push(one),
                _ => {
                    let names = ALL.map(Self::name).join(", ");
                    let fault = Diagnostic::error(format!("unknown check '{word}'"));
                    return Err(Error::Usage(fault.hint(format!("checks are {names}; default and all are groups"))));
                }
            }
        }
        Ok(ALL.into_iter().filter(|one| checks.contains(one)).collect())
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
    /// The source directory, where it is at hand.
    pub source: Option<PathBuf>,
    /// Whether somebody trusts the packages with root's powers over this machine.
    pub privileged: bool,
}

/// What came of a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// It holds.
    Passed,
    /// It does not.
    Failed,
    /// There was nothing that it could look at.
    None,
    /// It needs powers that a package has not while it is checked.
    Untestable,
}

/// A row of the summary.
#[derive(Debug, Clone, Serialize)]
pub struct Verdict {
    /// Which check.
    pub check: &'static str,
    /// What came of it.
    pub result: Outcome,
    /// What was found, in a sentence.
    pub found: String,
    /// Seconds.
    pub seconds: f64,
    /// The log, beside the .changes file.
    pub log: String,
}

/// Carry out the checks, all at once; a verdict each. `again` is a second build that is under way.
pub fn check<'a>(context: &'a Context<'a>, request: &'a Request, again: Option<Again<'a>>) -> Result<Vec<Verdict>> {
    let text = input::text(&request.changes)?
        .ok_or_else(|| Error::failed(format!("there is no file {}", request.changes.display())))?;
    let name = request.changes.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let listed = changes::listed(&text, &name)
        .map_err(|fault| Error::failed(format!("{}: {fault}", request.changes.display())))?;
    let files: Vec<String> = listed.iter().map(|one| one.name.to_string()).collect();
    let directory = request.changes.parent().map(Path::to_owned).unwrap_or_default();
    let work = Workroom::new(context, &context.cache()?.join("work"))?;
    // A copy of what the .changes describes is looked at, which nobody changes meanwhile.
    let copies = work.path().join("result");
    apply::directory(&copies)?;
    let most = listed.iter().map(|one| one.size).sum();
    let take = Take { from: "/".into(), index: vec![name], to: copies.clone(), most, alone: false };
    take::take(&take, &directory).map_err(Error::failed)?;
    session::hand_over(&copies)?;
    let environments = Environments::new(context)?;
    let again = Mutex::new(again);
    let checker = Checker {
        context,
        request,
        environments,
        place: Place::of(&directory)?,
        copies,
        files,
        again,
        work: work.path(),
    };
    let verdicts = std::thread::scope(|scope| {
        let started: Vec<_> = request.checks.iter().map(|check| scope.spawn(|| checker.verdict(*check))).collect();
        let panicked = |_| Err(Error::failed("a check panicked"));
        started.into_iter().map(|one| one.join().unwrap_or_else(panicked)).collect::<Result<Vec<_>>>()
    })?;
    checker.place.write("checks.json", json(&verdicts)?.as_bytes())?;
    Ok(verdicts)
}

/// What a check has found, in a sentence.
struct Found(Outcome, String);

impl Found {
    fn good(text: impl Into<String>) -> Self {
        Self(Outcome::Passed, text.into())
    }

    fn bad(text: impl Into<String>) -> Self {
        Self(Outcome::Failed, text.into())
    }
}

struct Checker<'a> {
    context: &'a Context<'a>,
    request: &'a Request,
    environments: Environments<'a>,
    /// The directory of the results, for what is written there.
    place: Place,
    /// What the .changes file describes, for sessions to look at.
    copies: PathBuf,
    files: Vec<String>,
    again: Mutex<Option<Again<'a>>>,
    work: &'a Path,
}

/// A session of a check.
struct Run<'a> {
    base: &'a Base,
    binds: Vec<Bind>,
    steps: Vec<Step>,
    network: bool,
    boot: Option<Boot>,
}

impl Checker<'_> {
    fn verdict(&self, check: Check) -> Result<Verdict> {
        let began = Instant::now();
        let log = format!("check-{}.log", check.name());
        // The results' own directory may be somebody else's: the log goes there when it is whole.
        let path = self.work.join(&log);
        self.place.remove(&log)?;
        let task = self.context.begin(format!("checking: {}", check.name()));
        let Found(result, found) = match check {
            Check::Lintian => self.lintian(&path, &task),
            Check::Rebuild => self.rebuild(&path),
            Check::Install => self.install(&path, &task),
            Check::Piuparts => self.piuparts(&path, &task),
            Check::Autopkgtest => self.autopkgtest(&path, &task),
        }?;
        if let Some(bytes) = input::bytes(&path)? {
            self.place.write(&log, &bytes)?;
        }
        Ok(Verdict { check: check.name(), result, found, seconds: began.elapsed().as_secs_f64(), log })
    }

    fn lintian(&self, log: &Path, task: &Task<'_>) -> Result<Found> {
        let tools = self.environments.tools(self.request.suite.name, &self.request.architecture)?;
        let base = self.environments.layer(
            tools,
            "lintian",
            &["lintian".to_owned()],
            Step::script(INSTALL_TOOL, &["lintian"]),
            Vec::new(),
        )?;
        let name = self.request.changes.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let command = ["lintian", "--no-cfg", "--tag-display-limit", "0", "--fail-on", "error", &name];
        let step = Step::of("builder", "/run/result", &command);
        let run = Run { base: &base, binds: vec![self.result()], steps: vec![step], network: false, boot: None };
        let ended = self.run(run, log, task)?;
        let text = String::from_utf8_lossy(&input::bytes(log)?.unwrap_or_default()).into_owned();
        let (errors, warnings) = (tags(&text, "E"), tags(&text, "W"));
        let found = format!("{}, {}", counted(errors, "error"), counted(warnings, "warning"));
        Ok(match ended {
            // Status 2: there are errors, and whether they count is decided here.
            Ended::Bad(status, words) if status != Some(2) => Found::bad(words),
            _ if errors > 0 => Found::bad(found),
            _ => Found::good(found),
        })
    }

    /// The directory of the results, to look at.
    fn result(&self) -> Bind {
        Bind { from: self.copies.clone(), to: "/run/result".into(), writable: false }
    }

    /// File names of the packages that are installed.
    fn packages(&self) -> Vec<&str> {
        let debug = |name: &str| name.contains("-dbgsym_");
        self.files.iter().map(String::as_str).filter(|name| name.ends_with(".deb") && !debug(name)).collect()
    }

    fn run(&self, run: Run<'_>, log: &Path, task: &Task<'_>) -> Result<Ended> {
        let session = Session {
            layers: run.base.layers.clone(),
            upper: Upper::Memory(memory()?),
            mount_point: self.environments.mount_point()?,
            network: run.network,
            binds: run.binds,
            commands: run.steps,
            take: None,
            processes: PROCESSES,
            interactive: false,
            boot: run.boot,
        };
        // What boots waits for a system to come up, and is the last to end.
        let terms = process::Terms { limit: Some(LIMIT), patient: session.boot.is_none(), ..process::Terms::default() };
        let ended = process::contained_on(&session.process()?, log, terms, &mut |line| task.line(line))?;
        if ended.success() {
            return Ok(Ended::Good);
        }
        let words = last_words(&input::bytes(log)?.unwrap_or_default());
        let status = match ended {
            process::Ended::Status(status) => Some(status),
            _ => None,
        };
        Ok(Ended::Bad(status, format!("{ended}: {words}")))
    }
}

/// How many tags of a severity lintian has named. That members compressed with
/// zstd are malformed is its opinion of the archive's needs, not a fault: dpkg of
/// every suite reads them, and dh_venv makes them.
pub fn tags(text: &str, severity: &str) -> usize {
    let own = format!("{severity}: ");
    let zstd = |line: &&str| line.contains(" malformed-deb-archive ") && line.contains(".tar.zst not ");
    text.lines().filter(|line| line.starts_with(&own)).filter(|line| !zstd(line)).count()
}

/// `1 error`, `2 errors`.
fn counted(number: usize, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}

enum Ended {
    Good,
    /// With this exit status, where it had one, and these last words.
    Bad(Option<i32>, String),
}

/// The summary as a table.
pub fn table(verdicts: &[Verdict]) -> String {
    let row = |verdict: &Verdict| {
        let word = match verdict.result {
            Outcome::Passed => "passed",
            Outcome::Failed => "FAILED",
            Outcome::None => "none",
            Outcome::Untestable => "untested",
        };
        format!("{:<12} {word:<8} {:>7.1} s  {}\n", verdict.check, verdict.seconds, verdict.found)
    };
    verdicts.iter().map(row).collect()
}

/// An error where a check has failed, and another one where a check could not be made
/// contained: what a package says of itself must not pass for success.
pub fn judge(verdicts: &[Verdict]) -> Result<()> {
    let of = |result| verdicts.iter().filter(move |verdict| verdict.result == result).collect::<Vec<_>>();
    let (failed, untested) = (of(Outcome::Failed), of(Outcome::Untestable));
    if failed.is_empty() && untested.is_empty() {
        return Ok(());
    }
    if failed.is_empty() {
        let fault = |verdict: &&Verdict| {
            Diagnostic::warning(format!("the check {} was not made: {}", verdict.check, verdict.found))
                .hint("if you trust the packages with this machine, add --privileged-check")
        };
        return Err(Error::Untested(untested.iter().map(fault).collect()));
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
            |result| Verdict { check: "rebuild", result, found: "so".into(), seconds: 1.25, log: "x.log".into() };
        assert_eq!(
            table(&[verdict(Outcome::Passed), verdict(Outcome::Failed), verdict(Outcome::None)]),
            "rebuild      passed       1.2 s  so\nrebuild      FAILED       1.2 s  so\nrebuild      none         1.2 s  so\n"
        );
        assert!(judge(&[verdict(Outcome::Passed), verdict(Outcome::None)]).is_ok());
        let words = judge(&[verdict(Outcome::Failed)]).unwrap_err();
        assert_eq!(words.diagnostics()[0].message, "the check rebuild failed: so");
    }

    #[test]
    fn checks_are_named_alone_and_in_groups() {
        assert_eq!(Check::named("default").unwrap(), DEFAULT);
        assert_eq!(Check::named("install,lintian").unwrap(), [Check::Lintian, Check::Install]);
        assert_eq!(Check::named("all").unwrap(), ALL);
        assert!(matches!(Check::named("lint"), Err(Error::Usage(_))));
    }
}
