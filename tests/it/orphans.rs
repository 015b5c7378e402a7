//! Nothing is orphaned: however a workspace ends, no process of it is left within a second.

use std::time::{Duration, Instant};

use shipote_tests::{Need, PATIENCE, Process, Shipote, descendants, has, is_root, until, within};

use crate::{ORDINARY, PAYLOAD};

/// How a workspace comes to its end.
#[derive(Debug, Clone, Copy)]
enum End {
    Removed,
    Stopped,
    DaemonTerm,
    DaemonKill,
}

/// Who runs the daemon.
#[derive(Debug, Clone, Copy)]
enum User {
    Present,
    Ordinary,
    /// An ordinary user whose daemon stands in a cgroup that it owns, as below a service manager.
    OrdinaryWithCgroup,
}

/// Processes that are there at least: 4 that forked away, a keeper and 1 hopper, 1 that is deaf.
const HOSTILE: usize = 7;

fn card(shipote: &Shipote, pid_namespace: bool) -> String {
    let (payload, mark) = (shipote.payload(), shipote.mark());
    format!(
        r#"
        [workspace]
        label = "hostile"
        namespaces = {{ pid = {pid_namespace} }}

        [[commands]]
        label = "away"
        run = ["{payload}", "fork-away", "{mark}"]
        grace = "100ms"

        [[commands]]
        label = "hopper"
        run = ["{payload}", "hop", "{mark}"]
        grace = "100ms"
        restart = "always"

        [[commands]]
        label = "deaf"
        run = ["{payload}", "ignore-term", "{mark}"]
        grace = "100ms"
        "#
    )
}

fn user(user: User) -> Option<Shipote> {
    match user {
        User::Present => Some(Shipote::new(PAYLOAD)),
        User::Ordinary if !is_root() => Some(Shipote::new(PAYLOAD)),
        User::Ordinary => has(Need::OtherUid).then(|| Shipote::as_user(PAYLOAD, ORDINARY)),
        User::OrdinaryWithCgroup => (has(Need::OtherUid) && has(Need::Cgroup)).then(|| {
            let mut shipote = Shipote::as_user(PAYLOAD, ORDINARY);
            shipote.delegate_cgroup();
            shipote
        }),
    }
}

/// Fills a workspace with hostile processes and ends it; after the answer they have the promised second.
#[track_caller]
fn nothing_is_left(end: End, who: User, pid_namespace: bool) {
    let Some(mut shipote) = user(who) else { return };
    shipote.daemon_start();
    shipote.up(&card(&shipote, pid_namespace)).ok();
    let there = within(PATIENCE, || (shipote.marked().len() >= HOSTILE).then_some(()));
    assert!(
        there.is_some(),
        "the hostile processes are not there: {:?}\n{}\n{}",
        shipote.marked().iter().map(|process| process.argv()).collect::<Vec<_>>(),
        shipote.run(&["ps", "-a"]),
        shipote.run(&["events"])
    );
    match end {
        End::Removed => drop(shipote.run(&["ws", "rm", "hostile"]).ok()),
        End::Stopped => drop(shipote.run(&["stop", "hostile"]).ok()),
        End::DaemonTerm => assert_eq!(shipote.daemon_term().code(), Some(0)),
        End::DaemonKill => shipote.daemon_kill9(),
    }
    shipote.assert_no_orphans();
}

#[test]
fn ws_rm_leaves_nothing() {
    nothing_is_left(End::Removed, User::Present, true);
}

#[test]
fn ws_rm_leaves_nothing_without_a_pid_namespace() {
    if has(Need::Cgroup) {
        nothing_is_left(End::Removed, User::Present, false);
    }
}

#[test]
fn stop_leaves_nothing() {
    nothing_is_left(End::Stopped, User::Present, true);
}

#[test]
fn stop_leaves_nothing_without_a_pid_namespace() {
    if has(Need::Cgroup) {
        nothing_is_left(End::Stopped, User::Present, false);
    }
}

#[test]
fn a_daemon_that_is_asked_to_end_leaves_nothing() {
    nothing_is_left(End::DaemonTerm, User::Present, true);
}

#[test]
fn a_daemon_that_is_asked_to_end_leaves_nothing_without_a_pid_namespace() {
    if has(Need::Cgroup) {
        nothing_is_left(End::DaemonTerm, User::Present, false);
    }
}

#[test]
fn a_daemon_that_is_killed_leaves_nothing() {
    nothing_is_left(End::DaemonKill, User::Present, true);
}

