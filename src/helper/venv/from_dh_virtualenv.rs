//! `dh_venv --from-dh-virtualenv`: the .venv files that a debian/rules with
//! dh-virtualenv amounts to.
//!
//! Owns the migration from dh-virtualenv 1.2.2. Pure: text in, text and
//! diagnostics out; runs neither make nor the shell, so what only a build can
//! know stays visible as a comment and a warning. Every option of
//! dh_virtualenv's gets a field, a comment or a warning.

mod control;
mod installer;
mod makefile;
mod options;
mod settings;
mod shell;
mod surroundings;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use crate::error::{Diagnostic, Location};
use control::Control;
use makefile::Makefile;
use options::{Given, Meaning};
use settings::Settings;
use shell::Word;

/// Where dh_virtualenv installs unless DH_VIRTUALENV_INSTALL_ROOT says otherwise.
const INSTALL_ROOT: &str = "/opt/venvs";
/// The same for `dh --buildsystem=dh_virtualenv`.
const BUILDSYSTEM_ROOT: &str = "/usr/share/python";

/// The result of [`convert`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conversion {
    /// The .venv files' text, one after another, each headed by a comment that
    /// names it; empty where dh_virtualenv is not used.
    pub venv: String,
    /// What has no counterpart, what became unnecessary, what to check: by file and line.
    pub notes: Vec<Diagnostic>,
}

/// Warnings, sorted by place when they are handed out.
struct Notes {
    rules: PathBuf,
    all: Vec<Diagnostic>,
}

impl Notes {
    fn warn(&mut self, line: usize, message: impl Into<String>, hint: impl Into<String>) {
        let location = Location::line(self.rules.clone(), line);
        self.push(Diagnostic::warning(message).at(location).hint(hint));
    }

    fn warn_in(&mut self, file: &Path, line: usize, message: impl Into<String>, hint: impl Into<String>) {
        self.push(Diagnostic::warning(message).at(Location::line(file, line)).hint(hint));
    }

    /// Several packages in one run say each thing once.
    fn push(&mut self, diagnostic: Diagnostic) {
        if !self.all.contains(&diagnostic) {
            self.all.push(diagnostic);
        }
    }

    fn sorted(mut self) -> Vec<Diagnostic> {
        self.all.sort_by(|a, b| a.location.cmp(&b.location));
        self.all
    }
}

/// One call of dh_virtualenv.
struct Run {
    line: usize,
    words: Vec<Word>,
    /// Where the venv goes below.
    root: String,
    /// The build system builds one venv for the source, the command one for each package.
    buildsystem: bool,
}

/// Converts `rules_text` (of `rules_file`, debian/rules) with the control file beside it.
///
/// Never fails: what cannot be understood becomes a note. Where several
/// packages get a venv, their files follow one another in debian/control's order.
pub fn convert(rules_text: &str, rules_file: &Path, control_text: &str) -> Conversion {
    let control = Control::read(control_text);
    let control_file = rules_file.with_file_name("control");
    let source = control.source().and_then(|stanza| stanza.name()).unwrap_or("$(DEB_SOURCE)").to_owned();
    let makefile = Makefile::read(rules_text, &[("CURDIR", "."), ("DEB_SOURCE", &source)]);
    let mut notes = Notes { rules: rules_file.to_owned(), all: Vec::new() };

    let runs = find_runs(&makefile, &control, &source, &mut notes);
    let mut all: Vec<Settings> = Vec::new();
    for run in &runs {
        let (given, unknown) = options::read(&run.words);
        for unknown in unknown {
            let hint = "check the command line; nothing of it is in the output";
            notes.warn(
                unknown.word.line,
                format!("'{}' is not understood: {}", unknown.word.text, unknown.reason),
                hint,
            );
        }
        for package in select(&given, &control, run, &source, &mut notes) {
            if all.iter().any(|settings| settings.package == package) {
                let hint = "dh_venv makes one venv a package: unite the two by hand";
                notes.warn(run.line, format!("a second venv for {package} is left out"), hint);
            } else {
                all.push(settle(&package, &given, run, &mut notes));
            }
        }
    }
    if all.is_empty() {
        let message = "dh_virtualenv is used for no package here";
        let hint = "name the debian/rules that runs it, or write debian/<package>.venv by hand: see dh_venv(1)";
        notes.push(Diagnostic::error(message).at(Location::file(rules_file)).hint(hint));
    } else {
        surroundings::rules(&makefile, &mut all, &mut notes);
        let packages: Vec<String> = all.iter().map(|settings| settings.package.clone()).collect();
        surroundings::control(&control, &packages, &control_file, &mut notes);
    }
    let venv = all.iter().map(Settings::render).collect::<Vec<_>>().join("\n");
    // It goes to a terminal, and dh_venv would refuse the characters themselves.
    let venv = crate::foreign::printable(&venv).into_owned();
    Conversion { venv, notes: notes.sorted() }
}

