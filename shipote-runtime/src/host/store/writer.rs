//! The writer: one thread that does all the input and output of the store.
//!
//! It takes orders in their turn and tells what became of them. Changes that wait together become durable together,
//! with one sync. A fold by size is made beside them: another thread makes the text, this one writes it piece by piece.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};
use std::thread::JoinHandle;

use shipote_snapshot::Change;
use tokio::sync::mpsc::UnboundedSender;

use super::disk::Disk;
use super::error::StoreError;
use super::frozen::Frozen;
use super::ledger::{Head, Ledger, Writing};

/// Most changes that become durable with one sync.
const LARGEST_GROUP: usize = 4096;
/// Smallest size in bytes at which the journal is folded into `state.json`.
const FOLD_ABOVE: u64 = 1 << 20;

/// What the writer is asked to do.
#[derive(Debug)]
pub enum Order {
    /// Make a change durable.
    Change {
        /// Raised by the orderer after each refusal: what it ordered before it knew of that is refused, too.
        epoch: u64,
        /// When it was made, in milliseconds since the Unix epoch.
        at_ms: u64,
        /// The change.
        change: Change,
    },
    /// Write `state.json` before the next change, where that has to be.
    FoldFirst {
        /// As of a change.
        epoch: u64,
        /// The state before the next change.
        frozen: Box<Frozen>,
    },
    /// Write `state.json` beside the changes that follow.
    FoldBeside {
        /// As of a change.
        epoch: u64,
        /// The state after every change ordered so far.
        frozen: Box<Frozen>,
    },
    /// Write `state.json` where anything has changed since it was written, and end.
    Close {
        /// The state.
        frozen: Box<Frozen>,
    },
    /// A text is ready to be written. Sent by the thread that makes it.
    Text(Head, Result<Arc<str>, StoreError>),
}

/// What the writer tells.
#[derive(Debug)]
pub enum Told {
    /// The oldest changes that were not told of are durable.
    Durable {
        /// How many.
        changes: usize,
        /// Whether it is time to order a [fold beside](Order::FoldBeside) the changes that follow.
        is_fold_due: bool,
    },
    /// All changes of an epoch that were not told of are refused, and nothing of them is on disk.
    Refused {
        /// The epoch.
        epoch: u64,
        /// Why.
        error: StoreError,
        /// Whether the next change needs a [`FoldFirst`](Order::FoldFirst) before it.
        fold_first: bool,
    },
    /// `state.json` was written anew.
    Folded(Head),
    /// A fold was given up; what is on disk is as good as before.
    FoldFailed(StoreError),
}

/// The orderer's end.
#[derive(Debug)]
pub struct Writer {
    orders: Sender<Order>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    /// Starts the thread. It ends by [`Order::Close`], or when this end is gone; `guard` is dropped with it.
    ///
    /// # Errors
    ///
    /// Returns the kernel's error.
    pub fn start<D>(
        ledger: Ledger<D>,
        guard: impl Send + 'static,
        fold_above: Option<u64>,
        told: UnboundedSender<Told>,
    ) -> std::io::Result<Self>
    where
        D: Disk + Send + 'static,
        D::File: Send,
    {
        let (orders, inbox) = channel();
        let own = orders.clone();
        let thread = std::thread::Builder::new().name("shipote-store".into()).spawn(move || {
            let _guard = guard;
            Desk { ledger, inbox, own, told, fold_above, refused: None, beside: Beside::Idle, kept: None }
                .serve();
        })?;
        Ok(Self { orders, thread: Some(thread) })
    }

    /// Hands an order in.
    ///
    /// # Errors
    ///
    /// Fails where the thread has ended.
    pub fn order(&self, order: Order) -> Result<(), StoreError> {
        self.orders.send(order).map_err(|_| StoreError::Gone)
    }

    /// Waits for the end of the thread, after [`Order::Close`].
    pub fn join(mut self) {
        if let Some(thread) = self.thread.take() {
            // A panic was told on its way; there is nothing left to do about it.
            let _ = thread.join();
        }
    }
}

/// A fold beside changes.
enum Beside<F> {
    Idle,
    /// Another thread makes the text.
    Rendering,
    Writing(Writing<F>),
}

struct Desk<D: Disk> {
    ledger: Ledger<D>,
    inbox: Receiver<Order>,
    own: Sender<Order>,
    told: UnboundedSender<Told>,
    fold_above: Option<u64>,
    /// The epoch that was refused last.
    refused: Option<u64>,
    beside: Beside<D::File>,
    /// An order that was taken out of the inbox before its turn.
    kept: Option<Order>,
}

impl<D: Disk> Desk<D> {
    fn serve(mut self) {
        while let Some(order) = self.next() {
            match order {
                Order::Change { epoch, at_ms, change } => self.changes((epoch, at_ms, change)),
                Order::FoldFirst { epoch, frozen } => self.fold_first(epoch, &frozen),
                Order::FoldBeside { epoch, frozen } => self.fold_beside(epoch, frozen),
                Order::Text(head, text) => self.text(head, text),
                Order::Close { frozen } => {
                    self.close(&frozen);
                    return;
                }
            }
        }
    }

