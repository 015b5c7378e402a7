//! A workspace at work, as lines: each pipeline with its nodes and edges in the order of the flow, then commands.
//!
//! The same lines are the live picture on a terminal and what `pipeline show` prints. Nothing here knows a
//! terminal: who draws a frame decides where.

use std::collections::BTreeMap;

use shipote_card::Endpoint;
use shipote_runtime::view::{
    CommandView, EdgeView, Exit, NodeVerdict, NodeView, PipelineVerdict, PipelineView, UnitPhase,
    WorkspaceDetail,
};

use super::paint::Paint;
use super::quantity::{cpu, exact, size, span};
use super::table::Table;
use crate::exit::launch_text;

/// How fast each edge moves: bytes per second between the last two looks that were far enough apart.
#[derive(Debug, Default)]
pub struct Rates {
    seen: BTreeMap<String, Seen>,
}

#[derive(Debug, Clone, Copy)]
struct Seen {
    bytes: u64,
    at_ms: u64,
    per_second: Option<u64>,
}

/// Looks closer together than this say more about the clock than about the edge.
const RATE_SPACING_MS: u64 = 400;

impl Rates {
    /// Takes note of the counts of a moment.
    pub fn look(&mut self, detail: &WorkspaceDetail, now_ms: u64) {
        for edge in detail.pipelines.iter().flat_map(|pipeline| &pipeline.edges) {
            let Some(bytes) = edge.bytes.or(edge.bytes_estimate) else { continue };
            let seen = self.seen.entry(edge.id.to_string()).or_insert(Seen {
                bytes,
                at_ms: now_ms,
                per_second: None,
            });
            let passed = now_ms.saturating_sub(seen.at_ms);
            if bytes < seen.bytes {
                // A new run counts from zero.
                *seen = Seen { bytes, at_ms: now_ms, per_second: None };
            } else if passed >= RATE_SPACING_MS {
                let per_second = (bytes - seen.bytes).saturating_mul(1000) / passed;
                *seen = Seen { bytes, at_ms: now_ms, per_second: Some(per_second) };
            }
        }
    }

    /// Returns the rate of an edge.
    #[must_use]
    pub fn of(&self, edge: &EdgeView) -> Option<u64> {
        self.seen.get(&edge.id.to_string()).and_then(|seen| seen.per_second)
    }
}

/// Returns the lines of a whole workspace.
#[must_use]
pub fn frame(detail: &WorkspaceDetail, rates: &Rates, now_ms: u64, paint: Paint) -> Vec<String> {
    let mut table = Table::new(&["", ">", ">", ""]);
    for pipeline in &detail.pipelines {
        pipeline_rows(&mut table, pipeline, rates, now_ms, paint);
    }
    for command in &detail.commands {
        command_row(&mut table, command, now_ms, paint);
    }
    table.render(paint).lines().map(str::to_owned).collect()
}

/// Returns the lines of one pipeline.
#[must_use]
pub fn pipeline(view: &PipelineView, rates: &Rates, now_ms: u64, paint: Paint) -> Vec<String> {
    let mut table = Table::new(&["", ">", ">", ""]);
    pipeline_rows(&mut table, view, rates, now_ms, paint);
    table.render(paint).lines().map(str::to_owned).collect()
}

fn pipeline_rows(table: &mut Table, view: &PipelineView, rates: &Rates, now_ms: u64, paint: Paint) {
    let (mark, state) = pipeline_state(view, paint);
    let mut notes = vec![state];
    if let Some(elapsed) = elapsed(view.started_at_ms, view.ended_at_ms, now_ms) {
        notes.push(elapsed);
    }
    if view.restarts > 0 {
        notes.push(format!("restart {}", view.restarts));
    }
    if let Some(cause) = &view.cause {
        notes.push(format!("because of {cause}"));
    }
    table.row([
        format!("{mark} {}", paint.bold(&format!("{}/{}", view.workspace, view.label))),
        String::new(),
        String::new(),
        notes.join("  "),
    ]);
    for at in flow_order(view) {
        let node = &view.nodes[at];
        let (mark, state) = node_state(node, paint);
        let mut notes = vec![state];
        if let Some(usec) = node.cpu_usec {
            notes.push(format!("cpu {}", cpu(Some(usec))));
        }
        if let Some(peak) = node.rss_peak_bytes {
            notes.push(format!("peak {}", size(peak)));
        }
        table.row([format!("  {mark} {}", node.label), String::new(), String::new(), notes.join("  ")]);
        for edge in view.edges.iter().filter(|edge| end_of(&edge.from, "stdout").node == node.label) {
            edge_row(table, edge, rates, paint);
        }
    }
}

