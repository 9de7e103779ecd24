//! The shell of deb-build-app: arguments → command → messages and exit status.
//!
//! Owns the one reading of the process environment and what is printed, through
//! [`Screen`]. Exit status 0: done. 1: failed. 2: wrong command line. 75: locked.

use std::path::Path;
use std::process::ExitCode;

use clap::Parser;

use crate::debian::environment::Environment;
use crate::error::{Diagnostic, Error, Location, Result, Severity};
use crate::foreign::{Architecture, Refused, SuiteName};
use crate::message::Printer;

use super::check::Check;
use super::cli::{
    Arguments, Build, Checking, Command, Compression, Env, Fetch, New, Ref, Shell, Suites, Vendor, Which,
};
use super::context::{Context, Event};
use super::environment::{Environments, Recipe, Row};
use super::git::Wanted;
use super::job::{self, Backend};
use super::screen::Screen;
use super::target::Suite;
use super::{build, check, fetch, lock, new, report, session, shell_session, source, vendor};
use crate::descriptors::close_inherited;

/// Name in messages.
const TOOL: &str = "deb-build-app";

/// `main` of deb-build-app.
pub fn main() -> ExitCode {
    // What whoever started this has open is for nobody that it starts.
    close_inherited();
    if let Some(status) = session::main(std::env::args().skip(1)) {
        return ExitCode::from(u8::try_from(status).unwrap_or(u8::MAX));
    }
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => return refuse(&error),
    };
    let environment = Environment::read();
    if let Some(status) = as_root_of_a_namespace(&environment, &arguments.command) {
        return ExitCode::from(status);
    }
    let printer = Printer::new(TOOL, false, arguments.quiet, environment.colour());
    let screen = Screen::new(printer.clone(), arguments.quiet, arguments.verbose);
    let tell = |event: Event| screen.show(event);
    let outcome = crate::run::working_directory().and_then(|directory| {
        let context = Context { environment, directory, tell: &tell };
        run(&context, arguments.command, arguments.json)
    });
    let ended = match outcome {
        Ok(Said { text, then }) => {
            if arguments.json {
                printer.json(&text)
            } else {
                printer.output(&text)
            }
            then
        }
        Err(error) => Err(error),
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            printer.error(&error);
            ExitCode::from(error.exit_status())
        }
    }
}

/// What a command prints to standard output, and what it fails with afterwards.
struct Said {
    text: String,
    then: Result<()>,
}

impl From<String> for Said {
    fn from(text: String) -> Self {
        Self { text, then: Ok(()) }
    }
}

/// Run by an ordinary user, commands that need sessions run as root of a user
/// namespace, where unshare(1) can make one. The exit status of that run.
fn as_root_of_a_namespace(environment: &Environment, command: &Command) -> Option<u8> {
    let sessions = match command {
        Command::Build(options) => options.backend != Backend::Host,
        Command::Check(_) | Command::Env(_) => true,
        // Nothing of the source runs where what is there is only looked at.
        Command::Lock(options) => !options.check,
        Command::Vendor(options) => !options.check,
        _ => false,
    };
    if !sessions || nix::unistd::geteuid().is_root() {
        return None;
    }
    super::process::in_user_namespace(environment.all())
}

/// `--help` and `--version` go to standard output; a wrong command line is said
/// in the style of every other message.
fn refuse(error: &clap::Error) -> ExitCode {
    let environment = Environment::read();
    let printer = Printer::new(TOOL, false, false, environment.colour());
    if !error.use_stderr() {
        printer.output(&error.to_string());
        return ExitCode::SUCCESS;
    }
    let fault = Error::Usage(super::usage::diagnostic(error));
    printer.error(&fault);
    ExitCode::from(fault.exit_status())
}

