//! The stanza of a storage.

use super::{absolute, host_and_port, name, truth, within};
use crate::debian::field::Fields;

/// The server of a storage that names none.
const SERVER: &str = "127.0.0.1:8100";

/// Where a server is found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Server {
    /// Name or address (IPv6 without brackets), and port.
    Tcp(String, u16),
    /// Path of a Unix socket.
    Socket(String),
}

impl std::fmt::Display for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Tcp(host, port) if host.contains(':') => write!(f, "[{host}]:{port}"),
            Self::Tcp(host, port) => write!(f, "{host}:{port}"),
            Self::Socket(path) => f.write_str(path),
        }
    }
}

/// Where blobs are on this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BlobDir {
    /// A cache for each instance.
    Private,
    /// The storage has no blobs.
    None,
    /// A directory that the server writes, shown to this machine by a file system.
    Shared(String),
}

/// Certificates of a connection; paths on the machine that the package is installed on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tls {
    /// Who signed the server's certificate; the system's authorities where absent.
    pub ca: Option<String>,
    /// This client's certificate and its key.
    pub client: Option<(String, String)>,
    /// Name in the server's certificate, where it is not the server's address.
    pub server_name: Option<String>,
}

/// A storage that the application uses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Storage {
    /// What the application calls it; unique.
    pub label: String,
    /// What the server calls it.
    pub name: String,
    /// Servers that have it; any of them will do.
    pub servers: Vec<Server>,
    /// Where it is mounted; unique, and `/` once.
    pub mount: String,
    /// Seconds that a client waits for a connection.
    pub wait_timeout: u32,
    /// Size of a client's cache, in bytes.
    pub cache_size: u64,
    /// Whether the cache outlives the client.
    pub persistent_cache: bool,
    /// Where blobs are.
    pub blob_dir: BlobDir,
    /// Size of a client's cache of blobs, in bytes.
    pub blob_cache_size: u64,
    /// Certificates, where the connection is encrypted.
    pub tls: Option<Tls>,
    /// Line of the stanza, from 1.
    pub line: usize,
}

/// The storage of a file that has none.
pub(super) fn main() -> Storage {
    Storage {
        label: "main".to_owned(),
        name: "1".to_owned(),
        servers: server(SERVER).into_iter().collect(),
        mount: "/".to_owned(),
        wait_timeout: 5,
        cache_size: 20 << 20,
        persistent_cache: false,
        blob_dir: BlobDir::Private,
        blob_cache_size: 1 << 30,
        tls: None,
        line: 1,
    }
}

/// The stanza of a storage; `None` where it cannot be made out.
pub(super) fn read(fields: &mut Fields) -> Option<Storage> {
    let default = main();
    let line = fields.line("Storage");
    let label = name(fields, "Storage");
    Some(Storage {
        name: fields.word("Name").map_or(default.name, |word| word.text),
        servers: servers(fields),
        mount: mount(fields).unwrap_or_default(),
        wait_timeout: within(fields, "Wait-Timeout", 1, 3600).unwrap_or(default.wait_timeout),
        cache_size: size(fields, "Cache-Size").unwrap_or(default.cache_size),
        persistent_cache: truth(fields, "Persistent-Cache").unwrap_or(false),
        blob_dir: blob_dir(fields),
        blob_cache_size: size(fields, "Blob-Cache-Size").unwrap_or(default.blob_cache_size),
        tls: tls(fields),
        label: label?,
        line,
    })
}

fn servers(fields: &mut Fields) -> Vec<Server> {
    let Some(list) = fields.field("Server") else { return server(SERVER).into_iter().collect() };
    let mut found = Vec::new();
    for (line, word) in list.words() {
        match server(word) {
            Some(server) => found.push(server),
            None => fields.fault(
                line,
                format!("'{word}' is no address of a server"),
                "write HOST:PORT, [IPV6]:PORT or /path/of/a/socket",
            ),
        }
    }
    if list.lines.is_empty() {
        fields.fault(list.line, "field Server has no value", "give it a value or remove it");
    }
    found
}

/// As share/python/zeoclient reads an address.
pub(super) fn server(text: &str) -> Option<Server> {
    if text.starts_with('/') {
        return Some(Server::Socket(text.to_owned()));
    }
    let (host, port) = host_and_port(text)?;
    Some(Server::Tcp(host, port))
}

fn mount(fields: &mut Fields) -> Option<String> {
    let word = absolute(fields, "Mount")?;
    let trimmed = word.trim_end_matches('/');
    Some(if trimmed.is_empty() { "/".to_owned() } else { trimmed.to_owned() })
}

fn blob_dir(fields: &mut Fields) -> BlobDir {
    let Some(word) = fields.word("Blob-Dir") else { return BlobDir::Private };
    match word.text.as_str() {
        "private" => BlobDir::Private,
        "none" => BlobDir::None,
        path if path.starts_with('/') => BlobDir::Shared(path.to_owned()),
        other => {
            let message = format!("Blob-Dir cannot be '{other}'");
            fields.fault(word.line, message, "write private, none, or the path of a directory that the server shares");
            BlobDir::Private
        }
    }
}

fn tls(fields: &mut Fields) -> Option<Tls> {
    let wanted = truth(fields, "TLS");
    let [ca, cert, key] = ["TLS-CA", "TLS-Cert", "TLS-Key"].map(|name| absolute(fields, name));
    let server_name = fields.word("TLS-Server-Name").map(|word| word.text);
    let given = ca.is_some() || cert.is_some() || key.is_some() || server_name.is_some();
    if cert.is_some() != key.is_some() {
        let (there, missing) = if cert.is_some() { ("TLS-Cert", "TLS-Key") } else { ("TLS-Key", "TLS-Cert") };
        let line = fields.line(there);
        fields.fault(line, format!("{there} without {missing}"), format!("add {missing}"));
    }
    if given && wanted == Some(false) {
        let line = fields.line("TLS");
        fields.fault(line, "TLS is off, and its files are named", "write 'TLS: yes', or remove the other fields");
    }
    (wanted == Some(true) || given).then(|| Tls { ca, client: cert.zip(key), server_name })
}

/// A size as ZConfig writes it: digits, then nothing, KB, MB or GB.
fn size(fields: &mut Fields, field: &'static str) -> Option<u64> {
    let word = fields.word(field)?;
    let text = word.text.to_ascii_uppercase();
    let (digits, shift) = [("KB", 10), ("MB", 20), ("GB", 30)]
        .into_iter()
        .find_map(|(unit, shift)| text.strip_suffix(unit).map(|digits| (digits, shift)))
        .unwrap_or((&text, 0));
    let bytes = digits.parse::<u64>().ok().and_then(|number| number.checked_mul(1 << shift)).filter(|bytes| *bytes > 0);
    if bytes.is_none() {
        fields.fault(word.line, format!("{field} is no size: {}", word.text), "write for example 20MB");
    }
    bytes
}

/// A size as ZConfig reads it, in the largest unit that divides it.
pub fn size_text(bytes: u64) -> String {
    let units = [("GB", 30), ("MB", 20), ("KB", 10)];
    let fitting = units.into_iter().find(|(_, shift)| bytes >> shift << shift == bytes);
    fitting.map_or_else(|| bytes.to_string(), |(unit, shift)| format!("{}{unit}", bytes >> shift))
}
