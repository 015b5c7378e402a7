//! Starting a daemon in the background when none answers.
//!
//! Several clients may do so at once. All but one of their daemons find the state directory locked and end; all
//! clients then use the one that answers.
//!
//! An ordinary user's daemon is started by the user's service manager where there is one, since that delegates a
//! part of the cgroup tree to it. Where it can't, and as root, the daemon is a child of this process in a session of
//! its own.

use std::ffi::{OsStr, OsString};
use std::fs::{self, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::exit::{Code, Failure};
use crate::place::private_directory;
use crate::render::Output;

use super::Client;
use crate::wire::VersionAnswer;

/// How long a new daemon may take until it answers.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long the user's service manager may take until the daemon says something.
const SERVICE_PATIENCE: Duration = Duration::from_secs(2);

/// Time between two looks for the socket.
const LOOK: Duration = Duration::from_millis(5);

/// A log beyond this is kept once and begun anew.
const LOG_MAX: u64 = 4 << 20;

/// Makes sure that a daemon answers, starting one where none does.
///
/// # Errors
///
/// Fails with the end of the daemon's log where it does not come up.
pub async fn ensure(client: &Client, out: &Output) -> Result<(), Failure> {
    match client.connect().await {
        Ok(_) => return Ok(()),
        Err(failure) if failure.code == Code::NoDaemon => {}
        Err(failure) => return Err(failure),
    }
    let place = client.place();
    private_directory(&place.state_dir)?;
    let log = place.daemon_log();
    let start_of_log = fs::metadata(&log).map_or(0, |meta| if meta.len() > LOG_MAX { 0 } else { meta.len() });
    let mut starter = match Starter::service(client, &log) {
        Some(service) => service,
        None => Starter::child(client, &log)?,
    };
    let began = Instant::now();
    let answers = loop {
        match client.get::<VersionAnswer>("/v1/version").await {
            Ok(answer) => break answer,
            Err(failure) if failure.code == Code::NoDaemon => {}
            Err(failure) => return Err(failure),
        }
        let ended = starter.process.try_wait().ok().flatten();
        let said_nothing = fs::metadata(&log).map_or(0, |meta| meta.len()) == start_of_log;
        if starter.unit.is_some() && said_nothing && (ended.is_some() || began.elapsed() > SERVICE_PATIENCE) {
            // The service manager never got as far as the daemon.
            starter.leave();
            starter = Starter::child(client, &log)?;
        } else if let Some(status) = ended {
            // Another daemon holds the directory: it is the one to wait for, unless it serves elsewhere.
            let lost_race = status.code() == Some(i32::from(Code::Conflict.exit()));
            if lost_race {
                // In this order: one that listens by now on this very socket does answer.
                let listens = listening(&holder(&place.state_dir).unwrap_or_default());
                if !listens.is_empty() && client.connect().await.is_err() {
                    return Err(served_elsewhere(client, &listens));
                }
            } else {
                let code = match status.code() {
                    Some(65) => Code::StateDamaged,
                    Some(8) => Code::NotPermitted,
                    _ => Code::NoDaemon,
                };
                return Err(not_up(&log, start_of_log, code, "the daemon that was started ended at once"));
            }
        }
        if began.elapsed() > PATIENCE {
            return Err(not_up(&log, start_of_log, Code::NoDaemon, "no daemon answered within 5 s"));
        }
        tokio::time::sleep(LOOK).await;
    };
    if starter.started(answers.pid) {
        out.note(&format!("started a daemon in the background (pid {}, log {})", answers.pid, log.display()));
    }
    starter.leave();
    if place.volatile {
        out.warn(&format!(
            "the state is in {}, which does not survive a reboot; set HOME or SHIPOTE_STATE_DIR",
            place.state_dir.display()
        ));
    }
    Ok(())
}

/// Returns the process that holds a state directory, as its lock has it.
fn holder(state_dir: &Path) -> Option<String> {
    let text = fs::read_to_string(state_dir.join("state.lock")).ok()?;
    Some(text.trim().to_owned())
        .filter(|pid| !pid.is_empty() && pid.bytes().all(|byte| byte.is_ascii_digit()))
}

/// Returns the unix sockets that a process listens on, by its descriptors and `/proc/net/unix` (proc(5)).
fn listening(pid: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
    let links: Vec<PathBuf> = entries.filter_map(|entry| fs::read_link(entry.path()).ok()).collect();
    let table = fs::read_to_string("/proc/net/unix").unwrap_or_default();
    let listens = |line: &str| {
        // Num RefCount Protocol Flags Type St Inode Path
        let mut rest = line;
        let columns = [(); 7].map(|()| {
            let (column, after) = rest.trim_start().split_once(' ').unwrap_or((rest.trim_start(), ""));
            rest = after;
            column
        });
        let [_, _, _, flags, _, _, inode] = columns;
        let is_listening = u32::from_str_radix(flags, 16).ok()? & LISTENS != 0;
        let is_its_own = links.contains(&PathBuf::from(format!("socket:[{inode}]")));
        (is_listening && is_its_own).then(|| PathBuf::from(rest))
    };
    table.lines().filter_map(listens).collect()
}

/// The flag of a socket that accepts connections: `__SO_ACCEPTCON` of the kernel.
const LISTENS: u32 = 1 << 16;

/// Returns the failure of a state directory whose daemon serves another socket than the one that is asked.
fn served_elsewhere(client: &Client, listens: &[PathBuf]) -> Failure {
    let place = client.place();
    // A path too long for a socket address is bound through a descriptor, which means nothing here.
    let known = listens.iter().find(|path| path.is_absolute() && !path.starts_with("/proc"));
    let hint = match known {
        Some(path) => {
            format!("ask it there: --socket {}; or end it: shipote --socket {0} daemon stop", path.display())
        }
        None => "ask it by the --socket that it was started with; or name another --state-dir".to_owned(),
    };
    let pid = holder(&place.state_dir).unwrap_or_default();
    Failure::new(
        Code::Conflict,
        format!(
            "the state directory {} is held by the daemon {pid}, which does not serve {}",
            place.state_dir.display(),
            place.socket.display()
        ),
    )
    .hint(hint)
}

/// Variables that the daemon itself has a use for. The rest of the caller's environment, secrets included, stays
/// with the caller: what programs see is passed on with each request.
fn is_for_the_daemon(name: &str) -> bool {
    const NAMES: [&str; 10] = [
        "PATH",
        "HOME",
        "USER",
        "LOGNAME",
        "LANG",
        "TZ",
        "TMPDIR",
        "RUST_BACKTRACE",
        "STATE_DIRECTORY",
        "NO_COLOR",
    ];
    NAMES.contains(&name)
        || ["SHIPOTE_", "XDG_", "LC_", "DBUS_"].iter().any(|prefix| name.starts_with(prefix))
}

/// What starts the daemon, and ends with its exit code: the daemon itself, or who waits for its unit.
struct Starter {
    process: Child,
    /// Name of the unit of the user's service manager.
    unit: Option<String>,
}

impl Starter {
    /// Starts the daemon as a child.
    fn child(client: &Client, log: &Path) -> Result<Self, Failure> {
        let log_file = open_log(log)?;
        let mut command = Command::new("/proc/self/exe");
        command
            .arg0("shipote")
            .args(arguments(client))
            .env_clear()
            .envs(variables())
            .current_dir("/")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log_file);
        let process = command.spawn().map_err(|error| {
            let why = crate::exit::plain(&error);
            Failure::new(Code::NoDaemon, format!("start a daemon in the background: {why}"))
                .hint("shipote daemon runs one in the foreground")
        })?;
        Ok(Self { process, unit: None })
    }

    /// Asks the user's service manager to start the daemon; none where that is not even worth trying.
    fn service(client: &Client, log: &Path) -> Option<Self> {
        let runtime_dir = PathBuf::from(std::env::var_os("XDG_RUNTIME_DIR")?);
        if nix::unistd::geteuid().is_root() || !runtime_dir.join("systemd/private").exists() {
            return None;
        }
        let program = std::env::current_exe().ok()?;
        open_log(log).ok()?;
        let unit = format!("shipote-{}.service", std::process::id());
        let mut command = Command::new("systemd-run");
        command
            .args(service_options(&unit, log))
            .args(variables().map(|(name, value)| joined("--setenv=", &[&name, OsStr::new("="), &value])))
            .arg("--")
            .arg(program)
            .args(arguments(client))
            // A Ctrl-C for this program is not meant for it.
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let process = command.spawn().ok()?;
        Some(Self { process, unit: Some(unit) })
    }

    /// Tells whether the daemon with this pid is the one that was started here.
    fn started(&self, pid: u32) -> bool {
        match &self.unit {
            None => self.process.id() == pid,
            Some(unit) => {
                fs::read_to_string(format!("/proc/{pid}/cgroup")).is_ok_and(|text| text.contains(unit))
            }
        }
    }

    /// Lets the daemon go on alone.
    fn leave(&mut self) {
        if self.unit.is_some() {
            // Only who waits for the unit ends, and may have ended already.
            let _ = self.process.kill();
            let _ = self.process.wait();
        }
    }
}

