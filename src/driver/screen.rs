//! What a person sees while a command runs: lines, and on a terminal the tasks
//! under way, each with its time and the last line of its log.

use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use crate::message::Printer;

use super::context::Event;

/// Shows events; may be used by several threads at once.
pub struct Screen {
    printer: Printer,
    verbose: bool,
    /// Absent where nobody watches.
    bars: Option<MultiProgress>,
    running: Mutex<BTreeMap<String, ProgressBar>>,
}

impl Screen {
    /// On standard error, which may be a terminal.
    pub fn new(printer: Printer, quiet: bool, verbose: bool) -> Self {
        let watched = std::io::stderr().is_terminal() && !quiet && !verbose;
        let bars = watched.then(MultiProgress::new);
        Self { printer, verbose, bars, running: Mutex::default() }
    }

    /// Show what has happened.
    pub fn show(&self, event: Event) {
        match event {
            Event::Note(text) => self.above(|| self.printer.note(&text)),
            Event::Warning(diagnostic) => self.above(|| self.printer.diagnostic(&diagnostic)),
            Event::Line(task, text) => self.line(&task, &text),
            Event::Began(task) => self.begin(task),
            Event::Ended(task) => self.end(&task),
        }
    }

    /// Print above the bars, which are drawn anew.
    fn above(&self, print: impl FnOnce()) {
        match &self.bars {
            Some(bars) => bars.suspend(print),
            None => print(),
        }
    }

    fn begin(&self, task: String) {
        let Some(bars) = &self.bars else { return self.printer.note(&task) };
        let bar = bars.add(ProgressBar::new_spinner());
        if let Ok(style) = ProgressStyle::with_template("{spinner} {prefix} {elapsed:.dim} {wide_msg:.dim}") {
            bar.set_style(style);
        }
        bar.set_prefix(crate::foreign::printable_line(&task).into_owned());
        bar.enable_steady_tick(Duration::from_millis(100));
        self.running.lock().unwrap_or_else(PoisonError::into_inner).insert(task, bar);
    }

    fn line(&self, task: &str, text: &str) {
        if self.verbose {
            // `checking: lintian` is lintian's, `building notes 1.0` is all of the build.
            let first = task.split(' ').next().unwrap_or_default();
            let name = task.split_once(": ").map_or(first, |(_, name)| name);
            self.printer.note(&format!("{name}: {text}"));
        }
        if let Some(bar) = self.running.lock().unwrap_or_else(PoisonError::into_inner).get(task) {
            // Escape sequences of a build would draw over the others.
            bar.set_message(text.chars().filter(|c| !c.is_control()).take(200).collect::<String>());
        }
    }

    fn end(&self, task: &str) {
        if let Some(bar) = self.running.lock().unwrap_or_else(PoisonError::into_inner).remove(task) {
            let seconds = bar.elapsed().as_secs_f64();
            bar.finish_and_clear();
            self.above(|| self.printer.note(&format!("{task}: {seconds:.1} s")));
        }
    }
}
