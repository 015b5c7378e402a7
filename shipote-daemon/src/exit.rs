//! Failures and exit codes: the only place that turns an error into a sentence, a hint and a number.

use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use shipote_card::{Problem, Severity};
use shipote_runtime::ManagerError;
use shipote_runtime::host::store::StoreError;
use shipote_runtime::view::LaunchFailure;

use crate::hints;

/// Exit code of `run` and `exec` when the command hit its time limit.
pub const TIMEOUT: u8 = 124;
/// Exit code of `run` and `exec` for any failure of shipote itself.
pub const OWN_FAILURE: u8 = 125;
/// Exit code of `run` and `exec` for a program that can't be executed.
pub const NOT_EXECUTABLE: u8 = 126;
/// Exit code of `run` and `exec` for a program that is not found.
pub const NO_PROGRAM: u8 = 127;
/// Exit code when the reader of stdout went away: 128 and SIGPIPE, as a shell would say it.
pub const BROKEN_PIPE: u8 = 141;

/// What kind of failure it is: a stable name for scripts, an exit code and an HTTP status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Code {
    /// Something failed.
    Failed,
    /// The command line is not understood.
    Usage,
    /// The contract has it, this release does not.
    NotInThisRelease,
    /// No such object.
    NotFound,
    /// No daemon answers.
    NoDaemon,
    /// The daemon is ending.
    Closing,
    /// The name stands for several objects.
    Ambiguous,
    /// Something else is in the way.
    Conflict,
    /// The daemon serves another state directory.
    OtherStateDirectory,
    /// It took too long.
    TimedOut,
    /// What was declared is not valid.
    Invalid,
    /// The user may not, or the host can not.
    NotPermitted,
    /// A variable that only a caller can pass is missing.
    NeedsEnv,
    /// A process could not be started.
    LaunchFailed,
    /// The state could not be written or read.
    StoreFailed,
    /// Something is enforced only in part.
    Degraded,
    /// The state was written by a newer version.
    StateNewer,
    /// The state is damaged.
    StateDamaged,
    /// What came over the socket is not understood.
    Protocol,
    /// The reader of stdout went away; nothing is said about it.
    BrokenPipe,
}

impl Code {
    /// Every code, for the documentation and its test.
    pub const ALL: [Self; 20] = [
        Self::Failed,
        Self::Usage,
        Self::NotInThisRelease,
        Self::NotFound,
        Self::NoDaemon,
        Self::Closing,
        Self::Ambiguous,
        Self::Conflict,
        Self::OtherStateDirectory,
        Self::TimedOut,
        Self::Invalid,
        Self::NotPermitted,
        Self::NeedsEnv,
        Self::LaunchFailed,
        Self::StoreFailed,
        Self::Degraded,
        Self::StateNewer,
        Self::StateDamaged,
        Self::Protocol,
        Self::BrokenPipe,
    ];

    /// Returns the name that scripts see.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Failed => "failed",
            Self::Usage => "usage",
            Self::NotInThisRelease => "not_in_this_release",
            Self::NotFound => "not_found",
            Self::NoDaemon => "no_daemon",
            Self::Closing => "closing",
            Self::Ambiguous => "ambiguous",
            Self::Conflict => "conflict",
            Self::OtherStateDirectory => "other_state_directory",
            Self::TimedOut => "timed_out",
            Self::Invalid => "invalid",
            Self::NotPermitted => "not_permitted",
            Self::NeedsEnv => "needs_env",
            Self::LaunchFailed => "launch_failed",
            Self::StoreFailed => "store_failed",
            Self::Degraded => "degraded",
            Self::StateNewer => "state_newer",
            Self::StateDamaged => "state_damaged",
            Self::Protocol => "protocol",
            Self::BrokenPipe => "broken_pipe",
        }
    }

    /// Returns the exit code of the program.
    #[must_use]
    pub const fn exit(self) -> u8 {
        match self {
            Self::Failed | Self::NeedsEnv | Self::LaunchFailed | Self::StoreFailed | Self::Protocol => 1,
            Self::Usage | Self::NotInThisRelease => 2,
            Self::NotFound => 3,
            Self::NoDaemon | Self::Closing => 4,
            Self::Ambiguous | Self::Conflict | Self::OtherStateDirectory => 5,
            Self::TimedOut => 6,
            Self::Invalid => 7,
            Self::NotPermitted => 8,
            Self::Degraded => 9,
            Self::StateNewer | Self::StateDamaged => 65,
            Self::BrokenPipe => BROKEN_PIPE,
        }
    }

    /// Returns the HTTP status that carries it.
    #[must_use]
    pub const fn status(self) -> u16 {
        match self {
            Self::Failed | Self::LaunchFailed | Self::StoreFailed | Self::StateNewer | Self::StateDamaged => {
                500
            }
            Self::Usage | Self::Protocol => 400,
            Self::NotInThisRelease => 501,
            Self::NotFound => 404,
            Self::NoDaemon | Self::Closing | Self::BrokenPipe | Self::Degraded => 503,
            Self::Ambiguous | Self::Conflict | Self::OtherStateDirectory | Self::NeedsEnv => 409,
            Self::TimedOut => 504,
            Self::Invalid => 422,
            Self::NotPermitted => 403,
        }
    }
}

