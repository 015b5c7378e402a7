//! The daemon under test: started, asked for what it has, and killed.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::Value;
use shipote_tests::cgroup;

use super::client::Client;
use super::model::Model;

/// Longest wait for a daemon to answer.
const PATIENCE: Duration = Duration::from_secs(20);

/// A daemon that is killed when this is dropped.
#[derive(Debug)]
pub struct Server {
    child: Child,
    socket: PathBuf,
    /// Where its cgroup may be: known when the state directory is there, which cannot be asked after a power cut.
    cgroups: Vec<PathBuf>,
}

impl Server {
    /// Starts it on a state directory; what it says goes to a file beside that.
    pub fn start(program: &Path, state_dir: &Path, log: &Path, fold_above: Option<u64>) -> Self {
        let mut command = Command::new(program);
        command.arg("--state-dir").arg(state_dir).args(["daemon", "--log-level", "warn"]);
        if let Some(bytes) = fold_above {
            command.args(["--fold-above", &bytes.to_string()]);
        }
        let log = File::options().create(true).append(true).open(log).unwrap();
        command.env_remove("SHIPOTE_SOCKET").stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        let child = command.spawn().unwrap_or_else(|error| panic!("{}: {error}", program.display()));
        Self { child, socket: state_dir.join("shipote.sock"), cgroups: cgroup::bases(state_dir) }
    }

    /// Returns its socket.
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// Returns its pid.
    pub fn pid(&self) -> i32 {
        i32::try_from(self.child.id()).unwrap()
    }

    /// Waits for its end, after it was asked for.
    pub fn wait(&mut self) {
        let _ = self.child.wait();
    }

    /// Waits until it answers; none where it has ended, with its exit code.
    pub fn ready(&mut self) -> Result<Client, Option<i32>> {
        let begin = Instant::now();
        loop {
            if let Ok(mut client) = Client::connect(&self.socket)
                && client.ask("GET", "/v1/version", "").is_ok()
            {
                self.cgroups = self.socket.parent().map(cgroup::bases).unwrap_or_default();
                return Ok(client);
            }
            if let Some(status) = self.child.try_wait().unwrap() {
                return Err(status.code());
            }
            assert!(begin.elapsed() < PATIENCE, "the daemon does not answer");
            sleep(Duration::from_millis(1));
        }
    }

    /// Ends it at once.
    pub fn kill(&mut self) {
        // Ended already where it refused its state.
        let _ = self.child.kill();
        let _ = self.child.wait();
        self.cgroups.iter().for_each(|dir| cgroup::remove(dir));
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Asks a daemon for what is declared.
pub fn declared(client: &mut Client) -> Model {
    let mut list = |path: &str| -> Vec<Value> {
        let (status, body) = client.ask("GET", path, "").unwrap();
        assert_eq!(status, 200, "{body}");
        serde_json::from_str(&body).unwrap()
    };
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let workspaces = list("/v1/workspaces").iter().map(|row| text(&row["label"])).collect();
    let saved = list("/v1/saved");
    let saved = saved.iter().map(|row| {
        let number = &row["spec"]["nodes"][0]["payload"]["native"]["argv"][0];
        (text(&row["name"]), number.as_str().unwrap().parse().unwrap())
    });
    Model { workspaces, saved: saved.collect() }
}

/// Random numbers by xorshift: the same for the same seed.
#[derive(Debug)]
pub struct Dice(u64);

impl Dice {
    /// Begins with a seed.
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// Returns a number below `below`.
    pub fn roll(&mut self, below: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % below
    }
}
