//! `events` and `tap`: what happens, and what flows.

use std::time::{Duration, Instant};

use http_body_util::BodyExt;
use hyper::body::Incoming;
use serde_json::{Value, json};

use super::{Context, Done};
use crate::cli::{Events, Format, Tap};
use crate::exit::{Code, Failure};
use crate::render::dag::exit_text;
use crate::render::quantity::{exact, moment, size};
use crate::wire::frame::{self, Kind};
use crate::wire::{FRAMES_TYPE, GapDoc, NDJSON_TYPE, segment};

/// Shows what happened, and with `-f` what happens.
pub async fn events(context: &Context, args: &Events) -> Done {
    let out = &context.out;
    if args.follow && out.format == Format::Json {
        return Err(
            Failure::usage("events -f has no end, and one JSON document has").hint("use --output ndjson")
        );
    }
    let path = format!("/v1/events?since={}&follow={}", args.since, args.follow);
    let mut body = context.client.stream(&path, NDJSON_TYPE).await?;
    let mut all: Vec<Value> = Vec::new();
    let mut pending = Vec::new();
    while let Some(bytes) = next_bytes(&mut body).await? {
        pending.extend_from_slice(&bytes);
        while let Some(end) = pending.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = pending.drain(..=end).collect();
            if line.iter().all(u8::is_ascii_whitespace) {
                continue;
            }
            let event: Value = serde_json::from_slice(&line).map_err(|error| {
                Failure::new(Code::Protocol, format!("an event is not understood: {error}"))
            })?;
            match out.format {
                Format::Table => out.text(&event_line(&event))?,
                Format::Ndjson => out.line(&event)?,
                Format::Json => all.push(event),
            }
        }
    }
    if out.format == Format::Json {
        out.document(&all)?;
    }
    Ok(0)
}

async fn next_bytes(body: &mut Incoming) -> Result<Option<hyper::body::Bytes>, Failure> {
    loop {
        match body.frame().await {
            None => return Ok(None),
            Some(Ok(frame)) => {
                if let Ok(bytes) = frame.into_data() {
                    return Ok(Some(bytes));
                }
            }
            Some(Err(_)) => {
                return Err(Failure::new(Code::NoDaemon, "the daemon went away")
                    .hint("shipote daemon status tells whether one answers now"));
            }
        }
    }
}

fn event_line(event: &Value) -> String {
    let text = |key: &str| event[key].as_str().unwrap_or_default();
    if event["kind"] == "lost" {
        return format!("… {} events were missed", event["data"]["missing"]);
    }
    let at = event["at_ms"].as_u64().map_or_else(String::new, moment);
    let line = format!(
        "{at}  {:>6}  {:<17}  {}  {}",
        event["seq"].as_u64().unwrap_or_default(),
        text("kind"),
        text("object"),
        facts(text("kind"), &event["data"])
    );
    line.trim_end().to_owned()
}

/// Returns what an event brings along, for people; what says nothing is left out.
fn facts(kind: &str, data: &Value) -> String {
    if kind == "edge.discerned" {
        let mut layers: Vec<&str> =
            data["container"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        layers.extend(data["mime"].as_str());
        let sure = data["confidence"].as_f64().unwrap_or_default();
        return format!("{} ({sure:.2})", layers.join(" › "));
    }
    let Value::Object(members) = data else { return fact("", data).unwrap_or_default() };
    // What has become of it comes first.
    let (first, rest): (Vec<_>, Vec<_>) = members.iter().partition(|(key, _)| *key == "phase");
    let told = first.into_iter().chain(rest).filter_map(|(key, value)| fact(key, value));
    told.collect::<Vec<_>>().join("  ")
}

/// Returns one fact; none where it is the absence of one.
fn fact(key: &str, value: &Value) -> Option<String> {
    let words = key.replace('_', " ");
    Some(match value {
        Value::Null | Value::Bool(false) => return None,
        Value::Bool(true) => words,
        Value::Number(number) if number.as_u64() == Some(0) && key == "restarts" => return None,
        Value::Object(_) if key == "exit" => exit_text(serde_json::from_value(value.clone()).ok()?),
        Value::String(text) if key.is_empty() || key == "phase" => text.clone(),
        Value::String(text) => format!("{words} {text}"),
        Value::Array(items) => {
            let items: Vec<String> = items.iter().filter_map(|item| fact("", item)).collect();
            format!("{words} {}", items.join(", "))
        }
        Value::Object(members) => {
            let members: Vec<String> = members.iter().filter_map(|(key, value)| fact(key, value)).collect();
            format!("{words} {}", members.join(" "))
        }
        other => format!("{words} {other}").trim_start().to_owned(),
    })
}

/// How a tapped edge is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shown {
    Raw,
    Ndjson,
    Meter,
    /// For a terminal: text as it is, everything else escaped.
    Visible,
}

