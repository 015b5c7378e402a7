//! `[[pipelines]]`: nodes, edges, and the chain that makes edges by itself.

use alloc::collections::BTreeMap;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::command::{commands, delay};
use super::decode::{At, Decode, Decoder, Fields};
use super::tree::{Kind, child};
use super::workspace::belongs_to_workspace;
use crate::code;
use crate::label::check_label;
use crate::pipeline::{Edge, Endpoint, PipelineSpec};
use crate::problem::Problem;

/// Reads the pipelines. One that is alone and has no label takes `default_label`.
pub(super) fn pipelines(decoder: &mut Decoder<'_>, at: &At<'_>, default_label: &str) -> Vec<PipelineSpec> {
    let Kind::Array(items) = &at.node.kind else {
        decoder.placeholder(at.full.clone());
        decoder.wrong_type::<()>(at, "an array of tables", "write [[pipelines]] above each pipeline");
        return Vec::new();
    };
    let default_label = if items.len() == 1 { Some(default_label) } else { None };
    let read = |(i, item)| {
        let element = at.element(i, item);
        decoder.remember(element.full.clone(), &element);
        pipeline(decoder, &element, default_label)
    };
    items.iter().enumerate().map(read).collect()
}

fn pipeline(decoder: &mut Decoder<'_>, at: &At<'_>, default_label: Option<&str>) -> PipelineSpec {
    let mut spec = PipelineSpec {
        label: String::new(),
        workspace: String::new(),
        nodes: Vec::new(),
        edges: Vec::new(),
        discern: Default::default(),
        tap: Default::default(),
        restart_on_failure: false,
        restart_backoff_ms: 200,
        restart_max_backoff_ms: 30_000,
        restart_max: 0,
    };
    let Some(mut fields) = decoder.fields(at, "a table") else {
        decoder.placeholder(at.full.clone());
        return spec;
    };
    match default_label {
        Some(label) if !fields.has("label") && check_label(label).is_ok() => spec.label = label.to_string(),
        _ => spec.label = decoder.required(&mut fields, "label").unwrap_or_default(),
    }
    decoder.set(&mut fields, "workspace", &mut spec.workspace);
    decoder.set(&mut fields, "discern", &mut spec.discern);
    decoder.set(&mut fields, "tap", &mut spec.tap);
    restart_fields(decoder, &mut fields, &mut spec);
    if !fields.has("nodes") {
        decoder.missing(
            &fields,
            "nodes",
            "a pipeline is made of commands: nodes = [ { run = [\"sort\"] }, … ]",
        );
    }
    let nodes = decoder.take(&mut fields, "nodes", "nodes");
    if let Some(nodes) = &nodes {
        spec.nodes = commands(decoder, nodes);
    }
    let mut chain = false;
    decoder.set(&mut fields, "chain", &mut chain);
    let said_edges = fields.has("edges");
    let mut written = Vec::new();
    if let Some(edges) = decoder.take(&mut fields, "edges", "edges") {
        // Until it is known which edges the chain makes, the written ones have no position of their own.
        written = edge_list(decoder, &At { full: child(&at.full, "written"), ..edges });
    }
    let chain_is_known = !decoder.is_placeholder(&child(&at.full, "chain"));
    if spec.nodes.len() > 1 && !said_edges && !chain && chain_is_known {
        let problem =
            Problem::error(code::MISSING_EDGES, at.pointer.clone(), "nothing says how the nodes are joined");
        let hint = "write chain = true, or edges = [ { from = \"a\", to = \"b\" } ]; edges = [] leaves them side by side";
        decoder.note(problem.with_hint(hint), at.node.extent.clone());
    }
    decoder.finish(fields, belongs_to_workspace);

    let links = match (&nodes, chain) {
        (Some(nodes), true) => chain_links(nodes, &spec),
        _ => Vec::new(),
    };
    spec.edges = join(decoder, &at.full, links, written);
    // An edge to a node that could not be named would be told as unknown.
    let nameless = (0..spec.nodes.len()).any(|i| {
        let node = child(&child(&at.full, "nodes"), &i.to_string());
        decoder.is_placeholder(&child(&node, "label"))
    });
    if nameless
        || decoder.is_placeholder(&child(&at.full, "nodes"))
        || decoder.is_placeholder(&child(&at.full, "written"))
    {
        decoder.placeholder(child(&at.full, "edges"));
    }
    spec
}

