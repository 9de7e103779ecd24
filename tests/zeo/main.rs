//! share/python/zeoclient against the real ZEO, ZODB, Zope and Grok.
//!
//! Servers listen on this machine's loopback; each test has its own. What they
//! run is in requirements.txt, pinned, and installed once into the cache.
#![allow(clippy::disallowed_methods, reason = "tests read, write and start processes")]
#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(clippy::print_stdout, reason = "what a test has counted is shown with its result")]
#![allow(missing_docs, reason = "tests")]

#[path = "../harness/mod.rs"]
mod harness;
mod stand;

mod bootstrap;
mod grok;
mod probe;
mod upgrade;
mod zope;
