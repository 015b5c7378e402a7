//! The checks of a pipeline's edges: their ends, their joints, and that no byte comes back to where it began.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use super::{Findings, media, suggestion};
use crate::code;
use crate::command::RestartOn;
use crate::pipeline::{Endpoint, MergePolicy, PipelineSpec};
use crate::problem::Problem;

pub(super) fn check(found: &mut Findings, pointer: &str, pipeline: &PipelineSpec) {
    let labels: Vec<&str> = pipeline.nodes.iter().map(|node| node.label.as_str()).collect();
    let index: BTreeMap<&str, usize> =
        labels.iter().enumerate().rev().map(|(i, label)| (*label, i)).collect();
    let mut arcs = Arcs::among(labels.len());
    let mut seen: BTreeMap<(Endpoint, Endpoint), usize> = BTreeMap::new();
    let mut inputs: BTreeMap<Endpoint, Vec<usize>> = BTreeMap::new();
    let mut touched: BTreeSet<usize> = BTreeSet::new();
    for (i, edge) in pipeline.edges.iter().enumerate() {
        let place = format!("{pointer}/edges/{i}");
        let (source, target) = (edge.source(), edge.target());
        let from = end(found, &format!("{place}/from"), &source, &index, &labels, &["stdout", "stderr"]);
        let to = end(found, &format!("{place}/to"), &target, &index, &labels, &["stdin"]);
        touched.extend([&source, &target].iter().filter_map(|end| index.get(end.node.as_str())));
        let (Some(from), Some(to)) = (from, to) else { continue };
        if from == to {
            let message = format!("`{}` would read what it writes", source.node);
            found.error(code::SELF_EDGE, place, message, "an edge joins two different nodes");
            continue;
        }
        if let Some(first) = seen.get(&(source.clone(), target.clone())) {
            let message = format!("there are two edges from `{source}` to `{target}`");
            let problem =
                Problem::error(code::DUPLICATE_EDGE, place, message).with_hint("remove one of them");
            found.add(problem.with_related(format!("{pointer}/edges/{first}")));
            continue;
        }
        seen.insert((source.clone(), target.clone()), i);
        inputs.entry(target.clone()).or_default().push(i);
        if let Some(cycle) = arcs.add(from, to) {
            let path = written(&cycle, &labels);
            found.error(
                code::CYCLE,
                place.clone(),
                format!("the edges lead in a circle: {path}"),
                "remove one of them",
            );
        }
        let declared =
            (pipeline.nodes[from].flows.0.get(&source.port), pipeline.nodes[to].flows.0.get(&target.port));
        if let (Some(writes), Some(reads)) = declared
            && !media::go_together(writes, reads)
        {
            let message = format!("`{source}` declares {writes}, but `{target}` declares {reads}");
            found.warn(code::FLOW_MISMATCH, place, message, "correct one of the two `flows`");
        }
    }
    for (port, edges) in &inputs {
        joint(found, pointer, pipeline, port, edges);
    }
    loose_nodes(found, pointer, pipeline, &touched);
}

/// Checks one end of an edge, and returns the position of its node.
fn end(
    found: &mut Findings,
    place: &str,
    end: &Endpoint,
    index: &BTreeMap<&str, usize>,
    labels: &[&str],
    ports: &[&str],
) -> Option<usize> {
    let node = index.get(end.node.as_str()).copied();
    if node.is_none() {
        let message = format!("there is no node `{}`", end.node);
        found.error(code::UNKNOWN_NODE, place, message, suggestion(&end.node, labels));
    }
    if !ports.contains(&end.port.as_str()) {
        let message = match (end.port.as_str(), ports) {
            ("stdin", _) => format!("`{}` reads from its stdin, so no edge comes from there", end.node),
            ("stdout" | "stderr", _) => {
                format!("`{}` writes to its {}, so no edge goes there", end.node, end.port)
            }
            (port, _) => format!("a node has no port `{port}`"),
        };
        found.error(
            code::UNKNOWN_PORT,
            place,
            message,
            format!("`NODE` or `NODE:PORT`, with {}", ports.join(" or ")),
        );
        return None;
    }
    node
}

