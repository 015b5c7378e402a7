//! What a start does with files that something went wrong with.

use super::*;

/// A disk with a state of `folded` changes in `state.json` and the rest, up to `all`, in the journal.
fn disk(folded: usize, all: usize) -> SimDisk {
    let mut run = Run::start(SimDisk::default()).unwrap();
    for _ in 0..folded {
        run.append(1).unwrap();
    }
    run.fold().unwrap();
    for _ in folded..all {
        run.append(1).unwrap();
    }
    run.disk
}

fn edited(disk: &SimDisk, name: &str, edit: impl FnOnce(&mut Vec<u8>)) -> SimDisk {
    let mut image = disk.image();
    let mut bytes = image.read(name).unwrap();
    edit(&mut bytes);
    image.plant(name, &bytes);
    SimDisk::of(image)
}

/// Loads; returns what was found, or the refusal, and checks that a refusal has touched nothing.
fn load(disk: &SimDisk) -> Result<usize, String> {
    let before = disk.image();
    match Run::start(disk.clone()) {
        Ok(run) => Ok(run.acknowledged),
        Err(error) => {
            for name in ["state.json", "state.json.1", "state.journal", "state.journal.old"] {
                assert_eq!(disk.image().read(name), before.read(name), "{name} was touched");
            }
            Err(error.to_string())
        }
    }
}

#[test]
fn an_edit_with_an_empty_journal_is_taken() {
    let disk = disk(3, 3);
    let other = disk.image().read("state.json.1");
    assert!(other.is_some());
    let disk = edited(&disk, "state.json", |bytes| {
        *bytes = String::from_utf8_lossy(bytes).replace("\"workspaces\":[", "\"workspaces\":[ ").into_bytes();
    });
    assert_eq!(load(&disk), Ok(3));
    let mut run = Run::start(disk).unwrap();
    run.append(1).unwrap();
    assert_eq!(restart(run.disk.image().killed()).unwrap().0, 4);
}

#[test]
fn an_edit_with_changes_in_the_journal_is_refused() {
    let disk = edited(&disk(2, 4), "state.json", |bytes| bytes.push(b'\n'));
    assert_eq!(
        load(&disk).unwrap_err(),
        "/sim/state.json: was edited by hand while 2 changes waited in the journal"
    );
}

#[test]
fn every_flipped_bit_of_a_journal_is_refused_or_costs_nothing_acknowledged() {
    let disk = disk(2, 5);
    let journal = disk.image().read("state.journal").unwrap();
    for offset in 0..journal.len() {
        let flipped = edited(&disk, "state.journal", |bytes| bytes[offset] ^= 1 << (offset % 8));
        // The last record alone has nothing behind it that tells that it was acknowledged.
        match load(&flipped) {
            Ok(found) => assert!(found >= 4, "byte {offset}: {found}"),
            Err(text) => assert!(text.contains("damaged") || text.contains("newer"), "byte {offset}: {text}"),
        }
    }
}

#[test]
fn every_shorter_journal_gives_the_changes_that_are_whole() {
    let disk = disk(2, 5);
    let journal = disk.image().read("state.journal").unwrap();
    let mut last = 2;
    for length in 0..=journal.len() {
        let cut = edited(&disk, "state.journal", |bytes| bytes.truncate(length));
        let found = load(&cut).unwrap();
        assert!(found == last || found == last + 1, "{length}: {found} after {last}");
        last = found;
    }
    assert_eq!(last, 5);
}

#[test]
fn every_shorter_state_is_refused_and_left_alone() {
    let disk = disk(3, 5);
    let state = disk.image().read("state.json").unwrap();
    // Without its last byte, the line feed, it is a state all the same: edited, that is.
    for length in 0..state.len() - 1 {
        let cut = edited(&disk, "state.json", |bytes| bytes.truncate(length));
        assert!(load(&cut).unwrap_err().contains("damaged"), "{length}");
    }
}

#[test]
fn a_missing_state_with_a_journal_that_continues_it_is_refused() {
    let disk = disk(2, 4);
    disk.clone().remove("state.json").unwrap();
    disk.clone().remove("state.json.1").unwrap();
    assert!(load(&disk).unwrap_err().contains("damaged"));
}

#[test]
fn a_broken_state_is_passed_over_where_a_generation_and_the_journals_have_everything() {
    // The fold was cut off when the new state.json had its name, and was broken by something else before the old
    // journal was gone.
    let disk = disk(2, 4);
    let mut image = disk.image();
    let good = image.read("state.json").unwrap();
    image.plant("state.json.1", &good);
    image.plant("state.json", b"\0\0\0\0");
    let disk = SimDisk::of(image);
    assert_eq!(load(&disk), Ok(4));
    let left = disk.image();
    assert_eq!(left.read("state.json.1"), Some(good), "the good generation stays");
    assert_eq!(restart(left.killed()).unwrap().0, 4);
}

#[test]
fn a_newer_state_and_a_newer_journal_are_left_alone() {
    let disk = disk(2, 4);
    let newer = edited(&disk, "state.json", |bytes| {
        *bytes = String::from_utf8_lossy(bytes).replace("\"version\":5", "\"version\":6").into_bytes();
    });
    assert!(load(&newer).unwrap_err().contains("newer"));
    let state = names(&newer);
    assert_eq!(names(&newer), state);
}

#[test]
fn the_journal_of_another_state_is_not_replayed() {
    let (one, other) = (disk(2, 4), disk(1, 3));
    let mut image = one.image();
    image.plant("state.journal", &other.image().read("state.journal").unwrap());
    assert!(load(&SimDisk::of(image)).is_err());
}
