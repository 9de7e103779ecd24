//! What a project says of itself: text in, values out.
//!
//! Owns the reading of pyproject.toml (PEP 621 and Poetry), setup.cfg, setup.py,
//! PKG-INFO, licence texts and Procfile, as far as `new` needs it. Reads no file, runs no
//! code of the project.

use std::collections::{BTreeMap, BTreeSet};

use toml::{Table, Value};

/// What is known of a project.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Project {
    /// As the project spells it.
    pub name: Option<String>,
    /// Version of PEP 440.
    pub version: Option<String>,
    /// One line.
    pub description: Option<String>,
    /// Home page.
    pub homepage: Option<String>,
    /// `Name <address>`, where it is given so.
    pub author: Option<String>,
    /// Names of the programs that it installs.
    pub scripts: BTreeSet<String>,
}

impl Project {
    /// The same, with what `other` knows in addition.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self {
            name: self.name.or(other.name),
            version: self.version.or(other.version),
            description: self.description.or(other.description),
            homepage: self.homepage.or(other.homepage),
            author: self.author.or(other.author),
            scripts: if self.scripts.is_empty() { other.scripts } else { self.scripts },
        }
    }
}

/// From pyproject.toml; a file that is no TOML says nothing.
pub fn pyproject(text: &str) -> Project {
    let Ok(table) = text.parse::<Table>() else { return Project::default() };
    let standard = table.get("project").and_then(Value::as_table).map(standard);
    let poetry = table.get("tool").and_then(|tool| tool.get("poetry")).and_then(Value::as_table).map(poetry);
    standard.unwrap_or_default().or(poetry.unwrap_or_default())
}

fn words(table: &Table, key: &str) -> Option<String> {
    table.get(key).and_then(Value::as_str).map(|text| text.split_whitespace().collect::<Vec<_>>().join(" "))
}

fn keys(table: &Table, name: &str) -> BTreeSet<String> {
    table.get(name).and_then(Value::as_table).map(|scripts| scripts.keys().cloned().collect()).unwrap_or_default()
}

fn standard(table: &Table) -> Project {
    let url = |urls: &Table| {
        let wanted = ["homepage", "repository", "source", "source code", "github", "documentation"];
        wanted.iter().find_map(|name| {
            let (_, value) = urls.iter().find(|(key, _)| key.to_lowercase() == *name)?;
            value.as_str().map(str::to_owned)
        })
    };
    let author = table.get("authors").and_then(Value::as_array).and_then(|all| all.first()).and_then(|first| {
        let name = first.get("name").and_then(Value::as_str);
        let address = first.get("email").and_then(Value::as_str);
        Some(format!("{} <{}>", name.or(address)?, address?))
    });
    let mut scripts = keys(table, "scripts");
    scripts.extend(keys(table, "gui-scripts"));
    Project {
        name: words(table, "name"),
        version: words(table, "version"),
        description: words(table, "description"),
        homepage: table.get("urls").and_then(Value::as_table).and_then(url),
        author,
        scripts,
    }
}

fn poetry(table: &Table) -> Project {
    let author = table.get("authors").and_then(Value::as_array).and_then(|all| all.first()?.as_str());
    Project {
        name: words(table, "name"),
        version: words(table, "version"),
        description: words(table, "description"),
        homepage: words(table, "homepage").or_else(|| words(table, "repository")),
        author: author.map(str::to_owned),
        scripts: keys(table, "scripts"),
    }
}

/// From setup.cfg: `[metadata]` and `console_scripts` of `[options.entry_points]`.
pub fn setup_cfg(text: &str) -> Project {
    let mut sections: BTreeMap<(String, String), Vec<String>> = BTreeMap::new();
    let (mut section, mut key) = (String::new(), String::new());
    for line in text.lines().filter(|line| !line.trim_start().starts_with(['#', ';'])) {
        if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.split(']').next()) {
            section = name.trim().to_owned();
            key.clear();
        } else if line.starts_with([' ', '\t']) {
            if !line.trim().is_empty() && !key.is_empty() {
                sections.entry((section.clone(), key.clone())).or_default().push(line.trim().to_owned());
            }
        } else if let Some((name, value)) = line.split_once(['=', ':']) {
            key = name.trim().to_lowercase().replace('-', "_");
            let values = sections.entry((section.clone(), key.clone())).or_default();
            values.extend(Some(value.trim().to_owned()).filter(|value| !value.is_empty()));
        }
    }
    let all =
        |section: &str, key: &str| sections.get(&(section.to_owned(), key.to_owned())).cloned().unwrap_or_default();
    // `attr:` and `file:` point to code and files.
    let literal = |key: &str| {
        all("metadata", key).first().filter(|text| !text.starts_with("attr:") && !text.starts_with("file:")).cloned()
    };
    let author = literal("author").zip(literal("author_email")).map(|(name, address)| format!("{name} <{address}>"));
    let scripts = all("options.entry_points", "console_scripts");
    Project {
        name: literal("name"),
        version: literal("version"),
        description: literal("description").or_else(|| literal("summary")),
        homepage: literal("url").or_else(|| literal("home_page")),
        author,
        scripts: scripts.iter().filter_map(|row| Some(row.split_once('=')?.0.trim().to_owned())).collect(),
    }
}

