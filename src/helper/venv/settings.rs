//! `debian/PKG.venv`: from its text and the options to checked settings.
//!
//! Owns the grammar of the fields. Reads nothing: what is present in the
//! source is handed in as [`Present`].

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::cli::Options;
use crate::debian::paragraph::Paragraph;
use crate::error::{Diagnostic, Item, Location, Severity, nearest};

/// The compatibility level of the format that this version knows.
const FORMAT: u32 = 1;

/// The field names, as they are written in the file.
pub const FIELDS: [&str; 21] = [
    "Format",
    "Project",
    "Requirements",
    "Lock",
    "Extras",
    "Groups",
    "Preinstall",
    "Python",
    "Installer",
    "Wheelhouse",
    "Index",
    "Prefix",
    "Commands",
    "System-Site-Packages",
    "Keep",
    "Bytecode",
    "After-Install",
    "Offline",
    "Compression",
    "Layout",
    "Test",
];

/// How the place of a value from the command line begins.
const OPTION: &str = "option --";

/// Whether a fault is in an option's value, so that the command line is wrong.
pub fn is_about_option(fault: &Diagnostic) -> bool {
    fault.location.as_ref().is_some_and(|place| place.file.to_string_lossy().starts_with(OPTION))
}

/// A value of the option for `field`; messages point at the option.
pub fn option(field: &str, value: &str) -> Item {
    let place = Location::file(format!("{OPTION}{}", field.to_lowercase()));
    Item { text: value.to_owned(), location: Some(place) }
}

/// Which installer is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// uv where it is found, else pip.
    Auto,
    /// uv, or an error.
    Uv,
    /// pip.
    Pip,
}

/// How modules are byte-compiled (PEP 552).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bytecode {
    /// Never compared with the source: fastest, right for files that dpkg owns.
    UncheckedHash,
    /// Compared with the source's hash at each import.
    CheckedHash,
    /// No byte code.
    None,
}

impl Bytecode {
    /// The word in the file.
    pub fn word(self) -> &'static str {
        match self {
            Self::UncheckedHash => "unchecked-hash",
            Self::CheckedHash => "checked-hash",
            Self::None => "none",
        }
    }
}

/// What is kept although a venv does not need it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Keep {
    /// pip is installed into the venv.
    Pip,
    /// setuptools is installed into the venv.
    Setuptools,
    /// Test suites of the distributions stay.
    Tests,
}

/// A link in /usr/bin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// Name in /usr/bin.
    pub name: String,
    /// Name in the venv's bin.
    pub entry: String,
    /// Where it was asked for.
    pub location: Option<Location>,
}

/// What the source holds that decides defaults.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Present {
    /// Directories (relative, `.` for the root) with a pyproject.toml or setup.py.
    pub projects: BTreeSet<String>,
    /// Directories with a requirements.txt.
    pub requirements: BTreeSet<String>,
    /// `debian/wheelhouse` or `wheelhouse`, the first that is there.
    pub wheelhouse: Option<String>,
}

impl Present {
    /// What is there in the root and in the `named` directories, as two lookups
    /// of names relative to the root tell.
    pub fn find(named: &[String], is_file: impl Fn(&str) -> bool, is_directory: impl Fn(&str) -> bool) -> Self {
        let mut present = Self::default();
        for directory in named.iter().map(String::as_str).chain(["."]) {
            let has = |name: &str| is_file(&format!("{directory}/{name}"));
            if has("pyproject.toml") || has("setup.py") {
                present.projects.insert(directory.to_owned());
            }
            if has("requirements.txt") {
                present.requirements.insert(directory.to_owned());
            }
        }
        let wheelhouse = ["debian/wheelhouse", "wheelhouse"].into_iter().find(|name| is_directory(name));
        present.wheelhouse = wheelhouse.map(str::to_owned);
        present
    }
}

