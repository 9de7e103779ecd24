//! dh_venv_place: from a finished venv to files, links and substvars of the package.

use std::collections::BTreeSet;
use std::path::{Component, Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::lintian;
use super::settings::default_prefix;
use crate::debian::script::Script;
use crate::debian::substvars;
use crate::error::{Diagnostic, Error, Location, Result};
use crate::plan::{Action, Plan};
use crate::render::render;

/// What dh_venv leaves for dh_venv_place beside the tree.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    /// Where the venv is installed.
    pub prefix: PathBuf,
    /// The venv id.
    pub id: String,
    /// Where bin/python points.
    pub interpreter: PathBuf,
    /// Links in /usr/bin: name and script.
    pub commands: Vec<(String, String)>,
    /// Items of `${venv:Depends}`.
    pub depends: Vec<String>,
    /// Lintian overrides, one a line.
    pub overrides: Vec<String>,
}

/// Modification time of everything in a venv: 2000-01-01. The files may be shared
/// with the cache and so with other builds; byte code does not look at times.
pub const MTIME: i64 = 946_684_800;

/// Directory of a package's staged venv, from the source directory.
pub fn stage(package: &str) -> PathBuf {
    Path::new("debian/.debhelper/generated/_source/dh_venv").join(package)
}

/// What is in the package already, as far as it matters.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Found {
    /// debian/PKG.substvars.
    pub substvars: Option<String>,
    /// debian/PKG/usr/share/lintian/overrides/PKG.
    pub overrides: Option<String>,
    /// debian/PKG.postinst.debhelper.
    pub postinst: Option<String>,
    /// Commands whose place in usr/bin is taken by something else, and where they were asked for.
    pub taken: Vec<(String, Option<Location>)>,
    /// Manual pages in the package, from its root: `usr/share/man/man1/notes.1`.
    pub manuals: Vec<String>,
    /// Whether debian/control has XB-Venv-Id.
    pub has_id_field: bool,
}

/// Put the staged venv of `package` into `root`, its build tree.
pub fn plan(package: &str, root: &Path, outcome: &Outcome, found: &Found) -> Result<Plan> {
    if let Some(directory) = byte_compiled(found.postinst.as_deref().unwrap_or_default(), package, &outcome.prefix) {
        return Err(Diagnostic::error(format!(
            "dh_python3 has made package {package} byte-compile {directory} when it is installed, the venv included"
        ))
        .hint(format!(
            "keep it off: 'override_dh_python3:' with 'dh_python3 -N{package}', or move the private modules out of {directory}"
        ))
        .into());
    }
    if !found.taken.is_empty() {
        let fault = |(name, place): &(String, Option<Location>)| {
            let fault = Diagnostic::error(format!("/usr/bin/{name} is in package {package} already"))
                .hint("drop it from Commands, or from what else installs it");
            match place {
                Some(place) => fault.at(place.clone()),
                None => fault,
            }
        };
        return Err(Error::Failed(found.taken.iter().map(fault).collect()));
    }
    let stage = stage(package);
    let inside = |path: &Path| root.join(path.strip_prefix("/").unwrap_or(path));
    let target = inside(&outcome.prefix);
    let mut plan = Plan::new([
        Action::Remove { path: target.clone() },
        Action::LinkTree { from: stage.join("venv"), to: target.clone() },
        Action::LinkTree { from: stage.join("files"), to: root.to_path_buf() },
    ]);
    // The stage needed an absolute link; a package has a relative one within /usr (policy 10.5).
    let python = outcome.prefix.join("bin/python");
    plan.push(Action::Remove { path: inside(&python) });
    plan.push(Action::Symlink { path: inside(&python), target: link_target(&python, &outcome.interpreter) });
    for (name, entry) in &outcome.commands {
        let link = Path::new("/usr/bin").join(name);
        let script = outcome.prefix.join("bin").join(entry);
        plan.push(Action::Symlink { path: inside(&link), target: link_target(&link, &script) });
    }
    let overrides = overrides(package, outcome, found);
    if !overrides.is_empty() {
        let path = root.join("usr/share/lintian/overrides").join(package);
        let text = with_overrides(found.overrides.as_deref().unwrap_or_default(), &overrides);
        plan.push(Action::Write { path, contents: text.into_bytes(), mode: 0o644 });
    }
    plan.push(Action::Times { tree: target, epoch: MTIME });
    let mut text = found.substvars.clone().unwrap_or_default();
    text = substvars::delete(&text, "venv:Depends");
    text = substvars::add(&text, "venv:Depends", &outcome.depends);
    // "?=": dpkg-gencontrol is silent where nothing uses it (deb-substvars(5)).
    for (name, value) in [("venv:Id", outcome.id.as_str()), ("venv:Prefix", &outcome.prefix.to_string_lossy())] {
        text = substvars::delete(&text, name);
        text.push_str(&format!("{name}?={value}\n"));
    }
    plan.push(Action::Write { path: substvars::path(package), contents: text.into_bytes(), mode: 0o644 });
    Ok(plan)
}

