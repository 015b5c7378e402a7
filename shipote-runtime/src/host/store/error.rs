//! Why the state could not be opened, read or written.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use shipote_card::Problem;
use shipote_snapshot::SNAPSHOT_VERSION;

/// Why the state could not be opened, read or written.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// Another daemon holds the lock.
    #[error("the state directory is held by another daemon")]
    Locked {
        /// The pid that it wrote down.
        pid: Option<u32>,
    },
    /// The directory can't be trusted.
    #[error("{path}: {reason}")]
    Insecure {
        /// The directory.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A system call failed.
    #[error("{path}: {step}: {source}")]
    Io {
        /// What it was about.
        path: PathBuf,
        /// What was tried.
        step: &'static str,
        /// The kernel's error.
        source: Arc<io::Error>,
    },
    /// The state comes from a newer Shipote. It was not touched.
    #[error("{path}: state version {version} is newer than {SNAPSHOT_VERSION}, the newest known")]
    Newer {
        /// The file.
        path: PathBuf,
        /// The version that it states.
        version: String,
    },
    /// Acknowledged changes can't be read. The files were not touched.
    #[error("{path}: damaged, and nothing beside it has every change that was acknowledged")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problems: Vec<Problem>,
        /// A byte-exact copy.
        quarantined: PathBuf,
    },
    /// `state.json` was edited by hand while the journal held changes that were not folded in. Nothing was touched.
    #[error("{path}: was edited by hand while {} waited in the journal", changes(.waiting))]
    Edited {
        /// The file.
        path: PathBuf,
        /// How many changes wait.
        waiting: u64,
        /// What is wrong.
        problems: Vec<Problem>,
    },
    /// A sync failed, so that nobody knows what is on the disk: nothing is written any more until the next start.
    #[error(
        "{path}: the disk failed to confirm a write ({source}); the state is read-only until the daemon is restarted"
    )]
    Poisoned {
        /// The file.
        path: PathBuf,
        /// The kernel's error.
        source: Arc<io::Error>,
    },
    /// There is no `state.json` yet that a journal could continue.
    #[error("{path}: has to be written before the next change, and could not be")]
    Unfolded {
        /// The file.
        path: PathBuf,
    },
    /// What was to be written is not what would be read.
    #[error("the state can't be written: its text does not read back as what it says")]
    Unfaithful,
    /// The thread that writes is gone.
    #[error("the state can't be written: its writer has ended")]
    Gone,
}

fn changes(count: &u64) -> String {
    if *count == 1 { "a change".to_owned() } else { format!("{count} changes") }
}
