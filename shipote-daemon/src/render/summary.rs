//! What is said at the end: a verdict per node with what it cost, bytes and type per edge, and where it can be
//! looked at again.

use shipote_runtime::view::{NodeVerdict, PipelineVerdict, PipelineView, WorkspaceDetail};

use super::dag::{edge_bytes, edge_type, exit_text, phase_text};
use super::paint::Paint;
use super::quantity::{NONE, cpu, now_ms, size_or_none, span};
use super::table::Table;
use crate::exit::launch_text;

/// Returns the summary of a session that followed a workspace.
#[must_use]
pub fn session(detail: &WorkspaceDetail, state_dir: &str, paint: Paint) -> String {
    let mut text = String::new();
    for pipeline in &detail.pipelines {
        text.push_str(&self::pipeline(pipeline, paint));
    }
    let commands: Vec<_> = detail.commands.iter().filter(|command| command.kind != "node").collect();
    if !commands.is_empty() {
        let mut table = Table::new(&["COMMAND", "PHASE", "EXIT", ">RESTARTS", ">CPU"]);
        for command in commands {
            let exit = match (&command.failure, command.exit) {
                (Some(failure), _) => launch_text(failure),
                (None, Some(exit)) => exit_text(exit),
                (None, None) => NONE.to_owned(),
            };
            table.row([
                command.label.clone(),
                phase_text(command.phase).to_owned(),
                exit,
                command.restarts.to_string(),
                cpu(command.cpu_usec),
            ]);
        }
        text.push_str(&table.render(paint));
    }
    let label = &detail.workspace.label;
    if detail.workspace.expires_at_ms.is_some_and(|end| end <= now_ms()) {
        text.push_str(&format!("the time to live of {label} is over, and what ran in it was ended\n"));
    }
    if detail.workspace.ephemeral {
        return text;
    }
    text.push_str(&format!(
        "state: {state_dir}  (shipote ws show {label}, shipote stats {label} --history)\n"
    ));
    text
}

/// Returns the summary of one pipeline.
#[must_use]
pub fn pipeline(view: &PipelineView, paint: Paint) -> String {
    let verdict = match view.verdict {
        Some(PipelineVerdict::Ok) => paint.green("ok"),
        Some(PipelineVerdict::Failed) => paint.red("failed"),
        Some(PipelineVerdict::Cancelled) => "cancelled".to_owned(),
        None => phase_text(view.phase).to_owned(),
    };
    let time = match (view.started_at_ms, view.ended_at_ms) {
        (Some(start), Some(end)) => format!(" in {}", span(end.saturating_sub(start))),
        _ => String::new(),
    };
    let cause = view.cause.as_ref().map_or_else(String::new, |cause| format!(", because of {cause}"));
    let mut text = format!("{}/{}: {verdict}{time}{cause}\n", view.workspace, view.label);
    let mut nodes = Table::new(&["NODE", "VERDICT", "EXIT", ">CPU", ">PEAK"]);
    for node in &view.nodes {
        let verdict = match node.verdict {
            Some(NodeVerdict::Ok) => paint.green("ok"),
            Some(NodeVerdict::Forgiven) => paint.green("forgiven"),
            Some(NodeVerdict::Failed) => paint.red("failed"),
            Some(NodeVerdict::Cancelled) => "cancelled".to_owned(),
            None => phase_text(node.phase).to_owned(),
        };
        let mut exit = match (&node.failure, node.exit) {
            (Some(failure), _) => launch_text(failure),
            (None, Some(exit)) => exit_text(exit),
            (None, None) => NONE.to_owned(),
        };
        if node.input_truncated && node.verdict != Some(NodeVerdict::Cancelled) {
            exit.push_str(", input cut short");
        }
        nodes.row([node.label.clone(), verdict, exit, cpu(node.cpu_usec), size_or_none(node.rss_peak_bytes)]);
    }
    text.push_str(&nodes.render(paint));
    if !view.edges.is_empty() {
        let mut edges = Table::new(&["EDGE", ">BYTES", "TYPE"]);
        for edge in &view.edges {
            let kind = edge_type(edge, paint);
            let kind = if kind.is_empty() { NONE.to_owned() } else { kind };
            edges.row([format!("{}..{}", edge.from, edge.to), edge_bytes(edge), kind]);
        }
        text.push_str(&edges.render(paint));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::dag::tests::sample;
    use shipote_runtime::view::Exit;

    #[test]
    fn a_summary_tells_verdicts_costs_bytes_and_where_to_look() {
        let mut detail = sample();
        let pipeline = &mut detail.pipelines[0];
        pipeline.verdict = Some(PipelineVerdict::Failed);
        pipeline.cause = Some("sort".to_owned());
        pipeline.ended_at_ms = Some(3_500);
        for node in &mut pipeline.nodes {
            node.verdict.get_or_insert(NodeVerdict::Failed);
            node.exit.get_or_insert(Exit { code: Some(2), signal: None });
        }
        pipeline.nodes[0].input_truncated = true;
        insta::assert_snapshot!(session(&detail, "/var/lib/shipote", Paint::PLAIN), @r"
        access-log/top-paths: failed in 2.5s, because of sort
        NODE   VERDICT  EXIT                      CPU     PEAK
        top    failed   exit 2, input cut short     -        -
        unzip  ok       exit 0                   1.2s  3.3 MiB
        sort   failed   exit 2                      -        -
        EDGE               BYTES  TYPE
        unzip..sort  1 234 567 B  text/plain
        sort..top        ≈ 512 B  text/csv (declared)
        COMMAND  PHASE    EXIT  RESTARTS    CPU
        web      running  -            2  120ms
        state: /var/lib/shipote  (shipote ws show access-log, shipote stats access-log --history)
        ");
    }
}
