//! A declaration in plain words: what a workspace may use and touch, and what a command does.

use shipote_card::{
    CommandRef, ExitPolicy, FlowMode, NetPolicy, Payload, QuotaAction, ReadyProbe, RestartOn, RootFs, Soma,
    Supervision, TapPermission, WorkspaceSpec,
};

use crate::tell::Object;
use crate::visible::{visible, visible_to};
use crate::wording::{bytes, grouped, listed, span};

/// Names and sentences, each a JSON object of `name` and `text`.
#[derive(Debug, Default)]
pub(crate) struct Words(pub(crate) Vec<String>);

impl Words {
    pub(crate) fn add(&mut self, name: &str, text: &str) {
        self.0.push(Object::new().text("name", name).text("text", text).end());
    }

    fn maybe(&mut self, name: &str, text: Option<String>) {
        if let Some(text) = text {
            self.add(name, &text);
        }
    }
}

/// Returns what a workspace is, in sentences.
pub(crate) fn of_workspace(spec: &WorkspaceSpec, show: bool) -> Vec<String> {
    let mut words = Words::default();
    let rules = &spec.permissions;
    words.add("Network", &network(rules.net.as_ref()));
    match &rules.files {
        None => words.add("Files", "what its user may touch on this host"),
        Some(files) => {
            let lists = [("read", &files.read), ("write", &files.write), ("run", &files.execute)];
            let named: Vec<String> = lists
                .iter()
                .filter(|(_, paths)| !paths.is_empty())
                .map(|(verb, paths)| format!("{verb} {}", names(paths)))
                .collect();
            let text = if named.is_empty() {
                "none at all".to_owned()
            } else {
                format!("may {}", named.join("; may "))
            };
            words.add("Files", &format!("{text}; nothing else"));
        }
    }
    words.maybe(
        "System calls",
        rules.syscalls.as_ref().map(|preset| format!("the preset “{}”", visible(preset))),
    );
    words.maybe("Capabilities", some(&rules.capabilities));
    if rules.tap == TapPermission::Deny {
        words.add("Taps", "nobody may look at what flows in its pipelines");
    }
    words.maybe("Life", spec.ttl.map(|ttl| format!("{} from its first start", span(ttl.as_millis()))));
    let end = match spec.on_exit {
        ExitPolicy::Reap => "everything that runs is ended and cleaned up",
        ExitPolicy::Linger => "what runs may finish, and nothing new starts",
        ExitPolicy::Freeze => "what runs is kept frozen, to be looked at",
    };
    words.add("At its end", end);
    for dir in &spec.flow_dirs {
        let way = match dir.mode {
            FlowMode::In => "data comes in from",
            FlowMode::Out => "results go out to",
            FlowMode::Inout => "data comes and goes through",
        };
        words.add(&format!("Directory {}", visible(&dir.name)), &format!("{way} {}", visible(&dir.path)));
    }
    for (resource, steps) in &spec.quota_enforce.0 {
        let told: Vec<String> = steps
            .iter()
            .map(|step| {
                let hold = step.hold.map_or(String::new(), |hold| format!(" for {}", span(hold.as_millis())));
                format!("at {}{hold}, {}", visible(&step.at), action(&step.action))
            })
            .collect();
        words.add(&format!("When {} grows", visible(resource)), &told.join("; "));
    }
    of_soma(&spec.soma, show, &mut words);
    words.0
}

fn network(policy: Option<&NetPolicy>) -> String {
    let ports = |list: &[u16]| listed(&list.iter().map(u16::to_string).collect::<Vec<_>>());
    match policy {
        None | Some(NetPolicy::Host) => "all that the host has".to_owned(),
        Some(NetPolicy::None) => "none".to_owned(),
        Some(NetPolicy::Loopback) => "a loopback of its own, and nothing else".to_owned(),
        Some(NetPolicy::Ports { connect, bind }) => {
            let mut told = Vec::new();
            told.extend((!connect.is_empty()).then(|| format!("may connect to TCP port {}", ports(connect))));
            told.extend((!bind.is_empty()).then(|| format!("may listen on TCP port {}", ports(bind))));
            if told.is_empty() {
                "no TCP port".to_owned()
            } else {
                format!("{}, and no other", listed(&told))
            }
        }
    }
}

fn action(action: &QuotaAction) -> String {
    match action {
        QuotaAction::Observe => "record it".to_owned(),
        QuotaAction::Warn => "warn".to_owned(),
        QuotaAction::Throttle => "slow it down".to_owned(),
        QuotaAction::Freeze => "freeze it".to_owned(),
        QuotaAction::Kill => "kill it".to_owned(),
        QuotaAction::Signal(name) => format!("send {}", visible(name.trim_start_matches("signal:"))),
    }
}