/// Options of systemd-run(1). `mixed`: what runs in workspaces is stopped by the daemon, with its grace.
fn service_options(unit: &str, log: &Path) -> Vec<OsString> {
    let mut options: Vec<OsString> =
        ["--user", "--wait", "--collect", "--quiet"].into_iter().map(OsString::from).collect();
    options.push(format!("--unit={unit}").into());
    for property in ["Delegate=yes", "KillMode=mixed", "WorkingDirectory=/"] {
        options.push(format!("--property={property}").into());
    }
    options.push(joined("--property=StandardError=append:", &[log.as_os_str()]));
    options
}

fn joined(first: &str, rest: &[&OsStr]) -> OsString {
    let mut text = OsString::from(first);
    rest.iter().for_each(|part| text.push(part));
    text
}

/// Arguments of a daemon in the background.
fn arguments(client: &Client) -> Vec<OsString> {
    let place = client.place();
    let mut arguments: Vec<OsString> = vec!["--state-dir".into(), place.state_dir.clone().into()];
    arguments.extend(["--socket".into(), place.socket.clone().into()]);
    arguments.extend(["daemon", "run", "--background"].map(OsString::from));
    arguments
}

fn variables() -> impl Iterator<Item = (OsString, OsString)> {
    std::env::vars_os().filter(|(name, _)| name.to_str().is_some_and(is_for_the_daemon))
}

