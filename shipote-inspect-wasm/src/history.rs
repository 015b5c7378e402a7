//! What workspaces have cost, as a page draws it: each sample, and its course in one line.

use serde_json::{Value, json};
use shipote_snapshot::history::sparkline_with_gaps;
use shipote_snapshot::{PersistedStats, ShipoteSnapshot, WorkspaceEntry};

/// Most characters of a course.
const WIDTH: usize = 64;

/// Returns a JSON array with an object for each workspace of a file: `id`, `label`, its `samples` from the oldest to
/// the newest, and the course of `memory` and `cpu`. It is empty for a file that cannot be read.
#[must_use]
pub fn history(bytes: &[u8]) -> String {
    let snapshot = shipote_snapshot::read(bytes).snapshot;
    snapshot.as_ref().map_or_else(|| Value::from(Vec::<Value>::new()), of_snapshot).to_string()
}

/// Returns the same of a state that was read.
pub(crate) fn of_snapshot(snapshot: &ShipoteSnapshot) -> Value {
    snapshot.workspaces.iter().map(workspace).collect::<Vec<_>>().into()
}

fn workspace(entry: &WorkspaceEntry) -> Value {
    let samples = &entry.stats_history;
    let course = |value: fn(&PersistedStats) -> Option<u64>| {
        sparkline_with_gaps(&samples.iter().map(value).collect::<Vec<_>>(), WIDTH)
    };
    json!({
        "id": entry.id.to_string(),
        "label": entry.spec.label,
        "samples": samples.iter().map(sample).collect::<Vec<_>>(),
        "memory": course(|sample| sample.rss_bytes),
        // In tenths of a percent, which is finer than a block of a course.
        "cpu": course(|sample| sample.cpu_percent.map(|percent| (percent.max(0.0) * 10.0) as u64)),
    })
}

fn sample(sample: &PersistedStats) -> Value {
    json!({
        "at_ms": sample.at_ms,
        "commands_alive": sample.commands_alive,
        "commands_total": sample.commands_total,
        "rss_bytes": sample.rss_bytes,
        "rss_peak_bytes": sample.rss_peak_bytes,
        "cpu_usec": sample.cpu_usec,
        "cpu_percent": sample.cpu_percent,
        "cpu_cores": sample.cpu_cores,
        "uptime_ms": sample.uptime_ms,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_workspace_has_its_course() {
        let sample = |rss: u64, percent: f64| {
            format!(
                r#"{{"commands_alive":1,"commands_total":1,"rss_bytes":{rss},"cpu_percent":{percent},"cpu_cores":2,"uptime_ms":1}}"#
            )
        };
        let text = format!(
            r#"{{"version":4,"timestamp_ms":1,"workspaces":[{{"id":"01J9Z3NDEKTSV4RRFFQ69G5FAV","spec":{{"label":"a"}},
            "stats_history":[{},{},{}]}}]}}"#,
            sample(0, 1.5),
            sample(4096, 0.0),
            sample(8192, 99.0)
        );
        let list: Value = serde_json::from_str(&history(text.as_bytes())).unwrap();
        assert_eq!(list[0]["label"], "a");
        assert_eq!(list[0]["samples"].as_array().unwrap().len(), 3);
        assert_eq!(list[0]["memory"], "▁▄█");
        assert_eq!(list[0]["cpu"], "▁▁█");
    }

    #[test]
    fn what_cannot_be_read_has_no_history() {
        assert_eq!(history(b"no JSON"), "[]");
        assert_eq!(history(br#"{"version":99,"timestamp_ms":1}"#), "[]");
    }
}
