//! What an attached session looks like: which bytes go to stdout, which lines to stderr, and the live picture.
//!
//! A pure machine: arrivals and moments in, chunks of bytes for the two streams out. On a terminal the picture is
//! the last thing on stderr, taken away before anything else is written and drawn again below it.

use std::collections::BTreeMap;

use shipote_runtime::view::WorkspaceDetail;

use crate::followed::Followed;
use crate::render::dag::{self, Rates};
use crate::render::paint::Paint;
use crate::render::progress::Progress;
use crate::render::summary;
use crate::wire::ChannelDoc;

/// A stream of this process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sink {
    /// Results.
    Stdout,
    /// Everything else.
    Stderr,
}

/// Bytes for a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chunk {
    /// Where they go.
    pub sink: Sink,
    /// The bytes.
    pub bytes: Vec<u8>,
}

/// What happens with the channels of a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Results {
    /// One command: its stdout and stderr pass through as they are.
    Through,
    /// One result: its bytes go to stdout as they are.
    Single,
    /// Several results: whole lines on stdout, each with its label.
    Several,
    /// The result of this node goes to stdout as it is, the others to stderr.
    Only(String),
    /// Stdout belongs to a document; everything goes to stderr.
    Nowhere,
}

/// How a session is to look.
#[derive(Debug, Clone)]
pub struct Look {
    /// What happens with the channels.
    pub results: Results,
    /// Whether stderr is a terminal that a picture is drawn on.
    pub live: bool,
    /// Whether stdout is a terminal, where results stand between the pictures.
    pub stdout_tty: bool,
    /// Whether progress and a summary are told at all.
    pub talk: bool,
    /// Whether it is told once what the host does not enforce as it was asked.
    pub warn: bool,
    /// What is shown of the workspace; all of it where nothing is said.
    pub followed: Option<Followed>,
    /// Whether labels lose the name of their pipeline, there being only one.
    pub short_labels: bool,
    /// Where the state is, for the summary.
    pub state_dir: String,
    /// Colours for stderr.
    pub paint: Paint,
    /// Lines of the terminal.
    pub height: usize,
}

/// Time between two pictures, in milliseconds.
const REDRAW_MS: u64 = 100;

/// Time after which an unchanged picture is drawn again, for its clocks.
const CLOCK_MS: u64 = 1_000;

/// A line longer than this is written in pieces.
const LINE_MAX: usize = 64 * 1024;

#[derive(Debug)]
struct Channel {
    label: String,
    route: Route,
    /// The beginning of a line that has not ended yet.
    line: Vec<u8>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Route {
    Raw(Sink),
    Lines(Sink),
}

/// The machine.
#[derive(Debug)]
pub struct Screen {
    look: Look,
    channels: BTreeMap<u16, Channel>,
    rates: Rates,
    progress: Progress,
    detail: Option<WorkspaceDetail>,
    changed: bool,
    drawn_lines: usize,
    drawn_ms: u64,
    /// Whether the last bytes on the terminal's stdout ended a line.
    at_line_start: bool,
    /// Whether what is not enforced as it was asked has been told.
    warned: bool,
}

impl Screen {
    /// Makes an empty screen.
    #[must_use]
    pub fn new(look: Look) -> Self {
        Self {
            look,
            channels: BTreeMap::new(),
            rates: Rates::default(),
            progress: Progress::default(),
            detail: None,
            changed: false,
            drawn_lines: 0,
            drawn_ms: 0,
            at_line_start: true,
            warned: false,
        }
    }

    /// Takes note of a channel.
    pub fn channel(&mut self, channel: ChannelDoc) {
        let route = match &self.look.results {
            Results::Through if channel.stream == "stderr" => Route::Raw(Sink::Stderr),
            Results::Through => Route::Raw(Sink::Stdout),
            // Only nodes have results: what commands write goes with the messages.
            _ if !channel.result || !channel.label.contains('/') => Route::Lines(Sink::Stderr),
            Results::Single => Route::Raw(Sink::Stdout),
            Results::Several => Route::Lines(Sink::Stdout),
            Results::Only(node) if is_called(&channel.label, node) => Route::Raw(Sink::Stdout),
            Results::Only(_) | Results::Nowhere => Route::Lines(Sink::Stderr),
        };
        let label = match channel.label.rsplit_once('/') {
            Some((_, node)) if self.look.short_labels => node.to_owned(),
            _ => channel.label,
        };
        self.channels.insert(channel.channel, Channel { label, route, line: Vec::new() });
    }

