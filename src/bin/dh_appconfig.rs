//! dh_appconfig: a package's configuration, from one file. See dh_appconfig(1).

/// For dh, which looks for this line in the program and leaves it out where it holds.
/// What another helper has contributed comes with a file in usr/share/appctl.
#[used]
static PROMISE: &str = "\n# PROMISE: DH NOOP WITHOUT appconfig tmp(usr/share/appctl) cli-options()\n";

fn main() -> std::process::ExitCode {
    deb_build_app::run::helper("dh_appconfig", deb_build_app::run::appconfig::run)
}