/// Carry out a command; what it returns is printed to standard output.
fn run(context: &Context<'_>, command: Command, json: bool) -> Result<Said> {
    let text = match command {
        Command::Build(options) => return built(context, options, json),
        Command::Check(options) => return checked(context, options, json),
        Command::New(options) => begun(context, &options, json),
        Command::Fetch(options) => fetched(context, options, json),
        Command::Lock(options) => {
            let suites = suites(&options.suites)?;
            let (indexes, trusted) = (&options.suites.indexes, options.suites.trust_source);
            let path = lock::lock(context, &suites, indexes, options.upgrade, options.check, trusted)?;
            let names = suites.iter().map(|suite| suite.name).collect();
            if json {
                super::json::json(&report::Written::new(&path, names))
            } else {
                Ok(format!("{}\n", path.display()))
            }
        }
        Command::Vendor(options) => return vendored(context, options, json),
        Command::Env(Env::Shell(_)) if json => {
            let fault = Diagnostic::error("env shell prints what its command prints, which is no JSON of ours");
            Err(Error::Usage(fault.hint("leave --json out")))
        }
        Command::Env(Env::Shell(options)) => opened(context, &options),
        Command::Env(command) => environments(context, command, json),
    };
    text.map(Said::from)
}

/// What `build --json` prints.
#[derive(serde::Serialize)]
struct Report<'a> {
    #[serde(flatten)]
    manifest: &'a build::Manifest,
    directory: &'a Path,
    changes: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    checks: Option<&'a [check::Verdict]>,
}

fn built(context: &Context<'_>, options: Build, json: bool) -> Result<Said> {
    let request = job::Request {
        wanted: wanted(&options.reference),
        allow_dirty: options.reference.allow_dirty,
        source: context.path(&options.source),
        suite: Suite::named(&options.suite)?,
        architecture: architecture(context, options.arch)?,
        output: context.path(&options.source.join(options.output)),
        kind: options.kind,
        wait: options.wait,
        limit: options.time_limit,
        network: options.network,
        vendor: options.vendor,
        room: options.room.map(|megabytes| megabytes * 1_000_000),
        variation: job::Variation::Usual,
        backend: options.backend,
        unwanted: None,
        trust: options.trust_source,
    };
    let checks = options.check.as_deref().map(Check::named).transpose()?;
    let told = |built: &build::Built| {
        let seconds: f64 = built.manifest.seconds.values().sum();
        context.say(format!("built {} files in {seconds:.1} s", built.manifest.outputs.len()));
    };
    let (built, verdicts) = match checks {
        Some(checks) => {
            let (built, verdicts) = check::build_and_check(context, &request, checks, options.privileged_check, &told)?;
            check::table(&verdicts).lines().for_each(|line| context.say(line));
            (built, Some(verdicts))
        }
        None => {
            let built = build::build(context, &request)?;
            told(&built);
            (built, None)
        }
    };
    let changes = built.directory.join(&built.changes);
    let then = verdicts.as_deref().map_or(Ok(()), check::judge);
    let checks = verdicts.as_deref();
    let (directory, manifest) = (&built.directory, &built.manifest);
    let text = match json {
        true => super::json::json(&Report { manifest, directory, changes: &built.changes, checks })?,
        false => format!("{}\n", changes.display()),
    };
    Ok(Said { text, then })
}

fn checked(context: &Context<'_>, options: Checking, json: bool) -> Result<Said> {
    let changes = context.path(&options.changes);
    let (noted_suite, noted_architecture) = noted(&changes.with_file_name("manifest.json"))?;
    let suite = options.suite.or(noted_suite).unwrap_or_else(|| "bookworm".to_owned());
    let architecture = architecture(context, options.arch.or(noted_architecture))?;
    let checks = match (options.all, options.only.is_empty()) {
        (true, _) => check::ALL.to_vec(),
        (false, true) => check::DEFAULT.to_vec(),
        (false, false) => Check::named(&options.only.join(","))?,
    };
    let suite = Suite::named(&suite)?;
    let privileged = options.privileged_check;
    let request = check::Request { changes, suite, architecture, checks, source: None, privileged };
    let verdicts = check::check(context, &request, None)?;
    let text = if json { super::json::json(&verdicts)? } else { check::table(&verdicts) };
    Ok(Said { text, then: check::judge(&verdicts) })
}

