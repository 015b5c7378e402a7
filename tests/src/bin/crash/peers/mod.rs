//! Other managers under the same treatment, as far as each of them keeps anything: kills, damaged files, power cuts.
//!
//! Each is asked to declare entities one after the other, and what its client said was done is an acknowledged change.
//! Everything is in a home of its own, and ends by the ids that it was started with.

mod cuts;
mod damage;
mod kill;
mod pm2;
mod pueue;
mod shipote;
mod supervisord;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use serde_json::{Value, json};
use shipote_tests::{Process, marked};

use super::Plan;

/// Longest wait for a manager to answer or to end.
const PATIENCE: Duration = Duration::from_secs(30);

/// A manager that is looked at.
pub trait Peer {
    /// Returns its version, as it tells it.
    fn version(&self) -> String;

    /// Returns the file in its home that holds what was declared; none where it keeps nothing.
    fn state_file(&self) -> Option<&'static str>;

    /// Starts it, and waits until it answers. What it keeps is in `home`; sockets and logs are in `run`.
    ///
    /// # Errors
    ///
    /// Returns why it does not start: a refusal.
    fn start(&self, home: &Path, run: &Path) -> Result<Running, String>;
}

/// What a client of a running manager can do.
pub trait Session: Send {
    /// Declares the entity of a number. Tells whether that was acknowledged.
    fn declare(&mut self, number: u64) -> bool;

    /// Returns the numbers that are declared.
    fn declared(&mut self) -> BTreeSet<u64>;

    /// Asks it to end.
    fn stop(&mut self);
}

/// A manager that runs; it is killed when this is dropped.
pub struct Running {
    /// Its process.
    daemon: Process,
    /// A client that would wait for ever for an answer that does not come.
    client: Option<Process>,
    /// What only processes that it has started carry in their arguments.
    mark: Option<String>,
    session: Box<dyn Session>,
}

impl Running {
    /// Kills it, and waits for its end.
    fn kill(&self) {
        self.daemon.signal(Signal::SIGKILL);
        wait_for("its end", || !self.daemon.is_alive());
        if let Some(client) = self.client {
            client.signal(Signal::SIGKILL);
        }
    }

    /// Asks it to end, and waits for that.
    fn stop(mut self) {
        self.session.stop();
        wait_for("its end", || !self.daemon.is_alive());
    }

    /// Returns the processes that it has started and that are there.
    fn left(&self) -> Vec<Process> {
        self.mark.as_deref().map(marked).unwrap_or_default()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.kill();
        for process in self.left() {
            process.signal(Signal::SIGKILL);
        }
    }
}

fn wait_for(what: &str, mut is_so: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !is_so() {
        assert!(begin.elapsed() < PATIENCE, "waited for {what}");
        thread::sleep(Duration::from_millis(2));
    }
}

/// Has a manager declare 1, 2, 3 and so on; once `count` are acknowledged, and `more` has passed, `end` ends it. Returns
/// how many were acknowledged until then.
fn declare_until(running: &mut Running, count: u64, more: Duration, end: impl FnOnce()) -> u64 {
    let (daemon, client) = (running.daemon, running.client);
    let (is_over, acknowledged) = (AtomicBool::new(false), AtomicU64::new(0));
    let session = &mut running.session;
    thread::scope(|scope| {
        let working = scope.spawn(|| {
            for number in 1.. {
                if !session.declare(number) || is_over.load(Ordering::SeqCst) {
                    return;
                }
                acknowledged.store(number, Ordering::SeqCst);
            }
        });
        wait_for("changes", || acknowledged.load(Ordering::SeqCst) >= count || working.is_finished());
        thread::sleep(more);
        is_over.store(true, Ordering::SeqCst);
        end();
        daemon.signal(Signal::SIGKILL);
        if let Some(client) = client {
            client.signal(Signal::SIGKILL);
        }
    });
    acknowledged.into_inner()
}

/// Counts the acknowledged changes 1 to `acknowledged` that are not there.
fn missing(found: &BTreeSet<u64>, acknowledged: u64) -> u64 {
    (1..=acknowledged).filter(|number| !found.contains(number)).count() as u64
}

/// Returns a command of a peer, with nothing of this environment but a home.
fn command(program: &Path, home: &Path) -> Command {
    let mut command = Command::new(program);
    command.env_clear().env("PATH", "/usr/local/bin:/usr/bin:/bin").env("HOME", home).env("LANG", "C.UTF-8");
    command.current_dir("/").stdin(Stdio::null());
    command
}

/// Runs a command to its end. Returns what it printed; none where it failed.
fn said(command: &mut Command) -> Option<String> {
    let output =
        command.output().unwrap_or_else(|error| panic!("{}: {error}", command.get_program().display()));
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// Looks at one manager in one way, and prints what was found. Tells whether the part is one of these.
pub fn run(part: &str, plan: &Plan) -> bool {
    let look = match part {
        "peer-kill" => kill::run,
        "peer-damage" => damage::run,
        "peer-cut" => cuts::run,
        _ => return false,
    };
    let peer = named(plan);
    let mut found = look(&*peer, plan);
    found["part"] = json!(part);
    found["peer"] = json!(plan.peer);
    found["version"] = json!(peer.version());
    println!("{found}");
    true
}

fn named(plan: &Plan) -> Box<dyn Peer> {
    let within = |path: &str| plan.peers.join(path);
    match plan.peer.as_str() {
        "shipote" => Box::new(shipote::Shipote { program: plan.program.clone() }),
        "pueue" => Box::new(pueue::Pueue { bin: within("pueue/bin") }),
        "pm2" => Box::new(pm2::Pm2 { package: within("pm2/node_modules/pm2"), saves: true }),
        "pm2-start" => Box::new(pm2::Pm2 { package: within("pm2/node_modules/pm2"), saves: false }),
        "supervisord" => Box::new(supervisord::Supervisord { bin: within("supervisor/bin") }),
        other => panic!("--peer {other} is not known"),
    }
}

/// A home for one cycle.
fn fresh(dir: &Path, cycle: u64) -> (PathBuf, PathBuf) {
    let (home, run) = (dir.join(format!("h{cycle}")), dir.join(format!("r{cycle}")));
    for dir in [&home, &run] {
        std::fs::create_dir_all(dir).unwrap();
    }
    (home, run)
}

fn nothing_kept() -> Value {
    json!({ "kept": "nothing" })
}
