//! Configuration as both sides see it: dh_appconfig, which checks and writes
//! it down at build time, and appctl, which applies it on the machine.
//!
//! Owns the settings and their types, the layers that values come from, the
//! escapers, the templates' language and the manifest that carries all of it
//! from the build to the machine. Text and values only: no file is read or
//! written here.

pub mod bootstrap;
pub mod bounds;
pub mod escape;
pub mod layer;
pub mod manifest;
pub mod place;
pub mod program;
pub mod setting;
pub mod template;
pub mod value;
