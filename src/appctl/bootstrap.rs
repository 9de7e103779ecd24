//! `appctl bootstrap …`: the state of a ZEO client's storages, its first
//! administrator and its upgrade.
//!
//! What is done is done by share/python/zeoclient in the package's own venv, as
//! the service's user; only that one's ZODB can speak with the server. A password
//! goes to it through a pipe, and is never shown.

use std::time::Duration;

use serde_json::{Value as Json, json};

use super::cli::Bootstrap;
use super::package::is_name;
use super::process::{self, Child, Ended, Privileges, Whose};
use super::work::{Access, Change, Work};
use super::{Ending, Machine, accounts, check, from_stdin_text};
use crate::configuration::bootstrap::{Client, FILE, FORMAT};
use crate::error::{Diagnostic, Error, Location, Result};

/// How long a question may take.
const LIMIT: Duration = Duration::from_secs(120);
/// How long an upgrade may take.
const UPGRADE: Duration = Duration::from_secs(24 * 3600);
/// Exit status of what is to be tried later (EX_TEMPFAIL of sysexits(3)).
const LATER: i32 = 75;

/// What of a package speaks with its server; `None` where it has nothing of the kind.
pub fn client(machine: &Machine, package: &str) -> Result<Option<Client>> {
    if !is_name(package) {
        return Ok(None);
    }
    let path = format!("/usr/share/appctl/{package}/{FILE}");
    let Some(bytes) = machine.root.input(&path)? else { return Ok(None) };
    let client: Client = serde_json::from_slice(&bytes).map_err(|error| {
        Diagnostic::error(format!("it cannot be read: {error}"))
            .at(Location::file(machine.root.outside(&path)))
            .hint(format!("install the package again: apt-get install --reinstall {package}"))
    })?;
    if client.format > FORMAT {
        let fault = Diagnostic::error(format!("format {}; this appctl knows {FORMAT}", client.format));
        return Err(fault.at(Location::file(machine.root.outside(&path))).hint("upgrade appctl").into());
    }
    Ok(Some(client))
}

/// Do what was typed.
pub fn run(machine: &Machine, bootstrap: &Bootstrap) -> Result<Ending> {
    let package = bootstrap.package();
    let Some(client) = client(machine, package)? else {
        return Err(Diagnostic::error(format!("the package '{package}' has no database on a ZEO server"))
            .hint("is it installed? dh_zeoclient makes such packages")
            .into());
    };
    if !machine.root.is_machine() {
        return Err(Diagnostic::error("the database of another root is not this machine's to ask")
            .hint("leave out --root, or run it there")
            .into());
    }
    if !machine.is_root {
        return Err(Diagnostic::error(format!("this is done as the account '{}'", client.user))
            .hint("run it as root")
            .into());
    }
    match bootstrap {
        Bootstrap::Status { .. } => status(machine, &client),
        Bootstrap::Run { .. } => {
            let password = match &client.password {
                Some(password) => machine.root.input(&password.file)?,
                None => None,
            };
            tell(machine, &client, "seed", password)
        }
        Bootstrap::Ack { .. } => {
            let ended = ask(machine, &client, &["ack", "--json"], None, LIMIT)?;
            forget(machine, &client)?;
            said(machine, &ended, |json| {
                let was_there = json["deleted"] == Json::Bool(true);
                let text =
                    if was_there { "the first password is deleted here" } else { "there is no first password here" };
                vec![text.to_owned()]
            })
        }
        Bootstrap::ResetAdmin { stdin, .. } => {
            let password = stdin.then(from_stdin_text).transpose()?;
            tell(machine, &client, "reset-admin", password.map(String::into_bytes))
        }
        Bootstrap::Upgrade { again, .. } => {
            let words: &[&str] = if *again { &["upgrade", "--json", "--again"] } else { &["upgrade", "--json"] };
            let ended = ask(machine, &client, words, None, UPGRADE)?;
            said(machine, &ended, |json| {
                let version = json["version"].as_str().unwrap_or_default();
                let what = if json["ran"] == Json::Bool(true) { "has been upgraded to" } else { "has version" };
                vec![format!("the data {what} {version}")]
            })
        }
    }
}

/// Seed or reset, with a password where one is given.
fn tell(machine: &Machine, client: &Client, command: &str, password: Option<Vec<u8>>) -> Result<Ending> {
    let mut words = vec![command, "--json"];
    if password.is_some() {
        words.extend(["--password-fd", "0"]);
    }
    let ended = ask(machine, client, &words, password.as_deref(), LIMIT)?;
    said(machine, &ended, |json| {
        let mut lines = vec![match (json["state"].as_str(), json["changed"] == Json::Bool(true)) {
            (Some("adopted"), _) => "the database has users of its own; no administrator was made".to_owned(),
            (_, true) if command == "seed" => "the administrator has been made".to_owned(),
            (_, true) => "the administrator has a new password".to_owned(),
            _ => "the database has its administrator".to_owned(),
        }];
        lines.extend(json["password_file"].as_str().map(|path| format!("the password is in {path}")));
        lines
    })
}