fn edge_row(table: &mut Table, edge: &EdgeView, rates: &Rates, paint: Paint) {
    let from = end_of(&edge.from, "stdout");
    let port = if from.port == "stdout" { String::new() } else { format!("{} ", from.port) };
    let rate = rates.of(edge).map_or_else(String::new, |rate| format!("{}/s", size(rate)));
    table.row([
        paint.dim(&format!("    └ {port}→ {}", end_of(&edge.to, "stdin"))),
        // As wide as amounts usually get, so that the picture does not jump while they grow.
        format!("{:>14}", edge_bytes(edge)),
        format!("{rate:>11}"),
        short_edge_type(edge, paint),
    ]);
}

/// Returns what went through an edge: exact, estimated with `≈`, or a dash.
#[must_use]
pub fn edge_bytes(edge: &EdgeView) -> String {
    match (edge.bytes, edge.bytes_estimate) {
        (Some(bytes), _) => format!("{} B", exact(bytes)),
        (None, Some(bytes)) => format!("≈ {} B", exact(bytes)),
        (None, None) => super::quantity::NONE.to_owned(),
    }
}

/// Returns what an edge was found to carry, or was declared to; `≠` where these differ.
#[must_use]
pub fn edge_type(edge: &EdgeView, paint: Paint) -> String {
    layered(edge, paint, str::to_owned)
}

/// Returns the same for the picture, which has less room: what is only around the content is told in one word.
fn short_edge_type(edge: &EdgeView, paint: Paint) -> String {
    layered(edge, paint, |layer| {
        let word = layer.strip_prefix("application/").unwrap_or(layer);
        word.strip_prefix("x-").unwrap_or(word).to_owned()
    })
}

fn layered(edge: &EdgeView, paint: Paint, container: impl Fn(&str) -> String) -> String {
    let found = edge.discern.as_ref().map(|found| {
        let mut layers: Vec<String> = found.container.iter().map(|layer| container(layer)).collect();
        layers.push(found.mime.clone());
        layers.join(" › ")
    });
    match (found, &edge.declared) {
        (Some(found), Some(declared)) if edge.mismatch => {
            paint.yellow(&format!("{found} ≠ declared {declared}"))
        }
        (Some(found), _) => found,
        (None, Some(declared)) => paint.dim(&format!("{declared} (declared)")),
        (None, None) => String::new(),
    }
}

fn command_row(table: &mut Table, view: &CommandView, now_ms: u64, paint: Paint) {
    // Nodes stand with their pipeline, and what was executed once and has ended is past.
    if view.kind == "node" || view.kind == "exec" && view.phase.is_settled() {
        return;
    }
    let (mark, state) = command_state(view, paint);
    let mut notes = vec![state];
    if view.phase == UnitPhase::Running {
        notes.extend(elapsed(view.started_at_ms, None, now_ms));
    }
    if view.restarts > 0 {
        notes.push(format!("restarts {}", view.restarts));
    }
    if let Some(rss) = view.rss_bytes {
        notes.push(size(rss));
    }
    table.row([
        format!("{mark} {}", paint.bold(&format!("{}/{}", view.workspace, view.label))),
        String::new(),
        String::new(),
        notes.join("  "),
    ]);
}

fn elapsed(start_ms: Option<u64>, end_ms: Option<u64>, now_ms: u64) -> Option<String> {
    let end = end_ms.filter(|end| start_ms.is_some_and(|start| *end >= start)).unwrap_or(now_ms);
    start_ms.map(|start| span(end.saturating_sub(start)))
}

