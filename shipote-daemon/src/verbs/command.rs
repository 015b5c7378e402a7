//! `run` and `exec`: one command, whose streams and exit code pass through.

use std::path::Path;

use serde_json::json;
use shipote_card::{CommandRef, WorkspaceSpec};
use shipote_runtime::drive::session::{Caller, SessionEnd};
use shipote_runtime::view::WorkspaceDetail;

use super::attach::{self, caller};
use super::{Context, Done};
use crate::card_file::label_from;
use crate::cli::{CommandFlags, Exec, Run};
use crate::client::spawn;
use crate::exit::{Code, Failure, OWN_FAILURE, TIMEOUT, launch_exit};
use crate::place;
use crate::render::quantity::now_ms;
use crate::screen::Results;
use crate::wire::{ExecAnswer, ExecBody, ExecPlace, Opened, segment};

/// Runs one command, by default in a workspace of its own.
pub async fn run(context: &Context, args: Run) -> Done {
    let mut command = command_of(&args.command, &args.argv)?;
    let mut caller = caller(&args.command.env_pass)?;
    // `run` means here, as the caller sees it.
    command.soma.cwd.get_or_insert_with(|| caller.cwd.clone());
    spawn::ensure(&context.client, &context.out).await?;
    let target = match args.ws {
        Some(name) => {
            pass_for(context, &name, &mut caller).await?;
            ExecPlace::Workspace(name)
        }
        None => {
            let is_declared = args.keep || args.name.is_some();
            let mut spec = WorkspaceSpec::labelled(args.name.unwrap_or_else(own_label));
            spec.ttl = args.ttl;
            spec.soma.strict = args.strict;
            spec.soma.cwd = Some(caller.cwd.clone());
            if is_declared { ExecPlace::Declared(spec) } else { ExecPlace::Ephemeral(spec) }
        }
    };
    go(context, target, command, caller, &args.command).await
}

/// Runs one more command in a workspace.
pub async fn exec(context: &Context, args: Exec) -> Done {
    let command = command_of(&args.command, &args.argv)?;
    let mut caller = caller(&args.command.env_pass)?;
    pass_for(context, &args.workspace, &mut caller).await?;
    go(context, ExecPlace::Workspace(args.workspace), command, caller, &args.command).await
}

/// A label that no other invocation has at this moment.
fn own_label() -> String {
    format!("run-{}-{:04x}", std::process::id(), now_ms() & 0xffff)
}

/// Adds the variables that the workspace passes on by name.
async fn pass_for(context: &Context, name: &str, caller: &mut Caller) -> Result<(), Failure> {
    let detail: WorkspaceDetail = context.client.get(&format!("/v1/workspaces/{}", segment(name))).await?;
    let passed = attach::caller(&detail.workspace.spec.soma.env_pass)?;
    caller.env.extend(passed.env);
    Ok(())
}

async fn go(
    context: &Context,
    target: ExecPlace,
    command: CommandRef,
    caller: Caller,
    flags: &CommandFlags,
) -> Done {
    let out = &context.out;
    let timeout_ms = flags.timeout.map(shipote_card::Span::as_millis);
    let body = ExecBody { target, command, caller, stdin: !flags.detach, timeout_ms };
    if flags.detach {
        let answer: ExecAnswer = context.client.post("/v1/exec", &body).await?;
        out.result(&answer, || format!("{}/{}", answer.workspace.label, answer.command.label))?;
        return Ok(0);
    }
    let results = if out.is_json() { Results::Nowhere } else { Results::Through };
    let mut look = attach::look(context, results, None, true);
    // Messages of the command are its own; a document on stdout changes nothing about that.
    look.talk = false;
    look.live = false;
    let (opened, end) = attach::follow(context, "/v1/exec", &body, look, true, "").await?;
    let (code, failure) = outcome(&opened, &end);
    if out.is_json() {
        match failure {
            Some(failure) => out.failure(&failure),
            None => {
                let Opened::Exec(answer) = &opened else { return Ok(code) };
                out.line(&json!({
                    "workspace": { "id": answer.workspace.id, "label": answer.workspace.label },
                    "command": { "id": answer.command.id, "label": answer.command.label },
                    "exit": end.exit, "timed_out": end.timed_out, "ok": end.ok,
                }))?;
            }
        }
    } else if let Some(failure) = failure {
        out.failure(&failure);
    }
    Ok(code)
}

