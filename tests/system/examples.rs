//! The examples that people copy: built, checked by lintian, installed, used.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use crate::configuration::runtime;
use crate::harness::Suite;
use crate::on_suites;
use crate::package::{Built, Source, built, target, workshop};

on_suites!(
    both: [
        flask_runs_as_its_own_user_and_answers_http,
        uv_runs_from_usr_bin,
        lintian_is_content_with_the_examples,
        the_scripts_of_flask_are_plain_sh_and_short
    ],
    bookworm: [compression_xz_is_plain_to_lintian],
    trixie: [],
);

pub fn notes(suite: Suite) -> Arc<Built> {
    built(suite, "example flask", || Source::example("flask", "notes"))
}

fn uv(suite: Suite) -> Arc<Built> {
    built(suite, "example uv", || Source::example("uv", "uv"))
}

fn flask_runs_as_its_own_user_and_answers_http(suite: Suite) {
    let session = target(suite);
    session.ok("! command -v gcc && ! command -v cc && ! command -v pip && ! command -v pip3");
    session.install(&[runtime(suite).as_path(), notes(suite).deb()]);
    let service = session.as_user("notes");
    service.ok("notes init-db && notes add 'It runs'");
    let server = service.spawn("exec /usr/lib/notes/venv/bin/gunicorn --bind 127.0.0.1:8000 'notes:create_app()'");
    let ask = "python3 -c 'import urllib.request as r
for path in \"/health\", \"/api/notes\":
    reply = r.urlopen(\"http://127.0.0.1:8000\" + path)
    print(reply.status, reply.read().decode())'";
    let replies = server.until(Duration::from_secs(60), ask).stdout;
    assert!(replies.contains("200") && replies.contains("\"notes\"") && replies.contains("It runs"), "{replies}");
    let owner = server.inside("stat -c %U /proc/$(pgrep -o gunicorn 2>/dev/null || grep -l gunicorn /proc/[0-9]*/comm | cut -d/ -f3 | head -n 1)").stdout;
    assert_eq!(owner, "notes\n");
    server.kill();
}

fn uv_runs_from_usr_bin(suite: Suite) {
    let session = target(suite);
    session.install(&[uv(suite).deb()]);
    session.ok("useradd --create-home bob || true");
    let user = session.as_user("alice");
    assert!(user.ok("/usr/bin/uv --version").stdout.starts_with("uv 0.13.8"));
    assert!(user.ok("uvx --version").stdout.starts_with("uvx 0.13.8"));
    user.ok("uv venv --offline --no-python-downloads --python /usr/bin/python3 v && v/bin/python -c 'import sys; assert sys.prefix != sys.base_prefix'");
}

/// Errors and warnings of the suite's lintian about packages, and how many are overridden.
fn lintian(built: &Built, debs: &str) -> (Vec<String>, usize) {
    let output = built.session.run(&format!("lintian --tag-display-limit 0 --show-overrides --no-cfg {debs}"));
    let (overridden, others): (Vec<&str>, Vec<&str>) =
        output.stdout.lines().chain(output.stderr.lines()).partition(|line| line.starts_with("O:"));
    let is_fault = |line: &&str| line.starts_with("E:") || line.starts_with("W:") || line.contains("rror");
    (others.into_iter().filter(is_fault).map(str::to_owned).collect(), overridden.len())
}

fn lintian_is_content_with_the_examples(suite: Suite) {
    for built in [notes(suite), uv(suite)] {
        assert_lintian_is_content(&built);
    }
}

/// No error and no warning about the packages of a source. lintian calls what zstd has
/// packed malformed (dh_venv(1) tells the way out) and judges the contents all the same:
/// what the overrides silence could not be found otherwise.
#[track_caller]
pub fn assert_lintian_is_content(built: &Built) {
    let names = built.debs.iter().filter_map(|deb| deb.file_name()?.to_str());
    let debs: Vec<String> = names.map(|name| format!("/home/builder/work/{name}")).collect();
    let (faults, overridden) = lintian(built, &debs.join(" "));
    let others: Vec<&String> = faults.iter().filter(|line| !line.contains("malformed-deb-archive")).collect();
    assert!(others.is_empty(), "{others:#?}");
    assert!(overridden > 0, "nothing inside was found: {faults:#?}");
}

/// Every maintainer script of both packages, with the parts of all three helpers: at most
/// forty lines, blank ones and comments apart.
#[expect(clippy::print_stdout, reason = "the counts are wanted, not only whether they suffice")]
fn the_scripts_of_flask_are_plain_sh_and_short(suite: Suite) {
    let run = |program: &str, arguments: &[&str], path: &Path| {
        let output = Command::new(program).args(arguments).arg(path).output().expect("cannot be started");
        let said = [output.stdout, output.stderr].concat();
        assert!(output.status.success(), "{program} {}: {}", path.display(), String::from_utf8_lossy(&said));
    };
    let mut counts = BTreeMap::new();
    for deb in &notes(suite).debs {
        let package = deb.file_name().and_then(|name| name.to_str()?.split('_').next()).expect("a name");
        let control = tempfile::tempdir().expect("tempdir");
        let unpacked = control.path().join("unpacked");
        run("dpkg-deb", &["-e", &deb.to_string_lossy()], &unpacked);
        for name in ["config", "preinst", "postinst", "prerm", "postrm"] {
            let script = unpacked.join(name);
            let Ok(text) = std::fs::read_to_string(&script) else { continue };
            assert!(text.starts_with("#!/bin/sh\n"), "{package} {name}: {text}");
            run("dash", &["-n"], &script);
            run("shellcheck", &["-s", "sh"], &script);
            let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')).count();
            println!("{package} {name}: {lines} lines, {} with comments", text.lines().count());
            assert!(lines <= 40, "{package} {name} has {lines} lines:\n{text}");
            counts.insert(format!("{package} {name}"), lines);
        }
    }
    let scripts: Vec<&str> = counts.keys().map(String::as_str).collect();
    let expected = [
        "notes config",
        "notes postinst",
        "notes postrm",
        "notes prerm",
        "notes-supervisord postinst",
        "notes-supervisord postrm",
        "notes-supervisord prerm",
    ];
    assert_eq!(scripts, expected);
}

fn compression_xz_is_plain_to_lintian(suite: Suite) {
    let session = workshop(suite);
    let source = Source::example("flask", "notes");
    source.unpack(&session, "/home/builder/work/notes");
    session.ok("echo 'Compression: xz' >>work/notes/debian/notes.venv");
    let mut source = source;
    source.tree = None;
    let built = Built::new(session, &source);
    let members = built.session.ok(&format!("ar t {}", built.inside())).stdout;
    assert_eq!(members, "debian-binary\ncontrol.tar.xz\ndata.tar.xz\n");
    assert_eq!(lintian(&built, &built.inside()).0, Vec::<String>::new());
    let plain = notes(suite);
    let members = plain.session.ok(&format!("ar t {}", plain.inside())).stdout;
    assert_eq!(members, "debian-binary\ncontrol.tar.zst\ndata.tar.zst\n");
}
