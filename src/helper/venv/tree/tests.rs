//! Interpreter lines, modes, owners and what a tree must not hold.

use super::*;
use crate::listing::Beginning;

fn with_prefix<T>(prefix: &str, test: impl FnOnce(&Frame<'_>) -> T) -> T {
    test(&Frame {
        stage: Path::new("/build/notes/stage"),
        prefix: Path::new(prefix),
        interpreter: &crate::python::interpreter::sample(),
        package: "notes",
        system_site_packages: false,
    })
}

#[test]
fn every_python_interpreter_line_is_rewritten() {
    for line in [
        "#!/usr/bin/python",
        "#!/usr/bin/pypy",
        "#!/usr/bin/ipy",
        "#!/usr/bin/jython",
        "#!/usr/bin/env python",
        "#!/usr/bin/env -S python3",
        "#!python",
        "#!python3.11",
        "#!\"/usr/bin/python\"",
        "#!/build/notes/stage/bin/python3",
    ] {
        let script = format!("{line}\nprint()\n");
        let rewritten = with_prefix("/usr/lib/a-b_c:d/venv", |frame| frame.script(script.as_bytes()));
        let text = String::from_utf8(rewritten.expect(line)).unwrap();
        assert_eq!(text, "#!/usr/lib/a-b_c:d/venv/bin/python\nprint()\n", "{line}");
    }
    for line in ["#!/bin/bash", "#!/bin/sh", "#!/usr/bin/pythonista", "no script"] {
        let text = format!("{line}\nx\n");
        assert_eq!(with_prefix("/usr/lib/notes/venv", |frame| frame.script(text.as_bytes())), None, "{line}");
    }
}

#[test]
fn arguments_of_the_interpreter_stay() {
    let text = with_prefix("/opt/venvs/n", |frame| frame.script(b"#!/usr/bin/python3 -sE\nx"));
    assert_eq!(text.unwrap(), b"#!/opt/venvs/n/bin/python -sE\nx");
}

#[test]
fn the_long_form_is_read_and_written() {
    let long = format!("/usr/lib/{}/venv", "n".repeat(120));
    let script = b"#!/bin/sh\n'''exec' /build/very/long/bin/python \"$0\" \"$@\"\n' '''\nbody\n";
    let short = with_prefix("/usr/lib/notes/venv", |frame| frame.script(script)).unwrap();
    assert_eq!(short, b"#!/usr/lib/notes/venv/bin/python\nbody\n");
    let rewritten = with_prefix(&long, |frame| frame.script(script)).unwrap();
    let text = String::from_utf8(rewritten.clone()).unwrap();
    assert_eq!(text, format!("#!/bin/sh\n'''exec' {long}/bin/python \"$0\" \"$@\"\n' '''\nbody\n"));
    assert_eq!(with_prefix(&long, |frame| frame.script(&rewritten)).unwrap(), rewritten);
}

#[test]
fn replacing_leaves_the_rest_alone() {
    assert_eq!(replace(b"a/x b /x", b"/x", b"/longer"), b"a/longer b /longer");
}

fn file(path: &str) -> Entry {
    Entry { path: path.into(), kind: Kind::File { mode: 0o644, size: 1 } }
}

fn directory(path: &str) -> Entry {
    Entry { path: path.into(), kind: Kind::Directory }
}

#[test]
fn a_test_suite_is_known_by_its_files_and_its_users() {
    let site = Path::new("s");
    let entries = [
        directory("s/a"),
        directory("s/a/tests"),
        file("s/a/tests/test_x.py"),
        directory("s/c"),
        directory("s/c/tests"),
        file("s/c/tests/data.json"),
    ];
    assert_eq!(test_suites(&entries, site), [Path::new("s/a/tests")]);
    let suite = Path::new("s/a/tests");
    let mentions = |path: &str, text: &str| mentions_suite(Path::new(path), text.as_bytes(), suite, site);
    assert!(mentions("s/b/x.py", "import a.tests.base"));
    assert!(mentions("s/a/x.py", "from .tests import base"));
    assert!(mentions("s/a/b/x.py", "from ..tests import base"));
    assert!(!mentions("s/b/x.py", "from .tests import own"));
    assert!(!mentions("s/a/x.py", "import a.testing"));
}

#[test]
fn special_modes_and_files_without_owner_are_faults() {
    let site = Path::new("s");
    let one = installed(Path::new("s/a-1.dist-info"), "a.py,,\n", site);
    let mode = |path: &str, mode: u32| Entry { path: path.into(), kind: Kind::File { mode, size: 1 } };
    let messages = |entries: &[Entry]| -> Vec<String> {
        let facts = entries.iter().map(|entry| (entry.path.clone(), Facts::default())).collect();
        let found = faults(std::slice::from_ref(&one), &facts, &BTreeSet::new(), entries, site, &[]);
        assert!(found.iter().all(|fault| fault.hint.is_some()));
        found.into_iter().map(|fault| fault.message).collect()
    };
    assert_eq!(messages(&[file("s/a.py"), file("s/a-1.dist-info/RECORD"), file("share/x")]), Vec::<String>::new());
    assert_eq!(messages(&[file("s/stray.pth")]), ["s/stray.pth belongs to no distribution"]);
    assert_eq!(messages(&[mode("bin/su", 0o4755)]), ["bin/su is setuid or setgid"]);
    assert_eq!(messages(&[mode("bin/sg", 0o2755)]), ["bin/sg is setuid or setgid"]);
    let pipe = Entry { path: "bin/pipe".into(), kind: Kind::Other };
    assert_eq!(messages(&[pipe]), ["bin/pipe is no file, directory or link"]);
}

#[test]
fn only_programs_are_executable() {
    let script =
        Facts { beginning: Beginning { shebang: Some("/bin/sh".into()), ..Beginning::default() }, ..Facts::default() };
    let elf = Facts { beginning: Beginning { elf: true, ..Beginning::default() }, ..Facts::default() };
    for (path, old, facts, expected) in [
        ("bin/run", 0o600, &script, 0o755),
        ("bin/data", 0o777, &Facts::default(), 0o644),
        ("s/tool", 0o700, &script, 0o755),
        ("s/module.py", 0o666, &script, 0o644),
        ("s/native.so", 0o755, &elf, 0o644),
        ("s/a.libs/libz.so.1", 0o755, &elf, 0o644),
        ("s/program", 0o4755, &elf, 0o755),
    ] {
        assert_eq!(mode(Path::new(path), old, Some(facts)), expected, "{path}");
    }
    assert_eq!(mode(Path::new("bin/run"), 0o755, None), 0o644);
}

#[test]
fn two_claims_on_one_path_are_an_error_only_where_they_differ() {
    let site = Path::new("s");
    let a = installed(Path::new("s/a-1.dist-info"), "x.py,sha256=A,1\nns/__init__.py,sha256=E,0\n", site);
    let b = installed(Path::new("s/b-2.dist-info"), "x.py,sha256=B,1\nns/__init__.py,sha256=E,0\n", site);
    let faults = collisions(&[a, b]);
    assert_eq!(faults.len(), 1);
    assert_eq!(faults[0].message, "s/x.py is claimed by two distributions: a-1 and b-2");
}

#[test]
fn records_are_rewritten_for_what_is_there() {
    let site = Path::new("lib/python3.11/site-packages");
    let record = "gone.py,sha256=A,1\n../../../bin/run,sha256=B,1\na.py,sha256=C,1\na-1.dist-info/RECORD,,\n";
    let one = installed(&site.join("a-1.dist-info"), record, site);
    assert!(one.rows.contains_key(Path::new("bin/run")));
    let facts = BTreeMap::from([
        (PathBuf::from("bin/run"), Facts { size: 3, ..Facts::default() }),
        (site.join("a.py"), Facts { size: 2, ..Facts::default() }),
        (site.join("a-1.dist-info/RECORD"), Facts::default()),
    ]);
    let texts = records(&[one], &facts, site, None);
    let zeros = record::hash_field(&[0; 32]);
    assert_eq!(
        texts[&site.join("a-1.dist-info/RECORD")],
        format!("../../../bin/run,{zeros},3\na-1.dist-info/RECORD,,\na.py,{zeros},2\n")
    );
}
