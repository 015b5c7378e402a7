//! Starting a group: clone, set up, wait at the gate, execute. It starts whole or not at all.
//!
//! Each child reports on its own close-on-exec pipe: a byte when it stands at the gate, a record when a step
//! failed, the end of the pipe when execve(2) has succeeded.

use std::collections::BTreeMap;
use std::ffi::CString;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::fs::MetadataExt;
use std::time::{Duration, Instant};

use nix::fcntl::OFlag;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::unistd::{Gid, Uid, pipe2};

use super::protocol::{GATE_RECORD, ProcessSpec, SpawnGroup, StepFailure, Wire};
use super::serve::Workspace;
use crate::host::sys::{self, Cloned};

/// A process that was started.
#[derive(Debug)]
pub(super) struct Started {
    pub(super) pid: libc::pid_t,
    pub(super) pidfd: OwnedFd,
    /// Most memory that it had before it executed its program, in bytes: what wait4(2) reports is never less.
    pub(super) floor_bytes: u64,
}

/// Why a group did not start: which process, and its step.
#[derive(Debug)]
pub(super) struct NotStarted {
    pub(super) process: usize,
    pub(super) failure: StepFailure,
}

const AT_GATE: u8 = b'G';

/// A child on its way to the gate.
struct Candidate {
    started: Started,
    report: File,
}

/// Starts the processes of `group` in `leaf`; `fds` are what [`Wire::Fd`] counts.
///
/// Either all of them have executed their program, or none is left.
pub(super) fn start(
    group: &SpawnGroup,
    leaf: Option<BorrowedFd<'_>>,
    fds: &[OwnedFd],
    workspace: &Workspace,
    control: BorrowedFd<'_>,
) -> Result<Vec<Started>, NotStarted> {
    let watch = Watch { control, workspace, deadline: Instant::now() + LAUNCH_WITHIN };
    let group_error =
        |step: &str, error: io::Error| NotStarted { process: 0, failure: StepFailure::new(step, "", &error) };
    let mut pipes = Vec::new();
    for _ in 0..group.pipes {
        pipes.push(pipe2(OFlag::O_CLOEXEC).map_err(|errno| group_error("pipe", errno.into()))?);
    }
    let (gate, gate_opener) = pipe2(OFlag::O_CLOEXEC).map_err(|errno| group_error("gate", errno.into()))?;

    let mut candidates: Vec<Candidate> = Vec::new();
    for (process, spec) in group.processes.iter().enumerate() {
        let cloned = pipe2(OFlag::O_CLOEXEC).map_err(io::Error::from).and_then(|(report, to_report)| {
            // SAFETY: ws-init is single-threaded.
            match unsafe { sys::clone3(0, leaf) }? {
                Cloned::Parent { pid, pidfd } => {
                    let started = Started { pid, pidfd, floor_bytes: 0 };
                    Ok(Candidate { started, report: File::from(report) })
                }
                Cloned::Child => {
                    let wires = Wires { pipes: &pipes, fds };
                    run_child(spec, &wires, &to_report, &gate, workspace);
                }
            }
        });
        match cloned {
            Ok(candidate) => candidates.push(candidate),
            Err(error) => {
                abandon(&candidates);
                return Err(NotStarted {
                    process,
                    failure: StepFailure::new("clone", &spec.argv[0], &error),
                });
            }
        }
    }
    // From here on only the children hold the ends of the pipes between them.
    drop(pipes);
    drop(gate);

    if let Err(not_started) = await_gate(&mut candidates, &watch) {
        abandon(&candidates);
        return Err(not_started);
    }
    let open = File::from(gate_opener).write_all(&vec![AT_GATE; candidates.len()]);
    if let Err(error) = open {
        abandon(&candidates);
        return Err(group_error("gate", error));
    }
    for (process, candidate) in candidates.iter_mut().enumerate() {
        let mut record = Vec::new();
        let read = watch.read_to_end(&mut candidate.report, &mut record);
        if read.is_err() || !record.is_empty() {
            let failure = decode(&record, "exec");
            abandon(&candidates);
            return Err(NotStarted { process, failure });
        }
    }
    Ok(candidates.into_iter().map(|candidate| candidate.started).collect())
}

