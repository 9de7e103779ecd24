//! Every escaper, through a template, and back through the format's own parser:
//! each value comes back as it went in, or was refused. One parser process a format.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use deb_build_app::configuration::manifest::Escape;
use deb_build_app::configuration::template::{Data, Template};
use deb_build_app::configuration::value::Value;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

use crate::{root, run};

/// Values a format.
const VALUES: usize = 10_000;
/// Of them of 64 kB.
const LONG: usize = 10;

const CHARACTERS: &[char] = &[
    '\n',
    '\r',
    '\t',
    ' ',
    '"',
    '\'',
    '\\',
    '`',
    '%',
    '$',
    '{',
    '}',
    '(',
    ')',
    '[',
    ']',
    '<',
    '>',
    '#',
    ';',
    '=',
    ':',
    ',',
    '!',
    '&',
    '*',
    '|',
    '?',
    '@',
    '~',
    '^',
    '-',
    '.',
    '/',
    '0',
    '7',
    'a',
    'n',
    'x',
    'Z',
    'é',
    'ß',
    '漢',
    '😀',
    '\0',
    '\u{1}',
    '\u{7}',
    '\u{b}',
    '\u{c}',
    '\u{1b}',
    '\u{1c}',
    '\u{7f}',
    '\u{80}',
    '\u{85}',
    '\u{a0}',
    '\u{ad}',
    '\u{200b}',
    '\u{2028}',
    '\u{2029}',
    '\u{3000}',
    '\u{fdd0}',
    '\u{feff}',
    '\u{fffd}',
    '\u{ffff}',
    '\u{1fffe}',
    '\u{10ffff}',
];

const WORDS: &[&str] = &[
    "{{",
    "}}",
    "{{x}}",
    "{{{x}}}",
    "%(x)s",
    "%%",
    "%",
    "$$",
    "${HOME}",
    "$(id)",
    "`id`",
    "$x",
    "\\",
    "\\n",
    "\\u0041",
    "\\x41",
    "\"\"\"",
    "'''",
    "---",
    "...",
    "null",
    "yes",
    "no",
    "1e3",
    "0x1f",
    "017",
    "~",
    "- a",
    "a: b",
    "# c",
    "; c",
    " #c",
    "[x]",
    "{x: y}",
    "!!python/object:x",
    "&a",
    "*a",
    "<<",
    "%define x y",
    "<section>",
    "</section>",
    "%import x",
    "export K=1",
    "K0=1",
    "\nK1=2",
    "\n[values]\nk1 = 2",
    "\n\t",
    "\r\n",
    "é",
    "😀",
    " ",
    "  ",
    "",
];

fn short() -> impl Strategy<Value = String> {
    let characters = prop::collection::vec(prop::sample::select(CHARACTERS), 0..24);
    let words = prop::collection::vec(prop::sample::select(WORDS), 0..6);
    prop_oneof![
        3 => characters.prop_map(|all| all.into_iter().collect()),
        3 => words.prop_map(|all| all.concat()),
        2 => "(?s).{0,40}",
        // What people write; no format may refuse it.
        2 => "[A-Za-z0-9_.:/@ -]{0,40}".prop_map(|text| text.trim().to_owned()),
    ]
}

/// 64 kB: one short value over and over.
fn long() -> impl Strategy<Value = String> {
    short().prop_map(|text| {
        let piece = if text.is_empty() { "x".to_owned() } else { text };
        let mut all = piece.repeat(65_536 / piece.len());
        all.push_str(&"y".repeat(65_536 - all.len()));
        all
    })
}

fn values() -> Vec<String> {
    let mut runner = TestRunner::deterministic();
    let mut draw = |strategy: &BoxedStrategy<String>| strategy.new_tree(&mut runner).unwrap().current();
    let (short, long) = (short().boxed(), long().boxed());
    let mut all: Vec<String> = (0..VALUES - LONG).map(|_| draw(&short)).collect();
    all.extend((1..LONG).map(|_| draw(&long)));
    all.push("y".repeat(65_536));
    all
}

/// Whether it is of the kind that no format may refuse.
fn is_plain(text: &str) -> bool {
    text.chars().all(|c| c.is_ascii_alphanumeric() || "_.:/@ -".contains(c)) && text.trim() == text
}

/// What the file holds, written through `template`, where `{{x}}` is the value.
/// Refused values are left out.
fn written(escape: Escape, template: &str) -> BTreeMap<String, (String, String)> {
    let template = Template::parse(template, Path::new("t"), escape).unwrap();
    let mut all = BTreeMap::new();
    let mut refused = 0;
    for (number, text) in values().into_iter().enumerate() {
        let value = Value::Text(text.clone());
        match template.render(&Data::new([("x", &value)])) {
            Ok(rendered) => drop(all.insert(format!("k{number}"), (text, rendered))),
            Err(faults) => {
                assert!(!is_plain(&text), "{escape:?} refuses {text:?}: {faults:?}");
                assert!(faults.iter().all(|fault| fault.message.starts_with("'x' holds ")), "{faults:?}");
                refused += 1;
            }
        }
    }
    println!("{escape:?}: {} values, {refused} refused", all.len() + refused);
    assert!(all.len() > VALUES / 4, "{escape:?} refuses too much");
    assert!(all.values().any(|(text, _)| text.len() >= 65_536), "{escape:?} refuses what is long");
    all
}

