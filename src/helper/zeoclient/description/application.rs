//! The stanza of the application.

use super::{host_and_port, name, within, words};
use crate::configuration::program::Choice;
use crate::debian::field::Fields;

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

impl Framework {
    /// Its word in the file.
    pub fn word(self) -> &'static str {
        match self {
            Self::Zope => "zope",
            Self::Grok => "grok",
            Self::Paste => "paste",
            Self::Pyramid => "pyramid",
            Self::Custom => "custom",
        }
    }
}

/// The WSGI application.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Application {
    /// Name of its programs.
    pub name: String,
    /// Framework.
    pub framework: Framework,
    /// The account that it runs as; the package's name where absent.
    pub user: Option<String>,
    /// Who runs it.
    pub backend: Choice,
    /// Template of its PasteDeploy file, in debian/zeoclient/, and the line.
    pub ini: Option<(String, usize)>,
    /// What PasteDeploy loads: `egg:shop`.
    pub loads: Option<String>,
    /// Packages whose configure.zcml makes up the site.
    pub zcml: Vec<String>,
    /// The command that serves; the framework's own where absent.
    pub command: Option<Vec<String>>,
    /// Path that answers where it is healthy.
    pub health: Option<String>,
    /// How many processes.
    pub instances: u16,
    /// Address that the first instance listens on; the next has the next port.
    pub listen: (String, u16),
    /// Line of the stanza, from 1.
    pub line: usize,
}

/// The stanza of the application; `None` where it cannot be made out.
pub(super) fn read(fields: &mut Fields) -> Option<Application> {
    const FRAMEWORKS: [(&str, Framework); 5] = [
        ("zope", Framework::Zope),
        ("grok", Framework::Grok),
        ("paste", Framework::Paste),
        ("pyramid", Framework::Pyramid),
        ("custom", Framework::Custom),
    ];
    const BACKENDS: [(&str, Choice); 3] =
        [("systemd", Choice::Systemd), ("supervisord", Choice::Supervisord), ("auto", Choice::Auto)];
    let line = fields.line("Application");
    let name = name(fields, "Application");
    let framework = if fields.required("Framework", "write for example 'Framework: zope'").is_some() {
        fields.choice("Framework", &FRAMEWORKS)
    } else {
        None
    };
    let user = user(fields);
    let backend = fields.choice("Backend", &BACKENDS).unwrap_or(Choice::Systemd);
    let ini = fields.word("Ini").map(|word| (word.text, word.line));
    let loads = fields.word("Use").map(|word| word.text);
    let zcml = zcml(fields);
    let given = fields.word("Command");
    if given.is_none() && framework == Some(Framework::Custom) {
        let hint = "name the program that serves, and its arguments; {host}, {port} and {instance} are replaced";
        fields.fault(line, "'Framework: custom' needs field Command", hint);
    }
    let command = given.map(|given| words(fields, given));
    let health = health(fields);
    let instances = within(fields, "Instances", 1, 64).and_then(|number| u16::try_from(number).ok()).unwrap_or(1);
    let listen = listen(fields, instances);
    let (name, framework) = (name?, framework?);
    for (field, fits) in [
        ("Ini", framework != Framework::Custom),
        ("Use", framework != Framework::Custom && framework != Framework::Zope),
        ("Zcml", matches!(framework, Framework::Zope | Framework::Grok | Framework::Paste)),
    ] {
        if fields.field(field).is_some() && !fits {
            let line = fields.line(field);
            let message = format!("field {field} does not belong to 'Framework: {}'", framework.word());
            fields.fault(line, message, "remove it");
        }
    }
    Some(Application { name, framework, user, backend, ini, loads, zcml, command, health, instances, listen, line })
}

/// An account's name, as systemd-sysusers(8) and adduser(8) both accept it.
fn user(fields: &mut Fields) -> Option<String> {
    let word = fields.word("User")?;
    let first = |c: char| c.is_ascii_lowercase() || c == '_';
    let fits = word.text.len() < 32
        && word.text.starts_with(first)
        && word.text.chars().all(|c| first(c) || c.is_ascii_digit() || c == '-')
        && word.text != "root";
    if !fits {
        let hint = "a lower-case letter or '_', then those, digits and '-', 31 at most; not root";
        fields.fault(word.line, format!("User '{}' is no account for a service", word.text), hint);
    }
    fits.then_some(word.text)
}

/// Names of Python packages.
fn zcml(fields: &mut Fields) -> Vec<String> {
    let Some(list) = fields.field("Zcml") else { return Vec::new() };
    let mut names = Vec::new();
    for (line, word) in list.words() {
        let plain = |c: char| c.is_ascii_alphanumeric() || "._".contains(c);
        if word.chars().all(plain) && !word.starts_with('.') {
            names.push(word.to_owned());
        } else {
            fields.fault(line, format!("'{word}' is no Python package"), "name packages that have a configure.zcml");
        }
    }
    names
}

fn health(fields: &mut Fields) -> Option<String> {
    let word = fields.word("Health")?;
    let fits = word.text.starts_with('/') && word.text.chars().all(|c| c.is_ascii_graphic() && c != '"');
    if !fits {
        let hint = "it begins with '/', and is asked of each instance";
        fields.fault(word.line, format!("Health is no path: {}", word.text), hint);
    }
    fits.then_some(word.text)
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
