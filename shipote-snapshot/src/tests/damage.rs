//! What is told of damaged files, and what is kept of them.

use super::std::vec::Vec;
use super::{fixture, told};
use crate::{Verdict, read, render};

#[test]
fn nothing_can_be_read() {
    insta::assert_snapshot!(told(&fixture("damaged-empty.json")), @r#"
    invalid version null held 0
    fatal empty 1:1 (document) the file is empty (an earlier generation may stand beside it: state.json.1 to state.json.3)
    "#);
    insta::assert_snapshot!(told(&fixture("damaged-nuls.json")), @r#"
    invalid version null held 0
    fatal nul_bytes 1:1 (document) 512 NUL bytes stand here, as an unsynced write leaves them after a power cut (an earlier generation may stand beside it: state.json.1 to state.json.3)
    "#);
    insta::assert_snapshot!(told(&fixture("damaged-nul-tail.json")), @r#"
    invalid version null held 0
    fatal nul_bytes 430:1 (document) 64 NUL bytes stand here, as an unsynced write leaves them after a power cut (an earlier generation may stand beside it: state.json.1 to state.json.3)
    "#);
    insta::assert_snapshot!(told(&fixture("damaged-byte-flipped.json")), @r#"
    invalid version null held 0
    fatal not_utf8 50:14 (document) the bytes are not UTF-8
    "#);
    insta::assert_snapshot!(told(&fixture("damaged-truncated.json")), @r#"
    invalid version null held 0
    fatal truncated 287:5 (document) the text ends in the middle of the document (an earlier generation may stand beside it: state.json.1 to state.json.3)
    "#);
    insta::assert_snapshot!(told(&fixture("damaged-trailing-data.json")), @r#"
    invalid version null held 0
    fatal trailing_data 430:1 (document) something follows the document
    "#);
    insta::assert_snapshot!(told(b"{\"version\": 4,\n\"a\": tru}"), @r#"
    invalid version null held 0
    fatal not_json 2:9 (document) not JSON: expected ident (an earlier generation may stand beside it: state.json.1 to state.json.3)
    "#);
    insta::assert_snapshot!(told(b"[]"), @r#"
    invalid version null held 0
    fatal not_an_object 1:1 (document) the document is not an object
    "#);
}

#[test]
fn a_version_is_one_whole_number() {
    insta::assert_snapshot!(told(b"{}"), @r#"
    invalid version null held 0
    fatal version_missing 1:1 (document) the document does not say its version
    "#);
    insta::assert_snapshot!(told(b"{\"version\": 0}"), @r#"
    invalid version 0 held 0
    fatal version_invalid 1:13 /version the version is not a whole number from 1
    "#);
    insta::assert_snapshot!(told(b"{\"version\": -4}"), @r#"
    invalid version -4 held 0
    fatal version_invalid 1:13 /version the version is not a whole number from 1
    "#);
    insta::assert_snapshot!(told(b"{\"version\": 4.0}"), @r#"
    invalid version 4.0 held 0
    fatal version_invalid 1:13 /version the version is not a whole number from 1
    "#);
    insta::assert_snapshot!(told(b"{\"version\": \"4\"}"), @r#"
    invalid version null held 0
    fatal version_invalid 1:13 /version the version is not a whole number from 1
    "#);
    insta::assert_snapshot!(told(b"{\"version\": 4, \"\\u0076ersion\": 5}"), @r#"
    invalid version 4 held 0
    fatal version_duplicate 1:16 /version the version is given twice [1:2 /version]
    "#);
}

#[test]
fn a_newer_version_is_named_and_not_judged() {
    insta::assert_snapshot!(told(&fixture("newer.json")), @r#"
    newer version 6 held 0
    note version_newer 1:14 /version version 6 is newer than 5, the newest known here (use the Shipote that wrote it, or a later one)
    "#);
    insta::assert_snapshot!(told(&fixture("newer-huge.json")), @r#"
    newer version 100000000000000000000000000 held 0
    note version_newer 1:14 /version version 100000000000000000000000000 is newer than 5, the newest known here (use the Shipote that wrote it, or a later one)
    "#);
    let reading = read(&fixture("newer.json"));
    assert_eq!((reading.verdict, reading.snapshot), (Verdict::Newer, None));
}

#[test]
fn keys_that_stand_twice_are_seen_in_any_spelling() {
    insta::assert_snapshot!(told(&fixture("damaged-duplicate-key.json")), @r#"
    invalid version 4 held 2
    error duplicate_key 5:86 /workspaces/0/spec/on_exit the key `on_exit` stands twice (remove one of them) [5:67 /workspaces/0/spec/on_exit]
    error duplicate_key 6:96 /workspaces/1/spec/soma/env/A the key `A` stands twice (remove one of them) [6:86 /workspaces/1/spec/soma/env/A]
    "#);
}

#[test]
fn ids_are_canonical_and_stand_once() {
    insta::assert_snapshot!(told(&fixture("damaged-ids.json")), @r#"
    invalid version 4 held 5
    error duplicate_id 6:13 /workspaces/1/id the id 01J9Z3NDEKTSV4RRFFQ69G5FAV stands twice (every entity has an id of its own) [5:13 /workspaces/0/id]
    error ulid_overflow 7:13 /workspaces/2/id the ULID has more than 128 bits (a ULID begins with 0 to 7)
    error nil_ulid 8:13 /workspaces/3/id the nil ULID is not an identifier
    error invalid_ulid 9:13 /workspaces/4/id not a ULID: 26 characters of 0-9 A-Z without I, L, O, U are needed
    warning non_canonical_ulid 10:13 /workspaces/5/id the ULID is not in its canonical text (it is read as 01J9Z3NDEKTSV4RRFFQ69G5FAW)
    error duplicate_id 11:13 /workspaces/6/id the id 01J9Z3NDEKTSV4RRFFQ69G5FAW stands twice (every entity has an id of its own) [10:13 /workspaces/5/id]
    "#);
}

#[test]
fn pipelines_lead_somewhere() {
    insta::assert_snapshot!(told(&fixture("damaged-pipelines.json")), @r#"
    invalid version 4 held 4
    error cycle 9:74 /saved_pipelines/0/spec/edges/2 the edges lead back to where they began: a -> b -> c -> a (a pipeline has no circles)
    warning unknown_workspace 10:60 /saved_pipelines/1/spec/workspace no workspace has the id or label `nowhere` (name another one when it is run)
    error self_edge 11:18 /saved_pipelines/1/spec/edges/0 the edge leads from `a` to itself
    error unknown_node 11:73 /saved_pipelines/1/spec/edges/1/to no node is called `bb` (did you mean `b`?)
    error duplicate_name 12:15 /saved_pipelines/2/name a pipeline is already saved as `ends` (give one of them another name) [10:15 /saved_pipelines/1/name]
    error unknown_workspace 16:20 /live_pipelines/0/workspace no workspace has the id 01J9Z3NDEKTSV4RRFFQ69G5FAW (declare that workspace, or name another one)
    warning workspace_differs 18:101 /live_pipelines/1/spec/workspace the spec names the workspace `other`, and the entry 01J9Z3NDEKTSV4RRFFQ69G5FAV (the entry wins) [18:20 /live_pipelines/1/workspace]
    "#);
}

#[test]
fn every_value_has_its_type() {
    insta::assert_snapshot!(told(&fixture("damaged-types.json")), @r#"
    invalid version 4 held 4
    error not_an_integer 5:74 /workspaces/0/spec/ttl not a span of time like "90s" or "1h30m", whole seconds, or {secs, nanos}
    error wrong_type 5:95 /workspaces/0/spec/flow_dirs a list is needed, and an object stands here
    error unknown_value 5:110 /workspaces/0/spec/on_exit `Explode` is none of reap, linger, freeze
    error bad_unit 6:91 /workspaces/1/spec/soma/memory_max not an amount of memory like "512MiB", or a number of bytes
    error out_of_range 6:106 /workspaces/1/spec/soma/uid the number can't be negative
    error out_of_range 6:122 /workspaces/1/spec/soma/pids_max the number is above 18446744073709551615
    warning unknown_field 6:144 /workspaces/1/spec/soma/memroy_high the field `memroy_high` is unknown and is ignored (did you mean `memory_high`?)
    error wrong_type 7:5 /workspaces/2 an object is needed, and a number stands here
    error missing_field 8:5 /workspaces/3 the field `id` is missing
    error missing_field 8:15 /workspaces/3/spec the field `label` is missing
    error out_of_range 11:27 /workspaces/4/stats_history/1/commands_alive the number is above 4294967295
    warning later_field 12:103 /workspaces/4/expires_at_ms the field `expires_at_ms` is of version 5 and is ignored (the document says that it is of version 4)
    warning later_field 14:3 /commands the field `commands` is of version 5 and is ignored (the document says that it is of version 4)
    "#);
}

#[test]
fn a_byte_order_mark_is_skipped() {
    insta::assert_snapshot!(told(&fixture("strange-byte-order-mark.json")), @r#"
    upgradable version 4 held 0
    warning byte_order_mark 1:1 (document) the text begins with a byte order mark (it is skipped)
    "#);
    assert!(read(&fixture("strange-byte-order-mark.json")).snapshot.is_some());
}

#[test]
fn an_own_field_of_the_document_with_an_error_makes_it_unreadable() {
    let text = b"{\"version\":5,\"timestamp_ms\":1,\"serial\":-1,\"workspaces\":[]}";
    insta::assert_snapshot!(told(text), @r#"
    invalid version 5 held 0
    error out_of_range 1:40 /serial the number can't be negative
    "#);
    assert_eq!(read(text).snapshot, None);
}

#[test]
fn a_bad_entity_is_held_and_written_back_as_it_was() {
    let reading = read(&fixture("damaged-types.json"));
    let snapshot = reading.snapshot.unwrap();
    assert_eq!(reading.verdict, Verdict::Invalid);
    assert_eq!((snapshot.workspaces.len(), snapshot.held.len()), (1, 4));
    // The bad sample is lost, and its neighbours are not.
    assert_eq!(snapshot.workspaces[0].stats_history.len(), 2);
    let beside: Vec<_> = reading.beside.iter().map(|part| part.pointer.as_str()).collect();
    assert_eq!(
        beside,
        [
            "/commands",
            "/workspaces/1/spec/soma/memroy_high",
            "/workspaces/4/expires_at_ms",
            "/workspaces/4/stats_history/1"
        ]
    );
    let again = read(render(&snapshot).as_bytes()).snapshot.unwrap();
    assert_eq!(again, snapshot);
}

#[test]
fn what_may_be_ignored_costs_nothing() {
    let text = br#"{"x":1,"version":4,"timestamp_ms":1,"y":[],"workspaces":[
        {"a":1,"b":2,"id":"01j9z3ndektsv4rrffq69g5fav","c":3,"spec":{"label":"a b","d":{}},"e":null}],"z":0}"#;
    insta::assert_snapshot!(told(text), @r#"
    upgradable version 4 held 0
    warning unknown_field 1:2 /x the field `x` is unknown and is ignored
    warning unknown_field 1:37 /y the field `y` is unknown and is ignored
    warning unknown_field 2:10 /workspaces/0/a the field `a` is unknown and is ignored
    warning unknown_field 2:16 /workspaces/0/b the field `b` is unknown and is ignored
    warning non_canonical_ulid 2:27 /workspaces/0/id the ULID is not in its canonical text (it is read as 01J9Z3NDEKTSV4RRFFQ69G5FAV)
    warning unknown_field 2:56 /workspaces/0/c the field `c` is unknown and is ignored
    warning strange_label 2:78 /workspaces/0/spec/label the label `a b` has a character other than letters, digits, `.`, `_` and `-` (it is kept, and reached by its id)
    warning unknown_field 2:84 /workspaces/0/spec/d the field `d` is unknown and is ignored
    warning unknown_field 2:92 /workspaces/0/e the field `e` is unknown and is ignored
    warning unknown_field 2:103 /z the field `z` is unknown and is ignored
    "#);
    let reading = read(text);
    let snapshot = reading.snapshot.unwrap();
    assert_eq!(reading.verdict, Verdict::Upgradable);
    assert_eq!((snapshot.workspaces.len(), snapshot.held.len()), (1, 0));
}

#[test]
fn at_most_a_thousand_problems_are_listed() {
    let many = ["5"; 1_500].join(",");
    let text = super::format!("{{\"version\":1,\"timestamp_ms\":0,\"workspaces\":[{many}]}}");
    let reading = read(text.as_bytes());
    assert_eq!((reading.problems.len(), reading.more), (1_000, 500));
    assert_eq!(reading.snapshot.unwrap().held.len(), 1_500);
}

#[test]
fn a_report_is_what_scripts_read() {
    let file = b"{\"version\":70000000000000000000000}";
    let report = crate::verify(file, "/some/where/state.json").with_sha256(file);
    insta::assert_snapshot!(serde_json::to_string(&report).unwrap(), @r#"{"verdict":"newer","version":70000000000000000000000,"file":"state.json","sha256":"ca83a7d46f848bc59952589f55757b3445a97de64e078ad26d690ad96876cfc6","counts":{"workspaces":0,"saved_pipelines":0,"live_pipelines":0,"commands":0,"held":0},"problems":[{"severity":"note","code":"version_newer","pointer":"/version","line":1,"column":12,"offset":11,"len":23,"message":"version 70000000000000000000000 is newer than 5, the newest known here","hint":"use the Shipote that wrote it, or a later one","file":"state.json"}],"more":0}"#);
}

#[test]
fn depth_is_no_danger() {
    for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
        let deep = super::format!("{}1{}", open.repeat(100_000), close.repeat(100_000));
        let unknown = super::format!("{{\"version\":1,\"timestamp_ms\":0,\"workspaces\":[],\"x\":{deep}}}");
        assert_eq!(read(unknown.as_bytes()).verdict, Verdict::Upgradable);
        let known = super::format!("{{\"version\":1,\"timestamp_ms\":0,\"workspaces\":[{deep}]}}");
        assert_eq!(read(known.as_bytes()).verdict, Verdict::Invalid);
    }
}
