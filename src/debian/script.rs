//! Maintainer scripts (policy, chapter 6), and how debhelper marks what it adds to them.

/// A maintainer script.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Script {
    /// Before unpacking.
    Preinst,
    /// After unpacking.
    Postinst,
    /// Before removal.
    Prerm,
    /// After removal.
    Postrm,
}

impl Script {
    /// The script's file name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Preinst => "preinst",
            Self::Postinst => "postinst",
            Self::Prerm => "prerm",
            Self::Postrm => "postrm",
        }
    }

    /// Whether a new part goes before what is there, so that removal undoes in the opposite order.
    pub fn grows_at_the_beginning(self) -> bool {
        matches!(self, Self::Prerm | Self::Postrm)
    }
}

/// `body` between debhelper's marks.
pub fn wrapped(tool: &str, version: &str, body: &str) -> String {
    let end = if body.is_empty() || body.ends_with('\n') { "" } else { "\n" };
    format!("# Automatically added by {tool}/{version}\n{body}{end}# End automatically added section\n")
}
