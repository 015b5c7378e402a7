//! What a durable change and a load cost, beside plain files, redb and SQLite, all in one run.
//!
//! `bench-state --program PATH [--dir DIR] [--quick] [SECTION...]` with the sections `change`, `group`, `load` and
//! `daemon`; without any, all of them. Each comparison is a line of JSON on stdout. Run it by `cargo xtask bench state`.

mod change;
#[path = "../../../tests/src/bin/crash/client.rs"]
mod client;
mod daemon;
mod databases;
mod group;
mod load;
mod made;
mod plain;
mod round;
mod row;
mod store;
mod typed;

use std::path::PathBuf;

/// How long it may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Extent {
    /// As long as steady figures need.
    Full,
    /// Just long enough to see that all of it works.
    Quick,
}

impl Extent {
    fn pick<T>(self, quick: T, full: T) -> T {
        if self == Self::Quick { quick } else { full }
    }
}

/// Writes a count as people do: `100 000`.
fn counted(count: u64) -> String {
    match count {
        count if count >= 1_000 => format!("{} {:03}", counted(count / 1_000), count % 1_000),
        count => count.to_string(),
    }
}

fn main() {
    let mut words = std::env::args().skip(1);
    let (mut program, mut extent, mut sections) = (None, Extent::Full, Vec::new());
    let mut dir = std::env::temp_dir();
    while let Some(word) = words.next() {
        match word.as_str() {
            "--program" => program = words.next().map(PathBuf::from),
            "--dir" => dir = words.next().expect("--dir DIR").into(),
            "--quick" => extent = Extent::Quick,
            _ => sections.push(word),
        }
    }
    let dir = dir.join(format!("bench-state-{}", std::process::id()));
    std::fs::create_dir_all(&dir).expect("make a directory");
    let wants = |section: &str| sections.is_empty() || sections.iter().any(|word| word == section);
    if wants("change") {
        change::run(&dir, extent);
    }
    if wants("group") {
        group::run(&dir, extent);
    }
    if wants("load") {
        load::run(&dir, extent);
    }
    if wants("daemon") {
        daemon::run(&dir, &program.expect("--program PATH"), extent);
    }
    std::fs::remove_dir_all(&dir).expect("remove the directory");
}
