//! `state.json` and journals together: every way of dying, edits by hand, and damage with its report.

use super::journal::{checkpoint, command, five, fold, header, journal_of, line, workspace};
use super::std::format;
use super::std::string::String;
use super::std::vec::Vec;
use crate::{Change, Loaded, Refusal, ShipoteSnapshot, Tail, changes, load, render};

/// Returns what is told of a load, as lines.
fn told(loaded: &Loaded) -> String {
    let mut lines = format!("{} seq {} replayed {}", loaded.report.verdict, loaded.seq, loaded.replayed);
    if let Some(refusal) = loaded.refusal {
        lines.push_str(&format!(" refused: {refusal:?}"));
    }
    lines.push('\n');
    for problem in &loaded.report.problems {
        lines.push_str(&format!("{}: {problem}", problem.file));
        if !problem.problem.hint.is_empty() {
            lines.push_str(&format!(" ({})", problem.problem.hint));
        }
        lines.push('\n');
    }
    lines
}

fn check(state: Option<&str>, journals: &[&str]) -> String {
    told(&load_text(state, journals))
}

fn load_text(state: Option<&str>, journals: &[&str]) -> Loaded {
    let journals: Vec<&[u8]> = journals.iter().map(|text| text.as_bytes()).collect();
    load(state.map(str::as_bytes), &journals)
}

/// Returns `state.json` after the first `count` of five changes.
fn state_after(count: usize, serial: u64) -> String {
    render(&ShipoteSnapshot { serial, ..fold(&five()[..count]) })
}

fn lines(range: core::ops::Range<usize>) -> String {
    let changes = five();
    range.map(|index| line(index as u64 + 1, changes[index].clone())).collect()
}

