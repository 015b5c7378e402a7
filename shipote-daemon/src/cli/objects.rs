//! Verbs on what is declared or runs: by name, and `ws`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use shipote_card::Span;

use crate::exit::Failure;

/// Verbs on several names.
#[derive(Debug, Args)]
pub struct Names {
    /// Workspaces, workspace/command, workspace/pipeline, or ids
    #[arg(required = true, value_name = "NAME")]
    pub names: Vec<String>,
}

/// `shipote ps`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  shipote ps
  shipote ps -a                        also what has ended; needs no daemon
  shipote ps --output json | jq -r '.[].pid'")]
pub struct Ps {
    /// Also what has ended or was never started
    #[arg(long, short)]
    pub all: bool,
}

/// `shipote logs`.
#[derive(Debug, Args)]
#[command(after_help = "\
NAME is a workspace (everything in it), workspace/command, workspace/pipeline or
workspace/pipeline/node. -f ends when the workspace is removed, or on Ctrl-C; it
outlives the daemon, and goes on with the next one.

Examples:
  shipote logs web
  shipote logs -f -n 20 web/server
  shipote logs --since 10m web")]
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
#[command(after_help = "\
Samples are taken every second and kept for thirty days: an hour one by one,
two days by the minute, the rest by the quarter of an hour. Times in which
nothing ran are gaps.

Examples:
  shipote stats                        what every workspace costs now
  shipote stats web
  shipote stats web --history          the newest samples, and their course
  shipote stats web --history 7d       as far back as that; needs no daemon
  shipote stats --history 7d           the course of every workspace")]
pub struct Stats {
    /// The workspace; all of them where none is named
    pub name: Option<String>,
    /// Earlier samples too: the newest, or of the last SPAN
    #[arg(long, value_name = "SPAN", num_args = 0..=1, default_missing_value = "")]
    history: Option<String>,
}

/// How much of a history is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Past {
    /// None of it.
    Nothing,
    /// The newest samples.
    Newest,
    /// The last so much time.
    Last(Span),
}

impl Stats {
    /// Returns the workspace that is asked for, and how much of its history.
    ///
    /// # Errors
    ///
    /// Refuses a span that can't be read.
    pub fn asked(&self) -> Result<(Option<&str>, Past), Failure> {
        let text = match self.history.as_deref() {
            None => return Ok((self.name.as_deref(), Past::Nothing)),
            Some("") => return Ok((self.name.as_deref(), Past::Newest)),
            Some(text) => text,
        };
        match (text.parse::<Span>(), &self.name) {
            (Ok(span), name) => Ok((name.as_deref(), Past::Last(span))),
            // `stats --history web`: what looks like the value of the option is the name.
            (Err(_), None) => Ok((Some(text), Past::Newest)),
            (Err(_), Some(_)) => Err(Failure::usage(format!("--history {text}: that is no span of time"))
                .hint("write a span such as 90s, 12h or 7d, or leave it out")),
        }
    }
}

/// `shipote events`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  shipote events
  shipote events -f --output ndjson    one JSON document per line
  shipote events --since 120           what came after number 120")]
pub struct Events {
    /// Go on with what happens from now on
    #[arg(long, short)]
    pub follow: bool,
    /// Only events after this sequence number
    #[arg(long, value_name = "SEQ", default_value_t = 0)]
    pub since: u64,
}

/// `shipote kill`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  shipote kill web/server
  shipote kill -s HUP web/server       reload, where the program knows it")]
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
#[command(after_help = "\
Examples:
  shipote wait web/migrate && shipote start web/server
  shipote wait access-log/top-paths --timeout 10m")]
pub struct Wait {
    /// A workspace, workspace/command, workspace/pipeline, or an id
    pub name: String,
    /// Give up after this long, with exit code 6
    #[arg(long, value_name = "SPAN", allow_hyphen_values = true)]
    pub timeout: Option<Span>,
}

/// `shipote ws`.
#[derive(Debug, Subcommand)]
#[command(after_help = "\
Examples:
  shipote ws create --label scratch --ttl 2h
  shipote ws ls
  shipote ws rm scratch")]
pub enum Ws {
    /// Declare a workspace; it costs no process until something runs in it
    #[command(after_help = "\
Examples:
  shipote ws create --label scratch --ttl 2h
  shipote ws create -f card.toml       only the [workspace] of a card")]
    Create(WsCreate),
    /// List workspaces
    #[command(after_help = "\
Examples:
  shipote ws ls
  shipote ws ls --output json | jq -r '.[].label'")]
    Ls,
    /// Show one workspace: what is in it, and what the host enforces
    #[command(after_help = "\
Examples:
  shipote ws show web
  shipote ws show 3GQT7A               the end of its id, as tables show it")]
    Show {
        /// The workspace
        name: String,
    },
    /// Stop a workspace and forget it
    #[command(after_help = "\
Examples:
  shipote ws rm scratch")]
    Rm(Names),
}

/// `shipote ws create`.
#[derive(Debug, Args)]
pub struct WsCreate {
    /// Its label
    #[arg(long, required_unless_present = "file", conflicts_with = "file")]
    pub label: Option<String>,
    /// How long it lives, from its first start
    #[arg(long, value_name = "SPAN", conflicts_with = "file", allow_hyphen_values = true)]
    pub ttl: Option<Span>,
    /// A card whose [workspace] is declared
    #[arg(short, long, value_name = "CARD")]
    pub file: Option<PathBuf>,
    /// Refuse what the host could only enforce by sampling
    #[arg(long)]
    pub strict: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_history_has_a_span_or_none_and_takes_no_name_away() {
        let asked = |name: Option<&str>, history: Option<&str>| {
            let stats = Stats { name: name.map(str::to_owned), history: history.map(str::to_owned) };
            stats.asked().map(|(name, past)| (name.map(str::to_owned), past)).map_err(|failure| failure.code)
        };
        let week = Past::Last(Span::from_secs(7 * 86_400));
        let web = || Some("web".to_owned());
        assert_eq!(asked(Some("web"), None), Ok((web(), Past::Nothing)));
        assert_eq!(asked(Some("web"), Some("")), Ok((web(), Past::Newest)));
        assert_eq!(asked(Some("web"), Some("7d")), Ok((web(), week)));
        assert_eq!(asked(None, Some("web")), Ok((web(), Past::Newest)));
        assert_eq!(asked(None, Some("7d")), Ok((None, week)));
        assert_eq!(asked(Some("web"), Some("long")), Err(crate::exit::Code::Usage));
    }
}
