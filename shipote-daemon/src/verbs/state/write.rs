//! `state upgrade` and `export`: a state written anew, in the newest form or in an older one.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use serde_json::json;
use shipote_snapshot::{Loaded, SNAPSHOT_VERSION, ShipoteSnapshot, Verdict};

use super::{Context, Done, files_of};
use crate::exit::{self, Code, Failure};
use crate::state_files::StateFiles;

/// Refuses what an upgrade or export would only write in part.
fn wholly_understood(files: &StateFiles) -> Result<(ShipoteSnapshot, Loaded), Failure> {
    let (snapshot, loaded) = files.state()?;
    if loaded.report.verdict == Verdict::Invalid {
        let problems = loaded.report.problems.iter().map(|told| told.problem.clone()).collect();
        return Err(exit::damaged(&files.path, None, problems));
    }
    Ok((snapshot, loaded))
}

/// Writes the newest form of a file.
pub(super) fn upgrade(context: &Context, path: &Path, in_place: bool) -> Done {
    let out = &context.out;
    let files = files_of(context, &[path.to_owned()])?;
    let (snapshot, loaded) = wholly_understood(&files)?;
    let path = files.path.as_path();
    let text = shipote_snapshot::render(&snapshot);
    for note in &loaded.notes {
        let pointer = if note.pointer.is_empty() { String::new() } else { format!("{}: ", note.pointer) };
        out.note(&format!("v{}: {pointer}{}", note.version, note.message));
    }
    if !in_place {
        out.bytes(text.as_bytes())?;
        return Ok(0);
    }
    let version = loaded.report.version.unwrap_or_default();
    if loaded.report.verdict == Verdict::Valid {
        let document = json!({ "file": shown(path), "version": SNAPSHOT_VERSION, "changed": false });
        out.result(&document, || format!("{}: version {version} already", path.display()))?;
        return Ok(0);
    }
    let old = files.checkpoint.as_ref().map_or(&[][..], |content| &content.bytes);
    let backup = replace(path, old, &text, &version)?;
    let document = json!({
        "file": shown(path), "version": SNAPSHOT_VERSION, "changed": true, "backup": shown(&backup),
    });
    out.result(&document, || {
        format!(
            "{}: version {version} is now {SNAPSHOT_VERSION}; the old file is {}",
            path.display(),
            backup.display()
        )
    })?;
    Ok(0)
}

/// Returns a path as text. Not every path is one, and JSON has nothing else.
fn shown(path: &Path) -> String {
    path.display().to_string()
}

/// Puts a new text in a file's place, whole or not at all, and keeps the old one.
fn replace(path: &Path, old: &[u8], new: &str, version: &str) -> Result<PathBuf, Failure> {
    let path = &path.canonicalize().map_err(|error| Failure::file("resolve", path, &error))?;
    let dir = path.parent().unwrap_or_else(|| Path::new("/"));
    let _lock = lock(dir)?;
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let backup = dir.join(format!("{name}.v{version}.bak"));
    let temporary = dir.join(format!(".{name}.{}.tmp", std::process::id()));
    let write_new = |to: &Path, bytes: &[u8]| -> Result<(), Failure> {
        let write = || -> io::Result<()> {
            let mut file = File::options().write(true).create_new(true).mode(0o600).open(to)?;
            file.write_all(bytes)?;
            file.sync_all()
        };
        write().map_err(|error| Failure::file("write", to, &error))
    };
    if backup.exists() {
        let kept = fs::read(&backup).map_err(|error| Failure::file("read", &backup, &error))?;
        if kept != old {
            return Err(Failure::new(Code::Conflict, format!("{} holds another state", backup.display()))
                .hint("move it away first; it is never overwritten"));
        }
    } else {
        write_new(&backup, old)?;
    }
    write_new(&temporary, new.as_bytes())?;
    let renamed = fs::rename(&temporary, path).and_then(|()| File::open(dir)?.sync_all());
    renamed.map_err(|error| Failure::file("replace", path, &error))?;
    Ok(backup)
}

/// Takes the lock of a state directory, where the file lies in one.
fn lock(dir: &Path) -> Result<Option<File>, Failure> {
    let path = dir.join("state.lock");
    let file = match File::options().read(true).write(true).open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Failure::file("open", &path, &error)),
    };
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(fs::TryLockError::WouldBlock) => {
            let pid = fs::read_to_string(&path).ok().and_then(|text| text.trim().parse().ok());
            Err(exit::locked(dir, pid))
        }
        Err(fs::TryLockError::Error(error)) => Err(Failure::file("lock", &path, &error)),
    }
}

/// Writes a state as one file, of the newest or of an older version.
pub(super) fn export(context: &Context, named: &[PathBuf], schema: Option<u16>) -> Done {
    let out = &context.out;
    let (snapshot, _) = wholly_understood(&files_of(context, named)?)?;
    let version = schema.unwrap_or(SNAPSHOT_VERSION);
    let Some(export) = shipote_snapshot::export(&snapshot, version) else {
        return Err(Failure::usage(format!("--schema {version}: there is no such version"))
            .hint(format!("versions are 1 to {SNAPSHOT_VERSION}")));
    };
    for unsaid in &export.unsaid {
        out.warn(&format!("version {version} can't say {}: {}", unsaid.pointer, unsaid.message));
    }
    out.bytes(export.text.as_bytes())?;
    Ok(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replacing_keeps_the_old_file_and_never_overwrites_a_backup() {
        let dir = std::env::temp_dir().join(format!("shipote-replace-{}", std::process::id()));
        fs::create_dir_all(&dir).unwrap();
        let path = dir.join("state.json");
        fs::write(&path, "old").unwrap();
        let backup = replace(&path, b"old", "new", "4").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "new");
        assert_eq!(fs::read_to_string(&backup).unwrap(), "old");
        assert_eq!(replace(&path, b"other", "newer", "4").unwrap_err().code, Code::Conflict);
        assert_eq!(fs::read_to_string(&path).unwrap(), "new");

        let held =
            File::options().write(true).create(true).truncate(false).open(dir.join("state.lock")).unwrap();
        held.try_lock().unwrap();
        assert_eq!(replace(&path, b"new", "newer", "5").unwrap_err().code, Code::Conflict);
        fs::remove_dir_all(&dir).unwrap();
    }
}
