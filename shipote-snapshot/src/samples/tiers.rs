//! Old samples take less room: what was single becomes one point a minute, later one a quarter of an hour, with the
//! lowest, mean and highest values of each.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use shipote_card::WorkspaceId;

use super::{Extremes, Point};
use crate::domain::{PersistedStats, WRITTEN_SAMPLES};

/// How long single samples are kept, in milliseconds: an hour.
pub const SINGLE_KEPT_MS: u64 = 3_600_000;
/// Length of the first stretches that samples are joined over, in milliseconds.
pub const MINUTE_MS: u64 = 60_000;
/// How long points of a minute are kept, in milliseconds: two days.
pub const MINUTES_KEPT_MS: u64 = 2 * 86_400_000;
/// Length of the second stretches, in milliseconds.
pub const QUARTER_MS: u64 = 900_000;
/// How long anything is kept, in milliseconds: thirty days.
pub const KEPT_MS: u64 = 30 * 86_400_000;

/// How often the times of keeping are halved, at most, where there are too many points.
const HALVINGS: u32 = 12;

/// Joins what is old enough at `now_ms` and drops what is too old, down to at most `most` points.
///
/// A stretch is joined when all of it is old enough. The newest [`WRITTEN_SAMPLES`] of each workspace stay as they are,
/// unless they are too old. Where there are more than `most`, everything is joined earlier, and as a last resort the
/// oldest points are dropped. Doing it twice is the same as doing it once. The points returned are in the order of their
/// times.
#[must_use]
pub fn fold(points: Vec<Point>, now_ms: u64, most: usize) -> Vec<Point> {
    let mut folded = points;
    folded.retain(|point| now_ms.saturating_sub(point.at_ms) <= KEPT_MS);
    for halvings in 0..=HALVINGS {
        folded = joined(folded, now_ms, halvings);
        if folded.len() <= most {
            break;
        }
    }
    // So many workspaces that the samples of one stretch are too many: it is joined before it is over, and what comes
    // later in it is joined to that.
    for span_ms in [MINUTE_MS, QUARTER_MS] {
        if folded.len() > most {
            folded = thin(folded, span_ms);
        }
    }
    let surplus = folded.len().saturating_sub(most);
    folded.drain(..surplus);
    folded
}

fn joined(points: Vec<Point>, now_ms: u64, halvings: u32) -> Vec<Point> {
    let single_ms = SINGLE_KEPT_MS >> halvings;
    let minutes_ms = MINUTES_KEPT_MS >> halvings;
    let old_enough = |point: &Point, span_ms: u64, kept_ms: u64| {
        let begin = point.at_ms - point.at_ms % span_ms;
        now_ms.checked_sub(kept_ms).is_some_and(|limit| begin.saturating_add(span_ms) <= limit)
    };
    let is_kept_whole = |rank: usize| halvings == 0 && rank < WRITTEN_SAMPLES;
    join(points, |rank, point| match point.span_ms {
        0 if is_kept_whole(rank) => 0,
        span if span < QUARTER_MS && old_enough(point, QUARTER_MS, minutes_ms) => QUARTER_MS,
        0 if old_enough(point, MINUTE_MS, single_ms) => MINUTE_MS,
        span => span,
    })
}

/// Joins all points over stretches of `span_ms`, which is above 0; longer ones stay as they are.
#[must_use]
pub fn thin(points: Vec<Point>, span_ms: u64) -> Vec<Point> {
    join(points, |_, point| point.span_ms.max(span_ms))
}

/// Joins the points of a workspace that are to stand for the same stretch. `span` says how long that is for a point, from
/// its rank among those of its workspace, the newest first; 0 leaves it alone.
fn join(mut points: Vec<Point>, span: impl Fn(usize, &Point) -> u64) -> Vec<Point> {
    let mut alone = Vec::new();
    let mut stretches: BTreeMap<(WorkspaceId, u64, u64), Mix> = BTreeMap::new();
    let mut ranks: BTreeMap<WorkspaceId, usize> = BTreeMap::new();
    points.sort_by_key(|point| point.at_ms);
    for point in points.iter().rev() {
        let rank = ranks.entry(point.workspace).or_default();
        let span_ms = span(*rank, point);
        *rank += 1;
        match point.at_ms.checked_div(span_ms) {
            None => alone.push(*point),
            Some(stretch) => {
                let key = (point.workspace, span_ms, stretch);
                stretches.entry(key).and_modify(|mix| mix.add(point)).or_insert_with(|| Mix::of(point));
            }
        }
    }
    alone.extend(stretches.into_iter().map(|((_, span_ms, _), mix)| mix.point(span_ms)));
    alone.sort_by_key(|point| (point.at_ms, point.workspace));
    alone
}

