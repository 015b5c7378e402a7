//! PM2, by its own library in one client: `pm2 start` declares, and `pm2 save` is what keeps; `pm2 resurrect` brings back.

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Stdio};
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use serde_json::Value;
use shipote_tests::Process;

use super::{Peer, Running, Session, command};

/// Longest wait for an answer.
const LONGEST: Duration = Duration::from_secs(8);

/// What the client runs: a line asks, a line answers.
const CLIENT: &str = "
const pm2 = require(process.argv[1]);
const fs = require('fs');
const say = (text) => fs.writeSync(1, text + '\\n');
const done = (error) => say(error ? 'no' : 'ok');
pm2.connect((error) => {
  if (error) process.exit(1);
  say(fs.readFileSync(process.env.PM2_HOME + '/pm2.pid', 'utf8').trim());
  const lines = require('readline').createInterface({ input: process.stdin });
  lines.on('close', () => process.exit(0));
  lines.on('line', (line) => {
    const [verb, number] = line.split(' ');
    const script = { script: '/bin/true', name: 'n' + number, interpreter: 'none', autorestart: false };
    if (verb === 'start') pm2.start(script, done);
    if (verb === 'save') pm2.dump(done);
    if (verb === 'resurrect') pm2.resurrect(done);
    if (verb === 'list') pm2.list((error, list) => say(error ? 'no' : list.map((one) => one.name).join(' ')));
    if (verb === 'kill') pm2.killDaemon(done);
  });
});
";

/// An installed PM2.
pub struct Pm2 {
    /// Where its package is.
    pub package: PathBuf,
    /// Whether each change is followed by a `save`, without which PM2 promises nothing.
    pub saves: bool,
}

struct Open {
    child: Child,
    ask: ChildStdin,
    answers: BufReader<ChildStdout>,
    saves: bool,
}

impl Peer for Pm2 {
    fn version(&self) -> String {
        let text = fs::read_to_string(self.package.join("package.json")).unwrap();
        let package: Value = serde_json::from_str(&text).unwrap();
        package["version"].as_str().unwrap().to_owned()
    }

    fn state_file(&self) -> Option<&'static str> {
        // Without `save` there is no file.
        self.saves.then_some("dump.pm2")
    }

    fn start(&self, home: &Path, run: &Path) -> Result<Running, String> {
        let (mut open, mut daemon) = self.connect(home, run).ok_or("no daemon")?;
        let is_dumped = [home.join("dump.pm2"), home.join("dump.pm2.bak")].iter().any(|dump| dump.exists());
        if is_dumped && open.ask("resurrect").is_none() {
            // Where it can read neither of them it never answers. Its user goes on with nothing.
            drop(open);
            (open, daemon) = self.connect(home, run).ok_or("no daemon")?;
        }
        let client = Process::of(i32::try_from(open.child.id()).unwrap());
        Ok(Running { daemon, client, mark: None, session: Box::new(open) })
    }
}

impl Pm2 {
    /// Starts a client, which starts the daemon where there is none.
    fn connect(&self, home: &Path, run: &Path) -> Option<(Open, Process)> {
        let mut client = command(Path::new("node"), run);
        client.args(["-e", CLIENT]).arg(&self.package).env("PM2_HOME", home).env("PM2_SILENT", "true");
        client.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = client.spawn().unwrap();
        let (ask, answers) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
        let mut open = Open { child, ask, answers, saves: self.saves };
        let daemon = open.answer()?.parse().ok().and_then(Process::of)?;
        Some((open, daemon))
    }
}

impl Open {
    /// Returns the next answer; none where none comes.
    fn answer(&mut self) -> Option<String> {
        if self.answers.buffer().is_empty() {
            let mut wait = [PollFd::new(self.answers.get_ref().as_fd(), PollFlags::POLLIN)];
            let ready = poll(&mut wait, PollTimeout::try_from(LONGEST).unwrap());
            ready.is_ok_and(|ready| ready > 0).then_some(())?;
        }
        let mut line = String::new();
        let read = self.answers.read_line(&mut line).ok()?;
        (read > 0).then(|| line.trim().to_owned())
    }

    fn ask(&mut self, line: &str) -> Option<String> {
        writeln!(self.ask, "{line}").ok()?;
        self.answer().filter(|answer| answer != "no")
    }
}

impl Session for Open {
    fn declare(&mut self, number: u64) -> bool {
        self.ask(&format!("start {number}")).is_some() && (!self.saves || self.ask("save").is_some())
    }

    fn declared(&mut self) -> BTreeSet<u64> {
        let names = self.ask("list").unwrap_or_default();
        names.split(' ').filter_map(|name| name.strip_prefix('n')?.parse().ok()).collect()
    }

    fn stop(&mut self) {
        self.ask("kill");
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        // Ended already, where its daemon was killed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
