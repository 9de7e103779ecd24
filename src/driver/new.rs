//! `new`: a debian/ for a project that has none.
//!
//! Owns what is written and why, as a pure [`plan`] over [`Facts`]; [`new`]
//! collects the facts and writes. Nothing that is there is ever changed.

use std::path::{Path, PathBuf};

use crate::apply;
use crate::error::{Diagnostic, Error, Result};
use crate::helper::venv::version;
use crate::input;
use crate::plan::Process;

use super::context::Context;
use super::inspect::{self, Licence, Project};
use super::source;

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
    /// Requirement file, where there is one.
    pub requirements: Option<String>,
    /// Lock of uv or pylock.toml, where there is one.
    pub lock: Option<String>,
    /// Whether the directory is an installable project.
    pub installable: bool,
    /// The licence's text, where there is one.
    pub licence: Option<String>,
    /// Processes of a Procfile.
    pub processes: Vec<(String, String)>,
    /// Date of the changelog entry, as `date -R` prints it.
    pub date: String,
    /// Year of the copyright notice, where the licence's text has none.
    pub year: String,
}

/// Every file, in the order of their paths.
pub fn plan(facts: &Facts) -> Vec<File> {
    let package = &facts.package;
    let file = |path: &str, mode, why, contents| File { path: Path::new("debian").join(path), contents, mode, why };
    let mut files = vec![
        file("changelog", 0o644, "version and history of the package", changelog(facts)),
        file("control", 0o644, "names, dependencies and descriptions", control(facts)),
        file(
            "copyright",
            0o644,
            "who may do what with it: check it, it was made by looking at the licence only",
            copyright(facts),
        ),
        file(
            "rules",
            0o755,
            "how it is built: dh and the add-on venv do all of it",
            "#!/usr/bin/make -f\n\n%:\n\tdh $@\n".to_owned(),
        ),
        file("source/format", 0o644, "a native package: the source is this very tree", "3.0 (native)\n".to_owned()),
        file(&format!("{package}.venv"), 0o644, "what goes into the virtual environment: dh_venv(1)", venv(facts)),
    ];
    for script in &facts.project.scripts {
        files.push(file(
            &format!("{script}.1"),
            0o644,
            "manual page of a program: a beginning to write on",
            manual(facts, script),
        ));
    }
    if !facts.project.scripts.is_empty() {
        let pages = facts.project.scripts.iter().map(|script| format!("debian/{script}.1\n")).collect();
        files.push(file(&format!("{package}.manpages"), 0o644, "which manual pages are installed", pages));
    }
    for (name, command) in &facts.processes {
        let path = if facts.processes.len() == 1 {
            format!("{package}.service")
        } else {
            format!("{package}.{package}-{name}.service")
        };
        files.push(file(&path, 0o644, "a process of Procfile as a service of systemd", service(facts, name, command)));
    }
    if let Some(rules) = extra_rules(facts) {
        files[3].contents.push_str(&rules);
    }
    files.sort_by(|a, b| a.path.cmp(&b.path));
    files
}

/// dh_installsystemd takes services of other names only when told.
fn extra_rules(facts: &Facts) -> Option<String> {
    if facts.processes.len() < 2 {
        return None;
    }
    let package = &facts.package;
    let calls = facts.processes.iter().map(|(name, _)| format!("\tdh_installsystemd --name={package}-{name}\n"));
    Some(format!("\noverride_dh_installsystemd:\n{}", calls.collect::<String>()))
}

fn changelog(facts: &Facts) -> String {
    format!(
        "{} ({}) unstable; urgency=medium\n\n  * First package of the application, built with dh_venv.\n\n -- {}  {}\n",
        facts.package, facts.version, facts.maintainer, facts.date
    )
}

