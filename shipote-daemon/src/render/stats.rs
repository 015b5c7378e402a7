//! What workspaces cost: the newest sample of each, and the course of what is kept.

use shipote_card::WorkspaceId;
use shipote_runtime::WorkspaceStats;
use shipote_runtime::view::WorkspaceView;
use shipote_snapshot::Point;
use shipote_snapshot::history::sparkline_with_gaps;
use shipote_snapshot::samples::{Begin, PERIOD_MS, course, episodes, thin};

use super::paint::Paint;
use super::quantity::{NONE, counted, cpu, moment, size, size_or_none, span};
use super::table::Table;

/// Characters of a course, at most.
const COURSE: usize = 48;
/// Characters of a course in a table.
const SHORT_COURSE: usize = 24;
/// Rows of a history, at most; more samples are joined.
const ROWS: u64 = 24;
/// Stretches over which samples are joined, in milliseconds.
const STEPS: [u64; 11] = [
    5_000,
    15_000,
    60_000,
    300_000,
    900_000,
    3_600_000,
    10_800_000,
    21_600_000,
    43_200_000,
    86_400_000,
    259_200_000,
];

/// What is kept of a workspace, oldest first.
#[derive(Debug, Clone, Copy)]
pub struct History<'a> {
    /// Its samples.
    pub samples: &'a [WorkspaceStats],
    /// How far back was asked for, in milliseconds; none for what there is.
    pub last_ms: Option<u64>,
}

/// Returns what `stats NAME` tells: the newest sample, or with a history its rows, and lines of its course.
#[must_use]
pub fn workspace(view: &WorkspaceView, history: Option<History<'_>>, now_ms: u64, paint: Paint) -> String {
    let mut rows: Vec<WorkspaceStats> = Vec::new();
    let mut joined_ms = None;
    if let Some(history) = history {
        (rows, joined_ms) = few(history.samples, view.id);
    }
    // The newest sample is the last of the history too.
    rows.extend(view.stats.filter(|newest| rows.last().is_none_or(|last| last.at_ms < newest.at_ms)));
    if rows.is_empty() {
        return match history {
            Some(History { last_ms: Some(last_ms), .. }) => {
                format!("{}: no sample of the last {}\n", view.label, span(last_ms))
            }
            _ => format!("{}: no sample yet; it has not run\n", view.label),
        };
    }
    let mut table = Table::new(&["AT", ">ALIVE", ">MEMORY", ">PEAK", ">CPU", ">CPU %", ">UPTIME", "SOURCE"]);
    for stats in &rows {
        table.row([stats.at_ms.map_or_else(|| NONE.to_owned(), moment)].into_iter().chain(cells(stats)));
    }
    let mut text = table.render(paint);
    if let Some(step_ms) = joined_ms {
        let step = span(step_ms);
        text.push_str(&format!("each row is the mean of up to {step}; --output json has every sample\n"));
    }
    if let Some(history) = history {
        text.push_str(&courses(&Course::of(history, view.id, now_ms, COURSE)));
    }
    text
}

