//! `stats.journal`: samples that survive a restart, written by a thread of their own, and never in the way of the state.
//!
//! Nothing is synced with each sample: the end of the daemon costs none, its death by `kill -9` and a power cut those of
//! the last [`FLUSH_EVERY`]. The file is folded when it has grown ([`shipote_snapshot::samples`] says how), and holds at
//! most [`LARGEST`] bytes, the copy that a fold writes included.

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use shipote_snapshot::Point;
use shipote_snapshot::samples::{self, fold};

use super::clock;
use super::store::ledger::temporary_name;

/// Longest time for which a sample is in memory only.
pub const FLUSH_EVERY: Duration = Duration::from_secs(10);
/// Most bytes that samples take on the disk.
pub const LARGEST: u64 = 64 << 20;

/// The file's name in the state directory.
const NAME: &str = "stats.journal";
/// Bytes at the end of the file that a start reads.
const END: u64 = 4 << 20;
/// Bytes of lines that are written at once, at most.
const LARGEST_WRITE: usize = 256 << 10;
/// Samples that wait for a slow disk, at most; later ones are lost.
const MOST_WAITING: usize = 100_000;

/// How large the file may become.
#[derive(Debug, Clone, Copy)]
struct Bounds {
    /// Size in bytes up to which it is never folded.
    fold_above: u64,
    /// Size in bytes at which it is folded at the latest.
    fold_at: u64,
    /// Size in bytes above which nothing is added, where it can't be folded.
    largest: u64,
    /// Points that are left by a fold, at most.
    most_points: usize,
}

/// What is left by a fold is 22 MiB of usual lines: with what was folded it is less than [`LARGEST`].
const BOUNDS: Bounds =
    Bounds { fold_above: 4 << 20, fold_at: 36 << 20, largest: LARGEST, most_points: 64_000 };

#[expect(clippy::large_enum_variant, reason = "nearly all orders are points")]
enum Order {
    Add(Point),
    /// Write what waits, then drop this.
    Flush(Sender<()>),
}

/// The sampler's end: hands samples to the thread that writes them.
#[derive(Debug)]
pub struct SampleJournal {
    state_dir: PathBuf,
    orders: Sender<Order>,
    waiting: Arc<AtomicUsize>,
    is_full: bool,
    thread: JoinHandle<()>,
}

impl SampleJournal {
    /// Opens the journal of a state directory, and starts its thread.
    ///
    /// # Errors
    ///
    /// Refuses what is no regular file, and a journal of a newer version; otherwise returns the kernel's error.
    pub fn open(state_dir: &Path) -> io::Result<Self> {
        let keeper = Keeper::open(state_dir, BOUNDS)?;
        let (orders, inbox) = channel();
        let waiting = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&waiting);
        let thread = std::thread::Builder::new()
            .name("shipote-stats".into())
            .spawn(move || keeper.serve(&inbox, &counted))?;
        Ok(Self { state_dir: state_dir.to_owned(), orders, waiting, is_full: false, thread })
    }

    /// Adds a sample. Never waits: where the disk is too slow, the sample is lost, and that is told once.
    pub fn add(&mut self, point: Point) {
        let is_full = self.waiting.load(Ordering::Relaxed) >= MOST_WAITING;
        if is_full && !self.is_full {
            tracing::warn!("samples are lost: the disk is too slow for them");
        }
        self.is_full = is_full;
        if !is_full {
            self.waiting.fetch_add(1, Ordering::Relaxed);
            // The thread ends only with this end.
            let _ = self.orders.send(Order::Add(point));
        }
    }

    /// Returns what reads the journal, with all that was added so far.
    #[must_use]
    pub fn reader(&self) -> SampleReader {
        let (done, flushed) = channel();
        // The thread ends only with this end.
        let _ = self.orders.send(Order::Flush(done));
        SampleReader { state_dir: self.state_dir.clone(), flushed }
    }

    /// Writes what waits, and ends the thread.
    pub fn close(self) {
        drop(self.orders);
        // A panic was told on its way; what was written stays.
        let _ = self.thread.join();
    }
}

