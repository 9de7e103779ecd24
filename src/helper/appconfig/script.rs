//! The maintainer scripts' snippets and the config script, from share/templates/appconfig.

use serde::Serialize;

use super::debconf::{self, Question};
use super::description::Description;
use crate::error::Result;
use crate::render::render;

/// The texts of a package's snippets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scripts {
    /// Writes the configuration.
    pub postinst: String,
    /// Restarts what has changed, and notes the end; the last in the part of services.
    pub services: String,
    /// Tells appctl.
    pub prerm: String,
    /// Removes what is ours at purge.
    pub postrm: String,
    /// Asks, where something is asked: the body of the config script.
    pub config: Option<String>,
}

#[derive(Debug, Serialize)]
struct Data<'a> {
    package: &'a str,
    /// Name of the sysusers.d file, or empty.
    sysusers: String,
    questions: &'a [Question],
    /// Names of the questions, between blanks.
    keys: String,
    /// Whether what has changed is restarted here.
    converge: bool,
    /// Names of those whose answers debconf must not keep.
    secrets: Vec<&'a str>,
    /// Names of the booleans, as a pattern of `case`.
    booleans: String,
}

/// The scripts of `package`. `supervised`: dh_supervisord restarts what has changed.
/// `before`: what stands in its postinst already, such as dh_supervisord's call for the
/// accounts of both, which need not be made twice.
pub fn scripts(package: &str, description: &Description, supervised: bool, before: &str) -> Result<Scripts> {
    let file = crate::configuration::place::appconfig_file(package);
    let is_call = |line: &str| line.starts_with("systemd-sysusers ") && line.split(' ').any(|word| word == file);
    let is_needed = !description.users.is_empty() && !before.lines().any(is_call);
    let questions = debconf::questions(description);
    let of = |wanted: fn(&Question) -> bool| -> Vec<&str> {
        questions.iter().filter(|question| wanted(question)).map(|question| question.key.as_str()).collect()
    };
    let secrets = of(|question| question.secret);
    let data = Data {
        package,
        sysusers: if is_needed { file } else { String::new() },
        questions: &questions,
        keys: of(|_| true).join(" "),
        converge: !supervised,
        booleans: of(|question| question.boolean).join(" | "),
        secrets,
    };
    Ok(Scripts {
        postinst: render("appconfig/postinst.sh", &data)?,
        services: render("appconfig/postinst.service.sh", &data)?,
        prerm: render("appconfig/prerm.sh", &data)?,
        postrm: render("appconfig/postrm.sh", &data)?,
        config: if questions.is_empty() { None } else { Some(render("appconfig/config.sh", &data)?) },
    })
}
