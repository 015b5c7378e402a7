//! Two or more sides measured in turn, so that a noisy moment of the machine touches all of them alike.
//!
//! What is told is a ratio: that of each round, and of those the median with the tenth and the ninetieth percentile.

use std::time::{Duration, Instant};

use nix::time::{ClockId, clock_gettime};

use crate::made::Mix;

/// One of the things that are compared: makes so many operations, and returns what they took.
pub type Side<'a> = Box<dyn FnMut(u32) -> Duration + 'a>;

/// Makes a side of one operation, all of which counts.
pub fn side<'a>(mut act: impl FnMut() + 'a) -> Side<'a> {
    Box::new(move |times| {
        let begin = Instant::now();
        (0..times).for_each(|_| act());
        begin.elapsed()
    })
}

/// Makes a side of one operation that only computes: its time on a processor counts, whoever else wanted one, and
/// what it makes is put away before the next at no cost.
pub fn computing<'a, T>(mut make: impl FnMut() -> T + 'a) -> Side<'a> {
    Box::new(move |times| {
        let mut took = Duration::ZERO;
        for _ in 0..times {
            let begin = on_processor();
            let made = std::hint::black_box(make());
            took += on_processor() - begin;
            drop(made);
        }
        took
    })
}

/// Makes a side of one operation, whose result is put away before the next at no cost.
pub fn making<'a, T>(mut make: impl FnMut() -> T + 'a) -> Side<'a> {
    Box::new(move |times| {
        let mut took = Duration::ZERO;
        for _ in 0..times {
            let begin = Instant::now();
            let made = std::hint::black_box(make());
            took += begin.elapsed();
            drop(made);
        }
        took
    })
}

/// Returns for how long this thread has had a processor.
fn on_processor() -> Duration {
    clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).expect("the thread's clock").into()
}

/// What each side took in each round, in microseconds per operation.
#[derive(Debug)]
pub struct Times(Vec<Vec<f64>>);

/// A ratio and how it varied.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ratio {
    /// The median of all rounds.
    pub median: f64,
    /// The tenth percentile.
    pub low: f64,
    /// The ninetieth percentile.
    pub high: f64,
    /// That of both sides' tenth percentiles: what it is where neither is disturbed. Others that want a processor make a
    /// wait for the disk last until the next tick, for both alike, and so bring the other figures near to 1.
    pub quiet: f64,
}

/// Measures sides in turn, `rounds` times `operations` each, after a round that does not count. Each round has an order
/// of its own, since what a side finds warm is what the one before has left.
pub fn interleave(sides: &mut [Side<'_>], rounds: usize, operations: u32) -> Times {
    let count = sides.len();
    let mut times = vec![Vec::with_capacity(rounds); count];
    let mut order: Vec<usize> = (0..count).collect();
    let mut mix = Mix::new(1);
    for round in 0..=rounds {
        order.sort_by_cached_key(|_| mix.below(1 << 32));
        for &at in &order {
            let took = sides[at](operations).as_secs_f64() * 1e6 / f64::from(operations);
            if round > 0 {
                times[at].push(took);
            }
        }
    }
    Times(times)
}

impl Times {
    /// Returns the median time of one operation of a side, in microseconds.
    pub fn median(&self, side: usize) -> f64 {
        percentile(&self.0[side], 50)
    }

    /// Returns how many times as long one side took as another.
    pub fn ratio(&self, left: usize, right: usize) -> Ratio {
        let ratios: Vec<f64> =
            self.0[left].iter().zip(&self.0[right]).map(|(left, right)| left / right).collect();
        Ratio {
            median: percentile(&ratios, 50),
            low: percentile(&ratios, 10),
            high: percentile(&ratios, 90),
            quiet: percentile(&self.0[left], 10) / percentile(&self.0[right], 10),
        }
    }
}

fn percentile(values: &[f64], percent: usize) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[(sorted.len() - 1) * percent / 100]
}
