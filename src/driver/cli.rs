//! The command line of deb-build-app.
//!
//! Owns what can be typed, and its help. What it means is decided elsewhere.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};

use super::job::Backend;

/// Build Debian packages of applications, from a git tag to tested packages
#[derive(Debug, Parser)]
#[command(name = "deb-build-app", version, disable_help_subcommand = true)]
pub struct Arguments {
    /// Print only errors and results
    #[arg(short, long, global = true)]
    pub quiet: bool,
    /// Show logs as they grow
    #[arg(short, long, global = true, conflicts_with = "quiet")]
    pub verbose: bool,
    /// Print results as JSON
    #[arg(long, global = true)]
    pub json: bool,
    /// What to do
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Write a debian/ for the Python project in the working directory
    New(New),
    /// Make the orig tarball of a git ref or of a release archive
    Fetch(Fetch),
    /// Pin every Python distribution of the source package, with hashes, for all suites
    Lock(Lock),
    /// Collect the wheels and source archives that a build without a network needs
    Vendor(Vendor),
    /// Build packages in a clean session without a network
    Build(Build),
    /// Look at what was built, build it again, install and boot it
    Check(Checking),
    /// Build environments
    #[command(subcommand, subcommand_required = true)]
    Env(Env),
}

/// Options of `build`.
#[derive(Debug, Args)]
pub struct Build {
    /// Directory of the source (default: the working directory)
    #[arg(value_name = "DIRECTORY", default_value = ".", hide_default_value = true)]
    pub source: PathBuf,
    /// A commit instead of what is in the directory
    #[command(flatten)]
    pub reference: Ref,
    /// Suite to build for (default: bookworm)
    #[arg(short, long, value_name = "SUITE", default_value = "bookworm", hide_default_value = true)]
    pub suite: String,
    /// Architecture to build for (default: this machine's)
    #[arg(short, long, value_name = "ARCH")]
    pub arch: Option<String>,
    /// Directory for results, which go to SUITE/SOURCE/VERSION/ARCH below it (default: ../build-area)
    #[arg(short, long, value_name = "DIR", default_value = "../build-area", hide_default_value = true)]
    pub output: PathBuf,
    /// What to build: full, binary, any or all (default: full where the orig tarball is there)
    #[arg(long = "build", value_name = "KIND", value_parser = ["full", "binary", "any", "all"])]
    pub kind: Option<String>,
    /// Collect the wheels that the build needs first, as vendor does (default: where a build without a network has no wheelhouse)
    #[arg(long)]
    pub vendor: bool,
    /// Check what was built, as check does: default, all, or names with commas
    #[arg(long, value_name = "CHECKS", num_args = 0..=1, require_equals = true, default_missing_value = "default")]
    pub check: Option<String>,
    /// What builds: session, sbuild, pbuilder or host (default: session)
    #[arg(
        long,
        value_name = "BACKEND",
        value_enum,
        default_value = "session",
        hide_default_value = true,
        hide_possible_values = true
    )]
    pub backend: Backend,
    /// Build on this machine as it is although root does: the source is trusted with it
    #[arg(long)]
    pub trust_source: bool,
    /// Check with root's powers over this machine: the packages are trusted with it
    #[arg(long, requires = "check")]
    pub privileged_check: bool,
    /// Leave the network to the build
    #[arg(long)]
    pub network: bool,
    /// Wait for another build of this source
    #[arg(long)]
    pub wait: bool,
    /// End the build after this time: 90s, 30m, 2h
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub time_limit: Option<Duration>,
    /// Most megabytes that the build may write (default: three quarters of the free memory)
    #[arg(long, value_name = "MB", value_parser = clap::value_parser!(u64).range(1..=1 << 30))]
    pub room: Option<u64>,
}

