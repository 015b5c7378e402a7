//! Where the nodes and edges of a graph are drawn: in layers from left to right, each node behind everything that it reads
//! from, and in an order that crosses few edges.

use std::fmt::Write as _;

use crate::chart::Tenths;

/// A graph: the widths of its nodes, and its edges by their positions.
#[derive(Debug, Default)]
pub(crate) struct Graph {
    pub(crate) widths: Vec<f64>,
    pub(crate) edges: Vec<(usize, usize)>,
    /// The width of what is written at each edge; none is written where there is no width.
    pub(crate) labels: Vec<f64>,
}

/// A drawing; lengths are in units of the drawing, and places are upper left corners.
#[derive(Debug, PartialEq)]
pub(crate) struct Drawing {
    pub(crate) width: f64,
    pub(crate) height: f64,
    pub(crate) nodes: Vec<(f64, f64)>,
    /// The path of each edge, where its label may stand, and whether it leads back.
    pub(crate) edges: Vec<Route>,
}

/// How an edge is drawn.
#[derive(Debug, PartialEq)]
pub(crate) struct Route {
    pub(crate) path: String,
    pub(crate) label: (f64, f64),
    pub(crate) back: bool,
}

/// Height of a node.
pub(crate) const HEIGHT: f64 = 46.0;
const ROW: f64 = 74.0;
const GAP: f64 = 64.0;
const MARGIN: f64 = 14.0;
/// Turns in which each layer is put in the order of the one beside it.
const SWEEPS: usize = 6;

/// What stands at a place of a layer: a node, or an edge that passes.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Spot {
    Node(usize),
    Pass(usize),
}

/// Draws a graph. Edges that lead back to where they came from are found and drawn below the others.
pub(crate) fn draw(graph: &Graph) -> Drawing {
    let count = graph.widths.len();
    let back = back_edges(graph);
    let layer_of = layers(graph, &back);
    let depth = layer_of.iter().max().map_or(0, |last| last + 1);
    let mut layers: Vec<Vec<Spot>> = vec![Vec::new(); depth];
    for node in 0..count {
        layers[layer_of[node]].push(Spot::Node(node));
    }
    for (at, (from, to)) in graph.edges.iter().enumerate() {
        if !back[at] {
            for layer in &mut layers[layer_of[*from] + 1..layer_of[*to]] {
                layer.push(Spot::Pass(at));
            }
        }
    }
    for sweep in 0..SWEEPS {
        for step in 1..depth {
            let (here, beside) =
                if sweep % 2 == 0 { (step, step - 1) } else { (depth - 1 - step, depth - step) };
            reorder(graph, &mut layers, here, beside);
        }
    }
    place(graph, &layers, &layer_of, &back)
}

/// Finds the edges that close a circle, by a walk that remembers where it came from.
fn back_edges(graph: &Graph) -> Vec<bool> {
    #[derive(Clone, Copy, PartialEq)]
    enum Seen {
        Not,
        OnTheWay,
        Done,
    }
    let mut back = vec![false; graph.edges.len()];
    let mut seen = vec![Seen::Not; graph.widths.len()];
    for root in 0..graph.widths.len() {
        if seen[root] != Seen::Not {
            continue;
        }
        seen[root] = Seen::OnTheWay;
        // A node, and the edge that is looked at next.
        let mut way = vec![(root, 0)];
        while let Some((node, next)) = way.pop() {
            let edge = (next..graph.edges.len()).find(|at| graph.edges[*at].0 == node);
            let Some(edge) = edge else {
                seen[node] = Seen::Done;
                continue;
            };
            way.push((node, edge + 1));
            let to = graph.edges[edge].1;
            match seen[to] {
                Seen::OnTheWay => back[edge] = true,
                Seen::Not => {
                    seen[to] = Seen::OnTheWay;
                    way.push((to, 0));
                }
                Seen::Done => {}
            }
        }
    }
    back
}

/// Returns the layer of each node: the longest way to it.
fn layers(graph: &Graph, back: &[bool]) -> Vec<usize> {
    let mut layer = vec![0; graph.widths.len()];
    // Without circles, this ends at the latest after as many turns as there are nodes.
    for _ in 0..graph.widths.len() {
        let mut moved = false;
        for (at, (from, to)) in graph.edges.iter().enumerate() {
            if !back[at] && layer[*to] <= layer[*from] {
                layer[*to] = layer[*from] + 1;
                moved = true;
            }
        }
        if !moved {
            break;
        }
    }
    layer
}

