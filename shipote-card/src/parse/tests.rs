//! What people write, and what they read when it is wrong.

use alloc::format;
use alloc::string::String;

use super::*;
use crate::canonical::canonical;
use crate::code::ALL;

/// The card that the documentation shows, with everything that the model has.
pub(super) const USEFUL: &str = r#"[workspace]
label = "access-log"
ttl = "2h"
memory_max = "512MiB"                 # soma's fields may stand right here
net = "none"                          # and so may permissions'

[[commands]]                          # supervised beside the pipelines
label = "web"
run = ["python3", "-m", "http.server"]   # short for payload.native, looked up in PATH
restart = { on = "failure", backoff = "200ms", max_backoff = "30s", max = 0 }

[[pipelines]]
label = "top-paths"
chain = true                          # each node's stdout to the next one's stdin
nodes = [
  { label = "unzip", run = ["zcat", "access.log.gz"] },
  { label = "sort",  run = ["sort"] },
  { label = "count", run = ["uniq", "-c"] },
  { label = "rank",  run = ["sort", "-rn"] },
  { label = "top",   run = ["head", "-5"] },
]
"#;

fn report(problems: &[Problem]) -> String {
    let mut text = String::new();
    for problem in problems {
        assert!(ALL.iter().any(|(code, _)| *code == problem.code), "{}", problem.code);
        let Problem { severity, code, place, len, message, hint, related } = problem;
        let severity = format!("{severity:?}").to_lowercase();
        text +=
            &format!("{}:{}+{len} {severity} {code} {} {message}\n", place.line, place.column, place.pointer);
        if !hint.is_empty() {
            text += &format!("    {hint}\n");
        }
        for place in related {
            text += &format!("    see {}:{} {}\n", place.line, place.column, place.pointer);
        }
    }
    text
}

pub(super) fn check_toml(text: &str) -> String {
    let parsed = parse(text, Syntax::Toml, "stem");
    assert_eq!(parsed.card.is_none(), parsed.problems.iter().any(Problem::is_error));
    report(&parsed.problems)
}

fn check_json(text: &str) -> String {
    report(&parse(text, Syntax::Json, "stem").problems)
}

/// Returns the card that a text decodes to, whether or not this release enforces it.
pub(crate) fn decoded(text: &str, syntax: Syntax) -> Card {
    let reading = read(text, syntax, "stem", &Lines::of(text));
    assert!(reading.problems.is_empty(), "{}", report(&reading.problems));
    reading.card
}

pub(super) fn full(text: &str) -> String {
    canonical(&decoded(text, Syntax::Toml))
}

