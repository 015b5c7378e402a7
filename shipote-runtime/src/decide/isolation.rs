//! What a workspace asks of the host, what the host can do, and what comes of it: a plan, or a refusal.

use alloc::string::{String, ToString};
use alloc::vec::Vec;

use shipote_card::{Containment, Namespaces};

use crate::view::Effective;

/// What the host was found to be able to do, by doing it once.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HostAbilities {
    /// Whether namespaces are made without a user namespace of their own.
    pub privileged: bool,
    /// Error number per namespace that can't be made; absent means it can.
    pub namespace_errors: Vec<(String, i32)>,
    /// Why there is no cgroup to put processes in; none means there is one.
    pub cgroup_missing: Option<String>,
}

/// How a workspace is made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// Namespaces to make, all of them known to be possible.
    pub namespaces: Namespaces,
    /// Whether a user namespace is needed to make them.
    pub user_namespace: bool,
    /// Whether processes are born in cgroups.
    pub cgroup: bool,
    /// Whether groups get a pid namespace of their own, for want of a cgroup.
    pub nest_groups: bool,
    /// What was asked for and what holds, layer by layer.
    pub effective: Vec<Effective>,
}

/// Why a workspace can't be made on this host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The layer that is missing.
    pub layer: String,
    /// What is needed.
    pub needed: String,
    /// What is there.
    pub found: String,
}

impl HostAbilities {
    fn namespace_error(&self, name: &str) -> Option<i32> {
        self.namespace_errors.iter().find(|(found, _)| found == name).map(|(_, errno)| *errno)
    }

    /// Plans a workspace that asks for `wanted`.
    ///
    /// # Errors
    ///
    /// Refuses a workspace that nothing could hold together, and one that could reach its keeper, unless
    /// `containment` allows it.
    pub fn plan(&self, wanted: Namespaces, containment: Containment) -> Result<Plan, Refusal> {
        let mut effective = Vec::new();
        let mut granted = wanted;
        let layers = [
            ("pid", &mut granted.pid),
            ("mount", &mut granted.mount),
            ("ipc", &mut granted.ipc),
            ("uts", &mut granted.uts),
            ("cgroup", &mut granted.cgroup),
        ];
        for (name, layer) in layers {
            let requested = if *layer { "own" } else { "host" };
            let error = self.namespace_error(name).filter(|_| *layer);
            *layer &= error.is_none();
            effective.push(Effective {
                layer: alloc::format!("{name}_namespace"),
                requested: requested.to_string(),
                enforced: if *layer { "own" } else { "host" }.to_string(),
                reason: error
                    .map_or_else(String::new, |errno| alloc::format!("the kernel answered errno {errno}")),
            });
        }
        let cgroup = self.cgroup_missing.is_none();
        // Without a cgroup there is nothing to be the root of.
        granted.cgroup &= cgroup;
        let any = granted.pid || granted.mount || granted.ipc || granted.uts || granted.cgroup;
        let user_namespace = any && !self.privileged;
        effective.push(Effective {
            layer: "cgroup".to_string(),
            requested: "own".to_string(),
            enforced: if cgroup { "own" } else { "none" }.to_string(),
            reason: self.cgroup_missing.clone().unwrap_or_default(),
        });
        let held_by = match (granted.pid, cgroup) {
            (true, _) => "pid_namespace",
            (false, true) => "cgroup",
            (false, false) => "none",
        };
        if held_by == "none" && containment == Containment::Required {
            return Err(Refusal {
                layer: "containment".to_string(),
                needed: "a pid namespace or a writable cgroup v2 directory".to_string(),
                found: alloc::format!(
                    "{}; cgroup: {}",
                    found("pid", wanted.pid),
                    self.cgroup_missing.as_deref().unwrap_or("none"),
                ),
            });
        }
        if !granted.mount && containment == Containment::Required {
            return Err(Refusal {
                layer: "keeper".to_string(),
                needed: "a mount namespace, which covers the daemon's state, socket and cgroups".to_string(),
                found: found("mount", wanted.mount),
            });
        }
        let (enforced, reason) = match (granted.mount, granted.pid || user_namespace) {
            (true, true) => ("out of reach", ""),
            (true, false) => ("out of reach", "a signal can stop its ws-init, and the workspace ends then"),
            (false, _) => ("within reach", "no mount namespace covers it"),
        };
        effective.push(Effective {
            layer: "keeper".to_string(),
            requested: "out of reach".to_string(),
            enforced: enforced.to_string(),
            reason: reason.to_string(),
        });
        effective.push(Effective {
            layer: "containment".to_string(),
            requested: if containment == Containment::Required { "required" } else { "best_effort" }
                .to_string(),
            enforced: held_by.to_string(),
            reason: String::new(),
        });
        let nest_groups = !cgroup && self.namespace_error("pid").is_none() && (self.privileged || any);
        Ok(Plan { namespaces: granted, user_namespace, cgroup, nest_groups, effective })
    }
}

