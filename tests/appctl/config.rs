//! `appctl config` and `appctl status`: what an administrator does.

use std::time::{Duration, Instant};

use crate::machine::{Machine, NOTES, notes};

#[test]
fn configure_makes_files_directories_links_and_secrets() {
    let machine = Machine::with_notes();
    machine.configure().ok();
    let ini = machine.read("/etc/notes/notes.ini");
    let key = ini.split("key = ").nth(1).unwrap().trim();
    assert_eq!(key.len(), 48);
    assert_eq!(machine.attributes("/etc/notes/notes.ini"), (0, NOTES.1, 0o640));
    assert_eq!(machine.attributes("/etc/notes"), (0, 0, 0o755));
    assert_eq!(machine.attributes("/var/lib/notes"), (NOTES.0, NOTES.1, 0o750));
    assert_eq!(machine.path("/etc/notes/current").read_link().unwrap().to_str(), Some("notes.ini"));
    for (path, mode) in
        [("", 0o700), ("/secrets.json", 0o600), ("/journal", 0o600), ("/owned", 0o600), ("/rendered", 0o700)]
    {
        assert_eq!(machine.attributes(&format!("/var/lib/appctl/notes{path}")), (0, 0, mode), "{path}");
    }
    assert_eq!(machine.attributes("/var/lib/appctl/notes/rendered/etc%2Fnotes%2Fnotes.ini").2, 0o600);
    assert!(!machine.read("/var/lib/appctl/notes/journal").contains(key));
    // Whatever chmod -R has been told.
    let state = machine.path("/var/lib/appctl/notes");
    std::fs::set_permissions(&state, std::os::unix::fs::PermissionsExt::from_mode(0o777)).unwrap();
    machine.appctl(&["status"]).is(3);
    assert_eq!(machine.attributes("/var/lib/appctl/notes").2, 0o700);
}

#[test]
fn what_purge_removes_is_listed_files_before_their_directories() {
    let machine = Machine::with_notes();
    machine.configure().ok();
    machine.appctl(&["config", "set", "notes", "workers=3"]).ok();
    let owned = machine.read("/var/lib/appctl/notes/owned");
    let lines: Vec<&str> = owned.lines().collect();
    for path in ["/etc/notes/notes.ini", "/etc/notes/settings.d/60-appctl.conf", "/etc/notes/current", "/var/lib/notes"]
    {
        assert!(lines.contains(&path), "{path}: {lines:?}");
    }
    for (at, path) in lines.iter().enumerate() {
        assert!(!lines[..at].iter().any(|above| path.starts_with(&format!("{above}/"))), "{path}: {lines:?}");
    }
    // As the postrm snippet does it.
    for path in lines {
        let path = machine.path(path);
        let _ = std::fs::remove_file(&path).or_else(|_| std::fs::remove_dir(&path));
    }
    assert!(!machine.exists("/etc/notes") && !machine.exists("/var/lib/notes"));
}

#[test]
fn a_second_run_changes_nothing() {
    let machine = Machine::with_notes();
    machine.configure().ok();
    let before = machine.tree(&["/etc", "/var"]);
    let time = machine.path("/etc/notes/notes.ini").metadata().unwrap().modified().unwrap();
    let output = machine.configure().ok();
    assert_eq!(output.stderr, "");
    assert!(machine.tree(&["/etc", "/var"]) == before);
    assert_eq!(machine.path("/etc/notes/notes.ini").metadata().unwrap().modified().unwrap(), time);
}

