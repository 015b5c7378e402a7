//! The command line as clap sees it: verbs, flags and what `--help` teaches. Nothing is decided here.
//!
//! What the contract names and this release does not do stays known to the parser, hidden from the help, and is
//! refused by name in [`crate::verbs::later`].

mod inspect;
mod objects;
mod pipeline;
mod state;
mod work;

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

pub use inspect::Inspect;
pub use objects::{Events, Kill, Logs, Names, Past, Ps, Stats, Wait, Ws, WsCreate};
pub use pipeline::{Discern, Pipeline, PipelineRm, PipelineRun, PipelineSave, Tap};
pub use state::{Daemon, DaemonAction, DaemonRun, SchemaOf, State, StateLog, StateRecover};
pub use work::{Check, CommandFlags, Down, Exec, Run, RunLater, Up};

const AFTER_HELP: &str = "\
First steps:
  shipote run -- make test       one command in a workspace made for it
  shipote check card.toml        every problem of a card, with its place
  shipote up card.toml           apply a card and follow it
  shipote ps                     what runs, and where
  shipote doctor                 what this host can enforce

Exit codes:
  0 ok, 1 failed, 2 usage, 3 not found, 4 daemon unreachable, 5 conflict,
  6 timed out, 7 invalid card, 8 not permitted, 9 degraded,
  65 state from a newer version or damaged
  run and exec: the command's own code, 128+signal, 124 at --timeout,
  125 for a failure of shipote itself, 126 for a program that can't be executed,
  127 for one that is not found";

/// Workspaces for processes that belong together: isolated, supervised, and gone when you say so.
#[derive(Debug, Parser)]
#[command(name = "shipote", version, after_help = AFTER_HELP, max_term_width = 110)]
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
    /// Form of results: table, json (one document, errors included) or ndjson
    #[arg(long, global = true, value_enum, hide_possible_values = true, hide_default_value = true)]
    #[arg(value_name = "FORMAT", default_value_t = Format::Table)]
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
    Up(Up),
    /// Stop everything that a card, or a workspace, runs; the declaration stays
    Down(Down),
    /// Tell every problem of a card, with its place; exit 7 on error
    Check(Check),
    /// Run one command in a workspace; its streams and its exit code are passed through
    Run(Run),
    /// List commands and pipeline nodes that run
    Ps(Ps),
    /// Print what commands and nodes wrote
    Logs(Logs),
    /// Show what a workspace costs
    Stats(Stats),
    /// Show what happened, in order
    Events(Events),
    /// Start what is declared
    #[command(after_help = "\
Examples:
  shipote start web/server             one command
  shipote start web                    everything declared in a workspace")]
    Start(Names),
    /// Stop with the grace time of each command
    #[command(after_help = "\
Examples:
  shipote stop web/server
  shipote stop web                     everything in it; it stays declared")]
    Stop(Names),
    /// Stop, then start
    #[command(after_help = "\
Examples:
  shipote restart web/server
  shipote restart access-log/top-paths")]
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
    Tap(Tap),
    /// Tell what a stream of these bytes would be taken for, and why
    Discern(Discern),
    /// Look at, check, compare and convert state files; needs no daemon
    #[command(subcommand)]
    State(State),
    /// Write the inspector page with state files in it, and open it in a browser
    Inspect(Inspect),
    /// The service itself: shipote daemon runs it in the foreground
    Daemon(Daemon),
    /// Tell what this host can enforce; exit 9 when something is missing or degraded
    #[command(after_help = "\
Examples:
  shipote doctor
  shipote doctor --output json | jq '.[] | select(.status != \"ok\")'")]
    Doctor,
    /// Print a completion script for a shell
    #[command(after_help = "\
Examples:
  shipote completions bash > ~/.local/share/bash-completion/completions/shipote
  shipote completions zsh > ~/.zfunc/_shipote")]
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Print the JSON Schema of cards or of state.json
    #[command(after_help = "\
Examples:
  shipote schema card > card.schema.json
  shipote schema state")]
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
}

/// Whatever follows a verb that is refused anyway.
#[derive(Debug, Args)]
pub struct Later {
    /// Ignored.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, hide = true)]
    pub rest: Vec<OsString>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    /// Columns that a page of help may take where its lines are not wrapped.
    const COLUMNS: usize = 80;

    fn pages(command: &clap::Command, path: &str, all: &mut Vec<(String, String)>) {
        let after = command.get_after_help().map(ToString::to_string).unwrap_or_default();
        all.push((path.to_owned(), after));
        for verb in command.get_subcommands().filter(|verb| !verb.is_hide_set() && verb.get_name() != "help")
        {
            pages(verb, &format!("{path} {}", verb.get_name()), all);
        }
    }

    #[test]
    fn every_verb_teaches_by_an_example_that_is_understood() {
        let mut all = Vec::new();
        pages(&Cli::command(), "shipote", &mut all);
        assert!(all.len() > 40, "{}", all.len());
        for (path, page) in all {
            let examples: Vec<&str> = page
                .lines()
                .filter_map(|line| line.strip_prefix("  "))
                .filter(|line| line.starts_with("shipote "))
                .collect();
            assert!(!examples.is_empty(), "{path} has no example");
            assert!(page.lines().all(|line| line.chars().count() <= COLUMNS), "{path} is too wide");
            for example in examples {
                // What stands two spaces apart is said about the example; what stands behind a pipe is another program.
                let command = example.split("  ").next().unwrap_or_default();
                let command = command.split([';', '|', '>', '&']).next().unwrap_or_default();
                let words = command.split_whitespace();
                let parsed = Cli::try_parse_from(words);
                assert!(parsed.is_ok(), "{path}: {example}: {}", parsed.unwrap_err());
            }
        }
    }

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }
}
