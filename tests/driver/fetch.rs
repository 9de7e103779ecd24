//! `fetch`: repositories, submodules, archives, signatures.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

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

/// A server of files, for as long as this value lives.
struct Server(Child, String);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn serve(directory: &Path) -> Server {
    let mut server = Command::new("/usr/bin/python3")
        .args(["-u", "-m", "http.server", "--bind", "127.0.0.1", "0"])
        .current_dir(directory)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(server.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let port = line.split_whitespace().nth(5).expect("the server says its port").to_owned();
    Server(server, format!("http://127.0.0.1:{port}"))
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
    let server = serve(work.path());
    sh(
        work.path(),
        &format!(
            "git init -q -b main lib
             cd lib
             echo lib > lib.py
             git add -A
             git commit -qm lib
             git update-server-info
             cd ..
             cd app
             git submodule --quiet add {}/lib/.git vendor/lib
             git commit -qm submodule
             git tag v2.0
             cd ..
             git clone -q app bare-of-submodules",
            server.1
        ),
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
    // A signature is of the name inside, whatever the ref is called.
    sh(&app, "git update-ref refs/tags/v2.0 $(git rev-parse refs/tags/v1.1)");
    let mut command = program(&app);
    let words =
        fails(command.env("GNUPGHOME", work.path().join("gpg")).args(["fetch", "--tag", "v2.0", "--verify"]), 1);
    assert!(words.contains("'v2.0' leads to is signed as 'v1.1'"), "{words}");
}

#[test]
fn an_abbreviated_commit_is_no_branch_and_no_tag() {
    let work = tempfile::tempdir().unwrap();
    repository(work.path());
    let app = work.path().join("app");
    let good = sh(&app, "git rev-parse HEAD").trim().to_owned();
    let short = &good[..8];
    sh(&app, &format!("git update-ref refs/heads/{short} HEAD~1; git update-ref refs/tags/{short} HEAD~1"));
    let commit = |id: &str| {
        let json = ok(program(&app).args(["--json", "fetch", "--upstream-version", "3", "--commit", id]));
        serde_json::from_str::<serde_json::Value>(&json).unwrap()["commit"].as_str().unwrap().to_owned()
    };
    assert_eq!(commit(short), good);
    assert_eq!(commit(&good), good);
    for bad in ["main", "v1.0rc1", "deadbeef"] {
        let said = fails(program(&app).args(["fetch", "--upstream-version", "3", "--commit", bad]), 1);
        assert!(said.contains(bad) && said.contains("hint"), "{said}");
    }
}

/// What a source says in its repository runs nothing: neither when it is looked at nor when it is archived.
#[test]
fn nothing_that_a_repository_says_is_run() {
    let work = tempfile::tempdir().unwrap();
    repository(work.path());
    sh(
        work.path(),
        "printf '#!/bin/sh\\necho \"$0\" >> %s/ran\\ncat\\n' \"$PWD\" > evil
         chmod 755 evil
         printf '[core]\\n\\tfsmonitor = %s/evil\\n' \"$PWD\" > included
         evil=$PWD/evil included=$PWD/included
         cd app
         echo '* filter=x diff=x' > .gitattributes
         git add -A && git commit -qm attributes && git tag v1.1
         mkdir sub && git init -q sub && git -C sub commit -q --allow-empty -m sub
         git -c advice.addEmbeddedRepo=false add sub && git commit -qm sub
         touch src/run.py
         for key in core.fsmonitor core.sshCommand core.pager core.gitProxy core.editor core.askPass gpg.program \\
             filter.x.clean filter.x.smudge filter.x.process diff.external diff.x.command diff.x.textconv \\
             credential.helper uploadpack.packObjectsHook tar.tar.command; do
             git -C sub config $key $evil
             git config $key $evil
         done
         git config include.path $included
         git config core.worktree /etc
         mkdir .git/hooks2
         git config core.hooksPath .git/hooks2
         for hook in post-index-change reference-transaction post-checkout pre-auto-gc; do cp $evil .git/hooks2/$hook; cp $evil .git/hooks/$hook; done
         echo '* filter=x' > .git/info/attributes
         rm -f ../ran",
    );
    let app = work.path().join("app");
    ok(program(&app).args(["fetch", "--tag", "v1.1", "-o", "../out", "--allow-dirty"]));
    assert_eq!(sh(work.path(), "tar -xOf out/*.orig.tar.xz notes-1.1/src/run.py"), "print(1)\n");
    // The work tree is its own directory, whatever the configuration says.
    ok(program(&app).args(["fetch", "--upstream-version", "3", "-o", "../clean"]));
    std::fs::write(app.join("setup.py"), "setup(name='notes')").unwrap();
    let mut command = program(&app);
    command.env("DEBFULLNAME", "A").env("DEBEMAIL", "a@example.org").args(["new", "--dry-run"]);
    drop(command.output().unwrap());
    assert!(!work.path().join("ran").exists(), "{}", String::from_utf8_lossy(&read(work.path().join("ran"))));
}

/// A private repository of the machine, whose commit the source knows.
#[test]
fn a_private_repository_does_not_come_in() {
    let work = tempfile::tempdir().unwrap();
    repository(work.path());
    sh(
        work.path(),
        "git init -q -b main private
         cd private
         echo topsecret > secret && git add -A && git commit -qm secret
         cd ..
         cp -a app link && cp -a app alternate && cp -a app pointer && cp -a app module && cp -a app objects
         rm -r pointer/.git && echo \"gitdir: $PWD/private/.git\" > pointer/.git
         rm -r objects/.git/objects && ln -s $PWD/private/.git/objects objects/.git/objects
         rm -r link/.git && ln -s $PWD/private/.git link/.git
         echo $PWD/private/.git/objects > alternate/.git/objects/info/alternates
         tip=$(git -C private rev-parse HEAD)
         for name in alternate objects; do echo $tip > $name/.git/refs/heads/stolen; done
         cd module
         mkdir lib && echo \"gitdir: $PWD/../private/.git\" > lib/.git
         git update-index --add --cacheinfo 160000,$tip,lib
         printf '[submodule \"lib\"]\\n\\tpath = lib\\n\\turl = ../private\\n' > .gitmodules
         git add .gitmodules && git commit -qm module",
    );
    let cache = work.path().join("cache");
    let attempt = |name: &str, words: &[&str]| {
        let mut command = program(&work.path().join(name));
        command.env("XDG_CACHE_HOME", &cache).args([
            "fetch",
            "--upstream-version",
            "1",
            "--allow-dirty",
            "-o",
            "../out",
        ]);
        fails(command.args(words), 1)
    };
    for (name, words, why) in [
        ("pointer", &[][..], "does not know of this work tree"),
        ("link", &[], "it is a link"),
        ("alternate", &["--branch", "stolen"], "borrows objects from another repository"),
        ("objects", &["--branch", "stolen"], "no git repository"),
        ("module", &[], "leads out of the repository"),
    ] {
        let said = attempt(name, words);
        assert!(said.contains(why), "{name}: {said}");
    }
    sh(&work.path().join("module"), "rm -r lib");
    for url in [
        "../private".to_owned(),
        format!("{}/private", work.path().display()),
        format!("file://{}/private", work.path().display()),
        "ext::sh -c touch% ran".to_owned(),
        "--upload-pack=touch ran".to_owned(),
        "git@-oProxyCommand=touch ran:x".to_owned(),
    ] {
        let module = work.path().join("module");
        std::fs::write(module.join(".gitmodules"), format!("[submodule \"lib\"]\n\tpath = lib\n\turl = \"{url}\"\n"))
            .unwrap();
        sh(&module, "git add .gitmodules && git commit -q --allow-empty -m url");
        let said = attempt("module", &[]);
        assert!(said.contains("submodule lib of") && said.contains("git submodule update --init"), "{url}: {said}");
    }
    assert!(!work.path().join("out").exists());
    // What git itself makes is understood: a further work tree, and one within a submodule.
    sh(work.path(), "git -C app worktree add -q ../further v1.0rc1");
    let mut command = program(&work.path().join("further"));
    ok(command.env("XDG_CACHE_HOME", &cache).args(["fetch", "--upstream-version", "1", "-o", "../out"]));
    assert!(names(&work.path().join("out")).contains(&"notes_1.orig.tar.xz".to_owned()));
}

/// A few objects that stand for more files, or for more bytes, than there is room.
#[test]
fn a_repository_that_repeats_itself_without_end_is_refused() {
    let work = tempfile::tempdir().unwrap();
    let bomb = |name: &str, depth: &str| {
        sh(
            work.path(),
            &format!(
                "git init -q -b main {name}; cd {name}
                 t=$(head -c 100000 /dev/zero | git hash-object -w --stdin) kind=blob mode=100644
                 for d in $(seq {depth}); do
                     t=$(for i in 0 1 2 3 4 5 6 7 8 9; do printf '%s %s %s\\tf%s\\n' $mode $kind $t $i; done | git mktree)
                     kind=tree mode=040000
                 done
                 c=$(git commit-tree $t -m x); git update-ref refs/heads/main $c; git tag v1.0 $c"
            ),
        );
        work.path().join(name)
    };
    for (name, depth, what) in [("files", "7", "MB of file names in"), ("bytes", "5", "more than 4096 MB in")] {
        let app = bomb(name, depth);
        for more in [&[][..], &["--allow-dirty"]] {
            let began = std::time::Instant::now();
            let words = ["fetch", "--tag", "v1.0", "--name", "evil"];
            let said = fails(program(&app).args(words).args(more), 1);
            assert!(said.contains(what), "{name}: {said}");
            assert!(began.elapsed() < std::time::Duration::from_secs(60), "{:?}", began.elapsed());
        }
    }
}

#[test]
fn versions_and_names_that_would_be_paths_are_refused() {
    let work = tempfile::tempdir().unwrap();
    repository(work.path());
    let app = work.path().join("app");
    for version in ["1.0/../../x", "../x", "1:1.0", "1.0\u{1b}[2J", ""] {
        let said = fails(program(&app).args(["fetch", "--upstream-version", version]), 1);
        assert!(said.contains("upstream version") && !said.contains('\u{1b}'), "{said}");
    }
    std::fs::write(app.join("debian/changelog"), "notes (1.0-x/../../../evil)\nnotes (1.0-1) unstable; urgency=low\n")
        .unwrap();
    sh(
        &app,
        "printf 'Source: notes\\n\\nPackage: notes\\nArchitecture: all\\n' > debian/control && git add -A && git commit -qm changelog",
    );
    let said = fails(program(&app).args(["fetch"]), 1);
    assert!(said.contains("debian/changelog:1: "), "{said}");
    let said = fails(program(&app).args(["build", "-s", "bookworm"]), 1);
    assert!(said.contains("debian/changelog:1: "), "{said}");
    assert!(!work.path().join("build-area").exists());
}

/// Files that never end, or that are none.
#[test]
fn a_fifo_or_a_link_in_a_source_is_no_file_of_it() {
    let work = tempfile::tempdir().unwrap();
    let app = work.path().join("app");
    std::fs::create_dir_all(&app).unwrap();
    sh(&app, "mkfifo pyproject.toml && echo \"setup(name='x')\" > setup.py");
    let said = fails(program(&app).args(["new"]).stdin(Stdio::null()), 1);
    assert!(said.contains("pyproject.toml") && said.contains("FIFO"), "{said}");
    sh(&app, "rm pyproject.toml && ln -s /etc/shadow pyproject.toml");
    let said = fails(program(&app).args(["new"]), 1);
    assert!(said.contains("leads out of"), "{said}");
    sh(&app, "rm pyproject.toml && mkdir debian && ln -s /etc/shadow debian/changelog && mkfifo debian/control");
    let said = fails(program(&app).args(["lock"]), 1);
    assert!(said.contains("debian/control") && said.contains("FIFO"), "{said}");
    sh(&app, "rm debian/control && printf 'Source: x\\n\\nPackage: x\\nArchitecture: all\\n' > debian/control");
    let said = fails(program(&app).args(["build", "-s", "bookworm"]), 1);
    assert!(said.contains("leads out of") && !said.contains("root:"), "{said}");
}
