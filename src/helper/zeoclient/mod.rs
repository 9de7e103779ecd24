//! dh_zeoclient: an application on a ZEO server, from `debian/PKG.zeoclient` to
//! the inputs of dh_appconfig and dh_supervisord, and to what the package ships
//! beside them: share/python/zeoclient and how it is called. Pure:
//! [`crate::run::zeoclient`] has the order of things.

pub mod cli;
pub mod description;
pub mod plan;
pub mod programs;
pub mod settings;
pub mod site;
pub mod texts;
