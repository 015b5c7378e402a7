//! Shipote itself, for the same rows.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use shipote_tests::Process;

use super::{Peer, Running, Session, command, said};
use crate::client::Client;
use crate::server::{Server, declared};

/// A built program.
pub struct Shipote {
    /// Where it is.
    pub program: PathBuf,
}

struct Open {
    server: Server,
    client: Client,
}

impl Peer for Shipote {
    fn version(&self) -> String {
        let said = said(command(&self.program, Path::new("/")).arg("--version")).unwrap();
        said.trim_start_matches("shipote ").to_owned()
    }

    fn state_file(&self) -> Option<&'static str> {
        Some("state.json")
    }

    fn start(&self, home: &Path, run: &Path) -> Result<Running, String> {
        let mut server = Server::start(&self.program, home, &run.join("log"), None);
        let client = server.ready().map_err(|code| format!("exit code {code:?}"))?;
        let daemon = Process::of(server.pid()).unwrap();
        Ok(Running { daemon, client: None, mark: None, session: Box::new(Open { server, client }) })
    }
}

impl Session for Open {
    fn declare(&mut self, number: u64) -> bool {
        let answer = self.client.ask("POST", "/v1/workspaces", &format!("{{\"label\":\"n{number}\"}}"));
        answer.is_ok_and(|(status, _)| status < 300)
    }

    fn declared(&mut self) -> BTreeSet<u64> {
        declared(&mut self.client).workspaces.iter().map(|label| label[1..].parse().unwrap()).collect()
    }

    fn stop(&mut self) {
        self.client.ask("DELETE", "/v1/daemon", "").unwrap();
        self.server.wait();
    }
}
