//! The helpers: from what was read to what is to be done, as pure functions.
//!
//! No helper imports another, reads, writes, prints or starts a process.

#[cfg(feature = "appconfig")]
pub mod appconfig;
#[cfg(feature = "supervisord")]
pub mod supervisord;
#[cfg(feature = "venv")]
pub mod venv;
#[cfg(feature = "zeoclient")]
pub mod zeoclient;
