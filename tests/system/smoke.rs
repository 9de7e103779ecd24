//! The harness itself: what the other tests rely on.

use std::path::Path;
use std::time::Duration;

use crate::harness::{Kind, Session, Suite, repository};
use crate::on_both_suites;

on_both_suites!(has_user_and_clean_environment, installs_offline, has_build_tools, has_own_rust);

fn has_user_and_clean_environment(suite: Suite) {
    let root = Session::new(suite, Kind::Build);
    assert!(root.read("/etc/os-release").contains(&format!("VERSION_CODENAME={suite}")));
    let builder = root.as_user("builder").env("ODD", "it's \"odd\"\nand $long");
    assert_eq!(builder.ok("id -un; pwd; id -Gn").stdout, "builder\n/home/builder\nbuilder\n");
    assert_eq!(builder.ok("printf %s \"$ODD\"").stdout, "it's \"odd\"\nand $long");
    let variables = builder.ok("env | cut -d= -f1 | LC_ALL=C sort | tr '\\n' ' '").stdout;
    for name in ["PIP_", "UV_", "CARGO", "SSL_"] {
        assert!(!variables.contains(name), "{variables}");
    }
    assert!(builder.ok("echo $XDG_CACHE_HOME; touch $XDG_CACHE_HOME/pip/x && rm $XDG_CACHE_HOME/pip/x").success());
    builder.fails(1, "touch /etc/mine");
    assert_eq!(builder.run("exit 42").status, 42);
    assert_eq!(builder.run("kill -9 $$").status, 137);
}

fn installs_offline(suite: Suite) {
    let session = Session::new(suite, Kind::Run).offline();
    session.ok("! command -v gcc && ! command -v python3 && ! command -v pip3");
    session.ok("apt-get install -qq -y python3 python3-tk libpq5");
    let version = session.ok("python3 -c 'import sys, tkinter; print(\"%d.%d\" % sys.version_info[:2])'").stdout;
    assert_eq!(version.trim(), suite.python());
    assert_eq!(session.ok("ls /sys /mnt").stdout, "/mnt:\n\n/sys:\n");
}

fn has_build_tools(suite: Suite) {
    let session = Session::new(suite, Kind::Build).offline().as_user("builder");
    session.ok("for tool in gcc dh dpkg-buildpackage fakeroot lintian python3 strace git; do command -v $tool; done");
    session.ok("python3 -m venv /tmp/v && /tmp/v/bin/pip --version");
    session.ok("printf 'int main(){return 0;}' >/tmp/a.c && gcc -o /tmp/a /tmp/a.c && /tmp/a");
}

fn has_own_rust(suite: Suite) {
    let session = Session::new(suite, Kind::Rust).offline().as_user("builder");
    session.ok("echo 'fn main() {}' >/tmp/a.rs && cd /tmp && rustc a.rs && ./a && cargo --version");
}

#[test]
fn state_is_kept_and_forked() {
    let one = Session::new(Suite::Bookworm, Kind::Run);
    one.write("/srv/deep/file", "first");
    one.ok("rm /etc/debian_version; mv /usr/share/doc /usr/share/moved");
    let two = one.fork();
    two.write("/srv/deep/file", "second");
    assert_eq!(one.read("/srv/deep/file"), "first");
    assert_eq!(two.read("/srv/deep/file"), "second");
    two.ok("test ! -e /etc/debian_version && test -d /usr/share/moved/base-files && test ! -e /usr/share/doc");
    one.ok("mv /usr/share/moved /usr/share/doc && rm -r /srv/deep && mkdir /srv/deep");
    let three = two.fork();
    two.ok("rm /srv/deep/file");
    three.ok("test -d /usr/share/moved/base-files && test ! -e /usr/share/doc && echo more >>/srv/deep/file");
    assert_eq!(three.read("/srv/deep/file"), "secondmore\n");
    assert_eq!(one.fork().ok("ls -A /srv/deep; ls -d /usr/share/doc").stdout, "/usr/share/doc\n");
    drop((one, two));
    assert_eq!(three.read("/srv/deep/file"), "secondmore\n");
    assert_eq!(Session::new(Suite::Bookworm, Kind::Run).run("test -e /srv/deep").status, 1);
}

#[test]
fn offline_has_loopback_only() {
    let session = Session::new(Suite::Bookworm, Kind::Build).offline();
    let script = "import socket
server = socket.create_server(('127.0.0.1', 0))
socket.create_connection(server.getsockname()).close()
try:
    socket.create_connection(('192.0.2.1', 80), 2)
except OSError as error:
    print(error.errno)";
    assert_eq!(session.ok(&format!("python3 -c \"{script}\"")).stdout, "101\n");
}

#[test]
fn tmpfs_gets_full() {
    let session = Session::new(Suite::Bookworm, Kind::Run).with_tmpfs("/small", "1m");
    let output = session.run("head -c 2000000 /dev/zero >/small/file");
    assert_eq!(output.status, 1, "{}", output.dump());
    assert!(output.stderr.contains("No space left"), "{}", output.dump());
}

