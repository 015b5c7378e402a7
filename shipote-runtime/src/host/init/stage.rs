//! From the executed program to PID 1 of the workspace, in two short-lived stages.
//!
//! Stage 0 is what the daemon executes. It makes the *helper* inside the workspace's cgroup, so that the cgroup
//! namespace which the helper unshares has the workspace as its root. The helper makes PID 1 inside the `init`
//! leaf and ends, which leaves the workspace's own cgroup without processes, as cgroup v2 wants it. Both are made
//! with `CLONE_PARENT`: the daemon is the parent of all three and reaps them.

use std::fs;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::process::ExitCode;

use super::mounts;
use super::protocol::{FromInit, NamespaceSet, Setup, StepFailure, ToInit, receive, send};
use super::serve::{self, Workspace};
use crate::host::sys::{self, Cloned};

/// What the cgroup descriptors of a workspace are for.
#[derive(Debug)]
pub(super) struct CgroupFds {
    workspace: OwnedFd,
    init: OwnedFd,
    /// `cmd/cgroup.kill`, open for writing: the last resort when the daemon is gone and there is no pid namespace.
    pub(super) kill: OwnedFd,
}

/// Runs ws-init; the control socket is its stdin. Returns only when it could not become one.
#[must_use]
pub fn main() -> ExitCode {
    match become_init() {
        Ok(()) => ExitCode::SUCCESS,
        Err(Stop { socket: Some(socket), failure }) => {
            // The daemon may be gone; then there is nobody left to tell.
            let _ = send(socket.as_fd(), &FromInit::Failed(failure), &[]);
            ExitCode::FAILURE
        }
        Err(Stop { socket: None, .. }) => ExitCode::from(2),
    }
}

/// The end of the start, with the socket to report it on.
struct Stop {
    socket: Option<OwnedFd>,
    failure: StepFailure,
}

fn become_init() -> Result<(), Stop> {
    let early =
        |step: &str, error: &io::Error| Stop { socket: None, failure: StepFailure::new(step, "", error) };
    let socket = take_control_socket().map_err(|error| early("control_socket", &error))?;
    let (setup, cgroups) = match receive_setup(socket.as_fd()) {
        Ok(received) => received,
        Err(error) => return Err(stop(socket, "setup", "", &error)),
    };
    let pass = |socket: OwnedFd, result: Result<(), StepFailure>| {
        result.map_err(|failure| Stop { socket: Some(socket), failure })
    };

    // Stage 0 -> helper.
    let into = cgroups.as_ref().map(|fds| fds.workspace.as_fd());
    // SAFETY: this program was just executed and has started no thread.
    match unsafe { sys::clone3(libc::CLONE_PARENT as u64, into) } {
        Ok(Cloned::Parent { pidfd, .. }) => {
            let sent = send(socket.as_fd(), &FromInit::Stage, &[pidfd.as_raw_fd()]);
            return pass(socket, sent.map_err(|error| StepFailure::new("report_stage", "", &error)));
        }
        Ok(Cloned::Child) => {}
        Err(error) => return Err(stop(socket, "clone_helper", "cgroup", &error)),
    }

    // Helper -> PID 1.
    if setup.namespaces.user
        && let Err(failure) = enter_user_namespace()
    {
        return pass(socket, Err(failure));
    }
    if setup.namespaces.cgroup
        && let Err(error) = sys::unshare(libc::CLONE_NEWCGROUP)
    {
        return Err(stop(socket, "unshare_cgroup", "", &error));
    }
    let flags = libc::CLONE_PARENT as u64 | clone_flags(setup.namespaces);
    let into = cgroups.as_ref().map(|fds| fds.init.as_fd());
    // SAFETY: the helper is a copy of a single-threaded process and has started no thread.
    match unsafe { sys::clone3(flags, into) } {
        Ok(Cloned::Parent { pidfd, .. }) => {
            let sent = send(socket.as_fd(), &FromInit::Born, &[pidfd.as_raw_fd()]);
            return pass(socket, sent.map_err(|error| StepFailure::new("report_init", "", &error)));
        }
        Ok(Cloned::Child) => {}
        Err(error) => return Err(stop(socket, "clone_init", &namespace_names(setup.namespaces), &error)),
    }

    // PID 1.
    let missing = match prepare(&setup) {
        Ok(missing) => missing,
        Err(failure) => return pass(socket, Err(failure)),
    };
    let workspace = Workspace {
        proc_of_its_own: setup.namespaces.mount && setup.namespaces.pid,
        descriptors: setup.descriptors,
        host_root: !setup.namespaces.user && nix::unistd::geteuid().is_root(),
        kill: cgroups.map(|fds| fds.kill),
    };
    if let Err(error) = send(socket.as_fd(), &FromInit::Ready { missing }, &[]) {
        return Err(stop(socket, "report_ready", "", &error));
    }
    serve::serve(socket, &workspace)
}

