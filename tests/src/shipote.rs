//! One Shipote for one test: its program, its daemon, its state directory, and what became of its processes.

use std::ffi::OsStr;
use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::Value;
use tempfile::TempDir;

use crate::cgroup;
use crate::process::{Process, descendants, marked};
use crate::wait::{ORPHAN_LIMIT, PATIENCE, until, within};

/// Where programs of tests are looked for: what every Debian has, and nothing of the developer's.
const PATH: &str = "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin";

/// Returns the program that is tested.
///
/// # Panics
///
/// Panics where there is none.
#[must_use]
#[track_caller]
pub fn program() -> PathBuf {
    if let Some(named) = std::env::var_os("SHIPOTE_BIN") {
        let path = PathBuf::from(named);
        assert!(path.is_file(), "SHIPOTE_BIN is {}, which is no file", path.display());
        return path;
    }
    let built = target().join("release/shipote");
    let debug = target().join("debug/shipote");
    for candidate in [&built, &debug] {
        if candidate.is_file() {
            return candidate.clone();
        }
    }
    panic!(
        "neither {} nor {} is there; build the program with `cargo build --release -p shipote-daemon`, name another \
         one by SHIPOTE_BIN, or run `cargo xtask test`",
        built.display(),
        debug.display()
    );
}

/// Returns the directory that cargo builds into: three above the test program.
fn target() -> PathBuf {
    let this = std::env::current_exe().unwrap_or_default();
    this.ancestors().nth(3).map_or_else(|| PathBuf::from("target"), Path::to_path_buf)
}

/// What a run of the program came to.
#[derive(Debug, Clone)]
pub struct Output {
    /// Exit code; 128 and the signal where one ended it.
    pub code: i32,
    /// What it wrote to stdout.
    pub stdout: Vec<u8>,
    /// What it wrote to stderr.
    pub stderr: String,
    line: String,
}

impl Output {
    /// Returns stdout as text.
    #[must_use]
    #[track_caller]
    pub fn text(&self) -> String {
        String::from_utf8(self.stdout.clone()).expect("stdout is no text")
    }

    /// Returns stdout as the one JSON document that it is.
    #[must_use]
    #[track_caller]
    pub fn json(&self) -> Value {
        match serde_json::from_slice(&self.stdout) {
            Ok(value) => value,
            Err(error) => panic!("{error}: not one JSON document\n{self}"),
        }
    }

    /// Checks the exit code.
    #[track_caller]
    pub fn exits(self, code: i32) -> Self {
        assert!(self.code == code, "expected exit code {code}\n{self}");
        self
    }

    /// Checks that the exit code is 0.
    #[track_caller]
    pub fn ok(self) -> Self {
        self.exits(0)
    }
}

impl std::fmt::Display for Output {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "$ {}\nexit code {}", self.line, self.code)?;
        writeln!(f, "--- stdout\n{}", String::from_utf8_lossy(&self.stdout))?;
        write!(f, "--- stderr\n{}", self.stderr)
    }
}

/// A private Shipote.
#[derive(Debug)]
pub struct Shipote {
    dir: TempDir,
    program: PathBuf,
    payload: PathBuf,
    uid: Option<u32>,
    daemon: Option<Child>,
    mark: String,
    /// Processes of a former life of the daemon: none of them may be left in the end.
    former: Vec<Process>,
    /// A cgroup that belongs to the other user, for its daemon to start in.
    delegated: Option<PathBuf>,
}

static NUMBER: AtomicU32 = AtomicU32::new(0);

impl Shipote {
    /// Makes one for the present user; `payload` is the program that tests run. No daemon is started yet.
    #[must_use]
    #[track_caller]
    pub fn new(payload: &str) -> Self {
        Self::make(payload, None)
    }

    /// Makes one that runs altogether as another user, with a home of its own. Needs root and setpriv(1).
    #[must_use]
    #[track_caller]
    pub fn as_user(payload: &str, uid: u32) -> Self {
        Self::make(payload, Some(uid))
    }

