//! `[[commands]]` and the nodes of a pipeline: what is executed, how it is supervised, and its own environment.

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;

use super::decode::{At, Decode, Decoder, Fields};
use super::toml_text::quoted;
use super::tree::{Kind, child};
use super::workspace::{belongs_to_workspace, own_soma_fields};
use crate::code;
use crate::command::{CommandRef, Flows, Payload, Ready, ReadyProbe, RestartOn, RestartPolicy, Supervision};
use crate::label::check_label;
use crate::problem::Problem;
use crate::unit::Span;

/// Reads a list of commands. Each becomes one, with placeholders for what is wrong, so that positions stay.
pub(super) fn commands(decoder: &mut Decoder<'_>, at: &At<'_>) -> Vec<CommandRef> {
    let Kind::Array(items) = &at.node.kind else {
        decoder.placeholder(at.full.clone());
        decoder.wrong_type::<()>(at, "an array of tables", "");
        return Vec::new();
    };
    let mut drafts = Vec::with_capacity(items.len());
    for (i, item) in items.iter().enumerate() {
        let element = at.element(i, item);
        decoder.remember(element.full.clone(), &element);
        let (label, command) = command(decoder, &element);
        drafts.push(Draft { at: element, label, command });
    }
    name_by_program(decoder, drafts)
}

/// A command whose label may still be missing.
struct Draft<'n> {
    at: At<'n>,
    label: Label,
    command: CommandRef,
}

enum Label {
    Given,
    /// Wrong in a way that was already told.
    Broken,
    Missing,
}

/// Gives each command without a label the name of its program, where that is a label and no other has it.
fn name_by_program(decoder: &mut Decoder<'_>, drafts: Vec<Draft<'_>>) -> Vec<CommandRef> {
    let mut used: BTreeMap<String, usize> = BTreeMap::new();
    for draft in &drafts {
        let name = match draft.label {
            Label::Given => Some(draft.command.label.as_str()),
            Label::Missing => program_name(&draft.command.payload),
            Label::Broken => None,
        };
        if let Some(name) = name {
            *used.entry(name.to_string()).or_default() += 1;
        }
    }
    let mut commands = Vec::with_capacity(drafts.len());
    for Draft { at, label, mut command } in drafts {
        if matches!(label, Label::Missing) {
            let name = program_name(&command.payload).unwrap_or_default().to_string();
            if check_label(&name).is_ok() && used.get(&name) == Some(&1) {
                command.label = name;
            } else if let Some(fields) = decoder.fields(&at, "a table") {
                let hint = if used.get(&name).is_some_and(|count| *count > 1) {
                    format!("`{name}` alone would not tell it from another one: give it a label")
                } else {
                    String::from("give it a label")
                };
                decoder.missing(&fields, "label", &hint);
            }
        }
        commands.push(command);
    }
    commands
}

fn program_name(payload: &Payload) -> Option<&str> {
    match payload {
        Payload::Native { exec, .. } => exec.rsplit('/').next(),
        Payload::Shell { .. } => None,
    }
}

fn command(decoder: &mut Decoder<'_>, at: &At<'_>) -> (Label, CommandRef) {
    let mut command = CommandRef {
        label: String::new(),
        payload: Payload::Native { exec: String::new(), argv: Vec::new(), envp: Vec::new() },
        soma: Default::default(),
        flows: Flows::default(),
        supervision: Supervision::OneShot,
        success_codes: vec![0],
        after: Vec::new(),
        ready: None,
        stop_signal: None,
        grace: None,
    };
    let Some(mut fields) = decoder.fields(at, "a table like { label = \"sort\", run = [\"sort\"] }") else {
        decoder.placeholder(at.full.clone());
        return (Label::Broken, command);
    };
    let label = if fields.has("label") { Label::Given } else { Label::Missing };
    decoder.set(&mut fields, "label", &mut command.label);
    let label = if decoder.is_placeholder(&child(&at.full, "label")) { Label::Broken } else { label };
    let payload = payload(decoder, &mut fields);
    // Without a program there is no name to fall back on, and one problem is enough.
    let label = if payload.is_none() && matches!(label, Label::Missing) {
        decoder.placeholder(child(&at.full, "label"));
        Label::Broken
    } else {
        label
    };
    if let Some(payload) = payload {
        command.payload = payload;
    }
    decoder.set(&mut fields, "soma", &mut command.soma);
    fields.full = child(&at.full, "soma");
    own_soma_fields(decoder, &mut fields, &mut command.soma);
    fields.full.clone_from(&at.full);
    decoder.set(&mut fields, "flows", &mut command.flows.0);
    decoder.set(&mut fields, "supervision", &mut command.supervision);
    let mut short = ShortRestart(command.supervision.clone());
    decoder.set_as(&mut fields, "restart", "supervision", &mut short);
    command.supervision = short.0;
    decoder.set(&mut fields, "success_codes", &mut command.success_codes);
    decoder.set(&mut fields, "after", &mut command.after);
    decoder.set(&mut fields, "ready", &mut command.ready);
    decoder.set(&mut fields, "stop_signal", &mut command.stop_signal);
    decoder.set(&mut fields, "grace", &mut command.grace);
    decoder.finish(fields, |name| match name {
        "cmd" | "command" | "exec" | "argv" | "args" | "program" => {
            Some("the program and its arguments are one array: run = [\"sort\", \"-rn\"]")
        }
        "script" => Some("write shell = \"…\""),
        name => belongs_to_workspace(name),
    });
    (label, command)
}

