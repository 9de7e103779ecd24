//! Files of a `*.dist-info` directory: METADATA and entry_points.txt.

use crate::helper::venv::name::normalise;

/// The headers of METADATA that dh_venv needs (core metadata specification).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Metadata {
    /// As written.
    pub name: String,
    /// As written.
    pub version: String,
    /// Requires-Dist lines.
    pub requires: Vec<String>,
    /// Provides-Extra, normalised.
    pub extras: Vec<String>,
}

impl Metadata {
    /// From the text of METADATA. Folded lines belong to the header above.
    pub fn parse(text: &str) -> Self {
        let mut headers: Vec<(String, String)> = Vec::new();
        for line in text.lines().take_while(|line| !line.is_empty()) {
            if line.starts_with([' ', '\t']) {
                if let Some((_, value)) = headers.last_mut() {
                    value.push(' ');
                    value.push_str(line.trim());
                }
            } else if let Some((name, value)) = line.split_once(':') {
                headers.push((name.to_lowercase(), value.trim().to_owned()));
            }
        }
        let all = |wanted: &str| {
            headers.iter().filter(|(name, _)| name == wanted).map(|(_, value)| value.clone()).collect::<Vec<_>>()
        };
        let first = |wanted: &str| all(wanted).into_iter().next().unwrap_or_default();
        Self {
            name: first("name"),
            version: first("version"),
            requires: all("requires-dist"),
            extras: all("provides-extra").iter().map(|extra| normalise(extra)).collect(),
        }
    }
}

/// A script that an entry point asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntryPoint {
    /// File name in bin/.
    pub name: String,
    /// Module to import.
    pub module: String,
    /// Object to call, dotted.
    pub attribute: String,
}

/// Console and GUI scripts of an entry_points.txt (entry points specification).
pub fn scripts(text: &str) -> Vec<EntryPoint> {
    let mut wanted = false;
    let mut all = Vec::new();
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with(['#', ';'])) {
        if let Some(section) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            wanted = matches!(section.trim(), "console_scripts" | "gui_scripts");
        } else if let (true, Some((name, object))) = (wanted, line.split_once('=')) {
            let object = object.split('[').next().unwrap_or_default();
            if let Some((module, attribute)) = object.split_once(':') {
                let text = |part: &str| part.trim().to_owned();
                all.push(EntryPoint { name: text(name), module: text(module), attribute: text(attribute) });
            }
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_with_folded_lines_and_a_body() {
        let text = "Metadata-Version: 2.1\nName: A.b\nVersion: 1\nSummary: x\n  y\nRequires-Dist: c (>=1)\nProvides-Extra: Test_x\n\nName: not this\n";
        let metadata = Metadata::parse(text);
        assert_eq!((metadata.name.as_str(), metadata.version.as_str()), ("A.b", "1"));
        assert_eq!(metadata.requires, ["c (>=1)"]);
        assert_eq!(metadata.extras, ["test-x"]);
    }

    #[test]
    fn scripts_of_both_kinds_and_nothing_else() {
        let text =
            "[console_scripts]\nrun = pkg.cli:main [extra]\n\n[gui_scripts]\ngui=pkg:App.start\n[other]\nx = y:z\n";
        let all = scripts(text);
        assert_eq!(all.len(), 2);
        assert_eq!(all[0], EntryPoint { name: "run".into(), module: "pkg.cli".into(), attribute: "main".into() });
        assert_eq!(all[1].attribute, "App.start");
    }
}
