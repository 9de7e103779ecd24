//! What a tree of files looks like: values, without the reading.

use std::path::PathBuf;

/// What stands at a path; links are not followed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// A regular file.
    File {
        /// Permission bits.
        mode: u32,
        /// Bytes.
        size: u64,
    },
    /// A directory.
    Directory,
    /// A symbolic link and its target.
    Link(PathBuf),
    /// A socket, FIFO or device.
    Other,
}

/// One entry of a tree listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Path relative to the listed root.
    pub path: PathBuf,
    /// What it is.
    pub kind: Kind,
}

/// What one pass over a file's bytes tells.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Facts {
    /// Digest.
    pub sha256: [u8; 32],
    /// Bytes.
    pub size: u64,
    /// Which of the texts looked for it holds (indices into that list).
    pub found: Vec<usize>,
    /// How it begins.
    pub beginning: Beginning,
}

/// How a file begins.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Beginning {
    /// Interpreter line without `#!`, where it has one.
    pub shebang: Option<String>,
    /// Whether it begins as an ELF file.
    pub elf: bool,
}
