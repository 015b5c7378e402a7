//! How it goes, as lines for a stream that can't be redrawn: one at once, one per end, and otherwise at most one
//! every two seconds.

use std::collections::BTreeMap;

use shipote_runtime::view::{CommandView, NodeView, UnitPhase, WorkspaceDetail};

use super::dag::{exit_text, phase_text};
use super::quantity::{counted, size};
use crate::exit::launch_text;

/// Time between two lines when nothing but amounts changes.
const SPACING_MS: u64 = 2_000;

/// What was said already.
#[derive(Debug, Default)]
pub struct Progress {
    /// The last news of each object, by its key.
    said: BTreeMap<String, String>,
    last_ms: Option<u64>,
    last_tally: String,
}

/// Something that happened to an object. Its key tells it from what happened before, its text says it.
struct News {
    name: String,
    key: String,
    text: String,
}

impl Progress {
    /// Returns the lines that are due.
    pub fn look(&mut self, detail: &WorkspaceDetail, now_ms: u64) -> Vec<String> {
        let first = self.last_ms.is_none();
        let mut lines = Vec::new();
        for News { name, key, text } in news(detail) {
            if self.said.get(&name) != Some(&key) {
                lines.push(format!("{name}: {text}"));
                self.said.insert(name, key);
            }
        }
        let tally = tally(detail);
        let due = self.last_ms.is_none_or(|last| now_ms.saturating_sub(last) >= SPACING_MS);
        if first || (due && tally != self.last_tally) {
            lines.insert(0, format!("{}: {tally}", detail.workspace.label));
            self.last_ms = Some(now_ms);
            self.last_tally = tally;
        }
        lines
    }
}

/// Returns what has ended, or was started again. Being started is no news, and running none either.
fn news(detail: &WorkspaceDetail) -> Vec<News> {
    let mut all = Vec::new();
    for pipeline in &detail.pipelines {
        for node in &pipeline.nodes {
            if let Some(text) = end_of(node) {
                let name = format!("{}/{}", pipeline.label, node.label);
                all.push(News { name, key: format!("end {}", pipeline.epoch), text });
            }
        }
        if pipeline.restarts > 0 {
            let key = format!("restart {}", pipeline.restarts);
            let text = format!("failed, restart {}", pipeline.restarts);
            all.push(News { name: pipeline.label.clone(), key, text });
        }
    }
    let commands = detail.commands.iter().filter(|command| command.kind != "node");
    all.extend(commands.filter_map(news_of));
    all
}

/// Returns how a node ended. What is made of it is said with all the others, when the pipeline has ended.
fn end_of(node: &NodeView) -> Option<String> {
    match (&node.failure, node.exit) {
        (Some(failure), _) => Some(launch_text(failure)),
        (None, exit) => exit.map(exit_text),
    }
}

fn news_of(command: &CommandView) -> Option<News> {
    let state = match &command.failure {
        Some(failure) => launch_text(failure),
        None => {
            let exit = command.exit.map(|exit| format!(" ({})", exit_text(exit))).unwrap_or_default();
            let phase = if command.phase.is_settled() { phase_text(command.phase) } else { "ended" };
            format!("{phase}{exit}")
        }
    };
    let name = command.label.clone();
    if has_ended(command.phase) {
        return Some(News { name, key: format!("{:?}", command.phase), text: state });
    }
    (command.restarts > 0).then(|| {
        let number = command.restarts;
        News { name, key: format!("restart {number}"), text: format!("{state}, restart {number}") }
    })
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
    let mut parts = Vec::new();
    for (phases, noun) in [(nodes, "node"), (commands, "command")] {
        let all = counted(phases.len(), noun);
        let running = phases.iter().filter(|phase| **phase == UnitPhase::Running).count();
        if !phases.is_empty() && phases.iter().all(|phase| has_ended(*phase)) {
            parts.push(format!("{all} ended"));
        } else if !phases.is_empty() {
            parts.push(format!("{running} of {all} running"));
        }
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

const fn has_ended(phase: UnitPhase) -> bool {
    phase.is_settled() && !matches!(phase, UnitPhase::Declared)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::dag::tests::sample;
    use shipote_runtime::view::{Exit, NodeVerdict};

    #[test]
    fn the_first_look_speaks_at_once_and_amounts_only_every_two_seconds() {
        let mut progress = Progress::default();
        let mut detail = sample();
        insta::assert_snapshot!(progress.look(&detail, 0).join("\n"), @r"
        access-log: 1 of 3 nodes running, 1 of 1 command running, 1.1 MiB through its edges
        top-paths/unzip: exit 0
        web: ended, restart 2
        ");
        detail.pipelines[0].edges[0].bytes = Some(9_000_000);
        assert!(progress.look(&detail, 1_900).is_empty());
        insta::assert_snapshot!(progress.look(&detail, 2_000).join("\n"), @"access-log: 1 of 3 nodes running, 1 of 1 command running, 8.5 MiB through its edges");
        assert!(progress.look(&detail, 9_000).is_empty(), "nothing changed");
    }

    #[test]
    fn an_end_is_told_at_once_and_once() {
        let mut progress = Progress::default();
        let mut detail = sample();
        progress.look(&detail, 0);
        let sort = &mut detail.pipelines[0].nodes[2];
        sort.phase = UnitPhase::Done;
        sort.exit = Some(Exit { code: Some(3), signal: None });
        insta::assert_snapshot!(progress.look(&detail, 10).join("\n"), @"top-paths/sort: exit 3");
        detail.pipelines[0].nodes[2].verdict = Some(NodeVerdict::Failed);
        detail.pipelines[0].phase = UnitPhase::Failed;
        assert!(progress.look(&detail, 20).is_empty());
    }

    #[test]
    fn a_restart_is_told_when_it_is_due_and_not_again_when_it_has_happened() {
        let mut progress = Progress::default();
        let mut detail = sample();
        progress.look(&detail, 0);
        detail.commands[0].phase = UnitPhase::Backoff;
        detail.commands[0].restarts = 3;
        detail.commands[0].exit = Some(Exit { code: None, signal: Some(9) });
        insta::assert_snapshot!(progress.look(&detail, 10).join("\n"), @"web: ended (SIGKILL), restart 3");
        detail.commands[0].phase = UnitPhase::Running;
        assert!(progress.look(&detail, 20).is_empty());
    }
}