/// Reads the restart of the whole pipeline: `restart = "failure"`, a table, or the full fields.
fn restart_fields(decoder: &mut Decoder<'_>, fields: &mut Fields<'_>, spec: &mut PipelineSpec) {
    decoder.set(fields, "restart_on_failure", &mut spec.restart_on_failure);
    delay(decoder, fields, "restart_backoff", "restart_backoff_ms", &mut spec.restart_backoff_ms);
    delay(decoder, fields, "restart_max_backoff", "restart_max_backoff_ms", &mut spec.restart_max_backoff_ms);
    decoder.set(fields, "restart_max", &mut spec.restart_max);
    let full = fields.full.clone();
    let Some(at) = decoder.take(fields, "restart", "restart_on_failure") else { return };
    match &at.node.kind {
        Kind::Bool(value) => spec.restart_on_failure = *value,
        Kind::String(_) => spec.restart_on_failure |= failure(decoder, &at),
        Kind::Table(_) => {
            let Some(mut inner) = decoder.fields(&at, "a table") else { return };
            inner.full = full;
            spec.restart_on_failure = true;
            if let Some(on) = decoder.take(&mut inner, "on", "restart_on") {
                failure(decoder, &on);
            }
            delay(decoder, &mut inner, "backoff", "restart_backoff_ms", &mut spec.restart_backoff_ms);
            delay(
                decoder,
                &mut inner,
                "max_backoff",
                "restart_max_backoff_ms",
                &mut spec.restart_max_backoff_ms,
            );
            decoder.set_as(&mut inner, "max", "restart_max", &mut spec.restart_max);
            decoder.finish(inner, |_| None);
        }
        _ => _ = decoder.wrong_type::<()>(&at, "`\"failure\"`, a boolean or a table", ""),
    }
}

fn failure(decoder: &mut Decoder<'_>, at: &At<'_>) -> bool {
    if matches!(&at.node.kind, Kind::String(text) if text == "always") {
        let message = "a pipeline is started again only when it fails";
        decoder.refuse(code::UNKNOWN_VALUE, at, message, "write \"failure\"");
        return false;
    }
    decoder.choice(at, &[("failure", ())]).is_some()
}

/// Reads the written edges; none stands for one that can't be read, and the others are still judged.
fn edge_list(decoder: &mut Decoder<'_>, at: &At<'_>) -> Vec<Option<Edge>> {
    let Kind::Array(items) = &at.node.kind else {
        decoder.placeholder(at.full.clone());
        decoder.wrong_type::<()>(at, "an array of tables", "edges = [ { from = \"a\", to = \"b\" } ]");
        return Vec::new();
    };
    let read = |(i, item)| {
        let element = at.element(i, item);
        decoder.remember(element.full.clone(), &element);
        decoder.value(&element)
    };
    items.iter().enumerate().map(read).collect()
}

impl Decode for Edge {
    fn decode(decoder: &mut Decoder<'_>, at: &At<'_>) -> Option<Self> {
        let mut fields = decoder.fields(at, "a table like { from = \"a\", to = \"b\" }")?;
        let from: Option<String> = decoder.required(&mut fields, "from");
        let to: Option<String> = decoder.required(&mut fields, "to");
        let mut edge = Self::between(from.as_deref().unwrap_or_default(), to.as_deref().unwrap_or_default());
        decoder.set(&mut fields, "tap", &mut edge.tap);
        decoder.set(&mut fields, "discern", &mut edge.discern);
        decoder.set(&mut fields, "full", &mut edge.full);
        decoder.set(&mut fields, "merge", &mut edge.merge);
        decoder.finish(fields, |_| None);
        (from.is_some() && to.is_some()).then_some(edge)
    }
}

/// Returns the edge into each node but the first, with the place of that node.
fn chain_links<'n>(nodes: &At<'n>, spec: &PipelineSpec) -> Vec<(Edge, At<'n>)> {
    let Kind::Array(items) = &nodes.node.kind else { return Vec::new() };
    let pairs = spec.nodes.windows(2).zip(items.iter().enumerate().skip(1));
    let link = |(pair, (i, item)): (&[crate::CommandRef], (usize, &'n _))| {
        (Edge::between(pair[0].label.clone(), pair[1].label.clone()), nodes.element(i, item))
    };
    pairs.map(link).collect()
}

/// Puts the edges of the chain first, each refined by the written edge between the same ports, then the others.
fn join(
    decoder: &mut Decoder<'_>,
    pipeline: &str,
    links: Vec<(Edge, At<'_>)>,
    mut written: Vec<Option<Edge>>,
) -> Vec<Edge> {
    let edges_at = child(pipeline, "edges");
    let written_at = child(pipeline, "written");
    let mut by_ends: BTreeMap<(Endpoint, Endpoint), usize> = BTreeMap::new();
    for (i, edge) in written.iter().enumerate() {
        if let Some(edge) = edge {
            by_ends.entry((edge.source(), edge.target())).or_insert(i);
        }
    }
    let mut edges = Vec::with_capacity(links.len() + written.len());
    for (link, at) in links {
        let here = child(&edges_at, &edges.len().to_string());
        let refined = by_ends.get(&(link.source(), link.target()));
        match refined.and_then(|i| written[*i].take().map(|edge| (i, edge))) {
            Some((i, edge)) => {
                decoder.move_spots(&child(&written_at, &i.to_string()), &here);
                edges.push(edge);
            }
            None => {
                decoder.remember(here, &at);
                edges.push(link);
            }
        }
    }
    for (i, edge) in written.into_iter().enumerate() {
        let Some(edge) = edge else { continue };
        let here = child(&edges_at, &edges.len().to_string());
        decoder.move_spots(&child(&written_at, &i.to_string()), &here);
        edges.push(edge);
    }
    edges
}
