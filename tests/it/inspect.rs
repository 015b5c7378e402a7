//! `shipote inspect`: the page with files in it, where it goes, and who opens it. That it shows them is tested in a
//! browser, beside the page.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::fs;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime};

use shipote_tests::{Need, Shipote, has, normalised};

use crate::{ORDINARY, served, shipote};

fn fixture(name: &str) -> Vec<u8> {
    fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/state").join(name)).unwrap()
}

/// Returns where the page goes for a user without a session.
fn cached(shipote: &Shipote) -> PathBuf {
    shipote.state_dir().parent().unwrap().join(".cache/shipote/inspect.html")
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

/// Returns the names that a page carries, as they stand in it.
fn names(page: &Path) -> Vec<String> {
    let text = fs::read_to_string(page).unwrap();
    let values = text.split("class=\"carried\" data-name=\"").skip(1);
    values.map(|value| value.split_once('"').unwrap().0.to_owned()).collect()
}

/// Runs each line of `shipote …`, and returns what a terminal would show.
fn transcript(shipote: &Shipote, lines: &[&str]) -> String {
    let mut text = String::new();
    let (work, home) = (format!("{}/", shipote.work().display()), cached(shipote));
    let home = home.ancestors().nth(3).unwrap().display().to_string();
    for line in lines {
        let output = shipote.run(&line.split(' ').collect::<Vec<_>>());
        let shown =
            normalised(&format!("{}{}", output.text(), output.stderr), &[(&work, ""), (&home, "HOME")]);
        let _ = writeln!(text, "$ shipote {line}\n{shown}[{}]\n", output.code);
    }
    text
}

#[test]
fn a_page_with_files_in_it_is_for_its_user_alone() {
    if !has(Need::Page) {
        return;
    }
    let shipote = shipote();
    shipote.file("old.json", fixture("v4-full.json"));
    shipote.file("new.json", fixture("v5-full.json"));
    insta::assert_snapshot!(transcript(&shipote, &[
        "inspect old.json new.json",
        "inspect -o page.html new.json",
        "inspect -o page.html --empty",
        "inspect --no-open --empty",
        "inspect --no-open",
        "inspect --quiet new.json",
    ]), @r"
    $ shipote inspect old.json new.json
    HOME/.cache/shipote/inspect.html
    shipote: the page holds old.json, new.json, values of environment variables included; only you can read it (mode 0600)
    shipote: nothing was opened, since stdout is no terminal; open the page in a browser, here or where you copy it to
    [0]

    $ shipote inspect -o page.html new.json
    page.html
    shipote: the page holds new.json, values of environment variables included; only you can read it (mode 0600)
    [0]

    $ shipote inspect -o page.html --empty
    page.html
    [0]

    $ shipote inspect --no-open --empty
    HOME/.cache/shipote/inspect.html
    [0]

    $ shipote inspect --no-open
    HOME/.cache/shipote/inspect.html
    shipote: nothing is kept in HOME/state; the page is empty, and takes the files that are dropped on it
    [0]

    $ shipote inspect --quiet new.json
    HOME/.cache/shipote/inspect.html
    [0]
    ");
    assert_eq!(mode(&cached(&shipote)), 0o600);
    assert_eq!(mode(cached(&shipote).parent().unwrap()), 0o700);
    assert_eq!(names(&cached(&shipote)), ["new.json"]);
    assert_eq!(names(&shipote.work().join("page.html")), [""; 0]);
    // Each page takes the place of the one before, and what a killed run left goes.
    let left = cached(&shipote).with_file_name(".shipote-inspect.1.tmp");
    let long_ago = SystemTime::now() - Duration::from_secs(2 * 60 * 60);
    fs::File::create(left).unwrap().set_modified(long_ago).unwrap();
    shipote.run(&["inspect", "--empty"]).ok();
    assert_eq!(fs::read_dir(cached(&shipote).parent().unwrap()).unwrap().count(), 1);
    shipote.run(&["inspect", "-o", "page.html", "new.json"]).ok();
    assert_eq!(mode(&shipote.work().join("page.html")), 0o600);
}

#[test]
fn files_of_one_name_are_told_apart_by_their_directories() {
    if !has(Need::Page) {
        return;
    }
    let shipote = shipote();
    for dir in ["a", "b"] {
        fs::create_dir(shipote.work().join(dir)).unwrap();
        fs::write(shipote.work().join(dir).join("state.json"), fixture("v5-full.json")).unwrap();
    }
    let told = shipote.run(&["inspect", "-o", "page.html", "a/state.json", "b/state.json"]).ok();
    assert!(told.stderr.contains("the page holds a/state.json, b/state.json, values"), "{}", told.stderr);
    assert_eq!(names(&shipote.work().join("page.html")), ["a/state.json", "b/state.json"]);
}

#[test]
fn a_page_goes_with_the_session_where_there_is_one() {
    if !has(Need::Page) {
        return;
    }
    let shipote = shipote();
    let runtime = shipote.work().join("run");
    fs::create_dir(&runtime).unwrap();
    let mut command = shipote.command(&["inspect", "--empty"]);
    let output = command.env("XDG_RUNTIME_DIR", &runtime).output().unwrap();
    assert!(output.status.success());
    let page = runtime.join("shipote/inspect.html");
    assert_eq!(String::from_utf8(output.stdout).unwrap(), format!("{}\n", page.display()));
    assert_eq!(mode(page.parent().unwrap()), 0o700);
    assert!(!cached(&shipote).exists());
}

#[test]
fn what_is_no_file_is_named_before_anything_is_written() {
    if !has(Need::Page) {
        return;
    }
    let shipote = shipote();
    shipote.file("state.json", fixture("v5-full.json"));
    shipote.file("notes.html", "<!doctype html>\n<p>Notes");
    fs::create_dir(shipote.work().join("backup")).unwrap();
    assert!(Command::new("mkfifo").arg(shipote.work().join("fifo")).status().unwrap().success());
    insta::assert_snapshot!(transcript(&shipote, &[
        "inspect state.json backup",
        "inspect state.json fifo",
        "inspect state.json /dev/null",
        "inspect state.json absent.json",
        "inspect -o state.json",
        "inspect -o notes.html",
        "inspect -o backup",
        "inspect -o /dev/full",
        "inspect -o absent/page.html",
        "inspect --empty state.json",
        "--output json inspect -o - state.json",
    ]), @r#"
    $ shipote inspect state.json backup
    error: read backup: it is a directory, and a page carries files
    hint: name files in it; or, if it is a state directory: shipote --state-dir backup inspect
    [2]

    $ shipote inspect state.json fifo
    error: read fifo: it is a FIFO, and a page carries files
    hint: - reads stdin: shipote inspect - < fifo
    [2]

    $ shipote inspect state.json /dev/null
    error: read /dev/null: it is a device or socket, and a page carries files
    hint: - reads stdin: shipote inspect - < /dev/null
    [2]

    $ shipote inspect state.json absent.json
    error: read absent.json: no such file or directory
    hint: check the path; ls . lists what is there
    [3]

    $ shipote inspect -o state.json
    error: state.json is there, and is no page of the inspector
    hint: name another file; one that holds something else is never overwritten
    [5]

    $ shipote inspect -o notes.html
    error: notes.html is there, and is no page of the inspector
    hint: name another file; one that holds something else is never overwritten
    [5]

    $ shipote inspect -o backup
    error: write backup: is a directory
    hint: name a file in it: ls backup
    [1]

    $ shipote inspect -o /dev/full
    error: write /dev/full: it is no regular file
    hint: -o - writes to stdout, which can be any of these
    [2]

    $ shipote inspect -o absent/page.html
    error: write absent/page.html: no such file or directory
    hint: the directory absent is not there either; check the path
    [3]

    $ shipote inspect --empty state.json
    error: the argument '--empty' cannot be used with '[FILES]...'

    Usage: shipote inspect --empty [FILES]...

    For more information, try '--help'.
    [2]

    $ shipote --output json inspect -o - state.json
    {"error":{"candidates":[],"code":"usage","hint":"name a file: -o page.html","message":"-o - writes the page to stdout, where --output json has its document","problems":[]}}
    [2]
    "#);
    assert!(!cached(&shipote).exists());
    assert_eq!(fs::read(shipote.work().join("state.json")).unwrap(), fixture("v5-full.json"));
    assert_eq!(fs::read_dir(shipote.work()).unwrap().count(), 4);
}

#[test]
fn a_file_that_may_not_be_read_is_named() {
    if !has(Need::OtherUid) || !has(Need::Page) {
        return;
    }
    let shipote = Shipote::as_user(crate::PAYLOAD, ORDINARY);
    let secret = shipote.file("secret.json", "{}");
    fs::set_permissions(&secret, fs::Permissions::from_mode(0o000)).unwrap();
    insta::assert_snapshot!(transcript(&shipote, &["inspect secret.json"]), @r"
    $ shipote inspect secret.json
    error: read secret.json: permission denied
    hint: ls -ld secret.json tells whose it is and who may
    [8]
    ");
    assert!(!cached(&shipote).exists());
}

#[test]
fn without_a_file_it_is_the_state_of_this_user_served_or_not() {
    if !has(Need::Page) {
        return;
    }
    let mut shipote = served();
    shipote.run(&["ws", "create", "--label", "one"]).ok();
    let told = shipote.json(&["inspect"]);
    let page = cached(&shipote);
    assert_eq!(told["page"], page.to_str().unwrap());
    assert_eq!(told["opened"], false);
    assert_eq!(told["bytes"], fs::metadata(&page).unwrap().len());
    let state = shipote.state_dir();
    let sizes = |name: &str| fs::metadata(state.join(name)).unwrap().len();
    let journal = told["files"]
        .as_array()
        .unwrap()
        .iter()
        .find(|file| file["file"] == state.join("state.journal").to_str().unwrap());
    assert_eq!(journal.unwrap()["bytes"], sizes("state.journal"));

    assert_eq!(shipote.daemon_term().code(), Some(0));
    // What is not there yet, or has no line yet, is not missed, and what has another name is no file of a state.
    fs::write(state.join("stats.journal"), "").unwrap();
    fs::write(state.join("state.json.1"), fixture("v4-full.json")).unwrap();
    fs::write(state.join("state.json.2"), fixture("v4-full.json")).unwrap();
    fs::write(state.join("notes.txt"), "no state").unwrap();
    let told = shipote.json(&["inspect", "-o", "page.html"]);
    let files: Vec<&str> =
        told["files"].as_array().unwrap().iter().map(|file| file["file"].as_str().unwrap()).collect();
    assert_eq!(files.first().copied(), state.join("state.json.2").to_str());
    assert_eq!(
        files.last().copied(),
        state.join("state.json").to_str(),
        "the page shows the state of the last one"
    );
    let absent = ["state.json.1", "notes.txt", "stats.journal"];
    assert!(!files.iter().any(|file| absent.iter().any(|name| file.ends_with(name))), "{files:?}");
    assert_eq!(names(&shipote.work().join("page.html")).len(), files.len());
}

#[test]
fn stdin_is_a_file_and_stdout_can_be_the_page() {
    if !has(Need::Page) {
        return;
    }
    let shipote = shipote();
    let output = shipote.run_with_input(&["inspect", "-", "-o", "-"], &fixture("v5-full.json")).ok();
    insta::assert_snapshot!(output.stderr, @"shipote: the page holds -, values of environment variables included; see to it that only you can read it");
    let page = shipote.file("out.html", output.stdout);
    assert_eq!(names(&page), ["-"]);
    let name = OsString::from_vec(b"\xff\"<b>\x1b.json".to_vec());
    fs::write(shipote.work().join(&name), "{}").unwrap();
    let words =
        [OsString::from("--output"), "json".into(), "inspect".into(), "-o".into(), "page.html".into(), name];
    let told = shipote.run(&words).ok().json();
    assert_eq!(told["files"][0]["file"], "\u{fffd}\"<b>\u{1b}.json");
    assert_eq!(names(&shipote.work().join("page.html")), ["\u{fffd}&#34;&#60;b&#62;&#27;.json"]);
}

#[test]
fn a_browser_is_opened_where_somebody_sits_in_front_of_it() {
    if !has(Need::Page) {
        return;
    }
    let shipote = shipote();
    shipote.file("state.json", fixture("v5-full.json"));
    fs::create_dir(shipote.work().join("bin")).unwrap();
    // On a terminal, with a launcher that writes down what it is to open.
    let on_terminal = |words: &str, display: &str, launcher: &str| {
        // By another program, so that no other test's child has it open for writing while it is executed.
        let write = "printf '#!/bin/sh\\n%s\\n' \"$1\" > bin/xdg-open && chmod 755 bin/xdg-open";
        let mut shell = Command::new("sh");
        shell.args(["-c", write, "sh", launcher]).current_dir(shipote.work());
        assert!(shell.status().unwrap().success());
        let plain = shipote.command(&[""; 0]);
        let line = format!("{} {words}", plain.get_program().to_str().unwrap());
        let mut command = Command::new("script");
        command.args(["-qec", &line, "/dev/null"]).current_dir(shipote.work()).env_clear();
        command.envs(plain.get_envs().filter_map(|(name, value)| Some((name, value?))));
        let path = format!("{}/bin:/usr/bin:/bin", shipote.work().display());
        let output =
            command.env("PATH", path).env("SHELL", "/bin/sh").env("DISPLAY", display).output().unwrap();
        let opened = fs::read_to_string(shipote.work().join("opened")).unwrap_or_default();
        let _ = fs::remove_file(shipote.work().join("opened"));
        let shown = String::from_utf8(output.stdout).unwrap().replace('\r', "");
        let home = shipote.state_dir().parent().unwrap().display().to_string();
        let size = fs::metadata(cached(&shipote)).map(|meta| meta.len().to_string()).unwrap_or_default();
        let work = format!("{}/", shipote.work().display());
        let known = [(home.as_str(), "HOME"), (&work, ""), (size.as_str(), "SIZE")];
        normalised(
            &format!("{shown}[{}] opened: {opened}", output.status.code().unwrap()),
            &known[..known.len() - usize::from(size.is_empty())],
        )
    };
    let writes = "printf %s \"$1\" > opened";
    insta::assert_snapshot!(on_terminal("inspect state.json", ":0", writes), @r"
    shipote: the page holds state.json, values of environment variables included; only you can read it (mode 0600)
    HOME/.cache/shipote/inspect.html
    [0] opened: HOME/.cache/shipote/inspect.html
    ");
    insta::assert_snapshot!(on_terminal("inspect --output json state.json", ":0", writes), @r#"
    shipote: the page holds state.json, values of environment variables included; only you can read it (mode 0600)
    {
      "bytes": SIZE,
      "files": [
        {
          "bytes": 11485,
          "file": "state.json"
        }
      ],
      "opened": true,
      "page": "HOME/.cache/shipote/inspect.html"
    }
    [0] opened: HOME/.cache/shipote/inspect.html
    "#);
    insta::assert_snapshot!(on_terminal("inspect state.json", "", writes), @r"
    shipote: the page holds state.json, values of environment variables included; only you can read it (mode 0600)
    shipote: nothing was opened, since this is no graphical session; open the page in a browser, here or where you copy it to
    HOME/.cache/shipote/inspect.html
    [0] opened:
    ");
    insta::assert_snapshot!(on_terminal("inspect --no-open state.json", ":0", writes), @r"
    shipote: the page holds state.json, values of environment variables included; only you can read it (mode 0600)
    HOME/.cache/shipote/inspect.html
    [0] opened:
    ");
    insta::assert_snapshot!(on_terminal("inspect -o page.html state.json", ":0", writes), @r"
    shipote: the page holds state.json, values of environment variables included; only you can read it (mode 0600)
    page.html
    [0] opened:
    ");
    insta::assert_snapshot!(on_terminal("inspect state.json", ":0", "exit 3"), @r"
    shipote: the page holds state.json, values of environment variables included; only you can read it (mode 0600)
    shipote: xdg-open found no browser (exit status: 3); open the page in a browser, here or where you copy it to
    HOME/.cache/shipote/inspect.html
    [0] opened:
    ");
    insta::assert_snapshot!(on_terminal("inspect -o - state.json", ":0", writes), @r"
    error: stdout is a terminal, and the page is nothing to read there
    hint: name a file: -o page.html; or send it on: shipote inspect -o - | …
    [2] opened:
    ");
    // A launcher that is its browser does not hold the terminal.
    insta::assert_snapshot!(on_terminal("inspect --quiet state.json", ":0", &format!("{writes}; exec sleep 3")), @r"
    HOME/.cache/shipote/inspect.html
    [0] opened: HOME/.cache/shipote/inspect.html
    ");
}
