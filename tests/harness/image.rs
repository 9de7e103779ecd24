//! Where things lie: the chroot images (made by `tools/make-image` when they are
//! first asked for), the download cache, uv.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};

/// A Debian release that the toolkit supports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Suite {
    Bookworm,
    Trixie,
}

impl Suite {
    pub const ALL: [Suite; 2] = [Suite::Bookworm, Suite::Trixie];

    pub fn name(self) -> &'static str {
        match self {
            Suite::Bookworm => "bookworm",
            Suite::Trixie => "trixie",
        }
    }

    /// The minor version of the release's python3, such as `3.11`.
    pub fn python(self) -> &'static str {
        match self {
            Suite::Bookworm => "3.11",
            Suite::Trixie => "3.13",
        }
    }
}

impl fmt::Display for Suite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What is installed in an image; `tools/image-recipe` has the lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Minimal, to install packages into; dependencies come from apt's archive
    /// directory, also without a network.
    Run,
    /// A build daemon, with the user `builder`.
    Build,
    /// `Build` and the suite's own cargo and rustc.
    Rust,
}

impl Kind {
    pub fn name(self) -> &'static str {
        match self {
            Kind::Run => "run",
            Kind::Build => "build",
            Kind::Rust => "rust",
        }
    }
}

/// The source tree.
pub fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Cargo's target directory.
pub fn target_dir() -> &'static Path {
    let tmp = Path::new(env!("CARGO_TARGET_TMPDIR"));
    tmp.parent().unwrap_or(tmp)
}

/// `${XDG_CACHE_HOME:-~/.cache}/deb-build-app`.
pub fn cache_dir() -> PathBuf {
    let cache = std::env::var_os("XDG_CACHE_HOME")
        .map(PathBuf::from)
        .or_else(|| std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache")))
        .expect("neither XDG_CACHE_HOME nor HOME is set");
    cache.join("deb-build-app")
}

/// The directory of an image, which is made if it is not there yet.
pub fn image(suite: Suite, kind: Kind) -> PathBuf {
    static FOUND: Mutex<BTreeMap<(Suite, Kind), PathBuf>> = Mutex::new(BTreeMap::new());
    let mut found = FOUND.lock().unwrap_or_else(PoisonError::into_inner);
    let path = found.entry((suite, kind)).or_insert_with(|| {
        let output = Command::new(repository().join("tools/make-image"))
            .args([suite.name(), kind.name()])
            .stdin(Stdio::null())
            .output()
            .expect("tools/make-image cannot be started");
        assert!(
            output.status.success(),
            "tools/make-image {suite} {} failed:\n{}",
            kind.name(),
            String::from_utf8_lossy(&output.stderr)
        );
        PathBuf::from(String::from_utf8_lossy(&output.stdout).trim())
    });
    path.clone()
}

/// The uv binary of this version, from PyPI, fetched once.
pub fn uv() -> PathBuf {
    const VERSION: &str = "0.13.8";
    static FETCH: Mutex<()> = Mutex::new(());
    let _one_at_a_time = FETCH.lock().unwrap_or_else(PoisonError::into_inner);
    let dir = cache_dir().join("uv");
    let uv = dir.join(format!("uv-{VERSION}"));
    if uv.is_file() {
        return uv;
    }
    std::fs::create_dir_all(&dir).expect("cannot create the directory for uv");
    let part = tempfile::tempdir_in(&dir).expect("cannot create the directory for uv");
    let script = format!(
        "/usr/bin/python3 -m pip download --quiet --no-deps --only-binary :all: --dest wheel uv=={VERSION}
         /usr/bin/python3 -m zipfile -e wheel/uv-*.whl files
         install -m 755 files/uv-*.data/scripts/uv uv"
    );
    let mut command = Command::new("sh");
    command.args(["-e", "-c", &script]).current_dir(part.path());
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("PIP_")) {
        command.env_remove(name);
    }
    let output = command.output().expect("sh cannot be started");
    assert!(output.status.success(), "cannot fetch uv:\n{}", String::from_utf8_lossy(&output.stderr));
    std::fs::rename(part.path().join("uv"), &uv).expect("cannot put uv into the cache");
    uv
}
