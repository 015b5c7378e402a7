//! The journal of changes: what a start makes of it, what people see of it, and the ways on when it is damaged.

use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use shipote_card::{WorkspaceId, WorkspaceSpec};
use shipote_snapshot::{
    Change, Collection, Digest, Header, Lineage, ShipoteSnapshot, WorkspaceEntry, encode_header,
    encode_record, render,
};
use shipote_tests::{Need, Shipote, has};

use crate::{served, shipote};

/// 2026-01-02T03:04:05Z, in milliseconds.
const BEGIN_MS: u64 = 1_767_323_045_000;

fn entry(number: u128, label: &str) -> WorkspaceEntry {
    WorkspaceEntry::new(WorkspaceId::from_parts(BEGIN_MS, number), WorkspaceSpec::labelled(label))
}

fn lineage() -> Lineage {
    Lineage::from_parts(BEGIN_MS, 1)
}

/// Returns a `state.json` with two workspaces.
fn checkpoint() -> String {
    let mut state = ShipoteSnapshot::empty(lineage(), BEGIN_MS, "shipote 0.1.0");
    (state.serial, state.journal_seq) = (7, 40);
    state.workspaces = vec![entry(1, "alpha"), entry(2, "beta")];
    render(&state)
}

/// Returns a journal of four changes behind it, a minute from each to the next.
fn journal() -> String {
    let text = checkpoint();
    let header = Header {
        lineage: lineage(),
        base_serial: 7,
        base_seq: 40,
        base_digest: Some(Digest::of(text.as_bytes())),
        at_ms: BEGIN_MS,
    };
    let mut renamed = entry(2, "beta");
    renamed.spec.ttl = Some("2h".parse().unwrap());
    let changes = [
        Change::new().put(entry(3, "gamma")),
        Change::new().put(renamed),
        Change::new().remove(Collection::Workspaces, WorkspaceId::from_parts(BEGIN_MS, 1)),
        Change::new().put(entry(4, "delta")),
    ];
    let mut journal = encode_header(&header);
    for (change, seq) in changes.into_iter().zip(41..) {
        let at_ms = BEGIN_MS + (seq - 40) * 60_000;
        journal.push_str(&encode_record(&change.into_record(seq, at_ms, seq - 1)));
    }
    journal
}

/// A state directory with these files, without a daemon.
fn planted(state: impl AsRef<[u8]>, journal: impl AsRef<[u8]>) -> Shipote {
    let shipote = shipote();
    shipote.plant_state(state);
    fs::write(shipote.state_dir().join("state.journal"), journal).unwrap();
    shipote
}

/// Returns the journal with one letter of its second change damaged.
fn damaged() -> String {
    journal().replacen("beta", "bets", 1)
}

fn transcript(shipote: &Shipote, lines: &[&str]) -> String {
    let mut text = String::new();
    let dir = shipote.state_dir().display().to_string();
    for line in lines {
        let output = shipote.run(&line.split(' ').collect::<Vec<_>>());
        let shown = format!("{}{}", output.text(), output.stderr).replace(&dir, "STATE");
        let _ = writeln!(text, "$ shipote {line}\n{shown}[{}]\n", output.code);
    }
    text
}

fn labels(shipote: &Shipote) -> Vec<String> {
    let rows = shipote.json(&["ws", "ls"]);
    let rows = rows.as_array().unwrap().iter();
    rows.map(|row| row["label"].as_str().unwrap().to_owned()).collect()
}

fn quarantined(dir: &Path) -> Vec<Vec<u8>> {
    let entries = fs::read_dir(dir.join("quarantine")).into_iter().flatten().flatten();
    entries.map(|entry| fs::read(entry.path()).unwrap()).collect()
}

