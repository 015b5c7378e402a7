//! The verdict on a pipeline: which node failed, which only felt it, and which was right to end early.
//!
//! A shell reports the last status (or, with `pipefail`, the worst), and calls a producer that its satisfied
//! consumer cut short a failure. Here a SIGPIPE is forgiven when every
//! consumer had closed its end and ended well.

use alloc::vec;
use alloc::vec::Vec;

use crate::view::{Exit, NodeVerdict, PipelineVerdict};

/// The ports of a process, by descriptor number.
pub const PIPELINE_PORTS: [&str; 3] = ["stdin", "stdout", "stderr"];

/// SIGPIPE (signal(7)).
const SIGPIPE: i32 = 13;

/// Ends so near to each other are told of in any order: a consumer sees the end of its input when its producer has closed
/// its descriptors, which is a moment before the producer itself has ended.
const AT_ONCE_MS: u64 = 100;

/// How one node ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeEnd {
    /// How its main process ended; none where it could not be started.
    pub exit: Option<Exit>,
    /// Position in the order in which the nodes ended, from 0.
    pub order: usize,
    /// When its end was told of, in milliseconds of a clock that never goes back.
    pub at_ms: u64,
    /// Whether it was asked to end, because another node had failed.
    pub asked: bool,
    /// Exit codes that count as success.
    pub success_codes: Vec<u8>,
}

/// The shape of a pipeline by node positions, and how its nodes ended.
#[derive(Debug, Clone)]
pub struct PipelineEnd {
    /// How each node ended.
    pub nodes: Vec<NodeEnd>,
    /// Producer and consumer of each edge.
    pub edges: Vec<(usize, usize)>,
    /// Whether the end was asked for.
    pub cancelled: bool,
}

/// The verdict on a pipeline and on each of its nodes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judgement {
    /// The whole.
    pub pipeline: PipelineVerdict,
    /// Each node.
    pub nodes: Vec<NodeVerdict>,
    /// Whether a node upstream of it failed first, so that it saw less than it should have.
    pub input_truncated: Vec<bool>,
    /// The node that failed first.
    pub cause: Option<usize>,
}

impl NodeEnd {
    /// Tells whether SIGPIPE ended it; a shell that ran the program reports that as 128 + 13.
    fn is_by_sigpipe(&self) -> bool {
        self.exit.is_some_and(|exit| exit.signal == Some(SIGPIPE) || exit.code == Some(128 + SIGPIPE))
    }
}

impl PipelineEnd {
    /// Judges the pipeline.
    #[must_use]
    pub fn judge(&self) -> Judgement {
        // Consumers are judged before their producers, since forgiveness depends on them. A graph with a cycle
        // never gets here; the bound of the walk keeps even that finite.
        let count = self.nodes.len();
        let mut verdicts = vec![None; count];
        for _ in 0..count {
            for node in 0..count {
                let consumers_known = self.consumers(node).all(|consumer| verdicts[consumer].is_some());
                if verdicts[node].is_none() && consumers_known {
                    verdicts[node] = Some(self.judge_node(node, &verdicts));
                }
            }
        }
        let mut nodes: Vec<NodeVerdict> =
            verdicts.into_iter().map(|verdict| verdict.unwrap_or(NodeVerdict::Failed)).collect();

        if self.cancelled {
            for (node, verdict) in nodes.iter_mut().enumerate() {
                if *verdict == NodeVerdict::Failed
                    && self.nodes[node].exit.is_some_and(|exit| exit.signal.is_some())
                {
                    *verdict = NodeVerdict::Cancelled;
                }
            }
        }
        let still_failed = nodes.contains(&NodeVerdict::Failed);
        let pipeline = match (self.cancelled, still_failed) {
            (true, _) => PipelineVerdict::Cancelled,
            (false, true) => PipelineVerdict::Failed,
            (false, false) if nodes.contains(&NodeVerdict::Cancelled) => PipelineVerdict::Failed,
            (false, false) => PipelineVerdict::Ok,
        };
        let input_truncated = self.truncated(&nodes);
        // Whose input was cut short failed for another's failure, even where its end was told of first.
        let cause = (0..count)
            .filter(|node| nodes[*node] == NodeVerdict::Failed)
            .min_by_key(|node| (input_truncated[*node], self.nodes[*node].order));
        Judgement { pipeline, nodes, input_truncated, cause: if self.cancelled { None } else { cause } }
    }

