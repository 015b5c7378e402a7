//! What the workspace sees of the host's files: everything, but its keeper.
//!
//! The cgroup tree is read-only, the daemon's state and socket are covered, /proc is the workspace's own.

use std::ffi::CString;
use std::fs;
use std::io;
use std::path::Path;

use nix::mount::{MsFlags, mount};

use super::protocol::{Setup, StepFailure};
use crate::host::sys;

/// Arranges the mounts of a fresh mount namespace. Returns the layers that could not be had.
pub(super) fn arrange(setup: &Setup) -> Result<Vec<StepFailure>, StepFailure> {
    let mut missing = Vec::new();
    let private = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
    step("mount_private", "/", mount_flags("/", private))?;
    protect_cgroups(setup)?;
    for path in &setup.covered {
        step("cover", path, cover(path))?;
    }
    for path in &setup.read_only {
        step("read_only", path, bind_read_only(path))?;
    }
    if setup.namespaces.pid {
        step("mount_proc", "/proc", mount_proc())?;
        if !setup.namespaces.user {
            // Real uid 0 owns these files, capabilities or not.
            for path in ["/proc/sys", "/proc/sysrq-trigger", "/proc/irq", "/proc/bus", "/proc/fs"] {
                if Path::new(path).exists()
                    && let Err(error) = bind_read_only(path)
                {
                    missing.push(StepFailure::new("protect_proc", path, &error));
                }
            }
        }
    }
    Ok(missing)
}

/// Mounts a /proc that shows the pid namespace of the caller, over the one that is there.
pub(super) fn mount_proc() -> io::Result<()> {
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    mount(Some("proc"), "/proc", Some("proc"), flags, None::<&str>).map_err(io::Error::from)
}

fn step(name: &str, object: &str, result: io::Result<()>) -> Result<(), StepFailure> {
    result.map_err(|error| StepFailure::new(name, object, &error))
}

fn mount_flags(target: &str, flags: MsFlags) -> io::Result<()> {
    mount(None::<&str>, target, None::<&str>, flags, None::<&str>).map_err(io::Error::from)
}

/// Makes every cgroup file system read-only, and shows the workspace as the root of the v2 tree where it has a
/// cgroup namespace.
fn protect_cgroups(setup: &Setup) -> Result<(), StepFailure> {
    let table = fs::read_to_string("/proc/self/mountinfo")
        .map_err(|error| StepFailure::new("mountinfo", "/proc/self/mountinfo", &error))?;
    for (target, kind) in cgroup_mounts(&table) {
        if kind == "cgroup2" && setup.namespaces.cgroup {
            let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC | MsFlags::MS_RDONLY;
            // Where a fresh view is refused, the host's view stays, read-only by the next step.
            let _ = mount(Some("cgroup2"), target.as_str(), Some("cgroup2"), flags, None::<&str>);
        }
        step("protect_cgroup", &target, make_read_only(&target, true))?;
    }
    Ok(())
}

/// Returns mount point and type of each cgroup file system in a mountinfo table (proc_pid_mountinfo(5)).
fn cgroup_mounts(table: &str) -> Vec<(String, String)> {
    let mut mounts = Vec::new();
    for line in table.lines() {
        let Some((head, tail)) = line.split_once(" - ") else { continue };
        let (Some(target), Some(kind)) = (head.split(' ').nth(4), tail.split(' ').next()) else { continue };
        if kind == "cgroup" || kind == "cgroup2" {
            mounts.push((unescape_octal(target), kind.to_owned()));
        }
    }
    mounts
}

/// Undoes the `\040` escapes of mountinfo.
fn unescape_octal(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let code = rest.get(1..4).and_then(|digits| {
            let digits = std::str::from_utf8(digits).ok()?;
            u8::from_str_radix(digits, 8).ok()
        });
        match code {
            Some(code) if first == b'\\' => {
                bytes.push(code);
                rest = &rest[4..];
            }
            _ => {
                bytes.push(first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn make_read_only(path: &str, recursive: bool) -> io::Result<()> {
    let path = CString::new(path)?;
    sys::mount_setattr(&path, libc::MOUNT_ATTR_RDONLY, recursive)
}

fn bind_read_only(path: &str) -> io::Result<()> {
    mount(Some(path), path, None::<&str>, MsFlags::MS_BIND | MsFlags::MS_REC, None::<&str>)?;
    make_read_only(path, true)
}

/// Hides a directory behind an empty one and anything else behind /dev/null. What is not there needs no cover.
fn cover(path: &str) -> io::Result<()> {
    let metadata = match fs::symlink_metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    if !metadata.is_dir() {
        let bind = MsFlags::MS_BIND;
        return mount(Some("/dev/null"), path, None::<&str>, bind, None::<&str>).map_err(io::Error::from);
    }
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC | MsFlags::MS_RDONLY;
    mount(Some("tmpfs"), path, Some("tmpfs"), flags, Some("size=4k,nr_inodes=2,mode=0500"))
        .map_err(io::Error::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cgroup_mounts_are_found_under_escaped_names() {
        let table = "26 25 0:23 / /sys/fs/cgroup ro - tmpfs tmpfs ro\n\
                     27 26 0:24 / /sys/fs/cgroup/my\\040tree rw,relatime shared:3 - cgroup2 cgroup2 rw\n\
                     28 26 0:25 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n";
        let expect = [("/sys/fs/cgroup/my tree", "cgroup2"), ("/sys/fs/cgroup/cpu", "cgroup")];
        assert_eq!(cgroup_mounts(table), expect.map(|(path, kind)| (path.to_owned(), kind.to_owned())));
    }
}
