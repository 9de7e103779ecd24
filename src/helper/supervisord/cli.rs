//! dh_supervisord's own command line: debhelper's options only.

/// dh_supervisord takes debhelper's options.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct Options {}