#[test]
fn set_and_unset_go_through_our_file_and_the_last_layer_wins() {
    let machine = Machine::with_notes();
    machine.configure().ok();
    machine.appctl(&["config", "set", "notes", "listen=0.0.0.0:9000", "workers=3"]).ok();
    assert!(machine.read("/etc/notes/notes.ini").contains("listen = 0.0.0.0:9000\n"));
    assert_eq!(machine.attributes("/etc/notes/settings.d/60-appctl.conf"), (0, 0, 0o600));
    machine.write("/etc/notes/settings.d/70-local.conf", "workers = 5\n");
    let output = machine.appctl(&["config", "set", "notes", "workers=4"]).ok();
    assert!(output.stderr.contains("/etc/notes/settings.d/70-local.conf:1"), "{}", output.stderr);
    assert!(machine.read("/etc/notes/workers.conf").contains("workers=5\n"));
    assert_eq!(machine.appctl(&["config", "show", "notes", "workers"]).ok().stdout, "5\n");
    std::fs::remove_file(machine.path("/etc/notes/settings.d/70-local.conf")).unwrap();
    machine.appctl(&["config", "unset", "notes", "workers", "listen"]).ok();
    assert!(machine.read("/etc/notes/workers.conf").contains("workers=2\n"));
    assert!(!machine.exists("/etc/notes/settings.d/60-appctl.conf"));
}

#[test]
fn a_bad_value_or_setting_changes_nothing() {
    let machine = Machine::with_notes();
    machine.configure().ok();
    let before = machine.tree(&["/etc", "/var"]);
    let output = machine.appctl(&["config", "set", "notes", "workers=3", "listen=nowhere", "lisen=x"]).is(1);
    assert!(output.stderr.contains("bad value of 'listen': HOST:PORT is expected"), "{}", output.stderr);
    assert!(output.stderr.contains("did you mean 'listen'?"), "{}", output.stderr);
    assert!(machine.tree(&["/etc", "/var"]) == before);
    machine.write("/etc/notes/settings.d/50-a.conf", "workers = 3\nworkers = 4\nnothing = 1\nno equals sign\n");
    let output = machine.appctl(&["config", "apply", "notes"]).is(1);
    for fault in ["50-a.conf:2: 'workers' is given twice", "50-a.conf:3: unknown setting 'nothing'", "50-a.conf:4"] {
        assert!(output.stderr.contains(fault), "{fault}: {}", output.stderr);
    }
    machine.remove("/etc/notes/settings.d/50-a.conf");
    std::fs::remove_dir(machine.path("/etc/notes/settings.d")).unwrap();
    assert!(machine.tree(&["/etc", "/var"]) == before);
}

#[test]
fn a_secret_comes_on_standard_input_alone_and_is_never_shown() {
    let machine = Machine::with_notes();
    machine.configure().ok();
    let output = machine.appctl(&["config", "set", "notes", "session_key=hunter2-hunter2"]).is(2);
    assert!(output.stderr.contains("--stdin") && !output.stderr.contains("hunter2"), "{}", output.stderr);
    machine.appctl_with(&["config", "set", "notes", "session_key", "--stdin"], "hunter2-hunter2\n").ok();
    assert!(machine.read("/etc/notes/notes.ini").contains("key = hunter2-hunter2\n"));
    machine.appctl(&["config", "set", "notes", "listen=0.0.0.0:1"]).ok();
    machine.write("/etc/notes/settings.d/70-local.conf", "listen = 0.0.0.0:2\n");
    for words in [
        vec!["config", "show", "notes"],
        vec!["config", "show", "notes", "session_key"],
        vec!["--json", "config", "show", "notes"],
        vec!["config", "diff", "notes"],
        vec!["--json", "config", "diff", "notes"],
        vec!["status", "notes"],
    ] {
        let output = machine.appctl(&words);
        assert!(!format!("{output:?}").contains("hunter2"), "{words:?}: {output:?}");
    }
    assert!(!machine.read("/etc/notes/settings.d/60-appctl.conf").contains("hunter2"));
    assert!(!machine.read("/var/lib/appctl/notes/journal").contains("hunter2"));
    let shown = machine.appctl(&["--json", "config", "show", "notes", "session_key"]).ok().json();
    let setting = &shown["settings"][0];
    assert_eq!((&setting["value"], &setting["masked"]), (&serde_json::Value::Null, &true.into()));
    machine.appctl(&["config", "unset", "notes", "session_key"]).ok();
    assert!(!machine.read("/etc/notes/notes.ini").contains("hunter2"));
}

