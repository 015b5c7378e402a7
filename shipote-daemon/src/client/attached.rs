//! An attached session: frames in, what the user sees out, and the user's input and signals back.
//!
//! One loop owns the connection. What is written goes through a thread of its own, so that a reader who stops
//! reading slows the process (as a pipe would) without making this program deaf to signals.

use std::collections::VecDeque;
use std::io::{self, IsTerminal, Read, Write};
use std::time::Duration;

use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use shipote_runtime::drive::session::SessionEnd;
use shipote_runtime::view::WorkspaceDetail;
use tokio::io::WriteHalf;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{mpsc, oneshot};

use crate::exit::{Code, Failure};
use crate::render::quantity::now_ms;
use crate::screen::{Chunk, Screen, Sink};
use crate::wire::frame::{self, Kind, RawFrame, STDIN_WINDOW};
use crate::wire::problem::ProblemDoc;
use crate::wire::{ChannelDoc, Opened};

/// What the daemon sends.
#[derive(Debug)]
pub enum Arrival {
    /// What a plain request would have been answered.
    Opened(Opened),
    /// A channel is announced.
    Channel(ChannelDoc),
    /// Bytes of a channel.
    Output(u16, Vec<u8>),
    /// How things stand.
    Status(Box<WorkspaceDetail>),
    /// The end.
    End(Box<SessionEnd>),
    /// It failed.
    Error(Failure),
    /// More bytes of stdin may be sent.
    Window(u32),
}

fn arrival(frame: RawFrame) -> io::Result<Arrival> {
    Ok(match frame.kind {
        Kind::Opened => Arrival::Opened(frame.parse()?),
        Kind::Channel => Arrival::Channel(frame.parse()?),
        Kind::Output => Arrival::Output(frame.channel, frame.payload),
        Kind::Status => Arrival::Status(frame.parse()?),
        Kind::End => Arrival::End(frame.parse()?),
        Kind::Error => Arrival::Error(frame.parse::<ProblemDoc>()?.into()),
        Kind::Window => Arrival::Window(frame.parse()?),
        Kind::Stdin | Kind::StdinEnd | Kind::Signal => {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "a frame that only clients send"));
        }
    })
}

