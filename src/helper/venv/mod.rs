//! dh_venv: pure parts.

pub mod elf;
pub mod imports;
pub mod lockfile;
pub mod name;
pub mod requirements;
