//! The check `rebuild`: the same source, built again under other circumstances.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError};
use std::thread::ScopedJoinHandle;

use crate::apply;
use crate::error::{Error, Result};
use crate::hex::hex;
use crate::input;
use crate::plan::{Action, Process};

use super::super::build::{self, Built};
use super::super::context::Context;
use super::super::hold::Workroom;
use super::super::job::{self, Variation};
use super::super::process;
use super::super::session::{Bench, Bind, Upper, memory};
use super::{Check, Checker, Found, LIMIT, Request, Verdict, check};

/// The second build of a source, under way beside the first.
pub type Again<'scope> = ScopedJoinHandle<'scope, Result<Built>>;

/// How a source is built a second time.
fn again(request: &job::Request, output: PathBuf) -> job::Request {
    job::Request { output, wait: true, variation: Variation::Other, ..request.clone() }
}

/// Build, and check what was built. The second build that a comparison takes begins
/// with the first: one build alone seldom keeps two processors busy. `told` learns
/// of the first as soon as it is there.
pub fn build_and_check(
    context: &Context<'_>,
    request: &job::Request,
    checks: Vec<Check>,
    privileged: bool,
    told: &dyn Fn(&Built),
) -> Result<(Built, Vec<Verdict>)> {
    let room = Workroom::new(context, &context.cache()?.join("work"))?;
    let unwanted = Arc::new(AtomicBool::new(false));
    let second = job::Request { unwanted: Some(unwanted.clone()), ..again(request, room.path().join("rebuilt")) };
    let ready = build::prepare(context, request)?;
    std::thread::scope(|scope| {
        let begin = || scope.spawn(|| ready.build(&second));
        let under_way = checks.contains(&Check::Rebuild).then(begin);
        let outcome = ready.build(request).and_then(|built| {
            told(&built);
            let changes = built.directory.join(&built.changes);
            let (suite, architecture) = (request.suite, request.architecture.clone());
            let source = Some(request.source.clone());
            let request = Request { changes, suite, architecture, checks, source, privileged };
            let verdicts = check(context, &request, under_way)?;
            Ok((built, verdicts))
        });
        // Where the first build fails, nobody wants the second.
        unwanted.store(true, Ordering::Relaxed);
        outcome
    })
}

impl Checker<'_> {
    pub(super) fn rebuild(&self, log: &Path) -> Result<Found> {
        let under_way = self.again.lock().unwrap_or_else(PoisonError::into_inner).take();
        let built = match under_way {
            Some(handle) => handle.join().unwrap_or_else(|_| Err(Error::failed("the second build panicked"))),
            None => match self.source()? {
                Some(source) => {
                    let request = job::Request::of(source, self.request.suite, self.request.architecture.clone());
                    build::build(self.context, &again(&request, self.work.join("rebuilt")))
                }
                None => return Ok(Found(super::Outcome::None, "there is no source package to build again".to_owned())),
            },
        };
        let built = match built {
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
                input::kind(&again)?.is_some() && input::digest(&again)? == input::digest(&self.copies.join(name))?;
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
        let first = self.copies.join(name);
        if self.context.needs("diffoscope").is_err() {
            let sum =
                |path: &Path| input::digest(path).map(|digest| hex(&digest)).unwrap_or_else(|_| "none".to_owned());
            let text =
                format!("{name}: sha256 {} and {}; install diffoscope to see what differs\n", sum(&first), sum(again));
            return apply::action(&Action::Append { path: log.to_owned(), contents: text.into() });
        }
        // It takes packages apart with dozens of tools: with ids of its own, as a build.
        let show = |from: &Path, place: &str| Bind {
            from: from.to_owned(),
            to: Path::new("/mnt").join(place).join(name),
            writable: false,
        };
        let words = [PathBuf::from("diffoscope"), show(&first, "first").to, show(again, "again").to];
        let bench = Bench {
            contained: true,
            network: false,
            upper: Upper::Memory(memory()?),
            directories: ["first", "again"]
                .map(|name| (name.to_owned(), 0o755))
                .into_iter()
                .chain([("tmp".to_owned(), 0o1777)])
                .collect(),
            binds: vec![show(&first, "first"), show(again, "again")],
            command: words.to_vec(),
            environment: self.context.for_bench(false),
            take: None,
        };
        let terms = process::Terms { limit: Some(LIMIT), ..process::Terms::default() };
        process::contained_on(&bench.process()?, log, terms, &mut |_| {}).map(|_| ())
    }

    /// The source package of the .changes, unpacked.
    pub(super) fn source(&self) -> Result<Option<PathBuf>> {
        let Some(dsc) = self.files.iter().find(|name| name.ends_with(".dsc")) else { return Ok(None) };
        // Those that run nothing of the source (dpkg-source(1)).
        let text = input::text(&self.copies.join(dsc))?.unwrap_or_default();
        let format = text.lines().find_map(|line| line.strip_prefix("Format:")).unwrap_or_default().trim();
        if !["1.0", "3.0 (native)", "3.0 (quilt)"].contains(&format) {
            return Err(Error::failed(format!("{dsc} has the format '{format}', which is not unpacked here")));
        }
        let path = self.work.join("source/unpacked");
        apply::directory(&self.work.join("source"))?;
        let words = ["-x".into(), "--no-check".into(), self.copies.join(dsc).into_os_string(), path.clone().into()];
        self.context.output("dpkg-source", Process::new::<std::ffi::OsString>("dpkg-source", words))?;
        for name in self.files.iter().filter(|name| name.contains(".orig")) {
            let bytes = input::bytes(&self.copies.join(name))?.unwrap_or_default();
            apply::write(&self.work.join("source").join(name), &bytes, 0o644)?;
        }
        Ok(Some(path))
    }
}
