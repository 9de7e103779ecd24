//! Log directories in which root opens files: they are root's, and so is every name
//! in them that root will open, write to or rename.
//!
//! A package that 0.1.0 has built gave them to the program's account, which may have
//! put a link, a FIFO or another's file where a log file was to be. Such a directory
//! is taken from the account by its descriptor first; from then on nobody but root
//! changes a name in it, and what should not be there is put aside. Nothing below it
//! is walked, and no link is followed.

use crate::appctl::accounts::Accounts;
use crate::appctl::fs::{Attributes, Dir, Holding, split};
use crate::appctl::machine::Machine;
use crate::configuration::manifest::Backend;
use crate::configuration::program::{LogDirectory, Programs};
use crate::error::{Diagnostic, Result};

/// The end of a name that has been put aside.
const ASIDE: &str = ".appctl-aside";

/// As many names as a message shows.
const SHOWN: usize = 5;

/// Mend the log directories of a package.
pub fn mend(machine: &Machine, programs: &Programs) -> Result<()> {
    if programs.log_directories.is_empty() || !machine.is_root {
        return Ok(());
    }
    let text = |path: &str| machine.root.text(path).map(Option::unwrap_or_default);
    let accounts = Accounts::parse(&text("/etc/passwd")?, &text("/etc/group")?);
    let auto = crate::appctl::package::auto(&machine.root)?;
    for wanted in &programs.log_directories {
        if let Some(directory) = machine.root.directory(&wanted.path)? {
            one(machine, programs, &accounts, auto, wanted, &directory)?;
        }
    }
    Ok(())
}

fn one(
    machine: &Machine,
    programs: &Programs,
    accounts: &Accounts,
    auto: Backend,
    wanted: &LogDirectory,
    directory: &Dir,
) -> Result<()> {
    let was_theirs = !directory.is_roots()?;
    let user = accounts.user(&wanted.user).ok().map(|user| user.uid);
    if was_theirs {
        let group = wanted.group.as_deref().and_then(|group| accounts.group(group).ok());
        let mode = if group.is_some() { 0o750 } else { 0o751 };
        directory.set_attributes(Attributes { uid: 0, gid: group.unwrap_or(0), mode })?;
    }
    // A log file, and whether root has made it: supervisord does, systemd's is made for the account.
    let logs: Vec<(&str, bool)> = programs
        .programs
        .iter()
        .flat_map(|service| {
            let is_roots = service.backend.chosen(auto) == Backend::Supervisord;
            let logs = service.instances.iter().flat_map(|instance| &instance.logs);
            logs.map(move |log| (split(log), is_roots))
        })
        .filter(|((above, _), _)| *above == wanted.path)
        .map(|((_, name), is_roots)| (name, is_roots))
        .collect();
    let mut aside = Vec::new();
    let mut number = 0;
    for name in directory.names()?.into_iter().filter(|name| !name.ends_with(ASIDE)) {
        let Some(holding) = directory.holding(&name)? else { continue };
        let log = logs.iter().find(|(log, _)| {
            let rest = name.strip_prefix(log);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '-']))
        });
        let is_good = match log {
            Some((_, made_by_root)) => is_log(holding, user, was_theirs, *made_by_root),
            None if name == wanted.own => holding.is_directory && (!was_theirs || Some(holding.uid) == user),
            None => true,
        };
        if is_good {
            continue;
        }
        let stem = log.map_or(wanted.own.as_str(), |(log, _)| log);
        loop {
            number += 1;
            let new = format!("{stem}.{number}{ASIDE}");
            if directory.kind(&new)?.is_none() {
                directory.rename(&name, &new)?;
                aside.push(format!("{name} (now {new})"));
                break;
            }
        }
    }
    if let Some(more) = aside.len().checked_sub(1) {
        let rest = if more >= SHOWN { format!(" and {} more", aside.len() - SHOWN) } else { String::new() };
        let shown = aside.iter().take(SHOWN).map(String::as_str).collect::<Vec<_>>().join(", ");
        machine.printer.diagnostic(
            &Diagnostic::warning(format!(
                "in {}, what is no log file of '{}' is put aside: {shown}{rest}",
                directory.path().display(),
                wanted.user
            ))
            .hint("root opens log files there; look at them, and remove them or, where an administrator has made them, rename them back"),
        );
    }
    Ok(())
}

/// Whether root may open it as a log file, rename it, and have it given to the account.
fn is_log(holding: Holding, user: Option<u32>, was_theirs: bool, made_by_root: bool) -> bool {
    let Holding { uid, links, is_file, .. } = holding;
    if !was_theirs && uid == 0 {
        // Nobody but root has put it here: an administrator's link, a rotated file.
        return true;
    }
    // root's own file may have been moved here, to be given away.
    is_file && links == 1 && (Some(uid) == user || (uid == 0 && made_by_root))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_file_is_a_plain_file_of_the_account_s() {
        let file = Holding { uid: 7, links: 1, is_file: true, is_directory: false };
        assert!(is_log(file, Some(7), true, false) && is_log(file, Some(7), false, false));
        assert!(!is_log(Holding { uid: 8, ..file }, Some(7), true, true));
        assert!(!is_log(Holding { links: 2, ..file }, Some(7), true, true));
        assert!(!is_log(Holding { is_file: false, ..file }, Some(7), true, true));
        // root's: supervisord's own, or one that was moved here; in root's directory whatever it is.
        let roots = Holding { uid: 0, ..file };
        assert!(is_log(roots, Some(7), true, true) && !is_log(roots, Some(7), true, false));
        assert!(is_log(Holding { is_file: false, ..roots }, Some(7), false, false));
        assert!(!is_log(Holding { is_file: false, ..roots }, Some(7), true, true));
    }
}
