//! One input, one tree: whatever installs it, wherever, whenever, beside whatever.

use std::path::PathBuf;
use std::time::Duration;

use serde_json::json;

use crate::harness;
use crate::room::{Room, Tree, With, assert_same, run, tiny};

/// flask, gunicorn and all that they need, pinned.
const PINS: &str = "flask==3.1.2\ngunicorn==23.0.0\nblinker==1.9.0\nclick==8.3.0\nitsdangerous==2.2.0\njinja2==3.1.6\n\
                    markupsafe==3.0.3\npackaging==25.0\nwerkzeug==3.1.3\n";

/// A project on flask and gunicorn, and the wheels of both, fetched once.
fn application(name: &str) -> Room {
    let room = Room::named(name);
    room.project("").file("requirements.txt", PINS).venv("Commands: notes\nIndex: https://index.invalid/simple\n");
    let wheels = wheels();
    std::os::unix::fs::symlink(&wheels, room.source().join("debian/wheelhouse")).expect("symlink");
    room
}

fn wheels() -> PathBuf {
    static FETCH: std::sync::Mutex<()> = std::sync::Mutex::new(());
    let _one_at_a_time = FETCH.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let wheels = harness::cache_dir().join("wheels/flask-3.1.2");
    if wheels.is_dir() {
        return wheels;
    }
    std::fs::create_dir_all(wheels.parent().expect("parent")).expect("mkdir");
    let part = tempfile::tempdir_in(wheels.parent().expect("parent")).expect("a directory");
    std::fs::write(part.path().join("pins"), PINS).expect("write");
    let mut command = std::process::Command::new("/usr/bin/python3");
    command.args([
        "-m",
        "pip",
        "download",
        "--quiet",
        "--no-deps",
        "--only-binary",
        ":all:",
        "--dest",
        "wheels",
        "-r",
        "pins",
    ]);
    command.current_dir(part.path());
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("PIP_")) {
        command.env_remove(name);
    }
    run(&mut command).ok();
    std::fs::rename(part.path().join("wheels"), &wheels).expect("rename");
    wheels
}

/// PINS with the wheels' hashes.
fn hashed() -> String {
    let mut text = String::new();
    for line in PINS.lines() {
        let (name, version) = line.split_once("==").expect("a pin");
        text += line;
        for entry in std::fs::read_dir(wheels()).expect("wheels").flatten() {
            let file = entry.file_name().to_string_lossy().to_lowercase();
            if file.starts_with(&format!("{name}-{version}-")) {
                let output = run(std::process::Command::new("sha256sum").arg(entry.path())).ok();
                text += &format!(" --hash=sha256:{}", output.stdout.split(' ').next().expect("digest"));
            }
        }
        text.push('\n');
    }
    text
}

#[test]
fn both_installers_hashed_or_not() {
    let room = application("source");
    let mut trees: Vec<(String, Tree, String)> = Vec::new();
    for (what, text) in [("unhashed", PINS.to_owned()), ("hashed", hashed())] {
        for with in [With::Uv, With::Pip] {
            room.file("requirements.txt", &text);
            room.dh_venv_with(with, &[]).ok();
            trees.push((format!("{what} with {with:?}"), room.tree(), room.id()));
        }
    }
    for (what, tree, id) in &trees[1..] {
        assert_same(&format!("{} / {what}", trees[0].0), &trees[0].1, tree);
        assert_eq!(id, &trees[0].2, "{what}");
    }
}

#[test]
fn directories_jobs_and_the_cache() {
    let short = application("a");
    let miss = {
        short.dh_venv(&[]).ok();
        short.tree()
    };
    let output = short.dh_venv(&[]).ok();
    assert!(output.stderr.contains("come from the cache"), "{}", output.stderr);
    assert_same("cache miss / hit", &miss, &short.tree());
    let long = application("a-directory-with-a-much-longer-name/and-another one below it");
    for jobs in ["1", "2"] {
        let _ = std::fs::remove_dir_all(long.cache());
        run(long.command("dh_venv", With::Uv).env("DEB_BUILD_OPTIONS", format!("parallel={jobs}"))).ok();
        assert_same(&format!("short directory / long one with {jobs} jobs"), &miss, &long.tree());
    }
}

