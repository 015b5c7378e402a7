//! Two states beside each other: what was added, removed and changed, field by field.

use std::collections::BTreeMap;

use serde_json::Value;
use shipote_card::id::parse_canonical;
use shipote_snapshot::diff::{Change, Diff, EntityName, FieldChange};
use shipote_snapshot::{Collection, DiffOptions, Entity, ShipoteSnapshot, diff};

use crate::question::Question;
use crate::session::{Session, State};
use crate::tell::{Object, error, text};
use crate::visible::{visible, visible_to};

/// Most entities and fields of each kind that are told.
const MOST: usize = 400;

/// Returns how the state `other` differs from the state `state`, by ids and never by position.
pub(crate) fn compare(session: &Session, question: &Question) -> String {
    let of = |at: usize| session.states.get(at).and_then(|state| Some((state, state.snapshot.as_ref()?)));
    let (Some((before, old)), Some((after, new))) = (of(question.state), of(question.other)) else {
        return error("one of the two can't be read as a state");
    };
    let diff = difference((before, old), (after, new));
    let changed: Vec<String> = diff
        .changed
        .iter()
        .take(MOST)
        .map(|change| named(&change.entity).list("fields", &fields(&change.fields, question.show)).end())
        .collect();
    let list =
        |names: &[&EntityName]| names.iter().take(MOST).map(|name| named(name).end()).collect::<Vec<_>>();
    // The same label under another id: it was removed and declared again, and its history begins anew.
    // What the other side holds back is there, and not understood: it is neither gone nor new.
    let (held_now, removed) = parted(&diff.removed, new);
    let (held_before, added) = parted(&diff.added, old);
    let held = [held_now, held_before].concat();
    let again = |name: &&&EntityName| {
        let twin = |other: &&EntityName| other.collection == name.collection && other.label == name.label;
        name.collection != Collection::SavedPipelines && removed.iter().any(twin)
    };
    let recreated: Vec<&EntityName> = added.iter().take(MOST).filter(again).copied().collect();
    let all = |state: &State| {
        let counts = &state.report.counts;
        counts.workspaces + counts.commands + counts.saved_pipelines + counts.live_pipelines - counts.held
    };
    let changes = diff.changed.len() as u64;
    Object::new()
        .list("added", &list(&added))
        .list("removed", &list(&removed))
        .list("changed", &changed)
        .list("recreated", &list(&recreated))
        .list("held", &list(&held))
        .list("head", &head(before, after))
        .number("added_count", added.len() as u64)
        .number("removed_count", removed.len() as u64)
        .number("held_count", held.len() as u64)
        .number("changed_count", changes)
        .number("unchanged", all(after).saturating_sub(changes + diff.added.len() as u64))
        .flag("kin", is_derived(before) || is_derived(after) || old.lineage == new.lineage)
        .end()
}

/// Returns how two states differ, without their samples.
///
/// Before version 5, ids of live pipelines are derived from the file, which makes another one of each in the next file:
/// those are told by their labels.
pub(crate) fn difference(
    (before, old): (&State, &ShipoteSnapshot),
    (after, new): (&State, &ShipoteSnapshot),
) -> Diff {
    let mut diff = diff(old, new, DiffOptions { stats_history: false });
    if is_derived(before) || is_derived(after) {
        let Diff { added, removed, changed } = &mut diff;
        let live = |state: &ShipoteSnapshot, name: &EntityName| {
            state.live_pipelines.iter().find(|entry| entry.id.to_string() == name.id).cloned()
        };
        removed.retain(|gone| {
            let is_twin =
                |came: &EntityName| (came.collection, &came.label) == (gone.collection, &gone.label);
            let Some(at) = added.iter().position(is_twin) else { return true };
            let (Some(mut earlier), Some(later)) = (live(old, gone), live(new, &added[at])) else {
                return true;
            };
            if earlier.workspace != later.workspace {
                return true;
            }
            earlier.id = later.id;
            let [earlier, later] = [earlier, later].map(|entry| Entity::from(entry).to_json());
            let fields = shipote_snapshot::fields::fields(&earlier, &later).unwrap_or_default();
            let entity = added.remove(at);
            if !fields.is_empty() {
                changed.push(Change { entity, fields });
            }
            false
        });
    }
    diff
}