    fn consumers(&self, node: usize) -> impl Iterator<Item = usize> + '_ {
        self.edges.iter().filter(move |(from, _)| *from == node).map(|(_, to)| *to)
    }

    fn judge_node(&self, node: usize, known: &[Option<NodeVerdict>]) -> NodeVerdict {
        let end = &self.nodes[node];
        let Some(exit) = end.exit else {
            return NodeVerdict::Failed;
        };
        if let Some(code) = exit.code
            && end.success_codes.iter().any(|ok| i32::from(*ok) == code)
        {
            return NodeVerdict::Ok;
        }
        if end.asked && exit.signal.is_some() {
            return NodeVerdict::Cancelled;
        }
        if !end.is_by_sigpipe() || self.consumers(node).next().is_none() {
            return NodeVerdict::Failed;
        }
        // The kernel sends SIGPIPE only when no reader is left, so the order of the reported ends proves nothing.
        let all_well = self
            .consumers(node)
            .all(|consumer| matches!(known[consumer], Some(NodeVerdict::Ok | NodeVerdict::Forgiven)));
        if all_well { NodeVerdict::Forgiven } else { NodeVerdict::Cancelled }
    }

    fn truncated(&self, nodes: &[NodeVerdict]) -> Vec<bool> {
        let mut truncated = vec![false; nodes.len()];
        // Each round carries the mark one edge further; no path is longer than the number of nodes.
        for _ in 0..nodes.len() {
            for (from, to) in &self.edges {
                // A producer that felt its consumer leave cut nothing short, and neither did one that outlived it.
                let source = &self.nodes[*from];
                let source_broke = match nodes[*from] {
                    NodeVerdict::Failed => true,
                    NodeVerdict::Cancelled => !source.is_by_sigpipe(),
                    NodeVerdict::Ok | NodeVerdict::Forgiven => false,
                };
                let target = &self.nodes[*to];
                let before =
                    source.order < target.order || source.at_ms.saturating_sub(target.at_ms) <= AT_ONCE_MS;
                if (source_broke && before) || truncated[*from] {
                    truncated[*to] = true;
                }
            }
        }
        truncated
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;
    use alloc::string::String;

    const OK: Exit = Exit { code: Some(0), signal: None };
    const PIPE: Exit = Exit { code: None, signal: Some(13) };
    const KILL: Exit = Exit { code: None, signal: Some(9) };

    const fn code(code: i32) -> Exit {
        Exit { code: Some(code), signal: None }
    }

    /// Judges a chain whose nodes end as told, in the given order of ends.
    fn chain(ends: &[(Exit, usize)]) -> String {
        let nodes = ends
            .iter()
            .map(|(exit, order)| NodeEnd {
                exit: Some(*exit),
                order: *order,
                at_ms: *order as u64 * 1_000,
                asked: false,
                success_codes: vec![0],
            })
            .collect();
        let edges = (1..ends.len()).map(|to| (to - 1, to)).collect();
        let judgement = PipelineEnd { nodes, edges, cancelled: false }.judge();
        format!(
            "{:?} {:?} truncated {:?} cause {:?}",
            judgement.pipeline, judgement.nodes, judgement.input_truncated, judgement.cause
        )
    }

    #[test]
    fn a_producer_cut_short_by_a_satisfied_consumer_is_forgiven() {
        insta::assert_snapshot!(chain(&[(PIPE, 1), (OK, 0)]), @"Ok [Forgiven, Ok] truncated [false, false] cause None");
        insta::assert_snapshot!(chain(&[(code(141), 2), (PIPE, 1), (OK, 0)]), @"Ok [Forgiven, Forgiven, Ok] truncated [false, false, false] cause None");
    }

    #[test]
    fn a_stage_that_fails_in_the_middle_is_the_cause_and_marks_what_is_downstream() {
        insta::assert_snapshot!(chain(&[(PIPE, 1), (KILL, 0), (OK, 2)]), @"Failed [Cancelled, Failed, Ok] truncated [false, false, true] cause Some(1)");
        insta::assert_snapshot!(chain(&[(code(3), 0), (OK, 1)]), @"Failed [Failed, Ok] truncated [false, true] cause Some(0)");
    }

    #[test]
    fn a_consumer_whose_end_is_told_of_a_moment_before_that_of_its_producer_saw_its_failure() {
        let node = |exit, order, at_ms| NodeEnd {
            exit: Some(exit),
            order,
            at_ms,
            asked: false,
            success_codes: vec![0],
        };
        let judged = |apart_ms: u64| {
            let nodes = vec![node(code(3), 1, 5_000 + apart_ms), node(OK, 0, 5_000)];
            PipelineEnd { nodes, edges: vec![(0, 1)], cancelled: false }.judge().input_truncated
        };
        assert_eq!((judged(3), judged(2_000)), (vec![false, true], vec![false, false]));
    }

    #[test]
    fn a_consumer_that_fails_for_want_of_input_is_not_the_cause_though_its_end_is_told_of_first() {
        let node = |order, at_ms| NodeEnd {
            exit: Some(code(1)),
            order,
            at_ms,
            asked: false,
            success_codes: vec![0],
        };
        let nodes = vec![node(1, 5_003), node(0, 5_000)];
        let judgement = PipelineEnd { nodes, edges: vec![(0, 1)], cancelled: false }.judge();
        assert_eq!((judgement.cause, judgement.input_truncated), (Some(0), vec![false, true]));
    }

    #[test]
    fn what_was_ended_because_another_failed_is_cancelled() {
        let term = Exit { code: None, signal: Some(15) };
        let node = |exit, order: usize, asked| NodeEnd {
            exit: Some(exit),
            order,
            at_ms: order as u64 * 1_000,
            asked,
            success_codes: vec![0],
        };
        let nodes = vec![node(term, 1, true), node(code(1), 0, false)];
        let judgement = PipelineEnd { nodes, edges: vec![(0, 1)], cancelled: false }.judge();
        assert_eq!(judgement.nodes, [NodeVerdict::Cancelled, NodeVerdict::Failed]);
        assert_eq!((judgement.cause, judgement.input_truncated), (Some(1), vec![false, false]));
    }

    #[test]
    fn the_first_failure_in_time_is_the_cause() {
        insta::assert_snapshot!(chain(&[(code(1), 2), (code(2), 0), (code(3), 1)]), @"Failed [Failed, Failed, Failed] truncated [false, false, true] cause Some(1)");
    }

    #[test]
    fn a_consumer_that_closes_its_input_and_goes_on_is_satisfied_too() {
        insta::assert_snapshot!(chain(&[(PIPE, 0), (OK, 1)]), @"Ok [Forgiven, Ok] truncated [false, false] cause None");
    }

    #[test]
    fn an_end_on_request_is_cancelled_and_not_failed() {
        let nodes = [KILL, OK].into_iter().enumerate();
        let nodes = nodes
            .map(|(order, exit)| NodeEnd {
                exit: Some(exit),
                order,
                at_ms: 0,
                asked: false,
                success_codes: vec![0],
            })
            .collect();
        let judgement = PipelineEnd { nodes, edges: vec![(0, 1)], cancelled: true }.judge();
        assert_eq!(judgement.pipeline, PipelineVerdict::Cancelled);
        assert_eq!(judgement.nodes, [NodeVerdict::Cancelled, NodeVerdict::Ok]);
    }

    #[test]
    fn other_success_codes_count() {
        let node = |exit, success_codes| NodeEnd {
            exit: Some(exit),
            order: 0,
            at_ms: 0,
            asked: false,
            success_codes,
        };
        let end = PipelineEnd { nodes: vec![node(code(1), vec![0, 1])], edges: vec![], cancelled: false };
        assert_eq!(end.judge().pipeline, PipelineVerdict::Ok);
    }
}
