//! Files of requirements and Pipfile: text in, values out.

use std::collections::BTreeSet;

use toml::Value;

use crate::foreign::line;

/// A row for a file of requirements, unless it would be an option there, a path or another file.
pub fn requirement(row: &str) -> Option<String> {
    let plain = !row.contains(char::is_control) && row.starts_with(|c: char| c.is_ascii_alphanumeric());
    plain.then(|| line(row))
}

/// The packages of a Pipfile, as requirements.
pub fn pipfile(text: &str) -> Option<Vec<String>> {
    let table = super::table(text)?;
    let packages = table.get("packages")?.as_table()?;
    let row = |(name, value): (&String, &Value)| {
        let text = |value: &Value| value.as_str().filter(|text| *text != "*").unwrap_or_default().to_owned();
        let version = match value {
            Value::Table(inner) => inner.get("version").map(text).unwrap_or_default(),
            other => text(other),
        };
        format!("{name}{version}")
    };
    Some(packages.iter().map(row).filter_map(|row| requirement(&row)).collect())
}

/// Whether a file of requirements pins every one of them, so that it is a lock
/// of what is deployed; `None` where it has none.
pub fn is_pinned(text: &str) -> Option<bool> {
    let rows: Vec<&str> = requirement_rows(text).collect();
    (!rows.is_empty()).then(|| rows.iter().all(|row| row.contains("==") && !row.contains("://")))
}

/// Whether a file of requirements can be installed from an index alone: no
/// directories, repositories or other files.
pub fn is_plain(text: &str) -> bool {
    let option = |line: &str| line.starts_with('-') && !line.starts_with("--hash");
    text.lines().map(str::trim).all(|line| !option(line) && !line.contains("://") && !line.starts_with('.'))
}

fn requirement_rows(text: &str) -> impl Iterator<Item = &str> {
    text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with(['#', '-']))
}

/// The names in a file of requirements, normalised.
pub fn requirement_names(rows: &[String]) -> BTreeSet<String> {
    let name = |row: &String| {
        let end = row.find(|c: char| !(c.is_alphanumeric() || "-_.".contains(c))).unwrap_or(row.len());
        crate::python::name::normalise(&row[..end])
    };
    rows.iter()
        .flat_map(|text| requirement_rows(text).map(str::to_owned).collect::<Vec<_>>())
        .map(|row| name(&row))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requirements_are_pins_or_wishes() {
        assert_eq!(is_pinned("flask==3.0 \\\n    --hash=sha256:aa\n# x\nclick==8\n"), Some(true));
        assert_eq!(is_pinned("flask>=3\n"), Some(false));
        assert_eq!(is_pinned("# nothing\n"), None);
        assert!(!is_plain("-e .\n") && !is_plain("git+https://x/y\n") && is_plain("a==1 --hash=sha256:x\n"));
        assert_eq!(
            requirement_names(&["Foo_Bar[x]>=1\n-r y\nb".to_owned()]),
            BTreeSet::from(["b".into(), "foo-bar".into()])
        );
        let rows = pipfile("[packages]\nflask = '*'\ngunicorn = {version = '==20.1'}\n").unwrap();
        assert_eq!(rows, ["flask", "gunicorn==20.1"]);
    }
}
