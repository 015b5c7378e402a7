//! Shipote's own writer, as its daemon uses it: orders to one thread, which answers when they are durable.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use shipote_runtime::host::store::StateStore;
use shipote_runtime::host::store::frozen::Frozen;
use shipote_runtime::host::store::writer::{Order, Told, Writer};
use shipote_snapshot::{Change, WorkspaceEntry, render};
use tokio::sync::mpsc::UnboundedReceiver;

use crate::made;

/// A store with its writer.
#[derive(Debug)]
pub struct Store {
    /// Its end of the writer.
    pub writer: Writer,
    /// What the writer tells.
    pub told: UnboundedReceiver<Told>,
    /// What the kernel has counted of the writer's thread.
    io: PathBuf,
    workspaces: Vec<Arc<WorkspaceEntry>>,
    made: u64,
    is_folding: bool,
    /// Folds that came to their end.
    pub folds: u64,
}

/// Makes a state directory with so many workspaces in its `state.json`.
pub fn plant(dir: &Path, count: u64) {
    fs::create_dir_all(dir).expect("make a state directory");
    fs::set_permissions(dir, fs::Permissions::from_mode(0o700)).expect("chmod");
    let text = render(&made::state(count, 0));
    fs::write(dir.join("state.json"), text).expect("write state.json");
    fs::File::open(dir.join("state.json")).and_then(|file| file.sync_all()).expect("sync state.json");
}

impl Store {
    /// Opens one that declares so many workspaces.
    pub fn open(dir: &Path, count: u64) -> Self {
        plant(dir, count);
        let mut store = StateStore::open(dir).expect("open the store");
        let loaded = store.load().expect("load the state");
        let workspaces = loaded.snapshot.expect("a state").workspaces.into_iter().map(Arc::new).collect();
        let before = tasks();
        let (writer, told) = store.start().expect("start the writer");
        let io = tasks().into_iter().find(|task| !before.contains(task)).expect("the writer's thread");
        Self { writer, told, io: io.join("io"), workspaces, made: 0, is_folding: false, folds: 0 }
    }

    /// Orders a change, and returns without waiting.
    pub fn order(&mut self) {
        self.made += 1;
        let number = self.made % self.workspaces.len() as u64;
        let entry = made::workspace(number, self.made, 0);
        let order = Order::Change { epoch: 0, at_ms: 1_767_323_045_000, change: Change::new().put(entry) };
        self.writer.order(order).expect("order a change");
    }

    /// Makes a change, and returns when it is durable.
    pub fn change(&mut self) {
        self.order();
        assert_eq!(self.told(), 1);
    }

    /// Waits until changes are told to be durable. Returns how many; where a fold is due it is ordered.
    pub fn told(&mut self) -> usize {
        loop {
            match self.told.blocking_recv().expect("the writer goes on") {
                Told::Durable { changes, is_fold_due } => {
                    if is_fold_due && !self.is_folding {
                        self.is_folding = true;
                        let frozen =
                            Box::new(Frozen { workspaces: self.workspaces.clone(), ..Frozen::default() });
                        self.writer.order(Order::FoldBeside { epoch: 0, frozen }).expect("order a fold");
                    }
                    return changes;
                }
                Told::Folded(_) => {
                    self.is_folding = false;
                    self.folds += 1;
                }
                Told::Refused { error, .. } | Told::FoldFailed(error) => panic!("{error}"),
            }
        }
    }

    /// Returns the bytes that the writer's thread has handed to the kernel.
    pub fn written(&self) -> u64 {
        written(&self.io)
    }

    /// Ends the writer without a last `state.json`.
    pub fn end(self) {
        let Self { writer, .. } = self;
        drop(writer);
    }
}

/// Returns the bytes that a thread has handed to the kernel, by its `io` file in `/proc`.
pub fn written(io: &Path) -> u64 {
    let text = fs::read_to_string(io).expect("read what the kernel counted");
    let count = text.lines().find_map(|line| line.strip_prefix("wchar: ")).expect("wchar");
    count.parse().expect("a number")
}

fn tasks() -> Vec<PathBuf> {
    let tasks = fs::read_dir("/proc/self/task").expect("list the own threads");
    tasks.flatten().map(|task| task.path()).collect()
}
