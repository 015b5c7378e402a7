//! Running other programs: cargo above all.

use std::ffi::OsString;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::Outcome;

/// Returns a command that runs cargo in the workspace.
pub fn cargo(root: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo")));
    command.args(arguments).current_dir(root);
    command
}

/// Runs `command`, with its output where ours goes.
pub fn run(command: &mut Command) -> Outcome {
    let status = command.status().map_err(|error| format!("{}: {error}", name(command)))?;
    if status.success() { Ok(()) } else { Err(format!("`{}` failed ({status})", line(command))) }
}

/// Runs `command`, hands each line of its standard output to `see`, and prints it.
pub fn watch(command: &mut Command, mut see: impl FnMut(&str)) -> Outcome {
    each_line(command, |line| {
        see(line);
        println!("{line}");
    })
}

/// Runs `command`, and hands each line of its standard output to `see`.
pub fn each_line(command: &mut Command, mut see: impl FnMut(&str)) -> Outcome {
    let mut child =
        command.stdout(Stdio::piped()).spawn().map_err(|error| format!("{}: {error}", name(command)))?;
    if let Some(output) = child.stdout.take() {
        for text in BufReader::new(output).split(b'\n').map_while(Result::ok) {
            see(&String::from_utf8_lossy(&text));
        }
    }
    let status = child.wait().map_err(|error| format!("{}: {error}", name(command)))?;
    if status.success() { Ok(()) } else { Err(format!("`{}` failed ({status})", line(command))) }
}

/// Runs `command` and returns its standard output.
pub fn read(command: &mut Command) -> Outcome<String> {
    let output =
        command.stdin(Stdio::null()).output().map_err(|error| format!("{}: {error}", name(command)))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(format!("`{}` failed ({})\n{}", line(command), output.status, said.trim_end()));
    }
    String::from_utf8(output.stdout)
        .map_err(|_| format!("`{}` printed something that is no text", line(command)))
}

/// Returns what cargo knows of the workspace and its members.
pub fn metadata(root: &Path) -> Outcome<Value> {
    let text = read(&mut cargo(root, &["metadata", "--format-version=1", "--no-deps"]))?;
    serde_json::from_str(&text).map_err(|error| format!("cargo metadata: {error}"))
}

/// Returns where cargo puts what it builds for `profile`.
pub fn built(root: &Path, profile: &str) -> Outcome<PathBuf> {
    let metadata = metadata(root)?;
    let target = metadata["target_directory"].as_str().ok_or("cargo metadata names no target directory")?;
    Ok(Path::new(target).join(profile))
}

fn name(command: &Command) -> String {
    command.get_program().to_string_lossy().into_owned()
}

fn line(command: &Command) -> String {
    let program =
        Path::new(command.get_program()).file_name().unwrap_or_default().to_string_lossy().into_owned();
    let words = command.get_args().map(|word| word.to_string_lossy().into_owned());
    std::iter::once(program).chain(words).collect::<Vec<_>>().join(" ")
}
