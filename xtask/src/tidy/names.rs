//! Names in the docs: a path or module that a page speaks of exists, and every crate is spoken of.

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::{Problem, files, read};

/// The page that has to name every crate.
const MAP: &str = "docs/architecture.md";

pub(super) fn check(root: &Path, metadata: &Value) -> Vec<Problem> {
    let members = members(metadata);
    let mut pages = files(root, Path::new("docs"), "md");
    pages.push(PathBuf::from("README.md"));
    let mut problems = Vec::new();
    for page in pages {
        let text = read(root, &page);
        for (at, line) in text.lines().enumerate() {
            for word in words(line) {
                if let Some(message) = broken(root, &members, word) {
                    problems.push(Problem::new(&page, at + 1, message));
                }
            }
        }
    }
    let map = read(root, Path::new(MAP));
    let unnamed = members
        .iter()
        .filter(|(name, folder)| !map.contains(name.as_str()) && !map.contains(folder.as_str()));
    problems.extend(unnamed.map(|(name, _)| Problem::new(MAP, 1, format!("does not name the crate {name}"))));
    problems
}

/// Returns the name and the folder of each crate.
fn members(metadata: &Value) -> Vec<(String, String)> {
    let packages = metadata["packages"].as_array().map(Vec::as_slice).unwrap_or_default();
    let folder = |package: &Value| {
        let manifest = Path::new(package["manifest_path"].as_str()?).parent()?;
        manifest.file_name().map(|name| name.to_string_lossy().into_owned())
    };
    packages
        .iter()
        .filter_map(|package| Some((package["name"].as_str()?.to_owned(), folder(package)?)))
        .collect()
}

/// Divides a line into what may be a path or a module.
fn words(line: &str) -> impl Iterator<Item = &str> {
    line.split(|letter: char| letter.is_whitespace() || "`()[]\"',;|".contains(letter))
        .map(|word| word.trim_start_matches("./").trim_end_matches(['.', ':', '!', '?']))
        .filter(|word| !word.is_empty() && !word.contains(['*', '{', '}', '<', '>', '$', '…', '=']))
}

/// Returns what is wrong with a word, if it names something of ours that is not there.
fn broken(root: &Path, members: &[(String, String)], word: &str) -> Option<String> {
    if let Some((krate, rest)) = word.split_once("::") {
        let (_, folder) =
            members.iter().find(|(name, _)| name.replace('-', "_") == krate || name == krate)?;
        return module(root, folder, rest).err();
    }
    let path = word.split('#').next().unwrap_or_default();
    let (first, rest) = path.split_once('/')?;
    let (path, _) =
        path.split_once(".rs:").map_or((path, ""), |(file, line)| (&path[..file.len() + 3], line));
    let ours = members.iter().any(|(_, folder)| folder == first) || first == "docs";
    let file = rest.ends_with('/')
        || rest.starts_with("src")
        || [".rs", ".md", ".toml", ".json"].iter().any(|end| path.ends_with(end));
    (ours && file && !root.join(path).exists()).then(|| format!("{path} does not exist"))
}

/// Follows a path of modules as far as there are files for them; what comes then has to stand in the last one.
fn module(root: &Path, folder: &str, path: &str) -> Result<(), String> {
    let mut directory = Path::new(folder).join("src");
    let mut file = directory.join("lib.rs");
    for part in path.split("::") {
        let name: String =
            part.chars().take_while(|letter| letter.is_alphanumeric() || *letter == '_').collect();
        let (beside, inside) = (directory.join(format!("{name}.rs")), directory.join(&name).join("mod.rs"));
        if let Some(next) = [beside, inside].into_iter().find(|next| root.join(next).is_file()) {
            directory.push(&name);
            file = next;
            continue;
        }
        let text = read(root, &file);
        let mut seen = text.split(|letter: char| !letter.is_alphanumeric() && letter != '_');
        return match name.is_empty() || seen.any(|word| word == name) {
            true => Ok(()),
            false => Err(format!("{folder}::{path}: {} has no {name}", file.display())),
        };
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(word: &str) -> Option<String> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let members =
            [("xtask".to_owned(), "xtask".to_owned()), ("shipote-tests".to_owned(), "tests".to_owned())];
        words(&format!("see `{word}`.")).find_map(|word| broken(root, &members, word))
    }

    #[test]
    fn paths_have_to_exist() {
        assert_eq!(said("xtask/src/tidy/names.rs"), None);
        assert_eq!(said("xtask/src/tidy/names.rs:12"), None);
        assert_eq!(said("xtask/src/"), None);
        assert_eq!(said("xtask/src/gone.rs"), Some("xtask/src/gone.rs does not exist".to_owned()));
        assert_eq!(said("other/src/gone.rs"), None);
        assert_eq!(said("xtask/src/*.rs"), None);
        assert_eq!(said("application/json"), None);
    }

    #[test]
    fn modules_and_what_is_in_them_have_to_exist() {
        let members = [("shipote-runtime".to_owned(), "shipote-runtime".to_owned())];
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let said = |word: &str| broken(root, &members, word);
        assert_eq!(said("shipote_runtime::decide::discern::Discerned"), None);
        assert_eq!(said("shipote_runtime::decide::discern::agrees()"), None);
        assert!(said("shipote_runtime::decide::discern::Vanished").is_some());
        assert_eq!(said("other::thing"), None);
    }
}
