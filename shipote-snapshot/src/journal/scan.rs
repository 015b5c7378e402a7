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
    let mut scanned = Vec::new();
    for (offset, line) in lines(bytes) {
        match classify(offset, line) {
            Some(line) => scanned.push(line),
            // A line feed that was damaged joins two lines. The later one, if it is whole, tells that the earlier one
            // was there.
            None => {
                let begin = joined(line).unwrap_or(line.len());
                let at = Stretch { offset, len: begin };
                scanned.push(ScannedLine { at, checksum: 0, content: Content::Damaged });
                scanned.extend(classify(offset + begin, &line[begin..]));
            }
        }
    }
    Scan { lines: scanned, len: bytes.len() }
}

/// Says what a line is; none where it is not what was written.
fn classify(offset: usize, line: &[u8]) -> Option<ScannedLine> {
    // A line without its end was not written to the end.
    let (checksum, json) = line.strip_suffix(b"\n").and_then(checksum::split)?;
    let content = match decode::read(json) {
        Some(Line::Header(header)) if offset == 0 => Content::Header(header),
        Some(Line::Record(record)) => Content::Record(record),
        _ => Content::Foreign(decode::explain(json, offset + checksum::LEN)),
    };
    Some(ScannedLine { at: Stretch { offset, len: line.len() }, checksum, content })
}

/// Returns where, behind its beginning, a whole line stands in a damaged one.
fn joined(line: &[u8]) -> Option<usize> {
    /// Most places that are tried, so that a line made for it can't take long.
    const TRIES: usize = 64;
    let body = line.strip_suffix(b"\n")?;
    let braces = body.windows(2).enumerate().filter(|(_, pair)| *pair == b" {").map(|(at, _)| at + 1);
    let begins = braces.filter(|brace| *brace > checksum::LEN).map(|brace| brace - checksum::LEN);
    let mut tried =
        begins.filter(|begin| body[*begin..*begin + 8].iter().all(u8::is_ascii_hexdigit)).take(TRIES);
    tried.find(|begin| checksum::split(&body[*begin..]).is_some())
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
