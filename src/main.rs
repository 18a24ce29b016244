//! Parse, run, exit status. Everything else is in the library.

#![forbid(unsafe_code)]

fn main() -> std::process::ExitCode {
    gphotosfs::cli::main()
}
