//! `inspect`: the page, what is in it, and where it goes.

use std::path::PathBuf;

use clap::Args;

/// `shipote inspect`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
The page is one HTML file that uses no network and says of a state what
shipote state verify says. The files are written into it, and it shows them when
it is opened. xdg-open does that where the session is a graphical one and stdout
a terminal; the path is printed in any case.

A page with files in it holds what they hold, values of environment variables
included, so nobody but you can read it (mode 0600). It carries 64 MiB of them,
deflated, at most. Without -o it is inspect.html in $XDG_RUNTIME_DIR/shipote or
~/.cache/shipote, and the next one takes its place. A browser in a sandbox of
its own (snap) sees neither directory: use -o there.

Examples:
  shipote inspect                           the state of this user
  shipote inspect backup/state.json backup/state.journal
  shipote inspect -o page.html state.json   a page to keep
  shipote inspect --empty                   to drop files on
  ssh host shipote inspect -o - > page.html")]
pub struct Inspect {
    /// state.json, journals, earlier generations; - reads stdin; the daemon's own where none is given
    pub files: Vec<PathBuf>,
    /// Write the page there and open nothing; - is stdout
    #[arg(short = 'o', long, value_name = "FILE")]
    pub page: Option<PathBuf>,
    /// Write the page without a file in it
    #[arg(long, conflicts_with = "files")]
    pub empty: bool,
    /// Only write the page
    #[arg(long)]
    pub no_open: bool,
}
