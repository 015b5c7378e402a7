//! The frames of `shipote-stdio/1`: `kind: u8, flags: u8, channel: u16 LE, len: u32 LE`, then `len` bytes.
//!
//! Both ends bound what they receive, and a kind that is not known ends the connection rather than being guessed.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// Longest payload.
pub const MAX_PAYLOAD: usize = 1 << 20;

/// Bytes of stdin that may be on their way without having been taken: what a client sends beyond waits for a
/// [`Kind::Window`] frame. So a signal never stands behind input that nobody reads.
pub const STDIN_WINDOW: u32 = 256 * 1024;

const HEADER: usize = 8;

/// What a frame is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// Client to daemon: bytes for stdin.
    Stdin = 0,
    /// Daemon to client: bytes of a channel.
    Output = 1,
    /// Daemon to client: a channel is announced (JSON).
    Channel = 2,
    /// Daemon to client: how things stand (JSON).
    Status = 3,
    /// Daemon to client: the end (JSON); nothing follows.
    End = 4,
    /// Client to daemon: a signal (JSON number).
    Signal = 5,
    /// Client to daemon: stdin has ended.
    StdinEnd = 6,
    /// Daemon to client: a problem (JSON); nothing follows.
    Error = 7,
    /// Daemon to client: this many more bytes of stdin may be sent (JSON number).
    Window = 8,
    /// Daemon to client, first of all: what a plain request would have been answered (JSON).
    Opened = 9,
}

impl Kind {
    fn from_byte(byte: u8) -> Option<Self> {
        Some(match byte {
            0 => Self::Stdin,
            1 => Self::Output,
            2 => Self::Channel,
            3 => Self::Status,
            4 => Self::End,
            5 => Self::Signal,
            6 => Self::StdinEnd,
            7 => Self::Error,
            8 => Self::Window,
            9 => Self::Opened,
            _ => return None,
        })
    }
}

/// One frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawFrame {
    /// What it is.
    pub kind: Kind,
    /// The channel, for output.
    pub channel: u16,
    /// The bytes.
    pub payload: Vec<u8>,
}

impl RawFrame {
    /// Makes a frame without a channel.
    #[must_use]
    pub const fn new(kind: Kind, payload: Vec<u8>) -> Self {
        Self { kind, channel: 0, payload }
    }

    /// Makes a frame that carries a JSON document.
    ///
    /// # Panics
    ///
    /// Never: the values of this protocol are structs and numbers, which always have a JSON form.
    #[must_use]
    pub fn json<T: serde::Serialize>(kind: Kind, value: &T) -> Self {
        Self::new(kind, serde_json::to_vec(value).unwrap_or_default())
    }

    /// Reads the JSON document that it carries.
    ///
    /// # Errors
    ///
    /// Fails where the payload is not that document.
    pub fn parse<T: serde::de::DeserializeOwned>(&self) -> io::Result<T> {
        serde_json::from_slice(&self.payload)
            .map_err(|error| bad(format!("a {:?} frame: {error}", self.kind)))
    }

    /// Returns its bytes on the wire.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(HEADER + self.payload.len());
        bytes.extend_from_slice(&header(self.kind, self.channel, self.payload.len()));
        bytes.extend_from_slice(&self.payload);
        bytes
    }
}

fn header(kind: Kind, channel: u16, len: usize) -> [u8; HEADER] {
    let [c0, c1] = channel.to_le_bytes();
    // Callers split at MAX_PAYLOAD, which fits.
    let [l0, l1, l2, l3] = u32::try_from(len).unwrap_or(u32::MAX).to_le_bytes();
    [kind as u8, 0, c0, c1, l0, l1, l2, l3]
}

fn bad(message: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, message)
}

/// Writes one frame; a payload of output or stdin beyond [`MAX_PAYLOAD`] becomes several frames.
///
/// # Errors
///
/// Fails where the connection does, or where a document is longer than a frame.
pub async fn write<W: AsyncWrite + Unpin>(writer: &mut W, frame: &RawFrame) -> io::Result<()> {
    if frame.payload.len() > MAX_PAYLOAD {
        if !matches!(frame.kind, Kind::Output | Kind::Stdin) {
            return Err(bad(format!(
                "a {:?} frame of {} bytes is too long",
                frame.kind,
                frame.payload.len()
            )));
        }
        for piece in frame.payload.chunks(MAX_PAYLOAD) {
            writer.write_all(&header(frame.kind, frame.channel, piece.len())).await?;
            writer.write_all(piece).await?;
        }
    } else {
        writer.write_all(&header(frame.kind, frame.channel, frame.payload.len())).await?;
        writer.write_all(&frame.payload).await?;
    }
    writer.flush().await
}

