//! What a package gets: the inputs of the other helpers, and files.

use std::collections::BTreeMap;

use super::description::Framework;
use super::settings;
use super::site::Site;
use super::texts::PASSWORD;
use super::{programs, texts};
use crate::configuration::bootstrap::{Client, FILE, FORMAT, Password};
use crate::error::{Error, Result};

/// share/python/zeoclient, and what starts it.
const MODULES: [(&str, &str); 14] = [
    ("run.py", include_str!("../../../share/python/zeoclient-run.py")),
    ("zeoclient/__init__.py", include_str!("../../../share/python/zeoclient/__init__.py")),
    ("zeoclient/__main__.py", include_str!("../../../share/python/zeoclient/__main__.py")),
    ("zeoclient/bootstrap.py", include_str!("../../../share/python/zeoclient/bootstrap.py")),
    ("zeoclient/configuration.py", include_str!("../../../share/python/zeoclient/configuration.py")),
    ("zeoclient/database.py", include_str!("../../../share/python/zeoclient/database.py")),
    ("zeoclient/errors.py", include_str!("../../../share/python/zeoclient/errors.py")),
    ("zeoclient/frameworks.py", include_str!("../../../share/python/zeoclient/frameworks.py")),
    ("zeoclient/health.py", include_str!("../../../share/python/zeoclient/health.py")),
    ("zeoclient/instance.py", include_str!("../../../share/python/zeoclient/instance.py")),
    ("zeoclient/password.py", include_str!("../../../share/python/zeoclient/password.py")),
    ("zeoclient/probe.py", include_str!("../../../share/python/zeoclient/probe.py")),
    ("zeoclient/status.py", include_str!("../../../share/python/zeoclient/status.py")),
    ("zeoclient/upgrade.py", include_str!("../../../share/python/zeoclient/upgrade.py")),
];

/// What alone is on the path of a server of Zope's or zope.app's.
const REFUSING: &str = include_str!("../../../share/python/zeoclient_wsgi.py");

/// What the source has besides the file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Found {
    /// Names in debian/appconfig and debian/zeoclient.
    pub templates: Vec<String>,
    /// The packager's own site.zcml.
    pub site: Option<String>,
    /// Settings that the packager describes in his own .appconfig.
    pub settings: Vec<String>,
    /// Whether the packager has a .supervisord.
    pub supervisord: bool,
}

/// What is to be done for a package.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Outcome {
    /// For dh_appconfig.
    pub appconfig: String,
    /// For dh_supervisord.
    pub supervisord: String,
    /// Templates for dh_appconfig, by name.
    pub templates: BTreeMap<String, String>,
    /// Absolute paths in the package, with contents and modes.
    pub files: BTreeMap<String, (String, u32)>,
    /// The part of postrm.
    pub postrm: String,
}

/// Everything for a package.
pub fn plan(site: &Site<'_>, found: &Found) -> Result<Outcome> {
    let rendered = texts::rendered(site, &found.templates)?;
    let mut outcome = Outcome {
        appconfig: settings::text(site, &rendered, &found.settings),
        supervisord: programs::text(site, !found.supervisord),
        postrm: texts::postrm(site)?,
        ..Outcome::default()
    };
    for file in rendered {
        outcome.templates.extend(file.text.map(|text| (file.template, text)));
    }
    let library = site.library();
    for (name, text) in MODULES {
        outcome.files.insert(format!("{library}/{name}"), (text.to_owned(), 0o644));
    }
    if matches!(site.application.framework, Framework::Zope | Framework::Grok | Framework::Paste) {
        outcome.files.insert(format!("{library}/wsgi/zeoclient_wsgi.py"), (REFUSING.to_owned(), 0o644));
    }
    outcome.files.insert(format!("{library}/start"), (texts::start(site)?, 0o755));
    if let Some(path) = texts::site_zcml(site) {
        let text = match &found.site {
            Some(text) => text.clone(),
            None => texts::default_site_zcml(site)?,
        };
        outcome.files.insert(path, (text, 0o644));
    }
    outcome.files.insert(format!("/usr/share/appctl/{}/{FILE}", site.package), (client(site)?, 0o644));
    Ok(outcome)
}

fn client(site: &Site<'_>) -> Result<String> {
    let client = Client {
        format: FORMAT,
        package: site.package.to_owned(),
        user: site.user().to_owned(),
        command: site.client(),
        password: site
            .description
            .bootstrap
            .as_ref()
            .map(|_| Password { setting: PASSWORD.to_owned(), file: site.configuration("admin-password") }),
    };
    let json = serde_json::to_string_pretty(&client)
        .map_err(|error| Error::failed(format!("cannot write {FILE}: {error}")))?;
    Ok(json + "\n")
}
