//! What the upgrade of an older file changes: its steps, and each entity before and after.

use shipote_snapshot::{Collection, Entity, SNAPSHOT_VERSION, Verdict, render};

use crate::compare::{covered, fields, kind};
use crate::question::Question;
use crate::raw::pointed;
use crate::session::{File, State};
use crate::tell::{Object, error};
use crate::visible::visible;

/// Most notes of one step that are told.
const MOST: usize = 100;

/// What each version brought.
const BROUGHT: [(u16, &str); 4] = [
    (2, "pipelines that are saved by name"),
    (3, "pipelines that run, so that they can be started again"),
    (4, "histories of what workspaces cost"),
    (5, "a lineage and serial numbers; supervised commands; ids, counters and what ought to run"),
];

/// Returns the steps, and the entities of the file.
pub(crate) fn upgrade(state: &State) -> String {
    let version =
        state.report.version.as_deref().and_then(|version| version.parse::<u16>().ok()).unwrap_or(0);
    let steps: Vec<String> = BROUGHT
        .iter()
        .filter(|(to, _)| *to > version && version > 0)
        .map(|(to, brought)| {
            let of_step = state.notes.iter().filter(|note| note.version == *to);
            let notes: Vec<String> = of_step
                .clone()
                .take(MOST)
                .map(|note| {
                    Object::new()
                        .text("pointer", &visible(&note.pointer))
                        .text("message", &visible(&note.message))
                        .end()
                })
                .collect();
            Object::new()
                .number("to", u64::from(*to))
                .text("brought", brought)
                .list("notes", &notes)
                .number("more", of_step.count().saturating_sub(MOST) as u64)
                .end()
        })
        .collect();
    let entities: Vec<String> = entities(state)
        .take(2_000)
        .map(|(list, at, entity)| {
            Object::new()
                .text("kind", kind(list))
                .text("label", &visible(entity.label()))
                .text("pointer", &format!("/{list}/{at}"))
                .end()
        })
        .collect();
    Object::new()
        .number("from", u64::from(version))
        .number("to", u64::from(SNAPSHOT_VERSION))
        .flag("whole", is_whole(state))
        .list("steps", &steps)
        .list("entities", &entities)
        .end()
}

/// Returns the entities with their positions in the file, which are those of the state where nothing is held back.
fn entities(state: &State) -> impl Iterator<Item = (Collection, usize, Entity)> {
    let snapshot = state.snapshot.as_ref().filter(|_| is_whole(state));
    let workspaces = snapshot
        .into_iter()
        .flat_map(|snapshot| snapshot.workspaces.iter().cloned().map(Entity::from).enumerate());
    let saved = snapshot
        .into_iter()
        .flat_map(|snapshot| snapshot.saved_pipelines.iter().cloned().map(Entity::from).enumerate());
    let live = snapshot
        .into_iter()
        .flat_map(|snapshot| snapshot.live_pipelines.iter().cloned().map(Entity::from).enumerate());
    let all = workspaces.chain(saved).chain(live);
    all.map(|(at, entity)| (entity.collection(), at, entity))
}

pub(crate) fn is_whole(state: &State) -> bool {
    matches!(state.report.verdict, Verdict::Valid | Verdict::Upgradable)
}

/// Returns one entity of the file before and after, and what differs.
pub(crate) fn before_and_after(state: &State, files: &[File], question: &Question) -> String {
    let wanted = question.filter.as_str();
    let found = entities(state).find(|(list, at, _)| wanted == format!("/{list}/{at}"));
    let Some((_, _, entity)) = found else { return error("there is no such entity") };
    let file = state.files.first().map(|at| &files[*at].bytes);
    let before = file.and_then(|bytes| {
        let (from, to) = pointed(bytes, wanted)?;
        Some(String::from_utf8_lossy(&bytes[from..to]).into_owned())
    });
    let Some(before) = before else { return error("the file has no such entity") };
    let after = entity.to_json();
    let changed = shipote_snapshot::fields::fields(&before, &after).unwrap_or_default();
    let pretty = |json: &str| match question.show {
        true => serde_json::from_str::<serde_json::Value>(json)
            .and_then(|value| serde_json::to_string_pretty(&value))
            .unwrap_or_default(),
        false => covered(json),
    };
    Object::new()
        .list("fields", &fields(&changed, question.show))
        .text("before", &pretty(&before))
        .text("after", &pretty(&after))
        .end()
}

/// Returns the whole state in the newest version, as `shipote state upgrade` prints it; none where it is not all understood.
pub(crate) fn upgraded(state: &State) -> Option<String> {
    state.snapshot.as_ref().filter(|_| is_whole(state)).map(render)
}

#[cfg(test)]
mod tests {
    use crate::session::tests::open;