fn stop(socket: OwnedFd, step: &str, object: &str, error: &io::Error) -> Stop {
    Stop { socket: Some(socket), failure: StepFailure::new(step, object, error) }
}

/// Moves the control socket away from stdin and closes whatever else came along.
fn take_control_socket() -> io::Result<OwnedFd> {
    const CONTROL: i32 = 3;
    sys::reset_signals();
    sys::dup_to(0, CONTROL, true)?;
    sys::close_range_from(CONTROL + 1)?;
    let null = fs::OpenOptions::new().read(true).write(true).open("/dev/null")?;
    sys::dup_to(null.as_raw_fd(), 0, false)?;
    sys::dup_to(null.as_raw_fd(), 1, false)?;
    drop(null);
    // A session of its own: no terminal of the daemon's can reach it, and its Ctrl-C does not.
    let _ = nix::unistd::setsid();
    sys::dup_above(CONTROL, CONTROL + 1)
}

fn receive_setup(socket: BorrowedFd<'_>) -> io::Result<(Setup, Option<CgroupFds>)> {
    let ended = || io::Error::from_raw_os_error(libc::ECONNRESET);
    let unexpected = || io::Error::from_raw_os_error(libc::EPROTO);
    let (message, fds) = receive::<ToInit>(socket)?.ok_or_else(ended)?;
    let ToInit::Setup(setup) = message else {
        return Err(unexpected());
    };
    if !setup.cgroup {
        return Ok((setup, None));
    }
    let [workspace, init, kill] = <[OwnedFd; 3]>::try_from(fds).map_err(|_| unexpected())?;
    Ok((setup, Some(CgroupFds { workspace, init, kill })))
}

fn clone_flags(set: NamespaceSet) -> u64 {
    let flags = [
        (set.pid, libc::CLONE_NEWPID),
        (set.mount, libc::CLONE_NEWNS),
        (set.ipc, libc::CLONE_NEWIPC),
        (set.uts, libc::CLONE_NEWUTS),
    ];
    flags.iter().filter(|(wanted, _)| *wanted).fold(0, |all, (_, flag)| all | *flag as u64)
}

fn namespace_names(set: NamespaceSet) -> String {
    let names = [(set.pid, "pid"), (set.mount, "mount"), (set.ipc, "ipc"), (set.uts, "uts")];
    let wanted: Vec<&str> = names.iter().filter(|(wanted, _)| *wanted).map(|(_, name)| *name).collect();
    wanted.join(",")
}

/// Makes a user namespace that knows just the caller's own ids, under their own numbers.
fn enter_user_namespace() -> Result<(), StepFailure> {
    let (uid, gid) = (nix::unistd::geteuid(), nix::unistd::getegid());
    sys::unshare(libc::CLONE_NEWUSER).map_err(|error| StepFailure::new("unshare_user", "", &error))?;
    let maps = [
        ("/proc/self/setgroups", "deny".to_owned()),
        ("/proc/self/uid_map", format!("{uid} {uid} 1")),
        ("/proc/self/gid_map", format!("{gid} {gid} 1")),
    ];
    for (path, content) in maps {
        fs::write(path, content).map_err(|error| StepFailure::new("id_map", path, &error))?;
    }
    Ok(())
}

/// Sets up the inside of the workspace; returns what was wanted only by default and could not be had.
fn prepare(setup: &Setup) -> Result<Vec<StepFailure>, StepFailure> {
    let mut missing = Vec::new();
    if setup.namespaces.mount {
        missing = mounts::arrange(setup)?;
    }
    if let Some(name) = &setup.hostname {
        nix::unistd::sethostname(name).map_err(|errno| StepFailure::new("hostname", name, &errno.into()))?;
    }
    if !setup.namespaces.pid {
        sys::prctl(libc::PR_SET_CHILD_SUBREAPER, 1)
            .map_err(|error| StepFailure::new("subreaper", "", &error))?;
        // Its processes see the daemon's pid, and may have its uid.
        if let Err(error) = sys::scope_signals() {
            missing.push(StepFailure::new("signals_to_the_daemon", "refused", &error));
        }
    }
    if !setup.namespaces.user && nix::unistd::geteuid().is_root() {
        // `nogroup`: no program gets this id, so none can set limits on this process.
        const NOGROUP: libc::gid_t = 65534;
        sys::set_saved_gid(NOGROUP).map_err(|error| StepFailure::new("saved_gid", "", &error))?;
    }
    // Last, since it takes /proc/self away from an ordinary user: nobody may read or trace this process.
    sys::prctl(libc::PR_SET_DUMPABLE, 0).map_err(|error| StepFailure::new("undumpable", "", &error))?;
    Ok(missing)
}
