//! Python packaging as its standards have it: names, versions, requirements, locks,
//! tags, metadata, RECORD and bills of materials; text in, values out. What reads
//! files, asks an interpreter or knows a Debian package is elsewhere.

pub mod interpreter;
pub mod lockfile;
pub mod metadata;
pub mod name;
pub mod pyproject;
pub mod record;
pub mod requirements;
pub mod sbom;
pub mod specification;
pub mod version;
