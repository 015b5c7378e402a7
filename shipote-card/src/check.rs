//! The judgement of a card in its full form: what is well-formed, but can't be meant or can't work.
//!
//! Every problem is found, none of them stops another; places are JSON pointers into the full form.

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use crate::card::Card;
use crate::code;
use crate::command::{CommandRef, Payload, ReadyProbe, Supervision};
use crate::id::parse_canonical;
use crate::label::{check_label, nearest};
use crate::path::is_absolute;
use crate::pipeline::PipelineSpec;
use crate::problem::Problem;
use crate::workspace::{RootFs, Soma};

mod graph;
mod media;
mod space;

/// Signals that may ask a command to stop, without their `SIG`.
pub const STOP_SIGNALS: [&str; 7] = ["TERM", "INT", "HUP", "QUIT", "USR1", "USR2", "KILL"];

/// Returns the name of a stop signal without its `SIG`, or none where it is not one of [`STOP_SIGNALS`].
#[must_use]
pub fn stop_signal(name: &str) -> Option<&'static str> {
    let bare = name.strip_prefix("SIG").unwrap_or(name);
    STOP_SIGNALS.into_iter().find(|known| *known == bare)
}

/// Whether paths have been made absolute yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Paths {
    /// As written in a card.
    MayBeRelative,
    /// As the daemon needs them.
    MustBeAbsolute,
}

/// Returns every problem of a card whose paths are resolved; see [`resolve_paths`](crate::path::resolve_paths).
#[must_use]
pub fn check(card: &Card) -> Vec<Problem> {
    judge(card, Paths::MustBeAbsolute)
}

pub(crate) fn judge(card: &Card, paths: Paths) -> Vec<Problem> {
    let mut found = Findings { problems: Vec::new(), paths };
    if *card == Card::default() {
        let hint = "begin with [workspace], [[commands]] or [[pipelines]]";
        found.warn(code::EMPTY_CARD, "", "the card declares nothing", hint);
    }
    if let Some(workspace) = &card.workspace {
        space::check(&mut found, workspace);
    }
    found.commands("/commands", &card.commands, card.workspace.is_some());
    duplicates(
        &mut found,
        "/pipelines",
        card.pipelines.iter().map(|pipeline| pipeline.label.as_str()),
        "pipelines",
    );
    for (i, pipeline) in card.pipelines.iter().enumerate() {
        found.pipeline(&format!("/pipelines/{i}"), pipeline, card);
    }
    found.problems
}

/// The problems found so far.
#[derive(Debug)]
pub(crate) struct Findings {
    problems: Vec<Problem>,
    paths: Paths,
}

impl Findings {
    fn add(&mut self, problem: Problem) {
        self.problems.push(problem);
    }

    fn error(
        &mut self,
        code: &str,
        pointer: impl Into<String>,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) {
        self.add(Problem::error(code, pointer, message).with_hint(hint));
    }

    fn warn(
        &mut self,
        code: &str,
        pointer: impl Into<String>,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) {
        self.add(Problem::warning(code, pointer, message).with_hint(hint));
    }

    fn label(&mut self, pointer: &str, label: &str) {
        if let Err(error) = check_label(label) {
            self.error(
                code::BAD_LABEL,
                format!("{pointer}/label"),
                format!("the label `{label}` {error}"),
                "a label is up to 63 letters, digits, `.`, `_` or `-`, and begins with a letter or digit",
            );
        }
    }

    fn no_nul(&mut self, pointer: impl Into<String>, text: &str) {
        if text.contains('\0') {
            self.error(code::NUL_BYTE, pointer, "a NUL byte ends a text for the kernel", "remove it");
        }
    }

    fn path(&mut self, pointer: impl Into<String>, path: &str) {
        let pointer = pointer.into();
        if self.paths == Paths::MustBeAbsolute && !is_absolute(path) || path.is_empty() {
            let message = format!("`{path}` is not an absolute path");
            self.error(code::RELATIVE_PATH, pointer.clone(), message, "begin it with `/`, without `..`");
        }
        self.no_nul(pointer, path);
    }

    fn variable(&mut self, pointer: impl Into<String>, name: &str) {
        if name.is_empty() || name.contains(['=', '\0']) {
            let message = format!("`{}` can't name an environment variable", name.escape_debug());
            self.error(
                code::BAD_VARIABLE,
                pointer,
                message,
                "a name is not empty and has neither `=` nor NUL",
            );
        }
    }

