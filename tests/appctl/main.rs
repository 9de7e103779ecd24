//! appctl as it runs: the real program on a root of its own, as root.
#![allow(clippy::disallowed_methods, reason = "tests read, write and start processes")]
#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(missing_docs, clippy::print_stdout, reason = "tests")]

#[path = "../harness/mod.rs"]
mod harness;

mod attack;
mod checks;
mod completion;
mod config;
mod edits;
mod faults;
mod machine;
mod maint;
mod services;
mod speed;
