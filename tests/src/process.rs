//! Processes as `/proc` shows them, told from later ones of the same number by when they started.

use std::fs;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// A process that was seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Process {
    /// Its number.
    pub pid: i32,
    /// When it started, in clock ticks since the boot.
    start: u64,
}

struct Stat {
    state: char,
    parent: i32,
    start: u64,
}

fn stat(pid: i32) -> Option<Stat> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name may hold spaces and parentheses of its own.
    let fields: Vec<&str> = text.rsplit_once(')')?.1.split_whitespace().collect();
    Some(Stat {
        state: fields.first()?.chars().next()?,
        parent: fields.get(1)?.parse().ok()?,
        start: fields.get(19)?.parse().ok()?,
    })
}

fn pids() -> Vec<i32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
}

impl Process {
    /// Returns the process of this number, if it is there and no zombie.
    #[must_use]
    pub fn of(pid: i32) -> Option<Self> {
        let stat = stat(pid)?;
        (!matches!(stat.state, 'Z' | 'X')).then_some(Self { pid, start: stat.start })
    }

    /// Tells whether it is still there; a zombie is not.
    #[must_use]
    pub fn is_alive(self) -> bool {
        Self::of(self.pid) == Some(self)
    }

    /// Returns its command line.
    #[must_use]
    pub fn argv(self) -> Vec<String> {
        let bytes = fs::read(format!("/proc/{}/cmdline", self.pid)).unwrap_or_default();
        let text = String::from_utf8_lossy(&bytes).into_owned();
        text.trim_end_matches('\0').split('\0').map(str::to_owned).collect()
    }

    /// Sends it a signal, if it is still the same process.
    pub fn signal(self, signal: Signal) {
        if self.is_alive() {
            // It may end between the look and the signal; then there is nobody to be signalled.
            let _ = kill(Pid::from_raw(self.pid), signal);
        }
    }
}

/// Returns the processes that carry `mark` in their arguments. A client of Shipote, which passes the mark on, is none
/// of them.
#[must_use]
pub fn marked(mark: &str) -> Vec<Process> {
    let carries = |process: &Process| {
        let argv = process.argv();
        let is_client = argv.iter().take(6).any(|word| word.rsplit('/').next() == Some("shipote"));
        !is_client && argv.iter().any(|word| word.contains(mark))
    };
    pids().into_iter().filter_map(Process::of).filter(carries).collect()
}

/// Returns the children of `pid`, their children, and so on.
#[must_use]
pub fn descendants(pid: i32) -> Vec<Process> {
    let all: Vec<(i32, i32)> = pids().into_iter().filter_map(|pid| Some((pid, stat(pid)?.parent))).collect();
    let mut found = vec![pid];
    let mut at = 0;
    while let Some(parent) = found.get(at).copied() {
        found.extend(all.iter().filter(|(_, of)| *of == parent).map(|(pid, _)| *pid));
        at += 1;
    }
    found.into_iter().skip(1).filter_map(Process::of).collect()
}
