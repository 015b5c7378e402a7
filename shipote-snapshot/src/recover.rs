//! Recovery, explained before anything is done: each way on from damaged files, what it gives and what it loses.

use alloc::string::String;
use alloc::vec::Vec;

use serde::Serialize;

use crate::digest::Digest;
use crate::domain::ShipoteSnapshot;
use crate::journal::{Chain, OnDamage, Scan, Start, follow, know, scan};
use crate::load::replay::{beginning, count_changes, hold_broken, take_changes, waiting_for_unknown};
use crate::load::{Input, Loss, STATE_FILE};
use crate::ordered::sort_by_key;
use crate::place::Findings;
use crate::read::read;
use crate::report::Counts;

/// A way on.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Choice {
    /// How.
    pub way: Way,
    /// Name of the file that it begins with; none for the journals alone.
    pub file: Option<String>,
    /// Records that are replayed on it.
    pub records: u64,
    /// Sequence number of the last change that it has.
    pub seq: u64,
    /// When that was made, in milliseconds since the Unix epoch.
    pub at_ms: u64,
    /// How much it gives.
    pub counts: Counts,
    /// Acknowledged changes that it lacks; none where it has all that are known of.
    pub loss: Option<Loss>,
    /// Whether the loss is known. It is not without a readable `state.json` and without a journal, where nothing tells
    /// what else there was; nor where records wait for another `state.json` than the one that is there; nor with a
    /// generation that no journal knows.
    pub certain: bool,
    /// The state itself.
    #[serde(skip)]
    pub snapshot: ShipoteSnapshot,
}

/// How a choice goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Way {
    /// With the file and the records behind it, up to the first damage: a state that was there.
    Replay,
    /// With the file and every record that is whole. Each entity is as some record left it, but what stood in the
    /// missing ones is not there, so that all together may be a state that never was.
    Skip,
    /// With the file alone, as it is.
    Alone,
}

impl Choice {
    /// Returns whether every acknowledged change is known to be there, so that a daemon may go on unasked.
    #[must_use]
    pub const fn is_complete(&self) -> bool {
        self.certain && self.loss.is_none() && !matches!(self.way, Way::Skip)
    }
}

/// Returns the ways on from these files, the one that loses least first. Nothing is done.
///
/// `generations` are earlier ones of `state.json` by name, the newest first; the oldest journal comes first. A file that
/// is unreadable as a document, or newer, begins no way.
#[must_use]
pub fn explain(checkpoint: Option<&[u8]>, generations: &[(&str, &[u8])], journals: &[&[u8]]) -> Vec<Choice> {
    let files = checkpoint.map(|bytes| (STATE_FILE, bytes)).into_iter().chain(generations.iter().copied());
    let mut bases: Vec<(Option<&str>, ShipoteSnapshot)> =
        files.filter_map(|(name, bytes)| Some((Some(name), read(bytes).snapshot?))).collect();
    let is_readable = bases.first().is_some_and(|(name, _)| *name == Some(STATE_FILE));
    let scans = scan_all(journals);
    let first = scans.iter().find_map(Scan::header);
    if let Some(header) = first.filter(|header| header.base_seq == 0 && header.base_digest.is_none()) {
        bases.push((None, beginning(header)));
    }
    let certain = match (checkpoint, bases.first()) {
        (Some(bytes), Some((_, state))) if is_readable => !is_contested(state, bytes, &scans),
        _ => first.is_some(),
    };
    // A generation that no journal knows may be another one than it was.
    let is_strange = |name: Option<&str>| {
        let generation = generations.iter().find(|(known, _)| Some(*known) == name);
        generation.is_some_and(|(_, bytes)| !know(&scans, Digest::of(bytes)))
    };
    let lineage = first.map(|header| &header.lineage);
    // Numbers of another line of states say nothing about this one.
    let own = |state: &ShipoteSnapshot| lineage.is_none_or(|lineage| state.lineage == *lineage);
    let highest = bases.iter().map(|base| &base.1).filter(|state| own(state)).map(Reached::of).max();
    let mut choices = Vec::new();
    for (file, state) in bases {
        let belongs = own(&state);
        let certain = certain && !is_strange(file);
        let name = |way| Named { way, file: file.map(String::from), certain };
        if !belongs {
            choices.push(alone(name(Way::Alone), state, None));
            continue;
        }
        let (whole, chain) = replayed(state.clone(), journals, OnDamage::Stop);
        let lost = (chain.loss).or_else(|| highest.and_then(|highest| highest.beyond(Reached::of(&whole))));
        if chain.loss.is_some() {
            let (rest, chain) = replayed(state.clone(), journals, OnDamage::Skip);
            choices.push(choice(name(Way::Skip), rest, &chain, chain.loss));
        }
        if !chain.replay.is_empty() && file.is_some() {
            let last = Reached { seq: chain.seq, at_ms: chain.at_ms.unwrap_or(0) };
            let before = Reached::of(&state);
            let last = lost.map_or(last, |loss| Reached { seq: loss.to_seq, at_ms: loss.to_ms.unwrap_or(0) });
            choices.push(alone(name(Way::Alone), state, last.beyond(before)));
        }
        choices.push(choice(name(Way::Replay), whole, &chain, lost));
    }
    let lost = |choice: &Choice| choice.loss.map_or(0, |loss| loss.changes);
    sort_by_key(&mut choices, |choice| u128::from(lost(choice)) << 8 | choice.way as u128);
    choices
}

