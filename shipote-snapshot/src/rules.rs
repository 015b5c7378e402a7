//! The rules between entities: ids and names stand once, what is named is there, and no pipeline runs in a circle.

use alloc::borrow::Cow;
use alloc::format;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use shipote_card::Severity;
use shipote_card::label::{check_label, nearest};

use crate::code;
use crate::domain::Collection;
use crate::ordered::Index;
use crate::outline::{Outline, PipelineOutline, RunOutline, WorkspaceOutline};

/// Nodes that are looked at for one with a name like a mistyped one.
const MOST_CANDIDATES: usize = 100;

/// Circles of one pipeline that are told.
const MOST_CYCLES: usize = 16;

/// A place in an entity.
#[derive(Debug, Clone)]
pub(crate) struct Spot {
    pub(crate) collection: Collection,
    pub(crate) index: usize,
    /// JSON pointer within the entity.
    pub(crate) within: String,
}

/// A rule that is broken.
#[derive(Debug)]
pub(crate) struct Breach {
    pub(crate) severity: Severity,
    pub(crate) code: &'static str,
    pub(crate) spot: Spot,
    pub(crate) message: String,
    pub(crate) hint: String,
    pub(crate) related: Option<Spot>,
}

/// Tells every rule that `outline` breaks. Workspaces that turn out bad are marked in it.
pub(crate) fn check(outline: &mut Outline<'_>, tell: &mut dyn FnMut(Breach)) {
    ids_stand_once(outline, tell);
    names_stand_once(outline, tell);
    for (index, workspace) in outline.workspaces.iter().enumerate() {
        let spot = |within: String| Spot { collection: Collection::Workspaces, index, within };
        check_labelled(workspace.label.as_deref(), &spot, || "/spec/label".into(), tell);
        for (position, counter) in &workspace.falls {
            tell(Breach {
                severity: Severity::Note,
                code: code::COUNTER_FELL,
                spot: spot(format!("/stats_history/{position}/{counter}")),
                message: format!("{counter} is lower than in the sample before"),
                hint: "the workspace was probably started again; the samples have no time that would tell"
                    .into(),
                related: None,
            });
        }
    }
    if outline.saved.is_empty() && outline.live.is_empty() && outline.commands.is_empty() {
        // Nothing names a workspace: it need not be known which there are.
        return;
    }
    let known = Known::of(&outline.workspaces);
    for (index, saved) in outline.saved.iter().enumerate() {
        let spot = |within: String| Spot { collection: Collection::SavedPipelines, index, within };
        check_labelled(saved.name.as_deref(), &spot, || "/name".into(), tell);
        check_pipeline(&saved.pipeline, &spot, tell);
        if let Some(named) = saved.pipeline.workspace.as_deref().filter(|named| !named.is_empty())
            && known.find(named).is_none()
        {
            tell(Breach {
                severity: Severity::Warning,
                code: code::UNKNOWN_WORKSPACE,
                spot: spot("/spec/workspace".into()),
                message: format!("no workspace has the id or label `{named}`"),
                hint: "name another one when it is run".into(),
                related: None,
            });
        }
    }
    let runs = [(Collection::LivePipelines, &outline.live), (Collection::Commands, &outline.commands)];
    for (collection, runs) in runs {
        for (index, run) in runs.iter().enumerate() {
            let spot = |within: String| Spot { collection, index, within };
            check_pipeline(&run.pipeline, &spot, tell);
            check_workspace(run, &known, &spot, tell);
        }
    }
}

/// Workspaces by id and by label.
struct Known<'a> {
    workspaces: &'a [WorkspaceOutline<'a>],
    by_id: Index,
    by_label: Index,
}

impl<'a> Known<'a> {
    fn of(workspaces: &'a [WorkspaceOutline<'a>]) -> Self {
        let mut known = Self { workspaces, by_id: Index::default(), by_label: Index::default() };
        for (index, workspace) in workspaces.iter().enumerate() {
            if let Some(id) = workspace.id.as_deref() {
                known.by_id.first(id, index);
            }
            if let Some(label) = workspace.label.as_deref() {
                known.by_label.first(label, index);
            }
        }
        known
    }

    fn find(&self, named: &str) -> Option<usize> {
        let by_name = self.by_id.get(named).or_else(|| self.by_label.get(named));
        by_name.or_else(|| self.by_id.get(&named.to_ascii_uppercase()))
    }
}

