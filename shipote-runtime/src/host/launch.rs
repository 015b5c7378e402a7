//! The daemon's side of a workspace's birth: execute ws-init, talk to it, and know when it is gone.
//!
//! The daemon never forks and never uses `pre_exec`: it executes its own program as ws-init, and everything that
//! needs a fork happens in there.

use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use nix::sys::socket::{AddressFamily, SockFlag, SockType, socketpair};
use shipote_card::{Soma, WorkspaceId};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use super::cgroup::{CgroupBase, WorkspaceCgroup};
use super::init::protocol::{FromInit, NamespaceSet, Setup, StepFailure, ToInit, receive, send};
use super::{probe, sys};
use crate::decide::isolation::{HostAbilities, Plan, Refusal};
use crate::view::{Effective, LaunchFailure};

/// How workspaces are made.
#[derive(Debug, Clone)]
pub struct IncarnatorConfig {
    /// The program that is executed as ws-init; `/proc/self/exe` where nothing else is said. A test harness, whose
    /// own program is no Shipote, must set it.
    pub init_exe: PathBuf,
    /// The state directory: names the cgroup directory, and is covered in every workspace.
    pub state_dir: PathBuf,
    /// Further directories and files that no workspace may reach, such as the API socket.
    pub covered: Vec<PathBuf>,
}

impl IncarnatorConfig {
    /// Makes the configuration of a daemon with this state directory.
    #[must_use]
    pub fn new(state_dir: impl Into<PathBuf>) -> Self {
        Self { init_exe: PathBuf::from("/proc/self/exe"), state_dir: state_dir.into(), covered: Vec::new() }
    }
}

/// Longest start of a ws-init; a mount that hangs must not hold up everything else.
const READY_WITHIN: Duration = Duration::from_secs(30);

/// Why a workspace could not be made.
#[derive(Debug, thiserror::Error)]
pub enum IncarnateError {
    /// This host can't hold what the card asks for.
    #[error("{}: needs {}, but there is: {}", .0.layer, .0.needed, .0.found)]
    Refused(Refusal),
    /// A step of the start failed.
    #[error("step {} on `{}` failed: {}", .0.step, .0.object, nix::errno::Errno::from_raw(.0.errno))]
    Step(StepFailure),
    /// ws-init could not be executed or spoken to.
    #[error("ws-init: {0}")]
    Io(#[from] io::Error),
}

impl From<StepFailure> for LaunchFailure {
    fn from(failure: StepFailure) -> Self {
        Self { step: failure.step, errno: failure.errno, object: failure.object }
    }
}

/// Returns what the host can do, from what was probed and why there is no cgroup.
pub(super) fn abilities(found: probe::Found, cgroup_missing: Option<&String>) -> HostAbilities {
    HostAbilities {
        privileged: found.privileged,
        namespace_errors: found.namespaces.into_iter().filter(|(_, errno)| *errno != 0).collect(),
        cgroup_missing: cgroup_missing.cloned(),
    }
}

/// Longest time that ws-init takes to end when its daemon is gone.
const INIT_ENDS: Duration = Duration::from_secs(1);

/// Makes workspaces live: starts their ws-init, which starts payloads.
#[derive(Debug)]
pub struct Incarnator {
    config: IncarnatorConfig,
    abilities: HostAbilities,
    cgroups: Option<CgroupBase>,
    /// Soft limit of open descriptors that the daemon was started with.
    descriptors: u64,
}

impl Incarnator {
    /// Finds out what this host can do, and ends what an earlier daemon of the same state left behind.
    ///
    /// The caller must hold the lock of the state directory. Blocks for some milliseconds.
    ///
    /// # Errors
    ///
    /// Returns why the host could not be probed or swept.
    pub fn new(config: IncarnatorConfig) -> io::Result<Self> {
        let found = probe::run(&config.init_exe)?;
        let cgroups = CgroupBase::discover(&config.state_dir);
        let abilities = abilities(found, cgroups.as_ref().err());
        if let Ok(base) = &cgroups {
            let swept = base.sweep()?;
            if swept > 0 {
                tracing::warn!(workspaces = swept, "ended what an earlier daemon left behind");
            }
        }
        let descriptors = sys::raise_descriptor_limit();
        Ok(Self { config, abilities, cgroups: cgroups.ok(), descriptors })
    }

    /// Removes the daemon's cgroup directory, once nothing is in it.
    pub fn tidy(&self) {
        if let Some(base) = &self.cgroups {
            base.remove();
        }
    }

    /// Returns what this host was found to be able to do.
    #[must_use]
    pub const fn abilities(&self) -> &HostAbilities {
        &self.abilities
    }

    /// Plans the body of a workspace.
    ///
    /// # Errors
    ///
    /// Returns what is missing on this host.
    pub fn plan(&self, soma: &Soma) -> Result<Plan, Refusal> {
        self.abilities.plan(soma.namespaces, soma.containment)
    }

