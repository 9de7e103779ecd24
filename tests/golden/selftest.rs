//! The runner on itself: cases made on the spot, with sh as the tool.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::case::Case;

pub fn tests() -> Vec<crate::Test> {
    vec![
        ("runner/accepts_what_is_expected".to_owned(), Box::new(accepts_what_is_expected)),
        ("runner/finds_each_difference".to_owned(), Box::new(finds_each_difference)),
        ("runner/rewrites_only_when_asked".to_owned(), Box::new(rewrites_only_when_asked)),
        ("runner/knows_its_parts".to_owned(), Box::new(knows_its_parts)),
    ]
}

const SCRIPT: &str = "echo plan $1 $PWD\necho told >&2\necho more >>old\nrm gone\nmkdir -p d\n\
                      echo '#!/bin/sh' >d/new\nchmod 755 d/new\nln -s new d/link\nexit 3\n";

/// A case that expects just what SCRIPT does.
fn example() -> Result<tempfile::TempDir, String> {
    let dir = tempfile::tempdir().map_err(|error| error.to_string())?;
    let case = dir.path().join("sh/01-example");
    let write = |name: &str, text: &str| {
        let path = case.join(name);
        std::fs::create_dir_all(path.parent().unwrap_or(&path)).and_then(|()| std::fs::write(&path, text))
    };
    let files = [
        ("args", "@DIR@/script\na word\n"),
        ("in/script", SCRIPT),
        ("in/old", "text\n"),
        ("in/gone", ""),
        ("plan", "plan a word @DIR@\n"),
        ("stderr", "told\n"),
        ("status", "3\n"),
        ("removed", "gone\n"),
        ("out/old", "text\nmore\n"),
        ("out/d/new", "#!/bin/sh\n"),
    ];
    for (name, text) in files {
        write(name, text).map_err(|error| format!("{name}: {error}"))?;
    }
    std::os::unix::fs::symlink("new", case.join("out/d/link")).map_err(|error| error.to_string())?;
    let executable = PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(case.join("out/d/new"), executable).map_err(|error| error.to_string())?;
    Ok(dir)
}

fn check(dir: &Path, update: bool) -> Result<(), String> {
    Case::new(&dir.join("sh/01-example")).check(Path::new("/bin/sh"), update)
}

fn accepts_what_is_expected() -> Result<(), String> {
    check(example()?.path(), false)
}

fn finds_each_difference() -> Result<(), String> {
    for part in ["plan", "stderr", "status", "removed", "out/old", "out/d/new"] {
        let dir = example()?;
        std::fs::write(dir.path().join("sh/01-example").join(part), "other\n").map_err(|error| error.to_string())?;
        match check(dir.path(), false) {
            Err(why) if why.contains("-other") && why.contains(part) => {}
            result => return Err(format!("{part}: {result:?}")),
        }
    }
    for part in ["out/d/link", "stderr"] {
        let dir = example()?;
        std::fs::remove_file(dir.path().join("sh/01-example").join(part)).map_err(|error| error.to_string())?;
        if check(dir.path(), false).is_ok() {
            return Err(format!("{part} is missing, and the case passes"));
        }
    }
    Ok(())
}

fn rewrites_only_when_asked() -> Result<(), String> {
    let dir = example()?;
    let plan = dir.path().join("sh/01-example/plan");
    std::fs::write(&plan, "other\n").map_err(|error| error.to_string())?;
    if check(dir.path(), false).is_ok() || std::fs::read_to_string(&plan).unwrap_or_default() != "other\n" {
        return Err("a plain run changed the expectation".to_owned());
    }
    check(dir.path(), true)?;
    check(dir.path(), false)
}

fn knows_its_parts() -> Result<(), String> {
    let dir = example()?;
    std::fs::write(dir.path().join("sh/01-example/stdeer"), "").map_err(|error| error.to_string())?;
    match check(dir.path(), false) {
        Err(why) if why.contains("a case holds only") => Ok(()),
        result => Err(format!("{result:?}")),
    }
}
