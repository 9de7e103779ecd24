//! Whether a program serves: it is asked, in one of four ways.

use std::ffi::OsString;
use std::io::{ErrorKind, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use crate::appctl::Machine;
use crate::appctl::process::{self, Child};
use crate::configuration::program::{Probe, Service};

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
pub fn ask(machine: &Machine, service: &Service, probe: &Probe, left: Duration) -> Answer {
    let limit = left.clamp(ONE[0], ONE[1]);
    match probe {
        Probe::Tcp(address) => connect(address, limit).map(|_| ()).into(),
        Probe::Unix(path) => UnixStream::connect(path).map(|_| ()).map_err(|error| format!("{path}: {error}")).into(),
        Probe::Http(url) => http(url, limit).into(),
        Probe::Command(words) => command(machine, service, words, limit),
    }
}

fn connect(address: &str, limit: Duration) -> Result<TcpStream, String> {
    let addresses = address.to_socket_addrs().map_err(|error| format!("{address}: {error}"))?;
    // A name may stand for several, of which the program listens on one.
    let mut tried = Err(format!("{address} is no address"));
    for one in addresses {
        tried = TcpStream::connect_timeout(&one, limit).map_err(|error| format!("{address}: {error}"));
        if tried.is_ok() {
            break;
        }
    }
    let stream = tried?;
    let times = stream.set_read_timeout(Some(limit)).and_then(|()| stream.set_write_timeout(Some(limit)));
    times.map_err(|error| format!("{address}: {error}"))?;
    Ok(stream)
}

/// GET, and a status below 400 (RFC 9112, section 4).
fn http(url: &str, limit: Duration) -> Result<(), String> {
    let rest = url.strip_prefix("http://").unwrap_or(url);
    let at = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(at);
    let slash = if path.starts_with('/') { "" } else { "/" };
    let has_port = authority.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
    let address = if has_port { authority.to_owned() } else { format!("{authority}:80") };
    let mut stream = connect(&address, limit)?;
    let request =
        format!("GET {slash}{path} HTTP/1.1\r\nHost: {authority}\r\nConnection: close\r\nUser-Agent: appctl\r\n\r\n");
    let mut start = [0; 12];
    let answer = stream.write_all(request.as_bytes()).and_then(|()| stream.read_exact(&mut start));
    answer.map_err(|error| match error.kind() {
        ErrorKind::WouldBlock | ErrorKind::TimedOut => format!("{url}: no answer in {limit:?}"),
        _ => format!("{url}: {error}"),
    })?;
    let status = std::str::from_utf8(&start).ok().filter(|start| start.starts_with("HTTP/1."));
    match status.and_then(|start| start.get(9..12)).and_then(|digits| digits.parse::<u16>().ok()) {
        Some(status) if (200..400).contains(&status) => Ok(()),
        Some(status) => Err(format!("{url} answers {status}")),
        None => Err(format!("{url} does not speak HTTP")),
    }
}

/// As the program's account, with a cleared environment (setpriv(1)).
/// Exit status 75 (EX_TEMPFAIL of sysexits(3)) says that it waits for something else.
fn command(machine: &Machine, service: &Service, words: &[String], limit: Duration) -> Answer {
    let mut all: Vec<OsString> = Vec::new();
    if let Some(user) = service.user.as_ref().filter(|_| machine.is_root) {
        let options = ["setpriv", "--init-groups", "--regid", user, "--reuid", user, "--"];
        all.extend(options.map(OsString::from));
    }
    all.extend(words.iter().map(OsString::from));
    let path = OsString::from("/usr/local/bin:/usr/bin:/bin");
    let child = Child { words: all, environment: [("PATH".into(), path)].into(), directory: "/".into(), limit };
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
        let limit = Duration::from_secs(2);
        assert_eq!(http(&answers("HTTP/1.1 204 No Content\r\n\r\n"), limit), Ok(()));
        assert!(http(&answers("HTTP/1.0 503 Busy\r\n\r\n"), limit).unwrap_err().ends_with("answers 503"));
        assert!(http(&answers("SSH-2.0-OpenSSH"), limit).unwrap_err().ends_with("does not speak HTTP"));
        assert!(http(&answers(""), limit).is_err());
    }

    #[test]
    fn whoever_takes_a_connection_is_healthy() {
        let limit = Duration::from_secs(2);
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        assert!(connect(&format!("127.0.0.1:{port}"), limit).is_ok());
        // By a name that stands for ::1, too, where nobody listens.
        assert!(connect(&format!("localhost:{port}"), limit).is_ok());
        drop(listener);
        assert!(connect(&format!("127.0.0.1:{port}"), limit).unwrap_err().contains("refused"));
        assert!(connect("no.such.name.invalid:80", limit).is_err());
    }
}
