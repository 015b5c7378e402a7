//! Edges as people write them, and what they read when the graph is wrong.

use alloc::format;

use super::tests::{check_toml, decoded};
use super::*;

#[test]
fn a_written_edge_refines_the_edge_of_the_chain() {
    let card = decoded(
        r#"
[[pipelines]]
chain = true
nodes = [{ run = ["a"] }, { run = ["b"] }, { run = ["c"] }]
edges = [{ from = "a:stderr", to = "c", merge = "raw" }, { from = "b:stdout", to = "c", tap = "on" }]
"#,
        Syntax::Toml,
    );
    assert_eq!(card.pipelines[0].label, "stem");
    let edges: Vec<String> = card.pipelines[0]
        .edges
        .iter()
        .map(|e| format!("{} {} {:?} {:?}", e.from, e.to, e.tap, e.merge))
        .collect();
    insta::assert_snapshot!(edges.join("\n"), @r#"
    a b None None
    b:stdout c Some(On) None
    a:stderr c None Some(Raw)
    "#);
}

#[test]
fn edges_are_checked_with_the_nearest_name_and_the_whole_circle() {
    insta::assert_snapshot!(check_toml(r#"
[[pipelines]]
label = "p"
nodes = [{ run = ["aa"] }, { run = ["bb"] }, { run = ["cc"] }, { run = ["dd"], restart = "always" }]
edges = [
  { from = "aa", to = "bb" },
  { from = "bb", to = "cc" },
  { from = "cc", to = "aa" },
  { from = "aa", to = "cc" },
  { from = "cc", to = "cc" },
  { from = "aa", to = "bb" },
  { from = "aaa", to = "bb:stderr" },
  { from = "aa:stdin", to = "bb:in" },
  { from = "aa" },
]
"#), @r#"
    4:64+36 warning isolated_node /pipelines/0/nodes/3 no edge touches `dd`
        join it, or make it a command
    4:90+8 warning restart_among_one_shots /pipelines/0/nodes/3/restart `dd` is always started again, so the pipeline never ends
        make it a command beside the pipeline
    8:3+26 error cycle /pipelines/0/edges/2 the edges lead in a circle: cc -> aa -> bb -> cc
        remove one of them
    9:3+26 error port_busy /pipelines/0/edges/3 two edges go into `cc`, and nothing says how they are joined
        add merge = "raw" to let them share one pipe
        see 7:3 /pipelines/0/edges/1
    10:3+26 error self_edge /pipelines/0/edges/4 `cc` would read what it writes
        an edge joins two different nodes
    11:3+26 error duplicate_edge /pipelines/0/edges/5 there are two edges from `aa` to `bb`
        remove one of them
        see 6:3 /pipelines/0/edges/0
    12:12+5 error unknown_node /pipelines/0/edges/6/from there is no node `aaa`
        did you mean `aa`?
    12:24+11 error unknown_port /pipelines/0/edges/6/to `bb` writes to its stderr, so no edge goes there
        `NODE` or `NODE:PORT`, with stdin
    13:12+10 error unknown_port /pipelines/0/edges/7/from `aa` reads from its stdin, so no edge comes from there
        `NODE` or `NODE:PORT`, with stdout or stderr
    13:29+7 error unknown_port /pipelines/0/edges/7/to a node has no port `in`
        `NODE` or `NODE:PORT`, with stdin
    14:3+1 error missing_key /pipelines/0/edges/8 `to` is missing
    "#);
}

#[test]
fn the_graph_of_decodable_edges_is_judged() {
    insta::assert_snapshot!(check_toml(r#"
[[pipelines]]
label = "p"
chain = true
nodes = [{ run = ["aa"] }, { run = ["bb"] }, { run = ["cc"] }, { run = ["dd"], restart = "always" }]
edges = [
  { from = "cc", to = "aa" },
  { from = "aa:stderr", to = "bb" },
  { from = "xx", to = "dd", discern = "fail", full = "spill", merge = "line" },
  { from = "dd:stderr", to = "dd" },
]
"#), @r#"
    5:90+8 warning restart_among_one_shots /pipelines/0/nodes/3/restart `dd` is always started again, so the pipeline never ends
        make it a command beside the pipeline
    7:3+26 error cycle /pipelines/0/edges/0 the edges lead in a circle: cc -> aa -> bb -> cc
        remove one of them
    8:3+33 error port_busy /pipelines/0/edges/1 two edges go into `bb`, and nothing says how they are joined
        add merge = "raw" to let them share one pipe
        see 5:28 /pipelines/0/nodes/1
    9:12+4 error unknown_node /pipelines/0/edges/2/from there is no node `xx`
        there are: aa, bb, cc, dd
    9:39+6 error not_in_this_release /pipelines/0/edges/2/discern `discern` = "fail" is not enforced in this release
        write "warn" to be told of a difference
    9:54+7 error not_in_this_release /pipelines/0/edges/2/full `full` other than "block" is not enforced in this release
        remove it; the producer waits for the consumer
    9:71+6 error not_in_this_release /pipelines/0/edges/2/merge `merge` other than "raw" is not enforced in this release
        write "raw"; writes of up to 4096 bytes stay whole
    10:3+33 error self_edge /pipelines/0/edges/3 `dd` would read what it writes
        an edge joins two different nodes
    "#);
}
