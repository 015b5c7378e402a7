//! Recovery: one of the explained ways on is put in place, and what was there is kept.

use std::path::PathBuf;

use shipote_snapshot::Choice;

use super::StateStore;
use super::disk::Disk;
use super::error::StoreError;
use super::ledger::{JOURNAL_FILE, Ledger, OLD_JOURNAL_FILE, STATE_FILE};

impl StateStore {
    /// Writes the state of `choice` as `state.json`, with a new journal. `serial` is the highest one that is known.
    /// Returns the copies of what was there.
    ///
    /// # Errors
    ///
    /// Returns what failed. The files are as they were then, or `state.json` is the new one already; the copies are
    /// there either way.
    pub fn recover(&mut self, choice: &Choice, serial: u64) -> Result<Vec<PathBuf>, StoreError> {
        self.ledger.recover(choice, serial)
    }
}

impl<D: Disk> Ledger<D> {
    pub(super) fn recover(&mut self, choice: &Choice, serial: u64) -> Result<Vec<PathBuf>, StoreError> {
        let mut copies = Vec::new();
        for name in [STATE_FILE, OLD_JOURNAL_FILE, JOURNAL_FILE] {
            if let Some(bytes) = self.read_if_there(name)? {
                copies.push(self.quarantine(name, &bytes, "before-recovery", &[])?);
            }
        }
        self.has_old = self.read_if_there(OLD_JOURNAL_FILE)?.is_some();
        self.known = self.disk.mark(STATE_FILE).map_err(self.io(STATE_FILE, "stat"))?;
        self.lineage = choice.snapshot.lineage.clone();
        self.serial = serial.max(choice.snapshot.serial);
        self.seq = choice.seq;
        // It is in quarantine; as a generation it would push a good one out.
        self.skip_generation = true;
        self.fold_loaded(&choice.snapshot)?;
        Ok(copies)
    }
}