    /// Returns the next order; between orders it goes on with what is being written.
    fn next(&mut self) -> Option<Order> {
        if let Some(order) = self.kept.take() {
            return Some(order);
        }
        while matches!(self.beside, Beside::Writing(_)) {
            match self.inbox.try_recv() {
                Ok(order) => return Some(order),
                Err(TryRecvError::Empty) => self.go_on_writing(),
                Err(TryRecvError::Disconnected) => return None,
            }
        }
        self.inbox.recv().ok()
    }

    fn tell(&self, told: Told) {
        // Whoever ordered it may be gone; what is written stays.
        let _ = self.told.send(told);
    }

    fn changes(&mut self, first: (u64, u64, Change)) {
        let mut group = vec![first];
        while group.len() < LARGEST_GROUP {
            match self.inbox.try_recv() {
                Ok(Order::Change { epoch, at_ms, change }) => group.push((epoch, at_ms, change)),
                Ok(other) => {
                    self.kept = Some(other);
                    break;
                }
                Err(_) => break,
            }
        }
        group.retain(|(epoch, ..)| self.refused != Some(*epoch));
        // What is left is of one epoch: a new one begins only after the refusal of the one before was told.
        let Some((epoch, ..)) = group.last() else { return };
        let (epoch, changes) = (*epoch, group.len());
        match self.ledger.append(group.into_iter().map(|(_, at_ms, change)| (at_ms, change)).collect()) {
            Ok(()) => {
                let is_idle = matches!(self.beside, Beside::Idle);
                let is_fold_due = is_idle && self.ledger.journal_len() > self.fold_above();
                self.tell(Told::Durable { changes, is_fold_due });
            }
            Err(error) => self.refuse(epoch, error),
        }
    }

    /// Returns the size of the journal in bytes above which it is folded.
    fn fold_above(&self) -> u64 {
        self.fold_above.unwrap_or_else(|| self.ledger.folded_len.max(FOLD_ABOVE))
    }

    fn refuse(&mut self, epoch: u64, error: StoreError) {
        self.refused = Some(epoch);
        self.tell(Told::Refused { epoch, error, fold_first: self.ledger.fold_first });
    }

    fn fold_first(&mut self, epoch: u64, frozen: &Frozen) {
        if self.refused == Some(epoch) || !self.ledger.fold_first {
            return;
        }
        self.beside = Beside::Idle;
        match self.fold_now(frozen) {
            Ok(head) => self.tell(Told::Folded(head)),
            Err(error) => self.refuse(epoch, error),
        }
    }

    fn fold_now(&mut self, frozen: &Frozen) -> Result<Head, StoreError> {
        let head = self.ledger.next_head();
        let text = frozen.text(&head)?;
        self.ledger.fold(|_| text)?;
        Ok(head)
    }

    fn fold_beside(&mut self, epoch: u64, frozen: Box<Frozen>) {
        if self.refused == Some(epoch) || self.ledger.fold_first || !matches!(self.beside, Beside::Idle) {
            return;
        }
        let head = match self.ledger.put_journal_aside() {
            Ok(head) => head,
            Err(error) => return self.tell(Told::FoldFailed(error)),
        };
        let own = self.own.clone();
        let made = std::thread::Builder::new().name("shipote-render".into()).spawn(move || {
            let text = frozen.text(&head);
            drop(frozen);
            // The writer has ended where nobody takes it.
            let _ = own.send(Order::Text(head, text));
        });
        match made {
            Ok(_) => self.beside = Beside::Rendering,
            Err(source) => {
                let path = self.ledger.path_of(super::ledger::STATE_FILE);
                let source = Arc::new(source);
                self.tell(Told::FoldFailed(StoreError::Io { path, step: "make a thread for", source }));
            }
        }
    }

    fn text(&mut self, head: Head, text: Result<Arc<str>, StoreError>) {
        if !matches!(self.beside, Beside::Rendering) {
            return;
        }
        match text.and_then(|text| self.ledger.begin_writing(head, text)) {
            Ok(writing) => self.beside = Beside::Writing(writing),
            Err(error) => {
                self.beside = Beside::Idle;
                self.tell(Told::FoldFailed(error));
            }
        }
    }

    fn go_on_writing(&mut self) {
        let Beside::Writing(mut writing) = std::mem::replace(&mut self.beside, Beside::Idle) else { return };
        let done = match self.ledger.write_chunk(&mut writing) {
            Ok(false) => {
                self.beside = Beside::Writing(writing);
                return;
            }
            Ok(true) => {
                let head = writing.head().clone();
                self.ledger.put_in_place(writing).and_then(|()| self.ledger.drop_old()).map(|()| head)
            }
            Err(error) => Err(error),
        };
        self.tell(match done {
            Ok(head) => Told::Folded(head),
            Err(error) => Told::FoldFailed(error),
        });
    }

    fn close(&mut self, frozen: &Frozen) {
        if let Beside::Writing(writing) = std::mem::replace(&mut self.beside, Beside::Idle) {
            self.ledger.give_up(writing);
        }
        if self.ledger.has_changes()
            && let Err(error) = self.fold_now(frozen)
        {
            tracing::warn!(%error, "state.json could not be written; the journal beside it has what is missing");
        }
    }
}
