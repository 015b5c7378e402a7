//! `pipeline`, `tap` and `discern`: pipelines, and what flows in them.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::Names;

/// `shipote pipeline`.
#[derive(Debug, Subcommand)]
#[command(after_help = "\
Examples:
  shipote pipeline run -f top.toml
  shipote pipeline save daily -f top.toml --ws access-log
  shipote pipeline run daily")]
pub enum Pipeline {
    /// Run a saved pipeline, or the one of a card, and follow it
    #[command(after_help = "\
Examples:
  shipote pipeline run daily
  shipote pipeline run -f top.toml > top.txt
  shipote pipeline run -f top.toml --tap --detach")]
    Run(PipelineRun),
    /// Save the pipeline of a card under a name
    #[command(after_help = "\
Examples:
  shipote pipeline save daily -f top.toml
  shipote pipeline save daily -f top.toml --ws access-log")]
    Save(PipelineSave),
    /// List saved pipelines
    #[command(after_help = "\
Examples:
  shipote pipeline saved")]
    Saved,
    /// List live pipelines
    #[command(after_help = "\
Examples:
  shipote pipeline ls
  shipote pipeline ls --output json | jq '.[] | {label, phase}'")]
    Ls,
    /// Show one live pipeline: nodes, edges, verdicts
    #[command(after_help = "\
Examples:
  shipote pipeline show access-log/top-paths
  shipote pipeline show top-paths --output json | jq '.edges[].bytes'")]
    Show {
        /// The pipeline
        name: String,
    },
    /// Stop live pipelines
    #[command(after_help = "\
Examples:
  shipote pipeline stop access-log/top-paths")]
    Stop(Names),
    /// Forget live or saved pipelines
    #[command(after_help = "\
Examples:
  shipote pipeline rm access-log/top-paths
  shipote pipeline rm --saved daily")]
    Rm(PipelineRm),
}

/// `shipote pipeline run`.
#[derive(Debug, Args)]
pub struct PipelineRun {
    /// Name of a saved pipeline
    #[arg(required_unless_present = "file", conflicts_with = "file")]
    pub name: Option<String>,
    /// A card with the pipeline
    #[arg(short, long, value_name = "CARD")]
    pub file: Option<PathBuf>,
    /// Run in this workspace
    #[arg(long, value_name = "WS")]
    pub ws: Option<String>,
    /// Make every edge one that can be observed
    #[arg(long)]
    pub tap: bool,
    /// Return as soon as it is started
    #[arg(long, short)]
    pub detach: bool,
    /// Stop a live pipeline of the same label first
    #[arg(long)]
    pub replace: bool,
    /// Write the stdout of this node to stdout, byte for byte; other results go to stderr
    #[arg(long, value_name = "NODE")]
    pub result: Option<String>,
    /// Not in this release.
    #[arg(short, long, hide = true)]
    pub interactive: bool,
}

/// `shipote pipeline save`.
#[derive(Debug, Args)]
pub struct PipelineSave {
    /// The name to save it under
    pub name: String,
    /// A card with one pipeline
    #[arg(short, long, value_name = "CARD")]
    pub file: PathBuf,
    /// The workspace that it runs in
    #[arg(long, value_name = "WS")]
    pub ws: Option<String>,
}

/// `shipote pipeline rm`.
#[derive(Debug, Args)]
pub struct PipelineRm {
    /// The pipelines
    #[arg(required = true, value_name = "NAME")]
    pub names: Vec<String>,
    /// Forget saved pipelines rather than live ones
    #[arg(long)]
    pub saved: bool,
}

/// `shipote tap`.
#[derive(Debug, Args)]
#[command(after_help = "\
EDGE is its id, FROM..TO, or the label of a node with one outgoing edge. It must
have been declared with tap = \"on\" or \"ready\", or the pipeline been started
with --tap. It ends with the stream, or on Ctrl-C.

Examples:
  shipote tap top-paths sort..count
  shipote tap top-paths unzip --meter")]
pub struct Tap {
    /// The pipeline
    pub pipeline: String,
    /// The edge: its id, FROM..TO, or a node with one outgoing edge
    pub edge: String,
    /// The bytes as they are; the default where stdout is no terminal
    #[arg(long, conflicts_with_all = ["ndjson", "meter"])]
    pub raw: bool,
    /// One JSON document per piece, with its offset
    #[arg(long, conflicts_with = "meter")]
    pub ndjson: bool,
    /// Only how much flows
    #[arg(long)]
    pub meter: bool,
}

/// `shipote discern`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  shipote discern access.log.gz
  curl -s https://example.org/feed | shipote discern
  shipote discern --output json * | jq -r '.[] | [.file, .mime] | @tsv'")]
pub struct Discern {
    /// Files; - or none reads stdin
    pub files: Vec<PathBuf>,
}
