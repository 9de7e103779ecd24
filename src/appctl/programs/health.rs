//! Whether a program serves: it is asked, in one of four ways.
//!
//! Each question has one deadline, for all that belongs to it: looking up a name,
//! connecting, writing, and an answer of which a byte comes now and then.

use std::ffi::OsString;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::os::fd::AsRawFd;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, connect as connect_to, socket_with};

use crate::appctl::fs::Root;
use crate::appctl::machine::Machine;
use crate::appctl::process::{self, Child, Privileges, Whose, confined};
use crate::configuration::program::{Health, Probe, Service};

/// How long one question may take: this long at most, and where its time is over already, at least.
const ONE: [Duration; 2] = [Duration::from_millis(100), Duration::from_secs(5)];

/// What one question came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// It serves.
    Serves,
    /// It does not, for this reason.
    Not(String),
    /// It does not before something else has happened; asking again is of no use.
    Waits(String),
}

impl From<Result<(), String>> for Answer {
    fn from(result: Result<(), String>) -> Self {
        result.map_or_else(Self::Not, |()| Self::Serves)
    }
}

/// Ask once, for as long as is `left` of the whole time.
pub fn ask(machine: &Machine, service: &Service, health: &Health, left: Duration) -> Answer {
    let limit = left.clamp(ONE[0], ONE[1]);
    let deadline = Deadline(Instant::now() + limit);
    match &health.probe {
        Probe::Tcp(address) => connect(address, deadline).map(|_| ()).into(),
        Probe::Unix(path) => unix(&machine.root, path, deadline).into(),
        Probe::Http(url) => http(url, deadline).into(),
        Probe::Command(words) => command(machine, service, words, health.privileges, limit),
    }
}

/// When a question has to be over.
#[derive(Debug, Clone, Copy)]
struct Deadline(Instant);

impl Deadline {
    /// What is left of the time; an error where nothing is.
    fn left(self) -> Result<Duration, String> {
        let left = self.0.saturating_duration_since(Instant::now());
        if left.is_zero() { Err("no answer in time".to_owned()) } else { Ok(left) }
    }
}

/// How often a socket whose queue is full is tried.
const PULSE: Duration = Duration::from_millis(20);

/// Whether a socket in the file system takes a connection; nothing is sent. The path
/// is walked as all of appctl's are: a link that the service's user could have put
/// there, to the socket of a service that root may speak with, is not followed.
fn unix(root: &Root, path: &str, deadline: Deadline) -> Result<(), String> {
    let said = |error: crate::error::Error| error.diagnostics().first().map(ToString::to_string).unwrap_or_default();
    let place = root.parent(path).map_err(said)?;
    let found = place.map(|(directory, name)| directory.socket(&name)).transpose().map_err(said)?.flatten();
    let Some(found) = found else { return Err(format!("{path}: there is no socket")) };
    let failed = |error: rustix::io::Errno| format!("{path}: {error}");
    let address = SocketAddrUnix::new(format!("/proc/self/fd/{}", found.as_raw_fd())).map_err(failed)?;
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None).map_err(failed)?;
    loop {
        match connect_to(&socket, &address) {
            Ok(()) => return Ok(()),
            // The queue is full.
            Err(rustix::io::Errno::AGAIN) => {
                let left = deadline.left().map_err(|_| format!("{path}: it takes no connection in time"))?;
                std::thread::sleep(PULSE.min(left));
            }
            Err(error) => return Err(failed(error)),
        }
    }
}

/// The addresses that a name stands for. The C library has a patience of its own, so it
/// is waited for from beside.
fn look_up(address: &str, deadline: Deadline) -> Result<Vec<SocketAddr>, String> {
    if let Ok(one) = address.parse() {
        return Ok(vec![one]);
    }
    let (tell, told) = mpsc::channel();
    let name = address.to_owned();
    std::thread::spawn(move || tell.send(name.to_socket_addrs().map(Iterator::collect::<Vec<_>>)));
    match told.recv_timeout(deadline.left()?) {
        Ok(found) => found.map_err(|error| format!("{address}: {error}")),
        Err(_) => Err(format!("{address}: the name was not looked up in time")),
    }
}

fn connect(address: &str, deadline: Deadline) -> Result<TcpStream, String> {
    let addresses = look_up(address, deadline)?;
    // A name may stand for several, of which the program listens on one.
    let mut tried = Err(format!("{address} is no address"));
    for one in addresses {
        tried = TcpStream::connect_timeout(&one, deadline.left()?).map_err(|error| format!("{address}: {error}"));
        if tried.is_ok() {
            break;
        }
    }
    tried
}

/// GET, and a status below 400 (RFC 9112, section 4).
fn http(url: &str, deadline: Deadline) -> Result<(), String> {
    let rest = url.strip_prefix("http://").unwrap_or(url);
    let at = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(at);
    let slash = if path.starts_with('/') { "" } else { "/" };
    let has_port = authority.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
    let address = if has_port { authority.to_owned() } else { format!("{authority}:80") };
    let mut stream = connect(&address, deadline)?;
    let request =
        format!("GET {slash}{path} HTTP/1.1\r\nHost: {authority}\r\nConnection: close\r\nUser-Agent: appctl\r\n\r\n");
    let failed = |error: &std::io::Error| match error.kind() {
        ErrorKind::WouldBlock | ErrorKind::TimedOut => format!("{url}: no answer in time"),
        _ => format!("{url}: {error}"),
    };
    // A request of this size fits into the socket's buffer.
    let left = Some(deadline.left()?);
    let sent = stream.set_write_timeout(left).and_then(|()| stream.write_all(request.as_bytes()));
    sent.map_err(|error| failed(&error))?;
    let mut start = [0; 12];
    let mut filled = 0;
    while filled < start.len() {
        let left = deadline.left().map_err(|why| format!("{url}: {why}"))?;
        match stream.set_read_timeout(Some(left)).and_then(|()| stream.read(&mut start[filled..])) {
            Ok(0) => return Err(format!("{url}: the connection ended before an answer")),
            Ok(count) => filled += count,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(failed(&error)),
        }
    }
    judged(url, &start)
}

