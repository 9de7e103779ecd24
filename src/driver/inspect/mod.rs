//! What a project says of itself: text in, values out.
//!
//! Owns the reading of pyproject.toml (PEP 621, Poetry, Flit), setup.cfg, setup.py,
//! PKG-INFO and egg-info, Pipfile, requirements, licence texts and Procfile, as far as
//! `new` needs it. Reads no file, runs no code of the project.

pub mod forge;
pub mod generated;
pub mod hooks;
pub mod licence;
pub mod native;
pub mod requirements;
pub mod service;

use std::collections::{BTreeMap, BTreeSet};

use toml::{Table, Value};

use crate::foreign::{Url, line};

use self::requirements::{requirement, requirement_names};

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
    /// `Name <address>`, or a name.
    pub author: Option<String>,
    /// Names of the programs that it installs.
    pub scripts: BTreeSet<String>,
    /// Those of them that are files of the project, and no entry points.
    pub script_files: BTreeSet<String>,
    /// What it depends on, as requirements; `None` where nothing says it.
    pub dependencies: Option<Vec<String>>,
    /// Which versions of Python it is for.
    pub requires_python: Option<String>,
    /// The licence, in the project's words.
    pub licence: Option<String>,
}

impl Project {
    /// The same, with what `other` knows in addition.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self {
            name: self.name.or(other.name),
            version: self.version.or(other.version),
            description: self.description.or(other.description),
            homepage: self.homepage.filter(|url| !is_index_page(url)).or(other.homepage),
            author: self.author.or(other.author),
            scripts: if self.scripts.is_empty() { other.scripts } else { self.scripts },
            script_files: if self.script_files.is_empty() { other.script_files } else { self.script_files },
            dependencies: self.dependencies.or(other.dependencies),
            requires_python: self.requires_python.or(other.requires_python),
            licence: self.licence.or(other.licence),
        }
    }
}

impl Project {
    /// As it may be written into other files: each text is one line, the home page is a URL.
    #[must_use]
    pub fn plain(self) -> Self {
        let text = |text: Option<String>| text.map(|text| line(&text)).filter(|text| !text.is_empty());
        let rows = |rows: Vec<String>| rows.iter().filter_map(|row| requirement(row)).collect();
        Self {
            name: text(self.name),
            version: text(self.version),
            description: text(self.description),
            homepage: text(self.homepage).filter(|url| Url::new(url).is_ok()),
            author: text(self.author),
            scripts: self.scripts,
            script_files: self.script_files,
            dependencies: self.dependencies.map(rows),
            requires_python: text(self.requires_python),
            licence: text(self.licence),
        }
    }
}

/// A text of TOML; nothing where it is none.
pub fn table(text: &str) -> Option<Table> {
    if crate::foreign::too_deep(text).is_some() { None } else { text.parse().ok() }
}

/// From pyproject.toml; a file that is no TOML says nothing.
pub fn pyproject(text: &str) -> Project {
    let Some(table) = table(text) else { return Project::default() };
    let standard = table.get("project").and_then(Value::as_table).map(standard);
    let tool = |name: &str| table.get("tool").and_then(|tool| tool.get(name)).and_then(Value::as_table);
    let flit = tool("flit").and_then(|flit| flit.get("metadata")).and_then(Value::as_table).map(|metadata| Project {
        name: words(metadata, "dist-name").or_else(|| words(metadata, "module")),
        homepage: words(metadata, "home-page"),
        scripts: tool("flit").map(|flit| keys(flit, "scripts")).unwrap_or_default(),
        dependencies: strings(metadata, "requires"),
        requires_python: words(metadata, "requires-python"),
        ..Project::default()
    });
    let poetry = tool("poetry").map(poetry);
    let files = tool("setuptools").and_then(|tool| strings(tool, "script-files")).unwrap_or_default();
    let mut standard = standard.unwrap_or_default();
    standard.script_files = files.iter().filter_map(|path| script(path)).collect();
    standard.scripts.extend(standard.script_files.clone());
    standard.or(poetry.unwrap_or_default()).or(flit.unwrap_or_default())
}

