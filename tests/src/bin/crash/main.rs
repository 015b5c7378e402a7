//! The crash matrix from outside: kills, power cuts, failing system calls, and what is there afterwards.
//!
//! `crash kill|power|sweep|control …` runs one part for a while and prints its result as one line of JSON; a part that
//! finds a loss ends with 1. The acknowledgements are counted in this process, which nothing kills.

#![expect(clippy::unwrap_used, reason = "a harness that meets the unexpected is to stop there")]
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "it is a command-line program")]

mod client;
mod image;
mod kill;
mod model;
mod peers;
mod power;
mod progress;
mod server;
mod sweep;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use serde_json::json;

const HELP: &str = "\
crash PART [--program PATH] [--store PATH] [--dir DIR] [--cycles N] [--seconds S] [--fs ext4|xfs] [--seed N]
           [--peer shipote|pueue|pm2|pm2-start|supervisord] [--peers DIR]

  kill      kill -9 of a daemon in the middle of its clients' changes, and in the middle of its start
  power     power cuts (FS_IOC_SHUTDOWN without a flush) under a daemon, on a file system in a file; as root
  control   power cuts under a writer that does not sync: this one has to lose
  sweep     a kill, EIO and ENOSPC at every system call of the store, by strace(1)
  peer-kill, peer-damage, peer-cut
            the same of another manager, as far as it keeps anything; a loss is no failure here
";

/// What a part is to do.
#[derive(Debug, Clone)]
struct Plan {
    program: PathBuf,
    store: PathBuf,
    dir: PathBuf,
    cycles: u64,
    until: Instant,
    file_system: String,
    seed: u64,
    /// Another manager, and where those are installed.
    peer: String,
    peers: PathBuf,
}

/// What came of it.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
struct Tally {
    /// Kills, cuts or injections.
    cycles: u64,
    /// Changes that were acknowledged.
    acknowledged: u64,
    /// Of those, the ones that were not there afterwards.
    lost: u64,
    /// Changes that were there and were never asked for, or were refused.
    invented: u64,
    /// States that were refused by the next start.
    refused: u64,
    /// What was found first, in words.
    findings: Vec<String>,
}

impl Tally {
    fn is_clean(&self) -> bool {
        (self.lost, self.invented, self.refused) == (0, 0, 0)
    }

    fn find(&mut self, text: String) {
        eprintln!("FOUND: {text}");
        if self.findings.len() < 10 {
            self.findings.push(text);
        }
    }
}

fn main() -> ExitCode {
    let mut words = std::env::args().skip(1);
    let part = words.next().unwrap_or_default();
    let mut plan = Plan {
        program: "shipote".into(),
        store: "store".into(),
        dir: std::env::temp_dir().join(format!("shipote-crash-{}", std::process::id())),
        cycles: 100,
        until: Instant::now() + Duration::from_secs(3600),
        file_system: "ext4".to_owned(),
        seed: 1,
        peer: String::new(),
        peers: PathBuf::new(),
    };
    while let Some(name) = words.next() {
        let value = words.next().unwrap_or_default();
        let number = || value.parse::<u64>().unwrap_or_else(|_| panic!("{name} {value}: not a number"));
        match name.as_str() {
            "--program" => plan.program = value.into(),
            "--store" => plan.store = value.into(),
            "--dir" => plan.dir = value.into(),
            "--cycles" => plan.cycles = number(),
            "--seconds" => plan.until = Instant::now() + Duration::from_secs(number()),
            "--fs" => plan.file_system = value,
            "--seed" => plan.seed = number(),
            "--peer" => plan.peer = value,
            "--peers" => plan.peers = value.into(),
            _ => panic!("{name} is not understood\n{HELP}"),
        }
    }
    std::fs::create_dir_all(&plan.dir).unwrap();
    if peers::run(&part, &plan) {
        let _ = std::fs::remove_dir_all(&plan.dir);
        return ExitCode::SUCCESS;
    }
    let begin = Instant::now();
    let tally = match part.as_str() {
        "kill" => kill::run(&plan),
        "power" => power::run(&plan),
        "control" => power::control(&plan),
        "sweep" => sweep::run(&plan),
        _ => {
            print!("{HELP}");
            return ExitCode::from(2);
        }
    };
    // Left where something was found, to be looked at.
    if tally.is_clean() || part == "control" {
        let _ = std::fs::remove_dir_all(&plan.dir);
    }
    let part =
        if part == "power" || part == "control" { format!("{part} {}", plan.file_system) } else { part };
    println!(
        "{}",
        json!({
            "part": part, "cycles": tally.cycles, "acknowledged": tally.acknowledged, "lost": tally.lost,
            "invented": tally.invented, "refused": tally.refused, "seconds": begin.elapsed().as_secs(),
            "findings": tally.findings,
        })
    );
    let is_unexpected = part.starts_with("control") == tally.is_clean();
    if is_unexpected { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}
