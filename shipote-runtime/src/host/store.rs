//! The state directory: one daemon's lock, `state.json` written so that no crash can lose it, and the samples.
//!
//! A file that was not understood is copied to quarantine and never overwritten. See `docs/state-format.md`.

use std::fs::{self, DirBuilder, File};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use shipote_card::{Problem, Severity};
use shipote_snapshot::{Reading, SNAPSHOT_VERSION, ShipoteSnapshot, Verdict};

use super::clock;

/// Previous generations of `state.json` that are kept.
const GENERATIONS: u32 = 3;
const STATE_FILE: &str = "state.json";

/// Returns the default place of `state.json`, by the environment of this process (docs/state-format.md).
#[must_use]
pub fn default_snapshot_path() -> PathBuf {
    default_state_dir().join(STATE_FILE)
}

/// Returns the default state directory: `$SHIPOTE_STATE_DIR`, `$STATE_DIRECTORY`, `$XDG_STATE_HOME/shipote`,
/// `$HOME/.local/state/shipote`, and as a last resort `/tmp/shipote-state-$UID`.
#[must_use]
pub fn default_state_dir() -> PathBuf {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    set("SHIPOTE_STATE_DIR")
        .or_else(|| set("STATE_DIRECTORY"))
        .or_else(|| Some(set("XDG_STATE_HOME")?.join("shipote")))
        .or_else(|| Some(set("HOME")?.join(".local/state/shipote")))
        .unwrap_or_else(|| PathBuf::from(format!("/tmp/shipote-state-{}", nix::unistd::geteuid())))
}

/// Why the state could not be opened or written.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Another daemon holds the lock.
    #[error("the state directory is held by another daemon")]
    Locked {
        /// The pid that it wrote down.
        pid: Option<u32>,
    },
    /// The directory can't be trusted.
    #[error("{path}: {reason}")]
    Insecure {
        /// The directory.
        path: PathBuf,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// A system call failed.
    #[error("{path}: {step}: {source}")]
    Io {
        /// What it was about.
        path: PathBuf,
        /// What was tried.
        step: &'static str,
        /// The kernel's error.
        source: io::Error,
    },
    /// `state.json` comes from a newer Shipote. It was not touched.
    #[error("{path}: state version {version} is newer than {SNAPSHOT_VERSION}, the newest known")]
    Newer {
        /// The file.
        path: PathBuf,
        /// The version that it states.
        version: String,
    },
    /// `state.json` is unreadable as a document. It was not touched.
    #[error("{path}: not readable as a state file")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problems: Vec<Problem>,
        /// A byte-exact copy.
        quarantined: PathBuf,
    },
}

fn io_error<'a>(path: &'a Path, step: &'static str) -> impl FnOnce(io::Error) -> StoreError + 'a {
    move |source| StoreError::Io { path: path.to_owned(), step, source }
}

/// An opened and locked state directory.
#[derive(Debug)]
pub struct StateStore {
    dir: PathBuf,
    /// Holds the lock for as long as it is open; close-on-exec, so no child keeps it.
    _lock: File,
    /// What `state.json` is known to be, to notice a change by another hand.
    known: Option<FileMark>,
    /// A version before the newest that was read and is to be kept once.
    backup_of: Option<String>,
}

/// Tells one content of a file from another without reading it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct FileMark {
    ino: u64,
    size: u64,
    mtime_ns: i128,
}

/// What was found in the state directory.
#[derive(Debug)]
pub struct Loaded {
    /// The state; none where there is no file yet.
    pub snapshot: Option<ShipoteSnapshot>,
    /// What was wrong with it: held entities, warnings.
    pub problems: Vec<Problem>,
    /// Whether the file is of an older version, so that the next write upgrades it.
    pub upgraded: bool,
}

