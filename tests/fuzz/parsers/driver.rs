//! What the driver reads: sources, archives, indexes, repositories, results.

use std::collections::BTreeSet;
use std::path::{Component, Path};

use deb_build_app::debian::control;
use deb_build_app::driver::inspect::{self, forge, generated, hooks, licence, native, service};
use deb_build_app::driver::{archive, changes, check, git, index, source, target};
use deb_build_app::foreign::FileName;

use super::{Outcome, all, interpreter, one_line, refused, said, steers, target, text};
use crate::corpus::seeds;

fn changelogs(input: &[u8]) -> Outcome {
    let text = text(input);
    match source::Changelog::parse(&text) {
        Ok(read) => {
            let name = format!("{}_{}.dsc", read.source, read.file_version());
            hold!(FileName::new(&name).is_ok(), "results would be called {name:?}");
            hold!(text.contains(read.version.as_str()), "a version that is not there");
            read.upstream();
        }
        Err(fault) => said(&[*fault], &text)?,
    }
    Ok(())
}

fn lists(input: &[u8]) -> Outcome {
    let text = text(input);
    match changes::listed(&text, "x.changes") {
        Ok(all) => {
            let names: BTreeSet<&str> = all.iter().map(|one| one.name.as_str()).collect();
            hold!(names.len() == all.len(), "a name twice");
            for one in &all {
                changes::is_ours(&one.name);
            }
        }
        Err(why) => hold!(!why.contains(steers) && why.len() < 1000, "a reason: {why:?}"),
    }
    Ok(())
}

fn pages(input: &[u8]) -> Outcome {
    let text = text(input);
    for place in ["https://index/simple/", "file:///srv/index"] {
        let index = index::Index::ours(place).map_err(|refused| refused.to_string())?;
        let page = index.page("notes").map_err(|refused| refused.to_string())?;
        let (offers, faults) = index::offers(&text, &index, &page);
        // Its lines are not counted.
        said(&faults, &text)?;
        for offer in &offers {
            let here = offer.url.as_str().to_ascii_lowercase().starts_with("file:");
            hold!(!here || place.starts_with("file:"), "a page leads to this machine: {}", offer.url);
            hold!(
                !here || (offer.url.as_str().starts_with(place) && !offer.url.as_str().contains("/../")),
                "out of it"
            );
        }
        index::choose(&offers, "notes", "1.0", &[], &interpreter());
    }
    Ok(())
}

fn archives(input: &[u8]) -> Outcome {
    let parts = [archive::Part { directory: "sub".into(), bytes: input.to_vec() }];
    match archive::join(&parts, "notes-1.0", 1) {
        Ok(bytes) => {
            let mut read = tar::Archive::new(std::io::Cursor::new(bytes));
            for entry in read.entries().map_err(|error| error.to_string())? {
                let entry = entry.map_err(|error| format!("what was written is not read: {error}"))?;
                let path = entry.path().map_err(|error| error.to_string())?.into_owned();
                let inside =
                    path.starts_with("notes-1.0") && !path.components().any(|part| part == Component::ParentDir);
                hold!(inside, "an entry {path:?}");
            }
            Ok(())
        }
        Err(error) => refused(&error, "\n"),
    }
}

fn inspected(input: &[u8]) -> Outcome {
    let text = text(input);
    let projects =
        [inspect::pyproject(&text), inspect::setup_cfg(&text), inspect::setup_py(&text), inspect::pkg_info(&text)];
    for project in projects {
        let plain = project.plain();
        let words = [&plain.name, &plain.version, &plain.description, &plain.homepage, &plain.author, &plain.licence];
        for word in words.into_iter().flatten().chain(plain.dependencies.iter().flatten()) {
            hold!(!word.contains(steers) && !word.contains('\n'), "a text of the project: {word:?}");
        }
    }
    inspect::is_buildable(&text);
    inspect::build_requires(&text);
    inspect::version_places(&text);
    inspect::version_in(&text);
    inspect::entry_points(&text);
    inspect::egg_requires(&text);
    inspect::requirements::pipfile(&text);
    inspect::requirements::is_pinned(&text);
    inspect::requirements::is_plain(&text);
    inspect::requirements::requirement_names(std::slice::from_ref(&text));
    hold!(
        !deb_build_app::foreign::line(&text).contains(steers)
            && !deb_build_app::foreign::line(&text).contains(['\n', '\t']),
        "a line"
    );
    licence::licence(&text);
    licence::named(&text);
    hooks::requires(&text, &text, &text);
    native::imported(&text).for_each(drop);
    generated::is("x.py", input);
    for line in text.lines().take(20) {
        if let Some(found) = forge::repository(line) {
            one_line("a repository", &found.git)?;
        }
        inspect::requirements::requirement(line);
        let _ = target::Suite::named(line);
        if let Some(name) = source::package_name(line) {
            hold!(control::is_package_name(&name), "the name {name:?}");
        }
    }
    licence::copyright_holders(&text);
    for row in service::of_procfile(&text) {
        one_line("a command", &row.command)?;
    }
    service::of_applications(&service::applications("notes.web", &text));
    service::variables(&text);
    Ok(())
}

