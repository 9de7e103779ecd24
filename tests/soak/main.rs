//! What takes too long for `make check`, or is a figure and no test: `make soak`.
#![allow(clippy::disallowed_methods, reason = "tests read, write and start processes")]
#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test fails by panicking, its helpers too")]
#![allow(clippy::print_stdout, reason = "what was measured is the result")]
#![allow(dead_code, reason = "of what the system tests stand on, a part is used")]

#[path = "../harness/mod.rs"]
mod harness;
#[path = "../system/package.rs"]
mod package;

mod by_hand;
mod plone;
