//! The store alone, for the crash matrix: `store DIR` makes a fixed row of changes, with folds between them, and
//! answers each on stdout as soon as it is durable; `store DIR look` tells the last change that is there.

#![expect(clippy::unwrap_used, reason = "a harness that meets the unexpected is to stop there")]
#![expect(clippy::print_stdout, reason = "its answers are its purpose")]

use std::collections::HashMap;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use shipote_card::{WorkspaceId, WorkspaceSpec};
use shipote_runtime::host::store::frozen::Frozen;
use shipote_runtime::host::store::writer::{Order, Told, Writer};
use shipote_runtime::host::store::{StateStore, StoreError};
use shipote_snapshot::{Change, ShipoteSnapshot, WorkspaceEntry};
use tokio::sync::mpsc::UnboundedReceiver;

/// Changes that are made.
const CHANGES: u64 = 14;
/// Bytes of journal above which it is folded: a few changes.
const FOLD_ABOVE: u64 = 900;

fn entry(number: u64, label: String) -> WorkspaceEntry {
    WorkspaceEntry::new(WorkspaceId::from_parts(1, u128::from(number)), WorkspaceSpec::labelled(label))
}

/// The change of a number: it moves the mark, and adds a workspace.
fn change(number: u64) -> Change {
    Change::new().put(entry(1, format!("mark-{number}"))).put(entry(number + 100, format!("w{number}")))
}

fn number_of(state: Option<&ShipoteSnapshot>) -> u64 {
    let Some(state) = state else { return 0 };
    let marks = state.workspaces.iter().find_map(|entry| entry.spec.label.strip_prefix("mark-"));
    let number = marks.map_or(0, |number| number.parse().unwrap());
    let others = state.workspaces.iter().filter(|entry| !entry.spec.label.starts_with("mark-")).count();
    assert_eq!(others as u64, number, "a state that never was");
    number
}

fn frozen(number: u64) -> Box<Frozen> {
    let mark = (number > 0).then(|| entry(1, format!("mark-{number}")));
    let others = (1..=number).map(|number| entry(number + 100, format!("w{number}")));
    let workspaces = mark.into_iter().chain(others).map(Arc::new).collect();
    Box::new(Frozen { workspaces, samples: HashMap::new(), ..Frozen::default() })
}

struct Session {
    writer: Writer,
    told: UnboundedReceiver<Told>,
    epoch: u64,
    fold_first: bool,
    is_folding: bool,
    done: u64,
}

impl Session {
    /// Makes one change. Returns whether it is durable.
    fn change(&mut self) -> Result<(), StoreError> {
        let epoch = self.epoch;
        if std::mem::take(&mut self.fold_first) {
            self.writer.order(Order::FoldFirst { epoch, frozen: frozen(self.done) })?;
        }
        self.writer.order(Order::Change { epoch, at_ms: self.done, change: change(self.done + 1) })?;
        loop {
            match self.told.blocking_recv().ok_or(StoreError::Gone)? {
                Told::Durable { is_fold_due, .. } => {
                    self.done += 1;
                    if is_fold_due && !self.is_folding {
                        self.is_folding = true;
                        self.writer.order(Order::FoldBeside { epoch, frozen: frozen(self.done) })?;
                    }
                    return Ok(());
                }
                Told::Refused { error, fold_first, .. } => {
                    self.epoch += 1;
                    self.fold_first = fold_first;
                    return Err(error);
                }
                Told::Folded(_) | Told::FoldFailed(_) => self.is_folding = false,
            }
        }
    }
}

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let dir = arguments.next().unwrap();
    let mut store = match StateStore::open(Path::new(&dir)) {
        Ok(store) => store,
        Err(error) => {
            println!("refused: {error}");
            return ExitCode::FAILURE;
        }
    };
    store.fold_above(FOLD_ABOVE);
    let loaded = match store.load() {
        Ok(loaded) => loaded,
        Err(error) => {
            println!("refused: {error}");
            return ExitCode::FAILURE;
        }
    };
    let done = number_of(loaded.snapshot.as_ref());
    if arguments.next().is_some() {
        println!("found {done}");
        return ExitCode::SUCCESS;
    }
    let fold_first = store.needs_fold_first();
    let (writer, told) = store.start().unwrap();
    let mut session = Session { writer, told, epoch: 0, fold_first, is_folding: false, done };
    let mut refusals = 0;
    while session.done < CHANGES && refusals < 3 {
        match session.change() {
            Ok(()) => println!("ack {}", session.done),
            Err(error) => {
                refusals += 1;
                println!("no {}: {error}", session.done + 1);
            }
        }
    }
    session.writer.order(Order::Close { frozen: frozen(session.done) }).unwrap();
    session.writer.join();
    ExitCode::SUCCESS
}