/// Options of `check`.
#[derive(Debug, Args)]
pub struct Checking {
    /// The .changes file of a build
    #[arg(value_name = "CHANGES")]
    pub changes: PathBuf,
    /// Suite that it was built for (default: what manifest.json beside it says, else bookworm)
    #[arg(short, long, value_name = "SUITE")]
    pub suite: Option<String>,
    /// Architecture that it was built for (default: manifest.json's, else this machine's)
    #[arg(short, long, value_name = "ARCH")]
    pub arch: Option<String>,
    /// Run this check only: lintian, rebuild, install, piuparts or autopkgtest; may be repeated
    #[arg(long, value_name = "CHECK", conflicts_with = "all")]
    pub only: Vec<String>,
    /// Run all of them (default: lintian, rebuild and install)
    #[arg(long)]
    pub all: bool,
    /// Install with root's powers over this machine: the packages are trusted with it
    #[arg(long)]
    pub privileged_check: bool,
}

/// `90s`, `30m`, `2h`; a number alone is seconds.
fn duration(text: &str) -> Result<Duration, String> {
    let (number, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()));
    let factor = match unit {
        "" | "s" => 1,
        "m" => 60,
        "h" => 3600,
        _ => return Err("a time is a number with s, m or h".to_owned()),
    };
    let seconds = number.parse::<u64>().ok().and_then(|number| number.checked_mul(factor));
    seconds
        .filter(|seconds| *seconds > 0)
        .map(Duration::from_secs)
        .ok_or_else(|| "a time is a number with s, m or h".to_owned())
}

/// Commands on build environments.
#[derive(Debug, Subcommand)]
pub enum Env {
    /// Make the environment of a suite
    Create(Create),
    /// Make a new generation of an environment from the archive as it is now
    Update(Which),
    /// Show environments and the layers on them, with sizes and ages
    List,
    /// Open a shell in a session that is gone afterwards
    Shell(Shell),
    /// Remove an environment and all that stands on it
    Remove(Which),
    /// Remove old generations, and layers that are no longer used
    Gc(Gc),
}

/// An environment.
#[derive(Debug, Clone, Args)]
pub struct Which {
    /// bookworm, trixie or sid
    #[arg(value_name = "SUITE")]
    pub suite: String,
    /// Architecture (default: this machine's)
    #[arg(short, long, value_name = "ARCH")]
    pub arch: Option<String>,
}

/// Options of `env create`.
#[derive(Debug, Args)]
pub struct Create {
    /// Which
    #[command(flatten)]
    pub which: Which,
    /// Package file to install for every build, or a directory of such; may be repeated
    #[arg(long = "deb", value_name = "FILE")]
    pub debs: Vec<PathBuf>,
    /// Package of the archive to install for every build; may be repeated
    #[arg(long, value_name = "PACKAGE")]
    pub include: Vec<String>,
    /// Start from a system that another tool has made: a directory or a tar archive
    #[arg(long, value_name = "PATH")]
    pub from: Option<PathBuf>,
    /// Mirror of Debian's archive (default: the one that this machine's apt uses)
    #[arg(long, value_name = "URL")]
    pub mirror: Option<String>,
}

/// Options of `env shell`.
#[derive(Debug, Args)]
pub struct Shell {
    /// Which
    #[command(flatten)]
    pub which: Which,
    /// Without a network
    #[arg(long)]
    pub offline: bool,
    /// A command to run instead of a shell
    #[arg(value_name = "COMMAND", last = true)]
    pub command: Vec<String>,
}

/// Options of `env gc`.
#[derive(Debug, Args)]
pub struct Gc {
    /// Keep layers that were used within so many days
    #[arg(long, value_name = "DAYS", default_value_t = 30)]
    pub keep_days: u64,
}