/// Whether a pyproject.toml describes something that can be built, and not only the settings of tools.
pub fn is_buildable(text: &str) -> bool {
    let Some(table) = table(text) else { return false };
    let tool = |name: &str| table.get("tool").and_then(|tool| tool.get(name)).and_then(Value::as_table);
    if tool("poetry").and_then(|poetry| poetry.get("package-mode")).and_then(Value::as_bool) == Some(false) {
        return false;
    }
    if tool("uv").and_then(|uv| uv.get("package")).and_then(Value::as_bool) == Some(false) {
        return false;
    }
    table.contains_key("build-system") || tool("poetry").is_some_and(|poetry| poetry.contains_key("name"))
}

/// Names of what builds the project, normalised.
pub fn build_requires(text: &str) -> BTreeSet<String> {
    let Some(table) = table(text) else { return BTreeSet::new() };
    let system = table.get("build-system").and_then(Value::as_table);
    requirement_names(&system.and_then(|system| strings(system, "requires")).unwrap_or_default())
}

/// Where a pyproject.toml says that the version is to be read: a file (Hatch), or a module with `__version__` (Flit, setuptools).
pub fn version_places(text: &str) -> Vec<String> {
    let Some(table) = table(text) else { return Vec::new() };
    let get = |path: &[&str]| {
        let value = path.iter().try_fold(table.get("tool")?, |value, key| value.get(key));
        value.and_then(Value::as_str).map(str::to_owned)
    };
    let mut places: Vec<String> =
        [&["hatch", "version", "path"][..], &["pdm", "version", "path"]].into_iter().filter_map(get).collect();
    let modules = [
        &["setuptools", "dynamic", "version", "attr"][..],
        &["flit", "module", "name"],
        &["flit", "metadata", "module"],
    ];
    places.extend(modules.into_iter().filter_map(get).flat_map(|name| {
        let path = name.trim_end_matches(".__version__").replace('.', "/");
        let parent = path.rsplit_once('/').map_or(path.as_str(), |(parent, _)| parent).to_owned();
        ["", "src/"]
            .into_iter()
            .flat_map(move |root| {
                [
                    format!("{root}{path}/__init__.py"),
                    format!("{root}{path}.py"),
                    format!("{root}{parent}.py"),
                    format!("{root}{parent}/__init__.py"),
                ]
            })
            .collect::<Vec<_>>()
    }));
    places
}

/// The text that a module gives `__version__`, `VERSION` or `version`.
pub fn version_in(text: &str) -> Option<String> {
    ["__version__", "VERSION", "version"].iter().find_map(|name| {
        text.lines().find_map(|line| {
            let rest = line.strip_prefix(name)?.trim_start();
            let rest = rest
                .strip_prefix(':')
                .map_or(rest, |rest| rest.split_once('=').map_or("", |_| &rest[rest.find('=').unwrap_or(0)..]));
            literal(rest.trim_start().strip_prefix('=')?.trim_start())
        })
    })
}

/// Of addresses with labels the one that is most like a home page.
fn homepage(urls: &[(String, String)]) -> Option<String> {
    let wanted =
        ["homepage", "home", "repository", "source", "source code", "sourcecode", "code", "github", "documentation"];
    wanted.iter().find_map(|name| {
        let (_, url) = urls.iter().find(|(label, url)| label.to_lowercase() == *name && !is_index_page(url))?;
        Some(url.clone())
    })
}

/// Whether an address is the project's page in the package index, which says nothing that the metadata does not.
fn is_index_page(url: &str) -> bool {
    url.contains("://pypi.") || url.contains("://www.pypi.")
}

/// `Name <address>`, or the name alone, of an author's two fields. The address may
/// have names of its own in it, and both may have several persons: the first counts.
fn person(name: Option<&str>, address: Option<&str>) -> Option<String> {
    let first = |text: &str| text.split(',').next().unwrap_or_default().trim().replace(['"', '\''], "");
    let filled = |text: String| Some(text).filter(|text| !text.is_empty());
    let name = name.map(first).and_then(filled);
    let address = address.map(first).filter(|address| address.contains('@'));
    let Some(address) = address else { return name };
    let (own, address) = address.split_once('<').unwrap_or(("", &address));
    let address = address.trim().trim_end_matches('>');
    let own = filled(own.trim().to_owned());
    Some(format!("{} <{address}>", own.or(name).unwrap_or_else(|| address.to_owned())))
}

/// The name of an entry point, `name = module:function`.
fn entry(row: &str) -> Option<String> {
    Some(row.split_once('=')?.0.trim().to_owned())
}

