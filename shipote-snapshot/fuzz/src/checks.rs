//! What has to hold for any bytes whatever. The fuzz targets look for some for which it does not; an ordinary test holds
//! the corpora and the fixtures against it (`src/tests/corpus.rs`), which names the crate in its own way.

use alloc::string::ToString;
use alloc::vec::Vec;

use shipote_card::parse::{MAX_PROBLEMS, Syntax, parse};
use shipote_card::{canonical, resolve_paths};

use super::readers::journal::{Line, decode, records};
use super::readers::{
    Choice, Digest, Loaded, Refusal, ShipoteSnapshot, Tail, Verdict, changes, encode_record, explain, export,
    load, log, read, render, verify,
};

/// The line between the files of one input: `state.json`, then up to two journals.
const BETWEEN: &[u8] = b"=====\n";
const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

/// Loads a state and its journals, as they are and with every line of a journal that begins with `@` sealed.
pub fn load_any(bytes: &[u8]) {
    let (state, rest) = divided(bytes);
    let (first, second) = rest.map_or((None, None), |rest| {
        let (first, second) = divided(rest);
        (Some(first), second)
    });
    let state = Some(state).filter(|state| !state.is_empty());
    let digest = Digest::of(state.unwrap_or_default()).to_string();
    match (first, second) {
        (None, _) => check_load(state, &[]),
        (Some(first), None) => check_load(state, &[&sealed_where_asked(first, &digest)]),
        (Some(first), Some(second)) => {
            check_load(state, &[&sealed_where_asked(first, &digest), &sealed_where_asked(second, &digest)])
        }
    };
}

/// Returns a journal in which each line that begins with `@` has its checksum in place of that, and the digest of
/// `state.json` where it says `"@"`: what is found by changing one byte would seldom get past them.
fn sealed_where_asked(journal: &[u8], digest: &str) -> Vec<u8> {
    let mut sealed = Vec::new();
    for line in journal.split_inclusive(|byte| *byte == b'\n') {
        let Some(line) = line.strip_prefix(b"@") else {
            sealed.extend_from_slice(line);
            continue;
        };
        let (json, end) = line.strip_suffix(b"\n").map_or((line, &b""[..]), |json| (json, b"\n"));
        let json = match json.windows(3).position(|window| window == b"\"@\"") {
            Some(at) => [&json[..=at], digest.as_bytes(), &json[at + 2..]].concat(),
            None => json.to_vec(),
        };
        seal(&json, &mut sealed);
        sealed.extend_from_slice(end);
    }
    sealed
}

/// Appends JSON with its checksum before it.
fn seal(json: &[u8], out: &mut Vec<u8>) {
    let checksum = crc32fast::hash(json);
    out.extend((0..8).rev().map(|digit| b"0123456789abcdef"[(checksum >> (4 * digit) & 15) as usize]));
    out.push(b' ');
    out.extend_from_slice(json);
}

/// Divides an input at the first line between two files.
fn divided(bytes: &[u8]) -> (&[u8], Option<&[u8]>) {
    let is_line = |at: &usize| *at == 0 || bytes[at - 1] == b'\n';
    let mut places = bytes.windows(BETWEEN.len()).enumerate().filter(|(_, window)| *window == BETWEEN);
    match places.find(|(at, _)| is_line(at)) {
        Some((at, _)) => (&bytes[..at], Some(&bytes[at + BETWEEN.len()..])),
        None => (bytes, None),
    }
}

fn check_load(state: Option<&[u8]>, journals: &[&[u8]]) -> Loaded {
    let loaded = load(state, journals);
    let verdict = loaded.report.verdict;
    match loaded.refusal {
        Some(Refusal::Newer) => assert_eq!(verdict, Verdict::Newer),
        Some(_) => assert_eq!(verdict, Verdict::Invalid),
        None => assert_ne!(verdict, Verdict::Newer),
    }
    // A state that may be gone on from is what it is once it is written, and nothing that was durable is behind it.
    if let (None, Some(snapshot)) = (loaded.refusal, &loaded.snapshot) {
        assert!(loaded.durable_seq <= loaded.seq && snapshot.journal_seq <= loaded.seq);
        let text = render(snapshot);
        let again = load(Some(text.as_bytes()), &[]);
        assert_eq!(again.refusal, None);
        // An entity that was held for another one's sake is in order again where a record took that away.
        if loaded.replayed == 0 || snapshot.held.is_empty() {
            assert_eq!(again.snapshot.as_ref(), Some(snapshot));
        }
    }
    check_tail(state, journals, &loaded);
    check_ways(state, journals, &loaded);
    for entry in log(loaded.snapshot.as_ref(), journals) {
        assert!(entry.seq > 0);
    }
    loaded
}

/// Checks that a tail that was never acknowledged is not missed when it is cut off.
fn check_tail(state: Option<&[u8]>, journals: &[&[u8]], loaded: &Loaded) {
    let (None, Tail::Torn { journal, offset, len }) = (loaded.refusal, loaded.tail) else { return };
    let begin = offset as usize;
    assert_eq!(begin + len as usize, journals[journal].len());
    let has_records = records(&journals[journal][begin..]).next().is_some();
    let is_last = journal + 1 == journals.len();
    if has_records || !is_last {
        // Whole records of a group that was never synced may tell of a state.json that is there.
        return;
    }
    let cut = &journals[journal][..begin];
    let again = match journal {
        0 => load(state, &[cut]),
        _ => load(state, &[journals[0], cut]),
    };
    assert_eq!((again.refusal, again.seq, &again.snapshot), (None, loaded.seq, &loaded.snapshot));
}