/// Watches the bytes of one edge.
pub async fn tap(context: &Context, args: &Tap) -> Done {
    let out = &context.out;
    let shown = if args.meter {
        Shown::Meter
    } else if args.ndjson || out.format == Format::Ndjson {
        Shown::Ndjson
    } else if args.raw || !out.stdout_tty {
        Shown::Raw
    } else {
        Shown::Visible
    };
    if out.format == Format::Json {
        return Err(Failure::usage("tap has no end that is known, and one JSON document has")
            .hint("use --output ndjson"));
    }
    let path = format!("/v1/pipelines/{}/edges/{}/tap", segment(&args.pipeline), segment(&args.edge));
    let mut body = context.client.stream(&path, FRAMES_TYPE).await?;
    let mut pending = Vec::new();
    let mut offset = 0;
    let mut meter = Meter::new();
    let mut unseen = Unseen::default();
    loop {
        let next = if shown == Shown::Meter {
            // An edge on which nothing flows is told of too.
            match tokio::time::timeout(meter.due_in(), next_bytes(&mut body)).await {
                Ok(next) => next?,
                Err(_) => {
                    out.text(&meter.line())?;
                    continue;
                }
            }
        } else {
            next_bytes(&mut body).await?
        };
        let Some(bytes) = next else { break };
        pending.extend_from_slice(&bytes);
        while let Some(frame) = frame::decode(&mut pending).map_err(|error| misunderstood(&error))? {
            match frame.kind {
                Kind::Output => {
                    match shown {
                        Shown::Raw => out.bytes(&frame.payload)?,
                        Shown::Ndjson => out.line(&piece(offset, &frame.payload))?,
                        Shown::Visible => out.bytes(visible(&frame.payload).as_bytes())?,
                        Shown::Meter => {
                            meter.bytes += frame.payload.len() as u64;
                            if meter.due_in().is_zero() {
                                out.text(&meter.line())?;
                            }
                        }
                    }
                    offset += frame.payload.len() as u64;
                }
                Kind::Status => {
                    let gap: GapDoc = frame.parse().map_err(|error| misunderstood(&error))?;
                    offset = gap.offset + gap.missing;
                    if gap.missing > 0 {
                        meter.missing += gap.missing;
                        match shown {
                            Shown::Ndjson => out.line(
                                &json!({ "type": "gap", "offset": gap.offset, "missing": gap.missing }),
                            )?,
                            _ => out.warn_of(unseen.add(gap.missing)),
                        }
                    }
                }
                Kind::End => {
                    out.warn_of(unseen.rest());
                    match shown {
                        Shown::Ndjson => out.line(&json!({ "type": "end", "offset": offset }))?,
                        Shown::Meter => out.text(&meter.total())?,
                        Shown::Raw | Shown::Visible => {}
                    }
                    return Ok(0);
                }
                _ => return Err(misunderstood(&"a frame that is not of a tap")),
            }
        }
    }
    Ok(0)
}

/// Bytes that a slow reader was not shown, told now and then rather than gap by gap.
#[derive(Debug, Default)]
struct Unseen {
    untold: u64,
    told: Option<Instant>,
}

impl Unseen {
    /// Time between two warnings.
    const EVERY: Duration = Duration::from_secs(1);

    /// Counts a gap; returns what to say, if it is time to.
    fn add(&mut self, missing: u64) -> Option<String> {
        self.untold += missing;
        if self.told.is_some_and(|told| told.elapsed() < Self::EVERY) { None } else { self.rest() }
    }

    /// Returns what is still to be said.
    fn rest(&mut self) -> Option<String> {
        let untold = std::mem::take(&mut self.untold);
        self.told = Some(Instant::now());
        (untold > 0).then(|| format!("{} bytes were not seen: this reader is too slow", exact(untold)))
    }
}

fn misunderstood(error: &dyn std::fmt::Display) -> Failure {
    Failure::new(Code::Protocol, format!("the tap is not understood: {error}"))
}

/// One piece as a document: as text where it is text, else in base 64.
fn piece(offset: u64, bytes: &[u8]) -> Value {
    match std::str::from_utf8(bytes) {
        Ok(text) => json!({ "type": "data", "offset": offset, "len": bytes.len(), "text": text }),
        Err(_) => json!({ "type": "data", "offset": offset, "len": bytes.len(), "base64": base64(bytes) }),
    }
}

