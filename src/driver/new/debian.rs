//! The files of a new debian/, as values: [`plan`] over [`Facts`]. Pure.

use std::collections::BTreeSet;

use super::super::inspect::licence::{self, Licence};
use super::super::inspect::native;
use super::super::inspect::requirements::requirement_names;
use super::super::inspect::service::Kind;
use super::facts::{Facts, File, Requirements, Zope, file};
use super::services;

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
    if facts.generated {
        files.push(file(
            "source/lintian-overrides",
            "what lintian is not asked to find: sources of the release's generated files",
            "# Generated files, as the release has them: find what they were made from, and put\n\
             # it into debian/missing-sources, before this goes into Debian's archive.\n\
             source-is-missing [*]\n"
                .to_owned(),
        ));
    }
    if let Some(text) = listed(facts) {
        files.push(file("requirements.txt", "what is installed besides the project: dh_venv(1)", text));
    }
    if let Some(zope) = &facts.zope {
        let why = "the application, its ZEO server and its first administrator: dh_zeoclient(1)";
        files.push(file(&format!("{package}.zeoclient"), why, zeoclient(facts, zope)));
    }
    let programs = programs(facts);
    for program in programs.iter().filter(|program| !facts.manuals.contains_key(*program)) {
        let why = "manual page of a program: a beginning to write on";
        files.push(file(&format!("{program}.1"), why, manual(facts, program)));
    }
    let page = |program: &String| {
        let own = facts.manuals.get(program).cloned();
        own.unwrap_or_else(|| format!("debian/{program}.1")) + "\n"
    };
    files.push(file(
        &format!("{package}.manpages"),
        "which manual pages are installed",
        programs.iter().map(page).collect(),
    ));
    if let Some(module) = &facts.module {
        let text = format!("#!/bin/sh\nexec /usr/lib/{package}/venv/bin/python -m {module} \"$@\"\n");
        let program = file(&format!("bin/{package}"), "the program: a package of Python's that can be run", text);
        files.push(File { mode: 0o755, ..program });
    }
    files.push(file(
        &format!("{package}.install"),
        "which files are installed besides the virtual environment: dh_install(1)",
        install(facts),
    ));
    if !facts.services.is_empty() {
        files.extend(services::files(facts));
    }
    files.retain(|file| !file.contents.is_empty());
    files.sort_by(|a, b| a.path.cmp(&b.path));
    files
}

/// The names in /usr/bin.
fn programs(facts: &Facts) -> BTreeSet<String> {
    let module = facts.module.as_ref().map(|_| facts.package.clone());
    facts.project.scripts.iter().cloned().chain(module).collect()
}

/// The program itself where it is no installable project, the one that asks for its health, the one that runs it.
fn install(facts: &Facts) -> String {
    let package = &facts.package;
    let mut rows = Vec::new();
    if facts.services.iter().any(|service| service.kind == Kind::Web) {
        rows.push(format!("debian/{package}-health usr/lib/{package}\n"));
    }
    if facts.module.is_some() {
        rows.push(format!("debian/bin/{package} usr/bin\n"));
    }
    if !facts.installable {
        rows.extend(facts.sources.iter().map(|name| format!("{name} usr/lib/{package}/app\n")));
    }
    rows.concat()
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
    names.extend(facts.project.name.as_deref().map(crate::python::name::normalise));
    names
}

/// One instance on the server's usual address; everything else is dh_zeoclient's default.
fn zeoclient(facts: &Facts, zope: &Zope) -> String {
    let framework = zope.framework;
    let zcml = match zope.zcml.is_empty() {
        true => String::new(),
        false => format!("Zcml: {}\n", zope.zcml.join(" ")),
    };
    format!(
        "Format: 1\n\nStorage: main\nServer: 127.0.0.1:8100\n\nApplication: {}\nFramework: {framework}\n{zcml}\
         Listen: 127.0.0.1:8080\n\nBootstrap: {framework}\nAdmin-User: admin\n",
        facts.package
    )
}