/// From setup.py, as far as arguments are literal texts.
pub fn setup_py(text: &str) -> Project {
    let argument = |name: &str| {
        text.match_indices(name).find_map(|(at, _)| {
            let whole = !text[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == '.');
            let rest = text[at + name.len()..].trim_start().strip_prefix('=')?.trim_start();
            if whole { literal(rest) } else { None }
        })
    };
    let scripts = text.split_once("console_scripts").and_then(|(_, rest)| rest.split_once('[')?.1.split_once(']'));
    let scripts = scripts
        .map(|(rows, _)| rows.split(['"', '\'']).filter_map(|row| Some(row.split_once('=')?.0.trim().to_owned())));
    Project {
        name: argument("name"),
        version: argument("version"),
        description: argument("description"),
        homepage: argument("url"),
        author: argument("author").zip(argument("author_email")).map(|(name, address)| format!("{name} <{address}>")),
        scripts: scripts.map(Iterator::collect).unwrap_or_default(),
    }
}

/// From PKG-INFO, which a release archive has at its top (core metadata).
pub fn pkg_info(text: &str) -> Project {
    let head = text.split("\n\n").next().unwrap_or_default();
    let field = |name: &str| {
        let value = head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        value.map(str::trim).filter(|value| !value.is_empty() && *value != "UNKNOWN").map(str::to_owned)
    };
    Project {
        name: field("Name"),
        version: field("Version"),
        description: field("Summary"),
        homepage: field("Home-page"),
        author: field("Author").zip(field("Author-email")).map(|(name, address)| format!("{name} <{address}>")),
        scripts: BTreeSet::new(),
    }
}

/// A text literal of Python without escapes at the beginning of `rest`.
fn literal(rest: &str) -> Option<String> {
    let quote = rest.chars().next().filter(|c| *c == '"' || *c == '\'')?;
    let text = rest[1..].split(quote).next()?;
    (!text.is_empty() && !text.contains(['\\', '\n', '{'])).then(|| text.to_owned())
}

/// A licence, as debian/copyright names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Licence {
    /// Short name of the machine-readable format.
    pub name: &'static str,
    /// File in /usr/share/common-licenses, where Debian has it.
    pub common: Option<&'static str>,
}

/// The licence that a text is.
pub fn licence(text: &str) -> Option<Licence> {
    let words = text.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase();
    let has = |phrase: &str| words.contains(phrase);
    // The licences of GNU name one another further down.
    let title: String = words.chars().take(200).collect();
    let titled = |phrase: &str| title.contains(phrase);
    let found = |name, common| Some(Licence { name, common });
    if titled("gnu affero general public license") {
        found("AGPL-3", None)
    } else if titled("gnu lesser general public license") {
        if titled("version 3") { found("LGPL-3", Some("LGPL-3")) } else { found("LGPL-2.1", Some("LGPL-2.1")) }
    } else if titled("gnu general public license") {
        if titled("version 3") { found("GPL-3", Some("GPL-3")) } else { found("GPL-2", Some("GPL-2")) }
    } else if has("apache license") && has("version 2.0") {
        found("Apache-2.0", Some("Apache-2.0"))
    } else if has("mozilla public license") && has("2.0") {
        found("MPL-2.0", Some("MPL-2.0"))
    } else if has("permission is hereby granted, free of charge") {
        found("Expat", None)
    } else if has("redistribution and use in source and binary forms") {
        if has("neither the name") { found("BSD-3-clause", None) } else { found("BSD-2-clause", None) }
    } else if has("permission to use, copy, modify, and") && has("distribute this software") {
        found("ISC", None)
    } else {
        None
    }
}

/// `2010, A Person` from the first line of a licence that says who holds the copyright.
pub fn copyright_holder(text: &str) -> Option<String> {
    let line = text.lines().map(str::trim).find(|line| {
        let lower = line.to_lowercase();
        lower.starts_with("copyright") && lower.contains(|c: char| c.is_ascii_digit())
    })?;
    let rest = line["copyright".len()..].trim_start();
    let rest = ["(c)", "(C)", "©"].iter().find_map(|sign| rest.strip_prefix(sign)).unwrap_or(rest);
    let rest = rest.trim().trim_end_matches('.').to_owned();
    let template = rest.contains(['[', '<', '{']) && !rest.contains('@');
    (!rest.is_empty() && !template).then_some(rest)
}

