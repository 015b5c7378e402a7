//! Pipelines: the bytes are bash's, the verdicts are better.

use std::fmt::Write as _;
use std::process::Command;

use serde_json::Value;
use sha2::{Digest, Sha256};
use shipote_tests::{Need, Output, Shipote, has, normalised, until};

use crate::{served, shipote};

/// Runs the pipeline `pipeline` (the text below `[[pipelines]]`) in a workspace `w`, and follows it.
#[track_caller]
fn up(shipote: &Shipote, pipeline: &str) -> Output {
    shipote
        .file("card.toml", format!("[workspace]\nlabel = \"w\"\n[[pipelines]]\nlabel = \"p\"\n{pipeline}\n"));
    shipote.run(&["up", "card.toml"])
}

#[track_caller]
fn shown(shipote: &Shipote) -> Value {
    shipote.json(&["pipeline", "show", "p"])
}

fn node<'v>(view: &'v Value, label: &str) -> &'v Value {
    let nodes = view["nodes"].as_array().expect("nodes");
    nodes.iter().find(|node| node["label"] == label).expect("a node of this label")
}

/// Returns a chain of shell scripts as the text of a pipeline.
fn chain(scripts: &[(&str, &str)]) -> String {
    let mut text = "chain = true\nnodes = [\n".to_owned();
    for (label, script) in scripts {
        let _ = writeln!(text, "{{ label = \"{label}\", shell = '''{script}''' }},");
    }
    text + "]"
}

/// What a shell makes of the same scripts.
fn in_bash(scripts: &[(&str, &str)], input: &Shipote) -> Vec<u8> {
    let line: Vec<String> = scripts.iter().map(|(_, script)| format!("{{ {script}\n}}")).collect();
    let output =
        Command::new("bash").arg("-c").arg(line.join(" | ")).current_dir(input.work()).output().unwrap();
    output.stdout
}

#[test]
fn the_result_of_a_chain_is_what_bash_prints() {
    if !has(Need::Bash) {
        return;
    }
    let shipote = served();
    let mut log = String::new();
    for n in 0..20_000_u32 {
        let path = ["/", "/a", "/b?x=1", "/ü", "/very/long/path"][(n * n % 7 % 5) as usize];
        let _ = writeln!(log, "10.0.0.{} GET {path} {}", n % 256, 200 + n % 3);
    }
    shipote.file("access.log", log);
    let scripts = [
        ("read", "cat access.log"),
        ("path", "cut -d' ' -f3"),
        ("sort", "sort"),
        ("count", "uniq -c"),
        ("rank", "sort -rn"),
        ("top", "head -n 3"),
    ];
    let output = up(&shipote, &chain(&scripts)).ok();
    let expected = in_bash(&scripts, &shipote);
    assert_eq!(output.stdout, expected, "{output}");
    assert_eq!(expected.iter().filter(|byte| **byte == b'\n').count(), 3);
}

#[test]
fn every_byte_value_goes_through_untouched() {
    let shipote = served();
    let bytes: Vec<u8> = (0..=255_u8).cycle().take(3 * 65536 + 17).collect();
    shipote.file("bytes", &bytes);
    for options in ["", "discern = \"observe\"\n", "tap = \"on\"\n"] {
        let output =
            up(&shipote, &format!("{options}{}", chain(&[("read", "cat bytes"), ("pass", "cat")]))).ok();
        assert!(output.stdout == bytes, "{options}: {} bytes", output.stdout.len());
    }
}

#[test]
fn a_producer_that_its_consumer_cut_short_is_forgiven() {
    let shipote = served();
    let nodes = r#"
        chain = true
        nodes = [{ label = "seq", run = ["seq", "1", "1000000"] }, { label = "head", run = ["head", "-n", "1"] }]
    "#;
    let output = up(&shipote, nodes).ok();
    assert_eq!(output.text(), "1\n");
    let view = shown(&shipote);
    assert_eq!((&view["phase"], &view["verdict"]), (&"done".into(), &"ok".into()), "{view}");
    // That it was SIGPIPE which ended it shows that the signal was not left ignored.
    assert_eq!(node(&view, "seq")["verdict"], "forgiven");
    assert_eq!(node(&view, "seq")["exit"]["signal"], 13);
}