/// What the maintainer scripts of `package` have to do: nothing at the default
/// prefix, where only dh_venv ever puts a venv. Another prefix may hold one of
/// dh-virtualenv's, with files and links that dpkg would keep or follow; it is
/// moved out of the way before the new one is unpacked (policy 6.6 and 6.7),
/// and comes back where that fails.
pub fn snippets(package: &str, prefix: &Path) -> Result<Vec<(Script, String)>> {
    if prefix == default_prefix(package) {
        return Ok(Vec::new());
    }
    let data = serde_json::json!({"prefix": prefix, "id": Path::new("/usr/lib").join(package).join("venv-id")});
    let scripts = [Script::Preinst, Script::Postinst, Script::Postrm];
    scripts.into_iter().map(|script| Ok((script, render(&format!("venv/{}.sh", script.name()), &data)?))).collect()
}

/// The link's contents: relative within one top-level directory, absolute across (policy 10.5).
pub fn link_target(link: &Path, target: &Path) -> PathBuf {
    let parts = |path: &Path| -> Vec<PathBuf> {
        path.components()
            .filter(|part| matches!(part, Component::Normal(_)))
            .map(|part| part.as_os_str().into())
            .collect()
    };
    let (from, to) = (parts(link), parts(target));
    if from.first() != to.first() {
        return target.to_path_buf();
    }
    let common = from.iter().zip(&to).take_while(|(a, b)| a == b).count();
    let ups = std::iter::repeat_n(PathBuf::from(".."), from.len() - common - 1);
    ups.chain(to[common..].iter().cloned()).collect()
}

/// The directory that dh_python3's snippet byte-compiles, where it is one above the venv.
fn byte_compiled<'a>(postinst: &'a str, package: &str, prefix: &Path) -> Option<&'a str> {
    postinst.lines().find_map(|line| {
        let mut words = line.split_whitespace().skip_while(|word| *word != "py3compile").skip(1);
        let named = words.by_ref().find(|word| *word == package)?;
        let _ = named;
        words.find(|word| word.starts_with('/') && prefix.starts_with(word))
    })
}

/// The overrides of the tree, and those that the rest of the package decides.
fn overrides(package: &str, outcome: &Outcome, found: &Found) -> Vec<String> {
    let link = |path: String| lintian::Entry { path, kind: lintian::Kind::Link };
    let commands = outcome.commands.iter().map(|(name, _)| link(format!("usr/bin/{name}")));
    let manuals = found.manuals.iter().cloned().map(link);
    let entries: Vec<lintian::Entry> = commands.chain(manuals).collect();
    let mut all: BTreeSet<String> = outcome.overrides.iter().cloned().collect();
    all.extend(lintian::overrides(package, &outcome.prefix.to_string_lossy(), &entries));
    if found.has_id_field {
        all.insert(format!("{package}: unknown-field Venv-Id"));
    }
    all.into_iter().collect()
}

const HEAD: &str = "# Added by dh_venv: what an embedded venv is made of. dh_venv(1), LINTIAN OVERRIDES.";

/// What dh_lintian installed, and our lines behind it; ours are replaced where they are there.
fn with_overrides(existing: &str, ours: &[String]) -> String {
    let kept = existing.split(HEAD).next().unwrap_or_default();
    let mut text = kept.trim_end().to_owned();
    if !text.is_empty() {
        text.push('\n');
    }
    text.push_str(HEAD);
    text.push('\n');
    for line in ours {
        text.push_str(line);
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_relative_within_usr_and_absolute_across() {
        let target = |script: &str| link_target(Path::new("/usr/bin/notes"), Path::new(script));
        assert_eq!(target("/usr/lib/notes/venv/bin/notes"), Path::new("../lib/notes/venv/bin/notes"));
        assert_eq!(target("/opt/venvs/notes/bin/notes"), Path::new("/opt/venvs/notes/bin/notes"));
    }

    fn outcome() -> Outcome {
        Outcome {
            prefix: "/usr/lib/notes/venv".into(),
            id: "ab".into(),
            interpreter: "/usr/bin/python3.11".into(),
            commands: vec![("notes".into(), "notes".into())],
            depends: vec!["python3.11".into(), "python3".into()],
            overrides: vec!["notes: tag [path]".into()],
        }
    }

    #[test]
    fn running_twice_gives_the_same() {
        let first = plan("notes", Path::new("debian/notes"), &outcome(), &Found::default()).unwrap();
        let written = |plan: &Plan, name: &str| {
            plan.actions.iter().find_map(|action| match action {
                Action::Write { path, contents, .. } if path.ends_with(name) => {
                    Some(String::from_utf8(contents.clone()).unwrap())
                }
                _ => None,
            })
        };
        let found = Found {
            substvars: written(&first, "notes.substvars"),
            overrides: written(&first, "overrides/notes"),
            ..Found::default()
        };
        assert_eq!(plan("notes", Path::new("debian/notes"), &outcome(), &found).unwrap(), first);
    }

    #[test]
    fn dh_python3s_byte_compilation_is_refused_only_above_the_venv() {
        let found = |line: &str| Found { postinst: Some(line.to_owned()), ..Found::default() };
        let root = Path::new("debian/notes");
        assert!(plan("notes", root, &outcome(), &found("\tpy3compile -p notes /usr/lib/notes \n")).is_err());
        assert!(plan("notes", root, &outcome(), &found("\tpy3compile -p notes /usr/share/notes\n")).is_ok());
        assert!(plan("notes", root, &outcome(), &found("\tpy3compile -p notes \n")).is_ok());
    }
}
