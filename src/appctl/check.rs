//! `Check:` of a file: a command of the package's says whether it can use the
//! new contents, before they are put in place.
//!
//! It sees a copy in a private directory, and runs as the service's user with an
//! environment of its own, no standard input and a time limit. What it prints is
//! shown without the secrets.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::time::Duration;

use super::accounts::{Accounts, User};
use super::fs::{Attributes, Dir, split};
use super::machine::Machine;
use super::mask::Mask;
use super::package::Package;
use super::process::{self, Child, Ended, Privileges, Whose, confined};
use crate::configuration::manifest::File;
use crate::error::{Diagnostic, Result};
use crate::plan::quote;

/// How long a check may take.
const LIMIT: Duration = Duration::from_secs(60);

/// As many lines of a check's output as a message shows.
const LINES: usize = 20;

/// Where the programs of a check are looked for.
pub const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// What a check said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// The contents are good, or the file has no check.
    Good,
    /// They are not.
    Refused(Diagnostic),
    /// It cannot be run in a root that is not the machine's own.
    NotRun(Diagnostic),
}

/// Let the file's check look at `contents`.
pub fn check(
    machine: &Machine,
    package: &Package,
    accounts: &Accounts,
    file: &File,
    contents: &[u8],
    mask: &Mask,
) -> Result<Verdict> {
    let Some(command) = &file.check else { return Ok(Verdict::Good) };
    if !machine.is_root && !machine.root.is_machine() {
        return Ok(Verdict::NotRun(not_run(file, "only root can run it in another root")));
    }
    let user = user(package, accounts, file)?;
    let directory = format!("/run/appctl-{}-check", package.name);
    let (above, name) = machine.root.make_parent(&directory)?;
    // An interrupted run may have left it.
    above.remove_tree(&name)?;
    above.make_directory(&name, 0o700)?;
    let ended = fill(&above.open(&name)?, split(&file.path).1, contents, machine, &user)
        .and_then(|()| process::run(&child(machine, accounts, &user, command, &directory, file)));
    above.remove_tree(&name)?;
    Ok(verdict(machine, file, &ended?, mask))
}

/// `Check-User`, else the package's first account, else nobody.
fn user(package: &Package, accounts: &Accounts, file: &File) -> Result<User> {
    let first = package.manifest.users.first().map(|user| user.name.as_str());
    accounts.user(file.check_user.as_deref().or(first).unwrap_or("nobody"))
}

/// The copy is readable by the check's user; the directory around it is his, and closed to all others.
fn fill(directory: &Dir, name: &str, contents: &[u8], machine: &Machine, user: &User) -> Result<()> {
    let own = directory.attributes()?;
    let (uid, gid) = if machine.is_root { (user.uid, user.gid) } else { (own.uid, own.gid) };
    directory.stage(name, contents, Attributes { uid: own.uid, gid, mode: 0o640 }, None)?;
    directory.commit(name)?;
    directory.set_attributes(Attributes { uid, gid, mode: 0o700 })
}

fn child(machine: &Machine, accounts: &Accounts, user: &User, command: &str, directory: &str, file: &File) -> Child {
    let path = format!("{directory}/{}", split(&file.path).1);
    let script = format!("cd {} && {}", quote(directory), command.replace("{{file}}", &quote(&path)));
    let shell = ["/bin/sh", "-c", &script].map(OsString::from);
    let environment = [
        ("HOME", directory),
        ("LANG", "C.UTF-8"),
        ("LOGNAME", &user.name),
        ("PATH", PATH),
        ("TMPDIR", directory),
        ("USER", &user.name),
    ];
    let privileges = if file.check_privileges { Privileges::Gained } else { Privileges::Fixed };
    Child {
        words: as_user(machine, accounts, user, privileges).into_iter().chain(shell).collect(),
        environment: environment
            .into_iter()
            .map(|(name, value)| (name.into(), value.into()))
            .collect::<BTreeMap<_, _>>(),
        directory: "/".into(),
        limit: LIMIT,
        whose: Whose::Foreign,
    }
}

/// What chroot(8) needs after setpriv(1) has taken the other capabilities away; none of
/// them is left to the account that it becomes.
const FOR_CHROOT: &str = ",+sys_chroot,+setuid,+setgid";

/// The command that becomes the user: setpriv(1), in another root chroot(8) as well.
pub fn as_user(machine: &Machine, accounts: &Accounts, user: &User, privileges: Privileges) -> Vec<OsString> {
    let mut words = vec![OsString::from("setpriv")];
    let is_elsewhere = !machine.root.is_machine();
    let is_roots = !machine.is_root || user.uid == 0;
    words.extend(confined(privileges, is_roots, if is_elsewhere { FOR_CHROOT } else { "" }));
    if !machine.is_root {
        words.push("--".into());
        return words;
    }
    let (uid, gid) = (user.uid, user.gid);
    let groups: Vec<String> = accounts.groups_of(user).iter().map(ToString::to_string).collect();
    let groups = groups.join(",");
    if is_elsewhere {
        words.extend([
            "--".into(),
            "chroot".into(),
            format!("--userspec=+{uid}:+{gid}").into(),
            format!("--groups={groups}").into(),
            machine.root.path().into(),
        ]);
        return words;
    }
    let groups = if groups.is_empty() { "--clear-groups".to_owned() } else { format!("--groups={groups}") };
    words.extend([format!("--reuid={uid}"), format!("--regid={gid}"), groups, "--".to_owned()].map(OsString::from));
    words
}

fn verdict(machine: &Machine, file: &File, ended: &Ended, mask: &Mask) -> Verdict {
    let why = match ended.status {
        Some(0) => return Verdict::Good,
        Some(126 | 127) if !machine.root.is_machine() => {
            return Verdict::NotRun(not_run(file, "it does not run in this root"));
        }
        Some(status) => format!("exit status {status}"),
        None => format!("no answer in {} seconds", LIMIT.as_secs()),
    };
    // The printer sees to it that it steers no terminal.
    let output = mask.values_in(&ended.output);
    let lines = output.lines().filter(|line| !line.trim().is_empty()).take(LINES);
    let shown: String = lines.map(|line| format!("\n\t{line}")).collect();
    Verdict::Refused(Diagnostic::error(format!("the check of {} refuses the new contents: {why}{shown}", file.path)))
}

fn not_run(file: &File, why: &str) -> Diagnostic {
    Diagnostic::warning(format!("{} is not checked: {why}", file.path))
        .hint("run 'appctl config check' there once the system runs")
}
