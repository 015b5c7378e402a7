//! The cgroup v2 tree of the daemon: `shipote-<key>/<workspace>/{init,cmd/<leaf>}`.
//!
//! Processes are born in their leaf and never moved. Names come from ULIDs only. Grouping, `cgroup.kill`,
//! `cgroup.events` and the base of `cpu.stat` need no controller, so all this works on a hybrid host too.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::fcntl::OFlag;

use super::sys;

/// The directory below which one daemon keeps its workspaces.
#[derive(Debug, Clone)]
pub struct CgroupBase {
    dir: PathBuf,
}

impl CgroupBase {
    /// Finds the v2 tree and makes the daemon's directory in it, named after its state directory: a later daemon
    /// of the same state finds what an earlier one left.
    ///
    /// # Errors
    ///
    /// Returns in words why there is none; this is data for `effective`, not a sentence for the user.
    pub fn discover(state_dir: &Path) -> Result<Self, String> {
        let parent = own_directory().ok_or("no cgroup v2 file system is mounted")?;
        let metadata = fs::metadata(state_dir).map_err(|error| error.to_string())?;
        let dir = parent.join(format!("shipote-{:x}-{:x}", metadata.dev(), metadata.ino()));
        match fs::create_dir(&dir) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(format!("{}: {}", parent.display(), short(&error))),
        }
        if !dir.join("cgroup.kill").exists() {
            return Err("this kernel has no cgroup.kill (Linux 5.14)".to_owned());
        }
        let base = Self { dir };
        base.probe().map_err(|error| format!("{}: {}", parent.display(), short(&error)))?;
        Ok(base)
    }

    /// Returns the directory.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Makes and removes a directory, which tells whether this user may.
    fn probe(&self) -> io::Result<()> {
        // A name of its own: another process may be probing too.
        let dir = self.dir.join(format!("probe-{:016x}", super::clock::random_u64()));
        fs::create_dir(&dir)?;
        let writable = File::options().write(true).open(dir.join("cgroup.kill")).map(drop);
        fs::remove_dir(&dir)?;
        writable
    }

    /// Makes the directories of a workspace.
    ///
    /// # Errors
    ///
    /// Returns the kernel's error.
    pub fn workspace(&self, name: &str) -> io::Result<WorkspaceCgroup> {
        let cgroup = WorkspaceCgroup { dir: self.dir.join(name) };
        for dir in [self.dir.clone(), cgroup.dir.clone(), cgroup.dir.join("init"), cgroup.dir.join("cmd")] {
            create_dir(&dir)?;
        }
        Ok(cgroup)
    }

    /// Ends every process below the directory and removes what is empty: what an earlier daemon left behind.
    /// Returns how many workspaces were found.
    ///
    /// # Errors
    ///
    /// Returns the kernel's error, `TimedOut` where processes stay alive.
    pub fn sweep(&self) -> io::Result<usize> {
        let mut found = 0;
        for entry in fs::read_dir(&self.dir)? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                found += 1;
                end(&entry.path())?;
            }
        }
        Ok(found)
    }

    /// Removes the directory; it stays while anything is in it.
    pub fn remove(&self) {
        // Another daemon start or a leftover workspace may hold it; the next sweep sees to that.
        let _ = fs::remove_dir(&self.dir);
    }
}

/// The cgroup of one workspace.
#[derive(Debug, Clone)]
pub struct WorkspaceCgroup {
    dir: PathBuf,
}

impl WorkspaceCgroup {
    /// Opens what ws-init is born with: the workspace, its `init` leaf, and the kill switch of `cmd`.
    ///
    /// # Errors
    ///
    /// Returns the kernel's error.
    pub fn open(&self) -> io::Result<[OwnedFd; 3]> {
        let kill = File::options().write(true).open(self.dir.join("cmd/cgroup.kill"))?;
        Ok([open_dir(&self.dir)?, open_dir(&self.dir.join("init"))?, kill.into()])
    }

    /// Makes the leaf of a command or pipeline.
    ///
    /// # Errors
    ///
    /// Returns the kernel's error.
    pub fn leaf(&self, name: &str) -> io::Result<Leaf> {
        let leaf = Leaf { dir: self.dir.join("cmd").join(name) };
        create_dir(&leaf.dir)?;
        Ok(leaf)
    }

    /// Returns the directory that holds every command.
    #[must_use]
    pub fn commands_dir(&self) -> PathBuf {
        self.dir.join("cmd")
    }

    /// Ends every process of the workspace and removes its directories. Blocks for as long as that takes.
    ///
    /// # Errors
    ///
    /// Returns the kernel's error, `TimedOut` where processes stay alive.
    pub fn end(&self) -> io::Result<()> {
        end(&self.dir)
    }
}

/// The cgroup of one command or pipeline.
#[derive(Debug, Clone)]
pub struct Leaf {
    dir: PathBuf,
}

impl Leaf {
    /// Opens the directory, for processes to be born in.
    ///
    /// # Errors
    ///
    /// Returns the kernel's error.
    pub fn open(&self) -> io::Result<OwnedFd> {
        open_dir(&self.dir)
    }

