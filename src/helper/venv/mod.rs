//! dh_venv: what a package's venv is, how it is installed, and what makes it a
//! good citizen of a .deb. Pure: [`crate::run::venv`] has the order of things.

pub mod bytecode;
pub mod cli;
pub mod complaint;
pub mod distribution;
pub mod elf;
pub mod from_dh_virtualenv;
pub mod imports;
pub mod installer;
pub mod linkage;
pub mod lintian;
pub mod place;
pub mod settings;
pub mod tree;
