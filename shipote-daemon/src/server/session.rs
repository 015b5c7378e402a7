//! An upgraded connection: the frames of `shipote-stdio/1` on one side, a session of the manager on the other.
//!
//! Whatever ends one side ends the other. A connection that is lost drops the session, and that is the lost client.

use std::io;

use axum::body::Bytes;
use axum::extract::Request;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use shipote_runtime::drive::session::{Frame, Input, Session};
use tokio::io::{AsyncWriteExt, ReadHalf};
use tokio::sync::mpsc;

use super::BODY_MAX;
use crate::exit::{Code, Failure};
use crate::wire::frame::{self, Kind, MAX_PAYLOAD, RawFrame, STDIN_WINDOW};
use crate::wire::{ChannelDoc, Opened, STDIO_PROTOCOL};

/// A request whose connection may become one of frames.
#[derive(Debug)]
pub struct Attachable {
    /// The body.
    pub body: Bytes,
    upgrade: Option<OnUpgrade>,
}

impl Attachable {
    /// Reads the body, and takes the connection if the client wants to upgrade it.
    ///
    /// # Errors
    ///
    /// Fails where the body can't be read, and where another protocol is asked for.
    pub async fn read(request: Request) -> Result<Self, Failure> {
        let (mut parts, body) = request.into_parts();
        let upgrade = if asked(&parts.headers)? { parts.extensions.remove::<OnUpgrade>() } else { None };
        let body = axum::body::to_bytes(body, BODY_MAX)
            .await
            .map_err(|error| Failure::usage(format!("the body can't be read: {error}")))?;
        Ok(Self { body, upgrade })
    }

    /// Tells whether the client stays attached.
    #[must_use]
    pub const fn is_attached(&self) -> bool {
        self.upgrade.is_some()
    }

    /// Opens the connection of frames, and pumps the session through it.
    ///
    /// # Errors
    ///
    /// Fails where the manager made no session although one was asked for.
    pub fn open(self, opened: Opened, session: Option<Session>) -> Result<Response, Failure> {
        let (Some(upgrade), Some(session)) = (self.upgrade, session) else {
            return Err(Failure::new(Code::Failed, "no session was made for an attached client"));
        };
        tokio::spawn(async move {
            match upgrade.await {
                Ok(connection) => {
                    if let Err(error) = pump(TokioIo::new(connection), opened, session).await {
                        tracing::debug!(%error, "a client is gone");
                    }
                }
                Err(error) => tracing::debug!(%error, "a client was gone before its session began"),
            }
        });
        let headers = [(header::CONNECTION, "upgrade"), (header::UPGRADE, STDIO_PROTOCOL)];
        Ok((StatusCode::SWITCHING_PROTOCOLS, headers).into_response())
    }
}

fn asked(headers: &HeaderMap) -> Result<bool, Failure> {
    let Some(protocol) = headers.get(header::UPGRADE) else { return Ok(false) };
    if protocol.as_bytes().eq_ignore_ascii_case(STDIO_PROTOCOL.as_bytes()) {
        return Ok(true);
    }
    Err(Failure::usage(format!("only {STDIO_PROTOCOL} can be upgraded to")))
}