    /// Gives a workspace its ws-init, and waits until it is ready.
    ///
    /// # Errors
    ///
    /// Returns what failed; nothing is left behind then.
    pub async fn incarnate(
        &self,
        id: WorkspaceId,
        soma: &Soma,
        read_only: Vec<String>,
    ) -> Result<Body, IncarnateError> {
        let plan = self.plan(soma).map_err(IncarnateError::Refused)?;
        let cgroup = match (&self.cgroups, plan.cgroup) {
            (Some(base), true) => Some(base.workspace(&id.to_string())?),
            _ => None,
        };
        let born = self.give_birth(&plan, soma, read_only, cgroup.as_ref()).await;
        match born {
            Ok((link, missing)) => {
                let mut effective = plan.effective;
                effective.extend(missing.into_iter().map(|failure| Effective {
                    layer: failure.step,
                    requested: failure.object,
                    enforced: "none".to_owned(),
                    reason: nix::errno::Errno::from_raw(failure.errno).to_string(),
                }));
                Ok(Body { link, cgroup, nest_groups: plan.nest_groups, effective })
            }
            Err(error) => {
                if let Some(cgroup) = cgroup {
                    end_cgroup(cgroup).await;
                }
                Err(error)
            }
        }
    }

    async fn give_birth(
        &self,
        plan: &Plan,
        soma: &Soma,
        read_only: Vec<String>,
        cgroup: Option<&WorkspaceCgroup>,
    ) -> Result<(InitLink, Vec<StepFailure>), IncarnateError> {
        let flags = SockFlag::SOCK_CLOEXEC;
        let (ours, theirs) =
            socketpair(AddressFamily::Unix, SockType::SeqPacket, None, flags).map_err(io::Error::from)?;
        let mut child = tokio::process::Command::from({
            let mut command = Command::new(&self.config.init_exe);
            command.arg("ws-init").stdin(Stdio::from(theirs)).stdout(Stdio::null());
            command
        })
        .spawn()?;
        nonblocking(&ours)?;
        let mut link =
            InitLink { socket: watched(ours, Interest::READABLE | Interest::WRITABLE)?, init: None };
        let fds = cgroup.map(WorkspaceCgroup::open).transpose()?;
        let covered = std::iter::once(&self.config.state_dir).chain(&self.config.covered);
        let setup = Setup {
            namespaces: NamespaceSet {
                user: plan.user_namespace,
                pid: plan.namespaces.pid,
                mount: plan.namespaces.mount,
                ipc: plan.namespaces.ipc,
                uts: plan.namespaces.uts,
                cgroup: plan.namespaces.cgroup,
            },
            cgroup: fds.is_some(),
            descriptors: self.descriptors,
            hostname: soma.hostname.clone().filter(|_| plan.namespaces.uts),
            covered: covered.map(|path| path.to_string_lossy().into_owned()).collect(),
            read_only: if plan.namespaces.mount { read_only } else { Vec::new() },
        };
        let raw: Vec<RawFd> = fds.iter().flatten().map(AsRawFd::as_raw_fd).collect();
        link.send(&ToInit::Setup(setup), &raw).await?;
        // The executed stage ends by itself once its helper is born.
        let stage_end = tokio::spawn(async move { child.wait().await });
        let Ok(result) = tokio::time::timeout(READY_WITHIN, link.await_ready()).await else {
            return Err(io::Error::from_raw_os_error(libc::ETIMEDOUT).into());
        };
        if result.is_err() {
            // Its exit code says nothing that the failed step did not.
            let _ = stage_end.await;
        }
        result.map(|missing| (link, missing))
    }
}

/// A workspace that is alive.
#[derive(Debug)]
pub struct Body {
    /// The connection to its ws-init; dropping it ends the workspace.
    pub link: InitLink,
    /// Its cgroup, where it has one.
    pub cgroup: Option<WorkspaceCgroup>,
    /// Whether groups get a pid namespace of their own.
    pub nest_groups: bool,
    /// What was asked for and what holds.
    pub effective: Vec<Effective>,
}

impl Body {
    /// Ends everything in the workspace, and waits until nothing of it is alive.
    pub async fn end(self) {
        let InitLink { socket, init } = self.link;
        // The end of the socket is what ws-init ends on; the kernel ends its pid namespace before its pidfd tells.
        drop(socket);
        if let Some(init) = init
            && tokio::time::timeout(INIT_ENDS, ended(&init)).await.is_err()
        {
            tracing::error!("ws-init does not end by itself, and is killed");
            // Gone meanwhile.
            let _ = sys::pidfd_send_signal(init.get_ref().as_fd(), libc::SIGKILL);
            ended(&init).await;
        }
        if let Some(cgroup) = self.cgroup {
            end_cgroup(cgroup).await;
        }
    }

    /// Kills ws-init if a signal has stopped it. Without a pid namespace a process of the same user can do that, and
    /// nothing would end the workspace any more. Tells whether it did.
    #[must_use]
    pub fn kill_stopped_init(&self) -> bool {
        let Some(init) = &self.link.init else { return false };
        self.init_pid().is_some_and(super::counters::is_stopped)
            && sys::pidfd_send_signal(init.get_ref().as_fd(), libc::SIGKILL).is_ok()
    }

