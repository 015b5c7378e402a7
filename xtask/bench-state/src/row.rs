//! What is told: one line of JSON for each comparison, which `cargo xtask bench` makes a table of.

use serde::Serialize;

use crate::round::{Ratio, Times};

/// One comparison.
#[derive(Debug, Serialize)]
pub struct Row {
    /// What was measured.
    what: String,
    /// What it is compared with.
    against: String,
    /// The highest ratio that is good enough; none where it is only told.
    goal: Option<f64>,
    /// How many times as much it takes.
    ratio: f64,
    /// The tenth percentile of the rounds.
    low: f64,
    /// The ninetieth percentile.
    high: f64,
    /// The ratio of both sides' tenth percentiles.
    quiet: f64,
    /// What one of it came to here, with its unit.
    here: String,
    /// What one of the other came to here.
    there: String,
}

impl Row {
    /// Compares two sides of a measurement by their time.
    pub fn of_times(what: impl Into<String>, against: &str, times: &Times, sides: [usize; 2]) -> Self {
        let Ratio { median, low, high, quiet } = times.ratio(sides[0], sides[1]);
        let [here, there] = sides.map(|side| time(times.median(side)));
        Self {
            what: what.into(),
            against: against.into(),
            goal: None,
            ratio: median,
            low,
            high,
            quiet,
            here,
            there,
        }
    }

    /// Compares two counts of bytes.
    #[expect(clippy::cast_precision_loss, reason = "a ratio")]
    pub fn of_bytes(what: impl Into<String>, against: &str, bytes: [u64; 2]) -> Self {
        let ratio = bytes[0] as f64 / bytes[1].max(1) as f64;
        let [here, there] = bytes.map(|bytes| format!("{bytes} B"));
        let (what, against) = (what.into(), against.into());
        Self { what, against, goal: None, ratio, low: ratio, high: ratio, quiet: ratio, here, there }
    }

    /// Sets the highest ratio that is good enough.
    pub const fn goal(mut self, goal: f64) -> Self {
        self.goal = Some(goal);
        self
    }

    /// Tells it.
    pub fn tell(self) {
        println!("{}", serde_json::to_string(&self).unwrap_or_default());
    }
}

fn time(us: f64) -> String {
    match us {
        us if us < 1_000.0 => format!("{us:.1} µs"),
        us if us < 1_000_000.0 => format!("{:.2} ms", us / 1e3),
        us => format!("{:.2} s", us / 1e6),
    }
}
