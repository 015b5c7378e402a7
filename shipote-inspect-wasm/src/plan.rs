//! What a start of a daemon would do: whether it goes on with a state, or with what stands beside it, and what becomes of
//! each entity.

use shipote_snapshot::restore::{Action, Step, plan as plan_of};
use shipote_snapshot::samples::is_samples;
use shipote_snapshot::{Choice, Collection, Refusal, SNAPSHOT_VERSION, ShipoteSnapshot, Way, explain};

use crate::compare::kind;
use crate::overview::LAST_MOMENT;
use crate::question::Question;
use crate::session::{File, Session, State, oldest_first};
use crate::tell::Object;
use crate::together::is_generation;
use crate::visible::visible;
use crate::wording::{counted, grouped, listed, span};

/// Every fate of an entity, what needs a look first, and what each is called behind a number.
const FATES: [(Action, &str); 6] = [
    (Action::Held, "held back"),
    (Action::Lost, "not started again"),
    (Action::Expired, "expired"),
    (Action::Relaunch, "started again"),
    (Action::StaysStopped, "left stopped"),
    (Action::Restored, "restored"),
];

/// Returns what a start at `question.from_ms` does with a state.
pub(crate) fn plan(session: &Session, state: &State, question: &Question) -> String {
    let Some(refusal) = state.refusal else {
        let mut names = state.files.iter().map(|at| session.files[*at].name.as_str());
        let (headline, detail) = taken(state, names.any(is_generation));
        return told(headline, &detail, &[], state.snapshot.as_ref(), question);
    };
    let why = match refusal {
        Refusal::Newer => {
            return told(REFUSES, "A newer Shipote wrote it: start that one.", &[], None, question);
        }
        Refusal::Unreadable => "It can't be read as a document",
        Refusal::Damaged => "Changes that were acknowledged can't be read",
        Refusal::Edited => "It was edited while changes waited in its journal",
    };
    let choices = ways(session, state);
    // What a reader has edited is for the reader to decide.
    let complete = choices.iter().find(|choice| choice.is_complete() && refusal != Refusal::Edited);
    if let Some(choice) = complete {
        let from = choice.file.as_deref().map_or_else(|| "its journal".to_owned(), visible);
        let with = match choice.records {
            0 => String::new(),
            records => format!(" and {} of the journal", counted(records, "record")),
        };
        let headline = format!("A daemon would go on with {from}{with}.");
        let detail = format!(
            "{why}; what stands beside it has every acknowledged change. A copy of what is damaged goes to `quarantine/`."
        );
        return told(&headline, &detail, &[], Some(&choice.snapshot), question);
    }
    let detail = match choices.is_empty() {
        true => format!(
            "{why}, and nothing that is open here begins a way on. Drop what stands beside it, too: `state.json.1` to `state.json.3` and `state.journal`."
        ),
        false => {
            format!("{why}. `shipote state recover` shows these ways on, and takes the one that is chosen.")
        }
    };
    let ways: Vec<String> = choices.iter().map(way).collect();
    told(REFUSES, &detail, &ways, None, question)
}

const REFUSES: &str = "A daemon would refuse to start, and leave the file as it is.";

/// Returns what is said of a state that a daemon takes.
fn taken(state: &State, is_generation: bool) -> (&'static str, String) {
    let Some(snapshot) = &state.snapshot else {
        return ("There is no state to start from.", "A daemon would begin with an empty one.".to_owned());
    };
    let mut parts = Vec::new();
    let headline = match is_generation {
        true => "In the place of state.json, a daemon would start from it.",
        false => "A daemon would start from it.",
    };
    if let Some(version) = state.report.version.as_deref().filter(|version| is_older(version)) {
        parts.push(format!(
            "It is upgraded to version {SNAPSHOT_VERSION} first, and the old file is kept as `state.json.v{}.bak`.",
            visible(version)
        ));
    }
    if !snapshot.held.is_empty() {
        parts.push(
            "A copy of the file as it is goes to `quarantine/`, since not all of it is understood."
                .to_owned(),
        );
    }
    (headline, parts.join(" "))
}

fn is_older(version: &str) -> bool {
    version.parse().is_ok_and(|version: u64| version < u64::from(SNAPSHOT_VERSION))
}

/// Returns the ways on from a damaged state: its own file, generations that are open beside it, and its journals.
fn ways(session: &Session, state: &State) -> Vec<Choice> {
    let files = &session.files;
    let own = state.files.iter().map(|at| &files[*at]).find(|file| !is_journal(file));
    let name = own.map_or("state.json", |file| file.name.as_str());
    let generation = |number: u8| {
        let wanted = format!("{name}.{number}");
        let file = files.iter().find(|file| file.name == wanted)?;
        Some((base(&file.name), file.bytes.as_slice()))
    };
    let generations: Vec<(&str, &[u8])> = (1..=3).filter_map(generation).collect();
    // Whose a journal is can't be read out of a damaged state. If it may be that of another state, it is nobody's.
    let stem = |file: &File| own.is_some_and(|own| file.name.starts_with(&own.name));
    let is_alone = files.iter().all(|file| is_journal(file) || stem(file));
    let is_own = |at: &usize| is_alone || state.files.contains(at);
    let is_of_changes = |at: &usize| is_journal(&files[*at]) && !is_samples(&files[*at].bytes) && is_own(at);
    let mut journals: Vec<usize> = (0..files.len()).filter(is_of_changes).collect();
    oldest_first(&mut journals, &session.files);
    let journals: Vec<&[u8]> = journals.iter().map(|at| session.files[*at].bytes.as_slice()).collect();
    explain(own.map(|file| file.bytes.as_slice()), &generations, &journals)
}

