//! `build` and `env`: real sessions on a real system.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::room::{Source, cache};
use crate::{fails, harness, names, ok, read, sh};

/// What the systems and build tools that sessions stand on are read with: their
/// files' names, sizes, times and modes.
const METADATA: &str = "find $layer -printf '%P %s %T@ %m %l\\n'";
/// The same, and every byte of them.
const CONTENTS: &str = "find $layer -printf '%P %s %T@ %m %U:%G %l\\n'; find $layer -type f -exec sha256sum {} +";

/// The files that sessions stand on: changes whenever one of them does.
fn environment(reading: &str) -> String {
    // The first build after a change of the driver makes the layer of tools.
    static FIRST: std::sync::Once = std::sync::Once::new();
    FIRST.call_once(|| drop(ok(&mut Source::new("dba-first", &[]).program(&["build"]))));
    let script = format!(
        "for layer in */generations $(grep -l '\"purpose\": \"tools\"' layers/*/layer.json | xargs -n 1 dirname); do
             {reading}
         done | grep -v layer.json | sort | sha256sum"
    );
    sh(&cache().join("deb-build-app/environments"), &script)
}

/// The environment's files at a glance, and those of a source.
fn fingerprint(source: &Source) -> String {
    environment(METADATA) + &names(&source.path()).join(" ")
}

