//! Where the state and the socket are, for this caller.
//!
//! The order is the contract's. A directory or socket is *explicit* when this very invocation or its environment
//! names it for shipote; then a daemon that serves another state directory is refused.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Component, Path, PathBuf};

use crate::exit::{self, Failure};

/// Where this invocation looks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The state directory, absolute.
    pub state_dir: PathBuf,
    /// The daemon's socket, absolute.
    pub socket: PathBuf,
    /// Whether the state directory was named for this invocation.
    pub state_dir_explicit: bool,
    /// Whether the socket was named for this invocation.
    pub socket_explicit: bool,
    /// Whether the state directory is the last resort that a reboot clears.
    pub volatile: bool,
}

/// What resolution reads: flags, variables, and who asks.
pub struct Asked<'a> {
    /// `--state-dir`.
    pub state_dir: Option<&'a Path>,
    /// `--socket`.
    pub socket: Option<&'a Path>,
    /// Reads a variable of the environment.
    pub env: &'a dyn Fn(&str) -> Option<OsString>,
    /// The caller's effective user id.
    pub uid: u32,
    /// The present directory, for relative paths.
    pub cwd: &'a Path,
}

impl std::fmt::Debug for Asked<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Asked")
            .field("state_dir", &self.state_dir)
            .field("socket", &self.socket)
            .finish_non_exhaustive()
    }
}

impl Place {
    /// Resolves the place of this process.
    #[must_use]
    pub fn of_process(state_dir: Option<&Path>, socket: Option<&Path>) -> Self {
        let cwd = std::env::current_dir().unwrap_or_else(|_| PathBuf::from("/"));
        let env = |name: &str| std::env::var_os(name);
        Self::resolve(&Asked {
            state_dir,
            socket,
            env: &env,
            uid: nix::unistd::geteuid().as_raw(),
            cwd: &cwd,
        })
    }

    /// Resolves the place by the contract's order. An empty variable counts as unset.
    #[must_use]
    pub fn resolve(asked: &Asked<'_>) -> Self {
        let var = |name: &str| (asked.env)(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let absolute = |path: &Path| asked.cwd.join(path);
        // The XDG specification says to ignore a relative path.
        let xdg = |name: &str| var(name).filter(|path| path.is_absolute());

        let named = asked.state_dir.map(Path::to_path_buf).or_else(|| var("SHIPOTE_STATE_DIR"));
        let state_dir_explicit = named.is_some();
        let mut volatile = false;
        let state_dir = named
            .map(|path| absolute(&path))
            .or_else(|| var("STATE_DIRECTORY").map(first_of_list))
            .or_else(|| xdg("XDG_STATE_HOME").map(|path| path.join("shipote")))
            .or_else(|| xdg("HOME").map(|path| path.join(".local/state/shipote")))
            .unwrap_or_else(|| {
                volatile = true;
                PathBuf::from(format!("/tmp/shipote-state-{}", asked.uid))
            });

        let named = asked.socket.map(Path::to_path_buf).or_else(|| var("SHIPOTE_SOCKET"));
        let socket_explicit = named.is_some();
        let socket = named
            .map(|path| absolute(&path))
            .or_else(|| state_dir_explicit.then(|| state_dir.join("shipote.sock")))
            .or_else(|| (asked.uid == 0).then(|| PathBuf::from("/run/shipote/shipote.sock")))
            .or_else(|| xdg("XDG_RUNTIME_DIR").map(|path| path.join("shipote/shipote.sock")))
            .unwrap_or_else(|| state_dir.join("shipote.sock"));
        Self { state_dir, socket, state_dir_explicit, socket_explicit, volatile }
    }

    /// Tells whether a daemon must serve this very state directory to be taken.
    ///
    /// Who names a socket and no directory wants that socket's daemon, whatever it serves.
    #[must_use]
    pub const fn wants_this_state_dir(&self) -> bool {
        self.state_dir_explicit || !self.socket_explicit
    }

    /// Returns the log of a daemon in the background.
    #[must_use]
    pub fn daemon_log(&self) -> PathBuf {
        self.state_dir.join("daemon.log")
    }
}

/// Longest path that fits into a socket address (unix(7)), without the zero at its end.
const SOCKET_PATH_MAX: usize = 107;

/// A socket's path in a form that fits into a socket address.
#[derive(Debug)]
pub struct SocketPath {
    path: PathBuf,
    /// Keeps the directory open that the short form goes through.
    _dir: Option<fs::File>,
}

impl SocketPath {
    /// Returns `socket` itself, or a way to it through its open directory where it is too long.
    ///
    /// # Errors
    ///
    /// Fails where the directory can't be opened.
    pub fn reach(socket: &Path) -> io::Result<Self> {
        if socket.as_os_str().len() <= SOCKET_PATH_MAX {
            return Ok(Self { path: socket.to_path_buf(), _dir: None });
        }
        let (Some(parent), Some(name)) = (socket.parent(), socket.file_name()) else {
            return Err(io::Error::from(io::ErrorKind::InvalidInput));
        };
        let dir = fs::File::open(parent)?;
        let path = PathBuf::from(format!("/proc/self/fd/{}", dir.as_raw_fd())).join(name);
        Ok(Self { path, _dir: Some(dir) })
    }

