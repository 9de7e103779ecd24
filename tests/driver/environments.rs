//! Environments as they take too long for `make check`: systems made from the archive, of each
//! suite, by an ordinary user, for other architectures; generations that follow one another.
//! `make soak` runs them, by name.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use crate::room::Source;
use crate::{harness, names, ok, read, sh};

/// elf(5)'s number, and uname's word.
const X86_64: (u8, &str) = (62, "x86_64");

/// A cache of the test's own, on a disk.
fn cache() -> tempfile::TempDir {
    tempfile::Builder::new().prefix("environments-").tempdir_in("/var/tmp").unwrap()
}

/// The driver in a source, with that cache.
fn driver(source: &Source, cache: &Path, words: &[&str]) -> Command {
    let mut command = source.program(words);
    command.env("XDG_CACHE_HOME", cache);
    command
}

fn json(command: &mut Command) -> serde_json::Value {
    serde_json::from_str(&ok(command)).unwrap()
}

/// A program in C, and what uname says where it is built.
fn program(name: &str) -> Source {
    let lines = ["uname -m", "echo 'int main(void) { return 0; }' >data.c && cc -o data data.c && ./data"];
    let source = Source::new(name, &lines);
    sh(&source.path(), "sed -i 's/^Architecture: all/Architecture: any/' debian/control");
    source
}

/// The machine of the program in a package (elf(5), e_machine), and the log's words on it.
fn built(results: &Path, name: &str, architecture: &str) -> (u8, String) {
    let deb = format!("{name}_1.0_{architecture}.deb");
    assert!(names(results).contains(&deb), "{:?}", names(results));
    let script = format!("dpkg-deb --fsys-tarfile {deb} | tar -xO ./usr/share/{name}/data | od -An -tu1 -j18 -N1");
    let machine = sh(results, &script).trim().parse().unwrap();
    (machine, String::from_utf8(read(results.join("build.log"))).unwrap())
}

fn from_the_archive(suite: &str, architecture: &str, (machine, uname): (u8, &str), check: &str, more: &[&str]) {
    let cache = cache();
    let name = format!("dba-{suite}-{architecture}");
    let source = program(&name);
    let words = ["--json", "env", "create", suite, "--arch", architecture];
    let words: Vec<&str> = words.iter().chain(more).copied().collect();
    let made = json(&mut driver(&source, cache.path(), &words));
    assert_eq!(made["environment"], format!("{suite}/{architecture}"));
    let check = format!("--check={check}");
    ok(&mut driver(&source, cache.path(), &["build", "-s", suite, "-a", architecture, &check]));
    let results = source.work.path().join(format!("build-area/{suite}/{name}/1.0/{architecture}"));
    let (found, log) = built(&results, &name, architecture);
    assert_eq!(found, machine);
    assert!(log.lines().any(|line| line == uname), "{log}");
    let manifest: serde_json::Value = serde_json::from_slice(&read(results.join("manifest.json"))).unwrap();
    assert_eq!((&manifest["generation"], &manifest["architecture"]), (&made["id"], &architecture.into()));
    let checks: serde_json::Value = serde_json::from_slice(&read(results.join("checks.json"))).unwrap();
    assert_eq!(checks[0]["result"], "passed", "{checks}");
}

#[test]
fn bookworm_from_the_archive() {
    from_the_archive("bookworm", "amd64", X86_64, "install", &[]);
}

#[test]
fn trixie_from_the_archive() {
    from_the_archive("trixie", "amd64", X86_64, "install", &[]);
}

/// Its systemd boots on no machine with control groups of version 1, as this one may be.
#[test]
fn sid_from_the_archive() {
    from_the_archive("sid", "amd64", X86_64, "rebuild", &[]);
}

/// Its programs run on the machine as it is; what they ask the kernel is answered for them.
#[test]
fn i386_from_the_archive() {
    // The main archive alone: mirrors carry the others of this architecture less well.
    let words = ["indextargets", "--format", "$(LABEL)|$(REPO_URI)", "Created-By: Packages"];
    let rows = ok(Command::new("apt-get").args(words));
    let mirror = rows.lines().find_map(|row| row.strip_prefix("Debian|")).unwrap();
    from_the_archive("bookworm", "i386", (3, "i686"), "install", &["--mirror", mirror]);
}

/// As root of a user namespace, from the archive by mmdebstrap; and a package.
#[test]
fn an_ordinary_user_makes_an_environment_from_the_archive() {
    let cache = cache();
    let source = program("dba-rootless");
    let script = format!(
        "chmod 755 .
         cp -r '{}' app
         cp '{}' driver
         echo nobody:100000:65536 >ids
         chown -R nobody:nogroup app .
         mount --bind ids /etc/subuid
         mount --bind ids /etc/subgid
         cd app && exec setpriv --reuid=nobody --regid=nogroup --clear-groups env -i HOME=\"$OLDPWD\" \\
             PATH=/usr/bin:/bin sh -euc '../driver env create bookworm && ../driver build'",
        source.path().display(),
        env!("CARGO_BIN_EXE_deb-build-app"),
    );
    sh(Path::new("/"), "touch /etc/subuid /etc/subgid");
    let output = Command::new("unshare").args(["--mount", "sh", "-euc", &script]).current_dir(cache.path()).output();
    let output = output.unwrap();
    assert!(output.status.success(), "{}", crate::words(&output));
    let results = cache.path().join("build-area/bookworm/dba-rootless/1.0/amd64");
    assert_eq!(built(&results, "dba-rootless", "amd64").0, 62);
    sh(Path::new("/"), &format!("rm -rf '{}'/.cache", cache.path().display()));
}

