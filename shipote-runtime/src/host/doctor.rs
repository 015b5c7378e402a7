//! What this host offers, as rows that say what is there, what is missing, and what that means.

use std::fs;
use std::path::Path;

use serde::{Deserialize, Serialize};

use shipote_card::{Containment, Namespaces};

use super::cgroup::CgroupBase;
use super::launch::abilities;
use super::probe;
use crate::decide::isolation::{HostAbilities, Refusal};

/// How one thing stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Health {
    /// There.
    Ok,
    /// Missing, with something in its place.
    Degraded,
    /// Missing.
    Missing,
}

/// One row.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Row {
    /// What was looked at.
    pub name: String,
    /// How it stands.
    pub status: Health,
    /// What was found.
    pub detail: String,
    /// What it means, or what to do; empty where there is nothing to say.
    pub hint: String,
}

fn row(name: &str, status: Health, detail: impl Into<String>, hint: impl Into<String>) -> Row {
    Row { name: name.to_owned(), status, detail: detail.into(), hint: hint.into() }
}

/// Examines this host by doing. `init_exe` is the program that probes; `state_dir` must exist.
#[must_use]
pub fn examine(init_exe: &Path, state_dir: &Path) -> Vec<Row> {
    let mut rows = Vec::new();
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    rows.push(row("kernel", Health::Ok, release.trim(), ""));
    let cgroups = CgroupBase::discover(state_dir);
    let mut is_held_otherwise = false;
    match probe::run(init_exe) {
        Ok(found) => {
            rows.extend(found.namespaces.iter().map(|(name, errno)| namespace_row(name, *errno)));
            is_held_otherwise = found.namespaces.iter().any(|(name, errno)| name == "pid" && *errno == 0);
            rows.insert(1, workspaces(&abilities(found, cgroups.as_ref().err())));
        }
        Err(error) => {
            rows.push(row(
                "namespaces",
                Health::Missing,
                error.to_string(),
                "the probe process did not answer",
            ));
        }
    }
    rows.push(match cgroups {
        Ok(base) => {
            // The directory stays: a daemon of this state may be about to use it.
            let dir = base.dir().display().to_string();
            row("cgroup v2", Health::Ok, dir, "")
        }
        Err(reason) => {
            let held = if is_held_otherwise {
                "processes are held together by pid namespaces alone; "
            } else {
                "nothing holds processes together; "
            };
            let start =
                "with systemd, start the daemon by `systemd-run --user -p Delegate=yes shipote daemon`";
            row("cgroup v2", Health::Degraded, reason, [held, start].concat())
        }
    });
    rows.push(controllers());
    rows
}

/// Tells whether a workspace can be made at all.
fn workspaces(abilities: &HostAbilities) -> Row {
    match abilities.plan(Namespaces::default(), Containment::default()) {
        Ok(_) => row("workspaces", Health::Ok, "can be made", ""),
        Err(Refusal { layer, needed, found }) => row(
            "workspaces",
            Health::Missing,
            format!("{layer}: needs {needed}, but there is: {found}"),
            "every card is refused here that does not say containment = \"best_effort\"",
        ),
    }
}

fn namespace_row(name: &str, errno: i32) -> Row {
    let title = format!("{name} namespace");
    if errno == 0 {
        return row(&title, Health::Ok, "can be made", "");
    }
    let detail = nix::errno::Errno::from_raw(errno).to_string();
    let hint = match name {
        "user" => "ordinary users get no workspace of their own without it; see user.max_user_namespaces",
        "pid" => "a cgroup must hold the processes together instead",
        _ => "workspaces share the host's",
    };
    row(&title, Health::Degraded, detail, hint)
}

fn controllers() -> Row {
    let candidates = ["/sys/fs/cgroup/cgroup.controllers", "/sys/fs/cgroup/unified/cgroup.controllers"];
    let listed = candidates.iter().find_map(|path| fs::read_to_string(path).ok()).unwrap_or_default();
    let has = |name: &str| listed.split_ascii_whitespace().any(|found| found == name);
    let missing: Vec<&str> = ["memory", "cpu", "pids"].into_iter().filter(|name| !has(name)).collect();
    if missing.is_empty() {
        return row("cgroup controllers", Health::Ok, listed.trim(), "");
    }
    let detail = format!("missing: {}", missing.join(", "));
    row("cgroup controllers", Health::Degraded, detail, "figures of these come from /proc instead")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_where_nothing_holds_a_workspace_together_is_told() {
        let nothing = HostAbilities {
            privileged: false,
            namespace_errors: vec![("pid".into(), libc::ENOSPC)],
            cgroup_missing: Some("EACCES".into()),
        };
        let told = workspaces(&nothing);
        assert_eq!(told.status, Health::Missing);
        assert!(told.detail.contains("a pid namespace or a writable cgroup"), "{}", told.detail);
        assert_eq!(workspaces(&HostAbilities::default()).status, Health::Ok);
    }
}