/// Puts a layer in the order of what its spots are joined to in the layer beside it.
fn reorder(graph: &Graph, layers: &mut [Vec<Spot>], here: usize, beside: usize) {
    let mut nodes = vec![None; graph.widths.len()];
    let mut passes = vec![None; graph.edges.len()];
    for (place, spot) in layers[beside].iter().enumerate() {
        match spot {
            Spot::Node(node) => nodes[*node] = Some(place),
            Spot::Pass(edge) => passes[*edge] = Some(place),
        }
    }
    // Sum and number of the places that each spot of this layer is joined to.
    let mut of_node = vec![(0, 0); graph.widths.len()];
    let mut of_pass = vec![(0, 0); graph.edges.len()];
    for (edge, (from, to)) in graph.edges.iter().enumerate() {
        let place = passes[edge];
        for (node, other) in [(*from, *to), (*to, *from)] {
            if let Some(place) = place.or(nodes[other]) {
                of_node[node] = (of_node[node].0 + place, of_node[node].1 + 1);
            }
        }
        if let Some(place) = place.or(nodes[*from]).or(nodes[*to]) {
            of_pass[edge] = (place, 1);
        }
    }
    let rank = |spot: Spot, at: usize| {
        let (sum, count) = match spot {
            Spot::Node(node) => of_node[node],
            Spot::Pass(edge) => of_pass[edge],
        };
        if count > 0 { sum as f64 / f64::from(count) } else { at as f64 }
    };
    let mut ranked: Vec<(f64, Spot)> =
        layers[here].iter().enumerate().map(|(at, spot)| (rank(*spot, at), *spot)).collect();
    // An insertion sort: it keeps what is equal in its order, and layers are short.
    for end in 1..ranked.len() {
        let mut at = end;
        while at > 0 && ranked[at - 1].0 > ranked[at].0 {
            ranked.swap(at - 1, at);
            at -= 1;
        }
    }
    layers[here] = ranked.into_iter().map(|(_, spot)| spot).collect();
}

fn place(graph: &Graph, layers: &[Vec<Spot>], layer_of: &[usize], back: &[bool]) -> Drawing {
    let rows = layers.iter().map(Vec::len).max().unwrap_or(0) as f64;
    let widest = |layer: &[Spot]| {
        let of = |spot: &Spot| match spot {
            Spot::Node(node) => graph.widths[*node],
            Spot::Pass(_) => 0.0,
        };
        layer.iter().map(of).fold(0.0, f64::max)
    };
    let mut gaps = vec![GAP; layers.len()];
    for (at, (from, _)) in graph.edges.iter().enumerate() {
        let label = graph.labels.get(at).copied().unwrap_or(0.0);
        let gap = &mut gaps[layer_of[*from]];
        if !back[at] && label > 0.0 {
            *gap = gap.max(label + 34.0);
        }
    }
    let mut columns = Vec::with_capacity(layers.len());
    // An edge that leads back goes around the first node.
    let mut x = if back.contains(&true) { MARGIN + 12.0 } else { MARGIN };
    for (layer, gap) in layers.iter().zip(&gaps) {
        let width = widest(layer);
        columns.push((x, width));
        x += width + gap;
    }
    let mut nodes = vec![(0.0, 0.0); graph.widths.len()];
    let mut passes: Vec<Vec<(f64, f64)>> = vec![Vec::new(); graph.edges.len()];
    for (layer, (x, width)) in layers.iter().zip(&columns) {
        let top = MARGIN + (rows - layer.len() as f64) * ROW / 2.0;
        for (at, spot) in layer.iter().enumerate() {
            let y = top + at as f64 * ROW;
            match spot {
                Spot::Node(node) => nodes[*node] = (*x + (*width - graph.widths[*node]) / 2.0, y),
                Spot::Pass(edge) => passes[*edge].push((*x + *width / 2.0, y + HEIGHT / 2.0)),
            }
        }
    }
    let bottom = MARGIN + (rows - 1.0).max(0.0) * ROW + HEIGHT;
    let mut depth_below = 0.0;
    let mut edges = Vec::with_capacity(graph.edges.len());
    for (at, (from, to)) in graph.edges.iter().enumerate() {
        let source = (nodes[*from].0 + graph.widths[*from], nodes[*from].1 + HEIGHT / 2.0);
        let target = (nodes[*to].0, nodes[*to].1 + HEIGHT / 2.0);
        edges.push(if back[at] {
            depth_below += 22.0;
            below(source, target, bottom + depth_below)
        } else {
            ahead(source, &passes[at], target)
        });
    }
    let last = columns.last().map_or(2.0 * MARGIN, |(x, width)| x + width + MARGIN);
    let wide = if back.contains(&true) { last + 24.0 } else { last };
    Drawing { width: wide, height: bottom + depth_below + MARGIN, nodes, edges }
}