/// The version that gave ids to live pipelines, and a lineage to states.
const FIRST_WITH_IDS: u64 = 5;

/// Returns whether ids and lineage of a state are derived from its file.
fn is_derived(state: &State) -> bool {
    let version = state.report.version.as_deref().and_then(|version| version.parse().ok());
    version.is_some_and(|version: u64| version < FIRST_WITH_IDS)
}

/// Parts names of entities: those of what `other` holds back, since it is not understood there, and all others.
pub(crate) fn parted<'n>(
    names: &'n [EntityName],
    other: &ShipoteSnapshot,
) -> (Vec<&'n EntityName>, Vec<&'n EntityName>) {
    // By list and id: what is not understood, and the ids that what is understood has.
    let mut held: BTreeMap<String, u64> = BTreeMap::new();
    let mut ids: BTreeMap<String, u64> = BTreeMap::new();
    if !other.held.is_empty() {
        ids.extend(other.workspaces.iter().map(|entry| (entry.id.to_string(), 0)));
        ids.extend(other.live_pipelines.iter().map(|entry| (entry.id.to_string(), 0)));
        ids.extend(other.commands.iter().map(|entry| (entry.id.to_string(), 0)));
    }
    for entity in &other.held {
        let value: Value = serde_json::from_str(&entity.raw).unwrap_or_default();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        // Without an id that is one, and its own, it is known by its label.
        let (mark, name) = match (text(&value["id"]), text(&value["name"])) {
            (id, _) if parse_canonical(&id).is_ok() && !ids.contains_key(&id) => ("", id),
            (_, name) if !name.is_empty() => ("", name),
            _ => ("label ", text(&value["spec"]["label"])),
        };
        held.insert(format!("{}/{mark}{name}", entity.collection.key()), 0);
    }
    names.iter().partition(|name| {
        let list = name.collection.key();
        held.contains_key(&format!("{list}/{}", name.id))
            || held.contains_key(&format!("{list}/label {}", name.label))
    })
}

/// Returns what differs in the document's own fields.
fn head(before: &State, after: &State) -> Vec<String> {
    let told = |state: &State| {
        let snapshot = state.snapshot.as_ref();
        let number = |value: fn(&shipote_snapshot::ShipoteSnapshot) -> u64| {
            snapshot.map(|snapshot| value(snapshot).to_string()).unwrap_or_default()
        };
        [
            ("version", state.report.version.clone().unwrap_or_default()),
            ("serial", number(|snapshot| snapshot.serial)),
            ("journal_seq", number(|snapshot| snapshot.journal_seq)),
            ("timestamp_ms", number(|snapshot| snapshot.timestamp_ms)),
            ("producer", snapshot.map(|snapshot| snapshot.producer.clone()).unwrap_or_default()),
            (
                "lineage",
                snapshot
                    .filter(|_| !is_derived(before) && !is_derived(after))
                    .map(|snapshot| snapshot.lineage.to_string())
                    .unwrap_or_default(),
            ),
        ]
    };
    told(before)
        .into_iter()
        .zip(told(after))
        .filter(|(old, new)| old.1 != new.1)
        .map(|((name, old), (_, new))| {
            Object::new()
                .text("pointer", &format!("/{name}"))
                .text("old", &visible(&old))
                .text("new", &visible(&new))
                .end()
        })
        .collect()
}

fn named(name: &EntityName) -> Object {
    Object::new()
        .text("kind", kind(name.collection))
        .text("id", &visible(&name.id))
        .text("label", &visible(&name.label))
}