fn compare(escape: Escape, written: &BTreeMap<String, (String, String)>, read: &BTreeMap<String, String>) {
    for (key, (text, rendered)) in written {
        let shown = |text: &str| text.chars().take(200).collect::<String>();
        let got = read.get(key).unwrap_or_else(|| panic!("{escape:?}: {key} is gone: {:?}", shown(rendered)));
        assert!(
            got == text,
            "{escape:?}: {:?} was written as {:?} and read as {:?}",
            shown(text),
            shown(rendered),
            shown(got)
        );
    }
    assert_eq!(read.len(), written.len(), "{escape:?}: something was read that nobody wrote");
}

struct File {
    _directory: tempfile::TempDir,
    path: PathBuf,
}

fn file(text: &str) -> File {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("values");
    std::fs::write(&path, text).unwrap();
    File { _directory: directory, path }
}

/// Through a parser of parse.py.
fn by_python(python: &Path, escape: Escape, name: &str, text: &str) -> BTreeMap<String, String> {
    let file = file(text);
    let script = root().join("tests/configuration/parse.py");
    let output = run(Command::new(python).arg("-X").arg("utf8").arg(script).arg(name).arg(&file.path));
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{escape:?}: {error}"))
}

/// Debian's own; another one on the PATH may lack PyYAML.
fn python() -> &'static Path {
    Path::new("/usr/bin/python3")
}

#[test]
fn ini_by_configparser() {
    let all = written(Escape::Ini, "{{x}}");
    let text = all.iter().fold("[values]\n".to_owned(), |text, (key, (_, value))| format!("{text}{key} = {value}\n"));
    compare(Escape::Ini, &all, &by_python(python(), Escape::Ini, "ini", &text));
}

#[test]
fn toml_by_tomllib() {
    let all = written(Escape::Toml, "\"{{x}}\"");
    let text: String = all.iter().map(|(key, (_, value))| format!("{key} = {value}\n")).collect();
    compare(Escape::Toml, &all, &by_python(python(), Escape::Toml, "toml", &text));
}

#[test]
fn json_by_json() {
    let all = written(Escape::Json, "\"{{x}}\"");
    let lines: Vec<String> = all.iter().map(|(key, (_, value))| format!("\"{key}\": {value}")).collect();
    let text = format!("{{\n{}\n}}\n", lines.join(",\n"));
    compare(Escape::Json, &all, &by_python(python(), Escape::Json, "json", &text));
}

#[test]
fn yaml_by_pyyaml_and_libyaml() {
    let all = written(Escape::Yaml, "\"{{x}}\"");
    let text: String = all.iter().map(|(key, (_, value))| format!("{key}: {value}\n")).collect();
    compare(Escape::Yaml, &all, &by_python(python(), Escape::Yaml, "yaml", &text));
}

#[test]
fn zconfig_by_zconfig() {
    let all = written(Escape::Zconfig, "{{x}}");
    let text: String = all.iter().map(|(key, (_, value))| format!("{key} {value}\n")).collect();
    compare(Escape::Zconfig, &all, &by_python(with_zconfig(), Escape::Zconfig, "zconfig", &text));
}

/// A venv with ZConfig, which bookworm has no package of; made once.
fn with_zconfig() -> &'static Path {
    static PYTHON: OnceLock<PathBuf> = OnceLock::new();
    PYTHON.get_or_init(|| {
        let venv = Path::new(env!("CARGO_TARGET_TMPDIR")).join("zconfig-4.1");
        let done = venv.join("done");
        if !done.exists() {
            run(Command::new(python()).args(["-m", "venv", "--clear"]).arg(&venv));
            let pip = venv.join("bin/pip");
            run(Command::new(pip).args(["install", "--quiet", "ZConfig==4.1"]).env_remove("PIP_FIND_LINKS"));
            std::fs::write(done, "").unwrap();
        }
        venv.join("bin/python")
    })
}

#[test]
fn shell_by_dash_and_bash() {
    let all = written(Escape::Shell, "{{x}}");
    let mut script = String::new();
    for (key, (_, value)) in &all {
        let _ = writeln!(script, "{key}={value}");
    }
    for key in all.keys() {
        let _ = writeln!(script, "printf '%s=%s\\0' {key} \"${key}\"");
    }
    let file = file(&script);
    for shell in [&["dash"] as &[&str], &["bash", "--posix"]] {
        let (name, options) = shell.split_first().unwrap();
        let output = run(Command::new(name).args(options).arg(&file.path).env("LC_ALL", "C.UTF-8"));
        compare(Escape::Shell, &all, &variables(&output.stdout));
    }
}

#[test]
fn systemd_by_systemd() {
    let all = written(Escape::Systemd, "{{x}}");
    let text: String = all.iter().map(|(key, (_, value))| format!("{key}={value}\n")).collect();
    let file = file(&text);
    let output = file.path.with_file_name("output");
    let script = root().join("tests/configuration/environment-file.sh");
    run(Command::new(root().join("tools/as-root")).arg(script).arg(&file.path).arg(&output));
    let mut read = variables(&std::fs::read(output).unwrap());
    read.retain(|name, _| name.starts_with('k'));
    compare(Escape::Systemd, &all, &read);
}

/// `NAME=value` with NULs between, as env -0 prints it.
fn variables(bytes: &[u8]) -> BTreeMap<String, String> {
    let text = String::from_utf8(bytes.to_vec()).expect("UTF-8 went in");
    let lines = text.split('\0').filter_map(|line| line.split_once('='));
    lines.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}
