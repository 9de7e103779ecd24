//! appctl: the runtime of generated maintainer scripts, and the administrator's command.
//!
//! Owns its command line, what each command does, and its exit status: 0 done,
//! 1 failed, 2 wrong command line, 3 differs or degraded, 75 locked. The layers
//! below it: [`decide`], [`render`], [`mask`], [`diff`] and [`report`] are pure;
//! [`fs`] and [`store`] touch files, [`process`] starts programs; [`work`],
//! [`transaction`], [`check`] and [`service`] put them together. See appctl(1).

pub mod accounts;
pub mod bootstrap;
pub mod check;
pub mod cli;
pub mod complete;
pub mod decide;
pub mod diff;
pub mod effort;
pub mod fs;
pub mod journal;
pub mod look;
pub mod machine;
pub mod maint;
pub mod manager;
pub mod mask;
pub mod overrides;
pub mod package;
pub mod process;
pub mod programs;
pub mod render;
pub mod report;
pub mod secrets;
pub mod service;
pub mod store;
pub mod transaction;
pub mod work;

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;
use nix::sys::stat::{Mode, umask};
use nix::unistd::geteuid;
use serde_json::json;

use self::check::Verdict;
use self::cli::{Arguments, Command, Config, Service};
use self::decide::State;
use self::fs::Root;
use self::machine::{Ending, Machine};
use self::manager::{Action, Outcome};
use self::package::Package;
use self::programs::{Fleet, Verb};
use self::store::Store;
use self::work::{Access, Applied, Change, Work};
use crate::configuration::layer::{self, Source};
use crate::configuration::manifest::Backend;
use crate::configuration::setting::{Kind, Setting};
use crate::error::{Diagnostic, Error, Result, nearest};
use crate::message::Printer;

/// The longest value that is read from standard input, in bytes.
const LONGEST_VALUE: u64 = 1 << 20;

/// `main` of appctl.
pub fn main() -> ExitCode {
    crate::descriptors::close_inherited();
    umask(Mode::from_bits_truncate(0o022));
    let environment = environment();
    let colour = if environment.contains_key(&OsString::from("NO_COLOR")) { Some(false) } else { None };
    let printer = Printer::new("appctl", false, false, colour);
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            let text = error.render().to_string();
            if error.use_stderr() {
                printer.plain(&text)
            } else {
                printer.output(&text)
            }
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
        }
    };
    match machine(&arguments, environment, printer.clone()).and_then(|machine| run(&machine, arguments.command)) {
        Ok(ending) => ending.into(),
        Err(error) => {
            printer.error(&error);
            ExitCode::from(error.exit_status())
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "the environment is read once, here")]
fn environment() -> BTreeMap<OsString, OsString> {
    std::env::vars_os().collect()
}

/// `--root`, else DPKG_ROOT (dpkg(1)), else `/`.
fn machine(arguments: &Arguments, environment: BTreeMap<OsString, OsString>, printer: Printer) -> Result<Machine> {
    let variable = |name: &str| environment.get(&OsString::from(name)).filter(|value| !value.is_empty());
    let path = arguments.root.clone().or_else(|| variable("DPKG_ROOT").map(PathBuf::from));
    let root = Root::open(path.as_deref().unwrap_or(Path::new("/")))?;
    let in_maintainer_script = variable("DPKG_MAINTSCRIPT_PACKAGE").is_some();
    let is_root = geteuid().is_root();
    Ok(Machine { root, environment, in_maintainer_script, is_root, printer, json: arguments.json })
}

fn run(machine: &Machine, command: Command) -> Result<Ending> {
    match command {
        Command::Status { package } => each(machine, package.into_iter().collect(), status),
        Command::Config(Config::Show { package, key }) => show(machine, &package, key.as_deref()),
        Command::Config(Config::Set(set)) => self::set(machine, &set),
        Command::Config(Config::Unset { package, key }) => unset(machine, &package, key),
        Command::Config(Config::Restore { package, file }) => restore(machine, &package, file),
        Command::Config(Config::Diff { package }) => diff(machine, &package),
        Command::Config(Config::Check { package }) => check(machine, &package),
        Command::Config(Config::Apply { package }) => {
            each(machine, package, |machine, package| alter(machine, package, &Change::default()))
        }
        Command::Service(service) => serve(machine, &service),
        Command::Bootstrap(command) => bootstrap::run(machine, &command),
        Command::Maint(call) => maint::run(machine, &call),
        Command::EndOrphans => programs::orphans::end_all(machine).map(|()| Ending::Done),
        Command::MendLogs { package } => programs::mend_logs(machine, &package),
        Command::Words { word } => words(machine, &word),
    }
}