/// Reads what is executed, from whichever of its three forms is there.
fn payload(decoder: &mut Decoder<'_>, fields: &mut Fields<'_>) -> Option<Payload> {
    let said = ["payload", "run", "shell"].map(|name| fields.has(name));
    let mut payload = None;
    if let Some(at) = decoder.take(fields, "payload", "payload") {
        payload = payload.or(decoder.value(&at));
    }
    if let Some(at) = decoder.take(fields, "run", "payload") {
        payload = payload.or_else(|| run(decoder, &at));
    }
    if let Some(at) = decoder.take(fields, "shell", "payload") {
        decoder.remember(child(&child(&at.full, "shell"), "script"), &at);
        payload = payload.or_else(|| decoder.value(&at).map(|script| Payload::Shell { script }));
    }
    if said == [false; 3] {
        decoder.missing(
            fields,
            "run",
            "say what is executed: run = [\"program\", \"argument\"], or shell = \"…\"",
        );
    }
    if payload.is_none() {
        decoder.placeholder(child(&fields.full, "payload"));
    }
    payload
}

/// Reads `run = ["program", "argument", …]`.
fn run(decoder: &mut Decoder<'_>, at: &At<'_>) -> Option<Payload> {
    const SHELL_SIGNS: &[char] =
        &['|', '&', ';', '<', '>', '$', '`', '"', '\'', '\\', '*', '?', '(', ')', '\n', '~'];
    match &at.node.kind {
        Kind::String(text) => {
            let hint = if text.contains(SHELL_SIGNS) || text.trim().is_empty() {
                format!("for a script write shell = {}", quoted(text))
            } else {
                let words: Vec<String> = text.split_whitespace().map(quoted).collect();
                format!("write run = [{}], or shell = {} for a script", words.join(", "), quoted(text))
            };
            decoder.wrong_type(at, "an array", &hint)
        }
        Kind::Array(items) => {
            let words: Vec<String> = decoder.value(at)?;
            let native = child(&at.full, "native");
            for (i, item) in items.iter().enumerate() {
                let full = match i {
                    0 => child(&native, "exec"),
                    i => child(&child(&native, "argv"), &(i - 1).to_string()),
                };
                decoder.remember(full, &at.element(i, item));
            }
            let Some((exec, argv)) = words.split_first() else {
                decoder.refuse(
                    code::EMPTY_PROGRAM,
                    at,
                    "the array is empty",
                    "its first element is the program",
                );
                return None;
            };
            Some(Payload::Native { exec: exec.clone(), argv: argv.to_vec(), envp: Vec::new() })
        }
        _ => decoder.wrong_type(at, "an array", "write run = [\"program\", \"argument\"]"),
    }
}

impl Decode for Payload {
    fn decode(decoder: &mut Decoder<'_>, at: &At<'_>) -> Option<Self> {
        let (name, inner) = decoder.variant(at, &["native", "shell"])?;
        let mut fields = decoder.fields(&inner, "a table")?;
        let payload = if name == "native" {
            let exec = decoder.required(&mut fields, "exec");
            let (mut argv, mut envp) = (Vec::new(), Vec::new());
            decoder.set(&mut fields, "argv", &mut argv);
            decoder.set(&mut fields, "envp", &mut envp);
            exec.map(|exec| Self::Native { exec, argv, envp })
        } else {
            decoder.required(&mut fields, "script").map(|script| Self::Shell { script })
        };
        decoder.finish(fields, |_| None);
        payload
    }
}

/// `restart = …`, short for a supervision that restarts.
#[derive(Debug)]
struct ShortRestart(Supervision);

