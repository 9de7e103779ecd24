//! Debian's own formats and rules, as debhelper applies them.
//!
//! Text in, values out: nothing here writes, prints, or reads the process
//! environment. What must be read for a build is read through [`crate::input`]
//! by [`build`] and [`pkgfile`]; the two programs that debhelper starts
//! (dpkg-architecture, an executable config file) are started through
//! [`crate::apply::capture`]. Each module names the sub of debhelper's
//! `Dh_Lib.pm` or `Dh_Getopt.pm` that it mirrors, and where it differs.

pub mod arch;
pub mod build;
pub mod compat;
pub mod contribution;
pub mod control;
pub mod environment;
pub mod field;
pub mod generated;
pub mod paragraph;
pub mod pkgfile;
pub mod select;
pub mod snippet;
pub mod substitution;
pub mod substvars;
