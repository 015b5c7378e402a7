//! The language between the daemon and ws-init: datagrams of JSON with descriptors beside them.
//!
//! A datagram is an 8-byte header (magic, version, flags) and a body. A body above [`INLINE_LIMIT`] travels in a
//! sealed memfd, since a datagram stops at about 200 KiB. Documented in `docs/protocol.md`.

use std::collections::BTreeMap;
use std::ffi::CString;
use std::fs::File;
use std::io::{self, IoSlice, IoSliceMut, Read, Seek, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use nix::fcntl::{FcntlArg, SealFlag, fcntl};
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::socket::{ControlMessage, ControlMessageOwned, MsgFlags, recvmsg, sendmsg};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// Version of this language; both sides are the same binary, so a difference means a daemon that was replaced.
pub const VERSION: u16 = 1;
const MAGIC: [u8; 2] = *b"SI";
const FLAG_MEMFD: u16 = 1;
const HEADER_LEN: usize = 8;
/// Largest body in bytes that travels in the datagram itself.
pub const INLINE_LIMIT: usize = 64 * 1024;
/// Largest body in bytes at all.
pub const BODY_LIMIT: u64 = 16 << 20;
/// Most descriptors in one datagram (`SCM_MAX_FD`, unix(7)).
pub const FD_LIMIT: usize = 253;

/// Bytes that a process has written when it executes its program: the mark and its memory, from the gate.
pub const GATE_RECORD: usize = 9;

/// What the daemon asks of ws-init.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ToInit {
    /// First message: what the workspace is made of. Descriptors: workspace cgroup, its `init` cgroup, and its
    /// `cmd/cgroup.kill` open for writing; none of them without cgroups.
    Setup(Setup),
    /// Start a group. Descriptors: the leaf cgroup where there is one, then what [`Wire::Fd`] counts.
    Spawn(SpawnGroup),
}

/// What a workspace is made of.
#[derive(Debug, Serialize, Deserialize)]
pub struct Setup {
    /// Namespaces to make.
    pub namespaces: NamespaceSet,
    /// Whether the three cgroup descriptors are there.
    pub cgroup: bool,
    /// Soft limit of open descriptors that the programs get; ws-init itself keeps what the daemon has.
    pub descriptors: u64,
    /// Host name to set; needs the uts namespace.
    pub hostname: Option<String>,
    /// Directories and files that no process of the workspace may reach.
    pub covered: Vec<String>,
    /// Directories that are read-only inside.
    pub read_only: Vec<String>,
}

/// Namespaces of a workspace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct NamespaceSet {
    /// user_namespaces(7); what an ordinary user needs to make the others.
    pub user: bool,
    /// pid_namespaces(7).
    pub pid: bool,
    /// mount_namespaces(7).
    pub mount: bool,
    /// ipc_namespaces(7).
    pub ipc: bool,
    /// uts_namespaces(7).
    pub uts: bool,
    /// cgroup_namespaces(7).
    pub cgroup: bool,
}

/// Processes that start together or not at all: one command, or all nodes of a pipeline.
#[derive(Debug, Serialize, Deserialize)]
pub struct SpawnGroup {
    /// Number that later messages use.
    pub group: u64,
    /// Whether the first descriptor is the cgroup to be born in.
    pub leaf: bool,
    /// Whether the group gets a pid namespace of its own, for want of a cgroup.
    pub nested: bool,
    /// Kernel pipes between the processes, which nobody else holds.
    pub pipes: u16,
    /// The processes.
    pub processes: Vec<ProcessSpec>,
}

/// One process to start.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ProcessSpec {
    /// Program and arguments, `argv[0]` included; the program is looked up in `PATH` of `env` unless it has a `/`.
    pub argv: Vec<String>,
    /// Environment.
    pub env: BTreeMap<String, String>,
    /// Working directory.
    pub cwd: String,
    /// stdin, stdout and stderr.
    pub stdio: [Wire; 3],
    /// User id to take on; needs the host's root.
    pub uid: Option<u32>,
    /// Group id to take on; needs the host's root.
    pub gid: Option<u32>,
}

