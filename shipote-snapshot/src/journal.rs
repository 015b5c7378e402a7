//! `state.journal`: every acknowledged change since `state.json`, one line each, as values and as bytes.
//!
//! A line is `<crc32, 8 digits of lower-case hexadecimal> <json>\n`, the checksum over the bytes of the JSON. The first
//! line is the header, each other one a record. Changes are whole entities: replayed twice they are the same as once.
//! Sequence numbers grow by one from record to record, over the end of one journal into the next.

mod decode;
mod follow;
mod form;
mod scan;

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

pub use decode::decode;
pub(crate) use follow::{Chain, OnDamage, Start, follow};
#[cfg(feature = "schema")]
pub(crate) use form::{CHECKPOINT, ChangeRecord, CheckpointRecord, Header as HeaderLine, OPS, Verb};
pub(crate) use scan::{Content, Scan, know, scan};

use crate::digest::Digest;
use crate::domain::Lineage;
use crate::entity::EntityChange;
use crate::wire::{Style, Wire};

/// The newest version of the journal's format: what is written, and the newest that is read.
pub const JOURNAL_VERSION: u16 = 1;

/// The first line of a journal: what it continues.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// The line of states that it belongs to.
    pub lineage: Lineage,
    /// Serial of the `state.json` that was there when the journal was begun; 0 for none.
    pub base_serial: u64,
    /// Sequence number before that of the first record; every change up to it was durable before.
    pub base_seq: u64,
    /// Digest of the `state.json` that was there; none where there was none.
    pub base_digest: Option<Digest>,
    /// When it was begun, in milliseconds since the Unix epoch.
    pub at_ms: u64,
}

/// Any other line of a journal.
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    /// Its number: one more than that of the record before.
    pub seq: u64,
    /// When it was made, in milliseconds since the Unix epoch.
    pub at_ms: u64,
    /// The highest sequence number that was known to be on disk when it was written; below `seq`.
    pub durable_seq: u64,
    /// What it says.
    pub entry: Entry,
}

/// What a record says.
#[derive(Debug, Clone, PartialEq)]
pub enum Entry {
    /// Entities changed, all of them or none.
    Changes(Vec<EntityChange>),
    /// A `state.json` was completed and is about to take its place.
    Checkpoint {
        /// Its serial.
        serial: u64,
        /// Its digest.
        digest: Digest,
    },
}

/// A line of a journal.
#[derive(Debug, Clone, PartialEq)]
pub enum Line {
    /// The first one.
    Header(Header),
    /// Any other one.
    Record(Record),
}

/// Returns the line that begins a journal.
#[must_use]
pub fn encode_header(header: &Header) -> String {
    line(&form::Header::from(header))
}

/// Returns the line of a record.
///
/// Workspaces are written with the newest [`WRITTEN_SAMPLES`](crate::WRITTEN_SAMPLES) of the samples that they carry.
#[must_use]
pub fn encode_record(record: &Record) -> String {
    match &record.entry {
        Entry::Changes(changes) => line(&form::ChangeRecord::of(record, changes)),
        Entry::Checkpoint { serial, digest } => line(&form::CheckpointRecord::of(record, *serial, *digest)),
    }
}

/// Returns the records of a journal that are whole, in their order, wherever damage stands between them.
pub fn records(bytes: &[u8]) -> impl Iterator<Item = Record> + '_ {
    scan::lines(bytes).filter_map(|(_, line)| match decode(line) {
        Some(Line::Record(record)) => Some(record),
        _ => None,
    })
}

/// Returns whether a journal continues no `state.json`, but is the first one of its line of states.
pub(crate) fn begins_with_nothing(bytes: &[u8]) -> bool {
    let first = scan::lines(bytes).next().and_then(|(_, line)| decode(line));
    matches!(first, Some(Line::Header(Header { base_seq: 0, base_digest: None, .. })))
}

/// Returns the line of an object: its checksum, and its JSON.
pub(crate) fn line(json: &impl Wire) -> String {
    // The checksum is not known before the JSON is written.
    let mut line = String::from("00000000 ");
    json.write(&mut line, Style::Snake);
    let checksum = format!("{:08x}", crc32(&line.as_bytes()[checksum::LEN..]));
    line.replace_range(..checksum.len(), &checksum);
    line.push('\n');
    line
}

/// Returns the CRC-32 of `bytes`, as zlib and POSIX tools count it.
#[must_use]
pub fn crc32(bytes: &[u8]) -> u32 {
    // The page has no room for larger tables: they are noise, which nothing packs.
    #[cfg(target_arch = "wasm32")]
    type Tables = crc::Table<1>;
    #[cfg(not(target_arch = "wasm32"))]
    type Tables = crc::Table<16>;
    const CRC: crc::Crc<u32, Tables> = crc::Crc::<u32, Tables>::new(&crc::CRC_32_ISO_HDLC);
    CRC.checksum(bytes)
}

/// The checksum before each line.
pub(crate) mod checksum {
    /// Bytes before the JSON: the checksum and a blank.
    pub(crate) const LEN: usize = 9;

    /// Returns the JSON of `line`, which has no line feed, and its checksum; or none where they don't fit.
    pub(crate) fn split(line: &[u8]) -> Option<(u32, &[u8])> {
        let (digits, json) = line.split_at_checked(LEN)?;
        let mut checksum: u32 = 0;
        for digit in &digits[..8] {
            let value = match digit {
                b'0'..=b'9' => digit - b'0',
                b'a'..=b'f' => digit - b'a' + 10,
                _ => return None,
            };
            checksum = checksum << 4 | u32::from(value);
        }
        (digits[8] == b' ' && super::crc32(json) == checksum).then_some((checksum, json))
    }
}
