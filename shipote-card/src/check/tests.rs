//! Judgements of cards that were made without a text.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;

use super::*;
use crate::{Edge, FlowDir, FlowMode, Span, WorkspaceSpec};

fn judged(card: &Card) -> String {
    check(card).iter().map(|p| format!("{} {} {}\n", p.code, p.place.pointer, p.message)).collect()
}

fn command(label: &str) -> CommandRef {
    CommandRef::from_argv(label, &[label.to_string()]).unwrap()
}

fn pipeline(nodes: &[&str], edges: Vec<Edge>) -> Card {
    let mut spec: PipelineSpec = serde_json::from_str("{\"label\":\"p\",\"nodes\":[]}").unwrap();
    spec.nodes = nodes.iter().map(|label| command(label)).collect();
    spec.edges = edges;
    Card { pipelines: vec![spec], ..Card::default() }
}

#[test]
fn a_workspace_is_judged_in_every_part() {
    let mut workspace = WorkspaceSpec::labelled("01J9Z3NDEKTSV4RRFFQ69G5FAV");
    workspace.ttl = Some(Span::from_secs(0));
    workspace.soma.cwd = Some("/a/../b".into());
    workspace.soma.hostname = Some("a_b".into());
    workspace.soma.namespaces.uts = false;
    workspace.soma.env.insert("A=B".into(), "x\0".into());
    workspace.soma.env.insert("K/Y".into(), "v".into());
    workspace.soma.env_pass = vec!["K/Y".into(), String::new()];
    let dir = |name: &str, path: &str| FlowDir { name: name.into(), path: path.into(), mode: FlowMode::In };
    workspace.flow_dirs = vec![dir("a-b", "/in"), dir("a.b", "/in"), dir("", "rel")];
    insta::assert_snapshot!(judged(&Card { workspace: Some(workspace), ..Card::default() }), @r#"
    bad_label /workspace/label the label `01J9Z3NDEKTSV4RRFFQ69G5FAV` is a ULID and would be taken for an id
    relative_path /workspace/soma/cwd `/a/../b` is not an absolute path
    bad_variable /workspace/soma/env/A=B `A=B` can't name an environment variable
    nul_byte /workspace/soma/env/A=B a NUL byte ends a text for the kernel
    given_twice /workspace/soma/env_pass/0 `K/Y` is passed on from the caller and also set in `env`
    bad_variable /workspace/soma/env_pass/1 `` can't name an environment variable
    zero_ttl /workspace/ttl a lifetime of zero ends before it begins
    bad_hostname /workspace/soma/hostname `a_b` is not a host name
    needs_namespace /workspace/soma/hostname a host name of its own needs the uts namespace
    duplicate_flow_dir /workspace/flow_dirs/1/name two flow directories are `$SHIPOTE_FLOW_A_B`
    duplicate_flow_dir /workspace/flow_dirs/1/path two flow directories are at `/in`
    bad_flow_name /workspace/flow_dirs/2/name the name `` can't become a variable
    relative_path /workspace/flow_dirs/2/path `rel` is not an absolute path
    "#);
}

#[test]
fn a_command_is_judged_in_every_part() {
    let mut bad = command("a");
    bad.payload = Payload::Native {
        exec: String::new(),
        argv: vec!["x\0".into()],
        envp: vec!["A".into(), "=b".into(), "C=\0".into()],
    };
    bad.flows.0.insert("out".into(), "text/csv".into());
    bad.flows.0.insert("stdout".into(), "csv".into());
    bad.success_codes = vec![0, 1, 0];
    bad.stop_signal = Some("term".into());
    let mut waits = command("b");
    waits.after = vec!["c".into(), "nobody".into(), "b".into()];
    let mut waited = command("c");
    waited.after = vec!["b".into()];
    let workspace = Some(WorkspaceSpec::labelled("w"));
    insta::assert_snapshot!(
        judged(&Card { workspace, commands: vec![bad, waits, waited, command("c")], ..Card::default() }), @r#"
    duplicate_label /commands/3/label two commands are called `c`
    empty_program /commands/0/payload/native/exec the program is empty
    nul_byte /commands/0/payload/native/argv/0 a NUL byte ends a text for the kernel
    bad_variable /commands/0/payload/native/envp/0 `A` has no `=`
    bad_variable /commands/0/payload/native/envp/1 `` can't name an environment variable
    nul_byte /commands/0/payload/native/envp/2 a NUL byte ends a text for the kernel
    unknown_port /commands/0/flows/out a command has no port `out`
    bad_media_type /commands/0/flows/stdout `csv` is not a media type
    repeated_success_code /commands/0/success_codes/2 the exit code 0 is listed twice
    unknown_signal /commands/0/stop_signal `term` is not a signal that stops a command
    unknown_command /commands/1/after/1 there is no command `nobody` to wait for
    cycle /commands/1/after/2 the commands wait for each other: b -> b
    cycle /commands/2/after/0 the commands wait for each other: b -> c -> b
    "#);
}

#[test]
fn fan_out_and_a_merged_fan_in_are_fine() {
    let mut error = Edge::between("a:stderr", "b");
    error.merge = Some(crate::MergePolicy::Raw);
    let card = pipeline(&["a", "b", "c"], vec![Edge::between("a", "b"), error, Edge::between("a", "c")]);
    assert_eq!(judged(&card), "");
    assert_eq!(crate::unsupported(&card), []);
}

#[test]
fn a_fan_in_without_a_merge_or_with_two_is_refused() {
    let plain = vec![Edge::between("a", "c"), Edge::between("b", "c")];
    insta::assert_snapshot!(judged(&pipeline(&["a", "b", "c"], plain.clone())), @"port_busy /pipelines/0/edges/1 two edges go into `c`, and nothing says how they are joined");
    let mut two = plain;
    two[0].merge = Some(crate::MergePolicy::Raw);
    two[1].merge = Some(crate::MergePolicy::Line);
    insta::assert_snapshot!(judged(&pipeline(&["a", "b", "c"], two)), @"merge_mismatch /pipelines/0/edges/1/merge the edges into `c` name different merges");
}

#[test]
fn declared_contents_that_do_not_go_together_are_told() {
    let mut card = pipeline(&["a", "b"], vec![Edge::between("a", "b")]);
    card.pipelines[0].nodes[0].flows.0.insert("stdout".into(), "text/csv".into());
    card.pipelines[0].nodes[1].flows.0.insert("stdin".into(), "application/json".into());
    insta::assert_snapshot!(judged(&card), @"flow_mismatch /pipelines/0/edges/0 `a` declares text/csv, but `b` declares application/json");
}

#[test]
fn a_pipeline_belongs_to_the_workspace_of_its_card() {
    let mut card = pipeline(&["a", "b"], Vec::new());
    card.workspace = Some(WorkspaceSpec::labelled("w"));
    for (named, problems) in [("", 0), ("w", 0), ("01J9Z3NDEKTSV4RRFFQ69G5FAV", 0), ("other", 1)] {
        card.pipelines[0].workspace = named.into();
        assert_eq!(check(&card).len(), problems, "{named}");
    }
}

#[test]
fn stop_signals_go_with_and_without_sig() {
    assert_eq!(stop_signal("SIGUSR1"), Some("USR1"));
    assert_eq!(stop_signal("TERM"), Some("TERM"));
    assert_eq!(stop_signal("STOP"), None);
}