fn check_workspace(
    run: &RunOutline<'_>,
    known: &Known<'_>,
    spot: &dyn Fn(String) -> Spot,
    tell: &mut dyn FnMut(Breach),
) {
    let Some(id) = run.workspace.as_deref() else { return };
    let error = |code, message, hint: &str, related| Breach {
        severity: Severity::Error,
        code,
        spot: spot("/workspace".into()),
        message,
        hint: hint.into(),
        related,
    };
    match known.by_id.get(id).map(|index| (index, known.workspaces[index].bad)) {
        None => tell(error(
            code::UNKNOWN_WORKSPACE,
            format!("no workspace has the id {id}"),
            "declare that workspace, or name another one",
            None,
        )),
        Some((index, true)) => tell(error(
            code::WORKSPACE_HELD,
            format!("the workspace {id} has errors and is not restored"),
            "mend the workspace first",
            Some(Spot { collection: Collection::Workspaces, index, within: String::new() }),
        )),
        Some((index, false)) => {
            let named = run.pipeline.workspace.as_deref().unwrap_or_default();
            if !named.is_empty() && known.find(named) != Some(index) {
                tell(Breach {
                    severity: Severity::Warning,
                    code: code::WORKSPACE_DIFFERS,
                    spot: spot("/spec/workspace".into()),
                    message: format!("the spec names the workspace `{named}`, and the entry {id}"),
                    hint: "the entry wins".into(),
                    related: Some(spot("/workspace".into())),
                });
            }
        }
    }
}

fn check_pipeline(
    pipeline: &PipelineOutline<'_>,
    spot: &dyn Fn(String) -> Spot,
    tell: &mut dyn FnMut(Breach),
) {
    check_labelled(pipeline.label.as_deref(), spot, || "/spec/label".into(), tell);
    let Some(nodes) = &pipeline.nodes else { return };
    let mut positions = Index::default();
    for (index, label) in nodes.iter().enumerate() {
        check_labelled(Some(label), spot, || format!("/spec/nodes/{index}/label"), tell);
        positions.first(label, index);
    }
    let mut error = |code, within: String, message, hint| {
        tell(Breach { severity: Severity::Error, code, spot: spot(within), message, hint, related: None });
    };
    let mut graph: Vec<Vec<(usize, usize)>> = vec![Vec::new(); nodes.len()];
    for (index, (from, to)) in pipeline.edges.iter().enumerate() {
        let mut end = |end: &Option<Cow<'_, str>>, field: &str| {
            let text = end.as_deref()?;
            let label = text.split_once(':').map_or(text, |(node, _)| node);
            let position = positions.get(label);
            if position.is_none() {
                let near = nearest(label, positions.names().take(MOST_CANDIDATES));
                let hint = near.map_or_else(String::new, |near| format!("did you mean `{near}`?"));
                let message = format!("no node is called `{label}`");
                error(code::UNKNOWN_NODE, format!("/spec/edges/{index}/{field}"), message, hint);
            }
            position
        };
        let (from, to) = (end(from, "from"), end(to, "to"));
        let (Some(from), Some(to)) = (from, to) else { continue };
        if from == to {
            let message = format!("the edge leads from `{}` to itself", nodes[from]);
            error(code::SELF_EDGE, format!("/spec/edges/{index}"), message, String::new());
        } else {
            graph[from].push((to, index));
        }
    }
    for _ in 0..MOST_CYCLES {
        let Some(cycle) = find_cycle(&graph) else { break };
        // Without its last edge, as the user wrote them, there would be no circle.
        let Some(&(from, last)) = cycle.iter().max_by_key(|(_, edge)| *edge) else { break };
        let mut path = String::new();
        for (node, _) in cycle.iter().chain(cycle.first()) {
            path.push_str(if path.is_empty() { "" } else { " -> " });
            path.push_str(&nodes[*node]);
        }
        let message = format!("the edges lead back to where they began: {path}");
        error(code::CYCLE, format!("/spec/edges/{last}"), message, "a pipeline has no circles".into());
        graph[from].retain(|(_, edge)| *edge != last);
    }
}

