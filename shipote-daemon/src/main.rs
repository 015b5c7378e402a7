//! The `shipote` program; everything is in the library, so that tests can find its twin.

use std::process::ExitCode;

fn main() -> ExitCode {
    shipote_daemon::main()
}