/// Checks that a way on from `state.json` that is said to be complete is what a start goes on from.
fn check_ways(state: Option<&[u8]>, journals: &[&[u8]], loaded: &Loaded) {
    let choices = explain(state, &[], journals);
    // Whatever way a start takes unasked, it has every change of its line of states that is said to be on disk.
    let durable = journals.iter().flat_map(|journal| records(journal)).map(|record| record.durable_seq).max();
    for choice in choices.iter().filter(|choice| choice.is_complete()) {
        let is_own =
            |journal: &&[u8]| match journal.split_inclusive(|byte| *byte == b'\n').next().and_then(decode) {
                Some(Line::Header(header)) => header.lineage == choice.snapshot.lineage,
                _ => false,
            };
        if journals.iter().all(is_own) {
            assert!(choice.seq >= durable.unwrap_or(0));
        }
    }
    let begins_with_state = |choice: &&Choice| choice.file.is_some() && choice.is_complete();
    for choice in choices.iter().filter(begins_with_state) {
        let (None, Some(snapshot)) = (loaded.refusal, &loaded.snapshot) else {
            // Something else is wrong, or the journals are of another line of states.
            continue;
        };
        assert_eq!(changes(&choice.snapshot, snapshot), []);
        assert!(choice.seq <= loaded.seq);
    }
}

/// Reads a journal, as it is and with every line sealed by its checksum.
pub fn journal_any(bytes: &[u8]) {
    check_journal(bytes);
    let mut sealed = Vec::new();
    for line in bytes.split(|byte| *byte == b'\n') {
        seal(line, &mut sealed);
        sealed.push(b'\n');
    }
    check_journal(&sealed);
}

fn check_journal(journal: &[u8]) {
    for record in records(journal) {
        let line = encode_record(&record);
        assert_eq!(decode(line.as_bytes()), Some(Line::Record(record)));
    }
    let whole = check_load(None, &[journal]);
    if whole.refusal.is_some() {
        return;
    }
    // Where all of it may be gone on from, so may each beginning of it, and comes no further.
    let ends = journal.iter().enumerate().filter(|(_, byte)| **byte == b'\n').map(|(at, _)| at + 1);
    for end in ends.take(32) {
        let part = load(None, &[&journal[..end]]);
        assert_eq!(part.refusal, None);
        assert!(part.seq <= whole.seq);
    }
}

/// Holds the quick reader against the thorough one, and every version against the newest.
pub fn upgrade_diff(bytes: &[u8]) {
    let reading = read(bytes);
    let report = verify(bytes, "state.json");
    assert_eq!((report.verdict, &report.version), (reading.verdict, &reading.version));
    assert_eq!((report.problems.len(), report.more), (reading.problems.len(), reading.more));
    if !bytes.starts_with(BYTE_ORDER_MARK) {
        // With a byte order mark, which is a problem, no file is read quickly.
        let marked = read(&[BYTE_ORDER_MARK, bytes].concat());
        assert_eq!((marked.verdict, &marked.version), (reading.verdict, &reading.version));
        let (quick, thorough) = (reading.snapshot.as_ref(), marked.snapshot);
        assert_eq!(quick, thorough.map(|state| with_ids_of(quick, state)).as_ref());
        if reading.more == 0 && marked.more == 0 && reading.verdict != Verdict::Newer && quick.is_some() {
            assert_eq!(marked.problems.len(), reading.problems.len() + 1);
        }
    }
    let Some(snapshot) = reading.snapshot else { return };
    let again = read(render(&snapshot).as_bytes());
    assert_eq!(again.verdict == Verdict::Valid, snapshot.held.is_empty());
    assert_eq!(again.snapshot.as_ref(), Some(&snapshot));
    for version in 1..=5 {
        let Some(export) = export(&snapshot, version) else { continue };
        let back = read(export.text.as_bytes());
        assert!(back.snapshot.is_some());
        assert!(back.verdict != Verdict::Invalid || !snapshot.held.is_empty());
    }
}

/// Returns a state with the ids of another one where they may be derived from the bytes of the file.
fn with_ids_of(other: Option<&ShipoteSnapshot>, mut state: ShipoteSnapshot) -> ShipoteSnapshot {
    let Some(other) = other else { return state };
    state.lineage = other.lineage.clone();
    for (live, other) in state.live_pipelines.iter_mut().zip(&other.live_pipelines) {
        live.id = other.id;
    }
    state
}

/// Reads a card, and what is canonical of it.
pub fn card_any(bytes: &[u8]) {
    let Ok(text) = core::str::from_utf8(bytes) else { return };
    for syntax in [Syntax::Toml, Syntax::Json] {
        let parsed = parse(text, syntax, "card");
        assert!(parsed.problems.len() <= MAX_PROBLEMS + 1);
        assert_eq!(parsed.card.is_none(), parsed.problems.iter().any(|problem| problem.is_error()));
        let Some(card) = parsed.card else { continue };
        let full = canonical(&card);
        let again = parse(&full, Syntax::Json, "card");
        assert_eq!(again.card.as_ref(), Some(&card), "{:?}", again.problems);
        let mut resolved = card;
        resolve_paths(&mut resolved, "/base");
    }
}