#[test]
fn nothing_at_all_is_a_beginning() {
    let loaded = load(None, &[]);
    assert_eq!((loaded.snapshot, loaded.seq, loaded.refusal), (None, 0, None));
    insta::assert_snapshot!(serde_json::to_string(&loaded.report).unwrap(), @r#"{"verdict":"valid","version":null,"file":"state.json","counts":{"workspaces":0,"saved_pipelines":0,"live_pipelines":0,"commands":0,"held":0},"problems":[],"more":0}"#);
}

#[test]
fn every_step_of_a_compaction_loads_the_same() {
    let (first, second) = (state_after(2, 1), state_after(4, 2));
    let old = header(Some(&first), 1, 2) + &lines(2..4);
    let begun = header(Some(&first), 1, 4);
    let announced = begun.clone() + &checkpoint(5, 2, &second);
    let steps: [(&str, &[&str]); 6] = [
        (&first, &[&old]),
        (&first, &[&old, &begun]),
        (&first, &[&old, &announced]),
        (&second, &[&old, &announced]),
        (&second, &[&announced]),
        (&first, &[&old, ""]),
    ];
    for (index, (state, journals)) in steps.into_iter().enumerate() {
        let loaded = load_text(Some(state), journals);
        assert_eq!((loaded.refusal, loaded.edited), (None, false), "{index}: {}", told(&loaded));
        assert!(changes(&loaded.snapshot.unwrap(), &fold(&five()[..4])).is_empty(), "{index}");
        assert_eq!(loaded.serial, if index < 2 || index == 5 { 1 } else { 2 }, "{index}");
    }
    // Changes go on while the state is written.
    let busy = begun + &line(5, five()[4].clone()) + &checkpoint(6, 2, &second);
    for (state, journals) in [(&first, &[&*old, &*busy][..]), (&second, &[&old, &busy]), (&second, &[&busy])]
    {
        let loaded = load_text(Some(state), journals);
        assert_eq!((loaded.refusal, loaded.seq), (None, 6));
        assert!(changes(&loaded.snapshot.unwrap(), &fold(&five())).is_empty());
    }
}

#[test]
fn an_edit_while_nothing_ran_is_taken_where_no_record_waits() {
    let written = state_after(4, 2);
    let edited = written.replace("\"a2\"", "\"mine\"");
    let empty = header(Some(&written), 2, 4);
    assert!(!load_text(Some(&written), &[&empty]).edited);
    let loaded = load_text(Some(&edited), &[&empty]);
    assert!(loaded.edited);
    assert_eq!(loaded.snapshot.as_ref().unwrap().workspaces[0].spec.label, "mine");
    insta::assert_snapshot!(told(&loaded), @r#"
    valid seq 4 replayed 0
    state.json: note edited 1:1 (document) the file was changed while nothing ran (no record waits to be folded in, so it is taken as it is)
    "#);
    insta::assert_snapshot!(check(Some(&edited), &[&(empty.clone() + &checkpoint(5, 2, &written))]), @r#"
    valid seq 5 replayed 0
    state.json: note edited 1:1 (document) the file was changed while nothing ran (no record waits to be folded in, so it is taken as it is)
    "#);
    insta::assert_snapshot!(check(Some(&edited), &[&(empty + &lines(4..5))]), @r#"
    invalid seq 5 replayed 0 refused: Edited
    state.json: error edited_with_journal 1:1 (document) the file was changed while nothing ran, and 1 record waits to be folded in (`shipote state recover` shows what each of the two would lose)
    "#);
}

/// The journal is believed about what is folded in, and not the file that it does not know: one wrong digit there would
/// pass over a change that was acknowledged.
#[test]
fn an_edited_file_is_not_believed_in_what_it_says_it_holds() {
    let written = state_after(4, 2);
    let journal = header(Some(&written), 2, 4) + &lines(4..5);
    let edited = written.replace("\"journal_seq\":4", "\"journal_seq\":5");
    insta::assert_snapshot!(check(Some(&edited), &[&journal]), @r#"
    invalid seq 5 replayed 0 refused: Edited
    state.json: error edited_with_journal 1:1 (document) the file was changed while nothing ran, and 1 record waits to be folded in (`shipote state recover` shows what each of the two would lose)
    "#);
    let choices = crate::explain(Some(edited.as_bytes()), &[], &[journal.as_bytes()]);
    assert!(choices.iter().all(|choice| !choice.is_complete()), "{choices:?}");
    // A fold that was cut off before its new journal leaves a later file than the journal speaks of.
    let folded = header(None, 0, 0) + &lines(0..4);
    let edited = written.replace("\"a2\"", "\"mine\"");
    let taken = load_text(Some(&edited), &[&folded]);
    assert_eq!((taken.refusal, taken.edited), (None, true));
    // Where the journal does speak of it, there is another content in its place.
    let announced = folded + &checkpoint(5, 2, &written);
    assert_eq!(load_text(Some(&edited), &[&announced]).refusal, Some(Refusal::Edited));
    assert_eq!(load_text(Some(&written), &[&announced]).refusal, None);
}

#[test]
fn a_journal_continues_its_own_state_and_no_other() {
    let (first, second) = (state_after(2, 1), state_after(4, 2));
    let journal = header(Some(&second), 2, 4) + &lines(4..5);
    insta::assert_snapshot!(check(Some(&first), &[&journal]), @r#"
    invalid seq 2 replayed 0 refused: Damaged
    state.journal: error base_newer 1:1 (document) the journal continues change 4, and state.json ends with 2 (what is before it lacks 3 changes made within 3.000 s; `shipote state recover` shows every way on)
    "#);
    insta::assert_snapshot!(check(None, &[&journal]), @r#"
    invalid seq 0 replayed 0 refused: Damaged
    state.json: error checkpoint_missing 1:1 (document) there is no state.json, and the journal continues one up to change 4 (`shipote state recover` shows what the generations beside it hold)
    "#);
    let other = second
        .replace("0000000001000000000000000", "0000000001000000000000009")
        .replace("\"lineage\":\"00000000010000000000000002\"", "\"lineage\":\"00000000010000000000000007\"");
    insta::assert_snapshot!(check(Some(&other), &[&journal]), @r#"
    invalid seq 5 replayed 0 refused: Edited
    state.json: error lineage_differs 1:1 (document) the records of the journal belong to another line of states than this file (put the files together that belong together)
    "#);
    insta::assert_snapshot!(check(Some(&other), &[&header(Some(&second), 2, 4)]), @r#"
    valid seq 4 replayed 0
    state.json: note edited 1:1 (document) the file was changed while nothing ran (no record waits to be folded in, so it is taken as it is)
    "#);
}

#[test]
fn damage_tells_what_it_costs() {
    let text = journal_of(&five());
    let broken = text.replacen("\"daily\"", "\"dailx\"", 2);
    insta::assert_snapshot!(check(None, &[&broken]), @r#"
    invalid seq 2 replayed 2 refused: Damaged
    state.journal: error crc_mismatch 4:1 (document) change 3 is damaged (what is before it lacks 3 changes made within 3.000 s; `shipote state recover` shows every way on)
    "#);
    let gap = text.replace(&lines(2..3), "");
    insta::assert_snapshot!(check(None, &[&gap]), @r#"
    invalid seq 2 replayed 2 refused: Damaged
    state.journal: error seq_gap 4:1 (document) change 3 is missing before this line (what is before it lacks 3 changes made within 3.000 s; `shipote state recover` shows every way on)
    "#);
    let headless = lines(0..5);
    insta::assert_snapshot!(check(None, &[&headless]), @r#"
    invalid seq 0 replayed 0 refused: Damaged
    state.journal: error journal_header 1:1 (document) the journal does not begin with a header (what is before it lacks 5 changes; `shipote state recover` shows every way on)
    "#);
    let torn = &text[..text.len() - 9];
    insta::assert_snapshot!(check(None, &[torn]), @r#"
    valid seq 4 replayed 4
    state.journal: warning torn_tail 6:1 (document) the last 110 bytes were never acknowledged, and are not used (a start keeps a copy of them in quarantine/, and cuts them off)
    "#);
    let garbage = text.replace(&lines(2..3), &format!("??\n{}", lines(2..3)));
    insta::assert_snapshot!(check(None, &[&garbage]), @r#"
    valid seq 5 replayed 5
    state.journal: warning crc_mismatch 4:1 (document) this line is damaged, and no change is missing (it is skipped)
    "#);
    let two_writers = text.clone() + &line(5, Change::new().put(workspace(9, "z")));
    insta::assert_snapshot!(check(None, &[&two_writers]), @r#"
    invalid seq 5 replayed 5 refused: Damaged
    state.journal: error seq_repeated 7:1 (document) the sequence number 5 stands twice (`shipote state recover` shows every way on)
    "#);
    // The end of the old journal is known to have been there.
    let begun = header(None, 0, 5);
    insta::assert_snapshot!(check(None, &[torn, &begun]), @r#"
    invalid seq 4 replayed 4 refused: Damaged
    state.journal.old: error crc_mismatch 6:1 (document) change 5 is damaged (what is before it lacks 1 change made within 0.000 s; `shipote state recover` shows every way on)
    "#);
    // What the state holds already can't be missed, nor who it belonged to.
    let state = state_after(4, 1);
    let ownerless = text.replacen("lineage", "lineagf", 1).replace(&lines(4..5), "");
    insta::assert_snapshot!(check(Some(&state), &[&ownerless, &header(Some(&state), 1, 4)]), @r#"
    valid seq 4 replayed 0
    state.journal.old: warning crc_mismatch 1:1 (document) this line is damaged, and no change is missing (it is skipped)
    "#);
    insta::assert_snapshot!(check(Some(&state_after(3, 1)), &[&ownerless, &header(None, 1, 4)]), @r#"
    invalid seq 3 replayed 0 refused: Damaged
    state.journal.old: error journal_header 1:1 (document) the header of the journal is damaged (what is before it lacks 1 change made within 1.000 s; `shipote state recover` shows every way on)
    "#);
    let folded = broken + &checkpoint(6, 1, &state);
    insta::assert_snapshot!(check(Some(&state), &[&folded]), @r#"
    valid seq 6 replayed 2
    state.journal: warning crc_mismatch 4:1 (document) this line is damaged, and no change is missing (it is skipped)
    "#);
}

#[test]
fn a_line_that_is_whole_and_not_understood_is_explained() {
    let sealed = |json: &str| format!("{:08x} {json}\n", crc32fast::hash(json.as_bytes()));
    let after = |json: &str| check(None, &[&(header(None, 0, 0) + &lines(0..1) + &sealed(json))]);
    insta::assert_snapshot!(after("{"), @r#"
    invalid seq 1 replayed 1 refused: Damaged
    state.journal: error record_invalid 3:10 (document) the line is not JSON
    "#);
    insta::assert_snapshot!(after(r#"{"seq":2,"at_ms":2000,"durable_seq":1,"v":6,"ops":[]}"#), @r#"
    newer seq 1 replayed 1 refused: Newer
    state.journal: note version_newer 3:10 (document) `v` 6 is newer than 5, the newest known here (use the Shipote that wrote it, or a later one)
    "#);
    insta::assert_snapshot!(after(r#"{"seq":2,"at_ms":2000,"durable_seq":1,"op":"chekpoint"}"#), @r#"
    invalid seq 1 replayed 1 refused: Damaged
    state.journal: error unknown_op 3:10 (document) the operation `chekpoint` is not known (did you mean `checkpoint`?)
    "#);
    insta::assert_snapshot!(after(r#"{"seq":2.0,"at_ms":2000,"durable_seq":1,"v":5,"ops":[{"op":"workspace.putt","id":"x"}]}"#), @r#"
    invalid seq 1 replayed 1 refused: Damaged
    state.journal: error not_an_integer 3:17 /seq a whole number has neither fraction nor exponent
    state.journal: error unknown_op 3:69 (document) the operation `workspace.putt` is not known (did you mean `workspace.put`?)
    "#);
    insta::assert_snapshot!(after(r#"{"seq":2,"at_ms":2000,"durable_seq":1,"v":5,"ops":[{"op":"workspace.put","id":"00000000010000000000000001","body":{"id":"00000000010000000000000001","spec":{"label":7}}}]}"#), @r#"
    invalid seq 1 replayed 1 refused: Damaged
    state.journal: error wrong_type 3:175 /ops/0/body/spec/label a text is needed, and a number stands here
    "#);
    insta::assert_snapshot!(after(r#"{"seq":2,"at_ms":2000,"durable_seq":1,"v":5,"ops":[{"op":"workspace.del","name":"x"}]}"#), @r#"
    invalid seq 1 replayed 1 refused: Damaged
    state.journal: error record_invalid 3:10 (document) the line is whole, and is not what Shipote writes
    "#);
    insta::assert_snapshot!(check(None, &[&sealed(r#"{"journal":2,"frames":[]}"#)]), @r#"
    newer seq 0 replayed 0 refused: Newer
    state.journal: note version_newer 1:10 (document) `journal` 2 is newer than 1, the newest known here (use the Shipote that wrote it, or a later one)
    "#);
}

#[test]
fn records_that_don_t_fit_together_are_held_and_cost_nothing_else() {
    let text = header(None, 0, 0)
        + &line(1, Change::new().put(workspace(1, "a")).put(workspace(2, "b")))
        + &line(2, Change::new().put(command(1, 3, 0)).put(command(2, 1, 0)))
        + &line(3, Change::new().put(workspace(2, "c")));
    let loaded = load_text(None, &[&text]);
    insta::assert_snapshot!(told(&loaded), @r#"
    invalid seq 3 replayed 3
    state.journal: error unknown_workspace 3:1 /commands/0/workspace no workspace has the id 00000000010000000000000003 (declare that workspace, or name another one)
    "#);
    let state = loaded.snapshot.unwrap();
    assert_eq!((state.workspaces.len(), state.commands.len(), state.held.len()), (2, 1, 1));
    assert_eq!(loaded.tail, Tail::Clean);
}

#[test]
fn an_unreadable_state_is_refused_with_its_journal() {
    let text = journal_of(&five());
    let loaded = load_text(Some("{\"version\":5,"), &[&text]);
    assert_eq!((loaded.snapshot.is_none(), loaded.refusal), (true, Some(Refusal::Unreadable)));
    let loaded = load_text(Some("{\"version\":6}"), &[&text]);
    assert_eq!((loaded.snapshot.is_none(), loaded.refusal), (true, Some(Refusal::Newer)));
}

#[test]
fn a_report_with_a_journal_is_what_scripts_read() {
    let text = journal_of(&five());
    let report = load(None, &[&text.as_bytes()[..text.len() - 1]]).report;
    insta::assert_snapshot!(serde_json::to_string_pretty(&report).unwrap(), @r#"
    {
      "verdict": "valid",
      "version": 5,
      "file": "state.json",
      "counts": {
        "workspaces": 2,
        "saved_pipelines": 1,
        "live_pipelines": 0,
        "commands": 1,
        "held": 0
      },
      "problems": [
        {
          "severity": "warning",
          "code": "torn_tail",
          "pointer": "",
          "line": 6,
          "column": 1,
          "offset": 2020,
          "len": 118,
          "message": "the last 118 bytes were never acknowledged, and are not used",
          "hint": "a start keeps a copy of them in quarantine/, and cuts them off",
          "file": "state.journal"
        }
      ],
      "more": 0,
      "journal": {
        "records": 4,
        "from_seq": 1,
        "to_seq": 4,
        "tail": {
          "kind": "torn",
          "journal": 0,
          "offset": 2020,
          "len": 118
        },
        "loss": null
      }
    }
    "#);
    let broken = text.replacen("\"daily\"", "\"dailx\"", 2);
    let report = load_text(None, &[&broken]).report;
    insta::assert_snapshot!(serde_json::to_string(&report.journal).unwrap(), @r#"{"records":2,"from_seq":1,"to_seq":2,"tail":{"kind":"clean"},"loss":{"changes":3,"from_seq":3,"to_seq":5,"from_ms":2000,"to_ms":5000}}"#);
}
