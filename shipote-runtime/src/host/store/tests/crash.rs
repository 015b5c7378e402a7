//! Every crash at every operation, and every operation that fails.

use super::*;
use crate::host::store::sim::Fault;

/// Checks that from `image` a start finds all that was acknowledged and no more than was under way, and that it can be
/// worked with.
fn check(image: Image, acknowledged: usize, under_way: usize, what: &str) {
    let (found, mut run) = match restart(image) {
        Ok(restarted) => restarted,
        Err(error) => panic!("{what}: {acknowledged} acknowledged, refused: {error}"),
    };
    assert!((acknowledged..=under_way).contains(&found), "{what}: {found} of {acknowledged}..={under_way}");
    run.append(2).unwrap_or_else(|error| panic!("{what}: {error}"));
    let (after, run) = restart(run.disk.image().killed()).unwrap();
    assert_eq!(after, found + 2, "{what}: after a second crash");
    assert!(!names(&run.disk).contains(&"state.journal.old"), "{what}: {:?}", names(&run.disk));
}

/// Returns what was acknowledged before an operation, and the most that can be there while it is done.
fn bounds(run: &Run, operation: usize) -> (usize, usize) {
    let done = |&&(at, _): &&(usize, usize)| at <= operation;
    let acknowledged = run.history.iter().filter(done).map(|(_, count)| *count).max().unwrap_or(0);
    let next = run.history.iter().map(|(_, count)| *count).find(|count| *count > acknowledged);
    (acknowledged, next.unwrap_or(acknowledged))
}

fn traced() -> Run {
    let mut run = Run::start(SimDisk::default().tracing()).unwrap();
    run.work();
    assert_eq!(run.acknowledged, 15, "the work itself has no fault");
    run
}

#[test]
fn a_kill_before_every_operation_loses_nothing() {
    let run = traced();
    for (operation, image) in run.disk.trace().into_iter().enumerate() {
        let (acknowledged, under_way) = bounds(&run, operation);
        check(image.killed(), acknowledged, under_way, &format!("killed before operation {operation}"));
    }
}

#[test]
fn a_power_cut_before_every_operation_loses_nothing() {
    let run = traced();
    let mut count = 0;
    for (operation, image) in run.disk.trace().into_iter().enumerate() {
        let (acknowledged, under_way) = bounds(&run, operation);
        for (way, image) in image.cut().into_iter().enumerate() {
            count += 1;
            check(image, acknowledged, under_way, &format!("cut before operation {operation}, way {way}"));
        }
    }
    assert!(count > 1_000, "only {count} ways");
}

#[test]
fn a_second_power_cut_while_the_first_is_mended_loses_nothing() {
    let run = traced();
    // A sample: each of them is a start with crashes of its own.
    for (operation, image) in run.disk.trace().into_iter().enumerate().step_by(9) {
        let (acknowledged, under_way) = bounds(&run, operation);
        // The first and the last way: nothing that was not synced is there, and all of it is.
        let ways = image.cut();
        for first in [ways.first(), ways.last()].into_iter().flatten() {
            let disk = SimDisk::of(first.clone()).tracing();
            let mended = Run::start(disk).unwrap();
            for (step, image) in mended.disk.trace().into_iter().enumerate() {
                for image in image.cut() {
                    let what =
                        format!("cut before operation {operation}, and again before {step} of the start");
                    check(image, acknowledged, under_way, &what);
                }
            }
        }
    }
}

#[test]
fn an_operation_that_fails_leaves_memory_and_disk_the_same() {
    let all = traced().disk.operations();
    for errno in [libc::EIO, libc::ENOSPC] {
        for operation in 0..all {
            let disk = SimDisk::default().with_fault(Fault::Fail(operation, errno));
            let Ok(mut run) = Run::start(disk.clone()) else { continue };
            run.work();
            let what = format!("operation {operation} fails with {errno}");
            check(disk.image().killed(), run.acknowledged, run.acknowledged, &what);
            for image in disk.image().cut() {
                check(image, run.acknowledged, run.acknowledged + 3, &format!("{what}, then the power"));
            }
        }
    }
}

#[test]
fn a_disk_that_fails_for_good_keeps_what_was_acknowledged() {
    let all = traced().disk.operations();
    for errno in [libc::EIO, libc::ENOSPC] {
        for operation in 0..all {
            let disk = SimDisk::default().with_fault(Fault::FailFrom(operation, errno));
            let Ok(mut run) = Run::start(disk.clone()) else { continue };
            run.work();
            disk.heal();
            // A group that was refused may be there: the disk would not even let it be cut off.
            let what = format!("everything from operation {operation} on fails with {errno}");
            check(disk.image().killed(), run.acknowledged, run.acknowledged + 3, &what);
        }
    }
}

#[test]
fn a_full_disk_that_is_emptied_again_goes_on() {
    let mut run = Run::start(SimDisk::default()).unwrap();
    run.append(2).unwrap();
    let disk = run.disk.clone().with_fault(Fault::FailFrom(run.disk.operations(), libc::ENOSPC));
    // The truncation of what was half written works on a full disk, but here it fails as well: nothing more is written.
    let error = run.append(1).unwrap_err();
    assert!(matches!(error, StoreError::Poisoned { .. }), "{error}");
    disk.heal();
    assert!(matches!(run.append(1).unwrap_err(), StoreError::Poisoned { .. }));

    let mut run = Run::start(SimDisk::default()).unwrap();
    run.append(2).unwrap();
    run.disk.clone().with_fault(Fault::Fail(run.disk.operations(), libc::ENOSPC));
    assert!(matches!(run.append(1).unwrap_err(), StoreError::Io { step: "write", .. }));
    run.append(1).unwrap();
    assert_eq!(restart(run.disk.image().killed()).unwrap().0, 3);
}

#[test]
fn a_sync_that_fails_poisons_the_store_until_the_next_start() {
    let mut run = Run::start(SimDisk::default()).unwrap();
    run.append(2).unwrap();
    // The write is the next operation, its sync the one after.
    run.disk.clone().with_fault(Fault::Fail(run.disk.operations() + 1, libc::EIO));
    assert!(matches!(run.append(1).unwrap_err(), StoreError::Poisoned { .. }));
    run.disk.heal();
    assert!(matches!(run.append(1).unwrap_err(), StoreError::Poisoned { .. }));
    assert!(matches!(run.fold().unwrap_err(), StoreError::Poisoned { .. }));
    assert!(matches!(run.ledger.put_journal_aside().unwrap_err(), StoreError::Poisoned { .. }));
    let (found, mut run) = restart(run.disk.image().killed()).unwrap();
    assert_eq!(found, 2);
    run.append(1).unwrap();
}

#[test]
fn the_harness_finds_a_store_that_does_not_sync() {
    // The same checks, over a disk whose syncs are lies: they must find what is lost.
    let run = traced();
    let lost = run.disk.trace().into_iter().enumerate().any(|(operation, image)| {
        let (acknowledged, _) = bounds(&run, operation);
        image.unsynced().is_some_and(|image| match restart(image) {
            Ok((found, _)) => found < acknowledged,
            Err(_) => true,
        })
    });
    assert!(lost);
}