/// `name: command` of each line of a Procfile.
pub fn procfile(text: &str) -> Vec<(String, String)> {
    text.lines()
        .filter(|line| !line.trim_start().starts_with('#'))
        .filter_map(|line| line.split_once(':'))
        .map(|(name, command)| (name.trim().to_owned(), command.trim().to_owned()))
        .filter(|(name, command)| {
            !name.is_empty()
                && name.chars().all(|c| c.is_ascii_alphanumeric() || "-_".contains(c))
                && !command.is_empty()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pyproject_of_both_kinds() {
        let project = pyproject(
            "[project]\nname = 'Notes'\nversion = '1.0'\ndescription = 'Keeps\tnotes'\nauthors = [{name = 'A', email = 'a@b'}]\n\
             [project.urls]\nSource = 'https://s'\nHomepage = 'https://h'\n[project.scripts]\nnotes = 'notes:main'\n",
        );
        assert_eq!((project.name.as_deref(), project.description.as_deref()), (Some("Notes"), Some("Keeps notes")));
        assert_eq!((project.homepage.as_deref(), project.author.as_deref()), (Some("https://h"), Some("A <a@b>")));
        assert!(project.scripts.contains("notes"));
        let project = pyproject(
            "[tool.poetry]\nname = 'x'\nversion = '2'\nauthors = ['B <b@c>']\n[tool.poetry.scripts]\nx = 'x:y'\n",
        );
        assert_eq!((project.version.as_deref(), project.author.as_deref()), (Some("2"), Some("B <b@c>")));
        assert_eq!(pyproject("not [toml"), Project::default());
    }

    #[test]
    fn setuptools_files_are_read_not_run() {
        let project = setup_cfg(
            "[metadata]\nname = app\nversion = attr: app.version\nurl = https://h\n[options.entry_points]\nconsole_scripts =\n    app = app:main\n    appd = app:d\n",
        );
        assert_eq!((project.name.as_deref(), project.version), (Some("app"), None));
        assert_eq!(project.scripts, BTreeSet::from(["app".to_owned(), "appd".to_owned()]));
        let project = setup_py(
            "setup(\n  name='app', version=VERSION, description=\"An app\",\n  entry_points={'console_scripts': ['app=app:main', \"two = app:two\"]})",
        );
        assert_eq!((project.name.as_deref(), project.version), (Some("app"), None));
        assert_eq!(project.description.as_deref(), Some("An app"));
        assert_eq!(project.scripts, BTreeSet::from(["app".to_owned(), "two".to_owned()]));
    }

    #[test]
    fn release_archives_say_what_the_code_computes() {
        let project = pkg_info(
            "Metadata-Version: 1.1\nName: app\nVersion: 1.9.0\nAuthor-email: UNKNOWN\nAuthor: A\n\nVersion: 2\n",
        );
        assert_eq!(
            (project.name.as_deref(), project.version.as_deref(), project.author),
            (Some("app"), Some("1.9.0"), None)
        );
    }

    #[test]
    fn licences_and_holders() {
        let name = |text: &str| licence(text).map(|licence| licence.name);
        assert_eq!(name("MIT\n\nPermission is hereby granted,\nfree of charge, to"), Some("Expat"));
        assert_eq!(name("GNU GENERAL PUBLIC LICENSE\n Version 3, 29 June 2007"), Some("GPL-3"));
        assert_eq!(name("Redistribution and use in source and binary forms … Neither the name"), Some("BSD-3-clause"));
        assert_eq!(
            name(&format!(
                "GNU GENERAL PUBLIC LICENSE\nVersion 3, {}\n13. GNU Affero General Public License",
                "x ".repeat(200)
            )),
            Some("GPL-3")
        );
        assert_eq!(name("All rights reserved"), None);
        assert_eq!(
            copyright_holder("MIT\n\nCopyright (c) 2010, 2012 A Person.\n").as_deref(),
            Some("2010, 2012 A Person")
        );
        assert_eq!(copyright_holder("Copyright [yyyy] [name of copyright owner] 1"), None);
    }

    #[test]
    fn processes_of_a_procfile() {
        let rows =
            procfile("# x\nweb: gunicorn app:app --bind 0.0.0.0:$PORT\nworker: celery -A app worker\nbad name: x\n");
        assert_eq!(rows[0].0, "web");
        assert_eq!(rows[1], ("worker".to_owned(), "celery -A app worker".to_owned()));
        assert_eq!(rows.len(), 2);
    }
}
