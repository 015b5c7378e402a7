//! What makes a workspace live.
//!
//! Three rooms: [`decide`] holds pure decisions (state, input and time in, effects out), `drive` the actors that
//! carry them out, `host` everything that is Linux, and the only `unsafe` of the project. `decide` and `host` do
//! not know each other. Without the feature `host` the crate is its decisions alone, `no_std` and free of I/O.
//!
//! Invariant: no text for users, no HTTP and no argument parsing in here; errors are values that the program
//! turns into sentences.

#![cfg_attr(not(feature = "host"), no_std)]
#![cfg_attr(not(feature = "host"), forbid(unsafe_code))]

extern crate alloc;

pub mod decide;
#[cfg(feature = "host")]
pub mod drive;
#[cfg(feature = "host")]
pub mod host;
pub mod view;

#[cfg(feature = "host")]
pub use drive::manager::{ManagerError, RestoreOutcome, WorkspaceManager};
#[cfg(feature = "host")]
pub use host::launch::{Incarnator, IncarnatorConfig};
#[cfg(feature = "host")]
pub use host::store::default_snapshot_path;
pub use view::WorkspaceStats;
