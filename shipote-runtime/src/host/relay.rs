//! The relay: the thread that carries the edges which are tapped, recognised or fanned out.
//!
//! Bytes move by splice(2), copies for observers by tee(2): the data never enters this process, but for the first
//! window of an edge that is recognised, and for edges with several consumers. An observer that is slow loses
//! bytes, counted exactly; it never slows the edge.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::{SpliceFFlags, splice, tee};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::eventfd::{EfdFlags, EventFd};

/// First bytes of an edge that are looked at, in bytes.
pub const WINDOW: usize = 4096;
/// Longest wait for a window to fill after its first byte.
const WINDOW_WAIT: Duration = Duration::from_millis(250);
/// Most bytes moved by one call.
const CHUNK: usize = 1 << 20;
/// Bytes read at once where an edge is copied to several consumers.
const COPY_CHUNK: usize = 64 * 1024;

/// The meter of one edge, shared with whoever shows it.
#[derive(Debug, Default)]
pub struct EdgeMeter {
    bytes: AtomicU64,
    ended: AtomicBool,
}

impl EdgeMeter {
    /// Returns how many bytes have gone to the consumers.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Tells whether the edge has ended, so that the count is final.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.ended.load(Ordering::Acquire)
    }
}

/// One edge for the relay: the daemon's ends of its pipes.
#[derive(Debug)]
pub struct RelayEdge {
    /// Reading end of the producer's pipe; non-blocking.
    pub input: OwnedFd,
    /// Writing end of each consumer's pipe, with its meter; non-blocking.
    pub outputs: Vec<(OwnedFd, Arc<EdgeMeter>)>,
    /// Whether the first window is reported.
    pub recognise: bool,
}

/// What the relay reports.
#[derive(Debug)]
pub enum RelayEvent {
    /// The first bytes of an edge.
    Window {
        /// Position of the edge.
        edge: usize,
        /// The bytes, at most [`WINDOW`].
        bytes: Vec<u8>,
        /// Whether the stream ended within them.
        complete: bool,
    },
    /// Every edge has ended.
    Done,
}

/// A copy of an edge for one observer: the reading end of a pipe of its own, and the gaps in it.
#[derive(Debug)]
pub struct Observer {
    /// Reading end; the bytes in it are consecutive between gaps.
    pub pipe: OwnedFd,
    /// Gaps as (offset in the stream, bytes missing), in order.
    pub gaps: Receiver<(u64, u64)>,
    /// Offset in the stream of the first byte that this observer can see.
    pub start: u64,
}

/// What is asked of a running relay.
enum Request {
    Observe { edge: usize, answer: Sender<io::Result<Observer>> },
    Stop,
}

/// A running relay. Dropping it ends its thread, and with it the edges.
#[derive(Debug)]
pub struct Relay {
    requests: Sender<Request>,
    wake: Arc<EventFd>,
}

impl Relay {
    /// Starts the thread for `edges`; `report` is called on it.
    ///
    /// # Errors
    ///
    /// Returns the kernel's error.
    pub fn start(edges: Vec<RelayEdge>, report: impl Fn(RelayEvent) + Send + 'static) -> io::Result<Self> {
        let flags = EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK;
        let wake = Arc::new(EventFd::from_value_and_flags(0, flags)?);
        let (requests, inbox) = channel();
        let lines = edges.into_iter().enumerate().map(|(index, edge)| Line::new(index, edge)).collect();
        let mut thread = Thread { lines, inbox, wake: Arc::clone(&wake), report: Box::new(report) };
        std::thread::Builder::new().name("relay".into()).spawn(move || thread.run())?;
        Ok(Self { requests, wake })
    }

    /// Attaches an observer to the edge at position `edge`.
    ///
    /// # Errors
    ///
    /// Returns `NotConnected` where the edge has ended, `InvalidInput` for an edge with several consumers.
    pub fn observe(&self, edge: usize) -> io::Result<Observer> {
        let gone = || io::Error::from(io::ErrorKind::NotConnected);
        let (answer, answered) = channel();
        self.requests.send(Request::Observe { edge, answer }).map_err(|_| gone())?;
        self.wake.write(1)?;
        answered.recv_timeout(Duration::from_secs(5)).map_err(|_| gone())?
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        // A thread that has ended needs neither.
        let _ = self.requests.send(Request::Stop);
        let _ = self.wake.write(1);
    }
}

struct Thread {
    lines: Vec<Line>,
    inbox: Receiver<Request>,
    wake: Arc<EventFd>,
    report: Box<dyn Fn(RelayEvent) + Send>,
}

