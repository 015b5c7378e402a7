//! Who is at the other end of the socket: a workspace must not reach its keeper.

use std::fs;

/// Tells whether the process `pid` lives inside a workspace: in another pid namespace than the daemon, or in a
/// cgroup below the daemon's own directory. A process that can't be looked at counts as inside.
#[must_use]
pub fn is_inside_workspace(pid: i32) -> bool {
    let namespace = |pid: &str| fs::read_link(format!("/proc/{pid}/ns/pid")).ok();
    let (own, theirs) = (namespace("self"), namespace(&pid.to_string()));
    if theirs.is_none() || own != theirs {
        return true;
    }
    let Ok(cgroup) = fs::read_to_string(format!("/proc/{pid}/cgroup")) else { return true };
    cgroup.lines().filter_map(|line| line.strip_prefix("0::")).any(is_workspace_cgroup)
}

/// Tells whether a cgroup path leads into a daemon's directory: `…/shipote-<dev>-<ino>/<ulid>/…`.
fn is_workspace_cgroup(path: &str) -> bool {
    let parts: Vec<&str> = path.split('/').collect();
    parts.windows(2).any(|pair| pair[0].starts_with("shipote-") && pair[1].len() == ULID_LENGTH)
}

/// Characters of a ULID's text.
const ULID_LENGTH: usize = 26;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cgroup_path_betrays_a_workspace() {
        assert!(is_workspace_cgroup("/user.slice/shipote-fe00-1f/01J9Z3ABCDEFGHJKMNPQRSTVWX/cmd/x"));
        assert!(!is_workspace_cgroup("/user.slice/shipote-daemon.service"));
        assert!(!is_workspace_cgroup("/"));
    }

    #[test]
    fn this_process_is_outside() {
        assert!(!is_inside_workspace(std::process::id() as i32));
    }
}
