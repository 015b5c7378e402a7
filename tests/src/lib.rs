//! The harness: a real daemon, its socket and its state directory for each test, and a look at `/proc` afterwards.
//!
//! Nothing of the product is called from here: the program is run as its users run it. A [`Shipote`] that is dropped
//! ends its daemon by its pid, and fails the test if a process of its workspaces is left.

pub mod cgroup;
pub mod mount;
mod process;
mod shipote;
mod skip;
mod text;
mod wait;

pub use process::{Process, descendants, marked};
pub use shipote::{Attached, Output, Shipote, program};
pub use skip::{Need, has, is_root, python_with_json_schema};
pub use text::normalised;
pub use wait::{ORPHAN_LIMIT, PATIENCE, until, within};
