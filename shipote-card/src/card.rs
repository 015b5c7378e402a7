//! A card: what one file declares, in the full forms that the state and the API hold.

use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use crate::command::CommandRef;
use crate::pipeline::PipelineSpec;
use crate::workspace::WorkspaceSpec;

/// What one card declares. The short forms that people write are already expanded.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct Card {
    /// The workspace; none where the card only brings commands or pipelines to one that exists.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub workspace: Option<WorkspaceSpec>,
    /// Commands that run beside the pipelines.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub commands: Vec<CommandRef>,
    /// Pipelines.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub pipelines: Vec<PipelineSpec>,
}
