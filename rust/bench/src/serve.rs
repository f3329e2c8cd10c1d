//! A server of one workload: order book snapshots over HTTP, everything else over WebSocket. It acknowledges the first
//! request of a connection, then sends frames as fast as the socket takes them until the client goes away.

use crate::{
    Outcome,
    workload::{Frames, Workload, snapshot, trade},
};
use futures::{SinkExt, StreamExt};
use rustix::time::{ClockId, clock_gettime};
use std::{io::Write as _, sync::Arc, time::Duration};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::Notify,
    time::{MissedTickBehavior, interval, sleep, timeout},
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{Message, handshake::derive_accept_key, protocol::Role},
};

const REQUEST_BYTES_MAX: usize = 16 << 10;
/// Frames that go into one write over TLS; each is a record of its own, as exchanges send them.
const RECORDS: usize = 64;
/// How long a client may take to ask for the snapshot before it gets updates without.
const SNAPSHOT_WAIT: Duration = Duration::from_millis(500);
/// How long after the snapshot the updates begin.
const SNAPSHOT_LEAD: Duration = Duration::from_millis(20);

/// What every connection needs to know.
#[derive(Debug)]
pub struct Server {
    workload: Workload,
    frames: Frames,
    aggregate: Frames,
    snapshot_sent: Notify,
}

impl Server {
    /// A server of this workload.
    pub fn new(workload: Workload) -> Arc<Self> {
        Arc::new(Self {
            workload,
            frames: Frames::new(&workload.texts()),
            aggregate: Frames::new(&workload.aggregate_texts()),
            snapshot_sent: Notify::new(),
        })
    }

    /// Serves until the process ends.
    pub async fn run(
        self: Arc<Self>,
        listener: TcpListener,
        tls: Option<TlsAcceptor>,
    ) -> Outcome<()> {
        loop {
            let (socket, _) = listener.accept().await?;
            let (server, tls) = (self.clone(), tls.clone());
            tokio::spawn(async move {
                if let Err(error) = server.connection(socket, tls).await {
                    eprintln!("a connection ended: {error}");
                }
            });
        }
    }

    async fn connection(&self, socket: TcpStream, tls: Option<TlsAcceptor>) -> Outcome<()> {
        socket.set_nodelay(true)?;
        match tls {
            None => self.converse(socket).await,
            Some(tls) => self.converse(tls.accept(socket).await?).await,
        }
    }

    async fn converse<S: Socket>(&self, mut socket: S) -> Outcome<()> {
        let Some((path, key)) = request(&mut socket).await? else {
            return Ok(());
        };
        let Some(key) = key else {
            return self.answer(socket, &path).await;
        };
        let accept = derive_accept_key(key.as_bytes());
        let upgrade = format!(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {accept}\r\n\r\n"
        );
        socket.write_all(upgrade.as_bytes()).await?;
        if path.starts_with("/stream") {
            return blast(&mut socket, self.aggregate.clone()).await;
        }
        let mut websocket = WebSocketStream::from_raw_socket(socket, Role::Server, None).await;
        let request = websocket.next().await.ok_or("no request came")??;
        let number =
            serde_json::from_slice::<serde_json::Value>(&request.into_data())?["id"].take();
        let accepted = format!(r#"{{"result":null,"id":{number}}}"#);
        let snapshot = self.snapshot_sent.notified();
        websocket.send(Message::text(accepted)).await?;
        match self.workload {
            Workload::Idle => {
                while let Some(Ok(_)) = websocket.next().await {}
                Ok(())
            }
            Workload::Paced(rate) => pace(websocket, rate).await,
            Workload::L2(_) => {
                if timeout(SNAPSHOT_WAIT, snapshot).await.is_ok() {
                    sleep(SNAPSHOT_LEAD).await;
                }
                blast(websocket.get_mut(), self.frames.clone()).await
            }
            Workload::Trades | Workload::Mixed | Workload::L1 => {
                blast(websocket.get_mut(), self.frames.clone()).await
            }
        }
    }

    /// Answers a request over HTTP: with the snapshot, or that there is nothing.
    async fn answer<S: Socket>(&self, mut socket: S, path: &str) -> Outcome<()> {
        let (status, body) = match path {
            path if path.starts_with("/api/v3/depth") => ("200 OK", snapshot()),
            _ => ("404 Not Found", "{}".to_owned()),
        };
        let answer = format!(
            "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
            body.len()
        );
        socket.write_all(answer.as_bytes()).await?;
        socket.shutdown().await?;
        self.snapshot_sent.notify_waiters();
        Ok(())
    }
}

/// A TCP connection, secured or not.
pub trait Socket: AsyncRead + AsyncWrite + Unpin + Send {
    /// Writes frames; over TLS each in a record of its own.
    fn write_frames(&mut self, frames: &Frames)
    -> impl Future<Output = std::io::Result<()>> + Send;
}

impl Socket for TcpStream {
    async fn write_frames(&mut self, frames: &Frames) -> std::io::Result<()> {
        self.write_all(&frames.bytes).await
    }
}

impl Socket for TlsStream<TcpStream> {
    async fn write_frames(&mut self, frames: &Frames) -> std::io::Result<()> {
        let mut start = 0;
        for ends in frames.ends.chunks(RECORDS) {
            for end in ends {
                self.get_mut()
                    .1
                    .writer()
                    .write_all(&frames.bytes[start..*end])?;
                start = *end;
            }
            self.flush().await?;
        }
        Ok(())
    }
}

/// Sends the frames over and over; the client's going away ends it.
async fn blast<S: Socket>(socket: &mut S, mut frames: Frames) -> Outcome<()> {
    while socket.write_frames(&frames).await.is_ok() {
        frames.count_on();
    }
    Ok(())
}

async fn pace<S: Socket>(mut websocket: WebSocketStream<S>, rate: u64) -> Outcome<()> {
    let mut ticks = interval(Duration::from_nanos(1_000_000_000 / rate));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    for number in 0.. {
        ticks.tick().await;
        let now = clock_gettime(ClockId::Monotonic);
        let now_ns = now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64;
        let frame = trade("BTCUSDT", number, now_ns - 3_000_000_000);
        if websocket.send(Message::text(frame)).await.is_err() {
            break;
        }
    }
    Ok(())
}

/// Path and WebSocket key of an HTTP request, `None` where the client went away.
async fn request<S: Socket>(socket: &mut S) -> Outcome<Option<(String, Option<String>)>> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        if head.len() == REQUEST_BYTES_MAX {
            return Err("a request is too long".into());
        }
        let mut byte = [0];
        if socket.read(&mut byte).await? == 0 {
            return Ok(None);
        }
        head.push(byte[0]);
    }
    let head = String::from_utf8(head)?;
    let path = head.split(' ').nth(1).ok_or("a request without a path")?;
    let key = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        let is_key = name.eq_ignore_ascii_case("sec-websocket-key");
        is_key.then(|| value.trim().to_owned())
    });
    Ok(Some((path.to_owned(), key)))
}
