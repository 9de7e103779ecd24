//! What appctl reads on the machine, and what service managers and servers answer.

use deb_build_app::appctl;
use deb_build_app::appctl::process::Ended;
use deb_build_app::appctl::{bootstrap, programs};
use deb_build_app::configuration::setting::Setting;
use deb_build_app::driver::environment::{Generation, Note, Recipe};

use super::configuration::sample;
use super::{Outcome, again, all, refused, steers, target, text};
use crate::corpus::seeds;

fn accounts(input: &[u8]) -> Outcome {
    let text = text(input);
    let accounts = appctl::accounts::Accounts::parse(&text, &text);
    let overrides = appctl::overrides::Overrides::parse(&text);
    for word in text.split([':', ' ', '\n']).take(50) {
        if let Ok(user) = accounts.user(word) {
            accounts.groups_of(&user);
        }
        let _ = accounts.group(word);
        if let Ok(Some(found)) = overrides.of(word, &accounts) {
            hold!(found.mode <= 0o7777, "the mode {:o}", found.mode);
        }
    }
    Ok(())
}

fn masks(input: &[u8]) -> Outcome {
    let text = text(input);
    let mask = appctl::mask::Mask::new(["hunter2".to_owned()], &text.replace("hunter2", "********"));
    hold!(!mask.version(&text).contains("hunter2"), "the secret is shown");
    hold!(!mask.values_in(&text).contains("hunter2"), "the secret is shown");
    Ok(())
}

struct Nobody;

impl appctl::complete::Names for Nobody {
    fn packages(&self) -> Vec<String> {
        vec!["notes".to_owned()]
    }
    fn settings(&self, _: &str) -> Vec<Setting> {
        sample()
    }
    fn programs(&self, _: &str) -> Vec<String> {
        vec!["web".to_owned()]
    }
    fn files(&self, _: &str) -> Vec<String> {
        vec!["/etc/notes/notes.ini".to_owned()]
    }
}

fn completions(input: &[u8]) -> Outcome {
    let words: Vec<String> = text(input).split([' ', '\n']).take(300).map(str::to_owned).collect();
    appctl::complete::root(&words);
    let lines = appctl::complete::lines(&appctl::complete::candidates(&appctl::cli::command(), &words, &Nobody));
    hold!(lines.is_empty() || lines.ends_with('\n'), "a line has no end");
    Ok(())
}

fn sockets(input: &[u8]) -> Outcome {
    thread_local! {
        static ROOT: tempfile::TempDir = tempfile::tempdir().expect("a directory");
    }
    ROOT.with(|root| {
        let net = root.path().join("proc/net");
        std::fs::create_dir_all(&net).expect("a directory is made");
        for name in ["tcp", "tcp6", "unix"] {
            std::fs::write(net.join(name), input).expect("a file is written");
        }
        let open = appctl::fs::Root::open(root.path()).map_err(|error| format!("{error:?}"))?;
        for address in ["127.0.0.1:8080", "[::1]:80", "/run/x.sock"] {
            appctl::programs::listening::all(&open, 1, [address].into_iter());
        }
        Ok(())
    })
}

/// What supervisorctl and systemctl print, and supervisord's configuration.
fn managers(input: &[u8]) -> Outcome {
    let text = text(input);
    for process in programs::supervisord::states(&text).keys() {
        hold!(!process.contains(char::is_whitespace), "a process called {process:?}");
    }
    if let Some(why) = programs::supervisord::refusal(&text) {
        hold!(!why.contains('\n'), "a refusal of several lines: {why:?}");
    }
    if let Some(path) = programs::supervisord::socket(&text) {
        hold!(path.starts_with('/') && !path.contains('\n'), "a socket at {path:?}");
    }
    let blocks = text.split("\n\n").count();
    hold!(programs::systemd::seen(&text).len() <= blocks, "units come up");
    Ok(())
}

/// What a service says when it is asked whether it serves.
fn probes(input: &[u8]) -> Outcome {
    for end in [input.len().min(12), input.len()] {
        if let Err(why) = programs::health::judged("http://127.0.0.1/", &input[..end]) {
            hold!(!why.contains(steers) && why.len() < 200, "a reason: {why:?}");
        }
    }
    Ok(())
}

