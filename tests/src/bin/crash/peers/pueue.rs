//! pueue: `pueue add --stashed` declares a task that does not run, and is answered when the daemon has saved it.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command};

use serde_json::Value;
use shipote_tests::Process;

use super::{Peer, Running, Session, command, said, wait_for};

/// An installed pueue.
pub struct Pueue {
    /// Where its programs are.
    pub bin: PathBuf,
}

struct Open {
    child: Child,
    client: PathBuf,
    config: PathBuf,
}

impl Peer for Pueue {
    fn version(&self) -> String {
        let said = said(command(&self.bin.join("pueued"), Path::new("/")).arg("--version")).unwrap();
        said.trim_start_matches("pueued ").to_owned()
    }

    fn state_file(&self) -> Option<&'static str> {
        Some("state.json")
    }

    fn start(&self, home: &Path, run: &Path) -> Result<Running, String> {
        let config = run.join("pueue.yml");
        let (home, run_text) = (home.display(), run.display());
        let text = format!(
            "shared:\n  pueue_directory: {home}\n  runtime_directory: {run_text}\n  use_unix_socket: true\n  \
             unix_socket_path: {run_text}/s\nclient: {{}}\ndaemon: {{}}\n"
        );
        fs::write(&config, text).unwrap();
        let log = File::options().create(true).append(true).open(run.join("log")).unwrap();
        let mut daemon = command(&self.bin.join("pueued"), run);
        let child =
            daemon.arg("-c").arg(&config).stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap();
        let daemon = Process::of(i32::try_from(child.id()).unwrap()).unwrap();
        let mut open = Open { child, client: self.bin.join("pueue"), config };
        let mut ended = None;
        wait_for("pueued", || {
            ended = open.child.try_wait().unwrap();
            ended.is_some() || open.ask(&["status", "--json"]).is_some()
        });
        match ended {
            Some(status) => Err(format!("pueued ended with {status}")),
            None => Ok(Running { daemon, client: None, mark: None, session: Box::new(open) }),
        }
    }
}

impl Open {
    fn ask(&self, words: &[&str]) -> Option<String> {
        let mut client: Command = command(&self.client, self.config.parent().unwrap());
        said(client.arg("-c").arg(&self.config).args(words))
    }
}

impl Session for Open {
    fn declare(&mut self, number: u64) -> bool {
        self.ask(&["add", "--stashed", "--label", &format!("n{number}"), "--", "true"]).is_some()
    }

    fn declared(&mut self) -> BTreeSet<u64> {
        let status: Value = serde_json::from_str(&self.ask(&["status", "--json"]).unwrap()).unwrap();
        let labels = status["tasks"].as_object().unwrap().values().filter_map(|task| task["label"].as_str());
        labels.filter_map(|label| label.strip_prefix('n')?.parse().ok()).collect()
    }

    fn stop(&mut self) {
        self.ask(&["shutdown"]).unwrap();
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        // Ended already, nearly always.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
