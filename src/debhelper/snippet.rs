//! Maintainer-script snippets: debian/PACKAGE.{preinst,postinst,prerm,postrm}.debhelper.
//!
//! Mirrors `autoscript` of debhelper's `Dh_Lib.pm`: postinst and preinst grow
//! at the end, prerm and postrm at the beginning, so that removal undoes in the
//! opposite order. Difference: a snippet is a text of ours, not a file under
//! /usr/share/debhelper/autoscripts.

use std::path::PathBuf;

use super::build::Build;
use crate::debian::script::{Script, wrapped};
use crate::error::Result;
use crate::input;
use crate::plan::Action;

/// Add a snippet to a script of `package`; `None` where `-n` forbids it.
pub fn action(
    build: &Build,
    package: &str,
    script: Script,
    tool: &str,
    version: &str,
    body: &str,
) -> Result<Option<Action>> {
    at(build, build.debian(&format!("{package}.{}.debhelper", script.name())), script, &wrapped(tool, version, body))
}

/// Add a snippet to the part of the script that starts and stops services:
/// dh_installdeb puts it after the other snippets of preinst and postinst, and
/// before those of prerm and postrm.
pub fn service_action(
    build: &Build,
    package: &str,
    script: Script,
    tool: &str,
    version: &str,
    body: &str,
) -> Result<Option<Action>> {
    let name = format!("{}.service", script.name());
    at(build, super::generated::path(build, package, &name), script, &wrapped(tool, version, body))
}

fn at(build: &Build, path: PathBuf, script: Script, text: &str) -> Result<Option<Action>> {
    if build.options.no_scripts {
        return Ok(None);
    }
    if script.grows_at_the_beginning() {
        let existing = input::bytes(&path)?.unwrap_or_default();
        let contents = [text.as_bytes(), &existing].concat();
        return Ok(Some(Action::Write { path, contents, mode: 0o644 }));
    }
    Ok(Some(Action::Append { path, contents: text.into() }))
}
