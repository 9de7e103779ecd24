//! What an administrator has said of owners and modes: dpkg-statoverride(1).
//!
//! dpkg itself heeds it for the files of its packages. What appctl renders is in
//! no package, and whoever overrides its owner or mode expects the same (policy
//! 10.9.1). Text in, values out.

use std::collections::BTreeMap;

use super::accounts::Accounts;
use super::fs::Attributes;
use crate::error::{Diagnostic, Result};

/// dpkg's database of them: a line `user group mode path` each, `#` before a number.
pub const PATH: &str = "/var/lib/dpkg/statoverride";

/// Words of a line by path.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Overrides(BTreeMap<String, [String; 3]>);

impl Overrides {
    /// From the text of the database; what is no line of it says nothing about a path of ours.
    pub fn parse(text: &str) -> Self {
        let line = |line: &str| {
            let mut words = line.splitn(4, ' ').map(str::to_owned);
            let said = [words.next()?, words.next()?, words.next()?];
            Some((words.next()?, said))
        };
        Self(text.lines().filter_map(line).collect())
    }

    /// What is said of `path`; `None`: nothing.
    ///
    /// # Errors
    /// An account that does not exist, or a mode that is none.
    pub fn of(&self, path: &str, accounts: &Accounts) -> Result<Option<Attributes>> {
        let Some([user, group, mode]) = self.0.get(path) else { return Ok(None) };
        let fault = |what: &str| {
            Diagnostic::error(format!("the override of {path} names {what}"))
                .hint(format!("dpkg-statoverride --remove {path}; an account that is not in /etc/passwd or /etc/group can be added as '#' and its number"))
        };
        let number = |text: &str| text.strip_prefix('#').map(str::parse::<u32>);
        let uid = match number(user) {
            Some(uid) => uid.map_err(|_| fault(&format!("the user '{user}', which is no number")))?,
            None => accounts.user(user).map_err(|_| fault(&format!("the user '{user}', whom nobody knows")))?.uid,
        };
        let gid = match number(group) {
            Some(gid) => gid.map_err(|_| fault(&format!("the group '{group}', which is no number")))?,
            None => accounts.group(group).map_err(|_| fault(&format!("the group '{group}', which nobody knows")))?,
        };
        match u32::from_str_radix(mode, 8) {
            Ok(mode) if mode <= 0o7777 => Ok(Some(Attributes { uid, gid, mode })),
            _ => Err(fault(&format!("the mode '{mode}', which is not octal")).into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_dpkg_s() {
        let accounts = Accounts::parse("root:x:0:0::/:/bin/sh\n", "root:x:0:\nadm:x:4:\n");
        let overrides = Overrides::parse(
            "root adm 0640 /etc/notes/notes.toml\n#61000 #61001 600 /etc/a file\nbroken\nghost adm 640 /etc/x\nroot adm 9 /etc/y\n",
        );
        let of = |path: &str| overrides.of(path, &accounts);
        assert_eq!(of("/etc/notes/notes.toml").unwrap(), Some(Attributes { uid: 0, gid: 4, mode: 0o640 }));
        assert_eq!(of("/etc/a file").unwrap(), Some(Attributes { uid: 61000, gid: 61001, mode: 0o600 }));
        assert_eq!(of("/etc/notes").unwrap(), None);
        for (path, word) in [("/etc/x", "'ghost'"), ("/etc/y", "'9'")] {
            let error = of(path).unwrap_err();
            let fault = &error.diagnostics()[0];
            assert!(fault.message.contains(path) && fault.message.contains(word), "{fault}");
            assert!(fault.hint.as_deref().unwrap().contains("dpkg-statoverride --remove"), "{fault:?}");
        }
    }
}