/// Options that say what a package is built for.
#[derive(Debug, Clone, Args)]
pub struct Suites {
    /// Suite to build for; may be repeated (default: bookworm and trixie)
    #[arg(short, long = "suite", value_name = "SUITE")]
    pub suites: Vec<String>,
    /// Package index; the first one is the primary index (default: PyPI, or the field Index)
    #[arg(long = "index", value_name = "URL")]
    pub indexes: Vec<String>,
    /// Run code of the source with your own rights where it cannot be contained
    #[arg(long)]
    pub trust_source: bool,
}

/// Options of `lock`.
#[derive(Debug, Args)]
pub struct Lock {
    /// What for
    #[command(flatten)]
    pub suites: Suites,
    /// Take the newest versions, whatever the lock has now
    #[arg(long)]
    pub upgrade: bool,
    /// Change nothing; fail where the lock was made from other requirements
    #[arg(long, conflicts_with = "upgrade")]
    pub check: bool,
}

/// Options of `vendor`.
#[derive(Debug, Args)]
pub struct Vendor {
    /// What for
    #[command(flatten)]
    pub suites: Suites,
    /// Architecture to build for; may be repeated (default: this machine's)
    #[arg(short, long = "arch", value_name = "ARCH")]
    pub architectures: Vec<String>,
    /// Write an orig component tarball beside the source directory, not debian/wheelhouse
    #[arg(long)]
    pub component: bool,
    /// Change nothing; fail where files are stale, missing, altered or yanked: those of debian/wheelhouse, else or with --component those of the tarball
    #[arg(long)]
    pub check: bool,
}

/// Options that say which commit of a repository is meant.
#[derive(Debug, Clone, Default, Args)]
pub struct Ref {
    /// Take this tag
    #[arg(long, value_name = "TAG", group = "ref")]
    pub tag: Option<String>,
    /// Take this branch, local or of origin
    #[arg(long, value_name = "BRANCH", group = "ref")]
    pub branch: Option<String>,
    /// Take this commit
    #[arg(long, value_name = "COMMIT", group = "ref")]
    pub commit: Option<String>,
    /// Go on although the work tree has changes: only what is committed is taken
    #[arg(long)]
    pub allow_dirty: bool,
}

/// Options of `new`.
#[derive(Debug, Args)]
pub struct New {
    /// Name of the package (default: the project's)
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,
    /// Write nothing, show what would be written
    #[arg(long)]
    pub dry_run: bool,
}

/// Options of `fetch`.
#[derive(Debug, Args)]
pub struct Fetch {
    /// The repository: a directory or a URL
    #[arg(value_name = "REPOSITORY", default_value = ".", hide_default_value = true)]
    pub repository: String,
    /// What to take from it
    #[command(flatten)]
    pub reference: Ref,
    /// Take a release archive instead: a file or a URL
    #[arg(long, value_name = "ARCHIVE", conflicts_with = "ref")]
    pub archive: Option<String>,
    /// Fail unless the archive has this checksum
    #[arg(long, value_name = "HEX", requires = "archive")]
    pub sha256: Option<String>,
    /// A detached OpenPGP signature of the archive: a file or a URL
    #[arg(long, value_name = "FILE", requires = "archive")]
    pub signature: Option<String>,
    /// Keys that may have signed the archive
    #[arg(long, value_name = "FILE", requires = "signature")]
    pub keyring: Option<PathBuf>,
    /// Fail unless the tag or the archive has a good signature
    #[arg(long)]
    pub verify: bool,
    /// Name of the source package (default: debian/changelog's, else the project's)
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,
    /// Upstream version (default: the tag's, else debian/changelog's)
    #[arg(long, value_name = "VERSION")]
    pub upstream_version: Option<String>,
    /// How the tarball of a git ref is compressed
    #[arg(long, value_enum, default_value = "xz")]
    pub compression: Compression,
    /// Directory for the tarball
    #[arg(short, long, value_name = "DIR", default_value = "..", hide_default_value = true)]
    pub output: PathBuf,
}

/// Compressions of an orig tarball.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum Compression {
    /// gzip
    Gz,
    /// xz
    Xz,
}
