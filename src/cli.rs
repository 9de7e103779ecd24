//! debhelper's options, DH_OPTIONS and DH_INTERNAL_OPTIONS.
//!
//! Mirrors `getoptions` and `parseopts` of debhelper's `Dh_Getopt.pm` (13.11 to
//! 14.5), that is Getopt::Long with bundling, case sensitive and without
//! abbreviations (they end with compat 12): `-av`, `-Npkg`, `-X.svn`,
//! `--package=x`, `--package x`, `--v`, a prefix `+`, `-V` with a value or
//! none. `-O` words are kept back to the end of the list they stand in, each is
//! then taken alone, and dropped if it does not parse.
//!
//! Differences: `-h` exits 0; `--version` exists; an option that is no
//! debhelper option is the helper's own and goes to clap (normalised to
//! `--long=value`), where the last of several counts; white space before the
//! first word of `-u` makes no empty parameter; faults come as diagnostics. Nothing is read or printed here: [`parse`] turns words into
//! values.

use std::collections::{BTreeMap, VecDeque};

use clap::{Arg, ArgAction, Args, Command};

use crate::debian::environment::Environment;
use crate::error::{Diagnostic, Error, Result, nearest};

/// debhelper's options that are values for a helper; selection is in [`Request`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Common {
    /// `-v`, `--verbose`.
    pub verbose: bool,
    /// `--no-act`.
    pub no_act: bool,
    /// `-n`, `--noscripts`: leave maintainer scripts alone.
    pub no_scripts: bool,
    /// `-o`, `--onlyscripts`: do nothing but maintainer scripts.
    pub only_scripts: bool,
    /// `-X`, `--exclude`, in order; DH_ALWAYS_EXCLUDE is not in it.
    pub exclude: Vec<String>,
    /// `-d`.
    pub d_flag: bool,
    /// `-P`, `--tmpdir`.
    pub tmpdir: Option<String>,
    /// `-u`, split at white space, then the words after `--`.
    pub parameters: Vec<String>,
    /// `-V`: `Some("")` where it has no value.
    pub v_flag: Option<String>,
    /// `-A`, `--all`.
    pub all: bool,
    /// `--mainpackage`.
    pub main_package: Option<String>,
    /// `--name`.
    pub name: Option<String>,
    /// `--error-handler`.
    pub error_handler: Option<String>,
    /// `--dbg-package`.
    pub debug_package: Option<String>,
    /// `--remaining-packages`.
    pub remaining_packages: bool,
    /// Words that are no options.
    pub words: Vec<String>,
}

/// Where an option came from; decides what a fault in it means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    /// DH_INTERNAL_OPTIONS: what dh hands to an override target.
    Internal,
    /// DH_OPTIONS.
    Options,
    /// The command line.
    Arguments,
}

/// A selection of packages, to be resolved against debian/control.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Where it was asked.
    pub origin: Origin,
    /// Whether it stood in a `-O` word: then a fault in it is no error.
    pub optional: bool,
    /// What was asked.
    pub what: Wanted,
}

/// What a selection option asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wanted {
    /// `-a`.
    Arch,
    /// `-i`.
    Indep,
    /// `-p`.
    Package(String),
    /// `-N`.
    NotPackage(String),
    /// `--dbg-package`: selects nothing, but the package must exist.
    Debug(String),
}

/// A parsed command line with its environment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Parsed {
    /// debhelper's options.
    pub common: Common,
    /// Selections, in order.
    pub requests: Vec<Request>,
    /// The helper's own options, for [`own`].
    pub own: Vec<String>,
    /// Whether a word that is no option stood on the command line itself.
    pub stray: Option<String>,
    /// `-h` on the command line.
    pub help: bool,
    /// `--version` on the command line.
    pub version: bool,
    /// Faults in DH_OPTIONS and DH_INTERNAL_OPTIONS.
    pub warnings: Vec<Diagnostic>,
    /// Faults on the command line.
    pub errors: Vec<Diagnostic>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Id {
    Verbose,
    NoAct,
    Arch,
    Indep,
    SameArch,
    Package,
    NoPackage,
    Remaining,
    Debug,
    NoScripts,
    OnlyScripts,
    Exclude,
    D,
    Tmpdir,
    U,
    V,
    All,
    MainPackage,
    Name,
    ErrorHandler,
    Word,
    Help,
    Version,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Arity {
    Flag,
    Required,
    Optional,
}

struct Spec {
    id: Id,
    short: Option<char>,
    long: &'static [&'static str],
    value: Option<&'static str>,
    help: &'static str,
}

