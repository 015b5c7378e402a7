//! What a card may say and this release does not enforce: refused by name, never ignored.
//!
//! This file shrinks with each release; nothing else knows what is missing.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use crate::card::Card;
use crate::code;
use crate::command::CommandRef;
use crate::pipeline::{DiscernPolicy, FullPolicy, MergePolicy, PipelineSpec};
use crate::problem::Problem;
use crate::workspace::{ExitPolicy, Permissions, RootFs, Soma, TapPermission, WorkspaceSpec};

/// Returns what `card` asks for that this release does not enforce, each as an error of the code
/// [`NOT_IN_THIS_RELEASE`](code::NOT_IN_THIS_RELEASE).
#[must_use]
pub fn unsupported(card: &Card) -> Vec<Problem> {
    let mut missing = Missing { problems: Vec::new() };
    if let Some(workspace) = &card.workspace {
        missing.workspace(workspace);
    }
    for (i, command) in card.commands.iter().enumerate() {
        missing.command(&format!("/commands/{i}"), command);
    }
    for (i, pipeline) in card.pipelines.iter().enumerate() {
        missing.pipeline(&format!("/pipelines/{i}"), pipeline);
    }
    missing.problems
}

const LIMITS: &str = "remove it; limits come with a later release";
const PERMISSIONS: &str = "remove it; permissions come with a later release";
const SPACE: &str = "remove it; the workspace sees the host's files in this release";
const WHOLE: &str = "remove it here; it belongs to the whole workspace";

struct Missing {
    problems: Vec<Problem>,
}

impl Missing {
    fn refuse(&mut self, pointer: String, what: &str, hint: &str) {
        let message = format!("{what} is not enforced in this release");
        self.problems.push(Problem::error(code::NOT_IN_THIS_RELEASE, pointer, message).with_hint(hint));
    }

    fn workspace(&mut self, workspace: &WorkspaceSpec) {
        self.root_and_limits("/workspace/soma", &workspace.soma);
        self.permissions("/workspace/permissions", &workspace.permissions);
        let policy = match workspace.on_exit {
            ExitPolicy::Reap => None,
            ExitPolicy::Linger => Some("`on_exit` = \"linger\""),
            ExitPolicy::Freeze => Some("`on_exit` = \"freeze\""),
        };
        if let Some(policy) = policy {
            self.refuse("/workspace/on_exit".into(), policy, "remove it for \"reap\", which ends everything");
        }
        for resource in workspace.quota_enforce.0.keys() {
            let segment = resource.replace('~', "~0").replace('/', "~1");
            let what = format!("`quota_enforce` of {resource}");
            self.refuse(format!("/workspace/quota_enforce/{segment}"), &what, LIMITS);
        }
    }

    /// What no body may say yet, be it a workspace's or a command's.
    fn root_and_limits(&mut self, pointer: &str, soma: &Soma) {
        let said: [(bool, &str, &str); 14] = [
            (soma.root != RootFs::Host, "root", SPACE),
            (!soma.mounts.is_empty(), "mounts", SPACE),
            (
                soma.userns.is_some(),
                "userns",
                "remove it; the caller's identity, or `uid` and `gid`, is used",
            ),
            (!soma.rlimits.is_empty(), "rlimits", LIMITS),
            (!soma.devices.is_empty(), "devices", SPACE),
            (soma.memory_max.is_some(), "memory_max", LIMITS),
            (soma.memory_high.is_some(), "memory_high", LIMITS),
            (soma.swap_max.is_some(), "swap_max", LIMITS),
            (soma.cpu_max.is_some(), "cpu_max", LIMITS),
            (soma.cpu_weight.is_some(), "cpu_weight", LIMITS),
            (soma.pids_max.is_some(), "pids_max", LIMITS),
            (soma.io_max.is_some(), "io_max", LIMITS),
            (soma.disk.is_some(), "disk", LIMITS),
            (soma.shm_size.is_some(), "shm_size", LIMITS),
        ];
        for (_, name, hint) in said.into_iter().filter(|(is_said, ..)| *is_said) {
            self.refuse(format!("{pointer}/{name}"), &format!("`{name}`"), hint);
        }
    }

    fn permissions(&mut self, pointer: &str, permissions: &Permissions) {
        let said = [
            (permissions.files.is_some(), "files"),
            (permissions.net.is_some(), "net"),
            (permissions.syscalls.is_some(), "syscalls"),
            (!permissions.capabilities.is_empty(), "capabilities"),
            (permissions.tap != TapPermission::Allow, "tap"),
        ];
        for (_, name) in said.into_iter().filter(|(is_said, _)| *is_said) {
            self.refuse(format!("{pointer}/{name}"), &format!("the permission `{name}`"), PERMISSIONS);
        }
    }

    fn command(&mut self, pointer: &str, command: &CommandRef) {
        let soma = format!("{pointer}/soma");
        self.root_and_limits(&soma, &command.soma);
        let usual = Soma::default();
        let said = [
            (command.soma.namespaces != usual.namespaces, "namespaces"),
            (command.soma.containment != usual.containment, "containment"),
            (command.soma.strict, "strict"),
            (command.soma.hostname.is_some(), "hostname"),
        ];
        for (_, name) in said.into_iter().filter(|(is_said, _)| *is_said) {
            self.refuse(format!("{soma}/{name}"), &format!("`{name}` of a single command"), WHOLE);
        }
        if !command.after.is_empty() {
            self.refuse(format!("{pointer}/after"), "`after`", "remove it; all commands start at once");
        }
        if command.ready.is_some() {
            self.refuse(
                format!("{pointer}/ready"),
                "`ready`",
                "remove it; a command counts as ready when it runs",
            );
        }
    }

    fn pipeline(&mut self, pointer: &str, pipeline: &PipelineSpec) {
        const FAIL: &str = "write \"warn\" to be told of a difference";
        for (i, node) in pipeline.nodes.iter().enumerate() {
            self.command(&format!("{pointer}/nodes/{i}"), node);
        }
        if pipeline.discern == DiscernPolicy::Fail {
            self.refuse(format!("{pointer}/discern"), "`discern` = \"fail\"", FAIL);
        }
        for (i, edge) in pipeline.edges.iter().enumerate() {
            let place = format!("{pointer}/edges/{i}");
            if edge.discern == Some(DiscernPolicy::Fail) {
                self.refuse(format!("{place}/discern"), "`discern` = \"fail\"", FAIL);
            }
            if edge.full.is_some_and(|full| full != FullPolicy::Block) {
                let hint = "remove it; the producer waits for the consumer";
                self.refuse(format!("{place}/full"), "`full` other than \"block\"", hint);
            }
            if edge.merge.is_some_and(|merge| merge != MergePolicy::Raw) {
                let hint = "write \"raw\"; writes of up to 4096 bytes stay whole";
                self.refuse(format!("{place}/merge"), "`merge` other than \"raw\"", hint);
            }
        }
    }
}