#[test]
fn the_id_follows_the_inputs() {
    let one = Room::new();
    let first = one.tiny();
    let other = Room::named("somewhere-else");
    other.tiny();
    one.dh_venv(&[]).ok();
    other.dh_venv_with(With::Pip, &[]).ok();
    let id = one.id();
    assert_eq!(id, other.id());
    for option in ["--prefix=/opt/venvs/notes", "--bytecode=none", "--system-site-packages=yes", "--keep=tests"] {
        one.dh_venv(&[option]).ok();
        assert_ne!(one.id(), id, "{option}");
    }
    one.dh_venv(&["--test=true"]).ok();
    assert_eq!(one.id(), id, "a test is no part of the venv");
    let second = one.wheels(&json!([{"name": "tiny", "version": "1.0", "files": {"tiny.py": "VALUE = 3\n"}}]));
    assert_ne!(second["tiny"], first);
    one.dh_venv(&[]).ok();
    assert_ne!(one.id(), id);
}

#[test]
fn the_environment_has_no_influence() {
    let room = Room::new();
    room.tiny();
    room.project("");
    room.dh_venv(&[]).ok();
    let expected = room.tree();
    let active = room.top().join("active");
    run(std::process::Command::new("/usr/bin/python3").args(["-m", "venv", "--without-pip"]).arg(&active)).ok();
    let trap = room.top().join("trap");
    std::fs::create_dir(&trap).unwrap();
    std::fs::write(trap.join("sitecustomize.py"), "raise SystemExit('trapped')\n").unwrap();
    std::fs::write(trap.join("pip.conf"), "[global]\nno-binary = :all:\nindex-url = https://mirror.invalid/\n")
        .unwrap();
    std::fs::write(trap.join("uv.toml"), "no-binary = true\n").unwrap();
    for with in [With::Uv, With::Pip] {
        std::fs::remove_dir_all(room.cache()).unwrap();
        let mut command = room.command("dh_venv", with);
        let path =
            command.get_envs().find(|(name, _)| *name == "PATH").and_then(|(_, value)| value).unwrap().to_owned();
        let path = format!("{}:{}", active.join("bin").display(), path.to_string_lossy());
        command
            .env("PATH", path)
            .env("VIRTUAL_ENV", &active)
            .env("PYTHONPATH", &trap)
            .env("PYTHONHOME", &trap)
            .env("PYTHONPYCACHEPREFIX", &trap)
            .env("PYTHONOPTIMIZE", "2")
            .env("PIP_CONFIG_FILE", trap.join("pip.conf"))
            .env("PIP_NO_BINARY", ":all:")
            .env("PIP_TARGET", &trap)
            .env("PIP_REQUIRE_VIRTUALENV", "1")
            .env("UV_CONFIG_FILE", trap.join("uv.toml"))
            .env("UV_NO_BINARY", "1")
            .env("UV_PYTHON", active.join("bin/python"))
            .env("UV_PROJECT_ENVIRONMENT", &trap);
        run(&mut command).ok();
        assert_same(&format!("{with:?} in a strange environment"), &expected, &room.tree());
    }
}

