//! appctl: configuration of packaged services. See appctl(1).
fn main() -> std::process::ExitCode {
    deb_build_app::appctl::main()
}
