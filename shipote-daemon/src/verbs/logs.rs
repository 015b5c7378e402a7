//! `logs`: what commands and nodes wrote, from the files of the state directory; no daemon is needed.
//!
//! A file is `logs/<workspace id>/<label path with commas>.log`, the older half `.log.1`; a line is
//! `<unix ms> <o|e|n> text`.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Seek, SeekFrom};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::json;
use shipote_card::Span;
use shipote_runtime::decide::names::Named;
use shipote_runtime::host::logs::SEPARATOR;
use shipote_runtime::view::{CommandView, PipelineView, WorkspaceView};

use super::{Context, Done};
use crate::cli::{Format, Logs};
use crate::exit::{Code, Failure};
use crate::offline::{find, named};
use crate::render::paint::Paint;
use crate::render::quantity::{now_ms, parse_moment};
use crate::wire::VersionAnswer;

/// Time between two looks for new lines.
const POLL: Duration = Duration::from_millis(100);

/// One line of a log.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Line {
    at_ms: u64,
    stream: char,
    label: String,
    text: Vec<u8>,
}

/// Which files a name means.
#[derive(Debug)]
struct Target {
    dir: PathBuf,
    /// The label path below the workspace; empty for all of it.
    path: String,
}

impl Target {
    /// Returns the label path of a file that belongs to the target.
    fn label(&self, file_name: &str) -> Option<String> {
        let label = file_name.strip_suffix(".log")?.replace(SEPARATOR, "/");
        let is_meant = self.path.is_empty()
            || label == self.path
            || label.strip_prefix(&self.path).is_some_and(|rest| rest.starts_with('/'));
        is_meant.then_some(label)
    }

    fn files(&self) -> Result<Vec<(String, PathBuf)>, Failure> {
        let entries = match fs::read_dir(&self.dir) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(Failure::file("read", &self.dir, &error)),
        };
        let mut files: Vec<(String, PathBuf)> = entries
            .filter_map(Result::ok)
            .filter_map(|entry| {
                let label = self.label(entry.file_name().to_str()?)?;
                Some((label, entry.path()))
            })
            .collect();
        files.sort();
        Ok(files)
    }
}

/// Prints what was written.
pub async fn logs(context: &Context, args: &Logs) -> Done {
    let out = &context.out;
    if args.follow && out.format == Format::Json {
        return Err(
            Failure::usage("logs -f has no end, and one JSON document has").hint("use --output ndjson")
        );
    }
    let since = args.since.as_deref().map(|text| moment_of(text, now_ms())).transpose()?;
    let target = target(context, &args.name).await?;
    let files = target.files()?;
    if files.is_empty() && !target.path.is_empty() && !args.follow {
        return Err(Failure::new(Code::NotFound, format!("nothing was logged for {}", args.name)).hint(
            "what a foreground shipote up prints is not logged as well; shipote ps -a lists the names",
        ));
    }
    let labelled = files.len() > 1 || target.path.is_empty();
    let mut tails: Vec<Tail> = Vec::new();
    let mut lines = Vec::new();
    for (label, path) in files {
        let mut tail = Tail::new(label, path);
        lines.extend(tail.read_all().map_err(|error| Failure::file("read", &tail.path, &error))?);
        tails.push(tail);
    }
    // Each file is in order; together they are put in order.
    lines.sort_by_key(|line| line.at_ms);
    if let Some(since) = since {
        lines.retain(|line| line.at_ms >= since);
    }
    if let Some(count) = args.lines {
        lines.drain(..lines.len().saturating_sub(count));
    }
    match out.format {
        Format::Json => out.document(&lines.iter().map(document).collect::<Vec<_>>())?,
        _ => print(context, &lines, labelled)?,
    }
    if args.follow { follow(context, &target, tails, labelled).await } else { Ok(0) }
}

/// Lines in one look that tell of a writer to be kept up with.
const BUSY: usize = 1_000;
/// Looks at an empty place before it is asked whether its workspace is still there.
const PATIENCE: u32 = 10;

