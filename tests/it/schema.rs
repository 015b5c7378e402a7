//! The published schemas, held by a validator that is none of ours against fixtures, examples, and what the program
//! writes; and against our own reader, rule by rule.

mod mutation;
mod validator;

use std::path::{Path, PathBuf};

use serde_json::Value;
use shipote_tests::{Need, has};

use self::validator::{Answer, Case, answers};
use crate::{served, shipote};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn bytes(name: &str) -> Vec<u8> {
    std::fs::read(root().join("tests/fixtures/state").join(name)).unwrap()
}

/// Returns a fixture as a text. Bytes that are none are no JSON; neither is the empty text, which stands for them.
fn fixture(name: &str) -> String {
    String::from_utf8(bytes(name)).unwrap_or_default()
}

fn state_schema(version: impl std::fmt::Display) -> String {
    format!("state.v{version}.schema.json")
}

fn told(answer: &Answer) -> String {
    match answer {
        Answer { json: false, .. } => "no JSON\n".to_owned(),
        Answer { broken, .. } if broken.is_empty() => "accepted\n".to_owned(),
        // The name of the schema stands in the line already.
        Answer { broken, .. } => {
            let rules = broken.iter().map(|rule| format!("    {}\n", rule.split_once(' ').unwrap().1));
            format!("refused\n{}", rules.collect::<String>())
        }
    }
}