/// What a package's venv shall be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Binary package.
    pub package: String,
    /// Its .venv file, where there is one.
    pub file: Option<PathBuf>,
    /// Directories to install.
    pub projects: Vec<Item>,
    /// Requirement files.
    pub requirements: Vec<Item>,
    /// Lock file.
    pub lock: Option<Item>,
    /// Extras of the project.
    pub extras: Vec<Item>,
    /// Dependency groups (PEP 735).
    pub groups: Vec<Item>,
    /// Requirements that come first.
    pub preinstall: Vec<Item>,
    /// `python3`, `python3.N` or an absolute path.
    pub python: Item,
    /// Installer.
    pub installer: Wanted,
    /// Where it was chosen.
    pub installer_place: Option<Location>,
    /// Directory of wheels.
    pub wheelhouse: Option<Item>,
    /// Package indexes, the primary one first.
    pub indexes: Vec<Item>,
    /// Absolute path of the installed venv.
    pub prefix: PathBuf,
    /// Links in /usr/bin.
    pub commands: Vec<Link>,
    /// Whether Debian's Python packages are visible.
    pub system_site_packages: bool,
    /// What is kept.
    pub keep: BTreeSet<Keep>,
    /// Byte code.
    pub bytecode: Bytecode,
    /// Commands after the installation.
    pub after_install: Vec<Item>,
    /// No network.
    pub offline: bool,
    /// Test commands.
    pub tests: Vec<Item>,
}

/// Fields as values with places, before they are interpreted.
type Fields = BTreeMap<&'static str, Vec<Item>>;

/// Settings of `package` from its file's paragraphs and the options. Every
/// fault is in the list; settings are there where none of them is an error.
pub fn read(
    package: &str,
    file: Option<(&Path, &[Paragraph])>,
    options: &Options,
    present: &Present,
) -> (Option<Settings>, Vec<Diagnostic>) {
    let mut faults = Vec::new();
    let mut fields = Fields::new();
    if let Some((path, paragraphs)) = file {
        fields = from_file(path, paragraphs, &mut faults);
    }
    for (name, values) in options.given() {
        fields.insert(name, values.iter().map(|value| option(name, value)).collect());
    }
    if let Some(value) = options.compression.first() {
        faults.push(
            option("Compression", value)
                .error("the add-on decides the compression, before dh_venv runs: as an option it has no effect")
                .hint(format!("write 'Compression: {value}' into debian/{package}.venv")),
        );
    }
    let settings = interpret(package, file.map(|(path, _)| path), &fields, present, &mut faults);
    // As they stand in the file, whatever the order of the checks.
    faults.sort_by(|a, b| a.location.cmp(&b.location));
    let failed = faults.iter().any(|fault| fault.severity == Severity::Error);
    ((!failed).then_some(settings), faults)
}

fn from_file(path: &Path, paragraphs: &[Paragraph], faults: &mut Vec<Diagnostic>) -> Fields {
    let mut fields = Fields::new();
    if let Some(field) = paragraphs.get(1).and_then(|second| second.fields().first()) {
        faults.push(
            Diagnostic::error("a .venv file has one paragraph, here a second one begins")
                .at(Location::line(path, field.line))
                .hint("remove the empty line above"),
        );
    }
    for (index, field) in paragraphs.iter().take(1).flat_map(|paragraph| paragraph.fields()).enumerate() {
        let place = Location::line(path, field.line);
        if index > 0 && field.name.eq_ignore_ascii_case("Format") {
            faults.push(
                Diagnostic::error("Format stands first in the file").at(place.clone()).hint("move it to the top"),
            );
        }
        let Some(name) = FIELDS.into_iter().find(|known| known.eq_ignore_ascii_case(&field.name)) else {
            let fault = Diagnostic::error(format!("unknown field '{}'", field.name)).at(place);
            faults.push(match nearest(&field.name, FIELDS) {
                Some(known) => fault.hint(format!("did you mean '{known}'?")),
                None => fault.hint("dh_venv(1) lists the fields"),
            });
            continue;
        };
        let items: Vec<Item> = field
            .lines
            .iter()
            .filter(|line| !line.text.is_empty())
            .map(|line| Item { text: line.text.clone(), location: Some(Location::line(path, line.number)) })
            .collect();
        if items.is_empty() {
            faults.push(
                Diagnostic::error(format!("field '{name}' has no value"))
                    .at(place)
                    .hint("give it a value or remove it"),
            );
            continue;
        }
        fields.insert(name, items);
    }
    fields
}

