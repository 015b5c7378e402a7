//! `kill -9` of a manager in the middle of its client's changes.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::super::Plan;
use super::super::server::Dice;
use super::{Peer, declare_until, fresh, missing};

pub fn run(peer: &dyn Peer, plan: &Plan) -> Value {
    let mut dice = Dice::new(plan.seed);
    let (mut cycles, mut acknowledged, mut lost, mut refused, mut left) = (0, 0, 0, 0, 0);
    while cycles < plan.cycles && Instant::now() < plan.until {
        cycles += 1;
        let (home, run) = fresh(&plan.dir, cycles);
        let mut running = peer.start(&home, &run).unwrap_or_else(|why| panic!("the first start: {why}"));
        let count = 1 + dice.roll(6);
        let done = declare_until(&mut running, count, Duration::from_millis(dice.roll(30)), || {});
        acknowledged += done;
        running.kill();
        left += running.left().len();
        match peer.start(&home, &run) {
            Ok(mut again) => lost += missing(&again.session.declared(), done),
            Err(_) => refused += 1,
        }
        drop(running);
        std::fs::remove_dir_all(&home).unwrap();
        eprintln!("{cycles} of {} kills: {acknowledged} acknowledged, {lost} lost", plan.cycles);
    }
    json!({ "cycles": cycles, "acknowledged": acknowledged, "lost": lost, "refused": refused, "left": left })
}