    /// Returns the directory.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Sends `signal` to every process in the leaf. What is born meanwhile may be missed; killing is what misses
    /// nothing.
    pub fn signal_all(&self, signal: i32) {
        let Some(own_path) = self.dir.file_name().and_then(|name| name.to_str()) else { return };
        for pid in self.pids() {
            // The descriptor pins the process; only then is its membership worth anything.
            let Ok(pidfd) = sys::pidfd_open(pid) else { continue };
            let cgroup = fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap_or_default();
            if cgroup.lines().any(|line| line.starts_with("0::") && line.contains(own_path)) {
                // It may have ended since.
                let _ = sys::pidfd_send_signal(pidfd.as_fd(), signal);
            }
        }
    }

    /// Returns the pids in the leaf as the daemon numbers them.
    #[must_use]
    pub fn pids(&self) -> Vec<i32> {
        let list = fs::read_to_string(self.dir.join("cgroup.procs")).unwrap_or_default();
        list.lines().filter_map(|line| line.parse().ok()).filter(|pid| *pid > 0).collect()
    }

    /// Ends every process in the leaf at once.
    ///
    /// # Errors
    ///
    /// Returns the kernel's error.
    pub fn kill(&self) -> io::Result<()> {
        kill(&self.dir)
    }

    /// Ends every process in the leaf and removes it. Blocks for as long as that takes.
    ///
    /// # Errors
    ///
    /// Returns the kernel's error, `TimedOut` where processes stay alive.
    pub fn end(&self) -> io::Result<()> {
        end(&self.dir)
    }
}

/// How long a killed cgroup may take to become empty. A process in an uninterruptible sleep can outlast it.
const EMPTY_WITHIN: Duration = Duration::from_secs(10);

fn kill(dir: &Path) -> io::Result<()> {
    let written =
        File::options().write(true).open(dir.join("cgroup.kill")).and_then(|mut file| file.write_all(b"1"));
    match written {
        // Removed meanwhile is what was wanted.
        Err(error) if is_gone(&error) => Ok(()),
        result => result,
    }
}

fn end(dir: &Path) -> io::Result<()> {
    let deadline = Instant::now() + EMPTY_WITHIN;
    let mut pause = Duration::from_millis(1);
    kill(dir)?;
    loop {
        match remove_tree(dir) {
            Ok(()) => return Ok(()),
            Err(error) if error.raw_os_error() == Some(libc::EBUSY) && Instant::now() < deadline => {
                std::thread::sleep(pause);
                pause = (pause * 2).min(Duration::from_millis(50));
                kill(dir)?;
            }
            Err(error) if error.raw_os_error() == Some(libc::EBUSY) => {
                return Err(io::Error::new(io::ErrorKind::TimedOut, error));
            }
            Err(error) => return Err(error),
        }
    }
}

/// Removes a directory of cgroups, deepest first.
fn remove_tree(dir: &Path) -> io::Result<()> {
    let entries = match fs::read_dir(dir) {
        Err(error) if is_gone(&error) => return Ok(()),
        entries => entries?,
    };
    for entry in entries.flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            remove_tree(&entry.path())?;
        }
    }
    match fs::remove_dir(dir) {
        Err(error) if is_gone(&error) => Ok(()),
        result => result,
    }
}

fn is_gone(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::ENOENT | libc::ENODEV))
}

fn create_dir(dir: &Path) -> io::Result<()> {
    match fs::create_dir(dir) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        result => result,
    }
}

fn open_dir(dir: &Path) -> io::Result<OwnedFd> {
    let flags = OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    Ok(File::options().read(true).custom_flags(flags.bits()).open(dir)?.into())
}

fn short(error: &io::Error) -> String {
    match error.raw_os_error() {
        Some(errno) => nix::errno::Errno::from_raw(errno).to_string(),
        None => error.to_string(),
    }
}

/// Returns the directory of the cgroup that this process is in, in whichever v2 mount shows it.
fn own_directory() -> Option<PathBuf> {
    let own = fs::read_to_string("/proc/self/cgroup").ok()?;
    let table = fs::read_to_string("/proc/self/mountinfo").ok()?;
    directory_of(&table, own.lines().find_map(|line| line.strip_prefix("0::"))?)
}

/// Returns where the cgroup `own` stands, by a mountinfo table (proc_pid_mountinfo(5)).
fn directory_of(table: &str, own: &str) -> Option<PathBuf> {
    table.lines().find_map(|line| {
        let (head, tail) = line.split_once(" - ")?;
        if tail.split(' ').next()? != "cgroup2" {
            return None;
        }
        let mut fields = head.split(' ').skip(3);
        let (root, target) = (fields.next()?, fields.next()?);
        let below = Path::new(own).strip_prefix(root).ok()?;
        Some(Path::new(target).join(below))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_own_cgroup_is_found_on_unified_and_hybrid_hosts() {
        let unified = "31 24 0:27 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate\n";
        assert_eq!(
            directory_of(unified, "/user.slice/u.service"),
            Some("/sys/fs/cgroup/user.slice/u.service".into())
        );
        let hybrid = "40 30 0:30 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n\
                      41 30 0:31 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n";
        assert_eq!(directory_of(hybrid, "/"), Some("/sys/fs/cgroup/unified".into()));
        assert_eq!(directory_of("40 30 0:30 / /x rw - cgroup cgroup rw,cpu\n", "/"), None);
    }
}