#[test]
fn builds_that_share_a_cache() {
    let cache = tempfile::tempdir().unwrap();
    let rooms: Vec<Room> = ["one", "two", "three"].map(|name| Room::named(name).sharing(cache.path())).into();
    for room in &rooms {
        room.tiny();
    }
    // The third has other inputs.
    rooms[2].wheels(&json!([tiny("more")]));
    rooms[2].file("requirements.txt", "tiny==1.0\nmore==1.0\n");
    let start =
        |room: &Room| room.command("dh_venv", With::Uv).stderr(std::process::Stdio::piped()).spawn().expect("dh_venv");
    let children: Vec<_> = rooms.iter().map(start).collect();
    for child in children {
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    assert_same("two builds at once", &rooms[0].tree(), &rooms[1].tree());
    assert_ne!(rooms[0].id(), rooms[2].id());
    let alone = Room::new();
    alone.tiny();
    alone.dh_venv(&[]).ok();
    assert_same("alone / beside another", &alone.tree(), &rooms[0].tree());
}

#[test]
fn byte_code_of_a_distribution_that_another_package_has_had() {
    let alone = Room::new();
    let long = format!("Prefix: /opt/{}/notes\n", "p".repeat(200));
    let wheels = |room: &Room, more: &str| {
        room.wheels(&json!([tiny("tiny"), tiny(more)]));
        room.file("requirements.txt", &format!("tiny==1.0\n{more}==1.0\n"));
    };
    wheels(&alone, "more");
    alone.venv(&long);
    alone.dh_venv(&[]).ok();
    let first = Room::named("first");
    wheels(&first, "other");
    first.dh_venv(&[]).ok();
    let second = Room::named("second").sharing(first.cache());
    wheels(&second, "more");
    second.venv(&long);
    let output = second.dh_venv(&["-v"]).ok();
    assert_same("alone / with another package's byte code", &alone.tree(), &second.tree());
    // One of its two modules comes from there, and the other from the compiler.
    let fills: Vec<&str> = output.stdout.lines().filter(|line| line.starts_with("\tfill ")).collect();
    assert_eq!(fills.iter().filter(|line| line.contains("(1 files, ")).count(), 2, "{}", output.stdout);
    let place = |needle: &str| output.stdout.find(needle).unwrap_or_else(|| panic!("{needle}: {}", output.stdout));
    let compiler = place("-I -S -c …");
    let filled: Vec<usize> = output.stdout.match_indices("\tfill ").map(|(at, _)| at).collect();
    assert!(filled[0] < compiler && compiler < filled[1], "{}", output.stdout);
    // All of them known, nothing is compiled.
    std::fs::remove_dir_all(second.stage()).unwrap();
    let third = Room::named("third").sharing(first.cache());
    wheels(&third, "more");
    let output = third.dh_venv(&["-v"]).ok();
    assert!(!output.stdout.contains("-I -S -c …"), "{}", output.stdout);
    let plain = Room::new();
    wheels(&plain, "more");
    plain.dh_venv(&[]).ok();
    assert_same("alone / with byte code of other prefixes", &plain.tree(), &third.tree());
}

#[test]
fn a_source_that_has_the_text_for_the_prefix_is_compiled_in_its_place() {
    let room = Room::new();
    let text = "NAME = \"<the venv's prefix>/lib/python3.11/site-packages/tiny.py\"\n".replace("3.11", &python());
    room.wheels(&json!([{"name": "tiny", "version": "1.0", "files": {"tiny.py": text}}]));
    room.file("requirements.txt", "tiny==1.0\n");
    let script = "import marshal, pathlib, sys
code = marshal.loads(next(pathlib.Path(sys.argv[1]).rglob('tiny.*.pyc')).read_bytes()[16:])
print(code.co_filename, code.co_consts[0])";
    for _ in 0..2 {
        room.dh_venv(&[]).ok();
        let mut command = std::process::Command::new("/usr/bin/python3");
        let output = run(command.args(["-I", "-c", script]).arg(room.staged())).ok();
        let file = format!("lib/python{}/site-packages/tiny.py", python());
        assert_eq!(output.stdout, format!("/usr/lib/notes/venv/{file} <the venv's prefix>/{file}\n"));
        // The second time, with the byte code that was kept, if it was.
        let trees = std::fs::read_dir(room.cache().join("dh-venv/trees")).unwrap().flatten();
        for entry in trees.filter(|entry| entry.path().extension().is_none_or(|extension| extension != "code")) {
            let _ = std::fs::remove_dir_all(entry.path()).or_else(|_| std::fs::remove_file(entry.path()));
        }
    }
}

/// `3.11`: Debian's Python on this machine.
fn python() -> String {
    let mut command = std::process::Command::new("/usr/bin/python3");
    let output = run(command.args(["-I", "-c", "import sys; print('%d.%d' % sys.version_info[:2])"])).ok();
    output.stdout.trim().to_owned()
}

#[test]
fn a_build_killed_at_any_moment() {
    use std::os::unix::process::CommandExt;
    let room = Room::new();
    room.tiny();
    room.project("");
    let began = std::time::Instant::now();
    room.dh_venv(&[]).ok();
    let whole = began.elapsed();
    let expected = room.tree();
    let seed = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().subsec_nanos();
    let mut state = u64::from(seed) | 1;
    let mut moment = || {
        // xorshift64
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        whole.mul_f64((state % 1000) as f64 / 1000.0)
    };
    // make soak asks for more.
    let kills = std::env::var("DH_VENV_KILLS").map_or(10, |text| text.parse().expect("DH_VENV_KILLS is a number"));
    for kill in 0..kills {
        // What a killed build left in the cache is met by the next one, every other time.
        if kill % 2 == 0 {
            std::fs::remove_dir_all(room.cache()).expect("the cache");
        }
        let mut command = room.command("dh_venv", With::Uv);
        let mut child = command.process_group(0).stderr(std::process::Stdio::null()).spawn().expect("dh_venv");
        std::thread::sleep(moment());
        let group = nix::unistd::Pid::from_raw(i32::try_from(child.id()).unwrap());
        if child.try_wait().unwrap().is_none() {
            let _ = nix::sys::signal::killpg(group, nix::sys::signal::Signal::SIGKILL);
        }
        let finished = child.wait().unwrap().success();
        let offered = room.stage().join("outcome.json").exists();
        assert!(offered || !finished, "seed {seed}");
        if offered {
            // Killed before it began: what stands there is the whole venv of the run before.
            let venv =
                |tree: Tree| -> Tree { tree.into_iter().filter(|(path, _)| path.starts_with("venv/")).collect() };
            assert_same(&format!("seed {seed}: half a venv is offered"), &venv(expected.clone()), &venv(room.tree()));
        }
        std::fs::create_dir_all(room.cache()).expect("the cache");
        room.dh_venv(&[]).ok();
        assert_same(&format!("undisturbed / after kill {kill}, seed {seed}"), &expected, &room.tree());
    }
}

/// Every regular file below a directory.
fn files_below(directory: &std::path::Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(directory).expect("the cache").flatten() {
        let kind = entry.file_type().unwrap();
        if kind.is_dir() {
            files.extend(files_below(&entry.path()));
        } else if kind.is_file() {
            files.push(entry.path());
        }
    }
    files
}

#[test]
fn a_file_lost_or_added_in_the_cache() {
    let room = Room::new();
    room.tiny();
    room.project("");
    room.dh_venv(&[]).ok();
    let expected = room.tree();
    let kept = || {
        let trees = room.cache().join("dh-venv/trees");
        let directory = std::fs::read_dir(trees).unwrap().flatten().map(|entry| entry.path());
        directory.into_iter().find(|path| path.extension().is_some_and(|e| e == "d")).expect("a kept venv")
    };
    std::fs::remove_file(kept().join("pyvenv.cfg")).unwrap();
    room.dh_venv(&[]).ok();
    assert_same("a file is lost", &expected, &room.tree());
    std::fs::write(kept().join("bin/intruder"), "#!/bin/sh\n").unwrap();
    room.dh_venv(&[]).ok();
    assert_same("a file was added", &expected, &room.tree());
}

#[test]
fn a_damaged_cache() {
    let room = Room::new();
    room.tiny();
    room.project("");
    room.dh_venv(&[]).ok();
    let expected = room.tree();
    type Damage = fn(&[u8]) -> Vec<u8>;
    let damage: [(&str, Damage); 4] = [
        ("cut short", |bytes| bytes[..bytes.len() / 2].to_vec()),
        ("empty", |_| Vec::new()),
        ("a flipped bit", |bytes| {
            let mut bytes = bytes.to_vec();
            let middle = bytes.len() / 2;
            if let Some(byte) = bytes.get_mut(middle) {
                *byte ^= 1;
            }
            bytes
        }),
        ("another thing", |_| b"#!/bin/sh\nexit 1\n".repeat(200)),
    ];
    for (what, change) in damage {
        let mut changed = 0;
        for part in ["trees", "texts"] {
            let directory = room.cache().join("dh-venv").join(part);
            for path in files_below(&directory) {
                let bytes = std::fs::read(&path).unwrap();
                let damaged = change(&bytes);
                if damaged != bytes {
                    std::fs::write(&path, damaged).unwrap();
                    changed += 1;
                }
            }
            std::fs::write(directory.join("foreign"), "who am I").unwrap();
        }
        assert!(changed >= 2, "{changed}");
        room.dh_venv(&[]).ok();
        assert_same(what, &expected, &room.tree());
    }
}

#[test]
fn a_file_written_to_in_an_earlier_package() {
    let room = Room::new();
    room.tiny();
    room.project("");
    room.dh_venv(&[]).ok();
    let expected = room.tree();
    // A rule that writes in place reaches the caches, too, through the links.
    let written: Vec<_> =
        files_below(&room.stage()).into_iter().filter(|path| path.extension() == Some("py".as_ref())).collect();
    assert!(!written.is_empty());
    for path in written {
        std::fs::write(path, "spoiled = True\n").unwrap();
    }
    room.dh_venv(&[]).ok();
    assert_same("after a file was written to", &expected, &room.tree());
    std::fs::remove_dir_all(room.cache().join("dh-venv/trees")).unwrap();
    room.dh_venv(&[]).ok();
    assert_same("installed anew", &expected, &room.tree());
}

#[test]
fn downloads_that_have_grown_too_large() {
    let room = Room::new();
    room.tiny();
    let downloads = room.cache().join("dh-venv/downloads");
    for with in [With::Uv, With::Pip] {
        for (bytes, day, stays) in
            [(3_u64 << 30, "yesterday", true), (5 << 30, "now", true), (5 << 30, "yesterday", false)]
        {
            for name in ["uv", "pip"] {
                let large = downloads.join(name).join("large");
                std::fs::create_dir_all(large.parent().unwrap()).unwrap();
                std::fs::File::create(&large).unwrap().set_len(bytes).unwrap();
            }
            std::fs::write(downloads.join("checked"), "").unwrap();
            run(std::process::Command::new("touch").args(["-d", day]).arg(downloads.join("checked"))).ok();
            // Only a build that installs something lets them grow.
            let _ = std::fs::remove_dir_all(room.cache().join("dh-venv/trees"));
            room.dh_venv_with(with, &[]).ok();
            for name in ["uv", "pip"] {
                assert_eq!(downloads.join(name).join("large").exists(), stays, "{with:?}: {name}, {bytes}, {day}");
            }
        }
    }
}

#[test]
fn a_cache_deleted_meanwhile() {
    let room = Room::new();
    room.tiny();
    room.project("");
    room.dh_venv(&[]).ok();
    let expected = room.tree();
    let mut child = room.command("dh_venv", With::Uv).stderr(std::process::Stdio::piped()).spawn().expect("dh_venv");
    while child.try_wait().unwrap().is_none() {
        let _ = std::fs::remove_dir_all(room.cache().join("dh-venv/trees"));
        let _ = std::fs::remove_dir_all(room.cache().join("dh-venv/texts"));
        std::thread::sleep(Duration::from_millis(3));
    }
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_same("the cache was deleted meanwhile", &expected, &room.tree());
}

#[test]
fn no_cache_to_write_to() {
    let room = Room::new();
    room.tiny();
    room.project("");
    room.dh_venv(&[]).ok();
    let expected = room.tree();
    // Where root, too, can make no directory.
    let mut command = room.command("dh_venv", With::Uv);
    command.env("HOME", "/proc/nonexistent").env_remove("XDG_CACHE_HOME").env("LC_ALL", "C");
    let output = run(&mut command).ok();
    assert!(!output.stderr.contains("come from the cache"), "{}", output.stderr);
    assert_same("HOME=/proc/nonexistent", &expected, &room.tree());
    // Root writes where the mode forbids it, but not where the mount does.
    let script = format!(
        "mount --bind \"$XDG_CACHE_HOME\" \"$XDG_CACHE_HOME\" && mount -o remount,ro,bind \"$XDG_CACHE_HOME\" && exec {}",
        env!("CARGO_BIN_EXE_dh_venv")
    );
    let mut command = std::process::Command::new("unshare");
    command.args(["--map-root-user", "--mount", "sh", "-c", &script]);
    room.prepare(&mut command, With::Uv);
    run(&mut command).ok();
    assert_same("a cache that cannot be written", &expected, &room.tree());
}

#[test]
fn a_full_disk() {
    let room = Room::new();
    room.project("");
    let filling: String = (0..400_000).map(|n| format!("{n} ")).collect();
    room.wheels(&json!([{"name": "large", "version": "1.0", "files": {"large.txt": filling}}]));
    room.file("requirements.txt", "large==1.0\n");
    // The source, then the cache, has too little room.
    let full = room.top().join("full");
    std::fs::create_dir(&full).unwrap();
    for (size, script) in
        [("3m", "cp -a \"$SOURCE\"/. \"$FULL\" && cd \"$FULL\""), ("1m", "export XDG_CACHE_HOME=\"$FULL\"")]
    {
        let script = format!(
            "mount -t tmpfs -o size={size} tmpfs \"$FULL\" && {script} && {} ; status=$?; \
             test ! -e \"$FULL\"/debian/.debhelper/generated/_source/dh_venv/notes/outcome.json || exit 99; exit $status",
            env!("CARGO_BIN_EXE_dh_venv")
        );
        let mut command = std::process::Command::new("unshare");
        command.args(["--map-root-user", "--mount", "sh", "-c", &script]);
        room.prepare(&mut command, With::Uv);
        command.env("FULL", &full).env("SOURCE", room.source());
        run(&mut command).fails(1, &[&full.display().to_string(), "hint: the file system is full"]);
        room.nothing_staged();
    }
}
