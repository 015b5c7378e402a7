//! Commands: once or again and again, with the exit codes that scripts know.

use serde_json::Value;
use shipote_tests::{Need, Process, Shipote, has, normalised, until};

use crate::{served, shipote};

fn row(shipote: &Shipote, label: &str) -> Value {
    let rows = shipote.json(&["ps", "-a"]);
    rows.as_array().unwrap().iter().find(|row| row["label"] == label).cloned().unwrap_or_default()
}

#[track_caller]
fn phase(shipote: &Shipote, label: &str, phase: &str) -> Value {
    until(&format!("{label} to be {phase}"), || Some(row(shipote, label)).filter(|row| row["phase"] == phase))
}

fn starts(shipote: &Shipote) -> usize {
    std::fs::read_to_string(shipote.work().join("starts")).unwrap_or_default().lines().count()
}

#[test]
fn run_passes_streams_and_exit_code_through() {
    let shipote = served();
    let output = shipote.run(&["run", "--", "sh", "-c", "echo out; echo err >&2; exit 7"]).exits(7);
    assert_eq!((output.text().as_str(), output.stderr.as_str()), ("out\n", "err\n"));
}

#[test]
fn stdin_reaches_the_command_byte_for_byte() {
    let shipote = served();
    let bytes: Vec<u8> = (0..1_000_000_u32).flat_map(u32::to_le_bytes).collect();
    let output = shipote.run_with_input(&["run", "--", "cat"], &bytes).ok();
    assert!(output.stdout == bytes, "{} of {} bytes came back", output.stdout.len(), bytes.len());
}

#[test]
fn without_stdin_a_command_reads_nothing() {
    let shipote = served();
    assert_eq!(shipote.run(&["run", "--", "wc", "-c"]).ok().text().trim(), "0");
}

#[test]
fn exit_codes_are_the_ones_that_scripts_know() {
    let shipote = served();
    let not_executable = shipote.file("plain", "text\n");
    let run = |arguments: &[&str]| shipote.run(&[&["run"], arguments].concat()).code;
    assert_eq!(run(&["--", "true"]), 0);
    assert_eq!(run(&["--", "false"]), 1);
    assert_eq!(run(&["--", "no-such-program"]), 127);
    assert_eq!(run(&["--", not_executable.to_str().unwrap()]), 126);
    assert_eq!(run(&["--", "/"]), 126);
    assert_eq!(run(&["--", "sh", "-c", "kill -TERM $$"]), 143);
    assert_eq!(run(&["--timeout", "100ms", "--", "sleep", "600"]), 124);
    assert_eq!(run(&["--cwd", "/no/such/directory", "--", "true"]), 125);
    assert_eq!(run(&["--ws", "no-such-workspace", "--", "true"]), 125);
    shipote.run(&["ws", "create", "--label", "w"]).ok();
    assert_eq!(shipote.run(&["exec", "w", "--", "sh", "-c", "exit 9"]).code, 9);
    assert_eq!(shipote.run(&["exec", "w", "--timeout", "100ms", "--", "sleep", "600"]).code, 124);
    assert_eq!(shipote.run(&["exec", "w", "--", "no-such-program"]).code, 127);
}

#[test]
fn a_missing_program_is_named() {
    let shipote = served();
    let output = shipote.run(&["run", "--", "no-such-program"]).exits(127);
    assert!(output.stderr.contains("no-such-program"), "{output}");
    assert!(!output.stderr.contains("os error"), "{output}");
}

#[test]
fn run_without_a_name_declares_nothing() {
    let shipote = served();
    shipote.run(&["run", "--", "true"]).ok();
    assert_eq!(shipote.json(&["ws", "ls"]), serde_json::json!([]));
    shipote.run(&["run", "--name", "kept", "--keep", "--", "true"]).ok();
    assert_eq!(shipote.json(&["ws", "ls"])[0]["label"], "kept");
}

#[test]
fn only_what_is_named_is_in_the_environment() {
    let shipote = served();
    let mut command = shipote.command(&["run", "--env", "MODE=fast", "--env-pass", "TOKEN", "--", "env"]);
    let output = command.env("TOKEN", "secret").env("OTHER", "unseen").output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let mut names: Vec<&str> = text.lines().filter_map(|line| Some(line.split_once('=')?.0)).collect();
    names.sort_unstable();
    assert_eq!(names, ["HOME", "LANG", "MODE", "PATH", "TERM", "TOKEN", "USER"]);
    // A secret that is passed on is nowhere in the state.
    let state = std::fs::read_to_string(shipote.state_file()).unwrap_or_default();
    assert!(!state.contains("secret"));
}

