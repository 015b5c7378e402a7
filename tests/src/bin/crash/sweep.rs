//! Every system call of the store: a kill at it, and an error from it, by strace(1).
//!
//! The store runs without a daemon (`store`, in this crate): a fixed row of changes with folds between them, each
//! answered on stdout. `when=N` counts the calls of one name in one thread.

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::Instant;

use super::{Plan, Tally};

/// The calls by which a state directory is changed.
const CALLS: [&str; 10] = [
    "openat",
    "write",
    "fdatasync",
    "fsync",
    "renameat",
    "linkat",
    "unlinkat",
    "ftruncate",
    "mkdirat",
    "newfstatat",
];
/// Calls of one name at most; the store makes fewer.
const MOST_CALLS: u32 = 400;

pub fn run(plan: &Plan) -> Tally {
    let mut tally = Tally::default();
    for fault in ["signal=KILL", "error=EIO", "error=ENOSPC"] {
        for call in CALLS {
            for number in 1..MOST_CALLS {
                if tally.cycles >= plan.cycles || Instant::now() > plan.until {
                    return tally;
                }
                let what = format!("{call}:{fault}:when={number}");
                if !inject(plan, &what, fault.starts_with("signal"), &mut tally) {
                    break;
                }
            }
            eprintln!("{call} {fault}: {} injections so far, {} lost", tally.cycles, tally.lost);
        }
    }
    tally
}

/// Injects one fault. Tells whether it was met.
fn inject(plan: &Plan, what: &str, is_kill: bool, tally: &mut Tally) -> bool {
    let state_dir = plan.dir.join("sweep");
    let _ = fs::remove_dir_all(&state_dir);
    let trace = plan.dir.join("trace");
    let call = what.split(':').next().unwrap();
    let mut command = Command::new("strace");
    command.args(["-f", "-qq", "-e", &format!("trace={call}"), "-e", &format!("inject={what}")]);
    // Only what concerns the state directory: a library that can't be opened is no fault of the store.
    command.arg("-P").arg(&state_dir);
    for name in ["state.json", "state.journal", "state.journal.old", "state.lock", "quarantine"] {
        command.arg("-P").arg(state_dir.join(name));
    }
    command.arg("-o").arg(&trace).arg(&plan.store).arg(&state_dir);
    let output = command.stdin(Stdio::null()).stderr(Stdio::piped()).output();
    let output = output.unwrap_or_else(|error| panic!("strace: {error}"));
    let was_met = fs::read_to_string(&trace).unwrap_or_default().contains("INJECTED")
        || (is_kill && output.status.code().is_none());
    if !was_met {
        return false;
    }
    tally.cycles += 1;
    let answers = answers(&output);
    let (acknowledged, refused) = (answers.acknowledged, answers.refused);
    tally.acknowledged += acknowledged;
    match found(plan, &state_dir) {
        // A change that was under way, or was refused where the disk could not even be asked to forget it, may be there.
        Some(found) if found < acknowledged => {
            tally.lost += acknowledged - found;
            tally.find(format!("{what}: {found} of {acknowledged}"));
        }
        Some(found) if found > acknowledged + 1 || (found > acknowledged && refused && !answers.poisoned) => {
            tally.invented += 1;
            tally.find(format!(
                "{what}: {found} where {acknowledged} were acknowledged and the next was refused"
            ));
        }
        Some(_) => {}
        None => {
            tally.refused += 1;
            tally.find(format!("{what}: refused by the next start"));
        }
    }
    true
}

struct Answers {
    acknowledged: u64,
    /// Whether the last change asked for was refused.
    refused: bool,
    poisoned: bool,
}

/// Reads what the store answered: `ack N`, `no N: why`.
fn answers(output: &Output) -> Answers {
    let text = String::from_utf8_lossy(&output.stdout);
    let mut answers = Answers { acknowledged: 0, refused: false, poisoned: false };
    for line in text.lines() {
        if let Some(number) = line.strip_prefix("ack ").and_then(|number| number.parse().ok()) {
            answers.acknowledged = number;
            answers.refused = false;
        } else if line.starts_with("no ") {
            answers.refused = true;
            answers.poisoned |= line.contains("read-only");
        }
    }
    answers
}

/// Starts the store again and returns the change that it finds last.
fn found(plan: &Plan, state_dir: &Path) -> Option<u64> {
    let output = Command::new(&plan.store).arg(state_dir).arg("look").output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    text.trim().strip_prefix("found ").and_then(|number| number.parse().ok())
}
