//! `dh_venv --fill`: what the driver keeps between builds is made of hashes, and of
//! nothing that a source or a wheel could have run.

use std::path::Path;

use serde_json::{Value, json};

use crate::room::{Output, Room, With, assert_same, tiny};

/// Wheels with all that installers have rules for.
fn rich() -> Value {
    let script = "#!python -E\nprint('tool')\n";
    json!([
        tiny("tiny"),
        {"name": "rich-one", "version": "1.0", "scripts": {"rich": "rich_one:main", "rich-two": "rich_one.more:main"},
         "requires": ["tiny"],
         "files": {
            "rich_one/__init__.py": "def main():\n    pass\n", "rich_one/more.py": "from . import main\n",
            "rich_one/tests/test_one.py": "assert True\n", "rich_one/data-1.txt": "data\n",
            "rich_one.pth": "# nothing\n",
            "rich_one-1.0.data/scripts/tool": script, "rich_one-1.0.data/scripts/plain": "#!/bin/sh\ntrue\n",
            "rich_one-1.0.data/data/share/rich/data.txt": "data\n", "rich_one-1.0.data/headers/rich.h": "int x;\n",
            "rich_one-1.0.data/purelib/rich_pure.py": "VALUE = 2\n"}},
    ])
}

/// The room's requirements, with the hashes of its wheels.
fn pin(room: &Room, wheels: &Value) {
    let sums = room.wheels(wheels);
    let lines = sums.iter().map(|(name, sum)| format!("{name}==1.0 --hash=sha256:{sum}\n"));
    room.file("requirements.txt", &lines.collect::<String>());
    room.venv("Format: 1\nProject: none\nRequirements: requirements.txt\n");
}

fn fill(room: &Room, with: With, more: &[&str]) -> Output {
    let place = room.top().join("fill");
    let words = ["--fill", place.to_str().unwrap()];
    room.dh_venv_with(with, &[&words, more].concat())
}

/// What is in the cache of a kind: `d`, `sums`, `code`.
fn kept(room: &Room, kind: &str) -> usize {
    let names = std::fs::read_dir(room.cache().join("dh-venv/trees")).into_iter().flatten().flatten();
    names.filter(|entry| entry.path().extension().is_some_and(|extension| extension == kind)).count()
}

#[test]
fn a_filled_cache_gives_the_same_venv_as_an_installer() {
    for with in [With::Pip, With::Uv] {
        let cold = Room::new();
        pin(&cold, &rich());
        cold.dh_venv_with(with, &[]).ok();
        let filled = Room::new();
        pin(&filled, &rich());
        let before = crate::room::tree(filled.source());
        fill(&filled, with, &[]).ok();
        assert_same("the source", &before, &crate::room::tree(filled.source()));
        assert_eq!((kept(&filled, "sums"), kept(&filled, "code")), (1, 2), "{with:?}");
        assert_eq!(std::fs::read_dir(filled.cache().join("dh-venv/untried")).unwrap().count(), 1);
        fill(&filled, with, &["--tried"]).ok();
        let output = filled.dh_venv_with(with, &["-v"]).ok();
        assert!(output.stderr.contains("the dependencies of notes come from the cache"), "{}", output.stderr);
        // Neither compiled, nor tried, nor asked about again.
        assert!(!output.stdout.contains(" -c "), "{}", output.stdout);
        assert_same(&format!("{with:?}: installed / filled"), &cold.tree(), &filled.tree());
    }
}

#[test]
fn nothing_of_a_source_or_a_wheel_runs_while_the_cache_is_filled() {
    let room = Room::new();
    let mark = room.top().join("ran");
    let bad =
        format!("open({:?}, 'a').write(__file__ if '__file__' in globals() else 'pth')\n", mark.to_str().unwrap());
    let mut files = serde_json::Map::new();
    files.insert("evil.pth".to_owned(), json!(format!("import os; {bad}")));
    // What Python imports by itself, and modules of the same names as those of the tools.
    for name in ["sitecustomize", "usercustomize", "zipfile", "json", "csv", "encodings/utf_8", "pip/__init__", "tiny"]
    {
        files.insert(format!("{name}.py"), json!(bad));
        room.file(&format!("{name}.py"), &bad);
        room.file(&format!("{name}/__main__.py"), &bad);
    }
    room.file("setup.py", &bad).file("pip/__main__.py", &bad);
    pin(&room, &json!([{"name": "tiny", "version": "1.0", "files": files}]));
    room.venv(
        "Format: 1\nProject: none\nRequirements: requirements.txt\nAfter-Install: touch ../ran\nTest: touch ../ran\n",
    );
    for with in [With::Pip, With::Uv] {
        fill(&room, with, &[]).ok();
        assert_eq!(std::fs::read_to_string(&mark).ok(), None, "{with:?}");
        assert_eq!(kept(&room, "sums"), if with == With::Pip { 1 } else { 2 }, "{with:?}");
    }
}

