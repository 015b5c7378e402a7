//! The course of a value over time, as equal stretches of it: the input of a sparkline, on the page and in a terminal.

use alloc::vec;
use alloc::vec::Vec;

use super::Point;

/// Returns the highest value in each of `width` equal stretches from `from_ms` to `to_ms`, none where nothing was
/// sampled.
///
/// A point counts in all stretches that it tells of, so that points of a quarter of an hour leave no gaps in a course of
/// finer stretches.
#[must_use]
pub fn course(
    points: &[Point],
    from_ms: u64,
    to_ms: u64,
    width: usize,
    value: impl Fn(&Point) -> Option<u64>,
) -> Vec<Option<u64>> {
    let mut stretches: Vec<Option<u64>> = vec![None; width];
    let Some(last) = width.checked_sub(1) else { return stretches };
    let length = u128::from(to_ms.saturating_sub(from_ms)).max(1);
    let place = |at_ms: u64| {
        let place = u128::from(at_ms.saturating_sub(from_ms)) * width as u128 / length;
        usize::try_from(place).unwrap_or(last).min(last)
    };
    for point in points.iter().filter(|point| point.at_ms >= from_ms && point.from_ms() <= to_ms) {
        if let Some(value) = value(point) {
            for stretch in &mut stretches[place(point.from_ms())..=place(point.at_ms)] {
                *stretch = (*stretch).max(Some(value));
            }
        }
    }
    stretches
}

#[cfg(test)]
mod tests {
    use super::super::tests::sample;
    use super::super::{MINUTE_MS, thin};
    use super::*;
    use crate::history::sparkline_with_gaps;

    #[test]
    fn a_pause_is_a_gap_as_long_as_it_was() {
        let points: Vec<Point> =
            [0, 1, 2, 3, 10, 11].map(|second| sample(100_000 + second * 1_000, second)).into_iter().collect();
        let drawn = course(&points, 100_000, 112_000, 12, |point| point.high.rss_bytes);
        insta::assert_snapshot!(sparkline_with_gaps(&drawn, 12), @"▁▁▂▂     ▇██");
        assert_eq!(course(&points, 0, 0, 0, |point| point.high.rss_bytes), []);
    }

    #[test]
    fn a_point_of_a_minute_fills_its_minute() {
        let points = thin(vec![sample(59_000, 7), sample(130_000, 9)], MINUTE_MS);
        let drawn = course(&points, 0, 180_000, 9, |point| point.high.rss_bytes);
        assert_eq!(drawn, [Some(7), Some(7), Some(7), None, None, None, Some(9), None, None]);
    }
}
