//! Logs: what commands say when nobody else listens, in bounded files.
//!
//! One thread writes them. It may fall behind or fail, and then lines are lost and counted; it never holds a
//! command up. A line is `<unix ms> <o|e|n> text`: stdout, stderr, or a notice of Shipote's own.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use super::clock;

/// A log file is renamed to `.log.1` when it has grown to this many bytes; one older file is kept.
pub const ROTATE_BYTES: u64 = 8 << 20;
/// Longest line in bytes; a longer one is split.
pub const LINE_LIMIT: usize = 64 * 1024;
/// Batches that may wait for the disk.
const QUEUE: usize = 1024;

/// Which stream a line came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogStream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
    /// Shipote's own remark.
    Notice,
}

impl LogStream {
    const fn mark(self) -> char {
        match self {
            Self::Stdout => 'o',
            Self::Stderr => 'e',
            Self::Notice => 'n',
        }
    }
}

enum Message {
    Append { file: PathBuf, text: String },
    Remove { dir: PathBuf },
    Flush { done: SyncSender<()> },
}

/// The handle of the log thread. Clones share it; it ends with the last of them.
#[derive(Debug, Clone)]
pub struct Logs {
    dir: PathBuf,
    queue: SyncSender<Message>,
}

impl std::fmt::Debug for Message {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Message")
    }
}

impl Logs {
    /// Starts the thread that keeps logs below `dir`.
    ///
    /// # Errors
    ///
    /// Returns the kernel's error where no thread can be made.
    pub fn start(dir: impl Into<PathBuf>) -> io::Result<Self> {
        let (queue, inbox) = sync_channel(QUEUE);
        std::thread::Builder::new().name("logs".into()).spawn(move || write_all(&inbox))?;
        Ok(Self { dir: dir.into(), queue })
    }

    /// Returns a writer for the process `label` (`command` or `pipeline/node`) of a workspace.
    #[must_use]
    pub fn writer(&self, workspace: &str, label: &str) -> LogWriter {
        LogWriter {
            file: log_path(&self.dir, workspace, label),
            queue: self.queue.clone(),
            lost: Arc::default(),
            partial: Vec::new(),
        }
    }

    /// Forgets the logs of a workspace.
    pub fn remove(&self, workspace: &str) {
        // A full queue leaves the files to the next removal of leftovers.
        let _ = self.queue.try_send(Message::Remove { dir: self.dir.join(workspace) });
    }

    /// Waits until everything sent so far has been written. Blocks.
    pub fn flush(&self) {
        let (done, wait) = sync_channel(1);
        if self.queue.send(Message::Flush { done }).is_ok() {
            // The thread ends only with the last handle, which is this one at the latest.
            let _ = wait.recv();
        }
    }
}

/// What stands for the `/` of a label path in the name of its log: no label has it.
pub const SEPARATOR: char = ',';

/// Returns the log file of a process.
#[must_use]
pub fn log_path(dir: &Path, workspace: &str, label: &str) -> PathBuf {
    dir.join(workspace).join(format!("{}.log", label.replace('/', &SEPARATOR.to_string())))
}

/// Writes the lines of one stream.
#[derive(Debug)]
pub struct LogWriter {
    file: PathBuf,
    queue: SyncSender<Message>,
    lost: Arc<AtomicU64>,
    partial: Vec<u8>,
}

impl LogWriter {
    /// Takes bytes of the stream; whole lines are written, the rest waits for more.
    pub fn bytes(&mut self, stream: LogStream, bytes: &[u8]) {
        self.partial.extend_from_slice(bytes);
        let mut text = String::new();
        let mut start = 0;
        while let Some(length) = next_line(&self.partial[start..]) {
            append_line(&mut text, stream, &self.partial[start..start + length]);
            start += length;
        }
        self.partial.drain(..start);
        self.send(text);
    }

    /// Writes what is left of a stream that has ended.
    pub fn end(&mut self, stream: LogStream) {
        if !self.partial.is_empty() {
            let mut text = String::new();
            append_line(&mut text, stream, &std::mem::take(&mut self.partial));
            self.send(text);
        }
    }