#[test]
fn a_one_shot_command_runs_once() {
    let shipote = served();
    let card = format!(
        "[workspace]\nlabel = \"w\"\n[[commands]]\nlabel = \"once\"\nrun = [\"{}\", \"count-to\", \"starts\", \"0\"]\n",
        shipote.payload()
    );
    shipote.up(&card).ok();
    let row = phase(&shipote, "once", "done");
    assert_eq!((&row["exit"]["code"], &row["restarts"]), (&0.into(), &0.into()));
    assert_eq!(starts(&shipote), 1);
}

#[test]
fn success_codes_decide_what_failure_is() {
    let shipote = served();
    let up = |codes: &str| {
        let card = format!(
            "[workspace]\nlabel = \"w\"\n[[commands]]\nlabel = \"grep\"\nrun = [\"grep\", \"x\", \"/dev/null\"]\n{codes}\n"
        );
        shipote.file("codes.toml", card);
        shipote.run(&["up", "codes.toml"])
    };
    up("").exits(1);
    up("success_codes = [0, 1]").ok();
}

#[test]
fn a_failing_command_is_started_again_with_growing_pauses_until_its_limit() {
    let shipote = served();
    let card = format!(
        r#"
        [workspace]
        label = "w"
        [[commands]]
        label = "flaky"
        run = ["{}", "count-to", "starts", "3"]
        restart = {{ on = "failure", backoff = "20ms", max_backoff = "80ms", max = 4, jitter = false }}
        "#,
        shipote.payload()
    );
    shipote.up(&card).ok();
    let row = phase(&shipote, "flaky", "failed");
    assert_eq!((&row["restarts"], &row["exit"]["code"]), (&4.into(), &3.into()));
    assert_eq!(starts(&shipote), 5);
    // How much more than these pauses there is depends on the machine.
    let events = shipote.run(&["--output", "ndjson", "events"]).ok().text();
    let events: Vec<Value> = events.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let times = |phase: &str| -> Vec<u64> {
        let is_meant = |event: &&Value| event["object"] == "w/flaky" && event["data"]["phase"] == phase;
        events.iter().filter(is_meant).filter_map(|event| event["at_ms"].as_u64()).collect()
    };
    let (ends, starts) = (times("backoff"), times("starting"));
    assert_eq!((ends.len(), starts.len()), (4, 5), "{events:?}");
    for ((end, start), pause) in ends.iter().zip(&starts[1..]).zip([20, 40, 80, 80]) {
        // Both times are cut to whole milliseconds.
        assert!(start - end >= pause - 1, "{ends:?} {starts:?}");
    }
}

#[test]
fn a_killed_service_is_started_again() {
    let shipote = served();
    let card = format!(
        r#"
        [workspace]
        label = "w"
        [[commands]]
        label = "service"
        run = ["{}", "count-to", "starts", "hang"]
        restart = {{ on = "failure", backoff = "10ms" }}
        "#,
        shipote.payload()
    );
    shipote.up(&card).ok();
    let first = shipote.running("service");
    shipote.run(&["kill", "w/service"]).ok();
    let second = until("another process", || {
        shipote.pid_of("service").and_then(Process::of).filter(|process| *process != first)
    });
    assert!(!first.is_alive() && second.is_alive());
    assert_eq!(row(&shipote, "service")["restarts"], 1);
}

#[test]
fn what_is_stopped_stays_stopped_and_what_is_started_runs() {
    let mut shipote = served();
    let card = format!(
        "[workspace]\nlabel = \"w\"\n[[commands]]\nlabel = \"service\"\nrun = [\"{}\", \"hang\"]\nrestart = \"always\"\n",
        shipote.payload()
    );
    shipote.up(&card).ok();
    let process = shipote.running("service");
    shipote.run(&["stop", "w/service"]).ok();
    // The answer comes after the effect.
    assert!(!process.is_alive());
    assert_eq!(row(&shipote, "service")["phase"], "stopped");
    shipote.daemon_kill9();
    shipote.daemon_start();
    assert_eq!(row(&shipote, "service")["desired"], "stopped");
    assert_eq!(row(&shipote, "service")["pid"], Value::Null);
    shipote.run(&["start", "w/service"]).ok();
    assert!(shipote.pid_of("service").and_then(Process::of).is_some());
    let first = shipote.running("service");
    shipote.run(&["restart", "w/service"]).ok();
    assert_ne!(shipote.running("service"), first);
}

