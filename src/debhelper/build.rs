//! Everything that is read about a build before a helper begins.
//!
//! Mirrors `init`, `tmpdir`, `excludefile` and `load_log` of debhelper's
//! `Dh_Lib.pm`. Differences: `--mainpackage` must name a package of
//! debian/control; a source without packages is an error; an empty item of `-X` or DH_ALWAYS_EXCLUDE excludes nothing.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::arch::Architectures;
use super::select;
use crate::cli;
use crate::debian::compat;
use crate::debian::control::{self, Binary, Source};
use crate::debian::environment::Environment;
use crate::error::{Diagnostic, Error, Location, Result, nearest};
use crate::input;

/// What a helper knows about the source package and what it shall do.
#[derive(Debug, Clone)]
pub struct Build {
    /// debhelper's options.
    pub options: cli::Common,
    /// The source stanza.
    pub source: Source,
    /// Every binary package, in order.
    pub binaries: Vec<Binary>,
    /// Compat level in effect.
    pub compat: u32,
    /// Architecture values and wildcards.
    pub architectures: Architectures,
    /// Names of the packages to act on, in the order of debian/control. Empty: nothing to do.
    pub selected: Vec<String>,
    /// `-v`, DH_VERBOSE.
    pub verbose: bool,
    /// `--no-act`, DH_NO_ACT.
    pub no_act: bool,
    /// DH_QUIET, or `terse` in DEB_BUILD_OPTIONS.
    pub quiet: bool,
    /// The environment.
    pub environment: Environment,
    /// Where debian/ is; empty for the working directory, so that paths read `debian/…`.
    pub directory: PathBuf,
    /// What the reading has to say.
    pub warnings: Vec<Diagnostic>,
    main: usize,
    exclude: Vec<String>,
}

impl Build {
    /// Read the build in `directory` (empty: the working directory) for `tool`.
    pub fn read(tool: &str, parsed: &cli::Parsed, environment: &Environment, directory: &Path) -> Result<Self> {
        let Some(text) = input::text(&directory.join("debian/control"))? else {
            return Err(Diagnostic::error("debian/control is not there")
                .hint("run it in the source package's directory, the one that holds debian/")
                .into());
        };
        let control = control::parse(&text)?;
        let (source, binaries) = (control.source, control.binaries);
        let file = input::text(&directory.join("debian/compat"))?;
        let compat = compat::level(&source, file.as_deref(), environment.text("DH_COMPAT"))?;
        if binaries.is_empty() {
            return Err(Diagnostic::error("the file has no package")
                .at(Location::line("debian/control", source.line))
                .hint("add a stanza that begins with 'Package: NAME'")
                .into());
        }
        let options = parsed.common.clone();
        let main = main_package(&options, &binaries)?;
        let architectures = Architectures::new(environment);
        let enabled = select::enabled(&binaries, &architectures, environment)?;
        let done = if options.remaining_packages { done(tool, &binaries, directory)? } else { BTreeSet::new() };
        let selection = select::select(&binaries, &enabled, &parsed.requests, &done, &architectures)?;
        if options.tmpdir.is_some() && selection.packages.len() > 1 {
            return Err(Error::Usage(
                Diagnostic::error(format!("--tmpdir, but several packages: {}", selection.packages.join(" ")))
                    .hint("choose one of them with --package"),
            ));
        }
        let always = environment.text("DH_ALWAYS_EXCLUDE").unwrap_or_default().split(':').map(str::to_owned);
        let exclude = options.exclude.iter().cloned().chain(always).filter(|text| !text.is_empty()).collect();
        let verbose_by_environment = environment.filled("DH_VERBOSE").is_some();
        Ok(Self {
            verbose: options.verbose || verbose_by_environment,
            quiet: !verbose_by_environment
                && (environment.filled("DH_QUIET").is_some() || environment.build_option("terse") == Some(None)),
            no_act: options.no_act || environment.filled("DH_NO_ACT").is_some(),
            options,
            source,
            binaries,
            compat,
            architectures,
            selected: selection.packages,
            environment: environment.clone(),
            directory: directory.to_owned(),
            warnings: selection.warnings,
            main,
            exclude,
        })
    }

    /// The packages to act on, in the order of debian/control.
    pub fn packages(&self) -> impl Iterator<Item = &Binary> {
        self.binaries.iter().filter(|binary| self.selected.contains(&binary.name))
    }

    /// The first package of debian/control, whether it is built or not, or the one of `--mainpackage`.
    pub fn main_package(&self) -> &Binary {
        &self.binaries[self.main]
    }

    /// `debian/PACKAGE`, or what `-P` says. Relative to the source directory.
    pub fn temporary_directory(&self, package: &str) -> PathBuf {
        match &self.options.tmpdir {
            Some(directory) => self.directory.join(directory),
            None => self.directory.join("debian").join(package),
        }
    }

    /// Whether `path` contains a text of `-X` or DH_ALWAYS_EXCLUDE.
    pub fn excluded(&self, path: &str) -> bool {
        self.exclude.iter().any(|text| path.contains(text.as_str()))
    }

    /// A path under debian/.
    pub fn debian(&self, name: &str) -> PathBuf {
        self.directory.join("debian").join(name)
    }

    /// debian/PACKAGE.debhelper.log.
    pub fn log(&self, package: &str) -> PathBuf {
        self.debian(&format!("{package}.debhelper.log"))
    }
}

fn main_package(options: &cli::Common, binaries: &[Binary]) -> Result<usize> {
    let Some(name) = &options.main_package else { return Ok(0) };
    binaries.iter().position(|binary| binary.name == *name).ok_or_else(|| {
        let names = binaries.iter().map(|binary| binary.name.as_str());
        let hint = nearest(name, names.clone()).map_or_else(
            || format!("debian/control has: {}", names.collect::<Vec<_>>().join(" ")),
            |near| format!("did you mean '{near}'?"),
        );
        Error::Usage(
            Diagnostic::error(format!("--mainpackage names '{name}', which debian/control does not have")).hint(hint),
        )
    })
}

/// The packages whose log says that `tool` has done them.
fn done(tool: &str, binaries: &[Binary], directory: &Path) -> Result<BTreeSet<String>> {
    let mut done = BTreeSet::new();
    for binary in binaries {
        let path = directory.join("debian").join(format!("{}.debhelper.log", binary.name));
        if input::text(&path)?.is_some_and(|text| text.lines().any(|line| line == tool)) {
            done.insert(binary.name.clone());
        }
    }
    Ok(done)
}