impl Thread {
    fn run(&mut self) {
        while self.lines.iter().any(|line| line.input.is_some()) {
            if !self.wait() {
                return;
            }
            for line in &mut self.lines {
                line.advance(&self.report);
            }
        }
        (self.report)(RelayEvent::Done);
    }

    /// Waits until something can move. Returns false when the relay is to end.
    fn wait(&mut self) -> bool {
        let mut fds = vec![PollFd::new(self.wake.as_fd(), PollFlags::POLLIN)];
        let mut limit: Option<Duration> = None;
        for line in &self.lines {
            line.interests(&mut fds);
            if let Some(due) = line.window_due() {
                let left = due.saturating_duration_since(Instant::now()) + Duration::from_millis(1);
                limit = Some(limit.map_or(left, |limit| limit.min(left)));
            }
        }
        let timeout = limit.map_or(PollTimeout::NONE, |limit| {
            PollTimeout::try_from(limit.as_millis()).unwrap_or(PollTimeout::MAX)
        });
        match poll(&mut fds, timeout) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(error) => {
                tracing::error!(%error, "the relay can't wait for its edges");
                return false;
            }
        }
        // Only a counter to be emptied.
        let _ = self.wake.read();
        while let Ok(request) = self.inbox.try_recv() {
            match request {
                Request::Stop => return false,
                Request::Observe { edge, answer } => {
                    let observer = self
                        .lines
                        .get_mut(edge)
                        .map_or_else(|| Err(io::Error::from(io::ErrorKind::NotConnected)), Line::observe);
                    // A client that has gone takes its observer with it.
                    let _ = answer.send(observer);
                }
            }
        }
        true
    }
}

/// One consumer of an edge.
struct Output {
    pipe: OwnedFd,
    meter: Arc<EdgeMeter>,
}

/// An attached observer, as the relay sees it.
struct Tap {
    pipe: OwnedFd,
    gaps: Sender<(u64, u64)>,
}

/// What holds a line up.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Waiting {
    Input,
    Output,
}

/// One edge at work.
struct Line {
    index: usize,
    input: Option<OwnedFd>,
    outputs: Vec<Output>,
    /// The first bytes, while they are collected.
    window: Option<Vec<u8>>,
    window_since: Option<Instant>,
    /// Bytes read and not yet written to every output, and how far each output has got.
    pending: Vec<u8>,
    written: Vec<usize>,
    taps: Vec<Tap>,
    /// Bytes that were shown to observers and must move on before more are shown.
    owed: usize,
    offset: u64,
    waiting: Waiting,
}

impl Line {
    fn new(index: usize, edge: RelayEdge) -> Self {
        let outputs: Vec<Output> =
            edge.outputs.into_iter().map(|(pipe, meter)| Output { pipe, meter }).collect();
        Self {
            index,
            input: Some(edge.input),
            written: vec![0; outputs.len()],
            outputs,
            window: edge.recognise.then(Vec::new),
            window_since: None,
            pending: Vec::new(),
            taps: Vec::new(),
            owed: 0,
            offset: 0,
            waiting: Waiting::Input,
        }
    }

    fn window_due(&self) -> Option<Instant> {
        self.window.as_ref()?;
        self.window_since.map(|since| since + WINDOW_WAIT)
    }