#[test]
fn an_old_secret_in_an_edited_file_is_hidden_in_the_diff() {
    let machine = Machine::with_notes();
    machine.configure().ok();
    machine.write("/etc/notes/notes.ini", "[server]\nlisten = 127.0.0.1:8000\nkey = by-hand-and-secret\n");
    machine.write("/etc/notes/settings.d/50-a.conf", "listen = 0.0.0.0:2\n");
    let diff = machine.appctl(&["config", "diff", "notes"]).is(3).stdout;
    assert!(diff.contains("+listen = 0.0.0.0:2") && !diff.contains("by-hand"), "{diff}");
}

#[test]
fn diff_says_beforehand_what_apply_does() {
    let machine = Machine::with_notes();
    machine.configure().ok();
    machine.appctl(&["config", "diff", "notes"]).ok();
    machine.write("/etc/notes/settings.d/50-a.conf", "listen = 0.0.0.0:2\nworkers = 9\n");
    let before = machine.tree(&["/etc", "/var"]);
    let diff = machine.appctl(&["config", "diff", "notes"]).is(3).stdout;
    assert!(diff.contains("-listen = 127.0.0.1:8000\n+listen = 0.0.0.0:2\n"), "{diff}");
    assert!(machine.tree(&["/etc", "/var"]) == before);
    machine.appctl(&["config", "apply", "notes"]).ok();
    assert_eq!(machine.appctl(&["config", "diff", "notes"]).ok().stdout, "");
}

#[test]
fn json_has_the_schema_of_the_manual() {
    let machine = Machine::with_notes();
    let applied = machine.appctl(&["--json", "config", "apply", "notes"]).ok().json();
    assert_eq!(applied["schema"], 1);
    assert_eq!(applied["package"], "notes");
    let first = serde_json::json!({"path": "/etc/notes/notes.ini", "state": "new"});
    assert_eq!(applied["files"][0], first);
    machine.appctl(&["config", "set", "notes", "workers=3"]).ok();
    let shown = machine.appctl(&["config", "show", "notes", "--json"]).ok().json();
    let workers = serde_json::json!({
        "name": "workers", "type": "integer", "value": 3, "source": "set",
        "location": "/etc/notes/settings.d/60-appctl.conf:4"
    });
    assert_eq!(shown["settings"][1], workers);
    let shown = machine.appctl(&["config", "show", "notes", "session_key", "--json"]).ok().json();
    let key = serde_json::json!({
        "name": "session_key", "type": "secret", "value": null, "masked": true, "source": "generated", "location": null
    });
    assert_eq!(shown, serde_json::json!({"schema": 1, "package": "notes", "settings": [key]}));
}