    #[track_caller]
    fn make(payload: &str, uid: Option<u32>) -> Self {
        let dir = tempfile::Builder::new().prefix("shipote-it.").tempdir().expect("no temporary directory");
        let open = |mode| fs::set_permissions(dir.path(), fs::Permissions::from_mode(mode));
        open(if uid.is_some() { 0o755 } else { 0o700 }).expect("chmod");
        let (mut program, mut payload) = (program(), PathBuf::from(payload));
        for name in ["home", "work", "bin"] {
            fs::create_dir(dir.path().join(name)).expect("mkdir");
        }
        if let Some(uid) = uid {
            // The build may stand where that user can't go.
            program = place(&program, &dir.path().join("bin/shipote"));
            payload = place(&payload, &dir.path().join("bin/payload"));
            for name in ["home", "work"] {
                std::os::unix::fs::chown(dir.path().join(name), Some(uid), Some(uid)).expect("chown");
            }
        }
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let mark = format!("mark-{}-{number}-", std::process::id());
        Self { dir, program, payload, uid, daemon: None, mark, former: Vec::new(), delegated: None }
    }

    /// Gives the other user a cgroup of its own, in which its daemon will start.
    #[track_caller]
    pub fn delegate_cgroup(&mut self) {
        let uid = self.uid.expect("the present user is no other user");
        let mounts = fs::read_to_string("/proc/self/mounts").expect("read the mounts");
        let mut fields = mounts.lines().map(|line| line.split(' ').collect::<Vec<_>>());
        let mount = fields.find(|fields| fields.get(2) == Some(&"cgroup2")).expect("no cgroup v2");
        let own = fs::read_to_string("/proc/self/cgroup").expect("read the own cgroup");
        let own = own.lines().find_map(|line| line.strip_prefix("0::/")).unwrap_or_default();
        let dir = Path::new(mount[1]).join(own).join(format!("{}delegated", self.mark));
        fs::create_dir(&dir).expect("make a cgroup");
        for path in [dir.clone(), dir.join("cgroup.procs"), dir.join("cgroup.subtree_control")] {
            std::os::unix::fs::chown(path, Some(uid), Some(uid)).expect("chown");
        }
        self.delegated = Some(dir);
    }

    /// Returns the directory in which clients of this test stand.
    #[must_use]
    pub fn work(&self) -> PathBuf {
        self.dir.path().join("work")
    }

    /// Returns the state directory; the daemon makes it.
    #[must_use]
    pub fn state_dir(&self) -> PathBuf {
        self.dir.path().join("home/state")
    }

    /// Returns the path of `state.json`.
    #[must_use]
    pub fn state_file(&self) -> PathBuf {
        self.state_dir().join("state.json")
    }

    /// Returns what is on disk: `state.json` with its journals.
    #[must_use]
    pub fn on_disk(&self) -> shipote_snapshot::Loaded {
        let read = |name: &str| fs::read(self.state_dir().join(name)).ok();
        let journals: Vec<Vec<u8>> =
            ["state.journal.old", "state.journal"].into_iter().filter_map(read).collect();
        let journals: Vec<&[u8]> = journals.iter().map(Vec::as_slice).collect();
        shipote_snapshot::load(read("state.json").as_deref(), &journals)
    }

    /// Returns the path of the daemon's socket.
    #[must_use]
    pub fn socket(&self) -> PathBuf {
        self.state_dir().join("shipote.sock")
    }

    /// Returns the path of the payload program.
    #[must_use]
    #[track_caller]
    pub fn payload(&self) -> &str {
        self.payload.to_str().expect("the payload's path is no text")
    }

    /// Returns a text that only processes of this test carry in their arguments.
    #[must_use]
    pub fn mark(&self) -> &str {
        &self.mark
    }

    /// Returns the processes of this test's workspaces that carry the mark.
    #[must_use]
    pub fn marked(&self) -> Vec<Process> {
        marked(&self.mark)
    }

