//! The hazards of the state directory, against the real program: who else may have it, what may stand in it, and what
//! others may see. docs/promises.md lists them with those of its content.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::path::PathBuf;
use std::process::Command;

use shipote_snapshot::render;
use shipote_tests::{Need, Shipote, has, until};

use crate::hazards::{everything, labels, planted, state_of};
use crate::{ORDINARY, PAYLOAD, served, shipote};

#[test]
fn h03_names_that_somebody_planted_are_neither_followed_nor_in_the_way() {
    let mut shipote = shipote();
    let dir = planted(&shipote);
    let victim = shipote.file("victim", "precious");
    let names = ["state.tmp", "state.json.tmp", ".state.json.tmp", ".state.0.tmp"];
    for name in names {
        symlink(&victim, dir.join(name)).unwrap();
    }
    fs::create_dir(dir.join(".state.1.tmp")).unwrap();
    nix::unistd::mkfifo(&dir.join(".state.2.tmp"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    fs::write(dir.join(".state.3.tmp"), "half").unwrap();
    fs::set_permissions(dir.join(".state.3.tmp"), Permissions::from_mode(0o000)).unwrap();

    shipote.daemon_start();
    shipote.run(&["ws", "create", "--label", "alpha"]).ok();
    assert_eq!(shipote.daemon_term().code(), Some(0));
    shipote.daemon_start();
    assert_eq!(labels(&shipote), ["alpha"]);
    assert_eq!(fs::read_to_string(&victim).unwrap(), "precious");
    // What an interrupted write left is gone; what is no file of that kind is nobody's business here.
    assert!(!dir.join(".state.3.tmp").exists());
    assert!(names.iter().all(|name| dir.join(name).is_symlink()));
    assert!(dir.join(".state.1.tmp").is_dir() && dir.join(".state.2.tmp").exists());
}

#[test]
fn h04_a_state_directory_that_cannot_be_made_is_named_with_the_reason() {
    let shipote = shipote();
    let file = shipote.file("file", "");
    for (dir, reason) in [
        (file.clone(), "file exists"),
        (file.join("below"), "not a directory"),
        (PathBuf::from("/proc/nowhere"), "no such file"),
    ] {
        let refused = shipote.run(&["daemon", "--state-dir", dir.to_str().unwrap()]).exits(1);
        assert!(refused.stderr.contains(dir.to_str().unwrap()), "{refused}");
        assert!(refused.stderr.contains(reason), "{refused}");
    }
    assert_eq!(fs::read_to_string(file).unwrap(), "");
}

#[test]
fn h04_a_state_directory_that_cannot_be_written_is_named_with_the_reason() {
    if !has(Need::OtherUid) {
        return;
    }
    let shipote = Shipote::as_user(PAYLOAD, ORDINARY);
    let home = shipote.state_dir().parent().unwrap().to_owned();
    // In a home that is closed to writing, it can't be made.
    fs::set_permissions(&home, Permissions::from_mode(0o500)).unwrap();
    let refused = shipote.run(&["daemon"]).exits(8);
    assert!(refused.stderr.contains("home/state: permission denied"), "{refused}");
    // Its own, and closed to writing: nothing can be acknowledged there, so nothing starts.
    fs::set_permissions(&home, Permissions::from_mode(0o700)).unwrap();
    let dir = planted(&shipote);
    chown(&dir, Some(ORDINARY), Some(ORDINARY)).unwrap();
    fs::set_permissions(&dir, Permissions::from_mode(0o500)).unwrap();
    let refused = shipote.run(&["daemon"]).exits(8);
    assert!(refused.stderr.contains("permission denied"), "{refused}");
    assert_eq!(fs::read_dir(&dir).unwrap().count(), 0);
}

#[test]
fn h08_a_state_directory_of_somebody_else_is_refused() {
    if !has(Need::OtherUid) {
        return;
    }
    let shipote = shipote();
    let dir = planted(&shipote);
    fs::write(dir.join("state.json"), render(&state_of(1))).unwrap();
    chown(&dir, Some(ORDINARY), Some(ORDINARY)).unwrap();
    let before = everything(&dir);
    let refused = shipote.run(&["daemon"]).exits(8);
    assert!(refused.stderr.contains("belongs to another user"), "{refused}");
    assert_eq!(everything(&dir), before);
    chown(&dir, Some(0), Some(0)).unwrap();
}

#[test]
fn h08_a_state_directory_behind_a_link_is_refused() {
    let shipote = shipote();
    let real = shipote.work().join("real");
    fs::create_dir(&real).unwrap();
    fs::set_permissions(&real, Permissions::from_mode(0o700)).unwrap();
    symlink(&real, shipote.state_dir()).unwrap();
    let refused = shipote.run(&["daemon"]).exits(8);
    assert!(refused.stderr.contains("symbolic link"), "{refused}");
    assert_eq!(fs::read_dir(&real).unwrap().count(), 0);
}

/// Without a home, the state is in `/tmp`, where anybody may be first.
#[test]
fn h08_a_directory_that_somebody_made_first_in_tmp_is_refused() {
    if !has(Need::OtherUid) {
        return;
    }
    // A uid that no other test runs as.
    const UID: u32 = ORDINARY + 1;
    let dir = PathBuf::from(format!("/tmp/shipote-state-{UID}"));
    let shipote = Shipote::as_user(PAYLOAD, UID);
    fs::create_dir(&dir).unwrap();
    fs::write(dir.join("state.json"), render(&state_of(1))).unwrap();
    let before = everything(&dir);
    let mut command = shipote.command(&["daemon"]);
    let output = command.env_remove("HOME").env_remove("SHIPOTE_STATE_DIR").output().unwrap();
    let after = everything(&dir);
    fs::remove_dir_all(&dir).unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(8), "{said}");
    assert!(said.contains(dir.to_str().unwrap()) && said.contains("belongs to another user"), "{said}");
    assert_eq!(after, before);
}

#[test]
fn h10_no_child_of_the_daemon_holds_its_lock_or_any_file_of_the_state() {
    let mut shipote = served();
    let (payload, mark) = (shipote.payload().to_owned(), shipote.mark().to_owned());
    let card = format!(
        "[workspace]\nlabel = \"w\"\n[[commands]]\nlabel = \"c\"\nrun = [\"{payload}\", \"fork-away\", \"{mark}\"]\nrestart = \"always\"\n"
    );
    shipote.up(&card).ok();
    shipote.running("c");
    let children = until("the processes of the command", || {
        let found = shipote_tests::descendants(shipote.daemon_pid()?);
        (found.len() >= 5).then_some(found)
    });
    let dir = shipote.state_dir();
    for child in &children {
        let held = fs::read_dir(format!("/proc/{}/fd", child.pid)).into_iter().flatten().flatten();
        let held: Vec<PathBuf> = held.filter_map(|entry| fs::read_link(entry.path()).ok()).collect();
        // The log of a command is its own, and no part of the state.
        let held: Vec<&PathBuf> = held
            .iter()
            .filter(|path| path.starts_with(&dir) && !path.starts_with(dir.join("logs")))
            .collect();
        assert!(held.is_empty(), "{} {:?}: {held:?}", child.pid, child.argv());
    }
    // So the next daemon has the lock at once, whatever still runs.
    shipote.daemon_kill9();
    shipote.daemon_start();
    shipote.running("c");
    let before = fs::read(shipote.state_file()).unwrap();
    shipote.run(&["daemon"]).exits(5);
    assert_eq!(fs::read(shipote.state_file()).unwrap(), before);
}

#[test]
fn h16_everything_is_closed_to_others_whatever_the_umask() {
    let shipote = shipote();
    // One entity that is held, so that there is a quarantine.
    shipote.plant_state(
        "{\"version\":4,\"timestamp_ms\":1,\"workspaces\":[{\"id\":\"01J9Z3NDEKTSV4RRFFQ69G5FAV\",\"spec\":{\"label\":\"bad\",\"ttl\":-1}}]}",
    );
    fs::set_permissions(shipote.state_file(), Permissions::from_mode(0o600)).unwrap();
    let open = |arguments: &[&str]| {
        let plain = shipote.command(arguments);
        let mut command = Command::new("sh");
        command
            .args(["-c", "umask 000 && exec \"$0\" \"$@\""])
            .arg(plain.get_program())
            .args(plain.get_args());
        command.env_clear().envs(plain.get_envs().filter_map(|(name, value)| Some((name, value?))));
        let output = command.current_dir(shipote.work()).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    };
    let card =
        "[workspace]\nlabel = \"secret\"\n[[commands]]\nlabel = \"c\"\nshell = \"echo written; sleep 600\"\n";
    let card = shipote.file("card.toml", card);
    // It starts a daemon, which has its umask.
    open(&["up", "--detach", card.to_str().unwrap()]);
    until("samples", || shipote.state_dir().join("stats.journal").exists().then_some(()));
    let found = everything(&shipote.state_dir());
    let names: Vec<String> =
        found.keys().map(|path| path.file_name().unwrap().to_string_lossy().into_owned()).collect();
    for wanted in ["state.json", "state.journal", "state.lock", "stats.journal", "quarantine", "shipote.sock"]
    {
        assert!(names.iter().any(|name| name == wanted), "no {wanted} in {names:?}");
    }
    let is_open = |(path, content): &(&PathBuf, &(u32, u64, i64, Vec<u8>))| {
        let wanted = if path.is_dir() { 0o700 } else { 0o600 };
        content.0 != wanted
    };
    let open: Vec<_> = found
        .iter()
        .filter(is_open)
        .map(|(path, content)| format!("{:o} {}", content.0, path.display()))
        .collect();
    assert!(open.is_empty(), "{open:#?}");
    assert_eq!(fs::metadata(shipote.state_dir()).unwrap().mode() & 0o7777, 0o700);
}