/// The suite and the architecture that a manifest.json names, which may come from anywhere.
fn noted(path: &Path) -> Result<(Option<String>, Option<String>)> {
    let text = crate::input::text(path)?.unwrap_or_default();
    let manifest: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
    let word = |key: &str| manifest.get(key).and_then(serde_json::Value::as_str);
    let fault = |key: &str, refused: Refused| {
        let line = text.lines().position(|line| line.contains(&format!("\"{key}"))).unwrap_or_default() + 1;
        Error::from(
            Diagnostic::error(refused.to_string())
                .at(Location::line(path, line))
                .hint(format!("name it yourself: --{key}, or build it anew")),
        )
    };
    let suite = word("suite").map(|text| SuiteName::new(text).map_err(|refused| fault("suite", refused)));
    let architecture =
        word("architecture").map(|text| Architecture::new(text).map_err(|refused| fault("arch", refused)));
    Ok((suite.transpose()?.map(|name| name.to_string()), architecture.transpose()?.map(|name| name.to_string())))
}

/// The suite and the architecture that are meant.
fn which(context: &Context<'_>, which: &Which) -> Result<(String, String)> {
    let suite = Suite::named(&which.suite)?.name.to_owned();
    Ok((suite, architecture(context, which.arch.clone())?))
}

/// An architecture that becomes part of paths; this machine's where none is named.
fn architecture(context: &Context<'_>, named: Option<String>) -> Result<String> {
    let Some(named) = named else { return context.architecture() };
    Architecture::new(&named).map(|name| name.to_string()).map_err(|refused| {
        Error::Usage(Diagnostic::error(refused.to_string()).hint("name one that dpkg knows, such as amd64"))
    })
}

fn environments(context: &Context<'_>, command: Env, json: bool) -> Result<String> {
    let all = Environments::new(context)?;
    match command {
        Env::Create(options) => {
            let (suite, architecture) = which(context, &options.which)?;
            let sources = all.sources(&suite, options.mirror.as_deref())?;
            let from = options.from.map(|from| context.path(&from));
            let include = options.include;
            let (one, other) = (suite.clone(), architecture.clone());
            let recipe = Recipe { suite, architecture, sources, from, include, debs: Default::default() };
            let (generation, changed) = all.create(recipe, &options.debs)?;
            match json {
                true => super::json::json(&report::Made::new(&one, &other, &generation, changed)),
                false => Ok(format!("{}\n", generation.id)),
            }
        }
        Env::Update(one) => {
            let (suite, architecture) = which(context, &one)?;
            let (generation, changed) = all.update(&suite, &architecture)?;
            if json {
                return super::json::json(&report::Made::new(&suite, &architecture, &generation, changed));
            }
            if changed {
                return Ok(format!("{}\n", generation.id));
            }
            context.say("nothing has changed");
            Ok(String::new())
        }
        Env::Remove(one) => {
            let (suite, architecture) = which(context, &one)?;
            let removed = all.remove(&suite, &architecture)?;
            if json { super::json::json(&report::Removed::new(&removed)) } else { Ok(String::new()) }
        }
        Env::Gc(options) => {
            let removed = all.collect(options.keep_days * 24 * 3600)?;
            if json {
                return super::json::json(&report::Removed::new(&removed));
            }
            context.say(format!("{} removed", removed.len()));
            Ok(String::new())
        }
        Env::List => {
            let rows = all.list()?;
            if json { super::json::json(&rows) } else { Ok(table(&rows)) }
        }
        Env::Shell(_) => Ok(String::new()),
    }
}

fn table(rows: &[Row]) -> String {
    let mut text = format!("{:<18} {:<14} {:>9} {:>8} {}\n", "ENVIRONMENT", "ID", "MB", "DAYS", "WHAT");
    for row in rows {
        let old = if row.current { "" } else { " (old)" };
        let (megabytes, days) = (row.size / 1_000_000, row.age / 86_400);
        let line = format!("{:<18} {:<14} {megabytes:>9} {days:>8} {}{old}\n", row.environment, row.id, row.purpose);
        text.push_str(&line);
    }
    text
}

fn opened(context: &Context<'_>, options: &Shell) -> Result<String> {
    let (suite, architecture) = which(context, &options.which)?;
    let status = shell_session::open(context, &suite, &architecture, !options.offline, &options.command)?;
    if status.success() { Ok(String::new()) } else { Err(Error::failed(format!("the command ended with {status}"))) }
}

fn suites(options: &Suites) -> Result<Vec<Suite>> {
    let default = ["bookworm".to_owned(), "trixie".to_owned()];
    let names = if options.suites.is_empty() { &default[..] } else { &options.suites };
    names.iter().map(|name| Suite::named(name)).collect()
}

