//! Environments: requirements, locks, wheels, byte code, libraries.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use deb_build_app::debian::paragraph;
use deb_build_app::driver::{index, source};
use deb_build_app::foreign::{DebianVersion, FileName, PackageName};
use deb_build_app::helper::venv;
use deb_build_app::python;

use super::{Outcome, absolute, all, interpreter, is_clean, one_line, refused, said, target, text};
use crate::corpus::seeds;

fn venv_file(input: &[u8]) -> Outcome {
    let text = text(input);
    let file = Path::new("debian/notes.venv");
    let (paragraphs, faults) = paragraph::parse(&text, file);
    said(&faults, &text)?;
    let options = venv::cli::Options::default();
    let present = venv::settings::Present::default();
    let (read, faults) = venv::settings::read("notes", Some((file, &paragraphs)), &options, &present);
    said(&faults, &text)?;
    if let Some(read) = read.filter(|_| is_clean(&faults)) {
        absolute("the prefix", &read.prefix.to_string_lossy())?;
        for link in &read.commands {
            hold!(!link.name.contains('/') && !link.name.is_empty(), "the command {:?}", link.name);
        }
    }
    Ok(())
}

fn requirements(input: &[u8]) -> Outcome {
    let text = text(input);
    let file = Path::new("requirements.txt");
    let variables = BTreeMap::from([("HOME".to_owned(), "/home/x".to_owned())]);
    let open = |path: &Path| Ok((path == file).then(|| text.clone()));
    let (read, faults) = python::requirements::read(file, &open, &variables);
    said(&faults, &text)?;
    if !is_clean(&faults) {
        return Ok(());
    }
    if let Err(error) = read.fully_pinned() {
        refused(&error, &text)?;
    }
    let (first, none) = (read.to_text(), BTreeMap::new());
    let open = |_: &Path| Ok(Some(first.clone()));
    let (second, faults) = python::requirements::read(file, &open, &none);
    hold!(is_clean(&faults), "what is written is not read: {:?}\n{first}", faults.first());
    hold!(second.to_text() == first, "it changes:\n{first:?}\n{:?}", second.to_text());
    Ok(())
}

fn locks(input: &[u8]) -> Outcome {
    let text = text(input);
    let interpreter = interpreter();
    let environment = interpreter.marker_environment().map_err(|error| format!("{error:?}"))?;
    let file = Path::new("uv.lock");
    let read = [
        python::lockfile::uv_lock(&text, file, "notes", &[], &[], &environment),
        python::lockfile::pylock(&text, file, &[], &[], &environment),
    ];
    for read in read {
        let all = match read {
            Ok(all) => all,
            Err(error) => {
                refused(&error, &text)?;
                continue;
            }
        };
        for one in all {
            hold!(python::name::is_valid(&one.name), "a name: {:?}", one.name);
            for hash in one.hashes.iter().chain(one.files.iter().map(|file| &file.hash)) {
                let (_, hex) = hash.split_once(':').unwrap_or_default();
                hold!(!hex.is_empty() && hex.bytes().all(|byte| byte.is_ascii_hexdigit()), "a hash: {hash:?}");
            }
            for file in &one.files {
                hold!(!file.name.contains(['/', '\n', '\0']), "a file: {:?}", file.name);
            }
            // What a foreigner's lock says becomes a line for pip and uv.
            if let Some(line) = one.requirement() {
                let rest = line.replace(" \\\n    --hash=", "");
                one_line("a requirement", &rest)?;
                let open = |_: &Path| Ok(Some(line.clone()));
                let (second, _) = python::requirements::read(Path::new("r.txt"), &open, &BTreeMap::new());
                hold!(second.options.is_empty() && second.entries.len() <= 1, "a requirement that is more: {line:?}");
            }
        }
    }
    if let Err(error) = venv::distribution::from_uv_pylock(&text, &interpreter, &BTreeSet::new()) {
        refused(&error, &text)?;
    }
    Ok(())
}

fn projects(input: &[u8]) -> Outcome {
    let text = text(input);
    match python::pyproject::Pyproject::parse(&text, Path::new("pyproject.toml")) {
        Ok(read) => {
            read.backend_module();
            for group in ["dev", "test"] {
                if let Err(error) = read.group(&deb_build_app::error::Item::plain(group)) {
                    refused(&error, &text)?;
                }
            }
        }
        Err(error) => refused(&error, &text)?,
    }
    Ok(())
}

