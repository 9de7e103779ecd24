//! `fetch`: repositories, submodules, archives, signatures.

use std::path::Path;

use crate::{fails, names, ok, program, read, sh};

/// A repository of notes with debian/changelog and the tag v1.0rc1, in `app`.
fn repository(work: &Path) {
    sh(
        work,
        "git init -q -b main app
         cd app
         mkdir debian src
         echo 'notes (1.0~rc1-1) unstable; urgency=low' > debian/changelog
         echo 'print(1)' > src/run.py
         chmod 755 src/run.py
         ln -s src/run.py run
         git add -A
         git commit -qm one --date='2024-01-02 03:04:05 +0000'
         git tag v1.0rc1
         echo later > later && git add -A && git commit -qm two",
    );
}

#[test]
fn a_tag_gives_the_same_bytes_from_every_clone() {
    let work = tempfile::tempdir().unwrap();
    repository(work.path());
    sh(work.path(), "git clone -q app other && git -C other config tar.umask 0077 && chmod -R go-rwx other");
    for name in ["app", "other"] {
        let output = format!("../out-{name}");
        let printed = ok(program(&work.path().join(name)).args(["fetch", "--tag", "v1.0rc1", "-o", &output]));
        assert!(printed.ends_with("notes_1.0~rc1.orig.tar.xz\n"), "{printed}");
    }
    let tarball = |name: &str| work.path().join(format!("out-{name}/notes_1.0~rc1.orig.tar.xz"));
    assert_eq!(read(tarball("app")), read(tarball("other")));
    let listed = sh(work.path(), "tar -tvJf out-app/*.xz --utc --full-time");
    assert!(listed.contains("notes-1.0~rc1/run -> src/run.py"), "{listed}");
    assert!(listed.contains("-rwxr-xr-x 0/0"), "{listed}");
    assert!(!listed.contains("later"), "{listed}");
    // A second run finds the same file; a file that differs is never replaced.
    ok(program(&work.path().join("app")).args(["fetch", "--tag", "v1.0rc1", "-o", "../out-app"]));
    std::fs::write(tarball("app"), "other").unwrap();
    let words = fails(program(&work.path().join("app")).args(["fetch", "--tag", "v1.0rc1", "-o", "../out-app"]), 1);
    assert!(words.contains("with other bytes"), "{words}");
    assert_eq!(read(tarball("app")), b"other");
}

#[test]
fn provenance_names_commit_and_checksum() {
    let work = tempfile::tempdir().unwrap();
    repository(work.path());
    let app = work.path().join("app");
    let json = ok(program(&app).args(["--json", "fetch", "--commit", "HEAD~1", "--compression", "gz"]));
    let noted: serde_json::Value = serde_json::from_str(&json).unwrap();
    let file = work.path().join("notes_1.0~rc1.orig.tar.gz");
    let sum = sh(work.path(), "sha256sum *.orig.tar.gz");
    assert_eq!(noted["sha256"].as_str(), sum.split(' ').next());
    assert_eq!(noted["commit"].as_str(), Some(sh(&app, "git rev-parse HEAD~1").trim()));
    let beside: serde_json::Value = serde_json::from_slice(&read(file.with_extension("gz.json"))).unwrap();
    assert_eq!(beside, noted);
}

#[test]
fn changes_that_are_not_committed_are_refused() {
    let work = tempfile::tempdir().unwrap();
    repository(work.path());
    let app = work.path().join("app");
    std::fs::write(app.join("src/run.py"), "print(2)").unwrap();
    let words = fails(program(&app).args(["fetch", "--branch", "main"]), 1);
    assert!(words.contains("src/run.py") && words.contains("--allow-dirty"), "{words}");
    ok(program(&app).args(["fetch", "--branch", "main", "--allow-dirty"]));
    assert_eq!(sh(work.path(), "tar -xOf *.orig.tar.xz notes-1.0~rc1/src/run.py"), "print(1)\n");
}

#[test]
fn submodules_are_part_of_the_tree_checked_out_or_not() {
    let work = tempfile::tempdir().unwrap();
    repository(work.path());
    sh(
        work.path(),
        "git init -q -b main lib
         cd lib
         echo lib > lib.py
         git add -A
         git commit -qm lib
         cd ..
         cd app
         git -c protocol.file.allow=always submodule --quiet add \"file://$PWD/../lib\" vendor/lib
         git commit -qm submodule
         git tag v2.0
         cd ..
         git clone -q app bare-of-submodules",
    );
    let cache = work.path().join("cache");
    for (name, output) in [("app", "one"), ("bare-of-submodules", "two")] {
        let mut command = program(&work.path().join(name));
        command.env("XDG_CACHE_HOME", &cache).args(["fetch", "--tag", "v2.0", "-o"]).arg(work.path().join(output));
        ok(&mut command);
    }
    let name = "notes_2.0.orig.tar.xz";
    assert_eq!(read(work.path().join("one").join(name)), read(work.path().join("two").join(name)));
    assert_eq!(sh(work.path(), &format!("tar -xOf one/{name} notes-2.0/vendor/lib/lib.py")), "lib\n");
    let noted = String::from_utf8(read(work.path().join(format!("one/{name}.json")))).unwrap();
    assert!(noted.contains("\"vendor/lib "), "{noted}");
}

