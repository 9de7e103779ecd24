//! Runs a target on mutated inputs, watches time and memory, makes what fails small.

use std::cell::Cell;
use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, Once};
use std::time::{Duration, Instant};

use nix::time::{ClockId, clock_gettime};

use crate::mutate::{Random, mutated};

/// What is held against a parser; the error says what does not hold.
pub type Check = fn(&[u8]) -> Result<(), String>;

/// A parser with what it reads.
pub struct Target {
    pub name: &'static str,
    pub seeds: Vec<Vec<u8>>,
    pub check: Check,
    /// How much of processor time an input may take.
    pub limit: Duration,
}

/// An input that fails, as small as it was made.
#[derive(Debug)]
pub struct Failure {
    pub target: String,
    pub why: String,
    pub input: Vec<u8>,
    pub run: usize,
}

/// How much of processor time an input of 64 KiB may take, which is what compares each
/// line with each; and as much more as unoptimised code takes. Time of the thread, so
/// other work counts little.
pub const LIMIT: Duration = Duration::from_millis(if cfg!(debug_assertions) { 5000 } else { 1000 });

/// What ends the whole run: an input that does not come to an end, or takes all memory.
const HANGS: Duration = Duration::from_secs(120);
const MEMORY: u64 = 2 << 30;

pub fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().and_then(|text| text.parse().ok())
}

/// FUZZ_SEED, or the one of `make check`.
pub fn seed() -> u64 {
    number("FUZZ_SEED").unwrap_or(1)
}

/// How often something runs that runs `usual` times in `make check`: FUZZ_RUNS times as often.
pub fn runs(usual: usize) -> usize {
    usual * usize::try_from(number("FUZZ_RUNS").unwrap_or(1)).unwrap_or(1)
}

/// FUZZ_SECONDS of a test; no bound where it is not given.
pub fn deadline() -> Option<Instant> {
    number("FUZZ_SECONDS").map(|seconds| Instant::now() + Duration::from_secs(seconds))
}

pub fn processor_time() -> Duration {
    clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).map(Duration::from).unwrap_or_default()
}

thread_local! {
    static QUIET: Cell<bool> = const { Cell::new(false) };
}

/// Panics of targets are findings, which are reported once; others print as ever.
fn hush() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let usual = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if !QUIET.get() {
                usual(info);
            }
        }));
    });
}

fn once(check: &dyn Fn(&[u8]) -> Result<(), String>, input: &[u8], limit: Duration) -> Result<(), String> {
    QUIET.set(true);
    let before = processor_time();
    let result = catch_unwind(AssertUnwindSafe(|| check(input)));
    let took = processor_time() - before;
    QUIET.set(false);
    match result {
        Err(panic) => {
            let text = panic.downcast_ref::<String>().cloned();
            let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
            Err(format!("it panics: {}", text.unwrap_or_default()))
        }
        Ok(Err(why)) => Err(why),
        Ok(Ok(())) if took > limit => Err(format!("it takes {} ms", took.as_millis())),
        Ok(Ok(())) => Ok(()),
    }
}

/// The kind of a failure: what stays the same while its input becomes smaller.
fn kind(why: &str) -> &str {
    why.split(':').next().unwrap_or_default().trim_end_matches(|c: char| c.is_ascii_digit() || " ms".contains(c))
}

/// Why `input` fails; what took too long is tried once more, for a machine may falter.
fn fails(check: &dyn Fn(&[u8]) -> Result<(), String>, input: &[u8], limit: Duration) -> Option<String> {
    let first = once(check, input, limit).err()?;
    if first.starts_with("it takes ") { once(check, input, limit).err() } else { Some(first) }
}

/// Leaves out halves, then quarters and so on, as long as it fails in the same way.
pub fn minimised(
    check: &dyn Fn(&[u8]) -> Result<(), String>,
    input: &[u8],
    why: &str,
    limit: Duration,
) -> (Vec<u8>, String) {
    let (mut small, mut why) = (input.to_vec(), why.to_owned());
    let until = Instant::now() + Duration::from_secs(20);
    let mut piece = small.len().div_ceil(2);
    while piece > 0 && Instant::now() < until {
        let mut at = 0;
        let mut shorter = false;
        while at < small.len() && Instant::now() < until {
            let end = (at + piece).min(small.len());
            let without = [&small[..at], &small[end..]].concat();
            match fails(check, &without, limit) {
                Some(other) if kind(&other) == kind(&why) => (small, why, shorter) = (without, other, true),
                _ => at = end,
            }
        }
        piece = if shorter && piece == 1 { 1 } else { piece / 2 };
    }
    (small, why)
}

