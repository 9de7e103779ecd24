//! An apply with nothing to do: fast, and without a write.

use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::machine::{Machine, output};

/// System calls that would change a file system.
const WRITES: &str = "trace=creat,mkdir,mkdirat,rename,renameat,renameat2,unlink,unlinkat,rmdir,symlink,symlinkat,link,linkat,\
                      chmod,fchmod,fchmodat,chown,fchown,fchownat,lchown,utimensat,truncate,ftruncate,write,pwrite64,fsync,openat";

/// 100 files and 200 settings.
fn large() -> Machine {
    let machine = Machine::new();
    let settings: Vec<_> = (0..200)
        .map(|at| match at % 4 {
            0 => json!({"name": format!("s{at}"), "type": "hostport", "default": "127.0.0.1:80"}),
            1 => json!({"name": format!("s{at}"), "type": "string", "default": "text"}),
            2 => json!({"name": format!("s{at}"), "type": "integer", "default": "7"}),
            _ => json!({"name": format!("s{at}"), "type": "secret", "length": 40}),
        })
        .collect();
    let files: Vec<_> = (0..100)
        .map(|at| {
            let template = format!("t{at}.hbs");
            let text =
                format!("# file {at}\na = {{{{s{}}}}}\nb = {{{{s{}}}}}\n{}", 2 * at, 2 * at + 1, "# text\n".repeat(40));
            machine.template(&template, &text);
            json!({"path": format!("/etc/notes/conf.d/f{at}.ini"), "template": template, "escape": "ini",
                   "owner": "root", "group": "notes", "mode": "0640"})
        })
        .collect();
    machine.install(&json!({"format": 1, "package": "notes", "settings": settings, "files": files}));
    machine.configure().ok();
    machine
}

#[test]
fn nothing_to_do_is_done_in_15_ms_and_without_a_write() {
    let machine = large();
    let before = machine.tree(&["/etc", "/var"]);
    let apply = |mut command: Command| {
        command.arg("--root").arg(machine.path("/")).args(["config", "apply", "notes"]);
        output(command, "").ok()
    };
    // The best of many: what else runs on the machine is not appctl's time.
    let program = || Command::new(env!("CARGO_BIN_EXE_appctl"));
    let times = (0..20).map(|_| {
        let began = Instant::now();
        apply(program());
        began.elapsed()
    });
    let best = times.min().unwrap();
    println!("config apply, 100 files and 200 settings, nothing to do: {best:?}");
    assert!(best <= Duration::from_millis(15), "{best:?}");

    let log = machine.path("/trace");
    let mut strace = Command::new("strace");
    strace.args(["-f", "-e", WRITES, "-e", "signal=none", "-o"]).arg(&log).arg(env!("CARGO_BIN_EXE_appctl"));
    apply(strace);
    let trace = std::fs::read_to_string(log).unwrap();
    let reads =
        |line: &&str| line.contains("openat(") && !["O_CREAT", "O_TRUNC"].iter().any(|flag| line.contains(flag));
    let writes: Vec<&str> = trace.lines().filter(|line| !reads(line) && !line.contains("+++ exited")).collect();
    assert!(writes.is_empty(), "{writes:#?}");
    assert!(trace.contains("manifest.json"), "the trace is of something else:\n{trace}");
    assert!(machine.tree(&["/etc", "/var"]) == before);
}
