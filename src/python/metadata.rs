//! The files of a `*.dist-info` directory, other than RECORD.
//!
//! Owns METADATA and WHEEL (RFC 822 headers, "Core metadata specifications") and
//! `entry_points.txt`. Reads as leniently as installers do: what is missing is
//! empty.

use super::name::normalise;

/// What METADATA says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Metadata {
    /// Name as written.
    pub name: String,
    /// Version as written.
    pub version: String,
    /// One line about it.
    pub summary: String,
    /// `Home-page`, or the project URL with such a label.
    pub home_page: Option<String>,
    /// `Requires-Dist`, as written.
    pub requires_dist: Vec<String>,
    /// `Requires-Python`.
    pub requires_python: Option<String>,
    /// Extras, normalised.
    pub provides_extra: Vec<String>,
    /// `License`: a name or a whole text.
    pub license: Option<String>,
    /// `License-Expression` (SPDX).
    pub license_expression: Option<String>,
    /// `License-File`, relative to the dist-info's `licenses` directory.
    pub license_files: Vec<String>,
    /// Trove classifiers.
    pub classifiers: Vec<String>,
}

/// What WHEEL says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Wheel {
    /// Whether all of it is pure Python.
    pub root_is_purelib: bool,
    /// Compatibility tags: `py3-none-any`.
    pub tags: Vec<String>,
    /// The program that made it.
    pub generator: Option<String>,
}

/// A line of `entry_points.txt`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct EntryPoint {
    /// Section: `console_scripts`, `gui_scripts` …
    pub group: String,
    /// Name; for scripts, the command.
    pub name: String,
    /// Module.
    pub module: String,
    /// Object in the module, dotted; may be empty.
    pub object: String,
}

impl Metadata {
    /// Read METADATA (or an egg's PKG-INFO).
    pub fn read(text: &str) -> Self {
        let mut metadata = Self::default();
        let mut urls: Vec<(String, String)> = Vec::new();
        for (field, value) in headers(text) {
            let known = !value.is_empty() && value != "UNKNOWN";
            match field.as_str() {
                "name" => metadata.name = value,
                "version" => metadata.version = value,
                "summary" if known => metadata.summary = value,
                "home-page" if known => metadata.home_page = Some(value),
                "requires-dist" => metadata.requires_dist.push(value),
                "requires-python" => metadata.requires_python = Some(value),
                "provides-extra" => metadata.provides_extra.push(normalise(&value)),
                "license" if known => metadata.license = Some(value),
                "license-expression" if known => metadata.license_expression = Some(value),
                "license-file" => metadata.license_files.push(value),
                "classifier" => metadata.classifiers.push(value),
                "project-url" => {
                    urls.extend(value.split_once(',').map(|(label, url)| (label.to_lowercase(), url.trim().to_owned())))
                }
                _ => {}
            }
        }
        if metadata.home_page.is_none() {
            // Core metadata, "Well-known Project URLs in Metadata": labels are compared without punctuation.
            let plain = |label: &str| label.chars().filter(char::is_ascii_alphanumeric).collect::<String>();
            let find = |wanted: &str| urls.iter().find(|(label, _)| plain(label) == wanted);
            let chosen = ["homepage", "home", "source", "repository", "github"].into_iter().find_map(find);
            metadata.home_page = chosen.map(|(_, url)| url.clone());
        }
        metadata
    }
}

impl Wheel {
    /// Read WHEEL.
    pub fn read(text: &str) -> Self {
        let mut wheel = Self::default();
        for (field, value) in headers(text) {
            match field.as_str() {
                "root-is-purelib" => wheel.root_is_purelib = value.eq_ignore_ascii_case("true"),
                "tag" => wheel.tags.push(value),
                "generator" => wheel.generator = Some(value),
                _ => {}
            }
        }
        wheel
    }
}

