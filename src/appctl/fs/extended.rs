//! Extended attributes that a file keeps when it is replaced: xattr(7).
//!
//! An access control list, a security label and an administrator's own
//! attributes say something about the place, not about the contents, so they go
//! over to the new file. What a module of the kernel computes from the contents
//! (security.ima, security.capability) does not.

use std::collections::BTreeMap;
use std::os::fd::{AsFd, BorrowedFd};

use nix::errno::Errno;
use rustix::fs::{XattrFlags, fgetxattr, flistxattr, fremovexattr, fsetxattr};

/// Values by name.
pub type Extended = BTreeMap<String, Vec<u8>>;

/// The access control list (acl(5)), as the kernel hands it out.
pub const ACCESS_LIST: &str = "system.posix_acl_access";

/// The largest value, and the largest list of names, that the kernel has (xattr(7)).
const LARGEST: usize = 64 << 10;

fn is_kept(name: &str) -> bool {
    name == ACCESS_LIST || name == "security.selinux" || name.starts_with("user.")
}

fn errno(error: rustix::io::Errno) -> Errno {
    Errno::from_raw(error.raw_os_error())
}

/// Those of a file; none where the file system knows none.
pub fn of(fd: impl AsFd) -> Result<Extended, Errno> {
    let fd = fd.as_fd();
    let mut names = Vec::with_capacity(LARGEST);
    match flistxattr(fd, rustix::buffer::spare_capacity(&mut names)) {
        Ok(_) => {}
        Err(rustix::io::Errno::OPNOTSUPP) => return Ok(Extended::new()),
        Err(error) => return Err(errno(error)),
    }
    let mut extended = Extended::new();
    let names = names.split(|byte| *byte == 0).filter_map(|name| std::str::from_utf8(name).ok());
    for name in names.filter(|name| is_kept(name)) {
        if let Some(value) = value(fd, name)? {
            extended.insert(name.to_owned(), value);
        }
    }
    Ok(extended)
}

/// `None` where it has gone meanwhile.
fn value(fd: BorrowedFd<'_>, name: &str) -> Result<Option<Vec<u8>>, Errno> {
    let mut value = Vec::with_capacity(LARGEST);
    match fgetxattr(fd, name, rustix::buffer::spare_capacity(&mut value)) {
        Ok(_) => Ok(Some(value)),
        Err(rustix::io::Errno::NODATA) => Ok(None),
        Err(error) => Err(errno(error)),
    }
}

/// Give a new file those of the old one, and take away what only its directory gave it.
pub fn give(fd: impl AsFd, wanted: &Extended) -> Result<(), Errno> {
    let fd = fd.as_fd();
    let found = of(fd)?;
    for (name, value) in wanted.iter().filter(|(name, value)| found.get(*name) != Some(value)) {
        fsetxattr(fd, name.as_str(), value, XattrFlags::empty()).map_err(errno)?;
    }
    if found.contains_key(ACCESS_LIST) && !wanted.contains_key(ACCESS_LIST) {
        fremovexattr(fd, ACCESS_LIST).map_err(errno)?;
    }
    Ok(())
}