    fn interests<'a>(&'a self, fds: &mut Vec<PollFd<'a>>) {
        let Some(input) = &self.input else { return };
        if self.waiting == Waiting::Input && self.pending.is_empty() {
            fds.push(PollFd::new(input.as_fd(), PollFlags::POLLIN));
        }
        for (output, written) in self.outputs.iter().zip(&self.written) {
            // Without an interest the poll still tells when the consumer has closed.
            let behind = *written < self.pending.len();
            let wanted = if self.waiting == Waiting::Output || behind {
                PollFlags::POLLOUT
            } else {
                PollFlags::empty()
            };
            fds.push(PollFd::new(output.pipe.as_fd(), wanted));
        }
    }

    fn advance(&mut self, report: &dyn Fn(RelayEvent)) {
        if self.input.is_none() {
            return;
        }
        self.drop_gone_consumers();
        if self.outputs.is_empty() {
            return self.close(report);
        }
        if self.window_due().is_some_and(|due| Instant::now() >= due) {
            self.finish_window(false, report);
        }
        // Bounded, so that one busy edge does not starve the others of this thread.
        for _ in 0..16 {
            let moved = if self.window.is_some() || self.outputs.len() > 1 || !self.pending.is_empty() {
                self.copy(report)
            } else {
                self.move_on()
            };
            match moved {
                Step::Moved => {}
                Step::Wait(waiting) => {
                    self.waiting = waiting;
                    return;
                }
                Step::End => return self.close(report),
            }
        }
        self.waiting = Waiting::Input;
    }

    /// Lets go of consumers that have closed, also while nothing flows: a producer whose consumers are all gone
    /// must find out now, and not with its next byte.
    fn drop_gone_consumers(&mut self) {
        for index in (0..self.outputs.len()).rev() {
            if reader_gone(self.outputs[index].pipe.as_fd()) {
                let gone = self.outputs.remove(index);
                self.written.remove(index);
                gone.meter.ended.store(true, Ordering::Release);
            }
        }
    }

    /// Carries bytes through this process: while the window is collected, and to several consumers.
    fn copy(&mut self, report: &dyn Fn(RelayEvent)) -> Step {
        if !self.pending.is_empty() {
            return self.write_pending();
        }
        let Some(input) = &self.input else { return Step::End };
        let limit = self.window.as_ref().map_or(COPY_CHUNK, |window| WINDOW - window.len());
        let mut buffer = vec![0; limit];
        match nix::unistd::read(input, &mut buffer) {
            Ok(0) => Step::End,
            Ok(count) => {
                buffer.truncate(count);
                if let Some(window) = &mut self.window {
                    window.extend_from_slice(&buffer);
                    self.window_since.get_or_insert_with(Instant::now);
                    if window.len() >= WINDOW {
                        self.finish_window(false, report);
                    }
                }
                self.show(&buffer);
                self.pending = buffer;
                self.written.fill(0);
                self.write_pending()
            }
            Err(Errno::EAGAIN) => Step::Wait(Waiting::Input),
            Err(Errno::EINTR) => Step::Moved,
            Err(_) => Step::End,
        }
    }

    fn write_pending(&mut self) -> Step {
        let mut index = 0;
        while index < self.outputs.len() {
            let output = &self.outputs[index];
            let rest = &self.pending[self.written[index]..];
            if rest.is_empty() {
                index += 1;
                continue;
            }
            match nix::unistd::write(&output.pipe, rest) {
                Ok(count) => {
                    output.meter.bytes.fetch_add(count as u64, Ordering::Relaxed);
                    self.written[index] += count;
                }
                Err(Errno::EAGAIN) => index += 1,
                Err(Errno::EINTR) => {}
                // One consumer of several may leave; the others go on.
                Err(_) => {
                    let gone = self.outputs.remove(index);
                    self.written.remove(index);
                    gone.meter.ended.store(true, Ordering::Release);
                }
            }
        }
        if self.outputs.is_empty() {
            return Step::End;
        }
        if self.written.iter().all(|written| *written == self.pending.len()) {
            self.offset += self.pending.len() as u64;
            self.pending.clear();
            self.written.fill(0);
            return Step::Moved;
        }
        Step::Wait(Waiting::Output)
    }

    /// Moves bytes inside the kernel, copies for the observers first.
    fn move_on(&mut self) -> Step {
        let (Some(input), Some(output)) = (&self.input, self.outputs.first()) else { return Step::End };
        if self.owed == 0 && !self.taps.is_empty() {
            self.owed = show_by_tee(input.as_fd(), &mut self.taps, self.offset);
        }
        let flags = SpliceFFlags::SPLICE_F_MOVE | SpliceFFlags::SPLICE_F_NONBLOCK;
        let wanted = if self.owed > 0 { self.owed } else { CHUNK };
        match splice(input, None, &output.pipe, None, wanted, flags) {
            Ok(0) => Step::End,
            Ok(count) => {
                output.meter.bytes.fetch_add(count as u64, Ordering::Relaxed);
                self.offset += count as u64;
                if self.owed > 0 {
                    self.owed -= count;
                } else {
                    // Nothing of this was shown to anybody who watches.
                    let from = self.offset - count as u64;
                    self.taps.retain(|tap| tap.gaps.send((from, count as u64)).is_ok());
                }
                Step::Moved
            }
            // Either side may be the reason; the next wait is for the one that is not ready.
            Err(Errno::EAGAIN) if is_readable(input.as_fd()) => Step::Wait(Waiting::Output),
            Err(Errno::EAGAIN) => Step::Wait(Waiting::Input),
            Err(Errno::EINTR) => Step::Moved,
            Err(_) => Step::End,
        }
    }

    /// Shows bytes that went through this process to the observers.
    fn show(&mut self, bytes: &[u8]) {
        let offset = self.offset;
        self.taps.retain(|tap| {
            let shown = match nix::unistd::write(&tap.pipe, bytes) {
                Ok(count) => count,
                Err(Errno::EAGAIN | Errno::EINTR) => 0,
                Err(_) => return false,
            };
            let missing = (bytes.len() - shown) as u64;
            missing == 0 || tap.gaps.send((offset + shown as u64, missing)).is_ok()
        });
    }

    fn finish_window(&mut self, complete: bool, report: &dyn Fn(RelayEvent)) {
        if let Some(bytes) = self.window.take() {
            report(RelayEvent::Window { edge: self.index, bytes, complete });
        }
    }

    fn close(&mut self, report: &dyn Fn(RelayEvent)) {
        self.finish_window(true, report);
        self.input = None;
        for output in self.outputs.drain(..) {
            output.meter.ended.store(true, Ordering::Release);
        }
        self.taps.clear();
    }

    fn observe(&mut self) -> io::Result<Observer> {
        if self.input.is_none() {
            return Err(io::ErrorKind::NotConnected.into());
        }
        let (read_end, write_end) =
            nix::unistd::pipe2(nix::fcntl::OFlag::O_CLOEXEC | nix::fcntl::OFlag::O_NONBLOCK)?;
        // A larger pipe loses less; the default does where the user's budget is spent.
        let _ = nix::fcntl::fcntl(&write_end, nix::fcntl::FcntlArg::F_SETPIPE_SZ(1 << 20));
        let (gaps, gap_list) = channel();
        self.taps.push(Tap { pipe: write_end, gaps });
        // What is owed was shown to the others only.
        let start = self.offset + self.owed as u64 + self.pending.len() as u64;
        Ok(Observer { pipe: read_end, gaps: gap_list, start })
    }
}

