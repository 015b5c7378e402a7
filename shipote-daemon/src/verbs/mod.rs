//! The verbs: what each does with the daemon or the state, and what it prints.

mod attach;
mod card;
mod command;
mod daemon;
mod host;
mod inspect;
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
use crate::exit::{Code, Failure, OWN_FAILURE};
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
        Verb::Inspect(args) => inspect::inspect(context, &args),
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
    let args: Vec<String> = std::env::args_os().skip(1).filter_map(|arg| arg.into_string().ok()).collect();
    let is_help = error.exit_code() == 0;
    if is_help || !wants_json(&args) {
        // An stderr that is gone has nobody to tell.
        let _ = error.print();
    } else {
        let global =
            Global { output: Format::Json, socket: None, state_dir: None, quiet: false, no_color: true };
        let (message, hint) = misuse(&error.to_string());
        Output::of_process(&global).failure(&Failure::usage(message).hint(hint));
    }
    ExitCode::from(match verb_of(&args) {
        _ if is_help => 0,
        Some("run" | "exec") => OWN_FAILURE,
        _ => Code::Usage.exit(),
    })
}

/// Returns what clap says of a command line in one sentence, and its tip.
fn misuse(text: &str) -> (String, String) {
    let paragraph = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let Some(said) = text.strip_prefix("error: ") else {
        // A verb with verbs below it, and none of them named: clap answers with its help.
        return ("a verb is missing".to_owned(), "--help lists the verbs".to_owned());
    };
    let tip = text.lines().find_map(|line| line.trim().strip_prefix("tip: ")).unwrap_or_default();
    (paragraph(said.split("\n\n").next().unwrap_or_default()), paragraph(tip))
}

/// Returns the verb of a command line that is not understood.
fn verb_of(args: &[String]) -> Option<&str> {
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--output" | "--socket" | "--state-dir" => {
                args.next();
            }
            flag if flag.starts_with('-') => {}
            verb => return Some(verb),
        }
    }
    None
}

/// A command line that is not understood may still say how its failure is to be told.
fn wants_json(args: &[String]) -> bool {
    let own: Vec<&str> = args.iter().map(String::as_str).take_while(|arg| *arg != "--").collect();
    let is_json = |text: &str| text == "json" || text == "ndjson";
    own.iter().any(|arg| arg.strip_prefix("--output=").is_some_and(is_json))
        || own.windows(2).any(|pair| pair[0] == "--output" && is_json(pair[1]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    fn check(line: &str) -> String {
        let words: Vec<&str> = line.split(' ').collect();
        match Cli::try_parse_from(&words) {
            Ok(cli) => format!("{:?}", cli.verb),
            Err(error) => {
                let (message, hint) = misuse(&error.to_string());
                format!("{message} | {hint}")
            }
        }
    }

    #[test]
    fn a_misuse_is_one_sentence_with_its_tip() {
        insta::assert_snapshot!(check("shipote stpo web"), @"unrecognized subcommand 'stpo' | some similar subcommands exist: 'tap', 'top', 'stop'");
        insta::assert_snapshot!(check("shipote run"), @"the following required arguments were not provided: <ARGV>... |");
        insta::assert_snapshot!(check("shipote run --memry 1GiB -- true"), @"unexpected argument '--memry' found | a similar argument exists: '--memory'");
        insta::assert_snapshot!(check("shipote run --ttl soon -- true"), @r#"invalid value 'soon' for '--ttl <SPAN>': not a span of time; write it like "90s", "1h30m" or "250ms" |"#);
        insta::assert_snapshot!(check("shipote ws"), @"a verb is missing | --help lists the verbs");
        assert!(check("shipote run make -j2").contains(r#"argv: ["make", "-j2"]"#));
        assert!(check("shipote run -- ls --color").contains(r#"argv: ["ls", "--color"]"#));
        assert!(check("shipote exec web ls -l").contains(r#"argv: ["ls", "-l"]"#));
    }

    #[test]
    fn the_verb_is_known_where_the_rest_is_not_understood() {
        let verb =
            |line: &str| verb_of(&line.split(' ').map(str::to_owned).collect::<Vec<_>>()).map(str::to_owned);
        assert_eq!(verb("--output json -q run --bogus").as_deref(), Some("run"));
        assert_eq!(verb("--state-dir run ws ls").as_deref(), Some("ws"));
        assert_eq!(verb("--help"), None);
    }
}