#[test]
fn a_failure_in_the_middle_fails_the_whole_and_is_named() {
    let shipote = served();
    let scripts = [("source", "seq 1 5"), ("middle", "cat; exit 3"), ("sink", "wc -l")];
    let output = up(&shipote, &chain(&scripts)).exits(1);
    assert_eq!(output.text().trim(), "5", "what was delivered is delivered");
    assert!(output.stderr.contains("because of middle"), "{output}");
    let view = shown(&shipote);
    assert_eq!((&view["verdict"], &view["cause"]), (&"failed".into(), &"middle".into()));
    let truncated = ["source", "middle", "sink"].map(|label| node(&view, label)["input_truncated"].clone());
    assert_eq!(truncated, [false, false, true].map(Value::from));
    assert_eq!(node(&view, "middle")["exit"]["code"], 3);
    assert_eq!(node(&view, "sink")["verdict"], "ok");
}

#[test]
fn a_summary_tells_verdicts_bytes_and_types() {
    let shipote = served();
    let scripts = [("source", "seq 1 5"), ("middle", "cat; exit 3"), ("sink", "wc -l")];
    let output = up(&shipote, &format!("discern = \"observe\"\n{}", chain(&scripts))).exits(1);
    for part in ["source..middle", "middle..sink", "10 B", "text/plain", "input cut short", "exit 3"] {
        assert!(output.stderr.contains(part), "missing: {part}\n{output}");
    }
    assert!(output.stderr.contains(shipote.state_dir().to_str().unwrap()), "where the state is: {output}");
}

#[test]
fn success_codes_serve_the_verdict() {
    let shipote = served();
    let nodes = r#"
        chain = true
        nodes = [
          { label = "grep", run = ["grep", "x", "/dev/null"], success_codes = [0, 1] },
          { label = "count", run = ["wc", "-l"] },
        ]
    "#;
    assert_eq!(up(&shipote, nodes).ok().text().trim(), "0");
}

/// 64 MiB through a relayed edge: exact bytes, and the content as it was.
#[test]
fn a_recognised_edge_counts_exactly_and_changes_nothing() {
    const SIZE: usize = 64 << 20;
    let shipote = served();
    let payload = shipote.payload();
    let direct = Command::new(payload).args(["burst", &SIZE.to_string()]).output().unwrap().stdout;
    assert_eq!(direct.len(), SIZE);
    let expected: String = Sha256::digest(&direct).iter().map(|byte| format!("{byte:02x}")).collect();
    for options in ["discern = \"observe\"", "tap = \"on\"", ""] {
        let nodes = format!(
            r#"
            {options}
            chain = true
            nodes = [
              {{ label = "burst", run = ["{payload}", "burst", "{SIZE}"] }},
              {{ label = "sum", run = ["sha256sum"] }},
            ]
            "#
        );
        let output = up(&shipote, &nodes).ok();
        assert!(output.text().starts_with(&expected), "{options}: {output}");
        let edge = shown(&shipote)["edges"][0].clone();
        if options.is_empty() {
            assert_eq!(edge["bytes"], Value::Null, "a bare kernel pipe is not counted");
        } else {
            assert_eq!(edge["bytes"], SIZE, "{options}: {edge}");
        }
    }
}

