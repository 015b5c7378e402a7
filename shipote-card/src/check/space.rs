//! The checks of a workspace: its label, its life, its host name, its flow directories and its quota ladders.

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;

use super::{Findings, escaped};
use crate::code;
use crate::problem::Problem;
use crate::unit::{ByteSize, Span};
use crate::workspace::{FlowDir, WorkspaceSpec};

pub(super) fn check(found: &mut Findings, workspace: &WorkspaceSpec) {
    found.label("/workspace", &workspace.label);
    found.soma("/workspace/soma", &workspace.soma);
    if workspace.ttl == Some(Span::from_millis(0)) {
        let hint = "leave it out for a life without end";
        found.error(code::ZERO_TTL, "/workspace/ttl", "a lifetime of zero ends before it begins", hint);
    }
    if let Some(hostname) = &workspace.soma.hostname {
        host_name(found, hostname, workspace.soma.namespaces.uts);
    }
    if let Some(files) = &workspace.permissions.files {
        for (kind, paths) in [("read", &files.read), ("write", &files.write), ("execute", &files.execute)] {
            for (i, path) in paths.iter().enumerate() {
                found.path(format!("/workspace/permissions/files/{kind}/{i}"), path);
            }
        }
    }
    flow_dirs(found, &workspace.flow_dirs);
    for (resource, steps) in &workspace.quota_enforce.0 {
        for (i, step) in steps.iter().enumerate() {
            if !is_quota_line(&step.at) {
                let place = format!("/workspace/quota_enforce/{}/{i}/at", escaped(resource));
                let message = format!("`{}` is neither a percentage nor an amount", step.at);
                found.error(code::BAD_QUOTA_LINE, place, message, "write it like \"80%\" or \"30GiB\"");
            }
        }
    }
}

/// sethostname(2) takes 64 bytes; RFC 1123 says what its readers take.
fn host_name(found: &mut Findings, name: &str, has_uts: bool) {
    const PLACE: &str = "/workspace/soma/hostname";
    let is_part = |part: &str| {
        !part.is_empty()
            && !part.starts_with('-')
            && !part.ends_with('-')
            && part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
    };
    if name.len() > 64 || !name.split('.').all(is_part) {
        let message = format!("`{}` is not a host name", name.escape_debug());
        found.error(code::BAD_HOSTNAME, PLACE, message, "up to 64 letters, digits, `-` and `.`");
    }
    if !has_uts {
        let message = "a host name of its own needs the uts namespace";
        found.error(code::NEEDS_NAMESPACE, PLACE, message, "remove it, or `uts = false` in `namespaces`");
    }
}

fn flow_dirs(found: &mut Findings, dirs: &[FlowDir]) {
    let mut variables: BTreeMap<String, usize> = BTreeMap::new();
    let mut paths: BTreeMap<&str, usize> = BTreeMap::new();
    for (i, dir) in dirs.iter().enumerate() {
        let place = format!("/workspace/flow_dirs/{i}");
        if crate::label::check_label(&dir.name).is_err() {
            let message = format!("the name `{}` can't become a variable", dir.name.escape_debug());
            let hint = "it follows the rule of labels: letters, digits, `.`, `_`, `-`";
            found.error(code::BAD_FLOW_NAME, format!("{place}/name"), message, hint);
        }
        found.path(format!("{place}/path"), &dir.path);
        let variable = dir.variable();
        let message = format!("two flow directories are `${variable}`");
        twice(found, &mut variables, variable, i, "name", message);
        let message = format!("two flow directories are at `{}`", dir.path);
        twice(found, &mut paths, dir.path.as_str(), i, "path", message);
    }
}

fn twice<K: Ord>(
    found: &mut Findings,
    seen: &mut BTreeMap<K, usize>,
    key: K,
    i: usize,
    field: &str,
    message: String,
) {
    if let Some(first) = seen.get(&key) {
        let problem =
            Problem::error(code::DUPLICATE_FLOW_DIR, format!("/workspace/flow_dirs/{i}/{field}"), message);
        let hint = if field == "path" {
            "one directory with mode = \"inout\" is enough"
        } else {
            "rename one of them"
        };
        found.add(problem.with_hint(hint).with_related(format!("/workspace/flow_dirs/{first}/{field}")));
    } else {
        seen.insert(key, i);
    }
}

fn is_quota_line(line: &str) -> bool {
    match line.strip_suffix('%') {
        Some(percent) => percent.trim().parse::<u32>().is_ok(),
        None => line.parse::<ByteSize>().is_ok() || line.parse::<u64>().is_ok(),
    }
}
