//! What survives a restart: `state.json`, every version of it, and every problem in one.
//!
//! Invariant: this crate turns bytes into values and back. It knows no file, no clock, no randomness, no thread and
//! no `unsafe`; the daemon, the command line and the inspector page judge a file by this one code.

#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

#[macro_use]
mod declare;

mod bridge;
pub mod change;
pub mod code;
pub mod diff;
pub mod digest;
pub mod domain;
pub mod entity;
mod examine;
pub mod export;
pub mod fields;
mod fits;
pub mod gather;
pub mod history;
pub mod journal;
pub mod load;
pub mod log;
pub mod look;
pub mod ordered;
mod outline;
mod place;
mod quantity;
pub mod read;
pub mod recover;
pub mod report;
pub mod restore;
mod rules;
pub mod samples;
#[cfg(feature = "schema")]
pub mod schema;
mod source;
mod table;
pub mod upgrade;
mod v1;
mod v2;
mod v3;
mod v4;
mod v5;
mod walk;
mod wire;
pub mod write;

#[cfg(test)]
mod tests;

pub use change::{Change, changes};
pub use diff::{Diff, DiffOptions, diff};
pub use digest::Digest;
pub use domain::{
    Collection, CommandEntry, Counters, Desired, HeldEntity, LastExit, Lineage, LivePipelineEntry,
    PersistedStats, PipelineEntry, SNAPSHOT_VERSION, ShipoteSnapshot, WRITTEN_SAMPLES, WorkspaceEntry,
};
pub use entity::{Entity, EntityChange};
pub use export::{Export, export};
pub use gather::{Gathered, gather};
pub use journal::{Entry, Header, Record, encode_header, encode_record};
pub use load::{Input, Loaded, Loss, Refusal, Tail, load, load_named};
pub use log::{LogEntry, log};
pub use look::{Looked, look};
pub use read::{Beside, Reading, Verdict, read};
pub use recover::{Choice, Way, explain};
pub use report::{Report, verify};
pub use samples::{Point, SamplesReport};
pub use upgrade::UpgradeNote;
pub use write::render;