/// Returns the exit code of a finished session, and what is to be said about it.
fn outcome(opened: &Opened, end: &SessionEnd) -> (u8, Option<Failure>) {
    if end.timed_out {
        let failure = Failure::new(Code::TimedOut, "the command was ended at its --timeout")
            .hint("a longer --timeout gives it more time");
        return (TIMEOUT, Some(failure));
    }
    if let Some(exit) = end.exit {
        return (u8::try_from(exit.shell_code()).unwrap_or(OWN_FAILURE), None);
    }
    let Opened::Exec(answer) = opened else { return (OWN_FAILURE, None) };
    let row = end.detail.as_ref().and_then(|detail| {
        detail.commands.iter().find(|row| row.id == answer.command.id && row.label == answer.command.label)
    });
    match row.and_then(|row| row.failure.as_ref()) {
        Some(launch) => (launch_exit(launch), Some(Failure::launch(launch.clone()))),
        None => (OWN_FAILURE, Some(Failure::new(Code::Failed, "the command ended without an exit code"))),
    }
}

fn command_of(flags: &CommandFlags, argv: &[String]) -> Result<CommandRef, Failure> {
    let program = argv.first().map_or("", String::as_str);
    let base =
        Path::new(program).file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
    let label = if base.is_empty() { "command".to_owned() } else { label_from(&base) };
    let mut command = CommandRef::from_argv(label, argv).ok_or_else(|| {
        Failure::usage("a program is needed after --").hint("shipote run -- PROGRAM ARGUMENTS")
    })?;
    if let Some(cwd) = &flags.cwd {
        let absolute = place::absolute(cwd).map_err(|error| Failure::file("look at", cwd, &error))?;
        command.soma.cwd = Some(absolute.display().to_string());
    }
    for pair in &flags.env {
        let Some((name, value)) = pair.split_once('=').filter(|(name, _)| !name.is_empty()) else {
            return Err(Failure::usage(format!("--env {pair} is not K=V"))
                .hint("--env-pass NAME passes a variable on from here"));
        };
        command.soma.env.insert(name.to_owned(), value.to_owned());
    }
    for name in &flags.env_pass {
        if std::env::var_os(name).is_none() {
            return Err(Failure::usage(format!("--env-pass {name}: no such variable is set here"))
                .hint(format!("--env {name}=VALUE sets it")));
        }
    }
    command.soma.env_pass = flags.env_pass.clone();
    if let Some(user) = &flags.user {
        let (uid, gid) = identity(user)?;
        command.soma.uid = Some(uid);
        command.soma.gid = gid;
    }
    Ok(command)
}

/// Returns the ids of `USER` or `USER:GROUP`, by name or number; a user by name brings their own group along.
fn identity(text: &str) -> Result<(u32, Option<u32>), Failure> {
    let (user, group) = match text.split_once(':') {
        Some((user, group)) => (user, Some(group)),
        None => (text, None),
    };
    let unknown = |kind: &str, name: &str| {
        Failure::usage(format!("--user {text}: there is no {kind} {name}"))
            .hint("getent passwd and getent group list them; a number is taken as it is")
    };
    let (uid, own_gid) = match user.parse::<u32>() {
        Ok(uid) => {
            let known = nix::unistd::User::from_uid(uid.into()).ok().flatten();
            (uid, known.map(|user| user.gid.as_raw()))
        }
        Err(_) => {
            let known =
                nix::unistd::User::from_name(user).ok().flatten().ok_or_else(|| unknown("user", user))?;
            (known.uid.as_raw(), Some(known.gid.as_raw()))
        }
    };
    let gid = match group {
        None => own_gid,
        Some(group) => match group.parse::<u32>() {
            Ok(gid) => Some(gid),
            Err(_) => {
                let known = nix::unistd::Group::from_name(group).ok().flatten();
                Some(known.ok_or_else(|| unknown("group", group))?.gid.as_raw())
            }
        },
    };
    Ok((uid, gid))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_is_a_name_or_a_number() {
        assert_eq!(identity("root").unwrap(), (0, Some(0)));
        assert_eq!(identity("4242:7").unwrap(), (4242, Some(7)));
        insta::assert_snapshot!(identity("no-such-user").unwrap_err(), @"--user no-such-user: there is no user no-such-user");
    }
}
