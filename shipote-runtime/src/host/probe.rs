//! What this host can do, found out by doing it once in a process of its own.

use std::io;
use std::os::fd::AsFd;
use std::path::Path;
use std::process::{Command, ExitCode};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use serde::{Deserialize, Serialize};

use super::sys::{self, Cloned};

/// What the probe found: an error number per namespace, 0 where it can be made.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Found {
    /// Error number by name: `user`, `pid`, `mount`, `ipc`, `uts`, `cgroup`, `net`.
    pub namespaces: Vec<(String, i32)>,
    /// Whether the others are made without a user namespace: root may lack the capability, as in a container.
    pub privileged: bool,
}

const NAMESPACES: [(&str, i32); 6] = [
    ("pid", libc::CLONE_NEWPID),
    ("mount", libc::CLONE_NEWNS),
    ("ipc", libc::CLONE_NEWIPC),
    ("uts", libc::CLONE_NEWUTS),
    ("cgroup", libc::CLONE_NEWCGROUP),
    ("net", libc::CLONE_NEWNET),
];

/// Runs the probe in a fresh, single-threaded process of `exe`.
///
/// # Errors
///
/// Returns why the process did not answer.
pub fn run(exe: &Path) -> io::Result<Found> {
    let output = Command::new(exe).arg("ws-probe").output()?;
    serde_json::from_slice(&output.stdout).map_err(io::Error::from)
}

/// Entry point of the process that probes; writes [`Found`] as JSON to stdout.
#[must_use]
pub fn main() -> ExitCode {
    use io::Write;
    let privileged = attempt(libc::CLONE_NEWPID) == 0;
    let user = if privileged { 0 } else { libc::CLONE_NEWUSER };
    let mut namespaces = vec![("user".to_owned(), attempt(libc::CLONE_NEWUSER))];
    for (name, flag) in NAMESPACES {
        namespaces.push((name.to_owned(), attempt(flag | user)));
    }
    let answer = serde_json::to_vec(&Found { namespaces, privileged }).unwrap_or_default();
    match io::stdout().write_all(&answer) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

/// Makes a process with these namespaces and returns the error number, 0 for success.
fn attempt(flags: i32) -> i32 {
    // SAFETY: the probe runs before any thread is started.
    match unsafe { sys::clone3(flags as u64, None) } {
        Ok(Cloned::Child) => sys::exit_now(0),
        Ok(Cloned::Parent { pidfd, .. }) => {
            let _ = poll(&mut [PollFd::new(pidfd.as_fd(), PollFlags::POLLIN)], PollTimeout::from(2000_u16));
            // The probe ends right after; an unreaped child goes to its parent.
            let _ = sys::reap(pidfd.as_fd());
            0
        }
        Err(error) => error.raw_os_error().unwrap_or(libc::EIO),
    }
}
