//! What to do next, for failures that do not know better themselves. No failure is told without such a line.

use std::fs;
use std::io;
use std::path::Path;

use shipote_card::{Problem, nearest};

use crate::exit::Code;

/// Returns the next command after a failure of a kind.
#[must_use]
pub const fn of_code(code: Code) -> &'static str {
    match code {
        Code::Failed | Code::LaunchFailed => "try again; shipote doctor tells what this host can do",
        Code::Usage | Code::NotInThisRelease => {
            "shipote --help lists the verbs, shipote VERB --help its flags"
        }
        Code::NotFound => "shipote ws ls and shipote ps -a list what there is",
        Code::NoDaemon => "shipote daemon starts one; shipote daemon status tells whether one answers",
        Code::Closing => "try again; shipote up and shipote run start a new one",
        Code::Ambiguous => "use workspace/label, or more of the id",
        Code::Conflict => "shipote ws show NAME and shipote ps -a tell what is there",
        Code::OtherStateDirectory => "give --state-dir as the daemon has it, or --socket of the other daemon",
        Code::TimedOut => "allow it more time; shipote ps -a tells how it stands",
        Code::Invalid => "shipote check CARD tells every problem with its place",
        Code::NotPermitted | Code::Degraded => "shipote doctor tells what this host can enforce",
        Code::NeedsEnv => "set the variables here, and try again",
        Code::StoreFailed => "nothing was changed; the disk may be full, or the directory not writable",
        Code::StateNewer => "use the shipote that wrote it; nothing was changed",
        Code::StateDamaged => "shipote state verify lists every problem; the file was left as it is",
        Code::Protocol => {
            "shipote daemon status tells which version answers; shipote daemon stop, then try again"
        }
        // Told to nobody.
        Code::BrokenPipe => "",
    }
}

/// Returns how one of several things of a name is named, by what tells them apart.
#[must_use]
pub fn of_ambiguity(candidates: &[String]) -> String {
    // What stands in brackets is the kind and the id.
    let (name, known) = candidates.first().and_then(|first| first.split_once(" (")).unwrap_or_default();
    if known.is_empty() {
        return "write one of them as it stands here".to_owned();
    }
    let repeats = |one: &String| {
        let path = one.split(" (").next();
        candidates.iter().filter(|other| other.split(" (").next() == path).count() > 1
    };
    let id = known.trim_end_matches(')').rsplit(", ").next().unwrap_or_default();
    let end = id.get(id.len().saturating_sub(6)..).unwrap_or(id);
    if candidates.iter().any(repeats) {
        format!("use more of the id, such as {end}")
    } else if name.contains('/') {
        format!("use workspace/label, such as {name}, or more of the id, such as {end}")
    } else {
        format!("use the label, such as {name}, or more of the id, such as {end}")
    }
}

/// Returns what can be done about an operation on a file that failed.
#[must_use]
pub fn of_file(path: &Path, error: &io::Error) -> String {
    let shown = path.display();
    match error.kind() {
        io::ErrorKind::NotFound => missing(path),
        io::ErrorKind::PermissionDenied => format!("ls -ld {shown} tells whose it is and who may"),
        io::ErrorKind::IsADirectory => format!("name a file in it: ls {shown}"),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            format!("make room: df -h {shown}")
        }
        _ => format!("look at it with ls -l {shown}, then try again"),
    }
}

/// Returns what can be done about a flow directory that is not usable.
#[must_use]
pub fn of_flow_dir(path: &str, errno: i32) -> String {
    match io::Error::from_raw_os_error(errno).kind() {
        io::ErrorKind::NotFound => {
            format!("mkdir -p {path} makes it; or name another one in `flow_dirs` of the card")
        }
        io::ErrorKind::NotADirectory | io::ErrorKind::AlreadyExists => {
            format!("ls -ld {path} tells what stands there; or name a directory in `flow_dirs` of the card")
        }
        _ => {
            format!(
                "ls -ld {path} tells whose it is and who may; or name another one in `flow_dirs` of the card"
            )
        }
    }
}

/// Returns what can be done about mistakes in what was declared; there may be no card that holds them.
#[must_use]
pub fn of_problems(problems: &[Problem]) -> &'static str {
    let mut wrong = problems.iter().filter(|problem| problem.is_error()).peekable();
    if wrong.peek().is_some() && wrong.all(|problem| problem.code == shipote_card::code::BAD_LABEL) {
        return "choose another label, such as web or build-2: letters, digits, `.`, `_` and `-`";
    }
    "mend what is named above, and try again; shipote check CARD tells the places in a card"
}

/// Returns what can be done about a layer that this host can't give.
#[must_use]
pub fn of_refusal(layer: &str) -> &'static str {
    match layer {
        "containment" | "keeper" => {
            "containment = \"best_effort\" in the [workspace] of the card runs it all the same, less firmly held; \
             shipote doctor tells what is missing here"
        }
        _ => of_code(Code::NotPermitted),
    }
}

