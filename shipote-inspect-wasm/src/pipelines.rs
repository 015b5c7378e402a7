//! Pipelines as drawings and as lists: those that are saved, those that were started, and what can be made out of those
//! that have errors.

use serde_json::Value;
use shipote_card::{DiscernPolicy, PipelineSpec, TapMode};
use shipote_snapshot::{Collection, Desired, ShipoteSnapshot};

use crate::chart::Tenths;
use crate::dag::{Graph, HEIGHT, draw};
use crate::question::Question;
use crate::session::State;
use crate::tell::Object;
use crate::visible::{visible, visible_to};
use crate::wording::span;
use crate::words::{self, Words};

/// Most nodes that are drawn; beyond, a list says more.
const MOST: usize = 300;

/// A node and an edge, from whatever could be read.
struct Node {
    label: String,
    typed: String,
    words: Vec<String>,
}

struct Edge {
    from: String,
    to: String,
    marks: String,
    media: String,
}

/// Returns some of the pipelines, and how many there are.
pub(crate) fn pipelines(state: &State, question: &Question) -> String {
    let Some(snapshot) = &state.snapshot else {
        return Object::new().number("total", 0).list("pipelines", &[]).end();
    };
    let saved = snapshot.saved_pipelines.iter().map(|entry| {
        let head = head("saved", &entry.name, &entry.spec, snapshot);
        told(head, &entry.spec, question, Words::default())
    });
    let live = snapshot.live_pipelines.iter().map(|entry| {
        let mut words = Words::default();
        words.add("Desired", if entry.desired == Desired::Running { "running" } else { "stopped" });
        words::of_counters(&entry.counters, &mut words);
        let place = snapshot
            .workspace(entry.workspace)
            .map_or_else(|| entry.workspace.to_string(), |w| visible(&w.spec.label));
        let head = Object::new()
            .text("kind", "live")
            .text("label", &visible(&entry.spec.label))
            .text("id", &entry.id.to_string())
            .text("workspace", &place)
            .flag("running", entry.desired == Desired::Running);
        told(head, &entry.spec, question, words)
    });
    let held = snapshot.held.iter().filter_map(|held| {
        let kind = match held.collection {
            Collection::SavedPipelines => "saved",
            Collection::LivePipelines => "live",
            Collection::Workspaces | Collection::Commands => return None,
        };
        held_pipeline(kind, &held.raw, snapshot)
    });
    let held: Vec<String> = held.collect();
    let total = snapshot.saved_pipelines.len() + snapshot.live_pipelines.len() + held.len();
    let count = if question.count == 0 { 20 } else { question.count };
    // What has errors comes first: it is what is looked for.
    let shown: Vec<String> =
        held.into_iter().chain(live).chain(saved).skip(question.from).take(count).collect();
    Object::new().number("total", total as u64).list("pipelines", &shown).end()
}

fn head(kind: &str, name: &str, spec: &PipelineSpec, snapshot: &ShipoteSnapshot) -> Object {
    let known = snapshot
        .workspaces
        .iter()
        .find(|entry| entry.id.to_string() == spec.workspace || entry.spec.label == spec.workspace);
    let place = match known {
        Some(entry) => visible(&entry.spec.label),
        None if spec.workspace.is_empty() => String::new(),
        None => format!("{} (not in this state)", visible(&spec.workspace)),
    };
    Object::new()
        .text("kind", kind)
        .text("label", &visible(name))
        .text("id", "")
        .text("workspace", &place)
        .flag("running", false)
}

