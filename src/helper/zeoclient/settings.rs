//! What an administrator can set: the stanzas that dh_appconfig is given.

use std::fmt::Write as _;

use super::description::{BlobDir, Storage, size_text};
use super::site::{Site, setting};
use super::texts::{PASSWORD, Rendered};

/// The text for dh_appconfig. `files`: what is rendered on the machine.
/// `described`: settings that the packager has described himself.
pub fn text(site: &Site<'_>, files: &[Rendered], described: &[String]) -> String {
    let mut stanzas = Stanzas { text: String::new(), described };
    stanzas.put(&[("User", site.user()), ("Home", &format!("/var/lib/{}", site.package))]);
    for storage in site.storages() {
        self::storage(&mut stanzas, storage);
    }
    for instance in 0..site.application.instances {
        listen(&mut stanzas, site, instance);
    }
    if site.description.bootstrap.is_some() {
        stanzas.setting(
            PASSWORD,
            &[
                ("Type", "secret"),
                ("Length", "32"),
                ("Ask", "low"),
                ("Description", "Password of the first administrator"),
            ],
            "At least 24 characters. It counts where the database has no administrator yet. Without one the machine makes it.",
        );
    }
    for file in files {
        let mode = format!("{:04o}", file.mode);
        let mut fields =
            vec![("File", file.path.as_str()), ("Template", &file.template), ("Escape", file.escape), ("Mode", &mode)];
        let restart = format!("restart {}", site.application.name);
        fields.push(("On-Change", if file.restart { &restart } else { "none" }));
        fields.extend(file.check.as_deref().map(|check| ("Check", check)));
        stanzas.put(&fields);
    }
    stanzas.text
}

struct Stanzas<'a> {
    text: String,
    described: &'a [String],
}

impl Stanzas<'_> {
    fn put(&mut self, fields: &[(&str, &str)]) {
        self.text.push('\n');
        for (name, value) in fields.iter().filter(|(name, value)| !value.is_empty() || *name == "Setting") {
            // Writing to a string cannot fail.
            let _ = writeln!(self.text, "{name}: {value}");
        }
    }

    fn setting(&mut self, name: &str, fields: &[(&str, &str)], long: &str) {
        if self.described.iter().any(|known| known == name) {
            return;
        }
        let all: Vec<(&str, &str)> = [("Setting", name)].into_iter().chain(fields.iter().copied()).collect();
        self.put(&all);
        if !long.is_empty() {
            let _ = writeln!(self.text, " {long}");
        }
    }
}

/// `Description` comes last: what is said at length follows it.
fn storage(stanzas: &mut Stanzas<'_>, storage: &Storage) {
    let of = format!("of the storage '{}'", storage.label);
    let mut set = |name: &str, kind: &str, default: &str, more: &[(&str, &str)], text: &str, long: &str| {
        let text = format!("{text} {of}");
        let mut fields = vec![("Type", kind), ("Default", default)];
        fields.extend(more);
        fields.push(("Description", &text));
        stanzas.setting(&setting(storage, name), &fields, long);
    };
    let servers: Vec<String> = storage.servers.iter().map(ToString::to_string).collect();
    let ask = [("Ask", "medium")];
    let addresses =
        "HOST:PORT, [IPV6]:PORT or the path of a socket; several with white space between them, any of which will do.";
    set("server", "list", &servers.join(" "), if storage.mount == "/" { &ask } else { &[] }, "ZEO server", addresses);
    set("storage", "string", &storage.name, &[], "The server's name", "");
    let seconds = [("Min", "1"), ("Max", "3600")];
    let timeout = storage.wait_timeout.to_string();
    set("wait_timeout", "integer", &timeout, &seconds, "Seconds to wait for the server", "");
    let size = [("Pattern", "[0-9]+([KMG]B)?")];
    set("cache_size", "string", &size_text(storage.cache_size), &size, "Size of an instance's cache", "");
    match &storage.blob_dir {
        BlobDir::Private => {
            let default = size_text(storage.blob_cache_size);
            set("blob_cache_size", "string", &default, &size, "Size of an instance's cache of blobs", "");
        }
        BlobDir::Shared(path) => set("blob_dir", "path", path, &[], "Directory of blobs, which the server shares,", ""),
        BlobDir::None => {}
    }
    let tls = storage.tls.clone().unwrap_or_default();
    let (cert, key) = tls.client.unwrap_or_default();
    let wanted = if storage.tls.is_some() { "yes" } else { "no" };
    set("tls", "boolean", wanted, &[], "Whether TLS protects the connection to the server", "");
    set("tls_ca", "path", &tls.ca.unwrap_or_default(), &[], "Who has signed the certificate of the server", "");
    set("tls_cert", "path", &cert, &[], "This machine's certificate for the server", "");
    set("tls_key", "path", &key, &[], "Key of this machine's certificate for the server", "");
    let name = tls.server_name.unwrap_or_default();
    set("tls_server_name", "string", &name, &[], "Name in the certificate of the server", "");
}

fn listen(stanzas: &mut Stanzas<'_>, site: &Site<'_>, instance: u16) {
    let (host, port) = &site.application.listen;
    let host = if host.contains(':') { format!("[{host}]") } else { host.clone() };
    let default = format!("{host}:{}", port.saturating_add(instance));
    let text = match site.application.instances {
        1 => format!("Address that {} listens on", site.application.name),
        _ => format!("Address that instance {instance} of {} listens on", site.application.name),
    };
    stanzas.setting(&site.listen(instance), &[("Type", "hostport"), ("Default", &default), ("Description", &text)], "");
}