/// A wheel of any paths, with rows for all of them.
fn wheel(room: &Room, name: &str, more: Value) -> String {
    let mut files = json!({format!("{name}.py"): "VALUE = 1\n"});
    files.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    room.wheels(&json!([{"name": name, "version": "1.0", "files": files}]))[name].clone()
}

#[test]
fn what_is_no_plain_wheel_is_left_to_the_build() {
    let cases: [(&str, Value); 7] = [
        ("a path that leads out", json!({"../../../../../../planted": "x"})),
        ("an absolute path", json!({"/tmp/planted-by-a-wheel": "x"})),
        ("a path out of the data", json!({"bad-1.0.data/data/../../planted": "x"})),
        ("the interpreter", json!({"bad-1.0.data/scripts/python": "#!/bin/sh\n"})),
        ("the venv's own file", json!({"bad-1.0.data/data/pyvenv.cfg": "x"})),
        ("a second dist-info directory", json!({"other-1.0.dist-info/RECORD": ""})),
        ("another wheel's module", json!({"good.py": "VALUE = 2\n"})),
    ];
    for (what, files) in cases {
        let room = Room::new();
        let (bad, good) = (wheel(&room, "bad", files), wheel(&room, "good", json!({})));
        let lines = format!("bad==1.0 --hash=sha256:{bad}\ngood==1.0 --hash=sha256:{good}\n");
        room.file("requirements.txt", &lines);
        room.venv("Format: 1\nProject: none\nRequirements: requirements.txt\n");
        let output = fill(&room, With::Pip, &[]).ok();
        assert!(output.stderr.contains("nothing is kept for package notes"), "{what}: {}", output.stderr);
        assert_eq!((kept(&room, "sums"), kept(&room, "code")), (0, 0), "{what}");
        assert!(!room.top().join("planted").exists() && !Path::new("/tmp/planted-by-a-wheel").exists(), "{what}");
    }
}

#[test]
fn a_wheel_with_another_hash_than_the_locks_is_left_to_the_build() {
    let room = Room::new();
    pin(&room, &json!([tiny("tiny")]));
    let sum = "0123456789abcdef".repeat(4);
    room.file("requirements.txt", &format!("tiny==1.0 --hash=sha256:{sum}\n"));
    let output = fill(&room, With::Pip, &[]).ok();
    assert!(output.stderr.contains("no wheel here has one of its hashes"), "{}", output.stderr);
    assert_eq!(kept(&room, "sums"), 0);
    room.dh_venv_with(With::Pip, &[]).fails(1, &["tiny"]);
}

#[test]
fn of_two_wheels_that_a_lock_allows_a_build_gets_the_one_that_it_has() {
    let one = json!([tiny("tiny")]);
    let two = json!([{"name": "tiny", "version": "1.0", "files": {"tiny.py": "VALUE = 2\n"}}]);
    let (first, alone) = (Room::named("first"), Room::named("second"));
    let second = Room::named("second").sharing(first.cache());
    let sums = [first.wheels(&one)["tiny"].clone(), second.wheels(&two)["tiny"].clone()];
    alone.wheels(&two);
    for room in [&first, &second, &alone] {
        room.file("requirements.txt", &format!("tiny==1.0 --hash=sha256:{} --hash=sha256:{}\n", sums[0], sums[1]));
        room.dh_venv(&[]).ok();
    }
    assert_same("alone / after a build with the other wheel", &alone.tree(), &second.tree());
    assert_ne!(first.tree(), second.tree());
}