const fn spec(
    id: Id,
    short: Option<char>,
    long: &'static [&'static str],
    value: Option<&'static str>,
    help: &'static str,
) -> Spec {
    Spec { id, short, long, value, help }
}

/// Every option of Dh_Getopt.pm, in the order of debhelper(7).
const COMMON: &[Spec] = &[
    spec(Id::Verbose, Some('v'), &["verbose"], None, "Show what is done"),
    spec(Id::NoAct, None, &["no-act"], None, "Do nothing; with -v, show what would be done"),
    spec(Id::Arch, Some('a'), &["arch"], None, "Act on architecture-dependent packages"),
    spec(Id::Indep, Some('i'), &["indep"], None, "Act on architecture-independent packages"),
    spec(Id::Package, Some('p'), &["package"], Some("PACKAGE"), "Act on this package; may be repeated"),
    spec(Id::NoPackage, Some('N'), &["no-package"], Some("PACKAGE"), "Do not act on this package; may be repeated"),
    spec(Id::Remaining, None, &["remaining-packages"], None, "Do not act on packages that this helper has done"),
    spec(Id::Debug, None, &["dbg-package"], Some("PACKAGE"), "Accepted for debhelper's sake"),
    spec(Id::NoScripts, Some('n'), &["no-scripts", "noscripts"], None, "Leave the maintainer scripts alone"),
    spec(Id::OnlyScripts, Some('o'), &["only-scripts", "onlyscripts"], None, "Do nothing but maintainer scripts"),
    spec(Id::Exclude, Some('X'), &["exclude"], Some("TEXT"), "Accepted for debhelper's sake"),
    spec(Id::Tmpdir, Some('P'), &["tmpdir"], Some("DIRECTORY"), "Build directory of the (only) package"),
    spec(Id::MainPackage, None, &["mainpackage"], Some("PACKAGE"), "Main package, instead of the first one"),
    spec(Id::Name, None, &["name"], Some("NAME"), "Read debian/PACKAGE.NAME.FILE instead of debian/PACKAGE.FILE"),
    spec(Id::ErrorHandler, None, &["error-handler"], Some("FUNCTION"), "Accepted for debhelper's sake"),
    spec(Id::Word, Some('O'), &[], Some("OPTION"), "Take an option if it is known, else ignore it"),
    spec(Id::All, Some('A'), &["all"], None, "Accepted for debhelper's sake"),
    spec(Id::D, Some('d'), &[], None, "Accepted for debhelper's sake"),
    spec(Id::U, Some('u'), &[], Some("PARAMETERS"), "Accepted for debhelper's sake"),
    spec(Id::V, Some('V'), &[], Some("VALUE"), "Accepted for debhelper's sake"),
    spec(Id::Help, Some('h'), &["help"], None, "Show this help"),
    spec(Id::Version, None, &["version"], None, "Show the version"),
];

impl Spec {
    fn arity(&self) -> Arity {
        match (self.id, self.value) {
            (Id::V, _) => Arity::Optional,
            (_, Some(_)) => Arity::Required,
            (_, None) => Arity::Flag,
        }
    }

    fn name(&self) -> String {
        self.long.first().map_or_else(|| self.short.iter().collect(), |long| (*long).to_owned())
    }

    fn argument(&self) -> Arg {
        let mut argument = Arg::new(format!("debhelper-{}", self.name()))
            .help(self.help)
            .help_heading("Options of every debhelper command")
            .action(if self.value.is_some() { ArgAction::Append } else { ArgAction::SetTrue });
        if let Some(short) = self.short {
            argument = argument.short(short);
        }
        if let Some((first, others)) = self.long.split_first() {
            argument = argument.long(*first).aliases(others.iter().copied());
        }
        if let Some(value) = self.value {
            argument = argument.value_name(value);
        }
        if self.arity() == Arity::Optional {
            argument = argument.num_args(0..=1);
        }
        argument
    }
}

