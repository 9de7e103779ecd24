//! dh_venv: pure parts.

pub mod elf;
pub mod imports;
pub mod lintian;
pub mod lockfile;
pub mod metadata;
pub mod name;
pub mod record;
pub mod requirements;
pub mod sbom;
