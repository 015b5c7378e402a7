//! Where the state is, who may have it, and one daemon's lock on it.

use std::fs::{self, DirBuilder, File};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::disk::{Directory, Disk};
use super::error::StoreError;
use super::ledger::{STATE_FILE, temporary_name};

/// Longest wait for a lock whose holder is gone.
const HOLDER_LINGERS: Duration = Duration::from_secs(2);

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

/// The lock of a state directory, for as long as it is held. Close-on-exec, so that no child keeps it.
#[derive(Debug)]
pub struct Lock(#[expect(dead_code, reason = "the open file is the lock")] File);

/// Opens a state directory, makes it where it is missing, and takes its lock.
pub(super) fn open(dir: &Path) -> Result<(Directory, Lock), StoreError> {
    DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(io_error(dir, "make"))?;
    if fs::symlink_metadata(dir).map_err(io_error(dir, "stat"))?.is_symlink() {
        let reason = "is a symbolic link, which is not followed".to_owned();
        return Err(StoreError::Insecure { path: dir.to_owned(), reason });
    }
    let dir = dir.canonicalize().map_err(io_error(dir, "resolve"))?;
    let mut directory = Directory::open(&dir).map_err(|error| match error.kind() {
        io::ErrorKind::PermissionDenied if error.raw_os_error().is_none() => {
            StoreError::Insecure { path: dir.clone(), reason: error.to_string() }
        }
        _ => io_error(&dir, "open")(error),
    })?;
    let lock = lock(&dir)?;
    sweep_temporaries(&mut directory);
    Ok((directory, lock))
}

fn lock(dir: &Path) -> Result<Lock, StoreError> {
    let path = dir.join("state.lock");
    let mut options = File::options();
    options.read(true).write(true).create(true).truncate(false).mode(0o600);
    options.custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK);
    let mut lock = options.open(&path).map_err(io_error(&path, "open"))?;
    let metadata = lock.metadata().map_err(io_error(&path, "stat"))?;
    if !metadata.is_file() || metadata.uid() != nix::unistd::geteuid().as_raw() {
        let reason = "is not a regular file of this user's".to_owned();
        return Err(StoreError::Insecure { path, reason });
    }
    take(&mut lock, &path)?;
    let write = |lock: &mut File| {
        lock.set_len(0)?;
        lock.rewind()?;
        writeln!(lock, "{}", std::process::id())
    };
    if let Err(error) = write(&mut lock) {
        // A full disk must not keep a daemon from starting over a courtesy.
        tracing::warn!(%error, path = %path.display(), "the pid can't be written into the lock");
    }
    Ok(Lock(lock))
}

/// Takes a lock. A daemon that was just killed may have left a child that has not yet become another program and still
/// holds it (flock(2) goes with the open file); that one is waited for.
fn take(lock: &mut File, path: &Path) -> Result<(), StoreError> {
    let begin = Instant::now();
    loop {
        match lock.try_lock() {
            Ok(()) => return Ok(()),
            Err(fs::TryLockError::WouldBlock) => {
                let mut text = String::new();
                // The pid is a courtesy; the refusal stands without it.
                let _ = lock.rewind().and_then(|()| lock.read_to_string(&mut text));
                let pid: Option<u32> = text.trim().parse().ok();
                let is_gone = pid.is_some_and(|pid| !Path::new(&format!("/proc/{pid}")).exists());
                if !is_gone || begin.elapsed() > HOLDER_LINGERS {
                    return Err(StoreError::Locked { pid });
                }
                std::thread::sleep(Duration::from_millis(5));
            }
            Err(fs::TryLockError::Error(source)) => return Err(io_error(path, "lock")(source)),
        }
    }
}

/// Removes what an interrupted write left. Only names of our own pattern, only regular files.
fn sweep_temporaries(directory: &mut Directory) {
    for entry in fs::read_dir(directory.path()).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let ours = name.starts_with(".state.") && name.ends_with(".tmp");
        if ours && entry.file_type().is_ok_and(|kind| kind.is_file()) {
            // A leftover that stays is found again by the next start.
            let _ = directory.remove(&name);
        }
    }
}

/// Writes a state file outside a state directory: the old or the new content is there whole at every moment.
///
/// # Errors
///
/// Returns what failed; the file is then as it was.
pub fn write_durably(dir: &Path, path: &Path, content: &str) -> Result<(), StoreError> {
    let temporary = dir.join(temporary_name());
    let renamed = write_synced(&temporary, content.as_bytes())
        .and_then(|()| fs::rename(&temporary, path).map_err(io_error(path, "rename")));
    if renamed.is_err() {
        // Never made, or gone already.
        let _ = fs::remove_file(&temporary);
    }
    renamed.and_then(|()| File::open(dir).and_then(|dir| dir.sync_all()).map_err(io_error(dir, "sync")))
}

fn write_synced(path: &Path, content: &[u8]) -> Result<(), StoreError> {
    let mut options = File::options();
    let opened = options.write(true).create_new(true).mode(0o600).open(path);
    let mut file = opened.map_err(io_error(path, "create"))?;
    file.write_all(content).map_err(io_error(path, "write"))?;
    file.sync_all().map_err(io_error(path, "sync"))
}

fn io_error<'a>(path: &'a Path, step: &'static str) -> impl FnOnce(io::Error) -> StoreError + 'a {
    move |source| StoreError::Io { path: path.to_owned(), step, source: Arc::new(source) }
}
