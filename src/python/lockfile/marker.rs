//! Environment markers of lock files.
//!
//! Owns the evaluation of PEP 508 markers and of what lock files add to them:
//! uv's conflict markers (`extra == 'extra-3-foo-bar'`) and PEP 751's
//! `'x' in extras` and `'x' in dependency_groups`. pep508_rs drops a comparison
//! that it does not understand; here that is an error, since dropping one would
//! install too much or too little.

use pep508_rs::{ExtraName, MarkerEnvironment, MarkerTree, MarkerWarningKind};

use super::super::name::normalise;
use super::super::specification::is_readable;

/// An environment together with the extras that are switched on.
#[derive(Debug, Clone)]
pub(super) struct Context<'e> {
    environment: &'e MarkerEnvironment,
    active: Vec<ExtraName>,
}

impl<'e> Context<'e> {
    /// No extras are on.
    pub(super) fn new(environment: &'e MarkerEnvironment) -> Self {
        Self { environment, active: Vec::new() }
    }

    /// Switch on an extra; whether it was off before.
    pub(super) fn activate(&mut self, name: &str) -> bool {
        match ExtraName::new(name.to_owned()) {
            Ok(name) if !self.active.contains(&name) => {
                self.active.push(name);
                true
            }
            _ => false,
        }
    }

    /// Whether `marker` holds; what is wrong with it where it cannot be read.
    pub(super) fn holds(&self, marker: &str) -> Result<bool, String> {
        Ok(parse(marker)?.evaluate(self.environment, &self.active))
    }

    /// Whether a PEP 751 marker holds, in which extras and groups are sets.
    pub(super) fn holds_with_sets(&self, marker: &str) -> Result<bool, String> {
        self.holds(&rewrite_sets(marker))
    }
}

fn parse(marker: &str) -> Result<MarkerTree, String> {
    is_readable(marker)?;
    let mut ignored = None;
    let mut reporter = |_: MarkerWarningKind, message: String| {
        if message.contains("ignored") {
            ignored.get_or_insert(message);
        }
    };
    let tree = MarkerTree::parse_reporter(marker, &mut reporter).map_err(|error| error.message.to_string())?;
    match ignored {
        None => Ok(tree),
        Some(message) => Err(message.split_whitespace().collect::<Vec<_>>().join(" ")),
    }
}

/// uv's name for an extra of a package in conflict markers.
pub(super) fn conflict_extra(package: &str, extra: &str) -> String {
    format!("extra-{}-{package}-{extra}", package.len())
}

/// uv's name for a group of a package in conflict markers.
pub(super) fn conflict_group(package: &str, group: &str) -> String {
    format!("group-{}-{package}-{group}", package.len())
}

/// uv's name for a package as a whole in conflict markers.
pub(super) fn conflict_project(package: &str) -> String {
    format!("project-{}-{package}", package.len())
}

/// What `'x' in extras` is rewritten to.
pub(super) fn set_extra(extra: &str) -> String {
    format!("extra-{}", normalise(extra))
}

/// What `'x' in dependency_groups` is rewritten to.
pub(super) fn set_group(group: &str) -> String {
    format!("group-{}", normalise(group))
}

/// `'x' [not] in extras|dependency_groups` as a comparison that PEP 508 knows.
fn rewrite_sets(marker: &str) -> String {
    let tokens = tokens(marker);
    let mut out: Vec<String> = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        let rest = &tokens[at..];
        let (operator, set, length) = match rest {
            [_, "in", set, ..] => ("==", *set, 3),
            [_, "not", "in", set, ..] => ("!=", *set, 4),
            _ => ("", "", 0),
        };
        let quoted = rest[0].starts_with(['\'', '"']);
        let value = rest[0].trim_matches(['\'', '"']);
        match set {
            "extras" if quoted => out.push(format!("extra {operator} '{}'", set_extra(value))),
            "dependency_groups" if quoted => out.push(format!("extra {operator} '{}'", set_group(value))),
            _ => {
                out.push(rest[0].to_owned());
                at += 1;
                continue;
            }
        }
        at += length;
    }
    out.join(" ")
}

/// Quoted strings, words, parentheses and operators.
fn tokens(marker: &str) -> Vec<&str> {
    let mut tokens = Vec::new();
    let mut rest = marker.trim_start();
    while let Some(first) = rest.chars().next() {
        let length = match first {
            '\'' | '"' => rest[1..].find(first).map_or(rest.len(), |end| end + 2),
            '(' | ')' => 1,
            _ if is_word(first) => rest.find(|c| !is_word(c)).unwrap_or(rest.len()),
            _ => rest
                .find(|c: char| is_word(c) || c.is_whitespace() || matches!(c, '\'' | '"' | '(' | ')'))
                .unwrap_or(rest.len()),
        };
        let (token, after) = rest.split_at(length);
        tokens.push(token);
        rest = after.trim_start();
    }
    tokens
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '_' | '.')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn sets_become_comparisons() {
        assert_eq!(rewrite_sets("'My_X' in extras"), "extra == 'extra-my-x'");
        assert_eq!(
            rewrite_sets("python_version<'3.12' and (\"a\" not in extras or 'dev' in dependency_groups)"),
            "python_version < '3.12' and ( extra != 'extra-a' or extra == 'group-dev' )"
        );
        assert_eq!(rewrite_sets("'linux' in sys_platform"), "'linux' in sys_platform");
        assert_eq!(rewrite_sets("os_name == 'in extras'"), "os_name == 'in extras'");
    }

    proptest! {
        #[test]
        fn rewriting_never_panics(marker in "[a-z'\"() <>=é]{0,40}|\\PC{0,30}") {
            rewrite_sets(&marker);
        }
    }
}
