//! Shipote from the outside: the one integration test program, a module per area.
//!
//! Real programs in real workspaces, no stand-ins. A test has a claim for a name, waits for what is to become true
//! and never for time to pass, and leaves nothing behind: the harness checks that.

#![expect(clippy::unwrap_used, reason = "a test that meets the unexpected is to fail where it does")]

mod card;
mod cli;
mod command;
mod crash;
mod directory;
mod examples;
mod hazards;
mod inspect;
mod journal;
mod original;
mod orphans;
mod pipeline;
mod promises;
mod prove;
mod restore;
mod scale;
mod schema;
mod state;
mod stats;
mod workspace;

use shipote_tests::Shipote;

/// The program that is run in workspaces where no usual one will do.
const PAYLOAD: &str = env!("CARGO_BIN_EXE_payload");

/// A uid that nobody has, and that owns nothing.
const ORDINARY: u32 = 12345;

/// Returns a Shipote without a daemon.
fn shipote() -> Shipote {
    Shipote::new(PAYLOAD)
}

/// Returns a Shipote with its daemon.
fn served() -> Shipote {
    let mut shipote = shipote();
    shipote.daemon_start();
    shipote
}
