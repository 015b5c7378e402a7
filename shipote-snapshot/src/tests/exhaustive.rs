//! Every prefix and every flipped bit of `state.json` and of journals, through a load, with what has to come of each.
//!
//! What is expected is worked out from the bytes alone (which line, which byte), not by the code under test.

use super::journal::{checkpoint, five, fold, header, line, pipeline, workspace};
use super::std::collections::BTreeSet;
use super::std::string::{String, ToString};
use super::std::vec::Vec;
use super::std::{format, vec};
use super::{fixture, journal};
use serde_json::Value;
use shipote_card::{PipelineId, WorkspaceId};

use crate::domain::*;
use crate::{Change, Loaded, Refusal, Tail, Verdict, changes, code, load, render};

/// A state with something in every list, after four changes.
fn state() -> ShipoteSnapshot {
    let mut state = fold(&five()[..4]);
    state.serial = 1;
    state.workspaces[0].spec.ttl = Some("2h".parse().unwrap());
    let sample = PersistedStats { cpu_percent: Some(1.5), uptime_ms: 17, ..PersistedStats::default() };
    state.workspaces[0].stats_history = vec![sample];
    state.live_pipelines.push(LivePipelineEntry {
        id: PipelineId::from_parts(2, 1),
        workspace: WorkspaceId::from_parts(1, 2),
        spec: pipeline("p"),
        tap: true,
        desired: Desired::Running,
        counters: Counters::default(),
    });
    state
}

fn flipped(bytes: &[u8], bit: usize) -> Vec<u8> {
    let mut flipped = bytes.to_vec();
    flipped[bit / 8] ^= 1 << (bit % 8);
    flipped
}

/// Returns in which line, from 1, a byte stands.
fn line_of(bytes: &[u8], at: usize) -> usize {
    bytes[..at].iter().filter(|byte| **byte == b'\n').count() + 1
}

/// Returns each entity of a rendered state: its line, its list, and its JSON.
fn entities(state: &ShipoteSnapshot) -> Vec<(usize, String)> {
    let text = render(state);
    let of_lines =
        text.lines().zip(1..).filter(|(line, _)| line.starts_with('{') && !line.contains("\"version\""));
    of_lines.map(|(line, at)| (at, line.trim_end_matches([',', ']', '}']).to_string())).collect()
}

/// Names of variants in both spellings are one value.
fn in_one_spelling(value: &Value) -> Value {
    let name = |text: &String| match text.to_ascii_lowercase() {
        lower if ["reap", "running", "native", "off"].contains(&lower.as_str()) => lower,
        _ => text.clone(),
    };
    match value {
        Value::String(text) => Value::String(name(text)),
        Value::Array(items) => items.iter().map(in_one_spelling).collect(),
        Value::Object(members) => {
            members.iter().map(|(key, value)| (name(key), in_one_spelling(value))).collect()
        }
        other => other.clone(),
    }
}

/// Checks that a state with a flipped bit, which nothing refuses, is what its bytes say and nothing else.
fn check_edit(file: &[u8], at: usize, loaded: &Loaded) {
    let context = || String::from_utf8_lossy(file).into_owned();
    assert!(loaded.edited, "not noticed: {}", context());
    let problems = loaded.report.problems.iter().filter(|told| told.problem.code != code::EDITED);
    let problems: Vec<_> = problems.map(|told| &told.problem).collect();
    let found = loaded.snapshot.as_ref().unwrap();
    if problems.is_empty() {
        let says: Value = serde_json::from_slice(file).unwrap();
        let is: Value = serde_json::from_str(&render(found)).unwrap();
        assert_eq!(in_one_spelling(&is), in_one_spelling(&says), "{}", context());
        return;
    }
    // Nothing is told of other lines but what follows from this one: an id that others refer to, or have as well.
    let relations = [
        code::DUPLICATE_ID,
        code::DUPLICATE_NAME,
        code::UNKNOWN_WORKSPACE,
        code::WORKSPACE_HELD,
        code::WORKSPACE_DIFFERS,
    ];
    let mut touched = BTreeSet::from([line_of(file, at)]);
    for problem in &problems {
        let here = problem.place.line as usize;
        assert!(
            here == line_of(file, at) || relations.contains(&&*problem.code),
            "{problem:?}\n{}",
            context()
        );
        touched.insert(here);
    }
    // Where the name of a list is damaged, all of it is ignored; it is told, and its bytes are kept beside.
    let (before, after) = (entities(&state()), entities(found));
    let (beside, before): (Vec<_>, Vec<_>) = before
        .into_iter()
        .partition(|(_, entity)| loaded.beside.iter().any(|part| part.raw.contains(entity.as_str())));
    for (line, entity) in &before {
        let is_kept = after.iter().any(|(_, kept)| kept == entity);
        assert!(is_kept || touched.contains(line), "line {line} is lost: {}", context());
    }
    // What is not loaded is held, byte for byte.
    assert_eq!(after.len(), before.len(), "{beside:?}\n{}", context());
}

