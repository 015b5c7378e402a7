//! Starts in a row that did not come to their end: what a start brings back must not be able to end it again and again.
//!
//! Something that is started again may take the daemon down with it: it fills the memory, or meets a defect. Where a
//! service manager starts the daemon anew each time, that would go on for ever, so after some such starts nothing is
//! started again, and somebody can look.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// Starts in a row that may fail before nothing is started again.
pub const MOST: u32 = 3;
/// The file's name in the state directory. It is there only while a start is under way.
const NAME: &str = "state.starts";

/// A start that is under way.
#[derive(Debug)]
pub struct Start {
    path: PathBuf,
    failed: u32,
}

impl Start {
    /// Begins a start of the daemon of a state directory, whose lock the caller holds.
    #[must_use]
    pub fn begin(state_dir: &Path) -> Self {
        let path = state_dir.join(NAME);
        let failed = read(&path).unwrap_or(0);
        if let Err(error) = write(&path, failed.saturating_add(1)) {
            tracing::warn!(%error, "a start that fails again and again will not be noticed");
        }
        Self { path, failed }
    }

    /// Returns whether so many starts before this one failed that nothing must be started again.
    #[must_use]
    pub const fn is_held(&self) -> bool {
        self.failed >= MOST
    }

    /// The start has come to its end.
    pub fn done(&self) {
        if let Err(error) = fs::remove_file(&self.path)
            && error.kind() != io::ErrorKind::NotFound
        {
            tracing::warn!(%error, "this start will be taken for one that failed");
        }
    }
}

fn options() -> fs::OpenOptions {
    let mut options = File::options();
    options.mode(0o600).custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK);
    options
}

fn read(path: &Path) -> Option<u32> {
    let mut text = String::new();
    options().read(true).open(path).ok()?.take(16).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

fn write(path: &Path, count: u32) -> io::Result<()> {
    writeln!(options().write(true).create(true).truncate(true).open(path)?, "{count}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fourth_start_is_held_unless_one_came_to_its_end() {
        let dir = tempfile::tempdir().unwrap();
        let held =
            |starts: usize| (0..starts).map(|_| Start::begin(dir.path()).is_held()).collect::<Vec<_>>();
        assert_eq!(held(2), [false, false]);
        Start::begin(dir.path()).done();
        assert_eq!(held(5), [false, false, false, true, true]);
        Start::begin(dir.path()).done();
        assert!(!Start::begin(dir.path()).is_held());
    }

    #[test]
    fn what_is_no_count_counts_nothing_and_no_link_is_followed() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join(NAME), "many").unwrap();
        assert!(!Start::begin(dir.path()).is_held());
        fs::remove_file(dir.path().join(NAME)).unwrap();
        std::os::unix::fs::symlink("/etc/hostname", dir.path().join(NAME)).unwrap();
        assert!(!Start::begin(dir.path()).is_held());
    }
}
