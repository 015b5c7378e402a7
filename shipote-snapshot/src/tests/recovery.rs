//! What a journal tells of the past, and which ways lead on from damage.

use super::journal::{checkpoint, command, five, fold, header, history, journal_of, line, workspace};
use super::std::format;
use super::std::string::String;
use super::std::vec::Vec;
use proptest::prelude::*;

use crate::log::{Event, What};
use crate::{Change, Choice, Refusal, ShipoteSnapshot, changes, explain, load, log, render};

/// Returns a history as lines.
fn told(state: Option<&ShipoteSnapshot>, journals: &[&[u8]]) -> String {
    let mut lines = String::new();
    for entry in log(state, journals) {
        lines.push_str(&format!("{} {} ", entry.seq, entry.at_ms));
        match entry.event {
            Event::Checkpoint { serial } => lines.push_str(&format!("checkpoint {serial}\n")),
            Event::Entity { collection, id, label, what } => {
                let what = match what {
                    What::Created => "created".into(),
                    What::Written => "written".into(),
                    What::Removed => "removed".into(),
                    What::Changed { fields } => {
                        let name = |field: &crate::diff::FieldChange| field.pointer.clone();
                        format!("changed {}", fields.iter().map(name).collect::<Vec<_>>().join(" "))
                    }
                };
                lines.push_str(&format!("{collection} {id} `{label}` {what}\n"));
            }
        }
    }
    lines
}

