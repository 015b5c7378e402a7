//! Curves: samples become the path of a line, by the smallest and the largest value per column, so that however many
//! there are, a spike stays visible and what has to be drawn stays small.

use std::fmt::{self, Write as _};

use shipote_snapshot::ordered::sort_by_key;

use crate::tell::Object;

/// The space that a curve is drawn in, in units of the drawing; the upper left corner is 0, 0.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Frame {
    pub(crate) width: f64,
    pub(crate) height: f64,
    /// What stays free at each side, so that a line is not cut in half.
    pub(crate) margin: f64,
}

/// A value at a moment; none where nothing was measured.
pub(crate) type Point = (f64, Option<f64>);

/// What the axes of a curve span.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Range {
    pub(crate) from: f64,
    pub(crate) to: f64,
    pub(crate) top: f64,
    /// Longest pause between two points that a line bridges.
    pub(crate) bridge: f64,
}

/// The paths of a curve, in the syntax of SVG.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Curve {
    pub(crate) line: String,
    /// The same, closed at the bottom.
    pub(crate) area: String,
}

/// A small curve without axes.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Spark {
    pub(crate) curve: Curve,
    /// Height of the limit; none where there is none, or where it is far above.
    pub(crate) limit: Option<Tenths>,
}

/// The space of a small curve.
pub(crate) const SPARK: Frame = Frame { width: 120.0, height: 28.0, margin: 2.0 };

/// A limit that is more than this many times the largest value is not drawn: nothing would be seen of the curve.
const FAR: f64 = 4.0;

/// Draws a small curve.
pub(crate) fn spark(points: &[Point], limit: Option<f64>) -> Spark {
    let highest = points.iter().filter_map(|point| point.1).fold(0.0, f64::max);
    let limit = limit.filter(|limit| *limit > 0.0 && *limit <= highest * FAR);
    let range = Range {
        from: points.first().map_or(0.0, |point| point.0),
        to: points.last().map_or(1.0, |point| point.0),
        top: limit.map_or(highest, |limit| limit.max(highest)),
        bridge: usual_step(points) * 3.0,
    };
    let y = |value: f64| Tenths::of(SPARK.y(value, range));
    Spark { curve: curve(points, SPARK, range), limit: limit.map(y) }
}

/// Returns the time that usually lies between two points: the median.
pub(crate) fn usual_step(points: &[Point]) -> f64 {
    let mut steps: Vec<f64> = points.windows(2).map(|pair| pair[1].0 - pair[0].0).collect();
    let middle = steps.len() / 2;
    if steps.is_empty() {
        return f64::MIN_POSITIVE;
    }
    // Steps are whole milliseconds.
    sort_by_key(&mut steps, |step| u128::from(*step as u64));
    steps[middle].max(f64::MIN_POSITIVE)
}

/// Draws `points`, which stand in the order of time.
pub(crate) fn curve(points: &[Point], frame: Frame, range: Range) -> Curve {
    let mut curve = Curve::default();
    let inside = points.iter().enumerate().filter(|(_, point)| (range.from..=range.to).contains(&point.0));
    let mut run: Vec<(f64, f64)> = Vec::new();
    let mut before: Option<f64> = None;
    let mut column = Column::default();
    let dense = points.len() as f64 > frame.width * 2.0;
    for (index, &(at, value)) in inside {
        let Some(value) = value else {
            column.flush(&mut run);
            curve.add(&mut run, frame);
            before = None;
            continue;
        };
        let is_pause = |before: f64| at - before > range.bridge && is_long(points, index);
        if before.is_some_and(is_pause) {
            column.flush(&mut run);
            curve.add(&mut run, frame);
        }
        before = Some(at);
        let (x, y) = (frame.x(at, range), frame.y(value, range));
        if dense {
            if column.at != Some(x.floor()) {
                column.flush(&mut run);
                column.at = Some(x.floor());
            }
            column.points.push(y);
        } else {
            run.push((x, y));
        }
    }
    column.flush(&mut run);
    curve.add(&mut run, frame);
    curve
}

/// Returns whether the step to a point is long beside those around it. Older samples lie farther apart, which is no pause.
fn is_long(points: &[Point], index: usize) -> bool {
    let step = |to: usize| match (points.get(to.wrapping_sub(1)), points.get(to)) {
        (Some(from), Some(to)) => to.0 - from.0,
        _ => 0.0,
    };
    step(index) > step(index.wrapping_sub(1)).max(step(index + 1)) * 3.0
}

/// The points that share one column of the drawing.
#[derive(Default)]
struct Column {
    at: Option<f64>,
    points: Vec<f64>,
}

impl Column {
    /// Hands on the first, the extreme and the last of its points.
    fn flush(&mut self, run: &mut Vec<(f64, f64)>) {
        if let (Some(at), [first, .., last] | [first @ last]) = (self.at, self.points.as_slice()) {
            let lowest = self.points.iter().copied().fold(f64::MAX, f64::min);
            let highest = self.points.iter().copied().fold(f64::MIN, f64::max);
            let mut told = vec![*first, lowest, highest, *last];
            told.dedup();
            run.extend(told.into_iter().map(|y| (at + 0.5, y)));
        }
        self.points.clear();
        self.at = None;
    }
}

