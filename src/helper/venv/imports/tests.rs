//! Statements as Python writes them, and the graph over them.

use proptest::prelude::*;

use super::*;

fn found(source: &str) -> Vec<String> {
    statements::imports(source.as_bytes())
        .into_iter()
        .map(|import| {
            let dots = ".".repeat(import.level);
            let names = if import.names.is_empty() { String::new() } else { format!(":{}", import.names.join(",")) };
            let guarded = if import.guarded { "?" } else { "" };
            format!("{}{guarded} {dots}{}{names}", import.line, import.module)
        })
        .collect()
}

#[test]
fn statements_of_every_form() {
    let source = r#""""A docstring
import not_this
"""
import a.b as c, d  # import e
from .x import y as z, w
from ..p import (  # first
    q,
    r as s,  # )-less comment
)
from . import t; import u
from.v import *
from f import g, \
    h
if TYPE_CHECKING:
    import i
try: import j
except ImportError: k = "x"; import l
important = 1
from_here = 2
s = '''
from not_this import either
'''; t = "'''"
import m
text = "a string \
import no \
"
import n
x = 'it''s' # '''
import	o
from p. q import r
"#;
    assert_eq!(
        found(source),
        [
            "4 a.b",
            "4 d",
            "5 .x:y,w",
            "6 ..p:q,r",
            "10 .:t",
            "10 u",
            "11 .v",
            "12 f:g,h",
            "15? i",
            "16? j",
            "17? l",
            "23 m",
            "27 n",
            "29 o",
            "30 p.q:r"
        ]
    );
}

#[test]
fn strings_that_look_like_code_or_like_quotes() {
    assert_eq!(found("x = \"\"\"\\\"\"\"\nimport a\n\"\"\"\nimport b\n"), ["4 b"]);
    assert_eq!(found("x = r'\\'\nimport a\n").len(), 1);
    assert_eq!(found("# don't\nimport a\n"), ["2 a"]);
    assert_eq!(found("print('; import a'); x = {1: 'import b'}\n"), Vec::<String>::new());
    assert_eq!(found("import a\r\nfrom b import (c,\r\n  d)\r\n"), ["1 a", "2 b:c,d"]);
}

fn tree(files: &[(&str, &str)], roots: &[&str], python: (u8, u8)) -> Needs {
    let roots: Vec<String> = roots.iter().map(|root| (*root).to_owned()).collect();
    scan(files.iter().map(|(path, text)| (*path, text.as_bytes())), &roots, python)
}

fn depends(needs: &Needs) -> Vec<&str> {
    needs.depends.keys().map(String::as_str).collect()
}

#[test]
fn what_an_application_imports_becomes_a_dependency() {
    let files = [
        ("app/__init__.py", ""),
        ("app/gui.py", "import tkinter.ttk\nfrom distutils.util import strtobool\n"),
        ("app/store.py", "from dbm import gnu\nimport lib2to3, ensurepip\nimport idlelib.run\n"),
    ];
    let needs = tree(&files, &["app"], (3, 11));
    assert_eq!(
        depends(&needs),
        ["idle-python3.11", "python3-distutils", "python3-gdbm", "python3-lib2to3", "python3-tk", "python3.11-venv"]
    );
    let place = &needs.depends["python3-gdbm"];
    assert_eq!((place.file.as_str(), place.line, place.import.as_str()), ("app/store.py", 1, "dbm.gnu"));
    let needs = tree(&files, &["app"], (3, 13));
    assert_eq!(depends(&needs), ["idle-python3.13", "python3-gdbm", "python3-tk", "python3.13-venv"]);
    assert_eq!(needs.gone.iter().map(|p| p.import.as_str()).collect::<Vec<_>>(), ["distutils.util", "lib2to3"]);
    assert!(tree(&files, &["other"], (3, 11)).depends.is_empty());
}

#[test]
fn guarded_imports_are_notes() {
    let files = [
        ("app.py", "try:\n    import tkinter\nexcept ImportError:\n    tkinter = None\ndef f():\n    import lazy\n"),
        ("lazy.py", "import dbm.gnu\n"),
    ];
    let needs = tree(&files, &["app"], (3, 11));
    assert!(needs.depends.is_empty());
    let notes: Vec<_> = needs.notes.iter().map(|n| (n.package.as_str(), n.place.file.as_str(), n.place.line)).collect();
    assert_eq!(notes, [("python3-tk", "app.py", 2), ("python3-gdbm", "lazy.py", 1)]);
    assert_eq!(depends(&tree(&files, &["app", "lazy"], (3, 11))), ["python3-gdbm"]);
}

#[test]
fn certain_beats_possible_whatever_the_order() {
    let files = [("a.py", "def f():\n    import c\nimport b\n"), ("b.py", "import c\n"), ("c.py", "import turtle\n")];
    assert_eq!(depends(&tree(&files, &["a"], (3, 11))), ["python3-tk"]);
}

#[test]
fn parent_packages_and_relative_imports_are_followed() {
    let files = [
        ("app/__init__.py", "from .sub import leaf\n"),
        ("app/sub/__init__.py", "from .. import other\n"),
        ("app/sub/leaf.py", ""),
        ("app/other.py", "import lib.deep.inner\n"),
        ("lib/__init__.py", ""),
        ("lib/deep/__init__.py", "from . import inner as i\nfrom ...far import x\n"),
        ("lib/deep/inner.py", "import _gdbm\n"),
        ("lib/unused.py", "import tkinter\n"),
        ("lib/ext.cpython-311-x86_64-linux-gnu.so", "import tkinter\n"),
    ];
    assert_eq!(depends(&tree(&files, &["app"], (3, 11))), ["python3-gdbm"]);
    assert_eq!(depends(&tree(&files, &[], (3, 11))), ["python3-gdbm"]);
}

#[test]
fn libraries_with_a_distutils_of_their_own_need_none() {
    let files = [
        (
            "app.py",
            "import numpy\nfrom setuptools import setup\nfrom distutils.version import LooseVersion\nimport distutils\n",
        ),
        ("numpy/__init__.py", "def __getattr__(name):\n    import numpy.distutils\n"),
        ("numpy/distutils/__init__.py", "from distutils.ccompiler import x\n"),
        ("setuptools/__init__.py", "from . import _distutils\n"),
        ("setuptools/_distutils/__init__.py", "from .ccompiler import distutils\nimport setuptools._distutils.util\n"),
        ("setuptools/_distutils/ccompiler.py", ""),
    ];
    let needs = tree(&files, &["app"], (3, 11));
    assert!(needs.depends.is_empty(), "{needs:?}");
    assert_eq!(needs.notes[0].package, "python3-distutils");
    let mut patched = files.to_vec();
    patched.extend([("_distutils_hack/__init__.py", ""), ("app2.py", "import distutils.core\n")]);
    assert!(tree(&patched, &["app2"], (3, 13)).gone.is_empty());
}

#[test]
fn a_projects_tests_do_not_count() {
    let files = [("app/__init__.py", ""), ("app/tests/__init__.py", ""), ("app/tests/gui.py", "import tkinter\n")];
    assert!(tree(&files, &["app"], (3, 11)).depends.is_empty());
}

proptest! {
    #[test]
    fn any_bytes_are_answered(source in prop::collection::vec(any::<u8>(), 0..300)) {
        statements::imports(&source);
    }

    #[test]
    fn anything_like_python_is_answered(source in "(import |from |[.a(),;:\\\\#'\"]|'''|\"\"\"|\n| ){0,60}") {
        let lines = source.lines().count();
        for import in statements::imports(source.as_bytes()) {
            prop_assert!(import.line >= 1 && import.line <= lines);
        }
    }

    /// Whatever precedes it, once closed, an import is found on its line.
    #[test]
    fn an_import_after_strings_is_found(text in "[a-z \n'#;]{0,40}") {
        let source = format!("\"\"\"{text}\"\"\"\nimport found\n");
        let line = source.lines().count();
        prop_assert_eq!(super::tests::found(&source), vec![format!("{line} found")]);
    }
}

const ORACLE: &str = r"
import ast, sys, warnings
warnings.simplefilter('ignore')
for path in sys.stdin.read().split('\n'):
    try:
        tree = ast.parse(open(path, 'rb').read())
    except (SyntaxError, ValueError):
        continue
    top = set(map(id, tree.body))
    print('F', path)
    rows = []
    for node in ast.walk(tree):
        mark = '' if id(node) in top else '?'
        if isinstance(node, ast.Import):
            rows += [(node.lineno, i, '%d%s %s' % (node.lineno, mark, a.name)) for i, a in enumerate(node.names)]
        elif isinstance(node, ast.ImportFrom):
            names = ','.join(a.name for a in node.names if a.name != '*')
            rows.append((node.lineno, 0, '%d%s %s%s%s' % (node.lineno, mark, '.' * node.level, node.module or '', names and ':' + names)))
    for row in sorted(rows):
        print(row[2])
";

/// Python's own parser over its standard library (Debian's, which every build of
/// the toolkit has) finds the same statements.
#[test]
#[allow(clippy::disallowed_methods, reason = "an oracle is asked")]
fn python_finds_the_same_statements() {
    use std::io::Write;
    let mut directories: Vec<_> = std::fs::read_dir("/usr/lib").unwrap().flatten().map(|entry| entry.path()).collect();
    directories.retain(|path| path.join("os.py").exists());
    let files: Vec<String> = directories
        .iter()
        .flat_map(|directory| [directory.clone(), directory.join("asyncio"), directory.join("email")])
        .flat_map(|directory| std::fs::read_dir(directory).unwrap().flatten())
        .map(|entry| entry.path().to_string_lossy().into_owned())
        .filter(|path| path.ends_with(".py"))
        .collect();
    let mut python = std::process::Command::new("/usr/bin/python3")
        .args(["-c", ORACLE])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = python.stdin.take().unwrap();
    let list = files.join("\n");
    let writer = std::thread::spawn(move || stdin.write_all(list.as_bytes()).unwrap());
    let output = String::from_utf8(python.wait_with_output().unwrap().stdout).unwrap();
    writer.join().unwrap();
    let mut differences = Vec::new();
    let mut compared = 0;
    for block in output.split("F ").filter(|block| !block.is_empty()) {
        let mut lines = block.lines();
        let path = lines.next().unwrap();
        let expected: Vec<&str> = lines.collect();
        let ours = found(&String::from_utf8_lossy(&std::fs::read(path).unwrap()));
        compared += expected.len();
        for line in expected.iter().filter(|line| !ours.iter().any(|other| other == *line)) {
            differences.push(format!("{path}: missing {line}"));
        }
        for line in ours.iter().filter(|line| !expected.contains(&line.as_str())) {
            differences.push(format!("{path}: extra {line}"));
        }
    }
    assert!(compared > 1000, "only {compared} statements");
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}
