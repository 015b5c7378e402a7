//! What the attached verbs share: what the caller brings along, what becomes of the results, and following.

use std::collections::BTreeMap;

use shipote_card::{Card, PipelineSpec};
use shipote_runtime::drive::session::{Caller, SessionEnd};
use terminal_size::{Height, terminal_size_of};

use super::Context;
use crate::client::attached;
use crate::exit::{Code, Failure};
use crate::followed::Followed;
use crate::screen::{Look, Results, Screen};
use crate::wire::Opened;

/// Variables of the caller that every program sees.
const ALWAYS: [&str; 5] = ["PATH", "HOME", "USER", "LANG", "TERM"];

/// Returns what this process brings along: where it stands, and the variables that programs may see.
///
/// # Errors
///
/// Fails where the present directory can't be told.
pub fn caller<'a>(pass: impl IntoIterator<Item = &'a String>) -> Result<Caller, Failure> {
    let cwd = std::env::current_dir().map_err(|error| Failure::current_dir(&error))?.display().to_string();
    let mut env = BTreeMap::new();
    for name in ALWAYS.into_iter().chain(pass.into_iter().map(String::as_str)) {
        if let Ok(value) = std::env::var(name) {
            env.insert(name.to_owned(), value);
        }
    }
    Ok(Caller { cwd, env })
}

/// Returns the names of the variables that a card passes on.
pub fn passed_by(card: &Card) -> impl Iterator<Item = &String> {
    let workspace = card.workspace.iter().flat_map(|spec| &spec.soma.env_pass);
    let commands = card.commands.iter().flat_map(|command| &command.soma.env_pass);
    workspace.chain(commands).chain(card.pipelines.iter().flat_map(passed_by_pipeline))
}

/// Returns the names of the variables that a pipeline passes on.
pub fn passed_by_pipeline(pipeline: &PipelineSpec) -> impl Iterator<Item = &String> {
    pipeline.nodes.iter().flat_map(|node| &node.soma.env_pass)
}

/// Returns the nodes whose stdout nothing reads.
fn sinks(pipeline: &PipelineSpec) -> impl Iterator<Item = &str> {
    let is_read = |label: &str| {
        pipeline
            .edges
            .iter()
            .map(shipote_card::Edge::source)
            .any(|end| end.node == label && end.port == "stdout")
    };
    pipeline.nodes.iter().map(|node| node.label.as_str()).filter(move |label| !is_read(label))
}

/// Returns what becomes of the results of these pipelines.
///
/// # Errors
///
/// Fails where the node that is to be the result is none.
pub fn results(
    context: &Context,
    pipelines: &[PipelineSpec],
    only: Option<&str>,
) -> Result<Results, Failure> {
    let all: Vec<&str> = pipelines.iter().flat_map(sinks).collect();
    if let Some(node) = only {
        let wanted = node.rsplit_once('/').map_or(node, |(_, last)| last);
        if !all.contains(&wanted) {
            let known = pipelines.iter().any(|pipeline| pipeline.node_index(wanted).is_some());
            let why = if known { "its stdout is read by another node" } else { "there is no such node" };
            return Err(Failure::usage(format!("--result {node}: {why}"))
                .hint(format!("results are: {}", all.join(", "))));
        }
    }
    Ok(match (context.out.is_json(), only) {
        (true, _) => Results::Nowhere,
        (false, Some(node)) => Results::Only(node.to_owned()),
        (false, None) if all.len() > 1 => Results::Several,
        (false, None) => Results::Single,
    })
}

/// Returns how a session looks on these streams.
pub fn look(context: &Context, results: Results, followed: Option<Followed>, short_labels: bool) -> Look {
    let out = &context.out;
    let talk = !out.quiet && results != Results::Through;
    Look {
        live: talk && out.stderr_tty,
        stdout_tty: out.stdout_tty,
        talk,
        warn: !out.quiet,
        followed,
        short_labels,
        state_dir: context.place().state_dir.display().to_string(),
        paint: out.paint_err,
        height: terminal_size_of(std::io::stderr()).map_or(24, |(_, Height(lines))| usize::from(lines)),
        results,
    }
}

/// Posts a request, and follows the session that it opens.
///
/// # Errors
///
/// Fails with the daemon's reason, and where the connection is lost.
pub async fn follow<B: serde::Serialize>(
    context: &Context,
    path: &str,
    body: &B,
    look: Look,
    stdin: bool,
    stopping: &str,
) -> Result<(Opened, SessionEnd), Failure> {
    let io = context.client.upgrade(path, body).await?;
    attached::follow(io, &mut Screen::new(look), stdin, stopping).await
}

/// Returns the exit code of a verdict.
#[must_use]
pub const fn verdict(ok: bool) -> u8 {
    if ok { 0 } else { Code::Failed.exit() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use shipote_card::parse::{Syntax, parse};

    #[test]
    fn results_are_what_nothing_reads() {
        let text = r#"
            [[pipelines]]
            label = "p"
            nodes = [
              { label = "a", run = ["a"] },
              { label = "b", run = ["b"] },
              { label = "c", run = ["c"] },
            ]
            edges = [ { from = "a", to = "b", merge = "raw" }, { from = "c:stderr", to = "b", merge = "raw" } ]
        "#;
        let parsed = parse(text, Syntax::Toml, "x");
        let card = parsed.card.unwrap_or_else(|| panic!("{:?}", parsed.problems));
        assert_eq!(sinks(&card.pipelines[0]).collect::<Vec<_>>(), ["b", "c"]);
    }
}
