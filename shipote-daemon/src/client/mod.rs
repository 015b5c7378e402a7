//! The client's side of the API: HTTP/1.1 over the daemon's socket.
//!
//! No socket, a socket that nobody listens on, and a socket that refuses this user are three different failures,
//! since the next command differs. Each request has its own connection: it costs a fraction of a millisecond, and
//! nothing has to be kept alive.

pub mod attached;
pub mod spawn;

use std::io;

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::header::{ACCEPT, CONNECTION, CONTENT_TYPE, HOST, UPGRADE};
use hyper::upgrade::Upgraded;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::net::UnixStream;

use crate::exit::{Code, Failure, plain};
use crate::place::{Place, SocketPath};
use crate::wire::problem::ProblemDoc;
use crate::wire::{STATE_DIR_HEADER, STDIO_PROTOCOL, VERSION_HEADER};

/// Asks the daemon of one place.
#[derive(Debug, Clone)]
pub struct Client {
    place: Place,
}

/// Nothing to send.
const NOTHING: Option<&()> = None;

impl Client {
    /// Makes the client of a place; nothing is connected yet.
    #[must_use]
    pub const fn new(place: Place) -> Self {
        Self { place }
    }

    /// Returns where it looks.
    #[must_use]
    pub const fn place(&self) -> &Place {
        &self.place
    }

    /// Connects to the daemon.
    ///
    /// # Errors
    ///
    /// Fails with [`Code::NoDaemon`] where none answers, and with [`Code::NotPermitted`] where it may not be asked.
    pub async fn connect(&self) -> Result<UnixStream, Failure> {
        let socket = &self.place.socket;
        let connected = match SocketPath::reach(socket) {
            Ok(path) => UnixStream::connect(path.as_path()).await,
            Err(error) => Err(error),
        };
        connected.map_err(|error| {
            let shown = socket.display();
            match error.kind() {
                io::ErrorKind::NotFound => {
                    Failure::new(Code::NoDaemon, format!("no daemon answers: there is no socket {shown}"))
                        .hint("shipote daemon starts it; shipote up and shipote run start one by themselves")
                }
                io::ErrorKind::ConnectionRefused => Failure::new(
                    Code::NoDaemon,
                    format!("no daemon answers: nobody listens on {shown} any more"),
                )
                .hint("the daemon ended without cleaning up; shipote daemon starts it again"),
                io::ErrorKind::PermissionDenied => Failure::new(
                    Code::NotPermitted,
                    format!("the socket {shown} may not be used by this user"),
                )
                .hint("the daemon serves the user that started it, and root; --socket names another one"),
                _ => Failure::new(Code::NoDaemon, format!("connect to {shown}: {}", plain(&error))),
            }
        })
    }

    async fn send<B: Serialize>(
        &self,
        method: Method,
        path: &str,
        body: Option<&B>,
        more: &[(hyper::header::HeaderName, &str)],
    ) -> Result<Response<Incoming>, Failure> {
        // A path is made of names, and an empty one would lead elsewhere.
        let route = path.split('?').next().unwrap_or_default();
        if route.split('/').skip(1).any(str::is_empty) {
            return Err(Failure::usage("a name is empty, and nothing is called so")
                .hint("shipote ws ls and shipote ps -a list what there is"));
        }
        let stream = self.connect().await?;
        let lost = |error: hyper::Error| {
            Failure::new(Code::NoDaemon, format!("the daemon closed the connection: {error}"))
                .hint(format!("its log may say why: {}", self.place.daemon_log().display()))
        };
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(lost)?;
        tokio::spawn(connection.with_upgrades());
        let mut request = Request::builder().method(method).uri(path).header(HOST, "shipote");
        if self.place.wants_this_state_dir() {
            // A header holds visible ASCII, a path any bytes.
            request = request
                .header(STATE_DIR_HEADER, crate::wire::segment(&self.place.state_dir.to_string_lossy()));
        }
        for (name, value) in more {
            request = request.header(name, *value);
        }
        let bytes = match body {
            Some(body) => {
                request = request.header(CONTENT_TYPE, "application/json");
                Bytes::from(serde_json::to_vec(body).map_err(|error| protocol(&error))?)
            }
            None => Bytes::new(),
        };
        let request = request.body(Full::new(bytes)).map_err(|error| protocol(&error))?;
        sender.send_request(request).await.map_err(lost)
    }

