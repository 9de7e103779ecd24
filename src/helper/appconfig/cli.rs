//! dh_appconfig's own command line.

use clap::Args;

/// Options of dh_appconfig.
#[derive(Debug, Clone, Default, Args)]
pub struct Options {
    /// Write the debconf templates into the source, for translators, and end
    #[arg(long)]
    pub update_po: bool,
}
