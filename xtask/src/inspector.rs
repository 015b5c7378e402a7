//! The inspector page: built of the wasm crate and the TypeScript beside it, measured against its gate, and tested in a
//! real browser.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::program::{self, cargo};
use crate::{Outcome, tools};

/// Where the page's own sources are.
pub const WEB: &str = "shipote-inspect-wasm/web";

/// The crate that makes of the module what a browser takes. It is outside of the workspace.
const DRIVER: &str = "xtask/inspector-build/Cargo.toml";

/// Most bytes of the page, compressed as a server would.
const MOST_PAGE: u64 = 220 * 1024;

/// Builds the page, and says where it is.
pub fn run(root: &Path) -> Outcome {
    let built = page(root)?;
    println!("{}", built.display());
    Ok(())
}

/// Builds the page, and returns where it is.
pub fn page(root: &Path) -> Outcome<PathBuf> {
    tools::inspector(root)?;
    pinned(root)?;
    build(root)
}

/// Tests a page that was built in a browser; `see` gets each line of the tests. `shipote` is the program whose reports
/// the page must match to the byte, and which carries it.
pub fn test(root: &Path, page: &Path, shipote: &Path, see: impl FnMut(&str)) -> Outcome {
    let again = page.with_file_name("again.html");
    bundle(root, page, &again)?;
    if fs::read(page).ok() != fs::read(&again).ok() {
        return Err("the page is not the same when it is put together twice".to_owned());
    }
    let web = root.join(WEB);
    program::run(npm_tool(&web, "tsc").arg("--noEmit"))?;
    let mut node = Command::new("node");
    node.args(["--test", "--test-reporter=spec"]).args(test_files(&web)).current_dir(&web);
    node.env("SHIPOTE_PAGE", page).env("SHIPOTE_BIN", shipote);
    program::watch(&mut node, see)
}

/// Builds the page and tests it beside the program that `SHIPOTE_BIN` names, or one that is built without optimisation and
/// carries it.
pub fn test_alone(root: &Path) -> Outcome {
    let page = page(root)?;
    if let Some(shipote) = std::env::var_os("SHIPOTE_BIN") {
        return test(root, &page, Path::new(&shipote), |_| ());
    }
    let build = ["build", "-p", "shipote-daemon", "--bin", "shipote"];
    program::run(cargo(root, &build).env("SHIPOTE_PAGE", &page))?;
    test(root, &page, &program::built(root, "debug")?.join("shipote"), |_| ())
}

/// Builds the page, and returns what measures it.
pub fn bench(root: &Path, rounds: u64) -> Outcome<Command> {
    tools::inspector(root)?;
    let page = build(root)?;
    let mut node = Command::new("node");
    node.arg("bench/load.mjs").arg(rounds.to_string()).current_dir(root.join(WEB));
    node.env("SHIPOTE_PAGE", page).env("SHIPOTE_PAGE_MOST", MOST_PAGE.to_string());
    Ok(node)
}

/// Returns the tests of the page. Named one by one: what a folder means to Node.js differs between its versions.
fn test_files(web: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(web.join("tests")).into_iter().flatten().flatten();
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    files.retain(|path| path.to_string_lossy().ends_with(".test.mjs"));
    files.sort();
    files
}