/// What went wrong, in words: the object and the cause, then what to do next.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// What kind of failure it is.
    pub code: Code,
    /// The object and the cause, as a sentence fragment without a final stop.
    pub message: String,
    /// What to do next.
    #[serde(default)]
    pub hint: String,
    /// Everything that is wrong with what was declared.
    #[serde(default)]
    pub problems: Vec<Problem>,
    /// What an ambiguous name could stand for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub candidates: Vec<String>,
    /// Why a process could not be started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub launch: Option<Box<LaunchFailure>>,
    /// The text that the problems point into.
    #[serde(skip)]
    pub source: Option<Box<SourceText>>,
}

/// A document with problems, kept to show the lines they stand in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceText {
    /// Name of the file as the user wrote it.
    pub file: String,
    /// Its text.
    pub text: String,
}

impl Failure {
    /// Makes a failure of a kind with its sentence, and the next step that is usual for the kind.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            hint: hints::of_code(code).to_owned(),
            problems: Vec::new(),
            candidates: Vec::new(),
            launch: None,
            source: None,
        }
    }

    /// Says what to do next, where more is known than the kind of failure; an empty text knows nothing.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        let hint = hint.into();
        if !hint.is_empty() {
            self.hint = hint;
        }
        self
    }

    /// Makes the failure of a command line that is not understood.
    pub fn usage(message: impl Into<String>) -> Self {
        Self::new(Code::Usage, message)
    }

    /// Makes the failure of something that a later release will do.
    pub fn later(what: &str, instead: &str) -> Self {
        Self::new(Code::NotInThisRelease, format!("{what} is not in this release")).hint(instead)
    }

    /// Makes the failure that says nothing: the reader of stdout went away.
    #[must_use]
    pub fn broken_pipe() -> Self {
        Self::new(Code::BrokenPipe, "the reader of stdout went away")
    }

    /// Makes the failure of an operation on a file.
    pub fn file(doing: &str, path: &Path, error: &io::Error) -> Self {
        let code = match error.kind() {
            io::ErrorKind::NotFound => Code::NotFound,
            io::ErrorKind::PermissionDenied => Code::NotPermitted,
            _ => Code::Failed,
        };
        Self::new(code, format!("{doing} {}: {}", path.display(), plain(error)))
            .hint(hints::of_file(path, error))
    }

    /// Makes the failure of a current directory that can't be told: mostly, since it is gone.
    pub fn current_dir(error: &io::Error) -> Self {
        let code = Self::file("", Path::new("."), error).code;
        let what = match error.kind() {
            io::ErrorKind::NotFound => "the current directory is gone: it was removed".to_owned(),
            _ => format!("the current directory can't be told: {}", plain(error)),
        };
        Self::new(code, what).hint("change to a directory that is there, such as cd \"$HOME\", and try again")
    }

    /// Makes the failure of a document with problems.
    #[must_use]
    pub fn invalid(file: String, text: String, problems: Vec<Problem>) -> Self {
        let wrong = problems.iter().filter(|problem| problem.severity >= Severity::Error).count();
        let noun = if wrong == 1 { "error" } else { "errors" };
        Self {
            problems,
            source: Some(Box::new(SourceText { file: file.clone(), text })),
            ..Self::new(Code::Invalid, format!("{file} has {wrong} {noun}"))
        }
        .hint(format!("mend the card, then look again: shipote check {file}"))
    }

    /// Makes the failure of a process that could not be started.
    #[must_use]
    pub fn launch(launch: LaunchFailure) -> Self {
        let of_flow_dir = hints::of_flow_dir(&launch.object, launch.errno);
        let hint = match (launch.step.as_str(), launch_exit(&launch)) {
            ("exec", NO_PROGRAM) if launch.object.contains('/') => {
                "the path is looked up as its user sees it"
            }
            ("exec", NO_PROGRAM) => {
                "it is looked up in the PATH of the caller; a path with a / is taken as it is"
            }
            ("exec", NOT_EXECUTABLE) => {
                "it must be a file with permission to execute, and a script needs its #! line"
            }
            ("descriptors", _) => "split the pipeline in two, or look at fewer of its edges",
            ("cwd", _) => "--cwd, or `cwd` in the card, names another directory",
            ("flow_dir", _) => &of_flow_dir,
            _ => "shipote doctor tells what this host can do",
        };
        let message = launch_text(&launch);
        Self { launch: Some(Box::new(launch)), ..Self::new(Code::LaunchFailed, message) }.hint(hint)
    }

    /// Returns the exit code for `run` and `exec`, where the codes below 125 belong to the command.
    #[must_use]
    pub fn exit_of_command(&self) -> u8 {
        match (self.code, &self.launch) {
            (Code::BrokenPipe, _) => BROKEN_PIPE,
            (_, Some(launch)) => launch_exit(launch),
            _ => OWN_FAILURE,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

/// Returns an I/O error's text without the number that the standard library adds.
#[must_use]
pub fn plain(error: &io::Error) -> String {
    let text = error.to_string();
    match text.rfind(" (os error ") {
        Some(cut) => text[..cut].to_lowercase(),
        None => text,
    }
}

/// Returns the exit code for a command that could not be started, as docker and the shells choose it.
#[must_use]
pub fn launch_exit(failure: &LaunchFailure) -> u8 {
    if failure.step != "exec" {
        return OWN_FAILURE;
    }
    match nix::errno::Errno::from_raw(failure.errno) {
        nix::errno::Errno::ENOENT => NO_PROGRAM,
        nix::errno::Errno::EACCES
        | nix::errno::Errno::EPERM
        | nix::errno::Errno::ENOEXEC
        | nix::errno::Errno::EISDIR
        | nix::errno::Errno::ENOTDIR => NOT_EXECUTABLE,
        _ => OWN_FAILURE,
    }
}

/// Returns why a process could not be started, as one sentence fragment.
#[must_use]
pub fn launch_text(failure: &LaunchFailure) -> String {
    let errno = nix::errno::Errno::from_raw(failure.errno);
    let object = if failure.object.is_empty() { String::new() } else { format!(" {}", failure.object) };
    match (failure.step.as_str(), errno) {
        ("exec", nix::errno::Errno::ENOENT) => format!("program not found:{object}"),
        ("descriptors", nix::errno::Errno::E2BIG) => {
            "it has too many streams to start as a whole: 253 descriptors go to a workspace at once"
                .to_owned()
        }
        ("flow_dir", errno) => format!("the flow directory{object}: {}", errno.desc().to_lowercase()),
        (step, nix::errno::Errno::UnknownErrno) => format!("{step}{object} failed"),
        (step, errno) => format!("{step}{object}: {} ({errno:?})", errno.desc().to_lowercase()),
    }
}

/// Returns the failure of a directory that another daemon holds.
#[must_use]
pub fn locked(dir: &Path, pid: Option<u32>) -> Failure {
    let holder = pid.map_or_else(|| "another process".to_owned(), |pid| format!("process {pid}"));
    Failure::new(Code::Conflict, format!("the state directory {} is held by {holder}", dir.display()))
        .hint("shipote daemon status tells who serves it; shipote daemon stop ends it")
}

/// Returns the failure of a directory that may not be trusted.
#[must_use]
pub fn insecure(path: &Path, reason: &str) -> Failure {
    Failure::new(Code::NotPermitted, format!("{} is not safe to use: {reason}", path.display())).hint(
        "a state file holds programs to execute, so its directory must be yours, a real directory, and closed to \
         others (mode 0700)",
    )
}

/// Returns the failure of a state that only a newer version can read.
#[must_use]
pub fn newer(file: &Path, version: &str) -> Failure {
    Failure::new(
        Code::StateNewer,
        format!(
            "{} has version {version}, and this shipote knows versions up to {}",
            file.display(),
            shipote_snapshot::SNAPSHOT_VERSION
        ),
    )
    .hint("use the shipote that wrote it; nothing was changed")
}

/// Returns the failure of a `state.json` that was edited while changes waited in the journal.
fn edited(file: &Path, waiting: u64) -> Failure {
    let changes = if waiting == 1 { "1 change".to_owned() } else { format!("{waiting} changes") };
    Failure::new(
        Code::StateDamaged,
        format!("{} was edited by hand while {changes} waited in the journal beside it", file.display()),
    )
    .hint("`shipote state recover` shows what each of the two would lose, and takes the one you choose; nothing was changed")
}

/// A damaged state longer than this is told without the lines around its problems.
const EXCERPT_MAX: u64 = 64 << 20;

/// Returns the failure of a state that can't be understood. Its problems are shown in the file, if it can be read.
#[must_use]
pub fn damaged(file: &Path, quarantined: Option<&PathBuf>, problems: Vec<Problem>) -> Failure {
    let copy = quarantined.map_or_else(String::new, |path| format!("; a copy is in {}", path.display()));
    let bytes = match fs::metadata(file) {
        Ok(meta) if meta.len() <= EXCERPT_MAX => fs::read(file).unwrap_or_default(),
        _ => Vec::new(),
    };
    let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let text = String::from_utf8_lossy(&bytes).into_owned();
    Failure {
        problems,
        source: Some(Box::new(SourceText { file: name, text })),
        ..Failure::new(Code::StateDamaged, format!("{} can't be read as a state{copy}", file.display()))
    }
    .hint("shipote state recover shows every way on, and what each loses; the file was left as it is")
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Locked { pid } => locked(Path::new("of this daemon"), pid),
            StoreError::Insecure { path, reason } => insecure(&path, &reason),
            StoreError::Io { path, step, source } => {
                let code = match source.kind() {
                    io::ErrorKind::PermissionDenied => Code::NotPermitted,
                    _ => Code::StoreFailed,
                };
                Self::new(code, format!("{step} {}: {}", path.display(), plain(&source)))
                    .hint("nothing was changed; the disk may be full, or the directory not writable")
            }
            StoreError::Newer { path, version } => newer(&path, &version),
            StoreError::Damaged { path, problems, quarantined } => {
                damaged(&path, Some(&quarantined), problems)
            }
            StoreError::Edited { ref path, waiting, .. } => edited(path, waiting),
            StoreError::Poisoned { .. } => Self::new(Code::StoreFailed, error.to_string()).hint(
                "what runs goes on; look at the disk (dmesg), then `shipote daemon stop` and start it again",
            ),
            StoreError::Unfolded { .. } | StoreError::Unfaithful | StoreError::Gone => Self::new(
                Code::StoreFailed,
                error.to_string(),
            )
            .hint("nothing was changed; the daemon's log has the cause, and a restart reads what is on disk"),
        }
    }
}

