//! What processes write: carried to a session, or to the log where nobody listens.

use std::io;
use std::os::fd::OwnedFd;

use nix::fcntl::OFlag;
use nix::unistd::pipe2;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::unix::pipe;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::session::Frame;
use crate::host::logs::{LogStream, LogWriter};

/// Bytes carried at once.
const CHUNK: usize = 64 * 1024;

/// Where the bytes of a stream go.
pub(super) enum Sink {
    /// To the log, line by line.
    Log(LogWriter),
    /// To the client of a session, byte for byte, at its speed. The announcement goes first.
    Session { frames: mpsc::Sender<Frame>, channel: u16, announcement: Option<Frame> },
}

/// Makes a pipe for `stream` of a process and starts carrying what comes out of it. Returns the process's end.
pub(super) fn capture(stream: LogStream, sink: Sink) -> io::Result<(OwnedFd, JoinHandle<()>)> {
    let (read_end, write_end) = pipe2(OFlag::O_CLOEXEC)?;
    let source = pipe::Receiver::from_owned_fd(read_end)?;
    Ok((write_end, tokio::spawn(carry(source, stream, sink))))
}

async fn carry(mut source: pipe::Receiver, stream: LogStream, mut sink: Sink) {
    if let Sink::Session { frames, announcement, .. } = &mut sink
        && let Some(announcement) = announcement.take()
        && frames.send(announcement).await.is_err()
    {
        return;
    }
    let mut buffer = vec![0; CHUNK];
    loop {
        // A pipe that can't be read any more has ended, whatever the reason.
        let count = source.read(&mut buffer).await.unwrap_or(0);
        if count == 0 {
            break;
        }
        match &mut sink {
            Sink::Log(writer) => writer.bytes(stream, &buffer[..count]),
            Sink::Session { frames, channel, .. } => {
                let frame = Frame::Output { channel: *channel, data: buffer[..count].to_vec() };
                if frames.send(frame).await.is_err() {
                    // The client is lost. Closing the pipe lets the process know, as a shell's pipe would.
                    return;
                }
            }
        }
    }
    if let Sink::Log(writer) = &mut sink {
        writer.end(stream);
    }
}

/// Makes a pipe into the stdin of a process, fed from `bytes` until its sender is dropped. Returns the process's
/// end.
pub(super) fn feed(mut bytes: mpsc::Receiver<Vec<u8>>) -> io::Result<OwnedFd> {
    let (read_end, write_end) = pipe2(OFlag::O_CLOEXEC)?;
    let mut sink = pipe::Sender::from_owned_fd(write_end)?;
    tokio::spawn(async move {
        while let Some(chunk) = bytes.recv().await {
            if sink.write_all(&chunk).await.is_err() {
                // The process has closed its stdin; the rest has no reader.
                return;
            }
        }
    });
    Ok(read_end)
}