impl Curve {
    /// Appends a stretch without gaps, and empties it.
    fn add(&mut self, run: &mut Vec<(f64, f64)>, frame: Frame) {
        let ([first, ..], [.., last]) = (run.as_slice(), run.as_slice()) else { return };
        let bottom = Tenths::of(frame.height - frame.margin);
        let _ = write!(self.area, "M{} {bottom}", Tenths::of(first.0));
        for (at, (x, y)) in run.iter().enumerate() {
            let (x, y) = (Tenths::of(*x), Tenths::of(*y));
            let _ = write!(self.line, "{}{x} {y}", if at == 0 { 'M' } else { 'L' });
            let _ = write!(self.area, "L{x} {y}");
        }
        if run.len() == 1 {
            // Round ends make a dot of it.
            self.line.push_str("h0");
        }
        let _ = write!(self.area, "L{} {bottom}Z", Tenths::of(last.0));
        run.clear();
    }
}

impl Frame {
    pub(crate) fn x(self, at: f64, range: Range) -> f64 {
        let share = if range.to > range.from { (at - range.from) / (range.to - range.from) } else { 0.5 };
        self.margin + share * (self.width - 2.0 * self.margin)
    }

    pub(crate) fn y(self, value: f64, range: Range) -> f64 {
        let share = if range.top > 0.0 { (value / range.top).clamp(0.0, 1.0) } else { 0.0 };
        self.height - self.margin - share * (self.height - 2.0 * self.margin)
    }
}

/// A length in tenths of a unit, which is finer than what a screen shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tenths(i64);

impl Tenths {
    pub(crate) fn of(value: f64) -> Self {
        Self((value * 10.0).round() as i64)
    }
}

impl fmt::Display for Tenths {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, tenths) = (self.0 / 10, (self.0 % 10).abs());
        let sign = if self.0 < 0 && whole == 0 { "-" } else { "" };
        write!(f, "{sign}{whole}")?;
        if tenths == 0 { Ok(()) } else { write!(f, ".{tenths}") }
    }
}

impl Spark {
    pub(crate) fn told(&self) -> String {
        let limit = self.limit.map_or_else(|| "null".to_owned(), |limit| limit.to_string());
        let Curve { line, area } = &self.curve;
        Object::new().text("line", line).text("area", area).json("limit", &limit).end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn older_samples_that_lie_farther_apart_are_one_line() {
        let at = |at: u32| (f64::from(at), Some(1.0));
        let old = (0..5).map(|turn| at(turn * 900));
        let new = (0..20).map(|turn| at(3_660 + turn * 60));
        let later = (0..20).map(|turn| at(90_000 + turn * 60));
        let points: Vec<Point> = old.chain(new).chain(later).collect();
        assert_eq!(spark(&points, None).curve.line.matches('M').count(), 2);
    }

    fn every_second(values: &[Option<f64>]) -> Vec<Point> {
        values.iter().enumerate().map(|(at, value)| (at as f64, *value)).collect()
    }

    #[test]
    fn a_curve_breaks_where_nothing_was_measured() {
        let drawn = spark(&every_second(&[Some(0.0), Some(4.0), None, Some(2.0)]), Some(8.0));
        insta::assert_snapshot!(drawn.curve.line, @"M2 26L40.7 14M118 20h0");
        insta::assert_snapshot!(drawn.curve.area, @"M2 26L2 26L40.7 14L40.7 26ZM118 26L118 20L118 26Z");
        assert_eq!(drawn.limit.map(|limit| limit.to_string()).as_deref(), Some("2"));
    }

    #[test]
    fn a_curve_breaks_at_a_pause() {
        let points: Vec<Point> = [0.0, 1.0, 2.0, 9.0, 10.0].map(|at| (at, Some(1.0))).into();
        insta::assert_snapshot!(spark(&points, None).curve.line, @"M2 2L13.6 2L25.2 2M106.4 2L118 2");
    }

    #[test]
    fn a_spike_among_many_samples_stays_visible() {
        let mut values = vec![Some(1.0); 100_000];
        values[54_321] = Some(100.0);
        let drawn = spark(&every_second(&values), Some(1e9));
        assert!(drawn.curve.line.contains(" 2L"), "the top of the frame is reached");
        assert!(drawn.curve.line.len() < 4_000, "{}", drawn.curve.line.len());
        assert_eq!(drawn.limit, None, "far away");
    }

    #[test]
    fn tenths_are_written_short() {
        let told: Vec<String> =
            [0.0, 1.04, 1.05, -0.25, -3.0].map(|value| Tenths::of(value).to_string()).into();
        assert_eq!(told, ["0", "1", "1.1", "-0.3", "-3"]);
    }

    #[test]
    fn no_sample_and_no_height_are_no_trouble() {
        assert_eq!(spark(&[], Some(1.0)), Spark::default());
        insta::assert_snapshot!(spark(&every_second(&[Some(0.0)]), None).curve.line, @"M60 26h0");
    }
}
