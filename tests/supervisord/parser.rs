//! The same text through supervisor's parser and through ours: the same programs
//! and values, or a refusal by both. Where only ours refuses, it is one of the
//! strictnesses that the modules promise.

use std::collections::BTreeMap;
use std::path::Path;

use deb_build_app::error::Diagnostic;
use deb_build_app::helper::supervisord::ini::{self, Section};
use deb_build_app::helper::supervisord::program::{Kind, Process, Program};
use deb_build_app::helper::supervisord::section::Reader;
use deb_build_app::helper::supervisord::value::{LogFile, Restart};
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use serde_json::{Value, json};

use super::corpus;
use super::oracle::{Oracle, VERSIONS, text};

/// A program's processes in the oracle's words.
pub fn processes(program: &Program) -> Vec<Value> {
    program.processes.iter().map(|process| shown(program, process)).collect()
}

fn shown(program: &Program, process: &Process) -> Value {
    let restart = match program.autorestart {
        Restart::Never => json!(false),
        Restart::Always => json!(true),
        Restart::Unexpected => json!("unexpected"),
    };
    // The section's own priority is the listener's; that of its processes counts nothing.
    let priority =
        if program.kind == Kind::Listener && !program.given.contains_key("priority") { 999 } else { program.priority };
    let environment: BTreeMap<&str, &str> =
        process.environment.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let mut shown = json!({
        "name": process.name, "command": process.command, "directory": process.directory,
        "umask": program.umask, "priority": priority, "autostart": program.autostart,
        "startsecs": program.startsecs, "startretries": program.startretries, "stopsignal": program.stopsignal,
        "stopwaitsecs": program.stopwaitsecs, "stopasgroup": program.stopasgroup,
        "killasgroup": program.killasgroup, "exitcodes": program.exitcodes,
        "redirect_stderr": program.redirect_stderr, "environment": environment,
        "serverurl": program.serverurl, "user": program.user, "autorestart": restart,
    });
    for (index, stream) in ["stdout", "stderr"].iter().enumerate() {
        let log = &process.streams[index];
        let file = match &log.file {
            LogFile::None | LogFile::Syslog => Value::Null,
            LogFile::Automatic => json!("auto"),
            LogFile::Path(path) => json!(path),
        };
        let mut set = |what: &str, value: Value| shown[format!("{stream}_{what}")] = value;
        set("capture_maxbytes", json!(program.capture[index]));
        set("events_enabled", json!(program.events[index]));
        set("logfile_backups", json!(log.backups));
        set("logfile_maxbytes", json!(log.maxbytes));
        set("syslog", json!(log.syslog));
        set("logfile", file);
    }
    shown
}

/// The groups of a file, as supervisor makes them.
fn groups(text: &str, here: &str) -> (BTreeMap<String, Value>, Vec<Diagnostic>) {
    let file = Path::new("f");
    let (document, mut faults) = ini::parse(text, file);
    let mut all = BTreeMap::new();
    let mut grouped: Vec<String> = Vec::new();
    for section in document.sections.iter().filter(|section| section.parts().0 == "group") {
        let mut reader = Reader::new(section, file);
        let group = reader.group(here);
        faults.append(&mut reader.faults);
        let mut members = Vec::new();
        for name in &group.programs {
            let is_it = |section: &&Section| section.parts() == ("program", Some(name.as_str()));
            match document.sections.iter().find(is_it) {
                Some(section) => {
                    let program = program(section, Kind::Program, Some(&group.name), here, &mut faults);
                    members.extend(processes(&program));
                    grouped.push(section.name.clone());
                }
                None => faults.push(Diagnostic::error(format!("unknown member {name}"))),
            }
        }
        members.sort_by_key(|member| member["priority"].as_i64());
        all.insert(group.name.clone(), json!({"name": group.name, "priority": group.priority, "processes": members}));
    }
    for section in document.sections.iter().filter(|section| !grouped.contains(&section.name)) {
        let Some(kind) = Kind::of(section.parts().0) else { continue };
        let program = program(section, kind, None, here, &mut faults);
        let mut group = json!({"name": program.name, "priority": program.priority, "processes": processes(&program)});
        if let Some(listener) = &program.listener {
            group["events"] = json!(listener.events);
            group["buffer_size"] = json!(listener.buffer_size);
        }
        if let Some(socket) = &program.socket {
            group["socket"] = json!({"url": socket.address, "backlog": socket.backlog});
            if socket.address.starts_with("unix:") {
                group["socket"]["mode"] = json!(socket.mode);
                // supervisor fills in the program's account, as a pair.
                let owner = socket.owner.as_ref().map(|owner| json!(owner));
                let program_s = program.user.as_ref().map(|user| json!([user, user]));
                group["socket"]["owner"] = owner.or(program_s).unwrap_or_default();
            }
        }
        all.insert(program.name.clone(), group);
    }
    (all, faults)
}

