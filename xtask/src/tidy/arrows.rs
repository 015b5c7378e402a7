//! Which crate may know which: the declared arrows, compared with those in the manifests.

use std::collections::BTreeSet;

use serde_json::Value;

use super::Problem;

/// Each crate of the product and those that it depends on, exactly.
const ARROWS: &[(&str, &[&str])] = &[
    ("shipote-card", &[]),
    ("shipote-snapshot", &["shipote-card"]),
    ("shipote-runtime", &["shipote-card", "shipote-snapshot"]),
    ("shipote-daemon", &["shipote-card", "shipote-runtime", "shipote-snapshot"]),
    ("shipote-inspect-wasm", &["shipote-card", "shipote-snapshot"]),
];

/// Crates outside of the product, and what they may depend on.
const OUTSIDE: &[(&str, &[&str])] = &[
    ("shipote-tests", &["shipote-card", "shipote-daemon", "shipote-runtime", "shipote-snapshot"]),
    ("xtask", &[]),
];

/// Returns every arrow that is missing or not declared, and every crate that is not known here.
pub(super) fn check(metadata: &Value) -> Vec<Problem> {
    let packages = metadata["packages"].as_array().map(Vec::as_slice).unwrap_or_default();
    let members: BTreeSet<&str> = packages.iter().filter_map(|package| package["name"].as_str()).collect();
    let mut problems = Vec::new();
    for package in packages {
        let name = package["name"].as_str().unwrap_or_default();
        let mut report =
            |message: String| problems.push(Problem::new(manifest(metadata, package), 1, message));
        let arrows = |development: bool| -> BTreeSet<&str> {
            let dependencies = package["dependencies"].as_array().map(Vec::as_slice).unwrap_or_default();
            dependencies
                .iter()
                .filter(|dependency| (dependency["kind"] == "dev") == development)
                .filter_map(|dependency| dependency["name"].as_str())
                .filter(|dependency| members.contains(dependency))
                .collect()
        };
        let declared = |list: &[(&str, &'static [&'static str])]| {
            list.iter()
                .find(|(krate, _)| *krate == name)
                .map(|(_, arrows)| BTreeSet::from_iter(arrows.iter().copied()))
        };
        let (normal, development) = (arrows(false), arrows(true));
        if let Some(wanted) = declared(ARROWS) {
            for missing in wanted.difference(&normal) {
                report(format!("{name} does not depend on {missing}, although that arrow is declared"));
            }
            for stray in normal.difference(&wanted) {
                report(format!("{name} must not depend on {stray}"));
            }
            // A crate may turn on features of itself for its tests.
            for stray in development.iter().filter(|stray| !wanted.contains(*stray) && **stray != name) {
                report(format!("the tests of {name} must not depend on {stray}"));
            }
        } else if let Some(allowed) = declared(OUTSIDE) {
            for stray in normal.union(&development).filter(|stray| !allowed.contains(*stray)) {
                report(format!("{name} must not depend on {stray}"));
            }
        } else {
            report(format!("{name} has no declared arrows (xtask/src/tidy/arrows.rs)"));
        }
    }
    for (name, _) in ARROWS.iter().chain(OUTSIDE).filter(|(name, _)| !members.contains(name)) {
        problems.push(Problem::new(
            "Cargo.toml",
            1,
            format!("{name} is declared, but is no member of the workspace"),
        ));
    }
    problems
}

/// Returns the path of a package's manifest below the workspace.
fn manifest<'a>(metadata: &'a Value, package: &'a Value) -> &'a str {
    let path = package["manifest_path"].as_str().unwrap_or_default();
    let root = metadata["workspace_root"].as_str().unwrap_or_default();
    path.strip_prefix(root).map_or(path, |path| path.trim_start_matches('/'))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn workspace(extra: Value) -> Value {
        let package = |name: &str, needs: &[&str]| {
            let needs: Vec<Value> = needs.iter().map(|need| json!({ "name": need, "kind": null })).collect();
            json!({ "name": name, "manifest_path": format!("/w/{name}/Cargo.toml"), "dependencies": needs })
        };
        let mut packages: Vec<Value> =
            ARROWS.iter().chain(OUTSIDE).map(|(name, needs)| package(name, needs)).collect();
        for package in &mut packages {
            if let Some(needs) = extra[package["name"].as_str().unwrap()].as_array() {
                package["dependencies"].as_array_mut().unwrap().extend(needs.iter().cloned());
            }
        }
        json!({ "workspace_root": "/w", "packages": packages })
    }

    #[test]
    fn the_declared_arrows_pass() {
        assert_eq!(check(&workspace(json!({}))), []);
    }

    #[test]
    fn an_arrow_against_the_direction_is_refused() {
        let found =
            check(&workspace(json!({ "shipote-card": [{ "name": "shipote-runtime", "kind": null }] })));
        assert_eq!(found.len(), 1);
        assert_eq!(
            found[0].to_string(),
            "shipote-card/Cargo.toml:1: shipote-card must not depend on shipote-runtime"
        );
        let found = check(&workspace(json!({ "xtask": [{ "name": "shipote-card", "kind": null }] })));
        assert_eq!(found.len(), 1);
    }
}