/// Reads a journal that is being written.
#[derive(Debug)]
pub struct SampleReader {
    state_dir: PathBuf,
    /// Ends when what waited is written.
    flushed: Receiver<()>,
}

impl SampleReader {
    /// Reads what the journal tells of `from_ms` and later. Waits for the disk.
    #[must_use]
    pub fn read(self, from_ms: u64) -> Vec<Point> {
        let _ = self.flushed.recv();
        read(&self.state_dir, from_ms)
    }
}

/// Reads what the journal of a state directory tells of `from_ms` and later; nothing where it can't be read.
#[must_use]
pub fn read(state_dir: &Path, from_ms: u64) -> Vec<Point> {
    read_newest(state_dir, from_ms, LARGEST)
}

/// Reads the newest part of the journal, as much as makes no start wait.
#[must_use]
pub fn read_end(state_dir: &Path) -> Vec<Point> {
    read_newest(state_dir, 0, END)
}

fn read_newest(state_dir: &Path, from_ms: u64, most: u64) -> Vec<Point> {
    let bytes = bytes(&state_dir.join(NAME), most).unwrap_or_default();
    let mut points = samples::read(&bytes).points;
    points.retain(|point| point.at_ms >= from_ms);
    points.sort_by_key(|point| point.at_ms);
    points
}

fn options() -> fs::OpenOptions {
    let mut options = File::options();
    options.mode(0o600).custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK);
    options
}

fn regular(file: File) -> io::Result<File> {
    if file.metadata()?.is_file() {
        Ok(file)
    } else {
        Err(io::Error::new(io::ErrorKind::InvalidInput, "is not a regular file"))
    }
}

