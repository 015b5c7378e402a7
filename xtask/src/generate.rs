//! Files that the program writes about itself: the schemas and the page of the command line.

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::{Outcome, program};

/// Where the schemas are.
const SCHEMAS: &str = "docs/schema";

/// What to do with the generated text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Write the files.
    Write,
    /// Compare with the files that are there.
    Check,
}

/// Builds the program, unless `SHIPOTE_BIN` names one, and generates from it.
pub fn run(root: &Path, mode: Mode) -> Outcome {
    if let Some(program) = std::env::var_os("SHIPOTE_BIN") {
        return with(root, Path::new(&program), mode);
    }
    program::run(&mut program::cargo(
        root,
        &["build", "--quiet", "-p", "shipote-daemon", "--bin", "shipote"],
    ))?;
    with(root, &program::built(root, "debug")?.join("shipote"), mode)
}

/// Generates from the given program.
pub fn with(root: &Path, shipote: &Path, mode: Mode) -> Outcome {
    let mut files = vec![
        (format!("{SCHEMAS}/card.schema.json"), pretty(&schema(shipote, "card")?)?),
        ("docs/cli.md".to_owned(), command_line(shipote)?),
    ];
    files.extend(apart(schema(shipote, "state")?)?);
    let mut stale = if mode == Mode::Check { strays(root, &files) } else { Vec::new() };
    for (name, text) in &files {
        let (name, text) = (name.as_str(), text.as_str());
        let path = root.join(name);
        let present = std::fs::read_to_string(&path).unwrap_or_default();
        if present == text {
            continue;
        }
        match mode {
            Mode::Check => stale.push(difference(name, &present, text)),
            Mode::Write => {
                let parent = path.parent().unwrap_or(root);
                std::fs::create_dir_all(parent).map_err(|error| format!("{}: {error}", parent.display()))?;
                std::fs::write(&path, text).map_err(|error| format!("{name}: {error}"))?;
                println!("wrote {name}");
            }
        }
    }
    match stale.is_empty() {
        true => Ok(()),
        false => Err(format!("{}\nrun `cargo xtask generate` and commit what it writes", stale.join("\n"))),
    }
}

/// Returns the place and both forms of the first line that differs.
fn difference(name: &str, present: &str, text: &str) -> String {
    if present.is_empty() {
        return format!("{name}:1: missing");
    }
    let same = present.lines().zip(text.lines()).take_while(|(old, new)| old == new).count();
    let at = |text: &str| text.lines().nth(same).unwrap_or("(end of file)").to_owned();
    format!("{name}:{}: out of date\n  is:        {}\n  should be: {}", same + 1, at(present), at(text))
}

fn schema(shipote: &Path, kind: &str) -> Outcome<Value> {
    let text = ask(shipote, &["schema", kind])?;
    serde_json::from_str(&text).map_err(|error| format!("`shipote schema {kind}`: {error}"))
}

fn pretty(value: &Value) -> Outcome<String> {
    let pretty = serde_json::to_string_pretty(value).map_err(|error| error.to_string())?;
    Ok(pretty + "\n")
}

/// Takes a schema and those within it that have a name of their own apart, into a file of that name each.
fn apart(mut whole: Value) -> Outcome<Vec<(String, String)>> {
    let inner = whole.as_object_mut().and_then(|members| members.remove("$defs"));
    let Some(Value::Object(inner)) = inner else {
        return Err("the schema of the state has no parts".to_owned());
    };
    let file = |schema: &Value| {
        let name = schema["$id"].as_str().ok_or("a schema has no `$id`")?;
        Ok((format!("{SCHEMAS}/{name}"), pretty(schema)?))
    };
    std::iter::once(&whole).chain(inner.values()).map(file).collect()
}

/// Returns a line for each schema in the folder that nothing writes.
fn strays(root: &Path, files: &[(String, String)]) -> Vec<String> {
    let entries = std::fs::read_dir(root.join(SCHEMAS)).into_iter().flatten().flatten();
    let names = entries.map(|entry| format!("{SCHEMAS}/{}", entry.file_name().to_string_lossy()));
    let strays = names.filter(|name| files.iter().all(|(written, _)| written != name));
    strays.map(|name| format!("{name}:1: nothing writes it; remove it")).collect()
}

fn command_line(shipote: &Path) -> Outcome<String> {
    let mut page =
        "# The command line\n\nWritten by `cargo xtask generate` from the program's own help.\n".to_owned();
    describe(shipote, &[], &mut page)?;
    Ok(page)
}

/// Adds the help of the command at `path`, then that of the commands below it.
fn describe(shipote: &Path, path: &[&str], page: &mut String) -> Outcome {
    let help = ask(shipote, &[path, &["--help"]].concat())?;
    let title = ["shipote"].iter().chain(path).copied().collect::<Vec<_>>().join(" ");
    let body: Vec<&str> = help.lines().map(str::trim_end).collect();
    let _ = write!(page, "\n## {title}\n\n```text\n{}\n```\n", body.join("\n").trim());
    for command in commands(&help) {
        describe(shipote, &[path, &[command]].concat(), page)?;
    }
    Ok(())
}

/// Returns the names under the headline `Commands:` of a help page.
fn commands(help: &str) -> Vec<&str> {
    help.lines()
        .skip_while(|line| line.trim() != "Commands:")
        .skip(1)
        .take_while(|line| !line.trim().is_empty())
        .filter(|line| line.starts_with("  ") && !line.starts_with("   "))
        .filter_map(|line| line.split_whitespace().next())
        .filter(|name| *name != "help")
        .collect()
}

/// Asks the program something, in an environment that says nothing of this machine.
fn ask(shipote: &Path, arguments: &[&str]) -> Outcome<String> {
    program::read(
        Command::new(shipote).args(arguments).env_clear().env("COLUMNS", "100").env("NO_COLOR", "1"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_read_from_a_help_page() {
        let help = "A program\n\nUsage: x <COMMAND>\n\nCommands:\n  run   Runs\n          and more\n  stop  Stops\n  help  Helps\n\nOptions:\n  -h  Help\n";
        assert_eq!(commands(help), ["run", "stop"]);
        assert!(commands("Usage: x\n").is_empty());
    }

    #[test]
    fn schemas_within_a_schema_get_files_of_their_own() {
        let whole =
            serde_json::json!({ "$id": "a.json", "$defs": { "one": { "$id": "b.json", "type": "null" } } });
        let files = apart(whole).unwrap_or_default();
        let names: Vec<&str> = files.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["docs/schema/a.json", "docs/schema/b.json"]);
        assert_eq!(files[0].1, "{\n  \"$id\": \"a.json\"\n}\n");
        assert!(apart(serde_json::json!({ "$id": "a.json" })).is_err());
    }

    #[test]
    fn a_difference_names_the_line() {
        assert_eq!(difference("a.md", "", "x\n"), "a.md:1: missing");
        let said = difference("a.md", "x\ny\n", "x\nz\n");
        assert!(said.starts_with("a.md:2: out of date"), "{said}");
    }
}