fn told(head: Object, spec: &PipelineSpec, question: &Question, mut words: Words) -> String {
    if spec.restart_on_failure {
        let most = if spec.restart_max == 0 {
            "without limit".to_owned()
        } else {
            format!("at most {} in a row", spec.restart_max)
        };
        let (first, longest) = (span(spec.restart_backoff_ms), span(spec.restart_max_backoff_ms));
        words.add(
            "Started again",
            &format!("when it fails, {most}; after {first}, then twice as long each time, up to {longest}"),
        );
    }
    let nodes: Vec<Node> = spec
        .nodes
        .iter()
        .map(|node| Node {
            label: node.label.clone(),
            typed: words::typed(node),
            words: words::of_command(node, question.show),
        })
        .collect();
    let edges: Vec<Edge> = spec
        .edges
        .iter()
        .map(|edge| {
            let is_discerned = spec.discern_of(edge) != DiscernPolicy::Off;
            let marks = match (spec.tap_of(edge), is_discerned) {
                (TapMode::Off, false) => "",
                (TapMode::Off, true) => "discerned",
                (TapMode::Ready, false) => "tap ready",
                (TapMode::Ready, true) => "tap ready, discerned",
                (TapMode::On, false) => "tapped",
                (TapMode::On, true) => "tapped, discerned",
            };
            let source = edge.source();
            let node = spec.nodes.iter().find(|node| node.label == source.node);
            let media = node
                .and_then(|node| node.flows.0.get(&source.port))
                .map_or(String::new(), |media| visible(media));
            Edge { from: edge.from.clone(), to: edge.to.clone(), marks: marks.to_owned(), media }
        })
        .collect();
    drawn(head, &nodes, &edges, &words.0, false)
}

/// Draws what can be made out of a pipeline with errors.
fn held_pipeline(kind: &str, raw: &str, snapshot: &ShipoteSnapshot) -> Option<String> {
    let value: Value = serde_json::from_str(raw).ok()?;
    let spec = &value["spec"];
    let name = value["name"].as_str().or(spec["label"].as_str()).unwrap_or("(without a name)");
    let list = |key: &str| spec[key].as_array().map(Vec::as_slice).unwrap_or_default();
    let text = |value: &Value| value.as_str().unwrap_or("?").to_owned();
    let nodes: Vec<Node> = list("nodes")
        .iter()
        .map(|node| Node { label: text(&node["label"]), typed: String::new(), words: Vec::new() })
        .collect();
    let edges: Vec<Edge> = list("edges")
        .iter()
        .map(|edge| Edge {
            from: text(&edge["from"]),
            to: text(&edge["to"]),
            marks: String::new(),
            media: String::new(),
        })
        .collect();
    let place = value["workspace"].as_str().or(spec["workspace"].as_str()).unwrap_or_default();
    let known = snapshot.workspaces.iter().find(|entry| entry.id.to_string() == place);
    let head = Object::new()
        .text("kind", kind)
        .text("label", &visible(name))
        .text("id", &visible(value["id"].as_str().unwrap_or_default()))
        .text("workspace", &visible(known.map_or(place, |entry| &entry.spec.label)))
        .flag("running", false);
    Some(drawn(head, &nodes, &edges, &[], true))
}

fn drawn(head: Object, nodes: &[Node], edges: &[Edge], words: &[String], held: bool) -> String {
    let node_of = |end: &str| end.split(':').next().unwrap_or_default().to_owned();
    // An end that names no node gets a place of its own, so that the edge can be seen.
    let mut labels: Vec<(String, bool)> = nodes.iter().map(|node| (node.label.clone(), false)).collect();
    let mut joined: Vec<(usize, usize)> = Vec::new();
    for edge in edges {
        let mut place = |end: &str| {
            let name = node_of(end);
            labels.iter().position(|(label, _)| *label == name).unwrap_or_else(|| {
                labels.push((name, true));
                labels.len() - 1
            })
        };
        let pair = (place(&edge.from), place(&edge.to));
        joined.push(pair);
    }
    let width = |label: &str| (visible_to(label, 24).chars().count() as f64 * 8.0 + 30.0).max(70.0);
    let is_drawn = labels.len() <= MOST;
    let graph = Graph {
        widths: labels.iter().map(|(label, _)| width(label)).collect(),
        edges: if is_drawn { joined } else { Vec::new() },
        // 6 units a letter, in the small type of labels.
        labels: edges
            .iter()
            .map(|edge| edge.media.chars().count().max(edge.marks.len()) as f64 * 6.0)
            .collect(),
    };
    let drawing = draw(&graph);
    let boxes: Vec<String> = labels
        .iter()
        .enumerate()
        .map(|(at, (label, missing))| {
            let (x, y) = drawing.nodes[at];
            let node = nodes.get(at);
            let length = |value: f64| Tenths::of(value).to_string();
            Object::new()
                .json("x", &length(x))
                .json("y", &length(y))
                .json("width", &length(graph.widths[at]))
                .text("label", &visible_to(label, 24))
                .text("whole", &visible(label))
                .text("typed", node.map_or("", |node| &node.typed))
                .list("words", node.map_or(&[][..], |node| &node.words))
                .flag("missing", *missing)
                .end()
        })
        .collect();
    let routes: Vec<String> = edges
        .iter()
        .enumerate()
        .map(|(at, edge)| {
            let route = drawing.edges.get(at);
            let length = |value: Option<f64>| Tenths::of(value.unwrap_or(0.0)).to_string();
            Object::new()
                .text("from", &visible(&edge.from))
                .text("to", &visible(&edge.to))
                .text("path", route.map_or("", |route| &route.path))
                .json("x", &length(route.map(|route| route.label.0)))
                .json("y", &length(route.map(|route| route.label.1)))
                .flag("back", route.is_some_and(|route| route.back))
                .text("marks", &edge.marks)
                .text("media", &edge.media)
                .end()
        })
        .collect();
    head.flag("held", held)
        .flag("drawn", is_drawn)
        .json("width", &Tenths::of(drawing.width).to_string())
        .json("height", &Tenths::of(drawing.height).to_string())
        .json("node_height", &Tenths::of(HEIGHT).to_string())
        .list("words", words)
        .list("nodes", &boxes)
        .list("edges", &routes)
        .end()
}