impl Decode for ShortRestart {
    fn decode(decoder: &mut Decoder<'_>, at: &At<'_>) -> Option<Self> {
        let inner = At { full: child(&at.full, "restart"), ..at.clone() };
        decoder.remember(inner.full.clone(), &inner);
        let policy = match &at.node.kind {
            Kind::String(text) if matches!(text.as_str(), "no" | "never" | "off") => {
                let hint = "leave it out: a command without `restart` runs once";
                decoder.refuse(code::UNKNOWN_VALUE, at, format!("`{text}` is no reason for a restart"), hint);
                return None;
            }
            Kind::String(_) => {
                RestartPolicy { on: RestartOn::decode(decoder, at)?, ..RestartPolicy::default() }
            }
            Kind::Table(_) => RestartPolicy::decode(decoder, &inner)?,
            _ => {
                let hint =
                    "\"failure\", \"always\", or a table like { on = \"failure\", backoff = \"200ms\" }";
                return decoder.wrong_type(at, "a string or a table", hint);
            }
        };
        Some(Self(Supervision::Restart(policy)))
    }
}

impl Decode for Supervision {
    fn decode(decoder: &mut Decoder<'_>, at: &At<'_>) -> Option<Self> {
        if let Kind::String(_) = at.node.kind {
            return decoder.choice(at, &[("one_shot", ())]).map(|()| Self::OneShot);
        }
        let (_, inner) = decoder.variant(at, &["restart"])?;
        decoder.value(&inner).map(Self::Restart)
    }
}

impl Decode for RestartPolicy {
    fn decode(decoder: &mut Decoder<'_>, at: &At<'_>) -> Option<Self> {
        let mut policy = Self::default();
        let mut fields = decoder.fields(at, "a table")?;
        decoder.set(&mut fields, "on", &mut policy.on);
        delay(decoder, &mut fields, "backoff", "backoff_ms", &mut policy.backoff_ms);
        delay(decoder, &mut fields, "max_backoff", "max_backoff_ms", &mut policy.max_backoff_ms);
        decoder.set(&mut fields, "max", &mut policy.max);
        decoder.set(&mut fields, "jitter", &mut policy.jitter);
        delay(decoder, &mut fields, "stable", "stable_ms", &mut policy.stable_ms);
        decoder.finish(fields, |_| None);
        Some(policy)
    }
}

/// Reads a delay that is a number of milliseconds in its full form and a span in its short form.
pub(super) fn delay(
    decoder: &mut Decoder<'_>,
    fields: &mut Fields<'_>,
    short: &'static str,
    full: &'static str,
    ms: &mut u64,
) {
    decoder.set(fields, full, ms);
    let mut span = Span::from_millis(*ms);
    decoder.set_as(fields, short, full, &mut span);
    *ms = span.as_millis();
}

impl Decode for Ready {
    fn decode(decoder: &mut Decoder<'_>, at: &At<'_>) -> Option<Self> {
        let mut fields = decoder.fields(at, "a table like { tcp = \"127.0.0.1:5432\" }")?;
        let mut timeout = None;
        decoder.set(&mut fields, "timeout", &mut timeout);
        let mut probes = Vec::new();
        for name in ["tcp", "http", "exec", "log", "notify"] {
            let Some(at) = decoder.take(&mut fields, name, name) else { continue };
            let probe = match (name, &at.node.kind) {
                ("tcp", Kind::Integer(_)) => {
                    decoder.value::<u16>(&at).map(|port| ReadyProbe::Tcp(port.to_string()))
                }
                ("tcp", _) => decoder.value(&at).map(ReadyProbe::Tcp),
                ("http", _) => decoder.value(&at).map(ReadyProbe::Http),
                ("exec", _) => decoder.value(&at).map(ReadyProbe::Exec),
                ("log", _) => decoder.value(&at).map(ReadyProbe::Log),
                _ => decoder.value(&at).map(ReadyProbe::Notify),
            };
            probes.push((at, probe));
        }
        if probes.is_empty() {
            decoder.missing(
                &fields,
                "tcp",
                "one of `tcp`, `http`, `exec`, `log`, `notify` says how readiness is known",
            );
        }
        decoder.finish(fields, |_| None);
        for (at, _) in probes.iter().skip(1) {
            let problem =
                Problem::error(code::GIVEN_TWICE, at.pointer.clone(), "a command has one probe of readiness");
            decoder.note(problem.with_hint("keep one of them"), at.node.extent.clone());
        }
        let probe = probes.into_iter().next()?.1?;
        Some(Self { probe, timeout })
    }
}
