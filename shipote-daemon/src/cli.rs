//! The command line as clap sees it: verbs, flags and what `--help` teaches. Nothing is decided here.
//!
//! What the contract names and this release does not do stays known to the parser, hidden from the help, and is
//! refused by name in [`crate::verbs::later`].

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use shipote_card::Span;

const AFTER_HELP: &str = "\
First steps:
  shipote run -- make test          one command in a workspace of its own, gone afterwards
  shipote check card.toml           every problem of a card, with its place
  shipote up card.toml              apply a card and follow it
  shipote ps                        what runs, and where
  shipote doctor                    what this host can enforce

Exit codes: 0 ok, 1 failed, 2 usage, 3 not found, 4 daemon unreachable, 5 conflict, 6 timed out,
7 invalid card, 8 not permitted, 9 degraded, 65 state from a newer version or damaged.
run and exec: the command's own code, 128+signal, 124 at --timeout, 125 for a failure of shipote itself,
126 for a program that can't be executed, 127 for one that is not found.";

/// Workspaces for processes that belong together: isolated, limited, supervised, and gone when you say so.
#[derive(Debug, Parser)]
#[command(name = "shipote", version, after_help = AFTER_HELP, propagate_version = true, max_term_width = 110)]
pub struct Cli {
    /// Where and how, for every verb.
    #[command(flatten)]
    pub global: Global,
    /// The verb.
    #[command(subcommand)]
    pub verb: Verb,
}

/// Flags that every verb understands.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Global options")]
pub struct Global {
    /// What results look like; json is exactly one document on stdout, errors included
    #[arg(long, global = true, value_enum, value_name = "FORMAT", default_value_t = Format::Table)]
    pub output: Format,
    /// Socket of the daemon [env: SHIPOTE_SOCKET]
    #[arg(long, global = true, value_name = "PATH")]
    pub socket: Option<PathBuf>,
    /// Directory of the state [env: SHIPOTE_STATE_DIR]
    #[arg(long, global = true, value_name = "DIR")]
    pub state_dir: Option<PathBuf>,
    /// Nothing on stderr but errors
    #[arg(long, short, global = true)]
    pub quiet: bool,
    /// No colours; NO_COLOR does the same
    #[arg(long, global = true)]
    pub no_color: bool,
}

/// What results look like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Aligned columns, for people.
    Table,
    /// One JSON document.
    Json,
    /// One JSON document per line, for streams.
    Ndjson,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Apply a card and follow it until everything in it has ended
    #[command(after_help = "\
Applying the same card twice changes nothing. A changed card prints the difference and restarts only
what changed. Ctrl-C stops everything, a second Ctrl-C kills. The results of pipelines go to stdout.

Examples:
  shipote up                         shipote.toml here or in a parent directory
  shipote up access-log.toml | tee top.txt
  shipote up --detach services.toml")]
    Up(Up),
    /// Stop everything that a card, or a workspace, runs; the declaration stays
    Down(Down),
    /// Tell every problem of a card, with its place; exit 7 on error
    Check(Check),
    /// Run one command in a workspace; its streams and its exit code are passed through
    #[command(after_help = "\
Without --ws, --name or --keep nothing is declared: the workspace is gone when the command ends.

Examples:
  shipote run -- make test
  shipote run --timeout 30s -- ./flaky
  shipote run --ws builder --env-pass API_KEY -- ./deploy
  sort big.txt | shipote run -- uniq -c | head")]
    Run(Run),
    /// List commands and pipeline nodes that run
    Ps(Ps),
    /// Print what commands and nodes wrote
    #[command(after_help = "\
NAME is a workspace (everything in it), workspace/command, workspace/pipeline or workspace/pipeline/node.
-f ends when the workspace is removed, or on Ctrl-C; it outlives the daemon, and goes on with the next one.

Examples:
  shipote logs web
  shipote logs -f -n 20 web/server
  shipote logs --since 10m web")]
    Logs(Logs),
    /// Show what a workspace costs
    Stats(Stats),
    /// Show what happened, in order
    Events(Events),
    /// Start what is declared
    Start(Names),
    /// Stop with the grace time of each command
    Stop(Names),
    /// Stop, then start
    Restart(Names),
    /// Send a signal at once, KILL where none is given
    Kill(Kill),
    /// Run one more command in a workspace
    Exec(Exec),
    /// Wait until something has ended; exit 0 or 1 by its verdict
    Wait(Wait),
    /// Declare, list and remove workspaces
    #[command(subcommand)]
    Ws(Ws),
    /// Run, save and look at pipelines
    #[command(subcommand)]
    Pipeline(Pipeline),
    /// Watch the bytes of one edge of a pipeline, without slowing it
    #[command(after_help = "\
