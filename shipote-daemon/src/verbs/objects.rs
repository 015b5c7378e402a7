//! Verbs on what is declared: ps, stats, start, stop, restart, kill, wait, and ws.

use shipote_card::WorkspaceSpec;
use shipote_runtime::view::{CommandView, WorkspaceDetail, WorkspaceView};

use super::attach::caller;
use super::{Context, Done};
use crate::card_file::CardFile;
use crate::cli::{Kill, Past, Ps, Stats, Wait, Ws, WsCreate};
use crate::exit::{Code, Failure};
use crate::render::quantity::now_ms;
use crate::render::rows;
use crate::render::stats::{self, History};
use crate::wire::{ActedAnswer, MeansAnswer, RemovedAnswer, StatsAnswer, WaitAnswer, segment};

/// Lists commands and nodes.
pub async fn ps(context: &Context, args: &Ps) -> Done {
    let answer = context.client.get::<Vec<CommandView>>(&format!("/v1/commands?all={}", args.all)).await;
    // Without a daemon nothing runs, which `ps -a` alone can tell from the state.
    let views =
        if args.all { context.or_at_rest(answer, |at_rest| Ok(at_rest.commands()))? } else { answer? };
    context.out.result(&views, || rows::commands(&views, now_ms(), context.out.paint))?;
    Ok(0)
}

/// Shows what a workspace costs, or all of them.
pub async fn stats(context: &Context, args: &Stats) -> Done {
    let (name, past) = args.asked()?;
    let last_ms = if let Past::Last(last) = past { Some(last.as_millis()) } else { None };
    let query = last_ms.map_or_else(String::new, |last_ms| format!("?last_ms={last_ms}"));
    let (now_ms, paint) = (now_ms(), context.out.paint);
    if let Some(name) = name {
        let path = format!("/v1/workspaces/{}/stats{query}", segment(name));
        let answer = context.client.get::<StatsAnswer>(&path).await;
        let mut answer = match past {
            // Nothing costs anything now where no daemon runs.
            Past::Nothing => answer?,
            _ => context.or_at_rest(answer, |at_rest| at_rest.stats(name, last_ms))?,
        };
        if past == Past::Nothing {
            answer.history.clear();
        }
        let shown = (past != Past::Nothing).then_some(History { samples: &answer.history, last_ms });
        context.out.result(&answer, || stats::workspace(&answer.workspace, shown, now_ms, paint))?;
        return Ok(0);
    }
    let answers = context.client.get::<Vec<StatsAnswer>>(&format!("/v1/stats{query}")).await;
    let mut answers = match past {
        Past::Nothing => answers?,
        _ => context.or_at_rest(answers, |at_rest| Ok(at_rest.stats_of_all(last_ms)))?,
    };
    if past == Past::Nothing {
        answers.iter_mut().for_each(|answer| answer.history.clear());
    }
    context.out.result(&answers, || {
        let shown = answers.iter().map(|answer| {
            let samples = &answer.history;
            (&answer.workspace, History { samples, last_ms })
        });
        let all: Vec<_> = shown.collect();
        stats::workspaces(&all, past != Past::Nothing, now_ms, paint)
    })?;
    Ok(0)
}

/// Starts, stops or restarts what the names mean.
pub async fn units(context: &Context, verb: &str, names: &[String]) -> Done {
    known(context, names).await?;
    let mut acted = Vec::new();
    for name in names {
        let path = format!("/v1/units/{}/{verb}", segment(name));
        let mut answer = context.client.post::<_, ActedAnswer>(&path, &caller([])?).await;
        if let Err(failure) = &answer
            && failure.code == Code::NeedsEnv
            && failure.candidates.iter().all(|name| std::env::var_os(name).is_some())
        {
            // Only now is it known which variables its card passes on, and all of them are here.
            answer = context.client.post(&path, &caller(&failure.candidates)?).await;
        }
        acted.extend(answer?.acted);
    }
    tell_acted(context, acted)
}

/// Refuses a row of names before anything is done, where one of them means nothing.
async fn known(context: &Context, names: &[String]) -> Result<(), Failure> {
    if names.len() > 1 {
        for name in names {
            let _: MeansAnswer = context.client.get(&format!("/v1/units/{}", segment(name))).await?;
        }
    }
    Ok(())
}

fn tell_acted(context: &Context, acted: Vec<String>) -> Done {
    context.out.result(&ActedAnswer { acted: acted.clone() }, || acted.join("\n"))?;
    Ok(0)
}