    /// Writes a file into the working directory and returns its path.
    #[track_caller]
    pub fn file(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.work().join(name);
        fs::write(&path, content).expect("write a file");
        if let Some(uid) = self.uid {
            std::os::unix::fs::chown(&path, Some(uid), Some(uid)).expect("chown");
        }
        path
    }

    /// Puts a file into place as `state.json`, as if an earlier daemon had left it.
    #[track_caller]
    pub fn plant_state(&self, content: impl AsRef<[u8]>) {
        let dir = self.state_dir();
        fs::create_dir_all(&dir).expect("mkdir");
        fs::set_permissions(&dir, fs::Permissions::from_mode(0o700)).expect("chmod");
        fs::write(self.state_file(), content).expect("write state.json");
    }

    /// Returns a command that runs the program with `arguments`, in an environment that holds nothing of ours.
    pub fn command<A: AsRef<OsStr>>(&self, arguments: &[A]) -> Command {
        let mut command = match self.uid {
            None => Command::new(&self.program),
            Some(uid) => {
                let mut command = Command::new("setpriv");
                let id = uid.to_string();
                command.args(["--reuid", &id, "--regid", &id, "--clear-groups"]).arg(&self.program);
                command
            }
        };
        command
            .args(arguments)
            .env_clear()
            .env("PATH", PATH)
            .env("HOME", self.dir.path().join("home"))
            .env("USER", "tester")
            .env("LANG", "C.UTF-8")
            .env("TERM", "dumb")
            .env("COLUMNS", "110")
            .env("SHIPOTE_STATE_DIR", self.state_dir())
            .current_dir(self.work())
            .stdin(Stdio::null());
        command
    }

    /// Runs the program to its end.
    #[track_caller]
    pub fn run<A: AsRef<OsStr>>(&self, arguments: &[A]) -> Output {
        finish(self.command(arguments), None)
    }

    /// Runs the program to its end, with `input` on its stdin.
    #[track_caller]
    pub fn run_with_input<A: AsRef<OsStr>>(&self, arguments: &[A], input: &[u8]) -> Output {
        finish(self.command(arguments), Some(input.to_vec()))
    }

    /// Runs the program with `--output json` and returns its document; it must exit with 0.
    #[track_caller]
    pub fn json(&self, arguments: &[&str]) -> Value {
        self.run(&[&["--output", "json"], arguments].concat()).ok().json()
    }

    /// Starts the program and leaves it running.
    #[track_caller]
    pub fn attach<A: AsRef<OsStr>>(&self, arguments: &[A]) -> Attached {
        Attached::start(self.command(arguments))
    }

    /// Applies a card and leaves it to the daemon.
    #[track_caller]
    pub fn up(&self, card: &str) -> Output {
        let path = self.file("card.toml", card);
        self.run(&[OsStr::new("up"), OsStr::new("--detach"), path.as_os_str()])
    }

    /// Starts the daemon as a service and waits until it answers.
    #[track_caller]
    pub fn daemon_start(&mut self) {
        self.daemon_start_with(&[]);
    }

    /// Starts the daemon with these arguments and waits until it answers.
    #[track_caller]
    pub fn daemon_start_with(&mut self, arguments: &[&str]) {
        self.daemon_start_into(&self.dir.path().join("daemon.log"), arguments);
    }

    /// Starts the daemon with a file for what it says and waits until it answers.
    #[track_caller]
    pub fn daemon_start_into(&mut self, log: &Path, arguments: &[&str]) {
        let log = fs::File::options().create(true).append(true).open(log).expect("open the daemon's log");
        let mut command = self.daemon_command(arguments);
        command.stdout(log.try_clone().expect("dup")).stderr(log);
        let mut child = command.spawn().expect("start the daemon");
        let answers = within(PATIENCE, || {
            let ended = child.try_wait().expect("wait for the daemon");
            match ended {
                Some(status) => Some(Err(status)),
                None => (self.run(&["daemon", "status"]).code == 0).then_some(Ok(())),
            }
        });
        self.daemon = Some(child);
        match answers {
            Some(Ok(())) => {}
            Some(Err(status)) => panic!("the daemon ended with {status}; it said:\n{}", self.daemon_said()),
            None => panic!("the daemon does not answer; it said:\n{}", self.daemon_said()),
        }
    }