/// Returns what an entity of a list is called.
pub(crate) const fn kind(collection: Collection) -> &'static str {
    match collection {
        Collection::Workspaces => "workspace",
        Collection::SavedPipelines => "saved pipeline",
        Collection::LivePipelines => "live pipeline",
        Collection::Commands => "command",
    }
}

/// Returns fields that differ; values of environment variables only where they are asked for.
pub(crate) fn fields(fields: &[FieldChange], show: bool) -> Vec<String> {
    fields
        .iter()
        .take(MOST)
        .map(|field| {
            let inside = field.pointer.split('/').any(|step| matches!(step, "env" | "envp"));
            let value = |value: &Option<Value>| {
                value.as_ref().map(|value| {
                    let mut value = value.clone();
                    if !show {
                        cover(&mut value, inside);
                    }
                    visible_to(&serde_json::to_string(&value).unwrap_or_default(), 400)
                })
            };
            Object::new()
                .text("pointer", &visible(&field.pointer))
                .maybe("old", value(&field.old).as_deref())
                .maybe("new", value(&field.new).as_deref())
                .end()
        })
        .collect()
}

/// Returns a text of JSON with the values of environments covered.
pub(crate) fn covered(json: &str) -> String {
    let Ok(mut value) = serde_json::from_str::<Value>(json) else { return text("") };
    cover(&mut value, false);
    serde_json::to_string_pretty(&value).unwrap_or_default()
}

