//! The socket of one connection, shared by two tasks. [`Incoming`] has every frame that comes, and the reason of the
//! end; [`Outgoing`] sends frames from any task. One task writes: it sends what it is handed and pings on its own; when
//! the incoming half is dropped it says goodbye with a close frame and ends the socket, within a bound.

use super::{
    arrival::{WebSocket, last_arrival},
    liveness::Liveness,
};
use crate::{metrics::Meter, options::Keepalive};
use barter_integration::protocol::websocket::{WsError, WsMessage};
use chrono::{DateTime, Utc};
use futures::{
    Sink, StreamExt,
    future::{Either, select},
};
use parking_lot::{Condvar, Mutex};
use std::{
    future::poll_fn,
    mem,
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};
use tokio::{
    sync::{mpsc, oneshot},
    time::{MissedTickBehavior, interval_at, timeout},
};
use tokio_tungstenite::tungstenite::{
    error::CapacityError,
    protocol::{CloseFrame, frame::coding::CloseCode},
};

/// Frames that wait to be sent, at most.
const WAITING_MAX: usize = 64;
/// How long a goodbye may take, less than the 100 ms within which a socket is promised to be gone.
const GOODBYE_LIMIT: Duration = Duration::from_millis(75);

/// How many sockets are open, and a call when one is gone.
static OPEN: (Mutex<usize>, Condvar) = (Mutex::new(0), Condvar::new());

/// Shares a socket out. The writing half ends with the incoming one, whose frames are counted.
pub(crate) fn halves(
    socket: WebSocket,
    keepalive: Keepalive,
    meter: Arc<Meter>,
) -> (Outgoing, Incoming) {
    let socket = Arc::new(Mutex::new(socket));
    let (outgoing, waiting) = mpsc::channel(WAITING_MAX);
    let (until_dropped, dropped) = oneshot::channel();
    let open = Open::one_more();
    let writer = Writer(socket.clone());
    tokio::spawn(async move {
        writer.run(waiting, dropped, keepalive.interval).await;
        drop(open);
    });
    let incoming = Incoming {
        socket,
        last_arrival: DateTime::UNIX_EPOCH,
        liveness: Liveness::new(keepalive.timeout),
        _until_dropped: until_dropped,
        meter,
    };
    (Outgoing(outgoing), incoming)
}

/// Waits until every socket of the process is gone, at most `limit`.
pub(crate) fn wait_until_gone(limit: Duration) {
    let (open, gone) = &OPEN;
    gone.wait_while_for(&mut open.lock(), |open| *open > 0, limit);
}

/// Sends frames.
#[derive(Debug, Clone)]
pub(crate) struct Outgoing(mpsc::Sender<WsMessage>);

/// The socket can no longer be written to; reading from it says why.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the connection can no longer be written to")]
pub(crate) struct Unwritable;

impl Outgoing {
    /// One whose frames come out there.
    #[cfg(test)]
    pub(crate) fn to(waiting: mpsc::Sender<WsMessage>) -> Self {
        Self(waiting)
    }

    /// Hands a frame over; waits while too many wait to be sent.
    pub(crate) async fn send(&self, frame: WsMessage) -> Result<(), Unwritable> {
        self.0.send(frame).await.map_err(|_| Unwritable)
    }
}

/// A frame and when it came.
#[derive(Debug)]
pub(crate) struct Arrived {
    pub(crate) frame: WsMessage,
    pub(crate) at: DateTime<Utc>,
}

/// Receives frames; dropping it ends the connection.
pub(crate) struct Incoming {
    socket: Arc<Mutex<WebSocket>>,
    last_arrival: DateTime<Utc>,
    liveness: Liveness,
    /// Tells the writing task.
    _until_dropped: oneshot::Sender<()>,
    meter: Arc<Meter>,
}

impl Incoming {
    /// The next frame, or why there is none: nothing comes after that. A close frame is an end.
    pub(crate) async fn next(&mut self) -> Result<Arrived, String> {
        poll_fn(|cx| self.poll_next(cx)).await
    }

    /// The next frame is no longer waited for.
    pub(crate) fn paused(&mut self) {
        self.liveness.reset();
    }

    /// Counts what the connection does.
    pub(crate) fn meter(&self) -> &Meter {
        &self.meter
    }