/// What a standard stream is joined to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Wire {
    /// `/dev/null`.
    Null,
    /// One of the group's own pipes: the reading end for stdin, else the writing end.
    Pipe(u16),
    /// A descriptor that came with the message, counted after the leaf.
    Fd(u16),
}

/// What ws-init tells the daemon.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FromInit {
    /// A short-lived stage of the start; descriptor: its pidfd, to be reaped.
    Stage,
    /// ws-init was born; descriptor: its pidfd, to be reaped.
    Born,
    /// The workspace is ready for commands.
    Ready {
        /// Layers that were asked for and could not be had, with the error number.
        missing: Vec<StepFailure>,
    },
    /// The workspace can't be made.
    Failed(StepFailure),
    /// The group runs; descriptors: the nested init where there is one, then a pidfd per process.
    Spawned {
        /// Number of the group.
        group: u64,
        /// Whether the first descriptor is a nested init.
        nested: bool,
    },
    /// The group did not start, and nothing of it is alive.
    SpawnFailed {
        /// Number of the group.
        group: u64,
        /// Which process failed.
        process: usize,
        /// At which step, and why.
        failure: StepFailure,
    },
    /// A process of a group ended.
    Exited {
        /// Number of the group.
        group: u64,
        /// Which process.
        process: usize,
        /// Its wait status (wait(2)).
        status: i32,
        /// Its processor time in microseconds.
        cpu_usec: u64,
        /// Most memory it had, in bytes; none where the launch itself took more than the program.
        max_rss_bytes: Option<u64>,
    },
}

/// A step that failed, as data: the user reads it as a sentence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepFailure {
    /// Name of the step, such as `mount_proc` or `exec`.
    pub step: String,
    /// Error number (errno(3)).
    pub errno: i32,
    /// What it was about, such as a path.
    pub object: String,
}

impl StepFailure {
    /// Makes the record of `step` on `object`, which failed with `error`.
    #[must_use]
    pub fn new(step: &str, object: &str, error: &io::Error) -> Self {
        Self { step: step.into(), errno: error.raw_os_error().unwrap_or(libc::EIO), object: object.into() }
    }
}

