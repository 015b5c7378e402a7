//! Where a long part stands, on stderr: every few seconds a line with what is left of it.

use std::time::{Duration, Instant};

use super::{Plan, Tally};

/// Time between two lines.
const BEAT: Duration = Duration::from_secs(10);

/// What has been told.
#[derive(Debug)]
pub struct Progress {
    begin: Instant,
    last: Instant,
    cycles: u64,
    until: Instant,
}

impl Progress {
    /// Begins with a plan.
    pub fn begin(plan: &Plan) -> Self {
        let now = Instant::now();
        Self { begin: now, last: now, cycles: plan.cycles, until: plan.until }
    }

    /// Tells where a part stands, if that was not told of late.
    pub fn tell(&mut self, tally: &Tally) {
        let Tally { cycles, acknowledged, lost, .. } = tally;
        if self.last.elapsed() < BEAT || *cycles == 0 {
            return;
        }
        self.last = Instant::now();
        let left = left(self.begin.elapsed(), *cycles, self.cycles);
        let until = self.until.saturating_duration_since(self.last);
        // A part stops at its time; the next run goes on with what is missing.
        let (left, why) = if left > until { (until, ", by its time") } else { (left, "") };
        let (minutes, seconds) = (left.as_secs() / 60, left.as_secs() % 60);
        eprintln!(
            "{cycles} of {}: {acknowledged} acknowledged, {lost} lost; {minutes} min {seconds:02} s to go{why}",
            self.cycles
        );
    }
}

/// Returns the time that the rest takes at the pace so far.
fn left(took: Duration, done: u64, all: u64) -> Duration {
    let each = took.as_secs_f64() / done.max(1) as f64;
    Duration::from_secs_f64(each * all.saturating_sub(done) as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rest_takes_as_long_as_what_is_done() {
        assert_eq!(left(Duration::from_secs(10), 100, 250), Duration::from_secs(15));
        assert_eq!(left(Duration::from_secs(10), 300, 250), Duration::ZERO);
        assert_eq!(left(Duration::ZERO, 0, 5), Duration::ZERO);
    }
}
