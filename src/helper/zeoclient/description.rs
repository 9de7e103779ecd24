//! `debian/PKG.zeoclient`: from its stanzas to storages, the application, its
//! administrator and its upgrade, each value checked.
//!
//! Owns the grammar. What is generated from a [`Description`] is not decided here.

use std::collections::BTreeMap;
use std::path::Path;

use crate::debian::field::{self, Fields, Word};
use crate::debian::paragraph;
use crate::error::{Diagnostic, Location, nearest};

/// The compatibility level of the format that this version knows.
const FORMAT: u32 = 1;

/// What a stanza can begin with.
pub const STANZAS: [&str; 4] = ["Storage", "Application", "Bootstrap", "Upgrade"];

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

/// The framework of an application.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framework {
    /// Zope (WSGI): zope.conf.
    Zope,
    /// Grok: site.zcml, and PasteDeploy.
    Grok,
    /// Another zope.app application that PasteDeploy loads.
    Paste,
    /// Pyramid with pyramid_zodbconn.
    Pyramid,
    /// Whatever finds its storages by itself.
    Custom,
}

/// The WSGI application.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Application {
    /// Name of its programs.
    pub name: String,
    /// Framework.
    pub framework: Framework,
    /// Template of its PasteDeploy file, in debian/zeoclient/.
    pub ini: Option<String>,
    /// How many processes.
    pub instances: u16,
    /// Address that the first instance listens on; the next has the next port.
    pub listen: (String, u16),
    /// Line of the stanza, from 1.
    pub line: usize,
}

/// Who makes the first administrator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Maker {
    /// A user in Zope's acl_users.
    Zope,
    /// A principal of zope.pluggableauth.
    Grok,
    /// A function of the application, `MODULE:FUNCTION`.
    Custom(String),
}

/// The first administrator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bootstrap {
    /// How it is made.
    pub maker: Maker,
    /// Its name.
    pub user: String,
    /// Line of the stanza, from 1.
    pub line: usize,
}

/// What runs once for each storage and version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upgrade {
    /// Version of the data, as dpkg orders versions.
    pub version: String,
    /// Program and arguments.
    pub command: Vec<String>,
    /// Whether an interrupted one may simply run again.
    pub restartable: bool,
    /// Line of the stanza, from 1.
    pub line: usize,
}

/// What the file says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Description {
    /// Storages, in order; the one mounted at `/` is among them.
    pub storages: Vec<Storage>,
    /// The application.
    pub application: Option<Application>,
    /// Its administrator.
    pub bootstrap: Option<Bootstrap>,
    /// Its upgrade.
    pub upgrade: Option<Upgrade>,
}

/// Parse the text of `file`. Every fault is in the list; the description holds
/// what could be read.
pub fn parse(text: &str, file: &Path) -> (Description, Vec<Diagnostic>) {
    let (paragraphs, mut faults) = paragraph::parse(text, file);
    let mut description = Description::default();
    let mut once = BTreeMap::new();
    for (index, paragraph) in paragraphs.iter().enumerate() {
        let Some(first) = paragraph.fields().first() else { continue };
        if first.name.eq_ignore_ascii_case("Format") {
            faults.extend(field::header(paragraph, file, index, FORMAT));
            continue;
        }
        let kind = STANZAS.into_iter().find(|name| name.eq_ignore_ascii_case(&first.name));
        let mut fields = Fields::new(file, paragraph);
        match kind {
            Some("Storage") => description.storages.extend(storage(&mut fields)),
            Some("Application") => description.application = application(&mut fields).or(description.application),
            Some("Bootstrap") => description.bootstrap = bootstrap(&mut fields).or(description.bootstrap),
            Some("Upgrade") => description.upgrade = upgrade(&mut fields).or(description.upgrade),
            _ => {
                faults.push(no_stanza(&first.name).at(Location::line(file, first.line)));
                continue;
            }
        }
        if let Some(before) = kind.filter(|name| *name != "Storage").and_then(|name| once.insert(name, first.line)) {
            fields.fault(
                first.line,
                format!("a second stanza {}", first.name),
                format!("the first is on line {before}"),
            );
        }
        faults.extend(fields.finish(&[]));
    }
    if !paragraphs.iter().flat_map(paragraph::Paragraph::fields).any(|field| field.name.eq_ignore_ascii_case("Storage"))
    {
        description.storages.push(main_storage());
    }
    faults.extend(together(&mut description, file, once.contains_key("Application")));
    faults.sort_by(|a, b| a.location.cmp(&b.location));
    (description, faults)
}