/// Returns whether records of `scans` wait for another `state.json` than this one.
fn is_contested(state: &ShipoteSnapshot, bytes: &[u8], scans: &[Scan]) -> bool {
    let mut headers = scans.iter().filter_map(Scan::header).peekable();
    if headers.peek().is_none() {
        return false;
    }
    let other = headers.any(|header| header.lineage != state.lineage);
    let is_known = know(scans, Digest::of(bytes));
    other && count_changes(scans) > 0 || !is_known && waiting_for_unknown(scans, state) > 0
}

/// How far a state has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Reached {
    seq: u64,
    at_ms: u64,
}

impl Reached {
    const fn of(state: &ShipoteSnapshot) -> Self {
        Self { seq: state.journal_seq, at_ms: state.timestamp_ms }
    }

    /// Returns what is lost by whoever has only come as far as `other`.
    fn beyond(self, other: Self) -> Option<Loss> {
        (self.seq > other.seq).then(|| Loss {
            changes: self.seq - other.seq,
            from_seq: other.seq + 1,
            to_seq: self.seq,
            from_ms: Some(other.at_ms),
            to_ms: Some(self.at_ms),
        })
    }
}

struct Named {
    way: Way,
    file: Option<String>,
    certain: bool,
}

fn choice(named: Named, snapshot: ShipoteSnapshot, chain: &Chain, loss: Option<Loss>) -> Choice {
    Choice { records: chain.replay.len() as u64, ..alone(named, snapshot, loss) }
}

fn alone(Named { way, file, certain }: Named, snapshot: ShipoteSnapshot, loss: Option<Loss>) -> Choice {
    Choice {
        way,
        file,
        records: 0,
        seq: snapshot.journal_seq,
        at_ms: snapshot.timestamp_ms,
        counts: Counts::of(&snapshot),
        loss,
        certain,
        snapshot,
    }
}

fn scan_all(journals: &[&[u8]]) -> Vec<Scan> {
    journals.iter().map(|bytes| scan(bytes)).collect()
}

/// Returns `state` with the records of `journals` that it lacks.
fn replayed(mut state: ShipoteSnapshot, journals: &[&[u8]], on_damage: OnDamage) -> (ShipoteSnapshot, Chain) {
    let mut scans = scan_all(journals);
    let mut findings: Vec<Findings> = scans.iter().map(|_| Findings::default()).collect();
    let start = Start { seq: state.journal_seq, at_ms: Some(state.timestamp_ms) };
    let chain = follow(&mut scans, start, on_damage, &mut findings);
    if let Some(&(journal, line)) = chain.replay.last() {
        let last = (journal, scans[journal].lines[line].at);
        state.journal_seq = chain.seq;
        state.timestamp_ms = state.timestamp_ms.max(chain.at_ms.unwrap_or(0));
        state.apply(take_changes(&mut scans, &chain.replay));
        let inputs: Vec<Input<'_>> = journals.iter().map(|bytes| Input { name: "", bytes }).collect();
        hold_broken(&mut state, &inputs, &mut findings, last);
    }
    (state, chain)
}