/// Follows a session to its end.
///
/// # Errors
///
/// Fails where the daemon says so, where the connection is lost, and quietly where the reader of stdout is.
pub async fn follow(
    io: TokioIo<Upgraded>,
    screen: &mut Screen,
    pass_stdin: bool,
    stopping: &str,
) -> Result<(Opened, SessionEnd), Failure> {
    let (mut reader, mut writer) = tokio::io::split(io);
    let (arrived, mut arrivals) = mpsc::channel(4);
    tokio::spawn(async move {
        loop {
            let next = match frame::read(&mut reader).await {
                Ok(Some(frame)) => arrival(frame),
                Ok(None) => Err(io::Error::from(io::ErrorKind::UnexpectedEof)),
                Err(error) => Err(error),
            };
            let last = next.is_err();
            if arrived.send(next).await.is_err() || last {
                return;
            }
        }
    });
    let mut signals = Signals::install()?;
    let mut stdin = if pass_stdin { Stdin::start() } else { Stdin::none() };
    if !pass_stdin {
        send(&mut writer, &RawFrame::new(Kind::StdinEnd, Vec::new())).await?;
    }
    let printer = Printer::start();
    let to_print = printer.chunks.clone();
    let mut waiting: VecDeque<Chunk> = VecDeque::new();
    let mut opened = None;
    let mut end = None;
    let mut tick = tokio::time::interval(Duration::from_millis(100));
    let outcome = loop {
        if end.is_some() && waiting.is_empty() {
            break Ok(());
        }
        tokio::select! {
            biased;
            number = signals.recv() => {
                if signals.count == 1 {
                    waiting.extend(screen.say(stopping));
                }
                send(&mut writer, &RawFrame::json(Kind::Signal, &number)).await?;
            }
            permit = to_print.reserve(), if !waiting.is_empty() => match (permit, waiting.pop_front()) {
                (Ok(permit), Some(chunk)) => permit.send(chunk),
                // The thread ends by itself only where it can't write any more.
                _ => return Err(printer.result().await.err().unwrap_or_else(Failure::broken_pipe)),
            },
            arrived = arrivals.recv(), if waiting.is_empty() && end.is_none() => {
                match arrived.unwrap_or_else(|| Err(io::Error::from(io::ErrorKind::UnexpectedEof))) {
                    Ok(Arrival::Opened(what)) => {
                        if let Opened::Up(answer) = &what {
                            answer.changes.iter().for_each(|change| waiting.extend(screen.say(change)));
                        }
                        opened = Some(what);
                    }
                    Ok(Arrival::Window(more)) => stdin.window = stdin.window.saturating_add(i64::from(more)),
                    Ok(Arrival::Error(failure)) => {
                        waiting.extend(screen.clear());
                        break Err(failure);
                    }
                    Ok(Arrival::End(last)) => {
                        waiting.extend(screen.end(last.detail.as_ref(), now_ms()));
                        end = Some(*last);
                    }
                    Ok(Arrival::Channel(channel)) => screen.channel(channel),
                    Ok(Arrival::Output(channel, data)) => waiting.extend(screen.output(channel, data, now_ms())),
                    Ok(Arrival::Status(detail)) => waiting.extend(screen.status(*detail, now_ms())),
                    Err(error) => {
                        waiting.extend(screen.clear());
                        break Err(lost(&error));
                    }
                }
            }
            chunk = stdin.chunks.recv(), if stdin.is_open && stdin.window > 0 => stdin.pass(chunk, &mut writer).await?,
            _ = tick.tick() => waiting.extend(screen.tick(now_ms())),
        }
    };
    tokio::select! {
        finished = printer.finish(to_print, waiting) => finished?,
        // Whoever reads has stopped reading, and whoever started this has had enough.
        _ = signals.recv() => {}
    }
    outcome?;
    match (opened, end) {
        (Some(opened), Some(end)) => Ok((opened, end)),
        _ => Err(Failure::new(Code::Protocol, "the daemon ended a session that it never opened")),
    }
}

async fn send(writer: &mut WriteHalf<TokioIo<Upgraded>>, frame: &RawFrame) -> Result<(), Failure> {
    match frame::write(writer, frame).await {
        Ok(()) => Ok(()),
        // The daemon may have said its last word already: it is still to be read.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        Err(error) => Err(lost(&error)),
    }
}

fn lost(error: &io::Error) -> Failure {
    let why = match error.kind() {
        io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => {
            String::new()
        }
        _ => format!(": {}", crate::exit::plain(error)),
    };
    Failure::new(Code::NoDaemon, format!("the daemon went away before the end{why}"))
        .hint("what ran has ended with it; shipote daemon status tells whether one answers now")
}

/// SIGINT, SIGTERM and SIGHUP, which are passed on.
struct Signals {
    int: Signal,
    term: Signal,
    hup: Signal,
    count: u32,
}

impl Signals {
    fn install() -> Result<Self, Failure> {
        let listen = |kind| {
            signal(kind).map_err(|error| Failure::new(Code::Failed, format!("listen to signals: {error}")))
        };
        Ok(Self {
            int: listen(SignalKind::interrupt())?,
            term: listen(SignalKind::terminate())?,
            hup: listen(SignalKind::hangup())?,
            count: 0,
        })
    }

    async fn recv(&mut self) -> i32 {
        let kind = tokio::select! {
            _ = self.int.recv() => SignalKind::interrupt(),
            _ = self.term.recv() => SignalKind::terminate(),
            _ = self.hup.recv() => SignalKind::hangup(),
        };
        self.count += 1;
        kind.as_raw_value()
    }
}