/// Checks several edges into one port: at least one says how they are joined, and none says otherwise.
fn joint(found: &mut Findings, pointer: &str, pipeline: &PipelineSpec, port: &Endpoint, edges: &[usize]) {
    let [first, others @ ..] = edges else { return };
    if others.is_empty() {
        return;
    }
    let merges: Vec<(usize, MergePolicy)> =
        edges.iter().filter_map(|i| pipeline.edges[*i].merge.map(|merge| (*i, merge))).collect();
    let Some((said, merge)) = merges.first() else {
        for later in others {
            let message = format!("two edges go into `{port}`, and nothing says how they are joined");
            let problem = Problem::error(code::PORT_BUSY, format!("{pointer}/edges/{later}"), message);
            let hint = "add merge = \"raw\" to let them share one pipe";
            found.add(problem.with_hint(hint).with_related(format!("{pointer}/edges/{first}")));
        }
        return;
    };
    for (i, other) in &merges[1..] {
        if other != merge {
            let message = format!("the edges into `{port}` name different merges");
            let problem = Problem::error(code::MERGE_MISMATCH, format!("{pointer}/edges/{i}/merge"), message);
            let related = format!("{pointer}/edges/{said}/merge");
            found.add(problem.with_hint("one port has one merge").with_related(related));
        }
    }
}

/// Warns of nodes that are probably not meant to stand alone, or never to end.
fn loose_nodes(found: &mut Findings, pointer: &str, pipeline: &PipelineSpec, touched: &BTreeSet<usize>) {
    if !pipeline.edges.is_empty() {
        for (i, node) in pipeline.nodes.iter().enumerate().filter(|(i, _)| !touched.contains(i)) {
            let message = format!("no edge touches `{}`", node.label);
            found.warn(
                code::ISOLATED_NODE,
                format!("{pointer}/nodes/{i}"),
                message,
                "join it, or make it a command",
            );
        }
    }
    let has_one_shot = pipeline.nodes.iter().any(|node| node.restart().is_none());
    for (i, node) in pipeline.nodes.iter().enumerate() {
        if has_one_shot && node.restart().is_some_and(|policy| policy.on == RestartOn::Always) {
            let place = format!("{pointer}/nodes/{i}/supervision");
            let message = format!("`{}` is always started again, so the pipeline never ends", node.label);
            found.warn(
                code::RESTART_AMONG_ONE_SHOTS,
                place,
                message,
                "make it a command beside the pipeline",
            );
        }
    }
}

/// A graph that stays without cycles: an arc that would close one is refused.
#[derive(Debug)]
pub(super) struct Arcs {
    next: Vec<Vec<usize>>,
}

impl Arcs {
    /// Makes a graph of `count` nodes without arcs.
    pub(super) fn among(count: usize) -> Self {
        Self { next: vec![Vec::new(); count] }
    }

    /// Adds the arc `from -> to`, or returns the cycle that it would close, from `from` back to `from`.
    pub(super) fn add(&mut self, from: usize, to: usize) -> Option<Vec<usize>> {
        let mut came_from: Vec<Option<usize>> = vec![None; self.next.len()];
        let mut reached = vec![false; self.next.len()];
        let mut open = vec![to];
        reached[to] = true;
        while let Some(node) = open.pop() {
            if node == from {
                let mut back = vec![from];
                let mut step = node;
                while let Some(before) = came_from[step] {
                    back.push(before);
                    step = before;
                }
                back.push(from);
                back.reverse();
                return Some(back);
            }
            for &next in &self.next[node] {
                if !reached[next] {
                    reached[next] = true;
                    came_from[next] = Some(node);
                    open.push(next);
                }
            }
        }
        self.next[from].push(to);
        None
    }
}

/// Returns a cycle as `a -> b -> a`.
pub(super) fn written(cycle: &[usize], labels: &[&str]) -> String {
    let names: Vec<&str> = cycle.iter().map(|i| labels[*i]).collect();
    names.join(" -> ")
}