    /// Returns the path to connect or bind to.
    #[must_use]
    pub fn as_path(&self) -> &Path {
        &self.path
    }
}

/// Returns a path as the daemon takes it: absolute, and without `..`, which the kernel resolves where it stands.
///
/// # Errors
///
/// Fails where a path with `..` leads nowhere.
pub fn absolute(path: &Path) -> io::Result<PathBuf> {
    let absolute = std::path::absolute(path)?;
    let climbs = absolute.components().any(|part| part == Component::ParentDir);
    if climbs { absolute.canonicalize() } else { Ok(absolute) }
}

/// systemd joins several directories with colons; the first is ours.
fn first_of_list(list: PathBuf) -> PathBuf {
    match list.to_str().and_then(|text| text.split_once(':')) {
        Some((first, _)) => PathBuf::from(first),
        None => list,
    }
}

/// Makes a private directory with its parents, or checks that it is one: a real directory, ours or root's, and
/// writable by nobody else.
///
/// # Errors
///
/// Fails where it can't be made, or where somebody else could put things into it.
pub fn private_directory(path: &Path) -> Result<(), Failure> {
    match fs::DirBuilder::new().recursive(true).mode(0o700).create(path) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(Failure::file("make the directory", path, &error)),
    }
    let meta = fs::symlink_metadata(path).map_err(|error| Failure::file("look at", path, &error))?;
    if !meta.is_dir() {
        return Err(exit::insecure(path, "it is not a directory"));
    }
    check_owner(path, &meta)
}

fn check_owner(path: &Path, meta: &fs::Metadata) -> Result<(), Failure> {
    let uid = nix::unistd::geteuid().as_raw();
    if meta.uid() != uid && meta.uid() != 0 {
        return Err(exit::insecure(path, &format!("it belongs to uid {}", meta.uid())));
    }
    if meta.mode() & 0o022 != 0 {
        return Err(exit::insecure(
            path,
            &format!("others may write to it (mode {:04o})", meta.mode() & 0o7777),
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(uid: u32, flags: (&str, &str), vars: &[(&str, &str)]) -> String {
        let env =
            |name: &str| vars.iter().find(|(key, _)| *key == name).map(|(_, value)| OsString::from(value));
        let flag = |text: &'static str| (!text.is_empty()).then(|| Path::new(text));
        let (dir, socket): (&'static str, &'static str) =
            (Box::leak(flags.0.to_owned().into_boxed_str()), Box::leak(flags.1.to_owned().into_boxed_str()));
        let place = Place::resolve(&Asked {
            state_dir: flag(dir),
            socket: flag(socket),
            env: &env,
            uid,
            cwd: Path::new("/here"),
        });
        format!(
            "{} | {}{}{}",
            place.state_dir.display(),
            place.socket.display(),
            if place.volatile { " | volatile" } else { "" },
            if place.wants_this_state_dir() { "" } else { " | any state" },
        )
    }

    #[test]
    fn the_state_directory_is_found_in_the_order_of_the_contract() {
        let all = [
            ("SHIPOTE_STATE_DIR", "/env"),
            ("STATE_DIRECTORY", "/sys/a:/sys/b"),
            ("XDG_STATE_HOME", "/xdg"),
            ("HOME", "/home/u"),
        ];
        insta::assert_snapshot!(check(1000, ("rel", ""), &all), @"/here/rel | /here/rel/shipote.sock");
        insta::assert_snapshot!(check(1000, ("", ""), &all), @"/env | /env/shipote.sock");
        insta::assert_snapshot!(check(1000, ("", ""), &all[1..]), @"/sys/a | /sys/a/shipote.sock");
        insta::assert_snapshot!(check(1000, ("", ""), &all[2..]), @"/xdg/shipote | /xdg/shipote/shipote.sock");
        insta::assert_snapshot!(check(1000, ("", ""), &all[3..]), @"/home/u/.local/state/shipote | /home/u/.local/state/shipote/shipote.sock");
        insta::assert_snapshot!(check(1000, ("", ""), &[]), @"/tmp/shipote-state-1000 | /tmp/shipote-state-1000/shipote.sock | volatile");
    }

    #[test]
    fn the_socket_is_found_in_the_order_of_the_contract() {
        let home = ("HOME", "/h");
        insta::assert_snapshot!(check(1000, ("", "s"), &[home, ("SHIPOTE_SOCKET", "/e")]), @"/h/.local/state/shipote | /here/s | any state");
        insta::assert_snapshot!(check(1000, ("/d", ""), &[home, ("SHIPOTE_SOCKET", "/e")]), @"/d | /e");
        insta::assert_snapshot!(check(0, ("/d", ""), &[home]), @"/d | /d/shipote.sock");
        insta::assert_snapshot!(check(0, ("", ""), &[home, ("XDG_RUNTIME_DIR", "/run/user/0")]), @"/h/.local/state/shipote | /run/shipote/shipote.sock");
        insta::assert_snapshot!(check(1000, ("", ""), &[home, ("XDG_RUNTIME_DIR", "/run/user/1000")]), @"/h/.local/state/shipote | /run/user/1000/shipote/shipote.sock");
    }

    #[test]
    fn empty_and_relative_variables_are_not_taken() {
        insta::assert_snapshot!(
            check(1000, ("", ""), &[("SHIPOTE_STATE_DIR", ""), ("XDG_STATE_HOME", "rel"), ("HOME", "/h")]),
            @"/h/.local/state/shipote | /h/.local/state/shipote/shipote.sock"
        );
    }
}