fn metadata(input: &[u8]) -> Outcome {
    let text = text(input);
    let read = python::metadata::Metadata::read(&text);
    python::metadata::Wheel::read(&text);
    python::metadata::entry_points(&text);
    python::sbom::licences(&read, text.lines().take(20));
    let environment = interpreter().marker_environment().map_err(|error| format!("{error:?}"))?;
    let subject = python::sbom::Subject { package: "notes", version: "1.0", venv_id: "x" };
    let installed = python::sbom::Installed { metadata: read, hashes: Vec::new() };
    let written = python::sbom::cyclonedx(&subject, &[installed], &environment);
    match written {
        Ok(text) => serde_json::from_str::<serde_json::Value>(&text).map(drop).map_err(|error| error.to_string()),
        Err(error) => refused(&error, &text),
    }
}

fn records(input: &[u8]) -> Outcome {
    let text = text(input);
    let rows = python::record::parse(&text);
    let plain = |text: &str| !text.contains([',', '"', '\r']);
    if rows
        .iter()
        .all(|(path, row)| !path.trim().is_empty() && plain(&row.hash) && plain(&row.size) && !path.contains('\r'))
    {
        let second = python::record::parse(&python::record::write(&rows));
        hold!(second == rows, "another RECORD is read again");
    }
    let site = Path::new("lib/python3.11/site-packages");
    let read = venv::tree::installed(&site.join("a-1.dist-info"), &text, site);
    venv::tree::collisions(&[read.clone(), read]);
    venv::tree::mentions_suite(Path::new("a.py"), input, Path::new("a/tests"), site);
    let all = deb_build_app::input::facts(input);
    drop(all);
    Ok(())
}

fn wheels(input: &[u8]) -> Outcome {
    let text = text(input);
    let interpreter = interpreter();
    for name in text.lines().take(20).chain([text.as_str()]) {
        interpreter.best_wheel([name].into_iter());
        let version = index::version_of(name, "notes");
        hold!(version.is_none_or(|version| !version.contains('/') || name.contains('/')), "a version");
        if let Some((name, version)) = source::of_archive(name) {
            let (Ok(name), Ok(version)) = (PackageName::new(&name), DebianVersion::new(&version)) else { continue };
            let file = source::orig_name(&name, &version, source::Compression::Xz);
            hold!(FileName::new(&file).is_ok(), "the archive {file:?}");
        }
        if let Some(version) = source::version_of_tag(name, "notes") {
            hold!(!version.contains(['/', '\n', ' ', ':', '_']), "the version {version:?} of a tag");
        }
        if let Some(version) = python::version::to_debian(name) {
            let back = python::version::from_debian(&version).ok_or_else(|| format!("'{version}' has no way back"))?;
            hold!(python::version::same(&back, name) || version.contains(':'), "{name:?}, '{version}', '{back}'");
        }
        let normal = python::name::normalise(name);
        hold!(python::name::normalise(&normal) == normal, "a name is normalised twice");
    }
    Ok(())
}

fn elf(input: &[u8]) -> Outcome {
    let facts = venv::elf::inspect(input);
    let symbols = venv::elf::undefined(input);
    if let (Some(facts), Some(symbols)) = (&facts, &symbols) {
        if let Some(written) = venv::elf::demanding(facts, &facts.needed, symbols) {
            let second = venv::elf::inspect(&written).ok_or("what was written is no ELF file")?;
            let plain = |name: &String| !name.is_empty() && !name.contains('\0');
            hold!(!facts.needed.iter().all(plain) || second.needed.len() <= facts.needed.len(), "libraries come up");
        }
    }
    if let Some(linkage) = venv::linkage::read(input) {
        venv::linkage::questions(&[(Path::new("a.so"), Some(linkage))]);
    }
    Ok(())
}

fn bytecode(input: &[u8]) -> Outcome {
    let Some(records) = venv::bytecode::records(input) else { return Ok(()) };
    for record in &records {
        venv::bytecode::relocated(record, Path::new("/usr/lib/notes/venv"));
    }
    Ok(())
}

fn modules(input: &[u8]) -> Outcome {
    let files = [("a.py", input), ("b/__init__.py", b"import a\n".as_slice())];
    venv::imports::scan(files, &[], (3, 11));
    venv::imports::scan(files, &["b".to_owned()], (3, 13));
    let interpreter = interpreter();
    let frame = venv::tree::Frame {
        stage: Path::new("/build/notes"),
        prefix: Path::new("/usr/lib/notes/venv"),
        interpreter: &interpreter,
        package: "notes",
        system_site_packages: false,
    };
    frame.script(input);
    let moved = frame.relocated(input);
    let stays = moved.windows(12).any(|part| part == b"/build/notes");
    hold!(!stays || input.windows(12).any(|part| part == b"/build/notes"), "the stage's path comes up");
    Ok(())
}