/// Builds the module, then the page around it, and measures it.
fn build(root: &Path) -> Outcome<PathBuf> {
    let target = program::built(root, "")?;
    let module =
        ["build", "--profile", "wasm", "--target", "wasm32-unknown-unknown", "-p", "shipote-inspect-wasm"];
    program::run(cargo(root, &module).env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUSTFLAGS", hidden_paths()))?;
    let own = target.join("inspector");
    fs::create_dir_all(&own).map_err(|error| format!("{}: {error}", own.display()))?;
    let driver = ["run", "--quiet", "--locked", "--manifest-path", DRIVER, "--"];
    program::run(
        cargo(root, &driver)
            .arg(target.join("wasm32-unknown-unknown/wasm/shipote_inspect_wasm.wasm"))
            .arg(&own)
            .env("CARGO_TARGET_DIR", target.join("inspector-build")),
    )?;
    let page = own.join("shipote-inspect.html");
    let before = fs::read_to_string(own.join("size.json")).unwrap_or_default();
    // The same page stays the same file: a program that carries it is not built anew.
    let fresh = own.join("fresh.html");
    let told = bundle(root, &page, &fresh)?;
    gate(&told, &before)?;
    if fs::read(&page).ok() != fs::read(&fresh).ok() {
        fs::copy(&fresh, &page).map_err(|error| format!("{}: {error}", page.display()))?;
    }
    fs::remove_file(&fresh).map_err(|error| format!("{}: {error}", fresh.display()))?;
    fs::write(own.join("size.json"), told.to_string()).map_err(|error| format!("size.json: {error}"))?;
    Ok(page)
}

/// Puts the page together of what lies beside `page`, and returns its sizes.
fn bundle(root: &Path, page: &Path, out: &Path) -> Outcome<Value> {
    let own = page.parent().unwrap_or(root);
    let text =
        program::read(Command::new("node").arg("build.mjs").arg(own).arg(out).current_dir(root.join(WEB)))?;
    serde_json::from_str(&text).map_err(|error| format!("build.mjs: {error}"))
}

/// Returns flags that keep the paths of this machine out of what is built: it is the same wherever that is done.
pub fn hidden_paths() -> String {
    let home = std::env::var_os("CARGO_HOME").map_or_else(
        || PathBuf::from(std::env::var_os("HOME").unwrap_or_default()).join(".cargo"),
        PathBuf::from,
    );
    let sources = fs::read_dir(home.join("registry/src")).into_iter().flatten().flatten();
    let flags = sources.map(|source| format!("--remap-path-prefix={}=crates", source.path().display()));
    flags.collect::<Vec<_>>().join(" ")
}

/// Holds the sizes against the gate and tells them, with what changed since `before`.
fn gate(told: &Value, before: &str) -> Outcome {
    let before: Value = serde_json::from_str(before).unwrap_or_default();
    let size = told["page_gzip"].as_u64().ok_or("build.mjs tells no page_gzip")?;
    // Not on standard output, where a measurement has its own document.
    eprintln!("{}", size_line(size, before["page_gzip"].as_u64()));
    if size > MOST_PAGE {
        Err(format!("the page is {} bytes above its gate", size - MOST_PAGE))
    } else {
        Ok(())
    }
}

fn size_line(size: u64, before: Option<u64>) -> String {
    let kib = |bytes: i64| bytes as f64 / 1024.0;
    let most = kib(MOST_PAGE.cast_signed());
    let change = before.map_or_else(String::new, |before| {
        format!(", {:+.1} since the build before", kib(size.cast_signed() - before.cast_signed()))
    });
    format!("page: {:.1} KiB gzip of {most:.0}{change}", kib(size.cast_signed()))
}

/// Refuses two versions of wasm-bindgen, which refuse each other with a message that helps nobody.
fn pinned(root: &Path) -> Outcome {
    let versions = ["Cargo.lock", "xtask/inspector-build/Cargo.lock"].map(|lock| {
        let text = fs::read_to_string(root.join(lock)).unwrap_or_default();
        version_in(&text, "wasm-bindgen-shared").unwrap_or_default()
    });
    match versions {
        [one, other] if one == other => Ok(()),
        [one, other] => Err(format!(
            "wasm-bindgen is {one} in the workspace and {other} in {DRIVER}: pin both to one version"
        )),
    }
}

/// Returns the version of a package in the text of a lock file.
fn version_in(lock: &str, package: &str) -> Option<String> {
    let name = format!("name = \"{package}\"");
    let version = lock.lines().skip_while(|line| *line != name).nth(1)?;
    Some(version.strip_prefix("version = \"")?.trim_end_matches('"').to_owned())
}

/// Returns a command that runs a tool of the page's own.
fn npm_tool(web: &Path, name: &str) -> Command {
    let mut command = Command::new(web.join("node_modules/.bin").join(name));
    command.current_dir(web);
    command
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_size_above_the_gate_is_refused() {
        let sizes = |page: u64| json!({ "page_gzip": page });
        assert_eq!(gate(&sizes(MOST_PAGE), ""), Ok(()));
        assert_eq!(gate(&sizes(MOST_PAGE + 3), ""), Err("the page is 3 bytes above its gate".to_owned()));
        assert!(gate(&json!({}), "").is_err());
        assert_eq!(size_line(2048, Some(1024)), "page: 2.0 KiB gzip of 220, +1.0 since the build before");
    }

    #[test]
    fn versions_are_read_from_a_lock() {
        let lock = "[[package]]\nname = \"a\"\nversion = \"1.0.0\"\n\n[[package]]\nname = \"b\"\nversion = \"2.0.0\"\n";
        assert_eq!(version_in(lock, "b"), Some("2.0.0".to_owned()));
        assert_eq!(version_in(lock, "c"), None);
    }
}