/// Every fixture, with what the schema of its version says of it. A file that only the rules between entities refuse, or
/// that is only damaged as a text, is accepted here or is no JSON; what our own reader says stands beside it.
#[test]
fn every_fixture_is_accepted_or_refused_by_the_schema_of_its_version() {
    if !has(Need::JsonSchema) {
        return;
    }
    let mut names: Vec<String> = (std::fs::read_dir(root().join("tests/fixtures/state")).unwrap())
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    let version = |text: &str| {
        let found = serde_json::from_str::<Value>(text).ok().and_then(|value| value["version"].as_u64());
        found.filter(|version| *version <= 5).map_or("state.schema.json".to_owned(), state_schema)
    };
    let cases: Vec<Case> =
        names.iter().map(|name| fixture(name)).map(|text| Case::new(version(&text), text)).collect();
    let lines = names.iter().zip(&cases).zip(answers(&cases)).map(|((name, case), answer)| {
        let verdict = shipote_snapshot::read(&bytes(name)).verdict;
        format!("{name}: {verdict}, {} {}", case.schema, told(&answer))
    });
    insta::assert_snapshot!(lines.collect::<String>(), @r#"
    damaged-byte-flipped.json: invalid, state.schema.json no JSON
    damaged-duplicate-key.json: invalid, state.v4.schema.json accepted
    damaged-empty.json: invalid, state.schema.json no JSON
    damaged-ids.json: invalid, state.v4.schema.json refused
        WorkspaceEntry properties/id/not
        WorkspaceEntry properties/id/pattern
    damaged-nul-tail.json: invalid, state.schema.json no JSON
    damaged-nuls.json: invalid, state.schema.json no JSON
    damaged-pipelines.json: invalid, state.v4.schema.json accepted
    damaged-trailing-data.json: invalid, state.schema.json no JSON
    damaged-truncated.json: invalid, state.schema.json no JSON
    damaged-types.json: invalid, state.v4.schema.json refused
        # additionalProperties
        PersistedStats properties/commands_alive/maximum
        Soma additionalProperties
        Soma properties/memory_max/anyOf
        Soma properties/memory_max/anyOf/0/type
        Soma properties/memory_max/anyOf/1/oneOf
        Soma properties/memory_max/anyOf/1/oneOf/0/type
        Soma properties/memory_max/anyOf/1/oneOf/1/pattern
        Soma properties/pids_max/anyOf
        Soma properties/pids_max/anyOf/0/type
        Soma properties/pids_max/anyOf/1/maximum
        Soma properties/uid/anyOf
        Soma properties/uid/anyOf/0/type
        Soma properties/uid/anyOf/1/minimum
        WorkspaceEntry additionalProperties
        WorkspaceEntry required/id
        WorkspaceEntry type
        WorkspaceSpec properties/flow_dirs/type
        WorkspaceSpec properties/on_exit/oneOf
        WorkspaceSpec properties/on_exit/oneOf/0/enum
        WorkspaceSpec required/label
    newer-huge.json: newer, state.schema.json refused
        # properties/version/enum
    newer.json: newer, state.schema.json refused
        # properties/version/enum
    strange-byte-order-mark.json: upgradable, state.schema.json no JSON
    v1-full.json: upgradable, state.v1.schema.json accepted
    v1-minimal.json: upgradable, state.v1.schema.json accepted
    v2-full.json: upgradable, state.v2.schema.json accepted
    v2-minimal.json: upgradable, state.v2.schema.json accepted
    v3-full.json: upgradable, state.v3.schema.json accepted
    v3-minimal.json: upgradable, state.v3.schema.json accepted
    v4-full.json: upgradable, state.v4.schema.json accepted
    v4-minimal.json: upgradable, state.v4.schema.json accepted
    v5-full.json: valid, state.v5.schema.json accepted
    v5-minimal.json: valid, state.v5.schema.json accepted
    "#);
}

#[test]
fn each_version_is_accepted_by_its_own_schema_and_by_the_common_one_alone() {
    if !has(Need::JsonSchema) {
        return;
    }
    let files = (1..=5).flat_map(|version| ["minimal", "full"].map(|size| (version, size)));
    for (version, size) in files {
        let text = fixture(&format!("v{version}-{size}.json"));
        let schemas = (1..=5).map(state_schema).chain(["state.schema.json".to_owned()]);
        let cases: Vec<Case> = schemas.map(|schema| Case::new(schema, &text)).collect();
        let accepted: Vec<bool> = answers(&cases).iter().map(Answer::is_accepted).collect();
        let expected: Vec<bool> = (1..=5).map(|other| other == version).chain([true]).collect();
        assert_eq!(accepted, expected, "v{version}-{size}");
    }
}

#[test]
fn every_example_is_a_card_by_the_schema() {
    if !has(Need::JsonSchema) {
        return;
    }
    let shipote = shipote();
    let examples = std::fs::read_dir(root().join("examples")).unwrap().map(|entry| entry.unwrap().path());
    let cards: Vec<PathBuf> =
        examples.filter(|path| path.extension().is_some_and(|end| end == "toml")).collect();
    assert!(cards.len() >= 4, "{cards:?}");
    let canonical = |path: &PathBuf| {
        shipote.run(&["check", "--canonical", "--output", "json", path.to_str().unwrap()]).ok().text()
    };
    let mut cases: Vec<Case> =
        cards.iter().map(|path| Case::new("card.schema.json", canonical(path))).collect();
    for (card, answer) in cards.iter().zip(answers(&cases)) {
        assert!(answer.is_accepted(), "{}: {:?}", card.display(), answer.broken);
    }
    // It is no schema that takes everything.
    for case in &mut cases {
        case.document = case.document.replacen("\"label\"", "\"lable\"", 1);
    }
    for (card, answer) in cards.iter().zip(answers(&cases)) {
        assert!(answer.json && !answer.is_accepted(), "{}", card.display());
    }
}

/// A card with something of everything.
fn card(payload: &str, mark: &str) -> String {
    format!(
        r#"
        [workspace]
        label = "all"
        ttl = "12h"
        env = {{ GREETING = "hällo" }}

        [[commands]]
        label = "kept"
        run = ["{payload}", "hang", "{mark}"]
        restart = {{ on = "always", backoff = "1ms" }}
        grace = "2s"

        [[commands]]
        label = "once"
        shell = "true"

        [[pipelines]]
        label = "pulse"
        chain = true
        restart_on_failure = true
        nodes = [
          {{ label = "beat", run = ["{payload}", "hang", "{mark}"] }},
          {{ label = "sink", run = ["cat"] }},
        ]
        "#
    )
}

/// Everything that a daemon has written in its life: the lines of its journal, the state that it folds them into, and
/// what the program exports from that.
#[test]
fn what_the_program_writes_is_what_the_schemas_say() {
    if !has(Need::JsonSchema) {
        return;
    }
    let mut shipote = served();
    shipote.up(&card(shipote.payload(), shipote.mark())).ok();
    shipote.running("kept");
    shipote.file("daily.toml", "[[pipelines]]\nlabel = \"daily\"\nnodes = [{ run = [\"true\"] }]\n");
    shipote.run(&["pipeline", "save", "daily", "-f", "daily.toml", "--ws", "all"]).ok();
    shipote.run(&["ws", "create", "--label", "gone"]).ok();
    shipote.run(&["ws", "rm", "gone"]).ok();
    let journal = std::fs::read_to_string(shipote.state_dir().join("state.journal")).unwrap();
    let mut cases: Vec<Case> =
        journal.lines().map(|line| Case::new("journal.v1.schema.json", &line[9..])).collect();
    let ops = ["workspace.put", "workspace.del", "saved.put", "live.put", "command.put"];
    assert!(ops.iter().all(|op| journal.contains(op)), "{journal}");

    assert_eq!(shipote.daemon_term().code(), Some(0));
    let state = std::fs::read_to_string(shipote.state_file()).unwrap();
    for list in ["workspaces", "saved_pipelines", "live_pipelines", "commands"] {
        assert!(!state.contains(&format!("\"{list}\":[]")), "no {list}: {state}");
    }
    cases.push(Case::new("state.schema.json", &state));
    cases.push(Case::new(state_schema(5), &state));
    for version in 1..=5 {
        let number = version.to_string();
        let exported = shipote.run(&["state", "export", "--schema", &number]).ok();
        cases.push(Case::new(state_schema(version), exported.text()));
    }
    for version in 1..=4 {
        let path = root().join("tests/fixtures/state").join(format!("v{version}-full.json"));
        let upgraded = shipote.run(&["state", "upgrade", path.to_str().unwrap()]).ok();
        cases.push(Case::new(state_schema(5), upgraded.text()));
    }
    for (case, answer) in cases.iter().zip(answers(&cases)) {
        assert!(answer.is_accepted(), "{}: {:?}\n{}", case.schema, answer.broken, case.document);
    }
}