async fn pump(io: TokioIo<Upgraded>, opened: Opened, mut session: Session) -> io::Result<()> {
    let (reader, mut writer) = tokio::io::split(io);
    frame::write(&mut writer, &RawFrame::json(Kind::Opened, &opened)).await?;
    let (credit, mut credits) = mpsc::unbounded_channel();
    let mut listening = tokio::spawn(listen(reader, session.input.clone(), session.stdin.take(), credit));
    let result = loop {
        tokio::select! {
            frame = session.frames.recv() => {
                let Some(frame) = frame else {
                    let failure = Failure::new(Code::Closing, "the session was given up by the daemon");
                    let problem = crate::wire::problem::ProblemDoc::from(&failure);
                    break frame::write(&mut writer, &RawFrame::json(Kind::Error, &problem)).await;
                };
                let is_end = matches!(frame, Frame::End(_));
                if let Some(raw) = encode(frame) {
                    frame::write(&mut writer, &raw).await?;
                }
                if is_end {
                    break Ok(());
                }
            }
            Some(bytes) = credits.recv() => {
                frame::write(&mut writer, &RawFrame::json(Kind::Window, &bytes)).await?;
            }
            ended = &mut listening => {
                match ended {
                    // The client has closed or broken the connection.
                    Ok(Ok(())) => break Err(io::Error::from(io::ErrorKind::UnexpectedEof)),
                    Ok(Err(error)) => break Err(error),
                    Err(error) => break Err(io::Error::other(error)),
                }
            }
        }
    };
    listening.abort();
    // The last bytes are on their way whatever becomes of the connection.
    let _ = writer.shutdown().await;
    result
}

/// Reads what the client sends until it is gone. Stdin has a queue of its own, which the window bounds, so that a
/// signal is never behind input that nobody reads.
async fn listen(
    mut reader: ReadHalf<TokioIo<Upgraded>>,
    input: mpsc::Sender<Input>,
    to_process: Option<mpsc::Sender<Vec<u8>>>,
    credit: mpsc::UnboundedSender<u32>,
) -> io::Result<()> {
    let (stdin, mut queue) = mpsc::unbounded_channel::<Option<Vec<u8>>>();
    let queued = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let taken = queued.clone();
    tokio::spawn(async move {
        // Dropping the process's end of the queue is the end of its stdin.
        let Some(to_process) = to_process else { return };
        while let Some(Some(bytes)) = queue.recv().await {
            let count = bytes.len();
            if to_process.send(bytes).await.is_err() {
                return;
            }
            taken.fetch_sub(count, std::sync::atomic::Ordering::Relaxed);
            if credit.send(u32::try_from(count).unwrap_or(u32::MAX)).is_err() {
                return;
            }
        }
    });
    while let Some(frame) = frame::read(&mut reader).await? {
        match frame.kind {
            Kind::Stdin => {
                let count = frame.payload.len();
                let now = queued.fetch_add(count, std::sync::atomic::Ordering::Relaxed) + count;
                if now > STDIN_WINDOW as usize + MAX_PAYLOAD {
                    return Err(io::Error::new(
                        io::ErrorKind::InvalidData,
                        "more stdin than the window allows",
                    ));
                }
                // The process may have ended; what is sent to it then has no reader.
                let _ = stdin.send(Some(frame.payload));
            }
            Kind::StdinEnd => {
                let _ = stdin.send(None);
            }
            Kind::Signal => {
                let number = frame.parse()?;
                // A session that has ended needs no signal.
                let _ = input.send(Input::Signal(number)).await;
            }
            _ => {
                return Err(io::Error::new(io::ErrorKind::InvalidData, "a frame that only the daemon sends"));
            }
        }
    }
    Ok(())
}

fn encode(frame: Frame) -> Option<RawFrame> {
    match frame {
        Frame::Channel { channel, label, stream, result } => {
            let document = ChannelDoc { channel, label, stream: stream.to_owned(), result };
            Some(RawFrame { channel, ..RawFrame::json(Kind::Channel, &document) })
        }
        Frame::Output { channel, data } => Some(RawFrame { kind: Kind::Output, channel, payload: data }),
        // A state of things too big for a frame is left out: the end will tell.
        Frame::Status(detail) => {
            Some(RawFrame::json(Kind::Status, &detail)).filter(|raw| raw.payload.len() <= MAX_PAYLOAD)
        }
        Frame::End(mut end) => {
            let raw = RawFrame::json(Kind::End, &end);
            if raw.payload.len() <= MAX_PAYLOAD {
                return Some(raw);
            }
            end.detail = None;
            Some(RawFrame::json(Kind::End, &end))
        }
    }
}
