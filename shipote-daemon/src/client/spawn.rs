//! Starting a daemon in the background when none answers.
//!
//! Several clients may do so at once. All but one of their daemons find the state directory locked and end; all
//! clients then use the one that answers.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::exit::{Code, Failure};
use crate::place::private_directory;
use crate::render::Output;

use super::Client;
use crate::wire::VersionAnswer;

/// How long a new daemon may take until it answers.
const PATIENCE: Duration = Duration::from_secs(5);

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
    let mut child = spawn(client, &log)?;
    let began = Instant::now();
    let answers = loop {
        match client.get::<VersionAnswer>("/v1/version").await {
            Ok(answer) => break answer,
            Err(failure) if failure.code == Code::NoDaemon => {}
            Err(failure) => return Err(failure),
        }
        if let Ok(Some(status)) = child.try_wait() {
            // Another daemon holds the directory: it is the one to wait for.
            let lost_race = status.code() == Some(i32::from(Code::Conflict.exit()));
            if !lost_race {
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
    if answers.pid == child.id() {
        out.note(&format!("started a daemon in the background (pid {}, log {})", child.id(), log.display()));
    }
    if place.volatile {
        out.warn(&format!(
            "the state is in {}, which does not survive a reboot; set HOME or SHIPOTE_STATE_DIR",
            place.state_dir.display()
        ));
    }
    Ok(())
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

fn spawn(client: &Client, log: &Path) -> Result<Child, Failure> {
    let place = client.place();
    if fs::metadata(log).is_ok_and(|meta| meta.len() > LOG_MAX) {
        let old = log.with_extension("log.1");
        fs::rename(log, &old).map_err(|error| Failure::file("rename", log, &error))?;
    }
    let log_file = OpenOptions::new()
        .append(true)
        .create(true)
        .mode(0o600)
        .custom_flags(nix::fcntl::OFlag::O_NOFOLLOW.bits())
        .open(log)
        .map_err(|error| Failure::file("open", log, &error))?;
    let mut command = Command::new("/proc/self/exe");
    command
        .arg0("shipote")
        .arg("--state-dir")
        .arg(&place.state_dir)
        .arg("--socket")
        .arg(&place.socket)
        .args(["daemon", "run", "--background"])
        .env_clear()
        .envs(std::env::vars_os().filter(|(name, _)| name.to_str().is_some_and(is_for_the_daemon)))
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log_file);
    command.spawn().map_err(|error| {
        Failure::new(
            Code::NoDaemon,
            format!("start a daemon in the background: {}", crate::exit::plain(&error)),
        )
        .hint("shipote daemon runs one in the foreground")
    })
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
}
