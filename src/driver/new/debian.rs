//! The files of a new debian/, as values: [`plan`] over [`Facts`]. Pure.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::super::inspect::licence::{self, Licence};
use super::super::inspect::service::{Kind, Service};
use super::super::inspect::{Project, native, requirement_names};
use super::services;

/// A file that is to be written, below the project's directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// Path.
    pub path: PathBuf,
    /// All of its text.
    pub contents: String,
    /// Permission bits.
    pub mode: u32,
    /// Why it is there, in a line.
    pub why: &'static str,
}

/// What decides the files.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Facts {
    /// What the project says of itself.
    pub project: Project,
    /// Name of the source and binary package.
    pub package: String,
    /// Version, as Debian writes it.
    pub version: String,
    /// `Name <address>`.
    pub maintainer: String,
    /// Where the requirements come from.
    pub requirements: Requirements,
    /// Whether the directory is an installable project.
    pub installable: bool,
    /// Files and directories at the top that are the program, where it is not installable.
    pub sources: Vec<String>,
    /// Distributions that the code needs although nothing says so.
    pub undeclared: BTreeSet<String>,
    /// The licence's text, where there is one.
    pub licence: Option<String>,
    /// Programs that run all the time.
    pub services: Vec<Service>,
    /// Environment variables that the code reads.
    pub variables: BTreeSet<String>,
    /// Date of the changelog entry, as `date -R` prints it.
    pub date: String,
    /// Year of the copyright notice, where the licence's text has none.
    pub year: String,
}

/// Where the requirements come from.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Requirements {
    /// From the project's own metadata alone.
    #[default]
    Project,
    /// From the project's metadata, although there is a requirements.txt, which is for developers.
    ProjectNotFile,
    /// From a file.
    File(String),
    /// From a lock of uv or a pylock.toml.
    Lock(String),
    /// These, which stand in a file of another form.
    Listed(Vec<String>),
}

/// The file with requirements that are written down here.
const LISTED: &str = "debian/requirements.txt";

/// Every file, in the order of their paths.
pub fn plan(facts: &Facts) -> Vec<File> {
    let package = &facts.package;
    let mut files = vec![
        file("changelog", "version and history of the package", changelog(facts)),
        file("control", "names, dependencies and descriptions", control(facts)),
        file(
            "copyright",
            "who may do what with it: check it, it was made by looking at the licence only",
            copyright(facts),
        ),
        File { mode: 0o755, ..file("rules", "how it is built: dh and its add-ons do all of it", rules(facts)) },
        file("source/format", "a native package: the source is this very tree", "3.0 (native)\n".to_owned()),
        file(&format!("{package}.venv"), "what goes into the virtual environment: dh_venv(1)", venv(facts)),
    ];
    if let Some(text) = listed(facts) {
        files.push(file("requirements.txt", "what is installed besides the project: dh_venv(1)", text));
    }
    for script in &facts.project.scripts {
        files.push(file(
            &format!("{script}.1"),
            "manual page of a program: a beginning to write on",
            manual(facts, script),
        ));
    }
    if !facts.project.scripts.is_empty() {
        let pages = facts.project.scripts.iter().map(|script| format!("debian/{script}.1\n")).collect();
        files.push(file(&format!("{package}.manpages"), "which manual pages are installed", pages));
    }
    let web = facts.services.iter().any(|service| service.kind == Kind::Web);
    if !facts.installable && !web {
        let place = format!("usr/lib/{package}/app");
        let rows: String = facts.sources.iter().map(|name| format!("{name} {place}\n")).collect();
        files.push(file(&format!("{package}.install"), "the program itself, which is no installable project", rows));
    }
    if !facts.services.is_empty() {
        files.extend(services::files(facts));
    }
    files.retain(|file| !file.contents.is_empty());
    files.sort_by(|a, b| a.path.cmp(&b.path));
    files
}

/// A file of debian/.
pub fn file(path: &str, why: &'static str, contents: String) -> File {
    File { path: Path::new("debian").join(path), contents, mode: 0o644, why }
}

fn rules(facts: &Facts) -> String {
    let plain = "#!/usr/bin/make -f\n\n%:\n\tdh $@\n".to_owned();
    if facts.installable {
        return plain;
    }
    // A Makefile of developers is nothing for debhelper; an installable project's is left alone by dh_venv.
    plain.replace("dh $@", "dh $@ --buildsystem=none")
}

