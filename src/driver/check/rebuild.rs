//! The check `rebuild`: the same source, built again under other circumstances.

use std::path::{Path, PathBuf};

use crate::apply;
use crate::error::Result;
use crate::hex::hex;
use crate::input;
use crate::plan::{Action, Process};

use super::super::build::{self, Variation};
use super::{Checker, Found};

impl Checker<'_> {
    pub(super) fn rebuild(&self, log: &Path) -> Result<Found> {
        let mut request = match &self.request.build {
            Some(request) => request.clone(),
            None => match self.source()? {
                Some(source) => self.build_request(source),
                None => return Ok(Found(super::Outcome::None, "there is no source package to build again".to_owned())),
            },
        };
        request.output = self.work.join("rebuilt");
        request.wait = true;
        request.variation = Variation::Other;
        let built = match build::build(self.context, &request) {
            Ok(built) => built,
            Err(error) => {
                return Ok(Found::bad(error.diagnostics().first().map(ToString::to_string).unwrap_or_default()));
            }
        };
        apply::write(log, &input::bytes(&built.directory.join("build.log"))?.unwrap_or_default(), 0o644)?;
        let mut differing = Vec::new();
        for name in self.packages() {
            let again = built.directory.join(name);
            let same =
                input::kind(&again)?.is_some() && input::digest(&again)? == input::digest(&self.directory.join(name))?;
            if !same {
                self.compare(name, &again, log)?;
                differing.push(name);
            }
        }
        Ok(match differing.is_empty() {
            true => Found::good("the same packages, byte for byte"),
            false => Found::bad(format!("not the same: {}", differing.join(", "))),
        })
    }

    /// What differs, in the log: by diffoscope where it is, else by sha256.
    fn compare(&self, name: &str, again: &Path, log: &Path) -> Result<()> {
        let first = self.directory.join(name);
        let words = [first.as_os_str(), again.as_os_str()].map(std::ffi::OsStr::to_owned);
        let text = match self.context.attempt(Process::new::<std::ffi::OsString>("diffoscope", words)) {
            Ok(output) => output.stdout,
            Err(_) => {
                let sum =
                    |path: &Path| input::digest(path).map(|digest| hex(&digest)).unwrap_or_else(|_| "none".to_owned());
                format!("{name}: sha256 {} and {}; install diffoscope to see what differs\n", sum(&first), sum(again))
                    .into()
            }
        };
        apply::action(&Action::Append { path: log.to_owned(), contents: text })
    }

    /// The source package of the .changes, unpacked.
    pub(super) fn source(&self) -> Result<Option<PathBuf>> {
        let Some(dsc) = self.files.iter().find(|name| name.ends_with(".dsc")) else { return Ok(None) };
        let path = self.work.join("source/unpacked");
        apply::directory(&self.work.join("source"))?;
        let words = ["-x".into(), "--no-check".into(), self.directory.join(dsc).into_os_string(), path.clone().into()];
        self.context.output("dpkg-source", Process::new::<std::ffi::OsString>("dpkg-source", words))?;
        for name in self.files.iter().filter(|name| name.contains(".orig")) {
            let bytes = input::bytes(&self.directory.join(name))?.unwrap_or_default();
            apply::write(&self.work.join("source").join(name), &bytes, 0o644)?;
        }
        Ok(Some(path))
    }

    fn build_request(&self, source: PathBuf) -> build::Request {
        build::Request::of(source, self.request.suite, self.request.architecture.clone())
    }
}
