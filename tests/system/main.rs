//! System tests: real packages, built and installed in real chroots.
//!
//! One test binary, so that they share the images and the machine; `make check`
//! runs two at a time. One module a subject; each test gets sessions of its own.
#![allow(clippy::disallowed_methods, reason = "tests read, write and start processes")]
#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test fails by panicking, its helpers too")]

#[path = "../harness/mod.rs"]
mod harness;

mod configuration;
mod contents;
mod debhelper;
mod examples;
mod faults;
mod installed;
mod ordinary;
mod package;
mod programs;
mod smoke;
mod sources;
mod toolkit;
mod zeo_cases;
mod zeo_client;
mod zeo_frameworks;
mod zeo_nodes;

mod zeo_server;
