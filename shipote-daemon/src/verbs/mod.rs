//! The verbs: what each does with the daemon or the state, and what it prints.

mod attach;
mod card;
mod command;
mod daemon;
mod host;
mod later;
mod logs;
mod objects;
mod pipelines;
mod state;
mod streams;
mod up;

use std::process::ExitCode;

use crate::cli::{Cli, DaemonAction, Format, Global, Verb};
use crate::client::Client;
use crate::exit::{Code, Failure};
use crate::offline::Offline;
use crate::place::Place;
use crate::render::Output;
use crate::render::quantity::now_ms;

/// What every verb has at hand.
#[derive(Debug)]
pub struct Context {
    /// The two streams.
    pub out: Output,
    /// The daemon.
    pub client: Client,
}

impl Context {
    /// Returns where this invocation looks.
    #[must_use]
    pub const fn place(&self) -> &Place {
        self.client.place()
    }

    /// Returns the daemon's answer, or what the state directory says when no daemon answers.
    ///
    /// # Errors
    ///
    /// Fails with either.
    pub fn or_at_rest<T>(
        &self,
        answer: Result<T, Failure>,
        at_rest: impl FnOnce(Offline) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        match answer {
            Err(failure) if failure.code == Code::NoDaemon => at_rest(Offline::read(self.place(), now_ms())?),
            other => other,
        }
    }
}

/// The result of a verb: the exit code of the program.
pub type Done = Result<u8, Failure>;

/// Does what the command line says.
#[must_use]
pub fn dispatch(cli: Cli) -> ExitCode {
    let Cli { global, verb } = cli;
    let out = Output::of_process(&global);
    let place = Place::of_process(global.state_dir.as_deref(), global.socket.as_deref());
    if let Verb::Daemon(daemon) = &verb {
        match &daemon.action {
            None => return crate::daemon::main(&place, &daemon.run, &out),
            Some(DaemonAction::Run(run)) => return crate::daemon::main(&place, run, &out),
            Some(_) => {}
        }
    }
    let is_command = matches!(verb, Verb::Run(_) | Verb::Exec(_));
    let context = Context { out, client: Client::new(place) };
    let done = later::refuse(&verb).and_then(|()| act(&context, verb));
    let code = match done {
        Ok(code) => code,
        Err(failure) => {
            context.out.failure(&failure);
            if is_command { failure.exit_of_command() } else { failure.code.exit() }
        }
    };
    ExitCode::from(code)
}

fn act(context: &Context, verb: Verb) -> Done {
    match verb {
        Verb::Check(args) => card::check(context, &args),
        Verb::Discern(args) => host::discern(context, &args),
        Verb::Doctor => host::doctor(context),
        Verb::Completions { shell } => host::completions(context, shell),
        Verb::Schema { of } => host::schema(context, of),
        Verb::State(action) => state::act(context, action),
        other => in_runtime(ask(context, other)),
    }
}

async fn ask(context: &Context, verb: Verb) -> Done {
    match verb {
        Verb::Up(args) => up::up(context, args).await,
        Verb::Down(args) => up::down(context, args).await,
        Verb::Run(args) => command::run(context, args).await,
        Verb::Exec(args) => command::exec(context, args).await,
        Verb::Ps(args) => objects::ps(context, &args).await,
        Verb::Stats(args) => objects::stats(context, &args).await,
        Verb::Start(args) => objects::units(context, "start", &args.names).await,
        Verb::Stop(args) => objects::units(context, "stop", &args.names).await,
        Verb::Restart(args) => objects::units(context, "restart", &args.names).await,
        Verb::Kill(args) => objects::kill(context, &args).await,
        Verb::Wait(args) => objects::wait(context, &args).await,
        Verb::Ws(action) => objects::workspace(context, action).await,
        Verb::Pipeline(action) => pipelines::act(context, action).await,
        Verb::Logs(args) => logs::logs(context, &args).await,
        Verb::Events(args) => streams::events(context, &args).await,
        Verb::Tap(args) => streams::tap(context, &args).await,
        Verb::Daemon(args) => daemon::act(context, args).await,
        // The verbs without a daemon were done, those of a later release refused.
        _ => Err(Failure::usage("this verb needs no daemon")),
    }
}

/// Runs a future on this thread alone; what still reads stdin or writes is left behind at the end.
fn in_runtime(future: impl Future<Output = Done>) -> Done {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::new(Code::Failed, format!("start: {error}")))?;
    let done = runtime.block_on(future);
    runtime.shutdown_background();
    done
}

/// Tells what is wrong with a command line, or the help that was asked for.
#[must_use]
pub fn misused(error: &clap::Error) -> ExitCode {
    if error.exit_code() == 0 || !wants_json() {
        // An stderr that is gone has nobody to tell.
        let _ = error.print();
        return ExitCode::from(if error.exit_code() == 0 { 0 } else { Code::Usage.exit() });
    }
    let global = Global { output: Format::Json, socket: None, state_dir: None, quiet: false, no_color: true };
    let text = error.to_string();
    let message = text.lines().next().unwrap_or_default().trim_start_matches("error: ");
    Output::of_process(&global).failure(&Failure::usage(message).hint("shipote --help"));
    ExitCode::from(Code::Usage.exit())
}

/// A command line that is not understood may still say how its failure is to be told.
fn wants_json() -> bool {
    let args: Vec<String> =
        std::env::args_os().take_while(|arg| arg != "--").filter_map(|arg| arg.into_string().ok()).collect();
    let is_json = |text: &str| text == "json" || text == "ndjson";
    args.iter().any(|arg| arg.strip_prefix("--output=").is_some_and(is_json))
        || args.windows(2).any(|pair| pair[0] == "--output" && is_json(&pair[1]))
}
