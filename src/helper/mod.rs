//! The helpers: pure planning, no I/O.

pub mod venv;