/// Every command that changes or judges something, each answer as a whole.
#[test]
fn every_command_answers_in_json() {
    use serde_json::{Value, json};
    let machine = Machine::with_notes();
    let ask = |status: i32, words: &[&str]| {
        let words: Vec<&str> = ["--json"].iter().chain(words).copied().collect();
        machine.appctl(&words).is(status).json()
    };
    let files = |first: &str, second: &str| {
        json!([
            {"path": "/etc/notes/notes.ini", "state": first},
            {"path": "/etc/notes/workers.conf", "state": second},
            {"path": "/etc/notes/current", "state": if first == "new" { "new" } else { "unchanged" }},
        ])
    };
    let answer = |parts: Value| {
        let mut whole = json!({"schema": 1, "package": "notes"});
        whole.as_object_mut().unwrap().extend(parts.as_object().unwrap().clone());
        whole
    };
    let nowhere = json!([{"program": "web", "unit": "notes-web.service", "action": "no-manager"}]);
    let configured = ask(0, &["maint", "postinst", "notes", "configure", ""]);
    assert_eq!(configured, answer(json!({"files": files("new", "new"), "rejected": []})));
    assert_eq!(ask(0, &["maint", "postinst", "notes", "abort-upgrade", "2"]), answer(json!({})));
    let waiting = json!([{"program": "web", "waits-for": "restart"}]);
    let status = |files: Value, services: &Value, degraded: bool| {
        answer(json!({"files": files, "services": services, "interrupted": false, "degraded": degraded}))
    };
    assert_eq!(ask(3, &["status"]), status(files("unchanged", "unchanged"), &waiting, true));
    assert_eq!(ask(0, &["service", "converge", "notes"]), answer(json!({"services": nowhere})));
    assert_eq!(ask(0, &["status", "notes"]), status(files("unchanged", "unchanged"), &json!([]), false));
    let set = ask(0, &["config", "set", "notes", "listen=0.0.0.0:9"]);
    assert_eq!(set, answer(json!({"files": files("changed", "unchanged"), "services": nowhere})));
    let unset = ask(0, &["config", "unset", "notes", "listen"]);
    assert_eq!(unset, answer(json!({"files": files("changed", "unchanged"), "services": nowhere})));
    let idle = ask(0, &["config", "apply", "notes"]);
    assert_eq!(idle, answer(json!({"files": files("unchanged", "unchanged"), "services": []})));
    machine.remove("/etc/notes/workers.conf");
    let mut deleted = files("unchanged", "deleted");
    assert_eq!(ask(0, &["status"])["files"], deleted);
    let restored = ask(0, &["config", "restore", "notes", "/etc/notes/workers.conf"]);
    assert_eq!(restored, answer(json!({"files": files("unchanged", "new"), "services": []})));
    machine.write("/etc/notes/settings.d/50-a.conf", "workers = 9\n");
    deleted = files("unchanged", "changed");
    let diff = ask(3, &["config", "diff", "notes"]);
    assert_eq!((&diff["files"], &diff["schema"], &diff["package"]), (&deleted, &json!(1), &json!("notes")));
    assert!(diff["diff"].as_str().unwrap().contains("-workers=2\n+workers=9\n"), "{diff}");
    let checks = json!([
        {"path": "/etc/notes/notes.ini", "check": "good"},
        {"path": "/etc/notes/workers.conf", "check": "good"},
    ]);
    assert_eq!(ask(0, &["config", "check", "notes"]), answer(json!({"files": checks})));
    // A refused answer of debconf's is in the answer, too.
    let words = ["--json", "maint", "postinst", "notes", "configure", "", "--answers"];
    let said = machine.appctl_with(&words, "workers=99\n").ok();
    assert_eq!(said.json()["rejected"], json!(["workers"]));
}

#[test]
fn status_says_what_is_degraded() {
    let machine = Machine::with_notes();
    machine.appctl(&["status", "notes"]).is(3);
    machine.configure().ok();
    let waiting = machine.appctl(&["status", "notes"]).is(3).stdout;
    assert!(waiting.contains("web: waits for a restart"), "{waiting}");
    machine.appctl(&["service", "converge", "notes"]).ok();
    assert_eq!(machine.appctl(&["status", "notes"]).ok().stdout, "notes: up to date\n");
    machine.write("/etc/notes/settings.d/50-a.conf", "workers = 9\n");
    machine.appctl(&["status"]).is(3);
}

#[test]
fn a_locked_package_is_waited_for_and_then_left() {
    let machine = Machine::with_notes();
    machine.configure().ok();
    let lock = std::fs::File::open(machine.path("/var/lib/appctl/notes/lock")).unwrap();
    let lock = nix::fcntl::Flock::lock(lock, nix::fcntl::FlockArg::LockExclusive).unwrap();
    let began = Instant::now();
    let output = std::thread::scope(|scope| {
        let waiting = scope.spawn(|| machine.appctl(&["config", "apply", "notes"]));
        let short = scope.spawn(|| {
            let other = Machine::with_notes();
            other.configure().ok();
            let lock = std::fs::File::open(other.path("/var/lib/appctl/notes/lock")).unwrap();
            let lock = nix::fcntl::Flock::lock(lock, nix::fcntl::FlockArg::LockExclusive).unwrap();
            let release = std::thread::spawn(move || {
                std::thread::sleep(Duration::from_millis(500));
                drop(lock);
            });
            other.appctl(&["config", "apply", "notes"]).ok();
            release.join().unwrap();
        });
        short.join().unwrap();
        waiting.join().unwrap()
    });
    assert!(began.elapsed() >= Duration::from_secs(29));
    drop(lock);
    assert!(output.is(75).stderr.contains("another appctl"));
}

