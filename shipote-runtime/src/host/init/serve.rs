//! The life of ws-init: take requests, start groups, collect what ended, and end with the daemon.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};

use super::group::{self, Started};
use super::mounts;
use super::protocol::{FromInit, SpawnGroup, StepFailure, ToInit, receive, send};
use crate::host::sys::{self, Cloned, Reaped};

/// What ws-init knows of its own workspace.
#[derive(Debug)]
pub(super) struct Workspace {
    /// Whether a nested pid namespace gets a /proc of its own.
    pub(super) proc_of_its_own: bool,
    /// Whether ids are the host's own and the caller is root.
    pub(super) host_root: bool,
    /// Soft limit of open descriptors for programs.
    pub(super) descriptors: u64,
    /// The kill switch of every command, where there is a cgroup.
    pub(super) kill: Option<OwnedFd>,
}

impl Workspace {
    /// Ends everything in the workspace, and this process.
    pub(super) fn end(&self) -> ! {
        // Without a pid namespace the kernel does not end the others with us.
        if let Some(kill) = &self.kill {
            // An emptied or removed cgroup is what is wanted.
            let _ = nix::unistd::write(kill, b"1");
        }
        sys::exit_now(0)
    }
}

/// Serves until the control socket ends, then ends everything and this process.
pub(super) fn serve(socket: OwnedFd, workspace: &Workspace) -> ! {
    // A failure ends it as the end of the socket does; the daemon sees either as the end of ws-init.
    let _ = Server::new(socket, workspace).and_then(Server::run);
    workspace.end()
}

/// A process that ws-init waits for.
struct Member {
    group: u64,
    process: usize,
    floor_bytes: u64,
}

impl Member {
    /// Tells the end of the process.
    fn exited(&self, reaped: &Reaped) -> FromInit {
        FromInit::Exited {
            group: self.group,
            process: self.process,
            status: reaped.status,
            cpu_usec: reaped.cpu_usec,
            // At the floor it says nothing of the program: the launch itself took as much.
            max_rss_bytes: (reaped.max_rss_bytes > self.floor_bytes).then_some(reaped.max_rss_bytes),
        }
    }
}

struct Server<'a> {
    socket: OwnedFd,
    workspace: &'a Workspace,
    child_signal: SignalFd,
    members: HashMap<libc::pid_t, Member>,
    /// What could not be sent yet: ws-init never blocks on a daemon that is slow.
    outgoing: VecDeque<(FromInit, Vec<OwnedFd>)>,
}

impl<'a> Server<'a> {
    fn new(socket: OwnedFd, workspace: &'a Workspace) -> io::Result<Self> {
        let mut set = SigSet::empty();
        set.add(Signal::SIGCHLD);
        set.thread_block()?;
        let child_signal = SignalFd::with_flags(&set, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)?;
        set_nonblocking(socket.as_fd())?;
        let (members, outgoing) = (HashMap::new(), VecDeque::new());
        Ok(Self { socket, workspace, child_signal, members, outgoing })
    }

    fn run(mut self) -> io::Result<()> {
        loop {
            let mut interest = PollFlags::POLLIN;
            if !self.outgoing.is_empty() {
                interest |= PollFlags::POLLOUT;
            }
            let mut fds = [
                PollFd::new(self.socket.as_fd(), interest),
                PollFd::new(self.child_signal.as_fd(), PollFlags::POLLIN),
            ];
            match poll(&mut fds, PollTimeout::NONE) {
                Ok(_) | Err(nix::Error::EINTR) => {}
                Err(errno) => return Err(errno.into()),
            }
            self.collect()?;
            self.flush()?;
            loop {
                match receive::<ToInit>(self.socket.as_fd()) {
                    Ok(Some((message, fds))) => self.handle(message, fds)?,
                    Ok(None) => return Ok(()),
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                    Err(error) => return Err(error),
                }
            }
        }
    }

