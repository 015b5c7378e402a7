//! `up`, `down`, `check`, `run` and `exec`: what starts things, and with what.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::Args;
use shipote_card::Span;

/// `shipote up`.
#[derive(Debug, Args)]
#[command(after_help = "\
Applying the same card twice changes nothing. A changed card prints the
difference and restarts only what changed. Ctrl-C stops everything, a second
Ctrl-C kills. The results of pipelines go to stdout, all else to stderr.

Examples:
  shipote up                         shipote.toml here or in a parent directory
  shipote up access-log.toml | tee top.txt
  shipote up --detach services.toml")]
pub struct Up {
    /// The card, TOML or JSON; shipote.toml here or in a parent directory where none is given
    pub card: Option<PathBuf>,
    /// Return as soon as everything is started
    #[arg(long, short)]
    pub detach: bool,
    /// Stop live pipelines of the same label first
    #[arg(long)]
    pub replace: bool,
    /// Write the stdout of this node to stdout, byte for byte; other results go to stderr
    #[arg(long, value_name = "NODE")]
    pub result: Option<String>,
    /// Refuse what the host could only enforce by sampling
    #[arg(long)]
    pub strict: bool,
}

/// `shipote down`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  shipote down                         the shipote.toml here or in a parent
  shipote down services.toml
  shipote down web --kill")]
pub struct Down {
    /// A card's file, or the name of a workspace
    pub target: Option<OsString>,
    /// Kill at once, without grace
    #[arg(long)]
    pub kill: bool,
}

/// `shipote check`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  shipote check *.toml
  shipote check --canonical card.toml  the full form, with every default
  shipote check --output json card.toml | jq '.[].problems'")]
pub struct Check {
    /// Cards; - reads TOML from stdin
    #[arg(required = true)]
    pub cards: Vec<PathBuf>,
    /// Print each card in its full form, as the state and the API hold it
    #[arg(long)]
    pub canonical: bool,
}

/// What `run` and `exec` say about the one command.
#[derive(Debug, Args)]
pub struct CommandFlags {
    /// End the command after this long, with exit code 124
    #[arg(long, value_name = "SPAN", conflicts_with = "detach", allow_hyphen_values = true)]
    pub timeout: Option<Span>,
    /// Working directory; the present one where none is given
    #[arg(long, value_name = "DIR")]
    pub cwd: Option<PathBuf>,
    /// Set a variable
    #[arg(long, value_name = "K=V")]
    pub env: Vec<String>,
    /// Pass a variable on from here, by name
    #[arg(long, value_name = "NAME")]
    pub env_pass: Vec<String>,
    /// Run as this user: NAME, UID, NAME:GROUP or UID:GID
    #[arg(long, value_name = "USER")]
    pub user: Option<String>,
    /// Return as soon as it is started
    #[arg(short, long)]
    pub detach: bool,
    /// Not in this release.
    #[arg(short = 't', long = "tty", hide = true)]
    pub tty: bool,
}

/// `shipote run`.
#[derive(Debug, Args)]
#[command(after_help = "\
Without --ws, --name or --keep nothing is declared: the workspace is gone when
the command ends.

Examples:
  shipote run -- make test
  shipote run --timeout 30s -- ./flaky
  shipote run --ws builder --env-pass API_KEY -- ./deploy
  sort big.txt | shipote run -- uniq -c | head")]
pub struct Run {
    /// Run in this workspace, which exists
    #[arg(long, value_name = "WS", conflicts_with_all = ["name", "keep", "ttl", "strict"])]
    pub ws: Option<String>,
    /// Declare a workspace of this label and run in it
    #[arg(long, value_name = "LABEL")]
    pub name: Option<String>,
    /// Keep the workspace declared afterwards
    #[arg(long)]
    pub keep: bool,
    /// End the workspace after this long
    #[arg(long, value_name = "SPAN", allow_hyphen_values = true)]
    pub ttl: Option<Span>,
    /// Refuse what the host could only enforce by sampling
    #[arg(long)]
    pub strict: bool,
    /// About the command.
    #[command(flatten)]
    pub command: CommandFlags,
    /// Flags of a later release.
    #[command(flatten)]
    pub later: RunLater,
    /// The program and its arguments
    #[arg(trailing_var_arg = true, required = true, value_name = "ARGV")]
    pub argv: Vec<String>,
}

/// Flags of `run` that this release refuses.
#[derive(Debug, Args)]
pub struct RunLater {
    /// Not in this release.
    #[arg(long, hide = true)]
    pub memory: Option<String>,
    /// Not in this release.
    #[arg(long, hide = true)]
    pub cpus: Option<String>,
    /// Not in this release.
    #[arg(long, hide = true)]
    pub pids: Option<String>,
    /// Not in this release.
    #[arg(long, hide = true)]
    pub net: Option<String>,
    /// Not in this release.
    #[arg(long, hide = true)]
    pub read: Vec<String>,
    /// Not in this release.
    #[arg(long, hide = true)]
    pub write: Vec<String>,
}

/// `shipote exec`.
#[derive(Debug, Args)]
#[command(after_help = "\
It sees what the workspace sees: its processes, its directories, its limits.

Examples:
  shipote exec web -- ps -ef
  shipote exec --timeout 5s web -- curl -s localhost:8080")]
pub struct Exec {
    /// The workspace
    pub workspace: String,
    /// About the command.
    #[command(flatten)]
    pub command: CommandFlags,
    /// The program and its arguments
    #[arg(trailing_var_arg = true, required = true, value_name = "ARGV")]
    pub argv: Vec<String>,
}