#[test]
fn every_prefix_of_a_state_is_refused_beside_its_journal() {
    let text = render(&state());
    let idle = header(Some(&text), 1, 4);
    let busy = idle.clone() + &line(5, five()[4].clone());
    for cut in 0..text.len() - 1 {
        for journal in [&idle, &busy] {
            let loaded = load(Some(&text.as_bytes()[..cut]), &[journal.as_bytes()]);
            assert_eq!((loaded.refusal, &loaded.snapshot), (Some(Refusal::Unreadable), &None), "{cut}");
            assert_eq!(loaded.report.verdict, Verdict::Invalid, "{cut}");
        }
    }
    // Without its last line feed it is a whole document all the same, and not the one that the journal knows.
    let cut = &text.as_bytes()[..text.len() - 1];
    let loaded = load(Some(cut), &[idle.as_bytes()]);
    assert_eq!((loaded.refusal, loaded.edited, loaded.snapshot), (None, true, Some(state())));
    assert_eq!(load(Some(cut), &[busy.as_bytes()]).refusal, Some(Refusal::Edited));
}

#[test]
fn every_flipped_bit_of_a_state_is_refused_or_is_an_edit_of_its_line() {
    let text = render(&state());
    let idle = header(Some(&text), 1, 4);
    let busy = idle.clone() + &line(5, five()[4].clone());
    let version = text.find("\"version\":5").unwrap() + "\"version\":".len();
    let (mut refused, mut edited) = (0, 0);
    for bit in 0..text.len() * 8 {
        let file = flipped(text.as_bytes(), bit);
        // Where a change waits, any difference at all is refused.
        let waiting = load(Some(&file), &[busy.as_bytes()]);
        assert!(waiting.refusal.is_some(), "{bit}");
        assert!(!matches!(waiting.report.verdict, Verdict::Valid | Verdict::Upgradable), "{bit}");
        let loaded = load(Some(&file), &[idle.as_bytes()]);
        match loaded.refusal {
            Some(Refusal::Unreadable | Refusal::Newer) => {
                assert_eq!(loaded.snapshot, None, "{bit}");
                refused += 1;
            }
            // The journal goes on from change 4, and the file says that it ends before.
            Some(Refusal::Damaged) => {
                let says: Value = serde_json::from_slice(&file).unwrap();
                assert!(says["journal_seq"].as_u64() < Some(4), "{bit}: {says}");
                refused += 1;
            }
            Some(Refusal::Edited) => panic!("{bit}: nothing waits"),
            // A version that is another one makes another document of all that follows; its new fields are told.
            None if bit / 8 == version => {
                assert!(loaded.edited, "{bit}");
                assert!(loaded.report.problems.len() > 5, "{bit}: {:?}", loaded.report.problems);
            }
            None => {
                check_edit(&file, bit / 8, &loaded);
                edited += 1;
            }
        }
    }
    assert!(refused > 3_000 && edited > 3_000, "{refused} refused, {edited} edited");
}

