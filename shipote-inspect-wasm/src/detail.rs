//! Everything about one workspace: its rules in words, its commands and pipelines, and what it has cost.

use shipote_snapshot::{Desired, ShipoteSnapshot};

use crate::question::Question;
use crate::session::{File, State};
use crate::tell::{Object, error};
use crate::visible::visible;
use crate::words::{self, Words};
use crate::workspaces;

/// Returns the workspace whose id `question.filter` is.
pub(crate) fn workspace(state: &State, files: &[File], question: &Question) -> String {
    let Some(snapshot) = &state.snapshot else { return error("nothing could be read") };
    let found =
        snapshot.workspaces.iter().enumerate().find(|(_, entry)| entry.id.to_string() == question.filter);
    let Some((at, entry)) = found else { return error("this state has no workspace of that id") };
    let commands: Vec<String> = snapshot
        .commands
        .iter()
        .filter(|command| command.workspace == entry.id)
        .map(|command| {
            let mut words = Words(words::of_command(&command.spec, question.show));
            words::of_counters(&command.counters, &mut words);
            Object::new()
                .text("id", &command.id.to_string())
                .text("label", &visible(&command.spec.label))
                .text("typed", &words::typed(&command.spec))
                .flag("running", command.desired == Desired::Running)
                .list("words", &words.0)
                .end()
        })
        .collect();
    Object::new()
        .json("row", &workspaces::row(at, entry, snapshot, &state.points))
        .text("pointer", &format!("/workspaces/{at}"))
        .list("words", &words::of_workspace(&entry.spec, question.show))
        .list("commands", &commands)
        .list("pipelines", &pipelines(snapshot, entry.id))
        .flag("secrets", state.secrets(files))
        .end()
}

fn pipelines(snapshot: &ShipoteSnapshot, workspace: shipote_card::WorkspaceId) -> Vec<String> {
    let of = |kind: &str, label: &str, at: usize| {
        Object::new().text("kind", kind).text("label", &visible(label)).number("at", at as u64).end()
    };
    let live = snapshot.live_pipelines.iter().enumerate().filter(|(_, entry)| entry.workspace == workspace);
    let id = workspace.to_string();
    let label = snapshot.workspace(workspace).map_or("", |entry| entry.spec.label.as_str());
    let saved = snapshot.saved_pipelines.iter().enumerate();
    let saved = saved.filter(|(_, entry)| entry.spec.workspace == id || entry.spec.workspace == label);
    live.map(|(at, entry)| of("live", &entry.spec.label, at))
        .chain(saved.map(|(at, entry)| of("saved", &entry.name, at)))
        .collect()
}
