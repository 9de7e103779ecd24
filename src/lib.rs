//! deb-build-app: Debian packaging toolkit for Python applications.
//!
//! ARCHITECTURE.md has the layers, what each may import, and the reasons.

#[cfg(feature = "appctl")]
pub mod appctl;
#[cfg(feature = "helper")]
pub mod apply;
#[cfg(feature = "helper")]
pub mod cli;
pub mod configuration;
#[cfg(feature = "helper")]
pub mod debhelper;
#[cfg(feature = "helper")]
pub mod debian;
pub mod descriptors;
pub mod digest;
#[cfg(feature = "driver")]
pub mod driver;
pub mod error;
pub mod foreign;
#[cfg(feature = "helper")]
pub mod helper;
pub mod hex;
#[cfg(feature = "helper")]
pub mod input;
pub mod listing;
pub mod manual;
pub mod message;
pub mod parallel;
pub mod plan;
#[cfg(feature = "venv")]
pub mod python;
#[cfg(feature = "helper")]
pub mod render;
#[cfg(feature = "helper")]
pub mod run;