fn interpret(
    package: &str,
    file: Option<&Path>,
    fields: &Fields,
    present: &Present,
    faults: &mut Vec<Diagnostic>,
) -> Settings {
    check_format(fields, faults);
    let lock = single(fields, "Lock", faults);
    let explicit_requirements = words(fields, "Requirements");
    if let (Some(lock), Some(first)) = (&lock, explicit_requirements.first()) {
        faults.push(
            first
                .error(format!("Lock ({}) and Requirements exclude each other", lock.text))
                .hint("a lock file is complete: remove Requirements"),
        );
    }
    let projects = match words(fields, "Project") {
        none if none.iter().any(|item| item.text == "none") => {
            if let Some(other) = none.iter().find(|item| item.text != "none") {
                faults.push(other.error("'none' cannot stand beside directories").hint("remove one of them"));
            }
            Vec::new()
        }
        given if given.is_empty() && present.projects.contains(".") => vec![Item::plain(".")],
        given => given,
    };
    for project in &projects {
        if check_relative(project, "Project", faults) && !present.projects.contains(&project.text) {
            faults.push(
                project
                    .error(format!("Project directory '{}' has neither pyproject.toml nor setup.py", project.text))
                    .hint("name the directory that has one, or write 'Project: none' to install requirements only"),
            );
        }
    }
    let requirements = if explicit_requirements.is_empty() && lock.is_none() {
        let roots: Vec<&str> =
            if projects.is_empty() { vec!["."] } else { projects.iter().map(|item| item.text.as_str()).collect() };
        roots
            .into_iter()
            .filter(|directory| present.requirements.contains(*directory))
            .map(|directory| Item::plain(below(directory, "requirements.txt")))
            .collect()
    } else {
        explicit_requirements
    };
    for item in requirements.iter().chain(&lock) {
        let name = if lock.as_ref() == Some(item) { "Lock" } else { "Requirements" };
        check_relative(item, name, faults);
    }
    let wheelhouse = single(fields, "Wheelhouse", faults).or_else(|| present.wheelhouse.as_ref().map(Item::plain));
    let offline = boolean(fields, "Offline", faults).unwrap_or(wheelhouse.is_some());
    if let Some(index) = fields.get("Index").and_then(|items| items.first()).filter(|_| offline) {
        let why = match &wheelhouse {
            Some(wheelhouse) => format!("the build is offline, from {}", wheelhouse.text),
            None => "the build is offline".to_owned(),
        };
        faults.push(Diagnostic {
            severity: Severity::Warning,
            ..index
                .error(format!("Index has no effect: {why}"))
                .hint("remove Index, or write 'Offline: no' where the index shall be asked as well")
        });
    }
    let settings = Settings {
        package: package.to_owned(),
        file: file.map(Path::to_path_buf),
        extras: words(fields, "Extras"),
        groups: words(fields, "Groups"),
        preinstall: fields.get("Preinstall").cloned().unwrap_or_default(),
        python: python(fields, faults),
        installer: choice(
            fields,
            "Installer",
            &[("auto", Wanted::Auto), ("uv", Wanted::Uv), ("pip", Wanted::Pip)],
            faults,
        )
        .unwrap_or(Wanted::Auto),
        installer_place: fields.get("Installer").and_then(|items| items.first()?.location.clone()),
        indexes: fields.get("Index").cloned().unwrap_or_default(),
        prefix: prefix(package, fields, faults),
        commands: commands(fields, faults),
        system_site_packages: boolean(fields, "System-Site-Packages", faults).unwrap_or(false),
        keep: keep(fields, faults),
        bytecode: choice(
            fields,
            "Bytecode",
            &[
                ("unchecked-hash", Bytecode::UncheckedHash),
                ("checked-hash", Bytecode::CheckedHash),
                ("none", Bytecode::None),
            ],
            faults,
        )
        .unwrap_or(Bytecode::UncheckedHash),
        after_install: fields.get("After-Install").cloned().unwrap_or_default(),
        tests: fields.get("Test").cloned().unwrap_or_default(),
        offline,
        wheelhouse,
        projects,
        requirements,
        lock,
    };
    // Acted on by the add-on, before any helper runs; here it is only checked.
    choice(fields, "Compression", &[("zstd", ()), ("xz", ()), ("none", ())], faults);
    if let Some(item) = single(fields, "Layout", faults) {
        match item.text.as_str() {
            "fixed" => {}
            "versioned" => faults.push(
                item.error("Layout 'versioned' is not available in this version of dh-venv")
                    .hint("use 'Layout: fixed'"),
            ),
            other => faults
                .push(item.error(format!("Layout cannot be '{other}'")).hint("write 'Layout: fixed', or leave it out")),
        }
    }
    if settings.projects.is_empty()
        && settings.requirements.is_empty()
        && settings.lock.is_none()
        && settings.preinstall.is_empty()
    {
        let fault = Diagnostic::error(format!("there is nothing to install into the venv of package {package}"))
            .hint("add a pyproject.toml, setup.py or requirements.txt, or name them in Project or Requirements");
        faults.push(match file {
            Some(file) => fault.at(Location::file(file)),
            None => fault,
        });
    }
    if let (true, Some(first)) = (settings.projects.is_empty() && settings.lock.is_none(), settings.extras.first()) {
        faults.push(first.error("Extras needs a project").hint("name its directory in Project"));
    }
    settings
}

