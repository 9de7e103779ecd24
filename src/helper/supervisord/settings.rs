//! What a file says beyond supervisord: `[x-supervisord]`, `[x-program:x]`, `[x-socket:x]`.
//!
//! Reads sections into values; what they mean for a backend is decided in
//! [`super::unit`] and [`super::fragment`].

use std::collections::BTreeMap;

use super::section::Reader;
use super::{value, words};
use crate::configuration::program::{Choice, OnFailure};
use crate::error::nearest;

/// The newest format that this version knows.
const FORMAT: i64 = 1;

/// `[x-supervisord]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// Backend of the programs that name none.
    pub backend: Choice,
    /// Whether the programs' accounts are made at installation.
    pub accounts: bool,
}

impl Default for Header {
    fn default() -> Self {
        Self { backend: Choice::Supervisord, accounts: true }
    }
}

/// `[x-program:x]`
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Extra {
    /// Line of the header, from 1.
    pub line: usize,
    /// `backend`
    pub backend: Option<Choice>,
    /// `health`, not expanded, and its line.
    pub health: Option<(String, usize)>,
    /// `health-interval`, in milliseconds.
    pub interval: u32,
    /// `health-deadline`, in milliseconds.
    pub deadline: u32,
    /// `health-privileges`
    pub privileges: bool,
    /// `instances` and its line.
    pub instances: Option<(i64, usize)>,
    /// `on-failure`
    pub on_failure: OnFailure,
    /// `notify`
    pub notify: bool,
    /// `account`: what the program becomes by itself, where it starts as root.
    pub account: Option<String>,
    /// `description`
    pub description: Option<String>,
    /// `ignore`: keys of supervisord that are given up under systemd, with the line.
    pub ignore: BTreeMap<String, usize>,
}

/// `[x-socket:x]`
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Socket {
    /// Line of the header, from 1.
    pub line: usize,
    /// Addresses: `IP:PORT`, `PORT` or an absolute path.
    pub listen: Vec<String>,
    /// Name of the descriptors (sd_listen_fds_with_names(3)).
    pub name: Option<String>,
    /// Permission bits of a socket in the file system.
    pub mode: Option<u32>,
    /// Its owner.
    pub user: Option<String>,
    /// Its group.
    pub group: Option<String>,
    /// Length of the queue of connections.
    pub backlog: Option<i64>,
}

const HEADER_KEYS: [&str; 3] = ["format", "backend", "accounts"];
const EXTRA_KEYS: [&str; 11] = [
    "account",
    "backend",
    "description",
    "health",
    "health-interval",
    "health-deadline",
    "health-privileges",
    "instances",
    "on-failure",
    "notify",
    "ignore",
];
const SOCKET_KEYS: [&str; 6] = ["listen", "name", "mode", "user", "group", "backlog"];