    /// Returns what the bytes of a channel put on the streams.
    pub fn output(&mut self, number: u16, data: Vec<u8>, now_ms: u64) -> Vec<Chunk> {
        let paint = self.look.paint;
        let Some(channel) = self.channels.get_mut(&number) else { return Vec::new() };
        let chunk = match channel.route {
            Route::Raw(sink) => Chunk { sink, bytes: data },
            Route::Lines(sink) => {
                let paint = if sink == Sink::Stderr { paint } else { Paint::PLAIN };
                let bytes = channel.whole_lines(&data, paint);
                if bytes.is_empty() {
                    return Vec::new();
                }
                Chunk { sink, bytes }
            }
        };
        self.above_picture(chunk, now_ms)
    }

    /// Returns what a new state of things puts on the streams.
    pub fn status(&mut self, mut detail: WorkspaceDetail, now_ms: u64) -> Vec<Chunk> {
        self.narrow(&mut detail);
        self.rates.look(&detail, now_ms);
        let mut chunks = self.warnings(&detail);
        chunks.extend(if self.look.live || !self.look.talk {
            self.changed = true;
            Vec::new()
        } else {
            let lines = self.progress.look(&detail, now_ms);
            lines.into_iter().map(|line| to_stderr(format!("{line}\n"))).collect()
        });
        self.detail = Some(detail);
        if self.look.live && self.drawn_lines == 0 {
            chunks.extend(self.draw(now_ms));
        }
        chunks
    }

    /// Returns, once, a line per limit that is enforced in another way than was asked.
    fn warnings(&mut self, detail: &WorkspaceDetail) -> Vec<Chunk> {
        if self.warned || !self.look.warn || detail.workspace.effective.is_empty() {
            return Vec::new();
        }
        self.warned = true;
        let mut chunks = self.clear();
        for layer in detail.workspace.effective.iter().filter(|layer| layer.enforced == "sampled") {
            let mark = self.look.paint.yellow("warning:");
            let (name, asked, reason) = (&layer.layer, &layer.requested, &layer.reason);
            chunks.push(to_stderr(format!("{mark} {name} {asked} is enforced by sampling: {reason}\n")));
        }
        chunks
    }

    /// Returns what time alone puts on the streams: the picture, about ten times a second while things change.
    pub fn tick(&mut self, now_ms: u64) -> Vec<Chunk> {
        if !self.look.live || self.detail.is_none() {
            return Vec::new();
        }
        let spacing = if self.changed { REDRAW_MS } else { CLOCK_MS };
        if now_ms.saturating_sub(self.drawn_ms) < spacing { Vec::new() } else { self.draw(now_ms) }
    }

    /// Returns what takes the picture away.
    pub fn clear(&mut self) -> Vec<Chunk> {
        let erase = self.erase();
        if erase.is_empty() { Vec::new() } else { vec![to_stderr(erase)] }
    }

    /// Returns what puts a line of this program on stderr.
    pub fn say(&mut self, text: &str) -> Vec<Chunk> {
        if !self.look.talk || text.is_empty() {
            return Vec::new();
        }
        let mut chunks = self.clear();
        chunks.push(to_stderr(format!("shipote: {text}\n")));
        chunks
    }

    /// Returns what the end puts on the streams: lines that never ended, and the summary.
    pub fn end(&mut self, detail: Option<&WorkspaceDetail>, _now_ms: u64) -> Vec<Chunk> {
        let mut chunks = self.clear();
        let paint = self.look.paint;
        for channel in self.channels.values_mut() {
            if let Route::Lines(sink) = channel.route
                && !channel.line.is_empty()
            {
                let paint = if sink == Sink::Stderr { paint } else { Paint::PLAIN };
                let bytes = channel.whole_lines(b"\n", paint);
                chunks.push(Chunk { sink, bytes });
            }
        }
        if self.look.stdout_tty && !self.at_line_start && self.look.talk {
            chunks.push(to_stderr("\n".to_owned()));
        }
        if self.look.talk
            && let Some(mut detail) = detail.cloned().or_else(|| self.detail.take())
        {
            self.narrow(&mut detail);
            chunks.push(to_stderr(summary::session(&detail, &self.look.state_dir, paint)));
        }
        self.detail = None;
        chunks
    }