/// Reads one frame; none at the end of the stream between two frames.
///
/// # Errors
///
/// Fails where the connection does, where it ends within a frame, and on a header that is not of this protocol.
pub async fn read<R: AsyncRead + Unpin>(reader: &mut R) -> io::Result<Option<RawFrame>> {
    let mut head = [0; HEADER];
    if reader.read(&mut head[..1]).await? == 0 {
        return Ok(None);
    }
    reader.read_exact(&mut head[1..]).await?;
    let (kind, channel, len) = parse_header(head)?;
    let mut payload = vec![0; len];
    reader.read_exact(&mut payload).await?;
    Ok(Some(RawFrame { kind, channel, payload }))
}

/// Takes one frame from the beginning of `bytes`; none where it is not whole yet.
///
/// # Errors
///
/// Fails on a header that is not of this protocol.
pub fn decode(bytes: &mut Vec<u8>) -> io::Result<Option<RawFrame>> {
    let Some(head) = bytes.first_chunk::<HEADER>() else { return Ok(None) };
    let (kind, channel, len) = parse_header(*head)?;
    if bytes.len() < HEADER + len {
        return Ok(None);
    }
    let payload = bytes[HEADER..HEADER + len].to_vec();
    bytes.drain(..HEADER + len);
    Ok(Some(RawFrame { kind, channel, payload }))
}

fn parse_header([kind, flags, c0, c1, l0, l1, l2, l3]: [u8; HEADER]) -> io::Result<(Kind, u16, usize)> {
    let kind = Kind::from_byte(kind).ok_or_else(|| bad(format!("a frame of the unknown kind {kind}")))?;
    if flags != 0 {
        return Err(bad(format!("a frame with the unknown flags {flags:#x}")));
    }
    let len = u32::from_le_bytes([l0, l1, l2, l3]) as usize;
    if len > MAX_PAYLOAD {
        return Err(bad(format!("a frame of {len} bytes, and {MAX_PAYLOAD} is the most")));
    }
    Ok((kind, u16::from_le_bytes([c0, c1]), len))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block<T>(future: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
    }

    #[test]
    fn a_frame_is_eight_bytes_and_its_payload() {
        let frame = RawFrame { kind: Kind::Output, channel: 0x0102, payload: b"hi".to_vec() };
        assert_eq!(frame.encode(), [1, 0, 2, 1, 2, 0, 0, 0, b'h', b'i']);
        assert_eq!(block(read(&mut frame.encode().as_slice())).unwrap(), Some(frame));
    }

    #[test]
    fn the_end_between_frames_is_an_end_and_within_one_an_error() {
        let bytes = RawFrame::json(Kind::Signal, &15).encode();
        assert_eq!(block(read(&mut [].as_slice())).unwrap(), None);
        for cut in 1..bytes.len() {
            assert_eq!(
                block(read(&mut &bytes[..cut])).unwrap_err().kind(),
                io::ErrorKind::UnexpectedEof,
                "cut at {cut}"
            );
        }
    }

    #[test]
    fn a_strange_header_is_refused_before_anything_is_allocated() {
        for (head, expect) in [
            ([200, 0, 0, 0, 0, 0, 0, 0], "a frame of the unknown kind 200"),
            ([0, 1, 0, 0, 0, 0, 0, 0], "a frame with the unknown flags 0x1"),
            ([0, 0, 0, 0, 255, 255, 255, 255], "a frame of 4294967295 bytes, and 1048576 is the most"),
        ] {
            assert_eq!(block(read(&mut head.as_slice())).unwrap_err().to_string(), expect);
        }
    }

    #[test]
    fn a_long_output_becomes_several_frames_and_a_long_document_an_error() {
        let frame = RawFrame { kind: Kind::Output, channel: 7, payload: vec![b'x'; MAX_PAYLOAD + 3] };
        let mut wire = Vec::new();
        block(write(&mut wire, &frame)).unwrap();
        let mut rest = wire.as_slice();
        let first = block(read(&mut rest)).unwrap().unwrap();
        let second = block(read(&mut rest)).unwrap().unwrap();
        assert_eq!((first.payload.len(), second.payload.len(), second.channel), (MAX_PAYLOAD, 3, 7));
        assert!(rest.is_empty());
        let document = RawFrame::new(Kind::Status, vec![b' '; MAX_PAYLOAD + 1]);
        assert!(block(write(&mut Vec::new(), &document)).is_err());
    }
}