/// What comes from the user's stdin, read by a thread that ends with the process.
struct Stdin {
    chunks: mpsc::Receiver<Vec<u8>>,
    window: i64,
    is_open: bool,
}

impl Stdin {
    fn none() -> Self {
        Self { chunks: mpsc::channel(1).1, window: 0, is_open: false }
    }

    fn start() -> Self {
        let (sender, chunks) = mpsc::channel::<Vec<u8>>(2);
        // A job in the background would be stopped by reading its terminal; it gets an empty stdin.
        let stdin = io::stdin();
        let is_background = stdin.is_terminal()
            && nix::unistd::tcgetpgrp(&stdin).is_ok_and(|foreground| foreground != nix::unistd::getpgrp());
        if !is_background {
            std::thread::spawn(move || {
                let mut stdin = stdin.lock();
                let mut buffer = vec![0; 64 * 1024];
                loop {
                    match stdin.read(&mut buffer) {
                        Ok(0) => return,
                        Ok(count) => {
                            if sender.blocking_send(buffer[..count].to_vec()).is_err() {
                                return;
                            }
                        }
                        Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                        Err(_) => return,
                    }
                }
            });
        }
        Self { chunks, window: i64::from(STDIN_WINDOW), is_open: true }
    }

    async fn pass(
        &mut self,
        chunk: Option<Vec<u8>>,
        writer: &mut WriteHalf<TokioIo<Upgraded>>,
    ) -> Result<(), Failure> {
        let Some(chunk) = chunk else {
            self.is_open = false;
            return send(writer, &RawFrame::new(Kind::StdinEnd, Vec::new())).await;
        };
        // The window may go below zero by one chunk; the daemon allows for it.
        self.window = self.window.saturating_sub_unsigned(chunk.len() as u64);
        send(writer, &RawFrame::new(Kind::Stdin, chunk)).await
    }
}

/// The thread that writes.
struct Printer {
    chunks: mpsc::Sender<Chunk>,
    done: oneshot::Receiver<io::Result<()>>,
}

impl Printer {
    fn start() -> Self {
        let (chunks, mut todo) = mpsc::channel::<Chunk>(4);
        let (report, done) = oneshot::channel();
        std::thread::spawn(move || {
            let mut result = Ok(());
            while let Some(chunk) = todo.blocking_recv() {
                result = print(&chunk);
                if result.is_err() {
                    break;
                }
            }
            // The other side may have given up waiting.
            let _ = report.send(result);
        });
        Self { chunks, done }
    }

    /// Writes what is left, and waits until all of it is written.
    async fn finish(self, to_print: mpsc::Sender<Chunk>, waiting: VecDeque<Chunk>) -> Result<(), Failure> {
        for chunk in waiting {
            if to_print.send(chunk).await.is_err() {
                break;
            }
        }
        drop(to_print);
        self.result().await
    }

    /// Waits for the end of the thread, which comes when every sender is gone.
    async fn result(self) -> Result<(), Failure> {
        drop(self.chunks);
        match self.done.await {
            Ok(Ok(())) | Err(_) => Ok(()),
            Ok(Err(error)) if error.kind() == io::ErrorKind::BrokenPipe => Err(Failure::broken_pipe()),
            Ok(Err(error)) => {
                Err(Failure::new(Code::Failed, format!("write to stdout: {}", crate::exit::plain(&error))))
            }
        }
    }
}

fn print(chunk: &Chunk) -> io::Result<()> {
    match chunk.sink {
        Sink::Stdout => {
            let mut stdout = io::stdout().lock();
            stdout.write_all(&chunk.bytes)?;
            stdout.flush()
        }
        Sink::Stderr => {
            // An stderr that is gone has nobody to tell, and the results still have a reader.
            let mut stderr = io::stderr().lock();
            let _ = stderr.write_all(&chunk.bytes).and_then(|()| stderr.flush());
            Ok(())
        }
    }
}