    /// Writes a remark of Shipote's own.
    pub fn notice(&mut self, remark: &str) {
        let mut text = String::new();
        append_line(&mut text, LogStream::Notice, remark.as_bytes());
        self.send(text);
    }

    fn send(&self, mut text: String) {
        if text.is_empty() {
            return;
        }
        let lost = self.lost.swap(0, Ordering::Relaxed);
        if lost > 0 {
            append_line(
                &mut text,
                LogStream::Notice,
                format!("{lost} lines lost before this one").as_bytes(),
            );
        }
        let lines = text.lines().count() as u64;
        if self.queue.try_send(Message::Append { file: self.file.clone(), text }).is_err() {
            self.lost.fetch_add(lost + lines, Ordering::Relaxed);
        }
    }
}

/// Returns the length of the first line with its end, or of a piece of a line that is too long.
fn next_line(bytes: &[u8]) -> Option<usize> {
    match bytes.iter().take(LINE_LIMIT).position(|byte| *byte == b'\n') {
        Some(position) => Some(position + 1),
        None if bytes.len() >= LINE_LIMIT => Some(LINE_LIMIT),
        None => None,
    }
}

fn append_line(text: &mut String, stream: LogStream, line: &[u8]) {
    use std::fmt::Write as _;
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    // Writing to a String can't fail.
    let _ = writeln!(text, "{} {} {}", clock::wall_ms(), stream.mark(), String::from_utf8_lossy(line));
}

struct OpenLog {
    file: File,
    size: u64,
}

fn write_all(inbox: &Receiver<Message>) {
    let mut open: HashMap<PathBuf, OpenLog> = HashMap::new();
    let mut failing = false;
    while let Ok(message) = inbox.recv() {
        match message {
            Message::Append { file, text } => match append(&mut open, &file, &text) {
                Ok(()) => failing = false,
                Err(error) => {
                    open.remove(&file);
                    if !failing {
                        tracing::warn!(file = %file.display(), %error, "a log can't be written");
                    }
                    failing = true;
                }
            },
            Message::Remove { dir } => {
                open.retain(|file, _| !file.starts_with(&dir));
                // Nothing logged yet, nothing to remove.
                let _ = fs::remove_dir_all(&dir);
            }
            Message::Flush { done } => {
                // Whoever asked may have given up waiting.
                let _ = done.send(());
            }
        }
        // Descriptors are dearer than opening a file again.
        if open.len() > 256 {
            open.clear();
        }
    }
}

fn append(open: &mut HashMap<PathBuf, OpenLog>, path: &Path, text: &str) -> io::Result<()> {
    if !open.contains_key(path) {
        if let Some(dir) = path.parent() {
            fs::DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
        }
        let file = File::options()
            .append(true)
            .create(true)
            .mode(0o600)
            .custom_flags(libc::O_NOFOLLOW)
            .open(path)?;
        let size = file.metadata()?.len();
        open.insert(path.to_owned(), OpenLog { file, size });
    }
    let Some(log) = open.get_mut(path) else { return Ok(()) };
    log.file.write_all(text.as_bytes())?;
    log.size += text.len() as u64;
    if log.size >= ROTATE_BYTES {
        open.remove(path);
        fs::rename(path, path.with_extension("log.1"))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_kept_whole_marked_and_bounded() {
        let dir = tempfile::tempdir().unwrap();
        let logs = Logs::start(dir.path()).unwrap();
        let mut writer = logs.writer("W", "p/n");
        writer.bytes(LogStream::Stdout, b"one\ntw");
        writer.bytes(LogStream::Stdout, b"o\nthree");
        writer.end(LogStream::Stdout);
        writer.notice("ended");
        logs.flush();
        let text = fs::read_to_string(dir.path().join("W/p,n.log")).unwrap();
        let lines: Vec<&str> = text.lines().map(|line| line.split_once(' ').unwrap().1).collect();
        assert_eq!(lines, ["o one", "o two", "o three", "n ended"]);
        writer.bytes(LogStream::Stderr, &vec![b'x'; ROTATE_BYTES as usize + 1]);
        writer.notice("after");
        logs.flush();
        assert!(dir.path().join("W/p,n.log.1").exists());
    }
}