/// Longest launch of a group. A child can be held up by a directory on a dead network, or by a sibling that stops
/// it.
pub(super) const LAUNCH_WITHIN: Duration = Duration::from_secs(30);

/// What a launch waits by: never longer than its limit, and never longer than the daemon lives.
struct Watch<'a> {
    control: BorrowedFd<'a>,
    workspace: &'a Workspace,
    deadline: Instant,
}

impl Watch<'_> {
    fn read(&self, report: &mut File, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let left = self.deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(io::ErrorKind::TimedOut.into());
            }
            let mut fds = [
                PollFd::new(report.as_fd(), PollFlags::POLLIN),
                PollFd::new(self.control, PollFlags::empty()),
            ];
            let limit = PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX);
            match poll(&mut fds, limit) {
                Ok(_) | Err(nix::Error::EINTR) => {}
                Err(errno) => return Err(errno.into()),
            }
            if fds[1].revents().is_some_and(|events| events.contains(PollFlags::POLLHUP)) {
                self.workspace.end();
            }
            if fds[0].revents().is_some_and(|events| !events.is_empty()) {
                return report.read(buffer);
            }
        }
    }

    fn read_to_end(&self, report: &mut File, record: &mut Vec<u8>) -> io::Result<()> {
        let mut buffer = [0; 1024];
        loop {
            match self.read(report, &mut buffer)? {
                0 => return Ok(()),
                count => record.extend_from_slice(&buffer[..count]),
            }
        }
    }
}

/// Waits until each child stands at the gate; the first that failed is returned.
fn await_gate(candidates: &mut [Candidate], watch: &Watch<'_>) -> Result<(), NotStarted> {
    for (process, candidate) in candidates.iter_mut().enumerate() {
        let mut first = [0; GATE_RECORD];
        // A pipe hands over a write of this size whole (PIPE_BUF, pipe(7)).
        let count = watch.read(&mut candidate.report, &mut first).unwrap_or(0);
        if count == GATE_RECORD && first[0] == AT_GATE {
            let mut floor = [0; 8];
            floor.copy_from_slice(&first[1..]);
            candidate.started.floor_bytes = u64::from_le_bytes(floor);
            continue;
        }
        let mut record = first[..count].to_vec();
        // An unreadable rest leaves a record that does not decode, which is reported as such.
        let _ = watch.read_to_end(&mut candidate.report, &mut record);
        return Err(NotStarted { process, failure: decode(&record, "set_up") });
    }
    Ok(())
}

fn decode(record: &[u8], step: &str) -> StepFailure {
    let lost = || StepFailure { step: step.to_owned(), errno: libc::ECHILD, object: String::new() };
    serde_json::from_slice(record).unwrap_or_else(|_| lost())
}

/// Ends children that never got to execute anything; the reaper of ws-init collects them.
fn abandon(candidates: &[Candidate]) {
    for candidate in candidates {
        // Already gone is as good.
        let _ = sys::pidfd_send_signal(candidate.started.pidfd.as_fd(), libc::SIGKILL);
    }
}

/// The descriptors that the wires of a group refer to.
struct Wires<'a> {
    pipes: &'a [(OwnedFd, OwnedFd)],
    fds: &'a [OwnedFd],
}

impl Wires<'_> {
    /// Returns the descriptor for the standard stream `stream` (0, 1, 2); none means /dev/null.
    fn resolve(&self, wire: Wire, stream: RawFd) -> Result<Option<RawFd>, ()> {
        match wire {
            Wire::Null => Ok(None),
            Wire::Fd(index) => self.fds.get(usize::from(index)).map(|fd| Some(fd.as_raw_fd())).ok_or(()),
            Wire::Pipe(index) => {
                let (read_end, write_end) = self.pipes.get(usize::from(index)).ok_or(())?;
                Ok(Some(if stream == 0 { read_end.as_raw_fd() } else { write_end.as_raw_fd() }))
            }
        }
    }
}

