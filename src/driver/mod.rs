//! deb-build-app: the driver around debian/rules.
//!
//! [`shell`] reads the command line and prints; everything else takes values and
//! returns values, and tells what it does through [`context::Context::say`].
//! Mounts and namespaces are [`session`]'s alone, long-running children
//! [`process`]'s; files are read through [`crate::input`] and written through
//! [`crate::apply`].

pub mod archive;
pub mod backend;
pub mod build;
pub mod changes;
pub mod check;
pub mod cli;
pub mod context;
mod deb;
pub mod environment;
pub mod fetch;
pub mod git;
pub mod hold;
pub mod index;
pub mod inspect;
pub mod job;
pub mod json;
pub mod kept;
pub mod lock;
pub mod new;
pub mod process;
pub mod report;
pub mod results;
pub mod screen;
pub mod session;
pub mod shell;
pub mod shell_session;
pub mod source;
pub mod target;
pub mod tree;
pub mod usage;
pub mod vendor;
