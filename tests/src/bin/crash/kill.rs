//! `kill -9` of a daemon, again and again, in the middle of everything.

use std::sync::atomic::AtomicBool;
use std::thread;
use std::time::{Duration, Instant};

use super::model::Writer;
use super::progress::Progress;
use super::server::{Dice, Server, declared};
use super::{Plan, Tally};

/// Clients that make changes at once.
const WRITERS: usize = 4;
/// A killed daemon answers nothing more, so that every answer counts.
static NEVER: AtomicBool = AtomicBool::new(false);
/// Longest time that they have, in microseconds.
const LONGEST_US: u64 = 25_000;

pub fn run(plan: &Plan) -> Tally {
    let mut tally = Tally::default();
    let mut progress = Progress::begin(plan);
    let mut dice = Dice::new(plan.seed);
    let state_dir = plan.dir.join("state");
    let log = plan.dir.join("daemon.log");
    let mut writers: Vec<Writer> =
        (0..WRITERS).map(|number| Writer { number, ..Writer::default() }).collect();
    while tally.cycles < plan.cycles && Instant::now() < plan.until {
        tally.cycles += 1;
        // Half of them fold their journal all the time.
        let fold_above = [None, Some(2_000)][usize::try_from(dice.roll(2)).unwrap()];
        let mut server = Server::start(&plan.program, &state_dir, &log, fold_above);
        if dice.roll(4) == 0 {
            // In the middle of its start: loading, replaying, folding.
            thread::sleep(Duration::from_micros(dice.roll(40_000)));
            server.kill();
            continue;
        }
        match server.ready() {
            Ok(mut client) => {
                let found = declared(&mut client);
                for writer in &mut writers {
                    writer.check(&found, &format!("cycle {}", tally.cycles), &mut tally);
                }
            }
            Err(code) => {
                tally.refused += 1;
                tally.find(format!(
                    "cycle {}: the start was refused with {code:?}; see {}",
                    tally.cycles,
                    log.display()
                ));
                return tally;
            }
        }
        let socket = server.socket().to_owned();
        let life = Duration::from_micros(dice.roll(LONGEST_US));
        thread::scope(|scope| {
            let working: Vec<_> =
                writers.iter_mut().map(|writer| scope.spawn(|| writer.work(&socket, &NEVER))).collect();
            thread::sleep(life);
            server.kill();
            tally.acknowledged += working.into_iter().map(|work| work.join().unwrap()).sum::<u64>();
        });
        progress.tell(&tally);
    }
    tally
}
