//! The maintainer scripts' snippets and the config script, from share/templates/appconfig.

use serde::Serialize;

use super::account;
use super::debconf::{self, Question};
use super::description::Description;
use crate::configuration::manifest::Purge;
use crate::error::Result;
use crate::render::render;

/// The texts of a package's snippets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scripts {
    /// Writes the configuration.
    pub postinst: String,
    /// Restarts what has changed; the last in the part of services.
    pub converge: String,
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
    /// Names of those whose answers debconf must not keep.
    secrets: Vec<&'a str>,
    /// The empty answers that say nothing, `key,`, as a pattern of `case`.
    empty: String,
    /// Names of the booleans, as a pattern of `case`.
    booleans: String,
    /// Directories that purge removes with everything in them.
    doomed: Vec<&'a str>,
}

/// The scripts of `package`.
pub fn scripts(package: &str, description: &Description) -> Result<Scripts> {
    let questions = debconf::questions(description);
    let of = |wanted: fn(&Question) -> bool| -> Vec<&str> {
        questions.iter().filter(|question| wanted(question)).map(|question| question.key.as_str()).collect()
    };
    let secrets = of(|question| question.secret);
    let directories = description.directories.iter().map(|placed| &placed.item);
    let data = Data {
        package,
        sysusers: if description.users.is_empty() { String::new() } else { account::file_name(package) },
        questions: &questions,
        keys: of(|_| true).join(" "),
        empty: of(|question| question.never_empty).iter().map(|key| format!("{key},")).collect::<Vec<_>>().join(" | "),
        booleans: of(|question| question.boolean).join(" | "),
        doomed: directories.filter(|it| it.purge == Purge::Remove).map(|it| it.path.as_str()).collect(),
        secrets,
    };
    Ok(Scripts {
        postinst: render("appconfig/postinst.sh", &data)?,
        converge: render("appconfig/postinst.service.sh", &data)?,
        prerm: render("appconfig/prerm.sh", &data)?,
        postrm: render("appconfig/postrm.sh", &data)?,
        config: if questions.is_empty() { None } else { Some(render("appconfig/config.sh", &data)?) },
    })
}
