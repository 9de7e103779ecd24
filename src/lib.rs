//! deb-build-app: Debian packaging toolkit for Python applications.
//!
//! Layers, in the one direction in which imports run:
//! `bin → run → {cli, input, helper, apply, message}`, `helper → {debian, render, plan}`,
//! `apply → plan`. ARCHITECTURE.md has the reasons.

pub mod apply;
pub mod cli;
pub mod debian;
#[cfg(feature = "driver")]
pub mod driver;
pub mod error;
pub mod helper;
pub mod input;
pub mod manual;
pub mod message;
pub mod plan;
pub mod render;
pub mod run;