#[test]
fn a_state_and_its_journal_are_judged_and_shown_as_one() {
    let shipote = planted(checkpoint(), journal());
    insta::assert_snapshot!(
        transcript(&shipote, &["state verify", "state show", "state plan", "ws ls", "state log -n 3"]),
        @r"
    $ shipote state verify
    STATE/state.json: valid — version 5
      3 workspaces, 0 commands, 0 saved pipelines, 0 live pipelines, 0 held
      its journal adds 4 records (41 to 44)
    [0]

    $ shipote state show
    STATE/state.json: version 5, serial 7, written 2026-01-02T03:08:05.000Z by shipote 0.1.0
    with 4 records of its journal, the last at 2026-01-02T03:08:05.000Z
    WORKSPACE  ID      TTL  SAMPLES  MEMORY
    beta       000002  2h         0
    gamma      000003  -          0
    delta      000004  -          0
    [0]

    $ shipote state plan
    ACTION    WHAT       NAME   ID      WHY
    restored  workspace  beta   000002  declared
    restored  workspace  gamma  000003  declared
    restored  workspace  delta  000004  declared
    [0]

    $ shipote ws ls
    LABEL  ID      PHASE     PROCS  COMMANDS  PIPELINES  MEMORY  CPU  AGE  TTL
    beta   000002  declared      0         0          0       -    -    -   2h
    gamma  000003  declared      0         0          0       -    -    -    -
    delta  000004  declared      0         0          0       -    -    -    -
    [0]

    $ shipote state log -n 3
    2026-01-02T03:06:05.000Z  ~ workspace beta (000002)
          /spec/ttl: null → 7200
    2026-01-02T03:07:05.000Z  - workspace alpha (000001)
    2026-01-02T03:08:05.000Z  + workspace delta (000004)
    [0]
    "
    );
    let named = [shipote.state_dir().join("state.journal"), shipote.state_file()];
    let [journal, state] = named.map(|path| path.display().to_string());
    let together = shipote.json(&["state", "verify", &journal, &state]);
    assert_eq!(together["journal"]["records"], 4);
    assert_eq!(together["file"], "state.json");
    let each = shipote.run(&["state", "verify", "--each", "--output", "json", &state, &journal]);
    // A journal alone continues a state that is not there.
    assert_eq!(each.code, 65);
    shipote.run(&["state", "verify", &state, &state]).exits(2);
}

#[test]
fn a_start_replays_the_journal_and_folds_it() {
    let mut shipote = planted(checkpoint(), journal());
    shipote.daemon_start();
    assert_eq!(labels(&shipote), ["beta", "gamma", "delta"]);
    let found = shipote.on_disk();
    assert_eq!((found.replayed, found.refusal, found.serial), (0, None, 8));
    assert_eq!(fs::read_to_string(shipote.state_dir().join("state.json.1")).unwrap(), checkpoint());
    shipote.run(&["ws", "create", "--label", "epsilon"]).ok();
    assert_eq!(shipote.on_disk().replayed, 1);
}

#[test]
fn the_history_goes_back_over_the_generations() {
    let mut shipote = planted(checkpoint(), journal());
    shipote.daemon_start();
    shipote.daemon_term();
    // Folded: what the journal told change by change is the difference of two generations now.
    let told = shipote.json(&["state", "log"]);
    let told: Vec<(&str, &str)> = (told.as_array().unwrap().iter())
        .map(|line| (line["what"].as_str().unwrap(), line["label"].as_str().unwrap()))
        .collect();
    assert_eq!(told, [("removed", "alpha"), ("created", "gamma"), ("created", "delta"), ("changed", "beta")]);
}

#[test]
fn what_was_never_acknowledged_is_cut_off_and_kept() {
    let whole = journal();
    let torn = format!("{whole}0123abcd {{\"seq\":45,\"at_ms\":17");
    let mut shipote = planted(checkpoint(), torn);
    shipote.daemon_start();
    assert_eq!(labels(&shipote).len(), 3);
    assert!(shipote.daemon_said().contains("never acknowledged"), "{}", shipote.daemon_said());
    assert!(quarantined(&shipote.state_dir()).contains(&b"0123abcd {\"seq\":45,\"at_ms\":17".to_vec()));
}