/// Read `entry_points.txt`; lines that are none are left out.
pub fn entry_points(text: &str) -> Vec<EntryPoint> {
    let mut points = Vec::new();
    let mut group = String::new();
    for line in text.lines() {
        let line = line.trim();
        if line.is_empty() || line.starts_with(['#', ';']) {
            continue;
        }
        if let Some(name) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
            name.trim().clone_into(&mut group);
        } else if let Some((name, target)) = line.split_once('=') {
            // The extras behind the object are no longer to be used (entry points specification).
            let target = target.split('[').next().unwrap_or_default();
            let (module, object) = target.split_once(':').unwrap_or((target, ""));
            points.push(EntryPoint {
                group: group.clone(),
                name: name.trim().to_owned(),
                module: module.trim().to_owned(),
                object: object.trim().to_owned(),
            });
        }
    }
    points
}

/// Header fields in order, names in lower case, continuation lines joined by line
/// feeds; the body is left out.
fn headers(text: &str) -> Vec<(String, String)> {
    let mut headers: Vec<(String, String)> = Vec::new();
    for line in text.strip_prefix('\u{feff}').unwrap_or(text).lines() {
        if line.is_empty() {
            break;
        }
        if line.starts_with([' ', '\t']) {
            if let Some((_, value)) = headers.last_mut() {
                // setuptools and flit mark continued lines with '|'.
                let text = line.trim_start();
                value.push('\n');
                value.push_str(text.strip_prefix('|').unwrap_or(text).trim_end());
            }
        } else if let Some((name, value)) = line.split_once(':') {
            headers.push((name.trim().to_lowercase(), value.trim().to_owned()));
        }
    }
    headers
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_metadata_file() {
        let metadata = Metadata::read(
            "Metadata-Version: 2.4\nName: Zope.Foo\nVersion: 1.0\nSummary: UNKNOWN\nLicense: Line one\n        |Line two\n\
             Provides-Extra: Test_All\nRequires-Dist: six>=1; extra == 'test'\nrequires-dist: attrs\n\
             Project-URL: Docs, https://d.invalid\nProject-URL: Home Page, https://h.invalid\n\
             License-File: LICENSE\nClassifier: License :: OSI Approved :: MIT License\n\nName: body\n",
        );
        assert_eq!(
            (metadata.name.as_str(), metadata.version.as_str(), metadata.summary.as_str()),
            ("Zope.Foo", "1.0", "")
        );
        assert_eq!(metadata.license.as_deref(), Some("Line one\nLine two"));
        assert_eq!(metadata.requires_dist, ["six>=1; extra == 'test'", "attrs"]);
        assert_eq!(metadata.provides_extra, ["test-all"]);
        assert_eq!(metadata.home_page.as_deref(), Some("https://h.invalid"));
        assert_eq!((metadata.license_files.len(), metadata.classifiers.len()), (1, 1));
    }

    #[test]
    fn wheel_and_entry_points() {
        let wheel = Wheel::read(
            "Wheel-Version: 1.0\nGenerator: x (1)\nRoot-Is-Purelib: True\nTag: py2-none-any\nTag: py3-none-any\n",
        );
        assert!(wheel.root_is_purelib);
        assert_eq!(wheel.tags, ["py2-none-any", "py3-none-any"]);
        let points =
            entry_points("# x\n[console_scripts]\nflask = flask.cli:main\nb=c:d.e [extra]\n\n[gui_scripts]\ng = h\n");
        let seen: Vec<_> = points.iter().map(|p| (&*p.group, &*p.name, &*p.module, &*p.object)).collect();
        assert_eq!(
            seen,
            [
                ("console_scripts", "flask", "flask.cli", "main"),
                ("console_scripts", "b", "c", "d.e"),
                ("gui_scripts", "g", "h", "")
            ]
        );
    }

    proptest! {
        #[test]
        fn any_text_is_answered(text in "([a-z:|= \\[\\]-]|\n|\\PC){0,80}") {
            Metadata::read(&text);
            Wheel::read(&text);
            entry_points(&text);
        }
    }
}