    /// Checks what a body says of directory, environment and identity, and its mounts and limits.
    fn soma(&mut self, pointer: &str, soma: &Soma) {
        if let Some(cwd) = &soma.cwd {
            self.path(format!("{pointer}/cwd"), cwd);
        }
        for (name, value) in &soma.env {
            let place = format!("{pointer}/env/{}", escaped(name));
            self.variable(place.clone(), name);
            self.no_nul(place, value);
        }
        for (i, file) in soma.env_file.iter().enumerate() {
            self.path(format!("{pointer}/env_file/{i}"), file);
        }
        for (i, name) in soma.env_pass.iter().enumerate() {
            let place = format!("{pointer}/env_pass/{i}");
            self.variable(place.clone(), name);
            if soma.env.contains_key(name) {
                let message = format!("`{name}` is passed on from the caller and also set in `env`");
                self.warn(code::GIVEN_TWICE, place, message, "keep one of the two");
            }
        }
        if let RootFs::Directory(directory) = &soma.root {
            self.path(format!("{pointer}/root/directory"), directory);
        }
        for (i, mount) in soma.mounts.iter().enumerate() {
            if mount.source != "tmpfs" {
                self.path(format!("{pointer}/mounts/{i}/source"), &mount.source);
            }
            if !is_absolute(&mount.target) {
                let message = format!("`{}` is not an absolute path", mount.target);
                let hint = "a mount appears at a path of the workspace, which begins with `/`";
                self.error(code::RELATIVE_PATH, format!("{pointer}/mounts/{i}/target"), message, hint);
            }
        }
        if soma.cpu_weight.is_some_and(|weight| !(1..=10_000).contains(&weight)) {
            let message = "a processor share is out of range: 1 to 10000";
            self.error(
                code::OUT_OF_RANGE,
                format!("{pointer}/cpu_weight"),
                message,
                "100 is the usual share",
            );
        }
    }

    /// Checks commands that stand side by side, in a card or as the nodes of a pipeline.
    fn commands(&mut self, pointer: &str, commands: &[CommandRef], all_are_here: bool) {
        let what = if pointer == "/commands" { "commands" } else { "nodes of the pipeline" };
        duplicates(self, pointer, commands.iter().map(|command| command.label.as_str()), what);
        for (i, command) in commands.iter().enumerate() {
            self.command(&format!("{pointer}/{i}"), command);
        }
        let labels: Vec<&str> = commands.iter().map(|command| command.label.as_str()).collect();
        let mut waits = graph::Arcs::among(commands.len());
        for (i, command) in commands.iter().enumerate() {
            for (k, label) in command.after.iter().enumerate() {
                let place = format!("{pointer}/{i}/after/{k}");
                let Some(other) = labels.iter().position(|known| known == label) else {
                    if all_are_here {
                        let message = format!("there is no command `{label}` to wait for");
                        self.error(code::UNKNOWN_COMMAND, place, message, suggestion(label, &labels));
                    }
                    continue;
                };
                if let Some(cycle) = waits.add(other, i) {
                    let path = graph::written(&cycle, &labels);
                    self.error(
                        code::CYCLE,
                        place,
                        format!("the commands wait for each other: {path}"),
                        "remove one `after`",
                    );
                }
            }
        }
    }

    fn command(&mut self, pointer: &str, command: &CommandRef) {
        self.label(pointer, &command.label);
        self.payload(&format!("{pointer}/payload"), &command.payload);
        self.soma(&format!("{pointer}/soma"), &command.soma);
        for (port, declared) in &command.flows.0 {
            let place = format!("{pointer}/flows/{}", escaped(port));
            if !["stdin", "stdout", "stderr"].contains(&port.as_str()) {
                let hint = "one of `stdin`, `stdout`, `stderr`";
                self.error(code::UNKNOWN_PORT, place, format!("a command has no port `{port}`"), hint);
            } else if !media::is_media_type(declared) {
                let hint = "write it like \"text/csv\" or \"application/json\"";
                self.error(code::BAD_MEDIA_TYPE, place, format!("`{declared}` is not a media type"), hint);
            }
        }
        if let Supervision::Restart(policy) = &command.supervision
            && policy.backoff_ms > policy.max_backoff_ms
        {
            let place = format!("{pointer}/supervision/restart/backoff_ms");
            self.backoff(place, policy.backoff_ms, policy.max_backoff_ms, "max_backoff");
        }
        if command.success_codes.is_empty() {
            let message = "no exit code counts as success, so every run would have failed";
            self.error(
                code::NO_SUCCESS_CODE,
                format!("{pointer}/success_codes"),
                message,
                "leave it out for [0]",
            );
        }
        let mut listed = [false; 256];
        for (i, exit) in command.success_codes.iter().enumerate() {
            if core::mem::replace(&mut listed[usize::from(*exit)], true) {
                let place = format!("{pointer}/success_codes/{i}");
                let message = format!("the exit code {exit} is listed twice");
                self.warn(code::REPEATED_SUCCESS_CODE, place, message, "remove one of them");
            }
        }
        if let Some(ready) = &command.ready
            && let ReadyProbe::Exec(argv) = &ready.probe
        {
            if argv.first().is_none_or(String::is_empty) {
                let message = "a probe by command needs a program";
                self.error(code::EMPTY_PROGRAM, format!("{pointer}/ready/exec"), message, "");
            }
            for (i, argument) in argv.iter().enumerate() {
                self.no_nul(format!("{pointer}/ready/exec/{i}"), argument);
            }
        }
        if let Some(name) = &command.stop_signal
            && stop_signal(name).is_none()
        {
            let upper = name.to_ascii_uppercase();
            let hint = match nearest(upper.strip_prefix("SIG").unwrap_or(&upper), STOP_SIGNALS) {
                Some(known) => format!("did you mean `{known}`?"),
                None => format!("one of {}", STOP_SIGNALS.join(", ")),
            };
            let message = format!("`{name}` is not a signal that stops a command");
            self.error(code::UNKNOWN_SIGNAL, format!("{pointer}/stop_signal"), message, hint);
        }
    }