fn check_format(fields: &Fields, faults: &mut Vec<Diagnostic>) {
    let Some(item) = single(fields, "Format", faults) else { return };
    match item.text.parse::<u32>() {
        Ok(level) if (1..=FORMAT).contains(&level) => {}
        Ok(level) if level > FORMAT => faults.push(
            item.error(format!("Format {level} is newer than this dh_venv knows ({FORMAT})"))
                .hint("build with a newer dh-venv: raise its version in Build-Depends"),
        ),
        _ => faults.push(
            item.error(format!("Format is a level of this format, not '{}'", item.text))
                .hint(format!("write 'Format: {FORMAT}', or leave it out")),
        ),
    }
}

fn words(fields: &Fields, name: &str) -> Vec<Item> {
    let lines = fields.get(name).map(Vec::as_slice).unwrap_or_default();
    lines
        .iter()
        .flat_map(|line| {
            line.text
                .split_whitespace()
                .map(|word| Item { text: word.to_owned(), location: line.location.clone() })
                .collect::<Vec<_>>()
        })
        .collect()
}

fn single(fields: &Fields, name: &str, faults: &mut Vec<Diagnostic>) -> Option<Item> {
    let items = words(fields, name);
    if let Some(second) = items.get(1) {
        faults.push(
            second
                .error(format!("{name} takes one value, '{}' is a second one", second.text))
                .hint("remove one of them"),
        );
    }
    items.into_iter().next()
}