#[test]
fn a_command_that_ignores_its_stop_signal_is_killed_after_its_grace() {
    let shipote = served();
    let card = format!(
        "[workspace]\nlabel = \"w\"\n[[commands]]\nlabel = \"deaf\"\nrun = [\"{}\", \"ignore-term\"]\ngrace = \"50ms\"\n",
        shipote.payload()
    );
    shipote.up(&card).ok();
    let process = shipote.running("deaf");
    shipote.run(&["stop", "w/deaf"]).ok();
    assert!(!process.is_alive());
}

#[test]
fn a_stop_signal_is_the_one_of_the_card() {
    let shipote = served();
    let card = r#"
        [workspace]
        label = "w"
        [[commands]]
        label = "polite"
        shell = "trap 'echo bye; exit 0' INT; echo ready; while :; do sleep 0.05; done"
        stop_signal = "INT"
    "#;
    shipote.up(card).ok();
    let logs = || shipote.run(&["logs", "w/polite"]).text();
    until("it to be ready", || logs().contains("ready").then_some(()));
    shipote.run(&["stop", "w/polite"]).ok();
    assert!(logs().contains("bye"), "{}", logs());
}

#[test]
fn what_a_command_writes_is_kept() {
    let shipote = served();
    let card = r#"
        [workspace]
        label = "w"
        [[commands]]
        label = "speaks"
        shell = "for n in 1 2 3; do echo line $n; done; echo trouble >&2"
    "#;
    shipote.up(card).ok();
    phase(&shipote, "speaks", "done");
    let all = shipote.run(&["logs", "w/speaks"]).ok();
    for line in ["line 1", "line 2", "line 3", "trouble"] {
        assert!(all.text().contains(line), "{all}");
    }
    let last = shipote.run(&["logs", "-n", "1", "w/speaks"]).ok();
    assert_eq!(last.text().lines().count(), 1, "{last}");
}

#[test]
fn followed_logs_show_what_comes() {
    let shipote = served();
    let card = r#"
        [workspace]
        label = "w"
        [[commands]]
        label = "waits"
        shell = "echo before; while [ ! -e go ]; do sleep 0.05; done; echo after; while :; do sleep 1; done"
    "#;
    shipote.up(card).ok();
    until("the first line", || shipote.run(&["logs", "w/waits"]).text().contains("before").then_some(()));
    let follower = shipote.attach(&["logs", "-f", "w/waits"]);
    until("what was written", || follower.stdout().contains("before").then_some(()));
    shipote.file("go", "");
    until("what is written", || follower.stdout().contains("after").then_some(()));
}

#[test]
fn wait_tells_the_verdict() {
    let shipote = served();
    shipote.up("[workspace]\nlabel = \"w\"\n[[commands]]\nlabel = \"bad\"\nrun = [\"false\"]\n").ok();
    shipote.run(&["wait", "w/bad"]).exits(1);
    shipote
        .up("[workspace]\nlabel = \"v\"\n[[commands]]\nlabel = \"long\"\nrun = [\"sleep\", \"600\"]\n")
        .ok();
    shipote.run(&["wait", "v/long", "--timeout", "50ms"]).exits(6);
}

#[test]
fn a_missing_variable_is_named_and_its_command_waits() {
    let mut shipote = served();
    let card = r#"
        [workspace]
        label = "w"
        [[commands]]
        label = "secretive"
        shell = "echo got $TOKEN; exec sleep 600"
        env_pass = ["TOKEN"]
        restart = "always"
    "#;
    shipote.file("card.toml", card);
    let refused = shipote.run(&["up", "--detach", "card.toml"]);
    assert!(refused.code != 0 && refused.stderr.contains("TOKEN"), "{refused}");
    let with = shipote.command(&["up", "--detach", "card.toml"]).env("TOKEN", "sesame").output().unwrap();
    assert!(with.status.success(), "{}", String::from_utf8_lossy(&with.stderr));
    until("its output", || shipote.run(&["logs", "w"]).text().contains("got sesame").then_some(()));
    shipote.daemon_kill9();
    shipote.daemon_start();
    phase(&shipote, "secretive", "needs_env");
    let state = std::fs::read_to_string(shipote.state_file()).unwrap();
    assert!(!state.contains("sesame"));
}

