//! `state`: what is kept, from the files themselves; no daemon is asked.

mod log;
mod recover;
mod show;
mod verify;
mod write;

use std::path::PathBuf;

use shipote_snapshot::Collection;

use super::{Context, Done};
use crate::cli::State;
use crate::exit::Failure;
use crate::render::quantity::counted;
use crate::state_files::StateFiles;

/// Does what is to be done with state files.
pub fn act(context: &Context, action: State) -> Done {
    match action {
        State::Verify { files, each } => verify::verify(context, &files, each),
        State::Show { files } => show::show(context, &files),
        State::Plan { files } => show::plan_of(context, &files),
        State::Upgrade { file, in_place } => write::upgrade(context, &file, in_place),
        State::Export { files, schema } => write::export(context, &files, schema),
        State::Diff { a, b } => show::diff(context, a, b),
        State::Log(args) => log::log(context, &args),
        State::Recover(args) => recover::recover(context, &args),
    }
}

/// Reads the files that are named, or the state directory.
fn files_of(context: &Context, named: &[PathBuf]) -> Result<StateFiles, Failure> {
    StateFiles::read(named, &context.place().state_dir)
}

/// Returns what an entity of a list is called.
fn noun(collection: Collection) -> String {
    collection.key().trim_end_matches('s').replace('_', " ")
}

fn counted_u64(count: u64, noun: &str) -> String {
    counted(usize::try_from(count).unwrap_or(usize::MAX), noun)
}