fn choice<T: Copy>(
    fields: &Fields,
    name: &str,
    choices: &[(&'static str, T)],
    faults: &mut Vec<Diagnostic>,
) -> Option<T> {
    let item = single(fields, name, faults)?;
    let found = choices.iter().find(|(word, _)| *word == item.text);
    if found.is_none() {
        let known: Vec<&str> = choices.iter().map(|(word, _)| *word).collect();
        let fault = item.error(format!("{name} cannot be '{}'", item.text));
        faults.push(match nearest(&item.text, known.iter().copied()) {
            Some(word) => fault.hint(format!("did you mean '{word}'?")),
            None => fault.hint(format!("there are: {}", known.join(", "))),
        });
    }
    found.map(|(_, value)| *value)
}

fn boolean(fields: &Fields, name: &str, faults: &mut Vec<Diagnostic>) -> Option<bool> {
    choice(fields, name, &[("yes", true), ("no", false)], faults)
}

fn python(fields: &Fields, faults: &mut Vec<Diagnostic>) -> Item {
    let item = single(fields, "Python", faults).unwrap_or_else(|| Item::plain("python3"));
    let named = item.text.strip_prefix("python3").is_some_and(|rest| {
        rest.is_empty()
            || rest.strip_prefix('.').is_some_and(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()))
    });
    if !named && !item.text.starts_with('/') {
        faults.push(
            item.error(format!("Python is 'python3', 'python3.N' or an absolute path, not '{}'", item.text))
                .hint("'python3' is the release's own interpreter"),
        );
    }
    item
}

/// Where a venv lies that has no Prefix field.
pub fn default_prefix(package: &str) -> PathBuf {
    PathBuf::from(format!("/usr/lib/{package}/venv"))
}

fn prefix(package: &str, fields: &Fields, faults: &mut Vec<Diagnostic>) -> PathBuf {
    let Some(item) = single(fields, "Prefix", faults) else {
        return default_prefix(package);
    };
    let path = Path::new(&item.text);
    let plain = path.components().skip(1).all(|part| matches!(part, std::path::Component::Normal(_)));
    if !path.is_absolute() || !plain {
        faults.push(
            item.error(format!("Prefix is an absolute path without '..', not '{}'", item.text))
                .hint(format!("for example /usr/lib/{package}/venv or /opt/venvs/{package}")),
        );
    } else if path.components().count() < 4 {
        faults.push(
            item.error(format!("Prefix '{}' is too short: the venv needs a directory of its own", item.text))
                .hint(format!("for example /usr/lib/{package}/venv or /opt/venvs/{package}")),
        );
    } else if item.text.contains(['"', '\'', '\\', '$', '`']) {
        faults.push(
            item.error(format!("Prefix '{}' holds a quote, a backslash or a dollar sign", item.text))
                .hint("interpreter lines and activate files cannot carry it: choose a plain path"),
        );
    }
    // The same path without a trailing slash or doubled ones.
    path.components().collect()
}

fn commands(fields: &Fields, faults: &mut Vec<Diagnostic>) -> Vec<Link> {
    let mut links: Vec<Link> = Vec::new();
    for item in words(fields, "Commands") {
        let (name, entry) = item.text.split_once('=').unwrap_or((&item.text, &item.text));
        if name.is_empty() || entry.is_empty() || name.contains('/') || entry.contains('/') {
            faults.push(
                item.error(format!("'{}' is not 'name' or 'name=script'", item.text))
                    .hint("name is the link in /usr/bin, script a file in the venv's bin"),
            );
        } else if links.iter().any(|link| link.name == name) {
            faults.push(item.error(format!("the command '{name}' is listed twice")).hint("remove one of the two"));
        } else {
            links.push(Link { name: name.to_owned(), entry: entry.to_owned(), location: item.location.clone() });
        }
    }
    links
}

fn keep(fields: &Fields, faults: &mut Vec<Diagnostic>) -> BTreeSet<Keep> {
    let mut all = BTreeSet::new();
    for item in words(fields, "Keep") {
        match item.text.as_str() {
            "pip" => drop(all.insert(Keep::Pip)),
            "setuptools" => drop(all.insert(Keep::Setuptools)),
            "tests" => drop(all.insert(Keep::Tests)),
            other => faults.push(
                item.error(format!("Keep cannot be '{other}'"))
                    .hint("there are: pip, setuptools, tests; remove others"),
            ),
        }
    }
    all
}

/// Whether the path lies inside the source; an error where not.
fn check_relative(item: &Item, what: &str, faults: &mut Vec<Diagnostic>) -> bool {
    let path = Path::new(&item.text);
    let outside = path.is_absolute() || path.components().any(|part| part == std::path::Component::ParentDir);
    if outside {
        faults.push(
            item.error(format!("{what} '{}' lies outside the source", item.text))
                .hint("give a path relative to the directory that holds debian/"),
        );
    }
    !outside
}

/// `directory/name`, without a leading `./`.
pub fn below(directory: &str, name: &str) -> String {
    if directory == "." { name.to_owned() } else { format!("{}/{name}", directory.trim_end_matches('/')) }
}
