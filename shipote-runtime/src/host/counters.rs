//! What running things cost: cgroup v2 where it has the numbers, `/proc` where it has not.
//!
//! Never `smaps_rollup`: it walks page tables and stalls what it measures.

use std::fs;
use std::path::{Path, PathBuf};

use crate::decide::stats::Reading;
use crate::view::{Source, StatsSource};

/// Where the counters of one workspace are read.
#[derive(Debug, Clone)]
pub struct CounterSource {
    /// The cgroup that holds every command; none without cgroups.
    pub cgroup: Option<PathBuf>,
    /// Pids of the main processes, as the daemon numbers them; the roots of the walk without a cgroup.
    pub roots: Vec<i32>,
    /// Processor time of processes that have ended, in microseconds; only for the walk.
    pub ended_cpu_usec: u64,
}

/// Reads the counters of a workspace at `at_ms` (milliseconds of a clock that never goes back).
#[must_use]
pub fn read(source: &CounterSource, at_ms: u64) -> (Reading, StatsSource) {
    let cgroup = source.cgroup.as_deref();
    let cgroup_cpu = cgroup.and_then(|dir| keyed(&dir.join("cpu.stat"), "usage_usec"));
    let cgroup_memory = cgroup.and_then(|dir| number(&dir.join("memory.current")));
    let pids = if cgroup_cpu.is_some() && cgroup_memory.is_some() {
        Vec::new()
    } else {
        cgroup.map_or_else(|| descendants(&source.roots), members)
    };
    let processes = || pids.iter().filter_map(|pid| process(*pid));
    let reading = Reading {
        at_ms,
        cpu_usec: cgroup_cpu.or_else(|| {
            Some(source.ended_cpu_usec + processes().map(|process| process.cpu_usec).sum::<u64>())
        }),
        rss_bytes: cgroup_memory.or_else(|| Some(processes().map(|process| process.rss_bytes).sum())),
        kernel_peak_bytes: cgroup.and_then(|dir| number(&dir.join("memory.peak"))),
    };
    let of = |from_cgroup: bool| if from_cgroup { Source::Cgroup } else { Source::Proc };
    (reading, StatsSource { memory: of(cgroup_memory.is_some()), cpu: of(cgroup_cpu.is_some()) })
}

/// What `/proc` tells of one process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProcessCounters {
    /// Processor time of it and of its reaped children, in microseconds.
    pub cpu_usec: u64,
    /// Resident memory in bytes; pages shared with others count in each of them.
    pub rss_bytes: u64,
}

/// Reads the counters of one process (proc_pid_stat(5)); none where it has ended.
#[must_use]
pub fn process(pid: i32) -> Option<ProcessCounters> {
    parse_stat(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

/// Returns whether a process was stopped by a signal (state `T`, proc_pid_stat(5)); a debugger's stop is none.
#[must_use]
pub fn is_stopped(pid: i32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit(')').next().is_some_and(|fields| fields.trim_start().starts_with('T'))
}

/// Reads the most memory that a process has had since it executed its program (`VmHWM`, proc_pid_status(5)), in
/// bytes; none where it has ended.
#[must_use]
pub fn peak_rss(pid: i32) -> Option<u64> {
    keyed_text(&fs::read_to_string(format!("/proc/{pid}/status")).ok()?, "VmHWM:").map(|kib| kib * 1024)
}

/// Reads how many bytes a process has written so far (`wchar`, proc_pid_io(5)): an estimate of what went into the
/// edge that it feeds.
#[must_use]
pub fn bytes_written(pid: i32) -> Option<u64> {
    keyed_text(&fs::read_to_string(format!("/proc/{pid}/io")).ok()?, "wchar:")
}

/// Returns the number of processors that are online.
#[must_use]
pub fn cpu_cores() -> u32 {
    std::thread::available_parallelism().map_or(1, |count| count.get() as u32)
}

fn parse_stat(text: &str) -> Option<ProcessCounters> {
    // The second field is a name in parentheses that may hold spaces and parentheses itself.
    let after_name = &text[text.rfind(')')? + 1..];
    let fields: Vec<&str> = after_name.split_ascii_whitespace().collect();
    // Fields 14 to 17 (utime, stime, cutime, cstime) and 24 (rss), counted from 1; field 3 is first here.
    let ticks: u64 = fields.get(11..15)?.iter().filter_map(|field| field.parse::<u64>().ok()).sum();
    let pages: u64 = fields.get(21)?.parse().ok()?;
    Some(ProcessCounters { cpu_usec: ticks * 1_000_000 / TICKS_PER_SECOND, rss_bytes: pages * page_size() })
}

/// `USER_HZ`, which the kernel's interface fixes at 100 on every supported architecture (time(7)).
const TICKS_PER_SECOND: u64 = 100;

fn page_size() -> u64 {
    nix::unistd::sysconf(nix::unistd::SysconfVar::PAGE_SIZE).ok().flatten().map_or(4096, |size| size as u64)
}

fn number(path: &Path) -> Option<u64> {
    fs::read_to_string(path).ok()?.trim().parse().ok()
}

fn keyed(path: &Path, key: &str) -> Option<u64> {
    keyed_text(&fs::read_to_string(path).ok()?, key)
}

fn keyed_text(text: &str, key: &str) -> Option<u64> {
    text.lines().find_map(|line| {
        let mut words = line.split_ascii_whitespace();
        (words.next()? == key).then(|| words.next()?.parse().ok())?
    })
}

/// Returns the pids in a cgroup and everything below it.
fn members(dir: &Path) -> Vec<i32> {
    let list = fs::read_to_string(dir.join("cgroup.procs")).unwrap_or_default();
    let mut pids: Vec<i32> = list.lines().filter_map(|line| line.parse().ok()).collect();
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            pids.extend(members(&entry.path()));
        }
    }
    pids
}

/// Returns the processes below `roots`, themselves included (`children`, proc_tid_children(5)).
fn descendants(roots: &[i32]) -> Vec<i32> {
    let mut found = roots.to_vec();
    let mut next = 0;
    while next < found.len() {
        let pid = found[next];
        let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
        found.extend(children.split_ascii_whitespace().filter_map(|child| child.parse::<i32>().ok()));
        next += 1;
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_parentheses_does_not_shift_the_fields() {
        let stat = "7 (a) b (c)) S 1 7 7 0 -1 4194304 100 0 0 0 150 50 25 25 20 0 1 0 10 1000 3 99";
        let counters = parse_stat(stat).unwrap();
        assert_eq!(counters.cpu_usec, 2_500_000);
        assert_eq!(counters.rss_bytes, 3 * page_size());
    }

    #[test]
    fn this_process_costs_something() {
        let own = process(std::process::id() as i32).unwrap();
        assert!(own.rss_bytes > 100_000);
    }
}