/// What a shell may complete. A machine that cannot be read has no names to offer, and
/// nothing is said about it: someone is in the middle of a line.
fn words(machine: &Machine, words: &[String]) -> Result<Ending> {
    let root = complete::root(words).and_then(|path| Root::open(&path).ok());
    let names = Manifests(root.as_ref().unwrap_or(&machine.root));
    machine.printer.output(&complete::lines(&complete::candidates(&cli::command(), words, &names)));
    Ok(Ending::Done)
}

/// The names in the manifests of a root.
struct Manifests<'a>(&'a Root);

impl complete::Names for Manifests<'_> {
    fn packages(&self) -> Vec<String> {
        package::known(self.0).unwrap_or_default()
    }

    fn settings(&self, package: &str) -> Vec<Setting> {
        Package::load(self.0, package).map(|package| package.manifest.settings).unwrap_or_default()
    }

    fn files(&self, package: &str) -> Vec<String> {
        let files = Package::load(self.0, package).map(|package| package.manifest.files).unwrap_or_default();
        files.into_iter().map(|file| file.path).collect()
    }

    fn programs(&self, package: &str) -> Vec<String> {
        let configured = || Package::load(self.0, package).map(|package| package.manifest.programs);
        let described =
            || Ok::<_, Error>(package::programs(self.0, package)?.map(|all| all.as_manifest(Backend::Systemd)));
        let programs = configured().or_else(|_| described().map(Option::unwrap_or_default)).unwrap_or_default();
        programs.into_iter().map(|program| program.name).collect()
    }
}

/// For each package named, else for all: one's failure does not keep the others from being done.
fn each(machine: &Machine, named: Vec<String>, one: impl Fn(&Machine, &str) -> Result<Ending>) -> Result<Ending> {
    if let [package] = named.as_slice() {
        return one(machine, package);
    }
    let packages = if named.is_empty() { package::all(&machine.root)? } else { named };
    let mut worst = Ending::Done;
    for package in packages {
        let ending = match one(machine, &package) {
            Ok(ending) => ending,
            Err(locked @ Error::Locked(_)) => return Err(locked),
            Err(error) => {
                machine.printer.error(&error);
                Ending::Failed
            }
        };
        worst = worst.max(ending);
    }
    Ok(worst)
}

fn show(machine: &Machine, package: &str, key: Option<&str>) -> Result<Ending> {
    let work = Work::open(machine, package, Access::Read)?;
    let settings = &work.package.manifest.settings;
    let wanted: Vec<&Setting> = match key {
        Some(key) => vec![layer::find(settings, key)?],
        None => settings.iter().collect(),
    };
    let effective = work.effective()?;
    let both = || wanted.iter().filter_map(|setting| Some((*setting, effective.get(&setting.name)?)));
    let text = match key {
        _ if machine.json => report::object(package, [("settings", report::settings(both()))]),
        Some(_) => both().map(|(setting, resolved)| report::shown(setting, resolved) + "\n").collect(),
        None => report::listing(settings, &effective),
    };
    machine.printer.output(&text);
    Ok(Ending::Done)
}

fn set(machine: &Machine, set: &cli::Set) -> Result<Ending> {
    let package = Package::load(&machine.root, &set.package)?;
    let mut change = Change::default();
    let mut faults = Vec::new();
    for (key, text) in if set.stdin { vec![from_stdin(set)?] } else { from_words(&package, &set.setting)? } {
        match layer::find(&package.manifest.settings, &key).and_then(|setting| accept(setting, &text, &mut change)) {
            Ok(()) => {}
            Err(fault) => faults.push(fault),
        }
    }
    if faults.is_empty() { alter(machine, &set.package, &change) } else { Err(Error::Failed(faults)) }
}