fn cover(value: &mut Value, inside: bool) {
    match value {
        Value::Object(members) => {
            for (key, member) in members {
                cover(member, inside || matches!(key.as_str(), "env" | "envp"));
            }
        }
        Value::Array(list) => list.iter_mut().for_each(|value| cover(value, inside)),
        Value::String(word) if inside => {
            // The name of a variable is no secret.
            let name = word.split_once('=').map_or(String::new(), |(name, _)| format!("{name}="));
            *word = format!("{name}••••••");
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn two(old: &str, new: &str) -> Session {
        let mut session = Session::default();
        for (name, text) in [("old.json", old), ("new.json", new)] {
            session.begin(name, text.len());
            session.take(text.as_bytes());
            session.end();
        }
        session.judge();
        session
    }

    const OLD: &str = r#"{"version":5,"timestamp_ms":1,"workspaces":[
        {"id":"01J9Z3NDEKTSV4RRFFQ69G5FAV","spec":{"label":"a","soma":{"env":{"KEY":"secret"},"pids_max":4}}},
        {"id":"01J9Z3NDEKTSV4RRFFQ69G5FAW","spec":{"label":"gone"}},
        {"id":"01J9Z3NDEKTSV4RRFFQ69G5FAX","spec":{"label":"again"}}]}"#;
    const NEW: &str = r#"{"version":5,"timestamp_ms":2,"workspaces":[
        {"id":"01J9Z3NDEKTSV4RRFFQ69G5FAZ","spec":{"label":"again"}},
        {"id":"01J9Z3NDEKTSV4RRFFQ69G5FAV","spec":{"label":"b","soma":{"env":{"KEY":"other"},"pids_max":8}}}]}"#;

    #[test]
    fn states_are_compared_by_id_and_secrets_are_covered() {
        let session = two(OLD, NEW);
        let told = session.ask(r#"{"ask":"diff","state":0,"other":1}"#);
        insta::assert_snapshot!(told, @r#"{"added":[{"kind":"workspace","id":"01J9Z3NDEKTSV4RRFFQ69G5FAZ","label":"again"}],"removed":[{"kind":"workspace","id":"01J9Z3NDEKTSV4RRFFQ69G5FAW","label":"gone"},{"kind":"workspace","id":"01J9Z3NDEKTSV4RRFFQ69G5FAX","label":"again"}],"changed":[{"kind":"workspace","id":"01J9Z3NDEKTSV4RRFFQ69G5FAV","label":"b","fields":[{"pointer":"/spec/label","old":"\"a\"","new":"\"b\""},{"pointer":"/spec/soma/env/KEY","old":"\"••••••\"","new":"\"••••••\""},{"pointer":"/spec/soma/pids_max","old":"4","new":"8"}]}],"recreated":[{"kind":"workspace","id":"01J9Z3NDEKTSV4RRFFQ69G5FAZ","label":"again"}],"held":[],"head":[{"pointer":"/timestamp_ms","old":"1","new":"2"},{"pointer":"/lineage","old":"0000000001GGZXPHVDW5K66YH4","new":"00000000025YD920HKV85FX30A"}],"added_count":1,"removed_count":2,"held_count":0,"changed_count":1,"unchanged":0,"kin":false}"#);
        assert!(!told.contains("secret"), "{told}");
        assert!(session.ask(r#"{"ask":"diff","state":0,"other":1,"show":true}"#).contains("\\\"secret\\\""));
    }

    #[test]
    fn what_is_held_back_is_neither_gone_nor_new_however_many_there_are() {
        let state = |spec: &str| {
            let entry = |at: usize| {
                format!(r#"{{"id":"01J9Z3NDEKTSV4RRFFQ69G{at:04}","spec":{{"label":"w{at}"{spec}}}}}"#)
            };
            let entries: Vec<String> = (1_000..1_900).map(entry).collect();
            format!(r#"{{"version":5,"timestamp_ms":1,"workspaces":[{}]}}"#, entries.join(","))
        };
        let told = two(&state(""), &state(r#","ttl":"soon""#)).ask(r#"{"ask":"diff","state":0,"other":1}"#);
        let told: Value = serde_json::from_str(&told).unwrap();
        let counts = ["removed_count", "added_count", "held_count"].map(|key| told[key].as_u64());
        assert_eq!(counts, [Some(0), Some(0), Some(900)]);
        assert_eq!(told["held"].as_array().unwrap().len(), MOST);
    }

    #[test]
    fn a_label_of_what_is_held_back_under_another_id_holds_nothing_back() {
        let held = r#"{"version":5,"timestamp_ms":1,"workspaces":[
            {"id":"01J9Z3NDEKTSV4RRFFQ69G5FAY","spec":{"label":"gone","ttl":"soon"}}]}"#;
        let told = two(OLD, held).ask(r#"{"ask":"diff","state":0,"other":1}"#);
        assert!(told.contains(r#""removed_count":3,"held_count":0"#), "{told}");
    }

    #[test]
    fn what_is_held_back_for_its_id_is_known_by_its_label() {
        let held = OLD.replace("01J9Z3NDEKTSV4RRFFQ69G5FAW", "01J9Z3NDEKTSV4RRFFQ69G5");
        let told = two(OLD, &held).ask(r#"{"ask":"diff","state":0,"other":1}"#);
        assert!(told.contains(r#""removed_count":0,"held_count":1"#), "{told}");
        let twice = OLD.replace("01J9Z3NDEKTSV4RRFFQ69G5FAW", "01J9Z3NDEKTSV4RRFFQ69G5FAV");
        let told = two(OLD, &twice).ask(r#"{"ask":"diff","state":0,"other":1}"#);
        assert!(told.contains(r#""removed_count":0,"held_count":1"#), "{told}");
    }

    #[test]
    fn what_can_t_be_read_is_not_compared() {
        assert!(two(OLD, "{").ask(r#"{"ask":"diff","state":0,"other":1}"#).contains("error"));
    }

    #[test]
    fn environments_are_covered_wherever_they_stand() {
        insta::assert_snapshot!(covered(r#"{"envp":["A=b"],"env":{"C":"d"},"label":"e"}"#), @r#"
        {
          "env": {
            "C": "••••••"
          },
          "envp": [
            "A=••••••"
          ],
          "label": "e"
        }
        "#);
    }
}