fn some(list: &[String]) -> Option<String> {
    (!list.is_empty()).then(|| names(list))
}

fn names(list: &[String]) -> String {
    let told: Vec<String> = list.iter().take(20).map(|name| visible(name)).collect();
    let more = list.len().saturating_sub(told.len());
    if more > 0 { format!("{} and {more} more", told.join(", ")) } else { listed(&told) }
}

/// Adds what a body says beyond the defaults.
fn of_soma(soma: &Soma, show: bool, words: &mut Words) {
    let amount = |size: Option<shipote_card::ByteSize>| size.map(|size| bytes(size.0));
    words.maybe("Memory", amount(soma.memory_max).map(|most| format!("at most {most}")));
    words.maybe("Memory, slowed from", amount(soma.memory_high));
    words.maybe("Swap", amount(soma.swap_max).map(|most| format!("at most {most}")));
    words.maybe("Processors", soma.cpu_max.map(|cpus| format!("at most {cpus}")));
    words.maybe("Share of processors", soma.cpu_weight.map(|weight| format!("{weight}, where 100 is usual")));
    words.maybe("Tasks", soma.pids_max.map(|most| format!("at most {most}")));
    words.maybe("Disk traffic", amount(soma.io_max).map(|most| format!("at most {most} a second")));
    words.maybe("Own disk", amount(soma.disk));
    words.maybe("Shared memory", amount(soma.shm_size));
    words.maybe("Host name", soma.hostname.as_deref().map(visible));
    match &soma.root {
        RootFs::Host => {}
        RootFs::Directory(path) => words.add("Root", &format!("the directory {}", visible(path))),
        RootFs::Overlay => words.add("Root", "the host's files, below a layer that keeps what is written"),
    }
    for mount in &soma.mounts {
        let way = if mount.write { "" } else { ", read only" };
        words.add("Mount", &format!("{} at {}{way}", visible(&mount.source), visible(&mount.target)));
    }
    words.maybe("Runs in", soma.cwd.as_deref().map(visible));
    let identity = [soma.uid.map(|uid| format!("user {uid}")), soma.gid.map(|gid| format!("group {gid}"))];
    let identity: Vec<String> = identity.into_iter().flatten().collect();
    words.maybe("Runs as", (!identity.is_empty()).then(|| listed(&identity)));
    let limits: Vec<String> =
        soma.rlimits.iter().map(|(name, most)| format!("{} {most}", visible(name))).collect();
    words.maybe("Limits of a process", (!limits.is_empty()).then(|| listed(&limits)));
    words.maybe("Devices", some(&soma.devices));
    words.maybe("Environment from", some(&soma.env_file));
    words.maybe("Environment passed on", some(&soma.env_pass));
    for (name, value) in &soma.env {
        words.add("Environment", &variable(name, value, show));
    }
}

fn variable(name: &str, value: &str, show: bool) -> String {
    let value = if show { visible(value) } else { "••••••".to_owned() };
    format!("{}={value}", visible(name))
}

/// Returns what a command executes, as one would type it.
pub(crate) fn typed(command: &CommandRef) -> String {
    match &command.payload {
        Payload::Native { exec, argv, .. } => {
            let words = std::iter::once(exec).chain(argv).map(|word| quoted(word));
            visible_to(&words.collect::<Vec<_>>().join(" "), 600)
        }
        Payload::Shell { script } => visible_to(&format!("sh -c {}", quoted(script)), 600),
    }
}

/// Returns a word of a command line, in quotes where it needs them.
fn quoted(word: &str) -> String {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "-_./:=@%+,".contains(letter);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}