/// `KEY=VALUE` words. A secret is refused before anything is said about its value:
/// it has been seen in the list of processes already.
fn from_words(package: &Package, words: &[String]) -> Result<Vec<(String, String)>> {
    let mut pairs = Vec::new();
    for word in words {
        let Some((key, value)) = word.split_once('=') else {
            return Err(Error::Usage(
                Diagnostic::error(format!("'{word}' has no '='")).hint("write KEY=VALUE; or use --stdin"),
            ));
        };
        if package.manifest.settings.iter().any(|setting| setting.name == key && setting.is_secret()) {
            return Err(Error::Usage(
                Diagnostic::error(format!("'{key}' is a secret, and a command line can be seen by everybody")).hint(
                    format!("give another value on standard input: appctl config set {} {key} --stdin", package.name),
                ),
            ));
        }
        pairs.push((key.to_owned(), value.to_owned()));
    }
    Ok(pairs)
}

fn from_stdin(set: &cli::Set) -> Result<(String, String)> {
    let [key] = set.setting.as_slice() else {
        return Err(Error::Usage(
            Diagnostic::error("--stdin takes the name of one setting").hint("one call for each setting"),
        ));
    };
    if key.contains('=') {
        return Err(Error::Usage(
            Diagnostic::error("with --stdin the value comes from standard input")
                .hint("write the setting's name alone"),
        ));
    }
    Ok((key.clone(), from_stdin_text()?))
}

/// Standard input, without the line's end.
fn from_stdin_text() -> Result<String> {
    let mut text = String::new();
    let read = std::io::stdin().take(LONGEST_VALUE).read_to_string(&mut text);
    read.map_err(|error| {
        Diagnostic::error(format!("cannot read the value from standard input: {error}"))
            .hint("hand over one text in UTF-8, for example with printf '%s'")
    })?;
    Ok(text.strip_suffix('\n').unwrap_or(&text).to_owned())
}

/// Take a value into the change, if its setting's type accepts it.
fn accept(setting: &Setting, text: &str, change: &mut Change) -> std::result::Result<(), Diagnostic> {
    if let Kind::PasswordHash { from, .. } = &setting.kind {
        return Err(
            Diagnostic::error(format!("'{}' is made from '{from}'", setting.name)).hint(format!("set '{from}'"))
        );
    }
    let value = setting.parse(text).map_err(|reason| {
        Diagnostic::error(format!("bad value of '{}': {reason}", setting.name))
            .hint("nothing has been changed: give another value")
    })?;
    let values = if setting.is_secret() { &mut change.secrets } else { &mut change.set };
    values.insert(setting.name.clone(), value.to_string());
    Ok(())
}

/// What is made from another setting has no value of its own.
fn refuse_made(setting: &Setting) -> std::result::Result<(), Diagnostic> {
    match &setting.kind {
        Kind::PasswordHash { from, .. } => {
            Err(Diagnostic::error(format!("'{}' is made from '{from}'", setting.name)).hint(format!("change '{from}'")))
        }
        _ => Ok(()),
    }
}

fn unset(machine: &Machine, package: &str, keys: Vec<String>) -> Result<Ending> {
    let loaded = Package::load(&machine.root, package)?;
    for key in &keys {
        layer::find(&loaded.manifest.settings, key).and_then(refuse_made)?;
    }
    alter(machine, package, &Change { unset: BTreeSet::from_iter(keys), ..Change::default() })
}

/// What an administrator has edited or deleted is the package's again.
fn restore(machine: &Machine, package: &str, paths: Vec<String>) -> Result<Ending> {
    let loaded = Package::load(&machine.root, package)?;
    let known: Vec<&str> = loaded.manifest.files.iter().map(|file| file.path.as_str()).collect();
    if let Some(unknown) = paths.iter().find(|path| !known.contains(&path.as_str())) {
        let hint = match nearest(unknown, known.iter().copied()) {
            Some(near) => format!("did you mean '{near}'?"),
            None if known.is_empty() => "it has none".to_owned(),
            None => format!("there are: {}", known.join(", ")),
        };
        return Err(Diagnostic::error(format!("'{unknown}' is no file that appctl renders for {package}"))
            .hint(hint)
            .into());
    }
    alter(machine, package, &Change { restore: BTreeSet::from_iter(paths), ..Change::default() })
}

