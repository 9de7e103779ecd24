//! System tests: real packages, built and installed in real chroots.
//!
//! One test binary, so that they share the images and the machine; `make check`
//! runs two at a time. One module a subject; each test gets sessions of its own.

#[path = "../harness/mod.rs"]
mod harness;

mod smoke;