/// Points that become one, taken from the newest to the oldest.
struct Mix {
    /// The newest of them, with the extremes of all.
    newest: Point,
    alive: Mean,
    rss: Mean,
    cpu: Mean,
}

impl Mix {
    fn of(point: &Point) -> Self {
        let mut mix =
            Self { newest: *point, alive: Mean::default(), rss: Mean::default(), cpu: Mean::default() };
        mix.weigh(point);
        mix
    }

    fn add(&mut self, older: &Point) {
        self.weigh(older);
        let newest = &mut self.newest;
        newest.samples = newest.samples.saturating_add(older.samples);
        newest.low = extremes(newest.low, older.low, false);
        newest.high = extremes(newest.high, older.high, true);
        newest.stats.rss_peak_bytes = newest.stats.rss_peak_bytes.max(older.stats.rss_peak_bytes);
    }

    fn weigh(&mut self, point: &Point) {
        let PersistedStats { commands_alive, rss_bytes, cpu_percent, .. } = point.stats;
        self.alive.add(Some(f64::from(commands_alive)), point.samples);
        self.rss.add(rss_bytes.map(|bytes| bytes as f64), point.samples);
        self.cpu.add(cpu_percent, point.samples);
    }

    fn point(self, span_ms: u64) -> Point {
        let mut point = Point { span_ms, ..self.newest };
        if point.samples > 1 {
            let stats = &mut point.stats;
            // Nearest whole numbers: casts cut off, and no value here is negative.
            stats.commands_alive = self.alive.value().map_or(0, |mean| (mean + 0.5) as u32);
            stats.rss_bytes = self.rss.value().map(|mean| (mean + 0.5) as u64);
            stats.cpu_percent = self.cpu.value().map(hundredths);
        }
        point
    }
}

/// A mean of values with weights.
#[derive(Default)]
struct Mean {
    sum: f64,
    weight: f64,
}

impl Mean {
    fn add(&mut self, value: Option<f64>, samples: u32) {
        if let Some(value) = value {
            let weight = f64::from(samples);
            self.sum += value * weight;
            self.weight += weight;
        }
    }

    fn value(&self) -> Option<f64> {
        (self.weight > 0.0).then_some(self.sum / self.weight)
    }
}

/// Returns a percentage with two decimals, as samples have it.
fn hundredths(percent: f64) -> f64 {
    let scaled = percent * 100.0;
    // Beyond what a whole number can say, there are no decimals.
    if scaled.abs() < 1e15 {
        (scaled + if scaled < 0.0 { -0.5 } else { 0.5 }) as i64 as f64 / 100.0
    } else {
        percent
    }
}

