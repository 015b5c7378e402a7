//! Power cuts under a manager. In every second one another program has synced a file of its own before, as on any
//! machine that does anything else.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::super::Plan;
use super::super::image::Image;
use super::super::server::Dice;
use super::{Peer, declare_until, missing, nothing_kept};

pub fn run(peer: &dyn Peer, plan: &Plan) -> Value {
    let Some(state_file) = peer.state_file() else { return nothing_kept() };
    let image = Image::make(&plan.dir, &plan.file_system);
    let mut dice = Dice::new(plan.seed);
    let (mut cycles, mut acknowledged, mut lost) = (0, 0, 0);
    let (mut refused, mut empty, mut absent) = (0, 0, 0);
    while cycles < plan.cycles && Instant::now() < plan.until {
        cycles += 1;
        let (home, run) = (image.at.join(format!("h{cycles}")), plan.dir.join(format!("r{cycles}")));
        for dir in [&home, &run] {
            fs::create_dir_all(dir).unwrap();
        }
        let mut running = peer.start(&home, &run).unwrap_or_else(|why| panic!("the first start: {why}"));
        // What a manager makes once, at its first start, is there for long when a power cut comes.
        nix::unistd::sync();
        let count = 1 + dice.roll(5);
        let more = Duration::from_millis(dice.roll(30));
        let done = declare_until(&mut running, count, more, || {
            if cycles % 2 == 0 {
                sync_another(&image.at);
            }
            image.cut();
        });
        acknowledged += done;
        drop(running);
        image.restore();
        match fs::read(home.join(state_file)) {
            Ok(bytes) if bytes.iter().all(|byte| *byte == 0) => empty += 1,
            Ok(_) => {}
            Err(_) => absent += 1,
        }
        match peer.start(&home, &run) {
            Ok(mut again) => lost += missing(&again.session.declared(), done),
            Err(_) => refused += 1,
        }
        fs::remove_dir_all(&home).unwrap();
        eprintln!(
            "{cycles} of {} cuts: {acknowledged} acknowledged, {lost} lost, {empty} files empty",
            plan.cycles
        );
    }
    json!({
        "fs": plan.file_system, "cycles": cycles, "acknowledged": acknowledged, "lost": lost, "refused": refused,
        "empty": empty, "absent": absent,
    })
}

fn sync_another(dir: &Path) {
    let mut file = File::create(dir.join("another")).unwrap();
    file.write_all(b"of another program").and_then(|()| file.sync_all()).unwrap();
}