impl Reader<'_> {
    fn plain<T>(&mut self, key: &str, default: T, hint: &str, read: impl Fn(&str) -> Option<T>) -> T {
        let Some(entry) = self.section.get(key) else { return default };
        match read(&entry.value) {
            Some(value) => value,
            None => {
                self.fault(entry.line, format!("'{key}' is '{}'", entry.value), Some(hint));
                default
            }
        }
    }

    /// `[x-supervisord]`
    pub fn header(&mut self) -> Header {
        self.known_keys(&[&HEADER_KEYS]);
        let format = self.plain("format", FORMAT, "write format = 1", |text| value::integer(text).ok());
        if let Some(entry) = self.section.get("format").filter(|_| format != FORMAT) {
            let hint = match format {
                2.. => "build with a newer dh-supervisord, or write the file for format 1",
                _ => "write format = 1",
            };
            self.fault(entry.line, format!("format {format} is not known to this version, which knows 1"), Some(hint));
        }
        Header {
            backend: self.plain("backend", Header::default().backend, BACKENDS, choice),
            accounts: self.plain("accounts", true, "yes or no", yes_or_no),
        }
    }

    /// `[x-program:x]`
    pub fn extra(&mut self) -> Extra {
        self.known_keys(&[&EXTRA_KEYS]);
        let (health_line, instances_line, ignore_line) =
            (self.line("health"), self.line("instances"), self.line("ignore"));
        let seconds = "a number of seconds, such as 0.5 or 30";
        let instances = self.plain("instances", None, "a number from 1 to 100", |text| {
            value::integer(text).ok().filter(|number| (1..=100).contains(number)).map(Some)
        });
        let ignored = self.section.get("ignore").map(|entry| words_of(&entry.value)).unwrap_or_default();
        let extra = Extra {
            line: self.section.line,
            backend: self.plain("backend", None, BACKENDS, |text| choice(text).map(Some)),
            health: self.section.get("health").map(|entry| (entry.value.clone(), health_line)),
            interval: self.plain("health-interval", 250, seconds, milliseconds),
            deadline: self.plain("health-deadline", 30_000, seconds, milliseconds),
            privileges: self.plain("health-privileges", false, "yes or no", yes_or_no),
            instances: instances.map(|number| (number, instances_line)),
            on_failure: self.plain("on-failure", OnFailure::Warn, "fail or warn", |text| match text {
                "warn" => Some(OnFailure::Warn),
                "fail" => Some(OnFailure::Fail),
                _ => None,
            }),
            notify: self.plain("notify", false, "yes or no", yes_or_no),
            account: self
                .plain("account", None, "an account's name", |text| is_word(text).then(|| Some(text.to_owned()))),
            description: self.section.get("description").map(|entry| entry.value.replace('\n', " ")),
            ignore: ignored.into_iter().map(|key| (key, ignore_line)).collect(),
        };
        for key in extra.ignore.keys() {
            if !super::program::KEYS.contains(&key.as_str()) {
                let hint = nearest(key, super::program::KEYS).map(|near| format!("did you mean '{near}'?"));
                let hint = hint.unwrap_or_else(|| "name keys of the program's section".to_owned());
                let message = format!("'ignore' names '{key}', which is no key of supervisord");
                self.fault(ignore_line, message, Some(&hint));
            }
        }
        extra
    }

    /// `[x-socket:x]`
    pub fn socket(&mut self) -> Socket {
        self.known_keys(&[&SOCKET_KEYS]);
        let listen = self.section.get("listen").map(|entry| words_of(&entry.value)).unwrap_or_default();
        let wrong = listen.iter().find(|address| !is_listen(address)).cloned();
        let hint = "IP-ADDRESS:PORT, PORT or /absolute/path, with white space between several";
        match self.section.get("listen") {
            Some(entry) if listen.is_empty() => self.fault(entry.line, "'listen' is empty", Some(hint)),
            Some(entry) => {
                if let Some(address) = wrong {
                    self.fault(entry.line, format!("'listen' has '{address}'"), Some(hint));
                }
            }
            None => {
                let message = format!("[{}] has no 'listen'", self.section.name);
                self.fault(self.section.line, message, Some(&format!("add listen = {hint}")));
            }
        }
        let word = |text: &str| is_word(text).then(|| Some(text.to_owned()));
        Socket {
            line: self.section.line,
            listen,
            name: self.plain("name", None, "letters, digits, '-', '_' and '.'", word),
            mode: self.plain("mode", None, "an octal number, such as 0660", |text| value::octal(text).ok().map(Some)),
            user: self.plain("user", None, "an account's name", word),
            group: self.plain("group", None, "a group's name", word),
            backlog: self.plain("backlog", None, "from 1 to 65535", |text| {
                value::integer(text).ok().filter(|number| (1..=65535).contains(number)).map(Some)
            }),
        }
    }
}

const BACKENDS: &str = "supervisord, systemd or auto";

fn choice(text: &str) -> Option<Choice> {
    match text {
        "supervisord" => Some(Choice::Supervisord),
        "systemd" => Some(Choice::Systemd),
        "auto" => Some(Choice::Auto),
        _ => None,
    }
}

fn yes_or_no(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "yes" => Some(true),
        "no" => Some(false),
        _ => None,
    }
}

/// Words between white space or commas.
fn words_of(text: &str) -> Vec<String> {
    text.split(|c: char| c.is_whitespace() || c == ',').filter(|word| !word.is_empty()).map(str::to_owned).collect()
}

fn is_word(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
}