fn control(facts: &Facts) -> String {
    let package = &facts.package;
    let homepage = facts.project.homepage.as_ref().filter(|url| url.starts_with("http"));
    let mut homepage = homepage.map(|url| format!("Homepage: {url}\n")).unwrap_or_default();
    if let Some(repository) = &facts.repository {
        homepage.push_str(&format!("Vcs-Git: {}\n", repository.git));
        homepage.extend(repository.browser.as_ref().map(|url| format!("Vcs-Browser: {url}\n")));
    }
    let mut needed: BTreeSet<&str> = BTreeSet::from(["python3-dev"]);
    let names = named(facts);
    needed.extend(names.iter().flat_map(|name| native::headers(name).iter().copied()));
    let mut runtime: BTreeSet<&str> = names.iter().flat_map(|name| native::loaded(name).iter().copied()).collect();
    runtime.extend(&facts.modules);
    // The modules are tried when the virtual environment is built.
    needed.extend(&runtime);
    needed.extend(facts.rust.then_some("cargo"));
    let runtime: String = runtime.iter().map(|name| format!(", {name}")).collect();
    let mut build: Vec<&str> = vec!["debhelper-compat (= 13)"];
    if !facts.services.is_empty() || facts.zope.is_some() {
        build.extend(["dh-sequence-appconfig", "dh-sequence-supervisord"]);
    }
    build.push("dh-sequence-venv");
    build.extend(facts.zope.as_ref().map(|_| "dh-sequence-zeoclient"));
    let suggests = if facts.zope.is_some() { "Suggests: zeo-server\n" } else { "" };
    build.extend(needed);
    format!(
        "Source: {package}\nSection: {}\nPriority: optional\nMaintainer: {}\n\
         Build-Depends: {}\nStandards-Version: 4.6.2\nRules-Requires-Root: no\n{homepage}\n\
         Package: {package}\nArchitecture: any\nDepends: ${{misc:Depends}}, ${{shlibs:Depends}}, ${{venv:Depends}}{runtime}\n{suggests}\
         XB-Venv-Id: ${{venv:Id}}\nDescription: {}\n{} .\n \
         The package brings its Python libraries with it, in an environment of their\n own below /usr/lib/{package}/venv.\n",
        if facts.services.is_empty() && facts.zope.is_none() { "python" } else { "web" },
        literal(&facts.maintainer),
        build.join(",\n               "),
        literal(&synopsis(facts)),
        literal(&introduction(facts))
    )
}

/// Foreign text that dpkg-gencontrol shall not replace anything in: `${Newline}` would
/// begin a field (deb-substvars(5)).
fn literal(text: &str) -> String {
    text.replace("${", "${}{")
}

/// First paragraph of the description: the project's own words where they did not fit into the synopsis.
fn introduction(facts: &Facts) -> String {
    let own = facts.project.description.as_deref().unwrap_or_default().trim();
    let name = facts.project.name.as_deref().unwrap_or(&facts.package);
    let text = match own.chars().count() > synopsis(facts).chars().count() + 8 {
        true => format!("{}.", own.trim_end_matches(['.', '!'])),
        false => format!("{name} is an application written in Python."),
    };
    let mut lines = String::new();
    let mut width = 0;
    for word in text.split_whitespace() {
        let long = word.chars().count() + 1;
        if width == 0 || width + long > 78 {
            lines.push_str(if width == 0 { "" } else { "\n" });
            width = 0;
        }
        lines.push(' ');
        lines.push_str(word);
        width += long;
    }
    lines + "\n"
}

/// One line without article, package name and full stop (policy 3.4.1, developers' reference 6.2.2).
fn synopsis(facts: &Facts) -> String {
    let text =
        facts.project.description.as_deref().unwrap_or_default().split_whitespace().collect::<Vec<_>>().join(" ");
    // Signs that are no words: emoji and the like, at the beginning.
    let text = text.trim_start_matches(|c: char| !c.is_alphanumeric());
    let text = without_name(text, facts);
    let text = ["A ", "An ", "The ", "a ", "an ", "the "]
        .iter()
        .find_map(|article| text.strip_prefix(article))
        .unwrap_or(text);
    let short = shortened(text.trim_end_matches('.'));
    let named = short.to_lowercase().starts_with(&facts.package);
    match short.trim_end_matches([',', ';', ':', '.', ' ', '!']) {
        text if text.len() < 4 || named => "application with its Python libraries".to_owned(),
        text => text.to_owned(),
    }
}