fn program(section: &Section, kind: Kind, group: Option<&str>, here: &str, faults: &mut Vec<Diagnostic>) -> Program {
    let mut reader = Reader::new(section, Path::new("f"));
    let program = reader.program(kind, group, here);
    faults.append(&mut reader.faults);
    program
}

/// What ours refuses and supervisor takes.
const STRICTER: [&str; 18] = [
    "is no signal",
    "unknown key",
    "stands twice",
    "[DEFAULT]",
    "text after the section",
    "'command' is empty",
    "'command' has",
    "is no variable's name",
    "is cut off after",
    "a single %",
    "the format ends in",
    "a field wider than",
    "is no number of seconds",
    "'numprocs' is",
    "'process_name' is",
    "is no octal number",
    "is no size",
    "no directive of a unit",
];

fn compare(oracle: &mut Oracle, file: &str) -> Result<(), String> {
    let here = text(oracle.here.path());
    let (ours, faults) = groups(file, &here);
    match oracle.groups(&[("a.conf", file)]) {
        Ok(theirs) if faults.is_empty() => match ours == theirs {
            true => Ok(()),
            false => Err(format!("ours:\n{}\nsupervisor's:\n{}\nof\n{file}", json!(ours), json!(theirs))),
        },
        // supervisor takes the last of two, ours looks at the first.
        Ok(_) if faults.iter().any(|fault| fault.message.contains("stands twice")) => Ok(()),
        Ok(_) => {
            let unexplained = faults.iter().find(|fault| !STRICTER.iter().any(|words| fault.message.contains(words)));
            unexplained.map_or(Ok(()), |fault| Err(format!("supervisor takes what ours refuses: {fault}\n{file}")))
        }
        Err(_) if !faults.is_empty() => Ok(()),
        Err(error) => Err(format!("ours takes what supervisor refuses: {error}\n{file}")),
    }
}

fn all_agree<'a>(files: impl IntoIterator<Item = &'a str> + Clone) {
    for version in VERSIONS {
        let mut oracle = Oracle::new(version);
        for file in files.clone() {
            compare(&mut oracle, file).unwrap_or_else(|why| panic!("supervisor {version}: {why}"));
        }
    }
}

#[test]
fn the_corpus_reads_alike() {
    let corpus = corpus();
    all_agree(corpus.iter().map(|(_, text)| text.as_str()));
}

/// One key of each wrong kind, and what only supervisor's parser knows of.
#[test]
fn faults_are_refused_alike() {
    let program = |lines: &str| format!("[program:a]\ncommand = /bin/a\n{lines}\n");
    let keys = [
        "priority = x",
        "autostart = maybe",
        "autorestart = sometimes",
        "startsecs = 1.5",
        "startretries = ",
        "stopsignal = TERMINATE",
        "stopsignal = 200",
        "stopwaitsecs = -",
        "exitcodes = 0,300",
        "exitcodes = a",
        "stopasgroup = yes\nkillasgroup = no",
        "numprocs = 2",
        "numprocs = two",
        "umask = 9",
        "umask = 0o22",
        "process_name = a:b",
        "process_name = a b",
        "stdout_logfile_maxbytes = 5TB",
        "stdout_syslog = perhaps",
        "stdout_logfile = %(nothing)s",
        "stdout_logfile = /log/%%",
        "environment = A",
        "environment = A=\"1",
        "environment = A=1 B=2",
        "environment = A=%(ENV_HOME)s",
        "environment = A=\"x\",B=%(ENV_A)s",
        "directory = %(process_num)s/x",
        "directory = %(process_num",
        "directory = 100%",
        "user = %(process_num)s",
        "serverurl = auto",
        "serverurl = unix:///x",
        "stdout_events_enabled = 1",
        "stderr_capture_maxbytes = 1KB",
        "redirect_stderr = true\nstderr_logfile = /x",
        "process_name = %(program_name)s_%(process_num)02d\nnumprocs=3",
        "process_name = %(host_node_name)s.%(group_name)s",
        "environment =\n  A=\"1\",\n  B='2' ; two\n\n  ,C=3",
        "directory = %(here)s/%(program_name)10.3s|",
        "user: b",
        "stdout_logfile = OFF",
        "stderr_logfile = syslog",
        "startsecs = %(numprocs)d",
        "numprocs_start = 5\nprocess_name=%(program_name)s%(process_num)x",
    ];
    let mut files: Vec<String> = keys.iter().map(|key| program(key)).collect();
    files.extend(
        [
            "a = 1\n[program:a]\ncommand = a\n",
            "[program:a]\ncommand\n",
            "[program:a]\n = x\ncommand = a\n",
            "[program:a]\n",
            "[program:a b]\ncommand = a\n",
            "[program:]\ncommand = a\n",
            "[program:a]\ncommand = a ;b ; c # d\n",
            "[program:a]\ncommand = a#b;c ;d #e\n",
            "[program:a]\ncommand = a\n ; no comment of its own\n b\n",
            "[program:a]\ncommand = a\n[group:g]\nprograms = a\n",
            "[program:a]\ncommand = %(group_name)s\n[group:g]\nprograms = a\npriority=5\n",
            "[program:a]\ncommand = a\n[group:g]\nprograms = a,b\n",
            "[program:a]\ncommand = a\n[group:g]\nprograms = a\npriority = low\n",
            "[eventlistener:l]\ncommand = l\nevents = PROCESS_STATE,TICK_60\nbuffer_size = 100\n",
            "[eventlistener:l]\ncommand = l\n",
            "[eventlistener:l]\ncommand = l\nevents = TICK_61\n",
            "[eventlistener:l]\ncommand = l\nevents = TICK_5\nbuffer_size = 0\n",
            "[eventlistener:l]\ncommand = l\nevents = TICK_5\nredirect_stderr = true\n",
            "[eventlistener:l]\ncommand = l\nevents = tick_5\npriority = 7\n",
            "[fcgi-program:f]\ncommand = f\nsocket = unix:///run/%(program_name)s.sock\nsocket_mode = 0660\n",
            "[fcgi-program:f]\ncommand = f\nsocket = unix:///run/f.sock\nuser = u\nsocket_backlog = 5\n",
            "[fcgi-program:f]\ncommand = f\nsocket = unix:run/f.sock\n",
            "[fcgi-program:f]\ncommand = f\nsocket = tcp://Localhost:8000\n",
            "[fcgi-program:f]\ncommand = f\nsocket = tcp://localhost\n",
            "[fcgi-program:f]\ncommand = f\nsocket = tcp://localhost:80\nsocket_mode = 0700\n",
            "[fcgi-program:f]\ncommand = f\nsocket = tcp://localhost:80\nsocket_backlog = 70000\n",
            "[fcgi-program:f]\ncommand = f\n",
        ]
        .map(str::to_owned),
    );
    all_agree(files.iter().map(String::as_str));
}