/// Prints what is written from now on, until the workspace is removed or the reader goes away.
async fn follow(context: &Context, target: &Target, mut tails: Vec<Tail>, labelled: bool) -> Done {
    let mut was_there = target.dir.is_dir();
    let mut looks = 0;
    let mut is_behind = false;
    loop {
        // Whoever has just found something may have more to catch up with.
        if !std::mem::take(&mut is_behind) {
            tokio::time::sleep(POLL).await;
        }
        if target.dir.is_dir() {
            was_there = true;
        } else {
            // Logs go with their workspace; one that never logged is asked for by its name.
            looks = (looks + 1) % PATIENCE;
            if was_there || (looks == 0 && !is_declared(context, target).await?) {
                return Ok(0);
            }
        }
        for (label, path) in target.files()? {
            if !tails.iter().any(|tail| tail.path == path) {
                tails.push(Tail::new(label, path));
            }
        }
        let mut lines = Vec::new();
        for tail in &mut tails {
            lines.extend(tail.read_new().map_err(|error| Failure::file("read", &tail.path, &error))?);
        }
        lines.sort_by_key(|line| line.at_ms);
        is_behind = lines.len() > BUSY;
        print(context, &lines, labelled || tails.len() > 1)?;
    }
}

/// Tells whether the workspace of a target is still declared.
async fn is_declared(context: &Context, target: &Target) -> Result<bool, Failure> {
    let online = context.client.get::<Vec<WorkspaceView>>("/v1/workspaces").await;
    let workspaces = context.or_at_rest(online, |at_rest| Ok(at_rest.workspaces()))?;
    let id = target.dir.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    Ok(workspaces.iter().any(|view| view.id.to_string() == id))
}

fn print(context: &Context, lines: &[Line], labelled: bool) -> Result<(), Failure> {
    let out = &context.out;
    if lines.is_empty() {
        return Ok(());
    }
    if out.is_json() {
        return lines.iter().try_for_each(|line| out.line(&document(line)));
    }
    let mut bytes = Vec::new();
    for line in lines {
        bytes.extend(shown(line, labelled, out.paint));
    }
    out.bytes(&bytes)
}

fn shown(line: &Line, labelled: bool, paint: Paint) -> Vec<u8> {
    let mut bytes = Vec::new();
    if labelled {
        bytes.extend(format!("{} ", paint.cyan(&format!("{} |", line.label))).into_bytes());
    }
    if line.stream == 'n' {
        bytes.extend(paint.dim(&format!("[{}]", String::from_utf8_lossy(&line.text))).into_bytes());
    } else {
        bytes.extend(&line.text);
    }
    bytes.push(b'\n');
    bytes
}

fn document(line: &Line) -> serde_json::Value {
    let stream = match line.stream {
        'o' => "stdout",
        'e' => "stderr",
        _ => "notice",
    };
    json!({
        "at_ms": line.at_ms, "label": line.label, "stream": stream, "text": String::from_utf8_lossy(&line.text),
    })
}

/// Returns the moment that `--since` means.
pub(super) fn moment_of(text: &str, now_ms: u64) -> Result<u64, Failure> {
    if let Ok(span) = text.parse::<Span>() {
        return Ok(now_ms.saturating_sub(span.as_millis()));
    }
    parse_moment(text).ok_or_else(|| {
        Failure::usage(format!("--since {text} is neither a span nor a time"))
            .hint("write 10m, 1h30m, or 2026-01-02T03:04:05Z")
    })
}

fn parse_line(bytes: &[u8], label: &str) -> Option<Line> {
    let space = bytes.iter().position(|byte| *byte == b' ')?;
    let at_ms = std::str::from_utf8(&bytes[..space]).ok()?.parse().ok()?;
    let stream = char::from(*bytes.get(space + 1)?);
    // An empty text may have lost its separating space.
    let text = bytes.get(space + 3..).unwrap_or_default().to_vec();
    Some(Line { at_ms, stream, label: label.to_owned(), text })
}

/// A log that is read to its end, again and again, over its renaming.
#[derive(Debug)]
struct Tail {
    label: String,
    path: PathBuf,
    /// The file that is being read, and how far. It is held open: no other file gets its inode meanwhile, and it can be
    /// read to its end wherever it is moved to.
    reading: Option<(File, u64)>,
}

impl Tail {
    const fn new(label: String, path: PathBuf) -> Self {
        Self { label, path, reading: None }
    }

    /// Reads the older half, then the present file.
    fn read_all(&mut self) -> io::Result<Vec<Line>> {
        let mut lines = Vec::new();
        if let Some(file) = open(&self.path.with_extension("log.1"))? {
            lines.extend(self.read_from(&file, 0)?.0);
        }
        lines.extend(self.read_new()?);
        Ok(lines)
    }