impl StateStore {
    /// Opens the state directory, makes it where it is missing, and takes its lock.
    ///
    /// # Errors
    ///
    /// Refuses a directory of another owner or open to others, and one that another daemon holds.
    pub fn open(dir: &Path) -> Result<Self, StoreError> {
        DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(io_error(dir, "make"))?;
        check_dir(dir)?;
        let dir = dir.canonicalize().map_err(io_error(dir, "resolve"))?;
        let lock_path = dir.join("state.lock");
        let mut lock = File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK)
            .open(&lock_path)
            .map_err(io_error(&lock_path, "open"))?;
        if !lock.metadata().map_err(io_error(&lock_path, "stat"))?.is_file() {
            return Err(StoreError::Insecure { path: lock_path, reason: "is not a regular file" });
        }
        match lock.try_lock() {
            Ok(()) => {}
            Err(fs::TryLockError::WouldBlock) => {
                let mut text = String::new();
                // The pid is a courtesy; the refusal stands without it.
                let _ = lock.read_to_string(&mut text);
                return Err(StoreError::Locked { pid: text.trim().parse().ok() });
            }
            Err(fs::TryLockError::Error(source)) => return Err(io_error(&lock_path, "lock")(source)),
        }
        let written = lock
            .set_len(0)
            .and_then(|()| lock.rewind())
            .and_then(|()| writeln!(lock, "{}", std::process::id()));
        written.map_err(io_error(&lock_path, "write"))?;
        let store = Self { dir, _lock: lock, known: None, backup_of: None };
        store.sweep_temporaries();
        Ok(store)
    }

    /// Returns the directory.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Reads `state.json`.
    ///
    /// # Errors
    ///
    /// Refuses a file of a newer version and one that is unreadable as a document; neither is touched.
    pub fn load(&mut self) -> Result<Loaded, StoreError> {
        let path = self.dir.join(STATE_FILE);
        let bytes = match read_regular(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Ok(Loaded { snapshot: None, problems: Vec::new(), upgraded: false });
            }
            Err(error) => return Err(io_error(&path, "read")(error)),
        };
        let Reading { verdict, version, snapshot, problems, .. } = shipote_snapshot::read(&bytes);
        if verdict == Verdict::Newer {
            return Err(StoreError::Newer { path, version: version.unwrap_or_default() });
        }
        let has_fatal = problems.iter().any(|problem| problem.severity == Severity::Fatal);
        let Some(snapshot) = snapshot.filter(|_| !has_fatal) else {
            let quarantined = self.quarantine(&bytes, "unreadable", &problems)?;
            return Err(StoreError::Damaged { path, problems, quarantined });
        };
        if !problems.is_empty() {
            // Held entities are written back as they were; this copy is for whoever wants to look.
            self.quarantine(&bytes, "problems", &problems)?;
        }
        self.known = mark(&path);
        let upgraded = version.as_deref() != Some(&SNAPSHOT_VERSION.to_string());
        self.backup_of = version.filter(|_| upgraded);
        Ok(Loaded { snapshot: Some(snapshot), problems, upgraded })
    }

    /// Writes `state.json` so that at every moment, power cuts included, the old or the new content is there whole.
    ///
    /// # Errors
    ///
    /// Returns what failed. `state.json` then has its old content, or the new one where only the sync of the
    /// directory failed.
    pub fn save(&mut self, content: &str) -> Result<(), StoreError> {
        let path = self.dir.join(STATE_FILE);
        let temporary = temporary_name(&self.dir);
        let result = self.replace(&path, &temporary, content);
        if result.is_err() {
            // Gone already where the rename was what failed.
            let _ = fs::remove_file(&temporary);
        }
        result
    }

    fn replace(&mut self, path: &Path, temporary: &Path, content: &str) -> Result<(), StoreError> {
        write_synced(temporary, content.as_bytes())?;
        self.keep_foreign_change(path)?;
        self.keep_generations(path)?;
        fs::rename(temporary, path).map_err(io_error(path, "rename"))?;
        // The file is ours from here on, whether or not the directory can be synced.
        self.known = mark(path);
        self.backup_of = None;
        sync_dir(&self.dir)
    }

    /// Keeps a copy of a `state.json` that is not the one this daemon read or wrote last.
    fn keep_foreign_change(&self, path: &Path) -> Result<(), StoreError> {
        if mark(path) == self.known {
            return Ok(());
        }
        match read_regular(path) {
            Ok(bytes) => {
                let copy = self.quarantine(&bytes, "changed-by-another-hand", &[])?;
                tracing::warn!(copy = %copy.display(), "state.json was changed by another hand and is replaced");
                Ok(())
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(io_error(path, "read")(error)),
        }
    }

    /// Links the present file as the newest of the previous generations, and once as the backup before an upgrade.
    fn keep_generations(&self, path: &Path) -> Result<(), StoreError> {
        if !path.exists() {
            return Ok(());
        }
        if let Some(version) = &self.backup_of {
            let backup = self.dir.join(format!("{STATE_FILE}.v{version}.bak"));
            match fs::hard_link(path, &backup) {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                    return Err(io_error(&backup, "link")(error));
                }
                _ => {}
            }
        }
        let generation = |number: u32| self.dir.join(format!("{STATE_FILE}.{number}"));
        // A write that was cut off after this step has kept the present file already. Renaming it onto another name
        // of itself would do nothing (rename(2)), and leave no room for the link.
        if mark(&generation(1)).is_some_and(|kept| mark(path).is_some_and(|now| now.ino == kept.ino)) {
            return Ok(());
        }
        for number in (1..GENERATIONS).rev() {
            match fs::rename(generation(number), generation(number + 1)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(io_error(&generation(number), "rename")(error));
                }
                _ => {}
            }
        }
        let newest = generation(1);
        match fs::remove_file(&newest) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(io_error(&newest, "remove")(error)),
            _ => fs::hard_link(path, &newest).map_err(io_error(&newest, "link")),
        }
    }

    /// Keeps a byte-exact copy of something that was not understood, with a report beside it.
    fn quarantine(&self, bytes: &[u8], reason: &str, problems: &[Problem]) -> Result<PathBuf, StoreError> {
        let dir = self.dir.join("quarantine");
        DirBuilder::new().recursive(true).mode(0o700).create(&dir).map_err(io_error(&dir, "make"))?;
        // Named by content, so that a daemon that is restarted in a loop keeps one copy.
        let path = dir.join(format!("state-{:08x}-{}-{reason}.json", crc32fast::hash(bytes), bytes.len()));
        let report = serde_json::to_vec_pretty(problems).unwrap_or_default();
        for (path, content) in
            [(path.with_extension("report.json"), report.as_slice()), (path.clone(), bytes)]
        {
            if path.exists() {
                continue;
            }
            // Renamed when it is whole, so that a copy that was cut off is never taken for one.
            let temporary = temporary_name(&self.dir);
            write_synced(&temporary, content)?;
            fs::rename(&temporary, &path).map_err(io_error(&path, "rename"))?;
        }
        sync_dir(&dir)?;
        Ok(path)
    }

    /// Removes what an interrupted write of this user left. Only names of our own pattern, only regular files.
    fn sweep_temporaries(&self) {
        for entry in fs::read_dir(&self.dir).into_iter().flatten().flatten() {
            let name = entry.file_name();
            let name = name.to_string_lossy();
            let ours = name.starts_with(".state.") && name.ends_with(".tmp");
            if ours && entry.file_type().is_ok_and(|kind| kind.is_file()) {
                // A leftover that stays is found again by the next start.
                let _ = fs::remove_file(entry.path());
            }
        }
    }
}