#[test]
fn what_flows_is_recognised_by_its_first_bytes() {
    let shipote = served();
    let kinds = [
        ("echo '{\"a\": 1, \"b\": [2]}'", "application/json"),
        ("for n in 1 2 3 4; do echo \"{\\\"n\\\": $n, \\\"s\\\": \\\"x\\\"}\"; done", "application/x-ndjson"),
        ("printf 'a,b,c\\n1,2,3\\n4,5,6\\n7,8,9\\n'", "text/csv"),
        ("printf '[a]\\nb = 1\\nc = \"d\"\\n'", "application/toml"),
        ("echo some plain words of a sentence", "text/plain"),
        ("tar -cf - /etc/hostname 2>/dev/null", "application/x-tar"),
    ];
    for (script, expected) in kinds {
        let nodes =
            format!("discern = \"observe\"\n{}", chain(&[("make", script), ("drop", "cat > /dev/null")]));
        up(&shipote, &nodes).ok();
        let edge = shown(&shipote)["edges"][0].clone();
        assert_eq!(edge["discern"]["mime"], expected, "{script}: {edge}");
    }
    let nodes = format!(
        "discern = \"observe\"\n{}",
        chain(&[("make", "tar -cf - /etc/hostname 2>/dev/null | gzip"), ("drop", "cat > /dev/null")])
    );
    up(&shipote, &nodes).ok();
    let found = shown(&shipote)["edges"][0]["discern"].clone();
    assert_eq!(found["mime"], "application/x-tar", "the wrapping is peeled: {found}");
    assert!(found["container"].to_string().contains("gzip"), "{found}");
}