impl From<ManagerError> for Failure {
    fn from(error: ManagerError) -> Self {
        let message = error.to_string();
        match error {
            ManagerError::NotFound { kind, name, nearest } => {
                let hint = match nearest {
                    Some(nearest) => format!("did you mean `{nearest}`?"),
                    None => match kind {
                        "workspace" => "shipote ws ls lists workspaces".to_owned(),
                        "saved pipeline" => "shipote pipeline saved lists saved pipelines".to_owned(),
                        "pipeline" => "shipote pipeline ls lists live pipelines".to_owned(),
                        "edge" => "shipote pipeline show lists the edges of a pipeline".to_owned(),
                        _ => "shipote ws ls and shipote ps -a list what there is".to_owned(),
                    },
                };
                Self::new(Code::NotFound, format!("no {kind} is called `{name}`")).hint(hint)
            }
            ManagerError::Ambiguous { candidates, .. } => {
                let hint = hints::of_ambiguity(&candidates);
                Self { candidates, ..Self::new(Code::Ambiguous, message) }.hint(hint)
            }
            ManagerError::Conflict(_) => {
                let hint = hints::of_conflict(&message);
                Self::new(Code::Conflict, message).hint(hint)
            }
            ManagerError::Invalid { problems } => {
                let hint = hints::of_problems(&problems);
                Self { problems, ..Self::new(Code::Invalid, message) }.hint(hint)
            }
            ManagerError::NotPermitted(refusal) => {
                Self::new(Code::NotPermitted, message).hint(hints::of_refusal(&refusal.layer))
            }
            ManagerError::Host(_) => Self::new(Code::NotPermitted, message),
            ManagerError::Launch { path, failure } => {
                let mut told = Self::launch(failure);
                if let Some(path) = path {
                    told.message = format!("{path}: {}", told.message);
                }
                told
            }
            ManagerError::NeedsEnv(names) => {
                let hint = format!("set {} here, and try again", names.join(", "));
                Self { candidates: names, ..Self::new(Code::NeedsEnv, message) }.hint(hint)
            }
            ManagerError::Store(store) => store.into(),
            ManagerError::Closed => Self::new(Code::Closing, message)
                .hint("try again; shipote up and shipote run start a new one"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_serialises_as_its_name() {
        for code in Code::ALL {
            assert_eq!(serde_json::to_string(&code).unwrap(), format!("\"{}\"", code.name()));
        }
    }

    #[test]
    fn the_exit_codes_are_the_contract() {
        let exits: Vec<(&str, u8)> = Code::ALL.iter().map(|code| (code.name(), code.exit())).collect();
        insta::assert_compact_debug_snapshot!(exits, @r#"[("failed", 1), ("usage", 2), ("not_in_this_release", 2), ("not_found", 3), ("no_daemon", 4), ("closing", 4), ("ambiguous", 5), ("conflict", 5), ("other_state_directory", 5), ("timed_out", 6), ("invalid", 7), ("not_permitted", 8), ("needs_env", 1), ("launch_failed", 1), ("store_failed", 1), ("degraded", 9), ("state_newer", 65), ("state_damaged", 65), ("protocol", 1), ("broken_pipe", 141)]"#);
    }

    #[test]
    fn a_missing_program_is_127_and_an_unusable_one_126() {
        let failure = |step: &str, errno: nix::errno::Errno| LaunchFailure {
            step: step.to_owned(),
            errno: errno as i32,
            object: "/nope".to_owned(),
        };
        assert_eq!(launch_exit(&failure("exec", nix::errno::Errno::ENOENT)), 127);
        assert_eq!(launch_exit(&failure("exec", nix::errno::Errno::EACCES)), 126);
        assert_eq!(launch_exit(&failure("cwd", nix::errno::Errno::ENOENT)), 125);
        insta::assert_snapshot!(launch_text(&failure("exec", nix::errno::Errno::ENOENT)), @"program not found: /nope");
        insta::assert_snapshot!(launch_text(&failure("cwd", nix::errno::Errno::EACCES)), @"cwd /nope: permission denied (EACCES)");
    }

    #[test]
    fn what_this_host_cannot_hold_is_refused_with_the_words_that_allow_it() {
        let refusal = shipote_runtime::decide::isolation::Refusal {
            layer: "containment".to_owned(),
            needed: "a pid namespace or a writable cgroup v2 directory".to_owned(),
            found: "pid: EPERM; cgroup: none".to_owned(),
        };
        let failure = Failure::from(ManagerError::NotPermitted(refusal));
        insta::assert_snapshot!(failure.hint, @r#"containment = "best_effort" in the [workspace] of the card runs it all the same, less firmly held; shipote doctor tells what is missing here"#);
    }

    #[test]
    fn an_io_error_is_told_without_its_number() {
        let error = io::Error::from_raw_os_error(2);
        let failure = Failure::file("read", Path::new("/x"), &error);
        insta::assert_snapshot!(failure, @"read /x: no such file or directory");
        assert_eq!(failure.code, Code::NotFound);
    }
}
