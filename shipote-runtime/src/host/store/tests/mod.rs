//! The store against disks that fail and power that goes: every operation of it, on a simulated disk.

mod crash;
mod directory;
mod hazards;

use std::sync::Arc;

use shipote_card::{WorkspaceId, WorkspaceSpec};
use shipote_snapshot::{Change, Collection, Lineage, ShipoteSnapshot, WorkspaceEntry, changes};

use super::disk::Disk;
use super::error::StoreError;
use super::frozen::Frozen;
use super::ledger::Ledger;
use super::sim::{Image, SimDisk};

/// The change of number `k`, from 1: it puts the workspace that tells the number, and adds or removes another one.
fn change(k: usize) -> Change {
    let id = |number: usize| WorkspaceId::from_parts(1, number as u128);
    let entry = |number, label: String| WorkspaceEntry::new(id(number), WorkspaceSpec::labelled(label));
    let change = Change::new().put(entry(1, format!("mark-{k}")));
    if k.is_multiple_of(3) {
        change.remove(Collection::Workspaces, id(k - 1 + 100))
    } else {
        change.put(entry(k + 100, format!("other-{k}")))
    }
}

/// The state after the first `k` changes.
fn state(k: usize) -> ShipoteSnapshot {
    let mut state = ShipoteSnapshot::empty(Lineage::from_parts(1, 1), 0, "");
    for number in 1..=k {
        state.apply(change(number).into_changes());
    }
    state
}

/// Returns after how many changes a state is; panics where it is none of them.
fn number_of(found: Option<&ShipoteSnapshot>) -> usize {
    let Some(found) = found else { return 0 };
    let mark = found.workspaces.iter().find_map(|entry| entry.spec.label.strip_prefix("mark-"));
    let k = mark.map_or(0, |number| number.parse().unwrap());
    assert_eq!(changes(found, &state(k)), [], "a state that never was");
    k
}

fn frozen(state: ShipoteSnapshot) -> Frozen {
    Frozen { workspaces: state.workspaces.into_iter().map(Arc::new).collect(), ..Frozen::default() }
}

/// A store in use, and how many of the changes it has acknowledged.
struct Run {
    ledger: Ledger<SimDisk>,
    acknowledged: usize,
    /// The operations of the disk after which more was acknowledged.
    history: Vec<(usize, usize)>,
    disk: SimDisk,
}

impl Run {
    fn start(disk: SimDisk) -> Result<Self, StoreError> {
        let mut ledger = Ledger::new(disk.clone(), "/sim".into());
        let loaded = ledger.load()?;
        let acknowledged = number_of(loaded.snapshot.as_ref());
        let history = vec![(disk.operations(), acknowledged)];
        Ok(Self { ledger, acknowledged, history, disk })
    }

    fn frozen(&self) -> Frozen {
        frozen(state(self.acknowledged))
    }

    fn append(&mut self, count: usize) -> Result<(), StoreError> {
        if self.ledger.fold_first {
            self.fold()?;
        }
        let group = (1..=count).map(|more| (0, change(self.acknowledged + more))).collect();
        self.ledger.append(group)?;
        self.acknowledged += count;
        self.history.push((self.disk.operations(), self.acknowledged));
        Ok(())
    }

    fn fold(&mut self) -> Result<(), StoreError> {
        let frozen = self.frozen();
        self.ledger.fold(|head| frozen.text(head).unwrap())
    }

    /// Folds beside groups of changes, as the writer does.
    fn fold_beside(&mut self, groups: &[usize]) -> Result<(), StoreError> {
        let head = self.ledger.put_journal_aside()?;
        let text = self.frozen().text(&head).unwrap();
        let mut result = Ok(());
        for count in groups {
            result = result.and(self.append(*count));
        }
        let mut writing = self.ledger.begin_writing(head, text)?;
        result = result.and(self.append(1));
        while !self.ledger.write_chunk(&mut writing)? {}
        result = result.and(self.append(1));
        self.ledger.put_in_place(writing)?;
        self.ledger.drop_old()?;
        result
    }

    /// Does some of everything. What fails is passed over, as a daemon does.
    fn work(&mut self) {
        let done = [
            self.append(1),
            self.append(3),
            self.fold(),
            self.append(2),
            self.fold_beside(&[1, 2]),
            self.append(1),
            self.fold_beside(&[]),
            self.fold(),
            self.append(1),
        ];
        drop(done);
    }
}

/// Starts on a disk, and returns after how many changes the state is that it finds.
fn restart(image: Image) -> Result<(usize, Run), StoreError> {
    let run = Run::start(SimDisk::of(image))?;
    Ok((run.acknowledged, run))
}

fn names(disk: &impl Disk) -> Vec<&'static str> {
    let all =
        ["state.json", "state.json.1", "state.json.2", "state.json.3", "state.journal", "state.journal.old"];
    all.into_iter().filter(|name| disk.mark(name).unwrap().is_some()).collect()
}
