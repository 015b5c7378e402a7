//! The cgroup of a daemon, which one that was killed leaves to its successor; where there is none, to its test.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Returns where the cgroup of a state directory's daemon would be, wherever the v2 tree is mounted: it is named after
/// the directory.
#[must_use]
pub fn bases(state_dir: &Path) -> Vec<PathBuf> {
    let Some(name) = name(state_dir) else { return Vec::new() };
    let own = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let own = own.lines().find_map(|line| line.strip_prefix("0::/")).unwrap_or_default();
    ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"].map(|mount| Path::new(mount).join(own).join(&name)).into()
}

/// Returns the name of a state directory's cgroup; none where the directory is not there.
#[must_use]
pub fn name(state_dir: &Path) -> Option<String> {
    let meta = fs::metadata(state_dir).ok()?;
    Some(format!("shipote-{:x}-{:x}", meta.dev(), meta.ino()))
}

/// Removes a cgroup and those below it; what still has processes stays.
pub fn remove(dir: &Path) {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten().map(|entry| entry.path());
    entries.filter(|path| path.is_dir()).for_each(|path| remove(&path));
    let _ = fs::remove_dir(dir);
}
