//! dh_venv: build the venv of each package. See dh_venv(1).
fn main() -> std::process::ExitCode {
    deb_build_app::run::helper("dh_venv", deb_build_app::run::venv::run)
}