/// Returns an end of an edge, with the port that is usual there.
fn end_of(text: &str, usual_port: &str) -> Endpoint {
    let (node, port) = text.split_once(':').unwrap_or((text, usual_port));
    Endpoint { node: node.to_owned(), port: port.to_owned() }
}

/// Returns the nodes in an order where data flows downwards, and otherwise as the card has them.
fn flow_order(view: &PipelineView) -> Vec<usize> {
    let index = |label: &str| view.nodes.iter().position(|node| node.label == label);
    let mut incoming = vec![0_usize; view.nodes.len()];
    let mut targets = vec![Vec::new(); view.nodes.len()];
    for edge in &view.edges {
        let ends = (index(&end_of(&edge.from, "stdout").node), index(&end_of(&edge.to, "stdin").node));
        if let (Some(from), Some(to)) = ends {
            targets[from].push(to);
            incoming[to] += 1;
        }
    }
    let mut order = Vec::with_capacity(view.nodes.len());
    let mut waiting: Vec<usize> = (0..view.nodes.len()).rev().filter(|at| incoming[*at] == 0).collect();
    while let Some(at) = waiting.pop() {
        order.push(at);
        for to in targets[at].iter().rev() {
            incoming[*to] -= 1;
            if incoming[*to] == 0 {
                waiting.push(*to);
            }
        }
    }
    // A declared pipeline has no cycle; should one arrive, its nodes are still shown.
    let left: Vec<usize> = (0..view.nodes.len()).filter(|at| !order.contains(at)).collect();
    order.extend(left);
    order
}

/// Returns how an end reads: `exit 3`, `SIGKILL`, or nothing for 0.
#[must_use]
pub fn exit_text(exit: Exit) -> String {
    match (exit.code, exit.signal) {
        (Some(code), _) => format!("exit {code}"),
        (None, Some(signal)) => signal_name(signal),
        (None, None) => "ended".to_owned(),
    }
}

/// Returns the name of a signal by its number.
#[must_use]
pub fn signal_name(signal: i32) -> String {
    nix::sys::signal::Signal::try_from(signal)
        .map_or_else(|_| format!("signal {signal}"), |name| name.to_string())
}

/// Returns a phase in one word.
#[must_use]
pub const fn phase_text(phase: UnitPhase) -> &'static str {
    match phase {
        UnitPhase::Declared => "declared",
        UnitPhase::Starting => "starting",
        UnitPhase::Running => "running",
        UnitPhase::Stopping => "stopping",
        UnitPhase::Backoff => "backoff",
        UnitPhase::Done => "done",
        UnitPhase::Failed => "failed",
        UnitPhase::Stopped => "stopped",
        UnitPhase::Lost => "lost",
        UnitPhase::NeedsEnv => "needs_env",
        UnitPhase::Expired => "expired",
    }
}

fn mark(phase: UnitPhase, paint: Paint) -> String {
    match phase {
        UnitPhase::Done => paint.green("✓"),
        UnitPhase::Failed | UnitPhase::Lost => paint.red("✗"),
        UnitPhase::Running | UnitPhase::Stopping => paint.cyan("●"),
        UnitPhase::Backoff | UnitPhase::NeedsEnv => paint.yellow("○"),
        UnitPhase::Declared | UnitPhase::Starting | UnitPhase::Stopped | UnitPhase::Expired => paint.dim("○"),
    }
}

fn node_state(node: &NodeView, paint: Paint) -> (String, String) {
    if let Some(failure) = &node.failure {
        return (paint.red("✗"), paint.red(&launch_text(failure)));
    }
    let exit = node.exit.map(exit_text).unwrap_or_default();
    match node.verdict {
        Some(NodeVerdict::Ok) => {
            let cut = if node.input_truncated { "  (input cut short)" } else { "" };
            (paint.green("✓"), format!("{exit}{cut}"))
        }
        Some(NodeVerdict::Forgiven) => (paint.green("✓"), format!("{exit} forgiven")),
        Some(NodeVerdict::Failed) => (paint.red("✗"), paint.red(&exit)),
        Some(NodeVerdict::Cancelled) => (paint.dim("○"), format!("cancelled {exit}").trim_end().to_owned()),
        None => (mark(node.phase, paint), phase_text(node.phase).to_owned()),
    }
}

