//! The shipote program as a library: the daemon, its HTTP API on a unix socket, and the command line.
//!
//! Owns every sentence that a user reads, every exit code, and every byte on the socket. Holds no rule about
//! workspaces: those are the runtime's.

#![forbid(unsafe_code)]

pub mod card_file;
pub mod cli;
pub mod client;
pub mod daemon;
pub mod exit;
pub mod followed;
pub mod hints;
pub mod inspector;
pub mod offline;
pub mod place;
pub mod render;
pub mod schema;
pub mod screen;
pub mod server;
pub mod state_files;
pub mod verbs;
pub mod wire;

use std::ffi::OsStr;
use std::process::ExitCode;

use clap::Parser;

/// Runs the program: as ws-init or its probe where the first argument says so, else as the command line.
#[must_use]
pub fn main() -> ExitCode {
    // Before anything else, and above all before a thread exists: these two end as PID 1 of a workspace.
    match std::env::args_os().nth(1).as_deref().and_then(OsStr::to_str) {
        Some("ws-init") => return shipote_runtime::host::init::main(),
        Some("ws-probe") => return shipote_runtime::host::probe::main(),
        _ => {}
    }
    match cli::Cli::try_parse() {
        Ok(cli) => verbs::dispatch(cli),
        Err(error) => verbs::misused(&error),
    }
}
