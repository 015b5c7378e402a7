//! The manager as a library, under the names that its users know: declare, save, restore.

use std::path::Path;
use std::time::SystemTime;

use shipote_card::{CommandRef, PipelineSpec, WorkspaceSpec};
use shipote_runtime::{IncarnatorConfig, RestoreOutcome, WorkspaceManager, default_snapshot_path};
use shipote_snapshot::{SNAPSHOT_VERSION, ShipoteSnapshot};

fn manager(state_dir: &Path) -> WorkspaceManager {
    let mut config = IncarnatorConfig::new(state_dir);
    // The program of a test can't be executed as ws-init.
    config.init_exe = shipote_tests::program();
    WorkspaceManager::new(config).unwrap()
}

fn pipeline(label: &str) -> PipelineSpec {
    let node = |label: &str, argv: &[&str]| {
        let argv: Vec<String> = argv.iter().map(ToString::to_string).collect();
        CommandRef::from_argv(label, &argv).unwrap()
    };
    let nodes = vec![node("say", &["echo", "hi"]), node("show", &["cat"])];
    let edges = vec![shipote_card::Edge::between("say", "show")];
    serde_json::from_value(serde_json::json!({ "label": label, "nodes": nodes, "edges": edges })).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_round_trip_keeps_every_ulid() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("state.json");
    let first = manager(dir.path());
    let mut ids = Vec::new();
    for label in ["a", "b", "c"] {
        ids.push(first.create(WorkspaceSpec::labelled(label)).await.unwrap().id);
    }
    assert!(first.is_dirty().await.unwrap());
    assert!(first.save_snapshot(&path).await.unwrap());
    assert!(!first.is_dirty().await.unwrap());

    let second = manager(dir.path());
    let RestoreOutcome { workspaces_restored, saved_pipelines_restored, live_pipelines, .. } =
        second.restore_snapshot(&path).await.unwrap();
    assert_eq!((workspaces_restored, saved_pipelines_restored, live_pipelines.len()), (3, 0, 0));
    let restored: Vec<_> =
        second.list().await.unwrap().into_iter().map(|view| (view.id, view.label)).collect();
    let expected: Vec<_> = ids.into_iter().zip(["a", "b", "c"].map(String::from)).collect();
    assert_eq!(restored, expected);
    assert!(!second.is_dirty().await.unwrap(), "a restore is no change");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clean_save_is_skipped() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("state.json");
    let manager = manager(dir.path());
    manager.create(WorkspaceSpec::labelled("a")).await.unwrap();
    assert!(manager.save_snapshot(&path).await.unwrap());
    // Set back, so that a write would show whatever the clock's resolution is.
    let long_ago = SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1_000_000);
    std::fs::File::options().write(true).open(&path).unwrap().set_modified(long_ago).unwrap();
    assert!(!manager.save_snapshot(&path).await.unwrap());
    assert_eq!(std::fs::metadata(&path).unwrap().modified().unwrap(), long_ago);
    manager.create(WorkspaceSpec::labelled("b")).await.unwrap();
    assert!(manager.save_snapshot(&path).await.unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn saved_pipelines_are_in_the_snapshot_and_come_back() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("state.json");
    let first = manager(dir.path());
    first.save_pipeline("daily", pipeline("echo-cat")).await.unwrap();
    let snapshot: ShipoteSnapshot = first.snapshot().await.unwrap();
    assert_eq!(snapshot.saved_pipelines[0].name, "daily");
    first.save_snapshot(&path).await.unwrap();
    let written: serde_json::Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    assert_eq!(written["version"], u64::from(SNAPSHOT_VERSION));
    assert_eq!(written["saved_pipelines"][0]["name"], "daily");

    let second = manager(dir.path());
    let outcome = second.restore_snapshot(&path).await.unwrap();
    assert_eq!(outcome.saved_pipelines_restored, 1);
    let saved = second.get_saved_pipeline("daily").await.unwrap();
    assert_eq!(saved.spec, pipeline("echo-cat"));
    assert_eq!(second.list_saved_pipelines().await.unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_id_that_is_given_is_kept_and_can_be_taken_once() {
    let dir = tempfile::tempdir().unwrap();
    let manager = manager(dir.path());
    let id = shipote_card::WorkspaceId::from_parts(1_760_000_000_000, 42);
    assert_eq!(manager.create_with_id(id, WorkspaceSpec::labelled("a")).await.unwrap().id, id);
    assert!(manager.create_with_id(id, WorkspaceSpec::labelled("b")).await.is_err());
    assert!(manager.create(WorkspaceSpec::labelled("a")).await.is_err(), "the label is taken");
}

#[test]
fn the_default_path_ends_in_state_json() {
    assert!(default_snapshot_path().ends_with("state.json"));
}
