//! Durability: changes of what is declared are made in memory at once, and told only when they are on disk.
//!
//! The core goes on with other jobs while the writer syncs, so that changes of several clients become durable together.
//! Every answer and every event waits for the changes that were made before it: nobody sees what can still vanish. A
//! refused change is taken back, with all that were made after it.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use shipote_card::WorkspaceId;
use shipote_snapshot::{Change, PersistedStats, WRITTEN_SAMPLES};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use super::declared::Undo;
use super::manager::{Core, ManagerError};
use crate::host::clock;
use crate::host::store::ledger::Head;
use crate::host::store::writer::{Order, Told, Writer};
use crate::host::store::{StateStore, StoreError};

/// Time between a fold that failed and the next one by size.
const FOLD_AGAIN: Duration = Duration::from_secs(30);

/// What is done once everything before it is durable, or refused.
type After = Box<dyn FnOnce(&mut Core, Result<(), StoreError>) + Send>;

/// A change that is not known to be durable yet.
struct Pending {
    undo: Undo,
    after: Vec<After>,
}

/// Where what is declared is kept.
pub(super) enum Store {
    /// Nowhere: the manager was made without a state directory.
    Nowhere,
    /// In a state directory.
    Here(Writer),
    /// It was given back; every later change is refused.
    Closed,
}

/// What the core knows of its store.
pub(super) struct Durable {
    store: Store,
    told: Option<UnboundedReceiver<Told>>,
    head: Head,
    pending: VecDeque<Pending>,
    /// Raised after each refusal, so that what was ordered meanwhile is refused too.
    epoch: u64,
    /// Whether the next change needs a whole `state.json` before it.
    fold_first: bool,
    is_folding: bool,
    fold_not_before: Option<Instant>,
    /// Changes made so far, to tell whether there is anything to save.
    revision: u64,
    saved_revision: Option<u64>,
}

impl Durable {
    pub(super) fn new(store: Option<StateStore>, fresh: Head) -> Result<Self, StoreError> {
        let fold_first = store.as_ref().is_some_and(StateStore::needs_fold_first);
        let head = store.as_ref().map_or(fresh, StateStore::head);
        let (store, told) = match store.map(StateStore::start).transpose()? {
            Some((writer, told)) => (Store::Here(writer), Some(told)),
            None => (Store::Nowhere, None),
        };
        Ok(Self {
            store,
            told,
            head,
            pending: VecDeque::new(),
            epoch: 0,
            fold_first,
            is_folding: false,
            fold_not_before: None,
            revision: 0,
            saved_revision: None,
        })
    }

    /// Returns the receiver of what the writer tells; closed, where there is no writer.
    pub(super) fn take_told(&mut self) -> UnboundedReceiver<Told> {
        self.told.take().unwrap_or_else(|| unbounded_channel().1)
    }

    /// Returns the head of the state as it is now.
    pub(super) fn head(&self) -> Head {
        Head { timestamp_ms: clock::wall_ms(), ..self.head.clone() }
    }

    pub(super) const fn is_kept(&self) -> bool {
        matches!(self.store, Store::Here(_))
    }
}

impl Core {
    /// Makes a change, which is durable when the writer has told so; what waits with [`after`](Self::after) waits for
    /// that.
    ///
    /// # Errors
    ///
    /// Fails where nothing is written any more.
    pub(super) fn commit(&mut self, change: Change) -> Result<(), ManagerError> {
        if change.is_empty() {
            return Ok(());
        }
        let epoch = self.durable.epoch;
        if self.durable.is_kept() && self.durable.fold_first {
            // Once an epoch is enough: it is refused as a whole where this fails.
            self.durable.fold_first = false;
            let frozen = Box::new(self.declared.freeze(self.newest_samples()));
            self.order(Order::FoldFirst { epoch, frozen })?;
        }
        match &self.durable.store {
            Store::Nowhere => {
                self.declared.apply(change);
            }
            Store::Closed => return Err(ManagerError::Closed),
            Store::Here(_) => {
                self.order(Order::Change { epoch, at_ms: clock::wall_ms(), change: change.clone() })?;
                let undo = self.declared.apply(change);
                self.durable.pending.push_back(Pending { undo, after: Vec::new() });
            }
        }
        self.durable.revision += 1;
        Ok(())
    }

    fn order(&self, order: Order) -> Result<(), StoreError> {
        match &self.durable.store {
            Store::Here(writer) => writer.order(order),
            Store::Nowhere | Store::Closed => Err(StoreError::Gone),
        }
    }