/// The whole command as help, completion and the manual page describe it.
pub fn command<O: Args>(tool: &'static str) -> Command {
    let own = O::augment_args(Command::new(tool))
        .version(env!("CARGO_PKG_VERSION"))
        .disable_help_flag(true)
        .disable_version_flag(true);
    COMMON.iter().fold(own, |command, spec| command.arg(spec.argument()))
}

/// What an option word stands for.
#[derive(Debug, Clone)]
enum Target {
    Common(Id),
    /// A helper's own option, as clap reads it.
    Own(String),
}

/// Option names (of one letter, too) and what they mean.
struct Table(BTreeMap<String, (Target, Arity)>);

impl Table {
    fn new(own: Command) -> Self {
        let mut names = BTreeMap::new();
        for spec in COMMON {
            let short = spec.short.map(String::from);
            for name in short.into_iter().chain(spec.long.iter().map(|long| (*long).to_owned())) {
                names.insert(name, (Target::Common(spec.id), spec.arity()));
            }
        }
        // Removed in compat 12; known, so that the message can say what to use instead.
        for name in ["s", "same-arch"] {
            names.insert(name.to_owned(), (Target::Common(Id::SameArch), Arity::Flag));
        }
        let mut own = own.disable_help_flag(true).disable_version_flag(true);
        own.build();
        for argument in own.get_arguments().filter(|argument| !argument.is_positional()) {
            let arity = match argument.get_num_args() {
                _ if !argument.get_action().takes_values() => Arity::Flag,
                Some(range) if range.min_values() == 0 => Arity::Optional,
                _ => Arity::Required,
            };
            let written = match (argument.get_long(), argument.get_short()) {
                (Some(long), _) => format!("--{long}"),
                (None, Some(short)) => format!("-{short}"),
                (None, None) => continue,
            };
            let shorts = argument.get_short().into_iter().chain(argument.get_all_short_aliases().unwrap_or_default());
            let longs = argument.get_long().into_iter().chain(argument.get_all_aliases().unwrap_or_default());
            for name in shorts.map(String::from).chain(longs.map(str::to_owned)) {
                names.insert(name, (Target::Own(written.clone()), arity));
            }
        }
        Self(names)
    }

    /// "did you mean", over the long names.
    fn hint(&self, tool: &str, name: &str) -> String {
        match nearest(name, self.0.keys().map(String::as_str).filter(|name| name.len() > 1)) {
            Some(near) => format!("did you mean '--{near}'?"),
            None => format!("'{tool} --help' lists the options"),
        }
    }
}

enum Item {
    Common(Id, String),
    Own(String),
    Stray(String),
}

#[derive(Default)]
struct Scan {
    /// Each with whether it comes from a `-O` word.
    items: Vec<(bool, Item)>,
    faults: Vec<Diagnostic>,
    rest: Vec<String>,
}