fn command_state(view: &CommandView, paint: Paint) -> (String, String) {
    if let Some(failure) = &view.failure {
        return (paint.red("✗"), paint.red(&launch_text(failure)));
    }
    let mut state = phase_text(view.phase).to_owned();
    if let Some(exit) = view.exit.filter(|_| view.phase.is_settled() || view.phase == UnitPhase::Backoff) {
        state = format!("{state}  {}", exit_text(exit));
    }
    let state = if view.phase == UnitPhase::Failed { paint.red(&state) } else { state };
    (mark(view.phase, paint), state)
}

fn pipeline_state(view: &PipelineView, paint: Paint) -> (String, String) {
    match view.verdict.filter(|_| view.phase.is_settled()) {
        Some(PipelineVerdict::Ok) => (paint.green("✓"), paint.green("ok")),
        Some(PipelineVerdict::Failed) => (paint.red("✗"), paint.red("failed")),
        Some(PipelineVerdict::Cancelled) => (paint.dim("○"), "cancelled".to_owned()),
        None => (mark(view.phase, paint), phase_text(view.phase).to_owned()),
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use serde_json::json;

    /// A pipeline of three nodes, of which the second runs.
    pub fn sample() -> WorkspaceDetail {
        let node = |label: &str, phase: &str, more: serde_json::Value| {
            let mut node = json!({
                "label": label, "argv": [label], "phase": phase, "pid": null, "verdict": null, "exit": null,
                "failure": null, "input_truncated": false, "cpu_usec": null, "rss_peak_bytes": null,
            });
            node.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            node
        };
        let edge = |id: &str, from: &str, to: &str, more: serde_json::Value| {
            let mut edge = json!({
                "id": id, "from": from, "to": to, "bytes": null, "bytes_estimate": null, "tap": "off",
                "discern": null, "declared": null, "mismatch": false,
            });
            edge.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            edge
        };
        serde_json::from_value(json!({
            "workspace": {
                "id": "01J9Z3K4M5N6P7Q8R9S0T1V2W3", "label": "access-log", "phase": "running",
                "spec": { "label": "access-log" }, "ephemeral": false, "started_at_ms": 1_000,
                "expires_at_ms": null, "processes_alive": 2, "commands": 1, "pipelines": 1, "stats": null,
                "effective": [],
            },
            "commands": [{
                "id": "01J9Z3K4M5N6P7Q8R9S0T1V2W4", "label": "web", "kind": "command", "workspace": "access-log",
                "workspace_id": "01J9Z3K4M5N6P7Q8R9S0T1V2W3", "phase": "running", "desired": "running", "pid": 42,
                "restarts": 2, "next_at_ms": null, "started_at_ms": 2_000, "exit": null, "failure": null,
                "argv": ["python3", "-m", "http.server"], "cpu_usec": 120_000, "rss_bytes": 10_485_760,
            }],
            "pipelines": [{
                "id": "01J9Z3K4M5N6P7Q8R9S0T1V2W5", "label": "top-paths", "workspace": "access-log",
                "workspace_id": "01J9Z3K4M5N6P7Q8R9S0T1V2W3", "phase": "running", "desired": "running",
                "verdict": null, "cause": null, "epoch": 1, "restarts": 0, "next_at_ms": null,
                "started_at_ms": 1_000, "ended_at_ms": null,
                "nodes": [
                    node("top", "starting", json!({})),
                    node("unzip", "done", json!({
                        "verdict": "ok", "exit": { "code": 0, "signal": null }, "cpu_usec": 1_200_000,
                        "rss_peak_bytes": 3_565_158,
                    })),
                    node("sort", "running", json!({})),
                ],
                "edges": [
                    edge("01J9Z3K4M5N6P7Q8R9S0T1V2W6", "unzip", "sort", json!({
                        "bytes": 1_234_567,
                        "discern": { "mime": "text/plain", "confidence": 0.9, "sampled_bytes": 4096, "partial": true },
                    })),
                    edge("01J9Z3K4M5N6P7Q8R9S0T1V2W7", "sort", "top", json!({ "bytes_estimate": 512, "declared": "text/csv" })),
                ],
            }],
        }))
        .unwrap()
    }

    #[test]
    fn a_frame_follows_the_flow_whatever_the_order_of_the_card() {
        let detail = sample();
        let mut rates = Rates::default();
        rates.look(&detail, 10_000);
        insta::assert_snapshot!(frame(&detail, &rates, 13_300, Paint::PLAIN).join("\n"), @r"
        ● access-log/top-paths                               running  12.3s
          ✓ unzip                                            exit 0  cpu 1.2s  peak 3.3 MiB
            └ → sort               1 234 567 B               text/plain
          ● sort                                             running
            └ → top                    ≈ 512 B               text/csv (declared)
          ○ top                                              starting
        ● access-log/web                                     running  11.3s  restarts 2  10.0 MiB
        ");
    }

    #[test]
    fn a_rate_needs_two_looks_apart_and_starts_over_with_a_new_run() {
        let mut detail = sample();
        let mut rates = Rates::default();
        rates.look(&detail, 10_000);
        assert_eq!(rates.of(&detail.pipelines[0].edges[0]), None);
        detail.pipelines[0].edges[0].bytes = Some(1_234_567 + 2_000_000);
        rates.look(&detail, 10_100);
        assert_eq!(rates.of(&detail.pipelines[0].edges[0]), None);
        rates.look(&detail, 12_000);
        assert_eq!(rates.of(&detail.pipelines[0].edges[0]), Some(1_000_000));
        detail.pipelines[0].edges[0].bytes = Some(5);
        rates.look(&detail, 13_000);
        assert_eq!(rates.of(&detail.pipelines[0].edges[0]), None);
    }

    #[test]
    fn a_failed_node_says_how_and_a_program_that_is_not_there_says_so() {
        let mut detail = sample();
        let pipeline = &mut detail.pipelines[0];
        pipeline.phase = UnitPhase::Failed;
        pipeline.verdict = Some(PipelineVerdict::Failed);
        pipeline.cause = Some("sort".to_owned());
        pipeline.ended_at_ms = Some(3_500);
        pipeline.nodes[2].verdict = Some(NodeVerdict::Failed);
        pipeline.nodes[2].exit = Some(Exit { code: None, signal: Some(9) });
        pipeline.nodes[0].failure = Some(shipote_runtime::view::LaunchFailure {
            step: "exec".to_owned(),
            errno: 2,
            object: "haed".to_owned(),
        });
        let shown = super::pipeline(&detail.pipelines[0], &Rates::default(), 99_000, Paint::PLAIN).join("\n");
        insta::assert_snapshot!(shown, @r"
        ✗ access-log/top-paths                               failed  2.5s  because of sort
          ✓ unzip                                            exit 0  cpu 1.2s  peak 3.3 MiB
            └ → sort               1 234 567 B               text/plain
          ✗ sort                                             SIGKILL
            └ → top                    ≈ 512 B               text/csv (declared)
          ✗ top                                              program not found: haed
        ");
    }

    #[test]
    fn a_stream_that_is_not_what_was_declared_is_marked() {
        let mut edge = sample().pipelines[0].edges[0].clone();
        edge.declared = Some("text/csv".to_owned());
        edge.mismatch = true;
        if let Some(found) = &mut edge.discern {
            found.container = vec!["application/x-xz".to_owned()];
        }
        insta::assert_snapshot!(edge_type(&edge, Paint::PLAIN), @"application/x-xz › text/plain ≠ declared text/csv");
        insta::assert_snapshot!(short_edge_type(&edge, Paint::PLAIN), @"xz › text/plain ≠ declared text/csv");
    }
}