/// Waits until the log of a running build has a line.
fn wait_for(source: &Source, name: &str, words: &str) {
    let log = source.results(name).with_file_name("amd64.part").join("build.log");
    let began = Instant::now();
    while !std::fs::read_to_string(&log).unwrap_or_default().contains(words) {
        assert!(began.elapsed() < Duration::from_secs(60), "no '{words}' in {}", log.display());
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn spawn(source: &Source, words: &[&str]) -> Child {
    source.program(words).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

/// The command line of every process.
pub fn commands() -> Vec<String> {
    let processes = std::fs::read_dir("/proc").unwrap().flatten().map(|entry| entry.path().join("cmdline"));
    let lines = processes.filter_map(|path| std::fs::read(path).ok());
    lines.map(|line| String::from_utf8_lossy(&line).replace('\0', " ")).collect()
}

/// No process with this word in its command line, and no mount below the cache.
fn nothing_left(word: &str) {
    let began = Instant::now();
    loop {
        let processes = commands().into_iter().filter(|one| one.contains(&format!("sleep {word}"))).collect::<Vec<_>>();
        let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap();
        let own = cache().to_string_lossy().into_owned();
        if processes.is_empty() && !mounts.contains(&own) {
            return;
        }
        assert!(began.elapsed() < Duration::from_secs(2), "left: {processes:?}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn two_builds_give_the_same_package_with_log_and_manifest() {
    let source = Source::new("dba-small", &["id -un", "ls -A /run/source >/dev/null"]);
    let printed = ok(&mut source.program(&["build"]));
    let results = source.results("dba-small");
    assert_eq!(printed.trim(), results.join("dba-small_1.0_amd64.changes").to_string_lossy());
    let deb = results.join("dba-small_1.0_all.deb");
    let first = read(&deb);
    ok(&mut source.program(&["build"]));
    assert_eq!(first, read(&deb));
    let log = String::from_utf8(read(results.join("build.log"))).unwrap();
    assert!(log.contains("\nbuilder\n"), "{log}");
    let manifest: serde_json::Value = serde_json::from_slice(&read(results.join("manifest.json"))).unwrap();
    assert_eq!(manifest["result"], "built");
    assert_eq!(manifest["network"], false);
    for output in manifest["outputs"].as_array().unwrap() {
        let name = output["file"].as_str().unwrap();
        let sum = sh(&results, &format!("sha256sum {name}"));
        assert_eq!(sum.split(' ').next(), output["sha256"].as_str());
    }
    // No more than that: nothing half done lies about.
    assert_eq!(names(results.parent().unwrap()), ["amd64"]);
    assert!(names(&results).contains(&"dba-small_1.0.dsc".to_owned()));
}

#[test]
fn every_backend_builds_the_same_package() {
    let source = Source::new("dba-backends", &["id -un"]);
    ok(&mut source.program(&["build"]));
    let deb = source.results("dba-backends").join("dba-backends_1.0_all.deb");
    let own = read(&deb);
    let here = std::fs::read_to_string("/etc/os-release").unwrap();
    for backend in ["sbuild", "pbuilder", "host"] {
        std::fs::remove_file(&deb).unwrap();
        let mut words = vec!["build", "--backend", backend];
        if backend == "host" {
            let said = fails(&mut source.program(&words), 1);
            assert!(said.contains("--trust-source"), "{said}");
            words.push("--trust-source");
        }
        ok(&mut source.program(&words));
        let manifest = read(source.results("dba-backends").join("manifest.json"));
        assert_eq!(serde_json::from_slice::<serde_json::Value>(&manifest).unwrap()["backend"], backend);
        // Another release's debhelper and dpkg may well make another package.
        if backend != "host" || here.contains("VERSION_CODENAME=bookworm") {
            assert_eq!(own, read(&deb), "{backend}");
        }
        let log = String::from_utf8(read(source.results("dba-backends").join("build.log"))).unwrap();
        assert!(log.contains("dpkg-buildpackage"), "{backend}: {log}");
    }
    nothing_left("no process has this word");
}

/// Every process of it forks until it may not, and stays; the first says so.
const BOMB: &str =
    r#"perl -e '$$first = $$$$; 1 while defined fork; warn "no more: $$!" if $$first == $$$$; sleep 16777'"#;

/// As root of a user namespace, with ids that /etc/subuid gives; the machine's own stays as it is.
/// A fork bomb is tried here, too: the limit counts a user's processes over all
/// sessions, and these ids are no other test's.
#[test]
fn an_ordinary_user_builds_the_same_package_and_a_fork_bomb_is_contained() {
    let source = Source::new("dba-ordinary", &["id -un"]);
    let bomb = Source::new("dba-bomb", &[BOMB]);
    let slow = Source::new("dba-slow", &["sleep 27182"]);
    ok(&mut source.program(&["build"]));
    let own = read(source.results("dba-ordinary").join("dba-ordinary_1.0_all.deb"));
    let image = harness::image_directory(harness::Suite::Bookworm, harness::Kind::Run);
    let work = tempfile::Builder::new().prefix("ordinary-").tempdir_in("/var/tmp").unwrap();
    let script = format!(
        "chmod 755 .
         cp -r '{}' app
         cp -r '{}' bomb
         cp -r '{}' slow
         cp '{}' driver
         tar -C '{}' --numeric-owner -cf system.tar .
         echo nobody:100000:65536 >ids
         chown -R nobody:nogroup app bomb slow system.tar .
         export HOME=$PWD
         mount --bind ids /etc/subuid
         mount --bind ids /etc/subgid
         cd app && exec setpriv --reuid=nobody --regid=nogroup --clear-groups env -i HOME=\"$HOME\" PATH=/usr/bin:/bin \\
             sh -euc '../driver env create bookworm --from ../system.tar
                      (cd ../bomb && ! timeout 60 ../driver build --time-limit 10s 2>../bomb.said)
                      # Killed, it takes its other self in the namespace with it, and all that this has begun.
                      cd ../slow
                      ../driver build 2>../slow.said &
                      until grep -qsxz 27182 /proc/[0-9]*/cmdline; do sleep 0.1; done
                      kill -KILL $!
                      tries=0
                      while grep -qsxz 27182 /proc/[0-9]*/cmdline; do
                          tries=$((tries + 1))
                          [ $tries -lt 50 ] || exit 1
                          sleep 0.1
                      done
                      cd ../app
                      ../driver build'",
        source.path().display(),
        bomb.path().display(),
        slow.path().display(),
        env!("CARGO_BIN_EXE_deb-build-app"),
        image.display()
    );
    // unshare keeps the mounts to itself; /etc/subuid must be there to be mounted on.
    sh(Path::new("/"), "touch /etc/subuid /etc/subgid");
    let output = Command::new("unshare").args(["--mount", "sh", "-euc", &script]).current_dir(work.path()).output();
    let output = output.unwrap();
    assert!(output.status.success(), "{}", crate::words(&output));
    let area = work.path().join("build-area/bookworm");
    assert_eq!(own, read(area.join("dba-ordinary/1.0/amd64/dba-ordinary_1.0_all.deb")));
    let log = String::from_utf8(read(area.join("dba-bomb/1.0/amd64.failed/build.log"))).unwrap();
    assert!(log.contains("no more: Resource temporarily unavailable"), "{log}");
    let said = std::fs::read_to_string(work.path().join("bomb.said")).unwrap();
    assert!(said.contains("time limit of 10 s"), "{said}");
    assert!(!commands().iter().any(|line| line.contains("sleep 16777")), "{:?}", commands());
    // Files of the ids of its namespace are removed by whoever has them; here root.
    sh(Path::new("/"), &format!("rm -rf '{}'/.cache", work.path().display()));
}

#[test]
fn a_killed_build_leaves_nothing_and_the_next_one_works() {
    let source = Source::new("dba-killed", &["echo now; [ ! -e slow ] || sleep 31415"]);
    std::fs::write(source.path().join("slow"), "").unwrap();
    let before = fingerprint(&source);
    for victim in ["driver", "child"] {
        let _ = std::fs::remove_dir_all(source.results("dba-killed").with_file_name("amd64.part"));
        let mut child = spawn(&source, &["build"]);
        wait_for(&source, "dba-killed", "now\n");
        match victim {
            "driver" => child.kill().unwrap(),
            _ => drop(sh(Path::new("/"), &format!("kill -KILL $(cat /proc/{0}/task/{0}/children)", child.id()))),
        }
        let status = child.wait().unwrap();
        nothing_left("31415");
        if victim == "child" {
            assert_eq!(status.code(), Some(1));
        }
    }
    std::fs::remove_file(source.path().join("slow")).unwrap();
    ok(&mut source.program(&["build"]));
    assert_eq!(names(source.results("dba-killed").parent().unwrap()), ["amd64", "amd64.failed"]);
    assert_eq!(fingerprint(&source), before.replace(" slow", ""), "the environment has changed");
}

/// Another moment each time: from the first breath of the driver to its last.
#[test]
fn killed_at_random_moments_a_build_leaves_nothing_and_the_next_one_works() {
    let source = Source::new("dba-random-kills", &["sleep 0.14142"]);
    let before = fingerprint(&source);
    let began = Instant::now();
    ok(&mut source.program(&["build"]));
    let whole = began.elapsed();
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    let mut random = now.as_nanos() as u64 | 1;
    let place = source.work.path().to_string_lossy().into_owned();
    for number in 0..20 {
        // Marsaglia's xorshift.
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        let moment = whole.mul_f64((random >> 11) as f64 / (1_u64 << 53) as f64);
        let mut child = spawn(&source, &["build", "--wait"]);
        std::thread::sleep(moment);
        if number % 2 == 0 {
            child.kill().unwrap();
        } else {
            // None has begun yet, or the last has ended.
            let script = format!("kill -KILL $(cat /proc/{0}/task/{0}/children) || true", child.id());
            Command::new("sh").args(["-c", &script]).stderr(Stdio::null()).status().unwrap();
        }
        child.wait().unwrap();
        nothing_left("0.14142");
        let began = Instant::now();
        while let Some(line) = commands().into_iter().find(|line| line.contains(&place)) {
            assert!(began.elapsed() < Duration::from_secs(2), "left after {moment:?}: {line}");
            std::thread::sleep(Duration::from_millis(10));
        }
        if number % 5 == 4 {
            ok(&mut source.program(&["build"]));
        }
    }
    // Rooms that are there still belong to those who live: other tests' builds.
    for place in ["work", "environments/work"] {
        let place = cache().join("deb-build-app").join(place);
        for room in names(&place).iter().filter(|name| *name != ".lock") {
            let owner = room.split('.').next().unwrap();
            let living = Path::new("/proc").join(owner).exists() || !place.join(room).exists();
            assert!(living, "{} of a dead process", place.join(room).display());
        }
    }
    let left = names(source.results("dba-random-kills").parent().unwrap());
    assert!(left.iter().all(|name| name == "amd64" || name == "amd64.failed"), "{left:?}");
    assert_eq!(fingerprint(&source), before, "the environment has changed");
}

#[test]
fn a_second_build_of_a_source_names_the_first_or_waits() {
    let source = Source::new("dba-locked", &["echo now; sleep 2"]);
    let mut first = spawn(&source, &["build"]);
    wait_for(&source, "dba-locked", "now\n");
    let words = fails(&mut source.program(&["build"]), 75);
    assert!(words.contains(&format!("process {}", first.id())), "{words}");
    ok(&mut source.program(&["build", "--wait"]));
    assert!(first.wait().unwrap().success());
}

#[test]
fn what_a_hostile_build_tries_is_contained() {
    let before = environment(CONTENTS);
    let source = Source::new(
        "dba-hostile",
        &[
            "! getent hosts deb.debian.org",
            "! touch /usr/bin/planted",
            "! touch /run/source/planted",
            "! touch /run/result/planted",
            "grep -E 'Max processes +4096 ' /proc/self/limits",
            "setsid sleep 27182 & echo left",
            "ls /sys/class/net 2>/dev/null || true; cat /proc/net/dev",
        ],
    );
    ok(&mut source.program(&["build"]));
    nothing_left("27182");
    let log = String::from_utf8(read(source.results("dba-hostile").join("build.log"))).unwrap();
    assert!(log.contains("session: warning: dpkg-buildpackage left sleep"), "{log}");
    assert!(!log.contains("eth0"), "{log}");

    let source = Source::new("dba-greedy", &["dd if=/dev/zero of=big bs=1M count=200"]);
    fails(&mut source.program(&["build", "--room", "50"]), 1);
    let log = String::from_utf8(read(source.results("dba-greedy").with_file_name("amd64.failed").join("build.log")));
    assert!(log.unwrap().contains("No space left on device"));

    // Root of a session, as maintainer scripts are.
    let script = "echo planted | tee -a /etc/passwd /usr/bin/make /usr/bin/planted; rm -rf /usr/share/perl5";
    ok(&mut source.program(&["env", "shell", "bookworm", "--offline", "--", "sh", "-euc", script]));
    assert_eq!(environment(CONTENTS), before, "the environment has changed");
}

#[test]
fn a_failed_build_keeps_its_log_and_the_results_before_it() {
    let source =
        Source::new("dba-failing", &["[ ! -e broken ] || { echo broken; exit 3; }; [ ! -e slow ] || sleep 16180"]);
    ok(&mut source.program(&["build"]));
    let deb = source.results("dba-failing").join("dba-failing_1.0_all.deb");
    let first = read(&deb);
    std::fs::write(source.path().join("broken"), "").unwrap();
    let words = fails(&mut source.program(&["build"]), 1);
    let failed = source.results("dba-failing").with_file_name("amd64.failed");
    assert!(words.contains(&failed.join("build.log").to_string_lossy().into_owned()), "{words}");
    assert!(String::from_utf8(read(failed.join("build.log"))).unwrap().contains("broken"));
    assert!(String::from_utf8(read(failed.join("manifest.json"))).unwrap().contains("exit status 2"));
    assert_eq!(read(&deb), first);
    std::fs::rename(source.path().join("broken"), source.path().join("slow")).unwrap();
    let words = fails(&mut source.program(&["build", "--time-limit", "5s"]), 1);
    assert!(words.contains("time limit of 5 s"), "{words}");
    nothing_left("16180");
    // The second build of a comparison, which has a time zone of its own, ends with the first.
    std::fs::remove_file(source.path().join("slow")).unwrap();
    let again = Source::new("dba-failing-twice", &["[ -n \"$$TZ\" ] || exit 3; sleep 14641"]);
    let began = Instant::now();
    let words = fails(&mut again.program(&["build", "--check=rebuild"]), 1);
    assert!(words.contains("dba-failing-twice could not be built (exit status 2)"), "{words}");
    assert!(began.elapsed() < Duration::from_secs(60), "{:?}", began.elapsed());
    nothing_left("14641");
    // What cannot even begin leaves a log and a manifest, too.
    let control = source.path().join("debian/control");
    let text = std::fs::read_to_string(&control).unwrap();
    std::fs::write(&control, text.replace("debhelper-compat (= 13)", "debhelper-compat (= 13), no-such-package"))
        .unwrap();
    let words = fails(&mut source.program(&["build"]), 1);
    assert!(words.contains(&failed.join("build.log").to_string_lossy().into_owned()), "{words}");
    assert!(String::from_utf8(read(failed.join("build.log"))).unwrap().contains("no-such-package"));
    let manifest: serde_json::Value = serde_json::from_slice(&read(failed.join("manifest.json"))).unwrap();
    assert!(manifest["result"].as_str().unwrap().contains("installing what dba-failing needs failed"), "{manifest}");
    assert_eq!(read(&deb), first);
}

#[test]
fn a_tag_is_built_with_its_own_orig_tarball() {
    let source = Source::new("dba-tagged", &[]);
    sh(
        &source.path(),
        "echo '3.0 (quilt)' > debian/source/format && sed -i '1s/1.0/1.0-1/' debian/changelog
         git init -q && git add -A && git commit -qm one && git tag v1.0 && echo later > data && git commit -qam two",
    );
    ok(&mut source.program(&["build", "--tag", "v1.0"]));
    let results = source.work.path().join("build-area/bookworm/dba-tagged/1.0-1/amd64");
    assert!(names(&results).contains(&"dba-tagged_1.0.orig.tar.xz".to_owned()), "{:?}", names(&results));
    assert_eq!(sh(&results, "dpkg-deb --fsys-tarfile *.deb | tar -xO ./usr/share/dba-tagged/data"), "x\n");
    let manifest: serde_json::Value = serde_json::from_slice(&read(results.join("manifest.json"))).unwrap();
    assert_eq!(manifest["commit"].as_str(), Some(sh(&source.path(), "git rev-parse v1.0").trim()));
}

/// Whatever emulators the machine has: here the kernel's list of them is empty.
#[test]
fn an_architecture_that_does_not_run_here_says_what_is_missing() {
    let room = tempfile::tempdir().unwrap();
    let create = |architecture: &str| {
        let driver = env!("CARGO_BIN_EXE_deb-build-app");
        let script = format!(
            "mount -t tmpfs none /proc/sys/fs/binfmt_misc && exec '{driver}' env create bookworm --arch {architecture}"
        );
        let mut command = Command::new("unshare");
        command.args(["--mount", "sh", "-euc", &script]).env("XDG_CACHE_HOME", room.path());
        command
    };
    let foreign = if cfg!(target_arch = "aarch64") { ("amd64", "qemu-x86_64") } else { ("arm64", "qemu-aarch64") };
    let words = fails(&mut create(foreign.0), 1);
    assert!(words.contains(&format!("programs of {} do not run on this machine", foreign.0)), "{words}");
    assert!(words.contains(foreign.1) && words.contains("qemu-user-static"), "{words}");
    let words = fails(&mut create("vax"), 2);
    assert!(words.contains("unknown architecture 'vax'"), "{words}");
    assert!(!room.path().join("deb-build-app/environments/bookworm-arm64").exists());
}

#[test]
fn an_environment_follows_build_depends_and_is_collected() {
    let source = Source::new("dba-depends", &[]);
    sh(&source.path(), "sed -i 's/debhelper-compat (= 13)/&, hello/' debian/control");
    let probe = ["env", "shell", "bookworm", "--offline", "--", "hello"];
    assert!(ok(&mut source.program(&probe)).contains("Hello, world!"));
    let rows = ok(&mut source.program(&["--json", "env", "list"]));
    assert!(rows.contains("\"purpose\": \"dba-depends\""), "{rows}");
    let text = ok(&mut source.program(&["env", "list"]));
    assert!(text.contains("minimal system, ") && text.contains("tools"), "{text}");
    let archive = cache().join("deb-build-app/environments/archives/of-a-layer-that-is-gone.tar");
    std::fs::create_dir_all(archive.parent().unwrap()).unwrap();
    std::fs::write(&archive, "").unwrap();
    let removed = ok(&mut source.program(&["--json", "env", "gc"]));
    assert!(!archive.exists());
    let removed: serde_json::Value = serde_json::from_str(&removed).unwrap();
    assert!(removed["removed"].as_array().unwrap().iter().all(|row| row["purpose"] != "dba-depends"), "{removed}");
    assert!(ok(&mut source.program(&["env", "list"])).contains("dba-depends"), "a layer used just now stays");
    // From the same system comes the same generation, which then stays as it is.
    let generations = || sh(&cache().join("deb-build-app/environments"), "stat -c '%n %i %Z' bookworm-*/generations/*");
    let before = generations();
    // On a terminal, with a line that says for how long already.
    let driver = env!("CARGO_BIN_EXE_deb-build-app");
    let mut terminal = Command::new("script");
    terminal.args(["-qec", &format!("{driver} env update bookworm"), "/dev/null"]).env("TERM", "xterm");
    let seen = ok(terminal.env("XDG_CACHE_HOME", cache()).current_dir(source.path()).stdin(Stdio::null()));
    assert!(seen.contains("making bookworm/amd64 \u{1b}[2m1s"), "{seen:?}");
    assert!(seen.contains("making bookworm/amd64: ") && seen.contains("nothing has changed"), "{seen:?}");
    assert_eq!(generations(), before);
    // Who uses it is named, and it stays.
    let mut user = source.program(&["env", "shell", "bookworm", "--offline", "--", "sleep", "20000"]);
    let mut user = user.stdin(Stdio::null()).spawn().unwrap();
    let began = Instant::now();
    while !commands().iter().any(|line| line.starts_with("sleep 20000")) {
        assert!(began.elapsed() < Duration::from_secs(60), "the session does not begin");
        std::thread::sleep(Duration::from_millis(10));
    }
    let words = fails(&mut source.program(&["env", "remove", "bookworm"]), 75);
    let expected = format!("process {} (deb-build-app env shell bookworm --offline -- sleep 20000", user.id());
    assert!(words.contains(&expected), "{words}");
    user.kill().unwrap();
    user.wait().unwrap();
    assert_eq!(generations(), before);
    // What a shell's command prints is not ours to describe.
    let words = fails(&mut source.program(&["--json", "env", "shell", "bookworm", "--", "true"]), 2);
    assert!(words.contains("leave --json out"), "{words}");
    let words = fails(&mut source.program(&["env", "update", "sid"]), 1);
    assert!(words.contains("deb-build-app env create sid"), "{words}");
    let words = fails(&mut source.program(&["build", "--suite", "sid"]), 1);
    assert!(words.contains("deb-build-app env create sid"), "{words}");
}