fn changelog(facts: &Facts) -> String {
    format!(
        "{} ({}) unstable; urgency=medium\n\n  * First package of the application, built with dh_venv.\n\n -- {}  {}\n",
        facts.package, facts.version, facts.maintainer, facts.date
    )
}

/// Everything that is named as a requirement, normalised.
fn named(facts: &Facts) -> BTreeSet<String> {
    let mut rows = facts.project.dependencies.clone().unwrap_or_default();
    if let Requirements::Listed(listed) = &facts.requirements {
        rows.extend(listed.iter().cloned());
    }
    let mut names = requirement_names(&rows);
    names.extend(facts.project.name.as_deref().map(crate::helper::venv::name::normalise));
    names
}

fn control(facts: &Facts) -> String {
    let package = &facts.package;
    let homepage = facts.project.homepage.as_ref().filter(|url| url.starts_with("http"));
    let homepage = homepage.map(|url| format!("Homepage: {url}\n")).unwrap_or_default();
    let mut needed: BTreeSet<&str> = BTreeSet::from(["python3-dev"]);
    let names = named(facts);
    needed.extend(names.iter().flat_map(|name| native::headers(name).iter().copied()));
    let mut build: Vec<&str> = vec!["debhelper-compat (= 13)"];
    if !facts.services.is_empty() {
        build.extend(["dh-sequence-appconfig", "dh-sequence-supervisord"]);
    }
    build.push("dh-sequence-venv");
    build.extend(needed);
    format!(
        "Source: {package}\nSection: {}\nPriority: optional\nMaintainer: {}\n\
         Build-Depends: {}\nStandards-Version: 4.6.2\nRules-Requires-Root: no\n{homepage}\n\
         Package: {package}\nArchitecture: any\nDepends: ${{misc:Depends}}, ${{shlibs:Depends}}, ${{venv:Depends}}\n\
         XB-Venv-Id: ${{venv:Id}}\nDescription: {}\n {} is an application written in Python.\n .\n \
         The package brings its Python libraries with it, in an environment of their\n own below /usr/lib/{package}/venv.\n",
        if facts.services.is_empty() { "python" } else { "web" },
        facts.maintainer,
        build.join(",\n               "),
        synopsis(facts),
        facts.project.name.as_deref().unwrap_or(package)
    )
}

/// One line without article, package name and full stop (policy 3.4.1, developers' reference 6.2.2).
fn synopsis(facts: &Facts) -> String {
    let text = facts.project.description.as_deref().unwrap_or_default().trim();
    // Signs that are no words: emoji and the like, at the beginning.
    let text = text.trim_start_matches(|c: char| !c.is_alphanumeric());
    let text = ["A ", "An ", "The ", "a ", "an ", "the "]
        .iter()
        .find_map(|article| text.strip_prefix(article))
        .unwrap_or(text);
    let mut short = String::new();
    let mut cut = false;
    for word in text.trim_end_matches('.').split_whitespace() {
        if short.len() + word.len() > 60 {
            cut = true;
            break;
        }
        if !short.is_empty() {
            short.push(' ');
        }
        short.push_str(word);
    }
    // What was cut does not end with a word that leads to the next one.
    let leads = ["a", "an", "the", "and", "or", "of", "for", "with", "in", "to", "by", "on", "as", "&", "from"];
    while let Some((before, _)) = short.rsplit_once(' ').filter(|(_, last)| cut && leads.contains(last)) {
        short.truncate(before.len());
    }
    let named = short.to_lowercase().starts_with(&facts.package);
    match short.trim_end_matches([',', ';', ':', '.', ' ', '!']) {
        text if text.len() < 4 || named => "application with its Python libraries".to_owned(),
        text => text.to_owned(),
    }
}

/// What the services take and nothing else brings: their servers.
fn servers(facts: &Facts) -> BTreeSet<String> {
    let names = named(facts);
    let of_file = matches!(facts.requirements, Requirements::File(_) | Requirements::Lock(_));
    let programs = facts.services.iter().filter_map(|service| services::program(&service.command));
    let servers =
        programs.filter(|program| ["gunicorn", "uvicorn", "waitress-serve", "hypercorn", "daphne"].contains(program));
    let servers = servers.map(|program| program.trim_end_matches("-serve").to_owned());
    let needless = |name: &String| names.contains(name) || of_file && facts.undeclared.contains(name);
    servers.filter(|name| !needless(name)).collect()
}

