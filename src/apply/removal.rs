//! Removes a tree of any depth with few descriptors and little stack: who made it
//! may have made it so that it cannot be removed level by level.

use std::ffi::{OsStr, OsString};
use std::io::{Error, Result};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use nix::dir::Dir;
use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, OFlag, openat, renameat};
use nix::sys::stat::Mode;
use nix::unistd::{UnlinkatFlags, unlinkat};

/// Levels that are gone down by descriptors; what is deeper is lifted to the top first.
const LEVELS: usize = 32;

const DIRECTORY: OFlag = OFlag::O_RDONLY.union(OFlag::O_DIRECTORY).union(OFlag::O_NOFOLLOW).union(OFlag::O_CLOEXEC);

/// Remove the directory at a path with everything below it, following no link.
pub fn tree(path: &Path) -> Result<()> {
    let top = openat(AT_FDCWD, path, DIRECTORY, Mode::empty())?;
    let mut lifted = 0_u64;
    loop {
        let before = lifted;
        clear(&top, &top, LEVELS, &mut lifted)?;
        if lifted == before {
            break;
        }
    }
    std::fs::remove_dir(path)
}

fn clear(top: &OwnedFd, directory: &OwnedFd, levels: usize, lifted: &mut u64) -> Result<()> {
    for name in names(directory)? {
        match unlinkat(directory, name.as_os_str(), UnlinkatFlags::NoRemoveDir) {
            Ok(()) | Err(Errno::ENOENT) => continue,
            Err(Errno::EISDIR) => {}
            Err(errno) => return Err(errno.into()),
        }
        match unlinkat(directory, name.as_os_str(), UnlinkatFlags::RemoveDir) {
            Ok(()) | Err(Errno::ENOENT) => continue,
            Err(Errno::ENOTEMPTY | Errno::EEXIST) => {}
            Err(errno) => return Err(errno.into()),
        }
        if levels == 0 {
            lift(top, directory, &name, lifted)?;
            continue;
        }
        let below = openat(directory, name.as_os_str(), DIRECTORY, Mode::empty())?;
        clear(top, &below, levels - 1, lifted)?;
        unlinkat(directory, name.as_os_str(), UnlinkatFlags::RemoveDir)?;
    }
    Ok(())
}

fn lift(top: &OwnedFd, from: &OwnedFd, name: &OsStr, lifted: &mut u64) -> Result<()> {
    loop {
        *lifted += 1;
        match renameat(from, name, top, format!(".lifted-{lifted}").as_str()) {
            Ok(()) | Err(Errno::ENOENT) => return Ok(()),
            // The name is taken.
            Err(Errno::ENOTEMPTY | Errno::EEXIST | Errno::ENOTDIR) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
}

fn names(directory: &OwnedFd) -> Result<Vec<OsString>> {
    let mut listing = Dir::openat(directory, ".", DIRECTORY, Mode::empty())?;
    let mut names = Vec::new();
    for entry in listing.iter() {
        let entry = entry.map_err(Error::from)?;
        let name = OsStr::from_bytes(entry.file_name().to_bytes());
        if name != "." && name != ".." {
            names.push(name.to_owned());
        }
    }
    Ok(names)
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "a test makes and looks at directories, with few descriptors")]
mod tests {
    use std::process::Command;

    const NAME: &str = "apply::removal::tests::a_tree_of_any_depth_goes_and_nothing_behind_a_link";
    const TREE: &str = "DEB_BUILD_APP_TEST_TREE";

    /// Deeper than a path may be long, and than descriptors are allowed: the limit is a process's,
    /// and so another one removes it.
    #[test]
    fn a_tree_of_any_depth_goes_and_nothing_behind_a_link() {
        if let Some(tree) = std::env::var_os(TREE) {
            return crate::apply::remove(tree.as_ref()).unwrap();
        }
        let scratch = tempfile::tempdir().unwrap();
        let at = |name: &str| scratch.path().join(name);
        std::fs::create_dir_all(at("kept")).unwrap();
        std::fs::write(at("kept/file"), "").unwrap();
        std::fs::create_dir_all(at("tree/a/b")).unwrap();
        std::os::unix::fs::symlink(at("kept"), at("tree/a/link")).unwrap();
        let deep = "chdir \"$ARGV[0]/tree\"; open F, '>', \"a\\377\"; mkdir '.lifted-1'; open F, '>', '.lifted-2';
                    for (1 .. 4000) { mkdir 'd' or die; chdir 'd' or die; open F, '>', 'f' }";
        let made = Command::new("perl").args(["-e", deep]).arg(scratch.path()).status().unwrap();
        assert!(made.success());
        let mut other = Command::new("sh");
        other.args(["-c", "ulimit -n 256; exec \"$@\"", "sh"]).arg(std::env::current_exe().unwrap());
        let output = other.args(["--exact", NAME]).env(TREE, at("tree")).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
        assert!(!at("tree").exists() && at("kept/file").exists());
    }
}