    /// Reads what was written since the last time.
    fn read_new(&mut self) -> io::Result<Vec<Line>> {
        let (older, present) = self.open_both()?;
        let mut lines = Vec::new();
        if let Some((file, offset)) = self.reading.take() {
            let ino = ino(Some(&file))?;
            let (new, end) = self.read_from(&file, offset)?;
            lines.extend(new);
            if present.is_none() || self::ino(present.as_ref())? == ino {
                // Goes on, or was renamed and has no successor yet.
                self.reading = Some((file, end));
                return Ok(lines);
            }
            if let Some(older) = older
                && self::ino(Some(&older))? != ino
            {
                // It came after the one that was read, and there may have been more of them.
                let (between, _) = self.read_from(&older, 0)?;
                let at_ms = between.first().map_or_else(now_ms, |line| line.at_ms);
                let text = b"lines may be missing here: they came faster than they were read".to_vec();
                lines.push(Line { at_ms, stream: 'n', label: self.label.clone(), text });
                lines.extend(between);
            }
        }
        if let Some(present) = present {
            let (new, end) = self.read_from(&present, 0)?;
            lines.extend(new);
            self.reading = Some((present, end));
        }
        Ok(lines)
    }

    /// Opens the older file and the present one as they were at one moment, between two renamings.
    fn open_both(&self) -> io::Result<(Option<File>, Option<File>)> {
        let older = self.path.with_extension("log.1");
        loop {
            let before = open(&older)?;
            let present = open(&self.path)?;
            if ino(before.as_ref())? == ino(open(&older)?.as_ref())? {
                return Ok((before, present));
            }
        }
    }

    /// Reads whole lines from an offset on, and returns where the last of them ends.
    fn read_from(&self, mut file: &File, start: u64) -> io::Result<(Vec<Line>, u64)> {
        file.seek(SeekFrom::Start(start))?;
        let mut reader = BufReader::with_capacity(64 * 1024, file);
        let mut lines = Vec::new();
        let mut end = start;
        let mut bytes = Vec::new();
        loop {
            bytes.clear();
            let count = reader.read_until(b'\n', &mut bytes)?;
            if bytes.pop() != Some(b'\n') {
                return Ok((lines, end));
            }
            end += count as u64;
            lines.extend(parse_line(&bytes, &self.label));
        }
    }
}

/// Returns the inode of an open file; none where there is none.
fn ino(file: Option<&File>) -> io::Result<Option<u64>> {
    file.map(|file| file.metadata().map(|metadata| metadata.ino())).transpose()
}

