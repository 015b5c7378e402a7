//! The socket: made so that nobody else can put one in its place, and every connection counted and identified.

use std::fs;
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::extract::connect_info::Connected;
use axum::serve::IncomingStream;
use nix::sys::stat::{Mode, umask};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{UnixListener, UnixStream};

use crate::exit::{Code, Failure};
use crate::place::{SocketPath, private_directory};

/// Who is at the other end.
#[derive(Debug, Clone)]
pub struct Peer {
    /// Effective user id when it connected (`SO_PEERCRED`, unix(7)).
    pub uid: u32,
    /// Whether its process lies inside a workspace.
    pub inside_workspace: bool,
}

/// Number of open connections.
#[derive(Debug, Clone, Default)]
pub struct Clients(Arc<AtomicUsize>);

impl Clients {
    /// Returns it.
    #[must_use]
    pub fn count(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

/// The listening socket.
#[derive(Debug)]
pub struct Door {
    listener: UnixListener,
    clients: Clients,
}

/// The socket's file, removed at the end if it is still ours.
#[derive(Debug)]
pub struct SocketFile {
    path: PathBuf,
    ino: u64,
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if fs::symlink_metadata(&self.path).is_ok_and(|meta| meta.ino() == self.ino) {
            // A socket that stays is found stale by the next one.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Makes the socket, mode 0600. A stale one is replaced, one that answers is a conflict.
///
/// To be called before anything else of the daemon makes files: the creation mask is narrowed for a moment.
///
/// # Errors
///
/// Fails where another daemon answers there, or where the file system says no.
pub async fn open(path: &Path, clients: Clients) -> Result<(Door, SocketFile), Failure> {
    let parent = path.parent().unwrap_or_else(|| Path::new("/"));
    make_parent(parent)?;
    let reach =
        SocketPath::reach(path).map_err(|error| Failure::file("open the directory of", path, &error))?;
    match UnixStream::connect(reach.as_path()).await {
        Ok(_) => {
            return Err(Failure::new(
                Code::Conflict,
                format!("another daemon answers on {}", path.display()),
            )
            .hint("shipote daemon status tells which; shipote daemon stop ends it"));
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            // So answers connect(2) for any other file, too.
            let is_socket = fs::symlink_metadata(path).is_ok_and(|meta| meta.file_type().is_socket());
            if !is_socket {
                return Err(Failure::new(
                    Code::Conflict,
                    format!("{} is there and no socket", path.display()),
                )
                .hint("--socket PATH names another place for the socket"));
            }
            fs::remove_file(path).map_err(|error| Failure::file("remove the stale socket", path, &error))?;
        }
        Err(error) => return Err(Failure::file("look at the socket", path, &error)),
    }
    let before = umask(Mode::from_bits_truncate(0o077));
    let bound = UnixListener::bind(reach.as_path());
    umask(before);
    let listener = bound.map_err(|error| Failure::file("make the socket", path, &error))?;
    let closed = fs::set_permissions(path, fs::Permissions::from_mode(0o600))
        .and_then(|()| fs::symlink_metadata(path))
        .map_err(|error| Failure::file("close to others the socket", path, &error))?;
    let file = SocketFile { path: path.to_path_buf(), ino: closed.ino() };
    Ok((Door { listener, clients }, file))
}

/// The directory is made private; one that exists must be the user's choice (`/tmp` is) or private already.
fn make_parent(parent: &Path) -> Result<(), Failure> {
    match fs::symlink_metadata(parent) {
        // In a sticky directory nobody else can replace what is ours.
        Ok(meta) if meta.mode() & 0o1000 != 0 => Ok(()),
        Ok(_) => private_directory(parent),
        Err(_) => {
            fs::DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(parent)
                .map_err(|error| Failure::file("make the directory", parent, &error))?;
            private_directory(parent)
        }
    }
}

impl axum::serve::Listener for Door {
    type Io = Connection;
    type Addr = Peer;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        loop {
            match self.listener.accept().await {
                Ok((stream, _)) => match identify(&stream) {
                    Ok(peer) => return (Connection::new(stream, self.clients.clone()), peer),
                    Err(error) => tracing::debug!(%error, "a client was gone before it was asked who it is"),
                },
                Err(error) => {
                    // Too many open files, most likely: others will be closed.
                    tracing::warn!(%error, "accept");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
        }
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        Ok(Peer { uid: nix::unistd::geteuid().as_raw(), inside_workspace: false })
    }
}

fn identify(stream: &UnixStream) -> io::Result<Peer> {
    let credentials = stream.peer_cred()?;
    // A peer whose pid is not visible here lives in a pid namespace that is not below ours.
    let pid = credentials.pid().unwrap_or(0);
    let inside_workspace = shipote_runtime::host::peer::is_inside_workspace(pid);
    Ok(Peer { uid: credentials.uid(), inside_workspace })
}

impl Connected<IncomingStream<'_, Door>> for Peer {
    fn connect_info(stream: IncomingStream<'_, Door>) -> Self {
        stream.remote_addr().clone()
    }
}

/// A connection that is counted while it is open, also after an upgrade.
#[derive(Debug)]
pub struct Connection {
    stream: UnixStream,
    clients: Clients,
}

impl Connection {
    fn new(stream: UnixStream, clients: Clients) -> Self {
        clients.0.fetch_add(1, Ordering::Relaxed);
        Self { stream, clients }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.clients.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}
