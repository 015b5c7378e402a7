//! The history of samples: a bounded list, and its drawing as a sparkline.

use alloc::string::String;
use alloc::vec::Vec;

use crate::domain::PersistedStats;

/// Heights of a sparkline, lowest first.
const BLOCKS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// What stands where there is no sample.
const GAP: char = ' ';

/// Appends `sample`, and drops the oldest ones beyond `capacity`.
pub fn push(history: &mut Vec<PersistedStats>, sample: PersistedStats, capacity: usize) {
    history.push(sample);
    let surplus = history.len().saturating_sub(capacity);
    history.drain(..surplus);
}

/// Returns `values` as block characters, at most `width` of them.
///
/// Where there are more values than characters, each character shows the largest of its share, so that a spike
/// stays visible. The heights span from the lowest value to the highest; equal values draw low.
#[must_use]
pub fn sparkline(values: &[u64], width: usize) -> String {
    let present: Vec<Option<u64>> = values.iter().copied().map(Some).collect();
    sparkline_with_gaps(&present, width)
}

/// Returns `values` as [`sparkline`] does, with a blank for each share that has no value at all.
#[must_use]
pub fn sparkline_with_gaps(values: &[Option<u64>], width: usize) -> String {
    let width = width.min(values.len());
    let share = |index: usize| index * values.len() / width;
    let reduced: Vec<Option<u64>> = (0..width)
        .map(|index| values[share(index)..share(index + 1)].iter().flatten().copied().max())
        .collect();
    let lowest = reduced.iter().flatten().min().copied().unwrap_or(0);
    let span = reduced.iter().flatten().max().copied().unwrap_or(0) - lowest;
    let block = |value: Option<u64>| match value {
        Some(value) if span > 0 => {
            let step = u128::from(value - lowest) * (BLOCKS.len() as u128 - 1) / u128::from(span);
            BLOCKS[usize::try_from(step).unwrap_or(0)]
        }
        Some(_) => BLOCKS[0],
        None => GAP,
    };
    reduced.into_iter().map(block).collect()
}

/// Returns one value per `period_ms` of `samples`, none where no sample was taken in it: the input of
/// [`sparkline_with_gaps`].
///
/// Samples without a time, and those that are not in order, are taken to follow the one before after one period. A
/// pause longer than `most` periods is drawn as `most` blanks.
#[must_use]
pub fn with_gaps(
    samples: &[PersistedStats],
    period_ms: u64,
    most: usize,
    value: impl Fn(&PersistedStats) -> Option<u64>,
) -> Vec<Option<u64>> {
    let mut drawn = Vec::with_capacity(samples.len());
    let mut before: Option<u64> = None;
    for sample in samples {
        if let (Some(before), Some(now)) = (before, sample.at_ms) {
            let periods = now.saturating_sub(before).saturating_add(period_ms / 2) / period_ms.max(1);
            let missed = usize::try_from(periods.saturating_sub(1)).unwrap_or(usize::MAX);
            drawn.extend(core::iter::repeat_n(None, missed.min(most)));
        }
        before = sample.at_ms;
        drawn.push(value(sample));
    }
    drawn
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    #[test]
    fn a_sparkline_shows_the_shape() {
        insta::assert_snapshot!(sparkline(&[0, 1, 2, 3, 4, 5, 6, 7], 8), @"▁▂▃▄▅▆▇█");
        insta::assert_snapshot!(sparkline(&[5, 5, 5], 8), @"▁▁▁");
        insta::assert_snapshot!(sparkline(&[0, 0, 9, 0, 0, 0, 0, 0], 4), @"▁█▁▁");
        assert_eq!(sparkline(&[], 8), "");
        assert_eq!(sparkline(&[1, 2], 0), "");
        assert_eq!(sparkline(&[0, u64::MAX], 2), "▁█");
    }

    #[test]
    fn a_pause_is_drawn_as_a_gap() {
        let at = |at_ms, uptime_ms| PersistedStats { at_ms, uptime_ms, ..PersistedStats::default() };
        let samples =
            [at(Some(1_000), 1), at(Some(2_000), 2), at(Some(5_000), 3), at(Some(900_000), 4), at(None, 5)];
        let values = with_gaps(&samples, 1_000, 3, |sample| Some(sample.uptime_ms));
        assert_eq!(values, vec![Some(1), Some(2), None, None, Some(3), None, None, None, Some(4), Some(5)]);
        insta::assert_snapshot!(sparkline_with_gaps(&values, 10), @"▁▂  ▄   ▆█");
    }

    #[test]
    fn a_history_keeps_the_newest() {
        let mut history = Vec::new();
        for uptime_ms in 0..20 {
            push(&mut history, PersistedStats { uptime_ms, ..PersistedStats::default() }, 16);
        }
        assert_eq!((history.len(), history[0].uptime_ms, history[15].uptime_ms), (16, 4, 19));
    }
}