/// Lines out of what programs are made of, right and wrong, in every layout.
#[test]
fn generated_files_read_alike() {
    let value = prop_oneof![
        prop::sample::select(vec![
            "",
            "1",
            "0",
            "-1",
            "10",
            "022",
            "true",
            "No",
            "unexpected",
            "TERM",
            "sigusr1",
            "50MB",
            "1kb",
            "0,2",
            "auto",
            "NONE",
            "syslog",
            "/var/log/x.log",
            "%(program_name)s",
            "%(process_num)02d",
            "x-%(process_num)s",
            "%(group_name)s/%(here)s",
            "%%",
            "%",
            "%(ENV_A)s",
            "%(ENV_PATH)s",
            "A=1",
            "A=\"x y\",B=2",
            "A='a,b'",
            "A=\"%(process_num)d\"",
            "/bin/sh -c \"a b\" 'c'",
            "a\\ b",
            "\"",
            "a ; c",
            "a;b",
            "a # b",
            "TICK_5",
            "%(host_node_name)s",
            "1_0",
            "+3",
            "%(numprocs)5d|",
            "a:b",
        ])
        .prop_map(str::to_owned),
        "[ -~]{0,12}",
    ];
    let keys: Vec<&str> = deb_build_app::helper::supervisord::program::KEYS.to_vec();
    let entry = (prop::sample::select(keys), prop::sample::select(vec!["=", " = ", ":", " : "]), value, 0..12u8);
    let line = entry.prop_map(|(key, sign, value, layout)| match layout {
        0 => format!("{key}{sign}{value} ; comment"),
        1 => format!("{key}{sign}\n  {value}"),
        2 => format!("# {key}\n{key}{sign}{value}\n"),
        3 => format!("{key}{sign}{value}\n\n   more"),
        4 => format!("{}{sign}{value}", key.to_uppercase()),
        _ => format!("{key}{sign}{value}"),
    });
    let lines = prop::collection::vec(line, 0..4);
    let group = prop::bool::weighted(0.3);
    let file = (lines, group).prop_map(|(lines, group)| {
        let tail = if group { "\n[group:g]\nprograms = p\n" } else { "\n" };
        let has_command = lines.iter().any(|line| line.to_lowercase().contains("command"));
        let command = if has_command { "" } else { "command = /bin/p %(program_name)s\n" };
        format!("[program:p]\n{command}{}{tail}", lines.join("\n"))
    });
    for version in VERSIONS {
        let mut oracle = Oracle::new(version);
        // The same files each time; PROPTEST_CASES gives other ones, as many as it says.
        let config = Config { failure_persistence: None, ..Config::default() };
        let mut runner = match std::env::var_os("PROPTEST_CASES") {
            Some(_) => TestRunner::new(config),
            None => TestRunner::new_with_rng(
                Config { cases: 1500, ..config },
                TestRng::deterministic_rng(RngAlgorithm::ChaCha),
            ),
        };
        let oracle = std::cell::RefCell::new(&mut oracle);
        let result = runner.run(&file, |file| {
            compare(&mut oracle.borrow_mut(), &file).map_err(proptest::test_runner::TestCaseError::fail)
        });
        result.unwrap_or_else(|error| panic!("supervisor {version}: {error}"));
    }
}
