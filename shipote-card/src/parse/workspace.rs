//! `[workspace]`: the spec, its body and its permissions, in full and in short form.

use alloc::collections::BTreeMap;
use alloc::string::String;

use super::decode::{At, Decode, Decoder, Fields};
use super::tree::{Kind, child};
use crate::label::check_label;
use crate::workspace::{
    FilePermissions, FlowDir, FlowMode, Mount, Namespaces, NetPolicy, Permissions, QuotaAction, QuotaEnforce,
    QuotaStep, RootFs, Soma, WorkspaceSpec,
};

/// Fields of [`Soma`] and [`Permissions`] that may stand right in `[workspace]`, and only there.
const OF_A_WORKSPACE: [&str; 26] = [
    "namespaces",
    "containment",
    "strict",
    "hostname",
    "root",
    "mounts",
    "userns",
    "rlimits",
    "devices",
    "memory_max",
    "memory_high",
    "swap_max",
    "cpu_max",
    "cpu_weight",
    "pids_max",
    "io_max",
    "disk",
    "shm_size",
    "files",
    "net",
    "syscalls",
    "capabilities",
    "ttl",
    "on_exit",
    "flow_dirs",
    "quota_enforce",
];

/// Returns the hint for a key that stands elsewhere but belongs into `[workspace]`.
pub(super) fn belongs_to_workspace(name: &str) -> Option<&'static str> {
    OF_A_WORKSPACE.contains(&name).then_some("it belongs to the whole workspace: put it in [workspace]")
}

/// Reads the workspace; what is wrong keeps its default.
pub(super) fn workspace(decoder: &mut Decoder<'_>, at: &At<'_>, default_label: &str) -> WorkspaceSpec {
    let mut spec = WorkspaceSpec::labelled(default_label);
    let Some(mut fields) = decoder.fields(at, "a table") else {
        decoder.placeholder(at.full.clone());
        return spec;
    };
    decoder.set(&mut fields, "label", &mut spec.label);
    if !fields.has("label") && check_label(default_label).is_err() {
        decoder.missing(&fields, "label", "the name of the file can't be the label: give one");
    }
    decoder.set(&mut fields, "soma", &mut spec.soma);
    decoder.set(&mut fields, "permissions", &mut spec.permissions);
    decoder.set(&mut fields, "ttl", &mut spec.ttl);
    decoder.set(&mut fields, "flow_dirs", &mut spec.flow_dirs);
    decoder.set(&mut fields, "on_exit", &mut spec.on_exit);
    decoder.set(&mut fields, "quota_enforce", &mut spec.quota_enforce);
    fields.full = child(&at.full, "soma");
    soma_fields(decoder, &mut fields, &mut spec.soma);
    fields.full = child(&at.full, "permissions");
    permission_fields(decoder, &mut fields, &mut spec.permissions);
    decoder.finish(fields, |_| None);
    spec
}

impl Decode for Soma {
    fn decode(decoder: &mut Decoder<'_>, at: &At<'_>) -> Option<Self> {
        let mut soma = Self::default();
        let mut fields = decoder.fields(at, "a table")?;
        soma_fields(decoder, &mut fields, &mut soma);
        decoder.finish(fields, |_| None);
        Some(soma)
    }
}

/// Reads what a command may say of its own body: directory, environment and identity.
pub(super) fn own_soma_fields(decoder: &mut Decoder<'_>, fields: &mut Fields<'_>, soma: &mut Soma) {
    decoder.set(fields, "cwd", &mut soma.cwd);
    decoder.set(fields, "env", &mut soma.env);
    decoder.set(fields, "env_file", &mut soma.env_file);
    decoder.set(fields, "env_pass", &mut soma.env_pass);
    decoder.set(fields, "uid", &mut soma.uid);
    decoder.set(fields, "gid", &mut soma.gid);
}

fn soma_fields(decoder: &mut Decoder<'_>, fields: &mut Fields<'_>, soma: &mut Soma) {
    own_soma_fields(decoder, fields, soma);
    decoder.set(fields, "namespaces", &mut soma.namespaces);
    decoder.set(fields, "containment", &mut soma.containment);
    decoder.set(fields, "strict", &mut soma.strict);
    decoder.set(fields, "hostname", &mut soma.hostname);
    decoder.set(fields, "root", &mut soma.root);
    decoder.set(fields, "mounts", &mut soma.mounts);
    decoder.set(fields, "userns", &mut soma.userns);
    decoder.set(fields, "rlimits", &mut soma.rlimits);
    decoder.set(fields, "devices", &mut soma.devices);
    decoder.set(fields, "memory_max", &mut soma.memory_max);
    decoder.set(fields, "memory_high", &mut soma.memory_high);
    decoder.set(fields, "swap_max", &mut soma.swap_max);
    decoder.set(fields, "cpu_max", &mut soma.cpu_max);
    decoder.set(fields, "cpu_weight", &mut soma.cpu_weight);
    decoder.set(fields, "pids_max", &mut soma.pids_max);
    decoder.set(fields, "io_max", &mut soma.io_max);
    decoder.set(fields, "disk", &mut soma.disk);
    decoder.set(fields, "shm_size", &mut soma.shm_size);
}

impl Decode for Namespaces {
    fn decode(decoder: &mut Decoder<'_>, at: &At<'_>) -> Option<Self> {
        let mut namespaces = Self::default();
        let mut fields = decoder.fields(at, "a table like { uts = false }")?;
        decoder.set(&mut fields, "pid", &mut namespaces.pid);
        decoder.set(&mut fields, "mount", &mut namespaces.mount);
        decoder.set(&mut fields, "ipc", &mut namespaces.ipc);
        decoder.set(&mut fields, "uts", &mut namespaces.uts);
        decoder.set(&mut fields, "cgroup", &mut namespaces.cgroup);
        decoder.finish(fields, |_| None);
        Some(namespaces)
    }
}

