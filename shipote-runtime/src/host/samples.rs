//! `stats.journal`: samples that survive a restart, appended beside the state and never in its way.
//!
//! A line is `<crc32 hex8> <json>`. Lines are not synced: a power cut may cost the newest. Damaged lines are
//! skipped. A file that has grown to [`ROTATE_BYTES`] becomes `stats.journal.1`, which replaces the one before.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use shipote_card::WorkspaceId;

use crate::view::WorkspaceStats;

/// Size in bytes at which the journal is rotated; with the older file, at most twice this is kept.
pub const ROTATE_BYTES: u64 = 32 << 20;

/// One line of the journal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SampleLine {
    /// The workspace that was sampled.
    pub workspace: WorkspaceId,
    /// The sample.
    #[serde(flatten)]
    pub stats: WorkspaceStats,
}

/// The journal, open for appending.
#[derive(Debug)]
pub struct SampleJournal {
    path: PathBuf,
    file: File,
    size: u64,
}

impl SampleJournal {
    /// Opens the journal of a state directory.
    ///
    /// # Errors
    ///
    /// Returns the kernel's error.
    pub fn open(state_dir: &Path) -> io::Result<Self> {
        let path = state_dir.join("stats.journal");
        let mut options = File::options();
        let flags = libc::O_NOFOLLOW | libc::O_NONBLOCK;
        let file = options.append(true).create(true).mode(0o600).custom_flags(flags).open(&path)?;
        let metadata = file.metadata()?;
        if !metadata.is_file() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "is not a regular file"));
        }
        Ok(Self { path, file, size: metadata.len() })
    }

    /// Appends samples.
    ///
    /// # Errors
    ///
    /// Returns the kernel's error; the samples are lost then, and nothing else.
    pub fn append(&mut self, lines: &[SampleLine]) -> io::Result<()> {
        let mut text = String::new();
        for line in lines {
            let json = serde_json::to_string(line)?;
            text.push_str(&format!("{:08x} {json}\n", crc32fast::hash(json.as_bytes())));
        }
        self.file.write_all(text.as_bytes())?;
        self.size += text.len() as u64;
        if self.size >= ROTATE_BYTES {
            fs::rename(&self.path, self.path.with_extension("journal.1"))?;
            let state_dir = self.path.parent().unwrap_or(Path::new(".")).to_owned();
            *self = Self::open(&state_dir)?;
        }
        Ok(())
    }
}

/// Reads the newest `keep` samples per workspace, oldest first.
#[must_use]
pub fn read(state_dir: &Path, keep: usize) -> HashMap<WorkspaceId, Vec<WorkspaceStats>> {
    let mut found: HashMap<WorkspaceId, Vec<WorkspaceStats>> = HashMap::new();
    for name in ["stats.journal.1", "stats.journal"] {
        let Ok(text) = fs::read(state_dir.join(name)) else { continue };
        for line in text.split(|byte| *byte == b'\n').filter_map(parse) {
            found.entry(line.workspace).or_default().push(line.stats);
        }
    }
    for samples in found.values_mut() {
        let surplus = samples.len().saturating_sub(keep);
        samples.drain(..surplus);
    }
    found
}

fn parse(line: &[u8]) -> Option<SampleLine> {
    let (crc, json) = line.split_at_checked(9)?;
    let crc = u32::from_str_radix(std::str::from_utf8(&crc[..8]).ok()?, 16).ok()?;
    (crc == crc32fast::hash(json)).then(|| serde_json::from_slice(json).ok())?
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::StatsSource;

    fn sample(at_ms: u64) -> SampleLine {
        let source = StatsSource { memory: "proc".into(), cpu: "cgroup".into() };
        let stats = WorkspaceStats {
            at_ms: Some(at_ms),
            commands_alive: 1,
            commands_total: 1,
            rss_bytes: Some(4096),
            rss_peak_bytes: None,
            cpu_usec: Some(10),
            cpu_percent: Some(0.25),
            cpu_cores: 2,
            uptime_ms: 5,
            source,
        };
        SampleLine { workspace: WorkspaceId::from_parts(1, 1), stats }
    }

    #[test]
    fn a_torn_or_damaged_line_costs_only_itself() {
        let dir = tempfile::tempdir().unwrap();
        let mut journal = SampleJournal::open(dir.path()).unwrap();
        journal.append(&[sample(1), sample(2), sample(3)]).unwrap();
        let path = dir.path().join("stats.journal");
        let mut bytes = fs::read(&path).unwrap();
        let second = bytes.len() / 3 + 20;
        bytes[second] ^= 1;
        bytes.extend_from_slice(b"12345678 {\"works");
        fs::write(&path, bytes).unwrap();
        let samples = read(dir.path(), 10).remove(&WorkspaceId::from_parts(1, 1)).unwrap();
        assert_eq!(samples.iter().map(|stats| stats.at_ms).collect::<Vec<_>>(), [Some(1), Some(3)]);
        assert_eq!(read(dir.path(), 1).values().next().unwrap().len(), 1);
    }
}
