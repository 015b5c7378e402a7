//! Capped exponential back-off with jitter, in integers.

/// The delays of one unit: base, cap and jitter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    /// Delay before the first restart in milliseconds.
    pub base_ms: u64,
    /// Longest delay in milliseconds, jitter included.
    pub cap_ms: u64,
    /// Whether delays are spread.
    pub jitter: bool,
}

/// A run of at least this many milliseconds is stable whatever the delay was.
const STABLE_FLOOR_MS: u64 = 10_000;

impl Backoff {
    /// Returns the delay in milliseconds before restart number `attempt`, counted from 0.
    ///
    /// With jitter, up to a fifth is taken off, chosen by `random`; the cap stays a promise.
    #[must_use]
    pub fn delay_ms(&self, attempt: u32, random: u64) -> u64 {
        let doubled =
            1_u64.checked_shl(attempt).map_or(u64::MAX, |factor| self.base_ms.saturating_mul(factor));
        let delay = doubled.min(self.cap_ms);
        if self.jitter { delay - random % (delay / 5 + 1) } else { delay }
    }

    /// Returns how long a run must last, in milliseconds, for the next failure to count as a first one.
    ///
    /// `stable_ms` is the user's own figure; 0 leaves it to the delay.
    #[must_use]
    pub fn stable_after_ms(&self, attempt: u32, stable_ms: u64) -> u64 {
        if stable_ms > 0 {
            return stable_ms;
        }
        let without_jitter = Self { jitter: false, ..*self };
        without_jitter.delay_ms(attempt, 0).saturating_mul(5).max(STABLE_FLOOR_MS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;
    use proptest::prelude::*;

    #[test]
    fn delays_double_up_to_the_cap() {
        let backoff = Backoff { base_ms: 200, cap_ms: 3_000, jitter: false };
        let delays: Vec<u64> = (0..7).map(|n| backoff.delay_ms(n, 99)).collect();
        assert_eq!(delays, [200, 400, 800, 1600, 3000, 3000, 3000]);
    }

    #[test]
    fn a_run_is_stable_after_ten_seconds_or_five_delays() {
        let backoff = Backoff { base_ms: 200, cap_ms: 30_000, jitter: true };
        assert_eq!(backoff.stable_after_ms(0, 0), 10_000);
        assert_eq!(backoff.stable_after_ms(9, 0), 150_000);
        assert_eq!(backoff.stable_after_ms(9, 1_500), 1_500);
    }

    proptest! {
        #[test]
        fn jitter_takes_at_most_a_fifth_and_never_exceeds_the_cap(
            base_ms in 0_u64..100_000, cap_ms in 0_u64..100_000, attempt in 0_u32..200, random: u64,
        ) {
            let plain = Backoff { base_ms, cap_ms, jitter: false }.delay_ms(attempt, random);
            let spread = Backoff { base_ms, cap_ms, jitter: true }.delay_ms(attempt, random);
            prop_assert!(spread <= plain && plain <= cap_ms);
            prop_assert!(spread >= plain - plain / 5);
        }
    }
}
