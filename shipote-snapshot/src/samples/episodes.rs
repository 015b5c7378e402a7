//! The history of a workspace as the times in which it was seen to run: where one begins, and whether the workspace was started
//! there or only nobody looked before.

use alloc::vec::Vec;
use core::ops::Range;

use serde::Serialize;

use super::{PERIOD_MS, Point};

/// Periods without a sample that are taken for a busy sampler rather than a pause.
const MISSED: u64 = 5;

/// A time without a pause and without a restart in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Episode {
    /// When it begins, in milliseconds since the Unix epoch.
    pub from_ms: u64,
    /// When its last sample was taken, in milliseconds since the Unix epoch.
    pub to_ms: u64,
    /// Why it does not go on from the one before.
    pub begin: Begin,
    /// Its points, by their positions.
    pub points: Range<usize>,
}

/// How an episode begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Begin {
    /// With the first sample of all.
    First,
    /// The workspace was started (again): it is younger than its last sample is old.
    Restart,
    /// The same life goes on after a time of which nothing is told.
    Pause,
}

/// Parts the points of one workspace, which are in the order of their times, into episodes.
#[must_use]
pub fn episodes(points: &[Point]) -> Vec<Episode> {
    let mut episodes: Vec<Episode> = Vec::new();
    for (index, point) in points.iter().enumerate() {
        let begin = match index.checked_sub(1).map(|before| &points[before]) {
            None => Some(Begin::First),
            Some(before) => parted(before, point),
        };
        match (begin, episodes.last_mut()) {
            (None, Some(episode)) => {
                episode.to_ms = point.at_ms;
                episode.points.end = index + 1;
            }
            (begin, _) => episodes.push(Episode {
                from_ms: point.from_ms(),
                to_ms: point.at_ms,
                begin: begin.unwrap_or(Begin::First),
                points: index..index + 1,
            }),
        }
    }
    episodes
}

/// Tells what lies between two points, if anything does.
fn parted(before: &Point, after: &Point) -> Option<Begin> {
    let elapsed_ms = after.at_ms.saturating_sub(before.at_ms);
    // A life that is younger now than it was, or than the time that has passed, is another one.
    let is_restarted = after.stats.uptime_ms < before.stats.uptime_ms
        || after.stats.uptime_ms + MISSED * PERIOD_MS < elapsed_ms;
    let missing_ms = after.from_ms().saturating_sub(before.at_ms);
    let is_paused = missing_ms > (MISSED * PERIOD_MS).max(before.span_ms.min(after.span_ms));
    match (is_restarted, is_paused) {
        (true, _) => Some(Begin::Restart),
        (false, true) => Some(Begin::Pause),
        (false, false) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::sample;
    use super::super::{MINUTE_MS, thin};
    use super::*;
    use alloc::vec;

    /// A sample at a second, of a workspace that was started at another one.
    fn at(second: u64, started: u64) -> Point {
        let mut point = sample(second * 1_000, 1);
        point.stats.uptime_ms = (second - started) * 1_000;
        point
    }

    fn told(points: &[Point]) -> Vec<(Begin, Range<usize>)> {
        episodes(points).into_iter().map(|episode| (episode.begin, episode.points)).collect()
    }

    #[test]
    fn restarts_and_pauses_part_episodes() {
        let points =
            [at(100, 90), at(101, 90), at(103, 90), at(104, 104), at(105, 104), at(300, 104), at(301, 104)];
        assert_eq!(told(&points), [(Begin::First, 0..3), (Begin::Restart, 3..5), (Begin::Pause, 5..7)]);
        assert_eq!(episodes(&points)[1].from_ms, 103_000);
        // It was older when it was last seen, but not as old as that is long ago.
        assert_eq!(told(&[at(100, 99), at(500, 400)])[1].0, Begin::Restart);
        assert_eq!(episodes(&[]), []);
    }

    #[test]
    fn joined_points_have_no_pauses_between_them() {
        let points: Vec<Point> = (60..600).map(|second| at(second, 60)).collect();
        let joined = thin(points, MINUTE_MS);
        assert_eq!(told(&joined), vec![(Begin::First, 0..9)]);
        let with_a_pause: Vec<Point> =
            joined.iter().enumerate().filter(|(index, _)| *index != 4).map(|(_, point)| *point).collect();
        assert_eq!(told(&with_a_pause), [(Begin::First, 0..4), (Begin::Pause, 4..8)]);
    }
}
