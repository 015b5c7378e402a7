//! What the user declares: the specs of workspaces, commands and pipelines, and the checking of a card.
//!
//! Invariant: this crate holds values and judgements about values. It knows no file, no clock, no thread and no
//! `unsafe`; it is `no_std` so that breaking this is an unresolved name and not a review remark.

#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod card;
pub mod command;
pub mod id;
pub mod pipeline;
pub mod problem;
pub mod unit;
pub mod workspace;

pub use card::Card;
pub use command::{
    CommandRef, Flows, Payload, Ready, ReadyProbe, RestartOn, RestartPolicy, Supervision,
};
pub use id::{CommandId, EdgeId, PipelineId, WorkspaceId};
pub use pipeline::{DiscernPolicy, Edge, Endpoint, FullPolicy, MergePolicy, PipelineSpec, TapMode};
pub use problem::{Place, Problem, Severity};
pub use unit::{ByteSize, Cpus, Span};
pub use workspace::{
    Containment, ExitPolicy, FlowDir, FlowMode, Mount, Namespaces, NetPolicy, Permissions, QuotaAction,
    QuotaEnforce, QuotaStep, RootFs, Soma, TapPermission, WorkspaceSpec,
};
