//! Answers that go on: events as JSON lines or server-sent events, and the bytes of a tapped edge.

use std::convert::Infallible;
use std::time::Duration;

use axum::body::Body;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use http_body_util::channel::{Channel, Sender};
use hyper::body::Bytes;
use serde::Deserialize;
use shipote_runtime::drive::verbs::{Events, TapPiece};
use shipote_runtime::view::Event;
use tokio::sync::broadcast::error::RecvError;

use super::App;
use super::handlers::query;
use crate::exit::Failure;
use crate::wire::frame::{Kind, RawFrame};
use crate::wire::{FRAMES_TYPE, GapDoc, NDJSON_TYPE};

/// Time after which an idle stream says that it is still there.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// Pieces that may wait for a slow client.
const PIECES: usize = 64;

type Pieces = Sender<Bytes, Infallible>;

/// What `GET /v1/events` is asked for.
#[derive(Debug, Deserialize)]
pub struct EventsQuery {
    /// Only events after this sequence number.
    #[serde(default)]
    since: u64,
    /// Whether the stream goes on.
    #[serde(default)]
    follow: bool,
}

/// `GET /v1/events`.
pub(super) async fn events(
    State(app): State<App>,
    headers: HeaderMap,
    asked: Result<Query<EventsQuery>, QueryRejection>,
) -> Result<Response, Failure> {
    let EventsQuery { mut since, mut follow } = query(asked)?;
    let accepts = |kind: &str| {
        headers
            .get(header::ACCEPT)
            .and_then(|value| value.to_str().ok())
            .is_some_and(|value| value.contains(kind))
    };
    let sse = accepts("text/event-stream");
    if sse {
        // A browser that connects again says what it saw last.
        let last = headers.get("last-event-id").and_then(|value| value.to_str().ok()?.parse().ok());
        since = last.unwrap_or(since);
        follow = true;
    }
    let Events { missing, past, stream: mut receiver } = app.manager.events(since).await?;
    let (mut pieces, body) = Channel::<Bytes, Infallible>::new(PIECES);
    tokio::spawn(async move {
        let mut last = since;
        if missing > 0 && pieces.send_data(lost(missing, sse)).await.is_err() {
            return;
        }
        for event in past {
            last = event.seq;
            if pieces.send_data(one_event(&event, sse)).await.is_err() {
                return;
            }
        }
        if !follow {
            return;
        }
        loop {
            let piece = match tokio::time::timeout(HEARTBEAT, receiver.recv()).await {
                Ok(Ok(event)) if event.seq <= last => continue,
                Ok(Ok(event)) => {
                    last = event.seq;
                    one_event(&event, sse)
                }
                Ok(Err(RecvError::Lagged(missing))) => lost(missing, sse),
                Ok(Err(RecvError::Closed)) => return,
                Err(_) => Bytes::from_static(if sse { b":\n\n" } else { b"\n" }),
            };
            if pieces.send_data(piece).await.is_err() {
                return;
            }
        }
    });
    let kind = if sse { "text/event-stream" } else { NDJSON_TYPE };
    Ok(([(header::CONTENT_TYPE, kind)], Body::new(body)).into_response())
}

fn one_event(event: &Event, sse: bool) -> Bytes {
    let text = serde_json::to_string(event).unwrap_or_default();
    if sse {
        Bytes::from(format!("id: {}\nevent: {}\ndata: {text}\n\n", event.seq, event.kind))
    } else {
        Bytes::from(format!("{text}\n"))
    }
}

/// A client that was too slow, or comes too late, is told how much it missed.
fn lost(missing: u64, sse: bool) -> Bytes {
    let text = serde_json::json!({ "kind": "lost", "data": { "missing": missing } });
    Bytes::from(if sse { format!("event: lost\ndata: {text}\n\n") } else { format!("{text}\n") })
}

/// `GET /v1/pipelines/{name}/edges/{edge}/tap`: frames where they are accepted, else the bytes alone.
pub(super) async fn tap(
    State(app): State<App>,
    Path((name, edge)): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    let framed = headers
        .get(header::ACCEPT)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|value| value.contains(FRAMES_TYPE));
    let mut stream = app.manager.tap(&name, &edge).await?;
    let (mut pieces, body) = Channel::<Bytes, Infallible>::new(PIECES);
    tokio::spawn(async move {
        while let Some(piece) = stream.next().await {
            let sent = if framed {
                send_framed(&mut pieces, piece).await
            } else {
                send_raw(&mut pieces, piece).await
            };
            if sent.is_err() {
                return;
            }
        }
        if framed {
            // A client that is gone needs no end.
            let end = RawFrame::new(Kind::End, b"{}".to_vec());
            let _ = pieces.send_data(Bytes::from(end.encode())).await;
        }
    });
    let kind = if framed { FRAMES_TYPE } else { "application/octet-stream" };
    Ok(([(header::CONTENT_TYPE, kind)], Body::new(body)).into_response())
}

async fn send_raw(pieces: &mut Pieces, piece: TapPiece) -> Result<(), http_body_util::channel::SendError> {
    match piece {
        TapPiece::Data { bytes, .. } => pieces.send_data(Bytes::from(bytes)).await,
        TapPiece::Gap { .. } => Ok(()),
    }
}

async fn send_framed(pieces: &mut Pieces, piece: TapPiece) -> Result<(), http_body_util::channel::SendError> {
    match piece {
        TapPiece::Data { offset, bytes } => {
            let at = RawFrame::json(Kind::Status, &GapDoc { offset, missing: 0 });
            pieces.send_data(Bytes::from(at.encode())).await?;
            for piece in bytes.chunks(crate::wire::frame::MAX_PAYLOAD) {
                let frame = RawFrame::new(Kind::Output, piece.to_vec());
                pieces.send_data(Bytes::from(frame.encode())).await?;
            }
            Ok(())
        }
        TapPiece::Gap { offset, missing } => {
            let frame = RawFrame::json(Kind::Status, &GapDoc { offset, missing });
            pieces.send_data(Bytes::from(frame.encode())).await
        }
    }
}