#[test]
fn another_user_can_be_taken_on_by_root() {
    if !has(Need::Root) {
        return;
    }
    let shipote = served();
    let ids = shipote
        .run(&["run", "--user", "12345:12346", "--cwd", "/", "--", "sh", "-c", "id -u; id -g; id -G"])
        .ok()
        .text();
    assert_eq!(ids, "12345\n12346\n12346\n");
}

#[test]
fn ps_names_what_other_verbs_take() {
    let shipote = served();
    shipote
        .up("[workspace]\nlabel = \"w\"\n[[commands]]\nlabel = \"sleeper\"\nrun = [\"sleep\", \"600\"]\n")
        .ok();
    let pid = shipote.running("sleeper").pid.to_string();
    let rows = shipote.json(&["ps"]);
    let row = &rows[0];
    assert_eq!((&row["label"], &row["workspace"]), (&"sleeper".into(), &"w".into()));
    let id = row["id"].as_str().unwrap();
    let table = shipote.run(&["ps"]).ok().text();
    let known = [(id[20..].to_owned(), "TAIL"), (pid, "PID")];
    let known: Vec<(&str, &str)> = known.iter().map(|(found, name)| (found.as_str(), *name)).collect();
    let text = normalised(&table, &known);
    assert!(text.contains("w/sleeper") && text.contains("sleep 600"), "{text}");
}

#[test]
fn a_long_run_with_a_lot_of_output_keeps_its_log_bounded() {
    let shipote = served();
    let card = format!(
        "[workspace]\nlabel = \"w\"\n[[commands]]\nlabel = \"loud\"\nshell = \"{} burst 40000000 | base64\"\n",
        shipote.payload()
    );
    shipote.up(&card).ok();
    phase(&shipote, "loud", "done");
    let mut size = 0;
    let mut waiting = vec![shipote.state_dir()];
    while let Some(dir) = waiting.pop() {
        for entry in std::fs::read_dir(dir).unwrap().flatten() {
            let meta = entry.metadata().unwrap();
            if meta.is_dir() { waiting.push(entry.path()) } else { size += meta.len() }
        }
    }
    assert!(size < 32 << 20, "{size} bytes are kept of 53 million");
}

#[test]
fn the_client_is_told_of_a_daemon_that_goes_away() {
    let mut shipote = served();
    let (payload, mark) = (shipote.payload().to_owned(), shipote.mark().to_owned());
    let client = shipote.attach(&["run", "--", payload.as_str(), "hang", mark.as_str()]);
    until("the command", || (!shipote.marked().is_empty()).then_some(()));
    shipote.daemon_kill9();
    let output = client.end();
    assert_eq!(output.code, 125, "{output}");
    assert!(output.stderr.contains("daemon"), "{output}");
    shipote.assert_no_orphans();
}

#[test]
fn a_background_daemon_comes_by_itself_and_goes_when_nothing_is_left() {
    let shipote = shipote();
    let output = shipote.run(&["run", "--", "echo", "hi"]).ok();
    assert_eq!(output.text(), "hi\n");
    assert!(output.stderr.contains("daemon"), "it says once that it started one: {output}");
    let daemon = shipote.daemon_pid().and_then(Process::of).expect("a daemon in the background");
    // It ends 5 s after its last client.
    until("its end", || (!daemon.is_alive()).then_some(()));
    shipote.run(&["exec", "w", "--", "true"]).exits(125);
    shipote.run(&["start", "w"]).exits(4);
}

#[test]
fn clients_that_race_for_a_daemon_share_one() {
    let shipote = shipote();
    let clients: Vec<_> = (0..6)
        .map(|n| shipote.attach(&["run".to_owned(), "--".to_owned(), "echo".to_owned(), n.to_string()]))
        .collect();
    let mut said = 0;
    for (n, client) in clients.into_iter().enumerate() {
        let output = client.end().ok();
        assert_eq!(output.text(), format!("{n}\n"));
        said += output.stderr.matches("started a daemon").count();
    }
    assert_eq!(said, 1, "the one that started it says so");
}