    /// Does something once every change made so far is durable or refused: at once, where none is under way.
    pub(super) fn after(&mut self, act: impl FnOnce(&mut Self, Result<(), StoreError>) + Send + 'static) {
        match self.durable.pending.back_mut() {
            Some(pending) => pending.after.push(Box::new(act)),
            None => act(self, Ok(())),
        }
    }

    /// Takes in what the writer tells.
    pub(super) fn on_told(&mut self, told: Told) {
        match told {
            Told::Durable { changes, is_fold_due } => {
                let done: Vec<Pending> =
                    self.durable.pending.drain(..changes.min(self.durable.pending.len())).collect();
                if self.durable.pending.is_empty() {
                    self.mark_clean();
                }
                for act in done.into_iter().flat_map(|pending| pending.after) {
                    act(self, Ok(()));
                }
                if is_fold_due {
                    self.fold_beside();
                }
            }
            Told::Refused { epoch, error, fold_first } if epoch == self.durable.epoch => {
                self.durable.epoch += 1;
                self.durable.fold_first = fold_first;
                self.refuse(&error);
            }
            Told::Refused { .. } => {}
            Told::Folded(head) => {
                self.durable.is_folding = false;
                self.durable.head = head;
            }
            Told::FoldFailed(error) => {
                self.durable.is_folding = false;
                self.durable.fold_not_before = Some(Instant::now() + FOLD_AGAIN);
                tracing::warn!(%error, "the journal can't be folded into state.json; it goes on to grow");
            }
        }
    }

    /// Takes in that the writer has ended by itself: what it did not tell of may not be there.
    pub(super) fn on_writer_gone(&mut self) {
        self.durable.store = Store::Closed;
        self.refuse(&StoreError::Gone);
    }

    /// Takes every change back that is not durable.
    fn refuse(&mut self, error: &StoreError) {
        let refused: Vec<Pending> = self.durable.pending.drain(..).collect();
        tracing::error!(%error, changes = refused.len(), "refused: what can't be written is not made");
        let mut acts = Vec::new();
        for Pending { undo, after } in refused.into_iter().rev() {
            self.declared.take_back(undo);
            acts.push(after);
        }
        for act in acts.into_iter().rev().flatten() {
            act(self, Err(error.clone()));
        }
        // Nothing can run in what was never declared.
        let live: Vec<WorkspaceId> = self.live.keys().copied().collect();
        for id in live {
            if self.entry(id).is_none()
                && let Some(handle) = self.live.get(&id).cloned()
            {
                tokio::spawn(async move { handle.end(true).await });
            }
        }
    }

    /// Has the journal folded into `state.json` beside the changes that follow.
    fn fold_beside(&mut self) {
        let is_early = self.durable.fold_not_before.is_some_and(|at| Instant::now() < at);
        if self.durable.is_folding || is_early {
            return;
        }
        let frozen = Box::new(self.declared.freeze(self.newest_samples()));
        self.durable.is_folding = self.order(Order::FoldBeside { epoch: self.durable.epoch, frozen }).is_ok();
    }

    /// Waits for what is under way, writes `state.json` where that has to be, and gives the state directory back.
    pub(super) async fn close_store(&mut self, mut told: UnboundedReceiver<Told>) {
        while !self.durable.pending.is_empty() {
            match told.recv().await {
                Some(told) => self.on_told(told),
                None => self.on_writer_gone(),
            }
        }
        let frozen = Box::new(self.declared.freeze(self.newest_samples()));
        if let Store::Here(writer) = std::mem::replace(&mut self.durable.store, Store::Closed)
            && writer.order(Order::Close { frozen }).is_ok()
        {
            // A thread that panicked has nothing more to write.
            let _ = tokio::task::spawn_blocking(move || writer.join()).await;
        }
    }

    /// Tells whether what is declared differs from what was last saved or loaded.
    pub(super) fn is_dirty(&self) -> bool {
        self.durable.saved_revision != Some(self.durable.revision)
    }

    /// Takes what is declared now as what the file says.
    pub(super) fn mark_clean(&mut self) {
        self.durable.saved_revision = Some(self.durable.revision);
    }

    /// Returns the newest samples of each workspace, as they are written.
    pub(super) fn newest_samples(&self) -> HashMap<WorkspaceId, Vec<PersistedStats>> {
        let newest = |samples: &VecDeque<_>| {
            samples
                .iter()
                .skip(samples.len().saturating_sub(WRITTEN_SAMPLES))
                .map(PersistedStats::from)
                .collect()
        };
        self.history.iter().map(|(id, samples)| (*id, newest(samples))).collect()
    }
}
