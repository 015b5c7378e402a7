//! `daemon stop`, `daemon restart` and `daemon status`. Serving itself is in [`crate::daemon`].

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{Context, Done};
use crate::cli::{Daemon, DaemonAction};
use crate::exit::{Code, Failure};
use crate::render::quantity::{moment, now_ms, span};
use crate::render::table::Table;
use crate::wire::VersionAnswer;

/// How long a daemon may take to end before this verb stops waiting: its own grace, and a little more.
const PATIENCE: Duration = Duration::from_secs(60);

/// Does what is to be done with the daemon.
pub async fn act(context: &Context, args: Daemon) -> Done {
    match args.action {
        Some(DaemonAction::Stop) => stop(context).await,
        Some(DaemonAction::Restart) => restart(context).await,
        Some(DaemonAction::Status) => status(context).await,
        // Serving was done before a client was made.
        _ => Err(Failure::usage("daemon run is not a client's verb")),
    }
}

async fn status(context: &Context) -> Done {
    let answer: VersionAnswer = context.client.get("/v1/version").await?;
    let place = context.place();
    let mut document = json!(answer);
    document["socket"] = json!(place.socket.display().to_string());
    context.out.result(&document, || {
        let mut table = Table::new(&["", ""]);
        let mut fact = |name: &str, value: String| table.row([name.to_owned(), value]);
        fact("daemon", format!("shipote {} (pid {})", answer.version, answer.pid));
        fact("socket", place.socket.display().to_string());
        fact("state", answer.state_dir.clone());
        let since = moment(answer.started_at_ms);
        fact("since", format!("{since} ({} ago)", span(now_ms().saturating_sub(answer.started_at_ms))));
        let kind = if answer.background { "in the background, ends when idle" } else { "a service" };
        fact("runs", kind.to_owned());
        if answer.held {
            fact("held", "nothing was started again: the starts before did not live through it".to_owned());
        }
        table.render(context.out.paint)
    })?;
    Ok(0)
}

async fn restart(context: &Context) -> Done {
    let before: VersionAnswer = context.client.get("/v1/version").await?;
    let _: Value = context.client.delete("/v1/daemon?restart=true").await?;
    let began = Instant::now();
    loop {
        tokio::time::sleep(Duration::from_millis(20)).await;
        let after = context.client.get::<VersionAnswer>("/v1/version").await;
        match after {
            Ok(after) if after.started_at_ms != before.started_at_ms => {
                let document = json!({ "restarted": true, "pid": after.pid, "version": after.version });
                context.out.result(&document, || {
                    format!("the daemon was started again (shipote {}, pid {})", after.version, after.pid)
                })?;
                return Ok(0);
            }
            // It is ending, or not yet there again.
            _ if began.elapsed() <= PATIENCE => {}
            _ => {
                return Err(Failure::new(Code::TimedOut, "the daemon does not answer again after 60 s")
                    .hint("shipote daemon status tells whether it runs; its log tells why not"));
            }
        }
    }
}

async fn stop(context: &Context) -> Done {
    let answer: Value = context.client.delete("/v1/daemon").await?;
    let began = Instant::now();
    loop {
        match context.client.connect().await {
            Err(failure) if failure.code == Code::NoDaemon => break,
            _ if began.elapsed() > PATIENCE => {
                return Err(Failure::new(Code::TimedOut, "the daemon is still ending after 60 s")
                    .hint("shipote daemon status tells its pid; a second SIGTERM hurries it"));
            }
            _ => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    }
    context.out.result(&json!({ "stopped": true, "pid": answer["pid"] }), || {
        format!("the daemon has ended (pid {})", answer["pid"])
    })?;
    Ok(0)
}
