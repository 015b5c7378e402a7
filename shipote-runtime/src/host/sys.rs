//! Thin, safe wrappers of system calls that no library here offers, under the names of the manual.

use std::ffi::CStr;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

/// Turns the result of a system call into a value or the error number.
fn check(result: libc::c_long) -> io::Result<libc::c_long> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

/// `CLONE_INTO_CGROUP` (Linux 5.7), which does not fit the type of its constant in `libc`.
const CLONE_INTO_CGROUP: u64 = 0x2_0000_0000;

/// Which side of [`clone3`] the caller is on.
#[derive(Debug)]
pub enum Cloned {
    /// The new process.
    Child,
    /// The caller, with the pid in its own namespace and a descriptor of the new process.
    Parent {
        /// Pid as the caller's pid namespace numbers it.
        pid: libc::pid_t,
        /// pidfd of the new process, close-on-exec.
        pidfd: OwnedFd,
    },
}

/// Makes a process as fork(2) does, with `flags` of clone(2) (Linux 5.3), born in `cgroup` where one is given
/// (Linux 5.7). The exit signal is SIGCHLD, or the caller's own with `CLONE_PARENT`.
///
/// # Errors
///
/// Returns the kernel's error; with a cgroup also `EACCES`, `EBUSY`, `ENOENT` about that cgroup.
///
/// # Safety
///
/// The caller must be single-threaded: the child is a copy of the caller with one thread, so locks that other
/// threads hold would stay locked in it for ever. `flags` must not hold `CLONE_VM` or `CLONE_THREAD`.
pub unsafe fn clone3(flags: u64, cgroup: Option<BorrowedFd<'_>>) -> io::Result<Cloned> {
    let mut pidfd: libc::c_int = -1;
    let into_cgroup = cgroup.map_or(0, |_| CLONE_INTO_CGROUP);
    let exit_signal = if flags & libc::CLONE_PARENT as u64 == 0 { libc::SIGCHLD as u64 } else { 0 };
    let args = libc::clone_args {
        flags: flags | libc::CLONE_PIDFD as u64 | into_cgroup,
        pidfd: (&raw mut pidfd) as u64,
        child_tid: 0,
        parent_tid: 0,
        exit_signal,
        stack: 0,
        stack_size: 0,
        tls: 0,
        set_tid: 0,
        set_tid_size: 0,
        cgroup: cgroup.map_or(0, |fd| fd.as_raw_fd() as u64),
    };
    // SAFETY: `args` outlives the call and its size is passed; without CLONE_VM and with stack 0 the child runs
    // on its own copy of this stack. The caller answers for being single-threaded.
    let pid = check(unsafe { libc::syscall(libc::SYS_clone3, &raw const args, size_of_val(&args)) })?;
    if pid == 0 {
        return Ok(Cloned::Child);
    }
    // SAFETY: the kernel stored a new descriptor that nothing else owns.
    let pidfd = unsafe { OwnedFd::from_raw_fd(pidfd) };
    Ok(Cloned::Parent { pid: pid as libc::pid_t, pidfd })
}

/// Disassociates parts of the execution context (unshare(2)).
///
/// # Errors
///
/// Returns the kernel's error.
pub fn unshare(flags: libc::c_int) -> io::Result<()> {
    // SAFETY: takes no pointer.
    check(libc::c_long::from(unsafe { libc::unshare(flags) })).map(drop)
}

/// Sends `signal` to the process that `pidfd` refers to (pidfd_send_signal(2), Linux 5.1).
///
/// # Errors
///
/// Returns `ESRCH` when the process has been reaped, `EPERM` when it may not be signalled.
pub fn pidfd_send_signal(pidfd: BorrowedFd<'_>, signal: libc::c_int) -> io::Result<()> {
    let no_info: *const libc::siginfo_t = std::ptr::null();
    // SAFETY: a null siginfo is allowed and means what kill(2) would send.
    check(unsafe { libc::syscall(libc::SYS_pidfd_send_signal, pidfd.as_raw_fd(), signal, no_info, 0) })
        .map(drop)
}

