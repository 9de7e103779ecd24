//! debian/.debhelper/generated: triggers, dh_missing's lists, private state.
//!
//! Mirrors `generated_file`, `autotrigger` and `log_installed_files` of
//! debhelper's `Dh_Lib.pm`.

use std::path::{Path, PathBuf};

use super::build::Build;
use crate::error::Result;
use crate::input;
use crate::plan::Action;

/// The place of files for the source package as a whole: dh_clean removes
/// them, dh_prep leaves them. A package's own files go at both.
pub const SOURCE: &str = "_source";

/// Where a helper keeps a generated file of `package` (or of [`SOURCE`]).
pub fn path(build: &Build, package: &str, name: &str) -> PathBuf {
    build.debian(".debhelper/generated").join(package).join(name)
}

/// Add a trigger (`activate-noawait NAME`, deb-triggers(5)); an equal one moves to the end.
pub fn trigger(build: &Build, package: &str, tool: &str, version: &str, kind: &str, name: &str) -> Result<Action> {
    let path = path(build, package, "triggers");
    let mut text: String = input::text(&path)?
        .unwrap_or_default()
        .lines()
        .filter(|line| !line.split_whitespace().take(2).eq([kind, name]))
        .flat_map(|line| [line, "\n"])
        .collect();
    text.push_str(&format!("# Triggers added by {tool}/{version}\n{kind} {name}\n"));
    Ok(Action::Write { path, contents: text.into_bytes(), mode: 0o644 })
}

/// Tell dh_missing that these source paths are installed.
pub fn installed<'a>(build: &Build, package: &str, tool: &str, paths: impl IntoIterator<Item = &'a Path>) -> Action {
    let contents = paths.into_iter().flat_map(|path| [path.to_string_lossy().into_owned(), "\n".to_owned()]);
    Action::Append {
        path: path(build, package, &format!("installed-by-{tool}")),
        contents: contents.collect::<String>().into_bytes(),
    }
}