impl Decode for RootFs {
    /// A text with a slash is short for `{ directory = "…" }`.
    fn decode(decoder: &mut Decoder<'_>, at: &At<'_>) -> Option<Self> {
        match &at.node.kind {
            Kind::Table(_) => {
                let (_, inner) = decoder.variant(at, &["directory"])?;
                decoder.value(&inner).map(Self::Directory)
            }
            Kind::String(text) if text.contains('/') => {
                decoder.remember(child(&at.full, "directory"), at);
                Some(Self::Directory(text.clone()))
            }
            Kind::String(text) => match text.as_str() {
                "host" | "Host" => Some(Self::Host),
                "overlay" | "Overlay" => Some(Self::Overlay),
                _ => {
                    decoder.unknown_value(at, text, &["host", "overlay", "/a/directory"]);
                    None
                }
            },
            _ => decoder.wrong_type(at, "a string", "`host`, `overlay` or the path of a directory"),
        }
    }
}

impl Decode for Mount {
    fn decode(decoder: &mut Decoder<'_>, at: &At<'_>) -> Option<Self> {
        let mut fields = decoder.fields(at, "a table with `source` and `target`")?;
        let source = decoder.required(&mut fields, "source");
        let target = decoder.required(&mut fields, "target");
        let mut write = false;
        decoder.set(&mut fields, "write", &mut write);
        decoder.finish(fields, |_| None);
        Some(Self { source: source?, target: target?, write })
    }
}

impl Decode for Permissions {
    fn decode(decoder: &mut Decoder<'_>, at: &At<'_>) -> Option<Self> {
        let mut permissions = Self::default();
        let mut fields = decoder.fields(at, "a table")?;
        permission_fields(decoder, &mut fields, &mut permissions);
        decoder.finish(fields, |_| None);
        Some(permissions)
    }
}

fn permission_fields(decoder: &mut Decoder<'_>, fields: &mut Fields<'_>, permissions: &mut Permissions) {
    decoder.set(fields, "files", &mut permissions.files);
    decoder.set(fields, "net", &mut permissions.net);
    decoder.set(fields, "syscalls", &mut permissions.syscalls);
    decoder.set(fields, "capabilities", &mut permissions.capabilities);
    decoder.set(fields, "tap", &mut permissions.tap);
}

impl Decode for FilePermissions {
    fn decode(decoder: &mut Decoder<'_>, at: &At<'_>) -> Option<Self> {
        let mut files = Self::default();
        let mut fields = decoder.fields(at, "a table with `read`, `write`, `execute`")?;
        decoder.set(&mut fields, "read", &mut files.read);
        decoder.set(&mut fields, "write", &mut files.write);
        decoder.set(&mut fields, "execute", &mut files.execute);
        decoder.finish(fields, |_| None);
        Some(files)
    }
}

impl Decode for NetPolicy {
    fn decode(decoder: &mut Decoder<'_>, at: &At<'_>) -> Option<Self> {
        let Kind::Table(_) = &at.node.kind else {
            return decoder.choice(at, &[("none", 0), ("loopback", 1), ("host", 2)]).map(
                |choice| match choice {
                    0 => Self::None,
                    1 => Self::Loopback,
                    _ => Self::Host,
                },
            );
        };
        let mut fields = decoder.fields(at, "a table")?;
        let (mut connect, mut bind) = Default::default();
        decoder.set(&mut fields, "connect", &mut connect);
        decoder.set(&mut fields, "bind", &mut bind);
        decoder.finish(fields, |_| None);
        Some(Self::Ports { connect, bind })
    }
}

impl Decode for FlowDir {
    fn decode(decoder: &mut Decoder<'_>, at: &At<'_>) -> Option<Self> {
        let mut fields = decoder.fields(at, "a table with `name`, `path` and `mode`")?;
        let name = decoder.required(&mut fields, "name");
        let path = decoder.required(&mut fields, "path");
        let mut mode = FlowMode::default();
        decoder.set(&mut fields, "mode", &mut mode);
        decoder.finish(fields, |_| None);
        Some(Self { name: name?, path: path?, mode })
    }
}

impl Decode for QuotaEnforce {
    fn decode(decoder: &mut Decoder<'_>, at: &At<'_>) -> Option<Self> {
        BTreeMap::decode(decoder, at).map(Self)
    }
}

impl Decode for QuotaStep {
    fn decode(decoder: &mut Decoder<'_>, at: &At<'_>) -> Option<Self> {
        let mut fields = decoder.fields(at, "a table with `at` and `do`")?;
        let line: Option<String> = decoder.required(&mut fields, "at");
        let action = decoder.required(&mut fields, "do");
        let mut hold = None;
        decoder.set(&mut fields, "hold", &mut hold);
        decoder.finish(fields, |_| None);
        Some(Self { at: line?, action: action?, hold })
    }
}

impl Decode for QuotaAction {
    fn decode(decoder: &mut Decoder<'_>, at: &At<'_>) -> Option<Self> {
        const NAMES: [&str; 6] = ["observe", "warn", "throttle", "freeze", "kill", "signal:NAME"];
        let text = String::decode(decoder, at)?;
        if text.starts_with("signal:") {
            return Some(Self::Signal(text));
        }
        match text.to_ascii_lowercase().as_str() {
            "observe" => Some(Self::Observe),
            "warn" => Some(Self::Warn),
            "throttle" => Some(Self::Throttle),
            "freeze" => Some(Self::Freeze),
            "kill" => Some(Self::Kill),
            _ => {
                decoder.unknown_value(at, &text, &NAMES);
                None
            }
        }
    }
}
