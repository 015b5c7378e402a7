//! What changed between two declarations of one thing, field by field.

use alloc::collections::BTreeSet;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;

use serde::Serialize;
use serde_json::Value;

/// One field that differs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Difference {
    /// The field: `soma.env.LANG`, `nodes[sort].payload.native.argv[0]`; things with a label or name go by it.
    pub field: String,
    /// The old value; none where the field was not there.
    pub old: Option<Value>,
    /// The new value; none where the field is not there any more.
    pub new: Option<Value>,
}

impl fmt::Display for Difference {
    /// Writes `field: old -> new`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown =
            |value: &Option<Value>| value.as_ref().map_or_else(|| "unset".to_string(), Value::to_string);
        write!(f, "{}: {} -> {}", self.field, shown(&self.old), shown(&self.new))
    }
}

/// Returns every field in which `new` differs from `old`: workspaces, commands, pipelines, or parts of them.
///
/// # Panics
///
/// Where a value can't be written as JSON, which is true of no type of this crate.
#[must_use]
pub fn differences<T: Serialize>(old: &T, new: &T) -> Vec<Difference> {
    let value = |spec: &T| serde_json::to_value(spec).expect("a declaration is JSON");
    let mut found = Vec::new();
    compare("", Some(&value(old)), Some(&value(new)), &mut found);
    found
}

fn compare(field: &str, old: Option<&Value>, new: Option<&Value>, found: &mut Vec<Difference>) {
    match (old, new) {
        (old, new) if old == new => {}
        (Some(Value::Object(old)), Some(Value::Object(new))) => {
            let keys: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
            for key in keys {
                let inner = if field.is_empty() { key.clone() } else { format!("{field}.{key}") };
                let nothing = Value::Object(serde_json::Map::new());
                let (old, new) = match (old.get(key), new.get(key)) {
                    // A map that came or went is named by its keys.
                    (None, Some(new @ Value::Object(_))) => (Some(&nothing), Some(new)),
                    (Some(old @ Value::Object(_)), None) => (Some(old), Some(&nothing)),
                    (old, new) => (old, new),
                };
                compare(&inner, old, new, found);
            }
        }
        (Some(Value::Array(old)), Some(Value::Array(new))) => compare_arrays(field, old, new, found),
        (old, new) => {
            found.push(Difference { field: field.to_string(), old: old.cloned(), new: new.cloned() });
        }
    }
}

fn compare_arrays(field: &str, old: &[Value], new: &[Value], found: &mut Vec<Difference>) {
    let (Some(old_names), Some(new_names)) = (names(old), names(new)) else {
        // Arguments and the like mean something only as a whole.
        let whole = |items: &[Value]| Some(Value::Array(items.to_vec()));
        found.push(Difference { field: field.to_string(), old: whole(old), new: whole(new) });
        return;
    };
    let before = found.len();
    for (name, item) in old_names.iter().zip(old) {
        let other = new_names.iter().position(|other| other == name).map(|i| &new[i]);
        compare(&format!("{field}[{name}]"), Some(item), other, found);
    }
    for (name, item) in new_names.iter().zip(new).filter(|(name, _)| !old_names.contains(name)) {
        compare(&format!("{field}[{name}]"), None, Some(item), found);
    }
    if found.len() == before {
        let order = |names: &[String]| Some(Value::from(names.to_vec()));
        found.push(Difference {
            field: format!("{field} (order)"),
            old: order(&old_names),
            new: order(&new_names),
        });
    }
}

/// Returns the names of things that each have one of their own: a label, a name, or two ends.
fn names(items: &[Value]) -> Option<Vec<String>> {
    let mut names = Vec::with_capacity(items.len());
    for item in items {
        let text = |key: &str| item.get(key).and_then(Value::as_str);
        let name = match (text("label").or_else(|| text("name")), text("from"), text("to")) {
            (Some(name), ..) => name.to_string(),
            (None, Some(from), Some(to)) => format!("{from}..{to}"),
            _ => return None,
        };
        names.push(name);
    }
    let different: BTreeSet<&String> = names.iter().collect();
    (different.len() == names.len()).then_some(names)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ByteSize, CommandRef, Edge, PipelineSpec, WorkspaceSpec};

    fn shown<T: Serialize>(old: &T, new: &T) -> String {
        differences(old, new).iter().map(|difference| format!("{difference}\n")).collect()
    }

    #[test]
    fn what_changed_in_a_workspace_is_named_by_field() {
        let old = WorkspaceSpec::labelled("a");
        let mut new = old.clone();
        assert_eq!(shown(&old, &new), "");
        new.ttl = Some(crate::Span::from_secs(60));
        new.soma.memory_max = Some(ByteSize(512));
        new.soma.env.insert("LANG".into(), "C".into());
        insta::assert_snapshot!(shown(&old, &new), @r#"
    soma.env.LANG: unset -> "C"
    soma.memory_max: unset -> 512
    ttl: null -> 60
    "#);
    }

    #[test]
    fn nodes_go_by_label_and_edges_by_their_ends() {
        let node = |label: &str, argv: &[&str]| {
            CommandRef::from_argv(label, &argv.iter().map(ToString::to_string).collect::<Vec<_>>()).unwrap()
        };
        let old: PipelineSpec = serde_json::from_value(serde_json::json!({
            "label": "p", "nodes": [node("a", &["sort"]), node("b", &["uniq"])], "edges": [Edge::between("a", "b")]
        }))
        .unwrap();
        let mut new = old.clone();
        new.nodes[0] = node("a", &["sort", "-r"]);
        new.nodes.push(node("c", &["head"]));
        new.edges.push(Edge::between("b", "c"));
        insta::assert_snapshot!(shown(&old, &new), @r#"
    edges[b..c]: unset -> {"from":"b","to":"c"}
    nodes[a].payload.native.argv: [] -> ["-r"]
    nodes[c]: unset -> {"flows":{},"label":"c","payload":{"native":{"argv":[],"envp":[],"exec":"head"}},"soma":{},"supervision":"one_shot"}
    "#);
        let mut turned = old.clone();
        turned.nodes.reverse();
        insta::assert_snapshot!(shown(&old, &turned), @r#"nodes (order): ["a","b"] -> ["b","a"]"#);
    }
}