    fn daemon_command(&self, arguments: &[&str]) -> Command {
        let plain = self.command(&[&["daemon"], arguments].concat());
        let Some(cgroup) = &self.delegated else { return plain };
        let mut command = Command::new("sh");
        // It enters the cgroup as root, before it becomes the other user.
        command.args(["-c", "echo $$ > \"$0/cgroup.procs\" && exec \"$@\""]).arg(cgroup);
        command.arg(plain.get_program()).args(plain.get_args());
        command.env_clear().envs(plain.get_envs().filter_map(|(name, value)| Some((name, value?))));
        command.current_dir(self.work()).stdin(Stdio::null());
        command
    }

    /// Returns the daemon's pid, be it a service or one in the background.
    #[must_use]
    pub fn daemon_pid(&self) -> Option<i32> {
        let own = self.daemon.as_ref().and_then(|child| i32::try_from(child.id()).ok());
        own.or_else(|| {
            let pid = fs::read_to_string(self.state_dir().join("state.lock")).ok()?.trim().parse().ok()?;
            let process = Process::of(pid)?;
            let dir = self.state_dir();
            process.argv().iter().any(|word| Path::new(word) == dir).then_some(pid)
        })
    }

    /// Kills the daemon with SIGKILL and waits for its end. What ran under it is expected to be gone in the end.
    #[track_caller]
    pub fn daemon_kill9(&mut self) {
        self.remember_processes();
        let mut child = self.daemon.take().expect("no daemon was started");
        child.kill().expect("kill the daemon");
        child.wait().expect("wait for the daemon");
    }

    /// Ends the daemon with SIGTERM and returns its status.
    #[track_caller]
    pub fn daemon_term(&mut self) -> ExitStatus {
        self.remember_processes();
        let mut child = self.daemon.take().expect("no daemon was started");
        signal(&child, Signal::SIGTERM);
        until("the daemon's end after SIGTERM", || child.try_wait().expect("wait for the daemon"))
    }

    /// Sends SIGTERM to the daemon, and does not wait.
    #[track_caller]
    pub fn daemon_ask_to_end(&mut self) {
        self.remember_processes();
        signal(self.daemon.as_ref().expect("no daemon was started"), Signal::SIGTERM);
    }

    fn remember_processes(&mut self) {
        if let Some(pid) = self.daemon_pid() {
            self.former.extend(descendants(pid));
        }
        self.former.extend(self.marked());
    }

    /// Returns what the daemons of this test wrote to their logs.
    #[must_use]
    pub fn daemon_said(&self) -> String {
        let mut said = fs::read_to_string(self.dir.path().join("daemon.log")).unwrap_or_default();
        said += &fs::read_to_string(self.state_dir().join("daemon.log")).unwrap_or_default();
        said
    }

    /// Returns the processes of former lives of the daemon, and those with the mark, that are alive.
    #[must_use]
    pub fn orphans(&self) -> Vec<Process> {
        let mut left: Vec<Process> =
            self.former.iter().copied().filter(|process| process.is_alive()).collect();
        left.extend(self.marked());
        left.sort_unstable();
        left.dedup();
        left
    }

    /// Checks that within the promised second nothing is left of what ran.
    #[track_caller]
    pub fn assert_no_orphans(&self) {
        let gone = within(ORPHAN_LIMIT, || self.orphans().is_empty().then_some(()));
        assert!(gone.is_some(), "left after {ORPHAN_LIMIT:?}: {}", listed(&self.orphans()));
    }

