//! dh_venv and dh_venv_place as they run in a source package on this machine:
//! with the real uv and pip, without a chroot.
//!
//! Wheels are made on the spot, so that a test says what it installs; only
//! `sameness` takes distributions from the index.
#![allow(clippy::disallowed_methods, reason = "tests read, write and start processes")]
#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(missing_docs, reason = "tests")]

#[path = "../harness/mod.rs"]
mod harness;
mod room;

mod faults;
mod fill;
mod installs;
mod sameness;
mod takeover;
mod trace;