EDGE is its id, FROM..TO, or the label of a node with one outgoing edge. The edge must have been declared
with tap = \"on\" or \"ready\", or the pipeline started with --tap.

Examples:
  shipote tap top-paths sort..count
  shipote tap top-paths unzip --meter")]
    Tap(Tap),
    /// Tell what a stream of these bytes would be taken for, and why
    Discern(Discern),
    /// Look at, check, compare and convert state files; needs no daemon
    #[command(subcommand)]
    State(State),
    /// The service itself: shipote daemon runs it in the foreground
    Daemon(Daemon),
    /// Tell what this host can enforce; exit 9 when something is missing or degraded
    Doctor,
    /// Print a completion script for a shell
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Print the JSON Schema of cards or of state.json
    Schema {
        /// What the schema describes
        of: SchemaOf,
    },
    /// Not in this release.
    #[command(hide = true)]
    Freeze(Later),
    /// Not in this release.
    #[command(hide = true)]
    Thaw(Later),
    /// Not in this release.
    #[command(hide = true)]
    Top(Later),
    /// Not in this release.
    #[command(hide = true)]
    Why(Later),
    /// Not in this release.
    #[command(hide = true)]
    Peek(Later),
    /// Not in this release.
    #[command(hide = true)]
    Inspect(Later),
}

/// Whatever follows a verb that is refused anyway.
#[derive(Debug, Args)]
pub struct Later {
    /// Ignored.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, hide = true)]
    pub rest: Vec<OsString>,
}

/// `shipote up`.
#[derive(Debug, Args)]
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
pub struct Down {
    /// A card's file, or the name of a workspace
    pub target: Option<OsString>,
    /// Kill at once, without grace
    #[arg(long)]
    pub kill: bool,
}

/// `shipote check`.
#[derive(Debug, Args)]
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
    #[arg(long, value_name = "SPAN", conflicts_with = "detach")]
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
    #[arg(long, value_name = "SPAN")]
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
    #[arg(trailing_var_arg = true, required = true, allow_hyphen_values = true, value_name = "ARGV")]
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
pub struct Exec {
    /// The workspace
    pub workspace: String,
    /// About the command.
    #[command(flatten)]
    pub command: CommandFlags,
    /// The program and its arguments
    #[arg(trailing_var_arg = true, required = true, allow_hyphen_values = true, value_name = "ARGV")]
    pub argv: Vec<String>,
}

/// `shipote ps`.
#[derive(Debug, Args)]
pub struct Ps {
    /// Also what has ended or was never started
    #[arg(long, short)]
    pub all: bool,
}

/// `shipote logs`.
#[derive(Debug, Args)]
pub struct Logs {
    /// A workspace, or a path in one
    pub name: String,
    /// Go on with what is written from now on
    #[arg(long, short)]
    pub follow: bool,
    /// Only the last N lines
    #[arg(short = 'n', long = "lines", value_name = "N")]
    pub lines: Option<usize>,
    /// Only lines since then: a span such as 10m, or an RFC 3339 time
    #[arg(long, value_name = "WHEN")]
    pub since: Option<String>,
}

/// `shipote stats`.
#[derive(Debug, Args)]
pub struct Stats {
    /// The workspace
    pub name: String,
    /// Also the samples that are kept, oldest first
    #[arg(long)]
    pub history: bool,
}

/// `shipote events`.
#[derive(Debug, Args)]
pub struct Events {
    /// Go on with what happens from now on
    #[arg(long, short)]
    pub follow: bool,
    /// Only events after this sequence number
    #[arg(long, value_name = "SEQ", default_value_t = 0)]
    pub since: u64,
}

/// Verbs on several names.
#[derive(Debug, Args)]
pub struct Names {
    /// Workspaces, workspace/command, workspace/pipeline, or ids
    #[arg(required = true, value_name = "NAME")]
    pub names: Vec<String>,
}

/// `shipote kill`.
#[derive(Debug, Args)]
pub struct Kill {
    /// Workspaces, workspace/command, workspace/pipeline, or ids
    #[arg(required = true, value_name = "NAME")]
    pub names: Vec<String>,
    /// The signal, by name or number
    #[arg(long, short, value_name = "SIGNAL", default_value = "KILL")]
    pub signal: String,
}

/// `shipote wait`.
#[derive(Debug, Args)]
pub struct Wait {
    /// A workspace, workspace/command, workspace/pipeline, or an id
    pub name: String,
    /// Give up after this long, with exit code 6
    #[arg(long, value_name = "SPAN")]
    pub timeout: Option<Span>,
}

/// `shipote ws`.
#[derive(Debug, Subcommand)]
pub enum Ws {
    /// Declare a workspace; it costs no process until something runs in it
    #[command(after_help = "\
Examples:
  shipote ws create --label scratch --ttl 2h
  shipote ws create -f card.toml       the [workspace] of a card, and nothing else of it")]
    Create(WsCreate),
    /// List workspaces
    Ls,
    /// Show one workspace: what is in it, and what the host enforces
    Show {
        /// The workspace
        name: String,
    },
    /// Stop a workspace and forget it
    Rm(Names),
}

