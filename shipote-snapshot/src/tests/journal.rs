//! The journal: what is written, what is read of it, and that no cut and no flipped bit gets past the rule.

use super::std::string::{String, ToString};
use super::std::vec::Vec;
use super::std::{format, vec};
use proptest::prelude::*;
use shipote_card::command::Payload;
use shipote_card::{CommandId, CommandRef, PipelineId, PipelineSpec, WorkspaceId, WorkspaceSpec};

use crate::domain::*;
use crate::journal::{Line, decode, records};
use crate::{
    Change, Digest, Entity, EntityChange, Entry, Header, Record, Refusal, Tail, changes, encode_header,
    encode_record, load, render,
};

pub(super) fn lineage() -> Lineage {
    Lineage::from_parts(1, 2)
}

pub(super) fn workspace(n: u128, label: &str) -> WorkspaceEntry {
    WorkspaceEntry::new(WorkspaceId::from_parts(1, n), WorkspaceSpec::labelled(label))
}

pub(super) fn command(n: u128, workspace: u128, restarts: u32) -> CommandEntry {
    let argv = vec!["sleep".to_string(), "1".to_string()];
    CommandEntry {
        id: CommandId::from_parts(3, n),
        workspace: WorkspaceId::from_parts(1, workspace),
        spec: CommandRef::from_argv("sleep", &argv).unwrap(),
        desired: Desired::Running,
        counters: Counters { restarts, ..Counters::default() },
    }
}

pub(super) fn pipeline(label: &str) -> PipelineSpec {
    PipelineSpec {
        label: label.into(),
        workspace: String::new(),
        nodes: Vec::new(),
        edges: Vec::new(),
        discern: Default::default(),
        tap: Default::default(),
        restart_on_failure: false,
        restart_backoff_ms: 200,
        restart_max_backoff_ms: 30_000,
        restart_max: 0,
    }
}

/// Returns the header of a journal that continues `checkpoint`.
pub(super) fn header(checkpoint: Option<&str>, base_serial: u64, base_seq: u64) -> String {
    let base_digest = checkpoint.map(|text| Digest::of(text.as_bytes()));
    encode_header(&Header { lineage: lineage(), base_serial, base_seq, base_digest, at_ms: 1_000 + base_seq })
}

/// Returns the line of a record that was made one second after the one before, which is on disk.
pub(super) fn line(seq: u64, change: Change) -> String {
    encode_record(&change.into_record(seq, 1_000 * seq, seq - 1))
}

/// Returns a checkpoint record.
pub(super) fn checkpoint(seq: u64, serial: u64, text: &str) -> String {
    let entry = Entry::Checkpoint { serial, digest: Digest::of(text.as_bytes()) };
    encode_record(&Record { seq, at_ms: 1_000 * seq, durable_seq: seq - 1, entry })
}

/// Five changes, from nothing.
pub(super) fn five() -> Vec<Change> {
    vec![
        Change::new().put(workspace(1, "a")),
        Change::new().put(workspace(2, "b")).put(command(1, 2, 0)),
        Change::new().put(PipelineEntry { name: "daily".into(), spec: pipeline("p") }),
        Change::new().put(workspace(1, "a2")).put(command(1, 2, 7)),
        Change::new().remove(Collection::Workspaces, WorkspaceId::from_parts(1, 1)),
    ]
}

/// Returns a journal of these changes, from nothing.
pub(super) fn journal_of(changes: &[Change]) -> String {
    let lines = changes.iter().zip(1..).map(|(change, seq)| line(seq, change.clone()));
    header(None, 0, 0) + &lines.collect::<String>()
}

/// Returns the state after these changes, from nothing.
pub(super) fn fold(changes: &[Change]) -> ShipoteSnapshot {
    let mut state = ShipoteSnapshot::empty(lineage(), 1_000, "");
    for (change, seq) in changes.iter().zip(1..) {
        state.apply(change.clone().into_changes());
        (state.journal_seq, state.timestamp_ms) = (seq, 1_000 * seq);
    }
    state
}