fn temporary_name(dir: &Path) -> PathBuf {
    dir.join(format!(".state.{:016x}.tmp", clock::random_u64()))
}

fn write_synced(path: &Path, content: &[u8]) -> Result<(), StoreError> {
    let mut options = File::options();
    let opened = options.write(true).create_new(true).mode(0o600).open(path);
    let mut file = opened.map_err(io_error(path, "create"))?;
    file.write_all(content).map_err(io_error(path, "write"))?;
    file.sync_all().map_err(io_error(path, "sync"))
}

fn sync_dir(dir: &Path) -> Result<(), StoreError> {
    File::open(dir).and_then(|dir| dir.sync_all()).map_err(io_error(dir, "sync"))
}

/// Writes a state file outside a state directory: the old or the new content is there whole at every moment.
///
/// # Errors
///
/// Returns what failed; the file is then as it was.
pub fn write_durably(dir: &Path, path: &Path, content: &str) -> Result<(), StoreError> {
    let temporary = temporary_name(dir);
    let renamed = write_synced(&temporary, content.as_bytes())
        .and_then(|()| fs::rename(&temporary, path).map_err(io_error(path, "rename")));
    if renamed.is_err() {
        // Never made, or gone already.
        let _ = fs::remove_file(&temporary);
    }
    renamed.and_then(|()| sync_dir(dir))
}

