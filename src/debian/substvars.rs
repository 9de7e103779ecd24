//! debian/PACKAGE.substvars: text in, text out.
//!
//! Mirrors `addsubstvar`, `delsubstvar` and `_update_substvar` of debhelper's
//! `Dh_Lib.pm` (14.5: the assignments `=`, `?=` and `!=`). Difference: a line
//! break in an item becomes `${Newline}` (deb-substvars(5)) instead of an error.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::plan::Action;

/// Add `items` to the variable: each once, sorted, joined with `, `. A line
/// that holds an item already keeps its order.
pub fn add(existing: &str, variable: &str, items: &[String]) -> String {
    let mut text = existing.to_owned();
    for item in items {
        let item = item.replace('\n', "${Newline}");
        let mut present = false;
        let updated = update(&text, variable, |value| {
            present = true;
            let mut all = split(value);
            if all.contains(item.as_str()) {
                return Some(value.to_owned());
            }
            all.insert(&item);
            Some(join(&all))
        });
        text = if present { updated } else { append(&updated, variable, &item) };
    }
    text
}

/// Give the variable exactly this value, whatever it was.
pub fn set(existing: &str, variable: &str, value: &str) -> String {
    append(&delete(existing, variable), variable, &value.replace('\n', "${Newline}"))
}

/// Take `items` out of the variable; a variable without items goes.
pub fn remove(existing: &str, variable: &str, items: &[String]) -> String {
    update(existing, variable, |value| {
        let mut all = split(value);
        let before = all.len();
        all.retain(|item| !items.iter().any(|gone| gone == item));
        if all.len() == before {
            return Some(value.to_owned());
        }
        Some(join(&all)).filter(|value| !value.is_empty())
    })
}

/// Remove the variable.
pub fn delete(existing: &str, variable: &str) -> String {
    update(existing, variable, |_| None)
}

/// The items of a variable, sorted; empty where it is not there.
pub fn items(existing: &str, variable: &str) -> Vec<String> {
    let values = existing.lines().filter_map(|line| assignment(line, variable)).map(|(_, value)| value);
    values.flat_map(split).collect::<BTreeSet<_>>().into_iter().map(str::to_owned).collect()
}

/// Write debian/PACKAGE.substvars with `items` added to `variable`. `existing` is the file's text.
pub fn action(existing: Option<String>, package: &str, variable: &str, items: &[String]) -> Action {
    let contents = add(existing.as_deref().unwrap_or_default(), variable, items).into_bytes();
    Action::Write { path: path(package), contents, mode: 0o644 }
}

/// `debian/PACKAGE.substvars`, from the source directory.
pub fn path(package: &str) -> PathBuf {
    Path::new("debian").join(format!("{package}.substvars"))
}

/// `Depends=a, b` or `Depends?=a` → the assignment sign and the value.
fn assignment<'a>(line: &'a str, variable: &str) -> Option<(&'a str, &'a str)> {
    let rest = line.strip_prefix(variable)?;
    let sign = ["?=", "!=", "="].into_iter().find(|sign| rest.starts_with(sign))?;
    Some(rest.split_at(sign.len()))
}

fn split(value: &str) -> BTreeSet<&str> {
    value.split(", ").filter(|item| !item.is_empty()).collect()
}

fn join(items: &BTreeSet<&str>) -> String {
    items.iter().copied().collect::<Vec<_>>().join(", ")
}

/// Replace the value of each line that assigns the variable; `None` removes the line.
fn update(text: &str, variable: &str, mut replace: impl FnMut(&str) -> Option<String>) -> String {
    let mut changed = String::with_capacity(text.len());
    for line in text.lines() {
        match assignment(line, variable) {
            None => changed.push_str(line),
            Some((sign, value)) => match replace(value) {
                Some(value) => changed.extend([variable, sign, &value]),
                None => continue,
            },
        }
        changed.push('\n');
    }
    changed
}

fn append(text: &str, variable: &str, value: &str) -> String {
    format!("{text}{variable}={value}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(items: &[&str]) -> Vec<String> {
        items.iter().map(|item| (*item).to_owned()).collect()
    }

    #[test]
    fn items_are_added_once_and_sorted() {
        let text = add("misc:Depends=b\nx=1\n", "misc:Depends", &words(&["c (>= 1)", "a", "b"]));
        assert_eq!(text, "misc:Depends=a, b, c (>= 1)\nx=1\n");
        assert_eq!(add("", "venv:Depends", &words(&["b", "a"])), "venv:Depends=a, b\n");
        assert_eq!(add("a?=x", "a", &words(&["w"])), "a?=w, x\n");
        assert_eq!(add("ab=x\n", "a", &words(&["w"])), "ab=x\na=w\n");
    }

    #[test]
    fn a_variable_can_be_set_and_removed() {
        assert_eq!(set("a=x\nb=y\n", "a", "z"), "b=y\na=z\n");
        assert_eq!(remove("a=x, y\n", "a", &words(&["x"])), "a=y\n");
        assert_eq!(remove("a=x\nb=y\n", "a", &words(&["x"])), "b=y\n");
        assert_eq!(delete("a!=x\nb=y\n", "a"), "b=y\n");
        assert_eq!(items("a=y, x\na?=z\n", "a"), ["x", "y", "z"]);
    }
}
