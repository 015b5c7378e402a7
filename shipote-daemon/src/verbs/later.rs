//! What the contract names and this release does not do: refused by name, with what to do instead.

use crate::cli::{Pipeline, Verb};
use crate::exit::Failure;

/// Refuses a verb or flag of a later release.
///
/// # Errors
///
/// Fails with the exit code of a usage error where there is one.
pub fn refuse(verb: &Verb) -> Result<(), Failure> {
    let limit = "limits come with a later release; until then, a shell can set some: sh -c 'ulimit -v KIB; exec PROGRAM'";
    let access =
        "permissions come with a later release; until then, --user runs it as a user with fewer rights";
    let terminal = "run it without a terminal, or use shipote up and shipote logs -f";
    let (what, instead) = match verb {
        Verb::Freeze(_) => ("freeze", "kill -s STOP holds its processes: shipote kill -s STOP NAME"),
        Verb::Thaw(_) => ("thaw", "shipote kill -s CONT NAME lets stopped processes go on"),
        Verb::Top(_) => ("top", "watch shipote ps, or shipote stats NAME"),
        Verb::Why(_) => ("why", "shipote events, shipote logs NAME and shipote ps -a tell what happened"),
        Verb::Peek(_) => {
            ("peek", "shipote tap PIPELINE EDGE shows what flows on an edge that can be observed")
        }
        Verb::Pipeline(Pipeline::Run(run)) if run.interactive => {
            ("pipeline run -i", "let the first node read a file: run = [\"cat\", \"FILE\"]")
        }
        Verb::Exec(exec) if exec.command.tty => ("exec -t", terminal),
        Verb::Run(run) => {
            let later = &run.later;
            if run.command.tty {
                ("run -t", terminal)
            } else if later.memory.is_some() {
                ("run --memory", limit)
            } else if later.cpus.is_some() {
                ("run --cpus", limit)
            } else if later.pids.is_some() {
                ("run --pids", limit)
            } else if later.net.is_some() {
                ("run --net", access)
            } else if !later.read.is_empty() {
                ("run --read", access)
            } else if !later.write.is_empty() {
                ("run --write", access)
            } else {
                return Ok(());
            }
        }
        _ => return Ok(()),
    };
    Err(Failure::later(what, instead))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    fn check(args: &[&str]) -> String {
        let cli = crate::cli::Cli::try_parse_from(std::iter::once(&"shipote").chain(args)).unwrap();
        match refuse(&cli.verb) {
            Ok(()) => "accepted".to_owned(),
            Err(failure) => format!("{}: {failure}", failure.code.exit()),
        }
    }

    #[test]
    fn what_is_not_in_this_release_is_refused_by_name() {
        insta::assert_snapshot!(check(&["freeze", "web"]), @"2: freeze is not in this release");
        insta::assert_snapshot!(check(&["run", "--memory", "1GiB", "--", "true"]), @"2: run --memory is not in this release");
        insta::assert_snapshot!(check(&["run", "-t", "--", "true"]), @"2: run -t is not in this release");
        insta::assert_snapshot!(check(&["state", "log"]), @"accepted");
        insta::assert_snapshot!(check(&["daemon", "restart"]), @"accepted");
        insta::assert_snapshot!(check(&["pipeline", "run", "-i", "daily"]), @"2: pipeline run -i is not in this release");
        insta::assert_snapshot!(check(&["run", "--ttl", "1h", "--", "true"]), @"accepted");
    }
}
