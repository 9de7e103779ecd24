//! dh_venv_place: put the venvs into the packages. See dh_venv_place(1).
fn main() -> std::process::ExitCode {
    deb_build_app::run::helper("dh_venv_place", deb_build_app::run::venv::place::run)
}