#[test]
fn a_url_is_fetched_into_a_mirror() {
    let work = tempfile::tempdir().unwrap();
    repository(work.path());
    let url = format!("file://{}/app", work.path().display());
    let mut command = program(work.path());
    command.env("XDG_CACHE_HOME", work.path().join("cache")).args(["fetch", &url, "--tag", "v1.0rc1", "-o", "out"]);
    ok(&mut command);
    assert!(names(&work.path().join("out")).contains(&"notes_1.0~rc1.orig.tar.xz".to_owned()));
}

#[test]
fn unknown_refs_and_versions_say_what_to_do() {
    let work = tempfile::tempdir().unwrap();
    repository(work.path());
    let app = work.path().join("app");
    let words = fails(program(&app).args(["fetch", "--tag", "v9"]), 1);
    assert!(words.contains("no tag 'v9'") && words.contains("git tag --list"), "{words}");
    sh(&app, "git rm -rq debian && git commit -qm none");
    let words = fails(program(&app).args(["fetch"]), 1);
    assert!(words.contains("--upstream-version"), "{words}");
    ok(program(&app).args(["fetch", "--upstream-version", "3"]));
    assert!(names(work.path()).contains(&"app_3.orig.tar.xz".to_owned()));
    let words = fails(program(work.path()).args(["fetch"]), 1);
    assert!(words.contains("no git repository"), "{words}");
}

#[test]
fn a_release_archive_is_kept_as_it_is() {
    let work = tempfile::tempdir().unwrap();
    sh(work.path(), "mkdir Notes_App-1.2 && echo x > Notes_App-1.2/x && tar -czf Notes_App-1.2.tar.gz Notes_App-1.2");
    let archive = work.path().join("Notes_App-1.2.tar.gz");
    let sum = sh(work.path(), "sha256sum *.gz").split(' ').next().unwrap().to_owned();
    let url = format!("file://{}", archive.display());
    for place in ["Notes_App-1.2.tar.gz", &url] {
        ok(program(work.path()).args(["fetch", "--archive", place, "--sha256", &sum, "-o", "out"]));
    }
    assert_eq!(read(work.path().join("out/notes-app_1.2.orig.tar.gz")), read(&archive));
    let wrong = "0".repeat(64);
    let words = fails(program(work.path()).args(["fetch", "--archive", &url, "--sha256", &wrong, "-o", "no"]), 1);
    assert!(words.contains(&sum), "{words}");
    assert!(!work.path().join("no").exists());
}

#[test]
fn signatures_of_archives_and_tags_are_checked() {
    let work = tempfile::tempdir().unwrap();
    repository(work.path());
    sh(
        work.path(),
        "mkdir -m 700 gpg
         export GNUPGHOME=$PWD/gpg
         gpg --batch --quiet --passphrase '' --quick-gen-key 'Test <test@example.org>' ed25519 sign never 2>/dev/null
         gpg --batch --armor --export > key.asc
         echo x > x
         tar -czf notes-1.2.tar.gz x
         gpg --batch --quiet --detach-sign notes-1.2.tar.gz
         git -C app tag -s -m signed v1.1
         git -C app tag -a -m plain v1.2
         gpgconf --kill gpg-agent",
    );
    let signed =
        ["fetch", "--archive", "notes-1.2.tar.gz", "--signature", "notes-1.2.tar.gz.sig", "--keyring", "key.asc"];
    let json = ok(program(work.path()).arg("--json").args(signed).args(["--verify", "-o", "out"]));
    assert!(json.contains("\"signature\": \"good "), "{json}");
    sh(work.path(), "echo y > y && tar -czf notes-1.2.tar.gz y");
    let words = fails(program(work.path()).args(signed).args(["-o", "out2"]), 1);
    assert!(words.contains("not good"), "{words}");

    let app = work.path().join("app");
    let mut command = program(&app);
    let json =
        ok(command.env("GNUPGHOME", work.path().join("gpg")).args(["--json", "fetch", "--tag", "v1.1", "--verify"]));
    assert!(json.contains("\"signature\": \"good "), "{json}");
    let words = fails(program(&app).args(["fetch", "--tag", "v1.2", "--verify"]), 1);
    assert!(words.contains("no signature"), "{words}");
}