#[test]
fn a_daemon_that_is_killed_leaves_nothing_without_a_pid_namespace() {
    if has(Need::Cgroup) {
        nothing_is_left(End::DaemonKill, User::Present, false);
    }
}

#[test]
fn an_ordinary_user_s_ws_rm_leaves_nothing() {
    nothing_is_left(End::Removed, User::Ordinary, true);
}

#[test]
fn an_ordinary_user_s_ws_rm_leaves_nothing_without_a_pid_namespace() {
    nothing_is_left(End::Removed, User::OrdinaryWithCgroup, false);
}

#[test]
fn an_ordinary_user_s_stop_leaves_nothing() {
    nothing_is_left(End::Stopped, User::Ordinary, true);
}

#[test]
fn an_ordinary_user_s_stop_leaves_nothing_without_a_pid_namespace() {
    nothing_is_left(End::Stopped, User::OrdinaryWithCgroup, false);
}

#[test]
fn an_ordinary_user_s_daemon_that_is_asked_to_end_leaves_nothing() {
    nothing_is_left(End::DaemonTerm, User::Ordinary, true);
}

#[test]
fn an_ordinary_user_s_daemon_that_is_asked_to_end_leaves_nothing_without_a_pid_namespace() {
    nothing_is_left(End::DaemonTerm, User::OrdinaryWithCgroup, false);
}

#[test]
fn an_ordinary_user_s_daemon_that_is_killed_leaves_nothing() {
    nothing_is_left(End::DaemonKill, User::Ordinary, true);
}

#[test]
fn an_ordinary_user_s_daemon_that_is_killed_leaves_nothing_without_a_pid_namespace() {
    nothing_is_left(End::DaemonKill, User::OrdinaryWithCgroup, false);
}

#[test]
fn an_ordinary_user_with_a_cgroup_has_both_and_leaves_nothing() {
    nothing_is_left(End::DaemonKill, User::OrdinaryWithCgroup, true);
}

/// With neither pid namespace nor cgroup nothing could hold the processes: the workspace is refused.
#[test]
fn a_workspace_that_nothing_could_hold_is_refused() {
    let Some(mut shipote) = user(User::Ordinary) else { return };
    shipote.daemon_start();
    let refused = shipote.up(&card(&shipote, false)).exits(8);
    assert!(refused.stderr.contains("containment"), "{refused}");
    assert_eq!(shipote.marked(), []);
}

/// Without a pid namespace a process can stop its ws-init by a signal. It gains nothing: that ends the workspace.
#[test]
fn a_stopped_init_is_ended_with_its_processes() {
    if !has(Need::Cgroup) {
        return;
    }
    let mut shipote = Shipote::new(PAYLOAD);
    shipote.daemon_start();
    let (payload, mark) = (shipote.payload(), shipote.mark());
    shipote
        .up(&format!(
            "[workspace]\nlabel = \"open\"\nnamespaces = {{ pid = false }}\n[[commands]]\nlabel = \"c\"\nrun = [\"{payload}\", \"hang\", \"{mark}\"]\n"
        ))
        .ok();
    let running = shipote.running("c");
    let _ = shipote.run(&["exec", "open", "--", "sh", "-c", "kill -STOP $PPID"]);
    until("the end of what the stopped ws-init held", || (!running.is_alive()).then_some(()));
    shipote.run(&["ws", "rm", "open"]).ok();
    assert_eq!(shipote.daemon_term().code(), Some(0));
    shipote.assert_no_orphans();
}

/// A single command that is stopped takes what it forked away along; its neighbours live on.
#[test]
fn stopping_one_command_ends_what_it_forked_away_and_nothing_else() {
    let mut shipote = Shipote::new(PAYLOAD);
    shipote.daemon_start();
    let (payload, mark) = (shipote.payload(), shipote.mark());
    shipote
        .up(&format!(
            r#"
            [workspace]
            label = "two"

            [[commands]]
            label = "away"
            run = ["{payload}", "fork-away", "{mark}away"]
            grace = "100ms"

            [[commands]]
            label = "neighbour"
            run = ["{payload}", "hang", "{mark}neighbour"]
            "#
        ))
        .ok();
    let count = |name: &str| shipote_tests::marked(&format!("{mark}{name}")).len();
    until("what forks away", || (count("away") >= 4).then_some(()));
    shipote.run(&["stop", "two/away"]).ok();
    assert_eq!((count("away"), count("neighbour")), (0, 1));
}

