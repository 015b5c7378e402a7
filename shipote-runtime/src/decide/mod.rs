//! Decisions: pure functions and state machines of state, input and time. No clock, no file, no process.

pub mod backoff;
pub mod discern;
pub mod isolation;
pub mod names;
pub mod stats;
pub mod supervisor;
pub mod verdict;
