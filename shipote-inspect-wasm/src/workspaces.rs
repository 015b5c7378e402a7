//! The table of workspaces: what each is called, may use, has used, and how that went.

use shipote_snapshot::ordered::sort_by_key;
use shipote_snapshot::{Collection, PersistedStats, Point as Sampled, ShipoteSnapshot, WorkspaceEntry};

use crate::chart::{Point, Spark, spark};
use crate::overview::LAST_MOMENT;
use crate::question::Question;
use crate::session::{State, points_of};
use crate::tell::Object;
use crate::visible::visible;
use crate::wording;

/// What the rows are sorted by.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Column {
    /// As they stand in the file.
    #[default]
    File,
    Label,
    Created,
    Memory,
    Processor,
    Running,
    Ttl,
}

impl Column {
    pub(crate) fn named(name: &str) -> Self {
        match name {
            "label" => Self::Label,
            "created" => Self::Created,
            "memory" => Self::Memory,
            "processor" => Self::Processor,
            "running" => Self::Running,
            "ttl" => Self::Ttl,
            _ => Self::File,
        }
    }
}

/// Returns the rows that were asked for, and how many there are.
pub(crate) fn workspaces(state: &State, order: &Question) -> String {
    let nothing = Vec::new();
    let all = state.snapshot.as_ref().map_or(&nothing, |snapshot| &snapshot.workspaces);
    let needle = order.filter.trim().to_ascii_lowercase();
    let mut found: Vec<(usize, &WorkspaceEntry)> =
        all.iter().enumerate().filter(|(_, entry)| needle.is_empty() || matches(entry, &needle)).collect();
    sort(&mut found, order, &state.points);
    let count = if order.count == 0 { usize::MAX } else { order.count };
    let rows: Vec<String> = state.snapshot.as_ref().map_or_else(Vec::new, |snapshot| {
        found
            .iter()
            .skip(order.from)
            .take(count)
            .map(|(at, entry)| row(*at, entry, snapshot, &state.points))
            .collect()
    });
    let held = state.snapshot.iter().flat_map(|snapshot| &snapshot.held);
    let held = held.filter(|held| held.collection == Collection::Workspaces).count();
    Object::new()
        .number("total", all.len() as u64)
        .number("matching", found.len() as u64)
        .number("held", held as u64)
        .list("rows", &rows)
        .end()
}

fn matches(entry: &WorkspaceEntry, needle: &str) -> bool {
    entry.spec.label.to_ascii_lowercase().contains(needle)
        || entry.id.to_string().to_ascii_lowercase().contains(needle)
        || wording::permissions(&entry.spec.permissions).to_ascii_lowercase().contains(needle)
}

/// Bytes of a label that decide where its row stands, which are more than a label may have.
const LABEL_BYTES: usize = 64;

/// Sorts rows. One kind of sort does for all columns, since each is code that a page has to carry: texts are sorted by
/// their last sixteen bytes first, as sixteen digits of a number.
fn sort(found: &mut [(usize, &WorkspaceEntry)], order: &Question, points: &[Sampled]) {
    let last = |entry: &WorkspaceEntry| {
        let beside = points_of(points, entry.id).last().map(|point| point.stats);
        entry.stats_history.last().copied().or(beside)
    };
    // What was not measured comes before all that was.
    let known = |number: Option<u64>| number.map_or(0, |number| u128::from(number) + 1);
    match order.sort {
        Column::File => {}
        Column::Label => {
            for from in (0..LABEL_BYTES).step_by(16).rev() {
                sort_by_key(found, |(_, entry)| {
                    let label = entry.spec.label.to_ascii_lowercase().into_bytes();
                    let byte = |at| u128::from(label.get(at).copied().unwrap_or_default());
                    (from..from + 16).fold(0, |number, at| number << 8 | byte(at))
                });
            }
        }
        Column::Created => sort_by_key(found, |(_, entry)| entry.id.timestamp_ms().into()),
        Column::Memory => sort_by_key(found, |(_, entry)| known(last(entry).and_then(|last| last.rss_bytes))),
        Column::Processor => {
            // To a thousandth of a percent.
            let thousandths = |percent: f64| (percent * 1e3) as u64;
            sort_by_key(found, |(_, entry)| {
                known(last(entry).and_then(|last| last.cpu_percent).map(thousandths))
            });
        }
        Column::Running => {
            sort_by_key(found, |(_, entry)| known(last(entry).map(|last| last.commands_alive.into())));
        }
        Column::Ttl => {
            sort_by_key(found, |(_, entry)| entry.spec.ttl.map_or(u128::MAX, |ttl| ttl.as_millis().into()));
        }
    }
    if order.descending {
        found.reverse();
    }
}