/// `shipote ws create`.
#[derive(Debug, Args)]
pub struct WsCreate {
    /// Its label
    #[arg(long, required_unless_present = "file", conflicts_with = "file")]
    pub label: Option<String>,
    /// How long it lives, from its first start
    #[arg(long, value_name = "SPAN", conflicts_with = "file")]
    pub ttl: Option<Span>,
    /// A card whose [workspace] is declared
    #[arg(short, long, value_name = "CARD")]
    pub file: Option<PathBuf>,
    /// Refuse what the host could only enforce by sampling
    #[arg(long)]
    pub strict: bool,
}

/// `shipote pipeline`.
#[derive(Debug, Subcommand)]
pub enum Pipeline {
    /// Run a saved pipeline, or the one of a card, and follow it
    #[command(after_help = "\
Examples:
  shipote pipeline run daily
  shipote pipeline run -f top.toml > top.txt
  shipote pipeline run -f top.toml --tap --detach")]
    Run(PipelineRun),
    /// Save the pipeline of a card under a name
    Save(PipelineSave),
    /// List saved pipelines
    Saved,
    /// List live pipelines
    Ls,
    /// Show one live pipeline: nodes, edges, verdicts
    Show {
        /// The pipeline
        name: String,
    },
    /// Stop live pipelines
    Stop(Names),
    /// Forget live or saved pipelines
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
pub struct Discern {
    /// Files; - or none reads stdin
    pub files: Vec<PathBuf>,
}

/// `shipote state`.
#[derive(Debug, Subcommand)]
pub enum State {
    /// Tell whether state files can be read, and every problem in them; exit 65 when not
    Verify {
        /// state.json and its journals, one state together; the daemon's own where none is given
        files: Vec<PathBuf>,
        /// Judge each file by itself
        #[arg(long)]
        each: bool,
    },
    /// Show what a state holds
    Show {
        /// state.json; the daemon's own where none is given
        file: Option<PathBuf>,
    },
    /// Tell what a restart would relaunch
    Plan {
        /// state.json; the daemon's own where none is given
        file: Option<PathBuf>,
    },
    /// Write the newest form of a state to stdout
    Upgrade {
        /// state.json
        file: PathBuf,
        /// Replace the file; the old one is kept as FILE.vN.bak
        #[arg(long)]
        in_place: bool,
    },
    /// Write a state for an older version, and tell what it cannot say
    Export {
        /// state.json; the daemon's own where none is given
        file: Option<PathBuf>,
        /// The version to write; the newest where none is given
        #[arg(long, value_name = "N")]
        schema: Option<u16>,
    },
    /// Tell how two states differ
    Diff {
        /// The older one
        a: PathBuf,
        /// The newer one
        b: PathBuf,
    },
    /// Not in this release.
    #[command(hide = true)]
    Log(Later),
    /// Not in this release.
    #[command(hide = true)]
    Recover(Later),
}

/// `shipote daemon`.
#[derive(Debug, Args)]
#[command(after_help = "\
As a service it restores what was declared and relaunches what ought to run. up, run and pipeline run start
one in the background by themselves when none answers; that one relaunches nothing, and ends when nothing
is left to do.")]
pub struct Daemon {
    /// What to do with the daemon; run where nothing is given
    #[command(subcommand)]
    pub action: Option<DaemonAction>,
    /// How it runs.
    #[command(flatten)]
    pub run: DaemonRun,
}

/// What to do with the daemon.
#[derive(Debug, Subcommand)]
pub enum DaemonAction {
    /// Serve in the foreground
    Run(DaemonRun),
    /// End the daemon, and with it everything that runs
    Stop,
    /// Tell whether a daemon answers, and which
    Status,
    /// Not in this release.
    #[command(hide = true)]
    Restart(Later),
}

/// `shipote daemon run`.
#[derive(Debug, Clone, Args)]
pub struct DaemonRun {
    /// How long stopping may take at the end
    #[arg(long, value_name = "SPAN", default_value = "10s")]
    pub shutdown_grace: Span,
    /// How much is logged on stderr: error, warn, info, debug or trace
    #[arg(long, value_name = "LEVEL", default_value = "info")]
    pub log_level: tracing::Level,
    /// Log as JSON lines
    #[arg(long)]
    pub log_json: bool,
    /// Started by a client: a session of its own, nothing relaunched, gone when idle.
    #[arg(long, hide = true)]
    pub background: bool,
}

/// What a schema describes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum SchemaOf {
    /// A card in its full form.
    Card,
    /// state.json of the newest version.
    State,
}