#[test]
fn a_journal_is_a_history() {
    let text = journal_of(&five()) + &checkpoint(6, 1, "");
    insta::assert_snapshot!(told(None, &[text.as_bytes(), text.as_bytes()]), @r#"
    1 1000 workspaces 00000000010000000000000001 `a` created
    2 2000 workspaces 00000000010000000000000002 `b` created
    2 2000 commands 00000000030000000000000001 `sleep` created
    3 3000 saved_pipelines daily `p` created
    4 4000 workspaces 00000000010000000000000001 `a2` changed /spec/label
    4 4000 commands 00000000030000000000000001 `sleep` changed /counters/restarts
    5 5000 workspaces 00000000010000000000000001 `a2` removed
    6 6000 checkpoint 1
    "#);
    // With the state that it continues, the first changes are told by field too.
    let state = fold(&five()[..3]);
    let rest = header(None, 0, 3) + &line(4, five()[3].clone()) + &line(5, five()[4].clone());
    insta::assert_snapshot!(told(Some(&state), &[rest.as_bytes()]), @r#"
    4 4000 workspaces 00000000010000000000000001 `a2` changed /spec/label
    4 4000 commands 00000000030000000000000001 `sleep` changed /counters/restarts
    5 5000 workspaces 00000000010000000000000001 `a2` removed
    "#);
    insta::assert_snapshot!(told(Some(&fold(&five())), &[rest.as_bytes()]), @r#"
    4 4000 workspaces 00000000010000000000000001 `a2` written
    4 4000 commands 00000000030000000000000001 `sleep` written
    5 5000 workspaces 00000000010000000000000001 `a2` removed
    "#);
    let entry = log(None, &[text.as_bytes()]).nth(4).unwrap();
    insta::assert_snapshot!(serde_json::to_string(&entry).unwrap(), @r#"{"seq":4,"at_ms":4000,"event":"entity","collection":"workspaces","id":"00000000010000000000000001","label":"a2","what":"changed","fields":[{"pointer":"/spec/label","old":"a","new":"a2"}]}"#);
}

/// Returns the ways on as lines.
fn ways(choices: &[Choice]) -> String {
    let mut lines = String::new();
    for Choice { way, file, records, seq, at_ms, counts, loss, certain, .. } in choices {
        let file = file.as_deref().unwrap_or("-");
        let entities = counts.workspaces + counts.saved_pipelines + counts.live_pipelines + counts.commands;
        lines.push_str(&format!("{way:?} {file} +{records} = {seq} at {at_ms}, {entities} entities, "));
        match loss {
            None if *certain => lines.push_str("loses nothing\n"),
            None => lines.push_str("loses nobody knows what\n"),
            Some(loss) => lines.push_str(&format!(
                "loses {} of {} to {}, from {:?} to {:?}\n",
                loss.changes, loss.from_seq, loss.to_seq, loss.from_ms, loss.to_ms
            )),
        }
    }
    lines
}

fn state_after(count: usize, serial: u64) -> String {
    render(&ShipoteSnapshot { serial, ..fold(&five()[..count]) })
}

#[test]
fn every_way_on_says_what_it_loses() {
    let text = journal_of(&five());
    let broken = text.replacen("\"daily\"", "\"dailx\"", 2);
    insta::assert_snapshot!(ways(&explain(None, &[], &[broken.as_bytes()])), @r#"
    Skip - +4 = 5 at 5000, 2 entities, loses 1 of 3 to 3, from Some(2000) to Some(4000)
    Replay - +2 = 2 at 2000, 3 entities, loses 3 of 3 to 5, from Some(2000) to Some(5000)
    "#);
    // Between the rename of the old journal and its end, an earlier generation reaches everything.
    let (first, second) = (state_after(2, 1), state_after(4, 2));
    let old = header(Some(&first), 1, 2) + &line(3, five()[2].clone()) + &line(4, five()[3].clone());
    let new = header(Some(&first), 1, 4) + &checkpoint(5, 2, &second) + &line(6, five()[4].clone());
    let generations = [("state.json.1", first.as_bytes())];
    let choices = explain(Some(b"{\"version\":5,"), &generations, &[old.as_bytes(), new.as_bytes()]);
    insta::assert_snapshot!(ways(&choices), @r#"
    Replay state.json.1 +4 = 6 at 6000, 3 entities, loses nothing
    Alone state.json.1 +0 = 2 at 2000, 3 entities, loses 4 of 3 to 6, from Some(2000) to Some(6000)
    "#);
    assert!(choices[0].is_complete());
    assert!(changes(&choices[0].snapshot, &fold(&five())).is_empty());
    // Afterwards, it does not.
    let choices = explain(Some(b"{\"version\":5,"), &generations, &[new.as_bytes()]);
    insta::assert_snapshot!(ways(&choices), @r#"
    Skip state.json.1 +2 = 6 at 6000, 2 entities, loses 2 of 3 to 4, from Some(2000) to Some(1004)
    Replay state.json.1 +0 = 2 at 2000, 3 entities, loses 4 of 3 to 6, from Some(2000) to Some(6000)
    "#);
    assert!(!choices[0].is_complete());
    // An edit, and the records that it did not wait for.
    let edited = second.replace("\"a2\"", "\"mine\"");
    insta::assert_snapshot!(ways(&explain(Some(edited.as_bytes()), &[], &[new.as_bytes()])), @r#"
    Replay state.json +2 = 6 at 6000, 3 entities, loses nobody knows what
    Alone state.json +0 = 4 at 4000, 4 entities, loses 2 of 5 to 6, from Some(4000) to Some(6000)
    "#);
    // Without any journal, only the files themselves tell.
    insta::assert_snapshot!(ways(&explain(Some(b""), &generations, &[])), @r#"Replay state.json.1 +0 = 2 at 2000, 3 entities, loses nobody knows what"#);
    insta::assert_snapshot!(ways(&explain(Some(second.as_bytes()), &generations, &[])), @r#"
    Replay state.json +0 = 4 at 4000, 4 entities, loses nothing
    Replay state.json.1 +0 = 2 at 2000, 3 entities, loses 2 of 3 to 4, from Some(2000) to Some(4000)
    "#);
    assert!(explain(None, &[], &[]).is_empty());
    insta::assert_snapshot!(serde_json::to_string(&explain(None, &generations, &[new.as_bytes()])[0]).unwrap(), @r#"{"way":"skip","file":"state.json.1","records":2,"seq":6,"at_ms":6000,"counts":{"workspaces":1,"saved_pipelines":0,"live_pipelines":0,"commands":1,"held":0},"loss":{"changes":2,"from_seq":3,"to_seq":4,"from_ms":2000,"to_ms":1004},"certain":true}"#);
}

/// With `state.json` gone, a generation and the journals may have everything; one bit of the generation that is another
/// one may not go unnoticed then.
#[test]
fn a_generation_that_was_changed_is_never_taken_unasked() {
    let first = state_after(2, 1);
    let old = header(Some(&first), 1, 2) + &line(3, five()[2].clone()) + &line(4, five()[3].clone());
    let new = header(Some(&first), 1, 4) + &line(5, five()[4].clone());
    let journals = [old.as_bytes(), new.as_bytes()];
    let choices = explain(Some(b"{"), &[("state.json.1", first.as_bytes())], &journals);
    assert!(choices[0].is_complete());
    for bit in 0..first.len() * 8 {
        let mut changed = first.clone().into_bytes();
        changed[bit / 8] ^= 1 << (bit % 8);
        let choices = explain(Some(b"{"), &[("state.json.1", &changed)], &journals);
        assert!(!choices.iter().any(Choice::is_complete), "{bit}: {}", ways(&choices));
    }
}

#[test]
fn what_is_skipped_costs_only_itself() {
    let text = journal_of(&five());
    let broken = text.replacen("\"daily\"", "\"dailx\"", 2);
    let choices = explain(None, &[], &[broken.as_bytes()]);
    let mut without = ShipoteSnapshot::empty(super::journal::lineage(), 0, "");
    for index in [0, 1, 3, 4] {
        without.apply(five()[index].clone().into_changes());
    }
    assert!(changes(&choices[0].snapshot, &without).is_empty());
}

#[test]
fn a_journal_of_others_is_not_replayed() {
    let state = state_after(2, 1)
        .replace("00000000010000000000000002\",\"serial", "00000000010000000000000007\",\"serial");
    let journal = header(None, 0, 0) + &line(1, Change::new().put(workspace(5, "x")).put(command(1, 5, 0)));
    insta::assert_snapshot!(ways(&explain(Some(state.as_bytes()), &[], &[journal.as_bytes()])), @r#"
    Replay - +1 = 1 at 1000, 2 entities, loses nobody knows what
    Alone state.json +0 = 2 at 2000, 3 entities, loses nobody knows what
    "#);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_best_way_is_what_a_load_gives_where_it_may_go_on(history in history(), at in any::<prop::sample::Index>(), flip: u8) {
        let mut text = journal_of(&history).into_bytes();
        let at = at.index(text.len());
        text[at] ^= flip;
        let loaded = load(None, &[&text]);
        let choices = explain(None, &[], &[&text]);
        if loaded.refusal.is_none() && loaded.snapshot.is_some() {
            prop_assert!(choices[0].is_complete());
            prop_assert_eq!(Some(&choices[0].snapshot), loaded.snapshot.as_ref());
        }
        for choice in choices {
            let lost = choice.loss.map_or(0, |loss| loss.changes);
            prop_assert!(choice.records + lost >= loaded.seq);
            prop_assert!(loaded.refusal != Some(Refusal::Damaged) || lost > 0 || !choice.is_complete());
        }
        for entry in log(loaded.snapshot.as_ref(), &[&text]) {
            prop_assert!(entry.seq <= history.len() as u64);
        }
    }
}
