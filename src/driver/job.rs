//! What is asked of a build: values that everything which builds has in common.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use clap::ValueEnum;

use super::git::Wanted;
use super::target::Suite;

/// Name of the log among the results.
pub const LOG: &str = "build.log";
pub(super) const PREPARE: &str = include_str!("../../share/driver/prepare.sh");
/// Where a source is built, the same for all: what it is built in must not show.
pub const BUILD_PLACE: &str = "/build/reproducible-path";

/// What is asked for.
#[derive(Debug, Clone)]
pub struct Request {
    /// Directory of the source.
    pub source: PathBuf,
    /// A commit of its repository instead of what is in the directory.
    pub wanted: Option<Wanted>,
    /// Take the commit although files differ from what is committed.
    pub allow_dirty: bool,
    /// Suite to build for.
    pub suite: Suite,
    /// Architecture to build for.
    pub architecture: String,
    /// Where results go: SUITE/SOURCE/VERSION/ARCHITECTURE below it.
    pub output: PathBuf,
    /// dpkg-buildpackage's `--build`; by default `full` where the source package can be built.
    pub kind: Option<String>,
    /// Wait for another build of this source instead of failing.
    pub wait: bool,
    /// How long the build may take.
    pub limit: Option<Duration>,
    /// Leave the network to the build.
    pub network: bool,
    /// Fill debian/wheelhouse of the copy that is built.
    pub vendor: bool,
    /// Most bytes that the build may write; three quarters of the free memory where absent.
    pub room: Option<u64>,
    /// Under which circumstances.
    pub variation: Variation,
    /// By what.
    pub backend: Backend,
    /// Ended when this becomes true.
    pub unwanted: Option<Arc<AtomicBool>>,
    /// Whether the source may have what cannot be kept from it.
    pub trust: bool,
}

/// Circumstances of a build that must not change what comes out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Variation {
    /// The usual ones, with what is kept for builds of the source.
    #[default]
    Usual,
    /// Another time zone, umask, number of processors; nothing of earlier builds.
    Other,
}

impl Request {
    /// A build of what is in a directory, whatever its results are for.
    pub fn of(source: PathBuf, suite: Suite, architecture: String) -> Self {
        Self {
            source,
            suite,
            architecture,
            wanted: None,
            allow_dirty: false,
            output: PathBuf::new(),
            kind: None,
            wait: true,
            limit: None,
            network: false,
            vendor: false,
            room: None,
            variation: Variation::Usual,
            backend: Backend::Session,
            unwanted: None,
            trust: false,
        }
    }

    /// The name of a directory beside the one of the results.
    pub fn beside(&self, suffix: &str) -> String {
        format!("{}.{suffix}", self.architecture)
    }
}

/// What builds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum Backend {
    /// A session of the driver's own
    #[default]
    Session,
    /// sbuild, in its mode unshare
    Sbuild,
    /// pbuilder
    Pbuilder,
    /// This machine as it is, build dependencies included
    Host,
}

impl Backend {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Session => "session",
            Self::Sbuild => "sbuild",
            Self::Pbuilder => "pbuilder",
            Self::Host => "host",
        }
    }
}