    #[test]
    fn an_older_file_tells_its_steps_and_what_they_change() {
        let (session, _) = open(include_bytes!("../../tests/fixtures/state/v3-full.json"));
        insta::assert_snapshot!(session.ask(r#"{"ask":"upgrade","state":0}"#), @r#"{"from":3,"to":5,"whole":true,"steps":[{"to":4,"brought":"histories of what workspaces cost","notes":[{"pointer":"/workspaces","message":"no workspace has a history of samples yet"}],"more":0},{"to":5,"brought":"a lineage and serial numbers; supervised commands; ids, counters and what ought to run","notes":[{"pointer":"/lineage","message":"derived from the file"},{"pointer":"/live_pipelines/0","message":"gets an id derived from the file, and is desired to run"},{"pointer":"/live_pipelines/1","message":"gets an id derived from the file, and is desired to run"}],"more":0}],"entities":[{"kind":"workspace","label":"access-log","pointer":"/workspaces/0"},{"kind":"workspace","label":"b","pointer":"/workspaces/1"},{"kind":"saved pipeline","label":"echo-cat","pointer":"/saved_pipelines/0"},{"kind":"live pipeline","label":"live-one","pointer":"/live_pipelines/0"},{"kind":"live pipeline","label":"live-two","pointer":"/live_pipelines/1"}]}"#);
        let told = session.ask(r#"{"ask":"before_and_after","state":0,"filter":"/live_pipelines/0"}"#);
        let told: serde_json::Value = serde_json::from_str(&told).unwrap();
        insta::assert_snapshot!(serde_json::to_string_pretty(&told["fields"]).unwrap(), @r#"
        [
          {
            "new": "{\"policy\":\"warn\"}",
            "old": "\"Warn\"",
            "pointer": "/spec/edges/0/discern"
          },
          {
            "new": "\"on\"",
            "old": "\"On\"",
            "pointer": "/spec/edges/0/tap"
          },
          {
            "new": "\"drop_newest\"",
            "old": "\"DropNewest\"",
            "pointer": "/spec/edges/1/full"
          },
          {
            "new": "\"line\"",
            "old": "\"Line\"",
            "pointer": "/spec/edges/1/merge"
          },
          {
            "new": null,
            "old": "{\"argv\":[\"hi\"],\"envp\":[],\"exec\":\"/bin/echo\"}",
            "pointer": "/spec/nodes/0/payload/Native"
          },
          {
            "new": "{\"argv\":[\"hi\"],\"envp\":[],\"exec\":\"/bin/echo\"}",
            "old": null,
            "pointer": "/spec/nodes/0/payload/native"
          },
          {
            "new": "\"one_shot\"",
            "old": "\"OneShot\"",
            "pointer": "/spec/nodes/0/supervision"
          },
          {
            "new": "2",
            "old": "\"2s\"",
            "pointer": "/spec/nodes/1/grace"
          },
          {
            "new": null,
            "old": "{\"argv\":[],\"envp\":[],\"exec\":\"cat\"}",
            "pointer": "/spec/nodes/1/payload/Native"
          },
          {
            "new": "{\"argv\":[],\"envp\":[],\"exec\":\"cat\"}",
            "old": null,
            "pointer": "/spec/nodes/1/payload/native"
          },
          {
            "new": "5",
            "old": "\"5s\"",
            "pointer": "/spec/nodes/1/ready/timeout"
          },
          {
            "new": null,
            "old": "{\"backoff_ms\":100,\"jitter\":false,\"max\":3,\"max_backoff_ms\":5000,\"on\":\"Always\",\"stable_ms\":60000}",
            "pointer": "/spec/nodes/1/supervision/Restart"
          },
          {
            "new": "{\"backoff_ms\":100,\"jitter\":false,\"max\":3,\"max_backoff_ms\":5000,\"on\":\"always\",\"stable_ms\":60000}",
            "old": null,
            "pointer": "/spec/nodes/1/supervision/restart"
          },
          {
            "new": null,
            "old": "{\"script\":\"wc -l\"}",
            "pointer": "/spec/nodes/2/payload/Shell"
          },
          {
            "new": "{\"script\":\"wc -l\"}",
            "old": null,
            "pointer": "/spec/nodes/2/payload/shell"
          },
          {
            "new": "{}",
            "old": null,
            "pointer": "/spec/nodes/2/flows"
          },
          {
            "new": "{}",
            "old": null,
            "pointer": "/spec/nodes/2/soma"
          },
          {
            "new": "\"one_shot\"",
            "old": null,
            "pointer": "/spec/nodes/2/supervision"
          },
          {
            "new": "{\"next_at_ms\":null,\"restarts\":0}",
            "old": null,
            "pointer": "/counters"
          },
          {
            "new": "\"running\"",
            "old": null,
            "pointer": "/desired"
          },
          {
            "new": "\"01K742SG00QHCY434WBPSCXSJC\"",
            "old": null,
            "pointer": "/id"
          }
        ]
        "#);
    }

    #[test]
    fn a_damaged_file_is_not_upgraded() {
        let (session, _) = open(include_bytes!("../../tests/fixtures/state/damaged-ids.json"));
        assert!(session.ask(r#"{"ask":"upgraded","state":0}"#).contains("error"));
        assert!(session.ask(r#"{"ask":"upgrade","state":0}"#).contains("\"whole\":false"));
    }
}
