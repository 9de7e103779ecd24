//! An administrator of Grok's kind, asked over the real publisher.

use serde_json::json;

use crate::harness::repository;
use crate::stand::{Node, Said, Server, program, run};

/// Statuses of a page for managers: without a password, with each of these.
#[track_caller]
fn asks(server: &Server, passwords: &[&str]) -> Vec<i64> {
    let script = repository().join("tests/zeo/grok_site.py");
    let said: Said = run(program("python").arg(script).arg(server.address()).args(passwords)).ends_with(0);
    serde_json::from_str(said.stdout.lines().last().unwrap_or_default()).unwrap_or_else(|_| panic!("{said:#?}"))
}

#[test]
fn its_principal_is_let_in_and_none_other() {
    let server = Server::new();
    let more = "[bootstrap]\nframework = \"grok\"\n";
    let node = Node::new(&server.address(), "1", more);
    assert_eq!(node.run("seed --json").ends_with(0).json()["changed"], true);
    let first = node.password();
    assert_eq!(asks(&server, &["wrong", &first]), [401, 401, 200]);

    let second = Node::new(&server.address(), "1", more);
    assert_eq!(second.run("seed --json").ends_with(0).json()["changed"], false);
    second.run("reset-admin").ends_with(0);
    assert_eq!(asks(&server, &[&first, &second.password()]), [401, 401, 200]);
}

#[test]
fn a_site_that_was_there_is_adopted() {
    let server = Server::new();
    // The publisher's own start makes the root folder; this one puts something into it.
    assert_eq!(asks(&server, &["--fill"]), [401]);
    let node = Node::new(&server.address(), "1", "[bootstrap]\nframework = \"grok\"\n");
    let said = node.run("seed --json").ends_with(0).json();
    assert_eq!((&said["state"], &said["changed"]), (&json!("adopted"), &json!(false)));
    let refused = node.run("reset-admin").ends_with(1);
    assert!(refused.stderr.contains("no principal folder"), "{refused:#?}");
}