/// What git prints of a repository, and its packed-refs.
fn repositories(input: &[u8]) -> Outcome {
    let text = text(input);
    for rows in [text.clone(), text.replace('\n', "\0")] {
        for submodule in git::submodule::all(&rows).into_iter().flatten() {
            let inside = submodule.path.components().all(|part| matches!(part, Component::Normal(_)));
            hold!(inside && !submodule.path.as_os_str().is_empty(), "a submodule at {:?}", submodule.path);
        }
    }
    let listing = text.replace("\n\n", "\0");
    if let Some(url) = git::submodule::url(&listing, Path::new("lib")) {
        if let Ok(remote) = git::remote::Remote::new(url) {
            hold!(!remote.as_str().contains(char::is_control), "the URL {remote:?}");
        }
    }
    for (name, id) in git::snapshot::packed_refs(&text) {
        hold!(id.bytes().all(|byte| byte.is_ascii_hexdigit()), "the id {id:?}");
        let safe = !name.contains("..") && !name.contains(char::is_control) && !name.contains(' ');
        hold!(!git::snapshot::is_ref(&name) || safe, "the ref {name:?}");
    }
    for line in text.lines().take(20) {
        git::remote::is_remote(line);
        let url = git::submodule::relative_url("https://host/group/a.git", line);
        if let Ok(remote) = git::remote::Remote::new(&url) {
            hold!(!remote.as_str().starts_with('-'), "the URL {remote:?}");
        }
    }
    check::tags(&text, "E");
    Ok(())
}

#[test]
fn what_they_promise_holds() {
    let file = |name: &str| (name.to_owned(), b"text\n".to_vec());
    let tar = archive::of_files(&[file("a"), file("b")], "top").expect("an archive");
    all(
        "driver",
        vec![
            target("driver::source", seeds(&["changelog"], &["notes (1:1.0~rc1-2) unstable; urgency=low\n\n  * x\n\n -- a <b>  Mon, 01 Jan 2024 00:00:00 +0000\n"]), changelogs),
            target("driver::changes", vec![format!("Format: 1.8\nChecksums-Sha256:\n {} 10 a_1_all.deb\n {} 1 a_1.dsc\nFiles:\n x\n", "a".repeat(64), "b".repeat(64)).into_bytes()], lists),
            target("driver::index", vec![format!("<!DOCTYPE html><a href=\"../../files/notes-1.0-py3-none-any.whl#sha256={}\" data-requires-python=\"&gt;=3\">notes-1.0-py3-none-any.whl</a>\n<a href='//h/notes-1.0.tar.gz' data-yanked>notes-1.0.tar.gz</a><a href=a.whl>a.whl</a>", "a".repeat(64)).into_bytes()], pages),
            target(
                "driver::git",
                seeds(
                    &[],
                    &[
                        "160000 commit e3b0c44298fc1c149afbf4c8996fb92427ae41e4\tlib\n100644 blob e3b0c44298fc1c149afbf4c8996fb92427ae41e4\ta\n",
                        "submodule.x.path\nlib\n\nsubmodule.x.url\nhttps://host/x.git\n\n",
                        "# pack-refs with: peeled\ne3b0c44298fc1c149afbf4c8996fb92427ae41e4 refs/tags/v1\n^e3b0c44298fc1c149afbf4c8996fb92427ae41e4\n",
                        "../b.git\n./c\n../../../../x\nE: notes: bad-thing x\n",
                    ],
                ),
                repositories,
            ),
            target("driver::archive", vec![tar], archives),
            target("driver::inspect", seeds(&["setup.py", "setup.cfg", "pyproject.toml", "Procfile", "PKG-INFO", "Pipfile", "LICENSE", "copyright"], &["web: gunicorn app:app -b :$PORT\n", "[packages]\na = '*'\n", "https://github.com/a/b.git\ngit@host:a/b\n"]), inspected),
        ],
    );
}