/// The name of a script that is installed as it is; those for Windows are none here.
fn script(path: &str) -> Option<String> {
    let name = path.trim().rsplit('/').next().unwrap_or_default();
    let foreign = [".bat", ".cmd", ".exe", ".ps1"].iter().any(|end| name.to_lowercase().ends_with(end));
    (!name.is_empty() && !foreign).then(|| name.to_owned())
}

fn strings(table: &Table, key: &str) -> Option<Vec<String>> {
    let all = table.get(key)?.as_array()?;
    Some(all.iter().filter_map(Value::as_str).map(str::to_owned).collect())
}

fn words(table: &Table, key: &str) -> Option<String> {
    table.get(key).and_then(Value::as_str).map(|text| text.split_whitespace().collect::<Vec<_>>().join(" "))
}

fn keys(table: &Table, name: &str) -> BTreeSet<String> {
    table.get(name).and_then(Value::as_table).map(|scripts| scripts.keys().cloned().collect()).unwrap_or_default()
}

fn standard(table: &Table) -> Project {
    let url = |urls: &Table| {
        let rows = urls.iter().filter_map(|(label, url)| Some((label.clone(), url.as_str()?.to_owned())));
        homepage(&rows.collect::<Vec<_>>())
    };
    let author = table.get("authors").and_then(Value::as_array).and_then(|all| all.first()).and_then(|first| {
        person(first.get("name").and_then(Value::as_str), first.get("email").and_then(Value::as_str))
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
        script_files: BTreeSet::new(),
        dependencies: strings(table, "dependencies"),
        requires_python: words(table, "requires-python"),
        licence: licence_words(table),
    }
}

/// `license = "MIT"`, `license = {text = "MIT"}`, or a classifier.
fn licence_words(table: &Table) -> Option<String> {
    let plain = words(table, "license");
    let inner = table.get("license").and_then(Value::as_table).and_then(|table| words(table, "text"));
    let classifier = || strings(table, "classifiers")?.into_iter().find(|row| row.starts_with("License ::"));
    plain.or(inner.filter(|text| text.len() < 80)).or_else(classifier)
}

fn poetry(table: &Table) -> Project {
    let author = table.get("authors").and_then(Value::as_array).and_then(|all| all.first()?.as_str());
    Project {
        name: words(table, "name"),
        version: words(table, "version"),
        description: words(table, "description"),
        homepage: words(table, "homepage").filter(|url| !is_index_page(url)).or_else(|| words(table, "repository")),
        author: author.map(str::to_owned),
        scripts: keys(table, "scripts"),
        script_files: BTreeSet::new(),
        dependencies: table
            .get("dependencies")
            .and_then(Value::as_table)
            .map(|table| table.keys().filter(|name| *name != "python").cloned().collect()),
        requires_python: None,
        licence: licence_words(table),
    }
}

/// The lines of each key of each section of a setup.cfg.
fn sections(text: &str) -> BTreeMap<(String, String), Vec<String>> {
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
    sections
}

/// From setup.cfg: `[metadata]` and `console_scripts` of `[options.entry_points]`.
pub fn setup_cfg(text: &str) -> Project {
    let sections = sections(text);
    let all =
        |section: &str, key: &str| sections.get(&(section.to_owned(), key.to_owned())).cloned().unwrap_or_default();
    // `attr:` and `file:` point to code and files.
    let literal = |key: &str| {
        all("metadata", key).first().filter(|text| !text.starts_with("attr:") && !text.starts_with("file:")).cloned()
    };
    let entries = ["console_scripts", "gui_scripts"].iter().flat_map(|kind| all("options.entry_points", kind));
    let script_files: BTreeSet<String> = all("options", "scripts").iter().filter_map(|path| script(path)).collect();
    let scripts = entries.filter_map(|row| entry(&row)).chain(script_files.clone()).collect();
    let requires = Some(all("options", "install_requires")).filter(|rows| !rows.is_empty());
    Project {
        dependencies: requires,
        requires_python: all("options", "python_requires").first().cloned(),
        licence: literal("license"),
        name: literal("name"),
        version: literal("version"),
        description: literal("description").or_else(|| literal("summary")),
        homepage: literal("url").or_else(|| literal("home_page")),
        author: person(literal("author").as_deref(), literal("author_email").as_deref()),
        scripts,
        script_files,
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
    let entries = ["console_scripts", "gui_scripts"].iter().flat_map(|word| list(text, word));
    let files = list(text, "scripts");
    let script_files: BTreeSet<String> = files.iter().filter_map(|path| script(path)).collect();
    let scripts = entries.filter_map(|row| entry(&row)).chain(script_files.clone()).collect();
    Project {
        name: argument("name"),
        version: argument("version"),
        description: argument("description"),
        homepage: argument("url"),
        author: person(argument("author").as_deref(), argument("author_email").as_deref()),
        scripts,
        script_files,
        dependencies: text.contains("install_requires").then(Vec::new),
        requires_python: argument("python_requires"),
        licence: argument("license"),
    }
}

/// The texts in quotes of the list that a setup.py gives an argument or a key.
fn list(text: &str, word: &str) -> Vec<String> {
    let found = text.match_indices(word).find_map(|(at, _)| {
        let whole = !text[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == '.');
        let rest = text[at + word.len()..].trim_start_matches(['"', '\'', ' ', '=', ':', '\n']);
        let rows = rest.strip_prefix(['[', '(']).filter(|_| whole)?;
        Some(rows.split([']', ')']).next()?.split(['"', '\'']).skip(1).step_by(2).map(str::to_owned).collect())
    });
    found.unwrap_or_default()
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
        homepage: field("Home-page").filter(|url| !is_index_page(url)).or_else(|| {
            let rows = head.lines().filter_map(|line| line.strip_prefix("Project-URL:")?.split_once(','));
            homepage(&rows.map(|(label, url)| (label.trim().to_owned(), url.trim().to_owned())).collect::<Vec<_>>())
        }),
        author: person(field("Author").as_deref(), field("Author-email").as_deref()),
        scripts: BTreeSet::new(),
        script_files: BTreeSet::new(),
        dependencies: {
            let rows = head.lines().filter_map(|line| line.strip_prefix("Requires-Dist:"));
            let rows: Vec<String> =
                rows.filter(|row| !row.contains("extra ==")).map(|row| row.trim().to_owned()).collect();
            Some(rows).filter(|rows| !rows.is_empty())
        },
        requires_python: field("Requires-Python"),
        licence: field("License-Expression")
            .or_else(|| field("License"))
            .filter(|text| text.len() < 80)
            .or_else(|| head.lines().find_map(|line| line.strip_prefix("Classifier: License :: ")).map(str::to_owned)),
    }
}

/// The console scripts of an entry_points.txt, which setuptools leaves in a release archive.
pub fn entry_points(text: &str) -> BTreeSet<String> {
    let mut scripts = BTreeSet::new();
    let mut within = false;
    for line in text.lines().map(str::trim) {
        if let Some(section) = line.strip_prefix('[') {
            within = matches!(section.trim_end_matches(']').trim(), "console_scripts" | "gui_scripts");
        } else if let Some((name, _)) = line.split_once('=').filter(|_| within) {
            scripts.insert(name.trim().to_owned());
        }
    }
    scripts
}

/// The requirements of a requires.txt of an egg-info: those of no extra, with the
/// markers that stand as sections, `[:python_version < "3.11"]`.
pub fn egg_requires(text: &str) -> Vec<String> {
    let mut rows = Vec::new();
    let mut marker = Some(String::new());
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        if let Some(section) = line.strip_prefix('[') {
            let section = section.trim_end_matches(']');
            marker = section.strip_prefix(':').map(|marker| format!("; {marker}"));
        } else {
            rows.extend(marker.as_ref().map(|marker| format!("{line}{marker}")));
        }
    }
    rows
}

