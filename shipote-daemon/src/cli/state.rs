//! `state`, `daemon` and `schema`: the files, the service, and their formats.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use shipote_card::Span;

/// `shipote state`.
#[derive(Debug, Subcommand)]
#[command(after_help = "\
Examples:
  shipote state verify
  shipote state show
  shipote state diff state.json.1 state.json")]
pub enum State {
    /// Tell whether state files can be read, and every problem in them; exit 65 when not
    #[command(after_help = "\
Examples:
  shipote state verify
  shipote state verify --each backup/*.json
  shipote state verify --output json old.json | jq -r .verdict")]
    Verify {
        /// state.json and its journals, one state together; the daemon's own where none is given
        files: Vec<PathBuf>,
        /// Judge each file by itself
        #[arg(long)]
        each: bool,
    },
    /// Show what a state holds
    #[command(after_help = "\
Examples:
  shipote state show
  shipote state show backup/state.json")]
    Show {
        /// state.json and its journals, or a state directory; the daemon's own where none is given
        files: Vec<PathBuf>,
    },
    /// Tell what a start would do with each entity, and why
    #[command(after_help = "\
Examples:
  shipote state plan
  shipote state plan state.json.1")]
    Plan {
        /// state.json and its journals, or a state directory; the daemon's own where none is given
        files: Vec<PathBuf>,
    },
    /// Write the newest form of a state to stdout
    #[command(after_help = "\
Examples:
  shipote state upgrade old.json > new.json
  shipote state upgrade --in-place old.json")]
    Upgrade {
        /// state.json
        file: PathBuf,
        /// Replace the file; the old one is kept as FILE.vN.bak
        #[arg(long)]
        in_place: bool,
    },
    /// Write a state for an older version, and tell what it cannot say
    #[command(after_help = "\
Examples:
  shipote state export --schema 4 > for-the-old-host.json")]
    Export {
        /// state.json and its journals, or a state directory; the daemon's own where none is given
        files: Vec<PathBuf>,
        /// The version to write; the newest where none is given
        #[arg(long, value_name = "N")]
        schema: Option<u16>,
    },
    /// Tell how two states differ
    #[command(after_help = "\
Examples:
  shipote state diff state.json.1 state.json")]
    Diff {
        /// The older one: state.json, or a state directory
        a: PathBuf,
        /// The newer one
        b: PathBuf,
    },
    /// Tell what was declared, changed and taken away, and when
    #[command(after_help = "\
The journal tells every change since state.json was written last; what the kept
generations tell is what differs from one to the next.

Examples:
  shipote state log -n 20
  shipote state log --since 1h
  shipote state log --output ndjson | jq -c .")]
    Log(StateLog),
    /// Show every way on from a damaged state and what each loses; take one
    #[command(after_help = "\
Without --take nothing is changed. With it, every file that is replaced is
copied to quarantine/ in the state directory first.

Examples:
  shipote state recover
  shipote state recover --take 1")]
    Recover(StateRecover),
}

/// `shipote state log`.
#[derive(Debug, Clone, Args)]
pub struct StateLog {
    /// state.json and its journals, or a state directory; the daemon's own where none is given
    pub files: Vec<PathBuf>,
    /// Only the newest N
    #[arg(short = 'n', long = "lines", value_name = "N")]
    pub lines: Option<usize>,
    /// Only since then: a span such as 10m, or an RFC 3339 time
    #[arg(long, value_name = "WHEN")]
    pub since: Option<String>,
}

/// `shipote state recover`.
#[derive(Debug, Clone, Args)]
pub struct StateRecover {
    /// Put the choice of this number in place
    #[arg(long, value_name = "N")]
    pub take: Option<usize>,
}

/// `shipote daemon`.
#[derive(Debug, Args)]
#[command(after_help = "\
As a service it restores what was declared and relaunches what ought to run.
up, run and pipeline run start one in the background when none answers; that one
relaunches nothing, and ends when nothing is left to do.

Examples:
  shipote daemon                       in the foreground; Ctrl-C ends it
  shipote --state-dir ./state daemon
  shipote daemon status")]
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
    #[command(after_help = "\
Examples:
  shipote daemon stop")]
    Stop,
    /// Tell whether a daemon answers, and which
    #[command(after_help = "\
Examples:
  shipote daemon status || shipote daemon &")]
    Status,
    /// End the daemon and start it again as the same process, with what was declared
    #[command(after_help = "\
What runs is stopped with its grace; services and supervised pipelines are
started again. The program is executed anew, so that a newer one takes over.

Examples:
  shipote daemon restart")]
    Restart,
}

/// `shipote daemon run`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  shipote daemon run
  shipote daemon run --shutdown-grace 1m --log-level debug")]
pub struct DaemonRun {
    /// How long stopping may take at the end
    #[arg(long, value_name = "SPAN", default_value = "10s", allow_hyphen_values = true)]
    pub shutdown_grace: Span,
    /// Fold the journal into state.json when it is larger than this [default: 1 MiB, or the size of state.json]
    #[arg(long, value_name = "BYTES")]
    pub fold_above: Option<u64>,
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
    /// state.json of every version, and the lines of its journal.
    State,
}
