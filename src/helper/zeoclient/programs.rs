//! The application's program: the sections that dh_supervisord is given.

use std::fmt::Write as _;

use super::site::Site;
use crate::configuration::program::Choice;

/// The text for dh_supervisord. `first`: the packager has no file of his own.
pub fn text(site: &Site<'_>, first: bool) -> String {
    let application = site.application;
    let name = &application.name;
    let several = application.instances > 1;
    let number = if several { "%(process_num)d" } else { "0" };
    let client = site.client().join(" ");
    let backend = match application.backend {
        Choice::Systemd => "systemd",
        Choice::Supervisord => "supervisord",
        Choice::Auto => "auto",
    };
    let mut text = String::new();
    if first {
        text += "[x-supervisord]\nformat = 1\n";
    }
    // Writing to a string cannot fail.
    let _ = write!(
        text,
        "\n[program:{name}]\ncommand = {}/start {number}\ndirectory = /var/lib/{}\nstopwaitsecs = 30\n\
         \n[x-program:{name}]\nbackend = {backend}\naccount = {}\nhealth = command:{client} health {number}\n\
         health-interval = 0.5\nhealth-deadline = 90\n",
        site.library(),
        site.package,
        site.user(),
    );
    if several {
        let _ = writeln!(text, "instances = {}", application.instances);
    }
    if application.backend.systemd() {
        let instance = if several { "%i" } else { "0" };
        let _ =
            write!(text, "\n[systemd:{name}]\nExecStartPre={client} prepare {instance}\nTimeoutStartSec=infinity\n");
        if site.description.bootstrap.is_some() {
            // Where the file was deleted, the empty one counts: the seeder makes a password itself.
            let password = site.configuration("admin-password");
            let _ = write!(text, "LoadCredential=admin-password:{password}\nSetCredential=admin-password:\\n\n");
        }
    }
    text
}
