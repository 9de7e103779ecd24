//! dh_zeoclient: make an application a client of a ZEO server. See dh_zeoclient(1).

/// For dh, which looks for this line in the program and leaves it out where it holds.
#[used]
static PROMISE: &str = "\n# PROMISE: DH NOOP WITHOUT zeoclient cli-options()\n";

fn main() -> std::process::ExitCode {
    deb_build_app::run::helper("dh_zeoclient", deb_build_app::run::zeoclient::run)
}