/// What the program says that asks a ZEO server.
fn answers(input: &[u8]) -> Outcome {
    let output = text(input);
    for status in [Some(0), Some(1), Some(75), None] {
        let ended = Ended { status, output: output.clone() };
        refused(&bootstrap::failure(&ended), &output)?;
        match bootstrap::answer(&ended) {
            Ok(json) => {
                bootstrap::is_reachable(&json);
                hold!(bootstrap::lines(&json).len() > bootstrap::servers(&json).len(), "nothing is said");
            }
            Err(error) => refused(&error, &output)?,
        }
    }
    Ok(())
}

/// What is kept beside an environment, and what a session's end is told to fetch.
fn notes(input: &[u8]) -> Outcome {
    again::<Recipe>(input)?;
    for text in [
        serde_json::from_slice::<Generation>(input).map(|one| serde_json::to_string(&one)),
        serde_json::from_slice::<Note>(input).map(|one| serde_json::to_string(&one)),
    ]
    .into_iter()
    .flatten()
    {
        hold!(text.is_ok(), "what was read is not written");
    }
    Ok(())
}

#[test]
fn what_they_promise_holds() {
    all(
        "runtime",
        vec![
            target(
                "appctl::accounts",
                seeds(&["etc/passwd", "etc/group"], &["root adm 0640 /etc/x\n#1 #2 600 /etc/a b\n"]),
                accounts,
            ),
            target(
                "appctl::mask",
                seeds(&[".ini", ".toml"], &["[x]\nkey = hunter2\nlisten: 1\n", "{\"a\": \"hunter2\"}"]),
                masks,
            ),
            target(
                "appctl::programs",
                seeds(
                    &[],
                    &[
                        "notes:web    RUNNING   pid 7, uptime 0:00:05\nnotes        STOPPED   Nov 21 11:00 AM\n",
                        "error: <class 'xmlrpc.client.Fault'>, <Fault 92: \"CANT_REREAD: Invalid user name x\">: file: y\n",
                        "[unix_http_server]\nfile=/x\n[supervisorctl]\nserverurl = unix:///run/s.sock ; ours\n[include]\n",
                        "Type=notify\nNRestarts=0\nResult=success\nMainPID=12\nActiveState=active\nSubState=running\n\nListen=127.0.0.1:8000 (Stream)\nUnitFileState=enabled\n",
                    ],
                ),
                managers,
            ),
            target("appctl::health", seeds(&[], &["HTTP/1.1 204 No Content\r\n\r\n", "HTTP/1.0 503 Busy\r\n"]), probes),
            target(
                "appctl::bootstrap",
                seeds(
                    &[],
                    &[
                        "noise\n{\"storages\":[{\"name\":\"main\",\"result\":\"data\",\"servers\":[{\"server\":\"zeo1:8100\",\"detail\":\"x\"}]}],\"bootstrap\":{\"state\":\"seeded\",\"user\":\"admin\"},\"upgrade\":{\"version\":\"1\",\"running\":null},\"error\":null}\n",
                        "zeoclient: error: nobody listens\nzeoclient: hint: start it\n",
                    ],
                ),
                answers,
            ),
            target(
                "environments",
                seeds(
                    &[],
                    &[
                        "{\"suite\":\"trixie\",\"architecture\":\"amd64\",\"sources\":\"deb x y\",\"from\":null,\"include\":[\"a\"],\"debs\":{\"a.deb\":\"00\"}}",
                        "{\"id\":\"x\",\"created\":1,\"packages\":2,\"ids\":3}",
                        "{\"generation\":\"x\",\"purpose\":\"tools\",\"created\":1}",
                    ],
                ),
                notes,
            ),
            target("appctl::complete", seeds(&["args"], &["appctl --root /x config set notes listen="]), completions),
            target(
                "appctl::listening",
                seeds(
                    &[],
                    &[
                        "  sl  local_address\n   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 12345 1\n   1: 00000000000000000000000001000000:0050 0:0 0A 0:0 00:0 0 0 0 7 1\n",
                        "Num RefCount\n0: 00000002 00000000 00010000 0001 01 12345 /run/x.sock\n",
                    ],
                ),
                sockets,
            ),
        ],
    );
}