#[test]
fn a_reader_that_has_enough_ends_the_command() {
    if !has(Need::Bash) {
        return;
    }
    let shipote = served();
    let program = shipote_tests::program();
    let mark = shipote.mark();
    let script =
        format!("{} run -- sh -c 'exec yes {mark}' | head -n 1; exit ${{PIPESTATUS[0]}}", program.display());
    let mut command = std::process::Command::new("bash");
    let environment = shipote.command(&["ps"]);
    command.env_clear().envs(environment.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let output = command.args(["-c", &script]).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), format!("{mark}\n"));
    assert_eq!(output.status.code(), Some(141));
    until("the command's end", || shipote.marked().is_empty().then_some(()));
}

#[test]
fn a_log_is_followed_through_a_flood_and_after_it() {
    let shipote = served();
    shipote
        .up("[workspace]\nlabel = \"w\"\n[[commands]]\nlabel = \"flood\"\nshell = \"sleep 1; seq -f '%.0f and what else is written in a line of a flood' 600000; sleep 1; echo LATE; sleep 600\"\n")
        .ok();
    let follower = shipote.attach(&["logs", "-f", "w/flood"]);
    until("the line after the flood", || follower.stdout().contains("LATE").then_some(()));
    let text = follower.stdout();
    let numbers = text.lines().filter_map(|line| line.split(' ').next()?.parse::<u32>().ok());
    // What is not there is told, once for each hole; what is there is in order.
    let holes = numbers.clone().zip(numbers.clone().skip(1)).filter(|(one, next)| *next != one + 1).count();
    assert!(numbers.clone().is_sorted(), "out of order");
    let told = text
        .lines()
        .filter(|line| line.contains("may be missing here") || line.contains("lines lost"))
        .count();
    assert!(holes <= told, "{holes} holes, {told} told");
    assert!(numbers.count() > 1_000);
}

#[test]
fn logs_of_a_node_and_of_a_command_with_a_dot_are_two() {
    let shipote = served();
    shipote
        .up("[workspace]\nlabel = \"w\"\n[[commands]]\nlabel = \"p.y\"\nshell = \"echo of the command\"\n[[pipelines]]\nlabel = \"p\"\nedges = []\nnodes = [{ label = \"x\", shell = \"echo of x >&2\" }, { label = \"y\", shell = \"echo of y >&2\" }]\n")
        .ok();
    until("three lines", || {
        let text = shipote.run(&["logs", "w"]).ok().text();
        ["p.y | of the command", "p/x | of x", "p/y | of y"]
            .iter()
            .all(|line| text.contains(line))
            .then_some(())
    });
    let of_pipeline = shipote.run(&["logs", "w/p"]).ok().text();
    assert!(!of_pipeline.contains("of the command") && of_pipeline.contains("of y"), "{of_pipeline}");
    assert!(shipote.run(&["logs", "w/p.y"]).ok().text().contains("of the command"));
}

#[test]
fn what_runs_without_being_declared_has_a_name_and_leaves_nothing() {
    let mut shipote = served();
    let mark = shipote.mark().to_owned();
    let hang = |shipote: &Shipote| -> String {
        let name = shipote.run(&["run", "-d", "--", shipote.payload(), "hang", &mark]).ok().text();
        name.split_whitespace().next().unwrap().to_owned()
    };
    let name = hang(&shipote);
    until("the process", || (shipote.marked().len() == 1).then_some(()));
    let workspace = name.split('/').next().unwrap().to_owned();
    let waited = shipote.run(&["wait", &workspace, "--timeout", "300ms"]);
    assert_eq!(waited.code, 6, "{waited}");
    shipote.run(&["stop", &name]).ok();
    assert_eq!(shipote.marked(), []);
    until("the end of its workspace", || {
        shipote.json(&["ws", "ls"]).as_array().unwrap().is_empty().then_some(())
    });
    // Killed by name, and gone by itself.
    let name = hang(&shipote);
    shipote.run(&["kill", &name]).ok();
    shipote.run(&["run", "-d", "--", "true"]).ok();
    until("no workspace", || shipote.json(&["ws", "ls"]).as_array().unwrap().is_empty().then_some(()));
    assert_eq!(shipote.daemon_term().code(), Some(0));
}

#[test]
fn a_run_that_somebody_else_stops_is_told_as_it_ended() {
    let shipote = served();
    for verb in ["stop", "down"] {
        let run = shipote.attach(&["run", "--", shipote.payload(), "hang", shipote.mark()]);
        until("the process", || (shipote.marked().len() == 1).then_some(()));
        let list = shipote.json(&["ws", "ls"]);
        let id = list[0]["id"].as_str().unwrap();
        shipote.run(&[verb, id]).ok();
        // 128 and SIGTERM.
        run.end().exits(143);
    }
}