/// Returns a descriptor of the process `pid` (pidfd_open(2), Linux 5.3).
///
/// # Errors
///
/// Returns `ESRCH` when there is no such process.
pub fn pidfd_open(pid: libc::pid_t) -> io::Result<OwnedFd> {
    // SAFETY: takes no pointer.
    let fd = check(unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) })?;
    // SAFETY: the kernel returned a new descriptor that nothing else owns.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as RawFd) })
}

/// Returns the pid behind a pidfd as this process's /proc numbers it (`Pid` of proc_pid_fdinfo(5)); none where it
/// has ended.
#[must_use]
pub fn pid_of(pidfd: BorrowedFd<'_>) -> Option<libc::pid_t> {
    let info = std::fs::read_to_string(format!("/proc/self/fdinfo/{}", pidfd.as_raw_fd())).ok()?;
    let pid: libc::pid_t = info.lines().find_map(|line| line.strip_prefix("Pid:"))?.trim().parse().ok()?;
    (pid > 0).then_some(pid)
}

/// Collects the exit of the child behind `pidfd` without waiting for it (waitid(2) with `P_PIDFD`, Linux 5.4).
///
/// # Errors
///
/// Returns `ECHILD` when the process is not a child of the caller.
pub fn reap(pidfd: BorrowedFd<'_>) -> io::Result<()> {
    // SAFETY: an all-zero siginfo_t is a valid value of that C structure.
    let mut info: libc::siginfo_t = unsafe { std::mem::zeroed() };
    let id = pidfd.as_raw_fd() as libc::id_t;
    // SAFETY: `info` outlives the call.
    let result = unsafe { libc::waitid(libc::P_PIDFD, id, &raw mut info, libc::WEXITED | libc::WNOHANG) };
    check(libc::c_long::from(result)).map(drop)
}

/// A child that ended, as wait4(2) reports it.
#[derive(Debug, Clone, Copy)]
pub struct Reaped {
    /// Its pid in the caller's pid namespace.
    pub pid: libc::pid_t,
    /// Its wait status.
    pub status: libc::c_int,
    /// Processor time of it and of its reaped children, in microseconds.
    pub cpu_usec: u64,
    /// Most memory it had, in bytes.
    pub max_rss_bytes: u64,
}

/// Collects one child that has ended, without waiting; none where no child has.
#[must_use]
pub fn reap_any() -> Option<Reaped> {
    let mut status = 0;
    // SAFETY: an all-zero rusage is a valid value of that C structure.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    // SAFETY: both pointers are to live values of the right types.
    let pid = unsafe { libc::wait4(-1, &raw mut status, libc::WNOHANG, &raw mut usage) };
    if pid <= 0 {
        return None;
    }
    let usec = |time: libc::timeval| time.tv_sec as u64 * 1_000_000 + time.tv_usec as u64;
    Some(Reaped {
        pid,
        status,
        cpu_usec: usec(usage.ru_utime) + usec(usage.ru_stime),
        max_rss_bytes: usage.ru_maxrss as u64 * 1024,
    })
}

/// Raises the soft limit of open descriptors to the hard one (`RLIMIT_NOFILE`, getrlimit(2)); returns what it was.
#[must_use]
pub fn raise_descriptor_limit() -> u64 {
    use nix::sys::resource::{Resource, getrlimit, setrlimit};
    let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE) else { return 1024 };
    // Going on with the soft limit is what happens anyway where this is refused.
    let _ = setrlimit(Resource::RLIMIT_NOFILE, hard, hard);
    soft
}

/// Sets the soft limit of open descriptors, at most to the hard one.
///
/// # Errors
///
/// Returns the kernel's error.
pub fn set_descriptor_limit(soft: u64) -> io::Result<()> {
    use nix::sys::resource::{Resource, getrlimit, setrlimit};
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    setrlimit(Resource::RLIMIT_NOFILE, soft.min(hard), hard).map_err(io::Error::from)
}

/// Sets the saved group id alone (setresgid(2)). A process whose ids do not all match may not set limits on this one
/// (prlimit(2)).
///
/// # Errors
///
/// Returns `EPERM` without the capability.
pub fn set_saved_gid(gid: libc::gid_t) -> io::Result<()> {
    const UNCHANGED: libc::gid_t = libc::gid_t::MAX;
    // SAFETY: takes no pointer.
    check(libc::c_long::from(unsafe { libc::setresgid(UNCHANGED, UNCHANGED, gid) })).map(drop)
}

