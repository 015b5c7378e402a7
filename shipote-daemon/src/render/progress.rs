//! How it goes, as lines for a stream that can't be redrawn: one at once, one per change, and otherwise at most one
//! every two seconds.

use std::collections::BTreeMap;

use shipote_runtime::view::{NodeVerdict, UnitPhase, WorkspaceDetail};

use super::dag::{exit_text, phase_text};
use super::quantity::{counted, size};
use crate::exit::launch_text;

/// Time between two lines when nothing but amounts changes.
const SPACING_MS: u64 = 2_000;

/// What was said already.
#[derive(Debug, Default)]
pub struct Progress {
    said: BTreeMap<String, String>,
    last_ms: Option<u64>,
    last_tally: String,
}

impl Progress {
    /// Returns the lines that are due.
    pub fn look(&mut self, detail: &WorkspaceDetail, now_ms: u64) -> Vec<String> {
        let first = self.last_ms.is_none();
        let mut lines = Vec::new();
        for (name, state) in states(detail) {
            if self.said.get(&name) != Some(&state) {
                // Being started is not news: what follows is.
                if !(state == "starting" || state == "declared") {
                    lines.push(format!("{name}: {state}"));
                }
                self.said.insert(name, state);
            }
        }
        let tally = tally(detail);
        let due = self.last_ms.is_none_or(|last| now_ms.saturating_sub(last) >= SPACING_MS);
        if first || (due && lines.is_empty() && tally != self.last_tally) {
            lines.insert(0, format!("{}: {tally}", detail.workspace.label));
        }
        if !lines.is_empty() {
            self.last_ms = Some(now_ms);
            self.last_tally = tally;
        }
        lines
    }
}

fn states(detail: &WorkspaceDetail) -> Vec<(String, String)> {
    let mut states = Vec::new();
    for pipeline in &detail.pipelines {
        for node in &pipeline.nodes {
            if node.verdict.is_none() && node.phase.is_settled() && !pipeline.phase.is_settled() {
                // What is to be said of its end is not known yet.
                continue;
            }
            let exit = node.exit.map(exit_text).unwrap_or_default();
            let state = match (&node.failure, node.verdict) {
                (Some(failure), _) => launch_text(failure),
                (None, Some(NodeVerdict::Ok)) => format!("ok ({exit})"),
                (None, Some(NodeVerdict::Forgiven)) => format!("ok ({exit}, forgiven)"),
                (None, Some(NodeVerdict::Failed)) => format!("failed ({exit})"),
                (None, Some(NodeVerdict::Cancelled)) => "cancelled".to_owned(),
                (None, None) => phase_text(node.phase).to_owned(),
            };
            states.push((format!("{}/{}", pipeline.label, node.label), state));
        }
        let state = match pipeline.phase {
            UnitPhase::Backoff => "failed, will be started again".to_owned(),
            phase => phase_text(phase).to_owned(),
        };
        states.push((pipeline.label.clone(), state));
    }
    for command in detail.commands.iter().filter(|command| command.kind != "node") {
        let mut state = match &command.failure {
            Some(failure) => launch_text(failure),
            None => phase_text(command.phase).to_owned(),
        };
        let is_at_rest = command.phase.is_settled() || command.phase == UnitPhase::Backoff;
        if let Some(exit) = command.exit.filter(|_| is_at_rest) {
            state = format!("{state} ({})", exit_text(exit));
        }
        if command.restarts > 0 {
            state = format!("{state}, restart {}", command.restarts);
        }
        states.push((command.label.clone(), state));
    }
    states
}

fn tally(detail: &WorkspaceDetail) -> String {
    let nodes: Vec<UnitPhase> =
        detail.pipelines.iter().flat_map(|pipeline| pipeline.nodes.iter().map(|node| node.phase)).collect();
    let commands: Vec<UnitPhase> = detail
        .commands
        .iter()
        .filter(|command| command.kind != "node")
        .map(|command| command.phase)
        .collect();
    let running = |phases: &[UnitPhase]| phases.iter().filter(|phase| **phase == UnitPhase::Running).count();
    let mut parts = Vec::new();
    if !nodes.is_empty() {
        parts.push(format!("{} of {} running", running(&nodes), counted(nodes.len(), "node")));
    }
    if !commands.is_empty() {
        parts.push(format!("{} of {} running", running(&commands), counted(commands.len(), "command")));
    }
    let bytes: u64 = detail
        .pipelines
        .iter()
        .flat_map(|pipeline| &pipeline.edges)
        .filter_map(|edge| edge.bytes.or(edge.bytes_estimate))
        .sum();
    if bytes > 0 {
        parts.push(format!("{} through its edges", size(bytes)));
    }
    if parts.is_empty() { "nothing to run".to_owned() } else { parts.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::dag::tests::sample;
    use shipote_runtime::view::Exit;

    #[test]
    fn the_first_look_speaks_at_once_and_amounts_only_every_two_seconds() {
        let mut progress = Progress::default();
        let mut detail = sample();
        insta::assert_snapshot!(progress.look(&detail, 0).join("\n"), @r"
        access-log: 1 of 3 nodes running, 1 of 1 command running, 1.1 MiB through its edges
        top-paths/unzip: ok (exit 0)
        top-paths/sort: running
        top-paths: running
        web: running, restart 2
        ");
        detail.pipelines[0].edges[0].bytes = Some(9_000_000);
        assert!(progress.look(&detail, 1_900).is_empty());
        insta::assert_snapshot!(progress.look(&detail, 2_000).join("\n"), @"access-log: 1 of 3 nodes running, 1 of 1 command running, 8.5 MiB through its edges");
        assert!(progress.look(&detail, 9_000).is_empty(), "nothing changed");
    }

    #[test]
    fn a_change_speaks_at_once() {
        let mut progress = Progress::default();
        let mut detail = sample();
        progress.look(&detail, 0);
        detail.pipelines[0].nodes[2].verdict = Some(NodeVerdict::Failed);
        detail.pipelines[0].nodes[2].exit = Some(Exit { code: Some(3), signal: None });
        insta::assert_snapshot!(progress.look(&detail, 10).join("\n"), @"top-paths/sort: failed (exit 3)");
    }
}