#[cfg(test)]
mod tests {
    use crate::session::tests::open;
    use serde_json::Value;

    #[test]
    fn pipelines_with_errors_are_drawn_as_far_as_they_go() {
        let (session, _) = open(include_bytes!("../../tests/fixtures/state/damaged-pipelines.json"));
        let told: Value = serde_json::from_str(&session.ask(r#"{"ask":"pipelines","state":0}"#)).unwrap();
        let list = told["pipelines"].as_array().unwrap();
        let said: Vec<String> = list
            .iter()
            .map(|pipeline| {
                let edges = pipeline["edges"].as_array().unwrap();
                let back = edges.iter().filter(|edge| edge["back"] == true).count();
                let nodes = pipeline["nodes"].as_array().unwrap();
                let missing = nodes.iter().filter(|node| node["missing"] == true).count();
                format!(
                    "{} {}: {} nodes, {missing} missing, {back} back, held {}",
                    pipeline["kind"],
                    pipeline["label"],
                    nodes.len(),
                    pipeline["held"]
                )
            })
            .collect();
        insta::assert_snapshot!(said.join("\n"), @r#"
        "saved" "circle": 3 nodes, 0 missing, 1 back, held true
        "saved" "ends": 4 nodes, 1 missing, 1 back, held true
        "saved" "ends": 3 nodes, 0 missing, 0 back, held true
        "live" "p": 3 nodes, 0 missing, 0 back, held true
        "live" "p": 3 nodes, 0 missing, 0 back, held false
        "#);
    }

    #[test]
    fn a_pipeline_is_told_with_its_marks() {
        let (session, _) = open(include_bytes!("../../tests/fixtures/state/v5-full.json"));
        let told: Value =
            serde_json::from_str(&session.ask(r#"{"ask":"pipelines","state":0,"count":1}"#)).unwrap();
        insta::assert_snapshot!(serde_json::to_string_pretty(&told["pipelines"][0]["edges"]).unwrap(), @r#"
        [
          {
            "back": false,
            "from": "n1",
            "marks": "tapped, discerned",
            "media": "text/plain",
            "path": "M84 37C152 37 152 37 220 37",
            "to": "n2",
            "x": 152,
            "y": 37
          },
          {
            "back": false,
            "from": "n2:stderr",
            "marks": "discerned",
            "media": "",
            "path": "M290 37C334 37 334 37 378 37",
            "to": "n3:stdin",
            "x": 334,
            "y": 37
          }
        ]
        "#);
        insta::assert_snapshot!(told["pipelines"][0]["words"], @r#"[{"name":"Desired","text":"running"},{"name":"Restarts in a row","text":"2"},{"name":"Ended last","text":"with exit code 1"},{"name":"Started again","text":"when it fails, without limit; after 200 ms, then twice as long each time, up to 30 s"}]"#);
    }
}