/// Reads a regular file without following a link or waiting on a FIFO.
fn read_regular(path: &Path) -> io::Result<Vec<u8>> {
    let flags = libc::O_NOFOLLOW | libc::O_NONBLOCK;
    let mut file = File::options().read(true).custom_flags(flags).open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "is not a regular file"));
    }
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn mark(path: &Path) -> Option<FileMark> {
    let metadata = fs::symlink_metadata(path).ok()?;
    let mtime_ns = i128::from(metadata.mtime()) * 1_000_000_000 + i128::from(metadata.mtime_nsec());
    Some(FileMark { ino: metadata.ino(), size: metadata.len(), mtime_ns })
}

/// A state file holds programs to execute: a directory that others can write is somebody else's code.
fn check_dir(dir: &Path) -> Result<(), StoreError> {
    let insecure = |reason| Err(StoreError::Insecure { path: dir.to_owned(), reason });
    let metadata = fs::symlink_metadata(dir).map_err(io_error(dir, "stat"))?;
    if !metadata.is_dir() {
        return insecure("is not a directory (a symbolic link is not followed)");
    }
    if metadata.uid() != nix::unistd::geteuid().as_raw() {
        return insecure("belongs to another user");
    }
    if metadata.mode() & 0o022 != 0 {
        return insecure("can be written by others; `chmod 700` it if it is yours");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

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
    fn planted_files_are_neither_followed_nor_written() {
        let dir = tempfile::tempdir().unwrap();
        let victim = dir.path().join("victim");
        fs::write(&victim, "precious").unwrap();
        let state_dir = dir.path().join("state");
        DirBuilder::new().mode(0o700).create(&state_dir).unwrap();
        std::os::unix::fs::symlink(&victim, state_dir.join("state.json")).unwrap();
        let mut store = StateStore::open(&state_dir).unwrap();
        assert!(matches!(store.load(), Err(StoreError::Io { step: "read", .. })));
        assert_eq!(fs::read_to_string(&victim).unwrap(), "precious");
    }

    #[test]
    fn a_directory_open_to_others_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o777)).unwrap();
        assert!(matches!(StateStore::open(dir.path()), Err(StoreError::Insecure { .. })));
    }

    #[test]
    fn three_generations_are_kept_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let mut store = StateStore::open(dir.path()).unwrap();
        for number in 0..6 {
            store.save(&format!("{number}")).unwrap();
        }
        let read = |name: &str| fs::read_to_string(dir.path().join(name)).unwrap();
        let found = ["state.json", "state.json.1", "state.json.2", "state.json.3"].map(read);
        assert_eq!(found, ["5", "4", "3", "2"]);
        assert_eq!(fs::metadata(dir.path().join("state.json")).unwrap().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 5);
    }

    #[test]
    fn a_write_cut_off_after_its_link_does_not_stop_the_next_ones() {
        let dir = tempfile::tempdir().unwrap();
        let mut store = StateStore::open(dir.path()).unwrap();
        let path = dir.path().join("state.json");
        for number in 0..4 {
            store.save(&format!("{number}")).unwrap();
        }
        // Cut off twice between the link and the rename of the new content.
        for _ in 0..2 {
            store.keep_generations(&path).unwrap();
        }
        for number in 4..9 {
            store.save(&format!("{number}")).unwrap();
        }
        let read = |name: &str| fs::read_to_string(dir.path().join(name)).unwrap();
        let found = ["state.json", "state.json.1", "state.json.2", "state.json.3"].map(read);
        assert_eq!(found, ["8", "7", "6", "5"]);
    }

    #[test]
    fn a_change_by_another_hand_is_kept_before_it_is_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let mut store = StateStore::open(dir.path()).unwrap();
        store.save("ours").unwrap();
        fs::write(dir.path().join("state.json"), "theirs!").unwrap();
        store.save("ours again").unwrap();
        let copies: Vec<_> = fs::read_dir(dir.path().join("quarantine")).unwrap().flatten().collect();
        assert!(copies.iter().any(|entry| fs::read_to_string(entry.path()).unwrap() == "theirs!"));
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
}