/// `NAME is a tool`, `NAME: a tool`, `NAME - a tool` → `a tool`.
fn without_name<'a>(text: &'a str, facts: &Facts) -> &'a str {
    let names = [facts.package.as_str(), facts.project.name.as_deref().unwrap_or_default()];
    let rest = names.into_iter().filter(|name| !name.is_empty()).find_map(|name| {
        let head = text.get(..name.len()).filter(|head| head.eq_ignore_ascii_case(name))?;
        Some(text[head.len()..].trim_start())
    });
    let rest = rest.and_then(|rest| ["is ", ": ", "- ", "– ", "— "].iter().find_map(|sign| rest.strip_prefix(sign)));
    rest.map_or(text, str::trim_start)
}

/// At most as many words as fit into a line, and no half clause at the end.
fn shortened(text: &str) -> String {
    const MOST: usize = 76;
    if text.chars().count() <= MOST {
        return text.to_owned();
    }
    let end = text.char_indices().nth(MOST).map_or(text.len(), |(at, _)| at);
    let cut = &text[..end];
    // At the last sign that ends a clause, else before a word that begins one, else between two words.
    let sign = cut.rfind([',', ';', '.', ':']).filter(|at| *at > 20);
    let leads = [
        " and ", " or ", " that ", " which ", " with ", " for ", " to ", " from ", " by ", " in ", " on ", " as ",
        " & ",
    ];
    let lead = leads.iter().filter_map(|word| cut.rfind(word)).max().filter(|at| *at > 20);
    let between = cut.rfind(' ').unwrap_or(end);
    text[..sign.max(lead).unwrap_or(between)].trim_end().to_owned()
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
    let mut holders = licence::copyright_holders(text);
    if holders.is_empty() {
        let who = facts.project.author.as_deref().unwrap_or(&facts.maintainer);
        holders.push(format!("{} {who}", facts.year));
    }
    let holder = holders.join("\n           ");
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
    use std::path::Path;

    use super::*;
    use crate::driver::inspect::Project;

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
    fn substitutions_in_foreign_words_are_no_substitutions() {
        let mut with = facts();
        with.project.description = Some("Tool ${Newline}Essential: yes".into());
        with.maintainer = "${shlibs:Depends} <a@b>".into();
        let control = contents(&plan(&with), "control");
        assert!(control.contains("Description: Tool ${}{Newline}Essential: yes\n"), "{control}");
        assert!(control.contains("Maintainer: ${}{shlibs:Depends} <a@b>\n"), "{control}");
        assert!(contents(&plan(&with), "rules").ends_with("%:\n\tdh $@\n"));
    }

    #[test]
    fn synopses_are_what_policy_wants() {
        let with = |text: &str| {
            synopsis(&Facts { project: Project { description: Some(text.into()), ..Project::default() }, ..facts() })
        };
        assert_eq!(with("A small notes service."), "small notes service");
        assert_eq!(with("Notes is an application for notes"), "application for notes");
        assert_eq!(with("Notesapp"), "application with its Python libraries");
        assert_eq!(with(""), "application with its Python libraries");
        assert_eq!(with("\u{1f680} Fast tool!"), "Fast tool");
        assert_eq!(with("Notes - keeps\n notes"), "keeps notes");
        assert_eq!(with("NOTES: the simplest service"), "simplest service");
        assert!(with(&"word ".repeat(40)).len() <= 76);
        let long = "Small notes service with a web page, a REST interface and a command of its own";
        assert_eq!(with(long), "Small notes service with a web page, a REST interface");
        let long = "tool for scanning Python environments for known vulnerabilities and other faults of theirs";
        assert_eq!(with(long), "tool for scanning Python environments for known vulnerabilities");
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
    fn what_is_loaded_while_it_runs_is_a_dependency_of_both() {
        let mut with = facts();
        with.project.dependencies = Some(vec!["psycopg>=3".into()]);
        with.modules = ["python3-tk"].into();
        let control = contents(&plan(&with), "control");
        assert!(control.contains("${venv:Depends}, libpq5, python3-tk\n"), "{control}");
        assert!(control.contains("libpq5,\n               python3-dev,\n               python3-tk\n"), "{control}");
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
