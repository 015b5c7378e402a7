//! What the user declares: the specs of workspaces, commands and pipelines, and the checking of a card.
//!
//! Invariant: this crate holds values and judgements about values. It knows no file, no clock, no thread and no
//! `unsafe`; it is `no_std` so that breaking this is an unresolved name and not a review remark.

#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod canonical;
pub mod card;
pub mod check;
pub mod code;
pub mod command;
pub mod diff;
pub mod id;
pub mod json;
pub mod label;
pub mod parse;
pub mod path;
pub mod pipeline;
pub mod problem;
pub mod support;
pub mod unit;
pub mod workspace;

pub use canonical::canonical;
pub use card::Card;
pub use check::{check, stop_signal};
pub use command::{CommandRef, Flows, Payload, Ready, ReadyProbe, RestartOn, RestartPolicy, Supervision};
pub use diff::{Difference, differences};
pub use id::{CommandId, EdgeId, PipelineId, WorkspaceId};
pub use label::{check_label, nearest};
pub use parse::{Parsed, Syntax, parse};
pub use path::resolve_paths;
pub use pipeline::{DiscernPolicy, Edge, Endpoint, FullPolicy, MergePolicy, PipelineSpec, TapMode};
pub use problem::{Place, Problem, Severity};
pub use support::unsupported;
pub use unit::{ByteSize, Cpus, Span};
pub use workspace::{
    Containment, ExitPolicy, FilePermissions, FlowDir, FlowMode, Mount, Namespaces, NetPolicy, Permissions,
    QuotaAction, QuotaEnforce, QuotaStep, RootFs, Soma, TapPermission, WorkspaceSpec,
};