fn no_stanza(name: &str) -> Diagnostic {
    let fault = Diagnostic::error(format!("a stanza cannot begin with field '{name}'"));
    fault.hint(match nearest(name, STANZAS) {
        Some(near) => format!("did you mean '{near}'?"),
        None => format!("it begins with one of {}", STANZAS.join(", ")),
    })
}

/// The storage of a file that has none.
fn main_storage() -> Storage {
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

fn storage(fields: &mut Fields) -> Option<Storage> {
    let default = main_storage();
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
fn server(text: &str) -> Option<Server> {
    if text.starts_with('/') {
        return Some(Server::Socket(text.to_owned()));
    }
    let (host, port) = host_and_port(text)?;
    Some(Server::Tcp(host, port))
}

fn host_and_port(text: &str) -> Option<(String, u16)> {
    let (host, port) = text.rsplit_once(':')?;
    let bare = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let host = bare.or((!host.contains(':')).then_some(host)).filter(|host| !host.is_empty())?;
    let port = port.parse().ok().filter(|port| *port > 0)?;
    Some((host.to_owned(), port))
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

fn application(fields: &mut Fields) -> Option<Application> {
    const FRAMEWORKS: [(&str, Framework); 5] = [
        ("zope", Framework::Zope),
        ("grok", Framework::Grok),
        ("paste", Framework::Paste),
        ("pyramid", Framework::Pyramid),
        ("custom", Framework::Custom),
    ];
    let line = fields.line("Application");
    let name = name(fields, "Application");
    let framework = if fields.required("Framework", "write for example 'Framework: zope'").is_some() {
        fields.choice("Framework", &FRAMEWORKS)
    } else {
        None
    };
    let ini = fields.word("Ini").map(|word| word.text);
    let instances = within(fields, "Instances", 1, 64).and_then(|number| u16::try_from(number).ok()).unwrap_or(1);
    let listen = listen(fields, instances);
    Some(Application { name: name?, framework: framework?, ini, instances, listen, line })
}

fn listen(fields: &mut Fields, instances: u16) -> (String, u16) {
    let default = ("127.0.0.1".to_owned(), 8080);
    let Some(word) = fields.word("Listen") else { return default };
    let Some((host, port)) = host_and_port(&word.text) else {
        let message = format!("'{}' is no address to listen on", word.text);
        fields.fault(word.line, message, "write HOST:PORT or [IPV6]:PORT");
        return default;
    };
    if port.checked_add(instances - 1).is_none() {
        let message = format!("{instances} instances from port {port} on go beyond port 65535");
        fields.fault(word.line, message, "choose a lower port");
    }
    (host, port)
}

fn bootstrap(fields: &mut Fields) -> Option<Bootstrap> {
    let line = fields.line("Bootstrap");
    let kind = fields.choice("Bootstrap", &[("zope", "zope"), ("grok", "grok"), ("custom", "custom")]);
    let user = fields.word("Admin-User").and_then(|word| user(fields, word)).unwrap_or_else(|| "admin".to_owned());
    let seed = fields.word("Seed").and_then(|word| function(fields, word));
    let maker = match (kind?, seed) {
        ("custom", Some(seed)) => Maker::Custom(seed),
        ("custom", None) => {
            if fields.field("Seed").is_none() {
                fields.fault(line, "the stanza of Bootstrap lacks field Seed", "write 'Seed: MODULE:FUNCTION'");
            }
            return None;
        }
        (kind, seed) => {
            if seed.is_some() {
                let line = fields.line("Seed");
                fields.fault(line, "field Seed does not belong here", "it is for 'Bootstrap: custom'");
            }
            if kind == "zope" { Maker::Zope } else { Maker::Grok }
        }
    };
    Some(Bootstrap { maker, user, line })
}

fn user(fields: &mut Fields, word: Word) -> Option<String> {
    if word.text.contains(':') {
        fields.fault(word.line, "the administrator's name has a colon", "HTTP's authentication ends the name there");
        return None;
    }
    Some(word.text)
}

/// `MODULE:FUNCTION`, as entry points are written.
fn function(fields: &mut Fields, word: Word) -> Option<String> {
    let identifier = |part: &str| {
        !part.starts_with(|c: char| c.is_ascii_digit())
            && !part.is_empty()
            && part.chars().all(|c| c.is_alphanumeric() || c == '_')
    };
    let fits = word
        .text
        .split_once(':')
        .is_some_and(|(module, function)| module.split('.').all(identifier) && identifier(function));
    if !fits {
        fields.fault(word.line, format!("'{}' is no function", word.text), "write MODULE:FUNCTION");
    }
    fits.then_some(word.text)
}

fn upgrade(fields: &mut Fields) -> Option<Upgrade> {
    let line = fields.line("Upgrade");
    let version = fields.word("Upgrade").and_then(|word| version(fields, word));
    let command = fields.required("Command", "name the program that upgrades the data, and its arguments");
    let restartable = truth(fields, "Restartable").unwrap_or(false);
    let command = command?;
    let words: Vec<String> = command.text.split_whitespace().map(str::to_owned).collect();
    if !words.first().is_some_and(|program| program.starts_with('/')) {
        fields.fault(command.line, "the command is not an absolute path", "write /usr/lib/PACKAGE/venv/bin/PROGRAM");
    }
    if let Some(odd) = words.iter().find(|word| word.contains(['"', '\'', '\\', '$'])) {
        let message = format!("the command is not read by a shell: {odd}");
        fields.fault(command.line, message, "give the words as they are, or name a script");
    }
    Some(Upgrade { version: version?, command: words, restartable, line })
}

/// The upstream part of a version (deb-version(7)).
fn version(fields: &mut Fields, word: Word) -> Option<String> {
    let fits = word.text.starts_with(|c: char| c.is_ascii_digit())
        && word.text.chars().all(|c| c.is_ascii_alphanumeric() || ".+~-".contains(c));
    if !fits {
        fields.fault(word.line, format!("'{}' is no version", word.text), "it begins with a digit, for example 1.2");
    }
    fits.then_some(word.text)
}

/// The first field of a stanza, as a name: a lower-case letter, then those, digits and `-`.
fn name(fields: &mut Fields, field: &'static str) -> Option<String> {
    let word = fields.word(field)?;
    let fits = word.text.starts_with(|c: char| c.is_ascii_lowercase())
        && word.text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
    if !fits {
        let message = format!("'{}' is no name", word.text);
        fields.fault(word.line, message, "it has lower-case letters, digits and '-', a letter first");
    }
    fits.then_some(word.text)
}

fn absolute(fields: &mut Fields, field: &'static str) -> Option<String> {
    let word = fields.word(field)?;
    let fits = word.text.starts_with('/') && !word.text.contains(char::is_whitespace);
    if !fits {
        fields.fault(word.line, format!("{field} is not an absolute path: {}", word.text), "begin it with '/'");
    }
    fits.then_some(word.text)
}

fn truth(fields: &mut Fields, field: &'static str) -> Option<bool> {
    fields.choice(field, &[("yes", true), ("no", false)])
}

fn within(fields: &mut Fields, field: &'static str, least: u32, most: u32) -> Option<u32> {
    let number = fields.number(field)?;
    let fits = u32::try_from(number).ok().filter(|number| (least..=most).contains(number));
    if fits.is_none() {
        let line = fields.line(field);
        fields.fault(line, format!("{field} cannot be {number}"), format!("it is between {least} and {most}"));
    }
    fits
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

/// What can be said only about all stanzas; mounts that were left out are filled in.
fn together(description: &mut Description, file: &Path, has_application: bool) -> Vec<Diagnostic> {
    let mut faults = Vec::new();
    let mut fault = |line: usize, message: String, hint: &str| {
        faults.push(Diagnostic::error(message).at(Location::line(file, line)).hint(hint));
    };
    if !has_application {
        fault(
            1,
            "there is no stanza Application".to_owned(),
            "write one, such as 'Application: web' and its framework",
        );
    }
    let framework = description.application.as_ref().map(|application| application.framework);
    let mounts = framework.is_none_or(|framework| framework == Framework::Zope);
    let mut labels = BTreeMap::new();
    let mut places = BTreeMap::new();
    for (index, storage) in description.storages.iter_mut().enumerate() {
        let line = storage.line;
        if let Some(before) = labels.insert(storage.label.clone(), line) {
            fault(line, format!("a second storage '{}'", storage.label), &format!("the first is on line {before}"));
        }
        match (storage.mount.is_empty(), index) {
            (true, 0) => storage.mount = "/".to_owned(),
            (true, _) if !mounts => storage.mount = format!("/{}", storage.label),
            (true, _) => {
                let hint = "say where the application has it, for example 'Mount: /archive'";
                fault(line, format!("the storage '{}' lacks field Mount", storage.label), hint);
                continue;
            }
            (false, _) if !mounts && storage.mount != "/" => {
                fault(
                    line,
                    "only Zope mounts storages".to_owned(),
                    "remove Mount: the application finds it by its name",
                );
            }
            (false, _) => {}
        }
        if let Some(before) = places.insert(storage.mount.clone(), line) {
            let message = format!("a second storage at {}", storage.mount);
            fault(line, message, &format!("the first is on line {before}"));
        }
    }
    if !places.contains_key("/") && !places.is_empty() {
        let line = description.storages.first().map_or(1, |storage| storage.line);
        fault(line, "no storage is mounted at /".to_owned(), "give one 'Mount: /': it has the administrator");
    }
    if let (Some(framework), Some(bootstrap)) = (framework, &description.bootstrap) {
        let fits = match bootstrap.maker {
            Maker::Zope => framework == Framework::Zope,
            Maker::Grok => matches!(framework, Framework::Grok | Framework::Paste),
            Maker::Custom(_) => true,
        };
        if !fits {
            let message = "this framework has no such administrator".to_owned();
            fault(bootstrap.line, message, "choose the framework's own, or 'Bootstrap: custom' with a Seed");
        }
    }
    faults
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> (Description, Vec<String>) {
        let (description, faults) = parse(text, Path::new("debian/shop.zeoclient"));
        assert!(faults.iter().all(|fault| fault.hint.is_some()), "{faults:#?}");
        (description, faults.iter().map(ToString::to_string).collect())
    }

    /// The faults of a file, without its path.
    fn faults(text: &str) -> Vec<String> {
        read(text).1.iter().map(|fault| fault.replace("debian/shop.zeoclient:", "")).collect()
    }

    /// The faults of a stanza that stands from line 4 on, beside an application.
    fn faults_of(stanza: &str) -> Vec<String> {
        faults(&format!("Application: web\nFramework: zope\n\n{stanza}"))
    }

    #[test]
    fn the_smallest_file_has_one_storage() {
        let (description, faults) = read("Application: web\nFramework: zope\n");
        assert_eq!(faults, [] as [&str; 0]);
        assert_eq!(description.storages, [main_storage()]);
        let application = description.application.unwrap();
        assert_eq!((application.instances, application.listen), (1, ("127.0.0.1".to_owned(), 8080)));
        assert_eq!((description.bootstrap, description.upgrade), (None, None));
    }

    #[test]
    fn a_file_with_everything() {
        let (description, faults) = read(
            "Format: 1\n\nStorage: main\nServer: zeo1:8100 [::1]:8101\n /run/zeo.sock\nName: shop\nWait-Timeout: 10\n\
             Cache-Size: 64MB\nPersistent-Cache: yes\nBlob-Cache-Size: 2gb\nTLS-CA: /etc/shop/ca.pem\n\
             TLS-Cert: /etc/shop/node.pem\nTLS-Key: /etc/shop/node.key\nTLS-Server-Name: zeo\n\n\
             Storage: archive\nMount: /archive/\nBlob-Dir: /srv/blobs\n\n\
             Application: web\nFramework: zope\nIni: shop.ini.hbs\nInstances: 2\nListen: [::1]:9000\n\n\
             Bootstrap: zope\nAdmin-User: root\n\n\
             Upgrade: 1.2~rc1\nCommand: /usr/lib/shop/venv/bin/shop evolve\nRestartable: yes\n",
        );
        assert_eq!(faults, [] as [&str; 0]);
        let [main, archive] = description.storages.as_slice() else { panic!("two storages") };
        let servers =
            [Server::Tcp("zeo1".into(), 8100), Server::Tcp("::1".into(), 8101), Server::Socket("/run/zeo.sock".into())];
        assert_eq!(main.servers, servers);
        assert_eq!((main.name.as_str(), main.mount.as_str(), main.wait_timeout), ("shop", "/", 10));
        assert_eq!((main.cache_size, main.blob_cache_size, main.persistent_cache), (64 << 20, 2 << 30, true));
        let tls = main.tls.as_ref().unwrap();
        assert_eq!(tls.client, Some(("/etc/shop/node.pem".to_owned(), "/etc/shop/node.key".to_owned())));
        assert_eq!((archive.mount.as_str(), &archive.blob_dir), ("/archive", &BlobDir::Shared("/srv/blobs".into())));
        assert_eq!((archive.line, archive.tls.as_ref()), (16, None));
        let application = description.application.unwrap();
        assert_eq!((application.instances, application.listen), (2, ("::1".to_owned(), 9000)));
        assert_eq!(description.bootstrap.unwrap().user, "root");
        let upgrade = description.upgrade.unwrap();
        assert_eq!(upgrade.command, ["/usr/lib/shop/venv/bin/shop", "evolve"]);
        assert!(upgrade.restartable);
    }

    #[test]
    fn the_example_is_read() {
        let text = include_str!("../../../examples/zope/debian/board.zeoclient");
        let (description, faults) = read(text);
        assert_eq!(faults, [] as [&str; 0]);
        assert_eq!(description.application.map(|application| application.instances), Some(2));
    }

    #[test]
    fn a_fault_of_each_kind_has_its_line() {
        for (stanza, expected) in [
            ("Storage: Main\n", "4: 'Main' is no name"),
            ("Storage: main\nServer: localhost\n", "5: 'localhost' is no address of a server"),
            ("Storage: main\nServer: a:1\n b:0\n", "6: 'b:0' is no address of a server"),
            ("Storage: main\nServer:\n", "5: field Server has no value"),
            ("Storage: main\nMount: archive\n", "5: Mount is not an absolute path: archive"),
            ("Storage: main\nMount: /a\n", "4: no storage is mounted at /"),
            ("Storage: main\nWait-Timeout: 0\n", "5: Wait-Timeout cannot be 0"),
            ("Storage: main\nWait-Timeout: soon\n", "5: Wait-Timeout is a whole number, not 'soon'"),
            ("Storage: main\nCache-Size: 20 MB\n", "5: Cache-Size is no size: 20 MB"),
            ("Storage: main\nBlob-Cache-Size: 99999999999GB\n", "5: Blob-Cache-Size is no size: 99999999999GB"),
            ("Storage: main\nPersistent-Cache: on\n", "5: Persistent-Cache cannot be 'on'"),
            ("Storage: main\nBlob-Dir: blobs\n", "5: Blob-Dir cannot be 'blobs'"),
            ("Storage: main\nTLS-Cert: /c\n", "5: TLS-Cert without TLS-Key"),
            ("Storage: main\nTLS-Key: /k\n", "5: TLS-Key without TLS-Cert"),
            ("Storage: main\nTLS: no\nTLS-CA: /c\n", "5: TLS is off, and its files are named"),
            ("Storage: main\nServr: a:1\n", "5: unknown field 'Servr'"),
            ("Storage: main\n\nStorage: main\nMount: /b\n", "6: a second storage 'main'"),
            ("Storage: main\n\nStorage: b\nMount: /\n", "6: a second storage at /"),
            ("Storage: main\n\nStorage: b\n", "6: the storage 'b' lacks field Mount"),
            ("Application: two\nFramework: zope\n", "4: a second stanza Application"),
            ("Bootstrap: plone\n", "4: Bootstrap cannot be 'plone'"),
            ("Bootstrap: grok\n", "4: this framework has no such administrator"),
            ("Bootstrap: zope\nAdmin-User: a:b\n", "5: the administrator's name has a colon"),
            ("Bootstrap: zope\nSeed: a:b\n", "5: field Seed does not belong here"),
            ("Bootstrap: custom\n", "4: the stanza of Bootstrap lacks field Seed"),
            ("Bootstrap: custom\nSeed: shop.setup\n", "5: 'shop.setup' is no function"),
            ("Upgrade: v1\nCommand: /bin/true\n", "4: 'v1' is no version"),
            ("Upgrade: 1\n", "4: the stanza of Upgrade lacks field Command"),
            ("Upgrade: 1\nCommand: shop evolve\n", "5: the command is not an absolute path"),
            ("Upgrade: 1\nCommand: /bin/sh -c 'x'\n", "5: the command is not read by a shell: 'x'"),
            ("Bootstrp: zope\n", "4: a stanza cannot begin with field 'Bootstrp'"),
        ] {
            assert_eq!(faults_of(stanza), [expected], "{stanza}");
        }
    }

    #[test]
    fn the_application_is_looked_at_too() {
        assert_eq!(faults("Storage: main\n"), ["1: there is no stanza Application"]);
        assert_eq!(faults("Application: web\n"), ["1: the stanza of Application lacks field Framework"]);
        assert_eq!(faults("Application: web\nFramework: zop\n"), ["2: Framework cannot be 'zop'"]);
        let rest = "Application: web\nFramework: zope\n";
        assert_eq!(faults(&format!("{rest}Instances: 0\n")), ["3: Instances cannot be 0"]);
        assert_eq!(faults(&format!("{rest}Listen: 8080\n")), ["3: '8080' is no address to listen on"]);
        assert_eq!(
            faults(&format!("{rest}Listen: a:65535\nInstances: 2\n")),
            ["3: 2 instances from port 65535 on go beyond port 65535"]
        );
        assert_eq!(
            faults("Format: 2\n\nApplication: web\nFramework: zope\n"),
            ["1: format 2 is newer than this dh_zeoclient, which knows 1"]
        );
    }

    #[test]
    fn only_zope_mounts() {
        let rest = "Application: web\nFramework: pyramid\n\nStorage: main\n\nStorage: log\n";
        let (description, faults) = read(rest);
        assert_eq!(faults, [] as [&str; 0]);
        assert_eq!(description.storages[1].mount, "/log");
        assert_eq!(self::faults(&format!("{rest}Mount: /x\n")), ["6: only Zope mounts storages"]);
    }
}