/// The secret that the first password came from is made anew: nothing on the
/// machine holds that password any more.
fn forget(machine: &Machine, client: &Client) -> Result<()> {
    let Some(password) = &client.password else { return Ok(()) };
    let mut work = Work::open(machine, &client.package, Access::Write)?;
    if work.package.manifest.settings.iter().any(|setting| setting.name == password.setting) {
        work.change(&Change { unset: [password.setting.clone()].into(), ..Change::default() });
        work.apply(true)?;
    }
    Ok(())
}

fn status(machine: &Machine, client: &Client) -> Result<Ending> {
    let ended = ask(machine, client, &["status", "--json"], None, LIMIT)?;
    let json = answer(&ended)?;
    if machine.json {
        machine.printer.json(&format!("{json}\n"));
    } else {
        let text: String = lines(&json).into_iter().map(|line| line + "\n").collect();
        machine.printer.output(&text);
    }
    let interrupted = !json["upgrade"]["running"].is_null();
    let is_well = is_reachable(&json) && json["error"].is_null() && !interrupted;
    Ok(if is_well { Ending::Done } else { Ending::Differs })
}

/// The storages of a package and whether its servers answer, for `appctl status`;
/// `None` where it has none, or where this root is not the machine's.
pub fn storages(machine: &Machine, package: &str) -> Result<Option<Json>> {
    let Some(client) = client(machine, package)? else { return Ok(None) };
    if !machine.root.is_machine() {
        return Ok(None);
    }
    // Its exit status says what its answer says.
    Ok(Some(answer(&ask(machine, &client, &["probe", "--json"], None, LIMIT)?).unwrap_or_else(|error| {
        let why = error.diagnostics().first().map(|fault| fault.message.clone()).unwrap_or_default();
        json!({"storages": [{"name": "?", "result": "failed", "servers": [{"server": "?", "detail": why}]}]})
    })))
}

/// Whether each storage of an answer can be used.
pub fn is_reachable(json: &Json) -> bool {
    let storages = json["storages"].as_array().map(Vec::as_slice).unwrap_or_default();
    storages.iter().all(|storage| matches!(storage["result"].as_str(), Some("data" | "empty")))
}

/// A line for each server.
pub fn servers(json: &Json) -> Vec<String> {
    let mut lines = Vec::new();
    for storage in json["storages"].as_array().into_iter().flatten() {
        for server in storage["servers"].as_array().into_iter().flatten() {
            let word = |json: &Json, key: &str| json[key].as_str().unwrap_or("?").to_owned();
            // The probe names each result; the storage's is that of its best server.
            let result = server["result"].as_str().map_or_else(|| word(storage, "result"), str::to_owned);
            lines.push(format!(
                "storage {} on {}: {result}: {}",
                word(storage, "name"),
                word(server, "server"),
                word(server, "detail")
            ));
        }
    }
    lines
}

/// What an answer says of servers, administrator and data, a line each.
pub fn lines(json: &Json) -> Vec<String> {
    let mut lines = servers(json);
    let text = |json: &Json, key: &str| json[key].as_str().unwrap_or_default().to_owned();
    let marker = &json["bootstrap"];
    lines.push(match marker["state"].as_str() {
        None => "administrator: none yet, or not known".to_owned(),
        Some("adopted") => format!("administrator: the database had users of its own ({})", text(marker, "time")),
        Some(_) => format!(
            "administrator: '{}', made by {} on {} ({})",
            text(marker, "user"),
            text(marker, "package"),
            text(marker, "node"),
            text(marker, "time")
        ),
    });
    lines.extend(json["password_file"].as_str().map(|path| format!("first password: {path}")));
    let upgrade = &json["upgrade"];
    if let Some(version) = upgrade["version"].as_str() {
        lines.push(format!("data: version {}", if version.is_empty() { "unknown" } else { version }));
    }
    let running = &upgrade["running"];
    if !running.is_null() {
        let how = match running["failure"].as_str() {
            Some("") | None => "under way, or interrupted".to_owned(),
            Some(failure) => failure.to_owned(),
        };
        lines.push(format!(
            "an upgrade to {} by {} (since {}): {how}",
            text(running, "version"),
            text(running, "node"),
            text(running, "since")
        ));
    }
    lines.extend(json["error"].as_str().map(|error| format!("error: {error}")));
    lines
}