/// debian/requirements.txt: requirements of other forms, and what nothing else says.
fn listed(facts: &Facts) -> Option<String> {
    match &facts.requirements {
        Requirements::Listed(rows) => Some(rows.iter().map(|row| format!("{row}\n")).collect()),
        Requirements::ProjectNotFile => Some("# The project says itself what it depends on.\n".to_owned()),
        _ => None,
    }
}

fn venv(facts: &Facts) -> String {
    let mut text = "Format: 1\n".to_owned();
    if !facts.installable {
        text.push_str("Project: none\n");
    }
    match &facts.requirements {
        Requirements::Lock(lock) => text.push_str(&format!("Lock: {lock}\n")),
        Requirements::File(file) => text.push_str(&format!("Requirements: {file}\n")),
        Requirements::Listed(_) | Requirements::ProjectNotFile => text.push_str(&format!("Requirements: {LISTED}\n")),
        Requirements::Project => {}
    }
    let mut extra = servers(facts);
    extra.extend(facts.undeclared.iter().filter(|name| !services::SERVERS.contains(&name.as_str())).cloned());
    if !extra.is_empty() {
        let rows: Vec<String> = extra
            .into_iter()
            .map(|name| if name == "setuptools" { "setuptools<81".to_owned() } else { name })
            .collect();
        text.push_str(&format!("Preinstall: {}\n", rows.join("\n ")));
        if rows.iter().any(|row| row.starts_with("setuptools")) {
            text.push_str("Keep: setuptools\n");
        }
    }
    if !facts.project.scripts.is_empty() {
        let scripts: Vec<&str> = facts.project.scripts.iter().map(String::as_str).collect();
        text.push_str(&format!("Commands: {}\n", scripts.join("\n ")));
    }
    text
}

fn copyright(facts: &Facts) -> String {
    let name = facts.project.name.as_deref().unwrap_or(&facts.package);
    let homepage = facts.project.homepage.as_ref().filter(|url| !url.is_empty());
    let source = homepage.map(|url| format!("Source: {url}\n")).unwrap_or_default();
    let text = facts.licence.as_deref().unwrap_or_default();
    let holder = licence::copyright_holder(text).unwrap_or_else(|| {
        let who = facts.project.author.as_deref().unwrap_or(&facts.maintainer);
        format!("{} {who}", facts.year)
    });
    let words = facts.project.licence.as_deref().unwrap_or_default();
    let (short, body) = match (licence::licence(text).or_else(|| licence::named(words)), text.trim().is_empty()) {
        (Some(Licence { name, common: Some(file) }), _) => (
            name,
            format!(" On Debian systems, the full text of the licence is in\n /usr/share/common-licenses/{file}.\n"),
        ),
        (Some(Licence { name, common: None }), false) => (name, indented(text)),
        (Some(Licence { name, common: None }), true) => {
            (name, format!(" The project names this licence in its metadata ({words}), and has no text of it.\n"))
        }
        (None, false) => ("Other", indented(text)),
        (None, true) if !words.is_empty() => ("Other", format!(" The project names its licence: {words}\n")),
        (None, true) => ("Other", " The project does not say under which licence it is.\n".to_owned()),
    };
    format!(
        "Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\nUpstream-Name: {name}\n{source}\
         Comment: The Python libraries in the package have licences of their own; their\n texts and the list of what is inside are installed below /usr/lib/{}.\n\n\
         Files: *\nCopyright: {holder}\nLicense: {short}\n{body}",
        facts.package
    )
}

fn indented(text: &str) -> String {
    let line = |line: &str| if line.trim().is_empty() { " .\n".to_owned() } else { format!(" {}\n", line.trim_end()) };
    text.trim().lines().map(line).collect()
}

fn manual(facts: &Facts, script: &str) -> String {
    let escaped = |text: &str| text.replace('\\', "\\e").replace('-', "\\-");
    let upper = escaped(&script.to_uppercase());
    let script = escaped(script);
    format!(
        ".TH {upper} 1 \"\" \"{}\" \"User Commands\"\n.SH NAME\n{script} \\- {}\n.SH SYNOPSIS\n.B {script}\n.RI [ options ]\n\
         .SH DESCRIPTION\n.B {script}\nis a program of the package {}.\nIts options are shown by\n.BR \"{script} \\-\\-help\" .\n",
        escaped(&facts.version),
        escaped(&synopsis(facts)),
        escaped(&facts.package)
    )
}

#[cfg(test)]
mod tests {
    use super::super::super::inspect::service::of_procfile;
    use super::*;

