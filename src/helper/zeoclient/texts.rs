//! The configuration files, as templates of dh_appconfig: share/python/zeoclient's
//! own, the framework's databases, and the WSGI server's.

use std::fmt::Write as _;

use serde::Serialize;

use super::description::{BlobDir, Framework, Maker, Storage};
use super::site::{Site, setting};
use crate::error::Result;
use crate::render::render;

/// The setting with the first administrator's password.
pub const PASSWORD: &str = "admin_password";

/// A file that is rendered on the machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rendered {
    /// Its path there.
    pub path: String,
    /// Its template's name.
    pub template: String,
    /// The template; absent where the packager writes it.
    pub text: Option<String>,
    /// dh_appconfig's word for the way in which values are written.
    pub escape: &'static str,
    /// Its permissions.
    pub mode: u32,
    /// Whether a change restarts the application.
    pub restart: bool,
    /// What looks at it before it counts.
    pub check: Option<String>,
}

/// Data of the templates in share/templates/zeoclient.
#[derive(Debug, Serialize)]
struct Data<'a> {
    package: &'a str,
    user: &'a str,
    home: String,
    site: String,
    zope_conf: String,
    zodb_conf: String,
    databases: String,
    loads: String,
    zcml: &'a [String],
    pyramid: bool,
    others: Vec<&'a str>,
    main: &'a str,
    client: String,
    password: String,
}

/// Where site.zcml lies; Zope looks for it in etc/ of its instance's home.
pub fn site_zcml(site: &Site<'_>) -> Option<String> {
    match site.application.framework {
        Framework::Zope => Some(format!("/usr/lib/{}/zope/etc/site.zcml", site.package)),
        Framework::Grok | Framework::Paste => Some(format!("/usr/lib/{}/zope/site.zcml", site.package)),
        Framework::Pyramid | Framework::Custom => None,
    }
}

/// The text of site.zcml, where the packager writes none.
pub fn default_site_zcml(site: &Site<'_>) -> Result<String> {
    let name = if site.application.framework == Framework::Zope { "zope" } else { "grok" };
    render(&format!("zeoclient/site-{name}.zcml"), &data(site))
}

/// The program that supervisord starts, as root: it opens the password and becomes the user.
pub fn start(site: &Site<'_>) -> Result<String> {
    render("zeoclient/start.sh", &data(site))
}

/// What is removed at a purge.
pub fn postrm(site: &Site<'_>) -> Result<String> {
    render("zeoclient/postrm.sh", &data(site))
}

/// Every file that is rendered. `own`: names of the packager's templates.
pub fn rendered(site: &Site<'_>, own: &[String]) -> Result<Vec<Rendered>> {
    let data = data(site);
    let mut all = vec![Rendered {
        path: site.configuration("zeoclient.toml"),
        template: "zeoclient.toml.hbs".to_owned(),
        text: Some(toml(site)),
        escape: "toml",
        mode: 0o644,
        restart: true,
        check: Some(format!(
            "{} {} --config {{{{file}}}} check",
            site.python(),
            format_args!("{}/run.py", site.library())
        )),
    }];
    let mut file = |name: &str, escape: &'static str, template: &str| -> Result<()> {
        all.push(Rendered {
            path: site.configuration(name),
            template: format!("{name}.hbs"),
            text: Some(render(&format!("zeoclient/{template}"), &data)?),
            escape,
            mode: 0o644,
            restart: true,
            check: None,
        });
        Ok(())
    };
    match site.application.framework {
        Framework::Zope => file("zope.conf", "zconfig", "zope.conf")?,
        Framework::Grok | Framework::Paste => file("zope.conf", "zconfig", "grok.conf")?,
        Framework::Pyramid | Framework::Custom => file("zodb.conf", "zconfig", "zodb.conf")?,
    }
    match site.application.framework {
        Framework::Zope => file("zope.ini", "ini", "zope.ini")?,
        Framework::Custom => {}
        _ => file("deploy.ini", "ini", "deploy.ini")?,
    }
    if let Some((name, _)) = &site.application.ini {
        if let Some(ini) = all.iter_mut().find(|file| file.escape == "ini") {
            ini.template.clone_from(name);
            ini.text = None;
        }
    }
    if site.description.bootstrap.is_some() {
        let check =
            format!("/bin/sh -c 'exec {} check-password --password-fd 0 <\"$1\"' sh {{{{file}}}}", site.client_words());
        all.push(Rendered {
            path: site.configuration("admin-password"),
            template: "admin-password.hbs".to_owned(),
            text: Some(format!("{{{{{PASSWORD}}}}}\n")),
            escape: "none",
            mode: 0o600,
            restart: false,
            check: Some(check),
        });
    }
    for file in &mut all {
        if own.contains(&file.template) {
            file.text = None;
        }
    }
    Ok(all)
}

