//! One durable change, among ten workspaces and among a hundred thousand, beside an append and two databases.

use std::cell::RefCell;
use std::path::Path;

use crate::databases::{Redb, Sqlite};
use crate::plain::Plain;
use crate::round::{Side, interleave, side};
use crate::row::Row;
use crate::store::Store;
use crate::{Extent, counted};

const COUNTS: [u64; 3] = [10, 1_000, 100_000];
const AGAINST: &str = "append + fdatasync of the same bytes";

/// Changes that are durable with one sync while the cost of folds is counted.
const GROUP: u64 = 256;

pub fn run(dir: &Path, extent: Extent) {
    let rounds = extent.pick(31, 401);
    let stores: Vec<RefCell<Store>> =
        COUNTS.iter().map(|count| Store::open(&dir.join(format!("store-{count}")), *count).into()).collect();
    let mut redb: Vec<Redb> =
        COUNTS.iter().map(|count| Redb::make(&dir.join(format!("{count}.redb")), *count)).collect();
    let mut sqlite: Vec<Sqlite> =
        COUNTS.iter().map(|count| Sqlite::make(&dir.join(format!("{count}.sqlite")), *count)).collect();
    let mut plain = Plain::make(&dir.join("plain"));
    let bytes = plain.bytes();

    let before: Vec<u64> = stores.iter().map(|store| store.borrow().written()).collect();
    let mut sides: Vec<Side<'_>> = vec![side(|| plain.change())];
    sides.extend(stores.iter().map(|store| side(|| store.borrow_mut().change())));
    sides.extend(redb.iter_mut().map(|database| side(|| database.change())));
    sides.extend(sqlite.iter_mut().map(|database| side(|| database.change())));
    let times = interleave(&mut sides, rounds, 1);
    drop(sides);

    for (at, count) in COUNTS.iter().enumerate() {
        let count = counted(*count);
        Row::of_times(
            format!("one change through the store, {count} workspaces"),
            AGAINST,
            &times,
            [1 + at, 0],
        )
        .goal(1.5)
        .tell();
    }
    let last = COUNTS.len() - 1;
    let what = format!("one change, {} workspaces", counted(COUNTS[last]));
    Row::of_times(&what, "the same among 10", &times, [1 + last, 1]).goal(1.2).tell();
    let changes = rounds as u64 + 1;
    let per_change: Vec<u64> = stores
        .iter()
        .zip(before)
        .map(|(store, before)| (store.borrow().written() - before) / changes)
        .collect();
    let each = [per_change[last], per_change[0]];
    Row::of_bytes(format!("{what}: bytes written"), "the same among 10", each).goal(1.1).tell();
    Row::of_bytes("one change: bytes written", "its record alone", [per_change[0], bytes]).goal(1.1).tell();
    for (at, count) in COUNTS.iter().enumerate() {
        let what = format!("redb, durability Immediate, {} workspaces", counted(*count));
        Row::of_times(what, AGAINST, &times, [4 + at, 0]).tell();
    }
    for (at, count) in COUNTS.iter().enumerate() {
        let what = format!("SQLite, WAL with synchronous FULL, {} workspaces", counted(*count));
        Row::of_times(what, AGAINST, &times, [7 + at, 0]).tell();
    }
    for store in stores {
        store.into_inner().end();
    }
    for count in COUNTS {
        folds(&dir.join(format!("folds-{count}")), count, bytes);
    }
}

/// Counts what the folds add to the bytes of a change, over at least two of them.
fn folds(dir: &Path, count: u64, bytes: u64) {
    let mut store = Store::open(dir, count);
    let before = store.written();
    let mut changes = 0;
    while store.folds < 2 {
        (0..GROUP).for_each(|_| store.order());
        let mut waiting = GROUP;
        while waiting > 0 {
            waiting -= store.told() as u64;
        }
        changes += GROUP;
    }
    let each = (store.written() - before) / changes;
    store.end();
    let what = format!("bytes per change with every fold, {} workspaces", counted(count));
    Row::of_bytes(what, "its record alone", [each, bytes]).goal(2.5).tell();
}