fn vendored(context: &Context<'_>, options: Vendor, json: bool) -> Result<Said> {
    let mut architectures = options.architectures;
    if architectures.is_empty() {
        architectures.push(context.architecture()?);
    }
    let suites = suites(&options.suites)?;
    let (indexes, trusted) = (options.suites.indexes, options.suites.trust_source);
    let request = vendor::Request { suites, architectures, indexes, component: options.component, trusted };
    if options.check {
        let (path, faults) = vendor::check(context, &request)?;
        let text = if json { super::json::json(&report::Faults::new(&path, &faults))? } else { String::new() };
        let bad = faults.iter().any(|fault| fault.severity == Severity::Error);
        return Ok(Said { text, then: if bad { Err(Error::Failed(faults)) } else { Ok(()) } });
    }
    let outcome = vendor::vendor(context, &request)?;
    if json {
        return super::json::json(&outcome).map(Said::from);
    }
    context.say(format!("{} files", outcome.files.len()));
    Ok(format!("{}\n", outcome.path.display()).into())
}

fn begun(context: &Context<'_>, options: &New, json: bool) -> Result<String> {
    let mut text = String::new();
    let outcome = new::new(context, options.name.as_deref(), options.dry_run)?;
    if json {
        return super::json::json(&report::Debianised::new(&outcome, options.dry_run));
    }
    for file in outcome.files {
        text.push_str(&format!("{}: {}\n", file.path.display(), file.why));
        if options.dry_run {
            file.contents.lines().for_each(|line| text.push_str(&format!("\t{line}\n")));
        }
    }
    let suite = outcome.suite.map(|suite| format!(" --suite {suite}")).unwrap_or_default();
    if !options.dry_run {
        let next = format!("deb-build-app build{suite} --vendor --check");
        context.say(format!("read debian/copyright and debian/control, then: {next}"));
    }
    Ok(text)
}

fn wanted(reference: &Ref) -> Option<Wanted> {
    let tag = reference.tag.clone().map(Wanted::Tag);
    let branch = reference.branch.clone().map(Wanted::Branch);
    tag.or(branch).or_else(|| reference.commit.clone().map(Wanted::Commit))
}

fn fetched(context: &Context<'_>, options: Fetch, json: bool) -> Result<String> {
    let request = fetch::Request {
        wanted: wanted(&options.reference),
        repository: options.repository,
        archive: options.archive,
        sha256: options.sha256,
        signature: options.signature,
        keyring: options.keyring,
        verify: options.verify,
        allow_dirty: options.reference.allow_dirty,
        name: options.name,
        version: options.upstream_version,
        compression: Some(match options.compression {
            Compression::Gz => source::Compression::Gzip,
            Compression::Xz => source::Compression::Xz,
        }),
        output: options.output,
    };
    let fetched = fetch::fetch(context, &request)?;
    if json {
        return super::json::json(&fetched.provenance);
    }
    context.say(format!("sha256 {}, signature: {}", fetched.provenance.sha256, fetched.provenance.signature));
    Ok(format!("{}\n", fetched.path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whoever hands a result over writes it.
    #[test]
    fn what_a_manifest_names_is_no_path() {
        let room = tempfile::tempdir().unwrap();
        let path = room.path().join("manifest.json");
        let of = |text: &str| {
            crate::apply::write(&path, text.as_bytes(), 0o644).unwrap();
            noted(&path)
        };
        assert_eq!(noted(&path).unwrap(), (None, None));
        let good = of("{\"suite\": \"trixie\", \"architecture\": \"amd64\"}").unwrap();
        assert_eq!(good, (Some("trixie".to_owned()), Some("amd64".to_owned())));
        let said = |text: &str| of(text).unwrap_err().diagnostics()[0].to_string();
        let fault = said("{\n\"suite\": \"trixie\",\n\"architecture\": \"amd64/../../x\"\n}");
        assert!(fault.ends_with("manifest.json:3: 'amd64/../../x' is no architecture: it has lower-case letters, digits and - (dpkg-architecture -L)"), "{fault}");
        assert!(said("{\"suite\": \"../x\"}").contains("manifest.json:1: '../x' is no suite"));
    }
}
