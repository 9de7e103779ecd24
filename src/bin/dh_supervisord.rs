//! dh_supervisord: install the programs of each package. See dh_supervisord(1).
fn main() -> std::process::ExitCode {
    deb_build_app::run::helper("dh_supervisord", deb_build_app::run::supervisord::run)
}
