//! What an apply would change, as unified diffs without secrets. Pure.

use diffy::DiffOptions;

use super::decide::{Snapshot, Step};
use super::effort;
use super::fs::Attributes;
use super::mask::Mask;
use super::render::Rendering;

/// What a step would change; empty where that is no file's contents, owner or mode.
pub fn of(step: &Step, rendering: &Rendering, snapshot: &Snapshot) -> String {
    match step {
        Step::Place { path, contents, attributes, .. } => place(path, contents, *attributes, rendering, snapshot),
        Step::Remove { path } => format!("remove {path}\n"),
        Step::SetAside { path } => format!("rename {path} to {}\n", super::decide::aside(path)),
        Step::Directory { path, attributes } => format!("directory {path} {}\n", words(*attributes)),
        Step::Link { path, target } => format!("link {path} -> {target}\n"),
        Step::RemoveDirectory { path } => format!("remove {path} if it is empty\n"),
    }
}

fn place(path: &str, contents: &[u8], attributes: Attributes, rendering: &Rendering, snapshot: &Snapshot) -> String {
    // The new version of an edited file is compared with that file.
    let compared =
        path.strip_suffix(".appctl-new").filter(|edited| snapshot.files.contains_key(*edited)).unwrap_or(path);
    let found = snapshot.files.get(compared);
    let mut text = String::new();
    if let Some(found) = found.filter(|found| found.attributes != attributes && compared == path) {
        text = format!("{path}: {} -> {}\n", words(found.attributes), words(attributes));
    }
    let old = found.map(|found| found.bytes.as_slice());
    if old == Some(contents) {
        return text;
    }
    let mask = rendering.masks.get(compared).cloned().unwrap_or_default();
    text + &unified(old.map(|_| compared), path, old.unwrap_or_default(), contents, &mask)
}

fn unified(from: Option<&str>, to: &str, old: &[u8], new: &[u8], mask: &Mask) -> String {
    let (old, new) = (String::from_utf8_lossy(old), String::from_utf8_lossy(new));
    if !effort::is_comparable(&old, &new) {
        return too_different(from, to);
    }
    // Lines that are the same stay the same, so that this is not more than what was just judged.
    let (old, new) = (mask.version(&old), mask.version(&new));
    let (from, to) = (from.unwrap_or("/dev/null").to_owned(), format!("{to} (new)"));
    if old == new {
        return format!("--- {from}\n+++ {to}\n(they differ in secrets alone)\n");
    }
    DiffOptions::new().set_original_filename(from).set_modified_filename(to).create_patch(&old, &new).to_string()
}

/// In place of a diff: what to do for one.
fn too_different(from: Option<&str>, to: &str) -> String {
    let how = match from {
        Some(from) if from != to => format!("after 'appctl config apply': diff -u {from} {to}"),
        Some(from) => format!("cp -p {from} COPY, then 'appctl config apply', then diff -u COPY {from}"),
        None => format!("after 'appctl config apply', read {to}"),
    };
    format!("--- {}\n+++ {to} (new)\n(they differ too much to be shown; {how})\n", from.unwrap_or("/dev/null"))
}

fn words(attributes: Attributes) -> String {
    format!("owner {} group {} mode {:04o}", attributes.uid, attributes.gid, attributes.mode)
}