#[test]
fn a_damaged_journal_is_refused_and_every_way_on_is_explained() {
    let mut shipote = planted(checkpoint(), damaged());
    insta::assert_snapshot!(transcript(&shipote, &["daemon", "state recover", "state recover --take 7"]), @r#"
    $ shipote daemon
    error[crc_mismatch]: change 42 is damaged
      --> state.journal:3:1
       |
     3 | 2c94b3a5 {"seq":42,"at_ms":1767323165000,"durable_seq":41,"v":5,"ops":[{"op":"workspace.put","id":"0…
       | ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^ what is before it lacks 3 changes made within 180.000 s; `shipote state recover` shows every way on

    error: STATE/state.journal can't be read as a state; a copy is in STATE/quarantine/state.journal-0a626b8c-1305-unreadable.copy
    hint: shipote state recover shows every way on, and what each loses; the file was left as it is
    [65]

    $ shipote state recover
    STATE: acknowledged changes can't be read
    #  FROM        HOW                              AS OF                     GIVES                   LOSES
    1  state.json  with 3 records, past the damage  2026-01-02T03:08:05.000Z  3 workspaces, 0 others  1 change, over 2m00s
    2  state.json  with 1 record                    2026-01-02T03:05:05.000Z  3 workspaces, 0 others  3 changes, over 3m00s
    3  state.json  alone                            2026-01-02T03:04:05.000Z  2 workspaces, 0 others  4 changes, over 4m00s
    hint: shipote state recover --take N puts one in place; what it replaces is copied to quarantine/ first
    [0]

    $ shipote state recover --take 7
    error: --take 7: there is no such choice
    hint: shipote state recover shows them; there are 3
    [2]
    "#);
    assert_eq!(fs::read_to_string(shipote.state_file()).unwrap(), checkpoint());
    assert_eq!(fs::read_to_string(shipote.state_dir().join("state.journal")).unwrap(), damaged());

    let taken = shipote.json(&["state", "recover", "--take", "2"]);
    assert_eq!(taken["choice"]["way"], "replay");
    let kept = quarantined(&shipote.state_dir());
    assert!(kept.contains(&checkpoint().into_bytes()) && kept.contains(&damaged().into_bytes()));
    shipote.daemon_start();
    assert_eq!(labels(&shipote), ["alpha", "beta", "gamma"]);
    shipote.run(&["state", "recover", "--take", "1"]).exits(5);
}

#[test]
fn an_edit_while_stopped_is_taken_where_nothing_waits_and_refused_where_something_does() {
    let edited = checkpoint().replace("alpha", "omega");
    let mut shipote = planted(&edited, journal());
    insta::assert_snapshot!(transcript(&shipote, &["daemon", "state recover"]), @r"
    $ shipote daemon
    error: STATE/state.json was edited by hand while 4 changes waited in the journal beside it
    hint: `shipote state recover` shows what each of the two would lose, and takes the one you choose; nothing was changed
    [65]

    $ shipote state recover
    STATE: state.json was edited while changes waited in the journal
    #  FROM        HOW             AS OF                     GIVES                   LOSES
    1  state.json  with 4 records  2026-01-02T03:08:05.000Z  3 workspaces, 0 others  not known
    2  state.json  alone           2026-01-02T03:04:05.000Z  2 workspaces, 0 others  at least 4 changes, over 4m00s
    hint: shipote state recover --take N puts one in place; what it replaces is copied to quarantine/ first
    [0]
    ");
    let choices = shipote.json(&["state", "recover"])["choices"].as_array().unwrap().clone();
    let alone = choices.iter().find(|choice| choice["way"] == "alone").unwrap();
    shipote.run(&["state", "recover", "--take", &alone["number"].to_string()]).ok();
    shipote.daemon_start();
    assert_eq!(labels(&shipote), ["omega", "beta"]);
    shipote.daemon_term();

    let text = fs::read_to_string(shipote.state_file()).unwrap();
    fs::write(shipote.state_file(), text.replace("omega", "zeta")).unwrap();
    shipote.daemon_start();
    assert_eq!(labels(&shipote), ["zeta", "beta"]);
    shipote.run(&["ws", "create", "--label", "new"]).ok();
    shipote.daemon_kill9();
    shipote.daemon_start();
    assert_eq!(labels(&shipote), ["zeta", "beta", "new"]);
}

#[test]
fn a_newer_journal_is_refused_and_left_alone() {
    let newer = journal().replacen("{\"journal\":1", "{\"journal\":2", 1);
    let body = newer.lines().next().unwrap()[9..].to_owned();
    let crc = format!("{:08x}", crc32(body.as_bytes()));
    let newer = format!("{crc}{}", &newer[8..]);
    let shipote = planted(checkpoint(), &newer);
    shipote.run(&["daemon"]).exits(65);
    assert_eq!(fs::read_to_string(shipote.state_dir().join("state.journal")).unwrap(), newer);
    assert_eq!(fs::read_to_string(shipote.state_file()).unwrap(), checkpoint());
}

/// The checksum of a journal's line, bit by bit.
fn crc32(bytes: &[u8]) -> u32 {
    let step = |crc: u32| if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 };
    !bytes.iter().fold(!0, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), |crc, _| step(crc)))
}

#[test]
fn a_full_disk_rejects_the_change_and_memory_is_what_the_disk_has() {
    if !has(Need::Root) {
        return;
    }
    let shipote = shipote();
    let dir = shipote.state_dir();
    fs::create_dir_all(&dir).unwrap();
    fs::set_permissions(&dir, fs::Permissions::from_mode(0o700)).unwrap();
    let mounted = shipote_tests::mount::tmpfs(&dir, 96 << 10);
    let mut shipote = shipote;
    shipote.daemon_start();
    let mut created = Vec::new();
    let refused = (0..2000)
        .map(|number| format!("w{number}"))
        .find_map(|label| {
            let output = shipote.run(&["ws", "create", "--label", &label]);
            if output.code == 0 {
                created.push(label);
                return None;
            }
            Some(output)
        })
        .expect("the disk is full at some time");
    assert_eq!(refused.code, 1, "{}", refused.stderr);
    assert!(
        refused.stderr.contains("no space left") && refused.stderr.contains("hint:"),
        "{}",
        refused.stderr
    );
    assert_eq!(labels(&shipote), created);
    let on_disk = shipote.on_disk();
    assert_eq!(on_disk.refusal, None);
    let kept: Vec<String> =
        on_disk.snapshot.unwrap().workspaces.iter().map(|entry| entry.spec.label.clone()).collect();
    assert_eq!(kept, created);
    // Room again: it goes on where it was.
    mounted.resize(4 << 20);
    shipote.run(&["ws", "create", "--label", "after"]).ok();
    created.push("after".to_owned());
    shipote.daemon_kill9();
    shipote.daemon_start();
    assert_eq!(labels(&shipote), created);
    shipote.daemon_term();
    // Before the directory below it is removed.
    drop(mounted);
}

#[test]
fn clients_at_once_get_each_what_they_asked_for() {
    let mut shipote = served();
    std::thread::scope(|scope| {
        for client in 0..4 {
            let shipote = &shipote;
            scope.spawn(move || {
                for number in 0..10 {
                    shipote.run(&["ws", "create", "--label", &format!("c{client}-{number}")]).ok();
                }
            });
        }
    });
    let before = labels(&shipote);
    assert_eq!(before.len(), 40);
    shipote.daemon_kill9();
    shipote.daemon_start();
    assert_eq!(labels(&shipote), before);
}

#[test]
fn a_journal_that_grows_is_folded_beside_the_changes() {
    let mut shipote = shipote();
    shipote.daemon_start_with(&["--fold-above", "2000"]);
    for number in 0..60 {
        shipote.run(&["ws", "create", "--label", &format!("w{number}")]).ok();
    }
    let journal = shipote.state_dir().join("state.journal");
    let folded = shipote_tests::until("a fold", || {
        let found = shipote.on_disk();
        (found.serial > 3 && fs::metadata(&journal).ok()?.len() < 40_000).then_some(found)
    });
    assert_eq!(folded.snapshot.unwrap().workspaces.len(), 60);
    shipote.daemon_kill9();
    shipote.daemon_start();
    assert_eq!(labels(&shipote).len(), 60);
}
