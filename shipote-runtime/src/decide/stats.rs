//! From counters to a sample: rates, peaks, and the guard against counters that fall.

/// The counters that a sample is made of, as they were read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Reading {
    /// When they were read, in milliseconds of a clock that never goes back.
    pub at_ms: u64,
    /// Processor time used so far, in microseconds.
    pub cpu_usec: Option<u64>,
    /// Memory now, in bytes.
    pub rss_bytes: Option<u64>,
    /// Most memory that the kernel itself remembers, in bytes.
    pub kernel_peak_bytes: Option<u64>,
}

/// Turns readings into rates and peaks.
#[derive(Debug, Clone, Default)]
pub struct Meter {
    last: Option<Reading>,
    peak_bytes: Option<u64>,
    cpu_total_usec: u64,
}

/// What a reading means.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rates {
    /// Processor time since the meter began, in microseconds; never falls.
    pub cpu_usec: Option<u64>,
    /// Processor use since the reading before, in percent of one processor; none for the first reading.
    pub cpu_percent: Option<f64>,
    /// Memory now, in bytes.
    pub rss_bytes: Option<u64>,
    /// Most memory seen, in bytes.
    pub rss_peak_bytes: Option<u64>,
}

impl Meter {
    /// Takes a reading.
    ///
    /// A counter that is lower than before was made anew (its cgroup was); what it shows now is then all growth.
    pub fn take(&mut self, reading: Reading) -> Rates {
        let growth = reading.cpu_usec.map(|now| {
            let before = self.last.and_then(|last| last.cpu_usec).unwrap_or(0);
            if now >= before { now - before } else { now }
        });
        self.cpu_total_usec = self.cpu_total_usec.saturating_add(growth.unwrap_or(0));
        let cpu_percent = self.last.filter(|last| last.cpu_usec.is_some()).and_then(|last| {
            let elapsed_ms = reading.at_ms.saturating_sub(last.at_ms);
            // Two decimals: tenths of a microsecond per millisecond, rounded in integers.
            let hundredths = growth?.saturating_mul(10).checked_div(elapsed_ms)?;
            Some(hundredths as f64 / 100.0)
        });
        self.peak_bytes = self.peak_bytes.max(reading.rss_bytes).max(reading.kernel_peak_bytes);
        self.last = Some(reading);
        Rates {
            cpu_usec: reading.cpu_usec.map(|_| self.cpu_total_usec),
            cpu_percent,
            rss_bytes: reading.rss_bytes,
            rss_peak_bytes: self.peak_bytes,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_first_reading_has_no_rate_and_a_fallen_counter_no_negative_one() {
        let mut meter = Meter::default();
        let at = |at_ms, cpu| Reading {
            at_ms,
            cpu_usec: Some(cpu),
            rss_bytes: Some(cpu),
            kernel_peak_bytes: None,
        };
        assert_eq!(meter.take(at(0, 5_000)).cpu_percent, None);
        assert_eq!(meter.take(at(1_000, 505_000)).cpu_percent, Some(50.0));
        let fallen = meter.take(at(2_000, 10_000));
        assert_eq!(fallen.cpu_percent, Some(1.0));
        assert_eq!(fallen.cpu_usec, Some(515_000));
        assert_eq!(fallen.rss_peak_bytes, Some(505_000));
    }
}