/// Draws an edge by way of the places where it passes other layers.
fn ahead(source: (f64, f64), passes: &[(f64, f64)], target: (f64, f64)) -> Route {
    let mut path = format!("M{} {}", Tenths::of(source.0), Tenths::of(source.1));
    let mut before = source;
    for point in passes.iter().chain([&target]) {
        let middle = (before.0 + point.0) / 2.0;
        let (x, y) = (Tenths::of(point.0), Tenths::of(point.1));
        let middle = Tenths::of(middle);
        let _ = write!(path, "C{middle} {} {middle} {y} {x} {y}", Tenths::of(before.1));
        before = *point;
    }
    let first = passes.first().copied().unwrap_or(target);
    Route { path, label: ((source.0 + first.0) / 2.0, (source.1 + first.1) / 2.0), back: false }
}

/// Draws an edge that leads back, below everything.
fn below(source: (f64, f64), target: (f64, f64), depth: f64) -> Route {
    let (right, left) = (Tenths::of(source.0 + 24.0), Tenths::of(target.0 - 24.0));
    let depth_text = Tenths::of(depth);
    let path = format!(
        "M{} {}C{right} {} {right} {depth_text} {} {depth_text}L{} {depth_text}C{left} {depth_text} {left} {} {} {}",
        Tenths::of(source.0),
        Tenths::of(source.1),
        Tenths::of(source.1),
        Tenths::of(source.0 - 10.0),
        Tenths::of(target.0 + 10.0),
        Tenths::of(target.1),
        Tenths::of(target.0),
        Tenths::of(target.1),
    );
    Route { path, label: ((source.0 + target.0) / 2.0, depth), back: true }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(count: usize, edges: &[(usize, usize)]) -> String {
        let drawing = draw(&Graph { widths: vec![100.0; count], edges: edges.into(), labels: Vec::new() });
        let mut told = format!("{}x{}\n", drawing.width, drawing.height);
        for (at, (x, y)) in drawing.nodes.iter().enumerate() {
            let _ = writeln!(told, "{at} {x},{y}");
        }
        for (edge, route) in edges.iter().zip(&drawing.edges) {
            let _ = writeln!(told, "{edge:?}{} {}", if route.back { " back" } else { "" }, route.path);
        }
        told
    }

    #[test]
    fn a_chain_is_a_line() {
        insta::assert_snapshot!(told(3, &[(0, 1), (1, 2)]), @"
        456x74
        0 14,14
        1 178,14
        2 342,14
        (0, 1) M114 37C146 37 146 37 178 37
        (1, 2) M278 37C310 37 310 37 342 37
        ");
    }

    #[test]
    fn edges_pass_beside_the_nodes_between() {
        insta::assert_snapshot!(told(4, &[(0, 1), (1, 2), (0, 2), (0, 3)]), @"
        456x222
        0 14,88
        1 178,14
        2 342,88
        3 178,162
        (0, 1) M114 111C146 111 146 37 178 37
        (1, 2) M278 37C310 37 310 111 342 111
        (0, 2) M114 111C171 111 171 111 228 111C285 111 285 111 342 111
        (0, 3) M114 111C146 111 146 185 178 185
        ");
    }

    #[test]
    fn crossings_are_undone() {
        insta::assert_snapshot!(told(4, &[(0, 3), (1, 2)]), @"
        292x148
        0 14,14
        1 14,88
        2 178,88
        3 178,14
        (0, 3) M114 37C146 37 146 37 178 37
        (1, 2) M114 111C146 111 146 111 178 111
        ");
    }

    #[test]
    fn a_circle_is_drawn_below() {
        insta::assert_snapshot!(told(3, &[(0, 1), (1, 2), (2, 0), (1, 1)]), @"
        492x118
        0 26,14
        1 190,14
        2 354,14
        (0, 1) M126 37C158 37 158 37 190 37
        (1, 2) M290 37C322 37 322 37 354 37
        (2, 0) back M454 37C478 37 478 82 444 82L36 82C2 82 2 37 26 37
        (1, 1) back M290 37C314 37 314 104 280 104L200 104C166 104 166 37 190 37
        ");
        assert_eq!(told(0, &[]).lines().count(), 1);
    }

    #[test]
    fn a_large_graph_takes_no_time_to_speak_of() {
        let edges: Vec<(usize, usize)> = (0..299).flat_map(|at| [(at, at + 1), (at / 2, at + 1)]).collect();
        assert_eq!(draw(&Graph { widths: vec![90.0; 300], edges, labels: Vec::new() }).nodes.len(), 300);
    }
}