impl Target {
    /// All runs, until the first failure.
    pub fn run(&self, runs: usize, until: Option<Instant>) -> Result<usize, Box<Failure>> {
        hush();
        let _ = std::fs::create_dir_all(kept());
        let mut random = Random::new(seed(), self.name);
        let mut done = 0;
        for run in 0..runs {
            if until.is_some_and(|until| Instant::now() > until) {
                break;
            }
            // Seeds as they are come first: a property that they do not have is none.
            let input = match self.seeds.get(run) {
                Some(input) => input.clone(),
                None => mutated(&mut random, &self.seeds),
            };
            let running = kept().join(format!("{}.running", plain(self.name)));
            let _ = std::fs::write(&running, &input);
            let watch = Watch::over(self.name, &input);
            let why = fails(&self.check, &input, self.limit);
            drop(watch);
            let _ = std::fs::remove_file(running);
            if let Some(why) = why {
                let (input, why) = minimised(&self.check, &input, &why, self.limit);
                return Err(Box::new(Failure { target: self.name.to_owned(), why, input, run }));
            }
            done += 1;
        }
        Ok(done)
    }
}

impl Failure {
    /// For a person: what failed, where its input was put, and how to see it again.
    pub fn report(&self) -> String {
        let file = keep(&self.target, &self.input);
        let mut shown: String = String::from_utf8_lossy(&self.input).escape_debug().take(600).collect();
        if self.input.len() > 600 {
            shown.push('…');
        }
        format!(
            "{}: {}\n  input ({} bytes, run {} of FUZZ_SEED={}): \"{shown}\"\n  kept in {}",
            self.target,
            self.why,
            self.input.len(),
            self.run,
            seed(),
            file.display()
        )
    }
}

/// Where inputs that fail are kept.
pub fn kept() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("fuzz")
}

fn plain(target: &str) -> String {
    target.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect()
}

fn keep(target: &str, input: &[u8]) -> PathBuf {
    let file = kept().join(format!("{}-{}", plain(target), seed()));
    let written = std::fs::create_dir_all(kept()).and_then(|()| std::fs::write(&file, input));
    written.map(|()| file).unwrap_or_default()
}

/// An input that is being tried, for whoever watches from outside of its thread.
struct Watch(usize);

struct Watched {
    since: Instant,
    target: &'static str,
    input: Vec<u8>,
}

static WATCHED: Mutex<Vec<Option<Watched>>> = Mutex::new(Vec::new());

impl Watch {
    fn over(target: &'static str, input: &[u8]) -> Self {
        static WATCHMAN: Once = Once::new();
        WATCHMAN.call_once(|| drop(std::thread::spawn(watch)));
        let mut all = WATCHED.lock().expect("nobody panics with it");
        let at = all.iter().position(Option::is_none).unwrap_or_else(|| {
            all.push(None);
            all.len() - 1
        });
        all[at] = Some(Watched { since: Instant::now(), target, input: input.to_vec() });
        Self(at)
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        WATCHED.lock().expect("nobody panics with it")[self.0] = None;
    }
}

/// Ends all where an input does not end by itself: nothing else can end its thread.
fn watch() {
    loop {
        std::thread::sleep(Duration::from_millis(50));
        let large = resident() > MEMORY;
        let all = WATCHED.lock().expect("nobody panics with it");
        let oldest = all.iter().flatten().max_by_key(|one| one.since.elapsed());
        let Some(one) = oldest.filter(|one| large || one.since.elapsed() > HANGS) else { continue };
        let why = if large { "the memory is full while it runs" } else { "it does not end" };
        let (target, input) = (one.target.to_owned(), one.input.clone());
        let report = Failure { target, why: why.to_owned(), input, run: 0 }.report();
        // Not by a macro: what those print, a test that never ends would keep to itself.
        let _ = writeln!(std::io::stderr(), "{report}");
        std::process::abort();
    }
}

/// Bytes of memory in use (`statm` of proc(5)).
fn resident() -> u64 {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    text.split(' ').nth(1).and_then(|pages| pages.parse::<u64>().ok()).unwrap_or_default() * 4096
}
