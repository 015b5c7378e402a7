//! From the lines of journals to the records that a state has still to take in, by one rule for every way of dying.
//!
//! Records follow each other without a gap. Where one is missing, the highest `durable_seq` that is said anywhere
//! decides: above it nothing was ever acknowledged, and the rest is a torn tail; at or below it the disk has lost
//! what it had promised to keep, which is damage.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use shipote_card::Severity;

use super::decode::tell;
use super::scan::{Content, Scan, ScannedLine};
use super::{Header, Record};
use crate::code;
use crate::load::{Loss, Tail};
use crate::ordered::Index;
use crate::place::{Findings, Stretch};

/// Where a state stands before its journals.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Start {
    /// Its `journal_seq`.
    pub(crate) seq: u64,
    /// When it was written, if there is one.
    pub(crate) at_ms: Option<u64>,
}

/// What is done where a record is missing that was durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OnDamage {
    /// Nothing behind it is used: the state is one that was there.
    Stop,
    /// What is behind it is used all the same.
    Skip,
}

/// What journals add to a state.
#[derive(Debug)]
pub(crate) struct Chain {
    /// The records to replay: journal, line.
    pub(crate) replay: Vec<(usize, usize)>,
    /// Sequence number of the state after them.
    pub(crate) seq: u64,
    /// When the last of them was made, or the state before them.
    pub(crate) at_ms: Option<u64>,
    /// The highest sequence number that is known to have been on disk.
    pub(crate) durable_seq: u64,
    pub(crate) tail: Tail,
    /// What is missing, where that was durable or is not understood.
    pub(crate) loss: Option<Loss>,
    /// Whether a line is of a version that is not known yet.
    pub(crate) newer: bool,
}

/// Follows `scans`, the oldest journal first, from `start`. `findings` has one place per journal.
pub(crate) fn follow(
    scans: &mut [Scan],
    start: Start,
    on_damage: OnDamage,
    findings: &mut [Findings],
) -> Chain {
    let headers = scans.iter().filter_map(Scan::header).map(|header| header.base_seq);
    let records = scans.iter().flat_map(Scan::records);
    let durable_seq = (records.clone().map(|record| record.durable_seq))
        .chain(headers)
        .fold(start.seq, |highest, seq| highest.max(seq));
    let last = records.max_by_key(|record| record.seq).filter(|record| record.seq > start.seq);
    let chain = Chain {
        replay: Vec::new(),
        seq: start.seq,
        at_ms: start.at_ms,
        durable_seq,
        tail: Tail::Clean,
        loss: None,
        newer: false,
    };
    let mut follower = Follower {
        base: start.seq,
        last_seq: last.map_or(start.seq, |record| record.seq).max(durable_seq),
        last_ms: last.map(|record| record.at_ms),
        on_damage,
        findings,
        seen: Index::default(),
        sums: Vec::new(),
        damaged: None,
        chain,
    };
    let ended = scans.iter_mut().enumerate().try_for_each(|(journal, scan)| follower.journal(journal, scan));
    if ended.is_ok() {
        let _ = follower.end(scans);
    }
    follower.chain
}

/// Nothing further is used.
struct Stopped;

struct Follower<'a> {
    base: u64,
    /// The highest sequence number that is known of.
    last_seq: u64,
    last_ms: Option<u64>,
    on_damage: OnDamage,
    findings: &'a mut [Findings],
    /// The sequence numbers so far, and the checksum of the last record of each.
    seen: Index,
    sums: Vec<u32>,
    /// The first damaged line since the last good one.
    damaged: Option<Damaged>,
    chain: Chain,
}

#[derive(Clone, Copy)]
struct Damaged {
    journal: usize,
    at: Stretch,
    /// Length of the file.
    len: usize,
}

