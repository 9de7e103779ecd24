//! Whether somebody listens on an address, as the kernel has it (proc(5)).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::appctl::fs::Root;

/// Whether each address (`IP:PORT`, `[IP]:PORT` or a path) is listened on; one
/// that is none of these is taken to be.
pub fn all<'a>(root: &Root, addresses: impl Iterator<Item = &'a str>) -> bool {
    let file = |name: &str| root.text(&format!("/proc/net/{name}")).ok().flatten().unwrap_or_default();
    let (tcp, tcp6) = (file("tcp"), file("tcp6"));
    let unix = file("unix");
    for address in addresses {
        let is_open = match address.parse::<SocketAddr>() {
            Ok(address) => has_tcp(&tcp, address) || has_tcp(&tcp6, address),
            Err(_) if address.starts_with('/') => has_unix(&unix, address),
            Err(_) => true,
        };
        if !is_open {
            return false;
        }
    }
    true
}

/// `  0: 0100007F:1F90 00000000:0000 0A …`; 0A: it listens.
fn has_tcp(table: &str, wanted: SocketAddr) -> bool {
    table.lines().any(|line| {
        let mut words = line.split_whitespace().skip(1);
        let (local, state) = (words.next(), words.nth(1));
        state == Some("0A") && local.and_then(address) == Some(wanted)
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
fn has_unix(table: &str, path: &str) -> bool {
    table.lines().any(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        words.get(3) == Some(&"00010000") && words.get(7) == Some(&path)
    })
}

#[cfg(test)]
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
        assert!(all(&root, addresses.iter().map(String::as_str)));
        drop((v4, v6, unix));
        for address in &addresses {
            assert!(!all(&root, [address.as_str()].into_iter()), "{address}");
        }
        assert!(all(&root, ["vsock:1:2"].into_iter()));
    }
}
