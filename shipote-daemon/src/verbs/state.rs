//! `state`: verify, show, plan, upgrade, export and diff. Files are read directly; no daemon is asked.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use shipote_snapshot::history::sparkline_with_gaps;
use shipote_snapshot::restore::{Action, plan};
use shipote_snapshot::{DiffOptions, Reading, Report, SNAPSHOT_VERSION, ShipoteSnapshot, Verdict};

use super::{Context, Done};
use crate::cli::State;
use crate::exit::{self, Code, Failure, SourceText};
use crate::render::paint::Paint;
use crate::render::problem;
use crate::render::quantity::{NONE, counted, moment, now_ms, short_id};
use crate::render::table::Table;

/// Longest state file that is read.
const STATE_MAX: u64 = 4 << 30;

/// Characters of a history's line.
const COURSE: usize = 24;

/// Does what is to be done with state files.
pub fn act(context: &Context, action: State) -> Done {
    match action {
        State::Verify { files, each } => verify(context, files, each),
        State::Show { file } => show(context, file),
        State::Plan { file } => plan_of(context, file),
        State::Upgrade { file, in_place } => upgrade(context, &file, in_place),
        State::Export { file, schema } => export(context, file, schema),
        State::Diff { a, b } => diff(context, &a, &b),
        // Refused before.
        State::Log(_) | State::Recover(_) => Err(Failure::usage("not in this release")),
    }
}

fn own_file(context: &Context, file: Option<PathBuf>) -> PathBuf {
    file.unwrap_or_else(|| context.place().state_dir.join("state.json"))
}

fn bytes_of(path: &Path) -> Result<Vec<u8>, Failure> {
    let read = || -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        if path == Path::new("-") {
            io::stdin().lock().take(STATE_MAX).read_to_end(&mut bytes)?;
        } else {
            File::open(path)?.take(STATE_MAX).read_to_end(&mut bytes)?;
        }
        Ok(bytes)
    };
    read().map_err(|error| Failure::file("read", path, &error))
}

/// Reads a state that something is to be done with.
fn state_of(path: &Path, bytes: &[u8]) -> Result<(ShipoteSnapshot, Reading), Failure> {
    let mut reading = shipote_snapshot::read(bytes);
    if reading.verdict == Verdict::Newer {
        return Err(exit::newer(path, reading.version.as_deref().unwrap_or_default()));
    }
    match reading.snapshot.take() {
        Some(snapshot) => Ok((snapshot, reading)),
        None => Err(exit::damaged(path, None, reading.problems)),
    }
}

fn verify(context: &Context, files: Vec<PathBuf>, each: bool) -> Done {
    let out = &context.out;
    let files = if files.is_empty() { vec![own_file(context, None)] } else { files };
    if files.len() > 1 && !each {
        return Err(Failure::later(
            "verifying a checkpoint together with journals",
            "--each judges each file by itself",
        ));
    }
    let mut reports: Vec<Report> = Vec::new();
    let mut text = String::new();
    for path in &files {
        let bytes = bytes_of(path)?;
        let report = shipote_snapshot::verify(&bytes, &path.display().to_string());
        text.push_str(&verdict_text(path, &bytes, &report, out.paint));
        reports.push(report);
    }
    if each {
        out.result(&reports, || text)?;
    } else {
        out.result(&reports[0], || text)?;
    }
    let is_readable =
        reports.iter().all(|report| matches!(report.verdict, Verdict::Valid | Verdict::Upgradable));
    Ok(if is_readable { 0 } else { Code::StateDamaged.exit() })
}

fn verdict_text(path: &Path, bytes: &[u8], report: &Report, paint: Paint) -> String {
    let source =
        SourceText { file: path.display().to_string(), text: String::from_utf8_lossy(bytes).into_owned() };
    let mut text = String::new();
    for found in &report.problems {
        text.push_str(&problem::report(&found.problem, Some(&source), paint));
        text.push('\n');
    }
    if report.more > 0 {
        text.push_str(&format!("… and {} more problems\n\n", report.more));
    }
    let verdict = report.verdict.as_str();
    let verdict = match report.verdict {
        Verdict::Valid | Verdict::Upgradable => paint.green(verdict),
        Verdict::Invalid => paint.red(verdict),
        Verdict::Newer => paint.yellow(verdict),
    };
    let version = report.version.as_deref().unwrap_or("unknown");
    let problems: Vec<_> = report.problems.iter().map(|found| found.problem.clone()).collect();
    let tally = problem::tally(&problems);
    let tally = if tally.is_empty() { String::new() } else { format!(", {tally}") };
    text.push_str(&format!("{}: {verdict} — version {version}{tally}\n", path.display()));
    match report.verdict {
        Verdict::Newer => text.push_str(&format!(
            "hint: this shipote knows versions up to {SNAPSHOT_VERSION}; use the one that wrote it\n"
        )),
        Verdict::Upgradable => text.push_str(&format!(
            "hint: shipote state upgrade {} writes version {SNAPSHOT_VERSION} to stdout\n",
            path.display()
        )),
        Verdict::Valid | Verdict::Invalid => {
            let counts = &report.counts;
            text.push_str(&format!(
                "  {}, {}, {}, {}, {} held\n",
                counted_u64(counts.workspaces, "workspace"),
                counted_u64(counts.commands, "command"),
                counted_u64(counts.saved_pipelines, "saved pipeline"),
                counted_u64(counts.live_pipelines, "live pipeline"),
                counts.held
            ));
        }
    }
    text
}