/// GetOptionsFromArray as debhelper configures it, then its `-O` words one by one.
fn scan(tool: &str, table: &Table, words: Vec<String>) -> Scan {
    let mut scan = Scan::default();
    let mut kept_back = Vec::new();
    let mut queue: VecDeque<String> = words.into();
    while let Some(word) = queue.pop_front() {
        if word == "--" {
            scan.rest = queue.into();
            break;
        }
        let (bundled, body) = if let Some(body) = word.strip_prefix("--") {
            (false, body)
        } else if let Some(body) = word.strip_prefix('-').filter(|body| !body.is_empty()) {
            (true, body)
        } else if let Some(body) = word.strip_prefix('+') {
            (false, body)
        } else {
            scan.items.push((false, Item::Stray(word)));
            continue;
        };
        let (name, attached, bundle) = if bundled {
            let mut letters = body.chars();
            let name = letters.next().map(String::from).unwrap_or_default();
            (name, None, Some(letters.as_str().to_owned()).filter(|rest| !rest.is_empty()))
        } else {
            match body.char_indices().skip(1).find(|(_, c)| *c == '=').filter(|_| word.starts_with("--")) {
                Some((at, _)) => (body[..at].to_owned(), Some(body[at + 1..].to_owned()), None),
                None => (body.to_owned(), None, None),
            }
        };
        let shown = if bundled { format!("-{name}") } else { format!("--{name}") };
        let Some((target, arity)) = table.0.get(&name) else {
            scan.faults.push(
                Diagnostic::error(format!("unknown option '{shown}'"))
                    .hint(table.hint(tool, if bundled { body } else { &name })),
            );
            if let Some(rest) = bundle {
                queue.push_front(format!("-{rest}"));
            }
            continue;
        };
        let value =
            match arity {
                Arity::Flag if attached.is_some() => {
                    scan.faults.push(
                        Diagnostic::error(format!("option '{shown}' takes no value")).hint(format!("write '{shown}'")),
                    );
                    continue;
                }
                Arity::Flag => {
                    if let Some(rest) = bundle {
                        queue.push_front(format!("-{rest}"));
                    }
                    None
                }
                Arity::Required | Arity::Optional => {
                    let missing = match (&attached, &bundle) {
                        (Some(value), _) => value.is_empty(),
                        (None, Some(_)) => false,
                        (None, None) => queue.is_empty(),
                    };
                    if missing && *arity == Arity::Required {
                        scan.faults.push(Diagnostic::error(format!("option '{shown}' needs a value")).hint(
                            if bundled { format!("write '{shown} VALUE'") } else { format!("write '{shown}=VALUE'") },
                        ));
                        continue;
                    }
                    match bundle.or(attached) {
                        _ if missing => Some(String::new()),
                        Some(value) => Some(value),
                        None if *arity == Arity::Required => queue.pop_front(),
                        // Getopt::Long gives an optional value the next word, unless that is an option.
                        None => {
                            let option = |word: &String| word.len() > 1 && word.starts_with(['-', '+']);
                            if queue.front().is_some_and(option) { Some(String::new()) } else { queue.pop_front() }
                        }
                    }
                }
            };
        match target {
            Target::Common(Id::Word) => kept_back.extend(value),
            Target::Common(id) => scan.items.push((false, Item::Common(*id, value.unwrap_or_default()))),
            Target::Own(written) => {
                let optional_without = *arity == Arity::Optional && value.as_deref() == Some("");
                scan.items.push((
                    false,
                    Item::Own(match value {
                        Some(value) if !optional_without && written.starts_with("--") => format!("{written}={value}"),
                        Some(value) if !optional_without => format!("{written}{value}"),
                        _ => written.clone(),
                    }),
                ));
            }
        }
    }
    for word in kept_back {
        let alone = self::scan(tool, table, vec![word]);
        if alone.faults.is_empty() {
            scan.items.extend(alone.items.into_iter().map(|(_, item)| (true, item)));
        }
    }
    scan
}

/// Parse DH_INTERNAL_OPTIONS, DH_OPTIONS and the command line, in this order.
pub fn parse<O: Args>(tool: &'static str, environment: &Environment, arguments: &[String]) -> Parsed {
    let table = Table::new(O::augment_args(Command::new(tool)));
    let mut parsed = Parsed::default();
    let internal = environment.text("DH_INTERNAL_OPTIONS");
    let options = environment.text("DH_OPTIONS");
    let filled = |text: Option<&str>| text.is_some_and(|text| !text.is_empty());
    // debhelper does not start its parser where nothing looks like an option.
    if !filled(internal) && !filled(options) && !arguments.iter().any(|word| word.starts_with('-')) {
        parsed.stray = arguments.first().cloned();
        parsed.common.words = arguments.to_vec();
        return parsed;
    }

    let mut rest_of_environment = Vec::new();
    if let Some(text) = internal {
        // Perl's split drops empty fields at the end.
        let mut words: Vec<String> = text.split('\x1e').map(str::to_owned).collect();
        while words.last().is_some_and(String::is_empty) {
            words.pop();
        }
        let scan = scan(tool, &table, words);
        rest_of_environment.clone_from(&scan.rest);
        parsed.take(Origin::Internal, scan);
    }
    if let Some(text) = options {
        let scan = scan(tool, &table, text.split_whitespace().map(str::to_owned).collect());
        rest_of_environment.clone_from(&scan.rest);
        parsed.take(Origin::Options, scan);
    }
    let scan = scan(tool, &table, arguments.to_vec());
    let rest = scan.rest.clone();
    parsed.take(Origin::Arguments, scan);
    parsed.common.parameters.extend(rest);
    parsed.common.parameters.extend(rest_of_environment);
    parsed
}

