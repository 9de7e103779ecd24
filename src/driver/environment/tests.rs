//! Tests of what the cache says.

use super::*;
use crate::debian::environment::Environment;

/// What was written into the cache by somebody else.
#[test]
fn notes_of_the_cache_lead_nowhere_else() {
    let room = tempfile::tempdir().unwrap();
    let environment = Environment::from_pairs([("XDG_CACHE_HOME", room.path())]);
    let context = Context { environment, directory: room.path().to_owned(), tell: &|_| {} };
    let all = Environments::new(&context).unwrap();
    let said = |result: Result<Generation>| result.unwrap_err().diagnostics()[0].to_string();
    assert!(said(all.latest("bookworm", "amd64/../../x")).contains("is no architecture"));
    assert!(said(all.latest("../x", "amd64")).contains("is no suite"));
    let home = all.root.join("bookworm-amd64");
    let note = |name: &str, text: &str| apply::write(&home.join(name), text.as_bytes(), 0o644).unwrap();
    let recipe = |architecture: &str, deb: &str| {
        note(
            "recipe.json",
            &format!(
                "{{\"suite\": \"bookworm\", \"architecture\": \"{architecture}\", \"sources\": \"\", \"from\": null, \
                 \"include\": [], \"debs\": {{\"{deb}\": \"\"}}}}"
            ),
        );
    };
    recipe("arm64/../../x", "x.deb");
    assert!(said(all.latest("bookworm", "amd64")).contains("it is of another environment"));
    assert!(all.list().unwrap_err().diagnostics()[0].to_string().contains("is no architecture"));
    recipe("amd64", "../../x.deb");
    assert!(said(all.latest("bookworm", "amd64")).contains("is no file name"));
    recipe("amd64", "x.deb");
    note("latest", "../0123456789ab\n");
    assert!(said(all.latest("bookworm", "amd64")).contains("was never finished"));
    note("latest", "0123456789ab\n");
    note("generations/0123456789ab/generation.json", "{\"id\": \"../../x\", \"created\": 1, \"packages\": 1}");
    assert!(said(all.latest("bookworm", "amd64")).contains("was never finished"));
}
