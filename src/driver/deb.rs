//! What a package file says of itself. Its author may be anybody: no more of it is
//! unpacked than is read, and nothing of it reaches a file system.

use std::ffi::OsString;
use std::io::Read;
use std::path::Path;
use std::time::Duration;

use crate::error::{Diagnostic, Error, Result};
use crate::plan::Process;

use super::context::Context;

/// Most bytes of a control archive that are looked through, as the number for head(1).
const ARCHIVE: &str = "16777216";
/// Most bytes of a control file.
const CONTROL: u64 = 1 << 20;
/// How long it may take to unpack that much.
const LIMIT: Duration = Duration::from_secs(60);
/// `dpkg-deb -f` unpacks the whole control archive below /tmp. What ends early is told by what is missing.
const UNPACK: &str = "ulimit -v 4194304; dpkg-deb --ctrl-tarfile \"$1\" | head -c \"$2\"";

/// The control file of a package file.
pub fn control(context: &Context<'_>, path: &Path) -> Result<String> {
    let words: [OsString; 5] = ["-c".into(), UNPACK.into(), "sh".into(), path.into(), ARCHIVE.into()];
    let output = context.attempt_within(LIMIT, Process::new("sh", words))?;
    let fault = |why: String| {
        let fault = Diagnostic::error(format!("{}: {why}", path.display()));
        Error::from(fault.hint("look at it: dpkg-deb --ctrl-tarfile FILE | tar -t; a good package begins with control"))
    };
    if output.stdout.is_empty() {
        return Err(fault(format!("it is no package file: {}", super::context::last_words(&output.stderr))));
    }
    match find(&output.stdout) {
        Some(bytes) if bytes.len() as u64 <= CONTROL => {
            String::from_utf8(bytes).map_err(|_| fault("its control file is not UTF-8".to_owned()))
        }
        Some(_) => Err(fault(format!("its control file has more than {} MB", CONTROL >> 20))),
        None => Err(fault(format!("there is no control file in the first {ARCHIVE} bytes of its control archive"))),
    }
}

/// The member `control` of an archive that may be cut off; one byte more than there may be, at most.
fn find(archive: &[u8]) -> Option<Vec<u8>> {
    let mut archive = tar::Archive::new(archive);
    for entry in archive.entries().ok()? {
        let entry = entry.ok()?;
        let is_control = entry.path().is_ok_and(|path| path.strip_prefix(".").unwrap_or(&path) == Path::new("control"));
        if is_control && entry.header().entry_type().is_file() {
            let size = entry.size();
            let mut bytes = Vec::new();
            entry.take(CONTROL + 1).read_to_end(&mut bytes).ok()?;
            return (bytes.len() as u64 == size.min(CONTROL + 1)).then_some(bytes);
        }
    }
    None
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "a test makes package files")]
mod tests {
    use std::fs;
    use std::process::Command;

    use super::*;
    use crate::debian::environment::Environment;

    /// A package file whose control archive has these members, zeros but for `control`.
    fn package(room: &Path, members: &[(&str, u64)]) -> std::path::PathBuf {
        let mut words = vec!["-czf".to_owned(), "control.tar.gz".to_owned()];
        for (name, size) in members {
            fs::File::create(room.join(name)).unwrap().set_len(*size).unwrap();
            if *size == 0 {
                fs::write(room.join(name), "Package: notes\nVersion: 1\n").unwrap();
            }
            words.push(format!("./{name}"));
        }
        assert!(Command::new("tar").args(words).current_dir(room).status().unwrap().success());
        let mut bytes = b"!<arch>\n".to_vec();
        let control = fs::read(room.join("control.tar.gz")).unwrap();
        for (name, member) in [("debian-binary", &b"2.0\n"[..]), ("control.tar.gz", &control)] {
            bytes.extend(format!("{name:<16}0           0     0     100644  {:<10}`\n", member.len()).bytes());
            bytes.extend(member);
            bytes.resize(bytes.len().next_multiple_of(2), b'\n');
        }
        fs::write(room.join("x.deb"), bytes).unwrap();
        room.join("x.deb")
    }

    #[test]
    fn no_more_of_a_package_is_unpacked_than_is_read() {
        let room = tempfile::tempdir().unwrap();
        let environment = Environment::from_pairs(Environment::read().all().clone());
        let context = Context { environment, directory: room.path().to_owned(), tell: &|_| {} };
        let of = |members: &[(&str, u64)]| control(&context, &package(room.path(), members));
        let said = |members: &[(&str, u64)]| of(members).unwrap_err().diagnostics()[0].to_string();
        assert_eq!(of(&[("control", 0), ("zeros", 64 << 20)]).unwrap(), "Package: notes\nVersion: 1\n");
        assert_eq!(of(&[("md5sums", 4 << 20), ("control", 0)]).unwrap(), "Package: notes\nVersion: 1\n");
        assert!(said(&[("zeros", 64 << 20), ("control", 0)]).contains("there is no control file in the first"));
        assert!(said(&[("control", 64 << 20)]).contains("its control file has more than 1 MB"));
        fs::write(room.path().join("x.deb"), "no package").unwrap();
        assert!(control(&context, &room.path().join("x.deb")).is_err());
    }
}