#[test]
fn every_prefix_and_every_flipped_bit_of_the_smallest_file_of_every_version_is_judged() {
    for version in 1..=5 {
        let file = fixture(&format!("v{version}-minimal.json"));
        let file = file.trim_ascii_end();
        for cut in 0..file.len() {
            let loaded = load(Some(&file[..cut]), &[]);
            assert_eq!(
                (loaded.refusal, loaded.snapshot),
                (Some(Refusal::Unreadable), None),
                "{version}, {cut}"
            );
        }
        for bit in 0..file.len() * 8 {
            let file = flipped(file, bit);
            let loaded = load(Some(&file), &[]);
            let says = serde_json::from_slice::<Value>(&file).ok();
            match (loaded.refusal, loaded.snapshot) {
                (Some(Refusal::Unreadable), None) => {}
                (Some(Refusal::Newer), None) => assert!(says.unwrap()["version"].as_u64() > Some(5)),
                (None, Some(found)) => {
                    let says = says.unwrap();
                    assert_eq!(says["timestamp_ms"], found.timestamp_ms, "{version}, {bit}");
                    assert_eq!(loaded.report.version, Some(says["version"].to_string()), "{version}, {bit}");
                    assert!(entities(&found).is_empty(), "{version}, {bit}");
                }
                other => panic!("{version}, {bit}: {other:?}"),
            }
        }
    }
}

/// A `state.json` after two changes, and the journal behind it: two changes, the word that another `state.json` is
/// there, and one more change.
struct Chain {
    first: String,
    second: String,
    changes: Vec<Change>,
    header: String,
    records: Vec<String>,
}

impl Chain {
    fn new() -> Self {
        // As short as can be, since every bit costs a load.
        let gone = |name| Change::new().remove(Collection::SavedPipelines, name);
        let saved = |name: &str| PipelineEntry { name: name.into(), spec: pipeline("p") };
        let changes = vec![
            Change::new().put(workspace(1, "a")),
            gone("a"),
            Change::new().put(saved("b")),
            gone("a"),
            gone("b"),
        ];
        let state = |count: usize, serial| render(&ShipoteSnapshot { serial, ..fold(&changes[..count]) });
        let (first, second) = (state(2, 1), state(4, 2));
        let header = header(Some(&first), 1, 2);
        let records = vec![
            line(3, changes[2].clone()),
            line(4, changes[3].clone()),
            checkpoint(5, 2, &second),
            line(6, changes[4].clone()),
        ];
        Self { first, second, changes, header, records }
    }

    fn journal(&self) -> String {
        self.header.clone() + &self.records.concat()
    }

    /// Checks that a load came as far as this record, from 2.
    fn check(&self, loaded: &Loaded, seq: u64, what: &str) {
        // The fifth record is no change.
        let count = if seq < 5 { seq } else { seq - 1 };
        assert_eq!(loaded.seq, seq, "{what}");
        let found = loaded.snapshot.as_ref().unwrap();
        assert_eq!(changes(found, &fold(&self.changes[..count as usize])), [], "{what}");
        assert_eq!(found.journal_seq, seq, "{what}");
    }
}

#[test]
fn every_prefix_of_a_journal_gives_the_records_that_are_whole() {
    let chain = Chain::new();
    let text = chain.journal();
    for cut in 0..=text.len() {
        let loaded = load(Some(chain.first.as_bytes()), &[&text.as_bytes()[..cut]]);
        let whole = text[..cut].matches('\n').count();
        assert_eq!((loaded.refusal, loaded.edited), (None, false), "{cut}");
        chain.check(&loaded, 2 + whole.saturating_sub(1) as u64, &format!("{cut} bytes"));
        assert!(loaded.durable_seq <= loaded.seq, "{cut}");
        // What is not used is told, to the byte.
        let end = text[..cut].rfind('\n').map_or(0, |at| at + 1);
        let torn = Tail::Torn { journal: 0, offset: end as u64, len: (cut - end) as u64 };
        assert_eq!(loaded.tail, if end == cut && cut > 0 { Tail::Clean } else { torn }, "{cut}");
        let told: Vec<&str> = loaded.report.problems.iter().map(|told| &*told.problem.code).collect();
        let expected = [code::TORN_TAIL];
        assert_eq!(told, if loaded.tail == Tail::Clean { &[][..] } else { &expected }, "{cut}");
    }
}

