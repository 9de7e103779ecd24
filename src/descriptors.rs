//! Descriptors that a program was started with.

use std::os::fd::RawFd;

/// Close every descriptor but the three standard ones: what whoever started this has
/// open (a lock, a pipe of debconf's, a file that only root may read) is for nobody
/// that is started from here. Called first, before anything is opened.
pub fn close_inherited() {
    #[expect(clippy::disallowed_methods, reason = "the list of its own descriptors (proc(5))")]
    let listing = std::fs::read_dir("/proc/self/fd").map(|entries| {
        let names = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse::<RawFd>().ok());
        names.collect::<Vec<_>>()
    });
    // Without /proc: as many as anybody opens before he starts a program.
    let numbers = listing.unwrap_or_else(|_| (3..256).collect());
    for number in numbers.into_iter().filter(|number| *number > 2) {
        // The listing's own is closed already.
        let _ = nix::unistd::close(number);
    }
}
