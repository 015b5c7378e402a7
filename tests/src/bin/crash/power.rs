//! Power cuts under a daemon, on a file system that can be shut down ([`image`](super::image)).

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::image::Image;
use super::model::Writer;
use super::progress::Progress;
use super::server::{Dice, Server, declared};
use super::{Plan, Tally};

const WRITERS: usize = 4;
/// Longest time that they have, in microseconds.
const LONGEST_US: u64 = 60_000;

pub fn run(plan: &Plan) -> Tally {
    let mut tally = Tally::default();
    let mut progress = Progress::begin(plan);
    let image = Image::make(&plan.dir, &plan.file_system);
    let mut dice = Dice::new(plan.seed);
    let state_dir = image.at.join("state");
    let log = plan.dir.join("daemon.log");
    let mut writers: Vec<Writer> =
        (0..WRITERS).map(|number| Writer { number, ..Writer::default() }).collect();
    while tally.cycles < plan.cycles && Instant::now() < plan.until {
        let fold_above = [None, Some(4_000)][usize::try_from(dice.roll(2)).unwrap()];
        let mut server = Server::start(&plan.program, &state_dir, &log, fold_above);
        let is_early = dice.roll(5) == 0;
        if is_early {
            thread::sleep(Duration::from_micros(dice.roll(40_000)));
        } else {
            match server.ready() {
                Ok(mut client) => {
                    let found = declared(&mut client);
                    for writer in &mut writers {
                        writer.check(&found, &format!("cut {}", tally.cycles), &mut tally);
                    }
                }
                Err(code) => {
                    tally.refused += 1;
                    let log = log.display();
                    tally.find(format!(
                        "cut {}: the start was refused with {code:?}; see {log}",
                        tally.cycles
                    ));
                    return tally;
                }
            }
        }
        let socket = server.socket().to_owned();
        let life = Duration::from_micros(dice.roll(LONGEST_US));
        // Nobody gets an answer from a machine without power. Here the daemon lives on for a moment, and a sync that the
        // shutdown overtakes may return as if it had been done (jbd2 finds no transaction to wait for any more), so
        // answers count up to the moment at which the shutdown is asked for.
        let is_cut = AtomicBool::new(false);
        thread::scope(|scope| {
            let is_cut = &is_cut;
            let mut working = Vec::new();
            if !is_early {
                working.extend(writers.iter_mut().map(|writer| scope.spawn(|| writer.work(&socket, is_cut))));
                thread::sleep(life);
            }
            is_cut.store(true, Ordering::SeqCst);
            image.cut();
            server.kill();
            tally.acknowledged += working.into_iter().map(|work| work.join().unwrap()).sum::<u64>();
        });
        drop(server);
        image.restore();
        tally.cycles += 1;
        progress.tell(&tally);
    }
    tally
}

/// The same cuts under a writer that appends a line, counts it as acknowledged, and syncs nothing.
pub fn control(plan: &Plan) -> Tally {
    let mut tally = Tally::default();
    let mut progress = Progress::begin(plan);
    let image = Image::make(&plan.dir, &plan.file_system);
    let mut dice = Dice::new(plan.seed);
    let path = image.at.join("journal");
    let mut expected = 0;
    while tally.cycles < plan.cycles && Instant::now() < plan.until {
        let mut file = File::options().create(true).append(true).open(&path).unwrap();
        let end = Instant::now() + Duration::from_micros(dice.roll(LONGEST_US));
        while Instant::now() < end {
            if writeln!(file, "{expected}").is_err() {
                break;
            }
            expected += 1;
            tally.acknowledged += 1;
        }
        image.cut();
        drop(file);
        image.restore();
        tally.cycles += 1;
        let found = lines(&path);
        tally.lost += expected - found.min(expected);
        expected = found;
        progress.tell(&tally);
    }
    tally
}

fn lines(path: &Path) -> u64 {
    let text = fs::read_to_string(path).unwrap_or_default();
    text.lines().zip(0_u64..).take_while(|(line, number)| **line == number.to_string()).count() as u64
}