fn from_dh_virtualenv(input: &[u8]) -> Outcome {
    let text = text(input);
    let control = "Source: notes\n\nPackage: notes\nArchitecture: any\n";
    let converted = venv::from_dh_virtualenv::convert(&text, Path::new("debian/rules"), control);
    said(&converted.notes, &text)?;
    let (_, faults) = paragraph::parse(&converted.venv, Path::new("debian/notes.venv"));
    hold!(is_clean(&faults), "the .venv file has a fault: {:?}\n{}", faults.first(), converted.venv);
    let other = venv::from_dh_virtualenv::convert(
        "%:\n\tdh $@ --buildsystem=dh_virtualenv\n",
        Path::new("debian/rules"),
        &text,
    );
    said(&other.notes, &text)
}

fn complaints(input: &[u8]) -> Outcome {
    let text = text(input);
    let known = ["flask", "click", "zope-interface"];
    venv::complaint::blamed(&text, known);
    venv::complaint::without_wheel(&text, known);
    venv::complaint::with_lines(&text, "requirements.txt", &["a".to_owned(), "b".to_owned()]);
    venv::complaint::is_conflict(&text);
    venv::complaint::cure(&text, true);
    Ok(())
}

/// A small shared object, made by our own writer, and this test's own head.
fn elves() -> Vec<Vec<u8>> {
    let own = std::fs::read("/proc/self/exe").unwrap_or_default();
    let facts = venv::elf::inspect(&own).unwrap_or_default();
    let symbols = venv::elf::undefined(&own).unwrap_or_default().into_iter().take(20).collect();
    let small = venv::elf::demanding(&facts, &["libc.so.6".to_owned(), "libm.so.6".to_owned()], &symbols);
    let head = own.get(..8 << 10).unwrap_or_default().to_vec();
    small.into_iter().chain([head]).collect()
}

#[test]
fn what_they_promise_holds() {
    let bytecode_seed = format!("a.py\0__pycache__/a.cpython-311.pyc\x0030\0{:30}", "z\x05<the venv's prefix>/a.py");
    all(
        "environments",
        vec![
            target("venv::settings", seeds(&[".venv"], &[]), venv_file),
            target(
                "python::requirements",
                seeds(
                    &["requirements.txt", "constraints.txt"],
                    &[
                        "a==1 --hash=sha256:00\n-r b.txt\n-c c.txt\nx @ https://h/x.whl ; python_version < '3'\n-e ./d\n",
                    ],
                ),
                requirements,
            ),
            target("python::lockfile", seeds(&["uv.lock", "pylock.toml", ".lock"], &[]), locks),
            target(
                "python::pyproject",
                seeds(
                    &["pyproject.toml"],
                    &["[dependency-groups]\ndev=['a', {include-group='test'}]\ntest=[{include-group='dev'}]\n"],
                ),
                projects,
            ),
            target(
                "python::metadata",
                seeds(
                    &["METADATA", "PKG-INFO", "entry_points.txt", "WHEEL"],
                    &[
                        "Metadata-Version: 2.1\nName: a\nVersion: 1\nLicense-Expression: MIT\nRequires-Dist: b>=1; extra=='x'\nHome-page: https://x/\n\nText\n",
                        "[console_scripts]\na = b:c [x]\n",
                    ],
                ),
                metadata,
            ),
            target(
                "python::record",
                seeds(&["RECORD"], &["a.py,sha256=x,1\n\"a,\"\"b.py\",,\n../../../bin/a,sha256=y,2\n"]),
                records,
            ),
            target(
                "names of wheels and archives",
                seeds(
                    &[],
                    &[
                        "notes-1.0-2b-py2.py3-none-any.whl\nnotes-1.0rc1.tar.gz\nv1.0.dev3+local.1\n",
                        "debian/1.0-1\nrelease-2.0b1\n1!1.0.post2\n",
                    ],
                ),
                wheels,
            ),
            target("venv::elf", elves(), elf),
            target("venv::bytecode", vec![bytecode_seed.into_bytes()], bytecode),
            target(
                "venv::imports",
                seeds(
                    &[".py"],
                    &[
                        "#!/build/notes/bin/python -x\nimport dbm.gnu, \\\n  tkinter as t\nfrom .a import (b,\n c)\ntry:\n  import lib2to3\nexcept ImportError: pass\n",
                    ],
                ),
                modules,
            ),
            target(
                "venv::from_dh_virtualenv",
                seeds(
                    &["debian/rules", "rules"],
                    &[
                        "X = --preinstall=a\n%:\n\tdh $@ --with python-virtualenv\noverride_dh_virtualenv:\n\tdh_virtualenv $(X) --python /usr/bin/python3 \\\n\t --setuptools $(foreach a,b,$(a))\n",
                    ],
                ),
                from_dh_virtualenv,
            ),
            target(
                "venv::complaint",
                seeds(
                    &[],
                    &[
                        "ERROR: Cannot install flask==1 and click because these\nThe conflict is caused by:\n  flask 1 depends on click\nTo fix this\n",
                        "No solution found when resolving: flask\nline 2 of requirements.txt (line 1)\n",
                    ],
                ),
                complaints,
            ),
        ],
    );
}
