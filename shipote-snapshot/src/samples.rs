//! `stats.journal`: what workspaces have cost, as values and as bytes.
//!
//! A line is `<crc32, 8 digits of lower-case hexadecimal> <json>\n`, as in `state.journal`: a header, then points in the
//! order of their times. A point is one sample, or several that became one when they were old enough ([`fold`]).
//! Samples are no declared state: a line that is damaged costs that line, and nothing else.

mod course;
mod episodes;
mod judge;
mod line;
mod tiers;

use alloc::string::String;
use alloc::vec::Vec;

use shipote_card::WorkspaceId;

pub use course::course;
pub use episodes::{Begin, Episode, episodes};
pub use judge::{SamplesReport, judge};
pub use line::{LINE_MAX, header, is_samples};
pub use tiers::{KEPT_MS, MINUTE_MS, MINUTES_KEPT_MS, QUARTER_MS, SINGLE_KEPT_MS, fold, thin};

use crate::domain::PersistedStats;
use line::Line;

/// The newest version of the format: what is written, and the newest that is read.
pub const SAMPLES_VERSION: u16 = 1;

/// Time between two samples of a workspace, in milliseconds.
pub const PERIOD_MS: u64 = 1_000;

/// What a workspace cost at a moment, or on average over a stretch of time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Point {
    /// Which workspace.
    pub workspace: WorkspaceId,
    /// When the last of its samples was taken, in milliseconds since the Unix epoch.
    pub at_ms: u64,
    /// The sample. Of several: the means of memory, processor use and commands that run, the highest peak, and the last
    /// value of everything else.
    pub stats: PersistedStats,
    /// Length of the stretch in milliseconds, which begins at a multiple of it; 0 for a single sample.
    pub span_ms: u64,
    /// Samples that it was made of, from 1.
    pub samples: u32,
    /// The lowest values of them.
    pub low: Extremes,
    /// The highest values of them.
    pub high: Extremes,
}

/// The lowest or the highest values of a stretch of time.
#[derive(Debug, Clone, Copy, Default, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Extremes {
    /// Commands that ran.
    pub commands_alive: u32,
    /// Resident memory in bytes.
    pub rss_bytes: Option<u64>,
    /// Processor use in percent of one processor.
    pub cpu_percent: Option<f64>,
}

impl Extremes {
    /// Returns the values of one sample.
    #[must_use]
    pub const fn of(stats: &PersistedStats) -> Self {
        Self {
            commands_alive: stats.commands_alive,
            rss_bytes: stats.rss_bytes,
            cpu_percent: stats.cpu_percent,
        }
    }
}

impl Point {
    /// Makes a point of one sample; none where the sample has no time.
    #[must_use]
    pub fn single(workspace: WorkspaceId, stats: PersistedStats) -> Option<Self> {
        let extremes = Extremes::of(&stats);
        let at_ms = stats.at_ms?;
        Some(Self { workspace, at_ms, stats, span_ms: 0, samples: 1, low: extremes, high: extremes })
    }

    /// Returns its line.
    #[must_use]
    pub fn encode(&self) -> String {
        line::encode(self)
    }

    /// Returns the moment from which it tells, in milliseconds since the Unix epoch.
    #[must_use]
    pub const fn from_ms(&self) -> u64 {
        match self.at_ms.checked_rem(self.span_ms) {
            Some(within) => self.at_ms - within,
            None => self.at_ms.saturating_sub(PERIOD_MS),
        }
    }
}

/// What a file of samples holds.
#[derive(Debug, Clone, PartialEq)]
pub struct Samples {
    /// Its points, in the order of the file.
    pub points: Vec<Point>,
    /// Lines that are not what was written, each by its number from 1, its offset and its length in bytes.
    pub damaged: Vec<Damaged>,
    /// Its version, where it is above [`SAMPLES_VERSION`]: nothing of it is read then.
    pub newer: Option<u64>,
}

/// A line that is not what was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Damaged {
    /// Where it begins, in bytes.
    pub offset: usize,
    /// Its length in bytes.
    pub len: usize,
    /// Whether it is the last one and has no end: a write that was interrupted, and no damage.
    pub is_torn: bool,
}

