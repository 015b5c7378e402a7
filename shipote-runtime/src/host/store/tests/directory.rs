//! The store on a real directory: locks, owners, modes, and files that somebody planted.

use std::fs::{self, Permissions};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt, symlink};
use std::path::Path;

use super::*;
use crate::host::store::{StateStore, default_snapshot_path, write_durably};

fn opened(dir: &Path) -> StateStore {
    let mut store = StateStore::open(dir).unwrap();
    store.load().unwrap();
    store
}

fn fold(store: &mut StateStore, k: usize) {
    let frozen = frozen(state(k));
    store.ledger.fold(|head| frozen.text(head).unwrap()).unwrap();
}

fn number_in(dir: &Path, name: &str) -> usize {
    number_of(shipote_snapshot::read(&fs::read(dir.join(name)).unwrap()).snapshot.as_ref())
}

#[test]
fn the_default_path_ends_in_state_json() {
    assert!(default_snapshot_path().ends_with("state.json"));
}

#[test]
fn a_second_opener_is_refused_with_the_pid_of_the_first() {
    let dir = tempfile::tempdir().unwrap();
    let first = StateStore::open(dir.path()).unwrap();
    match StateStore::open(dir.path()) {
        Err(StoreError::Locked { pid }) => assert_eq!(pid, Some(std::process::id())),
        other => panic!("{other:?}"),
    }
    drop(first);
    assert!(StateStore::open(dir.path()).is_ok());
}

#[test]
fn a_lock_that_a_child_of_a_dead_daemon_still_holds_is_waited_for() {
    let dir = tempfile::tempdir().unwrap();
    let mut daemon = std::process::Command::new("true").spawn().unwrap();
    daemon.wait().unwrap();
    let path = dir.path().join("state.lock");
    fs::write(&path, daemon.id().to_string()).unwrap();
    let held = fs::File::open(&path).unwrap();
    held.lock().unwrap();
    let child = std::thread::spawn(move || {
        std::thread::sleep(std::time::Duration::from_millis(100));
        drop(held);
    });
    assert!(StateStore::open(dir.path()).is_ok());
    child.join().unwrap();
}

#[test]
fn a_directory_open_to_others_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    fs::set_permissions(dir.path(), Permissions::from_mode(0o777)).unwrap();
    assert!(matches!(StateStore::open(dir.path()), Err(StoreError::Insecure { .. })));
}

#[test]
fn a_directory_behind_a_link_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    fs::DirBuilder::new().mode(0o700).create(dir.path().join("real")).unwrap();
    let link = dir.path().join("link");
    symlink(dir.path().join("real"), &link).unwrap();
    assert!(matches!(StateStore::open(&link), Err(StoreError::Insecure { .. })));
}

#[test]
fn planted_files_are_neither_followed_nor_written_nor_waited_for() {
    for name in ["state.json", "state.journal", "state.journal.old", "state.lock"] {
        let dir = tempfile::tempdir().unwrap();
        let victim = dir.path().join("victim");
        fs::write(&victim, "precious").unwrap();
        let state_dir = dir.path().join("state");
        fs::DirBuilder::new().mode(0o700).create(&state_dir).unwrap();
        let open = || StateStore::open(&state_dir).and_then(|mut store| store.load());
        symlink(&victim, state_dir.join(name)).unwrap();
        assert!(open().is_err(), "{name} is a link");
        assert_eq!(fs::read_to_string(&victim).unwrap(), "precious");
        fs::remove_file(state_dir.join(name)).unwrap();
        nix::unistd::mkfifo(&state_dir.join(name), nix::sys::stat::Mode::S_IRWXU).unwrap();
        assert!(open().is_err(), "{name} is a FIFO");
        fs::remove_file(state_dir.join(name)).unwrap();
        fs::create_dir(state_dir.join(name)).unwrap();
        assert!(open().is_err(), "{name} is a directory");
    }
}

#[test]
fn three_generations_are_kept_and_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = opened(dir.path());
    for number in 0..6 {
        fold(&mut store, number);
    }
    let found = ["state.json", "state.json.1", "state.json.2", "state.json.3"]
        .map(|name| number_in(dir.path(), name));
    assert_eq!(found, [5, 4, 3, 2]);
    // The journal and the lock beside them.
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 6);
}

#[test]
fn everything_is_closed_to_others_whatever_the_umask() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("state.json"), "{").unwrap();
    let store = StateStore::open(dir.path()).and_then(|mut store| store.load().map(drop));
    assert!(store.is_err());
    fs::remove_file(dir.path().join("state.json")).unwrap();
    let mut store = opened(dir.path());
    fold(&mut store, 1);
    fold(&mut store, 2);
    for entry in walk(dir.path()) {
        let metadata = fs::symlink_metadata(&entry).unwrap();
        let mode = if metadata.is_dir() { 0o700 } else { 0o600 };
        assert_eq!(metadata.mode() & 0o777, mode, "{}", entry.display());
    }
}

fn walk(dir: &Path) -> Vec<std::path::PathBuf> {
    let entries = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    entries
        .flat_map(|path| if path.is_dir() { [vec![path.clone()], walk(&path)].concat() } else { vec![path] })
        .collect()
}

#[test]
fn a_change_by_another_hand_is_kept_before_it_is_replaced() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = opened(dir.path());
    fold(&mut store, 1);
    fs::write(dir.path().join("state.json"), "theirs!").unwrap();
    fold(&mut store, 2);
    let copies: Vec<_> = fs::read_dir(dir.path().join("quarantine")).unwrap().flatten().collect();
    assert!(copies.iter().any(|entry| fs::read_to_string(entry.path()).unwrap() == "theirs!"));
}

#[test]
fn a_journal_that_is_taken_away_is_noticed_before_anything_is_promised() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = opened(dir.path());
    fold(&mut store, 1);
    store.ledger.append(vec![(0, change(2))]).unwrap();
    fs::remove_file(dir.path().join("state.journal")).unwrap();
    assert!(store.ledger.append(vec![(0, change(3))]).is_err());
    assert!(store.needs_fold_first());
    fold(&mut store, 2);
    store.ledger.append(vec![(0, change(3))]).unwrap();
    drop(store);
    let loaded = StateStore::open(dir.path()).unwrap().load().unwrap();
    assert_eq!(number_of(loaded.snapshot.as_ref()), 3);
}

#[test]
fn an_unreadable_file_is_copied_and_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("state.json");
    fs::write(&path, "{\"version\": 5,").unwrap();
    let mut store = StateStore::open(dir.path()).unwrap();
    let Err(StoreError::Damaged { quarantined, .. }) = store.load() else { panic!() };
    assert_eq!(fs::read(&path).unwrap(), fs::read(&quarantined).unwrap());
    assert_eq!(fs::read_to_string(&path).unwrap(), "{\"version\": 5,");
}

#[test]
fn a_file_elsewhere_is_replaced_as_a_whole() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("export.json");
    write_durably(dir.path(), &path, "one").unwrap();
    write_durably(dir.path(), &path, "two").unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), "two");
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
}