enum Step {
    Moved,
    Wait(Waiting),
    End,
}

/// Copies what waits in `input` to every observer, and returns how much of it must now move on.
fn show_by_tee(input: BorrowedFd<'_>, taps: &mut Vec<Tap>, offset: u64) -> usize {
    let flags = SpliceFFlags::SPLICE_F_NONBLOCK;
    let shown: Vec<Result<usize, Errno>> =
        taps.iter().map(|tap| tee(input, &tap.pipe, CHUNK, flags)).collect();
    let most = shown.iter().filter_map(|count| count.ok()).max().unwrap_or(0);
    let mut counts = shown.into_iter();
    taps.retain(|tap| {
        let count = match counts.next() {
            Some(Ok(count)) => count,
            Some(Err(Errno::EAGAIN | Errno::EINTR)) => 0,
            _ => return false,
        };
        let missing = (most - count) as u64;
        missing == 0 || tap.gaps.send((offset + count as u64, missing)).is_ok()
    });
    most
}

fn reader_gone(pipe: BorrowedFd<'_>) -> bool {
    has_event(pipe, PollFlags::empty(), PollFlags::POLLERR)
}

fn is_readable(pipe: BorrowedFd<'_>) -> bool {
    has_event(pipe, PollFlags::POLLIN, PollFlags::POLLIN)
}