const REPORT_FD: RawFd = 3;
const GATE_FD: RawFd = 4;

/// Becomes the program of `spec`, or reports the step that failed and exits.
fn run_child(
    spec: &ProcessSpec,
    wires: &Wires<'_>,
    report: &OwnedFd,
    gate: &OwnedFd,
    workspace: &Workspace,
) -> ! {
    let _ = nix::unistd::setsid();
    sys::reset_signals();
    let (channel, failure) = match arrange_descriptors(spec, wires, report, gate) {
        Err(error) => (report.as_raw_fd(), StepFailure::new("descriptors", "", &error)),
        Ok(()) => match set_up_and_execute(spec, workspace) {
            Ok(never) => match never {},
            Err(failure) => (REPORT_FD, failure),
        },
    };
    let record = serde_json::to_vec(&failure).unwrap_or_default();
    // SAFETY: the number is the report pipe's in either case, and this process exits right after.
    let mut channel = unsafe { File::from_raw_fd(channel) };
    // A parent that no longer reads has given up on this child.
    let _ = channel.write_all(&record);
    sys::exit_now(127);
}

fn set_up_and_execute(
    spec: &ProcessSpec,
    workspace: &Workspace,
) -> Result<std::convert::Infallible, StepFailure> {
    let program = spec.argv.first().map_or("", String::as_str);
    let failed = |step: &'static str, object: &str| {
        let object = object.to_owned();
        move |error: io::Error| StepFailure::new(step, &object, &error)
    };
    sys::set_descriptor_limit(workspace.descriptors).map_err(failed("descriptor_limit", ""))?;
    take_identity(spec, workspace)?;
    std::env::set_current_dir(&spec.cwd).map_err(failed("cwd", &spec.cwd))?;
    let argv = c_strings(&spec.argv).map_err(failed("argv", program))?;
    let environment = environment_block(&spec.env).map_err(failed("environment", program))?;
    let path = resolve_program(program, spec.env.get("PATH")).map_err(failed("exec", program))?;

    stand_at_gate().map_err(failed("gate", ""))?;
    let error = execute(&path, &argv, &environment);
    Err(StepFailure::new("exec", program, &error))
}

/// Puts stdin, stdout, stderr, the report pipe and the gate at 0 to 4, and closes everything else.
fn arrange_descriptors(
    spec: &ProcessSpec,
    wires: &Wires<'_>,
    report: &OwnedFd,
    gate: &OwnedFd,
) -> io::Result<()> {
    // Far from the numbers that are about to be overwritten.
    const ASIDE: RawFd = 64;
    let null = File::options().read(true).write(true).open("/dev/null")?;
    let mut aside = Vec::new();
    for (stream, wire) in (0..).zip(spec.stdio) {
        let source = wires.resolve(wire, stream).map_err(|()| io::Error::from_raw_os_error(libc::EBADF))?;
        aside.push(sys::dup_above(source.unwrap_or(null.as_raw_fd()), ASIDE)?);
    }
    aside.push(sys::dup_above(report.as_raw_fd(), ASIDE)?);
    aside.push(sys::dup_above(gate.as_raw_fd(), ASIDE)?);
    for (number, source) in (0..).zip(&aside) {
        sys::dup_to(source.as_raw_fd(), number, number > 2)?;
    }
    // Descriptors that are closed behind their owners' backs: this process never drops them, it executes or exits.
    std::mem::forget((aside, null));
    sys::close_range_from(GATE_FD + 1)
}