fn is_journal(file: &File) -> bool {
    shipote_snapshot::gather::is_journal(&file.bytes)
}

fn base(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or_default()
}

/// Returns a way on: what it begins with, what it gives and what it loses.
fn way(choice: &Choice) -> String {
    let how = match (choice.way, choice.records) {
        (Way::Skip, records) => format!(" with {}, past the damage", counted(records, "record")),
        (Way::Replay, 1..) => format!(" with {}", counted(choice.records, "record")),
        (Way::Replay | Way::Alone, _) => String::new(),
    };
    let counts = &choice.counts;
    let others = counts.commands + counts.live_pipelines + counts.saved_pipelines;
    let gives = format!("{} and {}", counted(counts.workspaces, "workspace"), counted(others, "other"));
    let loses = match (&choice.loss, choice.certain) {
        (None, true) => "nothing".to_owned(),
        (None, false) => "not known".to_owned(),
        (Some(loss), certain) => {
            let time = match (loss.from_ms, loss.to_ms) {
                (Some(from), Some(to)) if to > from => format!(", over {}", span(to - from)),
                _ => String::new(),
            };
            format!("{}{}{time}", if certain { "" } else { "at least " }, counted(loss.changes, "change"))
        }
    };
    Object::new()
        .text(
            "from",
            &format!("{}{how}", choice.file.as_deref().map_or_else(|| "the journal".to_owned(), visible)),
        )
        .maybe_number("at_ms", Some(choice.at_ms).filter(|at| (1..=LAST_MOMENT).contains(at)))
        .text("gives", &gives)
        .text("loses", &loses)
        .end()
}

/// Returns the answer: what is said, and the fates of the entities of the state that is gone on with, in a few words and
/// one by one, what needs a look first.
fn told(
    headline: &str,
    detail: &str,
    ways: &[String],
    state: Option<&ShipoteSnapshot>,
    question: &Question,
) -> String {
    let mut parts: Vec<String> = Vec::new();
    let mut told: Vec<String> = Vec::new();
    let mut more = 0;
    if let Some(state) = state {
        let steps = plan_of(state, question.from_ms, true);
        let mut held = state.held.iter().map(|held| name_in(&held.raw));
        let most = if question.count == 0 { 100 } else { question.count };
        for (action, words) in FATES {
            let fate: Vec<&Step> = steps.iter().filter(|step| step.action == action).collect();
            if !fate.is_empty() {
                parts.push(format!("{} {words}", grouped(fate.len() as u64)));
            }
            let shown = fate.len().min(most - told.len());
            more += fate.len() - shown;
            told.extend(fate[..shown].iter().map(|step| {
                let name = if action == Action::Held { held.next() } else { None };
                one(step, words, &name.unwrap_or_else(|| name_of(state, step)))
            }));
        }
    }
    Object::new()
        .text("headline", headline)
        .text("detail", detail)
        .list("ways", ways)
        .text("tally", &listed(&parts))
        .list("steps", &told)
        .number("more", more as u64)
        .end()
}

fn one(step: &Step, words: &str, name: &str) -> String {
    Object::new()
        .text("action", step.action.as_str())
        .text("words", words)
        .text("kind", kind(step.collection))
        .text("label", &visible(name))
        .text("id", &visible(&step.id))
        .text("why", &visible(&step.why))
        .maybe_number("not_before_ms", step.not_before_ms.map(|at| at.min(LAST_MOMENT)))
        .end()
}

/// Returns the name of what a step is about, behind that of its workspace.
fn name_of(snapshot: &ShipoteSnapshot, step: &Step) -> String {
    let place = match step.collection {
        Collection::SavedPipelines => return step.id.clone(),
        Collection::Workspaces => None,
        Collection::Commands => snapshot
            .commands
            .iter()
            .find(|entry| entry.id.to_string() == step.id)
            .map(|entry| entry.workspace),
        Collection::LivePipelines => snapshot
            .live_pipelines
            .iter()
            .find(|entry| entry.id.to_string() == step.id)
            .map(|entry| entry.workspace),
    };
    match place.and_then(|id| snapshot.workspace(id)) {
        Some(entry) => format!("{}/{}", entry.spec.label, step.label),
        None => step.label.clone(),
    }
}