/// By Debian's qemu, which only this test's user namespace knows (binfmt_misc has been one of
/// each such namespace since Linux 6.7); so the machine stays as it is.
#[test]
fn arm64_with_an_emulator() {
    let cache = cache();
    let source = program("dba-emulated");
    sh(cache.path(), "apt-get -qq download qemu-user-static && dpkg-deb -x qemu-user-static_*.deb qemu");
    let script = format!(
        "mount -t binfmt_misc binfmt_misc /proc/sys/fs/binfmt_misc
         printf '%s' ':qemu-aarch64:M::\\x7fELF\\x02\\x01\\x01\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x02\\x00\\xb7\\x00:\\xff\\xff\\xff\\xff\\xff\\xff\\xff\\x00\\xff\\xff\\xff\\xff\\xff\\xff\\xff\\xff\\xfe\\xff\\xff\\xff:{0}/qemu/usr/bin/qemu-aarch64-static:OCF' \\
             >/proc/sys/fs/binfmt_misc/register
         export XDG_CACHE_HOME='{0}'
         cd '{1}'
         '{2}' env create bookworm --arch arm64
         '{2}' build --arch arm64",
        cache.path().display(),
        source.path().display(),
        env!("CARGO_BIN_EXE_deb-build-app"),
    );
    // Ids of root's own, where /etc/subuid gives it none.
    let ids = "[ -s /etc/subuid ] && grep -q ^root: /etc/subuid || { echo root:1000000:65536 >ids
         for file in subuid subgid; do touch /etc/$file; mount --bind ids /etc/$file; done; }
         exec unshare --user --map-auto --map-root-user --setgroups=allow --mount --propagation=private sh -euc \"$1\"";
    let mut command = Command::new("unshare");
    command.args(["--mount", "sh", "-euc", ids, "sh", &script]).current_dir(cache.path());
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", crate::words(&output));
    let results = source.work.path().join("build-area/bookworm/dba-emulated/1.0/arm64");
    let (machine, log) = built(&results, "dba-emulated", "arm64");
    assert_eq!(machine, 183);
    assert!(log.lines().any(|line| line == "aarch64"), "{log}");
}

/// What is updated is another generation; who stands on the one before keeps it, and builds take
/// the new one. With the last who uses it, the old one can go.
#[test]
fn a_generation_stays_for_those_who_stand_on_it() {
    let cache = cache();
    let system = cache.path().join("system");
    let image = harness::image_directory(harness::Suite::Bookworm, harness::Kind::Run);
    sh(cache.path(), &format!("cp -a '{}' system", image.display()));
    let source = Source::new("dba-generations", &["hello || true"]);
    let run = |words: &[&str]| json(&mut driver(&source, cache.path(), words));
    let first = run(&["--json", "env", "create", "bookworm", "--from", &system.to_string_lossy()]);
    assert_eq!(first["changed"], true);
    let first = first["id"].as_str().unwrap().to_owned();
    // A session that stays: it says what it sees whenever it is asked.
    let words = ["env", "shell", "bookworm", "--offline", "--", "sh", "-c"];
    let ask = "while read -r line; do hello 2>/dev/null || echo no such program; done";
    let words: Vec<&str> = words.into_iter().chain([ask]).collect();
    let mut held = driver(&source, cache.path(), &words).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let (mut question, mut answers) = (held.stdin.take().unwrap(), BufReader::new(held.stdout.take().unwrap()));
    let mut asked = || {
        question.write_all(b"?\n").unwrap();
        let mut line = String::new();
        answers.read_line(&mut line).unwrap();
        line
    };
    assert_eq!(asked(), "no such program\n");
    // The system that it is made from gets a package, as the archive does in time.
    sh(
        &system,
        "cp /etc/resolv.conf etc/
         unshare --mount sh -euc 'mount --bind . /mnt
             mount -t proc proc /mnt/proc
             chroot /mnt sh -euc \"apt-get -qq update && apt-get -qq -y --no-install-recommends install hello\"'",
    );
    let second = run(&["--json", "env", "update", "bookworm"]);
    assert_eq!(second["changed"], true);
    let second = second["id"].as_str().unwrap().to_owned();
    assert_ne!(first, second);
    ok(&mut driver(&source, cache.path(), &["build"]));
    let results = source.results("dba-generations");
    let log = String::from_utf8(read(results.join("build.log"))).unwrap();
    assert!(log.contains("Hello, world!"), "{log}");
    let manifest: serde_json::Value = serde_json::from_slice(&read(results.join("manifest.json"))).unwrap();
    assert_eq!(manifest["generation"], second.as_str());
    let generations = cache.path().join("deb-build-app/environments/bookworm-amd64/generations");
    let gone = |removed: &serde_json::Value| -> Vec<String> {
        let rows = removed["removed"].as_array().unwrap().iter();
        rows.map(|row| row["id"].as_str().unwrap().to_owned()).collect()
    };
    let removed = gone(&run(&["--json", "env", "gc"]));
    assert!(!removed.contains(&first), "{removed:?}");
    assert_eq!(asked(), "no such program\n");
    let mut both = vec![first.clone(), second.clone()];
    both.sort();
    assert_eq!(names(&generations), both);
    drop(question);
    assert!(held.wait().unwrap().success());
    let removed = gone(&run(&["--json", "env", "gc"]));
    assert!(removed.contains(&first), "{removed:?}");
    assert_eq!(names(&generations), std::slice::from_ref(&second));
    let removed = gone(&run(&["--json", "env", "remove", "bookworm"]));
    assert!(removed.contains(&second) && removed.len() > 1, "{removed:?}");
    assert_eq!(run(&["--json", "env", "list"]), serde_json::json!([]));
    let left = names(&cache.path().join("deb-build-app/environments"));
    assert!(!left.contains(&"bookworm-amd64".to_owned()), "{left:?}");
}