fn is_address(text: &str) -> bool {
    if text.starts_with('/') {
        return true;
    }
    let (host, port) = text.rsplit_once(':').unwrap_or(("", text));
    let host = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host);
    port.parse::<u16>().is_ok_and(|port| port > 0)
        && host.chars().all(|c| c.is_ascii_alphanumeric() || "-.:".contains(c))
}

/// What systemd.socket(5) can listen on, of what [`is_address`] has: it knows no names.
fn is_listen(text: &str) -> bool {
    let is_ip = |host: &str| host.trim_matches(['[', ']']).parse::<std::net::IpAddr>().is_ok();
    is_address(text) && (text.starts_with('/') || text.rsplit_once(':').is_none_or(|(host, _)| is_ip(host)))
}

/// `0.5`, `30`: seconds as milliseconds, at least one.
fn milliseconds(text: &str) -> Option<u32> {
    let (whole, part) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |text: &str| !text.is_empty() && text.chars().all(|c| c.is_ascii_digit());
    if !digits(whole) || !digits(part) || part.len() > 3 {
        return None;
    }
    let part = format!("{part:0<3}").parse::<u32>().ok()?;
    whole.parse::<u32>().ok()?.checked_mul(1000)?.checked_add(part).filter(|sum| *sum > 0)
}

/// A health check's words, expanded already: what is asked, or why it is not understood.
pub fn probe(text: &str) -> Result<crate::configuration::program::Probe, String> {
    use crate::configuration::program::Probe;
    if let Some(rest) = text.strip_prefix("http://") {
        let authority = rest.split(['/', '?']).next().unwrap_or_default();
        let plain = !text.contains(|c: char| c.is_whitespace() || c.is_control()) && !authority.contains(['@', '#']);
        let address = if authority.contains(':') { authority.to_owned() } else { format!("{authority}:80") };
        return match plain && is_address(&address) && !address.starts_with([':', '/']) {
            true => Ok(Probe::Http(text.to_owned())),
            false => Err("no address such as http://127.0.0.1:8000/".to_owned()),
        };
    }
    if let Some(address) = text.strip_prefix("tcp://") {
        return match is_address(address) && address.contains(':') && !address.starts_with(['/', ':']) {
            true => Ok(Probe::Tcp(address.to_owned())),
            false => Err("no address such as tcp://127.0.0.1:8000".to_owned()),
        };
    }
    if let Some(path) = text.strip_prefix("unix://") {
        return if path.starts_with('/') {
            Ok(Probe::Unix(path.to_owned()))
        } else {
            Err("no absolute path".to_owned())
        };
    }
    if let Some(command) = text.strip_prefix("command:") {
        let words = words::command(command)?;
        return match words.first().is_some_and(|program| program.starts_with('/')) {
            true => Ok(Probe::Command(words)),
            false => Err("no command with an absolute path".to_owned()),
        };
    }
    Err("none of http://…, tcp://HOST:PORT, unix:///PATH, command:/PATH …".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::configuration::program::Probe;

    #[test]
    fn probes_are_four_kinds() {
        assert_eq!(probe("http://127.0.0.1:8000/up?x=1"), Ok(Probe::Http("http://127.0.0.1:8000/up?x=1".to_owned())));
        assert_eq!(probe("tcp://[::1]:6379"), Ok(Probe::Tcp("[::1]:6379".to_owned())));
        assert_eq!(probe("unix:///run/a.sock"), Ok(Probe::Unix("/run/a.sock".to_owned())));
        assert_eq!(probe("command: /bin/a 'b c'"), Ok(Probe::Command(vec!["/bin/a".to_owned(), "b c".to_owned()])));
        for text in ["https://x/", "http:///x", "tcp://x", "tcp://:1", "unix://x", "command:a", "http://u@h/", ""] {
            assert!(probe(text).is_err(), "{text}");
        }
    }

    #[test]
    fn times_are_seconds() {
        assert_eq!(
            (milliseconds("0.5"), milliseconds("30"), milliseconds("1.25")),
            (Some(500), Some(30_000), Some(1250))
        );
        assert_eq!((milliseconds("0"), milliseconds("1s"), milliseconds(".5")), (None, None, None));
    }
}
