//! The program with a fault in it, by which a test proves that it would notice.

use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

use super::image::{repository, target_dir};

/// appctl that writes in place, without fsync(2) and rename(2), and does not heed its
/// journal: built with a feature that nothing else has.
pub fn planted_appctl() -> PathBuf {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    let build = || {
        let status = Command::new(std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned()))
            .args(["build", "--quiet", "--locked", "--bin", "appctl-planted-bug", "--features", "planted-bug"])
            .current_dir(repository())
            .env("CARGO_TARGET_DIR", target_dir())
            .status();
        assert!(status.is_ok_and(|status| status.success()), "appctl-planted-bug cannot be built");
        target_dir().join("debug/appctl-planted-bug")
    };
    BUILT.get_or_init(build).clone()
}