impl Parsed {
    fn take(&mut self, origin: Origin, scan: Scan) {
        for fault in scan.faults {
            self.fault(origin, false, fault);
        }
        for (optional, item) in scan.items {
            match item {
                Item::Own(written) => self.own.push(written),
                Item::Stray(word) => {
                    if origin == Origin::Arguments && !optional {
                        self.stray.get_or_insert_with(|| word.clone());
                    }
                    self.common.words.push(word);
                }
                Item::Common(id, value) => self.option(origin, optional, id, value),
            }
        }
    }

    /// On the command line itself a fault is an error, elsewhere a warning that names the variable.
    fn fault(&mut self, origin: Origin, optional: bool, fault: Diagnostic) {
        let variable = match origin {
            Origin::Arguments if !optional => return self.errors.push(fault),
            Origin::Arguments => "-O",
            Origin::Options => "DH_OPTIONS",
            Origin::Internal => "DH_INTERNAL_OPTIONS",
        };
        self.warnings.push(Diagnostic {
            severity: crate::error::Severity::Warning,
            message: format!("{variable}: {}", fault.message),
            ..fault
        });
    }

    fn option(&mut self, origin: Origin, optional: bool, id: Id, value: String) {
        let common = &mut self.common;
        let mut request = |what| self.requests.push(Request { origin, optional, what });
        match id {
            Id::Verbose => common.verbose = true,
            Id::NoAct => common.no_act = true,
            Id::Arch => request(Wanted::Arch),
            Id::Indep => request(Wanted::Indep),
            Id::Package => request(Wanted::Package(value)),
            Id::NoPackage => request(Wanted::NotPackage(value)),
            Id::Remaining => common.remaining_packages = true,
            Id::Debug => {
                request(Wanted::Debug(value.clone()));
                common.debug_package = Some(value);
            }
            Id::NoScripts => common.no_scripts = true,
            Id::OnlyScripts => common.only_scripts = true,
            Id::Exclude => common.exclude.push(value),
            Id::D => common.d_flag = true,
            Id::Tmpdir => common.tmpdir = Some(value),
            // The last -u counts, and stands before the words after "--".
            Id::U => common.parameters = value.split_whitespace().map(str::to_owned).collect(),
            Id::V => common.v_flag = Some(value),
            Id::All => common.all = true,
            Id::MainPackage => common.main_package = Some(value),
            Id::Name => common.name = Some(value),
            Id::ErrorHandler => common.error_handler = Some(value),
            Id::Help => self.help |= origin == Origin::Arguments && !optional,
            Id::Version => self.version |= origin == Origin::Arguments && !optional,
            Id::Word => {}
            Id::SameArch => {
                // Dh_Getopt.pm selects before it refuses; that shows where the fault is only a warning.
                request(Wanted::Arch);
                let removed = Diagnostic::error("option '--same-arch' was removed in compat 12");
                self.fault(origin, optional, removed.hint("use '-a' or '--arch'"));
            }
        }
    }

    /// The helper's own options, as clap reads them.
    pub fn own<O: Args>(&self, tool: &'static str) -> Result<O> {
        let command = O::augment_args(Command::new(tool))
            .no_binary_name(true)
            .disable_help_flag(true)
            .disable_version_flag(true)
            .args_override_self(true);
        let takes_words = command.get_positionals().next().is_some();
        if let Some(word) = self.stray.as_ref().filter(|_| !takes_words) {
            return Err(Error::Usage(
                Diagnostic::error(format!("unexpected word '{word}'"))
                    .hint(format!("{tool} takes options only; '{tool} --help' lists them")),
            ));
        }
        let mut words = self.own.clone();
        if takes_words {
            words.push("--".to_owned());
            words.extend(self.common.words.iter().cloned());
        }
        let usage = |error: clap::Error| {
            // clap's first paragraph: the fault, then perhaps what would be right.
            let text = error.render().to_string();
            let mut lines = text.lines().map(str::trim).take_while(|line| !line.is_empty());
            let line = lines.next().unwrap_or_default();
            let message = line.strip_prefix("error: ").unwrap_or(line).to_owned();
            let more = lines.collect::<Vec<_>>().join(" ");
            let hint = if more.is_empty() { format!("see '{tool} --help'") } else { more };
            Error::Usage(Diagnostic::error(message).hint(hint))
        };
        let matches = command.try_get_matches_from(words).map_err(usage)?;
        O::from_arg_matches(&matches).map_err(usage)
    }
}
