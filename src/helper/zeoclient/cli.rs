//! dh_zeoclient's own options: none.

/// No options but debhelper's.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct Options {}