/// Run the package's program as its user.
fn ask(machine: &Machine, client: &Client, words: &[&str], input: Option<&[u8]>, limit: Duration) -> Result<Ended> {
    let mut all = Vec::new();
    if machine.is_root {
        let text = |path: &str| machine.root.text(path).map(Option::unwrap_or_default);
        let known = accounts::Accounts::parse(&text("/etc/passwd")?, &text("/etc/group")?);
        all = check::as_user(machine, &known, &known.user(&client.user)?, Privileges::Fixed);
    }
    all.extend(client.command.iter().map(Into::into));
    all.extend(words.iter().map(Into::into));
    let environment = [("LANG", "C.UTF-8"), ("PATH", check::PATH)];
    let child = Child {
        words: all,
        environment: environment.into_iter().map(|(name, value)| (name.into(), value.into())).collect(),
        directory: "/".into(),
        limit,
        whose: Whose::Foreign,
    };
    process::run_with(&child, input)
}

/// The JSON object that a program has printed, whatever its exit status.
pub fn answer(ended: &Ended) -> Result<Json> {
    let last = ended.output.lines().rev().find(|line| line.starts_with('{'));
    last.and_then(|line| serde_json::from_str(line).ok()).ok_or_else(|| failure(ended))
}

/// Say what an answer says.
fn said(machine: &Machine, ended: &Ended, text: impl Fn(&Json) -> Vec<String>) -> Result<Ending> {
    if !ended.is_success() {
        return Err(failure(ended));
    }
    let json = answer(ended)?;
    if machine.json {
        machine.printer.json(&format!("{json}\n"));
    } else {
        text(&json).iter().for_each(|line| machine.printer.output(&format!("{line}\n")));
    }
    Ok(Ending::Done)
}

/// `zeoclient: error: …` and `zeoclient: hint: …`.
pub fn failure(ended: &Ended) -> Error {
    let is_said = |text: &&str| !text.trim().is_empty();
    let after = |word: &str| {
        let texts = ended.output.lines().filter_map(|line| line.split_once(word)).map(|(_, text)| text);
        texts.into_iter().find(is_said).map(str::to_owned)
    };
    let message = after("zeoclient: error: ").or_else(|| ended.output.lines().rfind(is_said).map(str::to_owned));
    let mut fault = Diagnostic::error(message.unwrap_or_else(|| match ended.status {
        Some(status) => format!("it ended with status {status}"),
        None => "it was not done in time".to_owned(),
    }));
    let otherwise = || "'appctl bootstrap status' shows how the servers and the database stand".to_owned();
    fault = fault.hint(after("zeoclient: hint: ").unwrap_or_else(otherwise));
    if ended.status == Some(LATER) { Error::Locked(fault) } else { Error::Failed(vec![fault]) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_told_in_lines() {
        let json = json!({
            "storages": [{"name": "main", "result": "data", "servers": [
                {"server": "zeo1:8100", "result": "data", "detail": "last transaction 03"},
                {"server": "zeo2:8100", "result": "unreachable", "detail": "connection refused"}]}],
            "bootstrap": {"state": "seeded", "user": "admin", "package": "board", "node": "one", "time": "now"},
            "password_file": "/var/lib/board/initial-admin-password",
            "upgrade": {"version": "1.0", "running": {"version": "2", "node": "two", "since": "then", "failure": ""}},
            "error": null,
        });
        assert!(is_reachable(&json));
        assert_eq!(
            lines(&json),
            [
                "storage main on zeo1:8100: data: last transaction 03",
                "storage main on zeo2:8100: unreachable: connection refused",
                "administrator: 'admin', made by board on one (now)",
                "first password: /var/lib/board/initial-admin-password",
                "data: version 1.0",
                "an upgrade to 2 by two (since then): under way, or interrupted",
            ]
        );
        let mute = json!({"storages": [{"name": "main", "result": "mute", "servers": []}]});
        assert!(!is_reachable(&mute));
    }

    #[test]
    fn a_failure_has_the_program_s_words() {
        let output = "noise\nzeoclient: error: nobody listens\nzeoclient: hint: start it\n".to_owned();
        let error = failure(&Ended { status: Some(75), output });
        assert_eq!(error.exit_status(), 75);
        assert_eq!(error.diagnostics()[0].message, "nobody listens");
        assert_eq!(error.diagnostics()[0].hint.as_deref(), Some("start it"));
        // Who prints an empty line has still said nothing.
        let mute = |output: &str| failure(&Ended { status: Some(1), output: output.to_owned() });
        assert_eq!(mute("\n").diagnostics()[0].message, "it ended with status 1");
        assert_eq!(mute("x\nzeoclient: error: ").diagnostics()[0].message, "zeoclient: error: ");
    }
}
