//! The lines of `stats.journal` as they are written, each an object with named fields.

use alloc::string::String;

use shipote_card::WorkspaceId;

use super::{Extremes, Point, SAMPLES_VERSION};
use crate::domain::PersistedStats;
use crate::journal::{self, checksum};
use crate::source;

/// Longest line of a point, in bytes: every number as long as it can be.
pub const LINE_MAX: usize = 768;

wire_struct! {
    /// The first line.
    pub struct Header {
        /// 1.
        stats: u16,
        /// When the file was begun, in milliseconds since the Unix epoch.
        at_ms: u64,
    }
}

wire_struct! {
    /// Any other line.
    pub struct Form {
        /// ULID.
        workspace: WorkspaceId,
        /// When the last of its samples was taken, in milliseconds since the Unix epoch.
        at_ms: u64,
        /// Commands that run.
        commands_alive: u32,
        /// Commands that are declared.
        commands_total: u32,
        /// Resident memory in bytes.
        rss_bytes: Option<u64> => None,
        /// Highest resident memory in bytes.
        rss_peak_bytes: Option<u64> => None,
        /// Processor time in microseconds.
        cpu_usec: Option<u64> => None,
        /// Processor use in percent of one processor.
        cpu_percent: Option<f64> => None,
        /// Processors of the host.
        cpu_cores: u32,
        /// Age of the workspace in milliseconds.
        uptime_ms: u64,
        /// Length in milliseconds of the stretch that it stands for.
        span_ms: u64 => 0,
        /// Samples that it was made of.
        samples: u32 => 1,
        /// The lowest values of them.
        low: Option<Bounds> => None,
        /// The highest values of them.
        high: Option<Bounds> => None,
    }
}

wire_struct! {
    /// The lowest or highest values of a stretch of time.
    pub struct Bounds {
        /// Commands that ran.
        commands_alive: u32,
        /// Resident memory in bytes.
        rss_bytes: Option<u64> => None,
        /// Processor use in percent of one processor.
        cpu_percent: Option<f64> => None,
    }
}

/// What a line is.
#[expect(clippy::large_enum_variant, reason = "nearly all lines are points, and each is taken apart at once")]
pub(super) enum Line {
    Header,
    /// A header of a version that is not known yet.
    Newer(u64),
    Point(Point),
}

/// Returns the line that begins a file.
#[must_use]
pub fn header(at_ms: u64) -> String {
    journal::line(&Header { stats: SAMPLES_VERSION, at_ms })
}

/// Tells a file of samples by how it begins.
#[must_use]
pub fn is_samples(bytes: &[u8]) -> bool {
    let json = bytes.get(checksum::LEN..).unwrap_or_default();
    let begins = |key: &str| json.starts_with(key.as_bytes());
    crate::gather::is_journal(bytes) && (begins("{\"stats\":") || begins("{\"workspace\":"))
}

pub(super) fn encode(point: &Point) -> String {
    let Point { workspace, at_ms, stats, span_ms, samples, low, high } = *point;
    let bounds = |extremes: Extremes| (span_ms > 0).then(|| Bounds::from(extremes));
    journal::line(&Form {
        workspace,
        at_ms,
        commands_alive: stats.commands_alive,
        commands_total: stats.commands_total,
        rss_bytes: stats.rss_bytes,
        rss_peak_bytes: stats.rss_peak_bytes,
        cpu_usec: stats.cpu_usec,
        cpu_percent: stats.cpu_percent,
        cpu_cores: stats.cpu_cores,
        uptime_ms: stats.uptime_ms,
        span_ms,
        samples,
        low: bounds(low),
        high: bounds(high),
    })
}

/// Reads a line with its line feed; none where it is not exactly what is written.
pub(super) fn decode(line: &[u8]) -> Option<Line> {
    let (_, json) = checksum::split(line.strip_suffix(b"\n")?)?;
    let text = core::str::from_utf8(json).ok()?;
    if let Some(form) = source::read::<Form>(text) {
        return point(form).map(Line::Point);
    }
    if let Some(Header { stats: 1..=SAMPLES_VERSION, .. }) = source::read(text) {
        return Some(Line::Header);
    }
    let number = json.strip_prefix(b"{\"stats\":")?;
    let digits = number.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let version = core::str::from_utf8(&number[..digits]).ok()?.parse().ok()?;
    (version > u64::from(SAMPLES_VERSION)).then_some(Line::Newer(version))
}

fn point(form: Form) -> Option<Point> {
    let stats = PersistedStats {
        at_ms: Some(form.at_ms),
        commands_alive: form.commands_alive,
        commands_total: form.commands_total,
        rss_bytes: form.rss_bytes,
        rss_peak_bytes: form.rss_peak_bytes,
        cpu_usec: form.cpu_usec,
        cpu_percent: form.cpu_percent,
        cpu_cores: form.cpu_cores,
        uptime_ms: form.uptime_ms,
    };
    let single = Point::single(form.workspace, stats)?;
    match (form.span_ms, form.low, form.high) {
        (0, None, None) if form.samples == 1 => Some(single),
        (span_ms, Some(low), Some(high)) if span_ms > 0 && form.samples > 0 => {
            Some(Point { span_ms, samples: form.samples, low: low.into(), high: high.into(), ..single })
        }
        _ => None,
    }
}

impl From<Bounds> for Extremes {
    fn from(Bounds { commands_alive, rss_bytes, cpu_percent }: Bounds) -> Self {
        Self { commands_alive, rss_bytes, cpu_percent }
    }
}

impl From<Extremes> for Bounds {
    fn from(Extremes { commands_alive, rss_bytes, cpu_percent }: Extremes) -> Self {
        Self { commands_alive, rss_bytes, cpu_percent }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_line_is_longer_than_the_longest() {
        let stats = PersistedStats {
            at_ms: Some(u64::MAX),
            commands_alive: u32::MAX,
            commands_total: u32::MAX,
            rss_bytes: Some(u64::MAX),
            rss_peak_bytes: Some(u64::MAX),
            cpu_usec: Some(u64::MAX),
            // As long as a number of this type is written.
            cpu_percent: Some(-2.225_073_858_507_201e-308),
            cpu_cores: u32::MAX,
            uptime_ms: u64::MAX,
        };
        let single = Point::single(WorkspaceId::from_parts(u64::MAX, u128::MAX), stats).unwrap();
        let longest = Point { span_ms: u64::MAX, samples: u32::MAX, ..single };
        assert!(encode(&longest).len() <= LINE_MAX, "{}", encode(&longest).len());
        assert!(matches!(decode(encode(&longest).as_bytes()), Some(Line::Point(read)) if read == longest));
    }

    #[test]
    fn a_file_of_samples_is_no_journal_of_changes() {
        assert!(is_samples(header(1).as_bytes()));
        assert!(!is_samples(b"f21d9a10 {\"journal\":1}\n"));
        assert!(!is_samples(b"{\"version\":5}"));
        assert!(!is_samples(b""));
    }
}
