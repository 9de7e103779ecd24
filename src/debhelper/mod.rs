//! debhelper's contract with a helper: which packages it acts on, which files it reads,
//! and where what it leaves lies.
//!
//! Reads through [`crate::input`], and starts the two programs that debhelper
//! starts (dpkg-architecture, an executable config file) through
//! [`crate::apply::capture`]; writes nothing: what shall be written is an action of
//! [`crate::plan`]. Each module names the sub of `Dh_Lib.pm` that it mirrors, and
//! where it differs.

pub mod arch;
pub mod build;
pub mod contribution;
pub mod generated;
pub mod pkgfile;
pub mod select;
pub mod snippet;
pub mod substitution;