#[test]
fn one_output_goes_whole_to_every_reader() {
    let shipote = served();
    let payload = shipote.payload();
    let nodes = format!(
        r#"
        nodes = [
          {{ label = "source", run = ["{payload}", "burst", "5000000"] }},
          {{ label = "first", run = ["sha256sum"] }},
          {{ label = "second", run = ["sha256sum"] }},
          {{ label = "third", run = ["wc", "-c"] }},
        ]
        edges = [
          {{ from = "source", to = "first" }},
          {{ from = "source", to = "second" }},
          {{ from = "source", to = "third" }},
        ]
        "#
    );
    let output = up(&shipote, &nodes).ok();
    let text = output.text();
    let of = |label: &str| {
        let line =
            text.lines().find(|line| line.starts_with(label)).unwrap_or_else(|| panic!("{label}: {output}"));
        line.split_whitespace().skip(2).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(of("first"), of("second"), "{text}");
    assert_eq!(of("third"), "5000000");
    // One of several results, exactly.
    let one = shipote.run(&["up", "--replace", "--result", "third", "card.toml"]).ok();
    assert_eq!(one.text(), "5000000\n");
}

#[test]
fn producers_that_share_a_pipe_lose_nothing() {
    let shipote = served();
    let nodes = r#"
        nodes = [
          { label = "a", run = ["seq", "1", "20000"] },
          { label = "b", run = ["seq", "1", "20000"] },
          { label = "join", run = ["wc", "-c"] },
        ]
        edges = [
          { from = "a", to = "join", merge = "raw" },
          { from = "b", to = "join", merge = "raw" },
        ]
    "#;
    let output = up(&shipote, nodes).ok();
    assert_eq!(output.text().trim(), "217788", "{output}");
}

#[test]
fn stderr_is_an_edge_too() {
    let shipote = served();
    let nodes = r#"
        nodes = [
          { label = "both", shell = "echo out; echo err >&2" },
          { label = "upper", run = ["tr", "a-z", "A-Z"] },
        ]
        edges = [{ from = "both:stderr", to = "upper" }]
    "#;
    let text = up(&shipote, nodes).ok().text();
    assert!(text.contains("ERR") && text.contains("out") && !text.contains("OUT"), "{text}");
}

#[test]
fn nodes_hold_their_own_descriptors_and_no_others() {
    let shipote = served();
    let list = "ls /proc/self/fd | tr '\\n' ' '; echo";
    let scripts = [("one", list), ("two", "cat; ls /proc/self/fd | tr '\\n' ' '; echo"), ("three", "cat")];
    // ls itself holds one more: the directory that it reads, which is 3.
    for options in ["", "discern = \"observe\"\n"] {
        let output = up(&shipote, &format!("{options}{}", chain(&scripts))).ok();
        assert_eq!(output.text(), "0 1 2 3 \n0 1 2 3 \n", "{options}");
    }
}

/// An end that leaked would keep its reader waiting for ever.
#[test]
fn a_reader_sees_the_end_while_other_pipelines_come_and_go() {
    let shipote = served();
    let mut text = "[workspace]\nlabel = \"many\"\n".to_owned();
    for n in 0..12 {
        let _ = writeln!(
            text,
            "[[pipelines]]\nlabel = \"p{n}\"\nchain = true\nnodes = [{{ run = [\"seq\", \"{n}\"] }}, {{ run = [\"cat\"] }}, {{ run = [\"wc\", \"-l\"] }}]"
        );
    }
    shipote.file("many.toml", text);
    let before = descriptors(&shipote);
    let output = shipote.run(&["up", "many.toml"]).ok();
    assert_eq!(output.text().lines().count(), 12, "{output}");
    shipote.run(&["ws", "rm", "many"]).ok();
    until("the daemon's descriptors to be closed", || (descriptors(&shipote) <= before + 2).then_some(()));
}

fn descriptors(shipote: &Shipote) -> usize {
    let pid = shipote.daemon_pid().unwrap();
    std::fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count()
}

#[test]
fn a_pipeline_starts_whole_or_not_at_all() {
    let shipote = served();
    let payload = shipote.payload();
    let nodes = format!(
        r#"
        chain = true
        nodes = [
          {{ label = "first", run = ["{payload}", "count-to", "starts", "0"] }},
          {{ label = "second", run = ["no-such-program"] }},
          {{ label = "third", run = ["{payload}", "count-to", "starts", "0"] }},
        ]
        "#
    );
    let output = up(&shipote, &nodes);
    assert_ne!(output.code, 0);
    assert!(output.stderr.contains("no-such-program"), "{output}");
    assert!(!shipote.work().join("starts").exists(), "a node ran although another could not");
}

#[test]
fn a_failed_pipeline_is_started_again_as_a_whole() {
    let shipote = served();
    let script = "echo x >> starts; [ $(wc -l < starts) -ge 3 ]";
    let nodes = format!(
        "restart_on_failure = true\nrestart_backoff = \"10ms\"\n{}",
        chain(&[("try", script), ("sink", "cat")])
    );
    up(&shipote, &nodes).ok();
    let view = shown(&shipote);
    assert_eq!(
        (&view["epoch"], &view["verdict"], &view["restarts"]),
        (&3.into(), &"ok".into(), &2.into()),
        "{view}"
    );
}

#[test]
fn a_pipeline_that_keeps_failing_gives_up_at_its_limit() {
    let shipote = served();
    let nodes = format!(
        "restart_on_failure = true\nrestart_backoff = \"5ms\"\nrestart_max = 2\n{}",
        chain(&[("bad", "exit 4"), ("sink", "cat")])
    );
    up(&shipote, &nodes).exits(1);
    let view = shown(&shipote);
    assert_eq!((&view["epoch"], &view["phase"]), (&3.into(), &"failed".into()), "{view}");
}

#[test]
fn a_live_pipeline_is_replaced_only_on_request() {
    let shipote = served();
    let card = |seconds: u32| {
        shipote.file(
            "live.toml",
            format!(
                "[workspace]\nlabel = \"w\"\n[[pipelines]]\nlabel = \"p\"\nchain = true\nnodes = [{{ run = [\"sleep\", \"{seconds}\"] }}, {{ run = [\"cat\"] }}]\n"
            ),
        );
    };
    card(600);
    shipote.run(&["up", "--detach", "live.toml"]).ok();
    let first = shipote.running("p/sleep");
    card(601);
    shipote.run(&["up", "--detach", "live.toml"]).exits(5);
    assert!(first.is_alive());
    shipote.run(&["up", "--detach", "--replace", "live.toml"]).ok();
    assert!(!first.is_alive());
    shipote.run(&["pipeline", "stop", "p"]).ok();
    let view = shown(&shipote);
    assert_eq!((&view["phase"], &view["verdict"]), (&"stopped".into(), &"cancelled".into()), "{view}");
}

#[test]
fn a_saved_pipeline_runs_by_its_name() {
    let shipote = served();
    shipote.run(&["ws", "create", "--label", "w"]).ok();
    shipote
        .file("daily.toml", format!("[[pipelines]]\n{}", chain(&[("say", "echo daily"), ("pass", "cat")])));
    shipote.run(&["pipeline", "save", "daily", "-f", "daily.toml", "--ws", "w"]).ok();
    let saved = shipote.json(&["pipeline", "saved"]);
    assert_eq!(saved[0]["name"], "daily");
    assert_eq!(shipote.run(&["pipeline", "run", "daily"]).ok().text(), "daily\n");
    shipote.run(&["pipeline", "rm", "--saved", "daily"]).ok();
    assert_eq!(shipote.json(&["pipeline", "saved"]), serde_json::json!([]));
    shipote.run(&["pipeline", "run", "daily"]).exits(3);
}

#[test]
fn pipeline_run_takes_a_card() {
    let shipote = shipote();
    shipote.file("top.toml", format!("[[pipelines]]\n{}", chain(&[("say", "seq 3"), ("sum", "paste -sd+")])));
    // With a daemon in the background, which it starts by itself.
    let output = shipote.run(&["pipeline", "run", "-f", "top.toml"]).ok();
    assert_eq!(output.text(), "1+2+3\n", "{output}");
}

#[test]
fn a_tap_shows_the_stream_and_does_not_change_it() {
    let shipote = served();
    let make = "until [ -e go ]; do echo tick; sleep 0.02; done; seq 1 1000";
    let keep = "cat > kept; until [ -e stop ]; do sleep 0.02; done";
    let nodes = chain(&[("make", make), ("keep", keep)]);
    let card = format!("[workspace]\nlabel = \"w\"\n[[pipelines]]\nlabel = \"p\"\ntap = \"on\"\n{nodes}");
    shipote.file("tapped.toml", card);
    shipote.run(&["up", "--detach", "tapped.toml"]).ok();
    let observer = shipote.attach(&["tap", "p", "make..keep", "--raw"]);
    until("the observer to see something", || observer.stdout().contains("tick").then_some(()));
    shipote.file("go", "");
    let kept = || std::fs::read_to_string(shipote.work().join("kept")).unwrap_or_default();
    until("the stream", || kept().ends_with("\n1000\n").then_some(()));
    shipote.file("stop", "");
    let seen = observer.end().text();
    // From where it came in, nothing is missing and nothing is added.
    assert!(seen.contains("tick\n1\n2\n") && kept().ends_with(&seen), "{seen}");
    let numbers: String = (1..=1000).map(|n| format!("{n}\n")).collect();
    assert!(kept().ends_with(&format!("tick\n{numbers}")));
}

#[test]
fn an_edge_that_nobody_declared_observable_can_not_be_tapped() {
    let shipote = served();
    shipote.file(
        "bare.toml",
        format!(
            "[workspace]\nlabel = \"w\"\n[[pipelines]]\nlabel = \"p\"\n{}",
            chain(&[("make", "sleep 600"), ("keep", "cat")])
        ),
    );
    shipote.run(&["up", "--detach", "bare.toml"]).ok();
    let refused = shipote.run(&["tap", "p", "make"]);
    assert_ne!(refused.code, 0);
    assert!(refused.stderr.contains("tap"), "it says how to make it so: {refused}");
}

/// An untapped edge exists in its two processes, and nowhere in the daemon.
#[test]
fn a_bare_edge_is_no_descriptor_of_the_daemon() {
    let shipote = served();
    shipote.file(
        "bare.toml",
        format!(
            "[workspace]\nlabel = \"w\"\n[[pipelines]]\nlabel = \"p\"\n{}",
            chain(&[("make", "exec sleep 600"), ("keep", "exec cat")])
        ),
    );
    shipote.run(&["up", "--detach", "bare.toml"]).ok();
    let process = shipote.running("p/make");
    let pipe = std::fs::read_link(format!("/proc/{}/fd/1", process.pid)).unwrap();
    let keeper = shipote.daemon_pid().unwrap();
    let mut others = vec![keeper];
    others.extend(shipote_tests::descendants(keeper).iter().map(|process| process.pid));
    let holds = |pid: &i32| {
        let entries = std::fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
        entries.filter_map(|entry| std::fs::read_link(entry.path()).ok()).any(|link| link == pipe)
    };
    let holders: Vec<i32> = others.into_iter().filter(holds).collect();
    let mut expected = vec![process.pid, shipote.running("p/keep").pid];
    expected.sort_unstable();
    let mut found = holders;
    found.sort_unstable();
    assert_eq!(found, expected);
}

#[test]
fn a_pipeline_s_picture_is_told() {
    let shipote = served();
    let scripts = [("source", "seq 1 5"), ("sink", "wc -l")];
    up(&shipote, &format!("discern = \"observe\"\n{}", chain(&scripts))).ok();
    let text = shipote.run(&["pipeline", "show", "p"]).ok().text();
    for part in ["source", "sink", "10 B", "text/plain"] {
        assert!(text.contains(part), "missing: {part}\n{}", normalised(&text, &[]));
    }
}

#[test]
fn content_that_is_not_what_was_declared_is_told() {
    let shipote = served();
    let nodes = r#"
        chain = true
        discern = "warn"
        nodes = [
          { label = "make", shell = "echo '{\"a\": 1}'", flows = { stdout = "text/csv" } },
          { label = "pass", run = ["cat"] },
        ]
    "#;
    let output = up(&shipote, nodes).ok();
    assert!(output.stderr.contains("application/json ≠ declared text/csv"), "{output}");
    let edge = shown(&shipote)["edges"][0].clone();
    assert_eq!((&edge["mismatch"], &edge["declared"]), (&true.into(), &"text/csv".into()), "{edge}");
}

#[test]
fn a_pipeline_with_more_streams_than_one_start_takes_says_so() {
    let shipote = served();
    let nodes: String =
        (0..300).map(|number| format!("{{ label = \"n{number}\", run = [\"cat\"] }},\n")).collect();
    let card = format!(
        "[workspace]\nlabel = \"w\"\n[[pipelines]]\nlabel = \"long\"\nchain = true\nnodes = [\n{nodes}]\n"
    );
    let output = shipote.up(&card);
    assert_ne!(output.code, 0, "{output}");
    assert!(
        output.stderr.contains("too many streams") && output.stderr.contains("split the pipeline"),
        "{output}"
    );
}

#[test]
fn what_a_producer_is_estimated_to_have_written_is_what_its_program_wrote() {
    let shipote = served();
    shipote
        .up("[workspace]\nlabel = \"w\"\n[[pipelines]]\nlabel = \"p\"\nchain = true\nnodes = [{ label = \"a\", shell = \"printf %01000d 0; sleep 600\" }, { label = \"b\", shell = \"cat > /dev/null\" }]\n")
        .ok();
    let estimate = until("an estimate", || {
        let view = shipote.json(&["pipeline", "show", "w/p"]);
        assert_eq!(view["edges"][0]["bytes"], Value::Null, "{view:#}");
        view["edges"][0]["bytes_estimate"].as_u64().filter(|bytes| *bytes > 0)
    });
    assert_eq!(estimate, 1_000);
}