/// Every call of dh_virtualenv: in recipes, else by dh's add-on or build system.
fn find_runs(makefile: &Makefile, control: &Control, source: &str, notes: &mut Notes) -> Vec<Run> {
    let mut runs = Vec::new();
    let mut overridden = false;
    let mut sequencers = Vec::new();
    for rule in &makefile.rules {
        let target = rule.targets.first().map(String::as_str);
        overridden |= rule.targets.iter().any(|target| target == "override_dh_virtualenv");
        let before = runs.len();
        let mut others = Vec::new();
        for line in &rule.recipe {
            let expansion = makefile.expand(&line.text, target);
            let mut environment: BTreeMap<String, String> = BTreeMap::new();
            let mut conditionals: BTreeSet<usize> = expansion.conditionals;
            conditionals.extend(line.conditional);
            for command in shell::commands(&expansion.text, line.line) {
                let at = command.iter().position(|word| word.text.rsplit('/').next() == Some("dh_virtualenv"));
                let settings = command.iter().take(at.unwrap_or(command.len())).filter_map(shell::environment);
                let settings: Vec<(&str, &str)> = settings.collect();
                if let Some(at) = at {
                    let mut here = environment.clone();
                    here.extend(settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
                    let mut words = command[at + 1..].to_vec();
                    words.extend(dh_options(makefile, target, command[at].line));
                    let line = command[at].line;
                    let root = root(makefile, target, &here, INSTALL_ROOT, line, notes);
                    runs.push(Run { line, words, root, buildsystem: false });
                    for conditional in &conditionals {
                        let hint = "conditions are not evaluated: check the result against the branch that you use";
                        let message =
                            "dh_virtualenv's options depend on a conditional, of which the first branch was read";
                        notes.warn(*conditional, message, hint);
                    }
                } else if command[0].text == "export" || settings.len() == command.len() {
                    environment.extend(settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
                } else if command[0].text == "dh" {
                    sequencers.push(command);
                } else {
                    others.push(command);
                }
            }
        }
        if runs.len() > before || rule.targets.iter().any(|target| target == "override_dh_virtualenv") {
            others.iter().for_each(|command| beside(command, runs.len() > before, notes));
        }
    }
    for sequencer in &sequencers {
        sequence(sequencer, makefile, source, overridden, &mut runs, notes);
    }
    let sequence_dependency = control.source().is_some_and(|stanza| {
        stanza.items("Build-Depends").iter().any(|item| item.text.starts_with("dh-sequence-python-virtualenv"))
    });
    if runs.is_empty() && !overridden && sequence_dependency {
        if let Some(sequencer) = sequencers.first() {
            implicit(sequencer, makefile, &mut runs, notes);
        }
    }
    runs
}

/// A command of the same recipe that is not dh_virtualenv.
fn beside(command: &[Word], with_run: bool, notes: &mut Notes) {
    let text = shell::show(command);
    let line = command[0].line;
    if matches!(command[0].text.as_str(), "set" | ":" | "true" | "echo" | "cd") {
        return;
    }
    let all = command.iter().map(|word| word.text.as_str()).collect::<Vec<_>>().join(" ");
    let removes = command[0].text == "rm" || all.contains("-delete") || all.contains("rm ");
    let hint = if !with_run {
        "the recipe of override_dh_virtualenv does not call dh_virtualenv itself: if this does, convert that call by hand"
    } else if removes
        && ["pyc", "__pycache__", "RECORD", "direct_url", "pip", "setuptools", "wheel"]
            .iter()
            .any(|part| all.contains(part))
    {
        "dh_venv leaves pip, setuptools, stale bytecode and build paths out: remove the command"
    } else {
        "if it changes the venv, make it a line of After-Install; else move it to execute_after_dh_venv"
    };
    notes.warn(line, format!("'{text}' is not converted"), hint);
}

/// `dh $@ --with python-virtualenv` or `--buildsystem=dh_virtualenv`.
fn sequence(
    command: &[Word],
    makefile: &Makefile,
    source: &str,
    overridden: bool,
    runs: &mut Vec<Run>,
    notes: &mut Notes,
) {
    for (at, word) in command.iter().enumerate() {
        let value = |name: &str| match word.text.strip_prefix(name) {
            Some("") => command.get(at + 1).map(|next| next.text.as_str()),
            Some(rest) => rest.strip_prefix('='),
            None => None,
        };
        if value("--with")
            .is_some_and(|list| list.split(',').any(|addon| matches!(addon, "python-virtualenv" | "python_virtualenv")))
        {
            let hint = "remove it; dh-sequence-venv in Build-Depends loads dh_venv's add-on";
            notes.warn(word.line, "dh's add-on python-virtualenv has been replaced", hint);
            if runs.is_empty() && !overridden {
                implicit(command, makefile, runs, notes);
            } else if !overridden || !options::read(&passed_on(command)).0.is_empty() {
                let hint = "dh hands its options to dh_virtualenv only where nothing overrides it: left out as they had no effect";
                if !options::read(&passed_on(command)).0.is_empty() {
                    notes.warn(word.line, "options of dh are not converted", hint);
                }
            }
        }
        let name = value("--buildsystem").or_else(|| value("-S"));
        if runs.is_empty() && matches!(name, Some("dh_virtualenv" | "dh-virtualenv")) {
            let hint = "remove the option; dh-sequence-venv in Build-Depends loads dh_venv's add-on";
            notes.warn(word.line, "the build system dh_virtualenv has been replaced", hint);
            runs.push(buildsystem(makefile, source, word.line, notes));
        }
    }
}

fn implicit(command: &[Word], makefile: &Makefile, runs: &mut Vec<Run>, notes: &mut Notes) {
    let line = command[0].line;
    let mut words = passed_on(command);
    words.extend(dh_options(makefile, None, line));
    let root = root(makefile, None, &BTreeMap::new(), INSTALL_ROOT, line, notes);
    runs.push(Run { line, words, root, buildsystem: false });
}

/// The words of dh's command line that it hands to the commands it runs.
fn passed_on(command: &[Word]) -> Vec<Word> {
    let mut out = Vec::new();
    let mut rest = command.iter().skip(1);
    while let Some(word) = rest.next() {
        let name = word.text.split('=').next().unwrap_or_default();
        match name {
            "--with" | "--without" | "--buildsystem" | "--builddirectory" | "--max-parallel" => {
                if !word.text.contains('=') {
                    rest.next();
                }
            }
            "--parallel" | "--no-parallel" | "--list-missing" | "--fail-missing" | "--no-act" => {}
            _ => out.push(word.clone()),
        }
    }
    out
}

/// DH_OPTIONS, where commands see it.
fn dh_options(makefile: &Makefile, target: Option<&str>, line: usize) -> Vec<Word> {
    match makefile.variable("DH_OPTIONS", target) {
        Some((value, true)) => value.split_whitespace().map(|text| Word { text: text.to_owned(), line }).collect(),
        _ => Vec::new(),
    }
}

fn root(
    makefile: &Makefile,
    target: Option<&str>,
    environment: &BTreeMap<String, String>,
    default: &str,
    line: usize,
    notes: &mut Notes,
) -> String {
    const NAME: &str = "DH_VIRTUALENV_INSTALL_ROOT";
    if let Some(value) = environment.get(NAME) {
        return value.clone();
    }
    match makefile.variable(NAME, target) {
        Some((value, true)) => value.trim_matches(['"', '\'']).to_owned(),
        Some((_, false)) => {
            let hint = format!("dh_virtualenv did not see it and used {default}, and so does Prefix");
            notes.warn(line, format!("{NAME} is set but not exported"), hint);
            default.to_owned()
        }
        None => default.to_owned(),
    }
}

/// The build system's environment variables as the options that they stand for.
fn buildsystem(makefile: &Makefile, source: &str, line: usize, notes: &mut Notes) -> Run {
    let value = |name: &str| match makefile.variable(name, None) {
        Some((value, true)) => Some(value.trim_matches(['"', '\'']).to_owned()),
        _ => None,
    };
    let mut words = Vec::new();
    let mut add = |text: String| words.push(Word { text, line });
    add(format!("--install-suffix={}", value("DH_VIRTUALENV_INSTALL_SUFFIX").unwrap_or_else(|| source.to_owned())));
    if let Some(file) = value("DH_REQUIREMENTS_FILE") {
        add(format!("--requirements={file}"));
    }
    if let Some(version) = value("DH_UPGRADE_PIP") {
        add(format!("--upgrade-pip-to={version}"));
    }
    for name in ["setuptools", "wheel"] {
        if value(&format!("DH_UPGRADE_{}", name.to_uppercase())).is_some() {
            add(format!("--preinstall={name}"));
        }
    }
    for (variable, option) in [("DH_VIRTUALENV_ARGUMENTS", "virtualenv"), ("DH_PIP_EXTRA_ARGS", "pip")] {
        for argument in value(variable).unwrap_or_default().split_whitespace() {
            add(format!("--extra-{option}-arg={argument}"));
        }
    }
    let root = root(makefile, None, &BTreeMap::new(), BUILDSYSTEM_ROOT, line, notes);
    Run { line, words, root, buildsystem: true }
}

/// The packages that a run works on. Differs from dh_virtualenv in one thing: it
/// skipped packages whose names begin with python3 without a word.
fn select(given: &[Given], control: &Control, run: &Run, source: &str, notes: &mut Notes) -> Vec<String> {
    let of = |meaning: Meaning| given.iter().filter(move |option| option.meaning == meaning);
    let known: Vec<&str> = control.packages().filter_map(|stanza| stanza.name()).collect();
    for option in of(Meaning::Package).chain(of(Meaning::NoPackage)) {
        if !known.contains(&option.value.text.as_str()) {
            let hint = "check the name; where only the build knows it, write the .venv file for it by hand";
            notes.warn(option.value.line, format!("debian/control has no package {}", option.value.text), hint);
        }
    }
    if run.buildsystem {
        let owner = known.iter().find(|name| **name == source).or(known.first());
        return owner.map(|name| vec![(*name).to_owned()]).unwrap_or_default();
    }
    let wanted = |name: &&str| {
        let listed = |meaning| of(meaning).any(|option| option.value.text == **name);
        (of(Meaning::Package).next().is_none() || listed(Meaning::Package)) && !listed(Meaning::NoPackage)
    };
    let selected: Vec<String> = known.iter().copied().filter(wanted).map(str::to_owned).collect();
    for name in selected.iter().filter(|name| name.starts_with("python3")) {
        let hint = "dh_venv makes it; leave its .venv file out where that is not wanted";
        notes.warn(run.line, format!("dh_virtualenv silently made no venv for {name}"), hint);
    }
    if selected.len() > 1 && of(Meaning::Package).next().is_none() {
        let hint = "keep the .venv files of those that need one";
        notes.warn(run.line, format!("dh_virtualenv made a venv in each of {} packages", selected.len()), hint);
    }
    selected
}

/// Python's os.path.join for two parts.
fn join(base: &str, name: &str) -> String {
    if name.starts_with('/') || base.is_empty() || base == "." {
        return name.trim_start_matches("./").to_owned();
    }
    format!("{}/{}", base.trim_end_matches('/'), name.trim_start_matches("./"))
}

/// The fields for one package.
fn settle(package: &str, given: &[Given], run: &Run, notes: &mut Notes) -> Settings {
    let mut settings = Settings { package: package.to_owned(), ..Settings::default() };
    let mut suffix = package.to_owned();
    let mut directory: Option<Word> = None;
    let mut skip_install = false;
    let mut requirements: Option<Word> = None;
    let (mut pip, mut virtualenv) = (Vec::new(), Vec::new());
    for option in given {
        let value = option.value.clone();
        if value.is_open() {
            let hint = "only a build knows what it stands for: write the value yourself";
            notes.warn(value.line, format!("'{}' of {} cannot be expanded", value.text, option.name), hint);
        }
        match option.meaning {
            Meaning::InstallSuffix => suffix = value.text,
            Meaning::SourceDirectory => directory = Some(value),
            Meaning::SkipInstall => skip_install = true,
            Meaning::Requirements => requirements = Some(value),
            Meaning::Extras => settings
                .extras
                .extend(value.text.split(',').map(|name| Word { text: name.trim().to_owned(), line: value.line })),
            Meaning::Python => settings.python = vec![value],
            Meaning::IndexUrl => settings.index = Some(value),
            Meaning::ExtraIndexUrl => settings.more_indexes.push(value),
            Meaning::UseSystemPackages => settings.system_site_packages = true,
            Meaning::ExtraPipArg => pip.push(value),
            Meaning::ExtraVirtualenvArg => virtualenv.push(value),
            Meaning::Preinstall => preinstall(value, &mut settings, notes),
            _ => without_field(option, &mut settings, notes),
        }
    }
    installer::pip(&pip, &mut settings, notes);
    installer::virtualenv(&virtualenv, &mut settings, notes);
    settings.prefix = join(&run.root, &suffix);
    if !settings.prefix.starts_with(['/', '$']) {
        settings.prefix.insert(0, '/');
    }
    let base = directory.as_ref().map_or(".", |word| word.text.as_str());
    let base = base.trim_start_matches("./").trim_end_matches('/').to_owned();
    if let Some(word) = requirements {
        let file = Word { text: join(&base, &word.text), line: word.line };
        if file.text.starts_with('/') {
            let hint = "Requirements names files in the source: remove the field where there is none to install";
            notes.warn(file.line, format!("--requirements {} is dropped", file.text), hint);
        } else {
            let hint = "dh_virtualenv left a file that is missing out, dh_venv stops: make sure that it exists";
            notes.warn(file.line, format!("Requirements names {}", file.text), hint);
            settings.requirements = vec![file];
        }
    } else if skip_install && !matches!(base.as_str(), "" | ".") {
        settings.requirements = vec![Word { text: join(&base, "requirements.txt"), line: run.line }];
    }
    if let (true, Some(extra)) = (skip_install, settings.extras.first()) {
        let hint = "name what they bring in the requirements file, if it is wanted";
        notes.warn(extra.line, "--extras had no effect beside --skip-install", hint);
        settings.extras.clear();
    }
    if skip_install {
        settings.project = vec![Word { text: "none".to_owned(), line: run.line }];
    } else if let Some(word) = directory.filter(|_| !matches!(base.as_str(), "" | ".")) {
        settings.project = vec![Word { text: base.clone(), line: word.line }];
    }
    check_python(&mut settings, notes);
    check_indexes(&settings, notes);
    settings
}

/// Build tools need no place in the venv.
fn preinstall(value: Word, settings: &mut Settings, notes: &mut Notes) {
    let name = value.text.split(|c: char| "=<>!~[ ;".contains(c)).next().unwrap_or_default().to_lowercase();
    match name.as_str() {
        "pip" | "setuptools" | "wheel" | "virtualenv" | "distribute" | "pip-accel" | "no-manylinux1" => {
            let hint = match name.as_str() {
                "no-manylinux1" => {
                    "wheels' libraries are looked after; to build from source, write '--no-binary :all:' into the requirements file"
                }
                "setuptools" => {
                    "builds get theirs from pyproject.toml; where the application imports it: a requirement, and Keep: setuptools"
                }
                _ => "it was there for the build only, and dh_venv brings its own",
            };
            notes.warn(value.line, format!("--preinstall {} is dropped", value.text), hint);
        }
        _ => settings.preinstall.push(value),
    }
}

/// Options that no field answers to.
fn without_field(option: &Given, settings: &mut Settings, notes: &mut Notes) {
    let (message, hint) = match option.meaning {
        Meaning::PipTool if option.value.text == "pip" => return,
        Meaning::PipTool => {
            ("has no counterpart", "dh_venv installs with uv or pip: 'Installer: uv' or 'Installer: pip'")
        }
        Meaning::UpgradePip | Meaning::UpgradePipTo => (
            "has no counterpart",
            "no pip is in the venv; where Debian's pip is too old for a requirement, use 'Installer: uv'",
        ),
        Meaning::Setuptools => (
            "has no counterpart",
            "setuptools is not in the venv; where the application imports it: a requirement, and Keep: setuptools",
        ),
        Meaning::SetuptoolsTest => {
            settings.tests.push("python -m unittest".to_owned());
            (
                "has become Test: python -m unittest",
                "setuptools has dropped 'setup.py test'; write the command that runs your tests",
            )
        }
        Meaning::NoTest => ("is dropped", "dh_venv runs what Test says, and nothing without it"),
        Meaning::BuiltinVenv => ("is dropped", "nothing to do: every venv is one of Python's own kind"),
        Meaning::NoScripts => ("is dropped", "nothing to do: dh_venv needs no maintainer scripts"),
        Meaning::Arch => (
            "is dropped",
            "dh_virtualenv took the next word as its value and ignored both; dh tells dh_venv which packages to build",
        ),
        Meaning::Indep => ("is dropped", "dh_virtualenv ignored it; dh tells dh_venv which packages to build"),
        Meaning::Verbose => ("is dropped", "DH_VERBOSE=1 does that for all of debhelper"),
        Meaning::Bundle => ("is dropped", "dh_virtualenv ignored it, too"),
        Meaning::Version | Meaning::Help => ("makes no venv", "dh_virtualenv stops after it: remove the call"),
        Meaning::Package
        | Meaning::NoPackage
        | Meaning::ExtraIndexUrl
        | Meaning::Preinstall
        | Meaning::Extras
        | Meaning::ExtraPipArg
        | Meaning::ExtraVirtualenvArg
        | Meaning::IndexUrl
        | Meaning::Python
        | Meaning::SourceDirectory
        | Meaning::UseSystemPackages
        | Meaning::SkipInstall
        | Meaning::InstallSuffix
        | Meaning::Requirements => return,
    };
    notes.warn(option.value.line, format!("{} {message}", option.name), hint);
}

fn check_python(settings: &mut Settings, notes: &mut Notes) {
    let Some(word) = settings.python.first().cloned() else { return };
    let name = word.text.rsplit('/').next().unwrap_or_default();
    if matches!(word.text.as_str(), "python3" | "/usr/bin/python3") {
        settings.python.clear();
    } else if name == "python" || name.starts_with("python2") || name.starts_with("pypy") {
        settings.python.clear();
        let hint = "dh_venv builds for Debian's python3; 'Python: python3.N' names another one";
        notes.warn(word.line, format!("--python {} is dropped", word.text), hint);
    }
}

fn check_indexes(settings: &Settings, notes: &mut Notes) {
    let indexes = settings.index.iter().chain(&settings.more_indexes);
    for word in indexes.filter(|word| {
        word.text
            .split_once("://")
            .is_some_and(|(_, rest)| rest.split('/').next().is_some_and(|host| host.contains('@')))
    }) {
        let hint = "the file is public with the source package: keep the password in ~/.netrc of the build user";
        notes.warn(word.line, "an index address holds a user name or a password", hint);
    }
    if let (None, Some(word)) = (&settings.index, settings.more_indexes.first()) {
        let hint = "in Index the first address replaces the default index: write the one that you use before it";
        notes.warn(word.line, format!("'{}' comes in addition to the default index", word.text), hint);
    }
}