fn open(path: &Path) -> io::Result<Option<File>> {
    match File::open(path) {
        Ok(file) => Ok(Some(file)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Finds which files a name means: by the daemon's names, or by those of the state directory.
async fn target(context: &Context, name: &str) -> Result<Target, Failure> {
    let place = context.place();
    let online = context.client.get::<Vec<WorkspaceView>>("/v1/workspaces").await;
    let state_dir = if online.is_ok() && !place.wants_this_state_dir() {
        // The socket was named and the directory was not: it is the daemon's that counts.
        let version: VersionAnswer = context.client.get("/v1/version").await?;
        PathBuf::from(version.state_dir)
    } else {
        place.state_dir.clone()
    };
    let workspaces = context.or_at_rest(online, |at_rest| Ok(at_rest.workspaces()))?;
    let all: Vec<Named> =
        workspaces.iter().map(|view| named(&view.id, &view.label, "workspace", "")).collect();
    let logs = state_dir.join("logs");
    let (workspace, rest) = name.split_once('/').unwrap_or((name, ""));
    match find("workspace", &all, workspace) {
        Ok(at) => Ok(Target { dir: logs.join(&all[at].id), path: rest.to_owned() }),
        Err(failure) if failure.code == Code::NotFound && rest.is_empty() => {
            unit(context, name, &logs).await?.ok_or(failure)
        }
        Err(failure) => Err(failure),
    }
}

/// A bare name that is no workspace may be the label or id of a command or a pipeline.
async fn unit(context: &Context, name: &str, logs: &Path) -> Result<Option<Target>, Failure> {
    let commands = context.client.get::<Vec<CommandView>>("/v1/commands?all=true").await;
    let commands = context.or_at_rest(commands, |at_rest| Ok(at_rest.commands()))?;
    let pipelines = context.client.get::<Vec<PipelineView>>("/v1/pipelines").await;
    let pipelines = context.or_at_rest(pipelines, |at_rest| Ok(at_rest.pipelines()))?;
    let rows: Vec<(Named, String)> = commands
        .into_iter()
        .filter(|row| row.kind != "node")
        .map(|row| (named(&row.id, &row.label, "command", &row.workspace), row.workspace_id.to_string()))
        .chain(pipelines.into_iter().map(|view| {
            let named = named(&view.id, &view.label, "pipeline", &view.workspace);
            (named, view.workspace_id.to_string())
        }))
        .collect();
    let all: Vec<Named> = rows.iter().map(|(named, _)| named.clone()).collect();
    match find("workspace, command or pipeline", &all, name) {
        Ok(at) => Ok(Some(Target { dir: logs.join(&rows[at].1), path: all[at].label.clone() })),
        Err(failure) if failure.code == Code::NotFound => Ok(None),
        Err(failure) => Err(failure),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn a_line_is_a_moment_a_stream_and_a_text() {
        let line = parse_line(b"1760000000000 e a b", "web").unwrap();
        assert_eq!(shown(&line, true, Paint::PLAIN), b"web | a b\n");
        assert_eq!(parse_line(b"1760000000000 o ", "web").unwrap().text, b"");
        let notice = parse_line(b"1760000000000 n started", "web").unwrap();
        assert_eq!(shown(&notice, false, Paint::PLAIN), b"[started]\n");
        assert_eq!(parse_line(b"garbage", "web"), None);
    }

    #[test]
    fn a_pipeline_means_its_nodes_and_not_a_longer_name() {
        let target = Target { dir: PathBuf::new(), path: "top".to_owned() };
        assert_eq!(target.label("top.log").as_deref(), Some("top"));
        assert_eq!(target.label("top,sort.log").as_deref(), Some("top/sort"));
        assert_eq!(target.label("top.sort.log"), None);
        assert_eq!(target.label("topmost.log"), None);
        assert_eq!(target.label("top.log.1"), None);
    }

    #[test]
    fn following_goes_on_over_a_renaming_and_waits_for_whole_lines() {
        let dir = std::env::temp_dir().join(format!("shipote-tail-{}", std::process::id()));
        fs::create_dir_all(&dir).unwrap();
        let path = dir.join("web.log");
        let write = |text: &str| {
            File::options()
                .append(true)
                .create(true)
                .open(&path)
                .unwrap()
                .write_all(text.as_bytes())
                .unwrap();
        };
        let texts = |lines: Vec<Line>| {
            lines
                .iter()
                .map(|line| String::from_utf8_lossy(&line.text).into_owned())
                .collect::<Vec<_>>()
                .join(",")
        };
        let mut tail = Tail::new("web".to_owned(), path.clone());
        write("1 o one\n2 o tw");
        assert_eq!(texts(tail.read_all().unwrap()), "one");
        write("o\n3 o three\n");
        fs::rename(&path, dir.join("web.log.1")).unwrap();
        write("4 o four\n");
        assert_eq!(texts(tail.read_new().unwrap()), "two,three,four");
        assert_eq!(texts(tail.read_new().unwrap()), "");
        // Renamed twice between two looks.
        write("5 o five\n");
        fs::rename(&path, dir.join("web.log.1")).unwrap();
        write("6 o six\n");
        fs::rename(&path, dir.join("web.log.1")).unwrap();
        write("7 o seven\n");
        let told = texts(tail.read_new().unwrap());
        assert_eq!(told, "five,lines may be missing here: they came faster than they were read,six,seven");
        fs::rename(&path, dir.join("web.log.1")).unwrap();
        assert_eq!(texts(tail.read_new().unwrap()), "");
        write("8 o eight\n");
        assert_eq!(texts(tail.read_new().unwrap()), "eight");
        assert_eq!(texts(Tail::new("web".to_owned(), path).read_all().unwrap()), "seven,eight");
        fs::remove_dir_all(&dir).unwrap();
    }

    #[test]
    fn since_is_a_span_or_a_time() {
        assert_eq!(moment_of("10m", 1_000_000).unwrap(), 400_000);
        assert_eq!(moment_of("2025-10-09T08:53:20Z", 0).unwrap(), 1_760_000_000_000);
        assert!(moment_of("yesterday", 0).is_err());
    }
}