/// Change, apply and converge: the administrator's way.
fn alter(machine: &Machine, package: &str, change: &Change) -> Result<Ending> {
    let mut work = Work::open(machine, package, Access::Write)?;
    work.change(change);
    let applied = apply(machine, &mut work, change)?;
    let outcomes = work.converge()?;
    if machine.json {
        let parts = [("files", report::files(&applied.reports)), ("services", report::services(&outcomes))];
        machine.printer.json(&report::object(package, parts));
    }
    Ok(say_converged(machine, &outcomes))
}

/// Apply what has been changed in `work`, and say what that did.
fn apply(machine: &Machine, work: &mut Work<'_>, change: &Change) -> Result<Applied> {
    warn_overridden(machine, work, change)?;
    let applied = work.apply(machine.json)?;
    for warning in &applied.warnings {
        machine.printer.diagnostic(warning);
    }
    for line in report::lines(&applied.reports) {
        machine.printer.note(&line);
    }
    Ok(applied)
}

fn warn_overridden(machine: &Machine, work: &Work<'_>, change: &Change) -> Result<()> {
    let effective = work.effective()?;
    for name in change.set.keys() {
        let Some(resolved) = effective.get(name).filter(|resolved| resolved.source != Source::Set) else { continue };
        if let Some(location) = &resolved.location {
            machine.printer.diagnostic(
                &Diagnostic::warning(format!("'{name}' is set, but a later file gives it another value"))
                    .at(location.clone())
                    .hint("the last file in the order of the names wins; change or remove that line"),
            );
        }
    }
    Ok(())
}

/// Say what became of the programs. A service that does not start is no reason
/// for dpkg to give up.
fn say_converged(machine: &Machine, outcomes: &[Outcome]) -> Ending {
    let mut ending = Ending::Done;
    for outcome in outcomes {
        if let Some(line) = report::service(outcome) {
            machine.printer.note(&line);
        }
        if outcome.action == Action::Failed && !machine.in_maintainer_script {
            ending = Ending::Failed;
        }
        if let Some(fault) = &outcome.fault {
            let fault = Diagnostic { severity: severity(machine), ..fault.clone() };
            machine.printer.diagnostic(&fault);
        }
    }
    ending
}

fn severity(machine: &Machine) -> crate::error::Severity {
    if machine.in_maintainer_script { crate::error::Severity::Warning } else { crate::error::Severity::Error }
}

fn serve(machine: &Machine, service: &Service) -> Result<Ending> {
    let (verb, named) = match service {
        Service::Converge { package } => return converge(machine, package),
        Service::Status(named) => return fleet(machine, &named.package, None)?.status(named.program.as_deref()),
        Service::Start(named) => (Verb::Start, named),
        Service::Stop(named) => (Verb::Stop, named),
        Service::Restart(named) => (Verb::Restart, named),
        Service::Enable(named) => (Verb::Enable, named),
        Service::Disable(named) => (Verb::Disable, named),
    };
    // A package without programs gets no state either.
    fleet(machine, &named.package, None)?;
    let store = Store::open(&machine.root, &named.package, true)?;
    let outcomes = fleet(machine, &named.package, store.as_ref())?.act(verb, named.program.as_deref())?;
    said(machine, &named.package, &outcomes)
}

/// The programs of a package that has some.
fn fleet<'a>(machine: &'a Machine, package: &str, store: Option<&'a Store>) -> Result<Fleet<'a>> {
    Fleet::open(machine, package, store)?.ok_or_else(|| {
        Diagnostic::error(format!("the package '{package}' has no programs that appctl knows"))
            .hint("is it installed? /usr/share/appctl has the packages that appctl knows")
            .into()
    })
}

fn converge(machine: &Machine, package: &str) -> Result<Ending> {
    let mut outcomes = Vec::new();
    let mut is_fatal = false;
    let has_programs = package::programs(&machine.root, package)?.is_some();
    if has_programs {
        // The lock is let go of before the journal's holder takes it.
        let store = Store::open(&machine.root, package, true)?;
        if let (Some(store), Some(fleet)) = (&store, Fleet::open(machine, package, store.as_ref())?) {
            outcomes = fleet.converge(store)?;
            is_fatal = outcomes.iter().any(|outcome| fleet.is_fatal(outcome));
        }
    }
    // What has just started has read its configuration, and is left alone.
    if !has_programs || package::all(&machine.root)?.iter().any(|known| known == package) {
        let mut work = Work::open(machine, package, Access::Finish)?;
        work.settle()?;
        outcomes.extend(work.converge()?);
    }
    let ending = said(machine, package, &outcomes)?;
    Ok(if is_fatal { Ending::Failed } else { ending })
}

