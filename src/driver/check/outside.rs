//! The checks `piuparts` and `autopkgtest`: Debian's own tools, those of the suite.

use std::path::Path;

use crate::error::Result;
use crate::input;

use super::super::context::Task;
use super::super::session::{self, Bind, Step};
use super::super::tree;
use super::{Checker, Ended, Found, INSTALL_TOOL, Outcome, Run};

const PIUPARTS: &str = include_str!("../../../share/driver/piuparts.sh");
const AUTOPKGTEST: &str = include_str!("../../../share/driver/autopkgtest.sh");

impl Checker<'_> {
    /// What piuparts(1) says: install, purge, nothing left. There is no older version in the archive to upgrade from.
    pub(super) fn piuparts(&self, log: &Path, task: &Task<'_>) -> Result<Found> {
        let (suite, architecture) = (self.request.suite.name, self.request.architecture.as_str());
        let tools = self.environments.tools(suite, architecture)?;
        let step = Step::script(INSTALL_TOOL, &["piuparts"]);
        let base = self.environments.layer(tools, "piuparts", &["piuparts".to_owned()], step, Vec::new())?;
        let minimal = self.environments.minimal(suite, architecture)?;
        let mut binds: Vec<Bind> = vec![self.result()];
        binds.extend(minimal.layers.first().map(|from| Bind {
            from: from.clone(),
            to: "/run/minimal".into(),
            writable: false,
        }));
        binds.extend(self.environments.repository(suite, architecture)?.1);
        let words: Vec<&str> = [suite].into_iter().chain(self.packages()).collect();
        let step = Step { directory: "/run/result".into(), ..Step::script(PIUPARTS, &words) };
        let run = Run { base: &base, binds, steps: vec![step], network: true, boot: None };
        Ok(match self.run(run, log, task)? {
            Ended::Good => Found::good("installs, and a purge leaves nothing behind"),
            Ended::Bad(_, words) => {
                let text = String::from_utf8_lossy(&input::bytes(log)?.unwrap_or_default()).into_owned();
                let first =
                    text.lines().find_map(|line| line.split_once(" ERROR: ")).map(|(_, words)| words.to_owned());
                Found::bad(first.unwrap_or(words))
            }
        })
    }

    /// The tests of debian/tests against the packages that were built, by autopkgtest(1).
    pub(super) fn autopkgtest(&self, log: &Path, task: &Task<'_>) -> Result<Found> {
        let (suite, architecture) = (self.request.suite.name, self.request.architecture.as_str());
        let source = match (self.source()?, &self.request.source) {
            (Some(source), _) => source,
            (None, Some(source)) => {
                let copy = self.work.join("as-it-is");
                tree::copy(self.context, source, None, true, &copy)?.path
            }
            (None, None) => return Ok(Found(Outcome::None, "there is no source package with tests".to_owned())),
        };
        let control = input::text(&source.join("debian/control"))?.unwrap_or_default();
        if !input::is_file(&source.join("debian/tests/control")) && !control.contains("\nTestsuite:") {
            return Ok(Found(Outcome::None, "the source has no debian/tests".to_owned()));
        }
        session::hand_over(&source)?;
        let tools = self.environments.tools(suite, architecture)?;
        let step = Step::script(INSTALL_TOOL, &["autopkgtest"]);
        let base = self.environments.layer(tools, "autopkgtest", &["autopkgtest".to_owned()], step, Vec::new())?;
        let mut binds = vec![self.result(), Bind { from: source, to: "/run/source".into(), writable: false }];
        binds.extend(self.environments.repository(suite, architecture)?.1);
        let steps = vec![Step::script(AUTOPKGTEST, &self.packages())];
        let run = Run { base: &base, binds, steps, network: true, boot: None };
        let ended = self.run(run, log, task)?;
        let text = String::from_utf8_lossy(&input::bytes(log)?.unwrap_or_default()).into_owned();
        let summary = text.rsplit_once(" summary").map(|(_, rest)| rest).unwrap_or_default();
        let count = |word: &str| summary.lines().filter(|line| line.split_whitespace().nth(1) == Some(word)).count();
        let found = format!("{} tests passed, {} failed, {} skipped", count("PASS"), count("FAIL"), count("SKIP"));
        Ok(match ended {
            Ended::Good => Found::good(found),
            // Some, or all, need a testbed of another kind (autopkgtest(1), exit status).
            Ended::Bad(Some(2), _) => Found::good(found),
            Ended::Bad(Some(8), _) => Found(Outcome::None, found),
            Ended::Bad(Some(4 | 6), _) => Found::bad(found),
            Ended::Bad(_, words) => Found::bad(words),
        })
    }
}