    async fn answer<T: DeserializeOwned>(&self, response: Response<Incoming>) -> Result<T, Failure> {
        let response = self.succeeded(response).await?;
        let other_version = other_version(&response);
        let bytes = collect(response).await?;
        serde_json::from_slice(&bytes).map_err(|error| {
            let failure = Failure::new(Code::Protocol, format!("an answer of the daemon is not understood: {error}"));
            match other_version {
                Some(version) => failure.hint(format!(
                    "the daemon is shipote {version} and this is {}; end it with shipote daemon stop, then try again",
                    env!("CARGO_PKG_VERSION")
                )),
                None => failure,
            }
        })
    }

    /// Returns a response that is a success, and everything else as a failure.
    async fn succeeded(&self, response: Response<Incoming>) -> Result<Response<Incoming>, Failure> {
        let status = response.status();
        if status.is_success() || status == StatusCode::SWITCHING_PROTOCOLS {
            return Ok(response);
        }
        let other_version = other_version(&response);
        let bytes = collect(response).await?;
        let failure = match serde_json::from_slice::<ProblemDoc>(&bytes) {
            Ok(problem) => Failure::from(problem),
            Err(_) => Failure::new(Code::Protocol, format!("the daemon answered {status} without a reason")),
        };
        Err(match other_version {
            Some(version) => {
                let own = env!("CARGO_PKG_VERSION");
                let hint = format!("{} (the daemon is shipote {version}, this is {own})", failure.hint);
                failure.hint(hint)
            }
            None => failure,
        })
    }

    /// Asks for a document.
    ///
    /// # Errors
    ///
    /// Fails as [`Self::connect`], and with what the daemon answers.
    pub async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, Failure> {
        let response = self.send(Method::GET, path, NOTHING, &[]).await?;
        self.answer(response).await
    }

    /// Posts a document, and returns the answer.
    ///
    /// # Errors
    ///
    /// As [`Self::get`].
    pub async fn post<B: Serialize, T: DeserializeOwned>(&self, path: &str, body: &B) -> Result<T, Failure> {
        let response = self.send(Method::POST, path, Some(body), &[]).await?;
        self.answer(response).await
    }

    /// Puts a document, and returns the answer.
    ///
    /// # Errors
    ///
    /// As [`Self::get`].
    pub async fn put<B: Serialize, T: DeserializeOwned>(&self, path: &str, body: &B) -> Result<T, Failure> {
        let response = self.send(Method::PUT, path, Some(body), &[]).await?;
        self.answer(response).await
    }

    /// Removes something, and returns the answer.
    ///
    /// # Errors
    ///
    /// As [`Self::get`].
    pub async fn delete<T: DeserializeOwned>(&self, path: &str) -> Result<T, Failure> {
        let response = self.send(Method::DELETE, path, NOTHING, &[]).await?;
        self.answer(response).await
    }

    /// Opens a body that goes on.
    ///
    /// # Errors
    ///
    /// As [`Self::get`].
    pub async fn stream(&self, path: &str, accept: &str) -> Result<Incoming, Failure> {
        let response = self.send(Method::GET, path, NOTHING, &[(ACCEPT, accept)]).await?;
        Ok(self.succeeded(response).await?.into_body())
    }

    /// Posts a document and turns the connection into one of frames.
    ///
    /// # Errors
    ///
    /// As [`Self::get`].
    pub async fn upgrade<B: Serialize>(&self, path: &str, body: &B) -> Result<TokioIo<Upgraded>, Failure> {
        let headers = [(CONNECTION, "Upgrade"), (UPGRADE, STDIO_PROTOCOL)];
        let response = self.send(Method::POST, path, Some(body), &headers).await?;
        let response = self.succeeded(response).await?;
        if response.status() != StatusCode::SWITCHING_PROTOCOLS {
            return Err(Failure::new(Code::Protocol, "the daemon did not open a connection of frames"));
        }
        let upgraded = hyper::upgrade::on(response).await.map_err(|error| protocol(&error))?;
        Ok(TokioIo::new(upgraded))
    }
}

async fn collect(response: Response<Incoming>) -> Result<Bytes, Failure> {
    let collected = response.into_body().collect().await;
    collected.map(|body| body.to_bytes()).map_err(|error| {
        Failure::new(Code::NoDaemon, format!("the daemon closed the connection within an answer: {error}"))
    })
}

fn protocol(error: &dyn std::fmt::Display) -> Failure {
    Failure::new(Code::Protocol, format!("talk with the daemon: {error}"))
}

fn other_version(response: &Response<Incoming>) -> Option<String> {
    let version = response.headers().get(VERSION_HEADER)?.to_str().ok()?;
    (version != env!("CARGO_PKG_VERSION")).then(|| version.to_owned())
}