impl Follower<'_> {
    fn journal(&mut self, journal: usize, scan: &mut Scan) -> Result<(), Stopped> {
        let len = scan.len;
        // Of records that the state holds already, nobody need know whose they are.
        let has_records = scan.records().any(|record| record.seq > self.base);
        if let Some(header) = scan.header() {
            self.header(journal, header, scan.lines[0].at, len)?;
        } else if has_records {
            let at = scan.lines[0].at;
            let what = match scan.lines[0].content {
                Content::Record(_) => "the journal does not begin with a header",
                _ => "the header of the journal is damaged",
            };
            self.damage(journal, code::JOURNAL_HEADER, at, what.into())?;
        } else if scan.lines.is_empty() {
            let at = Stretch { offset: 0, len: 0 };
            self.damaged.get_or_insert(Damaged { journal, at, len });
        }
        for (index, line) in scan.lines.iter_mut().enumerate() {
            let ScannedLine { at, checksum, content } = line;
            match content {
                Content::Header(_) => {}
                Content::Damaged => {
                    self.damaged.get_or_insert(Damaged { journal, at: *at, len });
                }
                Content::Foreign(foreign) => {
                    self.chain.newer |= foreign.newer;
                    self.findings[journal].append(core::mem::take(&mut foreign.findings));
                    self.last_seq = self.last_seq.max(self.chain.seq + 1);
                    self.lose(self.chain.seq + 1, self.chain.seq + 1, None)?;
                }
                Content::Record(record) => {
                    if self.record(journal, record, Damaged { journal, at: *at, len }, *checksum)? {
                        self.chain.replay.push((journal, index));
                    }
                }
            }
        }
        Ok(())
    }

    fn header(&mut self, journal: usize, header: &Header, at: Stretch, len: usize) -> Result<(), Stopped> {
        let (seq, base) = (self.chain.seq, header.base_seq);
        if base <= seq {
            self.nothing_missing();
        } else if journal == 0 {
            let message = format!("the journal continues change {base}, and state.json ends with {seq}");
            self.tell_damage(journal, code::BASE_NEWER, at, message);
            self.lose(seq + 1, base, Some(header.at_ms))?;
            self.chain.seq = base;
        } else {
            self.missing(base, Damaged { journal, at, len }, Some(header.at_ms))?;
        }
        Ok(())
    }

    /// Returns whether a record is to be replayed.
    fn record(&mut self, journal: usize, record: &Record, here: Damaged, sum: u32) -> Result<bool, Stopped> {
        let Record { seq, at_ms, .. } = *record;
        if let Some(first) = self.seen.first(&seq.to_string(), self.sums.len()) {
            let before = core::mem::replace(&mut self.sums[first], sum);
            let message = format!("the sequence number {seq} stands twice");
            if before == sum {
                let hint = "both say the same; the second one is skipped";
                let findings = &mut self.findings[journal];
                tell(findings, Severity::Warning, code::SEQ_REPEATED, here.at, message, hint);
            } else {
                self.damage(journal, code::SEQ_REPEATED, here.at, message)?;
            }
            return Ok(false);
        }
        self.sums.push(sum);
        if seq <= self.base {
            self.nothing_missing();
            return Ok(false);
        }
        if seq <= self.chain.seq {
            // It comes after what follows it; only where damage was skipped.
            return Ok(false);
        }
        if seq == self.chain.seq + 1 {
            self.nothing_missing();
        } else {
            self.missing(seq - 1, here, Some(at_ms))?;
        }
        (self.chain.seq, self.chain.at_ms) = (seq, Some(at_ms));
        Ok(true)
    }

    /// Takes note that the damage before a good line cost nothing.
    fn nothing_missing(&mut self) {
        if let Some(Damaged { journal, at, .. }) = self.damaged.take() {
            let findings = &mut self.findings[journal];
            let message = "this line is damaged, and no change is missing";
            tell(findings, Severity::Warning, code::CRC_MISMATCH, at, message, "it is skipped");
        }
    }

    /// Judges that all changes up to `to` are missing before what stands at `here`.
    fn missing(&mut self, to: u64, here: Damaged, after_ms: Option<u64>) -> Result<(), Stopped> {
        let from = self.chain.seq + 1;
        let damaged = self.damaged.take();
        let Damaged { journal, at, len } = damaged.unwrap_or(here);
        if from > self.chain.durable_seq {
            let Stretch { offset, .. } = at;
            let len = len - offset;
            self.chain.tail = Tail::Torn { journal, offset: offset as u64, len: len as u64 };
            let message = match len {
                0 => "the journal is empty".into(),
                _ => format!("the last {len} bytes were never acknowledged, and are not used"),
            };
            let hint = "a start keeps a copy of them in quarantine/, and cuts them off";
            let (severity, at) = (Severity::Warning, Stretch { offset, len });
            tell(&mut self.findings[journal], severity, code::TORN_TAIL, at, message, hint);
            return Err(Stopped);
        }
        let what =
            if from == to { format!("change {from} is") } else { format!("changes {from} to {to} are") };
        let (code, message) = match damaged {
            Some(_) => (code::CRC_MISMATCH, format!("{what} damaged")),
            None => (code::SEQ_GAP, format!("{what} missing before this line")),
        };
        self.tell_damage(journal, code, at, message);
        self.lose(from, to, after_ms)?;
        self.chain.seq = to;
        Ok(())
    }

    fn end(&mut self, scans: &[Scan]) -> Result<(), Stopped> {
        let Some(here) = self.damaged else { return Ok(()) };
        debug_assert!(here.journal < scans.len());
        self.missing(self.chain.durable_seq.max(self.chain.seq + 1), here, None)
    }

    fn damage(
        &mut self,
        journal: usize,
        code: &'static str,
        at: Stretch,
        what: String,
    ) -> Result<(), Stopped> {
        self.tell_damage(journal, code, at, what);
        // Nothing is known to be missing, and yet it is not what was written.
        self.lose(self.chain.seq + 1, self.chain.seq, None)
    }

    fn tell_damage(&mut self, journal: usize, code: &'static str, at: Stretch, message: String) {
        let behind = self.last_seq.saturating_sub(self.chain.seq);
        let span = self.last_ms.zip(self.chain.at_ms).and_then(|(last, before)| last.checked_sub(before));
        let changes = if behind == 1 { "1 change".into() } else { format!("{behind} changes") };
        let within =
            span.map(|ms| format!(" made within {}.{:03} s", ms / 1000, ms % 1000)).unwrap_or_default();
        let ways = "`shipote state recover` shows every way on";
        let hint = match behind {
            0 => ways.into(),
            _ => format!("what is before it lacks {changes}{within}; {ways}"),
        };
        tell(&mut self.findings[journal], Severity::Error, code, at, message, &hint);
    }

    /// Notes the loss of changes `from` to `to`, or of all from `from` where nothing behind them is used.
    fn lose(&mut self, from: u64, to: u64, after_ms: Option<u64>) -> Result<(), Stopped> {
        let stop = self.on_damage == OnDamage::Stop;
        let (to, to_ms) = if stop { (self.last_seq, self.last_ms) } else { (to, after_ms.or(self.last_ms)) };
        let loss = self.chain.loss.get_or_insert(Loss {
            changes: 0,
            from_seq: from,
            to_seq: to,
            from_ms: self.chain.at_ms,
            to_ms,
        });
        loss.changes += (to + 1).saturating_sub(from);
        (loss.to_seq, loss.to_ms) = (to, to_ms);
        if stop { Err(Stopped) } else { Ok(()) }
    }
}