fn extremes(one: Extremes, other: Extremes, highest: bool) -> Extremes {
    fn pick<T: PartialOrd>(one: Option<T>, other: Option<T>, highest: bool) -> Option<T> {
        match (one, other) {
            (Some(one), Some(other)) => Some(if (one < other) == highest { other } else { one }),
            (one, other) => one.or(other),
        }
    }
    let alive = pick(Some(one.commands_alive), Some(other.commands_alive), highest);
    Extremes {
        commands_alive: alive.unwrap_or_default(),
        rss_bytes: pick(one.rss_bytes, other.rss_bytes, highest),
        cpu_percent: pick(one.cpu_percent, other.cpu_percent, highest),
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::sample;
    use super::*;
    use alloc::vec;
    use proptest::prelude::{Strategy, any, prop, proptest};
    use proptest::test_runner::Config;

    const DAY_MS: u64 = 86_400_000;

    fn shape(points: &[Point]) -> Vec<(u64, u32)> {
        points.iter().map(|point| (point.span_ms, point.samples)).collect()
    }

    #[test]
    fn samples_become_minutes_and_minutes_become_quarters() {
        // A sample a second for twenty minutes, from a full quarter of an hour on.
        let begin = 40 * DAY_MS;
        let points: Vec<Point> =
            (0..1_200).map(|second| sample(begin + second * 1_000, 1_000 + second)).collect();
        let last = begin + 1_199_000;
        let young = fold(points.clone(), last + 60_000, usize::MAX);
        assert_eq!(young, points);
        let hour_old = fold(points.clone(), last + SINGLE_KEPT_MS + MINUTE_MS, usize::MAX);
        assert_eq!(hour_old[0].span_ms, MINUTE_MS);
        assert_eq!((hour_old[0].samples, hour_old[0].stats.rss_bytes), (60, Some(1_030)));
        assert_eq!((hour_old[0].low.rss_bytes, hour_old[0].high.rss_bytes), (Some(1_000), Some(1_059)));
        assert_eq!(hour_old[0].at_ms, begin + 59_000);
        // The newest sixteen are what state.json is written with.
        assert_eq!(shape(&hour_old[19..]), [vec![(MINUTE_MS, 44)], vec![(0, 1); 16]].concat());
        let week_old = fold(hour_old, last + 7 * DAY_MS, usize::MAX);
        assert_eq!(shape(&week_old[..2]), [(QUARTER_MS, 900), (QUARTER_MS, 284)]);
        assert_eq!(week_old[0].stats.rss_bytes, Some(1_450));
        assert_eq!(fold(week_old, last + KEPT_MS + 1, usize::MAX), []);
    }

    #[test]
    fn too_many_points_are_joined_earlier() {
        let begin = 40 * DAY_MS;
        let points: Vec<Point> = (0..3_600).map(|second| sample(begin + second * 1_000, second)).collect();
        let now_ms = begin + 3_600_000;
        assert_eq!(fold(points.clone(), now_ms, usize::MAX).len(), 3_600);
        let folded = fold(points.clone(), now_ms, 1_000);
        assert!(folded.len() <= 1_000, "{}", folded.len());
        assert_eq!(folded.iter().map(|point| point.samples).sum::<u32>(), 3_600);
        // A stretch that is not over yet, too.
        let last_minute = fold(points[3_540..].to_vec(), now_ms - 5_000, 10);
        assert_eq!(shape(&last_minute), [(MINUTE_MS, 60)]);
        assert_eq!(fold(points.clone(), now_ms, 3).len(), 3);
        assert_eq!(fold(points, now_ms, 0), []);
    }

    #[test]
    fn a_clock_that_was_ahead_breaks_nothing() {
        let points = vec![sample(u64::MAX, 1), sample(5, 2), sample(3, 3)];
        let times: Vec<u64> = fold(points, 1_000, usize::MAX).iter().map(|point| point.at_ms).collect();
        assert_eq!(times, [3, 5, u64::MAX]);
    }

    fn any_points() -> impl Strategy<Value = Vec<Point>> {
        let point = (0..40 * DAY_MS, any::<u32>(), 0..3_u128, any::<bool>());
        let point = point.prop_map(|(at_ms, rss, workspace, is_known)| {
            let mut point = sample(at_ms, u64::from(rss));
            point.workspace = WorkspaceId::from_parts(1, workspace);
            if !is_known {
                (point.stats.rss_bytes, point.low.rss_bytes, point.high.rss_bytes) = (None, None, None);
            }
            point
        });
        prop::collection::vec(point, 0..200)
    }

    proptest! {
        #![proptest_config(Config { cases: 64, ..Config::default() })]

        #[test]
        fn folding_twice_is_folding_once_and_loses_no_sample(points in any_points(), most in 1..200_usize) {
            let now_ms = 40 * DAY_MS;
            let recent = points.iter().filter(|point| now_ms - point.at_ms <= KEPT_MS).count() as u32;
            let folded = fold(points.clone(), now_ms, usize::MAX);
            assert_eq!(folded.iter().map(|point| point.samples).sum::<u32>(), recent);
            assert_eq!(fold(folded.clone(), now_ms, usize::MAX), folded);
            let fewer = fold(points.clone(), now_ms, most);
            assert!(fewer.len() <= most);
            assert_eq!(fold(fewer.clone(), now_ms, most), fewer);
            let highest = |points: &[Point]| points.iter().filter_map(|point| point.high.rss_bytes).max();
            let kept: Vec<Point> = points.into_iter().filter(|point| now_ms - point.at_ms <= KEPT_MS).collect();
            assert_eq!(highest(&folded), highest(&kept));
            for point in &folded {
                let within = |low, mean, high| low <= mean && mean <= high;
                assert!(within(point.low.rss_bytes, point.stats.rss_bytes, point.high.rss_bytes), "{point:?}");
            }
        }
    }
}