pub(crate) fn row(
    at: usize,
    entry: &WorkspaceEntry,
    snapshot: &ShipoteSnapshot,
    points: &[Sampled],
) -> String {
    let spec = &entry.spec;
    let samples = &samples_of(entry, points);
    let commands = snapshot.commands.iter().filter(|command| command.workspace == entry.id).count();
    let pipelines = snapshot.live_pipelines.iter().filter(|pipeline| pipeline.workspace == entry.id).count();
    Object::new()
        .number("at", at as u64)
        .text("id", &entry.id.to_string())
        .text("label", &visible(&spec.label))
        .maybe_number("created_ms", moment(Some(entry.id.timestamp_ms())))
        .text("ttl", &wording::ttl(spec.ttl))
        .maybe("left", left(entry, snapshot.timestamp_ms).as_deref())
        .text("permissions", &wording::permissions(&spec.permissions))
        .number("commands", commands as u64)
        .number("pipelines", pipelines as u64)
        .number("samples", samples.len() as u64)
        .json("memory", &memory(entry, samples))
        .json("processor", &processor(entry, samples))
        .json("running", &running(samples))
        .end()
}

/// Returns a moment, if a browser has a date for it.
pub(crate) fn moment(at_ms: Option<u64>) -> Option<u64> {
    at_ms.filter(|at| *at <= LAST_MOMENT)
}

/// Returns how long it had to live when the state was written.
fn left(entry: &WorkspaceEntry, now_ms: u64) -> Option<String> {
    entry.expires_at_ms.map(|end| match end.checked_sub(now_ms) {
        Some(0) | None => format!("over for {}", wording::span(now_ms - end)),
        Some(left) => format!("{} left", wording::span(left)),
    })
}

/// Returns the samples of a workspace: those of the state, after those that stand beside it and are older.
pub(crate) fn samples_of(entry: &WorkspaceEntry, points: &[Sampled]) -> Vec<PersistedStats> {
    let own = &entry.stats_history;
    let beside = points_of(points, entry.id).iter();
    let mut samples: Vec<PersistedStats> =
        beside.map(|point| PersistedStats { at_ms: Some(point.at_ms), ..point.stats }).collect();
    let last = samples.last().and_then(|sample| sample.at_ms);
    samples.extend(own.iter().filter(|sample| last.is_none() || sample.at_ms > last));
    samples
}

/// Returns the points of a curve; samples without a time are taken to follow each other at one pace.
pub(crate) fn points(
    samples: &[PersistedStats],
    value: impl Fn(&PersistedStats) -> Option<f64>,
) -> Vec<Point> {
    let timed = samples.iter().all(|sample| sample.at_ms.is_some())
        && samples.windows(2).all(|pair| pair[0].at_ms <= pair[1].at_ms);
    let at = |index: usize, sample: &PersistedStats| match sample.at_ms {
        Some(at_ms) if timed => at_ms as f64,
        _ => index as f64,
    };
    samples.iter().enumerate().map(|(index, sample)| (at(index, sample), value(sample))).collect()
}

fn memory(entry: &WorkspaceEntry, samples: &[PersistedStats]) -> String {
    let last = samples.last();
    let limit = entry.spec.soma.memory_max.map(|size| size.0);
    let now = last.and_then(|sample| sample.rss_bytes);
    let highest = |value: fn(&PersistedStats) -> Option<u64>| samples.iter().filter_map(value).max();
    let peak = highest(|sample| sample.rss_peak_bytes).max(highest(|sample| sample.rss_bytes));
    let curve = spark(
        &points(samples, |sample| sample.rss_bytes.map(|bytes| bytes as f64)),
        limit.map(|limit| limit as f64),
    );
    let text = |amount: Option<u64>| amount.map(wording::bytes);
    measured(text(now).as_deref(), text(peak).as_deref(), text(limit).as_deref(), &curve)
}

