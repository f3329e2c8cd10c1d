//! Scripted servers: one task a connection that runs the test's script, and what clients sent is kept for the test.

use super::PATIENCE;
use futures::{SinkExt, StreamExt};
use parking_lot::Mutex;
use serde_json::Value;
use std::{
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinHandle,
    time::timeout,
};
use tokio_tungstenite::{
    WebSocketStream, accept_hdr_async,
    tungstenite::{
        Message,
        handshake::server::{Request, Response},
    },
};
use url::Url;

/// A server; it ends when this is dropped.
pub(super) struct Server {
    pub(super) address: Url,
    task: JoinHandle<()>,
    open: watch::Receiver<usize>,
    accepted: Arc<AtomicUsize>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Server {
    /// Connections accepted so far.
    pub(super) fn accepted(&self) -> usize {
        self.accepted.load(Ordering::SeqCst)
    }

    /// Waits until so many of the connections are open at once.
    pub(super) async fn open_connections(&mut self, wanted: usize) {
        let reached = self.open.wait_for(|open| *open == wanted);
        timeout(PATIENCE, reached)
            .await
            .expect("in time")
            .expect("the server lives");
    }
}

/// One WebSocket connection of a script.
pub(super) struct Session {
    pub(super) path: String,
    /// How many were accepted before this one.
    pub(super) number: usize,
    socket: WebSocketStream<TcpStream>,
}

impl Session {
    /// Sends a text frame; false when the client is gone.
    pub(super) async fn send(&mut self, text: impl Into<String>) -> bool {
        let text: String = text.into();
        self.socket.send(Message::text(text)).await.is_ok()
    }

    pub(super) async fn send_json(&mut self, frame: &Value) -> bool {
        // Kraken and Bitfinex pongs and the like are plain text.
        match frame {
            Value::String(text) => self.send(text.clone()).await,
            frame => self.send(frame.to_string()).await,
        }
    }

    /// Sends bytes as they are.
    pub(super) async fn bytes(&mut self, bytes: &[u8]) {
        let written = self.socket.get_mut().write_all(bytes).await;
        written.expect("the client is there");
    }

    /// The next text frame of the client; `None` when it is gone.
    pub(super) async fn receive(&mut self) -> Option<String> {
        loop {
            match self.socket.next().await? {
                Ok(Message::Text(text)) => return Some(text.to_string()),
                Ok(_) => {}
                Err(_) => return None,
            }
        }
    }

    /// The next frame of the client, whatever it is; pings are answered. `None` when it is gone.
    pub(super) async fn frame(&mut self) -> Option<Message> {
        self.socket.next().await?.ok()
    }

    /// Receives so many pings, and answers them.
    pub(super) async fn pings(&mut self, count: usize) {
        let mut seen = 0;
        while seen < count {
            let frame = self.frame().await.expect("the client is there");
            seen += usize::from(frame.is_ping());
        }
    }

    /// Reads bytes without answering anything until the client ends the connection.
    pub(super) async fn bytes_until_the_end(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        let read = self.socket.get_mut().read_to_end(&mut bytes).await;
        read.expect("an orderly end");
        bytes
    }

    /// Waits until the client is gone.
    pub(super) async fn hold(&mut self) {
        while self.receive().await.is_some() {}
    }

    pub(super) async fn close(&mut self, code: u16, reason: &str) {
        let frame = tokio_tungstenite::tungstenite::protocol::CloseFrame {
            code: code.into(),
            reason: reason.to_owned().into(),
        };
        let _ = self.socket.close(Some(frame)).await;
    }
}

/// A WebSocket server that runs the script on every connection.
pub(super) async fn websocket<F, Fut>(script: F) -> Server
where
    F: Fn(Session) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = ()> + Send + 'static,
{
    let script = Arc::new(script);
    listen("ws", move |stream, number| {
        let script = script.clone();
        async move {
            let path = Arc::new(Mutex::new(String::new()));
            let seen = path.clone();
            #[expect(clippy::result_large_err, reason = "the signature is the library's")]
            let note = move |request: &Request, response: Response| {
                *seen.lock() = request.uri().to_string();
                Ok(response)
            };
            if let Ok(socket) = accept_hdr_async(stream, note).await {
                let path = path.lock().clone();
                script(Session {
                    path,
                    number,
                    socket,
                })
                .await;
            }
        }
    })
    .await
}

/// An HTTP server: the script gives the answer to each request line's target, as `(head, body)`.
pub(super) async fn http<F>(answer: F) -> Server
where
    F: Fn(&str, usize) -> (String, String) + Send + Sync + 'static,
{
    let answer = Arc::new(answer);
    listen("http", move |mut stream, number| {
        let answer = answer.clone();
        async move {
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                match stream.read_u8().await {
                    Ok(byte) => head.push(byte),
                    Err(_) => return,
                }
            }
            let head = String::from_utf8_lossy(&head).into_owned();
            let target = head.split(' ').nth(1).unwrap_or_default();
            let (head, body) = answer(target, number);
            let response = format!(
                "HTTP/1.1 {head}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
                body.len()
            );
            let _ = stream.write_all(response.as_bytes()).await;
        }
    })
    .await
}

/// A server that takes connections and never says a word.
pub(super) async fn mute() -> Server {
    listen("ws", |mut stream, _| async move {
        let mut unread = [0; 1024];
        while matches!(stream.read(&mut unread).await, Ok(1..)) {}
    })
    .await
}

async fn listen<F, Fut>(scheme: &str, serve: F) -> Server
where
    F: Fn(TcpStream, usize) -> Fut + Send + 'static,
    Fut: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("{scheme}://{}", listener.local_addr().unwrap());
    let (open, watched) = watch::channel(0);
    let accepted = Arc::new(AtomicUsize::new(0));
    let counted = accepted.clone();
    let task = tokio::spawn(async move {
        let open = Arc::new(open);
        let mut sessions = tokio::task::JoinSet::new();
        while let Ok((stream, _)) = listener.accept().await {
            let number = counted.fetch_add(1, Ordering::SeqCst);
            let (open, serving) = (open.clone(), serve(stream, number));
            sessions.spawn(async move {
                open.send_modify(|open| *open += 1);
                serving.await;
                open.send_modify(|open| *open -= 1);
            });
        }
    });
    Server {
        address: address.parse().unwrap(),
        task,
        open: watched,
        accepted,
    }
}