/// Reads the last `most` bytes of a file.
fn bytes(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    let mut file = regular(options().read(true).open(path)?)?;
    let surplus = file.metadata()?.len().saturating_sub(most);
    file.seek(SeekFrom::Start(surplus))?;
    let mut bytes = Vec::new();
    file.take(most).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The thread's side: the file, and what is not written yet.
struct Keeper {
    path: PathBuf,
    file: File,
    bounds: Bounds,
    size: u64,
    fold_at: u64,
    lines: String,
    /// Whether the file ends in the middle of a line.
    is_torn: bool,
    /// Whether the last write failed, which is told once.
    is_failing: bool,
}

impl Keeper {
    fn open(state_dir: &Path, bounds: Bounds) -> io::Result<Self> {
        let path = state_dir.join(NAME);
        let mut file = regular(options().read(true).append(true).create(true).open(&path)?)?;
        let size = file.metadata()?.len();
        let mut begin = Vec::new();
        (&mut file).take(256).read_to_end(&mut begin)?;
        if samples::read(&begin).newer.is_some() {
            return Err(io::Error::new(io::ErrorKind::Unsupported, "was written by a newer shipote"));
        }
        let mut last = [0];
        if size > 0 {
            file.seek(SeekFrom::End(-1))?;
            file.read_exact(&mut last)?;
        }
        let lines = if size == 0 { samples::header(clock::wall_ms()) } else { String::new() };
        let is_torn = size > 0 && last != *b"\n";
        let fold_at = bounds.fold_above;
        Ok(Self { path, file, bounds, size, fold_at, lines, is_torn, is_failing: false })
    }

    fn serve(mut self, inbox: &Receiver<Order>, waiting: &AtomicUsize) {
        let mut due = None;
        loop {
            let order = match due {
                // Nothing to write: no reason to wake up.
                None => inbox.recv().map_err(|_| RecvTimeoutError::Disconnected),
                Some(due) => inbox.recv_timeout(Instant::saturating_duration_since(&due, Instant::now())),
            };
            match order {
                Ok(Order::Add(point)) => {
                    waiting.fetch_sub(1, Ordering::Relaxed);
                    self.lines.push_str(&point.encode());
                    due.get_or_insert_with(|| Instant::now() + FLUSH_EVERY);
                    if self.lines.len() < LARGEST_WRITE {
                        continue;
                    }
                    self.write();
                }
                Ok(Order::Flush(done)) => {
                    self.write();
                    drop(done);
                }
                Err(RecvTimeoutError::Timeout) => self.write(),
                Err(RecvTimeoutError::Disconnected) => return self.write(),
            }
            due = None;
        }
    }

    fn write(&mut self) {
        let lines = std::mem::take(&mut self.lines);
        if lines.is_empty() {
            return;
        }
        match self.append(&lines) {
            Ok(()) => self.is_failing = false,
            Err(error) => self.tell(&error, "samples are lost: their journal can't be written"),
        }
        if self.size >= self.fold_at {
            match self.fold() {
                // Twice the size before the next one: what is written in folds stays a fraction of what is sampled.
                Ok(()) => self.fold_at = (self.size * 2).clamp(self.bounds.fold_above, self.bounds.fold_at),
                Err(error) => {
                    self.tell(&error, "the journal of samples can't be folded");
                    self.fold_at = self.size + self.bounds.fold_above;
                }
            }
        }
    }

    fn tell(&mut self, error: &io::Error, what: &str) {
        if !std::mem::replace(&mut self.is_failing, true) {
            tracing::warn!(%error, "{what}");
        }
    }

    fn append(&mut self, lines: &str) -> io::Result<()> {
        if self.size + lines.len() as u64 > self.bounds.largest {
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, "the journal of samples is full"));
        }
        // Whatever stands in the last line is lost; what follows must not be.
        let begin = if self.is_torn { "\n" } else { "" };
        self.is_torn = true;
        self.file.write_all(&[begin, lines].concat().into_bytes())?;
        self.is_torn = false;
        self.size += (begin.len() + lines.len()) as u64;
        Ok(())
    }

    /// Writes the file anew, with old samples joined. It is synced, so that no power cut leaves an empty one.
    fn fold(&mut self) -> io::Result<()> {
        let points = fold(
            samples::read(&bytes(&self.path, LARGEST)?).points,
            clock::wall_ms(),
            self.bounds.most_points,
        );
        let mut text = samples::header(clock::wall_ms());
        text.extend(points.iter().map(Point::encode));
        let temporary = self.path.with_file_name(temporary_name());
        let written = (|| {
            let mut file = options().append(true).create_new(true).open(&temporary)?;
            file.write_all(text.as_bytes())?;
            file.sync_data()?;
            fs::rename(&temporary, &self.path)?;
            Ok(file)
        })();
        match written {
            Ok(file) => {
                (self.file, self.size, self.is_torn) = (file, text.len() as u64, false);
                Ok(())
            }
            Err(error) => {
                // Never made, or removed by the next start.
                let _ = fs::remove_file(&temporary);
                Err(error)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use shipote_card::WorkspaceId;
    use shipote_snapshot::PersistedStats;

    fn point(at_ms: u64) -> Point {
        let stats = PersistedStats { at_ms: Some(at_ms), commands_alive: 1, ..PersistedStats::default() };
        Point::single(WorkspaceId::from_parts(1, 1), stats).unwrap()
    }

    fn keeper(dir: &Path) -> Keeper {
        Keeper::open(dir, BOUNDS).unwrap()
    }

    #[test]
    fn samples_are_there_after_a_flush_and_after_the_end() {
        let dir = tempfile::tempdir().unwrap();
        let mut journal = SampleJournal::open(dir.path()).unwrap();
        journal.add(point(1));
        journal.add(point(2));
        assert_eq!(journal.reader().read(0), [point(1), point(2)]);
        journal.add(point(3));
        journal.close();
        assert_eq!(read(dir.path(), 2), [point(2), point(3)]);
    }

    #[test]
    fn what_follows_a_torn_line_is_whole() {
        let dir = tempfile::tempdir().unwrap();
        let mut first = keeper(dir.path());
        first.append(&point(1).encode()).unwrap();
        first.file.write_all(b"12345678 {\"works").unwrap();
        let mut second = keeper(dir.path());
        second.append(&point(2).encode()).unwrap();
        assert_eq!(read(dir.path(), 0), [point(1), point(2)]);
    }

    #[test]
    fn a_fold_keeps_what_is_young_and_joins_what_is_old() {
        let dir = tempfile::tempdir().unwrap();
        let mut keeper = keeper(dir.path());
        let now_ms = clock::wall_ms();
        let minute = now_ms - now_ms % 60_000 - 10 * 3_600_000;
        let lines: Vec<String> = (0..60)
            .map(|second| point(minute + second * 1_000).encode())
            .chain((0..20).map(|second| point(now_ms - 20_000 + second * 1_000).encode()))
            .collect();
        keeper.append(&lines.concat()).unwrap();
        keeper.fold().unwrap();
        let points = read(dir.path(), 0);
        assert_eq!(points.iter().map(|point| point.samples).collect::<Vec<_>>()[..2], [60, 1]);
        assert_eq!(points.len(), 21);
        keeper.append(&point(now_ms).encode()).unwrap();
        assert_eq!(read(dir.path(), 0).len(), 22);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn the_file_never_outgrows_its_bound() {
        let dir = tempfile::tempdir().unwrap();
        let bounds = Bounds { fold_above: 20_000, fold_at: 180_000, largest: 320_000, most_points: 320 };
        let mut keeper = Keeper::open(dir.path(), bounds).unwrap();
        let begin = clock::wall_ms() - 20 * 60_000;
        let mut largest = 0;
        // Twenty minutes of ten workspaces: far more than there is room for.
        for second in 0..1_200 {
            let of = |workspace| Point {
                workspace: WorkspaceId::from_parts(2, workspace),
                ..point(begin + second * 1_000)
            };
            keeper.lines.extend((0..10).map(|workspace| of(workspace).encode()));
            keeper.write();
            largest = largest.max(keeper.size);
        }
        assert!(!keeper.is_failing && largest < bounds.fold_at + 3_000, "{largest}");
        let left = read(dir.path(), 0);
        // All of the time is still told of, the older part in fewer words.
        assert!(left[0].span_ms > 0 && left[0].from_ms() <= begin, "{:?}", left[0]);
        assert_eq!(left.iter().map(|point| point.samples).sum::<u32>(), 12_000);
    }

    #[test]
    fn a_file_that_cannot_be_folded_is_not_added_to_without_end() {
        let dir = tempfile::tempdir().unwrap();
        let bounds = Bounds { fold_above: 1_000, fold_at: 2_000, largest: 4_000, most_points: 10 };
        let mut keeper = Keeper::open(dir.path(), bounds).unwrap();
        // No fold finds a file to read here.
        keeper.path = dir.path().join("elsewhere/stats.journal");
        for second in 0..100 {
            keeper.lines.push_str(&point(second).encode());
            keeper.write();
        }
        assert!(keeper.is_failing && keeper.size <= bounds.largest, "{}", keeper.size);
    }

    #[test]
    fn what_is_no_journal_of_ours_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(NAME);
        std::os::unix::fs::symlink("/dev/null", &path).unwrap();
        assert!(SampleJournal::open(dir.path()).is_err());
        fs::remove_file(&path).unwrap();
        nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).unwrap();
        assert_eq!(SampleJournal::open(dir.path()).unwrap_err().kind(), io::ErrorKind::InvalidInput);
        assert_eq!(read(dir.path(), 0), []);
        fs::remove_file(&path).unwrap();
        let json = r#"{"stats":2,"at_ms":0}"#;
        let newer = format!("{:08x} {json}\n", shipote_snapshot::journal::crc32(json.as_bytes()));
        fs::write(&path, &newer).unwrap();
        assert_eq!(SampleJournal::open(dir.path()).unwrap_err().kind(), io::ErrorKind::Unsupported);
        assert_eq!(fs::read_to_string(&path).unwrap(), newer);
    }
}
