//! The command line: its help, its exit codes, its errors with hints, and its JSON.

use std::fmt::Write as _;

use shipote_tests::{Shipote, normalised};

use crate::{served, shipote};

#[test]
fn the_first_page_of_help_says_what_to_do_first() {
    let output = shipote().run(&["--help"]).ok();
    let text = output.text().lines().map(str::trim_end).collect::<Vec<_>>().join("\n");
    insta::assert_snapshot!(text, @r"
    Workspaces for processes that belong together: isolated, supervised, and gone when you say so

    Usage: shipote [OPTIONS] <COMMAND>

    Commands:
      up           Apply a card and follow it until everything in it has ended
      down         Stop everything that a card, or a workspace, runs; the declaration stays
      check        Tell every problem of a card, with its place; exit 7 on error
      run          Run one command in a workspace; its streams and its exit code are passed through
      ps           List commands and pipeline nodes that run
      logs         Print what commands and nodes wrote
      stats        Show what a workspace costs
      events       Show what happened, in order
      start        Start what is declared
      stop         Stop with the grace time of each command
      restart      Stop, then start
      kill         Send a signal at once, KILL where none is given
      exec         Run one more command in a workspace
      wait         Wait until something has ended; exit 0 or 1 by its verdict
      ws           Declare, list and remove workspaces
      pipeline     Run, save and look at pipelines
      tap          Watch the bytes of one edge of a pipeline, without slowing it
      discern      Tell what a stream of these bytes would be taken for, and why
      state        Look at, check, compare and convert state files; needs no daemon
      inspect      Write the inspector page with state files in it, and open it in a browser
      daemon       The service itself: shipote daemon runs it in the foreground
      doctor       Tell what this host can enforce; exit 9 when something is missing or degraded
      completions  Print a completion script for a shell
      schema       Print the JSON Schema of cards or of state.json
      help         Print this message or the help of the given subcommand(s)

    Options:
      -h, --help     Print help
      -V, --version  Print version

    Global options:
          --output <FORMAT>  Form of results: table, json (one document, errors included) or ndjson
          --socket <PATH>    Socket of the daemon [env: SHIPOTE_SOCKET]
          --state-dir <DIR>  Directory of the state [env: SHIPOTE_STATE_DIR]
      -q, --quiet            Nothing on stderr but errors
          --no-color         No colours; NO_COLOR does the same

    First steps:
      shipote run -- make test       one command in a workspace made for it
      shipote check card.toml        every problem of a card, with its place
      shipote up card.toml           apply a card and follow it
      shipote ps                     what runs, and where
      shipote doctor                 what this host can enforce

    Exit codes:
      0 ok, 1 failed, 2 usage, 3 not found, 4 daemon unreachable, 5 conflict,
      6 timed out, 7 invalid card, 8 not permitted, 9 degraded,
      65 state from a newer version or damaged
      run and exec: the command's own code, 128+signal, 124 at --timeout,
      125 for a failure of shipote itself, 126 for a program that can't be executed,
      127 for one that is not found
    ");
}

#[test]
fn every_verb_has_a_page_of_help_with_its_purpose() {
    let shipote = shipote();
    let mut purposes = String::new();
    for verb in [
        "up",
        "down",
        "check",
        "run",
        "ps",
        "logs",
        "stats",
        "events",
        "start",
        "stop",
        "restart",
        "kill",
        "exec",
        "wait",
        "ws",
        "ws create",
        "ws ls",
        "ws show",
        "ws rm",
        "pipeline",
        "pipeline run",
        "pipeline save",
        "pipeline saved",
        "pipeline ls",
        "pipeline show",
        "pipeline stop",
        "pipeline rm",
        "tap",
        "discern",
        "state",
        "state verify",
        "state show",
        "state plan",
        "state upgrade",
        "state export",
        "state diff",
        "state log",
        "state recover",
        "inspect",
        "daemon",
        "daemon stop",
        "daemon status",
        "doctor",
        "completions",
        "schema",
    ] {
        let words: Vec<&str> = verb.split(' ').chain(["--help"]).collect();
        let page = shipote.run(&words).ok().text();
        let _ = writeln!(purposes, "{verb}: {}", page.lines().next().unwrap_or_default());
    }
    insta::assert_snapshot!(purposes, @r"
    up: Apply a card and follow it until everything in it has ended
    down: Stop everything that a card, or a workspace, runs; the declaration stays
    check: Tell every problem of a card, with its place; exit 7 on error
    run: Run one command in a workspace; its streams and its exit code are passed through
    ps: List commands and pipeline nodes that run
    logs: Print what commands and nodes wrote
    stats: Show what a workspace costs
    events: Show what happened, in order
    start: Start what is declared
    stop: Stop with the grace time of each command
    restart: Stop, then start
    kill: Send a signal at once, KILL where none is given
    exec: Run one more command in a workspace
    wait: Wait until something has ended; exit 0 or 1 by its verdict
    ws: Declare, list and remove workspaces
    ws create: Declare a workspace; it costs no process until something runs in it
    ws ls: List workspaces
    ws show: Show one workspace: what is in it, and what the host enforces
    ws rm: Stop a workspace and forget it
    pipeline: Run, save and look at pipelines
    pipeline run: Run a saved pipeline, or the one of a card, and follow it
    pipeline save: Save the pipeline of a card under a name
    pipeline saved: List saved pipelines
    pipeline ls: List live pipelines
    pipeline show: Show one live pipeline: nodes, edges, verdicts
    pipeline stop: Stop live pipelines
    pipeline rm: Forget live or saved pipelines
    tap: Watch the bytes of one edge of a pipeline, without slowing it
    discern: Tell what a stream of these bytes would be taken for, and why
    state: Look at, check, compare and convert state files; needs no daemon
    state verify: Tell whether state files can be read, and every problem in them; exit 65 when not
    state show: Show what a state holds
    state plan: Tell what a start would do with each entity, and why
    state upgrade: Write the newest form of a state to stdout
    state export: Write a state for an older version, and tell what it cannot say
    state diff: Tell how two states differ
    state log: Tell what was declared, changed and taken away, and when
    state recover: Show every way on from a damaged state and what each loses; take one
    inspect: Write the inspector page with state files in it, and open it in a browser
    daemon: The service itself: shipote daemon runs it in the foreground
    daemon stop: End the daemon, and with it everything that runs
    daemon status: Tell whether a daemon answers, and which
    doctor: Tell what this host can enforce; exit 9 when something is missing or degraded
    completions: Print a completion script for a shell
    schema: Print the JSON Schema of cards or of state.json
    ");
}

/// What goes wrong, as people see it: what, where, why, and what to do next.
#[test]
fn errors_come_with_a_hint() {
    let shipote = served();
    shipote.run(&["ws", "create", "--label", "web"]).ok();
    let mut text = String::new();
    for line in [
        "ws show wbe",
        "ws create --label web",
        "stop nothing",
        "up no-such-card.toml",
        "run --memory 1GiB -- true",
        "freeze web",
        "logs nothing",
        "tap nothing edge",
        "pipeline run nothing",
        "run --ttl soon -- true",
        "run",
    ] {
        let output = shipote.run(&line.split(' ').collect::<Vec<_>>());
        let known = [
            (shipote.work().display().to_string(), "WORK"),
            (shipote.state_dir().display().to_string(), "STATE"),
        ];
        let known: Vec<(&str, &str)> = known.iter().map(|(path, name)| (path.as_str(), *name)).collect();
        let shown = normalised(&format!("{}{}", output.text(), output.stderr), &known);
        let _ = writeln!(text, "$ shipote {line}\n{}[{}]\n", shown, output.code);
    }
    insta::assert_snapshot!(text, @r#"
    $ shipote ws show wbe
    error: no workspace is called `wbe`
    hint: shipote ws ls lists workspaces
    [3]

    $ shipote ws create --label web
    error: a workspace called `web` is there already
    hint: shipote ws show web shows it; shipote ws rm web stops and forgets it
    [5]

    $ shipote stop nothing
    error: no workspace, command or pipeline is called `nothing`
    hint: shipote ws ls and shipote ps -a list what there is
    [3]

    $ shipote up no-such-card.toml
    error: read the card no-such-card.toml: no such file or directory
    hint: check the path; ls . lists what is there
    [3]

    $ shipote run --memory 1GiB -- true
    error: run --memory is not in this release
    hint: limits come with a later release; until then, a shell can set some: sh -c 'ulimit -v KIB; exec PROGRAM'
    [125]

    $ shipote freeze web
    error: freeze is not in this release
    hint: kill -s STOP holds its processes: shipote kill -s STOP NAME
    [2]

    $ shipote logs nothing
    error: no workspace is called `nothing`
    hint: shipote ws ls and shipote ps -a list what there is
    [3]

    $ shipote tap nothing edge
    error: no workspace, command or pipeline is called `nothing`
    hint: shipote ws ls and shipote ps -a list what there is
    [3]

    $ shipote pipeline run nothing
    error: no saved pipeline is called `nothing`
    hint: shipote pipeline saved lists saved pipelines
    [3]

    $ shipote run --ttl soon -- true
    error: invalid value 'soon' for '--ttl <SPAN>': not a span of time; write it like "TIME", "1h30m" or "TIME"

    For more information, try '--help'.
    [125]

    $ shipote run
    error: the following required arguments were not provided:
      <ARGV>...

    Usage: shipote run <ARGV>...

    For more information, try '--help'.
    [125]
    "#);
}

/// A hint leads on: to the object that is meant, not to the verb that has just failed.
#[test]
fn a_hint_names_what_is_to_be_done_next() {
    let shipote = served();
    let node = "nodes = [{ label = \"n\", run = [\"true\"] }]\n";
    shipote.file("daily.toml", format!("[[pipelines]]\nlabel = \"p\"\n{node}"));
    shipote.run(&["pipeline", "save", "daily", "-f", "daily.toml"]).ok();
    shipote.file(
        "flow.toml",
        "[workspace]\nlabel = \"f\"\nflow_dirs = [{ name = \"src\", path = \"no-src\", mode = \"in\" }]\n[[commands]]\nlabel = \"c\"\nrun = [\"true\"]\n",
    );
    shipote.file("latin1.toml", b"[workspace]\nlabel = \"caf\xe9\"\n");
    let mut text = String::new();
    for line in [
        "up latin1.toml",
        "up flow.toml",
        "run --name ../x -- true",
        "ws create --label a/b",
        "pipeline rm daily",
        "pipeline show daily",
        "ws show ''",
        "stop ''",
        "run --ttl -5 -- true",
        "ws create --label w --ttl -5s",
    ] {
        let words: Vec<&str> = line.split(' ').map(|word| if word == "''" { "" } else { word }).collect();
        let output = shipote.run(&words);
        let work = shipote.work().display().to_string();
        let shown = normalised(&format!("{}{}", output.text(), output.stderr), &[(work.as_str(), "WORK")]);
        let _ = writeln!(text, "$ shipote {line}\n{}[{}]\n", shown, output.code);
    }
    insta::assert_snapshot!(text, @r#"
    $ shipote up latin1.toml
    error: latin1.toml is not UTF-8: byte 24 is wrong
    hint: save it as UTF-8, for example: iconv -f LATIN1 -t UTF-8 latin1.toml > NEW.toml
    [7]

    $ shipote up flow.toml
    error: the flow directory WORK/no-src: no such file or directory
    hint: mkdir -p WORK/no-src makes it; or name another one in `flow_dirs` of the card
    [1]

    $ shipote run --name ../x -- true
    error[bad_label]: the label `../x` does not begin with a letter or a digit
      --> /workspace/label
       = a label is up to 63 letters, digits, `.`, `_` or `-`, and begins with a letter or digit

    error: a mistake in what was declared
    hint: choose another label, such as web or build-2: letters, digits, `.`, `_` and `-`
    [125]

    $ shipote ws create --label a/b
    error[bad_label]: the label `a/b` has a character other than letters, digits, `.`, `_` and `-`
      --> /workspace/label
       = a label is up to 63 letters, digits, `.`, `_` or `-`, and begins with a letter or digit

    error: a mistake in what was declared
    hint: choose another label, such as web or build-2: letters, digits, `.`, `_` and `-`
    [7]

    $ shipote pipeline rm daily
    error: no workspace, command or pipeline is called `daily`
    hint: `daily` is a saved pipeline: shipote pipeline rm --saved daily forgets it
    [3]

    $ shipote pipeline show daily
    error: no workspace, command or pipeline is called `daily`
    hint: `daily` is a saved pipeline: shipote pipeline run daily starts it
    [3]

    $ shipote ws show ''
    error: a name is empty, and nothing is called so
    hint: shipote ws ls and shipote ps -a list what there is
    [2]

    $ shipote stop ''
    error: a name is empty, and nothing is called so
    hint: shipote ws ls and shipote ps -a list what there is
    [2]

    $ shipote run --ttl -5 -- true
    error: invalid value '-5' for '--ttl <SPAN>': not a span of time, which can't be negative; write it like "TIME", "1h30m" or "TIME"

    For more information, try '--help'.
    [125]

    $ shipote ws create --label w --ttl -5s
    error: invalid value '-TIME' for '--ttl <SPAN>': not a span of time, which can't be negative; write it like "TIME", "1h30m" or "TIME"

    For more information, try '--help'.
    [2]
    "#);
}

#[test]
fn a_name_of_several_things_is_told_with_each_of_them() {
    let mut shipote = served();
    for workspace in ["one", "two"] {
        shipote
            .up(&format!(
                "[workspace]\nlabel = \"{workspace}\"\n[[commands]]\nlabel = \"p\"\nrun = [\"true\"]\n"
            ))
            .ok();
    }
    let card = "[[pipelines]]\nlabel = \"p\"\nnodes = [{ label = \"n\", run = [\"true\"] }]\n";
    shipote.file("p.toml", card);
    shipote.run(&["pipeline", "run", "-f", "p.toml", "--ws", "two"]).ok();
    let rows = shipote.json(&["ps", "-a"]);
    let ids: Vec<String> =
        rows.as_array().unwrap().iter().map(|row| row["id"].as_str().unwrap().to_owned()).collect();
    let ends: Vec<(&str, &str)> = ids.iter().map(|id| (&id[20..], "END")).collect();
    let told = |output: shipote_tests::Output| {
        let ids: Vec<(&str, &str)> = ids.iter().map(|id| (id.as_str(), "ULID")).collect();
        normalised(&output.exits(5).stderr, &[ids, ends.clone()].concat())
    };
    insta::assert_snapshot!(told(shipote.run(&["stop", "p"])), @r"
    error: `p` could be any of 3
      one/p (command, ULID)
      two/p (command, ULID)
      two/p (pipeline, ULID)
    hint: use more of the id, such as END
    ");
    insta::assert_snapshot!(told(shipote.run(&["stop", "two/p"])), @r"
    error: `two/p` could be any of 2
      two/p (command, ULID)
      two/p (pipeline, ULID)
    hint: use more of the id, such as END
    ");
    let looked_for = told(shipote.run(&["logs", "p"]));
    shipote.run(&["pipeline", "rm", &ids[2]]).ok();
    insta::assert_snapshot!(told(shipote.run(&["stop", "p"])), @r"
    error: `p` could be any of 2
      one/p (command, ULID)
      two/p (command, ULID)
    hint: use workspace/label, such as one/p, or more of the id, such as END
    ");
    assert!(looked_for.contains("two/p (pipeline, ULID)"), "{looked_for}");
    // The state at rest tells the same.
    shipote.daemon_term();
    let at_rest = told(shipote.run(&["logs", "p"]));
    assert!(at_rest.contains("two/p (command, ULID)\nhint: use workspace/label, such as one/p"), "{at_rest}");
}

#[test]
fn a_state_directory_that_is_served_elsewhere_is_told_at_once() {
    let shipote = served();
    let began = std::time::Instant::now();
    let elsewhere = shipote.work().join("elsewhere.sock");
    let output = shipote.run(&["--socket", elsewhere.to_str().unwrap(), "run", "--", "true"]).exits(125);
    assert!(began.elapsed() < std::time::Duration::from_secs(4), "{:?}", began.elapsed());
    let (state, work) = (shipote.state_dir().display().to_string(), shipote.work().display().to_string());
    let pid = shipote.daemon_pid().unwrap().to_string();
    let known = [(state.as_str(), "STATE"), (work.as_str(), "WORK"), (pid.as_str(), "PID")];
    insta::assert_snapshot!(normalised(&output.stderr, &known), @r"
    error: the state directory STATE is held by the daemon PID, which does not serve WORK/elsewhere.sock
    hint: ask it there: --socket STATE/shipote.sock; or end it: shipote --socket STATE/shipote.sock daemon stop
    ");
}

#[test]
fn a_current_directory_that_is_gone_is_named() {
    let shipote = served();
    shipote.file("card.toml", "[workspace]\nlabel = \"w\"\n[[commands]]\nlabel = \"c\"\nrun = [\"true\"]\n");
    let script = "mkdir gone && cd gone && rmdir ../gone && \"$0\" --state-dir \"$1\" up -d \"$2\"";
    let card = shipote.work().join("card.toml");
    let (state_dir, program) = (shipote.state_dir(), shipote_tests::program());
    let output = std::process::Command::new("sh")
        .args(["-c", script])
        .args([program.as_os_str(), state_dir.as_os_str(), card.as_os_str()])
        .current_dir(shipote.work())
        .output()
        .unwrap();
    insta::assert_snapshot!(String::from_utf8_lossy(&output.stderr), @r#"
    error: the current directory is gone: it was removed
    hint: change to a directory that is there, such as cd "$HOME", and try again
    "#);
    assert_eq!(output.status.code(), Some(3));
}

#[test]
fn a_verb_that_needs_a_daemon_says_how_to_get_one() {
    let shipote = shipote();
    let output = shipote.run(&["start", "web"]).exits(4);
    assert!(output.stderr.contains("shipote daemon"), "{output}");
    // Reading verbs answer from the state directory instead.
    assert_eq!(shipote.json(&["ws", "ls"]), serde_json::json!([]));
    assert_eq!(shipote.json(&["ps", "-a"]), serde_json::json!([]));
    assert_eq!(shipote.json(&["pipeline", "saved"]), serde_json::json!([]));
    assert!(!shipote.state_dir().exists(), "reading makes no directory");
}

#[test]
fn json_is_one_document_errors_included() {
    let shipote = served();
    for line in
        ["ws ls", "ps", "ps -a", "pipeline ls", "pipeline saved", "doctor", "daemon status", "state show"]
    {
        let words: Vec<&str> = ["--output", "json"].into_iter().chain(line.split(' ')).collect();
        let _ = shipote.run(&words).json();
    }
    for (line, code) in [("ws show nothing", 3), ("freeze x", 2), ("run", 2), ("up no-such-card.toml", 3)] {
        let words: Vec<&str> = ["--output", "json"].into_iter().chain(line.split(' ')).collect();
        let output = shipote.run(&words);
        let error = output.json()["error"].clone();
        for key in ["code", "message", "hint", "problems"] {
            assert!(!error[key].is_null(), "{line}: no {key}\n{output}");
        }
        assert!(output.code == code || line == "run" && output.code == 125, "{line}: {output}");
    }
}

#[test]
fn quiet_leaves_only_errors_on_stderr() {
    let shipote = served();
    shipote.file("card.toml", "[workspace]\nlabel = \"w\"\n[[commands]]\nlabel = \"c\"\nrun = [\"true\"]\n");
    let output = shipote.run(&["--quiet", "up", "card.toml"]).ok();
    assert_eq!((output.text().as_str(), output.stderr.as_str()), ("", ""));
}

#[test]
fn no_colours_where_nobody_looks() {
    let shipote = served();
    shipote.run(&["ws", "create", "--label", "w"]).ok();
    for line in ["ws ls", "ws show nothing", "--help", "doctor"] {
        let output = shipote.run(&line.split(' ').collect::<Vec<_>>());
        assert!(!output.text().contains('\u{1b}') && !output.stderr.contains('\u{1b}'), "{output}");
    }
}

#[test]
fn a_card_applied_twice_changes_nothing() {
    let shipote = served();
    let card = "[workspace]\nlabel = \"w\"\n[[commands]]\nlabel = \"c\"\nrun = [\"sleep\", \"600\"]\nrestart = \"always\"\n";
    shipote.up(card).ok();
    let process = shipote.running("c");
    let before = shipote.json(&["ws", "ls"])[0]["id"].clone();
    let again = shipote.up(card).ok();
    assert_eq!(shipote.json(&["ws", "ls"])[0]["id"], before);
    assert_eq!(shipote.running("c"), process, "{again}");
    // A change is told, and only what changed is started anew.
    let changed = shipote.up(&card.replace("600", "601")).ok();
    assert!(changed.stderr.contains("601"), "{changed}");
    assert_ne!(shipote.running("c"), process);
    assert_eq!(shipote.json(&["ws", "ls"])[0]["id"], before);
    shipote.run(&["down", "w"]).ok();
    assert_eq!(shipote.json(&["ws", "ls"])[0]["phase"], "declared");
    assert_eq!(shipote.json(&["ps"]), serde_json::json!([]));
}

#[test]
fn a_changed_card_tells_what_is_gone_and_what_is_new() {
    let shipote = served();
    let card = |labels: [&str; 2]| {
        let commands = labels.map(|label| format!("[[commands]]\nlabel = \"{label}\"\nrun = [\"true\"]\n"));
        format!("[workspace]\nlabel = \"w\"\n{}", commands.concat())
    };
    let first = shipote.up(&card(["a", "b"])).ok();
    assert_eq!(first.stderr, "");
    let second = shipote.up(&card(["a", "c"])).ok();
    insta::assert_snapshot!(second.stderr, @r"
    shipote: command b: removed
    shipote: command c: added
    ");
    assert_eq!(shipote.up(&card(["a", "c"])).ok().stderr, "");
}

#[test]
fn a_launch_that_fails_names_the_command_or_the_node() {
    let shipote = served();
    let told = |card: &str| shipote.up(card).exits(1).stderr;
    insta::assert_snapshot!(told("[workspace]\nlabel = \"w\"\n[[commands]]\nlabel = \"one\"\nrun = [\"true\"]\n[[commands]]\nlabel = \"two\"\nrun = [\"no-such-program\"]\n"), @r"
    error: w/two: program not found: no-such-program
    hint: it is looked up in the PATH of the caller; a path with a / is taken as it is
    ");
    let nodes =
        "nodes = [{ label = \"a\", run = [\"true\"] }, { label = \"b\", run = [\"no-such-program\"] }]";
    let pipeline = format!("[[pipelines]]\nlabel = \"p\"\nchain = true\n{nodes}\n");
    insta::assert_snapshot!(told(&format!("[workspace]\nlabel = \"w2\"\n{pipeline}")), @r"
    error: w2/p/b: program not found: no-such-program
    hint: it is looked up in the PATH of the caller; a path with a / is taken as it is
    ");
    shipote.run(&["ws", "create", "--label", "w3"]).ok();
    shipote.file("p.toml", pipeline);
    let output = shipote.run(&["pipeline", "run", "-d", "-f", "p.toml", "--ws", "w3"]).exits(1);
    assert!(output.stderr.starts_with("error: w3/p/b: program not found: no-such-program"), "{output}");
}

#[test]
fn a_foreground_up_ends_with_its_last_work_and_with_ctrl_c() {
    let shipote = served();
    shipote.file(
        "brief.toml",
        "[workspace]\nlabel = \"brief\"\n[[commands]]\nlabel = \"c\"\nrun = [\"true\"]\n",
    );
    shipote.run(&["up", "brief.toml"]).ok();
    let (payload, mark) = (shipote.payload(), shipote.mark());
    shipote.file(
        "long.toml",
        format!("[workspace]\nlabel = \"long\"\n[[commands]]\nlabel = \"c\"\nrun = [\"{payload}\", \"hang\", \"{mark}\"]\nrestart = \"always\"\n"),
    );
    let client = shipote.attach(&["up", "long.toml"]);
    shipote_tests::until("the command", || (!shipote.marked().is_empty()).then_some(()));
    client.signal(nix::sys::signal::Signal::SIGINT);
    let output = client.end();
    assert_eq!(shipote.marked(), [], "{output}");
    // It leaves the workspace declared and stopped.
    let rows = shipote.json(&["ws", "ls"]);
    let row = rows.as_array().unwrap().iter().find(|row| row["label"] == "long").unwrap();
    assert_eq!(row["phase"], "declared");
}

#[test]
fn discern_tells_what_a_stream_would_be_taken_for() {
    let shipote = shipote();
    let output = shipote.run_with_input(&["--output", "json", "discern"], b"a,b,c\n1,2,3\n4,5,6\n").ok();
    assert_eq!(output.json()[0]["mime"], "text/csv", "{output}");
}

#[test]
fn a_text_of_an_old_encoding_is_a_text() {
    let shipote = shipote();
    let output = shipote.run_with_input(&["--output", "json", "discern"], b"caf\xe9 cr\xe8me\n").ok();
    let found = output.json()[0].clone();
    assert_eq!(
        (&found["mime"], &found["encoding"]),
        (&"text/plain".into(), &"iso-8859-1".into()),
        "{output}"
    );
    assert!(found["confidence"].as_f64().unwrap() < 0.6, "{output}");
}

#[test]
fn schemas_are_json_schemas() {
    let shipote = shipote();
    for kind in ["card", "state"] {
        let schema = shipote.run(&["schema", kind]).ok().json();
        assert!(schema["$schema"].as_str().is_some_and(|text| text.contains("json-schema.org")), "{kind}");
    }
}

#[test]
fn events_are_told_in_order_without_gaps() {
    let shipote = served();
    shipote.run(&["run", "--name", "w", "--", "true"]).ok();
    let text = shipote.run(&["--output", "ndjson", "events"]).ok().text();
    let numbers: Vec<u64> = text
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()["seq"].as_u64().unwrap())
        .collect();
    assert!(!numbers.is_empty());
    assert!(numbers.windows(2).all(|pair| pair[1] == pair[0] + 1), "{numbers:?}");
}

#[test]
fn events_are_sentences_for_people_and_documents_for_programs() {
    let shipote = served();
    shipote
        .file("card.toml", "[workspace]\nlabel = \"w\"\n[[commands]]\nlabel = \"c\"\nshell = \"exit 3\"\n");
    shipote.run(&["up", "card.toml"]).exits(1);
    shipote_tests::until("the workspace's end", || {
        shipote.run(&["events"]).ok().text().contains("workspace.ended").then_some(())
    });
    let text = shipote.run(&["events"]).ok().text();
    assert!(text.contains("command.phase      w/c  failed  exit 3\n"), "{text}");
    assert!(!text.contains(['{', '=']) && !text.contains("null"), "{text}");
    let lines = shipote.run(&["--output", "ndjson", "events"]).ok().text();
    assert!(lines.contains("\"exit\":{\"code\":3,\"signal\":null}"), "{lines}");
}

#[test]
fn a_meter_tells_of_an_edge_on_which_nothing_flows() {
    let shipote = served();
    shipote.file(
        "idle.toml",
        "[workspace]\nlabel = \"w\"\n[[pipelines]]\nlabel = \"p\"\nchain = true\ntap = \"on\"\nnodes = [{ label = \"a\", run = [\"sleep\", \"600\"] }, { label = \"b\", run = [\"cat\"] }]\n",
    );
    shipote.run(&["up", "--detach", "idle.toml"]).ok();
    let observer = shipote.attach(&["tap", "p", "a..b", "--meter"]);
    shipote_tests::until("two lines", || (observer.stdout().lines().count() >= 2).then_some(()));
    assert!(observer.stdout().lines().all(|line| line == "0 B  0 B/s"), "{}", observer.stdout());
}

#[test]
fn numbers_of_events_go_on_after_a_restart() {
    let mut shipote = served();
    shipote.run(&["ws", "create", "--label", "one"]).ok();
    let newest = |shipote: &Shipote| -> u64 {
        let text = shipote.run(&["--output", "ndjson", "events"]).ok().text();
        let last: serde_json::Value = serde_json::from_str(text.lines().last().unwrap()).unwrap();
        last["seq"].as_u64().unwrap()
    };
    let before = newest(&shipote);
    shipote.daemon_kill9();
    shipote.daemon_start();
    shipote.run(&["ws", "create", "--label", "two"]).ok();
    assert!(newest(&shipote) > before);
    // What happened after the last one that was seen: all of it, and a word about what is gone.
    let since = shipote.run(&["--output", "ndjson", "events", "--since", &before.to_string()]).ok().text();
    let kinds: Vec<String> = since
        .lines()
        .map(|line| {
            serde_json::from_str::<serde_json::Value>(line).unwrap()["kind"].as_str().unwrap().to_owned()
        })
        .collect();
    assert_eq!(kinds, ["lost", "workspace.created"]);
    let refused = shipote.run(&["events", "--since", "99999999"]).exits(5);
    assert!(refused.stderr.contains("no event has had the number 99999999"), "{refused}");
    assert!(refused.stderr.contains("hint:"), "{refused}");
}

#[test]
fn nothing_that_a_terminal_would_obey_is_written_to_one() {
    let mut shipote = shipote();
    // As an old daemon without a rule for labels would have kept them.
    let label = "a\\u001b[2Jb\\u0007\\nc\\u202ed";
    let state = include_str!("../fixtures/state/v4-minimal.json");
    let mut state: serde_json::Value = serde_json::from_str(state).unwrap();
    let hostile: serde_json::Value = serde_json::from_str(&format!("\"{label}\"")).unwrap();
    state["workspaces"] = serde_json::json!([{
        "id": "01J9Z3NDEKTSV4RRFFQ69G5FAV", "spec": { "label": hostile, "x\u{1b}]0;t\u{7}": 1 },
    }]);
    shipote.plant_state(state.to_string());
    let mut told = vec![shipote.run(&["state", "verify"]), shipote.run(&["state", "show"])];
    shipote.daemon_start();
    told.extend(
        [&["ws", "ls"][..], &["ws", "show", "01J9Z3NDEKTSV4RRFFQ69G5FAV"], &["stats"], &["events"]]
            .map(|words| shipote.run(words)),
    );
    told.push(shipote.run(&["ws", "rm", "x\u{1b}[31mz"]));
    assert!(!shipote.daemon_said().contains('\u{7}'));
    for output in told {
        let text = [output.text(), output.stderr.clone()].concat();
        assert!(text.chars().all(|c| c == '\n' || !(c.is_control() || c == '\u{202e}')), "{text:?}");
    }
    let listed = shipote.run(&["ws", "ls"]).ok().text();
    assert_eq!(listed.lines().count(), 2, "{listed}");
    assert!(listed.contains(r"a\u{1b}[2Jb\u{7}\nc\u{202e}d"), "{listed}");
}

#[test]
fn curl_can_talk_to_the_daemon() {
    use std::io::{Read, Write};
    let shipote = served();
    let mut stream = std::os::unix::net::UnixStream::connect(shipote.socket()).unwrap();
    stream.write_all(b"GET /v1/version HTTP/1.1\r\nHost: shipote\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(answer.contains("\"pid\""), "{answer}");
}

#[test]
fn the_same_card_from_several_clients_at_once_is_applied_once() {
    let shipote = served();
    let (payload, mark) = (shipote.payload(), shipote.mark());
    shipote.file(
        "card.toml",
        format!("[workspace]\nlabel = \"w\"\n[[commands]]\nlabel = \"c\"\nrun = [\"{payload}\", \"hang\", \"{mark}\"]\nrestart = \"always\"\n"),
    );
    let clients: Vec<_> = (0..4).map(|_| shipote.attach(&["up", "--detach", "card.toml"])).collect();
    for client in clients {
        client.end().ok();
    }
    assert_eq!(shipote.marked().len(), 1);
    assert_eq!(shipote.json(&["ws", "ls"]).as_array().unwrap().len(), 1);
    // What is no longer in the card is stopped.
    shipote.up("[workspace]\nlabel = \"w\"\n").ok();
    assert_eq!(shipote.marked(), []);
}