/// Sends `message` with `fds` beside it as one datagram.
///
/// # Errors
///
/// Returns the kernel's error; `WouldBlock` where the socket is non-blocking and full.
pub fn send<T: Serialize>(socket: BorrowedFd<'_>, message: &T, fds: &[RawFd]) -> io::Result<()> {
    let body = serde_json::to_vec(message)?;
    let mut all_fds = Vec::with_capacity(fds.len() + 1);
    let memfd = (body.len() > INLINE_LIMIT).then(|| sealed_memfd(&body)).transpose()?;
    all_fds.extend(memfd.as_ref().map(AsRawFd::as_raw_fd));
    all_fds.extend_from_slice(fds);
    if all_fds.len() > FD_LIMIT {
        return Err(io::Error::from_raw_os_error(libc::E2BIG));
    }
    let mut header = [0; HEADER_LEN];
    header[..2].copy_from_slice(&MAGIC);
    header[2..4].copy_from_slice(&VERSION.to_le_bytes());
    header[4..6].copy_from_slice(&(if memfd.is_some() { FLAG_MEMFD } else { 0 }).to_le_bytes());
    let inline: &[u8] = if memfd.is_some() { &[] } else { &body };
    let rights = [ControlMessage::ScmRights(&all_fds)];
    let control: &[ControlMessage<'_>] = if all_fds.is_empty() { &[] } else { &rights };
    let parts = [IoSlice::new(&header), IoSlice::new(inline)];
    sendmsg::<()>(socket.as_raw_fd(), &parts, control, MsgFlags::MSG_NOSIGNAL, None)?;
    Ok(())
}

/// Receives one datagram and its descriptors; none at the end of the connection.
///
/// # Errors
///
/// Returns the kernel's error, or `InvalidData` for a datagram that is not of this language and version.
pub fn receive<T: DeserializeOwned>(socket: BorrowedFd<'_>) -> io::Result<Option<(T, Vec<OwnedFd>)>> {
    let mut buffer = vec![0; HEADER_LEN + INLINE_LIMIT];
    let mut control = nix::cmsg_space!([RawFd; FD_LIMIT]);
    let (length, mut fds, truncated) = {
        let mut parts = [IoSliceMut::new(&mut buffer)];
        let flags = MsgFlags::MSG_CMSG_CLOEXEC;
        let received = recvmsg::<()>(socket.as_raw_fd(), &mut parts, Some(&mut control), flags)?;
        let mut fds = Vec::new();
        for message in received.cmsgs()? {
            if let ControlMessageOwned::ScmRights(raw) = message {
                // SAFETY: the kernel installed these descriptors for this call and nothing else owns them.
                fds.extend(raw.into_iter().map(|fd| unsafe { OwnedFd::from_raw_fd(fd) }));
            }
        }
        (received.bytes, fds, received.flags.intersects(MsgFlags::MSG_TRUNC | MsgFlags::MSG_CTRUNC))
    };
    if length == 0 {
        return Ok(None);
    }
    let invalid = |what: &str| io::Error::new(io::ErrorKind::InvalidData, what.to_owned());
    if truncated || length < HEADER_LEN || buffer[..2] != MAGIC {
        return Err(invalid("not a message of ws-init"));
    }
    if u16::from_le_bytes([buffer[2], buffer[3]]) != VERSION {
        return Err(invalid("a message of another version of ws-init"));
    }
    let flags = u16::from_le_bytes([buffer[4], buffer[5]]);
    if flags & FLAG_MEMFD == 0 {
        return Ok(Some((serde_json::from_slice(&buffer[HEADER_LEN..length])?, fds)));
    }
    if fds.is_empty() {
        return Err(invalid("the descriptor of the body is missing"));
    }
    let mut file = File::from(fds.remove(0));
    if file.metadata()?.len() > BODY_LIMIT {
        return Err(invalid("a body that is too large"));
    }
    file.rewind()?;
    let mut body = Vec::new();
    file.read_to_end(&mut body)?;
    Ok(Some((serde_json::from_slice(&body)?, fds)))
}

fn sealed_memfd(body: &[u8]) -> io::Result<OwnedFd> {
    let name = CString::default();
    let fd = memfd_create(name.as_c_str(), MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING)?;
    let mut file = File::from(fd);
    file.write_all(body)?;
    let seals =
        SealFlag::F_SEAL_WRITE | SealFlag::F_SEAL_SHRINK | SealFlag::F_SEAL_GROW | SealFlag::F_SEAL_SEAL;
    fcntl(file.as_fd(), FcntlArg::F_ADD_SEALS(seals))?;
    Ok(OwnedFd::from(file))
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::sys::socket::{AddressFamily, SockFlag, SockType, socketpair};

    fn pair() -> (OwnedFd, OwnedFd) {
        socketpair(AddressFamily::Unix, SockType::SeqPacket, None, SockFlag::SOCK_CLOEXEC).unwrap()
    }

    #[test]
    fn a_large_body_and_its_descriptors_arrive_whole() {
        let (left, right) = pair();
        let object = "x".repeat(INLINE_LIMIT * 3);
        let message = FromInit::Failed(StepFailure { step: "exec".into(), errno: 2, object });
        send(left.as_fd(), &message, &[0, 1]).unwrap();
        let (got, fds) = receive::<FromInit>(right.as_fd()).unwrap().unwrap();
        assert_eq!(format!("{got:?}"), format!("{message:?}"));
        assert_eq!(fds.len(), 2);
    }

    #[test]
    fn the_end_of_the_connection_is_told_from_a_foreign_datagram() {
        let (left, right) = pair();
        sendmsg::<()>(left.as_raw_fd(), &[IoSlice::new(b"hello there")], &[], MsgFlags::empty(), None)
            .unwrap();
        assert!(receive::<FromInit>(right.as_fd()).is_err());
        drop(left);
        assert!(receive::<FromInit>(right.as_fd()).unwrap().is_none());
    }
}