/// Base 64 with padding (RFC 4648).
fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let bits =
            group.iter().fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - group.len()));
        for at in 0..4 {
            let six = bits >> (18 - 6 * at) & 63;
            out.push(if at <= group.len() { char::from(ALPHABET[six as usize]) } else { '=' });
        }
    }
    out
}

/// Returns bytes as a terminal can show them without being changed by them.
fn visible(bytes: &[u8]) -> String {
    let mut out = String::new();
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            if c == '\n' || c == '\t' || !c.is_control() {
                out.push(c);
            } else {
                out.extend(c.escape_default());
            }
        }
        for byte in chunk.invalid() {
            out.push_str(&format!("\\x{byte:02x}"));
        }
    }
    out
}

/// Counts what flows, and speaks once a second.
struct Meter {
    bytes: u64,
    missing: u64,
    began: Instant,
    last: Instant,
    last_bytes: u64,
}

impl Meter {
    /// Time between two lines.
    const EVERY: Duration = Duration::from_secs(1);

    fn new() -> Self {
        Self { bytes: 0, missing: 0, began: Instant::now(), last: Instant::now(), last_bytes: 0 }
    }

    /// Returns how long it is until the next line.
    fn due_in(&self) -> Duration {
        Self::EVERY.saturating_sub(self.last.elapsed())
    }

    /// Returns the line of the time since the last one.
    fn line(&mut self) -> String {
        let passed = u64::try_from(self.last.elapsed().as_millis()).unwrap_or(u64::MAX).max(1);
        let rate = (self.bytes - self.last_bytes) * 1000 / passed;
        self.last = Instant::now();
        self.last_bytes = self.bytes;
        format!("{} B  {}/s", exact(self.bytes + self.missing), size(rate))
    }

    fn total(&self) -> String {
        let missed =
            if self.missing > 0 { format!("  ({} B not seen)", exact(self.missing)) } else { String::new() };
        let ms = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        format!("{} B in {}{missed}", exact(self.bytes + self.missing), crate::render::quantity::span(ms))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_the_one_of_the_rfc() {
        for (bytes, text) in
            [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy")]
        {
            assert_eq!(base64(bytes.as_bytes()), text);
        }
        assert_eq!(base64(&[0xff, 0xfe, 0xfd]), "//79");
    }

    #[test]
    fn a_terminal_is_not_changed_by_what_it_shows() {
        assert_eq!(visible(b"a\tb\n\x1b[2J\xff\xc3\xa9"), "a\tb\n\\u{1b}[2J\\xffé");
    }

    #[test]
    fn an_event_is_a_line() {
        let told = |kind: &str, data: Value| {
            let at_ms = 1_760_000_000_000_u64;
            event_line(
                &json!({ "seq": 7, "at_ms": at_ms, "kind": kind, "object": "web/server", "data": data }),
            )
        };
        let running = json!({ "phase": "running", "restarts": 0, "exit": null });
        insta::assert_snapshot!(told("command.phase", running), @"2025-10-09T08:53:20.000Z       7  command.phase      web/server  running");
        let waiting = json!({ "phase": "backoff", "restarts": 2, "exit": { "code": 3, "signal": null } });
        insta::assert_snapshot!(told("command.phase", waiting), @"2025-10-09T08:53:20.000Z       7  command.phase      web/server  backoff  exit 3  restarts 2");
        let killed = json!({ "phase": "failed", "restarts": 0, "exit": { "code": null, "signal": 9 } });
        insta::assert_snapshot!(told("command.phase", killed), @"2025-10-09T08:53:20.000Z       7  command.phase      web/server  failed  SIGKILL");
        let found = json!({ "mime": "text/csv", "confidence": 0.85, "container": ["application/gzip"], "reasons": [] });
        insta::assert_snapshot!(told("edge.discerned", found), @"2025-10-09T08:53:20.000Z       7  edge.discerned     web/server  application/gzip › text/csv (0.85)");
        insta::assert_snapshot!(told("workspace.ended", json!({ "unexpected": true })), @"2025-10-09T08:53:20.000Z       7  workspace.ended    web/server  unexpected");
        insta::assert_snapshot!(told("workspace.created", Value::Null), @"2025-10-09T08:53:20.000Z       7  workspace.created  web/server");
        insta::assert_snapshot!(told("later", json!({ "some_thing": ["a", 2], "in": { "x": 1 } })), @"2025-10-09T08:53:20.000Z       7  later              web/server  in x 1  some thing a, 2");
    }
}