#[test]
fn the_useful_card_decodes_and_names_what_is_not_enforced() {
    insta::assert_snapshot!(full(USEFUL), @r#"
    {
      "workspace": {
        "label": "access-log",
        "soma": {
          "memory_max": 536870912
        },
        "permissions": {
          "net": "none"
        },
        "ttl": 7200,
        "flow_dirs": [],
        "on_exit": "reap",
        "quota_enforce": {}
      },
      "commands": [
        {
          "label": "web",
          "payload": {
            "native": {
              "exec": "python3",
              "argv": [
                "-m",
                "http.server"
              ],
              "envp": []
            }
          },
          "soma": {},
          "flows": {},
          "supervision": {
            "restart": {
              "on": "failure",
              "backoff_ms": 200,
              "max_backoff_ms": 30000,
              "max": 0,
              "jitter": true,
              "stable_ms": 0
            }
          }
        }
      ],
      "pipelines": [
        {
          "label": "top-paths",
          "workspace": "",
          "nodes": [
            {
              "label": "unzip",
              "payload": {
                "native": {
                  "exec": "zcat",
                  "argv": [
                    "access.log.gz"
                  ],
                  "envp": []
                }
              },
              "soma": {},
              "flows": {},
              "supervision": "one_shot"
            },
            {
              "label": "sort",
              "payload": {
                "native": {
                  "exec": "sort",
                  "argv": [],
                  "envp": []
                }
              },
              "soma": {},
              "flows": {},
              "supervision": "one_shot"
            },
            {
              "label": "count",
              "payload": {
                "native": {
                  "exec": "uniq",
                  "argv": [
                    "-c"
                  ],
                  "envp": []
                }
              },
              "soma": {},
              "flows": {},
              "supervision": "one_shot"
            },
            {
              "label": "rank",
              "payload": {
                "native": {
                  "exec": "sort",
                  "argv": [
                    "-rn"
                  ],
                  "envp": []
                }
              },
              "soma": {},
              "flows": {},
              "supervision": "one_shot"
            },
            {
              "label": "top",
              "payload": {
                "native": {
                  "exec": "head",
                  "argv": [
                    "-5"
                  ],
                  "envp": []
                }
              },
              "soma": {},
              "flows": {},
              "supervision": "one_shot"
            }
          ],
          "edges": [
            {
              "from": "unzip",
              "to": "sort"
            },
            {
              "from": "sort",
              "to": "count"
            },
            {
              "from": "count",
              "to": "rank"
            },
            {
              "from": "rank",
              "to": "top"
            }
          ],
          "discern": "off",
          "tap": "off",
          "restart_on_failure": false,
          "restart_backoff_ms": 200,
          "restart_max_backoff_ms": 30000,
          "restart_max": 0
        }
      ]
    }
    "#);
    insta::assert_snapshot!(check_toml(USEFUL), @r#"
    4:14+8 error not_in_this_release /workspace/memory_max `memory_max` is not enforced in this release
        remove it; limits come with a later release
    5:7+6 error not_in_this_release /workspace/net the permission `net` is not enforced in this release
        remove it; permissions come with a later release
    "#);
}

#[test]
fn short_forms_stand_for_full_ones() {
    let short = r#"
[workspace]
cwd = "data"
uid = 1000
env = { LANG = "C" }
tap = "Deny"
root = "/srv/root"

[[commands]]
run = ["/usr/bin/env", "true"]
cwd = "/tmp"
restart = "always"

[[commands]]
label = "script"
shell = "echo hi"
ready = { tcp = 8080, timeout = "5s" }
grace = "3s"

[[pipelines]]
label = "p"
restart = { on = "failure", backoff = "1s", max = 3 }
nodes = [{ run = ["cat"] }]
"#;
    let long = r#"
[workspace]
label = "stem"
soma = { cwd = "data", uid = 1000, env.LANG = "C", root.directory = "/srv/root" }
permissions.tap = "deny"

[[commands]]
label = "env"
payload.native = { exec = "/usr/bin/env", argv = ["true"] }
soma.cwd = "/tmp"
supervision.restart = { on = "always" }

[[commands]]
label = "script"
payload.Shell.script = "echo hi"
ready = { tcp = "8080", timeout = 5 }
grace = 3

[[pipelines]]
label = "p"
restart_on_failure = true
restart_backoff_ms = 1000
restart_max = 3
nodes = [{ label = "cat", payload.native.exec = "cat" }]
edges = []
"#;
    assert_eq!(full(short), full(long));
}

#[test]
fn every_problem_is_told_at_once_with_its_place_and_a_hint() {
    insta::assert_snapshot!(check_toml(r#"
[workspace]
label = "a b"
memroy_max = "512MiB"
ttl = "2 hours"
cwd = 5
on_exit = "reep"
uid = -1
[workspace.soma]
cwd = "x"

[[commands]]
run = "sort -rn"

[[commands]]
label = "web"
run = ["serve"]
shell = "serve"
memory_max = "1GiB"
stop_signal = "SIGTREM"
restart = { backoff = "1m" }
success_codes = []

[[commands]]
label = "web"

[[pipelines]]
nodes = [{ run = ["a"] }, { run = ["a"] }]
"#), @r#"
    3:9+5 error bad_label /workspace/label the label `a b` has a character other than letters, digits, `.`, `_` and `-`
        a label is up to 63 letters, digits, `.`, `_` or `-`, and begins with a letter or digit
    4:1+10 error unknown_key /workspace/memroy_max `memroy_max` is not a key of this table
        did you mean `memory_max`?
    5:7+9 error bad_unit /workspace/ttl `2 hours` is not a span of time
        write it like "90s", "1h30m" or "250ms"
    6:1+3 error given_twice /workspace/cwd `cwd` is given twice
        keep one of the two
        see 10:7 /workspace/soma/cwd
    7:11+6 error unknown_value /workspace/on_exit `reep` is not known here
        did you mean `reap`? (one of `reap`, `linger`, `freeze`)
    8:7+2 error out_of_range /workspace/uid the number is out of range: 0 to 4294967295
    13:7+10 error wrong_type /commands/0/run expected an array, found a string
        write run = ["sort", "-rn"], or shell = "sort -rn" for a script
    18:1+5 error given_twice /commands/1/shell `shell` says again what `run` says
        keep one of the two
        see 17:7 /commands/1/run
    19:1+10 error unknown_key /commands/1/memory_max `memory_max` is not a key of this table
        it belongs to the whole workspace: put it in [workspace]
    20:15+9 error unknown_signal /commands/1/stop_signal `SIGTREM` is not a signal that stops a command
        did you mean `TERM`?
    21:23+4 error backoff_above_max /commands/1/restart/backoff the first delay 1m is above the longest, 30s
        raise `max_backoff` or lower this
    22:17+2 error no_success_code /commands/1/success_codes no exit code counts as success, so every run would have failed
        leave it out for [0]
    24:1+12 error missing_key /commands/2 `run` is missing
        say what is executed: run = ["program", "argument"], or shell = "…"
    25:9+5 error duplicate_label /commands/2/label two commands are called `web`
        rename one of them
        see 16:9 /commands/1/label
    27:1+13 error missing_edges /pipelines/0 nothing says how the nodes are joined
        write chain = true, or edges = [ { from = "a", to = "b" } ]; edges = [] leaves them side by side
    28:10+1 error missing_key /pipelines/0/nodes/0 `label` is missing
        `a` alone would not tell it from another one: give it a label
    28:27+1 error missing_key /pipelines/0/nodes/1 `label` is missing
        `a` alone would not tell it from another one: give it a label
    "#);
}

#[test]
fn slips_of_syntax_are_all_told_and_hide_nothing_else() {
    insta::assert_snapshot!(check_toml(
        "[workspace]\nlabel = \"a\nttl = \"1h\"\nuid = \nttl = 3\nhostnam = \"é\"\n[[commands]\nlabel = 'x'\n"
    ), @r#"
    2:11+0 fatal syntax /workspace/label invalid basic string, expected `"`
    4:7+0 fatal syntax /workspace/uid string values must be quoted, expected literal string
    5:1+3 error duplicate_key /workspace/ttl `ttl` is given twice
        keep one of the two
        see 3:1 /workspace/ttl
    6:1+7 error unknown_key /workspace/hostnam `hostnam` is not a key of this table
        did you mean `hostname`?
    7:12+0 fatal syntax /label/0 unclosed array table, expected `]`
    "#);
}

#[test]
fn json_has_the_same_shape_and_places() {
    insta::assert_snapshot!(check_json(
        "{\"workspace\": {\"label\": \"é\", \"ttl\": null,\n \"on_exit\": \"Reap\", \"ttl\": 1.5, \"gid\": 1e3},\n \"commands\": [{\"run\": []}, 7]}"
    ), @r#"
    1:25+4 error bad_label /workspace/label the label `é` does not begin with a letter or a digit
        a label is up to 63 letters, digits, `.`, `_` or `-`, and begins with a letter or digit
    2:21+5 error duplicate_key /workspace/ttl `ttl` is given twice
        keep one of the two
        see 1:30 /workspace/ttl
    2:40+3 error wrong_type /workspace/gid expected an integer, found a number with a fraction or exponent
    3:23+2 error empty_program /commands/0/run the array is empty
        its first element is the program
    3:28+1 error wrong_type /commands/1 expected a table like { label = "sort", run = ["sort"] }, found an integer
    "#);
    insta::assert_snapshot!(check_json("{\"workspace\": {},}"), @"1:18+0 fatal syntax  key must be a string");
    insta::assert_snapshot!(check_json("\u{feff}{\"workspace\": {} x"), @r#"
    1:1+0 warning byte_order_mark  the text begins with a byte order mark
        save it as UTF-8 without one
    1:19+0 fatal syntax  expected `,` or `}`
    "#);
    insta::assert_snapshot!(check_json("[\"\\ud800\"]"), @"1:2+8 fatal syntax /0 unexpected end of hex escape");
    insta::assert_snapshot!(check_json(""), @"1:1+0 fatal syntax  EOF while parsing a value");
}

#[test]
fn a_card_may_bring_only_commands_or_nothing() {
    insta::assert_snapshot!(check_toml(""), @r#"
    1:1+0 warning empty_card  the card declares nothing
        begin with [workspace], [[commands]] or [[pipelines]]
    "#);
    insta::assert_snapshot!(check_toml("[[commands]]\nrun = [\"true\"]\n"), @"");
    insta::assert_snapshot!(check_toml("\u{feff}[workspace]\n"), @r#"
    1:1+0 warning byte_order_mark  the text begins with a byte order mark
        save it as UTF-8 without one
    "#);
    insta::assert_snapshot!(check_toml("workspace = 3\ncommand = []\nlabel = 'x'\nmemory_max = '1GiB'\n"), @r#"
    1:13+1 error wrong_type /workspace expected a table, found an integer
    2:1+7 error unknown_key /command `command` is not a key of this table
        commands are written as [[commands]]
    3:1+5 error unknown_key /label `label` is not a key of this table
        a label belongs to something: put it below [workspace]
    4:1+10 error unknown_key /memory_max `memory_max` is not a key of this table
        it belongs to the whole workspace: put it in [workspace]
    "#);
}

#[test]
fn the_file_stem_is_a_label_only_where_it_keeps_the_rule() {
    let text = "[workspace]\nttl = '1h'\n[[pipelines]]\nnodes = [{ run = ['true'] }]\n";
    let card = parse(text, Syntax::Toml, "stem").card.unwrap();
    assert_eq!(
        (card.workspace.unwrap().label, card.pipelines[0].label.clone()),
        ("stem".into(), "stem".into())
    );
    insta::assert_snapshot!(report(&parse(text, Syntax::Toml, "my card").problems), @r#"
    1:1+11 error missing_key /workspace `label` is missing
        the name of the file can't be the label: give one
    3:1+13 error missing_key /pipelines/0 `label` is missing
    "#);
}

#[test]
fn each_way_to_restart_is_read_or_told_how() {
    insta::assert_snapshot!(check_toml(r#"
[[commands]]
run = ["a"]
restart = "never"
[[commands]]
run = ["b"]
restart = true
[[commands]]
run = ["c"]
supervision = { restart = { backoff_ms = 5, backoff = "5s", jitter = "no" } }
restart = "always"
[[pipelines]]
nodes = [{ run = ["d", 5] }]
restart = "always"
"#), @r#"
    4:11+7 error unknown_value /commands/0/restart `never` is no reason for a restart
        leave it out: a command without `restart` runs once
    7:11+4 error wrong_type /commands/1/restart expected a string or a table, found a boolean
        "failure", "always", or a table like { on = "failure", backoff = "200ms" }
    10:45+7 error given_twice /commands/2/supervision/restart/backoff `backoff` says again what `backoff_ms` says
        keep one of the two
        see 10:42 /commands/2/supervision/restart/backoff_ms
    10:70+4 error wrong_type /commands/2/supervision/restart/jitter expected true or false, found a string
    11:1+7 error given_twice /commands/2/restart `restart` says again what `supervision` says
        keep one of the two
        see 10:15 /commands/2/supervision
    13:24+1 error wrong_type /pipelines/0/nodes/0/run/1 expected a string, found an integer
        put it in quotes
    14:11+8 error unknown_value /pipelines/0/restart a pipeline is started again only when it fails
        write "failure"
    "#);
}

#[test]
fn what_is_not_enforced_is_refused_by_name() {
    insta::assert_snapshot!(check_toml(r#"
[workspace]
label = "w"
on_exit = "linger"
mounts = [{ source = "/a", target = "/b" }]
rlimits = { nofile = 10 }
cpu_max = 1.5
files = { read = ["/etc"] }
capabilities = ["net_raw"]
tap = "deny"
[workspace.quota_enforce]
memory = [{ at = "80%", do = "warn", hold = "10s" }, { at = "x", do = "signal:USR1" }]

[[commands]]
run = ["db"]
ready = { log = "ready" }
soma = { hostname = "x", pids_max = 3 }

[[commands]]
run = ["web"]
after = ["dv"]
"#), @r#"
    4:11+8 error not_in_this_release /workspace/on_exit `on_exit` = "linger" is not enforced in this release
        remove it for "reap", which ends everything
    5:10+34 error not_in_this_release /workspace/mounts `mounts` is not enforced in this release
        remove it; the workspace sees the host's files in this release
    6:11+15 error not_in_this_release /workspace/rlimits `rlimits` is not enforced in this release
        remove it; limits come with a later release
    7:11+3 error not_in_this_release /workspace/cpu_max `cpu_max` is not enforced in this release
        remove it; limits come with a later release
    8:9+19 error not_in_this_release /workspace/files the permission `files` is not enforced in this release
        remove it; permissions come with a later release
    9:16+11 error not_in_this_release /workspace/capabilities the permission `capabilities` is not enforced in this release
        remove it; permissions come with a later release
    10:7+6 error not_in_this_release /workspace/tap the permission `tap` is not enforced in this release
        remove it; permissions come with a later release
    12:10+77 error not_in_this_release /workspace/quota_enforce/memory `quota_enforce` of memory is not enforced in this release
        remove it; limits come with a later release
    12:61+3 error bad_quota_line /workspace/quota_enforce/memory/1/at `x` is neither a percentage nor an amount
        write it like "80%" or "30GiB"
    16:9+17 error not_in_this_release /commands/0/ready `ready` is not enforced in this release
        remove it; a command counts as ready when it runs
    17:21+3 error not_in_this_release /commands/0/soma/hostname `hostname` of a single command is not enforced in this release
        remove it here; it belongs to the whole workspace
    17:37+1 error not_in_this_release /commands/0/soma/pids_max `pids_max` is not enforced in this release
        remove it; limits come with a later release
    21:9+6 error not_in_this_release /commands/1/after `after` is not enforced in this release
        remove it; all commands start at once
    21:10+4 error unknown_command /commands/1/after/0 there is no command `dv` to wait for
        did you mean `db`?
    "#);
}
