//! What a durable change costs at least: its bytes appended to a file, and one fdatasync.

use std::fs::File;
use std::io::Write;
use std::path::Path;

use shipote_snapshot::{Change, encode_record};

use crate::made;

/// A file that records are appended to.
#[derive(Debug)]
pub struct Plain {
    file: File,
    record: String,
}

impl Plain {
    /// Makes the file; the bytes are those of a change that Shipote's journal holds.
    pub fn make(path: &Path) -> Self {
        let change = Change::new().put(made::workspace(5, 1, 0));
        let record = encode_record(&change.into_record(1_005, 1_767_323_045_000, 1_004));
        Self::with(path, record)
    }

    /// Makes the file; `record` is what is appended.
    pub fn with(path: &Path, record: String) -> Self {
        let file = File::options().create_new(true).append(true).open(path).expect("make a file");
        Self { file, record }
    }

    /// Returns how many bytes are appended each time.
    pub fn bytes(&self) -> u64 {
        self.record.len() as u64
    }

    /// Appends the record, and returns when it is durable.
    pub fn change(&mut self) {
        self.file.write_all(self.record.as_bytes()).expect("append");
        self.file.sync_data().expect("fdatasync");
    }
}
