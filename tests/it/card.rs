//! Cards: every problem at once, with the line it stands in and what to write instead.

use crate::shipote;

/// Returns what `shipote check` says of a card, on both streams, and its exit code.
fn check(card: &str) -> String {
    let shipote = shipote();
    shipote.file("card.toml", card);
    let output = shipote.run(&["check", "card.toml"]);
    format!("{}{}exit code {}\n", output.text(), output.stderr, output.code)
}

#[test]
fn a_good_card_has_no_problem() {
    insta::assert_snapshot!(check("[workspace]\nlabel = \"a\"\n"), @r"
    card.toml: ok — 1 workspace
    exit code 0
    ");
}

#[test]
fn every_problem_of_a_card_is_told_with_its_line() {
    insta::assert_snapshot!(check(r#"
[workspace]
label = "a b"
ttl = "soon"
memory_max = "512MiB"

[[commands]]
run = "sort -rn"
retsart = "always"

[[pipelines]]
label = "p"
nodes = [
  { label = "one", run = ["cat"] },
  { label = "two", run = ["sort"] },
]
edges = [
  { from = "one", to = "tow" },
  { from = "two", to = "one" },
]
"#), @r#"
    error[bad_label]: the label `a b` has a character other than letters, digits, `.`, `_` and `-`
      --> card.toml:3:9
       |
     3 | label = "a b"
       |         ^^^^^ a label is up to 63 letters, digits, `.`, `_` or `-`, and begins with a letter or digit

    error[bad_unit]: `soon` is not a span of time
      --> card.toml:4:7
       |
     4 | ttl = "soon"
       |       ^^^^^^ write it like "90s", "1h30m" or "250ms"

    error[not_in_this_release]: `memory_max` is not enforced in this release
      --> card.toml:5:14
       |
     5 | memory_max = "512MiB"
       |              ^^^^^^^^ remove it; limits come with a later release

    error[wrong_type]: expected an array, found a string
      --> card.toml:8:7
       |
     8 | run = "sort -rn"
       |       ^^^^^^^^^^ write run = ["sort", "-rn"], or shell = "sort -rn" for a script

    error[unknown_key]: `retsart` is not a key of this table
      --> card.toml:9:1
       |
     9 | retsart = "always"
       | ^^^^^^^ did you mean `restart`?

    error[unknown_node]: there is no node `tow`
       --> card.toml:18:24
        |
     18 |   { from = "one", to = "tow" },
        |                        ^^^^^ did you mean `two`?

    card.toml: 6 errors
    exit code 7
    "#);
}

#[test]
fn what_this_release_does_not_enforce_is_refused_by_name() {
    insta::assert_snapshot!(check(r#"
[workspace]
label = "a"
net = "none"
on_exit = "linger"
pids_max = 64

[[commands]]
label = "c"
run = ["true"]
ready = { tcp = 80 }
"#), @r#"
    error[not_in_this_release]: the permission `net` is not enforced in this release
      --> card.toml:4:7
       |
     4 | net = "none"
       |       ^^^^^^ remove it; permissions come with a later release

    error[not_in_this_release]: `on_exit` = "linger" is not enforced in this release
      --> card.toml:5:11
       |
     5 | on_exit = "linger"
       |           ^^^^^^^^ remove it for "reap", which ends everything

    error[not_in_this_release]: `pids_max` is not enforced in this release
      --> card.toml:6:12
       |
     6 | pids_max = 64
       |            ^^ remove it; limits come with a later release

    error[not_in_this_release]: `ready` is not enforced in this release
       --> card.toml:11:9
        |
     11 | ready = { tcp = 80 }
        |         ^^^^^^^^^^^^ remove it; a command counts as ready when it runs

    card.toml: 4 errors
    exit code 7
    "#);
}

#[test]
fn a_cycle_is_told_at_its_last_edge() {
    insta::assert_snapshot!(check(r#"
[[pipelines]]
label = "round"
nodes = [{ label = "a", run = ["cat"] }, { label = "b", run = ["cat"] }]
edges = [{ from = "a", to = "b" }, { from = "b", to = "a" }]
"#), @r#"
    error[cycle]: the edges lead in a circle: b -> a -> b
      --> card.toml:5:36
       |
     5 | edges = [{ from = "a", to = "b" }, { from = "b", to = "a" }]
       |                                    ^^^^^^^^^^^^^^^^^^^^^^^^ remove one of them

    card.toml: 1 error
    exit code 7
    "#);
}

#[test]
fn a_slip_of_the_pen_does_not_hide_the_rest() {
    insta::assert_snapshot!(check("[workspace\nlabel = \"a\"\n\n[[commands]]\nrun = []\n"), @r"
    fatal[syntax]: unclosed table, expected `]`
      --> card.toml:1:11
       |
     1 | [workspace
       |           ^

    card.toml: 1 error
    exit code 7
    ");
}

#[test]
fn a_card_is_printed_in_its_full_form() {
    let shipote = shipote();
    shipote.file("card.toml", "[[commands]]\nrun = [\"sleep\", \"1\"]\nrestart = \"always\"\n");
    let output = shipote.run(&["check", "--canonical", "card.toml"]).ok();
    insta::assert_snapshot!(output.text(), @r#"
    {
      "commands": [
        {
          "label": "sleep",
          "payload": {
            "native": {
              "exec": "sleep",
              "argv": [
                "1"
              ],
              "envp": []
            }
          },
          "soma": {},
          "flows": {},
          "supervision": {
            "restart": {
              "on": "always",
              "backoff_ms": 200,
              "max_backoff_ms": 30000,
              "max": 0,
              "jitter": true,
              "stable_ms": 0
            }
          }
        }
      ]
    }
    "#);
}

#[test]
fn a_card_that_cannot_be_read_does_not_hide_the_others() {
    let shipote = shipote();
    shipote.file("latin1.toml", b"[workspace]\nlabel = \"caf\xe9\"\n");
    shipote.file("good.toml", "[workspace]\n");
    let output = shipote.run(&["check", "latin1.toml", "missing.toml", "good.toml"]).exits(7);
    insta::assert_snapshot!(format!("{}{}", output.text(), output.stderr), @r"
    latin1.toml: not readable
    missing.toml: not readable
    good.toml: ok — 1 workspace
    error: latin1.toml is not UTF-8: byte 24 is wrong
    hint: save it as UTF-8, for example: iconv -f LATIN1 -t UTF-8 latin1.toml > NEW.toml
    error: read the card missing.toml: no such file or directory
    hint: check the path; ls . lists what is there
    ");
    let words = ["--output", "json", "check", "latin1.toml", "missing.toml", "good.toml"];
    let verdicts = shipote.run(&words).exits(7).json();
    let shown: Vec<String> = verdicts
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| format!("{} {} {}", entry["file"], entry["verdict"], entry["problems"][0]["code"]))
        .collect();
    insta::assert_debug_snapshot!(shown, @r#"
    [
        "\"latin1.toml\" \"invalid\" \"not_a_text\"",
        "\"missing.toml\" \"invalid\" \"unreadable\"",
        "\"good.toml\" \"valid\" null",
    ]
    "#);
    // What is only not there keeps its own exit code.
    shipote.run(&["check", "good.toml", "missing.toml"]).exits(3);
}

#[test]
fn json_names_file_verdict_and_problems() {
    let shipote = shipote();
    shipote.file("good.toml", "[workspace]\n");
    shipote.file("bad.toml", "[workspace]\nlabel = 7\n");
    let output = shipote.run(&["--output", "json", "check", "good.toml", "bad.toml"]).exits(7);
    let verdicts = output.json();
    assert_eq!(verdicts[0]["problems"], serde_json::json!([]), "{output}");
    assert_eq!(verdicts[1]["problems"][0]["line"], 2, "{output}");
    assert_eq!(verdicts[1]["problems"][0]["column"], 9, "{output}");
    assert_ne!(verdicts[0]["verdict"], verdicts[1]["verdict"]);
}
