//! Paths of a card: relative ones are made absolute by joining texts; no file is looked at.

use alloc::string::{String, ToString};
use alloc::vec::Vec;

use crate::card::Card;
use crate::command::{CommandRef, Payload, ReadyProbe};
use crate::workspace::{RootFs, Soma};

/// Makes every path of `card` absolute: relative ones are taken from `base_dir`, the card's directory, and `.`, `..`
/// and double slashes are resolved by their text.
///
/// A program without a slash is left to `PATH`, and the target of a mount is left as it is. A workspace without `cwd`
/// gets `base_dir`.
pub fn resolve_paths(card: &mut Card, base_dir: &str) {
    if let Some(workspace) = &mut card.workspace {
        resolve_soma(&mut workspace.soma, base_dir);
        workspace.soma.cwd.get_or_insert_with(|| resolve(base_dir, "."));
        for flow_dir in &mut workspace.flow_dirs {
            flow_dir.path = resolve(base_dir, &flow_dir.path);
        }
        if let Some(files) = &mut workspace.permissions.files {
            for path in files.read.iter_mut().chain(&mut files.write).chain(&mut files.execute) {
                *path = resolve(base_dir, path);
            }
        }
    }
    for command in &mut card.commands {
        resolve_command(command, base_dir);
    }
    for node in card.pipelines.iter_mut().flat_map(|pipeline| &mut pipeline.nodes) {
        resolve_command(node, base_dir);
    }
}

fn resolve_command(command: &mut CommandRef, base_dir: &str) {
    resolve_soma(&mut command.soma, base_dir);
    if let Payload::Native { exec, .. } = &mut command.payload {
        resolve_program(exec, base_dir);
    }
    if let Some(ready) = &mut command.ready
        && let ReadyProbe::Exec(argv) = &mut ready.probe
        && let Some(program) = argv.first_mut()
    {
        resolve_program(program, base_dir);
    }
}

fn resolve_program(program: &mut String, base_dir: &str) {
    if program.contains('/') {
        *program = resolve(base_dir, program);
    }
}

fn resolve_soma(soma: &mut Soma, base_dir: &str) {
    if let Some(cwd) = &mut soma.cwd {
        *cwd = resolve(base_dir, cwd);
    }
    for file in &mut soma.env_file {
        *file = resolve(base_dir, file);
    }
    for mount in &mut soma.mounts {
        if mount.source != "tmpfs" {
            mount.source = resolve(base_dir, &mount.source);
        }
    }
    if let RootFs::Directory(directory) = &mut soma.root {
        *directory = resolve(base_dir, directory);
    }
}

/// Returns `path`, taken from `base_dir` where it is relative, without `.`, `..` and double slashes.
///
/// An empty path stays empty: it means nothing, and must not come to mean the base.
#[must_use]
pub fn resolve(base_dir: &str, path: &str) -> String {
    if path.is_empty() {
        return String::new();
    }
    let base = if path.starts_with('/') { "" } else { base_dir };
    let mut segments: Vec<&str> = Vec::new();
    for segment in base.split('/').chain(path.split('/')) {
        match segment {
            "" | "." => {}
            ".." => _ = segments.pop(),
            segment => segments.push(segment),
        }
    }
    let mut resolved = String::new();
    for segment in segments {
        resolved.push('/');
        resolved.push_str(segment);
    }
    if resolved.is_empty() { "/".to_string() } else { resolved }
}

/// Returns whether `path` is absolute and does not climb.
pub(crate) fn is_absolute(path: &str) -> bool {
    path.starts_with('/') && path.split('/').all(|segment| segment != "..")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::WorkspaceSpec;
    use alloc::vec;

    #[test]
    fn a_path_is_taken_from_the_base_and_has_no_detours() {
        for (path, resolved) in [
            ("data", "/srv/card/data"),
            ("./a//b/", "/srv/card/a/b"),
            ("../x", "/srv/x"),
            ("../../../..", "/"),
            ("/abs/../y", "/y"),
            (".", "/srv/card"),
            ("", ""),
        ] {
            assert_eq!(resolve("/srv/card", path), resolved, "{path}");
        }
    }

    #[test]
    fn a_program_is_resolved_only_where_it_has_a_slash() {
        let command = |program: &str| CommandRef::from_argv("x", &[program.to_string()]).unwrap();
        let mut card = Card {
            workspace: Some(WorkspaceSpec::labelled("w")),
            commands: vec![command("sort"), command("./tool")],
            pipelines: Vec::new(),
        };
        card.commands[0].soma.cwd = Some("sub".to_string());
        resolve_paths(&mut card, "/base");
        assert_eq!(card.workspace.unwrap().soma.cwd.as_deref(), Some("/base"));
        assert_eq!(
            card.commands[0],
            CommandRef { soma: Soma { cwd: Some("/base/sub".into()), ..Soma::default() }, ..command("sort") }
        );
        assert_eq!(card.commands[1], command("/base/tool"));
    }
}
