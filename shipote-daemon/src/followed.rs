//! What a session is about, of all that its workspace holds: others may run things in it too, and its earlier runs
//! are still known.

use std::collections::BTreeSet;

use shipote_card::{Card, PipelineSpec};
use shipote_runtime::view::WorkspaceDetail;

/// The commands and pipelines that were asked for, by label.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Followed {
    commands: BTreeSet<String>,
    pipelines: BTreeSet<String>,
}

impl Followed {
    /// Everything that a card declares.
    #[must_use]
    pub fn card(card: &Card) -> Self {
        Self {
            commands: card.commands.iter().map(|command| command.label.clone()).collect(),
            pipelines: card.pipelines.iter().map(|pipeline| pipeline.label.clone()).collect(),
        }
    }

    /// One pipeline.
    #[must_use]
    pub fn pipeline(spec: &PipelineSpec) -> Self {
        Self { commands: BTreeSet::new(), pipelines: BTreeSet::from([spec.label.clone()]) }
    }

    /// Leaves only what is followed in `detail`, and of several runs of a pipeline the newest.
    pub fn narrow(&self, detail: &mut WorkspaceDetail) {
        let pipelines = std::mem::take(&mut detail.pipelines);
        for view in pipelines.into_iter().filter(|view| self.pipelines.contains(&view.label)) {
            match detail.pipelines.iter_mut().find(|kept| kept.label == view.label) {
                // Ids grow with time.
                Some(kept) if kept.id < view.id => *kept = view,
                Some(_) => {}
                None => detail.pipelines.push(view),
            }
        }
        let runs: BTreeSet<String> = detail.pipelines.iter().map(|view| view.id.to_string()).collect();
        detail.commands.retain(|row| match row.kind.as_str() {
            "node" => runs.contains(&row.id),
            "command" => self.commands.contains(&row.label),
            _ => false,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::dag::tests::sample;

    #[test]
    fn what_others_run_and_what_ran_before_is_left_out() {
        let mut detail = sample();
        let mut older = detail.pipelines[0].clone();
        older.id = shipote_card::PipelineId::from_parts(1, 1);
        let mut other = older.clone();
        other.label = "other".to_owned();
        let newest = detail.pipelines[0].id;
        detail.pipelines.extend([older, other]);
        let mut executed = detail.commands[0].clone();
        executed.kind = "exec".to_owned();
        detail.commands.push(executed);

        let mut all = detail.clone();
        let commands = BTreeSet::from(["web".to_owned()]);
        let pipelines = BTreeSet::from(["top-paths".to_owned()]);
        Followed { commands, pipelines: pipelines.clone() }.narrow(&mut all);
        assert_eq!((all.commands.len(), all.pipelines.len(), all.pipelines[0].id), (1, 1, newest));
        Followed { commands: BTreeSet::new(), pipelines }.narrow(&mut detail);
        assert_eq!((detail.commands.len(), detail.pipelines.len()), (0, 1));
    }
}