/// A text literal of Python without escapes at the beginning of `rest`.
fn literal(rest: &str) -> Option<String> {
    let quote = rest.chars().next().filter(|c| *c == '"' || *c == '\'')?;
    let text = rest[1..].split(quote).next()?;
    (!text.is_empty() && !text.contains(['\\', '\n', '{'])).then(|| text.to_owned())
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
    fn what_a_project_says_is_one_line_and_no_other_field() {
        let project = pyproject(
            "[project]\nname = \"x\\nEssential: yes\"\ndescription = \"a\\u001b[2J\\u202e\\n\\n .\\nb\"\n\
             authors = [{name = \"A\\nB\", email = \"a@b>\\nX: y\"}]\n\
             dependencies = ['good>=1', \"a\\n--index-url http://evil\", '-r /etc/shadow', '/srv/x.whl', '../x']\n\
             [project.urls]\nHomepage = \"https://h\\nEssential: yes\"\n",
        )
        .plain();
        assert_eq!(project.name.as_deref(), Some("x Essential: yes"));
        assert_eq!(project.description.as_deref(), Some("a [2J . b"));
        assert!(!project.author.unwrap().contains(char::is_control));
        assert_eq!(project.homepage, None);
        assert_eq!(project.dependencies.unwrap(), ["good>=1"]);
        assert_eq!(crate::foreign::lines("a\r\n\tb\u{1b}c"), "a\n\tbc");
        assert_eq!(requirements::pipfile("[packages]\n\"-r /etc/shadow\" = '*'\nflask = '*'\n").unwrap(), ["flask"]);
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
        let project = setup_py("setup(name='app', scripts = ['bin/app', 'app.bat'], data_files=[])");
        assert_eq!(project.scripts, BTreeSet::from(["app".to_owned()]));
        assert_eq!(project.scripts, project.script_files);
        assert_eq!(setup_cfg("[options]\nscripts =\n  bin/a\n  bin/b\n").script_files.len(), 2);
    }

    #[test]
    fn authors_and_home_pages_are_written_in_many_ways() {
        let both = |name: &str, address: &str| person(Some(name), Some(address)).unwrap_or_default();
        assert_eq!(both("A, B", "a@b"), "A <a@b>");
        assert_eq!(both("A", "\"C D\" <c@d>, E <e@f>"), "C D <c@d>");
        assert_eq!((both("A", ""), both("", "a@b")), ("A".to_owned(), "a@b <a@b>".to_owned()));
        let index = "https://pypi.example/project/x";
        let text = format!("Name: x\nHome-page: {index}\nProject-URL: Source, https://s\n");
        assert_eq!(pkg_info(&text).homepage.as_deref(), Some("https://s"));
        let text = format!("[project]\nname = 'x'\n[project.urls]\nHomepage = '{index}'\n");
        assert_eq!(pyproject(&text).homepage, None);
    }

    #[test]
    fn release_archives_say_what_the_code_computes() {
        let project = pkg_info(
            "Metadata-Version: 1.1\nName: app\nVersion: 1.9.0\nAuthor-email: UNKNOWN\nAuthor: A\n\nVersion: 2\n",
        );
        assert_eq!(
            (project.name.as_deref(), project.version.as_deref(), project.author),
            (Some("app"), Some("1.9.0"), Some("A".to_owned()))
        );
    }

    #[test]
    fn what_can_be_built_is_told_from_settings_of_tools() {
        assert!(!is_buildable("[tool.black]\nline-length = 100\n"));
        assert!(!is_buildable("[project]\nname = 'x'\n"));
        assert!(is_buildable("[build-system]\nrequires = []\n"));
        let names = build_requires("[build-system]\nrequires = ['Setuptools_Rust>=1', 'wheel']\n");
        assert_eq!(names, BTreeSet::from(["setuptools-rust".to_owned(), "wheel".to_owned()]));
        assert!(is_buildable("[tool.poetry]\nname = 'x'\n"));
        assert!(!is_buildable("[tool.poetry]\nname = 'x'\npackage-mode = false\n"));
    }

    #[test]
    fn versions_are_found_where_the_build_system_looks() {
        let places = version_places("[tool.hatch.version]\npath = 'a/about.py'\n");
        assert_eq!(places, ["a/about.py"]);
        assert!(version_places("[tool.flit.module]\nname = 'b'\n").contains(&"b/__init__.py".to_owned()));
        let places = version_places("[tool.setuptools.dynamic]\nversion = {attr = 'c.d.__version__'}\n");
        assert!(places.contains(&"src/c/d.py".to_owned()), "{places:?}");
        assert_eq!(version_in("import x\n__version__ = '1.2'\n").as_deref(), Some("1.2"));
        assert_eq!(version_in("__version__: str = \"3\"\n").as_deref(), Some("3"));
        assert_eq!(version_in("__version__ = get()\n"), None);
    }

    #[test]
    fn release_archives_bring_entry_points() {
        let text = "[console_scripts]\na = a:main\n\n[other]\nb = b:c\n";
        assert_eq!(entry_points(text), BTreeSet::from(["a".to_owned()]));
        assert_eq!(egg_requires("flask>=2\nclick\n\n[dev]\npytest\n"), ["flask>=2", "click"]);
        let text = "click\n\n[:sys_platform != \"win32\"]\npsycopg>=3\n\n[dev:os_name == \"nt\"]\nx\n";
        assert_eq!(egg_requires(text), ["click", "psycopg>=3; sys_platform != \"win32\""]);
    }
}
