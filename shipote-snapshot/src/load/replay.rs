//! Records into a state, and what the state is where they don't fit together.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use shipote_card::Severity;

use super::Input;
use crate::domain::{Collection, ShipoteSnapshot};
use crate::entity::EntityChange;
use crate::journal::{self, Content, Entry, Header, Scan};
use crate::ordered::Named;
use crate::outline::Outline;
use crate::place::{Finding, Findings, Stretch};
use crate::read::read;
use crate::rules::{self, Breach, Spot};
use crate::write::render;

/// Returns the state that a journal without `state.json` begins with.
pub(crate) fn beginning(header: &Header) -> ShipoteSnapshot {
    ShipoteSnapshot::empty(header.lineage.clone(), header.at_ms, "")
}

/// Returns how many records of changes wait to be folded into a `state.json` that the journals don't know.
///
/// What it says it holds is believed where it is a later one than any that they speak of: a fold was cut off before
/// its new journal. Otherwise it is one of those with another content, and one wrong digit in its `journal_seq` would
/// pass over changes that were acknowledged. So all of them wait.
pub(crate) fn waiting_for_unknown(scans: &[Scan], state: &ShipoteSnapshot) -> usize {
    let of_headers = scans.iter().filter_map(Scan::header).map(|header| header.base_serial);
    let records = scans.iter().flat_map(Scan::records);
    let of_records = records.clone().filter_map(|record| match record.entry {
        Entry::Checkpoint { serial, .. } => Some(serial),
        Entry::Changes(_) => None,
    });
    let is_later = of_headers.chain(of_records).all(|serial| serial < state.serial);
    let held = if is_later { state.journal_seq } else { 0 };
    records.filter(|record| matches!(record.entry, Entry::Changes(_)) && record.seq > held).count()
}

/// Returns how many records of changes journals hold.
pub(crate) fn count_changes(scans: &[Scan]) -> usize {
    let records = scans.iter().flat_map(Scan::records);
    records.filter(|record| matches!(record.entry, Entry::Changes(_))).count()
}

/// Takes the changes out of the records at these journals and lines, in their order.
pub(crate) fn take_changes(scans: &mut [Scan], places: &[(usize, usize)]) -> Vec<EntityChange> {
    let mut changes = Vec::new();
    for (journal, line) in places {
        if let Content::Record(record) = &mut scans[*journal].lines[*line].content
            && let Entry::Changes(of_record) = &mut record.entry
        {
            changes.append(of_record);
        }
    }
    changes
}

/// Holds the replayed state against the rules between entities, and holds back what breaks one.
///
/// What is told stands at the last record that named the entity, or else at the last one of all.
pub(crate) fn hold_broken(
    snapshot: &mut ShipoteSnapshot,
    journals: &[Input<'_>],
    findings: &mut [Findings],
    last: (usize, Stretch),
) {
    let mut breaches: Vec<Breach> = Vec::new();
    rules::check(&mut Outline::of_snapshot(snapshot), &mut |breach| {
        if breach.severity == Severity::Error {
            breaches.push(breach);
        }
    });
    if breaches.is_empty() {
        return;
    }
    let named = named(journals);
    for Breach { severity, code, spot, message, hint, .. } in breaches {
        let place = key(snapshot, &spot).and_then(|key| named.get(&(spot.collection, key)));
        let (journal, at) = place.copied().unwrap_or(last);
        let Spot { collection, index, within } = spot;
        let pointer = format!("/{}/{index}{within}", collection.key());
        findings[journal].add(severity, || Finding {
            severity,
            code,
            pointer,
            at,
            message,
            hint,
            related: None,
        });
    }
    if let Some(held) = read(render(snapshot).as_bytes()).snapshot {
        *snapshot = held;
    }
}

fn key(snapshot: &ShipoteSnapshot, spot: &Spot) -> Option<String> {
    let index = spot.index;
    match spot.collection {
        Collection::Workspaces => snapshot.workspaces.get(index).map(|entry| entry.id.to_string()),
        Collection::SavedPipelines => snapshot.saved_pipelines.get(index).map(|entry| entry.name.clone()),
        Collection::LivePipelines => snapshot.live_pipelines.get(index).map(|entry| entry.id.to_string()),
        Collection::Commands => snapshot.commands.get(index).map(|entry| entry.id.to_string()),
    }
}

/// Returns where each entity was named last.
fn named(journals: &[Input<'_>]) -> Named<(usize, Stretch)> {
    let mut named = Named::default();
    for (journal, input) in journals.iter().enumerate() {
        // The changes were taken out of the scan at hand; this is rare enough to do it once more.
        for line in journal::scan(input.bytes).lines {
            if let Content::Record(journal::Record { entry: Entry::Changes(changes), .. }) = line.content {
                for change in &changes {
                    named.insert(change.name(), (journal, line.at));
                }
            }
        }
    }
    named
}