#[test]
fn every_flipped_bit_of_a_journal_is_damage_or_an_unacknowledged_tail() {
    let chain = Chain::new();
    let text = chain.journal();
    let lines = text.matches('\n').count();
    for bit in 0..text.len() * 8 {
        let loaded = load(Some(chain.first.as_bytes()), &[&flipped(text.as_bytes(), bit)]);
        let line = line_of(text.as_bytes(), bit / 8);
        // All records before that line, the header not counted.
        let kept = 2 + (line as u64).saturating_sub(2);
        let what = format!("bit {bit} in line {line}");
        chain.check(&loaded, kept, &what);
        if line == lines {
            // Nothing says that the last record was acknowledged.
            assert_eq!(loaded.refusal, None, "{what}");
            assert!(matches!(loaded.tail, Tail::Torn { .. }), "{what}");
        } else {
            assert_eq!(loaded.refusal, Some(Refusal::Damaged), "{what}");
            let loss = loaded.report.journal.unwrap().loss.unwrap();
            assert_eq!((loss.changes, loss.from_seq, loss.to_seq), (6 - kept, kept + 1, 6), "{what}");
        }
    }
}

#[test]
fn an_old_journal_is_missed_where_its_records_are_and_only_there() {
    let chain = Chain::new();
    let old = chain.header.clone() + &chain.records[..2].concat();
    let new = header(Some(&chain.first), 1, 4) + &chain.records[2..].concat();
    let check = |old: &[u8], kept: u64, is_whole: bool, what: &str| {
        let before = load(Some(chain.first.as_bytes()), &[old, new.as_bytes()]);
        chain.check(&before, if is_whole { 6 } else { kept }, what);
        assert_eq!(before.refusal, (!is_whole).then_some(Refusal::Damaged), "{what}");
        // Once the second state.json is in its place, nothing of the old journal is needed.
        let after = load(Some(chain.second.as_bytes()), &[old, new.as_bytes()]);
        chain.check(&after, 6, what);
        assert_eq!((after.refusal, after.edited, after.tail), (None, false, Tail::Clean), "{what}");
    };
    for cut in 0..=old.len() {
        let whole = old[..cut].matches('\n').count();
        check(
            &old.as_bytes()[..cut],
            2 + whole.saturating_sub(1) as u64,
            whole == 3,
            &format!("{cut} bytes"),
        );
    }
    for bit in 0..old.len() * 8 {
        let line = line_of(old.as_bytes(), bit / 8) as u64;
        check(&flipped(old.as_bytes(), bit), 2 + line.saturating_sub(2), false, &format!("bit {bit}"));
    }
}

#[test]
fn a_journal_that_is_all_folded_in_can_be_damaged_anywhere() {
    let chain = Chain::new();
    // A fold without changes beside it holds the record that tells of it, too.
    let state = ShipoteSnapshot { serial: 2, journal_seq: 5, ..fold(&chain.changes[..4]) };
    let text = render(&state);
    let journal = chain.header.clone() + &chain.records[..2].concat() + &checkpoint(5, 2, &text);
    let last = line_of(journal.as_bytes(), journal.len() - 2);
    for bit in 0..journal.len() * 8 {
        let loaded = load(Some(text.as_bytes()), &[&flipped(journal.as_bytes(), bit)]);
        let line = line_of(journal.as_bytes(), bit / 8);
        assert_eq!((loaded.refusal, loaded.snapshot.as_ref()), (None, Some(&state)), "{bit}");
        // Without that record, no journal knows the file; it is a later one, and taken.
        assert_eq!((loaded.edited, loaded.tail == Tail::Clean), (line == last, line != last), "{bit}");
        assert_eq!(loaded.report.verdict, Verdict::Valid, "{bit}");
        assert!(!loaded.report.problems.is_empty(), "{bit}");
    }
}

