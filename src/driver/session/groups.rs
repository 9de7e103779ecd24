//! Control groups of what boots: systemd-nspawn puts a container into the group
//! `payload` of whoever starts it, so two at once would share one, and so the
//! right to end each other's processes.

#![expect(clippy::disallowed_methods, reason = "groups are directories of the kernel's")]

use std::path::{Path, PathBuf};

/// How the names of ours begin.
const NAME: &str = "deb-build-app.";

/// Move this process, which starts a container, into groups of its own; remove those
/// in which nobody is any more. Where groups cannot be made, systemd-nspawn says so.
pub(super) fn own() {
    for parent in parents() {
        for old in std::fs::read_dir(&parent).into_iter().flatten().flatten() {
            if old.file_name().to_string_lossy().starts_with(NAME) {
                remove(&old.path());
            }
        }
        let mut names = (0..1000).map(|number| parent.join(format!("{NAME}{number}")));
        // 0 is whoever writes it. Another run may remove a group in which nobody is yet.
        let enter = |group: &PathBuf| {
            std::fs::create_dir(group).is_ok() && std::fs::write(group.join("cgroup.procs"), "0").is_ok()
        };
        let _ = names.find(enter);
    }
}

/// The groups of this process in the hierarchies that systemd uses: that of version 2,
/// and the named one of version 1 (cgroups(7)).
fn parents() -> Vec<PathBuf> {
    let own = std::fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    hierarchies(&own, &mounts)
}

fn hierarchies(own: &str, mounts: &str) -> Vec<PathBuf> {
    let of = |line: &str| {
        let (_, rest) = line.split_once(':')?;
        let (controllers, path) = rest.split_once(':')?;
        let is_ours = |mount: &&str| match controllers {
            "" => mount.contains(" - cgroup2 "),
            "name=systemd" => mount.contains(" - cgroup ") && mount.ends_with("name=systemd"),
            _ => false,
        };
        let at = mounts.lines().find(is_ours)?.split(' ').nth(4)?;
        Some(Path::new(at).join(path.trim_start_matches('/')))
    };
    own.lines().filter_map(of).collect()
}

/// A group in which a process is stays: the kernel does not remove it.
fn remove(group: &Path) {
    for below in std::fs::read_dir(group).into_iter().flatten().flatten() {
        if below.file_type().is_ok_and(|kind| kind.is_dir()) {
            remove(&below.path());
        }
    }
    let _ = std::fs::remove_dir(group);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_groups_of_both_versions_are_found() {
        let mounts = "30 24 0:26 / /sys/fs/cgroup rw - tmpfs tmpfs rw\n\
                      31 30 0:27 / /sys/fs/cgroup/pids rw - cgroup cgroup rw,pids\n\
                      32 30 0:28 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,name=systemd\n\
                      33 30 0:29 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n";
        let own = "8:pids:/a\n9:name=systemd:/user.slice/x\n0::/\n";
        let found = ["/sys/fs/cgroup/systemd/user.slice/x", "/sys/fs/cgroup/unified/"].map(PathBuf::from);
        assert_eq!(hierarchies(own, mounts), found);
        let own = "0::/user.slice/s.scope\n";
        let mounts = "25 24 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n";
        assert_eq!(hierarchies(own, mounts), [PathBuf::from("/sys/fs/cgroup/user.slice/s.scope")]);
    }
}
