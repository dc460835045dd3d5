//! Commands speak to the control API: of the running server over its socket, else of the store within this process.

use std::io;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{self, SendRequest};
use hyper::{Method, Request};
use hyper_util::rt::TokioIo;
use serde::Serialize;
use serde::de::DeserializeOwned;
use server::StartError;
use server::config::Config;
use server::control::{self, answers::ErrorAnswer};
use server::folder_lock::FolderLock;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::UnixStream;

use crate::configuration;
use crate::failure::Failure;

/// A connection to the control API.
pub struct Client {
    sender: SendRequest<Full<Bytes>>,
    /// Of the folder of a store on which it works by itself: no server may start meanwhile, and no other command write.
    _lock: Option<FolderLock>,
}

impl Client {
    /// Connects to the running server; `None`: there is none.
    pub async fn to_server(config: &Config) -> Result<Option<Client>, Failure> {
        let path = config.control_path();
        match UnixStream::connect(&path).await {
            Ok(stream) => Client::over(stream, None).await.map(Some),
            // The second is what a server that crashed leaves behind.
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused) => {
                Ok(None)
            }
            Err(error) => {
                let error = format!("cannot reach the server at {}: {error}", path.display());
                Err(Failure::new(error, "run this as the server's user, or as root"))
            }
        }
    }

    /// Connects to the running server.
    ///
    /// # Errors
    /// Where none is running.
    pub async fn to_running_server(config: &Config) -> Result<Client, Failure> {
        let not_running = || {
            let error = format!("no server is running with {}", config.file.display());
            Failure::new(error, format!("start it: {}", configuration::start_command(&config.file)))
        };
        Client::to_server(config).await?.ok_or_else(not_running)
    }

    /// Connects to the running server; without one, works on the store directly and says so.
    pub async fn to_server_or_store(config: Config) -> Result<Client, Failure> {
        let deadline = Instant::now() + START_TIME_MAX;
        loop {
            if let Some(client) = Client::to_server(&config).await? {
                return Ok(client);
            }
            match FolderLock::wait(&config, &typed_as()).await {
                Ok(lock) => {
                    eprintln!("no server is running: working on {} directly", config.store_path().display());
                    return Client::over(control::direct(config, &lock)?, Some(lock)).await;
                }
                // It is about to take commands.
                Err(StartError::FolderInUse { holder, .. }) if holder.is_server() && Instant::now() < deadline => {
                    tokio::time::sleep(START_PAUSE).await;
                }
                Err(error) => return Err(in_use(error)),
            }
        }
    }

    pub async fn get<T: DeserializeOwned>(&mut self, path: &str) -> Result<T, Failure> {
        self.ask(Method::GET, path, Bytes::new()).await
    }

    /// What is not JSON.
    pub async fn get_text(&mut self, path: &str) -> Result<String, Failure> {
        let body = self.send(Method::GET, path, Bytes::new()).await?;
        String::from_utf8(body.into()).map_err(broken)
    }

    pub async fn post<T: DeserializeOwned>(&mut self, path: &str, body: &impl Serialize) -> Result<T, Failure> {
        self.ask(Method::POST, path, json(body)?).await
    }

    /// The answer may be empty: then `T` is `()`.
    pub async fn put<T: DeserializeOwned>(&mut self, path: &str, body: &impl Serialize) -> Result<T, Failure> {
        self.ask(Method::PUT, path, json(body)?).await
    }

    pub async fn patch<T: DeserializeOwned>(&mut self, path: &str, body: &impl Serialize) -> Result<T, Failure> {
        self.ask(Method::PATCH, path, json(body)?).await
    }

    /// The answer may be empty: then `T` is `()`.
    pub async fn delete<T: DeserializeOwned>(&mut self, path: &str) -> Result<T, Failure> {
        self.ask(Method::DELETE, path, Bytes::new()).await
    }

    async fn over<S>(stream: S, lock: Option<FolderLock>) -> Result<Client, Failure>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(broken)?;
        tokio::spawn(connection);
        Ok(Client { sender, _lock: lock })
    }

    async fn ask<T: DeserializeOwned>(&mut self, method: Method, path: &str, body: Bytes) -> Result<T, Failure> {
        let body = self.send(method, path, body).await?;
        let body = if body.is_empty() { &b"null"[..] } else { &body };
        serde_json::from_slice(body).map_err(|error| {
            let error = format!("the server's answer is not understood: {error}");
            Failure::new(error, "command and server may be of different versions")
        })
    }

    /// The body of the answer; empty where there is none.
    async fn send(&mut self, method: Method, path: &str, body: Bytes) -> Result<Bytes, Failure> {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", "comity")
            .header("content-type", "application/json")
            .body(Full::new(body))
            .map_err(broken)?;
        let response = self.sender.send_request(request).await.map_err(broken)?;
        let status = response.status();
        let body = response.into_body().collect().await.map_err(broken)?.to_bytes();
        if status.is_client_error() || status.is_server_error() {
            let unexplained = |_| ErrorAnswer { error: format!("the server answered {status}"), hint: None };
            return Err(serde_json::from_slice(&body).unwrap_or_else(unexplained).into());
        }
        Ok(body)
    }
}

/// The command as somebody else is told of it, who finds the folder locked.
pub fn typed_as() -> String {
    let words = std::env::args().skip(1);
    let name = words.into_iter().find(|word| crate::command::is_command(word));
    name.map_or_else(|| "comity".to_owned(), |name| format!("comity {name}"))
}

/// Somebody else works in the folder, and is not done.
pub fn in_use(error: StartError) -> Failure {
    let StartError::FolderInUse { path, holder } = error else { return Failure::told(error) };
    let next = match holder.is_server() {
        true => "it takes no commands yet: see its log, and try again once it has started",
        false => "try again when it is done",
    };
    Failure::new(format!("{holder} works in {}", path.display()), next)
}

/// One segment of a path, with everything escaped that could end it.
pub fn segment(text: &str) -> String {
    let escape = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    text.bytes().map(escape).collect()
}

fn json(body: &impl Serialize) -> Result<Bytes, Failure> {
    serde_json::to_vec(body).map(Bytes::from).map_err(broken)
}

fn broken(error: impl std::fmt::Display) -> Failure {
    Failure::new(format!("the conversation with the server broke: {error}"), "see the server's log, then try again")
}

/// How long a server is waited for that holds the folder and takes no commands yet.
const START_TIME_MAX: Duration = Duration::from_secs(10);
const START_PAUSE: Duration = Duration::from_millis(50);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_segment_ends_where_its_text_does() {
        assert_eq!(segment("alice@contoso.example"), "alice%40contoso.example");
        assert_eq!(segment("a/b?c%20"), "a%2Fb%3Fc%2520");
    }
}