fn has_event(pipe: BorrowedFd<'_>, asked: PollFlags, wanted: PollFlags) -> bool {
    let mut fds = [PollFd::new(pipe, asked)];
    poll(&mut fds, PollTimeout::ZERO).is_ok_and(|count| count > 0)
        && fds[0].revents().is_some_and(|events| events.intersects(wanted))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::clock;
    use nix::fcntl::OFlag;
    use nix::unistd::pipe2;
    use std::fs::File;
    use std::io::{Read, Write};

    /// A relayed edge seen from outside: the producer's end, the consumers' ends, and the relay between.
    struct Bench {
        producer: Option<File>,
        consumers: Vec<File>,
        meters: Vec<Arc<EdgeMeter>>,
        relay: Relay,
        events: Receiver<RelayEvent>,
    }

    fn bench(consumers: usize, recognise: bool) -> Bench {
        let (input, producer) = pipe2(OFlag::O_CLOEXEC).unwrap();
        crate::host::launch::nonblocking(&input).unwrap();
        let mut ends = Vec::new();
        let mut outputs = Vec::new();
        let mut meters = Vec::new();
        for _ in 0..consumers {
            let (read_end, write_end) = pipe2(OFlag::O_CLOEXEC).unwrap();
            crate::host::launch::nonblocking(&write_end).unwrap();
            let meter = Arc::new(EdgeMeter::default());
            ends.push(File::from(read_end));
            meters.push(Arc::clone(&meter));
            outputs.push((write_end, meter));
        }
        let (sender, events) = channel();
        let edges = vec![RelayEdge { input, outputs, recognise }];
        let relay = Relay::start(edges, move |event| drop(sender.send(event))).unwrap();
        Bench { producer: Some(File::from(producer)), consumers: ends, meters, relay, events }
    }

    /// Bytes that tell their own offset, so that a shifted or repeated piece shows.
    fn pattern(length: usize) -> Vec<u8> {
        (0..length).map(|offset| (offset / 7 * 31 + offset) as u8).collect()
    }

    fn write_in_pieces(mut file: File, bytes: Vec<u8>) -> std::thread::JoinHandle<()> {
        std::thread::spawn(move || {
            let mut rest = &bytes[..];
            while !rest.is_empty() {
                let length = (clock::random_u64() as usize % 90_000 + 1).min(rest.len());
                file.write_all(&rest[..length]).unwrap();
                rest = &rest[length..];
            }
        })
    }

    #[test]
    fn every_byte_arrives_and_is_counted() {
        let mut bench = bench(1, true);
        let bytes = pattern(3_000_000);
        let writer = write_in_pieces(bench.producer.take().unwrap(), bytes.clone());
        let mut got = Vec::new();
        bench.consumers[0].read_to_end(&mut got).unwrap();
        writer.join().unwrap();
        assert!(got == bytes);
        assert_eq!(bench.meters[0].bytes(), 3_000_000);
        let RelayEvent::Window { bytes: window, complete: false, .. } = bench.events.recv().unwrap() else {
            panic!()
        };
        assert_eq!(window, bytes[..WINDOW]);
        assert!(matches!(bench.events.recv().unwrap(), RelayEvent::Done));
    }

    #[test]
    fn a_short_stream_is_a_complete_window() {
        let mut bench = bench(1, true);
        bench.producer.take().unwrap().write_all(b"a,b\n1,2\n").unwrap();
        match bench.events.recv().unwrap() {
            RelayEvent::Window { bytes, complete: true, .. } => assert_eq!(bytes, b"a,b\n1,2\n"),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn every_consumer_of_a_fan_out_gets_everything() {
        let mut bench = bench(3, false);
        let bytes = pattern(500_000);
        let writer = write_in_pieces(bench.producer.take().unwrap(), bytes.clone());
        let readers: Vec<_> = bench
            .consumers
            .drain(..)
            .map(|mut consumer| {
                std::thread::spawn(move || {
                    let mut got = Vec::new();
                    consumer.read_to_end(&mut got).unwrap();
                    got
                })
            })
            .collect();
        writer.join().unwrap();
        for reader in readers {
            assert!(reader.join().unwrap() == bytes);
        }
        assert!(bench.meters.iter().all(|meter| meter.bytes() == 500_000));
    }

    #[test]
    fn a_consumer_that_leaves_an_idle_edge_ends_the_producer() {
        let mut bench = bench(1, false);
        bench.consumers.clear();
        let mut producer = bench.producer.take().unwrap();
        let deadline = Instant::now() + Duration::from_secs(5);
        loop {
            match producer.write(b"x") {
                Err(error) => return assert_eq!(error.kind(), io::ErrorKind::BrokenPipe),
                Ok(_) => assert!(Instant::now() < deadline, "the relay holds the producer's pipe"),
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    #[test]
    fn an_observer_sees_the_stream_and_counts_what_it_missed() {
        let mut bench = bench(1, false);
        let observer = bench.relay.observe(0).unwrap();
        assert_eq!(observer.start, 0);
        let bytes = pattern(6_000_000);
        let writer = write_in_pieces(bench.producer.take().unwrap(), bytes.clone());
        let mut got = Vec::new();
        // Nobody reads the observer's pipe until the stream is over: it must not slow the edge.
        bench.consumers[0].read_to_end(&mut got).unwrap();
        writer.join().unwrap();
        assert!(got == bytes);
        let mut seen = Vec::new();
        crate::host::launch::nonblocking(&observer.pipe).unwrap();
        assert!(matches!(bench.events.recv().unwrap(), RelayEvent::Done));
        File::from(observer.pipe).read_to_end(&mut seen).unwrap();
        let gaps: Vec<(u64, u64)> = observer.gaps.try_iter().collect();
        let missing: u64 = gaps.iter().map(|(_, missing)| missing).sum();
        assert!(missing > 0, "a stuck observer of 6 MB loses some");
        assert_eq!(seen.len() as u64 + missing, bytes.len() as u64);
        let (mut offset, mut position) = (0_usize, 0_usize);
        for (gap, missing) in gaps.into_iter().chain([(bytes.len() as u64, 0)]) {
            let length = gap as usize - offset;
            assert!(seen[position..position + length] == bytes[offset..gap as usize]);
            position += length;
            offset = gap as usize + missing as usize;
        }
    }
}