fn control(facts: &Facts) -> String {
    let package = &facts.package;
    let homepage = facts.project.homepage.as_ref().filter(|url| url.starts_with("http"));
    let homepage = homepage.map(|url| format!("Homepage: {url}\n")).unwrap_or_default();
    format!(
        "Source: {package}\nSection: python\nPriority: optional\nMaintainer: {}\n\
         Build-Depends: debhelper-compat (= 13), dh-sequence-venv\nStandards-Version: 4.6.2\nRules-Requires-Root: no\n{homepage}\n\
         Package: {package}\nArchitecture: any\nDepends: ${{misc:Depends}}, ${{shlibs:Depends}}, ${{venv:Depends}}\n\
         XB-Venv-Id: ${{venv:Id}}\nDescription: {}\n {} is an application written in Python.\n .\n \
         The package brings its Python libraries with it, in an environment of their\n own below /usr/lib/{package}/venv.\n",
        facts.maintainer,
        synopsis(facts),
        facts.project.name.as_deref().unwrap_or(package)
    )
}

/// One line without article, package name and full stop (policy 3.4.1, developers' reference 6.2.2).
fn synopsis(facts: &Facts) -> String {
    let text = facts.project.description.as_deref().unwrap_or_default().trim();
    let text = ["A ", "An ", "The ", "a ", "an ", "the "]
        .iter()
        .find_map(|article| text.strip_prefix(article))
        .unwrap_or(text);
    let mut short = String::new();
    for word in text.trim_end_matches('.').split_whitespace() {
        if short.len() + word.len() > 72 {
            break;
        }
        if !short.is_empty() {
            short.push(' ');
        }
        short.push_str(word);
    }
    let named = short.to_lowercase().starts_with(&facts.package);
    match short.trim_end_matches([',', ';', ':', '.', ' ']) {
        text if text.len() < 4 || named => "application with its Python libraries".to_owned(),
        text => text.to_owned(),
    }
}

fn venv(facts: &Facts) -> String {
    let mut text = "Format: 1\n".to_owned();
    if !facts.installable {
        text.push_str("Project: none\n");
    }
    match (&facts.lock, &facts.requirements) {
        (Some(lock), _) => text.push_str(&format!("Lock: {lock}\n")),
        (None, Some(file)) => text.push_str(&format!("Requirements: {file}\n")),
        (None, None) => {}
    }
    if !facts.project.scripts.is_empty() {
        let scripts: Vec<&str> = facts.project.scripts.iter().map(String::as_str).collect();
        text.push_str(&format!("Commands: {}\n", scripts.join("\n ")));
    }
    text
}