    /// Returns the pid of ws-init as the daemon numbers it.
    #[must_use]
    pub fn init_pid(&self) -> Option<i32> {
        self.link.init.as_ref().and_then(|init| sys::pid_of(init.get_ref().as_fd()))
    }
}

/// The control connection to one ws-init.
#[derive(Debug)]
pub struct InitLink {
    socket: AsyncFd<OwnedFd>,
    init: Option<Arc<AsyncFd<OwnedFd>>>,
}

impl InitLink {
    /// Sends a request with descriptors beside it.
    ///
    /// # Errors
    ///
    /// Returns the kernel's error; `BrokenPipe` where ws-init is gone.
    pub async fn send(&self, message: &ToInit, fds: &[RawFd]) -> io::Result<()> {
        self.socket.async_io(Interest::WRITABLE, |socket| send(socket.as_fd(), message, fds)).await
    }

    /// Receives the next message; none when ws-init is gone. Cancel safe.
    ///
    /// # Errors
    ///
    /// Returns the kernel's error.
    pub async fn receive(&self) -> io::Result<Option<(FromInit, Vec<OwnedFd>)>> {
        let received = self.socket.async_io(Interest::READABLE, |socket| receive(socket.as_fd())).await;
        match received {
            Err(error) if error.raw_os_error() == Some(libc::ECONNRESET) => Ok(None),
            received => received,
        }
    }

    async fn await_ready(&mut self) -> Result<Vec<StepFailure>, IncarnateError> {
        // The three senders run side by side, so that their messages come in any order.
        let (mut stage_seen, mut ready, mut failed) = (false, None, None);
        loop {
            if stage_seen
                && self.init.is_some()
                && let Some(missing) = ready
            {
                return Ok(missing);
            }
            match self.receive().await? {
                Some((FromInit::Stage, pidfds)) => {
                    stage_seen = true;
                    for pidfd in pidfds {
                        reap_later(pidfd)?;
                    }
                }
                Some((FromInit::Born, pidfds)) => {
                    for pidfd in pidfds {
                        self.init = Some(reap_later(pidfd)?);
                    }
                }
                Some((FromInit::Ready { missing }, _)) => ready = Some(missing),
                // The stages before it are still to be reaped; they all end now.
                Some((FromInit::Failed(failure), _)) => failed = Some(failure),
                Some(_) => return Err(io::Error::from_raw_os_error(libc::EPROTO).into()),
                None => {
                    return Err(failed.map_or_else(
                        || io::Error::from_raw_os_error(libc::ECHILD).into(),
                        IncarnateError::Step,
                    ));
                }
            }
        }
    }
}

/// Collects a child that ws-init's stages gave to the daemon, once it ends.
fn reap_later(pidfd: OwnedFd) -> io::Result<Arc<AsyncFd<OwnedFd>>> {
    let pidfd = Arc::new(watched(pidfd, Interest::READABLE)?);
    let waiting = Arc::clone(&pidfd);
    tokio::spawn(async move {
        ended(&waiting).await;
        if let Err(error) = sys::reap(waiting.get_ref().as_fd()) {
            tracing::debug!(%error, "a stage of ws-init could not be reaped");
        }
    });
    Ok(pidfd)
}

/// Registers a descriptor with the runtime.
///
/// # Errors
///
/// Returns the kernel's error.
pub fn watched(fd: OwnedFd, interest: Interest) -> io::Result<AsyncFd<OwnedFd>> {
    // SAFETY: an `OwnedFd` returns the same open descriptor for as long as it lives, and `AsyncFd` keeps it.
    unsafe { AsyncFd::register_with_interest(fd, interest) }.map_err(io::Error::from)
}

/// Waits until the process behind `pidfd` has ended.
pub async fn ended(pidfd: &AsyncFd<OwnedFd>) {
    // An error means that the descriptor can't be waited on; callers have a second source for the end.
    let _ = pidfd.readable().await;
}

/// Ends everything in a workspace's cgroup and removes it, off the async threads.
pub async fn end_cgroup(cgroup: WorkspaceCgroup) {
    let result = tokio::task::spawn_blocking(move || cgroup.end().map_err(|error| (cgroup, error))).await;
    if let Ok(Err((cgroup, error))) = result {
        tracing::error!(?cgroup, %error, "a workspace's cgroup could not be emptied");
    }
}

/// Sets a descriptor that nobody else shares to non-blocking.
///
/// # Errors
///
/// Returns the kernel's error.
pub fn nonblocking(fd: &OwnedFd) -> io::Result<()> {
    use nix::fcntl::{FcntlArg, OFlag, fcntl};
    let flags = OFlag::from_bits_truncate(fcntl(fd, FcntlArg::F_GETFL)?);
    fcntl(fd, FcntlArg::F_SETFL(flags | OFlag::O_NONBLOCK))?;
    Ok(())
}