fn processor(entry: &WorkspaceEntry, samples: &[PersistedStats]) -> String {
    let last = samples.last();
    let ceiling = entry.spec.soma.cpu_max.map(|cpus| f64::from(cpus.milli) / 10.0);
    let now = last.and_then(|sample| sample.cpu_percent);
    let peak = samples.iter().filter_map(|sample| sample.cpu_percent).reduce(f64::max);
    let curve = spark(&points(samples, |sample| sample.cpu_percent), ceiling);
    let text = |value: Option<f64>| value.map(wording::percent);
    measured(text(now).as_deref(), text(peak).as_deref(), text(ceiling).as_deref(), &curve)
}

fn running(samples: &[PersistedStats]) -> String {
    let last = samples.last();
    let total = last.map(|sample| f64::from(sample.commands_total));
    let curve = spark(&points(samples, |sample| Some(f64::from(sample.commands_alive))), total);
    let now = last.map(|sample| format!("{} of {}", sample.commands_alive, sample.commands_total));
    measured(now.as_deref(), None, None, &curve)
}

fn measured(now: Option<&str>, peak: Option<&str>, limit: Option<&str>, curve: &Spark) -> String {
    Object::new()
        .maybe("now", now)
        .maybe("peak", peak)
        .maybe("limit", limit)
        .json("curve", &curve.told())
        .end()
}

#[cfg(test)]
mod tests {
    use crate::session::tests::open;
    use serde_json::Value;

    fn asked(question: &str) -> Value {
        let (session, _) = open(include_bytes!("../../tests/fixtures/state/v5-full.json"));
        serde_json::from_str(&session.ask(question)).unwrap()
    }

    #[test]
    fn a_row_tells_what_a_workspace_may_use_and_has_used() {
        let told = asked(r#"{"ask":"workspaces","state":0}"#);
        insta::assert_snapshot!(serde_json::to_string_pretty(&told["rows"][0]).unwrap(), @r#"
        {
          "at": 0,
          "commands": 2,
          "created_ms": 1728694629843,
          "id": "01J9Z3NDEKTSV4RRFFQ69G5FAV",
          "label": "access-log",
          "left": "2 h left",
          "memory": {
            "curve": {
              "area": "M2 26L2 18L60 10L118 2L118 26Z",
              "limit": null,
              "line": "M2 18L60 10L118 2"
            },
            "limit": "512 MiB",
            "now": "3 MiB",
            "peak": "3 MiB"
          },
          "permissions": "TCP to 443, on 8080 · read 1 path, write 1 path, execute 1 path · system calls: default · 1 capability · no taps",
          "pipelines": 1,
          "processor": {
            "curve": {
              "area": "M2 26L2 2L60 2L118 2L118 26Z",
              "limit": null,
              "line": "M2 2L60 2L118 2"
            },
            "limit": "150 %",
            "now": "1.5 %",
            "peak": "1.5 %"
          },
          "running": {
            "curve": {
              "area": "M2 26L2 14L60 14L118 14L118 26Z",
              "limit": 2,
              "line": "M2 14L60 14L118 14"
            },
            "limit": null,
            "now": "1 of 2",
            "peak": null
          },
          "samples": 3,
          "ttl": "2 h"
        }
        "#);
    }

    #[test]
    fn rows_are_sorted_filtered_and_cut() {
        let labels = |told: Value| -> Vec<String> {
            let rows = told["rows"].as_array().unwrap();
            rows.iter().map(|row| row["label"].as_str().unwrap().to_owned()).collect()
        };
        let told = asked(r#"{"ask":"workspaces","state":0,"sort":"label","descending":true}"#);
        assert_eq!(labels(told), ["b", "access-log"]);
        let told = asked(r#"{"ask":"workspaces","state":0,"filter":" ACCESS"}"#);
        assert_eq!((told["matching"].as_u64(), told["total"].as_u64()), (Some(1), Some(2)));
        let told = asked(r#"{"ask":"workspaces","state":0,"from":1,"count":1}"#);
        assert_eq!(labels(told), ["b"]);
        assert!(asked(r#"{"ask":"workspaces","state":7}"#)["error"].is_string());
        assert!(asked("what?")["error"].is_string());
    }
}