/// Returns where to look for a file that is not there: a name like it, or the directory that is missing.
fn missing(path: &Path) -> String {
    if path.is_relative() && std::env::current_dir().is_err() {
        return "the current directory is gone; change to one that is there, such as cd \"$HOME\"".to_owned();
    }
    let parent = match path.parent() {
        Some(parent) if parent.as_os_str().is_empty() => Path::new("."),
        Some(parent) => parent,
        None => return "name another file".to_owned(),
    };
    let Ok(entries) = fs::read_dir(parent) else {
        return format!("the directory {} is not there either; check the path", parent.display());
    };
    let names: Vec<String> =
        entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok()).take(10_000).collect();
    let wanted = path.file_name().unwrap_or_default().to_string_lossy();
    match nearest(&wanted, names.iter().map(String::as_str)) {
        // A lock or a socket beside it is no slip of the pen.
        Some(near) if near != wanted => {
            let near = if parent == Path::new(".") { Path::new(near).into() } else { parent.join(near) };
            format!("did you mean {}?", near.display())
        }
        _ => format!("check the path; ls {} lists what is there", parent.display()),
    }
}

/// Returns what can be done about a contradiction, as far as its text tells.
#[must_use]
pub fn of_conflict(message: &str) -> String {
    let name = message.split('`').nth(1).unwrap_or("NAME");
    let ends = |end: &str| message.ends_with(end);
    if message.starts_with("the pipeline") && ends("is running") {
        format!("--replace stops it first; shipote pipeline stop {name} ends it")
    } else if message.contains("can't be tapped") {
        "declare it with tap = \"ready\", or start the pipeline with shipote pipeline run --tap".to_owned()
    } else if message.contains("time to live") {
        format!("shipote ws rm {name} forgets it; then it can be declared again")
    } else if message.starts_with("a workspace called") {
        format!("shipote ws show {name} shows it; shipote ws rm {name} stops and forgets it")
    } else if message.contains("its card has changed") {
        format!("shipote down {name} stops it, then shipote up applies the change")
    } else if message.starts_with("a command called") {
        "shipote ps -a lists the commands; give the program a workspace of its own with run --name LABEL"
            .to_owned()
    } else if message.contains("names no workspace") {
        "--ws WS names one; shipote ws ls lists them".to_owned()
    } else if message.contains("can't be a name") {
        "a name is letters, digits, . _ and -, begins with a letter or digit, and has at most 63 of them"
            .to_owned()
    } else if message.contains("is ending") {
        format!("wait for its end, then try again: shipote ps -a; shipote kill {name} hurries it")
    } else if message.contains("no [workspace]") {
        "a [workspace] table with a label declares one".to_owned()
    } else if message.contains("time limit") {
        "leave out --detach or --timeout; or declare the workspace with --ttl".to_owned()
    } else {
        of_code(Code::Conflict).to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_failure_that_is_told_has_a_next_step() {
        for code in Code::ALL {
            assert_eq!(of_code(code).is_empty(), code == Code::BrokenPipe, "{code:?}");
        }
    }

    #[test]
    fn a_file_that_is_missing_is_looked_for_where_it_should_be() {
        let dir = std::env::temp_dir().join(format!("shipote-hints-{}", std::process::id()));
        fs::create_dir_all(&dir).unwrap();
        fs::write(dir.join("access-log.toml"), "").unwrap();
        let error = io::Error::from(io::ErrorKind::NotFound);
        let told = |name: &str| of_file(&dir.join(name), &error).replace(&dir.display().to_string(), "DIR");
        insta::assert_snapshot!(told("acess-log.toml"), @"did you mean DIR/access-log.toml?");
        insta::assert_snapshot!(told("other"), @"check the path; ls DIR lists what is there");
        insta::assert_snapshot!(told("no/such"), @"the directory DIR/no is not there either; check the path");
        fs::remove_dir_all(&dir).unwrap();
    }

    #[test]
    fn what_tells_several_apart_is_what_to_use() {
        let hint = |candidates: &[&str]| {
            of_ambiguity(&candidates.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>())
        };
        let (one, other) = ("01ARZ3NDEKTSV4RRFFQ69G5FAV", "01ARZ3NDEKTSV4RRFFQ69G5FAW");
        let named = |path: &str, id: &str| format!("{path} (command, {id})");
        insta::assert_snapshot!(hint(&[&named("a/p", one), &named("b/p", other)]), @"use workspace/label, such as a/p, or more of the id, such as 9G5FAV");
        insta::assert_snapshot!(hint(&[&named("a/p", one), &named("a/p", other)]), @"use more of the id, such as 9G5FAV");
        insta::assert_snapshot!(hint(&[&named("a", one), &named("b", other)]), @"use the label, such as a, or more of the id, such as 9G5FAV");
        insta::assert_snapshot!(hint(&["sort..top", "sort..log"]), @"write one of them as it stands here");
    }

    #[test]
    fn a_contradiction_names_the_object_in_its_hint() {
        for (message, hint) in [
            (
                "a workspace called `web` is there already",
                "shipote ws show web shows it; shipote ws rm web stops and forgets it",
            ),
            (
                "the pipeline `web/p` is running",
                "--replace stops it first; shipote pipeline stop web/p ends it",
            ),
            (
                "the workspace `web` runs, and its card has changed: ttl",
                "shipote down web stops it, then shipote up applies the change",
            ),
            ("something else", of_code(Code::Conflict)),
        ] {
            assert_eq!(of_conflict(message), hint);
        }
    }
}