/// Say what became of the programs, in the asked-for form.
fn said(machine: &Machine, package: &str, outcomes: &[Outcome]) -> Result<Ending> {
    if machine.json {
        machine.printer.json(&report::object(package, [("services", report::services(outcomes))]));
    }
    Ok(say_converged(machine, outcomes))
}

fn diff(machine: &Machine, package: &str) -> Result<Ending> {
    let mut work = Work::open(machine, package, Access::Read)?;
    let prepared = work.prepare()?;
    let steps = &prepared.decision.steps;
    let one = |step| diff::of(step, &prepared.rendering, &prepared.snapshot);
    if machine.json {
        let diff: String = steps.iter().map(one).collect();
        let parts = [("files", report::files(&prepared.decision.reports)), ("diff", diff.into())];
        machine.printer.json(&report::object(package, parts));
    } else {
        steps.iter().for_each(|step| machine.printer.output(&one(step)));
    }
    Ok(if prepared.decision.is_nothing() { Ending::Done } else { Ending::Differs })
}

fn check(machine: &Machine, package: &str) -> Result<Ending> {
    let mut work = Work::open(machine, package, Access::Read)?;
    let prepared = work.prepare()?;
    let mut ending = Ending::Done;
    let mut files = Vec::new();
    for file in &prepared.rendering.wanted.files {
        let verdict = work.verdict(&prepared.rendering, &file.path, &file.contents)?;
        let word = match &verdict {
            Verdict::Good => "good",
            Verdict::NotRun(_) => "not-run",
            Verdict::Refused(_) => "refused",
        };
        files.push(json!({"path": file.path, "check": word}));
        match verdict {
            Verdict::Good => {}
            Verdict::NotRun(warning) => machine.printer.diagnostic(&warning),
            Verdict::Refused(fault) => {
                ending = Ending::Failed;
                machine.printer.diagnostic(&fault);
            }
        }
    }
    if machine.json {
        machine.printer.json(&report::object(package, [("files", files.into())]));
    } else if ending == Ending::Done {
        machine
            .printer
            .note(&format!("{package}: {} files can be rendered, and their checks accept them", files.len()));
    }
    Ok(ending)
}

fn status(machine: &Machine, package: &str) -> Result<Ending> {
    let mut work = Work::open(machine, package, Access::Read)?;
    let interrupted = work.journal.pending.is_some();
    let prepared = work.prepare()?;
    let reports = &prepared.decision.reports;
    let waiting = &work.journal.changed;
    let storages = bootstrap::storages(machine, package)?;
    let is_reachable = storages.as_ref().is_none_or(bootstrap::is_reachable);
    let is_applied = !interrupted && waiting.is_empty() && prepared.decision.is_nothing();
    let is_well = is_applied && is_reachable;
    if machine.json {
        let services: Vec<_> =
            waiting.iter().map(|(program, note)| json!({"program": program, "waits-for": note.need})).collect();
        let mut parts = vec![
            ("files", report::files(reports)),
            ("services", services.into()),
            ("interrupted", interrupted.into()),
            ("degraded", (!is_well).into()),
        ];
        parts.extend(storages.map(|mut json| ("storages", json["storages"].take())));
        machine.printer.json(&report::object(package, parts));
    } else {
        let mut text = format!("{package}: {}\n", if is_applied { "up to date" } else { "not up to date" });
        if interrupted {
            text += "  a run was interrupted; 'appctl config apply' goes on with it\n";
        }
        for report in reports.iter().filter(|report| report.state != State::Unchanged) {
            text += &format!("  {}: {}\n", report.path, report::state(report));
        }
        for (program, note) in waiting {
            text += &format!("  {}\n", report::waiting(program, note));
        }
        for line in storages.iter().flat_map(bootstrap::servers) {
            text += &format!("  {line}\n");
        }
        machine.printer.output(&text);
    }
    Ok(if is_well { Ending::Done } else { Ending::Differs })
}