/// Sends a signal.
pub async fn kill(context: &Context, args: &Kill) -> Done {
    let signal = signal_number(&args.signal)?;
    known(context, &args.names).await?;
    let mut acted = Vec::new();
    for name in &args.names {
        let path = format!("/v1/units/{}/kill?signal={signal}", segment(name));
        let answer: ActedAnswer = context.client.post(&path, &()).await?;
        acted.extend(answer.acted);
    }
    tell_acted(context, acted)
}

/// Returns the number of a signal by name, with or without `SIG`, or by number.
fn signal_number(text: &str) -> Result<i32, Failure> {
    let unknown = || {
        Failure::usage(format!("--signal {text}: there is no such signal"))
            .hint("write a name such as TERM, HUP or USR1, or a number")
    };
    if let Ok(number) = text.parse::<i32>() {
        return if (1..=64).contains(&number) { Ok(number) } else { Err(unknown()) };
    }
    let upper = text.to_ascii_uppercase();
    let name = if upper.starts_with("SIG") { upper } else { format!("SIG{upper}") };
    name.parse::<nix::sys::signal::Signal>().map(|signal| signal as i32).map_err(|_| unknown())
}

/// Waits until something has ended.
pub async fn wait(context: &Context, args: &Wait) -> Done {
    let limit = args.timeout.map_or_else(String::new, |limit| format!("?timeout_ms={}", limit.as_millis()));
    let path = format!("/v1/units/{}/wait{limit}", segment(&args.name));
    let answer: WaitAnswer = context.client.post(&path, &()).await?;
    if !answer.settled {
        let limit = args.timeout.unwrap_or_default();
        return Err(Failure::new(Code::TimedOut, format!("{} has not ended after {limit}", args.name))
            .hint(format!("shipote ws show and shipote logs {} tell how it stands", args.name)));
    }
    context.out.result(&answer, String::new)?;
    Ok(super::attach::verdict(answer.ok))
}

/// Does what is to be done with workspaces.
pub async fn workspace(context: &Context, action: Ws) -> Done {
    match action {
        Ws::Create(args) => create(context, args).await,
        Ws::Ls => {
            let answer = context.client.get::<Vec<WorkspaceView>>("/v1/workspaces").await;
            let views = context.or_at_rest(answer, |at_rest| Ok(at_rest.workspaces()))?;
            context.out.result(&views, || rows::workspaces(&views, now_ms(), context.out.paint))?;
            Ok(0)
        }
        Ws::Show { name } => {
            let path = format!("/v1/workspaces/{}", segment(&name));
            let answer = context.client.get::<WorkspaceDetail>(&path).await;
            let detail = context.or_at_rest(answer, |at_rest| at_rest.workspace(&name))?;
            context.out.result(&detail, || rows::workspace(&detail, now_ms(), context.out.paint))?;
            Ok(0)
        }
        Ws::Rm(args) => {
            if args.names.len() > 1 {
                for name in &args.names {
                    let path = format!("/v1/workspaces/{}", segment(name));
                    let _: WorkspaceDetail = context.client.get(&path).await?;
                }
            }
            let mut removed = Vec::new();
            for name in &args.names {
                let answer: RemovedAnswer =
                    context.client.delete(&format!("/v1/workspaces/{}", segment(name))).await?;
                removed.push(answer);
            }
            let names: Vec<String> = removed.iter().map(|answer| answer.removed.clone()).collect();
            context.out.result(&removed, || names.join("\n"))?;
            Ok(0)
        }
    }
}

async fn create(context: &Context, args: WsCreate) -> Done {
    let mut spec = match (&args.file, args.label) {
        (Some(file), _) => {
            let mut card = CardFile::read(file)?.accept(&context.out)?;
            card.workspace().clone()
        }
        (None, Some(label)) => {
            let mut spec = WorkspaceSpec::labelled(label);
            spec.ttl = args.ttl;
            spec.soma.cwd = std::env::current_dir().ok().map(|dir| dir.display().to_string());
            spec
        }
        (None, None) => return Err(Failure::usage("ws create needs --label or -f")),
    };
    spec.soma.strict |= args.strict;
    let view: WorkspaceView = context.client.post("/v1/workspaces", &spec).await?;
    context.out.result(&view, || format!("{}  {}", view.label, view.id))?;
    Ok(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signal_is_a_name_or_a_number() {
        for (text, number) in [("KILL", 9), ("sigterm", 15), ("hup", 1), ("34", 34)] {
            assert_eq!(signal_number(text).unwrap(), number, "{text}");
        }
        for text in ["", "NOPE", "0", "65", "-1"] {
            assert!(signal_number(text).is_err(), "{text}");
        }
    }
}