/// What the first twelve bytes of an answer say: `HTTP/1.1 200`.
pub fn judged(url: &str, start: &[u8]) -> Result<(), String> {
    let status = std::str::from_utf8(start).ok().filter(|start| start.starts_with("HTTP/1."));
    match status.and_then(|start| start.get(9..12)).and_then(|digits| digits.parse::<u16>().ok()) {
        Some(status) if (200..400).contains(&status) => Ok(()),
        Some(status) => Err(format!("{url} answers {status}")),
        None => Err(format!("{url} does not speak HTTP")),
    }
}

/// As the program's account, with a cleared environment (setpriv(1)); no setuid
/// program gives it more, unless the packager says so.
/// Exit status 75 (EX_TEMPFAIL of sysexits(3)) says that it waits for something else.
fn command(machine: &Machine, service: &Service, words: &[String], gains: bool, limit: Duration) -> Answer {
    let privileges = if gains { Privileges::Gained } else { Privileges::Fixed };
    let user = service.user.as_ref().filter(|_| machine.is_root);
    let mut all: Vec<OsString> = vec!["setpriv".into()];
    all.extend(confined(privileges, user.is_none_or(|user| user == "root"), ""));
    if let Some(user) = user {
        all.extend(["--init-groups", "--regid", user, "--reuid", user].map(OsString::from));
    }
    all.push("--".into());
    all.extend(words.iter().map(OsString::from));
    let path = OsString::from("/usr/local/bin:/usr/bin:/bin");
    let environment = [("PATH".into(), path)].into();
    let child = Child { words: all, environment, directory: "/".into(), limit, whose: Whose::Foreign };
    match process::run(&child) {
        Ok(ended) if ended.is_success() => Answer::Serves,
        Ok(ended) => {
            let said = ended.output.lines().next().unwrap_or("it failed");
            match ended.status {
                Some(75) => Answer::Waits(said.to_owned()),
                _ => Answer::Not(format!("{}: {said}", words.join(" "))),
            }
        }
        Err(error) => Answer::Not(error.diagnostics().first().map(ToString::to_string).unwrap_or_default()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    fn soon() -> Deadline {
        Deadline(Instant::now() + Duration::from_secs(2))
    }

    fn answers(text: &'static str) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = [0; 512];
            let _ = stream.read(&mut request);
            let _ = stream.write_all(text.as_bytes());
        });
        format!("http://127.0.0.1:{port}/up")
    }

    #[test]
    fn a_status_below_400_is_health() {
        let limit = soon();
        assert_eq!(http(&answers("HTTP/1.1 204 No Content\r\n\r\n"), limit), Ok(()));
        assert!(http(&answers("HTTP/1.0 503 Busy\r\n\r\n"), limit).unwrap_err().ends_with("answers 503"));
        assert!(http(&answers("SSH-2.0-OpenSSH"), limit).unwrap_err().ends_with("does not speak HTTP"));
        assert!(http(&answers(""), limit).is_err());
    }

    #[test]
    fn whoever_takes_a_connection_is_healthy() {
        let limit = soon();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        assert!(connect(&format!("127.0.0.1:{port}"), limit).is_ok());
        // By a name that stands for ::1, too, where nobody listens.
        assert!(connect(&format!("localhost:{port}"), limit).is_ok());
        drop(listener);
        assert!(connect(&format!("127.0.0.1:{port}"), limit).unwrap_err().contains("refused"));
        assert!(connect("no.such.name.invalid:80", limit).is_err());
    }

    /// A byte now and then keeps a connection alive, and nobody waiting.
    #[test]
    fn an_answer_that_drips_is_none() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://127.0.0.1:{}/", listener.local_addr().unwrap().port());
        std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            for byte in b"HTTP/1.1 200 OK\r\n" {
                let _ = stream.write_all(&[*byte]);
                std::thread::sleep(Duration::from_millis(400));
            }
        });
        let began = Instant::now();
        assert!(http(&url, Deadline(began + Duration::from_secs(1))).unwrap_err().contains("no answer in time"));
        assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "a test plants a link")]
    fn a_socket_is_asked_in_time_and_not_through_a_link_of_another_s() {
        let scratch = tempfile::tempdir().unwrap();
        let at = |name: &str| scratch.path().join(name);
        let root = Root::open(scratch.path()).unwrap();
        let said = |path: &str| unix(&root, path, Deadline(Instant::now() + Duration::from_millis(300)));
        let listener = std::os::unix::net::UnixListener::bind(at("a")).unwrap();
        assert_eq!(said("/a"), Ok(()));
        rustix::net::listen(&listener, 0).unwrap();
        let began = Instant::now();
        let why = (0..10).find_map(|_| said("/a").err()).unwrap();
        assert!(why.contains("takes no connection in time"), "{why}");
        assert!(began.elapsed() < Duration::from_secs(5));
        std::os::unix::fs::symlink("a", at("link")).unwrap();
        assert!(said("/link").unwrap_err().contains("is no socket"));
        assert!(said("/none").unwrap_err().contains("no socket"));
    }
}
