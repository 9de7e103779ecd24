//! The debhelper compatibility level of a source package.
//!
//! Mirrors `_load_compat_info` and the Build-Depends part of
//! `_parse_debian_control` in debhelper 14.5. Differences: levels other than
//! 13 and 14 are errors (the helpers here know no others); debian/compat with
//! level 14 and X-DH-Compat follow debhelper 14 also where 13.11 is installed;
//! debian/compat with level 13 gives no warning here, as dh itself warns; and
//! DH_COMPAT without any declared level is always an error (in debhelper it
//! depends on whether an option was given).

use std::path::Path;

use super::control::Source;
use crate::error::{Diagnostic, Error, Location, Result};

/// Lowest level that the helpers here support.
pub const LOWEST: u32 = 13;
/// Highest level that the helpers here support.
pub const HIGHEST: u32 = 14;

type Declared = (u32, Location);

/// The level in effect. `file` is the text of debian/compat, `environment` the
/// value of DH_COMPAT.
pub fn level(source: &Source, file: Option<&str>, environment: Option<&str>) -> Result<u32> {
    let (declared, location) = declared(source, file)?;
    let (level, location, from) = match environment.filter(|value| !value.is_empty()) {
        None => (declared, Some(location), ""),
        Some(value) => (
            digits(value).ok_or_else(|| {
                Diagnostic::error(format!("DH_COMPAT is '{value}'"))
                    .hint("set DH_COMPAT to a number such as 13, or unset it")
            })?,
            None,
            " (from DH_COMPAT)",
        ),
    };
    if (LOWEST..=HIGHEST).contains(&level) {
        return Ok(level);
    }
    let mut diagnostic = Diagnostic::error(format!("debhelper compat level {level}{from} is not supported"))
        .hint(format!("use level {LOWEST} or {HIGHEST}, as in debhelper-compat (= {LOWEST})"));
    diagnostic.location = location;
    Err(diagnostic.into())
}

fn declared(source: &Source, file: Option<&str>) -> Result<Declared> {
    let relation = relation(source)?;
    let field = field(source)?;
    if let (Some((level, at)), Some((other, _))) = (&relation, &field) {
        return Err(twice(*level, at.clone(), &format!("as X-DH-Compat: {other}"), "remove one of the two"));
    }
    match (file, relation.or(field)) {
        (Some(_), Some((level, at))) => Err(twice(level, at, "in debian/compat", "remove debian/compat")),
        (Some(text), None) => from_file(text),
        (None, Some(declared)) => Ok(declared),
        (None, None) => Err(Diagnostic::error("no debhelper compat level is declared")
            .at(Location::line("debian/control", source.line))
            .hint(format!("add 'debhelper-compat (= {LOWEST})' to Build-Depends"))
            .into()),
    }
}

fn twice(level: u32, at: Location, other: &str, hint: &str) -> Error {
    Diagnostic::error(format!("the compat level is given twice: {level} here, and {other}")).at(at).hint(hint).into()
}

fn digits(text: &str) -> Option<u32> {
    if text.bytes().all(|b| b.is_ascii_digit()) { text.parse().ok() } else { None }
}

fn from_file(text: &str) -> Result<Declared> {
    let at = Location::line(Path::new("debian/compat"), 1);
    let line = text.lines().next().unwrap_or_default().trim();
    let Some(level) = digits(line).filter(|_| !line.is_empty()) else {
        return Err(Diagnostic::error(format!("the compat level is '{line}', not a number"))
            .at(at)
            .hint("remove the file and add 'debhelper-compat (= 13)' to Build-Depends")
            .into());
    };
    if level > 13 {
        return Err(Diagnostic::error(format!("debian/compat cannot give level {level}"))
            .at(at)
            .hint(format!("remove the file and add 'debhelper-compat (= {level})' to Build-Depends"))
            .into());
    }
    Ok((level, at))
}

fn field(source: &Source) -> Result<Option<Declared>> {
    let Some(field) = source.stanza.get("X-DH-Compat") else { return Ok(None) };
    let at = Location::line("debian/control", field.line);
    match digits(&field.value).filter(|_| !field.value.is_empty()) {
        Some(level) => Ok(Some((level, at))),
        None => Err(Diagnostic::error(format!("X-DH-Compat is '{}', not a single number", field.value))
            .at(at)
            .hint(format!("write 'X-DH-Compat: {HIGHEST}'"))
            .into()),
    }
}

/// The level of `debhelper-compat (= N)`.
fn relation(source: &Source) -> Result<Option<Declared>> {
    let mut found: Option<(Declared, String)> = None;
    for name in ["Build-Depends", "Build-Depends-Arch", "Build-Depends-Indep"] {
        let Some(field) = source.stanza.get(name) else { continue };
        let value = field.value.replace('\n', " ");
        for relation in value.split(',').map(str::trim) {
            let Some(rest) = relation.strip_prefix("debhelper-compat") else { continue };
            let at = Location::line("debian/control", field.line_of("debhelper-compat"));
            let version = rest
                .trim()
                .strip_prefix('(')
                .and_then(|rest| rest.strip_suffix(')'))
                .and_then(|rest| rest.trim().strip_prefix('='))
                .map(str::trim);
            let Some(level) = version.and_then(|version| digits(version).filter(|_| !version.is_empty())) else {
                return Err(Diagnostic::error(format!("cannot read a compat level from '{relation}'"))
                    .at(at)
                    .hint(format!("write 'debhelper-compat (= {LOWEST})', alone between commas"))
                    .into());
            };
            if let Some((_, first)) = &found {
                return Err(Diagnostic::error(format!("the compat level is given twice: '{first}' and '{relation}'"))
                    .at(at)
                    .hint("remove one of the two")
                    .into());
            }
            if name != "Build-Depends" {
                return Err(Diagnostic::error(format!("'{relation}' stands in {name}"))
                    .at(at)
                    .hint("move it to Build-Depends")
                    .into());
            }
            found = Some(((level, at), relation.to_owned()));
        }
    }
    Ok(found.map(|(declared, _)| declared))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn level_of(fields: &str, file: Option<&str>, environment: Option<&str>) -> std::result::Result<u32, String> {
        let control = super::super::control::parse(&format!("Source: notes\n{fields}")).unwrap();
        level(&control.source, file, environment).map_err(|error| error.diagnostics()[0].to_string())
    }

    #[test]
    fn each_source_of_the_level_counts() {
        assert_eq!(level_of("Build-Depends: a,\n debhelper-compat (= 13), b\n", None, None), Ok(13));
        assert_eq!(level_of("X-DH-Compat: 14\n", None, None), Ok(14));
        assert_eq!(level_of("", Some("13\n"), None), Ok(13));
        assert_eq!(level_of("Build-Depends: debhelper-compat (= 13)\n", None, Some("14")), Ok(14));
        assert_eq!(level_of("Build-Depends: debhelper-compat (= 13)\n", None, Some("")), Ok(13));
    }

    #[test]
    fn a_fault_names_the_line() {
        assert_eq!(
            level_of("Build-Depends: a,\n debhelper-compat (>= 13)\n", None, None),
            Err("debian/control:3: cannot read a compat level from 'debhelper-compat (>= 13)'".to_owned())
        );
        assert_eq!(
            level_of("Build-Depends: debhelper-compat (= 12)\n", None, None),
            Err("debian/control:2: debhelper compat level 12 is not supported".to_owned())
        );
        assert!(level_of("Build-Depends: debhelper-compat (= 13)\n", Some("13\n"), None).is_err());
        assert!(level_of("", None, Some("13")).is_err());
    }
}
