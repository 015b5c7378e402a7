//! Changes of several clients at once: the store makes those that wait together durable with one sync.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use shipote_runtime::host::store::writer::{Order, Told, Writer};
use shipote_snapshot::Change;

use crate::Extent;
use crate::made;
use crate::plain::Plain;
use crate::round::{Side, interleave};
use crate::row::Row;
use crate::store::Store;

const WRITERS: [usize; 3] = [1, 16, 64];
/// Workspaces that are declared.
const COUNT: u64 = 1_000;

/// The store's writer, and those who wait for it in the order of their changes: as the daemon's core does it.
struct Desk {
    writer: Writer,
    waiting: VecDeque<SyncSender<()>>,
}

pub fn run(dir: &Path, extent: Extent) {
    let rounds = extent.pick(5, 21);
    let Store { writer, mut told, .. } = Store::open(&dir.join("group"), COUNT);
    let desk = Arc::new(Mutex::new(Desk { writer, waiting: VecDeque::new() }));
    let teller = Arc::clone(&desk);
    thread::spawn(move || {
        while let Some(told) = told.blocking_recv() {
            match told {
                Told::Durable { changes, .. } => {
                    let done: Vec<_> = lock(&teller).waiting.drain(..changes).collect();
                    done.into_iter().for_each(|waiting| waiting.send(()).expect("a client waits"));
                }
                Told::Refused { error, .. } | Told::FoldFailed(error) => panic!("{error}"),
                Told::Folded(_) => {}
            }
        }
    });
    for writers in WRITERS {
        let path = |name: &str| dir.join(format!("{name}-{writers}"));
        let shared = Mutex::new(Plain::make(&path("shared")));
        let mut own: Vec<Plain> =
            (0..writers).map(|writer| Plain::make(&path(&format!("own-{writer}")))).collect();
        let mut sides: Vec<Side<'_>> = vec![
            Box::new(|times| at_once((0..writers).map(|client| change(&desk, client)).collect(), times)),
            Box::new(|times| at_once((0..writers).map(|_| || lock(&shared).change()).collect(), times)),
            Box::new(|times| at_once(own.iter_mut().map(|own| || own.change()).collect(), times)),
        ];
        let each = u32::try_from(20 / writers).unwrap_or(0).max(4);
        let times = interleave(&mut sides, rounds, each);
        drop(sides);
        let what = match writers {
            1 => "a writer makes a change, through the store".to_owned(),
            writers => format!("{writers} writers make a change each, through the store"),
        };
        Row::of_times(&what, "append + fdatasync, a thread each, one file behind a mutex", &times, [0, 1])
            .tell();
        Row::of_times(&what, "append + fdatasync, a thread and a file each", &times, [0, 2]).tell();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().expect("no writer panics")
}

/// Returns what a client does: order a change, and wait until it is told to be durable.
fn change(desk: &Mutex<Desk>, client: usize) -> impl FnMut() + Send + '_ {
    let mut made = 0;
    move || {
        made += 1;
        let entry = made::workspace(client as u64, made, 0);
        let (waiting, done) = sync_channel(1);
        {
            let mut desk = lock(desk);
            let change = Change::new().put(entry);
            desk.writer.order(Order::Change { epoch: 0, at_ms: 1, change }).expect("order a change");
            desk.waiting.push_back(waiting);
        }
        done.recv().expect("an answer");
    }
}

/// Has each do its work so many times, all at once. Returns what that took.
fn at_once<F: FnMut() + Send>(clients: Vec<F>, times: u32) -> Duration {
    let begin = Instant::now();
    thread::scope(|scope| {
        for mut client in clients {
            scope.spawn(move || (0..times).for_each(|_| client()));
        }
    });
    begin.elapsed()
}