fn copyright(facts: &Facts) -> String {
    let name = facts.project.name.as_deref().unwrap_or(&facts.package);
    let source = facts.project.homepage.as_ref().map(|url| format!("Source: {url}\n")).unwrap_or_default();
    let text = facts.licence.as_deref().unwrap_or_default();
    let holder = inspect::copyright_holder(text).unwrap_or_else(|| {
        let who = facts.project.author.as_deref().unwrap_or(&facts.maintainer);
        format!("{} {who}", facts.year)
    });
    let (short, body) = match inspect::licence(text) {
        Some(Licence { name, common: Some(file) }) => (
            name,
            format!(" On Debian systems, the full text of the licence is in\n /usr/share/common-licenses/{file}.\n"),
        ),
        Some(Licence { name, common: None }) => (name, indented(text)),
        None if !text.trim().is_empty() => ("Other", indented(text)),
        None => ("Other", " The project does not say under which licence it is.\n".to_owned()),
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

fn service(facts: &Facts, name: &str, command: &str) -> String {
    let (program, rest) = command.split_once(' ').unwrap_or((command, ""));
    let venv = format!("/usr/lib/{}/venv/bin", facts.package);
    let program = if program.contains('/') { program.to_owned() } else { format!("{venv}/{program}") };
    // systemd replaces ${NAME} within a word, $NAME only as one.
    let command = format!("{program} {}", rest.replace("$PORT", "${PORT}"));
    format!(
        "[Unit]\nDescription={}: {name}\nAfter=network.target\n\n[Service]\nExecStart={}\nEnvironment=PORT=8000\n\
         DynamicUser=yes\nStateDirectory={}\nWorkingDirectory=%S/{}\nRestart=on-failure\nProtectHome=yes\nNoNewPrivileges=yes\n\n\
         [Install]\nWantedBy=multi-user.target\n",
        facts.package,
        command.trim(),
        facts.package,
        facts.package
    )
}

/// Inspect the project in the working directory and write its debian/, or only
/// say what would be written. A file that is there is an error, and nothing is written.
pub fn new(context: &Context<'_>, name: Option<&str>, dry_run: bool) -> Result<Vec<File>> {
    let files = plan(&facts(context, name)?);
    let mut faults = Vec::new();
    for file in &files {
        if input::kind(&context.directory.join(&file.path))?.is_some() {
            faults.push(
                Diagnostic::error(format!("{} is there already", file.path.display()))
                    .hint("nothing was written: new never overwrites, move the file away first"),
            );
        }
    }
    if !faults.is_empty() {
        return Err(Error::Failed(faults));
    }
    if !dry_run {
        for file in &files {
            apply::write(&context.directory.join(&file.path), file.contents.as_bytes(), file.mode)?;
        }
    }
    Ok(files)
}

fn facts(context: &Context<'_>, name: Option<&str>) -> Result<Facts> {
    let root = &context.directory;
    let text = |name: &str| Ok::<_, Error>(input::text(&root.join(name))?.unwrap_or_default());
    let project = inspect::pyproject(&text("pyproject.toml")?)
        .or(inspect::setup_cfg(&text("setup.cfg")?))
        .or(inspect::setup_py(&text("setup.py")?))
        .or(inspect::pkg_info(&text("PKG-INFO")?));
    let installable = ["pyproject.toml", "setup.py"].iter().any(|name| input::is_file(&root.join(name)));
    let first =
        |names: &[&str]| names.iter().find(|name| input::is_file(&root.join(name))).map(|name| (*name).to_owned());
    let requirements = first(&["requirements.txt", "requirements/production.txt", "requirements/base.txt"]);
    if !installable && requirements.is_none() {
        return Err(Diagnostic::error("there is no pyproject.toml, setup.py or requirements.txt here")
            .hint("run this in the directory of a Python project")
            .into());
    }
    let directory = root.file_name().map(|name| name.to_string_lossy().into_owned());
    let package = name.map(str::to_owned).or(project.name.clone()).or(directory);
    let package = package.as_deref().and_then(source::package_name).ok_or_else(|| {
        Error::from(Diagnostic::error("the project has no name that Debian allows").hint("give one with --name"))
    })?;
    let licence = match first(&[
        "LICENSE",
        "LICENSE.txt",
        "LICENSE.md",
        "LICENSE.rst",
        "LICENCE",
        "COPYING",
        "COPYING.txt",
        "UNLICENSE",
    ]) {
        Some(name) => input::bytes(&root.join(name))?.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()),
        None => None,
    };
    let epoch = context
        .environment
        .text("SOURCE_DATE_EPOCH")
        .map_or_else(|| super::environment::now().to_string(), str::to_owned);
    let date = |format: &str| -> Result<String> {
        let words = ["-u", "-d", &format!("@{epoch}"), format].map(str::to_owned);
        Ok(String::from_utf8_lossy(&context.output("date", Process::new("date", words))?).trim().to_owned())
    };
    Ok(Facts {
        version: package_version(context, &project, &package)?,
        maintainer: maintainer(context, &project)?,
        lock: first(&["uv.lock", "pylock.toml"]),
        processes: inspect::procfile(&text("Procfile")?).into_iter().filter(|(name, _)| name != "release").collect(),
        date: date("-R")?,
        year: date("+%Y")?,
        project,
        package,
        requirements,
        installable,
        licence,
    })
}

/// The project's version, else the one that the newest tag names, else 0.1.
fn package_version(context: &Context<'_>, project: &Project, package: &str) -> Result<String> {
    if let Some(version) = project.version.as_deref().and_then(version::to_debian) {
        return Ok(version);
    }
    let process = Process::new("git", ["describe", "--tags", "--abbrev=0"]).directory(&context.directory);
    let output = context.attempt(process);
    let tag = output
        .ok()
        .filter(|output| output.success)
        .map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
    if let Some(version) = tag.and_then(|tag| source::version_of_tag(&tag, package)) {
        return Ok(version);
    }
    context.warn(
        Diagnostic::warning("the project's version is not known without running its code")
            .hint("0.1 is taken: correct debian/changelog"),
    );
    Ok("0.1".to_owned())
}

/// DEBFULLNAME and DEBEMAIL, else git's user, else the author.
fn maintainer(context: &Context<'_>, project: &Project) -> Result<String> {
    let environment = &context.environment;
    if let Some((name, address)) = environment.filled("DEBFULLNAME").zip(environment.filled("DEBEMAIL")) {
        return Ok(format!("{name} <{address}>"));
    }
    let ask = |key: &str| {
        let output =
            context.attempt(Process::new("git", ["config", "--get", key]).directory(&context.directory)).ok()?;
        Some(String::from_utf8_lossy(&output.stdout).trim().to_owned())
            .filter(|text| output.success && !text.is_empty())
    };
    let own = ask("user.name").zip(ask("user.email")).map(|(name, address)| format!("{name} <{address}>"));
    own.or_else(|| project.author.clone().filter(|author| author.contains('@'))).ok_or_else(|| {
        Diagnostic::error("it is not known who maintains the package")
            .hint("set DEBFULLNAME and DEBEMAIL, or git's user.name and user.email")
            .into()
    })
}

#[cfg(test)]
mod tests {
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
        assert!(with(&"word ".repeat(40)).len() <= 76);
    }

    #[test]
    fn what_is_installed_follows_the_files_that_are_there() {
        let files = plan(&Facts { requirements: Some("requirements.txt".into()), installable: false, ..facts() });
        assert_eq!(contents(&files, "notes.venv"), "Format: 1\nProject: none\nRequirements: requirements.txt\n");
        let mut with = facts();
        with.lock = Some("uv.lock".into());
        with.requirements = Some("requirements.txt".into());
        with.project.scripts = ["notes".to_owned(), "notes-admin".to_owned()].into();
        let files = plan(&with);
        assert_eq!(contents(&files, "notes.venv"), "Format: 1\nLock: uv.lock\nCommands: notes\n notes-admin\n");
        assert_eq!(contents(&files, "notes.manpages"), "debian/notes.1\ndebian/notes-admin.1\n");
    }

    #[test]
    fn processes_become_services() {
        let web = ("web".to_owned(), "gunicorn app:app --bind 0.0.0.0:$PORT".to_owned());
        let files = plan(&Facts { processes: vec![web.clone()], ..facts() });
        let unit = contents(&files, "notes.service");
        assert!(unit.contains("ExecStart=/usr/lib/notes/venv/bin/gunicorn app:app --bind 0.0.0.0:${PORT}\n"), "{unit}");
        let files = plan(&Facts { processes: vec![web, ("worker".to_owned(), "celery".to_owned())], ..facts() });
        assert!(
            contents(&files, "rules")
                .ends_with("\tdh_installsystemd --name=notes-web\n\tdh_installsystemd --name=notes-worker\n")
        );
        assert!(!contents(&files, "notes.notes-worker.service").is_empty());
    }

    #[test]
    fn licences_that_debian_has_are_referred_to() {
        let with = |text: &str| {
            contents(&plan(&Facts { licence: Some(text.into()), year: "2026".into(), ..facts() }), "copyright")
        };
        assert!(with("Apache License\nVersion 2.0").contains("License: Apache-2.0\n On Debian systems"));
        let text = with("MIT License\n\nCopyright (c) 2020 B\n\nPermission is hereby granted, free of charge");
        assert!(text.contains("Copyright: 2020 B\nLicense: Expat\n MIT License\n .\n"), "{text}");
    }
}
