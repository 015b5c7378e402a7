//! The restore plan: what a start does with each entity of a state, and why. The daemon follows it; `state plan`
//! shows it.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use serde::Serialize;
use shipote_card::WorkspaceId;

use crate::domain::{Collection, Counters, Desired, ShipoteSnapshot};
use crate::ordered::sort_by_key;

/// What a start does with one entity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// It is declared again; nothing of it has to run.
    Restored,
    /// It is declared and started again.
    Relaunch,
    /// It is declared again, and stays as it was: stopped.
    StaysStopped,
    /// It ran without a restart policy; it is declared again, and told once to be lost.
    Lost,
    /// The time of its workspace is over; it is declared again, and can't run.
    Expired,
    /// It was not understood; it is kept as it is.
    Held,
}

impl Action {
    /// Returns its name in reports.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Restored => "restored",
            Self::Relaunch => "relaunch",
            Self::StaysStopped => "stays_stopped",
            Self::Lost => "lost",
            Self::Expired => "expired",
            Self::Held => "held",
        }
    }
}

/// What a start does with one entity, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Step {
    /// The list that it stands in: its key in `state.json`.
    pub collection: Collection,
    /// Its id; the name of a saved pipeline; empty for an entity that was not understood.
    pub id: String,
    /// Its label; empty for an entity that was not understood.
    pub label: String,
    /// What is done.
    pub action: Action,
    /// Why, as a sentence fragment.
    pub why: String,
    /// Earliest time of the start, in milliseconds since the Unix epoch; none for at once or never.
    pub not_before_ms: Option<u64>,
}

/// Returns what a start at `now_ms` (milliseconds since the Unix epoch) does with each entity, in their order.
///
/// A daemon that was started in the background by a client brings `relaunch: false`: it starts nothing by itself.
#[must_use]
pub fn plan(snapshot: &ShipoteSnapshot, now_ms: u64, relaunch: bool) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut ends: Vec<WorkspaceId> = Vec::new();
    for entry in &snapshot.workspaces {
        let expired = entry.expires_at_ms.filter(|end| *end <= now_ms);
        ends.extend(expired.map(|_| entry.id));
        let (action, why) = match expired {
            Some(end) => (Action::Expired, format!("its ttl ended {} s ago", (now_ms - end) / 1000)),
            None => (Action::Restored, "declared".into()),
        };
        steps.push(step(Collection::Workspaces, &entry.id, &entry.spec.label, (action, why, None)));
    }
    sort_by_key(&mut ends, |id| id.as_u128());
    let is_over = |id: WorkspaceId| ends.binary_search(&id).is_ok();
    for entry in &snapshot.saved_pipelines {
        let done = (Action::Restored, "saved".into(), None);
        steps.push(step(Collection::SavedPipelines, &entry.name, &entry.spec.label, done));
    }
    for entry in &snapshot.live_pipelines {
        let spec = &entry.spec;
        let policy = spec.restart_on_failure.then_some(spec.restart_max);
        let expired = is_over(entry.workspace);
        let done = fate(entry.desired, policy, &entry.counters, expired, relaunch, now_ms);
        steps.push(step(Collection::LivePipelines, &entry.id, &spec.label, done));
    }
    for entry in &snapshot.commands {
        let policy = entry.spec.restart().map(|policy| policy.max);
        let expired = is_over(entry.workspace);
        let done = fate(entry.desired, policy, &entry.counters, expired, relaunch, now_ms);
        steps.push(step(Collection::Commands, &entry.id, &entry.spec.label, done));
    }
    for entity in &snapshot.held {
        let done = (Action::Held, "it has errors; see `shipote state verify`".into(), None);
        steps.push(step(entity.collection, &"", "", done));
    }
    steps
}

type Fate = (Action, String, Option<u64>);

fn step(collection: Collection, id: &dyn ToString, label: &str, (action, why, not_before_ms): Fate) -> Step {
    Step { collection, id: id.to_string(), label: label.into(), action, why, not_before_ms }
}

/// Returns what becomes of something that can run. `policy` is its largest number of restarts, if it has a policy.
fn fate(
    desired: Desired,
    policy: Option<u32>,
    counters: &Counters,
    expired: bool,
    relaunch: bool,
    now_ms: u64,
) -> Fate {
    match (desired, policy) {
        (Desired::Stopped, _) => (Action::StaysStopped, "it was stopped".into(), None),
        (Desired::Running, _) if expired => {
            (Action::Expired, "the ttl of its workspace has ended".into(), None)
        }
        (Desired::Running, None) => (Action::Lost, "it ran without a restart policy".into(), None),
        (Desired::Running, Some(max)) if max > 0 && counters.restarts >= max => {
            (Action::StaysStopped, format!("its policy gave up after {max} restarts"), None)
        }
        (Desired::Running, Some(_)) if !relaunch => {
            (Action::StaysStopped, "this daemon relaunches nothing by itself".into(), None)
        }
        (Desired::Running, Some(_)) => {
            let wait = counters.next_at_ms.filter(|next| *next > now_ms);
            (Action::Relaunch, "it ran, and its restart policy says so".into(), wait)
        }
    }
}