/// Returns what a command is beyond what it executes, in sentences.
pub(crate) fn of_command(command: &CommandRef, show: bool) -> Vec<String> {
    let mut words = Words::default();
    if let Supervision::Restart(policy) = &command.supervision {
        let on = match policy.on {
            RestartOn::Failure => "when it fails",
            RestartOn::Always => "whenever it ends",
        };
        let most = if policy.max == 0 {
            "without limit".to_owned()
        } else {
            format!("at most {} in a row", policy.max)
        };
        let (first, longest) = (span(policy.backoff_ms), span(policy.max_backoff_ms));
        words.add(
            "Started again",
            &format!("{on}, {most}; after {first}, then twice as long each time, up to {longest}"),
        );
    }
    if command.success_codes != [0] {
        let codes: Vec<String> = command.success_codes.iter().map(u8::to_string).collect();
        words.add("Success", &format!("exit code {}", listed(&codes)));
    }
    words.maybe("Waits for", some(&command.after));
    if let Some(ready) = &command.ready {
        let probe = match &ready.probe {
            ReadyProbe::Tcp(address) => format!("{} accepts connections", visible(address)),
            ReadyProbe::Http(url) => format!("{} answers", visible(url)),
            ReadyProbe::Exec(argv) => format!("{} succeeds", visible(&argv.join(" "))),
            ReadyProbe::Log(text) => format!("it prints “{}”", visible(text)),
            ReadyProbe::Notify(_) => "it says so (sd_notify)".to_owned(),
        };
        let within =
            ready.timeout.map_or(String::new(), |timeout| format!(", within {}", span(timeout.as_millis())));
        words.add("Ready when", &format!("{probe}{within}"));
    }
    let signal = command.stop_signal.as_deref().unwrap_or("TERM");
    let grace = command.grace.map_or("10 s".to_owned(), |grace| span(grace.as_millis()));
    if command.stop_signal.is_some() || command.grace.is_some() {
        words.add("Stopped by", &format!("{}, and {grace} later by a kill", visible(signal)));
    }
    for (port, media) in &command.flows.0 {
        words.add(&format!("Flow on {}", visible(port)), &visible(media));
    }
    of_soma(&command.soma, show, &mut words);
    if let Payload::Native { envp, .. } = &command.payload {
        for pair in envp {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            words.add("Environment", &variable(name, value, show));
        }
    }
    words.0
}

/// Returns where a restart policy stands.
pub(crate) fn of_counters(counters: &shipote_snapshot::Counters, words: &mut Words) {
    if counters.restarts > 0 {
        words.add("Restarts in a row", &grouped(u64::from(counters.restarts)));
    }
    if let Some(exit) = counters.last_exit {
        let how = match (exit.code, exit.signal) {
            (Some(code), _) => format!("with exit code {code}"),
            (None, Some(signal)) => format!("by signal {signal}"),
            (None, None) => "in a way that is not known".to_owned(),
        };
        words.add("Ended last", &how);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::tests::open;

    #[test]
    fn a_workspace_is_told_in_sentences() {
        let (session, _) = open(include_bytes!("../../tests/fixtures/state/v5-full.json"));
        let told = session.ask(r#"{"ask":"workspace","state":0,"filter":"01J9Z3NDEKTSV4RRFFQ69G5FAV"}"#);
        let told: serde_json::Value = serde_json::from_str(&told).unwrap();
        let lines = told["words"].as_array().unwrap().iter();
        let lines: Vec<String> = lines
            .map(|line| format!("{}: {}", line["name"].as_str().unwrap(), line["text"].as_str().unwrap()))
            .collect();
        insta::assert_snapshot!(lines.join("\n"), @"
        Network: may connect to TCP port 443 and may listen on TCP port 8080, and no other
        Files: may read /usr; may write /srv; may run /usr/bin; nothing else
        System calls: the preset “default”
        Capabilities: net_bind_service
        Taps: nobody may look at what flows in its pipelines
        Life: 2 h from its first start
        At its end: what runs may finish, and nothing new starts
        Directory results: results go out to /srv/out
        Directory box: data comes and goes through /srv/box
        When memory grows: at 80% for 10 s, warn; at 30GiB, kill it; at 90%, send USR1
        Memory: at most 512 MiB
        Memory, slowed from: 384 MiB
        Swap: at most 0 bytes
        Processors: at most 1.5
        Share of processors: 100, where 100 is usual
        Tasks: at most 64
        Disk traffic: at most 9.54 MiB a second
        Own disk: 1 GiB
        Shared memory: 64 MiB
        Host name: box
        Root: the directory /srv/root
        Mount: tmpfs at /tmp
        Runs in: /srv
        Runs as: user 1000 and group 1000
        Limits of a process: nofile 1024
        Devices: /dev/fuse
        Environment from: /srv/env
        Environment passed on: API_KEY
        Environment: LANG=••••••
        ");
        assert!(session.ask(r#"{"ask":"workspace","state":0,"filter":"x"}"#).contains("error"));
    }

    #[test]
    fn a_command_is_told_as_it_is_typed() {
        let argv = ["printf", "%s\n", "it's", ""].map(str::to_owned);
        let command = CommandRef::from_argv("a", &argv).unwrap();
        assert_eq!(typed(&command), r"printf '%s⏎' 'it'\''s' ''");
    }
}