/// Returns the nodes of a circle, each with the edge that leaves it, or none.
fn find_cycle(graph: &[Vec<(usize, usize)>]) -> Option<Vec<(usize, usize)>> {
    #[derive(Clone, Copy, PartialEq)]
    enum Seen {
        No,
        OnPath,
        Done,
    }
    let mut seen = vec![Seen::No; graph.len()];
    for start in 0..graph.len() {
        if seen[start] != Seen::No {
            continue;
        }
        // The path holds each node with how many of its edges were followed.
        let mut path = vec![(start, 0)];
        seen[start] = Seen::OnPath;
        while let Some((node, followed)) = path.last_mut() {
            let Some(&(next, _)) = graph[*node].get(*followed) else {
                seen[*node] = Seen::Done;
                path.pop();
                continue;
            };
            *followed += 1;
            match seen[next] {
                Seen::Done => {}
                Seen::No => {
                    seen[next] = Seen::OnPath;
                    path.push((next, 0));
                }
                Seen::OnPath => {
                    let begin = path.iter().position(|(node, _)| *node == next)?;
                    return Some(
                        path[begin..].iter().map(|(node, i)| (*node, graph[*node][i - 1].1)).collect(),
                    );
                }
            }
        }
    }
    None
}

fn check_labelled(
    label: Option<&str>,
    spot: &dyn Fn(String) -> Spot,
    within: impl FnOnce() -> String,
    tell: &mut dyn FnMut(Breach),
) {
    if let Some(label) = label
        && let Err(error) = check_label(label)
    {
        tell(Breach {
            severity: Severity::Warning,
            code: code::STRANGE_LABEL,
            spot: spot(within()),
            message: format!("the label `{label}` {error}"),
            hint: "it is kept, and reached by its id".into(),
            related: None,
        });
    }
}

fn ids_stand_once(outline: &mut Outline<'_>, tell: &mut dyn FnMut(Breach)) {
    let is_alone = outline.live.is_empty() && outline.commands.is_empty();
    if is_alone && outline.workspaces.is_sorted_by(|one, next| one.id.is_some() && one.id < next.id) {
        // As they are made, each later than the one before: none stands twice.
        return;
    }
    let mut first = Index::default();
    let mut places: Vec<(Collection, usize)> = Vec::new();
    let mut seen = |collection: Collection, index: usize, id| {
        let Some(id) = id else { return false };
        let Some(before) = first.first(id, places.len()) else {
            places.push((collection, index));
            return false;
        };
        let (other, at) = places[before];
        tell(Breach {
            severity: Severity::Error,
            code: code::DUPLICATE_ID,
            spot: Spot { collection, index, within: "/id".into() },
            message: format!("the id {id} stands twice"),
            hint: "every entity has an id of its own".into(),
            related: Some(Spot { collection: other, index: at, within: "/id".into() }),
        });
        true
    };
    for (index, WorkspaceOutline { id, bad, .. }) in outline.workspaces.iter_mut().enumerate() {
        *bad |= seen(Collection::Workspaces, index, id.as_deref());
    }
    for (index, live) in outline.live.iter().enumerate() {
        seen(Collection::LivePipelines, index, live.id.as_deref());
    }
    for (index, command) in outline.commands.iter().enumerate() {
        seen(Collection::Commands, index, command.id.as_deref());
    }
}

fn names_stand_once(outline: &Outline<'_>, tell: &mut dyn FnMut(Breach)) {
    let mut first = Index::default();
    for (index, saved) in outline.saved.iter().enumerate() {
        let Some(name) = saved.name.as_deref() else { continue };
        let spot = |index| Spot { collection: Collection::SavedPipelines, index, within: "/name".into() };
        if let Some(at) = first.first(name, index) {
            tell(Breach {
                severity: Severity::Error,
                code: code::DUPLICATE_NAME,
                spot: spot(index),
                message: format!("a pipeline is already saved as `{name}`"),
                hint: "give one of them another name".into(),
                related: Some(spot(at)),
            });
        }
    }
}
