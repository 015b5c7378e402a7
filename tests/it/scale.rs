//! Many workspaces: what a change costs does not depend on how many there are. Bytes are counted, not time.

use std::fs;

use shipote_card::{WorkspaceId, WorkspaceSpec};
use shipote_snapshot::{Lineage, ShipoteSnapshot, WorkspaceEntry, render};
use shipote_tests::Shipote;

use crate::shipote;

/// Returns a Shipote whose state declares so many workspaces.
fn with(count: u128) -> Shipote {
    let shipote = shipote();
    let mut state = ShipoteSnapshot::empty(Lineage::from_parts(1, 1), 1, "a test");
    state.workspaces = (0..count)
        .map(|number| {
            let spec = WorkspaceSpec::labelled(format!("declared-{number:06}"));
            WorkspaceEntry::new(WorkspaceId::from_parts(1, number), spec)
        })
        .collect();
    shipote.plant_state(render(&state));
    shipote
}

/// Starts the daemon, makes changes, and ends it. Returns by how much one of them has made the journal grow.
fn growth(mut shipote: Shipote, count: usize) -> u64 {
    shipote.daemon_start();
    let journal = shipote.state_dir().join("state.journal");
    let len = |label: &str| {
        shipote.run(&["ws", "create", "--label", label]).ok();
        fs::metadata(&journal).unwrap().len()
    };
    let planted = fs::metadata(shipote.state_file()).unwrap();
    // The first one begins the journal.
    let (first, second) = (len("made-1"), len("made-2"));
    let grown = second - first;
    let state = fs::metadata(shipote.state_file()).unwrap();
    assert_eq!((state.len(), state.modified().unwrap()), (planted.len(), planted.modified().unwrap()));

    assert!(shipote.daemon_term().success());
    let text = fs::read_to_string(shipote.state_file()).unwrap();
    // One entity stands on each line.
    assert_eq!(text.lines().filter(|line| line.contains("\"label\":\"declared-")).count(), count);
    assert!(text.contains("\"label\":\"made-1\"") && text.contains("\"label\":\"made-2\""));
    shipote.daemon_start();
    shipote.run(&["ws", "show", "made-2"]).ok();
    shipote.run(&["ws", "rm", "declared-000007"]).ok();
    assert!(shipote.daemon_term().success());
    let text = fs::read_to_string(shipote.state_file()).unwrap();
    assert_eq!(text.lines().filter(|line| line.contains("\"label\":\"declared-")).count(), count - 1);
    grown
}

#[test]
fn a_change_writes_as_much_among_ten_workspaces_as_among_a_hundred_thousand() {
    let few = growth(with(10), 10);
    let many = growth(with(100_000), 100_000);
    assert!(few > 0 && many < 2 * few && few < 2 * many, "{few} bytes among 10, {many} among 100 000");
}
