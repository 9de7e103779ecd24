//! deb-build-app: from a git tag to tested packages. See deb-build-app(1).
fn main() -> std::process::ExitCode {
    deb_build_app::driver::shell::main()
}
