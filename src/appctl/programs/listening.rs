//! Whether a process listens on an address, as the kernel has it (proc(5)).

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::appctl::fs::Root;

/// Whether `process` has a socket that listens on each address (`IP:PORT`,
/// `[IP]:PORT` or a path); one that is none of these is taken to be. That somebody
/// else listens there, or a service that has inherited a socket, is not enough.
pub fn all<'a>(root: &Root, process: u32, addresses: impl Iterator<Item = &'a str>) -> bool {
    let file = |name: &str| root.text(&format!("/proc/net/{name}")).ok().flatten().unwrap_or_default();
    let (tcp, tcp6) = (file("tcp"), file("tcp6"));
    let unix = file("unix");
    let own = sockets(root, process);
    // Where they cannot be seen, anybody's do.
    let is_own = |inode: &str| own.as_ref().is_none_or(|own| own.contains(inode));
    for address in addresses {
        let is_open = match address.parse::<SocketAddr>() {
            Ok(address) => [&tcp, &tcp6].into_iter().flat_map(|table| of_tcp(table, address)).any(is_own),
            Err(_) if address.starts_with('/') => of_unix(&unix, address).any(is_own),
            Err(_) => true,
        };
        if !is_open {
            return false;
        }
    }
    true
}

/// The inodes of a process's sockets.
fn sockets(root: &Root, process: u32) -> Option<BTreeSet<String>> {
    let directory = root.directory(&format!("/proc/{process}/fd")).ok()??;
    let names = directory.names().ok()?;
    let links = names.iter().filter_map(|name| directory.link(name).ok().flatten());
    Some(links.filter_map(|link| Some(link.strip_prefix("socket:[")?.strip_suffix(']')?.to_owned())).collect())
}

/// The inodes of the sockets that listen there, 0A being that state:
/// `  0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 12345 …`.
fn of_tcp(table: &str, wanted: SocketAddr) -> impl Iterator<Item = &str> {
    table.lines().filter_map(move |line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let is_it = words.get(3) == Some(&"0A") && words.get(1).copied().and_then(address) == Some(wanted);
        words.get(9).copied().filter(|_| is_it)
    })
}

/// Each four bytes of an address are a number in the machine's order.
fn address(text: &str) -> Option<SocketAddr> {
    let (host, port) = text.split_once(':')?;
    let mut bytes = Vec::new();
    for at in (0..host.len()).step_by(8) {
        bytes.extend(u32::from_str_radix(host.get(at..at + 8)?, 16).ok()?.to_ne_bytes());
    }
    let ip: IpAddr = match bytes.len() {
        4 => Ipv4Addr::from(<[u8; 4]>::try_from(bytes).ok()?).into(),
        16 => Ipv6Addr::from(<[u8; 16]>::try_from(bytes).ok()?).into(),
        _ => return None,
    };
    Some(SocketAddr::new(ip, u16::from_str_radix(port, 16).ok()?))
}

/// `…: 00000002 00000000 00010000 0001 01 12345 /run/x`; 00010000: it listens.
fn of_unix<'a>(table: &'a str, path: &str) -> impl Iterator<Item = &'a str> {
    table.lines().filter_map(move |line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let is_it = words.get(3) == Some(&"00010000") && words.get(7) == Some(&path);
        words.get(6).copied().filter(|_| is_it)
    })
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "a test starts another process")]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_found_in_the_kernels_tables() {
        let v4 = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let v6 = std::net::TcpListener::bind("[::1]:0").unwrap();
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("socket");
        let unix = std::os::unix::net::UnixListener::bind(&path).unwrap();
        let addresses =
            [v4.local_addr().unwrap().to_string(), v6.local_addr().unwrap().to_string(), path.display().to_string()];
        let root = Root::open(std::path::Path::new("/")).unwrap();
        let own = std::process::id();
        assert!(all(&root, own, addresses.iter().map(String::as_str)));
        // Another's are not enough.
        let mut other = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        for address in &addresses {
            assert!(!all(&root, other.id(), [address.as_str()].into_iter()), "{address}");
        }
        other.kill().unwrap();
        other.wait().unwrap();
        drop((v4, v6, unix));
        for address in &addresses {
            assert!(!all(&root, own, [address.as_str()].into_iter()), "{address}");
        }
        assert!(all(&root, own, ["vsock:1:2"].into_iter()));
    }
}
