//! Loading and saving a state, beside `serde_json` with plain derived types over the same bytes.

use std::fs::{self, File};
use std::hint::black_box;
use std::io::Write;
use std::path::Path;

use shipote_runtime::host::store::ledger::Head;
use shipote_snapshot::{Change, Header, encode_header, encode_record, load, render};

use crate::round::{Side, computing, interleave, side};
use crate::row::Row;
use crate::{Extent, counted, made, typed};

/// Samples of each workspace: as many as are written.
const SAMPLES: u64 = 16;
/// Records of the journal that is replayed.
const RECORDS: u64 = 100_000;

pub fn run(dir: &Path, extent: Extent) {
    for (count, rounds, operations) in [(10, 41, 100), (1_000, 41, 2), (10_000, 21, 1), (100_000, 5, 1)] {
        if extent == Extent::Quick && count > 10_000 {
            continue;
        }
        sized(dir, count, extent.pick(5, rounds), operations);
    }
    replay(extent);
}

fn sized(dir: &Path, count: u64, rounds: usize, operations: u32) {
    let state = made::state(count, SAMPLES);
    let text = render(&state);
    let plain: typed::State = serde_json::from_str(&text).expect("plain types that fit");
    assert_eq!(plain.workspaces.len() as u64, count);
    let frozen = made::frozen(&state);
    let head = Head {
        lineage: state.lineage.clone(),
        serial: state.serial,
        journal_seq: state.journal_seq,
        timestamp_ms: state.timestamp_ms,
    };
    drop(state);
    let bytes = text.as_bytes();
    let mut sides = [
        computing(|| {
            let loaded = load(Some(bytes), &[]);
            assert!(loaded.refusal.is_none());
            loaded
        }),
        computing(|| serde_json::from_slice::<typed::State>(bytes).expect("it is read")),
        computing(|| frozen.text(&head).expect("it is proven")),
        computing(|| serde_json::to_string(&plain).expect("it is written")),
    ];
    let times = interleave(&mut sides, rounds, operations);
    let what = format!("load {} workspaces ({})", counted(count), size(bytes.len()));
    let row = Row::of_times(what, "serde_json, typed parse of the same bytes", &times, [0, 1]);
    if count == 10_000 {
        row.goal(1.2).tell()
    } else {
        row.tell()
    }
    let what = format!("make the text of {} workspaces, and prove that it is read back", counted(count));
    Row::of_times(what, "serde_json, typed write", &times, [2, 3]).tell();
    if count <= 10_000 {
        save(dir, bytes, count, rounds, || frozen.text(&head).expect("it is proven"));
    }
}

/// The whole save against the disk's part of it.
fn save<T: AsRef<str>>(dir: &Path, bytes: &[u8], count: u64, rounds: usize, text: impl Fn() -> T) {
    let (whole, disk) = (dir.join(format!("saved-{count}")), dir.join(format!("written-{count}")));
    let mut sides: [Side<'_>; 2] = [
        side(|| {
            let text = text();
            let digest = shipote_snapshot::Digest::of(text.as_ref().as_bytes());
            black_box(digest);
            replace(&whole, text.as_ref().as_bytes());
        }),
        side(|| replace(&disk, bytes)),
    ];
    let times = interleave(&mut sides, rounds.min(21), 1);
    let what = format!("save {} workspaces", counted(count));
    Row::of_times(what, "write + fsync + rename + fsync of the same bytes", &times, [0, 1]).tell();
}

fn replace(path: &Path, bytes: &[u8]) {
    let temporary = path.with_extension("tmp");
    let mut file = File::create(&temporary).expect("make a file");
    file.write_all(bytes).and_then(|()| file.sync_all()).expect("write it");
    fs::rename(&temporary, path).expect("rename it");
    let dir = path.parent().expect("a directory");
    File::open(dir).and_then(|dir| dir.sync_all()).expect("sync the directory");
}

/// A journal of many records, on a `state.json` of a tenth as many workspaces.
fn replay(extent: Extent) {
    let records = extent.pick(RECORDS / 10, RECORDS);
    let count = records / 10;
    let text = render(&made::state(count, 0));
    let base = load(Some(text.as_bytes()), &[]);
    let header = Header {
        lineage: base.snapshot.expect("a state").lineage,
        base_serial: base.serial,
        base_seq: 0,
        base_digest: base.digest,
        at_ms: 1,
    };
    let mut journal = encode_header(&header);
    for seq in 1..=records {
        let change = Change::new().put(made::workspace(seq * 7 % count, seq, 0));
        journal.push_str(&encode_record(&change.into_record(seq, 1_767_323_045_000 + seq, seq - 1)));
    }
    let mut sides = [
        computing(|| {
            let loaded = load(Some(text.as_bytes()), &[journal.as_bytes()]);
            assert_eq!((loaded.replayed, loaded.refusal), (records, None));
            loaded
        }),
        computing(|| {
            let state: typed::State = serde_json::from_str(&text).expect("it is read");
            let records = journal.lines().skip(1).map(|line| serde_json::from_str(&line[9..]));
            let records: Vec<typed::Record> = records.collect::<Result<_, _>>().expect("it is read");
            assert!(records.iter().all(|record| record.seq > 0 && record.ops.len() == 1));
            (state, records)
        }),
    ];
    let times = interleave(&mut sides, extent.pick(3, 7), 1);
    let what = format!("load {} workspaces and replay {} records", counted(count), counted(records));
    Row::of_times(what, "serde_json, typed parse of the same bytes, nothing replayed", &times, [0, 1]).tell();
}

#[expect(clippy::cast_precision_loss, reason = "for people")]
fn size(bytes: usize) -> String {
    match bytes {
        bytes if bytes < 1 << 20 => format!("{:.0} KiB", bytes as f64 / 1024.0),
        bytes => format!("{:.0} MiB", bytes as f64 / f64::from(1 << 20)),
    }
}