#[test]
fn lines_that_are_gone_doubled_or_exchanged_are_never_passed_over() {
    let chain = Chain::new();
    let lines: Vec<&str> =
        core::iter::once(&chain.header).chain(&chain.records).map(String::as_str).collect();
    let with = |lines: &[&str]| load(Some(chain.first.as_bytes()), &[lines.concat().as_bytes()]);
    for at in 0..lines.len() {
        let mut fewer = lines.clone();
        fewer.remove(at);
        let loaded = with(&fewer);
        let is_last = at + 1 == lines.len();
        assert_eq!(loaded.refusal, (!is_last).then_some(Refusal::Damaged), "without line {}", at + 1);
        chain.check(&loaded, 2 + (at as u64).saturating_sub(1), &format!("without line {}", at + 1));

        let mut more = lines.clone();
        more.insert(at, lines[at]);
        let loaded = with(&more);
        // A second header within a journal is none that Shipote writes.
        if at > 0 {
            assert_eq!(loaded.refusal, None, "line {} twice", at + 1);
            chain.check(&loaded, 6, &format!("line {} twice", at + 1));
            assert_eq!(&*loaded.report.problems[0].problem.code, code::SEQ_REPEATED);
        } else {
            assert_eq!(loaded.refusal, Some(Refusal::Damaged));
        }

        if !is_last {
            let mut exchanged = lines.clone();
            exchanged.swap(at, at + 1);
            let loaded = with(&exchanged);
            assert_eq!(loaded.refusal, Some(Refusal::Damaged), "lines {} and {}", at + 1, at + 2);
            chain.check(&loaded, 2 + (at as u64).saturating_sub(1), "exchanged");
        }
    }
}

#[test]
fn every_stretch_of_a_journal_that_comes_back_as_zeros_is_damage_or_a_tail() {
    let chain = Chain::new();
    let text = chain.journal();
    // As sectors that were never written: from any byte on, short and long.
    for begin in 0..text.len() {
        for len in [1, 7, 64, 512] {
            let end = text.len().min(begin + len);
            let mut zeroed = text.clone().into_bytes();
            zeroed[begin..end].fill(0);
            let loaded = load(Some(chain.first.as_bytes()), &[&zeroed]);
            let first = line_of(text.as_bytes(), begin);
            let what = format!("{begin} to {end}");
            chain.check(&loaded, 2 + (first as u64).saturating_sub(2), &what);
            // Damage is known by a whole line behind it that says it was durable. The line that the zeros end in is not
            // whole, unless they end with its line feed.
            let last = line_of(text.as_bytes(), end - 1);
            let missing = first as u64 + 1;
            let is_seen = last < text.matches('\n').count() && said_by_later(&text, last) >= missing;
            assert_eq!(loaded.refusal, is_seen.then_some(Refusal::Damaged), "{what}");
        }
    }
}

/// Returns the highest sequence number that the lines behind a line, from 1, say is durable.
fn said_by_later(text: &str, line: usize) -> u64 {
    let later = text.lines().skip(line).filter_map(|line| serde_json::from_str::<Value>(&line[9..]).ok());
    later.filter_map(|line| line["durable_seq"].as_u64()).max().unwrap_or(0)
}

#[test]
fn the_journal_of_five_changes_is_the_same_without_a_state() {
    // The same scheme with the changes that the other tests of journals use.
    let text = journal::journal_of(&five());
    for bit in (0..text.len() * 8).step_by(7) {
        let loaded = load(None, &[&flipped(text.as_bytes(), bit)]);
        let line = line_of(text.as_bytes(), bit / 8);
        let kept = line.saturating_sub(2);
        assert_eq!(loaded.snapshot, (line > 1).then(|| fold(&five()[..kept])), "{bit}");
        assert_eq!(loaded.refusal, (line <= 5).then_some(Refusal::Damaged), "{bit}");
    }
}