#[test]
fn a_signal_reaches_one_node_and_a_node_is_not_stopped_alone() {
    let shipote = served();
    shipote
        .up("[workspace]\nlabel = \"w\"\n[[pipelines]]\nlabel = \"p\"\nedges = []\nnodes = [\n{ label = \"x\", shell = \"trap 'echo x >> got' USR1; while :; do sleep 0.05; done\" },\n{ label = \"y\", shell = \"trap 'echo y >> got' USR1; echo > ready; while :; do sleep 0.05; done\" }]\n")
        .ok();
    until("the trap", || shipote.work().join("ready").exists().then_some(()));
    shipote.run(&["kill", "-s", "USR1", "w/p/y"]).ok();
    let read = || std::fs::read_to_string(shipote.work().join("got")).unwrap_or_default();
    until("the signal", || read().contains('y').then_some(()));
    assert!(!read().contains('x'), "{}", read());
    let refused = shipote.run(&["stop", "w/p/y"]).exits(5);
    assert!(refused.stderr.contains("starts and stops with it"), "{refused}");
    shipote.run(&["kill", "w/p/z"]).exits(3);
}

#[test]
fn a_row_of_names_with_a_wrong_one_does_nothing() {
    let shipote = served();
    for label in ["a", "b"] {
        shipote.run(&["ws", "create", "--label", label]).ok();
    }
    shipote.run(&["ws", "rm", "a", "nope", "b"]).exits(3);
    assert_eq!(shipote.json(&["ws", "ls"]).as_array().unwrap().len(), 2);
    shipote.run(&["ws", "rm", "a", "b"]).ok();
    assert_eq!(shipote.json(&["ws", "ls"]).as_array().unwrap().len(), 0);
}

#[test]
fn a_card_of_a_workspace_alone_is_applied_and_followed_no_further() {
    let shipote = served();
    let card = shipote.file("card.toml", "[workspace]\nlabel = \"alone\"\n");
    let output = shipote.run(&["up", card.to_str().unwrap()]).ok();
    assert!(output.text().contains("alone") && output.text().contains("created"), "{output}");
}

#[test]
fn what_was_stopped_by_a_signal_is_stopped_within_its_grace() {
    let shipote = served();
    let (payload, mark) = (shipote.payload(), shipote.mark());
    shipote
        .up(&format!("[workspace]\nlabel = \"w\"\n[[commands]]\nlabel = \"c\"\nrun = [\"{payload}\", \"hang\", \"{mark}\"]\ngrace = \"1h\"\n"))
        .ok();
    shipote.running("c");
    shipote.run(&["kill", "-s", "STOP", "w/c"]).ok();
    // With the grace of an hour, only a signal that is acted on ends it.
    shipote.run(&["stop", "w/c"]).ok();
    assert_eq!(shipote.marked(), []);
}

#[test]
fn a_followed_card_that_somebody_else_stops_ends_as_if_its_client_had() {
    let shipote = served();
    let (payload, mark) = (shipote.payload(), shipote.mark());
    let card = shipote.file(
        "card.toml",
        format!("[workspace]\nlabel = \"w\"\n[[commands]]\nlabel = \"stub\"\nrun = [\"{payload}\", \"ignore-term\", \"{mark}\"]\ngrace = \"200ms\"\nrestart = \"always\"\n"),
    );
    let up = shipote.attach(&["up", card.to_str().unwrap()]);
    shipote.running("stub");
    shipote.run(&["stop", "w"]).ok();
    let output = up.end().ok();
    assert!(output.stderr.contains("stopped") && !output.stderr.contains("stopping"), "{output}");
}

#[test]
fn a_followed_card_says_when_its_time_to_live_was_over() {
    let shipote = served();
    let card = shipote.file("card.toml", "[workspace]\nlabel = \"w\"\nttl = \"1s\"\n[[commands]]\nlabel = \"c\"\nrun = [\"sleep\", \"600\"]\nrestart = \"always\"\n");
    let output = shipote.run(&["up", card.to_str().unwrap()]);
    assert!(output.stderr.contains("the time to live of w is over"), "{output}");
    assert!(!output.stderr.contains("stopping"), "{output}");
}