    fn payload(&mut self, pointer: &str, payload: &Payload) {
        match payload {
            Payload::Native { exec, argv, envp } => {
                if exec.is_empty() {
                    let place = format!("{pointer}/native/exec");
                    self.error(
                        code::EMPTY_PROGRAM,
                        place,
                        "the program is empty",
                        "name a program or its path",
                    );
                }
                self.no_nul(format!("{pointer}/native/exec"), exec);
                for (i, argument) in argv.iter().enumerate() {
                    self.no_nul(format!("{pointer}/native/argv/{i}"), argument);
                }
                for (i, variable) in envp.iter().enumerate() {
                    let place = format!("{pointer}/native/envp/{i}");
                    match variable.split_once('=') {
                        Some((name, value)) => {
                            self.variable(place.clone(), name);
                            self.no_nul(place, value);
                        }
                        None => {
                            let message = format!("`{}` has no `=`", variable.escape_debug());
                            self.error(code::BAD_VARIABLE, place, message, "write it as NAME=VALUE");
                        }
                    }
                }
            }
            Payload::Shell { script } => {
                if script.trim().is_empty() {
                    let place = format!("{pointer}/shell/script");
                    self.error(
                        code::EMPTY_PROGRAM,
                        place,
                        "the script is empty",
                        "say what the shell is to do",
                    );
                }
                self.no_nul(format!("{pointer}/shell/script"), script);
            }
        }
    }

    fn backoff(&mut self, pointer: String, first_ms: u64, longest_ms: u64, longest: &str) {
        let first = crate::Span::from_millis(first_ms);
        let message =
            format!("the first delay {first} is above the longest, {}", crate::Span::from_millis(longest_ms));
        self.error(code::BACKOFF_ABOVE_MAX, pointer, message, format!("raise `{longest}` or lower this"));
    }

    fn pipeline(&mut self, pointer: &str, pipeline: &PipelineSpec, card: &Card) {
        self.label(pointer, &pipeline.label);
        if let Some(workspace) = &card.workspace
            && !pipeline.workspace.is_empty()
            && pipeline.workspace != workspace.label
            && parse_canonical(&pipeline.workspace).is_err()
        {
            let message =
                format!("the workspace of this card is `{}`, not `{}`", workspace.label, pipeline.workspace);
            self.error(code::OTHER_WORKSPACE, format!("{pointer}/workspace"), message, "leave it out");
        }
        if pipeline.nodes.is_empty() {
            self.error(code::NO_NODES, format!("{pointer}/nodes"), "a pipeline needs at least one node", "");
        }
        self.commands(&format!("{pointer}/nodes"), &pipeline.nodes, true);
        if pipeline.restart_backoff_ms > pipeline.restart_max_backoff_ms {
            let place = format!("{pointer}/restart_backoff_ms");
            self.backoff(
                place,
                pipeline.restart_backoff_ms,
                pipeline.restart_max_backoff_ms,
                "restart_max_backoff",
            );
        }
        graph::check(self, pointer, pipeline);
    }
}

/// Finds labels that are given twice; the later one is the problem.
fn duplicates<'a>(found: &mut Findings, pointer: &str, labels: impl Iterator<Item = &'a str>, what: &str) {
    let mut first: BTreeMap<&str, usize> = BTreeMap::new();
    for (i, label) in labels.enumerate() {
        // What has no label is told as such.
        if label.is_empty() {
            continue;
        }
        if let Some(earlier) = first.get(label) {
            let problem = Problem::error(
                code::DUPLICATE_LABEL,
                format!("{pointer}/{i}/label"),
                format!("two {what} are called `{label}`"),
            );
            found.add(
                problem.with_hint("rename one of them").with_related(format!("{pointer}/{earlier}/label")),
            );
        } else {
            first.insert(label, i);
        }
    }
}

/// Returns a hint that names the nearest of `names`, or all of a few.
fn suggestion(text: &str, names: &[&str]) -> String {
    match nearest(text, names.iter().copied()) {
        Some(name) => format!("did you mean `{name}`?"),
        None if names.is_empty() => String::new(),
        None if names.len() <= 8 => format!("there are: {}", names.join(", ")),
        None => String::from("look at the labels"),
    }
}

/// Returns one segment of a JSON pointer.
fn escaped(segment: &str) -> String {
    segment.replace('~', "~0").replace('/', "~1")
}

#[cfg(test)]
mod tests;
