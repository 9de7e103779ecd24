//! dh_venv: what a package's venv is, how it is installed, and what makes it a
//! good citizen of a .deb. Pure: see [`crate::run`] for the order of things.

pub mod cli;
pub mod dist_info;
pub mod distribution;
pub mod installer;
pub mod interpreter;
pub mod record;
pub mod tree;