    /// Returns the cgroups that the daemon has made for its workspaces, wherever the v2 tree is mounted.
    #[must_use]
    pub fn cgroups(&self) -> Vec<PathBuf> {
        let entries =
            self.cgroup_bases().into_iter().filter_map(|dir| fs::read_dir(dir).ok()).flatten().flatten();
        entries.map(|entry| entry.path()).filter(|path| path.is_dir()).collect()
    }

    /// Returns where the daemon's own cgroup would be: it is named after the state directory.
    fn cgroup_bases(&self) -> Vec<PathBuf> {
        let state_dir = self.state_dir();
        let own = self.delegated.iter().filter_map(|root| Some(root.join(cgroup::name(&state_dir)?)));
        cgroup::bases(&state_dir).into_iter().chain(own).collect()
    }

    /// Returns the pid of a running command or node, by its label path below the workspace.
    #[must_use]
    #[track_caller]
    pub fn pid_of(&self, label: &str) -> Option<i32> {
        let rows = self.json(&["ps", "-a"]);
        let row = rows.as_array()?.iter().find(|row| row["label"] == label)?.clone();
        row["pid"].as_i64().and_then(|pid| i32::try_from(pid).ok())
    }

    /// Waits until a command or node runs, and returns its process.
    #[track_caller]
    pub fn running(&self, label: &str) -> Process {
        until(&format!("{label} to run"), || self.pid_of(label).and_then(Process::of))
    }
}

/// Removes a cgroup and those below it, where they are empty.
fn listed(processes: &[Process]) -> String {
    let line = |process: &Process| format!("\n  {} {}", process.pid, process.argv().join(" "));
    processes.iter().map(line).collect()
}

impl Drop for Shipote {
    fn drop(&mut self) {
        let panicking = std::thread::panicking();
        if panicking {
            // Shown only because the test fails.
            let _ = writeln!(std::io::stderr(), "the daemon said:\n{}", self.daemon_said());
        }
        let daemon = self.daemon_pid().and_then(Process::of);
        if let Some(daemon) = daemon {
            self.remember_processes();
            daemon.signal(Signal::SIGTERM);
            let gone = |child: &mut Option<Child>| {
                // A child that is not waited for stays as a zombie, which counts as gone.
                let _ = child.as_mut().map(Child::try_wait);
                (!daemon.is_alive()).then_some(())
            };
            let mut ended = within(Duration::from_secs(1), || gone(&mut self.daemon));
            if ended.is_none() {
                daemon.signal(Signal::SIGTERM);
                ended = within(PATIENCE, || gone(&mut self.daemon));
            }
            if ended.is_none() {
                daemon.signal(Signal::SIGKILL);
            }
            assert!(panicking || ended.is_some(), "the daemon did not end on two SIGTERMs");
        }
        let left = within(ORPHAN_LIMIT, || self.orphans().is_empty().then_some(()));
        let orphans = self.orphans();
        for orphan in &orphans {
            orphan.signal(Signal::SIGKILL);
        }
        // A killed daemon leaves empty cgroups, which its successor would remove; here there is none.
        self.cgroup_bases().iter().chain(&self.delegated).for_each(|dir| cgroup::remove(dir));
        assert!(panicking || left.is_some(), "left after the daemon: {}", listed(&orphans));
    }
}

/// A client that runs while the test goes on.
#[derive(Debug)]
pub struct Attached {
    child: Child,
    line: String,
    stdin: Option<std::process::ChildStdin>,
    stdout: Option<Stream>,
    stderr: Option<Stream>,
}

/// A stream that is read as it comes.
#[derive(Debug)]
struct Stream {
    bytes: Arc<Mutex<Vec<u8>>>,
    reader: JoinHandle<()>,
}

impl Stream {
    fn read(mut source: impl Read + Send + 'static) -> Self {
        let bytes = Arc::new(Mutex::new(Vec::new()));
        let sink = Arc::clone(&bytes);
        let reader = std::thread::spawn(move || {
            let mut piece = vec![0; 64 * 1024];
            // What was read before an error is still worth showing.
            while let Ok(count @ 1..) = source.read(&mut piece) {
                sink.lock().expect("the reader panicked").extend_from_slice(&piece[..count]);
            }
        });
        Self { bytes, reader }
    }