fn counted_u64(count: u64, noun: &str) -> String {
    counted(usize::try_from(count).unwrap_or(usize::MAX), noun)
}

fn show(context: &Context, file: Option<PathBuf>) -> Done {
    let out = &context.out;
    let path = own_file(context, file);
    let (snapshot, reading) = state_of(&path, &bytes_of(&path)?)?;
    let document: Value = serde_json::from_str(&shipote_snapshot::render(&snapshot))
        .map_err(|error| Failure::new(Code::Failed, format!("make the JSON document: {error}")))?;
    out.result(&document, || {
        let version = reading.version.as_deref().unwrap_or("unknown");
        let mut text = format!(
            "{}: version {version}, serial {}, written {} by {}\n",
            path.display(),
            snapshot.serial,
            moment(snapshot.timestamp_ms),
            if snapshot.producer.is_empty() { "an unknown program" } else { &snapshot.producer }
        );
        text.push_str(&entities(&snapshot, out.paint));
        if !snapshot.held.is_empty() {
            text.push_str(&format!(
                "{} held back: shipote state verify {}\n",
                counted(snapshot.held.len(), "entity").replace("entitys", "entities"),
                path.display()
            ));
        }
        text
    })?;
    Ok(0)
}

fn entities(snapshot: &ShipoteSnapshot, paint: Paint) -> String {
    let label_of =
        |id| snapshot.workspace(id).map_or_else(|| NONE.to_owned(), |entry| entry.spec.label.clone());
    let mut text = String::new();
    let mut table = Table::new(&["WORKSPACE", "ID", "TTL", ">SAMPLES", "MEMORY"]);
    for entry in &snapshot.workspaces {
        let memory: Vec<Option<u64>> = entry.stats_history.iter().map(|sample| sample.rss_bytes).collect();
        table.row([
            entry.spec.label.clone(),
            short_id(&entry.id.to_string()).to_owned(),
            entry.spec.ttl.map_or_else(|| NONE.to_owned(), |ttl| ttl.to_string()),
            entry.stats_history.len().to_string(),
            sparkline_with_gaps(&memory, COURSE),
        ]);
    }
    text.push_str(&table.render(paint));
    if !snapshot.commands.is_empty() {
        let mut table = Table::new(&["COMMAND", "ID", "DESIRED", ">RESTARTS"]);
        for entry in &snapshot.commands {
            table.row([
                format!("{}/{}", label_of(entry.workspace), entry.spec.label),
                short_id(&entry.id.to_string()).to_owned(),
                desired(entry.desired).to_owned(),
                entry.counters.restarts.to_string(),
            ]);
        }
        text.push_str(&table.render(paint));
    }
    if !snapshot.live_pipelines.is_empty() {
        let mut table = Table::new(&["LIVE PIPELINE", "ID", "DESIRED", ">NODES", ">RESTARTS"]);
        for entry in &snapshot.live_pipelines {
            table.row([
                format!("{}/{}", label_of(entry.workspace), entry.spec.label),
                short_id(&entry.id.to_string()).to_owned(),
                desired(entry.desired).to_owned(),
                entry.spec.nodes.len().to_string(),
                entry.counters.restarts.to_string(),
            ]);
        }
        text.push_str(&table.render(paint));
    }
    if !snapshot.saved_pipelines.is_empty() {
        let mut table = Table::new(&["SAVED PIPELINE", "LABEL", ">NODES"]);
        for entry in &snapshot.saved_pipelines {
            table.row([entry.name.clone(), entry.spec.label.clone(), entry.spec.nodes.len().to_string()]);
        }
        text.push_str(&table.render(paint));
    }
    text
}