    /// Collects every child that has ended, adopted ones too.
    fn collect(&mut self) -> io::Result<()> {
        while let Ok(Some(_)) = self.child_signal.read_signal() {}
        while let Some(reaped) = sys::reap_any() {
            if let Some(member) = self.members.remove(&reaped.pid) {
                self.outgoing.push_back((member.exited(&reaped), Vec::new()));
            }
        }
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        while let Some((message, fds)) = self.outgoing.front() {
            let raw: Vec<RawFd> = fds.iter().map(AsRawFd::as_raw_fd).collect();
            match send(self.socket.as_fd(), message, &raw) {
                Ok(()) => drop(self.outgoing.pop_front()),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn handle(&mut self, message: ToInit, fds: Vec<OwnedFd>) -> io::Result<()> {
        if let ToInit::Spawn(request) = message {
            self.spawn(request, fds);
        }
        self.flush()
    }

    fn spawn(&mut self, request: SpawnGroup, mut fds: Vec<OwnedFd>) {
        let group = request.group;
        let leaf = (request.leaf && !fds.is_empty()).then(|| fds.remove(0));
        let answer = if request.nested {
            self.start_nested(&request, &fds)
        } else {
            let leaf = leaf.as_ref().map(AsFd::as_fd);
            let started = group::start(&request, leaf, &fds, self.workspace, self.socket.as_fd());
            started.map(|started| self.register(group, started)).map_err(|not_started| {
                FromInit::SpawnFailed { group, process: not_started.process, failure: not_started.failure }
            })
        };
        match answer {
            Ok(pidfds) => {
                self.outgoing.push_back((FromInit::Spawned { group, nested: request.nested }, pidfds));
            }
            Err(message) => self.outgoing.push_back((message, Vec::new())),
        }
    }

    /// Waits until `answer` can be read, for as long as a launch may take; the end of the daemon ends the wait, and
    /// everything else.
    fn answers(&self, answer: BorrowedFd<'_>) -> bool {
        let deadline = Instant::now() + group::LAUNCH_WITHIN * 2;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let mut fds = [
                PollFd::new(answer, PollFlags::POLLIN),
                PollFd::new(self.socket.as_fd(), PollFlags::empty()),
            ];
            let polled = poll(&mut fds, PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX));
            if fds[1].revents().is_some_and(|events| events.contains(PollFlags::POLLHUP)) {
                self.workspace.end();
            }
            if fds[0].revents().is_some_and(|events| !events.is_empty()) {
                return true;
            }
            if left.is_zero() || polled.is_err_and(|errno| errno != nix::Error::EINTR) {
                return false;
            }
        }
    }

    fn register(&mut self, group: u64, started: Vec<Started>) -> Vec<OwnedFd> {
        let mut pidfds = Vec::with_capacity(started.len());
        for (process, Started { pid, pidfd, floor_bytes }) in started.into_iter().enumerate() {
            self.members.insert(pid, Member { group, process, floor_bytes });
            pidfds.push(pidfd);
        }
        pidfds
    }

    /// Starts a group below an init of its own, whose end the kernel makes the end of all of them.
    fn start_nested(&mut self, request: &SpawnGroup, fds: &[OwnedFd]) -> Result<Vec<OwnedFd>, FromInit> {
        let group = request.group;
        let failed = |step: &str, error: &io::Error| FromInit::SpawnFailed {
            group,
            process: 0,
            failure: StepFailure::new(step, "", error),
        };
        let (ours, theirs) = nix::sys::socket::socketpair(
            nix::sys::socket::AddressFamily::Unix,
            nix::sys::socket::SockType::SeqPacket,
            None,
            nix::sys::socket::SockFlag::SOCK_CLOEXEC,
        )
        .map_err(|errno| failed("nested_socket", &errno.into()))?;
        let mut flags = libc::CLONE_NEWPID as u64;
        if self.workspace.proc_of_its_own {
            flags |= libc::CLONE_NEWNS as u64;
        }
        // SAFETY: ws-init is single-threaded.
        match unsafe { sys::clone3(flags, None) } {
            Ok(Cloned::Child) => {
                drop(ours);
                nested_init(request, fds, self, &theirs)
            }
            Ok(Cloned::Parent { pidfd, .. }) => {
                drop(theirs);
                if !self.answers(ours.as_fd()) {
                    // Its end is the end of all that it has started.
                    let _ = sys::pidfd_send_signal(pidfd.as_fd(), libc::SIGKILL);
                    return Err(failed("nested_init", &io::Error::from_raw_os_error(libc::ETIMEDOUT)));
                }
                match receive::<FromInit>(ours.as_fd()) {
                    Ok(Some((FromInit::Spawned { .. }, mut pidfds))) => {
                        pidfds.insert(0, pidfd);
                        Ok(pidfds)
                    }
                    Ok(Some((message, _))) => Err(message),
                    Ok(None) => Err(failed("nested_init", &io::Error::from_raw_os_error(libc::ECHILD))),
                    Err(error) => Err(failed("nested_init", &error)),
                }
            }
            Err(error) => Err(failed("clone_nested", &error)),
        }
    }
}

/// The init of a nested pid namespace: starts the group, reports its exits on the shared control socket, and
/// stays until it is killed or the daemon ends.
fn nested_init(request: &SpawnGroup, fds: &[OwnedFd], parent: &Server<'_>, answer: &OwnedFd) -> ! {
    let group = request.group;
    if parent.workspace.proc_of_its_own
        && let Err(error) = mounts::mount_proc()
    {
        let failure = StepFailure::new("mount_proc", "/proc", &error);
        let _ = send(answer.as_fd(), &FromInit::SpawnFailed { group, process: 0, failure }, &[]);
        sys::exit_now(1);
    }
    let started = match group::start(request, None, fds, parent.workspace, parent.socket.as_fd()) {
        Ok(started) => started,
        Err(not_started) => {
            let (process, failure) = (not_started.process, not_started.failure);
            let _ = send(answer.as_fd(), &FromInit::SpawnFailed { group, process, failure }, &[]);
            sys::exit_now(1);
        }
    };
    let raw: Vec<RawFd> = started.iter().map(|started| started.pidfd.as_raw_fd()).collect();
    if send(answer.as_fd(), &FromInit::Spawned { group, nested: true }, &raw).is_err() {
        sys::exit_now(1);
    }
    let members: HashMap<libc::pid_t, Member> = started
        .iter()
        .enumerate()
        .map(|(process, started)| (started.pid, Member { group, process, floor_bytes: started.floor_bytes }))
        .collect();
    drop(started);
    // Only the control socket and the child signal are still needed; holding a pipe's end would keep an edge open.
    close_all_but(&[parent.socket.as_fd(), parent.child_signal.as_fd()]);
    loop {
        let mut waiting = [
            PollFd::new(parent.child_signal.as_fd(), PollFlags::POLLIN),
            PollFd::new(parent.socket.as_fd(), PollFlags::empty()),
        ];
        // A signal that came before the wait would be missed without a limit.
        let limit = PollTimeout::try_from(Duration::from_secs(60)).unwrap_or(PollTimeout::MAX);
        let _ = poll(&mut waiting, limit);
        if waiting[1].revents().is_some_and(|events| events.contains(PollFlags::POLLHUP)) {
            sys::exit_now(0);
        }
        while let Ok(Some(_)) = parent.child_signal.read_signal() {}
        while let Some(reaped) = sys::reap_any() {
            if let Some(member) = members.get(&reaped.pid) {
                let message = member.exited(&reaped);
                if send_waiting(parent.socket.as_fd(), &message).is_err() {
                    sys::exit_now(1);
                }
            }
        }
    }
}

/// Sends on the shared non-blocking socket, waiting for room.
fn send_waiting(socket: BorrowedFd<'_>, message: &FromInit) -> io::Result<()> {
    loop {
        match send(socket, message, &[]) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                let mut waiting = [PollFd::new(socket, PollFlags::POLLOUT)];
                let _ = poll(&mut waiting, PollTimeout::from(1000_u16));
            }
            result => return result,
        }
    }
}

/// Closes every descriptor from 3 on, except `kept`.
fn close_all_but(kept: &[BorrowedFd<'_>]) {
    let Ok(entries) = std::fs::read_dir("/proc/self/fd") else { return };
    let numbers: Vec<RawFd> =
        entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect();
    for number in numbers {
        if number > 2 && kept.iter().all(|fd| fd.as_raw_fd() != number) {
            // SAFETY: takes no pointer; whatever owned the number in this process is never used again.
            unsafe { libc::close(number) };
        }
    }
}

fn set_nonblocking(fd: BorrowedFd<'_>) -> io::Result<()> {
    use nix::fcntl::{FcntlArg, OFlag, fcntl};
    let flags = OFlag::from_bits_truncate(fcntl(fd, FcntlArg::F_GETFL)?);
    fcntl(fd, FcntlArg::F_SETFL(flags | OFlag::O_NONBLOCK))?;
    Ok(())
}