#[test]
fn a_journal_is_lines_that_people_can_read() {
    let live = LivePipelineEntry {
        id: PipelineId::from_parts(2, 1),
        workspace: WorkspaceId::from_parts(1, 2),
        spec: pipeline("p"),
        tap: true,
        desired: Desired::Stopped,
        counters: Counters::default(),
    };
    let text = header(None, 0, 0)
        + &line(1, Change::new().put(workspace(1, "a")))
        + &line(2, Change::new().put(live).remove(Collection::SavedPipelines, "x \"y\"\n"))
        + &checkpoint(3, 1, "");
    insta::assert_snapshot!(text, @r#"
    493768b6 {"journal":1,"lineage":"00000000010000000000000002","base_serial":0,"base_seq":0,"base_digest":null,"at_ms":1000}
    dcd72fb9 {"seq":1,"at_ms":1000,"durable_seq":0,"v":5,"ops":[{"op":"workspace.put","id":"00000000010000000000000001","body":{"id":"00000000010000000000000001","spec":{"label":"a","soma":{},"permissions":{},"ttl":null,"flow_dirs":[],"on_exit":"reap","quota_enforce":{}},"expires_at_ms":null,"stats_history":[]}}]}
    73065f75 {"seq":2,"at_ms":2000,"durable_seq":1,"v":5,"ops":[{"op":"live.put","id":"00000000020000000000000001","body":{"id":"00000000020000000000000001","workspace":"00000000010000000000000002","spec":{"label":"p","workspace":"","nodes":[],"edges":[],"discern":{},"restart_on_failure":false,"restart_backoff_ms":200,"restart_max_backoff_ms":30000,"restart_max":0},"tap":true,"desired":"stopped","counters":{"restarts":0,"next_at_ms":null}}},{"op":"saved.del","name":"x \"y\"\n"}]}
    4cd45833 {"seq":3,"at_ms":3000,"durable_seq":2,"op":"checkpoint","serial":1,"digest":"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"}
    "#);
}

#[test]
fn a_line_is_read_back_and_nothing_else_is() {
    for (change, seq) in five().into_iter().zip(1..) {
        let record = change.into_record(seq, 5, seq - 1);
        let line = encode_record(&record);
        assert_eq!(decode(line.as_bytes()), Some(Line::Record(record)));
        for bit in 0..(line.len() - 1) * 8 {
            let mut flipped = line.clone().into_bytes();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(decode(&flipped), None);
        }
    }
    // A record can't say that it is on disk itself.
    assert_eq!(decode(encode_record(&Change::new().into_record(1, 5, 1)).as_bytes()), None);
}

#[test]
fn every_cut_recovers_the_complete_records() {
    let changes = five();
    let text = journal_of(&changes);
    let header_len = text.find('\n').unwrap() + 1;
    for cut in 0..=text.len() {
        let loaded = load(None, &[&text.as_bytes()[..cut]]);
        let complete = text[..cut].matches('\n').count().saturating_sub(1);
        let expected = (cut >= header_len).then(|| fold(&changes[..complete]));
        assert_eq!(loaded.snapshot, expected, "{cut}");
        assert_eq!((loaded.seq, loaded.refusal), (complete as u64, None));
        let end = text[..cut].rfind('\n').map_or(0, |at| at + 1);
        let tail = match end == cut && cut > 0 {
            true => Tail::Clean,
            false => Tail::Torn { journal: 0, offset: end as u64, len: (cut - end) as u64 },
        };
        assert_eq!(loaded.tail, tail, "{cut}");
        // What is cut off is not missed.
        let again = load(None, &[&text.as_bytes()[..end]]);
        assert_eq!(again.snapshot, loaded.snapshot);
    }
}

#[test]
fn every_flipped_bit_is_a_tail_or_damage() {
    // As short as can be, since every bit costs a load.
    let gone = |name| Change::new().remove(Collection::SavedPipelines, name);
    let saved = |name: &str| PipelineEntry { name: name.into(), spec: pipeline("p") };
    let changes = [gone("a"), Change::new().put(saved("b")), gone("b"), gone("c"), gone("d")];
    let text = journal_of(&changes);
    let last = text[..text.len() - 1].rfind('\n').unwrap();
    for bit in 0..text.len() * 8 {
        let mut flipped = text.clone().into_bytes();
        flipped[bit / 8] ^= 1 << (bit % 8);
        let loaded = load(None, &[&flipped]);
        let before = text[..bit / 8].matches('\n').count();
        let kept = before.saturating_sub(1);
        assert_eq!(loaded.snapshot, (before > 0).then(|| fold(&changes[..kept])), "{bit}");
        if bit / 8 > last {
            // Nothing says that the last record was acknowledged.
            assert_eq!((loaded.refusal, loaded.seq), (None, kept as u64));
            assert!(matches!(loaded.tail, Tail::Torn { .. }));
        } else {
            assert_eq!(loaded.refusal, Some(Refusal::Damaged), "{bit}");
            let loss = loaded.report.journal.unwrap().loss.unwrap();
            assert_eq!((loss.changes, loss.from_seq, loss.to_seq), (5 - kept as u64, kept as u64 + 1, 5));
        }
    }
}

#[test]
fn a_group_that_was_never_synced_is_a_tail_whatever_survived_of_it() {
    let group: Vec<String> = (five().into_iter().zip(1..))
        .map(|(change, seq)| encode_record(&change.into_record(seq, seq, 2.min(seq - 1))))
        .collect();
    let whole = header(None, 0, 0) + &group.concat();
    let hole = whole.find(&group[2]).unwrap();
    for byte in hole..hole + group[2].len() {
        let mut bytes = whole.clone().into_bytes();
        bytes[byte] = 0;
        let loaded = load(None, &[&bytes]);
        assert_eq!((loaded.refusal, loaded.seq, loaded.durable_seq), (None, 2, 2));
        let len = (whole.len() - hole) as u64;
        assert_eq!(loaded.tail, Tail::Torn { journal: 0, offset: hole as u64, len });
    }
}

#[test]
fn replayed_twice_is_as_once() {
    let text = journal_of(&five());
    let once = load(None, &[text.as_bytes()]);
    let twice = load(None, &[text.as_bytes(), text.as_bytes()]);
    assert_eq!((once.snapshot.clone(), once.seq), (twice.snapshot, twice.seq));
    assert_eq!(twice.refusal, None);
    let mut state = once.snapshot.clone().unwrap();
    for record in records(text.as_bytes()) {
        if let Entry::Changes(changes) = record.entry {
            state.apply(changes);
        }
    }
    assert_eq!(Some(state), once.snapshot);
}

fn entity() -> impl Strategy<Value = Entity> {
    (0..4_u8, 1..4_u128, "[a-z]{1,4}", any::<u32>()).prop_map(|(kind, n, text, number)| match kind {
        0 => workspace(n, &text).into(),
        1 => PipelineEntry { name: format!("{n}"), spec: pipeline(&text) }.into(),
        2 => {
            let mut entry = command(n, 1, number);
            entry.spec.payload = Payload::Shell { script: text };
            entry.into()
        }
        _ => LivePipelineEntry {
            id: PipelineId::from_parts(2, n),
            workspace: WorkspaceId::from_parts(1, 1),
            spec: pipeline(&text),
            tap: number % 2 == 0,
            desired: Desired::Running,
            counters: Counters { next_at_ms: Some(number.into()), ..Counters::default() },
        }
        .into(),
    })
}

/// Returns a change that never takes away the workspace that all else runs in.
fn change() -> impl Strategy<Value = Change> {
    prop::collection::vec((entity(), any::<bool>()), 1..4).prop_map(|changes| {
        changes.into_iter().fold(Change::new(), |change, (entity, put)| {
            let key = (entity.collection(), entity.key());
            let kept = key.1 == WorkspaceId::from_parts(1, 1).to_string();
            if put || kept { change.put(entity) } else { change.remove(key.0, key.1) }
        })
    })
}

fn names_each_key_once(change: &Change) -> bool {
    let keys: Vec<_> = change.clone().into_changes().iter().map(EntityChange::name).collect();
    keys.iter().enumerate().all(|(at, key)| !keys[..at].contains(key))
}

pub(super) fn history() -> impl Strategy<Value = Vec<Change>> {
    prop::collection::vec(change(), 0..12).prop_map(|mut history| {
        history.insert(0, Change::new().put(workspace(1, "home")));
        history
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_fold_is_the_model(history in history()) {
        let text = journal_of(&history);
        let loaded = load(None, &[text.as_bytes()]);
        prop_assert_eq!(&loaded.snapshot, &Some(fold(&history)));
        prop_assert_eq!(loaded.report.problems, vec![]);
        prop_assert_eq!(loaded.replayed, history.len() as u64);
    }

    #[test]
    fn a_record_survives_its_line(change in change(), at_ms: u64, seq in 1..u64::MAX) {
        let record = change.into_record(seq, at_ms, seq - 1);
        let line = encode_record(&record);
        prop_assert_eq!(line.matches('\n').count(), 1);
        prop_assert_eq!(decode(line.as_bytes()), Some(Line::Record(record)));
    }

    #[test]
    fn changes_make_the_new_state_of_the_old(old in history(), new in history()) {
        let sorted = |mut state: ShipoteSnapshot| {
            state.workspaces.sort_by_key(|entry| entry.id);
            state.saved_pipelines.sort_by(|a, b| a.name.cmp(&b.name));
            state.live_pipelines.sort_by_key(|entry| entry.id);
            state.commands.sort_by_key(|entry| entry.id);
            (state.workspaces, state.saved_pipelines, state.live_pipelines, state.commands)
        };
        let (mut state, new) = (fold(&old), fold(&new));
        let difference = changes(&state, &new);
        state.apply(difference.clone());
        state.apply(difference);
        prop_assert!(changes(&state, &new).is_empty());
        prop_assert_eq!(sorted(state), sorted(new));
    }

    #[test]
    fn what_a_change_adds_keeps_its_order(history in history(), next in change().prop_filter("one op per key", names_each_key_once)) {
        // As a writer works: the next state is the present one with changes. (An entity that goes and comes back in
        // one change moves to the end; a difference doesn't see that.)
        let state = fold(&history);
        let mut next_state = state.clone();
        next_state.apply(next.into_changes());
        let mut followed = state.clone();
        followed.apply(changes(&state, &next_state));
        prop_assert_eq!(followed, next_state);
    }

    #[test]
    fn a_compaction_is_invisible(history in history(), at in any::<prop::sample::Index>()) {
        let at = at.index(history.len() + 1);
        let (before, after) = history.split_at(at);
        let mut state = fold(before);
        state.serial = 1;
        let text = render(&state);
        let base = before.len() as u64;
        let rest: String = (after.iter().zip(base + 1..)).map(|(change, seq)| line(seq, change.clone())).collect();
        let from_checkpoint = load(Some(text.as_bytes()), &[(header(Some(&text), 1, base) + &rest).as_bytes()]);
        let all = load(None, &[journal_of(&history).as_bytes()]);
        let expected = all.snapshot.map(|state| ShipoteSnapshot { serial: 1, ..state });
        prop_assert_eq!(from_checkpoint.snapshot, expected);
        prop_assert_eq!(from_checkpoint.seq, all.seq);
        // A record that the checkpoint holds already changes nothing, as where the old journal is not gone yet.
        let over_all = load(Some(text.as_bytes()), &[(journal_of(&history) + &checkpoint(history.len() as u64 + 1, 1, &text)).as_bytes()]);
        prop_assert_eq!(over_all.refusal, None);
        prop_assert!(changes(&over_all.snapshot.unwrap(), &fold(&history)).is_empty());
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..64), at in any::<prop::sample::Index>()) {
        let mut text = journal_of(&five()).into_bytes();
        let at = at.index(text.len());
        text.splice(at..at, bytes.iter().copied());
        for journals in [&[&*text, &*bytes][..], &[&*bytes, &*text], &[&*bytes], &[&*text]] {
            let _ = load(None, journals);
            let _ = load(Some(&bytes), journals);
            let _ = load(Some(render(&fold(&five()[..2])).as_bytes()), journals);
        }
    }
}

#[test]
fn samples_alone_are_no_change() {
    let old = fold(&five());
    let mut new = old.clone();
    new.workspaces[0].stats_history.push(PersistedStats::default());
    assert_eq!(changes(&old, &new), vec![]);
    new.workspaces[0].expires_at_ms = Some(1);
    assert_eq!(changes(&old, &new), vec![EntityChange::Put(new.workspaces[0].clone().into())]);
}