    fn narrow(&self, detail: &mut WorkspaceDetail) {
        if let Some(followed) = &self.look.followed {
            followed.narrow(detail);
        }
    }

    /// Puts bytes where the picture is not.
    fn above_picture(&mut self, chunk: Chunk, now_ms: u64) -> Vec<Chunk> {
        let on_terminal = chunk.sink == Sink::Stderr || self.look.stdout_tty;
        if chunk.sink == Sink::Stdout {
            self.at_line_start = chunk.bytes.ends_with(b"\n");
        }
        if self.drawn_lines == 0 || !on_terminal {
            return vec![chunk];
        }
        let mut chunks = self.clear();
        chunks.push(chunk);
        // The next tick draws it again: not each of a thousand lines a second.
        self.changed = true;
        self.drawn_ms = now_ms;
        chunks
    }

    fn erase(&mut self) -> String {
        if self.drawn_lines == 0 {
            return String::new();
        }
        let lines = std::mem::take(&mut self.drawn_lines);
        format!("\x1b[{lines}F\x1b[J")
    }

    fn draw(&mut self, now_ms: u64) -> Vec<Chunk> {
        let Some(detail) = &self.detail else { return Vec::new() };
        let mut lines = dag::frame(detail, &self.rates, now_ms, self.look.paint);
        let room = self.look.height.saturating_sub(2).max(1);
        if lines.len() > room {
            let hidden = lines.len() - (room - 1);
            lines.truncate(room - 1);
            lines.push(self.look.paint.dim(&format!("… {hidden} more lines")));
        }
        // Drawn over the one before, which nothing takes away in between: that would flicker.
        let mut text = match std::mem::take(&mut self.drawn_lines) {
            0 => String::new(),
            before => format!("\x1b[{before}F"),
        };
        if self.look.stdout_tty && !self.at_line_start {
            text.push('\n');
            self.at_line_start = true;
        }
        // Long lines are cut by the terminal (DECAWM off) rather than wrapped, which would break the count.
        text.push_str("\x1b[?7l");
        for line in &lines {
            text.push_str(line);
            text.push_str("\x1b[K\n");
        }
        text.push_str("\x1b[J\x1b[?7h");
        self.drawn_lines = lines.len();
        self.drawn_ms = now_ms;
        self.changed = false;
        vec![to_stderr(text)]
    }
}

impl Channel {
    /// Returns the lines that `data` completes, each behind its label.
    fn whole_lines(&mut self, data: &[u8], paint: Paint) -> Vec<u8> {
        let mut out = Vec::new();
        let prefix = paint.cyan(&format!("{} |", self.label));
        for piece in data.split_inclusive(|byte| *byte == b'\n') {
            self.line.extend_from_slice(piece);
            let ended = self.line.ends_with(b"\n");
            if ended || self.line.len() > LINE_MAX {
                out.extend_from_slice(prefix.as_bytes());
                out.push(b' ');
                out.append(&mut self.line);
                if !ended {
                    out.push(b'\n');
                }
            }
        }
        out
    }
}

fn is_called(label: &str, node: &str) -> bool {
    label == node || label.rsplit_once('/').is_some_and(|(_, last)| last == node)
}

fn to_stderr(text: String) -> Chunk {
    Chunk { sink: Sink::Stderr, bytes: text.into_bytes() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::dag::tests::sample;

    fn look(results: Results) -> Look {
        Look {
            results,
            live: false,
            stdout_tty: false,
            talk: true,
            warn: true,
            followed: None,
            short_labels: true,
            state_dir: "/state".to_owned(),
            paint: Paint::PLAIN,
            height: 24,
        }
    }

    fn channel(number: u16, label: &str, stream: &str, result: bool) -> ChannelDoc {
        ChannelDoc { channel: number, label: label.to_owned(), stream: stream.to_owned(), result }
    }

    fn shown(chunks: &[Chunk]) -> String {
        let one = |chunk: &Chunk| {
            let sink = if chunk.sink == Sink::Stdout { "out" } else { "err" };
            format!("{sink}: {:?}", String::from_utf8_lossy(&chunk.bytes))
        };
        chunks.iter().map(one).collect::<Vec<_>>().join("\n")
    }

    fn play(results: Results) -> String {
        let mut screen = Screen::new(look(results));
        screen.channel(channel(1, "p/top", "stdout", true));
        screen.channel(channel(2, "p/sort", "stderr", false));
        screen.channel(channel(3, "p/tail", "stdout", true));
        let mut chunks = screen.output(1, b"a\nb".to_vec(), 0);
        chunks.extend(screen.output(2, b"warn".to_vec(), 0));
        chunks.extend(screen.output(3, b"\xff\n".to_vec(), 0));
        chunks.extend(screen.output(1, b"c\n".to_vec(), 0));
        chunks.extend(screen.end(None, 0));
        shown(&chunks)
    }

    #[test]
    fn one_result_is_byte_for_byte_and_messages_are_labelled_lines() {
        insta::assert_snapshot!(play(Results::Single), @r#"
        out: "a\nb"
        out: "�\n"
        out: "c\n"
        err: "sort | warn\n"
        "#);
    }

    #[test]
    fn several_results_are_whole_labelled_lines() {
        insta::assert_snapshot!(play(Results::Several), @r#"
        out: "top | a\n"
        out: "tail | �\n"
        out: "top | bc\n"
        err: "sort | warn\n"
        "#);
    }

    #[test]
    fn a_named_result_is_alone_on_stdout() {
        insta::assert_snapshot!(play(Results::Only("top".to_owned())), @r#"
        out: "a\nb"
        err: "tail | �\n"
        out: "c\n"
        err: "sort | warn\n"
        "#);
    }

    #[test]
    fn a_document_has_stdout_for_itself() {
        insta::assert_snapshot!(play(Results::Nowhere), @r#"
        err: "top | a\n"
        err: "tail | �\n"
        err: "top | bc\n"
        err: "sort | warn\n"
        "#);
    }

    #[test]
    fn a_single_command_passes_both_streams_through() {
        insta::assert_snapshot!(play(Results::Through), @r#"
        out: "a\nb"
        err: "warn"
        out: "�\n"
        out: "c\n"
        "#);
    }

    #[test]
    fn the_picture_is_taken_away_before_lines_and_drawn_below_them() {
        let mut screen =
            Screen::new(Look { live: true, stdout_tty: true, height: 5, ..look(Results::Single) });
        screen.channel(channel(1, "p/top", "stdout", true));
        let mut chunks = screen.status(sample(), 13_300);
        chunks.extend(screen.output(1, b"no newline".to_vec(), 13_310));
        chunks.extend(screen.tick(13_350));
        chunks.extend(screen.tick(13_450));
        chunks.extend(screen.clear());
        insta::assert_snapshot!(shown(&chunks).replace("\\u{1b}", "^"), @r#"
        err: "^[?7l● access-log/top-paths                               running  12.3s^[K\n  ✓ unzip                                            exit 0  cpu 1.2s  peak 3.3 MiB^[K\n… 5 more lines^[K\n^[J^[?7h"
        err: "^[3F^[J"
        out: "no newline"
        err: "\n^[?7l● access-log/top-paths                               running  12.4s^[K\n  ✓ unzip                                            exit 0  cpu 1.2s  peak 3.3 MiB^[K\n… 5 more lines^[K\n^[J^[?7h"
        err: "^[3F^[J"
        "#);
    }

    #[test]
    fn a_line_without_end_is_written_in_pieces() {
        let mut screen = Screen::new(look(Results::Several));
        screen.channel(channel(1, "p/top", "stdout", true));
        assert!(screen.output(1, vec![b'x'; LINE_MAX], 0).is_empty());
        assert_eq!(screen.output(1, b"y".to_vec(), 0)[0].bytes.len(), "top | ".len() + LINE_MAX + 2);
    }
}
