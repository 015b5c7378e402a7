//! The program that tests run in workspaces: it shows what it sees, misbehaves on request, and counts its starts.

#![expect(clippy::print_stdout, reason = "what a payload has to say goes to stdout")]

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write};
use std::os::unix::net::UnixStream;
use std::process::{Command, ExitCode, Stdio};
use std::thread::sleep;
use std::time::Duration;

use nix::sys::signal::SigSet;
use serde_json::{Value, json};

/// How long a payload sleeps that is to be ended by somebody else; an hour, so that a broken test leaves nothing.
const LONG: Duration = Duration::from_secs(3600);

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words[..] {
        ["view"] => println!("{}", view()),
        ["burst", count] => burst(count.parse().unwrap_or(0)),
        ["exit", code] => return ExitCode::from(code.parse().unwrap_or(2)),
        ["hang", ..] => sleep(LONG),
        ["ignore-term", ..] => ignore_everything(),
        ["fork-away", mark] => {
            for _ in 0..3 {
                again(&["away-first", mark]);
            }
            ignore_everything();
        }
        ["away-first", mark] => {
            leave_session();
            again(&["ignore-term", mark]);
        }
        ["hop", mark] => {
            for _ in 0..4 {
                again(&["hopping", mark, "0"]);
            }
            ignore_everything();
        }
        ["hopping", mark, hops] => {
            leave_session();
            let hops: u32 = hops.parse().unwrap_or(0);
            // Mostly too fast for anybody to catch a pid; now and then long enough for a test to see that they live.
            sleep(Duration::from_millis(if hops.is_multiple_of(32) { 100 } else { 1 }));
            again(&["hopping", mark, &hops.wrapping_add(1).to_string()]);
        }
        ["count-to", file, end] => return count_to(file, end),
        ["try-connect", socket] => report(UnixStream::connect(socket).map(drop)),
        ["try-write", path] => report(fs::File::options().append(true).open(path).map(drop)),
        ["try-signal", pid] => {
            let pid = nix::unistd::Pid::from_raw(pid.parse().unwrap_or(i32::MAX));
            report(nix::sys::signal::kill(pid, None).map_err(io::Error::from));
        }
        _ => {
            println!("payload: not understood: {words:?}");
            return ExitCode::from(2);
        }
    }
    ExitCode::SUCCESS
}

/// Prints `done`, or the name of the error.
fn report(result: io::Result<()>) {
    match result {
        Ok(()) => println!("done"),
        Err(error) => println!("{:?}", error.raw_os_error().map(nix::errno::Errno::from_raw)),
    }
}

/// Starts this program again, and does not wait for it.
fn again(arguments: &[&str]) {
    let Ok(this) = std::env::current_exe() else { return };
    // Without a process to hop to, the test has what it wants anyway.
    let _ = Command::new(this).args(arguments).stdin(Stdio::null()).spawn();
}

fn leave_session() {
    // A leader of a group has one of its own already.
    let _ = nix::unistd::setsid();
}

fn ignore_everything() {
    // What is blocked is never delivered; only SIGKILL and SIGSTOP can't be.
    let _ = SigSet::all().thread_block();
    sleep(LONG);
}

fn burst(count: u64) {
    const BLOCK: usize = 64 * 1024;
    let mut stdout = io::stdout().lock();
    let mut state: u64 = 0x9e37_79b9_7f4a_7c15;
    let mut block = Vec::with_capacity(BLOCK);
    let mut left = count;
    while left > 0 {
        block.clear();
        while block.len() < BLOCK {
            // xorshift: no content that something could recognise or compress.
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            block.extend_from_slice(&state.to_le_bytes());
        }
        let size = usize::try_from(left).unwrap_or(BLOCK).min(BLOCK);
        if stdout.write_all(&block[..size]).is_err() {
            return;
        }
        left -= size as u64;
    }
}

fn count_to(file: &str, end: &str) -> ExitCode {
    let line = format!("{}\n", std::process::id());
    let written = fs::File::options()
        .create(true)
        .append(true)
        .open(file)
        .and_then(|mut file| file.write_all(line.as_bytes()));
    if written.is_err() {
        return ExitCode::from(70);
    }
    match end {
        "hang" => {
            sleep(LONG);
            ExitCode::SUCCESS
        }
        code => ExitCode::from(code.parse().unwrap_or(1)),
    }
}

fn view() -> Value {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let status: BTreeMap<&str, &str> = status
        .lines()
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name, value.trim()))
        .collect();
    let kept = [
        "Uid",
        "Gid",
        "Groups",
        "NoNewPrivs",
        "Seccomp",
        "CapInh",
        "CapPrm",
        "CapEff",
        "CapBnd",
        "CapAmb",
        "SigBlk",
    ];
    let status: BTreeMap<&str, &str> =
        kept.iter().filter_map(|name| Some((*name, *status.get(name)?))).collect();
    let namespaces: BTreeMap<String, String> = links("/proc/self/ns").into_iter().collect();
    let descriptors: BTreeMap<String, String> = links("/proc/self/fd").into_iter().collect();
    let environment: BTreeMap<String, String> = std::env::vars().collect();
    json!({
        "pid": std::process::id(),
        "cwd": std::env::current_dir().ok(),
        "argv": std::env::args().collect::<Vec<_>>(),
        "env": environment,
        "fds": descriptors,
        "ns": namespaces,
        "cgroup": fs::read_to_string("/proc/self/cgroup").unwrap_or_default(),
        "hostname": fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default().trim(),
        "status": status,
    })
}

/// Returns the links in a directory of /proc. The descriptor that reads it is closed before they are followed.
fn links(directory: &str) -> Vec<(String, String)> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    let names: Vec<_> = entries.map(|entry| (entry.file_name(), entry.path())).collect();
    let follow = |(name, path): (std::ffi::OsString, std::path::PathBuf)| {
        Some((name.into_string().ok()?, fs::read_link(path).ok()?.to_string_lossy().into_owned()))
    };
    names.into_iter().filter_map(follow).collect()
}