#[test]
fn faults_name_the_next_step() {
    let machine = Machine::with_notes();
    for (words, status, said) in [
        (vec!["config", "show", "note"], 1, "did you mean 'notes'?"),
        (vec!["config", "show", "../notes"], 2, "policy 5.6.1"),
        (vec!["config", "set", "notes", "listen"], 2, "KEY=VALUE"),
        (vec!["config", "show", "notes", "lisen"], 1, "did you mean 'listen'?"),
        (vec!["config", "explode"], 2, "unrecognized subcommand"),
    ] {
        let output = machine.appctl(&words).is(status);
        assert!(output.stderr.contains(said), "{words:?}: {}", output.stderr);
    }
    let mut newer = notes();
    newer["format"] = 2.into();
    machine.install(&newer);
    assert!(machine.configure().is(1).stderr.contains("upgrade appctl"));
    machine.write("/usr/share/appctl/notes/manifest.json", "{\"format\": 1, \"package\": \"notes\", \"files\": 7}");
    assert!(machine.configure().is(1).stderr.contains("--reinstall notes"));
}

#[test]
fn a_file_for_everybody_gets_no_secret() {
    let machine = Machine::with_notes();
    let mut careless = notes();
    careless["files"][0]["mode"] = "0644".into();
    machine.install(&careless);
    let output = machine.configure().is(1);
    assert!(output.stderr.contains("would hold the secret 'session_key'"), "{}", output.stderr);
    assert!(!machine.exists("/etc/notes/notes.ini"));
}

#[test]
fn hashes_are_made_once_and_are_good() {
    let machine = Machine::with_notes();
    let mut hashed = notes();
    let settings = hashed["settings"].as_array_mut().unwrap();
    for scheme in ["yescrypt", "bcrypt"] {
        let hash =
            serde_json::json!({"name": scheme, "type": "password-hash", "from": "session_key", "scheme": scheme});
        settings.push(hash);
    }
    machine.install(&hashed);
    machine.template("notes.ini.hbs", "{{yescrypt}}\n{{bcrypt}}\n");
    machine.configure().ok();
    let first = machine.read("/etc/notes/notes.ini");
    machine.appctl(&["config", "set", "notes", "workers=3"]).ok();
    assert_eq!(machine.read("/etc/notes/notes.ini"), first);
    let secrets: serde_json::Value = serde_json::from_str(&machine.read("/var/lib/appctl/notes/secrets.json")).unwrap();
    let password = secrets["secrets"]["session_key"].as_str().unwrap();
    for hash in first.lines() {
        // perl's crypt is libcrypt's.
        let mut perl = std::process::Command::new("perl");
        perl.args(["-e", "my ($p, $h) = map { chomp; $_ } <STDIN>; print crypt($p, $h)"]);
        let output = crate::machine::output(perl, &format!("{password}\n{hash}\n"));
        assert_eq!(output.stdout, hash);
    }
}

#[test]
fn an_administrator_s_settings_may_be_a_link() {
    let machine = Machine::with_notes();
    machine.write("/srv/site.conf", "\u{feff}workers = 6\n");
    std::fs::create_dir_all(machine.path("/etc/notes/settings.d")).unwrap();
    std::os::unix::fs::symlink("../../../srv/site.conf", machine.path("/etc/notes/settings.d/50-site.conf")).unwrap();
    std::fs::hard_link(machine.path("/srv/site.conf"), machine.path("/srv/again")).unwrap();
    machine.configure().ok();
    assert!(machine.read("/etc/notes/workers.conf").contains("workers=6\n"));
    machine.remove("/srv/site.conf");
    let refused = machine.appctl(&["config", "apply", "notes"]).is(1).stderr;
    assert!(refused.contains("50-site.conf is a link that leads nowhere"), "{refused}");
}

/// Case: the reader of a pipe goes away.
#[test]
fn a_closed_pipe_is_no_panic() {
    let machine = Machine::with_notes();
    let mut shell = std::process::Command::new("sh");
    let script = "exec 3>&1; { \"$1\" --root \"$2\" config show notes; echo $? >&3; } 2>&3 | true";
    shell.args(["-c", script, "sh", env!("CARGO_BIN_EXE_appctl")]).arg(machine.path("/"));
    let output = crate::machine::output(shell, "");
    assert_eq!(output.stdout, "0\n", "{output:?}");
}
