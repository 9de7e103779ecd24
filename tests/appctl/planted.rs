//! appctl with a planted bug, which the fault-injection tests must find.
fn main() -> std::process::ExitCode {
    deb_build_app::appctl::main()
}
