//! The state directory: one daemon's lock, `state.json`, its journal, and what was not understood.
//!
//! [`ledger`] has the order of writes that no crash can break, [`load`] what a start does with what it finds,
//! [`writer`] the thread that does both. A file that was not understood is never overwritten. See
//! `docs/state-format.md`.

pub mod disk;
mod error;
pub mod frozen;
pub mod ledger;
pub mod load;
mod place;
mod recover;
pub mod writer;

#[cfg(test)]
mod sim;
#[cfg(test)]
mod tests;

use std::path::Path;

use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

pub use self::error::StoreError;
pub use self::place::{default_snapshot_path, default_state_dir, write_durably};

use self::disk::Directory;
use self::ledger::Ledger;
use self::load::Loaded;
use self::place::Lock;
use self::writer::{Told, Writer};

/// Returns what this program calls itself in a state file.
#[must_use]
pub fn producer() -> String {
    concat!("shipote ", env!("CARGO_PKG_VERSION")).to_owned()
}

/// An opened and locked state directory.
#[derive(Debug)]
pub struct StateStore {
    lock: Lock,
    ledger: Ledger<Directory>,
    fold_above: Option<u64>,
}

impl StateStore {
    /// Opens the state directory, makes it where it is missing, and takes its lock.
    ///
    /// # Errors
    ///
    /// Refuses a directory of another owner or open to others, and one that another daemon holds.
    pub fn open(dir: &Path) -> Result<Self, StoreError> {
        let (directory, lock) = place::open(dir)?;
        let path = directory.path().to_owned();
        Ok(Self { lock, ledger: Ledger::new(directory, path), fold_above: None })
    }

    /// Returns the directory.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.ledger.path
    }

    /// Folds the journal into `state.json` when it is larger than `bytes`, however large `state.json` is. By default
    /// that is done above 1 MiB, or the size of `state.json` where that is more.
    pub const fn fold_above(&mut self, bytes: u64) {
        self.fold_above = Some(bytes);
    }

    /// Loads what is there, and makes it ready to be written to.
    ///
    /// # Errors
    ///
    /// Refuses a state that is newer, damaged, or edited while changes waited; nothing is changed then.
    pub fn load(&mut self) -> Result<Loaded, StoreError> {
        self.ledger.load()
    }

    /// Returns whether the first change needs a whole `state.json` before it.
    #[must_use]
    pub const fn needs_fold_first(&self) -> bool {
        self.ledger.fold_first
    }

    /// Returns the head that `state.json` has now.
    #[must_use]
    pub fn head(&self) -> ledger::Head {
        ledger::Head { serial: self.ledger.serial, journal_seq: self.ledger.seq, ..self.ledger.next_head() }
    }

    /// Starts the thread that writes, after [`load`](Self::load). It keeps the lock until it ends.
    ///
    /// # Errors
    ///
    /// Returns the kernel's error.
    pub fn start(self) -> Result<(Writer, UnboundedReceiver<Told>), StoreError> {
        let (sender, receiver) = unbounded_channel();
        let failed = self.ledger.io("", "make a thread for");
        let writer = Writer::start(self.ledger, self.lock, self.fold_above, sender).map_err(failed)?;
        Ok((writer, receiver))
    }
}