/// Reads a file of samples. It may begin in the middle of a line.
#[must_use]
pub fn read(bytes: &[u8]) -> Samples {
    let mut samples = Samples { points: Vec::new(), damaged: Vec::new(), newer: None };
    let mut offset = 0;
    for text in bytes.split_inclusive(|byte| *byte == b'\n') {
        match line::decode(text) {
            Some(Line::Point(point)) => samples.points.push(point),
            Some(Line::Header) => {}
            Some(Line::Newer(version)) => {
                return Samples { points: Vec::new(), damaged: Vec::new(), newer: Some(version) };
            }
            None => {
                let is_torn = !text.ends_with(b"\n");
                samples.damaged.push(Damaged { offset, len: text.len(), is_torn });
            }
        }
        offset += text.len();
    }
    samples
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    pub(super) fn sample(at_ms: u64, rss: u64) -> Point {
        let stats = PersistedStats {
            at_ms: Some(at_ms),
            commands_alive: 1,
            commands_total: 2,
            rss_bytes: Some(rss),
            rss_peak_bytes: Some(rss),
            cpu_usec: Some(at_ms / 10),
            cpu_percent: Some(0.25),
            cpu_cores: 2,
            uptime_ms: at_ms,
        };
        Point::single(WorkspaceId::from_parts(1, 1), stats).unwrap()
    }

    fn file(points: &[Point]) -> String {
        let lines: Vec<String> = points.iter().map(Point::encode).collect();
        [header(0), lines.concat()].concat()
    }

    #[test]
    fn a_file_is_lines_that_can_be_read() {
        let several = thin(vec![sample(60_000, 4096), sample(61_000, 8192)], MINUTE_MS);
        let points = [vec![sample(1_000, 4096)], several].concat();
        let text = file(&points);
        insta::assert_snapshot!(text, @r#"
        21460fa8 {"stats":1,"at_ms":0}
        731e92a6 {"workspace":"00000000010000000000000001","at_ms":1000,"commands_alive":1,"commands_total":2,"rss_bytes":4096,"rss_peak_bytes":4096,"cpu_usec":100,"cpu_percent":0.25,"cpu_cores":2,"uptime_ms":1000}
        f5519f83 {"workspace":"00000000010000000000000001","at_ms":61000,"commands_alive":1,"commands_total":2,"rss_bytes":6144,"rss_peak_bytes":8192,"cpu_usec":6100,"cpu_percent":0.25,"cpu_cores":2,"uptime_ms":61000,"span_ms":60000,"samples":2,"low":{"commands_alive":1,"rss_bytes":4096,"cpu_percent":0.25},"high":{"commands_alive":1,"rss_bytes":8192,"cpu_percent":0.25}}
        "#);
        let samples = read(text.as_bytes());
        assert_eq!((samples.points, samples.damaged, samples.newer), (points, vec![], None));
    }

    #[test]
    fn a_damaged_line_costs_only_itself_wherever_it_is_damaged() {
        let points = [sample(1_000, 1), sample(2_000, 2), sample(3_000, 3)];
        let text = file(&points);
        let begin = text.match_indices('\n').nth(1).unwrap().0 + 1;
        let end = text.match_indices('\n').nth(2).unwrap().0;
        for at in begin..end {
            for bit in 0..8 {
                let mut bytes = text.clone().into_bytes();
                bytes[at] ^= 1 << bit;
                let samples = read(&bytes);
                // A bit can make a line feed of another byte, and two damaged lines of one.
                assert!(matches!(samples.damaged.len(), 1 | 2), "byte {at}, bit {bit}: {samples:?}");
                assert_eq!(samples.points, [points[0], points[2]], "byte {at}, bit {bit}");
            }
        }
    }

    #[test]
    fn every_prefix_holds_the_points_that_are_whole() {
        let points = [sample(1_000, 1), sample(2_000, 2), sample(3_000, 3)];
        let text = file(&points);
        for cut in 0..text.len() {
            let samples = read(&text.as_bytes()[..cut]);
            let whole = text[..cut].matches('\n').count().saturating_sub(1);
            assert_eq!(samples.points, points[..whole], "cut at {cut}");
            assert!(samples.damaged.iter().all(|damaged| damaged.is_torn), "cut at {cut}");
        }
    }

    #[test]
    fn a_newer_file_is_not_read() {
        let newer = header(0).replace("\"stats\":1", "\"stats\":2");
        let json = &newer[9..newer.len() - 1];
        let text = alloc::format!("{:08x} {json}\n", crc32fast::hash(json.as_bytes()));
        assert_eq!(read(text.as_bytes()).newer, Some(2));
    }
}