/// Returns the table of `stats` without a name.
#[must_use]
pub fn workspaces(
    all: &[(&WorkspaceView, History<'_>)],
    with_history: bool,
    now_ms: u64,
    paint: Paint,
) -> String {
    let mut head = vec!["LABEL", ">ALIVE", ">MEMORY", ">PEAK", ">CPU", ">CPU %", ">UPTIME", "SOURCE"];
    if with_history {
        head.extend(["MEMORY OVER TIME", "CPU OVER TIME"]);
    }
    let mut table = Table::new(&head);
    for (view, history) in all {
        let newest = view.stats.or(history.samples.last().copied());
        let mut row = vec![view.label.clone()];
        match &newest {
            Some(stats) => row.extend(cells(stats)),
            None => row.extend(std::iter::repeat_n(NONE.to_owned(), 7)),
        }
        if with_history {
            let course = Course::of(*history, view.id, now_ms, SHORT_COURSE);
            row.extend([course.memory, course.cpu]);
        }
        table.row(row);
    }
    table.render(paint)
}

fn cells(stats: &WorkspaceStats) -> [String; 7] {
    let (memory, processor) = (stats.source.memory.as_str(), stats.source.cpu.as_str());
    [
        format!("{}/{}", stats.commands_alive, stats.commands_total),
        size_or_none(stats.rss_bytes),
        size_or_none(stats.rss_peak_bytes),
        cpu(stats.cpu_usec),
        stats.cpu_percent.map_or_else(|| NONE.to_owned(), |percent| format!("{percent:.1}")),
        span(stats.uptime_ms),
        if memory == processor { memory.to_owned() } else { format!("{memory}, {processor}") },
    ]
}

/// Returns few rows for many samples, and the length in milliseconds of the stretches that they were joined over.
fn few(samples: &[WorkspaceStats], id: WorkspaceId) -> (Vec<WorkspaceStats>, Option<u64>) {
    let points: Vec<Point> = samples.iter().filter_map(|stats| stats.point(id)).collect();
    let (Some(first), Some(last)) = (points.first(), points.last()) else { return (samples.to_vec(), None) };
    if samples.len() as u64 <= ROWS {
        return (samples.to_vec(), None);
    }
    let length = last.at_ms.saturating_sub(first.at_ms);
    let step = STEPS.into_iter().find(|step| length / step < ROWS).unwrap_or(STEPS[STEPS.len() - 1]);
    let untimed = samples.iter().filter(|stats| stats.at_ms.is_none()).copied();
    let source = samples.last().map(|stats| stats.source);
    let joined = thin(points, step).into_iter().map(|point| {
        let stats = WorkspaceStats::from(&point);
        WorkspaceStats { source: source.unwrap_or(stats.source), ..stats }
    });
    (untimed.chain(joined).collect(), Some(step))
}

/// The courses of a workspace's memory and processor use.
struct Course {
    memory: String,
    cpu: String,
    /// The ends of what is drawn, in milliseconds before now.
    ago_ms: (u64, u64),
    /// The lowest and the highest memory in bytes.
    memory_bounds: Option<(u64, u64)>,
    /// The lowest and the highest processor use, in tenths of a percent.
    cpu_bounds: Option<(u64, u64)>,
    /// How often it was started again, and how often nobody looked for a while.
    breaks: (usize, usize),
}

impl Course {
    fn of(history: History<'_>, id: WorkspaceId, now_ms: u64, width: usize) -> Self {
        let points: Vec<Point> = history.samples.iter().filter_map(|stats| stats.point(id)).collect();
        let first_ms = points.iter().map(Point::from_ms).min().unwrap_or(now_ms);
        let last_ms = points.iter().map(|point| point.at_ms).max().unwrap_or(now_ms);
        let (from_ms, to_ms) = match history.last_ms {
            Some(last_ms) => (now_ms.saturating_sub(last_ms), now_ms),
            None => (first_ms, last_ms),
        };
        // No character for less than a sample.
        let periods = usize::try_from(to_ms.saturating_sub(from_ms) / PERIOD_MS).unwrap_or(width);
        let width = width.min(periods).max(1);
        let tenths = |percent: Option<f64>| percent.map(|percent| (percent * 10.0).max(0.0) as u64);
        let draw = |value: &dyn Fn(&Point) -> Option<u64>| {
            sparkline_with_gaps(&course(&points, from_ms, to_ms, width, value), width)
        };
        let bounds = |low: &dyn Fn(&Point) -> Option<u64>, high: &dyn Fn(&Point) -> Option<u64>| {
            points.iter().filter_map(low).min().zip(points.iter().filter_map(high).max())
        };
        let episodes = episodes(&points);
        let begun = |begin: Begin| episodes.iter().filter(|episode| episode.begin == begin).count();
        Self {
            breaks: (begun(Begin::Restart), begun(Begin::Pause)),
            memory: draw(&|point| point.high.rss_bytes),
            cpu: draw(&|point| tenths(point.high.cpu_percent)),
            ago_ms: (now_ms.saturating_sub(from_ms), now_ms.saturating_sub(to_ms)),
            memory_bounds: bounds(&|point| point.low.rss_bytes, &|point| point.high.rss_bytes),
            cpu_bounds: bounds(&|point| tenths(point.low.cpu_percent), &|point| {
                tenths(point.high.cpu_percent)
            }),
        }
    }
}

fn courses(course: &Course) -> String {
    let memory = course.memory_bounds.map(|(low, high)| format!("{} to {}", size(low), size(high)));
    let percent = |tenths: u64| format!("{}.{}", tenths / 10, tenths % 10);
    let cpu = course.cpu_bounds.map(|(low, high)| format!("{} to {} %", percent(low), percent(high)));
    let ago = |ms: u64| if ms < 2 * PERIOD_MS { "now".to_owned() } else { format!("{} ago", span(ms)) };
    let (from, to) = (ago(course.ago_ms.0), ago(course.ago_ms.1));
    let width = course.memory.chars().count().saturating_sub(to.chars().count());
    let line = |name: &str, course: &str, bounds: Option<String>| {
        format!("{name:<8}{course}  {}", bounds.unwrap_or_default()).trim_end().to_owned() + "\n"
    };
    let breaks = match course.breaks {
        (0, 0) => String::new(),
        (restarts, 0) => format!("        {}\n", counted(restarts, "restart")),
        (0, pauses) => format!("        {}\n", counted(pauses, "pause")),
        (restarts, pauses) => {
            format!("        {}, {}\n", counted(restarts, "restart"), counted(pauses, "pause"))
        }
    };
    [
        line("memory", &course.memory, memory),
        line("cpu", &course.cpu, cpu),
        format!("        {from:<width$} {to}\n"),
        breaks,
    ]
    .concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::dag::tests::sample as detail;
    use shipote_runtime::view::StatsSource;
    use shipote_snapshot::PersistedStats;
    use shipote_snapshot::samples::MINUTE_MS;

    const NOW_MS: u64 = 1_760_000_000_000;

    fn sample(ago_ms: u64, rss: u64, percent: f64) -> WorkspaceStats {
        WorkspaceStats::from(&PersistedStats {
            at_ms: Some(NOW_MS - ago_ms),
            commands_alive: 1,
            commands_total: 2,
            rss_bytes: Some(rss),
            rss_peak_bytes: Some(rss),
            cpu_usec: Some(1_000_000),
            cpu_percent: Some(percent),
            cpu_cores: 2,
            // Started ten days ago.
            uptime_ms: 10 * 86_400_000 - ago_ms,
        })
    }

    #[test]
    fn a_few_samples_are_a_row_each() {
        let view = detail().workspace;
        let samples =
            [sample(3_000, 1 << 20, 0.5), sample(2_000, 2 << 20, 50.0), sample(1_000, 4 << 20, 99.9)];
        let history = History { samples: &samples, last_ms: None };
        insta::assert_snapshot!(workspace(&view, Some(history), NOW_MS, Paint::PLAIN), @"
        AT                        ALIVE   MEMORY     PEAK   CPU  CPU %  UPTIME  SOURCE
        2025-10-09T08:53:17.000Z    1/2  1.0 MiB  1.0 MiB  1.0s    0.5   9d23h  persisted
        2025-10-09T08:53:18.000Z    1/2  2.0 MiB  2.0 MiB  1.0s   50.0   9d23h  persisted
        2025-10-09T08:53:19.000Z    1/2  4.0 MiB  4.0 MiB  1.0s   99.9   9d23h  persisted
        memory  ▁▃█  1.0 MiB to 4.0 MiB
        cpu     ▁▄█  0.5 to 99.9 %
                4.0s ago now
        ");
        let newest = WorkspaceView { stats: Some(samples[2]), ..view };
        insta::assert_snapshot!(workspace(&newest, None, NOW_MS, Paint::PLAIN), @"
        AT                        ALIVE   MEMORY     PEAK   CPU  CPU %  UPTIME  SOURCE
        2025-10-09T08:53:19.000Z    1/2  4.0 MiB  4.0 MiB  1.0s   99.9   9d23h  persisted
        ");
    }

    #[test]
    fn a_week_is_a_few_rows_and_its_pauses_are_gaps() {
        let view = detail().workspace;
        // A point a minute, but for the third day.
        let minutes = (1..7 * 1_440_u64).rev().filter(|minute| !(4 * 1_440..5 * 1_440).contains(minute));
        let points = minutes.filter_map(|minute| {
            let percent = (minute / 1_440 * 10) as f64;
            sample(minute * 60_000, (minute / 1_440 + 1) << 20, percent).point(view.id)
        });
        let points = thin(points.collect(), MINUTE_MS);
        let samples: Vec<WorkspaceStats> = points.iter().map(WorkspaceStats::from).collect();
        let history = History { samples: &samples, last_ms: Some(7 * 86_400_000) };
        let text = workspace(&view, Some(history), NOW_MS, Paint::PLAIN);
        let lines: Vec<&str> = text.lines().collect();
        insta::assert_snapshot!([&lines[..3], &lines[lines.len() - 6..]].concat().join("\n"), @"
        AT                        ALIVE   MEMORY     PEAK   CPU  CPU %  UPTIME  SOURCE
        2025-10-02T11:59:20.000Z    1/2  7.0 MiB  7.0 MiB  1.0s   60.0   3d03h  persisted
        2025-10-02T23:59:20.000Z    1/2  7.0 MiB  7.0 MiB  1.0s   60.0   3d15h  persisted
        2025-10-09T08:52:20.000Z    1/2  1.0 MiB  1.0 MiB  1.0s    0.0   9d23h  persisted
        each row is the mean of up to 12h00m; --output json has every sample
        memory  ███████▆▆▆▆▆▆▆      ▄▄▄▄▄▄▄▄▃▃▃▃▃▃▃▂▂▂▂▂▂▂▁▁▁▁▁▁  1.0 MiB to 7.0 MiB
        cpu     ███████▆▆▆▆▆▆▆      ▄▄▄▄▄▄▄▄▃▃▃▃▃▃▃▂▂▂▂▂▂▂▁▁▁▁▁▁  0.0 to 60.0 %
                7d00h ago                                     now
                1 pause
        ");
        insta::assert_snapshot!(workspaces(&[(&view, history)], true, NOW_MS, Paint::PLAIN), @"
        LABEL       ALIVE   MEMORY     PEAK   CPU  CPU %  UPTIME  SOURCE     MEMORY OVER TIME          CPU OVER TIME
        access-log    1/2  1.0 MiB  1.0 MiB  1.0s    0.0   9d23h  persisted  ████▆▆▆   ▄▄▄▄▃▃▃▃▂▂▂▁▁▁  ████▆▆▆   ▄▄▄▄▃▃▃▃▂▂▂▁▁▁
        ");
    }

    #[test]
    fn nothing_sampled_is_said() {
        let view = detail().workspace;
        insta::assert_snapshot!(workspace(&view, None, NOW_MS, Paint::PLAIN), @"access-log: no sample yet; it has not run");
        let history = History { samples: &[], last_ms: Some(3_600_000) };
        insta::assert_snapshot!(workspace(&view, Some(history), NOW_MS, Paint::PLAIN), @"access-log: no sample of the last 1h00m");
        assert_eq!(sample(0, 1, 1.0).source, StatsSource::PERSISTED);
    }
}
