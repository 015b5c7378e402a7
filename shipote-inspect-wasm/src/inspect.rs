//! Everything that a page shows of the files that were dropped on it, as one JSON document.

use serde_json::{Value, json};
use shipote_snapshot::{Digest, Gathered, Input, ShipoteSnapshot, gather, load_named};

use crate::history::of_snapshot;

/// Returns what a page shows of files that are one state together: `report` as `shipote state verify --output json`
/// tells it, `files` with size and digest, the `head` of the state, and its `workspaces` with their history. Where the
/// files are no one state, `error` says why, and nothing else is there.
#[must_use]
pub fn inspect(files: &[(String, Vec<u8>)]) -> String {
    let inputs: Vec<Input<'_>> = files.iter().map(|(name, bytes)| Input { name, bytes }).collect();
    match gather(&inputs) {
        Ok(gathered) => shown(&inputs, &gathered).to_string(),
        Err((one, other)) => {
            let text =
                format!("{} and {} are two states. Drop one state with its journals.", one.name, other.name);
            json!({ "error": text }).to_string()
        }
    }
}

fn shown(inputs: &[Input<'_>], gathered: &Gathered<'_>) -> Value {
    let (report, snapshot) = match (gathered.checkpoint, gathered.journals.as_slice()) {
        // As the command line does, so that the report is the same to the byte.
        (Some(only), []) => {
            (shipote_snapshot::verify(only.bytes, only.name), shipote_snapshot::read(only.bytes).snapshot)
        }
        (checkpoint, journals) => {
            let loaded = load_named(checkpoint, journals);
            (loaded.report, loaded.snapshot)
        }
    };
    let files: Vec<Value> = inputs
        .iter()
        .map(|file| {
            json!({ "name": file.name, "bytes": file.bytes.len(), "sha256": Digest::of(file.bytes).to_string() })
        })
        .collect();
    json!({
        "report": report,
        "files": files,
        "head": snapshot.as_ref().map(head),
        "workspaces": snapshot.as_ref().map(of_snapshot),
    })
}

fn head(snapshot: &ShipoteSnapshot) -> Value {
    let times =
        snapshot.workspaces.iter().flat_map(|entry| &entry.stats_history).filter_map(|sample| sample.at_ms);
    json!({
        "lineage": snapshot.lineage.to_string(),
        // Texts: numbers above 2^53 would be rounded by who reads them.
        "serial": snapshot.serial.to_string(),
        "journal_seq": snapshot.journal_seq.to_string(),
        "producer": snapshot.producer,
        "timestamp_ms": snapshot.timestamp_ms,
        "first_sample_ms": times.clone().min(),
        "last_sample_ms": times.max(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_states_are_not_shown_as_one() {
        let files = [("a.json".to_owned(), b"{}".to_vec()), ("b.json".to_owned(), b"[]".to_vec())];
        insta::assert_snapshot!(inspect(&files), @r#"{"error":"a.json and b.json are two states. Drop one state with its journals."}"#);
    }

    #[test]
    fn the_report_is_that_of_the_command_line() {
        let bytes = br#"{"version":5,"timestamp_ms":1,"workspaces":[{"id":"x"}]}"#.to_vec();
        let shown: Value =
            serde_json::from_str(&inspect(&[("state.json".to_owned(), bytes.clone())])).unwrap();
        let report = serde_json::to_value(shipote_snapshot::verify(&bytes, "state.json")).unwrap();
        assert_eq!(shown["report"], report);
        assert_eq!(shown["files"][0]["bytes"], 56);
    }
}