/// Returns the most memory that this process has had, in bytes (getrusage(2)).
#[must_use]
pub fn own_max_rss_bytes() -> u64 {
    nix::sys::resource::getrusage(nix::sys::resource::UsageWho::RUSAGE_SELF)
        .map_or(0, |usage| usage.max_rss() as u64 * 1024)
}

/// Closes every descriptor from `first` on (close_range(2), Linux 5.9).
///
/// # Errors
///
/// Returns the kernel's error.
pub fn close_range_from(first: RawFd) -> io::Result<()> {
    // SAFETY: takes no pointer. The callers use it where they own no descriptor from `first` on.
    check(unsafe { libc::syscall(libc::SYS_close_range, first, libc::c_uint::MAX, 0) }).map(drop)
}

/// Duplicates `fd` to the number `to`, which it replaces (dup3(2)).
///
/// # Errors
///
/// Returns the kernel's error.
pub fn dup_to(fd: RawFd, to: RawFd, close_on_exec: bool) -> io::Result<()> {
    let flags = if close_on_exec { libc::O_CLOEXEC } else { 0 };
    // SAFETY: takes no pointer.
    check(libc::c_long::from(unsafe { libc::dup3(fd, to, flags) })).map(drop)
}

/// Duplicates `fd` to the first free number from `at_least` on, close-on-exec (`F_DUPFD_CLOEXEC`).
///
/// # Errors
///
/// Returns the kernel's error.
pub fn dup_above(fd: RawFd, at_least: RawFd) -> io::Result<OwnedFd> {
    // SAFETY: takes no pointer.
    let new = check(libc::c_long::from(unsafe { libc::fcntl(fd, libc::F_DUPFD_CLOEXEC, at_least) }))?;
    // SAFETY: the kernel returned a new descriptor that nothing else owns.
    Ok(unsafe { OwnedFd::from_raw_fd(new as RawFd) })
}

/// Sets every signal to its default and unblocks all of them: what a new program expects to find.
///
/// Rust's runtime ignores SIGPIPE, and what is ignored stays so over execve(2).
pub fn reset_signals() {
    // The kernel's own structure (rt_sigaction(2)): handler, flags, restorer and mask, all zero for SIG_DFL. The C
    // library refuses the two signals that it keeps for itself, and those are inherited, too.
    let default = [0_u64; 4];
    const MASK_LEN: usize = 8;
    for signal in 1..=64 {
        // SAFETY: `default` is as long as the structure and outlives the call; SIGKILL and SIGSTOP are refused without
        // effect.
        unsafe {
            libc::syscall(
                libc::SYS_rt_sigaction,
                signal,
                default.as_ptr(),
                std::ptr::null_mut::<u64>(),
                MASK_LEN,
            )
        };
    }
    // SAFETY: an all-zero sigset_t is the empty set, and outlives the call.
    unsafe {
        let empty: libc::sigset_t = std::mem::zeroed();
        libc::sigprocmask(libc::SIG_SETMASK, &raw const empty, std::ptr::null_mut());
    }
}

/// Sets an attribute of the calling process that takes one number (prctl(2)).
///
/// # Errors
///
/// Returns the kernel's error.
pub fn prctl(option: libc::c_int, value: libc::c_ulong) -> io::Result<()> {
    // SAFETY: the options used here take numbers only.
    check(libc::c_long::from(unsafe { libc::prctl(option, value, 0, 0, 0) })).map(drop)
}