impl Site<'_> {
    fn client_words(&self) -> String {
        self.client().join(" ")
    }
}

fn data<'a>(site: &Site<'a>) -> Data<'a> {
    let storages = site.storages();
    Data {
        package: site.package,
        user: site.application.user.as_deref().unwrap_or(site.package),
        home: format!("/var/lib/{}", site.package),
        site: site_zcml(site).unwrap_or_default(),
        zope_conf: site.configuration("zope.conf"),
        zodb_conf: site.configuration("zodb.conf"),
        databases: databases(site),
        loads: site.application.loads.clone().unwrap_or_else(|| format!("egg:{}", site.package)),
        zcml: &site.application.zcml,
        pyramid: site.application.framework == Framework::Pyramid,
        main: site.description.storages.iter().find(|it| it.mount == "/").map_or("main", |it| &it.label),
        others: storages.iter().skip(1).filter_map(|it| label(site, &it.label)).collect(),
        client: site.client_words(),
        password: site.description.bootstrap.as_ref().map(|_| site.configuration("admin-password")).unwrap_or_default(),
    }
}

/// The label with the description's own lifetime.
fn label<'a>(site: &Site<'a>, name: &str) -> Option<&'a str> {
    site.description.storages.iter().map(|storage| storage.label.as_str()).find(|label| *label == name)
}

/// The databases, in ZConfig's words.
fn databases(site: &Site<'_>) -> String {
    let is_zope = site.application.framework == Framework::Zope;
    let section = if is_zope { "zodb_db" } else { "zodb" };
    let mut text = String::new();
    for storage in site.storages() {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "<{section} {}>", storage.label);
        if is_zope {
            let _ = writeln!(text, "  mount-point {}", storage.mount);
        }
        text += &client_storage(storage);
        let _ = writeln!(text, "</{section}>");
    }
    text
}

/// `$(ZEOCLIENT_CACHE)` is the directory of the instance: ZConfig takes it from
/// the environment, so that one file serves all instances.
fn client_storage(storage: &Storage) -> String {
    let name = |name: &str| format!("{{{{{}}}}}", setting(storage, name));
    let (tls, ca, cert) = (setting(storage, "tls"), setting(storage, "tls_ca"), setting(storage, "tls_cert"));
    let server_name = setting(storage, "tls_server_name");
    let mut text = format!(
        "  <clientstorage>\n{{{{#each {}}}}}\n    server {{{{this}}}}\n{{{{/each}}}}\n    storage {}\n    \
         wait-timeout {}\n    cache-size {}\n",
        setting(storage, "server"),
        name("storage"),
        name("wait_timeout"),
        name("cache_size")
    );
    if storage.persistent_cache {
        text += &format!("    cache-path $(ZEOCLIENT_CACHE)/{}.zec\n", storage.label);
    }
    match &storage.blob_dir {
        BlobDir::Private => {
            text += &format!(
                "    blob-dir $(ZEOCLIENT_CACHE)/{}.blobs\n    blob-cache-size {}\n",
                storage.label,
                name("blob_cache_size")
            );
        }
        BlobDir::Shared(_) => text += &format!("    blob-dir {}\n    shared-blob-dir on\n", name("blob_dir")),
        BlobDir::None => {}
    }
    text += &format!(
        "{{{{#if {tls}}}}}\n    <ssl>\n{{{{#if {ca}}}}}\n      authenticate {}\n{{{{/if}}}}\n{{{{#if {cert}}}}}\n      \
         certificate {}\n      key {}\n{{{{/if}}}}\n{{{{#if {server_name}}}}}\n      server-hostname {}\n{{{{/if}}}}\n    \
         </ssl>\n{{{{/if}}}}\n  </clientstorage>\n",
        name("tls_ca"),
        name("tls_cert"),
        name("tls_key"),
        name("tls_server_name")
    );
    text
}

