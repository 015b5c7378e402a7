//! The numbers of events: they go on over restarts, so that `since` means the same moment after one.
//!
//! Numbers are reserved in advance, by one small write for many. A daemon that is killed skips what it had reserved; one
//! that loses the file to a power cut begins anew, which whoever asks with an older number is told.

use std::fs::File;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;

/// The file's name in the state directory.
const NAME: &str = "events.seq";
/// Numbers that are reserved at once.
const RESERVED: u64 = 1_000;
/// Digits of a number in the file: as many as the largest has.
const DIGITS: usize = 20;

/// Gives numbers out, each once.
#[derive(Debug)]
pub struct Numbering {
    /// None where numbers are not kept.
    file: Option<File>,
    next: u64,
    /// The first number that is not reserved.
    end: u64,
}

impl Numbering {
    /// Begins at 1, and keeps nothing.
    #[must_use]
    pub const fn fresh() -> Self {
        Self { file: None, next: 1, end: u64::MAX }
    }

    /// Goes on where a state directory stands.
    #[must_use]
    pub fn open(state_dir: &Path) -> Self {
        let mut options = File::options();
        options.read(true).write(true).create(true).truncate(false).mode(0o600);
        options.custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK);
        let opened = options.open(state_dir.join(NAME)).and_then(|file| {
            let is_file = file.metadata()?.is_file();
            if is_file { Ok(file) } else { Err(std::io::ErrorKind::InvalidInput.into()) }
        });
        let file = match opened {
            Ok(file) => file,
            Err(error) => {
                tracing::warn!(%error, "the numbers of events begin anew: {NAME} can't be opened");
                return Self::fresh();
            }
        };
        let mut digits = [0; DIGITS];
        let kept = file.read_exact_at(&mut digits, 0).ok().and_then(|()| {
            let text = std::str::from_utf8(&digits).ok()?;
            text.parse().ok().filter(|next| *next > 0)
        });
        let next = kept.unwrap_or(1);
        Self { file: Some(file), next, end: next }
    }

    /// Returns the number that comes next.
    #[must_use]
    pub const fn next(&self) -> u64 {
        self.next
    }

    /// Takes a number.
    pub fn take(&mut self) -> u64 {
        let number = self.next;
        self.next += 1;
        if number >= self.end {
            // On whole thousands: a number that was skipped can be told from one that was lost.
            self.end = (number / RESERVED + 1) * RESERVED + 1;
            let text = format!("{:0DIGITS$}", self.end);
            if let Some(file) = &self.file
                && let Err(error) = file.write_all_at(text.as_bytes(), 0)
            {
                tracing::warn!(%error, "the numbers of events may be given twice: {NAME} can't be written");
            }
        }
        number
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_number_is_given_twice_over_restarts() {
        let dir = tempfile::tempdir().unwrap();
        let mut given = Vec::new();
        for count in [1, 3, 1_500, 2] {
            let mut numbering = Numbering::open(dir.path());
            given.extend((0..count).map(|_| numbering.take()));
        }
        assert!(given.is_sorted_by(|one, other| one < other), "{given:?}");
        assert_eq!((given[0], given[1], given[3]), (1, 1_001, 1_003));
    }

    #[test]
    fn what_is_no_number_begins_anew_and_no_link_is_followed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(NAME);
        for content in ["", "x", "00000000000000000000", "99999999999999999999999"] {
            std::fs::write(&path, content).unwrap();
            assert_eq!(Numbering::open(dir.path()).take(), 1, "{content}");
        }
        std::fs::remove_file(&path).unwrap();
        std::os::unix::fs::symlink(dir.path().join("elsewhere"), &path).unwrap();
        assert_eq!(Numbering::open(dir.path()).take(), 1);
        assert!(!dir.path().join("elsewhere").exists());
    }
}
