//! The verbs of the manager, by what they are about.

mod look;
mod restore;
mod run;
mod target;
mod workspace;

pub use look::{Activity, Events, TapPiece, TapStream, WaitOutcome};
pub use run::{ExecOutcome, ExecRequest, ExecTarget, RunOutcome, RunPipeline, UpOutcome, UpRequest};