/// Opens the log for appending; one that has grown long is begun anew.
fn open_log(log: &Path) -> Result<fs::File, Failure> {
    if fs::metadata(log).is_ok_and(|meta| meta.len() > LOG_MAX) {
        let old = log.with_extension("log.1");
        fs::rename(log, &old).map_err(|error| Failure::file("rename", log, &error))?;
    }
    OpenOptions::new()
        .append(true)
        .create(true)
        .mode(0o600)
        .custom_flags(nix::fcntl::OFlag::O_NOFOLLOW.bits())
        .open(log)
        .map_err(|error| Failure::file("open", log, &error))
}

/// Lines of the log that are shown when a daemon does not come up.
const TAIL_LINES: usize = 8;

fn not_up(log: &Path, start_of_log: u64, code: Code, message: &str) -> Failure {
    let text = fs::read(log).unwrap_or_default();
    let start = usize::try_from(start_of_log).unwrap_or(0).min(text.len());
    let text = String::from_utf8_lossy(&text[start..]).into_owned();
    let lines: Vec<&str> = text.lines().collect();
    let tail = lines[lines.len().saturating_sub(TAIL_LINES)..].join("\n  ");
    let shown = if tail.is_empty() { String::new() } else { format!("; it said:\n  {tail}") };
    Failure::new(code, format!("{message}{shown}"))
        .hint(format!("the whole log is {}; shipote daemon runs it in the foreground", log.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_of_the_caller_stay_with_the_caller() {
        for (name, kept) in
            [("PATH", true), ("XDG_RUNTIME_DIR", true), ("LC_ALL", true), ("AWS_SECRET", false)]
        {
            assert_eq!(is_for_the_daemon(name), kept, "{name}");
        }
    }

    #[test]
    fn the_service_manager_delegates_and_leaves_the_workspaces_to_the_daemon() {
        let shown = service_options("shipote-7.service", Path::new("/s/daemon.log"));
        let shown: Vec<String> = shown.into_iter().filter_map(|option| option.into_string().ok()).collect();
        insta::assert_snapshot!(shown.join(" "), @"--user --wait --collect --quiet --unit=shipote-7.service --property=Delegate=yes --property=KillMode=mixed --property=WorkingDirectory=/ --property=StandardError=append:/s/daemon.log");
    }
}
