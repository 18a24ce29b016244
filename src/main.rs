//! Parse, run, exit status. Everything else is in the library.

fn main() -> std::process::ExitCode {
    gphotosfs::cli::main()
}
