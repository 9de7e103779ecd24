//! Documents and licence choices.

use proptest::prelude::*;
use serde_json::Value;

use super::*;

fn environment() -> MarkerEnvironment {
    crate::python::interpreter::sample().marker_environment().unwrap()
}

fn installed(text: &str) -> Installed {
    Installed { metadata: Metadata::read(text), hashes: vec!["sha256:".to_owned() + &"ab".repeat(32)] }
}

const SUBJECT: Subject<'_> = Subject { package: "notes", version: "1.0-1", venv_id: "abc" };

fn all() -> Vec<Installed> {
    vec![
        installed(
            "Name: Flask\nVersion: 3.1\nSummary: Web\nLicense-Expression: BSD-3-Clause\nProject-URL: Homepage, https://f.invalid\n\
             Requires-Dist: Werk_Zeug>=3\nRequires-Dist: colorama; sys_platform == 'win32'\nRequires-Dist: dotenv; extra == 'dotenv'\nProvides-Extra: dotenv\n",
        ),
        installed("Name: werk.zeug\nVersion: 3\nLicense: MIT\nRequires-Dist: colorama; sys_platform == 'win32'\n"),
        installed("Name: dotenv\nVersion: 1\nClassifier: License :: OSI Approved :: BSD License\n"),
        installed("Name: colorama\nVersion: 1\nLicense: A text\n  of two lines\n"),
    ]
}

fn document(subject: &Subject<'_>, all: &[Installed]) -> String {
    cyclonedx(subject, all, &environment()).unwrap()
}

#[test]
fn components_and_their_graph() {
    let text = document(&SUBJECT, &all());
    let bom: Value = serde_json::from_str(&text).unwrap();
    assert_eq!((&bom["bomFormat"], &bom["specVersion"]), (&Value::from("CycloneDX"), &Value::from("1.5")));
    assert_eq!(bom["metadata"]["component"]["name"], "notes");
    let names: Vec<_> = bom["components"].as_array().unwrap().iter().map(|c| c["purl"].as_str().unwrap()).collect();
    assert_eq!(names, ["pkg:pypi/colorama@1", "pkg:pypi/dotenv@1", "pkg:pypi/flask@3.1", "pkg:pypi/werk-zeug@3"]);
    let flask = &bom["components"][2];
    assert_eq!(flask["licenses"][0]["expression"], "BSD-3-Clause");
    assert_eq!(flask["externalReferences"][0]["url"], "https://f.invalid");
    assert_eq!(flask["hashes"][0]["alg"], "SHA-256");
    assert_eq!(bom["components"][3]["licenses"][0]["license"]["id"], "MIT");
    assert_eq!(bom["components"][1]["licenses"][0]["license"]["name"], "BSD License");
    assert!(bom["components"][0].get("licenses").is_none());
    let graph: BTreeMap<&str, Vec<&str>> = bom["dependencies"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| {
            let needs = one["dependsOn"].as_array().map(Vec::as_slice).unwrap_or_default();
            (one["ref"].as_str().unwrap(), needs.iter().map(|need| need.as_str().unwrap()).collect())
        })
        .collect();
    assert_eq!(graph["notes@1.0-1"], ["pkg:pypi/colorama@1", "pkg:pypi/flask@3.1"]);
    assert_eq!(graph["pkg:pypi/flask@3.1"], ["pkg:pypi/dotenv@1", "pkg:pypi/werk-zeug@3"]);
}

#[test]
fn equal_inputs_give_equal_bytes() {
    let mut reversed = all();
    reversed.reverse();
    assert_eq!(document(&SUBJECT, &all()), document(&SUBJECT, &reversed));
    let one = document(&SUBJECT, &all());
    let other = document(&Subject { venv_id: "abd", ..SUBJECT }, &all());
    let number = |text: &str| serde_json::from_str::<Value>(text).unwrap()["serialNumber"].clone();
    assert_ne!(number(&other), number(&one));
}

#[test]
fn licence_files_of_old_and_new_wheels() {
    let metadata = Metadata::read("Name: Foo.Bar\nVersion: 1\nLicense-File: custom.txt\n");
    let files = [
        "foo_bar-1.dist-info/licenses/LICENSE",
        "foo_bar-1.dist-info/licenses/vendor/COPYING.txt",
        "foo_bar-1.dist-info/LICENSE",
        "foo_bar-1.dist-info/AUTHORS.rst",
        "foo_bar-1.dist-info/custom.txt",
        "foo_bar-1.dist-info/METADATA",
        "foo/_vendor/LICENSE-APACHE",
        "foo/license.py",
        "foo/licensing.md",
        "foo/NOTICE",
        "../../../share/LICENSE",
    ];
    let chosen = licences(&metadata, files);
    let to: Vec<_> = chosen.iter().map(|(_, to)| to.as_str()).collect();
    assert_eq!(
        to,
        [
            "foo-bar/AUTHORS.rst",
            "foo-bar/LICENSE",
            "foo-bar/custom.txt",
            "foo-bar/foo/NOTICE",
            "foo-bar/foo/_vendor/LICENSE-APACHE",
            "foo-bar/vendor/COPYING.txt"
        ]
    );
    assert_eq!(chosen[1].0, "foo_bar-1.dist-info/LICENSE");
}

proptest! {
    #[test]
    fn any_metadata_gives_a_document(
        name in "[A-Za-z0-9._-]{1,12}", version in "\\PC{1,12}", licence in "\\PC{0,30}", page in "\\PC{0,20}"
    ) {
        let text = format!("Name: {name}\nVersion: 1{version}\nLicense: {licence}\nLicense-Expression: {licence}\nHome-page: {page}\n");
        let text = document(&SUBJECT, &[installed(&text)]);
        prop_assert!(serde_json::from_str::<Value>(&text).is_ok());
    }
}