/// A TOML string; JSON's are the same for what stands here.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

fn list(words: &[String]) -> String {
    format!("[{}]", words.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(", "))
}

/// The command that serves, with `{host}`, `{port}` and `{instance}` in it.
fn command(site: &Site<'_>) -> Vec<String> {
    if let Some(command) = &site.application.command {
        return command.clone();
    }
    let program = |name: &str| format!("{}/bin/{name}", site.prefix);
    let words = match site.application.framework {
        Framework::Zope => vec![program("runwsgi"), site.configuration("zope.ini")],
        Framework::Pyramid => vec![program("pserve"), site.configuration("deploy.ini")],
        _ => vec![program("paster"), "serve".to_owned(), site.configuration("deploy.ini")],
    };
    // Not `host` and `port`: PasteDeploy leaves out a section's options that have the name of a variable.
    words.into_iter().chain(["listen_host={host}".to_owned(), "listen_port={port}".to_owned()]).collect()
}

/// The program in the venv that serves; `None` where the packager names another one.
pub fn server_program(site: &Site<'_>) -> Option<String> {
    let first = command(site).into_iter().next()?;
    first.strip_prefix(site.prefix)?.strip_prefix('/').map(str::to_owned)
}

fn toml(site: &Site<'_>) -> String {
    let package = site.package;
    let listens: Vec<String> =
        (0..site.application.instances).map(|number| format!("{{{{{}}}}}", site.listen(number))).collect();
    let mut text = format!(
        "# What {package} needs beside its own start: dh_zeoclient(1).\n\
         format = 1\npackage = {}\nstate = {}\n\n[server]\ncommand = {}\nlisten = {}\n\
         cache = {}\nruntime = {}\n",
        quoted(package),
        quoted(&format!("/var/lib/{package}")),
        list(&command(site)),
        list(&listens),
        quoted(&format!("/var/cache/{package}")),
        quoted(&format!("/run/{package}")),
    );
    if let Some(path) = &site.application.health {
        let _ = writeln!(text, "health = {}", quoted(path));
    }
    for storage in site.storages() {
        let name = |name: &str| format!("{{{{{}}}}}", setting(storage, name));
        let _ = write!(
            text,
            "\n[[storage]]\nname = {}\nmount = {}\nservers = [{{{{#each {}}}}}\"{{{{this}}}}\", {{{{/each}}}}]\n\
             storage = \"{}\"\nwait-timeout = {}\n{{{{#if {}}}}}\n\n[storage.tls]\n",
            quoted(&storage.label),
            quoted(&storage.mount),
            setting(storage, "server"),
            name("storage"),
            name("wait_timeout"),
            setting(storage, "tls")
        );
        for (key, setting) in
            [("ca", "tls_ca"), ("cert", "tls_cert"), ("key", "tls_key"), ("server-name", "tls_server_name")]
        {
            let _ = writeln!(text, "{key} = \"{}\"", name(setting));
        }
        text += "{{/if}}\n";
    }
    if let Some(bootstrap) = &site.description.bootstrap {
        let (framework, seed) = match &bootstrap.maker {
            Maker::Zope => ("zope", None),
            Maker::Grok => ("grok", None),
            Maker::Custom(seed) => ("custom", Some(seed)),
        };
        let _ = writeln!(text, "\n[bootstrap]\nframework = {}\nuser = {}", quoted(framework), quoted(&bootstrap.user));
        if let Some(seed) = seed {
            let _ = writeln!(text, "seed = {}", quoted(seed));
        }
    }
    if let Some(upgrade) = &site.description.upgrade {
        let _ = writeln!(
            text,
            "\n[upgrade]\nversion = {}\ncommand = {}\nrestartable = {}\nnew-storage = {}",
            quoted(&upgrade.version),
            list(&upgrade.command),
            upgrade.restartable,
            quoted(if upgrade.on_new { "run" } else { "skip" })
        );
    }
    text
}