    /// The same as a poll. As long as a frame is kept, the buffer that it was read into cannot be used again.
    pub(crate) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Result<Arrived, String>> {
        let (polled, last_arrival) = {
            let mut socket = self.socket.lock();
            (socket.poll_next_unpin(cx), last_arrival(&socket))
        };
        let more = mem::replace(&mut self.last_arrival, last_arrival) != last_arrival;
        let Poll::Ready(frame) = polled else {
            // Part of a frame is a sign of life too.
            if more {
                self.liveness.reset();
            }
            return self
                .liveness
                .poll_dead(cx)
                .map(|dead| Err(dead.to_string()));
        };
        self.liveness.reset();
        Poll::Ready(match frame {
            Some(Ok(frame)) => {
                self.meter.frame(&frame);
                if more {
                    self.meter.arrived(last_arrival);
                }
                match frame {
                    WsMessage::Close(frame) => Err(close_reason(frame.as_ref())),
                    frame => Ok(Arrived {
                        frame,
                        at: last_arrival,
                    }),
                }
            }
            Some(Err(error)) => Err(broken_reason(&error)),
            None => Err(CUT.to_owned()),
        })
    }
}

/// Writes to the socket.
struct Writer(Arc<Mutex<WebSocket>>);

impl Writer {
    /// Writes until the incoming half is dropped, then ends the socket.
    async fn run(
        self,
        waiting: mpsc::Receiver<WsMessage>,
        dropped: oneshot::Receiver<()>,
        ping_interval: Duration,
    ) {
        {
            let sending = pin!(self.send_all(waiting, ping_interval));
            if let Either::Right(((), dropped)) = select(dropped, sending).await {
                // Nothing is ever sent: it ends when the other half is dropped.
                let _ = dropped.await;
            }
        }
        // A peer that answers ends the socket; one that does not is left.
        let _ = timeout(GOODBYE_LIMIT, self.say_goodbye()).await;
    }

    /// Sends what it is handed, and pings, until the socket cannot be written to.
    async fn send_all(&self, mut waiting: mpsc::Receiver<WsMessage>, ping_interval: Duration) {
        let first = tokio::time::Instant::now() + ping_interval;
        let mut pings = interval_at(first, ping_interval);
        pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let frame = tokio::select! {
                Some(frame) = waiting.recv() => frame,
                _ = pings.tick() => WsMessage::Ping(Default::default()),
            };
            if self.send(frame).await.is_err() {
                return;
            }
        }
    }

    /// Sends a close frame and reads until the peer ends the socket.
    async fn say_goodbye(&self) {
        let close = WsMessage::Close(Some(CloseFrame {
            code: CloseCode::Normal,
            reason: Default::default(),
        }));
        // Where the peer closed first, or is gone, there is nothing to send; reading sees the end in either case.
        let _ = self.send(close).await;
        while let Some(Ok(_)) = poll_fn(|cx| self.0.lock().poll_next_unpin(cx)).await {}
    }

    async fn send(&self, frame: WsMessage) -> Result<(), WsError> {
        self.poll(|socket, cx| socket.poll_ready(cx)).await?;
        Pin::new(&mut *self.0.lock()).start_send(frame)?;
        self.poll(|socket, cx| socket.poll_flush(cx)).await
    }

    async fn poll<T>(&self, poll: impl Fn(Pin<&mut WebSocket>, &mut Context<'_>) -> Poll<T>) -> T {
        poll_fn(|cx| poll(Pin::new(&mut *self.0.lock()), cx)).await
    }
}

/// Counts one open socket for as long as it lives.
struct Open(());

impl Open {
    fn one_more() -> Self {
        *OPEN.0.lock() += 1;
        Self(())
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        *OPEN.0.lock() -= 1;
        OPEN.1.notify_all();
    }
}

const CUT: &str = "the exchange ended the connection";

/// A close frame in words.
fn close_reason(frame: Option<&CloseFrame>) -> String {
    match frame {
        None => format!("{CUT} with a close frame"),
        Some(frame) if frame.reason.is_empty() => {
            format!("{CUT} with close code {}", u16::from(frame.code))
        }
        Some(frame) => format!(
            "{CUT} with close code {}: {}",
            u16::from(frame.code),
            frame.reason
        ),
    }
}

fn broken_reason(error: &WsError) -> String {
    match error {
        WsError::Capacity(CapacityError::MessageTooLong { size, max_size }) => {
            format!("a message of {size} bytes is longer than max_message_size, {max_size} bytes")
        }
        error => format!("the connection broke: {}", super::error::with_causes(error)),
    }
}