#[test]
fn files_go_in_and_out() {
    let session = Session::new(Suite::Trixie, Kind::Build).as_user("builder");
    let host = tempfile::tempdir().expect("tempdir");
    std::fs::create_dir(host.path().join("sub dir")).expect("mkdir");
    std::fs::write(host.path().join("sub dir/file"), "text").expect("write");
    session.copy_in(host.path(), "/home/builder/work/copy");
    session.ok("cd work/copy && echo more >>'sub dir/file' && stat -c %U 'sub dir/file' ..");
    session.copy_out("/home/builder/work/copy/sub dir/file", &host.path().join("back"));
    assert_eq!(std::fs::read_to_string(host.path().join("back")).expect("read"), "textmore\n");
    let bound = session.bind(host.path(), "/srv/host");
    bound.fails(1, "echo x >/srv/host/back");
}

#[test]
fn uv_is_there_when_asked() {
    let session = Session::new(Suite::Trixie, Kind::Build);
    session.fails(1, "command -v uv");
    assert!(session.install_uv().as_user("builder").ok("uv --version").stdout.starts_with("uv "));
}

#[test]
fn a_kill_leaves_nothing() {
    let session = Session::new(Suite::Bookworm, Kind::Build);
    let marker = format!("31.{}", std::process::id());
    let script = format!("setsid sleep {marker} & sleep {marker}");
    let running = session.spawn(&script);
    wait_for_processes(&marker, 2);
    running.kill();
    wait_for_processes(&marker, 0);

    // The caller is killed, and cannot end anything itself.
    let mut caller = std::process::Command::new("sh")
        .args(["-c", "\"$0\" \"$@\"; true"])
        .arg(repository().join("tools/session"))
        .args(session.image_and_state())
        .args(["--", "sh", "-c", &script])
        .spawn()
        .expect("sh");
    wait_for_processes(&marker, 2);
    caller.kill().expect("kill");
    caller.wait().expect("wait");
    wait_for_processes(&marker, 0);

    let mounts = std::fs::read_to_string("/proc/self/mounts").expect("mounts");
    assert!(!mounts.contains("session"), "{mounts}");
    session.ok("true");
}

fn wait_for_processes(word: &str, count: usize) {
    let began = std::time::Instant::now();
    while processes(word) != count {
        assert!(began.elapsed() < Duration::from_secs(20), "{} processes, not {count}", processes(word));
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// How many processes of the machine have this word in their command line.
fn processes(word: &str) -> usize {
    let entries = std::fs::read_dir("/proc").expect("/proc").flatten();
    let command_line = |path: &Path| std::fs::read(path.join("cmdline")).unwrap_or_default();
    entries
        .map(|entry| command_line(&entry.path()))
        .filter(|line| line.starts_with(b"sleep\0") && String::from_utf8_lossy(line).contains(word))
        .count()
}

#[test]
fn a_server_can_be_asked_from_beside() {
    let session = Session::new(Suite::Trixie, Kind::Build).offline().as_user("builder");
    let server = session.spawn("exec python3 -m http.server --bind 127.0.0.1 8000");
    let ask = "python3 -c \"import urllib.request as r; print(r.urlopen('http://127.0.0.1:8000').status)\"";
    assert_eq!(server.until(Duration::from_secs(30), ask).stdout, "200\n");
    server.kill();
}

#[test]
fn missing_privilege_and_tools_are_errors() {
    let tools = repository().join("tools");
    let run = |words: &[&str]| {
        let mut command = std::process::Command::new("setpriv");
        let output =
            command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]).args(words).output().expect("setpriv");
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let dir = tempfile::tempdir().expect("tempdir");
    for tool in ["session", "make-image"] {
        std::fs::copy(tools.join(tool), dir.path().join(tool)).expect("copy");
    }
    std::fs::set_permissions(dir.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).expect("chmod");
    let script = |name: &str| dir.path().join(name).to_string_lossy().into_owned();
    let (status, said) = run(&["sh", &script("session"), "/", "/tmp/none", "--", "true"]);
    assert_eq!((status, said.contains("sessions need root")), (Some(125), true), "{said}");
    let (status, said) = run(&["sh", &script("make-image"), "trixie", "run"]);
    assert_eq!((status, said.contains("images are made as root")), (Some(1), true), "{said}");

    // As root, but with nothing on the path but what it needs to look around.
    let few = dir.path().join("few");
    std::fs::create_dir(&few).expect("mkdir");
    for tool in ["id", "dirname"] {
        std::os::unix::fs::symlink(format!("/usr/bin/{tool}"), few.join(tool)).expect("link");
    }
    let output = std::process::Command::new("/bin/sh")
        .arg(tools.join("make-image"))
        .args(["trixie", "run"])
        .env("PATH", &few)
        .output()
        .expect("sh");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && said.contains("mmdebstrap is not installed"), "{said}");
}