    fn so_far(&self) -> Vec<u8> {
        self.bytes.lock().expect("the reader panicked").clone()
    }

    fn whole(self) -> Vec<u8> {
        // It ends with the last writer; a panic in it would have been for want of memory.
        let _ = self.reader.join();
        std::mem::take(&mut self.bytes.lock().expect("the reader panicked"))
    }
}

impl Attached {
    #[track_caller]
    fn start(mut command: Command) -> Self {
        let line = line_of(&command);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{line}: {error}"));
        let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        Self { child, line, stdin, stdout: stdout.map(Stream::read), stderr: stderr.map(Stream::read) }
    }

    /// Writes to its stdin.
    #[track_caller]
    pub fn write(&mut self, bytes: &[u8]) {
        self.stdin.as_mut().expect("stdin is closed").write_all(bytes).expect("write to stdin");
    }

    /// Closes its stdin.
    pub fn close_stdin(&mut self) {
        self.stdin = None;
    }

    /// Returns what it has written to stdout so far.
    #[must_use]
    pub fn stdout(&self) -> String {
        let bytes = self.stdout.as_ref().map(Stream::so_far).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Sends it a signal.
    pub fn signal(&self, number: Signal) {
        signal(&self.child, number);
    }

    /// Tells whether it still runs.
    #[track_caller]
    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().expect("wait").is_none()
    }

    /// Waits for its end.
    #[track_caller]
    pub fn end(mut self) -> Output {
        self.stdin = None;
        let status = within(PATIENCE, || self.child.try_wait().expect("wait"));
        let in_time = status.is_some();
        if !in_time {
            // Its output shows how far it came.
            let _ = self.child.kill();
        }
        let status = status.unwrap_or_else(|| self.child.wait().expect("wait"));
        let read = |stream: Option<Stream>| stream.map(Stream::whole).unwrap_or_default();
        let output = Output {
            code: code(status),
            stdout: read(self.stdout.take()),
            stderr: String::from_utf8_lossy(&read(self.stderr.take())).into_owned(),
            line: std::mem::take(&mut self.line),
        };
        assert!(in_time, "did not end within {PATIENCE:?}\n{output}");
        output
    }
}

impl Drop for Attached {
    fn drop(&mut self) {
        // Ended already where the test came to its end.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[track_caller]
fn finish(command: Command, input: Option<Vec<u8>>) -> Output {
    let mut attached = Attached::start(command);
    let stdin = attached.stdin.take();
    let writer = std::thread::spawn(move || {
        if let (Some(mut stdin), Some(input)) = (stdin, input) {
            // A program may end without reading all of it.
            let _ = stdin.write_all(&input);
        }
    });
    let output = attached.end();
    // It ends with the pipe at the latest.
    let _ = writer.join();
    output
}

fn code(status: ExitStatus) -> i32 {
    status.code().or_else(|| status.signal().map(|signal| 128 + signal)).unwrap_or(-1)
}

fn line_of(command: &Command) -> String {
    let words = command.get_args().map(|word| word.to_string_lossy().into_owned());
    let program = command.get_program().to_string_lossy().into_owned();
    std::iter::once(program).chain(words).collect::<Vec<_>>().join(" ")
}

fn signal(child: &Child, signal: Signal) {
    if let Some(process) = i32::try_from(child.id()).ok().and_then(Process::of) {
        process.signal(signal);
    }
}

/// Puts a program where everybody may execute it.
#[track_caller]
fn place(program: &Path, to: &Path) -> PathBuf {
    if fs::hard_link(program, to).is_err() {
        fs::copy(program, to).unwrap_or_else(|error| panic!("copy {}: {error}", program.display()));
    }
    to.to_path_buf()
}
