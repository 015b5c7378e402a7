//! The same change through the whole program: a request over its socket, up to the answer.

use std::cell::RefCell;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::client::Client;
use crate::plain::Plain;
use crate::round::{Side, interleave, making, side};
use crate::row::Row;
use crate::store::{plant, written};
use crate::{Extent, counted, typed};

const COUNTS: [u64; 3] = [10, 1_000, 100_000];
/// Longest wait for a daemon's answer, or its end.
const PATIENCE: Duration = Duration::from_secs(60);

/// A daemon, ended when this is dropped.
struct Daemon {
    child: Child,
    client: Client,
    made: u64,
}

impl Daemon {
    /// Starts one on a state directory, and waits for its first answer.
    fn start(program: &Path, dir: &Path) -> Self {
        let mut command = Command::new(program);
        command.arg("--state-dir").arg(dir).args(["daemon", "--log-level", "warn"]);
        command.env_remove("SHIPOTE_SOCKET").stdin(Stdio::null()).stdout(Stdio::null());
        let mut child = command.spawn().expect("start the daemon");
        let begin = Instant::now();
        loop {
            if let Ok(mut client) = Client::connect(&dir.join("shipote.sock"))
                && client.ask("GET", "/v1/version", "").is_ok()
            {
                return Self { child, client, made: 0 };
            }
            if let Ok(Some(status)) = child.try_wait() {
                panic!("the daemon ended with {status}");
            }
            assert!(begin.elapsed() < PATIENCE, "the daemon does not answer");
            sleep(Duration::from_micros(500));
        }
    }

    fn ask(&mut self, method: &str, path: &str, body: &str) {
        let (status, said) = self.client.ask(method, path, body).expect("the daemon answers");
        assert!(status < 300, "{method} {path}: {status} {said}");
    }

    fn create(&mut self) {
        self.made += 1;
        let body = format!("{{\"label\":\"made-{:06}\"}}", self.made);
        self.ask("POST", "/v1/workspaces", &body);
    }

    fn save(&mut self) {
        self.made += 1;
        let made = self.made;
        let body = format!(
            r#"{{"label":"daily","workspace":"","nodes":[{{"label":"n","payload":{{"native":{{"exec":"/bin/echo","argv":["{made:06}"],"envp":[]}}}}}}],"edges":[]}}"#
        );
        self.ask("PUT", "/v1/saved/daily", &body);
    }

    /// Returns the `io` file of its thread that writes the state.
    fn io(&self) -> PathBuf {
        let tasks = fs::read_dir(format!("/proc/{}/task", self.child.id())).expect("list its threads");
        let named = |task: &PathBuf| {
            fs::read_to_string(task.join("comm")).is_ok_and(|name| name.trim() == "shipote-store")
        };
        tasks.flatten().map(|task| task.path()).find(named).expect("the writer's thread").join("io")
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // An answer that is lost with the daemon is none of our business.
        let _ = self.client.ask("DELETE", "/v1/daemon", "");
        let begin = Instant::now();
        while self.child.try_wait().is_ok_and(|status| status.is_none()) {
            if begin.elapsed() > PATIENCE {
                let _ = self.child.kill();
            }
            sleep(Duration::from_millis(2));
        }
    }
}

pub fn run(dir: &Path, program: &Path, extent: Extent) {
    let rounds = extent.pick(31, 401);
    let daemons: Vec<RefCell<Daemon>> = COUNTS
        .iter()
        .map(|count| {
            let dir = dir.join(format!("daemon-{count}"));
            plant(&dir, *count);
            Daemon::start(program, &dir).into()
        })
        .collect();
    // The first change begins the journal; the second one tells the size of a record.
    for daemon in &daemons {
        daemon.borrow_mut().create();
        daemon.borrow_mut().save();
    }
    let ios: Vec<PathBuf> = daemons.iter().map(|daemon| daemon.borrow().io()).collect();
    let count = |make: fn(&mut Daemon)| -> Vec<u64> {
        let each = ios.iter().zip(&daemons).map(|(io, daemon)| {
            let before = written(io);
            make(&mut daemon.borrow_mut());
            written(io) - before
        });
        each.collect()
    };
    let (created, saved) = (count(Daemon::create), count(Daemon::save));
    for (name, bytes, make) in [
        ("ws create", &created, Daemon::create as fn(&mut Daemon)),
        ("pipeline save", &saved, Daemon::save as fn(&mut Daemon)),
    ] {
        let path = dir.join(format!("plain-{}", name.replace(' ', "-")));
        let length = usize::try_from(bytes[0]).expect("a record");
        let mut plain = Plain::with(&path, "x".repeat(length - 1) + "\n");
        let mut sides: Vec<Side<'_>> = vec![side(|| plain.change())];
        sides.extend(daemons.iter().map(|daemon| side(move || make(&mut daemon.borrow_mut()))));
        let times = interleave(&mut sides, rounds, 1);
        drop(sides);
        for (at, count) in COUNTS.iter().enumerate() {
            let what = format!("{name} over the socket, {} workspaces", counted(*count));
            Row::of_times(what, "append + fdatasync of the same bytes", &times, [1 + at, 0]).tell();
        }
        let what = format!("{name}, {} workspaces: bytes written", counted(COUNTS[2]));
        Row::of_bytes(what, "the same among 10", [bytes[2], bytes[0]]).goal(1.1).tell();
    }
    drop(daemons);
    start(dir, program, extent);
}

/// From nothing to the first answer.
fn start(dir: &Path, program: &Path, extent: Extent) {
    let count = 10_000;
    let dir = dir.join("started");
    plant(&dir, count);
    let file = dir.join("state.json");
    let mut sides = [
        making(|| Daemon::start(program, &dir)),
        making(|| {
            let bytes = fs::read(&file).expect("read the state");
            serde_json::from_slice::<typed::State>(&bytes).expect("it is read")
        }),
    ];
    let times = interleave(&mut sides, extent.pick(3, 11), 1);
    let what = format!("the daemon's start to its first answer, {} workspaces", counted(count));
    Row::of_times(what, "read the file + serde_json, typed parse", &times, [0, 1]).tell();
}