/// Drops every capability of the calling process: bounding, ambient, inheritable, permitted and effective sets
/// (capabilities(7)).
///
/// # Errors
///
/// Returns the kernel's error of capset(2).
pub fn drop_capabilities() -> io::Result<()> {
    for capability in 0..64 {
        // Numbers beyond the kernel's last capability are EINVAL, and EPERM means the set can't grow anyway.
        let _ = prctl(libc::PR_CAPBSET_DROP, capability);
    }
    let _ = prctl(libc::PR_CAP_AMBIENT, libc::PR_CAP_AMBIENT_CLEAR_ALL as libc::c_ulong);

    #[repr(C)]
    struct Header {
        version: u32,
        pid: libc::c_int,
    }
    const LINUX_CAPABILITY_VERSION_3: u32 = 0x2008_0522;
    let header = Header { version: LINUX_CAPABILITY_VERSION_3, pid: 0 };
    let none = [0_u32; 6];
    // SAFETY: version 3 reads two triples of u32 from the second pointer, which is what `none` holds.
    check(unsafe { libc::syscall(libc::SYS_capset, &raw const header, none.as_ptr()) }).map(drop)
}

/// Confines the signals and abstract sockets of the calling process and of everything that it starts to each other
/// (Landlock ABI 6, Linux 6.12). Sets `no_new_privs`, which that needs.
///
/// # Errors
///
/// Returns `EINVAL` or `E2BIG` on an older kernel, `EOPNOTSUPP` where Landlock is off.
pub fn scope_signals() -> io::Result<()> {
    #[repr(C)]
    struct RulesetAttr {
        handled_access_fs: u64,
        handled_access_net: u64,
        scoped: u64,
    }
    const SCOPE_ABSTRACT_UNIX_SOCKET: u64 = 1;
    const SCOPE_SIGNAL: u64 = 2;
    prctl(libc::PR_SET_NO_NEW_PRIVS, 1)?;
    let attributes = RulesetAttr {
        handled_access_fs: 0,
        handled_access_net: 0,
        scoped: SCOPE_ABSTRACT_UNIX_SOCKET | SCOPE_SIGNAL,
    };
    // SAFETY: the attributes outlive the call and their size is passed.
    let ruleset = check(unsafe {
        libc::syscall(libc::SYS_landlock_create_ruleset, &raw const attributes, size_of_val(&attributes), 0)
    })?;
    // SAFETY: the kernel returned a new descriptor that nothing else owns.
    let ruleset = unsafe { OwnedFd::from_raw_fd(ruleset as RawFd) };
    // SAFETY: takes no pointer.
    check(unsafe { libc::syscall(libc::SYS_landlock_restrict_self, ruleset.as_raw_fd(), 0) }).map(drop)
}

/// Adds `MOUNT_ATTR_*` flags to the mount at `path`, and to all below it with `recursive` (mount_setattr(2),
/// Linux 5.12).
///
/// # Errors
///
/// Returns the kernel's error.
pub fn mount_setattr(path: &CStr, add: u64, recursive: bool) -> io::Result<()> {
    let attributes = libc::mount_attr { attr_set: add, attr_clr: 0, propagation: 0, userns_fd: 0 };
    let flags = if recursive { libc::AT_RECURSIVE } else { 0 };
    // SAFETY: path and attributes outlive the call, and the size of the latter is passed.
    check(unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            libc::AT_FDCWD,
            path.as_ptr(),
            flags,
            &raw const attributes,
            size_of_val(&attributes),
        )
    })
    .map(drop)
}

/// Returns the number of bytes that wait in a pipe or socket (`FIONREAD`, ioctl_tty(2)).
#[must_use]
pub fn bytes_waiting(fd: BorrowedFd<'_>) -> Option<u64> {
    let mut count: libc::c_int = 0;
    // SAFETY: FIONREAD stores an int at the pointer.
    let result = unsafe { libc::ioctl(fd.as_raw_fd(), libc::FIONREAD, &raw mut count) };
    (result == 0).then_some(count as u64)
}

/// Ends the calling process at once, without running anything that its parent's copy would run too (_exit(2)).
pub fn exit_now(code: i32) -> ! {
    // SAFETY: never returns and touches no memory of ours.
    unsafe { libc::_exit(code) }
}

/// Fills `buffer` with random bytes (getrandom(2)).
pub fn random_bytes(buffer: &mut [u8]) {
    let mut filled = 0;
    while filled < buffer.len() {
        let rest = &mut buffer[filled..];
        // SAFETY: the pointer and length describe `rest`.
        let got = unsafe { libc::getrandom(rest.as_mut_ptr().cast(), rest.len(), 0) };
        filled += usize::try_from(got).unwrap_or(0);
    }
}
