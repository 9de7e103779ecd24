//! The ids that foreign code runs with: a range of the machine's that nobody else
//! has, and in which a session counts from 0 (user_namespaces(7)).
//!
//! Never the identity: root of a namespace in which 0 is the machine's 0 may write
//! to what sysctl(8) writes to, and reads what only root reads.

#![expect(clippy::disallowed_methods, reason = "it reads and writes the maps of its own processes, in /proc")]

use std::io::Write;
use std::os::unix::fs::lchown;
use std::path::Path;
use std::process::Child;

use super::Outcome;

/// A range of ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ids {
    /// What 0 of the session is to this process.
    pub first: u32,
    /// How many there are.
    pub count: u32,
}

/// The first id of the machine's sessions: behind all that useradd(8), systemd-nspawn
/// and logins give out (systemd's UIDS-GIDS document: from 1879048192 on unused).
const FIRST: u32 = 0x7000_0000;
/// A session needs `nobody`, which is 65534.
const COUNT: u32 = 65536;

impl Ids {
    /// Those of this process: root has the machine's, root of a user namespace what
    /// that has left besides its 0.
    pub fn own() -> Outcome<Self> {
        let of = |name: &str| {
            let path = format!("/proc/self/{name}_map");
            std::fs::read_to_string(&path)
                .map_err(|error| format!("{path}: {error}"))
                .and_then(|text| Self::below(&text))
        };
        let (users, groups) = (of("uid")?, of("gid")?);
        Ok(Self { first: users.first.max(groups.first), count: users.count.min(groups.count) })
    }

    /// What the first of them is on the machine, or in the namespace around this one.
    pub fn on_the_machine(self) -> Outcome<u32> {
        let path = "/proc/self/uid_map";
        let map = std::fs::read_to_string(path).map_err(|error| format!("{path}: {error}"))?;
        self.outside(&map).ok_or_else(|| format!("{path} does not have {}", self.first))
    }

    fn outside(self, map: &str) -> Option<u32> {
        map.lines().find_map(|line| {
            let mut words = line.split_whitespace().map(str::parse::<u32>);
            let (first, outside, count) = (words.next()?.ok()?, words.next()?.ok()?, words.next()?.ok()?);
            let offset = self.first.checked_sub(first).filter(|offset| *offset < count)?;
            outside.checked_add(offset)
        })
    }

    /// From a map of user_namespaces(7): rows of `INSIDE OUTSIDE COUNT`.
    fn below(map: &str) -> Outcome<Self> {
        let rows: Vec<(u64, u64)> = map
            .lines()
            .filter_map(|line| {
                let mut words = line.split_whitespace().map(str::parse::<u64>);
                let (first, _, count) = (words.next()?.ok()?, words.next()?.ok()?, words.next()?.ok()?);
                Some((first, first + count))
            })
            .collect();
        let has = |from: u64, to: u64| {
            // Neighbouring rows are one range.
            let mut at = from;
            while at < to {
                let Some((_, end)) = rows.iter().find(|(start, end)| (*start..*end).contains(&at)) else {
                    return false;
                };
                at = *end;
            }
            true
        };
        let (first, count) = (u64::from(FIRST), u64::from(COUNT));
        match () {
            () if has(first, first + count) => Ok(Self { first: FIRST, count: COUNT }),
            () if has(1, 1 + count) => Ok(Self { first: 1, count: COUNT }),
            () if has(1, count) => Ok(Self { first: 1, count: COUNT - 1 }),
            () => Err(format!("this user namespace has fewer than {COUNT} ids")),
        }
    }