const fn desired(desired: shipote_snapshot::Desired) -> &'static str {
    match desired {
        shipote_snapshot::Desired::Running => "running",
        shipote_snapshot::Desired::Stopped => "stopped",
    }
}

fn plan_of(context: &Context, file: Option<PathBuf>) -> Done {
    let out = &context.out;
    let path = own_file(context, file);
    let (snapshot, _) = state_of(&path, &bytes_of(&path)?)?;
    let steps = plan(&snapshot, now_ms(), true);
    out.result(&steps, || {
        let mut table = Table::new(&["ACTION", "WHAT", "LABEL", "ID", "WHY"]);
        for step in &steps {
            let action = step.action.as_str();
            let action = match step.action {
                Action::Relaunch => out.paint.green(action),
                Action::Lost | Action::Held => out.paint.yellow(action),
                Action::Restored | Action::StaysStopped | Action::Expired => action.to_owned(),
            };
            let at = step.not_before_ms.map_or_else(String::new, |at| format!(", not before {}", moment(at)));
            table.row([
                action,
                step.collection.key().trim_end_matches('s').replace('_', " "),
                step.label.clone(),
                short_id(&step.id).to_owned(),
                format!("{}{at}", step.why),
            ]);
        }
        table.render(out.paint)
    })?;
    Ok(0)
}

/// Refuses what an upgrade or export would only write in part.
fn wholly_understood(path: &Path, bytes: &[u8]) -> Result<(ShipoteSnapshot, Reading), Failure> {
    let (snapshot, reading) = state_of(path, bytes)?;
    if reading.verdict == Verdict::Invalid {
        return Err(exit::damaged(path, None, reading.problems.clone()));
    }
    Ok((snapshot, reading))
}

fn upgrade(context: &Context, path: &Path, in_place: bool) -> Done {
    let out = &context.out;
    let bytes = bytes_of(path)?;
    let (snapshot, reading) = wholly_understood(path, &bytes)?;
    let text = shipote_snapshot::render(&snapshot);
    for note in &reading.notes {
        let pointer = if note.pointer.is_empty() { String::new() } else { format!("{}: ", note.pointer) };
        out.note(&format!("v{}: {pointer}{}", note.version, note.message));
    }
    if !in_place {
        out.bytes(text.as_bytes())?;
        return Ok(0);
    }
    let version = reading.version.unwrap_or_default();
    if reading.verdict == Verdict::Valid {
        out.result(&json!({ "file": path, "version": SNAPSHOT_VERSION, "changed": false }), || {
            format!("{}: version {version} already", path.display())
        })?;
        return Ok(0);
    }
    let backup = replace(path, &bytes, &text, &version)?;
    let document = json!({ "file": path, "version": SNAPSHOT_VERSION, "changed": true, "backup": backup });
    out.result(&document, || {
        format!(
            "{}: version {version} is now {SNAPSHOT_VERSION}; the old file is {}",
            path.display(),
            backup.display()
        )
    })?;
    Ok(0)
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

fn export(context: &Context, file: Option<PathBuf>, schema: Option<u16>) -> Done {
    let out = &context.out;
    let path = own_file(context, file);
    let (snapshot, _) = wholly_understood(&path, &bytes_of(&path)?)?;
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

fn diff(context: &Context, a: &Path, b: &Path) -> Done {
    let out = &context.out;
    let (old, _) = state_of(a, &bytes_of(a)?)?;
    let (new, _) = state_of(b, &bytes_of(b)?)?;
    let diff = shipote_snapshot::diff(&old, &new, DiffOptions::default());
    out.result(&diff, || {
        let mut text = String::new();
        let named = |mark: &str, entity: &shipote_snapshot::diff::EntityName| {
            let kind = entity.collection.key().trim_end_matches('s').replace('_', " ");
            format!("{mark} {kind} {} ({})\n", entity.label, short_id(&entity.id))
        };
        for entity in &diff.removed {
            text.push_str(&out.paint.red(&named("-", entity)));
        }
        for entity in &diff.added {
            text.push_str(&out.paint.green(&named("+", entity)));
        }
        for change in &diff.changed {
            text.push_str(&out.paint.yellow(&named("~", &change.entity)));
            for field in &change.fields {
                let shown = |value: &Option<Value>| {
                    value.as_ref().map_or_else(|| "nothing".to_owned(), Value::to_string)
                };
                text.push_str(&format!(
                    "    {}: {} → {}\n",
                    field.pointer,
                    shown(&field.old),
                    shown(&field.new)
                ));
            }
        }
        if text.is_empty() { "the states say the same\n".to_owned() } else { text }
    })?;
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