    fn facts() -> Facts {
        Facts {
            project: Project {
                name: Some("Notes".into()),
                description: Some("A small notes service.".into()),
                ..Project::default()
            },
            package: "notes".into(),
            version: "1.0".into(),
            maintainer: "A <a@example.org>".into(),
            installable: true,
            ..Facts::default()
        }
    }

    fn contents(files: &[File], name: &str) -> String {
        files
            .iter()
            .find(|file| file.path == Path::new("debian").join(name))
            .map(|file| file.contents.clone())
            .unwrap_or_default()
    }

    #[test]
    fn synopses_are_what_policy_wants() {
        let with = |text: &str| {
            synopsis(&Facts { project: Project { description: Some(text.into()), ..Project::default() }, ..facts() })
        };
        assert_eq!(with("A small notes service."), "small notes service");
        assert_eq!(with("Notes is an app"), "application with its Python libraries");
        assert_eq!(with(""), "application with its Python libraries");
        assert_eq!(with("\u{1f680} Fast tool!"), "Fast tool");
        assert!(with(&"word ".repeat(40)).len() <= 76);
        let long = "Small notes service with a web page, a REST interface and a command of its own";
        assert_eq!(with(long), "Small notes service with a web page, a REST interface");
    }

    #[test]
    fn what_is_installed_follows_the_files_that_are_there() {
        let requirements = Requirements::File("requirements.txt".into());
        let files = plan(&Facts { requirements, installable: false, sources: vec!["app.py".into()], ..facts() });
        assert_eq!(contents(&files, "notes.venv"), "Format: 1\nProject: none\nRequirements: requirements.txt\n");
        assert_eq!(contents(&files, "notes.install"), "app.py usr/lib/notes/app\n");
        let mut with = facts();
        with.requirements = Requirements::Lock("uv.lock".into());
        with.project.scripts = ["notes".to_owned(), "notes-admin".to_owned()].into();
        let files = plan(&with);
        assert_eq!(contents(&files, "notes.venv"), "Format: 1\nLock: uv.lock\nCommands: notes\n notes-admin\n");
        assert_eq!(contents(&files, "notes.manpages"), "debian/notes.1\ndebian/notes-admin.1\n");
        let files = plan(&Facts { requirements: Requirements::Listed(vec!["flask".into()]), ..facts() });
        assert_eq!(contents(&files, "requirements.txt"), "flask\n");
        assert!(contents(&files, "notes.venv").contains("Requirements: debian/requirements.txt\n"));
    }

    #[test]
    fn headers_of_native_libraries_are_build_dependencies() {
        let mut with = facts();
        with.project.dependencies = Some(vec!["psycopg2>=2.9".into(), "Flask".into()]);
        let control = contents(&plan(&with), "control");
        assert!(
            control.contains("dh-sequence-venv,\n               libpq-dev,\n               python3-dev\n"),
            "{control}"
        );
    }

    #[test]
    fn what_the_code_needs_unsaid_is_installed() {
        let venv = contents(&plan(&Facts { undeclared: ["setuptools".to_owned()].into(), ..facts() }), "notes.venv");
        assert_eq!(venv, "Format: 1\nPreinstall: setuptools<81\nKeep: setuptools\n");
        let services = of_procfile("web: gunicorn notes:app\n");
        let venv = contents(&plan(&Facts { services: services.clone(), ..facts() }), "notes.venv");
        assert_eq!(venv, "Format: 1\nPreinstall: gunicorn\n");
        let mut with = Facts { services, ..facts() };
        with.project.dependencies = Some(vec!["gunicorn>=20".into()]);
        assert_eq!(contents(&plan(&with), "notes.venv"), "Format: 1\n");
    }

    #[test]
    fn licences_that_debian_has_are_referred_to() {
        let with = |text: &str| {
            contents(&plan(&Facts { licence: Some(text.into()), year: "2026".into(), ..facts() }), "copyright")
        };
        assert!(with("Apache License\nVersion 2.0").contains("License: Apache-2.0\n On Debian systems"));
        let text = with("MIT License\n\nCopyright (c) 2020 B\n\nPermission is hereby granted, free of charge");
        assert!(text.contains("Copyright: 2020 B\nLicense: Expat\n MIT License\n .\n"), "{text}");
        let mut without = facts();
        without.project.licence = Some("GPL-3.0-or-later".into());
        assert!(contents(&plan(&without), "copyright").contains("License: GPL-3\n On Debian systems"));
    }
}
