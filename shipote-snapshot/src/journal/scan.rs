//! A journal taken apart into its lines, each with what it is.

use alloc::vec::Vec;

use super::decode::{self, Foreign};
use super::{Entry, Header, Line, Record, checksum};
use crate::digest::Digest;
use crate::place::Stretch;

/// The lines of one journal.
#[derive(Debug)]
pub(crate) struct Scan {
    pub(crate) lines: Vec<ScannedLine>,
    /// Bytes of the file.
    pub(crate) len: usize,
}

/// One line.
#[derive(Debug)]
pub(crate) struct ScannedLine {
    /// Where it stands, with its line feed.
    pub(crate) at: Stretch,
    pub(crate) checksum: u32,
    pub(crate) content: Content,
}

/// What a line is.
#[derive(Debug)]
pub(crate) enum Content {
    Header(Header),
    Record(Record),
    /// Written whole, and not understood.
    Foreign(Foreign),
    /// Not what was written.
    Damaged,
}

impl Scan {
    /// Returns the header, which is the first line.
    pub(crate) fn header(&self) -> Option<&Header> {
        match &self.lines.first()?.content {
            Content::Header(header) => Some(header),
            _ => None,
        }
    }

    pub(crate) fn records(&self) -> impl Iterator<Item = &Record> + Clone {
        self.lines.iter().filter_map(|line| match &line.content {
            Content::Record(record) => Some(record),
            _ => None,
        })
    }
}

/// Returns whether journals know of a `state.json` with this digest.
pub(crate) fn know(scans: &[Scan], digest: Digest) -> bool {
    let of_headers = scans.iter().filter_map(Scan::header).filter_map(|header| header.base_digest);
    let of_records = scans.iter().flat_map(Scan::records).filter_map(|record| match record.entry {
        Entry::Checkpoint { digest, .. } => Some(digest),
        Entry::Changes(_) => None,
    });
    of_headers.chain(of_records).any(|known| known == digest)
}

/// Takes a journal apart.
pub(crate) fn scan(bytes: &[u8]) -> Scan {
    let line = |(offset, line): (usize, &[u8])| {
        let at = Stretch { offset, len: line.len() };
        // A line without its end was not written to the end.
        let whole = line.strip_suffix(b"\n").and_then(checksum::split);
        let Some((checksum, json)) = whole else {
            return ScannedLine { at, checksum: 0, content: Content::Damaged };
        };
        let content = match decode::read(json) {
            Some(Line::Header(header)) if offset == 0 => Content::Header(header),
            Some(Line::Record(record)) => Content::Record(record),
            _ => Content::Foreign(decode::explain(json, offset + checksum::LEN)),
        };
        ScannedLine { at, checksum, content }
    };
    Scan { lines: lines(bytes).map(line).collect(), len: bytes.len() }
}

/// Returns the lines of `bytes` with their line feeds, and where each begins.
pub(super) fn lines(bytes: &[u8]) -> impl Iterator<Item = (usize, &[u8])> {
    let mut offset = 0;
    bytes.split_inclusive(|byte| *byte == b'\n').map(move |line| {
        let begin = offset;
        offset += line.len();
        (begin, line)
    })
}