/// Takes on the ids of `spec` and gives up every capability.
fn take_identity(spec: &ProcessSpec, workspace: &Workspace) -> Result<(), StepFailure> {
    let failed = |step: &str, object: u32, errno: nix::Error| {
        StepFailure::new(step, &object.to_string(), &io::Error::from(errno))
    };
    if workspace.host_root {
        nix::unistd::setgroups(&[]).map_err(|errno| failed("setgroups", 0, errno))?;
    }
    if let Some(gid) = spec.gid {
        let id = Gid::from_raw(gid);
        nix::unistd::setresgid(id, id, id).map_err(|errno| failed("setgid", gid, errno))?;
    }
    if let Some(uid) = spec.uid {
        let id = Uid::from_raw(uid);
        nix::unistd::setresuid(id, id, id).map_err(|errno| failed("setuid", uid, errno))?;
    }
    sys::drop_capabilities().map_err(|error| StepFailure::new("capabilities", "", &error))?;
    sys::prctl(libc::PR_SET_NO_NEW_PRIVS, 1).map_err(|error| StepFailure::new("no_new_privs", "", &error))
}

fn stand_at_gate() -> io::Result<()> {
    // SAFETY: both numbers were just given their descriptors, and this process uses them nowhere else.
    let (mut report, mut gate) = unsafe { (File::from_raw_fd(REPORT_FD), File::from_raw_fd(GATE_FD)) };
    let mut record = [AT_GATE; GATE_RECORD];
    record[1..].copy_from_slice(&sys::own_max_rss_bytes().to_le_bytes());
    report.write_all(&record)?;
    let mut go = [0];
    let opened = gate.read(&mut go)?;
    // Still needed for the report of a failed execve; both are close-on-exec.
    std::mem::forget((report, gate));
    if opened == 0 {
        sys::exit_now(127);
    }
    Ok(())
}

fn c_strings(texts: &[String]) -> io::Result<Vec<CString>> {
    texts.iter().map(|text| CString::new(text.as_str()).map_err(io::Error::from)).collect()
}

fn environment_block(variables: &BTreeMap<String, String>) -> io::Result<Vec<CString>> {
    variables
        .iter()
        .map(|(name, value)| CString::new(format!("{name}={value}")).map_err(io::Error::from))
        .collect()
}

/// Finds the program as execvp(3) does: a name with a slash is a path, any other is looked for in `PATH`, where
/// directories that can't be entered are skipped.
fn resolve_program(program: &str, path: Option<&String>) -> io::Result<CString> {
    if program.contains('/') {
        executable(program)?;
        return Ok(CString::new(program)?);
    }
    let mut denied = None;
    let path = path.map_or("/usr/local/bin:/usr/bin:/bin", String::as_str);
    for directory in path.split(':') {
        let candidate =
            if directory.is_empty() { program.to_owned() } else { format!("{directory}/{program}") };
        match executable(&candidate) {
            Ok(()) => return Ok(CString::new(candidate)?),
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => denied = Some(error),
            Err(_) => {}
        }
    }
    Err(denied.unwrap_or_else(|| io::Error::from_raw_os_error(libc::ENOENT)))
}

fn executable(path: &str) -> io::Result<()> {
    let metadata = std::fs::metadata(path)?;
    if metadata.is_dir() {
        return Err(io::Error::from_raw_os_error(libc::EISDIR));
    }
    let flags = nix::fcntl::AtFlags::AT_EACCESS;
    nix::unistd::faccessat(nix::fcntl::AT_FDCWD, path, nix::unistd::AccessFlags::X_OK, flags)?;
    // A regular file without any x bit passes the check for uid 0 with capabilities, but does not execute.
    if metadata.mode() & 0o111 == 0 {
        return Err(io::Error::from_raw_os_error(libc::EACCES));
    }
    Ok(())
}

/// Executes `path`; a file that is no program is given to /bin/sh, as execvp(3) does. Returns only on failure.
fn execute(path: &CString, argv: &[CString], environment: &[CString]) -> io::Error {
    let Err(errno) = nix::unistd::execve(path, argv, environment);
    if errno == nix::Error::ENOEXEC {
        let shell = c"/bin/sh".to_owned();
        let mut script = vec![c"sh".to_owned(), path.clone()];
        script.extend_from_slice(argv.get(1..).unwrap_or_default());
        let Err(_) = nix::unistd::execve(&shell, &script, environment);
    }
    errno.into()
}
