//! Debian's own formats and rules: text in, values out. Nothing here reads, writes,
//! prints or starts anything. Each module that mirrors a sub of debhelper's
//! `Dh_Lib.pm` or `Dh_Getopt.pm` names it, and where it differs.

pub mod compat;
pub mod control;
pub mod environment;
pub mod field;
pub mod paragraph;
pub mod script;
pub mod substvars;
