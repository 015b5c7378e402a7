//! supervisord: what is to run stands in a file that it only reads, and what a user starts or stops is kept nowhere.
//! What is declared here is that a program runs: `supervisorctl start`.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Child;

use shipote_tests::Process;

use super::{Peer, Running, Session, command, said, wait_for};

/// Programs in its file.
const PROGRAMS: u64 = 12;

/// An installed supervisor.
pub struct Supervisord {
    /// Where its programs are.
    pub bin: PathBuf,
}

struct Open {
    child: Child,
    client: PathBuf,
    config: PathBuf,
}

impl Peer for Supervisord {
    fn version(&self) -> String {
        said(command(&self.bin.join("supervisord"), Path::new("/")).arg("--version")).unwrap()
    }

    fn state_file(&self) -> Option<&'static str> {
        None
    }

    fn start(&self, home: &Path, run: &Path) -> Result<Running, String> {
        // A number of seconds that no other sleep has.
        let mark = format!("0.000{}{}", std::process::id(), home.display().to_string().len());
        let config = home.join("supervisord.conf");
        let run = run.display();
        let mut text = format!(
            "[unix_http_server]\nfile={run}/s\n[supervisord]\nnodaemon=true\nlogfile={run}/log\npidfile={run}/pid\n\
             childlogdir={run}\n[rpcinterface:supervisor]\nsupervisor.rpcinterface_factory = \
             supervisor.rpcinterface:make_main_rpcinterface\n[supervisorctl]\nserverurl=unix://{run}/s\n"
        );
        for number in 1..=PROGRAMS {
            // Writing into memory does not fail.
            let _ = write!(
                text,
                "[program:n{number}]\ncommand=/bin/sleep 600 {mark}\nautostart=false\nautorestart=false\nstartsecs=0\n"
            );
        }
        fs::write(&config, text).unwrap();
        let log = File::create(home.join("said")).unwrap();
        let mut daemon = command(&self.bin.join("supervisord"), home);
        let child =
            daemon.arg("-c").arg(&config).stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap();
        let daemon = Process::of(i32::try_from(child.id()).unwrap()).unwrap();
        let mut open = Open { child, client: self.bin.join("supervisorctl"), config };
        let mut ended = None;
        wait_for("supervisord", || {
            ended = open.child.try_wait().unwrap();
            ended.is_some() || open.ask(&["pid"]).is_some()
        });
        match ended {
            Some(status) => Err(format!("supervisord ended with {status}")),
            None => Ok(Running { daemon, client: None, mark: Some(mark), session: Box::new(open) }),
        }
    }
}

impl Open {
    fn ask(&self, words: &[&str]) -> Option<String> {
        let mut client = command(&self.client, self.config.parent().unwrap());
        said(client.arg("-c").arg(&self.config).args(words))
    }
}

impl Session for Open {
    fn declare(&mut self, number: u64) -> bool {
        number <= PROGRAMS && self.ask(&["start", &format!("n{number}")]).is_some()
    }

    fn declared(&mut self) -> BTreeSet<u64> {
        let numbers = 1..=PROGRAMS;
        // `status` fails where any of the programs does not run.
        let runs =
            |number: &u64| self.ask(&["pid", &format!("n{number}")]).is_some_and(|pid| pid.trim() != "0");
        numbers.filter(runs).collect()
    }

    fn stop(&mut self) {
        self.ask(&["shutdown"]);
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        // Ended already, nearly always.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
