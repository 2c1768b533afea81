//! The `pinstream` program; everything it does is in the library.
fn main() -> std::process::ExitCode {
    pinstream::run()
}
