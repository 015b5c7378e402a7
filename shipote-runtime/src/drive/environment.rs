//! What a process finds around it: variables and working directory, from card, workspace and caller.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use shipote_card::{CommandRef, FlowMode, Payload, Soma, WorkspaceSpec};

use super::session::Caller;
use crate::host::init::protocol::StepFailure;

/// Variables that every process gets from its caller, where the caller has them.
pub const PASSED_ALWAYS: [&str; 5] = ["PATH", "HOME", "USER", "LANG", "TERM"];

/// Why the surroundings of a process can't be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Missing {
    /// Variables that only a caller can pass.
    Variables(Vec<String>),
    /// A file or directory.
    Step(StepFailure),
}

/// What a process finds around it.
#[derive(Debug, Clone)]
pub(super) struct Surroundings {
    pub(super) argv: Vec<String>,
    pub(super) env: BTreeMap<String, String>,
    pub(super) cwd: String,
}

/// Returns what the caller of this daemon would be, for processes that nobody but the daemon starts.
pub(super) fn daemon_as_caller() -> Caller {
    let env = PASSED_ALWAYS.iter().filter_map(|name| Some(((*name).to_owned(), std::env::var(name).ok()?)));
    Caller { cwd: "/".to_owned(), env: env.collect() }
}

/// Puts together what `command` finds around it in `workspace`.
pub(super) fn surroundings(
    workspace: &WorkspaceSpec,
    command: &CommandRef,
    caller: &Caller,
) -> Result<Surroundings, Missing> {
    let mut env = BTreeMap::new();
    for name in PASSED_ALWAYS {
        if let Some(value) = caller.env.get(name) {
            env.insert(name.to_owned(), value.clone());
        }
    }
    for dir in &workspace.flow_dirs {
        env.insert(dir.variable(), dir.path.clone());
    }
    let mut missing = Vec::new();
    for soma in [&workspace.soma, &command.soma] {
        add_soma(soma, caller, &mut env, &mut missing)?;
    }
    if !missing.is_empty() {
        return Err(Missing::Variables(missing));
    }
    let argv = match &command.payload {
        Payload::Native { exec, argv, envp } => {
            env.extend(envp.iter().filter_map(|pair| pair.split_once('=')).map(own_pair));
            std::iter::once(exec.clone()).chain(argv.iter().cloned()).collect()
        }
        Payload::Shell { script } => vec!["/bin/sh".to_owned(), "-c".to_owned(), script.clone()],
    };
    let cwd = command.soma.cwd.as_ref().or(workspace.soma.cwd.as_ref()).unwrap_or(&caller.cwd);
    Ok(Surroundings { argv, env, cwd: if cwd.is_empty() { "/".to_owned() } else { cwd.clone() } })
}

/// Most bytes of an `env_file`.
const ENV_FILE_LIMIT: u64 = 1 << 20;

/// Reads an `env_file`: a regular file of moderate size, since the daemon itself reads it.
fn read_env_file(path: &str) -> io::Result<String> {
    let file = fs::File::options().read(true).custom_flags(libc::O_NONBLOCK).open(path)?;
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(io::Error::from_raw_os_error(libc::EINVAL));
    }
    if metadata.len() > ENV_FILE_LIMIT {
        return Err(io::Error::from_raw_os_error(libc::EFBIG));
    }
    let mut text = String::new();
    file.take(ENV_FILE_LIMIT).read_to_string(&mut text)?;
    Ok(text)
}

fn own_pair((name, value): (&str, &str)) -> (String, String) {
    (name.to_owned(), value.to_owned())
}

fn add_soma(
    soma: &Soma,
    caller: &Caller,
    env: &mut BTreeMap<String, String>,
    missing: &mut Vec<String>,
) -> Result<(), Missing> {
    for path in &soma.env_file {
        let text =
            read_env_file(path).map_err(|error| Missing::Step(StepFailure::new("env_file", path, &error)))?;
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
        env.extend(lines.filter_map(|line| line.split_once('=')).map(own_pair));
    }
    env.extend(soma.env.iter().map(|(name, value)| (name.clone(), value.clone())));
    for name in &soma.env_pass {
        match caller.env.get(name) {
            Some(value) => drop(env.insert(name.clone(), value.clone())),
            None => missing.push(name.clone()),
        }
    }
    Ok(())
}

/// Makes the flow directories that are to be made, and returns those that are read-only inside.
pub(super) fn prepare_flow_dirs(spec: &WorkspaceSpec) -> Result<Vec<String>, StepFailure> {
    use std::os::unix::fs::DirBuilderExt;
    let mut read_only = Vec::new();
    for dir in &spec.flow_dirs {
        let failed = |error: std::io::Error| StepFailure::new("flow_dir", &dir.path, &error);
        if dir.mode == FlowMode::In {
            if !fs::metadata(&dir.path).map_err(failed)?.is_dir() {
                return Err(failed(std::io::Error::from_raw_os_error(libc::ENOTDIR)));
            }
            read_only.push(dir.path.clone());
        } else if !Path::new(&dir.path).is_dir() {
            fs::DirBuilder::new().recursive(true).mode(0o700).create(&dir.path).map_err(failed)?;
        }
    }
    Ok(read_only)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_sees_what_was_named_and_nothing_else() {
        let mut workspace = WorkspaceSpec::labelled("w");
        workspace.soma.env.insert("MODE".into(), "fast".into());
        workspace.soma.env_pass.push("TOKEN".into());
        let mut command = CommandRef::from_argv("c", &["prog".to_owned(), "x".to_owned()]).unwrap();
        command.soma.env.insert("MODE".into(), "slow".into());
        let mut caller = Caller { cwd: "/work".into(), env: BTreeMap::new() };
        for (name, value) in [("PATH", "/bin"), ("SECRET", "s")] {
            caller.env.insert(name.into(), value.into());
        }
        let Err(Missing::Variables(names)) = surroundings(&workspace, &command, &caller) else { panic!() };
        assert_eq!(names, ["TOKEN"]);
        caller.env.insert("TOKEN".into(), "t".into());
        let found = surroundings(&workspace, &command, &caller).unwrap();
        insta::assert_debug_snapshot!(found, @r#"
        Surroundings {
            argv: [
                "prog",
                "x",
            ],
            env: {
                "MODE": "slow",
                "PATH": "/bin",
                "TOKEN": "t",
            },
            cwd: "/work",
        }
        "#);
    }
}
