//! Accounts of the root that is worked on: passwd(5) and group(5) as text.
//!
//! Never asks the host's name services: under `--root` those speak of another
//! machine. On the machine itself, too, the accounts of a package are in
//! /etc/passwd, where systemd-sysusers puts them. Reads nothing by itself.

use crate::error::{Diagnostic, Result, nearest};

/// A line of passwd(5).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// Name.
    pub name: String,
    /// User id.
    pub uid: u32,
    /// Primary group.
    pub gid: u32,
}

/// A line of group(5).
#[derive(Debug, Clone, PartialEq, Eq)]
struct Group {
    name: String,
    gid: u32,
    members: Vec<String>,
}

/// All accounts of a root.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Accounts {
    users: Vec<User>,
    groups: Vec<Group>,
}

impl Accounts {
    /// From the texts of passwd(5) and group(5); lines that are neither are passed over, as libc does.
    pub fn parse(passwd: &str, group: &str) -> Self {
        Self {
            users: passwd.lines().filter_map(user).collect(),
            groups: group.lines().filter_map(self::group).collect(),
        }
    }

    /// The account `name`; root is always known.
    pub fn user(&self, name: &str) -> Result<User> {
        if let Some(user) = self.users.iter().find(|user| user.name == name) {
            return Ok(user.clone());
        }
        if name == "root" {
            return Ok(User { name: name.to_owned(), uid: 0, gid: 0 });
        }
        Err(unknown("user", name, self.users.iter().map(|user| user.name.as_str())).into())
    }

    /// Id of the group `name`.
    pub fn group(&self, name: &str) -> Result<u32> {
        if let Some(group) = self.groups.iter().find(|group| group.name == name) {
            return Ok(group.gid);
        }
        if name == "root" {
            return Ok(0);
        }
        Err(unknown("group", name, self.groups.iter().map(|group| group.name.as_str())).into())
    }

    /// The groups that list `user` as a member.
    pub fn groups_of(&self, user: &User) -> Vec<u32> {
        let listed = self.groups.iter().filter(|group| group.members.contains(&user.name)).map(|group| group.gid);
        listed.filter(|gid| *gid != user.gid).collect()
    }
}

fn unknown<'a>(kind: &str, name: &str, all: impl Iterator<Item = &'a str>) -> Diagnostic {
    let fault = Diagnostic::error(format!("there is no {kind} '{name}'"));
    match nearest(name, all) {
        Some(near) => fault.hint(format!("did you mean '{near}'? systemd-sysusers makes a package's accounts")),
        None => fault.hint("systemd-sysusers makes a package's accounts; run it, then configure again"),
    }
}

fn user(line: &str) -> Option<User> {
    let mut fields = line.split(':');
    let name = fields.next().filter(|name| !name.is_empty())?;
    let (uid, gid) = (fields.nth(1)?.parse().ok()?, fields.next()?.parse().ok()?);
    Some(User { name: name.to_owned(), uid, gid })
}

fn group(line: &str) -> Option<Group> {
    let mut fields = line.split(':');
    let name = fields.next().filter(|name| !name.is_empty())?;
    let gid = fields.nth(1)?.parse().ok()?;
    let members = fields.next()?.split(',').filter(|member| !member.is_empty()).map(str::to_owned).collect();
    Some(Group { name: name.to_owned(), gid, members })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accounts_are_those_of_the_text() {
        let accounts = Accounts::parse(
            "root:x:0:0:root:/root:/bin/bash\n+nis\nnotes:x:998:997:Notes:/nonexistent:/usr/sbin/nologin\n",
            "root:x:0:\nnotes:x:997:\nssl-cert:x:110:www,notes\nbroken\n",
        );
        let notes = accounts.user("notes").unwrap();
        assert_eq!((notes.uid, notes.gid), (998, 997));
        assert_eq!(accounts.groups_of(&notes), [110]);
        assert_eq!(accounts.group("ssl-cert").unwrap(), 110);
        assert!(
            accounts.group("ssl-certs").unwrap_err().diagnostics()[0].hint.as_deref().unwrap().contains("ssl-cert")
        );
    }

    #[test]
    fn root_is_known_without_any_file() {
        assert_eq!(Accounts::default().user("root").unwrap().uid, 0);
        assert_eq!(Accounts::default().group("root").unwrap(), 0);
        assert!(Accounts::default().user("nobody").is_err());
    }
}
