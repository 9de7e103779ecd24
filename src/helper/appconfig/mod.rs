//! dh_appconfig: what a package has configured, from `debian/PKG.appconfig` to
//! the manifest, debconf's questions and the maintainer scripts. Pure:
//! [`crate::run::appconfig`] has the order of things.

pub mod account;
pub mod check;
pub mod cli;
pub mod debconf;
pub mod description;
pub mod documentation;
pub mod maintainer;
pub mod place;
pub mod program;
pub mod quoting;
pub mod rendering;
pub mod script;