    /// Give them to a child of unshare(1) that waits for them in a user namespace of its own.
    pub fn give(self, child: &Child) -> Outcome<()> {
        let process = Path::new("/proc").join(child.id().to_string());
        let namespace = |process: &Path| {
            let path = process.join("ns/user");
            std::fs::read_link(&path).map_err(|error| format!("{}: {error}", path.display()))
        };
        let own = namespace(Path::new("/proc/self"))?;
        for _ in 0..5000 {
            if namespace(&process)? != own {
                return self.write(&process);
            }
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
        Err("unshare(1) has made no user namespace within 5 s".to_owned())
    }

    fn write(self, process: &Path) -> Outcome<()> {
        for name in ["uid_map", "gid_map"] {
            let path = process.join(name);
            let mut file = std::fs::OpenOptions::new();
            let written = file.write(true).open(&path).and_then(|mut file| {
                // The kernel takes it in one write, or not at all.
                file.write_all(format!("0 {} {}\n", self.first, self.count).as_bytes())
            });
            written.map_err(|error| format!("{}: {error}", path.display()))?;
        }
        Ok(())
    }

    /// In the namespace: wait until the ids are there, and become its root.
    pub fn become_root() -> Outcome<()> {
        for _ in 0..5000 {
            let maps = ["uid_map", "gid_map"].map(|name| std::fs::read_to_string(format!("/proc/self/{name}")));
            if maps.iter().all(|map| map.as_ref().is_ok_and(|map| !map.trim().is_empty())) {
                let zero = (nix::unistd::Uid::from_raw(0), nix::unistd::Gid::from_raw(0));
                return nix::unistd::setgroups(&[])
                    .and_then(|()| nix::unistd::setresgid(zero.1, zero.1, zero.1))
                    .and_then(|()| nix::unistd::setresuid(zero.0, zero.0, zero.0))
                    .map_err(|errno| format!("becoming root of the session: {errno}"));
            }
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
        Err("no ids within 5 s".to_owned())
    }

    /// What an id of the session is to this process.
    pub fn id(self, inside: u32) -> u32 {
        self.first + inside.min(self.count - 1)
    }

    /// Give a tree to the session's root; links are not followed.
    pub fn hand_over_all(self, path: &Path) -> Outcome<()> {
        self.hand_over(path, 0)?;
        let mut pending = vec![path.to_owned()];
        while let Some(directory) = pending.pop() {
            let said = |error: std::io::Error| format!("{}: {error}", directory.display());
            for entry in std::fs::read_dir(&directory).map_err(said)? {
                let entry = entry.map_err(said)?;
                self.hand_over(&entry.path(), 0)?;
                if entry.file_type().map_err(said)?.is_dir() {
                    pending.push(entry.path());
                }
            }
        }
        Ok(())
    }

    /// Give one file, directory or link to an id of the session. A program that had
    /// its owner's rights (setuid) loses them with it.
    pub fn hand_over(self, path: &Path, inside: u32) -> Outcome<()> {
        let id = Some(self.id(inside));
        lchown(path, id, id).map_err(|error| format!("{}: {error}", path.display()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_noted_as_the_machine_has_them() {
        let ids = Ids { first: 1, count: 65536 };
        assert_eq!(ids.outside("         0       1000          1\n         1     100000      65536\n"), Some(100000));
        let ids = Ids { first: 0x7000_0000, count: 65536 };
        assert_eq!(ids.outside("         0          0 4294967295\n"), Some(0x7000_0000));
        assert_eq!(ids.outside("0 1000 1\n"), None);
    }

    #[test]
    fn ids_are_never_the_machine_s_own() {
        let of = |map: &str| Ids::below(map).map(|ids| (ids.first, ids.count));
        assert_eq!(of("         0          0 4294967295\n"), Ok((FIRST, 65536)));
        // Root of a user namespace: newuidmap's.
        assert_eq!(of("0 1000 1\n1 100000 65536\n"), Ok((1, 65536)));
        assert_eq!(of("0 100000 65536\n"), Ok((1, 65535)));
        // unshare --map-auto --map-root-user.
        assert_eq!(of("0 1000 1\n1 100000 65535\n"), Ok((1, 65535)));
        assert!(of("0 1000 1\n").is_err());
        assert!(of("").is_err());
    }
}
