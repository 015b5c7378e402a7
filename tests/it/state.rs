//! `shipote state`: verify, show, diff, upgrade and export, as transcripts. None of them needs a daemon.

use std::fmt::Write as _;
use std::os::unix::ffi::OsStringExt;
use std::path::Path;

use shipote_tests::{Shipote, normalised};

use crate::{served, shipote};

/// Runs each line of `shipote …` where the fixtures stand, and returns what a terminal would show.
fn transcript(lines: &[&str]) -> String {
    let shipote = shipote();
    place_fixtures(&shipote);
    let mut text = String::new();
    for line in lines {
        let output = shipote.run(&line.split(' ').collect::<Vec<_>>());
        let shown = format!("{}{}", output.text(), output.stderr);
        let work = format!("{}/", shipote.work().display());
        let _ = writeln!(text, "$ shipote {line}\n{}[{}]\n", normalised(&shown, &[(&work, "")]), output.code);
    }
    text
}

fn place_fixtures(shipote: &Shipote) {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/state");
    for entry in std::fs::read_dir(fixtures).unwrap().flatten() {
        shipote.file(&entry.file_name().to_string_lossy(), std::fs::read(entry.path()).unwrap());
    }
}

#[test]
fn verify_tells_the_verdict_on_every_version() {
    insta::assert_snapshot!(transcript(&[
        "state verify v1-minimal.json",
        "state verify v1-full.json",
        "state verify v2-full.json",
        "state verify v3-full.json",
        "state verify v4-full.json",
        "state verify v5-full.json",
        "state verify newer.json",
    ]), @r#"
    $ shipote state verify v1-minimal.json
    v1-minimal.json: upgradable — version 1
    hint: shipote state upgrade v1-minimal.json writes version 5 to stdout
    [0]

    $ shipote state verify v1-full.json
    v1-full.json: upgradable — version 1
    hint: shipote state upgrade v1-full.json writes version 5 to stdout
    [0]

    $ shipote state verify v2-full.json
    v2-full.json: upgradable — version 2
    hint: shipote state upgrade v2-full.json writes version 5 to stdout
    [0]

    $ shipote state verify v3-full.json
    v3-full.json: upgradable — version 3
    hint: shipote state upgrade v3-full.json writes version 5 to stdout
    [0]

    $ shipote state verify v4-full.json
    v4-full.json: upgradable — version 4
    hint: shipote state upgrade v4-full.json writes version 5 to stdout
    [0]

    $ shipote state verify v5-full.json
    v5-full.json: valid — version 5
      2 workspaces, 2 commands, 1 saved pipeline, 2 live pipelines, 0 held
    [0]

    $ shipote state verify newer.json
    note[version_newer]: version 6 is newer than 5, the newest known here
      --> newer.json:1:14
       |
     1 | { "version": 6, "workspaces": { "anything": true } }
       |              ^ use the Shipote that wrote it, or a later one

    newer.json: newer — version 6, 1 note
    hint: this shipote knows versions up to 5; use the one that wrote it
    [65]
    "#);
}

#[test]
fn a_plan_names_things_as_other_verbs_do() {
    let mut shipote = served();
    for workspace in ["one", "two"] {
        let card =
            format!("[workspace]\nlabel = \"{workspace}\"\n[[commands]]\nlabel = \"d\"\nrun = [\"true\"]\n");
        shipote.up(&card).ok();
    }
    shipote.file("p.toml", "[[pipelines]]\nlabel = \"p\"\nnodes = [{ label = \"n\", run = [\"true\"] }]\n");
    shipote.run(&["pipeline", "save", "daily", "-f", "p.toml", "--ws", "one"]).ok();
    for name in ["one/d", "two/d"] {
        shipote.run(&["wait", name]).ok();
    }
    shipote.daemon_term();
    let text = shipote.run(&["state", "plan"]).ok().text();
    assert!(text.contains(" one/d ") && text.contains(" two/d "), "{text}");
    assert!(text.contains("saved pipeline  daily  -  "), "{text}");
}

#[test]
fn what_has_ended_reads_alike_with_and_without_a_daemon() {
    let mut shipote = served();
    shipote
        .up("[workspace]\nlabel = \"w\"\n[[commands]]\nlabel = \"good\"\nshell = \"exit 0\"\n[[commands]]\nlabel = \"bad\"\nshell = \"exit 3\"\n[[commands]]\nlabel = \"asked\"\nrun = [\"sleep\", \"600\"]\n")
        .ok();
    shipote.run(&["stop", "w/asked"]).ok();
    for name in ["w/good", "w/bad"] {
        shipote.run(&["wait", name]);
    }
    let told = |shipote: &Shipote| -> Vec<String> {
        let rows = shipote.json(&["ps", "-a"]);
        let row = |row: &serde_json::Value| format!("{} {} {}", row["label"], row["phase"], row["argv"]);
        let mut rows: Vec<String> = rows.as_array().unwrap().iter().map(row).collect();
        rows.sort();
        rows
    };
    let online = told(&shipote);
    insta::assert_debug_snapshot!(online, @r#"
    [
        "\"asked\" \"stopped\" [\"sleep\",\"600\"]",
        "\"bad\" \"failed\" [\"sh\",\"-c\",\"exit 3\"]",
        "\"good\" \"done\" [\"sh\",\"-c\",\"exit 0\"]",
    ]
    "#);
    shipote.daemon_term();
    assert_eq!(told(&shipote), online);
}

#[test]
fn verify_tells_every_problem_with_line_and_column() {
    insta::assert_snapshot!(transcript(&[
        "state verify damaged-byte-flipped.json",
        "state verify damaged-ids.json",
        "state verify damaged-duplicate-key.json",
        "state verify damaged-empty.json",
        "state verify no-such-file.json",
    ]), @r#"
    $ shipote state verify damaged-byte-flipped.json
    fatal[not_utf8]: the bytes are not UTF-8
       --> damaged-byte-flipped.json:50:14
        |
     50 |           "me�ory_high": 402653184,
        |              ^

    damaged-byte-flipped.json: invalid — version unknown, 1 error
      0 workspaces, 0 commands, 0 saved pipelines, 0 live pipelines, 0 held
    [65]

    $ shipote state verify damaged-ids.json
    error[duplicate_id]: the id ULID stands twice
      --> damaged-ids.json:6:13
       |
     6 |     { "id": "ULID", "spec": { "label": "again" } },
       |             ^^^^^^^^^^^^^^^^^^^^^^^^^^^^ every entity has an id of its own
       = see also damaged-ids.json:5:13

    error[ulid_overflow]: the ULID has more than 128 bits
      --> damaged-ids.json:7:13
       |
     7 |     { "id": "8ZZZZZZZZZZZZZZZZZZZZZZZZZ", "spec": { "label": "over" } },
       |             ^^^^^^^^^^^^^^^^^^^^^^^^^^^^ a ULID begins with 0 to 7

    error[nil_ulid]: the nil ULID is not an identifier
      --> damaged-ids.json:8:13
       |
     8 |     { "id": "ULID", "spec": { "label": "nil" } },
       |             ^^^^^^^^^^^^^^^^^^^^^^^^^^^^

    error[invalid_ulid]: not a ULID: 26 characters of 0-9 A-Z without I, L, O, U are needed
      --> damaged-ids.json:9:13
       |
     9 |     { "id": "short", "spec": { "label": "short" } },
       |             ^^^^^^^

    warning[non_canonical_ulid]: the ULID is not in its canonical text
       --> damaged-ids.json:10:13
        |
     10 |     { "id": "01j9z3ndektsv4rrffq69g5faw", "spec": { "label": "lower" } },
        |             ^^^^^^^^^^^^^^^^^^^^^^^^^^^^ it is read as ULID

    error[duplicate_id]: the id ULID stands twice
       --> damaged-ids.json:11:13
        |
     11 |     { "id": "ULID", "spec": { "label": "twice" } }
        |             ^^^^^^^^^^^^^^^^^^^^^^^^^^^^ every entity has an id of its own
        = see also damaged-ids.json:10:13

    damaged-ids.json: invalid — version 4, 5 errors, 1 warning
      7 workspaces, 0 commands, 0 saved pipelines, 0 live pipelines, 5 held
    [65]

    $ shipote state verify damaged-duplicate-key.json
    error[duplicate_key]: the key `on_exit` stands twice
      --> damaged-duplicate-key.json:5:86
       |
     5 | …"label": "a", "on_exit": "Reap", "\u006fn_exit": "Freeze" } },
       |                                   ^^^^^^^^^^^^^^ remove one of them
       = see also damaged-duplicate-key.json:5:67

    error[duplicate_key]: the key `A` stands twice
      --> damaged-duplicate-key.json:6:96
       |
     6 | …b", "soma": { "env": { "A": "1", "A": "2" } } } },
       |                                   ^^^ remove one of them
       = see also damaged-duplicate-key.json:6:86

    damaged-duplicate-key.json: invalid — version 4, 2 errors
      3 workspaces, 0 commands, 0 saved pipelines, 0 live pipelines, 2 held
    [65]

    $ shipote state verify damaged-empty.json
    fatal[empty]: the file is empty
      --> damaged-empty.json:1:1
       |
     1 |
       | ^ an earlier generation may stand beside it: state.json.1 to state.json.3

    damaged-empty.json: invalid — version unknown, 1 error
      0 workspaces, 0 commands, 0 saved pipelines, 0 live pipelines, 0 held
    [65]

    $ shipote state verify no-such-file.json
    error: read no-such-file.json: no such file or directory
    hint: check the path; ls . lists what is there
    [3]
    "#);
}

#[test]
fn verify_answers_scripts() {
    let shipote = shipote();
    place_fixtures(&shipote);
    let verify = |name: &str| shipote.run(&["--output", "json", "state", "verify", name]);
    for (name, verdict, version, code) in [
        ("v1-full.json", "upgradable", 1.into(), 0),
        ("v4-full.json", "upgradable", 4.into(), 0),
        ("v5-full.json", "valid", 5.into(), 0),
        ("newer.json", "newer", serde_json::Value::Null, 65),
        ("damaged-types.json", "invalid", serde_json::Value::Null, 65),
        ("damaged-truncated.json", "invalid", serde_json::Value::Null, 65),
    ] {
        let output = verify(name).exits(code);
        let report = output.json();
        assert_eq!(report["verdict"], verdict, "{name}: {report}");
        assert!(version.is_null() || report["version"] == version, "{name}: {report}");
        if verdict == "invalid" {
            let problem = &report["problems"][0];
            for key in ["severity", "code", "pointer", "line", "column", "message", "hint", "file"] {
                assert!(!problem[key].is_null(), "{name}: no {key} in {problem}");
            }
        }
    }
}

#[test]
fn show_tells_what_a_state_holds() {
    insta::assert_snapshot!(transcript(&["state show v4-full.json", "state show newer.json"]), @r"
    $ shipote state show v4-full.json
    v4-full.json: version 4, serial 0, written 2025-10-09T08:53:20.000Z by an unknown program
    WORKSPACE   ID      TTL  SAMPLES  MEMORY
    access-log  9G5FAV  TIME         3  ▁█
    b           9G5FAW  -          0
    LIVE PIPELINE        ID      DESIRED  NODES  RESTARTS
    access-log/live-one  8YWNJ0  running      3         0
    b/live-two           JKGAR5  running      3         0
    SAVED PIPELINE  LABEL     NODES
    daily           echo-cat      3
    [0]

    $ shipote state show newer.json
    error: newer.json has version 6, and this shipote knows versions up to 5
    hint: use the shipote that wrote it; nothing was changed
    [65]
    ");
}

#[test]
fn diff_tells_how_two_states_differ() {
    let shipote = shipote();
    let state = |label: &str, ttl: &str| {
        format!(
            r#"{{"version":4,"timestamp_ms":1,"workspaces":[{{"id":"01J9Z3NDEKTSV4RRFFQ69G5FAV","spec":{{"label":"{label}","ttl":{ttl}}}}}],"saved_pipelines":[],"live_pipelines":[]}}"#
        )
    };
    shipote.file("a.json", state("web", "null"));
    shipote.file("b.json", state("web", "7200"));
    let output = shipote.run(&["state", "diff", "a.json", "b.json"]);
    insta::assert_snapshot!(format!("{}{}[{}]", output.text(), output.stderr, output.code), @r"
    ~ workspace web (9G5FAV)
        /spec/ttl: null → 7200
    [0]
    ");
    let same = shipote.run(&["state", "diff", "a.json", "a.json"]);
    insta::assert_snapshot!(format!("{}{}[{}]", same.text(), same.stderr, same.code), @r"
    the states say the same
    [0]
    ");
}

#[test]
fn an_upgrade_goes_to_stdout_and_leaves_the_file() {
    let shipote = shipote();
    place_fixtures(&shipote);
    let before = std::fs::read(shipote.work().join("v2-full.json")).unwrap();
    let upgraded = shipote.run(&["state", "upgrade", "v2-full.json"]).ok();
    assert_eq!(upgraded.json()["version"], 5);
    assert_eq!(std::fs::read(shipote.work().join("v2-full.json")).unwrap(), before);
    // The ids that an upgrade makes are derived: a second one is the same, byte for byte.
    assert_eq!(shipote.run(&["state", "upgrade", "v2-full.json"]).ok().stdout, upgraded.stdout);
    shipote.run(&["state", "upgrade", "--in-place", "v2-full.json"]).ok();
    assert_eq!(std::fs::read(shipote.work().join("v2-full.json")).unwrap(), upgraded.stdout);
    assert_eq!(std::fs::read(shipote.work().join("v2-full.json.v2.bak")).unwrap(), before);
    shipote.run(&["state", "upgrade", "newer.json"]).exits(65);
}

#[test]
fn an_export_is_the_older_form_and_says_what_that_cannot_hold() {
    let shipote = shipote();
    place_fixtures(&shipote);
    for schema in 1..=5_u16 {
        let number = schema.to_string();
        let output = shipote.run(&["state", "export", "--schema", &number, "v5-full.json"]).ok();
        assert_eq!(output.json()["version"], schema);
        assert_eq!(output.stderr.is_empty(), schema == 5, "what is lost is said: {output}");
        shipote.file("exported.json", &output.stdout);
        shipote.run(&["state", "verify", "exported.json"]).ok();
    }
}

/// The daemon's own state is what these verbs take where no file is named.
#[test]
fn the_daemon_s_own_state_needs_no_name() {
    let mut shipote = served();
    shipote.run(&["ws", "create", "--label", "alpha"]).ok();
    assert_eq!(shipote.json(&["state", "verify"])["verdict"], "valid");
    assert_eq!(shipote.daemon_term().code(), Some(0));
    assert!(shipote.run(&["state", "show"]).ok().text().contains("alpha"));
    let plan = shipote.run(&["state", "plan"]).ok();
    assert!(plan.text().contains("alpha"), "{plan}");
}

#[test]
fn an_upgrade_in_place_is_refused_while_a_daemon_holds_the_state() {
    let mut shipote = shipote();
    let text =
        std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/state/v2-minimal.json")).unwrap();
    shipote.plant_state(&text);
    shipote.daemon_start();
    let state = shipote.state_file();
    shipote.run(&["state", "upgrade", "--in-place", state.to_str().unwrap()]).exits(5);
    assert_eq!(std::fs::read(&state).unwrap(), text);
}

#[test]
fn a_file_whose_name_is_no_text_is_upgraded_in_place() {
    let shipote = shipote();
    let name = std::ffi::OsString::from_vec(b"\xff.json".to_vec());
    let old = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/state/v4-full.json");
    std::fs::copy(old, shipote.work().join(&name)).unwrap();
    let upgrade = |words: &[&str]| {
        let words = words.iter().map(std::ffi::OsString::from).chain([name.clone()]);
        shipote.run(&words.collect::<Vec<_>>()).ok()
    };
    let told = upgrade(&["--output", "json", "state", "upgrade", "--in-place"]).json();
    assert_eq!((&told["changed"], &told["file"]), (&true.into(), &"\u{fffd}.json".into()));
    upgrade(&["state", "upgrade", "--in-place"]);
}