fn found(namespace: &str, wanted: bool) -> String {
    alloc::format!("{namespace} namespace {}", if wanted { "refused by the kernel" } else { "not asked for" })
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    fn enforced(plan: &Plan) -> String {
        let parts: Vec<String> =
            plan.effective.iter().map(|e| alloc::format!("{}={}", e.layer, e.enforced)).collect();
        parts.join(" ")
    }

    #[test]
    fn root_with_cgroups_gets_everything() {
        let host = HostAbilities { privileged: true, ..HostAbilities::default() };
        let plan = host.plan(Namespaces::default(), Containment::Required).unwrap();
        assert!(!plan.user_namespace && plan.cgroup && !plan.nest_groups);
        insta::assert_snapshot!(enforced(&plan), @"pid_namespace=own mount_namespace=own ipc_namespace=own uts_namespace=own cgroup_namespace=own cgroup=own keeper=out of reach containment=pid_namespace");
    }

    #[test]
    fn what_a_signal_can_do_without_a_pid_namespace_is_told() {
        let host = HostAbilities { privileged: true, ..HostAbilities::default() };
        let wanted = Namespaces { pid: false, ..Namespaces::default() };
        let plan = host.plan(wanted, Containment::Required).unwrap();
        let keeper = plan.effective.iter().find(|layer| layer.layer == "keeper").unwrap();
        assert_eq!(keeper.reason, "a signal can stop its ws-init, and the workspace ends then");
    }

    #[test]
    fn an_ordinary_user_without_cgroups_nests_groups() {
        let host = HostAbilities { cgroup_missing: Some("EACCES".into()), ..HostAbilities::default() };
        let plan = host.plan(Namespaces::default(), Containment::Required).unwrap();
        assert!(plan.user_namespace && !plan.cgroup && plan.nest_groups && !plan.namespaces.cgroup);
    }

    #[test]
    fn without_a_mount_namespace_the_keeper_would_be_within_reach() {
        let host = HostAbilities { privileged: true, ..HostAbilities::default() };
        let wanted = Namespaces { mount: false, ..Namespaces::default() };
        let refusal = host.plan(wanted, Containment::Required).unwrap_err();
        assert_eq!(
            (refusal.layer.as_str(), refusal.found.as_str()),
            ("keeper", "mount namespace not asked for")
        );
        let plan = host.plan(wanted, Containment::BestEffort).unwrap();
        assert!(enforced(&plan).contains("keeper=within reach"));
    }

    #[test]
    fn nothing_to_hold_the_processes_is_refused_unless_allowed() {
        let host = HostAbilities {
            cgroup_missing: Some("read-only".into()),
            namespace_errors: vec![("pid".into(), 1)],
            ..HostAbilities::default()
        };
        let refusal = host.plan(Namespaces::default(), Containment::Required).unwrap_err();
        insta::assert_snapshot!(refusal.found, @"pid namespace refused by the kernel; cgroup: read-only");
        let plan = host.plan(Namespaces::default(), Containment::BestEffort).unwrap();
        assert!(enforced(&plan).ends_with("containment=none"));
    }
}