/// A client that is lost takes what it followed along, the same as Ctrl-C.
#[test]
fn a_lost_client_ends_what_it_ran() {
    let mut shipote = Shipote::new(PAYLOAD);
    shipote.daemon_start();
    let (payload, mark) = (shipote.payload().to_owned(), shipote.mark().to_owned());
    let client = shipote.attach(&["run", "--", payload.as_str(), "fork-away", mark.as_str()]);
    until("what forks away", || (shipote.marked().len() >= 4).then_some(()));
    drop(client);
    until("the end of everything", || shipote.marked().is_empty().then_some(()));
    assert_eq!(shipote.json(&["ws", "ls"]), serde_json::json!([]));
}

#[test]
fn a_process_that_is_held_still_ends_too() {
    let mut shipote = Shipote::new(PAYLOAD);
    shipote.daemon_start();
    let (payload, mark) = (shipote.payload(), shipote.mark());
    let card = format!(
        "[workspace]\nlabel = \"w\"\n[[commands]]\nlabel = \"c\"\nrun = [\"{payload}\", \"hang\", \"{mark}\"]\ngrace = \"50ms\"\n"
    );
    shipote.up(&card).ok();
    shipote.running("c");
    shipote.run(&["kill", "-s", "STOP", "w/c"]).ok();
    shipote.run(&["stop", "w/c"]).ok();
    assert_eq!(shipote.marked(), []);
}

/// The kernel ends the workspace with its init; what is supervised in it is begun again.
#[test]
fn a_killed_init_takes_its_processes_along_and_services_come_back() {
    let mut shipote = Shipote::new(PAYLOAD);
    shipote.daemon_start();
    let (payload, mark) = (shipote.payload(), shipote.mark());
    let card = format!(
        r#"
        [workspace]
        label = "w"
        [[commands]]
        label = "c"
        run = ["{payload}", "fork-away", "{mark}"]
        restart = {{ on = "failure", backoff = "10ms" }}
        "#
    );
    shipote.up(&card).ok();
    until("the processes", || (shipote.marked().len() >= 4).then_some(()));
    let first = shipote.marked();
    let daemon = shipote.daemon_pid().unwrap();
    let init = shipote_tests::descendants(daemon)
        .into_iter()
        .find(|process| process.argv().contains(&"ws-init".to_owned()));
    init.expect("a ws-init").signal(nix::sys::signal::Signal::SIGKILL);
    until("their end", || first.iter().all(|process| !process.is_alive()).then_some(()));
    until("the service", || (shipote.marked().len() >= 4).then_some(()));
}

/// Kills the daemon earlier and later in the start of a workspace: none of these moments leaves a process, and the
/// next daemon removes what was left of the cgroups.
#[test]
fn a_daemon_killed_at_any_moment_of_a_start_leaves_nothing() {
    let mut shipote = Shipote::new(PAYLOAD);
    shipote.daemon_start();
    shipote.up(&card(&shipote, true)).ok();
    for step in 0..16 {
        shipote.run(&["stop", "hostile"]).ok();
        shipote.assert_no_orphans();
        until("the cgroups to be removed", || shipote.cgroups().is_empty().then_some(()));
        // A verb that starts no daemon of its own when this one is gone.
        let client = shipote.attach(&["start", "hostile"]);
        // Not for anything to become true: this is the moment that is tried.
        let moment = Instant::now() + Duration::from_millis(step * 2);
        while Instant::now() < moment {
            std::hint::spin_loop();
        }
        shipote.daemon_kill9();
        shipote.assert_no_orphans();
        client.end();
        shipote.daemon_start();
    }
}

#[test]
fn many_runs_leave_no_descriptor_no_cgroup_and_no_zombie() {
    let mut shipote = Shipote::new(PAYLOAD);
    shipote.daemon_start();
    let daemon = shipote.daemon_pid().unwrap();
    let descriptors = || std::fs::read_dir(format!("/proc/{daemon}/fd")).unwrap().count();
    shipote.run(&["run", "--", "true"]).ok();
    until("the first workspace's end", || descendants(daemon).is_empty().then_some(()));
    let before = descriptors();
    for n in 0..20 {
        shipote.run(&["run", "--", "sh", "-c", "true | cat"]).ok();
        shipote.run(&["run", "--", "no-such-program"]).exits(127);
        if n % 5 == 0 {
            shipote.run(&["run", "--cwd", "/no/such", "--", "true"]).exits(125);
        }
    }
    until("everything to be put away", || {
        let children =
            std::fs::read_to_string(format!("/proc/{daemon}/task/{daemon}/children")).unwrap_or_default();
        let put_away =
            descriptors() <= before + 1 && shipote.cgroups().is_empty() && children.trim().is_empty();
        put_away.then_some(())
    });
    assert!(Process::of(daemon).is_some());
}
