//! `${…}` in config files, compat 13 and later.
//!
//! Mirrors `_variable_substitution` of debhelper's `Dh_Lib.pm`: DEB_BUILD_*,
//! DEB_HOST_*, DEB_TARGET_*, `env:NAME`, Space, Tab, Newline, Dollar; `${}` is a
//! dollar sign; anything else is an error. Differences: a value is never
//! expanded again, and lines that are comments are left alone; `${Newline}`
//! (and a line break in a value) begins a continuation line, so that it cannot
//! end a field of a deb822 file; there are no limits of number and size, which
//! without recursion have nothing to guard.

use std::path::Path;

use super::build::Build;
use crate::error::{Diagnostic, Error, Location, Result};

/// What a text is, which decides on comments and on how a fault is located.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// The file itself: lines that begin with `#` are comments.
    File,
    /// What the executable file has printed: it has no comments.
    Output,
}

/// Expand `text`, the contents or the output of `file`. Every fault is reported.
pub fn expand(build: &Build, file: &Path, origin: Origin, text: &str) -> Result<String> {
    let mut expanded = String::with_capacity(text.len());
    let mut faults = Vec::new();
    for (index, line) in text.split_inclusive('\n').enumerate() {
        if origin == Origin::File && line.trim_start().starts_with('#') {
            expanded.push_str(line);
            continue;
        }
        self::line(build, line, &mut expanded, &mut |message: String, hint: &str| {
            faults.push(match origin {
                Origin::File => Diagnostic::error(message).at(Location::line(file, index + 1)).hint(hint),
                Origin::Output => {
                    let message = format!("output of the executable config file, line {}: {message}", index + 1);
                    Diagnostic::error(message).at(Location::file(file)).hint(hint)
                }
            });
        })?;
    }
    if faults.is_empty() { Ok(expanded) } else { Err(Error::Failed(faults)) }
}

fn line(build: &Build, line: &str, expanded: &mut String, fault: &mut dyn FnMut(String, &str)) -> Result<()> {
    let mut rest = line;
    while let Some(at) = rest.find("${") {
        expanded.push_str(&rest[..at]);
        let inside = &rest[at + 2..];
        let Some(end) = inside.find('}').filter(|end| is_name(&inside[..*end])) else {
            expanded.push_str("${");
            rest = inside;
            continue;
        };
        let name = &inside[..end];
        rest = &inside[end + 1..];
        match value(build, name)? {
            Ok(value) => expanded.push_str(&value.replace('\n', "\n ")),
            Err(hint) => fault(format!("cannot expand '${{{name}}}'"), &hint),
        }
    }
    expanded.push_str(rest);
    Ok(())
}

/// The value, or why there is none.
fn value(build: &Build, name: &str) -> Result<std::result::Result<String, String>> {
    let fixed = match name {
        "" | "Dollar" => "$",
        "Space" => " ",
        "Tab" => "\t",
        "Newline" => "\n",
        _ => "",
    };
    if !fixed.is_empty() {
        return Ok(Ok(fixed.to_owned()));
    }
    if let Some(variable) = name.strip_prefix("env:").filter(|variable| !variable.is_empty()) {
        return Ok(match build.environment.text(variable) {
            Some(value) => Ok(value.to_owned()),
            None => Err(format!("the environment has no {variable}: export it from debian/rules")),
        });
    }
    if ["DEB_BUILD_", "DEB_HOST_", "DEB_TARGET_"].iter().any(|prefix| name.starts_with(prefix)) {
        return Ok(match build.architectures.value(name)? {
            Some(value) => Ok(value.to_owned()),
            None => Err("dpkg-architecture(1) lists the names".to_owned()),
        });
    }
    Ok(Err("known are ${DEB_HOST_*}, ${env:NAME}, ${Space}, ${Tab}, ${Newline}; write ${Dollar} for a dollar sign"
        .to_owned()))
}

/// What debhelper takes for a name between the braces; nothing at all is one, too.
fn is_name(name: &str) -> bool {
    !name.starts_with(['-', '_', ':']) && name.chars().all(|c| c.is_ascii_alphanumeric() || "-_:".contains(c))
}
