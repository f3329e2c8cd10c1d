//! The socket of one connection, taken apart. [`Incoming`] has every frame that comes, and the reason of the end;
//! [`Outgoing`] sends frames from any task. One task owns the writing half: it sends what it is handed and pings on its
//! own; when the incoming half is dropped it says goodbye with a close frame and ends the socket, within a bound.

use super::liveness::Live;
use crate::{metrics::Meter, options::Keepalive};
use barter_integration::protocol::websocket::{WebSocket, WsError, WsMessage, WsSink, WsStream};
use futures::{
    SinkExt, StreamExt,
    future::{Either, select},
};
use parking_lot::{Condvar, Mutex};
use std::{
    future::poll_fn,
    mem,
    pin::pin,
    sync::Arc,
    task::{Context, Poll, ready},
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

/// Takes a socket apart. The writing half ends with the incoming one, whose frames are counted.
pub(crate) fn halves(
    socket: WebSocket,
    keepalive: Keepalive,
    meter: Arc<Meter>,
) -> (Outgoing, Incoming) {
    let (sink, frames) = socket.split();
    let (outgoing, waiting) = mpsc::channel(WAITING_MAX);
    let (goodbye, dropped) = oneshot::channel();
    let open = Open::one_more();
    tokio::spawn(async move {
        write(sink, waiting, dropped, keepalive.interval).await;
        drop(open);
    });
    let incoming = Incoming {
        frames: Some(Live::new(frames, keepalive.timeout)),
        goodbye: Some(goodbye),
        meter,
        untold: false,
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

/// Receives frames; dropping it ends the connection.
pub(crate) struct Incoming {
    /// There until it is dropped.
    frames: Option<Live<WsStream>>,
    goodbye: Option<oneshot::Sender<Live<WsStream>>>,
    meter: Arc<Meter>,
    /// The meter was not told yet that the frames it counted are all for now.
    untold: bool,
}

impl Incoming {
    /// The next frame, or why there is none: nothing comes after that. A close frame is an end.
    pub(crate) async fn next(&mut self) -> Result<WsMessage, String> {
        poll_fn(|cx| self.poll_next(cx)).await
    }

    /// The next frame is no longer waited for.
    pub(crate) fn paused(&mut self) {
        if let Some(frames) = &mut self.frames {
            frames.paused();
        }
    }

    /// Counts what the connection does.
    pub(crate) fn meter(&self) -> &Meter {
        &self.meter
    }

    /// The same as a poll.
    pub(crate) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Result<WsMessage, String>> {
        let Some(frames) = &mut self.frames else {
            return Poll::Ready(Err(CUT.to_owned()));
        };
        let polled = frames.poll_frame(cx);
        if let Poll::Ready(Ok(Some(Ok(frame)))) = &polled {
            self.meter.frame(frame);
            self.untold = true;
        } else if mem::take(&mut self.untold) {
            self.meter.read_all();
        }
        Poll::Ready(match ready!(polled) {
            Ok(Some(Ok(WsMessage::Close(frame)))) => Err(close_reason(frame.as_ref())),
            Ok(Some(Ok(frame))) => Ok(frame),
            Ok(Some(Err(error))) => Err(broken_reason(&error)),
            Ok(None) => Err(CUT.to_owned()),
            Err(dead) => Err(dead.to_string()),
        })
    }
}

impl Drop for Incoming {
    fn drop(&mut self) {
        if let (Some(goodbye), Some(frames)) = (self.goodbye.take(), self.frames.take()) {
            // Without the writing task there is nobody to say goodbye: the socket closes here.
            let _ = goodbye.send(frames);
        }
    }
}

/// Owns the writing half until the incoming one is dropped, then ends the socket.
async fn write(
    mut sink: WsSink,
    waiting: mpsc::Receiver<WsMessage>,
    dropped: oneshot::Receiver<Live<WsStream>>,
    ping_interval: Duration,
) {
    let incoming = {
        let sending = pin!(send_all(&mut sink, waiting, ping_interval));
        match select(dropped, sending).await {
            Either::Left((incoming, _)) => incoming,
            Either::Right(((), dropped)) => dropped.await,
        }
    };
    if let Ok(incoming) = incoming {
        // A peer that answers ends the socket; one that does not is left.
        let _ = timeout(GOODBYE_LIMIT, say_goodbye(sink, incoming)).await;
    }
}

/// Sends what it is handed, and pings, until the socket cannot be written to.
async fn send_all(
    sink: &mut WsSink,
    mut waiting: mpsc::Receiver<WsMessage>,
    ping_interval: Duration,
) {
    let first = tokio::time::Instant::now() + ping_interval;
    let mut pings = interval_at(first, ping_interval);
    pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let frame = tokio::select! {
            Some(frame) = waiting.recv() => frame,
            _ = pings.tick() => WsMessage::Ping(Default::default()),
        };
        if sink.send(frame).await.is_err() {
            return;
        }
    }
}

/// Sends a close frame and reads until the peer ends the socket.
async fn say_goodbye(mut sink: WsSink, mut incoming: Live<WsStream>) {
    let close = WsMessage::Close(Some(CloseFrame {
        code: CloseCode::Normal,
        reason: Default::default(),
    }));
    // Where the peer closed first, or is gone, there is nothing to send; reading sees the end in either case.
    let _ = sink.send(close).await;
    while let Ok(Some(Ok(_))) = poll_fn(|cx| incoming.poll_frame(cx)).await {}
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