/// Returns what an entity calls itself that was not understood.
pub(crate) fn name_in(raw: &str) -> String {
    let value: serde_json::Value = serde_json::from_str(raw).unwrap_or_default();
    let names = [&value["spec"]["label"], &value["name"], &value["id"]];
    names.into_iter().find_map(|name| name.as_str()).unwrap_or("(without a name)").to_owned()
}

#[cfg(test)]
mod tests {
    use crate::session::Session;
    use serde_json::Value;

    /// Returns what is planned for the first of these files.
    fn planned(files: &[(&str, &[u8])]) -> Value {
        let mut session = Session::default();
        for (name, bytes) in files {
            session.begin(name, bytes.len());
            session.take(bytes);
            session.end();
        }
        session.judge();
        serde_json::from_str(&session.ask(r#"{"ask":"plan","from_ms":1760000000000}"#)).unwrap()
    }

    fn said(plan: &Value) -> String {
        let text = |key: &str| plan[key].as_str().unwrap().to_owned();
        let ways = plan["ways"].as_array().unwrap().iter();
        let ways = ways.map(|way| {
            format!(" [{}: loses {}]", way["from"].as_str().unwrap(), way["loses"].as_str().unwrap())
        });
        format!("{} {}{} {}", text("headline"), text("detail"), ways.collect::<String>(), text("tally"))
    }

    const FULL: &[u8] = include_bytes!("../../tests/fixtures/state/v5-full.json");
    const OLD: &[u8] = include_bytes!("../../tests/fixtures/state/v4-full.json");

    #[test]
    fn what_a_start_does_is_said_of_whole_and_damaged_states() {
        let held: &[u8] = include_bytes!("../../tests/fixtures/state/damaged-ids.json");
        let newer: &[u8] = include_bytes!("../../tests/fixtures/state/newer.json");
        let cut = &FULL[..FULL.len() / 2];
        let cases: [&[(&str, &[u8])]; 6] = [
            &[("state.json", FULL)],
            &[("state.json", OLD)],
            &[("state.json", held)],
            &[("state.json", newer)],
            &[("state.json", cut)],
            &[("state.json", cut), ("state.json.1", FULL), ("state.json.2", OLD)],
        ];
        let told: Vec<String> = cases.iter().map(|files| said(&planned(files))).collect();
        insta::assert_snapshot!(told.join("\n"), @r"
        A daemon would start from it.  1 not started again, 2 started again, 1 left stopped and 3 restored
        A daemon would start from it. It is upgraded to version 5 first, and the old file is kept as `state.json.v4.bak`. 1 not started again, 1 started again and 3 restored
        A daemon would start from it. It is upgraded to version 5 first, and the old file is kept as `state.json.v4.bak`. A copy of the file as it is goes to `quarantine/`, since not all of it is understood. 5 held back and 2 restored
        A daemon would refuse to start, and leave the file as it is. A newer Shipote wrote it: start that one. 
        A daemon would refuse to start, and leave the file as it is. It can't be read as a document, and nothing that is open here begins a way on. Drop what stands beside it, too: `state.json.1` to `state.json.3` and `state.journal`. 
        A daemon would refuse to start, and leave the file as it is. It can't be read as a document. `shipote state recover` shows these ways on, and takes the one that is chosen. [state.json.1: loses not known] [state.json.2: loses at least 9,007,199,254,740,993 changes]
        ");
    }

    #[test]
    fn a_generation_is_no_state_to_start_from_as_it_stands() {
        let told = said(&planned(&[("state.json.1", FULL)]));
        assert!(told.starts_with("In the place of state.json, a daemon would start from it."), "{told}");
    }

    #[test]
    fn what_stands_beside_another_state_is_no_way_on() {
        let cut = &FULL[..FULL.len() / 2];
        let told = said(&planned(&[("a/state.json", cut), ("b/state.json", FULL), ("b/state.json.1", OLD)]));
        assert!(told.contains("nothing that is open here begins a way on"), "{told}");
    }

    #[test]
    fn what_needs_a_look_comes_first_and_is_named() {
        let held: &[u8] = include_bytes!("../../tests/fixtures/state/damaged-ids.json");
        let plan = planned(&[("state.json", held)]);
        let steps = plan["steps"].as_array().unwrap().iter();
        let told = steps
            .map(|step| format!("{}: {} {}, {}", step["action"], step["kind"], step["label"], step["why"]));
        insta::assert_snapshot!(told.collect::<Vec<_>>().join("\n"), @r#"
        "held": "workspace" "again", "it has errors; see `shipote state verify`"
        "held": "workspace" "over", "it has errors; see `shipote state verify`"
        "held": "workspace" "nil", "it has errors; see `shipote state verify`"
        "held": "workspace" "short", "it has errors; see `shipote state verify`"
        "held": "workspace" "twice", "it has errors; see `shipote state verify`"
        "restored": "workspace" "a", "declared"
        "restored": "workspace" "lower", "declared"
        "#);
    }
}
